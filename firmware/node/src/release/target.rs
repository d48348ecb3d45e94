// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A target printer as the rest of the box sees it: its facts, its state, its queue of orders.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use platen_hal::PortStatus;
use platen_model::JobNumber;
use platen_model::local::PrinterStatus;
use platen_policy::PrinterFacts;
use smol::channel::{Receiver, Sender, TrySendError};

use super::judge::Grant;
use super::pace::Pace;
use crate::config::PrinterConfig;

/// Released jobs that may wait for one printer; past this a tap says that the printer is busy.
const QUEUE: usize = 1024;
/// A probe of a port takes 2 s at most; past this the last known state stands.
const PROBE_LIMIT: Duration = Duration::from_millis(2500);

/// What the worker thread is asked to do.
pub(crate) enum Order {
    /// Print this job.
    Print {
        /// The job.
        job: JobNumber,
        /// What it goes with; `None` for a push job, which is decided on when its turn comes.
        grant: Option<Box<Grant>>,
    },
    /// Ask the printer how it is, then answer with what it says.
    Probe(Sender<PortStatus>),
}

/// One target printer.
pub(crate) struct Target {
    pub(crate) config: PrinterConfig,
    /// Whether its thread comes round.
    pub(crate) pace: Arc<Pace>,
    orders: Sender<Order>,
    queued: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    status: PortStatus,
    printing: Option<JobNumber>,
    /// Of the job that is printing; its port looks at it while it waits.
    cancel: Arc<AtomicBool>,
    stopping: bool,
}

impl Target {
    /// The printer, and the end of its queue for the worker thread.
    pub(crate) fn new(config: PrinterConfig) -> (Self, Receiver<Order>) {
        let (orders, waiting) = smol::channel::bounded(QUEUE);
        let queued = AtomicUsize::new(0);
        (
            Self {
                config,
                pace: Arc::default(),
                orders,
                queued,
                state: Mutex::default(),
            },
            waiting,
        )
    }

    /// Puts a job into the printer's queue; `false` when the queue is full.
    pub(crate) fn print(&self, job: JobNumber, grant: Option<Box<Grant>>) -> bool {
        self.queued.fetch_add(1, Ordering::Relaxed);
        let taken = self.orders.try_send(Order::Print { job, grant });
        if taken.is_err() {
            self.queued.fetch_sub(1, Ordering::Relaxed);
        }
        !matches!(taken, Err(TrySendError::Full(_) | TrySendError::Closed(_)))
    }

    /// The printer's state now. Asks it, unless it is busy printing.
    pub(crate) async fn probe(&self) -> PortStatus {
        if self.is_printing() {
            return self.status();
        }
        let (answer, answered) = smol::channel::bounded(1);
        if self.orders.try_send(Order::Probe(answer)).is_err() {
            return self.status();
        }
        let limit = async {
            smol::Timer::after(PROBE_LIMIT).await;
            None
        };
        let asked = async { answered.recv().await.ok() };
        smol::future::or(asked, limit)
            .await
            .unwrap_or_else(|| self.status())
    }

    /// The last known state.
    pub(crate) fn status(&self) -> PortStatus {
        self.lock().status.clone()
    }

    /// The facts that policy decides on.
    pub(crate) fn facts(&self, status: &PortStatus) -> PrinterFacts {
        PrinterFacts {
            name: platen_model::PrinterName(self.config.name.clone()),
            ready: status.ready,
            formats: self.config.formats.clone(),
            reasons: status.reasons.clone(),
            color: self.config.color,
            duplex: self.config.duplex,
            told: self.config.told(),
        }
    }

    /// For the local API.
    pub(crate) fn report(&self) -> PrinterStatus {
        let state = self.lock();
        let word = match (state.printing, state.status.ready) {
            (Some(_), _) => "processing",
            (None, true) => "idle",
            (None, false) => "stopped",
        };
        PrinterStatus {
            name: self.config.name.clone(),
            uri: self.config.uri.clone(),
            state: word.to_owned(),
            reasons: state.status.reasons.clone(),
            queued: self.queued.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn is_printing(&self) -> bool {
        self.lock().printing.is_some()
    }

    /// Asks the worker to stop sending `job`; `false` when it is not the one being sent.
    pub(crate) fn cancel(&self, job: JobNumber) -> bool {
        let state = self.lock();
        let printing = state.printing == Some(job);
        // A wish about another job takes nothing back.
        state.cancel.fetch_or(printing, Ordering::AcqRel);
        printing
    }

    /// Orders taken and not ended.
    pub(crate) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Lets the job that is printing end and begins no further one.
    pub(crate) fn stop(&self) {
        self.lock().stopping = true;
        self.orders.close();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    pub(crate) fn set_status(&self, status: PortStatus) {
        self.lock().status = status;
    }

    pub(super) fn begin(&self, job: JobNumber) {
        let mut state = self.lock();
        (state.printing, state.cancel) = (Some(job), Arc::default());
    }

    pub(super) fn is_canceled(&self) -> bool {
        self.lock().cancel.load(Ordering::Acquire)
    }

    /// Tells a port that the job it is given now has been deleted.
    pub(super) fn cancel_mark(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.lock().cancel)
    }

    pub(super) fn end(&self) {
        self.lock().printing = None;
        self.queued.fetch_sub(1, Ordering::Relaxed);
    }

    /// The job is not this printer's any more: whoever deletes it from now on deletes it in the spool. `true`
    /// when somebody asked for that before, and was told that it ends.
    pub(super) fn let_go(&self) -> bool {
        let mut state = self.lock();
        state.printing = None;
        state.cancel.load(Ordering::Acquire)
    }

    /// Lets a test say that nothing is printed any more, without an order that was taken.
    #[cfg(test)]
    pub(super) fn end_for_test(&self) {
        self.lock().printing = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
