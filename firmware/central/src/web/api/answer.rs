// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers of the API: JSON, or a refusal as `{code, message, field}` with a status.

use hyper::header::{ALLOW, CACHE_CONTROL, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use platen_central::app::{CentreError, Fault};
use platen_model::Chain;
use platen_net::{BodyError, ReplyBody, reply};
use serde::Serialize;

const MEDIA_TYPE: &str = "application/json";
/// Seconds after which somebody who was sent away may ask again.
const RETRY_AFTER_S: u64 = 5;

/// An answer, or why there is none.
pub(crate) type Answer = Result<Response<ReplyBody>, Refused>;

/// Why a request was not served.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    told: Told,
    retry_after_s: Option<u64>,
    methods: Option<String>,
}

/// What the client is told.
#[derive(Debug, Serialize)]
struct Told {
    /// For programs.
    code: &'static str,
    /// For people: what is wrong and what to do.
    message: String,
    /// The field of the request that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

impl Refused {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            told: Told {
                code,
                message,
                field: None,
            },
            retry_after_s: None,
            methods: None,
        }
    }

    /// The request is not right; `field` is the part of it.
    pub(crate) fn field(field: &'static str, message: impl Into<String>) -> Self {
        let mut refused = Self::bad(message);
        refused.told.field = Some(field);
        refused
    }

    /// The request is not right.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-input", message)
    }

    pub(super) fn unauthorized() -> Self {
        let message = "this needs a token of an administrator, as 'Authorization: Bearer …'";
        Self::new(StatusCode::UNAUTHORIZED, "no-token", message)
    }

    pub(super) fn plain() -> Self {
        let message = "this is an HTTPS port: a token that came without TLS is known to others now";
        Self::new(StatusCode::UPGRADE_REQUIRED, "no-tls", message)
    }

    pub(super) fn too_often(after_s: u64) -> Self {
        let message = "too many wrong tries from this address; wait and try again";
        let mut refused = Self::new(StatusCode::TOO_MANY_REQUESTS, "too-often", message);
        refused.retry_after_s = Some(after_s);
        refused
    }

    pub(super) fn not_found(what: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", what)
    }

    pub(super) fn conflict(why: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", why)
    }

    pub(super) fn method(methods: &[&str]) -> Self {
        let methods = methods.join(", ");
        let message = format!("here there is {methods}");
        let mut refused = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method", message);
        refused.methods = Some(methods);
        refused
    }

    pub(super) fn media(wanted: &str) -> Self {
        let message = format!("send the body as {wanted}");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", message)
    }

    pub(crate) fn busy(message: impl Into<String>) -> Self {
        let mut refused = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message);
        refused.retry_after_s = Some(RETRY_AFTER_S);
        refused
    }

    pub(crate) fn failed() -> Self {
        let message = "the central server failed; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", message)
    }

    /// The answer to the client.
    pub(super) fn response(self) -> Response<ReplyBody> {
        let mut response = with(self.status, &self.told);
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        let methods = self
            .methods
            .and_then(|names| HeaderValue::try_from(names).ok());
        if let Some(methods) = methods {
            headers.insert(ALLOW, methods);
        }
        response
    }
}

/// `200` with `value`.
pub(crate) fn json(value: &impl Serialize) -> Answer {
    Ok(with(StatusCode::OK, value))
}

/// `201` with `value`.
pub(crate) fn created(value: &impl Serialize) -> Answer {
    Ok(with(StatusCode::CREATED, value))
}

/// `204`
pub(crate) fn done() -> Answer {
    let mut response = reply(StatusCode::NO_CONTENT, MEDIA_TYPE, Vec::new());
    response.headers_mut().remove(hyper::header::CONTENT_TYPE);
    Ok(response)
}

/// Any status with `value`. Answers are about people and secrets: nobody keeps them.
pub(crate) fn with(status: StatusCode, value: &impl Serialize) -> Response<ReplyBody> {
    let mut response = match serde_json::to_vec(value) {
        Ok(bytes) => reply(status, MEDIA_TYPE, bytes),
        Err(error) => {
            log::error!(err:% = error; "an answer of the API can't be written");
            reply(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", Vec::new())
        }
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl From<BodyError> for Refused {
    fn from(error: BodyError) -> Self {
        match &error {
            BodyError::TooLarge { .. } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                error.to_string(),
            ),
            BodyError::TooSlow { .. } => {
                Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", error.to_string())
            }
            _ => Self::bad(error.to_string()),
        }
    }
}

impl From<CentreError> for Refused {
    fn from(error: CentreError) -> Self {
        if let CentreError::Invalid { field, why } = error {
            return Self::field(field, why);
        }
        let message = error.to_string();
        match error.fault() {
            Fault::Asked => Self::bad(message),
            Fault::Unproved => Self::new(StatusCode::UNAUTHORIZED, "wrong-secret", message),
            Fault::Missing => Self::not_found(message),
            Fault::Conflict => Self::conflict(message),
            Fault::TooMany => Self::new(StatusCode::TOO_MANY_REQUESTS, "locked-out", message),
            Fault::Busy => {
                log::warn!(err:% = Chain(&error); "a request of the API was put off");
                Self::busy(message)
            }
            _ => {
                log::error!(err:% = Chain(&error); "a request of the API failed");
                Self::failed()
            }
        }
    }
}
