// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cards that people bound to themselves at this box, beside the copy: worth something here until the
//! centre says what they are, or for [`BINDING_DAYS`].

use platen_model::{
    CardKey, Changes, CredentialId, CredentialKind, CredentialRecord, Record, RecordId, UserId,
};
use platen_store::{DatabaseError, seal};
use serde::{Deserialize, Serialize};
use uuid::Builder;

use super::apply::credential_id;
use super::copy::{self, Tables};
use super::local::Local;
use crate::people::{BoundCard, NewCard};

/// Cards that wait for the centre, at most.
pub const BINDINGS_MAX: usize = 256;
/// Of one person, at most.
pub const BINDINGS_OF_USER_MAX: usize = 2;
/// Days that such a card is worth something without the centre's word.
pub const BINDING_DAYS: u64 = 7;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A card bound here.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bound {
    /// The credential, provisional.
    pub(crate) credential: CredentialRecord,
    /// How many of the site's keys are behind its hash.
    pub(crate) keys: u32,
    /// Wall milliseconds since 1970.
    at_unix_ms: u64,
}

impl Bound {
    pub(crate) fn is_over(&self, unix_ms: u64) -> bool {
        unix_ms.saturating_sub(self.at_unix_ms) > BINDING_DAYS * DAY_MS
    }

    fn card(&self) -> Option<CardKey> {
        match self.credential.kind {
            CredentialKind::Card { key, .. } => Some(key),
            _ => None,
        }
    }
}

/// What a page of changes means for cards bound here.
pub(super) struct Fate<'a> {
    pub(super) changes: &'a Changes,
    pub(super) tables: &'a Tables,
    /// Whether the copy that the page goes into serves from now on: before, a record in it lets
    /// nobody in, and the binding still does.
    pub(super) records_count: bool,
}

impl Fate<'_> {
    /// Whether the centre confirmed it, ended it, ended its owner, or gave the card to somebody.
    pub(super) fn is_over(&self, bound: &Bound) -> Result<bool, DatabaseError> {
        let CredentialRecord { id, user, .. } = bound.credential;
        let ids = [RecordId::Credential(id), RecordId::User(user)];
        if self
            .changes
            .tombstones
            .iter()
            .any(|gone| ids.contains(&gone.id))
        {
            return Ok(true);
        }
        Ok(self.records_count && (self.is_in_page(bound) || self.is_in_copy(bound)?))
    }

    fn is_in_page(&self, bound: &Bound) -> bool {
        self.changes.records.iter().any(|one| {
            credential_id(&one.record) == Some(bound.credential.id.0)
                || (bound.card().is_some() && card_of(&one.record) == bound.card())
        })
    }

    fn is_in_copy(&self, bound: &Bound) -> Result<bool, DatabaseError> {
        let by_id = copy::place(RecordId::Credential(bound.credential.id));
        if let Some((_, place)) = by_id
            && self.tables.objects.contains(&place)?
        {
            return Ok(true);
        }
        bound.card().map_or(Ok(false), |card| {
            self.tables.finds.contains(&copy::card_place(card))
        })
    }
}

fn card_of(record: &Record) -> Option<CardKey> {
    match record {
        Record::Credential(CredentialRecord {
            kind: CredentialKind::Card { key, .. },
            ..
        }) => Some(*key),
        _ => None,
    }
}

impl Local {
    /// Binds a card, durably; `None` when too many wait already.
    pub(crate) fn bind(
        &self,
        user: UserId,
        card: NewCard,
        keys: u32,
        unix_ms: u64,
    ) -> Result<Option<BoundCard>, DatabaseError> {
        let _changing = self.changing();
        let (over, waiting): (Vec<_>, Vec<_>) = self
            .bindings()?
            .into_iter()
            .partition(|(_, bound)| bound.is_over(unix_ms));
        for (key, _) in over {
            self.bound.remove(&key)?;
        }
        let is_users = |(_, bound): &&(Vec<u8>, Bound)| bound.credential.user == user;
        let of_user = waiting.iter().filter(is_users).count();
        let is_there = waiting.iter().any(|(key, _)| *key == card.key.0);
        if is_there || of_user >= BINDINGS_OF_USER_MAX || waiting.len() >= BINDINGS_MAX {
            return Ok(None);
        }
        let random = seal::random_bytes().map_err(|source| DatabaseError::Sealed {
            table: "cache-bound",
            source,
        })?;
        let credential = CredentialRecord {
            id: CredentialId(Builder::from_random_bytes(random).into_uuid()),
            user,
            kind: CredentialKind::Card {
                key: card.key,
                with_pin: false,
                proved: card.proved,
            },
            until_unix_ms: None,
            provisional: true,
        };
        let bound = Bound {
            credential: credential.clone(),
            keys,
            at_unix_ms: unix_ms,
        };
        self.bound.insert(&card.key.0, &bound)?;
        self.database.commit()?;
        Ok(Some(BoundCard { credential, keys }))
    }

    /// Every card bound here, by its hash.
    pub(crate) fn bindings(&self) -> Result<Vec<(Vec<u8>, Bound)>, DatabaseError> {
        self.bound.scan(&[]).collect()
    }

    pub(crate) fn rekey_bindings(
        &self,
        keys: u32,
        add: impl Fn(CardKey, u32) -> Option<CardKey>,
    ) -> Result<(), DatabaseError> {
        let _changing = self.changing();
        let mut batch = platen_store::Batch::default();
        let old = self.bindings()?.into_iter();
        for (place, mut bound) in old.filter(|(_, bound)| bound.keys < keys) {
            let CredentialKind::Card { key, .. } = &mut bound.credential.kind else {
                continue;
            };
            if let Some(newer) = add(*key, bound.keys) {
                *key = newer;
                bound.keys = keys;
                batch.remove(&self.bound, &place)?;
                batch.insert(&self.bound, &newer.0, &bound)?;
            }
        }
        self.database.apply(batch)?;
        self.database.commit()
    }
}
