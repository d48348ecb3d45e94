// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Waiting for a state with a deadline, and the bed's only clocks. A test never waits for "a
//! while": it names what it waits for, and the failure says so.

use std::time::{Duration, Instant, SystemTime};

use crate::process::BedError;

/// First pause between two looks; it grows up to [`SLOWEST_LOOK`].
const FIRST_LOOK: Duration = Duration::from_millis(2);
const SLOWEST_LOOK: Duration = Duration::from_millis(25);

/// Measures elapsed time on the machine's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    start: Instant,
}

impl Stopwatch {
    /// Starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the bed's one monotonic clock")]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Wall time since 1970-01-01 UTC, for comparing with other programs' records.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the bed's one wall clock")]
pub fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Lets `pause` pass. Only for looking again, and where a thing that is simulated takes its time;
/// never as a guess of how long something takes.
#[expect(clippy::disallowed_methods, reason = "the pause between two looks")]
pub fn pause(pause: Duration) {
    std::thread::sleep(pause);
}

/// Looks again and again until `look` finds what it wants, and returns that.
///
/// # Errors
/// [`BedError::Timeout`] naming `what` after `limit`; or what `look` itself failed with.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>, BedError>,
) -> Result<T, BedError> {
    let watch = Stopwatch::start();
    let mut step = FIRST_LOOK;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if watch.elapsed() >= limit {
            return Err(BedError::Timeout {
                what: what.to_owned(),
                limit,
            });
        }
        pause(step);
        step = (step * 2).min(SLOWEST_LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_waited_for_is_named_when_it_does_not_come() {
        let error = until("the moon", Duration::ZERO, || Ok(None::<()>)).unwrap_err();
        assert!(error.to_string().contains("the moon"), "{error}");
    }

    #[test]
    fn a_state_that_comes_late_is_seen() {
        let mut looks = 0;
        let found = until("third look", Duration::from_secs(5), || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.unwrap(), 3);
    }
}
