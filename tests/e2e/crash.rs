// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `kill -9` at random points of ingest and release, again and again on one data directory. Every
//! job that was answered `successful-ok` is there, sealed; none is released twice; the journal's
//! hash chain holds.
//!
//! Each round has a user of its own who taps once, so that nobody ever asks for a second print: a
//! second copy at the printer can only be the box's fault.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use platen_bed::daemon::{Daemon, NodeConfig};
use platen_bed::documents::Noise;
use platen_bed::printer::VirtualPrinter;
use platen_bed::process::own_program;
use platen_bed::wait;
use tempfile::TempDir;

use crate::box_under_test::{SOON, ctl};

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
        let clients = (0..CLIENTS).map(|client| start_client(daemon.config().ipp, round, client));
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

/// Sends jobs until the box is gone. Gives the names of those answered `successful-ok`.
fn start_client(ipp: SocketAddr, round: u32, client: u32) -> thread::JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let mut accepted = Vec::new();
        for number in 0.. {
            let name = format!("job-{round}-{client}-{number}-");
            // Some fill several sealed chunks, most fit into one.
            let octets = if number % 4 == 3 { 300_000 } else { 9_000 };
            match send(ipp, &format!("user{round}"), &name, octets) {
                Some(true) => accepted.push(name),
                Some(false) => {}
                None => break,
            }
        }
        accepted
    })
}

/// Print-Job with a document of `octets` that begins with its name. `None`: the box is gone.
fn send(ipp: SocketAddr, user: &str, name: &str, octets: usize) -> Option<bool> {
    let mut body = vec![2, 0, 0, 2, 0, 0, 0, 1, 1];
    for (tag, key, value) in [
        (0x47, "attributes-charset", "utf-8"),
        (0x48, "attributes-natural-language", "en"),
        (0x45, "printer-uri", "ipp://localhost/ipp/print"),
        (0x42, "requesting-user-name", user),
        (0x42, "job-name", name),
        (0x49, "document-format", "application/pdf"),
    ] {
        body.push(tag);
        for part in [key, value] {
            body.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
            body.extend(part.as_bytes());
        }
    }
    body.push(3);
    body.extend(document(name, octets));
    let mut stream = TcpStream::connect(ipp).ok()?;
    let head = format!(
        "POST /ipp/print HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/ipp\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let start = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    Some(answer.get(start + 2..start + 4)? == [0, 0])
}

fn document(name: &str, octets: usize) -> Vec<u8> {
    let mut document = format!("%PDF-1.4\n% {name}\n").into_bytes();
    let seed = name
        .bytes()
        .fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(byte));
    document.extend(Noise::new(seed).bytes(octets));
    document
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
fn check(daemon: &Daemon, printer: &VirtualPrinter, accepted: &[String]) {
    let states = states(daemon);
    let copies = wait::until("the printer to be idle", SOON, || {
        Ok::<_, platen_bed::BedError>((printer.status()?.receiving == 0).then_some(()))
    })
    .map(|()| copies(printer))
    .unwrap();
    let mut seen = BTreeMap::<&str, u32>::new();
    for name in accepted {
        let state = states.get(name).map(String::as_str);
        let (begun, whole) = copies.get(name).copied().unwrap_or_default();
        assert!(begun <= 1, "{name} went to the printer {begun} times");
        match state {
            Some("pending-held") => assert_eq!(begun, 0, "{name} waits, but was printed"),
            Some("processing-stopped") => {}
            Some("completed") => assert_eq!(whole, 1, "{name} is completed, but not printed"),
            other => panic!("{name} was accepted and is now {other:?}"),
        }
        *seen.entry(state.unwrap_or_default()).or_default() += 1;
    }
    println!("states at the end: {seen:?}");
    let verify = &ctl(daemon, &["verify"])[0];
    assert_eq!(
        verify["faults"].as_array().map(Vec::len),
        Some(0),
        "{verify}"
    );
    assert!(verify["bodies"].as_u64() > Some(0), "{verify}");
}

fn states(daemon: &Daemon) -> BTreeMap<String, String> {
    let jobs = ctl(daemon, &["jobs", "--all"]);
    let pair = |job: &serde_json::Value| {
        (
            job["name"].as_str().unwrap().to_owned(),
            job["state"].as_str().unwrap().to_owned(),
        )
    };
    jobs.iter().map(pair).collect()
}

/// By job name: how often its first bytes came to the printer, and how often it came whole.
fn copies(printer: &VirtualPrinter) -> BTreeMap<String, (u32, u32)> {
    let mut copies = BTreeMap::<String, (u32, u32)>::new();
    for record in printer.jobs().unwrap() {
        let bytes = printer.wire_bytes(&record).unwrap();
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
