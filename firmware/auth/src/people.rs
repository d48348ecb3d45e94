// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a login asks of whoever knows the people: the box's own [`Directory`](crate::Directory) where
//! there is no site, the [`Cache`](crate::Cache) of the centre's directory where there is one. A
//! session runs over either, so that there is one way in.

use std::fmt;

use platen_model::{
    CardKey, CredentialId, CredentialRecord, Denied, GroupId, Identity, Moment, OwnerKey, Settings,
    Source, UserId,
};
use platen_store::Keys;
use uuid::Builder;

/// A person, as far as a login needs to know.
#[derive(Clone, Eq, PartialEq)]
pub struct Person {
    /// The stable id.
    pub id: UserId,
    /// The login name.
    pub login: String,
    /// The name for people; empty when there is none.
    pub name: String,
    /// Groups the person is in.
    pub groups: Vec<GroupId>,
    /// Keyed hashes of the login name, then of every alias.
    pub owner_keys: Vec<OwnerKey>,
    /// Whether the person may log in.
    pub active: bool,
}

impl Person {
    /// What to call the person on a screen: the name, or else the login name.
    #[must_use]
    pub fn shown(&self) -> &str {
        if self.name.is_empty() {
            &self.login
        } else {
            &self.name
        }
    }

    /// The person, recognised.
    #[must_use]
    pub fn identity(self, source: Source, provisional: bool) -> Identity {
        Identity {
            user: self.id,
            name: self.login,
            owner_keys: self.owner_keys,
            groups: self.groups,
            source,
            provisional,
        }
    }
}

// Names are for no log.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Person({}, active: {})", self.id, self.active)
    }
}

/// A person found by something they hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Held {
    /// Who.
    pub person: Person,
    /// The credential; `None` for cards of a box without a site, which have no ids.
    pub credential: Option<CredentialId>,
    /// Whether the PIN is asked as well.
    pub with_pin: bool,
    /// Whether the card proved its number when it was enrolled.
    pub proved: bool,
    /// Wall milliseconds since 1970 after which it is worth nothing.
    pub until_unix_ms: Option<u64>,
    /// Bound at a box and not yet confirmed by the centre.
    pub provisional: bool,
}

/// A PIN or password of a person, to compare with.
#[derive(Clone, Eq, PartialEq)]
pub struct StoredSecret {
    /// Tries are counted by it.
    pub credential: CredentialId,
    /// Argon2id, PHC string.
    pub hash: String,
    /// Wall milliseconds since 1970 after which it is worth nothing.
    pub until_unix_ms: Option<u64>,
}

impl fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredSecret({})", self.credential)
    }
}

/// Which of a person's secrets is meant.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SecretKind {
    /// The PIN.
    Pin,
    /// The password.
    Password,
}

/// A card held to the box by somebody who wants it to be theirs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NewCard {
    /// Keyed hash of its number.
    pub key: CardKey,
    /// Whether it proved its number.
    pub proved: bool,
}

/// A card was bound.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BoundCard {
    /// The credential, provisional.
    pub credential: CredentialRecord,
    /// How many of the site's keys are behind the card's hash.
    pub keys: u32,
}

/// The same id for the same name, which is no real credential's.
pub(crate) fn stand_in(keys: &Keys, name: &str) -> CredentialId {
    CredentialId(Builder::from_custom_bytes(keys.owner_key(name).0).into_uuid())
}

/// Whoever knows the people of this box. Questions take microseconds and never fail: what can't be
/// read is logged and not known. What changes something blocks on the disk.
pub trait People: Send + Sync {
    /// The person of an id.
    fn person(&self, id: UserId) -> Option<Person>;

    /// The person of a login name, compared as [`platen_store::normalise_owner`] has it.
    fn by_login(&self, login: &str) -> Option<Person>;

    /// The person of a number.
    fn by_number(&self, number: &str) -> Option<Person>;

    /// Whose card this is.
    fn by_card(&self, card: CardKey, now: Moment) -> Option<Held>;

    /// Whose one-time code this is; `None` also for one that was used.
    fn by_code(&self, code: CardKey) -> Option<Held>;

    /// Whose credential this is, such as a finger.
    fn by_credential(&self, id: CredentialId) -> Option<Held>;

    /// The person's PIN or password, the one changed last if there are several.
    fn secret(&self, user: UserId, kind: SecretKind) -> Option<StoredSecret>;

    /// An id to count tries by for a name or number of nobody: the same for the same one, so that
    /// nobody can tell by the lockout whether there is such a person.
    fn stand_in(&self, name: &str) -> CredentialId;

    /// What the site decided.
    fn settings(&self) -> Settings;

    /// Whether cards can be bound here: only where there is a site.
    fn binds_cards(&self) -> bool;

    /// The best guess at wall milliseconds since 1970, never before what the centre last said.
    fn wall_unix_ms(&self, now: Moment) -> u64;

    /// Whether the person may be let in without the centre's word.
    ///
    /// # Errors
    /// [`Denied::CacheTooOld`], [`Denied::NotSeenHere`].
    fn without_centre(&self, user: UserId, now: Moment) -> Result<Source, Denied>;

    /// The person was let in here.
    fn saw(&self, user: UserId, now: Moment);

    /// Uses a one-time code up, durably: true once, and never again. Blocks on the disk.
    fn use_code(&self, code: CredentialId, now: Moment) -> bool;

    /// Binds a card to a person until the centre confirms it, durably; `None` when there are too
    /// many such cards, or it could not be written. Blocks on the disk.
    fn bind_card(&self, user: UserId, card: NewCard, now: Moment) -> Option<BoundCard>;
}
