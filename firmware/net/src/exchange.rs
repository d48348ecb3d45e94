// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One HTTP/1.1 connection as the asking side has it, on any stream. Needs no executor: the bytes
//! move while somebody waits for an answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::Body;
use hyper::client::conn::http1::{Builder, SendRequest};
use smol::io::{AsyncRead, AsyncWrite};
use smol_hyper::rt::FuturesIo;

/// Bytes of an answer's headers; hyper refuses a longer one.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Headers of an answer.
const HEADERS_MAX: usize = 100;

/// Any two-way stream of bytes.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// An open connection; requests on it have bodies of type `B`.
pub(crate) struct Exchange<B> {
    pub(crate) sender: SendRequest<B>,
    pub(crate) drive: Drive,
}

/// What moves the bytes; gone when the connection has ended.
pub(crate) struct Drive(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Drive {
    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(connection) = &mut self.0
            && connection.as_mut().poll(cx).is_ready()
        {
            self.0 = None;
        }
    }

    /// Does `work` while the bytes move.
    pub(crate) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            self.poll(cx);
            // The connection may just have brought what the work waits for.
            work.as_mut().poll(cx)
        })
        .await
    }
}

impl<B> Exchange<B>
where
    B: Body<Data: Send, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    pub(crate) async fn open(stream: Box<dyn Duplex>) -> hyper::Result<Self> {
        let (sender, connection) = Builder::new()
            .max_buf_size(HEADER_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(FuturesIo::new(stream))
            .await?;
        let drive: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async {
            // Whoever waits for an answer hears of a break by the answer.
            let _ended = connection.await;
        });
        Ok(Self {
            sender,
            drive: Drive(Some(drive)),
        })
    }

    /// Whether the other side has closed it, after a look at what has come meanwhile.
    pub(crate) async fn is_closed(&mut self) -> bool {
        std::future::poll_fn(|cx| {
            self.drive.poll(cx);
            Poll::Ready(self.drive.0.is_none() || self.sender.is_closed())
        })
        .await
    }
}
