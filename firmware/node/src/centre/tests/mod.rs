// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A box's link against a centre that does what a test tells it.

mod directory;
mod enrolling;
mod journal;
mod kept;
mod logins;
mod scripted;
mod spans;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::people::Residents;
use platen_auth::{Cache, Directory, Tries};
use platen_ledger::{Entry, Ledger, Purse};
use platen_model::local::CentreState;
use platen_model::{Clock, GroupId, GroupRecord, ManualClock, Record, UserId, UserRecord};
use platen_spool::{Spool, SpoolLimits};
use platen_store::{Database, Disk, Keys, SimDisk};
use platen_sync::enrol::Code;
use smol::{Task, Timer};
use uuid::Uuid;

use super::{Centre, Parts};
use crate::config::{Language, UpdateConfig};
use crate::installed::Installed;
use crate::panel::Panel;
use crate::update::Updates;
use scripted::{NOW_MS, Scripted, executor};

/// Longer than any wait that a test holds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A box; `disk` is the same over its restarts.
struct Bench {
    disk: SimDisk,
    index: tempfile::TempDir,
    clock: Arc<ManualClock>,
    centre: Arc<Centre>,
    task: Option<Task<()>>,
}

impl Bench {
    fn new(url: &str) -> Self {
        Self::on(SimDisk::new(1), url, NOW_MS)
    }

    /// A box on this disk, with an empty index.
    fn on(disk: SimDisk, url: &str, clock_ms: u64) -> Self {
        let index = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(clock_ms));
        let centre = Arc::new(open(&disk, index.path(), &clock, url));
        Self {
            disk,
            index,
            clock,
            centre,
            task: None,
        }
    }

    fn run(&mut self) {
        let centre = Arc::clone(&self.centre);
        self.task = Some(executor().spawn(centre.run()));
    }

    /// Ends the daemon, and all that it holds open.
    fn end(self) -> (SimDisk, tempfile::TempDir) {
        if let Some(task) = self.task {
            smol::block_on(task.cancel());
        }
        let mut centre = self.centre;
        // Work on other threads ends in its own time.
        wait_until("the box has ended", || Arc::get_mut(&mut centre).is_some());
        centre.parts.spool.close();
        (self.disk, self.index)
    }

    fn state(&self) -> CentreState {
        self.centre.status().state
    }

    /// The code on the panel, typed at the centre.
    fn code(&self) -> Code {
        wait_until("a code is shown", || self.centre.status().code.is_some());
        let code = self.centre.status().code.unwrap();
        assert!(self.centre.parts.panel.shown().text.contains(&code));
        Code::parse(&code).unwrap()
    }

    fn enrol(&mut self, scripted: &Scripted) {
        self.run();
        scripted.book().typed = Some(self.code());
        wait_until("the box is enrolled and has the directory", || {
            self.state() == CentreState::Online && self.revision() == scripted.book().latest()
        });
    }

    fn revision(&self) -> u64 {
        self.centre.parts.cache.position().revision
    }

    fn append(&self, entry: Entry) {
        self.centre.parts.ledger.append_blocking(entry).unwrap();
    }

    fn has_alert(&self, keyword: &str) -> bool {
        self.centre.modes().iter().any(|mode| mode == keyword)
    }
}

fn open(disk: &SimDisk, index: &std::path::Path, clock: &Arc<ManualClock>, url: &str) -> Centre {
    let keys = Arc::new(Keys::open(disk).unwrap());
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    let (database, _) = Database::open(index, &keys).unwrap();
    let (ledger, _) =
        Ledger::open(Arc::clone(&disk), Arc::clone(&keys), Arc::clone(&clock)).unwrap();
    let ledger = Arc::new(ledger);
    let (spool, _) = Spool::open(
        Arc::clone(&disk),
        Arc::clone(&keys),
        &database,
        Arc::clone(&clock),
        SpoolLimits::default(),
    )
    .unwrap();
    let purse = Purse::open(
        Arc::clone(&disk),
        Arc::clone(&keys),
        Arc::clone(&ledger),
        Arc::clone(&clock),
    );
    let cache = Arc::new(Cache::open(Arc::clone(&keys), &database, clock.now()).unwrap());
    let directory = Directory::open(Arc::clone(&disk), Arc::clone(&keys), &database).unwrap();
    let people = Residents::new(Arc::new(directory), Arc::clone(&cache));
    let tries = Tries::open(&database, clock.now()).unwrap();
    // Off until a test makes the folder.
    let updates = UpdateConfig {
        folder: index.join("update"),
        orders: index.join("orders"),
        release: index.join("release"),
        window: None,
    };
    let installed = Installed::read(&updates.release);
    Centre::open(Parts {
        updates: Updates::open(&updates, None, installed, Arc::clone(&clock)),
        url: Some(url.to_owned()),
        name: "Box".to_owned(),
        clock,
        disk,
        keys,
        database,
        ledger,
        spool,
        cache,
        people: Arc::new(people),
        purse: Arc::new(purse.unwrap()),
        panel: Arc::new(Panel::new(Language::En, Box::new(|_| ()))),
        tries: Arc::new(tries),
    })
    .unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test's patience is real time")]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = SystemTime::now();
    while !holds() {
        let waited = start.elapsed().unwrap_or_default();
        assert!(waited < PATIENCE, "never: {what}");
        smol::block_on(Timer::after(Duration::from_millis(10)));
    }
}

/// Long enough that what must not happen would have.
fn a_while() {
    smol::block_on(Timer::after(Duration::from_millis(1500)));
}

fn group(n: u128) -> Record {
    Record::Group(GroupRecord {
        id: GroupId(Uuid::from_u128(n)),
        name: format!("group {n}"),
    })
}

fn user(n: u128, login: &str) -> Record {
    Record::User(UserRecord {
        id: UserId(Uuid::from_u128(n)),
        login: login.to_owned(),
        name: String::new(),
        aliases: Vec::new(),
        number: None,
        groups: Vec::new(),
        active: true,
    })
}

fn login_entry(n: u128) -> Entry {
    Entry::LoginAccepted {
        user: UserId(Uuid::from_u128(n)),
        reader: "gate".to_owned(),
        source: platen_model::Source::Local,
        proved: false,
        method: None,
    }
}
