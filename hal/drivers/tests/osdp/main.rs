// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The OSDP driver against the model of a reader at the far end of its line, in clear and in the
//! Secure Channel.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics has failed"
)]

mod channel;
mod faults;
mod rig;

use platen_drivers::osdp::{KEYS_KEPT, Osdp};
use platen_hal::{Key, PanelSignal, ReaderError};
use platen_hal_sim::{OsdpModel, SimDelay};

use self::rig::{ADDRESS, KEY, MODES, Mode, Rig, config, rig, running, uid, with};

#[test]
fn a_card_is_told_once_in_each_mode() {
    for mode in MODES {
        let mut rig = running(mode);
        for length in [4, 7, 10] {
            let card = rig.present(&[4, 1, 2, 3, 4, 5, 6, 7, 8, 9][..length]);
            assert_eq!(rig.poll(), Ok(Some(card)), "{mode:?}");
            assert_eq!(rig.poll(), Ok(None), "{mode:?}");
        }
    }
}

/// 170/31527 in 26 bits is 354F64E (XPR BIOC3 manual p. 17).
#[test]
fn bits_become_the_number_that_the_format_says() {
    let bits = (0x354_f64e_u32 << 6).to_be_bytes();
    let cases = [
        ("wiegand=26", 26, Some(uid(&[0, 170, 0x7b, 0x27]))),
        (
            "wiegand=26 facility=170",
            26,
            Some(uid(&[0, 170, 0x7b, 0x27])),
        ),
        ("wiegand=26 facility=171", 26, None),
        ("wiegand=34", 26, None),
        ("wiegand-raw=26", 26, Some(uid(&[0x03, 0x54, 0xf6, 0x4e]))),
        ("uid", 26, None),
        ("uid reverse", 32, Some(uid(&[0x80, 0x93, 0x3d, 0xd5]))),
    ];
    for (format, count, number) in cases {
        let model = OsdpModel::with_key(ADDRESS, KEY);
        let mut rig = with(model, config(Mode::Secure, format));
        rig.start().unwrap();
        rig.settle();
        assert!(rig.model.present(&bits, count));
        let seen = rig.poll();
        match number {
            Some(number) => assert_eq!(seen, Ok(Some(number)), "{format}"),
            None => assert!(matches!(seen, Err(ReaderError::Garbled { .. })), "{format}"),
        }
    }
}

#[test]
fn digits_become_the_number_that_the_format_says() {
    let model = OsdpModel::with_key(ADDRESS, KEY);
    let mut rig = with(model, config(Mode::Secure, "decimal=4 reverse"));
    rig.start().unwrap();
    rig.settle();
    assert!(rig.model.present_digits("3283263748"));
    assert_eq!(rig.poll(), Ok(Some(uid(&[0x04, 0xa1, 0xb2, 0xc3]))));
}

#[test]
fn keys_come_in_their_order_and_the_ones_too_many_are_dropped() {
    for mode in MODES {
        let mut rig = running(mode);
        assert!(rig.model.press("19*"));
        assert!(rig.model.press("#"));
        assert_eq!((rig.poll(), rig.poll()), (Ok(None), Ok(None)));
        let keys: Vec<Key> = std::iter::from_fn(|| rig.reader.take_key()).collect();
        let wanted = [Key::Digit(1), Key::Digit(9), Key::Clear, Key::Enter];
        assert_eq!(keys, wanted, "{mode:?}");
        for _ in 0..3 {
            assert!(rig.model.press("123456789012345678901"));
            rig.poll().unwrap();
        }
        let kept = std::iter::from_fn(|| rig.reader.take_key()).count();
        assert_eq!(kept, KEYS_KEPT);
    }
}

#[test]
fn an_opened_case_and_a_failing_supply_are_told() {
    for mode in MODES {
        let mut rig = rig(mode);
        assert_eq!(rig.reader.tampered(), None);
        rig.start().unwrap();
        rig.settle();
        assert_eq!(rig.reader.tampered(), Some(false), "{mode:?}");
        let model = rig.model.clone();
        let turns: [&dyn Fn(bool); 2] = [&|on| model.set_tamper(on), &|on| {
            model.set_power_failing(on)
        }];
        for turn in turns {
            for on in [true, false] {
                turn(on);
                rig.poll().unwrap();
                assert_eq!(rig.reader.tampered(), Some(on), "{mode:?}");
            }
        }
        // Also when it happened while nobody looked.
        rig.model.set_tamper(true);
        rig.model.reboot();
        rig.start().unwrap();
        rig.settle();
        assert_eq!(rig.reader.tampered(), Some(true), "{mode:?}");
    }
}

#[test]
fn a_signal_is_shown_at_the_reader_and_again_after_it_was_away() {
    for mode in MODES {
        let mut rig = running(mode);
        rig.reader.show(PanelSignal::UnknownCard);
        rig.reader.show(PanelSignal::Refused); // only the newest counts
        rig.settle();
        let lamp = rig.model.lamp();
        assert_eq!(
            lamp,
            Some(vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 0]),
            "{mode:?}"
        );
        assert_eq!(rig.model.tone(), Some(vec![0, 2, 8, 0, 1]), "{mode:?}");
        let shown = rig
            .model
            .commands()
            .iter()
            .filter(|(code, _)| *code == 0x69)
            .count();
        assert_eq!(shown, 1);
        rig.model.reboot();
        assert_eq!(rig.model.lamp(), None);
        rig.next_card(20);
        assert_eq!(rig.model.lamp(), lamp, "{mode:?}");
    }
}

#[test]
fn cards_held_to_it_while_it_shows_a_signal_are_not_lost() {
    let mut rig = running(Mode::Secure);
    let card = rig.present(&[1, 2, 3, 4]);
    rig.reader.show(PanelSignal::Accepted);
    assert_eq!(rig.next_card(4), Some(card));
}

#[test]
fn a_reader_that_was_not_started_says_so_without_touching_the_line() {
    let mut rig = rig(Mode::Clear);
    assert!(matches!(rig.poll(), Err(ReaderError::Gone { .. })));
    assert_eq!(rig.model.octets(), 0);
}

#[test]
fn no_reader_has_the_address_of_all() {
    let mut wrong = config(Mode::Clear, "uid");
    wrong.address = 0x7f;
    let port = OsdpModel::new(0).port();
    let made = Osdp::new(port, SimDelay::default(), |_: &mut [u8]| {}, wrong);
    assert_eq!(made.err().unwrap().to_string(), "address 127 is above 126");
}

#[test]
fn the_trace_tells_what_was_seen_without_the_number() {
    let mut rig = running(Mode::Secure);
    rig.present(&[0xde, 0xad, 0xbe, 0xef]);
    rig.poll().unwrap();
    let trace = rig.reader.trace().unwrap();
    assert_eq!((trace.counters.starts, trace.counters.cards), (1, 1));
    let lines: Vec<String> = trace.entries().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "poll 0: started, version 0x03",
            "poll 7: selected a 4-byte UID, SAK 0x00"
        ]
    );
}

#[test]
fn an_idle_poll_takes_little_time() {
    for (mode, accesses_max) in [(Mode::Clear, 6), (Mode::Sum, 6), (Mode::Secure, 6)] {
        let mut rig = running(mode);
        let accesses = |rig: &Rig| rig.reader.trace().unwrap().counters.transactions;
        let (before, ms) = (accesses(&rig), rig.delay.total_ms());
        for _ in 0..100 {
            assert_eq!(rig.poll(), Ok(None));
        }
        let each = (accesses(&rig) - before) / 100;
        let ms_each = (rig.delay.total_ms() - ms) / 100;
        println!("idle poll, {mode:?}: {each} accesses, {ms_each} ms waited");
        assert!(each <= accesses_max && ms_each <= 8);
    }
}
