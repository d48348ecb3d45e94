// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a board file's parts to drivers on the kernel's device files: spidev, i2c-dev, serial
//! ports and the GPIO character device.

use std::io;
use std::path::Path;
use std::time::Duration;

use embedded_hal::digital::{Error, ErrorKind, ErrorType, OutputPin};
use linux_embedded_hal::gpio_cdev::{Chip, LineHandle, LineRequestFlags};
use linux_embedded_hal::spidev::{SpiModeFlags, SpidevOptions};
use linux_embedded_hal::{Delay, I2cdev, SPIError, SpidevDevice};
use platen_drivers::{HsuLink, I2cLink, Lights, Mfrc522, Pn532, Renumbered, SpiLink};
use platen_hal::CardReader;

use crate::board::{Backend, BoardError, LinePart, PanelPart, ReaderChip, ReaderLink, ReaderPart};
use crate::i2c_ioctl;
use crate::serial::SerialPort;

/// The name under which the kernel lists the lines.
const CONSUMER: &str = "platen";
/// Longest transfer: a frame takes 3 ms at 100 kHz, and the chip may stretch the clock as it wakes.
const I2C_LIMIT: Duration = Duration::from_millis(50);
const PN532_BAUD: u32 = 115_200;

/// An output line by the board file: on and off instead of high and low, or nothing at all.
#[derive(Debug)]
pub struct BoardLine(Option<(LineHandle, bool)>);

/// A line could not be driven; the kernel's answer.
#[derive(Debug, thiserror::Error)]
#[error("GPIO line can't be driven")]
pub struct LineFailed(#[source] linux_embedded_hal::gpio_cdev::Error);

impl Error for LineFailed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl BoardLine {
    fn open(key: &'static str, part: Option<&LinePart>, on: bool) -> Result<Self, BoardError> {
        let Some(part) = part else {
            return Ok(Self(None));
        };
        let level = u8::from(on != part.active_low);
        let handle = Chip::new(&part.chip)
            .and_then(|mut chip| chip.get_line(part.line))
            .and_then(|line| line.request(LineRequestFlags::OUTPUT, level, CONSUMER));
        match handle {
            Ok(handle) => Ok(Self(Some((handle, part.active_low)))),
            Err(source) => Err(device(key, &part.chip, source)),
        }
    }

    fn drive(&mut self, on: bool) -> Result<(), LineFailed> {
        match &self.0 {
            Some((handle, active_low)) => handle
                .set_value(u8::from(on != *active_low))
                .map_err(LineFailed),
            None => Ok(()),
        }
    }
}

impl ErrorType for BoardLine {
    type Error = LineFailed;
}

impl OutputPin for BoardLine {
    fn set_low(&mut self) -> Result<(), LineFailed> {
        self.drive(false)
    }

    fn set_high(&mut self) -> Result<(), LineFailed> {
        self.drive(true)
    }
}

/// Opens the reader's bus and lines. The chip itself is not touched before `start`.
///
/// # Errors
/// [`BoardError::Device`] with the key; [`BoardError::Simulated`] for a simulated part.
pub fn open_reader(part: &ReaderPart) -> Result<Box<dyn CardReader>, BoardError> {
    if part.backend == Backend::Sim {
        return Err(BoardError::Simulated { key: "reader" });
    }
    // High from the start: low would hold the chip in reset.
    let reset = BoardLine::open("reader.reset", part.reset.as_ref(), true)?;
    Ok(match (part.part, part.link) {
        (ReaderChip::Mfrc522, _) => boxed(part, Mfrc522::with_reset(open_spi(part)?, Delay, reset)),
        (ReaderChip::Pn532, ReaderLink::Spi) => {
            let link = SpiLink::new(open_spi(part)?);
            boxed(part, Pn532::with_reset(link, Delay, reset))
        }
        (ReaderChip::Pn532, ReaderLink::I2c) => {
            let link = I2cLink::new(open_i2c(part)?);
            boxed(part, Pn532::with_reset(link, Delay, reset))
        }
        (ReaderChip::Pn532, ReaderLink::Uart) => {
            let link = HsuLink::new(open_uart(part)?);
            boxed(part, Pn532::with_reset(link, Delay, reset))
        }
    })
}

/// The reader, with the form of its numbers.
fn boxed(part: &ReaderPart, reader: impl CardReader + 'static) -> Box<dyn CardReader> {
    Box::new(Renumbered::new(reader, part.number.clone()))
}

fn open_i2c(part: &ReaderPart) -> Result<I2cdev, BoardError> {
    let bus = I2cdev::new(&part.bus).map_err(|source| device("reader.bus", &part.bus, source))?;
    i2c_ioctl::limit(&*bus, I2C_LIMIT)
        .map_err(|error| device("reader.bus", &part.bus, io::Error::from(error)))?;
    Ok(bus)
}

fn open_uart(part: &ReaderPart) -> Result<SerialPort, BoardError> {
    SerialPort::open(&part.bus, PN532_BAUD)
        .map_err(|source| device("reader.bus", &part.bus, source))
}

fn open_spi(part: &ReaderPart) -> Result<SpidevDevice, BoardError> {
    spidev(part).map_err(|source| device("reader.bus", &part.bus, source))
}

fn spidev(part: &ReaderPart) -> Result<SpidevDevice, SPIError> {
    let mut spi = SpidevDevice::open(&part.bus)?;
    let options = SpidevOptions::new()
        .bits_per_word(8)
        .max_speed_hz(part.speed_hz)
        .lsb_first(false)
        .mode(SpiModeFlags::SPI_MODE_0)
        .build();
    spi.configure(&options).map_err(|error: io::Error| error)?;
    Ok(spi)
}

/// Opens the panel's lines, all off.
///
/// # Errors
/// As [`open_reader`].
pub fn open_lights(
    part: &PanelPart,
) -> Result<Lights<BoardLine, BoardLine, BoardLine>, BoardError> {
    if part.backend == Backend::Sim {
        return Err(BoardError::Simulated { key: "panel" });
    }
    Ok(Lights::new(
        BoardLine::open("panel.red", part.red.as_ref(), false)?,
        BoardLine::open("panel.green", part.green.as_ref(), false)?,
        BoardLine::open("panel.buzzer", part.buzzer.as_ref(), false)?,
    ))
}

fn device<E>(key: &'static str, path: &Path, source: E) -> BoardError
where
    E: std::error::Error + Send + Sync + 'static,
{
    BoardError::Device {
        key,
        path: path.to_owned(),
        source: Box::new(source),
    }
}
