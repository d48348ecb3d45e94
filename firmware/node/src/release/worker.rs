// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread of one printer: takes its orders one after another, in order of release.
//!
//! For each job: open the port (a printer in error leaves the job untouched), write the release
//! ticket into the ledger and sync it, send the bytes, settle. A failure before the ticket puts the
//! job back to waiting; one after it leaves the job stopped, and only its owner can ask for it
//! again, since some pages may be out.

use std::collections::{HashMap, VecDeque};
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platen_hal::{PanelSignal, PortError, PortReport, PortSession, PrinterPort};
use platen_ledger::{Entry, Ledger, Outcome};
use platen_model::{Job, JobId, JobNumber, JobState, JobStateReason, PrinterName, UserId};
use platen_spool::Spool;
use smol::channel::Receiver;
use thiserror::Error;

use super::envelope::Envelope;
use super::target::{Order, Target};
use crate::counting::Counter;
use crate::panel::Panel;
use platen_model::Chain;

/// Bytes on their way at once; a whole number of sealed chunks.
const CHUNK: usize = 64 << 10;
/// How often an idle printer is asked how it is.
const IDLE_PROBE: Duration = Duration::from_secs(10);
/// What has been printed is journaled within these tries, also on a disk that is full for a moment.
const APPEND_TRIES: u32 = 10;

/// What a printer's thread needs of the box.
pub(crate) struct Workshop {
    pub(crate) spool: Spool,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) counter: Arc<Counter>,
    pub(crate) panel: Arc<Panel>,
    pub(crate) executor: Arc<smol::Executor<'static>>,
    /// Between two tries to journal what has been printed.
    pub(crate) append_pause: Duration,
    /// Jobs tried and not ended, with their last attempt.
    pub(crate) attempts: Mutex<HashMap<JobId, u32>>,
}

impl Workshop {
    fn next_attempt(&self, job: JobId) -> u32 {
        let mut attempts = self.attempts();
        let attempt = attempts.entry(job).or_insert(0);
        *attempt += 1;
        *attempt
    }

    /// A job of which nothing has left the box waits as before.
    fn wait_again(&self, job: &Job) {
        let (state, reason) = if job.target.is_some() {
            (JobState::Pending, JobStateReason::PrinterStopped)
        } else {
            (JobState::PendingHeld, JobStateReason::JobReleaseWait)
        };
        if let Err(error) = self.spool.set_state(job.number, state, reason) {
            log::error!(job:% = job.number, err:% = Chain(&error); "job could not be put back");
        }
    }

    fn attempts(&self) -> MutexGuard<'_, HashMap<JobId, u32>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a job did not get through.
#[derive(Debug, Error)]
enum ReleaseError {
    #[error("the printer did not take it")]
    Port(#[from] PortError),
    #[error("the release could not be journaled")]
    Ledger(#[from] platen_ledger::LedgerError),
    #[error("the box could not read its copy")]
    Spool(#[from] platen_spool::SpoolError),
    #[error("the box could not read its copy")]
    Body(#[source] std::io::Error),
    #[error("deleted while printing")]
    Canceled,
}

/// Starts the printer's thread. It ends when the last [`Target`] is dropped.
pub(crate) fn spawn(
    target: &Arc<Target>,
    waiting: Receiver<Order>,
    port: Box<dyn PrinterPort>,
    shop: Arc<Workshop>,
) -> std::io::Result<()> {
    let name = format!("printer {}", target.config.name);
    let mut worker = Worker::new(target, port, shop);
    std::thread::Builder::new()
        .name(name)
        .spawn(move || worker.run(&waiting))?;
    Ok(())
}

pub(super) struct Worker {
    target: std::sync::Weak<Target>,
    port: Box<dyn PrinterPort>,
    shop: Arc<Workshop>,
    /// Push jobs that the printer did not take; tried again when it is ready.
    again: VecDeque<JobNumber>,
}

impl Worker {
    pub(super) fn new(
        target: &Arc<Target>,
        port: Box<dyn PrinterPort>,
        shop: Arc<Workshop>,
    ) -> Self {
        Self {
            target: Arc::downgrade(target),
            port,
            shop,
            again: VecDeque::new(),
        }
    }

    fn run(&mut self, waiting: &Receiver<Order>) {
        if let Some(target) = self.target.upgrade() {
            target.set_status(self.port.status());
        }
        loop {
            let order = smol::block_on(smol::future::or(
                async { waiting.recv().await.map(Some) },
                async {
                    smol::Timer::after(IDLE_PROBE).await;
                    Ok(None)
                },
            ));
            let (Some(target), Ok(order)) = (self.target.upgrade(), order) else {
                return;
            };
            if target.is_stopping() {
                return;
            }
            match order {
                None => self.look(&target),
                Some(Order::Probe(answer)) => {
                    self.look(&target);
                    // Whoever asked may have given up waiting.
                    let _ = answer.try_send(target.status());
                }
                Some(Order::Print { job, user }) => {
                    target.begin(job);
                    self.print(&target, job, user);
                    target.end();
                }
            }
        }
    }

    /// Asks the printer how it is, and gives it what it did not take before.
    fn look(&mut self, target: &Target) {
        let was_ready = target.status().ready;
        target.set_status(self.port.status());
        if !was_ready && target.status().ready {
            self.shop.panel.clear(PanelSignal::PrinterError);
        }
        for _ in 0..self.again.len() {
            let next = self.again.pop_front();
            let Some(job) = next.filter(|_| target.status().ready) else {
                self.again.extend(next);
                return;
            };
            if !target.print(job, None) {
                self.again.push_front(job);
                return;
            }
        }
    }

    pub(super) fn print(&mut self, target: &Target, number: JobNumber, user: Option<UserId>) {
        let job = match self.shop.spool.job(number) {
            Ok(Some(job)) if job.state == JobState::Pending => job,
            Ok(_) => return, // Deleted, or taken back, while it waited in the queue.
            Err(error) => {
                log::error!(job:% = number, err:% = Chain(&error); "released job not found");
                return;
            }
        };
        let session = match self.port.open() {
            Ok(session) => session,
            Err(error) => return self.put_back(target, &job, error),
        };
        let mut release = Release {
            target,
            job: &job,
            user,
            shop: &self.shop,
            attempt: 0,
        };
        match release.run(&mut *self.port, session) {
            Ok(report) => release.settle(report),
            Err(error) => release.stop(error),
        }
        if !target.status().ready {
            target.set_status(self.port.status());
        }
    }

    /// The printer took nothing: a pull job waits for its owner as before, a push job for the
    /// printer.
    fn put_back(&mut self, target: &Target, job: &Job, error: PortError) {
        log::warn!(job:% = job.number, printer = target.config.name, err:% = Chain(&error); "printer did not take the job");
        target.set_status(self.port.status());
        if job.target.is_some() {
            self.again.push_back(job.number);
        }
        self.shop.wait_again(job);
        let words = self.shop.panel.printer_words(&target.status().reasons);
        self.shop
            .panel
            .show(PanelSignal::PrinterError, Some(&words));
    }
}

/// One job on its way.
struct Release<'a> {
    target: &'a Target,
    job: &'a Job,
    user: Option<UserId>,
    shop: &'a Workshop,
    /// Which attempt at this job, from 1; 0 until the ticket is written.
    attempt: u32,
}

impl Release<'_> {
    /// Sends the job, all its copies. `first` is the way that is open already.
    fn run(
        &mut self,
        port: &mut dyn PrinterPort,
        first: Box<dyn PortSession>,
    ) -> Result<PortReport, ReleaseError> {
        let envelope = Envelope::of(self.job, &self.target.config);
        let body = self.shop.spool.body(self.job.number)?;
        self.write_ticket()?;
        self.shop.spool.set_state(
            self.job.number,
            JobState::Processing,
            JobStateReason::JobPrinting,
        )?;
        let mut total = self.send(body, first, &envelope)?;
        for _ in 1..envelope.sendings {
            let body = self.shop.spool.body(self.job.number)?;
            let report = self.send(body, port.open()?, &envelope)?;
            total.octets += report.octets;
            total.impressions = total
                .impressions
                .zip(report.impressions)
                .map(|(a, b)| a + b);
        }
        Ok(total)
    }

    fn send(
        &self,
        mut body: impl Read,
        mut session: Box<dyn PortSession>,
        envelope: &Envelope,
    ) -> Result<PortReport, ReleaseError> {
        if !envelope.opening.is_empty() {
            session.send(&envelope.opening)?;
        }
        let mut buffer = vec![0; CHUNK];
        loop {
            if self.target.is_canceled() {
                return Err(ReleaseError::Canceled);
            }
            let length = body.read(&mut buffer).map_err(ReleaseError::Body)?;
            match buffer.get(..length) {
                None | Some([]) => break,
                Some(bytes) => session.send(bytes)?,
            }
        }
        if !envelope.closing.is_empty() {
            session.send(&envelope.closing)?;
        }
        Ok(session.finish()?)
    }

    /// The release ticket: durable before the first byte leaves.
    fn write_ticket(&mut self) -> Result<(), ReleaseError> {
        let attempt = self.shop.next_attempt(self.job.id);
        self.shop.ledger.append_blocking(Entry::Released {
            job: self.job.id,
            number: self.job.number,
            user: self.user,
            printer: self.printer(),
            attempt,
            octets: self.job.octets,
            format: self.job.format.clone(),
        })?;
        self.attempt = attempt;
        Ok(())
    }

    fn settle(&self, report: PortReport) {
        let count = self.shop.counter.count(self.job);
        let impressions = report.impressions.or(count.impressions).unwrap_or(0);
        let settled = self.append(Entry::Settled {
            job: self.job.id,
            number: self.job.number,
            user: self.user,
            printer: self.printer(),
            attempt: self.attempt,
            outcome: Outcome::Completed,
            count: Some(count),
            octets: report.octets,
            impressions: report.impressions,
            charged: true,
        });
        if !settled {
            // Without its record the job has not ended: its owner is asked, as after a power cut.
            return self.hold(JobState::ProcessingStopped, JobStateReason::Interrupted);
        }
        self.end(
            JobState::Completed,
            JobStateReason::JobCompletedSuccessfully,
            impressions,
        );
        log::info!(job:% = self.job.number, printer = self.target.config.name, octets = report.octets; "job printed");
    }

    fn stop(&self, error: ReleaseError) {
        let number = self.job.number;
        match error {
            ReleaseError::Canceled => self.cancel(),
            ReleaseError::Body(_) | ReleaseError::Spool(_) => {
                log::error!(job:% = number, err:% = Chain(&error); "held job can't be read back; it is given up");
                self.give_up();
            }
            ReleaseError::Ledger(_) => {
                log::error!(job:% = number, err:% = Chain(&error); "release refused: the journal takes nothing");
                self.shop.wait_again(self.job);
                self.shop.panel.show(PanelSignal::PrinterError, None);
            }
            ReleaseError::Port(port) => self.stop_at_port(&port),
        }
    }

    fn stop_at_port(&self, error: &PortError) {
        let reasons = match error {
            PortError::Stopped { reasons } => reasons.clone(),
            PortError::Stalled { .. } => vec!["paused-error".to_owned()],
            _ => vec!["offline-error".to_owned()],
        };
        log::warn!(job:% = self.job.number, printer = self.target.config.name, err:% = Chain(error); "printing stopped half-way");
        self.append(Entry::Stopped {
            job: self.job.id,
            number: self.job.number,
            attempt: self.attempt,
            reasons: reasons.clone(),
        });
        self.hold(JobState::ProcessingStopped, JobStateReason::PrinterStopped);
        let words = self.shop.panel.printer_words(&reasons);
        self.target.set_status(platen_hal::PortStatus {
            ready: false,
            reasons,
        });
        self.shop
            .panel
            .show(PanelSignal::PrinterError, Some(&words));
    }

    fn cancel(&self) {
        self.append(self.ended_entry(Outcome::Canceled));
        self.end(JobState::Canceled, JobStateReason::JobCanceledByUser, 0);
    }

    fn give_up(&self) {
        if self.attempt > 0 {
            self.append(self.ended_entry(Outcome::Aborted));
        }
        self.end(JobState::Aborted, JobStateReason::AbortedBySystem, 0);
    }

    fn ended_entry(&self, outcome: Outcome) -> Entry {
        Entry::Settled {
            job: self.job.id,
            number: self.job.number,
            user: self.user,
            printer: self.printer(),
            attempt: self.attempt,
            outcome,
            count: None,
            octets: 0,
            impressions: None,
            charged: false,
        }
    }

    fn printer(&self) -> PrinterName {
        PrinterName(self.target.config.name.clone())
    }

    /// Appends what has happened already, trying again while the journal takes nothing. `false`
    /// when it never did: then the next start finds the open release and asks the owner.
    fn append(&self, entry: Entry) -> bool {
        for _ in 0..APPEND_TRIES {
            match self.shop.ledger.append_blocking(entry.clone()) {
                Ok(_) => return true,
                Err(error) => {
                    log::error!(job:% = self.job.number, err:% = Chain(&error); "end of release not journaled");
                }
            }
            smol::block_on(smol::Timer::after(self.shop.append_pause));
        }
        false
    }

    fn hold(&self, state: JobState, reason: JobStateReason) {
        if let Err(error) = self.shop.spool.set_state(self.job.number, state, reason) {
            log::error!(job:% = self.job.number, err:% = Chain(&error); "job state not kept");
        }
    }

    fn end(&self, state: JobState, reason: JobStateReason, impressions: u32) {
        self.shop.attempts().remove(&self.job.id);
        let (spool, number) = (self.shop.spool.clone(), self.job.number);
        // The journal has its end: the next job need not wait until the files are gone.
        let removal = async move {
            if let Err(error) = spool.end(number, state, reason, impressions).await {
                log::error!(job:% = number, err:% = Chain(&error); "ended job not removed; the next start removes it");
            }
        };
        self.shop.executor.spawn(removal).detach();
    }
}
