// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Logging in at the page: the fields of the form go through the box's one login machine
//! ([`platen_auth::Session`]), and what it says is put into words. Who failed learns the same,
//! whether there is such a person or not.

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
        let claim = form.one("c").filter(|claim| is_plain(claim));
        let denied = match Typed::read(form) {
            Typed::Incomplete(word) => say(visit.language, word).to_owned(),
            Typed::NoCode => refusal(visit.language, Denied::BadCode, 0),
            typed => {
                if !self
                    .gate
                    .pass(peer.addr.ip(), self.node.clock.now().elapsed)
                {
                    return Ok(self.refused(
                        visit,
                        form,
                        claim,
                        say(visit.language, Word::TooBusy),
                    ));
                }
                match self.try_in(typed).await? {
                    Ok(logged_in) => {
                        self.gate.give_back(peer.addr.ip());
                        self.begin(visit, logged_in)?;
                        let place = claim.map(|claim| format!("/phone?claim={claim}"));
                        return Ok(Answer::See(place.unwrap_or_else(|| "/jobs".to_owned())));
                    }
                    Err(denied) => {
                        let minutes = self.node.door.logins.people.settings().locked_minutes;
                        refusal(visit.language, denied, minutes)
                    }
                }
            }
        };
        Ok(self.refused(visit, form, claim, &denied))
    }

    /// Begins the session of somebody who was let in.
    fn begin(&self, visit: &mut Visit, login: LoggedIn) -> Result<(), Fault> {
        let now = self.node.clock.now();
        let ground = Ground::of(&*self.node.door.people, &login, now);
        let cookie = self
            .sessions
            .open(login, ground, &visit.cookie, now.elapsed);
        visit.cookie = cookie.map_err(|_| Fault::Box)?;
        visit.cookie_is_new = true;
        Ok(())
    }

    fn refused(&self, visit: &Visit, form: &Form, claim: Option<&str>, text: &str) -> Answer {
        let login = Login {
            told: Some((Kind::Bad, text.to_owned())),
            name: form.one("name").unwrap_or_default().trim().to_owned(),
            phone: claim.map(str::to_owned),
        };
        ok(page(
            &self.frame(visit, Word::LogInTitle, Topic::LogIn),
            &login,
        ))
    }

    /// Goes through the machine to its end and journals it.
    async fn try_in(&self, typed: Typed) -> Result<Result<LoggedIn, Denied>, Fault> {
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
        Ok(result)
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
                let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
                if is_number && self.node.door.logins.people.by_number(&name).is_some() {
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

/// What a refusal means, as the person is told.
pub(super) fn refusal(language: Language, denied: Denied, locked_minutes: u32) -> String {
    let word = match denied {
        Denied::LockedOut if locked_minutes > 0 => {
            let minutes = locked_minutes.to_string();
            return fill(language, Word::LockedOut, &[&minutes]);
        }
        Denied::LockedOut => Word::LockedOutAWhile,
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

/// A phone's claim holds digits and letters alone.
pub(super) fn is_plain(claim: &str) -> bool {
    !claim.is_empty() && claim.len() <= 64 && claim.bytes().all(|b| b.is_ascii_alphanumeric())
}
