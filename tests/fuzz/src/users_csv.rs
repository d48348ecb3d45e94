// SPDX-License-Identifier: Apache-2.0 OR MIT
//! User lists: the line reader of `platen_auth` on every input, a whole import on every
//! [`IMPORT_EVERY`]th (by its bytes), into an empty directory on a disk in memory.

use std::sync::{Arc, OnceLock};

use platen_auth::csv::{LINE_BYTES_MAX, Lines};
use platen_auth::{Counts, Directory};
use platen_store::{Database, Disk, Keys, SimDisk};

use crate::sealed_box::index_folder;

/// An import writes the index to a real disk, which takes a thousand times as long as the reading.
const IMPORT_EVERY: usize = 32;

/// Reads and imports a user list.
///
/// # Panics
/// When a line has the wrong number or length, or the directory is another after it is reopened.
pub fn users_csv(data: &[u8]) {
    let mut lines = Lines::new(data);
    let mut last = 0;
    while let Some(line) = lines.next_line().expect("memory can be read") {
        assert!(line.number > last, "line {} after {last}", line.number);
        last = line.number;
        let octets = line
            .fields
            .map_or(0, |fields| fields.iter().map(String::len).sum());
        assert!(octets <= LINE_BYTES_MAX, "{octets} octets in line {last}");
    }
    assert!(lines.number() <= data.iter().filter(|byte| **byte == b'\n').count() + 1);
    let sum: usize = data.iter().copied().map(usize::from).sum();
    if sum.is_multiple_of(IMPORT_EVERY) {
        import(data);
    }
}

fn import(data: &[u8]) {
    static INDEX: OnceLock<(tempfile::TempDir, Database)> = OnceLock::new();
    let (_, database) = INDEX.get_or_init(|| {
        let keys = Arc::new(Keys::open(&SimDisk::new(0)).expect("an empty disk"));
        let folder = index_folder();
        let database = Database::open(&folder.path().join("users"), &keys);
        (folder, database.expect("an empty folder").0)
    });
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(0));
    let keys = Arc::new(Keys::open(&*disk).expect("an empty disk"));
    let open = || Directory::open(Arc::clone(&disk), Arc::clone(&keys), database).expect("sound");
    let directory = open();
    let card = |text: &str| match text.len() {
        4.. => Ok(keys.card_key(text.as_bytes())),
        _ => Err("too short"),
    };
    let Ok(report) = directory.import(data, card) else {
        assert_eq!(directory.counts(), Counts::default(), "refused, but taken");
        return;
    };
    let counts = directory.counts();
    assert_eq!(counts.users, report.users_added as u64, "{report:?}");
    assert!(
        counts.cards <= report.cards_bound as u64,
        "{report:?} {counts:?}"
    );
    drop(directory);
    assert_eq!(open().counts(), counts);
}
