// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Packets between a host and a fingerprint sensor of the EF01 family. Source: *ZFM-20 series user
//! manual* Ver 2.0 (2010), data package format; *R503 user manual* V1.2.2, p. 11.
//!
//! Pure: bytes in, packets out. EF 01, address 4, kind 1, length 2 (content and sum), content, sum 2;
//! most significant byte first. The check is a sum of 16 bits, which two flipped bits can pass: what
//! a finger or a template hangs on is asked for twice by the driver.

use core::fmt;

use heapless::Vec;

/// Longest content: a data packet of the largest size (`SetSysPara` 6, value 3).
pub const CONTENT_MAX: usize = 256;
/// Longest packet.
pub const PACKET_MAX: usize = CONTENT_MAX + HEADER + SUM;
/// Address of a sensor that was given no other.
pub const ANY_ADDRESS: u32 = 0xffff_ffff;

const START: [u8; 2] = [0xef, 0x01];
const HEADER: usize = 9;
const SUM: usize = 2;

/// What a packet is for; its number on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Kind {
    /// From the host: a command and its arguments.
    Command = 0x01,
    /// A part of a template, more follows.
    Data = 0x02,
    /// From the sensor: how a command went.
    Answer = 0x07,
    /// The last part of a template.
    LastData = 0x08,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Command, Self::Data, Self::Answer, Self::LastData]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// What a packet carries.
pub type Content = Vec<u8, CONTENT_MAX>;

/// What came. `Debug` hides what a packet carries, which may be a part of a template.
#[derive(Clone, Eq, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nothing is allocated here, and few exist at once"
)]
pub enum Incoming {
    /// A packet whose sum is right.
    Packet(Kind, Content),
    /// No packet by the rules.
    Damaged(&'static str),
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(kind, content) => write!(f, "Packet({kind:?}, {} bytes)", content.len()),
            Self::Damaged(cause) => write!(f, "Damaged({cause:?})"),
        }
    }
}

/// The packet for `content`. `None` when it is longer than [`CONTENT_MAX`].
#[must_use]
pub fn packet(address: u32, kind: Kind, content: &[u8]) -> Option<Vec<u8, PACKET_MAX>> {
    if content.len() > CONTENT_MAX {
        return None;
    }
    let length = u16::try_from(content.len() + SUM).ok()?.to_be_bytes();
    let mut packet = Vec::new();
    packet.extend_from_slice(&START).ok()?;
    packet.extend_from_slice(&address.to_be_bytes()).ok()?;
    packet.push(kind as u8).ok()?;
    packet.extend_from_slice(&length).ok()?;
    packet.extend_from_slice(content).ok()?;
    let sum = sum(packet.get(HEADER - 3..)?);
    packet.extend_from_slice(&sum.to_be_bytes()).ok()?;
    Some(packet)
}

/// Puts packets together from bytes as they come; bytes before a start code are skipped.
/// `Debug` hides them.
#[derive(Clone)]
pub struct Decoder {
    address: u32,
    bytes: Vec<u8, PACKET_MAX>,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoder({} bytes)", self.bytes.len())
    }
}

impl Decoder {
    /// For packets of the sensor with this address.
    #[must_use]
    pub fn new(address: u32) -> Self {
        Self {
            address,
            bytes: Vec::new(),
        }
    }

    /// Forgets what has come.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Takes a byte; returns what it completes.
    pub fn push(&mut self, byte: u8) -> Option<Incoming> {
        let [first, second] = START;
        match self.bytes.len() {
            0 if byte != first => return None,
            1 if byte == first => return None, // the start code may begin here as well
            1 if byte != second => {
                self.clear();
                return None;
            }
            _ => {}
        }
        // Fits: `length` took no longer one.
        let _ = self.bytes.push(byte);
        let incoming = match self.length() {
            Ok(length) if self.bytes.len() == HEADER + length => self.whole(),
            Ok(_) => return None,
            Err(what) => Incoming::Damaged(what),
        };
        self.clear();
        Some(incoming)
    }

    /// What follows the header, as far as it is known; the shortest before that.
    fn length(&self) -> Result<usize, &'static str> {
        let [_, _, a, b, c, d, kind, high, low, ..] = self.bytes.as_slice() else {
            return Ok(SUM);
        };
        if u32::from_be_bytes([*a, *b, *c, *d]) != self.address {
            return Err("packet comes from another address");
        }
        if Kind::of(*kind).is_none() {
            return Err("no packet is of this kind");
        }
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if (SUM + 1..=SUM + CONTENT_MAX).contains(&length) {
            Ok(length)
        } else {
            Err("no packet has this length")
        }
    }

    fn whole(&self) -> Incoming {
        let damaged = Incoming::Damaged("sum of a packet is wrong");
        let Some((summed, check)) = self.bytes.split_last_chunk::<SUM>() else {
            return damaged;
        };
        let Some([kind, _, _, content @ ..]) = summed.get(HEADER - 3..) else {
            return damaged;
        };
        let right = sum(summed.get(HEADER - 3..).unwrap_or_default());
        match (Kind::of(*kind), Content::from_slice(content)) {
            (Some(kind), Ok(content)) if u16::from_be_bytes(*check) == right => {
                Incoming::Packet(kind, content)
            }
            _ => damaged,
        }
    }
}

fn sum(bytes: &[u8]) -> u16 {
    bytes
        .iter()
        .fold(0, |sum, byte| sum.wrapping_add(u16::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(rest: &[u8]) -> std::vec::Vec<u8> {
        [&[0xef, 0x01, 0xff, 0xff, 0xff, 0xff], rest].concat()
    }

    fn all(bytes: &[u8]) -> std::vec::Vec<Incoming> {
        let mut decoder = Decoder::new(ANY_ADDRESS);
        bytes.iter().filter_map(|b| decoder.push(*b)).collect()
    }

    fn whole(kind: Kind, content: &[u8]) -> Incoming {
        Incoming::Packet(kind, Content::from_slice(content).unwrap())
    }

    #[test]
    fn commands_are_framed_as_published() {
        let published: [(&[u8], &[u8]); 8] = [
            (
                &[0x13, 0, 0, 0, 0],
                &[0x01, 0x00, 0x07, 0x13, 0, 0, 0, 0, 0x00, 0x1b],
            ),
            (&[0x01], &[0x01, 0x00, 0x03, 0x01, 0x00, 0x05]),
            (&[0x02, 1], &[0x01, 0x00, 0x04, 0x02, 0x01, 0x00, 0x08]),
            (&[0x05], &[0x01, 0x00, 0x03, 0x05, 0x00, 0x09]),
            (
                &[0x06, 1, 0, 1],
                &[0x01, 0x00, 0x06, 0x06, 1, 0, 1, 0x00, 0x0f],
            ),
            (
                &[0x04, 1, 0, 0, 0, 0xc8],
                &[0x01, 0x00, 0x08, 0x04, 1, 0, 0, 0, 0xc8, 0x00, 0xd6],
            ),
            (&[0x1f, 0], &[0x01, 0x00, 0x04, 0x1f, 0x00, 0x00, 0x24]),
            (
                &[0x35, 1, 0x64, 2, 0],
                &[0x01, 0x00, 0x07, 0x35, 0x01, 0x64, 0x02, 0x00, 0x00, 0xa4],
            ),
        ];
        for (content, rest) in published {
            let made = packet(ANY_ADDRESS, Kind::Command, content).unwrap();
            assert_eq!(made.as_slice(), framed(rest), "{content:02x?}");
            assert_eq!(all(&framed(rest)), [whole(Kind::Command, content)]);
        }
    }

    #[test]
    fn published_answers_are_understood() {
        let ok = framed(&[0x07, 0x00, 0x03, 0x00, 0x00, 0x0a]);
        assert_eq!(all(&ok), [whole(Kind::Answer, &[0])]);
        let not_found = framed(&[0x07, 0x00, 0x07, 0x09, 0, 0, 0, 0, 0x00, 0x17]);
        assert_eq!(all(&not_found), [whole(Kind::Answer, &[9, 0, 0, 0, 0])]);
    }

    #[test]
    fn contents_from_one_byte_to_the_longest_go_through_and_longer_ones_are_refused() {
        for length in [1, 32, 64, 128, 255, 256] {
            let content: std::vec::Vec<u8> = (0..=255).cycle().take(length).collect();
            let made = packet(7, Kind::Data, &content).unwrap();
            let mut decoder = Decoder::new(7);
            let seen: std::vec::Vec<_> = made.iter().filter_map(|b| decoder.push(*b)).collect();
            assert_eq!(seen, [whole(Kind::Data, &content)], "{length}");
        }
        assert_eq!(packet(7, Kind::Data, &[0; CONTENT_MAX + 1]), None);
        for length in [[0x00, 0x00], [0x00, 0x02], [0x01, 0x03], [0xff, 0xff]] {
            let header = [&[0x07][..], &length].concat();
            let damaged = Incoming::Damaged("no packet has this length");
            assert_eq!(all(&framed(&header)), [damaged]);
        }
    }

    #[test]
    fn each_flipped_bit_of_an_answer_is_noticed() {
        let good = framed(&[0x07, 0x00, 0x07, 0x00, 0, 5, 0, 0x64, 0x00, 0x77]);
        let meant = whole(Kind::Answer, &[0, 0, 5, 0, 0x64]);
        assert!(all(&good).contains(&meant));
        for bit in 0..good.len() * 8 {
            let mut flipped = good.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!all(&flipped).contains(&meant), "bit {bit}");
        }
    }

    #[test]
    fn packets_are_found_behind_waste_and_behind_each_other() {
        let ok = framed(&[0x07, 0x00, 0x03, 0x00, 0x00, 0x0a]);
        let other = framed(&[0x07, 0x00, 0x03, 0x02, 0x00, 0x0c]);
        let stream = [&[0x55, 0xef, 0x00, 0x01, 0xef], &ok[..], &other[..]].concat();
        let seen = all(&stream);
        assert_eq!(seen, [whole(Kind::Answer, &[0]), whole(Kind::Answer, &[2])]);
    }

    #[test]
    fn another_sensor_s_packet_is_damage() {
        let mut other = framed(&[0x07, 0x00, 0x03, 0x00, 0x00, 0x0a]);
        other[2] = 0x00;
        let damaged = Incoming::Damaged("packet comes from another address");
        assert_eq!(all(&other), [damaged]);
    }
}
