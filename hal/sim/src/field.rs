// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The space in front of the antenna and the wires behind it: which cards are there, and what is
//! broken. The handle works from any thread while a driver talks to the chip.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use platen_hal::CardUid;

use crate::card::{Bits, Card};

/// Cards that fit in front of the antenna.
pub const CARDS_MAX: usize = 8;

/// What is broken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// MISO reads 0x00, whatever the chip does; nothing reaches it.
    StuckLow,
    /// MISO reads 0xff, whatever the chip does; nothing reaches it.
    StuckHigh,
    /// The chip has no power: MISO floats high, and it is reset when it comes back.
    Gone,
    /// As [`Fault::Gone`], once this many more transactions have been made.
    GoneAfter(u64),
    /// Bits flip on both data lines.
    Garbled {
        /// Same seed, same flips.
        seed: u64,
        /// Bytes out of a thousand that get one bit flipped.
        per_mille: u16,
    },
    /// The chip's oscillator does not start after the next reset.
    OscillatorDead,
    /// The bus controller itself reports an error.
    BusFailed,
}

/// From where the chip counts the position of a collision. The data sheet says "in a received
/// frame" and drivers take it from the start of the UID; both fit while nothing is known yet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CollisionCount {
    /// From the first bit of the level's UID part.
    #[default]
    UidStart,
    /// From the first bit of the received bytes, alignment included.
    ReceivedBytes,
}

/// Handle of the field. Clones mean the same field.
#[derive(Clone, Debug, Default)]
pub struct Field {
    state: Arc<Mutex<FieldState>>,
}

#[derive(Debug, Default)]
pub(crate) struct FieldState {
    cards: Vec<Card>,
    leaving: Option<(CardUid, u32)>,
    pub(crate) fault: Fault,
    pub(crate) collision_count: CollisionCount,
    pub(crate) reset_wanted: bool,
    pub(crate) transactions: u64,
    /// How long the slowest of the last answers took to begin, in microseconds.
    pub(crate) takes_us: u32,
    random: u64,
}

impl Field {
    /// An empty field with nothing broken.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Holds a usual card with this number to the reader. Returns false when it is there already
    /// or [`CARDS_MAX`] cards are.
    #[must_use = "a full field takes no card"]
    pub fn place(&self, uid: &CardUid) -> bool {
        self.place_card(Card::new(uid.clone()))
    }

    /// Holds `card` to the reader; as [`Field::place`].
    #[must_use = "a full field takes no card"]
    pub fn place_card(&self, card: Card) -> bool {
        let mut state = self.lock();
        let there = state.cards.iter().any(|other| other.uid() == card.uid());
        if there || state.cards.len() >= CARDS_MAX {
            return false;
        }
        state.cards.push(card);
        true
    }

    /// Takes the card away; one that is not there is no error.
    pub fn remove(&self, uid: &CardUid) {
        self.lock().cards.retain(|card| card.uid() != uid);
    }

    /// Takes the card away after it has heard this many more frames.
    pub fn remove_after(&self, uid: &CardUid, frames: u32) {
        self.lock().leaving = Some((uid.clone(), frames));
    }

    /// Takes all cards away.
    pub fn clear(&self) {
        self.lock().cards.clear();
    }

    /// Breaks something, or mends it with [`Fault::None`].
    pub fn set_fault(&self, fault: Fault) {
        let mut state = self.lock();
        if let Fault::Garbled { seed, .. } = fault {
            state.random = seed | 1; // the generator stands still at zero
        }
        state.fault = fault;
    }

    /// Chooses how the chip counts collisions.
    pub fn set_collision_count(&self, count: CollisionCount) {
        self.lock().collision_count = count;
    }

    /// Resets the chip behind the driver's back, as a dip of the supply does.
    pub fn brown_out(&self) {
        self.lock().reset_wanted = true;
    }

    /// Bus transactions made so far.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.lock().transactions
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, FieldState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FieldState {
    /// Counts a transaction and returns the fault that is in force for it.
    pub(crate) fn begin_transaction(&mut self) -> Fault {
        self.transactions += 1;
        match self.fault {
            Fault::GoneAfter(0) => self.fault = Fault::Gone,
            Fault::GoneAfter(left) => self.fault = Fault::GoneAfter(left - 1),
            _ => {}
        }
        self.fault
    }

    /// Flips a bit of `byte` now and then, while [`Fault::Garbled`] is in force.
    pub(crate) fn garble(&mut self, byte: u8) -> u8 {
        let Fault::Garbled { per_mille, .. } = self.fault else {
            return byte;
        };
        // xorshift64, Marsaglia 2003.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        if (self.random >> 8) % 1000 < u64::from(per_mille) {
            byte ^ (1 << ((self.random >> 40) % 8))
        } else {
            byte
        }
    }

    /// The carrier went off.
    pub(crate) fn power_off(&mut self) {
        self.cards.iter_mut().for_each(Card::power_off);
    }

    /// Sends a frame to all cards; returns their answers.
    pub(crate) fn answers(&mut self, frame: &[bool]) -> Vec<Bits> {
        self.takes_us = 0;
        let mut answers = Vec::new();
        for card in &mut self.cards {
            if let Some(answer) = card.hear(frame) {
                self.takes_us = self.takes_us.max(card.takes_us());
                answers.push(answer);
            }
        }
        self.count_leaving();
        answers
    }

    /// Sends a frame of type B, or of FeliCa, to all cards; returns the first answer.
    pub(crate) fn answer_of(
        &mut self,
        hear: impl Fn(&mut Card, &[u8]) -> Option<Vec<u8>>,
        frame: &[u8],
    ) -> Option<Vec<u8>> {
        let answer = self.cards.iter_mut().find_map(|card| hear(card, frame));
        self.count_leaving();
        answer
    }

    fn count_leaving(&mut self) {
        match self.leaving.take() {
            Some((uid, 0 | 1)) => self.cards.retain(|card| *card.uid() != uid),
            Some((uid, frames)) => self.leaving = Some((uid, frames - 1)),
            None => {}
        }
    }
}
