// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The MFRC522 as its bus sees it: registers, FIFO, commands and interrupt bits behind
//! `SpiDevice`. Source: NXP data sheet MFRC522 rev. 3.9, §8.1.2 (SPI), §9 (registers), §10
//! (commands).
//!
//! Not modelled: time on the bus (an answer or the timer's end comes a few transactions after the
//! request; which of them, the timer's setting decides), analog settings, parity, MIFARE
//! authentication, the self-test, the interrupt pin.

use std::collections::VecDeque;

use embedded_hal::spi::{Error, ErrorKind, ErrorType, Operation, SpiDevice};

use crate::card::{Bits, bits_of, bytes_of, crc16};
use crate::field::{CollisionCount, Fault, Field, FieldState};

const COMMAND: u8 = 0x01;
const COM_IRQ: u8 = 0x04;
const DIV_IRQ: u8 = 0x05;
const ERROR: u8 = 0x06;
const FIFO_DATA: u8 = 0x09;
const FIFO_LEVEL: u8 = 0x0a;
const CONTROL: u8 = 0x0c;
const BIT_FRAMING: u8 = 0x0d;
const COLL: u8 = 0x0e;
const MODE: u8 = 0x11;
const TX_CONTROL: u8 = 0x14;
const CRC_HIGH: u8 = 0x21;
const CRC_LOW: u8 = 0x22;
const T_MODE: u8 = 0x2a;
const T_PRESCALER: u8 = 0x2b;
const T_RELOAD_HIGH: u8 = 0x2c;
const T_RELOAD_LOW: u8 = 0x2d;
const VERSION: u8 = 0x37;

const FIFO_LEN: usize = 64;
/// Reset values that differ from zero (data sheet §9.3, table 20).
const RESET_VALUES: [(u8, u8); 14] = [
    (COMMAND, 0x20),
    (0x02, 0x80),
    (COM_IRQ, 0x14),
    (0x07, 0x21),
    (0x0b, 0x08),
    (CONTROL, 0x10),
    (COLL, 0xa0),
    (MODE, 0x3f),
    (TX_CONTROL, 0x80),
    (0x18, 0x84),
    (0x19, 0x4d),
    (0x24, 0x26),
    (0x26, 0x48),
    (CRC_HIGH, 0xff),
];
const BOOT_READS: u8 = 2; // reads of Command that still show PowerDown after a reset
const ANSWER_AFTER: u8 = 1; // transactions from the end of a frame to its answer
const TIMER_AFTER: u8 = 3; // and to the end of the timer, when there is none

/// The bus controller reported an error ([`Fault::BusFailed`]).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("simulated bus failed")]
pub struct SpiFailed;

impl Error for SpiFailed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// The chip on its bus, in front of a [`Field`].
#[derive(Debug)]
pub struct Mfrc522Model {
    field: Field,
    version: u8,
    registers: [u8; 64],
    fifo: VecDeque<u8>,
    boot_reads: u8,
    oscillator_dead: bool,
    pending: Option<(u8, Outcome)>,
}

#[derive(Debug)]
enum Outcome {
    Timer,
    Answer {
        bytes: Vec<u8>,
        last_bits: u8,
        collision: Option<u8>,
    },
}

/// Where a transaction stands: the address byte comes first.
#[derive(Clone, Copy)]
enum Access {
    Start,
    Write(u8),
    Read(Option<u8>),
}

impl Mfrc522Model {
    /// A version 2.0 chip, just powered.
    #[must_use]
    pub fn new(field: &Field) -> Self {
        Self::with_version(field, 0x92)
    }

    /// A chip whose version register reads `version`.
    #[must_use]
    pub fn with_version(field: &Field, version: u8) -> Self {
        let mut chip = Self {
            field: field.clone(),
            version,
            registers: [0; 64],
            fifo: VecDeque::with_capacity(FIFO_LEN),
            boot_reads: 0,
            oscillator_dead: false,
            pending: None,
        };
        chip.reset();
        chip
    }

    fn reset(&mut self) {
        self.registers = [0; 64];
        for (register, value) in RESET_VALUES {
            self.set(register, value);
        }
        self.set(VERSION, self.version);
        self.fifo.clear();
        self.pending = None;
        self.boot_reads = BOOT_READS;
        let mut field = self.field.lock();
        self.oscillator_dead = field.fault == Fault::OscillatorDead;
        field.reset_wanted = false;
        field.power_off();
    }

    fn get(&self, register: u8) -> u8 {
        self.registers
            .get(usize::from(register))
            .copied()
            .unwrap_or(0)
    }

    fn set(&mut self, register: u8, value: u8) {
        if let Some(cell) = self.registers.get_mut(usize::from(register)) {
            *cell = value;
        }
    }

    fn raise(&mut self, register: u8, bits: u8) {
        self.set(register, self.get(register) | bits);
    }

    fn read_register(&mut self, register: u8) -> u8 {
        match register {
            FIFO_DATA => self.fifo.pop_front().unwrap_or(0),
            FIFO_LEVEL => u8::try_from(self.fifo.len()).unwrap_or(0x7f),
            COMMAND if self.boot_reads > 0 => {
                self.boot_reads -= u8::from(!self.oscillator_dead);
                self.get(COMMAND) | 0x10
            }
            _ => self.get(register),
        }
    }

    fn write_register(&mut self, register: u8, value: u8) {
        match register {
            COMMAND => self.command(value),
            COM_IRQ | DIV_IRQ => {
                let old = self.get(register);
                let marked = value & 0x7f;
                let new = if value & 0x80 == 0 {
                    old & !marked
                } else {
                    old | marked
                };
                self.set(register, new);
            }
            FIFO_DATA if self.fifo.len() < FIFO_LEN => self.fifo.push_back(value),
            FIFO_DATA => self.raise(ERROR, 0x10),
            FIFO_LEVEL if value & 0x80 != 0 => {
                self.fifo.clear();
                self.set(ERROR, self.get(ERROR) & !0x10);
            }
            BIT_FRAMING => {
                self.set(BIT_FRAMING, value & 0x7f);
                if value & 0x80 != 0 && self.get(COMMAND) & 0x0f == 0x0c {
                    self.transceive();
                }
            }
            COLL => self.set(COLL, self.get(COLL) & 0x3f | value & 0x80),
            TX_CONTROL => {
                self.set(TX_CONTROL, value);
                if value & 0x03 == 0 {
                    self.field.lock().power_off();
                }
            }
            FIFO_LEVEL | ERROR | CRC_HIGH | CRC_LOW | VERSION | 0x07 => {} // read only
            _ => self.set(register, value),
        }
    }

    fn command(&mut self, value: u8) {
        self.pending = None;
        self.set(COMMAND, value & 0x3f);
        match value & 0x0f {
            0x0 | 0x4 | 0x7 | 0x8 | 0xc => {}
            0x3 => self.calculate_crc(),
            0xf => self.reset(),
            _ => self.end_command(),
        }
    }

    /// The chip falls back to Idle by itself, and says so.
    fn end_command(&mut self) {
        self.set(COMMAND, self.get(COMMAND) & 0xf0);
        self.raise(COM_IRQ, 0x10);
    }

    fn calculate_crc(&mut self) {
        let preset = match self.get(MODE) & 0x03 {
            0 => 0x0000,
            1 => 0x6363,
            2 => 0xa671,
            _ => 0xffff,
        };
        let bytes: Vec<u8> = self.fifo.drain(..).collect();
        let [low, high] = crc16(preset, &bytes).to_le_bytes();
        self.set(CRC_LOW, low);
        self.set(CRC_HIGH, high);
        self.raise(DIV_IRQ, 0x04);
    }

    /// Sends the FIFO as a frame and works out what comes back.
    fn transceive(&mut self) {
        let framing = self.get(BIT_FRAMING);
        let sent: Vec<u8> = self.fifo.drain(..).collect();
        let mut frame = bits_of(&sent);
        let last_bits = usize::from(framing & 0x07);
        if last_bits > 0 {
            frame.truncate(frame.len().saturating_sub(8 - last_bits));
        }
        self.set(ERROR, 0);
        self.raise(COM_IRQ, 0x40);
        let carrier = self.get(TX_CONTROL) & 0x03 != 0;
        let (answers, takes_us, count) = {
            let mut field = self.field.lock();
            let answers = if carrier {
                field.answers(&frame)
            } else {
                Vec::new()
            };
            (answers, field.takes_us, field.collision_count)
        };
        // What comes after the timer's end is not received.
        let late = self.timer_us().is_some_and(|limit_us| takes_us > limit_us);
        self.pending = if answers.is_empty() || late {
            self.timer_us().map(|_| (TIMER_AFTER, Outcome::Timer))
        } else {
            let known = frame.len().saturating_sub(16);
            Some((ANSWER_AFTER, self.receive(&answers, known, count)))
        };
    }

    /// How long the timer runs, where it starts by itself at the end of a frame (§8.5).
    fn timer_us(&self) -> Option<u32> {
        let mode = self.get(T_MODE);
        let whole = |high: u8, low: u8| u32::from(high) << 8 | u32::from(low);
        let prescaler = whole(mode & 0x0f, self.get(T_PRESCALER));
        let reload = whole(self.get(T_RELOAD_HIGH), self.get(T_RELOAD_LOW));
        let periods = u64::from(2 * prescaler + 1) * u64::from(reload + 1);
        (mode & 0x80 != 0).then(|| u32::try_from(periods * 100 / 1356).unwrap_or(u32::MAX))
    }

    /// Lays the answers over each other, as the antenna does.
    fn receive(&self, answers: &[Bits], known: usize, count: CollisionCount) -> Outcome {
        let align = usize::from(self.get(BIT_FRAMING) >> 4 & 0x07);
        let length = answers.iter().map(Vec::len).max().unwrap_or(0);
        let first = answers.first().map(Vec::as_slice).unwrap_or_default();
        let clash = (0..length).find(|at| {
            let bits = answers.iter().filter_map(|answer| answer.get(*at));
            bits.clone().any(|bit| *bit) && bits.clone().any(|bit| !*bit)
        });
        let longest = answers.iter().max_by_key(|answer| answer.len());
        let source = longest.map_or(first, Vec::as_slice);
        let keep_after = self.get(COLL) & 0x80 != 0;
        let kept = source.iter().enumerate().map(|(at, bit)| {
            let lost = clash.is_some_and(|clash| at >= clash) && !keep_after;
            *bit && !lost
        });
        let bits: Bits = std::iter::repeat_n(false, align).chain(kept).collect();
        let offset = match count {
            CollisionCount::UidStart => known,
            CollisionCount::ReceivedBytes => align,
        };
        Outcome::Answer {
            last_bits: u8::try_from(bits.len() % 8).unwrap_or(0),
            bytes: bytes_of(&bits),
            collision: clash.and_then(|at| u8::try_from(at + offset + 1).ok()),
        }
    }

    /// Time passes by one transaction.
    fn tick(&mut self) {
        match self.pending.take() {
            Some((0, outcome)) => self.arrive(outcome),
            Some((left, outcome)) => self.pending = Some((left - 1, outcome)),
            None => {}
        }
    }

    fn arrive(&mut self, outcome: Outcome) {
        let Outcome::Answer {
            bytes,
            last_bits,
            collision,
        } = outcome
        else {
            self.raise(COM_IRQ, 0x01);
            return;
        };
        for byte in bytes {
            self.write_register(FIFO_DATA, byte);
        }
        self.set(CONTROL, self.get(CONTROL) & !0x07 | last_bits);
        let kept = self.get(COLL) & 0x80;
        match collision {
            Some(bit) => {
                self.raise(ERROR, 0x08);
                // Five bits: position 32 reads 0; beyond it the position does not fit.
                self.set(COLL, kept | if bit <= 32 { bit & 0x1f } else { 0x20 });
            }
            None => self.set(COLL, kept | 0x20),
        }
        self.raise(COM_IRQ, 0x20);
    }

    /// One byte on the wires: takes MOSI, gives MISO.
    fn clock(&mut self, access: &mut Access, mosi: u8) -> u8 {
        match *access {
            Access::Start => {
                let register = mosi >> 1 & 0x3f;
                *access = if mosi & 0x80 == 0 {
                    Access::Write(register)
                } else {
                    Access::Read(Some(register))
                };
                0
            }
            Access::Write(register) => {
                self.write_register(register, mosi);
                0
            }
            Access::Read(register) => {
                *access = Access::Read((mosi & 0x80 != 0).then_some(mosi >> 1 & 0x3f));
                register.map_or(0, |register| self.read_register(register))
            }
        }
    }

    fn exchange(&mut self, fault: Fault, access: &mut Access, mosi: u8) -> u8 {
        match fault {
            Fault::StuckLow => 0x00,
            Fault::StuckHigh | Fault::Gone => 0xff,
            Fault::Garbled { .. } => {
                let heard = self.field.lock().garble(mosi);
                let said = self.clock(access, heard);
                self.field.lock().garble(said)
            }
            _ => self.clock(access, mosi),
        }
    }

    fn begin(&mut self) -> Fault {
        let mut field: std::sync::MutexGuard<'_, FieldState> = self.field.lock();
        let fault = field.begin_transaction();
        let reset = field.reset_wanted || fault == Fault::Gone;
        drop(field);
        if reset {
            self.reset();
        }
        self.tick();
        fault
    }
}

impl ErrorType for Mfrc522Model {
    type Error = SpiFailed;
}

impl SpiDevice for Mfrc522Model {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), SpiFailed> {
        let fault = self.begin();
        if fault == Fault::BusFailed {
            return Err(SpiFailed);
        }
        let mut access = Access::Start;
        for operation in operations {
            match operation {
                Operation::Read(into) => {
                    for byte in into.iter_mut() {
                        *byte = self.exchange(fault, &mut access, 0);
                    }
                }
                Operation::Write(from) => {
                    for byte in from.iter() {
                        self.exchange(fault, &mut access, *byte);
                    }
                }
                Operation::Transfer(into, from) => {
                    for at in 0..into.len().max(from.len()) {
                        let mosi = from.get(at).copied().unwrap_or(0);
                        let miso = self.exchange(fault, &mut access, mosi);
                        if let Some(byte) = into.get_mut(at) {
                            *byte = miso;
                        }
                    }
                }
                Operation::TransferInPlace(bytes) => {
                    for byte in bytes.iter_mut() {
                        *byte = self.exchange(fault, &mut access, *byte);
                    }
                }
                Operation::DelayNs(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chip: &mut Mfrc522Model, register: u8) -> u8 {
        let mut bytes = [register << 1 | 0x80, 0];
        chip.transfer_in_place(&mut bytes).unwrap();
        bytes[1]
    }

    #[test]
    fn the_coprocessor_calculates_crc_a_with_its_usual_preset() {
        let mut chip = Mfrc522Model::new(&Field::new());
        chip.write(&[MODE << 1, 0x3d]).unwrap();
        chip.write(&[FIFO_DATA << 1, 0x12, 0x34]).unwrap();
        chip.write(&[COMMAND << 1, 0x03]).unwrap();
        assert_eq!(read(&mut chip, DIV_IRQ) & 0x04, 0x04);
        let crc = [read(&mut chip, CRC_LOW), read(&mut chip, CRC_HIGH)];
        assert_eq!(crc, [0x26, 0xcf]);
    }

    #[test]
    fn the_sixty_fifth_byte_overflows_the_fifo() {
        let mut chip = Mfrc522Model::new(&Field::new());
        chip.write(&[&[FIFO_DATA << 1][..], &[0; 65]].concat())
            .unwrap();
        assert_eq!(read(&mut chip, FIFO_LEVEL), 64);
        assert_eq!(read(&mut chip, ERROR), 0x10);
    }

    #[test]
    fn one_access_reads_several_registers() {
        let mut chip = Mfrc522Model::new(&Field::new());
        let mut bytes = [VERSION << 1 | 0x80, MODE << 1 | 0x80, 0];
        chip.transfer_in_place(&mut bytes).unwrap();
        assert_eq!(&bytes[1..], [0x92, 0x3f]);
    }

    #[test]
    fn an_unknown_command_ends_by_itself_and_says_so() {
        let mut chip = Mfrc522Model::new(&Field::new());
        chip.write(&[COM_IRQ << 1, 0x7f]).unwrap();
        chip.write(&[COMMAND << 1, 0x05]).unwrap();
        assert_eq!(read(&mut chip, COM_IRQ), 0x10);
    }
}
