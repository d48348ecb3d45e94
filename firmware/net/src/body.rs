// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Request bodies, piece by piece, with the deadlines that hyper does not have. Memory does not
//! grow with the body: hyper holds one piece (at most the connection's buffer) at a time, and the
//! client is held back by TCP while the caller is busy with it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use platen_model::Clock;
use smol::Timer;
use smol::future::FutureExt;
use thiserror::Error;

use crate::limits::BodyLimits;

/// Reads a request's body within [`BodyLimits`].
///
/// A client that sent `Expect: 100-continue` is told to go on at the first [`BodyReader::next`],
/// so a handler that refuses without reading spares it the upload.
pub struct BodyReader<B = Incoming> {
    body: B,
    limits: BodyLimits,
    clock: Arc<dyn Clock>,
    received: u64,
    waited: Duration,
}

impl<B> BodyReader<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// A reader at the start of `body`.
    pub fn new(body: B, limits: BodyLimits, clock: Arc<dyn Clock>) -> Self {
        Self {
            body,
            limits,
            clock,
            received: 0,
            waited: Duration::ZERO,
        }
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The next piece, or `None` at the end of the body. Trailers are skipped. After an error the
    /// body is lost; answer and close.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] past the size limit, [`BodyError::TooSlow`] past a deadline or
    /// below the average rate, [`BodyError::Broken`] when the connection or its framing broke.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.received.saturating_add(self.body.size_hint().lower()) > self.limits.bytes {
            return Err(BodyError::TooLarge {
                limit: self.limits.bytes,
            });
        }
        loop {
            let before = self.clock.now().elapsed;
            let frame = within(self.limits.idle, self.body.frame()).await;
            let after = self.clock.now().elapsed;
            self.waited += after.saturating_sub(before);
            let frame = match frame {
                None => return Err(self.too_slow()),
                Some(None) => return Ok(None),
                Some(Some(Err(_))) => {
                    return Err(BodyError::Broken {
                        received: self.received,
                    });
                }
                Some(Some(Ok(frame))) => frame,
            };
            if let Ok(piece) = frame.into_data() {
                self.account(&piece)?;
                return Ok(Some(piece));
            }
        }
    }

    /// Reads and drops what is left, but at most `bytes` and `limit`, so that a client that is
    /// still sending comes to read the refusal instead of a reset connection.
    pub async fn discard(mut self, bytes: u64, limit: Duration) {
        let until = self.received.saturating_add(bytes);
        self.limits.bytes = u64::MAX;
        let drain = async {
            while self.received < until {
                match self.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
        };
        let _ended = within(limit, drain).await;
    }

    fn account(&mut self, piece: &Bytes) -> Result<(), BodyError> {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.received = self.received.saturating_add(length);
        if self.received > self.limits.bytes {
            return Err(BodyError::TooLarge {
                limit: self.limits.bytes,
            });
        }
        let due = self
            .limits
            .bytes_per_second
            .saturating_mul(self.waited.as_secs());
        if self.waited > self.limits.grace && self.received < due {
            return Err(self.too_slow());
        }
        Ok(())
    }

    fn too_slow(&self) -> BodyError {
        BodyError::TooSlow {
            received: self.received,
            waited_s: self.waited.as_secs(),
        }
    }
}

/// Why a body could not be read to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Longer than allowed.
    #[error("body is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The client sent nothing for too long, or too little on average.
    #[error("body too slow: {received} bytes in {waited_s} s of waiting")]
    TooSlow {
        /// Bytes that came.
        received: u64,
        /// Time spent waiting for them.
        waited_s: u64,
    },
    /// The connection ended inside the body, or its framing is wrong.
    #[error("body broke off after {received} bytes")]
    Broken {
        /// Bytes that came.
        received: u64,
    },
}

/// Runs `work`, but at most `limit`: `None` when the time is up.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let expired = async {
        Timer::after(limit).await;
        None
    };
    async { Some(work.await) }.or(expired).await
}
