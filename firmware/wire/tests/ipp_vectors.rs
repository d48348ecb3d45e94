// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Octets of RFC 8010 appendix A, and small messages put together by hand: each means what the RFC
//! says, and is written again octet for octet.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use platen_wire::ipp::{
    Attribute, Collection, DateTime, DecodeError, Decoder, EncodeError, Fault, GroupTag, Limits,
    LocalText, Message, Operation, Progress, Status, Text, Value, ValueTag, Version, decode,
};

/// Tag, counted name, counted value.
fn item(tag: u8, name: &str, value: &[u8]) -> Vec<u8> {
    let count = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
    [
        &[tag],
        count(name.len()).as_slice(),
        name.as_bytes(),
        &count(value.len()),
        value,
    ]
    .concat()
}

/// A request head of Print-Job, version 1.1, request id 1, with the items in one operation group.
fn print_job(items: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = vec![1, 1, 0, 2, 0, 0, 0, 1, 1];
    octets.extend(items.concat());
    octets.push(3);
    octets
}

fn read(octets: &[u8]) -> Result<Message, DecodeError> {
    decode(octets, Limits::REQUEST).map(|(message, _)| message)
}

fn fault(octets: &[u8]) -> Option<Fault> {
    read(octets).err().map(|error| error.fault)
}

/// Decodes, demands no value faults, and that encoding gives the same octets.
#[track_caller]
fn exact(octets: &[u8]) -> Message {
    let message = read(octets).unwrap();
    assert_eq!(message.faults, []);
    assert_eq!(message.encode().unwrap(), octets);
    message
}

fn charset_and_language() -> [Vec<u8>; 2] {
    [
        item(0x47, "attributes-charset", b"utf-8"),
        item(0x48, "attributes-natural-language", b"en-us"),
    ]
}

#[test]
fn rfc_8010_a1_print_job_request() {
    let [charset, language] = charset_and_language();
    let mut octets = print_job(&[
        charset,
        language,
        item(
            0x45,
            "printer-uri",
            b"ipp://printer.example.com/ipp/print/pinetree",
        ),
        item(0x42, "job-name", b"foobar"),
        item(0x22, "ipp-attribute-fidelity", &[1]),
    ]);
    octets.pop();
    octets.push(2);
    octets.extend(item(0x21, "copies", &20_i32.to_be_bytes()));
    octets.extend(item(0x44, "sides", b"two-sided-long-edge"));
    octets.push(3);
    let message = exact(&octets);
    assert_eq!(message.header.version, Version { major: 1, minor: 1 });
    assert_eq!(message.operation(), Operation::PRINT_JOB);
    assert_eq!(message.header.request_id, 1);
    let operation = GroupTag::OPERATION;
    assert_eq!(
        message.uri(operation, "printer-uri"),
        Some("ipp://printer.example.com/ipp/print/pinetree")
    );
    assert_eq!(message.name(operation, "job-name").unwrap(), &"foobar");
    assert_eq!(
        message.boolean(operation, "ipp-attribute-fidelity"),
        Some(true)
    );
    assert_eq!(message.integer(GroupTag::JOB, "copies"), Some(20));
    assert_eq!(
        message.keyword(GroupTag::JOB, "sides"),
        Some("two-sided-long-edge")
    );
    let data = [octets.as_slice(), b"%!PDF..."].concat();
    assert_eq!(decode(&data, Limits::REQUEST).unwrap().1, b"%!PDF...");
}

#[test]
fn rfc_8010_a3_print_job_response_failure() {
    let [charset, language] = charset_and_language();
    let mut octets = vec![1, 1, 4, 0x0b, 0, 0, 0, 1, 1];
    octets.extend([charset, language].concat());
    let message = b"client-error-attributes-or-values-not-supported";
    octets.extend(item(0x41, "status-message", message));
    octets.push(5);
    octets.extend(item(0x21, "copies", &20_i32.to_be_bytes()));
    octets.extend(item(0x10, "sides", b""));
    octets.push(3);
    let answer = exact(&octets);
    assert_eq!(answer.status(), Status::ATTRIBUTES_OR_VALUES_NOT_SUPPORTED);
    let sides = answer.first(GroupTag::UNSUPPORTED, "sides").unwrap();
    assert_eq!(sides.single(), Some(&Value::Unsupported));
}

#[test]
fn rfc_8010_a6_collection_in_a_request() {
    let mut octets = print_job(&charset_and_language());
    octets.pop();
    octets.push(2);
    octets.extend(
        [
            item(0x34, "media-col", b""),
            item(0x4a, "", b"media-size"),
            item(0x34, "", b""),
            item(0x4a, "", b"x-dimension"),
            item(0x21, "", &21_000_i32.to_be_bytes()),
            item(0x4a, "", b"y-dimension"),
            item(0x21, "", &29_700_i32.to_be_bytes()),
            item(0x37, "", b""),
            item(0x4a, "", b"media-type"),
            item(0x44, "", b"stationery"),
            item(0x37, "", b""),
        ]
        .concat(),
    );
    octets.push(3);
    let message = exact(&octets);
    let media = message
        .first(GroupTag::JOB, "media-col")
        .unwrap()
        .as_collection()
        .unwrap();
    let size = media.get("media-size").unwrap().as_collection().unwrap();
    assert_eq!(size.get("x-dimension").unwrap().as_integer(), Some(21_000));
    assert_eq!(size.get("y-dimension").unwrap().as_integer(), Some(29_700));
    assert_eq!(
        media.get("media-type").unwrap().as_keyword(),
        Some("stationery")
    );
}

#[test]
fn rfc_8010_a7_get_jobs_response_has_a_group_for_each_job() {
    let mut octets = vec![1, 1, 0, 0, 0, 0, 0, 0x7b, 1];
    octets.extend(charset_and_language().concat());
    octets.push(2);
    octets.extend(item(0x21, "job-id", &147_i32.to_be_bytes()));
    octets.extend(item(0x36, "job-name", b"\x00\x05fr-ca\x00\x03fou"));
    octets.push(2);
    octets.push(2);
    octets.extend(item(0x21, "job-id", &148_i32.to_be_bytes()));
    octets.push(3);
    let answer = exact(&octets);
    let jobs: Vec<_> = answer.groups_of(GroupTag::JOB).collect();
    assert_eq!(jobs.len(), 3);
    assert_eq!(jobs[0].get("job-name").unwrap().as_name().unwrap(), &"fou");
    assert!(jobs[1].attributes.is_empty());
    assert_eq!(jobs[2].get("job-id").unwrap().as_integer(), Some(148));
}

#[test]
fn a_collection_keeps_members_with_many_values() {
    let octets = print_job(&[
        item(0x34, "c", b""),
        item(0x4a, "", b"a"),
        item(0x21, "", &1_i32.to_be_bytes()),
        item(0x21, "", &2_i32.to_be_bytes()),
        item(0x4a, "", b"b"),
        item(0x21, "", &3_i32.to_be_bytes()),
        item(0x37, "", b""),
        item(0x34, "", b""),
        item(0x37, "", b""),
    ]);
    let message = exact(&octets);
    let c = message.first(GroupTag::OPERATION, "c").unwrap();
    let first = Collection::new([Attribute::integers("a", [1, 2]), Attribute::integer("b", 3)]);
    assert_eq!(
        c.values,
        [
            Value::Collection(first),
            Value::Collection(Collection::default())
        ]
    );
}

#[test]
fn collections_framed_wrongly_are_refused() {
    let begin = || item(0x34, "c", b"");
    let member = || item(0x4a, "", b"m");
    let one = || item(0x21, "", &1_i32.to_be_bytes());
    let end = || item(0x37, "", b"");
    let rows = [
        (vec![end()], Fault::OutsideCollection { tag: 0x37 }),
        (
            vec![item(0x21, "n", &[0; 4]), end()],
            Fault::OutsideCollection { tag: 0x37 },
        ),
        (vec![member()], Fault::OutsideCollection { tag: 0x4a }),
        (
            vec![begin(), member(), one(), end(), end()],
            Fault::OutsideCollection { tag: 0x37 },
        ),
        (vec![begin(), one(), end()], Fault::MemberWithoutName),
        (vec![begin(), item(0x34, "", b"")], Fault::MemberWithoutName),
        (vec![begin(), item(0x4a, "", b"")], Fault::MemberWithoutName),
        (vec![begin(), member(), end()], Fault::MemberWithoutValue),
        (vec![begin(), member(), member()], Fault::MemberWithoutValue),
        (vec![begin(), member(), one()], Fault::CollectionNotEnded),
        (
            vec![begin(), member(), one(), vec![2]],
            Fault::CollectionNotEnded,
        ),
        (
            vec![begin(), item(0x4a, "x", b"m")],
            Fault::CollectionFraming,
        ),
        (
            vec![begin(), member(), item(0x21, "x", &[0; 4])],
            Fault::CollectionFraming,
        ),
        (vec![item(0x34, "c", b"x")], Fault::CollectionFraming),
        (
            vec![begin(), item(0x37, "", b"x")],
            Fault::CollectionFraming,
        ),
    ];
    for (items, wanted) in rows {
        assert_eq!(fault(&print_job(&items)), Some(wanted), "{items:02x?}");
    }
}

#[test]
fn messages_framed_wrongly_are_refused() {
    let rows = [
        (vec![item(0x21, "", &[0; 4])], Fault::ValueWithoutAttribute),
        (vec![vec![0]], Fault::ReservedDelimiter { tag: 0 }),
        (
            vec![vec![0x21, 0x80, 0]],
            Fault::NegativeLength { length: 0x8000 },
        ),
        (
            vec![vec![0x21, 0, 1, b'n', 0xff, 0xff]],
            Fault::NegativeLength { length: 0xffff },
        ),
        (vec![item(0x21, "a\u{7f}", &[0; 4])], Fault::NameSyntax),
        (vec![item(0x21, "é", &[0; 4])], Fault::NameSyntax),
        (
            vec![item(0x21, &"n".repeat(256), &[0; 4])],
            Fault::NameTooLong { max: 255 },
        ),
    ];
    for (items, wanted) in rows {
        assert_eq!(fault(&print_job(&items)), Some(wanted), "{items:02x?}");
    }
    let outside = [
        &[1, 1, 0, 2, 0, 0, 0, 1],
        item(0x21, "n", &[0; 4]).as_slice(),
    ]
    .concat();
    assert_eq!(fault(&outside), Some(Fault::OutsideGroup));
}

#[test]
fn groups_and_syntaxes_of_the_future_are_kept() {
    let octets = print_job(&[
        item(0x7f, "extension", b"\x40\x00\x00\x01x"),
        item(0x2f, "an-integer-to-come", b"123"),
        vec![0x0e],
        item(0x21, "in-a-group-to-come", &[0; 4]),
    ]);
    let message = exact(&octets);
    let other = Value::Other {
        tag: ValueTag::from_octet(0x2f).unwrap(),
        octets: b"123".to_vec(),
    };
    assert_eq!(message.groups[0].attributes[1].values, [other]);
    assert_eq!(message.groups[1].tag.octet(), 0x0e);
}

#[test]
fn values_wrong_for_their_tag_are_told_and_kept() {
    let wrong: [(u8, &[u8]); 19] = [
        (0x21, &[0, 0, 1]),
        (0x22, &[2]),
        (0x22, &[0, 0]),
        (0x23, &[]),
        (0x31, &[0; 11]),
        (0x31, &[0; 10]),
        (0x32, &[0, 0, 1, 44, 0, 0, 1, 44, 5]),
        (0x33, &[0; 7]),
        (0x35, b"\x00\x02en\x00\x05four"),
        (0x36, b"\x00\x02en\x00\x03four"),
        (0x36, b"\xff\xff"),
        (0x44, b""),
        (0x44, "关键字".as_bytes()),
        (0x45, b"ipp://a\nb"),
        (0x45, b"\xff"),
        (0x47, b""),
        (0x49, b"text\x00"),
        (0x10, b"x"),
        (0x13, b"x"),
    ];
    for (tag, octets) in wrong {
        let message = read(&print_job(&[item(tag, "a", octets)])).unwrap();
        let [told] = message.faults.as_slice() else {
            panic!("{tag:02x} {octets:02x?}")
        };
        assert_eq!(told.fault, Fault::ValueSyntax { tag });
        assert_eq!(
            (told.group, told.attribute.as_str()),
            (GroupTag::OPERATION, "a")
        );
        let tag = ValueTag::from_octet(tag).unwrap();
        let kept = Value::Other {
            tag,
            octets: octets.to_vec(),
        };
        assert_eq!(message.groups[0].attributes[0].values, [kept]);
    }
}

#[test]
fn over_long_values_are_told_and_the_rest_is_read() {
    for (tag, max) in platen_wire::ipp::SYNTAX_MAX {
        let with_language = matches!(tag.octet(), 0x35 | 0x36);
        let value = |length: usize| match with_language {
            true => {
                let count = u16::try_from(length).unwrap().to_be_bytes();
                [b"\x00\x02en".as_slice(), &count, &vec![b'a'; length]].concat()
            }
            false => vec![b'a'; length],
        };
        exact(&print_job(&[item(tag.octet(), "a", &value(max))]));
        let long = [
            item(tag.octet(), "a", &value(max + 1)),
            item(0x21, "after", &7_i32.to_be_bytes()),
        ];
        let message = read(&print_job(&long)).unwrap();
        assert_eq!(
            message.faults[0].fault,
            Fault::ValueTooLong { max },
            "{tag:?}"
        );
        assert_eq!(
            message.faults[0].fault.status(),
            Status::REQUEST_VALUE_TOO_LONG
        );
        assert_eq!(message.integer(GroupTag::OPERATION, "after"), Some(7));
        assert!(matches!(message.encode(), Err(EncodeError::TooLong { .. })));
    }
}

#[test]
fn only_the_first_faults_are_kept() {
    let many: Vec<_> = (0..200)
        .map(|n| item(0x22, &format!("a{n}"), &[9]))
        .collect();
    let message = read(&print_job(&many)).unwrap();
    assert_eq!(message.faults.len(), Message::FAULTS_KEPT);
    assert_eq!(message.faults[15].attribute, "a15");
}

#[test]
fn gbk_in_a_name_stays_as_it_came() {
    let gbk = b"\xd4\xc2\xb1\xa8.pdf";
    let message = exact(&print_job(&[item(0x42, "job-name", gbk)]));
    let name = message.name(GroupTag::OPERATION, "job-name").unwrap();
    assert_eq!(name.as_bytes(), gbk);
    assert_eq!(name.as_str(), None);
    assert!(name.to_lossy().ends_with(".pdf"));
}

#[test]
fn an_error_tells_as_much_of_the_header_as_came() {
    let whole = print_job(&[vec![0]]);
    let error = read(&whole).unwrap_err();
    assert_eq!(error.header.unwrap().request_id, 1);
    assert_eq!(error.header.unwrap().operation(), Operation::PRINT_JOB);
    assert_eq!(read(&whole[..7]).unwrap_err().header, None);
    let answer = Message::reply_to(error.header, error.fault.status());
    assert_eq!(answer.header.version, Version::V1_1);
    assert_eq!(answer.status(), Status::BAD_REQUEST);
}

#[test]
fn the_encoder_refuses_what_clients_could_not_read() {
    let encode = |attribute: Attribute| {
        let mut answer = Message::request(Operation::GET_JOBS, 1);
        answer.group_mut(GroupTag::PRINTER).push(attribute);
        answer.encode().unwrap_err()
    };
    let named = || "a".to_owned();
    let nothing: [&str; 0] = [];
    assert_eq!(
        encode(Attribute::keywords("a", nothing)),
        EncodeError::NoValues { attribute: named() }
    );
    assert_eq!(
        encode(Attribute::keyword("a", "")),
        EncodeError::Empty { attribute: named() }
    );
    assert_eq!(
        encode(Attribute::uri("a", "")),
        EncodeError::Empty { attribute: named() }
    );
    assert_eq!(
        encode(Attribute::integer("", 1)),
        EncodeError::Name { length: 0 }
    );
    assert_eq!(
        encode(Attribute::integer(&"n".repeat(256), 1)),
        EncodeError::Name { length: 256 }
    );
    assert_eq!(
        encode(Attribute::name("a", "x".repeat(256))),
        EncodeError::TooLong {
            attribute: named(),
            max: 255
        }
    );
    let inner = Attribute::collection("outer", [Attribute::text("a", "x".repeat(1024))]);
    assert_eq!(
        encode(inner),
        EncodeError::TooLong {
            attribute: named(),
            max: 1023
        }
    );
    let local = LocalText {
        language: "x".repeat(64),
        text: Text::from("y"),
    };
    assert_eq!(
        encode(Attribute::new("a", Value::NameWithLanguage(local))),
        EncodeError::TooLong {
            attribute: named(),
            max: 63
        }
    );
}

#[test]
fn every_builder_is_read_back() {
    let mut answer = Message::request(Operation::GET_PRINTER_ATTRIBUTES, 9);
    answer
        .add_group(GroupTag::PRINTER)
        .push(Attribute::integers("integers", [1, -1, i32::MAX, i32::MIN]))
        .push(Attribute::enumerations("enums", [3, 4, 5]))
        .push(Attribute::boolean("boolean", false))
        .push(Attribute::octets("octets", [0, 255]))
        .push(Attribute::date_time(
            "date",
            DateTime::from_unix_ms(1_700_000_000_000),
        ))
        .push(Attribute::range("range", 1, 999))
        .push(Attribute::resolutions("resolutions", [300, 600]))
        .push(Attribute::texts("texts", ["a", "打印"]))
        .push(Attribute::names("names", ["b"]))
        .push(Attribute::keywords("keywords", ["none", "gzip"]))
        .push(Attribute::uris("uris", ["ipp://a/", "ipps://a/"]))
        .push(Attribute::uri_scheme("scheme", "ftp"))
        .push(Attribute::charsets("charsets", ["utf-8"]))
        .push(Attribute::natural_language("language", "zh-cn"))
        .push(Attribute::mime_media_types("formats", ["application/pdf"]))
        .push(Attribute::unknown("unknown"))
        .push(Attribute::no_value("none"))
        .push(Attribute::unsupported("unsupported"))
        .push(Attribute::collections(
            "collections",
            [Collection::default()],
        ));
    let octets = answer.encode().unwrap();
    assert_eq!(exact(&octets), answer);
}

#[test]
fn a_decoder_gives_its_message_once() {
    let mut decoder = Decoder::new(Limits::REQUEST);
    let octets = print_job(&[]);
    assert!(matches!(
        decoder.push(&octets),
        Ok(Progress::Done { consumed: 10, .. })
    ));
    assert_eq!(decoder.push(b"data").unwrap_err().fault, Fault::AfterEnd);
    assert_eq!(decoder.push(b"").unwrap_err().fault, Fault::AfterEnd);
}
