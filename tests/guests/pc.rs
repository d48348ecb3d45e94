// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Guests on a PC. A boot costs some ten seconds, so each test does what belongs together.

use std::time::Duration;

use platen_bed::documents;
use platen_bed::qemu::{GuestOptions, Machine};

use crate::box_in_guest::{GuestBox, READER_ANSWERS, SOON};

/// The panel's lines of `board/qemu_x86_64`.
const RED: u32 = 0;
const GREEN: u32 = 1;
/// What a person should not have to wait longer for, by the guest's clock.
const REACTION: Duration = Duration::from_secs(2);

fn open() -> GuestBox {
    GuestBox::open(&GuestOptions::new(Machine::X86_64))
}

#[test]
fn a_tap_at_spidev_brings_the_document_out_of_usblp_byte_by_byte() {
    let mut office = open();
    let document = documents::heavy_pdf(2, 300_001);
    office.print(&document);
    office.wait_for(&["jobs"], "\"pending-held\"");
    assert!(office.paper().is_empty(), "nothing prints before the tap");

    let tapped = office.tap("accepted");
    office.wait_for(&["jobs", "--all"], "\"completed\"");
    assert!(office.paper() == document, "the bytes differ");
    println!(
        "card to panel: {} ms by the guest's clock",
        tapped.as_millis()
    );
    office.tap("no-jobs");
    office.close();
}

#[test]
fn a_printer_that_is_pulled_out_leaves_the_job_to_its_owner_s_word() {
    let mut office = open();
    let document = documents::heavy_pdf(2, 300_001);
    office.print(&document);
    office.wait_for(&["jobs"], "\"pending-held\"");

    // The printer takes some bytes and no more, then somebody pulls its plug.
    office.guest.tell("printer", "stall-after 100000").unwrap();
    office.tap("accepted");
    office.wait_for(&["jobs", "--all"], "\"processing\"");
    office.await_octets(100_000);
    office.guest.tell("printer", "unplug").unwrap();
    let stopped = office.wait_for(&["jobs", "--all"], "\"processing-stopped\"");
    assert!(
        stopped.out.contains("\"printer-stopped\""),
        "{}",
        stopped.out
    );
    let status = &office.ctl(&["status"])[0];
    let text = status["panel_text"].as_str().unwrap_or_default();
    assert_eq!(status["panel"], "printer-error", "{status}");
    assert!(text.contains("not connected"), "the reason is told: {text}");
    let partly = office.paper();
    assert!(document.starts_with(&partly) && partly.len() < document.len());

    // While it is out, the owner is asked, and the answer touches no job.
    office.tap("interrupted");
    office.tap("printer-error");
    let jobs = &office.ctl(&["jobs", "--all"])[0];
    assert_eq!(jobs["state"], "processing-stopped", "{jobs}");
    office.guest.tell("printer", "resume").unwrap();
    office.guest.tell("printer", "plug").unwrap();
    let device = ["/bin/ls", "/dev/usb"];
    office.guest.wait_for(&device, "lp0", SOON).unwrap();
    assert!(office.paper().is_empty(), "nothing prints by itself");

    // The owner is asked, and the second tap is the answer.
    office.tap("interrupted");
    assert!(office.paper().is_empty(), "the question prints nothing");
    office.tap("accepted");
    office.wait_for(&["jobs", "--all"], "\"completed\"");
    assert!(office.paper() == document, "the bytes differ");
    office.tap("no-jobs");
    assert!(office.paper().is_empty(), "it came out once");
    office.close();
}

#[test]
fn a_chip_that_is_gone_is_said_and_shown_and_so_is_its_return() {
    let mut office = open();
    office.light(GREEN, "1");
    office.light(RED, "0");
    for fault in ["stuck-high", "stuck-low", "gone"] {
        office
            .guest
            .tell("chip", &format!("fault {fault}"))
            .unwrap();
        let gone = office.wait_for(&["status"], "\"panel\":\"reader-gone\"");
        // Both lamps take turns.
        office.light(RED, "1");
        office.light(RED, "0");
        office.guest.tell("chip", "fault none").unwrap();
        let back = office.wait_for(&["status"], "\"panel\":\"idle\"");
        println!(
            "{fault}: gone after {} ms, back after {} ms, by the guest's clock",
            gone.elapsed.as_millis(),
            back.elapsed.as_millis()
        );
        assert!(gone.elapsed < REACTION && back.elapsed < REACTION);
        assert!(back.out.contains(READER_ANSWERS), "{}", back.out);
        office.light(GREEN, "1");
    }

    // It reads cards again.
    office.tap("no-jobs");
    office.close();
}
