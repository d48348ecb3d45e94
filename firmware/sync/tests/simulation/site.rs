// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The site of the simulation: its people, credentials and quotas, and their ids.

use platen_model::{
    CardKey, Covers, CredentialId, CredentialKind, CredentialRecord, GroupId, GroupRecord, JobId,
    LeaseId, NodeId, Period, Quota, QuotaId, Record, RecordId, SiteId, Stamp, Unit, UserId,
    UserRecord, WhenSpent,
};
use uuid::Uuid;

/// Members of the one group.
pub(crate) const MEMBERS: u64 = 3;
/// People; those who are no members have a quota of their own, or none.
pub(crate) const USERS: u64 = 5;

/// A quota, and whose own where each member has one.
pub(crate) type Pot = (QuotaId, Option<UserId>);

pub(crate) const SITE: SiteId = SiteId(Uuid::from_u128(1));
pub(crate) const GROUP: GroupId = GroupId(Uuid::from_u128(2));
/// Shared by the group, by day.
pub(crate) const SHARED: QuotaId = QuotaId(Uuid::from_u128(3));
/// Each member's own, by month.
pub(crate) const EACH: QuotaId = QuotaId(Uuid::from_u128(4));
/// One person's, for ever; jobs above it print with a mark.
pub(crate) const OWN: QuotaId = QuotaId(Uuid::from_u128(5));

fn id(kind: u64, number: u64) -> Uuid {
    Uuid::from_u64_pair(kind, number)
}

pub(crate) fn node(number: u64) -> NodeId {
    NodeId(id(1, number))
}

pub(crate) fn user(number: u64) -> UserId {
    UserId(id(2, number))
}

pub(crate) fn credential(number: u64) -> CredentialId {
    CredentialId(id(3, number))
}

pub(crate) fn job(number: u64) -> JobId {
    JobId(id(4, number))
}

pub(crate) fn lease(number: u64) -> LeaseId {
    LeaseId(id(5, number))
}

pub(crate) fn quota(id: QuotaId, limit: u64) -> Quota {
    let (covers, period, when_spent) = match id {
        SHARED => (Covers::Group(GROUP), Period::Day, WhenSpent::Deny),
        EACH => (Covers::EachOf(GROUP), Period::Month, WhenSpent::Deny),
        _ => (Covers::User(user(MEMBERS)), Period::Once, WhenSpent::Mark),
    };
    Quota {
        id,
        name: String::new(),
        covers,
        unit: Unit::Sides,
        limit,
        period,
        when_spent,
    }
}

pub(crate) fn person(number: u64) -> Record {
    let groups = if number < MEMBERS {
        vec![GROUP]
    } else {
        Vec::new()
    };
    Record::User(UserRecord {
        id: user(number),
        login: String::new(),
        name: String::new(),
        aliases: Vec::new(),
        number: None,
        groups,
        active: true,
    })
}

pub(crate) fn card(number: u64, owner: u64) -> Record {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_le_bytes());
    Record::Credential(CredentialRecord {
        id: credential(number),
        user: user(owner),
        kind: CredentialKind::Card {
            key: CardKey(key),
            with_pin: false,
            proved: false,
        },
        until_unix_ms: None,
        provisional: false,
    })
}

/// What the site begins with.
pub(crate) fn records() -> Vec<Record> {
    let group = GroupRecord {
        id: GROUP,
        name: String::new(),
    };
    let mut records = vec![Record::Group(group)];
    records.extend(
        [(SHARED, 40), (EACH, 16), (OWN, 20)].map(|(id, limit)| Record::Quota(quota(id, limit))),
    );
    records.extend((0..USERS).map(person));
    records.extend((0..USERS).map(|number| card(number, number)));
    records
}

/// The pot that a person's jobs count against, for each quota that covers the person.
pub(crate) fn pots(user: &UserRecord, quotas: &[&Quota]) -> Vec<(Pot, WhenSpent)> {
    let covers = |quota: &&&Quota| match quota.covers {
        Covers::User(one) => one == user.id,
        Covers::Group(group) | Covers::EachOf(group) => user.groups.contains(&group),
    };
    let pot = |quota: &&Quota| match quota.covers {
        Covers::EachOf(_) => ((quota.id, Some(user.id)), quota.when_spent),
        _ => ((quota.id, None), quota.when_spent),
    };
    quotas.iter().filter(covers).map(pot).collect()
}

pub(crate) fn credential_id(number: u64) -> RecordId {
    RecordId::Credential(credential(number))
}

pub(crate) fn stamp(now_ms: u64) -> Stamp {
    Stamp {
        unix_ms: now_ms,
        elapsed_ms: now_ms,
        trusted: true,
    }
}
