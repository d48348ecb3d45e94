// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages of any shape that the codec must carry, for property tests. Names differ within their
//! group or collection; collections have members and each member one value, since not every peer
//! keeps more.

use platen_wire::ipp::{
    Attribute, Collection, DateTime, Group, GroupTag, LocalText, Message, Operation, Resolution,
    ResolutionUnits, Text, Value,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn ascii(lengths: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = String> {
    vec(prop::char::range('a', 'z'), lengths).prop_map(String::from_iter)
}

fn text() -> impl Strategy<Value = Text> {
    vec(any::<char>(), 0..40).prop_map(|chars| Text::from(String::from_iter(chars)))
}

fn local() -> impl Strategy<Value = LocalText> {
    (ascii(2..=8), text()).prop_map(|(language, text)| LocalText { language, text })
}

fn simple() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Unsupported),
        Just(Value::Unknown),
        Just(Value::NoValue),
        any::<i32>().prop_map(Value::Integer),
        any::<bool>().prop_map(Value::Boolean),
        any::<i32>().prop_map(Value::Enum),
        vec(any::<u8>(), 0..100).prop_map(Value::OctetString),
        any::<u64>().prop_map(|ms| Value::DateTime(DateTime::from_unix_ms(ms))),
        (any::<i32>(), any::<i32>()).prop_map(|(cross_feed, feed)| {
            let units = ResolutionUnits::DotsPerInch;
            Value::Resolution(Resolution {
                cross_feed,
                feed,
                units,
            })
        }),
        (any::<i32>(), any::<i32>()).prop_map(|(lower, upper)| Value::Range(lower, upper)),
        local().prop_map(Value::TextWithLanguage),
        local().prop_map(Value::NameWithLanguage),
        text().prop_map(Value::Text),
        text().prop_map(Value::Name),
        ascii(1..=60).prop_map(Value::Keyword),
        ascii(1..=60).prop_map(Value::Uri),
        ascii(1..=20).prop_map(Value::UriScheme),
        ascii(1..=20).prop_map(Value::Charset),
        ascii(1..=20).prop_map(Value::NaturalLanguage),
        ascii(1..=60).prop_map(Value::MimeMediaType),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    simple().prop_recursive(3, 12, 4, |inner| {
        vec((ascii(1..=10), inner), 1..5).prop_map(|members| {
            let named = |(number, (name, value)): (usize, (String, Value))| {
                Attribute::new(&format!("{name}{number}"), value)
            };
            Value::Collection(Collection::new(members.into_iter().enumerate().map(named)))
        })
    })
}

fn group() -> impl Strategy<Value = Group> {
    let tag = prop::sample::select(vec![
        GroupTag::JOB,
        GroupTag::PRINTER,
        GroupTag::UNSUPPORTED,
    ]);
    (tag, vec((ascii(1..=20), vec(value(), 1..4)), 0..6)).prop_map(|(tag, attributes)| {
        let named = |(number, (name, values)): (usize, (String, Vec<Value>))| {
            Attribute::with_values(&format!("{name}{number}"), values)
        };
        Group {
            tag,
            attributes: attributes.into_iter().enumerate().map(named).collect(),
        }
    })
}

/// Any message; its first group has charset and language, as RFC 8011 wants it.
pub(crate) fn message() -> impl Strategy<Value = Message> {
    (any::<u16>(), 1..0x8000_0000_u32, vec(group(), 0..4)).prop_map(|(code, request_id, groups)| {
        let mut message = Message::request(Operation(code), request_id);
        message.groups.extend(groups);
        message
    })
}
