// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is kept of a user.

use std::fmt;

use platen_model::{CardKey, OwnerKey, UserId};
use platen_store::Keys;
use serde::{Deserialize, Serialize};
use uuid::Builder;

use crate::people::Person;

/// Bytes of a login name, an alias or a display name, at most.
pub const NAME_BYTES_MAX: usize = 255;
/// Aliases of one user, at most.
pub const ALIASES_MAX: usize = 16;
/// Cards of one user, at most.
pub const CARDS_MAX: usize = 16;
/// Users of one box, at most.
pub const USERS_MAX: usize = 100_000;

/// A user of this box.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The stable id.
    pub id: UserId,
    /// The login name as first imported.
    pub login: String,
    /// The name for people; empty when none was given.
    pub name: String,
    /// Other names this person prints under.
    pub aliases: Vec<String>,
    /// Whether the user may log in.
    pub active: bool,
    /// Keyed hashes of the user's cards, in order.
    #[serde(with = "card_bytes")]
    pub cards: Vec<CardKey>,
}

/// Without names and cards.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({})", self.id)
    }
}

impl User {
    /// A new user without anything but a login name, whose key is `login_key`.
    pub(crate) fn new(login: String, login_key: OwnerKey) -> Self {
        Self {
            id: id_of(login_key),
            login,
            name: String::new(),
            aliases: Vec::new(),
            active: true,
            cards: Vec::new(),
        }
    }

    /// Keys of everything this person prints under, the login name first.
    pub(crate) fn owner_keys(&self, keys: &Keys) -> Vec<OwnerKey> {
        let names = std::iter::once(&self.login).chain(&self.aliases);
        let mut owner_keys: Vec<OwnerKey> = names.map(|name| keys.owner_key(name)).collect();
        owner_keys.dedup();
        owner_keys
    }

    /// This user, as a login asks.
    pub(crate) fn person(self, keys: &Keys) -> Person {
        Person {
            id: self.id,
            owner_keys: self.owner_keys(keys),
            login: self.login,
            name: self.name,
            groups: Vec::new(),
            active: self.active,
        }
    }
}

/// The id follows from the login name and the box's key, so that importing the same people into an
/// emptied directory gives the ids that the ledger already names.
fn id_of(login_key: OwnerKey) -> UserId {
    UserId(Builder::from_custom_bytes(login_key.0).into_uuid())
}

/// Cards as one byte string: half the size of lists of numbers.
mod card_bytes {
    use std::fmt;

    use platen_model::CardKey;
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        cards: &[CardKey],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = cards.iter().flat_map(|card| card.0).collect();
        serializer.serialize_bytes(&bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<CardKey>, D::Error> {
        deserializer.deserialize_byte_buf(Cards)
    }

    struct Cards;

    impl Visitor<'_> for Cards {
        type Value = Vec<CardKey>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("card keys of 32 bytes each")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
            let (cards, rest) = bytes.as_chunks::<32>();
            if !rest.is_empty() {
                return Err(E::invalid_length(bytes.len(), &self));
            }
            Ok(cards.iter().map(|card| CardKey(*card)).collect())
        }
    }
}
