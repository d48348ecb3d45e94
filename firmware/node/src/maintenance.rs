// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the box does by itself from time to time: erase jobs that nobody collected, close the ones
//! whose document never came, and load fingers into sensors.

use std::sync::Arc;
use std::time::Duration;

use platen_ledger::Entry;
use platen_model::{Chain, Job, JobState, JobStateReason, Moment};
use platen_service::PLAUSIBLE_UNIX_MS;
use platen_spool::SpoolError;

use crate::devices::fingers;
use crate::node::Node;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(30);

/// Looks after the spool until the task is dropped.
pub(crate) async fn run(node: Arc<Node>) {
    loop {
        smol::Timer::after(EVERY).await;
        give_up_incoming(&node).await;
        expire(&node).await;
        fingers::fill(&node).await;
    }
}

/// Ends created jobs whose documents did not come in time.
async fn give_up_incoming(node: &Arc<Node>) {
    for number in node.incoming.overdue(node.clock.now().elapsed) {
        let reason = JobStateReason::SubmissionInterrupted;
        match node.spool.end(number, JobState::Aborted, reason, 0).await {
            Ok(_) => log::info!(job:% = number; "job given up: its document never came"),
            Err(SpoolError::NotFound(_)) => {}
            Err(error) => {
                log::error!(job:% = number, err:% = Chain(&error); "job without a document could not be ended");
            }
        }
    }
}

/// Erases jobs older than the configured time. Their end is recorded.
async fn expire(node: &Arc<Node>) {
    let keep_ms = node.config.spool.keep_hours.saturating_mul(3_600_000);
    let now = node.clock.now();
    if !now.trusted {
        return; // A box that does not know the date must not erase by it.
    }
    let expired = match node.spool.expire(|job| is_old(job, &now, keep_ms)).await {
        Ok(expired) => expired,
        Err(error) => {
            log::error!(err:% = Chain(&error); "uncollected jobs could not be erased");
            return;
        }
    };
    for job in expired {
        log::info!(job:% = job.number; "job expired uncollected");
        node.releases.judge().approvals.forget(job.id);
        let entry = Entry::Expired {
            job: job.id,
            number: job.number,
        };
        if let Err(error) = node.ledger.append(entry).await {
            log::error!(job:% = job.number, err:% = Chain(&error); "expiry not journaled");
        }
    }
}

/// Whether a job was accepted more than `keep_ms` ago. One that came before the box knew the date
/// carries a time of 1970: its age is not known, and it is given the whole time from this start on.
fn is_old(job: &Job, now: &Moment, keep_ms: u64) -> bool {
    if job.created_unix_ms < PLAUSIBLE_UNIX_MS {
        return now.elapsed > Duration::from_millis(keep_ms);
    }
    now.unix_ms.saturating_sub(job.created_unix_ms) > keep_ms
}

#[cfg(test)]
mod tests {
    use platen_model::{JobId, JobNumber, JobOptions, Owner, OwnerKey};

    use super::*;

    const HOUR_MS: u64 = 3_600_000;

    fn job(created_unix_ms: u64) -> Job {
        Job {
            id: JobId::from_parts(created_unix_ms, &[0; 10]),
            number: JobNumber(1),
            name: String::new(),
            owner: Owner {
                name: String::new(),
                key: OwnerKey([0; 16]),
            },
            format: String::new(),
            octets: 1,
            options: JobOptions::default(),
            state: JobState::PendingHeld,
            reason: JobStateReason::JobReleaseWait,
            target: None,
            created_unix_ms,
            processing_unix_ms: None,
            ended_unix_ms: None,
            count: None,
            impressions_completed: 0,
        }
    }

    /// A box without a battery takes jobs before it learns the date; all of them were erased in the
    /// moment it did.
    #[test]
    fn a_job_from_before_the_date_was_known_is_as_old_as_the_daemon_at_most() {
        let now = |hours: u64| Moment {
            unix_ms: PLAUSIBLE_UNIX_MS + 50 * HOUR_MS,
            elapsed: Duration::from_millis(hours * HOUR_MS),
            trusted: true,
        };
        let keep = 24 * HOUR_MS;
        assert!(!is_old(&job(60_000), &now(1), keep));
        assert!(is_old(&job(60_000), &now(25), keep));
        assert!(is_old(
            &job(PLAUSIBLE_UNIX_MS + 25 * HOUR_MS),
            &now(1),
            keep
        ));
        assert!(!is_old(
            &job(PLAUSIBLE_UNIX_MS + 27 * HOUR_MS),
            &now(1),
            keep
        ));
    }
}
