// SPDX-License-Identifier: Apache-2.0 OR MIT
//! After a start: what the ledger says about the jobs that are still in the spool.
//!
//! A release without an end is *interrupted*: some pages may be out, so it is neither printed again
//! by itself nor lost. A settled job whose files are still there is removed: it was charged.

use std::collections::HashMap;

use platen_ledger::{Entry, Ledger, LedgerError, LedgerReport, Outcome};
use platen_model::{JobId, JobState, JobStateReason};
use platen_spool::{Spool, SpoolError, Which};
use thiserror::Error;

use super::tap::{Queued, Releases};
use platen_model::Chain;

/// Push jobs taken up again at a start; the printer's queue holds no more.
const RESUMED: usize = 1000;

/// Why the box can't bring spool and ledger together.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum RecoverError {
    #[error("an interrupted release could not be journaled")]
    Ledger(#[from] LedgerError),
    #[error("an interrupted release could not be marked")]
    Spool(#[from] SpoolError),
}

/// Brings the spool in line with the ledger. Gives the last attempt of each job that was tried.
pub(crate) fn recover(
    report: &LedgerReport,
    ledger: &Ledger,
    spool: &Spool,
) -> Result<HashMap<JobId, u32>, RecoverError> {
    for settled in &report.settled {
        if let Some(job) = spool
            .job_by_id(settled.job)?
            .filter(|job| !job.state.is_ended())
        {
            let (state, reason) = ended_state(settled.outcome);
            smol::block_on(spool.end(job.number, state, reason, settled.impressions.unwrap_or(0)))?;
        }
    }
    let mut interrupted = Vec::new();
    for open in &report.open_releases {
        ledger.append_blocking(Entry::Interrupted {
            job: open.job,
            number: open.number,
            attempt: open.attempt,
        })?;
        log::warn!(job:% = open.number; "release was interrupted; its owner is asked at the next tap");
        interrupted.push(open.job);
    }
    interrupted.extend(report.stopped.iter().map(|(job, _)| *job));
    spool.mark_interrupted(&interrupted)?;
    let open = report
        .open_releases
        .iter()
        .map(|open| (open.job, open.attempt));
    Ok(report.stopped.iter().copied().chain(open).collect())
}

fn ended_state(outcome: Outcome) -> (JobState, JobStateReason) {
    match outcome {
        Outcome::Completed => (
            JobState::Completed,
            JobStateReason::JobCompletedSuccessfully,
        ),
        Outcome::Canceled => (JobState::Canceled, JobStateReason::JobCanceledByUser),
        _ => (JobState::Aborted, JobStateReason::AbortedBySystem),
    }
}

/// Push jobs that were accepted but not yet sent go on by themselves: nothing of them is out.
pub(crate) fn resume_push_jobs(spool: &Spool, releases: &Releases) -> Result<(), SpoolError> {
    for job in spool.jobs(Which::Released, RESUMED, None)? {
        let waits = job.state == JobState::Pending;
        let name = job.target.as_ref();
        let target = releases
            .targets()
            .iter()
            .find(|t| name.is_some_and(|n| n.0 == t.config.name));
        let Some(target) = target.filter(|_| waits) else {
            continue;
        };
        match releases.queue(target, &job, None) {
            Ok(Queued::Taken | Queued::Changed) => {}
            Ok(Queued::Full) => {
                log::warn!(job:% = job.number; "push job waits: the printer's queue is full")
            }
            Err(error) => {
                log::error!(job:% = job.number, err:% = Chain(&error); "push job not resumed")
            }
        }
    }
    Ok(())
}
