// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who stands at the box, and how that is known.

use serde::{Deserialize, Serialize};

use crate::ids::{CardKey, OwnerKey, UserId};

/// What somebody presented at the box. Card numbers arrive here only as keyed hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Presented {
    /// A card was held to the reader.
    Card(CardKey),
}

/// Where an identity was decided.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Users imported on this box.
    Local,
}

/// A known person.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The stable id.
    pub user: UserId,
    /// The login name, for screens; never for logs.
    pub name: String,
    /// Finds the person's jobs: the keyed hashes of the login name and its aliases.
    pub owner_keys: Vec<OwnerKey>,
    /// Where this was decided.
    pub source: Source,
}

/// Why nobody was recognised.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Denied {
    /// No user has this card.
    UnknownCard,
    /// The user exists but may not log in.
    UserDisabled,
    /// The card can't prove that it is genuine, which this box asks of cards.
    WeakCard,
    /// No user has this finger.
    UnknownFinger,
}
