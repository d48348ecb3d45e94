// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What really happened, seen from above, and what must hold of it at every step. Nothing of the
//! protocol's own books is believed here.

use std::collections::{BTreeMap, BTreeSet};

use platen_model::{JobId, LeaseId, RecordId};
use platen_sync::message::{Link, SentEntry};

use crate::site::Pot;

/// Why a run is wrong.
pub(crate) type Check = Result<(), String>;

/// A pot in one period.
pub(crate) type Purse = (Pot, u32);

#[derive(Default)]
pub(crate) struct Truth {
    /// Every entry that any life of a box wrote.
    written: BTreeMap<(u64, u64, [u8; 32]), Vec<u8>>,
    /// Every lease that any life of the centre gave.
    leases: BTreeMap<LeaseId, Given>,
    /// Every share that was spent on a lease.
    spends: Vec<Spend>,
    /// The highest limit under which something was given.
    ceiling: BTreeMap<Purse, u64>,
    spent: BTreeMap<Purse, u64>,
    /// How often each job was settled.
    settled: BTreeMap<JobId, u32>,
    /// What may be spent above: by boxes that were put back from a backup or declared lost, and what
    /// no record that is left tells of.
    excused: BTreeMap<Purse, u64>,
    /// Credentials that the centre took back, and when.
    revoked: BTreeMap<RecordId, u64>,
}

/// A share of a job that a box charged to a lease.
pub(crate) struct Charged {
    pub(crate) job: JobId,
    pub(crate) lease: LeaseId,
    pub(crate) amount: u64,
    /// The lease may have been spent before: the box was put back from a backup, or declared lost.
    pub(crate) excused: bool,
}

struct Given {
    purse: Purse,
    node: u64,
    spent: u64,
}

struct Spend {
    node: u64,
    link: Link,
    lease: LeaseId,
    amount: u64,
    job: JobId,
    gone: bool,
}

impl Truth {
    pub(crate) fn wrote(&mut self, node: u64, entry: &SentEntry) {
        let key = (node, entry.link.sequence, entry.link.hash.0);
        self.written.insert(key, entry.entry.clone());
    }

    /// The record is damaged on the box's disk.
    pub(crate) fn damaged(&mut self, node: u64, link: Link) {
        self.written
            .insert((node, link.sequence, link.hash.0), Vec::new());
    }

    /// The centre keeps an entry: some life of that box wrote it, or its disk damaged it since.
    pub(crate) fn is_written(&self, node: u64, entry: &SentEntry) -> Check {
        let key = (node, entry.link.sequence, entry.link.hash.0);
        match self.written.get(&key) {
            None => Err(format!("box {node} never wrote {:?}", entry.link)),
            Some(bytes) if *bytes == entry.entry || bytes.is_empty() => Ok(()),
            Some(_) => Err(format!("{:?} of box {node} was changed", entry.link)),
        }
    }

    pub(crate) fn given(&mut self, lease: LeaseId, purse: Purse, node: u64, limit: u64) {
        let ceiling = self.ceiling.entry(purse).or_default();
        *ceiling = limit.max(*ceiling);
        let given = Given {
            purse,
            node,
            spent: 0,
        };
        self.leases.insert(lease, given);
    }

    /// A box charged a job to a lease.
    pub(crate) fn spent(&mut self, node: u64, link: Link, spend: Charged) -> Check {
        let (lease, amount) = (spend.lease, spend.amount);
        let given = self.leases.get_mut(&lease);
        let given = given.ok_or("spent a lease that nobody gave")?;
        if given.node != node {
            return Err(format!("box {node} spent the lease of box {}", given.node));
        }
        given.spent += amount;
        *self.spent.entry(given.purse).or_default() += amount;
        if spend.excused {
            *self.excused.entry(given.purse).or_default() += amount;
        }
        self.spends.push(Spend {
            node,
            link,
            lease,
            amount,
            job: spend.job,
            gone: false,
        });
        Ok(())
    }

    /// A box settled a job. One that was settled before is charged once, whichever of both it will be:
    /// what the other spent is on paper only, and comes back with its lease.
    pub(crate) fn settled(&mut self, job: JobId) {
        let times = self.settled.entry(job).or_default();
        *times += 1;
        if *times == 1 {
            return;
        }
        for spend in self.spends.iter().filter(|spend| spend.job == job) {
            if let Some(given) = self.leases.get(&spend.lease) {
                *self.excused.entry(given.purse).or_default() += spend.amount;
            }
        }
    }

    /// An administrator declared the box lost: what it spent and the centre doesn't know is forgiven.
    pub(crate) fn declared_lost(&mut self, lease: LeaseId, known: u64) {
        if let Some(given) = self.leases.get(&lease) {
            let unknown = given.spent.saturating_sub(known);
            *self.excused.entry(given.purse).or_default() += unknown;
        }
    }

    /// A disk was put back: spending of which no record is left that could ever reach the centre.
    pub(crate) fn forget(&mut self, is_left: impl Fn(u64, Link) -> bool) {
        for spend in self.spends.iter_mut().filter(|spend| !spend.gone) {
            if !is_left(spend.node, spend.link) {
                spend.gone = true;
                if let Some(given) = self.leases.get(&spend.lease) {
                    *self.excused.entry(given.purse).or_default() += spend.amount;
                }
            }
        }
    }

    pub(crate) fn revoked(&mut self, id: RecordId, step: u64) {
        self.revoked.insert(id, step);
    }

    /// The centre was put back: it knows of these revocations only.
    pub(crate) fn keep_revoked(&mut self, known: &BTreeSet<RecordId>) {
        self.revoked.retain(|id, _| known.contains(id));
    }

    /// No credential is accepted at a box that took a page made after its revocation.
    pub(crate) fn check_accepted(&self, node: u64, seen: u64, accepted: &[RecordId]) -> Check {
        for id in accepted {
            if self.revoked.get(id).is_some_and(|step| *step < seen) {
                return Err(format!(
                    "box {node} accepts {id:?}, which was revoked before"
                ));
            }
        }
        Ok(())
    }

    /// No pot is spent above its limit, but for what is excused.
    pub(crate) fn check_spent(&self) -> Check {
        for (purse, spent) in &self.spent {
            let excused = self.excused.get(purse).copied().unwrap_or(0);
            let limit = self.ceiling.get(purse).copied().unwrap_or(0);
            if *spent > limit + excused {
                return Err(format!(
                    "{purse:?}: spent {spent} of {limit}, {excused} excused"
                ));
            }
        }
        Ok(())
    }

    /// Whether a pot was spent above its limit, excused or not: a person must get to know.
    pub(crate) fn is_over(&self) -> bool {
        let mut spent = self.spent.iter();
        spent.any(|(purse, spent)| *spent > self.ceiling.get(purse).copied().unwrap_or(0))
    }

    /// Whether spending was forgotten: no record is left that could tell anybody.
    pub(crate) fn has_forgotten(&self) -> bool {
        self.spends.iter().any(|spend| spend.gone)
    }

    pub(crate) fn excuse(&self, purse: Purse) -> u64 {
        self.excused.get(&purse).copied().unwrap_or(0)
    }
}
