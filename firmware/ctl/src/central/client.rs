// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Asks a central server: HTTPS with a bearer token, JSON both ways.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use platen_net::{HttpsClient, HttpsError, HttpsOptions, TlsTrust, TrustError};
use serde_json::Value;
use thiserror::Error;

use super::CentralCall;

const SERVER: &str = "https://localhost:8443";
const TOKEN_FILE: &str = "/var/lib/platen-central/admin.token";
const AUTHORITY: &str = "/var/lib/platen-central/authority.pem";
/// Longest wait for an answer: a list of 100,000 people is imported within it.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// More time for each so many bytes that are sent: a bundle goes over a slow line, too.
const BYTES_A_SECOND: usize = 64 << 10;

/// Asks one server.
pub(crate) struct Client {
    https: HttpsClient,
    token: String,
}

/// Why there is no answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum ClientError {
    #[error("can't read the token from {}: {source}", path.display())]
    Token {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} holds no token", path.display())]
    NoToken { path: PathBuf },
    #[error("can't use the certificate of the server's authority: {}", platen_model::Chain(.0))]
    Authority(#[source] TrustError),
    #[error("{}", platen_model::Chain(.0))]
    Https(#[from] HttpsError),
    #[error("{0}")]
    Refused(Problem),
    #[error("the server's answer is not understood (HTTP {0}): is it a Platen central server?")]
    Strange(u16),
}

/// What the server says of a request that it did not serve.
#[derive(Debug)]
pub(crate) struct Problem {
    message: String,
    field: Option<String>,
    /// What is wrong line by line, where the request was a text.
    lines: Vec<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)?;
        self.lines.iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

impl ClientError {
    /// Whether the server was not reached at all.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Https(HttpsError::Unreachable { .. } | HttpsError::TooSlow(_))
        )
    }
}

impl Client {
    /// Reads the token and the authority's certificate. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ClientError`], which names the file.
    pub(crate) fn open(call: &CentralCall) -> Result<Self, ClientError> {
        let server = call.server.as_ref().map(|server| server.to_string_lossy());
        let token_file = call.token_file.as_deref().unwrap_or(Path::new(TOKEN_FILE));
        let authority = call.authority.as_deref().unwrap_or(Path::new(AUTHORITY));
        let text = std::fs::read_to_string(token_file).map_err(|source| ClientError::Token {
            path: token_file.to_owned(),
            source,
        })?;
        let token = text.trim().to_owned();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let path = token_file.to_owned();
            return Err(ClientError::NoToken { path });
        }
        let options = HttpsOptions {
            trust: TlsTrust::from_file(authority).map_err(ClientError::Authority)?,
            ..HttpsOptions::default()
        };
        let https = HttpsClient::new(server.as_deref().unwrap_or(SERVER), options)?;
        Ok(Self { https, token })
    }

    /// `GET path`
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) async fn get(&self, path: &str) -> Result<Value, ClientError> {
        self.ask("GET", path, "application/json", Vec::new()).await
    }

    /// Any request; an answer without a body is [`Value::Null`].
    ///
    /// # Errors
    /// [`ClientError`]; [`ClientError::Refused`] with the server's own words.
    pub(crate) async fn ask(
        &self,
        method: &'static str,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> Result<Value, ClientError> {
        let sending = u64::try_from(body.len() / BYTES_A_SECOND).unwrap_or(u64::MAX);
        let limit = ANSWER_LIMIT.saturating_add(Duration::from_secs(sending));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, kind)
            .body(Bytes::from(body))
            .map_err(HttpsError::from)?;
        let answer = self.https.send(request, limit).await?;
        let status = answer.status();
        let bytes = answer.into_body();
        if bytes.is_empty() && status.is_success() {
            return Ok(Value::Null);
        }
        let value: Value =
            serde_json::from_slice(&bytes).map_err(|_| ClientError::Strange(status.as_u16()))?;
        if status.is_success() {
            return Ok(value);
        }
        let word = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        match word("message") {
            Some(message) => Err(ClientError::Refused(Problem {
                message,
                field: word("field"),
                lines: lines(&value),
            })),
            None => Err(ClientError::Strange(status.as_u16())),
        }
    }
}

fn lines(value: &Value) -> Vec<String> {
    let errors = value.get("errors").and_then(Value::as_array);
    let line = |error: &Value| {
        let message = error.get("message")?.as_str()?;
        Some(format!("line {}: {message}", error.get("line")?.as_u64()?))
    };
    errors.into_iter().flatten().filter_map(line).collect()
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}
