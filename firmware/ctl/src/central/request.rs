// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests to the central server as values, and how they are put together.

use std::fmt::Write as _;
use std::path::PathBuf;

use lexopt::Error;
use platen_wire::form::encode;
use serde_json::{Map, Value};

use super::CentralCall;
use super::show::{Column, View};

/// A request, and how its answer is shown.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Every page of a list.
    List {
        path: String,
        columns: &'static [Column],
    },
    /// One request.
    Ask {
        method: &'static str,
        path: String,
        body: Body,
        view: View,
    },
}

/// What is sent.
#[derive(Debug)]
pub(crate) enum Body {
    None,
    Json(Value),
    File {
        path: PathBuf,
        kind: &'static str,
    },
    /// A release's bundle.
    Bundle {
        path: PathBuf,
    },
    /// A line of standard input as `field` beside the other fields.
    Typed {
        what: &'static str,
        field: &'static str,
        rest: Map<String, Value>,
    },
}

pub(super) type Planned = Result<Plan, Error>;

/// A request with a line of standard input as `field`.
pub(super) fn typed(
    method: &'static str,
    path: String,
    what: &'static str,
    field: &'static str,
    rest: &Value,
) -> Plan {
    let body = Body::Typed {
        what,
        field,
        rest: rest.as_object().cloned().unwrap_or_default(),
    };
    ask(method, path, body, View::Facts)
}

pub(super) fn list(path: &str, columns: &'static [Column]) -> Plan {
    let path = path.to_owned();
    Plan::List { path, columns }
}

pub(super) fn ask(method: &'static str, path: String, body: Body, view: View) -> Plan {
    Plan::Ask {
        method,
        path,
        body,
        view,
    }
}

pub(super) fn post(path: &str, body: Value) -> Plan {
    ask("POST", path.to_owned(), Body::Json(body), View::Facts)
}

pub(super) fn put(path: String, body: Value) -> Plan {
    ask("PUT", path, Body::Json(body), View::Facts)
}

pub(super) fn patch(path: String, body: Value) -> Plan {
    ask("PATCH", path, Body::Json(body), View::Facts)
}

pub(super) fn delete(path: String) -> Plan {
    ask("DELETE", path, Body::None, View::Facts)
}

pub(super) fn user(login: &str) -> String {
    below("/v1/users", login)
}

pub(super) fn below(path: &str, name: &str) -> String {
    format!("{path}/{}", encode(name))
}

/// `path` with those of `pairs` that have a value.
pub(super) fn query(path: &str, pairs: &[(&str, Option<&str>)]) -> String {
    let mut text = path.to_owned();
    for (key, value) in pairs {
        if let Some(value) = value {
            let joint = if text.contains('?') { '&' } else { '?' };
            // Writing to a String cannot fail.
            let _ = write!(text, "{joint}{key}={}", encode(value));
        }
    }
    text
}

pub(super) fn needed<'a>(call: &'a CentralCall, name: &str) -> Result<&'a str, Error> {
    let value = call.value(name);
    value.ok_or_else(|| format!("say --{name}; see 'platenctl central --help'").into())
}

pub(super) fn number(call: &CentralCall, name: &str) -> Result<Option<u64>, Error> {
    let parse = |text: &str| {
        text.parse()
            .map_err(|_| Error::from(format!("--{name}: '{text}' is no number")))
    };
    call.value(name).map(parse).transpose()
}

/// `key=value`, where the value is a number, `true` or `false`.
pub(super) fn setting(pair: &str) -> Result<(String, Value), Error> {
    let (key, value) = pair
        .split_once('=')
        .ok_or_else(|| format!("'{pair}' is not KEY=VALUE"))?;
    let value = match value {
        "true" | "yes" => Value::Bool(true),
        "false" | "no" => Value::Bool(false),
        number => number
            .parse::<u64>()
            .map(Value::from)
            .map_err(|_| format!("{key}: '{value}' is no number, yes or no"))?,
    };
    Ok((key.replace('-', "_"), value))
}
