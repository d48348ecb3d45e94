// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The purse's promise: over any order of leases, releases, ends and power cuts, what the ledger says
//! was spent and set aside on a lease never passes its amount, and nothing is spent on a closed one.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod given;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use given::{bytes_of, copy_with, disk_with_key, job, open, released, settled, started};
use platen_ledger::{Entry, Ledger, Purse, ReserveError};
use platen_model::{JobNumber, Lease, LeaseId, ManualClock, QuotaId, Share};
use platen_store::{Disk, Keys, SimDisk};
use proptest::prelude::*;
use uuid::Uuid;

const SEGMENT: u64 = 1 << 20;
const PRINTERS: u32 = 3;

fn quota(n: u8) -> QuotaId {
    QuotaId(Uuid::from_u128(u128::from(n)))
}

fn lease(serial: u64, of: u8, amount: u64) -> Lease {
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
struct Need {
    quota: QuotaId,
    amount: u64,
    above: bool,
}

fn need(of: u8, amount: u64, above: bool) -> Need {
    Need {
        quota: quota(of),
        amount,
        above,
    }
}

struct Given {
    ledger: Arc<Ledger>,
    purse: Purse,
}

/// As a start of the box does it: what was on its way is interrupted first.
fn start(disk: &SimDisk, keys: &Arc<Keys>) -> Option<Given> {
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

fn with_shares(entry: Entry, of: Vec<Share>) -> Entry {
    let mut entry = entry;
    if let Entry::Released { shares, .. } | Entry::Settled { shares, .. } = &mut entry {
        *shares = of;
    }
    entry
}

/// Shares for the needs, from the oldest lease on, as policy works them out.
fn cut(purse: &Purse, needs: &[Need]) -> Option<Vec<Share>> {
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
fn bill(purse: &Purse, number: u32, charges: &[(QuotaId, u64)]) -> Vec<Share> {
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

fn release(given: &Given, number: u32, attempt: u32, needs: &[Need]) -> bool {
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

fn settle(given: &Given, number: u32, attempt: u32, charges: &[(QuotaId, u64)]) {
    let shares = bill(&given.purse, number, charges);
    let end = with_shares(settled(number, attempt, true), shares.clone());
    if given.ledger.append_blocking(end).is_ok() {
        given.purse.settle(job(number), &shares);
    }
}

fn stop(given: &Given, number: u32, attempt: u32) {
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
fn check(ledger: &Ledger, amounts: &BTreeMap<LeaseId, u64>) -> Result<(), TestCaseError> {
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
                prop_assert!(closed.insert(lease), "closed twice");
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

#[derive(Clone, Debug)]
enum Step {
    Take {
        of: u8,
        amount: u64,
    },
    Release {
        printer: u32,
        needs: Vec<(u8, u64, bool)>,
    },
    Settle {
        printer: u32,
        charges: Vec<(u8, u64)>,
    },
    Stop {
        printer: u32,
    },
    Close {
        serial: u64,
    },
    PowerCut {
        after: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let printer = 0..PRINTERS;
    let needs = prop::collection::vec((0..2_u8, 0..9_u64, any::<bool>()), 0..3);
    let charges = prop::collection::vec((0..2_u8, 0..12_u64), 0..3);
    prop_oneof![
        2 => (0..2_u8, 1..20_u64).prop_map(|(of, amount)| Step::Take { of, amount }),
        5 => (printer.clone(), needs).prop_map(|(printer, needs)| Step::Release { printer, needs }),
        4 => (printer.clone(), charges).prop_map(|(printer, charges)| Step::Settle { printer, charges }),
        1 => printer.prop_map(|printer| Step::Stop { printer }),
        1 => (1..8_u64).prop_map(|serial| Step::Close { serial }),
        1 => (0..6_usize).prop_map(|after| Step::PowerCut { after }),
    ]
}

/// The box, over its power cuts.
struct Life {
    disk: SimDisk,
    keys: Arc<Keys>,
    given: Given,
    amounts: BTreeMap<LeaseId, u64>,
    granted: Vec<Lease>,
    /// Jobs on their way, by printer.
    under_way: BTreeMap<u32, u32>,
    next: u32,
}

impl Life {
    fn begin(seed: u64) -> Self {
        let (disk, keys) = disk_with_key(seed);
        let given = start(&disk, &keys).unwrap();
        Self {
            disk,
            keys,
            given,
            amounts: BTreeMap::new(),
            granted: Vec::new(),
            under_way: BTreeMap::new(),
            next: 1,
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Take { of, amount } => {
                let serial = self.granted.len() as u64 + 1;
                self.granted.push(lease(serial, of, amount));
                self.amounts.insert(lease(serial, of, amount).id, amount);
                let _ = self.given.purse.take(&self.granted);
            }
            Step::Release { printer, needs } => {
                let needs: Vec<_> = needs
                    .iter()
                    .map(|&(of, amount, above)| need(of, amount, above))
                    .collect();
                if !self.under_way.contains_key(&printer)
                    && release(&self.given, self.next, 1, &needs)
                {
                    self.under_way.insert(printer, self.next);
                }
                self.next += 1;
            }
            Step::Settle { printer, charges } => {
                let charges: Vec<_> = charges
                    .iter()
                    .map(|&(of, amount)| (quota(of), amount))
                    .collect();
                if let Some(number) = self.under_way.remove(&printer) {
                    settle(&self.given, number, 1, &charges);
                }
            }
            Step::Stop { printer } => {
                if let Some(number) = self.under_way.remove(&printer) {
                    stop(&self.given, number, 1);
                }
            }
            Step::Close { serial } => self.given.purse.close(&[lease(serial, 0, 0).id]),
            Step::PowerCut { after } => self.disk.freeze_at_sync(self.disk.syncs() + after),
        }
        self.recover_from_power_cut();
    }

    /// The box comes up again; the centre sends all leases again, as it may.
    fn recover_from_power_cut(&mut self) {
        if !self.disk.is_frozen() {
            return;
        }
        self.disk = self.disk.crash();
        self.given = start(&self.disk, &self.keys).unwrap();
        self.under_way.clear();
        self.given.purse.take(&self.granted).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_order_of_events_and_power_cuts_spends_more_than_a_lease_or_on_a_closed_one(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut life = Life::begin(seed);
        for step in steps {
            life.run(step);
        }
        check(&life.given.ledger, &life.amounts)?;
        // What the purse thinks after one more start is what the ledger says.
        drop(life.given);
        let again = start(&life.disk, &life.keys);
        if let Some(given) = again {
            check(&given.ledger, &life.amounts)?;
        }
    }
}

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
