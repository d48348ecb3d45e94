// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The door between hardware and the box: a card's number becomes a keyed hash here, and goes no
//! further in clear. One thread takes the events of all readers, one after another: recognising a
//! card may wait for the disk, or for an import's last step.

pub(crate) mod simulated;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use platen_auth::Directory;
use platen_hal::{CardUid, DeviceEvent, PanelSignal};
use platen_ledger::{Entry, Ledger};
use platen_model::local::TapResult;
use platen_model::{Chain, Denied, Identity, Presented};
use platen_store::Keys;
use smol::channel::{Receiver, Sender};
use smol::future::FutureExt as _;

use crate::panel::Panel;
use crate::release::{Releases, Tapped};

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
    /// Readers that do not answer, and why.
    pub(crate) gone: Mutex<BTreeMap<String, String>>,
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
                self.panel.show(PanelSignal::PrinterError, None).turn
            });
            let door = Arc::clone(&self);
            executor
                .spawn(async move {
                    smol::Timer::after(SHOW).await;
                    door.panel.rest(turn, door.resting());
                })
                .detach();
        }
    }

    async fn handle(&self, event: DeviceEvent) -> u64 {
        match event {
            DeviceEvent::CardPresented { reader, uid, .. } => self.present(&reader, &uid).await,
            DeviceEvent::ReaderGone { reader, cause } => {
                log::error!(reader = reader, cause = cause; "card reader does not answer");
                self.gone().insert(reader, cause);
                self.panel.show(PanelSignal::ReaderGone, None).turn
            }
            DeviceEvent::ReaderBack { reader } => {
                log::info!(reader = reader; "card reader answers");
                self.gone().remove(&reader);
                self.panel.show(self.resting(), None).turn
            }
            _ => self.panel.show(self.resting(), None).turn,
        }
    }

    /// What the panel shows when nobody is there.
    fn resting(&self) -> PanelSignal {
        if self.gone().is_empty() {
            PanelSignal::Idle
        } else {
            PanelSignal::ReaderGone
        }
    }

    async fn present(&self, reader: &str, uid: &CardUid) -> u64 {
        let tapped = self.decide(reader, uid).await;
        let shown = self.panel.show(tapped.signal, tapped.more.as_deref());
        let result = TapResult {
            signal: tapped.signal.keyword().to_owned(),
            text: shown.text,
            released: tapped.released,
        };
        self.outcomes.publish(uid, &result);
        shown.turn
    }

    async fn decide(&self, reader: &str, uid: &CardUid) -> Tapped {
        if uid.is_random() {
            log::warn!(reader = reader; "card with a random number can't stand for a person");
            return Tapped::only(PanelSignal::Refused);
        }
        let card = self.keys.card_key(uid.as_bytes());
        match self.directory.identify(Presented::Card(card)) {
            Ok(identity) => self.admit(reader, &identity).await,
            Err(reason) => {
                log::info!(reader = reader, card:% = card; "card refused");
                let entry = Entry::LoginDenied {
                    card,
                    reader: reader.to_owned(),
                    reason,
                };
                let journaled = self.journal(entry).await;
                let mut tapped = Tapped::only(match reason {
                    Denied::UnknownCard => PanelSignal::UnknownCard,
                    Denied::UserDisabled => PanelSignal::Refused,
                });
                if !journaled {
                    tapped.more = Some(self.panel.journal_words().to_owned());
                }
                tapped
            }
        }
    }

    async fn admit(&self, reader: &str, identity: &Identity) -> Tapped {
        let entry = Entry::LoginAccepted {
            user: identity.user,
            reader: reader.to_owned(),
            source: identity.source,
        };
        // The journal puts the login before the releases that follow it; their tickets wait for
        // the disk, so the login needs no wait of its own.
        let (journaled, tapped) =
            smol::future::zip(self.journal(entry), self.releases.tap(identity)).await;
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

    /// `false` when the journal takes nothing.
    async fn journal(&self, entry: Entry) -> bool {
        let journaled = self.ledger.append(entry).await;
        if let Err(error) = &journaled {
            log::error!(err:% = Chain(error); "login not journaled");
        }
        journaled.is_ok()
    }

    /// Readers that do not answer, and why.
    pub(crate) fn gone(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a simulated tap learn what became of it.
#[derive(Default)]
pub(crate) struct Outcomes(Mutex<Vec<(CardUid, Sender<TapResult>)>>);

impl Outcomes {
    /// Waits for the next outcome of `uid`. Call before the card is placed.
    pub(crate) fn expect(&self, uid: &CardUid) -> Receiver<TapResult> {
        let (sender, receiver) = smol::channel::bounded(1);
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|(_, sender)| !sender.is_closed());
        waiting.push((uid.clone(), sender));
        receiver
    }

    fn publish(&self, uid: &CardUid, result: &TapResult) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, sender) in waiting.extract_if(.., |(wanted, _)| wanted == uid) {
            // Whoever waited may have given up.
            let _ = sender.try_send(result.clone());
        }
    }
}
