// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tag octets of RFC 8010 §3.5: which group begins, which syntax a value has.

use std::fmt;

/// A delimiter tag that begins an attribute group (RFC 8010 §3.5.1), 0x01 to 0x0F without 0x03.
/// Numbers that are not in the registry are kept, so that a group we don't know can be skipped.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct GroupTag(pub(super) u8);

impl GroupTag {
    /// `operation-attributes-tag`
    pub const OPERATION: Self = Self(0x01);
    /// `job-attributes-tag`
    pub const JOB: Self = Self(0x02);
    /// `printer-attributes-tag`
    pub const PRINTER: Self = Self(0x04);
    /// `unsupported-attributes-tag`
    pub const UNSUPPORTED: Self = Self(0x05);
    /// `subscription-attributes-tag` (RFC 3995)
    pub const SUBSCRIPTION: Self = Self(0x06);
    /// `event-notification-attributes-tag` (RFC 3995)
    pub const EVENT_NOTIFICATION: Self = Self(0x07);
    /// `resource-attributes-tag` (PWG 5100.22)
    pub const RESOURCE: Self = Self(0x08);
    /// `document-attributes-tag` (PWG 5100.5)
    pub const DOCUMENT: Self = Self(0x09);
    /// `system-attributes-tag` (PWG 5100.22)
    pub const SYSTEM: Self = Self(0x0A);

    /// Octet that ends all groups; what follows is document data.
    pub(super) const END: u8 = 0x03;

    /// The group that `octet` begins; `None` for 0x00 (reserved), 0x03 (the end) and value tags.
    #[must_use]
    pub fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            0x00 | Self::END | 0x10.. => None,
            _ => Some(Self(octet)),
        }
    }

    /// The octet on the wire.
    #[must_use]
    pub fn octet(self) -> u8 {
        self.0
    }
}

impl fmt::Debug for GroupTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for GroupTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::OPERATION => "operation-attributes-tag",
            Self::JOB => "job-attributes-tag",
            Self::PRINTER => "printer-attributes-tag",
            Self::UNSUPPORTED => "unsupported-attributes-tag",
            Self::SUBSCRIPTION => "subscription-attributes-tag",
            Self::EVENT_NOTIFICATION => "event-notification-attributes-tag",
            Self::RESOURCE => "resource-attributes-tag",
            Self::DOCUMENT => "document-attributes-tag",
            Self::SYSTEM => "system-attributes-tag",
            Self(octet) => return write!(f, "group 0x{octet:02x}"),
        })
    }
}

/// A value tag (RFC 8010 §3.5.2), 0x10 to 0xFF: the syntax of the value that follows.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ValueTag(pub(super) u8);

#[allow(missing_docs, reason = "the names are those of the registry")]
impl ValueTag {
    pub const UNSUPPORTED: Self = Self(0x10);
    pub const UNKNOWN: Self = Self(0x12);
    pub const NO_VALUE: Self = Self(0x13);
    pub const NOT_SETTABLE: Self = Self(0x15);
    pub const DELETE_ATTRIBUTE: Self = Self(0x16);
    pub const ADMIN_DEFINE: Self = Self(0x17);
    pub const INTEGER: Self = Self(0x21);
    pub const BOOLEAN: Self = Self(0x22);
    pub const ENUM: Self = Self(0x23);
    pub const OCTET_STRING: Self = Self(0x30);
    pub const DATE_TIME: Self = Self(0x31);
    pub const RESOLUTION: Self = Self(0x32);
    pub const RANGE: Self = Self(0x33);
    pub const BEGIN_COLLECTION: Self = Self(0x34);
    pub const TEXT_WITH_LANGUAGE: Self = Self(0x35);
    pub const NAME_WITH_LANGUAGE: Self = Self(0x36);
    pub const END_COLLECTION: Self = Self(0x37);
    pub const TEXT: Self = Self(0x41);
    pub const NAME: Self = Self(0x42);
    pub const KEYWORD: Self = Self(0x44);
    pub const URI: Self = Self(0x45);
    pub const URI_SCHEME: Self = Self(0x46);
    pub const CHARSET: Self = Self(0x47);
    pub const NATURAL_LANGUAGE: Self = Self(0x48);
    pub const MIME_MEDIA_TYPE: Self = Self(0x49);
    pub const MEMBER_NAME: Self = Self(0x4A);

    /// The tag for `octet`; `None` below 0x10, where the delimiters are.
    #[must_use]
    pub fn from_octet(octet: u8) -> Option<Self> {
        (octet >= 0x10).then_some(Self(octet))
    }

    /// The octet on the wire.
    #[must_use]
    pub fn octet(self) -> u8 {
        self.0
    }
}
