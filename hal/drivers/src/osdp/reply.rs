// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an OSDP reader says to the box. Source: SIA OSDP 2.2 §7, as public implementations state it.

use core::fmt;

use heapless::Vec;
use platen_hal::{CardUid, Key};

use super::secure::Nonce;
use crate::aes128::Block;
use crate::number::{NumberError, NumberFormat, Reading, ReadingKind};
use crate::wiegand::Frame;

/// Most bits of a card: a UID of 10 bytes.
pub const CARD_BITS_MAX: u16 = 80;
/// Most keys in one reply.
pub const KEYS_MAX: usize = 32;
/// Most digits of a card that is told as text.
pub const DIGITS_MAX: usize = 64;

/// A reply taken apart. `Debug` hides cards and keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reply {
    /// 40: nothing to tell.
    Ack,
    /// 41: no, for this reason.
    Nak(u8),
    /// 45: who it is; the firmware's major version.
    Identity {
        /// Firmware, major version.
        firmware: u8,
    },
    /// 46: what it can do.
    Capabilities(Capabilities),
    /// 48: its case is open, its supply fails.
    LocalStatus {
        /// The case was opened.
        tamper: bool,
        /// The supply fails.
        power: bool,
    },
    /// 4B: a reader behind it is not connected, or was tampered with.
    ReaderStatus {
        /// One of them is not as it should be.
        trouble: bool,
    },
    /// 50 or 51: a card.
    Card(CardData),
    /// 53: keys, in the order in which they were pressed.
    Keys(Vec<Key, KEYS_MAX>),
    /// 76: its random number, and its proof that it knows the key.
    Challenged {
        /// The random number.
        nonce: Nonce,
        /// The proof.
        cryptogram: Block,
    },
    /// 78: the MAC from which the chain begins.
    FirstMac(Block),
    /// 79: not now.
    Busy,
    /// Anything else: nothing that was asked for.
    Other,
}

/// What a reader can do, as far as it matters here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Capabilities {
    /// It has a lamp.
    pub lamp: bool,
    /// It has a buzzer.
    pub buzzer: bool,
}

/// A card as the reader tells it.
#[derive(Clone, Eq, PartialEq)]
pub enum CardData {
    /// So many bits, the first one highest in the first byte.
    Bits(Vec<u8, 10>, u16),
    /// Digits.
    Digits(Vec<u8, DIGITS_MAX>),
}

/// Hides the number.
impl fmt::Debug for CardData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bits(_, count) => write!(f, "Bits({count})"),
            Self::Digits(digits) => write!(f, "Digits({})", digits.len()),
        }
    }
}

impl Reply {
    /// Takes a reply apart.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(code: u8, data: &[u8]) -> Result<Self, &'static str> {
        let parsed = match code {
            0x40 => Some(Self::Ack),
            0x41 => data.first().map(|reason| Self::Nak(*reason)),
            0x45 => identity(data),
            0x46 => capabilities(data),
            0x48 => local_status(data),
            0x4b => Some(Self::ReaderStatus {
                trouble: data.iter().any(|status| *status != 0),
            }),
            0x50 => return bits(data).map(Self::Card),
            0x51 => return digits(data).map(Self::Card),
            0x53 => keys(data).map(Self::Keys),
            0x76 => challenged(data),
            0x78 => Block::try_from(data).ok().map(Self::FirstMac),
            0x79 => Some(Self::Busy),
            _ => Some(Self::Other),
        };
        parsed.ok_or("reply has another length than its kind")
    }

    /// Whether it holds what only the person in front of the reader may know.
    #[must_use]
    pub fn is_private(&self) -> bool {
        matches!(self, Self::Card(_) | Self::Keys(_))
    }
}

/// PDID: OUI 3, model, version, serial 4, firmware 3.
fn identity(data: &[u8]) -> Option<Reply> {
    match data {
        [_, _, _, _, _, _, _, _, _, firmware, _, _] => Some(Reply::Identity {
            firmware: *firmware,
        }),
        _ => None,
    }
}

/// PDCAP: code, level and count, again and again.
fn capabilities(data: &[u8]) -> Option<Reply> {
    const LAMP: u8 = 4;
    const BUZZER: u8 = 5;
    let (entries, rest) = data.as_chunks::<3>();
    let level = |wanted| {
        let entry = entries.iter().find(|[code, ..]| *code == wanted);
        entry.map_or(0, |[_, level, _]| *level)
    };
    rest.is_empty().then(|| {
        Reply::Capabilities(Capabilities {
            lamp: level(LAMP) != 0,
            buzzer: level(BUZZER) != 0,
        })
    })
}

fn local_status(data: &[u8]) -> Option<Reply> {
    match data {
        [tamper, power] => Some(Reply::LocalStatus {
            tamper: *tamper != 0,
            power: *power != 0,
        }),
        _ => None,
    }
}

/// RAW: reader, format, count of bits 2, the bits from the left.
fn bits(data: &[u8]) -> Result<CardData, &'static str> {
    let [_, format, low, high, bytes @ ..] = data else {
        return Err("card without its length");
    };
    let count = u16::from_le_bytes([*low, *high]);
    if *format > 1 {
        return Err("card in a format that there is not");
    }
    if !(1..=CARD_BITS_MAX).contains(&count) {
        return Err("card has no bits, or more than any card");
    }
    if bytes.len() != usize::from(count.div_ceil(8)) {
        return Err("card's bits are not as many as told");
    }
    let bytes = Vec::from_slice(bytes).map_err(|_| "card is too long")?;
    Ok(CardData::Bits(bytes, count))
}

/// FMT, which the standard calls deprecated: reader, direction, count, digits.
fn digits(data: &[u8]) -> Result<CardData, &'static str> {
    let [_, direction, count, digits @ ..] = data else {
        return Err("card without its length");
    };
    if *direction != 0 {
        return Err("card was drawn through backwards");
    }
    if digits.is_empty() || digits.len() != usize::from(*count) {
        return Err("card's digits are not as many as told");
    }
    let digits = Vec::from_slice(digits).map_err(|_| "card is too long")?;
    Ok(CardData::Digits(digits))
}

/// KEYPAD: reader, count, keys in ASCII. Keys that there is no word for are left out.
fn keys(data: &[u8]) -> Option<Vec<Key, KEYS_MAX>> {
    let [_, count, codes @ ..] = data else {
        return None;
    };
    let right = codes.len() == usize::from(*count) && codes.len() <= KEYS_MAX;
    let key = |code: &u8| match *code {
        digit @ b'0'..=b'9' => Some(Key::Digit(digit - b'0')),
        0x0d | b'#' => Some(Key::Enter),
        0x7f | b'*' => Some(Key::Clear),
        _ => None,
    };
    right.then(|| codes.iter().filter_map(key).collect())
}

/// CCRYPT: who the reader is 8, its random number 8, its proof 16.
fn challenged(data: &[u8]) -> Option<Reply> {
    let (_, rest) = data.split_first_chunk::<8>()?;
    let (nonce, cryptogram) = rest.split_first_chunk::<8>()?;
    Some(Reply::Challenged {
        nonce: *nonce,
        cryptogram: Block::try_from(cryptogram).ok()?,
    })
}

impl CardData {
    /// The card's number.
    ///
    /// # Errors
    /// [`NumberError`] when it is not of the format.
    pub fn number(&self, format: &NumberFormat) -> Result<CardUid, NumberError> {
        match self {
            Self::Bits(bytes, count) if format.kind() == ReadingKind::Wiegand => {
                let frame = frame(bytes, *count).ok_or(NumberError::Length)?;
                format.apply(Reading::Wiegand(frame))
            }
            Self::Bits(bytes, count) if count.is_multiple_of(8) => {
                let uid = CardUid::new(bytes).ok_or(NumberError::Length)?;
                format.apply(Reading::Uid(&uid))
            }
            Self::Bits(..) => Err(NumberError::Length),
            Self::Digits(digits) => {
                let text = core::str::from_utf8(digits).map_err(|_| NumberError::Text)?;
                format.apply(Reading::Text(text))
            }
        }
    }
}

/// The first `count` bits, 64 at most.
fn frame(bytes: &[u8], count: u16) -> Option<Frame> {
    let all = bytes
        .iter()
        .fold(0_u128, |all, byte| all << 8 | u128::from(*byte));
    let surplus = (bytes.len() * 8).checked_sub(count.into())?;
    let bits = u64::try_from(all >> surplus).ok()?;
    Frame::new(bits, u8::try_from(count).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(code: u8, data: &[u8], format: &str) -> Option<CardUid> {
        let format: NumberFormat = format.parse().unwrap();
        match Reply::parse(code, data) {
            Ok(Reply::Card(card)) => card.number(&format).ok(),
            _ => None,
        }
    }

    /// XPR BIOC3 manual p. 17: 170/31527 in 26 bits is 354F64E.
    #[test]
    fn a_published_wiegand_frame_is_the_card_it_is() {
        let bits = (0x354_f64e_u32 << 6).to_be_bytes();
        let data = [&[0, 1, 26, 0][..], &bits].concat();
        let card = CardUid::new(&[0, 170, 0x7b, 0x27]);
        assert_eq!(number(0x50, &data, "wiegand=26"), card);
        assert_eq!(number(0x50, &data, "wiegand=34"), None);
        assert_eq!(number(0x50, &data, "uid"), None);
        let mut flipped = data;
        flipped[5] ^= 1;
        assert_eq!(number(0x50, &flipped, "wiegand=26"), None, "parity");
    }

    #[test]
    fn whole_bytes_are_a_uid_and_digits_a_text() {
        let data = [0, 0, 56, 0, 4, 1, 2, 3, 4, 5, 6];
        let card = CardUid::new(&[4, 1, 2, 3, 4, 5, 6]);
        assert_eq!(number(0x50, &data, "uid"), card);
        let text = [&[0, 0, 8][..], b"04010203"].concat();
        assert_eq!(number(0x51, &text, "hex"), CardUid::new(&[4, 1, 2, 3]));
        assert_eq!(number(0x51, &text, "wiegand=26"), None);
    }

    #[test]
    fn replies_of_another_length_are_refused() {
        let wrong: [(u8, &[u8]); 20] = [
            (0x41, &[]),
            (0x45, &[0; 11]),
            (0x45, &[0; 13]),
            (0x46, &[4, 1]),
            (0x48, &[0]),
            (0x48, &[0; 3]),
            (0x50, &[0, 0, 26]),
            (0x50, &[0, 0, 0, 0]),
            (0x50, &[0, 2, 8, 0, 1]),
            (0x50, &[0, 0, 26, 0, 1, 2, 3]),
            (0x50, &[0, 0, 8, 0, 1, 2]),
            (0x50, &[0, 0, 81, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
            (0x51, &[0, 0, 0]),
            (0x51, &[0, 1, 1, b'1']),
            (0x51, &[0, 0, 2, b'1']),
            (0x53, &[0]),
            (0x53, &[0, 2, b'1']),
            (0x53, &[0, 1, b'1', b'2']),
            (0x76, &[0; 31]),
            (0x78, &[0; 17]),
        ];
        for (code, data) in wrong {
            assert!(Reply::parse(code, data).is_err(), "{code:02x} {data:?}");
        }
        assert!(Reply::parse(0x53, &[[0, 33].as_slice(), &[b'1'; 33]].concat()).is_err());
    }

    #[test]
    fn keys_come_in_their_order_and_unknown_ones_are_left_out() {
        let reply = Reply::parse(0x53, &[0, 5, b'0', b'9', b'A', 0x7f, 0x0d]);
        let keys = [Key::Digit(0), Key::Digit(9), Key::Clear, Key::Enter];
        assert_eq!(reply, Ok(Reply::Keys(keys.into_iter().collect())));
    }

    #[test]
    fn capabilities_are_found_wherever_they_stand() {
        let data = [1, 1, 1, 9, 1, 1, 4, 4, 1, 5, 0, 1];
        let capabilities = Capabilities {
            lamp: true,
            buzzer: false,
        };
        assert_eq!(
            Reply::parse(0x46, &data),
            Ok(Reply::Capabilities(capabilities))
        );
    }

    #[test]
    fn what_is_shown_of_a_card_or_a_key_tells_nothing() {
        let card = Reply::parse(0x50, &[0, 0, 32, 0, 0xde, 0xad, 0xbe, 0xef]).unwrap();
        assert_eq!(format!("{card:?}"), "Card(Bits(32))");
        let keys = Reply::parse(0x53, &[0, 1, b'7']).unwrap();
        assert_eq!(format!("{keys:?}"), "Keys([Digit])");
    }
}
