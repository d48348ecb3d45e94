// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One printer as an IPP client sees it: the way to it, the connection that is open now, and the
//! requests. Blocking calls on the printer's own thread, each within a limit.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use platen_hal::PipeSource;
use platen_wire::ipp::client::Requests;
use platen_wire::ipp::{Message, Operation};
use smol::Async;

use super::fault::IppFault;
use super::link::{Link, PipeStream, Place, Upload};
use crate::body::within;
use crate::exchange::Duplex;
use crate::port::PortUri;
use crate::port::tcp::connect;
use crate::tls::Tls;

/// From the first to the last byte of a TLS handshake; printers take their time.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How bytes get to the printer.
pub(super) enum Way {
    /// TCP, perhaps with TLS. A connection is closed when it has nothing more to do: printers have
    /// few of them.
    Network { uri: PortUri, tls: Option<Tls> },
    /// A pipe that stays open, since closing it says nothing to the printer.
    Pipe(Box<dyn PipeSource>),
}

impl Way {
    async fn dial(&mut self) -> Result<Box<dyn Duplex>, IppFault> {
        match self {
            Self::Network { uri, tls } => {
                let stream = connect(uri)?;
                stream.set_nodelay(true)?;
                let stream = Async::new(stream)?;
                Ok(match tls {
                    None => Box::new(stream),
                    Some(tls) => {
                        let made = within(HANDSHAKE, tls.wrap(&uri.host, stream)).await;
                        Box::new(made.ok_or(IppFault::TooSlow(HANDSHAKE))??)
                    }
                })
            }
            Self::Pipe(source) => Ok(Box::new(PipeStream(source.open()?))),
        }
    }
}

/// See the module.
pub(super) struct Client {
    way: Way,
    place: Place,
    link: Option<Link>,
    pub(super) requests: Requests,
}

/// The port and its session share the printer; only one of them is at it at a time.
pub(super) type Shared = Arc<Mutex<Client>>;

pub(super) fn lock(client: &Shared) -> std::sync::MutexGuard<'_, Client> {
    client.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    pub(super) fn new(way: Way, place: Place, printer_uri: &str) -> Self {
        Self {
            way,
            place,
            link: None,
            requests: Requests::new(printer_uri),
        }
    }

    /// Asks on the open connection or a new one; the answer has `limit` from then on, a new connection
    /// its own limits before. A connection that was open and has
    /// gone stale meanwhile is replaced once; `once` says that the question must not be asked twice.
    pub(super) fn ask(
        &mut self,
        question: &Message,
        limit: Duration,
        once: bool,
    ) -> Result<Message, IppFault> {
        smol::block_on(self.ask_any(question, limit, once))
    }

    async fn ask_any(
        &mut self,
        question: &Message,
        limit: Duration,
        once: bool,
    ) -> Result<Message, IppFault> {
        let slow = || Err(IppFault::TooSlow(limit));
        // Taken out, so that a time limit in the middle of a talk ends the connection, too.
        if let Some(mut link) = self.idle().await
            && !(once && self.has_many_connections())
        {
            let asked = within(limit, link.ask(&self.place, question)).await;
            match asked.unwrap_or_else(slow) {
                Err(fault) if fault.is_stale_link() && !once => {}
                answer => return self.keep(link, question, answer),
            }
        }
        let mut link = Link::open(self.way.dial().await?).await?;
        let asked = within(limit, link.ask(&self.place, question)).await;
        self.keep(link, question, asked.unwrap_or_else(slow))
    }

    /// The connection that is open and has nothing to do.
    async fn idle(&mut self) -> Option<Link> {
        let mut link = self.link.take()?;
        (!link.is_closed().await).then_some(link)
    }

    fn keep(
        &mut self,
        link: Link,
        question: &Message,
        answer: Result<Message, IppFault>,
    ) -> Result<Message, IppFault> {
        let message = answer?;
        self.link = Some(link);
        granted(question.operation(), message)
    }

    /// Begins a request with a document.
    pub(super) fn upload(
        &mut self,
        question: &Message,
        limit: Duration,
    ) -> Result<Upload, IppFault> {
        let open = async {
            match self.idle().await {
                Some(link) => Ok(link),
                None => Link::open(self.way.dial().await?).await,
            }
        };
        let opened = smol::block_on(within(limit, open));
        let link = opened.ok_or(IppFault::TooSlow(limit))??;
        link.upload(&self.place, question)
    }

    /// Takes back the connection of an upload that has its answer.
    pub(super) fn take_back(&mut self, link: Link) {
        self.link = Some(link);
    }

    /// Whether a second connection can be made beside an open one.
    pub(super) fn has_many_connections(&self) -> bool {
        matches!(self.way, Way::Network { .. })
    }

    /// Nothing more to ask for a while.
    pub(super) fn rest(&mut self) {
        if self.has_many_connections() {
            self.link = None;
        }
    }
}

/// The answer, unless it says no.
pub(super) fn granted(operation: Operation, answer: Message) -> Result<Message, IppFault> {
    let status = answer.status();
    if status.is_successful() {
        Ok(answer)
    } else {
        Err(IppFault::Refused { operation, status })
    }
}
