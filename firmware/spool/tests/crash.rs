// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Power cuts: every sync as a cut point, several seeds each, random work on several threads at
//! once. What was answered `Ok` is there, sealed and whole; what was not is there whole or not at
//! all; nothing plain is on the disk.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};

use platen_model::{JobId, JobOptions, JobState, JobStateReason, ManualClock};
use platen_spool::{NewJob, OpenReport, Spool, SpoolLimits, Which};
use platen_store::{Database, Disk, Keys, SimDisk};
use smol::block_on;

const CLIENTS: u64 = 3;
const STEPS: u64 = 8;
const SEEDS: u64 = 3;
/// In every name, owner and body: none of them may stand on the disk.
const PLAIN: [&str; 3] = ["SECRETNAME", "SECRETOWNER", "SECRETBODY"];

/// What the world outside was told.
#[derive(Default)]
struct Told {
    /// Every job that was ever tried, with its body (none for one that was created only).
    tried: BTreeMap<JobId, BTreeSet<Option<Vec<u8>>>>,
    /// Answered `Ok`, with what it must hold.
    accepted: BTreeMap<JobId, Option<Vec<u8>>>,
    /// Answered `Ok` to ending.
    ended: BTreeSet<JobId>,
    /// Ending was tried: without an answer of `Ok`, there or gone are both right.
    ending: BTreeSet<JobId>,
    /// Adding the document was tried without an answer of `Ok`: with and without it are both right.
    sending: BTreeSet<JobId>,
    holds: BTreeMap<JobId, bool>,
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn open(disk: &SimDisk, dir: &Path) -> (Spool, OpenReport) {
    let keys = Arc::new(Keys::open(disk).unwrap());
    let (database, _) = Database::open(&dir.join("database"), &keys).unwrap();
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    let disk = Arc::new(disk.clone());
    Spool::open(disk, keys, &database, clock, SpoolLimits::default()).unwrap()
}

fn new_job() -> NewJob {
    NewJob {
        name: PLAIN[0].repeat(3),
        owner: PLAIN[1].into(),
        format: "application/pdf".into(),
        options: JobOptions::default(),
        target: None,
        hold: true,
    }
}

fn random_body(random: &mut Random) -> Vec<u8> {
    let lengths = [0, 30, 5_000, 70_000, 140_000];
    let length = lengths[usize::try_from(random.below(5)).unwrap()];
    let text = format!("{}{}", PLAIN[2], random.below(1_000_000));
    text.bytes().cycle().take(length).collect()
}

fn lock(told: &Mutex<Told>) -> std::sync::MutexGuard<'_, Told> {
    told.lock().unwrap()
}

async fn submit(spool: &Spool, told: &Mutex<Told>, random: &mut Random) -> Option<()> {
    let body = random_body(random);
    let mut upload = spool.begin(new_job()).ok()?;
    let id = upload.id();
    lock(told)
        .tried
        .entry(id)
        .or_default()
        .insert(Some(body.clone()));
    upload.write(&body).ok()?;
    if random.below(8) == 0 {
        return Some(()); // The client went away.
    }
    spool.commit(upload).await.ok()?;
    lock(told).accepted.insert(id, Some(body));
    Some(())
}

async fn create_and_send(spool: &Spool, told: &Mutex<Told>, random: &mut Random) -> Option<()> {
    let job = spool.create(new_job()).await;
    let Ok(job) = job else {
        return None; // It may be there after the cut: only its id is not known here.
    };
    lock(told).tried.entry(job.id).or_default().insert(None);
    lock(told).accepted.insert(job.id, None);
    let body = random_body(random);
    let mut upload = spool.begin_document(job.number, "image/jpeg").ok()?;
    lock(told)
        .tried
        .entry(job.id)
        .or_default()
        .insert(Some(body.clone()));
    lock(told).sending.insert(job.id);
    upload.write(&body).ok()?;
    spool.commit(upload).await.ok()?;
    lock(told).accepted.insert(job.id, Some(body));
    lock(told).sending.remove(&job.id);
    Some(())
}

async fn change_one(spool: &Spool, told: &Mutex<Told>, random: &mut Random) -> Option<()> {
    let jobs = spool.jobs(Which::NotCompleted, 10, None).ok()?;
    let place = usize::try_from(random.below(10)).unwrap();
    let Some(job) = jobs.get(place % jobs.len().max(1)) else {
        return Some(());
    };
    let hold = random.below(2) == 0;
    if random.below(3) == 0 {
        lock(told).holds.remove(&job.id);
        if spool.set_hold(job.number, hold).await.is_ok() {
            lock(told).holds.insert(job.id, hold);
        }
    } else {
        lock(told).ending.insert(job.id);
        let (state, reason) = (JobState::Canceled, JobStateReason::JobCanceledByUser);
        if spool.end(job.number, state, reason, 0).await.is_ok() {
            lock(told).ended.insert(job.id);
        }
    }
    Some(())
}

/// Several clients at once until each is done or the power is gone.
fn work(spool: &Spool, seed: u64) -> Told {
    let told = Arc::new(Mutex::new(Told::default()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (spool, told) = (spool.clone(), Arc::clone(&told));
            let mut random = Random(seed * 31 + client);
            smol::spawn(async move {
                for _ in 0..STEPS {
                    let went = match random.below(6) {
                        0..3 => submit(&spool, &told, &mut random).await,
                        3 => create_and_send(&spool, &told, &mut random).await,
                        _ => change_one(&spool, &told, &mut random).await,
                    };
                    if went.is_none() {
                        return;
                    }
                }
            })
        })
        .collect();
    clients.into_iter().for_each(block_on);
    Arc::into_inner(told).unwrap().into_inner().unwrap()
}

fn body_of(spool: &Spool, job: &platen_model::Job) -> Option<Vec<u8>> {
    if job.reason == JobStateReason::JobIncoming {
        return None;
    }
    let mut bytes = Vec::new();
    spool
        .body(job.number)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    Some(bytes)
}

fn check(spool: &Spool, report: &OpenReport, told: &Told, disk: &SimDisk, context: &str) {
    assert!(report.damaged.is_empty(), "{context}: {report:?}");
    let jobs = spool.jobs(Which::NotCompleted, 1000, None).unwrap();
    let found: BTreeMap<_, _> = jobs
        .iter()
        .map(|job| (job.id, body_of(spool, job)))
        .collect();
    for (id, body) in &told.accepted {
        if told.ending.contains(id) {
            continue;
        }
        let now = found.get(id);
        let whole = now == Some(body) || (now.is_some() && told.sending.contains(id));
        assert!(whole, "{context}: accepted job {id} is not whole");
    }
    for (id, body) in &found {
        assert!(
            !told.ended.contains(id),
            "{context}: ended job {id} is back"
        );
        let tried = told.tried.get(id);
        let as_tried = tried.map_or(body.is_none(), |bodies| bodies.contains(body));
        assert!(as_tried, "{context}: job {id} holds what nobody sent");
    }
    for job in &jobs {
        assert_eq!(
            (job.name.as_str(), job.owner.name.as_str()),
            (&*PLAIN[0].repeat(3), PLAIN[1])
        );
        if let Some(hold) = told
            .holds
            .get(&job.id)
            .filter(|_| !told.sending.contains(&job.id))
        {
            let held = job.reason == JobStateReason::JobHoldUntilSpecified;
            assert!(
                held == *hold || found[&job.id].is_none(),
                "{context}: hold of {}",
                job.id
            );
        }
    }
    let numbers: BTreeSet<_> = jobs.iter().map(|job| job.number).collect();
    assert_eq!(numbers.len(), jobs.len(), "{context}: a number twice");
    let with_body = found.values().filter(|body| body.is_some()).count();
    let names = disk.list(Path::new("jobs")).unwrap().len();
    assert_eq!(names, found.len() + with_body, "{context}: leftovers");
}

fn no_plain_byte(disk: &SimDisk, context: &str) {
    for (path, bytes) in disk.files() {
        for plain in PLAIN {
            let there = bytes
                .windows(plain.len())
                .any(|window| window == plain.as_bytes());
            assert!(!there, "{context}: {plain} stands in {}", path.display());
        }
    }
}

/// One run with the power cut at one sync. Returns whether the cut was reached.
fn run(cut: usize, seed: u64) -> bool {
    let context = format!("cut {cut}, seed {seed}");
    let dir = tempfile::tempdir().unwrap();
    let disk = SimDisk::new(seed);
    let (spool, _) = open(&disk, dir.path());
    disk.freeze_at_sync(disk.syncs() + cut);
    let told = work(&spool, seed);
    let reached = disk.is_frozen();
    drop(spool);
    let survivor = disk.crash();
    if reached {
        // The database had its own disk here: it is ahead of the files, or gone.
        std::fs::remove_file(dir.path().join("database/db")).unwrap_or_default();
    }
    no_plain_byte(&survivor, &context);
    let (spool, report) = open(&survivor, dir.path());
    check(&spool, &report, &told, &survivor, &context);
    // And it works on, and a second start finds the same.
    let more = work(&spool, seed + 1000);
    drop(spool);
    let (spool, _) = open(&survivor, dir.path());
    let jobs = spool.jobs(Which::NotCompleted, 1000, None).unwrap();
    let here: BTreeSet<_> = jobs.iter().map(|job| job.id).collect();
    let kept = more.accepted.keys().filter(|id| !more.ended.contains(id));
    assert!(
        kept.into_iter().all(|id| here.contains(id)),
        "{context}: lost after the restart"
    );
    reached
}

#[test]
fn power_loss_at_any_sync_keeps_every_accepted_job() {
    for seed in 0..SEEDS {
        let cuts = (0..).take_while(|cut| run(*cut, seed)).count();
        println!("seed {seed}: {cuts} cut points");
        assert!(cuts > 12, "seed {seed} has {cuts} cut points only");
    }
}

#[test]
fn an_index_ahead_of_the_files_is_not_believed() {
    for seed in 100..110 {
        let dir = tempfile::tempdir().unwrap();
        let disk = SimDisk::new(seed);
        let (spool, _) = open(&disk, dir.path());
        disk.freeze_at_sync(disk.syncs() + 25);
        let told = work(&spool, seed);
        // The old spool is still open, as after a kill: no clean mark is written for it.
        let survivor = disk.crash();
        let copy = tempfile::tempdir().unwrap();
        std::fs::create_dir(copy.path().join("database")).unwrap();
        for entry in std::fs::read_dir(dir.path().join("database")).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let to = copy.path().join("database").join(entry.file_name());
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
        let (again, report) = open(&survivor, copy.path());
        assert!(report.rebuilt);
        check(&again, &report, &told, &survivor, &format!("seed {seed}"));
    }
}
