// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cross-check with another implementation, the `ipp` crate: what is written here it reads with the
//! same meaning, and what it writes again is read here with the same meaning. Its collections are
//! sorted maps, so members are compared by name.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use ipp::parser::IppParser;
use ipp::reader::IppReader;
use ipp::value::IppValue;
use platen_wire::ipp::{
    Attribute, Collection, Group, GroupTag, Limits, LocalText, Message, Resolution,
    ResolutionUnits, Text, Value, ValueTag, decode,
};
use proptest::prelude::*;

mod messages;

fn text(text: &str) -> Text {
    Text::from(text)
}

/// A value of the foreign crate as ours.
fn value(foreign: &IppValue) -> Value {
    match foreign {
        IppValue::Integer(number) => Value::Integer(*number),
        IppValue::Enum(number) => Value::Enum(*number),
        IppValue::Boolean(flag) => Value::Boolean(*flag),
        IppValue::OctetString(octets) => Value::OctetString(octets.to_vec()),
        IppValue::TextWithoutLanguage(plain) => Value::Text(text(plain.as_ref())),
        IppValue::NameWithoutLanguage(plain) => Value::Name(text(plain.as_str())),
        IppValue::TextWithLanguage {
            language,
            text: plain,
        } => {
            let language = language.as_str().to_owned();
            Value::TextWithLanguage(LocalText {
                language,
                text: text(plain.as_ref()),
            })
        }
        IppValue::NameWithLanguage { language, name } => {
            let language = language.as_str().to_owned();
            Value::NameWithLanguage(LocalText {
                language,
                text: text(name.as_str()),
            })
        }
        IppValue::Charset(word) => Value::Charset(word.as_str().to_owned()),
        IppValue::NaturalLanguage(word) => Value::NaturalLanguage(word.as_str().to_owned()),
        IppValue::Uri(uri) => Value::Uri(uri.as_str().to_owned()),
        IppValue::UriScheme(word) => Value::UriScheme(word.as_str().to_owned()),
        IppValue::Keyword(word) => Value::Keyword(word.as_str().to_owned()),
        IppValue::MimeMediaType(word) => Value::MimeMediaType(word.as_str().to_owned()),
        IppValue::RangeOfInteger { min, max } => Value::Range(*min, *max),
        IppValue::Resolution {
            cross_feed,
            feed,
            units,
        } => Value::Resolution(Resolution {
            cross_feed: *cross_feed,
            feed: *feed,
            units: match units {
                3 => ResolutionUnits::DotsPerInch,
                _ => ResolutionUnits::DotsPerCentimetre,
            },
        }),
        IppValue::DateTime(date) => {
            let octets = date.to_bytes().as_ref().try_into().unwrap();
            Value::DateTime(platen_wire::ipp::DateTime::from_octets(octets).unwrap())
        }
        IppValue::NoValue => Value::NoValue,
        IppValue::Other { tag: 0x10, .. } => Value::Unsupported,
        IppValue::Other { tag: 0x12, .. } => Value::Unknown,
        IppValue::Collection(members) => {
            let member = |(name, value): (&_, &_)| attribute(AsRef::<str>::as_ref(name), value);
            Value::Collection(Collection::new(members.iter().map(member)))
        }
        IppValue::NonUtf8 { tag, data } => Value::Other {
            tag: ValueTag::from_octet(*tag as u8).unwrap(),
            octets: data.to_vec(),
        },
        other => panic!("{other:?}"),
    }
}

fn attribute(name: &str, foreign: &IppValue) -> Attribute {
    match foreign {
        IppValue::Array(values) => Attribute::with_values(name, values.iter().map(value)),
        one => Attribute::new(name, value(one)),
    }
}

/// The groups that the foreign crate reads, and the octets that it writes for them.
fn through_foreign(octets: &[u8]) -> (Vec<Group>, Vec<u8>) {
    let request = IppParser::new(IppReader::new(std::io::Cursor::new(octets.to_vec())));
    let request = request.parse().expect("the foreign crate reads it");
    let group = |group: &ipp::attribute::IppAttributeGroup| Group {
        tag: GroupTag::from_octet(group.tag() as u8).unwrap(),
        attributes: group
            .attributes()
            .iter()
            .map(|one| attribute(one.name().as_str(), one.value()))
            .collect(),
    };
    let groups = request.attributes().groups().iter().map(group).collect();
    (groups, request.to_bytes().to_vec())
}

/// The same groups with the members of every collection in the order of their names.
fn sorted(mut groups: Vec<Group>) -> Vec<Group> {
    fn sort(attributes: &mut [Attribute]) {
        for value in attributes
            .iter_mut()
            .flat_map(|attribute| &mut attribute.values)
        {
            if let Value::Collection(collection) = value {
                collection.members.sort_by(|a, b| a.name.cmp(&b.name));
                sort(&mut collection.members);
            }
        }
    }
    for group in &mut groups {
        sort(&mut group.attributes);
    }
    groups
}

/// The foreign crate writes all values of an attribute with the tag of the first.
fn one_syntax(attribute: &Attribute) -> bool {
    attribute
        .values
        .windows(2)
        .all(|pair| pair[0].tag() == pair[1].tag())
}

fn agrees(message: &Message) {
    let (groups, octets) = through_foreign(&message.encode().unwrap());
    let ours = sorted(message.groups.clone());
    assert_eq!(sorted(groups), ours);
    if !ours
        .iter()
        .flat_map(|group| &group.attributes)
        .all(one_syntax)
    {
        return;
    }
    let (again, rest) = decode(&octets, Limits::REQUEST).unwrap();
    assert_eq!(rest, b"");
    assert_eq!(sorted(again.groups), ours);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn another_implementation_reads_and_writes_the_same(message in messages::message()) {
        agrees(&message);
    }
}

#[test]
fn where_the_other_implementation_drops_values_ours_keeps_them() {
    let mut message = Message::request(platen_wire::ipp::Operation::PRINT_JOB, 1);
    let members = [Attribute::integers("a", [1, 2]), Attribute::integer("b", 3)];
    message
        .group_mut(GroupTag::JOB)
        .push(Attribute::collection("c", members));
    let octets = message.encode().unwrap();
    let (ours, _) = decode(&octets, Limits::REQUEST).unwrap();
    assert_eq!(ours, message);
    let (theirs, _) = through_foreign(&octets);
    assert_ne!(theirs, message.groups);
}
