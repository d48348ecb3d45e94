// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directory comes down: one long poll after the other. A page is believed for its signature, and
//! taken if it goes on where the box's copy ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use platen_auth::{Applied, CacheError};
use platen_model::{Chain, Changes};
use platen_sync::card::rekey;
use platen_sync::message::{KeysAsk, LockNotice, Pull, PullAnswer, SiteKeys, VERSION, path};
use platen_sync::node::pace::{ANSWER_MS, CONNECT_MS, POLL_MS, Pace, Try};
use platen_sync::signed::{PageError, verify};
use smol::Timer;
use thiserror::Error;

use super::line::{LineError, apart, ask};
use super::standing::Alert;
use super::{Centre, CentreError, Joined, random};

/// How often an answer's time may double for a slow link: to about two minutes.
pub(super) const DOUBLINGS_MAX: u32 = 5;
/// A lock that the centre tells is left alone where the box's own lasts as long, but for this: it is
/// told at each pull, and the answer's way takes its time.
const LOCK_SLACK: Duration = Duration::from_secs(5);

/// Why a pull brought nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
enum PullError {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("a page of the directory is refused")]
    Page(#[source] PageError),
    #[error("a page of the directory is not taken")]
    Cache(#[source] CacheError),
    #[error("the centre's keys of card hashes are not those of this site")]
    Keys,
    #[error(transparent)]
    Own(#[from] CentreError),
}

impl Centre {
    /// Pulls until the box leaves its site.
    pub(super) async fn pull_forever(self: &Arc<Self>) {
        let mut pace = Pace::default();
        let mut slow = 0_u32;
        loop {
            let pulled = self.pull_once(slow).await;
            slow = match &pulled {
                Err(PullError::Line(error)) if error.is_slow() => (slow + 1).min(DOUBLINGS_MAX),
                Err(PullError::Line(_)) => slow,
                _ => 0,
            };
            let ended = pulled.unwrap_or_else(|error| self.pull_failed(&error));
            let pause = async {
                Timer::after(pace.after(ended, random())).await;
            };
            smol::future::or(pause, self.pull_now.wait()).await;
        }
    }

    fn pull_failed(self: &Arc<Self>, error: &PullError) -> Try {
        if let PullError::Line(error) = error {
            self.failed(error);
            return error.ended();
        }
        match error {
            PullError::Page(_) => drop(self.standing.alert(Alert::BadPage)),
            PullError::Cache(error) if is_roll_back(error) => {
                self.standing.alert(Alert::RolledBack);
            }
            _ => {}
        }
        self.standing.note_error(Chain(error).to_string());
        Try::Nonsense
    }

    async fn pull_once(self: &Arc<Self>, slow: u32) -> Result<Try, PullError> {
        let joined = self.joined().ok_or(CentreError::NoSite)?;
        let Some(client) = &joined.client else {
            return Ok(Try::Nonsense);
        };
        let (pull, wait_ms) = self.next_pull();
        let limit = CONNECT_MS + (ANSWER_MS << slow) + wait_ms;
        let answer: PullAnswer =
            ask(client, path::PULL, &pull, Duration::from_millis(limit)).await?;
        self.served();
        let signed_bytes = answer.changes.payload.len();
        let (key, site, node) = (joined.member.directory_key, joined.member.site, self.node);
        let signed = answer.changes;
        let check = move || verify(&signed, &key, site, node);
        let page = apart(signed_bytes, check).await;
        let page = page.map_err(PullError::Page)?;
        self.standing.clear(Alert::BadPage);
        self.heard_clock(page.at_unix_ms).await;
        self.standing.heard_latest(page.latest);
        if self.needs_keys(&page, &joined) {
            self.fetch_keys(&joined, page.keys).await?;
        }
        self.centre_keys.store(page.keys, Ordering::Relaxed);
        let (more, generation) = (page.to < page.latest, page.generation);
        let applied = self.apply(page).await?;
        self.standing.clear(Alert::RolledBack);
        self.take_leases(answer.leases).await?;
        self.take_locks(answer.locks).await;
        if let Some(offers) = answer.offers {
            self.take_offers(&joined, generation, offers).await;
        }
        if answer.hurry || applied.took_over {
            self.push_now.set();
        }
        Ok(if more { Try::More } else { Try::Served })
    }

    fn next_pull(&self) -> (Pull, u64) {
        let now = self.now();
        let position = self.parts.cache.position();
        // Half a copy is not worth waiting with.
        let building = self.parts.cache.standing(now).building.is_some();
        let wait_ms = match building || position.generation == 0 {
            true => 0,
            false => POLL_MS,
        };
        let pull = Pull {
            version: VERSION,
            at: now.into(),
            generation: position.generation,
            after: position.revision,
            wait_ms,
            leases_upto: self.parts.purse.taken_upto(),
            offers: self.offers_revision(position.generation),
        };
        (pull, wait_ms)
    }

    async fn apply(self: &Arc<Self>, page: Changes) -> Result<Applied, PullError> {
        let centre = Arc::clone(self);
        let apply = move || {
            let _one = centre.changing();
            let joined = centre.joined().ok_or(CentreError::NoSite)?;
            let applied = centre.parts.cache.apply(&page, centre.now());
            let applied = applied.map_err(PullError::Cache)?;
            if applied.took_over {
                let keys = &joined.member.keys;
                let want = centre.parts.cache.keys();
                let add = |hash, have| add_keys(keys, hash, have, want);
                let rekeyed = centre.parts.cache.rekey_bindings(add);
                rekeyed.map_err(CentreError::Database)?;
                log::info!(generation = applied.position.generation; "a new copy of the directory serves");
            }
            Ok(applied)
        };
        smol::unblock(apply).await
    }

    /// Whether the centre may hash cards by other keys than the box: by more, or by others since a new
    /// generation, which comes with each key and each time that the centre is put back from a backup.
    fn needs_keys(&self, page: &Changes, joined: &Joined) -> bool {
        let have = joined.member.keys.keys.len();
        let position = self.parts.cache.position();
        let is_other = position.generation > 0 && page.generation != position.generation;
        is_other || usize::try_from(page.keys).unwrap_or(usize::MAX) > have
    }

    /// Takes the centre's keys, of which pages need `needed`.
    async fn fetch_keys(self: &Arc<Self>, joined: &Joined, needed: u32) -> Result<(), PullError> {
        let Some(client) = &joined.client else {
            return Ok(());
        };
        let question = KeysAsk { version: VERSION };
        let limit = Duration::from_millis(CONNECT_MS + ANSWER_MS);
        let keys: SiteKeys = ask(client, path::KEYS, &question, limit).await?;
        let Some(keys) = next_keys(&joined.member.keys, keys, needed)? else {
            return Ok(());
        };
        let centre = Arc::clone(self);
        let keep = move || {
            centre.change(|mut member| {
                member.keys = keys;
                member
            })
        };
        Ok(smol::unblock(keep).await?)
    }

    /// What is locked at the centre is locked here: wrong tries at one box count at all.
    async fn take_locks(self: &Arc<Self>, locks: Vec<LockNotice>) {
        if locks.is_empty() {
            return;
        }
        let centre = Arc::clone(self);
        let lock = move || {
            let (tries, now) = (&centre.parts.tries, centre.now());
            for lock in locks {
                let left = Duration::from_millis(lock.left_ms);
                let own = tries.locked(lock.credential, now).unwrap_or_default();
                if left > own.saturating_add(LOCK_SLACK) {
                    tries.lock_for(lock.credential, left, now);
                }
            }
        };
        smol::unblock(lock).await;
    }
}

/// The keys to have after the centre's word, if they are others. Those of a centre that was put back
/// from a backup may be fewer, which changes nothing as long as the box's begin with them, and may go
/// on in another way than the box's; the first one is the site's for good.
fn next_keys(own: &SiteKeys, centre: SiteKeys, needed: u32) -> Result<Option<SiteKeys>, PullError> {
    let is_site = own.keys.first() == centre.keys.first();
    let needed = usize::try_from(needed).unwrap_or(usize::MAX);
    if !is_site || centre.keys.len() < needed {
        return Err(PullError::Keys);
    }
    Ok(match own.keys.starts_with(&centre.keys) {
        true => None,
        false => Some(centre),
    })
}

/// The hash of `have` keys, with those on top that it lacks.
pub(super) fn add_keys(
    keys: &SiteKeys,
    hash: platen_model::CardKey,
    have: u32,
    want: u32,
) -> Option<platen_model::CardKey> {
    let (have, want) = (usize::try_from(have).ok()?, usize::try_from(want).ok()?);
    let more = keys.keys.get(have..want)?;
    Some(more.iter().fold(hash, rekey))
}

fn is_roll_back(error: &CacheError) -> bool {
    match error {
        CacheError::RolledBack { .. } => true,
        CacheError::NotNext { have, found } => found < have,
        _ => false,
    }
}
