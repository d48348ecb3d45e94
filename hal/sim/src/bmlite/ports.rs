// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The module's buses and lines: `SpiDevice` with READY and reset, and a serial port of embedded-io.
//!
//! What breaks, looks as it does on wires: stuck low, READY is low and MISO reads zeros (a UART: a
//! break that reads as zeros without end); stuck high, READY is high and MISO reads ones (a UART:
//! silence); a module without power pulls no line.

use embedded_hal::digital::{self, InputPin, OutputPin};
use embedded_hal::spi::{self, SpiDevice};
use embedded_io::{ErrorKind, Read, ReadReady, Write};

use super::{BmLiteSetup, Module};
use crate::field::Fault;
use crate::finger::FingerField;

/// Bus, line or port reported an error ([`Fault::BusFailed`]).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("simulated bus failed")]
pub struct BmLiteFailed;

impl spi::Error for BmLiteFailed {
    fn kind(&self) -> spi::ErrorKind {
        spi::ErrorKind::Other
    }
}

impl digital::Error for BmLiteFailed {
    fn kind(&self) -> digital::ErrorKind {
        digital::ErrorKind::Other
    }
}

impl embedded_io::Error for BmLiteFailed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// The module on SPI.
#[derive(Debug)]
pub struct BmLiteSpi(Module);

/// The module's READY line: high while it has something to say.
#[derive(Debug)]
pub struct BmLiteReady(Module);

/// The module's reset line; low resets.
#[derive(Debug)]
pub struct BmLiteReset(Module);

impl BmLiteSpi {
    /// A module that was just powered, and its lines.
    #[must_use]
    pub fn new(field: &FingerField, setup: BmLiteSetup) -> (Self, BmLiteReady, BmLiteReset) {
        let module = Module::new(field, setup);
        let ready = BmLiteReady(module.clone());
        let reset = BmLiteReset(module.clone());
        (Self(module), ready, reset)
    }
}

impl spi::ErrorType for BmLiteSpi {
    type Error = BmLiteFailed;
}

impl SpiDevice for BmLiteSpi {
    fn transaction(
        &mut self,
        operations: &mut [spi::Operation<'_, u8>],
    ) -> Result<(), BmLiteFailed> {
        let mut chip = self.0.lock();
        let fault = chip.begin();
        if fault == Fault::BusFailed {
            return Err(BmLiteFailed);
        }
        let cut = matches!(fault, Fault::StuckLow | Fault::StuckHigh | Fault::Gone);
        // Who speaks is settled by READY: while it is high, what the host says is not heard.
        let speaks = !chip.sending.is_empty();
        for operation in operations {
            match operation {
                spi::Operation::TransferInPlace(into) if cut => {
                    into.fill(if fault == Fault::StuckLow { 0x00 } else { 0xff });
                }
                spi::Operation::TransferInPlace(into) => {
                    into.iter_mut().for_each(|byte| *byte = chip.send());
                }
                spi::Operation::Write(said) if !cut && !speaks => {
                    let said = chip.field.garbled(said);
                    chip.hear(&said);
                }
                _ => {}
            }
        }
        chip.end_of_access();
        Ok(())
    }
}

impl digital::ErrorType for BmLiteReady {
    type Error = BmLiteFailed;
}

impl InputPin for BmLiteReady {
    fn is_high(&mut self) -> Result<bool, BmLiteFailed> {
        let mut chip = self.0.lock();
        match chip.begin() {
            Fault::BusFailed => return Err(BmLiteFailed),
            Fault::StuckLow | Fault::Gone => return Ok(false),
            Fault::StuckHigh => return Ok(true),
            _ => {}
        }
        chip.look();
        let dropped = chip.field.lock().ready_dropped;
        Ok(!dropped && !chip.sending.is_empty())
    }

    fn is_low(&mut self) -> Result<bool, BmLiteFailed> {
        self.is_high().map(|high| !high)
    }
}

impl digital::ErrorType for BmLiteReset {
    type Error = BmLiteFailed;
}

impl OutputPin for BmLiteReset {
    fn set_low(&mut self) -> Result<(), BmLiteFailed> {
        let mut chip = self.0.lock();
        chip.reset();
        chip.in_reset = true;
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), BmLiteFailed> {
        self.0.lock().in_reset = false;
        Ok(())
    }
}

/// The module on UART, and the port in front of it.
#[derive(Debug)]
pub struct BmLiteUart(Module);

impl BmLiteUart {
    /// A module that was just powered, and its reset line.
    #[must_use]
    pub fn new(field: &FingerField, setup: BmLiteSetup) -> (Self, BmLiteReset) {
        let module = Module::new(field, setup);
        let reset = BmLiteReset(module.clone());
        (Self(module), reset)
    }
}

impl embedded_io::ErrorType for BmLiteUart {
    type Error = BmLiteFailed;
}

impl Write for BmLiteUart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, BmLiteFailed> {
        let mut chip = self.0.lock();
        match chip.begin() {
            Fault::BusFailed => return Err(BmLiteFailed),
            Fault::StuckLow | Fault::StuckHigh | Fault::Gone => {}
            _ => {
                let said = chip.field.garbled(bytes);
                chip.hear(&said);
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), BmLiteFailed> {
        Ok(())
    }
}

impl ReadReady for BmLiteUart {
    fn read_ready(&mut self) -> Result<bool, BmLiteFailed> {
        let mut chip = self.0.lock();
        match chip.begin() {
            Fault::BusFailed => return Err(BmLiteFailed),
            Fault::StuckHigh | Fault::Gone => return Ok(false),
            Fault::StuckLow => return Ok(true),
            _ => {}
        }
        chip.look();
        Ok(!chip.sending.is_empty())
    }
}

impl Read for BmLiteUart {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, BmLiteFailed> {
        let mut chip = self.0.lock();
        if chip.field.fault() == Fault::StuckLow {
            into.fill(0);
            return Ok(into.len());
        }
        let count = into.len().min(chip.sending.len());
        into.iter_mut()
            .take(count)
            .for_each(|byte| *byte = chip.send());
        Ok(count)
    }
}
