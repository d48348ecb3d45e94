// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Highest reading counters of cards that write SUN messages: a message that was seen is none any
//! more. They are in memory alone: a restart of the process forgets them.

use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Cards whose reading counter is kept; the one read longest ago is forgotten for a further one.
pub const COUNTERS_MAX: usize = 2_048;

/// The highest counter of each card, the card read last at the end. Clones are one, so that all
/// readers know what one of them saw, also one that was opened anew.
#[derive(Clone)]
pub(crate) struct SunCounters(Arc<Mutex<Vec<Counted>>>);

/// A card's number, and its highest counter.
type Counted = ([u8; 7], u32);

impl SunCounters {
    /// All room is taken here: a running driver allocates nothing.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Vec::with_capacity(COUNTERS_MAX))))
    }

    /// Keeps the counter; false when it is not above the highest.
    pub(crate) fn advance(&self, uid: [u8; 7], counter: u32) -> bool {
        // Whole also after a panic elsewhere: nothing below panics between its steps.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = known.iter().position(|(known, _)| *known == uid) {
            let (_, highest) = known.remove(at);
            known.push((uid, highest.max(counter)));
            return counter > highest;
        }
        if known.len() >= COUNTERS_MAX {
            known.remove(0);
        }
        known.push((uid, counter));
        true
    }
}

impl fmt::Debug for SunCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SunCounters")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_must_grow_and_the_oldest_card_is_forgotten() {
        let counters = SunCounters::new();
        let uid = |n: usize| {
            let [a, b, ..] = n.to_le_bytes();
            [4, a, b, 0, 0, 0, 0]
        };
        assert!(counters.advance(uid(0), 5));
        assert!(!counters.advance(uid(0), 5));
        assert!(!counters.advance(uid(0), 4));
        assert!(!counters.advance(uid(0), 5), "an old one lowers nothing");
        assert!(counters.advance(uid(0), 6));
        for n in 1..COUNTERS_MAX {
            assert!(counters.advance(uid(n), 1));
        }
        assert!(!counters.advance(uid(0), 6), "still kept");
        assert!(counters.advance(uid(COUNTERS_MAX), 1));
        assert!(!counters.advance(uid(0), 6), "read after the others");
        assert!(counters.advance(uid(1), 1), "the oldest made room");
        assert_eq!(counters.0.lock().unwrap().len(), COUNTERS_MAX);
    }
}
