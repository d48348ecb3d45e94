// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What to do about a device that can't be opened.

use std::error::Error;
use std::path::Path;

use rustix::fs::{Access, access};
use rustix::io::Errno;

use crate::board::BoardError;

/// The kinds of device file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wire {
    Spi,
    I2c,
    Uart,
    Gpio,
}

impl Wire {
    fn missing(self) -> &'static str {
        match self {
            Self::Spi => {
                "it is not there; enable SPI (Raspberry Pi: `dtparam=spi=on` in config.txt) and \
                 look which /dev/spidev* there are"
            }
            Self::I2c => {
                "it is not there; enable I2C (Raspberry Pi: `dtparam=i2c_arm=on` in config.txt), \
                 load the module i2c-dev, and look which /dev/i2c-* there are"
            }
            Self::Uart => {
                "it is not there; enable the serial port (Raspberry Pi: `enable_uart=1` in \
                 config.txt, and no console on it), or plug the adapter in"
            }
            Self::Gpio => "it is not there; look which /dev/gpiochip* there are",
        }
    }

    fn forbidden(self) -> &'static str {
        match self {
            Self::Spi => "it may not be opened; is the user in the file's group, such as `spi`?",
            Self::I2c => "it may not be opened; is the user in the file's group, such as `i2c`?",
            Self::Uart => {
                "it may not be opened; is the user in the file's group, such as `dialout`?"
            }
            Self::Gpio => "it may not be opened; is the user in the file's group, such as `gpio`?",
        }
    }

    fn other(self) -> &'static str {
        match self {
            Self::Spi => "is it an SPI device, free, and able to run at `speed_hz`?",
            Self::I2c => "is it an I2C bus?",
            Self::Uart => "is it a serial port, free, and able to run at `baud`?",
            Self::Gpio => {
                "has the chip that line, and is the line free? `gpioinfo` says who has it"
            }
        }
    }
}

/// The error of a device that could not be opened.
pub(super) fn not_opened<E>(
    wire: Wire,
    line: usize,
    key: &'static str,
    path: &Path,
    source: E,
) -> BoardError
where
    E: Error + Send + Sync + 'static,
{
    let advice = match access(path, Access::READ_OK | Access::WRITE_OK) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::NXIO | Errno::NODEV) => wire.missing(),
        Err(_) => wire.forbidden(),
        Ok(()) => wire.other(),
    };
    BoardError::Device {
        line,
        key,
        path: path.to_owned(),
        advice,
        source: Box::new(source),
    }
}
