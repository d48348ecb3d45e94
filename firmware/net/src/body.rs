// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Request bodies, piece by piece, with the deadlines that hyper does not have. Memory does not
//! grow with the body: hyper holds one piece (at most the connection's buffer) at a time, and the
//! client is held back by TCP while the caller is busy with it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::{Body, Incoming};
use hyper::header::EXPECT;
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
    held_back: bool,
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
            held_back: false,
        }
    }

    /// Tells the reader the request's headers, so that [`BodyReader::discard`] knows of a client
    /// that has not begun to send because it waits to be told to.
    #[must_use]
    pub fn with_headers(mut self, headers: &HeaderMap) -> Self {
        let waits = |value: &[u8]| value.eq_ignore_ascii_case(b"100-continue");
        self.held_back = headers
            .get(EXPECT)
            .is_some_and(|value| waits(value.as_bytes()));
        self
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
        self.held_back = false;
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
    /// still sending comes to read the refusal instead of a reset connection. A client that still
    /// waits for `100 Continue` is left waiting: the refusal is its answer.
    pub async fn discard(mut self, bytes: u64, limit: Duration) {
        if self.held_back {
            return;
        }
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU64, Ordering};

    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use platen_model::Moment;
    use smol::stream;

    use super::*;

    /// Ten seconds pass between any two looks at this clock.
    #[derive(Default)]
    struct Hurrying(AtomicU64);

    impl Clock for Hurrying {
        fn now(&self) -> Moment {
            let looks = self.0.fetch_add(1, Ordering::Relaxed);
            Moment {
                unix_ms: 0,
                elapsed: Duration::from_secs(looks * 10),
                trusted: false,
            }
        }
    }

    /// Reads `pieces` pieces of `size` bytes, each of which takes ten seconds to come.
    fn read(pieces: usize, size: usize) -> Result<u64, BodyError> {
        let piece = Bytes::from(vec![0; size]);
        let frames = (0..pieces).map(move |_| Ok::<_, Infallible>(Frame::data(piece.clone())));
        let body = StreamBody::new(stream::iter(frames));
        let mut reader =
            BodyReader::new(body, BodyLimits::default(), Arc::new(Hurrying::default()));
        smol::block_on(async {
            while reader.next().await?.is_some() {}
            Ok(reader.received())
        })
    }

    #[test]
    fn a_body_below_the_average_rate_is_too_slow_after_the_grace() {
        assert!(matches!(
            read(7, 1),
            Err(BodyError::TooSlow {
                received: 7,
                waited_s: 70
            })
        ));
    }

    #[test]
    fn a_body_below_the_average_rate_may_end_within_the_grace() {
        assert!(matches!(read(5, 1), Ok(5)));
    }

    #[test]
    fn a_body_at_the_average_rate_may_take_as_long_as_it_wants() {
        assert!(matches!(read(500, 2560), Ok(1_280_000)));
    }
}
