// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A body on its way in: sealed as it comes, at most one chunk in memory. Nothing of it counts
//! until [`Spool::commit`](crate::Spool::commit) has answered; dropped before, it leaves nothing.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use platen_model::{JobId, JobNumber};
use platen_store::body::CHUNK_BYTES;
use platen_store::{BodyKey, BodySealer, Disk, DiskFile, Keys, SealError};

use crate::error::SpoolError;
use crate::spool::SpoolLimits;
use crate::ticket::{Draft, body_path};

/// A body file that is removed again unless it is kept.
pub(crate) struct BodyFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Option<Box<dyn DiskFile>>,
    kept: bool,
}

impl BodyFile {
    /// Creates the body file of a job; `HasBody` where another upload has done so.
    pub(crate) fn create(
        disk: &Arc<dyn Disk>,
        id: JobId,
        number: Option<JobNumber>,
    ) -> Result<Self, SpoolError> {
        let path = body_path(id);
        let file = disk
            .create(&path)
            .map_err(|error| match (error.kind(), number) {
                (io::ErrorKind::AlreadyExists, Some(number)) => SpoolError::HasBody(number),
                _ => error.into(),
            })?;
        Ok(Self {
            disk: Arc::clone(disk),
            path,
            file: Some(file),
            kept: false,
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        let file = self.file.as_mut().ok_or(SpoolError::Closed)?;
        Ok(file.write_all(bytes)?)
    }

    /// The open file, for syncing.
    pub(crate) fn take(&mut self) -> Option<Box<dyn DiskFile>> {
        self.file.take()
    }

    pub(crate) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        if !self.kept {
            self.file = None;
            if let Err(error) = self.disk.remove(&self.path) {
                log::warn!(err:% = error; "an abandoned upload could not be removed");
            }
        }
    }
}

/// What an upload is for.
pub(crate) enum Purpose {
    /// A new job.
    New(Box<Draft>),
    /// The document of a job that was created before, and its format.
    Attach(JobNumber, String),
}

impl Purpose {
    fn known_job(&self) -> Option<JobNumber> {
        match self {
            Self::New(_) => None,
            Self::Attach(number, _) => Some(*number),
        }
    }
}

/// A body that is written, but not synced.
pub(crate) struct FinishedBody {
    pub(crate) octets: u64,
    pub(crate) wrapped_key: Vec<u8>,
    pub(crate) file: BodyFile,
}

/// Chunks between two looks at the room on the disk: 1 MiB.
const CHUNKS_A_LOOK: u32 = 16;

/// A body on its way in. Holds at most one chunk (64 KiB) in memory.
pub struct Upload {
    disk: Arc<dyn Disk>,
    limits: SpoolLimits,
    id: JobId,
    purpose: Purpose,
    key: BodyKey,
    sealer: BodySealer,
    file: Option<BodyFile>,
    /// Chunks written.
    chunks: u32,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upload({}, {} octets)", self.id, self.octets())
    }
}

impl Upload {
    pub(crate) fn new(
        disk: &Arc<dyn Disk>,
        limits: &SpoolLimits,
        id: JobId,
        purpose: Purpose,
    ) -> Result<Self, SealError> {
        let key = BodyKey::random()?;
        Ok(Self {
            disk: Arc::clone(disk),
            limits: limits.clone(),
            id,
            purpose,
            sealer: BodySealer::new(&key, id)?,
            key,
            file: None,
            chunks: 0,
        })
    }

    /// The id that the job has or will have.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.sealer.octets()
    }

    /// Whether [`Upload::write`] of so many more bytes goes to the disk, and so may block.
    #[must_use]
    pub fn blocks_for(&self, more_bytes: usize) -> bool {
        let chunk = CHUNK_BYTES as u64;
        let more = u64::try_from(more_bytes).unwrap_or(u64::MAX);
        let in_chunk = match self.octets() {
            0 => 0,
            octets => (octets - 1) % chunk + 1,
        };
        in_chunk.saturating_add(more) > chunk
    }

    /// Sets the document's format, where it is learnt from its first bytes.
    pub fn set_format(&mut self, format: &str) {
        match &mut self.purpose {
            Purpose::New(draft) => format.clone_into(&mut draft.format),
            Purpose::Attach(_, of_document) => format.clone_into(of_document),
        }
    }

    /// Takes the next bytes of the document. Blocks on the disk when a chunk is full.
    ///
    /// # Errors
    /// [`SpoolError::TooLarge`], [`SpoolError::Full`], [`SpoolError::HasBody`] and the disk's own;
    /// after one the upload is of no more use and should be dropped.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        let limit_octets = self.limits.body_octets_max;
        let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.octets().saturating_add(more) > limit_octets {
            return Err(SpoolError::TooLarge { limit_octets });
        }
        let mut left = bytes;
        while let Some(sealed) = self.sealer.push(&mut left)? {
            // Asking costs more than a chunk: others can take little of the reserve in between.
            if self.chunks.is_multiple_of(CHUNKS_A_LOOK)
                && self.disk.free_bytes()? < self.limits.reserve_bytes
            {
                return Err(SpoolError::Full);
            }
            self.chunks += 1;
            let file = match &mut self.file {
                Some(file) => file,
                none => none.insert(BodyFile::create(
                    &self.disk,
                    self.id,
                    self.purpose.known_job(),
                )?),
            };
            file.write(sealed)?;
        }
        Ok(())
    }

    /// Writes what is left: for a small body, all of it. Blocks on the disk, but does not sync.
    pub(crate) fn finish(self, keys: &Keys) -> Result<(Purpose, FinishedBody), SpoolError> {
        let mut file = match self.file {
            Some(file) => file,
            None if self.disk.free_bytes()? < self.limits.reserve_bytes => {
                return Err(SpoolError::Full);
            }
            None => BodyFile::create(&self.disk, self.id, self.purpose.known_job())?,
        };
        let octets = self.sealer.octets();
        file.write(&self.sealer.finish()?)?;
        let wrapped_key = self.key.wrap(keys, self.id)?;
        Ok((
            self.purpose,
            FinishedBody {
                octets,
                wrapped_key,
                file,
            },
        ))
    }
}
