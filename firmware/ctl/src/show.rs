// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers as text for people, or as JSON, one object a line.

use platen_model::local::{
    DeviceKeyFacts, ImportReport, JobEntry, PhoneCodeShown, Status, TapResult, VerifyReport,
};
use serde::Serialize;

/// One JSON object on a line of its own.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(line) => println!("{line}"),
        Err(error) => eprintln!("platenctl: answer can't be written as JSON: {error}"),
    }
}

pub(crate) fn status(status: &Status) {
    println!(
        "platend {} · {} · {}",
        status.version,
        status.modes.join(", "),
        status.queue_uri
    );
    println!("panel: {} ({})", status.panel_text, status.panel);
    println!(
        "{} held jobs · {} users · {} cards · journal at {}",
        status.held_jobs, status.users, status.cards, status.ledger_sequence
    );
    for printer in &status.printers {
        let reasons = if printer.reasons.is_empty() {
            String::new()
        } else {
            format!(" ({})", printer.reasons.join(", "))
        };
        println!(
            "printer {}: {}{reasons} · {} queued · {}",
            printer.name, printer.state, printer.queued, printer.uri
        );
    }
    for device in &status.devices {
        let cause = device.cause.as_ref();
        let cause = cause.map_or_else(String::new, |cause| format!(" ({cause})"));
        println!(
            "device {} ({}, {}): {}{cause}",
            device.name, device.part, device.place, device.state
        );
    }
}

pub(crate) fn jobs(jobs: &[JobEntry]) {
    if jobs.is_empty() {
        println!("No jobs. Print to the box's queue and they wait here for their owner's badge.");
        return;
    }
    println!(
        "{:>6}  {:<18} {:<14} {:>5} {:>10}  name",
        "job", "state", "owner", "pages", "bytes"
    );
    for job in jobs {
        let pages = job.count.as_ref().and_then(|count| count.pages);
        println!(
            "{:>6}  {:<18} {:<14} {:>5} {:>10}  {}",
            job.number.0,
            word(&job.state),
            job.owner,
            pages.map_or_else(|| "?".to_owned(), |pages| pages.to_string()),
            job.octets,
            job.name
        );
    }
}

/// The kebab-case word that the type has in JSON.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

pub(crate) fn tap(result: &TapResult) {
    println!("{} ({})", result.text, result.signal);
    for number in &result.released {
        println!("released job {number}");
    }
}

/// Two rows of the code in a line of half blocks, dark on light whatever the terminal's colours are.
pub(crate) fn phone(code: &PhoneCodeShown) {
    const QUIET: usize = 2;
    let dark = |x: usize, y: usize| {
        let row = y.checked_sub(QUIET).and_then(|y| code.rows.get(y));
        let module = x.checked_sub(QUIET).and_then(|x| row?.as_bytes().get(x));
        module == Some(&b'#')
    };
    let side = code.rows.len() + 2 * QUIET;
    for y in (0..side).step_by(2) {
        let line: String = (0..side)
            .map(|x| match (dark(x, y), dark(x, y + 1)) {
                (false, false) => ' ',
                (true, false) => '▀',
                (false, true) => '▄',
                (true, true) => '█',
            })
            .collect();
        println!("\x1b[30;107m{line}\x1b[0m");
    }
    println!("{}", code.url);
    println!("good for {} s and one login", code.left_s);
}

pub(crate) fn import(report: &ImportReport) {
    println!(
        "{} users added, {} changed, {} cards bound",
        report.users_added, report.users_changed, report.cards_bound
    );
    for (line, reason) in &report.errors {
        eprintln!("line {line}: {reason}");
    }
}

pub(crate) fn keys(facts: &DeviceKeyFacts) {
    let none = || "none".to_owned();
    println!(
        "DESFire cards: {}",
        facts.desfire.clone().unwrap_or_else(none)
    );
    println!(
        "NTAG 424 cards: {}",
        facts.ntag424.clone().unwrap_or_else(none)
    );
    if facts.osdp.is_empty() {
        println!("OSDP readers: none");
    } else {
        println!("OSDP readers: {}", facts.osdp.join(", "));
    }
    for name in &facts.without_reader {
        eprintln!("the board has no OSDP reader '{name}'");
    }
}

pub(crate) fn verify(report: &VerifyReport) {
    println!(
        "{} journal entries, {} sealed documents read, head {}",
        report.entries, report.bodies, report.head
    );
    for fault in &report.faults {
        eprintln!("fault: {fault}");
    }
    if report.faults.is_empty() {
        println!("all is well");
    }
}
