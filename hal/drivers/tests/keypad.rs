// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The PIN pad's driver on a simulated matrix of wires.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use platen_drivers::keypad::{
    Down, HELD_SCANS_MAX, Keypad, KeypadError, Layout, Pace, Place, SCAN_MS, SETTLE_US,
    STABLE_SCANS, Scanner,
};
use platen_hal::Key;
use platen_hal_sim::keypad::{Contact, MatrixColumn, MatrixRow, Wire};
use platen_hal_sim::{KeyMatrix, SimDelay};
use proptest::prelude::*;

const TELEPHONE: [&str; 4] = ["123", "456", "789", "*0#"];
const SQUARE: [&str; 4] = ["123 ", "456 ", "789 ", "*0# "];
/// Scans after which whatever is down has been seen.
const SETTLED: usize = STABLE_SCANS as usize + 2;
/// Reads for which a contact bounces at most here: those of one scan and a half, 15 ms.
const BOUNCE_MAX: u32 = 40;

type Pad = Keypad<MatrixRow, MatrixColumn, SimDelay>;

struct Desk {
    matrix: KeyMatrix,
    pad: Pad,
    delay: SimDelay,
}

impl Desk {
    fn new(rows: &[&str], noise: u64) -> Self {
        let layout = Layout::new(rows).unwrap();
        let matrix = KeyMatrix::new(noise);
        let wires = (0..layout.rows()).map(|row| matrix.row(row)).collect();
        let columns = (0..layout.columns()).map(|column| matrix.column(column));
        let columns = columns.collect();
        let delay = SimDelay::default();
        let pad = Keypad::new(layout, wires, columns, delay.clone()).unwrap();
        Self { matrix, pad, delay }
    }

    /// The keys of some scans; scans that failed give none.
    fn scans(&mut self, count: usize) -> Vec<Key> {
        (0..count)
            .filter_map(|_| self.pad.scan().ok().flatten())
            .collect()
    }

    fn settle(&mut self) -> Vec<Key> {
        self.scans(SETTLED)
    }

    fn press(&mut self, contact: Contact) -> Vec<Key> {
        self.matrix.press(contact, 0);
        self.settle()
    }

    fn release(&mut self, contact: Contact) -> Vec<Key> {
        self.matrix.release(contact, 0);
        self.settle()
    }
}

fn key_at(rows: &[&str], (row, column): Contact) -> Option<Key> {
    match rows[row].as_bytes()[column] {
        b'*' => Some(Key::Clear),
        b'#' => Some(Key::Enter),
        b' ' => None,
        digit => Some(Key::Digit(digit - b'0')),
    }
}

fn contacts(rows: &[&str]) -> Vec<Contact> {
    let columns = rows[0].len();
    (0..rows.len())
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .collect()
}

#[test]
fn every_key_of_both_layouts_is_itself_once_however_long_it_is_held() {
    for rows in [TELEPHONE, SQUARE] {
        let mut desk = Desk::new(&rows, 1);
        for contact in contacts(&rows) {
            let expected: Vec<Key> = key_at(&rows, contact).into_iter().collect();
            for _ in 0..2 {
                assert_eq!(desk.press(contact), expected, "{contact:?}");
                assert_eq!(desk.scans(500), [], "{contact:?} repeats");
                assert_eq!(desk.release(contact), []);
            }
        }
    }
}

#[test]
fn a_key_needs_three_scans_and_comes_with_the_third() {
    let mut desk = Desk::new(&TELEPHONE, 1);
    desk.settle();
    desk.matrix.press((1, 1), 0);
    assert_eq!(desk.scans(STABLE_SCANS.into()), [Key::Digit(5)]);
    desk.release((1, 1));
    desk.matrix.press((1, 1), 0);
    assert_eq!(desk.scans(usize::from(STABLE_SCANS) - 1), []);
    assert_eq!(desk.release((1, 1)), []);
}

#[test]
fn a_contact_that_bounces_is_one_key_at_press_and_none_at_release() {
    for noise in 0..300 {
        let mut desk = Desk::new(&TELEPHONE, noise);
        desk.settle();
        desk.matrix.press((3, 2), BOUNCE_MAX);
        assert_eq!(desk.scans(12), [Key::Enter], "noise {noise}");
        desk.matrix.release((3, 2), BOUNCE_MAX);
        assert_eq!(desk.scans(12), [], "noise {noise}");
    }
}

#[test]
fn a_second_key_counts_when_the_first_comes_up() {
    let mut desk = Desk::new(&TELEPHONE, 1);
    for second in contacts(&TELEPHONE).into_iter().skip(1) {
        assert_eq!(desk.press((0, 0)), [Key::Digit(1)]);
        assert_eq!(desk.press(second), []);
        assert_eq!(desk.release((0, 0)), [key_at(&TELEPHONE, second).unwrap()]);
        assert_eq!(desk.press((0, 0)), []);
        assert_eq!(desk.release(second), [Key::Digit(1)]);
        assert_eq!(desk.release((0, 0)), []);
    }
}

#[test]
fn a_second_key_that_comes_up_before_the_first_does_not_count() {
    let mut desk = Desk::new(&TELEPHONE, 1);
    assert_eq!(desk.press((0, 0)), [Key::Digit(1)]);
    assert_eq!(desk.press((1, 1)), []);
    assert_eq!(desk.release((1, 1)), []);
    assert_eq!(desk.release((0, 0)), []);
    assert_eq!(desk.press((1, 1)), [Key::Digit(5)]);
}

#[test]
fn the_ghost_of_three_keys_does_not_arrive_nor_anything_until_all_are_up() {
    let mut desk = Desk::new(&TELEPHONE, 1);
    assert_eq!(desk.press((0, 0)), [Key::Digit(1)]);
    assert_eq!(desk.press((0, 1)), []);
    assert_eq!(desk.press((1, 0)), [], "4 brings the ghost of 5");
    assert_eq!(desk.pad.counters().ghosts, 1);
    assert_eq!(desk.release((0, 0)), []);
    assert_eq!(desk.press((2, 2)), [], "still blocked");
    for contact in [(0, 1), (1, 0), (2, 2)] {
        assert_eq!(desk.release(contact), []);
    }
    assert_eq!(desk.press((2, 2)), [Key::Digit(9)]);
}

/// Found by the test with random matrices: 2 and 5 are silent, and join their rows.
#[test]
fn the_ghost_of_keys_whose_wire_is_cut_does_not_arrive() {
    let mut desk = Desk::new(&TELEPHONE, 1);
    desk.matrix.cut(Wire::Column(1));
    assert_eq!(desk.press((0, 1)), []);
    assert_eq!(desk.press((0, 0)), [Key::Digit(1)]);
    assert_eq!(desk.press((1, 1)), [], "the ghost of 4");
    assert_eq!(desk.release((0, 1)), []);
    assert_eq!(desk.release((0, 0)), []);
}

#[test]
fn three_keys_without_a_rectangle_are_too_many_as_well() {
    let mut desk = Desk::new(&TELEPHONE, 1);
    assert_eq!(desk.press((0, 0)), [Key::Digit(1)]);
    assert_eq!(desk.press((1, 1)), []);
    assert_eq!(desk.press((2, 2)), []);
    let counters = desk.pad.counters();
    assert_eq!((counters.refused, counters.ghosts), (1, 0));
}

#[test]
fn keys_that_go_down_together_have_no_order_and_don_t_count() {
    let mut desk = Desk::new(&TELEPHONE, 1);
    desk.settle();
    desk.matrix.press((0, 0), 0);
    desk.matrix.press((2, 1), 0);
    assert_eq!(desk.settle(), []);
    assert_eq!(desk.release((0, 0)), []);
    assert_eq!(desk.release((2, 1)), []);
    assert_eq!(desk.press((2, 1)), [Key::Digit(8)]);
}

#[test]
fn a_column_that_is_held_low_is_a_fault_and_no_key() {
    let mut desk = Desk::new(&TELEPHONE, 1);
    desk.matrix.short(Wire::Column(1), Wire::Ground);
    assert_eq!(desk.pad.scan(), Err(KeypadError::HeldLow));
    for contact in contacts(&TELEPHONE) {
        assert_eq!(desk.press(contact), [], "{contact:?}");
        desk.release(contact);
    }
    assert_eq!(desk.pad.counters().keys, 0);
    assert_eq!(
        desk.pad.counters().faults,
        desk.pad.counters().scans + 1 + 2 * 12 * SETTLED as u64
    );
}

#[test]
fn keys_of_a_row_that_is_held_low_are_faults_and_the_others_work() {
    let mut desk = Desk::new(&TELEPHONE, 1);
    desk.matrix.short(Wire::Row(2), Wire::Ground);
    for contact in contacts(&TELEPHONE) {
        let keys = desk.press(contact);
        let expected = key_at(&TELEPHONE, contact).filter(|_| contact.0 != 2);
        assert_eq!(keys, Vec::from_iter(expected), "{contact:?}");
        desk.release(contact);
    }
    assert!(desk.pad.counters().faults > 0);
}

#[test]
fn keys_of_a_cut_wire_are_silent_and_the_others_work() {
    for wire in [Wire::Row(1), Wire::Column(2)] {
        let mut desk = Desk::new(&TELEPHONE, 1);
        desk.matrix.cut(wire);
        for contact in contacts(&TELEPHONE) {
            let cut = wire == Wire::Row(contact.0) || wire == Wire::Column(contact.1);
            let expected = key_at(&TELEPHONE, contact).filter(|_| !cut);
            assert_eq!(desk.press(contact), Vec::from_iter(expected), "{contact:?}");
            desk.release(contact);
        }
    }
}

#[test]
fn keys_of_wires_that_touch_each_other_are_silent() {
    for (one, other) in [
        (Wire::Row(0), Wire::Row(3)),
        (Wire::Column(0), Wire::Column(1)),
    ] {
        let mut desk = Desk::new(&TELEPHONE, 1);
        desk.matrix.short(one, other);
        for contact in contacts(&TELEPHONE) {
            let wires = [Wire::Row(contact.0), Wire::Column(contact.1)];
            let touched = wires.contains(&one) || wires.contains(&other);
            let expected = key_at(&TELEPHONE, contact).filter(|_| !touched);
            assert_eq!(desk.press(contact), Vec::from_iter(expected), "{contact:?}");
            desk.release(contact);
        }
    }
}

#[test]
fn a_column_that_rises_too_slowly_is_a_fault_and_no_key_of_the_next_row() {
    let mut desk = Desk::new(&TELEPHONE, 1);
    desk.matrix.set_lag(1);
    for contact in contacts(&TELEPHONE) {
        assert_eq!(desk.press(contact), [], "{contact:?}");
        desk.release(contact);
    }
    assert!(desk.pad.counters().faults > 0);
}

#[test]
fn a_pad_at_rest_is_idle_and_wakes_for_any_key() {
    let mut desk = Desk::new(&TELEPHONE, 1);
    assert_eq!(
        desk.pad.pace(),
        Pace::Busy,
        "not known before it was looked at"
    );
    desk.settle();
    for contact in contacts(&TELEPHONE) {
        assert_eq!(desk.pad.pace(), Pace::Idle);
        assert_eq!(desk.pad.listen(), Ok(false));
        desk.matrix.press(contact, 0);
        assert_eq!(desk.pad.listen(), Ok(true), "{contact:?}");
        assert_eq!(desk.settle().len(), 1);
        assert_eq!(desk.pad.pace(), Pace::Busy);
        desk.release(contact);
    }
}

#[test]
fn a_key_that_is_held_for_half_a_minute_is_stuck_until_it_comes_up() {
    let mut desk = Desk::new(&TELEPHONE, 1);
    assert_eq!(desk.press((0, 0)), [Key::Digit(1)]);
    let half_a_minute = usize::try_from(HELD_SCANS_MAX).unwrap();
    assert_eq!(HELD_SCANS_MAX * SCAN_MS, 30_000);
    desk.scans(half_a_minute - SETTLED);
    assert_eq!(desk.pad.pace(), Pace::Busy);
    desk.scans(2 * SETTLED);
    assert_eq!(desk.pad.pace(), Pace::Stuck);
    assert_eq!(desk.press((1, 1)), []);
    assert_eq!(desk.pad.pace(), Pace::Busy, "somebody is there");
    desk.release((1, 1));
    desk.release((0, 0));
    assert_eq!(desk.pad.pace(), Pace::Idle);
}

#[test]
fn a_wire_that_is_at_fault_for_half_a_minute_is_stuck_too() {
    let mut desk = Desk::new(&TELEPHONE, 1);
    desk.matrix.short(Wire::Column(0), Wire::Ground);
    desk.scans(usize::try_from(HELD_SCANS_MAX).unwrap() + 2);
    assert_eq!(desk.pad.pace(), Pace::Stuck);
}

#[test]
fn a_scan_takes_little_time() {
    let mut desk = Desk::new(&TELEPHONE, 1);
    desk.scans(1_000);
    let settles = 1_000 * (1 + 2 * 4);
    assert_eq!(
        desk.delay.total_ms(),
        settles * u64::from(SETTLE_US) / 1_000
    );
    assert_eq!(desk.matrix.reads(), settles * 3);
}

#[test]
fn lines_that_don_t_fit_the_layout_and_layouts_that_are_none_are_refused() {
    let matrix = KeyMatrix::new(1);
    let layout = Layout::new(&TELEPHONE).unwrap();
    let rows = vec![matrix.row(0)];
    let columns = vec![matrix.column(0)];
    assert!(Keypad::new(layout, rows, columns, SimDelay::default()).is_none());
    for bad in [&[][..], &[""], &["12A"], &["123456789"], &["1"; 9]] {
        assert_eq!(Layout::new(bad), None, "{bad:?}");
    }
    let uneven = Layout::new(&["1", "23"]).unwrap();
    assert_eq!((uneven.rows(), uneven.columns()), (2, 2));
}

#[test]
fn nothing_that_is_printed_says_which_key_it_was() {
    let shown: Vec<String> = [(0, 0), (2, 1)]
        .into_iter()
        .map(|contact| {
            let mut desk = Desk::new(&TELEPHONE, 1);
            desk.settle();
            let keys = desk.press(contact);
            let scanner = {
                let mut scanner = Scanner::default();
                let mut down = Down::default();
                let (row, column) = contact;
                down.mark(Place { row, column });
                let places: Vec<_> = (0..3).map(|_| scanner.scan(down)).collect();
                format!("{scanner:?} {places:?} {down:?}")
            };
            format!("{keys:?} {scanner} {:?}", desk.pad.counters())
        })
        .collect();
    assert_eq!(shown[0], shown[1]);
}

/// What a hand does, and what is wrong with the wires.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    Cut(Wire),
    Grounded(Wire),
    Touch(Wire, Wire),
    Slow(u32),
}

fn wire() -> impl Strategy<Value = Wire> {
    prop_oneof![
        (0..4_usize).prop_map(Wire::Row),
        (0..3_usize).prop_map(Wire::Column),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::None),
        wire().prop_map(Fault::Cut),
        wire().prop_map(Fault::Grounded),
        (0..4_usize, 0..4_usize).prop_map(|(a, b)| Fault::Touch(Wire::Row(a), Wire::Row(b))),
        (0..3_usize, 0..3_usize).prop_map(|(a, b)| Fault::Touch(Wire::Column(a), Wire::Column(b))),
        (1..4_u32).prop_map(Fault::Slow),
    ]
}

proptest! {
    #[test]
    fn a_key_that_was_not_pressed_never_arrives(
        noise in any::<u64>(),
        fault in fault(),
        steps in prop::collection::vec(
            (0..12_usize, any::<bool>(), 0..=BOUNCE_MAX, 0..7_usize), 0..60,
        ),
    ) {
        let mut desk = Desk::new(&TELEPHONE, noise);
        match fault {
            Fault::None => {}
            Fault::Cut(wire) => desk.matrix.cut(wire),
            Fault::Grounded(wire) => desk.matrix.short(wire, Wire::Ground),
            Fault::Touch(one, other) => desk.matrix.short(one, other),
            Fault::Slow(reads) => desk.matrix.set_lag(reads),
        }
        let all = contacts(&TELEPHONE);
        let mut closed: Vec<Contact> = Vec::new();
        // What came up is on its way for as long as its contact bounces and the pad settles.
        let mut fading: Vec<(Contact, usize)> = Vec::new();
        let mut presses = 0;
        for (at, press, bounce, scans) in steps {
            let contact = all[at];
            if press && !closed.contains(&contact) {
                desk.matrix.press(contact, bounce);
                closed.push(contact);
                presses += 1;
            } else if !press && closed.contains(&contact) {
                desk.matrix.release(contact, bounce);
                closed.retain(|other| *other != contact);
                fading.push((contact, 2 + usize::from(STABLE_SCANS)));
            }
            for _ in 0..scans {
                let keys = desk.scans(1);
                let may = closed.iter().chain(fading.iter().map(|(contact, _)| contact));
                let may: Vec<_> = may.map(|contact| key_at(&TELEPHONE, *contact)).collect();
                let pressed = keys.iter().all(|key| may.contains(&Some(*key)));
                prop_assert!(pressed, "a key that was not pressed, with {fault:?}");
                fading.iter_mut().for_each(|(_, scans)| *scans -= 1);
                fading.retain(|(_, scans)| *scans > 0);
            }
        }
        prop_assert!(desk.pad.counters().keys <= presses, "more keys than presses");
        // Sound wires come to rest when all keys are up.
        for contact in closed {
            desk.matrix.release(contact, 0);
        }
        desk.scans(12);
        let sound = !matches!(fault, Fault::Grounded(Wire::Column(_)));
        prop_assert_eq!(desk.pad.pace() == Pace::Idle, sound);
    }
}
