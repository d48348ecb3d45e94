// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bad lines and bad readers.

use platen_drivers::osdp::{BUSY_MAX, MISSED_MAX};
use platen_hal::ReaderError;
use platen_hal_sim::OsdpFault;

use crate::rig::{MODES, cause, is_lost, rig, running};

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
