// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The card's side of ISO/IEC 14443-4: answer to RATS, blocks, chaining, waiting time extension,
//! deselection, and the rules by which a lost block is repeated. What it says in the blocks comes
//! from one of the applets.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::desfire::DesfireChip;
use super::ntag424::NtagChip;

const SIZES: [usize; 9] = [16, 24, 32, 40, 48, 64, 96, 128, 256];
/// Time a card takes for an answer, where it does not say so in frames.
const WORK_US: u32 = 2_500;
const AIR_US: u32 = 100;

/// What a card said to each command, in order. Clones are one list.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Arc<Mutex<Vec<Vec<u8>>>>);

impl Transcript {
    /// The answers so far.
    #[must_use]
    pub fn answers(&self) -> Vec<Vec<u8>> {
        self.lock().clone()
    }

    fn add(&self, answer: &[u8]) {
        self.lock().push(answer.to_vec());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who answers commands.
#[derive(Clone, Debug)]
pub(crate) enum Applet {
    Desfire(DesfireChip),
    Ntag424(NtagChip),
    /// Says the same things in the same order, whatever it hears.
    Parrot {
        lines: Vec<Vec<u8>>,
        next: usize,
    },
}

impl Applet {
    fn reset(&mut self) {
        match self {
            Self::Desfire(chip) => chip.reset(),
            Self::Ntag424(chip) => chip.reset(),
            Self::Parrot { next, .. } => *next = 0,
        }
    }

    fn hear(&mut self, apdu: &[u8]) -> Vec<u8> {
        match self {
            Self::Desfire(chip) => chip.hear(apdu),
            Self::Ntag424(chip) => chip.hear(apdu),
            Self::Parrot { lines, next } => {
                let line = lines.get(*next).cloned();
                *next += 1;
                line.unwrap_or(vec![0x6f, 0x00])
            }
        }
    }
}

/// A card that speaks in blocks.
#[derive(Clone, Debug)]
pub(crate) struct Picc {
    applet: Applet,
    /// Index of the longest frame that it takes.
    pub(crate) fsci: u8,
    pub(crate) work_us: u32,
    /// Extensions that it asks for at each command: how often, and for how much.
    pub(crate) waits: (u32, u8),
    /// Each so many answers one is lost on the air; 0 loses none.
    pub(crate) loses_each: u32,
    pub(crate) transcript: Option<Transcript>,
    /// Somebody in between turns this bit of the answer to this command, from 0 on.
    pub(crate) flip: Option<(usize, usize)>,
    commands: usize,
    /// Longest frame that the reader takes.
    fsd: usize,
    number: u8,
    command: Vec<u8>,
    answer: VecDeque<Vec<u8>>,
    waits_left: u32,
    last: Vec<u8>,
    answers: u32,
}

/// What comes of a block.
pub(crate) enum Said {
    Block(Vec<u8>),
    /// The last word of this activation.
    Farewell(Vec<u8>),
    Nothing,
}

impl Picc {
    pub(crate) fn new(applet: Applet) -> Self {
        Self {
            applet,
            fsci: 5,
            work_us: WORK_US,
            waits: (0, 1),
            loses_each: 0,
            transcript: None,
            flip: None,
            commands: 0,
            fsd: 16,
            number: 1,
            command: Vec::new(),
            answer: VecDeque::new(),
            waits_left: 0,
            last: Vec::new(),
            answers: 0,
        }
    }

    /// Answers to RATS: frame size, TA (106 kbit/s only counts), TB (FWI 8, SFGI 1), TC, one
    /// historical byte, as a DESFire does.
    pub(crate) fn activate(&mut self, parameter: u8) -> Vec<u8> {
        self.applet.reset();
        self.commands = 0;
        self.fsd = *SIZES.get(usize::from(parameter >> 4)).unwrap_or(&256);
        self.number = 1;
        self.command.clear();
        self.answer.clear();
        self.waits_left = 0;
        self.last.clear();
        vec![0x06, 0x70 | self.fsci, 0x77, 0x81, 0x02, 0x80]
    }

    /// Hears a block whose CRC was right; without it.
    pub(crate) fn hear(&mut self, block: &[u8]) -> Said {
        let longest = *SIZES.get(usize::from(self.fsci)).unwrap_or(&256);
        if block.len() + 2 > longest {
            return Said::Nothing;
        }
        let Some((head, content)) = block.split_first() else {
            return Said::Nothing;
        };
        match (*head & !1, content) {
            (0x02 | 0x12, content) => {
                self.number ^= 1;
                self.command.extend(content);
                if head & 0x10 != 0 {
                    return self.say(vec![0xa2 | self.number]);
                }
                let command = std::mem::take(&mut self.command);
                self.work(&command);
                self.go_on()
            }
            (0xa2, []) if head & 1 != self.number && !self.answer.is_empty() => {
                self.number ^= 1;
                self.go_on()
            }
            (0xa2 | 0xb2, []) if head & 1 == self.number && !self.last.is_empty() => {
                let last = self.last.clone();
                self.say(last)
            }
            (0xb2, []) => self.say(vec![0xa2 | self.number]),
            (0xf2, [multiplier]) if self.last == [0xf2, *multiplier] => self.go_on(),
            (0xc2, []) => Said::Farewell(vec![0xc2]),
            _ => Said::Nothing,
        }
    }

    /// How long the next answer takes.
    pub(crate) fn takes_us(&self, said: &Said) -> u32 {
        match said {
            Said::Block(block) if block.first().is_some_and(|head| head & 0xc0 == 0) => {
                self.work_us
            }
            _ => AIR_US,
        }
    }

    fn work(&mut self, command: &[u8]) {
        let mut answer = self.applet.hear(command);
        if let Some((at, bit)) = self.flip
            && at == self.commands
            && let Some(byte) = answer.get_mut(bit / 8)
        {
            *byte ^= 1 << (bit % 8);
        }
        self.commands += 1;
        if let Some(transcript) = &self.transcript {
            transcript.add(&answer);
        }
        self.answer = answer.chunks(self.fsd - 3).map(<[u8]>::to_vec).collect();
        self.waits_left = self.waits.0;
    }

    /// The next part of the answer, or a wish for time.
    fn go_on(&mut self) -> Said {
        if self.waits_left > 0 {
            self.waits_left -= 1;
            return self.say(vec![0xf2, self.waits.1]);
        }
        let Some(part) = self.answer.pop_front() else {
            return Said::Nothing;
        };
        let more = if self.answer.is_empty() { 0 } else { 0x10 };
        self.say([&[0x02 | more | self.number][..], &part].concat())
    }

    fn say(&mut self, block: Vec<u8>) -> Said {
        self.last.clone_from(&block);
        self.answers += 1;
        if self.loses_each > 0 && self.answers.is_multiple_of(self.loses_each) {
            return Said::Nothing;
        }
        Said::Block(block)
    }
}
