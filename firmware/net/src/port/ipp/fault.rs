// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What can go wrong between the box and an IPP printer, in words an administrator can act on.

use std::io::{self, ErrorKind};
use std::time::Duration;

use platen_hal::PortError;
use platen_wire::ipp::{DecodeError, EncodeError, Operation, Status};
use thiserror::Error;

use crate::tls::{TlsFault, shown};

/// Why a printer gave no (good) answer. It stands behind [`PortError::Offline`] or
/// [`PortError::Broken`], as the source of their [`io::Error`].
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IppFault {
    /// The way to the printer, or the connection on it.
    #[error("connection failed")]
    Io(#[from] io::Error),
    /// The HTTP talk on it.
    #[error("HTTP connection broke")]
    Http(#[from] hyper::Error),
    /// No whole answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// The handshake of TLS.
    #[error("TLS connection failed")]
    Tls(#[source] io::Error),
    /// The configuration trusts no certificate.
    #[error(
        "printer's certificate is not trusted: compare its fingerprint with the printer's and set \
         tls_pin = \"{fingerprint}\", or name its authority as tls_ca"
    )]
    NotPinned {
        /// `sha256:` and 64 hexadecimal digits, of the certificate that was shown.
        fingerprint: String,
    },
    /// Another certificate than the pinned one.
    #[error(
        "printer shows another certificate than the pinned one: {fingerprint}; is it still the same \
         printer?"
    )]
    OtherCertificate {
        /// As in [`IppFault::NotPinned`].
        fingerprint: String,
    },
    /// A redirection is not followed: a job goes to the printer that was configured, or nowhere.
    #[error("printer redirects to another address, which is not followed")]
    Redirected,
    /// HTTP 401.
    #[error("printer wants a password, which the box does not have")]
    PasswordWanted,
    /// HTTP 426.
    #[error("printer wants an encrypted connection: use ipps:// in its URI")]
    EncryptionWanted,
    /// Any other HTTP status than 200.
    #[error("printer answered with HTTP status {0}")]
    HttpStatus(u16),
    /// Whatever answers speaks no IPP there.
    #[error("answer is no IPP message: is the path of the URI right?")]
    NotIpp,
    /// An IPP message that breaks the rules, or the limits.
    #[error("printer's answer can't be read")]
    Answer(#[from] DecodeError),
    /// An answer to some other question.
    #[error("printer answered another request")]
    OtherRequest,
    /// The printer said no.
    #[error("printer refused {operation}: {status}")]
    Refused {
        /// What was asked.
        operation: Operation,
        /// Its answer.
        status: Status,
    },
    /// A request that can't be sent; a bug, or a URI that is too long.
    #[error("request can't be written")]
    Request(#[from] EncodeError),
    /// A request that is no HTTP.
    #[error("request can't be written")]
    HttpRequest(#[from] hyper::http::Error),
    /// The host of the URI can't stand in a certificate.
    #[error("host name can't be checked against a certificate")]
    HostName,
    /// The printer made a job and gave no number for it.
    #[error("printer named no job")]
    NoJob,
}

impl From<TlsFault> for IppFault {
    fn from(fault: TlsFault) -> Self {
        match fault {
            TlsFault::HostName => Self::HostName,
            TlsFault::NotPinned { fingerprint } => Self::NotPinned {
                fingerprint: shown(&fingerprint),
            },
            TlsFault::OtherCertificate { fingerprint } => Self::OtherCertificate {
                fingerprint: shown(&fingerprint),
            },
            TlsFault::Handshake(error) => Self::Tls(error),
        }
    }
}

impl IppFault {
    /// As an error of a port that has no job on its way yet.
    pub(super) fn before_job(self) -> PortError {
        match self.stopped() {
            Some(stopped) => stopped,
            None => PortError::Offline(self.into_io()),
        }
    }

    /// As an error of a port with a job on its way.
    pub(super) fn in_job(self) -> PortError {
        match (self.stopped(), &self) {
            (Some(stopped), _) => stopped,
            (None, Self::TooSlow(limit)) => PortError::Stalled {
                seconds: limit.as_secs(),
            },
            _ => PortError::Broken(self.into_io()),
        }
    }

    /// Answers that say how the printer is, and not that something is wrong between us.
    fn stopped(&self) -> Option<PortError> {
        let Self::Refused { status, .. } = self else {
            return None;
        };
        let reason = match *status {
            Status::NOT_ACCEPTING_JOBS | Status::PRINTER_IS_DEACTIVATED => "paused-error",
            Status::BUSY
            | Status::DEVICE_ERROR
            | Status::SERVICE_UNAVAILABLE
            | Status::TEMPORARY_ERROR
            | Status::TOO_MANY_JOBS => "other-error",
            Status::DOCUMENT_FORMAT_NOT_SUPPORTED
            | Status::DOCUMENT_FORMAT_ERROR
            | Status::DOCUMENT_UNPRINTABLE_ERROR => "unsupported-document-format",
            Status::JOB_CANCELED => "job-canceled-at-device",
            _ => return None,
        };
        Some(PortError::Stopped {
            reasons: vec![reason.to_owned()],
        })
    }

    fn into_io(self) -> io::Error {
        match self {
            Self::Io(error) => error,
            Self::TooSlow(_) => io::Error::new(ErrorKind::TimedOut, self),
            other => io::Error::other(other),
        }
    }

    /// Whether the same request may be asked once more on a new connection: nothing came back on one
    /// that had been idle.
    pub(super) fn is_stale_link(&self) -> bool {
        matches!(self, Self::Http(_) | Self::Io(_))
    }
}
