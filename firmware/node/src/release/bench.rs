// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the tests of the release pipeline start from: spool, journal, purse and one printer that is a
//! closure for each step; and a site of which everything can be said.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platen_hal::{PortError, PortReport, PortSession, PortStatus, PrinterPort, Sending};
use platen_ledger::{Entry, Ledger, Outcome, Purse};
use platen_model::{
    Certainty, Clock, Identity, Job, JobNumber, JobOptions, JobState, JobStateReason, ManualClock,
    PageCount, PrinterName, Sides, Source,
};
use platen_spool::{NewJob, Spool, SpoolLimits};
use platen_store::{Database, Disk, Keys, SimDisk};
use smol::block_on;
use smol::channel::Receiver;

use super::approvals::Approvals;
use super::judge::Judge;
use super::site::{Site, SiteTerms};
use super::tap::Releases;
use super::target::{Order, Target};
use super::worker::{Worker, Workshop};
use crate::config::{Language, UnknownOwner};
use crate::counting::Counter;
use crate::panel::Panel;

/// A site of which everything can be said at any time.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) terms: Mutex<Arc<SiteTerms>>,
    pub(crate) owner: Mutex<Option<Identity>>,
    /// Whether the centre can't be reached.
    pub(crate) away: AtomicBool,
    /// Whether the site has told nothing yet.
    pub(crate) silent: AtomicBool,
}

impl Said {
    pub(crate) fn new(terms: SiteTerms) -> Arc<Self> {
        Arc::new(Self {
            terms: Mutex::new(Arc::new(terms)),
            ..Self::default()
        })
    }
}

impl Site for Said {
    fn terms(&self) -> Arc<SiteTerms> {
        Arc::clone(&self.terms.lock().unwrap())
    }

    fn has_terms(&self) -> bool {
        !self.silent.load(Ordering::Relaxed)
    }

    fn source(&self) -> Source {
        match self.away.load(Ordering::Relaxed) {
            true => Source::Cached { age_s: 60 },
            false => Source::Online,
        }
    }

    fn owner_of(&self, _job: &Job) -> Option<Identity> {
        self.owner.lock().unwrap().clone()
    }
}

pub(crate) type Step = Box<dyn FnMut() -> Result<(), PortError> + Send>;

/// A printer that does `open` and `send` as told, and keeps what it was sent.
pub(crate) struct Scripted {
    pub(crate) open: Step,
    pub(crate) send: Arc<Mutex<Step>>,
    pub(crate) sent: Arc<Mutex<Vec<u8>>>,
    pub(crate) report: PortReport,
    pub(crate) told: Arc<Mutex<Vec<Sending>>>,
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

    fn open(&mut self, sending: &Sending) -> Result<Box<dyn PortSession>, PortError> {
        (self.open)()?;
        self.told.lock().unwrap().push(sending.clone());
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
pub(crate) struct Bench {
    pub(crate) disk: SimDisk,
    pub(crate) spool: Spool,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) panel: Arc<Panel>,
    pub(crate) shop: Arc<Workshop>,
    pub(crate) target: Arc<Target>,
    pub(crate) orders: Receiver<Order>,
    pub(crate) sent: Arc<Mutex<Vec<u8>>>,
    /// What the port was told before each sending.
    pub(crate) told: Arc<Mutex<Vec<Sending>>>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) _index: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::of(Said::new(SiteTerms::default()))
    }

    /// A box of this site.
    pub(crate) fn of(site: Arc<Said>) -> Self {
        let index = tempfile::tempdir().unwrap();
        let disk = SimDisk::new(7);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let keys = Arc::new(Keys::open(&*shared).unwrap());
        let (database, _) = Database::open(&index.path().join("database"), &keys).unwrap();
        let manual = Arc::new(ManualClock::at(1_800_000_000_000));
        let clock: Arc<dyn Clock> = Arc::clone(&manual) as _;
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
            site,
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
            told: Arc::default(),
            clock: manual,
            _index: index,
        }
    }

    pub(crate) fn port(
        &self,
        open: impl FnMut() -> Result<(), PortError> + Send + 'static,
        send: impl FnMut() -> Result<(), PortError> + Send + 'static,
    ) -> Box<Scripted> {
        Box::new(Scripted {
            open: Box::new(open),
            send: Arc::new(Mutex::new(Box::new(send))),
            sent: Arc::clone(&self.sent),
            report: PortReport::default(),
            told: Arc::clone(&self.told),
        })
    }

    pub(super) fn worker(
        &self,
        open: impl FnMut() -> Result<(), PortError> + Send + 'static,
        send: impl FnMut() -> Result<(), PortError> + Send + 'static,
    ) -> Worker {
        Worker::new(&self.target, self.port(open, send), Arc::clone(&self.shop))
    }

    pub(crate) fn store(&self, push: bool, body: &[u8]) -> Job {
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
    pub(crate) fn released(&self) -> Job {
        let job = self.store(false, b"%PDF");
        let (state, reason) = (JobState::Pending, JobStateReason::JobQueued);
        self.spool.advance(&job, state, reason).unwrap()
    }

    /// Prints as the printer's thread does, then lets the ended job be tidied up.
    pub(super) fn print(&self, worker: &mut Worker, job: &Job) {
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

    pub(crate) fn state(&self, number: JobNumber) -> (JobState, JobStateReason) {
        let job = self.spool.job(number).unwrap().unwrap();
        (job.state, job.reason)
    }

    /// What the journal says of a job, one word an entry.
    pub(crate) fn journal(&self, job: &Job) -> Vec<&'static str> {
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

    /// The pipeline before this printer and, behind it, `others`.
    pub(crate) fn releases(&self, others: Vec<Arc<Target>>) -> Releases {
        let targets = std::iter::once(Arc::clone(&self.target)).chain(others);
        Releases::new(
            self.spool.clone(),
            Arc::clone(&self.panel),
            Arc::clone(&self.clock) as _,
            targets.collect(),
            Arc::clone(&self.shop.judge),
            Arc::clone(&self.shop.counter),
        )
    }

    /// No thread of a printer answers here: its last known state stands, and it is ready.
    pub(crate) fn stand_still(&self) {
        self.target.set_status(PortStatus {
            ready: true,
            reasons: Vec::new(),
        });
        self.target.begin(JobNumber(u32::MAX));
    }

    pub(crate) fn clock_now(&self) -> platen_model::Moment {
        self.clock.now()
    }
}
