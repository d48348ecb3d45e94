// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Power cuts at every sync: what was acknowledged is there, the chain is whole, and a failed sync
//! is not followed by an acknowledgement.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod given;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use given::{disk_with_key, open, released, settled, started};
use platen_ledger::{Entry, Ledger, LedgerError};
use platen_model::ManualClock;
use platen_store::{Disk, DiskFile, DiskRead, Keys, SimDisk};

/// Appends until the power goes; returns what was acknowledged.
fn work(disk: &SimDisk, keys: &Arc<Keys>) -> Vec<(u64, Entry)> {
    let mut acknowledged = Vec::new();
    let Ok((ledger, _)) = open(disk, keys, 1500) else {
        return acknowledged;
    };
    for number in 1..=12 {
        for entry in [released(number, 1), settled(number, 1, true)] {
            match ledger.append_blocking(entry.clone()) {
                Ok(receipt) => acknowledged.push((receipt.sequence, entry)),
                Err(_) => return acknowledged,
            }
        }
    }
    acknowledged
}

#[test]
fn power_loss_at_any_sync_loses_nothing_acknowledged_and_leaves_no_gap() {
    let mut cuts = 0;
    for seed in 0..8 {
        for cut in 0.. {
            let (disk, keys) = disk_with_key(seed);
            disk.freeze_at_sync(disk.syncs() + cut);
            let acknowledged = work(&disk, &keys);
            if !disk.is_frozen() {
                break;
            }
            cuts += 1;
            // The first start after the cut loses power too, wherever that falls.
            let survived = disk.crash();
            survived.freeze_at_sync(cut % 5);
            let _ = work(&survived, &keys);
            check(&survived.crash(), &keys, &acknowledged, seed, cut);
        }
    }
    println!("{cuts} cut points");
    assert!(cuts > 200, "{cuts} cut points");
}

fn check(disk: &SimDisk, keys: &Arc<Keys>, acknowledged: &[(u64, Entry)], seed: u64, cut: usize) {
    let told = format!("seed {seed} cut {cut}");
    let (ledger, report) = open(disk, keys, 1500).unwrap();
    assert_eq!(report.faults, [], "{told}");
    ledger.append_blocking(started()).unwrap();
    let verified = ledger.verify().unwrap();
    assert_eq!(verified.faults, [], "{told}");
    let entries = ledger.entries(1, 1000).unwrap();
    assert!(
        entries
            .iter()
            .map(|record| record.sequence)
            .eq(1..=verified.entries)
    );
    for (sequence, entry) in acknowledged {
        let place = usize::try_from(*sequence).unwrap() - 1;
        assert_eq!(&entries[place].entry, entry, "{told}");
    }
}

/// A disk whose file syncs can be made to fail after the bytes were taken.
struct FailingSync {
    inner: SimDisk,
    failing: Arc<AtomicBool>,
}

struct FailingFile {
    inner: Box<dyn DiskFile>,
    failing: Arc<AtomicBool>,
}

impl io::Write for FailingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl DiskFile for FailingFile {
    fn sync(&mut self) -> io::Result<()> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(io::Error::other("write-back failed"));
        }
        self.inner.sync()
    }
}

impl FailingSync {
    fn wrap(&self, inner: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        let failing = Arc::clone(&self.failing);
        Box::new(FailingFile { inner, failing })
    }
}

impl Disk for FailingSync {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.wrap(self.inner.create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.wrap(self.inner.append(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskRead>> {
        self.inner.open(path)
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        if self.failing.load(Ordering::SeqCst) {
            return Err(io::Error::other("write-back failed"));
        }
        self.inner.truncate(path, length)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.inner.list(path)
    }

    fn sync_files(&self, files: &mut [Box<dyn DiskFile>]) -> io::Result<()> {
        self.inner.sync_files(files)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_dir(path)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.inner.free_bytes()
    }
}

#[test]
fn after_a_failed_sync_the_tail_is_cut_before_the_next_append() {
    let (inner, keys) = disk_with_key(21);
    let failing = Arc::new(AtomicBool::new(false));
    let disk = FailingSync {
        inner: inner.clone(),
        failing: Arc::clone(&failing),
    };
    let clock = Arc::new(ManualClock::at(1));
    let (ledger, _) = Ledger::open(Arc::new(disk), Arc::clone(&keys), clock).unwrap();
    ledger.append_blocking(released(1, 1)).unwrap();
    failing.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let error = ledger.append_blocking(settled(1, 1, true)).unwrap_err();
        assert!(matches!(error, LedgerError::Disk { .. }), "{error:?}");
        assert_eq!(ledger.head().sequence, 1);
    }
    failing.store(false, Ordering::SeqCst);
    let receipt = ledger.append_blocking(settled(1, 1, true)).unwrap();
    assert_eq!(receipt.sequence, 2);
    assert_eq!(ledger.verify().unwrap().faults, []);
    drop(ledger);
    let (ledger, report) = open(&inner, &keys, 1 << 20).unwrap();
    assert_eq!((report.head.sequence, report.repaired_bytes), (2, 0));
    assert_eq!(ledger.verify().unwrap().entries, 2);
}
