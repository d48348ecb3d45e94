// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The sensor's library: which slots are used, templates out and in, erasing. Source: *ZFM-20 series
//! user manual* Ver 2.0 (`UpChar`, `DownChar`, `Store`, `LoadChar`, `DeletChar`, `Empty`,
//! `ReadIndexTable`).
//!
//! A template's length is what the sensor sends up to its last data packet, never a table's. Data
//! packets have no acknowledgement: what was sent to the sensor is read back before it is stored.

use embedded_hal::delay::DelayNs;
use embedded_io::{Read, ReadReady, Write};
use platen_hal::ReaderError;
use platen_hal::finger::TEMPLATE_MAX;

use super::command::Command;
use super::packet::Kind;
use super::{EMPTY_BUDGET_US, Ef01, FIRST_BUFFER, LIBRARY_BUDGET_US, TEMPLATE_BUDGET_US, garbled};

/// Pages that one quarter of the table tells of.
const QUARTER: u16 = 256;
/// Longest time between two data packets, in microseconds.
const DATA_LIMIT_US: u32 = 300_000;

/// One quarter of the table: byte 0 is pages 0 to 7, its bit 0 is page 0.
type Quarter = [u8; 32];

impl<P: Read + ReadReady + Write, D: DelayNs> Ef01<P, D> {
    /// A quarter of the table of used pages, read twice.
    fn quarter(&mut self, quarter: u8) -> Result<Quarter, ReaderError> {
        let first = self.must(Command::ReadIndexTable, &[quarter], 32)?;
        let second = self.must(Command::ReadIndexTable, &[quarter], 32)?;
        match Quarter::try_from(first.as_slice()) {
            Ok(table) if first == second => Ok(table),
            _ => Err(garbled(
                "table of used slots is another one when read again",
            )),
        }
    }

    /// Whether `slot` holds a template; refuses a slot that there is not.
    pub(super) fn is_used(&mut self, slot: u16) -> Result<bool, ReaderError> {
        let capacity = self.started.map_or(0, |started| started.para.capacity);
        let (true, Ok(quarter)) = (slot < capacity, u8::try_from(slot / QUARTER)) else {
            let cause = "sensor has no such slot";
            return Err(ReaderError::Refused { cause });
        };
        let table = self.quarter(quarter)?;
        Ok(bit(&table, slot % QUARTER))
    }

    /// Refuses a slot that is empty.
    pub(super) fn wants_used(&mut self, slot: u16) -> Result<(), ReaderError> {
        if self.is_used(slot)? {
            Ok(())
        } else {
            let cause = "slot is empty";
            Err(ReaderError::Refused { cause })
        }
    }

    pub(super) fn used_slots(&mut self) -> Result<Vec<u16>, ReaderError> {
        let capacity = self.begin(LIBRARY_BUDGET_US)?.para.capacity;
        self.scan(capacity)
    }

    fn scan(&mut self, capacity: u16) -> Result<Vec<u16>, ReaderError> {
        let mut slots = Vec::new();
        for (quarter, start) in (0_u8..).zip((0..capacity).step_by(usize::from(QUARTER))) {
            let table = self.quarter(quarter)?;
            let end = capacity.min(start + QUARTER);
            slots.extend((start..end).filter(|slot| bit(&table, slot - start)));
        }
        Ok(slots)
    }

    pub(super) fn store(&mut self, slot: u16) -> Result<(), ReaderError> {
        self.must(Command::Store, &with_page(slot), 0).map(drop)
    }

    pub(super) fn read_template(&mut self, slot: u16) -> Result<Vec<u8>, ReaderError> {
        self.begin(TEMPLATE_BUDGET_US)?;
        self.wants_used(slot)?;
        self.must(Command::LoadChar, &with_page(slot), 0)?;
        let first = self.upload()?;
        if first == self.upload()? {
            Ok(first)
        } else {
            Err(garbled("template is another one when read again"))
        }
    }

    /// What [`FIRST_BUFFER`] holds.
    fn upload(&mut self) -> Result<Vec<u8>, ReaderError> {
        self.must(Command::UpChar, &[FIRST_BUFFER], 0)?;
        let mut template = Vec::new();
        loop {
            let (kind, content) = self.next(DATA_LIMIT_US)?;
            template.extend_from_slice(&content);
            match kind {
                _ if template.len() > TEMPLATE_MAX => {
                    return Err(garbled("template has no end"));
                }
                Kind::Data => {}
                Kind::LastData => return Ok(template),
                _ => return Err(garbled("sensor answers where it must send data")),
            }
        }
    }

    pub(super) fn write_template(&mut self, slot: u16, template: &[u8]) -> Result<(), ReaderError> {
        let para = self.begin(TEMPLATE_BUDGET_US)?.para;
        self.is_used(slot)?;
        let refused = |cause| Err(ReaderError::Refused { cause });
        if template.is_empty() || template.len() > TEMPLATE_MAX {
            return refused("no template has this length");
        }
        self.must(Command::DownChar, &[FIRST_BUFFER], 0)?;
        let mut parts = template.chunks(para.packet_size).peekable();
        while let Some(part) = parts.next() {
            let kind = match parts.peek() {
                Some(_) => Kind::Data,
                None => Kind::LastData,
            };
            self.send(kind, part)?;
            // The sensor has no way to say that it can't follow.
            let bytes = u32::try_from(part.len() + 11).unwrap_or(u32::MAX);
            self.wait(bytes.saturating_mul(para.byte_us))?;
        }
        let read = self.upload()?;
        if read.len() != template.len() {
            return refused("sensor takes templates of another length");
        }
        if read != template {
            return Err(garbled("template is another one when read back"));
        }
        self.store(slot)?;
        match self.is_used(slot)? {
            true => Ok(()),
            false => Err(garbled("template was stored, but is not there")),
        }
    }

    pub(super) fn delete_now(&mut self, slot: u16) -> Result<(), ReaderError> {
        self.begin(LIBRARY_BUDGET_US)?;
        if !self.is_used(slot)? {
            return Ok(());
        }
        let [high, low] = slot.to_be_bytes();
        self.must(Command::DeletChar, &[high, low, 0, 1], 0)?;
        match self.is_used(slot)? {
            false => Ok(()),
            true => Err(garbled("slot was emptied, but is still used")),
        }
    }

    pub(super) fn empty(&mut self) -> Result<(), ReaderError> {
        let capacity = self.begin(EMPTY_BUDGET_US)?.para.capacity;
        self.must(Command::Empty, &[], 0)?;
        match self.scan(capacity)?.is_empty() {
            true => Ok(()),
            false => Err(garbled("all slots were emptied, but some are used")),
        }
    }
}

fn bit(table: &Quarter, at: u16) -> bool {
    let byte = table.get(usize::from(at / 8));
    byte.is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

/// [`FIRST_BUFFER`] and a page, as `Store` and `LoadChar` want them.
fn with_page(slot: u16) -> [u8; 3] {
    let [high, low] = slot.to_be_bytes();
    [FIRST_BUFFER, high, low]
}
