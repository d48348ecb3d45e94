// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Jobs that were created (Create-Job) and whose document has not come yet. They are given up after
//! `multiple-operation-time-out` (RFC 8011 §5.4.31), and there may be only so many of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use platen_model::JobNumber;

/// `multiple-operation-time-out`, seconds.
pub(crate) const TIME_OUT_S: u16 = 300;
/// Created jobs that may wait for their documents; past this a client is told to try later.
const WAITING_MAX: usize = 1024;

/// The created jobs, each with the time of its creation since the daemon's start. A restart forgets
/// them; what is left then expires with the uncollected jobs.
#[derive(Default)]
pub(crate) struct Incoming(Mutex<BTreeMap<JobNumber, Duration>>);

impl Incoming {
    /// Whether another job may be created.
    pub(crate) fn has_room(&self) -> bool {
        self.jobs().len() < WAITING_MAX
    }

    /// Whether no created job waits for its document.
    pub(crate) fn is_empty(&self) -> bool {
        self.jobs().is_empty()
    }

    pub(crate) fn created(&self, job: JobNumber, now: Duration) {
        self.jobs().insert(job, now);
    }

    /// The document came, or the job ended.
    pub(crate) fn arrived(&self, job: JobNumber) {
        self.jobs().remove(&job);
    }

    /// Takes out the jobs whose time is over.
    pub(crate) fn overdue(&self, now: Duration) -> Vec<JobNumber> {
        let limit = Duration::from_secs(TIME_OUT_S.into());
        let over = |created: &Duration| now.saturating_sub(*created) >= limit;
        let mut jobs = self.jobs();
        let overdue = jobs
            .iter()
            .filter(|(_, created)| over(created))
            .map(|(job, _)| *job);
        let overdue: Vec<_> = overdue.collect();
        jobs.retain(|_, created| !over(created));
        overdue
    }

    fn jobs(&self) -> MutexGuard<'_, BTreeMap<JobNumber, Duration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_overdue_once_after_its_time() {
        let incoming = Incoming::default();
        let (early, late) = (Duration::from_secs(5), Duration::from_secs(400));
        incoming.created(JobNumber(1), early);
        incoming.created(JobNumber(2), late);
        assert!(incoming.overdue(Duration::from_secs(304)).is_empty());
        assert_eq!(incoming.overdue(Duration::from_secs(305)), [JobNumber(1)]);
        assert!(incoming.overdue(Duration::from_secs(305)).is_empty());
    }

    #[test]
    fn there_is_room_again_when_a_document_has_come() {
        let incoming = Incoming::default();
        for number in 0..1024 {
            incoming.created(JobNumber(number), Duration::ZERO);
        }
        assert!(!incoming.has_room());
        incoming.arrived(JobNumber(7));
        assert!(incoming.has_room());
    }
}
