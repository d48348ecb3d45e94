// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keys that parts need: those with which cards prove themselves, and those of a reader's secure
//! channel. They come from the daemon's sealed store and never from the board file.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroizing;

/// Bytes of an AES-128 key.
const KEY_BYTES: usize = 16;

/// An AES-128 key. `Debug` hides it, and it is wiped when dropped.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Zeroizing<[u8; KEY_BYTES]>);

impl Secret {
    /// Takes the key.
    #[must_use]
    pub fn new(key: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// The key.
    #[must_use]
    pub fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Everything that the parts of a box are told in confidence.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DeviceSecrets {
    /// How DESFire cards prove themselves.
    pub desfire: Option<DesfireSecret>,
    /// How NTAG 424 cards prove themselves.
    pub ntag424: Option<Ntag424Secret>,
    /// Keys of OSDP readers' secure channels (SCBK), by the readers' names.
    pub osdp: BTreeMap<String, Secret>,
}

/// The application and key of the site's DESFire cards.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DesfireSecret {
    /// Application, as in the card's commands (low byte first).
    pub application: [u8; 3],
    /// Number of the key in the application, 0 to 13.
    pub key_number: u8,
    /// The key, or the one that each card's key is derived from.
    pub key: Secret,
    /// Whether each card has a key of its own, and what is mixed into it besides its number.
    pub diversification: Option<Vec<u8>>,
}

/// The keys of the site's NTAG 424 cards.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ntag424Secret {
    /// The key that number and counter are read with (SDMMetaReadKey).
    pub meta_key: Secret,
    /// The key of the check (SDMFileReadKey).
    pub file_key: Secret,
}
