// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attribute values: one variant for each syntax of RFC 8011 §5.1, octets as in RFC 8010 §3.9.

use super::attribute::Collection;
use super::date::DateTime;
use super::fault::Fault;
use super::limits::syntax_max;
use super::tag::ValueTag;
use super::text::Text;

/// One value of an attribute.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Out of band: the attribute is not supported.
    Unsupported,
    /// Out of band: the value is not known.
    Unknown,
    /// Out of band: there is no value.
    NoValue,
    /// Out of band: can't be set (RFC 3380).
    NotSettable,
    /// Out of band: take the attribute away (RFC 3380).
    DeleteAttribute,
    /// Out of band: an administrator must set it (RFC 3380).
    AdminDefine,
    /// `integer`
    Integer(i32),
    /// `boolean`
    Boolean(bool),
    /// `enum`
    Enum(i32),
    /// `octetString`
    OctetString(Vec<u8>),
    /// `dateTime`
    DateTime(DateTime),
    /// `resolution`
    Resolution(Resolution),
    /// `rangeOfInteger`, lower and upper bound. The order of the two is not checked here.
    Range(i32, i32),
    /// `collection`
    Collection(Collection),
    /// `textWithLanguage`
    TextWithLanguage(LocalText),
    /// `nameWithLanguage`
    NameWithLanguage(LocalText),
    /// `textWithoutLanguage`
    Text(Text),
    /// `nameWithoutLanguage`
    Name(Text),
    /// `keyword`
    Keyword(String),
    /// `uri`
    Uri(String),
    /// `uriScheme`
    UriScheme(String),
    /// `charset`
    Charset(String),
    /// `naturalLanguage`
    NaturalLanguage(String),
    /// `mimeMediaType`
    MimeMediaType(String),
    /// A syntax that is not known here, or octets that are wrong for the syntax that their tag
    /// says; then the message has a [`Fault`] for it.
    Other {
        /// The tag as it came.
        tag: ValueTag,
        /// The octets as they came.
        octets: Vec<u8>,
    },
}

/// Text in a language that differs from the message's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalText {
    /// Language tag, such as `zh-cn`.
    pub language: String,
    /// The text.
    pub text: Text,
}

/// A resolution across and along the feed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Resolution {
    /// Dots across the feed direction, per unit.
    pub cross_feed: i32,
    /// Dots along the feed direction, per unit.
    pub feed: i32,
    /// The unit.
    pub units: ResolutionUnits,
}

/// Unit of a [`Resolution`] (RFC 8011 §5.1.16).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum ResolutionUnits {
    /// Dots per inch.
    DotsPerInch = 3,
    /// Dots per centimetre.
    DotsPerCentimetre = 4,
}

impl Value {
    /// The tag on the wire.
    #[must_use]
    pub fn tag(&self) -> ValueTag {
        match self {
            Self::Unsupported => ValueTag::UNSUPPORTED,
            Self::Unknown => ValueTag::UNKNOWN,
            Self::NoValue => ValueTag::NO_VALUE,
            Self::NotSettable => ValueTag::NOT_SETTABLE,
            Self::DeleteAttribute => ValueTag::DELETE_ATTRIBUTE,
            Self::AdminDefine => ValueTag::ADMIN_DEFINE,
            Self::Integer(_) => ValueTag::INTEGER,
            Self::Boolean(_) => ValueTag::BOOLEAN,
            Self::Enum(_) => ValueTag::ENUM,
            Self::OctetString(_) => ValueTag::OCTET_STRING,
            Self::DateTime(_) => ValueTag::DATE_TIME,
            Self::Resolution(_) => ValueTag::RESOLUTION,
            Self::Range(..) => ValueTag::RANGE,
            Self::Collection(_) => ValueTag::BEGIN_COLLECTION,
            Self::TextWithLanguage(_) => ValueTag::TEXT_WITH_LANGUAGE,
            Self::NameWithLanguage(_) => ValueTag::NAME_WITH_LANGUAGE,
            Self::Text(_) => ValueTag::TEXT,
            Self::Name(_) => ValueTag::NAME,
            Self::Keyword(_) => ValueTag::KEYWORD,
            Self::Uri(_) => ValueTag::URI,
            Self::UriScheme(_) => ValueTag::URI_SCHEME,
            Self::Charset(_) => ValueTag::CHARSET,
            Self::NaturalLanguage(_) => ValueTag::NATURAL_LANGUAGE,
            Self::MimeMediaType(_) => ValueTag::MIME_MEDIA_TYPE,
            Self::Other { tag, .. } => *tag,
        }
    }

    /// Reads the octets of a value that is no collection. Wrong octets give [`Value::Other`] and a
    /// fault; too many octets give the value and a fault.
    pub(super) fn read(tag: ValueTag, octets: &[u8]) -> (Self, Option<Fault>) {
        match Self::parse(tag, octets) {
            Some(value) => {
                let fault = value.over_long().map(|max| Fault::ValueTooLong { max });
                (value, fault)
            }
            None => {
                let other = Self::Other {
                    tag,
                    octets: octets.to_vec(),
                };
                (other, Some(Fault::ValueSyntax { tag: tag.octet() }))
            }
        }
    }

    fn parse(tag: ValueTag, octets: &[u8]) -> Option<Self> {
        Some(match tag {
            ValueTag::UNSUPPORTED => empty(octets, Self::Unsupported)?,
            ValueTag::UNKNOWN => empty(octets, Self::Unknown)?,
            ValueTag::NO_VALUE => empty(octets, Self::NoValue)?,
            ValueTag::NOT_SETTABLE => empty(octets, Self::NotSettable)?,
            ValueTag::DELETE_ATTRIBUTE => empty(octets, Self::DeleteAttribute)?,
            ValueTag::ADMIN_DEFINE => empty(octets, Self::AdminDefine)?,
            ValueTag::INTEGER => Self::Integer(i32::from_be_bytes(octets.try_into().ok()?)),
            ValueTag::ENUM => Self::Enum(i32::from_be_bytes(octets.try_into().ok()?)),
            ValueTag::BOOLEAN => match octets {
                [0] => Self::Boolean(false),
                [1] => Self::Boolean(true),
                _ => return None,
            },
            ValueTag::OCTET_STRING => Self::OctetString(octets.to_vec()),
            ValueTag::DATE_TIME => Self::DateTime(DateTime::from_octets(octets.try_into().ok()?)?),
            ValueTag::RESOLUTION => Self::Resolution(resolution(octets)?),
            ValueTag::RANGE => {
                let (lower, rest) = integer(octets)?;
                Self::Range(lower, i32::from_be_bytes(rest.try_into().ok()?))
            }
            ValueTag::TEXT_WITH_LANGUAGE => Self::TextWithLanguage(local_text(octets)?),
            ValueTag::NAME_WITH_LANGUAGE => Self::NameWithLanguage(local_text(octets)?),
            ValueTag::TEXT => Self::Text(Text::from_bytes(octets)),
            ValueTag::NAME => Self::Name(Text::from_bytes(octets)),
            ValueTag::KEYWORD => Self::Keyword(ascii(octets)?),
            ValueTag::URI => Self::Uri(uri(octets)?),
            ValueTag::URI_SCHEME => Self::UriScheme(ascii(octets)?),
            ValueTag::CHARSET => Self::Charset(ascii(octets)?),
            ValueTag::NATURAL_LANGUAGE => Self::NaturalLanguage(ascii(octets)?),
            ValueTag::MIME_MEDIA_TYPE => Self::MimeMediaType(ascii(octets)?),
            _ => Self::Other {
                tag,
                octets: octets.to_vec(),
            },
        })
    }

    /// The syntax's limit, if the value is longer.
    pub(super) fn over_long(&self) -> Option<usize> {
        let length = match self {
            Self::OctetString(octets) => octets.len(),
            Self::Text(text) | Self::Name(text) => text.as_bytes().len(),
            Self::TextWithLanguage(local) | Self::NameWithLanguage(local) => {
                let language_max = syntax_max(ValueTag::NATURAL_LANGUAGE)?;
                if local.language.len() > language_max {
                    return Some(language_max);
                }
                local.text.as_bytes().len()
            }
            Self::Keyword(s)
            | Self::Uri(s)
            | Self::UriScheme(s)
            | Self::Charset(s)
            | Self::NaturalLanguage(s)
            | Self::MimeMediaType(s) => s.len(),
            _ => return None,
        };
        syntax_max(self.tag()).filter(|max| length > *max)
    }

    /// Appends the octets of a value that is no collection; a collection has none of its own.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(n) | Self::Enum(n) => out.extend(n.to_be_bytes()),
            Self::Boolean(flag) => out.push(u8::from(*flag)),
            Self::OctetString(octets) | Self::Other { octets, .. } => out.extend(octets),
            Self::DateTime(date) => out.extend(date.octets()),
            Self::Resolution(Resolution {
                cross_feed,
                feed,
                units,
            }) => {
                out.extend(cross_feed.to_be_bytes());
                out.extend(feed.to_be_bytes());
                out.push(match units {
                    ResolutionUnits::DotsPerInch => 3,
                    ResolutionUnits::DotsPerCentimetre => 4,
                });
            }
            Self::Range(lower, upper) => {
                out.extend(lower.to_be_bytes());
                out.extend(upper.to_be_bytes());
            }
            Self::TextWithLanguage(local) | Self::NameWithLanguage(local) => {
                counted(out, local.language.as_bytes());
                counted(out, local.text.as_bytes());
            }
            Self::Text(text) | Self::Name(text) => out.extend(text.as_bytes()),
            Self::Keyword(s)
            | Self::Uri(s)
            | Self::UriScheme(s)
            | Self::Charset(s)
            | Self::NaturalLanguage(s)
            | Self::MimeMediaType(s) => out.extend(s.as_bytes()),
            Self::Unsupported
            | Self::Unknown
            | Self::NoValue
            | Self::NotSettable
            | Self::DeleteAttribute
            | Self::AdminDefine
            | Self::Collection(_) => {}
        }
    }
}

/// Appends a two-octet length and the octets. The encoder has refused longer ones by their syntax.
fn counted(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend(
        u16::try_from(octets.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes(),
    );
    out.extend(octets);
}

fn empty(octets: &[u8], value: Value) -> Option<Value> {
    octets.is_empty().then_some(value)
}

fn integer(octets: &[u8]) -> Option<(i32, &[u8])> {
    let (number, rest) = octets.split_first_chunk::<4>()?;
    Some((i32::from_be_bytes(*number), rest))
}

fn resolution(octets: &[u8]) -> Option<Resolution> {
    let (cross_feed, rest) = integer(octets)?;
    let (feed, rest) = integer(rest)?;
    let units = match rest {
        [3] => ResolutionUnits::DotsPerInch,
        [4] => ResolutionUnits::DotsPerCentimetre,
        _ => return None,
    };
    Some(Resolution {
        cross_feed,
        feed,
        units,
    })
}

/// Two counted strings that must fill the value exactly.
fn local_text(octets: &[u8]) -> Option<LocalText> {
    let (language, rest) = split_counted(octets)?;
    let (text, rest) = split_counted(rest)?;
    let language = ascii(language)?;
    rest.is_empty().then(|| LocalText {
        language,
        text: Text::from_bytes(text),
    })
}

fn split_counted(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = octets.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Keywords and their like: visible US-ASCII and blanks, not empty. An empty keyword makes strict
/// clients refuse a whole answer.
fn ascii(octets: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?;
    let fits = !text.is_empty() && octets.iter().all(|octet| (0x20..0x7f).contains(octet));
    fits.then(|| text.to_owned())
}

/// URIs: not empty, no control characters; UTF-8 is let through, since clients forget to escape it.
fn uri(octets: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned())
}
