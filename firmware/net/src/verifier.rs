// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a certificate that the other side shows is judged beyond rustls's own way: by its fingerprint
//! alone, or by authorities with a clock that may be wrong.

use std::sync::{Arc, Mutex, PoisonError};

use ring::digest::{SHA256, digest};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use crate::tls::Fingerprint;

/// Takes one certificate and no other. That the other side has its key is checked as always.
#[derive(Debug)]
pub(crate) struct Pinned {
    pin: Option<Fingerprint>,
    seen: Mutex<Option<Fingerprint>>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    pub(crate) fn verifier(
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

    pub(crate) fn seen(&self) -> Option<Fingerprint> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has_pin(&self) -> bool {
        self.pin.is_some()
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

/// Asks authorities, and sees to it that a box with a wrong clock gets through: see
/// [`crate::CertificateTime`].
#[derive(Debug)]
pub(crate) struct InTime {
    inner: Arc<WebPkiServerVerifier>,
    floor: UnixTime,
}

impl InTime {
    pub(crate) fn new(inner: Arc<WebPkiServerVerifier>, floor: UnixTime) -> Self {
        Self { inner, floor }
    }

    /// When else the certificate may be judged that is refused for its time.
    fn other_time(&self, refused: &Error) -> Option<UnixTime> {
        match refused {
            Error::InvalidCertificate(CertificateError::NotValidYetContext {
                not_before, ..
            }) => Some(*not_before),
            Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. }) => {
                (*not_after >= self.floor).then_some(*not_after)
            }
            _ => None,
        }
    }
}

impl ServerCertVerifier for InTime {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judge = |at| {
            let inner = &self.inner;
            inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, at)
        };
        judge(now).or_else(|refused| match self.other_time(&refused) {
            Some(at) => judge(at),
            None => Err(refused),
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
