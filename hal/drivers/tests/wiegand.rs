// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Wiegand decoder on simulated lines.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use platen_drivers::wiegand::format::Format;
use platen_drivers::wiegand::{
    Decoder, Edge, Frame, FrameError, GAP_NS, Line, Outcome, PULSE_MAX_NS, PULSE_MIN_NS,
};
use platen_hal_sim::wiegand::{WiegandTiming, WireEdge, wiegand_bits, wiegand_edges};
use proptest::prelude::*;

fn edge(wire: WireEdge) -> Edge {
    Edge {
        line: if wire.one { Line::D1 } else { Line::D0 },
        low: wire.low,
        at_ns: wire.at_ns,
    }
}

fn fed(decoder: &mut Decoder, edges: &[WireEdge]) -> Vec<Outcome> {
    let taken = edges.iter().filter_map(|wire| decoder.edge(edge(*wire)));
    let mut outcomes: Vec<Outcome> = taken.collect();
    outcomes.extend(decoder.due_ns().and_then(|due| decoder.pass(due)));
    outcomes
}

fn sent(data: u64, count: u8) -> Vec<WireEdge> {
    wiegand_edges(&wiegand_bits(data, count), WiegandTiming::default(), 1_000)
}

fn frame(bits: u64, length: u8) -> Outcome {
    Ok(Frame::new(bits, length).unwrap())
}

const DATA: u64 = 170 << 16 | 31_527;
const BITS: u64 = 0x354_f64e;

#[test]
fn a_published_number_comes_through_the_lines() {
    assert_eq!(
        fed(&mut Decoder::default(), &sent(DATA, 24)),
        [frame(BITS, 26)]
    );
}

#[test]
fn every_format_comes_through_with_every_timing_the_standard_allows() {
    for (pulse_ns, interval_ns) in [(20_000, 200_000), (100_000, 20_000_000), (160_000, 880_000)] {
        let timing = WiegandTiming {
            pulse_ns,
            interval_ns,
        };
        for format in [
            Format::H10301,
            Format::H10306,
            Format::H10304,
            Format::H10302,
        ] {
            let data = 0x1_2345_6789 & ((1 << (format.length() - 2)) - 1);
            let edges = wiegand_edges(&wiegand_bits(data, format.length() - 2), timing, 7);
            let outcomes = fed(&mut Decoder::default(), &edges);
            let [Ok(frame)] = outcomes[..] else {
                panic!("{outcomes:?}");
            };
            assert_eq!(format.decode(frame).unwrap().data, data, "{format:?}");
        }
    }
}

#[test]
fn a_frame_ends_with_silence_and_not_before() {
    let mut decoder = Decoder::default();
    let edges = sent(DATA, 24);
    let last = edges.last().unwrap().at_ns;
    for wire in edges {
        assert_eq!(decoder.edge(edge(wire)), None);
    }
    assert_eq!(decoder.pass(last + GAP_NS - 1), None);
    assert_eq!(decoder.pass(last + GAP_NS), Some(frame(BITS, 26)));
    assert_eq!(decoder.pass(u64::MAX), None);
}

#[test]
fn the_next_frame_s_first_edge_ends_the_one_before_when_nobody_asked() {
    let mut edges = sent(DATA, 24);
    let later = edges.last().unwrap().at_ns + GAP_NS;
    edges.extend(wiegand_edges(&[true; 8], WiegandTiming::default(), later));
    let outcomes = fed(&mut Decoder::default(), &edges);
    assert_eq!(outcomes, [frame(BITS, 26), frame(0xff, 8)]);
}

#[test]
fn a_glitch_is_no_bit_wherever_it_comes() {
    let clean = sent(DATA, 24);
    for at in (0..=clean.len()).step_by(2) {
        for one in [false, true] {
            let mut edges = clean.clone();
            let from = at
                .checked_sub(1)
                .map_or(0, |before| clean[before].at_ns + 300);
            let until = from + PULSE_MIN_NS - 1;
            let low = |low, at_ns| WireEdge { one, low, at_ns };
            edges.splice(at..at, [low(true, from), low(false, until)]);
            if at == 0 {
                edges
                    .iter_mut()
                    .skip(2)
                    .for_each(|edge| edge.at_ns += 20_000);
            }
            let mut decoder = Decoder::default();
            assert_eq!(fed(&mut decoder, &edges), [frame(BITS, 26)], "at {at}");
            assert_eq!(decoder.counters().glitches, 1);
        }
    }
}

#[test]
fn glitches_alone_are_no_frame() {
    let timing = WiegandTiming {
        pulse_ns: PULSE_MIN_NS - 1,
        interval_ns: 300_000,
    };
    let edges = wiegand_edges(&[true; 500], timing, 0);
    assert_eq!(fed(&mut Decoder::default(), &edges), []);
}

#[test]
fn any_lost_edge_spoils_its_frame_or_is_a_missing_bit() {
    let clean = sent(DATA, 24);
    for lost in 0..clean.len() {
        let mut edges = clean.clone();
        edges.remove(lost);
        let outcomes = fed(&mut Decoder::default(), &edges);
        assert_eq!(outcomes.len(), 1, "{lost}");
        assert!(outcomes[0].is_err(), "{lost}: {outcomes:?}");
    }
}

#[test]
fn edges_that_the_kernel_dropped_spoil_their_frame_alone() {
    let mut decoder = Decoder::default();
    let edges = sent(DATA, 24);
    let (before, after) = edges.split_at(20);
    for wire in before {
        decoder.edge(edge(*wire));
    }
    decoder.lost(before.last().unwrap().at_ns + 1);
    assert_eq!(fed(&mut decoder, after), [Err(FrameError::Lost)]);
    let later: Vec<WireEdge> = edges
        .iter()
        .map(|wire| WireEdge {
            at_ns: wire.at_ns + 10 * GAP_NS,
            ..*wire
        })
        .collect();
    assert_eq!(fed(&mut decoder, &later), [frame(BITS, 26)]);
}

#[test]
fn both_lines_low_at_once_is_told_as_such() {
    let low = |one, low, at_ns| WireEdge { one, low, at_ns };
    let edges = [
        low(false, true, 0),
        low(true, true, 10_000),
        low(false, false, 100_000),
        low(true, false, 110_000),
    ];
    assert_eq!(
        fed(&mut Decoder::default(), &edges),
        [Err(FrameError::BothLow)]
    );
}

#[test]
fn a_line_that_is_held_low_is_told_once() {
    let mut decoder = Decoder::default();
    let begin = WireEdge {
        one: true,
        low: true,
        at_ns: 5,
    };
    assert_eq!(fed(&mut decoder, &[begin]), [Err(FrameError::HeldLow)]);
    assert_eq!(decoder.pass(u64::MAX), None);
    let long = WiegandTiming {
        pulse_ns: PULSE_MAX_NS + 1,
        interval_ns: 2 * PULSE_MAX_NS,
    };
    let edges = wiegand_edges(&[true; 26], long, 0);
    assert_eq!(
        fed(&mut Decoder::default(), &edges),
        [Err(FrameError::HeldLow)]
    );
}

#[test]
fn pulses_that_bounce_and_frames_without_end_are_refused() {
    let fast = WiegandTiming {
        pulse_ns: 20_000,
        interval_ns: 60_000,
    };
    let edges = wiegand_edges(&[true; 26], fast, 0);
    assert_eq!(
        fed(&mut Decoder::default(), &edges),
        [Err(FrameError::TooFast)]
    );
    let edges = wiegand_edges(&[true; 10_000], WiegandTiming::default(), 0);
    assert_eq!(
        fed(&mut Decoder::default(), &edges),
        [Err(FrameError::TooLong)]
    );
    let edges = wiegand_edges(&[true; 64], WiegandTiming::default(), 0);
    assert_eq!(fed(&mut Decoder::default(), &edges), [frame(u64::MAX, 64)]);
}

proptest! {
    #[test]
    fn any_edges_give_frames_within_the_limits(
        edges in prop::collection::vec((any::<bool>(), any::<bool>(), 0..2_000_000_u64), 0..300),
        backwards in any::<bool>(),
    ) {
        let mut decoder = Decoder::default();
        let mut at_ns = u64::MAX / 2;
        for (one, low, step) in edges {
            at_ns = if backwards && step % 7 == 0 { at_ns - step } else { at_ns + step };
            if let Some(Ok(frame)) = decoder.edge(edge(WireEdge { one, low, at_ns })) {
                prop_assert!(frame.length() <= 64);
            }
        }
        let _ = decoder.pass(u64::MAX);
        prop_assert_eq!(decoder.due_ns(), None);
    }

    #[test]
    fn any_number_comes_through(data in any::<u64>(), count in 1..=62_u8) {
        let data = data & ((1 << count) - 1);
        let outcomes = fed(&mut Decoder::default(), &sent(data, count));
        prop_assert_eq!(outcomes.len(), 1);
        let frame = outcomes[0].unwrap();
        prop_assert_eq!(frame.length(), count + 2);
        prop_assert_eq!(frame.bits() >> 1 & ((1 << count) - 1), data);
    }
}
