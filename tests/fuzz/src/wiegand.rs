// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Edges on the lines of a Wiegand reader: `platen_drivers::wiegand`.

use platen_drivers::wiegand::format::Format;
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
                line: if flags & 0x01 == 0 {
                    Line::D0
                } else {
                    Line::D1
                },
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
