// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box's lines on a real kernel's GPIO character device: a Wiegand reader, switches, the lines
//! of a PIN pad. What a pad's keys do is not here: a simulated line is moved by a program, which is
//! slower than the pad's scan; `hal/drivers/tests/keypad.rs` has it.

use platen_bed::qemu::{GuestOptions, Machine};

use crate::box_in_guest::{GuestBox, READER_ANSWERS, SOON};

const BOARD: &str = r#"
name = "lines"

[reader]
part = "wiegand"
backend = "linux"
d0 = { chip = "/dev/gpiochip0", line = 4 }
d1 = { chip = "/dev/gpiochip0", line = 5 }
number = "wiegand=26"

[panel]
backend = "linux"
green = { chip = "/dev/gpiochip0", line = 1 }
blue = { chip = "/dev/gpiochip0", line = 3, active_low = true }

[[switch]]
name = "door"
kind = "door"
backend = "linux"
line = { chip = "/dev/gpiochip0", line = 8, bias = "pull-down" }

[keypad]
backend = "linux"
rows = [
  { chip = "/dev/gpiochip0", line = 9 },
  { chip = "/dev/gpiochip0", line = 10 },
  { chip = "/dev/gpiochip0", line = 11 },
  { chip = "/dev/gpiochip0", line = 12 },
]
columns = [
  { chip = "/dev/gpiochip0", line = 13, bias = "pull-up" },
  { chip = "/dev/gpiochip0", line = 14, bias = "pull-up" },
  { chip = "/dev/gpiochip0", line = 15, bias = "pull-up" },
]
"#;
/// 170 / 31527 of the board's format (XPR BIOC3 manual p. 17).
const CARD: &str = "00AA7B27";
const NUMBER: &str = "11172647";

fn pull(office: &mut GuestBox, line: u32, way: &str) {
    let path = format!("/run/lines/sim_gpio{line}/pull");
    office.guest.write(&path, way.as_bytes()).unwrap();
}

#[test]
fn a_wiegand_card_a_door_and_a_pad_s_lines_work_at_the_kernel_s_gpio() {
    let mut office = GuestBox::open(&GuestOptions::new(Machine::X86_64));
    office.guest.stop("platend", false).unwrap();
    office
        .guest
        .write("/etc/platen/board.toml", BOARD.as_bytes())
        .unwrap();
    // A bias that the box asks for is the simulated line's own pull: it would let go what is held.
    for line in [4, 5] {
        pull(&mut office, line, "pull-up");
    }
    office.guest.start_daemon().unwrap();
    office.wait_for(&["status"], READER_ANSWERS);
    let card = format!("badge,A Badge,{CARD}\n");
    office.guest.import_users(&card).unwrap();
    office.light(1, "1");
    office.light(3, "1"); // dark: it is on when low

    // An emulated processor can't keep a reader's times, so that most frames are not whole: they
    // are told as such, and there is no card but the one that was sent.
    let send = ["/bin/platen-guest", "wiegand", "4", "5", NUMBER, "4"];
    assert_eq!(office.guest.run(&send, SOON).unwrap().status, 0);
    let status = office.ctl(&["status"]).remove(0);
    let counter = |name: &str| -> u64 {
        let counters = status["devices"][0]["counters"].as_array().unwrap();
        let counter = counters.iter().find(|counter| counter[0] == name);
        counter.unwrap()[1].as_u64().unwrap()
    };
    let (cards, garbled) = (counter("cards"), counter("garbled"));
    println!("of 4 sendings {cards} came whole; {garbled} pieces were refused");
    assert!(cards + garbled > 0, "no edge came: {status}");
    assert!(!office.log().contains("unknown"), "{}", office.log());

    office.wait_for(&["status"], "\"state\":\"closed\"");
    pull(&mut office, 8, "pull-up");
    office.wait_for(&["status"], "\"state\":\"open\"");
    pull(&mut office, 8, "pull-down");
    office.wait_for(&["status"], "\"state\":\"closed\"");

    // A column that is shorted to ground wakes the pad, is told, and is well again.
    assert!(
        !office.ctl(&["status"])[0]
            .to_string()
            .contains("can't be scanned")
    );
    pull(&mut office, 14, "pull-down");
    office.wait_for(&["status"], "keypad can't be scanned");
    pull(&mut office, 14, "pull-up");
    let well = ["/bin/platenctl", "status"];
    assert!(office.guest.run(&well, SOON).is_ok());

    // A data line that is held low is a reader that is gone until it is let go.
    pull(&mut office, 4, "pull-down");
    office.wait_for(&["status"], "a data line is held low");
    pull(&mut office, 4, "pull-up");
    office.wait_for(&["status"], "\"panel\":\"idle\"");
    office.close();
}
