// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers of the boxes' door: a message with status 200, or a [`Refusal`] with a status of its own.
//! Statuses: `docs/formats/sync.md`.

use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use platen_central::app::{CentreError, Fault};
use platen_model::Chain;
use platen_net::{BodyError, ReplyBody, reply};
use platen_sync::codec::{self, Body, CodecError, Message};
use platen_sync::message::{MEDIA_TYPE, PullAnswer, Refusal, RefusalCode};

use crate::authority::AuthorityError;

/// Seconds after which a box that was sent away may ask again.
const RETRY_AFTER_S: u64 = 5;

/// Octets that are packed or unpacked where all requests are served; more would hold others up.
pub(super) const WORK_OCTETS_MAX: usize = 64 * 1024;

/// An answer, or why there is none.
pub(super) type Answer = Result<Response<ReplyBody>, Refused>;

/// Why a request was not served.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    code: RefusalCode,
    message: String,
    retry_after_s: Option<u64>,
}

impl Refused {
    fn new(status: StatusCode, code: RefusalCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after_s: None,
        }
    }

    /// Too much is going on, or something is away for now.
    pub(super) fn busy(message: impl Into<String>) -> Self {
        let mut busy = Self::new(StatusCode::SERVICE_UNAVAILABLE, RefusalCode::Busy, message);
        busy.retry_after_s = Some(RETRY_AFTER_S);
        busy
    }

    /// One address asks too often.
    pub(super) fn too_often(after_s: u64) -> Self {
        let mut refused = Self::busy("too many requests from this address; ask again later");
        refused.retry_after_s = Some(after_s);
        refused
    }

    pub(super) fn plain() -> Self {
        let message = "boxes speak TLS here";
        Self::new(StatusCode::BAD_REQUEST, RefusalCode::BadMessage, message)
    }

    pub(super) fn not_here(path: &str) -> Self {
        let message = format!("there is no POST {path} here");
        Self::new(StatusCode::NOT_FOUND, RefusalCode::BadMessage, message)
    }

    pub(super) fn encoding() -> Self {
        let message = "bodies are plain or deflated";
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            RefusalCode::BadMessage,
            message,
        )
    }

    /// No certificate, or one that is none of this site's boxes.
    pub(super) fn not_enrolled() -> Self {
        let message =
            "this box is no member of the site: type the code on its screen at the centre";
        Self::new(StatusCode::FORBIDDEN, RefusalCode::NotEnrolled, message)
    }

    pub(super) fn revoked() -> Self {
        let message = "this box was taken out of the site";
        Self::new(StatusCode::FORBIDDEN, RefusalCode::Revoked, message)
    }

    pub(super) fn expired() -> Self {
        let message = "this box's certificate has run out: it can be renewed and nothing else";
        Self::new(
            StatusCode::FORBIDDEN,
            RefusalCode::CertificateExpired,
            message,
        )
    }

    fn bad(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, RefusalCode::BadMessage, message)
    }

    fn failed() -> Self {
        let message = "the central server failed; its log says why";
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            RefusalCode::Other,
            message,
        )
    }

    /// The answer to the box.
    pub(super) fn response(self) -> Response<ReplyBody> {
        let refusal = Refusal {
            code: self.code,
            message: self.message,
        };
        // A refusal of this program keeps its limits; a body is not needed to understand the status.
        let bytes = codec::encode(&refusal).unwrap_or_default();
        let mut response = reply(self.status, MEDIA_TYPE, bytes);
        if let Some(seconds) = self.retry_after_s {
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// A message, compressed where that pays: every box reads that.
pub(super) fn message<M: Message>(message: &M) -> Answer {
    packed(codec::pack(message))
}

/// A message that is not worth packing: a bundle is compressed already.
pub(super) fn plain<M: Message>(message: &M) -> Answer {
    packed(codec::encode(message).map(|bytes| Body {
        bytes,
        deflated: false,
    }))
}

/// A page of the directory, which may be long.
pub(super) async fn large_message(answer: PullAnswer) -> Answer {
    if answer.changes.payload.len() <= WORK_OCTETS_MAX {
        return message(&answer);
    }
    packed(smol::unblock(move || codec::pack(&answer)).await)
}

fn packed(body: Result<Body, CodecError>) -> Answer {
    let body = body.map_err(|error| {
        log::error!(err:% = error; "an answer to a box can't be written");
        Refused::failed()
    })?;
    let mut response = reply(StatusCode::OK, MEDIA_TYPE, body.bytes);
    let headers = response.headers_mut();
    headers.insert(
        ACCEPT_ENCODING,
        HeaderValue::from_static(codec::CONTENT_ENCODING),
    );
    if body.deflated {
        let deflate = HeaderValue::from_static(codec::CONTENT_ENCODING);
        headers.insert(CONTENT_ENCODING, deflate);
    }
    Ok(response)
}

impl From<BodyError> for Refused {
    fn from(error: BodyError) -> Self {
        let status = match &error {
            BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::bad(status, error.to_string())
    }
}

impl From<CodecError> for Refused {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::Version(_) => Self::new(
                StatusCode::BAD_REQUEST,
                RefusalCode::Version,
                format!("{error}: box and centre may be one version apart"),
            ),
            CodecError::TooLong { .. } => {
                Self::bad(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())
            }
            _ => Self::bad(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }
}

impl From<CentreError> for Refused {
    fn from(error: CentreError) -> Self {
        match error.fault() {
            Fault::Busy => {
                log::warn!(err:% = Chain(&error); "a box was told to come again");
                Self::busy(error.to_string())
            }
            Fault::TooMany => Self::busy(error.to_string()),
            Fault::Asked | Fault::Missing | Fault::Conflict | Fault::Unproved => {
                Self::bad(StatusCode::BAD_REQUEST, error.to_string())
            }
            _ => {
                log::error!(err:% = Chain(&error); "a request of a box failed");
                Self::failed()
            }
        }
    }
}

impl From<AuthorityError> for Refused {
    fn from(error: AuthorityError) -> Self {
        match error {
            AuthorityError::Request => Self::bad(StatusCode::BAD_REQUEST, error.to_string()),
            _ => {
                log::error!(err:% = Chain(&error); "a certificate was not signed");
                Self::failed()
            }
        }
    }
}
