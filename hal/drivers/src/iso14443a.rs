// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ISO/IEC 14443-3 type A, reader's side: wake-up, anticollision, select, halt. It sits on any
//! chip that can exchange bit frames ([`Transceiver`]); what comes behind it is in
//! [`crate::isodep`].
//!
//! A number is returned only when the card's own check byte (BCC) was right, a card answered to a
//! SELECT with exactly that number, and the answer's `CRC_A` was right.

use core::fmt;

use heapless::Vec;
use platen_hal::{CardUid, ReaderError, TraceEvent};

/// Longest frame either way: what fits into the smallest chip's buffer.
pub const FRAME_MAX: usize = 64;
/// How long a card may take in this part of the standard: it answers after 91 µs, and silence for
/// 1 ms after HLTA means that it was taken.
pub const ANSWER_US: u32 = 1_000;
/// Collisions resolved per cascade level before giving up: nine cards in the field.
pub const COLLISIONS_MAX: usize = 8;

const WUPA: u8 = 0x52; // short frame, 7 bits; unlike REQA it also wakes halted cards
const SELECT_CODES: [u8; 3] = [0x93, 0x95, 0x97];
const NVB_NOTHING: u8 = 0x20; // two bytes valid: SEL and NVB themselves
const NVB_SELECT: u8 = 0x70; // seven bytes valid
const CASCADE_TAG: u8 = 0x88;
const SAK_INCOMPLETE: u8 = 0x04;
const HLTA: [u8; 4] = [0x50, 0x00, 0x57, 0xcd]; // with CRC_A
const SAK_ISO_DEP: u8 = 0x20;
const UID_BITS: u8 = 32; // of one level

/// A frame for the card. `Debug` hides its bytes: a selection says the card's number.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// The bytes, at most [`FRAME_MAX`].
    pub bytes: &'a [u8],
    /// Bits of the last byte that are sent, 1–7; 0 means all.
    pub last_bits: u8,
    /// Bit of the first answer byte in which the first received bit is stored, 0–7.
    pub align: u8,
    /// How long the card may take to begin its answer, in microseconds.
    pub limit_us: u32,
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("bytes", &self.bytes.len())
            .field("last_bits", &self.last_bits)
            .field("align", &self.align)
            .field("limit_us", &self.limit_us)
            .finish()
    }
}

impl<'a> Frame<'a> {
    /// Whole bytes, answered by whole bytes.
    #[must_use]
    pub fn bytes(bytes: &'a [u8], limit_us: u32) -> Self {
        Self {
            bytes,
            last_bits: 0,
            align: 0,
            limit_us,
        }
    }
}

/// Whether several answers lay over each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Clash {
    /// All bits were clear.
    None,
    /// First at this bit, counted from 1, as the chip reports it.
    At(u8),
    /// Somewhere.
    Unknown,
}

/// What came back. `Debug` hides its bytes.
#[derive(Clone)]
pub struct Reply {
    /// Received bytes, the first one aligned as asked for.
    pub bytes: Vec<u8, FRAME_MAX>,
    /// Valid bits of the last byte, 1–7; 0 means all.
    pub last_bits: u8,
    /// Collision; bits from there on are not valid.
    pub clash: Clash,
    /// Time waited for it, in microseconds, as far as the driver knows.
    pub took_us: u32,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("bytes", &self.bytes.len())
            .field("last_bits", &self.last_bits)
            .field("clash", &self.clash)
            .field("took_us", &self.took_us)
            .finish()
    }
}

/// A reader chip that exchanges frames. `None` means that no card answered in time.
pub trait Transceiver {
    /// Sends `frame` and waits for an answer, with a limit.
    ///
    /// # Errors
    /// [`ReaderError::Gone`] and [`ReaderError::Bus`] for the chip, [`ReaderError::Garbled`] for
    /// an answer that breaks the framing rules.
    fn exchange(&mut self, frame: Frame<'_>) -> Result<Option<Reply>, ReaderError>;

    /// Waits, for a card that wants a pause.
    ///
    /// # Errors
    /// [`ReaderError::Gone`] when the call's time is used up.
    fn pause(&mut self, us: u32) -> Result<(), ReaderError>;

    /// Takes a trace event; chips without a trace drop it.
    fn note(&mut self, _event: TraceEvent) {}
}

/// A card that was selected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Selected {
    /// Its number, or a random one.
    pub uid: CardUid,
    /// Its last SAK.
    pub sak: u8,
}

impl Selected {
    /// Whether the card speaks ISO/IEC 14443-4.
    #[must_use]
    pub fn speaks_iso_dep(&self) -> bool {
        self.sak & SAK_ISO_DEP != 0
    }
}

/// Looks for one card: wakes all and selects one, which then listens.
///
/// # Errors
/// As [`Transceiver::exchange`]; [`ReaderError::Garbled`] also for what breaks the protocol.
pub fn select_one<T: Transceiver>(chip: &mut T) -> Result<Option<Selected>, ReaderError> {
    if wake(chip)? {
        select(chip).map(Some)
    } else {
        Ok(None)
    }
}

/// Sends the selected card to rest, so that the next look finds it in a known state. Whether it
/// heard this shows the next look.
pub fn halt<T: Transceiver>(chip: &mut T) {
    let _ = chip.exchange(Frame::bytes(&HLTA, ANSWER_US));
}

/// Wakes all cards in the field; true when one answered.
fn wake<T: Transceiver>(chip: &mut T) -> Result<bool, ReaderError> {
    let answer = chip.exchange(Frame {
        bytes: &[WUPA],
        last_bits: 7,
        align: 0,
        limit_us: ANSWER_US,
    })?;
    match answer {
        None => Ok(false),
        // Cards of different kinds differ in ATQA: a clash here is an answer like any other.
        Some(reply) if reply.clash != Clash::None => Ok(true),
        Some(reply) if reply.bytes.len() == 2 && reply.last_bits == 0 => Ok(true),
        Some(_) => Err(garbled("ATQA is not 16 bits long")),
    }
}

/// Selects one card level by level and puts its number together.
fn select<T: Transceiver>(chip: &mut T) -> Result<Selected, ReaderError> {
    let mut uid = Vec::<u8, 12>::new();
    for (level, code) in (1..).zip(SELECT_CODES) {
        let part = anticollision(chip, level, code)?;
        let sak = select_level(chip, code, &part)?;
        let [first, b, c, d, _] = part;
        let cascaded = sak & SAK_INCOMPLETE != 0;
        if cascaded != (first == CASCADE_TAG) && (cascaded || level == 1) {
            return Err(garbled("cascade tag and SAK contradict each other"));
        }
        let taken: &[u8] = if cascaded {
            &[b, c, d]
        } else {
            &[first, b, c, d]
        };
        if uid.extend_from_slice(taken).is_err() {
            break;
        }
        if !cascaded {
            let uid_len = u8::try_from(uid.len()).unwrap_or(u8::MAX);
            chip.note(TraceEvent::Selected { uid_len, sak });
            let uid = CardUid::new(&uid).ok_or(garbled("UID is not 4, 7 or 10 bytes long"))?;
            return Ok(Selected { uid, sak });
        }
    }
    Err(garbled("more than three cascade levels"))
}

/// Finds the five bytes (UID part and BCC) of one card at one level.
fn anticollision<T: Transceiver>(
    chip: &mut T,
    level: u8,
    code: u8,
) -> Result<[u8; 5], ReaderError> {
    let mut part = [0; 5];
    let mut known = 0;
    for _ in 0..=COLLISIONS_MAX {
        let reply = ask(chip, code, &part, known)?;
        merge(&mut part, known, &reply)?;
        if reply.clash == Clash::None {
            let complete = usize::from(known / 8) + reply.bytes.len() == part.len();
            if !complete || reply.last_bits != 0 {
                return Err(garbled("UID part is not five bytes long"));
            }
            if part.iter().fold(0, |sum, byte| sum ^ byte) != 0 {
                return Err(garbled("BCC does not match"));
            }
            return Ok(part);
        }
        known = position(reply.clash, known)?;
        chip.note(TraceEvent::Collision { level, bit: known });
        take_one(&mut part, known);
    }
    Err(garbled("too many cards"))
}

/// Sends the known bits; the cards that have them answer with the rest.
fn ask<T: Transceiver>(
    chip: &mut T,
    code: u8,
    part: &[u8; 5],
    known: u8,
) -> Result<Reply, ReaderError> {
    let (whole, bits) = (known / 8, known % 8);
    let sent = usize::from(whole + u8::from(bits > 0));
    let mut frame = Vec::<u8, 7>::new();
    let _ = frame.extend_from_slice(&[code, NVB_NOTHING + (whole << 4) + bits]);
    frame.extend(part.iter().take(sent).copied());
    let answer = chip.exchange(Frame {
        bytes: &frame,
        last_bits: bits,
        align: bits,
        limit_us: ANSWER_US,
    })?;
    answer.ok_or_else(|| garbled("card left during anticollision"))
}

/// Puts received bits behind the known ones.
fn merge(part: &mut [u8; 5], known: u8, reply: &Reply) -> Result<(), ReaderError> {
    let rest = part.get_mut(usize::from(known / 8)..).unwrap_or_default();
    if reply.bytes.len() > rest.len() {
        return Err(garbled("UID part is too long"));
    }
    let mut kept = (1 << (known % 8)) - 1; // bits of the first byte that are known already
    for (byte, received) in rest.iter_mut().zip(&reply.bytes) {
        *byte = *byte & kept | received & !kept;
        kept = 0;
    }
    Ok(())
}

/// The collided bit, 1–32, beyond the known ones. Chips count from the start of the UID part or
/// from the start of the received bytes; where the first can't be, the second is meant.
fn position(clash: Clash, known: u8) -> Result<u8, ReaderError> {
    let Clash::At(reported) = clash else {
        return Err(garbled("cards collide at an unknown bit"));
    };
    let bit = if reported > known {
        reported
    } else {
        reported.saturating_add(known - known % 8)
    };
    if bit > known && bit <= UID_BITS {
        Ok(bit)
    } else {
        Err(garbled("cards collide outside of the UID"))
    }
}

/// Goes on with the cards that have a one at bit `bit` (1–32); what came after it is void.
fn take_one(part: &mut [u8; 5], bit: u8) {
    let (whole, bits) = ((bit - 1) / 8, (bit - 1) % 8);
    let mut tail = part.iter_mut().skip(usize::from(whole));
    if let Some(byte) = tail.next() {
        *byte = *byte & ((1 << bits) - 1) | 1 << bits;
    }
    tail.for_each(|byte| *byte = 0);
}

/// Selects the card with these five bytes; returns its SAK.
fn select_level<T: Transceiver>(chip: &mut T, code: u8, part: &[u8; 5]) -> Result<u8, ReaderError> {
    let [a, b, c, d, bcc] = *part;
    let head = [code, NVB_SELECT, a, b, c, d, bcc];
    let [low, high] = crc_a(&head);
    let frame = [code, NVB_SELECT, a, b, c, d, bcc, low, high];
    let answer = chip.exchange(Frame::bytes(&frame, ANSWER_US))?;
    let reply = answer.ok_or_else(|| garbled("card left at its selection"))?;
    match reply.bytes.as_slice() {
        [sak, low, high] if reply.clash == Clash::None && reply.last_bits == 0 => {
            if crc_a(&[*sak]) == [*low, *high] {
                Ok(*sak)
            } else {
                Err(garbled("CRC of SAK does not match"))
            }
        }
        _ => Err(garbled("SAK is not three bytes long")),
    }
}

/// `CRC_A`, low byte first as it is sent (ISO/IEC 14443-3 annex B).
#[must_use]
pub fn crc_a(bytes: &[u8]) -> [u8; 2] {
    let crc = bytes.iter().fold(0x6363_u16, |crc, byte| {
        let [low, _] = crc.to_le_bytes();
        let mixed = byte ^ low;
        let folded = u16::from(mixed ^ mixed << 4);
        crc >> 8 ^ folded << 8 ^ folded << 3 ^ folded >> 4
    });
    crc.to_le_bytes()
}

/// Takes `CRC_A` off the end of a frame; `None` when it is wrong or there is nothing before it.
pub(crate) fn strip_crc(frame: &[u8]) -> Option<&[u8]> {
    let (bytes, check) = frame.split_last_chunk::<2>()?;
    (!bytes.is_empty() && crc_a(bytes) == *check).then_some(bytes)
}

pub(crate) fn garbled(cause: &'static str) -> ReaderError {
    ReaderError::Garbled { cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_a_gives_the_vectors_of_the_standard() {
        assert_eq!(crc_a(&[0x00, 0x00]), [0xa0, 0x1e]);
        assert_eq!(crc_a(&[0x12, 0x34]), [0x26, 0xcf]);
        assert_eq!(crc_a(&[0x50, 0x00]), [0x57, 0xcd]);
        assert_eq!(crc_a(b"123456789"), [0x05, 0xbf]);
    }

    /// Gives the same answers whatever it is asked, and counts the questions.
    struct Script {
        answers: &'static [&'static [u8]],
        asked: usize,
    }

    impl Transceiver for Script {
        fn exchange(&mut self, _frame: Frame<'_>) -> Result<Option<Reply>, ReaderError> {
            let answer = self.answers.get(self.asked);
            self.asked += 1;
            Ok(answer.map(|bytes| Reply {
                bytes: Vec::from_slice(bytes).unwrap(),
                last_bits: 0,
                clash: Clash::None,
                took_us: 0,
            }))
        }

        fn pause(&mut self, _us: u32) -> Result<(), ReaderError> {
            Ok(())
        }
    }

    #[test]
    fn a_number_with_a_wrong_check_byte_is_not_selected() {
        let answers: &[&[u8]] = &[&[0x04, 0x00], &[1, 2, 3, 4, 5]];
        let mut script = Script { answers, asked: 0 };
        assert_eq!(select_one(&mut script), Err(garbled("BCC does not match")));
        assert_eq!(script.asked, 2);
    }

    #[test]
    fn a_card_that_never_completes_its_number_is_given_up_after_three_levels() {
        let answers: &[&[u8]] = &[
            &[0x84, 0x00],
            &[0x88, 1, 2, 3, 0x88],
            &[0x04, 0xda, 0x17],
            &[0x88, 1, 2, 3, 0x88],
            &[0x04, 0xda, 0x17],
            &[0x88, 1, 2, 3, 0x88],
            &[0x04, 0xda, 0x17],
        ];
        let mut script = Script { answers, asked: 0 };
        assert_eq!(
            select_one(&mut script),
            Err(garbled("more than three cascade levels"))
        );
    }

    #[test]
    fn a_collision_is_found_behind_the_known_bits_or_refused() {
        assert_eq!(position(Clash::At(5), 0), Ok(5));
        assert_eq!(position(Clash::At(20), 12), Ok(20));
        assert_eq!(position(Clash::At(6), 12), Ok(14));
        assert!(position(Clash::At(33), 0).is_err());
        assert!(position(Clash::At(0), 12).is_err());
        assert!(position(Clash::Unknown, 0).is_err());
    }

    #[test]
    fn bits_after_the_chosen_one_are_void() {
        let mut part = [0xff; 5];
        take_one(&mut part, 11);
        assert_eq!(part, [0xff, 0x07, 0, 0, 0]);
        take_one(&mut part, 8);
        assert_eq!(part, [0xff, 0, 0, 0, 0]);
    }
}
