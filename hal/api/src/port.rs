// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Printer ports: where a released job's bytes go. One thread per printer drives its port, so all
//! calls block, each within the limit that its port documents.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;

/// A way to one printer: `socket://`, `lpd://`, `ipp://`, `usb:`, `file:`.
pub trait PrinterPort: Send {
    /// The port's URI, as in the configuration.
    fn uri(&self) -> &str;

    /// Asks the printer how it is, without touching a job. Returns within 2 s of the connection being
    /// there; that has limits of its own (a look-up of the name, TCP, 5 s for TLS), so a caller that
    /// can't wait keeps the last answer.
    fn status(&mut self) -> PortStatus;

    /// Opens the way for one job's bytes. None of them reaches the printer yet.
    ///
    /// # Errors
    /// [`PortError::Offline`] or [`PortError::Stopped`] when the printer can't take a job now.
    fn open(&mut self, sending: &Sending) -> Result<Box<dyn PortSession>, PortError>;
}

/// What a port may know of a job before its first byte. Nothing of its owner or its name: those
/// don't leave the box.
#[derive(Clone, Debug)]
pub struct Sending {
    /// Bytes that will be sent, where they are counted already. Protocols that state the length
    /// first (RFC 1179 §6.2) take no job without it.
    pub octets: Option<u64>,
    /// MIME media type of the bytes.
    pub format: String,
    /// Copies to ask the printer for, from 1; see [`PortSession::makes_copies`].
    pub copies: u32,
    /// IPP `sides` keyword to ask the printer for.
    pub sides: Option<&'static str>,
    /// IPP `print-color-mode` keyword to ask the printer for.
    pub color_mode: Option<&'static str>,
    /// PWG 5101.1 name of the media to ask the printer for.
    pub media: Option<String>,
    /// Set by another thread when the job is deleted. A port that waits for the end of a job looks
    /// at it at least each second.
    pub canceled: Arc<AtomicBool>,
}

impl Sending {
    /// Whether the job has been deleted meanwhile.
    #[must_use]
    pub fn is_canceled(&self) -> bool {
        self.canceled.load(Ordering::Acquire)
    }
}

impl Default for Sending {
    /// One copy of bytes of which nothing is known.
    fn default() -> Self {
        Self {
            octets: None,
            format: "application/octet-stream".to_owned(),
            copies: 1,
            sides: None,
            color_mode: None,
            media: None,
            canceled: Arc::default(),
        }
    }
}

/// One job's bytes on their way.
///
/// Dropping a session before [`PortSession::finish`] gives the job up: the port tells the printer
/// so where its protocol has words for it.
pub trait PortSession: Send {
    /// Whether the printer makes all of [`Sending::copies`] from one sending. Else the caller sends
    /// the job that many times.
    fn makes_copies(&self) -> bool {
        false
    }

    /// Sends all of `bytes`, in order. Blocks while the printer is slow, but at most the port's
    /// stall limit.
    ///
    /// # Errors
    /// [`PortError::Stalled`] past that limit, [`PortError::Broken`] when the way is gone. Some of
    /// `bytes` may have reached the printer.
    fn send(&mut self, bytes: &[u8]) -> Result<(), PortError>;

    /// Ends the job: everything has been handed over, the printer has taken the last byte. A port
    /// that hears of the job's end waits for it, up to a limit that it documents.
    ///
    /// # Errors
    /// As [`PortSession::send`]; [`PortError::Canceled`] when [`Sending::canceled`] was set before
    /// the printer had the whole job. Set later it ends the waiting alone: the job is printed.
    fn finish(self: Box<Self>) -> Result<PortReport, PortError>;
}

/// What the port knows about a job it has sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PortReport {
    /// Bytes handed over.
    pub octets: u64,
    /// Impressions that the printer itself confirmed; `None` when it says nothing.
    pub impressions: Option<u32>,
    /// How it confirmed them; set together with `impressions`.
    pub confirmed_by: Option<Confirmation>,
}

/// How a printer confirmed what it printed, the surest first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Confirmation {
    /// PJL `USTATUS JOB`: pages of this very job, after its end.
    PjlJob,
    /// IPP `job-impressions-completed` of this very job (RFC 8011 §5.3.18.2).
    IppJob,
    /// PJL `USTATUS PAGE`: pages counted while this job was printing.
    PjlPages,
    /// SNMP `prtMarkerLifeCount` after minus before (RFC 3805): another job between counts too.
    LifeCount,
}

/// How a printer is. `reasons` are IPP `printer-state-reasons` keywords with their severity.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PortStatus {
    /// Whether a job may be sent now.
    pub ready: bool,
    /// Keywords such as `media-empty-error`, `media-jam-error`, `cover-open-error`,
    /// `offline-report`; empty when nothing is wrong.
    pub reasons: Vec<String>,
}

/// Why bytes did not get through.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PortError {
    /// Nobody answers there.
    #[error("printer is off-line")]
    Offline(#[source] io::Error),
    /// The printer says that it can't print.
    #[error("printer is stopped: {}", reasons.join(", "))]
    Stopped {
        /// IPP `printer-state-reasons` keywords.
        reasons: Vec<String>,
    },
    /// The printer took no byte for longer than the port's stall limit.
    #[error("printer took nothing for {seconds} s")]
    Stalled {
        /// The limit.
        seconds: u64,
    },
    /// The job was deleted while the port waited, here or at the printer.
    #[error("job was canceled")]
    Canceled,
    /// The way broke while a job was on it.
    #[error("connection to the printer broke")]
    Broken(#[source] io::Error),
}
