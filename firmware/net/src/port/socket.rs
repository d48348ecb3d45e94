// SPDX-License-Identifier: Apache-2.0 OR MIT
//! RAW printing over TCP, `socket://host:9100`: the job's bytes and nothing else. Blocking, on the
//! printer's own thread.
//!
//! What such a port can know: that the printer's network side acknowledged every byte, and, when
//! the printer closes the connection after ours, that its firmware read to the end. What it can't
//! know: whether paper came out, how many sides were marked, whether the job was understood. So
//! [`PortReport::impressions`] is always `None` here.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use platen_hal::{PortError, PortReport, PortSession, PortStatus, PrinterPort, Sending};
use platen_wire::pjl::{Answer, AnswerReader, DeviceStatus, INFO_STATUS};

use super::PortUri;
use super::send_queue::unacknowledged;
use super::tcp::{connect, is_timeout, send_all};

/// Waits for the pieces of a printer's answer to a PJL question: 1 s in all, for what a status may
/// still take after connecting. The first wait is the printer's time to think.
const ANSWER_WAITS: [Duration; 4] = [
    Duration::from_millis(700),
    Duration::from_millis(100),
    Duration::from_millis(100),
    Duration::from_millis(100),
];

/// Bytes of the printer's own talk that are read and dropped at the end of a job. A printer that
/// says more is not waited for.
const TALK_LIMIT: usize = 1024 * 1024;

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
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            pjl: false,
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

    fn open(&mut self, _sending: &Sending) -> Result<Box<dyn PortSession>, PortError> {
        let stream = connect(&self.uri).map_err(PortError::Offline)?;
        let ready = stream
            .set_nodelay(true)
            .and_then(|()| stream.set_write_timeout(Some(self.options.stall)));
        ready.map_err(PortError::Broken)?;
        self.in_job.store(true, Ordering::Release);
        let in_job = InJob(Arc::clone(&self.in_job));
        let options = self.options.clone();
        Ok(Box::new(SocketSession {
            stream,
            options,
            octets: 0,
            _in_job: in_job,
        }))
    }
}

/// Marks the port as busy with a job; the mark goes with the session, however that ends.
#[derive(Debug)]
struct InJob(Arc<AtomicBool>);

impl Drop for InJob {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[derive(Debug)]
struct SocketSession {
    stream: TcpStream,
    options: SocketOptions,
    octets: u64,
    _in_job: InJob,
}

impl PortSession for SocketSession {
    fn send(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        let taken = &mut self.octets;
        send_all(&self.stream, bytes, self.options.stall, taken)
    }

    /// Closes our side, then waits for the printer to close its own. When it does not within
    /// [`SocketOptions::drain`], its acknowledgement of every byte must do; without that the job
    /// is [`PortError::Stalled`]. A reset is [`PortError::Broken`]: what the printer had taken by
    /// then can't be told.
    fn finish(mut self: Box<Self>) -> Result<PortReport, PortError> {
        let report = PortReport {
            octets: self.octets,
            impressions: None,
            confirmed_by: None,
        };
        self.stream
            .shutdown(Shutdown::Write)
            .map_err(PortError::Broken)?;
        if self.closed_by_printer()? {
            return Ok(report);
        }
        match unacknowledged(&self.stream) {
            Some(0) => Ok(report),
            _ => Err(PortError::Stalled {
                seconds: self.options.drain.as_secs(),
            }),
        }
    }
}

impl SocketSession {
    fn closed_by_printer(&mut self) -> Result<bool, PortError> {
        self.stream
            .set_read_timeout(Some(self.options.drain))
            .map_err(PortError::Broken)?;
        let mut talk = vec![0; 4096];
        let mut read = 0;
        while read < TALK_LIMIT {
            match self.stream.read(&mut talk) {
                Ok(0) => return Ok(true),
                Ok(more) => read += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Ok(false),
                Err(error) => return Err(PortError::Broken(error)),
            }
        }
        Ok(false)
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
