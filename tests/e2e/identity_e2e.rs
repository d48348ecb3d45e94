// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Ways in that need more than a card, at a box of a site whose parts are all simulated.

use std::path::Path;
use std::time::Duration;

use platen_bed::wait;

use crate::box_under_test::{CARD, SOON, user};
use crate::sync_site::{SYNCED, Site, SiteBox, Store};

const PIN: &str = "2580";
/// How long a finger or a key is down, and how long it is not.
const STROKE: Duration = Duration::from_millis(400);

fn site() -> Site {
    let board = Path::new(env!("CARGO_MANIFEST_DIR")).join("../board/sim_parts/board.toml");
    Site::open_with(Store::Sqlite, 1, |config| config.board = board.clone())
}

fn sim(one: &SiteBox, line: &str) {
    let words: Vec<&str> = [&["sim"][..], &line.split(' ').collect::<Vec<_>>()].concat();
    assert_eq!(one.ctl(&words)[0]["text"], "done", "{line}");
}

/// Presses each digit of the pad till the panel shows one key more, then the pad's `#`.
fn type_at_pad(one: &SiteBox, digits: &str) {
    for (before, key) in digits.chars().enumerate() {
        sim(one, &format!("pad press {key}"));
        await_panel(one, &"•".repeat(before + 1));
        sim(one, &format!("pad release {key}"));
        wait::pause(STROKE / 2);
    }
    sim(one, "pad press #");
    // The pad is read some hundred times a second.
    wait::pause(STROKE / 2);
    sim(one, "pad release #");
}

/// Waits till the panel asks for the PIN: the answer to a wrong one names it too.
fn await_question(one: &SiteBox) {
    await_panel(one, "Type your PIN");
}

fn await_panel(one: &SiteBox, part: &str) {
    wait::until(part, SOON, || {
        let text = one.status()["panel_text"].clone();
        let shown = text.as_str().is_some_and(|text| text.contains(part));
        Ok(shown.then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error}: {:#}", one.status()["panel_text"]));
}

fn await_paper(one: &SiteBox) {
    let printed = one.printer.wait_for_job(1, SOON);
    printed.unwrap_or_else(|error| {
        let said = one.status()["panel_text"].clone();
        let refused = one.journal("login-refused");
        let accepted = one.journal("login-accepted");
        panic!("{error}: {said}, {refused:?}, {accepted:?}")
    });
}

/// The person's card asks for the PIN as well.
fn ask_for_pin(site: &Site) {
    let central = site.central();
    let cards = central.list(&["cards", "list", &user()]).unwrap();
    let card = cards[0]["id"].as_str().unwrap();
    central.ctl(&["cards", "delete", card]).unwrap();
    central
        .ctl_typed(&["cards", "add", &user(), "--with-pin"], CARD)
        .unwrap();
    central.ctl_typed(&["pin", "set", &user()], PIN).unwrap();
    site.wait_synced();
}

fn logins(one: &SiteBox) -> Vec<String> {
    let accepted = one.journal("login-accepted").into_iter();
    accepted
        .filter_map(|entry| entry["method"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn a_card_with_a_pin_releases_only_after_the_pin() {
    let site = site();
    let one = &site.boxes[0];
    ask_for_pin(&site);
    site.print(0);
    one.await_counted();

    sim(one, &format!("rc522 place {CARD}"));
    await_question(one);
    assert!(one.printer.jobs().unwrap().is_empty());
    type_at_pad(one, "1111");
    wait::until("the wrong PIN to be journaled", SOON, || {
        Ok((!one.journal("login-refused").is_empty()).then_some(()))
    })
    .unwrap();
    assert!(one.printer.jobs().unwrap().is_empty());

    sim(one, "rc522 remove");
    // A person takes the card away for longer than the reader looks twice.
    wait::pause(Duration::from_secs(1));
    sim(one, &format!("rc522 place {CARD}"));
    await_question(one);
    type_at_pad(one, PIN);
    await_paper(one);
    one.await_printed();
    assert_eq!(logins(one), ["card-pin"]);
    one.daemon().wait_synced(SYNCED).unwrap();
    let at_centre = site.central().list(&["logins"]).unwrap();
    let by_pin = |login: &serde_json::Value| login["method"] == "card-pin";
    assert!(at_centre.iter().any(by_pin), "{at_centre:?}");
    assert_eq!(site.assert_every_charge_once(), 1);
}

#[test]
fn a_card_with_a_pin_works_without_the_centre() {
    let site = site();
    let one = &site.boxes[0];
    ask_for_pin(&site);
    one.line.cut();
    one.daemon().wait_for_centre("offline", SYNCED).unwrap();
    site.print(0);
    one.await_counted();
    sim(one, &format!("rc522 place {CARD}"));
    await_question(one);
    type_at_pad(one, PIN);
    await_paper(one);
    one.await_printed();
    one.line.heal();
    one.daemon().wait_synced(SYNCED).unwrap();
    assert_eq!(site.assert_every_charge_once(), 1);
}

#[test]
fn a_finger_that_is_taken_at_the_box_releases_jobs_and_is_known_to_the_centre() {
    let site = site();
    let one = &site.boxes[0];
    let person = user();
    std::thread::scope(|scope| {
        let words = ["finger", "enrol", &person, "bm-lite"];
        let taking = scope.spawn(move || one.daemon().ctl(&words));
        // Laid and lifted, as the panel asks, until the sensor has seen enough.
        let taken = wait::until("the finger to be taken", SOON, || {
            sim(one, "bm-lite lay 77");
            wait::pause(STROKE);
            sim(one, "bm-lite lift");
            wait::pause(STROKE);
            Ok(taking.is_finished().then_some(()))
        });
        taken.unwrap();
        taking.join().unwrap().unwrap();
    });
    site.wait_synced();
    site.print(0);
    one.await_counted();
    // The sensor may still be taking the finger's template over.
    let printed = wait::until("paper for the finger", SOON, || {
        sim(one, "bm-lite lay 77");
        wait::pause(STROKE);
        sim(one, "bm-lite lift");
        wait::pause(STROKE);
        Ok((!one.printer.jobs()?.is_empty()).then_some(()))
    });
    printed.unwrap_or_else(|error| {
        let known = site.central().list(&["cards", "list", &person]);
        let bound = one.journal("credential-bound");
        panic!("{error}: at the centre {known:?}, at the box {bound:?}")
    });
    one.await_printed();
    assert!(logins(one).iter().all(|method| method == "finger"));
    site.wait_synced();
    let at_centre = site.central().list(&["logins"]).unwrap();
    let by_finger = |login: &serde_json::Value| login["method"] == "finger";
    assert!(at_centre.iter().any(by_finger), "{at_centre:?}");
    assert_eq!(site.assert_every_charge_once(), 1);
}
