// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The commands that the driver gives, and what it makes of the sensor's answers. Sources: *ZFM-20
//! series user manual* Ver 2.0; *R503 user manual* V1.2.2, pp. 13–34; *R307 manual* V1.20.
//!
//! There is no command here that moves a picture of a finger (0A `UpImage`, 0B `DownImage`), nor one
//! that reads the sensor's memory (16 `ReadInfPage`): what is not in [`Command`] can't be sent.

use platen_hal::ReaderError;

/// Commands, by their code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Command {
    /// Takes a picture into the sensor's picture buffer, where it stays.
    GenImg = 0x01,
    /// Makes features of the picture: buffer.
    Img2Tz = 0x02,
    /// Looks for a buffer's features: buffer, start 2, count 2; page 2 and score 2.
    Search = 0x04,
    /// Makes one template of the features of all touches.
    RegModel = 0x05,
    /// Writes a buffer to the library: buffer, page 2.
    Store = 0x06,
    /// Reads the library to a buffer: buffer, page 2.
    LoadChar = 0x07,
    /// Sends a buffer, in data packets: buffer.
    UpChar = 0x08,
    /// Takes data packets into a buffer: buffer.
    DownChar = 0x09,
    /// Erases: page 2, count 2.
    DeletChar = 0x0c,
    /// Erases all.
    Empty = 0x0d,
    /// Tells capacity, packet size and rate: 16 bytes.
    ReadSysPara = 0x0f,
    /// Opens the sensor: password 4.
    VfyPwd = 0x13,
    /// Tells how many templates there are: 2 bytes.
    TempleteNum = 0x1d,
    /// Tells which pages are used: quarter of the library; 32 bytes.
    ReadIndexTable = 0x1f,
    /// R503: lights the ring: control, speed, colour, count.
    AuraLed = 0x35,
    /// R503: looks whether the sensor itself works.
    CheckSensor = 0x36,
    /// R503: tells what it is: 46 bytes.
    ProdInfo = 0x3c,
    /// Older parts: light on.
    LedOn = 0x50,
    /// Older parts: light off.
    LedOff = 0x51,
}

impl Command {
    /// Every command.
    pub const ALL: [Self; 19] = [
        Self::GenImg,
        Self::Img2Tz,
        Self::Search,
        Self::RegModel,
        Self::Store,
        Self::LoadChar,
        Self::UpChar,
        Self::DownChar,
        Self::DeletChar,
        Self::Empty,
        Self::ReadSysPara,
        Self::VfyPwd,
        Self::TempleteNum,
        Self::ReadIndexTable,
        Self::AuraLed,
        Self::CheckSensor,
        Self::ProdInfo,
        Self::LedOn,
        Self::LedOff,
    ];

    /// Its code on the wire.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Longest time until its answer has come, in microseconds. The manuals give 1 s for a search
    /// and for a picture; erasing all is not stated.
    pub(super) fn limit_us(self) -> u32 {
        match self {
            Self::GenImg => 700_000,
            Self::Img2Tz | Self::RegModel | Self::Store | Self::DeletChar => 1_000_000,
            Self::Search => 1_200_000,
            Self::Empty => 4_000_000,
            _ => 200_000,
        }
    }
}

// Confirmation codes.
pub(super) const OK: u8 = 0x00;
const RECEIVED_DAMAGED: u8 = 0x01;
pub(super) const NO_FINGER: u8 = 0x02;
pub(super) const PICTURE_FAILED: u8 = 0x03;
pub(super) const MESSY: u8 = 0x06;
pub(super) const FEW_FEATURES: u8 = 0x07;
pub(super) const NOT_FOUND: u8 = 0x09;
const TOUCHES_DIFFER: u8 = 0x0a;
const NO_SUCH_PAGE: u8 = 0x0b;
const TEMPLATE_UNREADABLE: u8 = 0x0c;
const WRONG_PASSWORD: u8 = 0x13;
pub(super) const NO_PICTURE: u8 = 0x15;
const FLASH_FAILED: u8 = 0x18;
const PASSWORD_WANTED: u8 = 0x21;
const SENSOR_BROKEN: u8 = 0x29;

/// The error for a confirmation code that is not [`OK`].
pub(super) fn refusal(code: u8) -> ReaderError {
    let refused = |cause| ReaderError::Refused { cause };
    match code {
        RECEIVED_DAMAGED => ReaderError::Garbled {
            cause: "sensor received a damaged command",
        },
        PASSWORD_WANTED => ReaderError::Gone {
            cause: "sensor was reset: it wants its password",
        },
        SENSOR_BROKEN => ReaderError::Gone {
            cause: "sensor reports that its surface is broken",
        },
        TOUCHES_DIFFER => refused("touches don't make one finger"),
        NO_SUCH_PAGE => refused("sensor has no such slot"),
        TEMPLATE_UNREADABLE => refused("template can't be read"),
        WRONG_PASSWORD => refused("password is wrong"),
        FLASH_FAILED => refused("sensor can't write its memory"),
        _ => refused("sensor says no, by a code that the trace tells"),
    }
}

/// What a sensor says of itself (`ReadSysPara`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct SysPara {
    /// Templates.
    pub(super) capacity: u16,
    /// Bytes of content in a data packet.
    pub(super) packet_size: usize,
    /// Time of one byte on the wire, in microseconds, rounded up.
    pub(super) byte_us: u32,
}

impl SysPara {
    /// Reads status 2, system 2, capacity 2, security 2, address 4, packet 2, rate 2.
    pub(super) fn read(data: &[u8]) -> Option<Self> {
        let [_, _, _, _, c1, c0, _, _, _, _, _, _, 0, packet, 0, rate] = data else {
            return None;
        };
        let packet_size = match packet {
            0..=3 => 32_usize << packet,
            _ => return None,
        };
        if !(1..=12).contains(rate) {
            return None;
        }
        Some(Self {
            capacity: u16::from_be_bytes([*c1, *c0]),
            packet_size,
            byte_us: 10_000_000_u32.div_ceil(9_600 * u32::from(*rate)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_moves_a_picture_or_reads_the_memory() {
        let forbidden = [0x0a, 0x0b, 0x16, 0x28];
        for command in Command::ALL {
            assert!(!forbidden.contains(&command.code()), "{command:?}");
        }
        // `ALL` is all: each code that is a command stands there once.
        let mut codes = Command::ALL.map(Command::code);
        codes.sort_unstable();
        assert!(codes.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn parameters_are_read_and_impossible_ones_are_not() {
        let mut data = [0; 16];
        data[5] = 200;
        data[13] = 2;
        data[15] = 6;
        let read = SysPara::read(&data).unwrap();
        assert_eq!((read.capacity, read.packet_size), (200, 128));
        assert_eq!(read.byte_us, 174); // 57600 baud
        for (at, value) in [(12, 1), (13, 4), (14, 1), (15, 0), (15, 13)] {
            let mut wrong = data;
            wrong[at] = value;
            assert_eq!(SysPara::read(&wrong), None, "{at}");
        }
        assert_eq!(SysPara::read(&data[..15]), None);
    }
}
