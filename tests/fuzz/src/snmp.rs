// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Datagrams of SNMP agents: `platen_wire::snmp`, and whole interviews with agents that answer
//! anything: `platen_wire::printer_mib`.

use platen_wire::printer_mib::{Depth, Interview, REQUESTS_MAX, ROWS_MAX};
use platen_wire::snmp::{Message, Version};

/// Reads a datagram, and lets what it says be the answer to every question of an interview, its
/// names moved below what was asked.
///
/// # Panics
/// When a message is not read back as it was written, or an interview goes past its limits.
pub fn snmp_message(data: &[u8]) {
    let Ok(message) = Message::decode(data) else {
        return;
    };
    assert_eq!(Message::decode(&message.encode()).as_ref(), Ok(&message));
    for version in [Version::V1, Version::V2c] {
        for follows in [false, true] {
            interview(version, &message, follows);
        }
    }
}

/// With `follows` each name is one that may follow the question, so that values get through.
fn interview(version: Version, message: &Message, follows: bool) {
    let mut interview = Interview::new(version, Depth::Status);
    let mut asked = 0;
    while let Some(question) = interview.request(1) {
        asked += 1;
        assert!(asked <= REQUESTS_MAX);
        let mut answer = message.pdu.clone();
        if follows {
            let names = question.bindings.iter().cycle();
            for ((name, _), (wanted, _)) in answer.bindings.iter_mut().zip(names) {
                let index = [&[1, 1, 1][..], &[u32::try_from(asked).unwrap_or(0)]].concat();
                let entry = wanted.arcs().get(..11).unwrap_or(wanted.arcs());
                if let Some(moved) = platen_wire::snmp::Oid::below(entry, &index) {
                    *name = moved;
                }
            }
        }
        interview.answer(&answer);
    }
    let facts = interview.into_facts();
    assert!(facts.alerts.len() <= ROWS_MAX && facts.supplies.len() <= ROWS_MAX);
    let reasons = facts.reasons();
    assert_eq!(
        facts.is_ready(),
        !reasons.iter().any(|word| word.ends_with("-error"))
    );
}
