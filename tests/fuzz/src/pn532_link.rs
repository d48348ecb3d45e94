// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a PN532 gone mad, or something else on its bus, can answer on each of the three links.
//! Whatever comes: no panic, an end within the limits, and a number only when it was said twice.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use embedded_hal::i2c::{self, I2c};
use embedded_hal::spi::{self, SpiDevice};
use embedded_io::{Read, ReadReady, Write};
use platen_drivers::pn532::link::Link;
use platen_drivers::{HsuLink, I2cLink, Pn532, SpiLink};
use platen_hal::{CardReader, CardUid};
use platen_hal_sim::SimDelay;

/// Milliseconds that one look and one start may ask for.
const POLL_MS_MAX: u64 = 300;
const START_MS_MAX: u64 = 500;
/// Accesses that one call may make.
const ACCESSES_MAX: u64 = 256;
const CALLS: usize = 4;

/// Runs the driver with `data` as what the chip says, on the link that its length chooses: one of
/// three, so that a run of many inputs takes a third of the time.
///
/// # Panics
/// When a call takes too long, or a number is returned that the chip did not say twice.
pub fn pn532_link(data: &[u8]) {
    let chip = Hostile::new(data);
    match data.len() % 3 {
        0 => run(SpiLink::new(chip.clone()), &chip),
        1 => run(I2cLink::new(chip.clone()), &chip),
        _ => run(HsuLink::new(chip.clone()), &chip),
    }
}

fn run<L: Link + Send>(link: L, chip: &Hostile) {
    let delay = SimDelay::default();
    let mut reader = Pn532::new(link, delay.clone());
    let (mut waited_ms, mut spent) = (0, 0);
    for call in 0..CALLS {
        let found = match call {
            0 => reader.start().map(|()| None),
            _ => reader.poll(),
        };
        if let Ok(Some(uid)) = found {
            assert!(chip.said_twice(&uid), "a number that was not said twice");
        }
        let limit = if call == 0 { START_MS_MAX } else { POLL_MS_MAX };
        let waited = delay.total_ms() - waited_ms;
        assert!(waited <= limit, "call {call} waits {waited} ms");
        waited_ms += waited;
        let accesses = reader
            .trace()
            .map_or(0, |trace| trace.counters.transactions);
        assert!(
            accesses - spent <= ACCESSES_MAX,
            "call {call} takes too many"
        );
        spent = accesses;
    }
}

/// A chip that frames rightly most of the time, and lies in what it frames. Clones are one chip.
#[derive(Clone)]
struct Hostile(Arc<Mutex<State>>);

struct State {
    data: VecDeque<u8>,
    /// Code of the command that was heard last, and whether it was acknowledged.
    command: u8,
    acknowledged: bool,
    last: Vec<u8>,
    said: Vec<u8>,
}

impl Hostile {
    fn new(data: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(State {
            data: data.iter().copied().collect(),
            command: 0,
            acknowledged: false,
            last: Vec::new(),
            said: Vec::new(),
        })))
    }

    fn with<T>(&self, what: impl FnOnce(&mut State) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn said_twice(&self, uid: &CardUid) -> bool {
        let uid = uid.as_bytes();
        self.with(|state| {
            state
                .said
                .windows(uid.len())
                .filter(|said| *said == uid)
                .count()
                >= 2
        })
    }
}

impl State {
    fn next(&mut self) -> u8 {
        self.data.pop_front().unwrap_or(0)
    }

    /// Takes a command's code from a frame as the driver makes them.
    fn hear(&mut self, frame: &[u8]) {
        if let [0, 0, 0xff, _, _, 0xd4, code, ..] = frame {
            self.command = *code;
            self.acknowledged = false;
        }
    }

    fn is_ready(&mut self) -> bool {
        self.next() != 0xee
    }

    fn say(&mut self) -> Vec<u8> {
        let shape = self.next();
        let said = match shape {
            0xa0.. => (0..shape & 0x3f).map(|_| self.next()).collect(),
            _ if !self.acknowledged => {
                self.acknowledged = true;
                vec![0, 0, 0xff, 0, 0xff, 0]
            }
            0x20..0x40 => self.last.clone(),
            _ => self.answer(shape),
        };
        self.last.clone_from(&said);
        self.said.extend(&said);
        said
    }

    fn answer(&mut self, shape: u8) -> Vec<u8> {
        let mut body = vec![0xd5, self.command.wrapping_add(1)];
        match (self.command, shape) {
            (0x02, 0..0x60) => body.extend([0x32, 1, 6, 7]),
            (0x4a, 0x40..0x60) => {
                let length = [4, 7, 10, 5][usize::from(shape % 4)];
                body.extend([1, 1, 0, 4, 8, length]);
                body.extend((0..length).map(|_| self.next()));
            }
            (_, 0..0x60) => {}
            _ => {
                let length = self.next() % 40;
                body.extend((0..length).map(|_| self.next()));
            }
        }
        let length = u8::try_from(body.len()).unwrap_or(0);
        let sum = body.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let mut frame = vec![0, 0, 0xff, length, length.wrapping_neg()];
        frame.extend(body);
        frame.extend([sum.wrapping_neg(), 0]);
        frame
    }
}

impl spi::ErrorType for Hostile {
    type Error = Infallible;
}

impl SpiDevice for Hostile {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), Infallible> {
        self.with(|state| {
            for operation in operations {
                match operation {
                    spi::Operation::Write(bytes) => {
                        let frame = bytes.iter().skip(1).map(|byte| byte.reverse_bits());
                        state.hear(&frame.collect::<Vec<u8>>());
                    }
                    spi::Operation::TransferInPlace([access, into @ ..]) => {
                        let said = match access.reverse_bits() {
                            0x02 => vec![u8::from(state.is_ready())],
                            _ => state.say(),
                        };
                        let said = said.into_iter().map(u8::reverse_bits);
                        into.iter_mut().zip(said).for_each(|(to, byte)| *to = byte);
                    }
                    _ => {}
                }
            }
        });
        Ok(())
    }
}

impl i2c::ErrorType for Hostile {
    type Error = Infallible;
}

impl I2c for Hostile {
    fn transaction(
        &mut self,
        _address: u8,
        operations: &mut [i2c::Operation<'_>],
    ) -> Result<(), Infallible> {
        self.with(|state| {
            for operation in operations {
                match operation {
                    i2c::Operation::Write(bytes) => state.hear(bytes),
                    i2c::Operation::Read([ready]) => *ready = u8::from(state.is_ready()),
                    i2c::Operation::Read(into) => {
                        let said = state.say();
                        let into = into.iter_mut().skip(1);
                        into.zip(said).for_each(|(to, byte)| *to = byte);
                    }
                }
            }
        });
        Ok(())
    }
}

impl embedded_io::ErrorType for Hostile {
    type Error = Infallible;
}

impl Write for Hostile {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.with(|state| state.hear(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl ReadReady for Hostile {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.with(|state| state.command != 0 && state.is_ready()))
    }
}

impl Read for Hostile {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        let said = self.with(State::say);
        into.iter_mut()
            .zip(&said)
            .for_each(|(to, byte)| *to = *byte);
        Ok(into.len().min(said.len()))
    }
}
