// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The PN532's three buses: `SpiDevice`, `I2c`, and a serial port of embedded-io.
//!
//! What breaks, looks on each bus as it does on wires: a line stuck low reads zeros (or, on a UART,
//! a break that reads as zeros without end), one stuck high reads ones (I2C: nobody acknowledges;
//! UART: silence), and a chip without power is one that pulls no line.

use embedded_hal::i2c::{self, I2c, NoAcknowledgeSource};
use embedded_hal::spi::{self, SpiDevice};
use embedded_io::{ErrorKind, Read, ReadReady, Write};

use super::Chip;
use crate::field::{Fault, Field};
use crate::mfrc522::SpiFailed;

const ADDRESS: u8 = 0x24;
const WAKE: [u8; 2] = [0x55, 0x55];

/// The chip with its mode pins at SPI.
#[derive(Debug)]
pub struct Pn532Spi {
    chip: Chip,
}

impl Pn532Spi {
    /// A chip that was just powered.
    #[must_use]
    pub fn new(field: &Field) -> Self {
        let chip = Chip::new(field);
        Self { chip }
    }

    /// One access with chip select low: what the host says, most significant bit first as on its
    /// side of the wires; returns what it hears.
    fn access(&mut self, fault: Fault, said: &[u8]) -> Vec<u8> {
        match fault {
            Fault::StuckLow => return vec![0x00; said.len()],
            Fault::StuckHigh | Fault::Gone => return vec![0xff; said.len()],
            _ => {}
        }
        let said: Vec<u8> = garbled(&self.chip, said)
            .into_iter()
            .map(u8::reverse_bits)
            .collect();
        let mut answer = vec![0x00; said.len()];
        match said.split_first() {
            Some((0x01, frame)) => {
                self.chip.hear(frame);
                self.chip.end_of_access();
            }
            Some((0x02, _)) => {
                let status = u8::from(self.chip.ready().is_some());
                answer.iter_mut().skip(1).for_each(|byte| *byte = status);
            }
            Some((0x03, _)) => {
                let frame = self.chip.ready().unwrap_or_default();
                let into = answer.iter_mut().skip(1);
                into.zip(frame).for_each(|(byte, sent)| *byte = *sent);
                self.chip.taken();
            }
            _ => {}
        }
        let answer: Vec<u8> = answer.into_iter().map(u8::reverse_bits).collect();
        garbled(&self.chip, &answer)
    }
}

impl spi::ErrorType for Pn532Spi {
    type Error = SpiFailed;
}

impl SpiDevice for Pn532Spi {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), SpiFailed> {
        let (fault, _) = self.chip.begin();
        if fault == Fault::BusFailed {
            return Err(SpiFailed);
        }
        let said: Vec<u8> = operations.iter().flat_map(said).copied().collect();
        let mut heard = self.access(fault, &said).into_iter();
        for operation in operations {
            let length = said_length(operation);
            let part = heard.by_ref().take(length);
            match operation {
                spi::Operation::TransferInPlace(into) => {
                    into.iter_mut().zip(part).for_each(|(to, byte)| *to = byte);
                }
                _ => drop(part.count()),
            }
        }
        Ok(())
    }
}

/// What an operation puts on MOSI. The model's hosts transfer in place or only write.
fn said<'a>(operation: &'a spi::Operation<'_, u8>) -> &'a [u8] {
    match operation {
        spi::Operation::Write(bytes) => bytes,
        spi::Operation::TransferInPlace(bytes) => bytes,
        _ => &[],
    }
}

fn said_length(operation: &spi::Operation<'_, u8>) -> usize {
    said(operation).len()
}

/// Nobody acknowledged, or the bus itself failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("simulated bus: nobody acknowledges")]
pub struct I2cFailed;

impl i2c::Error for I2cFailed {
    fn kind(&self) -> i2c::ErrorKind {
        i2c::ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address)
    }
}

/// The chip with its mode pins at I2C. It sleeps after power-up and does not acknowledge the access
/// that wakes it.
#[derive(Debug)]
pub struct Pn532I2c {
    chip: Chip,
    asleep: bool,
}

impl Pn532I2c {
    /// A chip that was just powered.
    #[must_use]
    pub fn new(field: &Field) -> Self {
        let chip = Chip::new(field);
        Self { chip, asleep: true }
    }

    fn read(&mut self, fault: Fault, into: &mut [u8]) {
        into.fill(0);
        if fault == Fault::StuckLow {
            return;
        }
        let Some(frame) = self.chip.ready().map(<[u8]>::to_vec) else {
            return;
        };
        let whole = [&[0x01], frame.as_slice()].concat();
        let sent = garbled(&self.chip, &whole);
        into.iter_mut().zip(sent).for_each(|(to, byte)| *to = byte);
        // Only the ready byte: the frame stays, the next read begins with it again.
        if into.len() > 1 {
            self.chip.taken();
        }
    }
}

impl i2c::ErrorType for Pn532I2c {
    type Error = I2cFailed;
}

impl I2c for Pn532I2c {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [i2c::Operation<'_>],
    ) -> Result<(), I2cFailed> {
        let (fault, reset) = self.chip.begin();
        self.asleep |= reset;
        let nobody = matches!(fault, Fault::BusFailed | Fault::StuckHigh | Fault::Gone);
        if nobody || address != ADDRESS {
            return Err(I2cFailed);
        }
        if std::mem::take(&mut self.asleep) {
            return Err(I2cFailed);
        }
        for operation in operations {
            match operation {
                i2c::Operation::Read(into) => self.read(fault, into),
                i2c::Operation::Write(_) if fault == Fault::StuckLow => {}
                i2c::Operation::Write(bytes) => {
                    let heard = garbled(&self.chip, bytes);
                    self.chip.hear(&heard);
                    self.chip.end_of_access();
                }
            }
        }
        Ok(())
    }
}

/// The serial port reported an error ([`Fault::BusFailed`]).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("simulated port failed")]
pub struct UartFailed;

impl embedded_io::Error for UartFailed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// The chip with its mode pins at HSU, and the port in front of it. It sleeps after power-up and
/// hears nothing before two bytes 55.
#[derive(Debug)]
pub struct Pn532Uart {
    chip: Chip,
    asleep: bool,
    arrived: Vec<u8>,
}

impl Pn532Uart {
    /// A chip that was just powered.
    #[must_use]
    pub fn new(field: &Field) -> Self {
        Self {
            chip: Chip::new(field),
            asleep: true,
            arrived: Vec::new(),
        }
    }

    fn begin(&mut self) -> Result<Fault, UartFailed> {
        let (fault, reset) = self.chip.begin();
        self.asleep |= reset;
        if reset {
            self.arrived.clear();
        }
        match fault {
            Fault::BusFailed => Err(UartFailed),
            _ => Ok(fault),
        }
    }
}

impl embedded_io::ErrorType for Pn532Uart {
    type Error = UartFailed;
}

impl Write for Pn532Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, UartFailed> {
        let fault = self.begin()?;
        if matches!(fault, Fault::StuckLow | Fault::StuckHigh | Fault::Gone) {
            return Ok(bytes.len());
        }
        let heard = garbled(&self.chip, bytes);
        if self.asleep {
            self.asleep = !heard.windows(2).any(|pair| pair == WAKE);
        } else {
            self.chip.hear(&heard);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), UartFailed> {
        Ok(())
    }
}

impl ReadReady for Pn532Uart {
    fn read_ready(&mut self) -> Result<bool, UartFailed> {
        let fault = self.begin()?;
        if matches!(fault, Fault::StuckHigh | Fault::Gone) {
            return Ok(false);
        }
        while let Some(frame) = self.chip.ready().map(<[u8]>::to_vec) {
            let sent = garbled(&self.chip, &frame);
            self.arrived.extend(sent);
            self.chip.taken();
        }
        Ok(fault == Fault::StuckLow || !self.arrived.is_empty())
    }
}

impl Read for Pn532Uart {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, UartFailed> {
        if self.chip.field.lock().fault == Fault::StuckLow {
            into.fill(0);
            return Ok(into.len());
        }
        let count = into.len().min(self.arrived.len());
        let taken = self.arrived.drain(..count);
        into.iter_mut().zip(taken).for_each(|(to, byte)| *to = byte);
        Ok(count)
    }
}

fn garbled(chip: &Chip, bytes: &[u8]) -> Vec<u8> {
    let mut field = chip.field.lock();
    bytes.iter().map(|byte| field.garble(*byte)).collect()
}
