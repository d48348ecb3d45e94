// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box and its parts: cards that prove nothing, keys of readers, readers that are missing, and
//! a board that is tried.

use std::path::PathBuf;

use platen_bed::documents::{self, Paper};
use platen_bed::wait;
use serde_json::Value;

use crate::box_under_test::{CARD, Office, SOON, files_below};

/// A box that needs a real reader beside the simulated one.
const TWO_READERS: &str = "name = \"two\"\n\
    [[reader]]\nname = \"desk\"\npart = \"mfrc522\"\nbackend = \"sim\"\n\
    [[reader]]\nname = \"gate\"\npart = \"mfrc522\"\nbackend = \"linux\"\n\
    bus = \"/dev/spidev99.0\"\n\
    [panel]\nbackend = \"linux\"\nred = { chip = \"/dev/gpiochip99\", line = 1 }\n";
const SCBK: &str = "0011223344556677AABBCCDDEEFF8899";

fn two_readers() -> Office {
    Office::open_with(|config| {
        let board: PathBuf = config.folder.join("two.toml");
        std::fs::write(&board, TWO_READERS).unwrap();
        config.board = board;
    })
}

/// The journal's entries of this kind.
fn journaled(office: &Office, kind: &str) -> Vec<Value> {
    let lines = office.ctl(&["journal"]);
    let entries = lines.iter().map(|line| line["entry"][kind].clone());
    entries.filter(|entry| !entry.is_null()).collect()
}

#[test]
fn a_card_that_proves_nothing_is_refused_where_the_box_asks_for_proof() {
    let office = Office::open_with(|config| {
        config.further = "[cards]\nweak = \"refuse\"\n".to_owned();
    });
    let file = office.file("one.pdf", &documents::pdf(1, Paper::A4));
    office.print(&file);
    let told = office.ctl(&["tap", CARD]).remove(0);
    assert_eq!(told["signal"], "refused");
    let text = told["text"].as_str().unwrap();
    assert!(text.contains("can't prove"), "{text}");
    assert_eq!(told["released"], serde_json::json!([]));
    let denied = journaled(&office, "login-denied");
    assert_eq!(denied[0]["reason"], "weak-card");
    office.wait_for_jobs("held job", |jobs| jobs[0]["state"] == "pending-held");
}

#[test]
fn a_weak_card_is_taken_unless_told_otherwise_and_the_journal_says_what_it_was() {
    let office = Office::open();
    assert_eq!(office.tap(), "no-jobs");
    assert_eq!(journaled(&office, "login-accepted")[0]["proved"], false);
}

#[test]
fn keys_of_readers_are_kept_sealed_and_told_without_themselves() {
    let office = Office::open();
    let text = format!("[osdp.gate]\nscbk = \"{SCBK}\"\n");
    let file = office.file("keys.toml", text.as_bytes());
    let file = file.to_string_lossy();
    let told = office.ctl(&["device-keys", "import", &file]).remove(0);
    assert_eq!(told["osdp"], serde_json::json!(["gate"]));
    let shown = office.ctl(&["device-keys", "show"]).remove(0);
    assert_eq!(shown, told);
    let imported = journaled(&office, "device-keys-imported");
    assert_eq!(imported[0]["osdp"], serde_json::json!(["gate"]));
    let bytes = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55];
    for (path, content) in files_below(&office.data()) {
        for secret in [SCBK.as_bytes(), bytes.as_slice(), b"scbk"] {
            let shown = content.windows(secret.len()).any(|part| part == secret);
            assert!(!shown, "{}", path.display());
        }
    }
    let wrong = office.file(
        "wrong.toml",
        format!("[osdp.gate]\nkye = \"{SCBK}\"").as_bytes(),
    );
    let refused = office
        .daemon
        .ctl(&["device-keys", "import", &wrong.to_string_lossy()]);
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("line 1: `osdp.gate.scbk` is missing"),
        "{refused}"
    );
    assert!(!refused.contains(SCBK), "{refused}");
}

#[test]
fn a_reader_and_a_panel_that_are_missing_don_t_keep_people_from_printing() {
    let office = two_readers();
    let status = office.ctl(&["status"]).remove(0);
    assert_eq!(status["modes"], serde_json::json!(["no-reader"]));
    let gate = &status["devices"][1];
    assert_eq!(
        (&gate["name"], &gate["state"]),
        (&"gate".into(), &"gone".into())
    );
    let cause = gate["cause"].as_str().unwrap();
    assert!(cause.contains("dtparam=spi=on"), "{cause}");
    let file = office.file("one.pdf", &documents::pdf(1, Paper::A4));
    office.print(&file);
    assert_eq!(office.tap(), "accepted");
    office.printer.wait_for_jobs(1, SOON).unwrap();
}

#[test]
fn a_board_is_checked_by_the_daemon_that_runs_or_by_a_file() {
    let office = Office::open();
    let found = office.ctl(&["board", "check"]);
    assert_eq!(found[0]["answers"], true);
    assert_eq!(found[0]["place"], "simulated");
    let board = office.file("two.toml", TWO_READERS.as_bytes());
    let board = board.to_string_lossy();
    let told = office.daemon.ctl(&["board", "check", &board]);
    let told = told.unwrap_err().to_string();
    for part in [
        "desk",
        "simulated",
        "FAIL  gate",
        "dtparam=spi=on",
        "FAIL  panel",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let wrong = office.file("wrong.toml", b"name = \"x\"\n[[reader]]\nbos = 1\n");
    let told = office
        .daemon
        .ctl(&["board", "check", &wrong.to_string_lossy()]);
    let told = told.unwrap_err().to_string();
    assert!(told.contains("line 2: `reader.part` is missing"), "{told}");
}

#[test]
fn a_card_that_proves_itself_is_taken_as_soon_as_the_box_has_the_key() {
    let office = Office::open_with(|config| {
        config.further = "[cards]\nweak = \"refuse\"\n".to_owned();
    });
    let reader = office.ctl(&["status"])[0]["devices"][0]["name"].clone();
    let reader = reader.as_str().unwrap();
    let genuine = "04A1B2C3D4E5F6";
    office
        .daemon
        .import_users(&format!("ada,Ada,{genuine}\n"))
        .unwrap();
    let place = [
        "sim", reader, "place", genuine, "desfire", "f48120", "1", SCBK,
    ];
    let lay = || {
        office.ctl(&place);
    };
    let wait_for = |kind: &str, count: usize| {
        let entries = wait::until(kind, SOON, || {
            let entries = journaled(&office, kind);
            Ok(Some(entries).filter(|entries| entries.len() == count))
        });
        entries.unwrap().remove(count - 1)
    };
    lay();
    assert_eq!(wait_for("login-denied", 1)["reason"], "weak-card");
    office.ctl(&["sim", reader, "remove"]);
    let text = format!("[desfire]\napplication = \"F48120\"\nkey_number = 1\nkey = \"{SCBK}\"\n");
    let file = office.file("keys.toml", text.as_bytes());
    let told = office.ctl(&["device-keys", "import", &file.to_string_lossy()]);
    let facts = "application f48120, key 1, the same on every card";
    assert_eq!(told[0]["desfire"], facts);
    wait_for("device-keys-imported", 1);
    // The reader is opened anew; the field must have been empty for a moment, too.
    let polls = |office: &Office| {
        let status = office.ctl(&["status"]).remove(0);
        let counters = status["devices"][0]["counters"].clone();
        let mut pairs = counters.as_array().cloned().unwrap_or_default().into_iter();
        pairs.find_map(|pair| (pair[0] == "polls").then(|| pair[1].as_u64()).flatten())
    };
    wait::until("looks", SOON, || {
        Ok(polls(&office).filter(|polls| *polls > 10))
    })
    .unwrap();
    lay();
    assert_eq!(wait_for("login-accepted", 1)["proved"], true);
}
