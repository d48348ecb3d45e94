// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A delay that does not wait and adds up what was asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use embedded_hal::delay::DelayNs;

/// Counts the time a driver wanted to wait. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct SimDelay {
    total_ns: Arc<AtomicU64>,
}

impl SimDelay {
    /// Milliseconds asked for so far, rounded down.
    #[must_use]
    pub fn total_ms(&self) -> u64 {
        self.total_ns.load(Ordering::Relaxed) / 1_000_000
    }
}

impl DelayNs for SimDelay {
    fn delay_ns(&mut self, ns: u32) {
        self.total_ns.fetch_add(u64::from(ns), Ordering::Relaxed);
    }
}
