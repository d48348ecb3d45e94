// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The targets and whether the figures meet them. A verdict is printed and asserted nowhere: a
//! machine may be slow, busy or without the peer.

use std::fmt;

use serde::Serialize;

use crate::bench::{By, HELD, HeldRun, IngestRun, ReleaseRun, Results};
use crate::document::{self, LARGE, SMALL};
use crate::measure::{IngestReport, mebibytes};
use crate::servers::Kind;
use crate::statistics::median;

const RESIDENT_LIMIT: u64 = 32 << 20; // at 50 clients × 10 MB
const FIRST_BYTE_LIMIT_MS: f64 = 10.0; // p95; the standard's first reaction is 8 s
/// A cost per job that has grown by less than this from 0 to 50,000 held jobs is called flat.
const FLAT_WITHIN: f64 = 1.25;
const IDLE_READER_LIMIT: f64 = 1.0; // of 100 of one core

/// One target.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// What is asked.
    pub target: &'static str,
    /// Whether it is met; none when it wasn't measured.
    pub met: Option<bool>,
    /// The figures it was judged by.
    pub figures: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "not measured",
        };
        write!(f, "{word:<12}  {}: {}", self.target, self.figures)
    }
}

/// Judges all targets.
#[must_use]
pub fn verdicts(results: &Results) -> Vec<Verdict> {
    vec![
        no_refusal(results),
        faster(results),
        small(results),
        prompt(
            results,
            SMALL,
            "release to first byte, 20 KB: p95 at most 10 ms",
        ),
        prompt(
            results,
            LARGE,
            "release to first byte, 10 MB: p95 at most 10 ms",
        ),
        flat(&results.held),
        calm(results),
    ]
}

/// Median over the repeats of one cell; none when it wasn't measured.
#[must_use]
pub fn median_of(
    results: &Results,
    server: Kind,
    document: document::Kind,
    clients: usize,
    figure: impl Fn(&IngestReport) -> Option<f64>,
) -> Option<f64> {
    let runs = runs_of(results, server, document, clients);
    median(
        &runs
            .filter_map(|run| figure(&run.report))
            .collect::<Vec<_>>(),
    )
}

/// The repeats of one cell.
pub fn runs_of(
    results: &Results,
    server: Kind,
    document: document::Kind,
    clients: usize,
) -> impl Iterator<Item = &IngestRun> {
    results.ingest.iter().filter(move |run| {
        run.server == server && run.document == document.name && run.report.clients == clients
    })
}

/// The repeats of one row of release.
pub fn releases_of(
    results: &Results,
    server: Kind,
    by: By,
    document: document::Kind,
) -> impl Iterator<Item = &ReleaseRun> {
    results
        .release
        .iter()
        .filter(move |run| run.server == server && run.by == by && run.document == document.name)
}

fn verdict(target: &'static str, judged: Option<(bool, String)>) -> Verdict {
    let (met, figures) = judged.unzip();
    Verdict {
        target,
        met,
        figures: figures.unwrap_or_else(|| "no figures".to_owned()),
    }
}

fn no_refusal(results: &Results) -> Verdict {
    let runs = || {
        [SMALL, LARGE]
            .into_iter()
            .flat_map(|d| runs_of(results, Kind::Platen, d, 200))
    };
    let refused: usize = runs().map(|run| run.report.not_accepted()).sum();
    let accepted: usize = runs().map(|run| run.report.accepted).sum();
    let figures = format!("{refused} of {} jobs not accepted", accepted + refused);
    let measured = accepted + refused > 0;
    verdict(
        "no refusal at 200 clients",
        measured.then_some((refused == 0, figures)),
    )
}

fn faster(results: &Results) -> Verdict {
    let rate = |server| {
        median_of(results, server, SMALL, 50, |report| {
            Some(report.jobs_per_second)
        })
    };
    let judged = rate(Kind::Platen)
        .zip(rate(Kind::Cups))
        .map(|(ours, theirs)| {
            let ratio = ours / theirs.max(1e-9);
            (
                ours >= theirs,
                format!("{ours:.0} against {theirs:.0}, ratio {ratio:.2}"),
            )
        });
    verdict(
        "jobs per second at 50 clients, 20 KB: at least cupsd's",
        judged,
    )
}

fn small(results: &Results) -> Verdict {
    let runs = runs_of(results, Kind::Platen, LARGE, 50);
    let most = runs
        .filter_map(|run| run.report.memory)
        .map(|memory| memory.peak)
        .max();
    let judged = most.map(|most| {
        (
            most <= RESIDENT_LIMIT,
            format!("{:.1} MiB", mebibytes(most)),
        )
    });
    verdict(
        "resident memory at 50 clients, 10 MB: at most 32 MiB",
        judged,
    )
}

/// Judged where both sides do the same: Release-Job.
fn prompt(results: &Results, document: document::Kind, target: &'static str) -> Verdict {
    let first_byte = |server| {
        let runs = || releases_of(results, server, By::ReleaseJob, document);
        let missed: usize = runs().map(|run| run.report.missed).sum();
        let p95s = runs().filter(|run| run.report.first_byte.count > 0);
        let p95s: Vec<f64> = p95s.map(|run| run.report.first_byte.p95_ms).collect();
        median(&p95s).map(|p95| (p95, missed))
    };
    let judged = first_byte(Kind::Platen).map(|(p95, missed)| {
        let theirs = first_byte(Kind::Cups).map_or_else(
            || "cupsd not measured".to_owned(),
            |(p95, _)| format!("cupsd {p95:.1} ms"),
        );
        let met = missed == 0 && p95 <= FIRST_BYTE_LIMIT_MS;
        (met, format!("{p95:.1} ms, {missed} missed, {theirs}"))
    });
    verdict(target, judged)
}

fn flat(held: &[HeldRun]) -> Verdict {
    let cost = |wanted: usize| {
        let runs = || {
            held.iter()
                .filter(move |run| run.wanted == wanted && run.held >= wanted)
        };
        let costs: Vec<f64> = runs()
            .filter_map(|run| run.report.server_cpu_ms_per_job)
            .collect();
        median(&costs)
    };
    let [none, .., many] = HELD;
    let judged = cost(none).zip(cost(many)).map(|(before, after)| {
        let figures = format!("{before:.2} ms at {none} held, {after:.2} ms at {many} held");
        (after <= before * FLAT_WITHIN, figures)
    });
    verdict(
        "processor time per job flat from 0 to 50,000 held jobs",
        judged,
    )
}

fn calm(results: &Results) -> Verdict {
    let most = results.readers.iter().map(|run| run.idle_percent);
    let judged = most.reduce(f64::max).map(|most| {
        let missed: usize = results.readers.iter().map(|run| run.missed).sum();
        let met = most <= IDLE_READER_LIMIT && missed == 0;
        (met, format!("at most {most:.2} %, {missed} taps missed"))
    });
    verdict("idle card reader: at most 1 % of a core", judged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Memory;
    use crate::release::ReleaseReport;
    use crate::statistics::Spread;

    fn run(server: Kind, document: document::Kind, clients: usize, rate: f64) -> IngestRun {
        let report = IngestReport {
            clients,
            accepted: 10,
            jobs_per_second: rate,
            memory: Some(Memory {
                resident: 1,
                peak: RESIDENT_LIMIT,
            }),
            ..IngestReport::default()
        };
        IngestRun {
            server,
            document: document.name,
            report,
        }
    }

    fn held(held: usize, wanted: usize, cpu: f64) -> HeldRun {
        let report = IngestReport {
            server_cpu_ms_per_job: Some(cpu),
            ..IngestReport::default()
        };
        HeldRun {
            wanted,
            held,
            report,
        }
    }

    fn release(by: By, p95_ms: f64, missed: usize) -> ReleaseRun {
        let first_byte = Spread {
            count: 1,
            p95_ms,
            ..Spread::default()
        };
        ReleaseRun {
            server: Kind::Platen,
            by,
            document: LARGE.name,
            report: ReleaseReport {
                document_octets: 1,
                missed,
                answer: first_byte,
                after_answer: first_byte,
                first_byte,
                last_byte: first_byte,
            },
        }
    }

    #[test]
    fn taps_are_not_judged_and_a_job_that_never_came_misses_the_target() {
        let mut results = Results::default();
        results.release.push(release(By::Tap, 90.0, 0));
        assert_eq!(prompt(&results, LARGE, "").met, None);
        let runs = [(2.0, 0), (50.0, 0), (3.0, 0)];
        let runs = runs.map(|(p95, missed)| release(By::ReleaseJob, p95, missed));
        results.release.extend(runs);
        assert_eq!(prompt(&results, LARGE, "").met, Some(true));
        results.release.push(release(By::ReleaseJob, 1.0, 1));
        assert_eq!(prompt(&results, LARGE, "").met, Some(false));
    }

    #[test]
    fn nothing_measured_is_neither_met_nor_missed() {
        for verdict in verdicts(&Results::default()) {
            assert_eq!(verdict.met, None, "{verdict}");
        }
    }

    #[test]
    fn medians_are_compared_not_the_best() {
        let mut results = Results::default();
        let rates = [
            (Kind::Platen, [1.0, 2.0, 900.0]),
            (Kind::Cups, [3.0, 3.0, 3.0]),
        ];
        for (server, rates) in rates {
            results
                .ingest
                .extend(rates.map(|rate| run(server, SMALL, 50, rate)));
        }
        assert_eq!(faster(&results).met, Some(false));
    }

    #[test]
    fn limits_themselves_are_met() {
        let mut results = Results::default();
        results.ingest.push(run(Kind::Platen, LARGE, 50, 1.0));
        results.ingest.push(run(Kind::Platen, LARGE, 200, 1.0));
        let at_limit = release(By::ReleaseJob, FIRST_BYTE_LIMIT_MS, 0);
        results.release.push(at_limit);
        assert_eq!(small(&results).met, Some(true));
        assert_eq!(no_refusal(&results).met, Some(true));
        assert_eq!(prompt(&results, LARGE, "").met, Some(true));
        assert_eq!(prompt(&results, SMALL, "").met, None);
    }

    #[test]
    fn a_cost_that_grows_or_was_not_reached_is_not_flat() {
        assert_eq!(
            flat(&[held(0, 0, 1.0), held(50_000, 50_000, 1.2)]).met,
            Some(true)
        );
        assert_eq!(
            flat(&[held(0, 0, 1.0), held(50_000, 50_000, 2.0)]).met,
            Some(false)
        );
        assert_eq!(flat(&[held(0, 0, 1.0), held(9_000, 50_000, 1.0)]).met, None);
    }
}
