// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interviews with agents of a few lines: good ones, and ones that lie.

use super::*;
use crate::printer_mib::LifeCount;

fn oid(arcs: &[u32]) -> Oid {
    Oid::below(&[1, 3, 6, 1, 2, 1], arcs).unwrap()
}

/// A colour printer with two trays, as the second device of its host.
fn printer(device: u32) -> BTreeMap<Oid, Value> {
    let mut mib = BTreeMap::new();
    let mut put = |arcs: &[u32], value| drop(mib.insert(oid(arcs), value));
    put(
        &[25, 3, 2, 1, 3, 1],
        Value::Octets(b"a network card".to_vec()),
    );
    put(
        &[25, 3, 2, 1, 3, device],
        Value::Octets(b"Maker Model 1".to_vec()),
    );
    put(&[25, 3, 2, 1, 5, device], Value::Integer(3));
    put(&[25, 3, 5, 1, 1, device], Value::Integer(4));
    put(&[25, 3, 5, 1, 2, device], Value::Octets(vec![0x80]));
    put(&[43, 6, 1, 1, 3, device, 1], Value::Integer(4));
    for (tray, level) in [(1, -3), (2, 0)] {
        put(&[43, 8, 2, 1, 2, device, tray], Value::Integer(3));
        put(&[43, 8, 2, 1, 9, device, tray], Value::Integer(250));
        put(&[43, 8, 2, 1, 10, device, tray], Value::Integer(level));
    }
    put(&[43, 10, 2, 1, 3, device, 1], Value::Integer(7));
    put(&[43, 10, 2, 1, 4, device, 1], Value::Counter32(4242));
    for color in 1..=12 {
        put(&[43, 11, 1, 1, 4, device, 1, color], Value::Integer(3));
        put(&[43, 11, 1, 1, 5, device, 1, color], Value::Integer(21));
        put(&[43, 11, 1, 1, 7, device, 1, color], Value::Integer(19));
        put(&[43, 11, 1, 1, 8, device, 1, color], Value::Integer(100));
        let level = 90 + i32::try_from(color % 10).unwrap();
        put(&[43, 11, 1, 1, 9, device, 1, color], Value::Integer(level));
    }
    put(&[43, 18, 1, 1, 2, device, 7], Value::Integer(4));
    put(&[43, 18, 1, 1, 4, device, 7], Value::Integer(8));
    put(&[43, 18, 1, 1, 7, device, 7], Value::Integer(808));
    mib
}

fn next<'a>(mib: &'a BTreeMap<Oid, Value>, name: &Oid) -> Option<(&'a Oid, &'a Value)> {
    use std::ops::Bound::{Excluded, Unbounded};
    mib.range((Excluded(name.clone()), Unbounded)).next()
}

/// Answers as RFC 1157 §4.1.3 and RFC 3416 §4.2.3 want it.
fn agent(mib: &BTreeMap<Oid, Value>, version: Version, question: &Pdu) -> Pdu {
    let mut answer = Pdu {
        kind: PduKind::Response,
        error_index: 0,
        ..question.clone()
    };
    let rounds = question.error_index.max(1);
    let mut names: Vec<_> = question.bindings.iter().map(|one| one.0.clone()).collect();
    answer.bindings.clear();
    for _ in 0..rounds {
        for (place, name) in names.iter_mut().enumerate() {
            match (next(mib, name), version) {
                (Some((found, value)), _) => {
                    *name = found.clone();
                    answer.bindings.push((found.clone(), value.clone()));
                }
                (None, Version::V2c) => answer.bindings.push((name.clone(), Value::EndOfMibView)),
                (None, Version::V1) => {
                    answer.error_status = 2;
                    answer.error_index = i32::try_from(place + 1).unwrap();
                    answer.bindings.clone_from(&question.bindings);
                    return answer;
                }
            }
        }
    }
    answer
}

fn ask(
    version: Version,
    depth: Depth,
    mut agent: impl FnMut(&Pdu) -> Pdu,
) -> (PrinterFacts, usize) {
    let mut interview = Interview::new(version, depth);
    let mut asked = 0;
    while let Some(question) = interview.request(7) {
        asked += 1;
        let answer = agent(&question);
        interview.answer(&answer);
    }
    (interview.into_facts(), asked)
}

#[test]
fn both_versions_tell_the_same_of_a_printer() {
    for device in [1, 2] {
        let mib = printer(device);
        let [(old, slow), (new, fast)] = [Version::V1, Version::V2c].map(|version| {
            ask(version, Depth::Status, |question| {
                agent(&mib, version, question)
            })
        });
        assert_eq!(old, new);
        assert!(fast < slow && slow < 40, "{fast} and {slow} questions");
        assert_eq!(new.description.as_deref(), Some("Maker Model 1"));
        assert_eq!(new.device, Some(DeviceState::Warning));
        assert_eq!(new.printer, Some(PrinterState::Printing));
        assert_eq!(new.errors, Some(ErrorState(0x8000)));
        let counted = LifeCount {
            count: 4242,
            unit: 7,
        };
        assert_eq!(new.life_count, Some(counted));
        assert_eq!(new.supplies.len(), 12);
        assert_eq!(new.supplies.get(3).map(|one| one.level), Some(94));
        assert_eq!(new.covers, [CoverState::Closed]);
        let levels: Vec<_> = new.inputs.iter().map(|tray| tray.level).collect();
        assert_eq!(levels, [-3, 0]);
        assert_eq!(new.alerts.first().map(|alert| alert.code), Some(808));
    }
}

#[test]
fn a_count_alone_takes_three_questions() {
    let mib = printer(1);
    let (facts, asked) = ask(Version::V1, Depth::Counter, |question| {
        agent(&mib, Version::V1, question)
    });
    assert_eq!(asked, 3);
    assert_eq!(facts.life_count.map(|one| one.count), Some(4242));
    assert!(facts.supplies.is_empty() && facts.device.is_some());
}

#[test]
fn an_agent_without_a_printer_tells_nothing() {
    for version in [Version::V1, Version::V2c] {
        for mib in [
            BTreeMap::new(),
            BTreeMap::from([(oid(&[1, 1, 0]), Value::Null)]),
        ] {
            let (facts, asked) = ask(version, Depth::Status, |one| agent(&mib, version, one));
            assert_eq!(facts, PrinterFacts::default());
            assert!(asked < 30, "{asked}");
        }
    }
}

#[test]
fn rows_past_the_limit_are_left() {
    let mut mib = printer(1);
    for code in 0..200 {
        mib.insert(oid(&[43, 18, 1, 1, 2, 1, 100 + code]), Value::Integer(3));
        mib.insert(oid(&[43, 18, 1, 1, 7, 1, 100 + code]), Value::Integer(8));
    }
    let (facts, _) = ask(Version::V2c, Depth::Status, |question| {
        agent(&mib, Version::V2c, question)
    });
    assert!(facts.alerts.len() <= ROWS_MAX && facts.alerts.len() > 20);
    assert_eq!(facts.supplies.len(), 12);
}

#[test]
fn an_agent_that_goes_round_in_circles_is_left_soon() {
    let same = |question: &Pdu| Pdu {
        kind: PduKind::Response,
        error_index: 0,
        ..question.clone()
    };
    let (_, asked) = ask(Version::V2c, Depth::Status, same);
    assert!(asked <= TABLES.len(), "{asked}");
}

#[test]
fn an_agent_with_endless_rows_is_left_at_the_limits() {
    let mut count = 0;
    let endless = |question: &Pdu| {
        let grown = question.bindings.iter().map(|(name, _)| {
            count += 1;
            let entry = name.arcs().get(..11).unwrap_or(name.arcs());
            let name = Oid::below(entry, &[1, count]).unwrap();
            (name, Value::Integer(3))
        });
        Pdu {
            kind: PduKind::Response,
            error_index: 0,
            bindings: grown.collect(),
            ..question.clone()
        }
    };
    let (facts, asked) = ask(Version::V1, Depth::Status, endless);
    assert!(asked <= REQUESTS_MAX, "{asked}");
    assert!(facts.covers.len() <= ROWS_MAX);
}

#[test]
fn an_answer_too_big_for_the_agent_is_asked_for_in_smaller_parts() {
    let mib = printer(1);
    let (facts, _) = ask(Version::V2c, Depth::Status, |question| {
        let mut answer = agent(&mib, Version::V2c, question);
        if answer.bindings.len() > 12 {
            answer.error_status = 1;
            answer.bindings.clear();
        }
        answer
    });
    assert_eq!(facts.supplies.len(), 12);
}

#[test]
fn errors_of_every_kind_end_their_column_or_table() {
    for status in [-1, 1, 2, 3, 5, 18, i32::MAX] {
        for index in [i32::MIN, -1, 0, 1, 2, 99] {
            let (_, asked) = ask(Version::V1, Depth::Status, |question| Pdu {
                kind: PduKind::Response,
                error_status: status,
                error_index: index,
                ..question.clone()
            });
            assert!(asked < 40, "{status} {index}: {asked}");
        }
    }
}
