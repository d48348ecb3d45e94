// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A bad line: a TCP proxy on loopback that passes, delays, swallows, cuts short, resets or refuses
//! connections, as a test says or by a seed. It knows nothing of what it carries.
//!
//! What happens to a connection counts the bytes of both directions together, so that one number
//! can cut a request as well as its answer.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::process::BedError;
use crate::wait;

/// Connections at a time; further ones are refused.
const CONNECTIONS_MAX: usize = 128;
/// Bytes carried at a time: a delay is for each.
const PIECE: usize = 16 * 1024;
/// How long a direction may wait for its next bytes before it looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);
/// How long the other side may take to answer a connection, or to take a piece.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How long a storm swallows a connection before it resets it.
const SWALLOW_LIMIT: Duration = Duration::from_secs(3);

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fate {
    /// It passes.
    Pass,
    /// It is reset as soon as it comes.
    Refuse,
    /// Each piece of it waits so long.
    Delay(Duration),
    /// It stays open, and nothing comes through.
    Swallow,
    /// It is closed in order after so many bytes.
    Truncate(u64),
    /// It is reset after so many bytes.
    Reset(u64),
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Carried {
    /// Connections taken.
    pub connections: u64,
    /// Of them, ended by the proxy and not by one of their ends.
    pub broken: u64,
    /// Bytes that came through, both ways.
    pub octets: u64,
}

/// A running proxy. Dropping it ends it and every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: Arc<Line>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Line {
    ending: AtomicBool,
    state: Mutex<State>,
    octets: AtomicU64,
    broken: AtomicU64,
}

#[derive(Debug)]
struct State {
    towards: SocketAddr,
    weather: Weather,
    connections: u64,
    open: Vec<Arc<Connection>>,
}

#[derive(Clone, Copy, Debug)]
enum Weather {
    /// The same for all connections, also those that are open.
    Fair(Fate),
    /// Each connection has its own fate, by this seed and its number.
    Storm(u64),
}

#[derive(Debug)]
struct Connection {
    client: TcpStream,
    server: TcpStream,
    /// In a storm.
    own: Option<Fate>,
    octets: AtomicU64,
    /// One of its ends has nothing more to say.
    is_half_closed: AtomicBool,
    ended: AtomicBool,
}

impl Proxy {
    /// Carries connections from a free port on loopback to `towards`.
    ///
    /// # Errors
    /// [`BedError::Io`] when there is no free port.
    pub fn start(towards: SocketAddr) -> Result<Self, BedError> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(any).map_err(BedError::io("listen for the proxy"))?;
        let address = listener
            .local_addr()
            .map_err(BedError::io("ask for the proxy's port"))?;
        let line = Arc::new(Line {
            ending: AtomicBool::new(false),
            state: Mutex::new(State {
                towards,
                weather: Weather::Fair(Fate::Pass),
                connections: 0,
                open: Vec::new(),
            }),
            octets: AtomicU64::new(0),
            broken: AtomicU64::new(0),
        });
        let taking = Arc::clone(&line);
        let accepting = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || taking.accept(&listener))
            .map_err(BedError::io("start the proxy"))?;
        Ok(Self {
            address,
            line,
            accepting: Some(accepting),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this becomes of every connection, also of those that are open.
    pub fn set(&self, fate: Fate) {
        self.line.state().weather = Weather::Fair(fate);
    }

    /// Resets every connection now and refuses new ones.
    pub fn cut(&self) {
        self.set(Fate::Refuse);
        self.reset_all();
    }

    /// From now on everything passes. What a storm did to open connections ends with them.
    pub fn heal(&self) {
        self.set(Fate::Pass);
        self.reset_all();
    }

    /// From now on each new connection has a fate of its own, the same for the same seed and number.
    pub fn storm(&self, seed: u64) {
        self.line.state().weather = Weather::Storm(seed);
        self.reset_all();
    }

    /// Carries new connections elsewhere.
    pub fn turn_to(&self, towards: SocketAddr) {
        self.line.state().towards = towards;
    }

    /// What has happened so far.
    #[must_use]
    pub fn carried(&self) -> Carried {
        Carried {
            connections: self.line.state().connections,
            broken: self.line.broken.load(Ordering::Relaxed),
            octets: self.line.octets.load(Ordering::Relaxed),
        }
    }

    fn reset_all(&self) {
        let open = std::mem::take(&mut self.line.state().open);
        for connection in open {
            self.line.end(&connection, true);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.ending.store(true, Ordering::Relaxed);
        self.reset_all();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect_timeout(&self.address, CONNECT_LIMIT);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while let Ok((client, _)) = listener.accept() {
            if self.ending.load(Ordering::Relaxed) {
                return;
            }
            self.take(client);
        }
    }

    /// Gives a connection its fate and two threads.
    fn take(self: &Arc<Self>, client: TcpStream) {
        let (towards, own, fate) = {
            let mut state = self.state();
            state.connections += 1;
            let own = match state.weather {
                Weather::Fair(_) => None,
                Weather::Storm(seed) => Some(fate(seed, state.connections)),
            };
            let full = state.open.len() >= CONNECTIONS_MAX;
            let fate = if full { Fate::Refuse } else { state.fate(own) };
            (state.towards, own, fate)
        };
        if fate == Fate::Refuse {
            self.broken.fetch_add(1, Ordering::Relaxed);
            reset(&client);
            return;
        }
        let Ok(server) = TcpStream::connect_timeout(&towards, CONNECT_LIMIT) else {
            reset(&client);
            return;
        };
        let connection = Arc::new(Connection {
            client,
            server,
            own,
            octets: AtomicU64::new(0),
            is_half_closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        self.state().open.push(Arc::clone(&connection));
        for upwards in [true, false] {
            let (line, carried) = (Arc::clone(self), Arc::clone(&connection));
            let carry = move || line.carry(&carried, upwards);
            if thread::Builder::new().spawn(carry).is_err() {
                self.end(&connection, true);
            }
        }
    }

    /// Carries one direction to its end.
    fn carry(&self, connection: &Connection, upwards: bool) {
        let (mut from, mut to) = match upwards {
            true => (&connection.client, &connection.server),
            false => (&connection.server, &connection.client),
        };
        let mut piece = vec![0; PIECE];
        let limits = from
            .set_read_timeout(Some(LOOK))
            .and_then(|()| to.set_write_timeout(Some(CONNECT_LIMIT)));
        if limits.is_err() {
            return self.end(connection, true);
        }
        let mut swallowed = None;
        while !connection.ended.load(Ordering::Relaxed) {
            let read = match from.read(&mut piece) {
                Ok(0) => {
                    let _ = to.shutdown(Shutdown::Write);
                    if connection.is_half_closed.swap(true, Ordering::Relaxed) {
                        connection.ended.store(true, Ordering::Relaxed);
                        self.forget(connection);
                    }
                    return;
                }
                Ok(read) => read,
                Err(error) if is_timeout(&error) => 0,
                Err(_) => return self.end(connection, false),
            };
            let fate = self.state().fate(connection.own);
            let bytes = piece.get(..read).unwrap_or_default();
            match fate {
                Fate::Swallow => {
                    let since = swallowed.get_or_insert_with(wait::Stopwatch::start);
                    if connection.own.is_some() && since.elapsed() >= SWALLOW_LIMIT {
                        return self.end(connection, true);
                    }
                    continue;
                }
                Fate::Refuse => return self.end(connection, true),
                Fate::Delay(by) if read > 0 => wait::pause(by),
                Fate::Pass | Fate::Delay(_) | Fate::Truncate(_) | Fate::Reset(_) => {}
            }
            let (kept, is_last) = connection.within(fate, bytes);
            if to.write_all(kept).is_err() {
                return self.end(connection, false);
            }
            self.octets.fetch_add(kept.len() as u64, Ordering::Relaxed);
            if is_last {
                return self.end(connection, matches!(fate, Fate::Reset(_)));
            }
        }
    }

    fn forget(&self, connection: &Connection) {
        let is_other = |open: &Arc<Connection>| !std::ptr::eq(Arc::as_ptr(open), connection);
        self.state().open.retain(is_other);
    }

    /// Ends both directions, once; by a reset or in order.
    fn end(&self, connection: &Connection, by_reset: bool) {
        if connection.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        self.broken.fetch_add(1, Ordering::Relaxed);
        self.forget(connection);
        for stream in [&connection.client, &connection.server] {
            if by_reset {
                reset(stream);
            } else {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

impl State {
    fn fate(&self, own: Option<Fate>) -> Fate {
        match (self.weather, own) {
            // A cut is for storm-tossed connections too.
            (Weather::Fair(Fate::Refuse), _) => Fate::Refuse,
            (_, Some(own)) => own,
            (Weather::Fair(fate), None) => fate,
            (Weather::Storm(_), None) => Fate::Pass,
        }
    }
}

impl Connection {
    /// What of these bytes comes through, and whether the connection ends behind them.
    fn within<'a>(&self, fate: Fate, bytes: &'a [u8]) -> (&'a [u8], bool) {
        let more = bytes.len() as u64;
        let before = self.octets.fetch_add(more, Ordering::Relaxed);
        let limit = match fate {
            Fate::Truncate(limit) | Fate::Reset(limit) => limit,
            Fate::Pass | Fate::Refuse | Fate::Delay(_) | Fate::Swallow => return (bytes, false),
        };
        let left = usize::try_from(limit.saturating_sub(before)).unwrap_or(usize::MAX);
        let kept = bytes.get(..left).unwrap_or(bytes);
        (kept, before.saturating_add(more) >= limit)
    }
}

/// Without time to linger a connection's end is a reset. It ends when both threads have let go of
/// it: shutting it down here would end it in order.
fn reset(stream: &TcpStream) {
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// What becomes of the `number`th connection of a storm: a third passes or is slow, so that
/// something comes through.
fn fate(seed: u64, number: u64) -> Fate {
    let mut random = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = |below: u64| {
        // Marsaglia's xorshift with 64 bits.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 16) % below
    };
    next(2);
    match next(8) {
        0 | 1 => Fate::Pass,
        2 => Fate::Delay(Duration::from_millis(5 + next(300))),
        3 | 4 => Fate::Truncate(1 + next(12_000)),
        5 | 6 => Fate::Reset(1 + next(12_000)),
        _ if next(3) == 0 => Fate::Swallow,
        _ => Fate::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends back what it gets; counts connections.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || io::copy(&mut &stream, &mut &stream));
            }
        });
        address
    }

    fn proxy() -> Proxy {
        Proxy::start(echo()).unwrap()
    }

    fn client(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(proxy.address()).unwrap();
        let limit = Some(Duration::from_secs(10));
        stream.set_read_timeout(limit).unwrap();
        stream
    }

    /// Sends so many bytes, then counts what comes back.
    fn sent_and_back(mut stream: &TcpStream, octets: usize) -> Result<usize, io::ErrorKind> {
        stream.write_all(&vec![7; octets]).map_err(|e| e.kind())?;
        let _ = stream.shutdown(Shutdown::Write);
        let mut back = Vec::new();
        match stream.read_to_end(&mut back) {
            Ok(_) => Ok(back.len()),
            Err(error) => Err(error.kind()),
        }
    }

    #[test]
    fn what_passes_comes_back_whole() {
        let proxy = proxy();
        assert_eq!(sent_and_back(&client(&proxy), 300_000), Ok(300_000));
        let carried = proxy.carried();
        assert_eq!((carried.connections, carried.broken), (1, 0));
        assert_eq!(carried.octets, 600_000);
    }

    #[test]
    fn connections_that_are_over_take_no_room() {
        let proxy = proxy();
        for _ in 0..2 * CONNECTIONS_MAX {
            assert_eq!(sent_and_back(&client(&proxy), 10), Ok(10));
        }
        assert!(proxy.line.state().open.len() <= 2);
    }

    #[test]
    fn a_connection_is_cut_short_after_its_bytes() {
        let proxy = proxy();
        proxy.set(Fate::Truncate(1500));
        assert_eq!(sent_and_back(&client(&proxy), 1000), Ok(500));
        assert_eq!(proxy.carried().broken, 1);
    }

    #[test]
    fn a_connection_is_reset_after_its_bytes() {
        let proxy = proxy();
        proxy.set(Fate::Reset(1500));
        let mut stream = client(&proxy);
        stream.write_all(&[7; 1000]).unwrap();
        let ended = stream.read_to_end(&mut Vec::new());
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_cut_line_ends_what_is_open_and_takes_nothing_until_it_is_healed() {
        let proxy = proxy();
        let mut open = client(&proxy);
        open.write_all(b"x").unwrap();
        open.read_exact(&mut [0]).unwrap();
        proxy.cut();
        assert!(open.read_exact(&mut [0]).is_err());
        assert!(!matches!(sent_and_back(&client(&proxy), 10), Ok(10)));
        proxy.heal();
        assert_eq!(sent_and_back(&client(&proxy), 10), Ok(10));
    }

    #[test]
    fn what_is_swallowed_does_not_come_back_and_what_is_delayed_does() {
        let proxy = proxy();
        proxy.set(Fate::Swallow);
        let mut stream = client(&proxy);
        stream
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        stream.write_all(b"x").unwrap();
        assert!(is_timeout(&stream.read_exact(&mut [0]).unwrap_err()));
        proxy.set(Fate::Delay(Duration::from_millis(50)));
        let watch = wait::Stopwatch::start();
        assert_eq!(sent_and_back(&client(&proxy), 10), Ok(10));
        assert!(watch.elapsed() >= Duration::from_millis(100));
    }

    #[test]
    fn a_storm_is_the_same_for_the_same_seed_and_has_all_kinds_of_weather() {
        let storm = |seed| (1..200).map(|n| fate(seed, n)).collect::<Vec<_>>();
        assert_eq!(storm(3), storm(3));
        assert_ne!(storm(3), storm(4));
        let kinds = |of: fn(&Fate) -> bool| storm(3).iter().filter(|fate| of(fate)).count();
        assert!(kinds(|fate| matches!(fate, Fate::Pass)) > 20);
        assert!(kinds(|fate| matches!(fate, Fate::Delay(_))) > 5);
        assert!(kinds(|fate| matches!(fate, Fate::Truncate(_))) > 20);
        assert!(kinds(|fate| matches!(fate, Fate::Reset(_))) > 20);
        assert!(kinds(|fate| matches!(fate, Fate::Swallow)) > 0);
        assert!(kinds(|fate| matches!(fate, Fate::Refuse)) > 5);
    }
}
