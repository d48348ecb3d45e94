// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the box does when something is wrong: cards, printers, users. Each has its own signal.

use platen_bed::documents::{self, Paper};

use crate::box_under_test::{Office, SOON, tap};

fn office_with_a_job() -> Office {
    let office = Office::open_with(|config| config.further = "stall_s = 2\n".to_owned());
    let file = office.file("job.pdf", &documents::heavy_pdf(3, 6 << 20));
    office.print(&file);
    office
}

fn panel(office: &Office) -> String {
    office.ctl(&["status"])[0]["panel"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn an_unknown_card_and_a_card_without_jobs_have_their_own_signals() {
    let office = Office::open();
    assert_eq!(tap(&office.daemon, "DEADBEEF"), "unknown-card");
    assert_eq!(panel(&office), "unknown-card");
    assert_eq!(office.tap(), "no-jobs");
    assert_eq!(
        tap(&office.daemon, "08010203"),
        "refused",
        "a random number is nobody's card"
    );
}

#[test]
fn a_switched_off_user_is_refused_and_a_moved_card_opens_for_its_new_owner() {
    let office = Office::open();
    let csv = "user,card,active\nleaver,04AA00BB,no\n";
    let file = office.file("leaver.csv", csv.as_bytes());
    office
        .daemon
        .ctl(&["users", "import", &file.to_string_lossy()])
        .unwrap();
    assert_eq!(tap(&office.daemon, "04AA00BB"), "refused");
}

#[test]
fn a_printer_in_error_refuses_before_the_job_is_touched() {
    let office = office_with_a_job();
    office.printer.command("paper-out").unwrap();
    assert_eq!(office.tap(), "printer-error");
    assert_eq!(office.ctl(&["jobs"])[0]["state"], "pending-held");
    let status = &office.ctl(&["status"])[0];
    assert!(
        status["panel_text"].as_str().unwrap().contains("paper"),
        "{status}"
    );

    office.printer.command("clear").unwrap();
    assert_eq!(office.tap(), "accepted");
    office.printer.wait_for_job(1, SOON).unwrap();
}

#[test]
fn an_unplugged_printer_is_off_line_and_the_job_waits() {
    let office = office_with_a_job();
    office.printer.command("unplug").unwrap();
    assert_eq!(office.tap(), "printer-error");
    assert_eq!(office.ctl(&["jobs"])[0]["state"], "pending-held");
    office.printer.command("clear").unwrap();
    assert_eq!(office.tap(), "accepted");
    office.printer.wait_for_job(1, SOON).unwrap();
}

#[test]
fn a_printer_that_jams_half_way_leaves_the_job_to_its_owner_s_word() {
    let office = office_with_a_job();
    office.printer.command("jam 100000").unwrap();
    assert_eq!(office.tap(), "accepted");
    let jobs = office.wait_for_jobs("the stop", |jobs| jobs[0]["state"] == "processing-stopped");
    assert_eq!(jobs[0]["reason"], "printer-stopped");

    office.printer.command("clear").unwrap();
    assert_eq!(office.tap(), "interrupted", "the owner is asked first");
    assert_eq!(office.tap(), "accepted", "the second tap is the answer");
    office.wait_for_jobs("the job's end", |jobs| jobs[0]["state"] == "completed");
    let octets = jobs[0]["octets"].as_u64().unwrap();
    let records = office.printer.jobs().unwrap();
    let whole = records
        .iter()
        .filter(|record| record.octets == octets)
        .count();
    assert_eq!(
        (whole, records.len()),
        (1, 2),
        "it came out whole once: {records:?}"
    );
}

#[test]
fn a_broken_pdf_is_held_and_released_and_its_count_says_that_it_is_not_known() {
    let office = Office::open();
    let mut broken = documents::pdf(3, Paper::A4);
    broken.truncate(200);
    broken.extend(std::iter::repeat_n(b'x', 5000));
    let file = office.file("broken.pdf", &broken);
    office.print(&file);
    let jobs = office.wait_for_jobs("a count", |jobs| !jobs[0]["count"].is_null());
    let count = &jobs[0]["count"];
    assert_ne!(count["certainty"], "exact", "{count}");
    assert!(count["note"].is_string(), "{count}");
    assert_eq!(office.tap(), "accepted");
    let printed = office.printer.wait_for_job(1, SOON).unwrap();
    assert!(office.printer.wire_bytes(&printed).unwrap() == broken);
}

#[test]
fn a_deleted_job_never_prints() {
    let office = office_with_a_job();
    office.daemon.ctl(&["cancel", "1"]).unwrap();
    assert_eq!(office.tap(), "no-jobs");
    assert_eq!(office.ctl(&["jobs", "--all"])[0]["state"], "canceled");
}

#[test]
fn broken_rows_of_a_user_list_are_named_and_good_ones_taken() {
    let office = Office::open();
    let csv =
        "user,name,card\n李雷,Li Lei,04112233\nbad,Bad,not-a-card\nanna,\"Anna, B.\",04556677\n";
    let file = office.file("users.csv", csv.as_bytes());
    let refused = office
        .daemon
        .ctl(&["users", "import", &file.to_string_lossy()])
        .unwrap_err();
    assert!(refused.to_string().contains("line 3"), "{refused}");
    let status = &office.ctl(&["status"])[0];
    assert_eq!(status["users"], 3, "{status}");
    assert_eq!(tap(&office.daemon, "04556677"), "no-jobs");
}
