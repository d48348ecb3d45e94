// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ways through a session: what follows what.

use std::sync::Arc;
use std::time::Duration;

use platen_model::{CardKey, CredentialId, Denied, Entry, Method, Moment, Source};

use super::Door;
use super::check::{Check, Found, Work};
use super::step::{
    Answer, CentreAsk, CentreKnows, Input, LoggedIn, Place, Presented, Question, QuestionKind, Step,
};
use crate::people::{BoundCard, Held, NewCard, Person, SecretKind};
use crate::phone::{PhoneId, PhoneState};
use crate::secret::Secret;
use crate::tries::Locked;

/// What is waited for.
pub(super) enum Stage {
    Asking(Question),
    OnPhone(PhoneId, Question),
    Comparing,
    FindingCode,
    UsingCode,
    Binding,
    Locking,
    AskingCentre,
    PullingPerson(CentreKnows),
    Over,
}

/// A session's insides.
pub(super) struct Flow {
    door: Arc<Door>,
    pub(super) place: Place,
    stage: Stage,
    /// Elapsed time at which the whole login ends.
    ends: Duration,
    pub(super) method: Method,
    /// What was presented, as the centre is told.
    who: Option<Presented>,
    secret: Option<Secret>,
    /// Whose secret was compared: tries are counted by it.
    counted: Option<CredentialId>,
    /// What the box itself says.
    local: Result<(), Denied>,
    /// Who it seems to be.
    pub(super) person: Option<Person>,
    credential: Option<CredentialId>,
    with_pin: bool,
    provisional: bool,
    /// Whether the centre said who it is.
    online: bool,
    /// Whether the copy was pulled for this login already.
    pulled: bool,
    /// The card that was held to the reader.
    card: Option<NewCard>,
    /// Whether that card is to become somebody's.
    binding: bool,
    /// The code that is to be used up.
    code: Option<CredentialId>,
    source: Source,
    pub(super) entries: Vec<Entry>,
}

impl Flow {
    pub(super) fn new(door: &Arc<Door>, place: Place, now: Moment) -> Self {
        Self {
            door: Arc::clone(door),
            place,
            stage: Stage::Over,
            ends: now.elapsed + door.patience.login,
            method: Method::Card,
            who: None,
            secret: None,
            counted: None,
            local: Ok(()),
            person: None,
            credential: None,
            with_pin: false,
            provisional: false,
            online: false,
            pulled: false,
            card: None,
            binding: false,
            code: None,
            source: Source::Local,
            entries: Vec::new(),
        }
    }

    pub(super) fn take_stage(&mut self) -> Stage {
        std::mem::replace(&mut self.stage, Stage::Over)
    }

    pub(super) fn until(&self) -> Option<Duration> {
        match &self.stage {
            Stage::Asking(question) | Stage::OnPhone(_, question) => Some(question.until),
            _ => None,
        }
    }

    pub(super) fn deny(&mut self, reason: Denied) -> Step {
        if let Stage::OnPhone(id, _) = self.take_stage() {
            self.door.phones.end(id);
        }
        Step::Denied(reason)
    }

    pub(super) fn begin(&mut self, input: Input, now: Moment) -> Step {
        match input {
            Input::Card { key, proved } => self.card(NewCard { key, proved }, now),
            Input::Finger(credential) => self.finger(credential, now),
            Input::Pad => self.ask(QuestionKind::Number, now),
            Input::Login { login, secret } => self.login(login, secret, now),
            Input::Code(key) => self.code(key),
            Input::Phone => self.show_phone_code(now),
        }
    }

    pub(super) fn answer(&mut self, answer: Answer, now: Moment) -> Step {
        let question = match self.take_stage() {
            Stage::Asking(question) => question,
            Stage::OnPhone(id, question) => {
                self.stage = Stage::OnPhone(id, question.clone());
                return Step::Ask(question);
            }
            _ => return self.deny(Denied::GaveUp),
        };
        match (&question.kind, answer) {
            (QuestionKind::Number, Answer::Number(number)) => self.number(number, now),
            (QuestionKind::Number, Answer::Login { login, secret }) => {
                self.login(login, Some(secret), now)
            }
            (QuestionKind::Number, Answer::Code(key)) => self.code(key),
            (QuestionKind::Pin | QuestionKind::Password, Answer::Secret(secret)) => {
                self.compare(secret)
            }
            (QuestionKind::ConfirmBinding { .. }, Answer::Yes(true)) => self.bind(),
            (QuestionKind::ConfirmBinding { .. }, Answer::Yes(false)) => self.let_in(false, now),
            _ => {
                self.stage = Stage::Asking(question.clone());
                Step::Ask(question)
            }
        }
    }

    fn ask(&mut self, kind: QuestionKind, now: Moment) -> Step {
        let question = self.question(kind, now);
        self.stage = Stage::Asking(question.clone());
        Step::Ask(question)
    }

    fn question(&self, kind: QuestionKind, now: Moment) -> Question {
        let until = now.elapsed + self.door.patience.answer;
        Question {
            kind,
            until: until.min(self.ends),
            binding: self.binding,
        }
    }

    fn verify(&mut self, stage: Stage, work: Work) -> Step {
        self.stage = stage;
        Step::Verify(Check::new(&self.door, work))
    }

    // Cards and fingers.

    fn card(&mut self, card: NewCard, now: Moment) -> Step {
        self.method = Method::Card;
        self.who = Some(Presented::Card {
            key: card.key,
            proved: card.proved,
        });
        self.card = Some(card);
        let held = self.door.people.by_card(card.key, now);
        self.local = match held {
            None => Err(Denied::UnknownCard),
            Some(held) if held.proved && !card.proved => {
                self.take(held);
                Err(Denied::WeakCard)
            }
            Some(held) => self.take_unless_expired(held, now),
        };
        self.ask_centre(now)
    }

    fn finger(&mut self, credential: CredentialId, now: Moment) -> Step {
        self.method = Method::Finger;
        self.who = Some(Presented::Credential(credential));
        let held = self.door.people.by_credential(credential);
        self.local = match held {
            None => Err(Denied::UnknownFinger),
            Some(held) => self.take_unless_expired(held, now),
        };
        self.ask_centre(now)
    }

    fn take_unless_expired(&mut self, held: Held, now: Moment) -> Result<(), Denied> {
        let until = held.until_unix_ms;
        self.take(held);
        if until.is_some_and(|until| until < self.door.people.wall_unix_ms(now)) {
            return Err(Denied::Expired);
        }
        Ok(())
    }

    fn take(&mut self, held: Held) {
        self.credential = held.credential;
        self.with_pin = held.with_pin;
        self.provisional = held.provisional;
        self.person = Some(held.person);
    }

    // Numbers, names and secrets.

    /// Somebody's number, or nobody's: the PIN is asked either way.
    fn number(&mut self, number: String, now: Moment) -> Step {
        self.method = Method::Pin;
        self.person = self.door.people.by_number(&number);
        self.who = Some(Presented::Number(number));
        self.ask(QuestionKind::Pin, now)
    }

    fn login(&mut self, login: String, secret: Option<Secret>, now: Moment) -> Step {
        self.method = Method::Password;
        self.person = self.door.people.by_login(&login);
        self.who = Some(Presented::Login(login));
        match secret {
            Some(secret) => self.compare(secret),
            None => self.ask(QuestionKind::Password, now),
        }
    }

    /// One hash is compared, whoever it is and whether there is such a person or not.
    fn compare(&mut self, secret: Secret) -> Step {
        let is_pin = self.method != Method::Password || secret.is_pin();
        let kind = if is_pin {
            SecretKind::Pin
        } else {
            SecretKind::Password
        };
        if is_pin && self.method == Method::Password {
            self.method = Method::Pin;
        }
        let people = &self.door.people;
        let person = self.person.as_ref();
        let stored = person.and_then(|person| people.secret(person.id, kind));
        let counted = stored.as_ref().map_or_else(
            || people.stand_in(&self.claimed()),
            |stored| stored.credential,
        );
        self.counted = Some(counted);
        self.secret = Some(secret.clone());
        let work = Work::Secret {
            stored,
            counted,
            side: self.place.side,
            secret,
        };
        self.verify(Stage::Comparing, work)
    }

    /// What a stand-in for nobody is made of.
    fn claimed(&self) -> String {
        match (&self.person, &self.who) {
            (Some(person), _) => person.login.clone(),
            (None, Some(Presented::Number(number))) => ["number ", number].concat(),
            (None, Some(Presented::Login(login))) => login.clone(),
            (None, _) => String::new(),
        }
    }

    /// The secret was compared with what the box has.
    pub(super) fn compared(&mut self, local: Result<(), Denied>, now: Moment) -> Step {
        self.local = local;
        if self.credential.is_none() && local.is_ok() {
            self.credential = self.counted;
        }
        if self.online && local.is_ok() {
            return self.proceed(now);
        }
        self.ask_centre(now)
    }

    /// Notes what belongs into the journal: it has happened, whether the login goes on or not.
    pub(super) fn note(&mut self, found: &Found) {
        let entry = match found {
            Found::Wrong(Some(locked)) => self.locked(*locked),
            Found::Used(true) => self.code.map(|credential| Entry::CodeUsed { credential }),
            Found::Bound(Some(bound)) => Some(Entry::CredentialBound {
                credential: bound.credential.clone(),
                method: self.method,
                keys: bound.keys,
            }),
            _ => None,
        };
        self.entries.extend(entry);
    }

    /// A lock of nobody's name is nobody's news.
    fn locked(&self, locked: Locked) -> Option<Entry> {
        let person = self.person.as_ref()?;
        self.is_real(locked.credential).then_some(Entry::LockedOut {
            user: person.id,
            credential: locked.credential,
            until_unix_ms: locked.until_unix_ms,
        })
    }

    /// For how much longer what was typed is locked.
    pub(super) fn locked_for(&self, now: Moment) -> Option<Duration> {
        self.door.tries.locked(self.counted?, now)
    }

    pub(super) fn is_checking(&self) -> bool {
        matches!(
            self.stage,
            Stage::Comparing
                | Stage::FindingCode
                | Stage::UsingCode
                | Stage::Binding
                | Stage::Locking
        )
    }

    fn is_real(&self, credential: CredentialId) -> bool {
        self.door.people.by_credential(credential).is_some()
    }

    // One-time codes.

    fn code(&mut self, key: CardKey) -> Step {
        self.method = Method::Code;
        self.secret = None;
        self.who = Some(Presented::Card { key, proved: false });
        self.verify(Stage::FindingCode, Work::FindCode(key, self.place.side))
    }

    pub(super) fn found_code(&mut self, held: Held, now: Moment) -> Step {
        self.code = held.credential;
        self.local = self.take_unless_expired(held, now);
        self.ask_centre(now)
    }

    /// The code may have been made a moment ago: the centre knows.
    pub(super) fn no_such_code(&mut self, now: Moment) -> Step {
        self.local = Err(Denied::BadCode);
        self.ask_centre(now)
    }

    pub(super) fn used_code(&mut self, now: Moment) -> Step {
        self.code = None;
        self.proceed(now)
    }

    // The centre.

    /// Asks the centre where that can be done; else goes on by what the box knows.
    fn ask_centre(&mut self, now: Moment) -> Step {
        let asks = self.place.centre;
        let Some(who) = self.who.clone().filter(|_| asks) else {
            return self.resolve(None, now);
        };
        self.stage = Stage::AskingCentre;
        Step::AskCentre(CentreAsk {
            method: self.method,
            who,
            secret: self.secret.clone(),
        })
    }

    /// The centre's word, where there is one, counts more than the box's own.
    pub(super) fn resolve(
        &mut self,
        says: Option<Result<CentreKnows, Denied>>,
        now: Moment,
    ) -> Step {
        match says {
            Some(Ok(known)) => self.knows(known, self.pulled, now),
            // A card that was bound here a moment ago: the centre has not heard of it yet.
            Some(Err(Denied::UnknownCard)) if self.provisional && self.local.is_ok() => {
                self.resolve(None, now)
            }
            Some(Err(reason)) => match self.counted {
                Some(counted) if reason == Denied::LockedOut => {
                    self.verify(Stage::Locking, Work::Lock(counted))
                }
                _ => self.not_known(reason, now),
            },
            None => match self.local {
                Err(reason) => self.not_known(reason, now),
                Ok(()) => self.known_here(self.with_pin, now),
            },
        }
    }

    /// The centre knows who it is; the box has to know the person as well, to find the jobs.
    pub(super) fn knows(&mut self, known: CentreKnows, pulled: bool, now: Moment) -> Step {
        let Some(person) = self.door.people.person(known.user) else {
            if pulled {
                let unknown = match self.method {
                    Method::Card | Method::CardPin => Denied::UnknownCard,
                    Method::Finger => Denied::UnknownFinger,
                    Method::Code => Denied::BadCode,
                    _ => Denied::WrongSecret,
                };
                return self.deny(unknown);
            }
            self.pulled = true;
            self.stage = Stage::PullingPerson(known);
            return Step::Pull;
        };
        let compared_here = self.secret.is_some();
        if known.pin_needed && compared_here && self.local.is_err() {
            return self.deny(Denied::WrongSecret);
        }
        if let (Some(counted), Err(Denied::WrongSecret)) = (self.counted, self.local) {
            // The centre has a newer secret than the copy, and it was right.
            self.door.tries.right(counted, self.place.side);
        }
        if self.method == Method::Code {
            self.code = Some(known.credential);
            if self.local.is_err() {
                self.door.tries.right_unnamed(self.place.side);
            }
        }
        self.person = Some(person);
        self.credential = Some(known.credential);
        self.provisional = false;
        self.online = true;
        self.known_here(known.pin_needed, now)
    }

    /// A card may want the PIN besides; everything else is complete.
    fn known_here(&mut self, with_pin: bool, now: Moment) -> Step {
        if self.method != Method::Card || !with_pin {
            return self.proceed(now);
        }
        if !self.place.pad {
            return self.deny(Denied::NoPad);
        }
        self.method = Method::CardPin;
        self.ask(QuestionKind::Pin, now)
    }

    fn not_known(&mut self, reason: Denied, now: Moment) -> Step {
        let people = &self.door.people;
        // A card that the copy knows and the centre does not is a card that was taken from somebody.
        let may_bind = reason == Denied::UnknownCard
            && self.local == Err(Denied::UnknownCard)
            && self.method == Method::Card
            && self.place.pad
            && people.binds_cards()
            && people.settings().self_enrolment;
        if !may_bind {
            return self.deny(reason);
        }
        self.person = None;
        self.credential = None;
        self.provisional = false;
        self.binding = true;
        self.ask(QuestionKind::Number, now)
    }

    // The end.

    /// Who it is is known; whether they are let in is decided here, before a code is used up or a
    /// card bound.
    fn proceed(&mut self, now: Moment) -> Step {
        let Some(person) = &self.person else {
            return self.deny(Denied::WrongSecret);
        };
        if self.online {
            self.source = Source::Online;
        } else if person.active {
            match self.door.people.without_centre(person.id, now) {
                Ok(source) => self.source = source,
                Err(reason) => return self.deny(reason),
            }
        } else {
            return self.deny(Denied::UserDisabled);
        }
        if let Some(code) = self.code {
            return self.verify(Stage::UsingCode, Work::UseCode(code));
        }
        if !self.binding {
            return self.let_in(false, now);
        }
        if !self.place.screen {
            return self.bind();
        }
        let name = person.shown().to_owned();
        self.ask(QuestionKind::ConfirmBinding { name }, now)
    }

    fn bind(&mut self) -> Step {
        let (Some(person), Some(card)) = (&self.person, self.card) else {
            return self.deny(Denied::GaveUp);
        };
        let work = Work::Bind(person.id, card);
        self.verify(Stage::Binding, work)
    }

    /// Who can't have the card is let in all the same: they proved who they are.
    pub(super) fn bound(&mut self, bound: Option<BoundCard>, now: Moment) -> Step {
        let Some(BoundCard { credential, .. }) = bound else {
            return self.let_in(false, now);
        };
        self.credential = Some(credential.id);
        self.provisional = true;
        self.let_in(true, now)
    }

    fn let_in(&mut self, bound: bool, now: Moment) -> Step {
        let Some(person) = self.person.clone() else {
            return self.deny(Denied::GaveUp);
        };
        self.door.people.saw(person.id, now);
        self.stage = Stage::Over;
        Step::In(Box::new(LoggedIn {
            identity: person.identity(self.source, self.provisional),
            method: self.method,
            credential: self.credential,
            bound,
        }))
    }

    // The phone.

    fn show_phone_code(&mut self, now: Moment) -> Step {
        self.method = Method::Phone;
        let Ok(code) = self.door.phones.issue(&self.place.name, now) else {
            return self.deny(Denied::Busy);
        };
        let question = Question {
            until: code.until.min(self.ends),
            kind: QuestionKind::ConfirmOnPhone(code.clone()),
            binding: false,
        };
        self.stage = Stage::OnPhone(code.id, question.clone());
        Step::Ask(question)
    }

    /// What became of the code that is shown, if anything did.
    pub(super) fn phone(&mut self, now: Moment) -> Option<Step> {
        let Stage::OnPhone(id, question) = &mut self.stage else {
            return None;
        };
        let id = *id;
        let phones = Arc::clone(&self.door.phones);
        // Whoever opened the page has the time to log in there.
        if let Some(until) = phones.until(id, now) {
            question.until = until;
            self.ends = self.ends.max(until);
        }
        match phones.state(id, now) {
            PhoneState::Confirmed => {
                let who = phones.take(id, now)?;
                self.stage = Stage::Over;
                self.person = self.door.people.person(who.user);
                self.credential = who.credential;
                self.online = who.online;
                Some(self.proceed(now))
            }
            PhoneState::Over => Some(self.deny(Denied::GaveUp)),
            PhoneState::Pending | PhoneState::Claimed => None,
        }
    }
}
