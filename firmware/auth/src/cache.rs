// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box's copy of the centre's directory: people, credentials, quotas, prices, rules, settings.
//! By it people log in while the centre is slow, away or gone. Tables: `docs/formats/cache.md`.
//!
//! A page of changes is taken as a whole or not at all, also over a power cut; it goes in only if it
//! follows the last one. A new generation is built beside the copy that serves and takes over when it
//! is complete. Values are sealed, keys are ids and keyed hashes. All of it can be fetched again but
//! for what the box adds: who was seen, which codes were used, which cards were bound, which sensor
//! slot is whose finger.
//!
//! Not here: signatures (the sync machine checks them), what a login is made of ([`crate::session`]).

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use platen_model::{
    CardKey, Chain, Changes, CredentialId, GroupId, GroupRecord, Moment, OwnerKey, Prices, Quota,
    RuleRecord, Settings, SiteId, UserId,
};
use platen_store::{Database, DatabaseError, Keys};
use thiserror::Error;

mod age;
mod apply;
mod bound;
mod copy;
mod local;
mod people;
mod state;

pub use bound::{BINDING_DAYS, BINDINGS_MAX, BINDINGS_OF_USER_MAX};
pub use local::Finger;

use age::Age;
use copy::Copied;
use local::Local;
use state::{Head, State, Store};

/// People in one copy, at most.
pub const USERS_MAX: u32 = 100_000;
/// Credentials in one copy, at most.
pub const CREDENTIALS_MAX: u32 = 400_000;
/// Groups, quotas, price lists and rules in one copy, together, at most: they are held in memory.
pub const TERMS_MAX: u32 = 10_000;
/// Records and tombstones of one page, at most.
pub const PAGE_OBJECTS_MAX: usize = 200_000;

/// Why a page was not taken, or the cache could not be read. The copy is as it was.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The page is another site's.
    #[error("the page is of site {0}, which this box is not part of")]
    OtherSite(SiteId),
    /// The page was made for another box.
    #[error("the page was made for another box")]
    OtherNode,
    /// The page is older than what the box has: a centre that went back in time without saying so.
    #[error("the page is of generation {found}, the box has {have}")]
    RolledBack {
        /// What the box has.
        have: u64,
        /// What came.
        found: u64,
    },
    /// The page does not begin where the box's copy ends.
    #[error("the page begins behind revision {found}, the box has {have}")]
    NotNext {
        /// What the box has.
        have: u64,
        /// What came.
        found: u64,
    },
    /// The page contradicts itself.
    #[error("the page contradicts itself: {0}")]
    Contradiction(&'static str),
    /// More of something than a box keeps.
    #[error("there are more {0} than a box can keep")]
    TooMany(&'static str),
    /// The database failed.
    #[error("the copy of the directory cannot be read or written")]
    Database(#[from] DatabaseError),
}

/// Up to where the box has the directory: what it asks the centre from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Position {
    /// The generation; 0 before the first page.
    pub generation: u64,
    /// The revision.
    pub revision: u64,
}

/// What a page did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Applied {
    /// Where the box stands now.
    pub position: Position,
    /// Whether that is all there is; the copy is confirmed then.
    pub complete: bool,
    /// Whether a new generation took over with this page.
    pub took_over: bool,
    /// Records taken.
    pub records: usize,
    /// Tombstones that ended something.
    pub ended: usize,
    /// Records too large to keep: there is no such object in the copy.
    pub refused: usize,
    /// Cards bound here that the centre confirmed, gave to somebody else or ended.
    pub bindings_ended: usize,
}

/// How the copy stands, for screens.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// The copy that serves; generation 0 while there is none.
    pub serving: Position,
    /// The one being built beside it.
    pub building: Option<Position>,
    /// Of the one being built or, else, of the one that serves: how far the centre is.
    pub latest: u64,
    /// People in the copy that serves.
    pub users: u32,
    /// Credentials in it.
    pub credentials: u32,
    /// Since when the centre has not confirmed it; `None` before it ever did.
    pub age: Option<Duration>,
    /// The centre's clock as it last confirmed.
    pub confirmed_unix_ms: Option<u64>,
    /// Cards bound here that wait for the centre.
    pub bindings: usize,
}

/// What holds for everybody, read once for each change.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Terms {
    /// Groups.
    pub groups: Vec<GroupRecord>,
    /// Quotas.
    pub quotas: Vec<Quota>,
    /// Price lists.
    pub prices: Vec<Prices>,
    /// Rules, in the order in which they are asked.
    pub rules: Vec<RuleRecord>,
    /// What the site decided.
    pub settings: Settings,
}

impl Terms {
    /// The group of an id.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&GroupRecord> {
        self.groups.iter().find(|group| group.id == id)
    }
}

/// The copy. Share it in an [`Arc`]. Looking up takes microseconds; a page blocks on the disk, and
/// lookups wait only while it is put in place.
pub struct Cache {
    keys: Arc<Keys>,
    store: Store,
    local: Local,
    /// Held while a page is taken.
    writing: Mutex<()>,
    live: RwLock<Live>,
}

/// What questions are answered by.
struct Live {
    state: State,
    age: Age,
    terms: Arc<Terms>,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cache({:?})", self.position())
    }
}

impl Cache {
    /// Opens the copy in `database`; an empty database is a copy of nothing. Blocks.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn open(keys: Arc<Keys>, database: &Database, now: Moment) -> Result<Self, DatabaseError> {
        let store = Store::open(database)?;
        let local = Local::open(database)?;
        let state = store.read()?;
        store.clear_unused(&state)?;
        let terms = Arc::new(store.terms(&state)?);
        let age = Age::read(state.confirmed, now);
        Ok(Self {
            keys,
            store,
            local,
            writing: Mutex::new(()),
            live: RwLock::new(Live { state, age, terms }),
        })
    }

    /// Takes a page whose signature was checked: whole or not at all, durable before it returns.
    /// The last page of what there is confirms the copy. Blocks on the disk.
    ///
    /// # Errors
    /// [`CacheError`]; the copy is as it was.
    pub fn apply(&self, changes: &Changes, now: Moment) -> Result<Applied, CacheError> {
        let _writing = self.writing();
        apply::apply(self, changes, now)
    }

    /// Where the next page has to begin.
    #[must_use]
    pub fn position(&self) -> Position {
        self.read()
            .state
            .newest()
            .map_or_else(Position::default, Head::position)
    }

    /// How many of the site's keys are behind the card hashes of the copy that serves; 0 while there
    /// is none.
    #[must_use]
    pub fn keys(&self) -> u32 {
        self.read().state.serving.map_or(0, |head| head.keys)
    }

    /// The site whose directory this is; `None` before the first page.
    #[must_use]
    pub fn site(&self) -> Option<SiteId> {
        self.read().state.site
    }

    /// Whether a whole copy serves: before its first one a box of a site knows neither people nor terms.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.read().state.serving.is_some()
    }

    /// Groups, quotas, prices, rules and settings.
    #[must_use]
    pub fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.read().terms)
    }

    /// How long the centre has not confirmed the copy; `None` before it ever did. Counts on over a
    /// restart, and while the box was off as far as a clock tells.
    #[must_use]
    pub fn age(&self, now: Moment) -> Option<Duration> {
        self.read().age.at(now)
    }

    /// How the copy stands.
    #[must_use]
    pub fn standing(&self, now: Moment) -> Standing {
        let live = self.read();
        let serving = live.state.serving.unwrap_or_default();
        Standing {
            serving: serving.position(),
            building: live.state.building.map(|head| head.position()),
            latest: live.state.newest().map_or(0, |head| head.latest),
            users: serving.users,
            credentials: serving.credentials,
            age: live.age.at(now),
            confirmed_unix_ms: live
                .state
                .confirmed
                .map(|confirmed| confirmed.centre_unix_ms),
            bindings: self
                .known(self.local.bindings())
                .map_or(0, |bound| bound.len()),
        }
    }

    /// Writes down how old the copy is, every ten minutes at most: so that a restart does not make
    /// it younger. Call it every minute or so while the centre is away. Blocks on the disk.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn tick(&self, now: Moment) -> Result<(), DatabaseError> {
        let _writing = self.writing();
        let mut state = self.read().state.clone();
        let Some(confirmed) = self.read().age.due(state.confirmed, now) else {
            return Ok(());
        };
        state.confirmed = Some(confirmed);
        self.store.write(&state)?;
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        live.state = state;
        Ok(())
    }

    /// The user who prints under a name with this key.
    #[must_use]
    pub fn owner(&self, owner: OwnerKey) -> Option<UserId> {
        self.look(|copy| copy.by_owner(owner)).map(|user| user.id)
    }

    /// Every finger of sensors of the family `part`, for filling a sensor. Reads some hundred a
    /// millisecond.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn fingers(&self, part: &str) -> Result<Vec<Finger>, DatabaseError> {
        let live = self.read();
        live.state.serving.map_or(Ok(Vec::new()), |head| {
            self.store.copy(head.slot).fingers(part)
        })
    }

    /// Which finger is in which slot of a sensor, durably. Blocks on the disk.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn set_slot(
        &self,
        sensor: &str,
        slot: u16,
        finger: Option<CredentialId>,
    ) -> Result<(), DatabaseError> {
        self.local.set_slot(sensor, slot, finger)
    }

    /// Whose finger is in a slot.
    #[must_use]
    pub fn slot(&self, sensor: &str, slot: u16) -> Option<CredentialId> {
        self.known(self.local.slot(sensor, slot)).flatten()
    }

    /// Every slot of a sensor that holds a finger of the directory.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn slots(&self, sensor: &str) -> Result<Vec<(u16, CredentialId)>, DatabaseError> {
        self.local.slots(sensor)
    }

    /// Puts the site's newer keys on the hashes of the cards that were bound here: `add` is given a
    /// hash and how many keys are behind it, and answers with the one of [`Cache::keys`] keys, or
    /// `None` where it lacks one. Call it when [`Applied::took_over`]. Blocks on the disk.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn rekey_bindings(
        &self,
        add: impl Fn(CardKey, u32) -> Option<CardKey>,
    ) -> Result<(), DatabaseError> {
        let _writing = self.writing();
        let keys = self.keys();
        self.local.rekey_bindings(keys, add)
    }

    /// Forgets everything: the box left its site. Blocks on the disk.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn forget(&self, now: Moment) -> Result<(), DatabaseError> {
        let _writing = self.writing();
        let state = State::default();
        self.store.write(&state)?;
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        live.age = Age::read(None, now);
        live.terms = Arc::default();
        live.state = state.clone();
        drop(live);
        self.local.clear()?;
        self.store.clear_unused(&state)
    }

    fn writing(&self) -> std::sync::MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the copy that serves, which stays in place meanwhile.
    fn look<T>(
        &self,
        ask: impl FnOnce(Copied<'_>) -> Result<Option<T>, DatabaseError>,
    ) -> Option<T> {
        let live = self.read();
        let head = live.state.serving?;
        let copy = Copied {
            tables: self.store.copy(head.slot),
            keys: &self.keys,
        };
        self.known(ask(copy)).flatten()
    }

    /// What can't be read is not known: nobody gets in by it.
    fn known<T>(&self, result: Result<T, DatabaseError>) -> Option<T> {
        result
            .inspect_err(|error| {
                log::error!(err:% = Chain(error); "the copy of the directory can't be read");
            })
            .ok()
    }
}
