// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the word "release" to the first byte at the printer, one job at a time: hold a job, ask
//! for it, see it come, wait until the server says that it has ended.

use std::fmt;
use std::io;
use std::net::TcpStream;
use std::time::Duration;

use platen_bed::BedError;
use platen_bed::wait::{self, Stopwatch};
use platen_model::local::{Tap, TapResult};
use platen_net::LocalClient;
use platen_wire::ipp::Status;
use serde::Serialize;

use crate::answer::exchange;
use crate::request::{RequestError, Target, job_id, job_state, status};
use crate::sink::{Delivery, Sink};
use crate::statistics::Spread;

const DELIVERY_LIMIT: Duration = Duration::from_secs(10); // far above any bar; then it is missed
const END_LIMIT: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// The simulated hand holds no card to the reader sooner than half a second after the last: its
/// wait must be over before a tap is timed.
const CARD_AWAY: Duration = Duration::from_millis(600);
const FIRST_ENDED_STATE: i32 = 7; // RFC 8011 §5.3.7: canceled, aborted and completed are 7, 8, 9

/// How the server is told to release.
#[derive(Clone, Debug)]
pub enum Way {
    /// IPP Release-Job.
    ReleaseJob,
    /// The owner's card at the simulated reader.
    Tap {
        /// The box.
        client: LocalClient,
        /// Hexadecimal UID of the card.
        uid: String,
    },
}

/// What to release, and where.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The queue; its printer must be `sink`.
    pub target: &'a Target,
    /// Owner of the jobs.
    pub user: &'a str,
    /// A PDF; see [`crate::sink`].
    pub document: &'a [u8],
    /// Card or Release-Job.
    pub way: &'a Way,
    /// Jobs to release, unless `time_limit` comes first.
    pub jobs: usize,
    /// No job is begun after this time.
    pub time_limit: Duration,
}

/// What it gave. All times from just before the release was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct ReleaseReport {
    /// Bytes of one document.
    pub document_octets: usize,
    /// Jobs that did not come out in time, or were not released.
    pub missed: usize,
    /// Until the answer to the release, or the decision about the tap.
    pub answer: Spread,
    /// From that answer until the document's first byte; zero where the byte was faster.
    pub after_answer: Spread,
    /// Until the document's first byte at the printer.
    pub first_byte: Spread,
    /// Until the end of the connection to the printer.
    pub last_byte: Spread,
}

/// Releases `plan.jobs` jobs one after the other. `clock` is the one that `sink` was started with.
///
/// # Errors
/// When the server can't be reached, or refuses to hold a job. A job that is held and doesn't
/// come out is no error: it is counted.
pub fn run(plan: &Plan<'_>, sink: &Sink, clock: Stopwatch) -> io::Result<ReleaseReport> {
    let (mut answers, mut firsts, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
    let mut afters = Vec::new();
    let (mut missed, begun) = (0, clock.elapsed());
    for _ in 0..plan.jobs {
        if clock.elapsed().saturating_sub(begun) > plan.time_limit {
            break;
        }
        let job = hold(plan)?;
        if let Way::Tap { .. } = plan.way {
            smol::block_on(smol::Timer::after(CARD_AWAY));
        }
        sink.forget();
        let asked = clock.elapsed();
        let answered = ask(plan, job).map(|()| clock.elapsed());
        let delivery = answered.and_then(|at| Ok((at, sink.delivery(DELIVERY_LIMIT)?)));
        let Ok((
            answered,
            Delivery {
                first_byte,
                last_byte,
                ..
            },
        )) = delivery
        else {
            missed += 1;
            continue;
        };
        answers.push(answered.saturating_sub(asked));
        afters.push(first_byte.saturating_sub(answered));
        firsts.push(first_byte.saturating_sub(asked));
        lasts.push(last_byte.saturating_sub(asked));
        wait_for_end(plan, job)?;
    }
    Ok(ReleaseReport {
        document_octets: plan.document.len(),
        missed,
        answer: Spread::of(&mut answers),
        after_answer: Spread::of(&mut afters),
        first_byte: Spread::of(&mut firsts),
        last_byte: Spread::of(&mut lasts),
    })
}

fn hold(plan: &Plan<'_>) -> io::Result<i32> {
    let request = plan
        .target
        .print_job(plan.user, "application/pdf", plan.document);
    let answer = ipp(plan.target, request)?;
    let held = job_id(&answer).filter(|_| successful(&answer));
    held.ok_or_else(|| refused("hold a job", &answer))
}

fn ask(plan: &Plan<'_>, job: i32) -> io::Result<()> {
    match plan.way {
        Way::ReleaseJob => {
            let answer = ipp(plan.target, plan.target.release_job(plan.user, job))?;
            successful(&answer)
                .then_some(())
                .ok_or_else(|| refused("release a job", &answer))
        }
        Way::Tap { client, uid } => {
            let tap = Tap { uid: uid.clone() };
            let result = smol::block_on(client.post::<_, TapResult>("/v1/tap", &tap));
            let result = result.map_err(io::Error::other)?;
            let released = !result.released.is_empty();
            released
                .then_some(())
                .ok_or_else(|| io::Error::other(result.signal))
        }
    }
}

/// The next job must find the printer idle, so that a queue is never measured.
fn wait_for_end(plan: &Plan<'_>, job: i32) -> io::Result<()> {
    let ended = wait::until("the job to end", END_LIMIT, || {
        let request = plan.target.job_state(plan.user, job);
        let answer = ipp(plan.target, request).map_err(BedError::io("ask for a job's state"))?;
        // A server that has forgotten the job has ended it.
        let state = job_state(&answer).unwrap_or(FIRST_ENDED_STATE);
        Ok((state >= FIRST_ENDED_STATE).then_some(()))
    });
    ended.map_err(io::Error::other)
}

fn ipp(target: &Target, request: Result<Vec<u8>, RequestError>) -> io::Result<Vec<u8>> {
    let request = request.map_err(io::Error::other)?;
    let mut connection = TcpStream::connect(target.address)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(ANSWER_LIMIT))?;
    let answer = exchange(&mut connection, &request)?;
    if answer.http_status == 200 {
        return Ok(answer.body);
    }
    Err(io::Error::other(format!(
        "HTTP {} from {}",
        answer.http_status, target.uri
    )))
}

fn successful(answer: &[u8]) -> bool {
    status(answer).is_some_and(Status::is_successful)
}

fn refused(what: &str, answer: &[u8]) -> io::Error {
    let name = status(answer)
        .and_then(Status::name)
        .unwrap_or("unknown status");
    io::Error::other(format!("the server refused to {what}: {name}"))
}

impl fmt::Display for ReleaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "missed     {}", self.missed)?;
        writeln!(f, "answer     {}", self.answer)?;
        writeln!(f, "after it   {}", self.after_answer)?;
        writeln!(f, "first byte {}", self.first_byte)?;
        write!(f, "last byte  {}", self.last_byte)
    }
}
