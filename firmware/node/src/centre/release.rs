// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Releases of the image that the site offers: which one this box is to take, what became of those it
//! took, and what the centre is told of it. How a bundle comes is `fetch`'s, what becomes of it then
//! [`crate::update`]'s.

use std::sync::{Arc, MutexGuard, PoisonError};

use platen_model::local::UpdateStatus;
use platen_model::{Chain, Offer, Offers, ReleaseId, ReleaseVersion, Running, SiteId, UpdatePhase};
use platen_sync::limits::NAME_BYTES_MAX;
use platen_sync::message::Signed;
use platen_sync::release::{Taker, verify_offers};
use serde::{Deserialize, Serialize};

use super::standing::Alert;
use super::{Centre, Joined};

const BOOK: &[u8] = b"releases";
/// Releases that are remembered: as many as a site may offer at once.
const TRIED_MAX: usize = 16;
/// How often a bundle is handed over to be installed before it counts as failed: an installation may
/// be cut off by a power cut, too.
const TRIES_MAX: u32 = 3;
/// Where the bundles come from, in the words of the installing side.
const CENTRE: &str = "centre";
/// So fine is the progress that the centre is told of: each step is a push.
const PERCENT_STEP: u8 = 10;

/// What the site offers, and what became of it here. In the index: what is lost of it comes again, and
/// a release that failed may be tried once more.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Book {
    site: Option<SiteId>,
    offers: Option<Offers>,
    /// The latest one last.
    tried: Vec<Tried>,
    /// Why the one that is wanted does not come now; empty for nothing to say.
    #[serde(skip)]
    hindrance: String,
}

/// A release that this box began with.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
struct Tried {
    release: ReleaseId,
    turn: u32,
    version: ReleaseVersion,
    /// How often it was handed over to be installed.
    handed_over: u32,
    failed: bool,
    /// Why the box itself did not hand it over; empty unless that is why it failed.
    refused: String,
}

impl Book {
    /// Takes offers, if they are newer than those that are known.
    fn take(&mut self, site: SiteId, offers: Offers) -> bool {
        let known = self.offers.as_ref();
        let newer = known.is_none_or(|known| {
            known.generation != offers.generation || known.revision < offers.revision
        });
        if newer || self.site != Some(site) {
            (self.site, self.offers) = (Some(site), Some(offers));
        }
        newer
    }

    fn offers(&self, generation: u64) -> Option<&Offers> {
        let offers = self.offers.as_ref();
        offers.filter(|offers| offers.generation == generation)
    }

    fn failed(&self) -> Vec<(ReleaseId, u32)> {
        let failed = self.tried.iter().filter(|tried| tried.failed);
        failed.map(|tried| (tried.release, tried.turn)).collect()
    }

    /// The box begins with a release, again or for the first time in this turn.
    fn begin(&mut self, offer: &Offer) {
        let (release, turn) = (offer.release.id, offer.turn);
        let at = self.tried.iter().position(|tried| tried.release == release);
        let known = at.map(|at| self.tried.remove(at));
        let known = known.filter(|tried| tried.turn == turn);
        self.tried.push(known.unwrap_or_else(|| Tried {
            release,
            turn,
            version: offer.release.version.clone(),
            handed_over: 0,
            failed: false,
            refused: String::new(),
        }));
        let many = self.tried.len().saturating_sub(TRIED_MAX);
        self.tried.drain(..many);
    }

    /// The release that it began with last is handed over to be installed.
    fn hand_over(&mut self) {
        if let Some(last) = self.tried.last_mut() {
            last.handed_over = last.handed_over.saturating_add(1);
        }
    }

    /// The release that it began with last is none to install.
    fn refuse(&mut self, why: String) {
        if let Some(last) = self.tried.last_mut() {
            (last.failed, last.refused) = (true, why);
        }
    }

    /// The release that the last words of the installing side are about; a bundle that could not be
    /// read has no version.
    fn about(&self, state: &UpdateStatus) -> Option<usize> {
        if state.source != CENTRE {
            return None;
        }
        let fits = |tried: &Tried| match state.version.as_str() {
            "" => true,
            version => tried.version.to_string() == version,
        };
        self.tried.iter().rposition(fits)
    }

    /// Notes what became of the release that the installing side speaks of; whether that is new.
    fn settle(&mut self, state: &UpdateStatus) -> bool {
        let about = self.about(state).and_then(|at| self.tried.get_mut(at));
        let Some(tried) = about.filter(|tried| !tried.failed) else {
            return false;
        };
        tried.failed = match state.phase {
            UpdatePhase::FellBack | UpdatePhase::Refused => tried.handed_over > 0,
            UpdatePhase::Failed => tried.handed_over >= TRIES_MAX,
            _ => false,
        };
        tried.failed
    }

    /// What the centre is told: the box's own refusal first, as nobody else speaks of that.
    fn tell(&self, state: &UpdateStatus) -> Running {
        let refused = self.tried.last().filter(|last| !last.refused.is_empty());
        let refused = refused.filter(|_| !state.phase.is_under_way());
        let about = self.about(state).and_then(|at| self.tried.get(at));
        let tried = refused.or(about);
        let mut running = Running {
            release: tried.map(|tried| tried.release),
            turn: tried.map_or(0, |tried| tried.turn),
            ..Running::default()
        };
        match refused {
            Some(refused) => {
                running.phase = UpdatePhase::Refused;
                running.reason.clone_from(&refused.refused);
            }
            None => {
                (running.phase, running.reason) = (state.phase, state.reason.clone());
                running.percent = state.percent.min(100) / PERCENT_STEP * PERCENT_STEP;
            }
        }
        if running.reason.is_empty() && !running.phase.is_under_way() {
            running.reason.clone_from(&self.hindrance);
        }
        let end = running.reason.floor_char_boundary(NAME_BYTES_MAX);
        running.reason.truncate(end);
        running
    }
}

impl Centre {
    /// What is known of the site's releases from before this start.
    pub(super) fn read_book(&self) {
        let read = self.releases.get(BOOK).ok().flatten();
        *self.book() = read.unwrap_or_default();
    }

    /// Nothing of a site is left on a box of none.
    pub(super) fn forget_releases(&self) -> Result<(), platen_store::DatabaseError> {
        *self.book() = Book::default();
        self.releases.clear()
    }

    /// The revision of the offers that the box has, of this generation of the directory.
    pub(super) fn offers_revision(&self, generation: u64) -> u64 {
        let book = self.book();
        let offers = book.offers(generation);
        offers.map_or(0, |offers| offers.revision)
    }

    /// Takes the site's offers, if they are believed. What is wrong with them holds up nothing else.
    pub(super) async fn take_offers(
        self: &Arc<Self>,
        joined: &Arc<Joined>,
        generation: u64,
        offers: Signed,
    ) {
        let member = &joined.member;
        let believed = verify_offers(&offers, &member.directory_key, member.site, self.node);
        let offers = match believed {
            Ok(offers) if offers.generation == generation => offers,
            Ok(_) => return,
            Err(error) => {
                self.standing.alert(Alert::BadPage);
                self.standing.note_error(Chain(&error).to_string());
                return;
            }
        };
        let (centre, site) = (Arc::clone(self), member.site);
        let keep = move || {
            let _one = centre.changing();
            // A box that has left the site meanwhile has no business with its offers.
            let stays = centre.site() == Some(site);
            stays && centre.change_book(|book| book.take(site, offers))
        };
        if smol::unblock(keep).await {
            self.fetch_now.set();
        }
    }

    /// The release that this box is to take now, if there is one that it has not.
    pub(super) fn wanted(&self) -> Option<Offer> {
        let updates = &self.parts.updates;
        if !updates.is_on() || self.is_revoked() {
            return None;
        }
        let installed = updates.installed();
        let book = self.book();
        let taker = Taker {
            node: self.node,
            version: installed.version.parse().ok()?,
            compatible: installed.compatible.clone()?,
            failed: book.failed(),
        };
        let offers = book.offers(self.parts.cache.position().generation)?;
        taker.choose(offers).cloned()
    }

    /// What the centre is told of the box's image.
    pub(super) fn running(&self) -> Running {
        let updates = &self.parts.updates;
        let (state, installed) = (updates.state(), updates.installed());
        Running {
            version: installed.version.clone(),
            compatible: installed.compatible.clone(),
            slot: installed.slot.clone(),
            ..self.book().tell(&state)
        }
    }

    /// Notes what became of releases. Blocks.
    pub(super) fn settle_releases(&self) {
        let state = self.parts.updates.state();
        self.change_book(|book| book.settle(&state));
    }

    /// Notes that the box begins with a release. Blocks.
    pub(super) fn begin_release(&self, offer: &Offer) {
        self.change_book(|book| {
            book.begin(offer);
            true
        });
    }

    /// Why the release that is wanted does not come now; empty when it does.
    pub(super) fn hindered(&self, why: &str) {
        why.clone_into(&mut self.book().hindrance);
    }

    /// Notes that the bundle goes to the installing side. Blocks.
    pub(super) fn hand_over_release(&self) {
        self.change_book(|book| {
            book.hand_over();
            true
        });
    }

    /// Notes that the bundle is none. Blocks.
    pub(super) fn refuse_release(&self, why: String) {
        log::error!(err = why.as_str(); "a release of the site is refused");
        self.change_book(|book| {
            book.refuse(why);
            true
        });
    }

    /// Changes the book, and keeps it where `change` says that it is another one.
    fn change_book(&self, change: impl FnOnce(&mut Book) -> bool) -> bool {
        let mut book = self.book();
        let changed = change(&mut book);
        if changed {
            let kept = self.releases.insert(BOOK, &book);
            let kept = kept.and_then(|()| self.parts.database.commit());
            if let Err(error) = kept {
                log::warn!(err:% = Chain(&error); "what became of a release is not noted");
            }
        }
        changed
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use platen_model::{NodeId, Release};
    use uuid::Uuid;

    use super::*;

    const SITE: SiteId = SiteId(Uuid::nil());

    fn offer(n: u128, version: &str, turn: u32) -> Offer {
        Offer {
            release: Release {
                id: ReleaseId(Uuid::from_u128(n)),
                version: version.parse().unwrap(),
                compatible: "platen-x86_64".into(),
                size_bytes: 5,
                sha256: [7; 32],
                notes: String::new(),
            },
            turn,
            share_percent: 100,
            window: None,
            paused: false,
            allow_older: false,
        }
    }

    fn offers(generation: u64, revision: u64) -> Offers {
        Offers {
            site: SITE,
            node: NodeId(Uuid::nil()),
            generation,
            revision,
            offers: Vec::new(),
        }
    }

    fn state(phase: UpdatePhase, source: &str, version: &str) -> UpdateStatus {
        UpdateStatus {
            phase,
            percent: 47,
            source: source.into(),
            version: version.into(),
            reason: "words".into(),
            ..UpdateStatus::default()
        }
    }

    #[test]
    fn only_newer_offers_of_the_same_generation_take_the_place_of_older_ones() {
        let mut book = Book::default();
        assert!(book.take(SITE, offers(1, 5)));
        assert!(!book.take(SITE, offers(1, 5)) && !book.take(SITE, offers(1, 4)));
        assert!(book.take(SITE, offers(1, 6)));
        assert!(book.take(SITE, offers(2, 1)), "the centre was put back");
        assert!(book.offers(1).is_none());
        assert_eq!(book.offers(2).unwrap().revision, 1);
    }

    #[test]
    fn a_release_that_fell_back_counts_as_failed_until_its_next_turn() {
        let mut book = Book::default();
        let first = offer(1, "1.2.3", 1);
        book.begin(&first);
        book.hand_over();
        assert!(!book.settle(&state(UpdatePhase::Installing, "centre", "1.2.3")));
        assert!(book.settle(&state(UpdatePhase::FellBack, "centre", "1.2.3")));
        assert_eq!(book.failed(), [(first.release.id, 1)]);
        assert!(
            !book.settle(&state(UpdatePhase::FellBack, "centre", "1.2.3")),
            "no news"
        );
        book.begin(&offer(1, "1.2.3", 2));
        assert_eq!(book.failed(), []);
        // What is still written of the turn before says nothing of a bundle that is on its way.
        assert!(!book.settle(&state(UpdatePhase::FellBack, "centre", "1.2.3")));
    }

    #[test]
    fn an_installation_that_is_cut_off_is_tried_three_times() {
        let mut book = Book::default();
        for round in 1..=3 {
            book.begin(&offer(1, "1.2.3", 1));
            book.hand_over();
            let failed = book.settle(&state(UpdatePhase::Failed, "centre", ""));
            assert_eq!(failed, round == 3, "{round}");
        }
    }

    #[test]
    fn the_centre_is_told_of_its_own_releases_and_of_updates_that_came_another_way() {
        let mut book = Book::default();
        book.begin(&offer(1, "1.2.3", 3));
        let told = book.tell(&state(UpdatePhase::Installing, "centre", "1.2.3"));
        assert_eq!(told.release, Some(ReleaseId(Uuid::from_u128(1))));
        assert_eq!(
            (told.phase, told.turn, told.percent),
            (UpdatePhase::Installing, 3, 40)
        );
        let told = book.tell(&state(UpdatePhase::FellBack, "usb", "1.2.3"));
        assert_eq!((told.release, told.phase), (None, UpdatePhase::FellBack));
        let told = book.tell(&state(UpdatePhase::Good, "centre", "1.0.0"));
        assert_eq!(told.release, None, "of a time before");
        let mut quiet = state(UpdatePhase::Idle, "", "");
        quiet.reason.clear();
        book.hindrance = "no room".into();
        let told = book.tell(&quiet);
        assert_eq!(
            (told.phase, told.reason.as_str()),
            (UpdatePhase::Idle, "no room")
        );
        book.refuse("it is damaged".into());
        let told = book.tell(&state(UpdatePhase::Good, "centre", "1.0.0"));
        assert_eq!(
            (told.phase, told.reason.as_str()),
            (UpdatePhase::Refused, "it is damaged")
        );
        assert_eq!(
            (told.release, book.failed().len()),
            (Some(ReleaseId(Uuid::from_u128(1))), 1)
        );
    }

    #[test]
    fn only_so_many_releases_are_remembered() {
        let mut book = Book::default();
        for n in 0..100 {
            book.begin(&offer(n, "1.2.3", 1));
            book.refuse("no".into());
        }
        assert_eq!(book.failed().len(), TRIED_MAX);
        assert_eq!(
            book.failed().last(),
            Some(&(ReleaseId(Uuid::from_u128(99)), 1))
        );
    }
}
