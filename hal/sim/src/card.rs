// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A proximity card up to the end of ISO/IEC 14443-3 type A: request, anticollision, select, halt.
//! Not modelled: parity bits on air, ISO 14443-4, memory.

use platen_hal::CardUid;

/// Bits in the order they are sent, least significant of each byte first.
pub(crate) type Bits = Vec<bool>;

const CASCADE_TAG: u8 = 0x88; // first byte of a level that is not the last
const REQA: u8 = 0x26;
const WUPA: u8 = 0x52;
const SELECT_CODES: [u8; 3] = [0x93, 0x95, 0x97];
const SAK_INCOMPLETE: u8 = 0x04;

/// State by ISO/IEC 14443-3 §6.3; the starred states are `Card::halted`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Resting,
    Ready { level: usize },
    Active,
}

/// One card.
#[derive(Clone, Debug)]
pub struct Card {
    uid: CardUid,
    atqa: [u8; 2],
    sak: u8,
    state: State,
    halted: bool,
}

impl Card {
    /// A card as it is commonly sold with a UID of this length: MIFARE Classic 1K (4 bytes), NTAG
    /// (7 bytes); for 10 bytes no product is known, the bits follow the standard.
    #[must_use]
    pub fn new(uid: CardUid) -> Self {
        let (atqa, sak) = match uid.as_bytes().len() {
            4 => ([0x04, 0x00], 0x08),
            7 => ([0x44, 0x00], 0x00),
            _ => ([0x84, 0x00], 0x00),
        };
        Self::with_type(uid, atqa, sak)
    }

    /// A card with this ATQA (first byte sent first) and last SAK.
    #[must_use]
    pub fn with_type(uid: CardUid, atqa: [u8; 2], sak: u8) -> Self {
        Self {
            uid,
            atqa,
            sak: sak & !SAK_INCOMPLETE,
            state: State::Resting,
            halted: false,
        }
    }

    /// The card's number.
    #[must_use]
    pub fn uid(&self) -> &CardUid {
        &self.uid
    }

    /// The field went away: the card forgets everything.
    pub(crate) fn power_off(&mut self) {
        self.state = State::Resting;
        self.halted = false;
    }

    /// Hears a frame; returns what the card sends back, if anything.
    pub(crate) fn hear(&mut self, frame: &[bool]) -> Option<Bits> {
        if frame.len() == 7 {
            return self.hear_short(*bytes_of(frame).first()?);
        }
        let bytes = bytes_of(frame);
        match self.state {
            State::Resting => None,
            State::Ready { level } => self.hear_ready(level, frame, &bytes),
            State::Active => {
                self.state = State::Resting;
                // A card that is halted answers only a wake-up; anything else sends it back.
                self.halted |= bytes.as_slice() == [0x50, 0x00, 0x57, 0xcd];
                None
            }
        }
    }

    fn hear_short(&mut self, command: u8) -> Option<Bits> {
        let resting = self.state == State::Resting;
        self.state = State::Resting;
        let wakes = command == WUPA || (command == REQA && !self.halted);
        if !(resting && wakes) {
            return None;
        }
        self.state = State::Ready { level: 0 };
        Some(bits_of(&self.atqa))
    }

    fn hear_ready(&mut self, level: usize, frame: &[bool], bytes: &[u8]) -> Option<Bits> {
        let part = self.part(level)?;
        let (&[select, valid], body) = bytes.split_first_chunk::<2>()?;
        if Some(&select) != SELECT_CODES.get(level) {
            self.state = State::Resting;
            return None;
        }
        if valid == 0x70 {
            return self.hear_select(level, &part, bytes, body);
        }
        let length = usize::from(valid >> 4) * 8 + usize::from(valid & 0x0f);
        let sent = frame
            .get(16..)
            .filter(|_| frame.len() == length && length < 56)?;
        let own = bits_of(&part);
        own.strip_prefix(sent).map(<[bool]>::to_vec)
    }

    fn hear_select(
        &mut self,
        level: usize,
        part: &[u8; 5],
        bytes: &[u8],
        body: &[u8],
    ) -> Option<Bits> {
        let (wanted, check) = body.split_last_chunk::<2>()?;
        let (head, _) = bytes.split_last_chunk::<2>()?;
        if *check != crc_a(head) {
            return None;
        }
        if wanted != part {
            self.state = State::Resting;
            return None;
        }
        let last = level + 1 == self.levels();
        self.state = if last {
            State::Active
        } else {
            State::Ready { level: level + 1 }
        };
        let sak = if last { self.sak } else { SAK_INCOMPLETE };
        let [low, high] = crc_a(&[sak]);
        Some(bits_of(&[sak, low, high]))
    }

    fn levels(&self) -> usize {
        self.uid.as_bytes().len() / 3
    }

    /// The five bytes of one cascade level: UID part and check byte.
    fn part(&self, level: usize) -> Option<[u8; 5]> {
        let rest = self.uid.as_bytes().get(level * 3..)?;
        let [a, b, c, d] = if level + 1 == self.levels() {
            *rest.first_chunk::<4>()?
        } else {
            let &[a, b, c] = rest.first_chunk::<3>()?;
            [CASCADE_TAG, a, b, c]
        };
        Some([a, b, c, d, a ^ b ^ c ^ d])
    }
}

/// `CRC_A` of ISO/IEC 14443-3 annex B, bit by bit: x¹⁶ + x¹² + x⁵ + 1, preset 6363, low byte first.
pub(crate) fn crc_a(bytes: &[u8]) -> [u8; 2] {
    crc16(0x6363, bytes).to_le_bytes()
}

pub(crate) fn crc16(preset: u16, bytes: &[u8]) -> u16 {
    bits_of(bytes).into_iter().fold(preset, |register, bit| {
        let feedback = (register & 1 == 1) != bit;
        (register >> 1) ^ if feedback { 0x8408 } else { 0 }
    })
}

/// Spreads bytes into bits as they go over the air.
pub(crate) fn bits_of(bytes: &[u8]) -> Bits {
    bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1))
        .collect()
}

/// Packs bits into bytes; the last byte may be part empty.
pub(crate) fn bytes_of(bits: &[bool]) -> Vec<u8> {
    bits.chunks(8)
        .map(|chunk| {
            chunk
                .iter()
                .enumerate()
                .fold(0, |byte, (bit, set)| byte | u8::from(*set) << bit)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(command: u8) -> Bits {
        bits_of(&[command]).into_iter().take(7).collect()
    }

    #[test]
    fn crc_a_gives_the_vectors_of_the_standard() {
        assert_eq!(crc_a(&[0x00, 0x00]), [0xa0, 0x1e]);
        assert_eq!(crc_a(&[0x12, 0x34]), [0x26, 0xcf]);
        assert_eq!(crc_a(&[0x50, 0x00]), [0x57, 0xcd]);
        assert_eq!(crc_a(b"123456789"), [0x05, 0xbf]);
    }

    #[test]
    fn a_halted_card_answers_only_a_wake_up() {
        let mut card = Card::new(CardUid::new(&[1, 2, 3, 4]).unwrap());
        assert!(card.hear(&short(REQA)).is_some());
        let mut select = vec![0x93, 0x70, 1, 2, 3, 4, 4];
        select.extend(crc_a(&select));
        assert!(card.hear(&bits_of(&select)).is_some());
        assert!(card.hear(&bits_of(&[0x50, 0x00, 0x57, 0xcd])).is_none());
        assert!(card.hear(&short(REQA)).is_none());
        assert!(card.hear(&short(WUPA)).is_some());
    }
}
