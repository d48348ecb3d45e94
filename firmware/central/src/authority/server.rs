// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The certificate that the site's central servers show on both ports. All of them show the same
//! one: a box binds its proof to the certificate it has seen (`docs/formats/sync.md`), and the server
//! that is told the code may be another one. It rests in the database, sealed, and names every
//! server; it is made anew long before it runs out, and when a server comes with a new name.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use ring::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use super::{AnyCertificate, Authority, AuthorityError};

/// A new certificate is made when the old one is good for less than this.
const RENEW_BEFORE_MS: u64 = 100 * 24 * 60 * 60 * 1000;
/// Names of all servers of a site; the oldest ones are dropped beyond it.
const NAMES_MAX: usize = 64;

/// A certificate with its key, as it is sealed into the database. The field names are the CBOR keys.
#[derive(Serialize, Deserialize)]
pub(crate) struct ServerKeys {
    /// PKCS #8 of the key.
    #[serde(with = "platen_model::bytes")]
    key: Vec<u8>,
    /// The certificate, DER.
    #[serde(with = "platen_model::bytes")]
    certificate: Vec<u8>,
    /// SHA-256 of the authority's certificate.
    #[serde(with = "platen_model::bytes")]
    authority: Vec<u8>,
    /// Host names and addresses in it.
    names: Vec<String>,
    /// When it runs out, wall milliseconds since 1970.
    until_unix_ms: u64,
}

impl ServerKeys {
    /// Makes a certificate for `names` and those that `old` had.
    ///
    /// # Errors
    /// [`AuthorityError::Certificate`] when a name can't stand in a certificate.
    pub(crate) fn issue(
        authority: &Authority,
        names: &[String],
        old: Option<&Self>,
        now_unix_ms: u64,
    ) -> Result<Self, AuthorityError> {
        let mut all = names.to_vec();
        let others = old.map_or(&[][..], |old| &old.names);
        all.extend(others.iter().filter(|name| !names.contains(name)).cloned());
        all.truncate(NAMES_MAX.max(names.len()));
        let (mut key, issued) = authority.issue_for_servers(&all, now_unix_ms)?;
        Ok(Self {
            key: std::mem::take(&mut *key),
            certificate: issued.der,
            authority: fingerprint(authority),
            names: all,
            until_unix_ms: issued.until_unix_ms,
        })
    }

    /// Whether it is from this authority, has all of `names` and is good for long enough.
    pub(crate) fn suits(&self, authority: &Authority, names: &[String], now_unix_ms: u64) -> bool {
        self.authority == fingerprint(authority)
            && names.iter().all(|name| self.names.contains(name))
            && self.until_unix_ms.saturating_sub(now_unix_ms) > RENEW_BEFORE_MS
    }

    /// CBOR, to be sealed.
    #[must_use]
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::new());
        ciborium::into_writer(self, &mut *bytes).expect("writing into memory does not fail");
        bytes
    }

    /// What [`ServerKeys::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`AuthorityError::Secrets`] when it is something else.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, AuthorityError> {
        ciborium::from_reader(bytes).map_err(|_| AuthorityError::Secrets)
    }

    fn certified(&self, authority: &Authority) -> Result<CertifiedKey, AuthorityError> {
        let own = CertificateDer::from(self.certificate.clone());
        let chain = std::iter::once(own).chain(authority.chain().iter().cloned());
        let key = PrivateKeyDer::try_from(self.key.as_slice())
            .map_err(|_| AuthorityError::Secrets)?
            .clone_key();
        CertifiedKey::from_der(chain.collect(), key, &platen_net::crypto_provider())
            .map_err(AuthorityError::Mismatch)
    }
}

impl Drop for ServerKeys {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

fn fingerprint(authority: &Authority) -> Vec<u8> {
    let first = authority.chain().first().map_or(&[][..], |first| first);
    digest(&SHA256, first).as_ref().to_vec()
}

/// The certificate that new connections see.
pub(crate) struct ServerCertificate {
    current: RwLock<(Arc<CertifiedKey>, [u8; 32])>,
}

impl ServerCertificate {
    /// Shows `keys`.
    ///
    /// # Errors
    /// [`AuthorityError`] when they are damaged.
    pub(crate) fn new(keys: &ServerKeys, authority: &Authority) -> Result<Self, AuthorityError> {
        let current = RwLock::new(shown(keys, authority)?);
        Ok(Self { current })
    }

    /// Shows `keys` from now on.
    ///
    /// # Errors
    /// [`AuthorityError`] when they are damaged; the old ones stay then.
    pub(crate) fn show(
        &self,
        keys: &ServerKeys,
        authority: &Authority,
    ) -> Result<(), AuthorityError> {
        let next = shown(keys, authority)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// SHA-256 of the certificate.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .1
    }
}

fn shown(
    keys: &ServerKeys,
    authority: &Authority,
) -> Result<(Arc<CertifiedKey>, [u8; 32]), AuthorityError> {
    let hash = digest(&SHA256, &keys.certificate);
    let hash = hash.as_ref().first_chunk().ok_or(AuthorityError::Secrets)?;
    Ok((Arc::new(keys.certified(authority)?), *hash))
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current.0))
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerCertificate")
    }
}

/// TLS 1.2 and 1.3, HTTP/1.1; with `boxes` a client's certificate is asked for.
///
/// # Errors
/// [`AuthorityError::Mismatch`] when the cryptography lacks what both versions need.
pub(crate) fn server_config(
    certificate: Arc<ServerCertificate>,
    boxes: bool,
) -> Result<Arc<ServerConfig>, AuthorityError> {
    let provider = platen_net::crypto_provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(AuthorityError::Mismatch)?;
    let builder = if boxes {
        builder.with_client_cert_verifier(Arc::new(AnyCertificate::new(provider)))
    } else {
        builder.with_no_client_auth()
    };
    let mut config = builder.with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::super::AuthorityKeys;
    use super::*;

    const NOW: u64 = 1_795_000_000_000;
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    fn authority() -> Authority {
        Authority::own(&AuthorityKeys::generate("Example").unwrap()).unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_certificate_is_kept_until_it_is_time_a_name_is_missing_or_the_authority_is_another() {
        let authority = authority();
        let one = names(&["one.example", "192.0.2.1"]);
        let keys = ServerKeys::issue(&authority, &one, None, NOW).unwrap();
        let keys = ServerKeys::from_bytes(&keys.to_bytes()).unwrap();
        assert!(keys.suits(&authority, &one, NOW + 200 * DAY_MS));
        assert!(!keys.suits(&authority, &one, NOW + 301 * DAY_MS));
        assert!(!keys.suits(&self::authority(), &one, NOW));
        let two = names(&["two.example"]);
        assert!(!keys.suits(&authority, &two, NOW));
        let both = ServerKeys::issue(&authority, &two, Some(&keys), NOW).unwrap();
        assert!(both.suits(&authority, &one, NOW) && both.suits(&authority, &two, NOW));
    }

    #[test]
    fn a_new_certificate_is_shown_at_once() {
        let authority = authority();
        let issue = || ServerKeys::issue(&authority, &names(&["localhost"]), None, NOW).unwrap();
        let first = issue();
        let shown = ServerCertificate::new(&first, &authority).unwrap();
        let before = shown.fingerprint();
        shown.show(&issue(), &authority).unwrap();
        assert_ne!(shown.fingerprint(), before);
        shown.show(&first, &authority).unwrap();
        assert_eq!(shown.fingerprint(), before);
    }
}
