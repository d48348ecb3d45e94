// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `platenctl central …`: looks after a site over the API of its central server
//! (`docs/protocols/central-api.md`).
//!
//! - [`args`]: words and options of the command line.
//! - [`plan`]: which request each command is.
//! - [`releases`]: those about releases of the boxes' image.
//! - [`client`]: asks the server.
//! - [`show`]: answers as text.

mod args;
mod client;
mod plan;
mod releases;
mod request;
mod show;

use std::io::{self, BufRead as _};
use std::path::Path;

use serde_json::{Map, Value};
use thiserror::Error;

pub(crate) use args::{CentralCall, HELP};
use client::{Client, ClientError};
use request::{Body, Plan};

use crate::Done;

/// Longest secret, card number or code that is read from standard input, bytes.
const LINE_OCTETS_MAX: u64 = 4096;
/// Largest file that is sent.
const FILE_OCTETS_MAX: u64 = 16 << 20;
/// Largest bundle that is sent.
const BUNDLE_OCTETS_MAX: u64 = 256 << 20;

/// Why a command failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum CentralError {
    #[error(transparent)]
    Usage(#[from] lexopt::Error),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("can't read {path}: {source}")]
    Read { path: String, source: io::Error },
    #[error("{path} is larger than {} MiB", limit >> 20)]
    TooLarge { path: String, limit: u64 },
    #[error("nothing on standard input: type the {what}, or pipe it in")]
    NoInput { what: &'static str },
}

impl CentralError {
    /// 2 usage, 3 server not reachable, 1 the rest.
    pub(crate) fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Client(error) if error.is_unreachable() => 3,
            _ => 1,
        }
    }
}

/// Runs a command.
pub(crate) fn run(call: &CentralCall) -> Result<Done, CentralError> {
    let plan = plan::of(call)?;
    let client = Client::open(call)?;
    smol::block_on(async {
        match plan {
            Plan::List { path, columns } => list(call, &client, &path, columns).await,
            Plan::Ask {
                method,
                path,
                body,
                view,
            } => {
                let (kind, body) = read(body)?;
                let answer = client.ask(method, &path, kind, body).await?;
                show::answer(call.json, view, &answer);
                Ok(ended(&answer))
            }
        }
    })
}

/// Every page of a list.
async fn list(
    call: &CentralCall,
    client: &Client,
    path: &str,
    columns: &[show::Column],
) -> Result<Done, CentralError> {
    let mut table = show::Table::begin(call.json, columns);
    let mut next = path.to_owned();
    loop {
        let page = client.get(&next).await?;
        let items = page.get("items").and_then(Value::as_array);
        items.into_iter().flatten().for_each(|item| table.row(item));
        let Some(cursor) = page.get("next").and_then(Value::as_str) else {
            table.end();
            return Ok(Done::Well);
        };
        let joint = if path.contains('?') { '&' } else { '?' };
        next = format!("{path}{joint}after={}", platen_wire::form::encode(cursor));
    }
}

/// An answer that names faults was done only in part.
fn ended(answer: &Value) -> Done {
    let faults = answer.get("errors").or_else(|| answer.get("faults"));
    let any = faults
        .and_then(Value::as_array)
        .is_some_and(|all| !all.is_empty());
    if any || answer.get("broken_at").is_some_and(Value::is_u64) {
        Done::WithFaults
    } else {
        Done::Well
    }
}

/// The media type and bytes of a body.
fn read(body: Body) -> Result<(&'static str, Vec<u8>), CentralError> {
    match body {
        Body::None => Ok(("application/json", Vec::new())),
        Body::Json(value) => Ok(("application/json", value.to_string().into_bytes())),
        Body::File { path, kind } => Ok((kind, read_file(&path, FILE_OCTETS_MAX)?)),
        Body::Bundle { path } => {
            let bytes = read_file(&path, BUNDLE_OCTETS_MAX)?;
            Ok(("application/octet-stream", bytes))
        }
        Body::Typed {
            what,
            field,
            mut rest,
        } => {
            rest.insert(field.to_owned(), Value::String(typed(what)?));
            Ok(json(rest))
        }
    }
}

fn json(fields: Map<String, Value>) -> (&'static str, Vec<u8>) {
    (
        "application/json",
        Value::Object(fields).to_string().into_bytes(),
    )
}

fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, CentralError> {
    let fault = |source| CentralError::Read {
        path: path.display().to_string(),
        source,
    };
    if path.metadata().map_err(fault)?.len() > limit {
        let path = path.display().to_string();
        return Err(CentralError::TooLarge { path, limit });
    }
    std::fs::read(path).map_err(fault)
}

/// A line of standard input: secrets are no words of a command line, which everybody on the machine
/// can read.
fn typed(what: &'static str) -> Result<String, CentralError> {
    use std::io::{IsTerminal as _, Read as _};
    let input = io::stdin();
    if input.is_terminal() {
        eprintln!("{what}:");
    }
    let mut line = String::new();
    input
        .lock()
        .take(LINE_OCTETS_MAX)
        .read_line(&mut line)
        .map_err(|source| CentralError::Read {
            path: "standard input".to_owned(),
            source,
        })?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err(CentralError::NoInput { what });
    }
    Ok(line.to_owned())
}
