// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Watches the owner: a call that does not return can't be ended from outside, but it can be told.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use platen_hal::DeviceEvent;

use super::teller::Teller;
use super::{CALL_LIMIT, Shared};
use crate::owner::lock;

/// Time between two looks at the owner.
const TICK: Duration = Duration::from_millis(250);
const CAUSE: &str = "the system does not return from a call to the reader's bus";

/// Runs until the threads shall end.
pub(super) fn watch<E: FnMut(DeviceEvent) -> bool>(shared: &Shared, teller: &Mutex<Teller<E>>) {
    let (mut seen, mut for_long) = (0, Duration::ZERO);
    while !shared.stop.within(TICK) {
        let call = shared.calls.load(Ordering::Acquire);
        let inside = call % 2 == 1;
        for_long = if inside && call == seen {
            for_long + TICK
        } else {
            Duration::ZERO
        };
        seen = call;
        if for_long < CALL_LIMIT {
            continue;
        }
        let mut teller = lock(teller);
        // The owner says that it is back before it takes this lock.
        if shared.calls.load(Ordering::Acquire) != call {
            continue;
        }
        teller.gone(CAUSE);
        if for_long < CALL_LIMIT + TICK {
            let mut state = lock(&shared.state);
            state.running = false;
            state.hangs += 1;
            state.cause = Some(CAUSE.to_owned());
            log::error!(device = teller.name(); "reader's driver hangs in the system");
        }
    }
}
