// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Wiegand decoder on simulated lines.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use platen_drivers::wiegand::format::Format;
use platen_drivers::wiegand::record::{EDGES_MAX, NumberedEdge, Recorder};
use platen_drivers::wiegand::{
    Decoder, Edge, Frame, FrameError, GAP_NS, Line, Outcome, PULSE_MAX_NS, PULSE_MIN_NS,
};
use platen_hal_sim::gpiolib::{KernelEdge, handed_over};
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

fn numbered(edge: KernelEdge) -> NumberedEdge {
    let KernelEdge {
        one, low, at_ns, ..
    } = edge;
    NumberedEdge {
        edge: self::edge(WireEdge { one, low, at_ns }),
        number: edge.number,
    }
}

fn recorded(recorder: &mut Recorder, edges: &[KernelEdge]) -> Vec<Outcome> {
    edges.iter().for_each(|edge| recorder.edge(numbered(*edge)));
    let mut outcomes = Vec::new();
    while let Some(outcome) = recorder.pass(u64::MAX) {
        if outcome.is_err() {
            recorder.resume();
        }
        outcomes.push(outcome);
    }
    outcomes
}

fn quick(edges: &[WireEdge]) -> Vec<KernelEdge> {
    handed_over(edges, || 0)
}

#[test]
fn edges_of_the_kernel_in_any_order_give_the_frame() {
    let mut edges = quick(&sent(DATA, 24));
    edges.reverse();
    let mut recorder = Recorder::default();
    assert_eq!(recorded(&mut recorder, &edges), [frame(BITS, 26)]);
    assert_eq!((recorder.counters().frames, recorder.merged()), (1, 0));
    assert_eq!(recorder.due_ns(), None);
}

#[test]
fn pulses_that_the_kernel_gives_as_one_edge_are_whole_pulses() {
    let merged = handed_over(&sent(DATA, 24), || 150_000);
    assert_eq!(merged.len(), 26);
    let mut recorder = Recorder::default();
    assert_eq!(recorded(&mut recorder, &merged), [frame(BITS, 26)]);
    assert_eq!(recorder.merged(), 26);
}

#[test]
fn an_edge_that_is_missing_spoils_its_frame_and_the_next_one_is_whole() {
    let first = sent(DATA, 24);
    let later = first.last().unwrap().at_ns + 2 * GAP_NS;
    let second = wiegand_edges(&[true; 8], WiegandTiming::default(), later);
    let all = quick(&[first.clone(), second].concat());
    for missing in 0..first.len() {
        let mut edges = all.clone();
        edges.remove(missing);
        let outcomes = recorded(&mut Recorder::default(), &edges);
        let whole = outcomes[0] == frame(BITS, 26);
        // The begin of a pulse alone is what a busy kernel leaves out, and is known.
        assert_eq!(whole, missing % 2 == 0, "edge {missing}: {outcomes:?}");
        // Between two frames, nobody knows which of them misses it.
        let next = match missing {
            51 => Err(FrameError::Lost),
            _ => frame(0xff, 8),
        };
        assert_eq!(outcomes[1..], [next], "edge {missing}");
    }
}

#[test]
fn runs_of_missing_edges_spoil_the_frame() {
    let all = quick(&sent(DATA, 24));
    for from in 0..all.len() - 1 {
        for count in 2..=8.min(all.len() - 1 - from) {
            let mut edges = all.clone();
            edges.drain(from..from + count);
            let outcomes = recorded(&mut Recorder::default(), &edges);
            assert!(
                matches!(outcomes[..], [Err(_)]),
                "{from}, {count}: {outcomes:?}"
            );
        }
    }
}

#[test]
fn a_frame_whose_first_edges_were_lost_is_no_shorter_frame() {
    let all = quick(&sent(DATA, 24));
    for count in (2..all.len()).step_by(2) {
        let outcomes = recorded(&mut Recorder::default(), &all[count..]);
        assert_eq!(outcomes, [Err(FrameError::Lost)], "{count}");
    }
}

#[test]
fn numbers_that_come_twice_and_rises_behind_a_whole_pulse_spoil_the_frame() {
    let all = quick(&sent(DATA, 24));
    for at in 0..all.len() {
        let mut edges = all.clone();
        edges.insert(at, all[at]);
        let outcomes = recorded(&mut Recorder::default(), &edges);
        assert!(matches!(outcomes[..], [Err(_)]), "{at}: {outcomes:?}");
    }
    let mut edges = handed_over(&sent(DATA, 24), || 150_000);
    for later in edges.iter_mut().skip(5) {
        later.number += 1;
    }
    let at_ns = edges[4].at_ns + 4_000;
    let number = edges[4].number + 1;
    edges.insert(
        5,
        KernelEdge {
            at_ns,
            number,
            ..edges[4]
        },
    );
    let outcomes = recorded(&mut Recorder::default(), &edges);
    assert_eq!(outcomes, [Err(FrameError::Lost)]);
}

/// As a guest with simulated lines gave them: the kernel's thread waited for the level.
#[test]
fn a_begin_that_comes_with_its_end_s_number_is_a_whole_pulse_with_it() {
    let mut edges = quick(&sent(DATA, 24));
    for pulse in edges.chunks_exact_mut(2).step_by(3) {
        (pulse[0].number, pulse[0].low) = (pulse[1].number, false);
    }
    let mut recorder = Recorder::default();
    assert_eq!(recorded(&mut recorder, &edges), [frame(BITS, 26)]);
    let third = edges[1];
    edges.insert(1, third); // three of one number are not known
    let outcomes = recorded(&mut Recorder::default(), &edges);
    assert_eq!(outcomes, [Err(FrameError::Lost)]);
}

#[test]
fn the_kernel_s_count_may_wrap_around_between_two_edges() {
    let mut recorder = Recorder::default();
    let mut edges = quick(&sent(DATA, 24));
    let start = u32::MAX - 20;
    let lone = KernelEdge {
        number: start,
        ..edges[1]
    };
    assert_eq!(recorded(&mut recorder, &[lone]), [Err(FrameError::Lost)]);
    for edge in &mut edges {
        edge.number = edge.number.wrapping_add(start);
    }
    assert_eq!(recorded(&mut recorder, &edges), [frame(BITS, 26)]);
}

#[test]
fn noise_without_end_is_one_spoiled_frame_and_the_card_after_it_is_read() {
    let noise = wiegand_edges(&[true; 5_000], WiegandTiming::default(), 1_000);
    assert!(noise.len() > EDGES_MAX);
    let later = noise.last().unwrap().at_ns + 2 * GAP_NS;
    let card = wiegand_edges(&wiegand_bits(DATA, 24), WiegandTiming::default(), later);
    let edges = quick(&[noise.clone(), card].concat());
    let (before, after) = edges.split_at(noise.len());
    let mut recorder = Recorder::default();
    assert_eq!(recorded(&mut recorder, before), [Err(FrameError::TooLong)]);
    assert_eq!(recorded(&mut recorder, after), [frame(BITS, 26)]);
}

proptest! {
    #[test]
    fn a_busy_kernel_gives_the_frame_or_an_error_but_never_another_frame(
        data in any::<u64>(),
        latencies in prop::collection::vec(0..1_000_000_u64, 1..40),
        scale in 0..7_u32,
        pulse_ns in 20_000..200_000_u64,
        interval in 2..12_u64,
    ) {
        let timing = WiegandTiming { pulse_ns, interval_ns: pulse_ns * interval };
        let data = data & 0xff_ffff;
        let edges = wiegand_edges(&wiegand_bits(data, 24), timing, 1_000);
        let mut turn = latencies.iter().cycle();
        let handed = handed_over(&edges, || turn.next().map_or(0, |ns| ns >> (2 * scale)));
        let sent = wiegand_bits(data, 24).iter().fold(0, |sum, bit| sum << 1 | u64::from(*bit));
        for frame in recorded(&mut Recorder::default(), &handed).into_iter().flatten() {
            let right = (frame.length(), frame.bits()) == (26, sent);
            prop_assert!(right, "another frame");
        }
    }

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
