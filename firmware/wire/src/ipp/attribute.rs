// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attributes, their groups and collections, and the getters that read them. How they are made
//! stands in `build.rs`.

use super::tag::GroupTag;
use super::text::Text;
use super::value::{Resolution, Value};

/// A named attribute with its values, in the order on the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// At least one value; an out-of-band value stands alone.
    pub values: Vec<Value>,
}

/// The members of a `collection` value.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Collection {
    /// Members in the order on the wire.
    pub members: Vec<Attribute>,
}

/// A group of attributes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// Which group.
    pub tag: GroupTag,
    /// Attributes in the order on the wire.
    pub attributes: Vec<Attribute>,
}

impl Attribute {
    /// The value, if there is exactly one.
    #[must_use]
    pub fn single(&self) -> Option<&Value> {
        match self.values.as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }

    /// The one `integer`.
    #[must_use]
    pub fn as_integer(&self) -> Option<i32> {
        match self.single()? {
            Value::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The one `enum`.
    #[must_use]
    pub fn as_enum(&self) -> Option<i32> {
        match self.single()? {
            Value::Enum(number) => Some(*number),
            _ => None,
        }
    }

    /// The one `boolean`.
    #[must_use]
    pub fn as_boolean(&self) -> Option<bool> {
        match self.single()? {
            Value::Boolean(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The one `keyword`.
    #[must_use]
    pub fn as_keyword(&self) -> Option<&str> {
        match self.single()? {
            Value::Keyword(word) => Some(word),
            _ => None,
        }
    }

    /// The one `keyword`, or a `name` that is UTF-8: attributes such as `media` or
    /// `job-hold-until` take both.
    #[must_use]
    pub fn as_keyword_or_name(&self) -> Option<&str> {
        self.as_keyword().or_else(|| self.as_name()?.as_str())
    }

    /// The one `name`, with or without language.
    #[must_use]
    pub fn as_name(&self) -> Option<&Text> {
        match self.single()? {
            Value::Name(text) => Some(text),
            Value::NameWithLanguage(local) => Some(&local.text),
            _ => None,
        }
    }

    /// The one `text`, with or without language.
    #[must_use]
    pub fn as_text(&self) -> Option<&Text> {
        match self.single()? {
            Value::Text(text) => Some(text),
            Value::TextWithLanguage(local) => Some(&local.text),
            _ => None,
        }
    }

    /// The one `uri`.
    #[must_use]
    pub fn as_uri(&self) -> Option<&str> {
        match self.single()? {
            Value::Uri(uri) => Some(uri),
            _ => None,
        }
    }

    /// The one `charset`.
    #[must_use]
    pub fn as_charset(&self) -> Option<&str> {
        match self.single()? {
            Value::Charset(charset) => Some(charset),
            _ => None,
        }
    }

    /// The one `naturalLanguage`.
    #[must_use]
    pub fn as_natural_language(&self) -> Option<&str> {
        match self.single()? {
            Value::NaturalLanguage(language) => Some(language),
            _ => None,
        }
    }

    /// The one `mimeMediaType`.
    #[must_use]
    pub fn as_mime_media_type(&self) -> Option<&str> {
        match self.single()? {
            Value::MimeMediaType(media_type) => Some(media_type),
            _ => None,
        }
    }

    /// The one `resolution`.
    #[must_use]
    pub fn as_resolution(&self) -> Option<Resolution> {
        match self.single()? {
            Value::Resolution(resolution) => Some(*resolution),
            _ => None,
        }
    }

    /// The one `collection`.
    #[must_use]
    pub fn as_collection(&self) -> Option<&Collection> {
        match self.single()? {
            Value::Collection(collection) => Some(collection),
            _ => None,
        }
    }

    /// Those of the values that are keywords.
    pub fn iter_keywords(&self) -> impl Iterator<Item = &str> {
        self.values.iter().filter_map(|value| match value {
            Value::Keyword(word) => Some(word.as_str()),
            _ => None,
        })
    }

    /// Those of the values that are enums.
    pub fn iter_enums(&self) -> impl Iterator<Item = i32> {
        self.values.iter().filter_map(|value| match value {
            Value::Enum(number) => Some(*number),
            _ => None,
        })
    }

    /// Those of the values that are media types.
    pub fn iter_mime_media_types(&self) -> impl Iterator<Item = &str> {
        self.values.iter().filter_map(|value| match value {
            Value::MimeMediaType(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Those of the values that are ranges; an `integer` counts as the range of itself.
    pub fn iter_ranges(&self) -> impl Iterator<Item = (i32, i32)> {
        self.values.iter().filter_map(|value| match value {
            Value::Range(lower, upper) => Some((*lower, *upper)),
            Value::Integer(number) => Some((*number, *number)),
            _ => None,
        })
    }
}

impl Collection {
    /// The first member of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.members.iter().find(|member| member.name == name)
    }
}

impl Group {
    /// An empty group.
    #[must_use]
    pub fn new(tag: GroupTag) -> Self {
        Self {
            tag,
            attributes: Vec::new(),
        }
    }

    /// The first attribute of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.attributes
            .iter()
            .find(|attribute| attribute.name == name)
    }

    /// Puts an attribute at the end.
    pub fn push(&mut self, attribute: Attribute) -> &mut Self {
        self.attributes.push(attribute);
        self
    }
}
