// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Client of the daemon's local API: HTTP with JSON over its Unix socket, for `platenctl` and the
//! kiosk. The messages are those of [`platen_model::local`]. The server side is a
//! [`crate::Server`] on [`crate::Listener::unix`].

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use platen_model::local::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smol::future::FutureExt;
use smol::net::unix::UnixStream;
use smol_hyper::rt::FuturesIo;
use thiserror::Error;

use crate::body::within;

/// Longest answer taken, bytes: a job list of some ten thousand entries.
const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// Longest wait for a whole answer. Above every wait that the daemon itself allows a request.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Asks the daemon, one connection a request. Futures need only smol's reactor:
/// `smol::block_on(client.get("/v1/status"))` will do.
#[derive(Clone, Debug)]
pub struct LocalClient {
    path: PathBuf,
    limit: Duration,
}

impl LocalClient {
    /// A client of the daemon at the socket `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            limit: TIME_LIMIT,
        }
    }

    /// Waits at most `limit` for each answer instead of 60 s.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// `GET target`, such as `/v1/status`.
    ///
    /// # Errors
    /// [`LocalError`]; [`LocalError::Unreachable`] when no daemon runs.
    pub async fn get<A: DeserializeOwned>(&self, target: &str) -> Result<A, LocalError> {
        self.call(Method::GET, target, "application/json", Bytes::new())
            .await
    }

    /// `POST target` with `message` as JSON.
    ///
    /// # Errors
    /// [`LocalError`].
    pub async fn post<M, A>(&self, target: &str, message: &M) -> Result<A, LocalError>
    where
        M: Serialize + Sync,
        A: DeserializeOwned,
    {
        let body = serde_json::to_vec(message).map_err(LocalError::Message)?;
        self.call(Method::POST, target, "application/json", body.into())
            .await
    }

    /// `POST target` with a body of another kind, such as `text/csv`.
    ///
    /// # Errors
    /// [`LocalError`].
    pub async fn post_bytes<A: DeserializeOwned>(
        &self,
        target: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Result<A, LocalError> {
        self.call(Method::POST, target, content_type, body.into())
            .await
    }

    async fn call<A: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<A, LocalError> {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, content_type)
            .body(Full::new(body))
            .map_err(|_| LocalError::Target {
                target: target.to_owned(),
            })?;
        let seconds = self.limit.as_secs();
        let (status, bytes) = within(self.limit, self.exchange(request))
            .await
            .ok_or(LocalError::TooSlow { seconds })??;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(LocalError::Message);
        }
        let problem = serde_json::from_slice(&bytes).unwrap_or_else(|_| Problem {
            code: "unexplained".to_owned(),
            message: format!("the daemon answered with status {status}"),
        });
        Err(LocalError::Refused {
            status: status.as_u16(),
            problem,
        })
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), LocalError> {
        let unreachable = |source| LocalError::Unreachable {
            path: self.path.clone(),
            source,
        };
        let stream = UnixStream::connect(&self.path).await.map_err(unreachable)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(FuturesIo::new(stream)).await?;
        let answer = async {
            let response: Response<Incoming> = sender.send_request(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_LIMIT);
            let bytes = body
                .collect()
                .await
                .map_err(|error| match error.downcast() {
                    Ok(error) => LocalError::Broken(*error),
                    Err(error) if error.is::<LengthLimitError>() => LocalError::TooLarge {
                        limit: ANSWER_LIMIT,
                    },
                    Err(_) => LocalError::Cut,
                })?;
            Ok((status, bytes.to_bytes()))
        };
        // The connection's future moves the bytes; it may end before the answer is looked at.
        let drive = async {
            let _ended = connection.await;
            std::future::pending().await
        };
        answer.or(drive).await
    }
}

/// Why the daemon gave no (good) answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LocalError {
    /// Nobody listens there, or this user may not connect.
    #[error("cannot reach the daemon at {}", path.display())]
    Unreachable {
        /// The socket's file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The daemon said no, and why.
    #[error("{}", problem.message)]
    Refused {
        /// HTTP status.
        status: u16,
        /// The daemon's own words.
        problem: Problem,
    },
    /// No whole answer in time.
    #[error("the daemon gave no answer within {seconds} s")]
    TooSlow {
        /// The limit.
        seconds: u64,
    },
    /// The answer is longer than a client takes.
    #[error("the daemon's answer is longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The connection ended before the answer.
    #[error("connection to the daemon broke")]
    Broken(#[from] hyper::Error),
    /// The connection ended inside the answer.
    #[error("the daemon's answer is cut short")]
    Cut,
    /// The message is not of the type expected: daemon and tool are of different versions.
    #[error("cannot read or write a message of the daemon")]
    Message(#[source] serde_json::Error),
    /// The target is not a path.
    #[error("{target:?} is no target of a request")]
    Target {
        /// What was given.
        target: String,
    },
}

impl LocalError {
    /// Whether no daemon could be asked at all.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}
