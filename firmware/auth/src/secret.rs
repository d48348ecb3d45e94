// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PINs and passwords: what they must be, and their Argon2id hashes as PHC strings (RFC 9106). Knows
//! no user, no store and no clock; the centre uses it as boxes do. Hashing takes tens of milliseconds
//! and 19 MiB: run it through a [`Verifier`], never on an executor.

use std::fmt;

use argon2::password_hash::{Output, PasswordHash, Salt, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use ring::rand::{SecureRandom, SystemRandom};
use thiserror::Error;
use zeroize::Zeroizing;

mod verifier;

pub use verifier::{Busy, Verifier};

/// KiB of memory of a new hash. OWASP's figure for Argon2id with two passes.
pub const MEMORY_KIB: u32 = 19 * 1024;
/// Passes of a new hash.
pub const PASSES: u32 = 2;
/// Lanes of a new hash: a box has other work for its other cores.
pub const LANES: u32 = 1;

/// KiB of memory that a hash from elsewhere may ask for.
pub const MEMORY_KIB_MAX: u32 = 64 * 1024;
/// Passes that a hash from elsewhere may ask for.
pub const PASSES_MAX: u32 = 4;
/// Lanes that a hash from elsewhere may ask for.
pub const LANES_MAX: u32 = 4;
/// Bytes of a PHC string, at most.
pub const PHC_BYTES_MAX: usize = 256;

/// Digits of a PIN, at least.
pub const PIN_DIGITS_MIN: usize = 4;
/// Digits of a PIN, at most.
pub const PIN_DIGITS_MAX: usize = 12;
/// Bytes of a password, at least.
pub const PASSWORD_BYTES_MIN: usize = 8;
/// Bytes of a password, at most: more is never hashed.
pub const PASSWORD_BYTES_MAX: usize = 256;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;
/// Costs what a new hash costs and fits nothing: stands in for people that there are not. Its bytes
/// are zeros, which no password gives but by a chance of 2⁻²⁵⁶.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$cGxhdGVuIG5vYm9keSAxMg$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A PIN or password as it was typed: wiped when dropped, shown nowhere.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over what was typed.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// What was typed, for hashing and for the message to the centre.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it has the shape of a PIN: [`PIN_DIGITS_MIN`] to [`PIN_DIGITS_MAX`] digits. No
    /// password has it ([`check_password`]).
    #[must_use]
    pub fn is_pin(&self) -> bool {
        (PIN_DIGITS_MIN..=PIN_DIGITS_MAX).contains(&self.0.len()) && only_digits(&self.0)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why something is not taken as a new PIN or password. Each sentence says what to do.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SecretFault {
    /// Not 4 to 12 digits.
    #[error("a PIN has {PIN_DIGITS_MIN} to {PIN_DIGITS_MAX} digits and nothing else")]
    NotDigits,
    /// Such as 0000.
    #[error("choose a PIN that is not one digit over and over")]
    OneDigit,
    /// Such as 1234 or 8765.
    #[error("choose a PIN whose digits do not just count up or down")]
    Counting,
    /// Shorter than 8 bytes.
    #[error("choose a password of at least {PASSWORD_BYTES_MIN} characters")]
    TooShort,
    /// Longer than 256 bytes.
    #[error("choose a password of at most {PASSWORD_BYTES_MAX} bytes")]
    TooLong,
    /// Up to 12 digits: looks like a PIN.
    #[error("choose a password with something else than digits in it")]
    LikePin,
    /// Holds a control character, which some keyboards can't type.
    #[error("choose a password without control characters")]
    Control,
}

/// Why a secret could not be hashed or compared.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum SecretError {
    /// The stored hash is no Argon2id PHC string, or asks for more than the limits here.
    #[error("the stored hash is not understood or costs too much")]
    BadHash,
    /// What was typed is longer than any password.
    #[error("longer than any password")]
    TooLong,
    /// The system gave no random bytes.
    #[error("the system's random source failed")]
    NoRandom,
}

/// Whether `pin` may become somebody's PIN.
///
/// # Errors
/// [`SecretFault`]: what is wrong with it.
pub fn check_pin(pin: &Secret) -> Result<(), SecretFault> {
    if !pin.is_pin() {
        return Err(SecretFault::NotDigits);
    }
    let digits = pin.expose().as_bytes();
    // 9 is followed by 0 and the other way round, as on a keypad.
    let steps = |by: u8| {
        let mut pairs = digits.iter().zip(digits.iter().skip(1));
        pairs.all(|(a, b)| (a - b'0' + by) % 10 == b - b'0')
    };
    if steps(0) {
        return Err(SecretFault::OneDigit);
    }
    if steps(1) || steps(9) {
        return Err(SecretFault::Counting);
    }
    Ok(())
}

/// Whether `password` may become somebody's password.
///
/// # Errors
/// [`SecretFault`]: what is wrong with it.
pub fn check_password(password: &Secret) -> Result<(), SecretFault> {
    let text = password.expose();
    match text.len() {
        0..PASSWORD_BYTES_MIN => Err(SecretFault::TooShort),
        PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX if password.is_pin() => Err(SecretFault::LikePin),
        PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX if text.chars().any(char::is_control) => {
            Err(SecretFault::Control)
        }
        PASSWORD_BYTES_MIN..=PASSWORD_BYTES_MAX => Ok(()),
        _ => Err(SecretFault::TooLong),
    }
}

/// Hashes a secret with a new salt: a PHC string of about 100 bytes. Takes its time.
///
/// # Errors
/// [`SecretError::TooLong`], [`SecretError::NoRandom`].
pub fn hash(secret: &Secret) -> Result<String, SecretError> {
    let mut salt = [0; SALT_BYTES];
    SystemRandom::new()
        .fill(&mut salt)
        .map_err(|_| SecretError::NoRandom)?;
    let salt = SaltString::encode_b64(&salt).map_err(|_| SecretError::NoRandom)?;
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_BYTES))
        .expect("the constants are within Argon2's limits");
    let output = derive(&params, secret, salt.as_salt(), HASH_BYTES)?;
    Ok(format!(
        "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${output}"
    ))
}

/// Whether `secret` is what `hash` was made of, compared in constant time. With no hash it costs
/// the same and is false: who asks can't tell by the time whether there is such a person.
///
/// # Errors
/// [`SecretError::BadHash`], [`SecretError::TooLong`].
pub fn verify(hash: Option<&str>, secret: &Secret) -> Result<bool, SecretError> {
    let known = hash.is_some();
    let parsed = parse(hash.unwrap_or(NOBODY))?;
    let (Some(salt), Some(expected)) = (parsed.hash.salt, parsed.hash.hash) else {
        return Err(SecretError::BadHash);
    };
    let output = derive(&parsed.params, secret, salt, expected.len())?;
    // `Output` compares in constant time.
    Ok(output == expected && known)
}

/// Whether the hash was made with other parameters than new ones are: make it again when the secret
/// is at hand.
#[must_use]
pub fn is_outdated(hash: &str) -> bool {
    parse(hash).map_or(true, |parsed| {
        let params = parsed.params;
        (params.m_cost(), params.t_cost(), params.p_cost()) != (MEMORY_KIB, PASSES, LANES)
    })
}

/// Whether [`verify`] would take a hash from elsewhere.
#[must_use]
pub fn is_valid_hash(hash: &str) -> bool {
    parse(hash).is_ok()
}

struct Parsed<'a> {
    hash: PasswordHash<'a>,
    params: Params,
}

/// Takes a PHC string apart and holds it to the limits, before any memory is taken for it.
fn parse(text: &str) -> Result<Parsed<'_>, SecretError> {
    if text.len() > PHC_BYTES_MAX {
        return Err(SecretError::BadHash);
    }
    let hash = PasswordHash::new(text).map_err(|_| SecretError::BadHash)?;
    let version = Version::V0x13.into();
    if hash.algorithm != Algorithm::Argon2id.ident() || hash.version != Some(version) {
        return Err(SecretError::BadHash);
    }
    let params = Params::try_from(&hash).map_err(|_| SecretError::BadHash)?;
    let within = params.m_cost() <= MEMORY_KIB_MAX
        && params.t_cost() <= PASSES_MAX
        && params.p_cost() <= LANES_MAX
        && params.keyid().is_empty()
        && params.data().is_empty()
        && hash.salt.is_some()
        && hash.hash.is_some_and(|output| output.len() >= SALT_BYTES);
    if !within {
        return Err(SecretError::BadHash);
    }
    Ok(Parsed { hash, params })
}

fn derive(
    params: &Params,
    secret: &Secret,
    salt: Salt<'_>,
    length: usize,
) -> Result<Output, SecretError> {
    if secret.expose().len() > PASSWORD_BYTES_MAX {
        return Err(SecretError::TooLong);
    }
    let mut salt_bytes = [0; Salt::MAX_LENGTH];
    let salt = salt
        .decode_b64(&mut salt_bytes)
        .map_err(|_| SecretError::BadHash)?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    Output::init_with(length, |out| {
        Ok(argon.hash_password_into(secret.expose().as_bytes(), salt, out)?)
    })
    .map_err(|_| SecretError::BadHash)
}

fn only_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_fits_its_own_hash_and_no_other() {
        let hash = hash(&"1357".into()).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify(Some(&hash), &"1357".into()).unwrap());
        assert!(!verify(Some(&hash), &"1358".into()).unwrap());
        assert!(!is_outdated(&hash));
        assert_ne!(
            hash,
            super::hash(&"1357".into()).unwrap(),
            "the salt is new"
        );
    }

    #[test]
    fn a_person_there_is_not_costs_a_real_hash_and_never_fits() {
        let nobody = parse(NOBODY).unwrap();
        assert_eq!(nobody.params.m_cost(), MEMORY_KIB);
        assert!(!is_outdated(NOBODY));
        assert!(!verify(None, &"".into()).unwrap());
        assert!(!verify(None, &"correct horse".into()).unwrap());
    }

    /// The Argon2 reference program made it: `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1`
    /// is in its own test file, with these bytes.
    #[test]
    fn hashes_of_the_reference_implementation_are_honoured_with_their_own_parameters() {
        let given = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$\
            CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert!(verify(Some(given), &"password".into()).unwrap());
        assert!(!verify(Some(given), &"passwort".into()).unwrap());
        assert!(is_outdated(given));
    }

    #[test]
    fn a_hash_that_would_cost_too_much_is_refused_before_it_costs_anything() {
        let (salt, out) = ("c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
        let given = |algorithm: &str, params: &str| format!("${algorithm}${params}${salt}${out}");
        for bad in [
            given("argon2id", "v=19$m=4194304,t=2,p=1"),
            given("argon2id", "v=19$m=19456,t=4294967295,p=1"),
            given("argon2id", "v=19$m=19456,t=2,p=255"),
            given("argon2id", "v=19$m=19456,t=2,p=1,data=c29tZXNhbHQ"),
            given("argon2id", "v=16$m=19456,t=2,p=1"),
            given("argon2id", "m=19456,t=2,p=1"),
            given("argon2i", "v=19$m=19456,t=2,p=1"),
            given("scrypt", "ln=16,r=8,p=1"),
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ".to_owned(),
            String::new(),
            "$".repeat(10_000),
        ] {
            assert_eq!(
                verify(Some(&bad), &"x".into()),
                Err(SecretError::BadHash),
                "{bad}"
            );
            assert!(!is_valid_hash(&bad) && is_outdated(&bad));
        }
    }

    #[test]
    fn pins_that_everybody_tries_first_are_not_taken() {
        for (pin, fault) in [
            ("123", SecretFault::NotDigits),
            ("1234567890123", SecretFault::NotDigits),
            ("12a4", SecretFault::NotDigits),
            ("１３５７", SecretFault::NotDigits),
            ("0000", SecretFault::OneDigit),
            ("999999999999", SecretFault::OneDigit),
            ("1234", SecretFault::Counting),
            ("7890", SecretFault::Counting),
            ("4321", SecretFault::Counting),
            ("2109", SecretFault::Counting),
        ] {
            assert_eq!(check_pin(&pin.into()), Err(fault), "{pin}");
        }
        for pin in ["1357", "1122", "2468", "123498765021"] {
            assert_eq!(check_pin(&pin.into()), Ok(()), "{pin}");
        }
    }

    #[test]
    fn passwords_have_a_shortest_and_a_longest_length_and_are_no_pins() {
        let long = "x".repeat(257);
        for (password, fault) in [
            ("seven 7", SecretFault::TooShort),
            (long.as_str(), SecretFault::TooLong),
            ("19450508", SecretFault::LikePin),
            ("two\nlines of it", SecretFault::Control),
        ] {
            assert_eq!(check_password(&password.into()), Err(fault));
        }
        for password in ["correct horse", "密码足够长", "1234567890123"] {
            assert_eq!(check_password(&password.into()), Ok(()));
        }
        assert_eq!(hash(&long.as_str().into()), Err(SecretError::TooLong));
    }

    #[test]
    fn a_secret_does_not_show_itself() {
        assert_eq!(format!("{:?}", Secret::from("1357")), "Secret");
    }
}
