// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One run of ingest with its costs around it: rates, latencies, processor time of the server
//! and of the client, memory of the server.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use platen_wire::ipp::Status;
use serde::Serialize;

use crate::ingest::{self, Order, Outcome};
use crate::process::{self, Memory};
use crate::statistics::{Spread, milliseconds};

/// What one run of ingest gave. Rates count accepted jobs only.
#[derive(Clone, Debug, Default, Serialize)]
pub struct IngestReport {
    /// Connections at once.
    pub clients: usize,
    /// Bytes of one document.
    pub document_octets: usize,
    /// Jobs answered with success.
    pub accepted: usize,
    /// Jobs answered with `server-error-busy`.
    pub refused_busy: usize,
    /// Other answers that refuse, by IPP status (`0x0400`) or HTTP status (`HTTP 503`).
    pub refused_other: BTreeMap<String, usize>,
    /// Jobs with no answer, by what happened to the connection.
    pub failed: BTreeMap<String, usize>,
    /// From the first connection to the last answer, seconds.
    pub seconds: f64,
    /// Accepted jobs per second.
    pub jobs_per_second: f64,
    /// Accepted document bytes per second, in units of 10⁶.
    pub megabytes_per_second: f64,
    /// Connect to answer.
    pub latency: Spread,
    /// Processor time of the server and its children per accepted job.
    pub server_cpu_ms_per_job: Option<f64>,
    /// Processor time of the load generator per accepted job.
    pub client_cpu_ms_per_job: f64,
    /// Memory of the server after the run.
    pub memory: Option<Memory>,
    /// The most resident memory seen while the run went on, bytes; sampled every 20 ms.
    pub resident_in_run: Option<u64>,
}

/// Runs `order` and measures process `pid` with it, if one is given. `document_octets` is the
/// part of the request that is the document.
///
/// # Errors
/// As [`ingest::run`], and when `pid` is no process.
pub fn ingest(
    order: Order<'_>,
    document_octets: usize,
    pid: Option<u32>,
) -> std::io::Result<IngestReport> {
    let before = pid.map(process::processor_time).transpose()?;
    let own_before = process::own_processor_time()?;
    let mut seen = None;
    let mut outcome = ingest::run(order, &mut |_| {
        let now = pid.and_then(|pid| Memory::of(pid).ok());
        seen = seen.max(now.map(|memory| memory.resident));
    })?;
    let own = process::own_processor_time()?.saturating_sub(own_before);
    let after = pid.map(process::processor_time).transpose()?;
    let server = before
        .zip(after)
        .map(|(before, after)| after.saturating_sub(before));
    let memory = pid.map(Memory::of).transpose()?;
    let mut report = IngestReport::of(&mut outcome, order.clients, document_octets);
    report.server_cpu_ms_per_job = server.map(|time| per_job(time, outcome.accepted));
    report.client_cpu_ms_per_job = per_job(own, outcome.accepted);
    report.resident_in_run = seen.max(memory.map(|memory| memory.resident));
    report.memory = memory;
    Ok(report)
}

fn per_job(time: Duration, jobs: usize) -> f64 {
    milliseconds(time) / count(jobs.max(1))
}

/// A count as a number to divide by; exact below 2³².
fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

impl IngestReport {
    fn of(outcome: &mut Outcome, clients: usize, document_octets: usize) -> Self {
        let seconds = outcome.elapsed.as_secs_f64().max(1e-9);
        let rate = count(outcome.accepted) / seconds;
        let ipp = outcome
            .refused
            .iter()
            .filter(|(status, _)| **status != Status::BUSY);
        let http = outcome.http_refused.iter();
        let refused_other = ipp
            .map(|(status, number)| (format!("0x{:04x}", status.0), *number))
            .chain(http.map(|(status, number)| (format!("HTTP {status}"), *number)))
            .collect();
        Self {
            clients,
            document_octets,
            accepted: outcome.accepted,
            refused_busy: outcome.refused.get(&Status::BUSY).copied().unwrap_or(0),
            refused_other,
            failed: outcome.failed.clone(),
            seconds,
            jobs_per_second: rate,
            megabytes_per_second: rate * count(document_octets) / 1e6,
            latency: Spread::of(&mut outcome.latencies),
            server_cpu_ms_per_job: None,
            client_cpu_ms_per_job: 0.0,
            memory: None,
            resident_in_run: None,
        }
    }

    /// Jobs that were sent and not accepted, for whatever reason.
    #[must_use]
    pub fn not_accepted(&self) -> usize {
        let others = self.refused_other.values().chain(self.failed.values());
        self.refused_busy + others.sum::<usize>()
    }
}

impl fmt::Display for IngestReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "accepted   {} jobs in {:.2} s",
            self.accepted, self.seconds
        )?;
        writeln!(
            f,
            "refused    {} busy, others {:?}",
            self.refused_busy, self.refused_other
        )?;
        writeln!(f, "failed     {:?}", self.failed)?;
        let (jobs, megabytes) = (self.jobs_per_second, self.megabytes_per_second);
        writeln!(f, "rate       {jobs:.1} jobs/s, {megabytes:.1} MB/s")?;
        writeln!(f, "latency    {}", self.latency)?;
        if let Some(time) = self.server_cpu_ms_per_job {
            writeln!(f, "server CPU {time:.2} ms/job")?;
        }
        write!(f, "client CPU {:.2} ms/job", self.client_cpu_ms_per_job)?;
        if let Some(memory) = self.memory {
            let (now, peak) = (mebibytes(memory.resident), mebibytes(memory.peak));
            write!(
                f,
                "\nmemory     {now:.1} MiB resident, {peak:.1} MiB at most"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            count,
            p50_ms,
            p95_ms,
            p99_ms,
            max_ms,
        } = self;
        write!(
            f,
            "p50 {p50_ms:.2} ms, p95 {p95_ms:.2} ms, p99 {p99_ms:.2} ms, "
        )?;
        write!(f, "max {max_ms:.2} ms, {count} times")
    }
}

/// Bytes as MiB with their fraction.
#[must_use]
pub fn mebibytes(bytes: u64) -> f64 {
    count(usize::try_from(bytes / 1024).unwrap_or(usize::MAX)) / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_count_accepted_jobs_and_refusals_are_told_apart() {
        let mut outcome = Outcome {
            accepted: 4,
            refused: BTreeMap::from([(Status::BUSY, 3), (Status::BAD_REQUEST, 2)]),
            http_refused: BTreeMap::from([(503, 1)]),
            failed: BTreeMap::from([("connection reset".to_owned(), 1)]),
            latencies: vec![Duration::from_millis(5); 4],
            elapsed: Duration::from_secs(2),
        };
        let report = IngestReport::of(&mut outcome, 8, 1_000_000);
        assert_eq!(
            (report.jobs_per_second, report.megabytes_per_second),
            (2.0, 2.0)
        );
        assert_eq!((report.refused_busy, report.not_accepted()), (3, 7));
        assert_eq!(report.not_accepted(), outcome.not_accepted());
        assert_eq!(report.refused_other.get("0x0400"), Some(&2));
        assert_eq!(report.refused_other.get("HTTP 503"), Some(&1));
    }

    #[test]
    fn nothing_accepted_is_a_report_of_zeros() {
        let report = IngestReport::of(&mut Outcome::default(), 1, 1);
        assert_eq!((report.jobs_per_second, report.latency.count), (0.0, 0));
    }

    #[test]
    fn mebibytes_keep_their_fraction() {
        assert_eq!(mebibytes(3 << 19), 1.5);
    }
}
