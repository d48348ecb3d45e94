// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What was used and missed of each quota lately: how large a slice the box asks for.

use std::collections::HashMap;
use std::time::Duration;

use platen_model::{QuotaId, UserId};

/// A quota, and whose own where each has one.
pub(super) type Place = (QuotaId, Option<UserId>);

/// Use is summed up over a day, and the larger of two days in a row is expected again.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A job that found no room is asked for again within this time; then its owner has gone.
const MISSED: Duration = Duration::from_secs(60 * 60);
/// Quotas and people remembered; the one that was not used for longest is forgotten past this.
const PLACES_MAX: usize = 4096;

#[derive(Clone, Copy, Default)]
struct Use {
    began: Duration,
    seen: Duration,
    this_day: u64,
    last_day: u64,
    missed: Option<(u64, Duration)>,
}

impl Use {
    fn turn(&mut self, now: Duration) {
        let days = now.saturating_sub(self.began).as_secs() / DAY.as_secs();
        if days > 0 {
            self.last_day = if days == 1 { self.this_day } else { 0 };
            self.this_day = 0;
            self.began = now;
        }
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Recent(HashMap<Place, Use>);

impl Recent {
    pub(super) fn note(&mut self, place: Place, amount: u64, now: Duration) {
        let used = self.place(place, now);
        used.this_day = used.this_day.saturating_add(amount);
        used.missed = None;
    }

    pub(super) fn miss(&mut self, place: Place, amount: u64, now: Duration) {
        let used = self.place(place, now);
        let before = used.missed.map_or(0, |(amount, _)| amount);
        used.missed = Some((amount.max(before), now));
    }

    /// What is likely to be used soon.
    pub(super) fn expected(&mut self, now: Duration) -> Vec<(Place, u64)> {
        self.0.values_mut().for_each(|used| used.turn(now));
        self.0.retain(|_, used| {
            let missed = |(_, at): (u64, Duration)| now.saturating_sub(at) < MISSED;
            used.missed = used.missed.filter(|missed_at| missed(*missed_at));
            used.this_day > 0 || used.last_day > 0 || used.missed.is_some()
        });
        let amount = |used: &Use| {
            let missed = used.missed.map_or(0, |(amount, _)| amount);
            used.this_day.max(used.last_day).max(missed)
        };
        let mut expected: Vec<_> = self
            .0
            .iter()
            .map(|(place, used)| (*place, amount(used)))
            .collect();
        expected.sort_unstable();
        expected
    }

    fn place(&mut self, place: Place, now: Duration) -> &mut Use {
        if self.0.len() >= PLACES_MAX && !self.0.contains_key(&place) {
            let oldest = self.0.iter().min_by_key(|(_, used)| used.seen);
            if let Some(oldest) = oldest.map(|(place, _)| *place) {
                self.0.remove(&oldest);
            }
        }
        let fresh = Use {
            began: now,
            ..Use::default()
        };
        let used = self.0.entry(place).or_insert(fresh);
        used.turn(now);
        used.seen = now;
        used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(n: u128) -> Place {
        (QuotaId(uuid(n)), None)
    }

    fn uuid(n: u128) -> uuid::Uuid {
        uuid::Uuid::from_u128(n)
    }

    #[test]
    fn the_larger_of_two_days_is_expected_and_older_use_is_forgotten() {
        let mut recent = Recent::default();
        recent.note(place(1), 70, Duration::ZERO);
        recent.note(place(1), 30, DAY / 2);
        assert_eq!(recent.expected(DAY / 2), [(place(1), 100)]);
        recent.note(place(1), 5, DAY + DAY / 2);
        assert_eq!(recent.expected(DAY + DAY / 2), [(place(1), 100)]);
        assert_eq!(recent.expected(DAY * 3), [(place(1), 5)]);
        assert_eq!(recent.expected(DAY * 6), []);
    }

    #[test]
    fn a_missed_job_is_expected_for_an_hour_or_until_it_fits() {
        let mut recent = Recent::default();
        recent.miss(place(1), 40, Duration::ZERO);
        assert_eq!(recent.expected(MISSED / 2), [(place(1), 40)]);
        assert_eq!(recent.expected(MISSED), []);
        recent.miss(place(1), 40, MISSED);
        recent.note(place(1), 3, MISSED);
        assert_eq!(recent.expected(MISSED), [(place(1), 3)]);
    }

    #[test]
    fn the_place_that_was_not_used_for_longest_is_forgotten_at_the_limit() {
        let mut recent = Recent::default();
        let limit = u128::try_from(PLACES_MAX).unwrap();
        for n in 0..=limit {
            let now = Duration::from_secs(u64::try_from(n).unwrap());
            recent.note(place(n), 1, now);
        }
        let expected = recent.expected(Duration::from_secs(5000));
        assert_eq!(expected.len(), PLACES_MAX);
        assert!(!expected.iter().any(|(known, _)| *known == place(0)));
    }
}
