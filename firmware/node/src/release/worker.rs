// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread of one printer: takes its orders one after another, in order of release.
//!
//! For each job: open the port (a printer in error leaves the job untouched), write the release
//! ticket into the ledger and sync it, send the bytes, settle. A failure before the ticket puts the
//! job back to waiting; one after it leaves the job stopped, and only its owner can ask for it
//! again, since some pages may be out.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platen_hal::{PanelSignal, PortError, PortStatus, PrinterPort};
use platen_ledger::{Entry, Ledger};
use platen_model::{Job, JobId, JobNumber, JobState, JobStateReason, Reason};
use platen_spool::{Spool, SpoolError, Which};
use smol::channel::Receiver;

use super::delivery::{Release, ReleaseError};
use super::envelope::Envelope;
use super::judge::{Grant, Judge, Verdict};
use super::pace::Paced;
use super::target::{Order, Target};
use crate::counting::Counter;
use crate::panel::Panel;
use platen_model::Chain;

/// How often an idle printer is asked how it is.
const IDLE_PROBE: Duration = Duration::from_secs(10);
/// Waiting push jobs looked at in one such pause; the printer's queue holds no more.
const TAKEN_UP: usize = 1000;

/// What a printer's thread needs of the box.
pub(crate) struct Workshop {
    pub(crate) spool: Spool,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) counter: Arc<Counter>,
    pub(crate) panel: Arc<Panel>,
    pub(crate) judge: Arc<Judge>,
    pub(crate) executor: Arc<smol::Executor<'static>>,
    /// Between two tries to journal what has been printed.
    pub(crate) append_pause: Duration,
    /// Jobs tried and not ended, with their last attempt.
    pub(crate) attempts: Mutex<HashMap<JobId, u32>>,
}

impl Workshop {
    pub(super) fn last_attempt(&self, job: JobId) -> u32 {
        self.attempts().get(&job).copied().unwrap_or(0)
    }

    /// A job of which nothing has left the box waits as before; one that its owner released by a tap, for the
    /// next tap, whatever queue it came through.
    pub(super) fn wait_again(&self, job: &Job, is_tapped: bool) {
        let (state, reason) = if job.target.is_some() && !is_tapped {
            (JobState::Pending, JobStateReason::PrinterStopped)
        } else {
            (JobState::PendingHeld, JobStateReason::JobReleaseWait)
        };
        if let Err(error) = self.spool.set_state(job.number, state, reason) {
            log::error!(job:% = job.number, err:% = Chain(&error); "job could not be put back");
        }
    }

    /// Ends a job that is not being printed and whose deletion has been promised.
    fn delete(&self, number: JobNumber) {
        let deleted = self.spool.cancel(number, JobStateReason::JobCanceledByUser);
        let job = match smol::block_on(deleted) {
            Ok(job) => job,
            // It has ended, or is about to.
            Err(SpoolError::NotFound(_) | SpoolError::NotNow(_)) => return,
            Err(error) => {
                log::error!(job:% = number, err:% = Chain(&error); "deleted job not removed");
                return;
            }
        };
        self.attempts().remove(&job.id);
        self.judge.approvals.forget(job.id);
        let entry = Entry::Canceled {
            job: job.id,
            number,
            user: None,
        };
        if let Err(error) = self.ledger.append_blocking(entry) {
            log::error!(job:% = number, err:% = Chain(&error); "deletion not journaled");
        }
    }

    /// A job of which something may have left the box is left to its owner's word.
    pub(super) fn interrupt(&self, job: &Job) {
        if let Err(error) = self.ledger.append_blocking(self.interruption(job)) {
            log::error!(job:% = job.number, err:% = Chain(&error); "interruption not journaled");
        }
        self.judge.purse.give_back(job.id);
        let (state, reason) = (JobState::ProcessingStopped, JobStateReason::Interrupted);
        if let Err(error) = self.spool.set_state(job.number, state, reason) {
            log::error!(job:% = job.number, err:% = Chain(&error); "job state not kept");
        }
    }

    pub(super) fn interruption(&self, job: &Job) -> Entry {
        Entry::Interrupted {
            job: job.id,
            number: job.number,
            attempt: self.last_attempt(job.id),
        }
    }

    pub(super) fn attempts(&self) -> MutexGuard<'_, HashMap<JobId, u32>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the printer's thread. It ends when the last [`Target`] is dropped.
pub(crate) fn spawn(
    target: &Arc<Target>,
    waiting: Receiver<Order>,
    port: Box<dyn PrinterPort>,
    shop: Arc<Workshop>,
) -> std::io::Result<()> {
    let name = format!("printer {}", target.config.name);
    let port = Box::new(Paced::new(port, Arc::clone(&target.pace)));
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
            target.pace.beat();
            if target.is_stopping() {
                return;
            }
            let printing = match &order {
                Some(Order::Print { job, grant }) => Some((*job, grant.is_some())),
                _ => None,
            };
            let carried_out = catch_unwind(AssertUnwindSafe(|| self.carry_out(&target, order)));
            if carried_out.is_err() {
                self.after_panic(&target, printing);
            }
            if printing.is_some() {
                target.end();
            }
        }
    }

    pub(super) fn carry_out(&mut self, target: &Target, order: Option<Order>) {
        match order {
            None => {
                self.look(target);
                self.take_up(target);
            }
            Some(Order::Probe(answer)) => {
                self.look(target);
                // Whoever asked may have given up waiting.
                let _ = answer.try_send(target.status());
            }
            Some(Order::Print { job, grant }) => {
                target.begin(job);
                self.print(target, job, grant.map(|grant| *grant));
            }
        }
    }

    /// A bug must cost one job and not the printer: what was on its way is left to its owner's word
    /// and the thread goes on.
    fn after_panic(&self, target: &Target, printing: Option<(JobNumber, bool)>) {
        let reasons = vec!["other-error".to_owned()];
        log::error!(printer = target.config.name; "the printer's thread met a bug");
        target.set_status(PortStatus {
            ready: false,
            reasons: reasons.clone(),
        });
        let words = self.shop.panel.printer_words(&reasons);
        let panel = &self.shop.panel;
        panel.show(PanelSignal::PrinterError, Some(&words));
        let Some((number, is_tapped)) = printing else {
            return;
        };
        if let Ok(Some(job)) = self.shop.spool.job(number) {
            match job.state {
                JobState::Processing => self.shop.interrupt(&job),
                JobState::Pending => {
                    self.shop.wait_again(&job, is_tapped);
                    self.shop.judge.purse.give_back(job.id);
                }
                _ => {}
            }
        }
        if target.let_go() {
            self.shop.delete(number);
        }
    }

    /// Asks the printer how it is.
    fn look(&mut self, target: &Target) {
        let was_ready = target.status().ready;
        target.set_status(self.port.status());
        if !was_ready && target.status().ready {
            self.shop.panel.clear(PanelSignal::PrinterError);
        }
    }

    /// Gives a ready printer with nothing to do the push jobs that wait for it: it did not take
    /// them before, its queue was full, or their client went away too early. Not those that are in another
    /// printer's queue because their owner released them there.
    fn take_up(&self, target: &Target) {
        if !target.status().ready || target.queued() > 0 {
            return;
        }
        let waiting = match self.shop.spool.jobs(Which::Released, TAKEN_UP, None) {
            Ok(waiting) => waiting,
            Err(error) => {
                log::error!(err:% = Chain(&error); "push jobs that wait can't be read");
                return;
            }
        };
        for job in waiting {
            let own = job
                .target
                .as_ref()
                .is_some_and(|name| name.0 == target.config.name);
            let waits = own && self.is_nobodys(&job);
            if waits && !target.print(job.number, None) {
                return;
            }
        }
    }

    /// Whether a job waits that nobody is releasing. A release is set aside before its job waits in a
    /// queue, so `job` has to be read first.
    fn is_nobodys(&self, job: &Job) -> bool {
        job.state == JobState::Pending && !self.shop.judge.purse.is_reserved(job.id)
    }

    pub(super) fn print(&mut self, target: &Target, number: JobNumber, grant: Option<Grant>) {
        let is_tapped = grant.is_some();
        let job = match self.shop.spool.job(number) {
            Ok(Some(job)) if job.state == JobState::Pending => Some(job),
            Ok(_) => None, // Deleted, or taken back, while it waited in the queue.
            Err(error) => {
                log::error!(job:% = number, err:% = Chain(&error); "released job not found");
                None
            }
        };
        let grant = match (&job, grant) {
            (Some(job), None) => self.grant(target, job),
            (_, grant) => grant,
        };
        let has_ended = match (&job, &grant) {
            (Some(job), Some(grant)) => self.print_granted(target, job, grant, is_tapped),
            (None, Some(grant)) => {
                self.shop.judge.purse.give_back(grant.job);
                false
            }
            (_, None) => false,
        };
        // Deleted while it was looked at, and waits or has stopped: its deletion was promised.
        if target.let_go() && !has_ended {
            self.shop.delete(number);
        }
    }

    /// Decides on a push job. One that may not print waits for its owner at the box, who is told why.
    fn grant(&self, target: &Target, job: &Job) -> Option<Grant> {
        if self.shop.judge.terms().ask_for_counts() {
            self.shop.counter.count_and_keep(job.number);
        }
        let job = self.shop.spool.job(job.number).ok().flatten()?;
        if !self.is_nobodys(&job) {
            return None;
        }
        // Whether the printer is ready shows when its port is opened.
        let mut facts = target.facts(&target.status());
        facts.ready = true;
        let judged = self.shop.judge.judge_push(&job, &facts);
        let reason = match judged.verdict {
            Verdict::Go(grant) => return Some(grant),
            // Its owner is releasing it at the box.
            Verdict::Waits(Reason::NotReleasable) => return None,
            Verdict::Waits(reason) => reason,
            // A push queue is one printer's; its owner can have the job redirected by a tap.
            Verdict::Elsewhere(_) => Reason::NoPermission,
        };
        log::info!(job:% = job.number, reason:?; "push job waits for its owner");
        let (state, wait) = (JobState::PendingHeld, JobStateReason::JobReleaseWait);
        match self.shop.spool.advance(&job, state, wait) {
            Ok(_) | Err(SpoolError::NotNow(_) | SpoolError::NotFound(_)) => {}
            Err(error) => {
                log::error!(job:% = job.number, err:% = Chain(&error); "push job can't be held");
            }
        }
        None
    }

    /// `true` when the job has ended by it. What is set aside for it is free afterwards, and given back
    /// once: its owner may release it again at once.
    fn print_granted(
        &mut self,
        target: &Target,
        job: &Job,
        grant: &Grant,
        is_tapped: bool,
    ) -> bool {
        let has_ended = self.try_to_print(target, job, grant, is_tapped);
        // What a settlement took of it is spent; the rest is free.
        self.shop.judge.purse.give_back(grant.job);
        if !target.status().ready {
            target.set_status(self.port.status());
        }
        has_ended
    }

    fn try_to_print(&mut self, target: &Target, job: &Job, grant: &Grant, is_tapped: bool) -> bool {
        if target.is_canceled() {
            return false;
        }
        let number = job.number;
        let told = Job {
            options: grant.options.clone(),
            ..job.clone()
        };
        let envelope = Envelope::of(&told, &target.config);
        let sending = envelope.sending(&told, target.cancel_mark());
        let opened = self.port.open(&sending);
        let mut release = Release {
            target,
            envelope: &envelope,
            sending: &sending,
            job,
            grant,
            shop: &self.shop,
            is_tapped,
            attempt: 0,
            recorded: true,
            handed: Cell::new(0),
            whole: 0,
            has_ended: Cell::new(false),
        };
        let session = match opened {
            Ok(session) => session,
            Err(_) if target.is_canceled() => return false,
            Err(error) => {
                self.put_back(target, job, error, is_tapped);
                return false;
            }
        };
        let (state, reason) = (JobState::Processing, JobStateReason::JobPrinting);
        match self.shop.spool.advance(job, state, reason) {
            Ok(_) => {}
            // Deleted, expired or held while the printer was asked.
            Err(SpoolError::NotNow(_) | SpoolError::NotFound(_)) => return false,
            Err(error) => {
                log::error!(job:% = number, err:% = Chain(&error); "released job can't be marked");
                self.shop.wait_again(job, is_tapped);
                return false;
            }
        }
        match release.run(&mut *self.port, session) {
            Ok(report) => release.settle(report),
            // Whoever deleted it was told that it ends, whatever the printer does.
            Err(ReleaseError::Port(_)) if target.is_canceled() => release.cancel(),
            Err(error) => release.stop(error),
        }
        release.has_ended.get()
    }

    /// The printer took nothing: a pull job waits for its owner as before, a push job for the
    /// printer.
    fn put_back(&mut self, target: &Target, job: &Job, error: PortError, is_tapped: bool) {
        log::warn!(job:% = job.number, printer = target.config.name, err:% = Chain(&error); "printer did not take the job");
        target.set_status(self.port.status());
        self.shop.wait_again(job, is_tapped);
        let words = self.shop.panel.printer_words(&target.status().reasons);
        self.shop
            .panel
            .show(PanelSignal::PrinterError, Some(&words));
    }
}
