// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The PN532 behind its links: frames, commands and answers, in front of a [`Field`]. Source: NXP
//! UM0701-02, §6.2.1 (frames), §7 (commands).
//!
//! Not modelled: time (a frame is ready a few accesses after what caused it), the interrupt line,
//! more than one card at once, being a target.

mod links;
mod reader;

use std::collections::VecDeque;

pub use links::{I2cFailed, Pn532I2c, Pn532Spi, Pn532Uart, UartFailed};

use crate::field::{Fault, Field};

use reader::{IsoDep, Turn};

const ACK: [u8; 6] = [0, 0, 0xff, 0, 0xff, 0];
const SYNTAX_ERROR: [u8; 8] = [0, 0, 0xff, 0x01, 0xff, 0x7f, 0x81, 0];
const FOR_EVER: u8 = 0xff;
const ACK_AFTER: u8 = 1; // accesses from a command to its ACK
const ANSWER_AFTER: u8 = 2; // and from there to its answer
const ACCESS_US: u32 = 2_000; // what one access stands for, while a card takes its time
const HEARD_MAX: usize = 512;
/// Data of a card that fits into one answer; of more, the rest would be asked for (§7.3.8), which
/// is not modelled.
const PIECE_MAX: usize = 262;

/// What a host's bytes mean.
#[derive(Debug, Eq, PartialEq)]
enum Heard {
    Abort,
    Again,
    Command(Vec<u8>),
}

/// The chip without its link.
#[derive(Debug)]
pub(crate) struct Chip {
    pub(crate) field: Field,
    heard: Vec<u8>,
    /// Left the state after power-up, in which it looks for no card.
    configured: bool,
    passive_retries: u8,
    auto_rats: bool,
    /// A look for a card that has no end: the command's body.
    looking: Option<Vec<u8>>,
    /// The card that was activated.
    card: Option<IsoDep>,
    /// Frames to send, each with the accesses until it is ready.
    out: VecDeque<(u8, Vec<u8>)>,
    last_answer: Vec<u8>,
    dead: bool,
}

impl Chip {
    pub(crate) fn new(field: &Field) -> Self {
        let mut chip = Self {
            field: field.clone(),
            heard: Vec::new(),
            configured: false,
            passive_retries: FOR_EVER,
            auto_rats: true,
            looking: None,
            card: None,
            out: VecDeque::new(),
            last_answer: Vec::new(),
            dead: false,
        };
        chip.reset();
        chip
    }

    fn reset(&mut self) {
        self.heard.clear();
        self.configured = false;
        self.passive_retries = FOR_EVER;
        self.auto_rats = true;
        self.looking = None;
        self.card = None;
        self.out.clear();
        self.last_answer.clear();
        let mut field = self.field.lock();
        self.dead = field.fault == Fault::OscillatorDead;
        field.reset_wanted = false;
        field.power_off();
    }

    /// Counts an access; returns the fault in force, and whether the chip was reset.
    pub(crate) fn begin(&mut self) -> (Fault, bool) {
        let (fault, reset) = {
            let mut field = self.field.lock();
            let fault = field.begin_transaction();
            (fault, field.reset_wanted || fault == Fault::Gone)
        };
        if reset {
            self.reset();
        }
        if let Some((left, _)) = self.out.front_mut() {
            *left = left.saturating_sub(1);
        } else if let Some(body) = self.looking.take()
            && !self.found(&body)
        {
            self.looking = Some(body);
        }
        (fault, reset)
    }

    /// The frame that is ready.
    pub(crate) fn ready(&self) -> Option<&[u8]> {
        match self.out.front() {
            Some((0, frame)) => Some(frame),
            _ => None,
        }
    }

    /// The host has read the frame that was ready.
    pub(crate) fn taken(&mut self) {
        if self.ready().is_some() {
            self.out.pop_front();
        }
    }

    /// Hears bytes, in pieces or whole.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        if self.dead {
            return;
        }
        self.heard.extend_from_slice(bytes);
        while let Some((heard, length)) = parse(&self.heard) {
            self.heard.drain(..length);
            match heard {
                Heard::Abort => self.abort(),
                Heard::Again => self.out.push_back((ANSWER_AFTER, self.last_answer.clone())),
                Heard::Command(body) => self.command(&body),
            }
        }
        let surplus = self.heard.len().saturating_sub(HEARD_MAX);
        self.heard.drain(..surplus);
    }

    /// What was heard in one access is over; half a frame is lost.
    pub(crate) fn end_of_access(&mut self) {
        self.heard.clear();
    }

    fn abort(&mut self) {
        self.looking = None;
        self.out.clear();
    }

    fn command(&mut self, body: &[u8]) {
        self.abort(); // a new command ends the one before
        self.out.push_back((ACK_AFTER, ACK.to_vec()));
        match body {
            [0x02] => self.answer(&[0x03, 0x32, 0x01, 0x06, 0x07]),
            [0x12, flags] => {
                self.auto_rats = flags & 0x10 != 0;
                self.answer(&[0x13]);
            }
            [0x14, 1..=4, ..] => {
                self.configured = true;
                self.answer(&[0x15]);
            }
            [0x32, 0x05, _, _, passive] => {
                self.passive_retries = *passive;
                self.answer(&[0x33]);
            }
            [0x32, 0x01, field] => {
                if field & 0x01 == 0 {
                    self.card = None;
                    self.field.lock().power_off();
                }
                self.answer(&[0x33]);
            }
            [0x4a, 1..=2, kind @ ..] if self.configured && reader::is_known(kind) => {
                self.list(body);
            }
            [0x40, 0x01, apdu @ ..] => self.exchange(apdu),
            _ => self.out.push_back((ANSWER_AFTER, SYNTAX_ERROR.to_vec())),
        }
    }

    /// Looks for a card as often as was configured.
    fn list(&mut self, body: &[u8]) {
        self.card = None;
        let tries = u16::from(self.passive_retries) + 1;
        let forever = self.passive_retries == FOR_EVER;
        for _ in 0..if forever { 2 } else { tries } {
            if self.found(body) {
                return;
            }
        }
        if forever {
            self.looking = Some(body.to_vec());
        } else {
            self.answer(&[0x4b, 0x00]);
        }
    }

    /// One try; answers when it finds a card.
    fn found(&mut self, body: &[u8]) -> bool {
        let kind = body.get(2..).unwrap_or_default();
        let Some(target) = reader::find(&self.field, kind) else {
            return false;
        };
        let mut answer = vec![0x4b, 0x01, 0x01];
        answer.extend(target.description);
        if self.auto_rats && target.speaks_iso_dep {
            let activated = IsoDep::activate(&self.field);
            let (card, ats) = activated.unzip();
            self.card = card;
            answer.extend(ats.unwrap_or_default());
        }
        self.answer(&answer);
        true
    }

    /// Gives a command to the activated card.
    fn exchange(&mut self, apdu: &[u8]) {
        let Some(card) = &mut self.card else {
            return self.answer(&[0x41, 0x27]); // not in this state
        };
        let turn = card.exchange(&self.field, apdu);
        let later = u8::try_from(card.take_spent_us() / ACCESS_US).unwrap_or(u8::MAX);
        match turn {
            Turn::Answer(answer) => {
                let (status, piece) = match answer.get(..PIECE_MAX) {
                    Some(piece) if answer.len() > PIECE_MAX => (0x40, piece),
                    _ => (0x00, &answer[..]),
                };
                self.answer(&[&[0x41, status], piece].concat());
                if let Some((after, _)) = self.out.back_mut() {
                    *after = after.saturating_add(later);
                }
            }
            Turn::Left => self.answer(&[0x41, 0x01]),
            Turn::Broken => self.answer(&[0x41, 0x0b]),
            Turn::Endless => {}
        }
    }

    fn answer(&mut self, body: &[u8]) {
        let mut frame = vec![0, 0, 0xff];
        let length = body.len() + 1;
        let [high, low] = u16::try_from(length).unwrap_or(0).to_be_bytes();
        if length < 0x100 {
            frame.extend([low, 0_u8.wrapping_sub(low)]);
        } else {
            let check = 0_u8.wrapping_sub(high).wrapping_sub(low);
            frame.extend([0xff, 0xff, high, low, check]);
        }
        frame.push(0xd5);
        frame.extend(body);
        let check = body
            .iter()
            .fold(0xd5_u8, |sum, byte| sum.wrapping_add(*byte));
        frame.extend([0_u8.wrapping_sub(check), 0]);
        self.last_answer.clone_from(&frame);
        self.out.push_back((ANSWER_AFTER, frame));
    }
}

/// The first frame in what was heard, and where it ends. A frame with a wrong check is passed over:
/// the chip stays silent to it.
fn parse(heard: &[u8]) -> Option<(Heard, usize)> {
    (0..heard.len()).find_map(|at| {
        let rest = heard.get(at..)?.strip_prefix(&[0x00, 0xff])?;
        let (found, length) = parse_content(rest)?;
        Some((found, at + 2 + length))
    })
}

fn parse_content(rest: &[u8]) -> Option<(Heard, usize)> {
    let (head, length, check) = match rest {
        [0x00, 0xff, ..] => return Some((Heard::Abort, 2)),
        [0xff, 0x00, ..] => return Some((Heard::Again, 2)),
        [0xff, 0xff, high, low, check, ..] => {
            let sum = high.wrapping_add(*low).wrapping_add(*check);
            (5, usize::from(*high) << 8 | usize::from(*low), sum)
        }
        [low, check, ..] => (2, usize::from(*low), low.wrapping_add(*check)),
        _ => return None,
    };
    let content = rest.get(head..head + length)?;
    let sum = rest.get(head..=head + length)?;
    let sum = sum.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    match content {
        [0xd4, body @ ..] if check == 0 && sum == 0 => {
            Some((Heard::Command(body.to_vec()), head + length + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_commands_are_heard() {
        let look = [0, 0, 0xff, 0x04, 0xfc, 0xd4, 0x4a, 0x01, 0x00, 0xe1, 0x00];
        assert_eq!(parse(&look), Some((Heard::Command(vec![0x4a, 1, 0]), 10)));
        assert_eq!(parse(&ACK), Some((Heard::Abort, 5)));
        assert_eq!(parse(&[0, 0, 0xff, 0xff, 0, 0]), Some((Heard::Again, 5)));
        let mut wrong = look;
        wrong[8] ^= 1;
        assert_eq!(parse(&wrong), None);
    }

    #[test]
    fn the_version_is_answered_as_published() {
        let mut chip = Chip::new(&Field::new());
        chip.hear(&[0, 0, 0xff, 0x02, 0xfe, 0xd4, 0x02, 0x2a, 0]);
        let published = [
            0, 0, 0xff, 0x06, 0xfa, 0xd5, 0x03, 0x32, 0x01, 0x06, 0x07, 0xe8, 0,
        ];
        assert_eq!(chip.last_answer, published);
    }

    #[test]
    fn a_chip_that_was_not_configured_looks_for_no_card() {
        let mut chip = Chip::new(&Field::new());
        chip.hear(&[0, 0, 0xff, 0x04, 0xfc, 0xd4, 0x4a, 0x01, 0x00, 0xe1, 0x00]);
        assert_eq!(
            chip.out.back(),
            Some(&(ANSWER_AFTER, SYNTAX_ERROR.to_vec()))
        );
    }
}
