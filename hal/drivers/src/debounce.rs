// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From looks to taps: a card that lies on the reader, or flickers because it is badly coupled,
//! counts once. Pure; the caller says when a look was made by making it.

use heapless::Vec;
use platen_hal::CardUid;

/// Cards remembered at a time. When a further one comes, the one unseen for longest is forgotten.
pub const CARDS_MAX: usize = 4;
/// A card not seen for this many times the usual absence is forgotten even if nothing was clear.
const UNCLEAR_FACTOR: u16 = 10;

/// What one look into the field gave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Look {
    /// This card was read.
    Card(CardUid),
    /// No card answered.
    Empty,
    /// Something answered that was not understood, or no look was possible.
    Unclear,
}

/// Decides which looks are taps.
#[derive(Debug)]
pub struct Debounce {
    absent_looks: u16,
    present: Vec<Present, CARDS_MAX>,
}

#[derive(Debug)]
struct Present {
    uid: CardUid,
    absent: u16,
    unseen: u16,
}

impl Debounce {
    /// A card counts again once it was missing in `absent_looks` looks (1 or more).
    #[must_use]
    pub fn new(absent_looks: u16) -> Self {
        Self {
            absent_looks: absent_looks.max(1),
            present: Vec::new(),
        }
    }

    /// Takes a look; returns the card when it is a tap.
    pub fn look(&mut self, look: Look) -> Option<CardUid> {
        self.age(&look);
        let Look::Card(uid) = look else {
            return None;
        };
        let known = self.present.iter_mut().find(|card| same(&card.uid, &uid));
        if let Some(card) = known {
            card.absent = 0;
            card.unseen = 0;
            return None;
        }
        self.remember(uid.clone());
        Some(uid)
    }

    /// As many unclear looks at once: the reader was away for that long.
    pub fn skip(&mut self, looks: u16) {
        for card in &mut self.present {
            card.unseen = card.unseen.saturating_add(looks);
        }
        self.forget();
    }

    fn age(&mut self, look: &Look) {
        let clear = u16::from(*look != Look::Unclear);
        let seen = match look {
            Look::Card(uid) => Some(uid),
            _ => None,
        };
        for card in &mut self.present {
            if seen.is_some_and(|uid| same(uid, &card.uid)) {
                continue;
            }
            card.absent = card.absent.saturating_add(clear);
            card.unseen = card.unseen.saturating_add(1);
        }
        self.forget();
    }

    fn forget(&mut self) {
        let limit = self.absent_looks;
        let unclear_limit = limit.saturating_mul(UNCLEAR_FACTOR);
        self.present
            .retain(|card| card.absent < limit && card.unseen < unclear_limit);
    }

    fn remember(&mut self, uid: CardUid) {
        if self.present.is_full() {
            let oldest = self.present.iter().enumerate();
            let oldest = oldest.max_by_key(|(_, card)| card.unseen).map(|(at, _)| at);
            if let Some(at) = oldest {
                self.present.swap_remove(at);
            }
        }
        let _ = self.present.push(Present {
            uid,
            absent: 0,
            unseen: 0,
        });
    }
}

/// A card with random numbers shows a new one each time it loses the field for a moment: any two
/// of them count as the same.
fn same(a: &CardUid, b: &CardUid) -> bool {
    a == b || (a.is_random() && b.is_random())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 4] = [0x0a, 2, 3, 4];
    const B: [u8; 4] = [0x0b, 2, 3, 4];

    fn card(bytes: [u8; 4]) -> Look {
        Look::Card(CardUid::new(&bytes).unwrap())
    }

    fn taps(looks: &[Look]) -> usize {
        let mut debounce = Debounce::new(3);
        looks
            .iter()
            .filter(|look| debounce.look((*look).clone()).is_some())
            .count()
    }

    fn repeat(looks: &[Look]) -> std::vec::Vec<Look> {
        looks.iter().cycle().take(200).cloned().collect()
    }

    #[test]
    fn a_card_that_lies_there_counts_once() {
        assert_eq!(taps(&vec![card(A); 100]), 1);
    }

    #[test]
    fn a_flickering_card_counts_once() {
        let flicker = [card(A), Look::Empty, Look::Empty, Look::Unclear];
        assert_eq!(taps(&repeat(&flicker)), 1);
    }

    #[test]
    fn a_card_counts_again_after_it_was_away() {
        let looks = [card(A), Look::Empty, Look::Empty, Look::Empty, card(A)];
        assert_eq!(taps(&looks), 2);
    }

    #[test]
    fn a_second_card_counts_at_once() {
        assert_eq!(taps(&[card(A), card(B)]), 2);
    }

    #[test]
    fn two_cards_that_answer_in_turn_count_once_each() {
        assert_eq!(taps(&repeat(&[card(A), card(B)])), 2);
    }

    #[test]
    fn a_card_with_changing_random_numbers_counts_once() {
        let looks: Vec<Look, 16> = (0..16).map(|n| card([0x08, n, 0, 0])).collect();
        assert_eq!(taps(&looks), 1);
    }

    #[test]
    fn nonsense_alone_does_not_keep_a_card_present_for_ever() {
        let mut looks = vec![card(A)];
        looks.resize(31, Look::Unclear);
        looks.push(card(A));
        assert_eq!(taps(&looks), 2);
    }

    #[test]
    fn a_card_counts_again_after_the_reader_was_away_for_long() {
        let mut debounce = Debounce::new(3);
        assert!(debounce.look(card(A)).is_some());
        debounce.skip(10);
        assert!(debounce.look(card(A)).is_none());
        debounce.skip(30);
        assert!(debounce.look(card(A)).is_some());
    }

    #[test]
    fn the_fifth_card_at_once_pushes_out_the_one_unseen_for_longest() {
        let mut debounce = Debounce::new(10);
        for n in 1..=5 {
            assert!(debounce.look(card([n, 0, 0, 0])).is_some());
        }
        assert!(debounce.look(card([5, 0, 0, 0])).is_none());
        assert!(debounce.look(card([1, 0, 0, 0])).is_some());
    }
}
