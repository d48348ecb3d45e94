// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The keys with which cards prove their numbers, as an installation has them. They are wiped when
//! dropped and not shown by `Debug`.

use core::fmt;
use core::ops::RangeInclusive;

use heapless::Vec;
use platen_hal::CardUid;
use thiserror::Error;

use super::counters::SunCounters;
use crate::aes128::AesKey;

/// Length of what follows the card's number in the input of a diversified key (AN10922): usually
/// application and system identifier. With the constant and the 7 bytes of the number it makes
/// 17 to 32 bytes.
pub const DIVERSIFICATION_BYTES: RangeInclusive<usize> = 9..=24;
/// Highest number of a DESFire application: three bytes; 0 is the card itself.
const APPLICATION_MAX: u32 = 0x00ff_ffff;
const DESFIRE_KEY_MAX: u8 = 13;
const NTAG_KEY_MAX: u8 = 4;
/// Size of the NDEF file of an NTAG 424 DNA.
const NDEF_FILE_BYTES: u16 = 256;
/// Encrypted PICC data, and the MAC, as hexadecimal digits.
pub(crate) const PICC_DIGITS: u16 = 32;
pub(crate) const MAC_DIGITS: u16 = 16;

/// A key for many cards: the same on each, or one from which each card's own is derived.
#[derive(Clone)]
pub struct MasterKey {
    key: AesKey,
    tail: Option<Vec<u8, 24>>,
}

impl MasterKey {
    /// A key that is the same on every card. Who takes it out of one card has all of them.
    #[must_use]
    pub fn shared(key: AesKey) -> Self {
        Self { key, tail: None }
    }

    /// A key from which that of a card is derived by NXP AN10922, AES-128, over the card's 7-byte
    /// number and `tail` ([`DIVERSIFICATION_BYTES`]). A card that selects under a random number
    /// can't be asked for such a key: its number is not known before.
    ///
    /// # Errors
    /// [`CardKeyError::Tail`] when `tail` is too short or too long.
    pub fn diversified(key: AesKey, tail: &[u8]) -> Result<Self, CardKeyError> {
        let tail = Some(tail).filter(|tail| DIVERSIFICATION_BYTES.contains(&tail.len()));
        let tail = tail.and_then(|tail| Vec::from_slice(tail).ok());
        let tail = Some(tail.ok_or(CardKeyError::Tail)?);
        Ok(Self { key, tail })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.key.is_same(&other.key) && self.tail == other.tail
    }

    /// The key of this card; `None` where it can't be known.
    pub(crate) fn of(&self, uid: &CardUid) -> Option<AesKey> {
        self.of_bytes(uid.as_bytes())
    }

    pub(crate) fn of_bytes(&self, uid: &[u8]) -> Option<AesKey> {
        match &self.tail {
            None => Some(self.key.clone()),
            Some(tail) => (uid.len() == 7).then(|| self.key.diversified(uid, tail)),
        }
    }
}

/// Where a SUN message stands in the NDEF file, as the card was personalised: offsets from the
/// start of the file, its two length bytes included (NXP AN12196).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SunLayout {
    /// `PICCDataOffset`: 32 hexadecimal digits of encrypted number and counter.
    pub picc_data: u16,
    /// `SDMMACInputOffset`: from here on, up to the MAC, the text is in the MAC.
    pub mac_input: u16,
    /// `SDMMACOffset`: 16 hexadecimal digits.
    pub mac: u16,
}

impl SunLayout {
    fn is_sound(self) -> bool {
        let picc_end = self.picc_data.saturating_add(PICC_DIGITS);
        let mac_end = self.mac.saturating_add(MAC_DIGITS);
        let apart = picc_end <= self.mac || mac_end <= self.picc_data;
        picc_end <= NDEF_FILE_BYTES
            && mac_end <= NDEF_FILE_BYTES
            && self.mac_input <= self.mac
            && apart
    }
}

/// What the keys of a DESFire card open.
#[derive(Clone)]
pub(crate) struct DesfireKey {
    pub(crate) application: u32,
    pub(crate) number: u8,
    pub(crate) key: MasterKey,
}

#[derive(Clone)]
pub(crate) struct SunKeys {
    pub(crate) meta_read: AesKey,
    pub(crate) file_read: MasterKey,
    pub(crate) layout: SunLayout,
    pub(crate) counters: SunCounters,
}

impl SunKeys {
    /// Whether a card can have both; where its message stands is no part of it.
    fn is_same_key(&self, other: &Self) -> bool {
        self.meta_read.is_same(&other.meta_read) && self.file_read.is_same(&other.file_read)
    }
}

#[derive(Clone)]
pub(crate) enum NtagKey {
    Authenticate { number: u8, key: MasterKey },
    Sun(SunKeys),
}

/// The keys of an installation: one application of its DESFire cards, one way for its NTAG 424 DNA
/// cards, or both.
#[derive(Clone, Default)]
pub struct CardKeys {
    pub(crate) desfire: Option<DesfireKey>,
    pub(crate) ntag: Option<NtagKey>,
}

impl CardKeys {
    /// With the AES key `number` (0–13) of the DESFire application `application` (1–0xFFFFFF; sent
    /// low byte first). The key should open nothing but this proof: an application key, never the
    /// card's master key.
    ///
    /// # Errors
    /// [`CardKeyError::Application`], [`CardKeyError::Number`], [`CardKeyError::Twice`].
    pub fn with_desfire(
        mut self,
        application: u32,
        number: u8,
        key: MasterKey,
    ) -> Result<Self, CardKeyError> {
        if !(1..=APPLICATION_MAX).contains(&application) {
            return Err(CardKeyError::Application);
        }
        if number > DESFIRE_KEY_MAX {
            return Err(CardKeyError::Number);
        }
        let slot = DesfireKey {
            application,
            number,
            key,
        };
        match self.desfire.replace(slot) {
            None => Ok(self),
            Some(_) => Err(CardKeyError::Twice),
        }
    }

    /// With the application key `number` (0–4) of NTAG 424 DNA cards, for authentication.
    ///
    /// # Errors
    /// [`CardKeyError::Number`], [`CardKeyError::Twice`].
    pub fn with_ntag424(self, number: u8, key: MasterKey) -> Result<Self, CardKeyError> {
        if number > NTAG_KEY_MAX {
            return Err(CardKeyError::Number);
        }
        self.with_ntag(NtagKey::Authenticate { number, key })
    }

    /// With the keys of NTAG 424 DNA cards that write a SUN message: `meta_read` decrypts number
    /// and counter and is the same on every card, `file_read` makes the MAC. What the cards have
    /// counted is remembered with the keys, up to [`super::COUNTERS_MAX`] cards, by all clones.
    ///
    /// # Errors
    /// [`CardKeyError::Layout`], [`CardKeyError::Twice`].
    pub fn with_sun(
        self,
        meta_read: AesKey,
        file_read: MasterKey,
        layout: SunLayout,
    ) -> Result<Self, CardKeyError> {
        if !layout.is_sound() {
            return Err(CardKeyError::Layout);
        }
        self.with_ntag(NtagKey::Sun(SunKeys {
            meta_read,
            file_read,
            layout,
            counters: SunCounters::new(),
        }))
    }

    fn with_ntag(mut self, key: NtagKey) -> Result<Self, CardKeyError> {
        match self.ntag.replace(key) {
            None => Ok(self),
            Some(_) => Err(CardKeyError::Twice),
        }
    }

    /// Takes over what cards have counted under `before`, where its SUN keys are the same.
    pub fn keep_counters(&mut self, before: &Self) {
        if let (Some(NtagKey::Sun(sun)), Some(NtagKey::Sun(before))) =
            (&mut self.ntag, &before.ntag)
            && sun.is_same_key(before)
        {
            sun.counters = before.counters.clone();
        }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

impl fmt::Debug for CardKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardKeys")
            .field("desfire", &self.desfire.is_some())
            .field("ntag", &self.ntag.is_some())
            .finish()
    }
}

/// Why keys are not taken.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum CardKeyError {
    /// No application has this number.
    #[error("DESFire application is not between 1 and ffffff")]
    Application,
    /// No key of such a card has this number.
    #[error("key number is too high: DESFire has 0 to 13, NTAG 424 DNA 0 to 4")]
    Number,
    /// The input of a diversified key has another length.
    #[error("diversification input is not 9 to 24 bytes long")]
    Tail,
    /// No message can stand like this in a file of 256 bytes.
    #[error("offsets of the SUN message overlap or are outside of the file")]
    Layout,
    /// There are keys for this kind of card already.
    #[error("two keys for one kind of card")]
    Twice,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> MasterKey {
        MasterKey::shared(AesKey::new([0x5a; 16]))
    }

    fn layout(picc_data: u16, mac_input: u16, mac: u16) -> SunLayout {
        SunLayout {
            picc_data,
            mac_input,
            mac,
        }
    }

    #[test]
    fn keys_that_can_not_be_are_refused() {
        let keys = CardKeys::default;
        let kind = |result: Result<CardKeys, _>| result.map(|_| ());
        let application = Err(CardKeyError::Application);
        assert_eq!(kind(keys().with_desfire(0, 0, key())), application);
        assert_eq!(kind(keys().with_desfire(1 << 24, 0, key())), application);
        let number = Err(CardKeyError::Number);
        assert_eq!(kind(keys().with_desfire(1, 14, key())), number);
        assert_eq!(kind(keys().with_ntag424(5, key())), number);
        for wrong in [
            layout(225, 0, 100),
            layout(0, 0, 241),
            layout(0, 33, 32),
            layout(10, 0, 41),
            layout(u16::MAX, 0, 100),
        ] {
            let made = keys().with_sun(AesKey::new([1; 16]), key(), wrong);
            assert_eq!(kind(made), Err(CardKeyError::Layout), "{wrong:?}");
        }
        let one = keys().with_ntag424(4, key()).unwrap();
        let sun = one.with_sun(AesKey::new([1; 16]), key(), layout(20, 55, 55));
        assert_eq!(kind(sun), Err(CardKeyError::Twice));
        for length in [8, 25] {
            let made = MasterKey::diversified(AesKey::new([1; 16]), &vec![1; length]);
            assert!(matches!(made, Err(CardKeyError::Tail)));
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let keys = CardKeys::default().with_desfire(1, 0, key()).unwrap();
        assert_eq!(
            format!("{keys:?}"),
            "CardKeys { desfire: true, ntag: false }"
        );
    }
}
