// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which certificate a printer may show. Printers sign their own, so the usual way is a pin: the
//! SHA-256 fingerprint of the certificate, typed in by an administrator. Nothing is trusted on
//! first use: without a pin and an authority the fingerprint is told and the printer refused.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_rustls::TlsConnector;
use ring::digest::{SHA256, digest};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use smol::Async;
use std::net::TcpStream;
use thiserror::Error;

use super::fault::IppFault;
use crate::identity::crypto_provider;

const PIN_SCHEME: &str = "sha256:";
type Fingerprint = [u8; 32];

/// Whom an `ipps:` port trusts.
#[derive(Clone, Debug, Default)]
pub enum TlsTrust {
    /// Nobody: the printer is refused, with its fingerprint.
    #[default]
    Nobody,
    /// The certificate with this SHA-256 fingerprint, whatever else it says.
    Pin([u8; 32]),
    /// Certificates of these authorities that name the URI's host and are valid now.
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
        let mut store = RootCertStore::empty();
        let (added, _) = store.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(TrustError::NoAuthority {
                path: path.to_owned(),
            });
        }
        Ok(Self::Authorities(Arc::new(store)))
    }
}

/// The fingerprint as it stands in a configuration.
fn shown(fingerprint: &Fingerprint) -> String {
    let mut text = PIN_SCHEME.to_owned();
    for octet in fingerprint {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02x}");
    }
    text
}

/// The client side of TLS for one printer. Sessions are resumed, since a printer's processor takes
/// its time over a handshake.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    config: Arc<ClientConfig>,
    pinned: Option<Arc<Pinned>>,
}

impl Tls {
    pub(super) fn new(trust: &TlsTrust) -> Result<Self, TrustError> {
        let provider = crypto_provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Tls)?;
        let (verifier, pinned): (Arc<dyn ServerCertVerifier>, _) = match trust {
            TlsTrust::Authorities(store) => {
                let verifier =
                    WebPkiServerVerifier::builder_with_provider(Arc::clone(store), provider);
                let verifier = verifier
                    .build()
                    .map_err(|error| TrustError::Tls(Error::General(error.to_string())))?;
                (verifier, None)
            }
            TlsTrust::Pin(pin) => Pinned::verifier(Some(*pin), provider),
            TlsTrust::Nobody => Pinned::verifier(None, provider),
        };
        let config = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
            pinned,
        })
    }

    /// Makes a connection a TLS one.
    pub(super) async fn wrap(
        &self,
        host: &str,
        stream: Async<TcpStream>,
    ) -> Result<futures_rustls::client::TlsStream<Async<TcpStream>>, IppFault> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| IppFault::HostName)?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let made = connector.connect(name, stream).await;
        made.map_err(|error| self.fault(error))
    }

    /// A refusal of ours is told with what was seen.
    fn fault(&self, error: std::io::Error) -> IppFault {
        let refused = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref())
            .is_some_and(|inner: &Error| {
                *inner
                    == Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
            });
        let Some((pinned, seen)) = self
            .pinned
            .as_ref()
            .filter(|_| refused)
            .and_then(|pinned| Some((pinned, pinned.seen()?)))
        else {
            return IppFault::Tls(error);
        };
        let fingerprint = shown(&seen);
        match pinned.pin {
            Some(_) => IppFault::OtherCertificate { fingerprint },
            None => IppFault::NotPinned { fingerprint },
        }
    }
}

/// Takes one certificate and no other. That the printer has its key is checked as always.
#[derive(Debug)]
struct Pinned {
    pin: Option<Fingerprint>,
    seen: Mutex<Option<Fingerprint>>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn verifier(
        pin: Option<Fingerprint>,
        provider: Arc<CryptoProvider>,
    ) -> (Arc<dyn ServerCertVerifier>, Option<Arc<Self>>) {
        let pinned = Arc::new(Self {
            pin,
            seen: Mutex::default(),
            provider,
        });
        (Arc::clone(&pinned) as _, Some(pinned))
    }

    fn seen(&self) -> Option<Fingerprint> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let mut seen = Fingerprint::default();
        seen.copy_from_slice(digest(&SHA256, end_entity).as_ref());
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
        if self.pin == Some(seen) {
            Ok(ServerCertVerified::assertion())
        } else {
            let refusal = CertificateError::ApplicationVerificationFailure;
            Err(Error::InvalidCertificate(refusal))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
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
