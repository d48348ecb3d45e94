// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Logins that end otherwise than they began: by the next tap, by a full journal, for want of a pad.

use super::*;

/// The next tap ends a login, but not what has happened by then.
#[test]
fn a_lock_whose_login_was_ended_by_the_next_tap_is_journaled() {
    let settings = Settings {
        tries: 1,
        ..Settings::default()
    };
    let mut hall = Hall::with(settings, false, false);
    hall.keys("17#0815");
    let (pad, key) = ("pad".to_owned(), Key::Enter);
    let typed = DeviceEvent::KeyPressed { pad, key };
    block_on(hall.door.handle(&mut hall.at, Came::Event(typed)));
    // The secret is being compared; nobody waits for the answer any more.
    let shown = hall.tap(&OTHER_CARD, Proof::Weak);
    assert!(shown.starts_with("This card is new here."), "{shown}");
    assert!(!hall.journal().contains(&"locked".to_owned()));
    let executor = Arc::clone(&hall.bench.shop.executor);
    let (number, told) = block_on(executor.run(hall.door.news.1.recv())).unwrap();
    block_on(hall.door.handle(&mut hall.at, Came::Told(number, told)));
    assert_eq!(hall.journal(), ["locked"]);
    assert!(
        hall.at.standing.is_some(),
        "the tap's own login is untouched"
    );
    assert!(hall.panel().starts_with("This card is new here."));
    assert!(hall.at.ended.is_empty());
}

#[test]
fn a_card_that_the_journal_does_not_take_is_not_called_somebodys() {
    let mut hall = Hall::new();
    hall.tap(&OTHER_CARD, Proof::Weak);
    hall.keys("17#");
    let shown = hall.keys("4711#");
    assert!(
        shown.starts_with("Some Body, is this card yours"),
        "{shown}"
    );
    hall.bench.disk.fill_at(Some(0));
    let shown = hall.keys("#");
    assert!(shown.contains("disk is full"), "{shown}");
    assert!(!shown.contains("yours now"), "{shown}");
    hall.bench.disk.fill_at(None);
}

#[test]
fn a_card_that_wants_a_pin_says_so_where_no_pad_is_known() {
    let mut hall = Hall::with(Settings::default(), true, false);
    hall.door.pad.store(false, Ordering::Relaxed);
    let shown = hall.tap(&CARD, Proof::Weak);
    assert!(shown.starts_with("This card needs your PIN"), "{shown}");
    assert_eq!(hall.journal(), ["card denied: NoPad"]);
    // The first key shows that there is one.
    hall.keys("*");
    assert_eq!(hall.tap(&CARD, Proof::Weak), "Type your PIN, then #.");
}
