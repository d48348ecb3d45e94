// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who stands at the box, and how that is known.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{GroupId, OwnerKey, UserId};

/// Where an identity was decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Users imported on this box, which belongs to no site.
    Local,
    /// The centre was asked.
    Online,
    /// The box's copy of the centre's directory.
    Cached {
        /// Seconds since the centre last confirmed the copy.
        age_s: u64,
    },
}

/// How somebody proved who they are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Method {
    /// A card.
    Card,
    /// A card and the PIN.
    CardPin,
    /// The person's number and the PIN.
    Pin,
    /// Login name and password.
    Password,
    /// A finger.
    Finger,
    /// The phone, which read the code that the box showed (3.12).
    Phone,
    /// A one-time code.
    Code,
}

impl Method {
    /// Fixed keyword, for screens and logs.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::CardPin => "card-pin",
            Self::Pin => "pin",
            Self::Password => "password",
            Self::Finger => "finger",
            Self::Phone => "phone",
            Self::Code => "code",
        }
    }
}

/// A known person.
#[derive(Clone, Eq, PartialEq)]
pub struct Identity {
    /// The stable id.
    pub user: UserId,
    /// The login name, for screens; never for logs.
    pub name: String,
    /// Finds the person's jobs: the keyed hashes of the login name and its aliases.
    pub owner_keys: Vec<OwnerKey>,
    /// Groups the person is in.
    pub groups: Vec<GroupId>,
    /// Where this was decided.
    pub source: Source,
    /// Whether the credential waits for the centre's confirmation: worth less until then.
    pub provisional: bool,
}

/// Without the name.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("source", &self.source)
            .field("provisional", &self.provisional)
            .finish_non_exhaustive()
    }
}

/// Why nobody was recognised.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Denied {
    /// No user has this card.
    UnknownCard,
    /// The user exists but may not log in.
    UserDisabled,
    /// The card can't prove that it is genuine, which is asked of it.
    WeakCard,
    /// No user has this finger.
    UnknownFinger,
    /// No such login name or number, or the wrong PIN or password: which of them is not told.
    WrongSecret,
    /// Too many wrong tries: the credential or the box waits.
    LockedOut,
    /// The code is unknown, used or too old.
    BadCode,
    /// The box has not heard from the centre for too long.
    CacheTooOld,
    /// Not seen at this box lately, which is asked while the centre can't be reached.
    NotSeenHere,
    /// The credential's time is over.
    Expired,
    /// The person did not answer in time, or gave up.
    GaveUp,
    /// Too many logins at once, or too many wrong tries by whomever: nothing was compared, and in a
    /// minute it may be.
    Busy,
    /// The card wants the PIN besides, which can't be typed there.
    NoPad,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_shows_who_without_the_name() {
        let identity = Identity {
            user: UserId(uuid::Uuid::from_u128(7)),
            name: "ann.example".to_owned(),
            owner_keys: vec![OwnerKey([0xAB; 16])],
            groups: Vec::new(),
            source: Source::Local,
            provisional: false,
        };
        let shown = format!("{identity:?}");
        assert!(!shown.contains("ann"), "{shown}");
        assert!(shown.contains("00000007"), "{shown}");
    }
}
