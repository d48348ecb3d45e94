// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The online page count: what the printer confirmed by PJL or by its counter is what the journal
//! settles on, and what stops a job is said with its reason.

use platen_bed::documents::{self, Paper};
use serde_json::Value;

use crate::box_under_test::{Office, SOON};

/// A box whose printer has an SNMP agent, with further keys of the printer.
fn office(further: &str) -> Office {
    Office::open_with_agent(|config, agent| {
        config.pjl_status = further.contains("pjl = true");
        let snmp = format!("snmp = \"public\"\nsnmp_port = {}\n", agent.port());
        config.further = further.replace("SNMP\n", &snmp);
    })
}

/// The journal's entries of a kind, oldest first.
fn journal(office: &Office, kind: &str) -> Vec<Value> {
    let lines = office.ctl(&["journal"]);
    let entries = lines.iter().filter_map(|line| line["entry"].get(kind));
    entries.cloned().collect()
}

fn completed(office: &Office, jobs: usize) {
    office.wait_for_jobs("the jobs' end", |all| {
        all.len() == jobs && all.iter().all(|job| job["state"] == "completed")
    });
}

#[test]
fn a_pjl_printer_s_own_count_is_journaled_for_each_job() {
    let office = office("pjl = true\n");
    for (name, pages) in [("three.pdf", 3), ("one.pdf", 1)] {
        office.print(&office.file(name, &documents::pdf(pages, Paper::A4)));
    }
    assert_eq!(office.tap(), "accepted");
    completed(&office, 2);
    let settled = journal(&office, "settled");
    for (entry, sides) in settled.iter().zip([3, 1]) {
        assert_eq!(entry["impressions"], sides, "{entry}");
        assert_eq!(entry["confirmed_by"], "printer-job", "{entry}");
        assert_eq!(entry["charged"], true);
    }
    assert_eq!(settled.len(), 2);
    let faults = &office.ctl(&["verify"])[0]["faults"];
    assert_eq!(faults.as_array().map(Vec::len), Some(0), "{faults}");
    // Nobody's name is in what the printer was told.
    let wire = office
        .printer
        .wire_bytes(&office.printer.jobs().unwrap()[0]);
    let head = String::from_utf8_lossy(&wire.unwrap()[..200]).into_owned();
    assert!(head.contains("@PJL JOB NAME=\"Platen 1\""), "{head}");
}

#[test]
fn copies_and_sides_that_the_printer_makes_are_in_its_count() {
    let office = office("pjl = true\n");
    let push = office.file("copies.test", COPIES.as_bytes());
    let file = office.file("two.pdf", &documents::pdf(2, Paper::A4));
    office.ipptool(&office.daemon.uri(), &push.to_string_lossy(), &file, 1);
    assert_eq!(office.tap(), "accepted");
    completed(&office, 1);
    let settled = &journal(&office, "settled")[0];
    assert_eq!(settled["impressions"], 6, "{settled}");
    assert_eq!(settled["confirmed_by"], "printer-job", "{settled}");
    let status = office.printer.status().unwrap();
    assert_eq!(status.impressions, 6, "two pages, three copies");
}

const COPIES: &str = r#"{
    NAME "Print-Job with copies"
    OPERATION Print-Job
    GROUP operation-attributes-tag
    ATTR charset attributes-charset utf-8
    ATTR naturalLanguage attributes-natural-language en
    ATTR uri printer-uri $uri
    ATTR name requesting-user-name $user
    ATTR mimeMediaType document-format application/pdf
    GROUP job-attributes-tag
    ATTR integer copies 3
    ATTR keyword sides two-sided-long-edge
    FILE $filename
    STATUS successful-ok
}
"#;

#[test]
fn a_printer_without_pjl_is_counted_by_its_own_counter() {
    let office = office("SNMP\n");
    office.print(&office.file("three.pdf", &documents::pdf(3, Paper::A4)));
    assert_eq!(office.tap(), "accepted");
    completed(&office, 1);
    let settled = &journal(&office, "settled")[0];
    assert_eq!(settled["impressions"], 3, "{settled}");
    assert_eq!(settled["confirmed_by"], "counter", "{settled}");
}

#[test]
fn a_printer_that_confirms_nothing_leaves_the_box_s_count() {
    let office = Office::open();
    office.print(&office.file("three.pdf", &documents::pdf(3, Paper::A4)));
    assert_eq!(office.tap(), "accepted");
    completed(&office, 1);
    let settled = &journal(&office, "settled")[0];
    assert_eq!(settled["impressions"], Value::Null, "{settled}");
    assert_eq!(settled["confirmed_by"], Value::Null, "{settled}");
    assert_eq!(settled["count"]["impressions"], 3, "{settled}");
}

#[test]
fn what_only_snmp_tells_refuses_a_release_before_the_job_is_touched() {
    let office = office("SNMP\n");
    office.print(&office.file("page.pdf", &documents::pdf(1, Paper::A4)));
    office.printer.command("cover-open").unwrap();
    assert_eq!(office.tap(), "printer-error");
    let status = &office.ctl(&["status"])[0];
    assert_eq!(status["printers"][0]["reasons"][0], "cover-open-error");
    office.printer.command("clear").unwrap();
    office.printer.command("toner 4").unwrap();
    assert_eq!(office.tap(), "accepted");
    office.printer.wait_for_job(1, SOON).unwrap();
}

#[test]
fn a_jam_behind_the_last_byte_is_journaled_and_shown_as_a_jam() {
    let office = office("pjl = true\nstall_s = 2\n");
    office.print(&office.file("page.pdf", &documents::pdf(2, Paper::A4)));
    office.printer.command("jam 1000").unwrap();
    assert_eq!(office.tap(), "accepted");
    office.wait_for_jobs("the stop", |jobs| jobs[0]["state"] == "processing-stopped");
    let stopped = &journal(&office, "stopped")[0];
    assert_eq!(stopped["reasons"][0], "media-jam-error", "{stopped}");
    let status = &office.ctl(&["status"])[0];
    let text = status["panel_text"].as_str().unwrap();
    assert!(text.contains("jam"), "{status}");
}
