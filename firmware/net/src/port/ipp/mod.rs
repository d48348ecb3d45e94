// SPDX-License-Identifier: Apache-2.0 OR MIT
//! IPP printers: `ipp://host[:631]/path`, `ipps://…`, and those at a pipe (IPP over USB). RFC 8010,
//! RFC 8011. Blocking, on the printer's own thread.
//!
//! What such a port can know: how the printer is, in its own words; what became of the job; and how
//! many sides it marked, where it counts them.

mod client;
mod fault;
mod link;
mod session;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use platen_hal::{PipeSource, PortError, PortSession, PortStatus, PrinterPort, Sending};
use platen_model::Chain;
use platen_wire::ipp::Status;
use platen_wire::ipp::client::PrinterAnswer;

pub use fault::IppFault;

use self::client::{Client, Shared, Way, lock};
use self::link::Place;
use self::session::IppSession;
use super::{PortScheme, PortUri};
use crate::tls::{Tls, TlsTrust, TrustError};

/// How long a printer may take to say how it is, after the connection to it is there.
const STATUS: Duration = Duration::from_millis(1500);
/// Where printers have their queue (PWG 5100.14 §4.2).
const USUAL_PATH: &str = "/ipp/print";

/// Settings of an [`IppPort`].
#[derive(Clone, Debug)]
pub struct IppOptions {
    /// How long the printer may take no byte, wait for somebody (paper, a jam), be busy with
    /// another job, or not answer questions about this one.
    pub stall: Duration,
    /// How long the printer may take to answer a question.
    pub answer: Duration,
    /// How long it may take to acknowledge a document whose last byte it has: some do when it is
    /// printed.
    pub end: Duration,
    /// How long the job may stand still at the printer without a reason. A printer that has counted
    /// nothing of it, or has not begun it, may be at work longer as long as it says so.
    pub quiet: Duration,
    /// How long a job may take from its last byte to its end.
    pub job: Duration,
}

impl Default for IppOptions {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(60),
            answer: Duration::from_secs(10),
            end: Duration::from_secs(300),
            quiet: Duration::from_secs(300),
            job: Duration::from_secs(2 * 60 * 60),
        }
    }
}

/// An IPP printer.
pub struct IppPort {
    text: String,
    options: IppOptions,
    client: Shared,
    /// What was wrong when it was last asked; told once.
    fault: Option<String>,
}

impl IppPort {
    /// A port to the printer at `uri`; `trust` is for `ipps:` alone. Nothing is connected yet.
    ///
    /// # Errors
    /// [`TrustError::Tls`] when no TLS can be had from these certificates.
    pub fn new(uri: PortUri, trust: &TlsTrust, options: IppOptions) -> Result<Self, TrustError> {
        let text = uri.to_string();
        let tls = match uri.scheme {
            PortScheme::Ipps => Some(Tls::new(trust, None, None)?),
            _ => None,
        };
        let path = match uri.path.as_str() {
            "" => USUAL_PATH,
            path => path,
        };
        let place = Place {
            host: uri.authority(),
            path: path.to_owned(),
        };
        let printer_uri = format!("{}://{}{path}", uri.scheme.name(), uri.authority());
        let client = Client::new(Way::Network { uri, tls }, place, &printer_uri);
        Ok(Self::over(text, client, options))
    }

    /// A port to the printer at the other end of a pipe; `text` is its URI in the configuration.
    #[must_use]
    pub fn on_pipe(text: &str, source: Box<dyn PipeSource>, options: IppOptions) -> Self {
        let place = Place {
            host: "localhost".to_owned(),
            path: USUAL_PATH.to_owned(),
        };
        let client = Client::new(Way::Pipe(source), place, "ipp://localhost/ipp/print");
        Self::over(text.to_owned(), client, options)
    }

    fn over(text: String, client: Client, options: IppOptions) -> Self {
        Self {
            text,
            options,
            client: Arc::new(Mutex::new(client)),
            fault: None,
        }
    }

    /// Asks the printer how it is and what it takes.
    fn ask(&self, limit: Duration) -> Result<PrinterAnswer, IppFault> {
        let mut client = lock(&self.client);
        let question = client.requests.printer();
        let mut answer = client.ask(&question, limit, false);
        let old = Status::VERSION_NOT_SUPPORTED;
        if matches!(&answer, Err(IppFault::Refused { status, .. }) if *status == old) {
            client.requests.old = true;
            let question = client.requests.printer();
            answer = client.ask(&question, limit, false);
        }
        answer.map(|answer| PrinterAnswer::read(&answer))
    }

    /// Says once what is wrong between the box and the printer.
    fn tell(&mut self, fault: Option<&IppFault>) {
        let text = fault.map(|fault| Chain(fault).to_string());
        if let (Some(text), true) = (&text, text != self.fault) {
            log::warn!(port = self.text, err = text.as_str(); "printer can't be asked how it is");
        }
        self.fault = text;
    }
}

impl PrinterPort for IppPort {
    fn uri(&self) -> &str {
        &self.text
    }

    fn status(&mut self) -> PortStatus {
        let asked = self.ask(STATUS);
        lock(&self.client).rest();
        self.tell(asked.as_ref().err());
        match asked {
            Ok(printer) => PortStatus {
                ready: printer.is_ready(),
                reasons: reasons(printer),
            },
            Err(_) => PortStatus {
                ready: false,
                reasons: vec!["offline-report".to_owned()],
            },
        }
    }

    /// Asks the printer what it takes, and makes the job where that can be done before its bytes.
    fn open(&mut self, sending: &Sending) -> Result<Box<dyn PortSession>, PortError> {
        let asked = self.ask(self.options.answer);
        self.tell(asked.as_ref().err());
        let printer = asked.map_err(IppFault::before_job)?;
        if !printer.is_ready() {
            return Err(PortError::Stopped {
                reasons: reasons(printer),
            });
        }
        let Some(format) = printer.format_for(&sending.format) else {
            return Err(PortError::Stopped {
                reasons: vec!["unsupported-document-format".to_owned()],
            });
        };
        let client = Arc::clone(&self.client);
        let options = self.options.clone();
        let session = IppSession::begin(client, options, sending, &printer, format)?;
        Ok(Box::new(session))
    }
}

/// The printer's reasons; one that is stopped and says nothing still needs one.
fn reasons(printer: PrinterAnswer) -> Vec<String> {
    if !printer.is_ready() && printer.reasons.is_empty() {
        return vec!["other-error".to_owned()];
    }
    printer.reasons
}
