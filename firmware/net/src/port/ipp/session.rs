// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One job at an IPP printer: made, sent, and followed to its end.
//!
//! A job that is given up, here or because the printer does not go on with it, is canceled at the
//! printer: its pages must not come out later, when its owner has gone.

use std::time::Duration;

use bytes::Bytes;
use platen_hal::{Confirmation, PortError, PortReport, PortSession, Sending};
use platen_wire::ipp::client::{JobAnswer, JobPhase, PrinterAnswer, Wishes};
use platen_wire::ipp::{Message, Operation, Status};
use platen_wire::printer_mib::JOB_IMPRESSIONS_MAX;
use smol::Timer;
use smol::future::or;

use super::IppOptions;
use super::client::{Shared, granted, lock};
use super::fault::IppFault;
use super::link::{Early, Upload};
use crate::body::within;

/// Bytes handed over at once: small enough that each piece moves within the stall limit.
const PIECE: usize = 64 * 1024;
/// Wait between two looks at whether the job was deleted.
const LOOK: Duration = Duration::from_secs(1);
/// Waits between two questions about the job; the last one stays.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
];
/// Longest wait until a printer has taken a Cancel-Job.
const CANCEL: Duration = Duration::from_secs(5);

/// A job on its way.
pub(super) struct IppSession {
    client: Shared,
    options: IppOptions,
    sending: Sending,
    /// The printer's number of the job; `None` before Print-Job's answer.
    job: Option<i32>,
    /// Name of the format that the printer is told.
    format: String,
    /// For Print-Job, which makes the job with its document.
    wishes: Wishes,
    upload: Option<Upload>,
    octets: u64,
    copies: bool,
    /// The printer has no more to do with it.
    ended: bool,
}

impl IppSession {
    /// Makes the job, where the printer can make one before its document.
    pub(super) fn begin(
        client: Shared,
        options: IppOptions,
        sending: &Sending,
        printer: &PrinterAnswer,
        format: &str,
    ) -> Result<Self, PortError> {
        let wishes = wishes(sending, printer);
        let mut session = Self {
            client,
            options,
            sending: sending.clone(),
            job: None,
            format: format.to_owned(),
            copies: sending.copies <= 1 || wishes.copies.is_some(),
            wishes,
            upload: None,
            octets: 0,
            ended: false,
        };
        if printer.creates_jobs() {
            session.create()?;
        }
        Ok(session)
    }

    /// A printer that is busy for a moment is asked again: some can't tell one job's end from the
    /// next one's beginning.
    fn create(&mut self) -> Result<(), PortError> {
        let mut waited = Duration::ZERO;
        loop {
            let mut client = lock(&self.client);
            let question = client.requests.create_job(&self.wishes);
            let asked = client.ask(&question, self.options.answer, true);
            drop(client);
            match asked {
                Ok(answer) => {
                    let answer = JobAnswer::read(&answer);
                    self.job = Some(
                        answer
                            .id
                            .ok_or(IppFault::NoJob)
                            .map_err(IppFault::before_job)?,
                    );
                    // The printer has made the job without them.
                    self.copies &= !answer.unsupported.iter().any(|name| name == "copies");
                    return Ok(());
                }
                Err(IppFault::Refused { status, .. })
                    if status == Status::BUSY && waited < self.options.stall =>
                {
                    if self.sending.is_canceled() {
                        return Err(PortError::Canceled);
                    }
                    smol::block_on(Timer::after(LOOK));
                    waited += LOOK;
                }
                Err(fault) => return Err(fault.before_job()),
            }
        }
    }

    fn upload(&mut self) -> Result<&mut Upload, PortError> {
        if self.upload.is_none() {
            let mut client = lock(&self.client);
            let question = match self.job {
                Some(job) => client.requests.send_document(job, &self.format),
                None => client.requests.print_job(&self.format, &self.wishes),
            };
            let begun = client.upload(&question, self.options.answer);
            let begun = begun.map_err(IppFault::in_job)?;
            drop(client);
            self.upload = Some(begun);
        }
        let none = || PortError::Broken(std::io::ErrorKind::NotConnected.into());
        self.upload.as_mut().ok_or_else(none)
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), PortError> {
        let (stall, operation) = (self.options.stall, self.operation());
        let sending = self.sending.clone();
        let bytes = Bytes::copy_from_slice(piece);
        let upload = self.upload()?;
        match smol::block_on(attended(&sending, stall, upload.push(bytes)))? {
            Ok(()) => Ok(()),
            Err(Early(answer)) => {
                // The connection is of no more use: part of a document is in it.
                self.upload = None;
                Err(early(answer, operation))
            }
        }
    }

    fn operation(&self) -> Operation {
        match self.job {
            Some(_) => Operation::SEND_DOCUMENT,
            None => Operation::PRINT_JOB,
        }
    }

    /// Ends the document and takes the printer's word for it.
    fn hand_over(&mut self) -> Result<(), PortError> {
        self.upload()?;
        let operation = self.operation();
        let Some(upload) = self.upload.take() else {
            return Ok(());
        };
        let limit = self.options.end;
        let answered = smol::block_on(attended(&self.sending, limit, upload.end()))?;
        let (answer, link) = answered.map_err(IppFault::in_job)?;
        lock(&self.client).take_back(link);
        let answer = granted(operation, answer).map_err(IppFault::in_job)?;
        if self.job.is_none() {
            // Without a number there is nothing to follow, but the printer has the job.
            self.job = JobAnswer::read(&answer).id;
        }
        Ok(())
    }

    fn ask_job(&self, job: i32) -> Result<JobAnswer, IppFault> {
        let mut client = lock(&self.client);
        let question = client.requests.job(job);
        let answer = client.ask(&question, self.options.answer, false)?;
        Ok(JobAnswer::read(&answer))
    }

    /// Asks until the job has ended; `None` when the printer has forgotten it meanwhile.
    fn follow(&mut self, job: i32) -> Result<Option<JobAnswer>, PortError> {
        let mut watch = Watch::default();
        let mut pauses = PAUSES.into_iter();
        let mut pause = Duration::ZERO;
        loop {
            match self.ask_job(job) {
                Ok(answer) => match answer.phase {
                    Some(JobPhase::Completed) => return Ok(Some(answer)),
                    Some(JobPhase::Canceled) => {
                        self.ended = true;
                        return Err(stopped(answer, "job-canceled-at-device"));
                    }
                    Some(JobPhase::Aborted) => {
                        self.ended = true;
                        return Err(stopped(answer, "aborted-by-system"));
                    }
                    _ => watch.see(answer, pause),
                },
                Err(IppFault::Refused {
                    status: Status::NOT_FOUND | Status::GONE,
                    ..
                }) => {
                    return Ok(None);
                }
                Err(fault) => watch.miss(fault, pause, self.options.stall)?,
            }
            if self.sending.is_canceled() {
                return Err(PortError::Canceled);
            }
            if watch.waiting >= self.options.stall {
                return Err(self.reasons_of_waiting(watch.last));
            }
            let over = watch.total >= self.options.job;
            let quiet = watch.quiet >= self.options.quiet;
            if over || quiet && (watch.counts() || !self.is_processing()) {
                return Err(PortError::Stalled {
                    seconds: watch.quiet.max(self.options.stall).as_secs(),
                });
            }
            if quiet {
                watch.quiet = Duration::ZERO;
            }
            pause = pauses.next().unwrap_or(LOOK);
            smol::block_on(Timer::after(pause));
        }
    }

    /// Whether the printer says that it is at some job, or can't be asked now: whether it is there
    /// the next question about the job tells.
    fn is_processing(&self) -> bool {
        let mut client = lock(&self.client);
        let question = client.requests.printer();
        let printer = client.ask(&question, self.options.answer, false);
        printer.map_or(true, |answer| PrinterAnswer::read(&answer).processing)
    }

    /// What the printer says is more use to a person than that the job waits.
    fn reasons_of_waiting(&self, job: JobAnswer) -> PortError {
        let mut client = lock(&self.client);
        let question = client.requests.printer();
        let printer = client.ask(&question, self.options.answer, false);
        let reasons = printer.map(|answer| PrinterAnswer::read(&answer).reasons);
        match reasons {
            Ok(reasons) if !reasons.is_empty() => PortError::Stopped { reasons },
            _ => stopped(job, "other-error"),
        }
    }

    /// Takes the job back from the printer, whatever it is doing with it.
    fn cancel(&mut self) {
        self.ended = true;
        let upload = self.upload.take();
        let mut client = lock(&self.client);
        match upload {
            // On a pipe there is no other way than to end the document first.
            Some(upload) if !client.has_many_connections() => {
                let ended = smol::block_on(within(CANCEL, upload.end()));
                if let Some(Ok((answer, link))) = ended {
                    self.job = self.job.or(JobAnswer::read(&answer).id);
                    client.take_back(link);
                }
            }
            // Closed in the middle of the document, which the printer then does not have.
            upload => drop(upload),
        }
        if let Some(job) = self.job {
            let question = client.requests.cancel_job(job);
            if let Err(fault) = client.ask(&question, CANCEL, true) {
                log::warn!(err:% = platen_model::Chain(&fault); "job could not be taken back from the printer");
            }
        }
        client.rest();
    }
}

impl PortSession for IppSession {
    fn makes_copies(&self) -> bool {
        self.copies
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        for piece in bytes.chunks(PIECE) {
            self.push(piece)?;
            self.octets += u64::try_from(piece.len()).unwrap_or(u64::MAX);
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<PortReport, PortError> {
        self.hand_over()?;
        let followed = match self.job {
            Some(job) => self.follow(job)?,
            None => None,
        };
        self.ended = true;
        lock(&self.client).rest();
        // Printers that don't count say 0, or what nobody can have printed.
        let counted = |count: &u32| (1..=JOB_IMPRESSIONS_MAX).contains(count);
        let impressions = followed.and_then(|job| job.impressions.filter(counted));
        Ok(PortReport {
            octets: self.octets,
            impressions,
            confirmed_by: impressions.map(|_| Confirmation::IppJob),
        })
    }
}

impl Drop for IppSession {
    fn drop(&mut self) {
        if !self.ended {
            self.cancel();
        }
    }
}

/// What is asked of this printer: nothing that it does not claim to do.
fn wishes(sending: &Sending, printer: &PrinterAnswer) -> Wishes {
    let claimed = |word: Option<&str>, claims: &[String]| {
        word.filter(|word| claims.iter().any(|claim| claim == word))
            .map(str::to_owned)
    };
    // Print-Job tells what it left out when the job is gone already.
    let copies = printer.creates_jobs() && (2..=printer.copies_max).contains(&sending.copies);
    Wishes {
        copies: copies.then_some(sending.copies),
        sides: claimed(sending.sides, &printer.sides),
        color_mode: claimed(sending.color_mode, &printer.color_modes),
        media: claimed(sending.media.as_deref(), &printer.media),
    }
}

/// Runs `work` within `limit`, and ends it when the job is deleted.
async fn attended<T>(
    sending: &Sending,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, PortError> {
    let deleted = async {
        while !sending.is_canceled() {
            Timer::after(LOOK).await;
        }
        Err(PortError::Canceled)
    };
    let done = within(limit, or(async { Ok(work.await) }, deleted)).await;
    done.unwrap_or(Err(PortError::Stalled {
        seconds: limit.as_secs(),
    }))
}

/// An answer in the middle of the document is a refusal, whatever it says.
fn early(answer: Result<Message, IppFault>, operation: Operation) -> PortError {
    match answer.and_then(|answer| granted(operation, answer)) {
        Ok(_) => PortError::Broken(std::io::ErrorKind::ConnectionAborted.into()),
        Err(fault) => fault.in_job(),
    }
}

fn stopped(job: JobAnswer, otherwise: &str) -> PortError {
    let mut reasons = job.reasons;
    if reasons.is_empty() {
        reasons.push(otherwise.to_owned());
    }
    PortError::Stopped { reasons }
}

/// How a job gets on.
#[derive(Default)]
struct Watch {
    last: JobAnswer,
    /// Since anything changed.
    quiet: Duration,
    /// Since the printer began to wait for somebody.
    waiting: Duration,
    /// Since the printer answered last.
    missing: Duration,
    total: Duration,
}

impl Watch {
    /// Whether the printer has begun the job and counts its pages: then they must go on.
    fn counts(&self) -> bool {
        let marked = self.last.impressions.max(self.last.sheets);
        self.last.phase != Some(JobPhase::Pending) && marked.is_some_and(|count| count > 0)
    }

    fn see(&mut self, now: JobAnswer, since: Duration) {
        self.missing = Duration::ZERO;
        self.total += since;
        self.waiting = match now.phase {
            Some(JobPhase::Waiting) => self.waiting + since,
            _ => Duration::ZERO,
        };
        self.quiet = match now == self.last {
            true => self.quiet + since,
            false => Duration::ZERO,
        };
        self.last = now;
    }

    /// The network may be away for a moment; a printer that is off is not.
    fn miss(&mut self, fault: IppFault, since: Duration, limit: Duration) -> Result<(), PortError> {
        let asked = match fault {
            IppFault::TooSlow(waited) => waited,
            _ => Duration::ZERO,
        };
        self.missing += since + asked;
        self.total += since + asked;
        if self.missing >= limit {
            return Err(fault.in_job());
        }
        Ok(())
    }
}
