// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One type per kind of id. None of them is a bare number or string in an interface.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A job, for ever: the key of its charge (UUID version 7, so ids sort by arrival).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

impl JobId {
    /// Makes an id from wall time and ten random bytes.
    #[must_use]
    pub fn from_parts(unix_ms: u64, random: &[u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(unix_ms, random).into_uuid())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The `job-id` that IPP clients see: 1 to 2³¹ − 1, unique on this box.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobNumber(pub u32);

impl fmt::Display for JobNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta] $name:ident)*) => { $(
        #[$doc]
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    )* };
}

uuid_id! {
    /// A user, stable over renames.
    UserId
    /// A group of users.
    GroupId
    /// A card, PIN, password, finger or code of a user.
    CredentialId
    /// A quota.
    QuotaId
    /// A slice of a quota that one box may spend.
    LeaseId
    /// A price list.
    PricesId
    /// A rule.
    RuleId
    /// A release of the box's image that a site has.
    ReleaseId
    /// A node server: the box's own UUID.
    NodeId
    /// A site: one central database and the boxes that belong to it.
    SiteId
}

/// Keyed hash of a card number: what is stored and compared instead of the number.
#[derive(Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CardKey(pub [u8; 32]);

/// Keyed hash of an owner's normalised name: finds a person's jobs without writing names down.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OwnerKey(pub [u8; 16]);

macro_rules! short_hex {
    ($name:ident) => {
        /// The first four bytes in hexadecimal: enough to tell two apart in a log.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0
                    .iter()
                    .take(4)
                    .try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({}…)"), self)
            }
        }
    };
}

impl AsRef<[u8]> for CardKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<&[u8]> for CardKey {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

short_hex!(CardKey);
short_hex!(OwnerKey);

/// The name of a target printer in the configuration, as in `ipp/push/<name>`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrinterName(pub String);

impl fmt::Display for PrinterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
