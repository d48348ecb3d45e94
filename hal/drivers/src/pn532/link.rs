// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The three ways to a PN532: SPI, I2C and high-speed UART (HSU). Sources: NXP AN10609_3 rev. 1.2
//! (host links), UM0701-02 §6.2.
//!
//! A link moves frames and says when there is one; it never waits. The driver waits, with limits,
//! [`Link::PAUSE_US`] before each access.

use core::{fmt, mem};

use embedded_hal::i2c::I2c;
use embedded_hal::spi::{Operation, SpiDevice};
use embedded_io::{Read, ReadReady, Write};
use heapless::Vec;
use platen_hal::ReaderError;

use super::frame::{Decoder, FRAME_MAX, Incoming, first};

/// The chip's fixed address on I2C, 7 bits.
pub const I2C_ADDRESS: u8 = 0x24;
/// Bytes that one look at the UART takes: an idle look ends soon, and so does a line gone mad.
pub const HSU_CHUNK: usize = 64;

// First byte of an SPI access (AN10609 §2.2), before its bits are turned round.
const SPI_WRITE: u8 = 0x01;
const SPI_STATUS: u8 = 0x02;
const SPI_READ: u8 = 0x03;
const READY: u8 = 0x01;
const SPI_WAKE_NS: u32 = 2_000_000; // chip select low for 1–2 ms
/// Two bytes that wake the chip, then time for its oscillator, given as bytes (AN10609 p. 21).
const HSU_WAKE: [u8; 16] = [0x55, 0x55, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A way to the chip. Errors: [`ReaderError::Bus`] when the bus fails, [`ReaderError::Gone`] for
/// what only a line without a chip says.
pub trait Link {
    /// Pause before each access, in microseconds.
    const PAUSE_US: u32;

    /// Wakes the chip and forgets what it has sent before.
    ///
    /// # Errors
    /// As the trait says.
    fn wake(&mut self) -> Result<(), ReaderError>;

    /// Sends a frame.
    ///
    /// # Errors
    /// As the trait says.
    fn send(&mut self, frame: &[u8]) -> Result<(), ReaderError>;

    /// Whether the chip has a frame.
    ///
    /// # Errors
    /// As the trait says.
    fn ready(&mut self) -> Result<bool, ReaderError>;

    /// Takes the frame that is ready, `length` bytes at most.
    ///
    /// # Errors
    /// As the trait says.
    fn receive(&mut self, length: usize) -> Result<Incoming, ReaderError>;
}

/// SPI mode 0, at most 5 MHz. The chip wants the least significant bit first, which many
/// controllers can't: the bits are turned round here, the bus stays most significant bit first.
#[derive(Debug)]
pub struct SpiLink<S>(S);

impl<S: SpiDevice> SpiLink<S> {
    /// The chip on this bus.
    #[must_use]
    pub fn new(spi: S) -> Self {
        Self(spi)
    }
}

impl<S: SpiDevice> Link for SpiLink<S> {
    const PAUSE_US: u32 = 1_000;

    fn wake(&mut self) -> Result<(), ReaderError> {
        // 00 is no access at all: only the chip select counts.
        let mut operations = [Operation::Write(&[0x00]), Operation::DelayNs(SPI_WAKE_NS)];
        self.0
            .transaction(&mut operations)
            .map_err(|_| ReaderError::Bus)
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), ReaderError> {
        let mut bytes = Vec::<u8, { FRAME_MAX + 1 }>::new();
        let all = core::iter::once(&SPI_WRITE).chain(frame);
        bytes.extend(all.take(FRAME_MAX + 1).map(|byte| byte.reverse_bits()));
        self.0.write(&bytes).map_err(|_| ReaderError::Bus)
    }

    fn ready(&mut self) -> Result<bool, ReaderError> {
        let mut bytes = [SPI_STATUS.reverse_bits(), 0];
        self.0
            .transfer_in_place(&mut bytes)
            .map_err(|_| ReaderError::Bus)?;
        let [_, status] = bytes.map(u8::reverse_bits);
        Ok(status & READY != 0)
    }

    fn receive(&mut self, length: usize) -> Result<Incoming, ReaderError> {
        let mut bytes = Vec::<u8, { FRAME_MAX + 1 }>::new();
        let _ = bytes.resize((length + 1).min(FRAME_MAX + 1), 0);
        if let Some(access) = bytes.first_mut() {
            *access = SPI_READ.reverse_bits();
        }
        self.0
            .transfer_in_place(&mut bytes)
            .map_err(|_| ReaderError::Bus)?;
        bytes
            .iter_mut()
            .for_each(|byte| *byte = byte.reverse_bits());
        understood(bytes.get(1..).unwrap_or_default())
    }
}

/// I2C at address [`I2C_ADDRESS`], up to 400 kHz. Each read begins with a byte that tells whether
/// a frame follows, and always gives the frame from its start.
#[derive(Debug)]
pub struct I2cLink<B>(B);

impl<B: I2c> I2cLink<B> {
    /// The chip on this bus.
    #[must_use]
    pub fn new(bus: B) -> Self {
        Self(bus)
    }
}

impl<B: I2c> Link for I2cLink<B> {
    const PAUSE_US: u32 = 5_000; // between stop and start

    fn wake(&mut self) -> Result<(), ReaderError> {
        // The chip wakes by its address; it may refuse that very access.
        let _ = self.0.write(I2C_ADDRESS, &[0x00]);
        Ok(())
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), ReaderError> {
        self.0
            .write(I2C_ADDRESS, frame)
            .map_err(|_| ReaderError::Bus)
    }

    fn ready(&mut self) -> Result<bool, ReaderError> {
        let mut status = [0];
        self.0
            .read(I2C_ADDRESS, &mut status)
            .map_err(|_| ReaderError::Bus)?;
        let [status] = status;
        Ok(status & READY != 0)
    }

    fn receive(&mut self, length: usize) -> Result<Incoming, ReaderError> {
        let mut bytes = Vec::<u8, { FRAME_MAX + 1 }>::new();
        let _ = bytes.resize((length + 1).min(FRAME_MAX + 1), 0);
        self.0
            .read(I2C_ADDRESS, &mut bytes)
            .map_err(|_| ReaderError::Bus)?;
        understood(bytes.get(1..).unwrap_or_default())
    }
}

/// UART, 115200 baud 8N1.
pub struct HsuLink<P> {
    port: P,
    decoder: Decoder,
    complete: Option<Incoming>,
    /// Came behind `complete`: an answer can follow its ACK in one go.
    rest: Vec<u8, HSU_CHUNK>,
}

/// Without what has come: it says the numbers of cards.
impl<P> fmt::Debug for HsuLink<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HsuLink")
            .field("complete", &self.complete)
            .field("rest", &self.rest.len())
            .finish_non_exhaustive()
    }
}

impl<P: Read + ReadReady + Write> HsuLink<P> {
    /// The chip on this port. `port` must not wait longer for writing than the driver's caller can
    /// bear; it is only read when it says that there is something.
    #[must_use]
    pub fn new(port: P) -> Self {
        Self {
            port,
            decoder: Decoder::default(),
            complete: None,
            rest: Vec::new(),
        }
    }

    /// What has come, [`HSU_CHUNK`] bytes at most.
    fn come(&mut self) -> Result<Vec<u8, HSU_CHUNK>, ReaderError> {
        let mut bytes = [0; HSU_CHUNK];
        if !self.port.read_ready().map_err(|_| ReaderError::Bus)? {
            return Ok(Vec::new());
        }
        let count = self.port.read(&mut bytes).map_err(|_| ReaderError::Bus)?;
        Ok(bytes.into_iter().take(count).collect())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ReaderError> {
        self.port.write_all(bytes).map_err(|_| ReaderError::Bus)?;
        self.port.flush().map_err(|_| ReaderError::Bus)
    }
}

impl<P: Read + ReadReady + Write> Link for HsuLink<P> {
    const PAUSE_US: u32 = 2_000;

    fn wake(&mut self) -> Result<(), ReaderError> {
        self.write(&HSU_WAKE)
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), ReaderError> {
        // What came before belongs to nothing that is still asked. More than this is waste that
        // the decoder skips or refuses.
        for _ in 0..8 {
            if self.come()?.is_empty() {
                break;
            }
        }
        self.decoder = Decoder::default();
        self.complete = None;
        self.rest.clear();
        self.write(frame)
    }

    fn ready(&mut self) -> Result<bool, ReaderError> {
        if self.complete.is_none() {
            if self.rest.is_empty() {
                self.rest = self.come()?;
            }
            let mut bytes = mem::take(&mut self.rest).into_iter();
            self.complete = bytes.find_map(|byte| self.decoder.push(byte));
            self.rest = bytes.collect();
        }
        Ok(self.complete.is_some())
    }

    fn receive(&mut self, _length: usize) -> Result<Incoming, ReaderError> {
        Ok(self
            .complete
            .take()
            .unwrap_or(Incoming::Damaged("no whole frame")))
    }
}

/// The frame in what a bus gave, or what is wrong with the bus.
fn understood(bytes: &[u8]) -> Result<Incoming, ReaderError> {
    let gone = |cause| Err(ReaderError::Gone { cause });
    match bytes {
        _ if bytes.iter().all(|byte| *byte == 0xff) => gone("bus reads 0xff"),
        _ if bytes.iter().all(|byte| *byte == 0x00) => gone("bus reads 0x00"),
        _ => Ok(first(bytes)),
    }
}
