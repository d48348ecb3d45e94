// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the local API tells.

use std::io::Read;
use std::sync::Arc;

use platen_model::local::{JobEntry, Status, VerifyReport};
use platen_model::{Chain, Job, JobNumber, JobState};
use platen_spool::Which;

use super::{Answer, Refusal, json};
use crate::node::{Node, Reader};

/// Jobs listed at once.
const LISTED: usize = 1000;

pub(super) fn status(node: &Node) -> Answer {
    let shown = node.panel.shown();
    let counts = node.directory.counts();
    json(&Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        modes: node.modes(),
        panel: shown.signal.keyword().to_owned(),
        panel_text: shown.text,
        held_jobs: node.spool.held_count() as u64,
        users: counts.users,
        cards: counts.cards,
        ledger_sequence: node.ledger.head().sequence,
        printers: node
            .releases
            .targets()
            .iter()
            .map(|target| target.report())
            .collect(),
        devices: node.readers.iter().map(Reader::report).collect(),
        queue_uri: node.queue_uri(),
    })
}

pub(super) fn jobs(node: &Node, all: bool) -> Answer {
    let which = if all { Which::All } else { Which::NotCompleted };
    let jobs = node
        .spool
        .jobs(which, LISTED, None)
        .map_err(|error| Refusal::failed(&error))?;
    json(&jobs.into_iter().map(entry).collect::<Vec<_>>())
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
    let reader = node
        .readers
        .iter()
        .find(|reader| reader.bus.name() == device);
    let reader = reader.ok_or_else(|| {
        let known: Vec<_> = node
            .readers
            .iter()
            .map(|reader| reader.bus.name())
            .collect();
        Refusal::not_found(format!(
            "no device '{device}'; there are: {}",
            known.join(", ")
        ))
    })?;
    json(&reader.ring())
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
    let mut first = None;
    loop {
        let jobs = node.spool.jobs(Which::NotCompleted, LISTED, first);
        let jobs = jobs.map_err(|error| Refusal::failed(&error))?;
        let Some(last) = jobs.last() else {
            return Ok(report);
        };
        first = Some(JobNumber(last.number.0.saturating_add(1)));
        for job in jobs.iter().filter(|job| job.octets > 0) {
            match read_through(node, job) {
                Ok(()) => report.bodies += 1,
                Err(error) if still_there(node, job) => {
                    report.faults.push(format!("job {}: {error}", job.number));
                }
                Err(_) => {} // Released or deleted meanwhile.
            }
        }
    }
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
