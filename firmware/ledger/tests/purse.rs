// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The purse case by case: what is set aside, spent, given back, closed, and found again at a start.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod given;

use std::path::Path;
use std::sync::Arc;

use given::spending::{
    Given, SEGMENT, bill, check, cut, lease, need, quota, release, settle, start,
};
use given::{bytes_of, copy_with, disk_with_key, job, open, started};
use platen_ledger::{Entry, Ledger, ReserveError};
use platen_model::{Lease, Share};
use platen_store::{Disk, Keys, SimDisk};

/// One life of a box, cut off at every sync there is in it.
#[test]
fn a_power_cut_at_any_sync_neither_loses_nor_doubles_what_was_spent() {
    let mut cuts = 0;
    for cut in 0.. {
        let (disk, keys) = disk_with_key(cut as u64);
        let leases = [lease(1, 0, 10), lease(2, 0, 10)];
        let amounts = leases
            .iter()
            .map(|lease| (lease.id, lease.amount))
            .collect();
        disk.freeze_at_sync(disk.syncs() + cut);
        if let Some(given) = start(&disk, &keys) {
            live(&given, &leases);
        }
        if !disk.is_frozen() {
            break;
        }
        cuts += 1;
        let given = start(&disk.crash(), &keys).unwrap();
        given.purse.take(&leases).unwrap();
        let before = spent(&given.ledger);
        // All that is left can be spent, and no more.
        let room = given.purse.room(quota(0), None);
        assert!(
            room + before <= 20,
            "cut {cut}: {before} spent, {room} left"
        );
        assert!(!release(&given, 99, 1, &[need(0, room + 1, false)]));
        assert!(release(&given, 99, 1, &[need(0, room, false)]));
        settle(&given, 99, 1, &[(quota(0), room)]);
        check(&given.ledger, &amounts).unwrap();
    }
    println!("{cuts} cut points");
    assert!(cuts > 10, "{cuts} cut points");
}

fn live(given: &Given, leases: &[Lease]) {
    let _ = given.purse.take(leases);
    release(given, 1, 1, &[need(0, 4, false)]);
    settle(given, 1, 1, &[(quota(0), 3)]);
    release(given, 2, 1, &[need(0, 9, false)]);
    given.purse.close(&[leases[0].id]);
    settle(given, 2, 1, &[(quota(0), 9)]);
    release(given, 3, 1, &[need(0, 5, false)]);
}

fn spent(ledger: &Ledger) -> u64 {
    let entries = ledger.entries(1, 1000).unwrap();
    let shares = entries.into_iter().filter_map(|record| match record.entry {
        Entry::Settled { shares, .. } => Some(shares),
        _ => None,
    });
    let leased = shares.flatten().filter(|share| share.lease.is_some());
    leased.map(|share| share.amount).sum()
}

fn set_up(seed: u64) -> (SimDisk, Arc<Keys>, Given) {
    let (disk, keys) = disk_with_key(seed);
    let given = start(&disk, &keys).unwrap();
    given.purse.take(&[lease(1, 0, 10)]).unwrap();
    (disk, keys, given)
}

#[test]
fn a_reservation_is_taken_whole_or_not_and_what_was_not_used_comes_back() {
    let (_, _, given) = set_up(1);
    let shares = cut(&given.purse, &[need(0, 12, true)]).unwrap();
    given.purse.reserve(job(1), &shares).unwrap();
    assert_eq!(given.purse.room(quota(0), None), 0);
    // Worked out before the first was set aside.
    let short = given.purse.reserve(job(2), &shares).unwrap_err();
    let lease = shares[0].lease.unwrap();
    let (left, amount) = (0, 10);
    assert_eq!(
        short,
        ReserveError::Short {
            lease,
            left,
            amount
        }
    );
    // Another release of the same job must neither have nor give back what is set aside for it.
    let again = given.purse.reserve(job(1), &shares[..0]).unwrap_err();
    assert_eq!(again, ReserveError::Reserved);
    let used = bill(&given.purse, 1, &[(quota(0), 6)]);
    given.purse.settle(job(1), &used);
    assert_eq!(given.purse.room(quota(0), None), 4);
    // Two shares of one lease are one sum.
    let twice = [shares[0].clone(), shares[0].clone()];
    let twice = twice.map(|share| Share { amount: 3, ..share });
    let short = given.purse.reserve(job(2), &twice).unwrap_err();
    let (left, amount) = (4, 6);
    assert_eq!(
        short,
        ReserveError::Short {
            lease,
            left,
            amount
        }
    );
    assert_eq!(given.purse.room(quota(0), None), 4);
}

/// The lease of a job on its way can't be closed at once: a restart gave it its old room again.
#[test]
fn what_is_not_trusted_any_more_stays_spent_over_a_restart() {
    let (disk, keys, given) = set_up(12);
    assert!(release(&given, 1, 1, &[need(0, 4, false)]));
    given.purse.distrust();
    drop(given);
    let again = start(&disk, &keys).unwrap();
    assert_eq!(again.purse.room(quota(0), None), 0);
}

/// A job that takes nothing of quotas is somebody's to release as any other.
#[test]
fn a_job_without_shares_is_reserved_too() {
    let (_, _, given) = set_up(13);
    given.purse.reserve(job(1), &[]).unwrap();
    assert!(given.purse.is_reserved(job(1)));
    let again = given.purse.reserve(job(1), &[]).unwrap_err();
    assert_eq!(again, ReserveError::Reserved);
    given.purse.give_back(job(1));
    assert!(!given.purse.is_reserved(job(1)));
}

#[test]
fn a_recalled_lease_is_closed_once_its_last_job_has_ended_and_never_taken_again() {
    let (disk, keys, given) = set_up(2);
    assert!(release(&given, 1, 1, &[need(0, 4, false)]));
    given.purse.close(&[lease(1, 0, 10).id]);
    assert_eq!(closed(&given.ledger), 0);
    assert_eq!(given.purse.room(quota(0), None), 0);
    settle(&given, 1, 1, &[(quota(0), 4)]);
    assert_eq!(closed(&given.ledger), 1);
    given.purse.take(&[lease(1, 0, 10)]).unwrap();
    assert_eq!(given.purse.open_leases(), 0);
    drop(given);
    let again = start(&disk, &keys).unwrap();
    again.purse.take(&[lease(1, 0, 10)]).unwrap();
    assert_eq!(
        (again.purse.room(quota(0), None), again.purse.taken_upto()),
        (0, 1)
    );
}

fn closed(ledger: &Ledger) -> usize {
    let entries = ledger.entries(1, 1000).unwrap();
    let ends = entries
        .iter()
        .filter(|record| matches!(record.entry, Entry::LeaseClosed { .. }));
    ends.count()
}

#[test]
fn without_its_file_the_box_knows_from_the_ledger_what_was_spent_and_closed() {
    let (disk, keys, given) = set_up(3);
    given.purse.take(&[lease(2, 1, 10)]).unwrap();
    assert!(release(
        &given,
        1,
        1,
        &[need(0, 4, false), need(1, 3, false)]
    ));
    settle(&given, 1, 1, &[(quota(0), 4), (quota(1), 3)]);
    given.purse.close(&[lease(2, 1, 10).id]);
    drop(given);
    for damage in [true, false] {
        let path = "ledger/leases.sealed";
        let mut bytes = bytes_of(&disk, path);
        bytes[40] ^= 1;
        let lost = copy_with(&disk, path, &bytes);
        if !damage {
            lost.remove(Path::new(path)).unwrap();
        }
        let given = start(&lost, &keys).unwrap();
        given
            .purse
            .take(&[lease(1, 0, 10), lease(2, 1, 10)])
            .unwrap();
        assert_eq!(given.purse.room(quota(0), None), 6, "damage: {damage}");
        assert_eq!(given.purse.room(quota(1), None), 0, "damage: {damage}");
    }
}

#[test]
fn a_hole_in_the_ledger_costs_the_leases_that_were_open_over_it() {
    let (disk, keys, given) = set_up(4);
    assert!(release(&given, 1, 1, &[need(0, 1, false)]));
    settle(&given, 1, 1, &[(quota(0), 1)]);
    given.ledger.append_blocking(started()).unwrap();
    given.ledger.append_blocking(started()).unwrap();
    drop(given);
    let path = given::FIRST_SEGMENT;
    let mut bytes = bytes_of(&disk, path);
    let second = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, four)| four == b"PLR1")
        .nth(1);
    let at = second.unwrap().0;
    bytes[at + 100] ^= 1;
    let damaged = copy_with(&disk, path, &bytes);
    let given = start(&damaged, &keys).unwrap();
    assert_eq!(given.purse.room(quota(0), None), 0);
    given.purse.take(&[lease(2, 0, 7)]).unwrap();
    assert_eq!(given.purse.room(quota(0), None), 7);
}

#[test]
fn leases_beside_another_ledger_count_as_spent() {
    let (disk, keys, given) = set_up(5);
    given.ledger.append_blocking(started()).unwrap();
    given.purse.take(&[lease(2, 0, 5)]).unwrap();
    drop(given);
    for grown in [false, true] {
        let other = copy_with(&disk, "", &[]);
        other.remove(Path::new(given::FIRST_SEGMENT)).unwrap();
        if grown {
            let (ledger, _) = open(&other, &keys, SEGMENT).unwrap();
            ledger.append_blocking(started()).unwrap();
            ledger.append_blocking(started()).unwrap();
        }
        let given = start(&other, &keys).unwrap();
        assert_eq!(given.purse.room(quota(0), None), 0, "grown: {grown}");
    }
}

#[test]
fn a_start_moves_the_files_place_on_and_counts_the_same() {
    let (disk, keys, given) = set_up(9);
    assert!(release(&given, 1, 1, &[need(0, 4, false)]));
    settle(&given, 1, 1, &[(quota(0), 3)]);
    for _ in 0..1100 {
        given.ledger.append_blocking(started()).unwrap();
    }
    drop(given);
    for _ in 0..3 {
        let given = start(&disk, &keys).unwrap();
        assert_eq!(given.purse.room(quota(0), None), 7);
    }
}

#[test]
fn a_recalled_lease_that_the_box_does_not_know_is_closed_once_a_start() {
    let (disk, keys, given) = set_up(9);
    assert!(release(&given, 1, 1, &[need(0, 4, false)]));
    drop(given);
    // The file of leases is lost.
    disk.remove(Path::new("ledger/leases.sealed")).unwrap();
    let given = start(&disk, &keys).unwrap();
    let strange = lease(7, 0, 0).id;
    let recalled = [strange, lease(1, 0, 10).id, strange];
    given.purse.close(&recalled);
    given.purse.close(&recalled);
    let ends = |given: &Given| {
        let entries = given.ledger.entries(1, 1000).unwrap().into_iter();
        let ended = entries.filter_map(|record| match record.entry {
            Entry::LeaseClosed { lease } => Some(lease),
            _ => None,
        });
        ended.filter(|lease| *lease == strange).count()
    };
    assert_eq!(ends(&given), 1);
    // It came late, and is closed for good.
    given.purse.take(&[lease(7, 0, 10)]).unwrap();
    assert_eq!(given.purse.room(quota(0), None), 0);
    drop(given);
    let given = start(&disk, &keys).unwrap();
    given.purse.close(&recalled);
    assert_eq!((ends(&given), closed(&given.ledger)), (1, 2));
}

#[test]
fn a_box_asks_for_what_it_used_and_missed_and_not_for_what_it_has() {
    let (_, _, given) = set_up(6);
    assert_eq!(given.purse.wants(), []);
    assert!(release(&given, 1, 1, &[need(0, 4, false)]));
    assert_eq!(given.purse.wants(), []);
    given.purse.miss(quota(0), None, 50);
    let wants = given.purse.wants();
    assert_eq!(wants.len(), 1);
    assert_eq!((wants[0].quota, wants[0].amount), (quota(0), 50));
}

#[test]
fn a_full_disk_takes_no_lease_and_spends_none() {
    let (disk, _, given) = set_up(7);
    disk.fill_at(Some(0));
    assert!(given.purse.take(&[lease(2, 0, 5)]).is_err());
    assert_eq!(
        (given.purse.room(quota(0), None), given.purse.taken_upto()),
        (10, 1)
    );
    given.purse.close(&[lease(1, 0, 10).id]);
    assert_eq!(
        (given.purse.room(quota(0), None), closed(&given.ledger)),
        (0, 0)
    );
    disk.fill_at(None);
    given.purse.take(&[lease(2, 0, 5)]).unwrap();
    given.purse.close(&[]);
    assert_eq!(
        (given.purse.room(quota(0), None), closed(&given.ledger)),
        (5, 1)
    );
}

#[test]
fn a_listener_hears_of_many_entries_once() {
    let (disk, keys) = disk_with_key(8);
    let (ledger, _) = open(&disk, &keys, SEGMENT).unwrap();
    let appended = ledger.appended();
    assert!(appended.try_recv().is_err());
    for _ in 0..3 {
        ledger.append_blocking(started()).unwrap();
    }
    assert!(appended.try_recv().is_ok());
    assert!(appended.try_recv().is_err());
    drop(ledger);
    assert!(appended.try_recv().is_err());
}
