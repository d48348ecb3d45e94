// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers of the web page and the headers that each of them has. Nothing is loaded from elsewhere,
//! nothing is framed, no page is kept by a cache.

use hyper::header::{
    ALLOW, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue, LOCATION, SET_COOKIE,
};
use hyper::{Response, StatusCode};
use platen_net::{ReplyBody, reply};

use super::html::Html;
use super::visit::{LANGUAGE_COOKIE, SESSION_COOKIE, Visit};
use super::words::{self, Word};

/// Scripts and styles come from files of this host alone; inline ones never run.
const POLICY: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";
/// On every answer.
const HEADERS: [(HeaderName, &str); 7] = [
    (hyper::header::CONTENT_SECURITY_POLICY, POLICY),
    (hyper::header::X_FRAME_OPTIONS, "DENY"),
    (hyper::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Not `no-referrer`: a browser would then send its forms with `Origin: null`.
    (hyper::header::REFERRER_POLICY, "same-origin"),
    (hyper::header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];
/// Files of the page: they change with the program, so an hour is enough.
const KEEP_FILE: &str = "max-age=3600";
/// Pages may hold a person's names and figures.
const KEEP_NOTHING: &str = "no-store";
/// A year, in seconds.
const LANGUAGE_KEPT_S: u32 = 31_536_000;

/// What a page answers.
pub(super) enum Answer {
    /// A page, or a part of one.
    Page(StatusCode, Html),
    /// Done: the browser looks at another page of ours.
    See(String),
}

/// Why a request was not answered with what it asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// A form without our token, or of another site.
    Form,
    NoPage,
    /// The question of the panel's code, to a browser that has claimed none.
    NoClaim,
    /// For displays at the box alone.
    NotHere,
    TooBig,
    /// Not GET, HEAD or POST, or not for this page.
    Method,
    /// Not a form.
    Kind,
    /// The box itself failed; the log says why.
    Box,
}

impl Fault {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Form | Self::NotHere => StatusCode::FORBIDDEN,
            Self::NoPage | Self::NoClaim => StatusCode::NOT_FOUND,
            Self::TooBig => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Kind => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Box => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    pub(super) fn word(self) -> Word {
        match self {
            Self::Form => Word::FaultForm,
            Self::NoPage => Word::FaultNoPage,
            Self::NoClaim => Word::PhoneOld,
            Self::NotHere => Word::PanelElsewhere,
            Self::TooBig => Word::FaultTooBig,
            Self::Method => Word::FaultMethod,
            Self::Kind => Word::FaultKind,
            Self::Box => Word::FaultBox,
        }
    }
}

/// The answer with its headers and the cookies that the browser is to have.
pub(super) fn finish(answer: Answer, visit: &Visit) -> Response<ReplyBody> {
    let mut response = match answer {
        Answer::Page(status, html) => reply(status, "text/html; charset=utf-8", html.into_string()),
        Answer::See(place) => see(StatusCode::SEE_OTHER, &place),
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        put(response.headers_mut(), ALLOW, "GET, HEAD, POST");
    }
    let headers = response.headers_mut();
    if visit.cookie_is_new {
        let value = visit.cookie.as_str();
        set_cookie(
            headers,
            &format!("{SESSION_COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict"),
        );
    }
    if visit.chose_language {
        let tag = words::tag(visit.language);
        set_cookie(
            headers,
            &format!(
                "{LANGUAGE_COOKIE}={tag}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={LANGUAGE_KEPT_S}"
            ),
        );
    }
    guard(response, KEEP_NOTHING)
}

/// A file of the page, the same for everybody.
pub(super) fn file(content_type: &'static str, text: &'static str) -> Response<ReplyBody> {
    guard(reply(StatusCode::OK, content_type, text), KEEP_FILE)
}

/// Sends somebody who came without TLS to the same address with it.
pub(super) fn to_tls(place: &str) -> Response<ReplyBody> {
    guard(see(StatusCode::PERMANENT_REDIRECT, place), KEEP_NOTHING)
}

/// The box has no random bytes: not even a page can be made.
pub(super) fn unable() -> Response<ReplyBody> {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    guard(reply(status, "text/plain", Vec::new()), KEEP_NOTHING)
}

fn see(status: StatusCode, place: &str) -> Response<ReplyBody> {
    let mut response = reply(status, "text/plain", Vec::new());
    put(response.headers_mut(), LOCATION, place);
    response
}

fn guard(mut response: Response<ReplyBody>, keep: &'static str) -> Response<ReplyBody> {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(keep));
    response
}

/// What can't stand in a header is left out.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn set_cookie(headers: &mut HeaderMap, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.append(SET_COOKIE, value);
    }
}
