// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The spool's promises without power cuts: order, states, limits, what is kept and what is gone.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![allow(clippy::large_stack_arrays, reason = "bodies of a test thread")]

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use platen_model::{
    Certainty, ColorMode, Job, JobNumber, JobOptions, JobState, JobStateReason, ManualClock,
    PageCount, PrinterName, Sides,
};
use platen_spool::{NewJob, OpenReport, Spool, SpoolError, SpoolLimits, Which};
use platen_store::{Database, Disk, Keys, SimDisk};
use smol::block_on;

/// A spool on a simulated disk, with its database in a directory of its own.
struct Bench {
    disk: SimDisk,
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    limits: SpoolLimits,
}

impl Bench {
    fn new() -> Self {
        Self {
            disk: SimDisk::new(1),
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(1_700_000_000_000)),
            limits: SpoolLimits::default(),
        }
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::new(Keys::open(&self.disk).unwrap())
    }

    fn open(&self) -> (Spool, OpenReport) {
        let keys = self.keys();
        let (database, _) = Database::open(&self.dir.path().join("database"), &keys).unwrap();
        let disk = Arc::new(self.disk.clone());
        let clock = Arc::clone(&self.clock) as _;
        Spool::open(disk, keys, &database, clock, self.limits.clone()).unwrap()
    }

    fn names(&self, ending: &str) -> usize {
        let names = self.disk.list(Path::new("jobs")).unwrap();
        names.iter().filter(|name| name.ends_with(ending)).count()
    }
}

fn new_job(owner: &str) -> NewJob {
    NewJob {
        name: "report.pdf".into(),
        owner: owner.into(),
        format: "application/pdf".into(),
        options: JobOptions::default(),
        target: None,
        hold: true,
    }
}

fn submit(spool: &Spool, job: NewJob, body: &[u8]) -> Result<Job, SpoolError> {
    let mut upload = spool.begin(job)?;
    for piece in body.chunks(10_000) {
        upload.write(piece)?;
    }
    block_on(spool.commit(upload))
}

fn body(spool: &Spool, number: JobNumber) -> Vec<u8> {
    let mut bytes = Vec::new();
    spool.body(number).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn end(spool: &Spool, number: JobNumber) -> Result<Job, SpoolError> {
    let reason = JobStateReason::JobCompletedSuccessfully;
    block_on(spool.end(number, JobState::Completed, reason, 3))
}

#[test]
fn a_person_finds_own_jobs_in_order_of_arrival() {
    let bench = Bench::new();
    let (spool, _) = bench.open();
    for owner in ["lena", "paul", "OFFICE\\Lena", "paul", "lena"] {
        submit(&spool, new_job(owner), b"%PDF").unwrap();
    }
    let keys = bench.keys();
    let held = spool.held_by(&[keys.owner_key("lena")]).unwrap();
    let numbers: Vec<_> = held.iter().map(|job| job.number.0).collect();
    assert_eq!(numbers, [1, 3, 5]);
    assert!(held.iter().all(|job| job.state == JobState::PendingHeld));
    let both = [
        keys.owner_key("lena"),
        keys.owner_key("paul"),
        keys.owner_key("LENA"),
    ];
    assert_eq!(spool.held_by(&both).unwrap().len(), 5);
    assert_eq!((spool.held_count(), spool.active_count()), (5, 5));
}

#[test]
fn small_and_large_documents_come_back_whole() {
    let bench = Bench::new();
    let (spool, _) = bench.open();
    for length in [0, 1, 65_535, 65_536, 65_537, 400_000] {
        let plain: Vec<u8> = (0..length).map(|i: u32| i.to_le_bytes()[0]).collect();
        let job = submit(&spool, new_job("lena"), &plain).unwrap();
        assert_eq!(job.octets, u64::from(length));
        assert_eq!(body(&spool, job.number), plain);
    }
}

#[test]
fn an_upload_that_is_dropped_leaves_nothing() {
    let bench = Bench::new();
    let (spool, _) = bench.open();
    let mut upload = spool.begin(new_job("lena")).unwrap();
    assert!(!upload.blocks_for(65_536) && upload.blocks_for(65_537));
    upload.write(&[0; 200_000]).unwrap();
    assert_eq!(bench.names(".body"), 1);
    drop(upload);
    assert_eq!(bench.names(""), 0);
    assert_eq!(spool.active_count(), 0);
}

#[test]
fn a_created_job_waits_for_its_document_and_takes_one() {
    let bench = Bench::new();
    let (spool, _) = bench.open();
    let job = block_on(spool.create(new_job("lena"))).unwrap();
    assert_eq!(
        (job.state, job.reason),
        (JobState::PendingHeld, JobStateReason::JobIncoming)
    );
    assert_eq!(spool.held_count(), 0, "nothing to collect yet");
    assert!(matches!(spool.body(job.number), Err(SpoolError::NoBody(_))));
    let mut first = spool.begin_document(job.number, "image/jpeg").unwrap();
    let mut second = spool.begin_document(job.number, "image/jpeg").unwrap();
    first.write(&[1; 100_000]).unwrap();
    assert!(matches!(
        second.write(&[2; 100_000]),
        Err(SpoolError::HasBody(_))
    ));
    drop(second);
    let job = block_on(spool.commit(first)).unwrap();
    assert_eq!((job.format.as_str(), job.octets), ("image/jpeg", 100_000));
    assert_eq!(job.reason, JobStateReason::JobHoldUntilSpecified);
    assert_eq!(body(&spool, job.number), [1; 100_000]);
    let again = spool.begin_document(job.number, "image/jpeg");
    assert!(matches!(again, Err(SpoolError::HasBody(_))));
}

#[test]
fn an_ended_job_is_gone_from_the_disk_and_stays_in_the_history() {
    let mut bench = Bench::new();
    bench.limits.history_max = 3;
    let (spool, _) = bench.open();
    for _ in 0..5 {
        let job = submit(&spool, new_job("lena"), b"%PDF").unwrap();
        end(&spool, job.number).unwrap();
    }
    assert_eq!(bench.names(""), 0, "ticket, body and key are gone");
    let history = spool.jobs(Which::Completed, 10, None).unwrap();
    let numbers: Vec<_> = history.iter().map(|job| job.number.0).collect();
    assert_eq!(numbers, [5, 4, 3], "newest first, oldest forgotten");
    let last = history.first().unwrap();
    assert_eq!(
        (last.state, last.impressions_completed),
        (JobState::Completed, 3)
    );
    assert_eq!(spool.job_by_id(last.id).unwrap().as_ref(), Some(last));
    assert!(matches!(
        end(&spool, last.number),
        Err(SpoolError::NotFound(_))
    ));
    assert_eq!(spool.job(JobNumber(1)).unwrap(), None);
}

#[test]
fn states_on_the_way_to_the_printer_fall_back_at_a_restart() {
    let bench = Bench::new();
    let (spool, _) = bench.open();
    let job = submit(&spool, new_job("lena"), b"%PDF").unwrap();
    let reason = JobStateReason::JobPrinting;
    let printing = spool
        .set_state(job.number, JobState::Processing, reason)
        .unwrap();
    assert!(printing.processing_unix_ms.is_some());
    assert_eq!(spool.held_count(), 0);
    assert_eq!(spool.jobs(Which::Released, 10, None).unwrap(), [printing]);
    let ended = spool.set_state(job.number, JobState::Completed, reason);
    assert!(matches!(ended, Err(SpoolError::NotNow(_))));
    let count = PageCount::parsed(2, 1, Sides::OneSided, Certainty::Exact);
    spool.set_count(job.number, count.clone()).unwrap();
    drop(spool);
    let (spool, report) = bench.open();
    assert_eq!(
        (report.rebuilt, report.rested.as_slice()),
        (false, [job.number].as_slice())
    );
    assert_eq!(spool.jobs(Which::Held, 10, None).unwrap().len(), 1);
    let marked = spool.mark_interrupted(&[job.id]).unwrap();
    assert_eq!(
        marked.first().map(|job| job.state),
        Some(JobState::ProcessingStopped)
    );
    let asked = spool.held_by(&[job.owner.key]).unwrap();
    assert_eq!(
        asked.first().map(|job| job.reason),
        Some(JobStateReason::Interrupted)
    );
    assert_eq!(asked.first().and_then(|job| job.count.clone()), Some(count));
}

#[test]
fn hold_and_release_survive_the_loss_of_the_index() {
    let bench = Bench::new();
    let (spool, _) = bench.open();
    let pull = submit(&spool, new_job("lena"), b"%PDF").unwrap();
    let target = Some(PrinterName("office".into()));
    let hold = false;
    let to_printer = NewJob {
        target,
        hold,
        ..new_job("lena")
    };
    let push = submit(&spool, to_printer, b"%PDF").unwrap();
    assert_eq!(push.state, JobState::Pending);
    block_on(spool.set_hold(push.number, true)).unwrap();
    block_on(spool.set_hold(pull.number, false)).unwrap();
    drop(spool);
    std::fs::remove_dir_all(bench.dir.path().join("database")).unwrap();
    let (spool, report) = bench.open();
    assert!(report.rebuilt);
    let reason = |number| {
        let job = spool.job(number).unwrap().unwrap();
        assert_eq!(job.state, JobState::PendingHeld);
        job.reason
    };
    assert_eq!(
        reason(pull.number),
        JobStateReason::JobReleaseWait,
        "waits for its owner"
    );
    assert_eq!(reason(push.number), JobStateReason::JobHoldUntilSpecified);
    spool
        .set_state(
            pull.number,
            JobState::Processing,
            JobStateReason::JobPrinting,
        )
        .unwrap();
    let late = block_on(spool.set_hold(pull.number, true));
    assert!(matches!(late, Err(SpoolError::NotNow(_))));
}

#[test]
fn changed_options_survive_a_rebuild_and_are_refused_after_the_release() {
    let bench = Bench::new();
    let (spool, _) = bench.open();
    let job = submit(&spool, new_job("lena"), b"%PDF").unwrap();
    let count = PageCount::parsed(2, 1, Sides::OneSided, Certainty::Exact);
    let seen = spool.set_count(job.number, count).unwrap();
    let wanted = JobOptions {
        copies: 3,
        sides: Sides::TwoSidedLongEdge,
        color: ColorMode::Monochrome,
        ..job.options
    };
    let changed = block_on(spool.set_options(job.number, wanted.clone())).unwrap();
    assert_eq!((&changed.options, &changed.count), (&wanted, &None));
    let (state, reason) = (JobState::Pending, JobStateReason::JobQueued);
    let decided_before = spool.advance(&seen, state, reason);
    assert!(matches!(decided_before, Err(SpoolError::NotNow(_))));
    drop(spool);
    std::fs::remove_dir_all(bench.dir.path().join("database")).unwrap();
    let (spool, report) = bench.open();
    assert!(report.rebuilt);
    let job = spool.job(job.number).unwrap().unwrap();
    assert_eq!(job.options, wanted);
    spool.advance(&job, state, reason).unwrap();
    let late = block_on(spool.set_options(job.number, JobOptions::default()));
    assert!(matches!(late, Err(SpoolError::NotNow(_))));
    assert_eq!(spool.job(job.number).unwrap().unwrap().options, wanted);
}

#[test]
fn numbers_go_on_after_a_restart_and_after_the_ledgers_last() {
    let mut bench = Bench::new();
    let (spool, _) = bench.open();
    let first = submit(&spool, new_job("lena"), b"").unwrap();
    end(&spool, first.number).unwrap();
    drop(spool);
    let (spool, _) = bench.open();
    assert_eq!(submit(&spool, new_job("lena"), b"").unwrap().number.0, 2);
    drop(spool);
    std::fs::remove_dir_all(bench.dir.path().join("database")).unwrap();
    bench.limits.minimum_next = JobNumber(77);
    let (spool, _) = bench.open();
    assert_eq!(submit(&spool, new_job("lena"), b"").unwrap().number.0, 77);
}

#[test]
fn limits_are_answered_and_leave_nothing() {
    let mut bench = Bench::new();
    bench.limits.body_octets_max = 100_000;
    let (spool, _) = bench.open();
    let too_large = submit(&spool, new_job("lena"), &[0; 100_001]);
    assert!(matches!(
        too_large,
        Err(SpoolError::TooLarge {
            limit_octets: 100_000
        })
    ));
    let name = "x".repeat(20_000);
    let long_name = submit(
        &spool,
        NewJob {
            name,
            ..new_job("lena")
        },
        b"",
    );
    assert!(matches!(long_name, Err(SpoolError::TicketTooLarge { .. })));
    assert_eq!(bench.names(""), 0);
}

#[test]
fn a_full_disk_refuses_loses_nothing_and_works_again_with_room() {
    let mut bench = Bench::new();
    bench.limits.reserve_bytes = 10_000;
    let (spool, _) = bench.open();
    let kept = submit(&spool, new_job("lena"), &[7; 90_000]).unwrap();
    for limit in [95_000, 99_000, 150_000, 180_000] {
        bench.disk.fill_at(Some(limit));
        assert!(matches!(
            submit(&spool, new_job("lena"), &[8; 90_000]),
            Err(SpoolError::Full)
        ));
        assert!(
            matches!(
                submit(&spool, new_job("lena"), &[8; 60_000]),
                Err(SpoolError::Full)
            ) || limit > 150_000
        );
    }
    assert_eq!(body(&spool, kept.number), [7; 90_000]);
    bench.disk.fill_at(Some(95_000));
    assert!(!spool.has_room());
    end(&spool, kept.number).unwrap();
    assert!(spool.has_room() || spool.active_count() > 0);
    bench.disk.fill_at(None);
    submit(&spool, new_job("lena"), &[8; 90_000]).unwrap();
    drop(spool);
    let (spool, report) = bench.open();
    assert_eq!((report.leftovers_removed, report.damaged.len()), (0, 0));
    assert_eq!(bench.names(".body"), spool.active_count());
}

#[test]
fn held_and_stopped_jobs_expire_oldest_first_and_one_that_prints_stays() {
    let bench = Bench::new();
    let (spool, _) = bench.open();
    let old = submit(&spool, new_job("lena"), b"").unwrap();
    let stopped = submit(&spool, new_job("lena"), b"").unwrap();
    spool.mark_interrupted(&[stopped.id]).unwrap();
    let printing = submit(&spool, new_job("lena"), b"").unwrap();
    spool
        .set_state(
            printing.number,
            JobState::Processing,
            JobStateReason::JobPrinting,
        )
        .unwrap();
    bench.clock.advance(Duration::from_secs(3600));
    let young = submit(&spool, new_job("lena"), b"").unwrap();
    let is_old = |job: &Job| job.created_unix_ms < young.created_unix_ms;
    let ended = block_on(spool.expire(is_old)).unwrap();
    let ids: Vec<_> = ended.iter().map(|job| job.id).collect();
    assert_eq!(ids, [old.id, stopped.id]);
    assert_eq!(
        ended.first().map(|job| job.reason),
        Some(JobStateReason::JobCanceledAtDevice)
    );
    assert_eq!(spool.active_count(), 2);
}

#[test]
fn a_damaged_ticket_or_a_lost_body_is_set_aside_and_the_others_stay() {
    let bench = Bench::new();
    let (spool, _) = bench.open();
    let jobs: Vec<_> = (0..3)
        .map(|_| submit(&spool, new_job("lena"), b"x").unwrap())
        .collect();
    drop(spool);
    std::fs::remove_dir_all(bench.dir.path().join("database")).unwrap();
    let path = |index: usize, kind| format!("jobs/{}.{kind}", jobs[index].id);
    bench
        .disk
        .truncate(Path::new(&path(0, "ticket")), 50)
        .unwrap();
    bench.disk.remove(Path::new(&path(1, "body"))).unwrap();
    let (spool, report) = bench.open();
    let damaged = BTreeSet::from([jobs[0].id, jobs[1].id]);
    assert_eq!(BTreeSet::from_iter(report.damaged), damaged);
    assert_eq!(body(&spool, jobs[2].number), b"x");
    assert_eq!((spool.active_count(), bench.names(".damaged")), (1, 3));
    drop(spool);
    assert_eq!(bench.open().1.damaged, []);
}

#[test]
fn many_uploads_at_once_share_their_syncs() {
    let bench = Bench::new();
    let (spool, _) = bench.open();
    let before = bench.disk.syncs();
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let spool = spool.clone();
            smol::spawn(async move { spool.commit(spool.begin(new_job("lena")).unwrap()).await })
        })
        .collect();
    let mut numbers: Vec<_> = tasks
        .into_iter()
        .map(|task| block_on(task).unwrap().number)
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 200);
    // Files are counted one by one here; what is shared is the directory's sync.
    let of_directory = bench.disk.syncs() - before - 400;
    assert!(
        of_directory < 200,
        "{of_directory} syncs of the directory for 200 jobs"
    );
}

/// A job was canceled, or expired, between being found and being printed: its files went while its
/// bytes were on their way, and the journal had it both canceled and charged.
#[test]
fn a_job_that_prints_is_not_canceled_and_a_canceled_one_is_not_printed() {
    let bench = Bench::new();
    let (spool, _) = bench.open();
    let seen = submit(&spool, new_job("lena"), b"x").unwrap();
    let pending = spool
        .advance(&seen, JobState::Pending, JobStateReason::JobQueued)
        .unwrap();
    let again = spool.advance(&seen, JobState::Pending, JobStateReason::JobQueued);
    assert!(matches!(again, Err(SpoolError::NotNow(_))), "{again:?}");
    let (printing, why) = (JobState::Processing, JobStateReason::JobPrinting);
    spool.advance(&pending, printing, why).unwrap();
    let reason = JobStateReason::JobCanceledByUser;
    let refused = block_on(spool.cancel(seen.number, reason));
    assert!(matches!(refused, Err(SpoolError::NotNow(_))), "{refused:?}");
    assert_eq!(body(&spool, seen.number), b"x");

    let other = submit(&spool, new_job("lena"), b"y").unwrap();
    block_on(spool.cancel(other.number, reason)).unwrap();
    let late = spool.advance(&other, printing, why);
    assert!(matches!(late, Err(SpoolError::NotFound(_))), "{late:?}");
    assert_eq!((bench.names(".body"), spool.held_count()), (1, 0));
}

#[test]
fn a_job_whose_end_fails_waits_as_before() {
    let bench = Bench::new();
    let (spool, _) = bench.open();
    let job = submit(&spool, new_job("lena"), b"x").unwrap();
    bench.disk.freeze_at_sync(bench.disk.syncs());
    let failed = block_on(spool.cancel(job.number, JobStateReason::JobCanceledByUser));
    assert!(matches!(failed, Err(SpoolError::Disk(_))), "{failed:?}");
    let now = spool.job(job.number).unwrap().unwrap();
    assert_eq!((now.state, now.reason), (job.state, job.reason));
    assert_eq!(spool.held_count(), 1);
}

/// Threads of the daemon still hold clones when it ends; without an explicit close every start
/// read all tickets again.
#[test]
fn a_closed_spool_takes_no_change_and_opens_at_once() {
    let bench = Bench::new();
    let (spool, _) = bench.open();
    let job = submit(&spool, new_job("lena"), b"x").unwrap();
    let clone = spool.clone();
    clone.close();
    let late = spool.set_state(job.number, JobState::Pending, JobStateReason::JobQueued);
    assert!(matches!(late, Err(SpoolError::Closed)), "{late:?}");
    drop((spool, clone));
    let (spool, report) = bench.open();
    assert_eq!((report.rebuilt, spool.held_count()), (false, 1));
}
