// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The board file: every part, every mistake with its line, and what two parts can't share.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::path::Path;

use platen_drivers::wedge::Ending;
use platen_hal_linux::board::{
    Bias, BmLiteLink, FingerprintKind, OsdpSecurity, Pn532Link, ReaderKind, SwitchKind,
};
use platen_hal_linux::{Backend, Board, ReaderPart};

const PI: &str = include_str!("../../../board/raspberrypi4_64/board.toml");
const SIM: &str = include_str!("../../../board/sim/board.toml");

/// A box with one of everything.
const FULL: &str = r##"
name = "full"

[[reader]]
name = "desk"
part = "mfrc522"
backend = "linux"
bus = "/dev/spidev0.0"
speed_hz = 1_000_000
reset = { chip = "/dev/gpiochip0", line = 25 }

[[reader]]
name = "wall"
part = "wiegand"
backend = "linux"
d0 = { chip = "/dev/gpiochip0", line = 5, bias = "pull-up" }
d1 = { chip = "/dev/gpiochip0", line = 6, bias = "pull-up" }
led = { chip = "/dev/gpiochip0", line = 7, active_low = true }
number = "wiegand=26"

[[reader]]
name = "gate"
part = "osdp"
backend = "linux"
bus = "/dev/ttyUSB0"
address = 0x65
baud = 115200
secure = "install"
number = "wiegand-raw=32"

[[reader]]
name = "hand"
part = "wedge"
backend = "linux"
vendor = 0x08ff
product = 0x0009
ending = "silence"
number = "decimal=4 reverse"

[[reader]]
name = "pad"
part = "pn532"
backend = "linux"
link = "i2c"
bus = "/dev/i2c-1"
cards = ["a", "b", "felica"]

[[fingerprint]]
name = "thumb"
part = "bm-lite"
backend = "linux"
link = "spi"
bus = "/dev/spidev0.1"
irq = { chip = "/dev/gpiochip0", line = 23 }
reset = { chip = "/dev/gpiochip0", line = 24 }

[[fingerprint]]
name = "index"
part = "ef01"
backend = "linux"
bus = "/dev/ttyUSB1"

[panel]
backend = "linux"
red = { chip = "/dev/gpiochip0", line = 17 }
green = { chip = "/dev/gpiochip0", line = 27 }
blue = { chip = "/dev/gpiochip0", line = 18 }
buzzer = { chip = "/dev/gpiochip0", line = 22 }

[[switch]]
name = "cover"
kind = "tamper"
backend = "linux"
line = { chip = "/dev/gpiochip0", line = 16, bias = "pull-up" }

[keypad]
backend = "sim"
"##;

fn problem(text: &str) -> String {
    let error = Board::parse(text).unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string);
    format!("{error}: {}", source.unwrap_or_default())
}

/// The problem of a board that has this reader, whose table begins at line 2.
fn reader_problem(reader: &str) -> String {
    problem(&format!("name = \"x\"\n[reader]\n{reader}"))
}

fn reader(reader: &str) -> ReaderPart {
    let text = format!("name = \"x\"\n[reader]\n{reader}");
    Board::parse(&text).unwrap().readers.remove(0)
}

const MFRC522: &str = "part = \"mfrc522\"\nbackend = \"linux\"\n";
const PN532: &str = "part = \"pn532\"\nbackend = \"linux\"\n";
const WEDGE: &str = "part = \"wedge\"\nbackend = \"linux\"\n";
const OSDP: &str = "part = \"osdp\"\nbackend = \"linux\"\n";

#[test]
fn the_boards_in_the_tree_are_understood() {
    let sim = Board::parse(SIM).unwrap();
    assert_eq!(sim.readers.first().unwrap().backend, Backend::Sim);
    let pi = Board::parse(PI).unwrap();
    let ReaderKind::Mfrc522 { spi, reset } = &pi.readers.first().unwrap().kind else {
        panic!("the Pi has an mfrc522");
    };
    assert_eq!(spi.bus, Path::new("/dev/spidev0.0"));
    assert_eq!(reset.as_ref().unwrap().line, 25);
    assert!(pi.panel.unwrap().buzzer.is_some());
}

#[test]
fn a_board_may_have_one_of_everything() {
    let board = Board::parse(FULL).unwrap();
    let parts: Vec<_> = board.readers.iter().map(|part| part.kind.part()).collect();
    assert_eq!(parts, ["mfrc522", "wiegand", "osdp", "wedge", "pn532"]);
    assert_eq!(board.readers[1].line, 12);
    let ReaderKind::Wiegand(Some(wires)) = &board.readers[1].kind else {
        panic!("no wires");
    };
    assert_eq!((wires.d0.line.line, wires.d1.line.line), (5, 6));
    assert_eq!(wires.d0.bias, Bias::PullUp);
    assert!(wires.led.as_ref().unwrap().active_low);
    let ReaderKind::Osdp(osdp) = &board.readers[2].kind else {
        panic!("no OSDP");
    };
    assert_eq!((osdp.uart.baud, osdp.address), (115_200, 0x65));
    assert_eq!(osdp.secure, OsdpSecurity::Install);
    assert!(osdp.ask_twice);
    let ReaderKind::Wedge { keyboard, ending } = &board.readers[3].kind else {
        panic!("no wedge");
    };
    assert_eq!(keyboard.vendor, Some(0x08ff));
    assert_eq!(*ending, Ending::Silence);
    let ReaderKind::Pn532(chip) = &board.readers[4].kind else {
        panic!("no pn532");
    };
    assert_eq!(chip.link, Pn532Link::I2c("/dev/i2c-1".into()));
    assert!(chip.kinds.type_b && chip.kinds.felica);
    let FingerprintKind::BmLite { link, reset, .. } = &board.fingerprints[0].kind else {
        panic!("no bm-lite");
    };
    let BmLiteLink::Spi { irq, .. } = link else {
        panic!("not on SPI");
    };
    assert_eq!(irq.as_ref().unwrap().line.line, 23);
    assert!(reset.is_some());
    let FingerprintKind::Ef01 { uart, address } = &board.fingerprints[1].kind else {
        panic!("no ef01");
    };
    assert_eq!((uart.baud, *address), (57_600, u32::MAX));
    assert!(board.panel.unwrap().blue.is_some());
    assert_eq!(board.switches[0].kind, SwitchKind::Tamper);
    assert_eq!(board.keypad.unwrap().layout, ["123", "456", "789", "*0#"]);
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_known_ones() {
    let text = reader_problem("part = \"mfrc522\"\nbackend = \"sim\"\nbos = 1");
    assert!(text.contains("line 5: `reader.bos` is not known"), "{text}");
    assert!(text.contains("bus, speed_hz"), "{text}");
    let text = problem("name = \"x\"\nraeder = 1");
    assert!(text.contains("line 2: `raeder` is not known"), "{text}");
    // A key of another part is unknown as well.
    let text = reader_problem(&format!("{MFRC522}bus = \"/dev/spidev0.0\"\naddress = 1"));
    assert!(text.contains("line 6: `reader.address`"), "{text}");
    let text = problem(
        "name = \"x\"\n[panel]\nbackend = \"linux\"\n\
         red = { chip = \"/dev/gpiochip0\", line = 1, bias = \"off\" }",
    );
    assert!(text.contains("line 4: `panel.red.bias`"), "{text}");
}

#[test]
fn a_text_that_is_no_toml_is_told_with_its_line() {
    let text = problem("name = \"x\"\n[reader\n");
    assert!(text.contains("line 2"), "{text}");
    let text = problem("name = \"x\"\n[panel]\nbackend = \"sim\"\nbackend = \"sim\"");
    assert!(text.contains("line 4"), "{text}");
}

#[test]
fn a_missing_key_is_named_with_what_it_is_for() {
    for (text, wanted) in [
        ("name = \"x\"\n[reader]\nbackend = \"sim\"", "`reader.part`"),
        (
            "name = \"x\"\n[reader]\npart = \"mfrc522\"",
            "`reader.backend`",
        ),
        ("[reader]\npart = \"mfrc522\"", "`name`"),
        ("name = \"x\"\n[[switch]]\nkind = \"door\"", "`switch.name`"),
        ("name = \"x\"\n[panel]\nbackend = \"linux\"", "`panel.red`"),
    ] {
        let told = problem(text);
        assert!(
            told.contains(wanted) && told.contains("is missing"),
            "{told}"
        );
    }
    let told = reader_problem(&format!("{WEDGE}number = \"hex\""));
    assert!(
        told.contains("line 2: `reader.vendor` is missing"),
        "{told}"
    );
    let told = reader_problem(&format!("{OSDP}bus = \"/dev/ttyS1\""));
    assert!(told.contains("`reader.number` is missing"), "{told}");
}

#[test]
fn a_value_that_can_t_be_is_named_with_what_can() {
    for (reader, wanted) in [
        (
            "part = \"rc531\"\nbackend = \"sim\"",
            "line 3: `reader.part` is `rc531`, not `mfrc522`",
        ),
        (
            "part = 7\nbackend = \"sim\"",
            "line 3: `reader.part` is an integer, not a text",
        ),
        (
            "part = \"mfrc522\"\nbackend = \"mac\"",
            "line 4: `reader.backend` is `mac`",
        ),
        (
            "name = \"front door\"\npart = \"mfrc522\"",
            "line 3: `reader.name`",
        ),
        (
            "part = \"osdp\"\npoll_ms = 151\nnumber = \"uid\"\nbackend = \"sim\"",
            "line 4: `reader.poll_ms` is not 20",
        ),
        (
            "part = \"mfrc522\"\npoll_ms = 1\nbackend = \"sim\"",
            "line 4: `reader.poll_ms` is not 20",
        ),
    ] {
        let told = reader_problem(reader);
        assert!(told.contains(wanted), "{told}");
    }
    for (rest, wanted) in [
        (
            "bus = \"/dev/spidev0.0\"\nspeed_hz = 20000000",
            "line 6: `reader.speed_hz` is not 1 to",
        ),
        (
            "bus = \"/dev/spidev0.0\"\nspeed_hz = -1",
            "line 6: `reader.speed_hz` is not 1 to",
        ),
        ("speed_hz = 1", "line 2: `reader.bus` is missing"),
        ("bus = \"\"", "line 5: `reader.bus` is no device file"),
        (
            "bus = \"spidev0.0\"",
            "line 5: `reader.bus` is no device file",
        ),
        (
            "bus = \"/dev/spidev0.0\"\nreset = 25",
            "line 6: `reader.reset` is an integer",
        ),
        (
            "bus = \"/dev/spidev0.0\"\nreset = { line = 25 }",
            "line 6: `reader.reset.chip` is missing",
        ),
    ] {
        let told = reader_problem(&format!("{MFRC522}{rest}"));
        assert!(told.contains(wanted), "{told}");
    }
}

#[test]
fn a_number_may_have_underscores_and_be_hexadecimal() {
    let part = reader(&format!("{MFRC522}bus = \"/dev/x\"\nspeed_hz = 0x10_00"));
    let ReaderKind::Mfrc522 { spi, .. } = part.kind else {
        panic!("no mfrc522");
    };
    assert_eq!(spi.speed_hz, 4_096);
}

#[test]
fn a_pn532_names_its_link() {
    for name in ["spi", "i2c", "uart"] {
        let part = reader(&format!("{PN532}link = \"{name}\"\nbus = \"/dev/x\""));
        let ReaderKind::Pn532(chip) = part.kind else {
            panic!("no pn532");
        };
        let found = match chip.link {
            Pn532Link::Spi(_) => "spi",
            Pn532Link::I2c(_) => "i2c",
            Pn532Link::Uart(_) => "uart",
        };
        assert_eq!(found, name);
    }
    let told = reader_problem(&format!("{PN532}bus = \"/dev/i2c-1\""));
    assert!(told.contains("`reader.link` is missing"), "{told}");
    let told = reader_problem(&format!("{PN532}link = \"usb\"\nbus = \"/dev/x\""));
    assert!(told.contains("line 5: `reader.link` is `usb`"), "{told}");
    let told = reader_problem(&format!(
        "{PN532}link = \"spi\"\nbus = \"/dev/x\"\nspeed_hz = 6000000"
    ));
    assert!(
        told.contains("line 7: `reader.speed_hz` is not 1 to 5000000"),
        "{told}"
    );
    // Neither the kernel's I2C nor a serial port has a speed of SPI.
    let told = reader_problem(&format!(
        "{PN532}link = \"i2c\"\nbus = \"/dev/x\"\nspeed_hz = 100000"
    ));
    assert!(
        told.contains("line 7: `reader.speed_hz` is not known"),
        "{told}"
    );
}

#[test]
fn a_number_s_format_is_checked_before_a_card_comes() {
    let bus = format!("{MFRC522}bus = \"/dev/spidev0.0\"\n");
    let good = reader(&format!("{bus}number = \"uid first=4\""));
    assert_eq!(Ok(good.number), "uid first=4".parse());
    let word = reader_problem(&format!("{bus}number = \"uid turn\""));
    assert!(
        word.contains("line 6: `reader.number`") && word.contains("`turn`"),
        "{word}"
    );
    let kind = reader_problem(&format!("{bus}number = \"wiegand=26\""));
    assert!(
        kind.contains("line 6") && kind.contains("does not begin with `uid`"),
        "{kind}"
    );
    let typed = reader_problem(&format!("{WEDGE}vendor = 1\nnumber = \"uid\""));
    assert!(
        typed.contains("line 6: `reader.number` does not begin with `hex`"),
        "{typed}"
    );
}

#[test]
fn a_simulated_part_has_no_wires() {
    for wire in [
        "bus = \"/dev/x\"",
        "speed_hz = 1",
        "reset = { chip = \"/dev/x\", line = 1 }",
    ] {
        let told = reader_problem(&format!("part = \"mfrc522\"\nbackend = \"sim\"\n{wire}"));
        assert!(
            told.contains("line 5") && told.contains("no wires"),
            "{told}"
        );
    }
}

#[test]
fn a_raspberry_pi_counts_its_own_lines() {
    let part = "part = \"mfrc522\"\nbackend = \"rpi\"\nbus = \"/dev/spidev0.1\"\n";
    let ReaderKind::Mfrc522 { reset, .. } = reader(&format!("{part}reset = {{ line = 25 }}")).kind
    else {
        panic!("no mfrc522");
    };
    assert_eq!(reset.unwrap().line, 25);
    let told = reader_problem(&format!("{part}reset = {{ chip = \"/dev/x\", line = 25 }}"));
    assert!(
        told.contains("`reader.reset.chip` is for `linux`"),
        "{told}"
    );
    let told = reader_problem("part = \"mfrc522\"\nbackend = \"rpi\"\nbus = \"/dev/x\"");
    assert!(told.contains("is not /dev/spidevB.C"), "{told}");
    let told = reader_problem("part = \"wiegand\"\nbackend = \"rpi\"");
    assert!(
        told.contains("line 4: `reader.backend` can't be `rpi`"),
        "{told}"
    );
}

#[test]
fn the_lines_of_a_wiegand_reader_are_on_one_chip() {
    let told = reader_problem(
        "part = \"wiegand\"\nbackend = \"linux\"\nnumber = \"wiegand=26\"\n\
         d0 = { chip = \"/dev/gpiochip0\", line = 1 }\nd1 = { chip = \"/dev/gpiochip1\", line = 2 }",
    );
    assert!(told.contains("`reader.d1` is on another chip"), "{told}");
}

#[test]
fn what_two_parts_can_t_share_names_both_lines() {
    let twice = |first: &str, second: &str, wanted: &str| {
        let told = problem(&format!("name = \"x\"\n{first}\n{second}"));
        assert!(
            told.contains("line 8:") && told.contains("by line 2"),
            "{told}"
        );
        assert!(told.contains(wanted), "{told}");
    };
    let spi = |name: &str, bus: &str, line: u32| {
        format!(
            "[[reader]]\nname = \"{name}\"\npart = \"mfrc522\"\nbackend = \"linux\"\n\
             bus = \"{bus}\"\nreset = {{ chip = \"/dev/gpiochip0\", line = {line} }}"
        )
    };
    let first = spi("a", "/dev/spidev0.0", 1);
    twice(&first, &spi("a", "/dev/spidev0.1", 2), "the name `a`");
    twice(&first, &spi("b", "/dev//spidev0.0", 2), "/dev/spidev0.0");
    twice(
        &first,
        &spi("b", "/dev/spidev0.1", 1),
        "line 1 of /dev/gpiochip0",
    );
    let switch = "[[switch]]\nname = \"door\"\nkind = \"door\"\nbackend = \"linux\"\n\
                  line = { chip = \"/dev/gpiochip0\", line = 1 }";
    twice(&first, switch, "line 1 of /dev/gpiochip0");
    assert!(
        Board::parse(&format!(
            "name = \"x\"\n{first}\n{}",
            spi("b", "/dev/spidev0.1", 2)
        ))
        .is_ok()
    );
}

#[test]
fn there_are_not_more_parts_than_a_box_can_have() {
    let readers: String = (0..9)
        .map(|n| format!("[[reader]]\nname = \"r{n}\"\npart = \"mfrc522\"\nbackend = \"sim\"\n"))
        .collect();
    let told = problem(&format!("name = \"x\"\n{readers}"));
    assert!(told.contains("`reader` are more than 8"), "{told}");
    let panels = "[[panel]]\nbackend = \"sim\"\n[[panel]]\nbackend = \"sim\"\n";
    let told = problem(&format!("name = \"x\"\n{panels}"));
    assert!(told.contains("`panel` are more than 1"), "{told}");
}

#[test]
fn a_keypad_has_a_line_for_each_row_and_column() {
    let line = |line: u32| format!("{{ chip = \"/dev/gpiochip0\", line = {line} }}");
    let pad = |columns: &[u32]| {
        let rows: Vec<_> = (0..4).map(line).collect();
        let columns: Vec<_> = columns.iter().map(|n| line(*n)).collect();
        format!(
            "name = \"x\"\n[keypad]\nbackend = \"linux\"\nrows = [{}]\ncolumns = [{}]\n",
            rows.join(", "),
            columns.join(", ")
        )
    };
    assert_eq!(
        Board::parse(&pad(&[4, 5, 6]))
            .unwrap()
            .keypad
            .unwrap()
            .rows
            .len(),
        4
    );
    let told = problem(&pad(&[4, 5]));
    assert!(told.contains("which is 4 by 3"), "{told}");
    let told = problem(&format!("{}layout = [\"12\", \"3x\"]", pad(&[4, 5])));
    assert!(told.contains("line 6: `keypad.layout`"), "{told}");
}

#[test]
fn a_keypad_whose_wires_could_give_no_key_is_refused() {
    let pad = |row: &str, column: &str| {
        let line = |more: &str| format!("{{ chip = \"/dev/gpiochip0\", line = {more} }}");
        problem(&format!(
            "name = \"x\"\n[keypad]\nbackend = \"linux\"\nlayout = [\"12\"]\n\
             rows = [{}]\ncolumns = [{}, {column}]",
            line(row),
            line("1, bias = \"pull-up\"")
        ))
    };
    let there = "{ chip = \"/dev/gpiochip0\", line = 2 }";
    // A row is driven: nothing has to hold it.
    let told = pad("0, bias = \"pull-up\"", there);
    assert!(
        told.contains("line 5: `keypad.rows.bias` is not known"),
        "{told}"
    );
    let told = pad("0, active_low = true", there);
    assert!(
        told.contains("`keypad.rows` can't be `active_low`"),
        "{told}"
    );
    let turned = "{ chip = \"/dev/gpiochip0\", line = 2, active_low = true }";
    let told = pad("0", turned);
    assert!(
        told.contains("`keypad.columns` can't be `active_low`"),
        "{told}"
    );
    let told = pad("0", "{ chip = \"/dev/gpiochip1\", line = 2 }");
    assert!(
        told.contains("`keypad.columns` are not all on one chip"),
        "{told}"
    );
}

#[test]
fn a_board_has_a_pad_of_its_own_or_at_a_reader_that_says_so() {
    let board = |more: &str| {
        let bus = "bus = \"/dev/ttyUSB0\"\nnumber = \"uid\"";
        let text = format!("name = \"x\"\n[reader]\n{OSDP}{bus}\n{more}");
        Board::parse(&text).unwrap()
    };
    assert!(!board("").has_pad());
    assert!(!board("keypad = false").has_pad());
    assert!(board("keypad = true").has_pad());
    assert!(Board::parse(SIM).unwrap().has_pad() == Board::parse(SIM).unwrap().keypad.is_some());
    let other = reader_problem(&format!("{MFRC522}bus = \"/dev/spidev0.0\"\nkeypad = true"));
    assert!(other.contains("keypad"), "{other}");
}
