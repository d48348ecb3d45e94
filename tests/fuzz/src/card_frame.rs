// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a hostile card, or a chip gone mad, can answer to the card reader's driver. Whatever comes:
//! no panic, an end within the limits, and a number only with a right check byte and CRC.

use std::collections::VecDeque;
use std::convert::Infallible;

use embedded_hal::spi::{ErrorType, Operation, SpiDevice};
use platen_drivers::Mfrc522;
use platen_drivers::iso14443a::{self, Clash, Frame, Reply, Transceiver};
use platen_hal::{CardReader, CardUid, ReaderError};
use platen_hal_sim::SimDelay;

/// Frames that one look may send: wake, three levels of nine tries and a select, halt.
const FRAMES_MAX: usize = 32;
/// Transactions that one call may make.
const TRANSACTIONS_MAX: usize = 512;
/// Milliseconds that one look and one start may ask for.
const POLL_MS_MAX: u64 = 300;
const START_MS_MAX: u64 = 500;

/// Runs both targets on `data`: hostile cards behind a good chip, then a hostile chip.
pub fn card_frame(data: &[u8]) {
    let mut card = HostileCard {
        data: Answers(data),
        frames: 0,
        selected: Vec::new(),
    };
    if let Ok(Some(found)) = iso14443a::select_one(&mut card) {
        assert_eq!(
            card.proven(),
            Some(found.uid),
            "a number that was not proven"
        );
        iso14443a::halt(&mut card);
    }
    assert!(card.frames <= FRAMES_MAX, "{} frames", card.frames);
    hostile_chip(data);
}

fn hostile_chip(data: &[u8]) {
    let delay = SimDelay::default();
    let mut reader = Mfrc522::new(HostileChip::new(data), delay.clone());
    let mut waited_ms = 0;
    let mut spent = 0;
    for call in 0..4 {
        let _ = if call == 0 {
            reader.start()
        } else {
            reader.poll().map(drop)
        };
        let limit = if call == 0 { START_MS_MAX } else { POLL_MS_MAX };
        assert!(
            delay.total_ms() - waited_ms <= limit,
            "call {call} waits too long"
        );
        waited_ms = delay.total_ms();
        let transactions = reader
            .trace()
            .map_or(0, |trace| trace.counters.transactions);
        assert!(
            transactions - spent <= TRANSACTIONS_MAX as u64,
            "call {call} takes too many"
        );
        spent = transactions;
    }
}

/// Bytes in order; zeros when they are used up.
struct Answers<'a>(&'a [u8]);

impl Answers<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }
}

/// Answers each frame with what the data says: nothing, an error, or bytes with or without a clash.
struct HostileCard<'a> {
    data: Answers<'a>,
    frames: usize,
    /// UID parts that were selected and answered with a SAK of right CRC.
    selected: Vec<([u8; 4], u8)>,
}

impl HostileCard<'_> {
    /// The number that the selected parts make, by the standard and not by the driver's code.
    fn proven(&self) -> Option<CardUid> {
        let mut uid = Vec::new();
        for (part, sak) in &self.selected {
            uid.extend_from_slice(part.get(usize::from(sak >> 2 & 1)..)?);
        }
        CardUid::new(&uid)
    }

    fn bytes(&mut self, frame: &Frame<'_>, shape: u8) -> Vec<u8> {
        let length = match shape >> 4 & 0x03 {
            0 => 2,
            1 => 5_usize.saturating_sub(frame.bytes.len().saturating_sub(2)),
            2 => 3,
            _ => usize::from(self.data.next() % 17),
        };
        let mut bytes: Vec<u8> = (0..length).map(|_| self.data.next()).collect();
        // Without help no random data gets past check byte and CRC.
        match (shape >> 6, bytes.as_mut_slice()) {
            (1.., [a, b, c, d, bcc]) => *bcc = *a ^ *b ^ *c ^ *d,
            (1.., [sak, low, high]) => [*low, *high] = iso14443a::crc_a(&[*sak]),
            _ => {}
        }
        bytes
    }
}

impl Transceiver for HostileCard<'_> {
    fn exchange(&mut self, frame: Frame<'_>) -> Result<Option<Reply>, ReaderError> {
        self.frames += 1;
        let shape = self.data.next();
        if shape & 0x0f == 0x0f {
            return Ok(None);
        }
        if shape & 0x0f == 0x0e {
            return Err(ReaderError::Garbled { cause: "framing" });
        }
        let bytes = self.bytes(&frame, shape);
        let clash = match shape & 0x0f {
            0x0c => Clash::Unknown,
            0x0d => Clash::At(self.data.next()),
            _ => Clash::None,
        };
        let last_bits = if shape & 0x0f == 0x0b { 3 } else { 0 };
        if let ([_, 0x70, a, b, c, d, ..], [sak, check @ ..]) = (frame.bytes, bytes.as_slice())
            && *check == iso14443a::crc_a(&[*sak])
        {
            self.selected.push(([*a, *b, *c, *d], *sak));
        }
        Ok(Some(Reply {
            bytes: bytes.iter().copied().collect(),
            last_bits,
            clash,
            took_us: 500,
        }))
    }

    fn pause(&mut self, _us: u32) -> Result<(), ReaderError> {
        Ok(())
    }
}

/// A chip that keeps its identity and settings right most of the time, and lies about the rest.
struct HostileChip {
    data: VecDeque<u8>,
}

impl HostileChip {
    fn new(data: &[u8]) -> Self {
        Self {
            data: data.iter().copied().collect(),
        }
    }

    fn say(&mut self, address: u8) -> u8 {
        let lie = self.data.pop_front().unwrap_or(0);
        let honest = lie != 0xee;
        match address >> 1 & 0x3f {
            0x37 if honest => 0x92,
            0x14 if honest => 0x83,
            0x2a if honest => 0x80,
            0x2d if honest => 40,
            0x11 if honest => 0x3d,
            0x01 if honest => 0x00,
            _ => lie,
        }
    }
}

impl ErrorType for HostileChip {
    type Error = Infallible;
}

impl SpiDevice for HostileChip {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), Infallible> {
        for operation in operations {
            if let Operation::TransferInPlace(bytes) = operation {
                let mut address = 0;
                for byte in bytes.iter_mut() {
                    let next = *byte;
                    *byte = self.say(address);
                    address = next;
                }
            }
        }
        Ok(())
    }
}
