// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A PIN pad whose wires do what they like: `platen_drivers::keypad`.

use platen_drivers::Keypad;
use platen_drivers::keypad::{Layout, Pace, STABLE_SCANS};
use platen_hal::Key;
use platen_hal_sim::SimDelay;
use platen_hal_sim::keypad::{Contact, KeyMatrix, Wire};

const LAYOUT: [&str; 4] = ["123", "456", "789", "*0#"];
/// The keys of [`LAYOUT`], by row.
const KEYS: [Key; 12] = [
    Key::Digit(1),
    Key::Digit(2),
    Key::Digit(3),
    Key::Digit(4),
    Key::Digit(5),
    Key::Digit(6),
    Key::Digit(7),
    Key::Digit(8),
    Key::Digit(9),
    Key::Clear,
    Key::Digit(0),
    Key::Enter,
];
/// Steps of one input that are run.
const STEPS_MAX: usize = 64;
/// Reads for which a contact bounces at most: those of a scan and a half.
const BOUNCE_MAX: u32 = 40;

/// The first octet is what is wrong with the wires; then two octets are a key that goes down or up,
/// how long it bounces, and how often the pad is scanned.
///
/// # Panics
/// When a key arrives that was not pressed, or more keys than were.
pub fn keypad(data: &[u8]) {
    let Some((fault, steps)) = data.split_first() else {
        return;
    };
    let matrix = KeyMatrix::new(u64::from(*fault) << 8 | 1);
    spoil(&matrix, *fault);
    let rows = (0..4).map(|row| matrix.row(row)).collect();
    let columns = (0..3).map(|column| matrix.column(column)).collect();
    let layout = Layout::new(&LAYOUT).expect("a layout");
    let pad = Keypad::new(layout, rows, columns, SimDelay::default());
    let mut pad = pad.expect("lines of the layout");
    let mut closed: Vec<Contact> = Vec::new();
    // What came up is on its way for as long as its contact bounces and the pad settles.
    let mut fading: Vec<(Contact, u8)> = Vec::new();
    let mut presses = 0;
    for octets in steps.chunks_exact(2).take(STEPS_MAX) {
        let [what, how] = *octets else {
            return;
        };
        let at = usize::from(what & 0x0f) % KEYS.len();
        let contact = (at / 3, at % 3);
        let bounce = u32::from(how >> 3) * 2 % BOUNCE_MAX;
        if closed.contains(&contact) {
            matrix.release(contact, bounce);
            closed.retain(|other| *other != contact);
            fading.push((contact, 2 + STABLE_SCANS));
        } else {
            matrix.press(contact, bounce);
            closed.push(contact);
            presses += 1;
        }
        for _ in 0..how & 0x07 {
            if let Ok(Some(key)) = pad.scan() {
                let mut may = closed
                    .iter()
                    .chain(fading.iter().map(|(contact, _)| contact));
                let pressed = may.any(|contact| key_at(*contact) == Some(key));
                assert!(pressed, "a key that was not pressed");
            }
            fading.iter_mut().for_each(|(_, scans)| *scans -= 1);
            fading.retain(|(_, scans)| *scans > 0);
        }
    }
    assert!(pad.counters().keys <= presses, "more keys than presses");
    for contact in closed {
        matrix.release(contact, 0);
    }
    let rested = (0..8).any(|_| {
        let _ = pad.scan();
        pad.pace() == Pace::Idle
    });
    assert!(rested || fault % 6 == 4, "no rest with all keys up");
}

fn key_at((row, column): Contact) -> Option<Key> {
    KEYS.get(row * 3 + column).copied()
}

/// One fault, or none.
fn spoil(matrix: &KeyMatrix, fault: u8) {
    let (first, second) = (usize::from(fault >> 2 & 3), usize::from(fault >> 4 & 3));
    match fault % 6 {
        1 => matrix.cut(Wire::Row(first)),
        2 => matrix.cut(Wire::Column(first)),
        3 => matrix.short(Wire::Row(first), Wire::Row(second)),
        4 => matrix.short(Wire::Column(first), Wire::Ground),
        5 => matrix.set_lag(u32::from(fault >> 6)),
        _ => {}
    }
}
