// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The virtual printer as a program, over real sockets: a test bed that lies is worse than none.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use platen_bed::documents::{self, Paper};
use platen_bed::printer::VirtualPrinter;
use platen_bed::virtual_printer::{Condition, Ended};
use platen_bed::wait;

const LIMIT: Duration = Duration::from_secs(20);

fn start(folder: &tempfile::TempDir) -> VirtualPrinter {
    VirtualPrinter::start(&folder.path().join("printer")).unwrap()
}

fn connect(printer: &VirtualPrinter) -> TcpStream {
    let stream = TcpStream::connect(printer.address()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

fn send(printer: &VirtualPrinter, bytes: &[u8]) {
    connect(printer).write_all(bytes).unwrap();
}

fn ask_status(printer: &VirtualPrinter) -> String {
    let mut stream = connect(printer);
    stream
        .write_all(b"\x1b%-12345X@PJL INFO STATUS\r\n\x1b%-12345X")
        .unwrap();
    let mut answer = Vec::new();
    BufReader::new(stream)
        .read_until(b'\x0c', &mut answer)
        .unwrap();
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_job_is_kept_byte_for_byte_and_becomes_pages() {
    let folder = tempfile::tempdir().unwrap();
    let printer = start(&folder);
    let document = documents::pdf(3, Paper::A4);
    send(&printer, &document);
    let job = printer.wait_for_job(1, LIMIT).unwrap();
    assert_eq!((job.pages, job.ended), (Some(3), Some(Ended::Closed)));
    assert_eq!(printer.wire_bytes(&job).unwrap(), document);
    assert!(printer.pages(&job).iter().all(|page| page.is_file()));
    assert!(job.first_byte_elapsed_us <= job.last_byte_elapsed_us);
    printer.stop().unwrap();
}

#[test]
fn pjl_around_a_document_is_taken_off_for_rendering_only() {
    let folder = tempfile::tempdir().unwrap();
    let printer = start(&folder);
    let document = documents::pwg(1, false, 100);
    let mut wire = b"\x1b%-12345X@PJL JOB\r\n@PJL ENTER LANGUAGE=PWGRASTER\r\n".to_vec();
    wire.extend_from_slice(&document);
    wire.extend_from_slice(b"\x1b%-12345X@PJL EOJ\r\n\x1b%-12345X");
    send(&printer, &wire);
    let job = printer.wait_for_job(1, LIMIT).unwrap();
    assert_eq!(job.pages, Some(1), "{:?}", job.render_error);
    assert_eq!(printer.wire_bytes(&job).unwrap(), wire);
    assert_eq!(printer.document(&job).unwrap(), document);
}

#[test]
fn a_jam_in_mid_job_stops_the_bytes_until_it_is_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let printer = start(&folder);
    let document = documents::heavy_pdf(8, 32 << 20);
    printer.command("jam 100000").unwrap();
    let mut stream = connect(&printer);
    stream
        .set_write_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let stuck = stream.write_all(&document).unwrap_err();
    assert!(matches!(
        stuck.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut
    ));
    let status = printer.status().unwrap();
    assert_eq!((status.condition, status.receiving), (Condition::Jam, 1));
    assert!(ask_status(&printer).contains("CODE=42"));
    printer.command("clear").unwrap();
    drop(stream);
    let job = printer.wait_for_job(1, LIMIT).unwrap();
    let kept = printer.wire_bytes(&job).unwrap();
    assert!(document.starts_with(&kept) && kept.len() >= 100_000);
}

#[test]
fn each_condition_has_its_code_and_status_questions_are_no_jobs() {
    let folder = tempfile::tempdir().unwrap();
    let printer = start(&folder);
    for (command, code) in [
        ("paper-out", "CODE=41"),
        ("cover-open", "CODE=40021"),
        ("jam", "CODE=42"),
        ("clear", "CODE=10001"),
    ] {
        printer.command(command).unwrap();
        let answer = ask_status(&printer);
        assert!(answer.contains(code), "{command}: {answer}");
    }
    assert_eq!(printer.status().unwrap().jobs, 0);
}

#[test]
fn a_change_is_told_unasked_to_a_sender_that_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    let printer = start(&folder);
    let mut stream = connect(&printer);
    let wire = b"\x1b%-12345X@PJL USTATUS DEVICE=ON\r\n@PJL ENTER LANGUAGE=PDF\r\n%PDF-";
    stream.write_all(wire).unwrap();
    wait::until("the job", LIMIT, || {
        Ok((printer.status()?.receiving == 1).then_some(()))
    })
    .unwrap();
    printer.command("paper-out").unwrap();
    let mut told = Vec::new();
    BufReader::new(&stream)
        .read_until(b'\x0c', &mut told)
        .unwrap();
    let told = String::from_utf8(told).unwrap();
    assert!(told.starts_with("@PJL USTATUS DEVICE\r\nCODE=41"), "{told}");
}

#[test]
fn unplugging_breaks_the_job_and_refuses_the_next_until_plugged_in() {
    let folder = tempfile::tempdir().unwrap();
    let printer = start(&folder);
    let mut stream = connect(&printer);
    stream.write_all(b"%PDF-1.4 and no more").unwrap();
    wait::until("the job", LIMIT, || {
        Ok((printer.status()?.receiving == 1).then_some(()))
    })
    .unwrap();
    printer.command("unplug").unwrap();
    let broken = stream.read(&mut [0; 1]).unwrap_err();
    assert_eq!(broken.kind(), ErrorKind::ConnectionReset);
    let refused = TcpStream::connect(printer.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    printer.command("plug").unwrap();
    send(&printer, &documents::jpeg(64, 64, true));
    let jobs = printer.wait_for_jobs(2, LIMIT).unwrap();
    assert_eq!(jobs[0].ended, Some(Ended::Unplugged));
    assert_eq!(jobs[1].pages, Some(1));
}

#[test]
fn it_ends_in_order_when_told_to_and_when_its_starter_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let mut printer = start(&folder);
    let stream = connect(&printer);
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(printer.program().stop().unwrap().success());
    let mut other = start(&folder);
    other.program().close_input();
    let ended = wait::until("its end", LIMIT, || other.program().exit_status());
    assert!(ended.unwrap().success());
}
