// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Puts the box together in the order that its promises need: keys and files first, then what the
//! ledger says about the spool, then printers, and readers last.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platen_auth::session::Patience;
use platen_auth::{Cache, Directory, PhoneCodes, Tries, Verifier};
use platen_hal::{DeviceEvent, PrinterPort};
use platen_hal_linux::Board;
use platen_ledger::{Entry, Ledger, LedgerReport, Purse};
use platen_model::{Clock, JobId, JobNumber};
use platen_service::SystemClock;
use platen_spool::{Spool, SpoolLimits};
use platen_store::{Database, Disk, Keys, OpenOutcome, RealDisk};
use smol::Executor;
use smol::channel::Receiver;
use uuid::Uuid;

use crate::alive::Alive;
use crate::centre::{self, Centre};
use crate::config::Config;
use crate::counting::Counter;
use crate::devices::fingers::Fingers;
use crate::devices::keys::DeviceKeys;
use crate::devices::{
    CentreWay, Door, EVENTS, Faults, NEWS, Outcomes, Owned, Parts, ReaderLamps, lights,
};
use crate::installed::Installed;
use crate::intake::incoming::Incoming;
use crate::intake::shown::ShownStates;
use crate::node::Node;
use crate::panel::Panel;
use crate::people::Residents;
use crate::ports::port;
use crate::release::{self, Approvals, Judge, Releases, Target, Workshop};
use crate::start::StartError;
use crate::update::Updates;

/// A journal that takes nothing is tried again after this.
const APPEND_PAUSE: Duration = Duration::from_secs(1);
/// PINs and passwords that are compared at once: each takes a core and 19 MiB.
const HASHES_AT_ONCE: usize = 1;
/// Those that may wait for their turn.
const HASHES_WAITING: usize = 16;

/// Everything durable, opened and brought together.
struct State {
    attempts: HashMap<JobId, u32>,
    judge: Arc<Judge>,
    disk: Arc<dyn Disk>,
    database: Database,
    keys: Arc<Keys>,
    spool: Spool,
    ledger: Arc<Ledger>,
    directory: Arc<Directory>,
    cache: Arc<Cache>,
    people: Arc<Residents>,
    logins: Arc<platen_auth::Door>,
    device_keys: Arc<DeviceKeys>,
    faults: Vec<String>,
    uuid: Uuid,
}

/// The box, and the events of its readers.
pub(crate) fn assemble(
    config: Config,
    executor: &Arc<Executor<'static>>,
) -> Result<(Arc<Node>, Receiver<DeviceEvent>), StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let board = Board::read(&config.board)?;
    // A mistake in the files is found before anything is touched.
    let ports: Vec<_> = config.printers.iter().map(port).collect::<Result<_, _>>()?;
    let installed = Installed::read(&config.update.release);
    let state = open_state(&config, &board, &clock, &installed.version)?;
    let lamps = ReaderLamps::default();
    let panel = Arc::new(Panel::new(
        config.language,
        lights(&board, Arc::clone(&lamps))?,
    ));
    let (window, shared) = (config.update_window(), Arc::clone(&clock));
    let updates = Updates::open(&config.update, window, installed, shared);
    let centre = Arc::new(open_centre(&config, &state, &clock, &panel, &updates)?);
    let link = Arc::downgrade(&centre);
    let stands = move || link.upgrade().is_some_and(|centre| centre.is_online());
    state.people.watch_link(stands);
    let counter = Counter::start(state.spool.clone()).map_err(StartError::Spawn)?;
    let targets = start_printers(&config, ports, &state, &counter, &panel, executor)?;
    let releases = Arc::new(Releases::new(
        state.spool.clone(),
        Arc::clone(&panel),
        Arc::clone(&clock),
        targets,
        Arc::clone(&state.judge),
        Arc::clone(&counter),
    ));
    centre.watch_printers(Arc::clone(&releases));
    release::resume_push_jobs(&state.spool, &releases)?;
    let (events, incoming) = smol::channel::bounded(EVENTS);
    let devices = Owned::start(&Parts {
        board: &board,
        keys: &state.device_keys,
        clock: &clock,
        events: &events,
        executor,
        lamps: &lamps,
    })?;
    let way = CentreWay::default();
    way.set(Arc::new(centre::Way(Arc::clone(&centre))));
    let door = Arc::new(Door {
        keys: Arc::clone(&state.keys),
        people: Arc::clone(&state.people),
        cache: Arc::clone(&state.cache),
        logins: Arc::clone(&state.logins),
        centre: way,
        clock: Arc::clone(&clock),
        executor: Arc::clone(executor),
        releases: Arc::clone(&releases),
        ledger: Arc::clone(&state.ledger),
        panel: Arc::clone(&panel),
        outcomes: Outcomes::default(),
        weak_cards: config.cards.weak,
        pad: AtomicBool::new(board.has_pad()),
        busy: AtomicBool::default(),
        faults: Faults::of(&board),
        news: smol::channel::bounded(NEWS),
    });
    let started_unix_ms = clock.now().unix_ms;
    let State {
        keys,
        spool,
        ledger,
        directory,
        cache,
        people: _,
        logins: _,
        disk,
        database: _,
        device_keys,
        faults,
        uuid,
        attempts: _,
        judge: _,
    } = state;
    let node = Node {
        disk,
        executor: Arc::clone(executor),
        config,
        clock,
        keys,
        spool,
        ledger,
        directory,
        cache,
        counter,
        panel,
        centre,
        releases,
        door,
        incoming: Incoming::default(),
        shown_states: ShownStates::default(),
        devices,
        fingers: Fingers::default(),
        device_keys,
        uuid,
        started_unix_ms,
        listens_at: Mutex::default(),
        web: Mutex::default(),
        alive: Alive::default(),
        updates,
        faults,
    };
    Ok((Arc::new(node), incoming))
}

fn open_state(
    config: &Config,
    board: &Board,
    clock: &Arc<dyn Clock>,
    version: &str,
) -> Result<State, StartError> {
    let data = &config.data;
    let disk = RealDisk::open(data).map_err(StartError::Data)?;
    lock(data)?;
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let keys = Arc::new(Keys::open(&*disk)?);
    let (database, outcome) = Database::open(&data.join("database"), &keys)?;
    let (ledger, report) = Ledger::open(Arc::clone(&disk), Arc::clone(&keys), Arc::clone(clock))?;
    let limits = SpoolLimits {
        body_octets_max: config.ipp.max_document_mib.saturating_mul(1 << 20),
        reserve_bytes: config.spool.reserve_mib.saturating_mul(1 << 20),
        minimum_next: report
            .highest_job_number
            .map_or(JobNumber(1), |n| JobNumber(n.0 + 1)),
        ..SpoolLimits::default()
    };
    let (spool, opened) = Spool::open(
        Arc::clone(&disk),
        Arc::clone(&keys),
        &database,
        Arc::clone(clock),
        limits,
    )?;
    let directory = Arc::new(Directory::open(
        Arc::clone(&disk),
        Arc::clone(&keys),
        &database,
    )?);
    let device_keys = Arc::new(DeviceKeys::open(
        Arc::clone(&disk),
        Arc::clone(&keys),
        board,
    )?);
    let cache = Arc::new(Cache::open(Arc::clone(&keys), &database, clock.now())?);
    let people = Residents::new(Arc::clone(&directory), Arc::clone(&cache));
    let people = Arc::new(people);
    let logins = Arc::new(platen_auth::Door {
        people: Arc::clone(&people) as _,
        tries: Arc::new(Tries::open(&database, clock.now())?),
        verifier: Arc::new(Verifier::new(HASHES_AT_ONCE, HASHES_WAITING)),
        phones: Arc::new(PhoneCodes::new()?),
        patience: Patience::default(),
    });
    log::info!(jobs = opened.jobs, rebuilt = opened.rebuilt; "spool opened");
    let attempts = release::recover(&report, &ledger, &spool)?;
    // With the entries before it the journal says which release ran when, and which one fell back.
    let version = version.to_owned();
    ledger.append_blocking(Entry::Started { version })?;
    let uuid = keys.box_uuid();
    let faults = faults(&report, &outcome);
    let ledger = Arc::new(ledger);
    let purse = Purse::open(
        Arc::clone(&disk),
        Arc::clone(&keys),
        Arc::clone(&ledger),
        Arc::clone(clock),
    )?;
    let judge = Arc::new(Judge {
        site: Arc::clone(&people) as _,
        purse: Arc::new(purse),
        approvals: Approvals::open(&database)?,
        clock: Arc::clone(clock),
        utc_offset_minutes: config.rules.utc_offset_minutes,
        unknown_owner: config.rules.unknown_owner,
    });
    Ok(State {
        attempts,
        judge,
        disk,
        database,
        keys,
        spool,
        ledger,
        directory,
        cache,
        people,
        logins,
        device_keys,
        faults,
        uuid,
    })
}

fn open_centre(
    config: &Config,
    state: &State,
    clock: &Arc<dyn Clock>,
    panel: &Arc<Panel>,
    updates: &Arc<Updates>,
) -> Result<Centre, StartError> {
    let parts = centre::Parts {
        url: config.centre.url.clone(),
        name: config.announce.name.clone(),
        clock: Arc::clone(clock),
        disk: Arc::clone(&state.disk),
        keys: Arc::clone(&state.keys),
        database: state.database.clone(),
        ledger: Arc::clone(&state.ledger),
        spool: state.spool.clone(),
        cache: Arc::clone(&state.cache),
        people: Arc::clone(&state.people),
        purse: Arc::clone(&state.judge.purse),
        panel: Arc::clone(panel),
        tries: Arc::clone(&state.logins.tries),
        updates: Arc::clone(updates),
    };
    Ok(Centre::open(parts)?)
}

/// What somebody should look at, one keyword each.
fn faults(report: &LedgerReport, outcome: &OpenOutcome) -> Vec<String> {
    let mut faults = Vec::new();
    if !report.faults.is_empty() {
        faults.push("journal-damaged".to_owned());
    }
    if matches!(outcome, OpenOutcome::Replaced { .. }) {
        faults.push("index-rebuilt".to_owned());
    }
    faults
}

/// One daemon a data directory. The lock lives as long as the process.
fn lock(data: &Path) -> Result<(), StartError> {
    let file = File::create(data.join("lock")).map_err(StartError::Data)?;
    match file.try_lock() {
        Ok(()) => {
            // Closing the file would give the lock back.
            std::mem::forget(file);
            Ok(())
        }
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::DataInUse),
        Err(std::fs::TryLockError::Error(error)) => Err(StartError::Data(error)),
    }
}

fn start_printers(
    config: &Config,
    ports: Vec<Box<dyn PrinterPort>>,
    state: &State,
    counter: &Arc<Counter>,
    panel: &Arc<Panel>,
    executor: &Arc<Executor<'static>>,
) -> Result<Vec<Arc<Target>>, StartError> {
    let shop = Arc::new(Workshop {
        spool: state.spool.clone(),
        ledger: Arc::clone(&state.ledger),
        counter: Arc::clone(counter),
        panel: Arc::clone(panel),
        judge: Arc::clone(&state.judge),
        executor: Arc::clone(executor),
        append_pause: APPEND_PAUSE,
        attempts: Mutex::new(state.attempts.clone()),
    });
    let mut targets = Vec::new();
    for (printer, port) in config.printers.iter().zip(ports) {
        let (target, waiting) = Target::new(printer.clone());
        let target = Arc::new(target);
        release::spawn(&target, waiting, port, Arc::clone(&shop)).map_err(StartError::Spawn)?;
        targets.push(target);
    }
    Ok(targets)
}
