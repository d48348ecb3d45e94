// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the local API tells.

use std::io::Read;
use std::sync::Arc;

use hyper::StatusCode;
use platen_ledger::Entry;
use platen_model::local::{JobEntry, Status, VerifyReport};
use platen_model::{Chain, CredentialKind, Job, JobNumber, JobState};
use platen_spool::Which;
use serde::Serialize;

use super::{Answer, Refusal, json};
use crate::listing::Listing;
use crate::node::Node;

/// Jobs listed at once.
const LISTED: usize = 1000;
/// Journal entries told at once.
const JOURNAL_PAGE: usize = 1000;

pub(super) fn status(node: &Node) -> Answer {
    let shown = node.panel.shown();
    let (users, cards) = people(node);
    json(&Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: node.config.announce.name.clone(),
        modes: node.modes(),
        panel: shown.signal.keyword().to_owned(),
        panel_text: shown.text,
        held_jobs: node.spool.held_count() as u64,
        users,
        cards,
        ledger_sequence: node.ledger.head().sequence,
        printers: node
            .releases
            .targets()
            .iter()
            .map(|target| target.report())
            .collect(),
        devices: node.devices.report(),
        queue_uri: node.queue_uri(),
        centre: node.centre.status(),
    })
}

/// How many people the box knows, and what they prove themselves with: its site's, or its own.
fn people(node: &Node) -> (u64, u64) {
    if node.centre.site().is_some() {
        let copy = node.cache.standing(node.clock.now());
        return (copy.users.into(), copy.credentials.into());
    }
    let own = node.directory.counts();
    (own.users, own.cards)
}

/// A page of jobs, from number `first` on: those that have not ended in order of arrival, or the
/// ended ones that are remembered, newest first.
pub(super) fn jobs(node: &Node, which: Which, first: Option<&str>) -> Answer {
    let first = first.map(str::parse).transpose();
    let first = first.map_err(|_| Refusal::bad_input("a job number is needed"))?;
    let jobs = node.spool.jobs(which, LISTED, first.map(JobNumber));
    let jobs = jobs.map_err(|error| Refusal::failed(&error))?;
    json(&jobs.into_iter().map(entry).collect::<Vec<_>>())
}

/// Entries of the journal from sequence number `from` on.
pub(super) async fn journal(node: &Arc<Node>, from: u64) -> Answer {
    let node = Arc::clone(node);
    let entries = smol::unblock(move || node.ledger.entries(from, JOURNAL_PAGE)).await;
    let entries = entries.map_err(|error| Refusal::failed(&error))?;
    let lines = entries.into_iter().map(|recorded| JournalLine {
        sequence: recorded.sequence,
        at_unix_ms: recorded.at.unix_ms,
        trusted: recorded.at.trusted,
        hash: recorded.hash.to_string(),
        entry: without_secrets(recorded.entry),
    });
    json(&lines.collect::<Vec<_>>())
}

/// What a credential is checked by stays sealed in the journal.
fn without_secrets(mut entry: Entry) -> Entry {
    if let Entry::CredentialBound { credential, .. } = &mut entry {
        match &mut credential.kind {
            CredentialKind::Finger { template, .. } => template.clear(),
            CredentialKind::Pin { hash } | CredentialKind::Password { hash } => hash.clear(),
            _ => {}
        }
    }
    entry
}

/// One entry of the journal, as the local API tells it.
#[derive(Serialize)]
struct JournalLine {
    sequence: u64,
    at_unix_ms: u64,
    trusted: bool,
    hash: String,
    entry: Entry,
}

fn entry(job: Job) -> JobEntry {
    JobEntry {
        id: job.id,
        number: job.number,
        name: job.name,
        owner: job.owner.name,
        state: job.state,
        reason: job.reason,
        format: job.format,
        octets: job.octets,
        count: job.count,
        created_unix_ms: job.created_unix_ms,
    }
}

pub(super) fn ring(node: &Node, device: &str) -> Answer {
    let ring = node.devices.ring(device).ok_or_else(|| {
        let known = node.devices.rings().join(", ");
        Refusal::not_found(format!(
            "no device '{device}' with a driver; there are: {known}"
        ))
    })?;
    json(&ring)
}

/// The code for phones that a display of this box shows now.
pub(super) fn phone_code(node: &Node) -> Answer {
    let web = node.web().ok_or_else(|| {
        let message = "this box has no web page for phones; add [web] to its configuration";
        Refusal::new(StatusCode::CONFLICT, "no-web", message)
    })?;
    let code = web.phone_code();
    json(&code.map_err(|error| Refusal::failed(&error))?)
}

/// Reads the whole journal and every sealed body: may take long, so it runs beside the executor.
pub(super) async fn verify(node: &Arc<Node>) -> Answer {
    let node = Arc::clone(node);
    json(&smol::unblock(move || verify_all(&node)).await?)
}

fn verify_all(node: &Node) -> Result<VerifyReport, Refusal> {
    let ledger = node
        .ledger
        .verify()
        .map_err(|error| Refusal::failed(&error))?;
    let mut report = VerifyReport {
        entries: ledger.entries,
        head: ledger.head.to_string(),
        bodies: 0,
        faults: ledger.faults.iter().map(ToString::to_string).collect(),
    };
    for job in Listing::active(&node.spool, None) {
        let job = job.map_err(|error| Refusal::failed(&error))?;
        if job.octets == 0 {
            continue;
        }
        match read_through(node, &job) {
            Ok(()) => report.bodies += 1,
            Err(error) if still_there(node, &job) => {
                report.faults.push(format!("job {}: {error}", job.number));
            }
            Err(_) => {} // Released or deleted meanwhile.
        }
    }
    Ok(report)
}

fn read_through(node: &Node, job: &Job) -> Result<(), String> {
    let mut body = node
        .spool
        .body(job.number)
        .map_err(|error| Chain(&error).to_string())?;
    let mut buffer = vec![0; 64 << 10];
    let mut octets = 0;
    loop {
        match body.read(&mut buffer).map_err(|error| error.to_string())? {
            0 if octets == job.octets => return Ok(()),
            0 => return Err(format!("{octets} bytes, expected {}", job.octets)),
            length => octets += length as u64,
        }
    }
}

fn still_there(node: &Node, job: &Job) -> bool {
    let now = node.spool.job(job.number).ok().flatten();
    now.is_some_and(|job| !job.state.is_ended() && job.state != JobState::Processing)
}
