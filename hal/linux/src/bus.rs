// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread that owns a card reader's bus: looks into the field at an interval, turns looks into
//! taps, notices a reader that is gone and starts it again until it is back.
//!
//! Events go to a sink that must not block. When it takes none: a tap is dropped and counted (the
//! person taps again); the reader's state is kept and offered again, newest only.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use platen_drivers::{Debounce, Look};
use platen_hal::{CardReader, CardUid, DeviceEvent, ReaderError, ReaderTrace};

/// Time without a card after which it counts again.
pub const ABSENCE: Duration = Duration::from_millis(300);
/// First pause before a reader that is gone is started again; it doubles from try to try.
const RESTART_MIN: Duration = Duration::from_millis(100);
/// Longest pause: a reader that is plugged in again works within this time.
const RESTART_MAX: Duration = Duration::from_secs(2);
/// Looks that must work before the pause is short again, so that a loose plug does not flap.
const GOOD_LOOKS: u32 = 20;

/// What is known about a bus and its reader.
#[derive(Clone, Debug, Default)]
pub struct BusState {
    /// Whether the reader answers.
    pub running: bool,
    /// Why it does not, from the last error.
    pub cause: Option<String>,
    /// Taps reported.
    pub taps: u64,
    /// Taps dropped because nobody took them.
    pub taps_dropped: u64,
    /// What the driver saw.
    pub trace: ReaderTrace,
}

/// Owns the thread; dropping it stops the thread, which takes one look (300 ms) at most.
#[derive(Debug)]
pub struct BusHandle {
    part: &'static str,
    name: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: Mutex<bool>,
    wake: Condvar,
    state: Mutex<BusState>,
}

/// Starts the thread. `events` takes an event or refuses it (false) at once, such as `try_send` of
/// a bounded channel. The first event is `ReaderBack` or `ReaderGone`.
///
/// # Errors
/// The system's own when it makes no thread.
pub fn spawn<E>(
    reader: Box<dyn CardReader>,
    name: &str,
    events: E,
    interval: Duration,
) -> io::Result<BusHandle>
where
    E: FnMut(DeviceEvent) -> bool + Send + 'static,
{
    let shared = Arc::<Shared>::default();
    let part = reader.part();
    let owner = Owner {
        reader,
        name: name.to_owned(),
        events,
        interval,
        debounce: Debounce::new(looks_in(ABSENCE, interval)),
        shared: Arc::clone(&shared),
        running: false,
        reported: None,
        good_looks: 0,
        pause: RESTART_MIN,
    };
    let thread = Builder::new()
        .name(format!("bus {name}"))
        .spawn(move || owner.run())?;
    Ok(BusHandle {
        part,
        name: name.to_owned(),
        shared,
        thread: Some(thread),
    })
}

impl BusHandle {
    /// The reader's name in the board file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The reader's part, such as `mfrc522`.
    #[must_use]
    pub fn part(&self) -> &'static str {
        self.part
    }

    /// How the bus is, as of its last look. Waits for nothing but a short lock.
    #[must_use]
    pub fn state(&self) -> BusState {
        lock(&self.shared.state).clone()
    }
}

impl Drop for BusHandle {
    fn drop(&mut self) {
        *lock(&self.shared.stop) = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // A driver that panicked has said so on standard error; there is nothing to add.
            let _ = thread.join();
        }
    }
}

struct Owner<E> {
    reader: Box<dyn CardReader>,
    name: String,
    events: E,
    interval: Duration,
    debounce: Debounce,
    shared: Arc<Shared>,
    running: bool,
    /// Whether the state last accepted by the sink was "running".
    reported: Option<bool>,
    good_looks: u32,
    pause: Duration,
}

impl<E: FnMut(DeviceEvent) -> bool> Owner<E> {
    fn run(mut self) {
        let mut wait = Duration::ZERO;
        while !self.stopped_within(wait) {
            wait = if self.running {
                self.look()
            } else {
                self.start()
            };
            self.report();
            self.publish();
        }
    }

    /// Waits, and tells whether the thread shall end.
    fn stopped_within(&self, wait: Duration) -> bool {
        let stop = lock(&self.shared.stop);
        let waited = self
            .shared
            .wake
            .wait_timeout_while(stop, wait, |stop| !*stop);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn start(&mut self) -> Duration {
        match self.reader.start() {
            Ok(()) => {
                self.running = true;
                lock(&self.shared.state).cause = None;
                Duration::ZERO
            }
            Err(error) => self.gone(&error),
        }
    }

    fn look(&mut self) -> Duration {
        let look = match self.reader.poll() {
            Ok(Some(uid)) => Look::Card(uid),
            Ok(None) => Look::Empty,
            Err(ReaderError::Garbled { .. }) => Look::Unclear,
            Err(error) => return self.gone(&error),
        };
        self.good_looks = self.good_looks.saturating_add(1);
        if self.good_looks >= GOOD_LOOKS {
            self.pause = RESTART_MIN;
        }
        if let Some(uid) = self.debounce.look(look) {
            self.tap(uid);
        }
        self.interval
    }

    fn gone(&mut self, error: &ReaderError) -> Duration {
        self.running = false;
        self.good_looks = 0;
        lock(&self.shared.state).cause = Some(error.to_string());
        let pause = self.pause;
        self.pause = (pause * 2).min(RESTART_MAX);
        self.debounce.skip(looks_in(pause, self.interval));
        pause
    }

    fn tap(&mut self, uid: CardUid) {
        let event = DeviceEvent::CardPresented {
            reader: self.name.clone(),
            uid,
            proof: self.reader.proof(),
        };
        let taken = (self.events)(event);
        let mut state = lock(&self.shared.state);
        if taken {
            state.taps += 1;
        } else {
            state.taps_dropped += 1;
            drop(state);
            log::warn!(device = self.name.as_str(); "tap dropped, nobody takes device events");
        }
    }

    /// Offers the reader's state until it is taken.
    fn report(&mut self) {
        if self.reported == Some(self.running) {
            return;
        }
        let reader = self.name.clone();
        let event = if self.running {
            DeviceEvent::ReaderBack { reader }
        } else {
            let cause = lock(&self.shared.state).cause.clone().unwrap_or_default();
            DeviceEvent::ReaderGone { reader, cause }
        };
        if (self.events)(event) {
            self.reported = Some(self.running);
        }
    }

    fn publish(&self) {
        let mut state = lock(&self.shared.state);
        state.running = self.running;
        if let Some(trace) = self.reader.trace() {
            state.trace.clone_from(trace);
        }
    }
}

/// How many looks fit into `span`, rounded up.
fn looks_in(span: Duration, interval: Duration) -> u16 {
    let looks = span.as_millis().div_ceil(interval.as_millis().max(1));
    u16::try_from(looks).unwrap_or(u16::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
