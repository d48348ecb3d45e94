// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Small files that are sealed whole by the box key and replaced whole: eight bytes of magic, a
//! version (u16, little-endian), and the sealed content. A power cut leaves the old content or the
//! new one.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

use crate::disk::Disk;
use crate::keys::Keys;
use crate::seal::SealError;

const MAGIC_BYTES: usize = 8;
const HEADER_BYTES: usize = MAGIC_BYTES + 2;

/// Where such a file is and what it is. Its directory belongs into [`crate::keys::SEALED_DIRS`].
#[derive(Clone, Copy, Debug)]
pub struct SealedFile {
    /// Directory, relative to the data directory.
    pub folder: &'static str,
    /// Name in it. A new content is written beside it with `.new` behind the name.
    pub name: &'static str,
    /// The file's first bytes.
    pub magic: &'static [u8; MAGIC_BYTES],
    /// Version that is written; older ones are read, too.
    pub version: u16,
    /// What the content is, for the seal.
    pub context: &'static [u8],
    /// Longest content.
    pub bytes_max: usize,
}

/// Why a sealed file can't be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SealedFileError {
    /// The disk failed, or is full.
    #[error("{} can't be read or written", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// The disk's own error.
        #[source]
        source: io::Error,
    },
    /// Cut, changed, too long, or sealed by another box.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error("{} has version {found}; this program knows up to {known}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Version of the file.
        found: u16,
        /// Highest version that is known.
        known: u16,
    },
    /// It could not be sealed.
    #[error("{} can't be sealed", path.display())]
    Seal {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: SealError,
    },
}

impl SealedFile {
    /// The content; `None` when there is no such file. Blocks.
    ///
    /// # Errors
    /// [`SealedFileError::Disk`], [`SealedFileError::Damaged`], [`SealedFileError::Version`].
    pub fn read(
        &self,
        disk: &dyn Disk,
        keys: &Keys,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, SealedFileError> {
        let file = match disk.open(&self.path()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.disk(error)),
        };
        let most = HEADER_BYTES + self.bytes_max + crate::seal::VALUE_OVERHEAD_BYTES;
        let mut bytes = Vec::new();
        let mut file = file.take(u64::try_from(most + 1).unwrap_or(u64::MAX));
        file.read_to_end(&mut bytes)
            .map_err(|error| self.disk(error))?;
        let damaged = || SealedFileError::Damaged { path: self.path() };
        let (header, sealed) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or_else(damaged)?;
        let [magic @ .., low, high] = header;
        if magic != self.magic || bytes.len() > most {
            return Err(damaged());
        }
        let found = u16::from_le_bytes([*low, *high]);
        if found > self.version {
            return Err(SealedFileError::Version {
                path: self.path(),
                found,
                known: self.version,
            });
        }
        let plain = keys.values().open(self.context, sealed);
        plain.map(Some).map_err(|_| damaged())
    }

    /// Puts `plain` in the place of what was there, durably. Blocks.
    ///
    /// # Errors
    /// [`SealedFileError::Disk`], [`SealedFileError::Seal`]; what was there stays then.
    pub fn write(&self, disk: &dyn Disk, keys: &Keys, plain: &[u8]) -> Result<(), SealedFileError> {
        let seal = |source| SealedFileError::Seal {
            path: self.path(),
            source,
        };
        if plain.len() > self.bytes_max {
            return Err(seal(SealError::TooLong));
        }
        let sealed = keys.values().seal(self.context, plain).map_err(seal)?;
        self.put(disk, &sealed).map_err(|error| self.disk(error))
    }

    /// Removes it, durably. Blocks.
    ///
    /// # Errors
    /// [`SealedFileError::Disk`].
    pub fn remove(&self, disk: &dyn Disk) -> Result<(), SealedFileError> {
        let folder = Path::new(self.folder);
        let gone = || {
            disk.remove(&self.path())?;
            match disk.sync_dir(folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                synced => synced,
            }
        };
        gone().map_err(|error| self.disk(error))
    }

    fn put(&self, disk: &dyn Disk, sealed: &[u8]) -> io::Result<()> {
        let folder = Path::new(self.folder);
        let fresh = folder.join(format!("{}.new", self.name));
        disk.create_dir(folder)?;
        disk.remove(&fresh)?;
        let mut file = disk.create(&fresh)?;
        for part in [self.magic.as_slice(), &self.version.to_le_bytes(), sealed] {
            file.write_all(part)?;
        }
        file.sync()?;
        drop(file);
        disk.rename(&fresh, &self.path())?;
        disk.sync_dir(folder)
    }

    fn path(&self) -> PathBuf {
        Path::new(self.folder).join(self.name)
    }

    fn disk(&self, source: io::Error) -> SealedFileError {
        SealedFileError::Disk {
            path: self.path(),
            source,
        }
    }
}
