// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What must hold of every message and of every input: encoding and decoding undo each other, and
//! the pieces in which octets come make no difference.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use platen_wire::ipp::{DecodeError, Decoder, Limits, Message, Progress, decode};
use proptest::prelude::*;

mod messages;

/// Decodes octets given in pieces of these lengths, over and over.
fn in_pieces(octets: &[u8], lengths: &[usize]) -> Result<(Message, usize), DecodeError> {
    let mut decoder = Decoder::new(Limits::REQUEST);
    let mut rest = octets;
    for length in lengths.iter().cycle() {
        let (piece, later) = rest.split_at((*length).min(rest.len()));
        match decoder.push(piece)? {
            Progress::Done { message, consumed } => {
                return Ok((message, octets.len() - rest.len() + consumed));
            }
            Progress::NeedMore if later.is_empty() => break,
            Progress::NeedMore => rest = later,
        }
    }
    Err(decoder.truncated())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_message_is_what_it_was_after_the_wire(message in messages::message(), data: Vec<u8>) {
        let mut octets = message.encode().unwrap();
        octets.extend(&data);
        let (read, rest) = decode(&octets, Limits::REQUEST).unwrap();
        prop_assert_eq!(read, message);
        prop_assert_eq!(rest, data);
    }

    #[test]
    fn pieces_make_no_difference(
        message in messages::message(),
        lengths in prop::collection::vec(1..50_usize, 1..10),
        spoiled in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut octets = message.encode().unwrap();
        if let Some((at, octet)) = spoiled {
            let at = at.index(octets.len());
            octets[at] = octet;
        }
        let whole = decode(&octets, Limits::REQUEST);
        let whole = whole.map(|(message, rest)| (message, octets.len() - rest.len()));
        prop_assert_eq!(in_pieces(&octets, &lengths), whole);
    }

    #[test]
    fn whatever_is_read_without_a_fault_is_written_the_same(octets: Vec<u8>, spoil: Vec<u8>) {
        for input in [octets, [b"\x02\x00\x00\x0b\x00\x00\x00\x01\x01".as_slice(), &spoil].concat()]
        {
            if let Ok((message, rest)) = decode(&input, Limits::REQUEST)
                && message.faults.is_empty()
            {
                let head = &input[..input.len() - rest.len()];
                prop_assert_eq!(message.encode().unwrap(), head);
            }
        }
    }
}
