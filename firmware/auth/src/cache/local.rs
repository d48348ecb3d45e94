// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the box notes by itself beside the copy, and what outlives a new generation of it: who was
//! seen here, which codes were used, which cards were bound, whose finger is in which sensor slot.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use platen_model::{CredentialId, UserId};
use platen_store::{Database, DatabaseError, Table};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::bound::Bound;

/// Bytes of a sensor's name, at most: longer ones are cut.
const SENSOR_BYTES_MAX: usize = 64;
/// A person is noted as seen once within this time.
const SEEN_EVERY_MS: u64 = 60 * 60 * 1000;

/// A finger of the directory, for a sensor.
#[derive(Clone, Eq, PartialEq)]
pub struct Finger {
    /// The credential.
    pub credential: CredentialId,
    /// Whose finger it is.
    pub user: UserId,
    /// The template, as a sensor of this family gave it.
    pub template: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Finger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Finger({})", self.credential)
    }
}

/// The box's own tables beside the copy.
pub(crate) struct Local {
    pub(crate) database: Database,
    /// When a person was let in here last, wall milliseconds.
    pub(crate) seen: Table<u64>,
    /// Codes used here, wall milliseconds.
    pub(crate) used: Table<u64>,
    pub(crate) bound: Table<Bound>,
    slots: Table<Uuid>,
    changing: Mutex<()>,
}

impl Local {
    pub(crate) fn open(database: &Database) -> Result<Self, DatabaseError> {
        Ok(Self {
            database: database.clone(),
            seen: database.table("cache-seen")?,
            used: database.table("cache-used")?,
            bound: database.table("cache-bound")?,
            slots: database.table("cache-slots")?,
            changing: Mutex::new(()),
        })
    }

    /// Held between looking and writing, where that must be one step.
    pub(crate) fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn last_seen(&self, user: UserId) -> Result<Option<u64>, DatabaseError> {
        self.seen.get(user.0.as_bytes())
    }

    /// Not committed: at worst a power cut forgets that somebody was here.
    pub(crate) fn saw(&self, user: UserId, unix_ms: u64) -> Result<(), DatabaseError> {
        let last = self.last_seen(user)?;
        if last.is_some_and(|last| unix_ms.saturating_sub(last) < SEEN_EVERY_MS) {
            return Ok(());
        }
        self.seen.insert(user.0.as_bytes(), &unix_ms)
    }

    pub(crate) fn is_used(&self, code: CredentialId) -> Result<bool, DatabaseError> {
        self.used.contains(code.0.as_bytes())
    }

    /// True once for each code; durable before it answers.
    pub(crate) fn use_code(&self, code: CredentialId, unix_ms: u64) -> Result<bool, DatabaseError> {
        let _changing = self.changing();
        if self.is_used(code)? {
            return Ok(false);
        }
        self.used.insert(code.0.as_bytes(), &unix_ms)?;
        self.database.commit()?;
        Ok(true)
    }

    pub(crate) fn set_slot(
        &self,
        sensor: &str,
        slot: u16,
        finger: Option<CredentialId>,
    ) -> Result<(), DatabaseError> {
        let key = slot_place(sensor, slot);
        match finger {
            Some(CredentialId(id)) => self.slots.insert(&key, &id)?,
            None => self.slots.remove(&key)?,
        }
        self.database.commit()
    }

    pub(crate) fn slot(
        &self,
        sensor: &str,
        slot: u16,
    ) -> Result<Option<CredentialId>, DatabaseError> {
        Ok(self.slots.get(&slot_place(sensor, slot))?.map(CredentialId))
    }

    pub(crate) fn slots(&self, sensor: &str) -> Result<Vec<(u16, CredentialId)>, DatabaseError> {
        let mut slots = Vec::new();
        for row in self.slots.scan(&sensor_place(sensor)) {
            let (key, id) = row?;
            if let Some(slot) = key.last_chunk::<2>() {
                slots.push((u16::from_be_bytes(*slot), CredentialId(id)));
            }
        }
        Ok(slots)
    }

    pub(crate) fn clear(&self) -> Result<(), DatabaseError> {
        let _changing = self.changing();
        self.seen.clear()?;
        self.used.clear()?;
        self.bound.clear()?;
        self.slots.clear()?;
        self.database.commit()
    }
}

/// The name, a zero byte: names don't run into each other.
fn sensor_place(sensor: &str) -> Vec<u8> {
    let name = sensor.as_bytes();
    let name = name.get(..SENSOR_BYTES_MAX).unwrap_or(name);
    [name, &[0]].concat()
}

fn slot_place(sensor: &str, slot: u16) -> Vec<u8> {
    let mut key = sensor_place(sensor);
    key.extend(slot.to_be_bytes());
    key
}
