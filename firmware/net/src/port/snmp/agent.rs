// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One printer's SNMP agent, asked over UDP within a limit. Blocking, on the printer's own thread.
//!
//! Version 2c is tried first, version 1 when nobody answers: what the printer understood is
//! remembered. A wrong community is answered with silence, as is no agent at all.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use platen_wire::printer_mib::{Depth, Interview, PrinterFacts};
use platen_wire::snmp::{MESSAGE_OCTETS_MAX, Message, Pdu, PduKind, Version};
use smol::{Async, Timer};

use crate::port::PortUri;
use crate::port::tcp::resolve;

/// How long one datagram's answer may take before the question is sent again.
const TRY_LIMIT: Duration = Duration::from_millis(400);
/// Datagrams that are looked at for one answer: a flood of others is not waited out.
const DATAGRAMS_MAX: usize = 64;

/// A printer's agent. No `Debug`: the community is a password of a kind.
pub(super) struct Agent {
    /// The printer's host with the agent's port.
    uri: PortUri,
    community: Vec<u8>,
    version: Option<Version>,
    silent: bool,
}

impl Agent {
    /// The agent at `port` of the printer's host. Nothing is sent yet.
    pub(super) fn new(printer: &PortUri, port: u16, community: &str) -> Self {
        Self {
            uri: PortUri {
                port,
                ..printer.clone()
            },
            community: community.as_bytes().to_vec(),
            version: None,
            silent: false,
        }
    }

    /// Whether it did not answer when it was last asked.
    pub(super) fn is_silent(&self) -> bool {
        self.silent
    }

    /// Asks, and gives what was told within `limit` (and a look-up of the host's name); `None` when
    /// nothing was.
    pub(super) fn ask(&mut self, depth: Depth, limit: Duration) -> Option<PrinterFacts> {
        let told = match resolve(&self.uri) {
            Ok(addresses) => self.ask_any(&addresses, depth, limit),
            Err(_) => None,
        };
        self.silent = told.is_none();
        told
    }

    fn ask_any(
        &mut self,
        addresses: &[SocketAddr],
        depth: Depth,
        limit: Duration,
    ) -> Option<PrinterFacts> {
        let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let each = limit / count;
        let mut addresses = addresses.iter();
        addresses.find_map(|address| {
            let socket = connect(*address).ok()?;
            let version = self.version.unwrap_or(Version::V2c);
            let mut interview = Interview::new(version, depth);
            let mut answers = 0;
            smol::block_on(smol::future::or(
                self.converse(&socket, &mut interview, &mut answers),
                async {
                    Timer::after(each).await;
                },
            ));
            (answers > 0).then(|| interview.into_facts())
        })
    }

    async fn converse(
        &mut self,
        socket: &Async<UdpSocket>,
        interview: &mut Interview,
        answers: &mut usize,
    ) {
        while let Some(mut question) = interview.request(0) {
            let tries = match self.version {
                Some(version) => [version; 4],
                None => [Version::V2c, Version::V1, Version::V2c, Version::V1],
            };
            let Some(answer) = self.exchange(socket, &tries, &mut question).await else {
                return;
            };
            self.version = Some(answer.version);
            interview.speak(answer.version);
            interview.answer(&answer.pdu);
            *answers += 1;
        }
    }

    /// Sends the question once for each of `tries`, until one is answered.
    async fn exchange(
        &self,
        socket: &Async<UdpSocket>,
        tries: &[Version],
        question: &mut Pdu,
    ) -> Option<Message> {
        let mut asked = Vec::new();
        for version in tries {
            question.request_id = request_id();
            let message = Message {
                version: *version,
                community: self.community.clone(),
                pdu: question.clone(),
            };
            asked.push((*version, question.request_id));
            // Where nobody listens the kernel says so at the second use of the socket.
            socket.send(&message.encode()).await.ok()?;
            let patience = async {
                Timer::after(TRY_LIMIT).await;
                Ok(None)
            };
            let answer = smol::future::or(hear(socket, &asked), patience).await;
            if let Some(answer) = answer.ok()? {
                return Some(answer);
            }
        }
        None
    }
}

/// Waits for an answer to one of the questions asked: a late one counts too.
async fn hear(socket: &Async<UdpSocket>, asked: &[(Version, i32)]) -> io::Result<Option<Message>> {
    let mut datagram = vec![0; MESSAGE_OCTETS_MAX + 1];
    for _ in 0..DATAGRAMS_MAX {
        let length = socket.recv(&mut datagram).await?;
        let Ok(message) = Message::decode(datagram.get(..length).unwrap_or_default()) else {
            continue;
        };
        let known = asked.contains(&(message.version, message.pdu.request_id));
        if known && message.pdu.kind == PduKind::Response {
            return Ok(Some(message));
        }
    }
    Ok(None)
}

/// A socket that hears `address` alone.
fn connect(address: SocketAddr) -> io::Result<Async<UdpSocket>> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    Async::new(socket)
}

/// A number that nobody off the way can guess, positive as other managers have it.
fn request_id() -> i32 {
    let random = RandomState::new().build_hasher().finish();
    i32::try_from(random >> 33).unwrap_or(1)
}
