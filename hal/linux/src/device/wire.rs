// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Buses and lines of either backend, as one type each, so that a driver is put together once.
//!
//! A file that is one part's own is locked (`flock`) while it is open: two programs that drive one
//! chip select, or one serial port, would each hear half of what the chip says.

use std::fs::TryLockError;
use std::io;
use std::path::Path;
use std::time::Duration;

use embedded_hal::digital::{self, InputPin, OutputPin};
use embedded_hal::i2c::{self, I2c};
use embedded_hal::spi::{self, SpiDevice};
use linux_embedded_hal::spidev::{SpiModeFlags, SpidevOptions};
use linux_embedded_hal::{I2cdev, SPIError, SpidevDevice};

use super::advice::{Wire, not_opened};
use crate::board::{Backend, BoardError, InputPart, LinePart, SpiPart, UartPart};
use crate::i2c_ioctl;
use crate::lines::{InputLine, OutputLine};
#[cfg(feature = "rpi")]
use crate::rpi::{RpiI2c, RpiInput, RpiOutput, RpiSpi};
use crate::serial::SerialPort;

/// Longest transfer: a frame takes 3 ms at 100 kHz, and the chip may stretch the clock as it wakes.
const I2C_LIMIT: Duration = Duration::from_millis(50);
/// Lines of the backend `rpi` are behind this file.
#[cfg(feature = "rpi")]
const RPI_LINES: &str = "/dev/gpiomem";

/// What is opened: the part's backend, the line of its table, and the key that names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub(super) backend: Backend,
    pub(super) line: usize,
    pub(super) key: &'static str,
}

impl At {
    /// The same part, another key.
    pub(super) fn key(self, key: &'static str) -> Self {
        Self { key, ..self }
    }

    /// The part can't be opened.
    pub(super) fn unusable(self, problem: &'static str) -> BoardError {
        BoardError::Unusable {
            line: self.line,
            key: self.key,
            problem,
        }
    }

    fn failed<E>(self, wire: Wire, path: &Path, source: E) -> BoardError
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        not_opened(wire, self.line, self.key, path, source)
    }

    /// A line can't be had.
    pub(super) fn line<E>(self, chip: &Path, source: E) -> BoardError
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        self.failed(Wire::Gpio, chip, source)
    }

    fn no_backend(self) -> BoardError {
        self.unusable(match self.backend {
            Backend::Sim => "is of a simulated part: there is nothing to open",
            _ => "is of a part on `rpi`, which this build does not have (feature `rpi`)",
        })
    }
}

/// A part's place on an SPI bus.
pub(super) enum SpiWires {
    /// The kernel's spidev.
    Linux(SpidevDevice),
    /// A Raspberry Pi's, through rppal.
    #[cfg(feature = "rpi")]
    Rpi(RpiSpi),
}

impl SpiWires {
    pub(super) fn open(at: At, part: &SpiPart) -> Result<Self, BoardError> {
        match at.backend {
            Backend::Linux => spidev(part)
                .map(Self::Linux)
                .map_err(|source| at.failed(Wire::Spi, &part.bus, source)),
            #[cfg(feature = "rpi")]
            Backend::Rpi => RpiSpi::open(part)
                .map(Self::Rpi)
                .map_err(|source| at.failed(Wire::Spi, &part.bus, source)),
            _ => Err(at.no_backend()),
        }
    }
}

fn spidev(part: &SpiPart) -> Result<SpidevDevice, SPIError> {
    let mut spi = SpidevDevice::open(&part.bus)?;
    own(spi.inner().try_lock())?;
    let options = SpidevOptions::new()
        .bits_per_word(8)
        .max_speed_hz(part.speed_hz)
        .lsb_first(false)
        .mode(SpiModeFlags::SPI_MODE_0)
        .build();
    spi.configure(&options).map_err(|error: io::Error| error)?;
    Ok(spi)
}

/// Whether the file is ours alone.
fn own(locked: Result<(), TryLockError>) -> io::Result<()> {
    match locked {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::ResourceBusy.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

impl spi::ErrorType for SpiWires {
    type Error = spi::ErrorKind;
}

impl SpiDevice for SpiWires {
    fn transaction(
        &mut self,
        operations: &mut [spi::Operation<'_, u8>],
    ) -> Result<(), spi::ErrorKind> {
        use spi::Error as _;
        match self {
            Self::Linux(spi) => spi.transaction(operations).map_err(|error| error.kind()),
            #[cfg(feature = "rpi")]
            Self::Rpi(spi) => spi.transaction(operations).map_err(|error| error.kind()),
        }
    }
}

/// An I2C bus. Not locked: other chips on it may be other programs'.
pub(super) enum I2cWires {
    /// The kernel's i2c-dev.
    Linux(I2cdev),
    /// A Raspberry Pi's, through rppal.
    #[cfg(feature = "rpi")]
    Rpi(RpiI2c),
}

impl I2cWires {
    pub(super) fn open(at: At, path: &Path) -> Result<Self, BoardError> {
        match at.backend {
            Backend::Linux => {
                let bus = I2cdev::new(path).map_err(|source| at.failed(Wire::I2c, path, source))?;
                i2c_ioctl::limit(&*bus, I2C_LIMIT)
                    .map_err(|error| at.failed(Wire::I2c, path, io::Error::from(error)))?;
                Ok(Self::Linux(bus))
            }
            #[cfg(feature = "rpi")]
            Backend::Rpi => RpiI2c::open(path)
                .map(Self::Rpi)
                .map_err(|source| at.failed(Wire::I2c, path, source)),
            _ => Err(at.no_backend()),
        }
    }
}

impl i2c::ErrorType for I2cWires {
    type Error = i2c::ErrorKind;
}

impl I2c for I2cWires {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [i2c::Operation<'_>],
    ) -> Result<(), i2c::ErrorKind> {
        use i2c::Error as _;
        match self {
            Self::Linux(bus) => bus
                .transaction(address, operations)
                .map_err(|error| error.kind()),
            #[cfg(feature = "rpi")]
            Self::Rpi(bus) => bus
                .transaction(address, operations)
                .map_err(|error| error.kind()),
        }
    }
}

/// A serial port, which is the kernel's with either backend.
pub(super) fn uart(at: At, part: &UartPart) -> Result<SerialPort, BoardError> {
    if at.backend == Backend::Sim {
        return Err(at.no_backend());
    }
    SerialPort::open(&part.bus, part.baud)
        .map_err(|source| at.failed(Wire::Uart, &part.bus, source))
}

/// An output line: on and off instead of high and low, or nothing at all.
#[derive(Debug)]
pub enum OutputWire {
    /// The kernel's, or none.
    Linux(OutputLine),
    /// A Raspberry Pi's, through rppal.
    #[cfg(feature = "rpi")]
    Rpi(RpiOutput),
}

impl OutputWire {
    /// The line, or nothing where the board has none.
    pub(super) fn open(at: At, part: Option<&LinePart>, on: bool) -> Result<Self, BoardError> {
        let Some(part) = part else {
            return Ok(Self::Linux(OutputLine::missing()));
        };
        match at.backend {
            Backend::Linux => OutputLine::open(part, on)
                .map(Self::Linux)
                .map_err(|source| at.line(&part.chip, source)),
            #[cfg(feature = "rpi")]
            Backend::Rpi => RpiOutput::open(part, on)
                .map(Self::Rpi)
                .map_err(|source| at.line(Path::new(RPI_LINES), source)),
            _ => Err(at.no_backend()),
        }
    }
}

impl digital::ErrorType for OutputWire {
    type Error = digital::ErrorKind;
}

impl OutputPin for OutputWire {
    fn set_low(&mut self) -> Result<(), digital::ErrorKind> {
        use digital::Error as _;
        match self {
            Self::Linux(line) => line.set_low().map_err(|error| error.kind()),
            #[cfg(feature = "rpi")]
            Self::Rpi(line) => line.set_low().map_err(|error| error.kind()),
        }
    }

    fn set_high(&mut self) -> Result<(), digital::ErrorKind> {
        use digital::Error as _;
        match self {
            Self::Linux(line) => line.set_high().map_err(|error| error.kind()),
            #[cfg(feature = "rpi")]
            Self::Rpi(line) => line.set_high().map_err(|error| error.kind()),
        }
    }
}

/// An input line that is read when asked.
pub(super) enum InputWire {
    /// The kernel's.
    Linux(InputLine),
    /// A Raspberry Pi's, through rppal.
    #[cfg(feature = "rpi")]
    Rpi(RpiInput),
}

impl InputWire {
    pub(super) fn open(at: At, part: &InputPart) -> Result<Self, BoardError> {
        match at.backend {
            Backend::Linux => InputLine::open(part)
                .map(Self::Linux)
                .map_err(|source| at.line(&part.line.chip, source)),
            #[cfg(feature = "rpi")]
            Backend::Rpi => RpiInput::open(part)
                .map(Self::Rpi)
                .map_err(|source| at.line(Path::new(RPI_LINES), source)),
            _ => Err(at.no_backend()),
        }
    }
}

impl digital::ErrorType for InputWire {
    type Error = digital::ErrorKind;
}

impl InputPin for InputWire {
    fn is_high(&mut self) -> Result<bool, digital::ErrorKind> {
        use digital::Error as _;
        match self {
            Self::Linux(line) => line.is_high().map_err(|error| error.kind()),
            #[cfg(feature = "rpi")]
            Self::Rpi(line) => line.is_high().map_err(|error| error.kind()),
        }
    }

    fn is_low(&mut self) -> Result<bool, digital::ErrorKind> {
        self.is_high().map(|high| !high)
    }
}
