// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The authority's key and certificate, and what it signs. ECDSA on P-256 throughout: every client
//! has it, and a key is made in no time. Serial numbers are random, so that two central servers can
//! sign side by side.

use std::fmt;
use std::path::{Path, PathBuf};

use platen_model::{NodeId, UtcDate};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    SerialNumber, date_time_ymd,
};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// How long certificates of boxes and servers are good: more than a year, so that a box that is
/// moved once a year stays a member.
pub(crate) const CERTIFICATE_DAYS: u64 = 400;
/// Certificates of authorities that are read from a file.
const CHAIN_MAX: usize = 8;
/// Largest request for a certificate; one with a P-256 key has some 300 bytes.
const CSR_OCTETS_MAX: usize = 4096;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The site's own authority, as it is sealed into the database. The field names are the CBOR keys.
#[derive(Serialize, Deserialize)]
pub(crate) struct AuthorityKeys {
    /// PKCS #8 of the key.
    #[serde(with = "platen_model::bytes")]
    key: Vec<u8>,
    /// The certificate, PEM.
    certificate: String,
}

impl AuthorityKeys {
    /// A new authority for a site.
    ///
    /// # Errors
    /// [`AuthorityError`] when the name can't stand in a certificate or there is no randomness.
    pub(crate) fn generate(site_name: &str) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{site_name} (Platen)"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial()?);
        // The dates are constants: a box's clock may say anything. 2049 is the last year that every
        // client reads (RFC 5280 §4.1.2.5 changes the encoding after it).
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2049, 12, 31);
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            key: key.serialize_der(),
            certificate: certificate.pem(),
        })
    }

    /// CBOR, to be sealed.
    #[must_use]
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::new());
        ciborium::into_writer(self, &mut *bytes).expect("writing into memory does not fail");
        bytes
    }

    /// What [`AuthorityKeys::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`AuthorityError::Secrets`] when it is something else.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, AuthorityError> {
        ciborium::from_reader(bytes).map_err(|_| AuthorityError::Secrets)
    }
}

impl Drop for AuthorityKeys {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for AuthorityKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorityKeys")
    }
}

/// A certificate just signed.
#[derive(Clone, Debug)]
pub(crate) struct IssuedCertificate {
    /// X.509, DER.
    pub(crate) der: Vec<u8>,
    /// SHA-256 of it: how the centre knows a box.
    pub(crate) fingerprint: [u8; 32],
    /// When it runs out, wall milliseconds since 1970.
    pub(crate) until_unix_ms: u64,
}

/// Signs for the site.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    chain: Vec<CertificateDer<'static>>,
    authorities: String,
}

impl Authority {
    /// The authority of `keys`.
    ///
    /// # Errors
    /// [`AuthorityError`] when they are not what [`AuthorityKeys::generate`] made.
    pub(crate) fn own(keys: &AuthorityKeys) -> Result<Self, AuthorityError> {
        let key =
            PrivateKeyDer::try_from(keys.key.as_slice()).map_err(|_| AuthorityError::Secrets)?;
        Self::of(&key, keys.certificate.clone())?.ok_or(AuthorityError::Secrets)
    }

    /// The administrator's own authority: `certificate` begins with the one that signs, and those
    /// that vouch for it follow; `key` is its key, PKCS #8. Both are PEM. Blocks.
    ///
    /// # Errors
    /// [`AuthorityError`], such as when the key is not the certificate's.
    pub(crate) fn of_files(certificate: &Path, key: &Path) -> Result<Self, AuthorityError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| AuthorityError::Read {
                path: path.to_owned(),
                source,
            })
        };
        let no_pem = |path: &Path| AuthorityError::Pem {
            path: path.to_owned(),
        };
        let text = String::from_utf8(read(certificate)?).map_err(|_| no_pem(certificate))?;
        let pem = Zeroizing::new(read(key)?);
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| no_pem(key))?;
        Self::of(&key, text)?.ok_or_else(|| no_pem(certificate))
    }

    /// `None` when there is no certificate in `authorities`.
    fn of(key: &PrivateKeyDer<'_>, authorities: String) -> Result<Option<Self>, AuthorityError> {
        let Some(chain) = certificates(&authorities) else {
            return Ok(None);
        };
        let Some(first) = chain.first().cloned() else {
            return Ok(None);
        };
        let provider = platen_net::crypto_provider();
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider)
            .map_err(AuthorityError::Mismatch)?;
        let pair = KeyPair::try_from(key)?;
        Ok(Some(Self {
            issuer: Issuer::from_ca_cert_der(&first, pair)?,
            chain,
            authorities,
        }))
    }

    /// Certificates that vouch for this site's servers, PEM.
    pub(crate) fn authorities(&self) -> &str {
        &self.authorities
    }

    /// The certificates that vouch for what is signed here, the signing one first.
    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Signs a certificate for the box `node` that asks by `csr` (PKCS #10, DER). Only the public
    /// key is taken from the request, once the signature has shown that the box has its other half.
    ///
    /// # Errors
    /// [`AuthorityError::Request`] when it is no request for a P-256 key.
    pub(crate) fn issue_for_box(
        &self,
        node: NodeId,
        csr: &[u8],
        now_unix_ms: u64,
    ) -> Result<IssuedCertificate, AuthorityError> {
        if csr.len() > CSR_OCTETS_MAX {
            return Err(AuthorityError::Request);
        }
        let asked =
            CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(csr))
                .map_err(|_| AuthorityError::Request)?;
        if rcgen::PublicKeyData::algorithm(&asked.public_key) != &PKCS_ECDSA_P256_SHA256 {
            return Err(AuthorityError::Request);
        }
        let until_unix_ms = until(now_unix_ms);
        let mut params = CertificateParams::new(Vec::new())?;
        params
            .distinguished_name
            .push(DnType::CommonName, node.to_string());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.finish(params, &asked.public_key, until_unix_ms)
    }

    /// A new key (PKCS #8, DER) and a certificate for servers under `names` (host names and
    /// addresses).
    ///
    /// # Errors
    /// [`AuthorityError::Certificate`] when a name can't stand in a certificate.
    pub(crate) fn issue_for_servers(
        &self,
        names: &[String],
        now_unix_ms: u64,
    ) -> Result<(Zeroizing<Vec<u8>>, IssuedCertificate), AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(names)?;
        let first = names.first().map_or("platen-central", String::as_str);
        params.distinguished_name.push(DnType::CommonName, first);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let issued = self.finish(params, &key, until(now_unix_ms))?;
        Ok((Zeroizing::new(key.serialize_der()), issued))
    }

    fn finish(
        &self,
        mut params: CertificateParams,
        key: &impl rcgen::PublicKeyData,
        until_unix_ms: u64,
    ) -> Result<IssuedCertificate, AuthorityError> {
        params.serial_number = Some(serial()?);
        params.use_authority_key_identifier_extension = true;
        // Long ago: a clock that is behind must not keep a new certificate from working.
        params.not_before = date_time_ymd(2020, 1, 1);
        let UtcDate { year, month, day } = UtcDate::of(until_unix_ms);
        params.not_after = date_time_ymd(year.into(), month, day);
        let der = params.signed_by(key, &self.issuer)?.der().to_vec();
        let fingerprint = digest(&SHA256, &der)
            .as_ref()
            .try_into()
            .map_err(|_| AuthorityError::Secrets)?;
        Ok(IssuedCertificate {
            der,
            fingerprint,
            until_unix_ms,
        })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

fn certificates(pem: &str) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .take(CHAIN_MAX)
        .collect::<Result<_, _>>()
        .ok()?;
    (!chain.is_empty()).then_some(chain)
}

fn serial() -> Result<SerialNumber, AuthorityError> {
    let mut bytes = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| AuthorityError::NoRandomness)?;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Midnight UTC after [`CERTIFICATE_DAYS`]: certificates carry a date and no time of day here.
fn until(now_unix_ms: u64) -> u64 {
    (now_unix_ms / DAY_MS).saturating_add(CERTIFICATE_DAYS) * DAY_MS
}

/// Why nothing was signed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum AuthorityError {
    #[error("the site's keys in the database are not what they should be")]
    Secrets,
    #[error("can't read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not PEM: certificates in one file, a PKCS #8 key in the other", path.display())]
    Pem { path: PathBuf },
    #[error("key and certificate do not belong together")]
    Mismatch(#[source] rustls::Error),
    #[error("a certificate can't be made")]
    Certificate(#[from] rcgen::Error),
    #[error("this is no request for a certificate with a P-256 key")]
    Request,
    #[error("the system gives no random bytes")]
    NoRandomness,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_000_000_000;

    fn authority() -> Authority {
        let keys = AuthorityKeys::generate("Example").unwrap();
        let again = AuthorityKeys::from_bytes(&keys.to_bytes()).unwrap();
        Authority::own(&again).unwrap()
    }

    /// A request, and the public key that it is about.
    fn csr(algorithm: &'static rcgen::SignatureAlgorithm) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let params = CertificateParams::new(vec!["evil.example".to_owned()]).unwrap();
        let csr = params.serialize_request(&key).unwrap().der().to_vec();
        (csr, key.public_key_raw().to_vec())
    }

    fn holds(certificate: &[u8], part: &[u8]) -> bool {
        certificate.windows(part.len()).any(|window| window == part)
    }

    fn node() -> NodeId {
        NodeId(uuid::Uuid::from_u128(7))
    }

    #[test]
    fn a_box_gets_a_certificate_in_its_own_name_and_no_other() {
        let issued = authority()
            .issue_for_box(node(), &csr(&PKCS_ECDSA_P256_SHA256).0, NOW)
            .unwrap();
        assert!(holds(&issued.der, node().to_string().as_bytes()));
        assert!(!holds(&issued.der, b"evil.example"));
        assert_eq!(
            issued.until_unix_ms,
            (NOW / DAY_MS + CERTIFICATE_DAYS) * DAY_MS
        );
        assert_eq!(
            digest(&SHA256, &issued.der).as_ref(),
            issued.fingerprint.as_slice()
        );
    }

    #[test]
    fn a_request_that_was_tampered_with_never_brings_a_certificate_for_another_key() {
        let authority = authority();
        let (good, public) = csr(&PKCS_ECDSA_P256_SHA256);
        let mut refused = 0;
        for index in 0..good.len() {
            let mut bad = good.clone();
            bad[index] ^= 0x40;
            match authority.issue_for_box(node(), &bad, NOW) {
                Err(AuthorityError::Request) => refused += 1,
                // Some bytes around the signature mean nothing.
                Ok(issued) => assert!(holds(&issued.der, &public), "byte {index}"),
                Err(other) => panic!("byte {index}: {other}"),
            }
        }
        assert!(refused * 10 > good.len() * 9, "{refused} of {}", good.len());
    }

    #[test]
    fn a_request_for_another_kind_of_key_or_for_none_is_refused() {
        let authority = authority();
        for bad in [
            csr(&rcgen::PKCS_ED25519).0,
            csr(&rcgen::PKCS_ECDSA_P384_SHA384).0,
            Vec::new(),
            vec![0x30; CSR_OCTETS_MAX + 1],
        ] {
            assert!(matches!(
                authority.issue_for_box(node(), &bad, NOW),
                Err(AuthorityError::Request)
            ));
        }
    }

    #[test]
    fn an_authority_of_files_signs_for_the_site() {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = (dir.path().join("ca.pem"), dir.path().join("ca.key"));
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Office");
        std::fs::write(&certificate, params.self_signed(&pair).unwrap().pem()).unwrap();
        std::fs::write(&key, pair.serialize_pem()).unwrap();
        let authority = Authority::of_files(&certificate, &key).unwrap();
        let names = ["central.example".to_owned(), "192.0.2.1".to_owned()];
        let (_, issued) = authority.issue_for_servers(&names, NOW).unwrap();
        assert!(issued.until_unix_ms > NOW && !issued.der.is_empty());

        let other = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        std::fs::write(&key, other.serialize_pem()).unwrap();
        assert!(matches!(
            Authority::of_files(&certificate, &key),
            Err(AuthorityError::Mismatch(_))
        ));
    }
}
