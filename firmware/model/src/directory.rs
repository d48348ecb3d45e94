// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the centre tells a box, one record an object: people, how they prove who they are, what
//! they may do. The centre keeps them, boxes hold signed copies.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::account::{Prices, Quota};
use crate::ids::{
    CardKey, CredentialId, GroupId, NodeId, PricesId, QuotaId, RuleId, SiteId, UserId,
};

/// A person.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize)]
pub struct UserRecord {
    /// The stable id.
    pub id: UserId,
    /// The login name.
    pub login: String,
    /// The name for people; empty when there is none.
    pub name: String,
    /// Other names this person prints under.
    pub aliases: Vec<String>,
    /// What the person types at a PIN pad before the PIN: 1 to 12 digits, unique on the site.
    pub number: Option<String>,
    /// Groups the person is in.
    pub groups: Vec<GroupId>,
    /// Whether the person may log in.
    pub active: bool,
}

/// A group of people.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct GroupRecord {
    /// The stable id.
    pub id: GroupId,
    /// Its name.
    pub name: String,
}

/// Something by which a person proves who they are.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize)]
pub struct CredentialRecord {
    /// The stable id: tries are counted by it.
    pub id: CredentialId,
    /// Whose it is.
    pub user: UserId,
    /// What it is.
    pub kind: CredentialKind,
    /// Wall milliseconds since 1970 after which it is worth nothing.
    pub until_unix_ms: Option<u64>,
    /// Bound at a box while the centre could not be asked: worth less until the centre confirms.
    #[serde(default)]
    pub provisional: bool,
}

/// What a credential is. Cards and codes are keyed hashes (site key), secrets are Argon2id hashes in
/// PHC form; a template is sealed wherever it rests.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CredentialKind {
    /// A card.
    Card {
        /// Keyed hash of its number.
        #[serde(with = "crate::bytes")]
        key: CardKey,
        /// Whether the person's PIN is asked as well.
        with_pin: bool,
        /// Whether it proved its number when it was enrolled: a copy that can't is refused then.
        proved: bool,
    },
    /// A PIN of 4 to 12 digits.
    Pin {
        /// Argon2id, PHC string.
        hash: String,
    },
    /// A password.
    Password {
        /// Argon2id, PHC string.
        hash: String,
    },
    /// A finger.
    Finger {
        /// Sensor family whose templates these are, such as `bmlite`.
        part: String,
        /// The template, as the sensor gave it.
        #[serde(with = "crate::bytes")]
        template: Vec<u8>,
    },
    /// A one-time code, good for one login or for binding one card.
    Code {
        /// Keyed hash of the code.
        #[serde(with = "crate::bytes")]
        key: CardKey,
    },
}

/// What a site decides for all its boxes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Days without the centre after which a box lets nobody in from its cache; 0: never.
    pub cache_days: u32,
    /// Days within which somebody must have been seen at the box to get in from its cache; 0: no such rule.
    pub seen_days: u32,
    /// Wrong PINs or passwords after which a credential is locked.
    pub tries: u32,
    /// Minutes that it stays locked.
    pub locked_minutes: u32,
    /// Whether people may bind an unknown card to themselves with PIN, password or code.
    pub self_enrolment: bool,
    /// Whether a release is refused when the journal takes nothing; else the job prints unrecorded.
    pub journal_required: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cache_days: 30,
            seen_days: 0,
            tries: 5,
            locked_minutes: 15,
            self_enrolment: true,
            journal_required: true,
        }
    }
}

/// A rule, in its readable form (`docs/manual/rules.md`). Boxes without a rule allow.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct RuleRecord {
    /// The stable id.
    pub id: RuleId,
    /// Rules are asked in rising order; the first that fits decides.
    pub order: u32,
    /// The rule, such as `deny color for group:pupils at printer:hall`.
    pub text: String,
}

/// One object of the directory.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Record {
    /// A person.
    User(UserRecord),
    /// A group.
    Group(GroupRecord),
    /// A credential.
    Credential(CredentialRecord),
    /// A quota.
    Quota(Quota),
    /// A price list.
    Prices(Prices),
    /// A rule.
    Rule(RuleRecord),
    /// What the site decides for its boxes.
    Settings(Settings),
}

/// Which object a record is about.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum RecordId {
    /// A person.
    User(UserId),
    /// A group.
    Group(GroupId),
    /// A credential.
    Credential(CredentialId),
    /// A quota.
    Quota(QuotaId),
    /// A price list.
    Prices(PricesId),
    /// A rule.
    Rule(RuleId),
    /// The settings, of which there is one record.
    Settings,
}

impl Record {
    /// Which object it is about.
    #[must_use]
    pub fn id(&self) -> RecordId {
        match self {
            Self::User(user) => RecordId::User(user.id),
            Self::Group(group) => RecordId::Group(group.id),
            Self::Credential(credential) => RecordId::Credential(credential.id),
            Self::Quota(quota) => RecordId::Quota(quota.id),
            Self::Prices(prices) => RecordId::Prices(prices.id),
            Self::Rule(rule) => RecordId::Rule(rule.id),
            Self::Settings(_) => RecordId::Settings,
        }
    }
}

/// A record with the place of its last change in the site's one order of changes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Revised {
    /// Counts up over all objects of the site, without two the same.
    pub revision: u64,
    /// The object.
    pub record: Record,
}

/// An object that is gone, or a person or credential that is worth nothing any more. Beats every
/// record of the object with a lower revision.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Tombstone {
    /// When, in the site's one order of changes.
    pub revision: u64,
    /// What is gone.
    pub id: RecordId,
}

/// A page of the directory: everything that changed after `from`, up to `to`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Changes {
    /// Whose directory.
    pub site: SiteId,
    /// The box it was made for: another box does not believe it.
    pub node: NodeId,
    /// Counts up when the whole directory is to be fetched anew: after a backup was put back, or
    /// when card hashes have a new key.
    pub generation: u64,
    /// Keys behind the card hashes here: how many of the site's keys.
    pub keys: u32,
    /// The centre's clock.
    pub at_unix_ms: u64,
    /// The revision before the first one here.
    pub from: u64,
    /// The last revision here.
    pub to: u64,
    /// The highest revision there is: more pages follow while `to` is below it.
    pub latest: u64,
    /// Everything that lost its worth after `from`, up to `latest`: first of all, in the first page.
    pub tombstones: Vec<Tombstone>,
    /// Objects whose last change is in this page, in order of revision.
    pub records: Vec<Revised>,
}

// Names, hashes and templates are for no log.
impl fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserRecord({}, active: {})", self.id, self.active)
    }
}

impl fmt::Debug for CredentialRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialRecord({}, {:?})", self.id, self.kind)
    }
}

impl fmt::Debug for CredentialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Card { .. } => "Card",
            Self::Pin { .. } => "Pin",
            Self::Password { .. } => "Password",
            Self::Finger { .. } => "Finger",
            Self::Code { .. } => "Code",
        })
    }
}
