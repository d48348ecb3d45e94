// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platen-bench`: measures this firmware beside cupsd on this machine, in one run. `make bench`
//! builds and runs it. It never judges by its exit status: 0 unless something failed to run.

use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lexopt::prelude::*;
use platen_bed::signals::on_stop;
use platen_bed::wait::unix_time;
use platen_perf::bench::{self, Results};
use platen_perf::centre;
use platen_perf::image;
use platen_perf::reader;
use platen_perf::table;
use platen_perf::verdict::{Verdict, verdicts};
use serde::Serialize;

const HELP: &str = "\
platen-bench [--out DIR] [--seconds S] [--json]
    Runs platend and cupsd in turn and compares them; measures the card readers.
platen-bench --readers
    The card readers alone.
platen-bench --centre
    The central server and its boxes alone.
platen-bench --image
    The box's image in a guest alone: its start, its size, its memory.

  --out DIR    results, and the servers' folders while they run: on the disk that is to be
               measured (target/bench)
  --seconds S  begin no repeat after S (320); the first round always runs to its end
  --json       print the results as one JSON object instead of the tables
";

struct Arguments {
    out: PathBuf,
    seconds: u64,
    json: bool,
    readers: bool,
    centre: bool,
    image: bool,
    help: bool,
}

#[derive(Serialize)]
struct Record<'a> {
    at_unix_s: u64,
    version: &'static str,
    processors: usize,
    load_before: String,
    load_after: String,
    results: &'a Results,
    verdicts: Vec<Verdict>,
}

fn main() -> ExitCode {
    match arguments(lexopt::Parser::from_env())
        .map_err(Into::into)
        .and_then(|given| run(&given))
    {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("platen-bench: {error}");
            ExitCode::from(2)
        }
    }
}

fn arguments(mut parser: lexopt::Parser) -> Result<Arguments, lexopt::Error> {
    let mut given = Arguments {
        out: "target/bench".into(),
        seconds: 320,
        json: false,
        readers: false,
        centre: false,
        image: false,
        help: false,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("out") => given.out = parser.value()?.into(),
            Long("seconds") => given.seconds = parser.value()?.parse()?,
            Long("json") => given.json = true,
            Long("readers") => given.readers = true,
            Long("centre") => given.centre = true,
            Long("image") => given.image = true,
            Long("help") | Short('h') => given.help = true,
            other => return Err(other.unexpected()),
        }
    }
    Ok(given)
}

/// Whether everything ran.
fn run(given: &Arguments) -> Result<bool, Box<dyn Error>> {
    if given.help {
        print!("{HELP}");
        return Ok(true);
    }
    if given.readers {
        let readers = reader::run()?;
        print!("{}", table::readers(&readers));
        return Ok(true);
    }
    fs::create_dir_all(&given.out)?;
    let work = fs::canonicalize(&given.out)?;
    if given.centre {
        print!("{}", centre::run(&work)?);
        return Ok(true);
    }
    if given.image {
        print!("{}", image::run(&work)?);
        return Ok(true);
    }
    let ending = end_by_signal()?;
    let (load_before, at) = (load(), unix_time().as_secs());
    let limit = Duration::from_secs(given.seconds);
    let results = bench::run(&work, limit, &mut |step| {
        if ending.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        eprintln!("measuring {step}");
        ControlFlow::Continue(())
    })?;
    if results.interrupted {
        return Err("interrupted; all servers have ended".into());
    }
    let record = Record {
        at_unix_s: at,
        version: env!("CARGO_PKG_VERSION"),
        processors: std::thread::available_parallelism().map_or(0, usize::from),
        load_before,
        load_after: load(),
        results: &results,
        verdicts: verdicts(&results),
    };
    let json = serde_json::to_string_pretty(&record)?;
    let file = given.out.join(format!("{at}.json"));
    fs::write(&file, &json)?;
    if given.json {
        println!("{json}");
    } else {
        let (processors, seconds) = (record.processors, results.seconds);
        print!("{}", table::render(&results));
        println!(
            "\n{processors} processors, load {} before,",
            record.load_before
        );
        println!(
            "{} after; {seconds:.0} s; all figures in {}",
            record.load_after,
            file.display()
        );
    }
    Ok(results.failures.is_empty())
}

/// Becomes true when the program is told to end: the bench then ends after its step, when the
/// server of that step has ended and its folder is gone, instead of leaving them behind.
fn end_by_signal() -> std::io::Result<Arc<AtomicBool>> {
    let ending = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&ending);
    on_stop(move || end.store(true, Ordering::Relaxed))?;
    Ok(ending)
}

/// Load averages of 1, 5 and 15 minutes: what else the machine was doing.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}
