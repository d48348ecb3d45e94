// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Releases of the boxes' image: what the site has, and what of it boxes are offered. An offer is no
//! object of the directory (a box of an earlier program could not read its page), but takes a revision
//! as one, so that boxes that wait hear of it at once.

use platen_model::{NodeId, Offer, Offers, Release, ReleaseId, Window};
use platen_sync::message::{Pull, Signed, VERSION};
use platen_sync::release::{OFFERS_MAX, PIECE_BYTES_MAX, Piece, PieceAsk};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Actor, Centre, CentreError};
use crate::db::{self, Tx, site::Site};

/// Whether boxes are offered a release.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ReleaseState {
    /// Its bundle is still on its way.
    Uploading,
    /// It is there and was never offered.
    Kept,
    /// Boxes of its share take it.
    Offered,
    /// Boxes leave it alone for now.
    Paused,
}

/// A release that the site has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptRelease {
    /// The release.
    pub release: Release,
    /// Whether boxes are offered it.
    pub state: ReleaseState,
    /// When it was added, wall milliseconds since 1970.
    pub touched_unix_ms: u64,
    /// Counts up each time that it is offered anew; 0 before the first time.
    pub turn: u32,
    /// How many boxes of a hundred are to have it.
    pub share_percent: u8,
    /// When boxes may start anew for it; always without one.
    pub window: Option<Window>,
    /// Whether boxes that run a newer version take it.
    pub allow_older: bool,
    /// Whether it pauses by itself when a box can't take it or falls back from it.
    pub pause_on_failure: bool,
    /// Why it paused by itself; empty when somebody paused it.
    pub paused_for: String,
}

/// How a release is to be offered; what is not named stays.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct OfferChange {
    /// Boxes of a hundred.
    pub share_percent: Option<u8>,
    /// When boxes may start anew; `Some(None)` for always.
    pub window: Option<Option<Window>>,
    /// Whether boxes that run a newer version take it.
    pub allow_older: Option<bool>,
    /// Whether it pauses by itself.
    pub pause_on_failure: Option<bool>,
    /// Boxes that it failed on try it again.
    pub again: bool,
}

impl KeptRelease {
    fn offer(&self) -> Option<Offer> {
        let paused = match self.state {
            ReleaseState::Offered => false,
            ReleaseState::Paused => true,
            ReleaseState::Uploading | ReleaseState::Kept => return None,
        };
        Some(Offer {
            release: self.release.clone(),
            turn: self.turn,
            share_percent: self.share_percent,
            window: self.window,
            paused,
            allow_older: self.allow_older,
        })
    }

    fn change(&mut self, change: &OfferChange) -> Result<(), CentreError> {
        if let Some(percent) = change.share_percent {
            if percent > 100 {
                return Err(CentreError::invalid("share_percent", "write 0 to 100"));
            }
            self.share_percent = percent;
        }
        if let Some(window) = change.window {
            if !window.is_none_or(|window| window.is_right()) {
                let why = "minutes are 0 to 1439, days 1 to 127, the offset at most 840";
                return Err(CentreError::invalid("window", why));
            }
            self.window = window;
        }
        self.allow_older = change.allow_older.unwrap_or(self.allow_older);
        let pauses = change.pause_on_failure.unwrap_or(self.pause_on_failure);
        self.pause_on_failure = pauses;
        if change.again || self.turn == 0 {
            self.turn = self.turn.saturating_add(1);
        }
        Ok(())
    }
}

impl Centre {
    /// All releases whose bundle is there, the newest of each kind of board first.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn releases(&self) -> Result<Vec<KeptRelease>, CentreError> {
        db::releases::all(&mut *self.questions().await?).await
    }

    /// Offers a release to boxes, or changes how; one that paused goes on.
    ///
    /// # Errors
    /// [`CentreError::Missing`], [`CentreError::Invalid`], [`CentreError::Conflict`] when as many are
    /// offered as may be at once.
    pub async fn offer_release(
        &self,
        actor: &Actor,
        id: ReleaseId,
        change: &OfferChange,
    ) -> Result<(), CentreError> {
        let (mut tx, _) = self.change().await?;
        let mut kept = known(&mut tx, id).await?;
        if kept.state == ReleaseState::Kept {
            let all = db::releases::all(&mut tx).await?;
            let offered = all.iter().filter(|one| one.state != ReleaseState::Kept);
            if offered.count() >= OFFERS_MAX {
                let why = format!("{OFFERS_MAX} releases are offered: remove an old one first");
                return Err(CentreError::conflict(why));
            }
        }
        kept.change(change)?;
        kept.state = ReleaseState::Offered;
        kept.paused_for.clear();
        let detail = json!({
            "share_percent": kept.share_percent,
            "window": kept.window,
            "allow_older": kept.allow_older,
            "pause_on_failure": kept.pause_on_failure,
            "turn": kept.turn,
        });
        self.keep_offer(&mut tx, actor, "release-offered", &kept, detail)
            .await?;
        tx.commit().await
    }

    /// Makes boxes leave a release alone, also those that have begun to fetch it.
    ///
    /// # Errors
    /// [`CentreError::Missing`], [`CentreError::Conflict`] for one that is not offered.
    pub async fn pause_release(&self, actor: &Actor, id: ReleaseId) -> Result<(), CentreError> {
        let (mut tx, _) = self.change().await?;
        let mut kept = known(&mut tx, id).await?;
        if kept.state == ReleaseState::Kept {
            return Err(CentreError::conflict("this release is not offered"));
        }
        kept.state = ReleaseState::Paused;
        kept.paused_for.clear();
        self.keep_offer(&mut tx, actor, "release-paused", &kept, json!({}))
            .await?;
        tx.commit().await
    }

    /// Goes on with a release that paused, as it was offered.
    ///
    /// # Errors
    /// [`CentreError::Missing`], [`CentreError::Conflict`] for one that did not pause.
    pub async fn resume_release(&self, actor: &Actor, id: ReleaseId) -> Result<(), CentreError> {
        let (mut tx, _) = self.change().await?;
        let mut kept = known(&mut tx, id).await?;
        if kept.state != ReleaseState::Paused {
            return Err(CentreError::conflict("this release has not paused"));
        }
        kept.state = ReleaseState::Offered;
        kept.paused_for.clear();
        self.keep_offer(&mut tx, actor, "release-resumed", &kept, json!({}))
            .await?;
        tx.commit().await
    }

    /// Removes a release with its bundle. Boxes that run it stay as they are.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn remove_release(&self, actor: &Actor, id: ReleaseId) -> Result<(), CentreError> {
        let (mut tx, _) = self.change().await?;
        let kept = known(&mut tx, id).await?;
        db::releases::remove(&mut tx, id).await?;
        if kept.state != ReleaseState::Kept {
            db::site::offers_changed(&mut tx).await?;
        }
        let object = format!("release:{id}");
        self.record(&mut tx, actor, "release-removed", object, facts(&kept))
            .await?;
        tx.commit().await
    }

    /// Writes down how a release is offered now: in the site's locked row, so in one order.
    pub(super) async fn keep_offer(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        action: &'static str,
        kept: &KeptRelease,
        detail: Value,
    ) -> Result<(), CentreError> {
        db::releases::put(tx, kept).await?;
        db::site::offers_changed(tx).await?;
        let object = format!("release:{}", kept.release.id);
        self.record(tx, actor, action, object, detail).await
    }

    /// The offers for a box, unless it has them as they are.
    pub(super) async fn offers(
        &self,
        tx: &mut Tx,
        site: &Site,
        node: NodeId,
        pull: &Pull,
    ) -> Result<Option<Signed>, CentreError> {
        let never = site.offers_revision == 0 && pull.offers == 0;
        let same = pull.generation == site.generation && pull.offers == site.offers_revision;
        if never || same {
            return Ok(None);
        }
        let all = db::releases::all(tx).await?;
        let offers = Offers {
            site: site.id,
            node,
            generation: site.generation,
            revision: site.offers_revision,
            offers: all.iter().filter_map(KeptRelease::offer).collect(),
        };
        let signed = self.inner.signer.sign_offers(&offers);
        let signed = signed.map_err(|_| CentreError::corrupt("offer that no box takes"))?;
        Ok(Some(signed))
    }

    /// A piece of the bundle of a release that is offered now.
    ///
    /// # Errors
    /// [`CentreError::Missing`]: there is no such release, or it paused.
    pub async fn release_piece(&self, ask: &PieceAsk) -> Result<Piece, CentreError> {
        let mut connection = self.questions().await?;
        let kept = db::releases::by_id(&mut connection, ask.release).await?;
        let offered = |kept: &KeptRelease| kept.state == ReleaseState::Offered;
        if !kept.as_ref().is_some_and(offered) {
            return Err(CentreError::missing("release that is offered now"));
        }
        let most = u64::try_from(PIECE_BYTES_MAX).unwrap_or(u64::MAX);
        let length = u64::from(ask.length).min(most);
        let bytes = db::releases::piece(&mut connection, ask.release, ask.offset, length).await?;
        Ok(Piece {
            version: VERSION,
            release: ask.release,
            offset: ask.offset,
            bytes,
        })
    }
}

/// What the audit log says of a release.
pub(super) fn facts(kept: &KeptRelease) -> Value {
    json!({
        "version": kept.release.version,
        "compatible": kept.release.compatible,
        "size_bytes": kept.release.size_bytes,
    })
}

/// A release whose bundle is there.
pub(super) async fn known(tx: &mut Tx, id: ReleaseId) -> Result<KeptRelease, CentreError> {
    let kept = db::releases::by_id(tx, id).await?;
    let whole = kept.filter(|kept| kept.state != ReleaseState::Uploading);
    whole.ok_or(CentreError::missing("release"))
}
