// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a driver saw last: a fixed ring of typed entries and counters, for `platenctl ring` and the
//! status page. It never holds a card number, so that it can be shown and logged as it is.

use std::fmt;

use heapless::HistoryBuf;

/// Entries a driver keeps; older ones are overwritten.
pub const TRACE_LEN: usize = 64;

/// One thing that a card reader's driver saw.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TraceEvent {
    /// The chip was reset and configured; its version register.
    Started {
        /// Version register, such as 0x92.
        version: u8,
    },
    /// More than one card answered and differed at this bit.
    Collision {
        /// Cascade level, 1–3.
        level: u8,
        /// Bit of the level's UID part, 1–32.
        bit: u8,
    },
    /// A card was selected.
    Selected {
        /// UID length: 4, 7 or 10 bytes.
        uid_len: u8,
        /// The card's last SAK.
        sak: u8,
    },
    /// A finger was looked at.
    Finger {
        /// Whether it matches a template.
        matched: bool,
    },
    /// A finger that was too wet, too dry, moved, or only a part of it.
    FingerPoor,
    /// A finger was enrolled.
    Enrolled,
    /// The part said no; its own code for why.
    Refused {
        /// The code.
        code: i16,
    },
    /// The selected card proved its number with a key.
    Proved,
    /// A card, or the part on its wire, answered nonsense.
    Garbled {
        /// What was wrong.
        cause: &'static str,
    },
    /// The chip stopped answering as its kind must.
    Gone {
        /// What was seen.
        cause: &'static str,
    },
    /// The bus itself failed.
    BusFailed,
}

/// An entry with the poll in which it was seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TraceEntry {
    /// Number of the poll, from 1; 0 before the first.
    pub poll: u64,
    /// What was seen.
    pub event: TraceEvent,
}

impl fmt::Display for TraceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "poll {}: ", self.poll)?;
        match self.event {
            TraceEvent::Started { version } => write!(f, "started, version 0x{version:02x}"),
            TraceEvent::Collision { level, bit } => write!(f, "collision, level {level} bit {bit}"),
            TraceEvent::Selected { uid_len, sak } => {
                write!(f, "selected a {uid_len}-byte UID, SAK 0x{sak:02x}")
            }
            TraceEvent::Finger { matched: true } => f.write_str("a finger that is known"),
            TraceEvent::Finger { matched: false } => f.write_str("a finger that is not known"),
            TraceEvent::FingerPoor => f.write_str("a poor finger"),
            TraceEvent::Enrolled => f.write_str("a finger was enrolled"),
            TraceEvent::Refused { code } => write!(f, "refused, code {code}"),
            TraceEvent::Proved => f.write_str("card proved its number"),
            TraceEvent::Garbled { cause } => write!(f, "garbled: {cause}"),
            TraceEvent::Gone { cause } => write!(f, "gone: {cause}"),
            TraceEvent::BusFailed => f.write_str("bus failed"),
        }
    }
}

/// Counters of a card reader's driver, since it was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReaderCounters {
    /// Looks into the field.
    pub polls: u64,
    /// Bus transactions.
    pub transactions: u64,
    /// Cards selected.
    pub cards: u64,
    /// Cards that proved their number.
    pub proved: u64,
    /// Fingers looked at, known or not.
    pub fingers: u64,
    /// Fingers that were too poor to look at.
    pub fingers_poor: u64,
    /// Fingers enrolled.
    pub enrolled: u64,
    /// Bits at which cards collided.
    pub collisions: u64,
    /// Looks that ended in nonsense from a card.
    pub garbled: u64,
    /// Times the part said no.
    pub refused: u64,
    /// Times the chip was found gone, or its bus failed.
    pub gone: u64,
    /// Times the chip was started.
    pub starts: u64,
}

impl ReaderCounters {
    /// The counters by name, as in the local API.
    #[must_use]
    pub fn by_name(&self) -> [(&'static str, u64); 12] {
        [
            ("polls", self.polls),
            ("transactions", self.transactions),
            ("cards", self.cards),
            ("proved", self.proved),
            ("fingers", self.fingers),
            ("fingers_poor", self.fingers_poor),
            ("enrolled", self.enrolled),
            ("collisions", self.collisions),
            ("garbled", self.garbled),
            ("refused", self.refused),
            ("gone", self.gone),
            ("starts", self.starts),
        ]
    }
}

/// Ring and counters of one driver. Costs no allocation.
#[derive(Clone, Debug, Default)]
pub struct ReaderTrace {
    ring: HistoryBuf<TraceEntry, TRACE_LEN>,
    /// The counters; the driver counts, others read.
    pub counters: ReaderCounters,
}

impl ReaderTrace {
    /// Writes down what was seen in the current poll, and counts it.
    pub fn record(&mut self, event: TraceEvent) {
        let counter = match event {
            TraceEvent::Started { .. } => &mut self.counters.starts,
            TraceEvent::Collision { .. } => &mut self.counters.collisions,
            TraceEvent::Selected { .. } => &mut self.counters.cards,
            TraceEvent::Proved => &mut self.counters.proved,
            TraceEvent::Finger { .. } => &mut self.counters.fingers,
            TraceEvent::FingerPoor => &mut self.counters.fingers_poor,
            TraceEvent::Enrolled => &mut self.counters.enrolled,
            TraceEvent::Refused { .. } => &mut self.counters.refused,
            TraceEvent::Garbled { .. } => &mut self.counters.garbled,
            TraceEvent::Gone { .. } | TraceEvent::BusFailed => &mut self.counters.gone,
        };
        *counter += 1;
        self.ring.write(TraceEntry {
            poll: self.counters.polls,
            event,
        });
    }

    /// The entries, oldest first, at most [`TRACE_LEN`].
    pub fn entries(&self) -> impl Iterator<Item = &TraceEntry> {
        self.ring.oldest_ordered()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_drops_its_oldest_entries_and_keeps_counting() {
        let mut trace = ReaderTrace::default();
        for poll in 1..=100 {
            trace.counters.polls = poll;
            trace.record(TraceEvent::BusFailed);
        }
        assert_eq!(trace.counters.gone, 100);
        let polls: Vec<u64> = trace.entries().map(|entry| entry.poll).collect();
        assert_eq!(polls, (37..=100).collect::<Vec<u64>>());
    }
}
