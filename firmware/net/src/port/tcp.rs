// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A printer's name looked up, its TCP port connected to and fed, within limits. Blocking, on the
//! printer's own thread.

use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use platen_hal::PortError;

use super::PortUri;

/// Limit of name look-up and of connecting, each. Half the 2 s that a status may take in all.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);

/// Bytes given to the kernel at once: small enough that each piece moves within the stall limit.
const PIECE: usize = 64 * 1024;

/// Tries the host's addresses in order; the limit holds for all of them together.
pub(super) fn connect(uri: &PortUri) -> io::Result<TcpStream> {
    let addresses = resolve(uri)?;
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let each = CONNECT_LIMIT / count;
    let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect_timeout(&address, each) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// At most four addresses. The system's look-up has no limit of its own, so it runs on a thread
/// that is left behind when it takes too long.
pub(super) fn resolve(uri: &PortUri) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = uri.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, uri.port)]);
    }
    let (found, answer) = sync_channel(1);
    let name = (uri.host.clone(), uri.port);
    thread::Builder::new()
        .name("resolve".to_owned())
        .spawn(move || {
            let addresses = name.to_socket_addrs().map(|all| all.take(4).collect());
            // Nobody listens any more when it took too long.
            let _late = found.send(addresses);
        })?;
    match answer.recv_timeout(CONNECT_LIMIT) {
        Ok(addresses) => addresses,
        Err(RecvTimeoutError::Timeout) => Err(ErrorKind::TimedOut.into()),
        Err(RecvTimeoutError::Disconnected) => Err(ErrorKind::NotFound.into()),
    }
}

/// Sends all of `bytes`, and adds to `taken` what the kernel took of them. The stream has `stall` as
/// its write limit.
pub(super) fn send_all(
    mut stream: &TcpStream,
    bytes: &[u8],
    stall: Duration,
    taken: &mut u64,
) -> Result<(), PortError> {
    for piece in bytes.chunks(PIECE) {
        let mut left = piece;
        while !left.is_empty() {
            let length = match stream.write(left) {
                Ok(0) => return Err(PortError::Broken(ErrorKind::WriteZero.into())),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(fault(error, stall)),
            };
            left = left.get(length..).unwrap_or_default();
            *taken += u64::try_from(length).unwrap_or(u64::MAX);
        }
    }
    Ok(())
}

/// Ends the connection at once (a reset): what the kernel has not handed over yet is never sent. A
/// plain close would go on sending it behind the back of a job that was deleted.
pub(super) fn abort(stream: &TcpStream) {
    // The close that follows is the reset. Where it can't be asked for the close must do.
    let _asked = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

pub(super) fn is_timeout(error: &io::Error) -> bool {
    // Unix says `WouldBlock` when a socket's own time limit is up.
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

pub(super) fn fault(error: io::Error, stall: Duration) -> PortError {
    if is_timeout(&error) {
        PortError::Stalled {
            seconds: stall.as_secs(),
        }
    } else {
        PortError::Broken(error)
    }
}
