// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the box does by itself from time to time: erase jobs that nobody collected, and close the
//! ones whose document never came.

use std::sync::Arc;
use std::time::Duration;

use platen_ledger::Entry;
use platen_model::{Chain, JobState, JobStateReason};
use platen_spool::SpoolError;

use crate::node::Node;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(30);

/// Looks after the spool until the task is dropped.
pub(crate) async fn run(node: Arc<Node>) {
    loop {
        smol::Timer::after(EVERY).await;
        give_up_incoming(&node).await;
        expire(&node).await;
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
    let before_unix_ms = now.unix_ms.saturating_sub(keep_ms);
    let expired = match node.spool.expire(before_unix_ms).await {
        Ok(expired) => expired,
        Err(error) => {
            log::error!(err:% = Chain(&error); "uncollected jobs could not be erased");
            return;
        }
    };
    for job in expired {
        log::info!(job:% = job.number; "job expired uncollected");
        let entry = Entry::Expired {
            job: job.id,
            number: job.number,
        };
        if let Err(error) = node.ledger.append(entry).await {
            log::error!(job:% = job.number, err:% = Chain(&error); "expiry not journaled");
        }
    }
}
