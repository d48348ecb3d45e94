// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why the spool refuses.

use std::io;
use std::sync::Arc;

use platen_model::JobNumber;
use platen_store::{DatabaseError, SealError};
use thiserror::Error;

/// Why the spool refuses. Clones share their source: one failed sync answers a whole batch.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// No room but the reserve is left: busy for now, works again when jobs have ended.
    #[error("the disk is full")]
    Full,
    /// The body is longer than the limit.
    #[error("the document is larger than {limit_octets} octets")]
    TooLarge {
        /// The limit.
        limit_octets: u64,
    },
    /// Name, owner, format and options do not fit into a ticket.
    #[error("the job's attributes are larger than {limit_bytes} bytes")]
    TicketTooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// No such job, or it has ended.
    #[error("there is no job {0}")]
    NotFound(JobNumber),
    /// Created, but its document has not come yet.
    #[error("job {0} has no document")]
    NoBody(JobNumber),
    /// A second document; one is coming or here.
    #[error("job {0} has a document already")]
    HasBody(JobNumber),
    /// The job's state does not allow it.
    #[error("job {0} is in a state that does not allow this")]
    NotNow(JobNumber),
    /// The job's files are there but do not open.
    #[error("job {number} is damaged")]
    Damaged {
        /// The job.
        number: JobNumber,
        /// What is wrong with it.
        #[source]
        source: Arc<io::Error>,
    },
    /// Every job number was used.
    #[error("no job number is left")]
    NumbersUsedUp,
    /// The spool is closing.
    #[error("the spool is closed")]
    Closed,
    /// The disk failed.
    #[error("the spool's disk failed")]
    Disk(#[source] Arc<io::Error>),
    /// The index failed; it is rebuilt at the next start.
    #[error("the job index failed")]
    Index(#[source] Arc<DatabaseError>),
    /// Nothing could be sealed.
    #[error("a job could not be sealed")]
    Seal(#[from] SealError),
}

impl From<io::Error> for SpoolError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Disk(Arc::new(error)),
        }
    }
}

impl From<DatabaseError> for SpoolError {
    fn from(error: DatabaseError) -> Self {
        if error.is_full() {
            Self::Full
        } else {
            Self::Index(Arc::new(error))
        }
    }
}
