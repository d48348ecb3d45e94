// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Unknown cards that become somebody's, one-time codes, and the phone.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod given;

use std::time::Duration;

use given::office::{DAY, Office, bare_reader, known, offline, online};
use given::{card, card_key, code, code_key, user};
use platen_auth::phone::ByPhone;
use platen_auth::session::{Answer, Input, LoggedIn, Presented, QuestionKind};
use platen_auth::{Cache, Step};
use platen_model::{
    Clock, CredentialId, Denied, Entry, Method, Record, RecordId, Settings, Source,
};
#[test]
fn point_7_an_unknown_card_becomes_ones_own_by_number_and_pin_provisionally() {
    let office = Office::new();
    let tap = office.tap(&offline(), 50).asked("Number");
    let tap = tap.answer(Answer::Number("1".to_owned())).asked("Pin");
    let tap = tap
        .answer(Answer::Secret("1357".into()))
        .asked("ConfirmBinding");
    let Step::Ask(question) = &tap.step else {
        panic!("{:?}", tap.step)
    };
    let name = "Person 1".to_owned();
    assert!(question.binding && question.kind == QuestionKind::ConfirmBinding { name });
    let mut tap = tap.answer(Answer::Yes(true));
    let entries = tap.session.take_entries();
    let logged_in = tap.logged_in();
    assert!(logged_in.bound && logged_in.identity.provisional);
    assert_eq!(logged_in.method, Method::Pin);
    let [
        Entry::CredentialBound {
            credential,
            method,
            keys,
        },
    ] = entries.as_slice()
    else {
        panic!("{entries:?}")
    };
    assert!(credential.provisional && credential.user == office.ann);
    assert_eq!((*method, *keys), (Method::Pin, 1));
    assert_eq!(Some(credential.id), logged_in.credential);
    // From then on the card alone does, and it says that it waits.
    let again = office.tap(&bare_reader(), 50).logged_in();
    assert!(again.identity.provisional && !again.bound);
    assert_eq!(again.credential, logged_in.credential);
    // Also while the centre has not heard of it.
    let early = office.tap(&online(), 50).centre(Err(Denied::UnknownCard));
    early.logged_in();
}

#[test]
fn point_7_no_card_is_bound_without_a_secret_a_site_that_allows_it_and_a_pad() {
    let mut office = Office::new();
    assert_eq!(office.tap(&bare_reader(), 50).denied(), Denied::UnknownCard);
    let tap = office
        .tap(&offline(), 50)
        .answer(Answer::Number("1".to_owned()));
    let wrong = tap.answer(Answer::Secret("0000".into())).denied();
    assert_eq!(wrong, Denied::WrongSecret);
    let bad = office.tap(&offline(), 50).answer(Answer::Code(code_key(1)));
    assert_eq!(bad.denied(), Denied::BadCode);
    let mut record = user(1);
    record.active = false;
    office.centre.put(Record::User(record));
    office.pull();
    let tap = office
        .tap(&offline(), 50)
        .answer(Answer::Number("1".to_owned()));
    let disabled = tap.answer(Answer::Secret("1357".into())).denied();
    assert_eq!(disabled, Denied::UserDisabled);
    office.centre.settings(Settings {
        self_enrolment: false,
        ..Settings::default()
    });
    office.pull();
    assert_eq!(office.tap(&offline(), 50).denied(), Denied::UnknownCard);
}

fn bind(office: &Office, number: u32) -> LoggedIn {
    let tap = office
        .tap(&offline(), number)
        .answer(Answer::Number("1".to_owned()));
    let tap = tap.answer(Answer::Secret("1357".into()));
    tap.answer(Answer::Yes(true)).logged_in()
}

#[test]
fn point_7_bound_cards_are_few_and_short_lived_until_the_centre_confirms() {
    let mut office = Office::new();
    let first = bind(&office, 50);
    assert!(bind(&office, 51).bound);
    let third = bind(&office, 52);
    assert!(
        !third.bound && !third.identity.provisional,
        "the PIN lets in all the same"
    );
    assert_eq!(office.cache.standing(office.given.clock.now()).bindings, 2);
    // The centre confirms the first.
    let mut record = given::credential(office.ann, card(50));
    record.id = first.credential.unwrap();
    office.centre.put(Record::Credential(record));
    office.pull();
    assert_eq!(office.cache.standing(office.given.clock.now()).bindings, 1);
    assert!(
        !office
            .tap(&bare_reader(), 50)
            .logged_in()
            .identity
            .provisional
    );
    // The other one's time is over.
    office.given.clock.advance(8 * DAY);
    assert_eq!(office.tap(&bare_reader(), 51).denied(), Denied::UnknownCard);
    assert!(bind(&office, 52).bound, "there is room again");
}

#[test]
fn point_7_the_centre_ends_a_bound_card_by_giving_it_to_somebody_or_by_its_tombstone() {
    let mut office = Office::new();
    bind(&office, 50);
    let bob = office.centre.user(2);
    office.centre.credential(bob, card(50));
    office.pull();
    assert_eq!(
        office.tap(&bare_reader(), 50).logged_in().identity.user,
        bob
    );
    let second = bind(&office, 51).credential.unwrap();
    office.centre.end(RecordId::Credential(second));
    office.pull();
    assert_eq!(office.tap(&bare_reader(), 51).denied(), Denied::UnknownCard);
    bind(&office, 52);
    office.centre.end(RecordId::User(office.ann));
    office.pull();
    office.centre.put(Record::User(user(1)));
    office.pull();
    assert_eq!(office.tap(&bare_reader(), 52).denied(), Denied::UnknownCard);
    assert_eq!(office.cache.standing(office.given.clock.now()).bindings, 0);
}

#[test]
fn point_7_a_bound_card_survives_a_restart_and_a_new_key_of_the_site() {
    let mut office = Office::new();
    bind(&office, 50);
    let (ann, given, mut centre) = (office.ann, office.given, office.centre);
    drop((office.cache, office.door));
    let cache = given.cache();
    let now = given.clock.now();
    let held = |cache: &Cache, number| {
        use platen_auth::People;
        cache
            .by_card(card_key(number), now)
            .map(|held| held.person.id)
    };
    assert_eq!(held(&cache, 50), Some(ann));
    (centre.generation, centre.keys) = (2, 2);
    assert!(given.pull(&cache, &centre, 100).unwrap().took_over);
    assert_eq!(held(&cache, 150), None);
    cache
        .rekey_bindings(|key, keys| (key == card_key(50) && keys == 1).then(|| card_key(150)))
        .unwrap();
    assert_eq!((held(&cache, 50), held(&cache, 150)), (None, Some(ann)));
    office = Office::new();
    assert!(office.centre.generation == 1);
}

#[test]
fn point_7_a_one_time_code_lets_in_or_binds_a_card_once_and_is_used_up_before_anybody_is_told() {
    let mut office = Office::new();
    let (first, second) = (code(1), code(2));
    let first = office.centre.credential(office.ann, first);
    office.centre.credential(office.ann, second);
    office.pull();
    let mut login = office.begin(&offline(), Input::Code(code_key(1)));
    let entries = login.session.take_entries();
    assert_eq!(entries, [Entry::CodeUsed { credential: first }]);
    assert_eq!(login.logged_in().method, Method::Code);
    let again = office.begin(&offline(), Input::Code(code_key(1)));
    assert_eq!(again.denied(), Denied::BadCode);

    let tap = office.tap(&offline(), 50).answer(Answer::Code(code_key(2)));
    let mut tap = tap.asked("ConfirmBinding").answer(Answer::Yes(false));
    assert_eq!(
        tap.session.take_entries().len(),
        1,
        "used, though nothing was bound"
    );
    assert!(!tap.logged_in().bound, "who proved it is in all the same");
    assert_eq!(office.tap(&bare_reader(), 50).denied(), Denied::UnknownCard);

    // Used is used, after a restart too.
    let (given, cache) = (office.given, office.cache);
    drop((office.door, cache));
    let cache = given.cache();
    use platen_auth::People;
    assert!(cache.by_code(code_key(1)).is_none() && cache.by_code(code_key(2)).is_none());
    assert!(!cache.use_code(first, given.clock.now()));
}

#[test]
fn a_code_that_only_the_centre_knows_yet_is_good_and_one_that_it_knows_as_used_is_not() {
    let mut office = Office::new();
    let made = CredentialId(uuid::Uuid::from_u128(77));
    let mut login = office.begin(&online(), Input::Code(code_key(1)));
    let Step::AskCentre(ask) = &login.step else {
        panic!("{:?}", login.step)
    };
    let (key, proved) = (code_key(1), false);
    assert!(ask.who == Presented::Card { key, proved } && ask.method == Method::Code);
    login = login.centre(Ok(known(office.ann, made)));
    let entries = login.session.take_entries();
    assert_eq!(entries, [Entry::CodeUsed { credential: made }]);
    assert_eq!(login.logged_in().identity.source, Source::Online);
    let unknown = office.begin(&online(), Input::Code(code_key(9)));
    assert_eq!(
        unknown.centre(Err(Denied::BadCode)).denied(),
        Denied::BadCode
    );
    let unknown = office.begin(&online(), Input::Code(code_key(9)));
    assert_eq!(unknown.silence().denied(), Denied::BadCode);

    office.centre.credential(office.ann, code(2));
    office.pull();
    let elsewhere = office.begin(&online(), Input::Code(code_key(2)));
    let elsewhere = elsewhere.centre(Err(Denied::BadCode));
    assert_eq!(
        elsewhere.denied(),
        Denied::BadCode,
        "used at another box meanwhile"
    );
}

#[test]
fn a_code_is_not_used_up_by_somebody_who_is_not_let_in() {
    let mut office = Office::new();
    office.centre.credential(office.ann, code(1));
    office.pull();
    office.given.clock.advance(31 * DAY);
    let old = office.begin(&offline(), Input::Code(code_key(1)));
    assert_eq!(old.denied(), Denied::CacheTooOld);
    office.pull();
    office
        .begin(&offline(), Input::Code(code_key(1)))
        .logged_in();
}

#[test]
fn a_phone_logs_its_owner_in_at_the_panel_that_showed_the_code() {
    let office = Office::new();
    let panel = office
        .begin(&offline(), Input::Phone)
        .asked("ConfirmOnPhone");
    let Step::Ask(question) = &panel.step else {
        panic!("{:?}", panel.step)
    };
    let QuestionKind::ConfirmOnPhone(code) = question.kind.clone() else {
        panic!("{question:?}")
    };
    let mut panel = panel;
    assert!(panel.session.tick(office.given.clock.now()).is_none());
    let claim = office
        .door
        .phones
        .claim(&code.token, office.given.clock.now())
        .unwrap();
    assert_eq!(claim.panel, "desk");
    let page = office.web("u1", "correct horse").logged_in();
    let who = ByPhone {
        user: page.identity.user,
        credential: page.credential,
        online: false,
    };
    office
        .door
        .phones
        .confirm(&claim.text, who, office.given.clock.now())
        .unwrap();
    let panel = panel.on(|session, now| session.tick(now).unwrap());
    let logged_in = panel.logged_in();
    assert_eq!(
        (logged_in.method, logged_in.identity.user),
        (Method::Phone, office.ann)
    );

    // A phone that opened the page has more time than the code and its panel had.
    let mut slow = office.begin(&offline(), Input::Phone);
    let Step::Ask(question) = &slow.step else {
        panic!("{:?}", slow.step)
    };
    let QuestionKind::ConfirmOnPhone(code) = question.kind.clone() else {
        panic!("{question:?}")
    };
    office.given.clock.advance(Duration::from_secs(59));
    let phones = &office.door.phones;
    let claim = phones.claim(&code.token, office.given.clock.now()).unwrap();
    for _ in 0..179 {
        assert!(slow.session.tick(office.given.clock.now()).is_none());
        office.given.clock.advance(Duration::from_secs(1));
    }
    let confirmed = phones.confirm(&claim.text, who, office.given.clock.now());
    confirmed.unwrap();
    let slow = slow.on(|session, now| session.tick(now).unwrap());
    assert_eq!(slow.logged_in().identity.user, office.ann);

    let mut late = office.begin(&offline(), Input::Phone);
    office.given.clock.advance(Duration::from_secs(60));
    let step = late.session.tick(office.given.clock.now()).unwrap();
    assert!(matches!(step, Step::Denied(Denied::GaveUp)));
}
