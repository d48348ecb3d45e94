// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers as text for people, or as JSON, one object a line.

use platen_model::local::{
    CentreStatus, DeviceKeyFacts, Explained, ImportReport, JobEntry, PhoneCodeShown, Status,
    TapResult, VerifyReport,
};
use serde::Serialize;

/// One JSON object on a line of its own.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(line) => println!("{}", escaped(&line)),
        Err(error) => eprintln!("platenctl: answer can't be written as JSON: {error}"),
    }
}

/// Text from elsewhere as it may stand in a terminal: a job's name is whatever somebody printed under,
/// and control characters, which could move the cursor or change what was written before, are left out,
/// as are those that turn the direction of writing.
pub(crate) fn printable(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let shown = |c: &char| !c.is_control() && !turns(*c);
    text.chars().filter(shown).collect()
}

/// JSON leaves DEL and the upper control characters as they are; they stand in texts only.
fn escaped(json: &str) -> String {
    use std::fmt::Write as _;
    json.chars().fold(String::new(), |mut text, c| {
        if c.is_control() {
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
        text
    })
}

/// A line for people.
macro_rules! line {
    ($($part:tt)*) => { println!("{}", $crate::show::printable(&format!($($part)*))) };
}
pub(crate) use line;

/// A line about what is not right.
macro_rules! complain {
    ($($part:tt)*) => { eprintln!("{}", $crate::show::printable(&format!($($part)*))) };
}
pub(crate) use complain;

pub(crate) fn status(status: &Status) {
    line!(
        "platend {} · {} · {}",
        status.version,
        status.modes.join(", "),
        status.queue_uri
    );
    line!("panel: {} ({})", status.panel_text, status.panel);
    line!(
        "{} held jobs · {} users · {} credentials · journal at {}",
        status.held_jobs,
        status.users,
        status.cards,
        status.ledger_sequence
    );
    if status.centre.url.is_some() || status.centre.site.is_some() {
        centre(&status.centre);
    }
    for printer in &status.printers {
        let reasons = if printer.reasons.is_empty() {
            String::new()
        } else {
            format!(" ({})", printer.reasons.join(", "))
        };
        line!(
            "printer {}: {}{reasons} · {} queued · {}",
            printer.name,
            printer.state,
            printer.queued,
            printer.uri
        );
    }
    for device in &status.devices {
        let cause = device.cause.as_ref();
        let cause = cause.map_or_else(String::new, |cause| format!(" ({cause})"));
        line!(
            "device {} ({}, {}): {}{cause}",
            device.name,
            device.part,
            device.place,
            device.state
        );
    }
}

/// `centre: offline, cache 12 min old, 3 entries to send`, and what belongs to it.
pub(crate) fn centre(centre: &CentreStatus) {
    line!("centre: {}", centre_words(centre));
    if let Some(site) = &centre.site_name {
        line!("  site {site} at {}", centre.url.as_deref().unwrap_or("-"));
    }
    for alert in &centre.alerts {
        line!("  look at this: {alert}");
    }
    if let Some(error) = &centre.last_error {
        line!("  {error}");
    }
}

fn centre_words(centre: &CentreStatus) -> String {
    let mut words = vec![match &centre.code {
        Some(code) => format!("waiting for the code {code} to be typed there"),
        None => centre.state.keyword().to_owned(),
    }];
    if centre.site.is_none() {
        return words.remove(0);
    }
    words.push(match centre.cache_age_s {
        Some(age_s) => format!("cache {} old", span(age_s)),
        None => "no cache yet".to_owned(),
    });
    words.push(match centre.backlog {
        0 => "nothing to send".to_owned(),
        1 => "1 entry to send".to_owned(),
        entries => format!("{entries} entries to send"),
    });
    if centre.revision < centre.latest {
        let behind = centre.latest - centre.revision;
        words.push(format!("{behind} changes to fetch"));
    }
    if let Some(skew_ms) = centre.clock_skew_ms.filter(|ms| ms.abs() >= 60_000) {
        let seconds = skew_ms.unsigned_abs() / 1000;
        let way = if skew_ms > 0 { "behind" } else { "ahead of" };
        words.push(format!(
            "this clock is {} {way} the centre's",
            span(seconds)
        ));
    }
    words.join(", ")
}

/// A time in the largest unit that it has two of.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

pub(crate) fn jobs(jobs: &[JobEntry]) {
    if jobs.is_empty() {
        line!("No jobs. Print to the box's queue and they wait here for their owner's badge.");
        return;
    }
    line!(
        "{:>6}  {:<18} {:<14} {:>5} {:>10}  name",
        "job",
        "state",
        "owner",
        "pages",
        "bytes"
    );
    for job in jobs {
        let pages = job.count.as_ref().and_then(|count| count.pages);
        line!(
            "{:>6}  {:<18} {:<14} {:>5} {:>10}  {}",
            job.number.0,
            word(&job.state),
            printable(&job.owner),
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

/// A decision, one question a line.
pub(crate) fn explained(explained: &Explained) {
    let user = explained.user.as_deref().unwrap_or("somebody unknown");
    line!("job {} for {user} at {}", explained.job, explained.printer);
    for verdict in &explained.verdicts {
        line!(
            "{:<9} {:<8} {}",
            verdict.check,
            verdict.answer,
            verdict.sentence
        );
    }
    for text in &explained.says {
        line!("the person is told: {text}");
    }
}

pub(crate) fn tap(result: &TapResult) {
    line!("{} ({})", result.text, result.signal);
    for number in &result.released {
        line!("released job {number}");
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
    line!(
        "{} users added, {} changed, {} cards bound",
        report.users_added,
        report.users_changed,
        report.cards_bound
    );
    for (line, reason) in &report.errors {
        complain!("line {line}: {reason}");
    }
}

pub(crate) fn keys(facts: &DeviceKeyFacts) {
    let none = || "none".to_owned();
    line!(
        "DESFire cards: {}",
        facts.desfire.clone().unwrap_or_else(none)
    );
    line!(
        "NTAG 424 cards: {}",
        facts.ntag424.clone().unwrap_or_else(none)
    );
    if facts.osdp.is_empty() {
        line!("OSDP readers: none");
    } else {
        line!("OSDP readers: {}", facts.osdp.join(", "));
    }
    for name in &facts.without_reader {
        complain!("the board has no OSDP reader '{name}'");
    }
}

pub(crate) fn verify(report: &VerifyReport) {
    line!(
        "{} journal entries, {} sealed documents read, head {}",
        report.entries,
        report.bodies,
        report.head
    );
    for fault in &report.faults {
        complain!("fault: {fault}");
    }
    if report.faults.is_empty() {
        line!("all is well");
    }
}

#[cfg(test)]
mod tests {
    use platen_model::local::CentreState;

    use super::*;

    #[test]
    fn what_somebody_called_a_job_moves_no_cursor() {
        let name = "a\u{1b}[2Jb\u{9b}31mc\u{7f}\r\n\u{202e}d 报告";
        assert_eq!(printable(name), "a[2Jb31mcd 报告");
        let json = escaped(&serde_json::to_string(name).unwrap());
        assert!(!json.chars().any(char::is_control), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), name);
    }

    #[test]
    fn the_centre_stands_in_one_line() {
        let mut centre = CentreStatus {
            url: Some("https://a:8445".to_owned()),
            state: CentreState::WaitingForCode,
            code: Some("BCDF-GHJK".to_owned()),
            ..CentreStatus::default()
        };
        let words = centre_words(&centre);
        assert_eq!(words, "waiting for the code BCDF-GHJK to be typed there");
        (centre.code, centre.state) = (None, CentreState::Offline);
        centre.site = serde_json::from_str("\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"").ok();
        (centre.cache_age_s, centre.backlog) = (Some(12 * 60 + 5), 3);
        let words = centre_words(&centre);
        assert_eq!(words, "offline, cache 12 min old, 3 entries to send");
        (centre.backlog, centre.latest) = (0, 7);
        centre.clock_skew_ms = Some(-7_200_000);
        let words = centre_words(&centre);
        assert!(words.ends_with(
            "nothing to send, 7 changes to fetch, this clock is 2 h ahead of the centre's"
        ));
    }
}
