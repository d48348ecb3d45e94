// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One IPP request being answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Buf;
use platen_model::{Job, JobNumber, PrinterName};
use platen_net::BodyReader;
use platen_wire::ipp::{
    Attribute, Decoder, Fault, GroupTag, Header, Limits, Message, Operation, Progress, Status,
    Target as IppTarget, Text, check,
};

use super::refusal::Refusal;
use crate::node::Node;
use crate::release::Target;

/// What a refused client may still send before its connection is closed. Clients read the answer
/// only after the last byte of their document, so a refusal that closes earlier is not seen.
const DISCARD_OCTETS: u64 = 64 << 20;
const DISCARD_LIMIT: Duration = Duration::from_secs(10);
/// Name of a job's owner where the client gives none (RFC 8011 §9.3 leaves it to the printer).
const ANONYMOUS: &str = "anonymous";

/// Which queue a request came to.
pub(crate) enum Queue {
    /// The proxy queue: jobs wait for their owners.
    Proxy,
    /// A target printer's push queue: jobs print at once.
    Push(Arc<Target>),
}

impl Queue {
    /// The queue's path.
    pub(super) fn path(&self) -> String {
        match self {
            Self::Proxy => crate::intake::PROXY_PATH.to_owned(),
            Self::Push(target) => format!("{}{}", crate::intake::PUSH_PREFIX, target.config.name),
        }
    }

    /// The push queue's printer, as jobs record it.
    pub(super) fn target(&self) -> Option<PrinterName> {
        match self {
            Self::Proxy => None,
            Self::Push(target) => Some(PrinterName(target.config.name.clone())),
        }
    }
}

/// How a request came in.
pub(crate) struct Door {
    pub(crate) queue: Queue,
    /// `host:port` as the client calls the box.
    pub(crate) authority: String,
    /// Whether it came over TLS.
    pub(crate) secure: bool,
}

impl Door {
    /// `ipp://host:port/ipp/print`, with the scheme the client used.
    pub(super) fn printer_uri(&self) -> String {
        self.uri(if self.secure { "ipps" } else { "ipp" })
    }

    pub(super) fn uri(&self, scheme: &str) -> String {
        format!("{scheme}://{}{}", self.authority, self.queue.path())
    }
}

/// The attributes of a request, and its body behind them.
pub(super) struct Head {
    pub(super) message: Message,
    /// Document bytes that came in one piece with the attributes.
    rest: Bytes,
    body: BodyReader,
}

impl Head {
    /// Reads up to the end of the attributes.
    pub(super) async fn read(mut body: BodyReader) -> Result<Self, (Refusal, Option<Header>)> {
        let mut decoder = Decoder::new(Limits::REQUEST);
        loop {
            let piece = body
                .next()
                .await
                .map_err(|error| (error.into(), decoder.header()))?;
            let Some(mut piece) = piece else {
                let error = decoder.truncated();
                return Err(((&error).into(), error.header));
            };
            match decoder.push(&piece) {
                Ok(Progress::NeedMore) => {}
                Ok(Progress::Done { message, consumed }) => {
                    piece.advance(consumed);
                    return Ok(Self {
                        message,
                        rest: piece,
                        body,
                    });
                }
                Err(error) => return Err(((&error).into(), error.header)),
            }
        }
    }
}

/// One request, checked, on its way to an answer.
pub(super) struct Exchange<'a> {
    pub(super) node: &'a Arc<Node>,
    pub(super) door: Door,
    pub(super) message: Message,
    job: Option<JobNumber>,
    rest: Bytes,
    body: BodyReader,
}

impl<'a> Exchange<'a> {
    /// Holds the rules that every request must keep.
    pub(super) fn new(node: &'a Arc<Node>, door: Door, head: Head) -> Result<Self, Fault> {
        let Head {
            message,
            rest,
            body,
        } = head;
        let job = match check(&message)? {
            IppTarget::Printer(_) => None,
            IppTarget::JobOf { id, .. } => u32::try_from(id).ok(),
            IppTarget::Job(uri) => uri.rsplit('/').next().and_then(|last| last.parse().ok()),
        };
        Ok(Self {
            node,
            door,
            message,
            job: job.map(JobNumber),
            rest,
            body,
        })
    }

    /// The next piece of document data.
    pub(super) async fn document(&mut self) -> Result<Option<Bytes>, Refusal> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        Ok(self.body.next().await?)
    }

    /// Lets a refused client finish a small body. `true` when all of it was read.
    pub(super) async fn discard_rest(&mut self) -> bool {
        let read = async {
            let mut octets = 0_u64;
            while octets < DISCARD_OCTETS {
                match self.body.next().await {
                    Ok(Some(piece)) => octets += piece.len() as u64,
                    Ok(None) => return true,
                    Err(_) => return false,
                }
            }
            false
        };
        let limit = async {
            smol::Timer::after(DISCARD_LIMIT).await;
            false
        };
        smol::future::or(read, limit).await
    }

    /// A reply with this status.
    pub(super) fn reply(&self, status: Status) -> Message {
        Message::reply(&self.message, status)
    }

    /// An operation attribute.
    pub(super) fn operation(&self, name: &str) -> Option<&Attribute> {
        self.message.first(GroupTag::OPERATION, name)
    }

    /// Who asks, as the client says.
    pub(super) fn user(&self) -> String {
        let name = self
            .operation("requesting-user-name")
            .and_then(Attribute::as_name);
        match name.map(Text::to_lossy) {
            Some(name) if !name.trim().is_empty() => name.into_owned(),
            _ => ANONYMOUS.to_owned(),
        }
    }

    /// The job that the request is about, if it is of this queue.
    pub(super) fn job(&self) -> Result<Job, Refusal> {
        let number = self.job.ok_or_else(Refusal::no_job)?;
        let job = self.node.spool.job(number)?.ok_or_else(Refusal::no_job)?;
        if job.target == self.door.queue.target() {
            Ok(job)
        } else {
            Err(Refusal::no_job())
        }
    }

    /// As [`Exchange::job`], but only for the job's owner, as far as a claimed name can tell.
    pub(super) fn own_job(&self) -> Result<Job, Refusal> {
        let job = self.job()?;
        if self.is_owner(&job) {
            return Ok(job);
        }
        Err(Refusal::new(
            Status::NOT_AUTHORIZED,
            "Only the job's owner may do this.",
        ))
    }

    /// Whether the requesting user is the job's owner, as far as a claimed name can tell.
    pub(super) fn is_owner(&self, job: &Job) -> bool {
        self.node.keys.owner_key(&self.user()) == job.owner.key
    }

    /// `requested-attributes`, or what the operation returns without it.
    pub(super) fn wanted(&self) -> Wanted {
        match self.operation("requested-attributes") {
            Some(attribute) => {
                Wanted::Named(attribute.iter_keywords().map(str::to_owned).collect())
            }
            None if self.message.operation() == Operation::GET_JOBS => {
                Wanted::Named(vec!["job-id".to_owned(), "job-uri".to_owned()])
            }
            None => Wanted::All,
        }
    }
}

/// Which attributes an answer has.
pub(super) enum Wanted {
    /// Everything but what must be asked for by name.
    All,
    /// These attributes and attribute groups.
    Named(Vec<String>),
}

impl Wanted {
    /// Whether `name`, of the attribute group `group`, is wanted.
    pub(super) fn has(&self, name: &str, group: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names
                .iter()
                .any(|wanted| wanted == name || wanted == group || wanted == "all"),
        }
    }

    /// Whether `name` itself is asked for: some attributes are too large to come with `all`.
    pub(super) fn has_by_name(&self, name: &str) -> bool {
        matches!(self, Self::Named(names) if names.iter().any(|wanted| wanted == name))
    }
}
