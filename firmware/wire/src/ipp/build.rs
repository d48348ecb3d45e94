// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Constructors of attributes: one line for each attribute of an answer. Nothing is cut to fit;
//! a value too long for its syntax, or a list without values, is refused by the encoder.

use super::attribute::{Attribute, Collection};
use super::date::DateTime;
use super::text::Text;
use super::value::{Resolution, ResolutionUnits, Value};

impl Attribute {
    /// An attribute with one value.
    #[must_use]
    pub fn new(name: &str, value: Value) -> Self {
        Self::with_values(name, [value])
    }

    /// An attribute with any values; the encoder refuses it when there are none.
    #[must_use]
    pub fn with_values(name: &str, values: impl IntoIterator<Item = Value>) -> Self {
        Self {
            name: name.to_owned(),
            values: values.into_iter().collect(),
        }
    }

    /// One `integer`.
    #[must_use]
    pub fn integer(name: &str, number: i32) -> Self {
        Self::new(name, Value::Integer(number))
    }

    /// A `1setOf integer`.
    #[must_use]
    pub fn integers(name: &str, numbers: impl IntoIterator<Item = i32>) -> Self {
        Self::with_values(name, numbers.into_iter().map(Value::Integer))
    }

    /// One `enum`.
    #[must_use]
    pub fn enumeration(name: &str, number: i32) -> Self {
        Self::new(name, Value::Enum(number))
    }

    /// A `1setOf enum`.
    #[must_use]
    pub fn enumerations(name: &str, numbers: impl IntoIterator<Item = i32>) -> Self {
        Self::with_values(name, numbers.into_iter().map(Value::Enum))
    }

    /// One `boolean`.
    #[must_use]
    pub fn boolean(name: &str, flag: bool) -> Self {
        Self::new(name, Value::Boolean(flag))
    }

    /// One `octetString`.
    #[must_use]
    pub fn octets(name: &str, octets: impl Into<Vec<u8>>) -> Self {
        Self::new(name, Value::OctetString(octets.into()))
    }

    /// One `dateTime`.
    #[must_use]
    pub fn date_time(name: &str, date: DateTime) -> Self {
        Self::new(name, Value::DateTime(date))
    }

    /// One `rangeOfInteger`.
    #[must_use]
    pub fn range(name: &str, lower: i32, upper: i32) -> Self {
        Self::new(name, Value::Range(lower, upper))
    }

    /// One `resolution` in dots per inch, the same in both directions.
    #[must_use]
    pub fn resolution(name: &str, dpi: i32) -> Self {
        Self::resolutions(name, [dpi])
    }

    /// A `1setOf resolution` in dots per inch, each the same in both directions.
    #[must_use]
    pub fn resolutions(name: &str, dpi: impl IntoIterator<Item = i32>) -> Self {
        Self::with_values(
            name,
            dpi.into_iter().map(|dpi| {
                Value::Resolution(Resolution {
                    cross_feed: dpi,
                    feed: dpi,
                    units: ResolutionUnits::DotsPerInch,
                })
            }),
        )
    }

    /// One `collection`.
    #[must_use]
    pub fn collection(name: &str, members: impl IntoIterator<Item = Self>) -> Self {
        Self::new(name, Value::Collection(Collection::new(members)))
    }

    /// A `1setOf collection`.
    #[must_use]
    pub fn collections(name: &str, of: impl IntoIterator<Item = Collection>) -> Self {
        Self::with_values(name, of.into_iter().map(Value::Collection))
    }

    /// One `textWithoutLanguage`.
    #[must_use]
    pub fn text(name: &str, text: impl Into<Text>) -> Self {
        Self::new(name, Value::Text(text.into()))
    }

    /// A `1setOf textWithoutLanguage`.
    #[must_use]
    pub fn texts<T: Into<Text>>(name: &str, texts: impl IntoIterator<Item = T>) -> Self {
        Self::with_values(name, texts.into_iter().map(|text| Value::Text(text.into())))
    }

    /// One `nameWithoutLanguage`.
    #[must_use]
    pub fn name(name: &str, text: impl Into<Text>) -> Self {
        Self::new(name, Value::Name(text.into()))
    }

    /// A `1setOf nameWithoutLanguage`.
    #[must_use]
    pub fn names<T: Into<Text>>(name: &str, texts: impl IntoIterator<Item = T>) -> Self {
        Self::with_values(name, texts.into_iter().map(|text| Value::Name(text.into())))
    }

    /// The value is not known.
    #[must_use]
    pub fn unknown(name: &str) -> Self {
        Self::new(name, Value::Unknown)
    }

    /// There is no value.
    #[must_use]
    pub fn no_value(name: &str) -> Self {
        Self::new(name, Value::NoValue)
    }

    /// The attribute is not supported: for the `unsupported-attributes` group.
    #[must_use]
    pub fn unsupported(name: &str) -> Self {
        Self::new(name, Value::Unsupported)
    }
}

/// A constructor for one and a constructor for many values of a syntax that is a string.
macro_rules! string_syntax {
    ($one:ident, $many:ident, $variant:ident, $syntax:literal) => {
        impl Attribute {
            #[doc = concat!("One `", $syntax, "`.")]
            #[must_use]
            pub fn $one(name: &str, value: impl Into<String>) -> Self {
                Self::new(name, Value::$variant(value.into()))
            }

            #[doc = concat!("A `1setOf ", $syntax, "`.")]
            #[must_use]
            pub fn $many<S: AsRef<str>>(name: &str, values: impl IntoIterator<Item = S>) -> Self {
                let value = |value: S| Value::$variant(value.as_ref().to_owned());
                Self::with_values(name, values.into_iter().map(value))
            }
        }
    };
}

string_syntax!(keyword, keywords, Keyword, "keyword");
string_syntax!(uri, uris, Uri, "uri");
string_syntax!(uri_scheme, uri_schemes, UriScheme, "uriScheme");
string_syntax!(charset, charsets, Charset, "charset");
string_syntax!(
    natural_language,
    natural_languages,
    NaturalLanguage,
    "naturalLanguage"
);
string_syntax!(
    mime_media_type,
    mime_media_types,
    MimeMediaType,
    "mimeMediaType"
);

impl Collection {
    /// A collection of `members`.
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = Attribute>) -> Self {
        Self {
            members: members.into_iter().collect(),
        }
    }
}
