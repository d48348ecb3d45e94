// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Operations on jobs that are there: Get-Job-Attributes, Get-Jobs, Cancel-Job, Hold-Job,
//! Release-Job (RFC 8011 §4.2.6, §4.3.3 to §4.3.6), Cancel-Current-Job, Cancel-My-Jobs.

use platen_model::{Job, JobNumber, JobState, JobStateReason};
use platen_spool::SpoolError;
use platen_wire::ipp::{Attribute, GroupTag, Message, Status};

use super::exchange::{Exchange, Queue};
use super::refusal::Refusal;
use super::view;
use crate::listing::Listing;
use crate::node::CancelError;
use crate::release::Queued;

/// Jobs in one answer, whatever the client asks for.
const LISTED_MAX: usize = 1000;
/// Jobs looked through for one answer: others' jobs are skipped.
const LOOKED_AT_MAX: usize = 5000;

pub(super) fn get_job_attributes(exchange: &Exchange<'_>) -> Result<Message, Refusal> {
    let job = exchange.job()?;
    let mut message = exchange.reply(Status::OK);
    let wanted = exchange.wanted();
    view::write(message.group_mut(GroupTag::JOB), exchange, &job, &wanted);
    Ok(message)
}

pub(super) fn get_jobs(exchange: &Exchange<'_>) -> Result<Message, Refusal> {
    let which = exchange
        .operation("which-jobs")
        .and_then(Attribute::as_keyword);
    let ended: fn(&Job) -> bool = match which {
        None | Some("not-completed") => |job| !view::is_ended(job),
        Some("completed") => view::is_ended,
        Some("all") => |_| true,
        Some(other) => {
            let named = vec![Attribute::keyword("which-jobs", other)];
            let status = Status::ATTRIBUTES_OR_VALUES_NOT_SUPPORTED;
            return Err(
                Refusal::new(status, "Ask for completed, not-completed or all.")
                    .with_unsupported(named),
            );
        }
    };
    let mine = exchange
        .operation("my-jobs")
        .and_then(Attribute::as_boolean)
        == Some(true);
    let limit = exchange.operation("limit").and_then(Attribute::as_integer);
    let limit = limit
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(LISTED_MAX)
        .min(LISTED_MAX);
    let first = exchange
        .operation("first-job-id")
        .and_then(Attribute::as_integer);
    let jobs = find(exchange, which, first, limit, |job| {
        ended(job) && (!mine || exchange.is_owner(job))
    })?;
    let mut message = exchange.reply(Status::OK);
    let wanted = exchange.wanted();
    for job in &jobs {
        view::write(message.add_group(GroupTag::JOB), exchange, job, &wanted);
    }
    Ok(message)
}

/// The first `limit` jobs of this queue that `fits` takes, looking at a bounded number.
fn find(
    exchange: &Exchange<'_>,
    which: Option<&str>,
    first: Option<i32>,
    limit: usize,
    fits: impl Fn(&Job) -> bool,
) -> Result<Vec<Job>, Refusal> {
    let queue = exchange.door.queue.target();
    let first = first.and_then(|n| u32::try_from(n).ok()).map(JobNumber);
    let spool = &exchange.node.spool;
    // Stored pull jobs count as completed here, though they have not ended.
    let listing = match which {
        Some("all" | "completed") => Listing::all(spool, first),
        _ => Listing::active(spool, first),
    };
    let mut found = Vec::new();
    for job in listing.take(LOOKED_AT_MAX) {
        let job = job?;
        if job.target == queue && fits(&job) {
            found.push(job);
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

pub(super) async fn cancel_job(exchange: &Exchange<'_>) -> Result<Message, Refusal> {
    let job = exchange.own_job()?;
    cancel(exchange, &job).await?;
    Ok(exchange.reply(Status::OK))
}

/// Without a job id: the oldest of the user's jobs that can be canceled.
pub(super) async fn cancel_current_job(exchange: &Exchange<'_>) -> Result<Message, Refusal> {
    let own = |job: &Job| exchange.is_owner(job) && !view::is_ended(job);
    let job = find(exchange, None, None, 1, own)?.pop();
    let job = job.ok_or_else(|| Refusal::new(Status::NOT_POSSIBLE, "No job is current."))?;
    cancel(exchange, &job).await?;
    Ok(exchange.reply(Status::OK))
}

pub(super) async fn cancel_my_jobs(exchange: &Exchange<'_>) -> Result<Message, Refusal> {
    let own = |job: &Job| exchange.is_owner(job) && !view::is_ended(job);
    for job in find(exchange, None, None, LISTED_MAX, own)? {
        match exchange
            .node
            .cancel(job.number, JobStateReason::JobCanceledByUser, None)
            .await
        {
            // One that has ended meanwhile is no reason to keep the others.
            Ok(()) | Err(CancelError::Ended | CancelError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(exchange.reply(Status::OK))
}

async fn cancel(exchange: &Exchange<'_>, job: &Job) -> Result<(), Refusal> {
    if view::is_ended(job) && !job.state.is_ended() {
        return Err(Refusal::new(
            Status::NOT_POSSIBLE,
            "The job is stored at the box. Delete it there, or let it expire.",
        ));
    }
    Ok(exchange
        .node
        .cancel(job.number, JobStateReason::JobCanceledByUser, None)
        .await?)
}

pub(super) async fn hold_job(exchange: &Exchange<'_>) -> Result<Message, Refusal> {
    let job = exchange.own_job()?;
    if view::is_ended(&job) || job.state > JobState::PendingHeld {
        return Err(Refusal::new(
            Status::NOT_POSSIBLE,
            "The job can't be held any more.",
        ));
    }
    exchange.node.spool.set_hold(job.number, true).await?;
    Ok(exchange.reply(Status::OK))
}

/// Takes the submitter's own hold away. On the proxy queue the job then waits for its owner's
/// badge as any other: nothing prints there without one.
pub(super) async fn release_job(exchange: &Exchange<'_>) -> Result<Message, Refusal> {
    let job = exchange.own_job()?;
    if job.reason != JobStateReason::JobHoldUntilSpecified {
        return Err(Refusal::new(
            Status::NOT_POSSIBLE,
            "The job is not held by its submitter.",
        ));
    }
    if let Queue::Push(target) = &exchange.door.queue {
        match exchange.node.releases.queue(target, &job, None)? {
            Queued::Taken => {}
            Queued::Full => {
                let message = "The printer's queue is full. Try again.";
                return Err(Refusal::new(Status::BUSY, message));
            }
            Queued::Changed => {
                let message = "The job's state does not allow this.";
                return Err(Refusal::new(Status::NOT_POSSIBLE, message));
            }
        }
    }
    match exchange.node.spool.set_hold(job.number, false).await {
        // On its way to the printer already: the journal has it.
        Ok(_) | Err(SpoolError::NotNow(_) | SpoolError::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(exchange.reply(Status::OK))
}
