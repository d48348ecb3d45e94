// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why an append or a look back failed. Errors are cloned to everybody who waited in one group.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platen_model::JobId;
use platen_store::SealError;
use thiserror::Error;

use crate::frame::VERSION;

/// Why the ledger did not do what it was asked to. Nothing was recorded, unless said otherwise.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// No room on the disk. Works again when there is room.
    #[error("no room on the disk for the ledger")]
    Full(#[source] Arc<io::Error>),
    /// The disk failed. After a failed sync the record may still turn up after a power cut.
    #[error("ledger file {path} cannot be read or written")]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// The disk's own error.
        #[source]
        source: Arc<io::Error>,
    },
    /// A newer program wrote this segment; nothing is appended behind its back.
    #[error("ledger file {path} has version {found}; this program knows up to {VERSION}")]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u16,
    },
    /// Segments are there and undamaged, but none opens.
    #[error("ledger file {path} does not open with this box's key")]
    WrongKey {
        /// The last segment that was tried.
        path: PathBuf,
    },
    /// Bug of the caller: a job is charged once.
    #[error("job {job} was charged before")]
    ChargedTwice {
        /// The job.
        job: JobId,
    },
    /// Bug of the caller: a settlement needs its release ticket.
    #[error("attempt {attempt} of job {job} has no open release")]
    NotReleased {
        /// The job.
        job: JobId,
        /// The try that was to be settled.
        attempt: u32,
    },
    /// Bug of the caller: a job is on its way once at a time.
    #[error("job {job} has an open release")]
    AlreadyReleased {
        /// The job.
        job: JobId,
    },
    /// More releases without an end than the ledger keeps in mind.
    #[error("more than {limit} releases are open")]
    TooManyOpen {
        /// The limit.
        limit: usize,
    },
    /// An entry is larger than a record may be.
    #[error("entry has {size_bytes} bytes, the limit is {limit_bytes}")]
    TooLarge {
        /// Its size.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The record could not be sealed.
    #[error("a ledger record could not be sealed")]
    Seal(#[source] SealError),
    /// The writer thread could not be started, or has ended.
    #[error("the ledger's writer is not running")]
    Closed,
}

impl LedgerError {
    /// What the disk said about `path`.
    pub(crate) fn disk(path: &Path, source: io::Error) -> Self {
        let source = Arc::new(source);
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(source),
            _ => Self::Disk { path, source },
        }
    }
}
