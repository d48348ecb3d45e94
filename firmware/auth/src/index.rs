// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tables that find a user by id, card or name. Made again from the file whenever they do not
//! carry the file's generation.

use platen_model::{CardKey, OwnerKey, UserId};
use platen_store::{Batch, Database, DatabaseError, Keys, Table};

use crate::import::Change;
use crate::user::User;

const GENERATION: &[u8] = b"generation";
/// No file has this generation: stands while the tables are being changed.
const CHANGING: u64 = 0;
/// Users written in one step: bounds the memory of a step.
const STEP_USERS: usize = 256;

/// The tables. Keys are ids and keyed hashes, values are sealed.
pub(crate) struct Index {
    database: Database,
    users: Table<User>,
    cards: Table<UserId>,
    owners: Table<UserId>,
    state: Table<u64>,
}

impl Index {
    pub(crate) fn open(database: &Database) -> Result<Self, DatabaseError> {
        Ok(Self {
            database: database.clone(),
            users: database.table("directory-users")?,
            cards: database.table("directory-cards")?,
            owners: database.table("directory-owners")?,
            state: database.table("directory")?,
        })
    }

    pub(crate) fn generation(&self) -> Result<u64, DatabaseError> {
        Ok(self.state.get(GENERATION)?.unwrap_or(CHANGING))
    }

    pub(crate) fn user(&self, id: UserId) -> Result<Option<User>, DatabaseError> {
        self.users.get(id.0.as_bytes())
    }

    pub(crate) fn by_card(&self, card: CardKey) -> Result<Option<User>, DatabaseError> {
        let id = self.cards.get(&card.0)?;
        id.map_or(Ok(None), |id| self.user(id))
    }

    pub(crate) fn by_owner(&self, owner: OwnerKey) -> Result<Option<UserId>, DatabaseError> {
        self.owners.get(&owner.0)
    }

    /// Empties the tables. Until [`Index::finish`] they count as not there.
    pub(crate) fn clear(&self) -> Result<(), DatabaseError> {
        self.begin()?;
        self.users.clear()?;
        self.cards.clear()?;
        self.owners.clear()
    }

    /// Marks the tables as not to be trusted, durably.
    pub(crate) fn begin(&self) -> Result<(), DatabaseError> {
        self.state.insert(GENERATION, &CHANGING)?;
        self.database.commit()
    }

    /// The tables hold what generation `generation` of the file holds.
    pub(crate) fn finish(&self, generation: u64) -> Result<(), DatabaseError> {
        self.database.commit()?;
        self.state.insert(GENERATION, &generation)?;
        self.database.commit()
    }

    pub(crate) fn insert(&self, users: &[User], keys: &Keys) -> Result<(), DatabaseError> {
        for step in users.chunks(STEP_USERS) {
            let mut batch = Batch::default();
            for user in step {
                self.add(&mut batch, user, keys)?;
            }
            self.database.apply(batch)?;
        }
        Ok(())
    }

    /// Removes what changed users had, all of it first: a card may go from one to another.
    pub(crate) fn change(&self, changes: &[Change], keys: &Keys) -> Result<(), DatabaseError> {
        for step in changes.chunks(STEP_USERS) {
            let mut batch = Batch::default();
            for old in step.iter().filter_map(|change| change.before.as_ref()) {
                for card in &old.cards {
                    batch.remove(&self.cards, &card.0)?;
                }
                for owner in old.owner_keys(keys) {
                    batch.remove(&self.owners, &owner.0)?;
                }
            }
            self.database.apply(batch)?;
        }
        for step in changes.chunks(STEP_USERS) {
            let mut batch = Batch::default();
            for change in step {
                self.add(&mut batch, &change.after, keys)?;
            }
            self.database.apply(batch)?;
        }
        Ok(())
    }

    fn add(&self, batch: &mut Batch, user: &User, keys: &Keys) -> Result<(), DatabaseError> {
        batch.insert(&self.users, user.id.0.as_bytes(), user)?;
        for card in &user.cards {
            batch.insert(&self.cards, &card.0, &user.id)?;
        }
        for owner in user.owner_keys(keys) {
            batch.insert(&self.owners, &owner.0, &user.id)?;
        }
        Ok(())
    }
}
