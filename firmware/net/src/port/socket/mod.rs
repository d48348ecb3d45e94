// SPDX-License-Identifier: Apache-2.0 OR MIT
//! RAW printing over TCP, `socket://host:9100`: the job's bytes, and the printer's talk on the way
//! back. Blocking, on the printer's own thread.
//!
//! What such a port can know without PJL: that the printer's network side acknowledged every byte,
//! and, when the printer closes the connection after ours, that its firmware read to the end. With
//! [`SocketOptions::job_reports`] the printer itself tells what it printed ([`session`]).

mod session;

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use platen_hal::{PortError, PortSession, PortStatus, PrinterPort, Sending};
use platen_wire::pjl::{Answer, AnswerReader, DeviceStatus, INFO_STATUS};

use super::PortUri;
use super::tcp::{connect, is_timeout};
use session::SocketSession;

/// Waits for the pieces of a printer's answer to a PJL question: 1 s in all, for what a status may
/// still take after connecting. The first wait is the printer's time to think.
const ANSWER_WAITS: [Duration; 4] = [
    Duration::from_millis(700),
    Duration::from_millis(100),
    Duration::from_millis(100),
    Duration::from_millis(100),
];

/// Settings of a [`SocketPort`].
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// How long the printer may take no byte before the job is [`PortError::Stalled`]. A printer
    /// out of paper reads nothing, so this is also how soon that is noticed.
    pub stall: Duration,
    /// How long to wait after the last byte for the printer to close. Many close at once when they
    /// have read everything, some only after printing, a few never.
    pub drain: Duration,
    /// Whether the printer understands PJL, so that its status can be asked. A printer that does
    /// not would print the question.
    pub pjl: bool,
    /// Whether PJL is put around jobs that allow it, so that the printer tells of their end and
    /// their pages (`USTATUS`), and that is waited for.
    pub job_reports: bool,
    /// How long a printer that tells of its jobs may be silent after the last byte before its
    /// report is given up. Each page that it tells of begins this anew. Longer than the first page
    /// of a heavy job takes.
    pub report: Duration,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            pjl: false,
            job_reports: false,
            report: Duration::from_secs(120),
        }
    }
}

/// A RAW printer on the network.
#[derive(Debug)]
pub struct SocketPort {
    uri: PortUri,
    text: String,
    options: SocketOptions,
    in_job: Arc<AtomicBool>,
    jobs: u32,
    manners: Arc<Manners>,
}

/// What earlier jobs taught about the printer's talk.
#[derive(Debug, Default)]
struct Manners {
    /// Jobs in a row that it told nothing of.
    silent_jobs: AtomicU32,
    /// It has told of a job.
    talks: AtomicBool,
}

impl SocketPort {
    /// A port to the printer at `uri`. Nothing is connected yet.
    #[must_use]
    pub fn new(uri: PortUri, options: SocketOptions) -> Self {
        let text = uri.to_string();
        Self {
            uri,
            text,
            options,
            in_job: Arc::default(),
            jobs: 0,
            manners: Arc::default(),
        }
    }
}

impl PrinterPort for SocketPort {
    fn uri(&self) -> &str {
        &self.text
    }

    /// Connects, asks by PJL if the printer knows it, and closes again. A printer that takes the
    /// connection and does not answer counts as ready: many are silent while they wake up. While
    /// a job of this port is on its way the printer is not asked (many take one connection at a
    /// time): it is not ready, for no reason of its own.
    fn status(&mut self) -> PortStatus {
        if self.in_job.load(Ordering::Acquire) {
            return PortStatus::default();
        }
        let said = connect(&self.uri).and_then(|stream| match self.options.pjl {
            true => ask(&stream),
            false => Ok(None),
        });
        match said {
            Ok(said) => {
                let said = said.unwrap_or_default();
                let reasons = said.reasons().into_iter().map(str::to_owned).collect();
                PortStatus {
                    ready: said.is_ready(),
                    reasons,
                }
            }
            Err(_) => PortStatus {
                ready: false,
                reasons: vec!["offline-report".to_owned()],
            },
        }
    }

    fn open(&mut self, sending: &Sending) -> Result<Box<dyn PortSession>, PortError> {
        let stream = connect(&self.uri).map_err(PortError::Offline)?;
        let ready = stream.set_nodelay(true).and_then(|()| {
            let limit = session::write_limit(&self.options);
            stream.set_write_timeout(Some(limit))
        });
        ready.map_err(PortError::Broken)?;
        self.in_job.store(true, Ordering::Release);
        self.jobs = self.jobs.wrapping_add(1);
        Ok(Box::new(SocketSession::new(self, stream, sending)))
    }
}

/// Asks how the printer is; `None` when it does not answer (in time).
fn ask(mut stream: &TcpStream) -> io::Result<Option<DeviceStatus>> {
    // The question fits an empty send buffer, so this does not wait.
    stream.write_all(INFO_STATUS)?;
    let mut reader = AnswerReader::new();
    let mut piece = [0; 1024];
    for wait in ANSWER_WAITS {
        stream.set_read_timeout(Some(wait))?;
        let read = match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if is_timeout(&error) || error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for answer in reader.push(piece.get(..read).unwrap_or_default()) {
            if let Answer::Status(status) = answer {
                return Ok(Some(status));
            }
        }
    }
    Ok(None)
}
