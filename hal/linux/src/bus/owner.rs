// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The owner's life: open, start, look, and again from the start when something is wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platen_drivers::{Debounce, Look};
use platen_hal::{CardReader, CardUid, DeviceEvent, ReaderError};
use platen_model::Chain;

use super::{ABSENCE, CALL_LIMIT, OpenError, OpenReader, Shared};
use crate::owner::teller::Teller;
use crate::owner::{lock, looks_in};

/// First pause before a reader that is gone is started again; it doubles from try to try.
const RESTART_MIN: Duration = Duration::from_millis(100);
/// Longest pause, with a start on top: a reader that is plugged in again works within 2 s.
const RESTART_MAX: Duration = Duration::from_millis(1_500);
/// Looks that must work before the pause is short again, so that a loose plug does not flap.
const GOOD_LOOKS: u32 = 20;
/// Failed starts after which a reader is opened anew, whatever its error was.
const STARTS_MAX: u32 = 5;
/// Keys taken after one look.
const KEYS_MAX: usize = 16;
/// Pause after a look that gave nothing, of a reader that waits by itself: one that does not keep
/// to that must not keep a core busy.
const QUIET: Duration = Duration::from_millis(2);

/// A reader, or how to get one.
pub(super) enum Driver {
    Open(Box<dyn CardReader>),
    Opener(OpenReader, Option<Box<dyn CardReader>>),
}

impl Driver {
    fn reader(&mut self) -> Option<&mut Box<dyn CardReader>> {
        match self {
            Self::Open(reader) => Some(reader),
            Self::Opener(_, reader) => reader.as_mut(),
        }
    }

    fn open(&mut self) -> Result<(), OpenError> {
        if let Self::Opener(open, reader @ None) = self {
            *reader = Some(open()?);
        }
        Ok(())
    }

    /// A reader that can be opened again is let go, with everything it holds.
    fn close(&mut self) {
        if let Self::Opener(_, reader) = self {
            *reader = None;
        }
    }
}

/// Why there is no look.
enum Fault {
    NotOpened(OpenError),
    Reader(ReaderError),
    /// A bug of the driver, which must not cost the box its reader.
    Bug,
}

impl Fault {
    fn sentence(&self) -> String {
        match self {
            Self::NotOpened(error) => Chain(error.as_ref()).to_string(),
            Self::Reader(error) => error.to_string(),
            Self::Bug => "the driver met a bug".to_owned(),
        }
    }
}

pub(super) struct Owner<E> {
    driver: Driver,
    teller: Arc<Mutex<Teller<E>>>,
    interval: Duration,
    debounce: Debounce,
    shared: Arc<Shared>,
    running: bool,
    good_looks: u32,
    failed_starts: u32,
    pause: Duration,
}

impl<E: FnMut(DeviceEvent) -> bool> Owner<E> {
    pub(super) fn new(
        driver: Driver,
        interval: Duration,
        teller: Arc<Mutex<Teller<E>>>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            driver,
            teller,
            interval,
            debounce: Debounce::new(looks_in(ABSENCE, interval)),
            shared,
            running: false,
            good_looks: 0,
            failed_starts: 0,
            pause: RESTART_MIN,
        }
    }

    pub(super) fn run(mut self) {
        let mut wait = Duration::ZERO;
        while !self.shared.stop.within(wait) {
            if self.shared.reopen.swap(false, Ordering::AcqRel) {
                self.close();
                self.running = false;
            }
            let step = if self.running {
                self.look()
            } else {
                self.start()
            };
            wait = step.unwrap_or_else(|fault| self.gone(&fault));
            self.publish();
        }
    }

    /// Calls the driver, under the watchdog's eyes.
    fn call<T>(&mut self, work: impl FnOnce(&mut Driver) -> Result<T, Fault>) -> Result<T, Fault> {
        let driver = AssertUnwindSafe(|| work(&mut self.driver));
        let calls = &self.shared.calls;
        let done = calls.watched(CALL_LIMIT, || catch_unwind(driver));
        done.unwrap_or(Err(Fault::Bug))
    }

    fn start(&mut self) -> Result<Duration, Fault> {
        if self.failed_starts >= STARTS_MAX {
            self.failed_starts = 0;
            self.close();
        }
        self.failed_starts += 1;
        self.call(|driver| {
            driver.open().map_err(Fault::NotOpened)?;
            let reader = driver.reader().ok_or(Fault::Bug)?;
            reader.start().map_err(Fault::Reader)
        })?;
        self.failed_starts = 0;
        self.running = true;
        self.answers();
        Ok(Duration::ZERO)
    }

    fn close(&mut self) {
        // One that panics while it is let go is gone as well.
        let _ = self.call(|driver| {
            driver.close();
            Ok(())
        });
    }

    fn look(&mut self) -> Result<Duration, Fault> {
        let signal = lock(&self.shared.signal).take();
        let look = self.call(|driver| {
            let reader = driver.reader().ok_or(Fault::Bug)?;
            if let Some(signal) = signal {
                reader.show(signal);
            }
            match reader.poll() {
                Ok(Some(uid)) => Ok(Look::Card(uid)),
                Ok(None) => Ok(Look::Empty),
                // A card or number that is refused is no fault of the reader.
                Err(ReaderError::Garbled { .. } | ReaderError::Refused { .. }) => Ok(Look::Unclear),
                Err(error) => Err(Fault::Reader(error)),
            }
        })?;
        self.good_looks = self.good_looks.saturating_add(1);
        if self.good_looks >= GOOD_LOOKS {
            self.pause = RESTART_MIN;
        }
        self.answers();
        self.take_keys();
        Ok(self.after(look))
    }

    /// What a look means, and how long until the next one.
    fn after(&mut self, look: Look) -> Duration {
        let waits = self.driver.reader().is_some_and(|reader| reader.waits());
        let (card, pause) = match (waits, look) {
            (true, Look::Card(uid)) => (Some(uid), Duration::ZERO),
            (true, _) => (None, QUIET),
            (false, look) => (self.debounce.look(look), self.interval),
        };
        if let Some(uid) = card {
            self.tap(uid);
        }
        pause
    }

    /// Also behind a call that hung.
    fn answers(&mut self) {
        let mut state = lock(&self.shared.state);
        state.running = true;
        state.cause = None;
        drop(state);
        lock(&self.teller).back();
    }

    fn gone(&mut self, fault: &Fault) -> Duration {
        self.running = false;
        self.good_looks = 0;
        if !matches!(fault, Fault::Reader(ReaderError::Gone { .. })) {
            self.close();
        }
        let cause = fault.sentence();
        let mut state = lock(&self.shared.state);
        state.running = false;
        state.cause = Some(cause.clone());
        drop(state);
        lock(&self.teller).gone(&cause);
        let pause = self.pause;
        self.pause = (pause * 2).min(RESTART_MAX);
        self.debounce.skip(looks_in(pause, self.interval));
        pause
    }

    fn tap(&mut self, uid: CardUid) {
        let proof = self.driver.reader().map(|reader| reader.proof());
        let mut teller = lock(&self.teller);
        let taken = teller.tap(uid, proof.unwrap_or_default());
        let mut state = lock(&self.shared.state);
        if taken {
            state.taps += 1;
            return;
        }
        state.taps_dropped += 1;
        // A flood of taps is no flood of lines.
        if state.taps_dropped.is_power_of_two() {
            log::warn!(device = teller.name(), dropped = state.taps_dropped;
                "taps dropped, they were not taken");
        }
    }

    fn take_keys(&mut self) {
        let Some(reader) = self.driver.reader() else {
            return;
        };
        let mut teller = lock(&self.teller);
        let open = reader.tampered();
        teller.case(open);
        let keys = (0..KEYS_MAX).map_while(|_| reader.take_key());
        let dropped = keys.filter(|key| !teller.key(*key)).count();
        let mut state = lock(&self.shared.state);
        state.tampered = open;
        state.keys_dropped += dropped as u64;
    }

    fn publish(&mut self) {
        let trace = self.driver.reader().and_then(|reader| reader.trace());
        // One that was opened anew has seen nothing yet: what its predecessor saw stays.
        if let Some(trace) = trace.filter(|trace| trace.entries().next().is_some()) {
            lock(&self.shared.state).trace.clone_from(trace);
        }
    }
}
