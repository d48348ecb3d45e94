// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The door between hardware and the box: a card's number becomes a keyed hash here, and goes no
//! further in clear. One thread takes the events of all parts, one after another: recognising a
//! card may wait for the disk, or for an import's last step.
//!
//! `owned` is the running parts, `card` what is decided about a card, `flood` how often a part may
//! speak, `keys` what parts are told in confidence.

mod card;
pub(crate) mod check;
mod faults;
mod flood;
pub(crate) mod keys;
mod outcomes;
mod owned;
pub(crate) mod simulated;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use platen_auth::Directory;
use platen_hal::{DeviceEvent, PanelSignal};
use platen_ledger::{Entry, Ledger};
use platen_model::{Chain, Denied};
use platen_store::Keys;
use smol::channel::Receiver;
use smol::future::FutureExt as _;

use crate::config::WeakCards;
use crate::panel::Panel;
use crate::release::Releases;

pub(crate) use self::faults::Faults;
pub(crate) use self::outcomes::Outcomes;
pub(crate) use self::owned::{EVENTS, Owned, Parts, ReaderLamps, lights};

/// How long a result stays on the panel.
const SHOW: Duration = Duration::from_secs(8);

/// Recognises people at the box and lets their jobs go.
pub(crate) struct Door {
    pub(crate) keys: Arc<Keys>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) releases: Arc<Releases>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) panel: Arc<Panel>,
    pub(crate) outcomes: Outcomes,
    /// What becomes of cards that prove nothing.
    pub(crate) weak_cards: WeakCards,
    /// Parts that are not as they should be.
    pub(crate) faults: Faults,
}

impl Door {
    /// Takes events until the channel closes.
    pub(crate) async fn watch(
        self: Arc<Self>,
        events: Receiver<DeviceEvent>,
        executor: Arc<smol::Executor<'static>>,
    ) {
        while let Ok(event) = events.recv().await {
            let handled = AssertUnwindSafe(self.handle(event)).catch_unwind().await;
            let turn = handled.unwrap_or_else(|_| {
                // A bug must cost one tap and not the reader.
                log::error!("handling a reader's event met a bug");
                Some(self.panel.show(PanelSignal::PrinterError, None).turn)
            });
            let Some(turn) = turn else {
                continue;
            };
            let door = Arc::clone(&self);
            executor
                .spawn(async move {
                    smol::Timer::after(SHOW).await;
                    door.panel.rest(turn, door.faults.resting());
                })
                .detach();
        }
    }

    /// Returns the turn of what the panel shows now, where the event is the panel's business.
    async fn handle(&self, event: DeviceEvent) -> Option<u64> {
        match event {
            DeviceEvent::CardPresented { reader, uid, proof } => {
                Some(self.present(&reader, &uid, proof).await)
            }
            DeviceEvent::FingerPresented { sensor, slot } => Some(self.finger(sensor, slot).await),
            DeviceEvent::SwitchChanged { switch, open } => {
                self.switch(switch, open).await;
                None
            }
            DeviceEvent::ReaderGone { reader, cause } => {
                log::error!(reader = reader.as_str(), cause = cause; "reader does not answer");
                let matters = self.faults.gone(reader);
                matters.then(|| self.panel.show(PanelSignal::ReaderGone, None).turn)
            }
            DeviceEvent::ReaderBack { reader } => {
                log::info!(reader = reader.as_str(); "reader answers");
                let matters = self.faults.back(&reader);
                matters.then(|| self.panel.show(self.faults.resting(), None).turn)
            }
            // Nobody has a PIN yet. Which key it was is nobody's business either.
            DeviceEvent::KeyPressed { pad, .. } => {
                log::debug!(reader = pad; "key pressed, and no login asks for one");
                None
            }
            _ => None,
        }
    }

    /// No user has a finger yet, whatever the sensor knows.
    async fn finger(&self, sensor: String, slot: Option<u16>) -> u64 {
        log::info!(reader = sensor.as_str(), known = slot.is_some(); "finger refused");
        let reason = Denied::UnknownFinger;
        let journaled = self.journal(Entry::FingerDenied { sensor, reason }).await;
        let text = if journaled {
            self.panel.finger_words()
        } else {
            self.panel.journal_words()
        };
        self.panel.tell(PanelSignal::UnknownCard, text).turn
    }

    async fn switch(&self, switch: String, open: bool) {
        let kind = self.faults.switched(&switch, open);
        log::warn!(reader = switch.as_str(), kind = kind, open = open; "switch changed");
        let kind = kind.to_owned();
        self.journal(Entry::SwitchChanged { switch, kind, open })
            .await;
    }

    /// `false` when the journal takes nothing.
    async fn journal(&self, entry: Entry) -> bool {
        let journaled = self.ledger.append(entry).await;
        if let Err(error) = &journaled {
            log::error!(err:% = Chain(error); "what happened at the box was not journaled");
        }
        journaled.is_ok()
    }
}
