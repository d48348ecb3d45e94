// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a login at the page rests on, looked at again with each request: people are taken out of
//! groups, lose or change their PIN, and the centre comes and goes while they are logged in.

use platen_auth::People;
use platen_auth::people::SecretKind;
use platen_auth::session::LoggedIn;
use platen_model::{CredentialId, Identity, Method, Moment, Source};
use ring::digest::{SHA256, digest};

use super::sessions::Person;

/// The credential that somebody logged in by, as the box's copy has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ground {
    credential: CredentialId,
    /// SHA-256 of its stored hash: a PIN that is changed keeps its id.
    secret: Option<[u8; 32]>,
}

impl Ground {
    /// `None` when the copy has it not, or not any more, or it has run out; and for one-time codes,
    /// which are gone once they are used.
    pub(super) fn of(people: &dyn People, login: &LoggedIn, now: Moment) -> Option<Self> {
        let kind = match login.method {
            Method::Code => return None,
            Method::Pin => Some(SecretKind::Pin),
            Method::Password => Some(SecretKind::Password),
            _ => None,
        };
        let credential = login.credential?;
        let held = people.by_credential(credential)?;
        let has_run_out = |until| until < people.wall_unix_ms(now);
        if held.person.id != login.identity.user || held.until_unix_ms.is_some_and(has_run_out) {
            return None;
        }
        let stored = kind.and_then(|kind| people.secret(login.identity.user, kind));
        let secret = stored
            .filter(|stored| stored.credential == credential)
            .map(|stored| {
                let mut hash = [0; 32];
                hash.copy_from_slice(digest(&SHA256, stored.hash.as_bytes()).as_ref());
                hash
            });
        Some(Self { credential, secret })
    }
}

/// Who somebody is now who logged in a while ago, and what that rests on now; `None` when they would
/// not be let in any more.
pub(super) fn again(
    people: &dyn People,
    centre_is_up: bool,
    person: &Person,
    now: Moment,
) -> Option<(Identity, Option<Ground>)> {
    let before = &person.login.identity;
    let known = people.person(before.user).filter(|known| known.active)?;
    let source = match centre_is_up {
        true => Source::Online,
        false => people.without_centre(known.id, now).ok()?,
    };
    let ground = Ground::of(people, &person.login, now);
    if person.ground.is_some() && person.ground != ground {
        return None;
    }
    Some((known.identity(source, before.provisional), ground))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use platen_auth::{Cache, Secret, secret};
    use platen_model::{
        Changes, Clock, CredentialKind, CredentialRecord, GroupId, ManualClock, NodeId, Record,
        RecordId, Revised, SiteId, Tombstone, UserId, UserRecord,
    };
    use platen_store::{Database, Keys, SimDisk};
    use uuid::Uuid;

    use super::*;

    const ADA: UserId = UserId(Uuid::from_u128(1));
    const PIN: CredentialId = CredentialId(Uuid::from_u128(2));
    const STAFF: GroupId = GroupId(Uuid::from_u128(3));

    /// A copy of the directory that changes while somebody is logged in.
    struct Copy {
        cache: Cache,
        clock: ManualClock,
        node: NodeId,
        revision: u64,
        _folder: tempfile::TempDir,
    }

    impl Copy {
        fn new() -> Self {
            let keys = Arc::new(Keys::open(&SimDisk::new(1)).unwrap());
            let folder = tempfile::tempdir().unwrap();
            let (database, _) = Database::open(&folder.path().join("database"), &keys).unwrap();
            let clock = ManualClock::at(1_800_000_000_000);
            let node = NodeId(keys.box_uuid());
            let cache = Cache::open(keys, &database, clock.now()).unwrap();
            let mut copy = Self {
                cache,
                clock,
                node,
                revision: 0,
                _folder: folder,
            };
            copy.change(vec![user(vec![STAFF], true), pin("481516", None)], &[]);
            copy
        }

        fn change(&mut self, records: Vec<Record>, gone: &[RecordId]) {
            let from = self.revision;
            let tombstone = |(revision, id): (u64, &RecordId)| Tombstone { revision, id: *id };
            let tombstones: Vec<_> = (from + 1..).zip(gone).map(tombstone).collect();
            let from_records = from + tombstones.len() as u64;
            let revised = |(revision, record)| Revised { revision, record };
            let records: Vec<_> = (from_records + 1..).zip(records).map(revised).collect();
            self.revision = from_records + records.len() as u64;
            let changes = Changes {
                site: SiteId(Uuid::from_u128(9)),
                node: self.node,
                generation: 1,
                keys: 1,
                at_unix_ms: self.clock.now().unix_ms,
                from,
                to: self.revision,
                latest: self.revision,
                tombstones,
                records,
            };
            self.cache.apply(&changes, self.clock.now()).unwrap();
        }

        /// Ada, who logged in just now, by her PIN.
        fn logged_in(&self) -> Person {
            let login = LoggedIn {
                identity: self
                    .cache
                    .person(ADA)
                    .unwrap()
                    .identity(Source::Online, false),
                method: Method::Pin,
                credential: Some(PIN),
                bound: false,
            };
            Person {
                ground: Ground::of(&self.cache, &login, self.clock.now()),
                login,
                notes: Arc::default(),
                left: Duration::ZERO,
            }
        }

        fn again(&self, person: &Person, centre_is_up: bool) -> Option<Identity> {
            let now = self.clock.now();
            again(&self.cache, centre_is_up, person, now).map(|(identity, _)| identity)
        }
    }

    fn user(groups: Vec<GroupId>, active: bool) -> Record {
        Record::User(UserRecord {
            id: ADA,
            login: "ada".to_owned(),
            name: String::new(),
            aliases: Vec::new(),
            number: None,
            groups,
            active,
        })
    }

    fn pin(digits: &str, until_unix_ms: Option<u64>) -> Record {
        let hash = secret::hash(&Secret::new(digits.to_owned())).unwrap();
        Record::Credential(CredentialRecord {
            id: PIN,
            user: ADA,
            kind: CredentialKind::Pin { hash },
            until_unix_ms,
            provisional: false,
        })
    }

    #[test]
    fn rules_go_by_the_groups_and_the_link_of_now() {
        let mut copy = Copy::new();
        let ada = copy.logged_in();
        let now = copy.again(&ada, true).unwrap();
        assert_eq!((now.groups, now.source), (vec![STAFF], Source::Online));
        copy.change(vec![user(Vec::new(), true)], &[]);
        let now = copy.again(&ada, false).unwrap();
        assert_eq!(now.groups, []);
        assert_eq!(now.source, Source::Cached { age_s: 0 });
    }

    #[test]
    fn a_session_ends_with_its_person_and_with_the_credential_it_rests_on() {
        let ends = |records: Vec<Record>, gone: &[RecordId]| {
            let mut copy = Copy::new();
            let ada = copy.logged_in();
            copy.change(records, gone);
            copy.again(&ada, true).is_none()
        };
        assert!(!ends(vec![user(vec![STAFF], true)], &[]));
        assert!(ends(vec![user(vec![STAFF], false)], &[]), "switched off");
        assert!(ends(Vec::new(), &[RecordId::Credential(PIN)]), "taken away");
        assert!(ends(vec![pin("108108", None)], &[]), "changed");
        assert!(ends(vec![pin("481516", Some(1))], &[]), "run out");
    }

    #[test]
    fn a_code_is_used_up_and_a_login_that_the_copy_does_not_know_yet_waits_for_it() {
        let mut copy = Copy::new();
        let mut ada = copy.logged_in();
        ada.login.method = Method::Code;
        ada.ground = Ground::of(&copy.cache, &ada.login, copy.clock.now());
        copy.change(Vec::new(), &[RecordId::Credential(PIN)]);
        assert!(copy.again(&ada, true).is_some());
        // The centre gave a PIN a moment ago and let its owner in.
        ada.login.method = Method::Pin;
        let now = copy.clock.now();
        let (_, ground) = again(&copy.cache, true, &ada, now).unwrap();
        assert_eq!(ground, None);
        copy.change(vec![pin("481516", None)], &[]);
        let (_, ground) = again(&copy.cache, true, &ada, now).unwrap();
        assert!(ground.is_some_and(|ground| ground.credential == PIN));
    }
}
