// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `kill -9` at random points of ingest and release, again and again on one data directory. Every
//! job that was answered `successful-ok` is there, sealed; none is released twice; the journal's
//! hash chain holds.
//!
//! Each round has a user of its own who taps once, so that nobody ever asks for a second print: a
//! second copy at the printer can only be the box's fault.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use platen_bed::daemon::{Daemon, NodeConfig};
use platen_bed::documents::Noise;
use platen_bed::printer::VirtualPrinter;
use platen_bed::process::own_program;
use platen_bed::sender::{Accepted, document, send_until_gone};
use platen_bed::wait;
use serde_json::Value;
use tempfile::TempDir;

use crate::box_under_test::{SOON, ctl, files_below};

/// Kills in one run of the test.
const ROUNDS: u32 = 200;
/// Clients that send at the same time.
const CLIENTS: u32 = 3;
/// The daemon lives at most so long after its start, µs.
const LIFE_MAX_US: u64 = 120_000;

#[test]
fn a_kill_at_any_point_loses_no_accepted_job_and_prints_none_twice() {
    let seed = 0x00c0_ffee;
    println!("seed {seed:#x}");
    let mut noise = Noise::new(seed);
    let folder = TempDir::new().unwrap();
    let printer_folder = folder.path().join("printer");
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let printer = VirtualPrinter::start_with(&printer_folder, listen, &["--no-render"]).unwrap();
    let node = folder.path().join("node");
    std::fs::create_dir_all(&node).unwrap();
    let mut config = NodeConfig::new(&node, &printer.uri()).unwrap();
    let daemon = Daemon::start(config.clone()).unwrap();
    let users: String = (0..ROUNDS)
        .map(|round| format!("user{round},,{}\n", card(round)))
        .collect();
    daemon.import_users(&users).unwrap();
    config = daemon.kill().unwrap();

    let mut accepted = Vec::new();
    for round in 0..ROUNDS {
        let daemon = Daemon::start(config).unwrap();
        let life = Duration::from_micros(noise.number() % LIFE_MAX_US);
        let tap_after = Duration::from_micros(noise.number() % (LIFE_MAX_US / 2));
        let clients = (0..CLIENTS).map(|client| {
            let prefix = format!("job-{round}-{client}");
            send_until_gone(daemon.config().ipp, format!("user{round}"), prefix)
        });
        let clients: Vec<_> = clients.collect();
        let tap = start_tap(daemon.config().socket(), card(round), tap_after);
        rest(life);
        config = daemon.kill().unwrap();
        for client in clients {
            accepted.extend(client.join().unwrap());
        }
        tap.join().unwrap();
    }
    assert!(
        accepted.len() > 200,
        "only {} jobs were accepted",
        accepted.len()
    );
    let daemon = Daemon::start(config).unwrap();
    println!("{} jobs accepted over {ROUNDS} kills", accepted.len());
    check(&daemon, &printer, &accepted);
}

/// A card number of its own for each round.
fn card(round: u32) -> String {
    format!("04{round:06X}")
}

fn rest(time: Duration) {
    let (_keep, nothing) = mpsc::sync_channel::<()>(1);
    let _timeout = nothing.recv_timeout(time);
}

fn start_tap(socket: PathBuf, card: String, after: Duration) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        rest(after);
        let mut tap = Command::new(own_program("platenctl").unwrap());
        // The box may be killed while it decides: any answer, or none, is fine.
        let _ = tap
            .arg("--socket")
            .arg(socket)
            .args(["tap", &card])
            .output();
    })
}

/// Every accepted job in its place, and nothing printed twice.
fn check(daemon: &Daemon, printer: &VirtualPrinter, accepted: &[Accepted]) {
    wait::until("the printer to be idle", SOON, || {
        Ok::<_, platen_bed::BedError>((printer.status()?.receiving == 0).then_some(()))
    })
    .unwrap();
    let (states, copies) = (states(daemon), copies(printer));
    let completed = completed_in_journal(daemon);
    let mut seen = BTreeMap::<&str, u32>::new();
    for Accepted { name, number } in accepted {
        let (begun, whole) = copies.get(name).copied().unwrap_or_default();
        assert!(begun <= 1, "{name} went to the printer {begun} times");
        let state = match states.get(number).map(String::as_str) {
            // Ended jobs are remembered by the index, which is rebuilt without them after a kill.
            None if completed.contains(number) => "completed",
            state => state.unwrap_or("lost"),
        };
        match state {
            "pending-held" => assert_eq!(begun, 0, "{name} waits, but was printed"),
            "processing-stopped" => {}
            "completed" => assert_eq!(whole, 1, "{name} is completed, but not printed"),
            other => panic!("{name} was accepted and is now {other}"),
        }
        *seen.entry(state).or_default() += 1;
    }
    println!("states at the end: {seen:?}");
    for state in ["pending-held", "processing-stopped", "completed"] {
        assert!(
            seen.contains_key(state),
            "no kill left a job {state}: the test is too tame"
        );
    }
    let verify = &ctl(daemon, &["verify"])[0];
    assert_eq!(
        verify["faults"].as_array().map(Vec::len),
        Some(0),
        "{verify}"
    );
    assert!(verify["bodies"].as_u64() > Some(0), "{verify}");
}

/// By job number: the state that the box shows.
fn states(daemon: &Daemon) -> BTreeMap<u32, String> {
    let jobs = ctl(daemon, &["jobs", "--all"]);
    let pair = |job: &Value| {
        (
            number(&job["number"]),
            job["state"].as_str().unwrap().to_owned(),
        )
    };
    jobs.iter().map(pair).collect()
}

/// Jobs that the journal has as charged, each once.
fn completed_in_journal(daemon: &Daemon) -> BTreeSet<u32> {
    let mut completed = BTreeSet::new();
    for line in ctl(daemon, &["journal"]) {
        let settled = &line["entry"]["settled"];
        if settled["charged"] == true {
            assert!(
                completed.insert(number(&settled["number"])),
                "charged twice: {line}"
            );
        }
    }
    completed
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

/// By job name: how often its first bytes came to the printer, and how often it came whole.
fn copies(printer: &VirtualPrinter) -> BTreeMap<String, (u32, u32)> {
    let mut copies = BTreeMap::<String, (u32, u32)>::new();
    for (path, bytes) in files_below(printer.folder()) {
        if path.extension().is_none_or(|ending| ending != "bin") {
            continue;
        }
        let Some(line) = bytes.split(|byte| *byte == b'\n').nth(1) else {
            continue;
        };
        let name = String::from_utf8_lossy(line)
            .trim_start_matches("% ")
            .to_owned();
        let octets = bytes.len().saturating_sub(12 + name.len());
        let whole = [9_000, 300_000].contains(&octets) && bytes == document(&name, octets);
        let entry = copies.entry(name).or_default();
        entry.0 += 1;
        entry.1 += u32::from(whole);
    }
    copies
}
