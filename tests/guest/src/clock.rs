// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The guest's only clock and its only pause.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since the guest's start.
#[must_use]
pub fn uptime() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

/// Lets `pause` pass between two looks.
#[expect(clippy::disallowed_methods, reason = "the pause between two looks")]
pub fn pause(pause: Duration) {
    std::thread::sleep(pause);
}

/// Looks every 20 ms until `look` finds what it wants; `None` after `limit`.
pub fn until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = uptime() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if uptime() >= end {
            return None;
        }
        pause(Duration::from_millis(20));
    }
}
