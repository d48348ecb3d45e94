// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `platen-bench` runs, in which order, within its time. All servers are measured in one
//! run, turn by turn, so that what else the machine does hits them alike.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use platen_bed::wait::Stopwatch;
use serde::Serialize;
use tempfile::TempDir;

use crate::centre::{self, CentreRun};
use crate::document::{self, LARGE, SMALL, TINY};
use crate::ingest::Order;
use crate::measure::{self, IngestReport};
use crate::reader::{self, ReaderRun};
use crate::release::{self, Plan, ReleaseReport, Way};
use crate::request::Target;
use crate::servers::{Kind, Server, USER};
use crate::sink::Sink;

const REPEATS: usize = 3; // the smallest number with a median
const ANSWER_LIMIT: Duration = Duration::from_secs(60);
const FILL_LIMIT: Duration = Duration::from_secs(60); // for each step of `HELD`
const RELEASE_LIMIT: Duration = Duration::from_secs(20); // 20 taps with their pauses
const TAPS: usize = 20; // each waits 0.6 s for the simulated hand
/// Held jobs at which the cost of one more is measured.
pub const HELD: [usize; 3] = [0, 10_000, 50_000];

/// One row of the matrix of ingest.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// What is sent.
    pub document: document::Kind,
    /// Connections at once.
    pub clients: usize,
    jobs: usize,
    seconds: u64,
    repeats: usize,
}

/// The matrix. Jobs are enough for a stable rate; seconds bound a slow machine.
pub const CELLS: [Cell; 6] = [
    Cell {
        document: SMALL,
        clients: 1,
        jobs: 500,
        seconds: 2,
        repeats: REPEATS,
    },
    Cell {
        document: SMALL,
        clients: 50,
        jobs: 1500,
        seconds: 3,
        repeats: REPEATS,
    },
    Cell {
        document: SMALL,
        clients: 200,
        jobs: 2000,
        seconds: 3,
        repeats: REPEATS,
    },
    Cell {
        document: LARGE,
        clients: 1,
        jobs: 20,
        seconds: 2,
        repeats: REPEATS,
    },
    Cell {
        document: LARGE,
        clients: 50,
        jobs: 100,
        seconds: 4,
        repeats: REPEATS,
    },
    // 2 GB at once: the one run that takes long on any disk.
    Cell {
        document: LARGE,
        clients: 200,
        jobs: 200,
        seconds: 1,
        repeats: 1,
    },
];

/// One run of ingest.
#[derive(Clone, Debug, Serialize)]
pub struct IngestRun {
    /// Who was measured.
    pub server: Kind,
    /// What was sent.
    pub document: &'static str,
    /// What it gave.
    pub report: IngestReport,
}

/// What asks for a release.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// IPP Release-Job: the same operation at every server.
    ReleaseJob,
    /// A card in the simulated reader's field; `platend` alone.
    Tap,
}

/// One run of release.
#[derive(Clone, Debug, Serialize)]
pub struct ReleaseRun {
    /// Who was measured.
    pub server: Kind,
    /// By what it was asked.
    pub by: By,
    /// What was released.
    pub document: &'static str,
    /// What it gave.
    pub report: ReleaseReport,
}

/// Ingest of 20 KB into a box that already holds jobs.
#[derive(Clone, Debug, Serialize)]
pub struct HeldRun {
    /// Jobs that were to be held.
    pub wanted: usize,
    /// Jobs that were held: fewer when filling took too long.
    pub held: usize,
    /// What one run gave on top of them.
    pub report: IngestReport,
}

/// All figures of a bench.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Results {
    /// The matrix, in the order measured.
    pub ingest: Vec<IngestRun>,
    /// Release to first byte.
    pub release: Vec<ReleaseRun>,
    /// Cost of a job on top of held ones; `platend` alone.
    pub held: Vec<HeldRun>,
    /// Card readers, each by itself.
    pub readers: Vec<ReaderRun>,
    /// A central server and its boxes.
    pub centre: Option<CentreRun>,
    /// What was left out to keep within the time, or can't be measured on this machine.
    pub left_out: Vec<String>,
    /// What should have run and failed.
    pub failures: Vec<String>,
    /// Whether it was ended before its time.
    pub interrupted: bool,
    /// How long it all took, seconds.
    pub seconds: f64,
}

/// Runs everything once, then repeats for medians as long as `time_limit` lasts. `progress` gets
/// a line before each step and may end the run there. Each server has a folder below `work`.
///
/// # Errors
/// When the sink has no port. All other failures are in [`Results::failures`].
pub fn run(
    work: &Path,
    time_limit: Duration,
    progress: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> io::Result<Results> {
    let clock = Stopwatch::start();
    let sink = Sink::start(SocketAddr::from(([127, 0, 0, 1], 0)), clock)?;
    let mut bench = Bench {
        work,
        time_limit,
        progress,
        clock,
        sink,
        ended: Vec::new(),
        results: Results::default(),
    };
    for repeat in 0..REPEATS {
        bench.releases(repeat);
        bench.matrix(repeat);
        if repeat == 0 {
            bench.taps();
            bench.attempt("platend, held jobs", Bench::held);
            bench.attempt("card readers", Bench::readers);
            bench.attempt("central server", Bench::centre);
        }
    }
    bench.results.seconds = clock.elapsed().as_secs_f64();
    Ok(bench.results)
}

struct Bench<'a> {
    work: &'a Path,
    time_limit: Duration,
    progress: &'a mut dyn FnMut(&str) -> ControlFlow<()>,
    clock: Stopwatch,
    sink: Sink,
    /// Folders of servers that have ended; see [`Server::stop`].
    ended: Vec<TempDir>,
    results: Results,
}

type Step = Result<(), Box<dyn Error>>;

impl Bench<'_> {
    fn matrix(&mut self, repeat: usize) {
        for cell in CELLS.iter().filter(|cell| repeat < cell.repeats) {
            for kind in turns(repeat) {
                let (server, document) = (kind.name(), cell.document.name);
                let name = format!("{server}, {document}, {} clients", cell.clients);
                self.repeat(repeat, &name, |bench| bench.ingest(kind, cell));
            }
        }
    }

    /// The same operation on both sides.
    fn releases(&mut self, repeat: usize) {
        for (document, jobs) in [(SMALL, 100), (LARGE, 40)] {
            // What cupsd syncs is on the way of taking a job, not of sending one: once is enough.
            let sides = [Kind::Platen, Kind::Cups];
            for kind in turns(repeat)
                .into_iter()
                .filter(|kind| sides.contains(kind))
            {
                let name = format!("{}, release of {}", kind.name(), document.name);
                self.repeat(repeat, &name, |bench| {
                    bench.release(kind, By::ReleaseJob, document, jobs)
                });
            }
        }
    }

    fn taps(&mut self) {
        for document in [SMALL, LARGE] {
            let name = format!("{}, taps for {}", Kind::Platen.name(), document.name);
            self.attempt(&name, |bench| {
                bench.release(Kind::Platen, By::Tap, document, TAPS)
            });
        }
    }

    /// The first round runs to its end; what has no time after it is told.
    fn repeat(&mut self, repeat: usize, name: &str, step: impl FnOnce(&mut Self) -> Step) {
        if repeat > 0 && self.clock.elapsed() > self.time_limit {
            let left_out = format!("{name}: repeat {}", repeat + 1);
            self.results.left_out.push(left_out);
        } else {
            self.attempt(name, step);
        }
    }

    /// A step that fails is told and doesn't end the others.
    fn attempt(&mut self, name: &str, step: impl FnOnce(&mut Self) -> Step) {
        if self.results.interrupted || (self.progress)(name).is_break() {
            self.results.interrupted = true;
            return;
        }
        if let Err(error) = step(self) {
            let mut text = format!("{name}: {error}");
            let mut source = error.source();
            while let Some(inner) = source {
                text.push_str(&format!(": {inner}"));
                source = inner.source();
            }
            self.results.failures.push(text);
        }
    }

    fn ingest(&mut self, kind: Kind, cell: &Cell) -> Step {
        let document = document::pdf(cell.document);
        let server = Server::start(kind, self.work, self.sink.address)?;
        let report = Load::of(cell).send(&server.target, &document, server.pid)?;
        self.ended.push(server.stop()?);
        self.results.ingest.push(IngestRun {
            server: kind,
            document: cell.document.name,
            report,
        });
        Ok(())
    }

    fn release(&mut self, server: Kind, by: By, document: document::Kind, jobs: usize) -> Step {
        let running = Server::start(server, self.work, self.sink.address)?;
        let (target, way) = match (by, &running.card) {
            (By::ReleaseJob, _) => (&running.direct, &Way::ReleaseJob),
            (By::Tap, Some(card)) => (&running.target, card),
            (By::Tap, None) => return Err("no card reader".into()),
        };
        let plan = Plan {
            target,
            user: USER,
            document: &document::pdf(document),
            way,
            jobs,
            time_limit: RELEASE_LIMIT,
        };
        let report = release::run(&plan, &self.sink, self.clock)?;
        self.ended.push(running.stop()?);
        self.results.release.push(ReleaseRun {
            server,
            by,
            document: document.name,
            report,
        });
        Ok(())
    }

    fn readers(&mut self) -> Step {
        self.results.readers = reader::run()?;
        Ok(())
    }

    fn centre(&mut self) -> Step {
        self.results.centre = Some(centre::run(self.work)?);
        Ok(())
    }

    fn held(&mut self) -> Step {
        let (measured, filling) = (document::pdf(SMALL), document::pdf(TINY));
        let server = Server::start(Kind::Platen, self.work, self.sink.address)?;
        let mut held = 0;
        for wanted in HELD {
            let missing = wanted.saturating_sub(held);
            let seconds = FILL_LIMIT.as_secs();
            let fill = Load {
                jobs: missing,
                clients: 64,
                keep_alive: true,
                seconds,
            };
            held += fill.send(&server.target, &filling, server.pid)?.accepted;
            let load = Load {
                jobs: 500,
                clients: 8,
                keep_alive: false,
                seconds: 5,
            };
            for _ in 0..REPEATS {
                let report = load.send(&server.target, &measured, server.pid)?;
                let before = held;
                held += report.accepted;
                self.results.held.push(HeldRun {
                    wanted,
                    held: before,
                    report,
                });
            }
        }
        self.ended.push(server.stop()?);
        Ok(())
    }
}

/// Everyone goes first once: who follows whom must not decide.
fn turns(repeat: usize) -> [Kind; 3] {
    let mut turns = Kind::ALL;
    turns.rotate_left(repeat % Kind::ALL.len());
    turns
}

struct Load {
    jobs: usize,
    clients: usize,
    keep_alive: bool,
    seconds: u64,
}

impl Load {
    fn of(cell: &Cell) -> Self {
        let &Cell {
            jobs,
            clients,
            seconds,
            ..
        } = cell;
        Self {
            jobs,
            clients,
            keep_alive: false,
            seconds,
        }
    }

    fn send(
        &self,
        target: &Target,
        document: &[u8],
        pid: u32,
    ) -> Result<IngestReport, Box<dyn Error>> {
        let request = target.print_job(USER, "application/pdf", document)?;
        let order = Order {
            address: target.address,
            request: &request,
            jobs: self.jobs,
            clients: self.clients,
            keep_alive: self.keep_alive,
            time_limit: Duration::from_secs(self.seconds),
            answer_limit: ANSWER_LIMIT,
        };
        Ok(measure::ingest(order, document.len(), Some(pid))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_goes_first_once() {
        let firsts: Vec<Kind> = (0..REPEATS).map(|repeat| turns(repeat)[0]).collect();
        assert!(
            Kind::ALL.iter().all(|kind| firsts.contains(kind)),
            "{firsts:?}"
        );
    }
}
