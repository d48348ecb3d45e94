// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the phone asks that has read the panel's code, and what the display that shows it asks.
//!
//! Looking at the page of a code changes nothing. The form on it claims the code for this browser, by
//! its cookie: from then on the address is worth nothing elsewhere, and there is nothing to send on.

use std::sync::Arc;

use platen_auth::phone::ByPhone;
use platen_model::{Denied, Source};
use platen_net::PeerInfo;
use platen_wire::form::Form;

use super::answer::{Answer, Fault};
use super::facts;
use super::help::Topic;
use super::login::{is_code, refusal};
use super::pages::panel::{self, Panel};
use super::pages::{login, phone};
use super::route::{Web, ok};
use super::sessions::Person;
use super::visit::Visit;
use super::words::{Word, say};

impl Web {
    /// The page that the code opens.
    pub(super) fn phone(&self, visit: &Visit) -> Result<Answer, Fault> {
        let now = self.node.clock.now();
        let code = match visit.query.one("c") {
            Some(code) if is_code(code) && self.phones.is_open(code, now) => Some(code),
            Some(_) => return Ok(self.phone_told(visit, false, Word::PhoneOld, None)),
            None if !self.phones.has_claim(&visit.cookie, now) => return Err(Fault::NoClaim),
            None if visit.person.is_none() => {
                return Ok(self.login_page(visit, login::Login::default()));
            }
            None => None,
        };
        let frame = self.frame(visit, Word::PhoneTitle, Topic::Phone);
        let place = facts::box_name(&self.node);
        let printer = &self.node.default_printer().name;
        let then = match visit.person {
            Some(_) => phone::Then::Confirm,
            None => phone::Then::LogIn,
        };
        Ok(ok(phone::ask(&frame, &place, printer, code, then)))
    }

    /// Somebody who is not logged in claims the code that they read.
    pub(super) fn claim_phone(&self, visit: &Visit, form: &Form) -> Answer {
        let now = self.node.clock.now();
        let code = form.one("c").filter(|code| is_code(code));
        // Sent twice, the first one has it.
        let claimed = code.is_some_and(|code| self.phones.claim(code, &visit.cookie, now).is_ok());
        match claimed || self.phones.has_claim(&visit.cookie, now) {
            true => Answer::See("/phone".to_owned()),
            false => self.phone_told(visit, false, Word::PhoneOld, None),
        }
    }

    /// The person says that they stand at the panel.
    pub(super) async fn confirm_phone(
        &self,
        visit: &Visit,
        person: &Person,
        form: &Form,
    ) -> Result<Answer, Fault> {
        let now = self.node.clock.now();
        let who = ByPhone {
            user: person.login.identity.user,
            credential: person.login.credential,
            online: person.login.identity.source == Source::Online,
        };
        if let Some(code) = form.one("c").filter(|code| is_code(code)) {
            // One that can't be claimed leaves the browser with the claim it has, if any.
            let _ = self.phones.claim(code, &visit.cookie, now);
        }
        let let_in = match self.phones.confirm(&visit.cookie, who, now) {
            Ok(who) => {
                let door = Arc::clone(&self.node.door);
                let work = async move { door.let_in_by_phone(who).await };
                let done = self.node.whatever_the_client_does(work).await;
                done.ok_or(Fault::Box)?
            }
            Err(_) => Err(Denied::BadCode),
        };
        Ok(match let_in {
            Ok(()) => self.phone_told(visit, true, Word::PhoneDone, Some(Word::PhoneDoneLead)),
            Err(Denied::BadCode) => self.phone_told(visit, false, Word::PhoneOld, None),
            Err(reason) => {
                let frame = self.frame(visit, Word::FaultTitle, Topic::Phone);
                let text = refusal(visit.language, reason, None);
                ok(phone::told(&frame, false, &text, None))
            }
        })
    }

    /// The person says that they don't stand there; a claim runs out by itself.
    pub(super) fn phone_refused(&self, visit: &Visit) -> Answer {
        self.phone_told(visit, true, Word::PhoneRefused, None)
    }

    fn phone_told(&self, visit: &Visit, good: bool, word: Word, more: Option<Word>) -> Answer {
        let title = if good {
            Word::PhoneOver
        } else {
            Word::FaultTitle
        };
        let frame = self.frame(visit, title, Topic::Phone);
        let more = more.map(|word| say(visit.language, word));
        ok(phone::told(&frame, good, say(visit.language, word), more))
    }

    /// The page for a display at the box.
    pub(super) fn panel(&self, visit: &Visit, peer: PeerInfo) -> Result<Answer, Fault> {
        let shown = self.panel_shown(peer)?;
        Ok(ok(panel::page(visit.language, &shown)))
    }

    pub(super) fn panel_part(&self, visit: &Visit, peer: PeerInfo) -> Result<Answer, Fault> {
        let shown = self.panel_shown(peer)?;
        Ok(ok(panel::part(visit.language, &shown)))
    }

    /// Who sees the code could pretend to stand here: only displays that the configuration names do.
    fn panel_shown(&self, peer: PeerInfo) -> Result<Panel, Fault> {
        let web = self.node.config.web.as_ref();
        let displays = web.map_or(&[][..], |web| web.displays.as_slice());
        let is_display = peer.addr.ip().is_some_and(|ip| displays.contains(&ip));
        if !is_display {
            return Err(Fault::NotHere);
        }
        let code = self.phones.show(self.node.clock.now());
        let code = code.inspect_err(|error| log::warn!(err:% = error; "no code for phones"));
        let shown = self.node.panel.shown();
        Ok(Panel {
            place: facts::box_name(&self.node),
            sentence: shown.text,
            signal: shown.signal.keyword(),
            code: code.ok().map(|code| {
                let row = |row: &String| row.chars().map(|module| module == '#').collect();
                code.rows.iter().map(row).collect()
            }),
        })
    }
}
