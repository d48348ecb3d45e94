// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The way to the centre while somebody stands at the box. The link fills it in when there is one;
//! a box of no site has none, and its logins are decided by its own users.

use std::sync::{Arc, OnceLock};

use platen_auth::session::{CentreAsk, CentreKnows};
use platen_model::{CardKey, Denied};
use smol::future::Boxed;

/// Whoever can ask the centre.
pub(crate) trait Centre: Send + Sync {
    /// Whether it is worth asking: the link is up and no breaker is open.
    fn is_up(&self) -> bool;

    /// Asks who somebody is; `None` when there was no answer within 2 s. What else the answer brings
    /// (leases, that the copy is behind) is dealt with before it is given.
    fn login(&self, ask: CentreAsk) -> Boxed<Option<Result<CentreKnows, Denied>>>;

    /// Pulls what changed in the directory, for 2 s at most.
    fn pull(&self) -> Boxed<()>;

    /// The hash of a card's number by as many site keys as the copy has; `None` without site keys.
    fn card_key(&self, number: &[u8]) -> Option<CardKey>;

    /// The hash of a one-time code, likewise.
    fn code_key(&self, code: &str) -> Option<CardKey>;
}

/// The way to the centre, once there is one. All clones are one.
#[derive(Clone, Default)]
pub(crate) struct CentreWay(Arc<OnceLock<Arc<dyn Centre>>>);

impl CentreWay {
    /// Gives the box its way to the centre; the first one stays.
    pub(crate) fn set(&self, centre: Arc<dyn Centre>) {
        // There is one link.
        let _ = self.0.set(centre);
    }

    pub(crate) fn get(&self) -> Option<&Arc<dyn Centre>> {
        self.0.get()
    }

    /// Whether it is worth asking.
    pub(crate) fn is_up(&self) -> bool {
        self.get().is_some_and(|centre| centre.is_up())
    }
}
