// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The copy as a login asks it.

use std::time::Duration;

use platen_model::{
    CardKey, CredentialId, CredentialKind, CredentialRecord, Denied, Moment, Settings, Source,
    UserId, UserRecord,
};

use super::Cache;
use crate::people::{self, BoundCard, Held, NewCard, People, Person, SecretKind, StoredSecret};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Cache {
    fn to_person(&self, user: UserRecord) -> Person {
        let names = std::iter::once(&user.login).chain(&user.aliases);
        let mut owner_keys: Vec<_> = names.map(|name| self.keys.owner_key(name)).collect();
        owner_keys.dedup();
        Person {
            id: user.id,
            owner_keys,
            login: user.login,
            name: user.name,
            groups: user.groups,
            active: user.active,
        }
    }

    fn to_held(&self, (user, credential): (UserRecord, CredentialRecord)) -> Held {
        let (with_pin, proved) = match credential.kind {
            CredentialKind::Card {
                with_pin, proved, ..
            } => (with_pin, proved),
            _ => (false, false),
        };
        Held {
            person: self.to_person(user),
            credential: Some(credential.id),
            with_pin,
            proved,
            until_unix_ms: credential.until_unix_ms,
            provisional: credential.provisional,
        }
    }

    /// A card bound here and still worth something.
    fn by_binding(&self, card: CardKey, now: Moment) -> Option<Held> {
        let bound = self.known(self.local.bound.get(&card.0)).flatten()?;
        if bound.is_over(self.wall_unix_ms(now)) {
            return None;
        }
        let user = self.look(|copy| copy.user(bound.credential.user))?;
        Some(self.to_held((user, bound.credential)))
    }
}

impl People for Cache {
    fn person(&self, id: UserId) -> Option<Person> {
        self.look(|copy| copy.user(id))
            .map(|user| self.to_person(user))
    }

    fn by_login(&self, login: &str) -> Option<Person> {
        let user = self.look(|copy| copy.by_login(login))?;
        Some(self.to_person(user))
    }

    fn by_number(&self, number: &str) -> Option<Person> {
        let user = self.look(|copy| copy.by_number(number))?;
        Some(self.to_person(user))
    }

    fn by_card(&self, card: CardKey, now: Moment) -> Option<Held> {
        let found = self.look(|copy| copy.by_card(card));
        found
            .map(|found| self.to_held(found))
            .or_else(|| self.by_binding(card, now))
    }

    fn by_code(&self, code: CardKey) -> Option<Held> {
        let found = self.look(|copy| copy.by_code(code))?;
        let used = self.known(self.local.is_used(found.1.id)).unwrap_or(true);
        (!used).then(|| self.to_held(found))
    }

    fn by_credential(&self, id: CredentialId) -> Option<Held> {
        self.look(|copy| copy.credential(id))
            .map(|found| self.to_held(found))
    }

    fn secret(&self, user: UserId, kind: SecretKind) -> Option<StoredSecret> {
        let credentials = self.look(|copy| copy.credentials(user).map(Some))?;
        let of_kind = credentials
            .into_iter()
            .filter_map(|(revision, credential)| {
                let hash = match (credential.kind, kind) {
                    (CredentialKind::Pin { hash }, SecretKind::Pin)
                    | (CredentialKind::Password { hash }, SecretKind::Password) => hash,
                    _ => return None,
                };
                let stored = StoredSecret {
                    credential: credential.id,
                    hash,
                    until_unix_ms: credential.until_unix_ms,
                };
                Some((revision, stored))
            });
        of_kind
            .max_by_key(|(revision, _)| *revision)
            .map(|(_, stored)| stored)
    }

    fn stand_in(&self, name: &str) -> CredentialId {
        people::stand_in(&self.keys, name)
    }

    fn settings(&self) -> Settings {
        self.read().terms.settings.clone()
    }

    fn binds_cards(&self) -> bool {
        true
    }

    fn wall_unix_ms(&self, now: Moment) -> u64 {
        let live = self.read();
        let centre = live
            .state
            .confirmed
            .map_or(0, |confirmed| confirmed.centre_unix_ms);
        let age = live.age.at(now).unwrap_or_default().as_millis();
        let least = centre.saturating_add(u64::try_from(age).unwrap_or(u64::MAX));
        now.unix_ms.max(least)
    }

    fn without_centre(&self, user: UserId, now: Moment) -> Result<Source, Denied> {
        let settings = self.settings();
        let age = self.age(now).ok_or(Denied::CacheTooOld)?;
        if settings.cache_days > 0 && age > DAY * settings.cache_days {
            return Err(Denied::CacheTooOld);
        }
        if settings.seen_days > 0 {
            let seen = self.known(self.local.last_seen(user)).flatten();
            let seen = seen.ok_or(Denied::NotSeenHere)?;
            let since = Duration::from_millis(self.wall_unix_ms(now).saturating_sub(seen));
            if since > DAY * settings.seen_days {
                return Err(Denied::NotSeenHere);
            }
        }
        Ok(Source::Cached {
            age_s: age.as_secs(),
        })
    }

    fn saw(&self, user: UserId, now: Moment) {
        self.known(self.local.saw(user, self.wall_unix_ms(now)));
    }

    fn use_code(&self, code: CredentialId, now: Moment) -> bool {
        self.known(self.local.use_code(code, self.wall_unix_ms(now)))
            .unwrap_or(false)
    }

    fn bind_card(&self, user: UserId, card: NewCard, now: Moment) -> Option<BoundCard> {
        let _writing = self.writing();
        let keys = self.keys();
        let unix_ms = self.wall_unix_ms(now);
        self.known(self.local.bind(user, card, keys, unix_ms))
            .flatten()
    }
}
