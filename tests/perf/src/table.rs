// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The figures of a bench as text for people: medians over the repeats, ratios to cupsd, and what
//! the servers promised for them.

use std::fmt::Write as _;

use crate::bench::{By, CELLS, Cell, Results};
use crate::document::{self, LARGE, SMALL};
use crate::measure::{IngestReport, mebibytes};
use crate::reader::ReaderRun;
use crate::release::ReleaseReport;
use crate::servers::Kind;
use crate::statistics::median;
use crate::verdict::{median_of, releases_of, runs_of, verdicts};

const PROMISES: &str = "\
What an answer is worth: platend answers when document and ticket are sealed (encrypted) and synced
to the disk. cupsd has no such mode. As it comes it answers when the kernel has the document, in
clear; \"cupsd, synced\" (SyncOnClose Yes, DirtyCleanInterval 0) also syncs the job's control file,
just after the answer, but never the document: after a power cut the job may be gone or empty.";

/// All tables, notes and verdicts.
#[must_use]
pub fn render(results: &Results) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{PROMISES}\n");
    ingest(&mut text, results);
    release(&mut text, results);
    held(&mut text, results);
    text.push_str(&readers(&results.readers));
    if let Some(centre) = &results.centre {
        let _ = writeln!(text, "{centre}");
    }
    for (title, lines) in [
        ("Left out", &results.left_out),
        ("FAILED", &results.failures),
    ] {
        for line in lines {
            let _ = writeln!(text, "{title}: {line}");
        }
    }
    let _ = writeln!(text, "\nTargets");
    for verdict in verdicts(results) {
        let _ = writeln!(text, "  {verdict}");
    }
    text
}

/// One column: its head, its width, and its figure.
type Column = (&'static str, usize, fn(&IngestReport) -> Option<f64>);

const COLUMNS: [Column; 7] = [
    ("jobs/s", 8, |report| Some(report.jobs_per_second)),
    ("MB/s", 7, |report| Some(report.megabytes_per_second)),
    ("p50 ms", 9, |report| Some(report.latency.p50_ms)),
    ("p95 ms", 9, |report| Some(report.latency.p95_ms)),
    ("p99 ms", 9, |report| Some(report.latency.p99_ms)),
    ("CPU ms", 8, |report| report.server_cpu_ms_per_job),
    ("MiB", 7, |report| {
        report.memory.map(|memory| mebibytes(memory.peak))
    }),
];

fn ingest(text: &mut String, results: &Results) {
    let _ = write!(text, "{:<6} {:>7}  {:<13}", "doc", "clients", "server");
    for (head, width, _) in COLUMNS {
        let _ = write!(text, "{head:>width$}");
    }
    let _ = writeln!(
        text,
        "{:>9}{:>9}  {:<20}",
        "refused", "ratio", "jobs/s of each run"
    );
    for cell in &CELLS {
        for server in Kind::ALL {
            row(text, results, cell, server);
        }
    }
    text.push_str(
        "jobs/s … MiB: medians over the runs; CPU: server per job; MiB: most resident memory; \
         ratio: platend's\njobs per second to this server's. A new connection for each job.\n\n",
    );
}

fn row(text: &mut String, results: &Results, cell: &Cell, server: Kind) {
    let (document, clients) = (cell.document, cell.clients);
    let runs = || runs_of(results, server, document, clients).map(|run| &run.report);
    let _ = write!(
        text,
        "{:<6} {clients:>7}  {:<13}",
        document.name,
        server.name()
    );
    for (_, width, figure) in COLUMNS {
        let value = median_of(results, server, document, clients, figure);
        let _ = write!(text, "{}", number(value, width));
    }
    let rate = |server| {
        let figure = |report: &IngestReport| Some(report.jobs_per_second);
        median_of(results, server, document, clients, figure)
    };
    let ours = rate(Kind::Platen).filter(|_| server != Kind::Platen);
    let ratio = ours
        .zip(rate(server))
        .map(|(ours, theirs)| ours / theirs.max(1e-9));
    let refused: usize = runs().map(IngestReport::not_accepted).sum();
    let each: Vec<String> = runs()
        .map(|run| format!("{:.0}", run.jobs_per_second))
        .collect();
    let _ = writeln!(text, "{refused:>9}{}  {}", number(ratio, 9), each.join(" "));
}

/// One column of a release: its head and its figure.
type ReleaseColumn = (&'static str, fn(&ReleaseReport) -> f64);

const RELEASE_COLUMNS: [ReleaseColumn; 9] = [
    ("answer p50", |report| report.answer.p50_ms),
    ("p95", |report| report.answer.p95_ms),
    ("after p50", |report| report.after_answer.p50_ms),
    ("p95", |report| report.after_answer.p95_ms),
    ("first p50", |report| report.first_byte.p50_ms),
    ("p95", |report| report.first_byte.p95_ms),
    ("p99", |report| report.first_byte.p99_ms),
    ("max", |report| report.first_byte.max_ms),
    ("last p50", |report| report.last_byte.p50_ms),
];

const RELEASE_ROWS: [(By, Kind); 3] = [
    (By::ReleaseJob, Kind::Platen),
    (By::ReleaseJob, Kind::Cups),
    (By::Tap, Kind::Platen),
];

fn release(text: &mut String, results: &Results) {
    let _ = write!(text, "{:<6} {:<12} {:<8}", "doc", "asked by", "server");
    for (head, _) in RELEASE_COLUMNS {
        let _ = write!(text, "{head:>11}");
    }
    let _ = writeln!(text, "{:>6}{:>8}  first p95 of each run", "jobs", "missed");
    for document in [SMALL, LARGE] {
        for (by, server) in RELEASE_ROWS {
            release_row(text, results, document, by, server);
        }
    }
    text.push_str(
        "ms from asking for a held job to the answer, and to the document's first and last byte at \
         the printer;\nafter: from the answer to the first byte, 0 where the byte was faster; \
         medians over the runs, one job at a time.\nRelease-Job: the same operation on both sides, \
         at platend on its push queue. tap: to first byte, incl. reader\npolling every 80 ms; \
         answer: card to decision; after: decision to first byte.\n\n",
    );
}

fn release_row(
    text: &mut String,
    results: &Results,
    document: document::Kind,
    by: By,
    server: Kind,
) {
    let runs = || releases_of(results, server, by, document).map(|run| &run.report);
    let asked = match by {
        By::ReleaseJob => "Release-Job",
        By::Tap => "tap",
    };
    let _ = write!(
        text,
        "{:<6} {asked:<12} {:<8}",
        document.name,
        server.name()
    );
    for (_, figure) in RELEASE_COLUMNS {
        let value = median(&runs().map(figure).collect::<Vec<_>>());
        let _ = write!(text, "{}", number(value, 11));
    }
    let jobs: usize = runs().map(|report| report.first_byte.count).sum();
    let missed: usize = runs().map(|report| report.missed).sum();
    let each = runs().map(|report| format!("{:.1}", report.first_byte.p95_ms));
    let each = each.collect::<Vec<_>>().join(" ");
    let _ = writeln!(text, "{jobs:>6}{missed:>8}  {each}");
}

fn held(text: &mut String, results: &Results) {
    let _ = writeln!(
        text,
        "{:>9}{:>9}{:>9}{:>9}",
        "held", "jobs/s", "CPU ms", "MiB"
    );
    for run in &results.held {
        let report = &run.report;
        let memory = report.memory.map(|memory| mebibytes(memory.resident));
        let _ = write!(text, "{:>9}{:>9.1}", run.held, report.jobs_per_second);
        let cpu = number(report.server_cpu_ms_per_job, 9);
        let _ = writeln!(text, "{cpu}{}", number(memory, 9));
    }
    text.push_str("platend: 20 KB jobs from 8 clients on top of so many held ones.\n\n");
}

/// The table of card readers; empty when none was measured.
#[must_use]
pub fn readers(runs: &[ReaderRun]) -> String {
    if runs.is_empty() {
        return String::new();
    }
    let mut text = format!("{}\n", ReaderRun::head());
    for run in runs {
        let _ = writeln!(text, "{}", run.line());
    }
    text + ReaderRun::NOTE
}

fn number(value: Option<f64>, width: usize) -> String {
    value.map_or_else(
        || format!("{:>width$}", "–"),
        |value| format!("{value:>width$.2}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::IngestRun;

    #[test]
    fn what_was_not_measured_is_a_dash_not_a_zero() {
        let mut results = Results::default();
        for (server, rate) in [(Kind::Platen, 600.0), (Kind::Cups, 300.0)] {
            let report = IngestReport {
                clients: 50,
                jobs_per_second: rate,
                ..Default::default()
            };
            results.ingest.push(IngestRun {
                server,
                document: SMALL.name,
                report,
            });
        }
        let text = render(&results);
        let row = |name: &str| {
            let found = text
                .lines()
                .find(|l| l.starts_with("20 KB       50") && l.contains(name));
            found
                .expect("a row")
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert!(row("cupsd  ").contains(&"2.00".to_owned()), "{text}");
        assert!(row("cupsd, synced").contains(&"–".to_owned()), "{text}");
        assert!(text.contains("cupsd has no such mode"));
    }

    #[test]
    fn failures_are_shown_beside_the_figures() {
        let failures = vec!["platend, 20 KB: not built".to_owned()];
        let text = render(&Results {
            failures,
            ..Results::default()
        });
        assert!(text.contains("FAILED: platend, 20 KB: not built"));
    }
}
