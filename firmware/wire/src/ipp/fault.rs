// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can be wrong with a message, whose fault it is, and the one table of status codes for it.

use thiserror::Error;

use super::message::{Header, Version};
use super::status::Status;
use super::tag::GroupTag;

/// Something wrong with a message.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// The input ended before the end-of-attributes tag.
    #[error("message ends before its end-of-attributes tag")]
    Truncated,
    /// A length with its sign bit set (RFC 8010 §3.2: SIGNED-SHORT).
    #[error("length 0x{length:04x} is negative")]
    NegativeLength {
        /// The two octets.
        length: u16,
    },
    /// A delimiter tag that is reserved.
    #[error("delimiter tag 0x{tag:02x} is reserved")]
    ReservedDelimiter {
        /// The octet.
        tag: u8,
    },
    /// An attribute before the first group.
    #[error("attribute before the first group")]
    OutsideGroup,
    /// A value without a name where no attribute has begun.
    #[error("additional value without an attribute")]
    ValueWithoutAttribute,
    /// An attribute's name is not visible US-ASCII.
    #[error("attribute name is not a keyword")]
    NameSyntax,
    /// An attribute's name is too long.
    #[error("attribute name is longer than {max} octets")]
    NameTooLong {
        /// [`super::Limits::name_bytes`].
        max: usize,
    },
    /// A member name or the end of a collection outside a collection.
    #[error("tag 0x{tag:02x} outside a collection")]
    OutsideCollection {
        /// The octet.
        tag: u8,
    },
    /// An item in a collection has a name of its own, or a tag of the collection's frame a value.
    #[error("item in a collection is framed wrongly")]
    CollectionFraming,
    /// A value in a collection before the first member's name.
    #[error("value in a collection without a member name")]
    MemberWithoutName,
    /// A member's name without a value.
    #[error("member of a collection without a value")]
    MemberWithoutValue,
    /// A group or the message ends inside a collection.
    #[error("collection is not ended")]
    CollectionNotEnded,
    /// More octets before the document data than allowed.
    #[error("more than {max} octets of attributes")]
    HeadTooLarge {
        /// [`super::Limits::head_bytes`].
        max: usize,
    },
    /// More groups than allowed.
    #[error("more than {max} groups")]
    TooManyGroups {
        /// [`super::Limits::groups`].
        max: usize,
    },
    /// More attributes than allowed in the message, a group or a collection.
    #[error("more than {max} attributes")]
    TooManyAttributes {
        /// The limit that was met.
        max: usize,
    },
    /// More values than allowed in the message or an attribute.
    #[error("more than {max} values")]
    TooManyValues {
        /// The limit that was met.
        max: usize,
    },
    /// Collections nested deeper than allowed.
    #[error("collections nested more than {max} deep")]
    TooDeep {
        /// [`super::Limits::depth`].
        max: usize,
    },
    /// The decoder was given more after it was done or had failed.
    #[error("decoder used after its end")]
    AfterEnd,
    /// A value's octets are wrong for its tag.
    #[error("value is wrong for its tag 0x{tag:02x}")]
    ValueSyntax {
        /// The tag's octet.
        tag: u8,
    },
    /// A value is longer than its syntax allows.
    #[error("value is longer than {max} octets")]
    ValueTooLong {
        /// Length allowed by RFC 8011 §5.1.
        max: usize,
    },
    /// A version whose major number is neither 1 nor 2.
    #[error("version {version} is not supported")]
    VersionNotSupported {
        /// The version asked for.
        version: Version,
    },
    /// The request id is not positive.
    #[error("request-id is outside 1 to 2147483647")]
    RequestId,
    /// The first group is not that of operation attributes, or there is a second one.
    #[error("operation attributes are missing, late or doubled")]
    OperationGroup,
    /// `attributes-charset` is not the first attribute, or no single charset.
    #[error("attributes-charset is not the first attribute")]
    CharsetNotFirst,
    /// `attributes-natural-language` is not the second attribute, or no single language.
    #[error("attributes-natural-language is not the second attribute")]
    LanguageNotSecond,
    /// A charset other than `utf-8` and its subset `us-ascii`.
    #[error("charset is not supported")]
    CharsetNotSupported,
    /// The operation's target is missing or of a wrong syntax.
    #[error("target of the operation is missing")]
    TargetMissing,
    /// An attribute stands twice in a group.
    #[error("attribute stands twice in its group")]
    Doubled,
}

/// Whose fault something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blame {
    /// The sender broke the protocol.
    ClientMisbehaved,
    /// The sender asked for something allowed that is more or other than is done here.
    ClientUnsupported,
    /// Code here is wrong.
    Bug,
}

impl Fault {
    /// The status to answer with. The one table for all of the codec.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::Truncated
            | Self::NegativeLength { .. }
            | Self::ReservedDelimiter { .. }
            | Self::OutsideGroup
            | Self::ValueWithoutAttribute
            | Self::NameSyntax
            | Self::NameTooLong { .. }
            | Self::OutsideCollection { .. }
            | Self::CollectionFraming
            | Self::MemberWithoutName
            | Self::MemberWithoutValue
            | Self::CollectionNotEnded
            | Self::ValueSyntax { .. }
            | Self::RequestId
            | Self::OperationGroup
            | Self::CharsetNotFirst
            | Self::LanguageNotSecond
            | Self::TargetMissing
            | Self::Doubled => Status::BAD_REQUEST,
            Self::HeadTooLarge { .. }
            | Self::TooManyGroups { .. }
            | Self::TooManyAttributes { .. }
            | Self::TooManyValues { .. }
            | Self::TooDeep { .. } => Status::REQUEST_ENTITY_TOO_LARGE,
            Self::ValueTooLong { .. } => Status::REQUEST_VALUE_TOO_LONG,
            Self::VersionNotSupported { .. } => Status::VERSION_NOT_SUPPORTED,
            Self::CharsetNotSupported => Status::CHARSET_NOT_SUPPORTED,
            Self::AfterEnd => Status::INTERNAL_ERROR,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub fn blame(self) -> Blame {
        match self.status() {
            Status::BAD_REQUEST | Status::REQUEST_VALUE_TOO_LONG => Blame::ClientMisbehaved,
            Status::INTERNAL_ERROR => Blame::Bug,
            _ => Blame::ClientUnsupported,
        }
    }
}

/// A message that could not be decoded.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("IPP message refused")]
pub struct DecodeError {
    /// What is wrong.
    #[source]
    pub fault: Fault,
    /// Version, operation and request id, if they came before the fault: enough to answer with.
    pub header: Option<Header>,
}

/// A value that is wrong or too long in a message that is otherwise readable.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("attribute {attribute} in {group}")]
pub struct ValueFault {
    /// The group.
    pub group: GroupTag,
    /// The attribute; for a value in a collection the attribute that holds the collection.
    pub attribute: String,
    /// What is wrong.
    #[source]
    pub fault: Fault,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_has_its_status_and_its_blame() {
        use Blame::{Bug, ClientMisbehaved, ClientUnsupported};
        let version = Version { major: 3, minor: 0 };
        let rows = [
            (Fault::Truncated, 0x0400, ClientMisbehaved),
            (
                Fault::NegativeLength { length: 0x8000 },
                0x0400,
                ClientMisbehaved,
            ),
            (
                Fault::ReservedDelimiter { tag: 0 },
                0x0400,
                ClientMisbehaved,
            ),
            (Fault::OutsideGroup, 0x0400, ClientMisbehaved),
            (Fault::ValueWithoutAttribute, 0x0400, ClientMisbehaved),
            (Fault::NameSyntax, 0x0400, ClientMisbehaved),
            (Fault::NameTooLong { max: 255 }, 0x0400, ClientMisbehaved),
            (
                Fault::OutsideCollection { tag: 0x37 },
                0x0400,
                ClientMisbehaved,
            ),
            (Fault::CollectionFraming, 0x0400, ClientMisbehaved),
            (Fault::MemberWithoutName, 0x0400, ClientMisbehaved),
            (Fault::MemberWithoutValue, 0x0400, ClientMisbehaved),
            (Fault::CollectionNotEnded, 0x0400, ClientMisbehaved),
            (Fault::HeadTooLarge { max: 1 }, 0x0408, ClientUnsupported),
            (Fault::TooManyGroups { max: 1 }, 0x0408, ClientUnsupported),
            (
                Fault::TooManyAttributes { max: 1 },
                0x0408,
                ClientUnsupported,
            ),
            (Fault::TooManyValues { max: 1 }, 0x0408, ClientUnsupported),
            (Fault::TooDeep { max: 8 }, 0x0408, ClientUnsupported),
            (Fault::AfterEnd, 0x0500, Bug),
            (Fault::ValueSyntax { tag: 0x21 }, 0x0400, ClientMisbehaved),
            (Fault::ValueTooLong { max: 255 }, 0x0409, ClientMisbehaved),
            (
                Fault::VersionNotSupported { version },
                0x0503,
                ClientUnsupported,
            ),
            (Fault::RequestId, 0x0400, ClientMisbehaved),
            (Fault::OperationGroup, 0x0400, ClientMisbehaved),
            (Fault::CharsetNotFirst, 0x0400, ClientMisbehaved),
            (Fault::LanguageNotSecond, 0x0400, ClientMisbehaved),
            (Fault::CharsetNotSupported, 0x040d, ClientUnsupported),
            (Fault::TargetMissing, 0x0400, ClientMisbehaved),
            (Fault::Doubled, 0x0400, ClientMisbehaved),
        ];
        for (fault, status, blame) in rows {
            assert_eq!(fault.status(), Status(status), "{fault}");
            assert_eq!(fault.blame(), blame, "{fault}");
        }
    }
}
