// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The leases in memory: what is set aside and spent on each. No disk, no ledger.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use platen_model::{JobId, Lease, LeaseId, QuotaId, Share, UserId};
use thiserror::Error;

use super::file::Filed;
use super::recent::Place;
use super::tally::Tally;

/// Leases held at once: a file of about 600 KiB. A box has some for each quota, and where each has
/// their own one or two for each person who prints there.
pub(super) const LEASES_MAX: usize = 4096;

/// Why nothing is set aside for a job.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ReserveError {
    /// A lease has less left: another job was faster, or it is given back. Work the shares out anew.
    #[error("the lease has {left} left and {amount} is to be set aside on it")]
    Short {
        /// The lease.
        lease: LeaseId,
        /// What is left of it.
        left: u64,
        /// What was to be set aside.
        amount: u64,
    },
    /// Somebody else is releasing the job: its reservation is theirs to give back.
    #[error("something is set aside for the job already")]
    Reserved,
}

/// A lease and what became of it.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    pub(super) lease: Lease,
    pub(super) spent: u64,
    reserved: u64,
    /// Given back, or about to be: nothing is reserved on it any more.
    recalled: bool,
}

impl Slice {
    pub(super) fn new(lease: Lease, spent: u64) -> Self {
        Self {
            lease,
            spent,
            reserved: 0,
            recalled: false,
        }
    }

    fn free(&self) -> u64 {
        match self.recalled {
            true => 0,
            false => self
                .lease
                .amount
                .saturating_sub(self.spent.saturating_add(self.reserved)),
        }
    }

    fn is_for(&self, quota: QuotaId, user: Option<UserId>) -> bool {
        self.lease.quota == quota && self.lease.user == user
    }

    fn can_be_closed(&self) -> bool {
        self.reserved == 0 && (self.recalled || self.spent >= self.lease.amount)
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Slices {
    /// By serial: the oldest is spent first.
    held: BTreeMap<u64, Slice>,
    serials: HashMap<LeaseId, u64>,
    reserved: HashMap<JobId, Vec<Share>>,
    /// Ended since the file's place in the ledger: never taken again.
    closed: HashSet<LeaseId>,
    /// How many were closed since the start that were not here.
    strangers: usize,
}

impl Slices {
    /// As the file and the ledger have it; `filed` has moved on over `tally`.
    pub(super) fn restore(&mut self, filed: &Filed, tally: &Tally) {
        self.closed.clone_from(&tally.closed);
        for (lease, spent) in filed.leases() {
            self.add(Slice::new(lease.clone(), spent));
        }
        for (job, shares) in filed.open_releases() {
            self.put_aside(*job, shares.clone());
        }
    }

    pub(super) fn add(&mut self, slice: Slice) {
        if self.closed.contains(&slice.lease.id) {
            return;
        }
        self.serials.insert(slice.lease.id, slice.lease.serial);
        self.held.insert(slice.lease.serial, slice);
    }

    pub(super) fn has_ended(&self, lease: LeaseId) -> bool {
        self.closed.contains(&lease)
    }

    pub(super) fn rooms(&self, quota: QuotaId, user: Option<UserId>) -> Vec<(LeaseId, u64)> {
        let fitting = self.held.values().filter(|slice| slice.is_for(quota, user));
        let rooms = fitting.map(|slice| (slice.lease.id, slice.free()));
        rooms.filter(|(_, left)| *left > 0).collect()
    }

    pub(super) fn room(&self, quota: QuotaId, user: Option<UserId>) -> u64 {
        let rooms = self.rooms(quota, user).into_iter();
        rooms.fold(0, |sum, (_, left)| sum.saturating_add(left))
    }

    pub(super) fn place(&self, lease: LeaseId) -> Option<Place> {
        let slice = self.held.get(self.serials.get(&lease)?)?;
        Some((slice.lease.quota, slice.lease.user))
    }

    pub(super) fn open_leases(&self) -> usize {
        self.held.values().filter(|slice| !slice.recalled).count()
    }

    pub(super) fn spent_by_place(&self) -> Vec<(Place, u64)> {
        let used = self.held.values().filter(|slice| slice.spent > 0);
        used.map(|slice| ((slice.lease.quota, slice.lease.user), slice.spent))
            .collect()
    }

    /// All of it or nothing, and once for a job until it is given back or settled.
    pub(super) fn reserve(&mut self, job: JobId, shares: &[Share]) -> Result<(), ReserveError> {
        if self.reserved.contains_key(&job) {
            return Err(ReserveError::Reserved);
        }
        let mut sums: BTreeMap<LeaseId, u64> = BTreeMap::new();
        for (lease, amount) in leased(shares) {
            let sum = sums.entry(lease).or_default();
            *sum = sum.saturating_add(amount);
        }
        for (lease, amount) in sums {
            let left = self.slice(lease).map_or(0, |slice| slice.free());
            if amount > left {
                return Err(ReserveError::Short {
                    lease,
                    left,
                    amount,
                });
            }
        }
        // Also without shares: then it says that the job is somebody's to release.
        self.put_aside(job, shares.to_vec());
        Ok(())
    }

    fn put_aside(&mut self, job: JobId, shares: Vec<Share>) {
        for (lease, amount) in leased(&shares) {
            if let Some(slice) = self.slice(lease) {
                slice.reserved = slice.reserved.saturating_add(amount);
            }
        }
        self.reserved.insert(job, shares);
    }

    pub(super) fn is_reserved(&self, job: JobId) -> bool {
        self.reserved.contains_key(&job)
    }

    pub(super) fn reserved(&self, job: JobId) -> Vec<Share> {
        self.reserved.get(&job).cloned().unwrap_or_default()
    }

    pub(super) fn settle(&mut self, job: JobId, shares: &[Share]) {
        for (lease, amount) in leased(shares) {
            if let Some(slice) = self.slice(lease) {
                slice.spent = slice.spent.saturating_add(amount);
            }
        }
        self.give_back(job);
    }

    pub(super) fn give_back(&mut self, job: JobId) {
        let shares = self.reserved.remove(&job).unwrap_or_default();
        for (lease, amount) in leased(&shares) {
            if let Some(slice) = self.slice(lease) {
                slice.reserved = slice.reserved.saturating_sub(amount);
            }
        }
    }

    pub(super) fn recall(&mut self, leases: &[LeaseId]) {
        for lease in leases {
            if let Some(slice) = self.slice(*lease) {
                slice.recalled = true;
            }
        }
    }

    pub(super) fn recall_all(&mut self) {
        for slice in self.held.values_mut() {
            slice.recalled = true;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub(super) fn spend_all(&mut self) {
        for slice in self.held.values_mut() {
            slice.spent = slice.lease.amount;
        }
    }

    pub(super) fn closable(&self) -> Vec<LeaseId> {
        let closable = self.held.values().filter(|slice| slice.can_be_closed());
        closable.map(|slice| slice.lease.id).collect()
    }

    /// Those that can be closed, marked so that nothing is reserved on them any more.
    pub(super) fn start_closing(&mut self) -> Vec<LeaseId> {
        let closable = self.closable();
        self.recall(&closable);
        closable
    }

    /// Those of `recalled` that are not here and did not end here since the file's place in the ledger:
    /// each once, and [`LEASES_MAX`] in all.
    pub(super) fn strangers(&self, recalled: &[LeaseId]) -> Vec<LeaseId> {
        let unknown: BTreeSet<LeaseId> = recalled.iter().copied().collect();
        let unknown = unknown
            .into_iter()
            .filter(|lease| !self.serials.contains_key(lease) && !self.closed.contains(lease));
        let room = LEASES_MAX.saturating_sub(self.strangers);
        unknown.take(room).collect()
    }

    pub(super) fn remove(&mut self, leases: &[LeaseId]) {
        for lease in leases {
            match self.serials.remove(lease) {
                Some(serial) => drop(self.held.remove(&serial)),
                None => self.strangers = self.strangers.saturating_add(1),
            }
            self.closed.insert(*lease);
        }
    }

    fn slice(&mut self, lease: LeaseId) -> Option<&mut Slice> {
        let serial = self.serials.get(&lease)?;
        self.held.get_mut(serial)
    }
}

/// The shares that are taken from a lease.
pub(super) fn leased(shares: &[Share]) -> impl Iterator<Item = (LeaseId, u64)> + '_ {
    shares
        .iter()
        .filter_map(|share| Some((share.lease?, share.amount)))
}
