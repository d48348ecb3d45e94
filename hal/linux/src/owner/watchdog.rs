// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Watches an owner: a call that does not return can't be ended from outside, but it can be told.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use platen_hal::DeviceEvent;

use super::teller::Teller;
use super::{Stop, lock};

/// Time between two looks at the owner: what is told is late by this at most.
const TICK: Duration = Duration::from_millis(250);
/// What is told.
pub(crate) const HUNG: &str = "the system does not return from a call to the device's bus";

/// The calls of an owner into its driver.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Odd while the owner is inside a call; grows by two with each.
    number: AtomicU64,
    /// Longest call that is none to tell of.
    limit_ms: AtomicU64,
}

impl Calls {
    /// Calls `work`, which must not panic, and is told when it takes longer than `limit`.
    pub(crate) fn watched<T>(&self, limit: Duration, work: impl FnOnce() -> T) -> T {
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.limit_ms.store(limit_ms, Ordering::Release);
        self.number.fetch_add(1, Ordering::AcqRel);
        let done = work();
        self.number.fetch_add(1, Ordering::AcqRel);
        done
    }

    /// Grows with each call, and stands still while one does not return.
    pub(crate) fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    fn limit(&self) -> Duration {
        Duration::from_millis(self.limit_ms.load(Ordering::Acquire))
    }
}

/// Runs until the threads shall end. Tells a call that is over its limit as a device that is gone,
/// and calls `hung` at each look as long as it lasts, with true at the first.
pub(crate) fn watch<E: FnMut(DeviceEvent) -> bool>(
    calls: &Calls,
    stop: &Stop,
    teller: &Mutex<Teller<E>>,
    mut hung: impl FnMut(bool),
) {
    let (mut seen, mut for_long, mut told) = (0, Duration::ZERO, None);
    while !stop.within(TICK) {
        let call = calls.number();
        for_long = match call % 2 == 1 && call == seen {
            true => for_long + TICK,
            false => Duration::ZERO,
        };
        seen = call;
        if for_long.is_zero() || for_long < calls.limit() {
            continue;
        }
        let mut teller = lock(teller);
        // The owner says that it is back before it takes this lock.
        if calls.number() != call {
            continue;
        }
        teller.gone(HUNG);
        let first = told != Some(call);
        if first {
            told = Some(call);
            log::error!(device = teller.name(); "device's driver hangs in the system");
        }
        hung(first);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{RecvTimeoutError, sync_channel};

    use crate::owner::BoundedThread;

    use super::*;

    #[test]
    fn each_call_is_told_behind_its_own_limit() {
        let (sender, events) = sync_channel(4);
        let sink = move |event| sender.try_send(event).is_ok();
        let teller = Mutex::new(Teller::new("door", sink));
        let (calls, stop) = (Arc::<Calls>::default(), Stop::default());
        let (watched, seen) = (Arc::clone(&calls), stop.clone());
        let thread = BoundedThread::spawn("watch".to_owned(), move || {
            watch(&watched, &seen, &teller, |_| ());
        });
        let wait = Duration::from_secs(1);
        let long = calls.watched(2 * wait, || events.recv_timeout(wait));
        assert_eq!(long, Err(RecvTimeoutError::Timeout));
        let hung = calls.watched(wait, || events.recv_timeout(10 * wait));
        assert!(
            matches!(&hung, Ok(DeviceEvent::ReaderGone { cause, .. }) if cause == HUNG),
            "{hung:?}"
        );
        stop.set();
        drop(thread.unwrap());
        assert_eq!(events.recv(), Err(std::sync::mpsc::RecvError));
    }
}
