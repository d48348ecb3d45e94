// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which copies there are and how far each is: one value, written in the same batch as the page that
//! changes it.

use std::sync::Arc;

use platen_model::{Record, SiteId};
use platen_store::{Batch, Database, DatabaseError, Table};
use serde::{Deserialize, Serialize};

use super::age::Confirmed;
use super::copy::Tables;
use super::{Position, Terms};

const STATE: &[u8] = b"state";

/// One of the two places for a copy.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Slot {
    #[default]
    A,
    B,
}

impl Slot {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// A copy and how far it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) slot: Slot,
    pub(crate) generation: u64,
    pub(crate) revision: u64,
    pub(crate) latest: u64,
    pub(crate) keys: u32,
    pub(crate) users: u32,
    pub(crate) credentials: u32,
    /// Groups, quotas, price lists and rules.
    pub(crate) terms: u32,
}

impl Head {
    pub(crate) fn position(&self) -> Position {
        Position {
            generation: self.generation,
            revision: self.revision,
        }
    }
}

/// What there is.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) site: Option<SiteId>,
    pub(crate) serving: Option<Head>,
    pub(crate) building: Option<Head>,
    pub(crate) confirmed: Option<Confirmed>,
}

impl State {
    /// The copy that the next page is for.
    pub(crate) fn newest(&self) -> Option<&Head> {
        self.building.as_ref().or(self.serving.as_ref())
    }
}

/// The tables of both copies and their state.
pub(crate) struct Store {
    pub(crate) database: Database,
    state: Table<State>,
    a: Arc<Tables>,
    b: Arc<Tables>,
}

impl Store {
    pub(crate) fn open(database: &Database) -> Result<Self, DatabaseError> {
        Ok(Self {
            database: database.clone(),
            state: database.table("cache")?,
            a: Arc::new(Tables::open(
                database,
                ["cache-a", "cache-a-find", "cache-a-gone"],
            )?),
            b: Arc::new(Tables::open(
                database,
                ["cache-b", "cache-b-find", "cache-b-gone"],
            )?),
        })
    }

    pub(crate) fn copy(&self, slot: Slot) -> &Tables {
        match slot {
            Slot::A => &self.a,
            Slot::B => &self.b,
        }
    }

    pub(crate) fn read(&self) -> Result<State, DatabaseError> {
        Ok(self.state.get(STATE)?.unwrap_or_default())
    }

    pub(crate) fn put(&self, batch: &mut Batch, state: &State) -> Result<(), DatabaseError> {
        batch.insert(&self.state, STATE, state)
    }

    pub(crate) fn write(&self, state: &State) -> Result<(), DatabaseError> {
        self.state.insert(STATE, state)?;
        self.database.commit()
    }

    /// Empties the places where no copy is: what a copy that was given up left behind.
    pub(crate) fn clear_unused(&self, state: &State) -> Result<(), DatabaseError> {
        let used = [&state.serving, &state.building];
        let mut cleared = false;
        for slot in [Slot::A, Slot::B] {
            let is_used = used.iter().any(|head| head.is_some_and(|h| h.slot == slot));
            if !is_used && !self.copy(slot).is_empty()? {
                self.copy(slot).clear()?;
                cleared = true;
            }
        }
        if cleared {
            self.database.commit()?;
        }
        Ok(())
    }

    /// Reads what holds for everybody from the copy that serves.
    pub(crate) fn terms(&self, state: &State) -> Result<Terms, DatabaseError> {
        let mut terms = Terms::default();
        let Some(head) = state.serving else {
            return Ok(terms);
        };
        for record in self.copy(head.slot).terms() {
            match record? {
                Record::Group(group) => terms.groups.push(group),
                Record::Quota(quota) => terms.quotas.push(quota),
                Record::Prices(prices) => terms.prices.push(prices),
                Record::Rule(rule) => terms.rules.push(rule),
                Record::Settings(settings) => terms.settings = settings,
                _ => {}
            }
        }
        terms.rules.sort_by_key(|rule| (rule.order, rule.id));
        Ok(terms)
    }
}
