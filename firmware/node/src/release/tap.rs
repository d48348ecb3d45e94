// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A recognised person's tap: which jobs go to which printer, and what the panel says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use platen_hal::PanelSignal;
use platen_model::{
    Clock, Decision, Identity, Job, JobNumber, JobState, JobStateReason, Reason, UserId,
};
use platen_spool::{Spool, SpoolError};

use super::target::Target;
use crate::panel::Panel;

/// How long the question "print once more?" waits for the second tap.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// People who may be asked at the same time; the oldest question is forgotten past this.
const QUESTIONS: usize = 64;

/// What a tap led to.
#[derive(Debug)]
pub(crate) struct Tapped {
    pub(crate) signal: PanelSignal,
    /// What the panel says after the signal's own sentence.
    pub(crate) more: Option<String>,
    pub(crate) released: Vec<JobNumber>,
}

impl Tapped {
    pub(crate) fn only(signal: PanelSignal) -> Self {
        Self {
            signal,
            more: None,
            released: Vec::new(),
        }
    }
}

/// What came of the jobs of one tap.
#[derive(Default)]
struct Sum {
    released: Vec<JobNumber>,
    refused: Option<Reason>,
    /// Of the printers that were asked.
    reasons: Vec<String>,
}

/// What became of a job that was to go into a printer's queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Queued {
    Taken,
    /// The queue is full; the job is as before.
    Full,
    /// Somebody else released, held or deleted it first.
    Changed,
}

/// Releases jobs to the box's printers.
pub(crate) struct Releases {
    spool: Spool,
    panel: Arc<Panel>,
    clock: Arc<dyn Clock>,
    targets: Vec<Arc<Target>>,
    questions: Mutex<HashMap<UserId, Duration>>,
}

impl Releases {
    pub(crate) fn new(
        spool: Spool,
        panel: Arc<Panel>,
        clock: Arc<dyn Clock>,
        targets: Vec<Arc<Target>>,
    ) -> Self {
        Self {
            spool,
            panel,
            clock,
            targets,
            questions: Mutex::default(),
        }
    }

    /// The box's printers; the first is where a tap releases to.
    pub(crate) fn targets(&self) -> &[Arc<Target>] {
        &self.targets
    }

    /// Releases what waits for `identity`, in order of arrival.
    pub(crate) async fn tap(&self, identity: &Identity) -> Result<Tapped, SpoolError> {
        let jobs = self.spool.held_by(&identity.owner_keys)?;
        let (waiting, stopped): (Vec<_>, Vec<_>) = jobs
            .into_iter()
            .filter(|job| job.reason != JobStateReason::JobIncoming)
            .partition(|job| job.state == JobState::PendingHeld);
        let mut wanted = match (waiting.is_empty(), stopped.is_empty()) {
            (true, true) => return Ok(Tapped::only(PanelSignal::NoJobs)),
            (_, true) => waiting,
            (true, false) if self.answers_question(identity.user) => stopped,
            (true, false) => {
                self.ask(identity.user);
                return Ok(Tapped::only(PanelSignal::Interrupted));
            }
            (false, false) => {
                self.ask(identity.user);
                waiting
            }
        };
        let mut sum = Sum::default();
        for target in &self.targets {
            let (own, rest) = wanted
                .into_iter()
                .partition(|job| self.goes_to(job, target));
            wanted = rest;
            self.release(identity, target, own, &mut sum).await?;
        }
        Ok(self.outcome(sum))
    }

    /// Pull jobs go to the first printer, push jobs to their own.
    fn goes_to(&self, job: &Job, target: &Target) -> bool {
        match &job.target {
            Some(name) => name.0 == target.config.name,
            None => self
                .targets
                .first()
                .is_some_and(|first| std::ptr::eq(Arc::as_ptr(first), target)),
        }
    }

    async fn release(
        &self,
        identity: &Identity,
        target: &Target,
        jobs: Vec<Job>,
        sum: &mut Sum,
    ) -> Result<(), SpoolError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let status = target.probe().await;
        let facts = target.facts(&status);
        for job in jobs {
            let asked = platen_policy::Facts::new(identity, &job, &facts);
            match platen_policy::decide(&asked).decision {
                Decision::Allow { .. } => match self.queue(target, &job, Some(identity.user))? {
                    Queued::Taken => sum.released.push(job.number),
                    Queued::Full => sum.refused = Some(Reason::PrinterInError),
                    Queued::Changed => sum.refused = Some(Reason::NotReleasable),
                },
                Decision::Redirect { .. } | Decision::Hold { .. } => {
                    sum.refused = Some(Reason::NeedsApproval);
                }
                Decision::Deny(reason) => sum.refused = Some(reason),
            }
        }
        sum.reasons.extend(status.reasons);
        Ok(())
    }

    fn outcome(&self, sum: Sum) -> Tapped {
        if !sum.released.is_empty() {
            let more = Some(self.panel.jobs_words(sum.released.len()));
            return Tapped {
                signal: PanelSignal::Accepted,
                more,
                released: sum.released,
            };
        }
        let signal = match sum.refused {
            Some(
                Reason::NotOwner
                | Reason::NoPermission
                | Reason::QuotaSpent
                | Reason::NeedsApproval
                | Reason::NoCount
                | Reason::NoClock
                | Reason::CannotChange,
            ) => PanelSignal::Refused,
            Some(Reason::NotReleasable) => PanelSignal::NoJobs,
            // Also a job whose printer is not configured any more.
            Some(Reason::PrinterInError | Reason::FormatNotTaken) | None => {
                PanelSignal::PrinterError
            }
        };
        let more =
            (signal == PanelSignal::PrinterError).then(|| self.panel.printer_words(&sum.reasons));
        Tapped {
            signal,
            more,
            released: Vec::new(),
        }
    }

    /// Marks a job released, as it was when `job` was read, and puts it into the printer's queue.
    pub(crate) fn queue(
        &self,
        target: &Target,
        job: &Job,
        user: Option<UserId>,
    ) -> Result<Queued, SpoolError> {
        let (state, reason) = (JobState::Pending, JobStateReason::JobQueued);
        let pending = match self.spool.advance(job, state, reason) {
            Ok(pending) => pending,
            Err(SpoolError::NotNow(_) | SpoolError::NotFound(_)) => return Ok(Queued::Changed),
            Err(error) => return Err(error),
        };
        if target.print(job.number, user) {
            return Ok(Queued::Taken);
        }
        match self.spool.advance(&pending, job.state, job.reason) {
            Ok(_) | Err(SpoolError::NotNow(_) | SpoolError::NotFound(_)) => Ok(Queued::Full),
            Err(error) => Err(error),
        }
    }

    fn ask(&self, user: UserId) {
        let now = self.clock.now().elapsed;
        let mut questions = self
            .questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        questions.retain(|_, asked| now.saturating_sub(*asked) < ASK_AGAIN);
        if questions.len() < QUESTIONS {
            questions.insert(user, now);
        }
    }

    fn answers_question(&self, user: UserId) -> bool {
        let now = self.clock.now().elapsed;
        let mut questions = self
            .questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        questions
            .remove(&user)
            .is_some_and(|asked| now.saturating_sub(asked) < ASK_AGAIN)
    }
}
