// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What `Debug` shows: of nothing that was told by a card, or is a template, more than how long it
//! is.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fmt::Debug;

use platen_drivers::bmlite::message::{self, Request};
use platen_drivers::bmlite::wire::{UartWire, Wire as _};
use platen_drivers::iso14443a::{self, Clash};
use platen_drivers::pn532::frame;
use platen_drivers::pn532::link::{HsuLink, Link as _};
use platen_drivers::wiegand::record::{NumberedEdge, Recorder};
use platen_drivers::wiegand::{self, Edge, Line};
use platen_drivers::{BmLite, ef01};
use platen_hal::FingerprintSensor as _;
use platen_hal_sim::{BmLiteSetup, BmLiteUart, FingerField, SimDelay};

/// A card's number, and a part of a template.
const SECRET: [u8; 6] = [0xde, 0xad, 0xbe, 0xef, 0xde, 0xad];

fn hides(what: &impl Debug) {
    for shown in [
        format!("{what:?}"),
        format!("{what:#?}"),
        format!("{what:x?}"),
    ] {
        let bare: String = shown.split_whitespace().collect();
        for secret in ["222,173", "de,ad", "dead", "0xde", "3735928559"] {
            assert!(!bare.contains(secret), "{secret} in {shown}");
        }
    }
}

/// A port at which these bytes have come.
struct Came(Vec<u8>);

impl embedded_io::ErrorType for Came {
    type Error = embedded_io::ErrorKind;
}

impl embedded_io::Read for Came {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Self::Error> {
        let count = into.len().min(self.0.len());
        let taken = self.0.drain(..count);
        into.iter_mut().zip(taken).for_each(|(to, byte)| *to = byte);
        Ok(count)
    }
}

impl embedded_io::ReadReady for Came {
    fn read_ready(&mut self) -> Result<bool, Self::Error> {
        Ok(!self.0.is_empty())
    }
}

impl embedded_io::Write for Came {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Self::Error> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

#[test]
fn no_template_of_a_bm_lite_is_shown() {
    hides(&Request::Download(&SECRET));
    let answer = [&[0x0a, 0, 1, 0, 0x0a, 0x10, 6, 0][..], &SECRET].concat();
    let arguments = message::arguments(0x0a, &answer).unwrap();
    assert_eq!(arguments.get(0x100a), Some(&SECRET[..]));
    hides(&arguments);
    let mut wire = UartWire::new(Came(SECRET.to_vec()));
    assert!(wire.ready(SECRET.len()).unwrap());
    hides(&wire);
}

#[test]
fn a_template_that_was_read_is_wiped_from_the_driver() {
    let field = FingerField::new();
    let (port, reset) = BmLiteUart::new(&field, BmLiteSetup::default());
    let mut sensor = BmLite::with_reset(UartWire::new(port), SimDelay::default(), reset);
    sensor.start().unwrap();
    field.teach(3, 5);
    assert!(!sensor.template(3).unwrap().is_empty());
    assert!(format!("{sensor:?}").contains("answer: 0"));
}

#[test]
fn no_packet_of_an_ef01_sensor_is_shown() {
    let packet = ef01::packet::packet(1, ef01::packet::Kind::Data, &SECRET).unwrap();
    let mut decoder = ef01::packet::Decoder::new(1);
    let (last, first) = packet.split_last().unwrap();
    assert!(first.iter().all(|byte| decoder.push(*byte).is_none()));
    hides(&decoder);
    let incoming = decoder.push(*last).unwrap();
    assert!(matches!(incoming, ef01::packet::Incoming::Packet(..)));
    hides(&incoming);
}

#[test]
fn no_frame_of_a_card_at_a_chip_is_shown() {
    hides(&iso14443a::Frame::bytes(&SECRET, 100));
    hides(&iso14443a::Reply {
        bytes: heapless::Vec::from_slice(&SECRET).unwrap(),
        last_bits: 0,
        clash: Clash::None,
        took_us: 0,
    });
    // TFI, code and the data of an answer; length and sum so that they come out as zero.
    let body = [&[0xd5, 0x4b][..], &SECRET].concat();
    let sum = body.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    let content = [&body[..], &[sum.wrapping_neg()]].concat();
    let answer = [&[0, 0, 0xff, 8, 0xf8][..], &content].concat();
    let mut decoder = frame::Decoder::default();
    let (last, first) = answer.split_last().unwrap();
    assert!(first.iter().all(|byte| decoder.push(*byte).is_none()));
    hides(&decoder);
    let incoming = decoder.push(*last).unwrap();
    assert!(matches!(incoming, frame::Incoming::Answer(_)));
    hides(&incoming);
    let mut link = HsuLink::new(Came([&answer[..], &[0], &answer].concat()));
    assert!(link.ready().unwrap());
    hides(&link);
}

#[test]
fn no_bit_of_a_wiegand_frame_is_shown() {
    let mut decoder = wiegand::Decoder::default();
    let mut recorder = Recorder::default();
    let (mut others, mut other_edges) = (wiegand::Decoder::default(), Recorder::default());
    let mut number = 0;
    for (nth, at_ns) in (0..24_u64).map(|bit| (bit, 1_000_000 + bit * 2_000_000)) {
        let secret = if nth % 3 == 0 { Line::D1 } else { Line::D0 };
        for (low, at_ns) in [(true, at_ns), (false, at_ns + 50_000)] {
            number += 1;
            let of = |line| Edge { line, low, at_ns };
            assert!(decoder.edge(of(secret)).is_none());
            assert!(others.edge(of(Line::D0)).is_none());
            let numbered = |line| NumberedEdge {
                edge: of(line),
                number,
            };
            recorder.edge(numbered(secret));
            other_edges.edge(numbered(Line::D0));
        }
    }
    // Another card is shown just the same.
    assert_eq!(format!("{decoder:?}"), format!("{others:?}"));
    assert_eq!(format!("{recorder:?}"), format!("{other_edges:?}"));
}
