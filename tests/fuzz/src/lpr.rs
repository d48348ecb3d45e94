// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers of a print server to a job sent by LPR: `platen_wire::lpr`.

use platen_wire::lpr::{Delivery, Next, Stage};

/// Octets that stand for the queue's name; the rest are the server's answers.
const QUEUE_OCTETS: usize = 8;

/// Sends a job as far as the answers let it.
///
/// # Panics
/// When a job counts as taken without five acknowledgements, the document is sent before four, or
/// more than one line is said at once.
pub fn lpr_ack(data: &[u8]) {
    let (queue, answers) = data.split_at(data.len().min(QUEUE_OCTETS));
    let queue = String::from_utf8_lossy(queue);
    let Some(mut delivery) = Delivery::new(&queue, 7, 1234) else {
        return;
    };
    for (before, answer) in answers.iter().enumerate() {
        let says = delivery.say();
        let lines = says.iter().filter(|octet| **octet == b'\n').count();
        assert!(!says.is_empty() && (lines == 1 || says.ends_with(&[0])));
        match delivery.answered(*answer) {
            Ok(next) => {
                assert_eq!(*answer, 0);
                assert_eq!(next == Next::Body, before == 3);
                assert_eq!(next == Next::End, before >= 4);
                if next == Next::End {
                    return;
                }
            }
            Err(refusal) => {
                assert!(*answer != 0 && refusal.answer == *answer);
                assert!(refusal.stage != Stage::Data || before >= 4);
                assert!(!refusal.reason().is_empty());
                return;
            }
        }
    }
    assert!(answers.len() < 5, "five acknowledgements end it");
}
