// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests and answers recorded from CUPS 2.4.2 (`tests/data/ipp/ORIGIN.md`): each is read without
//! a fault and written again octet for octet, and its meaning is what its client was asked for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use platen_wire::ipp::{Fault, GroupTag, Limits, Message, Operation, Status, Target, Version};
use platen_wire::ipp::{check, decode};

const OPERATION: GroupTag = GroupTag::OPERATION;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/ipp")
}

#[track_caller]
fn recorded(name: &str) -> Message {
    let octets = fs::read(folder().join(format!("cups-2.4.2-{name}.bin"))).expect(name);
    let (message, rest) = decode(&octets, Limits::REQUEST).expect(name);
    assert_eq!(rest, b"", "{name}");
    message
}

#[test]
fn every_recording_is_written_again_octet_for_octet() {
    let mut count = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "bin") {
            continue;
        }
        let octets = fs::read(&path).unwrap();
        let (message, rest) = decode(&octets, Limits::REQUEST).unwrap();
        assert_eq!(rest, b"", "{path:?}");
        assert_eq!(message.faults, [], "{path:?}");
        assert_eq!(message.encode().unwrap(), octets, "{path:?}");
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let to_fail =
            name.contains("-bad-") || name.contains("-cups-get-") || name.contains("-answer-");
        assert_eq!(check(&message).is_ok(), !to_fail, "{name}");
        count += 1;
    }
    assert!(count >= 50, "{count} recordings");
}

#[test]
fn the_operations_are_those_that_were_asked_for() {
    for (name, operation) in [
        (
            "lpadmin-get-printer-attributes",
            Operation::GET_PRINTER_ATTRIBUTES,
        ),
        ("backend-validate-job", Operation::VALIDATE_JOB),
        ("backend-create-job", Operation::CREATE_JOB),
        ("backend-send-document", Operation::SEND_DOCUMENT),
        ("backend-get-job-attributes", Operation::GET_JOB_ATTRIBUTES),
        ("ipptool-print-job", Operation::PRINT_JOB),
        ("ipptool-get-jobs", Operation::GET_JOBS),
        ("ipptool-identify-printer", Operation::IDENTIFY_PRINTER),
        ("ipptool-release-job", Operation::RELEASE_JOB),
        ("ipptool-print-uri", Operation::PRINT_URI),
        ("ipptool-cancel-job", Operation::CANCEL_JOB),
        ("lp-cups-get-default", Operation::CUPS_GET_DEFAULT),
        ("cancel-cancel-jobs", Operation::CANCEL_JOBS),
    ] {
        assert_eq!(recorded(name).operation(), operation);
    }
}

#[test]
fn a_job_of_the_scheduler_says_who_what_and_how() {
    let create = recorded("backend-create-job");
    assert_eq!(create.header.version, Version::V2_0);
    assert_eq!(
        check(&create),
        Ok(Target::Printer("ipp://localhost:8770/ipp/print"))
    );
    assert_eq!(
        create.name(OPERATION, "requesting-user-name").unwrap(),
        &"root"
    );
    assert_eq!(
        create.name(OPERATION, "job-name").unwrap(),
        &"月报 报告.pdf"
    );
    assert_eq!(
        create.keyword(GroupTag::JOB, "sides"),
        Some("two-sided-long-edge")
    );
    assert_eq!(create.integer(GroupTag::JOB, "copies"), Some(2));
    let send = recorded("backend-send-document");
    assert!(matches!(check(&send), Ok(Target::JobOf { id: 1, .. })));
    assert_eq!(send.boolean(OPERATION, "last-document"), Some(true));
    assert_eq!(
        send.mime_media_type(OPERATION, "document-format"),
        Some("application/pdf")
    );
}

#[test]
fn a_media_size_is_read_out_of_its_collections() {
    let job = recorded("backend-create-job-media");
    let media = job
        .first(GroupTag::JOB, "media-col")
        .unwrap()
        .as_collection()
        .unwrap();
    let size = media.get("media-size").unwrap().as_collection().unwrap();
    assert_eq!(size.get("x-dimension").unwrap().as_integer(), Some(21_000));
    assert_eq!(size.get("y-dimension").unwrap().as_integer(), Some(29_700));
    assert_eq!(job.enumeration(GroupTag::JOB, "print-quality"), Some(5));
}

#[test]
fn the_backend_asks_for_its_23_attributes() {
    let request = recorded("backend-get-printer-attributes");
    let asked = request.first(OPERATION, "requested-attributes").unwrap();
    let asked: Vec<_> = asked.iter_keywords().collect();
    assert_eq!(asked.len(), 23);
    assert!(asked.contains(&"printer-state-reasons"));
}

#[test]
fn what_the_conformance_suite_sends_wrongly_gets_the_status_it_wants() {
    let version = Version { major: 0, minor: 0 };
    for (name, fault, status) in [
        ("bad-request-id", Fault::RequestId, Status::BAD_REQUEST),
        (
            "bad-no-attributes",
            Fault::OperationGroup,
            Status::BAD_REQUEST,
        ),
        (
            "bad-no-language",
            Fault::LanguageNotSecond,
            Status::BAD_REQUEST,
        ),
        (
            "bad-no-charset",
            Fault::CharsetNotFirst,
            Status::BAD_REQUEST,
        ),
        ("bad-order", Fault::CharsetNotFirst, Status::BAD_REQUEST),
        ("bad-no-target", Fault::TargetMissing, Status::BAD_REQUEST),
        (
            "bad-version",
            Fault::VersionNotSupported { version },
            Status::VERSION_NOT_SUPPORTED,
        ),
    ] {
        let request = recorded(&format!("ipptool-{name}"));
        assert_eq!(check(&request), Err(fault), "{name}");
        assert_eq!(fault.status(), status, "{name}");
    }
}

#[test]
fn a_printers_answer_is_read_with_all_its_collections() {
    let answer = recorded("ippeveprinter-answer-get-printer-attributes");
    assert_eq!(answer.status(), Status::OK);
    let printer = answer.group(GroupTag::PRINTER).unwrap();
    let database = printer.get("media-col-database").unwrap();
    assert!(database.values.len() >= 5, "{}", database.values.len());
    let copies: Vec<_> = printer
        .get("copies-supported")
        .unwrap()
        .iter_ranges()
        .collect();
    assert_eq!(copies, [(1, 999)]);
    assert!(
        recorded("ippeveprinter-answer-get-jobs")
            .groups_of(GroupTag::JOB)
            .count()
            > 5
    );
}
