// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which jobs the centre is to be told of. All that have not ended at a start, and the ended ones that
//! it may not have heard of; then each that changes. What was told and not answered is told again.

use std::collections::BTreeSet;
use std::sync::Arc;

use platen_auth::Cache;
use platen_model::{Job, JobNumber};
use platen_spool::{Changed, Spool, SpoolError, Which};
use platen_sync::limits::{JOBS_MAX, NAME_BYTES_MAX};
use platen_sync::message::JobNotice;

/// Jobs that are listed at once.
const PAGE: usize = 1000;

/// See the module.
pub(super) struct Notices {
    spool: Spool,
    changed: Arc<Changed>,
    waiting: BTreeSet<JobNumber>,
    turn: u64,
}

impl Notices {
    /// Tells of everything from job `first` on, and of every job that has not ended. `turn` is above
    /// every one used before. Blocks.
    pub(super) fn begin(spool: &Spool, first: JobNumber, turn: u64) -> Result<Self, SpoolError> {
        let changed = Arc::new(spool.changed());
        let mut notices = Self {
            spool: spool.clone(),
            changed,
            waiting: BTreeSet::new(),
            turn,
        };
        notices.add_all(first)?;
        Ok(notices)
    }

    fn add_all(&mut self, first: JobNumber) -> Result<(), SpoolError> {
        let mut from = None;
        loop {
            let jobs = self.spool.jobs(Which::NotCompleted, PAGE, from)?;
            from = jobs
                .last()
                .map(|job| JobNumber(job.number.0.saturating_add(1)));
            let count = jobs.len();
            self.waiting.extend(jobs.into_iter().map(|job| job.number));
            if count < PAGE {
                break;
            }
        }
        let mut from = None;
        loop {
            // Newest first.
            let jobs = self.spool.jobs(Which::Completed, PAGE, from)?;
            let last = jobs.last().map(|job| job.number);
            let told = last.is_none_or(|last| last < first || last.0 == 0);
            let news = jobs.iter().map(|job| job.number);
            self.waiting.extend(news.filter(|number| *number >= first));
            if told || jobs.len() < PAGE {
                return Ok(());
            }
            from = last.map(|last| JobNumber(last.0.saturating_sub(1)));
        }
    }

    /// What tells of changes.
    pub(super) fn ear(&self) -> Arc<Changed> {
        Arc::clone(&self.changed)
    }

    /// The next notices, [`JOBS_MAX`] at most, and whose they are. Blocks.
    pub(super) fn take(
        &mut self,
        cache: &Cache,
        now_unix_ms: u64,
    ) -> Result<Vec<JobNotice>, SpoolError> {
        let changes = self.changed.take();
        self.waiting.extend(changes.jobs);
        if changes.any {
            self.add_all(self.told_upto()?)?;
        }
        let numbers: Vec<_> = self.waiting.iter().copied().take(JOBS_MAX).collect();
        let mut notices = Vec::with_capacity(numbers.len());
        for number in &numbers {
            if let Some(job) = self.spool.job(*number)? {
                self.turn = self.turn.saturating_add(1).max(now_unix_ms);
                notices.push(notice(job, cache, self.turn));
            }
        }
        // Only now: an error on the way loses none that was read before it.
        for number in numbers {
            self.waiting.remove(&number);
        }
        Ok(notices)
    }

    /// These were not answered.
    pub(super) fn put_back(&mut self, notices: &[JobNotice]) {
        self.waiting
            .extend(notices.iter().map(|notice| notice.number));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn turn(&self) -> u64 {
        self.turn
    }

    /// The first job that is not told of as ended: a start tells of ended jobs from there on. Blocks.
    pub(super) fn told_upto(&self) -> Result<JobNumber, SpoolError> {
        let active = self.spool.jobs(Which::NotCompleted, 1, None)?;
        let active = active.first().map(|job| job.number);
        let waiting = self.waiting.first().copied();
        let newest = self.spool.jobs(Which::Completed, 1, None)?;
        let next = newest
            .first()
            .map_or(1, |job| job.number.0.saturating_add(1));
        let open = active.into_iter().chain(waiting).min();
        Ok(open.unwrap_or(JobNumber(next)))
    }
}

fn notice(job: Job, cache: &Cache, turn: u64) -> JobNotice {
    let user = cache.owner(job.owner.key);
    JobNotice {
        job: job.id,
        number: job.number,
        turn,
        user,
        owner: cut(job.owner.name),
        name: cut(job.name),
        format: cut(job.format),
        octets: job.octets,
        state: job.state,
        reason: job.reason,
        printer: job.target,
        count: job.count,
        created_unix_ms: job.created_unix_ms,
    }
}

/// As much of a name as goes into a message.
fn cut(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(NAME_BYTES_MAX));
    name
}
