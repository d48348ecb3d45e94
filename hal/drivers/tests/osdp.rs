// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The OSDP driver against the model of a reader at the far end of its line, in clear and in the
//! Secure Channel.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics has failed"
)]

use platen_drivers::osdp::frame::Check;
use platen_drivers::osdp::{
    BUSY_MAX, KEYS_KEPT, LOST_MAX, MISSED_MAX, Osdp, OsdpConfig, Protection,
};
use platen_drivers::{AesKey, NumberFormat};
use platen_hal::{CardReader, CardUid, Key, PanelSignal, ReaderError};
use platen_hal_sim::{OsdpFault, OsdpModel, SimDelay};

/// Limits of the trait, in time asked from the delay.
const START_MS: u64 = 450;
const POLL_MS: u64 = 250;
const ADDRESS: u8 = 5;
const KEY: [u8; 16] = *b"a key of a site.";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mode {
    Clear,
    Sum,
    Secure,
}

const MODES: [Mode; 3] = [Mode::Clear, Mode::Sum, Mode::Secure];

struct Rig {
    model: OsdpModel,
    delay: SimDelay,
    reader: Box<dyn CardReader>,
}

fn config(mode: Mode, number: &str) -> OsdpConfig {
    OsdpConfig {
        address: ADDRESS,
        check: match mode {
            Mode::Sum => Check::Sum,
            _ => Check::Crc,
        },
        protection: match mode {
            Mode::Secure => Protection::Secure(AesKey::new(KEY)),
            _ => Protection::Clear,
        },
        number: number.parse::<NumberFormat>().unwrap(),
        ask_twice: true,
    }
}

fn with(model: OsdpModel, config: OsdpConfig) -> Rig {
    let delay = SimDelay::default();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let random = move |into: &mut [u8]| {
        for byte in into {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            *byte = (state >> 56) as u8;
        }
    };
    let reader = Osdp::new(model.port(), delay.clone(), random, config).unwrap();
    Rig {
        model,
        delay,
        reader: Box::new(reader),
    }
}

fn rig(mode: Mode) -> Rig {
    with(OsdpModel::with_key(ADDRESS, KEY), config(mode, "uid"))
}

/// Started, and past the questions that follow the start.
fn running(mode: Mode) -> Rig {
    let mut rig = rig(mode);
    rig.reader.start().unwrap();
    rig.settle();
    rig
}

fn uid(bytes: &[u8]) -> CardUid {
    CardUid::new(bytes).unwrap()
}

type Seen = Result<Option<CardUid>, ReaderError>;

impl Rig {
    fn start(&mut self) -> Result<(), ReaderError> {
        let before = self.delay.total_ms();
        let result = self.reader.start();
        let spent = self.delay.total_ms() - before;
        assert!(spent <= START_MS, "start took {spent} ms: {result:?}");
        result
    }

    fn poll(&mut self) -> Seen {
        let before = self.delay.total_ms();
        let result = self.reader.poll();
        let spent = self.delay.total_ms() - before;
        assert!(spent <= POLL_MS, "poll took {spent} ms: {result:?}");
        result
    }

    fn settle(&mut self) {
        for _ in 0..6 {
            assert_eq!(self.poll(), Ok(None));
        }
    }

    fn present(&self, bytes: &[u8]) -> CardUid {
        assert!(self.model.present(bytes, bytes.len() as u16 * 8));
        uid(bytes)
    }

    /// Polls, and starts again where the reader is gone, until it gives something or `rounds` end.
    fn next_card(&mut self, rounds: usize) -> Option<CardUid> {
        (0..rounds).find_map(|_| match self.poll() {
            Ok(card) => card,
            Err(ReaderError::Garbled { .. }) => None,
            Err(_) => {
                let _ = self.start();
                None
            }
        })
    }

    /// Every poll until the reader is gone; why it is.
    fn cause_of_end(&mut self) -> &'static str {
        for _ in 0..40 {
            match self.poll() {
                Err(ReaderError::Gone { cause }) => return cause,
                Ok(None) | Err(ReaderError::Garbled { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        panic!("the reader is not told as gone")
    }
}

fn is_lost<T>(result: &Result<T, ReaderError>) -> bool {
    matches!(result, Err(ReaderError::Gone { .. } | ReaderError::Bus))
}

fn cause<T: std::fmt::Debug>(result: Result<T, ReaderError>) -> &'static str {
    match result {
        Err(ReaderError::Gone { cause }) => cause,
        other => panic!("{other:?}"),
    }
}

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
fn in_the_channel_nothing_of_a_card_is_in_clear_and_nothing_is_asked_outside_it() {
    let mut rig = running(Mode::Secure);
    let card = rig.present(&[0xde, 0xad, 0xbe, 0xef, 0x12, 0x34, 0x56]);
    assert!(rig.model.press("73519"));
    assert_eq!(rig.poll(), Ok(Some(card)));
    rig.poll().unwrap();
    let said = rig.model.said();
    for secret in [&[0xde, 0xad, 0xbe][..], b"735"] {
        assert!(!said.windows(3).any(|bytes| bytes == secret));
    }
    let commands = rig.model.commands();
    let in_clear = commands
        .iter()
        .filter(|(code, secure)| !secure && *code != 0x61);
    assert_eq!(in_clear.count(), 0, "{commands:?}");
    assert!(commands.contains(&(0x60, true)));
}

#[test]
fn a_reader_with_another_key_is_never_read() {
    let model = OsdpModel::with_key(ADDRESS, *b"another site's k");
    let mut rig = with(model, config(Mode::Secure, "uid"));
    rig.present(&[1, 2, 3, 4]);
    assert_eq!(cause(rig.start()), "reader has another key");
    assert_eq!(cause(rig.poll()), "reader is not started");
    assert!(rig.model.commands().iter().all(|(code, _)| *code == 0x61));
}

#[test]
fn the_default_key_is_taken_for_installing_alone() {
    let model = OsdpModel::new(ADDRESS);
    let mut secure = with(model.clone(), config(Mode::Secure, "uid"));
    assert_eq!(cause(secure.start()), "reader makes no secure channel");
    assert_eq!(model.key(), None);

    let mut install = config(Mode::Secure, "uid");
    install.protection = Protection::Install(AesKey::new(KEY));
    let mut rig = with(model.clone(), install.clone());
    rig.start().unwrap();
    assert_eq!(model.key(), Some(KEY));
    rig.settle();
    let card = rig.present(&[1, 2, 3, 4]);
    assert_eq!(rig.poll(), Ok(Some(card)));
    // From now on the key alone does it, and nothing was said before it outside a channel.
    secure.start().unwrap();
    secure.settle();
    let commands = model.commands();
    assert!(
        commands
            .iter()
            .all(|(code, secure)| *secure || *code == 0x61)
    );

    // A reader of somebody else is not taken over.
    let stranger = OsdpModel::with_key(ADDRESS, *b"another site's k");
    let mut rig = with(stranger.clone(), install);
    assert_eq!(cause(rig.start()), "reader makes no secure channel");
    assert_eq!(stranger.key(), Some(*b"another site's k"));
}

#[test]
fn a_reader_that_wants_a_channel_is_not_polled_without_one() {
    let mut rig = rig(Mode::Clear);
    rig.model.set_insists(true);
    rig.start().unwrap();
    assert_eq!(rig.cause_of_end(), "reader wants a secure channel");
    let mut rig = self::rig(Mode::Secure);
    rig.model.set_insists(true);
    rig.start().unwrap();
    let card = rig.present(&[1, 2, 3, 4]);
    assert_eq!(rig.next_card(6), Some(card));
}

#[test]
fn a_silent_reader_is_gone_within_two_seconds_and_comes_back() {
    for mode in MODES {
        let mut rig = running(mode);
        rig.model.set_fault(OsdpFault::Gone);
        let before = rig.delay.total_ms();
        for _ in 1..MISSED_MAX {
            assert!(
                matches!(rig.poll(), Err(ReaderError::Garbled { .. })),
                "{mode:?}"
            );
        }
        assert_eq!(cause(rig.poll()), "reader does not answer");
        let intervals = 80 * u64::from(MISSED_MAX);
        assert!(rig.delay.total_ms() - before + intervals < 2_000);
        assert!(is_lost(&rig.start()), "{mode:?}");
        rig.model.set_fault(OsdpFault::None);
        rig.start().unwrap();
        let card = rig.present(&[1, 2, 3, 4]);
        assert_eq!(rig.next_card(6), Some(card), "{mode:?}");
    }
}

#[test]
fn a_line_cut_at_any_octet_is_noticed_and_nothing_false_is_read() {
    for mode in MODES {
        let whole = {
            let mut rig = rig(mode);
            rig.start().unwrap();
            rig.present(&[4, 1, 2, 3, 4, 5, 6]);
            assert!(rig.next_card(6).is_some());
            rig.model.octets()
        };
        assert!(whole > 100);
        for at in 0..whole {
            let mut rig = rig(mode);
            rig.model.set_fault(OsdpFault::GoneAfter(at));
            let card = rig.present(&[4, 1, 2, 3, 4, 5, 6]);
            let started = rig.start();
            for _ in 0..12 {
                if let Ok(Some(seen)) = rig.poll() {
                    assert_eq!(seen, card, "{mode:?}, cut at {at}");
                }
            }
            assert!(is_lost(&rig.poll()), "{mode:?}, cut at {at}: {started:?}");
            rig.model.set_fault(OsdpFault::None);
            rig.start().unwrap();
            let card = rig.present(&[1, 2, 3, 4]);
            assert_eq!(rig.next_card(6), Some(card), "{mode:?}, cut at {at}");
        }
    }
}

#[test]
fn a_card_whose_answer_was_damaged_is_asked_for_again() {
    for mode in MODES {
        let mut rig = running(mode);
        let card = rig.present(&[1, 2, 3, 4]);
        // The command is heard right, its answer is not.
        rig.model.set_fault(OsdpFault::Late(200));
        assert!(matches!(rig.poll(), Err(ReaderError::Garbled { .. })));
        rig.model.set_fault(OsdpFault::None);
        assert_eq!(rig.next_card(3), Some(card), "{mode:?}");
    }
}

#[test]
fn a_reader_that_has_no_time_is_waited_for_but_not_for_ever() {
    for mode in MODES {
        let mut rig = running(mode);
        let card = rig.present(&[1, 2, 3, 4]);
        rig.model.set_fault(OsdpFault::Busy);
        for _ in 1..BUSY_MAX {
            assert_eq!(rig.poll(), Ok(None), "{mode:?}");
        }
        rig.model.set_fault(OsdpFault::None);
        assert_eq!(rig.next_card(2), Some(card), "{mode:?}");
        rig.model.set_fault(OsdpFault::Busy);
        assert_eq!(rig.cause_of_end(), "reader has no time without end");
        assert!(is_lost(&rig.start()));
    }
}

#[test]
fn a_reader_that_lost_its_power_for_a_moment_is_taken_up_again() {
    for mode in MODES {
        let mut rig = running(mode);
        for _ in 0..10 {
            rig.model.reboot();
            assert!(
                matches!(rig.poll(), Err(ReaderError::Garbled { .. })),
                "{mode:?}"
            );
            let card = rig.present(&[1, 2, 3, 4]);
            for _ in 0..12 {
                match rig.poll() {
                    Ok(None) => {}
                    Ok(Some(seen)) => assert_eq!(seen, card),
                    Err(error) => panic!("{mode:?}: {error}"),
                }
            }
        }
    }
}

#[test]
fn a_reader_that_loses_each_session_is_gone() {
    let mut rig = rig(Mode::Secure);
    rig.model.set_fault(OsdpFault::Forgetful);
    rig.start().unwrap();
    assert_eq!(rig.cause_of_end(), "reader lost the secure channel");
    let handshakes = rig
        .model
        .commands()
        .iter()
        .filter(|(code, _)| *code == 0x61)
        .count();
    assert_eq!(handshakes, usize::from(LOST_MAX));
}

#[test]
fn stuck_and_failing_lines_are_readers_that_are_gone() {
    for mode in MODES {
        for fault in [OsdpFault::StuckLow, OsdpFault::Gone, OsdpFault::PortFailed] {
            let mut rig = running(mode);
            rig.present(&[1, 2, 3, 4]);
            rig.model.set_fault(fault.clone());
            let lost = (0..MISSED_MAX).any(|_| is_lost(&rig.poll()));
            assert!(lost, "{mode:?} {fault:?}");
            assert!(is_lost(&rig.start()), "{mode:?} {fault:?}");
            assert!(is_lost(&rig.poll()), "{mode:?} {fault:?}");
            rig.model.set_fault(OsdpFault::None);
            assert_eq!(rig.start(), Ok(()), "{mode:?} {fault:?}");
        }
    }
}

#[test]
fn an_adapter_that_hears_itself_and_a_slow_reader_are_put_up_with() {
    for mode in MODES {
        for fault in [OsdpFault::Echo, OsdpFault::Late(40)] {
            let mut rig = rig(mode);
            rig.model.set_fault(fault.clone());
            rig.start().unwrap();
            let card = rig.present(&[1, 2, 3, 4]);
            assert_eq!(rig.next_card(6), Some(card), "{mode:?} {fault:?}");
        }
    }
}

#[test]
fn a_reader_that_complains_of_damage_is_told_again() {
    for mode in MODES {
        let mut rig = running(mode);
        rig.model.set_complains(true);
        let card = rig.present(&[1, 2, 3, 4]);
        let (seed, per_mille) = (7, 100);
        rig.model.set_fault(OsdpFault::Garbled { seed, per_mille });
        for _ in 0..2 {
            let _ = rig.poll();
        }
        rig.model.set_fault(OsdpFault::None);
        assert_eq!(rig.next_card(12), Some(card), "{mode:?}");
    }
}

#[test]
fn not_one_flipped_bit_of_a_signed_reply_is_accepted() {
    for bit in 0..40 * 8 {
        let mut rig = running(Mode::Secure);
        let card = rig.present(&[4, 1, 2, 3, 4, 5, 6]);
        rig.model.set_fault(OsdpFault::Tampering { bit });
        for _ in 0..8 {
            let seen = rig.poll();
            assert!(!matches!(seen, Ok(Some(_))), "bit {bit}: {seen:?}");
        }
        rig.model.set_fault(OsdpFault::None);
        let _ = rig.start();
        let next = rig.present(&[1, 2, 3, 4]);
        let seen = rig.next_card(8);
        assert!(seen == Some(next) || seen == Some(card), "bit {bit}");
    }
}

#[test]
fn an_old_answer_is_not_taken_again() {
    let mut rig = running(Mode::Secure);
    let card = rig.present(&[1, 2, 3, 4]);
    assert_eq!(rig.poll(), Ok(Some(card)));
    rig.model.set_fault(OsdpFault::Replay);
    assert_eq!(rig.next_card(30), None);
    rig.model.set_fault(OsdpFault::None);
    let _ = rig.start();
    let card = rig.present(&[1, 2, 3, 5]);
    assert_eq!(rig.next_card(8), Some(card));
}

#[test]
fn a_forged_card_is_taken_in_clear_and_never_where_a_channel_is_wanted() {
    let card = vec![0, 0, 32, 0, 1, 2, 3, 4];
    for mode in MODES {
        let mut rig = running(mode);
        rig.model
            .set_fault(OsdpFault::Forgery { card: card.clone() });
        let seen = rig.next_card(30);
        assert_eq!(seen.is_some(), mode != Mode::Secure, "{mode:?}");
    }
}

#[test]
fn a_card_that_is_signed_but_not_encrypted_is_refused() {
    let mut rig = running(Mode::Secure);
    rig.model.set_fault(OsdpFault::Unsealed);
    rig.present(&[1, 2, 3, 4]);
    assert!(matches!(rig.poll(), Err(ReaderError::Garbled { .. })));
    assert_eq!(rig.poll(), Ok(None), "the session goes on");
    assert!(rig.model.press("1"));
    assert!(matches!(rig.poll(), Err(ReaderError::Garbled { .. })));
    assert_eq!(rig.reader.take_key(), None);
}

/// Runs with a bad line; how many cards were read through it.
fn bad_line(runs: u64, fault: impl Fn(u64, u16) -> OsdpFault) -> u32 {
    let mut read = 0;
    for seed in 1..=runs {
        let mode = MODES[seed as usize % 3];
        let mut rig = running(mode);
        let bytes = seed.wrapping_mul(0x9e37_79b9).to_be_bytes();
        let card = rig.present(&bytes[1..]);
        let per_mille = [1, 5, 20, 60][seed as usize % 4];
        rig.model.set_fault(fault(seed, per_mille));
        if let Some(seen) = rig.next_card(4) {
            assert_eq!(seen, card, "seed {seed}, {mode:?}");
            read += 1;
        }
    }
    read
}

#[test]
fn garbled_runs_never_give_a_card_that_was_not_there() {
    let read = bad_line(6_000, |seed, per_mille| OsdpFault::Garbled {
        seed,
        per_mille,
    });
    assert!(
        read > 2_000,
        "only {read} cards read: the test shows nothing"
    );
}

#[test]
fn lost_octets_never_give_a_card_that_was_not_there() {
    let read = bad_line(3_000, |seed, per_mille| OsdpFault::Dropping {
        seed,
        per_mille,
    });
    assert!(
        read > 1_000,
        "only {read} cards read: the test shows nothing"
    );
}

#[test]
fn answers_that_make_no_sense_are_no_cards() {
    let answers: [(u8, &[u8]); 7] = [
        (0x50, &[]),
        (0x50, &[0, 0, 0, 0]),
        (0x50, &[0, 0, 0xff, 0xff, 1]),
        (0x51, &[0, 0, 9, b'1']),
        (0x53, &[0, 200]),
        (0x76, &[0; 32]),
        (0xfe, &[1, 2, 3]),
    ];
    for mode in MODES {
        for (code, data) in answers {
            let mut rig = running(mode);
            assert!(rig.model.happens(code, data.to_vec()));
            let seen = rig.poll();
            assert!(
                !matches!(seen, Ok(Some(_))),
                "{mode:?} {code:02x}: {seen:?}"
            );
            assert_eq!(rig.reader.take_key(), None);
            let card = rig.present(&[1, 2, 3, 4]);
            assert_eq!(rig.next_card(20), Some(card), "{mode:?} {code:02x}");
        }
    }
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
