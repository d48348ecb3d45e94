// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Lets whoever held a simulated card to a reader learn what became of it.

use std::sync::{Mutex, PoisonError};

use platen_hal::CardUid;
use platen_model::local::TapResult;
use smol::channel::{Receiver, Sender};

/// Who waits for what becomes of which card.
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

    pub(super) fn publish(&self, uid: &CardUid, result: &TapResult) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, sender) in waiting.extract_if(.., |(wanted, _)| wanted == uid) {
            // Whoever waited may have given up.
            let _ = sender.try_send(result.clone());
        }
    }
}
