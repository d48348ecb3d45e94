// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Logins from end to end, as reader, pad, page and kiosk run them: what the box decides alone, and
//! what the centre's word changes.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod given;

use std::time::Duration;

use given::office::{DAY, NEW_PIN, Office, bare_reader, known, offline, online, weaker};
use given::{card, card_key, user, user_id};
use platen_auth::secret::Secret;
use platen_auth::session::{Answer, CentreKnows, Input, Patience, Place, Presented};
use platen_auth::tries::BOX_TRIES;
use platen_auth::{Session, Step};
use platen_model::{
    Clock, CredentialId, CredentialKind, Denied, Entry, Method, Record, Settings, Source,
};
#[test]
fn point_1_a_card_in_the_copy_lets_its_owner_in_without_the_centre_and_tells_the_age() {
    let mut office = Office::new();
    let own = office.centre.credential(office.ann, card(11));
    office.pull();
    office.given.clock.advance(29 * DAY);
    let logged_in = office.tap(&bare_reader(), 11).logged_in();
    assert_eq!(logged_in.identity.user, office.ann);
    assert_eq!(
        (logged_in.method, logged_in.credential),
        (Method::Card, Some(own))
    );
    let age_s = 29 * DAY.as_secs();
    assert_eq!(logged_in.identity.source, Source::Cached { age_s });
    assert_eq!(logged_in.identity.groups.len(), 1);
    let keys = ["u1", "alias1"].map(|name| office.given.keys.owner_key(name));
    assert_eq!(logged_in.identity.owner_keys, keys);
    assert!(!logged_in.identity.provisional && !logged_in.bound);
}

#[test]
fn point_1_a_cache_older_than_the_limit_lets_nobody_in_until_the_centre_confirms_it() {
    let mut office = Office::new();
    office.centre.credential(office.ann, card(11));
    office.pull();
    office
        .given
        .clock
        .advance(30 * DAY + Duration::from_secs(1));
    assert_eq!(office.tap(&offline(), 11).denied(), Denied::CacheTooOld);
    assert_eq!(
        office.pad(&offline(), "1", "1357").denied(),
        Denied::CacheTooOld
    );
    assert_eq!(
        office.web("u1", "correct horse").denied(),
        Denied::CacheTooOld
    );
    // A restart makes it no younger.
    office.cache.tick(office.given.clock.now()).unwrap();
    office.pull();
    assert_eq!(
        office.tap(&offline(), 11).logged_in().identity.user,
        office.ann
    );
}

#[test]
fn point_1_the_limit_is_the_sites_and_none_means_none() {
    let mut office = Office::new();
    office.centre.credential(office.ann, card(11));
    for (cache_days, lets_in) in [(2, false), (0, true)] {
        office.centre.settings(Settings {
            cache_days,
            ..Settings::default()
        });
        office.pull();
        office.given.clock.advance(100 * DAY);
        let step = office.tap(&offline(), 11).step;
        assert_eq!(
            matches!(step, Step::In(_)),
            lets_in,
            "{cache_days} days: {step:?}"
        );
    }
}

#[test]
fn point_1_where_the_site_asks_for_it_only_people_seen_here_lately_get_in() {
    let mut office = Office::new();
    let own = office.centre.credential(office.ann, card(11));
    office.centre.settings(Settings {
        seen_days: 7,
        ..Settings::default()
    });
    office.pull();
    assert_eq!(office.tap(&offline(), 11).denied(), Denied::NotSeenHere);
    // The centre's word is enough, and makes them seen.
    let tap = office.tap(&online(), 11).centre(Ok(known(office.ann, own)));
    assert_eq!(tap.logged_in().identity.source, Source::Online);
    office.given.clock.advance(7 * DAY);
    office.tap(&offline(), 11).logged_in();
    office.given.clock.advance(7 * DAY + Duration::from_secs(1));
    assert_eq!(office.tap(&offline(), 11).denied(), Denied::NotSeenHere);
}

#[test]
fn point_1_a_disabled_user_an_ended_credential_and_a_card_that_can_not_prove_itself_are_refused() {
    let mut office = Office::new();
    let bob = office.centre.user(2);
    office.centre.credential(bob, card(12));
    let mut record = user(2);
    record.active = false;
    office.centre.put(Record::User(record));
    let mut ended = given::credential(office.ann, card(13));
    ended.until_unix_ms = Some(given::T0 + 1000);
    office.centre.put(Record::Credential(ended));
    office
        .centre
        .credential(office.ann, weaker(card(14), false, true));
    office.pull();
    assert_eq!(
        office.tap(&bare_reader(), 12).denied(),
        Denied::UserDisabled
    );
    assert_eq!(office.tap(&bare_reader(), 14).denied(), Denied::WeakCard);
    assert_eq!(office.tap(&bare_reader(), 99).denied(), Denied::UnknownCard);
    let (key, proved) = (card_key(14), true);
    office
        .begin(&bare_reader(), Input::Card { key, proved })
        .logged_in();
    office.tap(&bare_reader(), 13).logged_in();
    office.given.clock.advance(Duration::from_secs(2));
    assert_eq!(office.tap(&bare_reader(), 13).denied(), Denied::Expired);
}

#[test]
fn every_way_in_names_itself_and_its_credential() {
    let mut office = Office::new();
    office
        .centre
        .credential(office.ann, weaker(card(11), true, false));
    let finger = CredentialKind::Finger {
        part: "bmlite".to_owned(),
        template: vec![1, 2, 3],
    };
    let finger = office.centre.credential(office.ann, finger);
    office.pull();
    let tap = office.tap(&offline(), 11).asked("Pin");
    let with_pin = tap.answer(Answer::Secret("1357".into())).logged_in();
    assert_eq!(with_pin.method, Method::CardPin);
    let pad = office.pad(&offline(), "1", "1357").logged_in();
    assert_eq!(
        (pad.method, pad.credential),
        (Method::Pin, Some(office.pin))
    );
    assert_eq!(
        office.web("U1@office", "correct horse").logged_in().method,
        Method::Password
    );
    assert_eq!(office.web("u1", "1357").logged_in().method, Method::Pin);
    let by_finger = office
        .begin(&bare_reader(), Input::Finger(finger))
        .logged_in();
    assert_eq!(
        (by_finger.method, by_finger.credential),
        (Method::Finger, Some(finger))
    );
    let unknown = CredentialId(uuid::Uuid::nil());
    let unknown = office
        .begin(&bare_reader(), Input::Finger(unknown))
        .denied();
    assert_eq!(unknown, Denied::UnknownFinger);
    let (login, secret) = ("u1".to_owned(), None);
    let asked = office
        .begin(&offline(), Input::Login { login, secret })
        .asked("Password");
    asked
        .answer(Answer::Secret("correct horse".into()))
        .logged_in();
}

#[test]
fn a_card_that_wants_a_pin_lets_nobody_in_where_none_can_be_typed_or_a_wrong_one_is() {
    let mut office = Office::new();
    office
        .centre
        .credential(office.ann, weaker(card(11), true, false));
    let bob = office.centre.user(2);
    office.centre.credential(bob, weaker(card(12), true, false));
    office.pull();
    assert_eq!(office.tap(&bare_reader(), 11).denied(), Denied::NoPad);
    let wrong = office
        .tap(&offline(), 11)
        .answer(Answer::Secret("1358".into()));
    assert_eq!(wrong.denied(), Denied::WrongSecret);
    let nobodys = office
        .tap(&offline(), 12)
        .answer(Answer::Secret("1357".into()));
    assert_eq!(
        nobodys.denied(),
        Denied::WrongSecret,
        "a person without a PIN"
    );
}

#[test]
fn point_3_wrong_secrets_lock_known_and_unknown_people_alike_and_the_lock_is_journaled() {
    let office = Office::new();
    for number in ["1", "4711"] {
        let mut locked = Vec::new();
        for _ in 0..5 {
            let mut wrong = office.pad(&offline(), number, "9753");
            locked.extend(wrong.session.take_entries());
            assert_eq!(wrong.denied(), Denied::WrongSecret);
        }
        let until_unix_ms = given::T0 + 15 * 60 * 1000;
        let (user, credential) = (office.ann, office.pin);
        let entry = Entry::LockedOut {
            user,
            credential,
            until_unix_ms,
        };
        let journaled = if number == "1" { vec![entry] } else { vec![] };
        assert_eq!(locked, journaled);
        let right = office.pad(&offline(), number, "1357").denied();
        assert_eq!(right, Denied::LockedOut, "also for who does not exist");
    }
    office.web("u1", "correct horse").logged_in();
    let by_pin = office.web("u1", "1357").denied();
    assert_eq!(by_pin, Denied::LockedOut, "the same PIN by another way");
}

#[test]
fn the_centres_word_counts_more_in_both_directions() {
    let mut office = Office::new();
    let own = office.centre.credential(office.ann, card(11));
    office.pull();
    // Revoked meanwhile: the copy still knows the card; nobody is invited to bind it again.
    let revoked = office.tap(&online(), 11).centre(Err(Denied::UnknownCard));
    assert_eq!(revoked.denied(), Denied::UnknownCard);
    let disabled = office.tap(&online(), 11).centre(Err(Denied::UserDisabled));
    assert_eq!(disabled.denied(), Denied::UserDisabled);
    // Unknown here, known there.
    let tap = office.tap(&online(), 77).centre(Ok(known(office.ann, own)));
    assert_eq!(tap.logged_in().identity.source, Source::Online);
    // A new PIN that the copy does not have, right at the centre: the wrong try here is forgiven.
    for _ in 0..8 {
        let pad = office.pad(&online(), "1", "2468");
        pad.centre(Ok(known(office.ann, office.pin))).logged_in();
    }
    // And the old one, which is wrong by now.
    let old = office
        .pad(&online(), "1", "1357")
        .centre(Err(Denied::WrongSecret));
    assert_eq!(old.denied(), Denied::WrongSecret);
}

/// Neither a copy that is too old nor a box that has not seen the person keeps out whom the centre
/// lets in, by PIN as by password.
#[test]
fn a_login_name_with_a_pin_is_asked_at_the_centre_and_the_limits_of_the_copy_do_not_count_then() {
    let mut office = Office::new();
    office.centre.settings(Settings {
        seen_days: 7,
        ..Settings::default()
    });
    office.pull();
    let begin = |place: &Place| {
        let (login, secret) = ("u1".to_owned(), Some(Secret::from("1357")));
        office.begin(place, Input::Login { login, secret })
    };
    assert_eq!(begin(&offline()).denied(), Denied::NotSeenHere);
    office.given.clock.advance(31 * DAY);
    assert_eq!(begin(&offline()).denied(), Denied::CacheTooOld);
    let asking = begin(&online());
    let Step::AskCentre(ask) = &asking.step else {
        panic!("{:?}", asking.step)
    };
    assert!(ask.who == Presented::Login("u1".to_owned()) && ask.method == Method::Pin);
    assert_eq!(ask.secret.as_ref().unwrap().expose(), "1357");
    let logged_in = asking.centre(Ok(known(office.ann, office.pin))).logged_in();
    assert_eq!(
        (logged_in.method, logged_in.identity.source),
        (Method::Pin, Source::Online)
    );
    // Without its word they count again.
    assert_eq!(begin(&online()).silence().denied(), Denied::CacheTooOld);
}

#[test]
fn what_the_centre_has_locked_is_locked_here_when_the_link_goes() {
    let office = Office::new();
    let locked = office
        .pad(&online(), "1", "1357")
        .centre(Err(Denied::LockedOut));
    let left = locked.session.locked_for(office.given.clock.now());
    assert_eq!(left, Some(Duration::from_secs(15 * 60)));
    assert_eq!(locked.denied(), Denied::LockedOut);
    let alone = office.pad(&offline(), "1", "1357");
    assert_eq!(alone.denied(), Denied::LockedOut);
    office.given.clock.advance(Duration::from_secs(15 * 60));
    office.pad(&offline(), "1", "1357").logged_in();
}

#[test]
fn who_finds_too_many_before_them_is_told_so_and_is_not_locked() {
    let office = Office::new();
    for nobody in 100..100 + BOX_TRIES {
        let wrong = office.pad(&offline(), &nobody.to_string(), "9753");
        assert_eq!(wrong.denied(), Denied::WrongSecret);
    }
    let busy = office.pad(&offline(), "1", "1357");
    assert_eq!(busy.session.locked_for(office.given.clock.now()), None);
    assert_eq!(busy.denied(), Denied::Busy);
    let code = office.begin(&offline(), Input::Code(card_key(5)));
    assert_eq!(code.denied(), Denied::Busy);
    office.web("u1", "1357").logged_in();
}

#[test]
fn the_centre_is_told_what_was_presented_and_asked_once_when_it_is_silent() {
    let mut office = Office::new();
    let own = office
        .centre
        .credential(office.ann, weaker(card(11), true, false));
    office.pull();
    let tap = office.tap(&online(), 11);
    let Step::AskCentre(ask) = &tap.step else {
        panic!("{:?}", tap.step)
    };
    let (key, proved) = (card_key(11), false);
    assert!(ask.who == Presented::Card { key, proved } && ask.secret.is_none());
    let wrong = tap
        .silence()
        .asked("Pin")
        .answer(Answer::Secret("1111".into()));
    assert_eq!(
        wrong.denied(),
        Denied::WrongSecret,
        "no second wait for the centre"
    );

    let says = CentreKnows {
        pin_needed: true,
        ..known(office.ann, own)
    };
    let tap = office.tap(&online(), 11).centre(Ok(says)).asked("Pin");
    let right = tap.answer(Answer::Secret("1357".into())).logged_in();
    assert_eq!(
        (right.method, right.identity.source),
        (Method::CardPin, Source::Online)
    );
    // A wrong PIN goes to the centre, which may know a newer one.
    let tap = office.tap(&online(), 11).centre(Ok(says)).asked("Pin");
    let tap = tap.answer(Answer::Secret("2468".into()));
    let Step::AskCentre(ask) = &tap.step else {
        panic!("{:?}", tap.step)
    };
    assert_eq!(ask.secret.as_ref().unwrap().expose(), "2468");
    assert_eq!(
        tap.centre(Ok(says)).denied(),
        Denied::WrongSecret,
        "it was not compared there"
    );
}

#[test]
fn whom_only_the_centre_knows_is_pulled_before_the_box_lets_them_in() {
    let mut office = Office::new();
    let bob = user_id(2);
    let new = CredentialId(uuid::Uuid::from_u128(5));
    let tap = office.tap(&online(), 12).centre(Ok(known(bob, new)));
    assert!(matches!(tap.step, Step::Pull));
    let nothing = tap.on(Session::pulled);
    assert_eq!(
        nothing.denied(),
        Denied::UnknownCard,
        "the pull brought nothing"
    );
    office.centre.user(2);
    let tap = office.tap(&online(), 12).centre(Ok(known(bob, new)));
    assert!(matches!(tap.step, Step::Pull));
    office.pull();
    let logged_in = tap.on(Session::pulled).logged_in();
    assert_eq!(
        (logged_in.identity.user, logged_in.credential),
        (bob, Some(new))
    );
}

#[test]
fn who_does_not_answer_in_time_or_gives_up_is_not_waited_for() {
    let office = Office::new();
    let mut asked = office.begin(&offline(), Input::Pad);
    let until = asked.session.until().unwrap();
    assert_eq!(until, Patience::default().answer);
    assert!(asked.session.tick(office.given.clock.now()).is_none());
    office.given.clock.advance(until);
    let late = asked.answer(Answer::Number("1".to_owned()));
    assert_eq!(late.denied(), Denied::GaveUp);
    let mut asked = office.begin(&offline(), Input::Pad);
    assert!(matches!(
        asked.session.cancel(),
        Step::Denied(Denied::GaveUp)
    ));
    let after = asked.answer(Answer::Number("1".to_owned()));
    assert_eq!(after.denied(), Denied::GaveUp, "over is over");
}

#[test]
fn an_answer_that_does_not_fit_and_a_word_that_nobody_asked_for_let_nobody_in() {
    let mut office = Office::new();
    let own = office
        .centre
        .credential(office.ann, weaker(card(11), true, false));
    office.pull();
    let tap = office.tap(&offline(), 11).asked("Pin");
    let tap = tap.answer(Answer::Yes(true)).asked("Pin");
    let tap = tap.answer(Answer::Number("1".to_owned())).asked("Pin");
    let said = tap.on(|session, now| session.centre_says(Ok(known(user_id(1), own)), now));
    assert_eq!(said.denied(), Denied::GaveUp);
    let tap = office.tap(&offline(), 11).on(Session::pulled);
    assert_eq!(tap.denied(), Denied::GaveUp);
    let pad = office.begin(&offline(), Input::Pad).asked("Number");
    pad.answer(Answer::Yes(true)).asked("Number");
}

#[test]
fn point_10_a_renamed_person_is_the_same_user_and_keeps_the_jobs_of_the_old_name_as_an_alias() {
    let mut office = Office::new();
    office.centre.credential(office.ann, card(11));
    office.pull();
    let before = office.tap(&bare_reader(), 11).logged_in().identity;
    let mut record = user(1);
    record.aliases.push(std::mem::replace(
        &mut record.login,
        "ann.married".to_owned(),
    ));
    office.centre.put(Record::User(record));
    office.pull();
    let after = office.tap(&bare_reader(), 11).logged_in().identity;
    assert_eq!(
        (after.user, after.name.as_str()),
        (before.user, "ann.married")
    );
    assert!(
        before
            .owner_keys
            .iter()
            .all(|key| after.owner_keys.contains(key))
    );
    assert_eq!(
        office.web("u1", "correct horse").denied(),
        Denied::WrongSecret
    );
    office.web("ann.married", "correct horse").logged_in();
}

#[test]
fn a_changed_pin_replaces_the_old_one_with_the_next_page() {
    let mut office = Office::new();
    let hash = NEW_PIN.clone();
    let new = office
        .centre
        .credential(office.ann, CredentialKind::Pin { hash });
    office.pull();
    assert_eq!(
        office.pad(&offline(), "1", "2468").logged_in().credential,
        Some(new)
    );
    assert_eq!(
        office.pad(&offline(), "1", "1357").denied(),
        Denied::WrongSecret
    );
}

#[test]
fn nothing_that_was_typed_shows_itself() {
    let office = Office::new();
    let number = office
        .begin(&offline(), Input::Pad)
        .answer(Answer::Number("1".to_owned()));
    let pad = number.asked("Pin");
    let shown = format!("{:?} {:?} {:?}", pad.session, pad.step, office.cache);
    let place = Place {
        centre: true,
        ..offline()
    };
    let asking = office.pad(&place, "1", "1357");
    let shown = format!("{shown} {:?} {:?}", asking.session, asking.step);
    for secret in ["1357", "u1", "Person", "argon2"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
