// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Journal segments: a box is started on a damaged one, goes on writing, and looks back.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use platen_ledger::{Entry, Ledger, LedgerReport, Recorded};
use platen_model::{Clock, JobId, JobNumber, ManualClock};
use platen_store::{Disk, Keys, SimDisk};

use crate::damage::damaged;
use crate::sealed_box::{Files, disk_of, put};

struct Sound {
    files: Files,
    segment: (PathBuf, Vec<u8>),
    entries: Vec<Recorded>,
}

/// Damages a sound segment as the input lists, then takes the input itself for a segment.
///
/// # Panics
/// When an entry turns up that was never written, or damage goes unseen.
pub fn ledger_segment(data: &[u8]) {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    let sound = SOUND.get_or_init(make);
    check(sound, &damaged(&sound.segment.1, data));
    check(sound, data);
}

fn make() -> Sound {
    let disk = SimDisk::new(0);
    let (ledger, _) = open(&disk).expect("an empty disk");
    for number in 1..=12 {
        let (job, number) = (JobId::from_parts(1, &[3; 10]), JobNumber(number));
        ledger
            .append_blocking(Entry::Expired { job, number })
            .expect("memory takes all");
    }
    let entries = ledger.entries(1, 1000).expect("a sound ledger");
    drop(ledger);
    let files = disk.files();
    let mut segments = files.iter().filter(|(path, _)| path.starts_with("ledger"));
    let segment = segments.next().expect("a segment").clone();
    Sound {
        files,
        segment,
        entries,
    }
}

fn open(disk: &SimDisk) -> Option<(Ledger, LedgerReport)> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let keys = Arc::new(Keys::open(&*disk).expect("the key is sound"));
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(1_800_000_000_000));
    Ledger::open(disk, keys, clock).ok()
}

fn check(sound: &Sound, segment: &[u8]) {
    let disk = disk_of(&sound.files);
    put(&disk, &sound.segment.0, segment);
    let Some((ledger, report)) = open(&disk) else {
        assert_ne!(segment, sound.segment.1, "a sound segment is refused");
        return;
    };
    let version = String::new();
    ledger
        .append_blocking(Entry::Started { version })
        .expect("the box goes on");
    let seen = ledger.entries(1, 1000).expect("memory can be read");
    let old = seen
        .iter()
        .filter(|recorded| matches!(recorded.entry, Entry::Expired { .. }));
    let mut count = 0;
    for recorded in old {
        assert!(sound.entries.contains(recorded), "made up: {recorded:?}");
        count += 1;
    }
    let faults = ledger.verify().expect("memory can be read").faults;
    if segment == sound.segment.1 {
        assert!(
            count == sound.entries.len() && faults.is_empty(),
            "{faults:?}"
        );
    }
    let lost = count < sound.entries.len();
    let told = !faults.is_empty() || report.repaired_bytes > 0;
    // A file cut between two records is as it was before the later ones.
    let cut = sound.segment.1.starts_with(segment);
    assert!(
        !lost || told || cut,
        "a loss unseen, {} bytes",
        segment.len()
    );
}
