// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The two ways to a BM-Lite: SPI with its READY line, and UART. Source: public host code
//! `andpp/BM-Lite` 27c95ab (`platform.c`, `HAL_Driver/Linux`, `HAL_Driver/RaspberryPi`).
//!
//! A wire moves bytes and says when there are some; it never waits. The driver waits, with limits,
//! [`Wire::PAUSE_US`] before each look.

use core::fmt;

use embedded_hal::digital::InputPin;
use embedded_hal::spi::SpiDevice;
use embedded_io::{Read, ReadReady, Write};
use heapless::Vec;
use platen_hal::ReaderError;

use super::message::PACKET_MAX;

/// Bytes that one look at a UART takes.
const CHUNK: usize = 64;
/// Looks that empty a wire. More than this is waste that the driver refuses.
const CLEAR_LOOKS: usize = 16;

/// A way to the module. Errors: [`ReaderError::Bus`] when the bus or the line fails.
pub trait Wire {
    /// Pause before each look, in microseconds.
    const PAUSE_US: u32;

    /// Forgets what the module has sent before.
    ///
    /// # Errors
    /// As the trait says.
    fn clear(&mut self) -> Result<(), ReaderError>;

    /// Sends bytes, in one go.
    ///
    /// # Errors
    /// As the trait says.
    fn send(&mut self, bytes: &[u8]) -> Result<(), ReaderError>;

    /// Whether `length` bytes can be read.
    ///
    /// # Errors
    /// As the trait says.
    fn ready(&mut self, length: usize) -> Result<bool, ReaderError>;

    /// Reads what is ready.
    ///
    /// # Errors
    /// As the trait says.
    fn read(&mut self, into: &mut [u8]) -> Result<(), ReaderError>;
}

/// SPI mode 0, most significant bit first, at most 8 MHz; READY is high while the module has
/// something to say. Mode and the line's level are those of host code, not of a data sheet.
#[derive(Debug)]
pub struct SpiWire<S, I> {
    spi: S,
    ready: I,
}

impl<S: SpiDevice, I: InputPin> SpiWire<S, I> {
    /// The module on this bus, its READY line on `ready`.
    #[must_use]
    pub fn new(spi: S, ready: I) -> Self {
        Self { spi, ready }
    }
}

impl<S: SpiDevice, I: InputPin> Wire for SpiWire<S, I> {
    const PAUSE_US: u32 = 4_000;

    fn clear(&mut self) -> Result<(), ReaderError> {
        for _ in 0..CLEAR_LOOKS {
            if !self.ready(0)? {
                break;
            }
            self.read(&mut [0; PACKET_MAX])?;
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), ReaderError> {
        self.spi.write(bytes).map_err(|_| ReaderError::Bus)
    }

    fn ready(&mut self, _length: usize) -> Result<bool, ReaderError> {
        self.ready.is_high().map_err(|_| ReaderError::Bus)
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), ReaderError> {
        into.fill(0);
        self.spi
            .transfer_in_place(into)
            .map_err(|_| ReaderError::Bus)
    }
}

/// UART, 8N1.
pub struct UartWire<P> {
    port: P,
    arrived: Vec<u8, { PACKET_MAX + CHUNK }>,
}

/// Without what has come, which may be a part of a template.
impl<P> fmt::Debug for UartWire<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UartWire")
            .field("arrived", &self.arrived.len())
            .finish_non_exhaustive()
    }
}

impl<P: Read + ReadReady + Write> UartWire<P> {
    /// The module on this port. `port` must not wait longer for writing than the driver's caller can
    /// bear; it is only read when it says that there is something.
    #[must_use]
    pub fn new(port: P) -> Self {
        Self {
            port,
            arrived: Vec::new(),
        }
    }

    /// Takes what has come, [`CHUNK`] bytes at most; returns how many.
    fn come(&mut self) -> Result<usize, ReaderError> {
        let mut bytes = [0; CHUNK];
        if !self.port.read_ready().map_err(|_| ReaderError::Bus)? {
            return Ok(0);
        }
        let count = self.port.read(&mut bytes).map_err(|_| ReaderError::Bus)?;
        self.arrived.extend(bytes.into_iter().take(count));
        Ok(count)
    }
}

impl<P: Read + ReadReady + Write> Wire for UartWire<P> {
    const PAUSE_US: u32 = 3_000;

    fn clear(&mut self) -> Result<(), ReaderError> {
        for _ in 0..CLEAR_LOOKS {
            self.arrived.clear();
            if self.come()? == 0 {
                break;
            }
        }
        self.arrived.clear();
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), ReaderError> {
        self.port.write_all(bytes).map_err(|_| ReaderError::Bus)?;
        self.port.flush().map_err(|_| ReaderError::Bus)
    }

    fn ready(&mut self, length: usize) -> Result<bool, ReaderError> {
        // Never more than fits: a packet is no longer than PACKET_MAX.
        while self.arrived.len() < length.min(PACKET_MAX) && self.come()? > 0 {}
        Ok(self.arrived.len() >= length)
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), ReaderError> {
        let count = into.len().min(self.arrived.len());
        let taken = self.arrived.drain(..count);
        into.iter_mut().zip(taken).for_each(|(to, byte)| *to = byte);
        Ok(())
    }
}
