// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Frames between a host and a PN532, the same on every link. Source: NXP UM0701-02, §6.2.1:
//! normal and extended information frames, ACK, NACK, and the frame for a syntax error.
//!
//! Pure: bytes in, frames out. The check is one sum of 8 bits, which two flipped bits can pass:
//! what matters more than a poll is asked for twice by the driver.

use core::fmt;

use heapless::Vec;

/// Longest body, command or answer code included (§6.2.1.2).
pub const BODY_MAX: usize = 264;
/// Longest frame, from preamble to postamble.
pub const FRAME_MAX: usize = BODY_MAX + 11;

/// What asks, or answers, without TFI: a code and its data.
pub type Body = Vec<u8, BODY_MAX>;

/// From the chip: took the command. From the host: stop it.
pub const ACK: [u8; 6] = [0x00, 0x00, 0xff, 0x00, 0xff, 0x00];
/// From the host: send the last answer again.
pub const NACK: [u8; 6] = [0x00, 0x00, 0xff, 0xff, 0x00, 0x00];

const PREAMBLE: [u8; 3] = [0x00, 0x00, 0xff];
const POSTAMBLE: u8 = 0x00;
const TO_CHIP: u8 = 0xd4;
const FROM_CHIP: u8 = 0xd5;
const SYNTAX_ERROR: u8 = 0x7f; // alone, in the place of TFI
const NORMAL_MAX: usize = 254; // body; one more is TFI

/// What came from the chip. `Debug` hides answers: they say the numbers of cards.
#[derive(Clone, Eq, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nothing is allocated here, and few exist at once"
)]
pub enum Incoming {
    /// It took the command.
    Ack,
    /// It wants something again; no chip is known to say so.
    Nack,
    /// It did not understand the command (§6.2.1.5).
    SyntaxError,
    /// An answer: its code (the command's plus one) and data.
    Answer(Body),
    /// No frame by the rules.
    Damaged(&'static str),
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ack => f.write_str("Ack"),
            Self::Nack => f.write_str("Nack"),
            Self::SyntaxError => f.write_str("SyntaxError"),
            Self::Answer(body) => write!(f, "Answer({} bytes)", body.len()),
            Self::Damaged(cause) => write!(f, "Damaged({cause:?})"),
        }
    }
}

/// The frame for a command: a normal one, or an extended one where it is longer. `None` when it is
/// longer than [`BODY_MAX`].
#[must_use]
pub fn command(body: &[u8]) -> Option<Vec<u8, FRAME_MAX>> {
    if body.len() > BODY_MAX {
        return None;
    }
    let mut frame = Vec::new();
    frame.extend_from_slice(&PREAMBLE).ok()?;
    let [high, low] = u16::try_from(body.len() + 1).ok()?.to_be_bytes();
    if body.len() <= NORMAL_MAX {
        frame.extend_from_slice(&[low, low.wrapping_neg()]).ok()?;
    } else {
        let check = high.wrapping_add(low).wrapping_neg();
        frame
            .extend_from_slice(&[0xff, 0xff, high, low, check])
            .ok()?;
    }
    frame.push(TO_CHIP).ok()?;
    frame.extend_from_slice(body).ok()?;
    let check = sum(body).wrapping_add(TO_CHIP).wrapping_neg();
    frame.extend_from_slice(&[check, POSTAMBLE]).ok()?;
    Some(frame)
}

/// Puts frames together from bytes as they come; bytes before a start code are skipped.
/// `Debug` hides them.
#[derive(Clone, Default)]
pub struct Decoder {
    state: State,
    content: Vec<u8, { BODY_MAX + 1 }>,
}

#[derive(Clone, Copy, Default)]
enum State {
    /// Looking for 00.
    #[default]
    Idle,
    /// Looking for FF behind 00.
    Zero,
    /// LEN, then LCS.
    Length,
    LengthCheck(u8),
    /// LENM, LENL, LCS of an extended frame.
    ExtendedHigh,
    ExtendedLow(u8),
    ExtendedCheck(u8, u8),
    /// TFI and data, this many bytes to go.
    Content(usize),
    /// DCS.
    ContentCheck,
    /// Behind a frame: its postamble is no beginning of a start code.
    Postamble,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decoder({} bytes)", self.content.len())
    }
}

impl Decoder {
    /// Takes a byte; returns what it completes.
    pub fn push(&mut self, byte: u8) -> Option<Incoming> {
        let (state, incoming) = match (self.state, byte) {
            (State::Idle | State::Zero, 0x00) => (State::Zero, None),
            (State::Zero, 0xff) => (State::Length, None),
            (State::Idle | State::Zero, _) => (State::Idle, None),
            (State::Length, length) => (State::LengthCheck(length), None),
            (State::LengthCheck(0x00), 0xff) => (State::Postamble, Some(Incoming::Ack)),
            (State::LengthCheck(0xff), 0x00) => (State::Postamble, Some(Incoming::Nack)),
            (State::LengthCheck(0xff), 0xff) => (State::ExtendedHigh, None),
            (State::LengthCheck(low), check) => self.begin(0, low, check),
            (State::ExtendedHigh, high) => (State::ExtendedLow(high), None),
            (State::ExtendedLow(high), low) => (State::ExtendedCheck(high, low), None),
            (State::ExtendedCheck(high, low), check) => self.begin(high, low, check),
            (State::Content(left), byte) => self.take(left, byte),
            (State::ContentCheck, check) => (State::Postamble, Some(self.finish(check))),
            (State::Postamble, _) => (State::Idle, None),
        };
        self.state = state;
        incoming
    }

    fn begin(&mut self, high: u8, low: u8, check: u8) -> (State, Option<Incoming>) {
        let damaged = |what| (State::Idle, Some(Incoming::Damaged(what)));
        if high.wrapping_add(low).wrapping_add(check) != 0 {
            return damaged("check of a frame's length is wrong");
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !(1..=BODY_MAX + 1).contains(&length) {
            return damaged("no frame has this length");
        }
        self.content.clear();
        (State::Content(length), None)
    }

    fn take(&mut self, left: usize, byte: u8) -> (State, Option<Incoming>) {
        // Fits: `begin` took no longer length.
        let _ = self.content.push(byte);
        match left {
            0 | 1 => (State::ContentCheck, None),
            _ => (State::Content(left - 1), None),
        }
    }

    fn finish(&self, check: u8) -> Incoming {
        if sum(&self.content).wrapping_add(check) != 0 {
            return Incoming::Damaged("check of a frame's data is wrong");
        }
        match self.content.as_slice() {
            [SYNTAX_ERROR] => Incoming::SyntaxError,
            [FROM_CHIP, body @ ..] => {
                Body::from_slice(body).map_or(Incoming::Damaged("too long"), Incoming::Answer)
            }
            _ => Incoming::Damaged("frame does not come from a chip"),
        }
    }
}

/// The first frame in `bytes`, as they were read in one go.
#[must_use]
pub fn first(bytes: &[u8]) -> Incoming {
    let mut decoder = Decoder::default();
    bytes
        .iter()
        .find_map(|byte| decoder.push(*byte))
        .unwrap_or(Incoming::Damaged("no whole frame"))
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &[u8]) -> Incoming {
        Incoming::Answer(Body::from_slice(body).unwrap())
    }

    #[test]
    fn commands_are_framed_as_published() {
        let published: [(&[u8], &[u8]); 10] = [
            (&[0x02], &[0x02, 0xfe, 0xd4, 0x02, 0x2a]),
            (
                &[0x14, 1, 0x14, 1],
                &[0x05, 0xfb, 0xd4, 0x14, 1, 0x14, 1, 0x02],
            ),
            (&[0x4a, 1, 0], &[0x04, 0xfc, 0xd4, 0x4a, 1, 0, 0xe1]),
            (&[0x4a, 1, 3, 0], &[0x05, 0xfb, 0xd4, 0x4a, 1, 3, 0, 0xde]),
            (
                &[0x4a, 1, 1, 0, 0xff, 0xff, 1, 0],
                &[0x09, 0xf7, 0xd4, 0x4a, 1, 1, 0, 0xff, 0xff, 1, 0, 0xe1],
            ),
            (
                &[0x4a, 1, 2, 0, 0xff, 0xff, 1, 0],
                &[0x09, 0xf7, 0xd4, 0x4a, 1, 2, 0, 0xff, 0xff, 1, 0, 0xe0],
            ),
            (
                &[0x32, 5, 0xff, 1, 2],
                &[0x06, 0xfa, 0xd4, 0x32, 5, 0xff, 1, 2, 0xf3],
            ),
            (&[0x52, 0], &[0x03, 0xfd, 0xd4, 0x52, 0, 0xda]),
            (
                &[0x40, 1, 0xaa, 0],
                &[0x05, 0xfb, 0xd4, 0x40, 1, 0xaa, 0, 0x41],
            ),
            (&[], &[0x01, 0xff, 0xd4, 0x2c]), // no command, but the shortest frame
        ];
        for (body, inner) in published {
            let whole = [&[0x00, 0x00, 0xff], inner, &[0x00]].concat();
            assert_eq!(command(body).unwrap().as_slice(), whole, "{body:02x?}");
        }
    }

    #[test]
    fn published_answers_are_understood() {
        let firmware = [
            0x00, 0x00, 0xff, 0x06, 0xfa, 0xd5, 0x03, 0x32, 0x01, 0x06, 0x07, 0xe8, 0x00,
        ];
        assert_eq!(first(&firmware), answer(&[0x03, 0x32, 0x01, 0x06, 0x07]));
        assert_eq!(first(&ACK), Incoming::Ack);
        assert_eq!(first(&NACK), Incoming::Nack);
        let syntax = [0x00, 0x00, 0xff, 0x01, 0xff, 0x7f, 0x81, 0x00];
        assert_eq!(first(&syntax), Incoming::SyntaxError);
    }

    /// The published card is FeliCa's (ACR122L specification v0.03, p. 42), framed here.
    #[test]
    fn a_published_felica_answer_passes_the_codec_unchanged() {
        let body = [
            0x4b, 0x01, 0x01, 0x14, 0x01, 0x01, 0x01, 0x05, 0x01, 0x86, 0x04, 0x02, 0x02, 0x03,
            0x00, 0x4b, 0x02, 0x4f, 0x49, 0x8a, 0x8a, 0x80, 0x08,
        ];
        let mut frame = vec![0x00, 0x00, 0xff, 0x18, 0xe8, 0xd5];
        frame.extend(body);
        let check = frame[5..].iter().fold(0_u8, |sum, b| sum.wrapping_sub(*b));
        frame.extend([check, 0]);
        assert_eq!(first(&frame), answer(&body));
    }

    #[test]
    fn bodies_from_nothing_to_the_longest_go_through_and_longer_ones_are_refused() {
        for length in [1, 253, 254, 255, 263, 264] {
            let body: std::vec::Vec<u8> = (0..=255).cycle().take(length).collect();
            let mut frame = command(&body).unwrap();
            let extended = frame[3..5] == [0xff, 0xff];
            assert_eq!(extended, length > 254, "{length}");
            let at = if extended { 8 } else { 5 };
            frame[at] = FROM_CHIP;
            let check = frame.len() - 2;
            frame[check] = frame[check].wrapping_sub(1);
            assert_eq!(first(&frame), answer(&body), "{length}");
        }
        assert_eq!(command(&[0; BODY_MAX + 1]), None);
        let longest = [0x00, 0xff, 0xff, 0xff, 0x01, 0x0a, 0xf5];
        assert!(matches!(
            first(&longest),
            Incoming::Damaged("no frame has this length")
        ));
    }

    #[test]
    fn each_flipped_bit_of_an_answer_is_noticed() {
        let whole = [0x00, 0xff, 0x03, 0xfd, 0xd5, 0x4b, 0x00, 0xe0];
        let meant = answer(&[0x4b, 0x00]);
        assert_eq!(first(&whole), meant);
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(first(&flipped), meant, "bit {bit}");
        }
    }

    #[test]
    fn frames_are_found_behind_filling_bytes_and_behind_each_other() {
        let mut decoder = Decoder::default();
        let stream = [&[0x55, 0x00, 0x00, 0x00][..], &ACK[1..], &[0xff], &NACK].concat();
        let seen: std::vec::Vec<_> = stream.iter().filter_map(|b| decoder.push(*b)).collect();
        assert_eq!(seen, [Incoming::Ack, Incoming::Nack]);
    }
}
