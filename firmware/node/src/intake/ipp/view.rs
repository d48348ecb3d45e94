// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a job looks to IPP clients (RFC 8011 §5.3).
//!
//! On the proxy queue a stored job is shown as `completed` with `queued-in-device`: RFC 8011 §5.3.7
//! says so of a job that has been handed to a system that will not report on it, and a client that
//! waits for `completed` would otherwise keep its own queue busy until somebody taps a badge. See
//! docs/decisions/0002-held-jobs-and-client-queues.md.

use platen_model::{ColorMode, Job, JobState, JobStateReason};
use platen_wire::ipp::{Attribute, DateTime, Group};

use super::exchange::{Exchange, Wanted};

const DESCRIPTION: &str = "job-description";
const TEMPLATE: &str = "job-template";
/// Registered with `completed`: the box can't say to this client what becomes of the job.
const QUEUED_IN_DEVICE: &str = "queued-in-device";

/// State and reason as a client is shown them.
pub(super) fn state(job: &Job) -> (JobState, &'static str) {
    if submitter_is_done(job) {
        (JobState::Completed, QUEUED_IN_DEVICE)
    } else {
        (job.state, job.reason.keyword())
    }
}

/// Whether the box says no more about the job to its submitter: it is stored for its owner.
fn submitter_is_done(job: &Job) -> bool {
    job.target.is_none()
        && !job.state.is_ended()
        && !matches!(
            job.reason,
            JobStateReason::JobIncoming | JobStateReason::JobHoldUntilSpecified
        )
}

/// `job-state-message` for people, in the one language of the queue.
pub(super) fn sentence(reason: JobStateReason) -> &'static str {
    match reason {
        JobStateReason::None => "",
        JobStateReason::JobIncoming => "The document has not come yet.",
        JobStateReason::JobReleaseWait => "Stored until its owner comes with a badge.",
        JobStateReason::JobHoldUntilSpecified => "Held by its submitter.",
        JobStateReason::JobQueued => "Waiting for the printer.",
        JobStateReason::JobPrinting => "Being printed.",
        JobStateReason::PrinterStopped => "The printer has stopped.",
        JobStateReason::Interrupted => "Interrupted; some pages may be out.",
        JobStateReason::JobCanceledByUser => "Deleted by its owner.",
        JobStateReason::JobCanceledByOperator => "Deleted by an operator.",
        JobStateReason::JobCanceledAtDevice => "Not collected in time.",
        JobStateReason::SubmissionInterrupted => "The document did not come whole.",
        JobStateReason::AbortedBySystem => "The document could not be read back.",
        JobStateReason::JobCompletedSuccessfully => "Printed.",
    }
}

/// Whether a client is shown the job as ended.
pub(super) fn is_ended(job: &Job) -> bool {
    state(job).0.is_ended()
}

/// Writes the wanted attributes of a job. Who is not its owner learns neither its name nor whose
/// it is.
pub(super) fn write(group: &mut Group, exchange: &Exchange<'_>, job: &Job, wanted: &Wanted) {
    let private = exchange.is_owner(job);
    let all = description(exchange, job)
        .into_iter()
        .map(|attribute| (DESCRIPTION, attribute));
    for (kind, attribute) in all.chain(template(job).into_iter().map(|a| (TEMPLATE, a))) {
        let visible = private || !PRIVATE.contains(&attribute.name.as_str());
        if visible && wanted.has(&attribute.name, kind) {
            group.push(attribute);
        }
    }
}

/// Shown to the owner alone (PWG 5100.11 `job-privacy-attributes`).
pub(super) const PRIVATE: [&str; 2] = ["job-name", "job-originating-user-name"];

fn description(exchange: &Exchange<'_>, job: &Job) -> Vec<Attribute> {
    let (state, reason) = state(job);
    let printer_uri = exchange.door.printer_uri();
    let number = i32::try_from(job.number.0).unwrap_or(i32::MAX);
    let mut list = vec![
        Attribute::integer("job-id", number),
        Attribute::uri("job-uri", format!("{printer_uri}/{number}")),
        Attribute::uri("job-uuid", format!("urn:uuid:{}", job.id)),
        Attribute::uri("job-printer-uri", printer_uri),
        Attribute::name("job-name", job.name.as_str()),
        Attribute::name("job-originating-user-name", job.owner.name.as_str()),
        Attribute::enumeration("job-state", i32::from(state as u8)),
        Attribute::keyword("job-state-reasons", reason),
        Attribute::text("job-state-message", message(job)),
        Attribute::integer("job-k-octets", k_octets(job.octets)),
        Attribute::integer(
            "job-impressions-completed",
            figure(Some(job.impressions_completed)),
        ),
        Attribute::integer("job-media-sheets-completed", sheets_completed(job)),
        Attribute::integer("number-of-documents", i32::from(job.octets > 0)),
        Attribute::integer("job-printer-up-time", exchange.node.up_time_s()),
    ];
    let count = job.count.as_ref();
    list.push(known("job-pages", count.and_then(|count| count.pages)));
    list.push(known(
        "job-impressions",
        count.and_then(|count| count.impressions),
    ));
    list.push(known(
        "job-media-sheets",
        count.and_then(|count| count.media_sheets),
    ));
    if !job.format.is_empty() {
        list.push(Attribute::mime_media_type(
            "document-format",
            job.format.as_str(),
        ));
    }
    times(&mut list, exchange, "creation", Some(job.created_unix_ms));
    times(
        &mut list,
        exchange,
        "processing",
        shown_time(job, job.processing_unix_ms),
    );
    let ended = shown_time(job, job.ended_unix_ms);
    times(
        &mut list,
        exchange,
        "completed",
        ended.filter(|_| is_ended(job)),
    );
    list
}

fn message(job: &Job) -> &'static str {
    if submitter_is_done(job) {
        sentence(JobStateReason::JobReleaseWait)
    } else {
        sentence(job.reason)
    }
}

/// A job shown as completed was processed and completed, for its submitter, when it was stored.
fn shown_time(job: &Job, own: Option<u64>) -> Option<u64> {
    own.or_else(|| is_ended(job).then_some(job.created_unix_ms))
}

/// `time-at-…` in seconds of up-time and `date-time-at-…`; `no-value` while it has not come.
fn times(list: &mut Vec<Attribute>, exchange: &Exchange<'_>, what: &str, unix_ms: Option<u64>) {
    let (time, date) = (format!("time-at-{what}"), format!("date-time-at-{what}"));
    match unix_ms {
        Some(unix_ms) => {
            list.push(Attribute::integer(
                &time,
                exchange.node.up_time_at_s(unix_ms),
            ));
            list.push(Attribute::date_time(&date, DateTime::from_unix_ms(unix_ms)));
        }
        None => {
            list.push(Attribute::no_value(&time));
            list.push(Attribute::no_value(&date));
        }
    }
}

fn template(job: &Job) -> Vec<Attribute> {
    let options = &job.options;
    let mut list = vec![
        Attribute::integer("copies", figure(Some(options.copies))),
        Attribute::keyword("sides", options.sides.keyword()),
        Attribute::keyword("print-color-mode", color_mode(options.color)),
    ];
    if let Some(quality) = options.quality {
        let number = i32::from(quality as u8);
        list.push(Attribute::enumeration("print-quality", number));
    }
    if let Some(dpi) = options.resolution_dpi {
        list.push(Attribute::resolution("printer-resolution", dpi.into()));
    }
    if let Some(media) = &options.media {
        list.push(Attribute::keyword("media", media.as_str()));
    }
    if job.reason == JobStateReason::JobHoldUntilSpecified {
        list.push(Attribute::keyword("job-hold-until", "indefinite"));
    }
    list
}

fn color_mode(mode: ColorMode) -> &'static str {
    match mode {
        ColorMode::Auto => "auto",
        ColorMode::Color => "color",
        ColorMode::Monochrome => "monochrome",
    }
}

fn known(name: &str, value: Option<u32>) -> Attribute {
    value.map_or_else(
        || Attribute::no_value(name),
        |n| Attribute::integer(name, figure(Some(n))),
    )
}

fn figure(value: Option<u32>) -> i32 {
    value.map_or(0, |value| i32::try_from(value).unwrap_or(i32::MAX))
}

fn sheets_completed(job: &Job) -> i32 {
    let sheets = job.count.as_ref().and_then(|count| count.media_sheets);
    figure(sheets.filter(|_| job.state == JobState::Completed))
}

fn k_octets(octets: u64) -> i32 {
    i32::try_from(octets.div_ceil(1024)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use platen_model::{JobId, JobNumber, JobOptions, Owner, OwnerKey, PrinterName};

    use super::*;

    fn job(state: JobState, reason: JobStateReason, target: Option<&str>) -> Job {
        Job {
            id: JobId::from_parts(0, &[0; 10]),
            number: JobNumber(1),
            name: String::new(),
            owner: Owner {
                name: String::new(),
                key: OwnerKey([0; 16]),
            },
            format: String::new(),
            octets: 1,
            options: JobOptions::default(),
            state,
            reason,
            target: target.map(|name| PrinterName(name.to_owned())),
            created_unix_ms: 0,
            processing_unix_ms: None,
            ended_unix_ms: None,
            count: None,
            impressions_completed: 0,
        }
    }

    #[test]
    fn a_stored_pull_job_is_done_for_its_submitter_until_it_really_ends() {
        use JobState::{Aborted, Pending, PendingHeld, Processing, ProcessingStopped};
        for (now, reason) in [
            (PendingHeld, JobStateReason::JobReleaseWait),
            (Pending, JobStateReason::JobQueued),
            (Processing, JobStateReason::JobPrinting),
            (ProcessingStopped, JobStateReason::Interrupted),
        ] {
            assert_eq!(
                state(&job(now, reason, None)),
                (JobState::Completed, QUEUED_IN_DEVICE)
            );
        }
        let aborted = job(Aborted, JobStateReason::AbortedBySystem, None);
        assert_eq!(state(&aborted).0, Aborted);
    }

    #[test]
    fn a_push_job_and_a_hold_by_the_submitter_show_their_own_state() {
        let push = job(JobState::Processing, JobStateReason::JobPrinting, Some("p"));
        assert_eq!(state(&push).0, JobState::Processing);
        let held = job(
            JobState::PendingHeld,
            JobStateReason::JobHoldUntilSpecified,
            None,
        );
        assert_eq!(state(&held).0, JobState::PendingHeld);
    }
}
