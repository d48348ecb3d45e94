// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A card at a reader, a finger on a sensor: what they are to a login.

use std::sync::Arc;

use platen_auth::Code;
use platen_auth::session::Input;
use platen_hal::{CardUid, PanelSignal, Proof};
use platen_ledger::Entry;
use platen_model::{CardKey, Denied, Method};

use super::Door;
use super::login::{Held, Stood};
use crate::config::WeakCards;
use crate::release::Tapped;

impl Door {
    pub(super) async fn present(
        self: &Arc<Self>,
        number: u64,
        reader: &str,
        uid: CardUid,
        proof: Proof,
    ) -> Stood {
        let mut held = Held {
            uid: Some(uid.clone()),
            card: None,
            proved: proof == Proof::Proved,
        };
        if uid.is_random() {
            log::warn!(reader = reader; "card with a random number can't stand for a person");
            return Stood::ended(self.show_result(&held, Tapped::only(PanelSignal::Refused)));
        }
        let card = self.card_key(uid.as_bytes());
        held.card = Some(card);
        // Before anything is looked up: a copied number must not even tell whether it is known.
        if proof == Proof::Weak && self.weak_cards == WeakCards::Refuse {
            let reason = Denied::WeakCard;
            let entry = Entry::LoginDenied {
                card,
                reader: reader.to_owned(),
                reason,
            };
            let turned = self.turn_away(reader, &held, Method::Card, reason, Some(entry));
            return Stood::ended(turned.await);
        }
        let proved = held.proved;
        let input = Input::Card { key: card, proved };
        self.begin(number, reader, input, held).await
    }

    pub(super) async fn finger(
        self: &Arc<Self>,
        number: u64,
        sensor: String,
        slot: Option<u16>,
    ) -> Stood {
        let held = Held::default();
        let credential = slot.and_then(|slot| self.cache.slot(&sensor, slot));
        if let Some(credential) = credential {
            let input = Input::Finger(credential);
            return self.begin(number, &sensor, input, held).await;
        }
        let reason = Denied::UnknownFinger;
        let entry = Entry::FingerDenied {
            sensor: sensor.clone(),
            reason,
        };
        let turned = self.turn_away(&sensor, &held, Method::Finger, reason, Some(entry));
        Stood::ended(turned.await)
    }

    /// The keyed hash of a card's number: by the site's keys where there is a site.
    pub(crate) fn card_key(&self, number: &[u8]) -> CardKey {
        let of_site = self.centre.get().and_then(|centre| centre.card_key(number));
        of_site.unwrap_or_else(|| self.keys.card_key(number))
    }

    /// The keyed hash of a one-time code, likewise.
    pub(crate) fn code_key(&self, code: &Code) -> CardKey {
        let centre = self.centre.get();
        let of_site = centre.and_then(|centre| centre.code_key(&code.shown()));
        of_site.unwrap_or_else(|| self.keys.card_key(code.shown().as_bytes()))
    }
}
