// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When to try again. One [`Pace`] for each loop over the link (pull, push). No clock: durations come
//! out, random bits go in.
//!
//! A box is to be back within 10 s of the link (DESIGN §5 point 4), also when a link was lost without
//! a word: an answer that does not come in [`ANSWER_MS`] is given up, and the next try follows within
//! [`RETRY_MS_MAX`] and a quarter.

use std::time::Duration;

use crate::message::RefusalCode;

/// Milliseconds for which a pull asks the centre to wait for news.
pub const POLL_MS: u64 = 5_000;
/// Milliseconds after which a connection that does not come about is given up.
pub const CONNECT_MS: u64 = 2_000;
/// Milliseconds after which an answer is given up that asked for no waiting; a pull adds its own.
pub const ANSWER_MS: u64 = 4_000;
/// First wait after a failure, milliseconds; it doubles up to [`RETRY_MS_MAX`].
pub const RETRY_MS_MIN: u64 = 250;
/// Longest wait while the centre is not reached.
pub const RETRY_MS_MAX: u64 = 4_000;
/// Longest wait while the centre says that it is busy: hundreds of boxes wait with this one.
pub const BUSY_MS_MAX: u64 = 60_000;
/// Wait after a refusal that only a person can lift.
pub const REFUSED_MS: u64 = 60_000;
/// Least time between two pulls that were answered without news at once.
pub const IDLE_MS_MIN: u64 = 100;

/// How a try ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Try {
    /// It was served and there is more to say.
    More,
    /// It was served.
    Served,
    /// The answer made no sense, or its page was refused.
    Nonsense,
    /// The centre did not serve it and said why.
    Refused(RefusalCode),
    /// No connection, or it was cut, or no answer in time.
    Unreachable,
}

/// Counts failures in a row.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pace {
    failures: u32,
}

impl Pace {
    /// How long to wait before the next try. `random` spreads the boxes of a site: any bits.
    pub fn after(&mut self, ended: Try, random: u64) -> Duration {
        let wait_ms = match ended {
            Try::More => return self.restart(Duration::ZERO),
            Try::Served => return self.restart(Duration::from_millis(IDLE_MS_MIN)),
            Try::Unreachable => self.backed_off(RETRY_MS_MAX),
            Try::Nonsense | Try::Refused(RefusalCode::Busy | RefusalCode::Other) => {
                self.backed_off(BUSY_MS_MAX)
            }
            // The caller renews and comes back.
            Try::Refused(RefusalCode::CertificateExpired) => self.backed_off(BUSY_MS_MAX),
            Try::Refused(_) => REFUSED_MS,
        };
        Duration::from_millis(wait_ms + random % (wait_ms / 4 + 1))
    }

    /// The network changed (a cable, an address): try at once.
    pub fn link_up(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    fn restart(&mut self, wait: Duration) -> Duration {
        self.failures = 0;
        wait
    }

    fn backed_off(&mut self, max_ms: u64) -> u64 {
        let doubled = RETRY_MS_MIN.checked_shl(self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        doubled.unwrap_or(max_ms).min(max_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_tries_again_within_ten_seconds_of_the_link_however_long_it_was_away() {
        let mut pace = Pace::default();
        for _ in 0..1_000_000 {
            let wait = pace.after(Try::Unreachable, u64::MAX - 7);
            // The link comes back just as a try has begun that still fails.
            let worst = Duration::from_millis(CONNECT_MS) + wait;
            assert!(worst < Duration::from_secs(10), "{worst:?}");
        }
        // A pull that was on its way as the link broke without a word.
        let mut pace = Pace::default();
        let lost = Duration::from_millis(POLL_MS + ANSWER_MS);
        assert!(lost + pace.after(Try::Unreachable, u64::MAX) < Duration::from_secs(10));
    }

    #[test]
    fn waits_double_and_begin_anew_after_an_answer() {
        let mut pace = Pace::default();
        let mut wait = || pace.after(Try::Unreachable, 0).as_millis();
        let waits: Vec<_> = (0..6).map(|_| wait()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 4000]);
        assert_eq!(pace.after(Try::More, 9), Duration::ZERO);
        assert_eq!(pace.after(Try::Unreachable, 0).as_millis(), 250);
        pace.link_up();
        assert_eq!(pace.failures(), 0);
    }

    #[test]
    fn a_busy_centre_is_left_alone_and_boxes_are_spread() {
        let mut pace = Pace::default();
        let busy = Try::Refused(RefusalCode::Busy);
        while pace.failures() < 20 {
            pace.after(busy, 0);
        }
        let waits = [0, 5_000, 10_000].map(|random| pace.after(busy, random).as_millis());
        assert_eq!(waits, [60_000, 65_000, 70_000]);
        let revoked = pace.after(Try::Refused(RefusalCode::Revoked), 0);
        assert_eq!(revoked, Duration::from_millis(REFUSED_MS));
    }
}
