// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One job on its way: the release ticket, the bytes, and the end of it in the journal. Called by
//! the printer's thread once the way to the printer is open.

use std::cell::Cell;
use std::io::Read;

use platen_hal::{
    Confirmation, PanelSignal, PortError, PortReport, PortSession, PortStatus, PrinterPort, Sending,
};
use platen_ledger::{Entry, LedgerError, Outcome};
use platen_model::{
    Certainty, Chain, Evidence, Job, JobState, JobStateReason, PageCount, PrinterName,
};
use platen_spool::SpoolError;
use thiserror::Error;

use super::envelope::Envelope;
use super::judge::{Grant, count_as_printed, part_of, with_impressions};
use super::target::Target;
use super::worker::Workshop;

/// Bytes on their way at once; a whole number of sealed chunks.
const CHUNK: usize = 64 << 10;
/// What has been printed is journaled within these tries, also on a disk that is full for a moment.
const APPEND_TRIES: u32 = 10;

/// Why a job did not get through.
#[derive(Debug, Error)]
pub(super) enum ReleaseError {
    #[error("the printer did not take it")]
    Port(#[from] PortError),
    #[error("the release could not be journaled")]
    Ledger(#[from] LedgerError),
    #[error("the box could not read its copy")]
    Spool(#[from] SpoolError),
    #[error("the box could not read its copy")]
    Body(#[source] std::io::Error),
    #[error("deleted while printing")]
    Canceled,
}

/// One job on its way.
pub(super) struct Release<'a> {
    pub(super) target: &'a Target,
    pub(super) job: &'a Job,
    pub(super) grant: &'a Grant,
    pub(super) shop: &'a Workshop,
    pub(super) envelope: &'a Envelope,
    /// What the port is told before the first byte.
    pub(super) sending: &'a Sending,
    /// Whether its owner released it by a tap.
    pub(super) is_tapped: bool,
    /// Which attempt at this job, from 1; 0 until the ticket is written.
    pub(super) attempt: u32,
    /// Whether the ticket is in the journal; without it only where the site lets jobs print so.
    pub(super) recorded: bool,
    /// Bytes of the document that the printer took, over all sendings.
    pub(super) handed: Cell<u64>,
    /// What that comes to at the end.
    pub(super) whole: u64,
    /// Whether the job is over, and not only this try.
    pub(super) has_ended: Cell<bool>,
}

impl Release<'_> {
    /// Sends the job, all its copies. `first` is the way that is open already.
    pub(super) fn run(
        &mut self,
        port: &mut dyn PrinterPort,
        first: Box<dyn PortSession>,
    ) -> Result<PortReport, ReleaseError> {
        let sendings = match first.makes_copies() {
            true => 1,
            false => self.envelope.sendings,
        };
        self.whole = self.job.octets.saturating_mul(sendings.into());
        let body = self.shop.spool.body(self.job.number)?;
        self.write_ticket()?;
        let mut total = self.send(body, first)?;
        for _ in 1..sendings {
            let body = self.shop.spool.body(self.job.number)?;
            let report = self.send(body, port.open(self.sending)?)?;
            total = joined(total, report);
        }
        Ok(total)
    }

    fn send(
        &self,
        mut body: impl Read,
        mut session: Box<dyn PortSession>,
    ) -> Result<PortReport, ReleaseError> {
        let Envelope {
            opening, closing, ..
        } = self.envelope;
        if !opening.is_empty() {
            session.send(opening)?;
        }
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = body.read(&mut buffer).map_err(ReleaseError::Body)?;
            match buffer.get(..length) {
                None | Some([]) => break,
                // Not behind the last piece: the printer has the whole job then, and prints it.
                Some(_) if self.target.is_canceled() => return Err(ReleaseError::Canceled),
                Some(bytes) => {
                    session.send(bytes)?;
                    let length = u64::try_from(length).unwrap_or(u64::MAX);
                    self.handed.set(self.handed.get().saturating_add(length));
                }
            }
        }
        if !closing.is_empty() {
            session.send(closing)?;
        }
        Ok(session.finish()?)
    }

    /// The release ticket: durable before the first byte leaves. Where the site lets jobs print
    /// although the journal takes nothing, it is tried once more at the end.
    fn write_ticket(&mut self) -> Result<(), ReleaseError> {
        let last = self.shop.last_attempt(self.job.id);
        match self.append_ticket(last + 1) {
            Ok(()) => {}
            Err(error) if self.may_go_unrecorded(&error) => {
                log::error!(job:% = self.job.number, err:% = Chain(&error); "job prints without its record");
                self.recorded = false;
            }
            Err(error) => return Err(error.into()),
        }
        self.attempt = last + 1;
        self.shop.attempts().insert(self.job.id, self.attempt);
        Ok(())
    }

    fn append_ticket(&self, attempt: u32) -> Result<(), LedgerError> {
        let ticket = Entry::Released {
            job: self.job.id,
            number: self.job.number,
            user: self.grant.user,
            printer: self.printer(),
            attempt,
            octets: self.job.octets,
            format: self.job.format.clone(),
            shares: self.grant.shares.clone(),
        };
        match self.shop.ledger.append_blocking(ticket.clone()) {
            // The end of the last attempt could not be journaled then.
            Err(LedgerError::AlreadyReleased { .. }) => {
                let interruption = self.shop.interruption(self.job);
                self.shop.ledger.append_blocking(interruption)?;
                self.shop.ledger.append_blocking(ticket).map(drop)
            }
            other => other.map(drop),
        }
    }

    fn may_go_unrecorded(&self, error: &LedgerError) -> bool {
        let disk = matches!(error, LedgerError::Full(_) | LedgerError::Disk { .. });
        disk && !self.shop.judge.terms().settings.journal_required
    }

    pub(super) fn settle(&self, report: PortReport) {
        let counted = self.shop.counter.count(self.job);
        let count = count_as_printed(counted, self.job, self.grant);
        let impressions = report.impressions.or(count.impressions).unwrap_or(0);
        self.compare(report, count.impressions);
        let printed = match report.impressions {
            Some(confirmed) => with_impressions(count.clone(), confirmed),
            None => count.clone(),
        };
        let (shares, cost) = self.shop.judge.bill(self.grant, &self.printer(), &printed);
        let settled = self.append_end(Entry::Settled {
            job: self.job.id,
            number: self.job.number,
            user: self.grant.user,
            printer: self.printer(),
            attempt: self.attempt,
            outcome: Outcome::Completed,
            count: Some(count),
            octets: report.octets,
            impressions: report.impressions,
            confirmed_by: report.confirmed_by.map(evidence),
            charged: true,
            shares: shares.clone(),
            cost,
        });
        if settled || !self.recorded {
            self.shop.judge.purse.settle(self.job.id, &shares);
        } else {
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

    /// Appends the end of the release; of one that went without a ticket, the ticket first. `false`
    /// when it is not in the journal.
    fn append_end(&self, entry: Entry) -> bool {
        if self.recorded {
            return self.append(entry);
        }
        let late = self.append_ticket(self.attempt);
        if let Err(error) = &late {
            log::error!(job:% = self.job.number, err:% = Chain(error); "job printed and is not recorded");
        }
        late.is_ok() && self.append(entry)
    }

    /// The printer's own count stands; where the box counted otherwise, somebody may want to know.
    fn compare(&self, report: PortReport, counted: Option<u32>) {
        let (Some(confirmed), Some(way)) = (report.impressions, report.confirmed_by) else {
            return;
        };
        if counted.is_some_and(|counted| counted != confirmed) {
            let (job, printer) = (self.job.number, &self.target.config.name);
            log::warn!(job:%, printer, confirmed, counted:?, way:?; "printer counted otherwise than the box");
        }
    }

    pub(super) fn stop(&self, error: ReleaseError) {
        let number = self.job.number;
        match error {
            // Whoever stands at the printer may cancel there what comes out.
            ReleaseError::Canceled | ReleaseError::Port(PortError::Canceled) => self.cancel(),
            ReleaseError::Body(_) | ReleaseError::Spool(_) => {
                log::error!(job:% = number, err:% = Chain(&error); "held job can't be read back; it is given up");
                self.give_up();
            }
            ReleaseError::Ledger(_) => {
                log::error!(job:% = number, err:% = Chain(&error); "release refused: the journal takes nothing");
                self.shop.wait_again(self.job, self.is_tapped);
                let words = self.shop.panel.journal_words();
                let panel = &self.shop.panel;
                panel.show(PanelSignal::PrinterError, Some(words));
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
        if self.recorded {
            self.append(Entry::Stopped {
                job: self.job.id,
                number: self.job.number,
                attempt: self.attempt,
                reasons: reasons.clone(),
            });
        }
        self.hold(JobState::ProcessingStopped, JobStateReason::PrinterStopped);
        let words = self.shop.panel.printer_words(&reasons);
        self.target.set_status(PortStatus {
            ready: false,
            reasons,
        });
        self.shop
            .panel
            .show(PanelSignal::PrinterError, Some(&words));
    }

    /// Ends a job that was deleted on its way. Pages come out of what the printer took already: that part
    /// of it is charged, as nobody confirms what became of it.
    pub(super) fn cancel(&self) {
        let part = (self.handed.get(), self.whole);
        let mut entry = self.ended_entry(Outcome::Canceled);
        let (mut spent, mut out) = (Vec::new(), 0);
        if part.0 > 0
            && let Entry::Settled {
                count,
                octets,
                charged,
                shares,
                cost,
                ..
            } = &mut entry
        {
            let printed = self.printed_part(part);
            out = printed.impressions.unwrap_or(0);
            (spent, *cost) = self
                .shop
                .judge
                .bill_part(self.grant, &self.printer(), &printed, part);
            shares.clone_from(&spent);
            (*count, *octets, *charged) = (Some(printed), part.0, true);
        }
        if self.append_end(entry) || !self.recorded {
            self.shop.judge.purse.settle(self.job.id, &spent);
        }
        self.end(JobState::Canceled, JobStateReason::JobCanceledByUser, out);
    }

    /// What a job comes to of which so many bytes are out.
    fn printed_part(&self, (part, whole): (u64, u64)) -> PageCount {
        let counted = self.shop.counter.count(self.job);
        let count = count_as_printed(counted, self.job, self.grant);
        let Some(impressions) = count.impressions else {
            return count;
        };
        let out = part_of(impressions.into(), part, whole);
        let out = u32::try_from(out).unwrap_or(impressions);
        let certainty = match part < whole && count.certainty == Certainty::Exact {
            true => Certainty::Estimated,
            false => count.certainty,
        };
        PageCount {
            certainty,
            ..with_impressions(count, out)
        }
    }

    fn give_up(&self) {
        if self.attempt > 0 {
            self.append_end(self.ended_entry(Outcome::Aborted));
        }
        self.end(JobState::Aborted, JobStateReason::AbortedBySystem, 0);
    }

    fn ended_entry(&self, outcome: Outcome) -> Entry {
        Entry::Settled {
            job: self.job.id,
            number: self.job.number,
            user: self.grant.user,
            printer: self.printer(),
            attempt: self.attempt,
            outcome,
            count: None,
            octets: 0,
            impressions: None,
            confirmed_by: None,
            charged: false,
            shares: Vec::new(),
            cost: None,
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
        self.has_ended.set(true);
        self.shop.attempts().remove(&self.job.id);
        self.shop.judge.approvals.forget(self.job.id);
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

/// Two sendings of the same job in one report: confirmed only if both are, in the weaker way.
fn joined(first: PortReport, second: PortReport) -> PortReport {
    let both = first.impressions.zip(second.impressions);
    let impressions = both.and_then(|(first, second)| first.checked_add(second));
    let ways = first.confirmed_by.zip(second.confirmed_by);
    let weaker = ways.map(
        |(first, second)| match evidence(first) <= evidence(second) {
            true => first,
            false => second,
        },
    );
    PortReport {
        octets: first.octets.saturating_add(second.octets),
        impressions,
        confirmed_by: weaker.filter(|_| impressions.is_some()),
    }
}

/// What a way of confirming is worth: reports of the job itself, or pages and counters of the
/// printer while it printed.
fn evidence(way: Confirmation) -> Evidence {
    match way {
        Confirmation::PjlJob | Confirmation::IppJob => Evidence::PrinterJob,
        _ => Evidence::Counter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(impressions: Option<u32>, confirmed_by: Option<Confirmation>) -> PortReport {
        PortReport {
            octets: 10,
            impressions,
            confirmed_by,
        }
    }

    #[test]
    fn sendings_are_added_up_and_are_worth_the_weaker_of_them() {
        let job = report(Some(3), Some(Confirmation::PjlJob));
        let counter = report(Some(2), Some(Confirmation::LifeCount));
        let both = joined(job, counter);
        assert_eq!((both.octets, both.impressions), (20, Some(5)));
        assert_eq!(both.confirmed_by, Some(Confirmation::LifeCount));
        for unsaid in [report(None, None), report(Some(u32::MAX), job.confirmed_by)] {
            let both = joined(job, unsaid);
            assert_eq!((both.impressions, both.confirmed_by), (None, None));
        }
    }
}
