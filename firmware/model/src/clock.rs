// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Time as a parameter. Two kinds that are never mixed: the wall (what people read, may jump) and
//! elapsed time since start (for limits and deadlines, never jumps).

use std::sync::Mutex;
use std::time::Duration;

/// One reading of a clock: both kinds of time, taken together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Moment {
    /// Wall time, milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
    /// Monotonic time since the clock's own start.
    pub elapsed: Duration,
    /// Whether the wall time was set from a trusted source since the box started.
    pub trusted: bool,
}

/// Tells the time. The daemon has one; tests bring a [`ManualClock`].
pub trait Clock: Send + Sync {
    /// Reads both kinds of time at once. Never blocks.
    fn now(&self) -> Moment;
}

/// A clock that stands still until it is told to move.
#[derive(Debug)]
pub struct ManualClock {
    moment: Mutex<Moment>,
}

impl ManualClock {
    /// A clock that shows `unix_ms` and zero elapsed time.
    #[must_use]
    pub fn at(unix_ms: u64) -> Self {
        let moment = Moment {
            unix_ms,
            elapsed: Duration::ZERO,
            trusted: true,
        };
        Self {
            moment: Mutex::new(moment),
        }
    }

    /// Moves both kinds of time forward by `by`.
    pub fn advance(&self, by: Duration) {
        let mut moment = self.lock();
        moment.elapsed += by;
        moment.unix_ms += u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Moment> {
        self.moment
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        *self.lock()
    }
}
