// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Opening a board's parts: what is told of those that can't be opened, and what they are given.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::error::Error;
use std::path::Path;

use platen_drivers::AesKey;
use platen_hal_linux::device::probe;
use platen_hal_linux::{
    Board, BoardError, DeviceSecrets, SerialPort, open_fingerprint, open_lights, open_reader,
};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

fn board(parts: &str) -> Board {
    Board::parse(&format!("name = \"x\"\n{parts}")).unwrap()
}

fn reader_error(reader: &str, secrets: &DeviceSecrets) -> BoardError {
    let board = board(&format!("[[reader]]\n{reader}"));
    let opened = open_reader(board.readers.first().unwrap(), secrets);
    opened.err().expect("there is no such device")
}

/// Line, key and advice of a reader that can't be opened.
fn advice(reader: &str) -> String {
    let error = reader_error(reader, &DeviceSecrets::default());
    assert!(error.source().is_some(), "{error}");
    error.to_string()
}

#[test]
fn a_device_file_that_is_not_there_is_told_with_what_to_switch_on() {
    let spi = advice("part = \"mfrc522\"\nbackend = \"linux\"\nbus = \"/dev/spidev9.7\"");
    assert!(
        spi.contains("line 2: `reader.bus`: /dev/spidev9.7"),
        "{spi}"
    );
    assert!(spi.contains("dtparam=spi=on"), "{spi}");
    let pn532 = "part = \"pn532\"\nbackend = \"linux\"\n";
    let i2c = advice(&format!("{pn532}link = \"i2c\"\nbus = \"/dev/i2c-99\""));
    assert!(i2c.contains("dtparam=i2c_arm=on"), "{i2c}");
    let uart = advice(&format!("{pn532}link = \"uart\"\nbus = \"/dev/ttyNONE\""));
    assert!(uart.contains("enable_uart=1"), "{uart}");
    let reset = "reset = { chip = \"/dev/gpiochip99\", line = 1 }";
    let line = advice(&format!(
        "part = \"mfrc522\"\nbackend = \"linux\"\nbus = \"/dev/spidev9.7\"\n{reset}"
    ));
    assert!(line.contains("`reader.reset`: /dev/gpiochip99"), "{line}");
    assert!(line.contains("/dev/gpiochip*"), "{line}");
}

#[test]
fn a_file_of_another_kind_is_told_as_such() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().display();
    let spi = advice(&format!(
        "part = \"mfrc522\"\nbackend = \"linux\"\nbus = \"{path}\""
    ));
    assert!(spi.contains("is it an SPI device"), "{spi}");
    let uart = advice(&format!(
        "part = \"osdp\"\nbackend = \"linux\"\nsecure = \"off\"\nnumber = \"uid\"\nbus = \"{path}\""
    ));
    assert!(uart.contains("is it a serial port"), "{uart}");
}

#[test]
fn sensors_and_panels_are_told_by_their_own_keys() {
    let gpio = "{ chip = \"/dev/gpiochip99\", line = 1 }";
    let parts = board(&format!(
        "[[fingerprint]]\npart = \"ef01\"\nbackend = \"linux\"\nbus = \"/dev/ttyNONE\"\n\
         [panel]\nbackend = \"linux\"\nblue = {gpio}"
    ));
    let error = open_fingerprint(parts.fingerprints.first().unwrap());
    let error = error.err().unwrap().to_string();
    assert!(error.contains("line 2: `fingerprint.bus`"), "{error}");
    let error = open_lights(parts.panel.as_ref().unwrap()).err().unwrap();
    assert!(
        error.to_string().contains("line 6: `panel.blue`"),
        "{error}"
    );
}

#[test]
fn a_simulated_part_is_not_opened_here() {
    let error = reader_error(
        "part = \"mfrc522\"\nbackend = \"sim\"",
        &DeviceSecrets::default(),
    );
    assert!(matches!(
        error,
        BoardError::Unusable {
            key: "reader.backend",
            ..
        }
    ));
}

fn pseudo_terminal() -> (std::os::fd::OwnedFd, String) {
    let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&near).unwrap();
    unlockpt(&near).unwrap();
    let name = ptsname(&near, Vec::new()).unwrap();
    (near, name.into_string().unwrap())
}

#[test]
fn an_osdp_reader_that_must_be_secure_needs_a_key_of_its_own() {
    let (_near, path) = pseudo_terminal();
    let text = |secure: &str| {
        format!(
            "name = \"gate\"\npart = \"osdp\"\nbackend = \"linux\"\nbus = \"{path}\"\n\
             number = \"wiegand=26\"\nsecure = \"{secure}\""
        )
    };
    let mut secrets = DeviceSecrets::default();
    secrets
        .osdp
        .insert("other".to_owned(), AesKey::new([1; 16]).into());
    for secure in ["required", "install"] {
        let error = reader_error(&text(secure), &secrets).to_string();
        assert!(
            error.contains("`reader.secure`") && error.contains("device-keys"),
            "{error}"
        );
    }
    let open = |secure: &str, secrets: &DeviceSecrets| {
        let board = board(&format!("[[reader]]\n{}", text(secure)));
        open_reader(board.readers.first().unwrap(), secrets)
    };
    assert!(open("off", &secrets).is_ok());
    secrets
        .osdp
        .insert("gate".to_owned(), AesKey::new([1; 16]).into());
    assert_eq!(open("required", &secrets).unwrap().part(), "osdp");
}

#[test]
fn a_serial_port_has_one_owner() {
    let (_near, path) = pseudo_terminal();
    let first = SerialPort::open(Path::new(&path), 9_600).unwrap();
    assert!(SerialPort::open(Path::new(&path), 9_600).is_err());
    drop(first);
    assert!(SerialPort::open(Path::new(&path), 9_600).is_ok());
}

#[cfg(not(feature = "rpi"))]
#[test]
fn a_build_without_rppal_says_so() {
    let error = reader_error(
        "part = \"mfrc522\"\nbackend = \"rpi\"\nbus = \"/dev/spidev0.0\"",
        &DeviceSecrets::default(),
    );
    assert!(error.to_string().contains("feature `rpi`"), "{error}");
}

#[test]
fn a_board_is_tried_part_by_part_and_each_tells_its_own_fault() {
    let (_near, path) = pseudo_terminal();
    let board = board(&format!(
        "[[reader]]\nname = \"sim\"\npart = \"mfrc522\"\nbackend = \"sim\"\n\
         [[reader]]\nname = \"spi\"\npart = \"mfrc522\"\nbackend = \"linux\"\n\
         bus = \"/dev/spidev9.7\"\n\
         [[reader]]\nname = \"silent\"\npart = \"pn532\"\nlink = \"uart\"\nbackend = \"linux\"\n\
         bus = \"{path}\"\n\
         [[switch]]\nname = \"cover\"\nkind = \"tamper\"\nbackend = \"linux\"\n\
         line = {{ chip = \"/dev/gpiochip99\", line = 1 }}\n\
         [keypad]\nbackend = \"sim\"\n"
    ));
    let findings = probe(&board, &DeviceSecrets::default());
    let names: Vec<_> = findings.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["sim", "spi", "silent", "cover", "keypad"]);
    let problem = |name: &str| {
        let part = findings.iter().find(|part| part.name == name).unwrap();
        part.outcome.clone().unwrap_err()
    };
    assert!(findings[0].outcome.is_ok() && findings[4].outcome.is_ok());
    assert!(problem("spi").contains("dtparam=spi=on"));
    assert!(
        problem("silent").contains("reader gone"),
        "{}",
        problem("silent")
    );
    assert!(problem("cover").contains("line 1 of /dev/gpiochip99"));
}
