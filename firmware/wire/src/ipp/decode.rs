// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Push decoder for RFC 8010 messages. It is given a body piece by piece as it streams in, takes
//! the attributes and not one octet of the document data behind them. Each octet is looked at once.

use super::assembly::Assembly;
use super::fault::{DecodeError, Fault};
use super::limits::Limits;
use super::message::{Header, Message};
use super::tag::{GroupTag, ValueTag};

/// The field that is being read.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Header,
    Tag,
    NameLength,
    Name,
    ValueLength,
    Value,
    Ended,
}

/// What a push came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Progress {
    /// All of the piece was taken; the message goes on.
    NeedMore,
    /// The message is whole.
    Done {
        /// The message.
        message: Message,
        /// Octets of this piece that belong to it; the rest of the piece is document data.
        consumed: usize,
    },
}

/// Decodes one message.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    stage: Stage,
    /// Length of the field that is being read.
    need: usize,
    /// What of it has come.
    field: Vec<u8>,
    /// Octets of fields before it.
    taken: usize,
    tag: ValueTag,
    name: Vec<u8>,
    header: Option<Header>,
    assembly: Assembly,
}

impl Decoder {
    /// A decoder for one message.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            stage: Stage::Header,
            need: 8,
            field: Vec::new(),
            taken: 0,
            tag: ValueTag::NO_VALUE,
            name: Vec::new(),
            header: None,
            assembly: Assembly::default(),
        }
    }

    /// Takes the next piece of the body, of any length.
    ///
    /// # Errors
    /// The first fault that makes the rest unreadable or meets a limit. After that, and after
    /// [`Progress::Done`], every push is a [`Fault::AfterEnd`].
    pub fn push(&mut self, piece: &[u8]) -> Result<Progress, DecodeError> {
        let mut rest = piece;
        loop {
            let missing = self.need - self.field.len();
            let (now, later) = rest.split_at(missing.min(rest.len()));
            self.field.extend_from_slice(now);
            rest = later;
            if now.len() < missing {
                return Ok(Progress::NeedMore);
            }
            match self.step() {
                Ok(None) => {}
                Ok(Some(message)) => {
                    return Ok(Progress::Done {
                        message,
                        consumed: piece.len() - rest.len(),
                    });
                }
                Err(fault) => return Err(self.fail(fault)),
            }
        }
    }

    /// The header, once it has come.
    #[must_use]
    pub fn header(&self) -> Option<Header> {
        self.header
    }

    /// The error for a body that ended before the message did.
    #[must_use]
    pub fn truncated(&self) -> DecodeError {
        DecodeError {
            fault: Fault::Truncated,
            header: self.header,
        }
    }

    fn fail(&mut self, fault: Fault) -> DecodeError {
        self.end();
        DecodeError {
            fault,
            header: self.header,
        }
    }

    /// Forgets everything but the header; a next push fails at once.
    fn end(&mut self) {
        self.stage = Stage::Ended;
        self.need = 0;
        self.field = Vec::new();
        self.name = Vec::new();
        self.assembly = Assembly::default();
    }

    /// The field is whole: acts on it and says what comes next.
    fn step(&mut self) -> Result<Option<Message>, Fault> {
        self.taken += self.need;
        let field = std::mem::take(&mut self.field);
        let (stage, need) = match self.stage {
            Stage::Header => {
                let octets = <[u8; 8]>::try_from(field.as_slice()).map_err(|_| Fault::AfterEnd)?;
                self.header = Some(Header::from_octets(octets));
                (Stage::Tag, 1)
            }
            Stage::Tag => match self.tag_read(field.first().copied().unwrap_or_default())? {
                Some(message) => return Ok(Some(message)),
                None => return Ok(self.recycle(field)),
            },
            Stage::NameLength => (Stage::Name, self.name_length(&field)?),
            Stage::Name => {
                self.name.clear();
                self.name.extend_from_slice(&field);
                (Stage::ValueLength, 2)
            }
            Stage::ValueLength => (Stage::Value, length(&field)?),
            Stage::Value => {
                self.assembly
                    .item(self.tag, &self.name, &field, &self.limits)?;
                (Stage::Tag, 1)
            }
            Stage::Ended => return Err(Fault::AfterEnd),
        };
        self.expect(stage, need)?;
        Ok(self.recycle(field))
    }

    /// Keeps the field's memory for the next field.
    fn recycle(&mut self, mut field: Vec<u8>) -> Option<Message> {
        field.clear();
        self.field = field;
        None
    }

    /// Sets the next field. One that would go past the limit is refused before any of it comes.
    fn expect(&mut self, stage: Stage, need: usize) -> Result<(), Fault> {
        if need > self.limits.head_bytes.saturating_sub(self.taken) {
            return Err(Fault::HeadTooLarge {
                max: self.limits.head_bytes,
            });
        }
        (self.stage, self.need) = (stage, need);
        Ok(())
    }

    fn tag_read(&mut self, octet: u8) -> Result<Option<Message>, Fault> {
        if octet == GroupTag::END {
            let (groups, faults) = self.assembly.finish()?;
            let header = self.header.ok_or(Fault::AfterEnd)?;
            self.end();
            return Ok(Some(Message {
                header,
                groups,
                faults,
            }));
        }
        if let Some(tag) = ValueTag::from_octet(octet) {
            self.tag = tag;
            self.expect(Stage::NameLength, 2)?;
        } else {
            let group =
                GroupTag::from_octet(octet).ok_or(Fault::ReservedDelimiter { tag: octet })?;
            self.assembly.begin_group(group, &self.limits)?;
            self.expect(Stage::Tag, 1)?;
        }
        Ok(None)
    }

    fn name_length(&self, field: &[u8]) -> Result<usize, Fault> {
        let length = length(field)?;
        if length > self.limits.name_bytes {
            return Err(Fault::NameTooLong {
                max: self.limits.name_bytes,
            });
        }
        Ok(length)
    }
}

/// A SIGNED-SHORT that must not be negative.
fn length(field: &[u8]) -> Result<usize, Fault> {
    let length = u16::from_be_bytes(field.try_into().map_err(|_| Fault::AfterEnd)?);
    if length > 0x7fff {
        return Err(Fault::NegativeLength { length });
    }
    Ok(usize::from(length))
}

/// Decodes a message that is whole in memory; gives it and what follows it.
///
/// # Errors
/// As [`Decoder::push`], and [`Fault::Truncated`].
pub fn decode(octets: &[u8], limits: Limits) -> Result<(Message, &[u8]), DecodeError> {
    let mut decoder = Decoder::new(limits);
    match decoder.push(octets)? {
        Progress::NeedMore => Err(decoder.truncated()),
        Progress::Done { message, consumed } => {
            Ok((message, octets.get(consumed..).unwrap_or_default()))
        }
    }
}
