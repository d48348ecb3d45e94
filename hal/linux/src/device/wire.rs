// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Opens buses: SPI, I2C, serial ports.

use std::io;
use std::path::Path;
use std::time::Duration;

use linux_embedded_hal::spidev::{SpiModeFlags, SpidevOptions};
use linux_embedded_hal::{I2cdev, SPIError, SpidevDevice};

use super::advice::{Wire, not_opened};
use crate::board::{BoardError, SpiPart, UartPart};
use crate::i2c_ioctl;
use crate::serial::SerialPort;

/// Longest transfer: a frame takes 3 ms at 100 kHz, and the chip may stretch the clock as it wakes.
const I2C_LIMIT: Duration = Duration::from_millis(50);

/// The part's bus: the line of its table in the board file, and the key that names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct At(pub(super) usize, pub(super) &'static str);

pub(super) fn spi(at: At, part: &SpiPart) -> Result<SpidevDevice, BoardError> {
    spidev(part).map_err(|source| not_opened(Wire::Spi, at.0, at.1, &part.bus, source))
}

fn spidev(part: &SpiPart) -> Result<SpidevDevice, SPIError> {
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

pub(super) fn i2c(at: At, path: &Path) -> Result<I2cdev, BoardError> {
    let bus =
        I2cdev::new(path).map_err(|source| not_opened(Wire::I2c, at.0, at.1, path, source))?;
    i2c_ioctl::limit(&*bus, I2C_LIMIT)
        .map_err(|error| not_opened(Wire::I2c, at.0, at.1, path, io::Error::from(error)))?;
    Ok(bus)
}

pub(super) fn uart(at: At, part: &UartPart) -> Result<SerialPort, BoardError> {
    SerialPort::open(&part.bus, part.baud)
        .map_err(|source| not_opened(Wire::Uart, at.0, at.1, &part.bus, source))
}
