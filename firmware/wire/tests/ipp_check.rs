// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The rules of RFC 8011 §4.1 that every request must keep, one after the other as ipptool's
//! `ipp-1.1.test` asks for them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use platen_wire::ipp::{
    Attribute, Fault, GroupTag, Limits, Message, Operation, Status, Target, Version, check, decode,
};

const URI: &str = "ipp://box.example/ipp/print";

/// A request whose operation group has just these attributes.
fn request(operation: Operation, attributes: Vec<Attribute>) -> Message {
    let mut message = Message::request(operation, 1);
    message.groups[0].attributes = attributes;
    message
}

fn get_printer_attributes(attributes: Vec<Attribute>) -> Message {
    request(Operation::GET_PRINTER_ATTRIBUTES, attributes)
}

fn charset() -> Attribute {
    Attribute::charset("attributes-charset", "utf-8")
}

fn language() -> Attribute {
    Attribute::natural_language("attributes-natural-language", "en")
}

fn printer() -> Attribute {
    Attribute::uri("printer-uri", URI)
}

fn good() -> Message {
    get_printer_attributes(vec![charset(), language(), printer()])
}

#[test]
fn a_good_request_has_its_target() {
    assert_eq!(check(&good()), Ok(Target::Printer(URI)));
}

#[test]
fn request_ids_that_are_not_positive_are_bad() {
    for id in [0, 0x8000_0000, u32::MAX] {
        let mut message = good();
        message.header.request_id = id;
        assert_eq!(check(&message), Err(Fault::RequestId));
    }
    let mut message = good();
    message.header.request_id = 0x7fff_ffff;
    assert!(check(&message).is_ok());
}

#[test]
fn charset_and_language_come_first_and_in_order() {
    let rows = [
        (vec![], Fault::CharsetNotFirst),
        (vec![charset(), printer()], Fault::LanguageNotSecond),
        (vec![language(), printer()], Fault::CharsetNotFirst),
        (
            vec![language(), charset(), printer()],
            Fault::CharsetNotFirst,
        ),
        (
            vec![charset(), printer(), language()],
            Fault::LanguageNotSecond,
        ),
        (
            vec![Attribute::keyword("attributes-charset", "utf-8")],
            Fault::CharsetNotFirst,
        ),
        (
            vec![Attribute::charsets("attributes-charset", ["utf-8"; 2])],
            Fault::CharsetNotFirst,
        ),
        (vec![charset(), language()], Fault::TargetMissing),
        (
            vec![charset(), language(), Attribute::name("printer-uri", URI)],
            Fault::TargetMissing,
        ),
        (
            vec![charset(), language(), printer(), printer()],
            Fault::Doubled,
        ),
    ];
    for (attributes, wanted) in rows {
        let message = get_printer_attributes(attributes);
        assert_eq!(check(&message), Err(wanted), "{message:?}");
        assert_eq!(wanted.status(), Status::BAD_REQUEST);
    }
}

#[test]
fn other_charsets_are_not_supported() {
    for (name, supported) in [
        ("UTF-8", true),
        ("us-ascii", true),
        ("gbk", false),
        ("x", false),
    ] {
        let charset = Attribute::charset("attributes-charset", name);
        let message = get_printer_attributes(vec![charset, language(), printer()]);
        assert_eq!(check(&message).is_ok(), supported, "{name}");
    }
    assert_eq!(
        Fault::CharsetNotSupported.status(),
        Status::CHARSET_NOT_SUPPORTED
    );
}

#[test]
fn versions_go_by_their_major_number_and_come_before_all_else() {
    for (major, minor, supported, reply) in [
        (0, 0, false, "1.1"),
        (1, 0, true, "1.0"),
        (1, 1, true, "1.1"),
        (2, 0, true, "2.0"),
        (2, 2, true, "2.2"),
        (3, 0, false, "2.0"),
        (255, 255, false, "2.0"),
    ] {
        let mut message = get_printer_attributes(vec![]);
        let version = Version { major, minor };
        message.header.version = version;
        let wanted = match supported {
            true => Fault::CharsetNotFirst,
            false => Fault::VersionNotSupported { version },
        };
        assert_eq!(check(&message), Err(wanted));
        assert_eq!(
            Message::reply(&message, Status::OK)
                .header
                .version
                .to_string(),
            reply
        );
    }
}

#[test]
fn operation_attributes_are_one_group_and_the_first() {
    let mut late = good();
    late.groups
        .insert(0, platen_wire::ipp::Group::new(GroupTag::JOB));
    assert_eq!(check(&late), Err(Fault::OperationGroup));
    let mut twice = good();
    twice.add_group(GroupTag::OPERATION);
    assert_eq!(check(&twice), Err(Fault::OperationGroup));
    let mut none = good();
    none.groups.clear();
    assert_eq!(check(&none), Err(Fault::OperationGroup));
}

#[test]
fn operations_on_a_job_name_it_by_uri_or_by_printer_and_id() {
    let id = || Attribute::integer("job-id", 7);
    let job = || Attribute::uri("job-uri", "ipp://box.example/jobs/7");
    let target = |attributes: Vec<Attribute>| {
        let all = [vec![charset(), language()], attributes].concat();
        check(&request(Operation::CANCEL_JOB, all)).map(|target| format!("{target:?}"))
    };
    assert_eq!(
        target(vec![printer(), id()]),
        Ok(format!("JobOf {{ printer: {URI:?}, id: 7 }}"))
    );
    assert_eq!(
        target(vec![job()]),
        Ok("Job(\"ipp://box.example/jobs/7\")".to_owned())
    );
    assert_eq!(target(vec![printer()]), Err(Fault::TargetMissing));
    assert_eq!(target(vec![id()]), Err(Fault::TargetMissing));
    let text = Attribute::text("job-id", "7");
    assert_eq!(target(vec![printer(), text]), Err(Fault::TargetMissing));
}

#[test]
fn value_faults_are_answered_with_their_own_status() {
    let mut message = good();
    message.groups[0]
        .attributes
        .push(Attribute::name("job-name", "y"));
    let mut octets = message.encode().unwrap();
    octets.pop();
    octets.push(GroupTag::JOB.octet());
    octets.extend([0x42, 0, 1, b'n', 1, 0]);
    octets.extend([b'x'; 256]);
    octets.push(3);
    let (read, _) = decode(&octets, Limits::REQUEST).unwrap();
    assert_eq!(read.faults[0].group, GroupTag::JOB);
    assert_eq!(check(&read), Err(Fault::ValueTooLong { max: 255 }));
}
