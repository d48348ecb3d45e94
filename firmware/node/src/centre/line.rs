// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Questions to the centre and its answers, as messages over HTTPS. What they mean is the callers'.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use hyper::{Request, Response};
use platen_net::{HttpsClient, HttpsError};
use platen_sync::codec::{self, CodecError, Message};
use platen_sync::message::{MEDIA_TYPE, Refusal, RefusalCode};
use platen_sync::node::pace::Try;
use thiserror::Error;

/// What is read and checked where it comes: well below a millisecond. Compressed it may be a hundred
/// times as much.
const AT_ONCE_BYTES: usize = 16 << 10;

/// Why the centre gave no (good) answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum LineError {
    #[error(transparent)]
    Https(#[from] HttpsError),
    /// In the centre's own words.
    #[error("the centre refuses: {}", .0.message)]
    Refused(Refusal),
    #[error("the centre answers with HTTP status {0}: is the address the sync port's?")]
    Status(u16),
    #[error("the centre's answer can't be read")]
    Answer(#[source] CodecError),
    #[error("a message for the centre can't be written")]
    Question(#[source] CodecError),
}

impl LineError {
    /// What the next try waits for.
    pub(super) fn ended(&self) -> Try {
        match self {
            Self::Https(HttpsError::TooLarge { .. }) => Try::Nonsense,
            // Also a certificate that is not believed: the network may just be another one now.
            Self::Https(_) => Try::Unreachable,
            Self::Refused(refusal) => Try::Refused(refusal.code),
            Self::Status(_) | Self::Answer(_) | Self::Question(_) => Try::Nonsense,
        }
    }

    /// Whether only time was short: a slow link gets more of it at the next try.
    pub(super) fn is_slow(&self) -> bool {
        matches!(self, Self::Https(HttpsError::TooSlow(_)))
    }

    pub(super) fn refusal(&self) -> Option<RefusalCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }
}

/// Asks `question` at `path` and takes the whole answer within `limit`.
pub(super) async fn ask<Q: Message, A: Message + Send + 'static>(
    client: &HttpsClient,
    path: &str,
    question: &Q,
    limit: Duration,
) -> Result<A, LineError> {
    let body = codec::pack(question).map_err(LineError::Question)?;
    let mut request = Request::post(path)
        .header(CONTENT_TYPE, MEDIA_TYPE)
        .header(ACCEPT, MEDIA_TYPE)
        .header(ACCEPT_ENCODING, codec::CONTENT_ENCODING);
    if body.deflated {
        request = request.header(CONTENT_ENCODING, codec::CONTENT_ENCODING);
    }
    let request = request.body(body.bytes.into()).map_err(HttpsError::from)?;
    let answer = client.send(request, limit).await?;
    let bytes = answer.body().len();
    apart(bytes, move || read(&answer)).await
}

/// Does `work` on so many bytes away from the threads that keep the box going, where they are many.
pub(super) async fn apart<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes > AT_ONCE_BYTES {
        return smol::unblock(work).await;
    }
    work()
}

fn read<A: Message>(answer: &Response<Bytes>) -> Result<A, LineError> {
    let encoding = answer.headers().get(CONTENT_ENCODING);
    let deflated = encoding.is_some_and(|name| name == codec::CONTENT_ENCODING);
    if answer.status().is_success() {
        return codec::unpack(answer.body(), deflated).map_err(LineError::Answer);
    }
    match codec::unpack(answer.body(), deflated) {
        Ok(refusal) => Err(LineError::Refused(refusal)),
        Err(_) => Err(LineError::Status(answer.status().as_u16())),
    }
}
