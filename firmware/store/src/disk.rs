// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The disk as a trait, so that the crash tests can put one that forgets unsynced writes under the
//! same code. Paths are relative to the disk's root. All calls block.

use std::io::{self, Read, Seek, Write};
use std::path::Path;

mod real;
mod sim;

pub use real::RealDisk;
pub use sim::SimDisk;

/// A file being written at its end. Bytes count as safe only after [`Disk::sync_files`].
pub trait DiskFile: Write + Send {
    /// Makes the file's bytes and length survive a power cut.
    ///
    /// # Errors
    /// The disk's own; after one, nothing written since the last success may be trusted.
    fn sync(&mut self) -> io::Result<()>;

    /// The file itself, where the real disk can batch syncs by it.
    fn as_file(&self) -> Option<&std::fs::File> {
        None
    }
}

/// A file opened for reading.
pub trait DiskRead: Read + Seek + Send {}
impl<T: Read + Seek + Send> DiskRead for T {}

/// Where files live: the real file system below one root, or the simulated one.
pub trait Disk: Send + Sync {
    /// Creates a new file; an old one of that name is an error. Mode 0600.
    ///
    /// # Errors
    /// The disk's own, such as `StorageFull`.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to write on at its end, creating it if needed.
    ///
    /// # Errors
    /// The disk's own.
    fn append(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for reading.
    ///
    /// # Errors
    /// The disk's own, such as `NotFound`.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskRead>>;

    /// Cuts a file to `length` bytes and syncs it.
    ///
    /// # Errors
    /// The disk's own.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()>;

    /// Puts `from` in the place of `to`, atomically; safe only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// The disk's own.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// The disk's own.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory and its parents, synced.
    ///
    /// # Errors
    /// The disk's own.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Names (not paths) in a directory, in no order.
    ///
    /// # Errors
    /// The disk's own.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Syncs many files at the price of about one: the group commit.
    ///
    /// # Errors
    /// The disk's own; then none of the files may be trusted.
    fn sync_files(&self, files: &mut [Box<dyn DiskFile>]) -> io::Result<()>;

    /// Makes creations, renames and removals in a directory survive a power cut.
    ///
    /// # Errors
    /// The disk's own.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Free bytes, for the reserve that keeps release and journal working on a full disk.
    ///
    /// # Errors
    /// The disk's own.
    fn free_bytes(&self) -> io::Result<u64>;
}
