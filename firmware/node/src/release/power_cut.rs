// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Power cuts over the whole way of a job, ingest to settlement, on a disk that forgets what was not
//! synced: every sync of spool and ledger is a cut point, with several seeds each.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platen_hal::{PortError, PortReport, PortSession, PortStatus, PrinterPort, Sending};
use platen_ledger::{Entry, Ledger, Outcome, Purse};
use platen_model::{
    Certainty, Clock, Job, JobOptions, JobState, JobStateReason, ManualClock, PageCount, Sides,
};
use platen_spool::{NewJob, Spool, SpoolLimits};
use platen_store::{Database, Disk, Keys, SimDisk};
use smol::block_on;

use super::approvals::Approvals;
use super::bench::Said;
use super::judge::{Judge, Verdict};
use super::quotas::{case_of, lease, person, quota, terms_with};
use super::recover;
use super::target::Target;
use super::worker::{Worker, Workshop};
use crate::config::{Language, UnknownOwner};
use crate::counting::Counter;
use crate::panel::Panel;

const SEEDS: u64 = 16;
const JOBS: u64 = 2;
/// Sides that the box may spend; each job has one.
const LEASE: u64 = 3;

/// What has left the box: one entry for each job whose first byte was sent.
type Sent = Arc<Mutex<Vec<Vec<u8>>>>;

/// A printer that takes everything and remembers it.
struct Paper(Sent);

struct Sheet {
    sent: Sent,
    bytes: Vec<u8>,
}

impl PrinterPort for Paper {
    fn uri(&self) -> &'static str {
        "file:paper"
    }

    fn status(&mut self) -> PortStatus {
        PortStatus {
            ready: true,
            reasons: Vec::new(),
        }
    }

    fn open(&mut self, _sending: &Sending) -> Result<Box<dyn PortSession>, PortError> {
        Ok(Box::new(Sheet {
            sent: Arc::clone(&self.0),
            bytes: Vec::new(),
        }))
    }
}

impl PortSession for Sheet {
    fn send(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        let mut sent = self.sent.lock().unwrap();
        if self.bytes.is_empty() {
            sent.push(Vec::new());
        }
        self.bytes.extend(bytes);
        sent.last_mut().unwrap().extend(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<PortReport, PortError> {
        let octets = self.bytes.len() as u64;
        Ok(PortReport {
            octets,
            impressions: Some(1),
            confirmed_by: None,
        })
    }
}

/// The durable half of a box on a simulated disk.
struct State {
    spool: Spool,
    ledger: Arc<Ledger>,
    attempts: std::collections::HashMap<platen_model::JobId, u32>,
    judge: Arc<Judge>,
}

/// Opens everything as a start does. The index lives elsewhere and is lost at every cut.
fn open(disk: &SimDisk, index: &Path) -> io::Result<State> {
    let keys = Arc::new(Keys::open(disk).map_err(io::Error::other)?);
    let (database, _) = Database::open(index, &keys).map_err(io::Error::other)?;
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(1_800_000_000_000));
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let (ledger, report) = Ledger::open(Arc::clone(&disk), Arc::clone(&keys), Arc::clone(&clock))
        .map_err(io::Error::other)?;
    let (shared, at) = (Arc::clone(&disk), Arc::clone(&clock));
    let (spool, _) = Spool::open(
        shared,
        Arc::clone(&keys),
        &database,
        at,
        SpoolLimits::default(),
    )
    .map_err(io::Error::other)?;
    let attempts = recover(&report, &ledger, &spool).map_err(io::Error::other)?;
    let ledger = Arc::new(ledger);
    let purse = Purse::open(disk, keys, Arc::clone(&ledger), Arc::clone(&clock));
    let judge = Judge {
        site: Said::new(terms_with(vec![quota()])),
        purse: Arc::new(purse.map_err(io::Error::other)?),
        approvals: Approvals::open(&database).map_err(io::Error::other)?,
        clock,
        utc_offset_minutes: 0,
        unknown_owner: UnknownOwner::default(),
    };
    judge
        .purse
        .take(&[lease(1, LEASE)])
        .map_err(io::Error::other)?;
    Ok(State {
        spool,
        ledger,
        attempts,
        judge: Arc::new(judge),
    })
}

fn document(number: u64) -> Vec<u8> {
    format!("%PDF-1.4 document {number} ")
        .into_bytes()
        .repeat(200)
}

/// Stores a job; `None` when the box did not accept it.
fn store(state: &State, number: u64) -> Option<Job> {
    let new = NewJob {
        name: format!("job {number}"),
        owner: "somebody".to_owned(),
        format: "application/pdf".to_owned(),
        options: JobOptions::default(),
        target: None,
        hold: false,
    };
    let mut upload = state.spool.begin(new).ok()?;
    upload.write(&document(number)).ok()?;
    let job = block_on(state.spool.commit(upload)).ok()?;
    // Counted already, so that no release starts the counting child.
    let count = PageCount::parsed(1, 1, Sides::OneSided, Certainty::Exact);
    state.spool.set_count(job.number, count).ok()
}

/// Releases a job as the printer's thread does.
fn release(state: &State, job: &Job, sent: &Sent) {
    let printer = toml::from_str("name = \"paper\"\nuri = \"file:paper\"").unwrap();
    let (target, _orders) = Target::new(printer);
    let executor = Arc::new(smol::Executor::new());
    let shop = Workshop {
        spool: state.spool.clone(),
        ledger: Arc::clone(&state.ledger),
        counter: Counter::start(state.spool.clone()).unwrap(),
        panel: Arc::new(Panel::new(Language::En, Box::new(|_| ()))),
        judge: Arc::clone(&state.judge),
        executor: Arc::clone(&executor),
        append_pause: Duration::ZERO,
        attempts: Mutex::new(state.attempts.clone()),
    };
    let target = Arc::new(target);
    let mut worker = Worker::new(&target, Box::new(Paper(Arc::clone(sent))), Arc::new(shop));
    let identity = person(job.owner.key);
    let facts = target.facts(&PortStatus {
        ready: true,
        reasons: Vec::new(),
    });
    let judged = state.judge.judge(case_of(&identity, job, &facts));
    let Verdict::Go(grant) = judged.verdict else {
        panic!("there is room for it");
    };
    let queued = state
        .spool
        .set_state(job.number, JobState::Pending, JobStateReason::JobQueued);
    if queued.is_ok() {
        worker.print(&target, job.number, Some(grant));
    }
    while executor.try_tick() {}
    let spool = state.spool.clone();
    block_on(executor.run(async move { drop(spool) }));
}

/// Ingest and release until the power ends at sync `cut`; then a start, and the look at everything.
/// Returns whether the power ended before the work did.
fn cut_at(seed: u64, cut: usize) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let disk = SimDisk::new(seed);
    let sent = Sent::default();
    let mut accepted = Vec::new();
    let begun = disk.syncs();
    disk.freeze_at_sync(begun + cut);
    if let Ok(state) = open(&disk, &folder.path().join("before")) {
        accepted.extend((0..JOBS).filter_map(|number| Some((number, store(&state, number)?))));
        if let Some((_, job)) = accepted.first() {
            release(&state, job, &sent);
        }
    }
    let was_cut = disk.is_frozen();
    let survived = disk.crash();
    let state = open(&survived, &folder.path().join("after")).unwrap();
    let at = format!("seed {seed}, cut at sync {cut}");
    for (number, job) in &accepted {
        check(&state, &sent, *number, job, &at);
    }
    // What was printed is spent, once; all the rest can be spent.
    let settled = accepted.iter().filter(|(_, job)| is_settled(&state, job));
    let spent = u64::try_from(settled.count()).unwrap();
    let room = state.judge.purse.room(quota().id, None);
    assert_eq!(room + spent, LEASE, "{at}: {spent} settled");
    let verification = state.ledger.verify().unwrap();
    assert!(
        verification.faults.is_empty(),
        "{at}: {:?}",
        verification.faults
    );
    was_cut
}

fn check(state: &State, sent: &Sent, number: u64, job: &Job, at: &str) {
    let copies = sent
        .lock()
        .unwrap()
        .iter()
        .filter(|copy| document(number).starts_with(copy))
        .count();
    assert!(copies <= 1, "{at}: job {number} was sent {copies} times");
    let found = state.spool.job_by_id(job.id).unwrap();
    let now = found.as_ref().map(|job| job.state);
    let settled = is_settled(state, job);
    match now {
        Some(JobState::PendingHeld) => {
            assert_eq!(copies, 0, "{at}: job {number} waits, but was sent")
        }
        Some(JobState::ProcessingStopped) => {
            assert!(!settled, "{at}: job {number} is settled and asked for")
        }
        Some(state) => assert!(
            state.is_ended() && settled,
            "{at}: job {number} is {state:?}"
        ),
        None => assert!(settled, "{at}: job {number} was accepted and is lost"),
    }
    if now.is_some_and(|state| !state.is_ended()) {
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut state.spool.body(job.number).unwrap(), &mut bytes).unwrap();
        assert!(bytes == document(number), "{at}: job {number} is not whole");
    }
}

fn is_settled(state: &State, job: &Job) -> bool {
    let entries = state.ledger.entries(1, 1000).unwrap();
    let settlements = entries.iter().filter(|recorded| {
        let Entry::Settled {
            job: id,
            outcome,
            charged,
            ..
        } = &recorded.entry
        else {
            return false;
        };
        *id == job.id && *charged && *outcome == Outcome::Completed
    });
    let count = settlements.count();
    assert!(count <= 1, "charged {count} times");
    count == 1
}

#[test]
fn power_loss_at_any_sync_loses_nothing_and_prints_nothing_twice() {
    let mut cuts = 0;
    for seed in 0..SEEDS {
        for cut in 0.. {
            if !cut_at(seed, cut) {
                break;
            }
            cuts += 1;
        }
    }
    println!("{cuts} power cuts");
    assert!(cuts > 200, "only {cuts} syncs were cut");
}
