// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An OSDP reader at the kernel's serial port: the board file names a pseudo-terminal, and the
//! reader's model is at its other end, in its Secure Channel.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod far_end;

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use platen_drivers::AesKey;
use platen_hal::{CardReader, CardUid, DeviceEvent, Key, PanelSignal, ReaderError};
use platen_hal_linux::{Board, DeviceSecrets, bus, open_reader};
use platen_hal_sim::{OsdpFault, OsdpModel};

use self::far_end::FarEnd;

const KEY: [u8; 16] = *b"a key of a site.";

fn open(far: &FarEnd) -> Box<dyn CardReader> {
    let text = format!(
        "name = \"x\"\n[[reader]]\nname = \"gate\"\npart = \"osdp\"\nbackend = \"linux\"\n\
         bus = {:?}\nnumber = \"uid\"\naddress = 3",
        far.path()
    );
    let board = Board::parse(&text).unwrap();
    let mut secrets = DeviceSecrets::default();
    secrets
        .osdp
        .insert("gate".to_owned(), AesKey::new(KEY).into());
    open_reader(board.readers.first().unwrap(), &secrets).unwrap()
}

fn next(reader: &mut dyn CardReader) -> Option<CardUid> {
    (0..20).find_map(|_| reader.poll().unwrap())
}

#[test]
fn a_card_and_keys_come_through_the_kernel_s_serial_port_and_a_signal_goes_back() {
    let model = OsdpModel::with_key(3, KEY);
    let far = FarEnd::new(model.port());
    let mut reader = open(&far);
    reader.start().unwrap();
    for _ in 0..20 {
        // Bytes that a terminal would change or swallow were it not raw.
        let bytes = [0x0d, 0x0a, 0x03, 0x13, 0x11, 0x04, 0x7f];
        assert!(model.present(&bytes, 56));
        assert_eq!(next(&mut *reader), CardUid::new(&bytes));
    }
    assert!(model.press("4#"));
    reader.show(PanelSignal::Accepted);
    for _ in 0..6 {
        assert_eq!(reader.poll(), Ok(None));
    }
    let keys = [reader.take_key(), reader.take_key(), reader.take_key()];
    assert_eq!(keys, [Some(Key::Digit(4)), Some(Key::Enter), None]);
    assert_eq!(model.tone(), Some(vec![0, 2, 1, 0, 1]));
    let commands = model.commands();
    assert!(
        commands
            .iter()
            .all(|(code, secure)| *secure || *code == 0x61)
    );
}

#[test]
fn an_unplugged_port_is_a_reader_that_is_lost() {
    let model = OsdpModel::with_key(3, KEY);
    let far = FarEnd::new(model.port());
    let mut reader = open(&far);
    reader.start().unwrap();
    drop(far);
    assert_eq!(reader.poll(), Err(ReaderError::Bus));
    assert_eq!(reader.start(), Err(ReaderError::Bus));
}

#[test]
fn a_silent_reader_is_told_as_gone_and_comes_back_with_its_channel() {
    let model = OsdpModel::with_key(3, KEY);
    let far = FarEnd::new(model.port());
    let (sender, events) = sync_channel(16);
    let sink = move |event| sender.try_send(event).is_ok();
    let _bus = bus::spawn(open(&far), "gate", sink, Duration::from_millis(50)).unwrap();
    let next = || events.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(matches!(next(), DeviceEvent::ReaderBack { .. }));
    model.set_fault(OsdpFault::Gone);
    assert!(matches!(next(), DeviceEvent::ReaderGone { .. }));
    model.set_fault(OsdpFault::None);
    assert!(matches!(next(), DeviceEvent::ReaderBack { .. }));
    let card = CardUid::new(&[1, 2, 3, 4]).unwrap();
    assert!(model.present(card.as_bytes(), 32));
    assert!(matches!(next(), DeviceEvent::CardPresented { uid, .. } if uid == card));
    assert!(
        model
            .commands()
            .iter()
            .all(|(code, secure)| *secure || *code == 0x61)
    );
}
