// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a browser's request says besides its path: which browser it is, who is logged in there,
//! which language it reads, and whether a form may be believed.

use std::sync::Arc;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, COOKIE, HOST, HeaderName, ORIGIN};
use platen_model::Clock;
use platen_net::{BodyError, BodyLimits, BodyReader};
use platen_wire::form::{FORM_OCTETS_MAX, Form, FormError, cookie, encode, preferred_language};

use super::answer::Fault;
use super::sessions::{Cookie, NoRandom, Person, Sessions};
use super::words;
use crate::config::Language;

/// Name of the session's cookie. The prefix makes browsers take it only over TLS, from this host,
/// for all of it (RFC 6265bis §4.1.3.2).
pub(super) const SESSION_COOKIE: &str = "__Host-platen";
/// Name of the language's cookie.
pub(super) const LANGUAGE_COOKIE: &str = "__Host-platen-language";
/// Field of every form against forged requests.
pub(super) const TOKEN_FIELD: &str = "token";
/// Field of a query that changes the language.
const LANGUAGE_FIELD: &str = "lang";
/// Field of a query by which a page looks again by itself.
const AGAIN_FIELD: &str = "again";

/// A form is small, and a browser sends it in one piece.
const FORM_LIMITS: BodyLimits = BodyLimits {
    bytes: FORM_OCTETS_MAX as u64,
    idle: Duration::from_secs(10),
    grace: Duration::from_secs(10),
    bytes_per_second: 1024,
};

/// What is read and dropped of a body that is refused, and for how long.
const DISCARDED_OCTETS: u64 = 4 << 20;
const DISCARDED_FOR: Duration = Duration::from_secs(5);

/// One request of a browser.
pub(super) struct Visit {
    pub(super) path: String,
    pub(super) query: Form,
    pub(super) language: Language,
    /// Whether the language was chosen just now, and is to be remembered.
    pub(super) chose_language: bool,
    pub(super) cookie: Cookie,
    /// Whether the browser does not have `cookie` yet.
    pub(super) cookie_is_new: bool,
    pub(super) person: Option<Person>,
    /// `Host`, as the browser calls the box.
    pub(super) host: Option<String>,
    origin: Option<String>,
    is_form: bool,
}

impl Visit {
    /// Reads what the head of a request says. `by_itself`: a page looks again, nobody did anything.
    pub(super) fn read(
        path: &str,
        query: Option<&str>,
        headers: &HeaderMap,
        sessions: &Sessions,
        clock: &dyn Clock,
        by_itself: bool,
    ) -> Result<Self, NoRandom> {
        let query = Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
        let cookies = header(headers, &COOKIE);
        let cookie_of = |name| cookies.and_then(|cookies| cookie(cookies, name));
        let chosen = query.one(LANGUAGE_FIELD).and_then(words::language);
        let kept = || cookie_of(LANGUAGE_COOKIE).and_then(words::language);
        let (cookie, cookie_is_new) = match cookie_of(SESSION_COOKIE).and_then(Cookie::read) {
            Some(cookie) => (cookie, false),
            None => (sessions.cookie()?, true),
        };
        let touch = !by_itself && query.one(AGAIN_FIELD).is_none();
        let person = (!cookie_is_new)
            .then(|| sessions.find(&cookie, clock.now().elapsed, touch))
            .flatten();
        Ok(Self {
            path: path.to_owned(),
            query,
            language: chosen.or_else(kept).unwrap_or_else(|| accepted(headers)),
            chose_language: chosen.is_some(),
            cookie,
            cookie_is_new,
            person,
            host: header(headers, &HOST).map(str::to_owned),
            origin: header(headers, &ORIGIN).map(str::to_owned),
            is_form: is_form(headers),
        })
    }

    /// The fields of a form that came from a page of ours.
    pub(super) async fn form(
        &self,
        body: Incoming,
        sessions: &Sessions,
        clock: &Arc<dyn Clock>,
    ) -> Result<Form, Fault> {
        let mut reader = BodyReader::new(body, FORM_LIMITS, Arc::clone(clock));
        let bytes = match self.read_body(&mut reader).await {
            Ok(bytes) => bytes,
            Err(fault) => {
                // Else a browser that is still sending would see a broken connection.
                reader.discard(DISCARDED_OCTETS, DISCARDED_FOR).await;
                return Err(fault);
            }
        };
        let form = Form::parse(&bytes).map_err(|fault| match fault {
            FormError::TooLong | FormError::TooManyFields => Fault::TooBig,
            _ => Fault::Kind,
        })?;
        let token = form.one(TOKEN_FIELD).unwrap_or_default();
        if self.cookie_is_new || !sessions.fits(&self.cookie, token) {
            return Err(Fault::Form);
        }
        Ok(form)
    }

    async fn read_body(&self, reader: &mut BodyReader) -> Result<Vec<u8>, Fault> {
        if !self.is_form {
            return Err(Fault::Kind);
        }
        if !self.comes_from_here() {
            return Err(Fault::Form);
        }
        let mut bytes = Vec::new();
        while let Some(piece) = reader.next().await.map_err(broken)? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// Every browser names the origin of a form that it posts; one without is refused.
    fn comes_from_here(&self) -> bool {
        let (Some(origin), Some(host)) = (&self.origin, &self.host) else {
            return false;
        };
        origin
            .strip_prefix("https://")
            .is_some_and(|origin| origin.eq_ignore_ascii_case(host))
    }

    /// This page in the other language.
    pub(super) fn other_language(&self) -> String {
        let mut link = format!(
            "{}?{LANGUAGE_FIELD}={}",
            self.path,
            words::tag(words::other(self.language))
        );
        let own = [LANGUAGE_FIELD, AGAIN_FIELD];
        for (name, value) in self.query.fields().filter(|(name, _)| !own.contains(name)) {
            link.push('&');
            link.push_str(&encode(name));
            link.push('=');
            link.push_str(&encode(value));
        }
        link
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn accepted(headers: &HeaderMap) -> Language {
    header(headers, &ACCEPT_LANGUAGE)
        .and_then(|accepted| preferred_language(accepted, &["en", "zh"]))
        .and_then(words::language)
        .unwrap_or_default()
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = header(headers, &CONTENT_TYPE).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn broken(error: BodyError) -> Fault {
    match error {
        BodyError::TooLarge { .. } => Fault::TooBig,
        _ => Fault::Kind,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use platen_model::ManualClock;

    use super::*;

    fn visit(query: &str, headers: &[(HeaderName, &str)]) -> Visit {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let (sessions, clock) = (Sessions::new().unwrap(), ManualClock::at(0));
        Visit::read("/jobs", Some(query), &map, &sessions, &clock, false).unwrap()
    }

    #[test]
    fn a_form_from_another_site_is_not_believed() {
        let from = |origin| visit("", &[(HOST, "box.example:8444"), (ORIGIN, origin)]);
        assert!(from("https://box.example:8444").comes_from_here());
        for foreign in [
            "null",
            "http://box.example:8444",
            "https://box.example",
            "https://evil.example",
            "https://box.example:8444.evil.example",
        ] {
            assert!(!from(foreign).comes_from_here(), "{foreign}");
        }
        assert!(!visit("", &[(HOST, "box.example")]).comes_from_here());
    }

    #[test]
    fn the_language_is_the_chosen_one_then_the_kept_one_then_the_browsers() {
        let browser = (ACCEPT_LANGUAGE, "zh-CN");
        assert_eq!(
            visit("", std::slice::from_ref(&browser)).language,
            Language::Zh
        );
        let kept = (COOKIE, "__Host-platen-language=en");
        assert_eq!(
            visit("", &[browser.clone(), kept.clone()]).language,
            Language::En
        );
        let chosen = visit("lang=zh", &[browser, kept]);
        assert_eq!(chosen.language, Language::Zh);
        assert!(chosen.chose_language);
    }

    #[test]
    fn the_link_to_the_other_language_keeps_the_rest_of_the_address() {
        let visit = visit("c=a%22b&lang=en&again=1", &[]);
        assert_eq!(visit.other_language(), "/jobs?lang=zh&c=a%22b");
    }
}
