// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which cards prove what, and which are refused.

use platen_drivers::{CardKeys, Mfrc522, Renumbered};
use platen_hal::{CardReader, CardUid, Proof, TraceEvent};
use platen_hal_sim::{Card, Desfire, Field, Mfrc522Model, Ntag424, SimDelay, Transcript};

use crate::rig::*;

#[test]
fn genuine_cards_prove_their_numbers_at_each_reader() {
    for part in PARTS {
        for (kind, keys, card) in genuine(7) {
            let mut rig = started(part, keys());
            let (transactions, ms) = (rig.field.transactions(), rig.delay.total_ms());
            rig.place(card);
            assert!(rig.proves(&number(7)), "{kind} at {part:?}");
            let (made, waited) = (
                rig.field.transactions() - transactions,
                rig.delay.total_ms() - ms,
            );
            println!("{kind} at {part:?}: {made} transactions, {waited} ms waited");
            let trace = rig.reader.trace().unwrap();
            assert_eq!(trace.counters.proved, 1);
            assert!(trace.entries().any(|e| e.event == TraceEvent::Proved));
            rig.empty();
        }
    }
}

#[test]
fn a_card_that_lies_there_is_asked_once() {
    for part in PARTS {
        for (kind, keys, card) in genuine(7) {
            let heard = Transcript::default();
            let mut rig = started(part, keys());
            rig.place(card.recorded(&heard));
            assert!(rig.proves(&number(7)));
            let commands = heard.answers().len();
            for _ in 0..20 {
                assert!(rig.proves(&number(7)), "{kind} at {part:?}");
            }
            assert_eq!(heard.answers().len(), commands, "{kind} at {part:?}");
        }
    }
}

#[test]
fn a_card_that_was_away_is_asked_again() {
    for part in PARTS {
        for (kind, keys, card) in genuine(7) {
            let heard = Transcript::default();
            let mut rig = started(part, keys());
            rig.place(card.clone().recorded(&heard));
            assert!(rig.proves(&number(7)));
            let commands = heard.answers().len();
            rig.empty();
            // A clone of the number alone, where the card was.
            rig.place(Card::with_type(number(7), [0x44, 0x03], 0x00));
            assert_eq!(rig.poll(), Ok(Some(number(7))));
            assert!(!rig.is_proved(), "{kind} at {part:?}");
            assert_eq!(heard.answers().len(), commands);
        }
    }
}

#[test]
fn cards_with_random_numbers_give_their_true_ones() {
    for part in PARTS {
        for (kind, keys, card) in genuine(9) {
            let mut rig = started(part, keys());
            rig.place(card.with_random_number());
            for _ in 0..5 {
                assert!(rig.proves(&number(9)), "{kind} at {part:?}");
            }
        }
    }
}

#[test]
fn a_random_number_that_can_not_be_proved_is_weak_and_marked_as_random() {
    for part in PARTS {
        // The key of one card can't be known from a random number.
        let key = platen_hal_sim::card::diversified_key(KEY, number(9).as_bytes(), &TAIL);
        let setup = Desfire::ev2(APPLICATION).with_key(1, key);
        for (keys, setup) in [
            (diversified_keys(), setup),
            (desfire_keys(), Desfire::ev2(0x0011_2233)),
        ] {
            let mut rig = started(part, keys);
            rig.place(Card::desfire(number(9), setup).with_random_number());
            let seen = rig.poll().unwrap().unwrap();
            assert!(seen.is_random() && !rig.is_proved(), "{part:?}");
        }
    }
}

#[test]
fn diversified_keys_open_the_card_they_were_made_for_and_no_other() {
    for part in PARTS {
        let key_of =
            |uid: &CardUid| platen_hal_sim::card::diversified_key(KEY, uid.as_bytes(), &TAIL);
        let mut rig = started(part, diversified_keys());
        let setup = |key| Desfire::ev2(APPLICATION).with_key(1, key);
        rig.place(Card::desfire(number(1), setup(key_of(&number(1)))));
        assert!(rig.proves(&number(1)), "{part:?}");
        rig.empty();
        rig.place(Card::desfire(number(2), setup(key_of(&number(1)))));
        assert!(is_garbled(&rig.poll()) && !rig.is_proved(), "{part:?}");
    }
}

#[test]
fn cards_of_other_kinds_and_organisations_are_weak() {
    let cards = |n: u8| {
        [
            Card::new(number(n)),
            Card::new(uid(&[1, 2, 3, 4])),
            Card::desfire(number(n), Desfire::ev1(0x0011_2233).with_key(1, KEY)),
            Card::desfire(number(n), Desfire::ev2(0x0011_2233).with_key(1, KEY)),
            Card::parrot(number(n), vec![vec![0x6d, 0x00]]),
            Card::parrot(number(n), vec![vec![0x90, 0x00]; 20]),
        ]
    };
    for part in PARTS {
        for keys in [desfire_keys(), ntag_keys(), sun_keys(), CardKeys::default()] {
            for card in cards(3) {
                let shown = card.uid().clone();
                let mut rig = started(part, keys.clone());
                rig.place(card);
                assert_eq!(rig.poll(), Ok(Some(shown)), "{part:?}");
                assert!(!rig.is_proved());
            }
        }
        // Keys for one kind prove nothing of the other.
        for (keys, card) in [
            (desfire_keys(), Card::ntag424(number(3), ntag())),
            (ntag_keys(), Card::desfire(number(3), ev2())),
            (sun_keys(), Card::ntag424(number(3), ntag())),
        ] {
            let mut rig = started(part, keys);
            rig.place(card);
            assert_eq!(rig.poll(), Ok(Some(number(3))), "{part:?}");
            assert!(!rig.is_proved());
        }
    }
}

#[test]
fn a_card_that_speaks_in_blocks_and_says_nothing_is_nonsense() {
    for part in PARTS {
        let mut rig = started(part, desfire_keys());
        rig.place(Card::parrot(number(3), vec![vec![]; 20]));
        assert!(is_garbled(&rig.poll()) && !rig.is_proved(), "{part:?}");
        rig.empty();
        // It says that it could, and does not know how.
        rig.place(Card::with_type(number(3), [0x44, 0x03], 0x20));
        assert!(is_garbled(&rig.poll()) && !rig.is_proved(), "{part:?}");
    }
}

#[test]
fn a_card_that_says_more_than_any_answer_is_nonsense_and_no_reader_that_is_gone() {
    for part in PARTS {
        for length in [35, 62, 200, 256, 300] {
            let mut rig = started(part, desfire_keys());
            rig.place(Card::parrot(number(3), vec![vec![0x91; length]; 9]));
            assert!(is_garbled(&rig.poll()), "{part:?}, {length} bytes");
            rig.empty();
            rig.place(Card::desfire(number(4), ev2()));
            assert!(rig.proves(&number(4)), "{part:?}, {length} bytes");
        }
    }
}

#[test]
fn a_proof_passes_a_number_format() {
    let field = Field::new();
    let chip = Mfrc522::new(Mfrc522Model::new(&field), SimDelay::default());
    let format = "uid last=4".parse().unwrap();
    let mut reader = Renumbered::new(chip.with_keys(sun_keys(), random()), format);
    reader.start().unwrap();
    assert!(field.place_card(Card::ntag424(number(7), sun())));
    let last = CardUid::new(&[0x52, 7, 0x6d, 0x80]).unwrap();
    assert_eq!(reader.poll(), Ok(Some(last)));
    assert_eq!(reader.proof(), Proof::Proved);
}

#[test]
fn a_card_without_the_key_is_an_error_and_is_left_alone_after_two_tries() {
    let wrong = [
        (
            desfire_keys(),
            Card::desfire(number(5), Desfire::ev1(APPLICATION).with_key(1, OTHER_KEY)),
        ),
        (
            desfire_keys(),
            Card::desfire(number(5), Desfire::ev2(APPLICATION).with_key(1, OTHER_KEY)),
        ),
        (
            desfire_keys(),
            Card::desfire(number(5), Desfire::ev2(APPLICATION)),
        ),
        (ntag_keys(), Card::ntag424(number(5), Ntag424::new())),
        (
            sun_keys(),
            Card::ntag424(number(5), Ntag424::new().with_sun(META, OTHER_KEY, TEXT, 7)),
        ),
        (
            sun_keys(),
            Card::ntag424(number(5), Ntag424::new().with_sun(OTHER_KEY, KEY, TEXT, 7)),
        ),
    ];
    for part in PARTS {
        for (at, (keys, card)) in wrong.clone().into_iter().enumerate() {
            for random_number in [false, true] {
                let heard = Transcript::default();
                let card = card.clone().recorded(&heard);
                let card = if random_number {
                    card.with_random_number()
                } else {
                    card
                };
                let mut rig = started(part, keys.clone());
                rig.place(card);
                let case = format!("{part:?}, card {at}");
                assert!(is_garbled(&rig.poll()) && !rig.is_proved(), "{case}");
                let once = heard.answers().len();
                for _ in 0..10 {
                    assert!(is_garbled(&rig.poll()) && !rig.is_proved(), "{case}");
                }
                assert_eq!(heard.answers().len(), 2 * once, "{case}");
                rig.empty();
            }
        }
    }
}

#[test]
fn an_emulator_that_lets_its_own_card_do_the_arithmetic_is_refused() {
    for part in PARTS {
        for (kind, keys, card) in genuine(7) {
            let mut rig = started(part, keys());
            rig.place(card.saying(number(8)));
            for _ in 0..4 {
                assert!(
                    is_garbled(&rig.poll()) && !rig.is_proved(),
                    "{kind} {part:?}"
                );
            }
        }
    }
}

#[test]
fn a_recorded_dialogue_played_again_is_refused() {
    for part in PARTS {
        for (kind, keys, card) in genuine(7) {
            let heard = Transcript::default();
            let mut rig = started(part, keys());
            rig.place(card.recorded(&heard));
            assert!(rig.proves(&number(7)));
            rig.empty();
            rig.place(Card::parrot(number(7), heard.answers()));
            for _ in 0..4 {
                assert!(
                    is_garbled(&rig.poll()) && !rig.is_proved(),
                    "{kind} {part:?}"
                );
            }
        }
    }
}

#[test]
fn a_message_that_one_reader_saw_is_refused_by_the_others_and_after_a_reopening() {
    let keys = sun_keys();
    let mut imported = sun_keys();
    imported.keep_counters(&keys);
    let mut first = started(Part::Mfrc522, keys.clone());
    first.place(Card::ntag424(number(7), sun().read_before(41)));
    assert!(first.proves(&number(7)));
    drop(first);
    for part in PARTS {
        for keys in [&keys, &imported] {
            // Made anew with the same keys: the message of before is played to it.
            let mut again = started(part, keys.clone());
            again.place(Card::ntag424(number(7), sun().read_before(41)));
            assert!(is_garbled(&again.poll()), "{part:?}");
        }
        let mut unknown = started(part, sun_keys());
        unknown.place(Card::ntag424(number(7), sun().read_before(41)));
        assert!(unknown.proves(&number(7)), "nobody has kept them");
    }
    let mut later = started(Part::Spi, imported);
    later.place(Card::ntag424(number(7), sun().read_before(42)));
    assert!(later.proves(&number(7)));
    let mut early = started(Part::Uart, keys);
    early.place(Card::ntag424(number(7), sun().read_before(42)));
    assert!(is_garbled(&early.poll()), "clones learn together");
}

#[test]
fn a_message_counts_up_and_an_older_one_is_refused() {
    for part in PARTS {
        let mut rig = started(part, sun_keys());
        rig.place(Card::ntag424(number(7), sun().read_before(41)));
        assert!(rig.proves(&number(7)));
        rig.empty();
        rig.place(Card::ntag424(number(7), sun().read_before(40)));
        assert!(is_garbled(&rig.poll()), "a message read before");
        assert!(is_garbled(&rig.poll()), "and the next one too");
        assert!(is_garbled(&rig.poll()), "a third is not asked for");
        rig.empty();
        // Another card's counter is its own.
        rig.place(Card::ntag424(number(8), sun()));
        assert!(rig.proves(&number(8)));
        rig.empty();
        rig.place(Card::ntag424(number(7), sun().read_before(42)));
        assert!(rig.proves(&number(7)));
    }
}

#[test]
fn two_cards_that_can_prove_themselves_give_one_of_them() {
    for part in PARTS {
        let mut rig = started(part, desfire_keys());
        rig.place(Card::desfire(number(1), ev1()));
        rig.place(Card::desfire(number(2), ev2()));
        for _ in 0..6 {
            let seen = rig.poll().unwrap().unwrap();
            assert!(rig.is_proved() && [number(1), number(2)].contains(&seen));
        }
    }
}

#[test]
fn somebody_in_between_who_turns_one_bit_of_any_answer_gets_no_other_number_proved() {
    for (kind, keys, card) in genuine(7) {
        let heard = Transcript::default();
        let mut rig = started(Part::Mfrc522, keys());
        rig.place(card.clone().recorded(&heard));
        assert!(rig.proves(&number(7)));
        let mut proved = 0;
        for (command, answer) in heard.answers().iter().enumerate() {
            for bit in 0..answer.len() * 8 {
                let mut rig = started(Part::Mfrc522, keys());
                rig.place(card.clone().flipped(command, bit));
                let found = rig.poll();
                let case = format!("{kind}, command {command}, bit {bit}: {found:?}");
                let same = found == Ok(Some(number(7)));
                assert!(same || is_garbled(&found), "{case}");
                proved += u32::from(rig.is_proved());
                // The version's bits are no secret's matter, nor is text around a message.
                let open = command < 3 || (kind == "SUN" && command == 5);
                assert!(open || !rig.is_proved(), "{case}");
                // Once its application or file is open, a card is not taken for another's.
                let opening = command == 3 || (kind == "SUN" && command == 4);
                assert!(open || opening || !same, "{case}");
            }
        }
        assert!(proved > 0, "{kind}");
    }
}
