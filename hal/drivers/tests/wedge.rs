// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keys as readers type them, decoded to numbers.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use platen_drivers::number::TEXT_MAX;
use platen_drivers::wedge::{Decoder, Ending, Outcome, SILENCE_NS, TypedError};
use platen_hal::CardUid;
use proptest::prelude::*;

const ENTER: u16 = 28;
const KEYPAD_ENTER: u16 = 96;
const TAB: u16 = 15;
const LEFT_SHIFT: u16 = 42;
const RIGHT_SHIFT: u16 = 54;
const LEFT_CONTROL: u16 = 29;
/// Time from key to key.
const STEP_NS: u64 = 8_000_000;

/// A keyboard, and the time.
struct Typist {
    decoder: Decoder,
    now_ns: u64,
    outcomes: Vec<Outcome>,
}

impl Typist {
    fn new(ending: Ending) -> Self {
        Self {
            decoder: Decoder::new(ending),
            now_ns: 1_000,
            outcomes: Vec::new(),
        }
    }

    fn event(&mut self, code: u16, value: i32) {
        self.now_ns += STEP_NS;
        let outcome = self.decoder.key(code, value, self.now_ns);
        self.outcomes.extend(outcome);
    }

    fn press(&mut self, code: u16) {
        self.event(code, 1);
        self.event(code, 0);
    }

    fn type_text(&mut self, text: &str) {
        for character in text.chars() {
            self.press(code(character));
        }
    }

    fn rest(&mut self, ns: u64) {
        self.now_ns += ns;
        let outcome = self.decoder.pass(self.now_ns);
        self.outcomes.extend(outcome);
    }

    fn texts(&mut self) -> Vec<Result<String, TypedError>> {
        let outcomes = std::mem::take(&mut self.outcomes);
        let text = |outcome: Outcome| outcome.map(|typed| typed.as_str().to_owned());
        outcomes.into_iter().map(text).collect()
    }
}

fn code(character: char) -> u16 {
    let rows = [
        (2, "1234567890-="),
        (16, "qwertyuiop"),
        (30, "asdfghjkl;"),
        (44, "zxcvbnm,./"),
    ];
    let found = rows.iter().find_map(|(first, row)| {
        let at = row.chars().position(|other| other == character)?;
        Some(first + u16::try_from(at).unwrap())
    });
    found.unwrap()
}

fn ok(text: &str) -> Vec<Result<String, TypedError>> {
    vec![Ok(text.to_owned())]
}

#[test]
fn a_text_ends_with_enter_tab_or_the_pad_s_enter() {
    for end in [ENTER, TAB, KEYPAD_ENTER] {
        let mut typist = Typist::new(Ending::Key);
        typist.type_text("04a1b2c3");
        assert!(typist.outcomes.is_empty());
        typist.press(end);
        assert_eq!(typist.texts(), ok("04a1b2c3"));
        typist.press(end);
        assert!(typist.outcomes.is_empty(), "an end alone is no text");
        typist.type_text("7");
        typist.press(end);
        assert_eq!(typist.texts(), ok("7"));
    }
}

#[test]
fn shift_makes_capitals_and_signs_while_it_is_held() {
    for shift in [LEFT_SHIFT, RIGHT_SHIFT] {
        let mut typist = Typist::new(Ending::Key);
        typist.event(shift, 1);
        typist.event(shift, 2);
        typist.type_text("a;1");
        typist.event(shift, 0);
        typist.type_text("a;1");
        typist.press(ENTER);
        assert_eq!(typist.texts(), ok("A:!a;1"));
    }
}

#[test]
fn two_shifts_are_held_until_both_are_up() {
    let mut typist = Typist::new(Ending::Key);
    typist.event(LEFT_SHIFT, 1);
    typist.event(RIGHT_SHIFT, 1);
    typist.event(LEFT_SHIFT, 0);
    typist.type_text("a");
    typist.event(RIGHT_SHIFT, 0);
    typist.type_text("a");
    typist.press(ENTER);
    assert_eq!(typist.texts(), ok("Aa"));
}

#[test]
fn the_number_pad_types_digits_whatever_num_lock_says() {
    let mut typist = Typist::new(Ending::Key);
    typist.press(69);
    for key in [82, 79, 80, 81, 75, 76, 77, 71, 72, 73] {
        typist.press(key);
    }
    typist.press(KEYPAD_ENTER);
    assert_eq!(typist.texts(), ok("0123456789"));
}

#[test]
fn a_held_key_counts_once() {
    let mut typist = Typist::new(Ending::Key);
    typist.event(2, 1);
    for _ in 0..20 {
        typist.event(2, 2);
    }
    typist.event(2, 0);
    typist.press(ENTER);
    assert_eq!(typist.texts(), ok("1"));
}

#[test]
fn a_reader_without_an_end_is_ended_by_silence() {
    let mut typist = Typist::new(Ending::Silence);
    typist.type_text("123");
    let due = typist.decoder.due_ns().unwrap();
    assert_eq!(due, typist.now_ns - STEP_NS + SILENCE_NS);
    typist.rest(SILENCE_NS / 2);
    assert!(typist.outcomes.is_empty());
    typist.rest(SILENCE_NS / 2);
    assert_eq!(typist.texts(), ok("123"));
    assert_eq!(typist.decoder.due_ns(), None);
    // Also when nobody asked in between: the next key is the next text.
    typist.type_text("45");
    typist.now_ns += SILENCE_NS;
    typist.type_text("6");
    assert_eq!(typist.texts(), ok("45"));
    typist.press(ENTER);
    assert_eq!(typist.texts(), ok("6"));
}

#[test]
fn what_is_left_without_an_end_is_thrown_away() {
    let mut typist = Typist::new(Ending::Key);
    typist.type_text("123");
    typist.rest(SILENCE_NS);
    assert_eq!(typist.texts(), [Err(TypedError::Unfinished)]);
    typist.type_text("456");
    typist.press(ENTER);
    assert_eq!(typist.texts(), ok("456"));
}

#[test]
fn a_text_that_is_too_long_is_refused_whole() {
    let mut typist = Typist::new(Ending::Key);
    typist.type_text(&"1".repeat(TEXT_MAX));
    typist.press(ENTER);
    assert_eq!(typist.texts(), ok(&"1".repeat(TEXT_MAX)));
    typist.type_text(&"1".repeat(TEXT_MAX * 100));
    typist.press(ENTER);
    assert_eq!(typist.texts(), [Err(TypedError::TooLong)]);
    typist.type_text("2");
    typist.press(ENTER);
    assert_eq!(typist.texts(), ok("2"));
}

#[test]
fn a_key_that_no_reader_types_spoils_the_text() {
    for key in [1, LEFT_CONTROL, 56, 59, 125, 0x1ff] {
        let mut typist = Typist::new(Ending::Key);
        typist.type_text("12");
        typist.press(key);
        typist.type_text("3");
        typist.press(ENTER);
        assert_eq!(typist.texts(), [Err(TypedError::Key)], "{key}");
    }
}

#[test]
fn lost_keys_spoil_the_text_and_let_go_of_shift() {
    let mut typist = Typist::new(Ending::Key);
    typist.event(LEFT_SHIFT, 1);
    typist.type_text("12");
    let lost = typist.decoder.lost(typist.now_ns);
    assert_eq!(lost, None);
    typist.type_text("3");
    typist.press(ENTER);
    assert_eq!(typist.texts(), [Err(TypedError::Lost)]);
    typist.type_text("4");
    typist.press(ENTER);
    assert_eq!(typist.texts(), ok("4"));
}

#[test]
fn the_same_card_is_the_same_number_however_it_is_typed() {
    let card = CardUid::new(&[0x04, 0xa1, 0xb2, 0xc3]).unwrap();
    let cases = [
        ("04a1b2c3", "hex", true),
        ("c3b2a104", "hex reverse", true),
        ("3283263748", "decimal=4 reverse", true),
        ("c3b2a1", "hex reverse", false),
    ];
    for (text, format, same) in cases {
        let mut typist = Typist::new(Ending::Key);
        typist.type_text(text);
        typist.press(ENTER);
        let typed = typist.outcomes.pop().unwrap().unwrap();
        let number = typed.number(&format.parse().unwrap()).unwrap();
        assert_eq!(number == card, same, "{text} as {format}");
    }
    let mut typist = Typist::new(Ending::Key);
    typist.type_text("188,24910");
    typist.press(ENTER);
    let typed = typist.outcomes.pop().unwrap().unwrap();
    let number = typed.number(&"facility-card facility=188".parse().unwrap());
    assert_eq!(number, Ok(CardUid::new(&[0, 188, 0x61, 0x4e]).unwrap()));
    assert!(typed.number(&"hex".parse().unwrap()).is_err());
}

#[test]
fn what_was_typed_is_not_shown() {
    let mut typist = Typist::new(Ending::Key);
    typist.type_text("73519");
    let shown = format!("{:?}", typist.decoder);
    assert!(!shown.contains("73519") && shown.contains("Typed(5 characters)"));
    typist.press(ENTER);
    assert_eq!(
        format!("{:?}", typist.outcomes),
        "[Ok(Typed(5 characters))]"
    );
}

proptest! {
    #[test]
    fn any_digits_are_typed_back_as_they_were(text in "[0-9a-z]{1,64}") {
        let mut typist = Typist::new(Ending::Key);
        typist.type_text(&text);
        typist.press(ENTER);
        prop_assert_eq!(typist.texts(), ok(&text));
    }
}
