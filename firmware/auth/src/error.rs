// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why the directory did not do what it was asked to. A row that is not taken is no error: it is
//! in the import's report.

use std::io;
use std::path::{Path, PathBuf};

use platen_store::{DatabaseError, SealError};
use thiserror::Error;

use crate::csv::{CsvFault, ROWS_MAX};
use crate::snapshot::VERSION;

/// Why the directory could not be opened, read or changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The import file's first line is no header.
    #[error("the first line is no header: {0}")]
    Header(CsvFault),
    /// The header names a column that there is not.
    #[error(
        "unknown column {}; there are user, name, card, aliases and active",
        columns.join(", ")
    )]
    UnknownColumns {
        /// Their names.
        columns: Vec<String>,
    },
    /// The header names a column twice.
    #[error("column {column} is there twice")]
    DoubledColumn {
        /// Its name.
        column: &'static str,
    },
    /// Without login names there are no users.
    #[error("there is no column user")]
    NoUserColumn,
    /// The import file is too long; nothing of it was taken.
    #[error("more than {ROWS_MAX} rows; nothing was imported")]
    TooManyRows,
    /// The import file could not be read to its end; nothing of it was taken.
    #[error("the import file ended early; nothing was imported")]
    Unreadable(#[source] io::Error),
    /// No room for the new directory; the old one stays.
    #[error("no room on the disk for the directory")]
    Full(#[source] io::Error),
    /// The disk failed; the old directory stays.
    #[error("the directory file {path} cannot be read or written")]
    Disk {
        /// The file.
        path: PathBuf,
        /// The disk's own error.
        #[source]
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("the directory file {path} is damaged: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A newer program wrote the file.
    #[error("the directory file {path} has version {found}; this program knows up to {VERSION}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u16,
    },
    /// The file does not open: damaged, or from another box.
    #[error("the directory file {path} does not open with this box's key")]
    Sealed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: SealError,
    },
    /// The new directory could not be sealed; the old one stays.
    #[error("the directory could not be sealed")]
    Seal(#[source] SealError),
    /// The index could not be read or written.
    #[error("the directory's index failed")]
    Index(#[source] DatabaseError),
}

impl DirectoryError {
    pub(crate) fn disk(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(source),
            _ => Self::Disk { path, source },
        }
    }
}
