// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The questions that come before the rules of a site: owner, state, printer, format.

use platen_model::{Decision, Job, JobState, JobStateReason, OwnerKey, PrinterName, Reason};
use platen_policy::{Facts, PrinterFacts, decide, explain};

#[allow(dead_code)] // what these tests do not need, others do
mod given;

use given::{PDF, ann, hall, held};

fn decided(job: &Job, printer: &PrinterFacts) -> Decision {
    decide(&Facts::new(&ann(), job, printer)).decision
}

fn reason_for(job: &Job, printer: &PrinterFacts) -> Option<Reason> {
    match decided(job, printer) {
        Decision::Allow { .. } => None,
        Decision::Deny(reason) => Some(reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_held_job_of_an_alias_is_released_unchanged_to_the_printer() {
    let allowed = Decision::Allow {
        printer: PrinterName("hall".into()),
        steps: Vec::new(),
        shares: Vec::new(),
        cost: None,
    };
    assert_eq!(decided(&held(), &hall()), allowed);
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
        assert_eq!(reason_for(&job, &hall()), expected, "{state:?} {reason:?}");
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
        assert_eq!(reason_for(&job, &hall()), expected, "{format}");
    }
}

#[test]
fn the_first_question_that_refuses_gives_the_reason() {
    let mut job = Job {
        format: "image/gif".into(),
        state: JobState::Completed,
        ..held()
    };
    job.owner.key = OwnerKey([9; 16]);
    let mut printer = PrinterFacts {
        ready: false,
        ..hall()
    };
    assert_eq!(reason_for(&job, &printer), Some(Reason::NotOwner));
    job.owner.key = OwnerKey([1; 16]);
    assert_eq!(reason_for(&job, &printer), Some(Reason::NotReleasable));
    job.state = JobState::PendingHeld;
    assert_eq!(reason_for(&job, &printer), Some(Reason::PrinterInError));
    printer.ready = true;
    assert_eq!(reason_for(&job, &printer), Some(Reason::FormatNotTaken));
    job.format = PDF.into();
    assert_eq!(reason_for(&job, &printer), None);
}

#[test]
fn an_explanation_names_every_question_and_no_person_or_document() {
    let printer = PrinterFacts {
        ready: false,
        reasons: vec!["media-jam-error".into()],
        ..hall()
    };
    let explained = explain(&Facts::new(&ann(), &held(), &printer));
    let lines: Vec<String> = explained.verdicts.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "owner: yes: the job belongs to this person",
            "state: yes: the job waits (job-release-wait)",
            "printer: no: printer hall can't print now: media-jam-error",
            "format: yes: printer hall takes application/pdf",
            "price: yes: there are no prices for this printer: it costs nothing",
            "decision: no: the printer can't print now",
        ]
    );
}
