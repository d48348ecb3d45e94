// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tables of one copy: objects by kind and id, what finds them, and what is gone.

use platen_model::{
    CardKey, CredentialId, CredentialKind, CredentialRecord, OwnerKey, Record, RecordId, Revised,
    UserId, UserRecord,
};
use platen_store::{Database, DatabaseError, Keys, Table};
use uuid::Uuid;

use super::local::Finger;

const USER: u8 = b'u';
const CREDENTIAL: u8 = b'c';
const GROUP: u8 = b'g';
const QUOTA: u8 = b'q';
const PRICES: u8 = b'p';
const RULE: u8 = b'r';
const SETTINGS: u8 = b's';
/// Kinds that hold for everybody and are kept in memory.
const TERMS: [u8; 5] = [GROUP, QUOTA, PRICES, RULE, SETTINGS];

const BY_CARD: u8 = b'c';
const BY_CODE: u8 = b'o';
const BY_LOGIN: u8 = b'l';
const BY_ALIAS: u8 = b'a';
const BY_NUMBER: u8 = b'n';
const OF_USER: u8 = b'u';
const FINGERS: u8 = b'f';

/// What counts against which limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sort {
    User,
    Credential,
    Term,
}

/// The tables of one copy.
pub(crate) struct Tables {
    pub(crate) objects: Table<Revised>,
    pub(crate) finds: Table<Uuid>,
    /// Revision of the tombstone of an object: what a later page may not bring back.
    pub(crate) gone: Table<u64>,
}

/// A kind byte and an id: where an object is. `None` for kinds this program does not know.
pub(crate) fn place(id: RecordId) -> Option<(Sort, Vec<u8>)> {
    let (sort, kind, id) = match id {
        RecordId::User(id) => (Sort::User, USER, id.0),
        RecordId::Credential(id) => (Sort::Credential, CREDENTIAL, id.0),
        RecordId::Group(id) => (Sort::Term, GROUP, id.0),
        RecordId::Quota(id) => (Sort::Term, QUOTA, id.0),
        RecordId::Prices(id) => (Sort::Term, PRICES, id.0),
        RecordId::Rule(id) => (Sort::Term, RULE, id.0),
        RecordId::Settings => (Sort::Term, SETTINGS, Uuid::nil()),
        _ => return None,
    };
    Some((sort, tagged(kind, &[id.as_bytes()])))
}

fn tagged(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![tag];
    key.extend(parts.iter().copied().flatten());
    key
}

/// What finds an object, and what is found by it.
pub(crate) fn finds(record: &Record, keys: &Keys) -> Vec<(Vec<u8>, Uuid)> {
    match record {
        Record::User(user) => user_finds(user, keys),
        Record::Credential(credential) => credential_finds(credential),
        _ => Vec::new(),
    }
}

fn user_finds(user: &UserRecord, keys: &Keys) -> Vec<(Vec<u8>, Uuid)> {
    let login = tagged(BY_LOGIN, &[&keys.owner_key(&user.login).0]);
    let alias = |name: &String| tagged(BY_ALIAS, &[&keys.owner_key(name).0]);
    let number = user.number.iter().map(|number| number_place(number, keys));
    std::iter::once(login)
        .chain(user.aliases.iter().map(alias))
        .chain(number)
        .map(|key| (key, user.id.0))
        .collect()
}

fn credential_finds(credential: &CredentialRecord) -> Vec<(Vec<u8>, Uuid)> {
    let (user, id) = (credential.user.0, credential.id.0);
    let own = match &credential.kind {
        CredentialKind::Card { key, .. } => Some(tagged(BY_CARD, &[&key.0])),
        CredentialKind::Code { key } => Some(tagged(BY_CODE, &[&key.0])),
        CredentialKind::Finger { .. } => Some(tagged(FINGERS, &[id.as_bytes()])),
        _ => None,
    };
    let of_user = tagged(OF_USER, &[user.as_bytes(), id.as_bytes()]);
    own.into_iter()
        .chain(std::iter::once(of_user))
        .map(|key| (key, id))
        .collect()
}

/// Numbers are few: only their keyed hash stands in a key.
fn number_place(number: &str, keys: &Keys) -> Vec<u8> {
    let text = ["number ", number.trim()].concat();
    tagged(BY_NUMBER, &[&keys.card_key(text.as_bytes()).0])
}

pub(crate) fn card_place(card: CardKey) -> Vec<u8> {
    tagged(BY_CARD, &[&card.0])
}

impl Tables {
    pub(crate) fn open(
        database: &Database,
        [objects, finds, gone]: [&'static str; 3],
    ) -> Result<Self, DatabaseError> {
        Ok(Self {
            objects: database.table(objects)?,
            finds: database.table(finds)?,
            gone: database.table(gone)?,
        })
    }

    pub(crate) fn is_empty(&self) -> Result<bool, DatabaseError> {
        Ok(self.objects.is_empty()? && self.finds.is_empty()? && self.gone.is_empty()?)
    }

    pub(crate) fn clear(&self) -> Result<(), DatabaseError> {
        self.objects.clear()?;
        self.finds.clear()?;
        self.gone.clear()
    }

    pub(crate) fn terms(&self) -> impl Iterator<Item = Result<Record, DatabaseError>> {
        let kinds = TERMS.iter().map(|kind| self.objects.scan(&[*kind]));
        kinds
            .flatten()
            .map(|row| row.map(|(_, revised)| revised.record))
    }

    fn user(&self, id: Uuid) -> Result<Option<UserRecord>, DatabaseError> {
        let found = self.objects.get(&tagged(USER, &[id.as_bytes()]))?;
        Ok(found.and_then(|revised| match revised.record {
            Record::User(user) => Some(user),
            _ => None,
        }))
    }

    fn credential(&self, id: Uuid) -> Result<Option<(u64, CredentialRecord)>, DatabaseError> {
        let found = self.objects.get(&tagged(CREDENTIAL, &[id.as_bytes()]))?;
        Ok(found.and_then(|revised| match revised.record {
            Record::Credential(credential) => Some((revised.revision, credential)),
            _ => None,
        }))
    }

    pub(crate) fn fingers(&self, part: &str) -> Result<Vec<Finger>, DatabaseError> {
        let mut fingers = Vec::new();
        for row in self.finds.scan(&[FINGERS]) {
            let (_, id) = row?;
            let Some((_, credential)) = self.credential(id)? else {
                continue;
            };
            match credential.kind {
                CredentialKind::Finger { part: of, template } if of == part => {
                    fingers.push(Finger {
                        credential: credential.id,
                        user: credential.user,
                        template: template.into(),
                    });
                }
                _ => {}
            }
        }
        Ok(fingers)
    }
}

/// A copy, and the box's keys that find things in it.
#[derive(Clone, Copy)]
pub(crate) struct Copied<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) keys: &'a Keys,
}

impl Copied<'_> {
    fn find(&self, key: &[u8]) -> Result<Option<Uuid>, DatabaseError> {
        self.tables.finds.get(key)
    }

    pub(crate) fn user(&self, id: UserId) -> Result<Option<UserRecord>, DatabaseError> {
        self.tables.user(id.0)
    }

    fn user_by(&self, key: &[u8]) -> Result<Option<UserRecord>, DatabaseError> {
        match self.find(key)? {
            Some(id) => self.tables.user(id),
            None => Ok(None),
        }
    }

    pub(crate) fn by_login(&self, login: &str) -> Result<Option<UserRecord>, DatabaseError> {
        self.user_by(&tagged(BY_LOGIN, &[&self.keys.owner_key(login).0]))
    }

    /// By login name or, where that is nobody's, by alias.
    pub(crate) fn by_owner(&self, owner: OwnerKey) -> Result<Option<UserRecord>, DatabaseError> {
        match self.user_by(&tagged(BY_LOGIN, &[&owner.0]))? {
            Some(user) => Ok(Some(user)),
            None => self.user_by(&tagged(BY_ALIAS, &[&owner.0])),
        }
    }

    pub(crate) fn by_number(&self, number: &str) -> Result<Option<UserRecord>, DatabaseError> {
        self.user_by(&number_place(number, self.keys))
    }

    /// The credential of an id and whose it is; nothing when the person is gone.
    pub(crate) fn credential(
        &self,
        id: CredentialId,
    ) -> Result<Option<(UserRecord, CredentialRecord)>, DatabaseError> {
        let Some((_, credential)) = self.tables.credential(id.0)? else {
            return Ok(None);
        };
        let user = self.user(credential.user)?;
        Ok(user.map(|user| (user, credential)))
    }

    fn credential_by(
        &self,
        key: &[u8],
    ) -> Result<Option<(UserRecord, CredentialRecord)>, DatabaseError> {
        match self.find(key)? {
            Some(id) => self.credential(CredentialId(id)),
            None => Ok(None),
        }
    }

    pub(crate) fn by_card(
        &self,
        card: CardKey,
    ) -> Result<Option<(UserRecord, CredentialRecord)>, DatabaseError> {
        self.credential_by(&card_place(card))
    }

    pub(crate) fn by_code(
        &self,
        code: CardKey,
    ) -> Result<Option<(UserRecord, CredentialRecord)>, DatabaseError> {
        self.credential_by(&tagged(BY_CODE, &[&code.0]))
    }

    /// A person's credentials with their revisions.
    pub(crate) fn credentials(
        &self,
        user: UserId,
    ) -> Result<Vec<(u64, CredentialRecord)>, DatabaseError> {
        let mut found = Vec::new();
        for row in self
            .tables
            .finds
            .scan(&tagged(OF_USER, &[user.0.as_bytes()]))
        {
            let (_, id) = row?;
            found.extend(self.tables.credential(id)?);
        }
        Ok(found)
    }
}
