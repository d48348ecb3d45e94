// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread that owns a card reader's bus: looks into the field at an interval, turns looks into
//! taps, notices a reader that is gone and starts it again until it is back. A second thread, the
//! watchdog, tells of a call that the kernel does not return from.
//!
//! Events go to a sink that must not block. When it takes none: a tap or key is dropped and counted
//! (the person taps again); the state of the reader and of its case is kept and offered again,
//! newest only.

mod owner;

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platen_hal::{CardReader, DeviceEvent, PanelSignal, ReaderTrace};

use self::owner::{Driver, Owner};
use crate::owner::teller::Teller;
use crate::owner::watchdog::{self, Calls, HUNG};
use crate::owner::{BoundedThread, Stop, lock};

pub use crate::owner::END_LIMIT;

/// Time without a card after which it counts again.
pub const ABSENCE: Duration = Duration::from_millis(300);
/// A call into a driver that takes longer is told as a reader that is gone. Starts are over in
/// 500 ms and looks in 300 ms, so this is a kernel that does not answer.
pub const CALL_LIMIT: Duration = Duration::from_millis(1_500);

/// Why a reader can't be opened.
pub type OpenError = Box<dyn Error + Send + Sync>;
/// Opens a reader; called again when its bus has failed.
pub type OpenReader = Box<dyn FnMut() -> Result<Box<dyn CardReader>, OpenError> + Send>;

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
    /// Keys of the reader's own pad dropped because nobody took them.
    pub keys_dropped: u64,
    /// Calls that did not return within [`CALL_LIMIT`].
    pub hangs: u64,
    /// Whether the reader's case is open, where it can tell.
    pub tampered: Option<bool>,
    /// What the driver saw.
    pub trace: ReaderTrace,
}

/// Owns the threads; dropping it stops them, which takes one look (300 ms), or [`END_LIMIT`] when
/// the driver hangs.
#[derive(Debug)]
pub struct BusHandle {
    part: &'static str,
    name: String,
    shared: Arc<Shared>,
    /// Both are waited for when they have been told to stop.
    watchdog: Option<BoundedThread>,
    owner: Option<BoundedThread>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: Stop,
    state: Mutex<BusState>,
    signal: Mutex<Option<PanelSignal>>,
    reopen: AtomicBool,
    calls: Calls,
}

/// Starts the threads on a reader that is open. `events` takes an event or refuses it (false) at
/// once, such as `try_send` of a bounded channel. The first event is `ReaderBack` or `ReaderGone`.
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
    start(reader.part(), Driver::Open(reader), name, events, interval)
}

/// The same on a reader that the owner opens: at the start, when its bus has failed, and when it
/// could not be started for a while. `part` is its name, such as `mfrc522`.
///
/// # Errors
/// As [`spawn`]. A reader that can't be opened is one that is gone.
pub fn spawn_opening<E>(
    part: &'static str,
    open: OpenReader,
    name: &str,
    events: E,
    interval: Duration,
) -> io::Result<BusHandle>
where
    E: FnMut(DeviceEvent) -> bool + Send + 'static,
{
    start(part, Driver::Opener(open, None), name, events, interval)
}

fn start<E>(
    part: &'static str,
    driver: Driver,
    name: &str,
    events: E,
    interval: Duration,
) -> io::Result<BusHandle>
where
    E: FnMut(DeviceEvent) -> bool + Send + 'static,
{
    let shared = Arc::<Shared>::default();
    let teller = Arc::new(Mutex::new(Teller::new(name, events)));
    // Dropped when no owner comes to be: ends the watchdog.
    let mut handle = BusHandle {
        part,
        name: name.to_owned(),
        shared: Arc::clone(&shared),
        owner: None,
        watchdog: None,
    };
    let (watched, told) = (Arc::clone(&shared), Arc::clone(&teller));
    let watchdog = move || {
        watchdog::watch(&watched.calls, &watched.stop, &told, |first| {
            watched.hung(first);
        });
    };
    handle.watchdog = Some(BoundedThread::spawn(format!("watch {name}"), watchdog)?);
    let owner = Owner::new(driver, interval, teller, shared);
    handle.owner = Some(BoundedThread::spawn(format!("bus {name}"), move || {
        owner.run();
    })?);
    Ok(handle)
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

    /// Grows as long as the owner comes round: with each call into the driver that begins or returns.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.shared.calls.number()
    }

    /// Has the owner let its reader go before the next look, and open it anew, as after a failed
    /// bus. One that was opened by somebody else is started again.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
    }

    /// Shows `signal` with the reader's own lamp, where it has one, before its next look.
    pub fn show(&self, signal: PanelSignal) {
        *lock(&self.shared.signal) = Some(signal);
    }
}

impl Shared {
    /// A call does not return; `first` is true at the first look that finds it so.
    fn hung(&self, first: bool) {
        if first {
            let mut state = lock(&self.state);
            state.running = false;
            state.hangs += 1;
            state.cause = Some(HUNG.to_owned());
        }
    }
}

impl Drop for BusHandle {
    fn drop(&mut self) {
        self.shared.stop.set();
    }
}
