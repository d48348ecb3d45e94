// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How long ago the centre confirmed the copy. A box may have no clock that runs while it is off, and
//! may start with any time of day: so the age is written down from time to time, counts on by elapsed
//! time, and the wall adds what it can tell of the time in between.

use std::time::Duration;

use platen_model::Moment;
use serde::{Deserialize, Serialize};

/// How often the age is written down.
const WRITE_EVERY: Duration = Duration::from_secs(10 * 60);

/// What stands on the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) struct Confirmed {
    /// The centre's clock as it confirmed.
    pub(crate) centre_unix_ms: u64,
    /// Age of the copy when this was written.
    age_ms: u64,
    /// The box's clock when this was written.
    box_unix_ms: u64,
    /// Whether that was to be trusted.
    box_trusted: bool,
}

impl Confirmed {
    /// The centre confirms the copy now.
    pub(crate) fn now(centre_unix_ms: u64, now: Moment) -> Self {
        Self {
            centre_unix_ms,
            age_ms: 0,
            box_unix_ms: now.unix_ms,
            box_trusted: now.trusted,
        }
    }
}

/// The age in this run of the daemon.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Age {
    base: Option<Base>,
}

#[derive(Clone, Copy, Debug)]
struct Base {
    /// Age at `elapsed`.
    age: Duration,
    elapsed: Duration,
    /// What was read at the start, while the centre has not confirmed since.
    read: Option<Confirmed>,
    /// When it was last written down, by elapsed time.
    written: Duration,
}

impl Age {
    /// Takes up what an earlier run wrote.
    pub(crate) fn read(confirmed: Option<Confirmed>, now: Moment) -> Self {
        let base = confirmed.map(|confirmed| Base {
            age: Duration::from_millis(confirmed.age_ms),
            elapsed: now.elapsed,
            read: Some(confirmed),
            written: now.elapsed,
        });
        Self { base }
    }

    /// The centre confirms the copy now.
    pub(crate) fn confirm(&mut self, now: Moment) {
        self.base = Some(Base {
            age: Duration::ZERO,
            elapsed: now.elapsed,
            read: None,
            written: now.elapsed,
        });
    }

    pub(crate) fn at(&self, now: Moment) -> Option<Duration> {
        let base = self.base?;
        let counted = base.age + now.elapsed.saturating_sub(base.elapsed);
        let by_wall = base.read.map_or(Duration::ZERO, |read| by_wall(read, now));
        Some(counted.max(by_wall))
    }

    /// What is to be written, when it is time to.
    pub(crate) fn due(&self, confirmed: Option<Confirmed>, now: Moment) -> Option<Confirmed> {
        let base = self.base?;
        let age = self.at(now)?;
        let since = now.elapsed.saturating_sub(base.written);
        let last = confirmed?;
        let written_age = Duration::from_millis(last.age_ms);
        if since < WRITE_EVERY || age.saturating_sub(written_age) < WRITE_EVERY {
            return None;
        }
        Some(Confirmed {
            centre_unix_ms: last.centre_unix_ms,
            age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX),
            box_unix_ms: now.unix_ms,
            box_trusted: now.trusted,
        })
    }

    /// Whether a confirmation now is worth a write of its own.
    pub(crate) fn worth_writing(&self, now: Moment) -> bool {
        self.base.is_none_or(|base| {
            base.read.is_some() || now.elapsed.saturating_sub(base.written) >= WRITE_EVERY
        })
    }

    /// Goes on from what stood there before, which stays the last thing written.
    pub(crate) fn keep_written(&mut self, before: &Self) {
        if let (Some(base), Some(before)) = (&mut self.base, before.base) {
            base.written = before.written;
        }
    }
}

/// What the wall tells of the time since `read` was written. A box that wrote it with a clock not to
/// be trusted and has a good one now compares with the centre's clock instead of its own.
fn by_wall(read: Confirmed, now: Moment) -> Duration {
    let since = |from_ms: u64| Duration::from_millis(now.unix_ms.saturating_sub(from_ms));
    if now.trusted && !read.box_trusted {
        since(read.centre_unix_ms)
    } else {
        Duration::from_millis(read.age_ms) + since(read.box_unix_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    const T0: u64 = 1_800_000_000_000;

    fn at(unix_ms: u64, elapsed_days: u64, trusted: bool) -> Moment {
        Moment {
            unix_ms,
            elapsed: Duration::from_millis(elapsed_days * DAY_MS),
            trusted,
        }
    }

    fn days(age: Option<Duration>) -> u64 {
        age.expect("confirmed once").as_secs() / (24 * 60 * 60)
    }

    #[test]
    fn within_one_run_the_wall_counts_for_nothing() {
        let mut age = Age::default();
        assert_eq!(age.at(at(T0, 0, true)), None);
        age.confirm(at(0, 1, false));
        assert_eq!(
            days(age.at(at(T0, 3, true))),
            2,
            "the wall jumped by decades"
        );
        assert_eq!(days(age.at(at(0, 3, false))), 2);
    }

    #[test]
    fn time_while_the_box_was_off_counts_as_far_as_its_clock_tells() {
        let confirmed = Confirmed::now(T0, at(T0, 9, true));
        let later = |unix_ms, trusted| {
            let age = Age::read(Some(confirmed), at(unix_ms, 0, trusted));
            days(age.at(at(unix_ms, 0, trusted)))
        };
        assert_eq!(later(T0 + 40 * DAY_MS, true), 40);
        assert_eq!(later(T0 + 40 * DAY_MS, false), 40);
        assert_eq!(later(0, false), 0, "a clock that began anew tells nothing");
    }

    #[test]
    fn a_clock_that_was_wrong_before_does_not_make_the_copy_decades_old() {
        let confirmed = Confirmed::now(T0, at(0, 9, false));
        let now = at(T0 + 3 * DAY_MS, 0, true);
        assert_eq!(days(Age::read(Some(confirmed), now).at(now)), 3);
    }

    #[test]
    fn a_box_without_a_clock_that_is_switched_off_daily_still_ages() {
        let mut confirmed = Confirmed::now(T0, at(0, 0, false));
        for _ in 0..10 {
            let age = Age::read(Some(confirmed), at(0, 0, false));
            confirmed = age.due(Some(confirmed), at(DAY_MS, 1, false)).unwrap();
        }
        let start = at(0, 0, false);
        assert_eq!(days(Age::read(Some(confirmed), start).at(start)), 10);
    }
}
