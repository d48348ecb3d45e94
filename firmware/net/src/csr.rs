// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A key of the box's own for a certificate that somebody else signs, and the request for it.

use std::fmt;

use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::identity::IdentityError;

/// An ECDSA key on P-256: every side has it, and a small box makes one in no time.
pub struct ClientKey(KeyPair);

impl ClientKey {
    /// A new key.
    ///
    /// # Errors
    /// [`IdentityError::Create`] when the system gives no random bytes.
    pub fn generate() -> Result<Self, IdentityError> {
        Ok(Self(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?))
    }

    /// The key in PKCS #8, DER.
    ///
    /// # Errors
    /// [`IdentityError::Create`] when the bytes are something else.
    pub fn from_der(key: &[u8]) -> Result<Self, IdentityError> {
        let key = PrivatePkcs8KeyDer::from(key);
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256)?;
        Ok(Self(pair))
    }

    /// PKCS #8, DER. For a sealed file and [`crate::ClientIdentity`] only.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        self.0.serialize_der()
    }

    /// A request to have the key certified for `name`: PKCS #10, DER, signed with the key.
    ///
    /// # Errors
    /// [`IdentityError::Create`].
    pub fn request(&self, name: &str) -> Result<Vec<u8>, IdentityError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        Ok(params.serialize_request(&self.0)?.der().to_vec())
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_bytes_and_asks_for_the_same_certificate() {
        let key = ClientKey::generate().unwrap();
        let again = ClientKey::from_der(&key.to_der()).unwrap();
        let public = key.0.public_key_raw();
        assert_eq!(public, again.0.public_key_raw());
        let request = again.request("a box").unwrap();
        let held = |bytes: &[u8]| request.windows(bytes.len()).any(|part| part == bytes);
        assert!(held(public) && held(b"a box"));
        assert!(ClientKey::from_der(&request).is_err());
        assert!(!format!("{key:?}").contains(char::is_numeric));
    }
}
