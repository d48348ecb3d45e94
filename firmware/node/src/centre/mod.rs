// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box's link to its centre: it becomes part of a site, sends its journal and its jobs, fetches
//! the directory and leases, and asks who somebody is. All of it in the background: nobody at the box
//! waits for the centre but a login, for two seconds at most. The state machines are
//! [`platen_sync::node`]'s; here are the loops, the files and the network.

mod enrol;
mod fetch;
mod line;
mod login;
mod member;
mod membership;
mod notices;
mod pull;
mod push;
mod release;
mod renew;
mod signal;
mod spans;
mod standing;
#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use platen_auth::{Cache, Tries};
use platen_ledger::{Entry, Ledger, LedgerError, Purse, PurseError};
use platen_model::local::{CentreState, CentreStatus};
use platen_model::{Chain, Clock, Moment, NodeId, SiteId};
use platen_net::HttpsClient;
use platen_spool::Spool;
use platen_store::seal::random_bytes;
use platen_store::{Database, DatabaseError, Disk, Keys, Table};
use platen_sync::message::{LeaseNews, RefusalCode};
use platen_sync::node::breaker::Breaker;
use smol::Timer;
use thiserror::Error;

use crate::panel::Panel;
use crate::people::Residents;
use crate::release::Releases;
use crate::update::Updates;
use line::LineError;
pub(crate) use login::Way;
use member::Member;
use member::MemberError;
use push::Saved;
use release::Book;
use signal::Signal;
use standing::Standing;

/// How often the age of the copy is looked at; it is written every ten minutes at most.
const NOTE_AGE: Duration = Duration::from_secs(60);

/// What the link works with.
pub(crate) struct Parts {
    /// Where the centre is, if there is one.
    pub(crate) url: Option<String>,
    /// The box's name, as it announces itself.
    pub(crate) name: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) database: Database,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) spool: Spool,
    pub(crate) cache: Arc<Cache>,
    pub(crate) people: Arc<Residents>,
    pub(crate) purse: Arc<Purse>,
    pub(crate) panel: Arc<Panel>,
    pub(crate) tries: Arc<Tries>,
    pub(crate) updates: Arc<Updates>,
}

/// The box's link to its centre.
pub(crate) struct Centre {
    parts: Parts,
    node: NodeId,
    joined: RwLock<Option<Arc<Joined>>>,
    standing: Standing,
    breaker: Mutex<Breaker>,
    saved: Table<Saved>,
    /// How many site keys the centre's pages hash cards by; 0 before the first page since the start.
    centre_keys: AtomicU32,
    /// Held while the box's part in the site, its copy of the directory or its leases change: none of
    /// it outlives the box's leaving.
    changing: Mutex<()>,
    /// Releases of the image that the site offers.
    book: Mutex<Book>,
    releases: Table<Book>,
    printers: OnceLock<Arc<Releases>>,
    push_now: Signal,
    pull_now: Signal,
    renew_now: Signal,
    fetch_now: Signal,
    moved: Signal,
}

/// The box's part in a site, and the way to its centre.
struct Joined {
    member: Member,
    client: Option<HttpsClient>,
}

/// Why something between the box and its site did not work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum CentreError {
    #[error(transparent)]
    Member(#[from] MemberError),
    #[error("the journal takes nothing")]
    Ledger(#[from] LedgerError),
    #[error("the index can't be read or written")]
    Database(#[from] DatabaseError),
    #[error("the leases can't be kept")]
    Purse(#[from] PurseError),
    #[error("this box is part of no site")]
    NoSite,
}

impl Centre {
    /// Reads what makes the box part of a site. Blocks.
    ///
    /// # Errors
    /// [`CentreError`].
    pub(crate) fn open(parts: Parts) -> Result<Self, CentreError> {
        let saved = parts.database.table("centre")?;
        let releases = parts.database.table("releases")?;
        let member = Member::read(&*parts.disk, &parts.keys)?;
        let centre = Self {
            node: NodeId(parts.keys.box_uuid()),
            joined: RwLock::default(),
            standing: Standing::default(),
            breaker: Mutex::new(Breaker::open()),
            saved,
            centre_keys: AtomicU32::new(0),
            changing: Mutex::default(),
            book: Mutex::default(),
            releases,
            printers: OnceLock::new(),
            push_now: Signal::default(),
            pull_now: Signal::default(),
            renew_now: Signal::default(),
            fetch_now: Signal::default(),
            moved: Signal::default(),
            parts,
        };
        centre.read_book();
        match member {
            Some(member) => centre.take_up(centre.with_spans(member)?),
            None => centre.forget_site()?,
        }
        centre.drop_copy_if_revoked()?;
        Ok(centre)
    }

    /// A member without a place in this journal gets one: an earlier program wrote none, and a journal
    /// that was lost begins anew.
    fn with_spans(&self, mut member: Member) -> Result<Member, CentreError> {
        let ledger = &self.parts.ledger;
        if spans::fit(&member.spans, ledger, member.site)? {
            return Ok(member);
        }
        member.spans = spans::of_site(ledger, member.site)?;
        if let Err(error) = member.write(&*self.parts.disk, &self.parts.keys) {
            log::warn!(err:% = Chain(&error); "when the box joined its site is not noted");
        }
        Ok(member)
    }

    /// Keeps the link for as long as the daemon runs.
    pub(crate) async fn run(self: Arc<Self>) {
        smol::future::or(self.link(), self.note_age()).await;
    }

    async fn link(self: &Arc<Self>) {
        loop {
            // Whoever makes the box join or leave ends the loops of before.
            let moved = self.moved.wait();
            match (self.joined(), self.parts.url.clone()) {
                (Some(_), Some(_)) => smol::future::or(self.talk(), moved).await,
                (None, Some(url)) => smol::future::or(self.enrol(&url), moved).await,
                (_, None) => moved.await,
            }
        }
    }

    /// Writes down how old the copy of the directory is: a restart does not make it younger.
    async fn note_age(self: &Arc<Self>) {
        loop {
            Timer::after(NOTE_AGE).await;
            let centre = Arc::clone(self);
            let noted = smol::unblock(move || centre.parts.cache.tick(centre.now())).await;
            if let Err(error) = noted {
                log::warn!(err:% = Chain(&error); "the age of the directory's copy is not noted");
            }
        }
    }

    /// The site that the box is part of.
    pub(crate) fn site(&self) -> Option<SiteId> {
        self.joined().map(|joined| joined.member.site)
    }

    /// Whether the centre has taken the box out of its site: it has no copy of the directory then.
    fn is_revoked(&self) -> bool {
        self.joined().is_some_and(|joined| joined.member.revoked)
    }

    /// Whether the centre answered last.
    pub(crate) fn is_online(&self) -> bool {
        self.standing.facts().state == CentreState::Online
    }

    /// How the link stands.
    pub(crate) fn status(&self) -> CentreStatus {
        let now = self.parts.clock.now();
        let facts = self.standing.facts();
        let joined = self.joined();
        let member = joined.as_ref().map(|joined| &joined.member);
        let standing = self.parts.cache.standing(now);
        let head = self.parts.ledger.head().sequence;
        let site = member.map(|member| member.site);
        CentreStatus {
            url: self.parts.url.clone(),
            site,
            site_name: member.map(|member| member.site_name.clone()),
            state: facts.state,
            since_s: now.elapsed.saturating_sub(facts.since).as_secs(),
            code: facts.code.map(|code| code.to_string()),
            cache_age_s: standing
                .age
                .filter(|_| site.is_some())
                .map(|age| age.as_secs()),
            revision: standing.serving.revision,
            latest: facts.latest.max(standing.serving.revision),
            backlog: site.map_or(0, |site| head.saturating_sub(self.sent_upto(site))),
            clock_skew_ms: facts.skew_ms,
            certificate_until_unix_ms: member.map(|member| member.certificate.until_unix_ms),
            alerts: facts
                .alerts
                .iter()
                .map(|alert| alert.keyword().to_owned())
                .collect(),
            last_error: facts.last_error,
        }
    }

    /// What is degraded, one keyword each.
    pub(crate) fn modes(&self) -> Vec<String> {
        let facts = self.standing.facts();
        let link = match (facts.state, self.site()) {
            (CentreState::Revoked, _) => Some("revoked"),
            (CentreState::NotConfigured | CentreState::Online, _) => None,
            (_, None) => Some("not-enrolled"),
            (CentreState::Refused, _) => Some("refused-by-centre"),
            _ => Some("offline"),
        };
        let alerts = facts.alerts.iter().map(|alert| alert.keyword());
        link.into_iter().chain(alerts).map(str::to_owned).collect()
    }

    /// Everything between a box of a site and its centre; never ends.
    async fn talk(self: &Arc<Self>) {
        let both = smol::future::zip(self.pull_forever(), self.push_forever());
        let three = smol::future::zip(both, self.renew_forever());
        smol::future::zip(three, self.fetch_forever()).await;
    }

    /// From now on it knows when the box prints: bundles of releases stand still then.
    pub(crate) fn watch_printers(&self, releases: Arc<Releases>) {
        // The first ones stay: there are no others.
        let _ = self.printers.set(releases);
    }

    fn is_printing(&self) -> bool {
        let printers = self.printers.get();
        printers.is_some_and(|releases| releases.is_printing())
    }

    /// The centre served a question.
    fn served(self: &Arc<Self>) {
        self.standing.served(self.now());
        self.breaker().link_talks();
        if self.is_revoked() {
            self.note_revoked(false);
        }
    }

    /// The centre did not serve a question.
    fn failed(self: &Arc<Self>, error: &LineError) {
        self.standing.failed(error, self.now());
        self.breaker().link_lost();
        match error.refusal() {
            Some(RefusalCode::Revoked) if !self.is_revoked() => self.note_revoked(true),
            Some(RefusalCode::CertificateExpired) => self.renew_now.set(),
            _ => {}
        }
    }

    fn note_revoked(self: &Arc<Self>, revoked: bool) {
        let centre = Arc::clone(self);
        let note = move || {
            let changed = centre.change(|mut member| {
                member.revoked = revoked;
                member
            });
            if let Err(error) = changed.and_then(|()| centre.drop_copy_if_revoked()) {
                log::error!(err:% = Chain(&error); "the centre's word on this box is not kept");
            }
        };
        smol::unblock(note).detach();
        if revoked {
            log::error!("the centre has taken this box out of its site");
        }
    }

    /// The centre's clock, as heard now.
    async fn heard_clock(&self, centre_unix_ms: u64) {
        let Some(seconds) = self.standing.heard_clock(centre_unix_ms, self.now()) else {
            return;
        };
        let journaled = self
            .parts
            .ledger
            .append(Entry::ClockSkewed { seconds })
            .await;
        if let Err(error) = journaled {
            log::warn!(err:% = Chain(&error); "the clocks' difference is not journaled");
        }
    }

    /// The centre's clock now, as far as that is known; else the box's own.
    fn centre_now_unix_ms(&self) -> u64 {
        let skew_ms = self.standing.facts().skew_ms.unwrap_or_default();
        self.now().unix_ms.saturating_add_signed(skew_ms)
    }

    /// Takes leases and gives those back that the centre recalls.
    async fn take_leases(self: &Arc<Self>, news: LeaseNews) -> Result<(), CentreError> {
        if news.fresh.is_empty() && news.recalled.is_empty() {
            return Ok(());
        }
        let centre = Arc::clone(self);
        let take = move || {
            let _one = centre.changing();
            let site = centre.site().ok_or(CentreError::NoSite)?;
            // Leases of another generation came late, or are given again when the copy is there.
            let serving = centre.parts.cache.standing(centre.now()).serving.generation;
            if news.generation == serving && centre.leases_generation(site) == serving {
                centre.parts.purse.take(&news.fresh)?;
            }
            centre.parts.purse.close(&news.recalled);
            Ok(())
        };
        smol::unblock(take).await
    }

    fn now(&self) -> Moment {
        self.parts.clock.now()
    }

    fn joined(&self) -> Option<Arc<Joined>> {
        self.joined
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn put(&self, joined: Option<Arc<Joined>>) {
        *self.joined.write().unwrap_or_else(PoisonError::into_inner) = joined;
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Any bits, to spread the boxes of a site.
fn random() -> u64 {
    random_bytes().map_or(0, u64::from_le_bytes)
}
