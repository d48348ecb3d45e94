// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who may log in at this box, and by which rules jobs are released: the copy of the centre's directory
//! on a box of a site, the box's own users on one of none. A box may join a site while it runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use platen_auth::people::{BoundCard, NewCard, SecretKind, StoredSecret};
use platen_auth::{Cache, Directory, Held, People, Person, Terms};
use platen_model::{
    CardKey, CredentialId, Denied, Identity, Job, Moment, Settings, Source, UserId,
};
use platen_policy::SiteRules;

use crate::release::{Site, SiteTerms};

/// The people of this box.
pub(crate) struct Residents {
    directory: Arc<Directory>,
    cache: Arc<Cache>,
    /// Whether the box is part of a site, also one that has sent no page yet or has revoked the box:
    /// the box's own users are nobody then.
    members: AtomicBool,
    /// Whether the link to the centre stands.
    link: OnceLock<Box<dyn Fn() -> bool + Send + Sync>>,
    /// What the copy's terms came to when they were last read.
    read: Mutex<Option<(Arc<Terms>, Arc<SiteTerms>)>>,
}

impl Residents {
    pub(crate) fn new(directory: Arc<Directory>, cache: Arc<Cache>) -> Self {
        Self {
            directory,
            cache,
            members: AtomicBool::default(),
            link: OnceLock::new(),
            read: Mutex::default(),
        }
    }

    /// The box became part of a site, or of none.
    pub(crate) fn become_members(&self, members: bool) {
        self.members.store(members, Ordering::Release);
    }

    /// Names whoever knows whether the link to the centre stands; until then it does not. Once.
    pub(crate) fn watch_link(&self, stands: impl Fn() -> bool + Send + Sync + 'static) {
        if self.link.set(Box::new(stands)).is_err() {
            log::error!("the link is watched already");
        }
    }

    /// Whether the box is part of a site: only then does anybody have a PIN, a password or a code.
    pub(crate) fn are_members(&self) -> bool {
        self.members.load(Ordering::Acquire) || self.cache.site().is_some()
    }

    fn now(&self) -> &dyn People {
        match self.are_members() {
            true => &*self.cache,
            false => &*self.directory,
        }
    }
}

impl Site for Residents {
    fn terms(&self) -> Arc<SiteTerms> {
        let terms = self.cache.terms();
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, known)) = &*read
            && Arc::ptr_eq(of, &terms)
        {
            return Arc::clone(known);
        }
        let (rules, faults) = SiteRules::read(&terms.rules);
        for (rule, error) in faults {
            // What is wrong quotes the rule, which may name somebody.
            let (line, column) = (error.line, error.column);
            log::warn!(rule:%, line, column; "a rule is of a later version and is passed over");
        }
        let known = Arc::new(SiteTerms {
            groups: terms.groups.clone(),
            quotas: terms.quotas.clone(),
            prices: terms.prices.clone(),
            rules,
            settings: terms.settings.clone(),
        });
        *read = Some((terms, Arc::clone(&known)));
        known
    }

    fn has_terms(&self) -> bool {
        !self.are_members() || self.cache.serves()
    }

    fn source(&self) -> Source {
        match (self.are_members(), self.link.get()) {
            (false, _) => Source::Local,
            (true, Some(stands)) if stands() => Source::Online,
            (true, _) => Source::Cached { age_s: 0 },
        }
    }

    fn owner_of(&self, job: &Job) -> Option<Identity> {
        let people = self.now();
        let by_alias = || people.person(self.cache.owner(job.owner.key)?);
        let person = people.by_login(&job.owner.name).or_else(by_alias)?;
        person.active.then(|| person.identity(self.source(), false))
    }
}

impl People for Residents {
    fn person(&self, id: UserId) -> Option<Person> {
        self.now().person(id)
    }

    fn by_login(&self, login: &str) -> Option<Person> {
        self.now().by_login(login)
    }

    fn by_number(&self, number: &str) -> Option<Person> {
        self.now().by_number(number)
    }

    fn by_card(&self, card: CardKey, now: Moment) -> Option<Held> {
        self.now().by_card(card, now)
    }

    fn by_code(&self, code: CardKey) -> Option<Held> {
        self.now().by_code(code)
    }

    fn by_credential(&self, id: CredentialId) -> Option<Held> {
        self.now().by_credential(id)
    }

    fn secret(&self, user: UserId, kind: SecretKind) -> Option<StoredSecret> {
        self.now().secret(user, kind)
    }

    fn stand_in(&self, name: &str) -> CredentialId {
        self.now().stand_in(name)
    }

    fn settings(&self) -> Settings {
        self.now().settings()
    }

    fn binds_cards(&self) -> bool {
        self.now().binds_cards()
    }

    fn wall_unix_ms(&self, now: Moment) -> u64 {
        self.now().wall_unix_ms(now)
    }

    fn without_centre(&self, user: UserId, now: Moment) -> Result<Source, Denied> {
        self.now().without_centre(user, now)
    }

    fn saw(&self, user: UserId, now: Moment) {
        self.now().saw(user, now);
    }

    fn use_code(&self, code: CredentialId, now: Moment) -> bool {
        self.now().use_code(code, now)
    }

    fn bind_card(&self, user: UserId, card: NewCard, now: Moment) -> Option<BoundCard> {
        self.now().bind_card(user, card, now)
    }
}

#[cfg(test)]
mod tests {
    use platen_model::{Clock as _, ManualClock};
    use platen_store::{Database, Disk, Keys, SimDisk};

    use super::*;

    /// Push jobs had the same source whatever the link did, so `deny … when offline` stopped all of them;
    /// and a new member without a copy let everything print.
    #[test]
    fn push_jobs_are_known_as_the_link_stands_and_no_terms_hold_before_a_copy_is_whole() {
        let index = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(3));
        let keys = Arc::new(Keys::open(&*disk).unwrap());
        let (database, _) = Database::open(&index.path().join("database"), &keys).unwrap();
        let now = ManualClock::at(1_800_000_000_000).now();
        let directory = Directory::open(disk, Arc::clone(&keys), &database).unwrap();
        let cache = Cache::open(keys, &database, now).unwrap();
        let people = Residents::new(Arc::new(directory), Arc::new(cache));
        assert!(people.has_terms());
        assert_eq!(people.source(), Source::Local);
        people.become_members(true);
        assert!(!people.has_terms());
        assert!(matches!(people.source(), Source::Cached { .. }));
        let stands = Arc::new(AtomicBool::new(true));
        let link = Arc::clone(&stands);
        people.watch_link(move || link.load(Ordering::Relaxed));
        assert_eq!(people.source(), Source::Online);
        stands.store(false, Ordering::Relaxed);
        assert!(matches!(people.source(), Source::Cached { .. }));
        people.become_members(false);
        assert!(people.has_terms());
    }
}
