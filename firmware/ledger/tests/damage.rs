// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Torn tails are cut, damage is shown and never cut.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod given;

use given::{FIRST_SEGMENT, bytes_of, copy_with, disk_with_key, open, released, settled, started};
use platen_ledger::verify::FaultKind;
use platen_ledger::{Entry, LedgerReport};
use platen_store::SimDisk;
use proptest::prelude::*;

const LARGE: u64 = 1 << 20;
const MARKER: &[u8] = b"PLR1";

/// Three records, each in a group of its own.
fn small_ledger() -> (SimDisk, std::sync::Arc<platen_store::Keys>) {
    let (disk, keys) = disk_with_key(11);
    let (ledger, _) = open(&disk, &keys, LARGE).unwrap();
    for entry in [started(), released(1, 1), settled(1, 1, true)] {
        ledger.append_blocking(entry).unwrap();
    }
    drop(ledger);
    (disk, keys)
}

fn record_starts(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len())
        .filter(|&at| bytes[at..].starts_with(MARKER))
        .collect()
}

#[test]
fn every_changed_byte_is_named_with_its_record() {
    let (disk, keys) = small_ledger();
    let bytes = bytes_of(&disk, FIRST_SEGMENT);
    let starts = record_starts(&bytes);
    assert_eq!(starts.len(), 3);
    for at in 0..bytes.len() {
        // Opened whole, changed behind the ledger's back, then verified.
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        let copy = copy_with(&disk, FIRST_SEGMENT, &bytes);
        let (ledger, _) = open(&copy, &keys, LARGE).unwrap();
        overwrite(&copy, &changed);
        let verified = ledger.verify().unwrap();
        let named = starts.iter().filter(|&&start| start <= at).count() as u64;
        let hit = verified.faults.iter().any(|fault| match fault.kind {
            FaultKind::Header => named == 0,
            FaultKind::Record { sequence, .. } => sequence == named,
            _ => false,
        });
        assert!(hit, "byte {at}, record {named}: {:?}", verified.faults);
    }
}

fn overwrite(disk: &SimDisk, bytes: &[u8]) {
    use platen_store::Disk;
    let path = std::path::Path::new(FIRST_SEGMENT);
    disk.truncate(path, 0).unwrap();
    let mut file = disk.append(path).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_tail_torn_at_any_length_is_cut_kept_and_recorded() {
    let (disk, keys) = small_ledger();
    let bytes = bytes_of(&disk, FIRST_SEGMENT);
    let starts = record_starts(&bytes);
    for length in starts[0]..bytes.len() {
        let copy = copy_with(&disk, FIRST_SEGMENT, &bytes[..length]);
        let (ledger, report) = open(&copy, &keys, LARGE).unwrap();
        let whole = starts.iter().filter(|&&start| start <= length).count() - 1;
        let cut = length - starts[whole];
        assert_eq!(report.head.sequence, whole as u64, "length {length}");
        assert_eq!(report.repaired_bytes, cut as u64);
        assert_eq!(report.faults, []);
        let entries = ledger.entries(whole as u64 + 1, 10).unwrap();
        let repaired = Entry::Repaired {
            segment: 1,
            bytes: cut as u64,
        };
        assert_eq!(entries.len(), usize::from(cut > 0));
        assert!(entries.iter().all(|record| record.entry == repaired));
        if let Some(kept) = &report.torn_tail {
            let aside = bytes_of(&copy, kept.to_str().unwrap());
            assert_eq!(aside, bytes[starts[whole]..length]);
        }
        ledger.append_blocking(started()).unwrap();
        assert_eq!(ledger.verify().unwrap().faults, []);
    }
}

fn reopened_with(change: impl Fn(&mut Vec<u8>, &[usize])) -> (LedgerReport, SimDisk, Vec<String>) {
    let (disk, keys) = small_ledger();
    let mut bytes = bytes_of(&disk, FIRST_SEGMENT);
    let starts = record_starts(&bytes);
    change(&mut bytes, &starts);
    let copy = copy_with(&disk, FIRST_SEGMENT, &bytes);
    let (ledger, report) = open(&copy, &keys, LARGE).unwrap();
    ledger.append_blocking(started()).unwrap();
    drop(ledger);
    let (ledger, _) = open(&copy, &keys, LARGE).unwrap();
    ledger.append_blocking(started()).unwrap();
    let faults = ledger.verify().unwrap().faults;
    (
        report,
        copy,
        faults.iter().map(ToString::to_string).collect(),
    )
}

#[test]
fn damage_before_the_tail_is_never_cut_and_writing_goes_on_in_a_new_segment() {
    let (disk, _) = small_ledger();
    let length = bytes_of(&disk, FIRST_SEGMENT).len();
    let (report, disk, faults) = reopened_with(|bytes, starts| bytes[starts[1] + 120] ^= 1);
    assert_eq!((report.repaired_bytes, report.faults.len()), (0, 1));
    assert_eq!(report.head.sequence, 3, "the records behind it count");
    assert_eq!(bytes_of(&disk, FIRST_SEGMENT).len(), length);
    let goes_on = bytes_of(&disk, "ledger/0000000000000004.plj");
    assert_eq!(record_starts(&goes_on).len(), 2);
    assert_eq!(faults.len(), 1);
    assert!(faults[0].contains("record 2 at byte"), "{}", faults[0]);
}

#[test]
fn records_cut_out_of_the_middle_are_named() {
    let (report, _, faults) = reopened_with(|bytes, starts| {
        bytes.drain(starts[1]..starts[2]);
    });
    assert_eq!(report.faults.len(), 1);
    assert!(faults[0].contains("record 2"), "{faults:?}");
    assert!(faults[0].contains("does not follow"), "{faults:?}");
}

#[test]
fn a_damaged_header_or_checkpoint_costs_no_record() {
    for at in [20, 100] {
        let (report, _, faults) = reopened_with(|bytes, _| bytes[at] ^= 1);
        assert_eq!(report.head.sequence, 3);
        assert!(
            faults.len() == 1 && faults[0].contains("header"),
            "{faults:?}"
        );
    }
}

/// A box whose journal was overwritten began a new one, and its verification found nothing wrong.
#[test]
fn a_segment_of_which_nothing_can_be_read_is_set_aside_and_stays_a_fault() {
    let (_, disk, faults) = reopened_with(|bytes, _| bytes.fill(0));
    let aside = bytes_of(&disk, "ledger/0000000000000001.plj.damaged-1");
    assert!(aside.iter().all(|&byte| byte == 0));
    assert!(
        faults.len() == 1 && faults[0].contains("set aside"),
        "{faults:?}"
    );
}

#[test]
fn a_newer_version_is_not_touched() {
    let (disk, keys) = small_ledger();
    let mut bytes = bytes_of(&disk, FIRST_SEGMENT);
    bytes[8] = 4;
    let sum = crc32fast::hash(&bytes[..60]);
    bytes[60..64].copy_from_slice(&sum.to_le_bytes());
    let copy = copy_with(&disk, FIRST_SEGMENT, &bytes);
    let error = open(&copy, &keys, LARGE).unwrap_err();
    assert!(error.to_string().contains("version 4"), "{error}");
    assert_eq!(bytes_of(&copy, FIRST_SEGMENT), bytes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever happened to the bytes: the start goes on, writing goes on, and what is shown after
    /// that is only what was shown at the start.
    #[test]
    fn any_damage_lets_the_box_start_and_record(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 0..6),
        cut in any::<prop::sample::Index>(),
        junk in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let (disk, keys) = small_ledger();
        let mut bytes = bytes_of(&disk, FIRST_SEGMENT);
        for (place, change) in flips {
            let at = place.index(bytes.len());
            bytes[at] ^= change;
        }
        bytes.truncate(bytes.len() - cut.index(bytes.len()).min(200));
        bytes.extend(junk);
        let copy = copy_with(&disk, FIRST_SEGMENT, &bytes);
        let (ledger, report) = open(&copy, &keys, LARGE).unwrap();
        let receipt = ledger.append_blocking(started()).unwrap();
        prop_assert!(receipt.sequence > report.head.sequence);
        drop(ledger);
        let (ledger, again) = open(&copy, &keys, LARGE).unwrap();
        prop_assert_eq!(again.repaired_bytes, 0);
        prop_assert_eq!(again.head, receipt);
        let faults = ledger.verify().unwrap().faults;
        prop_assert!(faults.is_empty() || !report.faults.is_empty(), "{:?}", faults);
    }
}

/// The same segment as an older program wrote it: its header says so, and is whole.
fn as_version_1(bytes: &[u8]) -> Vec<u8> {
    let mut older = bytes.to_vec();
    older[8..10].copy_from_slice(&1_u16.to_le_bytes());
    let sum = crc32fast::hash(&older[..60]);
    older[60..64].copy_from_slice(&sum.to_le_bytes());
    older
}

#[test]
fn a_segment_of_an_older_version_is_read_and_a_new_one_is_begun_behind_it() {
    let (disk, keys) = small_ledger();
    let older = as_version_1(&bytes_of(&disk, FIRST_SEGMENT));
    let copy = copy_with(&disk, FIRST_SEGMENT, &older);
    let (ledger, report) = open(&copy, &keys, LARGE).unwrap();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    let changed = Entry::SwitchChanged {
        switch: "cover".into(),
        kind: "tamper".into(),
        open: true,
    };
    ledger.append_blocking(changed.clone()).unwrap();
    assert_eq!(bytes_of(&copy, FIRST_SEGMENT), older, "nothing new in it");
    assert_eq!(ledger.verify().unwrap().faults, []);
    let entries = ledger.entries(1, 10).unwrap();
    assert_eq!(entries.len(), 4);
    assert_eq!(entries[3].entry, changed);
    drop(ledger);
    let (ledger, report) = open(&copy, &keys, LARGE).unwrap();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    assert_eq!(ledger.head().sequence, 4);
}

#[test]
fn an_empty_segment_of_an_older_version_is_replaced() {
    let (disk, keys) = disk_with_key(12);
    let (ledger, _) = open(&disk, &keys, LARGE).unwrap();
    ledger.append_blocking(started()).unwrap();
    drop(ledger);
    let whole = bytes_of(&disk, FIRST_SEGMENT);
    let first = record_starts(&whole)[0];
    let copy = copy_with(&disk, FIRST_SEGMENT, &as_version_1(&whole[..first]));
    let (ledger, _) = open(&copy, &keys, LARGE).unwrap();
    ledger.append_blocking(started()).unwrap();
    assert_eq!(bytes_of(&copy, FIRST_SEGMENT)[8], 3);
    assert_eq!(ledger.verify().unwrap().faults, []);
}
