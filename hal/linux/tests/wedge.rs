// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The reader that types, on keys and a clock that a test gives. A keyboard of the kernel's types in
//! `tests/guests/plugged.rs`.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use platen_drivers::number::NumberFormat;
use platen_drivers::wedge::{Ending, SILENCE_NS};
use platen_hal::{CardReader, CardUid, ReaderError};
use platen_hal_linux::wedge::{KEYS_MAX, KeyEvent, KeySource, POLL_LIMIT, WedgeError, WedgeReader};

const ENTER: u16 = 28;
const CARD: &str = "04a1b2c3";

/// A keyboard of which a test is the kernel. Clones are one keyboard.
#[derive(Clone, Default)]
struct Desk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now_ns: u64,
    /// What comes at which time.
    coming: VecDeque<(u64, Vec<KeyEvent>)>,
    /// Answers that opening gives before it works.
    closed: VecDeque<WedgeError>,
    gone: bool,
    /// The thread gets no time for so long, behind the next take.
    late_ns: u64,
    waited: Duration,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn reader(&self, format: &str, ending: Ending) -> WedgeReader<Self> {
        let desk = self.clone();
        let open = move || {
            let mut state = desk.lock();
            match state.closed.pop_front() {
                Some(error) => Err(error),
                None if state.gone => Err(WedgeError::NotFound),
                None => Ok(desk.clone()),
            }
        };
        WedgeReader::on(open, format.parse::<NumberFormat>().unwrap(), ending)
    }

    fn started(&self) -> WedgeReader<Self> {
        let mut reader = self.reader("hex", Ending::Key);
        reader.start().unwrap();
        reader
    }

    /// Types a text from now on, a key each 10 ms; when it is done.
    fn types(&self, text: &str) -> u64 {
        let mut state = self.lock();
        let mut at_ns = state.now_ns;
        for code in text.chars().map(code).chain([ENTER]) {
            for value in [1, 0] {
                at_ns += 5_000_000;
                let key = KeyEvent::Key { code, value, at_ns };
                state.coming.push_back((at_ns, vec![key]));
            }
        }
        at_ns
    }
}

impl KeySource for Desk {
    fn wait(&mut self, limit: Duration) -> Result<bool, WedgeError> {
        let mut state = self.lock();
        if state.gone {
            return Err(WedgeError::Gone);
        }
        let limit_ns = u64::try_from(limit.as_nanos()).unwrap();
        let end_ns = state.now_ns + limit_ns;
        let next = state.coming.front().map_or(u64::MAX, |(at, _)| *at);
        let before = state.now_ns;
        state.now_ns = next.min(end_ns).max(before);
        let passed_ns = state.now_ns - before;
        state.waited += Duration::from_nanos(passed_ns);
        Ok(next <= state.now_ns)
    }

    fn take(&mut self) -> Result<Vec<KeyEvent>, WedgeError> {
        let mut state = self.lock();
        let now_ns = state.now_ns;
        let mut taken = Vec::new();
        while let Some((_, events)) = state.coming.pop_front_if(|(at, _)| *at <= now_ns) {
            taken.extend(events);
        }
        state.now_ns += std::mem::take(&mut state.late_ns);
        Ok(taken)
    }

    fn now_ns(&self) -> u64 {
        self.lock().now_ns
    }
}

fn code(character: char) -> u16 {
    let rows = [
        (2, "1234567890"),
        (16, "qwertyuiop"),
        (30, "asdfghjkl"),
        (44, "zxcvbnm"),
    ];
    let found = rows.iter().find_map(|(first, row)| {
        let at = row.chars().position(|other| other == character)?;
        Some(first + u16::try_from(at).unwrap())
    });
    found.unwrap()
}

fn card() -> CardUid {
    CardUid::from_hex(CARD).unwrap()
}

/// Polls until something comes; how often it took, at most `rounds`.
fn next(reader: &mut impl CardReader, rounds: usize) -> Result<Option<CardUid>, ReaderError> {
    for _ in 0..rounds {
        match reader.poll() {
            Ok(None) => {}
            other => return other,
        }
    }
    Ok(None)
}

#[test]
fn a_card_is_read_once_and_each_poll_keeps_its_limit() {
    let desk = Desk::default();
    let mut reader = desk.started();
    assert!(reader.waits());
    assert_eq!(reader.poll(), Ok(None));
    assert_eq!(desk.lock().waited, POLL_LIMIT);
    for _ in 0..3 {
        desk.types(CARD);
        assert_eq!(next(&mut reader, 2), Ok(Some(card())));
        assert_eq!(reader.poll(), Ok(None));
    }
    assert!(POLL_LIMIT < Duration::from_millis(300));
}

#[test]
fn two_cards_that_come_in_one_moment_are_both_read() {
    let desk = Desk::default();
    let mut reader = desk.started();
    desk.types(CARD);
    let end_ns = desk.types("01020304");
    // The thread was busy with something else all the time.
    desk.lock().now_ns = end_ns;
    assert_eq!(reader.poll(), Ok(Some(card())));
    assert_eq!(reader.poll(), Ok(CardUid::new(&[1, 2, 3, 4])));
    assert_eq!(reader.poll(), Ok(None));
}

#[test]
fn a_late_thread_does_not_cut_a_text_in_two() {
    let desk = Desk::default();
    let mut reader = desk.started();
    desk.types(CARD);
    // Right behind the first key; the others come in time, but nobody looks before much later.
    desk.lock().late_ns = SILENCE_NS * 5;
    assert_eq!(next(&mut reader, 2), Ok(Some(card())));
}

#[test]
fn a_keyboard_that_is_gone_comes_back_by_the_start() {
    let desk = Desk::default();
    let mut reader = desk.started();
    desk.lock().gone = true;
    let gone = |cause| Err(ReaderError::Gone { cause });
    assert_eq!(reader.poll(), gone("keyboard was unplugged"));
    assert_eq!(reader.poll(), gone("keyboard is not open"));
    let nowhere = "no keyboard has this vendor, product and name";
    assert_eq!(reader.start().map(|()| None), gone(nowhere));
    desk.lock().gone = false;
    desk.lock().closed.push_back(WedgeError::NoPermission);
    let taken = std::io::Error::from(std::io::ErrorKind::ResourceBusy);
    desk.lock().closed.push_back(WedgeError::Taken(taken));
    assert_eq!(
        reader.start().map(|()| None),
        gone("keyboards can't be opened")
    );
    let other = "keyboard is taken by another program";
    assert_eq!(reader.start().map(|()| None), gone(other));
    reader.start().unwrap();
    desk.types(CARD);
    assert_eq!(next(&mut reader, 2), Ok(Some(card())));
}

#[test]
fn half_a_number_from_before_the_plug_was_pulled_is_forgotten() {
    let desk = Desk::default();
    let mut reader = desk.started();
    desk.types("ffff");
    desk.lock().coming.truncate(8); // without Enter
    desk.lock().coming.iter_mut().for_each(|(at, _)| *at = 1);
    let _ = reader.poll();
    reader.start().unwrap();
    desk.types(CARD);
    assert_eq!(next(&mut reader, 2), Ok(Some(card())));
}

#[test]
fn texts_that_are_no_number_are_told_as_such() {
    let desk = Desk::default();
    let mut reader = desk.started();
    let garbled = |cause| Err(ReaderError::Garbled { cause });
    desk.types("xyz");
    let cause = "text is not of the reader's format";
    assert_eq!(next(&mut reader, 2), garbled(cause));
    desk.types(&"1".repeat(65));
    let cause = "more was typed than a number has";
    assert_eq!(next(&mut reader, 6), garbled(cause));
    desk.types("12");
    desk.lock().coming.truncate(4);
    let cause = "typing stopped without an end";
    assert_eq!(next(&mut reader, 4), garbled(cause));
    let at_ns = desk.lock().now_ns;
    desk.lock()
        .coming
        .push_back((at_ns, vec![KeyEvent::Lost { at_ns }]));
    desk.types(CARD);
    assert_eq!(next(&mut reader, 2), garbled("keys were lost"));
    let trace = reader.trace().unwrap();
    assert_eq!((trace.counters.garbled, trace.counters.cards), (4, 0));
}

#[test]
fn a_keyboard_that_types_without_end_is_gone() {
    let desk = Desk::default();
    let mut reader = desk.started();
    let key = |at_ns| KeyEvent::Key {
        code: 2,
        value: 1,
        at_ns,
    };
    let flood = (1..u64::try_from(KEYS_MAX).unwrap() + 100).map(|at| (at, vec![key(at)]));
    desk.lock().coming.extend(flood);
    let cause = "keyboard types without end";
    assert_eq!(reader.poll(), Err(ReaderError::Gone { cause }));
}
