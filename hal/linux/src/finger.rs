// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread that owns a fingerprint sensor: looks at its surface at an interval, turns looks into
//! touches, notices a sensor that is gone and starts it again until it is back. Between two looks it
//! does what others ask of it: enrol, verify, list, delete, templates out and in. A second thread, the
//! watchdog, tells of a call that the kernel does not return from.
//!
//! Events go to a sink that must not block. When it takes none: a touch is dropped and counted (the
//! person touches again); the sensor's state is kept and offered again, newest only. Templates pass
//! through; they are kept nowhere and never shown.

mod noise;
mod owner;
mod request;
mod touch;

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use platen_hal::{DeviceEvent, FingerprintSensor, ReaderError, ReaderTrace, SensorFacts};
use thiserror::Error;

pub use self::request::{FingerReply, FingerRequest};

use self::owner::Owner;
use self::request::Job;
use crate::bus::OpenError;
use crate::owner::teller::Teller;
use crate::owner::watchdog::{self, Calls, HUNG};
use crate::owner::{BoundedThread, Stop, lock};

pub use crate::owner::END_LIMIT;

/// Time without a finger after which one counts again.
pub const ABSENCE: Duration = Duration::from_millis(200);
/// Requests that wait while the sensor is busy.
pub const REQUESTS_MAX: usize = 8;
/// Time without a step after which an enrolment, or a verification, is given up. It is counted in
/// intervals, so that slow looks make it longer.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Replies that wait for the one who asked.
const REPLIES_MAX: usize = 16;

/// Opens a sensor; called again when its bus has failed.
pub type OpenSensor = Box<dyn FnMut() -> Result<Box<dyn FingerprintSensor>, OpenError> + Send>;

/// What is known about a sensor.
#[derive(Clone, Debug, Default)]
pub struct FingerState {
    /// Whether it answers.
    pub running: bool,
    /// Why it does not, from the last error.
    pub cause: Option<String>,
    /// What it said of itself at its last start.
    pub facts: Option<SensorFacts>,
    /// Touches reported.
    pub touches: u64,
    /// Touches dropped because nobody took them.
    pub touches_dropped: u64,
    /// Requests that were served to their end.
    pub requests: u64,
    /// Requests that failed, were given up, or that nobody waited for any more.
    pub requests_failed: u64,
    /// Calls that did not return within the limits of [`FingerprintSensor`].
    pub hangs: u64,
    /// What the driver saw.
    pub trace: ReaderTrace,
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum FingerRefusal {
    /// [`REQUESTS_MAX`] are waiting already.
    #[error("fingerprint sensor has too much to do")]
    Busy,
    /// The thread has ended.
    #[error("fingerprint sensor's thread has ended")]
    Ended,
}

/// Owns the threads; dropping it stops them, within [`END_LIMIT`]. One that is moving a template
/// is left behind.
#[derive(Debug)]
pub struct FingerHandle {
    part: &'static str,
    name: String,
    shared: Arc<Shared>,
    /// Both are waited for when they have been told to stop.
    watchdog: Option<BoundedThread>,
    owner: Option<BoundedThread>,
}

#[derive(Debug, Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    wake: Condvar,
    state: Mutex<FingerState>,
    calls: Calls,
    /// The watchdog's end; the owner's is in the inbox.
    unwatched: Stop,
}

#[derive(Debug, Default)]
struct Inbox {
    stop: bool,
    ended: bool,
    jobs: VecDeque<Job>,
}

/// Starts the thread on a sensor that is open. `events` takes an event or refuses it (false) at
/// once, such as `try_send` of a bounded channel. The first event is `ReaderBack` or `ReaderGone`.
///
/// # Errors
/// The system's own when it makes no thread.
pub fn spawn<E>(
    sensor: Box<dyn FingerprintSensor>,
    name: &str,
    events: E,
    interval: Duration,
) -> io::Result<FingerHandle>
where
    E: FnMut(DeviceEvent) -> bool + Send + 'static,
{
    let part = sensor.part();
    start(part, Some(sensor), None, name, events, interval)
}

/// The same on a sensor that the thread opens: at the start, when its bus has failed, and when it
/// could not be started for a while. `part` is its name, such as `ef01`.
///
/// # Errors
/// As [`spawn`]. A sensor that can't be opened is one that is gone.
pub fn spawn_opening<E>(
    part: &'static str,
    open: OpenSensor,
    name: &str,
    events: E,
    interval: Duration,
) -> io::Result<FingerHandle>
where
    E: FnMut(DeviceEvent) -> bool + Send + 'static,
{
    start(part, None, Some(open), name, events, interval)
}

fn start<E>(
    part: &'static str,
    sensor: Option<Box<dyn FingerprintSensor>>,
    open: Option<OpenSensor>,
    name: &str,
    events: E,
    interval: Duration,
) -> io::Result<FingerHandle>
where
    E: FnMut(DeviceEvent) -> bool + Send + 'static,
{
    let shared = Arc::<Shared>::default();
    let teller = Arc::new(Mutex::new(Teller::new(name, events)));
    // Dropped when no owner comes to be: ends the watchdog.
    let mut handle = FingerHandle {
        part,
        name: name.to_owned(),
        shared: Arc::clone(&shared),
        watchdog: None,
        owner: None,
    };
    let (watched, told) = (Arc::clone(&shared), Arc::clone(&teller));
    let watchdog = move || {
        watchdog::watch(&watched.calls, &watched.unwatched, &told, |first| {
            watched.hung(first);
        });
    };
    handle.watchdog = Some(BoundedThread::spawn(format!("watch {name}"), watchdog)?);
    let owner = Owner::new(sensor, open, teller, interval, shared);
    handle.owner = Some(BoundedThread::spawn(format!("finger {name}"), move || {
        owner.run();
    })?);
    Ok(handle)
}

impl FingerHandle {
    /// The sensor's name in the board file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sensor's part, such as `ef01`.
    #[must_use]
    pub fn part(&self) -> &'static str {
        self.part
    }

    /// How the sensor is, as of its last look. Waits for nothing but a short lock.
    #[must_use]
    pub fn state(&self) -> FingerState {
        lock(&self.shared.state).clone()
    }

    /// Grows as long as the owner comes round: with each call into the driver that begins or returns.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.shared.calls.number()
    }

    /// Asks for something; the replies come to the receiver, the last one tells how it ended.
    /// Dropping the receiver gives an enrolment up at its next step. A verification has no steps: it
    /// goes on until a finger came, or for [`PATIENCE`].
    ///
    /// # Errors
    /// [`FingerRefusal`].
    pub fn ask(&self, request: FingerRequest) -> Result<Receiver<FingerReply>, FingerRefusal> {
        let (sender, receiver) = sync_channel(REPLIES_MAX);
        self.ask_into(request, move |reply| sender.try_send(reply).is_ok())?;
        Ok(receiver)
    }

    /// As [`FingerHandle::ask`], with the replies to a sink that must not block. One that does not take
    /// a step (false) gives the enrolment up.
    ///
    /// # Errors
    /// [`FingerRefusal`].
    pub fn ask_into<R>(&self, request: FingerRequest, replies: R) -> Result<(), FingerRefusal>
    where
        R: FnMut(FingerReply) -> bool + Send + 'static,
    {
        let mut inbox = lock(&self.shared.inbox);
        if inbox.ended {
            return Err(FingerRefusal::Ended);
        }
        if inbox.jobs.len() >= REQUESTS_MAX {
            return Err(FingerRefusal::Busy);
        }
        inbox.jobs.push_back(Job::new(request, Box::new(replies)));
        self.shared.wake.notify_all();
        Ok(())
    }
}

impl Drop for FingerHandle {
    fn drop(&mut self) {
        lock(&self.shared.inbox).stop = true;
        self.shared.unwatched.set();
        self.shared.wake.notify_all();
    }
}

/// What comes next for the thread.
enum Next {
    Stop,
    Job(Job),
    Look,
}

impl Shared {
    /// Waits; ends early with a wish to stop, and with a request if `jobs` are wanted.
    fn next(&self, wait: Duration, jobs: bool) -> Next {
        let inbox = lock(&self.inbox);
        let idle = |inbox: &mut Inbox| !inbox.stop && (!jobs || inbox.jobs.is_empty());
        let waited = self.wake.wait_timeout_while(inbox, wait, idle);
        let mut inbox = waited.unwrap_or_else(PoisonError::into_inner).0;
        match inbox.stop {
            true => Next::Stop,
            false if jobs => inbox.jobs.pop_front().map_or(Next::Look, Next::Job),
            false => Next::Look,
        }
    }

    /// The requests that wait, when none can be served.
    fn jobs(&self) -> VecDeque<Job> {
        std::mem::take(&mut lock(&self.inbox).jobs)
    }

    /// A call does not return; `first` is true at the first look that finds it so. What waits behind it
    /// is refused; the request that hangs is answered when its call returns.
    fn hung(&self, first: bool) {
        for mut job in self.jobs() {
            let cause = "sensor is gone";
            job.reply(FingerReply::Failed(ReaderError::Gone { cause }));
            lock(&self.state).requests_failed += 1;
        }
        if first {
            let mut state = lock(&self.state);
            state.running = false;
            state.hangs += 1;
            state.cause = Some(HUNG.to_owned());
        }
    }

    /// The thread ends: whoever still waits for a reply hears that there is none.
    fn end(&self) {
        let mut inbox = lock(&self.inbox);
        inbox.ended = true;
        inbox.jobs.clear();
        self.wake.notify_all();
    }
}
