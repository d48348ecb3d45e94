// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whole messages without their document data (RFC 8010 §3.1), requests and answers alike.

use std::fmt;

use super::attribute::{Attribute, Group};
use super::fault::ValueFault;
use super::operation::Operation;
use super::status::Status;
use super::tag::GroupTag;
use super::text::Text;

/// `version-number`
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Version {
    /// 1 or 2 in use.
    pub major: u8,
    /// 0 to 2 in use.
    pub minor: u8,
}

impl Version {
    /// IPP/1.1 (RFC 8011).
    pub const V1_1: Self = Self { major: 1, minor: 1 };
    /// IPP/2.0 (PWG 5100.12).
    pub const V2_0: Self = Self { major: 2, minor: 0 };

    /// The version to answer with (RFC 8011 §4.1.8): the asked one where its major number is
    /// supported, else the nearest.
    #[must_use]
    pub fn for_reply(self) -> Self {
        match self.major {
            0 => Self::V1_1,
            1 | 2 => self,
            _ => Self::V2_0,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The first eight octets of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// `version-number`
    pub version: Version,
    /// `operation-id` of a request, `status-code` of an answer.
    pub code: u16,
    /// `request-id`, as it came; [`super::check()`] refuses those outside 1 to 2³¹-1.
    pub request_id: u32,
}

impl Header {
    /// Reads the eight octets: major, minor, code, request id, big endian.
    #[must_use]
    pub fn from_octets(octets: [u8; 8]) -> Self {
        let [major, minor, code_high, code_low, id @ ..] = octets;
        Self {
            version: Version { major, minor },
            code: u16::from_be_bytes([code_high, code_low]),
            request_id: u32::from_be_bytes(id),
        }
    }

    /// The code as an operation.
    #[must_use]
    pub fn operation(&self) -> Operation {
        Operation(self.code)
    }

    /// The code as a status.
    #[must_use]
    pub fn status(&self) -> Status {
        Status(self.code)
    }
}

/// A request or an answer: header and groups.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Message {
    /// Version, operation or status, request id.
    pub header: Header,
    /// Groups in the order on the wire.
    pub groups: Vec<Group>,
    /// Wrong or over-long values the decoder met, the first [`Message::FAULTS_KEPT`] of them;
    /// always empty in a message made here.
    pub faults: Vec<ValueFault>,
}

impl Message {
    /// How many value faults a decoded message tells of.
    pub const FAULTS_KEPT: usize = 16;

    /// An IPP/2.0 request with charset `utf-8` and language `en` in its operation group.
    #[must_use]
    pub fn request(operation: Operation, request_id: u32) -> Self {
        Self::begun(Header {
            version: Version::V2_0,
            code: operation.0,
            request_id,
        })
    }

    /// The answer to `request`.
    #[must_use]
    pub fn reply(request: &Self, status: Status) -> Self {
        Self::reply_to(Some(request.header), status)
    }

    /// The answer to a message of which perhaps not even the header came; then version 1.1 and
    /// request id 1 stand in.
    #[must_use]
    pub fn reply_to(header: Option<Header>, status: Status) -> Self {
        let (version, request_id) = header.map_or((Version::V1_1, 1), |header| {
            (header.version.for_reply(), header.request_id)
        });
        Self::begun(Header {
            version,
            code: status.0,
            request_id,
        })
    }

    fn begun(header: Header) -> Self {
        let mut operation = Group::new(GroupTag::OPERATION);
        operation
            .push(Attribute::charset("attributes-charset", "utf-8"))
            .push(Attribute::natural_language(
                "attributes-natural-language",
                "en",
            ));
        Self {
            header,
            groups: vec![operation],
            faults: Vec::new(),
        }
    }

    /// The operation of a request.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.header.operation()
    }

    /// The status of an answer.
    #[must_use]
    pub fn status(&self) -> Status {
        self.header.status()
    }

    /// The first group of that kind.
    #[must_use]
    pub fn group(&self, tag: GroupTag) -> Option<&Group> {
        self.groups_of(tag).next()
    }

    /// All groups of that kind: Get-Jobs answers with one for each job.
    pub fn groups_of(&self, tag: GroupTag) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(move |group| group.tag == tag)
    }

    /// The first group of that kind, made at the end if there is none.
    pub fn group_mut(&mut self, tag: GroupTag) -> &mut Group {
        if self.group(tag).is_none() {
            self.groups.push(Group::new(tag));
        }
        let place = self.groups.iter_mut().find(|group| group.tag == tag);
        place.expect("it was there or has just been put there")
    }

    /// A new group at the end.
    pub fn add_group(&mut self, tag: GroupTag) -> &mut Group {
        self.groups.push_mut(Group::new(tag))
    }

    /// The first attribute of that name in the first group of that kind.
    #[must_use]
    pub fn first(&self, tag: GroupTag, name: &str) -> Option<&Attribute> {
        self.group(tag)?.get(name)
    }

    /// A single `integer`.
    #[must_use]
    pub fn integer(&self, tag: GroupTag, name: &str) -> Option<i32> {
        self.first(tag, name)?.as_integer()
    }

    /// A single `enum`.
    #[must_use]
    pub fn enumeration(&self, tag: GroupTag, name: &str) -> Option<i32> {
        self.first(tag, name)?.as_enum()
    }

    /// A single `boolean`.
    #[must_use]
    pub fn boolean(&self, tag: GroupTag, name: &str) -> Option<bool> {
        self.first(tag, name)?.as_boolean()
    }

    /// A single `keyword`.
    #[must_use]
    pub fn keyword(&self, tag: GroupTag, name: &str) -> Option<&str> {
        self.first(tag, name)?.as_keyword()
    }

    /// A single `name`.
    #[must_use]
    pub fn name(&self, tag: GroupTag, name: &str) -> Option<&Text> {
        self.first(tag, name)?.as_name()
    }

    /// A single `uri`.
    #[must_use]
    pub fn uri(&self, tag: GroupTag, name: &str) -> Option<&str> {
        self.first(tag, name)?.as_uri()
    }

    /// A single `mimeMediaType`.
    #[must_use]
    pub fn mime_media_type(&self, tag: GroupTag, name: &str) -> Option<&str> {
        self.first(tag, name)?.as_mime_media_type()
    }
}
