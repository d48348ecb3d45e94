// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The board `sim`: the production driver on a simulated chip, and a hand that holds cards to it.

use std::sync::Arc;
use std::time::Duration;

use platen_drivers::Mfrc522;
use platen_hal::{CardReader, CardUid};
use platen_hal_sim::{Field, Mfrc522Model, SimDelay};
use platen_model::local::TapResult;
use smol::Executor;
use smol::lock::Mutex;

use super::Door;

/// How long a tap may take from the card in the field to the decision.
const LIMIT: Duration = Duration::from_secs(5);
/// A card must be away this long before it counts again; longer than the debounce.
const AWAY: Duration = Duration::from_millis(500);

/// Holds cards to the simulated reader, one at a time.
pub(crate) struct Simulator {
    field: Field,
    hand: Arc<Mutex<()>>,
    executor: Arc<Executor<'static>>,
}

impl Simulator {
    /// A simulated reader with nothing in its field, under the real driver.
    pub(crate) fn new(executor: &Arc<Executor<'static>>) -> (Self, Box<dyn CardReader>) {
        let field = Field::new();
        let driver = Mfrc522::new(Mfrc522Model::new(&field), SimDelay::default());
        (
            Self {
                field,
                hand: Arc::default(),
                executor: Arc::clone(executor),
            },
            Box::new(driver),
        )
    }

    /// Holds a card to the reader until the box has decided. `None` when it does not.
    pub(crate) async fn tap(&self, door: &Door, uid: CardUid) -> Option<TapResult> {
        let hand = self.hand.lock_arc().await;
        let outcome = door.outcomes.expect(&uid);
        if !self.field.place(&uid) {
            return None;
        }
        let decided = async { outcome.recv().await.ok() };
        let limit = async {
            smol::Timer::after(LIMIT).await;
            None
        };
        let result = smol::future::or(decided, limit).await;
        self.field.remove(&uid);
        let away = async move {
            smol::Timer::after(AWAY).await;
            drop(hand);
        };
        self.executor.spawn(away).detach();
        result
    }
}
