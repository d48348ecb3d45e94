// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A recognised person's tap: which jobs go to which printer, and what the panel says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use platen_hal::{PanelSignal, PortStatus};
use platen_model::{
    Clock, Identity, Job, JobNumber, JobOptions, JobState, JobStateReason, Method, PrinterName,
    Reason, UserId,
};
use platen_policy::PrinterFacts;
use platen_spool::{Spool, SpoolError};
use smol::Timer;

use super::judge::{Case, Grant, Judge, Verdict};
use super::target::Target;
use crate::counting::Counter;
use crate::panel::Panel;

/// How long the question "print once more?" waits for the second tap.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// People who may be asked at the same time; the oldest question is forgotten past this.
const QUESTIONS: usize = 64;
/// Jobs released at once by choice; a page of a list has fewer.
const WISHES_MAX: usize = 1000;
/// How long somebody who taps waits for pages to be counted, of all their jobs together.
const COUNTING: Duration = Duration::from_secs(10);

/// What a tap led to.
#[derive(Debug)]
pub(crate) struct Tapped {
    pub(crate) signal: PanelSignal,
    /// What the panel says in the place of the signal's own sentence.
    pub(crate) instead: Option<String>,
    /// What the panel says after it.
    pub(crate) more: Option<String>,
    pub(crate) released: Vec<JobNumber>,
    /// Jobs that were wanted and are not released.
    pub(crate) waits: Vec<(JobNumber, Reason)>,
    /// What rules want to be told of each job.
    pub(crate) says: Vec<(JobNumber, String)>,
}

impl Tapped {
    pub(crate) fn only(signal: PanelSignal) -> Self {
        Self {
            signal,
            instead: None,
            more: None,
            released: Vec::new(),
            waits: Vec::new(),
            says: Vec::new(),
        }
    }
}

/// A job that a person chose, and how they want it.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) job: JobNumber,
    /// In the place of what it was sent with.
    pub(crate) options: Option<JobOptions>,
    /// A printer of this box in the place of the job's own.
    pub(crate) printer: Option<PrinterName>,
}

/// What came of the jobs of one tap.
#[derive(Default)]
struct Sum {
    released: Vec<JobNumber>,
    waits: Vec<(JobNumber, Reason)>,
    /// Of the printers that were asked.
    reasons: Vec<String>,
    /// What rules want to be told of each job, in order.
    says: Vec<(JobNumber, String)>,
}

impl Sum {
    fn wait(&mut self, job: &Job, reason: Reason) {
        log::info!(job:% = job.number, reason:?; "job is not released");
        self.waits.push((job.number, reason));
    }

    fn says(&mut self, job: &Job, says: Vec<String>) {
        for text in says {
            let said = (job.number, text);
            if !self.says.contains(&said) {
                self.says.push(said);
            }
        }
    }
}

/// The jobs of one person on one occasion.
struct Round<'a> {
    identity: &'a Identity,
    method: Method,
    /// Until when page counts are waited for; `None` when that is over.
    patience: Option<Timer>,
    /// Printers asked so far: each is asked once.
    probed: HashMap<String, PortStatus>,
    sum: Sum,
}

impl<'a> Round<'a> {
    async fn facts(&mut self, target: &Target) -> PrinterFacts {
        let name = &target.config.name;
        if !self.probed.contains_key(name) {
            let status = target.probe().await;
            self.sum.reasons.extend(status.reasons.iter().cloned());
            self.probed.insert(name.clone(), status);
        }
        let status = self.probed.get(name).cloned().unwrap_or_default();
        target.facts(&status)
    }

    fn case<'b>(&self, job: &'b Job, printer: &'b PrinterFacts, redirected: bool) -> Case<'b>
    where
        'a: 'b,
    {
        Case {
            identity: self.identity,
            method: self.method,
            job,
            printer,
            redirected,
        }
    }
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
    judge: Arc<Judge>,
    counter: Arc<Counter>,
    /// Held by whoever counts for a tap: counts that take long must not use up the threads.
    pub(super) counting: Arc<smol::lock::Mutex<()>>,
    questions: Mutex<HashMap<UserId, Duration>>,
}

impl Releases {
    pub(crate) fn new(
        spool: Spool,
        panel: Arc<Panel>,
        clock: Arc<dyn Clock>,
        targets: Vec<Arc<Target>>,
        judge: Arc<Judge>,
        counter: Arc<Counter>,
    ) -> Self {
        Self {
            spool,
            panel,
            clock,
            targets,
            judge,
            counter,
            counting: Arc::default(),
            questions: Mutex::default(),
        }
    }

    /// Decides on jobs.
    pub(crate) fn judge(&self) -> &Judge {
        &self.judge
    }

    /// The box's printers; the first is where a tap releases to.
    pub(crate) fn targets(&self) -> &[Arc<Target>] {
        &self.targets
    }

    /// Whether a job is at a printer, or in its queue.
    pub(crate) fn is_printing(&self) -> bool {
        let mut targets = self.targets.iter();
        targets.any(|target| target.is_printing() || target.queued() > 0)
    }

    /// Releases what waits for `identity`, in order of arrival.
    pub(crate) async fn tap(
        &self,
        identity: &Identity,
        method: Method,
    ) -> Result<Tapped, SpoolError> {
        let jobs = self.spool.held_by(&identity.owner_keys)?;
        let (waiting, stopped): (Vec<_>, Vec<_>) = jobs
            .into_iter()
            .filter(|job| job.reason != JobStateReason::JobIncoming)
            .partition(|job| job.state == JobState::PendingHeld);
        let wanted = match (waiting.is_empty(), stopped.is_empty()) {
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
        self.release_all(identity, method, wanted).await
    }

    /// Releases the jobs that the person chose, each as they want it. A job that is not theirs is
    /// passed over, as one that is not there.
    pub(crate) async fn release_jobs(
        &self,
        identity: &Identity,
        method: Method,
        wishes: &[Wish],
    ) -> Result<Tapped, SpoolError> {
        let mut wanted = Vec::new();
        for wish in wishes.iter().take(WISHES_MAX) {
            let Some(mut job) = self.own_job(identity, wish.job)? else {
                continue;
            };
            if let Some(options) = wish.options.as_ref().filter(|new| **new != job.options) {
                job = match self.spool.set_options(job.number, options.clone()).await {
                    Ok(job) => {
                        self.judge.approvals.forget(job.id);
                        job
                    }
                    Err(SpoolError::NotNow(_) | SpoolError::NotFound(_)) => continue,
                    Err(error) => return Err(error),
                };
            }
            if let Some(printer) = &wish.printer {
                job.target = Some(printer.clone());
            }
            wanted.push(job);
        }
        self.release_all(identity, method, wanted).await
    }

    /// A job of this person that has not ended.
    pub(crate) fn own_job(
        &self,
        identity: &Identity,
        number: JobNumber,
    ) -> Result<Option<Job>, SpoolError> {
        let job = self.spool.job(number)?;
        let own = |job: &Job| identity.owner_keys.contains(&job.owner.key) && !job.state.is_ended();
        Ok(job.filter(own))
    }

    async fn release_all(
        &self,
        identity: &Identity,
        method: Method,
        jobs: Vec<Job>,
    ) -> Result<Tapped, SpoolError> {
        let mut round = Round {
            identity,
            method,
            patience: Some(Timer::after(COUNTING)),
            probed: HashMap::new(),
            sum: Sum::default(),
        };
        for job in jobs {
            let job = self.counted(&mut round.patience, job).await?;
            let target = match &job.target {
                Some(name) => self.target(name),
                None => self.targets.first(),
            };
            match target {
                Some(target) => self.release(&mut round, target, &job).await?,
                // Its printer is not configured any more.
                None => round.sum.wait(&job, Reason::PrinterInError),
            }
        }
        Ok(self.outcome(round.sum))
    }

    fn target(&self, name: &PrinterName) -> Option<&Arc<Target>> {
        self.targets
            .iter()
            .find(|target| target.config.name == name.0)
    }

    /// The job with its page count, where a rule or a quota may ask for it: counted now if need be,
    /// for as long as somebody may wait.
    pub(super) async fn counted(
        &self,
        patience: &mut Option<Timer>,
        job: Job,
    ) -> Result<Job, SpoolError> {
        let Some(limit) = patience else {
            return Ok(job);
        };
        if job.count.is_some() || !self.judge.terms().ask_for_counts() {
            return Ok(job);
        }
        let counter = Arc::clone(&self.counter);
        let number = job.number;
        let counting = async {
            let turn = self.counting.lock_arc().await;
            smol::unblock(move || {
                counter.count_and_keep(number);
                drop(turn);
            })
            .await;
            true
        };
        let limit = async {
            limit.await;
            false
        };
        if !smol::future::or(counting, limit).await {
            *patience = None;
        }
        let count = self.spool.job(number)?.and_then(|job| job.count);
        Ok(Job { count, ..job })
    }

    async fn release(
        &self,
        round: &mut Round<'_>,
        target: &Target,
        job: &Job,
    ) -> Result<(), SpoolError> {
        let facts = round.facts(target).await;
        let judged = self.judge.judge(round.case(job, &facts, false));
        round.sum.says(job, judged.says);
        let name = match judged.verdict {
            Verdict::Go(grant) => return self.go(round, target, job, grant).await,
            Verdict::Waits(reason) => {
                round.sum.wait(job, reason);
                return Ok(());
            }
            Verdict::Elsewhere(name) => name,
        };
        let Some(other) = self.target(&name) else {
            log::warn!(job:% = job.number, printer = name.0; "a rule redirects to a printer that is not here");
            round.sum.wait(job, Reason::PrinterInError);
            return Ok(());
        };
        let facts = round.facts(other).await;
        let judged = self.judge.judge(round.case(job, &facts, true));
        round.sum.says(job, judged.says);
        match judged.verdict {
            Verdict::Go(grant) => self.go(round, other, job, grant).await,
            Verdict::Waits(reason) => {
                round.sum.wait(job, reason);
                Ok(())
            }
            Verdict::Elsewhere(_) => {
                round.sum.wait(job, Reason::NoPermission);
                Ok(())
            }
        }
    }

    async fn go(
        &self,
        round: &mut Round<'_>,
        target: &Target,
        job: &Job,
        grant: Grant,
    ) -> Result<(), SpoolError> {
        let queued = self.queue(target, job, Some(grant));
        if !matches!(queued, Ok(Queued::Taken)) {
            let (purse, job) = (Arc::clone(&self.judge.purse), job.id);
            smol::unblock(move || purse.give_back(job)).await;
        }
        match queued? {
            Queued::Taken => round.sum.released.push(job.number),
            Queued::Full => round.sum.wait(job, Reason::PrinterInError),
            Queued::Changed => round.sum.wait(job, Reason::NotReleasable),
        }
        Ok(())
    }

    fn outcome(&self, sum: Sum) -> Tapped {
        let mut words = Vec::new();
        let is_away = self.judge.is_away();
        let first = sum.waits.first().map(|(_, reason)| *reason);
        let (signal, instead) = match (sum.released.is_empty(), first) {
            (false, _) => {
                words.push(self.panel.jobs_words(sum.released.len()));
                words.extend(self.waits_words(&sum.waits, is_away));
                (PanelSignal::Accepted, None)
            }
            // What was wanted is gone: released or deleted meanwhile.
            (true, None | Some(Reason::NotReleasable)) => (PanelSignal::NoJobs, None),
            (true, Some(Reason::PrinterInError)) => {
                words.push(self.panel.printer_words(&sum.reasons));
                (PanelSignal::PrinterError, None)
            }
            (true, Some(Reason::FormatNotTaken)) => (
                PanelSignal::PrinterError,
                self.panel
                    .nothing_printed_words(Reason::FormatNotTaken, is_away),
            ),
            (true, Some(reason)) => (
                PanelSignal::Refused,
                self.panel.nothing_printed_words(reason, is_away),
            ),
        };
        for (_, text) in &sum.says {
            if !words.contains(text) {
                words.push(text.clone());
            }
        }
        Tapped {
            signal,
            instead: instead.map(str::to_owned),
            more: (!words.is_empty()).then(|| words.join(" ")),
            released: sum.released,
            waits: sum.waits,
            says: sum.says,
        }
    }

    /// One sentence for each reason.
    fn waits_words(&self, waits: &[(JobNumber, Reason)], is_away: bool) -> Vec<String> {
        let mut counts: Vec<(Reason, usize)> = Vec::new();
        for (_, reason) in waits {
            match counts.iter_mut().find(|(known, _)| known == reason) {
                Some((_, count)) => *count += 1,
                None => counts.push((*reason, 1)),
            }
        }
        let words = |(reason, count)| self.panel.waits_words(count, reason, is_away);
        counts.into_iter().map(words).collect()
    }

    /// Marks a job released, as it was when `job` was read, and puts it into the printer's queue.
    pub(crate) fn queue(
        &self,
        target: &Target,
        job: &Job,
        grant: Option<Grant>,
    ) -> Result<Queued, SpoolError> {
        let (state, reason) = (JobState::Pending, JobStateReason::JobQueued);
        let pending = match self.spool.advance(job, state, reason) {
            Ok(pending) => pending,
            Err(SpoolError::NotNow(_) | SpoolError::NotFound(_)) => return Ok(Queued::Changed),
            Err(error) => return Err(error),
        };
        if target.print(job.number, grant.map(Box::new)) {
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
