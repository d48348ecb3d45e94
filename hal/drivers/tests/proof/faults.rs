// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cards that leave or dawdle, chips that go, wires that garble.

use platen_drivers::{Mfrc522, Random};
use platen_hal::{CardReader, Proof, ReaderError};
use platen_hal_sim::{Card, Desfire, Fault, Field, Mfrc522Model, SimDelay};

use crate::rig::*;

#[test]
fn small_frames_lost_blocks_and_wishes_for_time_do_not_hinder_a_proof() {
    for part in PARTS {
        for (kind, keys, card) in genuine(7) {
            for card in [
                card.clone().with_frames(0),
                card.clone().with_frames(8),
                card.clone().with_waits(4_000, 2, 2),
                card.clone().losing(4),
            ] {
                let mut rig = started(part, keys());
                rig.place(card);
                assert!(rig.proves(&number(7)), "{kind} at {part:?}");
            }
        }
    }
}

#[test]
fn a_card_that_wants_time_without_end_costs_a_look_its_limit_and_no_more() {
    for part in PARTS {
        for (times, multiplier, work_us) in [(u32::MAX, 59, 1_000), (u32::MAX, 1, 70_000)] {
            let mut rig = started(part, desfire_keys());
            let card = Card::desfire(number(7), ev2());
            rig.place(card.with_waits(work_us, times, multiplier));
            for _ in 0..3 {
                assert!(is_garbled(&rig.poll()) && !rig.is_proved(), "{part:?}");
            }
            rig.empty();
            rig.place(Card::desfire(number(8), ev2()));
            assert!(rig.proves(&number(8)), "{part:?}");
        }
    }
}

#[test]
fn a_card_that_takes_its_time_for_each_answer_is_no_reader_that_is_gone() {
    for part in PARTS {
        for work_us in [5_000, 20_000, 45_000, 75_000, 150_000] {
            for lost in [0, 2] {
                let mut rig = started(part, desfire_keys());
                let card = Card::desfire(number(7), ev2()).with_waits(work_us, 0, 1);
                rig.place(card.losing(lost));
                let found = rig.poll();
                let proved = found == Ok(Some(number(7))) && rig.is_proved();
                let case = format!("{part:?} {work_us} {lost}: {found:?}");
                assert!(proved || is_garbled(&found), "{case}");
                assert!(proved || work_us > 5_000 || lost > 0, "{case}");
                assert!(!proved || work_us < 150_000, "{case}");
            }
        }
    }
}

#[test]
fn a_slow_card_is_waited_for_as_long_as_it_said() {
    // Its frame waiting time is 77 ms, three answers fit into the limit of all.
    let mut rig = started(Part::Mfrc522, sun_keys());
    rig.place(Card::ntag424(number(7), sun()).with_waits(30_000, 0, 1));
    assert!(rig.proves(&number(7)));
    rig.empty();
    rig.place(Card::ntag424(number(7), sun()).with_waits(90_000, 0, 1));
    assert!(is_garbled(&rig.poll()), "later than it said");
}

#[test]
fn an_answer_of_failure_at_any_command_is_no_proof() {
    for part in PARTS {
        for setup in [ev1(), ev2()] {
            for command in 0..7 {
                for status in [0x1c, 0x40, 0x9d, 0xa0, 0xae, 0xca, 0x00, 0xaf] {
                    let mut rig = started(part, desfire_keys());
                    let setup = setup.clone().failing_at(command, status);
                    rig.place(Card::desfire(number(7), setup));
                    let found = rig.poll();
                    let weak = found == Ok(Some(number(7)));
                    assert!(!rig.is_proved() && (weak || is_garbled(&found)));
                    // Up to the choice of the application a card may be another's.
                    assert!(!weak || command < 4, "{part:?} {command} {status:02x}");
                }
            }
        }
    }
}

#[test]
fn a_card_that_leaves_at_any_frame_proves_its_number_or_nothing_and_the_next_one_is_read() {
    for part in PARTS {
        for (kind, keys, card) in genuine(7) {
            let mut proved = false;
            for frames in 1..60 {
                let mut rig = started(part, keys());
                rig.place(card.clone());
                rig.field.remove_after(&number(7), frames);
                let found = rig.poll();
                proved = found == Ok(Some(number(7))) && rig.is_proved();
                let nothing = found == Ok(None) || is_garbled(&found);
                assert!(proved || nothing, "{kind} {part:?} {frames}: {found:?}");
                rig.field.clear();
                let gone = (0..3).any(|_| rig.poll() == Ok(None));
                assert!(gone && !rig.is_proved(), "{kind} {part:?} {frames}");
                rig.place(card.clone());
                if kind == "SUN" && !proved {
                    // Its counter may have been kept before it left.
                    rig.poll().ok();
                    rig.field.clear();
                    rig.poll().ok();
                    rig.place(Card::ntag424(number(7), sun().read_before(9)));
                }
                assert!(proved || rig.proves(&number(7)), "{kind} {part:?} {frames}");
            }
            assert!(proved, "{kind} {part:?}: the test shows nothing");
        }
    }
}

#[test]
fn a_chip_that_goes_at_any_access_of_a_proof_is_noticed_and_comes_back() {
    for part in PARTS {
        for (kind, keys, card) in genuine(7) {
            let whole = {
                let mut rig = started(part, keys());
                rig.place(card.clone());
                let before = rig.field.transactions();
                assert!(rig.proves(&number(7)));
                rig.field.transactions() - before
            };
            for at in 0..=whole {
                let mut rig = started(part, keys());
                rig.place(card.clone());
                rig.field.set_fault(Fault::GoneAfter(at));
                let found = rig.poll();
                let case = format!("{kind} {part:?} at {at}: {found:?}");
                match &found {
                    Ok(seen) => assert!(*seen == Some(number(7)) && rig.is_proved(), "{case}"),
                    Err(_) => assert!(!rig.is_proved(), "{case}"),
                }
                let lost = matches!(rig.poll(), Err(ReaderError::Gone { .. } | ReaderError::Bus));
                assert!(lost && !rig.is_proved(), "{case}");
                rig.field.set_fault(Fault::None);
                rig.reader.start().unwrap();
                assert!(rig.proves(&number(7)), "{case}");
            }
        }
    }
}

#[test]
fn a_bus_that_fails_or_sticks_during_a_proof_is_a_reader_that_is_gone() {
    for part in PARTS {
        let mut rig = started(part, desfire_keys());
        rig.place(Card::desfire(number(7), ev2()));
        for fault in [Fault::StuckLow, Fault::StuckHigh, Fault::BusFailed] {
            rig.field.set_fault(fault);
            assert!(
                rig.poll().is_err() && !rig.is_proved(),
                "{part:?} {fault:?}"
            );
            rig.field.set_fault(Fault::None);
            rig.reader.start().unwrap();
            assert!(rig.proves(&number(7)), "{part:?} {fault:?}");
        }
    }
}

#[test]
fn ten_thousand_garbled_runs_never_prove_a_number_that_is_not_the_cards() {
    let (mut proved, mut clones) = (0, 0);
    for seed in 1..=10_000_u64 {
        let part = PARTS[seed as usize % 4];
        let [a, b, c, d] = genuine((seed % 200) as u8);
        let (_, keys, card) = [a, b, c, d].into_iter().nth(seed as usize / 4 % 4).unwrap();
        let shown = card.uid().clone();
        let mut rig = started(part, keys());
        // Every third card has other keys and must never prove anything.
        let clone = seed % 3 == 0;
        if clone {
            let setup = Desfire::ev2(APPLICATION).with_key(1, OTHER_KEY);
            rig.place(Card::desfire(shown.clone(), setup));
        } else {
            rig.place(card);
        }
        let per_mille = [1, 4, 15, 60][seed as usize / 16 % 4];
        rig.field.set_fault(Fault::Garbled { seed, per_mille });
        for _ in 0..2 {
            match rig.poll() {
                Ok(Some(seen)) if rig.is_proved() => {
                    assert!(seen == shown && !clone, "seed {seed}");
                    proved += 1;
                }
                Ok(Some(seen)) => assert_eq!(seen, shown, "seed {seed}"),
                Ok(None) | Err(ReaderError::Garbled { .. }) => {}
                Err(_) => drop(rig.reader.start()),
            }
            clones += u32::from(clone);
        }
    }
    assert!(
        proved > 500 && clones > 5_000,
        "only {proved} proofs and {clones} clones: the test shows nothing"
    );
}

#[test]
fn no_proof_is_made_without_random_numbers() {
    let field = Field::new();
    let chip = Mfrc522Model::new(&field);
    let stuck: Random = Box::new(|bytes| bytes.fill(0));
    let mut reader = Mfrc522::new(chip, SimDelay::default()).with_keys(desfire_keys(), stuck);
    reader.start().unwrap();
    assert!(field.place_card(Card::desfire(number(7), ev2())));
    assert!(matches!(reader.poll(), Err(ReaderError::Refused { .. })));
    assert_eq!(reader.proof(), Proof::Weak);
}
