// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a box has on its disk: what a power cut leaves, and what a backup puts back.

use std::collections::BTreeMap;

use platen_model::{
    Changes, Entry, JobId, JobNumber, Lease, LeaseId, Quota, Record, RecordId, Share, UserId,
    UserRecord,
};
use platen_sync::message::{Hash, Link, SentEntry};
use platen_sync::node::feed::{Feed, Place, Take, supersedes};
use platen_sync::node::leases::Held;

use crate::broken::Broken;
use crate::site::{Pot, stamp};

/// A copy of the directory: each object's last change, `None` for a tombstone.
pub(crate) type Copy = BTreeMap<RecordId, (u64, Option<Record>)>;

#[derive(Clone, Default)]
pub(crate) struct Disk {
    pub(crate) journal: Vec<SentEntry>,
    pub(crate) acked: Link,
    pub(crate) purse: Vec<Slot>,
    pub(crate) upto: u64,
    pub(crate) recalled: Vec<LeaseId>,
    pub(crate) feed: Feed,
    pub(crate) serving: Copy,
    pub(crate) aside: Copy,
    pub(crate) open: Vec<Open>,
    pub(crate) held: Vec<(JobId, UserId, u64)>,
    /// The step at which the newest page was made that this disk has taken.
    pub(crate) seen: u64,
    /// Every tombstone that this disk has taken, by generation.
    pub(crate) buried: BTreeMap<(u64, RecordId), u64>,
}

/// A lease in the purse.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) lease: Lease,
    pub(crate) generation: u64,
    pub(crate) spent: u64,
    pub(crate) aside: u64,
    /// The box was put back since, or declared lost: what it spends of it may be spent twice.
    pub(crate) excused: bool,
}

/// A release without an end.
#[derive(Clone)]
pub(crate) struct Open {
    pub(crate) job: JobId,
    pub(crate) user: UserId,
    pub(crate) amount: u64,
    pub(crate) attempt: u32,
    pub(crate) shares: Vec<Share>,
}

impl Slot {
    pub(crate) fn left(&self) -> u64 {
        self.lease.amount.saturating_sub(self.spent + self.aside)
    }

    pub(crate) fn pot(&self) -> Pot {
        (self.lease.quota, self.lease.user)
    }

    pub(crate) fn held(&self) -> Held {
        Held {
            id: self.lease.id,
            quota: self.lease.quota,
            user: self.lease.user,
            period: self.lease.period,
            generation: self.generation,
            set_aside: self.aside > 0,
        }
    }
}

impl Disk {
    pub(crate) fn head(&self) -> Link {
        self.journal
            .last()
            .map_or(Link::default(), |entry| entry.link)
    }

    pub(crate) fn hash(&self, sequence: u64) -> Option<Hash> {
        let index = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.journal.get(index).map(|entry| entry.link.hash)
    }

    pub(crate) fn has(&self, link: Link) -> bool {
        self.hash(link.sequence) == Some(link.hash)
    }

    /// Appends an entry. `nonce` is new for every entry of every life: sealing gives no two records
    /// the same bytes.
    pub(crate) fn write(&mut self, entry: &Entry, now_ms: u64, nonce: u64) -> &SentEntry {
        let before = self.head();
        let mut hash = before.hash.0;
        for (at, byte) in nonce.to_le_bytes().iter().enumerate() {
            hash[at + 8] ^= byte.wrapping_mul(31).wrapping_add(hash[at]);
            hash[at] = hash[at].wrapping_add(*byte).rotate_left(3);
        }
        hash[31] |= 1;
        let mut bytes = Vec::with_capacity(256);
        ciborium::into_writer(entry, &mut bytes).expect("an entry is written to memory");
        let link = Link {
            sequence: before.sequence + 1,
            hash: Hash(hash),
        };
        self.journal.push(SentEntry {
            link,
            at: stamp(now_ms),
            entry: bytes,
        });
        self.journal.last().expect("it was just written")
    }

    pub(crate) fn held_leases(&self) -> Vec<Held> {
        self.purse.iter().map(Slot::held).collect()
    }

    pub(crate) fn quotas(&self) -> Vec<&Quota> {
        let quotas = self
            .serving
            .values()
            .filter_map(|(_, record)| match record {
                Some(Record::Quota(quota)) => Some(quota),
                _ => None,
            });
        quotas.collect()
    }

    /// Credentials that open the box, and whose they are.
    pub(crate) fn accepted(&self) -> Vec<(RecordId, &UserRecord)> {
        let owner = |user: UserId| match self.serving.get(&RecordId::User(user)) {
            Some((_, Some(Record::User(user)))) => Some(user),
            _ => None,
        };
        let accepted = |(id, (_, record)): (&RecordId, &(u64, Option<Record>))| match record {
            Some(Record::Credential(card)) => Some((*id, owner(card.user)?)),
            _ => None,
        };
        self.serving.iter().filter_map(accepted).collect()
    }

    /// Does with a page what the machine said.
    pub(crate) fn apply(&mut self, page: &Changes, take: &Take, broken: Option<Broken>) {
        let late = broken == Some(Broken::DelaysTombstones) && page.to < page.latest;
        let graves = if late {
            &[]
        } else {
            page.tombstones.as_slice()
        };
        match take.place {
            Place::Serving => bury(&mut self.serving, page, graves, broken),
            Place::Aside => bury(&mut self.aside, page, graves, broken),
            Place::NewAside => {
                self.aside.clear();
                bury(&mut self.aside, page, graves, broken);
            }
            Place::Nothing => {}
        }
        if take.also_serving && broken != Some(Broken::SparesServingCopy) {
            for grave in graves {
                self.serving.remove(&grave.id);
            }
        }
        if take.complete {
            self.serving = std::mem::take(&mut self.aside);
        }
        for grave in &page.tombstones {
            let buried = self.buried.entry((page.generation, grave.id)).or_default();
            *buried = grave.revision.max(*buried);
        }
        self.feed = take.feed;
    }

    /// No tombstone that was taken is undone by an older record.
    pub(crate) fn check_buried(&self) -> Result<(), String> {
        for (id, (revision, record)) in &self.serving {
            let buried = self.buried.get(&(self.feed.serving.generation, *id));
            if record.is_some() && buried.is_some_and(|buried| buried > revision) {
                return Err(format!(
                    "{id:?} is back by a record of before its tombstone"
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn number(&self) -> JobNumber {
        JobNumber(u32::try_from(self.journal.len()).unwrap_or(u32::MAX) + 1)
    }
}

fn bury(
    copy: &mut Copy,
    page: &Changes,
    graves: &[platen_model::Tombstone],
    broken: Option<Broken>,
) {
    let any = broken == Some(Broken::TakesOlderRecords);
    let wins = |copy: &Copy, id: &RecordId, revision| {
        any || supersedes(copy.get(id).map(|(held, _)| *held), revision)
    };
    for grave in graves {
        if wins(copy, &grave.id, grave.revision) {
            copy.insert(grave.id, (grave.revision, None));
        }
    }
    for revised in &page.records {
        let id = revised.record.id();
        if wins(copy, &id, revised.revision) {
            copy.insert(id, (revised.revision, Some(revised.record.clone())));
        }
    }
    copy.retain(|_, (revision, record)| record.is_some() || *revision > page.to);
}
