// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A proximity card: ISO/IEC 14443-3 type A with its request, anticollision, select and halt; what
//! is on it, from nothing to a DESFire, speaks in the blocks of ISO/IEC 14443-4. Type B and FeliCa
//! cards have their numbers only. Not modelled: parity bits on air, memory of the simpler cards.

mod crypto;
mod desfire;
mod ev2;
mod ntag424;
mod other;
mod picc;
mod wrapped;

use platen_hal::CardUid;

pub use crypto::diversified_key;
pub use desfire::Desfire;
pub use ntag424::Ntag424;
pub(crate) use other::{crc_b, crc_f};
pub use picc::Transcript;

use desfire::DesfireChip;
use ntag424::NtagChip;
use picc::{Applet, Picc, Said};
use wrapped::Draw;

/// Bits in the order they are sent, least significant of each byte first.
pub(crate) type Bits = Vec<bool>;

const CASCADE_TAG: u8 = 0x88; // first byte of a level that is not the last
const REQA: u8 = 0x26;
const WUPA: u8 = 0x52;
const SELECT_CODES: [u8; 3] = [0x93, 0x95, 0x97];
const SAK_INCOMPLETE: u8 = 0x04;
const SAK_ISO_DEP: u8 = 0x20;
const AIR_US: u32 = 91; // from a request to its answer

/// State by ISO/IEC 14443-3 §6.3; the starred states are `Card::halted`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Resting,
    Ready {
        level: usize,
    },
    Active,
    /// Speaks in blocks.
    Protocol,
}

/// How a card is heard.
#[derive(Clone, Debug)]
enum Radio {
    A,
    B { selected: bool },
    FeliCa { system: u16 },
}

/// One card.
#[derive(Clone, Debug)]
pub struct Card {
    uid: CardUid,
    /// What it says at its selection.
    shown: CardUid,
    /// Draws `shown` anew each time it gets power.
    random: Option<Draw>,
    radio: Radio,
    atqa: [u8; 2],
    sak: u8,
    picc: Option<Picc>,
    state: State,
    halted: bool,
    takes_us: u32,
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
            shown: uid.clone(),
            uid,
            random: None,
            radio: Radio::A,
            atqa,
            sak: sak & !SAK_INCOMPLETE,
            picc: None,
            state: State::Resting,
            halted: false,
            takes_us: AIR_US,
        }
    }

    /// A DESFire with this number of 7 bytes.
    #[must_use]
    pub fn desfire(uid: CardUid, setup: Desfire) -> Self {
        let chip = DesfireChip::new(setup, uid.as_bytes());
        Self::speaking(uid, [0x44, 0x03], Applet::Desfire(chip))
    }

    /// An NTAG 424 DNA with this number of 7 bytes.
    #[must_use]
    pub fn ntag424(uid: CardUid, setup: Ntag424) -> Self {
        let chip = NtagChip::new(setup, uid.as_bytes());
        Self::speaking(uid, [0x44, 0x03], Applet::Ntag424(chip))
    }

    /// An emulator that answers the commands of each activation with these lines, whatever they
    /// are: what can be done with a recorded dialogue.
    #[must_use]
    pub fn parrot(uid: CardUid, lines: Vec<Vec<u8>>) -> Self {
        Self::speaking(uid, [0x44, 0x03], Applet::Parrot { lines, next: 0 })
    }

    fn speaking(uid: CardUid, atqa: [u8; 2], applet: Applet) -> Self {
        let mut card = Self::with_type(uid, atqa, SAK_ISO_DEP);
        card.picc = Some(Picc::new(applet));
        card
    }

    /// A type B card; its number is its PUPI.
    #[must_use]
    pub fn type_b(pupi: [u8; 4]) -> Option<Self> {
        let mut card = Self::new(CardUid::new(&pupi)?);
        card.radio = Radio::B { selected: false };
        Some(card)
    }

    /// A FeliCa card of this system; its number is its IDm.
    #[must_use]
    pub fn felica(idm: [u8; 8], system: u16) -> Option<Self> {
        let mut card = Self::new(CardUid::new(&idm)?);
        card.radio = Radio::FeliCa { system };
        Some(card)
    }

    /// That says another number each time it gets power: 4 bytes, the first 08 with type A.
    #[must_use]
    pub fn with_random_number(mut self) -> Self {
        self.random = Some(Draw::new(self.uid.as_bytes()));
        self.atqa = [0x04, self.atqa[1]];
        self.power_off();
        self
    }

    /// That says this number at its selection, whatever its own is: an emulator in front of it.
    #[must_use]
    pub fn saying(mut self, shown: CardUid) -> Self {
        self.shown = shown;
        self
    }

    /// That takes frames of this size at most (FSCI, 0–8).
    #[must_use]
    pub fn with_frames(self, fsci: u8) -> Self {
        self.changed(|picc| picc.fsci = fsci.min(8))
    }

    /// That takes this long for each answer, and asks for `times` extensions by `multiplier` too.
    #[must_use]
    pub fn with_waits(self, work_us: u32, times: u32, multiplier: u8) -> Self {
        self.changed(|picc| {
            picc.work_us = work_us;
            picc.waits = (times, multiplier);
        })
    }

    /// Of whose blocks each `each`-th is lost on the air.
    #[must_use]
    pub fn losing(self, each: u32) -> Self {
        self.changed(|picc| picc.loses_each = each)
    }

    /// With somebody in between who turns bit `bit` of the answer to its `command`-th command,
    /// both counted from 0, and mends the checks of the air.
    #[must_use]
    pub fn flipped(self, command: usize, bit: usize) -> Self {
        self.changed(|picc| picc.flip = Some((command, bit)))
    }

    /// Whose answers are written down.
    #[must_use]
    pub fn recorded(self, transcript: &Transcript) -> Self {
        self.changed(|picc| picc.transcript = Some(transcript.clone()))
    }

    fn changed(mut self, change: impl FnOnce(&mut Picc)) -> Self {
        if let Some(picc) = &mut self.picc {
            change(picc);
        }
        self
    }

    /// The card's own number.
    #[must_use]
    pub fn uid(&self) -> &CardUid {
        &self.uid
    }

    /// How long the card took for its last answer, in microseconds.
    pub(crate) fn takes_us(&self) -> u32 {
        self.takes_us
    }

    /// The field went away: the card forgets everything.
    pub(crate) fn power_off(&mut self) {
        self.state = State::Resting;
        self.halted = false;
        if let Radio::B { selected } = &mut self.radio {
            *selected = false;
        }
        if let Some(draw) = &mut self.random {
            let [first, b, c, d] = draw.four();
            let first = if matches!(self.radio, Radio::A) {
                0x08
            } else {
                first
            };
            self.shown = CardUid::new(&[first, b, c, d]).unwrap_or(self.uid.clone());
        }
    }

    /// Hears a frame of type B; returns the answer, both with their CRC.
    pub(crate) fn hear_b(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let pupi = self.shown.as_bytes().try_into().ok()?;
        match &mut self.radio {
            Radio::B { selected } => other::hear_b(pupi, selected, frame),
            _ => None,
        }
    }

    /// Hears a frame of FeliCa; as [`Card::hear_b`].
    pub(crate) fn hear_f(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let idm = self.shown.as_bytes().try_into().ok()?;
        match self.radio {
            Radio::FeliCa { system } => other::hear_f(idm, system, frame),
            _ => None,
        }
    }

    /// Hears a frame of type A; returns what the card sends back, if anything.
    pub(crate) fn hear(&mut self, frame: &[bool]) -> Option<Bits> {
        if !matches!(self.radio, Radio::A) {
            return None;
        }
        self.takes_us = AIR_US;
        if self.state == State::Protocol {
            return self.hear_block(&bytes_of(frame));
        }
        if frame.len() == 7 {
            return self.hear_short(*bytes_of(frame).first()?);
        }
        let bytes = bytes_of(frame);
        match self.state {
            State::Resting => None,
            State::Ready { level } => self.hear_ready(level, frame, &bytes),
            State::Active => {
                if let Some(answer) = self.activate(&bytes) {
                    return Some(answer);
                }
                self.state = State::Resting;
                // A card that is halted answers only a wake-up; anything else sends it back.
                self.halted |= bytes.as_slice() == [0x50, 0x00, 0x57, 0xcd];
                None
            }
            State::Protocol => None,
        }
    }

    /// Answers to RATS, if this is it and the card can.
    fn activate(&mut self, frame: &[u8]) -> Option<Bits> {
        let (said, check) = frame.split_last_chunk::<2>()?;
        let [0xe0, parameter] = said else {
            return None;
        };
        let picc = self.picc.as_mut().filter(|_| *check == crc_a(said))?;
        let ats = picc.activate(*parameter);
        self.state = State::Protocol;
        Some(with_crc(ats))
    }

    fn hear_block(&mut self, frame: &[u8]) -> Option<Bits> {
        let (block, check) = frame.split_last_chunk::<2>()?;
        let picc = self.picc.as_mut().filter(|_| *check == crc_a(block))?;
        let said = picc.hear(block);
        self.takes_us = picc.takes_us(&said);
        match said {
            Said::Block(block) => Some(with_crc(block)),
            Said::Farewell(block) => {
                self.state = State::Resting;
                self.halted = true;
                Some(with_crc(block))
            }
            Said::Nothing => None,
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
        self.shown.as_bytes().len() / 3
    }

    /// The five bytes of one cascade level: UID part and check byte.
    fn part(&self, level: usize) -> Option<[u8; 5]> {
        let rest = self.shown.as_bytes().get(level * 3..)?;
        let [a, b, c, d] = if level + 1 == self.levels() {
            *rest.first_chunk::<4>()?
        } else {
            let &[a, b, c] = rest.first_chunk::<3>()?;
            [CASCADE_TAG, a, b, c]
        };
        Some([a, b, c, d, a ^ b ^ c ^ d])
    }
}

fn with_crc(mut bytes: Vec<u8>) -> Bits {
    bytes.extend(crc_a(&bytes));
    bits_of(&bytes)
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
