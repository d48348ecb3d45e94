// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One job on its way to a RAW printer, and what the printer says of it meanwhile.
//!
//! With job reports, PJL lines go before the job's first byte and behind its last
//! ([`JobReport`]); the printer's talk is read between the pieces that are sent, and never waited
//! for until the job's last byte is out. A printer that tells of its jobs is then waited for, as
//! long as it goes on; one that told nothing of two jobs is not waited for any more.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use platen_hal::{Confirmation, PortError, PortReport, PortSession, Sending};
use platen_wire::pjl_report::{Counted, Heard, JobReport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::{Manners, SocketOptions, SocketPort};
use crate::port::send_queue::unacknowledged;
use crate::port::tcp::{abort, send_all};

/// Between two looks at what the printer says, while it takes nothing and after the last byte.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes of the printer's talk that are read at one look.
const LOOK_BYTES: usize = 256 * 1024;
/// Bytes of the printer's talk that are understood; the rest of a longer talk is read and dropped.
const TALK_BYTES_MAX: usize = 1024 * 1024;
/// How long a printer may take to say anything about a job, unless it is known to tell of its jobs.
const SILENT_LIMIT: Duration = Duration::from_secs(10);
/// Jobs in a row without a word after which a printer is taken as one that tells nothing.
const SILENT_JOBS: u32 = 2;
/// The longest wait for a job's end in all, however much the printer talks: ten thousand pages at
/// fifty a minute.
const REPORT_LIMIT: Duration = Duration::from_secs(4 * 3600);

/// Why a job stands that the printer gave up and nobody at it canceled: `job-state-reasons` of
/// RFC 8011 §5.3.8.
const DROPPED: &str = "job-canceled-at-device";

/// How long one write may take: to the stall limit, unless the printer must be listened to. A job
/// is stopped by the stall limit alone, however short its writes are.
pub(super) fn write_limit(options: &SocketOptions) -> Duration {
    match options.job_reports {
        true => options.stall.min(LOOK),
        false => options.stall,
    }
}

/// What is known of the printer's report.
#[derive(Debug)]
enum Watch {
    /// Nothing is asked for.
    Off,
    /// To be begun with the job's first bytes: the job's number and format.
    Ready(u32, String),
    On(Box<JobReport>),
}

/// What one look at the printer's talk brought.
#[derive(Default)]
struct Look {
    /// The job has come further.
    moved: bool,
    /// The printer has closed its side.
    closed: bool,
}

#[derive(Debug)]
pub(super) struct SocketSession {
    stream: TcpStream,
    options: SocketOptions,
    manners: Arc<Manners>,
    canceled: Arc<AtomicBool>,
    octets: u64,
    watch: Watch,
    talk: usize,
    finished: bool,
    /// The printer told of an end before it could have had the whole job.
    early: bool,
    _in_job: InJob,
}

/// Marks the port as busy with a job; the mark goes with the session, however that ends.
#[derive(Debug)]
struct InJob(Arc<AtomicBool>);

impl Drop for InJob {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl SocketSession {
    pub(super) fn new(port: &SocketPort, stream: TcpStream, sending: &Sending) -> Self {
        let watch = match port.options.job_reports {
            true => Watch::Ready(port.jobs, sending.format.clone()),
            false => Watch::Off,
        };
        Self {
            stream,
            options: port.options.clone(),
            manners: Arc::clone(&port.manners),
            canceled: Arc::clone(&sending.canceled),
            octets: 0,
            watch,
            talk: 0,
            finished: false,
            early: false,
            _in_job: InJob(Arc::clone(&port.in_job)),
        }
    }
}

impl PortSession for SocketSession {
    fn send(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        if let Watch::Ready(number, format) = &self.watch
            && !bytes.is_empty()
        {
            self.watch = match JobReport::new(*number, bytes, format) {
                Some(report) => Watch::On(Box::new(report)),
                None => Watch::Off,
            };
            if let Watch::On(report) = &self.watch {
                let opening = report.opening();
                self.feed(&opening)?;
            }
        }
        if let Watch::On(report) = &mut self.watch {
            report.pass(bytes);
        }
        let taken = self.feed(bytes)?;
        self.octets += taken;
        Ok(())
    }

    /// Waits for the printer's report of the job's end where there will be one, up to
    /// [`SocketOptions::report`] without progress. Else closes our side and waits for the printer to
    /// close its own. When it does not within [`SocketOptions::drain`], its acknowledgement of every
    /// byte must do; without that the job is [`PortError::Stalled`]. A reset is
    /// [`PortError::Broken`]: what the printer had taken by then can't be told. A deletion ends the
    /// waiting; what the printer has whole it prints, and it is a success.
    fn finish(mut self: Box<Self>) -> Result<PortReport, PortError> {
        self.early = self.heard() >= Heard::End;
        if let Watch::On(report) = &self.watch {
            let closing = report.closing();
            self.feed(&closing).inspect_err(|error| {
                if matches!(error, PortError::Canceled) {
                    abort(&self.stream);
                }
            })?;
        }
        self.finished = true;
        self.await_report()?;
        if !self.is_over() {
            self.close()?;
        }
        self.learn();
        match self.heard() {
            Heard::Canceled => return Err(PortError::Canceled),
            Heard::Dropped => {
                return Err(PortError::Stopped {
                    reasons: vec![DROPPED.to_owned()],
                });
            }
            _ => {}
        }
        let counted = match &self.watch {
            Watch::On(report) if !self.early => report.counted(),
            _ => None,
        };
        let (impressions, confirmed_by) = match counted {
            Some(Counted::Job(sides)) => (Some(sides), Some(Confirmation::PjlJob)),
            Some(Counted::Pages(sides)) => (Some(sides), Some(Confirmation::PjlPages)),
            None => (None, None),
        };
        Ok(PortReport {
            octets: self.octets,
            impressions,
            confirmed_by,
        })
    }
}

impl SocketSession {
    fn heard(&self) -> Heard {
        match &self.watch {
            Watch::On(report) => report.heard(),
            _ => Heard::Nothing,
        }
    }

    /// The printer has told of the job's end, and has the whole job.
    fn is_over(&self) -> bool {
        self.heard() >= Heard::End && !self.early && unacknowledged(&self.stream) == Some(0)
    }

    /// Whether the printer tells of this job's end, if it tells of any.
    fn is_told(&self) -> bool {
        matches!(&self.watch, Watch::On(report) if report.settles())
    }

    fn is_canceled(&self) -> bool {
        self.canceled.load(Ordering::Acquire)
    }

    /// Sends all of `bytes` and says how many that were. Listens in between: a printer may not be
    /// able to read on before somebody has taken what it has to say.
    fn feed(&mut self, bytes: &[u8]) -> Result<u64, PortError> {
        let (mut left, mut total) = (bytes, 0);
        let mut still = Duration::ZERO;
        let step = write_limit(&self.options);
        loop {
            let mut taken = 0;
            let sent = send_all(&self.stream, left, self.options.stall, &mut taken);
            total += taken;
            if matches!(self.watch, Watch::On(_)) {
                self.listen()?;
            }
            let Err(error) = sent else {
                return Ok(total);
            };
            if !matches!(error, PortError::Stalled { .. }) {
                return Err(error);
            }
            let moved = usize::try_from(taken).unwrap_or(usize::MAX);
            left = left.get(moved..).unwrap_or_default();
            // The write that failed has waited for one step, whatever went before it.
            still = if moved > 0 { step } else { still + step };
            if self.is_canceled() {
                return Err(PortError::Canceled);
            }
            if still >= self.options.stall {
                return Err(self.why_stopped().unwrap_or(error));
            }
        }
    }

    /// What the printer itself says is in the way.
    fn why_stopped(&self) -> Option<PortError> {
        let Watch::On(report) = &self.watch else {
            return None;
        };
        let device = report.device();
        let reasons = device.reasons().into_iter().map(str::to_owned).collect();
        (!device.is_ready()).then_some(PortError::Stopped { reasons })
    }

    /// Reads what the printer has said, without waiting. Nothing in it is understood without a
    /// report to listen for.
    fn listen(&mut self) -> Result<Look, PortError> {
        let mut look = Look::default();
        let mut piece = [0; 4096];
        for _ in 0..LOOK_BYTES / piece.len() {
            match recv(&self.stream, &mut piece, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => {
                    look.closed = true;
                    break;
                }
                Ok((_, length)) => {
                    self.talk = self.talk.saturating_add(length);
                    if let Watch::On(report) = &mut self.watch
                        && self.talk <= TALK_BYTES_MAX
                    {
                        look.moved |= report.hear(piece.get(..length).unwrap_or_default());
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(PortError::Broken(error.into())),
            }
        }
        Ok(look)
    }

    /// Waits until the printer says something, at most [`LOOK`]. Waits are counted as if they were
    /// that long: a printer that babbles is left sooner.
    fn await_talk(&self) {
        let mut wanted = [PollFd::new(&self.stream, PollFlags::IN)];
        let limit = Timespec::try_from(LOOK).ok();
        // Whatever went wrong, the next reading finds it.
        let _woken = poll(&mut wanted, limit.as_ref());
    }

    /// Waits until the printer has told of the job's end, or will not.
    fn await_report(&mut self) -> Result<(), PortError> {
        let (mut quiet, mut stopped, mut total) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        while self.heard() < Heard::End && total < REPORT_LIMIT {
            let look = self.listen()?;
            if look.closed || self.is_canceled() {
                return Ok(());
            }
            let why = self.why_stopped();
            if look.moved {
                (quiet, stopped) = (Duration::ZERO, Duration::ZERO);
            } else if why.is_some() {
                (quiet, stopped) = (Duration::ZERO, stopped + LOOK);
            } else {
                (quiet, stopped) = (quiet + LOOK, Duration::ZERO);
            }
            match why {
                Some(why) if stopped >= self.options.stall => return Err(why),
                None if quiet >= self.patience() => return Ok(()),
                _ => {}
            }
            total += LOOK;
            self.await_talk();
        }
        Ok(())
    }

    /// How long to wait for the printer's next word.
    fn patience(&self) -> Duration {
        let talks = self.manners.talks.load(Ordering::Relaxed);
        let silent = self.manners.silent_jobs.load(Ordering::Relaxed) >= SILENT_JOBS;
        match (self.heard(), talks) {
            _ if !self.is_told() => Duration::ZERO,
            (Heard::Nothing, false) if silent => Duration::ZERO,
            (Heard::Nothing | Heard::Echo, false) => SILENT_LIMIT.min(self.options.report),
            _ => self.options.report,
        }
    }

    fn learn(&self) {
        if !self.is_told() || self.is_canceled() {
            return;
        }
        let manners = &self.manners;
        if self.heard() >= Heard::Start {
            manners.talks.store(true, Ordering::Relaxed);
            manners.silent_jobs.store(0, Ordering::Relaxed);
        } else if manners.silent_jobs.fetch_add(1, Ordering::Relaxed) + 1 >= SILENT_JOBS {
            manners.talks.store(false, Ordering::Relaxed);
        }
    }

    /// Closes our side and waits for the printer to close its own.
    fn close(&mut self) -> Result<(), PortError> {
        self.stream
            .shutdown(Shutdown::Write)
            .map_err(PortError::Broken)?;
        if self.closed_by_printer()? {
            return Ok(());
        }
        match unacknowledged(&self.stream) {
            Some(0) => Ok(()),
            _ if self.is_canceled() && self.has_all() => Ok(()),
            _ if self.is_canceled() => {
                abort(&self.stream);
                Err(PortError::Canceled)
            }
            _ => Err(PortError::Stalled {
                seconds: self.options.drain.as_secs(),
            }),
        }
    }

    /// After our side was closed: the printer has every byte, if not yet the end mark.
    fn has_all(&self) -> bool {
        matches!(unacknowledged(&self.stream), Some(0 | 1))
    }

    fn closed_by_printer(&mut self) -> Result<bool, PortError> {
        let mut waited = Duration::ZERO;
        loop {
            let look = self.listen()?;
            if look.closed || self.is_over() {
                return Ok(true);
            }
            if waited >= self.options.drain || self.is_canceled() && self.has_all() {
                return Ok(false);
            }
            waited += LOOK;
            self.await_talk();
        }
    }
}

impl Drop for SocketSession {
    /// A job that is given up is ended for the printer too, as far as it takes bytes at once: it
    /// would else wait for the rest, or take the next job for it.
    fn drop(&mut self) {
        if let Watch::On(report) = &self.watch
            && !self.finished
        {
            let closing = report.closing();
            let _untaken = send(
                &self.stream,
                &closing,
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            );
        }
    }
}
