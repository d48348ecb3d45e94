// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages against the datagrams that Net-SNMP 5.9.3 (`snmpget -d`) sent and received.

use super::*;

fn octets(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

fn oid(below_mib_2: &[u32]) -> Oid {
    Oid::below(&[1, 3, 6, 1, 2, 1], below_mib_2).unwrap()
}

fn message(version: Version, kind: PduKind, request_id: i32, error: (i32, i32)) -> Message {
    Message {
        version,
        community: b"public".to_vec(),
        pdu: Pdu {
            kind,
            request_id,
            error_status: error.0,
            error_index: error.1,
            bindings: Vec::new(),
        },
    }
}

/// Reads as `expected` and is written as it was.
fn same(datagram: &str, expected: &Message) {
    let datagram = octets(datagram);
    assert_eq!(Message::decode(&datagram).as_ref(), Ok(expected));
    assert_eq!(expected.encode(), datagram);
}

#[test]
fn a_get_of_version_1_and_its_answer_are_as_net_snmp_writes_them() {
    let mut get = message(Version::V1, PduKind::Get, 0x3ae3_2790, (0, 0));
    get.pdu.bindings = vec![
        (oid(&[25, 3, 5, 1, 1, 1]), Value::Null),
        (oid(&[25, 3, 5, 1, 2, 1]), Value::Null),
        (oid(&[43, 10, 2, 1, 4, 1, 1]), Value::Null),
    ];
    same(
        "304f0201000406 7075626c6963 a042 02043ae32790 020100 020100 3034
         300f060b2b060102011903050101010500 300f060b2b060102011903050102010500
         3010060c2b060102012b0a020104 0101 0500",
        &get,
    );
    let mut answer = message(Version::V1, PduKind::Response, 0x3ae3_2790, (0, 0));
    answer.pdu.bindings = vec![
        (oid(&[25, 3, 5, 1, 1, 1]), Value::Integer(3)),
        (oid(&[25, 3, 5, 1, 2, 1]), Value::Octets(vec![0x80, 0])),
        (
            oid(&[43, 10, 2, 1, 4, 1, 1]),
            Value::Counter32(4_294_967_290),
        ),
    ];
    same(
        "30570201000406 7075626c6963 a24a 02043ae32790 020100 020100 303c
         3010060b2b06010201190305010101020103 3011060b2b0601020119030501020104028000
         3015060c2b060102012b0a0201040101 4105 00fffffffa",
        &answer,
    );
}

#[test]
fn a_name_that_is_not_there_is_an_error_in_version_1_and_a_value_in_2c() {
    let mut answer = message(Version::V1, PduKind::Response, 0x6bf5_bc6a, (2, 1));
    answer.pdu.bindings = vec![(oid(&[43, 99, 1]), Value::Null)];
    same(
        "30290201000406 7075626c6963 a21c 02046bf5bc6a 020102 020101 300e 300c06082b060102012b63010500",
        &answer,
    );
    let mut answer = message(Version::V2c, PduKind::Response, 0x19d1_f451, (0, 0));
    answer.pdu.bindings = vec![(oid(&[43, 99, 1]), Value::NoSuchObject)];
    same(
        "30290201010406 7075626c6963 a21c 020419d1f451 020100 020100 300e 300c06082b060102012b63018000",
        &answer,
    );
    let mut answer = message(Version::V2c, PduKind::Response, 0x03fb_7cb9, (0, 0));
    let end = Oid::new(&[1, 3, 6, 1, 6, 3, 99]).unwrap();
    answer.pdu.bindings = vec![(end, Value::EndOfMibView)];
    same(
        "30270201010406 7075626c6963 a21a 020403fb7cb9 020100 020100 300c 300a06062b06010603638200",
        &answer,
    );
}

#[test]
fn a_get_bulk_is_as_net_snmp_writes_it() {
    let mut bulk = message(Version::V2c, PduKind::GetBulk, 0x3283_263a, (0, 2));
    bulk.pdu.bindings = vec![(oid(&[25, 3, 5, 1, 2]), Value::Null)];
    same(
        "302b0201010406 7075626c6963 a51e 02043283263a 020100 020102 3010 300e060a2b060102011903050102 0500",
        &bulk,
    );
}

#[test]
fn every_type_of_value_is_read_as_it_was_written() {
    let mut answer = message(Version::V2c, PduKind::Response, -1, (0, 0));
    let values = [
        Value::Null,
        Value::Integer(i32::MIN),
        Value::Octets(vec![0; 200]),
        Value::ObjectId(oid(&[25])),
        Value::IpAddress([127, 0, 0, 1]),
        Value::Counter32(u32::MAX),
        Value::Gauge32(0),
        Value::TimeTicks(1 << 31),
        Value::Opaque(vec![1]),
        Value::Counter64(u64::MAX),
        Value::NoSuchInstance,
    ];
    answer.pdu.bindings = values.map(|value| (oid(&[1]), value)).to_vec();
    assert_eq!(Message::decode(&answer.encode()), Ok(answer));
}

#[test]
fn a_datagram_that_is_cut_anywhere_is_an_error() {
    let mut answer = message(Version::V1, PduKind::Response, 7, (0, 0));
    answer.pdu.bindings = vec![(oid(&[25, 3, 5, 1, 1, 1]), Value::Integer(3))];
    let whole = answer.encode();
    for length in 0..whole.len() {
        assert!(Message::decode(&whole[..length]).is_err(), "{length}");
    }
    let longer = [whole.as_slice(), &[0]].concat();
    assert_eq!(Message::decode(&longer), Err(SnmpError::Long));
}

#[test]
fn limits_are_kept() {
    let mut answer = message(Version::V1, PduKind::Response, 7, (0, 0));
    answer.pdu.bindings = vec![(oid(&[1]), Value::Null); BINDINGS_MAX + 1];
    assert_eq!(Message::decode(&answer.encode()), Err(SnmpError::Bindings));
    answer.pdu.bindings = vec![(oid(&[1]), Value::Octets(vec![0; MESSAGE_OCTETS_MAX]))];
    assert_eq!(Message::decode(&answer.encode()), Err(SnmpError::Long));
    answer.pdu.bindings.clear();
    answer.community = vec![b'x'; COMMUNITY_OCTETS_MAX + 1];
    assert_eq!(Message::decode(&answer.encode()), Err(SnmpError::Community));
}

#[test]
fn what_a_manager_has_no_use_for_is_an_error() {
    let plain = message(Version::V1, PduKind::Response, 7, (0, 0)).encode();
    let change = |at: usize, octet| {
        let mut changed = plain.clone();
        changed[at] = octet;
        Message::decode(&changed)
    };
    assert_eq!(change(4, 3), Err(SnmpError::Version));
    assert_eq!(change(13, 0xa4), Err(SnmpError::Tag)); // a trap of version 1
    assert_eq!(change(0, 0x31), Err(SnmpError::Tag));
    assert_eq!(change(15, 0x04), Err(SnmpError::Tag)); // a request id that is a string
}

#[test]
fn a_community_is_not_shown() {
    let shown = format!("{:?}", message(Version::V1, PduKind::Get, 7, (0, 0)));
    assert!(
        !shown.contains("public") && !shown.contains("112"),
        "{shown}"
    );
}
