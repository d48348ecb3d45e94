// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The asking side of TLS: which certificate a printer or a centre may show, and which the box shows
//! itself. Printers sign their own, so their usual way is a pin: the SHA-256 fingerprint of the
//! certificate, typed in by an administrator. Nothing is trusted on first use: without a pin and an
//! authority the fingerprint is told and the other side refused.

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use platen_model::Clock;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use smol::io::{AsyncRead, AsyncWrite};
use thiserror::Error;

use crate::identity::crypto_provider;
use crate::verifier::{InTime, Pinned};

const PIN_SCHEME: &str = "sha256:";
/// SHA-256 of a certificate's DER.
pub(crate) type Fingerprint = [u8; 32];

/// Whom the asking side trusts.
#[derive(Clone, Debug, Default)]
pub enum TlsTrust {
    /// Nobody: the other side is refused, with its fingerprint.
    #[default]
    Nobody,
    /// The certificate with this SHA-256 fingerprint, whatever else it says.
    Pin([u8; 32]),
    /// Certificates of these authorities that name the host asked for and are valid now.
    Authorities(Arc<RootCertStore>),
}

/// Why a setting of trust can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Not `sha256:` and 64 hexadecimal digits, with or without colons.
    #[error("a pin is sha256: and 64 hexadecimal digits")]
    Pin,
    /// The file can't be read, or is no PEM.
    #[error("can't read certificates from {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The text holds no certificate of an authority.
    #[error("no authority's certificate in the text")]
    Text,
    /// No TLS can be had from what was given.
    #[error("TLS can't be set up with these certificates")]
    Tls(#[source] Error),
    /// No certificate in the file that can be an authority.
    #[error("no authority's certificate in {}", path.display())]
    NoAuthority {
        /// The file.
        path: PathBuf,
    },
}

impl TlsTrust {
    /// Reads `sha256:AB:CD…` or `sha256:abcd…`.
    ///
    /// # Errors
    /// [`TrustError::Pin`].
    pub fn from_pin(text: &str) -> Result<Self, TrustError> {
        let digits = text.strip_prefix(PIN_SCHEME).ok_or(TrustError::Pin)?;
        let digits: Vec<u8> = digits.bytes().filter(|octet| *octet != b':').collect();
        let mut pin = Fingerprint::default();
        if digits.len() != pin.len() * 2 {
            return Err(TrustError::Pin);
        }
        for (octet, pair) in pin.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| TrustError::Pin)?;
            // `from_str_radix` alone would take "+a".
            if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(TrustError::Pin);
            }
            *octet = u8::from_str_radix(pair, 16).map_err(|_| TrustError::Pin)?;
        }
        Ok(Self::Pin(pin))
    }

    /// Reads the authorities of a PEM file.
    ///
    /// # Errors
    /// [`TrustError::File`], [`TrustError::NoAuthority`].
    pub fn from_file(path: &Path) -> Result<Self, TrustError> {
        let fault = |source| TrustError::File {
            path: path.to_owned(),
            source,
        };
        let certificates = CertificateDer::pem_file_iter(path).map_err(fault)?;
        let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(fault)?;
        Self::of(certificates).ok_or_else(|| TrustError::NoAuthority {
            path: path.to_owned(),
        })
    }

    /// Reads the authorities of PEM text, such as an enrolment brings.
    ///
    /// # Errors
    /// [`TrustError::Text`].
    pub fn from_pem(text: &str) -> Result<Self, TrustError> {
        let certificates = CertificateDer::pem_slice_iter(text.as_bytes());
        let certificates = certificates.collect::<Result<Vec<_>, _>>();
        let store = certificates.ok().and_then(Self::of);
        store.ok_or(TrustError::Text)
    }

    fn of(certificates: Vec<CertificateDer<'static>>) -> Option<Self> {
        let mut store = RootCertStore::empty();
        let (added, _) = store.add_parsable_certificates(certificates);
        (added > 0).then(|| Self::Authorities(Arc::new(store)))
    }
}

/// The fingerprint as it stands in a configuration.
pub(crate) fn shown(fingerprint: &Fingerprint) -> String {
    let mut text = PIN_SCHEME.to_owned();
    for octet in fingerprint {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

/// What the asking side shows when it is asked for a certificate.
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl ClientIdentity {
    /// A certificate (X.509, DER) and its private key (PKCS #8, DER).
    #[must_use]
    pub fn from_der(certificate: Vec<u8>, key: Vec<u8>) -> Self {
        Self {
            chain: vec![certificate.into()],
            key: key.into(),
        }
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientIdentity")
    }
}

/// The clock by which certificates are judged, for a box whose own clock may be wrong. A certificate
/// counts as valid when it was so at any time between `floor` and now, and one from the future tells
/// that the clock is behind: neither keeps the box from the only side that could set it right.
#[derive(Clone)]
pub struct CertificateTime {
    /// The box's clock.
    pub clock: Arc<dyn Clock>,
    /// Wall milliseconds since 1970 that have passed for certain, such as the last time that the
    /// centre has signed. A certificate that ran out before is refused.
    pub floor_unix_ms: u64,
}

impl fmt::Debug for CertificateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateTime({})", self.floor_unix_ms)
    }
}

impl CertificateTime {
    pub(crate) fn floor(&self) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_millis(self.floor_unix_ms))
    }
}

impl TimeProvider for CertificateTime {
    fn current_time(&self) -> Option<UnixTime> {
        let now_unix_ms = self.clock.now().unix_ms.max(self.floor_unix_ms);
        Some(UnixTime::since_unix_epoch(Duration::from_millis(
            now_unix_ms,
        )))
    }
}

/// Why there is no TLS connection.
#[derive(Debug)]
pub(crate) enum TlsFault {
    /// The host's name can't stand in a certificate.
    HostName,
    /// Nobody is trusted.
    NotPinned { fingerprint: Fingerprint },
    /// Another certificate than the pinned one.
    OtherCertificate { fingerprint: Fingerprint },
    /// Anything else of the handshake.
    Handshake(io::Error),
}

/// The client side of TLS. Sessions are resumed, since a printer's processor takes its time over a
/// handshake.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    pinned: Option<Arc<Pinned>>,
}

impl Tls {
    pub(crate) fn new(
        trust: &TlsTrust,
        identity: Option<ClientIdentity>,
        time: Option<&CertificateTime>,
    ) -> Result<Self, TrustError> {
        let provider = crypto_provider();
        let clock: Arc<dyn TimeProvider> = match time {
            Some(time) => Arc::new(time.clone()),
            None => Arc::new(DefaultTimeProvider),
        };
        let builder = ClientConfig::builder_with_details(Arc::clone(&provider), clock)
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Tls)?;
        let (verifier, pinned): (Arc<dyn ServerCertVerifier>, _) = match trust {
            TlsTrust::Authorities(store) => {
                let verifier =
                    WebPkiServerVerifier::builder_with_provider(Arc::clone(store), provider);
                let verifier = verifier
                    .build()
                    .map_err(|error| TrustError::Tls(Error::General(error.to_string())))?;
                match time {
                    Some(time) => (Arc::new(InTime::new(verifier, time.floor())), None),
                    None => (verifier, None),
                }
            }
            TlsTrust::Pin(pin) => Pinned::verifier(Some(*pin), provider),
            TlsTrust::Nobody => Pinned::verifier(None, provider),
        };
        let builder = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(ClientIdentity { chain, key }) => builder
                .with_client_auth_cert(chain, PrivateKeyDer::Pkcs8(key))
                .map_err(TrustError::Tls)?,
        };
        Ok(Self {
            config: Arc::new(config),
            pinned,
        })
    }

    /// Makes a connection a TLS one.
    pub(crate) async fn wrap<S>(&self, host: &str, stream: S) -> Result<TlsStream<S>, TlsFault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsFault::HostName)?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let made = connector.connect(name, stream).await;
        made.map_err(|error| self.fault(error))
    }

    /// A refusal of ours is told with what was seen.
    fn fault(&self, error: io::Error) -> TlsFault {
        let refused = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref())
            .is_some_and(|inner: &Error| {
                *inner
                    == Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
            });
        let Some((pinned, fingerprint)) = self
            .pinned
            .as_ref()
            .filter(|_| refused)
            .and_then(|pinned| Some((pinned, pinned.seen()?)))
        else {
            return TlsFault::Handshake(error);
        };
        match pinned.has_pin() {
            true => TlsFault::OtherCertificate { fingerprint },
            false => TlsFault::NotPinned { fingerprint },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_with_and_without_colons_and_written_without() {
        let hex = "00ff".repeat(16);
        let colons: Vec<String> = (0..32)
            .map(|n| if n % 2 == 0 { "00".into() } else { "FF".into() })
            .collect();
        for text in [
            format!("sha256:{hex}"),
            format!("sha256:{}", colons.join(":")),
        ] {
            let TlsTrust::Pin(pin) = TlsTrust::from_pin(&text).unwrap() else {
                panic!("{text}")
            };
            assert_eq!(shown(&pin), format!("sha256:{hex}"));
        }
    }

    #[test]
    fn what_is_no_pin_is_refused() {
        let plus = format!("sha256:{}", "+a".repeat(32));
        let umlaut = format!("sha256:{}", "ü".repeat(32));
        for text in ["", "sha256:", "sha256:00", "md5:00", &plus, &umlaut] {
            assert!(TlsTrust::from_pin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_without_an_authority_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(matches!(
            TlsTrust::from_file(&path),
            Err(TrustError::File { .. })
        ));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(matches!(
            TlsTrust::from_file(&path),
            Err(TrustError::NoAuthority { .. })
        ));
    }
}
