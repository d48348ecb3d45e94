// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Every limit of the listeners in one place. What happens at each limit stands beside it; the
//! tests in `tests/server.rs` hold them.

use std::time::Duration;

/// Limits of a [`crate::Server`].
#[derive(Clone, Debug)]
pub struct NetLimits {
    /// Connections open at once, over all listeners of one server. Beyond it new ones wait in the
    /// kernel's backlog: nobody is refused, a client sees a slow connect.
    pub connections: usize,
    /// Connections open at once from one address (local sockets don't count). Beyond it a new one
    /// gets `503` and is closed, so that one peer can't take all of `connections`.
    pub connections_per_peer: usize,
    /// Length of the kernel's backlog; the kernel caps it by `net.core.somaxconn`.
    pub backlog: u16,
    /// From the connection, or from the first byte of a later request, to the end of its header.
    /// Then the connection is closed without an answer.
    pub header: Duration,
    /// How long a connection may idle between two requests before it is closed. Print clients poll
    /// a job every 1–10 s on the connection that sent it.
    pub keep_alive: Duration,
    /// A TLS handshake, first to last byte. Then the connection is closed.
    pub tls_handshake: Duration,
    /// How long a peer may take no byte of an answer before the connection is closed.
    pub write_stall: Duration,
    /// Bytes that one connection may buffer while a request line and headers come in. Beyond it
    /// the client gets `431`. At least 8192.
    pub buffer_bytes: usize,
    /// Headers of one request. Beyond it the client gets `431`.
    pub headers: usize,
    /// Pause after a failed accept, such as for want of file descriptors. The listener goes on.
    pub accept_pause: Duration,
}

impl Default for NetLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_peer: 512,
            backlog: 1024,
            header: Duration::from_secs(10),
            keep_alive: Duration::from_secs(30),
            tls_handshake: Duration::from_secs(5),
            write_stall: Duration::from_secs(30),
            buffer_bytes: 64 * 1024,
            headers: 100,
            accept_pause: Duration::from_millis(50),
        }
    }
}

/// Limits of one request's body, for [`crate::BodyReader`].
#[derive(Clone, Debug)]
pub struct BodyLimits {
    /// Bytes in all. Beyond it: [`crate::BodyError::TooLarge`], at once when the length is stated.
    pub bytes: u64,
    /// Wait for the next piece. Beyond it: [`crate::BodyError::TooSlow`].
    pub idle: Duration,
    /// Waiting time that is free before the average rate counts: a client may have to render.
    pub grace: Duration,
    /// Least average rate once `grace` has been waited. Only time spent waiting for the client
    /// counts, never the box's own.
    pub bytes_per_second: u64,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            bytes: 2 * 1024 * 1024 * 1024,
            idle: Duration::from_secs(30),
            grace: Duration::from_secs(60),
            bytes_per_second: 256,
        }
    }
}
