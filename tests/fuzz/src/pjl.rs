// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers of printers: `platen_wire::pjl`, and what they come to for a job:
//! `platen_wire::pjl_report`.

use platen_wire::pjl::{Answer, AnswerReader, echo_request};
use platen_wire::pjl_report::{Heard, JobReport};

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
    job_report(data);
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

/// A job's report is the same however the talk is cut, and counts nothing before the job's start.
fn job_report(data: &[u8]) {
    let heads: [&[u8]; 2] = [b"%PDF-1.7", b"\x1b%-12345X@PJL JOB\r\n"];
    for head in heads {
        let Some(mut whole) = JobReport::new(7, head, "application/pdf") else {
            continue;
        };
        let Some(mut pieced) = JobReport::new(7, head, "application/pdf") else {
            continue;
        };
        let moved = whole.hear(data);
        let mut moves = data.chunks(3).filter(|piece| pieced.hear(piece));
        assert_eq!(moves.by_ref().count() > 0, moved);
        assert_eq!(pieced.heard(), whole.heard());
        assert_eq!(pieced.counted(), whole.counted());
        assert!(whole.counted().is_none() || whole.heard() >= Heard::Start);
        let opening = whole.opening();
        assert!(opening.len() < 512 && opening.is_ascii());
    }
}
