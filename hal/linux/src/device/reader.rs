// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Opens card readers.

use linux_embedded_hal::Delay;
use platen_drivers::{HsuLink, I2cLink, Mfrc522, Pn532, Renumbered, SpiLink};
use platen_hal::CardReader;

use super::line::BoardLine;
use super::secrets::DeviceSecrets;
use super::wire::{At, i2c, spi, uart};
use crate::board::{Backend, BoardError, LinePart, Pn532Link, ReaderKind, ReaderPart};

/// Opens the reader's bus and lines, and gives its driver the secrets it has a use for.
///
/// # Errors
/// [`BoardError::Device`] with the key; [`BoardError::Unusable`] for a simulated part.
pub fn open_reader(
    part: &ReaderPart,
    _secrets: &DeviceSecrets,
) -> Result<Box<dyn CardReader>, BoardError> {
    let unusable = |key, problem| BoardError::Unusable {
        line: part.line,
        key,
        problem,
    };
    match part.backend {
        Backend::Linux => (),
        Backend::Sim => {
            let problem = "is `sim`: there is nothing to open";
            return Err(unusable("reader.backend", problem));
        }
        Backend::Rpi => {
            let problem = "is `rpi`, which this build does not have";
            return Err(unusable("reader.backend", problem));
        }
    }
    match &part.kind {
        ReaderKind::Mfrc522 { spi: bus, reset } => {
            let reset = open_reset(part, reset.as_ref())?;
            let bus = spi(At(part.line, "reader.bus"), bus)?;
            Ok(boxed(part, Mfrc522::with_reset(bus, Delay, reset)))
        }
        ReaderKind::Pn532 { link, reset, .. } => pn532(part, link, reset.as_ref()),
        _ => Err(unusable("reader.part", "has no driver in this build")),
    }
}

fn pn532(
    part: &ReaderPart,
    link: &Pn532Link,
    reset: Option<&LinePart>,
) -> Result<Box<dyn CardReader>, BoardError> {
    let reset = open_reset(part, reset)?;
    let at = At(part.line, "reader.bus");
    Ok(match link {
        Pn532Link::Spi(bus) => {
            let link = SpiLink::new(spi(at, bus)?);
            boxed(part, Pn532::with_reset(link, Delay, reset))
        }
        Pn532Link::I2c(bus) => {
            let link = I2cLink::new(i2c(at, bus)?);
            boxed(part, Pn532::with_reset(link, Delay, reset))
        }
        Pn532Link::Uart(port) => {
            let link = HsuLink::new(uart(at, port)?);
            boxed(part, Pn532::with_reset(link, Delay, reset))
        }
    })
}

/// High from the start: low would hold the chip in reset.
fn open_reset(part: &ReaderPart, reset: Option<&LinePart>) -> Result<BoardLine, BoardError> {
    BoardLine::open(part.line, "reader.reset", reset, true)
}

/// The reader, with the form of its numbers.
fn boxed(part: &ReaderPart, reader: impl CardReader + 'static) -> Box<dyn CardReader> {
    Box::new(Renumbered::new(reader, part.number.clone()))
}
