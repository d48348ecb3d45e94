// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Logins from end to end, as reader, pad, page and kiosk run them: what the box decides alone, and
//! what the centre's word changes.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod given;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use given::{Box, Centre, card, card_key, code, code_key, user, user_id};
use platen_auth::phone::ByPhone;
use platen_auth::secret::{Secret, hash};
use platen_auth::session::{
    Answer, CentreKnows, Input, LoggedIn, Patience, Place, Presented, QuestionKind,
};
use platen_auth::{Cache, Door, PhoneCodes, Session, Step, Tries, Verifier};
use platen_model::{
    Clock, CredentialId, CredentialKind, Denied, Entry, Method, Record, RecordId, Settings, Source,
    UserId,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

static PIN: LazyLock<String> = LazyLock::new(|| hash(&"1357".into()).unwrap());
static NEW_PIN: LazyLock<String> = LazyLock::new(|| hash(&"2468".into()).unwrap());
static PASSWORD: LazyLock<String> = LazyLock::new(|| hash(&"correct horse".into()).unwrap());

/// A box of a site with one person, `u1`, number 1, PIN 1357, password "correct horse".
struct Office {
    given: Box,
    centre: Centre,
    cache: Arc<Cache>,
    door: Arc<Door>,
    ann: UserId,
    pin: CredentialId,
}

impl Office {
    fn new() -> Self {
        let (given, mut centre) = (Box::new(), Centre::new());
        let ann = centre.user(1);
        let hash = PIN.clone();
        let pin = centre.credential(ann, CredentialKind::Pin { hash });
        let hash = PASSWORD.clone();
        centre.credential(ann, CredentialKind::Password { hash });
        let database = given.database();
        let cache = Arc::new(given.cache_of(&database));
        given.pull(&cache, &centre, 100).unwrap();
        let door = Arc::new(Door {
            people: cache.clone(),
            tries: Arc::new(Tries::open(&database, given.clock.now()).unwrap()),
            verifier: Arc::new(Verifier::new(1, 4)),
            phones: Arc::new(PhoneCodes::new().unwrap()),
            patience: Patience::default(),
        });
        Self {
            given,
            centre,
            cache,
            door,
            ann,
            pin,
        }
    }

    fn pull(&self) {
        self.given.pull(&self.cache, &self.centre, 100).unwrap();
    }

    fn begin(&self, place: &Place, input: Input) -> Login<'_> {
        let now = self.given.clock.now();
        let (session, step) = Session::begin(&self.door, place.clone(), input, now);
        let login = Login {
            office: self,
            session,
            step,
        };
        login.work()
    }

    fn tap(&self, place: &Place, number: u32) -> Login<'_> {
        let (key, proved) = (card_key(number), false);
        self.begin(place, Input::Card { key, proved })
    }

    fn pad(&self, place: &Place, number: &str, pin: &str) -> Login<'_> {
        let asked = self.begin(place, Input::Pad).asked("Number");
        let asked = asked.answer(Answer::Number(number.to_owned())).asked("Pin");
        asked.answer(Answer::Secret(pin.into()))
    }

    fn web(&self, login: &str, secret: &str) -> Login<'_> {
        let (login, secret) = (login.to_owned(), Some(Secret::from(secret)));
        self.begin(&offline(), Input::Login { login, secret })
    }
}

/// A login on its way, with the last step.
struct Login<'a> {
    office: &'a Office,
    session: Session,
    step: Step,
}

impl Login<'_> {
    fn on(mut self, go: impl FnOnce(&mut Session, platen_model::Moment) -> Step) -> Self {
        self.step = go(&mut self.session, self.office.given.clock.now());
        self.work()
    }

    /// Does the work that is handed out.
    fn work(mut self) -> Self {
        while let Step::Verify(check) = self.step {
            let now = self.office.given.clock.now();
            let checked = check.run(now);
            self.step = self.session.checked(checked, now);
        }
        self
    }

    fn answer(self, answer: Answer) -> Self {
        self.on(|session, now| session.answer(answer, now))
    }

    fn centre(self, says: Result<CentreKnows, Denied>) -> Self {
        assert!(matches!(self.step, Step::AskCentre(_)), "{:?}", self.step);
        self.on(|session, now| session.centre_says(says, now))
    }

    fn silence(self) -> Self {
        assert!(matches!(self.step, Step::AskCentre(_)), "{:?}", self.step);
        self.on(|session, now| session.centre_silent(now))
    }

    fn asked(self, kind: &str) -> Self {
        match &self.step {
            Step::Ask(question) => assert_eq!(format!("{:?}", question.kind), kind),
            other => panic!("{kind} was not asked but {other:?}"),
        }
        self
    }

    fn denied(self) -> Denied {
        match self.step {
            Step::Denied(reason) => reason,
            other => panic!("not denied: {other:?}"),
        }
    }

    fn logged_in(self) -> LoggedIn {
        match self.step {
            Step::In(logged_in) => *logged_in,
            other => panic!("not logged in: {other:?}"),
        }
    }
}

fn offline() -> Place {
    Place {
        name: "desk".to_owned(),
        pad: true,
        screen: true,
        centre: false,
    }
}

fn online() -> Place {
    Place {
        centre: true,
        ..offline()
    }
}

fn bare_reader() -> Place {
    Place {
        pad: false,
        screen: false,
        ..offline()
    }
}

fn known(user: UserId, credential: CredentialId) -> CentreKnows {
    CentreKnows {
        user,
        credential,
        pin_needed: false,
    }
}

fn weaker(kind: CredentialKind, pin: bool, genuine: bool) -> CredentialKind {
    match kind {
        CredentialKind::Card { key, .. } => CredentialKind::Card {
            key,
            with_pin: pin,
            proved: genuine,
        },
        other => other,
    }
}

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
    assert_eq!(office.tap(&bare_reader(), 11).denied(), Denied::WrongSecret);
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

#[test]
fn a_pin_that_was_typed_with_a_login_name_is_judged_by_the_copy() {
    let office = Office::new();
    let begin = |pin: &str| {
        let (login, secret) = ("u1".to_owned(), Some(Secret::from(pin)));
        office.begin(&online(), Input::Login { login, secret })
    };
    assert_eq!(begin("1357").logged_in().method, Method::Pin);
    assert_eq!(begin("1358").denied(), Denied::WrongSecret);
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

    let mut late = office.begin(&offline(), Input::Phone);
    office.given.clock.advance(Duration::from_secs(60));
    let step = late.session.tick(office.given.clock.now()).unwrap();
    assert!(matches!(step, Step::Denied(Denied::GaveUp)));
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
