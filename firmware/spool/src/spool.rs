// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The interface of the spool. Durable changes are async and go through the one committing
//! thread; questions and changes of state are short database calls that may be made inline.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use platen_model::{
    Clock, Job, JobId, JobNumber, JobOptions, JobState, JobStateReason, Owner, OwnerKey, PageCount,
    PrinterName,
};
use platen_store::seal::random_bytes;
use platen_store::{BodyKey, BodyReader, Database, Disk, Keys};
use smol::channel::{Sender, bounded};

use crate::changed::Changed;
use crate::commit::{BATCH_MAX, Committer, Request, Work};
use crate::error::SpoolError;
use crate::index::{Ending, Index};
use crate::rebuild::{self, OpenReport};
use crate::ticket::{Draft, Ticket, body_path};
use crate::upload::{Purpose, Upload};

/// Jobs that one call of [`Spool::expire`] ends, at most.
const EXPIRE_MAX: usize = 256;

/// The spool's limits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpoolLimits {
    /// Octets of one document.
    pub body_octets_max: u64,
    /// Uploads are refused when less than this is free, so that release and journal still work.
    pub reserve_bytes: u64,
    /// Ended jobs that are remembered.
    pub history_max: usize,
    /// The lowest number that a new job may get: one above the highest that the ledger knows.
    pub minimum_next: JobNumber,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self {
            body_octets_max: 4 * 1024 * 1024 * 1024,
            reserve_bytes: 64 * 1024 * 1024,
            history_max: 10_000,
            minimum_next: JobNumber(1),
        }
    }
}

/// What is known of a job when it begins to arrive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewJob {
    /// `job-name`
    pub name: String,
    /// Whose it is, as claimed; the key is worked out here.
    pub owner: String,
    /// MIME media type; empty while not known.
    pub format: String,
    /// What was asked for.
    pub options: JobOptions,
    /// The printer of a push queue; `None` on the proxy queue.
    pub target: Option<PrinterName>,
    /// Whether its submitter asks for a hold (`job-hold-until`).
    pub hold: bool,
}

/// Which jobs [`Spool::jobs`] gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Which {
    /// `pending-held`, in order of arrival.
    Held,
    /// Not ended, in order of arrival.
    NotCompleted,
    /// Neither ended nor held: released, printing, stopped; in order of arrival.
    Released,
    /// Ended, newest first.
    Completed,
    /// Not ended in order of arrival, then ended, newest first.
    All,
}

/// The spool. Cheap to clone; all clones are one. When the last clone is dropped, waiting changes
/// are finished and the index is closed cleanly.
#[derive(Clone)]
pub struct Spool {
    inner: Arc<Inner>,
}

struct Inner {
    disk: Arc<dyn Disk>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    limits: SpoolLimits,
    index: Arc<Index>,
    requests: Sender<Request>,
    committer: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Spool({} jobs)", self.inner.index.active_count())
    }
}

impl Spool {
    /// Opens the spool on `disk`: removes what was never answered, and rebuilds the index from the
    /// tickets unless it was closed cleanly. Blocks; starts one thread.
    ///
    /// # Errors
    /// [`SpoolError`] when disk or database cannot be used at all.
    pub fn open(
        disk: Arc<dyn Disk>,
        keys: Arc<Keys>,
        database: &Database,
        clock: Arc<dyn Clock>,
        limits: SpoolLimits,
    ) -> Result<(Self, OpenReport), SpoolError> {
        let index = Arc::new(Index::new(database, limits.history_max)?);
        let report = rebuild::open(&*disk, &keys, &index, limits.minimum_next)?;
        let (requests, waiting) = bounded(BATCH_MAX);
        let committer = Committer {
            disk: Arc::clone(&disk),
            keys: Arc::clone(&keys),
            index: Arc::clone(&index),
            reserve_bytes: limits.reserve_bytes,
        };
        let thread = std::thread::Builder::new()
            .name("spool-commit".into())
            .spawn(move || committer.run(&waiting))?;
        let inner = Inner {
            disk,
            keys,
            clock,
            limits,
            index,
            requests,
            committer: Mutex::new(Some(thread)),
        };
        let inner = Arc::new(inner);
        Ok((Self { inner }, report))
    }

    /// Finishes waiting changes and closes the index cleanly, while clones are still about; changes
    /// after it are refused with [`SpoolError::Closed`]. Blocks.
    pub fn close(&self) {
        self.inner.close();
    }

    /// Begins a job that arrives with its document (Print-Job, LPR, RAW). No I/O yet.
    ///
    /// # Errors
    /// [`SpoolError::Seal`].
    pub fn begin(&self, job: NewJob) -> Result<Upload, SpoolError> {
        let draft = self.draft(job)?;
        let (id, purpose) = (draft.id, Purpose::New(Box::new(draft)));
        Ok(Upload::new(
            &self.inner.disk,
            &self.inner.limits,
            id,
            purpose,
        )?)
    }

    /// Begins the document of a job made by [`Spool::create`] (Send-Document). No file I/O yet.
    ///
    /// # Errors
    /// [`SpoolError::NotFound`], [`SpoolError::HasBody`], [`SpoolError::Seal`].
    pub fn begin_document(&self, number: JobNumber, format: &str) -> Result<Upload, SpoolError> {
        let row = self.inner.index.row(number)?;
        if row.has_body {
            return Err(SpoolError::HasBody(number));
        }
        let purpose = Purpose::Attach(number, format.to_owned());
        let (disk, limits) = (&self.inner.disk, &self.inner.limits);
        Ok(Upload::new(disk, limits, row.job.id, purpose)?)
    }

    fn draft(&self, job: NewJob) -> Result<Draft, SpoolError> {
        let created_unix_ms = self.inner.clock.now().unix_ms;
        let key = self.inner.keys.owner_key(&job.owner);
        Ok(Draft {
            id: JobId::from_parts(created_unix_ms, &random_bytes()?),
            name: job.name,
            owner: Owner {
                name: job.owner,
                key,
            },
            format: job.format,
            options: job.options,
            target: job.target,
            created_unix_ms,
            hold: job.hold,
        })
    }

    /// Makes an upload a job, or the document of its job. When this answers `Ok` the job survives
    /// a power cut. Uploads that come together are synced together.
    ///
    /// # Errors
    /// [`SpoolError`]; nothing of the upload is left then.
    pub async fn commit(&self, upload: Upload) -> Result<Job, SpoolError> {
        let keys = Arc::clone(&self.inner.keys);
        let work = match smol::unblock(move || upload.finish(&keys)).await? {
            (Purpose::New(draft), body) => {
                let body = Some(body);
                Work::Accept { draft, body }
            }
            (Purpose::Attach(number, format), body) => Work::Attach {
                number,
                format,
                body,
            },
        };
        self.durably(work).await
    }

    /// Makes a job whose document comes later (Create-Job); durable when it answers.
    ///
    /// # Errors
    /// [`SpoolError`].
    pub async fn create(&self, job: NewJob) -> Result<Job, SpoolError> {
        let draft = Box::new(self.draft(job)?);
        self.durably(Work::Accept { draft, body: None }).await
    }

    /// Sets or takes away the submitter's own hold (Hold-Job, Release-Job); durable when it
    /// answers.
    ///
    /// # Errors
    /// [`SpoolError::NotFound`]; [`SpoolError::NotNow`] unless the job is pending or held.
    pub async fn set_hold(&self, number: JobNumber, hold: bool) -> Result<Job, SpoolError> {
        self.durably(Work::Hold { number, hold }).await
    }

    /// Changes how a job that waits for its owner is to be printed; durable when it answers. Its
    /// page count is forgotten, for copies and sides are part of it.
    ///
    /// # Errors
    /// [`SpoolError::NotFound`]; [`SpoolError::NotNow`] once the job is released.
    pub async fn set_options(
        &self,
        number: JobNumber,
        options: JobOptions,
    ) -> Result<Job, SpoolError> {
        let work = Work::Options {
            number,
            options: Box::new(options.clone()),
        };
        let job = self.durably(work).await?;
        if job.options == options {
            Ok(job)
        } else {
            Err(SpoolError::NotNow(number))
        }
    }

    /// Ends a job: its ticket, and with it its key, and its body are gone from the disk when this
    /// answers; an entry in the history stays.
    ///
    /// # Errors
    /// [`SpoolError::NotFound`] when it has ended already; [`SpoolError::NotNow`] when `state` is
    /// not an ended one.
    pub async fn end(
        &self,
        number: JobNumber,
        state: JobState,
        reason: JobStateReason,
        impressions: u32,
    ) -> Result<Job, SpoolError> {
        if !state.is_ended() {
            return Err(SpoolError::NotNow(number));
        }
        let ending = self.ending(state, reason, impressions);
        let printing_too = true;
        self.durably(Work::End {
            number,
            ending,
            printing_too,
        })
        .await
    }

    /// Cancels a job, as [`Spool::end`], but only while no byte of it is on its way: from then on
    /// its printer's thread alone may end it.
    ///
    /// # Errors
    /// [`SpoolError::NotFound`] when it has ended already; [`SpoolError::NotNow`] when it is being
    /// printed.
    pub async fn cancel(
        &self,
        number: JobNumber,
        reason: JobStateReason,
    ) -> Result<Job, SpoolError> {
        let ending = self.ending(JobState::Canceled, reason, 0);
        let printing_too = false;
        self.durably(Work::End {
            number,
            ending,
            printing_too,
        })
        .await
    }

    fn ending(&self, state: JobState, reason: JobStateReason, impressions: u32) -> Ending {
        Ending {
            state,
            reason,
            impressions,
            at_unix_ms: self.inner.clock.now().unix_ms,
        }
    }

    /// Cancels jobs that `is_old` says nobody will collect, stopped ones too, oldest first; looks
    /// at 256 in one call. Returns them.
    ///
    /// # Errors
    /// [`SpoolError`]; jobs ended before the error stay ended.
    pub async fn expire(&self, is_old: impl Fn(&Job) -> bool) -> Result<Vec<Job>, SpoolError> {
        // Numbers follow arrival, so the oldest jobs come first.
        let index = &self.inner.index;
        let mut old = index.jobs(Which::NotCompleted, EXPIRE_MAX, None)?;
        old.retain(is_old);
        let mut ended = Vec::new();
        for job in old {
            let reason = JobStateReason::JobCanceledAtDevice;
            match self.cancel(job.number, reason).await {
                Ok(job) => ended.push(job),
                Err(SpoolError::NotFound(_) | SpoolError::NotNow(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ended)
    }

    async fn durably(&self, work: Work) -> Result<Job, SpoolError> {
        let (reply, answer) = bounded(1);
        let request = Request { work, reply };
        let sent = self.inner.requests.send(request).await;
        sent.map_err(|_| SpoolError::Closed)?;
        answer.recv().await.map_err(|_| SpoolError::Closed)?
    }

    /// Sets the state of a job on its way to the printer. Not durable: after a restart the job is
    /// where its ticket says, and the ledger knows what was released.
    ///
    /// # Errors
    /// [`SpoolError::NotFound`]; [`SpoolError::NotNow`] for an ended state (see [`Spool::end`])
    /// and for a job without its document.
    pub fn set_state(
        &self,
        number: JobNumber,
        state: JobState,
        reason: JobStateReason,
    ) -> Result<Job, SpoolError> {
        self.move_to(number, state, reason, |_| true)
    }

    /// As [`Spool::set_state`], but only while the job still is as `seen`: of two who saw it so and
    /// want it in different states, one gets it.
    ///
    /// # Errors
    /// As [`Spool::set_state`]; [`SpoolError::NotNow`] also when state, reason or options have
    /// changed: what was decided on is what goes.
    pub fn advance(
        &self,
        seen: &Job,
        state: JobState,
        reason: JobStateReason,
    ) -> Result<Job, SpoolError> {
        let unchanged = |now: &Job| {
            (now.state, now.reason, &now.options) == (seen.state, seen.reason, &seen.options)
        };
        self.move_to(seen.number, state, reason, unchanged)
    }

    fn move_to(
        &self,
        number: JobNumber,
        state: JobState,
        reason: JobStateReason,
        may: impl FnOnce(&Job) -> bool,
    ) -> Result<Job, SpoolError> {
        let now = self.inner.clock.now().unix_ms;
        self.inner.index.update(number, |row| {
            let ended = state.is_ended() || row.job.state.is_ended();
            if ended || !row.has_body || !may(&row.job) {
                return Err(SpoolError::NotNow(number));
            }
            row.job.state = state;
            row.job.reason = reason;
            if state == JobState::Processing {
                row.job.processing_unix_ms.get_or_insert(now);
            }
            Ok(())
        })
    }

    /// Remembers a job's page count. Not durable: it can be counted again.
    ///
    /// # Errors
    /// [`SpoolError::NotFound`].
    pub fn set_count(&self, number: JobNumber, count: PageCount) -> Result<Job, SpoolError> {
        self.inner.index.update(number, |row| {
            row.job.count = Some(count);
            Ok(())
        })
    }

    /// Marks jobs whose release was cut short, as the ledger tells at start: `processing-stopped`,
    /// interrupted. Ids that are not here any more are left out.
    ///
    /// # Errors
    /// [`SpoolError`].
    pub fn mark_interrupted(&self, ids: &[JobId]) -> Result<Vec<Job>, SpoolError> {
        let mut marked = Vec::new();
        for id in ids {
            let Some(number) = self.inner.index.number_of(*id)? else {
                continue;
            };
            let (state, reason) = (JobState::ProcessingStopped, JobStateReason::Interrupted);
            match self.set_state(number, state, reason) {
                Ok(job) => marked.push(job),
                Err(SpoolError::NotFound(_) | SpoolError::NotNow(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(marked)
    }

    /// Opens a job's document. Blocks on the disk; so does reading it.
    ///
    /// # Errors
    /// [`SpoolError::NotFound`], [`SpoolError::NoBody`], [`SpoolError::Damaged`].
    pub fn body(&self, number: JobNumber) -> Result<BodyReader, SpoolError> {
        let row = self.inner.index.row(number)?;
        if !row.has_body {
            return Err(SpoolError::NoBody(number));
        }
        let (disk, keys, id) = (&*self.inner.disk, &*self.inner.keys, row.job.id);
        let open = || {
            let ticket = Ticket::read(disk, keys, id)?;
            let wrapped = ticket.body_key.unwrap_or_default();
            let key = BodyKey::unwrap(keys, id, &wrapped)
                .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))?;
            BodyReader::open(disk.open(&body_path(id))?, &key, id)
        };
        open().map_err(|error| SpoolError::Damaged {
            number,
            source: Arc::new(error),
        })
    }

    /// A job by its number, ended ones of the history too.
    ///
    /// # Errors
    /// [`SpoolError::Index`].
    pub fn job(&self, number: JobNumber) -> Result<Option<Job>, SpoolError> {
        Ok(self.inner.index.job(number)?)
    }

    /// A job by its id, ended ones of the history too.
    ///
    /// # Errors
    /// [`SpoolError::Index`].
    pub fn job_by_id(&self, id: JobId) -> Result<Option<Job>, SpoolError> {
        match self.inner.index.number_of(id)? {
            Some(number) => self.job(number),
            None => Ok(None),
        }
    }

    /// Jobs that wait for a person, in order of arrival: held ones with their document here, and
    /// interrupted ones. State and reason tell them apart, and those their submitter put on hold.
    ///
    /// # Errors
    /// [`SpoolError::Index`].
    pub fn held_by(&self, owners: &[OwnerKey]) -> Result<Vec<Job>, SpoolError> {
        let mut jobs = Vec::new();
        for owner in owners {
            jobs.extend(self.inner.index.waiting_for(*owner)?);
        }
        jobs.sort_by_key(|job| job.number);
        jobs.dedup_by_key(|job| job.number);
        Ok(jobs)
    }

    /// At most `limit` jobs in the order of [`Which`], from job `first` on where it is given.
    ///
    /// # Errors
    /// [`SpoolError::Index`].
    pub fn jobs(
        &self,
        which: Which,
        limit: usize,
        first: Option<JobNumber>,
    ) -> Result<Vec<Job>, SpoolError> {
        Ok(self.inner.index.jobs(which, limit, first)?)
    }

    /// Tells of jobs that change from now on: new ones, changed ones, ended ones.
    #[must_use]
    pub fn changed(&self) -> Changed {
        self.inner.index.listeners.listen()
    }

    /// Number of jobs that wait for their owners.
    #[must_use]
    pub fn held_count(&self) -> usize {
        self.inner.index.held_count()
    }

    /// Number of jobs that have not ended.
    #[must_use]
    pub fn active_count(&self) -> usize {
        self.inner.index.active_count()
    }

    /// Whether there is room for uploads beyond the reserve.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let free = self.inner.disk.free_bytes();
        free.is_ok_and(|free| free >= self.inner.limits.reserve_bytes)
    }
}

impl Inner {
    /// Finishes waiting changes and marks the index clean, once.
    fn close(&self) {
        self.requests.close();
        let mut committer = self
            .committer
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = committer.take() else {
            return;
        };
        if thread.join().is_err() {
            return; // Left marked dirty: rebuilt at the next start.
        }
        if let Err(error) = self.index.close() {
            log::warn!(err:% = platen_model::Chain(&error); "the job index was not closed cleanly");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}
