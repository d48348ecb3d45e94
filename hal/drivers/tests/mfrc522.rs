// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The MFRC522 driver against the register model.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics has failed"
)]

use platen_drivers::Mfrc522;
use platen_hal::{CardReader, CardUid, ReaderError, TraceEvent};
use platen_hal_sim::{Card, CollisionCount, Fault, Field, Mfrc522Model, SimDelay, SimPin};
use proptest::prelude::*;

/// Limits of the trait, in time asked from the delay.
const START_MS: u64 = 500;
const POLL_MS: u64 = 300;

struct Rig {
    field: Field,
    delay: SimDelay,
    reader: Mfrc522<Mfrc522Model, SimDelay>,
}

fn rig() -> Rig {
    let field = Field::new();
    let delay = SimDelay::default();
    let reader = Mfrc522::new(Mfrc522Model::new(&field), delay.clone());
    Rig {
        field,
        delay,
        reader,
    }
}

fn started() -> Rig {
    let mut rig = rig();
    rig.reader.start().unwrap();
    rig
}

fn uid(bytes: &[u8]) -> CardUid {
    CardUid::new(bytes).unwrap()
}

impl Rig {
    fn place(&self, bytes: &[u8]) -> CardUid {
        let uid = uid(bytes);
        assert!(self.field.place(&uid));
        uid
    }

    /// A poll that must keep the trait's limit.
    fn poll(&mut self) -> Result<Option<CardUid>, ReaderError> {
        let before = self.delay.total_ms();
        let transactions = self.field.transactions();
        let result = self.reader.poll();
        assert!(self.delay.total_ms() - before <= POLL_MS);
        assert!(self.field.transactions() - transactions <= 512);
        result
    }

    fn start(&mut self) -> Result<(), ReaderError> {
        let before = self.delay.total_ms();
        let result = self.reader.start();
        assert!(self.delay.total_ms() - before <= START_MS);
        result
    }
}

#[test]
fn an_empty_field_has_no_card() {
    assert_eq!(started().poll(), Ok(None));
}

#[test]
fn selects_four_byte_uid() {
    let mut rig = started();
    let card = rig.place(&[0x04, 0xa1, 0xb2, 0xc3]);
    assert_eq!(rig.poll(), Ok(Some(card)));
}

#[test]
fn selects_seven_byte_uid() {
    let mut rig = started();
    let card = rig.place(&[0x04, 1, 2, 3, 4, 5, 6]);
    assert_eq!(rig.poll(), Ok(Some(card)));
}

#[test]
fn selects_ten_byte_uid() {
    let mut rig = started();
    let card = rig.place(&[0x04, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(rig.poll(), Ok(Some(card)));
}

#[test]
fn a_card_that_lies_there_is_read_at_each_poll() {
    let mut rig = started();
    let card = rig.place(&[0x04, 1, 2, 3, 4, 5, 6]);
    for _ in 0..50 {
        assert_eq!(rig.poll(), Ok(Some(card.clone())));
    }
    rig.field.remove(&card);
    assert_eq!(rig.poll(), Ok(None));
}

#[test]
fn a_card_with_random_number_is_flagged() {
    let mut rig = started();
    rig.place(&[0x08, 0xa1, 0xb2, 0xc3]);
    assert!(rig.poll().unwrap().unwrap().is_random());
}

#[test]
fn an_iso_14443_4_card_is_read_like_any_other() {
    let mut rig = started();
    let card = uid(&[0x04, 9, 8, 7, 6, 5, 4]);
    let desfire = Card::with_type(card.clone(), [0x44, 0x03], 0x20);
    assert!(rig.field.place_card(desfire));
    assert_eq!(rig.poll(), Ok(Some(card)));
}

#[test]
fn a_four_byte_number_that_starts_with_the_cascade_tag_is_refused() {
    let mut rig = started();
    rig.place(&[0x88, 1, 2, 3]);
    assert!(matches!(rig.poll(), Err(ReaderError::Garbled { .. })));
}

#[test]
fn two_cards_that_differ_in_their_last_bit_give_one_of_them() {
    let mut rig = started();
    rig.place(&[1, 2, 3, 0x7f]);
    let one = rig.place(&[1, 2, 3, 0xff]);
    assert_eq!(rig.poll(), Ok(Some(one)));
    let trace = rig.reader.trace().unwrap();
    let collision = TraceEvent::Collision { level: 1, bit: 32 };
    assert!(trace.entries().any(|entry| entry.event == collision));
}

#[test]
fn a_second_collision_is_found_from_wherever_the_chip_counts() {
    for count in [CollisionCount::UidStart, CollisionCount::ReceivedBytes] {
        let mut rig = started();
        rig.field.set_collision_count(count);
        rig.place(&[1, 0x00, 3, 4]); // differs in bit 12
        rig.place(&[1, 0x08, 3, 4]); // and these two in bit 14
        let chosen = rig.place(&[1, 0x28, 3, 4]);
        assert_eq!(rig.poll(), Ok(Some(chosen)), "{count:?}");
    }
}

#[test]
fn when_the_chosen_card_leaves_the_other_one_is_read() {
    let mut rig = started();
    let other = rig.place(&[1, 2, 3, 4]);
    let chosen = rig.place(&[1, 2, 3, 5, 6, 7, 8]);
    let first = rig.poll().unwrap().unwrap();
    rig.field.remove(&first);
    let second = rig.poll().unwrap().unwrap();
    assert_ne!(first, second);
    assert!([&other, &chosen].contains(&&first) && [&other, &chosen].contains(&&second));
}

#[test]
fn nine_cards_are_too_many_for_the_field_and_eight_give_one_of_them() {
    let mut rig = started();
    let cards: Vec<CardUid> = (0..8).map(|n| rig.place(&[n, 2, 3, 4])).collect();
    assert!(!rig.field.place(&uid(&[9, 2, 3, 4])));
    let read = rig.poll().unwrap().unwrap();
    assert!(cards.contains(&read));
}

#[test]
fn a_card_that_leaves_at_any_frame_gives_its_number_nothing_or_nonsense() {
    for frames in 1..12 {
        let mut rig = started();
        let card = rig.place(&[0x04, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        rig.field.remove_after(&card, frames);
        match rig.poll() {
            Ok(None) | Err(ReaderError::Garbled { .. }) => {}
            Ok(Some(read)) => assert_eq!(read, card),
            Err(error) => panic!("after {frames} frames: {error}"),
        }
        let gone = (0..12).any(|_| rig.poll() == Ok(None));
        assert!(gone, "after {frames} frames");
    }
}

fn is_lost(result: &Result<Option<CardUid>, ReaderError>) -> bool {
    matches!(result, Err(ReaderError::Gone { .. } | ReaderError::Bus))
}

#[test]
fn a_chip_that_goes_at_any_transaction_of_a_poll_is_noticed_by_the_next_one() {
    let card = uid(&[0x04, 1, 2, 3, 4, 5, 6]);
    let whole = {
        let mut rig = started();
        assert!(rig.field.place(&card));
        let before = rig.field.transactions();
        rig.poll().unwrap();
        rig.field.transactions() - before
    };
    for at in 0..=whole {
        let mut rig = started();
        assert!(rig.field.place(&card));
        rig.field.set_fault(Fault::GoneAfter(at));
        match rig.poll() {
            Ok(None) => panic!("gone at {at}: a chip that is gone sees no empty field"),
            Ok(Some(read)) => assert_eq!(read, card),
            Err(_) => {}
        }
        assert!(is_lost(&rig.poll()), "gone at {at}");
        rig.field.set_fault(Fault::None);
        rig.start().unwrap();
        assert_eq!(rig.poll(), Ok(Some(card.clone())));
    }
}

#[test]
fn a_chip_that_goes_before_its_first_answer_is_told_in_the_same_poll() {
    for at in 0..=6 {
        let mut rig = started();
        rig.place(&[1, 2, 3, 4]);
        rig.field.set_fault(Fault::GoneAfter(at));
        let cause = "version register reads 0xff";
        assert_eq!(rig.poll(), Err(ReaderError::Gone { cause }), "gone at {at}");
    }
}

#[test]
fn a_chip_that_goes_at_any_transaction_of_its_start_is_an_error() {
    let whole = {
        let rig = started();
        rig.field.transactions()
    };
    for at in 0..whole {
        let mut rig = rig();
        rig.field.set_fault(Fault::GoneAfter(at));
        let result = rig.start();
        assert!(
            matches!(result, Err(ReaderError::Gone { .. })),
            "gone at {at}: {result:?}"
        );
    }
}

#[test]
fn a_stuck_bus_is_a_reader_that_is_gone() {
    for fault in [Fault::StuckLow, Fault::StuckHigh, Fault::Gone] {
        let mut rig = started();
        rig.field.set_fault(fault);
        assert!(
            matches!(rig.poll(), Err(ReaderError::Gone { .. })),
            "{fault:?}"
        );
        assert!(
            matches!(rig.start(), Err(ReaderError::Gone { .. })),
            "{fault:?}"
        );
        assert!(
            matches!(rig.poll(), Err(ReaderError::Gone { .. })),
            "{fault:?}"
        );
    }
}

#[test]
fn a_bus_that_reports_errors_is_told_as_such() {
    let mut rig = started();
    rig.field.set_fault(Fault::BusFailed);
    assert_eq!(rig.poll(), Err(ReaderError::Bus));
    assert_eq!(rig.start(), Err(ReaderError::Bus));
}

#[test]
fn an_oscillator_that_does_not_start_is_an_error_within_the_limit() {
    let mut rig = rig();
    rig.field.set_fault(Fault::OscillatorDead);
    let cause = "oscillator does not start";
    assert_eq!(rig.start(), Err(ReaderError::Gone { cause }));
}

#[test]
fn a_chip_that_was_reset_behind_our_back_is_noticed() {
    let mut rig = started();
    rig.field.brown_out();
    let cause = "chip has lost its settings";
    assert_eq!(rig.poll(), Err(ReaderError::Gone { cause }));
    rig.start().unwrap();
    assert_eq!(rig.poll(), Ok(None));
}

#[test]
fn known_versions_start_and_others_do_not() {
    for version in 0..=255_u8 {
        let field = Field::new();
        let chip = Mfrc522Model::with_version(&field, version);
        let result = Mfrc522::new(chip, SimDelay::default()).start();
        let known = [0x12, 0x88, 0x89, 0x90, 0x91, 0x92, 0xb2].contains(&version);
        assert_eq!(result.is_ok(), known, "version {version:#04x}");
    }
}

#[test]
fn the_reset_line_is_pulsed_low_at_each_start() {
    let (pin, probe) = SimPin::new();
    let chip = Mfrc522Model::new(&Field::new());
    let mut reader = Mfrc522::with_reset(chip, SimDelay::default(), pin);
    reader.start().unwrap();
    reader.start().unwrap();
    assert_eq!(probe.levels(), [true, false, true]);
}

#[test]
fn a_reader_that_was_not_started_says_so_without_touching_the_bus() {
    let mut rig = rig();
    assert!(matches!(rig.poll(), Err(ReaderError::Gone { .. })));
    assert_eq!(rig.field.transactions(), 0);
}

#[test]
fn ten_thousand_garbled_runs_never_give_a_number_that_was_not_there() {
    let mut read = 0;
    for seed in 1..=10_000_u64 {
        let mut rig = started();
        let bytes: Vec<u8> = (0..10)
            .map(|n| (seed.wrapping_mul(37) >> n) as u8 & 0x7f)
            .collect();
        let card = rig.place(&bytes[..[4, 7, 10][seed as usize % 3]]);
        let per_mille = [2, 10, 50, 200][seed as usize % 4];
        rig.field.set_fault(Fault::Garbled { seed, per_mille });
        for _ in 0..3 {
            match rig.poll() {
                Ok(Some(seen)) => {
                    assert_eq!(seen, card, "seed {seed}");
                    read += 1;
                }
                Ok(None) | Err(ReaderError::Garbled { .. }) => {}
                Err(_) => {
                    let _ = rig.start();
                }
            }
        }
    }
    assert!(
        read > 1_000,
        "only {read} numbers read: the test shows nothing"
    );
}

#[test]
fn an_idle_poll_takes_few_transactions_and_little_time() {
    let mut rig = started();
    let (transactions, ms) = (rig.field.transactions(), rig.delay.total_ms());
    for _ in 0..100 {
        assert_eq!(rig.poll(), Ok(None));
    }
    let each = (rig.field.transactions() - transactions) / 100;
    let ms_each = (rig.delay.total_ms() - ms) / 100;
    println!("idle poll: {each} transactions, {ms_each} ms waited");
    assert!(each <= 12 && ms_each <= 3);
}

#[test]
fn the_trace_tells_what_was_seen_without_the_number() {
    let mut rig = started();
    rig.place(&[0xde, 0xad, 0xbe, 0xef]);
    rig.poll().unwrap();
    let trace = rig.reader.trace().unwrap();
    assert_eq!((trace.counters.starts, trace.counters.cards), (1, 1));
    let text: Vec<String> = trace.entries().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "poll 0: started, version 0x92",
            "poll 1: selected a 4-byte UID, SAK 0x08"
        ]
    );
}

fn any_uid() -> impl Strategy<Value = CardUid> {
    (prop::collection::vec(any::<u8>(), 10), 0..3_usize).prop_map(|(mut bytes, size)| {
        bytes.truncate([4, 7, 10][size]);
        if bytes[0] == 0x88 {
            bytes[0] = 0x04; // not allowed in a first byte
        }
        uid(&bytes)
    })
}

proptest! {
    #[test]
    fn any_cards_at_once_give_one_of_them_or_nonsense_but_never_a_mixture(
        cards in prop::collection::hash_set(any_uid(), 1..5),
        received_bytes in any::<bool>(),
    ) {
        let mut rig = started();
        if received_bytes {
            rig.field.set_collision_count(CollisionCount::ReceivedBytes);
        }
        for card in &cards {
            prop_assert!(rig.field.place(card));
        }
        match rig.poll() {
            Ok(Some(read)) => prop_assert!(cards.contains(&read)),
            // Counted from the received bytes, a third collision can be mistaken for another bit.
            Err(ReaderError::Garbled { .. }) => prop_assert!(received_bytes && cards.len() > 2),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
