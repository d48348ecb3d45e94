// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A Raspberry Pi's own peripherals through `rppal` 0.22: lines by the registers of the GPIO block
//! (`/dev/gpiomem`), SPI and I2C by the kernel's device files. Behind the feature `rpi`.
//!
//! It drives lines without a system call, and it is what to take on a kernel without the GPIO
//! character device. For all else the backend `linux` is the better one, also on a Pi. What this
//! one can't do:
//!
//! - Wiegand readers, PIN pads and switches: its interrupts come from one request for each line, so
//!   that the edges of two lines have no common order and a loss is not seen.
//! - Lines of another chip than the Pi's own, such as an expander on I2C or USB.
//! - Tell that a line is in use by the kernel or another program: it drives it all the same.
//! - SPI: least significant bit first, chip select high, words of other than 8 bits; modes 1 and 3 on
//!   SPI1 and SPI2. No transaction of more bytes than `spidev.bufsiz`.
//! - I2C: a repeated start in other transactions than one write and one read.
//!
//! Two traps of rppal's own `SpiDevice` are why it is not used here: it sends zeros for a transfer in
//! place, and cuts delays of more than 65 ms.

use std::fmt;
use std::path::{Path, PathBuf};

use embedded_hal::digital::{self, InputPin, OutputPin};
use embedded_hal::i2c;
use embedded_hal::spi::{self, SpiDevice};
use rppal::gpio::{self, Gpio, IoPin, Mode};
use rppal::i2c::I2c;
use rppal::spi::{BitOrder, Bus, Segment, SlaveSelect, Spi};
use thiserror::Error;

use crate::board::{Bias, InputPart, LinePart, SpiPart, chip_select};

/// Longest transfer on I2C, in units of 10 ms: as the backend `linux` has it.
const I2C_TIMEOUT_10_MS: u32 = 5;
/// Longest delay that one transfer can hold.
const DELAY_MAX_US: u32 = 65_535;

/// Why a peripheral can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RpiError {
    /// The line's chip is named: this backend has one.
    #[error("line {line} is of a chip of its own, which `rpi` can't reach")]
    Chip {
        /// The line.
        line: u32,
    },
    /// A device file that is not named as the Pi's are.
    #[error("{} is no bus of a Raspberry Pi", path.display())]
    Bus {
        /// The device file.
        path: PathBuf,
    },
    /// Not a Raspberry Pi, no such line, or it is driven already.
    #[error("line {line} can't be had")]
    Line {
        /// The line, by its BCM number.
        line: u32,
        /// Why.
        #[source]
        source: gpio::Error,
    },
    /// SPI failed.
    #[error("SPI failed")]
    Spi(#[from] rppal::spi::Error),
    /// I2C failed.
    #[error("I2C failed")]
    I2c(#[from] rppal::i2c::Error),
}

impl digital::Error for RpiError {
    fn kind(&self) -> digital::ErrorKind {
        digital::ErrorKind::Other
    }
}

impl spi::Error for RpiError {
    fn kind(&self) -> spi::ErrorKind {
        spi::ErrorKind::Other
    }
}

impl i2c::Error for RpiError {
    fn kind(&self) -> i2c::ErrorKind {
        match self {
            Self::I2c(error) => i2c::Error::kind(error),
            _ => i2c::ErrorKind::Other,
        }
    }
}

fn pin(part: &LinePart) -> Result<gpio::Pin, RpiError> {
    let line = part.line;
    if !part.chip.as_os_str().is_empty() {
        return Err(RpiError::Chip { line });
    }
    let missing = gpio::Error::PinNotAvailable(u8::MAX);
    let number = u8::try_from(line);
    let pin = match number {
        Ok(number) => Gpio::new().and_then(|gpio| gpio.get(number)),
        Err(_) => Err(missing),
    };
    pin.map_err(|source| RpiError::Line { line, source })
}

/// An output line by its BCM number. It becomes an input again when dropped.
#[derive(Debug)]
pub struct RpiOutput {
    pin: gpio::OutputPin,
    active_low: bool,
}

impl RpiOutput {
    /// Takes a line and drives it: on or off.
    ///
    /// # Errors
    /// [`RpiError::Chip`] and [`RpiError::Line`].
    pub fn open(part: &LinePart, on: bool) -> Result<Self, RpiError> {
        let pin = pin(part)?;
        let pin = match on != part.active_low {
            true => pin.into_output_high(),
            false => pin.into_output_low(),
        };
        Ok(Self {
            pin,
            active_low: part.active_low,
        })
    }

    fn drive(&mut self, on: bool) {
        match on != self.active_low {
            true => self.pin.set_high(),
            false => self.pin.set_low(),
        }
    }
}

impl digital::ErrorType for RpiOutput {
    type Error = RpiError;
}

impl OutputPin for RpiOutput {
    fn set_low(&mut self) -> Result<(), RpiError> {
        self.drive(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), RpiError> {
        self.drive(true);
        Ok(())
    }
}

/// An input line by its BCM number, read when asked.
#[derive(Debug)]
pub struct RpiInput {
    pin: IoPin,
    active_low: bool,
}

impl RpiInput {
    /// Takes a line.
    ///
    /// # Errors
    /// As [`RpiOutput::open`].
    pub fn open(part: &InputPart) -> Result<Self, RpiError> {
        let mut pin = pin(&part.line)?.into_io(Mode::Input);
        match part.bias {
            Bias::AsIs => {}
            Bias::PullUp => pin.set_bias(gpio::Bias::PullUp),
            Bias::PullDown => pin.set_bias(gpio::Bias::PullDown),
            Bias::Off => pin.set_bias(gpio::Bias::Off),
        }
        Ok(Self {
            pin,
            active_low: part.line.active_low,
        })
    }
}

impl digital::ErrorType for RpiInput {
    type Error = RpiError;
}

impl InputPin for RpiInput {
    fn is_high(&mut self) -> Result<bool, RpiError> {
        Ok(self.pin.is_high() != self.active_low)
    }

    fn is_low(&mut self) -> Result<bool, RpiError> {
        Ok(!self.is_high()?)
    }
}

/// A part on SPI, mode 0, most significant bit first.
pub struct RpiSpi(Spi);

impl RpiSpi {
    /// Opens the bus of `/dev/spidevB.C` at the part's clock.
    ///
    /// # Errors
    /// [`RpiError::Bus`] and [`RpiError::Spi`].
    pub fn open(part: &SpiPart) -> Result<Self, RpiError> {
        let named = chip_select(&part.bus).and_then(|(bus, select)| {
            let bus = BUSES.get(usize::from(bus))?;
            Some((*bus, *SELECTS.get(usize::from(select))?))
        });
        let Some((bus, select)) = named else {
            let path = part.bus.clone();
            return Err(RpiError::Bus { path });
        };
        let spi = Spi::new(bus, select, part.speed_hz, rppal::spi::Mode::Mode0)?;
        spi.set_bit_order(BitOrder::MsbFirst)?;
        Ok(Self(spi))
    }
}

const BUSES: [Bus; 7] = [
    Bus::Spi0,
    Bus::Spi1,
    Bus::Spi2,
    Bus::Spi3,
    Bus::Spi4,
    Bus::Spi5,
    Bus::Spi6,
];
/// The header has three at most.
const SELECTS: [SlaveSelect; 3] = [SlaveSelect::Ss0, SlaveSelect::Ss1, SlaveSelect::Ss2];

impl fmt::Debug for RpiSpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RpiSpi")
    }
}

impl spi::ErrorType for RpiSpi {
    type Error = RpiError;
}

impl SpiDevice for RpiSpi {
    /// One system call for all of it, with the chip selected throughout.
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), RpiError> {
        // What a transfer in place sends must stand elsewhere while the answer comes in.
        let copies: Vec<Vec<u8>> = operations
            .iter()
            .map(|operation| match operation {
                spi::Operation::TransferInPlace(words) => words.to_vec(),
                _ => Vec::new(),
            })
            .collect();
        let mut segments = Vec::with_capacity(operations.len());
        for (operation, copy) in operations.iter_mut().zip(&copies) {
            match operation {
                spi::Operation::Read(words) => segments.push(Segment::with_read(words)),
                spi::Operation::Write(words) => segments.push(Segment::with_write(words)),
                spi::Operation::Transfer(read, write) => {
                    transfer(read, write, &mut segments);
                }
                spi::Operation::TransferInPlace(words) => {
                    segments.push(Segment::new(words, copy));
                }
                spi::Operation::DelayNs(ns) => segments.extend(delays(*ns)),
            }
        }
        Ok(self.0.transfer_segments(&segments)?)
    }
}

/// Both directions, then what the longer one has left: a segment is as long as the shorter.
fn transfer<'s>(read: &'s mut [u8], write: &'s [u8], segments: &mut Vec<Segment<'s, 's>>) {
    let both = read.len().min(write.len());
    let (read, read_rest) = read.split_at_mut(both);
    let (write, write_rest) = write.split_at(both);
    segments.push(Segment::new(read, write));
    if !read_rest.is_empty() {
        segments.push(Segment::with_read(read_rest));
    }
    if !write_rest.is_empty() {
        segments.push(Segment::with_write(write_rest));
    }
}

/// Segments that transfer nothing and wait, rounded up to the microsecond.
fn delays<'s>(ns: u32) -> impl Iterator<Item = Segment<'s, 's>> {
    let us = ns.div_ceil(1_000);
    let parts = us.div_ceil(DELAY_MAX_US);
    (0..parts).map(move |part| {
        let left = us.saturating_sub(part.saturating_mul(DELAY_MAX_US));
        let us = u16::try_from(left.min(DELAY_MAX_US)).unwrap_or(u16::MAX);
        Segment::with_settings(None, None, 0, us, 0, false)
    })
}

/// An I2C bus.
#[derive(Debug)]
pub struct RpiI2c(I2c);

impl RpiI2c {
    /// Opens the bus of `/dev/i2c-N`, with a limit of 50 ms for a transfer.
    ///
    /// # Errors
    /// [`RpiError::Bus`] and [`RpiError::I2c`].
    pub fn open(path: &Path) -> Result<Self, RpiError> {
        let name = path.file_name().and_then(|name| name.to_str());
        let bus = name.and_then(|name| name.strip_prefix("i2c-")?.parse().ok());
        let Some(bus) = bus else {
            let path = path.to_owned();
            return Err(RpiError::Bus { path });
        };
        let bus = I2c::with_bus(bus)?;
        bus.set_timeout(I2C_TIMEOUT_10_MS)?;
        Ok(Self(bus))
    }
}

impl i2c::ErrorType for RpiI2c {
    type Error = RpiError;
}

impl i2c::I2c for RpiI2c {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [i2c::Operation<'_>],
    ) -> Result<(), RpiError> {
        if let [i2c::Operation::Write(write), i2c::Operation::Read(read)] = operations {
            self.0.set_slave_address(address.into())?;
            return Ok(self.0.write_read(write, read)?);
        }
        Ok(i2c::I2c::transaction(&mut self.0, address, operations)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(chip: &str, line: u32) -> LinePart {
        LinePart {
            chip: chip.into(),
            line,
            active_low: false,
        }
    }

    #[test]
    fn lines_that_a_pi_does_not_have_are_refused_by_their_number() {
        let error = RpiOutput::open(&line("/dev/gpiochip2", 4), true).unwrap_err();
        assert!(matches!(error, RpiError::Chip { line: 4 }));
        let error = RpiOutput::open(&line("", 400), true).unwrap_err();
        assert_eq!(error.to_string(), "line 400 can't be had");
    }

    #[test]
    fn device_files_of_no_bus_are_refused_by_their_name() {
        for path in ["/dev/i2c", "/dev/i2c-x", "/dev/spidev0.0", "/dev/i2c-256"] {
            let error = RpiI2c::open(Path::new(path)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{path} is no bus of a Raspberry Pi")
            );
        }
        for path in ["/dev/spidev9.0", "/dev/spidev0.7", "/dev/ttyS0"] {
            let part = SpiPart {
                bus: path.into(),
                speed_hz: 1_000_000,
            };
            let error = RpiSpi::open(&part).unwrap_err();
            assert!(matches!(error, RpiError::Bus { .. }), "{error:?}");
        }
    }

    #[test]
    fn delays_of_any_length_are_waited_for_in_full() {
        for (ns, expected) in [
            (0, vec![]),
            (1, vec![1]),
            (65_535_000, vec![65_535]),
            (65_535_001, vec![65_535, 1]),
            (200_000_000, vec![65_535, 65_535, 65_535, 3_395]),
        ] {
            let waits: Vec<u16> = delays(ns).map(|segment| segment.delay()).collect();
            assert_eq!(waits, expected, "{ns} ns");
        }
    }

    #[test]
    fn a_transfer_of_two_lengths_carries_all_of_both() {
        let (mut read, write) = ([0; 5], [0; 3]);
        let mut segments = Vec::new();
        transfer(&mut read, &write, &mut segments);
        let lengths: Vec<usize> = segments.iter().map(Segment::len).collect();
        assert_eq!(lengths, [3, 2]);
    }
}
