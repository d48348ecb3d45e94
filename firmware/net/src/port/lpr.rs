// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Line printer daemon, `lpd://host[:515]/queue`: RFC 1179 as a client. Blocking, on the printer's
//! own thread.
//!
//! What such a port can know: that the print server has taken the whole job, by its answers. What
//! it can't: whether paper came out, and how the printer is, since the queue listing of §5.3 is
//! text that every server writes differently. The source port is not one of 721 to 731, which §3.1
//! wants and no printer is known to insist on.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::Duration;

use platen_hal::{PortError, PortReport, PortSession, PortStatus, PrinterPort, Sending};
use platen_wire::lpr::{Delivery, Next, Refusal};

use super::PortUri;
use super::send_queue::unacknowledged;
use super::tcp::{abort, connect, fault, is_timeout, send_all};

/// Wait between two looks at whether the job was deleted.
const LOOK: Duration = Duration::from_secs(1);

/// Settings of an [`LprPort`].
#[derive(Clone, Debug)]
pub struct LprOptions {
    /// How long the server may take no byte, or not answer a command. Servers with one queue answer
    /// only when they have done with the job before.
    pub stall: Duration,
    /// How long the server may take to acknowledge the whole job: some do when it is printed. 300 s
    /// as in CUPS's own client.
    pub end: Duration,
}

impl Default for LprOptions {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(60),
            end: Duration::from_secs(300),
        }
    }
}

/// A queue of a print server, or of a printer with one inside.
#[derive(Debug)]
pub struct LprPort {
    uri: PortUri,
    text: String,
    options: LprOptions,
    jobs: u16,
}

impl LprPort {
    /// A port to the queue at `uri`. Nothing is connected yet.
    #[must_use]
    pub fn new(uri: PortUri, options: LprOptions) -> Self {
        let text = uri.to_string();
        Self {
            uri,
            text,
            options,
            jobs: 0,
        }
    }
}

impl PrinterPort for LprPort {
    fn uri(&self) -> &str {
        &self.text
    }

    /// Connects and closes: whether somebody is there is all that can be asked.
    fn status(&mut self) -> PortStatus {
        let ready = connect(&self.uri).is_ok();
        let reasons = match ready {
            true => Vec::new(),
            false => vec!["offline-report".to_owned()],
        };
        PortStatus { ready, reasons }
    }

    /// Says everything that comes before the job's own bytes. A job whose length is not known is
    /// refused as [`PortError::Offline`]: the protocol states it first.
    fn open(&mut self, sending: &Sending) -> Result<Box<dyn PortSession>, PortError> {
        let none = || PortError::Offline(ErrorKind::Unsupported.into());
        let octets = sending.octets.ok_or_else(none)?;
        let queue = self.uri.queue();
        let delivery = Delivery::new(queue, self.jobs, octets).ok_or_else(none)?;
        self.jobs = self.jobs.wrapping_add(1);
        let stream = connect(&self.uri).map_err(PortError::Offline)?;
        stream
            .set_nodelay(true)
            .and_then(|()| stream.set_write_timeout(Some(self.options.stall)))
            .map_err(PortError::Offline)?;
        let mut session = LprSession {
            stream,
            delivery,
            options: self.options.clone(),
            left: octets,
            octets: 0,
            sending: sending.clone(),
        };
        // Before the first byte of the job a broken way is nobody there.
        session.announce().map_err(|error| match error {
            PortError::Broken(error) => PortError::Offline(error),
            other => other,
        })?;
        Ok(Box::new(session))
    }
}

struct LprSession {
    stream: TcpStream,
    delivery: Delivery,
    options: LprOptions,
    /// Announced and not sent yet.
    left: u64,
    octets: u64,
    sending: Sending,
}

impl LprSession {
    fn announce(&mut self) -> Result<(), PortError> {
        while self.exchange(self.options.stall)? == Next::Say {}
        Ok(())
    }

    /// Says what is due and takes the answer.
    fn exchange(&mut self, limit: Duration) -> Result<Next, PortError> {
        let says = self.delivery.say();
        send_all(&self.stream, &says, self.options.stall, &mut 0)?;
        let answer = self.answer(limit)?;
        self.delivery.answered(answer).map_err(|refusal| {
            log_refusal(&refusal);
            PortError::Stopped {
                reasons: vec![refusal.reason().to_owned()],
            }
        })
    }

    fn answer(&mut self, limit: Duration) -> Result<u8, PortError> {
        let look = LOOK.min(limit);
        self.stream
            .set_read_timeout(Some(look))
            .map_err(PortError::Broken)?;
        let mut waited = Duration::ZERO;
        let mut answer = [0];
        while waited < limit {
            match self.stream.read(&mut answer) {
                Ok(0) => return Err(PortError::Broken(ErrorKind::UnexpectedEof.into())),
                Ok(_) => return Ok(answer[0]),
                Err(error) if is_timeout(&error) => waited += look,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(error, limit)),
            }
            // An answer that is there already comes before a deletion.
            if self.sending.is_canceled() {
                return Err(PortError::Canceled);
            }
        }
        Err(PortError::Stalled {
            seconds: limit.as_secs(),
        })
    }

    /// Takes a deletion back that came too late: the server has the data file with its end and
    /// will print it, whatever becomes of the connection. Before that, a reset keeps the rest from it.
    fn has_all(&self, error: PortError) -> Result<(), PortError> {
        let canceled = matches!(error, PortError::Canceled);
        if canceled && unacknowledged(&self.stream) == Some(0) {
            return Ok(());
        }
        if canceled {
            abort(&self.stream);
        }
        Err(error)
    }
}

fn log_refusal(refusal: &Refusal) {
    log::warn!(stage:? = refusal.stage, answer = refusal.answer; "print server refused the job");
}

impl PortSession for LprSession {
    /// Bytes past the announced length are [`PortError::Broken`]: the server would take them for
    /// the next command.
    fn send(&mut self, bytes: &[u8]) -> Result<(), PortError> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let left = self.left.checked_sub(length);
        self.left = left.ok_or_else(|| PortError::Broken(ErrorKind::InvalidInput.into()))?;
        send_all(&self.stream, bytes, self.options.stall, &mut self.octets)
    }

    /// Without the file's end, which is said here, the server drops the job: a deletion before is in
    /// time. One after it only ends the waiting for the server's answer.
    fn finish(mut self: Box<Self>) -> Result<PortReport, PortError> {
        if self.left > 0 {
            return Err(PortError::Broken(ErrorKind::UnexpectedEof.into()));
        }
        if self.sending.is_canceled() {
            abort(&self.stream);
            return Err(PortError::Canceled);
        }
        if let Err(error) = self.exchange(self.options.end) {
            self.has_all(error)?;
        }
        Ok(PortReport {
            octets: self.octets,
            ..PortReport::default()
        })
    }
}
