// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Edges on the lines of a Wiegand reader: `platen_drivers::wiegand`.

use platen_drivers::wiegand::format::Format;
use platen_drivers::wiegand::record::{NumberedEdge, Recorder};
use platen_drivers::wiegand::{BITS_MAX, Decoder, Edge, Line, Outcome};
use platen_hal_sim::wiegand::wiegand_bits;

const FORMATS: [Format; 4] = [
    Format::H10301,
    Format::H10306,
    Format::H10304,
    Format::H10302,
];

/// Three octets are an edge: line, direction and whether the kernel lost some, then the time since
/// the one before.
///
/// # Panics
/// When a frame is too long, is more than its pulses, or a number is not the frame's.
pub fn wiegand(data: &[u8]) {
    decoded(data);
    recorded(data);
}

/// The same edges with numbers, some of them wrong, out of order, or missing.
fn recorded(data: &[u8]) {
    let mut recorder = Recorder::default();
    let (mut at_ns, mut number, mut edges) = (0_u64, 0_u32, 0_usize);
    for octets in data.chunks_exact(3) {
        let [flags, coarse, fine] = *octets else {
            return;
        };
        at_ns += u64::from(coarse) * 110_000 + u64::from(fine) * 500;
        number = match flags & 0x38 {
            0x38 => number.wrapping_sub(u32::from(flags >> 6)),
            0x30 => number.wrapping_add(u32::from(flags)),
            _ => number.wrapping_add(1),
        };
        edges += 1;
        let edge = Edge {
            line: line(flags),
            low: flags & 0x02 != 0,
            at_ns,
        };
        recorder.edge(NumberedEdge { edge, number });
        if flags & 0x04 == 0 {
            continue;
        }
        while let Some(outcome) = recorder.pass(at_ns) {
            if outcome.is_err() {
                recorder.resume();
            }
            check(Some(outcome), edges);
        }
    }
    for _ in 0..=edges {
        let Some(outcome) = recorder.pass(u64::MAX) else {
            break;
        };
        check(Some(outcome), edges);
    }
    assert_eq!(recorder.due_ns(), None, "a frame that does not end");
}

fn line(flags: u8) -> Line {
    if flags & 0x01 == 0 {
        Line::D0
    } else {
        Line::D1
    }
}

fn decoded(data: &[u8]) {
    let mut decoder = Decoder::default();
    let (mut at_ns, mut falls) = (0_u64, 0_usize);
    for octets in data.chunks_exact(3) {
        let [flags, coarse, fine] = *octets else {
            return;
        };
        let step = u64::from(coarse) * 110_000 + u64::from(fine) * 500;
        at_ns = match flags & 0xf0 {
            0xf0 => at_ns.saturating_sub(step),
            _ => at_ns + step,
        };
        let low = flags & 0x02 != 0;
        falls += usize::from(low);
        let outcome = match flags & 0x0c {
            0x0c => decoder.lost(at_ns),
            _ => decoder.edge(Edge {
                line: line(flags),
                low,
                at_ns,
            }),
        };
        check(outcome, falls);
    }
    check(decoder.pass(u64::MAX), falls);
    assert_eq!(decoder.due_ns(), None, "a frame that does not end");
}

fn check(outcome: Option<Outcome>, falls: usize) {
    let Some(Ok(frame)) = outcome else {
        return;
    };
    assert!((1..=BITS_MAX).contains(&frame.length()));
    assert!(
        usize::from(frame.length()) <= falls,
        "more bits than pulses"
    );
    for format in FORMATS {
        if let Ok(number) = format.decode(frame) {
            let bits = wiegand_bits(number.data, number.data_bits);
            let sent = bits.iter().fold(0, |sum, bit| sum << 1 | u64::from(*bit));
            assert_eq!(sent, frame.bits(), "{format:?}");
        }
    }
}
