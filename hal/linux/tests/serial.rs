// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A PN532 at the kernel's serial port: the board file names a pseudo-terminal, and the chip's model
//! is at its other end.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod far_end;

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use platen_hal::{CardReader, CardUid, DeviceEvent, ReaderError};
use platen_hal_linux::{
    Board, BoardError, DeviceSecrets, ReaderPart, SerialPort, bus, open_reader,
};
use platen_hal_sim::{Fault, Field, Pn532Uart};

use self::far_end::FarEnd;

fn reader(board: &str) -> ReaderPart {
    Board::parse(board).unwrap().readers.remove(0)
}

fn open(far: &FarEnd) -> Result<Box<dyn CardReader>, BoardError> {
    let text = format!(
        "name = \"x\"\n[reader]\npart = \"pn532\"\nlink = \"uart\"\nbackend = \"linux\"\nbus = {:?}",
        far.path()
    );
    open_reader(&reader(&text), &DeviceSecrets::default())
}

fn uid(bytes: &[u8]) -> CardUid {
    CardUid::new(bytes).unwrap()
}

#[test]
fn a_card_is_read_through_the_kernel_s_serial_port() {
    let field = Field::new();
    let far = FarEnd::new(Pn532Uart::new(&field));
    let mut reader = open(&far).unwrap();
    reader.start().unwrap();
    assert_eq!(reader.poll(), Ok(None));
    // Bytes that a terminal would change or swallow were it not raw: CR, NL, ^C, ^S, ^Q, ^D, DEL.
    let card = uid(&[0x0d, 0x0a, 0x03, 0x13, 0x11, 0x04, 0x7f]);
    assert!(field.place(&card));
    assert_eq!(reader.poll(), Ok(Some(card)));
}

#[test]
fn an_unplugged_port_is_a_reader_that_is_lost() {
    let field = Field::new();
    let far = FarEnd::new(Pn532Uart::new(&field));
    let mut reader = open(&far).unwrap();
    reader.start().unwrap();
    drop(far);
    assert_eq!(reader.poll(), Err(ReaderError::Bus));
    assert_eq!(reader.start(), Err(ReaderError::Bus));
}

#[test]
fn a_silent_chip_is_told_as_gone_and_comes_back_within_two_seconds() {
    let field = Field::new();
    let far = FarEnd::new(Pn532Uart::new(&field));
    let (sender, events) = sync_channel(16);
    let sink = move |event| sender.try_send(event).is_ok();
    let interval = Duration::from_millis(20);
    let _bus = bus::spawn(open(&far).unwrap(), "door", sink, interval).unwrap();
    let next = |limit_ms| {
        events
            .recv_timeout(Duration::from_millis(limit_ms))
            .unwrap()
    };
    assert!(matches!(next(10_000), DeviceEvent::ReaderBack { .. }));
    field.set_fault(Fault::Gone);
    assert!(matches!(next(2_000), DeviceEvent::ReaderGone { .. }));
    field.set_fault(Fault::None);
    // The pause between two tries, a try without an answer, and one with.
    assert!(matches!(next(2_500), DeviceEvent::ReaderBack { .. }));
    let card = uid(&[1, 2, 3, 4]);
    assert!(field.place(&card));
    assert!(matches!(next(10_000), DeviceEvent::CardPresented { uid, .. } if uid == card));
}

#[test]
fn a_file_that_is_no_port_is_an_error_that_names_the_key() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(SerialPort::open(file.path(), 115_200).is_err());
    let text = "name = \"x\"\n[reader]\npart = \"pn532\"\nlink = \"uart\"\nbackend = \"linux\"\nbus = \"/nowhere\"";
    let part = reader(text);
    let error = open_reader(&part, &DeviceSecrets::default()).err().unwrap();
    let error = error.to_string();
    assert!(error.contains("line 2: `reader.bus`: /nowhere can't be opened"));
    assert!(error.contains("enable_uart=1"), "{error}");
    let text = text.replace("uart", "i2c");
    let part = reader(&text);
    assert!(matches!(
        open_reader(&part, &DeviceSecrets::default()),
        Err(BoardError::Device {
            key: "reader.bus",
            ..
        })
    ));
}
