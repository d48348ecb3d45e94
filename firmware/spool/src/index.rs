// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The job index in the database: everything a screen or client asks, at a cost that does not grow
//! with the number of held jobs. It is not durable by itself: a mark says whether it was closed
//! cleanly, and without the mark it is rebuilt from the tickets.

use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use platen_model::{Job, JobId, JobNumber, JobOptions, JobState, JobStateReason, OwnerKey};
use platen_store::{Batch, Database, DatabaseError, Table};
use serde::{Deserialize, Serialize};

use crate::changed::Listeners;
use crate::error::SpoolError;
use crate::spool::Which;
use crate::ticket::resting_state;

/// The highest `job-id` of IPP (RFC 8011 §5.1.4: integer of 31 bits).
const NUMBER_MAX: u32 = 0x7fff_ffff;
/// Raised when rows change: an index of another version is rebuilt.
const VERSION: u8 = 1;
const MARK_KEY: &[u8] = b"mark";

/// A job that has not ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) job: Job,
    pub(crate) hold: bool,
    pub(crate) has_body: bool,
}

/// The one row that says whether the others can be trusted, and how many they are: counting them
/// at start would read the whole index into memory.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Mark {
    version: u8,
    clean: bool,
    counts: Counts,
}

/// How a job ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) state: JobState,
    pub(crate) reason: JobStateReason,
    pub(crate) impressions: u32,
    pub(crate) at_unix_ms: u64,
}

/// A change that follows one of the files.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Insert(Box<Row>),
    Body {
        number: JobNumber,
        format: String,
        octets: u64,
    },
    Hold {
        number: JobNumber,
        hold: bool,
    },
    Options {
        number: JobNumber,
        options: Box<JobOptions>,
    },
    End {
        number: JobNumber,
        ending: Ending,
    },
}

impl Change {
    fn number(&self) -> JobNumber {
        match self {
            Self::Insert(row) => row.job.number,
            Self::Body { number, .. }
            | Self::Hold { number, .. }
            | Self::Options { number, .. }
            | Self::End { number, .. } => *number,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Counts {
    next: u32,
    active: usize,
    held: usize,
    history: usize,
}

/// The index. Every change is made under one lock, so none is lost between two threads.
#[derive(Debug)]
pub(crate) struct Index {
    database: Database,
    /// Number → job that has not ended.
    jobs: Table<Row>,
    /// Id → number.
    ids: Table<u32>,
    /// Owner's key, number → the job waits for its owner.
    waiting: Table<()>,
    /// Number → the job is neither ended nor held: released, printing, stopped.
    released: Table<()>,
    /// Number → ended job.
    history: Table<Job>,
    mark: Table<Mark>,
    history_max: usize,
    counts: Mutex<Counts>,
    closed: AtomicBool,
    pub(crate) listeners: Listeners,
}

fn key(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

fn waiting_key(job: &Job) -> Vec<u8> {
    [job.owner.key.0.as_slice(), &key(job.number.0)].concat()
}

/// Whether a job's owner may still say how it is to be printed.
pub(crate) fn waits_for_person(job: &Job) -> bool {
    matches!(
        job.state,
        JobState::PendingHeld | JobState::ProcessingStopped
    )
}

/// Held with its document here, or interrupted: what its owner is asked about at the box.
fn waits_for_owner(row: &Row) -> bool {
    match row.job.state {
        JobState::PendingHeld => row.has_body,
        JobState::ProcessingStopped => true,
        _ => false,
    }
}

fn is_released(row: &Row) -> bool {
    row.job.state != JobState::PendingHeld
}

impl Index {
    pub(crate) fn new(database: &Database, history_max: usize) -> Result<Self, DatabaseError> {
        Ok(Self {
            database: database.clone(),
            jobs: database.table("spool-jobs")?,
            ids: database.table("spool-ids")?,
            waiting: database.table("spool-waiting")?,
            released: database.table("spool-released")?,
            history: database.table("spool-history")?,
            mark: database.table("spool-mark")?,
            history_max,
            counts: Mutex::default(),
            closed: AtomicBool::new(false),
            listeners: Listeners::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the index was closed cleanly and has `tickets` jobs; then it is ready for use.
    pub(crate) fn resume(&self, tickets: usize) -> Result<bool, DatabaseError> {
        let mark = self.mark.get(MARK_KEY)?;
        let Some(mark) = mark.filter(|mark| mark.clean && mark.version == VERSION) else {
            return Ok(false);
        };
        if mark.counts.active != tickets {
            return Ok(false);
        }
        *self.lock() = mark.counts;
        Ok(true)
    }

    /// Empties everything but the history.
    pub(crate) fn start_over(&self) -> Result<(), DatabaseError> {
        self.jobs.clear()?;
        self.ids.clear()?;
        self.waiting.clear()?;
        self.released.clear()?;
        let (mut count, mut highest, mut readable) = (0, 0, true);
        for row in self.history.scan(&[]) {
            match row {
                Ok((_, job)) => {
                    count += 1;
                    highest = highest.max(job.number.0);
                }
                Err(_) => readable = false,
            }
        }
        if !readable {
            self.history.clear()?;
            count = 0;
        }
        *self.lock() = Counts {
            next: highest.saturating_add(1),
            history: count,
            ..Counts::default()
        };
        Ok(())
    }

    /// Durably says that from now on only the tickets can be trusted. Called before any change.
    pub(crate) fn mark_dirty(&self, minimum_next: JobNumber) -> Result<(), DatabaseError> {
        {
            let mut counts = self.lock();
            counts.next = counts.next.max(minimum_next.0).max(1);
        }
        self.write_mark(false)
    }

    /// Durably says that the index is complete; takes no change from then on.
    pub(crate) fn close(&self) -> Result<(), DatabaseError> {
        {
            let _no_change_now = self.lock();
            self.closed.store(true, Ordering::Release);
        }
        // Everything else first: the mark must be the last that is written.
        self.database.commit()?;
        self.write_mark(true)
    }

    fn write_mark(&self, clean: bool) -> Result<(), DatabaseError> {
        let mark = Mark {
            version: VERSION,
            clean,
            counts: *self.lock(),
        };
        self.mark.insert(MARK_KEY, &mark)?;
        self.database.commit()
    }

    /// The next job number.
    pub(crate) fn take_number(&self) -> Result<JobNumber, SpoolError> {
        let mut counts = self.lock();
        let number = counts.next;
        if number > NUMBER_MAX {
            return Err(SpoolError::NumbersUsedUp);
        }
        counts.next = number + 1;
        Ok(JobNumber(number))
    }

    /// Applies changes together; those to jobs that are not there any more are left out. Returns
    /// the jobs as they are now, in the order of the changes.
    pub(crate) fn apply(&self, changes: Vec<Change>) -> Result<Vec<Option<Job>>, DatabaseError> {
        let mut place = self.lock();
        // A copy, so that a failure leaves the counts as they are.
        let mut counts = *place;
        let mut batch = Batch::default();
        let mut after = Vec::with_capacity(changes.len());
        for change in changes {
            let old = match &change {
                Change::Insert(_) => None,
                known => self.jobs.get(&key(known.number().0))?,
            };
            after.push(self.stage(&mut batch, &mut counts, old, change)?);
        }
        self.database.apply(batch)?;
        *place = counts;
        self.listeners
            .tell(after.iter().flatten().map(|job| job.number));
        self.forget_oldest(&mut place)?;
        Ok(after)
    }

    fn stage(
        &self,
        batch: &mut Batch,
        counts: &mut Counts,
        old: Option<Row>,
        change: Change,
    ) -> Result<Option<Job>, DatabaseError> {
        let new = match (change, old.clone()) {
            (Change::Insert(row), _) => *row,
            (_, None) => return Ok(None),
            (Change::End { ending, .. }, Some(row)) => {
                return self.stage_end(batch, counts, row, ending).map(Some);
            }
            (Change::Body { format, octets, .. }, Some(mut row)) => {
                (row.job.format, row.job.octets, row.has_body) = (format, octets, true);
                (row.job.state, row.job.reason) =
                    resting_state(true, row.hold, row.job.target.is_none());
                row
            }
            (Change::Hold { hold, .. }, Some(mut row)) => {
                row.hold = hold;
                // A job that is on its way already stays on it.
                let waits = match row.job.state {
                    JobState::PendingHeld => true,
                    JobState::Pending => hold,
                    _ => false,
                };
                if waits {
                    (row.job.state, row.job.reason) =
                        resting_state(row.has_body, hold, row.job.target.is_none());
                }
                row
            }
            (Change::Options { options, .. }, Some(mut row)) => {
                // A job that was released meanwhile goes with what it was released with.
                if waits_for_person(&row.job) {
                    row.job.options = *options;
                    row.job.count = None;
                }
                row
            }
        };
        self.stage_row(batch, counts, old.as_ref(), &new)?;
        Ok(Some(new.job))
    }

    fn stage_row(
        &self,
        batch: &mut Batch,
        counts: &mut Counts,
        old: Option<&Row>,
        new: &Row,
    ) -> Result<(), DatabaseError> {
        let number = key(new.job.number.0);
        batch.insert(&self.jobs, &number, new)?;
        if old.is_none() {
            batch.insert(&self.ids, new.job.id.0.as_bytes(), &new.job.number.0)?;
            counts.active += 1;
        }
        match (old.is_some_and(waits_for_owner), waits_for_owner(new)) {
            (false, true) => {
                batch.insert(&self.waiting, &waiting_key(&new.job), &())?;
                counts.held += 1;
            }
            (true, false) => {
                batch.remove(&self.waiting, &waiting_key(&new.job))?;
                counts.held = counts.held.saturating_sub(1);
            }
            _ => {}
        }
        match (old.is_some_and(is_released), is_released(new)) {
            (false, true) => batch.insert(&self.released, &number, &()),
            (true, false) => batch.remove(&self.released, &number),
            _ => Ok(()),
        }
    }

    fn stage_end(
        &self,
        batch: &mut Batch,
        counts: &mut Counts,
        row: Row,
        ending: Ending,
    ) -> Result<Job, DatabaseError> {
        let number = key(row.job.number.0);
        if waits_for_owner(&row) {
            batch.remove(&self.waiting, &waiting_key(&row.job))?;
            counts.held = counts.held.saturating_sub(1);
        }
        batch.remove(&self.released, &number)?;
        batch.remove(&self.jobs, &number)?;
        let mut job = row.job;
        job.state = ending.state;
        job.reason = ending.reason;
        job.impressions_completed = ending.impressions;
        job.ended_unix_ms = Some(ending.at_unix_ms);
        batch.insert(&self.history, &number, &job)?;
        counts.active = counts.active.saturating_sub(1);
        counts.history += 1;
        Ok(job)
    }

    fn forget_oldest(&self, counts: &mut Counts) -> Result<(), DatabaseError> {
        let surplus = counts.history.saturating_sub(self.history_max);
        if surplus == 0 {
            return Ok(());
        }
        let mut batch = Batch::default();
        let mut forgotten = 0;
        for row in self.history.scan(&[]).take(surplus) {
            let (number, job) = row?;
            batch.remove(&self.history, &number)?;
            batch.remove(&self.ids, job.id.0.as_bytes())?;
            forgotten += 1;
        }
        self.database.apply(batch)?;
        counts.history = counts.history.saturating_sub(forgotten);
        Ok(())
    }

    /// Changes one job in the index only: what follows from the ledger or the document.
    pub(crate) fn update(
        &self,
        number: JobNumber,
        change: impl FnOnce(&mut Row) -> Result<(), SpoolError>,
    ) -> Result<Job, SpoolError> {
        let mut place = self.lock();
        if self.closed.load(Ordering::Acquire) {
            return Err(SpoolError::Closed);
        }
        let mut counts = *place;
        let old = self.row(number)?;
        let mut new = old.clone();
        change(&mut new)?;
        let mut batch = Batch::default();
        self.stage_row(&mut batch, &mut counts, Some(&old), &new)?;
        self.database.apply(batch)?;
        *place = counts;
        self.listeners.tell([number]);
        Ok(new.job)
    }

    /// Puts every released job back to where its ticket says: states on the way to the printer
    /// are not known after a start. Returns their numbers.
    pub(crate) fn rest_released(&self) -> Result<Vec<JobNumber>, SpoolError> {
        let mut rested = Vec::new();
        for number in self.released_numbers()? {
            self.update(number, |row| {
                (row.job.state, row.job.reason) =
                    resting_state(row.has_body, row.hold, row.job.target.is_none());
                row.job.processing_unix_ms = None;
                Ok(())
            })?;
            rested.push(number);
        }
        Ok(rested)
    }

    fn released_numbers(&self) -> Result<Vec<JobNumber>, DatabaseError> {
        let number = |row: Result<(Vec<u8>, ()), DatabaseError>| {
            row.map(|(key, ())| number_at_end(&key)).transpose()
        };
        self.released.scan(&[]).filter_map(number).collect()
    }

    /// The row of a job that has not ended.
    pub(crate) fn row(&self, number: JobNumber) -> Result<Row, SpoolError> {
        let row = self.jobs.get(&key(number.0))?;
        row.ok_or(SpoolError::NotFound(number))
    }

    pub(crate) fn job(&self, number: JobNumber) -> Result<Option<Job>, DatabaseError> {
        if let Some(row) = self.jobs.get(&key(number.0))? {
            return Ok(Some(row.job));
        }
        self.history.get(&key(number.0))
    }

    pub(crate) fn number_of(&self, id: JobId) -> Result<Option<JobNumber>, DatabaseError> {
        let number = self.ids.get(id.0.as_bytes())?;
        Ok(number.map(JobNumber))
    }

    pub(crate) fn waiting_for(&self, owner: OwnerKey) -> Result<Vec<Job>, DatabaseError> {
        let mut jobs = Vec::new();
        for row in self.waiting.scan(&owner.0) {
            let (place, ()) = row?;
            if let Some(number) = number_at_end(&place)
                && let Some(row) = self.jobs.get(&key(number.0))?
            {
                jobs.push(row.job);
            }
        }
        Ok(jobs)
    }

    pub(crate) fn jobs(
        &self,
        which: Which,
        limit: usize,
        first: Option<JobNumber>,
    ) -> Result<Vec<Job>, DatabaseError> {
        match which {
            Which::Held => self.active(limit, first, |job| job.state == JobState::PendingHeld),
            Which::NotCompleted => self.active(limit, first, |_| true),
            Which::Released => self.released_jobs(limit, first),
            Which::Completed => self.ended(limit, first),
            Which::All => {
                let mut jobs = self.active(limit, first, |_| true)?;
                jobs.extend(self.ended(limit - jobs.len(), None)?);
                Ok(jobs)
            }
        }
    }

    fn active(
        &self,
        limit: usize,
        first: Option<JobNumber>,
        wanted: impl Fn(&Job) -> bool,
    ) -> Result<Vec<Job>, DatabaseError> {
        let from = key(first.map_or(0, |number| number.0));
        let rows = self.jobs.range(Bound::Included(&from), Bound::Unbounded);
        rows.map(|row| row.map(|(_, row)| row.job))
            .filter(|job| job.as_ref().map_or(true, &wanted))
            .take(limit)
            .collect()
    }

    fn released_jobs(
        &self,
        limit: usize,
        first: Option<JobNumber>,
    ) -> Result<Vec<Job>, DatabaseError> {
        let numbers = self.released_numbers()?;
        let from = numbers.into_iter().filter(|number| Some(*number) >= first);
        from.filter_map(|number| self.jobs.get(&key(number.0)).transpose())
            .map(|row| row.map(|row| row.job))
            .take(limit)
            .collect()
    }

    /// Newest first, as RFC 8011 §4.2.6.1 wants completed jobs.
    fn ended(&self, limit: usize, first: Option<JobNumber>) -> Result<Vec<Job>, DatabaseError> {
        let to = key(first.map_or(u32::MAX, |number| number.0));
        let rows = self.history.range(Bound::Unbounded, Bound::Included(&to));
        rows.rev()
            .map(|row| row.map(|(_, job)| job))
            .take(limit)
            .collect()
    }

    pub(crate) fn held_count(&self) -> usize {
        self.lock().held
    }

    pub(crate) fn active_count(&self) -> usize {
        self.lock().active
    }

    /// Raises the next number above `number`, which a ticket has.
    pub(crate) fn seen(&self, number: JobNumber) {
        let mut counts = self.lock();
        counts.next = counts.next.max(number.0.saturating_add(1));
    }

    /// Whether a number belongs to an ended job of the history; then the ticket wins and the
    /// entry goes.
    pub(crate) fn forget_history_of(&self, number: JobNumber) -> Result<(), DatabaseError> {
        let mut counts = self.lock();
        if self.history.contains(&key(number.0))? {
            self.history.remove(&key(number.0))?;
            counts.history = counts.history.saturating_sub(1);
        }
        Ok(())
    }
}

fn number_at_end(key: &[u8]) -> Option<JobNumber> {
    let (_, number) = key.split_last_chunk()?;
    Some(JobNumber(u32::from_be_bytes(*number)))
}
