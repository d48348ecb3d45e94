// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Seals what the database must not know, and hashes what it only has to find again. The key comes
//! from a file beside the configuration; all servers of a site have the same one.

use std::fmt;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::CentreError;

/// Bytes of the key.
pub const KEY_BYTES: usize = 32;

/// What a sealed value is: bound to it, so that one can't stand for another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kept {
    /// Keys of card hashes.
    CardKeys,
    /// A secret of the site, such as the authority's key.
    Secret,
    /// Name of a document or of its owner.
    JobName,
    /// A finger's template.
    Template,
    /// What a box gets as it becomes a member.
    Enrolment,
}

impl Kept {
    fn label(self) -> &'static [u8] {
        match self {
            Self::CardKeys => b"platen vault 1: card keys",
            Self::Secret => b"platen vault 1: secret",
            Self::JobName => b"platen vault 1: job name",
            Self::Template => b"platen vault 1: template",
            Self::Enrolment => b"platen vault 1: enrolment",
        }
    }
}

/// Seals and opens small values: a nonce of 12 bytes, then ChaCha20-Poly1305.
pub struct Vault {
    key: LessSafeKey,
    tokens: hmac::Key,
}

impl Vault {
    /// With the key of the site's key file.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, key);
        let seal = derive(&root, b"platen vault 1: seal");
        let unbound = UnboundKey::new(&CHACHA20_POLY1305, &*seal).expect("the length is right");
        let tokens = derive(&root, b"platen vault 1: tokens");
        Self {
            key: LessSafeKey::new(unbound),
            tokens: hmac::Key::new(hmac::HMAC_SHA256, &*tokens),
        }
    }

    pub(crate) fn seal(&self, kept: Kept, plain: &[u8]) -> Result<Vec<u8>, CentreError> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut body = plain.to_vec();
        let aad = Aad::from(kept.label());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body)
            .map_err(|_| CentreError::System)?;
        Ok([&nonce, body.as_slice()].concat())
    }

    /// `None` for what was sealed under another key or as something else.
    pub(crate) fn open(&self, kept: Kept, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = Zeroizing::new(body.to_vec());
        let aad = Aad::from(kept.label());
        let length = self.key.open_in_place(nonce, aad, &mut body).ok()?.len();
        body.truncate(length);
        Some(body)
    }

    /// The keyed hash of a token.
    pub(crate) fn token_key(&self, token: &str) -> Vec<u8> {
        hmac::sign(&self.tokens, token.as_bytes()).as_ref().to_vec()
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

fn derive(root: &hmac::Key, label: &[u8]) -> Zeroizing<[u8; KEY_BYTES]> {
    let tag = hmac::sign(root, label);
    let bytes = tag.as_ref().first_chunk().expect("HMAC-SHA256 gives 32");
    Zeroizing::new(*bytes)
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], CentreError> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| CentreError::System)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_with_the_same_key_and_for_the_same_thing_only() {
        let vault = Vault::new(&[1; 32]);
        let sealed = vault.seal(Kept::JobName, b"salaries.pdf").unwrap();
        assert!(!sealed.windows(8).any(|part| part == b"salaries"));
        assert_eq!(
            vault.open(Kept::JobName, &sealed).unwrap().as_slice(),
            b"salaries.pdf"
        );
        assert!(vault.open(Kept::Secret, &sealed).is_none());
        assert!(Vault::new(&[2; 32]).open(Kept::JobName, &sealed).is_none());
        assert!(vault.open(Kept::JobName, &sealed[..11]).is_none());
    }
}
