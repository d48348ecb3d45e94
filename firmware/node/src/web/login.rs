// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Logging in at the page: the fields of the form go through the box's one login machine
//! ([`platen_auth::Session`]), and what it says is put into words. Who failed learns the same,
//! whether there is such a person or not.

use std::time::Duration;

use platen_auth::People;
use platen_auth::phone::TOKEN_CHARS;
use platen_auth::secret::Secret;
use platen_auth::session::{Answer as Reply, Input, LoggedIn, Place, Step};
use platen_auth::tries::Side;
use platen_auth::{Code, Session};
use platen_ledger::Entry;
use platen_model::{Chain, Denied};
use platen_net::PeerInfo;
use platen_wire::form::Form;

use super::answer::{Answer, Fault};
use super::ground::Ground;
use super::help::Topic;
use super::pages::login::{Kind, Login, page};
use super::route::{Web, ok};
use super::visit::Visit;
use super::words::{Word, fill, say};
use crate::config::Language;

/// The page's name in the journal and in a login's [`Place`].
pub(super) const PLACE: &str = "web";
/// Bytes of a name, secret or code that are looked at.
const FIELD_OCTETS_MAX: usize = 256;

/// What somebody typed.
enum Typed {
    Secret {
        name: String,
        secret: Secret,
    },
    Code(Code),
    /// No one-time code looks like this.
    NoCode,
    /// A field is empty or too long.
    Incomplete(Word),
}

impl Typed {
    fn read(form: &Form) -> Self {
        if let Some(code) = form.one("code") {
            if code.trim().is_empty() {
                return Self::Incomplete(Word::FillCode);
            }
            return Code::parse(code).map_or(Self::NoCode, Self::Code);
        }
        let fits = |text: &&str| !text.is_empty() && text.len() <= FIELD_OCTETS_MAX;
        let name = form.one("name").map(str::trim).filter(fits);
        let secret = form.one("secret").filter(fits);
        match (name, secret) {
            (Some(name), Some(secret)) => Self::Secret {
                name: name.to_owned(),
                secret: Secret::new(secret.to_owned()),
            },
            _ => Self::Incomplete(Word::FillBoth),
        }
    }
}

impl Web {
    /// Answers the form of the login.
    pub(super) async fn log_in(
        &self,
        visit: &mut Visit,
        form: &Form,
        peer: PeerInfo,
    ) -> Result<Answer, Fault> {
        if !self.node.door.people.are_members() {
            return Ok(self.login_page(visit, Login::default()));
        }
        let denied = match Typed::read(form) {
            Typed::Incomplete(word) => say(visit.language, word).to_owned(),
            Typed::NoCode => refusal(visit.language, Denied::BadCode, None),
            typed => {
                if !self
                    .gate
                    .pass(peer.addr.ip(), self.node.clock.now().elapsed)
                {
                    return Ok(self.refused(visit, form, say(visit.language, Word::TooBusy)));
                }
                match self.try_in(typed).await? {
                    Ok(logged_in) => {
                        self.gate.give_back(peer.addr.ip());
                        self.begin(visit, logged_in)?;
                        let now = self.node.clock.now();
                        let place = match self.phones.has_claim(&visit.cookie, now) {
                            true => "/phone",
                            false => "/jobs",
                        };
                        return Ok(Answer::See(place.to_owned()));
                    }
                    Err((denied, left)) => refusal(visit.language, denied, left),
                }
            }
        };
        Ok(self.refused(visit, form, &denied))
    }

    /// Begins the session of somebody who was let in.
    fn begin(&self, visit: &mut Visit, login: LoggedIn) -> Result<(), Fault> {
        let now = self.node.clock.now();
        let ground = Ground::of(&*self.node.door.people, &login, now);
        let cookie = self
            .sessions
            .open(login, ground, &visit.cookie, now.elapsed);
        let cookie = cookie.map_err(|_| Fault::Box)?;
        self.phones.move_claim(&visit.cookie, &cookie);
        visit.cookie = cookie;
        visit.cookie_is_new = true;
        Ok(())
    }

    fn refused(&self, visit: &Visit, form: &Form, text: &str) -> Answer {
        let login = Login {
            told: Some((Kind::Bad, text.to_owned())),
            name: form.one("name").unwrap_or_default().trim().to_owned(),
            ..Login::default()
        };
        self.login_page(visit, login)
    }

    /// The page of the login, which says so where nobody can log in.
    pub(super) fn login_page(&self, visit: &Visit, login: Login) -> Answer {
        let phone = self.phones.has_claim(&visit.cookie, self.node.clock.now());
        let login = Login {
            phone,
            closed: !self.node.door.people.are_members(),
            ..login
        };
        let topic = match phone {
            true => Topic::Phone,
            false => Topic::LogIn,
        };
        ok(page(&self.frame(visit, Word::LogInTitle, topic), &login))
    }

    /// Goes through the machine to its end and journals it.
    /// Who is in, or why nobody is and for how much longer not.
    async fn try_in(
        &self,
        typed: Typed,
    ) -> Result<Result<LoggedIn, (Denied, Option<Duration>)>, Fault> {
        let place = Place {
            name: PLACE.to_owned(),
            pad: true,
            screen: false,
            centre: self.node.door.centre.is_up(),
            side: Side::Web,
        };
        let now = || self.node.clock.now();
        let (input, then) = self.input(typed);
        let (mut session, step) = Session::begin(&self.node.door.logins, place, input, now());
        let mut step = step;
        for answer in then {
            if matches!(step, Step::Ask(_)) {
                step = session.answer(answer, now());
            }
        }
        let result = loop {
            step = match step {
                Step::In(logged_in) => break Ok(*logged_in),
                Step::Denied(reason) => break Err(reason),
                Step::Verify(check) => {
                    let checked = check.run_off(now()).await;
                    session.checked(checked, now())
                }
                Step::AskCentre(ask) => match self.node.door.centre.get() {
                    Some(centre) => match centre.login(ask).await {
                        Some(says) => session.centre_says(says, now()),
                        None => session.centre_silent(now()),
                    },
                    None => session.centre_silent(now()),
                },
                Step::Pull => {
                    if let Some(centre) = self.node.door.centre.get() {
                        centre.pull().await;
                    }
                    session.pulled(now())
                }
                // Nothing is asked of a page that sent all it had.
                Step::Ask(_) => session.cancel(),
            };
        };
        self.journal(&mut session, &result).await?;
        let left = session.locked_for(now());
        Ok(result.map_err(|denied| (denied, left)))
    }

    /// A login that the journal does not take is none.
    async fn journal(
        &self,
        session: &mut Session,
        result: &Result<LoggedIn, Denied>,
    ) -> Result<(), Fault> {
        let reader = PLACE.to_owned();
        let last = match result {
            Ok(logged_in) => Entry::LoginAccepted {
                user: logged_in.identity.user,
                reader,
                source: logged_in.identity.source,
                proved: true,
                method: Some(logged_in.method),
            },
            Err(reason) => Entry::LoginRefused {
                method: session.method(),
                user: session.user(),
                reader,
                reason: *reason,
            },
        };
        for entry in session.take_entries().into_iter().chain([last]) {
            self.node.ledger.append(entry).await.map_err(|error| {
                log::error!(err:% = Chain(&error); "a login at the page was not journaled");
                Fault::Box
            })?;
        }
        Ok(())
    }

    /// What the machine begins with, and the answers that are there already.
    fn input(&self, typed: Typed) -> (Input, Vec<Reply>) {
        match typed {
            Typed::Code(code) => {
                let key = self.node.door.code_key(&code);
                (Input::Code(key), Vec::new())
            }
            Typed::Secret { name, secret } => {
                if is_number(&*self.node.door.people, &name, &secret) {
                    let answers = vec![Reply::Number(name), Reply::Secret(secret)];
                    return (Input::Pad, answers);
                }
                let secret = Some(secret);
                (
                    Input::Login {
                        login: name,
                        secret,
                    },
                    Vec::new(),
                )
            }
            Typed::NoCode | Typed::Incomplete(_) => (Input::Pad, Vec::new()),
        }
    }
}

/// Whether somebody typed the number of the pads and a PIN, rather than a login name. Never by whether
/// there is such a number: who tries could tell by the time it takes.
fn is_number(people: &dyn People, name: &str, secret: &Secret) -> bool {
    let is_digits = name.bytes().all(|byte| byte.is_ascii_digit());
    is_digits && secret.is_pin() && people.by_login(name).is_none()
}

/// What a refusal means, as the person is told. `left`: for how much longer the secret is locked.
pub(super) fn refusal(language: Language, denied: Denied, left: Option<Duration>) -> String {
    let word = match denied {
        Denied::LockedOut => return locked(language, left),
        Denied::BadCode => Word::BadCode,
        Denied::UserDisabled => Word::UserDisabled,
        Denied::CacheTooOld => Word::CacheTooOld,
        Denied::NotSeenHere => Word::NotSeenHere,
        Denied::Expired => Word::Expired,
        Denied::GaveUp | Denied::Busy => Word::TooBusy,
        _ => Word::WrongSecret,
    };
    say(language, word).to_owned()
}

/// Rounded up: who waits that long is not turned away again.
fn locked(language: Language, left: Option<Duration>) -> String {
    const HOURS_FROM: u64 = 120;
    let Some(left) = left else {
        return say(language, Word::LockedOutAWhile).to_owned();
    };
    let minutes = left.as_secs().div_ceil(60);
    match minutes {
        0 | 1 => say(language, Word::LockedOneMinute).to_owned(),
        2..HOURS_FROM => fill(language, Word::LockedMinutes, &[&minutes.to_string()]),
        _ => {
            let hours = minutes.div_ceil(60).to_string();
            fill(language, Word::LockedHours, &[&hours])
        }
    }
}

/// A phone's code holds digits and letters alone.
pub(super) fn is_code(code: &str) -> bool {
    !code.is_empty() && code.len() <= TOKEN_CHARS && code.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_tells_the_time_that_is_really_left() {
        let told = |seconds| {
            let left = Some(Duration::from_secs(seconds));
            refusal(Language::En, Denied::LockedOut, left)
        };
        assert!(told(1).contains("Wait a minute"), "{}", told(1));
        assert!(told(61).contains("Wait 2 minutes"), "{}", told(61));
        assert!(told(900).contains("Wait 15 minutes"), "{}", told(900));
        assert!(told(7_140).contains("Wait 119 minutes"), "{}", told(7_140));
        assert!(told(86_400).contains("Wait 24 hours"), "{}", told(86_400));
    }
}
