// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which quotas a job counts against, whether they have room for it, and what it takes of them in
//! the end. A box spends only slices (leases) that the centre gave it; how much of them is left is
//! the caller's to know.

use platen_model::journal::Cost;
use platen_model::{Covers, Identity, LeaseId, Quota, QuotaId, Share, Unit, UserId, WhenSpent};

use crate::work::Work;

/// A quota, and what this box may still spend of it without asking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Balance {
    /// The quota.
    pub quota: Quota,
    /// Open leases with what is left of them, the oldest first; for a quota that each member of a
    /// group has, those of the person.
    pub rooms: Vec<Room>,
}

/// What is left of a lease: neither spent nor set aside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Room {
    /// The lease.
    pub lease: LeaseId,
    /// How much, in the quota's unit.
    pub left: u64,
}

/// What a quota lacks at this box for one job: worth asking the centre for, while it can be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Short {
    /// The quota.
    pub quota: QuotaId,
    /// Whose own, where each member of a group has one.
    pub user: Option<UserId>,
    /// How much more is needed.
    pub amount: u64,
}

/// What one quota says to a job.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Reserved {
    /// There is room, or the job is let through with a mark.
    Shares(Vec<Share>),
    /// There is none.
    Spent,
    /// Nobody knows what the job takes.
    NotCounted,
}

impl Balance {
    /// Everything that is left, whatever the number of leases.
    #[must_use]
    pub fn left(&self) -> u64 {
        let add = |sum: u64, room: &Room| sum.saturating_add(room.left);
        self.rooms.iter().fold(0, add)
    }
}

/// Whether a quota counts this person's jobs.
#[must_use]
pub fn covers(quota: &Quota, person: &Identity) -> bool {
    match quota.covers {
        Covers::User(user) => user == person.user,
        Covers::Group(group) | Covers::EachOf(group) => person.groups.contains(&group),
    }
}

/// What a job takes of a quota with this unit; `None` when it could not be counted. Without prices
/// in force a job costs nothing.
#[must_use]
pub fn amount(
    unit: Unit,
    impressions: Option<u64>,
    cost: Option<Cost>,
    is_priced: bool,
) -> Option<u64> {
    match unit {
        Unit::Sides => impressions,
        Unit::Money if is_priced => cost.map(|cost| cost.amount),
        Unit::Money => Some(0),
    }
}

/// What the job as it would be printed takes of a quota.
pub(crate) fn needed(unit: Unit, work: &Work, cost: Option<Cost>, is_priced: bool) -> Option<u64> {
    amount(unit, work.impressions(), cost, is_priced)
}

/// Takes `needed` from the leases in their order. A quota that lets jobs through gives what it has;
/// the rest is a share without a lease.
pub(crate) fn reserve(balance: &Balance, needed: Option<u64>) -> Reserved {
    let (needed, lenient) = match (needed, balance.quota.when_spent) {
        (Some(needed), when_spent) => (needed, when_spent == WhenSpent::Mark),
        (None, WhenSpent::Mark) => (0, true),
        (None, WhenSpent::Deny) => return Reserved::NotCounted,
    };
    let mut shares = Vec::new();
    let mut wanted = needed;
    for room in &balance.rooms {
        let taken = wanted.min(room.left);
        wanted -= taken;
        if taken > 0 {
            shares.push(share(balance.quota.id, Some(room.lease), taken));
        }
    }
    if wanted > 0 && !lenient {
        return Reserved::Spent;
    }
    if wanted > 0 || shares.is_empty() {
        shares.push(share(balance.quota.id, None, wanted));
    }
    Reserved::Shares(shares)
}

/// What was lacking, if anything was.
pub(crate) fn short(balance: &Balance, needed: Option<u64>, person: UserId) -> Option<Short> {
    let amount = needed?
        .checked_sub(balance.left())
        .filter(|lack| *lack > 0)?;
    let each = matches!(balance.quota.covers, Covers::EachOf(_));
    Some(Short {
        quota: balance.quota.id,
        user: each.then_some(person),
        amount,
    })
}

/// What a job takes of its quotas in the end. `reserved` is what its release ticket set aside,
/// `spent` says how much the job took of a quota, `None` when the quota is not known any more or
/// nothing was counted: what was set aside is then taken as spent. Never more from a lease than was
/// set aside of it; the excess has none.
#[must_use]
pub fn settle(reserved: &[Share], spent: impl Fn(QuotaId) -> Option<u64>) -> Vec<Share> {
    let mut settled = Vec::new();
    let mut done: Vec<QuotaId> = Vec::new();
    for quota in reserved.iter().map(|share| share.quota) {
        if done.contains(&quota) {
            continue;
        }
        done.push(quota);
        let own = || reserved.iter().filter(|share| share.quota == quota);
        let set_aside = own().fold(0_u64, |sum, share| sum.saturating_add(share.amount));
        let mut left = spent(quota).unwrap_or(set_aside);
        for part in own().filter(|part| part.lease.is_some()) {
            let taken = left.min(part.amount);
            left -= taken;
            settled.push(share(quota, part.lease, taken));
        }
        settled.push(share(quota, None, left));
    }
    settled.retain(|share| share.amount > 0);
    settled
}

fn share(quota: QuotaId, lease: Option<LeaseId>, amount: u64) -> Share {
    Share {
        quota,
        lease,
        amount,
    }
}

#[cfg(test)]
mod tests {
    use platen_model::{GroupId, JobId, Period, Source};
    use uuid::Uuid;

    use super::*;

    fn id(n: u8) -> Uuid {
        JobId::from_parts(0, &[n; 10]).0
    }

    fn person() -> Identity {
        Identity {
            user: UserId(id(1)),
            name: "ann".into(),
            owner_keys: Vec::new(),
            groups: vec![GroupId(id(2))],
            source: Source::Local,
            provisional: false,
        }
    }

    fn balance(when_spent: WhenSpent, left: &[u64]) -> Balance {
        let room = |(n, left): (u8, &u64)| Room {
            lease: LeaseId(id(n)),
            left: *left,
        };
        Balance {
            quota: Quota {
                id: QuotaId(id(9)),
                name: String::new(),
                covers: Covers::EachOf(GroupId(id(2))),
                unit: Unit::Sides,
                limit: 100,
                period: Period::Month,
                when_spent,
            },
            rooms: (20..).zip(left).map(room).collect(),
        }
    }

    fn taken(room: Reserved) -> Option<Vec<(Option<Uuid>, u64)>> {
        match room {
            Reserved::Shares(shares) => {
                let pair = |share: Share| (share.lease.map(|lease| lease.0), share.amount);
                Some(shares.into_iter().map(pair).collect())
            }
            Reserved::Spent | Reserved::NotCounted => None,
        }
    }

    #[test]
    fn a_quota_covers_its_person_its_group_and_each_member() {
        let mut quota = balance(WhenSpent::Deny, &[]).quota;
        assert!(covers(&quota, &person()));
        quota.covers = Covers::Group(GroupId(id(2)));
        assert!(covers(&quota, &person()));
        quota.covers = Covers::Group(GroupId(id(3)));
        assert!(!covers(&quota, &person()));
        quota.covers = Covers::User(UserId(id(1)));
        assert!(covers(&quota, &person()));
        quota.covers = Covers::User(UserId(id(3)));
        assert!(!covers(&quota, &person()));
    }

    #[test]
    fn leases_are_emptied_in_their_order() {
        let strict = balance(WhenSpent::Deny, &[3, 0, 10]);
        assert_eq!(
            taken(reserve(&strict, Some(7))),
            Some(vec![(Some(id(20)), 3), (Some(id(22)), 4)])
        );
        assert_eq!(reserve(&strict, Some(14)), Reserved::Spent);
    }

    #[test]
    fn a_lenient_quota_gives_what_it_has_and_marks_the_rest() {
        let lenient = balance(WhenSpent::Mark, &[3]);
        assert_eq!(
            taken(reserve(&lenient, Some(7))),
            Some(vec![(Some(id(20)), 3), (None, 4)])
        );
    }

    #[test]
    fn what_nobody_counted_has_no_room_in_a_strict_quota_and_an_empty_share_in_a_lenient_one() {
        let strict = balance(WhenSpent::Deny, &[1000]);
        assert_eq!(reserve(&strict, None), Reserved::NotCounted);
        let lenient = balance(WhenSpent::Mark, &[1000]);
        assert_eq!(taken(reserve(&lenient, None)), Some(vec![(None, 0)]));
    }

    #[test]
    fn what_lacks_is_told_with_the_person_where_each_has_one() {
        let strict = balance(WhenSpent::Deny, &[3, 2]);
        let lack = short(&strict, Some(9), person().user);
        assert_eq!(
            lack.map(|lack| (lack.user, lack.amount)),
            Some((Some(person().user), 4))
        );
        assert_eq!(short(&strict, Some(5), person().user), None);
        assert_eq!(short(&strict, None, person().user), None);
    }

    #[test]
    fn settling_takes_no_more_of_a_lease_than_was_set_aside() {
        let (quota, lease) = (QuotaId(id(9)), Some(LeaseId(id(20))));
        let reserved = [share(quota, lease, 5), share(quota, None, 2)];
        let of = |spent| settle(&reserved, |_| spent);
        assert_eq!(of(Some(3)), [share(quota, lease, 3)]);
        assert_eq!(of(Some(9)), [share(quota, lease, 5), share(quota, None, 4)]);
        assert_eq!(of(Some(0)), []);
        assert_eq!(of(None), reserved);
    }

    #[test]
    fn money_costs_nothing_where_there_are_no_prices() {
        assert_eq!(amount(Unit::Money, Some(3), None, false), Some(0));
        assert_eq!(amount(Unit::Money, None, None, true), None);
        assert_eq!(amount(Unit::Sides, Some(3), None, false), Some(3));
    }
}
