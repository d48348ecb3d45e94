// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The sockets of the box, on smol, hyper (HTTP/1.1) and rustls. Knows nothing of jobs: requests
//! go to the daemon's handlers, printers' bytes come from it.

mod announce;
mod body;
mod client;
mod connection;
mod csr;
mod exchange;
mod identity;
mod limits;
mod listener;
mod local;
mod paced;
mod port;
mod reply;
mod server;
mod tls;
mod verifier;

pub use announce::{AnnounceError, Announcement, Announcer, Interfaces, NAME_MAX};
pub use body::{BodyError, BodyReader};
pub use client::{HttpsClient, HttpsError, HttpsOptions};
pub use connection::PeerInfo;
pub use csr::ClientKey;
pub use identity::{IdentityError, ServerIdentity, crypto_provider};
pub use limits::{BodyLimits, NetLimits};
pub use listener::{ListenError, Listener, PeerAddr};
pub use local::{LocalClient, LocalError};
pub use port::{
    IppFault, IppOptions, IppPort, LprOptions, LprPort, PortScheme, PortUri, PortUriError,
    SnmpOptions, SnmpPort, SocketOptions, SocketPort,
};
pub use reply::{ReplyBody, reply, stream};
pub use server::{NetCounters, Running, Server};
pub use tls::{CertificateTime, ClientIdentity, TlsTrust, TrustError};
