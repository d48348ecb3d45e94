// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rules of today, in the order they are asked. The order is part of the behaviour: who is not
//! the owner learns nothing about the job, and a job that may not be released says so whatever the
//! printer's state is.

use std::fmt;

use platen_model::{Decision, Identity, Job, JobState, JobStateReason, PrinterName, Reason};

/// What the rules need to know about the target printer, as it is now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrinterFacts {
    /// Its name in the configuration.
    pub name: PrinterName,
    /// Whether it can take a job now.
    pub ready: bool,
    /// MIME media types it takes, without parameters; empty means that it takes nothing.
    pub formats: Vec<String>,
    /// IPP `printer-state-reasons` keywords.
    pub reasons: Vec<String>,
}

/// A rule. All of them must agree before a job is released.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Rule {
    /// The person is the job's owner.
    Owner,
    /// The job waits: for its owner, or after it was stopped on its way.
    State,
    /// The printer can print now.
    Printer,
    /// The printer takes the job's document format.
    Format,
}

impl Rule {
    /// Every rule, in the order asked.
    pub const ALL: [Self; 4] = [Self::Owner, Self::State, Self::Printer, Self::Format];

    /// Fixed keyword, for machines that read an explanation.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::State => "state",
            Self::Printer => "printer",
            Self::Format => "format",
        }
    }

    /// The reason given when this rule is the first to refuse.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Owner => Reason::NotOwner,
            Self::State => Reason::NotReleasable,
            Self::Printer => Reason::PrinterInError,
            Self::Format => Reason::FormatNotTaken,
        }
    }

    fn agrees(self, identity: &Identity, job: &Job, printer: &PrinterFacts) -> bool {
        match self {
            Self::Owner => identity.owner_keys.contains(&job.owner.key),
            Self::State => is_releasable(job),
            Self::Printer => printer.ready,
            Self::Format => takes(printer, &job.format),
        }
    }
}

/// What one rule says about one job.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// Which rule.
    pub rule: Rule,
    /// Whether it agrees to the release.
    pub agrees: bool,
    /// Why, as a sentence. Names neither a person nor a document.
    pub sentence: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = if self.agrees { "yes" } else { "no" };
        write!(f, "{}: {answer}: {}", self.rule.keyword(), self.sentence)
    }
}

/// Decides whether `identity` may have `job` released to `printer` now. The first rule that
/// refuses gives the reason.
#[must_use]
pub fn decide(identity: &Identity, job: &Job, printer: &PrinterFacts) -> Decision {
    Rule::ALL
        .into_iter()
        .find(|rule| !rule.agrees(identity, job, printer))
        .map_or_else(
            || Decision::Allow {
                printer: printer.name.clone(),
                steps: Vec::new(),
            },
            |rule| Decision::Deny(rule.reason()),
        )
}

/// Asks every rule and says why it agrees or refuses. [`decide`] allows exactly when all agree.
#[must_use]
pub fn explain(identity: &Identity, job: &Job, printer: &PrinterFacts) -> Vec<Verdict> {
    Rule::ALL
        .into_iter()
        .map(|rule| {
            let agrees = rule.agrees(identity, job, printer);
            let sentence = sentence(rule, agrees, job, printer);
            Verdict {
                rule,
                agrees,
                sentence,
            }
        })
        .collect()
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
fn takes(printer: &PrinterFacts, format: &str) -> bool {
    let bare = |text: &str| {
        let kind = text.split(';').next().unwrap_or_default();
        kind.trim().to_ascii_lowercase()
    };
    let wanted = bare(format);
    !wanted.is_empty() && printer.formats.iter().any(|taken| bare(taken) == wanted)
}

fn sentence(rule: Rule, agrees: bool, job: &Job, printer: &PrinterFacts) -> String {
    let name = &printer.name;
    match (rule, agrees) {
        (Rule::Owner, true) => "the job belongs to this person".into(),
        (Rule::Owner, false) => "the job belongs to somebody else".into(),
        (Rule::State, true) => format!("the job waits ({})", job.reason.keyword()),
        (Rule::State, false) => {
            let reason = job.reason.keyword();
            format!("the job is {} ({reason})", state_keyword(job.state))
        }
        (Rule::Printer, true) => format!("printer {name} is ready"),
        (Rule::Printer, false) if printer.reasons.is_empty() => {
            format!("printer {name} can't print now")
        }
        (Rule::Printer, false) => {
            let reasons = printer.reasons.join(", ");
            format!("printer {name} can't print now: {reasons}")
        }
        (Rule::Format, true) => format!("printer {name} takes {}", job.format),
        (Rule::Format, false) if job.format.is_empty() => "no document has come yet".into(),
        (Rule::Format, false) => format!("printer {name} does not take {}", job.format),
    }
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

#[cfg(test)]
mod tests {
    use platen_model::{JobId, JobNumber, JobOptions, Owner, OwnerKey, Source, UserId};

    use super::*;

    const PDF: &str = "application/pdf";

    fn ann() -> Identity {
        Identity {
            user: UserId(JobId::from_parts(1, &[1; 10]).0),
            name: "ann".into(),
            owner_keys: vec![OwnerKey([1; 16]), OwnerKey([2; 16])],
            groups: Vec::new(),
            source: Source::Local,
            provisional: false,
        }
    }

    fn held() -> Job {
        Job {
            id: JobId::from_parts(2, &[2; 10]),
            number: JobNumber(7),
            name: "salaries.pdf".into(),
            owner: Owner {
                name: "a.smith".into(),
                key: OwnerKey([2; 16]),
            },
            format: PDF.into(),
            octets: 1,
            options: JobOptions::default(),
            state: JobState::PendingHeld,
            reason: JobStateReason::JobHoldUntilSpecified,
            target: None,
            created_unix_ms: 0,
            processing_unix_ms: None,
            ended_unix_ms: None,
            count: None,
            impressions_completed: 0,
        }
    }

    fn printer() -> PrinterFacts {
        PrinterFacts {
            name: PrinterName("office".into()),
            ready: true,
            formats: vec![PDF.into(), "image/jpeg".into()],
            reasons: Vec::new(),
        }
    }

    fn reason_for(job: &Job, printer: &PrinterFacts) -> Option<Reason> {
        match decide(&ann(), job, printer) {
            Decision::Allow { .. } => None,
            Decision::Deny(reason) => Some(reason),
        }
    }

    #[test]
    fn a_held_job_of_an_alias_is_released_unchanged_to_the_printer() {
        let allowed = Decision::Allow {
            printer: PrinterName("office".into()),
            steps: Vec::new(),
        };
        assert_eq!(decide(&ann(), &held(), &printer()), allowed);
    }

    #[test]
    fn every_state_and_reason_is_decided_by_the_table() {
        use JobStateReason as R;
        let table = [
            (JobState::PendingHeld, R::JobHoldUntilSpecified, true),
            (JobState::PendingHeld, R::JobIncoming, false),
            (JobState::Pending, R::JobQueued, false),
            (JobState::Processing, R::JobPrinting, false),
            (JobState::ProcessingStopped, R::Interrupted, true),
            (JobState::ProcessingStopped, R::PrinterStopped, true),
            (JobState::Canceled, R::JobCanceledByUser, false),
            (JobState::Aborted, R::AbortedBySystem, false),
            (JobState::Completed, R::JobCompletedSuccessfully, false),
        ];
        for (state, reason, allowed) in table {
            let job = Job {
                state,
                reason,
                ..held()
            };
            let expected = (!allowed).then_some(Reason::NotReleasable);
            assert_eq!(
                reason_for(&job, &printer()),
                expected,
                "{state:?} {reason:?}"
            );
        }
    }

    #[test]
    fn formats_compare_without_case_and_parameters() {
        let table = [
            (PDF, true),
            ("Application/PDF", true),
            ("application/pdf; version=1.7", true),
            ("image/pwg-raster", false),
            ("application/pd", false),
            ("", false),
            (";", false),
        ];
        for (format, taken) in table {
            let job = Job {
                format: format.into(),
                ..held()
            };
            let expected = (!taken).then_some(Reason::FormatNotTaken);
            assert_eq!(reason_for(&job, &printer()), expected, "{format}");
        }
    }

    #[test]
    fn the_first_rule_that_refuses_gives_the_reason() {
        let mut job = Job {
            format: "image/gif".into(),
            state: JobState::Completed,
            ..held()
        };
        job.owner.key = OwnerKey([9; 16]);
        let mut facts = PrinterFacts {
            ready: false,
            ..printer()
        };
        assert_eq!(reason_for(&job, &facts), Some(Reason::NotOwner));
        job.owner.key = OwnerKey([1; 16]);
        assert_eq!(reason_for(&job, &facts), Some(Reason::NotReleasable));
        job.state = JobState::PendingHeld;
        assert_eq!(reason_for(&job, &facts), Some(Reason::PrinterInError));
        facts.ready = true;
        assert_eq!(reason_for(&job, &facts), Some(Reason::FormatNotTaken));
        job.format = PDF.into();
        assert_eq!(reason_for(&job, &facts), None);
    }

    #[test]
    fn an_explanation_names_every_rule_and_no_person_or_document() {
        let facts = PrinterFacts {
            ready: false,
            reasons: vec!["media-jam-error".into()],
            ..printer()
        };
        let lines: Vec<String> = explain(&ann(), &held(), &facts)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            lines,
            [
                "owner: yes: the job belongs to this person",
                "state: yes: the job waits (job-hold-until-specified)",
                "printer: no: printer office can't print now: media-jam-error",
                "format: yes: printer office takes application/pdf",
            ]
        );
    }
}
