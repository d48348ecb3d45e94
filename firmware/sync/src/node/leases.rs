// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which slices of quotas a box takes, wants and closes: pure rules over what its purse holds. They are
//! what the simulation's boxes go by; the ledger's purse, which reserves and settles on a disk, keeps
//! the same ones in its own way, closing recalled leases that it does not know included.
//!
//! A lease ends by [`platen_model::Entry::LeaseClosed`] in the box's journal and in no other way. The
//! box saves a lease before it says its serial to the centre, so that none is ever offered twice.

use std::collections::BTreeMap;

use platen_model::{Lease, LeaseId, QuotaId, UserId};

use crate::limits::WANTS_MAX;
use crate::message::{LeaseNews, LeaseWant};

/// A lease in the box's purse.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Held {
    /// Which one.
    pub id: LeaseId,
    /// The quota it is a slice of.
    pub quota: QuotaId,
    /// Whose own, where each member of a group has one.
    pub user: Option<UserId>,
    /// Number of the quota's period.
    pub period: u32,
    /// The directory's generation under which it was given ([`LeaseNews::generation`]); 0 for a lease
    /// that may have been spent already, because the box was put back from a backup.
    pub generation: u64,
    /// Whether something is set aside on it for a job that has not ended.
    pub set_aside: bool,
}

/// A lease that is not to be spent from any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ending {
    /// Which one.
    pub lease: LeaseId,
    /// Close it now; else as soon as nothing is set aside on it.
    pub now: bool,
}

/// How a quota is used at this box.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Use {
    /// The quota.
    pub quota: QuotaId,
    /// Whose own, where each member of a group has one.
    pub user: Option<UserId>,
    /// What was spent here lately: what a day takes.
    pub recent: u64,
    /// What the jobs need that wait for it.
    pub needed: u64,
    /// What the box may still spend.
    pub left: u64,
}

/// The leases to take, lowest serial first: those that the box has not passed, given under the
/// generation of its serving copy. Save them and the highest serial in one batch.
#[must_use]
pub fn fresh(upto: u64, generation: u64, news: &LeaseNews) -> Vec<&Lease> {
    let takes = |lease: &&Lease| lease.serial > upto && news.generation == generation;
    let unseen = news.fresh.iter().filter(takes);
    let by_serial: BTreeMap<u64, &Lease> = unseen.map(|lease| (lease.serial, lease)).collect();
    by_serial.into_values().collect()
}

/// What the box asks for: where less is left than what a day takes or the waiting jobs need, for two
/// days; most pressing first, [`WANTS_MAX`] at most.
#[must_use]
pub fn wants(uses: &[Use]) -> Vec<LeaseWant> {
    let short = |used: &&Use| used.left == 0 || used.left < used.recent.max(used.needed);
    let mut short: Vec<_> = uses.iter().filter(short).collect();
    short.sort_by_key(|used| {
        let missing = used.needed.saturating_sub(used.left);
        std::cmp::Reverse((missing, used.recent.saturating_sub(used.left)))
    });
    let want = |used: &Use| LeaseWant {
        quota: used.quota,
        user: used.user,
        amount: used
            .recent
            .saturating_mul(2)
            .max(used.needed)
            .saturating_sub(used.left)
            .max(1),
    };
    short.into_iter().take(WANTS_MAX).map(want).collect()
}

/// The leases that end: those recalled, those of an earlier period than another one of the same
/// quota, and those that were given under another generation than the box has now. A recalled lease
/// that the box does not know was lost with its books: it is closed again, which harms nothing (once
/// a start suffices: it is recalled until the centre has the entry).
#[must_use]
pub fn ending(held: &[Held], recalled: &[LeaseId], generation: u64) -> Vec<Ending> {
    let mut newest = BTreeMap::new();
    for lease in held {
        let period = newest.entry((lease.quota, lease.user)).or_insert(0);
        *period = lease.period.max(*period);
    }
    let ends = |lease: &&Held| {
        recalled.contains(&lease.id)
            || lease.generation != generation
            || newest.get(&(lease.quota, lease.user)) > Some(&lease.period)
    };
    let known = held.iter().filter(ends).map(|lease| Ending {
        lease: lease.id,
        now: !lease.set_aside,
    });
    let is_unknown = |lease: &&LeaseId| held.iter().all(|held| held.id != **lease);
    let unknown = recalled.iter().filter(is_unknown).map(|lease| Ending {
        lease: *lease,
        now: true,
    });
    known.chain(unknown).collect()
}

/// What a push says as its generation: the box's own as soon as no lease of another one is left.
#[must_use]
pub fn pushed_generation(held: &[Held], generation: u64) -> u64 {
    let oldest = held.iter().map(|lease| lease.generation).min();
    oldest.map_or(generation, |oldest| oldest.min(generation))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> uuid::Uuid {
        uuid::Uuid::from_u128(n)
    }

    fn held(n: u128, quota: u128, period: u32, generation: u64, set_aside: bool) -> Held {
        Held {
            id: LeaseId(id(n)),
            quota: QuotaId(id(quota)),
            user: None,
            period,
            generation,
            set_aside,
        }
    }

    fn lease(serial: u64) -> Lease {
        Lease {
            id: LeaseId(id(u128::from(serial))),
            serial,
            quota: QuotaId(id(1)),
            user: None,
            period: 1,
            amount: 5,
        }
    }

    #[test]
    fn a_lease_is_taken_once_whatever_comes_again_and_in_which_order() {
        let news = LeaseNews {
            fresh: [5, 3, 4, 3, 1].map(lease).to_vec(),
            recalled: Vec::new(),
            generation: 2,
        };
        let serials = |upto| -> Vec<u64> {
            let taken = fresh(upto, 2, &news).into_iter();
            taken.map(|lease| lease.serial).collect()
        };
        assert_eq!(serials(2), [3, 4, 5]);
        assert_eq!(serials(4), [5]);
        assert!(serials(5).is_empty());
        assert!(fresh(2, 1, &news).is_empty(), "of another generation");
        assert!(fresh(2, 3, &news).is_empty(), "of another generation");
    }

    #[test]
    fn what_waits_is_asked_for_first_and_what_suffices_not_at_all() {
        let used = |quota, recent, needed, left| Use {
            quota: QuotaId(id(quota)),
            user: None,
            recent,
            needed,
            left,
        };
        let wanted = wants(&[
            used(1, 10, 0, 10),
            used(2, 10, 0, 9),
            used(3, 0, 7, 2),
            used(4, 0, 0, 0),
        ]);
        let brief: Vec<_> = wanted
            .iter()
            .map(|want| (want.quota.0.as_u128(), want.amount))
            .collect();
        assert_eq!(brief, [(3, 5), (2, 11), (4, 1)]);
        let many: Vec<_> = (0..1000).map(|quota| used(quota, 5, 0, 0)).collect();
        assert_eq!(wants(&many).len(), WANTS_MAX);
    }

    #[test]
    fn recalled_outdated_and_doubtful_leases_end_when_nothing_is_set_aside_on_them() {
        let purse = [
            held(1, 1, 7, 2, false),
            held(2, 1, 6, 2, false),
            held(3, 2, 6, 2, true),
            held(4, 3, 6, 1, true),
            held(5, 4, 6, 0, false),
        ];
        let recalled = [LeaseId(id(3)), LeaseId(id(99))];
        let ended: Vec<_> = ending(&purse, &recalled, 2)
            .iter()
            .map(|ending| (ending.lease.0.as_u128(), ending.now))
            .collect();
        assert_eq!(
            ended,
            [(2, true), (3, false), (4, false), (5, true), (99, true)]
        );
        assert_eq!(pushed_generation(&purse, 2), 0);
        assert_eq!(pushed_generation(&purse[..3], 2), 2);
        assert_eq!(pushed_generation(&[], 2), 2);
    }
}
