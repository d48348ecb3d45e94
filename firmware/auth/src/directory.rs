// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directory as the daemon sees it: opening, importing, identifying.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use platen_model::local::ImportReport;
use platen_model::{
    CardKey, Chain, CredentialId, Denied, Identity, Moment, OwnerKey, Settings, Source, UserId,
};
use platen_store::{Database, DatabaseError, Disk, Keys};

use crate::error::DirectoryError;
use crate::import::{Change, People};
use crate::index::Index;
use crate::people::{self, BoundCard, Held, NewCard, Person, SecretKind, StoredSecret};
use crate::snapshot::{self, Snapshot, Summary};
use crate::user::User;

/// How many there are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Counts up with every import that changed something; 0 before the first.
    pub generation: u64,
    /// Users, also those who may not log in.
    pub users: u64,
    /// Cards bound to them.
    pub cards: u64,
}

/// Users and cards of this box. Share it in an [`Arc`]. Looking up takes microseconds; importing
/// blocks on the disk, and lookups wait for its last step.
pub struct Directory {
    disk: Arc<dyn Disk>,
    keys: Arc<Keys>,
    /// Held while the file is being replaced.
    importing: Mutex<()>,
    state: RwLock<State>,
}

struct State {
    summary: Summary,
    index: Index,
    /// Whether the tables hold what the file holds; else the file is read for every question.
    indexed: bool,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Directory({:?})", self.counts())
    }
}

impl Directory {
    /// Opens `directory.sealed` on `disk`; makes the index in `database` again when it is not of
    /// the file's generation. Blocks.
    ///
    /// # Errors
    /// [`DirectoryError::Damaged`], [`DirectoryError::Sealed`], [`DirectoryError::Version`],
    /// [`DirectoryError::Disk`] for the file; [`DirectoryError::Index`] only when the database has
    /// no tables at all.
    pub fn open(
        disk: Arc<dyn Disk>,
        keys: Arc<Keys>,
        database: &Database,
    ) -> Result<Self, DirectoryError> {
        let index = Index::open(database).map_err(DirectoryError::Index)?;
        let snapshot = Snapshot::open(&*disk, keys.values())?;
        let summary = snapshot
            .as_ref()
            .map_or_else(Summary::default, |snapshot| snapshot.summary);
        let current = index.generation().ok() == Some(summary.generation);
        let mut indexed = current && summary.generation > 0;
        if !indexed {
            indexed = match rebuild(&index, snapshot, summary, &keys)? {
                Ok(()) => true,
                Err(error) => {
                    warn_index(&error);
                    false
                }
            };
        }
        Ok(Self {
            disk,
            keys,
            importing: Mutex::new(()),
            state: RwLock::new(State {
                summary,
                index,
                indexed,
            }),
        })
    }

    /// Takes users and cards from a CSV file with the columns `user`, `name`, `card`, `aliases`,
    /// `active` (a header is required, the order is free, all but `user` may be absent; cards and
    /// aliases may be several, with `;` between them). `card` turns the text of a card number into
    /// its keyed hash, or says what is wrong with it. Good rows are taken, others are in the
    /// report with their line. What the file says of a user replaces what was known; users it does
    /// not name stay. Survives a power cut as a whole or not at all. Blocks.
    ///
    /// # Errors
    /// [`DirectoryError`]; nothing was taken then.
    pub fn import(
        &self,
        file: impl Read,
        card: impl Fn(&str) -> Result<CardKey, &'static str>,
    ) -> Result<ImportReport, DirectoryError> {
        let _importing = self
            .importing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut people = self.people()?;
        let (report, changes) = people.import(file, &self.keys, &card)?;
        if changes.is_empty() {
            return Ok(report);
        }
        let before = self.read().summary;
        let summary = Summary {
            generation: before.generation + 1,
            users: u32::try_from(people.users.len()).expect("users keep their limit"),
            cards: u32::try_from(people.cards()).expect("cards keep their limits"),
        };
        let users = people.users.values();
        snapshot::write(&*self.disk, self.keys.values(), summary, users)?;
        drop(people);
        self.switch(summary, &changes);
        Ok(report)
    }

    /// Whose card is this?
    ///
    /// # Errors
    /// [`Denied`]: nobody, or somebody who may not log in.
    pub fn identify(&self, card: CardKey) -> Result<Identity, Denied> {
        let user = self.by_card(card).ok_or(Denied::UnknownCard)?;
        if user.active {
            Ok(user.person(&self.keys).identity(Source::Local, false))
        } else {
            Err(Denied::UserDisabled)
        }
    }

    fn by_card(&self, card: CardKey) -> Option<User> {
        self.find(
            |index| index.by_card(card),
            |user| user.cards.contains(&card),
        )
    }

    /// What is known of a user.
    #[must_use]
    pub fn user(&self, id: UserId) -> Option<User> {
        self.find(|index| index.user(id), |user| user.id == id)
    }

    /// The user who prints under a name with this key.
    #[must_use]
    pub fn owner(&self, owner: OwnerKey) -> Option<UserId> {
        let by_index = |index: &Index| match index.by_owner(owner)? {
            Some(id) => index.user(id),
            None => Ok(None),
        };
        self.find(by_index, |user| {
            user.owner_keys(&self.keys).contains(&owner)
        })
        .map(|user| user.id)
    }

    /// How many there are.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let summary = self.read().summary;
        Counts {
            generation: summary.generation,
            users: summary.users.into(),
            cards: summary.cards.into(),
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks into the index; where that fails, through the file: slower, but people can print.
    fn find(
        &self,
        by_index: impl Fn(&Index) -> Result<Option<User>, DatabaseError>,
        is_it: impl Fn(&User) -> bool,
    ) -> Option<User> {
        let state = self.read();
        if state.indexed {
            match by_index(&state.index) {
                Ok(found) => return found,
                Err(error) => warn_index(&error),
            }
        }
        self.scan(is_it).unwrap_or_else(|error| {
            log::error!(err:% = Chain(&error); "the directory can't be read");
            None
        })
    }

    fn scan(&self, is_it: impl Fn(&User) -> bool) -> Result<Option<User>, DirectoryError> {
        let mut found = None;
        if let Some(snapshot) = Snapshot::open(&*self.disk, self.keys.values())? {
            snapshot.for_each_block(|block| {
                found = block.into_iter().find(|user| is_it(user));
                found.is_none()
            })?;
        }
        Ok(found)
    }

    fn people(&self) -> Result<People, DirectoryError> {
        let mut people = People::default();
        if let Some(snapshot) = Snapshot::open(&*self.disk, self.keys.values())? {
            snapshot.for_each_block(|block| {
                for user in block {
                    people.add(user, &self.keys);
                }
                true
            })?;
        }
        Ok(people)
    }

    /// The file is already the new one: a failing index costs speed only.
    fn switch(&self, summary: Summary, changes: &[Change]) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.summary = summary;
        if !state.indexed {
            return;
        }
        let index = &state.index;
        let changed = index
            .begin()
            .and_then(|()| index.change(changes, &self.keys))
            .and_then(|()| index.finish(summary.generation));
        if let Err(error) = changed {
            warn_index(&error);
            state.indexed = false;
        }
    }
}

impl people::People for Directory {
    fn person(&self, id: UserId) -> Option<Person> {
        self.user(id).map(|user| user.person(&self.keys))
    }

    fn by_login(&self, login: &str) -> Option<Person> {
        self.person(self.owner(self.keys.owner_key(login))?)
    }

    /// Users of a box of no site have no numbers.
    fn by_number(&self, _: &str) -> Option<Person> {
        None
    }

    fn by_card(&self, card: CardKey, _: Moment) -> Option<Held> {
        let user = self.by_card(card)?;
        Some(Held {
            person: user.person(&self.keys),
            credential: None,
            with_pin: false,
            proved: false,
            until_unix_ms: None,
            provisional: false,
        })
    }

    fn by_code(&self, _: CardKey) -> Option<Held> {
        None
    }

    fn by_credential(&self, _: CredentialId) -> Option<Held> {
        None
    }

    fn secret(&self, _: UserId, _: SecretKind) -> Option<StoredSecret> {
        None
    }

    fn stand_in(&self, name: &str) -> CredentialId {
        people::stand_in(&self.keys, name)
    }

    fn settings(&self) -> Settings {
        Settings::default()
    }

    fn binds_cards(&self) -> bool {
        false
    }

    fn wall_unix_ms(&self, now: Moment) -> u64 {
        now.unix_ms
    }

    fn without_centre(&self, _: UserId, _: Moment) -> Result<Source, Denied> {
        Ok(Source::Local)
    }

    fn saw(&self, _: UserId, _: Moment) {}

    fn use_code(&self, _: CredentialId, _: Moment) -> bool {
        false
    }

    fn bind_card(&self, _: UserId, _: NewCard, _: Moment) -> Option<BoundCard> {
        None
    }
}

fn warn_index(error: &DatabaseError) {
    log::warn!(err:% = Chain(error); "the directory's index failed, reading the file instead");
}

/// Outer errors are the file's, inner ones the index's.
fn rebuild(
    index: &Index,
    snapshot: Option<Snapshot<'_>>,
    summary: Summary,
    keys: &Keys,
) -> Result<Result<(), DatabaseError>, DirectoryError> {
    let mut result = index.clear();
    if let Some(snapshot) = snapshot {
        snapshot.for_each_block(|block| {
            if result.is_ok() {
                result = index.insert(&block, keys);
            }
            true
        })?;
    }
    let result = result.and_then(|()| index.finish(summary.generation));
    if result.is_ok() && summary.users > 0 {
        log::info!(users = summary.users, cards = summary.cards; "directory index made again");
    }
    Ok(result)
}
