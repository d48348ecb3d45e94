// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A login as questions and answers: the one machine that reader, PIN pad, kiosk and web page share.
//! It decides by what the box knows and, where the caller can ask the centre, by the centre's word,
//! which counts more in both directions. It waits for nothing and reads no clock; what takes time is
//! handed out as a [`Check`].
//!
//! ```text
//! begin ─► Ask ──answer──► Verify ──checked──► AskCentre ──centre_says / centre_silent──► In
//!            ▲                                     │  └─► Pull ──pulled──►               Denied
//!            └── a PIN besides the card, the number of somebody who wants an unknown card
//! ```
//!
//! - a card, a finger: the box looks, the centre is asked, a PIN if the card wants one;
//! - a number or login name: the secret, compared here first, then told to the centre;
//! - a one-time code: found, confirmed, used up durably before anybody is let in;
//! - the phone: [`crate::phone`];
//! - an unknown card: where the site allows it, whoever logs in by PIN, password or code makes it their
//!   own, provisionally.

use std::sync::Arc;
use std::time::Duration;

use platen_model::{Denied, Entry, Method, Moment, UserId};

use crate::people::People;
use crate::phone::PhoneCodes;
use crate::secret::Verifier;
use crate::tries::Tries;

mod check;
mod flow;
mod step;

pub use check::{Check, Checked};
pub use step::{
    Answer, CentreAsk, CentreKnows, Input, LoggedIn, Place, Presented, Question, QuestionKind, Step,
};

use check::Found;
use flow::{Flow, Stage};

/// How long people have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Patience {
    /// For one answer.
    pub answer: Duration,
    /// For the whole login.
    pub login: Duration,
}

impl Default for Patience {
    /// 30 s and three minutes.
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            login: Duration::from_secs(180),
        }
    }
}

/// What every login at this box shares.
pub struct Door {
    /// Who knows the people.
    pub people: Arc<dyn People>,
    /// Wrong tries.
    pub tries: Arc<Tries>,
    /// Bounds the work at once.
    pub verifier: Arc<Verifier>,
    /// Codes for phones.
    pub phones: Arc<PhoneCodes>,
    /// How long people have.
    pub patience: Patience,
}

/// One login. After [`Step::In`] or [`Step::Denied`] it is over.
pub struct Session {
    flow: Flow,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({:?})", self.flow.method)
    }
}

impl Session {
    /// Somebody begins to log in.
    #[must_use]
    pub fn begin(door: &Arc<Door>, place: Place, input: Input, now: Moment) -> (Self, Step) {
        let mut flow = Flow::new(door, place, now);
        let step = flow.begin(input, now);
        (Self { flow }, step)
    }

    /// The person answered. An answer that does not fit the question is met with the question again.
    pub fn answer(&mut self, answer: Answer, now: Moment) -> Step {
        if let Some(step) = self.tick(now) {
            return step;
        }
        self.flow.answer(answer, now)
    }

    /// What came of a [`Step::Verify`].
    pub fn checked(&mut self, checked: Checked, now: Moment) -> Step {
        let Checked(found) = checked;
        self.flow.note(&found);
        match (self.flow.take_stage(), found) {
            (Stage::Comparing, Found::Right) => self.flow.compared(Ok(()), now),
            (Stage::Comparing, Found::Wrong(_)) => {
                self.flow.compared(Err(Denied::WrongSecret), now)
            }
            (Stage::FindingCode, Found::Code(Some(held))) => self.flow.found_code(*held, now),
            (Stage::FindingCode, Found::Code(None)) => self.flow.no_such_code(now),
            (Stage::UsingCode, Found::Used(true)) => self.flow.used_code(now),
            (Stage::UsingCode, Found::Used(false)) => self.flow.deny(Denied::BadCode),
            (Stage::Binding, Found::Bound(bound)) => self.flow.bound(bound, now),
            (_, Found::Refused(reason)) => self.flow.deny(reason),
            _ => self.flow.deny(Denied::GaveUp),
        }
    }

    /// The centre's word on a [`Step::AskCentre`].
    pub fn centre_says(&mut self, says: Result<CentreKnows, Denied>, now: Moment) -> Step {
        match self.flow.take_stage() {
            Stage::AskingCentre => self.flow.resolve(Some(says), now),
            _ => self.flow.deny(Denied::GaveUp),
        }
    }

    /// The centre did not answer a [`Step::AskCentre`] in time: it is not asked again in this login.
    pub fn centre_silent(&mut self, now: Moment) -> Step {
        match self.flow.take_stage() {
            Stage::AskingCentre => {
                self.flow.place.centre = false;
                self.flow.resolve(None, now)
            }
            _ => self.flow.deny(Denied::GaveUp),
        }
    }

    /// The copy is as new as it gets, after a [`Step::Pull`].
    pub fn pulled(&mut self, now: Moment) -> Step {
        match self.flow.take_stage() {
            Stage::PullingPerson(known) => self.flow.knows(known, true, now),
            _ => self.flow.deny(Denied::GaveUp),
        }
    }

    /// The person gave up, or somebody else came.
    pub fn cancel(&mut self) -> Step {
        self.flow.deny(Denied::GaveUp)
    }

    /// Call it when [`Session::until`] has come and, while a phone is waited for, twice a second:
    /// the next step if there is one.
    pub fn tick(&mut self, now: Moment) -> Option<Step> {
        if let Some(step) = self.flow.phone(now) {
            return Some(step);
        }
        let late = self.flow.until().is_some_and(|until| until <= now.elapsed);
        late.then(|| self.flow.deny(Denied::GaveUp))
    }

    /// Elapsed time at which the question that is open is answered by nobody; `None` when none is.
    #[must_use]
    pub fn until(&self) -> Option<Duration> {
        self.flow.until()
    }

    /// How it was tried, so far as is known.
    #[must_use]
    pub fn method(&self) -> Method {
        self.flow.method
    }

    /// Whose credential it is, where that is known: for the journal, also of who was refused.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        self.flow.person.as_ref().map(|person| person.id)
    }

    /// For how much longer the secret that was typed is locked, also that of who does not exist;
    /// `None` where it is not.
    #[must_use]
    pub fn locked_for(&self, now: Moment) -> Option<Duration> {
        self.flow.locked_for(now)
    }

    /// Whether a [`Step::Verify`] is under way: a session that is dropped now leaves news behind, see
    /// [`Session::ended`].
    #[must_use]
    pub fn is_checking(&self) -> bool {
        self.flow.is_checking()
    }

    /// What came of a [`Step::Verify`] whose login was ended meanwhile: nobody is let in, but a lock, a
    /// used code, a bound card has happened and belongs into the journal.
    #[must_use]
    pub fn ended(mut self, checked: &Checked) -> Vec<Entry> {
        self.flow.note(&checked.0);
        self.take_entries()
    }

    /// What happened besides the login itself and belongs into the journal, before the person is
    /// told: a lock, a used code, a bound card. Each comes out once.
    #[must_use]
    pub fn take_entries(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.flow.entries)
    }
}
