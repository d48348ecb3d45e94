// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The module's storage: which slots are used, templates out and in, erasing. Source: public host
//! code `andpp/BM-Lite` 27c95ab (`bmlite_if.c`).

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use platen_hal::ReaderError;
use platen_hal::finger::TEMPLATE_MAX;
use zeroize::Zeroize as _;

use super::message::{COUNT, DATA, Request};
use super::wire::Wire;
use super::{BmLite, EMPTY_BUDGET_US, LIBRARY_BUDGET_US, TEMPLATE_BUDGET_US, garbled, refused};

impl<W: Wire, D: DelayNs, R: OutputPin> BmLite<W, D, R> {
    /// How many templates are stored.
    pub(super) fn count(&mut self) -> Result<u16, ReaderError> {
        let count = self.must(Request::Count)?.get(COUNT);
        let count = count.and_then(|count| count.try_into().ok());
        count
            .map(u16::from_le_bytes)
            .ok_or(garbled("number of templates is no number"))
    }

    /// The slots that are used, in rising order.
    fn ids(&mut self) -> Result<Vec<u16>, ReaderError> {
        let capacity = self.capacity;
        let ids = self.must(Request::Ids)?.get(DATA).unwrap_or_default();
        let pairs = ids.chunks_exact(2);
        if !pairs.remainder().is_empty() {
            return Err(garbled("list of templates is no list"));
        }
        let mut slots: Vec<u16> = pairs
            .filter_map(|pair| pair.try_into().ok().map(u16::from_le_bytes))
            .filter(|slot| *slot < capacity)
            .collect();
        slots.sort_unstable();
        slots.dedup();
        Ok(slots)
    }

    /// Whether `slot` holds a template; refuses a slot that there is not.
    pub(super) fn is_used(&mut self, slot: u16) -> Result<bool, ReaderError> {
        if slot >= self.capacity {
            return Err(refused("sensor has no such slot"));
        }
        Ok(self.ids()?.contains(&slot))
    }

    /// Refuses a slot that is empty.
    pub(super) fn wants_used(&mut self, slot: u16) -> Result<(), ReaderError> {
        match self.is_used(slot)? {
            true => Ok(()),
            false => Err(refused("slot is empty")),
        }
    }

    pub(super) fn used_slots(&mut self) -> Result<Vec<u16>, ReaderError> {
        self.begin(LIBRARY_BUDGET_US)?;
        self.ids()
    }

    pub(super) fn read_template(&mut self, slot: u16) -> Result<Vec<u8>, ReaderError> {
        self.begin(TEMPLATE_BUDGET_US)?;
        self.wants_used(slot)?;
        self.must(Request::Load(slot))?;
        let template = self.upload();
        self.answer.zeroize(); // also what came of one that failed
        template
    }

    /// The template in the module's memory.
    fn upload(&mut self) -> Result<Vec<u8>, ReaderError> {
        match self.must(Request::Upload)?.get(DATA) {
            Some(template) if (1..=TEMPLATE_MAX).contains(&template.len()) => Ok(template.to_vec()),
            _ => Err(garbled("no template has this length")),
        }
    }

    pub(super) fn write_template(&mut self, slot: u16, template: &[u8]) -> Result<(), ReaderError> {
        self.begin(TEMPLATE_BUDGET_US)?;
        let used = self.is_used(slot)?;
        if template.is_empty() || template.len() > TEMPLATE_MAX {
            return Err(refused("no template has this length"));
        }
        self.must(Request::Download(template))?;
        // The module overwrites none. It has taken the new one before the old one goes.
        if used {
            self.must(Request::Delete(slot))?;
        }
        self.must(Request::Save(slot))?;
        match self.is_used(slot)? {
            true => Ok(()),
            false => Err(garbled("template was stored, but is not there")),
        }
    }

    pub(super) fn delete_now(&mut self, slot: u16) -> Result<(), ReaderError> {
        self.begin(LIBRARY_BUDGET_US)?;
        if self.is_used(slot)? {
            self.must(Request::Delete(slot))?;
        }
        Ok(())
    }

    pub(super) fn empty(&mut self) -> Result<(), ReaderError> {
        self.begin(EMPTY_BUDGET_US)?;
        self.must(Request::DeleteAll).map(drop)
    }
}
