// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When each queue's state changed, for `printer-state-change-time` (RFC 3995).
//!
//! A change counts from the first answer that tells it: two answers with the same time had the
//! same state, which is what a client compares them for. A change and its reverse that nobody
//! asked between are not seen.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use platen_model::Moment;

/// The state that each queue last showed, by the queue's path. There are as many as queues.
#[derive(Default)]
pub(crate) struct ShownStates(Mutex<BTreeMap<String, Shown>>);

struct Shown {
    state: i32,
    reasons: Vec<String>,
    since: Moment,
}

impl ShownStates {
    /// Since when the queue has shown this state; `now` if it is another one than before.
    pub(crate) fn since(
        &self,
        queue: String,
        state: i32,
        reasons: &[String],
        now: Moment,
    ) -> Moment {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = shown.get(&queue)
            && shown.state == state
            && shown.reasons == reasons
        {
            return shown.since;
        }
        let reasons = reasons.to_vec();
        let since = now;
        let current = Shown {
            state,
            reasons,
            since,
        };
        shown.insert(queue, current);
        since
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment {
            unix_ms: 1000 * seconds,
            elapsed: Duration::from_secs(seconds),
            trusted: true,
        }
    }

    #[test]
    fn the_time_moves_with_the_state_and_its_reasons_only() {
        let states = ShownStates::default();
        let since = |state, reason: &str, now| {
            let reasons = [reason.to_owned()];
            states
                .since("/q".to_owned(), state, &reasons, at(now))
                .unix_ms
        };
        assert_eq!(since(3, "none", 5), 5000);
        assert_eq!(since(3, "none", 9), 5000);
        assert_eq!(since(4, "none", 10), 10_000);
        assert_eq!(since(4, "toner-low-warning", 11), 11_000);
    }
}
