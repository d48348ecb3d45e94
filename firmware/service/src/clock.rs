// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The program's own clock: the one place that reads the operating system's time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use platen_model::{Clock, Moment};

/// Wall time before this (2026-01-01) means that the clock was never set: machines without a battery
/// start in 1970.
pub const PLAUSIBLE_UNIX_MS: u64 = 1_767_225_600_000;

/// Reads the operating system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose elapsed time begins now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the Clock that everything else takes"
    )]
    #[must_use]
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the Clock that everything else takes"
    )]
    fn now(&self) -> Moment {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let unix_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        Moment {
            unix_ms,
            elapsed: self.started.elapsed(),
            trusted: unix_ms >= PLAUSIBLE_UNIX_MS,
        }
    }
}
