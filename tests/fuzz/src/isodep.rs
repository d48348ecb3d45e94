// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a hostile card can answer to the reader's side of ISO/IEC 14443-4. Whatever comes: no panic,
//! an end within the limits of frames and time, and no answer that the card has not given.

use std::cell::RefCell;

use platen_drivers::iso14443a::{Clash, FRAME_MAX, Frame, Reply, Transceiver, crc_a};
use platen_drivers::isodep::{ANSWER_MAX, CardChannel, IsoDep, SESSION_LIMIT_US, TURNS_MAX};
use platen_hal::ReaderError;

/// Commands of one activation, by their length; with small frames all are chained.
const COMMANDS: [usize; 6] = [5, 38, 13, 1, 62, 5];
/// What may come on top of the session's time: two tries to deselect, and the air of one frame.
const FAREWELL_US: u64 = 40_000;
/// Time on the air of one byte.
const BYTE_US: u64 = 95;

/// Activates a card that answers with `data`, gives it some commands and sends it to rest.
///
/// # Panics
/// When a limit is passed, or an answer is longer than asked for or not the card's.
pub fn isodep(data: &[u8]) {
    let record = RefCell::<Record>::default();
    let mut card = Hostile {
        data,
        number: 0,
        record: &record,
    };
    if let Ok(mut channel) = IsoDep::activate(&mut card) {
        for (at, length) in COMMANDS.into_iter().enumerate() {
            let answer_max = if at % 2 == 0 { ANSWER_MAX } else { 34 };
            let Ok(answer) = channel.transmit(&vec![0x5a; length], answer_max) else {
                break;
            };
            let said = &record.borrow().last;
            assert!(answer.len() <= answer_max, "answer is too long");
            assert!(answer.ends_with(said), "answer is not what was said last");
        }
        let _ = channel.deselect();
    }
    let record = record.into_inner();
    assert!(record.frames <= TURNS_MAX + 2, "{} frames", record.frames);
    let limit_us = u64::from(SESSION_LIMIT_US) + FAREWELL_US;
    assert!(record.waited_us <= limit_us, "{} µs", record.waited_us);
}

/// What happened.
#[derive(Default)]
struct Record {
    frames: u32,
    waited_us: u64,
    /// Content of the last block with data.
    last: Vec<u8>,
}

/// Answers each frame with what the data says.
struct Hostile<'a> {
    data: &'a [u8],
    /// Block number of the reader.
    number: u8,
    record: &'a RefCell<Record>,
}

impl Hostile<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.data.split_first() else {
            return 0xff;
        };
        self.data = rest;
        *first
    }

    fn some(&mut self, most: u8) -> Vec<u8> {
        let length = self.next() % (most + 1);
        (0..length).map(|_| self.next()).collect()
    }

    fn block(&mut self, shape: u8) -> Vec<u8> {
        let number = self.number ^ (shape >> 2 & 1);
        match shape >> 4 {
            0 => vec![0x06, 0x75, 0x77, 0x81, 0x02, 0x80],
            1 => vec![0x02, shape & 0x0f],
            2 => vec![0xa2 | number],
            3 => vec![0xf2, self.next()],
            4 => vec![0xc2],
            5..=7 => [&[0x12 | number][..], &self.some(61)].concat(),
            8..=11 => [&[0x02 | number][..], &self.some(61)].concat(),
            _ => self.some(62),
        }
    }
}

impl Transceiver for Hostile<'_> {
    fn exchange(&mut self, frame: Frame<'_>) -> Result<Option<Reply>, ReaderError> {
        let air = |bytes: usize| BYTE_US * u64::try_from(bytes).unwrap_or(u64::MAX);
        let head = frame.bytes.first().copied().unwrap_or(0);
        if head & 0xc0 != 0xc0 {
            self.number = head & 1;
        }
        let shape = self.next();
        let bytes = match shape {
            0xe0.. => Vec::new(),
            _ => self.block(shape),
        };
        let mut record = self.record.borrow_mut();
        record.frames += 1;
        record.waited_us += air(frame.bytes.len());
        if shape >= 0xf0 {
            record.waited_us += u64::from(frame.limit_us);
            return Ok(None);
        }
        if shape >= 0xe0 {
            record.waited_us += u64::from(frame.limit_us) + air(FRAME_MAX);
            return Err(ReaderError::Garbled { cause: "framing" });
        }
        let took_us = frame.limit_us / 16 * u32::from(shape & 0x0f);
        record.waited_us += u64::from(took_us) + air(bytes.len());
        if let [0x02 | 0x03 | 0x12 | 0x13, content @ ..] = bytes.as_slice() {
            record.last = content.to_vec();
        }
        let mut sent: heapless::Vec<u8, FRAME_MAX> = bytes.iter().copied().collect();
        let _ = sent.extend_from_slice(&crc_a(&bytes));
        let all_us = u64::from(took_us) + air(frame.bytes.len() + bytes.len());
        Ok(Some(Reply {
            bytes: sent,
            last_bits: 0,
            clash: if shape & 0x0b == 0x0b {
                Clash::At(3)
            } else {
                Clash::None
            },
            took_us: u32::try_from(all_us).unwrap_or(u32::MAX),
        }))
    }

    fn pause(&mut self, us: u32) -> Result<(), ReaderError> {
        self.record.borrow_mut().waited_us += u64::from(us);
        Ok(())
    }
}
