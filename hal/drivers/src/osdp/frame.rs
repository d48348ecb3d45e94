// SPDX-License-Identifier: Apache-2.0 OR MIT
//! OSDP packets: codec without I/O. Source: SIA OSDP 2.2 §5.9 (layout) and annex E (examples), as
//! public implementations state them; the document itself is not public.
//!
//! ```text
//! 53 ADDR LEN_L LEN_H CTRL [security block: length, kind, info] CODE data.. [MAC 4] check
//! ```
//!
//! LEN counts from 53 to the last byte of the check, which is a CRC of 16 bits (low byte first) or a
//! sum of 8. A byte FF may stand before a packet and counts nowhere.

use heapless::Vec;

/// Longest packet, in bytes. A reader's answers to what is asked here stay far below.
pub const PACKET_MAX: usize = 256;
/// Bytes of the MAC that a packet carries.
pub const MAC_LEN: usize = 4;
/// Address bit that a reader sets in what it says.
pub const FROM_READER: u8 = 0x80;
/// Idles the line before a packet.
pub const MARK: u8 = 0xff;

const START: u8 = 0x53;
const HEAD_LEN: usize = 5;
const SEQUENCE_BITS: u8 = 0x03;
const CRC_BIT: u8 = 0x04;
const SECURITY_BIT: u8 = 0x08;
const CRC_POLYNOMIAL: u16 = 0x1021;
const CRC_START: u16 = 0x1d0f;

/// A packet's bytes.
pub type Bytes = Vec<u8, PACKET_MAX>;

/// How a packet is checked for damage.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Check {
    /// CRC of 16 bits: what every reader of today takes.
    #[default]
    Crc,
    /// Sum of 8 bits: lets one damaged packet of 256 pass.
    Sum,
}

impl Check {
    fn len(self) -> usize {
        match self {
            Self::Crc => 2,
            Self::Sum => 1,
        }
    }

    /// Appends the check of what is there.
    fn close(self, bytes: &mut Bytes) -> Option<()> {
        let (crc, sum) = (crc(bytes).to_le_bytes(), sum(bytes));
        match self {
            Self::Crc => bytes.extend_from_slice(&crc).ok(),
            Self::Sum => bytes.push(sum).ok(),
        }
    }

    fn holds(self, bytes: &[u8]) -> bool {
        match self {
            Self::Crc => bytes
                .split_last_chunk()
                .is_some_and(|(content, check)| crc(content).to_le_bytes() == *check),
            Self::Sum => bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)) == 0,
        }
    }
}

/// What the security block of a packet says it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Security {
    /// A step of the handshake: kind 11 to 14, and its byte of information.
    Handshake {
        /// 11 CHLNG, 12 CCRYPT, 13 SCRYPT, 14 RMAC_I.
        kind: u8,
        /// Which key (0 default, 1 own); in 14 whether the handshake holds.
        info: u8,
    },
    /// Kind 15 (command) or 16 (reply): with a MAC.
    Signed {
        /// Whether a reader says it.
        reply: bool,
    },
    /// Kind 17 (command) or 18 (reply): with a MAC, the data encrypted.
    Sealed {
        /// Whether a reader says it.
        reply: bool,
    },
}

impl Security {
    fn block(self) -> Vec<u8, 3> {
        let mut block = Vec::new();
        let (kind, info) = match self {
            Self::Handshake { kind, info } => (kind, Some(info)),
            Self::Signed { reply } => (0x15 + u8::from(reply), None),
            Self::Sealed { reply } => (0x17 + u8::from(reply), None),
        };
        let length = 2 + u8::from(info.is_some());
        block.extend([length, kind].into_iter().chain(info));
        block
    }

    fn read(block: &[u8]) -> Option<Self> {
        Some(match *block {
            [3, kind @ 0x11..=0x14, info] => Self::Handshake { kind, info },
            [2, kind @ (0x15 | 0x16)] => Self::Signed {
                reply: kind == 0x16,
            },
            [2, kind @ (0x17 | 0x18)] => Self::Sealed {
                reply: kind == 0x18,
            },
            _ => return None,
        })
    }

    fn has_mac(self) -> bool {
        !matches!(self, Self::Handshake { .. })
    }
}

/// What stands before a packet's code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head {
    /// Address of the reader, with [`FROM_READER`] in what it says.
    pub address: u8,
    /// Sequence, 0 to 3.
    pub sequence: u8,
    /// How the packet is checked.
    pub check: Check,
    /// Its security block.
    pub security: Option<Security>,
}

/// Puts a packet together. `sign` is asked for the MAC of all before it where the security block
/// wants one. `None` when it is longer than [`PACKET_MAX`], or there is no MAC.
#[must_use]
pub fn packet(
    head: &Head,
    code: u8,
    data: &[u8],
    sign: impl FnOnce(&[u8]) -> Option<[u8; MAC_LEN]>,
) -> Option<Bytes> {
    let block = head.security.map(Security::block).unwrap_or_default();
    let signed = head.security.is_some_and(Security::has_mac);
    let mac_len = if signed { MAC_LEN } else { 0 };
    let length = HEAD_LEN + block.len() + 1 + data.len() + mac_len + head.check.len();
    let [low, high] = u16::try_from(length).ok()?.to_le_bytes();
    let crc = if head.check == Check::Crc { CRC_BIT } else { 0 };
    let security = if block.is_empty() { 0 } else { SECURITY_BIT };
    let control = head.sequence & SEQUENCE_BITS | crc | security;
    let mut bytes = Bytes::new();
    bytes
        .extend_from_slice(&[START, head.address, low, high, control])
        .ok()?;
    bytes.extend_from_slice(&block).ok()?;
    bytes.push(code).ok()?;
    bytes.extend_from_slice(data).ok()?;
    if signed {
        let mac = sign(&bytes)?;
        bytes.extend_from_slice(&mac).ok()?;
    }
    head.check.close(&mut bytes)?;
    Some(bytes)
}

/// A packet taken apart.
#[derive(Clone, Eq, PartialEq)]
pub struct Packet<'a> {
    /// What stands before the code.
    pub head: Head,
    /// Command or reply.
    pub code: u8,
    /// What follows the code, without MAC; encrypted where the head says so.
    pub data: &'a [u8],
    /// What the MAC signs: all before it.
    pub signed: &'a [u8],
    /// The MAC, where the head says that there is one.
    pub mac: Option<[u8; MAC_LEN]>,
}

/// Takes a packet apart whose check and length the [`Decoder`] found right. `None` when the rest of
/// it is not as it must be.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Packet<'_>> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_LEN>()?;
    let [START, address, _, _, control] = *head else {
        return None;
    };
    let check = check_of(control);
    let content = rest.get(..rest.len().checked_sub(check.len())?)?;
    let (security, content) = if control & SECURITY_BIT == 0 {
        (None, content)
    } else {
        let (block, content) = content.split_at_checked(usize::from(*content.first()?))?;
        (Some(Security::read(block)?), content)
    };
    let (content, mac) = if security.is_some_and(Security::has_mac) {
        let (content, mac) = content.split_last_chunk()?;
        (content, Some(*mac))
    } else {
        (content, None)
    };
    let (code, data) = content.split_first()?;
    let mac_len = mac.map_or(0, |mac| mac.len());
    let signed = bytes.get(..bytes.len().checked_sub(check.len() + mac_len)?)?;
    let sequence = control & SEQUENCE_BITS;
    Some(Packet {
        head: Head {
            address,
            sequence,
            check,
            security,
        },
        code: *code,
        data,
        signed,
        mac,
    })
}

/// What came in.
#[derive(Clone, Eq, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time, on the stack; nothing here allocates"
)]
pub enum Incoming {
    /// A packet whose check is right.
    Whole(Bytes),
    /// Something that began like a packet and is none.
    Damaged,
}

/// Finds packets in a stream of bytes.
#[derive(Default)]
pub struct Decoder {
    check: Check,
    bytes: Bytes,
}

impl Decoder {
    /// For packets that are checked this way; one that says another is damaged: a flipped bit must
    /// not choose the weaker check.
    #[must_use]
    pub fn new(check: Check) -> Self {
        Self {
            check,
            bytes: Bytes::new(),
        }
    }

    /// Forgets what has come so far.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Takes a byte. Once a packet ends, or is seen to be none, says so.
    pub fn push(&mut self, byte: u8) -> Option<Incoming> {
        // Fits: a packet of the longest length leaves at once.
        let _ = self.bytes.push(byte);
        let mut damaged = false;
        loop {
            self.skip_to_start();
            match length(&self.bytes) {
                Length::Unknown => break,
                Length::Wrong => {}
                Length::Is(length) if self.bytes.len() < length => break,
                Length::Is(length) => {
                    if let Some(whole) = self.take(length) {
                        return Some(Incoming::Whole(whole));
                    }
                    damaged = true;
                }
            }
            self.drop_first(1);
        }
        damaged.then_some(Incoming::Damaged)
    }

    fn take(&mut self, length: usize) -> Option<Bytes> {
        let bytes = self.bytes.get(..length)?;
        let control = *bytes.get(HEAD_LEN - 1)?;
        let known = SEQUENCE_BITS | CRC_BIT | SECURITY_BIT;
        let right = control & !known == 0 && check_of(control) == self.check;
        if !right || !self.check.holds(bytes) {
            return None;
        }
        let whole = Bytes::from_slice(bytes).ok()?;
        self.drop_first(length);
        Some(whole)
    }

    fn skip_to_start(&mut self) {
        let start = self.bytes.iter().position(|byte| *byte == START);
        self.drop_first(start.unwrap_or(self.bytes.len()));
    }

    fn drop_first(&mut self, count: usize) {
        let rest = self.bytes.get(count..).unwrap_or_default();
        self.bytes = Bytes::from_slice(rest).unwrap_or_default();
    }
}

enum Length {
    Unknown,
    Wrong,
    Is(usize),
}

/// The length that a packet says it has.
fn length(bytes: &[u8]) -> Length {
    let [_, _, low, high, ..] = *bytes else {
        return Length::Unknown;
    };
    let length = usize::from(u16::from_le_bytes([low, high]));
    if (HEAD_LEN + 2..=PACKET_MAX).contains(&length) {
        Length::Is(length)
    } else {
        Length::Wrong
    }
}

fn check_of(control: u8) -> Check {
    if control & CRC_BIT == 0 {
        Check::Sum
    } else {
        Check::Crc
    }
}

/// CRC-16 with the polynomial 1021, from 1D0F, not reflected.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(CRC_START, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { CRC_POLYNOMIAL }
        })
    })
}

/// What makes the sum of all bytes zero.
fn sum(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0, |sum: u8, byte| sum.wrapping_sub(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(address: u8, sequence: u8, check: Check) -> Head {
        Head {
            address,
            sequence,
            check,
            security: None,
        }
    }

    fn unsigned(_: &[u8]) -> Option<[u8; MAC_LEN]> {
        panic!("a packet without a MAC was signed")
    }

    fn first(check: Check, bytes: &[u8]) -> Option<Incoming> {
        let mut decoder = Decoder::new(check);
        bytes.iter().find_map(|byte| decoder.push(*byte))
    }

    #[test]
    fn the_crc_has_its_published_check_value() {
        assert_eq!(crc(b"123456789"), 0xe5cc);
    }

    /// Annex E, and POLL at each sequence.
    #[test]
    fn packets_are_made_as_published() {
        use Check::{Crc, Sum};
        let published: [(Head, u8, &[u8], &[u8]); 7] = [
            (
                head(0x7f, 0, Crc),
                0x6e,
                &[0x00, 0x80, 0x25, 0x00, 0x00],
                &[
                    0x53, 0x7f, 0x0d, 0, 4, 0x6e, 0x00, 0x80, 0x25, 0, 0, 0x6e, 0x38,
                ],
            ),
            (
                head(0, 0, Crc),
                0x61,
                &[0],
                &[0x53, 0, 9, 0, 4, 0x61, 0, 0xc0, 0x66],
            ),
            (
                head(0x7f, 0, Sum),
                0x6e,
                &[0x00, 0x80, 0x25, 0x00, 0x00],
                &[0x53, 0x7f, 0x0c, 0, 0, 0x6e, 0x00, 0x80, 0x25, 0, 0, 0x0f],
            ),
            (
                head(0, 0, Sum),
                0x61,
                &[0],
                &[0x53, 0, 8, 0, 0, 0x61, 0, 0x44],
            ),
            (
                head(0, 0, Crc),
                0x60,
                &[],
                &[0x53, 0, 8, 0, 4, 0x60, 0xeb, 0xaa],
            ),
            (
                head(0, 1, Crc),
                0x60,
                &[],
                &[0x53, 0, 8, 0, 5, 0x60, 0xda, 0x99],
            ),
            (
                head(0, 2, Crc),
                0x60,
                &[],
                &[0x53, 0, 8, 0, 6, 0x60, 0x89, 0xcc],
            ),
        ];
        for (head, code, data, bytes) in published {
            assert_eq!(packet(&head, code, data, unsigned).unwrap(), bytes);
            let Some(Incoming::Whole(whole)) = first(head.check, bytes) else {
                panic!("{bytes:02x?} is not understood");
            };
            let parsed = parse(&whole).unwrap();
            assert_eq!((parsed.head, parsed.code), (head, code));
            assert_eq!((parsed.data, parsed.mac), (data, None));
        }
    }

    #[test]
    fn each_flipped_bit_is_noticed() {
        let bytes = [0x53, 0x80, 9, 0, 5, 0x41, 0x03, 0, 0];
        let mut bytes = bytes.to_vec();
        bytes.truncate(7);
        let check = crc(&bytes).to_le_bytes();
        bytes.extend(check);
        assert!(matches!(
            first(Check::Crc, &bytes),
            Some(Incoming::Whole(_))
        ));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let seen = first(Check::Crc, &flipped);
            assert!(!matches!(seen, Some(Incoming::Whole(_))), "bit {bit}");
        }
    }

    #[test]
    fn security_blocks_go_through_and_others_are_refused() {
        let blocks = [
            Security::Handshake {
                kind: 0x11,
                info: 1,
            },
            Security::Signed { reply: true },
            Security::Sealed { reply: false },
        ];
        for security in blocks {
            let head = Head {
                security: Some(security),
                ..head(1, 3, Check::Crc)
            };
            let bytes = packet(&head, 0x76, &[1, 2, 3], |_| Some([9, 8, 7, 6])).unwrap();
            let parsed = parse(&bytes).unwrap();
            assert_eq!((parsed.head, parsed.data), (head, &[1, 2, 3][..]));
            assert_eq!(
                parsed.mac,
                security.has_mac().then_some([9, 8, 7, 6]),
                "{security:?}"
            );
        }
        for block in [&[2, 0x11][..], &[3, 0x15, 0], &[2, 0x19], &[0], &[9, 0x15]] {
            let mut bytes = vec![0x53, 0x80, 0, 0, 0x0c];
            bytes.extend(block);
            bytes.extend([0x40, 1, 2, 3, 4, 0, 0]);
            assert!(parse(&bytes).is_none(), "{block:02x?}");
        }
    }

    #[test]
    fn packets_are_found_behind_noise_and_behind_a_false_start() {
        let poll = packet(&head(0, 1, Check::Crc), 0x60, &[], unsigned).unwrap();
        let stream = [&[0xff, 0x53, 0x00, 0x07, 0x00, 0x04][..], &poll, &poll].concat();
        let mut decoder = Decoder::new(Check::Crc);
        let seen: std::vec::Vec<_> = stream.iter().filter_map(|b| decoder.push(*b)).collect();
        let whole = Incoming::Whole(poll);
        assert!(seen == [Incoming::Damaged, whole.clone(), whole]);
    }

    #[test]
    fn a_packet_of_the_longest_length_is_taken_and_a_longer_one_refused() {
        let longest = packet(&head(0, 0, Check::Crc), 0x60, &[7; 248], unsigned).unwrap();
        assert_eq!(longest.len(), PACKET_MAX);
        assert!(first(Check::Crc, &longest) == Some(Incoming::Whole(longest)));
        assert!(packet(&head(0, 0, Check::Crc), 0x60, &[7; 249], unsigned).is_none());
        assert!(first(Check::Crc, &[0x53, 0, 0x01, 0x01, 4, 0x60]).is_none());
    }
}
