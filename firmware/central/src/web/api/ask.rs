// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A request of the API once it is known which route it is and who asks.

use std::str::FromStr;
use std::sync::Arc;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use platen_central::app::{Actor, Administrator, Mark, Page};
use platen_model::UtcDate;
use platen_wire::form::Form;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{self, Answer, Refused};
use super::routes::Route;
use crate::body;
use crate::central::Central;

/// Largest body but for an import.
const BODY_OCTETS_MAX: u64 = 1 << 20;
/// Rows of a page unless asked otherwise, and at most.
const LIMIT: u64 = 100;
const LIMIT_MAX: u64 = 1000;
/// A day of UTC, milliseconds.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

const NO_WORD_OF_NEXT: &str = "this is no word of an answer's 'next'";

/// A request.
pub(crate) struct Ask {
    pub(crate) central: Arc<Central>,
    /// Who asks; nobody on routes that need no token.
    pub(crate) administrator: Option<Administrator>,
    /// The token of the request.
    pub(crate) token: Option<String>,
    parameters: Vec<String>,
    query: Form,
    pub(crate) request: Request<Incoming>,
}

impl Ask {
    pub(super) fn new(
        central: Arc<Central>,
        administrator: Option<Administrator>,
        token: Option<String>,
        (route, parameters): (&Route, &[&str]),
        request: Request<Incoming>,
    ) -> Result<Self, Refused> {
        let query = request.uri().query().unwrap_or_default();
        let query = Form::parse(query.as_bytes())
            .map_err(|error| Refused::bad(format!("the query: {error}")))?;
        // A filter that is misspelt would show too much.
        let known = |name: &str| route.query.contains(&name);
        if query.fields().any(|(name, _)| !known(name)) {
            let known = route.query.join(", ");
            return Err(Refused::bad(format!("the query may have: {known}")));
        }
        let parameters = parameters.iter().map(|word| unescape(word));
        Ok(Self {
            central,
            administrator,
            token,
            parameters: parameters.collect::<Result<_, _>>()?,
            query,
            request,
        })
    }

    /// In whose name things are changed.
    pub(crate) fn actor(&self) -> Result<Actor, Refused> {
        let administrator = self.administrator.as_ref();
        let administrator = administrator.ok_or_else(Refused::unauthorized)?;
        Ok(Actor::Administrator(administrator.id))
    }

    /// The parameter of the path.
    pub(crate) fn parameter(&self) -> &str {
        self.parameters.first().map_or("", String::as_str)
    }

    /// The parameter of the path as an id.
    pub(crate) fn id(&self) -> Result<Uuid, Refused> {
        let text = self.parameter();
        text.parse()
            .map_err(|_| Refused::not_found(format!("'{text}' is no id")))
    }

    /// A parameter of the query.
    pub(crate) fn wish(&self, name: &str) -> Option<&str> {
        self.query.one(name).filter(|value| !value.is_empty())
    }

    /// Whether a switch of the query is on.
    pub(crate) fn is_wished(&self, name: &str) -> bool {
        matches!(self.wish(name), Some("true" | "1" | "yes"))
    }

    /// The page that is asked for of a list in order of names.
    pub(crate) fn page(&self) -> Result<Page, Refused> {
        Ok(Page {
            offset: self.parsed("after", NO_WORD_OF_NEXT)?.unwrap_or(0),
            behind: None,
            limit: self.limit()?,
        })
    }

    /// The page that is asked for of a list that has the newest first.
    pub(crate) fn newest(&self) -> Result<Page, Refused> {
        Ok(Page {
            offset: 0,
            behind: self.parsed::<Mark>("after", NO_WORD_OF_NEXT)?,
            limit: self.limit()?,
        })
    }

    fn limit(&self) -> Result<u64, Refused> {
        let limit = self.parsed("limit", "this is no number of rows")?;
        Ok(limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX))
    }

    /// A parameter of the query as another type; `wrong` says what it should be.
    pub(crate) fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        wrong: &'static str,
    ) -> Result<Option<T>, Refused> {
        let value = self.wish(name).map(str::parse).transpose();
        value.map_err(|_| Refused::field(name, wrong))
    }

    /// From when on: wall milliseconds, or a day's first one.
    pub(crate) fn since(&self) -> Result<Option<u64>, Refused> {
        Ok(self.time("since")?.map(|(from, _)| from))
    }

    /// Until when: wall milliseconds, or a day's last one.
    pub(crate) fn until(&self) -> Result<Option<u64>, Refused> {
        Ok(self.time("until")?.map(|(_, to)| to))
    }

    /// The first and the last millisecond of what the query names.
    fn time(&self, name: &'static str) -> Result<Option<(u64, u64)>, Refused> {
        let Some(text) = self.wish(name) else {
            return Ok(None);
        };
        let wrong = "write a day, such as 2026-11-23, or milliseconds";
        span(text).map(Some).ok_or(Refused::field(name, wrong))
    }

    /// The answer to a list of `total` rows, of which `rows` are the page asked for.
    pub(crate) fn listed(&self, page: &Page, total: u64, rows: Vec<Value>) -> Answer {
        let behind = page
            .offset
            .saturating_add(rows.len().try_into().unwrap_or(0));
        let next = (behind < total && !rows.is_empty()).then(|| behind.to_string());
        answer::json(&json!({ "items": rows, "total": total, "next": next }))
    }

    /// The answer to a list of `total` rows that has the newest first; more of them follow `next`.
    pub(crate) fn marked(&self, total: u64, next: Option<Mark>, rows: Vec<Value>) -> Answer {
        let next = next.map(|next| next.to_string());
        answer::json(&json!({ "items": rows, "total": total, "next": next }))
    }

    /// The page asked for of a list that is at hand.
    pub(crate) fn whole(&self, rows: impl ExactSizeIterator<Item = Value>) -> Answer {
        let page = self.page()?;
        let total = rows.len().try_into().unwrap_or(u64::MAX);
        let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        let rows = rows.skip(number(page.offset)).take(number(page.limit));
        self.listed(&page, total, rows.collect())
    }

    /// The body as JSON; no body is `{}`.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<T, Refused> {
        let bytes = self.body("application/json").await?;
        let bytes = if bytes.is_empty() {
            b"{}"
        } else {
            bytes.as_slice()
        };
        serde_json::from_slice(bytes).map_err(|error| {
            // serde's own text may quote a value, which may be a secret.
            let place = format!("line {}, column {}", error.line(), error.column());
            match error.classify() {
                serde_json::error::Category::Data => Refused::bad(format!(
                    "the body is not what this takes ({place}): {}",
                    without_values(&error)
                )),
                _ => Refused::bad(format!("the body is no JSON ({place})")),
            }
        })
    }

    /// The body as text.
    pub(crate) async fn text(self) -> Result<String, Refused> {
        let bytes = self.body("text/plain").await?;
        String::from_utf8(bytes).map_err(|_| Refused::bad("the body is not UTF-8"))
    }

    async fn body(self, wanted: &str) -> Result<Vec<u8>, Refused> {
        check_media(&self.request, wanted)?;
        Ok(body::read(self.request, BODY_OCTETS_MAX, &self.central.clock).await?)
    }
}

/// The one of `all` that a word names, by id or by name; `key` tells both.
///
/// # Errors
/// [`Refused`] when several have the name: nobody knows which one is meant.
pub(super) fn one_of<T>(
    all: Vec<T>,
    word: &str,
    key: impl Fn(&T) -> (Uuid, &str),
) -> Result<Option<T>, Refused> {
    let id = word.parse::<Uuid>().ok();
    let (mut by_id, rest): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|one| Some(key(one).0) == id);
    if let Some(found) = by_id.pop() {
        return Ok(Some(found));
    }
    let mut named: Vec<T> = rest.into_iter().filter(|one| key(one).1 == word).collect();
    if named.len() > 1 {
        let ids = named.iter().map(|one| key(one).0.to_string());
        let ids = ids.collect::<Vec<_>>().join(", ");
        let why = format!("several are named '{word}': say which one by its id: {ids}");
        return Err(Refused::conflict(why));
    }
    Ok(named.pop())
}

/// The first and the last millisecond of a day, or of wall milliseconds, which are both.
fn span(text: &str) -> Option<(u64, u64)> {
    if let Ok(day) = text.parse::<UtcDate>() {
        let first = day.unix_ms();
        return Some((first, first.saturating_add(DAY_MS - 1)));
    }
    let at = text.parse().ok()?;
    Some((at, at))
}

/// Whether the body is said to be of this kind, or nothing is said.
pub(super) fn check_media(request: &Request<Incoming>, wanted: &str) -> Result<(), Refused> {
    let Some(kind) = request.headers().get(CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(wanted) {
        Ok(())
    } else {
        Err(Refused::media(wanted))
    }
}

/// The names in an error of serde stand in backquotes: unknown and missing fields are told by them,
/// everything else only by its kind.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let told = ["unknown field `", "missing field `", "unknown variant `"];
    if told.iter().any(|start| text.starts_with(start)) {
        let name = text.splitn(3, '`').take(2).collect::<Vec<_>>();
        return format!("{}`", name.join("`"));
    }
    "a value is not of the right kind".to_owned()
}

/// A word of a path without its percent signs.
fn unescape(word: &str) -> Result<String, Refused> {
    let field = word.replace('+', "%2B").replace('&', "%26");
    let form = Form::parse(format!("word={field}").as_bytes());
    let form = form.map_err(|_| Refused::bad("the path is not UTF-8 with percent signs"))?;
    Ok(form.one("word").unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_path_keep_what_a_form_would_not() {
        assert_eq!(unescape("a+b&c=d%40e%2Ff").unwrap(), "a+b&c=d@e/f");
        assert!(unescape("%ff").is_err());
        assert!(unescape("%4").is_err());
    }

    #[test]
    fn a_day_is_all_of_its_milliseconds() {
        assert_eq!(span("1970-01-02"), Some((86_400_000, 172_799_999)));
        assert_eq!(span("5"), Some((5, 5)));
        assert_eq!(span("yesterday"), None);
    }

    #[test]
    fn an_error_in_a_body_tells_no_value_of_it() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Pin {
            #[expect(dead_code, reason = "only read")]
            pin: u32,
        }
        let told = |text: &str| {
            let error = serde_json::from_str::<Pin>(text).unwrap_err();
            without_values(&error)
        };
        assert_eq!(
            told(r#"{"pin": "1357"}"#),
            "a value is not of the right kind"
        );
        assert_eq!(told(r#"{"pim": 1}"#), "unknown field `pim`");
        assert_eq!(told("{}"), "missing field `pin`");
    }
}
