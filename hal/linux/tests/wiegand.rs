// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The Wiegand reader on edges as the kernel hands them over, with a clock of their own.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use platen_hal::{CardReader, CardUid, PanelSignal, ReaderError};
use platen_hal_linux::lines::{EdgeSource, LineEdge, LineError};
use platen_hal_linux::wiegand::WiegandReader;
use platen_hal_sim::gpiolib::handed_over;
use platen_hal_sim::wiegand::{WiegandTiming, WireEdge, wiegand_bits, wiegand_edges};
use platen_hal_sim::{PinProbe, SimPin};

const MS: u64 = 1_000_000;
/// Edges taken at once, as from the kernel.
const AT_ONCE: usize = 64;
/// 170 / 31527, XPR BIOC3 manual p. 17.
const DATA: u64 = 170 << 16 | 31_527;

/// Two lines with a tape of edges, whose clock goes on when somebody waits.
#[derive(Clone, Default)]
struct Tape(Arc<Mutex<Recording>>);

#[derive(Default)]
struct Recording {
    now_ns: u64,
    edges: Vec<LineEdge>,
    taken: usize,
    held_low: Option<usize>,
    gone: bool,
    opened: u32,
}

impl Tape {
    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap()
    }

    /// What the reader sends now, at `latency` from each edge to what the kernel does about it.
    fn send(&self, bits: &[bool], latency_ns: u64) {
        let timing = WiegandTiming::default();
        let mut tape = self.lock();
        let wire = wiegand_edges(bits, timing, tape.now_ns + MS);
        let before = tape.edges.last().map_or(0, |edge| edge.number);
        tape.edges.extend(line_edges(&wire, before, latency_ns));
    }

    fn reader(&self, format: &str) -> WiegandReader<Self, platen_drivers::NoPin> {
        WiegandReader::on_source(self.opener(), format.parse().unwrap())
    }

    fn opener(&self) -> impl FnMut() -> Result<Self, LineError> + Send + 'static {
        let tape = self.clone();
        move || {
            let mut state = tape.lock();
            state.opened += 1;
            if state.gone {
                return Err(LineError::Gone);
            }
            // A new request counts from 1, and knows nothing of what was before.
            let taken = state.taken;
            state.edges.drain(..taken);
            state.taken = 0;
            for (edge, number) in state.edges.iter_mut().zip(1..) {
                edge.number = number;
            }
            drop(state);
            Ok(tape.clone())
        }
    }
}

fn line_edges(wire: &[WireEdge], before: u32, latency_ns: u64) -> Vec<LineEdge> {
    let handed = handed_over(wire, || latency_ns);
    let edge = |edge: platen_hal_sim::gpiolib::KernelEdge| LineEdge {
        line: usize::from(edge.one),
        high: !edge.low,
        at_ns: edge.at_ns,
        number: before + edge.number,
    };
    handed.into_iter().map(edge).collect()
}

impl EdgeSource for Tape {
    fn wait(&mut self, limit: Duration) -> Result<bool, LineError> {
        let mut tape = self.lock();
        if tape.gone {
            return Err(LineError::Gone);
        }
        let until = tape.now_ns + u64::try_from(limit.as_nanos()).unwrap();
        let next = tape.edges.get(tape.taken).map(|edge| edge.at_ns);
        let ready = next.is_some_and(|at_ns| at_ns <= until);
        tape.now_ns = tape.now_ns.max(next.filter(|_| ready).unwrap_or(until));
        Ok(ready)
    }

    fn take(&mut self) -> Result<Vec<LineEdge>, LineError> {
        let mut tape = self.lock();
        let (now_ns, taken) = (tape.now_ns, tape.taken);
        let due = |edge: &&LineEdge| edge.at_ns <= now_ns;
        let edges = tape.edges[taken..].iter().take_while(due).take(AT_ONCE);
        let edges: Vec<LineEdge> = edges.copied().collect();
        tape.taken += edges.len();
        Ok(edges)
    }

    fn is_high(&self, line: usize) -> Result<bool, LineError> {
        Ok(self.lock().held_low != Some(line))
    }

    fn now_ns(&self) -> u64 {
        self.lock().now_ns
    }
}

fn card_26() -> CardUid {
    CardUid::new(&[0, 170, 0x7b, 0x27]).unwrap()
}

/// Looks until there is something to say, ten times at most.
fn looks<S: EdgeSource, P: embedded_hal::digital::OutputPin + Send>(
    reader: &mut WiegandReader<S, P>,
) -> Result<Option<CardUid>, ReaderError> {
    (0..10)
        .map(|_| reader.poll())
        .find(|look| *look != Ok(None))
        .unwrap_or(Ok(None))
}

fn cause(look: Result<Option<CardUid>, ReaderError>) -> &'static str {
    match look {
        Err(ReaderError::Garbled { cause }) => cause,
        Err(ReaderError::Gone { cause }) => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_published_number_is_a_card_and_each_sending_counts_once() {
    let tape = Tape::default();
    let mut reader = tape.reader("wiegand=26");
    reader.start().unwrap();
    assert!(reader.waits());
    for _ in 0..3 {
        tape.send(&wiegand_bits(DATA, 24), 0);
        assert_eq!(looks(&mut reader), Ok(Some(card_26())));
        assert_eq!(looks(&mut reader), Ok(None));
    }
    assert_eq!(reader.trace().unwrap().counters.cards, 3);
}

#[test]
fn two_cards_right_behind_each_other_are_two() {
    let tape = Tape::default();
    let mut reader = tape.reader("wiegand=26");
    reader.start().unwrap();
    tape.send(&wiegand_bits(DATA, 24), 0);
    tape.lock().now_ns += 60 * MS;
    tape.send(&wiegand_bits(1 << 16 | 1, 24), 0);
    assert_eq!(looks(&mut reader), Ok(Some(card_26())));
    let second = CardUid::new(&[0, 1, 0, 1]).unwrap();
    assert_eq!(looks(&mut reader), Ok(Some(second)));
}

#[test]
fn a_look_without_a_card_takes_its_limit_and_no_longer() {
    let tape = Tape::default();
    let mut reader = tape.reader("wiegand=26");
    reader.start().unwrap();
    assert_eq!(reader.poll(), Ok(None));
    assert_eq!(tape.lock().now_ns, 200 * MS);
}

#[test]
fn a_frame_that_two_looks_share_is_whole() {
    let tape = Tape::default();
    let mut reader = tape.reader("wiegand=26");
    reader.start().unwrap();
    let wire = wiegand_edges(&wiegand_bits(DATA, 24), WiegandTiming::default(), 190 * MS);
    tape.lock().edges = line_edges(&wire, 0, 0);
    assert_eq!(reader.poll(), Ok(None));
    assert_eq!(reader.poll(), Ok(Some(card_26())));
}

#[test]
fn a_busy_kernel_s_merged_edges_are_the_same_card() {
    let tape = Tape::default();
    let mut reader = tape.reader("wiegand=26");
    reader.start().unwrap();
    tape.send(&wiegand_bits(DATA, 24), 150_000);
    assert_eq!(looks(&mut reader), Ok(Some(card_26())));
}

#[test]
fn lost_edges_refuse_the_frame_and_the_next_one_is_read() {
    let tape = Tape::default();
    let mut reader = tape.reader("wiegand=26");
    reader.start().unwrap();
    tape.send(&wiegand_bits(DATA, 24), 0);
    tape.lock().edges.drain(7..13);
    assert_eq!(cause(looks(&mut reader)), "edges were lost");
    tape.send(&wiegand_bits(DATA, 24), 0);
    assert_eq!(looks(&mut reader), Ok(Some(card_26())));
    assert_eq!(reader.trace().unwrap().counters.garbled, 1);
}

#[test]
fn a_wrong_parity_length_or_facility_is_told_and_is_no_card() {
    let mut flipped = wiegand_bits(DATA, 24);
    flipped[5] = !flipped[5];
    let cases = [
        ("wiegand=26", flipped, "parity is wrong"),
        (
            "wiegand=34",
            wiegand_bits(DATA, 24),
            "frame has another length than the format",
        ),
        (
            "wiegand=26 facility=171",
            wiegand_bits(DATA, 24),
            "card of another facility",
        ),
    ];
    for (format, bits, expected) in cases {
        let tape = Tape::default();
        let mut reader = tape.reader(format);
        reader.start().unwrap();
        tape.send(&bits, 0);
        assert_eq!(cause(looks(&mut reader)), expected);
        assert_eq!(looks(&mut reader), Ok(None));
    }
}

#[test]
fn a_line_that_is_held_low_is_a_reader_that_is_gone_until_it_is_let_go() {
    let tape = Tape::default();
    tape.lock().held_low = Some(1);
    let mut reader = tape.reader("wiegand=26");
    let held = "a data line is held low";
    assert_eq!(cause(reader.start().map(|()| None)), held);
    assert_eq!(cause(reader.poll()), "data lines are not open");
    tape.lock().held_low = None;
    reader.start().unwrap();
    tape.send(&[true], 0);
    tape.lock().edges.pop(); // it does not come up again
    tape.lock().held_low = Some(1);
    assert_eq!(cause(looks(&mut reader)), held);
    tape.lock().held_low = None;
    reader.start().unwrap();
    tape.send(&wiegand_bits(DATA, 24), 0);
    assert_eq!(looks(&mut reader), Ok(Some(card_26())));
}

#[test]
fn noise_without_end_is_a_reader_that_is_gone_whose_lines_are_let_go() {
    let tape = Tape::default();
    let mut reader = tape.reader("wiegand=26");
    reader.start().unwrap();
    let timing = WiegandTiming {
        pulse_ns: 20_000,
        interval_ns: 60_000,
    };
    let start_ns = tape.now_ns();
    let wire = wiegand_edges(&[true; 5_000], timing, start_ns);
    tape.lock().edges = line_edges(&wire, 0, 0);
    let noise = "data lines pick up noise without end";
    assert_eq!(cause(looks(&mut reader)), noise);
    assert_eq!(cause(reader.poll()), "data lines are not open");
    assert!(tape.now_ns() < start_ns + 200 * MS);
    let quiet = wire.last().unwrap().at_ns + 100 * MS;
    let mut state = tape.lock();
    state.now_ns = quiet;
    state.taken = state.edges.len();
    drop(state);
    reader.start().unwrap();
    tape.send(&wiegand_bits(DATA, 24), 0);
    assert_eq!(looks(&mut reader), Ok(Some(card_26())));
}

#[test]
fn a_chip_that_goes_is_a_reader_that_is_gone_and_comes_back() {
    let tape = Tape::default();
    let mut reader = tape.reader("wiegand=26");
    reader.start().unwrap();
    tape.lock().gone = true;
    assert_eq!(cause(reader.poll()), "GPIO chip is gone");
    assert_eq!(cause(reader.start().map(|()| None)), "GPIO chip is gone");
    tape.lock().gone = false;
    reader.start().unwrap();
    tape.send(&wiegand_bits(DATA, 24), 0);
    assert_eq!(looks(&mut reader), Ok(Some(card_26())));
    assert_eq!(tape.lock().opened, 3);
}

fn with_lamp(tape: &Tape) -> (WiegandReader<Tape, SimPin>, PinProbe, PinProbe) {
    let (led, led_probe) = SimPin::new();
    let (beep, beep_probe) = SimPin::new();
    let format = "wiegand=26".parse().unwrap();
    let reader = WiegandReader::on(tape.opener(), format, led, beep);
    (reader, led_probe, beep_probe)
}

#[test]
fn the_reader_s_own_lamp_and_buzzer_show_the_signal() {
    let tape = Tape::default();
    let (mut reader, led, beep) = with_lamp(&tape);
    reader.start().unwrap();
    assert_eq!(reader.poll(), Ok(None));
    assert!(led.is_high() && !beep.is_high());
    reader.show(PanelSignal::UnknownCard);
    for _ in 0..10 {
        assert_eq!(reader.poll(), Ok(None));
    }
    assert!(!led.is_high());
    assert_eq!(beep.changes(), 6, "three short tones");
    reader.show(PanelSignal::Accepted);
    tape.send(&wiegand_bits(DATA, 24), 0);
    assert_eq!(looks(&mut reader), Ok(Some(card_26())));
    assert!(led.changes() > 1 && beep.changes() > 6);
}
