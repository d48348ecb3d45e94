// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box becomes part of a site, changes as a part of it, and leaves it: journal, files and what is in
//! memory, in an order that a power cut can't tear.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use platen_ledger::Entry;
use platen_model::Chain;
use platen_model::local::CentreState;
use platen_net::HttpsClient;

use super::member::{Member, MemberError};
use super::{Centre, CentreError, Joined, spans};

impl Centre {
    /// Takes the box out of its site: its journal says so, its part in the site, its copy of the
    /// directory and its leases are gone when this returns. The centre hears nothing of it.
    ///
    /// # Errors
    /// [`CentreError`]; the box may still be part of the site then.
    pub(crate) async fn leave(self: &Arc<Self>) -> Result<(), CentreError> {
        let centre = Arc::clone(self);
        smol::unblock(move || centre.leave_now()).await
    }

    fn leave_now(&self) -> Result<(), CentreError> {
        let _one = self.changing();
        if self.joined().is_none() {
            return Err(CentreError::NoSite);
        }
        let ledger = &self.parts.ledger;
        ledger.append_blocking(Entry::Enrolled { site: None })?;
        Member::remove(&*self.parts.disk)?;
        self.put(None);
        log::info!("the box has left its site");
        self.forget_site()?;
        self.moved.set();
        Ok(())
    }

    /// A box that was taken out of its site has no business with the site's people.
    pub(super) fn drop_copy_if_revoked(&self) -> Result<(), CentreError> {
        let _one = self.changing();
        if self.is_revoked() && self.parts.cache.site().is_some() {
            self.parts.cache.forget(self.now())?;
        }
        Ok(())
    }

    /// Makes the box part of a site, for good. Blocks.
    pub(super) fn join(&self, member: Member) -> Result<(), CentreError> {
        let _one = self.changing();
        let known = self.parts.cache.site();
        if known.is_some_and(|site| site != member.site) {
            self.forget_site()?;
        }
        // A certificate or authority that can't be used is found before anything is kept.
        if let Some(url) = &self.parts.url {
            self.client(&member, url)?;
        }
        let site = Some(member.site);
        let ledger = &self.parts.ledger;
        ledger.append_blocking(Entry::Enrolled { site })?;
        let mut member = member;
        member.spans = spans::of_site(ledger, member.site)?;
        member.write(&*self.parts.disk, &self.parts.keys)?;
        log::info!(site:% = member.site; "the box is part of a site");
        self.take_up(member);
        Ok(())
    }

    /// Changes what is kept of the site, unless the box has left it meanwhile. Blocks.
    pub(super) fn change(&self, change: impl FnOnce(Member) -> Member) -> Result<(), CentreError> {
        let _one = self.changing();
        let joined = self.joined().ok_or(CentreError::NoSite)?;
        let member = change(joined.member.clone());
        if let Some(url) = &self.parts.url {
            self.client(&member, url)?;
        }
        member.write(&*self.parts.disk, &self.parts.keys)?;
        self.take_up(member);
        Ok(())
    }

    /// From here on the box is what `member` says.
    pub(super) fn take_up(&self, member: Member) {
        let now = self.parts.clock.now();
        let client = self
            .parts
            .url
            .as_deref()
            .map(|url| self.client(&member, url));
        let client = match client.transpose() {
            Ok(client) => client,
            Err(error) => {
                self.standing.note_error(Chain(&error).to_string());
                None
            }
        };
        if client.is_some() && self.joined().is_none() {
            self.standing.become_state(CentreState::Offline, now);
        }
        if member.revoked {
            self.standing.become_state(CentreState::Revoked, now);
        }
        self.parts.people.become_members(true);
        self.put(Some(Arc::new(Joined { member, client })));
    }

    pub(super) fn client(&self, member: &Member, url: &str) -> Result<HttpsClient, MemberError> {
        let standing = self.parts.cache.standing(self.parts.clock.now());
        let confirmed = standing.confirmed_unix_ms.unwrap_or_default();
        member.client(url, &self.parts.clock, confirmed)
    }

    /// Nothing of a site is left on a box of none, also after a power cut in the middle of leaving.
    pub(super) fn forget_site(&self) -> Result<(), CentreError> {
        let now = self.parts.clock.now();
        let had_site = self.parts.cache.site().is_some() || self.parts.purse.taken_upto() > 0;
        if had_site {
            self.parts.cache.forget(now)?;
            self.parts.purse.leave()?;
        }
        self.parts.people.become_members(false);
        self.centre_keys.store(0, Ordering::Relaxed);
        self.saved.clear()?;
        self.forget_releases()?;
        self.standing.forget(now);
        if self.parts.url.is_some() {
            self.standing.become_state(CentreState::Offline, now);
        }
        Ok(())
    }
}
