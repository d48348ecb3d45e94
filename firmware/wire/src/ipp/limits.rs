// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How much a message may hold. Everything before the document data has a bound, so that a decoder
//! costs a bounded amount of memory whatever is sent.

use super::tag::ValueTag;

/// Bounds of one message. At each of them the decoder refuses the message, except for the lengths
/// of values by their syntax ([`syntax_max`]), which leave the message readable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Octets before the document data, header and end tag included.
    pub head_bytes: usize,
    /// Attribute groups.
    pub groups: usize,
    /// Attributes in one group, without the members of collections.
    pub group_attributes: usize,
    /// Attributes in all groups, with the members of collections.
    pub attributes: usize,
    /// Values of one attribute.
    pub attribute_values: usize,
    /// Values in all, those in collections included.
    pub values: usize,
    /// Collections inside each other.
    pub depth: usize,
    /// Members of one collection.
    pub members: usize,
    /// Octets of an attribute's name: names are keywords (RFC 8011 §5.1.4).
    pub name_bytes: usize,
}

impl Limits {
    /// For requests: more than ten times the largest seen from clients (a few kilobytes), and at
    /// most about 2 MiB of memory for a message of the worst shape.
    pub const REQUEST: Self = Self {
        head_bytes: 256 * 1024,
        groups: 64,
        group_attributes: 512,
        attributes: 4096,
        attribute_values: 1024,
        values: 8192,
        depth: 8,
        members: 128,
        name_bytes: 255,
    };

    /// For answers of printers: a `media-col-database` holds hundreds of collections, Get-Jobs one
    /// group for each job.
    pub const RESPONSE: Self = Self {
        head_bytes: 2 * 1024 * 1024,
        groups: 4096,
        group_attributes: 1024,
        attributes: 65_536,
        attribute_values: 4096,
        values: 131_072,
        ..Self::REQUEST
    };
}

/// Longest value of each syntax that has one (RFC 8011 §5.1), in octets.
pub const SYNTAX_MAX: [(ValueTag, usize); 11] = [
    (ValueTag::OCTET_STRING, 1023),
    (ValueTag::TEXT, 1023),
    (ValueTag::NAME, 255),
    (ValueTag::KEYWORD, 255),
    (ValueTag::URI, 1023),
    (ValueTag::URI_SCHEME, 63),
    (ValueTag::CHARSET, 63),
    (ValueTag::NATURAL_LANGUAGE, 63),
    (ValueTag::MIME_MEDIA_TYPE, 255),
    // The lengths of the text itself; the language has its own.
    (ValueTag::TEXT_WITH_LANGUAGE, 1023),
    (ValueTag::NAME_WITH_LANGUAGE, 255),
];

/// Longest value of a syntax, in octets; `None` where the syntax sets none.
#[must_use]
pub fn syntax_max(tag: ValueTag) -> Option<usize> {
    SYNTAX_MAX
        .iter()
        .find(|(of, _)| *of == tag)
        .map(|(_, max)| *max)
}
