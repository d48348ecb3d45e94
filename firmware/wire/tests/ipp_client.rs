// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a box asks of a printer and reads in its answers: recorded answers of real printers and
//! made ones that are odd.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use platen_wire::ipp::client::{
    JobAnswer, JobPhase, KEYWORDS_MAX, PrinterAnswer, REASONS_MAX, Requests, Wishes,
};
use platen_wire::ipp::{
    Attribute, GroupTag, Limits, Message, Status, Target, Version, check, decode,
};

fn recorded(name: &str) -> Message {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/ipp/");
    let octets = std::fs::read(format!("{folder}{name}.bin")).unwrap();
    decode(&octets, Limits::RESPONSE).unwrap().0
}

fn answer(group: GroupTag, attributes: impl IntoIterator<Item = Attribute>) -> Message {
    let mut message = Message::reply_to(None, Status::OK);
    message.group_mut(group).attributes = attributes.into_iter().collect();
    message
}

#[test]
fn a_recorded_printer_says_how_it_is_and_what_it_takes() {
    let printer = PrinterAnswer::read(&recorded(
        "cups-2.4.2-ippeveprinter-answer-get-printer-attributes",
    ));
    assert!(printer.is_ready() && printer.creates_jobs(), "{printer:?}");
    assert_eq!(printer.reasons, [""; 0]);
    assert_eq!(printer.format_for("image/jpeg"), Some("image/jpeg"));
    assert_eq!(
        printer.format_for("application/vnd.hp-pcl"),
        Some("application/octet-stream")
    );
    assert!(printer.copies_max > 1);
    assert!(printer.media.iter().any(|name| name == "iso_a4_210x297mm"));
}

#[test]
fn a_recorded_job_has_an_end() {
    let job = JobAnswer::read(&recorded(
        "cups-2.4.2-ippeveprinter-answer-get-job-attributes",
    ));
    assert!(job.id.is_some() && job.phase.is_some(), "{job:?}");
}

#[test]
fn every_request_is_one_that_a_server_takes() {
    let mut requests = Requests::new("ipp://printer/ipp/print");
    let wishes = Wishes {
        copies: Some(2),
        sides: Some("two-sided-long-edge".to_owned()),
        color_mode: None,
        media: None,
    };
    let all = [
        requests.printer(),
        requests.create_job(&wishes),
        requests.print_job("application/pdf", &wishes),
        requests.send_document(7, "application/pdf"),
        requests.job(7),
        requests.cancel_job(7),
    ];
    for (index, request) in all.iter().enumerate() {
        let octets = request.encode().unwrap();
        let (back, rest) = decode(&octets, Limits::REQUEST).unwrap();
        assert!(rest.is_empty());
        assert_eq!(&back, request);
        let target = check(&back).unwrap();
        let on_job = request.operation().targets_job();
        assert_eq!(!matches!(target, Target::Printer { .. }), on_job);
        assert_eq!(request.header.request_id as usize, index + 1);
        let user = request.name(GroupTag::OPERATION, "requesting-user-name");
        assert_eq!(user.unwrap().as_bytes(), b"platen");
    }
    assert_eq!(all[1].integer(GroupTag::JOB, "copies"), Some(2));
    assert_eq!(
        all[1].keyword(GroupTag::JOB, "sides"),
        Some("two-sided-long-edge")
    );
    assert!(all[1].first(GroupTag::JOB, "media").is_none());
}

#[test]
fn a_job_without_wishes_has_no_job_group() {
    let mut requests = Requests::new("ipp://printer/ipp/print");
    let request = requests.create_job(&Wishes::default());
    assert!(request.group(GroupTag::JOB).is_none());
}

#[test]
fn an_old_printer_is_asked_in_its_version() {
    let mut requests = Requests::new("ipp://printer/ipp/print");
    requests.old = true;
    assert_eq!(requests.printer().header.version, Version::V1_1);
}

#[test]
fn stopped_and_refusing_printers_are_not_ready_and_say_why() {
    let stopped = PrinterAnswer::read(&answer(
        GroupTag::PRINTER,
        [
            Attribute::enumeration("printer-state", 5),
            Attribute::keywords("printer-state-reasons", ["none", "media-jam-error"]),
        ],
    ));
    assert!(!stopped.is_ready());
    assert_eq!(stopped.reasons, ["media-jam-error"]);
    let refusing = PrinterAnswer::read(&answer(
        GroupTag::PRINTER,
        [
            Attribute::enumeration("printer-state", 3),
            Attribute::boolean("printer-is-accepting-jobs", false),
        ],
    ));
    assert!(!refusing.is_ready() && !refusing.stopped);
}

#[test]
fn an_answer_that_says_nothing_takes_one_copy_of_anything_and_creates_no_job() {
    let printer = PrinterAnswer::read(&answer(GroupTag::PRINTER, []));
    assert!(printer.is_ready() && !printer.creates_jobs());
    assert_eq!(printer.copies_max, 1);
    assert_eq!(printer.format_for("image/urf"), Some("image/urf"));
    assert_eq!(JobAnswer::read(&answer(GroupTag::JOB, [])).phase, None);
    let empty = PrinterAnswer::read(&Message::reply_to(None, Status::OK));
    assert_eq!(empty, printer);
}

#[test]
fn a_format_that_is_not_taken_is_said_not_sent() {
    let formats = Attribute::mime_media_types("document-format-supported", ["image/urf"]);
    let printer = PrinterAnswer::read(&answer(GroupTag::PRINTER, [formats]));
    assert_eq!(printer.format_for("IMAGE/URF"), Some("IMAGE/URF"));
    assert_eq!(printer.format_for("application/pdf"), None);
}

#[test]
fn floods_of_words_are_cut() {
    let words: Vec<String> = (0..3000).map(|n| format!("word-{n}")).collect();
    let printer = PrinterAnswer::read(&answer(
        GroupTag::PRINTER,
        [
            Attribute::keywords("printer-state-reasons", &words),
            Attribute::keywords("media-supported", &words),
        ],
    ));
    assert_eq!(printer.reasons.len(), REASONS_MAX);
    assert_eq!(printer.media.len(), KEYWORDS_MAX);
}

#[test]
fn numbers_that_make_no_sense_are_not_taken() {
    let job = JobAnswer::read(&answer(
        GroupTag::JOB,
        [
            Attribute::integer("job-id", -1),
            Attribute::enumeration("job-state", 99),
            Attribute::integer("job-impressions-completed", -5),
        ],
    ));
    assert_eq!(job, JobAnswer::default());
    let copies = Attribute::range("copies-supported", 1, -3);
    let printer = PrinterAnswer::read(&answer(GroupTag::PRINTER, [copies]));
    assert_eq!(printer.copies_max, 1);
}

#[test]
fn states_of_jobs_go_by_the_numbers_of_the_rfc() {
    for (state, phase) in [
        (3, JobPhase::Pending),
        (4, JobPhase::Waiting),
        (5, JobPhase::Going),
        (6, JobPhase::Waiting),
        (7, JobPhase::Canceled),
        (8, JobPhase::Aborted),
        (9, JobPhase::Completed),
    ] {
        let state = Attribute::enumeration("job-state", state);
        let job = JobAnswer::read(&answer(GroupTag::JOB, [state]));
        assert_eq!(job.phase, Some(phase));
    }
}

#[test]
fn what_the_printer_left_out_is_named() {
    let mut message = answer(GroupTag::JOB, [Attribute::integer("job-id", 3)]);
    message
        .group_mut(GroupTag::UNSUPPORTED)
        .push(Attribute::integer("copies", 9));
    let job = JobAnswer::read(&message);
    assert_eq!(
        (job.id, job.unsupported),
        (Some(3), vec!["copies".to_owned()])
    );
}
