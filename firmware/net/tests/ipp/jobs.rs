// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The IPP port against printers that do as they should, and in all the ways they don't: real
//! loopback sockets, HTTP by hand. A real printer's program is in the end-to-end tests.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::scripted::{Asked, Log, Reply, printer};
use platen_hal::{Confirmation, PortError, PortReport, PrinterPort, Sending};
use platen_net::{IppOptions, IppPort, TlsTrust};
use platen_wire::ipp::{Attribute, GroupTag, Operation, Status};

const DOCUMENT: &[u8] = b"%PDF-1.7 and so on";

fn options() -> IppOptions {
    IppOptions {
        stall: Duration::from_millis(800),
        answer: Duration::from_secs(2),
        end: Duration::from_secs(2),
        quiet: Duration::from_secs(2),
        job: Duration::from_secs(20),
    }
}

fn pdf() -> Sending {
    Sending {
        octets: Some(DOCUMENT.len() as u64),
        format: "application/pdf".to_owned(),
        ..Sending::default()
    }
}

fn port_to(script: impl FnMut(&Asked) -> Reply + Send + 'static) -> (IppPort, Log) {
    let (address, log) = printer(script);
    let uri = format!("ipp://{address}/ipp/print").parse().unwrap();
    let port = IppPort::new(uri, &TlsTrust::Nobody, options()).unwrap();
    (port, log)
}

/// Prints with a printer that answers questions about the job with one state after another.
fn good(asked: &Asked, states: &mut impl Iterator<Item = (i32, i32)>) -> Reply {
    match asked.operation() {
        Operation::GET_PRINTER_ATTRIBUTES => asked.printer([]),
        Operation::CREATE_JOB | Operation::PRINT_JOB => {
            asked.job([Attribute::integer("job-id", 17)])
        }
        Operation::GET_JOB_ATTRIBUTES => {
            let (state, impressions) = states.next().unwrap_or((9, 0));
            asked.job([
                Attribute::integer("job-id", 17),
                Attribute::enumeration("job-state", state),
                Attribute::integer("job-impressions-completed", impressions),
            ])
        }
        _ => asked.job([]),
    }
}

fn print(port: &mut IppPort, sending: &Sending) -> Result<PortReport, PortError> {
    let mut session = port.open(sending)?;
    session.send(DOCUMENT)?;
    session.finish()
}

fn failure<T>(result: Result<T, PortError>) -> PortError {
    result.map(|_| ()).unwrap_err()
}

/// The words an administrator reads: the error and what it stands on.
fn words(error: &PortError) -> String {
    platen_model::Chain(error).to_string()
}

fn reasons(error: PortError) -> Vec<String> {
    match error {
        PortError::Stopped { reasons } => reasons,
        other => panic!("{other}"),
    }
}

#[test]
fn a_job_is_made_sent_and_followed_until_the_printer_has_counted_it() {
    let mut states = [(5, 0), (5, 2), (9, 4)].into_iter();
    let (mut port, log) = port_to(move |asked| good(asked, &mut states));
    let sending = Sending {
        copies: 2,
        sides: Some("two-sided-long-edge"),
        color_mode: Some("color"),
        media: Some("na_letter_8.5x11in".to_owned()),
        ..pdf()
    };
    let mut session = port.open(&sending).unwrap();
    assert!(session.makes_copies());
    session.send(DOCUMENT).unwrap();
    let report = session.finish().unwrap();
    assert_eq!(report.octets, DOCUMENT.len() as u64);
    assert_eq!(report.impressions, Some(4));
    assert_eq!(report.confirmed_by, Some(Confirmation::IppJob));
    let create = log.of(Operation::CREATE_JOB).message;
    assert_eq!(create.integer(GroupTag::JOB, "copies"), Some(2));
    assert_eq!(
        create.keyword(GroupTag::JOB, "sides"),
        Some("two-sided-long-edge")
    );
    // Neither of them is what this printer claims to do.
    assert!(create.first(GroupTag::JOB, "print-color-mode").is_none());
    assert!(create.first(GroupTag::JOB, "media").is_none());
    let send = log.of(Operation::SEND_DOCUMENT);
    assert_eq!(send.document, DOCUMENT);
    let chunked = |line: &String| line.eq_ignore_ascii_case("transfer-encoding: chunked");
    assert!(send.headers.iter().any(chunked), "{:?}", send.headers);
    assert_eq!(
        send.message.boolean(GroupTag::OPERATION, "last-document"),
        Some(true)
    );
    assert!(!log.operations().contains(&Operation::CANCEL_JOB));
}

#[test]
fn a_document_of_many_pieces_arrives_as_it_was() {
    let (mut port, log) = port_to(|asked| good(asked, &mut std::iter::empty()));
    let document: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let mut session = port.open(&pdf()).unwrap();
    for piece in document.chunks(100_001) {
        session.send(piece).unwrap();
    }
    let report = session.finish().unwrap();
    assert_eq!(report.octets, 3_000_000);
    // A count of 0 is no count.
    assert_eq!((report.impressions, report.confirmed_by), (None, None));
    assert!(log.of(Operation::SEND_DOCUMENT).document == document);
}

#[test]
fn a_count_that_no_job_can_have_is_not_believed() {
    for count in [-1, 0, 1_000_001, i32::MAX] {
        let (mut port, _) = port_to(move |asked| good(asked, &mut [(9, count)].into_iter()));
        let report = print(&mut port, &pdf()).unwrap();
        assert_eq!((report.impressions, report.confirmed_by), (None, None));
    }
    let (mut port, _) = port_to(|asked| good(asked, &mut [(9, 1_000_000)].into_iter()));
    let report = print(&mut port, &pdf()).unwrap();
    assert_eq!(report.impressions, Some(1_000_000));
}

#[test]
fn nobodys_name_leaves_the_box() {
    let (mut port, log) = port_to(|asked| good(asked, &mut std::iter::empty()));
    print(&mut port, &pdf()).unwrap();
    for asked in log.all() {
        let user = asked
            .message
            .name(GroupTag::OPERATION, "requesting-user-name");
        assert_eq!(user.unwrap().as_bytes(), b"platen");
        let name = asked.message.name(GroupTag::OPERATION, "job-name");
        assert!(name.is_none_or(|name| name.as_bytes() == b"platen"));
    }
}

#[test]
fn a_printer_without_create_job_gets_print_job() {
    let (mut port, log) = port_to(|asked| match asked.operation() {
        Operation::GET_PRINTER_ATTRIBUTES => {
            asked.printer([Attribute::enumerations("operations-supported", [2, 9, 0xb])])
        }
        _ => good(asked, &mut [(9, 3)].into_iter()),
    });
    let sending = Sending { copies: 2, ..pdf() };
    let session = port.open(&sending).unwrap();
    assert!(
        !session.makes_copies(),
        "what it leaves out is told too late"
    );
    drop(session);
    let report = print(&mut port, &sending).unwrap();
    assert_eq!(report.impressions, Some(3));
    let asked = log.of(Operation::PRINT_JOB).message;
    assert!(asked.first(GroupTag::JOB, "copies").is_none());
    let operations = log.operations();
    assert!(!operations.contains(&Operation::CREATE_JOB));
    assert_eq!(log.of(Operation::PRINT_JOB).document, DOCUMENT);
}

#[test]
fn copies_that_the_printer_leaves_out_are_left_to_the_box() {
    let (mut port, _) = port_to(|asked| match asked.operation() {
        Operation::CREATE_JOB => {
            let Reply::Message(mut answer) = asked.job([Attribute::integer("job-id", 1)]) else {
                unreachable!("a job is a message")
            };
            let left_out = Attribute::integer("copies", 3);
            answer.group_mut(GroupTag::UNSUPPORTED).push(left_out);
            Reply::Message(answer)
        }
        _ => good(asked, &mut std::iter::empty()),
    });
    let sending = Sending { copies: 3, ..pdf() };
    assert!(!port.open(&sending).unwrap().makes_copies());

    let (mut port, _) = port_to(|asked| good(asked, &mut std::iter::empty()));
    let sending = Sending {
        copies: 500,
        ..pdf()
    };
    assert!(!port.open(&sending).unwrap().makes_copies(), "99 at most");
}

#[test]
fn a_printer_says_how_it_is_in_its_own_words() {
    let (mut port, _) = port_to(|asked| {
        asked.printer([
            Attribute::enumeration("printer-state", 5),
            Attribute::keyword("printer-state-reasons", "media-jam-error"),
        ])
    });
    let status = port.status();
    assert!(!status.ready);
    assert_eq!(status.reasons, ["media-jam-error"]);
    let error = failure(port.open(&pdf()));
    assert_eq!(reasons(error), ["media-jam-error"]);

    let (mut port, _) = port_to(|asked| {
        let low = Attribute::keyword("printer-state-reasons", "toner-low-warning");
        asked.printer([low])
    });
    let status = port.status();
    assert!(status.ready);
    assert_eq!(status.reasons, ["toner-low-warning"]);
}

#[test]
fn a_printer_that_takes_no_jobs_is_not_ready_and_needs_a_reason() {
    let (mut port, log) =
        port_to(|asked| asked.printer([Attribute::boolean("printer-is-accepting-jobs", false)]));
    assert_eq!(port.status().reasons, ["other-error"]);
    failure(port.open(&pdf()));
    assert!(!log.operations().contains(&Operation::CREATE_JOB));
}

#[test]
fn a_format_that_the_printer_does_not_take_is_not_sent() {
    let (mut port, log) = port_to(|asked| good(asked, &mut std::iter::empty()));
    let sending = Sending {
        format: "image/urf".to_owned(),
        ..pdf()
    };
    let error = failure(port.open(&sending));
    assert_eq!(reasons(error), ["unsupported-document-format"]);
    assert_eq!(log.operations(), [Operation::GET_PRINTER_ATTRIBUTES]);
}

#[test]
fn an_old_printer_is_asked_again_in_its_version() {
    let (mut port, _) = port_to(|asked| {
        if asked.message.header.version.major == 2 {
            return asked.status(Status::VERSION_NOT_SUPPORTED);
        }
        good(asked, &mut [(9, 1)].into_iter())
    });
    assert_eq!(print(&mut port, &pdf()).unwrap().impressions, Some(1));
}

#[test]
fn a_busy_printer_is_asked_again_but_not_for_ever() {
    let mut busy = 1;
    let (mut port, _) = port_to(move |asked| match asked.operation() {
        Operation::CREATE_JOB if busy > 0 => {
            busy -= 1;
            asked.status(Status::BUSY)
        }
        _ => good(asked, &mut std::iter::empty()),
    });
    print(&mut port, &pdf()).unwrap();

    let (mut port, _) = port_to(|asked| match asked.operation() {
        Operation::CREATE_JOB => asked.status(Status::BUSY),
        _ => good(asked, &mut std::iter::empty()),
    });
    assert_eq!(reasons(failure(port.open(&pdf()))), ["other-error"]);
}

#[test]
fn a_job_that_ends_badly_at_the_printer_is_not_printed() {
    for (state, reason) in [(7, "job-canceled-at-device"), (8, "aborted-by-system")] {
        let mut states = [(5, 1), (state, 1)].into_iter();
        let (mut port, log) = port_to(move |asked| good(asked, &mut states));
        let error = failure(print(&mut port, &pdf()));
        assert_eq!(reasons(error), [reason]);
        let canceled = log.operations().contains(&Operation::CANCEL_JOB);
        assert!(!canceled, "there is nothing left to take back");
    }
}

#[test]
fn a_job_that_waits_for_paper_is_taken_back_with_the_printers_reason() {
    let mut sent = false;
    let (mut port, log) = port_to(move |asked| match asked.operation() {
        Operation::GET_PRINTER_ATTRIBUTES if sent => asked.printer([Attribute::keyword(
            "printer-state-reasons",
            "media-empty-error",
        )]),
        Operation::SEND_DOCUMENT => {
            sent = true;
            asked.job([])
        }
        _ => good(asked, &mut std::iter::repeat((6, 1))),
    });
    let error = failure(print(&mut port, &pdf()));
    assert_eq!(reasons(error), ["media-empty-error"]);
    assert_eq!(log.operations().last(), Some(&Operation::CANCEL_JOB));
}

#[test]
fn a_job_that_stands_still_is_taken_back() {
    let (mut port, log) = port_to(|asked| good(asked, &mut std::iter::repeat((5, 1))));
    let error = failure(print(&mut port, &pdf()));
    assert!(matches!(error, PortError::Stalled { .. }), "{error}");
    assert_eq!(log.operations().last(), Some(&Operation::CANCEL_JOB));
}

/// A printer at work; its job shows `figures` for longer than a job may stand still, then ends.
fn slow(figures: (i32, i32)) -> (IppPort, Log) {
    let mut asked_for = 0;
    port_to(move |asked| match asked.operation() {
        Operation::GET_PRINTER_ATTRIBUTES if asked_for > 0 => {
            asked.printer([Attribute::enumeration("printer-state", 4)])
        }
        Operation::GET_JOB_ATTRIBUTES => {
            asked_for += 1;
            let now = if asked_for < 10 { figures } else { (9, 6) };
            good(asked, &mut [now].into_iter())
        }
        _ => good(asked, &mut std::iter::empty()),
    })
}

#[test]
fn a_long_job_of_a_printer_that_does_not_count_goes_on_while_it_is_at_work() {
    let (mut port, log) = slow((5, 0));
    assert_eq!(print(&mut port, &pdf()).unwrap().impressions, Some(6));
    assert!(!log.operations().contains(&Operation::CANCEL_JOB));
}

#[test]
fn a_job_behind_another_s_long_one_keeps_its_place() {
    let (mut port, log) = slow((3, 0));
    assert_eq!(print(&mut port, &pdf()).unwrap().impressions, Some(6));
    assert!(!log.operations().contains(&Operation::CANCEL_JOB));
}

#[test]
fn a_job_whose_pages_stop_coming_is_taken_back_though_the_printer_is_at_work() {
    let (mut port, log) = slow((5, 2));
    let error = failure(print(&mut port, &pdf()));
    assert!(matches!(error, PortError::Stalled { .. }), "{error}");
    assert_eq!(log.operations().last(), Some(&Operation::CANCEL_JOB));
}

#[test]
fn a_job_that_an_idle_printer_does_not_begin_is_taken_back() {
    let (mut port, log) = port_to(|asked| good(asked, &mut std::iter::repeat((3, 0))));
    let error = failure(print(&mut port, &pdf()));
    assert!(matches!(error, PortError::Stalled { .. }), "{error}");
    assert_eq!(log.operations().last(), Some(&Operation::CANCEL_JOB));
}

#[test]
fn a_printer_at_work_for_ever_does_not_hold_the_job_beyond_its_limit() {
    let (address, log) = printer(|asked| match asked.operation() {
        Operation::GET_PRINTER_ATTRIBUTES => {
            asked.printer([Attribute::enumeration("printer-state", 4)])
        }
        _ => good(asked, &mut std::iter::repeat((5, 0))),
    });
    let uri = format!("ipp://{address}/ipp/print").parse().unwrap();
    let limits = IppOptions {
        quiet: Duration::from_secs(1),
        job: Duration::from_secs(3),
        ..options()
    };
    let mut port = IppPort::new(uri, &TlsTrust::Nobody, limits).unwrap();
    let error = failure(print(&mut port, &pdf()));
    assert!(matches!(error, PortError::Stalled { .. }), "{error}");
    assert_eq!(log.operations().last(), Some(&Operation::CANCEL_JOB));
}

#[test]
fn a_job_deleted_while_it_prints_is_canceled_at_the_printer() {
    let sending = pdf();
    let mark = std::sync::Arc::clone(&sending.canceled);
    let (mut port, log) = port_to(move |asked| {
        if asked.operation() == Operation::GET_JOB_ATTRIBUTES {
            mark.store(true, Ordering::Release);
        }
        good(asked, &mut std::iter::repeat((5, 1)))
    });
    let error = failure(print(&mut port, &sending));
    assert!(matches!(error, PortError::Canceled), "{error}");
    let cancel = log.of(Operation::CANCEL_JOB).message;
    assert_eq!(cancel.integer(GroupTag::OPERATION, "job-id"), Some(17));
}

#[test]
fn a_job_given_up_half_way_is_canceled_and_never_looks_whole() {
    let (mut port, log) = port_to(|asked| good(asked, &mut std::iter::empty()));
    let mut session = port.open(&pdf()).unwrap();
    session.send(DOCUMENT).unwrap();
    drop(session);
    let operations = log.operations();
    assert_eq!(operations.last(), Some(&Operation::CANCEL_JOB));
    assert!(!operations.contains(&Operation::SEND_DOCUMENT));
}

#[test]
fn a_job_that_the_printer_has_forgotten_has_been_taken_but_not_counted() {
    let (mut port, _) = port_to(|asked| match asked.operation() {
        Operation::GET_JOB_ATTRIBUTES => asked.status(Status::NOT_FOUND),
        _ => good(asked, &mut std::iter::empty()),
    });
    let report = print(&mut port, &pdf()).unwrap();
    assert_eq!(report.octets, DOCUMENT.len() as u64);
    assert_eq!(report.confirmed_by, None);
}

#[test]
fn a_printer_away_for_a_moment_is_asked_again() {
    let mut hangs = 2;
    let (mut port, _) = port_to(move |asked| match asked.operation() {
        Operation::GET_JOB_ATTRIBUTES if hangs > 0 => {
            hangs -= 1;
            Reply::Hangup
        }
        _ => good(asked, &mut [(9, 6)].into_iter()),
    });
    assert_eq!(print(&mut port, &pdf()).unwrap().impressions, Some(6));
}

#[test]
fn a_printer_that_refuses_the_document_has_not_taken_it() {
    let (mut port, _) = port_to(|asked| match asked.operation() {
        Operation::SEND_DOCUMENT => asked.status(Status::DOCUMENT_FORMAT_ERROR),
        _ => good(asked, &mut std::iter::empty()),
    });
    let error = failure(print(&mut port, &pdf()));
    assert_eq!(reasons(error), ["unsupported-document-format"]);
}

/// Each answer in the place of Get-Printer-Attributes', and the words for it.
#[test]
fn answers_that_are_no_ipp_are_told_in_clear_words() {
    let answer = |head: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
    };
    let ipp = "200 OK\r\nContent-Type: application/ipp";
    let mut endless = format!("HTTP/1.1 {ipp}\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..200 {
        endless.extend_from_slice(b"4000\r\n\x01\x01\x00\x00\x00\x00\x00\x01");
        endless.resize(endless.len() + 0x4000 - 8, 0x44);
        endless.extend_from_slice(b"\r\n");
    }
    let header = format!(
        "HTTP/1.1 200 OK\r\nX-Much: {}\r\n\r\n",
        "x".repeat(1_000_000)
    );
    for (octets, says) in [
        (answer("401 Unauthorized", ""), "password"),
        (answer("403 Forbidden", ""), "HTTP status 403"),
        (answer("426 Upgrade Required", ""), "ipps://"),
        (
            answer("301 Moved\r\nLocation: http://other/", ""),
            "redirects",
        ),
        (
            answer("200 OK\r\nContent-Type: text/html", "<html>"),
            "no IPP",
        ),
        (answer(ipp, "\u{1}\u{1}"), "can't be read"),
        (answer(ipp, &"y".repeat(50)), "can't be read"),
        (endless, "can't be read"),
        (header.into_bytes(), "HTTP connection broke"),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n".to_vec(),
            "HTTP connection broke",
        ),
        (Vec::new(), ""),
    ] {
        let sent = octets.clone();
        let (mut port, _) = port_to(move |_| match sent.is_empty() {
            true => Reply::Hangup,
            false => Reply::Raw(sent.clone()),
        });
        let error = failure(port.open(&pdf()));
        assert!(matches!(error, PortError::Offline(_)), "{error}");
        assert!(
            words(&error).contains(says),
            "{} has no {says}",
            words(&error)
        );
        assert_eq!(port.status().reasons, ["offline-report"]);
    }
}

#[test]
fn an_answer_to_another_question_is_not_taken() {
    let (mut port, _) = port_to(|asked| {
        let Reply::Message(mut answer) = asked.printer([]) else {
            unreachable!("a printer is a message")
        };
        answer.header.request_id += 1;
        Reply::Message(answer)
    });
    let error = failure(port.open(&pdf()));
    assert!(
        words(&error).contains("another request"),
        "{}",
        words(&error)
    );
}

#[test]
fn a_printer_that_says_nothing_is_given_up_within_the_limit() {
    let (mut port, _) = port_to(|_| Reply::Silence);
    assert_eq!(port.status().reasons, ["offline-report"]);
    let error = failure(port.open(&pdf()));
    assert!(
        words(&error).contains("no answer within 2 s"),
        "{}",
        words(&error)
    );

    let (mut port, log) = port_to(|asked| match asked.operation() {
        Operation::SEND_DOCUMENT => Reply::Silence,
        _ => good(asked, &mut std::iter::empty()),
    });
    let error = failure(print(&mut port, &pdf()));
    assert!(matches!(error, PortError::Stalled { .. }), "{error}");
    assert_eq!(log.operations().last(), Some(&Operation::CANCEL_JOB));
}

#[test]
fn nobody_there_is_off_line() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = address.local_addr().unwrap();
    let uri = format!("ipp://{address}/ipp/print").parse().unwrap();
    let mut port = IppPort::new(uri, &TlsTrust::Nobody, options()).unwrap();
    assert_eq!(port.status().reasons, ["offline-report"]);
    let error = failure(port.open(&pdf()));
    assert!(matches!(error, PortError::Offline(_)), "{error}");
}
