// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box's own certificate: self-signed, made at the first start, then kept, because print
//! clients trust it on first use. An administrator may put another pair in its place.
//!
//! Files, mode 0600, in the directory given: `key.pem` (PKCS #8) and `cert.pem` (leaf first). The
//! key is written first; a pair that does not load or does not match (power cut between the two)
//! is moved aside as `*.bad` and made anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

const KEY_FILE: &str = "key.pem";
const CERTIFICATE_FILE: &str = "cert.pem";

/// The cryptography under TLS, chosen here and nowhere else.
#[must_use]
pub fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The box's private key and certificate.
#[derive(Debug)]
pub struct ServerIdentity {
    config: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
    created: bool,
}

impl ServerIdentity {
    /// Loads the pair from `dir`, or makes one for `host` (a name without domain, such as
    /// `platen`), its `.local` name, `localhost`, the loopback addresses and `addresses`. Blocks;
    /// a new pair is on disk when this returns.
    ///
    /// A later change of names does not change the certificate: a new one would be a stranger to
    /// every client that trusts the old one.
    ///
    /// # Errors
    /// [`IdentityError::File`] when the directory can't be read or written,
    /// [`IdentityError::Create`] when a name can't stand in a certificate.
    pub fn load_or_create(
        dir: &Path,
        host: &str,
        addresses: &[IpAddr],
    ) -> Result<Self, IdentityError> {
        make_dir(dir)?;
        match Pair::load(dir)? {
            Loaded::Whole(pair) => return Self::of(pair, false),
            Loaded::Missing => {}
            Loaded::Broken => {
                log::warn!("TLS key and certificate do not load, making new ones");
                set_aside(dir, KEY_FILE)?;
                set_aside(dir, CERTIFICATE_FILE)?;
            }
        }
        let (key, certificate) = create(host, addresses)?;
        write_durable(dir, KEY_FILE, &key)?;
        write_durable(dir, CERTIFICATE_FILE, &certificate)?;
        match Pair::load(dir)? {
            Loaded::Whole(pair) => Self::of(pair, true),
            Loaded::Missing | Loaded::Broken => Err(IdentityError::Unusable),
        }
    }

    /// What a [`crate::Server`] needs: TLS 1.2 and 1.3, HTTP/1.1, no client certificate.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The certificate, DER.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Whether the pair was made just now.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.created
    }

    fn of(pair: Pair, created: bool) -> Result<Self, IdentityError> {
        let certificate = pair.chain.first().cloned().ok_or(IdentityError::Unusable)?;
        Ok(Self {
            config: pair.config,
            certificate,
            created,
        })
    }
}

struct Pair {
    chain: Vec<CertificateDer<'static>>,
    config: Arc<ServerConfig>,
}

enum Loaded {
    Whole(Pair),
    Missing,
    Broken,
}

impl Pair {
    fn load(dir: &Path) -> Result<Loaded, IdentityError> {
        let key = read(&dir.join(KEY_FILE))?;
        let certificate = read(&dir.join(CERTIFICATE_FILE))?;
        let (Some(key), Some(certificate)) = (&key, &certificate) else {
            let none = key.is_none() && certificate.is_none();
            return Ok(if none {
                Loaded::Missing
            } else {
                Loaded::Broken
            });
        };
        Ok(Self::parse(key, certificate).map_or(Loaded::Broken, Loaded::Whole))
    }

    /// rustls checks that the key belongs to the certificate.
    fn parse(key: &[u8], certificate: &[u8]) -> Option<Self> {
        let key = PrivateKeyDer::from_pem_slice(key).ok()?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
            .collect::<Result<_, _>>()
            .ok()?;
        let mut config = ServerConfig::builder_with_provider(crypto_provider())
            .with_safe_default_protocol_versions()
            .ok()?
            .with_no_client_auth()
            .with_single_cert(chain.clone(), key)
            .ok()?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Some(Self {
            chain,
            config: Arc::new(config),
        })
    }
}

/// Key and certificate as PEM. The dates are constants: the box's clock may say 1970. 2049 is the
/// last year that every client reads (RFC 5280 §4.1.2.5 changes the encoding after it).
fn create(host: &str, addresses: &[IpAddr]) -> Result<(String, String), IdentityError> {
    let mut names = vec![
        "localhost".to_owned(),
        host.to_owned(),
        format!("{host}.local"),
    ];
    names.dedup();
    let mut params = CertificateParams::new(names)?;
    let loopback = [
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::LOCALHOST),
    ];
    let others = addresses
        .iter()
        .copied()
        .filter(|address| !loopback.contains(address));
    params
        .subject_alt_names
        .extend(loopback.into_iter().chain(others).map(SanType::IpAddress));
    params.distinguished_name.push(DnType::CommonName, host);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // P-256: RSA keys take seconds to make on a small box, and some clients lack Ed25519.
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    Ok((key.serialize_pem(), certificate.pem()))
}

fn make_dir(dir: &Path) -> Result<(), IdentityError> {
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir);
    made.map_err(|source| IdentityError::file(dir, source))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, IdentityError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(IdentityError::file(path, error)),
    }
}

fn set_aside(dir: &Path, name: &str) -> Result<(), IdentityError> {
    let path = dir.join(name);
    match fs::rename(&path, dir.join(format!("{name}.bad"))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(IdentityError::file(&path, error))
        }
        _ => Ok(()),
    }
}

/// Write, sync, rename, sync the directory.
fn write_durable(dir: &Path, name: &str, text: &str) -> Result<(), IdentityError> {
    let path = dir.join(name);
    let file = |source| IdentityError::file(&path, source);
    let new = dir.join(format!("{name}.new"));
    let mut options = OpenOptions::new();
    let mut out = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .map_err(file)?;
    out.write_all(text.as_bytes()).map_err(file)?;
    out.sync_all().map_err(file)?;
    fs::rename(&new, &path).map_err(file)?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(file)
}

/// Why the box has no identity.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file could not be read or written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A certificate could not be made, such as for a host name that is not ASCII.
    #[error("cannot make a certificate")]
    Create(#[from] rcgen::Error),
    /// A pair that was just written does not load.
    #[error("new key and certificate do not load")]
    Unusable,
}

impl IdentityError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn identity(dir: &Path) -> ServerIdentity {
        ServerIdentity::load_or_create(dir, "platen", &[]).unwrap()
    }

    #[test]
    fn a_pair_is_made_once_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = identity(dir.path());
        let second = identity(dir.path());
        assert!(first.is_new() && !second.is_new());
        assert_eq!(first.certificate(), second.certificate());
        for name in [KEY_FILE, CERTIFICATE_FILE] {
            let mode = fs::metadata(dir.path().join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_half_written_pair_is_set_aside_and_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let first = identity(dir.path());
        let path = dir.path().join(CERTIFICATE_FILE);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let second = identity(dir.path());
        assert!(second.is_new());
        assert_ne!(first.certificate(), second.certificate());
        assert!(dir.path().join("cert.pem.bad").exists());
    }

    #[test]
    fn a_key_without_its_certificate_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        identity(dir.path());
        fs::remove_file(dir.path().join(CERTIFICATE_FILE)).unwrap();
        assert!(identity(dir.path()).is_new());
    }

    #[test]
    fn a_key_of_another_certificate_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        identity(dir.path());
        identity(other.path());
        fs::copy(other.path().join(KEY_FILE), dir.path().join(KEY_FILE)).unwrap();
        assert!(identity(dir.path()).is_new());
    }
}
