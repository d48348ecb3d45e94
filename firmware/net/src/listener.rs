// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bound sockets. A local socket's file has mode 0660; a stale one is replaced only when nobody
//! answers on it, and removed at the end only when it is still ours.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdTcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};

use smol::Async;
use smol::net::unix::{UnixListener, UnixStream};
use smol::net::{TcpListener, TcpStream};
use thiserror::Error;

/// Mode of the local socket's file: its owner and its group may connect.
const SOCKET_MODE: u32 = 0o660;

/// A bound socket, ready for [`crate::Server::start`].
#[derive(Debug)]
pub struct Listener(pub(crate) Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    Tcp(TcpListener),
    /// The file is removed when the listener is dropped.
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "kept for its drop")] SocketFile,
    ),
}

/// A connection just accepted.
pub(crate) enum Socket {
    Tcp(TcpStream, PeerAddr),
    Unix(UnixStream, PeerAddr),
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PeerAddr {
    /// Over the network.
    Network(SocketAddr),
    /// Over the local socket; the user id that the kernel vouches for, if it does.
    Local {
        /// Effective user id of the peer when it connected.
        uid: Option<u32>,
    },
}

impl PeerAddr {
    /// The address, an IPv4 one in its own form also when it came through an IPv6 socket.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Network(address) => Some(address.ip().to_canonical()),
            Self::Local { .. } => None,
        }
    }
}

impl Listener {
    /// Binds a TCP port; port 0 takes a free one, see [`Listener::local_addr`].
    ///
    /// # Errors
    /// [`ListenError::Bind`], such as when the port is taken.
    pub fn tcp(address: SocketAddr) -> Result<Self, ListenError> {
        let bind = |source| ListenError::Bind { address, source };
        let listener = StdTcpListener::bind(address).map_err(bind)?;
        let listener = Async::new(listener).map_err(bind)?;
        Ok(Self(Kind::Tcp(listener.into())))
    }

    /// Makes a local socket at `path`, mode 0660.
    ///
    /// # Errors
    /// [`ListenError::InUse`] when somebody answers there, [`ListenError::NotASocket`] when
    /// another kind of file is there, [`ListenError::Socket`] for the rest.
    pub fn unix(path: &Path) -> Result<Self, ListenError> {
        let socket = |source| ListenError::Socket {
            path: path.to_owned(),
            source,
        };
        clear_stale(path)?;
        let listener = UnixListener::bind(path).map_err(socket)?;
        fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE)).map_err(socket)?;
        let file = SocketFile::of(path).map_err(socket)?;
        Ok(Self(Kind::Unix(listener, file)))
    }

    /// The bound TCP address; `None` for a local socket.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.0 {
            Kind::Tcp(listener) => listener.local_addr().ok(),
            Kind::Unix(..) => None,
        }
    }

    /// The standard library listens with 128, too few for a burst of print clients; Linux takes
    /// the last call's number.
    pub(crate) fn set_backlog(&self, backlog: u16) {
        let result = match &self.0 {
            Kind::Tcp(listener) => rustix::net::listen(listener, backlog.into()),
            Kind::Unix(listener, _) => rustix::net::listen(listener, backlog.into()),
        };
        if let Err(error) = result {
            log::warn!(err:% = error; "backlog stays at its default");
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Socket> {
        match &self.0 {
            Kind::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Answers are written whole; waiting for more would only delay them.
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream, PeerAddr::Network(address)))
            }
            Kind::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let peer = rustix::net::sockopt::socket_peercred(&stream).ok();
                let uid = peer.map(|credentials| credentials.uid.as_raw());
                Ok(Socket::Unix(stream, PeerAddr::Local { uid }))
            }
        }
    }
}

/// The file of a local socket, known by its inode, so that a successor's file is left alone.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let identity = identity(path)?;
        Ok(Self {
            path: path.to_owned(),
            identity,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // Nothing to be done about a failure: the next start clears a stale file.
            let _removed = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn clear_stale(path: &Path) -> Result<(), ListenError> {
    let socket = |source| ListenError::Socket {
        path: path.to_owned(),
        source,
    };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(socket(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(ListenError::NotASocket {
            path: path.to_owned(),
        });
    }
    match StdUnixStream::connect(path) {
        Ok(_) => Err(ListenError::InUse {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(socket)
        }
        Err(error) => Err(socket(error)),
    }
}

/// Why a socket could not be bound.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The TCP port is taken, not permitted, or the address is not this box's.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// Another process answers on the local socket.
    #[error("{} is in use by a running daemon", path.display())]
    InUse {
        /// The socket's file.
        path: PathBuf,
    },
    /// The path is taken by a file that is no socket; it is left alone.
    #[error("{} exists and is not a socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// The local socket could not be made.
    #[error("cannot make the socket {}", path.display())]
    Socket {
        /// The socket's file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}
