// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The questions that come before the site's rules, in the order they are asked. The order is part
//! of the behaviour: who is not the owner learns nothing about the job, and a job that may not be
//! released says so whatever the printer's state is.

use platen_model::{Identity, Job, JobState, JobStateReason, QuotaId, Reason, RuleId};

use crate::facts::PrinterFacts;

/// A question. All of them must agree before a job is released.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Check {
    /// The person is the job's owner.
    Owner,
    /// The job waits: for its owner, or after it was stopped on its way.
    State,
    /// The printer can print now.
    Printer,
    /// The printer takes the job's document format.
    Format,
    /// A rule of the site.
    Rule(RuleId),
    /// What the job will cost.
    Price,
    /// A quota that covers the person.
    Quota(QuotaId),
    /// All of it together: the decision.
    Decision,
}

impl Check {
    /// What is asked of every job at every box, in this order.
    pub(crate) const FIRST: [Self; 4] = [Self::Owner, Self::State, Self::Printer, Self::Format];

    /// Fixed keyword, for machines that read an explanation.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::State => "state",
            Self::Printer => "printer",
            Self::Format => "format",
            Self::Rule(_) => "rule",
            Self::Price => "price",
            Self::Quota(_) => "quota",
            Self::Decision => "decision",
        }
    }

    /// Why this one refuses; `None` when it agrees, and for what is asked elsewhere.
    pub(crate) fn refusal(
        self,
        identity: &Identity,
        job: &Job,
        printer: &PrinterFacts,
    ) -> Option<Reason> {
        let (agrees, reason) = match self {
            Self::Owner => (
                identity.owner_keys.contains(&job.owner.key),
                Reason::NotOwner,
            ),
            Self::State => (is_releasable(job), Reason::NotReleasable),
            Self::Printer => (printer.ready, Reason::PrinterInError),
            Self::Format => (takes(printer, &job.format), Reason::FormatNotTaken),
            Self::Rule(_) | Self::Price | Self::Quota(_) | Self::Decision => return None,
        };
        (!agrees).then_some(reason)
    }

    /// Why it agrees or refuses, of those in [`Self::FIRST`].
    pub(crate) fn sentence(self, agrees: bool, job: &Job, printer: &PrinterFacts) -> String {
        let name = &printer.name;
        match (self, agrees) {
            (Self::Owner, true) => "the job belongs to this person".into(),
            (Self::Owner, false) => "the job belongs to somebody else".into(),
            (Self::State, true) => format!("the job waits ({})", job.reason.keyword()),
            (Self::State, false) => {
                let reason = job.reason.keyword();
                format!("the job is {} ({reason})", state_keyword(job.state))
            }
            (Self::Printer, true) => format!("printer {name} is ready"),
            (Self::Printer, false) if printer.reasons.is_empty() => {
                format!("printer {name} can't print now")
            }
            (Self::Printer, false) => {
                let reasons = printer.reasons.join(", ");
                format!("printer {name} can't print now: {reasons}")
            }
            (_, true) => format!("printer {name} takes {}", job.format),
            (_, false) if job.format.is_empty() => "no document has come yet".into(),
            (_, false) => format!("printer {name} does not take {}", job.format),
        }
    }
}

/// Held and complete, or stopped on its way. A job whose documents are still coming is held too,
/// but there is nothing to print yet.
fn is_releasable(job: &Job) -> bool {
    match job.state {
        JobState::PendingHeld => job.reason != JobStateReason::JobIncoming,
        JobState::ProcessingStopped => true,
        JobState::Pending
        | JobState::Processing
        | JobState::Canceled
        | JobState::Aborted
        | JobState::Completed => false,
    }
}

/// Media types compare without case (RFC 6838 §4.2) and without parameters.
pub(crate) fn bare_media_type(text: &str) -> String {
    let kind = text.split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

/// Whether a list of media types holds this one.
pub(crate) fn lists(types: &[String], format: &str) -> bool {
    let wanted = bare_media_type(format);
    !wanted.is_empty() && types.iter().any(|taken| bare_media_type(taken) == wanted)
}

fn takes(printer: &PrinterFacts, format: &str) -> bool {
    lists(&printer.formats, format)
}

fn state_keyword(state: JobState) -> &'static str {
    match state {
        JobState::Pending => "pending",
        JobState::PendingHeld => "pending-held",
        JobState::Processing => "processing",
        JobState::ProcessingStopped => "processing-stopped",
        JobState::Canceled => "canceled",
        JobState::Aborted => "aborted",
        JobState::Completed => "completed",
    }
}
