// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the phone asks that has read the panel's code, and what the display that shows it asks.
//!
//! A code in an address is claimed once and becomes a claim, which only this phone has: loading the
//! page again works, sending the address on does not.

use std::sync::Arc;

use platen_auth::phone::ByPhone;
use platen_model::{Denied, Source};
use platen_net::PeerInfo;
use platen_wire::form::Form;

use super::answer::{Answer, Fault};
use super::facts;
use super::help::Topic;
use super::login::{is_plain, refusal};
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
        if let Some(token) = visit.query.one("c") {
            return Ok(match self.phones.claim(token, now) {
                Ok(claim) => Answer::See(format!("/phone?claim={}", claim.text)),
                Err(_) => self.phone_told(visit, false, Word::PhoneOld, None),
            });
        }
        let claim = visit.query.one("claim").filter(|claim| is_plain(claim));
        let claim = claim.ok_or(Fault::NoPage)?;
        if visit.person.is_none() {
            let login = login::Login {
                phone: Some(claim.to_owned()),
                ..login::Login::default()
            };
            let frame = self.frame(visit, Word::LogInTitle, Topic::Phone);
            return Ok(ok(login::page(&frame, &login)));
        }
        let frame = self.frame(visit, Word::PhoneTitle, Topic::Phone);
        let place = facts::box_name(&self.node);
        let printer = &self.node.default_printer().name;
        Ok(ok(phone::ask(&frame, &place, printer, claim)))
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
        let claim = form.one("c").unwrap_or_default();
        let let_in = match self.phones.confirm(claim, who, now) {
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
                let text = refusal(visit.language, reason, 0);
                ok(phone::told(&frame, false, &text, None))
            }
        })
    }

    /// The person says that they don't stand there; the claim runs out by itself.
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
