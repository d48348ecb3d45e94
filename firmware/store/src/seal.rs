// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Authenticated encryption of small values: one message, one random nonce, a context that must be
//! the same when it is opened. AES-256-GCM where the CPU has AES instructions, else
//! ChaCha20-Poly1305; the message names its algorithm, so a disk moved to another CPU still opens.
//! Byte map: `docs/formats/sealed-body.md`. Large bodies: [`crate::body`].

use std::sync::LazyLock;

use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;
use ring::rand::{SecureRandom, SystemRandom};
use thiserror::Error;
use zeroize::Zeroizing;

/// Bytes of a key of either algorithm.
pub const KEY_BYTES: usize = 32;
/// Bytes that sealing adds to a value: version, algorithm, nonce, tag.
pub const VALUE_OVERHEAD_BYTES: usize = HEADER_BYTES + aead::NONCE_LEN + TAG_BYTES;
/// Bytes of an authentication tag of either algorithm.
pub const TAG_BYTES: usize = 16;

const HEADER_BYTES: usize = 2;
const VERSION: u8 = 1;
const NONCE_END: usize = HEADER_BYTES + aead::NONCE_LEN;

static RANDOM: LazyLock<SystemRandom> = LazyLock::new(SystemRandom::new);

/// Why something sealed did not open, or could not be sealed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SealError {
    /// Changed, cut, from another place, or sealed with another key: the tag does not fit.
    #[error("sealed data is damaged or belongs to another box or place")]
    Damaged,
    /// Written by a newer version of this program.
    #[error("sealed data has version {0}, which this program does not know")]
    UnknownVersion(u8),
    /// An algorithm this program does not have.
    #[error("sealed data names algorithm {0}, which this program does not have")]
    UnknownAlgorithm(u8),
    /// More than the format can number.
    #[error("too long to be sealed")]
    TooLong,
    /// The system gave no random bytes.
    #[error("the system's random source failed")]
    NoRandom,
}

/// The AEAD algorithms; the number is what stands on disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Algorithm {
    /// AES-256-GCM.
    Aes256Gcm = 1,
    /// ChaCha20-Poly1305 (RFC 8439).
    ChaCha20Poly1305 = 2,
}

impl Algorithm {
    /// The faster one on this CPU.
    #[must_use]
    pub fn for_this_cpu() -> Self {
        if cpu_has_aes() {
            Self::Aes256Gcm
        } else {
            Self::ChaCha20Poly1305
        }
    }

    /// The number on disk.
    #[must_use]
    pub fn id(self) -> u8 {
        match self {
            Self::Aes256Gcm => 1,
            Self::ChaCha20Poly1305 => 2,
        }
    }

    pub(crate) fn from_id(id: u8) -> Result<Self, SealError> {
        match id {
            1 => Ok(Self::Aes256Gcm),
            2 => Ok(Self::ChaCha20Poly1305),
            other => Err(SealError::UnknownAlgorithm(other)),
        }
    }

    pub(crate) fn key(self, bytes: &[u8; KEY_BYTES]) -> LessSafeKey {
        let algorithm = match self {
            Self::Aes256Gcm => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        };
        LessSafeKey::new(UnboundKey::new(algorithm, bytes).expect("both keys have 32 bytes"))
    }
}

#[cfg(target_arch = "x86_64")]
fn cpu_has_aes() -> bool {
    std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
}

#[cfg(target_arch = "aarch64")]
fn cpu_has_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn cpu_has_aes() -> bool {
    false
}

/// Random bytes from the system.
///
/// # Errors
/// [`SealError::NoRandom`].
pub fn random_bytes<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    RANDOM.fill(&mut bytes).map_err(|_| SealError::NoRandom)?;
    Ok(bytes)
}

/// Seals small values with one long-lived key.
///
/// Nonces are random 96 bits, so one box should stay below 2³² values in its life: at one value a
/// millisecond that is 49 days of nothing else, at ten jobs a minute some 200 years.
pub struct Sealer {
    algorithm: Algorithm,
    aes: LessSafeKey,
    chacha: LessSafeKey,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({:?})", self.algorithm)
    }
}

impl Sealer {
    /// A sealer with its own keys (one per algorithm) from `box_key` and a fixed label.
    pub(crate) fn derive(box_key: &hkdf::Prk, label: &str, algorithm: Algorithm) -> Self {
        let key = |kind: Algorithm| {
            let bytes = expand(box_key, &[label.as_bytes(), &[0, kind.id()]]);
            kind.key(&bytes)
        };
        Self {
            algorithm,
            aes: key(Algorithm::Aes256Gcm),
            chacha: key(Algorithm::ChaCha20Poly1305),
        }
    }

    /// Seals `plain`; `context` says what it is and where it belongs, and is not stored.
    ///
    /// # Errors
    /// [`SealError::NoRandom`], [`SealError::TooLong`].
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = random_bytes::<{ aead::NONCE_LEN }>()?;
        let mut sealed = Vec::with_capacity(plain.len() + VALUE_OVERHEAD_BYTES);
        sealed.extend_from_slice(&[VERSION, self.algorithm.id()]);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let aad = bound_context(self.algorithm, context);
        let (_, payload) = sealed.split_at_mut(NONCE_END);
        let tag = self
            .key(self.algorithm)
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(&aad),
                payload,
            )
            .map_err(|_| SealError::TooLong)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`Sealer::seal`] made with the same context.
    ///
    /// # Errors
    /// [`SealError::Damaged`], [`SealError::UnknownVersion`], [`SealError::UnknownAlgorithm`].
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (&[version, id], rest) = sealed.split_first_chunk().ok_or(SealError::Damaged)?;
        if version != VERSION {
            return Err(SealError::UnknownVersion(version));
        }
        let algorithm = Algorithm::from_id(id)?;
        let (nonce, payload) = rest.split_first_chunk().ok_or(SealError::Damaged)?;
        let mut plain = Zeroizing::new(payload.to_vec());
        let aad = bound_context(algorithm, context);
        let length = self
            .key(algorithm)
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(&aad),
                &mut plain,
            )
            .map_err(|_| SealError::Damaged)?
            .len();
        plain.truncate(length);
        Ok(plain)
    }

    fn key(&self, algorithm: Algorithm) -> &LessSafeKey {
        match algorithm {
            Algorithm::Aes256Gcm => &self.aes,
            Algorithm::ChaCha20Poly1305 => &self.chacha,
        }
    }
}

/// The header is bound too, so that a version or algorithm cannot be changed under a message.
fn bound_context(algorithm: Algorithm, context: &[u8]) -> Vec<u8> {
    let mut aad = Vec::with_capacity(HEADER_BYTES + context.len());
    aad.extend_from_slice(&[VERSION, algorithm.id()]);
    aad.extend_from_slice(context);
    aad
}

struct KeyLength;

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

/// HKDF-Expand (RFC 5869) to one key.
pub(crate) fn expand(prk: &hkdf::Prk, info: &[&[u8]]) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    prk.expand(info, KeyLength)
        .and_then(|okm| okm.fill(&mut *key))
        .expect("32 bytes are within HKDF's length limit");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(algorithm: Algorithm) -> Sealer {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"test").extract(&[7; 32]);
        Sealer::derive(&prk, "value", algorithm)
    }

    #[test]
    fn a_value_opens_on_a_cpu_that_prefers_the_other_algorithm() {
        let (aes, chacha) = (
            sealer(Algorithm::Aes256Gcm),
            sealer(Algorithm::ChaCha20Poly1305),
        );
        for (from, to) in [(&aes, &chacha), (&chacha, &aes)] {
            let sealed = from.seal(b"table", b"plain").unwrap();
            assert_eq!(to.open(b"table", &sealed).unwrap().as_slice(), b"plain");
        }
    }

    #[test]
    fn every_changed_byte_and_every_cut_of_a_value_is_noticed() {
        let sealer = sealer(Algorithm::for_this_cpu());
        let sealed = sealer.seal(b"context", b"twenty bytes of text").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open(b"context", &changed).is_err(), "byte {at}");
            assert!(sealer.open(b"context", &sealed[..at]).is_err(), "cut {at}");
        }
        assert!(sealer.open(b"other context", &sealed).is_err());
    }

    #[test]
    fn equal_values_do_not_look_equal() {
        let sealer = sealer(Algorithm::for_this_cpu());
        let first = sealer.seal(b"", b"same").unwrap();
        assert_ne!(first, sealer.seal(b"", b"same").unwrap());
    }
}
