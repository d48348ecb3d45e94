// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Listeners and their connections on a smol executor. A server has one handler and its own
//! limits; the box runs one for print clients and one for the local socket, so that a flood from
//! the network can't lock the local tools out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_rustls::TlsAcceptor;
use hyper::body::Incoming;
use hyper::{Request, Response};
use smol::channel::{Receiver, Sender, bounded};
use smol::future::FutureExt;
use smol::io::AsyncWriteExt;
use smol::lock::{Semaphore, SemaphoreGuardArc};
use smol::{Executor, Timer};

use crate::body::within;
use crate::connection::{PeerInfo, serve};
use crate::limits::NetLimits;
use crate::listener::{Listener, Socket};
use crate::reply::ReplyBody;

/// What a peer over its limit of connections is told. Best effort: it is written once, without
/// waiting, and a TLS client can't read it.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\
    Retry-After: 1\r\nContent-Length: 0\r\n\r\n";

type Answer = Pin<Box<dyn Future<Output = Response<ReplyBody>> + Send>>;
type Handler = Box<dyn Fn(Request<Incoming>, PeerInfo) -> Answer + Send + Sync>;

/// A server that is not listening yet.
pub struct Server {
    handler: Handler,
    limits: NetLimits,
    tls: Option<TlsAcceptor>,
}

impl Server {
    /// A server that gives each request to `handler`. A handler's future is dropped only when the
    /// connection breaks while it reads the body or writes the answer, or at the end of shutdown.
    pub fn new<H, F>(handler: H, limits: NetLimits) -> Self
    where
        H: Fn(Request<Incoming>, PeerInfo) -> F + Send + Sync + 'static,
        F: Future<Output = Response<ReplyBody>> + Send + 'static,
    {
        let handler: Handler = Box::new(move |request, peer| Box::pin(handler(request, peer)));
        Self {
            handler,
            limits,
            tls: None,
        }
    }

    /// Speaks TLS too, on the same TCP ports: the connection's first byte decides.
    #[must_use]
    pub fn with_tls(mut self, config: Arc<rustls::ServerConfig>) -> Self {
        self.tls = Some(TlsAcceptor::from(config));
        self
    }

    /// Begins to accept on `listeners`, as tasks of `executor`.
    pub fn start(self, executor: &Arc<Executor<'static>>, listeners: Vec<Listener>) -> Running {
        let (stop, stopping) = bounded(1);
        let (cut, cutting) = bounded(1);
        let (alive, ended) = bounded(1);
        let signals = Signals {
            stopping,
            cutting,
            _alive: alive,
        };
        let shared = Arc::new(Shared {
            slots: Arc::new(Semaphore::new(self.limits.connections)),
            peers: Peers::default(),
            counters: Arc::default(),
            handler: self.handler,
            limits: self.limits,
            tls: self.tls,
        });
        let counters = Arc::clone(&shared.counters);
        for listener in listeners {
            listener.set_backlog(shared.limits.backlog);
            let task = accept(
                Arc::clone(executor),
                Arc::clone(&shared),
                listener,
                signals.clone(),
            );
            executor.spawn(task).detach();
        }
        Running {
            stop,
            cut,
            ended,
            counters,
        }
    }
}

/// A server at work. Dropping it closes every connection at once.
pub struct Running {
    stop: Sender<()>,
    cut: Sender<()>,
    ended: Receiver<()>,
    counters: Arc<NetCounters>,
}

impl Running {
    /// Stops accepting, lets requests in flight finish for up to `grace`, then cuts the rest.
    /// Returns whether every connection ended by itself.
    pub async fn shutdown(self, grace: Duration) -> bool {
        self.stop.close();
        let all_ended = within(grace, self.ended.recv()).await.is_some();
        self.cut.close();
        // After the cut only tasks that are being dropped are left.
        let _last = self.ended.recv().await;
        all_ended
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Arc<NetCounters> {
        Arc::clone(&self.counters)
    }
}

/// Counters of one server, all from zero at its start.
#[derive(Debug, Default)]
pub struct NetCounters {
    /// Connections taken.
    pub accepted: AtomicU64,
    /// Connections refused with `503` because their peer had too many.
    pub refused: AtomicU64,
    /// Requests given to the handler.
    pub requests: AtomicU64,
    /// TLS handshakes that failed or took too long.
    pub tls_failed: AtomicU64,
    /// Connections closed for a slow header or an idle keep-alive.
    pub timed_out: AtomicU64,
    /// Accepts that failed, such as for want of file descriptors.
    pub accept_failed: AtomicU64,
}

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) handler: Handler,
    pub(crate) limits: NetLimits,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) counters: Arc<NetCounters>,
    slots: Arc<Semaphore>,
    peers: Peers,
}

/// How a connection learns of the end. Nothing is ever sent: the channels only close.
#[derive(Clone)]
pub(crate) struct Signals {
    stopping: Receiver<()>,
    cutting: Receiver<()>,
    _alive: Sender<()>,
}

impl Signals {
    /// Ends when the server stops accepting.
    pub(crate) async fn stopping(&self) {
        let _closed = self.stopping.recv().await;
    }

    /// Ends when what is left must go.
    pub(crate) async fn cut(&self) {
        let _closed = self.cutting.recv().await;
    }
}

async fn accept(
    executor: Arc<Executor<'static>>,
    shared: Arc<Shared>,
    listener: Listener,
    signals: Signals,
) {
    let mut failing = false;
    loop {
        let next = async {
            let slot = shared.slots.acquire_arc().await;
            Some((slot, listener.accept().await))
        };
        let stopped = async {
            signals.stopping().await;
            None
        };
        match stopped.or(next).await {
            None => {
                // Before `signals`: when all signals are gone, nothing of the server is left.
                drop(listener);
                return;
            }
            Some((slot, Ok(socket))) => {
                failing = false;
                admit(&executor, &shared, socket, slot, &signals);
            }
            Some((_, Err(error))) => {
                shared
                    .counters
                    .accept_failed
                    .fetch_add(1, Ordering::Relaxed);
                if !failing {
                    log::warn!(err:% = error; "accept failed, trying again");
                }
                failing = true;
                Timer::after(shared.limits.accept_pause).await;
            }
        }
    }
}

fn admit(
    executor: &Executor<'static>,
    shared: &Arc<Shared>,
    socket: Socket,
    slot: SemaphoreGuardArc,
    signals: &Signals,
) {
    let seat = match &socket {
        Socket::Tcp(_, addr) | Socket::Unix(_, addr) => match addr.ip() {
            Some(ip) => shared
                .peers
                .enter(ip, shared.limits.connections_per_peer)
                .map(Some),
            None => Some(None),
        },
    };
    let Some(seat) = seat else {
        shared.counters.refused.fetch_add(1, Ordering::Relaxed);
        executor.spawn(refuse(socket)).detach();
        return;
    };
    shared.counters.accepted.fetch_add(1, Ordering::Relaxed);
    let work = serve(Arc::clone(shared), socket, signals.clone());
    executor
        .spawn(async move {
            work.await;
            drop((slot, seat));
        })
        .detach();
}

/// The new socket's send buffer is empty, so one poll is enough to hand `BUSY` to the kernel.
async fn refuse(socket: Socket) {
    if let Socket::Tcp(mut stream, _) = socket {
        let _sent = smol::future::poll_once(stream.write(BUSY)).await;
    }
}

/// Open connections per address; at most as many entries as connections.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Peers {
    fn enter(&self, ip: IpAddr, limit: usize) -> Option<Seat> {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = peers.entry(ip).or_default();
        if *open >= limit {
            return None;
        }
        *open += 1;
        Some(Seat {
            peers: self.clone(),
            ip,
        })
    }
}

/// One connection's place in its address's count.
struct Seat {
    peers: Peers,
    ip: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut peers = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = peers.get_mut(&self.ip) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                peers.remove(&self.ip);
            }
        }
    }
}
