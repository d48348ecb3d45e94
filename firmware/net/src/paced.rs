// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A stream with the two deadlines that hyper's own timer can't give: from the first byte of a
//! request to the end of its header, and the stall of a peer that does not take its answer.
//! (hyper counts its header limit from the end of the answer before, so that one serves as the
//! keep-alive limit.)

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use smol::Timer;
use smol::io::{AsyncRead, AsyncWrite};

/// Where a connection is in its row of requests. Even: waiting for a request; odd: busy with one.
/// Shared by the stream and the service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn(Arc<AtomicU32>);

impl Turn {
    /// A request's header is complete; the turn lasts until the guard is dropped.
    pub(crate) fn begin(&self) -> TurnGuard {
        self.0.fetch_add(1, Ordering::AcqRel);
        TurnGuard(self.clone())
    }

    fn number(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

/// Ends a turn when dropped.
#[derive(Debug)]
pub(crate) struct TurnGuard(Turn);

impl Drop for TurnGuard {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Paced<S> {
    inner: S,
    turn: Turn,
    seen: u32,
    header: Duration,
    header_timer: Option<Timer>,
    write_stall: Duration,
    write_timer: Option<Timer>,
}

impl<S> Paced<S> {
    pub(crate) fn new(inner: S, turn: Turn, header: Duration, write_stall: Duration) -> Self {
        let seen = turn.number();
        Self {
            inner,
            turn,
            seen,
            header,
            header_timer: None,
            write_stall,
            write_timer: None,
        }
    }

    /// Drops the header timer of an earlier request; tells whether a header is awaited now.
    fn awaits_header(&mut self) -> bool {
        let now = self.turn.number();
        if now != self.seen {
            self.seen = now;
            self.header_timer = None;
        }
        now.is_multiple_of(2)
    }

    /// Turns a pending write into an error once nothing has moved for the stall limit.
    fn stalled<T>(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.write_timer = None;
            return result;
        }
        let limit = self.write_stall;
        let timer = self.write_timer.get_or_insert_with(|| Timer::after(limit));
        ready!(smol::future::FutureExt::poll(timer, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let awaits_header = this.awaits_header();
        if awaits_header
            && let Some(timer) = &mut this.header_timer
            && smol::future::FutureExt::poll(timer, cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let read = ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        if awaits_header && this.header_timer.is_none() {
            this.header_timer = Some(Timer::after(this.header));
        }
        Poll::Ready(Ok(read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.stalled(cx, result)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_flush(cx);
        this.stalled(cx, result)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.inner).poll_close(cx);
        this.stalled(cx, result)
    }
}
