// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a fingerprint sensor of the EF01 family gone mad, or something else on its line, can answer.
//! Whatever comes: no panic, an end within the limits, a finger only when its slot was said twice,
//! and no command that moves a picture.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write};
use platen_drivers::Ef01;
use platen_drivers::ef01::CAPACITY_MAX;
use platen_hal_sim::SimDelay;

use crate::sensor_calls::run;

/// Runs the driver with `data` as what the sensor says.
///
/// # Panics
/// When a call takes too long, a finger is returned whose slot was not said twice, or a command is
/// sent that moves a picture.
pub fn ef01_packet(data: &[u8]) {
    let hostile = Hostile(Arc::new(Mutex::new(State {
        data: data.iter().copied().collect(),
        ..State::default()
    })));
    let delay = SimDelay::default();
    let mut sensor = Ef01::new(hostile.clone(), delay.clone()).with_touches(3);
    run(&mut sensor, &delay, |call, look| {
        let mut state = hostile.lock();
        let moves = |code: &u8| matches!(code, 0x0a | 0x0b | 0x16);
        assert!(!state.heard.iter().any(moves), "moves a picture");
        if let Some(slot) = look {
            assert!(slot < CAPACITY_MAX);
            let said = state.said.iter().filter(|said| **said == slot).count();
            assert!(said >= 2, "{call:?}: a slot that was not said twice");
        }
        state.said.clear();
    });
}

/// A sensor that frames rightly most of the time, and lies in what it frames. When it has nothing
/// left to say, its port fails.
#[derive(Clone)]
struct Hostile(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    data: VecDeque<u8>,
    arrived: VecDeque<u8>,
    heard: Vec<u8>,
    /// Slots in the answers to searches.
    said: Vec<u16>,
}

impl Hostile {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> u8 {
        self.data.pop_front().unwrap_or(0)
    }

    fn frame(&mut self, kind: u8, content: &[u8]) {
        let length = u16::try_from(content.len() + 2).unwrap_or(0);
        let mut summed = vec![kind];
        summed.extend(length.to_be_bytes());
        summed.extend(content);
        let sum = summed.iter().map(|byte| u16::from(*byte));
        let sum = sum.fold(0_u16, u16::wrapping_add);
        self.arrived.extend([0xef, 0x01, 0xff, 0xff, 0xff, 0xff]);
        self.arrived.extend(summed);
        self.arrived.extend(sum.to_be_bytes());
    }

    fn hear(&mut self, packet: &[u8]) {
        let [0xef, 0x01, _, _, _, _, 0x01, _, _, code, ..] = packet else {
            return;
        };
        self.heard.push(*code);
        match self.next() {
            0xf0.. => {}
            shape @ 0xd0..0xf0 => {
                let waste: Vec<u8> = (0..shape & 0x1f).map(|_| self.next()).collect();
                self.arrived.extend(waste);
            }
            shape @ 0xa0..0xd0 => {
                let content: Vec<u8> = (0..=shape & 0x0f).map(|_| self.next()).collect();
                self.note(*code, &content);
                self.frame(0x07, &content);
            }
            shape => self.answer(*code, shape),
        }
    }

    /// Writes down which slot an answer speaks of.
    fn note(&mut self, code: u8, content: &[u8]) {
        if let (0x04, [0, high, low, _, _]) = (code, content) {
            self.said.push(u16::from_be_bytes([*high, *low]));
        }
    }

    /// What a sensor would say.
    fn answer(&mut self, code: u8, shape: u8) {
        let content = match code {
            0x04 => vec![0, 0, shape & 0x07, 0, 80],
            0x0f => vec![
                0, 0, 0, 0, 0, 0, 200, 0, 3, 0xff, 0xff, 0xff, 0xff, 0, 2, 0, 6,
            ],
            0x1d => vec![0, 0, 3],
            0x1f => [&[0][..], &[shape; 32]].concat(),
            0x3c => [&[0][..], &[0x20; 46]].concat(),
            _ => vec![0],
        };
        self.note(code, &content);
        self.frame(0x07, &content);
        if code == 0x08 {
            for _ in 0..shape & 0x03 {
                let part = [self.next(); 64];
                self.frame(0x02, &part);
            }
            self.frame(0x08, &[1, 2, 3]);
        }
    }

    fn is_spent(&self) -> bool {
        self.data.is_empty() && self.arrived.is_empty()
    }
}

/// The sensor has nothing left to say.
#[derive(Debug)]
struct Spent;

impl std::fmt::Display for Spent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("nothing left to say")
    }
}

impl std::error::Error for Spent {}

impl embedded_io::Error for Spent {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for Hostile {
    type Error = Spent;
}

impl Write for Hostile {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Spent> {
        self.lock().hear(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Spent> {
        Ok(())
    }
}

impl ReadReady for Hostile {
    fn read_ready(&mut self) -> Result<bool, Spent> {
        let state = self.lock();
        match state.is_spent() {
            true => Err(Spent),
            false => Ok(!state.arrived.is_empty()),
        }
    }
}

impl Read for Hostile {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Spent> {
        let mut state = self.lock();
        let count = into.len().min(state.arrived.len());
        let taken = state.arrived.drain(..count);
        into.iter_mut().zip(taken).for_each(|(to, byte)| *to = byte);
        Ok(count)
    }
}
