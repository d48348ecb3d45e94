// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One connection, from its first byte to its close: plain HTTP or TLS on the same port (so that
//! `ipp:` and `ipps:` share it), then HTTP/1.1 requests in a row.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use ring::digest::{SHA256, digest};
use smol::future::FutureExt;
use smol::io::{AsyncRead, AsyncWrite};
use smol::net::TcpStream;
use smol_hyper::rt::{FuturesIo, SmolTimer};

use crate::body::within;
use crate::listener::{PeerAddr, Socket};
use crate::paced::{Paced, Turn, TurnGuard};
use crate::reply::ReplyBody;
use crate::server::{Shared, Signals};

/// First byte of a TLS connection: content type `handshake` (RFC 8446 §5.1). No HTTP method
/// begins with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// Who sent a request, and how it came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerInfo {
    /// The other end.
    pub addr: PeerAddr,
    /// Whether the request came through TLS.
    pub tls: bool,
    /// SHA-256 of the client's own certificate (DER), where it showed one and proved its key.
    pub certificate: Option<[u8; 32]>,
}

impl PeerInfo {
    fn plain(addr: PeerAddr) -> Self {
        Self {
            addr,
            tls: false,
            certificate: None,
        }
    }
}

/// Serves a connection to its end; errors are the peer's affair and only counted.
pub(crate) async fn serve(shared: Arc<Shared>, socket: Socket, signals: Signals) {
    let work = async {
        match socket {
            Socket::Unix(stream, addr) => {
                talk(&shared, stream, PeerInfo::plain(addr), &signals).await;
            }
            Socket::Tcp(stream, addr) => serve_tcp(&shared, stream, addr, &signals).await,
        }
    };
    work.or(signals.cut()).await;
}

async fn serve_tcp(shared: &Shared, stream: TcpStream, addr: PeerAddr, signals: &Signals) {
    let first = async { within(shared.limits.header, first_byte(&stream)).await };
    // A connection that has not said anything yet is closed at once when the server stops.
    let stopped = async {
        signals.stopping().await;
        None
    };
    let first = match first.or(stopped).await {
        Some(Ok(Some(first))) => first,
        Some(Ok(None) | Err(_)) => return,
        None => {
            shared.counters.timed_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
    };
    match &shared.tls {
        Some(acceptor) if first == TLS_HANDSHAKE => {
            match within(shared.limits.tls_handshake, acceptor.accept(stream)).await {
                Some(Ok(stream)) => {
                    let peer = PeerInfo {
                        addr,
                        tls: true,
                        certificate: fingerprint(stream.get_ref().1),
                    };
                    talk(shared, stream, peer, signals).await;
                }
                Some(Err(error)) => {
                    shared.counters.tls_failed.fetch_add(1, Ordering::Relaxed);
                    log::debug!(err:% = error; "TLS handshake failed");
                }
                None => {
                    shared.counters.tls_failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        _ => talk(shared, stream, PeerInfo::plain(addr), signals).await,
    }
}

fn fingerprint(connection: &rustls::ServerConnection) -> Option<[u8; 32]> {
    let own = connection.peer_certificates()?.first()?;
    digest(&SHA256, own).as_ref().try_into().ok()
}

async fn first_byte(stream: &TcpStream) -> io::Result<Option<u8>> {
    let mut first = [0_u8; 1];
    let read = stream.peek(&mut first).await?;
    Ok((read == 1).then_some(first[0]))
}

async fn talk<S>(shared: &Shared, stream: S, peer: PeerInfo, signals: &Signals)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let turn = Turn::default();
    let limits = &shared.limits;
    let paced = Paced::new(stream, turn.clone(), limits.header, limits.write_stall);
    let service = service_fn(|request: Request<Incoming>| {
        let guard = turn.begin();
        shared.counters.requests.fetch_add(1, Ordering::Relaxed);
        let answer = (shared.handler)(request, peer);
        async move {
            let answer: Response<ReplyBody> = answer.await;
            Ok::<_, Infallible>(answer.map(|body| TurnBody {
                body,
                _guard: guard,
            }))
        }
    });
    let connection = http1::Builder::new()
        .timer(SmolTimer::new())
        .header_read_timeout(limits.keep_alive)
        .max_buf_size(limits.buffer_bytes)
        .max_headers(limits.headers)
        // A client that shuts its write side after the request still gets its answer, and a
        // handler that has the whole request runs to its end: it may be making a job durable.
        .half_close(true)
        .serve_connection(FuturesIo::new(paced), service);
    let mut connection = pin!(connection);
    let ended = async { Some(connection.as_mut().await) };
    let stopped = async {
        signals.stopping().await;
        None
    };
    let result = match ended.or(stopped).await {
        Some(result) => result,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        if error.is_timeout() {
            shared.counters.timed_out.fetch_add(1, Ordering::Relaxed);
        }
        log::debug!(err:% = error; "connection ended early");
    }
}

/// An answer's body that ends the connection's turn when hyper is done with it.
struct TurnBody {
    body: ReplyBody,
    _guard: TurnGuard,
}

impl Body for TurnBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
