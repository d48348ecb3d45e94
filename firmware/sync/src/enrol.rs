// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a box becomes part of a site by eight letters on its screen.
//!
//! The box shows a [`Code`] and asks the centre over a connection that nobody vouches for yet. Both
//! derive [`CodeKey`] from the code; the box proves it over its certificate request and the TLS
//! certificate by which it saw the centre, the centre proves it over the whole enrolment. Somebody in
//! the middle has another TLS certificate and would need the code: twenty letters in eight places
//! (2³⁴·⁶) at some 30 ms each is decades of one processor, and a code lives for minutes.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use platen_model::NodeId;
use ring::{digest, hmac};
use zeroize::Zeroize;

use crate::message::Hash;

/// Letters of a code: none that looks like a digit or makes a word.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters in a code.
const LETTERS: usize = 8;
/// Longest input that is looked at for a code.
const TYPED_CHARS_MAX: usize = 64;

/// Milliseconds for which a box shows a code and the centre takes it; then the box makes another.
pub const CODE_LIFE_MS: u64 = 15 * 60_000;
/// Milliseconds after which a box asks again while nobody has typed its code.
pub const ASK_AGAIN_MS: u64 = 3_000;
/// Boxes that may wait for their code at one centre: each costs a derivation for every code typed.
pub const ASKS_WAITING_MAX: usize = 32;
/// Wrong codes that an administrator may type within [`CODE_LIFE_MS`].
pub const WRONG_CODES_MAX: u32 = 20;

/// Argon2id: 19 MiB, two passes, one lane (OWASP's first choice for little memory).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

const SALT_LABEL: &[u8] = b"platen enrolment code 1\0";
const BOX_LABEL: &[u8] = b"platen enrolment box 1\0";
const CENTRE_LABEL: &[u8] = b"platen enrolment centre 1\0";

/// Why a code is none, or gives no key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Not eight letters.
    #[error("a code has eight letters, such as BCDF-GHJK")]
    Length,
    /// A character that no code has.
    #[error("'{0}' is in no code; look at the box's screen again")]
    Letter(char),
    /// The key derivation had not enough memory.
    #[error("there is not enough memory to check a code")]
    Memory,
}

/// The eight letters.
#[derive(Clone, Eq, PartialEq)]
pub struct Code([u8; LETTERS]);

impl Code {
    /// Makes a code from random bytes; all codes are as likely (to 2⁻⁹³).
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> Self {
        let mut number = u128::from_be_bytes(random);
        let letters = std::array::from_fn(|_| {
            let letter = usize::try_from(number % 20).unwrap_or(0);
            number /= 20;
            ALPHABET.get(letter).copied().unwrap_or(b'B')
        });
        Self(letters)
    }

    /// Reads a code as people type it: small letters, spaces and dashes are fine.
    ///
    /// # Errors
    /// [`CodeError::Length`] and [`CodeError::Letter`].
    pub fn parse(typed: &str) -> Result<Self, CodeError> {
        let mut letters = [0; LETTERS];
        let mut count = 0;
        for character in typed.chars().take(TYPED_CHARS_MAX) {
            if character.is_whitespace() || "-–—_.".contains(character) {
                continue;
            }
            let letter = u8::try_from(character.to_ascii_uppercase()).ok();
            let letter = letter.filter(|letter| ALPHABET.contains(letter));
            let place = letters.get_mut(count).ok_or(CodeError::Length)?;
            *place = letter.ok_or(CodeError::Letter(character))?;
            count += 1;
        }
        match count {
            LETTERS if typed.chars().count() <= TYPED_CHARS_MAX => Ok(Self(letters)),
            _ => Err(CodeError::Length),
        }
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// As the screen shows it: `BCDF-GHJK`.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, letter) in self.0.iter().enumerate() {
            let dash = if place == LETTERS / 2 { "-" } else { "" };
            write!(f, "{dash}{}", char::from(*letter))?;
        }
        Ok(())
    }
}

/// A code is for no log.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code")
    }
}

/// What knows the code, for one box and one nonce.
pub struct CodeKey(hmac::Key);

impl CodeKey {
    /// Derives it: some 30 ms and 19 MiB, so never on an executor's thread.
    ///
    /// # Errors
    /// [`CodeError::Memory`].
    pub fn derive(code: &Code, node: NodeId, nonce: &Hash) -> Result<Self, CodeError> {
        let salt = [SALT_LABEL, node.0.as_bytes(), &nonce.0].concat();
        let salt = digest::digest(&digest::SHA256, &salt);
        let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(|_| CodeError::Memory)?;
        let mut key = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(&code.0, salt.as_ref(), &mut key)
            .map_err(|_| CodeError::Memory)?;
        let known = Self(hmac::Key::new(hmac::HMAC_SHA256, &key));
        key.zeroize();
        Ok(known)
    }

    /// The box's proof, over its certificate request (DER) and the SHA-256 of the DER certificate by
    /// which it saw the centre.
    #[must_use]
    pub fn box_proof(&self, csr: &[u8], seen: &Hash) -> Hash {
        self.proof(&[BOX_LABEL, csr, &seen.0].concat())
    }

    /// Whether the box proved the code, over the centre's own TLS certificate. Takes as long whatever
    /// is wrong.
    #[must_use]
    pub fn is_box_proof(&self, csr: &[u8], own: &Hash, proof: &Hash) -> bool {
        self.is_proof(&[BOX_LABEL, csr, &own.0].concat(), proof)
    }

    /// The centre's proof, over the CBOR of the enrolment.
    #[must_use]
    pub fn centre_proof(&self, enrolment: &[u8]) -> Hash {
        self.proof(&[CENTRE_LABEL, enrolment].concat())
    }

    /// Whether the centre was told the code. Takes as long whatever is wrong.
    #[must_use]
    pub fn is_centre_proof(&self, enrolment: &[u8], proof: &Hash) -> bool {
        self.is_proof(&[CENTRE_LABEL, enrolment].concat(), proof)
    }

    fn proof(&self, data: &[u8]) -> Hash {
        let tag = hmac::sign(&self.0, data);
        Hash(tag.as_ref().first_chunk().copied().unwrap_or_default())
    }

    fn is_proof(&self, data: &[u8], proof: &Hash) -> bool {
        hmac::verify(&self.0, data, &proof.0).is_ok()
    }
}

/// Whether a code that was made at `made_ms` is still taken; both by one monotonic clock.
#[must_use]
pub fn is_code_alive(made_ms: u64, now_ms: u64) -> bool {
    now_ms.saturating_sub(made_ms) < CODE_LIFE_MS
}

/// SHA-256 of a TLS certificate (DER), as it goes into the box's proof.
#[must_use]
pub fn certificate_hash(der: &[u8]) -> Hash {
    let digest = digest::digest(&digest::SHA256, der);
    Hash(digest.as_ref().first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeId {
        let mut text = "00000000-0000-0000-0000-0000000000".to_owned();
        text.push_str(&format!("{n:02x}"));
        NodeId(text.parse().unwrap())
    }

    #[test]
    fn a_code_is_read_as_it_is_shown_and_as_people_type_it() {
        for n in 0..200_u8 {
            let random = digest::digest(&digest::SHA256, &[n]);
            let code = Code::from_random(*random.as_ref().first_chunk().unwrap());
            let shown = code.to_string();
            assert_eq!(shown.len(), 9, "{shown}");
            assert_eq!(Code::parse(&shown), Ok(code.clone()));
            assert_eq!(
                Code::parse(&shown.to_lowercase().replace('-', "  ")),
                Ok(code.clone())
            );
            assert_eq!(Code::parse(&shown.replace('-', "")), Ok(code.clone()));
            assert!(!shown.contains(['A', 'E', 'I', 'O', 'U', 'Y', '0', '1']));
            assert_eq!(format!("{code:?}"), "Code");
        }
    }

    #[test]
    fn what_is_no_code_says_why() {
        assert_eq!(Code::parse(""), Err(CodeError::Length));
        assert_eq!(Code::parse("BCDF-GHJ"), Err(CodeError::Length));
        assert_eq!(Code::parse("BCDF-GHJKL"), Err(CodeError::Length));
        assert_eq!(Code::parse("BCDF-GHJ1"), Err(CodeError::Letter('1')));
        assert_eq!(Code::parse("BCDF-GHJß"), Err(CodeError::Letter('ß')));
        assert_eq!(Code::parse(&"-".repeat(100)), Err(CodeError::Length));
        let late = format!("BCDFGHJK{}L", " ".repeat(100));
        assert_eq!(Code::parse(&late), Err(CodeError::Length));
    }

    #[test]
    fn nobody_in_the_middle_makes_either_proof() {
        let (code, nonce) = (Code::parse("BCDF-GHJK").unwrap(), Hash([7; 32]));
        let key = CodeKey::derive(&code, node(1), &nonce).unwrap();
        let (csr, seen) = (b"request".as_slice(), certificate_hash(b"the centre's"));
        let proof = key.box_proof(csr, &seen);
        assert!(key.is_box_proof(csr, &seen, &proof));
        assert!(!key.is_box_proof(csr, &certificate_hash(b"the middle's"), &proof));
        assert!(!key.is_box_proof(b"another request", &seen, &proof));
        let answer = key.centre_proof(b"enrolment");
        assert!(key.is_centre_proof(b"enrolment", &answer));
        assert!(!key.is_centre_proof(b"another", &answer));
        // A proof of one side is none of the other.
        assert!(!key.is_centre_proof(&[csr, &seen.0].concat(), &proof));
        let other = Code::parse("BCDF-GHJL").unwrap();
        for (code, node, nonce) in [
            (&other, node(1), nonce),
            (&code, node(2), nonce),
            (&code, node(1), Hash([8; 32])),
        ] {
            let wrong = CodeKey::derive(code, node, &nonce).unwrap();
            assert!(!wrong.is_box_proof(csr, &seen, &proof));
        }
    }

    #[test]
    fn a_code_lives_a_quarter_of_an_hour() {
        assert!(is_code_alive(5, 5));
        assert!(is_code_alive(5, 4 + CODE_LIFE_MS));
        assert!(!is_code_alive(5, 5 + CODE_LIFE_MS));
    }
}
