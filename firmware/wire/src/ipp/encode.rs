// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Encoder for RFC 8010 messages. It writes what it is given or refuses it; nothing is cut to fit.
//! Collections are walked with a list of what is left to write, not with the call stack.

use thiserror::Error;

use super::attribute::Attribute;
use super::message::Message;
use super::tag::{GroupTag, ValueTag};
use super::value::Value;

/// A message made here that can't be put on the wire. Always a bug of the caller, since everything
/// that came from outside has passed limits before it gets into an answer.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum EncodeError {
    /// An attribute or member has no name, or one longer than 255 octets.
    #[error("attribute name of {length} octets")]
    Name {
        /// Its length.
        length: usize,
    },
    /// An attribute without a value.
    #[error("attribute {attribute} has no value")]
    NoValues {
        /// Its name.
        attribute: String,
    },
    /// A keyword, URI, charset, language or media type that is empty.
    #[error("attribute {attribute} has an empty value")]
    Empty {
        /// The name of the attribute or member.
        attribute: String,
    },
    /// A value longer than its syntax allows (RFC 8011 §5.1).
    #[error("attribute {attribute} has a value longer than {max} octets")]
    TooLong {
        /// The name of the attribute or member.
        attribute: String,
        /// Octets allowed.
        max: usize,
    },
}

/// What is left to write of an attribute, the next thing last.
enum Left<'a> {
    /// A value; `name` is empty but for the first value of an attribute outside collections.
    Value {
        name: &'a str,
        of: &'a str,
        value: &'a Value,
    },
    /// A member of a collection with all its values.
    Member(&'a Attribute),
    /// The end of a collection.
    End,
}

impl Message {
    /// The octets from the version to the end-of-attributes tag; document data goes behind them.
    ///
    /// # Errors
    /// [`EncodeError`], when an attribute breaks the rules of its syntax.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::with_capacity(4096);
        out.extend([self.header.version.major, self.header.version.minor]);
        out.extend(self.header.code.to_be_bytes());
        out.extend(self.header.request_id.to_be_bytes());
        for group in &self.groups {
            out.push(group.tag.octet());
            for attribute in &group.attributes {
                write_attribute(&mut out, attribute)?;
            }
        }
        out.push(GroupTag::END);
        Ok(out)
    }
}

fn write_attribute(out: &mut Vec<u8>, attribute: &Attribute) -> Result<(), EncodeError> {
    let mut left = Vec::new();
    push_values(&mut left, attribute, &attribute.name)?;
    while let Some(next) = left.pop() {
        match next {
            Left::End => write_item(out, ValueTag::END_COLLECTION, "", |_| {}),
            Left::Member(member) => {
                let name = member.name.as_bytes();
                write_item(out, ValueTag::MEMBER_NAME, "", |out| out.extend(name));
                push_values(&mut left, member, "")?;
            }
            Left::Value { name, of, value } => {
                check_value(of, value)?;
                write_item(out, value.tag(), name, |out| value.write(out));
                if let Value::Collection(collection) = value {
                    left.push(Left::End);
                    left.extend(collection.members.iter().rev().map(Left::Member));
                }
            }
        }
    }
    Ok(())
}

/// Puts the values of an attribute or member on the list, the first one last.
fn push_values<'a>(
    left: &mut Vec<Left<'a>>,
    attribute: &'a Attribute,
    first_name: &'a str,
) -> Result<(), EncodeError> {
    let of = attribute.name.as_str();
    if of.is_empty() || of.len() > 255 {
        return Err(EncodeError::Name { length: of.len() });
    }
    let Some((first, others)) = attribute.values.split_first() else {
        return Err(EncodeError::NoValues {
            attribute: attribute.name.clone(),
        });
    };
    left.extend(others.iter().rev().map(|value| Left::Value {
        name: "",
        of,
        value,
    }));
    left.push(Left::Value {
        name: first_name,
        of,
        value: first,
    });
    Ok(())
}

fn check_value(of: &str, value: &Value) -> Result<(), EncodeError> {
    let over_long = match value {
        Value::Other { octets, .. } if octets.len() > 0x7fff => Some(0x7fff),
        other => other.over_long(),
    };
    if let Some(max) = over_long {
        return Err(EncodeError::TooLong {
            attribute: of.to_owned(),
            max,
        });
    }
    match value {
        Value::Keyword(s)
        | Value::Uri(s)
        | Value::UriScheme(s)
        | Value::Charset(s)
        | Value::NaturalLanguage(s)
        | Value::MimeMediaType(s)
            if s.is_empty() =>
        {
            Err(EncodeError::Empty {
                attribute: of.to_owned(),
            })
        }
        _ => Ok(()),
    }
}

/// Tag, counted name, counted value. The length of the value is set when it has been written.
fn write_item(out: &mut Vec<u8>, tag: ValueTag, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    let count = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    out.push(tag.octet());
    out.extend(count(name.len()));
    out.extend(name.as_bytes());
    let at = out.len();
    out.extend([0, 0]);
    value(out);
    let length = count(out.len() - at - 2);
    if let Some(place) = out.get_mut(at..at + 2) {
        place.copy_from_slice(&length);
    }
}
