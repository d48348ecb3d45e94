// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What happens when two things want the same job, when the journal takes nothing, and when the
//! printer's port misbehaves. The printer here is a closure for each step.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platen_hal::{
    Confirmation, PanelSignal, PortError, PortReport, PortSession, PortStatus, PrinterPort, Sending,
};
use platen_ledger::{Entry, Ledger, Outcome, Purse};
use platen_model::{
    Certainty, Clock, Evidence, Job, JobNumber, JobOptions, JobState, JobStateReason, ManualClock,
    PageCount, PrinterName, Sides,
};
use platen_spool::{NewJob, Spool, SpoolLimits};
use platen_store::{Database, Disk, Keys, SimDisk};
use smol::block_on;
use smol::channel::Receiver;

use super::approvals::Approvals;
use super::judge::Judge;
use super::site::NoSite;
use super::tap::{Queued, Releases};
use super::target::{Order, Target};
use super::worker::{Worker, Workshop, spawn};
use crate::config::{Language, UnknownOwner};
use crate::counting::Counter;
use crate::panel::Panel;

type Step = Box<dyn FnMut() -> Result<(), PortError> + Send>;

/// A printer that does `open` and `send` as told, and keeps what it was sent.
struct Scripted {
    open: Step,
    send: Arc<Mutex<Step>>,
    sent: Arc<Mutex<Vec<u8>>>,
    report: PortReport,
}

struct ScriptedSession {
    send: Arc<Mutex<Step>>,
    sent: Arc<Mutex<Vec<u8>>>,
    report: PortReport,
}

impl PrinterPort for Scripted {
    fn uri(&self) -> &'static str {
        "file:scripted"
    }

    fn status(&mut self) -> PortStatus {
        PortStatus {
            ready: true,
            reasons: Vec::new(),
        }
    }

    fn open(&mut self, _sending: &Sending) -> Result<Box<dyn PortSession>, PortError> {
        (self.open)()?;
        Ok(Box::new(ScriptedSession {
            send: Arc::clone(&self.send),
            sent: Arc::clone(&self.sent),
            report: self.report,
        }))
    }
}

impl PortSession for ScriptedSession {
    fn send(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        let mut send = self.send.lock().unwrap_or_else(|e| e.into_inner());
        send()?;
        self.sent.lock().unwrap().extend(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<PortReport, PortError> {
        Ok(self.report)
    }
}

/// Spool, journal and one printer.
struct Bench {
    disk: SimDisk,
    spool: Spool,
    ledger: Arc<Ledger>,
    panel: Arc<Panel>,
    shop: Arc<Workshop>,
    target: Arc<Target>,
    orders: Receiver<Order>,
    sent: Arc<Mutex<Vec<u8>>>,
    _index: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let index = tempfile::tempdir().unwrap();
        let disk = SimDisk::new(7);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let keys = Arc::new(Keys::open(&*shared).unwrap());
        let (database, _) = Database::open(&index.path().join("database"), &keys).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(1_800_000_000_000));
        let (ledger, _) =
            Ledger::open(Arc::clone(&shared), Arc::clone(&keys), Arc::clone(&clock)).unwrap();
        let ledger = Arc::new(ledger);
        let limits = SpoolLimits {
            reserve_bytes: 0,
            ..SpoolLimits::default()
        };
        let purse = Purse::open(
            Arc::clone(&shared),
            Arc::clone(&keys),
            Arc::clone(&ledger),
            Arc::clone(&clock),
        );
        let purse = purse.unwrap();
        let at = Arc::clone(&clock);
        let (spool, _) = Spool::open(shared, keys, &database, at, limits).unwrap();
        let panel = Arc::new(Panel::new(Language::En, Box::new(|_| ())));
        let judge = Arc::new(Judge {
            site: Arc::new(NoSite::default()),
            purse: Arc::new(purse),
            approvals: Approvals::open(&database).unwrap(),
            clock,
            utc_offset_minutes: 0,
            unknown_owner: UnknownOwner::default(),
        });
        let shop = Arc::new(Workshop {
            judge,
            spool: spool.clone(),
            ledger: Arc::clone(&ledger),
            counter: Counter::start(spool.clone()).unwrap(),
            panel: Arc::clone(&panel),
            executor: Arc::default(),
            append_pause: Duration::ZERO,
            attempts: Mutex::default(),
        });
        let (target, orders) =
            Target::new(toml::from_str("name = \"p\"\nuri = \"file:/p\"").unwrap());
        Self {
            disk,
            spool,
            ledger,
            panel,
            shop,
            target: Arc::new(target),
            orders,
            sent: Arc::default(),
            _index: index,
        }
    }

    fn port(
        &self,
        open: impl FnMut() -> Result<(), PortError> + Send + 'static,
        send: impl FnMut() -> Result<(), PortError> + Send + 'static,
    ) -> Box<Scripted> {
        Box::new(Scripted {
            open: Box::new(open),
            send: Arc::new(Mutex::new(Box::new(send))),
            sent: Arc::clone(&self.sent),
            report: PortReport::default(),
        })
    }

    fn worker(
        &self,
        open: impl FnMut() -> Result<(), PortError> + Send + 'static,
        send: impl FnMut() -> Result<(), PortError> + Send + 'static,
    ) -> Worker {
        Worker::new(&self.target, self.port(open, send), Arc::clone(&self.shop))
    }

    fn store(&self, push: bool, body: &[u8]) -> Job {
        let new = NewJob {
            name: "a job".to_owned(),
            owner: "somebody".to_owned(),
            format: "application/pdf".to_owned(),
            options: JobOptions::default(),
            target: push.then(|| PrinterName("p".to_owned())),
            hold: false,
        };
        let mut upload = self.spool.begin(new).unwrap();
        upload.write(body).unwrap();
        let job = block_on(self.spool.commit(upload)).unwrap();
        // Counted already, so that no release starts the counting child.
        let count = PageCount::parsed(1, 1, Sides::OneSided, Certainty::Exact);
        self.spool.set_count(job.number, count).unwrap()
    }

    /// A job as a tap leaves it.
    fn released(&self) -> Job {
        let job = self.store(false, b"%PDF");
        let (state, reason) = (JobState::Pending, JobStateReason::JobQueued);
        self.spool.advance(&job, state, reason).unwrap()
    }

    /// Prints as the printer's thread does, then lets the ended job be tidied up.
    fn print(&self, worker: &mut Worker, job: &Job) {
        let grant = None;
        let job = job.number;
        worker.carry_out(&self.target, Some(Order::Print { job, grant }));
        self.target.end();
        while self.shop.executor.try_tick() {}
        // One more change through the same queue: the end before it is done then.
        let barrier = self.store(false, b"x");
        block_on(self.spool.cancel(barrier.number, JobStateReason::None)).unwrap();
        while self.shop.executor.try_tick() {}
    }

    fn state(&self, number: JobNumber) -> (JobState, JobStateReason) {
        let job = self.spool.job(number).unwrap().unwrap();
        (job.state, job.reason)
    }

    /// What the journal says of a job, one word an entry.
    fn journal(&self, job: &Job) -> Vec<&'static str> {
        let word = |entry: &Entry| match entry {
            Entry::Released { .. } => "released",
            Entry::Settled { outcome, .. } => match outcome {
                Outcome::Completed => "completed",
                Outcome::Canceled => "settled-canceled",
                _ => "aborted",
            },
            Entry::Interrupted { .. } => "interrupted",
            Entry::Stopped { .. } => "stopped",
            Entry::Canceled { .. } => "canceled",
            _ => "other",
        };
        let entries = self.ledger.entries(1, 1000).unwrap();
        let own = entries
            .iter()
            .filter(|e| e.entry.job_number() == Some(job.number));
        own.map(|recorded| word(&recorded.entry)).collect()
    }
}

fn stalled() -> PortError {
    PortError::Stalled { seconds: 1 }
}

#[test]
fn two_who_release_one_job_queue_it_once() {
    let bench = Bench::new();
    let job = bench.store(false, b"%PDF");
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(0));
    let targets = vec![Arc::clone(&bench.target)];
    let releases = Releases::new(
        bench.spool.clone(),
        Arc::clone(&bench.panel),
        clock,
        targets,
        Arc::clone(&bench.shop.judge),
        Arc::clone(&bench.shop.counter),
    );
    assert_eq!(
        releases.queue(&bench.target, &job, None).unwrap(),
        Queued::Taken
    );
    assert_eq!(
        releases.queue(&bench.target, &job, None).unwrap(),
        Queued::Changed
    );
    assert_eq!(bench.orders.len(), 1);

    // Deleted while the printer was asked: the other jobs of the tap must still go.
    let gone = bench.store(false, b"%PDF");
    block_on(
        bench
            .spool
            .cancel(gone.number, JobStateReason::JobCanceledByUser),
    )
    .unwrap();
    assert_eq!(
        releases.queue(&bench.target, &gone, None).unwrap(),
        Queued::Changed
    );
}

/// A wish to delete another job took the one that is being printed back out of its deletion.
#[test]
fn deleting_a_second_job_does_not_undelete_the_first() {
    let bench = Bench::new();
    bench.target.begin(JobNumber(1));
    assert!(bench.target.cancel(JobNumber(1)));
    assert!(!bench.target.cancel(JobNumber(2)));
    assert!(bench.target.is_canceled());
}

/// Whoever deleted it was told so; the job waited again all the same.
#[test]
fn a_job_deleted_while_its_printer_is_asked_ends_although_the_printer_is_off() {
    let bench = Bench::new();
    let job = bench.released();
    let (target, number) = (Arc::clone(&bench.target), job.number);
    let open = move || {
        assert!(target.cancel(number));
        Err(stalled())
    };
    bench.print(&mut bench.worker(open, || Ok(())), &job);
    assert_eq!(bench.state(job.number).0, JobState::Canceled);
    assert_eq!(bench.journal(&job), ["canceled"]);
}

#[test]
fn a_job_deleted_while_its_printer_stalls_ends_as_deleted_and_is_not_charged() {
    let bench = Bench::new();
    let job = bench.released();
    let (target, number) = (Arc::clone(&bench.target), job.number);
    let send = move || {
        target.cancel(number);
        Err(stalled())
    };
    bench.print(&mut bench.worker(|| Ok(()), send), &job);
    assert_eq!(bench.state(job.number).0, JobState::Canceled);
    assert_eq!(bench.journal(&job), ["released", "settled-canceled"]);
}

#[test]
fn a_job_canceled_at_the_printer_ends_as_canceled_and_is_not_charged() {
    let bench = Bench::new();
    let job = bench.released();
    let send = || Err(PortError::Canceled);
    bench.print(&mut bench.worker(|| Ok(()), send), &job);
    assert_eq!(bench.state(job.number).0, JobState::Canceled);
    assert_eq!(bench.journal(&job), ["released", "settled-canceled"]);
}

#[test]
fn what_the_printer_confirmed_is_settled_where_the_box_counted_otherwise() {
    let bench = Bench::new();
    let job = bench.released();
    let mut port = bench.port(|| Ok(()), || Ok(()));
    port.report = PortReport {
        octets: 4,
        impressions: Some(5),
        confirmed_by: Some(Confirmation::PjlJob),
    };
    let mut worker = Worker::new(&bench.target, port, Arc::clone(&bench.shop));
    bench.print(&mut worker, &job);
    let entries = bench.ledger.entries(1, 1000).unwrap();
    let settled = entries.iter().find_map(|recorded| match &recorded.entry {
        Entry::Settled {
            impressions,
            confirmed_by,
            count,
            ..
        } => Some((*impressions, *confirmed_by, count.as_ref()?.impressions)),
        _ => None,
    });
    let expected = (Some(5), Some(Evidence::PrinterJob), Some(1));
    assert_eq!(settled, Some(expected));
    let ended = bench.spool.job(job.number).unwrap().unwrap();
    assert_eq!(ended.impressions_completed, 5);
}

#[test]
fn a_job_deleted_in_the_queue_or_held_again_is_left_alone() {
    let bench = Bench::new();
    let job = bench.released();
    let spool = bench.spool.clone();
    let number = job.number;
    let open = move || {
        block_on(spool.cancel(number, JobStateReason::JobCanceledByUser)).unwrap();
        Ok(())
    };
    bench.print(&mut bench.worker(open, || Ok(())), &job);
    assert!(bench.sent.lock().unwrap().is_empty());
    assert_eq!(bench.journal(&job), [""; 0]);
}

#[test]
fn a_full_journal_refuses_the_release_and_the_job_waits_until_there_is_room() {
    let bench = Bench::new();
    let job = bench.released();
    bench.disk.fill_at(Some(0));
    let mut worker = bench.worker(|| Ok(()), || Ok(()));
    let print = Some(Order::Print {
        job: job.number,
        grant: None,
    });
    worker.carry_out(&bench.target, print);
    bench.target.end();
    let waits = (JobState::PendingHeld, JobStateReason::JobReleaseWait);
    assert_eq!(bench.state(job.number), waits);
    assert!(bench.sent.lock().unwrap().is_empty());
    let shown = bench.panel.shown();
    assert_eq!(shown.signal, PanelSignal::PrinterError);
    assert!(shown.text.contains("disk is full"), "{}", shown.text);

    bench.disk.fill_at(None);
    let again = bench.spool.job(job.number).unwrap().unwrap();
    let (state, reason) = (JobState::Pending, JobStateReason::JobQueued);
    bench.spool.advance(&again, state, reason).unwrap();
    bench.print(&mut worker, &job);
    assert_eq!(bench.journal(&job), ["released", "completed"]);
    assert!(bench.ledger.verify().unwrap().faults.is_empty());
}

/// The journal kept the release open, and every later tap was refused as released already.
#[test]
fn a_job_whose_stop_was_not_journaled_can_be_released_again() {
    let bench = Bench::new();
    let job = bench.released();
    let disk = bench.disk.clone();
    let send = move || {
        disk.fill_at(Some(0));
        Err(stalled())
    };
    let print = Some(Order::Print {
        job: job.number,
        grant: None,
    });
    bench
        .worker(|| Ok(()), send)
        .carry_out(&bench.target, print);
    bench.target.end();
    bench.disk.fill_at(None);
    let stopped = bench.spool.job(job.number).unwrap().unwrap();
    assert_eq!(stopped.state, JobState::ProcessingStopped);
    let (state, reason) = (JobState::Pending, JobStateReason::JobQueued);
    bench.spool.advance(&stopped, state, reason).unwrap();
    bench.print(&mut bench.worker(|| Ok(()), || Ok(())), &job);
    let journal = ["released", "interrupted", "released", "completed"];
    assert_eq!(bench.journal(&job), journal);
}

#[test]
fn a_bug_in_the_port_costs_one_job_and_not_the_printer() {
    let bench = Bench::new();
    let (first, second) = (bench.released(), bench.released());
    let mut bugs = 1;
    let send = move || {
        bugs -= 1;
        assert!(bugs < 0, "a bug, for the test");
        Ok(())
    };
    let port = bench.port(|| Ok(()), send);
    let waiting = bench.orders.clone();
    spawn(&bench.target, waiting, port, Arc::clone(&bench.shop)).unwrap();
    assert!(bench.target.print(first.number, None));
    assert!(bench.target.print(second.number, None));
    let probed = || block_on(bench.target.probe()).ready && bench.target.queued() == 0;
    assert!((0..1000).any(|_| probed()), "the printer's thread hangs");
    let interrupted = (JobState::ProcessingStopped, JobStateReason::Interrupted);
    assert_eq!(bench.state(first.number), interrupted);
    assert_eq!(bench.journal(&first), ["released", "interrupted"]);
    assert_eq!(bench.journal(&second), ["released", "completed"]);
}

#[test]
fn a_body_that_was_changed_ends_its_job_and_only_what_was_proven_is_sent() {
    let bench = Bench::new();
    let document: Vec<u8> = (0..=250).cycle().take(200_000).collect();
    let job = bench.store(false, &document);
    let (state, reason) = (JobState::Pending, JobStateReason::JobQueued);
    let job = bench.spool.advance(&job, state, reason).unwrap();
    let path = PathBuf::from(format!("jobs/{}.body", job.id));
    let mut bytes = bench
        .disk
        .files()
        .into_iter()
        .find(|(name, _)| *name == path)
        .unwrap()
        .1;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bench.disk.truncate(&path, 0).unwrap();
    bench.disk.append(&path).unwrap().write_all(&bytes).unwrap();
    bench.print(&mut bench.worker(|| Ok(()), || Ok(())), &job);
    assert_eq!(bench.state(job.number).0, JobState::Aborted);
    assert_eq!(bench.journal(&job), ["released", "aborted"]);
    let sent = bench.sent.lock().unwrap();
    assert!(sent.len() < document.len() && document.starts_with(&sent));
}

/// Its client went away between storing and queueing, or the queue was full: it waited for a
/// restart.
#[test]
fn a_ready_printer_takes_up_push_jobs_that_nobody_queued() {
    let bench = Bench::new();
    let push = bench.store(true, b"%PDF");
    let pull = bench.store(false, b"%PDF");
    let mut worker = bench.worker(|| Ok(()), || Ok(()));
    worker.carry_out(&bench.target, None);
    assert_eq!(bench.orders.len(), 1);
    bench.print(&mut worker, &push);
    assert_eq!(bench.journal(&push), ["released", "completed"]);
    assert_eq!(bench.state(pull.number).0, JobState::PendingHeld);
}
