// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is decided about a card, and what the person who holds it is told.

use platen_hal::{CardUid, PanelSignal, Proof};
use platen_ledger::Entry;
use platen_model::local::TapResult;
use platen_model::{CardKey, Chain, Denied, Identity, Method};

use super::Door;
use crate::config::WeakCards;
use crate::panel::Shown;
use crate::release::Tapped;

impl Door {
    pub(super) async fn present(&self, reader: &str, uid: &CardUid, proof: Proof) -> u64 {
        let tapped = self.decide(reader, uid, proof).await;
        let shown = self.show(&tapped);
        let result = TapResult {
            signal: tapped.signal.keyword().to_owned(),
            text: shown.text,
            released: tapped.released,
        };
        self.outcomes.publish(uid, &result);
        shown.turn
    }

    /// Shows what became of a login.
    fn show(&self, tapped: &Tapped) -> Shown {
        match (&tapped.instead, &tapped.more) {
            (None, more) => self.panel.show(tapped.signal, more.as_deref()),
            (Some(text), None) => self.panel.tell(tapped.signal, text),
            (Some(text), Some(more)) => self.panel.tell(tapped.signal, &format!("{text} {more}")),
        }
    }

    async fn decide(&self, reader: &str, uid: &CardUid, proof: Proof) -> Tapped {
        if uid.is_random() {
            log::warn!(reader = reader; "card with a random number can't stand for a person");
            return Tapped::only(PanelSignal::Refused);
        }
        let card = self.keys.card_key(uid.as_bytes());
        // Before anything is looked up: a copied number must not even tell whether it is known.
        if proof == Proof::Weak && self.weak_cards == WeakCards::Refuse {
            let words = self.panel.weak_words().to_owned();
            return self.deny(reader, card, Denied::WeakCard, Some(words)).await;
        }
        match self.directory.identify(card) {
            Ok(identity) => self.admit(reader, &identity, proof).await,
            Err(reason) => self.deny(reader, card, reason, None).await,
        }
    }

    async fn deny(
        &self,
        reader: &str,
        card: CardKey,
        reason: Denied,
        words: Option<String>,
    ) -> Tapped {
        log::info!(reader = reader, card:% = card; "card refused");
        let entry = Entry::LoginDenied {
            card,
            reader: reader.to_owned(),
            reason,
        };
        let journaled = self.journal(entry).await;
        let mut tapped = Tapped::only(match reason {
            Denied::UnknownCard => PanelSignal::UnknownCard,
            _ => PanelSignal::Refused,
        });
        tapped.more = if journaled {
            words
        } else {
            Some(self.panel.journal_words().to_owned())
        };
        tapped
    }

    async fn admit(&self, reader: &str, identity: &Identity, proof: Proof) -> Tapped {
        let entry = Entry::LoginAccepted {
            user: identity.user,
            reader: reader.to_owned(),
            source: identity.source,
            proved: proof == Proof::Proved,
            method: Some(Method::Card),
        };
        // The journal puts the login before the releases that follow it; their tickets wait for
        // the disk, so the login needs no wait of its own.
        let (journaled, tapped) = smol::future::zip(
            self.journal(entry),
            self.releases.tap(identity, Method::Card),
        )
        .await;
        let mut tapped = tapped.unwrap_or_else(|error| {
            log::error!(err:% = Chain(&error); "held jobs can't be read");
            Tapped::only(PanelSignal::PrinterError)
        });
        if !journaled {
            // The tickets of what was released are refused as well: the jobs wait again.
            tapped.signal = PanelSignal::PrinterError;
            tapped.more = Some(self.panel.journal_words().to_owned());
        }
        tapped
    }
}
