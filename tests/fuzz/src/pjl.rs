// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers of printers: `platen_wire::pjl`.

use platen_wire::pjl::{Answer, AnswerReader, echo_request};

/// Reads answers, whole and in pieces of three octets, and maps what they say.
///
/// # Panics
/// When the pieces make a difference.
pub fn pjl_status(data: &[u8]) {
    let whole = AnswerReader::new().push(data);
    let mut reader = AnswerReader::new();
    let pieced: Vec<_> = data
        .chunks(3)
        .flat_map(|piece| reader.push(piece))
        .collect();
    assert_eq!(pieced, whole);
    for answer in whole {
        match answer {
            Answer::Status(status) => assert!(status.is_ready() || !status.reasons().is_empty()),
            Answer::Echo(words) => {
                let request = echo_request(&words);
                assert!(request.is_none_or(|request| request.len() == words.len() + 30));
            }
            _ => {}
        }
    }
}
