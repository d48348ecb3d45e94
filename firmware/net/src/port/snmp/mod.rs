// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What SNMP adds to a network port, whichever that is: how the printer is, why it stopped, and how
//! many sides it marked by its own counter. Blocking, on the printer's own thread.
//!
//! The counter is the printer's, not the job's: somebody else's pages between its two readings count
//! too. So it is taken only where the port has no report of the job itself, only between two rests of
//! the printer, and only of a printer that says what it is: some count something else. The first
//! reading is after the port has opened, which may wait for others' jobs, and before the first byte.

mod agent;
mod count;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use platen_hal::{
    Confirmation, PortError, PortReport, PortSession, PortStatus, PrinterPort, Sending,
};
use platen_wire::printer_mib::{Depth, LifeCount, PrinterFacts};

use super::quirks::SnmpQuirks;
use super::{PortScheme, PortUri};
use agent::Agent;

/// Limit of a question about the printer's state. With the look-up of its name it stays within the
/// 2 s that a status may take.
const STATUS_LIMIT: Duration = Duration::from_millis(900);
/// Limit of a question about its counter.
const COUNT_LIMIT: Duration = Duration::from_millis(900);

/// Settings of a [`SnmpPort`].
#[derive(Clone)]
pub struct SnmpOptions {
    /// The community that may read, `public` with most printers.
    pub community: String,
    /// The agent's UDP port.
    pub port: u16,
    /// How long a printer that has the whole job may say that it can't print.
    pub stall: Duration,
    /// How long it may be busy without its counter moving; zero: its counter is not asked.
    pub report: Duration,
}

impl fmt::Debug for SnmpOptions {
    /// Without the community, which is a password of a kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnmpOptions")
            .field("port", &self.port)
            .field("stall", &self.stall)
            .field("report", &self.report)
            .finish_non_exhaustive()
    }
}

impl Default for SnmpOptions {
    fn default() -> Self {
        Self {
            community: "public".to_owned(),
            port: platen_wire::snmp::AGENT_PORT,
            stall: Duration::from_secs(60),
            report: Duration::from_secs(120),
        }
    }
}

/// A network port whose printer is also asked by SNMP.
pub struct SnmpPort {
    inner: Box<dyn PrinterPort>,
    shared: Arc<Shared>,
}

struct Shared {
    options: SnmpOptions,
    agent: Mutex<Agent>,
    /// The port's report is the printer's word that the job has ended.
    hears_of_end: bool,
}

impl Shared {
    fn agent(&self) -> MutexGuard<'_, Agent> {
        self.agent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, depth: Depth, limit: Duration) -> Option<PrinterFacts> {
        self.agent().ask(depth, limit)
    }

    /// The counter before a job, where it counts sides, the printer rests and the agent answered when
    /// last asked: a job does not wait for one that is silent.
    fn count_before(&self) -> Option<LifeCount> {
        if self.options.report.is_zero() || self.agent().is_silent() {
            return None;
        }
        let facts = self.ask(Depth::Counter, COUNT_LIMIT)?;
        // Who does not say what it is may be one of those that count something else.
        let model = facts.description.as_deref()?;
        let known = !model.trim().is_empty() && !SnmpQuirks::of(model).no_life_count;
        let count = facts.life_count.filter(|_| known && facts.is_idle())?;
        (count.unit == LifeCount::IMPRESSIONS).then_some(count)
    }

    /// Why the printer says that it is stopped.
    fn why_stopped(&self) -> Option<Vec<String>> {
        let facts = self.ask(Depth::Status, STATUS_LIMIT)?;
        (!facts.is_ready()).then(|| facts.reasons())
    }
}

impl SnmpPort {
    /// `inner`, a port to the printer at `uri`, with its agent at the same host. Nothing is sent yet.
    #[must_use]
    pub fn new(inner: Box<dyn PrinterPort>, uri: &PortUri, options: SnmpOptions) -> Self {
        let agent = Mutex::new(Agent::new(uri, options.port, &options.community));
        Self {
            inner,
            shared: Arc::new(Shared {
                options,
                agent,
                hears_of_end: matches!(uri.scheme, PortScheme::Ipp | PortScheme::Ipps),
            }),
        }
    }
}

impl PrinterPort for SnmpPort {
    fn uri(&self) -> &str {
        self.inner.uri()
    }

    /// Asks the port and the agent at the same time. The agent alone can't make a printer
    /// unreachable, nor reachable.
    fn status(&mut self) -> PortStatus {
        let shared = &*self.shared;
        let inner = &mut self.inner;
        thread::scope(|scope| {
            let asking = thread::Builder::new()
                .name("snmp".to_owned())
                .spawn_scoped(scope, || shared.ask(Depth::Status, STATUS_LIMIT));
            let status = inner.status();
            let facts = asking.ok().and_then(|thread| thread.join().ok().flatten());
            match facts {
                Some(facts) => merged(status, &facts),
                None => status,
            }
        })
    }

    fn open(&mut self, sending: &Sending) -> Result<Box<dyn PortSession>, PortError> {
        let inner = self.inner.open(sending)?;
        let before = self.shared.count_before();
        Ok(Box::new(SnmpSession {
            inner,
            shared: Arc::clone(&self.shared),
            before,
            sending: sending.clone(),
        }))
    }
}

/// Both answers in one; of two severities of the same reason the heavier stays.
fn merged(mut status: PortStatus, facts: &PrinterFacts) -> PortStatus {
    for word in facts.reasons() {
        let (stem, severity) = word.rsplit_once('-').unwrap_or((&word, ""));
        let same = |known: &String| known.rsplit_once('-').is_some_and(|(one, _)| one == stem);
        match status.reasons.iter().position(same) {
            None => status.reasons.push(word),
            Some(at) => {
                let known = status.reasons.get_mut(at);
                if let Some(known) = known.filter(|known| weight(known) < weight(severity)) {
                    *known = word;
                }
            }
        }
    }
    status
        .reasons
        .sort_by_key(|word| std::cmp::Reverse(weight(word)));
    status.ready &= facts.is_ready();
    status
}

fn weight(word: &str) -> u8 {
    match word.rsplit('-').next() {
        Some("error") => 2,
        Some("warning") => 1,
        _ => 0,
    }
}

struct SnmpSession {
    inner: Box<dyn PortSession>,
    shared: Arc<Shared>,
    before: Option<LifeCount>,
    sending: Sending,
}

impl PortSession for SnmpSession {
    fn makes_copies(&self) -> bool {
        self.inner.makes_copies()
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        let sent = self.inner.send(bytes);
        sent.map_err(|error| explained(error, &self.shared))
    }

    /// What the port itself reports, else the difference of the printer's counter once it rests:
    /// waited for while it prints, up to [`SnmpOptions::report`] without a page. A job deleted
    /// meanwhile is no longer waited for: the printer has the whole of it.
    ///
    /// # Errors
    /// Those of the port; [`PortError::Stopped`] when the printer has the whole job, has marked
    /// nothing since, and says for [`SnmpOptions::stall`] that it can't print. Never that after IPP,
    /// which hears of the job's end itself.
    fn finish(self: Box<Self>) -> Result<PortReport, PortError> {
        let Self {
            inner,
            shared,
            before,
            sending,
        } = *self;
        let report = inner.finish().map_err(|error| explained(error, &shared))?;
        let Some(before) = before.filter(|_| report.confirmed_by.is_none()) else {
            return Ok(report);
        };
        let impressions = count::wait(&shared, before, &sending)?;
        Ok(PortReport {
            impressions,
            confirmed_by: impressions.map(|_| Confirmation::LifeCount),
            ..report
        })
    }
}

/// A stall with the reason that the printer gives for it.
fn explained(error: PortError, shared: &Shared) -> PortError {
    match error {
        PortError::Stalled { .. } => shared
            .why_stopped()
            .map_or(error, |reasons| PortError::Stopped { reasons }),
        other => other,
    }
}
