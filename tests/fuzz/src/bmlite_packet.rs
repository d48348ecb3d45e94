// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a BM-Lite gone mad, or something else on its wires, can answer on SPI and on UART. Whatever
//! comes: no panic, an end within the limits, a finger only when its slot was said as a match, and
//! no request that moves a picture.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_hal::digital::{self, InputPin};
use embedded_hal::spi::{self, SpiDevice};
use embedded_io::{ErrorKind, Read, ReadReady, Write};
use platen_drivers::BmLite;
use platen_drivers::bmlite::CAPACITY;
use platen_drivers::bmlite::wire::{SpiWire, UartWire};
use platen_hal_sim::SimDelay;

use crate::sensor_calls::run;

const ACK: [u8; 4] = [0x7f, 0xff, 0x01, 0x7f];
const IMAGE: u16 = 0x0005;
const EXTRACT: u16 = 0x0008;

/// Runs the driver with `data` as what the module says, on the wire that its length chooses.
///
/// # Panics
/// When a call takes too long, a finger is returned that the module did not say was a match, or a
/// request is sent that moves a picture.
pub fn bmlite_packet(data: &[u8]) {
    let hostile = Hostile(Arc::new(Mutex::new(State {
        data: data.iter().copied().collect(),
        ..State::default()
    })));
    let delay = SimDelay::default();
    let check = |slot: Option<u16>| {
        let mut state = hostile.lock();
        assert!(!state.moves_picture, "moves a picture");
        if let Some(slot) = slot {
            assert!(slot < CAPACITY);
            assert!(state.said.contains(&slot), "a slot that was not said");
        }
        state.said.clear();
    };
    if data.len().is_multiple_of(2) {
        let wire = SpiWire::new(hostile.clone(), hostile.clone());
        let mut sensor = BmLite::new(wire, delay.clone());
        run(&mut sensor, &delay, |_, slot| check(slot));
    } else {
        let wire = UartWire::new(hostile.clone());
        let mut sensor = BmLite::new(wire, delay.clone());
        run(&mut sensor, &delay, |_, slot| check(slot));
    }
}

/// A module that frames rightly most of the time, and lies in what it frames. When it has nothing
/// left to say, its bus fails.
#[derive(Clone)]
struct Hostile(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    data: VecDeque<u8>,
    /// What the host can read; one packet, or its ACK.
    arrived: VecDeque<u8>,
    /// What comes behind it, when it has been read.
    behind: VecDeque<Vec<u8>>,
    /// Slots that were said to match.
    said: Vec<u16>,
    moves_picture: bool,
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

    fn hear(&mut self, bytes: &[u8]) {
        let word = |at: usize| {
            let bytes = bytes.get(at..at + 2)?;
            bytes.try_into().ok().map(u16::from_le_bytes)
        };
        // Behind link and part: command, count, first argument.
        let (Some(number), Some(command)) = (word(6), word(10)) else {
            return;
        };
        if number == 1 && command == IMAGE {
            self.moves_picture |= word(14) != Some(EXTRACT);
        }
        let last = word(8) == Some(number);
        self.arrived.clear();
        self.behind.clear();
        match self.next() {
            0xf8.. => {}
            shape @ 0xe0..0xf8 => {
                let waste = (0..shape & 0x0f).map(|_| self.next()).collect();
                self.behind.push_back(waste);
            }
            shape => {
                self.behind.push_back(ACK.to_vec());
                if last {
                    self.answer(command, shape);
                }
            }
        }
    }

    fn answer(&mut self, command: u16, shape: u8) {
        let mut message = command.to_le_bytes().to_vec();
        match shape {
            0xc0.. => message.extend((0..shape & 0x1f).map(|_| self.next())),
            0xb0.. => {
                let result = self.next();
                message.extend([1, 0, 0x01, 0x20, 1, 0, result]);
            }
            _ => self.truth(command, shape, &mut message),
        }
        if let [3, 0, _, 0, 0x0a, 0, 1, 0, 1, 6, 0, 2, 0, low, high] = *message {
            self.said.push(u16::from_le_bytes([low, high]));
        }
        let parts = message.chunks(242);
        let count = u16::try_from(parts.len()).unwrap_or(1);
        for (part, number) in parts.zip(1..) {
            let count = if shape == 0xaf { 3 } else { count };
            self.behind.push_back(packed(number, count, part));
        }
    }

    /// What a module would say.
    fn truth(&mut self, command: u16, shape: u8, message: &mut Vec<u8>) {
        match command {
            0x0002 if shape & 1 == 0 => {
                message.extend([1, 0, 0x02, 0x20, 4, 0, shape >> 4 & 3, 0, 0, 0]);
            }
            0x0003 => message.extend([2, 0, 0x0a, 0, 1, 0, 1, 6, 0, 2, 0, shape & 0x1f, 0]),
            0x3004 => message.extend([1, 0, 0x03, 0x60, 3, 0, 0x32, 0x2e, 0x30]),
            0x4002 if shape & 3 == 0 => message.extend([1, 0, 0x02, 0x20, 2, 0, 1, 0]),
            0x4002 if shape & 3 == 1 => message.extend([1, 0, 0x0a, 0x10, 4, 0, 9, 0, 3, 0]),
            0x4002 if shape & 3 == 2 => message.extend([1, 0, 0x0a, 0x10, 0, 0]),
            0x0006 if shape & 1 == 0 => {
                message.extend([1, 0, 0x0a, 0x10, 0x58, 0x02]);
                message.extend([7; 600]);
            }
            _ => message.extend([1, 0, 0x01, 0x20, 1, 0, 0]),
        }
    }

    fn look(&mut self) -> Result<bool, Spent> {
        if self.arrived.is_empty()
            && let Some(packet) = self.behind.pop_front()
        {
            self.arrived.extend(packet);
        }
        match self.arrived.is_empty() && self.data.is_empty() {
            true => Err(Spent),
            false => Ok(!self.arrived.is_empty()),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.arrived.len());
        let taken = self.arrived.drain(..count);
        into.iter_mut().zip(taken).for_each(|(to, byte)| *to = byte);
        count
    }
}

fn packed(number: u16, count: u16, part: &[u8]) -> Vec<u8> {
    let size = u16::try_from(part.len()).unwrap_or(0);
    let mut packet = Vec::new();
    for word in [0, size + 6, size, number, count] {
        packet.extend(word.to_le_bytes());
    }
    packet.extend(part);
    let crc = packet.iter().skip(4).fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ (0xedb8_8320 * (crc & 1))
        })
    });
    packet.extend((!crc).to_le_bytes());
    packet
}

/// The module has nothing left to say.
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

impl spi::Error for Spent {
    fn kind(&self) -> spi::ErrorKind {
        spi::ErrorKind::Other
    }
}

impl digital::Error for Spent {
    fn kind(&self) -> digital::ErrorKind {
        digital::ErrorKind::Other
    }
}

impl spi::ErrorType for Hostile {
    type Error = Spent;
}

impl SpiDevice for Hostile {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), Spent> {
        let mut state = self.lock();
        for operation in operations {
            match operation {
                spi::Operation::Write(bytes) => state.hear(bytes),
                spi::Operation::TransferInPlace(into) => {
                    state.read(into);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl digital::ErrorType for Hostile {
    type Error = Spent;
}

impl InputPin for Hostile {
    fn is_high(&mut self) -> Result<bool, Spent> {
        self.lock().look()
    }

    fn is_low(&mut self) -> Result<bool, Spent> {
        self.is_high().map(|high| !high)
    }
}

impl embedded_io::ErrorType for Hostile {
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
        self.lock().look()
    }
}

impl Read for Hostile {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Spent> {
        Ok(self.lock().read(into))
    }
}
