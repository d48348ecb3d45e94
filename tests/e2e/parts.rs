// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A box whose every part is simulated: cards, fingers, keys and screwdrivers by `platenctl sim`,
//! under the production drivers and their owners.

use std::path::Path;

use platen_bed::wait;
use serde_json::Value;

use crate::box_under_test::{CARD, Office, SOON};

/// 26 bits: facility 170, card 31527 (PROMAG WEC200 manual p. 17), first bit highest.
const WIEGAND: &str = "26 d53d9380";
/// The same number as a card of the directory.
const WIEGAND_CARD: &str = "00AA7B27";

fn office() -> Office {
    let board = Path::new(env!("CARGO_MANIFEST_DIR")).join("../board/sim_parts/board.toml");
    let office = Office::open_with(|config| config.board = board);
    let users = format!("ben,Ben,{WIEGAND_CARD}\n");
    office.daemon.import_users(&users).unwrap();
    office
}

fn sim(office: &Office, line: &str) {
    let words: Vec<&str> = [&["sim"][..], &line.split(' ').collect::<Vec<_>>()].concat();
    assert_eq!(office.ctl(&words)[0]["text"], "done", "{line}");
}

/// Entries of the journal with this name, each without its frame.
fn journal(office: &Office, name: &str) -> Vec<Value> {
    let entries = office.ctl(&["journal"]).into_iter();
    entries
        .filter_map(|line| line["entry"].get(name).cloned())
        .collect()
}

fn await_entry(office: &Office, name: &str, what: impl Fn(&Value) -> bool) {
    wait::until(name, SOON, || {
        Ok(journal(office, name).iter().any(&what).then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error}: {:#?}", journal(office, name)));
}

fn await_state(office: &Office, part: &str, state: &str) {
    let found = wait::until(&format!("{part} {state}"), SOON, || {
        let status = &office.ctl(&["status"])[0];
        let mut devices = status["devices"].as_array().into_iter().flatten();
        let device = devices.find(|device| device["name"] == part);
        Ok(device.filter(|device| device["state"] == state).map(|_| ()))
    });
    found.unwrap();
}

#[test]
fn one_person_is_known_at_readers_of_every_kind() {
    let office = office();
    for reader in ["rc522", "pn532"] {
        sim(&office, &format!("{reader} place {CARD}"));
        await_entry(&office, "login-accepted", |entry| entry["reader"] == reader);
    }
    // The same number over a secure channel and over two bare wires is the same person.
    sim(&office, &format!("osdp card {WIEGAND}"));
    await_entry(&office, "login-accepted", |entry| entry["reader"] == "osdp");
    sim(&office, &format!("wiegand send {WIEGAND}"));
    await_entry(&office, "login-accepted", |entry| {
        entry["reader"] == "wiegand"
    });
    let logins = journal(&office, "login-accepted");
    let user = |reader| {
        let mut found = logins.iter().filter(|entry| entry["reader"] == reader);
        found.next().map(|entry| entry["user"].clone())
    };
    assert_eq!(user("rc522"), user("pn532"));
    assert_eq!(user("osdp"), user("wiegand"));
    assert_ne!(user("rc522"), user("osdp"));
}

#[test]
fn a_broken_wire_is_a_part_that_is_gone_and_a_mended_one_comes_back() {
    let office = office();
    for part in ["rc522", "pn532", "osdp", "bm-lite", "r503"] {
        await_state(&office, part, "ok");
        sim(&office, &format!("{part} fault gone"));
        await_state(&office, part, "gone");
        sim(&office, &format!("{part} fault none"));
        await_state(&office, part, "ok");
    }
    sim(&office, &format!("rc522 place {CARD}"));
    await_entry(&office, "login-accepted", |entry| {
        entry["reader"] == "rc522"
    });
}

#[test]
fn a_finger_of_nobody_and_an_open_cover_are_journaled() {
    let office = office();
    for sensor in ["bm-lite", "r503"] {
        sim(&office, &format!("{sensor} lay 77"));
        await_entry(&office, "finger-denied", |entry| entry["sensor"] == sensor);
    }
    sim(&office, "cover open");
    let opened = |entry: &Value| entry["switch"] == "cover" && entry["open"] == true;
    await_entry(&office, "switch-changed", opened);
    let status = &office.ctl(&["status"])[0];
    let modes = status["modes"].as_array().unwrap();
    assert!(modes.iter().any(|mode| mode == "tampered"), "{status}");
    sim(&office, "cover close");
    await_state(&office, "cover", "closed");
}
