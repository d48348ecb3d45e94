// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The main job: print from an ordinary CUPS client, tap, paper comes out, counted and journaled.

use platen_bed::cups::{Cups, CupsOptions, QueueState};
use platen_bed::documents::{self, Paper};

use crate::box_under_test::{Office, SOON};

#[test]
fn what_a_client_prints_comes_out_after_a_tap_and_is_counted() {
    let office = Office::open();
    let cups = Cups::start(&office.folder.path().join("cups"), CupsOptions::default()).unwrap();
    cups.add_everywhere_queue("platen", &office.daemon.uri())
        .unwrap();
    let document = office.file("three-pages.pdf", &documents::pdf(3, Paper::A4));

    cups.lp("platen", &document, &[]).unwrap();
    let jobs = office.wait_for_jobs("a stored, counted job", |jobs| {
        jobs.len() == 1 && jobs[0]["count"]["pages"] == 3
    });
    assert_eq!(jobs[0]["state"], "pending-held");
    assert!(
        office.printer.jobs().unwrap().is_empty(),
        "nothing prints before the tap"
    );

    assert_eq!(office.tap(), "accepted");
    let printed = office.printer.wait_for_job(1, SOON).unwrap();
    assert_eq!(printed.pages, Some(3));
    let jobs = office.wait_for_jobs("the job's end", |jobs| jobs[0]["state"] == "completed");
    assert_eq!(jobs[0]["octets"], printed.octets);

    let verify = &office.ctl(&["verify"])[0];
    assert_eq!(
        verify["faults"].as_array().map(Vec::len),
        Some(0),
        "{verify}"
    );
}

#[test]
fn the_printer_receives_exactly_the_bytes_that_the_client_sent() {
    let office = Office::open();
    let document = documents::heavy_pdf(4, 3 << 20);
    let file = office.file("heavy.pdf", &document);
    office.print(&file);
    assert_eq!(office.tap(), "accepted");
    let printed = office.printer.wait_for_job(1, SOON).unwrap();
    assert!(
        office.printer.wire_bytes(&printed).unwrap() == document,
        "bytes differ"
    );
}

#[test]
fn every_format_that_is_advertised_passes_unchanged() {
    let office = Office::open();
    let documents = [
        ("a.pdf", documents::pdf(2, Paper::A4)),
        ("b.jpg", documents::jpeg(300, 200, true)),
        ("c.pwg", documents::pwg(2, true, 300)),
        ("d.urf", documents::urf(2, false, 300)),
    ];
    for (name, document) in &documents {
        let file = office.file(name, document);
        office.print(&file);
    }
    let jobs = office.wait_for_jobs("four counted jobs", |jobs| {
        jobs.len() == 4 && jobs.iter().all(|job| !job["count"].is_null())
    });
    let pages: Vec<_> = jobs
        .iter()
        .map(|job| job["count"]["pages"].as_u64())
        .collect();
    assert_eq!(pages, [Some(2), Some(1), Some(2), Some(2)]);
    assert_eq!(office.tap(), "accepted");
    let printed = office.printer.wait_for_jobs(4, SOON).unwrap();
    for (record, (name, document)) in printed.iter().zip(&documents) {
        assert!(
            office.printer.wire_bytes(record).unwrap() == *document,
            "{name} differs"
        );
        assert_eq!(record.render_error, None, "{name}");
    }
}

#[test]
fn an_uncollected_job_does_not_block_the_client_s_queue() {
    let office = Office::open();
    let cups = Cups::start(&office.folder.path().join("cups"), CupsOptions::default()).unwrap();
    cups.add_everywhere_queue("platen", &office.daemon.uri())
        .unwrap();
    let document = office.file("page.pdf", &documents::pdf(1, Paper::A4));
    for count in 1..=2 {
        cups.lp("platen", &document, &[]).unwrap();
        office.wait_for_jobs("the job at the box", |jobs| jobs.len() == count);
        cups.wait_idle("platen", SOON).unwrap();
    }
    assert_eq!(cups.queue_state("platen").unwrap(), QueueState::Idle);
    let jobs = office.ctl(&["jobs"]);
    assert!(
        jobs.iter().all(|job| job["state"] == "pending-held"),
        "{jobs:?}"
    );
}

#[test]
fn jobs_come_out_in_order_of_arrival_and_only_to_their_owner() {
    let office = Office::open();
    office
        .daemon
        .import_users("another,Another Person,04 FF EE DD\n")
        .unwrap();
    let sizes = [40_000_usize, 10_000, 90_000, 20_000];
    for size in sizes {
        let file = office.file("job.pdf", &documents::heavy_pdf(1, size));
        office.print(&file);
    }
    let other = crate::box_under_test::tap(&office.daemon, "04FFEEDD");
    assert_eq!(other, "no-jobs", "somebody else's card releases nothing");
    assert_eq!(office.tap(), "accepted");
    let printed = office.printer.wait_for_jobs(sizes.len(), SOON).unwrap();
    let order: Vec<_> = printed.iter().map(|job| job.octets / 10_000).collect();
    assert_eq!(order, [4, 1, 9, 2]);
}

#[test]
fn a_push_queue_prints_without_a_badge_and_holds_what_its_submitter_holds() {
    let office = Office::open_with(|config| config.further = "push = true\n".to_owned());
    let push = office.daemon.uri().replace("/print", "/push/printer");
    let file = office.file("page.pdf", &documents::pdf(1, Paper::A4));
    office.print_to(&push, &file);
    office.printer.wait_for_job(1, SOON).unwrap();
    office.wait_for_jobs("the job's end", |jobs| jobs[0]["state"] == "completed");

    office.ipptool(&push, "print-job-hold.test", &file, 2);
    office.printer.wait_for_job(2, SOON).unwrap();
}

#[test]
fn a_push_job_waits_for_a_printer_that_is_off_and_prints_when_it_is_back() {
    let office = Office::open_with(|config| config.further = "push = true\n".to_owned());
    let push = office.daemon.uri().replace("/print", "/push/printer");
    let file = office.file("page.pdf", &documents::pdf(1, Paper::A4));
    office.printer.command("unplug").unwrap();
    office.print_to(&push, &file);
    office.wait_for_jobs("the wait", |jobs| jobs[0]["reason"] == "printer-stopped");
    office.printer.command("clear").unwrap();
    office.printer.wait_for_job(1, SOON).unwrap();
}

#[test]
fn a_job_with_copies_goes_to_the_printer_with_its_copies() {
    let office = Office::open_with(|config| config.further = "pjl = true\n".to_owned());
    let cups = Cups::start(&office.folder.path().join("cups"), CupsOptions::default()).unwrap();
    cups.add_everywhere_queue("platen", &office.daemon.uri())
        .unwrap();
    let document = office.file("two-pages.pdf", &documents::pdf(2, Paper::A4));
    cups.lp(
        "platen",
        &document,
        &["copies=3", "sides=two-sided-long-edge"],
    )
    .unwrap();
    let jobs = office.wait_for_jobs("a counted job", |jobs| {
        jobs.len() == 1 && !jobs[0]["count"].is_null()
    });
    let count = &jobs[0]["count"];
    let figures = ["pages", "copies", "impressions", "media_sheets"].map(|key| count[key].as_u64());
    assert_eq!(figures, [Some(2), Some(3), Some(6), Some(3)], "{count}");
    assert_eq!(office.tap(), "accepted");
    let printed = office.printer.wait_for_job(1, SOON).unwrap();
    assert!(printed.wrapped);
    let wire = office.printer.wire_bytes(&printed).unwrap();
    let head = String::from_utf8_lossy(&wire[..wire.len().min(200)]).into_owned();
    assert!(
        head.contains("SET QTY=3") && head.contains("SET DUPLEX=ON"),
        "{head}"
    );
}
