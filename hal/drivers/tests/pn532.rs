// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The PN532 driver against the chip's model, on each of its three links.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics has failed"
)]

use platen_drivers::pn532::Kinds;
use platen_drivers::{HsuLink, I2cLink, Pn532, SpiLink};
use platen_hal::{CardReader, CardUid, Proof, ReaderError, TraceEvent};
use platen_hal_sim::{Card, Fault, Field, Pn532I2c, Pn532Spi, Pn532Uart, SimDelay, SimPin};
use proptest::prelude::*;

/// Limits of the trait, in time asked from the delay. On the wires of I2C and HSU some 30 ms and
/// 100 ms more are possible at worst.
const START_MS: u64 = 400;
const POLL_MS: u64 = 200;

#[derive(Clone, Copy, Debug)]
enum Wire {
    Spi,
    I2c,
    Uart,
}

const WIRES: [Wire; 3] = [Wire::Spi, Wire::I2c, Wire::Uart];

struct Rig {
    field: Field,
    delay: SimDelay,
    reader: Box<dyn CardReader>,
}

fn rig(wire: Wire) -> Rig {
    let field = Field::new();
    let delay = SimDelay::default();
    let reader: Box<dyn CardReader> = match wire {
        Wire::Spi => Box::new(Pn532::new(
            SpiLink::new(Pn532Spi::new(&field)),
            delay.clone(),
        )),
        Wire::I2c => Box::new(Pn532::new(
            I2cLink::new(Pn532I2c::new(&field)),
            delay.clone(),
        )),
        Wire::Uart => Box::new(Pn532::new(
            HsuLink::new(Pn532Uart::new(&field)),
            delay.clone(),
        )),
    };
    Rig {
        field,
        delay,
        reader,
    }
}

fn started(wire: Wire) -> Rig {
    let mut rig = rig(wire);
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
        let result = self.reader.poll();
        let spent = self.delay.total_ms() - before;
        assert!(spent <= POLL_MS, "poll took {spent} ms: {result:?}");
        result
    }

    fn start(&mut self) -> Result<(), ReaderError> {
        let before = self.delay.total_ms();
        let result = self.reader.start();
        let spent = self.delay.total_ms() - before;
        assert!(spent <= START_MS, "start took {spent} ms: {result:?}");
        result
    }
}

fn is_lost<T>(result: &Result<T, ReaderError>) -> bool {
    matches!(result, Err(ReaderError::Gone { .. } | ReaderError::Bus))
}

#[test]
fn numbers_of_each_length_are_read_on_each_link() {
    for wire in WIRES {
        let mut rig = started(wire);
        assert_eq!(rig.poll(), Ok(None), "{wire:?}");
        for length in [4, 7, 10] {
            let card = rig.place(&[4, 1, 2, 3, 4, 5, 6, 7, 8, 9][..length]);
            assert_eq!(rig.poll(), Ok(Some(card.clone())), "{wire:?}");
            rig.field.remove(&card);
            assert_eq!(rig.poll(), Ok(None), "{wire:?}");
        }
    }
}

#[test]
fn a_card_that_lies_there_is_read_at_each_poll() {
    for wire in WIRES {
        let mut rig = started(wire);
        let card = rig.place(&[4, 1, 2, 3, 4, 5, 6]);
        for _ in 0..50 {
            assert_eq!(rig.poll(), Ok(Some(card.clone())), "{wire:?}");
        }
    }
}

#[test]
fn a_card_that_changes_between_two_polls_is_read_as_the_new_one() {
    for wire in WIRES {
        let mut rig = started(wire);
        let first = rig.place(&[1, 2, 3, 4]);
        assert_eq!(rig.poll(), Ok(Some(first.clone())));
        rig.field.remove(&first);
        let second = rig.place(&[1, 2, 3, 5]);
        assert_eq!(rig.poll(), Ok(Some(second)), "{wire:?}");
    }
}

#[test]
fn an_iso_14443_4_card_is_read_without_a_rats() {
    for wire in WIRES {
        let mut rig = started(wire);
        let card = uid(&[4, 9, 8, 7, 6, 5, 4]);
        let desfire = Card::with_type(card.clone(), [0x44, 0x03], 0x20);
        assert!(rig.field.place_card(desfire));
        assert_eq!(rig.poll(), Ok(Some(card)), "{wire:?}");
        rig.field.brown_out();
        assert!(is_lost(&rig.poll()), "{wire:?}");
    }
}

#[test]
fn a_four_byte_number_that_starts_with_the_cascade_tag_is_refused() {
    for wire in WIRES {
        let mut rig = started(wire);
        rig.place(&[0x88, 1, 2, 3]);
        assert!(
            matches!(rig.poll(), Ok(None) | Err(ReaderError::Garbled { .. })),
            "{wire:?}"
        );
    }
}

#[test]
fn a_card_with_random_number_is_flagged() {
    let mut rig = started(Wire::Spi);
    rig.place(&[0x08, 0xa1, 0xb2, 0xc3]);
    assert!(rig.poll().unwrap().unwrap().is_random());
}

#[test]
fn a_card_that_leaves_at_any_frame_gives_its_number_nothing_or_nonsense() {
    for wire in WIRES {
        for frames in 1..24 {
            let mut rig = started(wire);
            let card = rig.place(&[4, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
            rig.field.remove_after(&card, frames);
            match rig.poll() {
                Ok(None) | Err(ReaderError::Garbled { .. }) => {}
                Ok(Some(read)) => assert_eq!(read, card),
                Err(error) => panic!("{wire:?}, after {frames} frames: {error}"),
            }
            let gone = (0..12).any(|_| rig.poll() == Ok(None));
            assert!(gone, "{wire:?}, after {frames} frames");
        }
    }
}

#[test]
fn a_chip_that_goes_at_any_access_of_a_poll_is_noticed_by_the_next_one_and_comes_back() {
    for wire in WIRES {
        let card = uid(&[4, 1, 2, 3, 4, 5, 6]);
        let whole = {
            let mut rig = started(wire);
            assert!(rig.field.place(&card));
            let before = rig.field.transactions();
            rig.poll().unwrap();
            rig.field.transactions() - before
        };
        for at in 0..=whole {
            let mut rig = started(wire);
            assert!(rig.field.place(&card));
            rig.field.set_fault(Fault::GoneAfter(at));
            match rig.poll() {
                Ok(None) => panic!("{wire:?}, {at}: a chip that is gone sees no empty field"),
                Ok(Some(read)) => assert_eq!(read, card),
                Err(_) => {}
            }
            assert!(is_lost(&rig.poll()), "{wire:?}, gone at {at}");
            rig.field.set_fault(Fault::None);
            rig.start().unwrap();
            assert_eq!(rig.poll(), Ok(Some(card.clone())));
        }
    }
}

#[test]
fn a_chip_that_goes_at_any_access_of_its_start_is_an_error() {
    for wire in WIRES {
        let whole = started(wire).field.transactions();
        for at in 0..whole {
            let mut rig = rig(wire);
            rig.field.set_fault(Fault::GoneAfter(at));
            let result = rig.start();
            assert!(is_lost(&result), "{wire:?}, gone at {at}: {result:?}");
            rig.field.set_fault(Fault::None);
            assert_eq!(rig.start(), Ok(()), "{wire:?}, gone at {at}");
        }
    }
}

#[test]
fn a_stuck_or_failing_bus_is_a_reader_that_is_gone() {
    let faults = [
        Fault::StuckLow,
        Fault::StuckHigh,
        Fault::Gone,
        Fault::BusFailed,
    ];
    for (wire, fault) in WIRES
        .into_iter()
        .flat_map(|wire| faults.map(|fault| (wire, fault)))
    {
        let mut rig = started(wire);
        rig.place(&[1, 2, 3, 4]);
        rig.field.set_fault(fault);
        assert!(is_lost(&rig.poll()), "{wire:?} {fault:?}");
        assert!(is_lost(&rig.start()), "{wire:?} {fault:?}");
        assert!(is_lost(&rig.poll()), "{wire:?} {fault:?}");
        rig.field.set_fault(Fault::None);
        assert_eq!(rig.start(), Ok(()), "{wire:?} {fault:?}");
    }
}

#[test]
fn a_chip_that_is_dead_after_its_reset_is_an_error_within_the_limit() {
    for wire in WIRES {
        let mut rig = rig(wire);
        rig.field.set_fault(Fault::OscillatorDead);
        rig.field.brown_out();
        assert!(is_lost(&rig.start()), "{wire:?}");
    }
}

#[test]
fn a_chip_that_was_reset_behind_our_back_is_noticed() {
    for wire in WIRES {
        let mut rig = started(wire);
        rig.field.brown_out();
        assert!(is_lost(&rig.poll()), "{wire:?}");
        rig.start().unwrap();
        assert_eq!(rig.poll(), Ok(None));
    }
}

#[test]
fn the_reset_line_is_pulsed_low_at_each_start() {
    let (pin, probe) = SimPin::new();
    let link = SpiLink::new(Pn532Spi::new(&Field::new()));
    let mut reader = Pn532::with_reset(link, SimDelay::default(), pin);
    reader.start().unwrap();
    reader.start().unwrap();
    assert_eq!(probe.levels(), [true, false, true]);
}

#[test]
fn a_reader_that_was_not_started_says_so_without_touching_the_bus() {
    let mut rig = rig(Wire::Spi);
    assert!(matches!(rig.poll(), Err(ReaderError::Gone { .. })));
    assert_eq!(rig.field.transactions(), 0);
}

#[test]
fn garbled_runs_on_each_link_never_give_a_number_that_was_not_there() {
    let mut read = 0;
    for seed in 1..=9_000_u64 {
        let mut rig = started(WIRES[seed as usize % 3]);
        let bytes: Vec<u8> = (0..10)
            .map(|n| (seed.wrapping_mul(37) >> n) as u8 & 0x7f)
            .collect();
        let card = rig.place(&bytes[..[4, 7, 10][seed as usize / 3 % 3]]);
        let per_mille = [1, 5, 20, 100][seed as usize % 4];
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
fn an_idle_poll_takes_few_accesses_and_little_time() {
    for (wire, accesses_max, ms_max) in [(Wire::Spi, 8, 8), (Wire::I2c, 8, 40), (Wire::Uart, 8, 16)]
    {
        let mut rig = started(wire);
        let (accesses, ms) = (rig.field.transactions(), rig.delay.total_ms());
        for _ in 0..100 {
            assert_eq!(rig.poll(), Ok(None));
        }
        let each = (rig.field.transactions() - accesses) / 100;
        let ms_each = (rig.delay.total_ms() - ms) / 100;
        println!("idle poll on {wire:?}: {each} accesses, {ms_each} ms waited");
        assert!(each <= accesses_max && ms_each <= ms_max);
    }
}

#[test]
fn the_trace_tells_what_was_seen_without_the_number() {
    let mut rig = started(Wire::Uart);
    rig.place(&[0xde, 0xad, 0xbe, 0xef]);
    rig.poll().unwrap();
    let trace = rig.reader.trace().unwrap();
    assert_eq!((trace.counters.starts, trace.counters.cards), (1, 1));
    let events: Vec<TraceEvent> = trace.entries().map(|entry| entry.event).collect();
    let (uid_len, sak) = (4, 0x08);
    let selected = TraceEvent::Selected { uid_len, sak };
    assert_eq!(events, [TraceEvent::Started { version: 0x32 }, selected]);
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
    fn any_cards_at_once_give_one_of_them(
        cards in prop::collection::hash_set(any_uid(), 1..5),
        wire in 0..3_usize,
    ) {
        let mut rig = started(WIRES[wire]);
        for card in &cards {
            prop_assert!(rig.field.place(card));
        }
        let read = rig.poll().unwrap().unwrap();
        prop_assert!(cards.contains(&read));
    }
}

/// A reader on `wire` that looks for every kind.
fn for_all_kinds(wire: Wire) -> Rig {
    let field = Field::new();
    let delay = SimDelay::default();
    let kinds = Kinds {
        type_b: true,
        felica: true,
    };
    let mut reader: Box<dyn CardReader> = match wire {
        Wire::Spi => {
            let link = SpiLink::new(Pn532Spi::new(&field));
            Box::new(Pn532::new(link, delay.clone()).with_kinds(kinds))
        }
        Wire::I2c => {
            let link = I2cLink::new(Pn532I2c::new(&field));
            Box::new(Pn532::new(link, delay.clone()).with_kinds(kinds))
        }
        Wire::Uart => {
            let link = HsuLink::new(Pn532Uart::new(&field));
            Box::new(Pn532::new(link, delay.clone()).with_kinds(kinds))
        }
    };
    reader.start().unwrap();
    Rig {
        field,
        delay,
        reader,
    }
}

const PUPI: [u8; 4] = [0x51, 0xa2, 0xb3, 0xc4];
const IDM: [u8; 8] = [0x01, 0x2e, 0x4c, 0xd2, 0x83, 0x9f, 0x6a, 0x15];

#[test]
fn type_b_and_felica_cards_are_read_where_they_are_looked_for() {
    let cards = [
        Card::type_b(PUPI).unwrap(),
        Card::felica(IDM, 0x8008).unwrap(),
        Card::new(uid(&[4, 1, 2, 3, 4, 5, 6])),
    ];
    for wire in WIRES {
        let mut rig = for_all_kinds(wire);
        for card in &cards {
            assert!(rig.field.place_card(card.clone()));
            for _ in 0..3 {
                assert_eq!(rig.poll(), Ok(Some(card.uid().clone())), "{wire:?}");
                assert_eq!(rig.reader.proof(), Proof::Weak);
            }
            rig.field.clear();
            assert_eq!(rig.poll(), Ok(None), "{wire:?}");
        }
        let mut rig = started(wire);
        for card in &cards[..2] {
            assert!(rig.field.place_card(card.clone()));
        }
        assert_eq!(rig.poll(), Ok(None), "nobody looks for them");
    }
}

#[test]
fn a_type_b_card_whose_number_changes_is_refused() {
    for wire in WIRES {
        let mut rig = for_all_kinds(wire);
        let card = Card::type_b(PUPI).unwrap().with_random_number();
        assert!(rig.field.place_card(card));
        for _ in 0..5 {
            assert!(
                matches!(rig.poll(), Err(ReaderError::Garbled { .. })),
                "{wire:?}"
            );
        }
    }
}

#[test]
fn a_felica_number_that_was_drawn_for_the_moment_is_refused() {
    let mut rig = for_all_kinds(Wire::Spi);
    let drawn = [0x01, 0xfe, 1, 2, 3, 4, 5, 6];
    assert!(rig.field.place_card(Card::felica(drawn, 0x12fc).unwrap()));
    assert!(matches!(rig.poll(), Err(ReaderError::Garbled { .. })));
}

#[test]
fn a_card_with_random_numbers_is_read_and_marked_though_it_changes() {
    for wire in WIRES {
        let mut rig = started(wire);
        let card = Card::new(uid(&[4, 1, 2, 3])).with_random_number();
        assert!(rig.field.place_card(card));
        for _ in 0..3 {
            assert!(rig.poll().unwrap().unwrap().is_random(), "{wire:?}");
        }
    }
}

#[test]
fn a_chip_that_goes_while_it_looks_for_all_kinds_is_noticed() {
    for wire in WIRES {
        let card = Card::felica(IDM, 0x8008).unwrap();
        let whole = {
            let mut rig = for_all_kinds(wire);
            assert!(rig.field.place_card(card.clone()));
            let before = rig.field.transactions();
            rig.poll().unwrap();
            rig.field.transactions() - before
        };
        for at in 0..=whole {
            let mut rig = for_all_kinds(wire);
            assert!(rig.field.place_card(card.clone()));
            rig.field.set_fault(Fault::GoneAfter(at));
            if let Ok(found) = rig.poll() {
                assert_eq!(found, Some(uid(&IDM)), "{wire:?}, gone at {at}");
            }
            assert!(is_lost(&rig.poll()), "{wire:?}, gone at {at}");
        }
    }
}

#[test]
fn an_idle_poll_for_all_kinds_keeps_its_limit() {
    for wire in WIRES {
        let mut rig = for_all_kinds(wire);
        let (accesses, ms) = (rig.field.transactions(), rig.delay.total_ms());
        for _ in 0..100 {
            assert_eq!(rig.poll(), Ok(None));
        }
        let each = (rig.field.transactions() - accesses) / 100;
        let ms_each = (rig.delay.total_ms() - ms) / 100;
        println!("idle poll for all kinds on {wire:?}: {each} accesses, {ms_each} ms waited");
        assert!(each <= 24 && ms_each <= 100);
    }
}
