// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Opens card readers.

use linux_embedded_hal::Delay;
use platen_drivers::osdp::Protection;
use platen_drivers::pn532::link::Link;
use platen_drivers::{HsuLink, I2cLink, Mfrc522, Osdp, OsdpConfig, Pn532, Renumbered, SpiLink};
use platen_hal::CardReader;

use super::secrets::{DeviceSecrets, kernel_random};
use super::wire::{At, I2cWires, OutputWire, SpiWires, uart};
use crate::board::{
    Backend, BoardError, LinePart, OsdpPart, OsdpSecurity, Pn532Link, Pn532Part, ReaderKind,
    ReaderPart,
};
use crate::wedge::WedgeReader;
use crate::wiegand::WiegandReader;

/// Opens the reader's bus and lines, and gives its driver the secrets it has a use for.
///
/// # Errors
/// [`BoardError::Device`] with the key; [`BoardError::Unusable`] for a simulated part, a backend
/// that this build does not have, and a reader that must be secure and has no key.
pub fn open_reader(
    part: &ReaderPart,
    secrets: &DeviceSecrets,
) -> Result<Box<dyn CardReader>, BoardError> {
    let at = At {
        backend: part.backend,
        line: part.line,
        key: "reader.backend",
    };
    if part.backend == Backend::Sim {
        return Err(at.unusable("is `sim`: there is nothing to open"));
    }
    match &part.kind {
        ReaderKind::Mfrc522 { spi, reset } => {
            let reset = open_reset(at, reset.as_ref())?;
            let spi = SpiWires::open(at.key("reader.bus"), spi)?;
            let mut reader = Mfrc522::with_reset(spi, Delay, reset);
            if let Some(keys) = &secrets.cards {
                reader = reader.with_keys(keys.clone(), kernel_random());
            }
            Ok(boxed(part, reader))
        }
        ReaderKind::Pn532(chip) => pn532(at, part, chip, secrets),
        ReaderKind::Wiegand(Some(wires)) => {
            let chip = &wires.d0.line.chip;
            let reader = WiegandReader::open(wires, part.number.clone());
            let reader = reader.map_err(|source| at.key("reader.led").line(chip, source))?;
            Ok(Box::new(reader))
        }
        ReaderKind::Wiegand(None) => Err(at.key("reader.d0").unusable("is missing")),
        ReaderKind::Osdp(osdp) => open_osdp(at, part, osdp, secrets),
        ReaderKind::Wedge { keyboard, ending } => {
            let reader = WedgeReader::open(keyboard, part.number.clone(), *ending);
            Ok(Box::new(reader))
        }
    }
}

fn pn532(
    at: At,
    part: &ReaderPart,
    chip: &Pn532Part,
    secrets: &DeviceSecrets,
) -> Result<Box<dyn CardReader>, BoardError> {
    let reset = open_reset(at, chip.reset.as_ref())?;
    let at = at.key("reader.bus");
    let made = Made(part, chip, secrets);
    Ok(match &chip.link {
        Pn532Link::Spi(spi) => made.reader(SpiLink::new(SpiWires::open(at, spi)?), reset),
        Pn532Link::I2c(bus) => made.reader(I2cLink::new(I2cWires::open(at, bus)?), reset),
        Pn532Link::Uart(port) => made.reader(HsuLink::new(uart(at, port)?), reset),
    })
}

/// A PN532 on any of its links.
struct Made<'a>(&'a ReaderPart, &'a Pn532Part, &'a DeviceSecrets);

impl Made<'_> {
    fn reader<L>(self, link: L, reset: OutputWire) -> Box<dyn CardReader>
    where
        L: Link + Send + 'static,
    {
        let Self(part, chip, secrets) = self;
        let mut reader = Pn532::with_reset(link, Delay, reset).with_kinds(chip.kinds);
        if let Some(keys) = &secrets.cards {
            reader = reader.with_keys(keys.clone(), kernel_random());
        }
        boxed(part, reader)
    }
}

fn open_osdp(
    at: At,
    part: &ReaderPart,
    osdp: &OsdpPart,
    secrets: &DeviceSecrets,
) -> Result<Box<dyn CardReader>, BoardError> {
    let key = secrets.osdp.get(&part.name).cloned();
    let protection = match (osdp.secure, key) {
        (OsdpSecurity::Off, _) => Protection::Clear,
        (OsdpSecurity::Required, Some(key)) => Protection::Secure(key.key().clone()),
        (OsdpSecurity::Install, Some(key)) => {
            log::warn!(device = part.name.as_str(), known = key.is_known();
                "reader is in installation, set `secure` to `required` after it");
            Protection::Install(key)
        }
        (_, None) => {
            let problem = "asks for a secure channel, and there is no key for this reader: import \
                           one by `platenctl device-keys import`";
            return Err(at.key("reader.secure").unusable(problem));
        }
    };
    let config = OsdpConfig {
        address: osdp.address,
        check: osdp.check,
        protection,
        number: part.number.clone(),
        ask_twice: osdp.ask_twice,
    };
    let port = uart(at.key("reader.bus"), &osdp.uart)?;
    let reader = Osdp::new(port, Delay, kernel_random(), config);
    let reader = reader.map_err(|_| at.key("reader.address").unusable("is no reader's"))?;
    Ok(Box::new(reader))
}

/// High from the start: low would hold the chip in reset.
fn open_reset(at: At, reset: Option<&LinePart>) -> Result<OutputWire, BoardError> {
    OutputWire::open(at.key("reader.reset"), reset, true)
}

/// The reader, with the form of its numbers.
fn boxed(part: &ReaderPart, reader: impl CardReader + 'static) -> Box<dyn CardReader> {
    Box::new(Renumbered::new(reader, part.number.clone()))
}
