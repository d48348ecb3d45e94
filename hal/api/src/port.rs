// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Printer ports: where a released job's bytes go. One thread per printer drives its port, so all
//! calls block, each within the limit that its port documents.

use std::io;

use thiserror::Error;

/// A way to one printer: `socket://`, `usb:`, `file:`.
pub trait PrinterPort: Send {
    /// The port's URI, as in the configuration.
    fn uri(&self) -> &str;

    /// Asks the printer how it is, without touching a job. Returns within 2 s.
    fn status(&mut self) -> PortStatus;

    /// Opens the way for one job's bytes. Nothing reaches the printer yet.
    ///
    /// # Errors
    /// [`PortError::Offline`] or [`PortError::Stopped`] when the printer can't take a job now.
    fn open(&mut self) -> Result<Box<dyn PortSession>, PortError>;
}

/// One job's bytes on their way.
pub trait PortSession: Send {
    /// Sends all of `bytes`, in order. Blocks while the printer is slow, but at most the port's
    /// stall limit.
    ///
    /// # Errors
    /// [`PortError::Stalled`] past that limit, [`PortError::Broken`] when the way is gone. Some of
    /// `bytes` may have reached the printer.
    fn send(&mut self, bytes: &[u8]) -> Result<(), PortError>;

    /// Ends the job: everything has been handed over, the printer has taken the last byte.
    ///
    /// # Errors
    /// As [`PortSession::send`].
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
    /// The way broke while a job was on it.
    #[error("connection to the printer broke")]
    Broken(#[source] io::Error),
}
