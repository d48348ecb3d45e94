// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Measures the spool on a real disk: durable jobs a second, bulk uploads and resident memory,
//! the cost of questions among many held jobs, and the rebuild of the index.
//!
//! `cargo run --release -p platen-spool --example ingest -- DIR [HELD]`; DIR is made, used and left
//! as it is, on the disk that is to be measured. HELD jobs (50,000 unless given) are kept for the
//! last part.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use platen_model::{Clock, JobOptions, JobState, JobStateReason, Moment};
use platen_spool::{NewJob, Spool, SpoolLimits, Which};
use platen_store::{Database, Disk, Keys, RealDisk};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

struct WallClock;

impl Clock for WallClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "a measurement is where time comes from"
    )]
    fn now(&self) -> Moment {
        let elapsed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let unix_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        Moment {
            unix_ms,
            elapsed,
            trusted: true,
        }
    }
}

fn job(owner: usize) -> NewJob {
    NewJob {
        name: "Quarterly figures.pdf".into(),
        owner: format!("user{owner}"),
        format: "application/pdf".into(),
        options: JobOptions::default(),
        target: None,
        hold: true,
    }
}

fn open(dir: &std::path::Path) -> Outcome<(Spool, platen_spool::OpenReport)> {
    let disk = Arc::new(RealDisk::open(dir)?);
    let keys = Arc::new(Keys::open(&*disk)?);
    let (database, _) = Database::open(&dir.join("database"), &keys)?;
    let disk: Arc<dyn Disk> = disk;
    Ok(Spool::open(
        disk,
        keys,
        &database,
        Arc::new(WallClock),
        SpoolLimits::default(),
    )?)
}

/// `clients` tasks at once, `jobs` jobs in all, of `octets` each. Returns each job's latency.
fn ingest(spool: &Spool, clients: usize, jobs: usize, octets: usize) -> Outcome<Vec<Duration>> {
    let body = Arc::new(vec![0x5a_u8; octets]);
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let (spool, body) = (spool.clone(), Arc::clone(&body));
            smol::spawn(async move {
                let mut times = Vec::new();
                for _ in 0..jobs / clients {
                    let start = WallClock.now().elapsed;
                    let mut upload = spool.begin(job(client))?;
                    for piece in body.chunks(8 * 1024) {
                        upload.write(piece)?;
                        smol::future::yield_now().await;
                    }
                    spool.commit(upload).await?;
                    times.push(WallClock.now().elapsed.saturating_sub(start));
                }
                Ok::<_, Box<dyn Error + Send + Sync>>(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(smol::block_on(task)?);
    }
    times.sort();
    Ok(times)
}

fn report(spool: &Spool, clients: usize, jobs: usize, octets: usize) -> Outcome<()> {
    let (start, cpu) = (WallClock.now().elapsed, cpu_ms());
    let times = ingest(spool, clients, jobs, octets)?;
    let seconds = WallClock.now().elapsed.saturating_sub(start).as_secs_f64();
    let at = |part: usize| {
        times
            .get(times.len() * part / 100)
            .copied()
            .unwrap_or_default()
    };
    let done = u32::try_from(times.len()).map_or(f64::MAX, f64::from);
    println!(
        "{clients:4} clients x {octets:9} octets: {:7.0} jobs/s  p50 {:9.3?}  p99 {:9.3?}  \
         cpu/job {:6.3} ms  resident {} KiB (peak {})",
        done / seconds,
        at(50),
        at(99),
        (cpu_ms() - cpu) / done,
        status_kib("VmRSS:"),
        status_kib("VmHWM:"),
    );
    Ok(())
}

fn status_kib(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let figure = line.and_then(|line| line.split_whitespace().next());
    figure.and_then(|figure| figure.parse().ok()).unwrap_or(0)
}

/// User and system time of this process, from ticks of 10 ms.
fn cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks
        .filter_map(|figure| figure.parse::<f64>().ok())
        .sum::<f64>()
        * 10.0
}

fn questions(spool: &Spool, owner: &str, keys: &Keys) -> Outcome<()> {
    let timed = |what: &str, call: &dyn Fn() -> Outcome<usize>| -> Outcome<()> {
        let start = WallClock.now().elapsed;
        let found = call()?;
        println!(
            "  {what}: {found} in {:?}",
            WallClock.now().elapsed.saturating_sub(start)
        );
        Ok(())
    };
    let key = keys.owner_key(owner);
    timed("held_by one owner", &|| Ok(spool.held_by(&[key])?.len()))?;
    timed("first 100 held", &|| {
        Ok(spool.jobs(Which::Held, 100, None)?.len())
    })?;
    timed("released", &|| {
        Ok(spool.jobs(Which::Released, 100, None)?.len())
    })?;
    timed("completed", &|| {
        Ok(spool.jobs(Which::Completed, 100, None)?.len())
    })?;
    timed("end one", &|| {
        let first = spool.jobs(Which::Held, 1, None)?;
        for job in &first {
            let (state, reason) = (JobState::Canceled, JobStateReason::JobCanceledByUser);
            smol::block_on(spool.end(job.number, state, reason, 0))?;
        }
        Ok(first.len())
    })
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let dir: PathBuf = arguments.next().ok_or("usage: ingest DIR [HELD]")?.into();
    let held = arguments
        .next()
        .map_or(Ok(50_000), |figure| figure.parse::<usize>())?;
    let (spool, found) = open(&dir)?;
    println!("open: {found:?}");
    report(&spool, 1, 300, 20_000)?;
    report(&spool, 50, 5_000, 20_000)?;
    report(&spool, 200, 5_000, 20_000)?;
    report(&spool, 50, 100, 10_000_000)?;
    let missing = held.saturating_sub(spool.held_count());
    println!("filling up to {held} held jobs");
    for part in (0..missing).step_by(10_000) {
        report(&spool, 50, 10_000.min(missing - part), 500)?;
    }
    let keys = Keys::open(&RealDisk::open(&dir)?)?;
    questions(&spool, "user7", &keys)?;
    drop(spool);
    let start = WallClock.now().elapsed;
    let (spool, found) = open(&dir)?;
    let took = WallClock.now().elapsed.saturating_sub(start);
    println!(
        "clean open of {} jobs (rebuilt: {}): {took:?}",
        found.jobs, found.rebuilt
    );
    drop(spool);
    std::fs::remove_dir_all(dir.join("database"))?;
    let start = WallClock.now().elapsed;
    let (_spool, found) = open(&dir)?;
    let took = WallClock.now().elapsed.saturating_sub(start);
    println!(
        "rebuild of {} jobs (rebuilt: {}): {took:?}",
        found.jobs, found.rebuilt
    );
    println!(
        "resident {} KiB (peak {})",
        status_kib("VmRSS:"),
        status_kib("VmHWM:")
    );
    Ok(())
}
