// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The same card is the same number on every kind of reader.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use platen_drivers::number::{
    NumberError, NumberFormat, NumberFormatError, Reading, ReadingKind, Renumbered,
};
use platen_drivers::wiegand::Frame;
use platen_drivers::{Mfrc522, Pn532, SpiLink};
use platen_hal::{CardReader, CardUid};
use platen_hal_sim::wiegand::wiegand_bits;
use platen_hal_sim::{Field, Mfrc522Model, Pn532Spi, SimDelay};
use proptest::prelude::*;

fn format(text: &str) -> NumberFormat {
    text.parse().unwrap()
}

fn uid(bytes: &[u8]) -> CardUid {
    CardUid::new(bytes).unwrap()
}

fn text(words: &str, typed: &str) -> Result<CardUid, NumberError> {
    format(words).apply(Reading::Text(typed))
}

fn frame(data: u64, count: u8) -> Frame {
    let bits = wiegand_bits(data, count);
    let number = bits.iter().fold(0, |sum, bit| sum << 1 | u64::from(*bit));
    Frame::new(number, count + 2).unwrap()
}

#[test]
fn one_card_in_the_words_of_each_reader() {
    let card = uid(&[0x04, 0xa1, 0xb2, 0xc3]);
    let typed = [
        ("hex", "04A1B2C3"),
        ("hex", "04:a1:b2:c3"),
        ("hex reverse", "C3B2A104"),
        ("decimal=4", "0077705923"),
        ("decimal=4 reverse", "3283263748"),
    ];
    for (words, number) in typed {
        assert_eq!(text(words, number), Ok(card.clone()), "{words}");
    }
    let sent = [
        ("wiegand=34", 0x04a1_b2c3),
        ("wiegand=34 reverse", 0xc3b2_a104),
    ];
    for (words, data) in sent {
        let number = format(words).apply(Reading::Wiegand(frame(data, 32)));
        assert_eq!(number, Ok(card.clone()), "{words}");
    }
}

#[test]
fn a_reader_that_tells_three_bytes_makes_the_rule_for_the_site() {
    let card = uid(&[0x04, 0xa1, 0xb2, 0xc3]);
    let rule = uid(&[0x00, 0x04, 0xa1, 0xb2]);
    let site = [
        format("uid first=3").apply(Reading::Uid(&card)),
        format("wiegand=26").apply(Reading::Wiegand(frame(0x04_a1b2, 24))),
        format("wiegand=26 reverse").apply(Reading::Wiegand(frame(0xb2_a104, 24))),
        text("facility-card", "4,41394"),
        text("facility-card", "00441394"),
        text("hex reverse first=3", "C3B2A104"),
    ];
    for number in site {
        assert_eq!(number, Ok(rule.clone()));
    }
}

#[test]
fn a_facility_is_asked_for_or_dropped() {
    let sent = Reading::Wiegand(frame(170 << 16 | 31_527, 24));
    assert!(format("wiegand=26 facility=170").apply(sent).is_ok());
    let other = format("wiegand=26 facility=171").apply(sent);
    assert_eq!(other, Err(NumberError::Facility));
    let card = format("wiegand=26 facility=170 drop-facility").apply(sent);
    assert_eq!(card, Ok(uid(&[0, 0, 0x7b, 0x27])));
    assert_eq!(card, text("decimal=2", "31527"));
    assert_eq!(card, text("facility-card drop-facility", "170,31527"));
}

#[test]
fn the_37_bit_formats_and_raw_frames_are_told_apart_by_configuration() {
    let sent = Reading::Wiegand(Frame::new(0x10_0eb7_9a2b, 37).unwrap());
    let long = format("wiegand=h10302").apply(sent).unwrap();
    assert_eq!(long, uid(&[0, 0, 0, 0x07, 0x5b, 0xcd, 0x15]));
    assert_eq!(
        format("wiegand=37 drop-facility")
            .apply(sent)
            .unwrap()
            .as_bytes()[0],
        0
    );
    assert_eq!(
        format("wiegand-raw=36").apply(sent),
        Err(NumberError::Length)
    );
    let raw = format("wiegand-raw=37").apply(sent).unwrap();
    assert_eq!(raw, uid(&[0, 0, 0x10, 0x0e, 0xb7, 0x9a, 0x2b]));
    let flipped = Reading::Wiegand(Frame::new(0x10_0eb7_9a2a, 37).unwrap());
    assert_eq!(
        format("wiegand=h10302").apply(flipped),
        Err(NumberError::Parity)
    );
}

#[test]
fn formats_that_can_not_be_are_told_with_their_word() {
    let wrong = |text: &str| text.parse::<NumberFormat>().unwrap_err().to_string();
    assert_eq!("".parse::<NumberFormat>(), Err(NumberFormatError::Empty));
    for (words, word) in [
        ("uuid", "`uuid`"),
        ("uid revers", "`revers`"),
        ("decimal", "`decimal`"),
        ("decimal=11", "`decimal=11`"),
        ("uid=4", "`uid=4`"),
        ("uid first=0", "`first=0`"),
        ("uid first=x", "`first=x`"),
        ("wiegand=30", "`wiegand=30`"),
        ("wiegand-raw=65", "`wiegand-raw=65`"),
        ("uid facility=1", "`facility=1`"),
        ("wiegand=h10302 drop-facility", "`drop-facility`"),
        ("wiegand=26 reverse facility=1", "`facility=1`"),
        ("wiegand=26 facility=65536", "`facility=65536`"),
    ] {
        assert!(wrong(words).contains(word), "{words}: {}", wrong(words));
    }
    assert_eq!(
        wrong("uid reverse reverse reverse reverse reverse"),
        "has more than 5 words"
    );
}

#[test]
fn readings_that_are_not_of_the_format_are_refused() {
    let card = uid(&[1, 2, 3, 4]);
    assert_eq!(
        format("hex").apply(Reading::Uid(&card)),
        Err(NumberError::Kind)
    );
    assert_eq!(text("uid", "01020304"), Err(NumberError::Kind));
    assert_eq!(text("hex", "0102030"), Err(NumberError::Text));
    assert_eq!(text("hex", ""), Err(NumberError::Text));
    assert_eq!(text("hex", &"0".repeat(22)), Err(NumberError::TooLarge));
    assert_eq!(text("hex", &"0".repeat(65)), Err(NumberError::Text));
    assert_eq!(text("decimal=4", "4294967296"), Err(NumberError::TooLarge));
    assert_eq!(text("decimal=4", "-1"), Err(NumberError::Text));
    assert_eq!(text("decimal=4", "+1"), Err(NumberError::Text));
    assert_eq!(text("facility-card", "256,1"), Err(NumberError::TooLarge));
    assert_eq!(text("facility-card", "1234567"), Err(NumberError::Text));
    let long = format("uid last=7").apply(Reading::Uid(&card));
    assert_eq!(long, Err(NumberError::TooShort));
}

#[test]
fn a_random_number_stays_one_that_is_seen_to_be_random() {
    let random = uid(&[0x08, 1, 2, 3]);
    let number = format("uid reverse").apply(Reading::Uid(&random)).unwrap();
    assert!(number.is_random());
}

#[test]
fn kinds_of_formats_are_known_before_a_card_comes() {
    assert_eq!(format("uid reverse").kind(), ReadingKind::Uid);
    assert_eq!(format("facility-card").kind(), ReadingKind::Text);
    assert_eq!(format("wiegand-raw=64").kind(), ReadingKind::Wiegand);
    assert_eq!(NumberFormat::default(), format("uid"));
}

#[test]
fn two_reader_chips_and_their_formats_give_the_same_number() {
    let field = Field::new();
    let card = uid(&[4, 1, 2, 3, 4, 5, 6]);
    let first = Mfrc522::new(Mfrc522Model::new(&field), SimDelay::default());
    let mut first = Renumbered::new(first, format("uid first=4"));
    first.start().unwrap();
    assert!(field.place(&card));
    let number = first.poll().unwrap();
    drop(first);
    let second = Pn532::new(SpiLink::new(Pn532Spi::new(&field)), SimDelay::default());
    let mut second = Renumbered::new(second, format("uid first=4"));
    second.start().unwrap();
    assert_eq!(second.poll().unwrap(), number);
    assert_eq!(number, Some(uid(&[4, 1, 2, 3])));
    assert_eq!(second.part(), "pn532");
}

proptest! {
    #[test]
    fn any_card_is_the_same_in_every_spelling_that_keeps_all_its_bytes(
        bytes in prop::collection::vec(any::<u8>(), 10), size in 0..3_usize,
    ) {
        let bytes = &bytes[..[4, 7, 10][size]];
        let card = uid(bytes);
        let turned: Vec<u8> = bytes.iter().rev().copied().collect();
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02X}")).collect::<String>();
        let number = |bytes: &[u8]| bytes.iter().fold(0_u128, |sum, b| sum << 8 | u128::from(*b));
        let length = bytes.len();
        prop_assert_eq!(text("hex", &hex(bytes)), Ok(card.clone()));
        prop_assert_eq!(text("hex reverse", &hex(&turned)), Ok(card.clone()));
        let decimal = format!("decimal={length}");
        prop_assert_eq!(text(&decimal, &number(bytes).to_string()), Ok(card.clone()));
        let reversed = format!("{decimal} reverse");
        prop_assert_eq!(text(&reversed, &number(&turned).to_string()), Ok(card.clone()));
        prop_assert_eq!(format("uid").apply(Reading::Uid(&card)), Ok(card.clone()));
        if !card.is_random() {
            let twice = format("uid reverse reverse").apply(Reading::Uid(&card));
            prop_assert_eq!(twice, Ok(card.clone()));
        }
        if length < 8 {
            let sent = u64::try_from(number(bytes)).unwrap();
            let bits = u8::try_from(length * 8).unwrap();
            let raw = format(&format!("wiegand-raw={bits}"));
            let frame = Frame::new(sent, bits).unwrap();
            prop_assert_eq!(raw.apply(Reading::Wiegand(frame)), Ok(card));
        }
    }

    #[test]
    fn shortened_to_three_bytes_any_card_is_the_same_on_wiegand_and_on_wires(
        bytes in prop::collection::vec(any::<u8>(), 4),
    ) {
        let card = uid(&bytes);
        prop_assume!(!card.is_random());
        let data = bytes[1..].iter().fold(0, |sum, b| sum << 8 | u64::from(*b));
        let wires = format("uid last=3").apply(Reading::Uid(&card));
        let wiegand = format("wiegand=26").apply(Reading::Wiegand(frame(data, 24)));
        prop_assert_eq!(&wires, &wiegand);
        let typed = format!("{},{}", data >> 16, data & 0xffff);
        prop_assert_eq!(wires, text("facility-card", &typed));
    }

    #[test]
    fn any_words_and_any_text_end_without_a_panic(words in ".{0,40}", typed in ".{0,80}") {
        if let Ok(format) = words.parse::<NumberFormat>() {
            let _ = format.apply(Reading::Text(&typed));
        }
        for known in ["hex", "decimal=10 reverse", "facility-card drop-facility"] {
            let _ = text(known, &typed);
        }
    }
}
