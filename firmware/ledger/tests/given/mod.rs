// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the ledger's tests start from: a simulated disk with a key on it, and entries.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod spending;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use platen_ledger::{Entry, Ledger, LedgerError, LedgerReport, Limits, Outcome};
use platen_model::{Certainty, JobId, JobNumber, ManualClock, PageCount, PrinterName, Sides};
use platen_store::{Disk, Keys, SimDisk};

pub(crate) const FIRST_SEGMENT: &str = "ledger/0000000000000001.plj";

pub(crate) fn disk_with_key(seed: u64) -> (SimDisk, Arc<Keys>) {
    let disk = SimDisk::new(seed);
    let keys = Keys::open(&disk).unwrap();
    disk.sync_dir(Path::new("")).unwrap();
    (disk, Arc::new(keys))
}

pub(crate) fn open(
    disk: &SimDisk,
    keys: &Arc<Keys>,
    segment_bytes: u64,
) -> Result<(Ledger, LedgerReport), LedgerError> {
    let clock = Arc::new(ManualClock::at(1_700_000_000_000));
    let limits = Limits { segment_bytes };
    Ledger::open_with(Arc::new(disk.clone()), Arc::clone(keys), clock, limits)
}

pub(crate) fn job(number: u32) -> JobId {
    JobId::from_parts(u64::from(number), &[7; 10])
}

pub(crate) fn released(number: u32, attempt: u32) -> Entry {
    Entry::Released {
        job: job(number),
        number: JobNumber(number),
        user: None,
        printer: PrinterName("office".into()),
        attempt,
        octets: 1000,
        format: "application/pdf".into(),
        shares: Vec::new(),
    }
}

pub(crate) fn settled(number: u32, attempt: u32, charged: bool) -> Entry {
    Entry::Settled {
        job: job(number),
        number: JobNumber(number),
        user: None,
        printer: PrinterName("office".into()),
        attempt,
        outcome: Outcome::Completed,
        count: Some(PageCount::parsed(3, 1, Sides::OneSided, Certainty::Exact)),
        octets: 1000,
        impressions: None,
        confirmed_by: None,
        charged,
        shares: Vec::new(),
        cost: None,
    }
}

pub(crate) fn started() -> Entry {
    Entry::Started {
        version: "0.1.0".into(),
    }
}

/// A disk with the same files, some of them changed, everything synced.
pub(crate) fn copy_with(disk: &SimDisk, path: &str, bytes: &[u8]) -> SimDisk {
    let copy = SimDisk::new(1);
    for (name, old) in disk.files() {
        let bytes = if name == Path::new(path) { bytes } else { &old };
        let dir = name.parent().unwrap().to_owned();
        copy.create_dir(&dir).unwrap();
        let mut file = copy.create(&name).unwrap();
        file.write_all(bytes).unwrap();
        file.sync().unwrap();
        copy.sync_dir(&dir).unwrap();
    }
    copy
}

pub(crate) fn bytes_of(disk: &SimDisk, path: &str) -> Vec<u8> {
    let mut files = disk.files().into_iter();
    files.find(|(name, _)| name == Path::new(path)).unwrap().1
}
