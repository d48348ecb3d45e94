// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether each part of a program still comes round. A part has a pulse that changes each time it
//! does; one whose pulse stands still for longer than its limit is stuck.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a part is at when it is looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pulse {
    /// It works; the number changes each time it comes round.
    At(u64),
    /// It waits for something outside that takes as long as it takes, such as a printer.
    Waits,
}

/// A pulse that a part beats by itself.
#[derive(Debug, Default)]
pub struct Beat(AtomicU64);

impl Beat {
    /// The part comes round.
    pub fn beat(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// How often it has.
    #[must_use]
    pub fn pulse(&self) -> Pulse {
        Pulse::At(self.0.load(Ordering::Acquire))
    }
}

/// A part that does not come round.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stuck {
    /// Its name.
    pub part: String,
    /// For how long it has not.
    pub for_long: Duration,
}

/// The parts of a program.
#[derive(Default)]
pub struct Liveness(Vec<Part>);

struct Part {
    name: String,
    limit: Duration,
    pulse: Box<dyn Fn() -> Pulse + Send>,
    last: Option<Pulse>,
    since: Duration,
}

impl Liveness {
    /// Looks at one more part, which comes round within `limit`.
    pub fn watch(
        &mut self,
        name: impl Into<String>,
        limit: Duration,
        pulse: impl Fn() -> Pulse + Send + 'static,
    ) {
        self.0.push(Part {
            name: name.into(),
            limit,
            pulse: Box::new(pulse),
            last: None,
            since: Duration::ZERO,
        });
    }

    /// The same with a beat, which is given to the part.
    pub fn beat(&mut self, name: impl Into<String>, limit: Duration) -> Arc<Beat> {
        let beat = Arc::<Beat>::default();
        let seen = Arc::clone(&beat);
        self.watch(name, limit, move || seen.pulse());
        beat
    }

    /// Looks at every part; those that are stuck. `elapsed` never runs backwards.
    pub fn look(&mut self, elapsed: Duration) -> Vec<Stuck> {
        let stuck = self.0.iter_mut().filter_map(|part| part.look(elapsed));
        stuck.collect()
    }
}

impl Part {
    fn look(&mut self, elapsed: Duration) -> Option<Stuck> {
        let pulse = (self.pulse)();
        if pulse == Pulse::Waits || self.last != Some(pulse) {
            (self.last, self.since) = (Some(pulse), elapsed);
        }
        let for_long = elapsed.saturating_sub(self.since);
        (for_long > self.limit).then(|| Stuck {
            part: self.name.clone(),
            for_long,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_part_is_stuck_when_it_has_not_come_round_within_its_limit() {
        let mut liveness = Liveness::default();
        let (slow, quick) = (
            liveness.beat("slow", at(60)),
            liveness.beat("quick", at(10)),
        );
        assert!(liveness.look(at(100)).is_empty(), "the first look begins");
        assert!(liveness.look(at(110)).is_empty());
        let stuck = liveness.look(at(111));
        assert_eq!(stuck.len(), 1);
        assert_eq!(
            (stuck[0].part.as_str(), stuck[0].for_long),
            ("quick", at(11))
        );
        quick.beat();
        assert!(liveness.look(at(112)).is_empty(), "it came round after all");
        slow.beat();
        quick.beat();
        assert!(liveness.look(at(120)).is_empty());
        let both: Vec<_> = liveness.look(at(200)).into_iter().collect();
        assert_eq!(both.len(), 2);
    }

    #[test]
    fn a_part_that_waits_for_something_outside_is_not_stuck() {
        let mut liveness = Liveness::default();
        let waits = Arc::new(AtomicU64::new(1));
        let seen = Arc::clone(&waits);
        liveness.watch("printer", at(10), move || {
            match seen.load(Ordering::Acquire) {
                1 => Pulse::Waits,
                number => Pulse::At(number),
            }
        });
        for hour in 0..5 {
            assert!(liveness.look(at(hour * 3600)).is_empty());
        }
        waits.store(2, Ordering::Release);
        assert!(liveness.look(at(5 * 3600)).is_empty());
        assert!(!liveness.look(at(6 * 3600)).is_empty());
    }
}
