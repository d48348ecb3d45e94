// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What must hold when everything has arrived.

use std::collections::{BTreeMap, BTreeSet};

use platen_model::{Entry, JobId, LeaseId};
use platen_sync::centre::effect::{Reading, read};
use platen_sync::message::Link;

use crate::truth::Check;
use crate::world::World;

pub(crate) fn check(world: &World) -> Check {
    journals_have_arrived(world)?;
    jobs_are_charged_once(world)?;
    leases_are_settled(world)?;
    directories_are_the_same(world)?;
    a_person_knows(world)
}

/// Every entry of every box's journal stands at the centre, once and in order; so does every branch
/// that a box left behind.
fn journals_have_arrived(world: &World) -> Check {
    for office_box in &world.boxes {
        let row = &world.centre.nodes[&office_box.number];
        let mut kept: BTreeMap<u32, Link> = BTreeMap::new();
        for (branch, link) in &row.log {
            let base = row.branches.iter().find(|one| one.number == *branch);
            let base = base.ok_or("a branch is not in the books")?.base;
            let before = kept.insert(*branch, *link).unwrap_or(base);
            if before.sequence + 1 != link.sequence {
                return Err(format!("branch {branch} has {link:?} behind {before:?}"));
            }
        }
        let known: BTreeSet<_> = row
            .log
            .iter()
            .map(|(_, link)| (link.sequence, link.hash.0))
            .collect();
        for entry in &office_box.disk.journal {
            if !known.contains(&(entry.link.sequence, entry.link.hash.0)) {
                let number = office_box.number;
                return Err(format!("{:?} of box {number} never arrived", entry.link));
            }
        }
    }
    Ok(())
}

/// A job is charged exactly once if any entry that is left settles it, else not at all.
fn jobs_are_charged_once(world: &World) -> Check {
    let mut settled: BTreeSet<JobId> = BTreeSet::new();
    for office_box in &world.boxes {
        let lost = &world.centre.nodes[&office_box.number].lost;
        let whole = office_box.disk.journal.iter();
        for entry in whole.filter(|entry| !lost.contains(&entry.link.sequence)) {
            if let Reading::Known(entry) = read(&entry.entry)
                && let Entry::Settled {
                    job, charged: true, ..
                } = *entry
            {
                settled.insert(job);
            }
        }
    }
    for job in &settled {
        if !world.centre.charges.contains_key(job) {
            return Err(format!("job {job} is settled and not charged"));
        }
    }
    let mut seen = BTreeSet::new();
    let doubles = world.centre.doubles.iter().map(|(_, origin)| origin);
    for origin in world.centre.charges.values().chain(doubles) {
        let key = (origin.node, origin.branch, origin.sequence);
        if !seen.insert(key) {
            return Err(format!("{origin:?} is charged twice"));
        }
    }
    Ok(())
}

/// What the centre has as spent of a lease is what the journals that are left say.
fn leases_are_settled(world: &World) -> Check {
    let mut charged: BTreeSet<JobId> = BTreeSet::new();
    let mut spent: BTreeMap<LeaseId, u64> = BTreeMap::new();
    for (job, shares) in &world.centre.charged {
        if !charged.insert(*job) {
            return Err(format!("job {job} is charged twice"));
        }
        for share in shares {
            if let Some(lease) = share.lease {
                *spent.entry(lease).or_default() += share.amount;
            }
        }
    }
    for (lease, row) in &world.centre.leases {
        let said = spent.get(lease).copied().unwrap_or(0);
        if row.slice.spent != said {
            let books = row.slice.spent;
            return Err(format!(
                "lease {lease}: {books} in the books, {said} charged"
            ));
        }
    }
    Ok(())
}

fn directories_are_the_same(world: &World) -> Check {
    let live = |(_, record): &&(u64, _)| Option::is_some(record);
    for office_box in &world.boxes {
        let disk = &office_box.disk;
        let here: Vec<_> = disk.serving.values().filter(live).collect();
        let there: Vec<_> = world.centre.objects.values().filter(live).collect();
        if here != there {
            return Err(format!("box {} has another directory", office_box.number));
        }
    }
    Ok(())
}

/// Where more was spent than there was, a person is shown why.
fn a_person_knows(world: &World) -> Check {
    let alerts: u64 = world.boxes.iter().map(|one| one.alerts).sum();
    if world.truth.is_over()
        && world.centre.alerts + alerts == 0
        && world.centre.doubles.is_empty()
        && !world.truth.has_forgotten()
    {
        return Err("a quota is overspent and nobody is told".to_owned());
    }
    Ok(())
}
