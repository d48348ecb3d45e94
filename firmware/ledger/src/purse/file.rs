// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The sealed file of leases: byte map in `docs/formats/leases.md`.

use std::collections::BTreeMap;
use std::sync::Arc;

use platen_model::{JobId, Lease, LeaseId, Share};
use platen_store::{Disk, Keys, SealedFile, SealedFileError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::slices::{LEASES_MAX, Slice};
use super::tally::Tally;
use crate::error::LedgerError;
use crate::frame::ChainHash;
use crate::ledger::Receipt;
use crate::segment::DIR;

/// Far more than the limits of leases and of open releases come to.
const BYTES_MAX: usize = 4 << 20;
const FILE: SealedFile = SealedFile {
    folder: DIR,
    name: "leases.sealed",
    magic: b"PLATENLS",
    version: 1,
    context: b"platen leases 1\0",
    bytes_max: BYTES_MAX,
};

/// Why leases can't be read or kept.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PurseError {
    /// The file can't be read or written, or a newer program wrote it.
    #[error("the leases can't be read or kept")]
    File(#[from] SealedFileError),
    /// What was spent on the leases can't be read.
    #[error("the journal can't be read for the leases")]
    Ledger(#[from] LedgerError),
}

/// A lease as it stands in the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Held {
    lease: Lease,
    /// The ledger's head as it was taken: nothing before is about it.
    since: u64,
    /// What was spent on it up to the file's place in the ledger.
    spent: u64,
}

/// What is in the file: leases, as they stood at one place in the ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Filed {
    /// The place: its sequence number, 0 for the ledger's beginning.
    pub(super) base: u64,
    /// The ledger's head as the file was written, `base` or behind it.
    pub(super) seen: u64,
    /// The chain's hash there: another one is another ledger.
    #[serde(with = "hash_bytes")]
    pub(super) hash: ChainHash,
    /// Highest serial taken.
    pub(super) upto: u64,
    /// What was known of leases was lost with entries of the ledger: the first that come count as spent.
    pub(super) blind: bool,
    held: Vec<Held>,
    /// Spent on leases that are not here, after a loss of the file.
    strays: BTreeMap<LeaseId, u64>,
    /// Releases without an end at the place, with what they had set aside.
    open: Vec<(JobId, Vec<Share>)>,
}

impl Filed {
    /// No leases, at a place of the ledger.
    pub(super) fn at(base: u64, hash: ChainHash) -> Self {
        Self {
            base,
            seen: base,
            hash,
            upto: 0,
            blind: false,
            held: Vec::new(),
            strays: BTreeMap::new(),
            open: Vec::new(),
        }
    }

    pub(super) fn leases(&self) -> impl Iterator<Item = (&Lease, u64)> {
        self.held.iter().map(|held| (&held.lease, held.spent))
    }

    pub(super) fn open_releases(&self) -> impl Iterator<Item = &(JobId, Vec<Share>)> {
        self.open.iter()
    }

    /// Takes one more lease; `None` when there are too many, an empty one when it was here before.
    pub(super) fn take(&mut self, lease: &Lease, head: u64, ended: bool) -> Option<Option<Slice>> {
        if self.held.len() >= LEASES_MAX {
            return None;
        }
        self.upto = lease.serial;
        if ended || self.held.iter().any(|held| held.lease.id == lease.id) {
            return Some(None);
        }
        let stray = self.strays.remove(&lease.id).unwrap_or(0);
        let spent = if self.blind { lease.amount } else { stray };
        self.held.push(Held {
            lease: lease.clone(),
            since: head,
            spent,
        });
        Some(Some(Slice::new(lease.clone(), spent)))
    }

    pub(super) fn spend_all(&mut self) {
        for held in &mut self.held {
            held.spent = held.lease.amount;
        }
    }

    pub(super) fn remove(&mut self, leases: &[LeaseId]) {
        self.held.retain(|held| !leases.contains(&held.lease.id));
        self.strays.retain(|lease, _| !leases.contains(lease));
    }

    /// Is about to be written beside a ledger with this head.
    pub(super) fn see(&mut self, head: Receipt) {
        (self.seen, self.hash) = (head.sequence, head.hash);
    }

    /// Moves the place on to the end of `tally`.
    pub(super) fn move_on(&mut self, tally: &Tally) {
        let first_time = self.base == 0 && self.held.is_empty() && self.upto == 0;
        if let Some(since) = tally.site_since {
            let before = self.held.len();
            self.held.retain(|held| held.since >= since);
            if self.held.len() < before && self.held.is_empty() {
                self.upto = 0;
            }
        }
        let closed = &tally.closed;
        self.held.retain(|held| !closed.contains(&held.lease.id));
        for held in &mut self.held {
            let more = tally.spent.get(&held.lease.id).copied().unwrap_or(0);
            held.spent = held.spent.saturating_add(more);
            if tally.missing.is_some_and(|missing| missing > held.since) {
                held.spent = held.spent.max(held.lease.amount);
            }
        }
        if first_time {
            let unknown = tally.spent.iter().filter(|(id, _)| !closed.contains(id));
            self.strays = unknown
                .map(|(id, spent)| (*id, *spent))
                .take(LEASES_MAX)
                .collect();
            self.blind = tally.missing.is_some() || unknown_is_too_much(tally);
        }
        let reserved = tally.reserved.iter();
        self.open = reserved
            .map(|(job, shares)| (*job, shares.clone()))
            .collect();
        (self.seen, self.hash) = tally.upto;
        self.base = self.seen;
    }
}

fn unknown_is_too_much(tally: &Tally) -> bool {
    tally.spent.len().saturating_sub(tally.closed.len()) > LEASES_MAX
}

/// The file's place on the disk.
pub(super) struct PurseFile {
    disk: Arc<dyn Disk>,
    keys: Arc<Keys>,
}

impl PurseFile {
    pub(super) fn new(disk: Arc<dyn Disk>, keys: Arc<Keys>) -> Self {
        Self { disk, keys }
    }

    /// `None` when there is none, or none that can be read.
    pub(super) fn read(&self) -> Result<Option<Filed>, PurseError> {
        let filed = match FILE.read(&*self.disk, &self.keys) {
            Ok(None) => return Ok(None),
            Ok(Some(plain)) => ciborium::from_reader(plain.as_slice()).ok(),
            Err(SealedFileError::Damaged { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        if filed.is_none() {
            log::error!("the file of leases is damaged; the journal is read instead");
        }
        Ok(filed)
    }

    /// Puts `filed` in the place of what was there, durably. Blocks.
    pub(super) fn write(&self, filed: &Filed) -> Result<(), PurseError> {
        let mut plain = Vec::new();
        ciborium::into_writer(filed, &mut plain)
            .expect("leases are plain data and memory takes all bytes");
        Ok(FILE.write(&*self.disk, &self.keys, &plain)?)
    }
}

/// A hash as one byte string.
mod hash_bytes {
    use serde::{Deserializer, Serializer};

    use crate::frame::ChainHash;

    pub(super) fn serialize<S: Serializer>(
        hash: &ChainHash,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        platen_model::bytes::serialize(&hash.0, serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<ChainHash, D::Error> {
        platen_model::bytes::deserialize(deserializer).map(ChainHash)
    }
}
