// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A job as IPP sees it (RFC 8011 §5.3).

use serde::{Deserialize, Serialize};

use crate::count::{PageCount, Sides};
use crate::ids::{JobId, JobNumber, OwnerKey, PrinterName};

/// `job-state` (RFC 8011 §5.3.7). The numbers are IPP's enum values.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum JobState {
    /// Released, waiting for the printer.
    Pending = 3,
    /// Waiting for its owner.
    PendingHeld = 4,
    /// Bytes are on their way to the printer.
    Processing = 5,
    /// Stopped on the way; see the reasons.
    ProcessingStopped = 6,
    /// Deleted by its owner, an operator or expiry.
    Canceled = 7,
    /// Given up by the box.
    Aborted = 8,
    /// Printed.
    Completed = 9,
}

impl JobState {
    /// Whether the job has ended: its body is gone and its state will not change again.
    #[must_use]
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Canceled | Self::Aborted | Self::Completed)
    }
}

/// `job-state-reasons` that the box uses (RFC 8011 §5.3.8 and the registry).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobStateReason {
    /// Nothing to add.
    None,
    /// Create-Job was answered, documents are still coming.
    JobIncoming,
    /// Stored on the proxy queue until its owner releases it at the box (PWG 5100.11).
    JobReleaseWait,
    /// The submitter itself asked for a hold.
    JobHoldUntilSpecified,
    /// Waiting in the printer's queue.
    JobQueued,
    /// Bytes are being sent.
    JobPrinting,
    /// The printer stopped (jam, paper, off-line).
    PrinterStopped,
    /// Power or the daemon ended while bytes were on their way; some pages may be out.
    Interrupted,
    /// Deleted by its owner.
    JobCanceledByUser,
    /// Deleted by an operator.
    JobCanceledByOperator,
    /// Nobody collected it in time.
    JobCanceledAtDevice,
    /// Its upload ended early.
    SubmissionInterrupted,
    /// The box could not read its own copy of the document.
    AbortedBySystem,
    /// Printed.
    JobCompletedSuccessfully,
}

impl JobStateReason {
    /// The IPP keyword.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::JobIncoming => "job-incoming",
            Self::JobReleaseWait => "job-release-wait",
            Self::JobHoldUntilSpecified => "job-hold-until-specified",
            Self::JobQueued => "job-queued",
            Self::JobPrinting => "job-printing",
            Self::PrinterStopped => "printer-stopped",
            Self::Interrupted => "job-interrupted",
            Self::JobCanceledByUser => "job-canceled-by-user",
            Self::JobCanceledByOperator => "job-canceled-by-operator",
            Self::JobCanceledAtDevice => "job-canceled-at-device",
            Self::SubmissionInterrupted => "submission-interrupted",
            Self::AbortedBySystem => "aborted-by-system",
            Self::JobCompletedSuccessfully => "job-completed-successfully",
        }
    }
}

/// `print-color-mode` (PWG 5100.13).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ColorMode {
    /// Not said.
    #[default]
    Auto,
    /// `color`
    Color,
    /// `monochrome`
    Monochrome,
}

/// `print-quality` (RFC 8011 §5.2.13). The numbers are IPP's enum values.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum PrintQuality {
    /// `draft`
    Draft = 3,
    /// `normal`
    Normal = 4,
    /// `high`
    High = 5,
}

/// What the submitter asked for. Kept as said; a printer without a ticket gets only the bytes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct JobOptions {
    /// `copies`, 1 to 999.
    pub copies: u32,
    /// `sides`
    pub sides: Sides,
    /// `print-color-mode`
    pub color: ColorMode,
    /// PWG 5101.1 media name, such as `iso_a4_210x297mm`.
    pub media: Option<String>,
    /// `print-quality`, where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<PrintQuality>,
    /// `printer-resolution` in dots per inch, where it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution_dpi: Option<u16>,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            copies: 1,
            sides: Sides::OneSided,
            color: ColorMode::Auto,
            media: None,
            quality: None,
            resolution_dpi: None,
        }
    }
}

/// Whose job it is.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// `job-originating-user-name` as claimed by the client.
    pub name: String,
    /// Keyed hash of the normalised name.
    pub key: OwnerKey,
}

/// One job with everything a screen or a client may ask about it, but its body.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The key of its charge.
    pub id: JobId,
    /// `job-id`
    pub number: JobNumber,
    /// `job-name`
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
    /// MIME media type of the body, such as `application/pdf`; empty while none has come.
    pub format: String,
    /// Bytes of the body.
    pub octets: u64,
    /// What was asked for.
    pub options: JobOptions,
    /// `job-state`
    pub state: JobState,
    /// `job-state-reasons`, one at a time.
    pub reason: JobStateReason,
    /// Set for a push queue; `None` on the proxy queue (pull).
    pub target: Option<PrinterName>,
    /// When it was accepted, wall milliseconds since 1970.
    pub created_unix_ms: u64,
    /// When its bytes began to leave.
    pub processing_unix_ms: Option<u64>,
    /// When it ended.
    pub ended_unix_ms: Option<u64>,
    /// Page count, once known.
    pub count: Option<PageCount>,
    /// Impressions the printer confirmed or, without that, was given.
    pub impressions_completed: u32,
}
