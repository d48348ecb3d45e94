// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The pictures: each wire of a wiring picture is one of the board file, and each picture can be read
//! by a program and by somebody who does not see it.

use std::collections::BTreeSet;
use std::fs;

use platen_hal_linux::board::{Board, FingerprintKind, ReaderKind};

use super::xml::tags;
use super::{read, root};

/// Boards with a header of 40 pins.
const WITH_HEADER: [&str; 2] = ["raspberrypi4_64", "raspberrypizero2w_64"];
/// Pin of the Raspberry Pi's header, and the line that is there.
const HEADER: [(u32, u32); 26] = [
    (3, 2),
    (5, 3),
    (7, 4),
    (8, 14),
    (10, 15),
    (11, 17),
    (12, 18),
    (13, 27),
    (15, 22),
    (16, 23),
    (18, 24),
    (19, 10),
    (21, 9),
    (22, 25),
    (23, 11),
    (24, 8),
    (26, 7),
    (29, 5),
    (31, 6),
    (32, 12),
    (33, 13),
    (35, 19),
    (36, 16),
    (37, 26),
    (38, 20),
    (40, 21),
];
/// Pins of the buses that board files name.
const BUS_PINS: [(&str, &[u32]); 2] = [
    ("/dev/spidev0.0", &[19, 21, 23, 24]),
    ("/dev/ttyAMA0", &[8, 10]),
];

/// Lines and buses that a board's parts are wired to.
fn wired(board: &Board) -> (BTreeSet<u32>, BTreeSet<String>) {
    let (mut lines, mut buses) = (BTreeSet::new(), BTreeSet::new());
    for reader in &board.readers {
        if let ReaderKind::Mfrc522 { spi, reset } = &reader.kind {
            buses.insert(spi.bus.display().to_string());
            lines.extend(reset.as_ref().map(|line| line.line));
        }
    }
    for sensor in &board.fingerprints {
        if let FingerprintKind::Ef01 { uart, .. } = &sensor.kind {
            buses.insert(uart.bus.display().to_string());
        }
    }
    if let Some(panel) = &board.panel {
        let parts = [&panel.red, &panel.green, &panel.blue, &panel.buzzer];
        lines.extend(parts.into_iter().flatten().map(|line| line.line));
    }
    let inputs = board
        .switches
        .iter()
        .filter_map(|switch| switch.input.as_ref());
    lines.extend(inputs.map(|input| input.line.line));
    (lines, buses)
}

/// The board file with the parts that have a place switched on.
fn with_places(text: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c == '[' || c.is_ascii_lowercase()) => {
            rest.to_owned()
        }
        _ => line.to_owned(),
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

#[test]
fn the_picture_shows_the_wires_of_the_board_file_and_no_others() {
    for name in WITH_HEADER {
        let text = read(name, "board.toml");
        let parse =
            |text: &str| Board::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (used, all) = (wired(&parse(&text)), wired(&parse(&with_places(&text))));
        assert!(
            used.0.len() < all.0.len() && used.1.len() < all.1.len(),
            "{name} keeps no place"
        );

        let wires = wires(&read(name, "wiring.svg"));
        let drawn = |with_places: bool| {
            let wires = wires.iter().filter(|wire| with_places || !wire.is_place);
            let wires: Vec<_> = wires.collect();
            let lines = wires.iter().filter_map(|wire| wire.line).collect();
            let buses = wires.iter().filter_map(|wire| wire.bus.clone()).collect();
            (lines, buses)
        };
        assert_eq!(drawn(false), used, "{name}: lines and buses in use");
        assert_eq!(drawn(true), all, "{name}: lines and buses with a place");

        for wire in &wires {
            let at_pin = HEADER
                .iter()
                .find(|(pin, _)| *pin == wire.pin)
                .map(|(_, line)| *line);
            if wire.line.is_some() {
                assert_eq!(wire.line, at_pin, "{name}: pin {}", wire.pin);
            }
        }
        for (bus, pins) in BUS_PINS {
            let at_bus = wires.iter().filter(|wire| wire.bus.as_deref() == Some(bus));
            let at_bus: BTreeSet<_> = at_bus.map(|wire| wire.pin).collect();
            assert_eq!(at_bus, pins.iter().copied().collect(), "{name}: {bus}");
        }
    }
}

struct Wire {
    pin: u32,
    line: Option<u32>,
    bus: Option<String>,
    is_place: bool,
}

fn wires(svg: &str) -> Vec<Wire> {
    let tags = tags(svg).expect("the picture is well-formed");
    let tags = tags
        .iter()
        .filter(|tag| tag.attributes.contains_key("data-pin"));
    tags.map(|tag| {
        let number = |key: &str| {
            tag.attributes
                .get(key)
                .map(|text| text.parse().expect("a number"))
        };
        Wire {
            pin: number("data-pin").expect("a wire has a pin"),
            line: number("data-line"),
            bus: tag.attributes.get("data-bus").cloned(),
            is_place: tag.attributes.contains_key("data-place"),
        }
    })
    .collect()
}

#[test]
fn every_picture_is_well_formed_and_says_what_it_shows() {
    let pictures = root().join("docs/pictures");
    let listed = fs::read_dir(&pictures).expect("docs/pictures is there");
    let mut files: Vec<_> = listed
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "svg"));
    files.extend(
        ["raspberrypi4_64", "raspberrypizero2w_64", "x86_64"]
            .map(|board| root().join("board").join(board).join("wiring.svg")),
    );
    assert!(files.len() > 5, "{files:?}");
    for path in files {
        let text = fs::read_to_string(&path).expect("a picture is text");
        let tags = tags(&text).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        let names: Vec<_> = tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names.get(..3), Some(["svg", "title", "desc"].as_slice()));
        assert!(
            !names.contains(&"script") && !names.contains(&"image"),
            "{}",
            path.display()
        );
        let outside = text.replace("http://www.w3.org/2000/svg", "");
        assert!(
            !outside.contains("://"),
            "{} loads something",
            path.display()
        );
    }
}
