// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the targets of sealed files have in common: a box that was made once, whose files each
//! input damages in its own way.

use std::io::Write;
use std::path::{Path, PathBuf};

use platen_store::{Disk, SimDisk};

/// Every file of a disk.
pub(crate) type Files = Vec<(PathBuf, Vec<u8>)>;

/// A disk with these files.
pub(crate) fn disk_of(files: &Files) -> SimDisk {
    let disk = SimDisk::new(0);
    for (path, bytes) in files {
        put(&disk, path, bytes);
    }
    disk
}

/// Writes a file in the place of an old one.
pub(crate) fn put(disk: &SimDisk, path: &Path, bytes: &[u8]) {
    let folder = path.parent().unwrap_or(Path::new(""));
    disk.create_dir(folder).expect("memory takes all");
    disk.remove(path).expect("memory takes all");
    let mut file = disk.create(path).expect("memory takes all");
    file.write_all(bytes).expect("memory takes all");
    file.sync().expect("memory takes all");
}

/// A folder for a database, in memory where there is such a place: syncing costs nothing there.
pub(crate) fn index_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a folder for the index")
}
