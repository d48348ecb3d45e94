// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Operations that bring jobs: Print-Job, Validate-Job, Create-Job, Send-Document, Close-Job
//! (RFC 8011 §4.2.1, §4.2.3, §4.2.4, §4.3.1; PWG 5100.11 for Close-Job).
//!
//! `successful-ok` is answered after the job is durable, never before.

use platen_model::{Job, JobState, JobStateReason};
use platen_spool::NewJob;
use platen_wire::ipp::{Attribute, GroupTag, Message, Status, Text};

use super::exchange::{Exchange, Queue, Wanted};
use super::options::{self, Asked};
use super::refusal::Refusal;
use super::{document, view};
use crate::release::Queued;

/// Longest `job-name` kept (RFC 8011 §5.1.3).
const NAME_OCTETS: usize = 255;

pub(super) async fn print_job(exchange: &mut Exchange<'_>) -> Result<Message, Refusal> {
    let (new, unsupported) = new_job(exchange)?;
    let arrival = document::begin(exchange).await?;
    let new = NewJob {
        format: arrival.format.clone(),
        ..new
    };
    let upload = exchange.node.spool.begin(new)?;
    let upload = arrival.store(exchange, upload).await?;
    let job = exchange.node.spool.commit(upload).await?;
    let job = arrived(exchange, job)?;
    Ok(created(exchange, &job, unsupported))
}

pub(super) fn validate_job(exchange: &Exchange<'_>) -> Result<Message, Refusal> {
    document::check_format(exchange)?;
    let (_, unsupported) = new_job(exchange)?;
    let mut message = exchange.reply(status_for(&unsupported));
    name_unsupported(&mut message, unsupported);
    Ok(message)
}

pub(super) async fn create_job(exchange: &Exchange<'_>) -> Result<Message, Refusal> {
    let (new, unsupported) = new_job(exchange)?;
    let node = exchange.node;
    if !node.incoming.has_room() {
        let message = "Too many jobs wait for their documents. Try again in a moment.";
        return Err(Refusal::new(Status::BUSY, message));
    }
    let job = node.spool.create(new).await?;
    node.incoming.created(job.number, node.clock.now().elapsed);
    Ok(created(exchange, &job, unsupported))
}

pub(super) async fn send_document(exchange: &mut Exchange<'_>) -> Result<Message, Refusal> {
    let job = exchange.own_job()?;
    let last = exchange
        .operation("last-document")
        .and_then(Attribute::as_boolean);
    let last = last.ok_or_else(|| {
        Refusal::new(Status::BAD_REQUEST, "Send-Document must say last-document.")
    })?;
    if job.state.is_ended() {
        return Err(Refusal::new(
            Status::NOT_POSSIBLE,
            "The job has ended already.",
        ));
    }
    if job.reason != JobStateReason::JobIncoming {
        return no_second_document(exchange, &job, last).await;
    }
    let arrival = document::begin(exchange).await?;
    let upload = exchange
        .node
        .spool
        .begin_document(job.number, &arrival.format)?;
    let upload = arrival.store(exchange, upload).await?;
    let job = exchange.node.spool.commit(upload).await?;
    exchange.node.incoming.arrived(job.number);
    let job = arrived(exchange, job)?;
    Ok(created(exchange, &job, Vec::new()))
}

/// A job has one document; an empty last one only closes it.
async fn no_second_document(
    exchange: &mut Exchange<'_>,
    job: &Job,
    last: bool,
) -> Result<Message, Refusal> {
    if last && exchange.document().await?.is_none() {
        return Ok(created(exchange, job, Vec::new()));
    }
    Err(Refusal::new(
        Status::MULTIPLE_DOCUMENT_JOBS_NOT_SUPPORTED,
        "A job has one document here. Send the next one as a job of its own.",
    ))
}

/// Ends a job that no document will come for.
pub(super) async fn close_job(exchange: &Exchange<'_>) -> Result<Message, Refusal> {
    let job = exchange.own_job()?;
    if job.reason == JobStateReason::JobIncoming && !job.state.is_ended() {
        let reason = JobStateReason::SubmissionInterrupted;
        exchange
            .node
            .spool
            .end(job.number, JobState::Aborted, reason, 0)
            .await?;
    }
    Ok(exchange.reply(Status::OK))
}

/// The job as the request describes it, without its document.
fn new_job(exchange: &Exchange<'_>) -> Result<(NewJob, Vec<Attribute>), Refusal> {
    let Asked {
        options,
        hold,
        unsupported,
    } = options::read(&exchange.message, exchange.printer());
    let fidelity = exchange
        .operation("ipp-attribute-fidelity")
        .and_then(Attribute::as_boolean);
    if fidelity == Some(true) && !unsupported.is_empty() {
        let status = Status::ATTRIBUTES_OR_VALUES_NOT_SUPPORTED;
        let message = "The printer can't do what the job insists on.";
        return Err(Refusal::new(status, message).with_unsupported(unsupported));
    }
    let new = NewJob {
        name: job_name(exchange),
        owner: exchange.user(),
        options,
        target: exchange.door.queue.target(),
        format: String::new(),
        hold,
    };
    Ok((new, unsupported))
}

fn job_name(exchange: &Exchange<'_>) -> String {
    let named = |name| {
        exchange
            .operation(name)
            .and_then(Attribute::as_name)
            .map(Text::to_lossy)
    };
    let name = named("job-name").or_else(|| named("document-name"));
    let name = name
        .filter(|name| !name.trim().is_empty())
        .unwrap_or("Untitled".into());
    Text::clipped(&name, NAME_OCTETS).to_lossy().into_owned()
}

/// What happens once a job is durable: its pages are counted, and a push job goes to its printer.
fn arrived(exchange: &Exchange<'_>, job: Job) -> Result<Job, Refusal> {
    exchange.node.counter.request(job.number);
    let Queue::Push(target) = &exchange.door.queue else {
        return Ok(job);
    };
    if job.reason == JobStateReason::JobHoldUntilSpecified {
        return Ok(job);
    }
    if exchange.node.releases.queue(target, &job, None)? == Queued::Full {
        log::warn!(job:% = job.number, printer = target.config.name; "push job waits: the printer's queue is full");
    }
    Ok(Job {
        state: JobState::Pending,
        reason: JobStateReason::JobQueued,
        ..job
    })
}

/// The answer to a request that made a job. It tells the job's own state, not the one that later
/// questions are answered with (see `view`).
fn created(exchange: &Exchange<'_>, job: &Job, unsupported: Vec<Attribute>) -> Message {
    let mut message = exchange.reply(status_for(&unsupported));
    name_unsupported(&mut message, unsupported);
    let group = message.group_mut(GroupTag::JOB);
    let wanted = Wanted::Named(
        ["job-id", "job-uri", "job-uuid"]
            .map(str::to_owned)
            .to_vec(),
    );
    view::write(group, exchange, job, &wanted);
    group
        .push(Attribute::enumeration(
            "job-state",
            i32::from(job.state as u8),
        ))
        .push(Attribute::keyword(
            "job-state-reasons",
            job.reason.keyword(),
        ))
        .push(Attribute::text(
            "job-state-message",
            view::sentence(job.reason),
        ));
    message
}

fn status_for(unsupported: &[Attribute]) -> Status {
    if unsupported.is_empty() {
        Status::OK
    } else {
        Status::OK_IGNORED_OR_SUBSTITUTED_ATTRIBUTES
    }
}

fn name_unsupported(message: &mut Message, unsupported: Vec<Attribute>) {
    if !unsupported.is_empty() {
        message
            .group_mut(GroupTag::UNSUPPORTED)
            .attributes
            .extend(unsupported);
    }
}
