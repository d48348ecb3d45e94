// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One login at a time, as the box has one panel: carries a session's steps out, shows its questions,
//! and lets the person's jobs go. What takes time (comparing a secret, asking the centre) is done
//! elsewhere and told back; whoever comes meanwhile ends it.

use std::sync::Arc;

use platen_auth::session::{Checked, LoggedIn, Place, QuestionKind};
use platen_auth::tries::Side;
use platen_auth::{Session, Step};
use platen_hal::{CardUid, Key, PanelSignal};
use platen_ledger::Entry;
use platen_model::local::TapResult;
use platen_model::{CardKey, Chain, Denied, Identity, Method};

use super::Door;
use super::centre::Centre;
use super::pad::{Fed, Typed};
use crate::panel::Shown;
use crate::release::Tapped;

/// What a login that waits is told.
pub(crate) enum Told {
    Checked(Checked),
    Centre(Option<Result<platen_auth::session::CentreKnows, Denied>>),
    Pulled,
}

/// What somebody held to the box, for journal and whoever waits for the outcome.
#[derive(Default)]
pub(super) struct Held {
    pub(super) uid: Option<CardUid>,
    pub(super) card: Option<CardKey>,
    pub(super) proved: bool,
}

/// A login that has begun.
pub(super) struct Standing {
    /// Tells this login's news from those of an earlier one.
    number: u64,
    session: Session,
    reader: String,
    held: Held,
    question: Option<QuestionKind>,
    binding: bool,
    typed: Typed,
    /// Whether the journal has taken everything so far.
    journaled: bool,
}

/// What a step led to.
pub(super) struct Stood {
    /// The login, while it goes on.
    pub(super) standing: Option<Standing>,
    /// The turn of what the panel shows at its end, which it goes back from.
    pub(super) ended: Option<u64>,
}

impl Standing {
    pub(super) fn new(number: u64, session: Session, reader: &str, held: Held) -> Self {
        Self {
            number,
            session,
            reader: reader.to_owned(),
            held,
            question: None,
            binding: false,
            typed: Typed::default(),
            journaled: true,
        }
    }

    /// The session, where a check of it runs.
    pub(super) fn checking(self) -> Option<(u64, Session)> {
        let runs = self.session.is_checking();
        runs.then_some((self.number, self.session))
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Elapsed time at which nobody waits for the answer any more.
    pub(super) fn until(&self) -> Option<std::time::Duration> {
        self.session.until()
    }
}

impl Door {
    pub(super) fn place(&self, reader: &str) -> Place {
        Place {
            name: reader.to_owned(),
            pad: self.has_pad(),
            screen: true,
            centre: self.centre.is_up(),
            side: Side::Panel,
        }
    }

    /// Somebody begins to log in.
    pub(super) async fn begin(
        self: &Arc<Self>,
        number: u64,
        reader: &str,
        input: platen_auth::session::Input,
        held: Held,
    ) -> Stood {
        let (place, now) = (self.place(reader), self.clock.now());
        let (session, step) = Session::begin(&self.logins, place, input, now);
        let standing = Standing::new(number, session, reader, held);
        self.carry_out(standing, step).await
    }

    /// News for the login that waits.
    pub(super) async fn go_on(self: &Arc<Self>, mut standing: Standing, told: Told) -> Stood {
        let now = self.clock.now();
        let session = &mut standing.session;
        let step = match told {
            Told::Checked(checked) => session.checked(checked, now),
            Told::Centre(Some(says)) => session.centre_says(says, now),
            Told::Centre(None) => session.centre_silent(now),
            Told::Pulled => session.pulled(now),
        };
        self.carry_out(standing, step).await
    }

    /// A key of the pad.
    pub(super) async fn key(self: &Arc<Self>, mut standing: Standing, key: Key) -> Stood {
        let now = self.clock.now();
        if let Some(step) = standing.session.tick(now) {
            return self.carry_out(standing, step).await;
        }
        let Some(question) = &standing.question else {
            // Something is being looked up; keys count again afterwards.
            return Stood::waits(standing);
        };
        let answer = match standing.typed.feed(key, question) {
            Fed::More => {
                self.show_question(&standing);
                return Stood::waits(standing);
            }
            Fed::Mistyped => {
                self.panel
                    .tell(PanelSignal::Idle, self.panel.mistyped_words());
                return Stood::waits(standing);
            }
            Fed::GaveUp => {
                let step = standing.session.cancel();
                return self.carry_out(standing, step).await;
            }
            Fed::Code(code) => platen_auth::session::Answer::Code(self.code_key(&code)),
            Fed::Answer(answer) => answer,
        };
        let step = standing.session.answer(answer, now);
        self.carry_out(standing, step).await
    }

    /// Time has passed.
    pub(super) async fn tick(self: &Arc<Self>, mut standing: Standing) -> Stood {
        match standing.session.tick(self.clock.now()) {
            Some(step) => self.carry_out(standing, step).await,
            None => Stood::waits(standing),
        }
    }

    async fn carry_out(self: &Arc<Self>, mut standing: Standing, mut step: Step) -> Stood {
        loop {
            for entry in standing.session.take_entries() {
                standing.journaled &= self.journal(entry).await;
            }
            step = match step {
                Step::Ask(question) => {
                    standing.question = Some(question.kind);
                    standing.binding = question.binding;
                    let shown = self.show_question(&standing);
                    self.publish(&standing.held, &Tapped::only(shown.signal), &shown);
                    return Stood::waits(standing);
                }
                Step::Verify(check) => {
                    let now = self.clock.now();
                    let work = async move { Told::Checked(check.run_off(now).await) };
                    return self.wait_for(standing, work);
                }
                Step::AskCentre(ask) => match self.centre_up() {
                    Some(centre) => {
                        let work = async move { Told::Centre(centre.login(ask).await) };
                        return self.wait_for(standing, work);
                    }
                    None => standing.session.centre_silent(self.clock.now()),
                },
                Step::Pull => match self.centre_up() {
                    Some(centre) => {
                        let work = async move {
                            centre.pull().await;
                            Told::Pulled
                        };
                        return self.wait_for(standing, work);
                    }
                    None => standing.session.pulled(self.clock.now()),
                },
                Step::In(logged_in) => {
                    let (reader, held) = (&standing.reader, &standing.held);
                    let journaled = standing.journaled;
                    let turn = self.let_in(reader, held, &logged_in, journaled).await;
                    return Stood::ended(turn);
                }
                Step::Denied(reason) => return Stood::ended(self.refuse(standing, reason).await),
            };
        }
    }

    fn centre_up(&self) -> Option<Arc<dyn Centre>> {
        self.centre.get().filter(|centre| centre.is_up()).cloned()
    }

    /// Does `work` beside the door and tells the login what came of it.
    fn wait_for(
        &self,
        mut standing: Standing,
        work: impl Future<Output = Told> + Send + 'static,
    ) -> Stood {
        // A card by itself is decided on in a moment: nothing else is shown for it.
        if standing.question.take().is_some() {
            self.panel.tell(PanelSignal::Idle, self.panel.wait_words());
        }
        standing.typed = Typed::default();
        let (news, number) = (self.news.0.clone(), standing.number);
        let work = async move {
            // The door may have closed.
            let _ = news.send((number, work.await)).await;
        };
        self.executor.spawn(work).detach();
        Stood::waits(standing)
    }

    fn show_question(&self, standing: &Standing) -> Shown {
        let typed = &standing.typed;
        let words = standing.question.as_ref().map_or_else(String::new, |kind| {
            self.panel
                .question_words(kind, standing.binding, typed.is_code(), typed.len())
        });
        self.panel.tell(PanelSignal::Idle, &words)
    }

    /// Lets somebody in who was recognised, and their jobs go. `journaled`: whether the journal has
    /// what happened before, without which a card that was bound is nobody's at the centre.
    pub(super) async fn let_in(
        &self,
        reader: &str,
        held: &Held,
        logged_in: &LoggedIn,
        journaled: bool,
    ) -> u64 {
        let LoggedIn {
            identity, method, ..
        } = logged_in;
        let mut tapped = self.admit(reader, held.proved, identity, *method).await;
        let words = match (journaled, logged_in.bound) {
            (false, _) => Some(self.panel.journal_words()),
            (true, true) => Some(self.panel.bound_words()),
            (true, false) => None,
        };
        if let Some(words) = words.filter(|words| tapped.more.as_deref() != Some(words)) {
            let more = tapped.more.take();
            tapped.more = Some(more.map_or(words.to_owned(), |more| format!("{more} {words}")));
        }
        self.show_result(held, tapped)
    }

    async fn admit(
        &self,
        reader: &str,
        proved: bool,
        identity: &Identity,
        method: Method,
    ) -> Tapped {
        let entry = Entry::LoginAccepted {
            user: identity.user,
            reader: reader.to_owned(),
            source: identity.source,
            proved,
            method: Some(method),
        };
        // The journal puts the login before the releases that follow it; their tickets wait for
        // the disk, so the login needs no wait of its own.
        let released = self.releases.tap(identity, method);
        let (journaled, tapped) = smol::future::zip(self.journal(entry), released).await;
        let mut tapped = tapped.unwrap_or_else(|error| {
            log::error!(err:% = Chain(&error); "held jobs can't be read");
            Tapped::only(PanelSignal::PrinterError)
        });
        if !journaled && self.releases.judge().terms().settings.journal_required {
            // The tickets of what was released are refused as well: the jobs wait again.
            tapped.signal = PanelSignal::PrinterError;
            tapped.instead = None;
            tapped.more = Some(self.panel.journal_words().to_owned());
        }
        tapped
    }

    async fn refuse(&self, standing: Standing, reason: Denied) -> u64 {
        let Standing {
            session,
            reader,
            held,
            binding,
            ..
        } = standing;
        // Who does not make an unknown card theirs leaves an unknown card.
        let gave_up = reason == Denied::GaveUp;
        let of_card = session.method() == Method::Card || (binding && gave_up);
        let recorded = if binding && gave_up {
            Denied::UnknownCard
        } else {
            reason
        };
        let entry = match (held.card.filter(|_| of_card), session.method()) {
            (Some(card), _) => Some(Entry::LoginDenied {
                card,
                reader: reader.clone(),
                reason: recorded,
            }),
            (None, Method::Finger) => Some(Entry::FingerDenied {
                sensor: reader.clone(),
                reason,
            }),
            (None, _) if gave_up => None,
            (None, method) => Some(Entry::LoginRefused {
                method,
                user: session.user(),
                reader: reader.clone(),
                reason,
            }),
        };
        self.turn_away(&reader, &held, session.method(), reason, entry)
            .await
    }

    /// Tells somebody that they are not let in, and the journal.
    pub(super) async fn turn_away(
        &self,
        reader: &str,
        held: &Held,
        method: Method,
        reason: Denied,
        entry: Option<Entry>,
    ) -> u64 {
        log::info!(reader = reader, method = method.keyword(), reason:?; "login refused");
        let journaled = match entry {
            Some(entry) => self.journal(entry).await,
            None => true,
        };
        let (signal, words) = self.panel.denied_words(method, reason);
        let mut tapped = Tapped::only(signal);
        if journaled {
            tapped.instead = words.map(str::to_owned);
        } else {
            tapped.more = Some(self.panel.journal_words().to_owned());
        }
        self.show_result(held, tapped)
    }

    /// Shows what became of a login, and tells who waits for it.
    pub(super) fn show_result(&self, held: &Held, tapped: Tapped) -> u64 {
        let more = tapped.more.as_deref();
        let shown = match (&tapped.instead, more) {
            (None, more) => self.panel.show(tapped.signal, more),
            (Some(text), None) => self.panel.tell(tapped.signal, text),
            (Some(text), Some(more)) => self.panel.tell(tapped.signal, &format!("{text} {more}")),
        };
        self.publish(held, &tapped, &shown);
        shown.turn
    }

    fn publish(&self, held: &Held, tapped: &Tapped, shown: &Shown) {
        if let Some(uid) = &held.uid {
            let result = TapResult {
                signal: shown.signal.keyword().to_owned(),
                text: shown.text.clone(),
                released: tapped.released.clone(),
            };
            self.outcomes.publish(uid, &result);
        }
    }
}

impl Stood {
    pub(super) fn waits(standing: Standing) -> Self {
        Self {
            standing: Some(standing),
            ended: None,
        }
    }

    pub(super) fn ended(turn: u64) -> Self {
        Self {
            standing: None,
            ended: Some(turn),
        }
    }
}

#[cfg(test)]
mod tests;
