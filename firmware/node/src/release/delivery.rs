// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One job on its way: the release ticket, the bytes, and the end of it in the journal. Called by
//! the printer's thread once the way to the printer is open.

use std::io::Read;

use platen_hal::{
    PanelSignal, PortError, PortReport, PortSession, PortStatus, PrinterPort, Sending,
};
use platen_ledger::{Entry, LedgerError, Outcome};
use platen_model::{Chain, Job, JobState, JobStateReason, PrinterName, UserId};
use platen_spool::SpoolError;
use thiserror::Error;

use super::envelope::Envelope;
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
    pub(super) user: Option<UserId>,
    pub(super) shop: &'a Workshop,
    pub(super) envelope: &'a Envelope,
    /// What the port is told before the first byte.
    pub(super) sending: &'a Sending,
    /// Which attempt at this job, from 1; 0 until the ticket is written.
    pub(super) attempt: u32,
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
        let body = self.shop.spool.body(self.job.number)?;
        self.write_ticket()?;
        let mut total = self.send(body, first)?;
        for _ in 1..sendings {
            let body = self.shop.spool.body(self.job.number)?;
            let report = self.send(body, port.open(self.sending)?)?;
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
    ) -> Result<PortReport, ReleaseError> {
        let Envelope {
            opening, closing, ..
        } = self.envelope;
        if !opening.is_empty() {
            session.send(opening)?;
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
        if !closing.is_empty() {
            session.send(closing)?;
        }
        Ok(session.finish()?)
    }

    /// The release ticket: durable before the first byte leaves.
    fn write_ticket(&mut self) -> Result<(), ReleaseError> {
        let last = self.shop.last_attempt(self.job.id);
        let ticket = Entry::Released {
            job: self.job.id,
            number: self.job.number,
            user: self.user,
            printer: self.printer(),
            attempt: last + 1,
            octets: self.job.octets,
            format: self.job.format.clone(),
        };
        match self.shop.ledger.append_blocking(ticket.clone()) {
            // The end of the last attempt could not be journaled then.
            Err(LedgerError::AlreadyReleased { .. }) => {
                self.shop
                    .ledger
                    .append_blocking(self.shop.interruption(self.job))?;
                self.shop.ledger.append_blocking(ticket)?;
            }
            other => drop(other?),
        }
        self.attempt = last + 1;
        self.shop.attempts().insert(self.job.id, self.attempt);
        Ok(())
    }

    pub(super) fn settle(&self, report: PortReport) {
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

    pub(super) fn stop(&self, error: ReleaseError) {
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
        self.append(Entry::Stopped {
            job: self.job.id,
            number: self.job.number,
            attempt: self.attempt,
            reasons: reasons.clone(),
        });
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

    pub(super) fn cancel(&self) {
        self.append(if self.attempt > 0 {
            self.ended_entry(Outcome::Canceled)
        } else {
            Entry::Canceled {
                job: self.job.id,
                number: self.job.number,
                user: None,
            }
        });
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
