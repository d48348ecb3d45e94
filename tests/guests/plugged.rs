// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Readers that are plugged in: a USB one that types, an OSDP reader and a fingerprint sensor at
//! serial ports. QEMU's keyboard is typed on from outside; the models of the others are outside the
//! guest too, at the far ends of its 16550s.

use std::time::Duration;

use platen_bed::qemu::{GuestOptions, Machine};
use platen_hal_sim::{Ef01Setup, Ef01Uart, FingerField, OsdpModel};
use serde_json::json;

use crate::box_in_guest::{ABSENCE_LOOKS, CARD, GuestBox};
use crate::far_end::FarEnd;

const TRIES: u32 = 5;
/// How long a typed number may take to be a tap.
const HEARD: Duration = Duration::from_secs(15);

/// QEMU's own USB keyboard.
const WEDGE: &str = r#"
name = "wedge"
[[reader]]
name = "badge"
part = "wedge"
backend = "linux"
vendor = 0x0627
product = 0x0001
number = "hex"
"#;
const OSDP: &str = r#"
name = "osdp"
[[reader]]
name = "gate"
part = "osdp"
backend = "linux"
bus = "/dev/ttyS1"
address = 3
secure = "off"
number = "uid"
"#;
const FINGER: &str = r#"
name = "finger"
[[fingerprint]]
name = "touch"
part = "ef01"
backend = "linux"
bus = "/dev/ttyS2"
"#;

/// A guest whose daemon runs on `board`, and whose parts answer.
fn open_on(board: &str) -> GuestBox {
    let mut office = GuestBox::open(&GuestOptions::new(Machine::X86_64));
    office.restart_on(board);
    office
}

/// Types the card until the box has taken it for the `taps`-th time: an emulated keyboard loses keys
/// on a machine that is busy, and what is left is refused.
fn type_card(office: &mut GuestBox, taps: u32) {
    let taken = format!("[\"taps\",{taps}]");
    for _ in 0..TRIES {
        for key in CARD.to_ascii_lowercase().chars() {
            office.guest.qmp().press(&key.to_string()).unwrap();
        }
        office.guest.qmp().press("ret").unwrap();
        if office.hears(&taken, HEARD) {
            return;
        }
    }
    panic!("the card was never taken: {}", office.log());
}

#[test]
fn what_a_usb_reader_types_is_a_card_and_reaches_no_log() {
    let mut office = open_on(WEDGE);
    office.wait_for(&["status"], "\"state\":\"ok\"");
    type_card(&mut office, 1);
    office.wait_for(&["status"], "\"panel\":\"no-jobs\"");
    type_card(&mut office, 2);

    // Pulled out in the middle of a number: that half is forgotten.
    office.guest.qmp().press("0").unwrap();
    let keyboard = json!({ "id": "keyboard" });
    office.guest.qmp().ask("device_del", keyboard).unwrap();
    office.wait_for(&["status"], "\"panel\":\"reader-gone\"");
    let keyboard = json!({ "driver": "usb-kbd", "id": "keyboard" });
    office.guest.qmp().ask("device_add", keyboard).unwrap();
    office.wait_for(&["status"], "\"state\":\"ok\"");
    type_card(&mut office, 3);
    let log = office.log();
    assert!(!log.to_ascii_uppercase().contains(CARD), "{log}");
    office.close();
}

#[test]
fn an_osdp_reader_is_heard_at_a_serial_port_and_missed_when_its_wire_is_cut() {
    let mut office = open_on(OSDP);
    let model = OsdpModel::new(3);
    let wire = FarEnd::new(office.guest.serial(1).unwrap(), model.port());
    office.wait_for(&["status"], "\"state\":\"ok\"");
    let card: Vec<u8> = (0..7)
        .map(|byte| u8::from_str_radix(&CARD[byte * 2..byte * 2 + 2], 16).unwrap())
        .collect();
    assert!(model.present(&card, 56));
    office.wait_for(&["status"], "\"panel\":\"no-jobs\"");

    drop(wire);
    let gone = office.wait_for(&["status"], "\"panel\":\"reader-gone\"");
    let wire = FarEnd::new(office.guest.serial(1).unwrap(), model.port());
    let back = office.wait_for(&["status"], "\"state\":\"ok\"");
    println!(
        "wire cut: gone after {} ms, back after {} ms, by the guest's clock",
        gone.elapsed.as_millis(),
        back.elapsed.as_millis()
    );
    assert!(model.present(&card, 56));
    office.wait_for(&["status"], "\"panel\":\"no-jobs\"");
    drop(wire);
    office.close();
}

#[test]
fn a_fingerprint_sensor_at_a_serial_port_tells_whose_finger_it_is() {
    let mut office = open_on(FINGER);
    let field = FingerField::new();
    field.teach(7, 1);
    let part = Ef01Uart::new(&field, Ef01Setup::r503());
    let wire = FarEnd::new(office.guest.serial(2).unwrap(), part);
    office.wait_for(&["status"], "\"state\":\"ok\"");
    for (finger, told) in [
        (1, "a finger that is known"),
        (2, "a finger that is not known"),
    ] {
        field.lay(finger);
        office.wait_for(&["ring", "touch"], told);
        field.lift();
        office.await_looks(ABSENCE_LOOKS);
    }
    drop(wire);
    office.wait_for(&["status"], "\"state\":\"gone\"");
    office.close();
}
