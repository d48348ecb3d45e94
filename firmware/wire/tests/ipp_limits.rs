// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the decoder does at each of its limits, with lengths that lie, and with input in pieces.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use platen_wire::ipp::{
    Attribute, Collection, Decoder, Fault, GroupTag, Limits, Message, Operation, Progress, decode,
};

const HEAD: [u8; 9] = [2, 0, 0, 2, 0, 0, 0, 1, 1];

/// Small limits, so that each can be met alone.
const SMALL: Limits = Limits {
    head_bytes: 2000,
    groups: 3,
    group_attributes: 5,
    attributes: 12,
    attribute_values: 6,
    values: 20,
    depth: 2,
    members: 4,
    name_bytes: 255,
};

fn sample() -> Message {
    let mut message = Message::request(Operation::PRINT_JOB, 77);
    message
        .group_mut(GroupTag::OPERATION)
        .push(Attribute::uri("printer-uri", "ipp://box.example/ipp/print"))
        .push(Attribute::name("job-name", "月报.pdf"));
    let size = Collection::new([
        Attribute::integers("x-dimension", [21_000, 1]),
        Attribute::integer("y-dimension", 29_700),
    ]);
    message
        .group_mut(GroupTag::JOB)
        .push(Attribute::integer("copies", 2))
        .push(Attribute::collection(
            "media-col",
            [Attribute::collections("media-size", [size])],
        ))
        .push(Attribute::no_value("print-quality"));
    message
}

fn fault(octets: &[u8], limits: Limits) -> Option<Fault> {
    decode(octets, limits).err().map(|error| error.fault)
}

fn with_limits(message: &Message, limits: Limits) -> Option<Fault> {
    fault(&message.encode().unwrap(), limits)
}

#[test]
fn one_octet_at_a_time_gives_the_same_message() {
    let octets = sample().encode().unwrap();
    let mut decoder = Decoder::new(Limits::REQUEST);
    let (last, before) = octets.split_last().unwrap();
    for octet in before {
        assert_eq!(decoder.push(&[*octet]), Ok(Progress::NeedMore));
        assert_eq!(decoder.push(&[]), Ok(Progress::NeedMore));
    }
    let done = Progress::Done {
        message: sample(),
        consumed: 1,
    };
    assert_eq!(decoder.push(&[*last]), Ok(done));
}

#[test]
fn cut_in_two_at_every_point_gives_the_same_message_and_leaves_the_document() {
    let head = sample().encode().unwrap();
    let body = [head.as_slice(), b"\x03\x01document"].concat();
    for cut in 0..=body.len() {
        let (first, second) = body.split_at(cut);
        let mut decoder = Decoder::new(Limits::REQUEST);
        let (message, document) = match decoder.push(first).unwrap() {
            Progress::Done { message, consumed } => {
                (message, [&first[consumed..], second].concat())
            }
            Progress::NeedMore => match decoder.push(second).unwrap() {
                Progress::Done { message, consumed } => (message, second[consumed..].to_vec()),
                Progress::NeedMore => panic!("more after {cut}?"),
            },
        };
        assert_eq!(message, sample(), "cut at {cut}");
        assert_eq!(document, b"\x03\x01document", "cut at {cut}");
    }
}

#[test]
fn half_a_request_is_truncated_at_every_point() {
    let octets = sample().encode().unwrap();
    for cut in 0..octets.len() {
        let error = decode(&octets[..cut], Limits::REQUEST).unwrap_err();
        assert_eq!(error.fault, Fault::Truncated, "cut at {cut}");
        assert_eq!(
            error.header.map(|header| header.request_id),
            (cut >= 8).then_some(77)
        );
    }
}

#[test]
fn a_hundred_thousand_nested_collections_are_refused_at_the_ninth() {
    let mut octets = HEAD.to_vec();
    octets.extend([0x34, 0, 1, b'c', 0, 0]);
    for _ in 0..100_000 {
        octets.extend([0x4a, 0, 0, 0, 1, b'm', 0x34, 0, 0, 0, 0]);
    }
    let mut decoder = Decoder::new(Limits::REQUEST);
    let mut taken = 0;
    let error = octets.iter().find_map(|octet| {
        taken += 1;
        decoder.push(&[*octet]).err()
    });
    assert_eq!(error.unwrap().fault, Fault::TooDeep { max: 8 });
    assert!(taken < 120, "{taken} octets were taken");
}

#[test]
fn collections_as_deep_as_allowed_are_read() {
    let mut attribute = Attribute::integer("m", 1);
    for _ in 0..8 {
        attribute = Attribute::collection("m", [attribute]);
    }
    let mut message = Message::request(Operation::PRINT_JOB, 1);
    message.group_mut(GroupTag::JOB).push(attribute.clone());
    assert_eq!(with_limits(&message, Limits::REQUEST), None);
    message.group_mut(GroupTag::JOB).attributes = vec![Attribute::collection("m", [attribute])];
    assert_eq!(
        with_limits(&message, Limits::REQUEST),
        Some(Fault::TooDeep { max: 8 })
    );
}

#[test]
fn a_head_too_large_is_refused_before_it_has_come() {
    let mut octets = HEAD.to_vec();
    octets.extend([0x30, 0, 1, b'n', 0x7f, 0xff]); // 32767 octets follow, it says
    assert_eq!(
        fault(&octets, SMALL),
        Some(Fault::HeadTooLarge { max: 2000 })
    );
    let whole = sample().encode().unwrap();
    let exactly = Limits {
        head_bytes: whole.len(),
        ..Limits::REQUEST
    };
    assert_eq!(fault(&whole, exactly), None);
    let less = Limits {
        head_bytes: whole.len() - 1,
        ..Limits::REQUEST
    };
    assert_eq!(
        fault(&whole, less),
        Some(Fault::HeadTooLarge {
            max: whole.len() - 1
        })
    );
}

#[test]
fn an_endless_head_ends_at_its_limit() {
    let mut decoder = Decoder::new(Limits::REQUEST);
    assert_eq!(decoder.push(&HEAD), Ok(Progress::NeedMore));
    assert_eq!(
        decoder.push(b"\x30\x00\x01n\x00\x00"),
        Ok(Progress::NeedMore)
    );
    let value = [[0x30, 0, 0, 0x10, 0].as_slice(), &[0; 4096]].concat();
    let mut given = 0;
    let error = loop {
        given += value.len();
        if let Err(error) = decoder.push(&value) {
            break error;
        }
    };
    assert_eq!(error.fault, Fault::HeadTooLarge { max: 256 * 1024 });
    assert!(given <= 256 * 1024 + value.len());
}

#[test]
fn lengths_that_lie_end_in_an_answer() {
    let sample = sample().encode().unwrap();
    for at in 0..sample.len() {
        for lie in [0x00, 0x01, 0x03, 0x7f, 0x80, 0xff] {
            let mut octets = sample.clone();
            octets[at] = lie;
            // Any answer will do; none may panic, hang or take octets past the end.
            if let Ok((message, rest)) = decode(&octets, Limits::REQUEST) {
                assert!(rest.len() < octets.len());
                assert!(message.groups.len() <= Limits::REQUEST.groups);
            }
        }
    }
}

#[test]
fn each_count_has_its_limit() {
    let numbers = |count: i32| Attribute::integers("n", 0..count);
    let named = |count: usize| (0..count).map(|n| Attribute::integer(&format!("n{n}"), 1));
    let in_job = |attributes: Vec<Attribute>| {
        let mut message = Message::request(Operation::PRINT_JOB, 1);
        message.group_mut(GroupTag::JOB).attributes = attributes;
        message
    };
    assert_eq!(with_limits(&in_job(vec![numbers(6)]), SMALL), None);
    assert_eq!(
        with_limits(&in_job(vec![numbers(7)]), SMALL),
        Some(Fault::TooManyValues { max: 6 })
    );
    assert_eq!(with_limits(&in_job(named(5).collect()), SMALL), None);
    assert_eq!(
        with_limits(&in_job(named(6).collect()), SMALL),
        Some(Fault::TooManyAttributes { max: 5 })
    );
    assert_eq!(
        with_limits(&in_job(vec![Attribute::collection("c", named(4))]), SMALL),
        None
    );
    assert_eq!(
        with_limits(&in_job(vec![Attribute::collection("c", named(5))]), SMALL),
        Some(Fault::TooManyAttributes { max: 4 })
    );
    let three_of_six = [numbers(6), numbers(6), numbers(6)];
    assert_eq!(
        with_limits(&in_job(three_of_six.to_vec()), SMALL),
        None,
        "2 and 18 values are allowed"
    );
    let one_more = [three_of_six.to_vec(), vec![Attribute::integer("m", 1)]].concat();
    assert_eq!(
        with_limits(&in_job(one_more), SMALL),
        Some(Fault::TooManyValues { max: 20 })
    );
    let nested = vec![Attribute::collections(
        "c",
        [
            Collection::new(named(4)),
            Collection::new(named(4)),
            Collection::new(named(4)),
        ],
    )];
    assert_eq!(
        with_limits(&in_job(nested), SMALL),
        Some(Fault::TooManyAttributes { max: 12 })
    );
    let mut groups = in_job(vec![]);
    groups.add_group(GroupTag::JOB);
    assert_eq!(with_limits(&groups, SMALL), None);
    groups.add_group(GroupTag::JOB);
    assert_eq!(
        with_limits(&groups, SMALL),
        Some(Fault::TooManyGroups { max: 3 })
    );
}

#[test]
fn a_million_group_delimiters_end_at_the_limit() {
    let octets = [HEAD.as_slice(), &vec![2; 1_000_000]].concat();
    assert_eq!(
        fault(&octets, Limits::REQUEST),
        Some(Fault::TooManyGroups { max: 64 })
    );
}

#[test]
fn the_document_is_never_looked_at_however_large() {
    let mut decoder = Decoder::new(Limits::REQUEST);
    let head = sample().encode().unwrap();
    let body = [head.as_slice(), &vec![0x34; 10_000_000]].concat();
    let done = Progress::Done {
        message: sample(),
        consumed: head.len(),
    };
    assert_eq!(decoder.push(&body), Ok(done));
}
