// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Leases, and jobs that spend them, as the release pipeline does; and what the ledger says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use platen_ledger::{Entry, Ledger, Purse};
use platen_model::{JobNumber, Lease, LeaseId, ManualClock, QuotaId, Share};
use platen_store::{Keys, SimDisk};
use proptest::prelude::*;
use uuid::Uuid;

use super::{job, open, released, settled};

pub(crate) const SEGMENT: u64 = 1 << 20;

pub(crate) fn quota(n: u8) -> QuotaId {
    QuotaId(Uuid::from_u128(u128::from(n)))
}

pub(crate) fn lease(serial: u64, of: u8, amount: u64) -> Lease {
    Lease {
        id: LeaseId(Uuid::from_u128(1000 + u128::from(serial))),
        serial,
        quota: quota(of),
        user: None,
        period: 1,
        amount,
    }
}

/// What a job needs of a quota; `above` lets it go above what there is.
pub(crate) struct Need {
    pub(crate) quota: QuotaId,
    pub(crate) amount: u64,
    pub(crate) above: bool,
}

pub(crate) fn need(of: u8, amount: u64, above: bool) -> Need {
    Need {
        quota: quota(of),
        amount,
        above,
    }
}

pub(crate) struct Given {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) purse: Purse,
}

/// As a start of the box does it: what was on its way is interrupted first.
pub(crate) fn start(disk: &SimDisk, keys: &Arc<Keys>) -> Option<Given> {
    let (ledger, report) = open(disk, keys, SEGMENT).ok()?;
    for release in report.open_releases {
        let (job, number, attempt) = (release.job, release.number, release.attempt);
        let entry = Entry::Interrupted {
            job,
            number,
            attempt,
        };
        ledger.append_blocking(entry).ok()?;
    }
    let ledger = Arc::new(ledger);
    let clock = Arc::new(ManualClock::at(1));
    let disk = Arc::new(disk.clone());
    let purse = Purse::open(disk, Arc::clone(keys), Arc::clone(&ledger), clock).ok()?;
    Some(Given { ledger, purse })
}

pub(crate) fn with_shares(entry: Entry, of: Vec<Share>) -> Entry {
    let mut entry = entry;
    if let Entry::Released { shares, .. } | Entry::Settled { shares, .. } = &mut entry {
        *shares = of;
    }
    entry
}

/// Shares for the needs, from the oldest lease on, as policy works them out.
pub(crate) fn cut(purse: &Purse, needs: &[Need]) -> Option<Vec<Share>> {
    let mut shares: Vec<Share> = Vec::new();
    for need in needs {
        let mut rest = need.amount;
        let mut take = |lease, amount| {
            let quota = need.quota;
            shares.push(Share {
                quota,
                lease,
                amount,
            });
        };
        for (lease, left) in purse.rooms(need.quota, None) {
            let amount = left.min(rest);
            rest -= amount;
            if amount > 0 {
                take(Some(lease), amount);
            }
        }
        if rest > 0 {
            if !need.above {
                return None;
            }
            take(None, rest);
        }
    }
    Some(shares)
}

/// What the job takes in the end: never more from a lease than was set aside.
pub(crate) fn bill(purse: &Purse, number: u32, charges: &[(QuotaId, u64)]) -> Vec<Share> {
    let mut sums: BTreeMap<QuotaId, u64> = charges.iter().copied().collect();
    let mut shares = purse.reserved(job(number));
    for share in &mut shares {
        let rest = sums.entry(share.quota).or_default();
        share.amount = share.amount.min(*rest);
        *rest -= share.amount;
    }
    let above = sums.into_iter().filter(|(_, amount)| *amount > 0);
    shares.extend(above.map(|(quota, amount)| Share {
        quota,
        lease: None,
        amount,
    }));
    shares
}

pub(crate) fn release(given: &Given, number: u32, attempt: u32, needs: &[Need]) -> bool {
    let Some(shares) = cut(&given.purse, needs) else {
        return false;
    };
    if given.purse.reserve(job(number), &shares).is_err() {
        return false;
    }
    let ticket = with_shares(released(number, attempt), shares);
    let written = given.ledger.append_blocking(ticket).is_ok();
    if !written {
        given.purse.give_back(job(number));
    }
    written
}

pub(crate) fn settle(given: &Given, number: u32, attempt: u32, charges: &[(QuotaId, u64)]) {
    let shares = bill(&given.purse, number, charges);
    let end = with_shares(settled(number, attempt, true), shares.clone());
    if given.ledger.append_blocking(end).is_ok() {
        given.purse.settle(job(number), &shares);
    }
}

pub(crate) fn stop(given: &Given, number: u32, attempt: u32) {
    let (job, number) = (job(number), JobNumber(number));
    let reasons = Vec::new();
    let entry = Entry::Stopped {
        job,
        number,
        attempt,
        reasons,
    };
    if given.ledger.append_blocking(entry).is_ok() {
        given.purse.give_back(job);
    }
}

/// What the ledger says, which is what the centre will know.
pub(crate) fn check(
    ledger: &Ledger,
    amounts: &BTreeMap<LeaseId, u64>,
) -> Result<(), TestCaseError> {
    let mut spent: BTreeMap<LeaseId, u64> = BTreeMap::new();
    let mut aside: BTreeMap<_, Vec<Share>> = BTreeMap::new();
    let mut closed = BTreeSet::new();
    for record in ledger.entries(1, 1000).unwrap() {
        match record.entry {
            Entry::Released { job, shares, .. } => {
                let on_closed = shares
                    .iter()
                    .any(|share| share.lease.is_some_and(|id| closed.contains(&id)));
                prop_assert!(!on_closed, "set aside on a closed lease");
                aside.insert(job, shares);
            }
            Entry::Settled { job, shares, .. } => {
                let held = aside.remove(&job).unwrap_or_default();
                for share in &shares {
                    let Some(id) = share.lease else { continue };
                    prop_assert!(!closed.contains(&id), "spent on a closed lease");
                    let own = held.iter().filter(|one| one.lease == Some(id));
                    prop_assert!(share.amount <= own.map(|one| one.amount).sum());
                    *spent.entry(id).or_default() += share.amount;
                }
            }
            Entry::Interrupted { job, .. } | Entry::Stopped { job, .. } => {
                aside.remove(&job);
            }
            Entry::LeaseClosed { lease } => {
                // Where it is recalled after a start it may be closed again, which changes nothing.
                closed.insert(lease);
                let held = aside
                    .values()
                    .flatten()
                    .any(|share| share.lease == Some(lease));
                prop_assert!(!held, "closed under a reservation");
            }
            _ => {}
        }
        let mut sums = spent.clone();
        for share in aside.values().flatten() {
            if let Some(id) = share.lease {
                *sums.entry(id).or_default() += share.amount;
            }
        }
        for (id, sum) in sums {
            prop_assert!(
                sum <= amounts.get(&id).copied().unwrap_or(0),
                "above the lease"
            );
        }
    }
    Ok(())
}
