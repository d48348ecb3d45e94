// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A box of a site with one person, and logins at it step by step.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::{Box, Centre, card_key};
use platen_auth::secret::{Secret, hash};
use platen_auth::session::{Answer, CentreKnows, Input, LoggedIn, Patience, Place};
use platen_auth::tries::Side;
use platen_auth::{Cache, Door, PhoneCodes, Session, Step, Tries, Verifier};
use platen_model::{Clock, CredentialId, CredentialKind, Denied, UserId};
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) static PIN: LazyLock<String> = LazyLock::new(|| hash(&"1357".into()).unwrap());
pub(crate) static NEW_PIN: LazyLock<String> = LazyLock::new(|| hash(&"2468".into()).unwrap());
pub(crate) static PASSWORD: LazyLock<String> =
    LazyLock::new(|| hash(&"correct horse".into()).unwrap());

/// A box of a site with one person, `u1`, number 1, PIN 1357, password "correct horse".
pub(crate) struct Office {
    pub(crate) given: Box,
    pub(crate) centre: Centre,
    pub(crate) cache: Arc<Cache>,
    pub(crate) door: Arc<Door>,
    pub(crate) ann: UserId,
    pub(crate) pin: CredentialId,
}

impl Office {
    pub(crate) fn new() -> Self {
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

    pub(crate) fn pull(&self) {
        self.given.pull(&self.cache, &self.centre, 100).unwrap();
    }

    pub(crate) fn begin(&self, place: &Place, input: Input) -> Login<'_> {
        let now = self.given.clock.now();
        let (session, step) = Session::begin(&self.door, place.clone(), input, now);
        let login = Login {
            office: self,
            session,
            step,
        };
        login.work()
    }

    pub(crate) fn tap(&self, place: &Place, number: u32) -> Login<'_> {
        let (key, proved) = (card_key(number), false);
        self.begin(place, Input::Card { key, proved })
    }

    pub(crate) fn pad(&self, place: &Place, number: &str, pin: &str) -> Login<'_> {
        let asked = self.begin(place, Input::Pad).asked("Number");
        let asked = asked.answer(Answer::Number(number.to_owned())).asked("Pin");
        asked.answer(Answer::Secret(pin.into()))
    }

    pub(crate) fn web(&self, login: &str, secret: &str) -> Login<'_> {
        let (login, secret) = (login.to_owned(), Some(Secret::from(secret)));
        let page = Place {
            side: Side::Web,
            ..offline()
        };
        self.begin(&page, Input::Login { login, secret })
    }
}

/// A login on its way, with the last step.
pub(crate) struct Login<'a> {
    pub(crate) office: &'a Office,
    pub(crate) session: Session,
    pub(crate) step: Step,
}

impl Login<'_> {
    pub(crate) fn on(
        mut self,
        go: impl FnOnce(&mut Session, platen_model::Moment) -> Step,
    ) -> Self {
        self.step = go(&mut self.session, self.office.given.clock.now());
        self.work()
    }

    /// Does the work that is handed out.
    pub(crate) fn work(mut self) -> Self {
        while let Step::Verify(check) = self.step {
            let now = self.office.given.clock.now();
            let checked = check.run(now);
            self.step = self.session.checked(checked, now);
        }
        self
    }

    pub(crate) fn answer(self, answer: Answer) -> Self {
        self.on(|session, now| session.answer(answer, now))
    }

    pub(crate) fn centre(self, says: Result<CentreKnows, Denied>) -> Self {
        assert!(matches!(self.step, Step::AskCentre(_)), "{:?}", self.step);
        self.on(|session, now| session.centre_says(says, now))
    }

    pub(crate) fn silence(self) -> Self {
        assert!(matches!(self.step, Step::AskCentre(_)), "{:?}", self.step);
        self.on(|session, now| session.centre_silent(now))
    }

    pub(crate) fn asked(self, kind: &str) -> Self {
        match &self.step {
            Step::Ask(question) => assert_eq!(format!("{:?}", question.kind), kind),
            other => panic!("{kind} was not asked but {other:?}"),
        }
        self
    }

    pub(crate) fn denied(self) -> Denied {
        match self.step {
            Step::Denied(reason) => reason,
            other => panic!("not denied: {other:?}"),
        }
    }

    pub(crate) fn logged_in(self) -> LoggedIn {
        match self.step {
            Step::In(logged_in) => *logged_in,
            other => panic!("not logged in: {other:?}"),
        }
    }
}

pub(crate) fn offline() -> Place {
    Place {
        name: "desk".to_owned(),
        pad: true,
        screen: true,
        centre: false,
        side: Side::Panel,
    }
}

pub(crate) fn online() -> Place {
    Place {
        centre: true,
        ..offline()
    }
}

pub(crate) fn bare_reader() -> Place {
    Place {
        pad: false,
        screen: false,
        ..offline()
    }
}

pub(crate) fn known(user: UserId, credential: CredentialId) -> CentreKnows {
    CentreKnows {
        user,
        credential,
        pin_needed: false,
    }
}

pub(crate) fn weaker(kind: CredentialKind, pin: bool, genuine: bool) -> CredentialKind {
    match kind {
        CredentialKind::Card { key, .. } => CredentialKind::Card {
            key,
            with_pin: pin,
            proved: genuine,
        },
        other => other,
    }
}
