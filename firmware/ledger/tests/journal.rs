// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ledger in use: appending, rotating, starting again, running out of room.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod given;

use std::future::Future;
use std::sync::Arc;

use given::{disk_with_key, job, open, released, settled, started};
use platen_ledger::{Entry, Ledger, LedgerError};
use platen_model::{JobNumber, ManualClock};
use platen_store::{Keys, RealDisk};

const LARGE: u64 = 1 << 20;

#[test]
fn entries_come_back_in_order_over_many_segments_and_starts() {
    let (disk, keys) = disk_with_key(1);
    let mut expected = Vec::new();
    for round in 0..5 {
        let (ledger, report) = open(&disk, &keys, 2000).unwrap();
        assert_eq!(report.head.sequence, expected.len() as u64);
        assert_eq!((report.repaired_bytes, report.faults.len()), (0, 0));
        for number in (round * 10 + 1)..=(round * 10 + 10) {
            for entry in [released(number, 1), settled(number, 1, true)] {
                let receipt = ledger.append_blocking(entry.clone()).unwrap();
                expected.push(entry);
                assert_eq!(receipt.sequence, expected.len() as u64);
            }
        }
        let verified = ledger.verify().unwrap();
        assert_eq!(verified.faults, []);
        assert_eq!(verified.entries, expected.len() as u64);
        assert_eq!(verified.head, ledger.head().hash);
    }
    let (ledger, _) = open(&disk, &keys, 2000).unwrap();
    let read = ledger.entries(1, 1000).unwrap();
    assert!(read.iter().map(|record| record.sequence).eq(1..=100));
    let entries: Vec<Entry> = read.into_iter().map(|record| record.entry).collect();
    assert_eq!(entries, expected);
    let page = ledger.entries(42, 7).unwrap();
    assert!(page.iter().map(|record| record.sequence).eq(42..49));
    assert!(disk.files().len() > 10, "many segments");
}

#[test]
fn releases_without_an_end_are_found_at_start_over_segments() {
    let (disk, keys) = disk_with_key(2);
    let (ledger, _) = open(&disk, &keys, 1000).unwrap();
    for number in 1..=20 {
        ledger.append_blocking(released(number, 1)).unwrap();
    }
    for number in (1..=20).filter(|n| n % 5 != 0) {
        ledger.append_blocking(settled(number, 1, true)).unwrap();
    }
    let stopped = Entry::Stopped {
        job: job(5),
        number: JobNumber(5),
        attempt: 1,
        reasons: vec!["media-jam-error".into()],
    };
    ledger.append_blocking(stopped).unwrap();
    drop(ledger);
    let (_ledger, report) = open(&disk, &keys, 1000).unwrap();
    let open_numbers: Vec<u32> = report.open_releases.iter().map(|r| r.number.0).collect();
    assert_eq!(open_numbers, [10, 15, 20]);
    assert_eq!(report.highest_job_number, Some(JobNumber(20)));
}

#[test]
fn a_job_is_charged_once_also_after_a_restart_and_a_new_segment() {
    let (disk, keys) = disk_with_key(3);
    let (ledger, _) = open(&disk, &keys, 500).unwrap();
    ledger.append_blocking(released(1, 1)).unwrap();
    let twice = ledger.append_blocking(released(1, 1)).unwrap_err();
    assert!(matches!(twice, LedgerError::AlreadyReleased { .. }));
    ledger.append_blocking(settled(1, 1, true)).unwrap();
    let unreleased = ledger.append_blocking(settled(1, 1, false)).unwrap_err();
    assert!(matches!(unreleased, LedgerError::NotReleased { .. }));
    for _ in 0..5 {
        ledger.append_blocking(started()).unwrap();
    }
    drop(ledger);
    let (ledger, _) = open(&disk, &keys, 500).unwrap();
    ledger.append_blocking(released(1, 2)).unwrap();
    let again = ledger.append_blocking(settled(1, 2, true)).unwrap_err();
    assert!(matches!(again, LedgerError::ChargedTwice { job: id } if id == job(1)));
    ledger.append_blocking(settled(1, 2, false)).unwrap();
    assert_eq!(ledger.verify().unwrap().faults, []);
}

#[test]
fn a_full_disk_refuses_and_works_again_with_room() {
    let (disk, keys) = disk_with_key(4);
    let (ledger, _) = open(&disk, &keys, LARGE).unwrap();
    ledger.append_blocking(released(1, 1)).unwrap();
    let used: usize = disk.files().iter().map(|(_, bytes)| bytes.len()).sum();
    // Room for a part of the next record only.
    disk.fill_at(Some(used as u64 + 100));
    for _ in 0..3 {
        let error = ledger.append_blocking(settled(1, 1, true)).unwrap_err();
        assert!(matches!(error, LedgerError::Full(_)), "{error:?}");
        assert_eq!(ledger.verify().unwrap().faults, []);
    }
    disk.fill_at(None);
    assert_eq!(
        ledger
            .append_blocking(settled(1, 1, true))
            .unwrap()
            .sequence,
        2
    );
    drop(ledger);
    let (ledger, report) = open(&disk, &keys, LARGE).unwrap();
    assert_eq!((report.repaired_bytes, report.open_releases.len()), (0, 0));
    assert_eq!(ledger.verify().unwrap().faults, []);
}

#[test]
fn a_full_disk_can_refuse_the_first_segment_too() {
    let (disk, keys) = disk_with_key(5);
    let (ledger, _) = open(&disk, &keys, LARGE).unwrap();
    let used: usize = disk.files().iter().map(|(_, bytes)| bytes.len()).sum();
    disk.fill_at(Some(used as u64 + 20));
    let error = ledger.append_blocking(started()).unwrap_err();
    assert!(matches!(error, LedgerError::Full(_)), "{error:?}");
    disk.fill_at(None);
    assert_eq!(ledger.append_blocking(started()).unwrap().sequence, 1);
}

#[test]
fn an_entry_beyond_the_record_limit_is_refused_and_its_group_is_not() {
    let (disk, keys) = disk_with_key(6);
    let (ledger, _) = open(&disk, &keys, LARGE).unwrap();
    let huge = Entry::Started {
        version: "x".repeat(70_000),
    };
    let error = ledger.append_blocking(huge).unwrap_err();
    assert!(matches!(error, LedgerError::TooLarge { .. }), "{error:?}");
    assert_eq!(ledger.append_blocking(started()).unwrap().sequence, 1);
}

#[test]
fn another_key_opens_nothing_and_changes_nothing() {
    let (disk, keys) = disk_with_key(7);
    let (ledger, _) = open(&disk, &keys, LARGE).unwrap();
    ledger.append_blocking(started()).unwrap();
    drop(ledger);
    let (_, other) = disk_with_key(8);
    let before = disk.files();
    let error = open(&disk, &other, LARGE).unwrap_err();
    assert!(matches!(error, LedgerError::WrongKey { .. }), "{error:?}");
    assert_eq!(disk.files(), before);
}

#[test]
fn two_hundred_appends_at_once_share_their_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk::open(dir.path()).unwrap());
    let keys = Arc::new(Keys::open(&*disk).unwrap());
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    let (ledger, _) = Ledger::open(disk, keys, clock).unwrap();
    let appends = (1..=200).map(|number| ledger.append(released(number, 1)));
    let receipts = smol::block_on(async {
        let mut waiting: Vec<_> = appends.map(Box::pin).collect();
        let mut receipts = Vec::new();
        std::future::poll_fn(|context| {
            waiting.retain_mut(|append| match append.as_mut().poll(context) {
                std::task::Poll::Ready(receipt) => {
                    receipts.push(receipt.unwrap().sequence);
                    false
                }
                std::task::Poll::Pending => true,
            });
            if waiting.is_empty() {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        receipts
    });
    let mut sorted = receipts;
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(1..=200));
    assert_eq!(ledger.verify().unwrap().entries, 200);
    let segment = std::fs::read(dir.path().join(given::FIRST_SEGMENT)).unwrap();
    let plain = |word: &[u8]| segment.windows(word.len()).any(|at| at == word);
    assert!(!plain(b"application/pdf") && !plain(b"office"));
}
