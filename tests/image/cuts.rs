// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Power cuts: QEMU is killed at random moments, again and again on one disk. The box always starts,
//! nothing accepted is lost, nothing comes out of the printer twice, the journal's hash chain verifies.
//!
//! Each round has a user of its own who taps once, so that nobody ever asks for a second print: a second
//! copy at the printer can only be the box's fault. The printer is in the box's network and outlives it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;
use std::time::Duration;

use platen_bed::documents::Noise;
use platen_bed::process::installed_program;
use platen_bed::qemu::{ImageOptions, Start};
use platen_bed::sender::{Accepted, send_until_gone};
use serde_json::Value;

use crate::box_in_guest::GuestBox;
use crate::image_under_test::{BoxDisk, LONG, sit_down, tries};

/// Rounds of one box; in `make test` some of them.
const ROUNDS: usize = 12;
const ROUNDS_PART: usize = 2;
/// Shutdowns of the data's file system that drop its journal.
const SHUTDOWNS: usize = 8;
const SHUTDOWNS_PART: usize = 1;
/// First starts that are cut.
const FIRST_STARTS: usize = 8;
const FIRST_STARTS_PART: usize = 1;
/// Longest time from the beginning of the work to the cut.
const WORK_MAX_MS: u64 = 6_000;
/// The first start takes about so long on an emulated processor.
const FIRST_START_MAX_MS: u64 = 30_000;

fn rest(noise: &mut Noise, at_most_ms: u64) {
    let (_keep, nothing) = mpsc::sync_channel::<()>(1);
    let _timeout = nothing.recv_timeout(Duration::from_millis(noise.number() % at_most_ms));
}

#[test]
fn cuts_while_jobs_come_in_and_go_out_lose_and_double_nothing() {
    cut_at_work("writeback", 0x00c0_ffee);
}

#[test]
fn cuts_of_a_disk_without_the_host_s_cache_lose_and_double_nothing() {
    cut_at_work("none", 0x0bad_cafe);
}

fn cut_at_work(cache: &'static str, seed: u64) {
    println!("seed {seed:#x}, cache={cache}");
    let mut noise = Noise::new(seed);
    let rounds = tries(ROUNDS, ROUNDS_PART);
    let mut machine = BoxDisk::new();
    machine.use_lan_printer();
    let mut options = ImageOptions::new(Start::Kept);
    options.cache = cache;
    let mut seat = sit_down(machine.start_with(&options));
    import_people(&mut seat, rounds);

    let mut accepted = Vec::new();
    for round in 0..rounds {
        let prefix = format!("job-{round}");
        let client = send_until_gone(seat.guest.ipp(), format!("user{round}"), prefix);
        if round % 2 == 1 {
            // A tap on the way, and the cut somewhere in the release.
            rest(&mut noise, WORK_MAX_MS);
            seat.guest
                .tell("chip", &format!("place {}", card(round)))
                .unwrap();
        }
        rest(&mut noise, WORK_MAX_MS);
        seat.guest.cut_power().unwrap();
        accepted.extend(client.join().unwrap());
        let printed_before = machine.printed();
        seat = sit_down(machine.start_with(&options));
        look_over(&mut seat, &accepted, &machine.printed(), round);
        assert!(
            printed_before == machine.printed(),
            "round {round}: something came out by itself after the cut"
        );
    }
    println!("{} jobs accepted over {rounds} cuts", accepted.len());
    assert!(accepted.len() >= rounds, "too few jobs to prove anything");
    seat.guest.power_off().unwrap();
}

/// What a pulled plug does to a file system whose disk keeps little: what was not synced is gone, the journal
/// too. Linux's ext4 does that when it is told to (`EXT4_IOC_SHUTDOWN` without a flush of the log).
#[test]
fn a_data_file_system_that_drops_its_journal_has_kept_what_was_accepted() {
    let seed = 0x00d1_5c0d;
    println!("seed {seed:#x}");
    let mut noise = Noise::new(seed);
    let mut machine = BoxDisk::new();
    machine.use_lan_printer();
    let mut seat = sit_down(machine.start(Start::Kept));
    let rounds = tries(SHUTDOWNS, SHUTDOWNS_PART);
    import_people(&mut seat, rounds);
    let mut accepted = Vec::new();
    for round in 0..rounds {
        let xfs_io = installed_program("xfs_io").unwrap();
        let program = std::fs::read(xfs_io).unwrap();
        seat.guest.write("/run/xfs_io", &program).unwrap();
        seat.guest
            .output(&["/bin/chmod", "755", "/run/xfs_io"])
            .unwrap();
        let prefix = format!("job-{round}");
        let client = send_until_gone(seat.guest.ipp(), format!("user{round}"), prefix);
        rest(&mut noise, WORK_MAX_MS);
        seat.guest
            .tell("chip", &format!("place {}", card(round)))
            .unwrap();
        rest(&mut noise, WORK_MAX_MS);
        let drop_it = ["/run/xfs_io", "-x", "-c", "shutdown", "/data"];
        seat.guest.output(&drop_it).unwrap();
        let refused = seat.guest.write("/data/after", b"too late");
        assert!(refused.is_err(), "the file system takes nothing any more");
        seat.guest.cut_power().unwrap();
        accepted.extend(client.join().unwrap());
        seat = sit_down(machine.start(Start::Kept));
        look_over(&mut seat, &accepted, &machine.printed(), round);
    }
    println!("{} jobs accepted over {rounds} shutdowns", accepted.len());
    assert!(accepted.len() >= rounds, "too few jobs to prove anything");
    seat.guest.power_off().unwrap();
}

#[test]
fn a_first_start_that_is_cut_anywhere_is_made_up_for_by_the_next() {
    let seed = 0x0005_eed5;
    println!("seed {seed:#x}");
    let mut noise = Noise::new(seed);
    let blank = BoxDisk::new();
    blank.use_lan_printer();
    for number in 0..tries(FIRST_STARTS, FIRST_STARTS_PART) {
        let mut machine = blank.duplicate();
        let guest = machine.start(Start::Kept);
        rest(&mut noise, FIRST_START_MAX_MS);
        guest.cut_power().unwrap();
        let mut seat = sit_down(machine.start(Start::Kept));
        look_over(&mut seat, &[], &[], number);
        let settings = seat.guest.read("/etc/platen/node.toml").unwrap();
        let settings = String::from_utf8_lossy(&settings).into_owned();
        assert!(
            settings.contains("hall"),
            "the administrator's settings are in force: {settings}"
        );
        seat.guest.cut_power().unwrap();
    }
}

fn card(round: usize) -> String {
    format!("04{round:06X}")
}

/// People for that many rounds, one each.
fn import_people(seat: &mut GuestBox, rounds: usize) {
    let people = (0..rounds).map(|round| format!("user{round},,{}\n", card(round)));
    let lines: String = people.collect();
    seat.guest.import_users(&lines).unwrap();
}

/// After a start: what was accepted is there or was printed, once; journal and sealed files are whole.
fn look_over(seat: &mut GuestBox, accepted: &[Accepted], printed: &[u8], round: usize) {
    let verified = seat.guest.run(&["/bin/platenctl", "verify"], LONG).unwrap();
    assert_eq!(
        verified.status, 0,
        "round {round}: {}{}",
        verified.out, verified.messages
    );
    let states = states(seat);
    let completed = completed_in_journal(seat);
    for job in accepted {
        let copies = copies(printed, &job.name);
        assert!(
            copies <= 1,
            "round {round}: {job:?} came out {copies} times"
        );
        let state = match states.get(&job.number).map(String::as_str) {
            // Ended jobs are remembered by the index, which may be rebuilt without them.
            None if completed.contains(&job.number) => "completed",
            state => state.unwrap_or("lost"),
        };
        match state {
            "pending-held" => {
                assert_eq!(copies, 0, "round {round}: {job:?} waits, but was printed")
            }
            "processing-stopped" => {}
            "completed" => assert_eq!(copies, 1, "round {round}: {job:?} is completed"),
            other => panic!("round {round}: {job:?} was accepted and is now {other}"),
        }
    }
}

/// By job number: the state that the box shows.
fn states(seat: &mut GuestBox) -> BTreeMap<u32, String> {
    let jobs = seat.ctl(&["jobs", "--all"]);
    let pair = |job: &Value| {
        (
            number(&job["number"]),
            job["state"].as_str().unwrap().to_owned(),
        )
    };
    jobs.iter().map(pair).collect()
}

/// Jobs that the journal has as charged, each once.
fn completed_in_journal(seat: &mut GuestBox) -> BTreeSet<u32> {
    let mut completed = BTreeSet::new();
    for line in seat.ctl(&["journal"]) {
        let settled = &line["entry"]["settled"];
        if settled["charged"] == true {
            let first = completed.insert(number(&settled["number"]));
            assert!(first, "charged twice: {line}");
        }
    }
    completed
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

fn copies(printed: &[u8], name: &str) -> usize {
    let mark = format!("% {name}\n");
    let windows = printed.windows(mark.len());
    windows.filter(|window| *window == mark.as_bytes()).count()
}
