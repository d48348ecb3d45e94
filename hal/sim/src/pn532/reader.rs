// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the PN532 does with cards by itself: finds one of each kind, activates it, and carries
//! commands to it in the blocks of ISO/IEC 14443-4. Sources: NXP UM0701-02 §7.3.5, §7.3.8; the
//! standard's rules for the reader's side. The air of a [`Field`] loses nothing by itself, so a
//! silent card is one that left; blocks that a card loses are asked for again.

use crate::activate::activate;
use crate::card::{Card, bits_of, bytes_of, crc_a, crc_b, crc_f};
use crate::field::Field;

const SIZES: [usize; 9] = [16, 24, 32, 40, 48, 64, 96, 128, 256];
/// Blocks for one answer before the chip is taken as busy for ever.
const TURNS_MAX: u32 = 200;
const TRIES: u32 = 3;

/// A card that was found.
pub(super) struct Target {
    pub(super) description: Vec<u8>,
    pub(super) speaks_iso_dep: bool,
}

/// Whether a look for this kind, with its data, is modelled.
pub(super) fn is_known(kind: &[u8]) -> bool {
    matches!(kind, [0x00] | [0x03, 0x00] | [0x01, 0x00, _, _, _, _])
}

/// One try to find a card of this kind.
pub(super) fn find(field: &Field, kind: &[u8]) -> Option<Target> {
    match kind {
        [0x00] => type_a(field),
        [0x03, _] => type_b(field),
        [0x01, poll @ ..] => felica(field, poll),
        _ => None,
    }
}

fn type_a(field: &Field) -> Option<Target> {
    let card = activate(field)?;
    let [low, high] = card.atqa;
    let length = u8::try_from(card.uid.len()).ok()?;
    let mut description = vec![high, low, card.sak, length];
    description.extend(&card.uid);
    Some(Target {
        description,
        speaks_iso_dep: card.sak & 0x20 != 0,
    })
}

fn type_b(field: &Field) -> Option<Target> {
    let ask = |said: &[u8]| {
        let frame = [said, &crc_b(said)].concat();
        let heard = field.lock().answer_of(Card::hear_b, &frame)?;
        let (answer, check) = heard.split_last_chunk::<2>()?;
        (*check == crc_b(answer)).then(|| answer.to_vec())
    };
    let atqb = ask(&[0x05, 0x00, 0x00])?;
    let pupi = atqb.get(1..5)?;
    let attrib = ask(&[&[0x1d], pupi, &[0x00, 0x08, 0x01, 0x00]].concat())?;
    let length = u8::try_from(attrib.len()).ok()?;
    Some(Target {
        description: [&atqb[..], &[length], &attrib].concat(),
        speaks_iso_dep: false,
    })
}

fn felica(field: &Field, poll: &[u8]) -> Option<Target> {
    let mut said = vec![0x06];
    said.extend(poll);
    said.extend(crc_f(&said));
    let heard = field.lock().answer_of(Card::hear_f, &said)?;
    let (answer, check) = heard.split_last_chunk::<2>()?;
    (*check == crc_f(answer)).then(|| Target {
        description: answer.to_vec(),
        speaks_iso_dep: false,
    })
}

/// A card in the protocol of blocks.
#[derive(Debug)]
pub(super) struct IsoDep {
    toggle: bool,
    room: usize,
    /// What the card took for its last answers.
    spent_us: u32,
}

/// What came of a command.
pub(super) enum Turn {
    Answer(Vec<u8>),
    Left,
    Broken,
    /// The card asks for more time again and again.
    Endless,
}

impl IsoDep {
    /// Sends RATS for frames of 64 bytes; returns the ATS too.
    pub(super) fn activate(field: &Field) -> Option<(Self, Vec<u8>)> {
        let ats = say(field, &[0xe0, 0x50])?;
        let room = match ats.get(1) {
            Some(format) => *SIZES.get(usize::from(format & 0x0f)).unwrap_or(&256),
            None => 32,
        };
        let card = Self {
            toggle: false,
            room: room.min(64) - 3,
            spent_us: 0,
        };
        Some((card, ats))
    }

    /// How long the card took for what it said last.
    pub(super) fn take_spent_us(&mut self) -> u32 {
        std::mem::take(&mut self.spent_us)
    }

    pub(super) fn exchange(&mut self, field: &Field, apdu: &[u8]) -> Turn {
        let mut parts: Vec<Vec<u8>> = apdu.chunks(self.room).map(<[u8]>::to_vec).collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            let block = [&[0x12 | u8::from(self.toggle)][..], &part].concat();
            match self.carry(field, block, 0xb2) {
                Ok(answer) if answer == [0xa2 | u8::from(self.toggle)] => {
                    self.toggle = !self.toggle;
                }
                Ok(_) => return Turn::Broken,
                Err(turn) => return turn,
            }
        }
        let mut block = [&[0x02 | u8::from(self.toggle)][..], &last].concat();
        let (mut answer, mut again) = (Vec::new(), 0xb2);
        for _ in 0..TURNS_MAX {
            let heard = match self.carry(field, block, again) {
                Ok(heard) => heard,
                Err(turn) => return turn,
            };
            let Some((head, content)) = heard.split_first() else {
                return Turn::Broken;
            };
            if head & 0xef != 0x02 | u8::from(self.toggle) {
                return Turn::Broken;
            }
            self.toggle = !self.toggle;
            answer.extend(content);
            if head & 0x10 == 0 {
                return Turn::Answer(answer);
            }
            again = 0xa2;
            block = vec![0xa2 | u8::from(self.toggle)];
        }
        Turn::Broken
    }

    /// Carries one block over, with lost ones and wishes for time.
    fn carry(&mut self, field: &Field, block: Vec<u8>, again: u8) -> Result<Vec<u8>, Turn> {
        let (mut next, mut lost) = (block.clone(), 0);
        for _ in 0..TURNS_MAX {
            let heard = say(field, &next);
            self.spent_us = self.spent_us.saturating_add(field.lock().takes_us);
            match heard {
                Some(heard) if heard.first() == Some(&0xf2) => next = heard,
                // It has not heard the block.
                Some(heard) if heard == [0xa2 | u8::from(!self.toggle)] => next.clone_from(&block),
                Some(heard) => return Ok(heard),
                None if lost == TRIES => return Err(Turn::Left),
                None => {
                    lost += 1;
                    next = vec![again | u8::from(self.toggle)];
                }
            }
        }
        Err(Turn::Endless)
    }
}

/// One frame each way, without their CRC.
fn say(field: &Field, said: &[u8]) -> Option<Vec<u8>> {
    let frame = [said, &crc_a(said)].concat();
    let answers = field.lock().answers(&bits_of(&frame));
    let heard = bytes_of(answers.first()?);
    let (answer, check) = heard.split_last_chunk::<2>()?;
    (*check == crc_a(answer)).then(|| answer.to_vec())
}
