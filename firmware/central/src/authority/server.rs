// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The certificate that this server shows on both its ports. It is made at each start and rests on
//! no disk: clients trust the authority and not the certificate. A server that runs for long makes a
//! new one while the old one is good for months yet.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use ring::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{AnyCertificate, Authority, AuthorityError};

/// A new certificate is made when the old one is good for less than this.
const RENEW_BEFORE_MS: u64 = 100 * 24 * 60 * 60 * 1000;

/// The certificate in force.
pub(crate) struct ServerCertificate {
    names: Vec<String>,
    current: RwLock<Current>,
}

struct Current {
    certified: Arc<CertifiedKey>,
    fingerprint: [u8; 32],
    until_unix_ms: u64,
}

impl ServerCertificate {
    /// Makes the first one, for `names`.
    ///
    /// # Errors
    /// [`AuthorityError::Certificate`] when a name can't stand in a certificate.
    pub(crate) fn issue(
        authority: &Authority,
        names: Vec<String>,
        now_unix_ms: u64,
    ) -> Result<Self, AuthorityError> {
        let current = RwLock::new(Current::issue(authority, &names, now_unix_ms)?);
        Ok(Self { names, current })
    }

    /// SHA-256 of the certificate that new connections see.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.fingerprint
    }

    /// Makes a new one when it is time to. Returns whether it did.
    ///
    /// # Errors
    /// As [`ServerCertificate::issue`]; the old one stays then.
    pub(crate) fn renew(
        &self,
        authority: &Authority,
        now_unix_ms: u64,
    ) -> Result<bool, AuthorityError> {
        let until = {
            let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
            current.until_unix_ms
        };
        if until.saturating_sub(now_unix_ms) > RENEW_BEFORE_MS {
            return Ok(false);
        }
        let next = Current::issue(authority, &self.names, now_unix_ms)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(true)
    }
}

impl Current {
    fn issue(
        authority: &Authority,
        names: &[String],
        now_unix_ms: u64,
    ) -> Result<Self, AuthorityError> {
        let (certified, until_unix_ms) = authority.issue_for_server(names, now_unix_ms)?;
        let own = certified
            .end_entity_cert()
            .map_err(AuthorityError::Mismatch)?;
        let fingerprint = digest(&SHA256, own)
            .as_ref()
            .try_into()
            .map_err(|_| AuthorityError::Secrets)?;
        Ok(Self {
            certified: Arc::new(certified),
            fingerprint,
            until_unix_ms,
        })
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current.certified))
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerCertificate({:?})", self.names)
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
    use super::super::SiteSecrets;
    use super::*;

    const NOW: u64 = 1_795_000_000_000;
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    #[test]
    fn a_new_certificate_is_made_long_before_the_old_one_runs_out() {
        let authority = Authority::own(&SiteSecrets::generate("Example").unwrap()).unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = ServerCertificate::issue(&authority, names, NOW).unwrap();
        let first = certificate.fingerprint();
        assert!(!certificate.renew(&authority, NOW + 200 * DAY_MS).unwrap());
        assert_eq!(certificate.fingerprint(), first);
        assert!(certificate.renew(&authority, NOW + 301 * DAY_MS).unwrap());
        assert_ne!(certificate.fingerprint(), first);
    }
}
