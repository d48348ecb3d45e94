// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Many clients in one thread: the same request again and again over non-blocking sockets and
//! one edge-triggered epoll(7). Large requests go out by sendfile(2) from memory, so that the
//! client copies nothing: it shares the machine with the server it measures.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use platen_wire::ipp::Status;
use rustix::event::{Timespec, epoll};
use rustix::{fs, net};

use crate::answer::{Answer, AnswerReader};
use crate::request;
use platen_bed::wait::Stopwatch;

const SENDFILE_FROM: usize = 256 * 1024; // below this, one write(2) costs less; measured
const TICK: Duration = Duration::from_millis(20); // how often the watcher is called at least

/// What to send, and how much.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The server.
    pub address: SocketAddr,
    /// A whole HTTP request with an IPP request in it.
    pub request: &'a [u8],
    /// Requests to send, unless `time_limit` comes first.
    pub jobs: usize,
    /// Connections at once.
    pub clients: usize,
    /// Whether a connection carries more than one request.
    pub keep_alive: bool,
    /// No request is begun after this time; those begun are waited for.
    pub time_limit: Duration,
    /// A request with no answer after this time has failed.
    pub answer_limit: Duration,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Requests answered with a successful IPP status.
    pub accepted: usize,
    /// Other IPP statuses, and how often.
    pub refused: BTreeMap<Status, usize>,
    /// HTTP statuses other than 200, and how often.
    pub http_refused: BTreeMap<u16, usize>,
    /// Requests with no answer: connection refused, reset, or too late; by kind.
    pub failed: BTreeMap<String, usize>,
    /// From before connecting until the answer was whole, of accepted requests.
    pub latencies: Vec<Duration>,
    /// From the first connection to the last answer.
    pub elapsed: Duration,
}

impl Outcome {
    /// Requests that were not accepted, for whatever reason.
    #[must_use]
    pub fn not_accepted(&self) -> usize {
        let refused = self.refused.values().chain(self.http_refused.values());
        refused.chain(self.failed.values()).sum()
    }

    fn take(&mut self, answer: &Answer, latency: Duration) {
        match (answer.http_status, request::status(&answer.body)) {
            (200, Some(status)) if status.is_successful() => {
                self.accepted += 1;
                self.latencies.push(latency);
            }
            (200, Some(status)) => *self.refused.entry(status).or_default() += 1,
            (status, _) => *self.http_refused.entry(status).or_default() += 1,
        }
    }
}

/// Sends what is ordered. `watch` is called with the time since the start, at least every 20 ms
/// or so; it must be short.
///
/// # Errors
/// When the kernel gives no epoll, memory file or socket. What the server does wrong is no error
/// here: it is counted in the [`Outcome`].
pub fn run(order: Order<'_>, watch: &mut dyn FnMut(Duration)) -> io::Result<Outcome> {
    let payload = Payload::of(order.request)?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut load = Load {
        order,
        payload,
        epoll: &epoll,
        clock: Stopwatch::start(),
        begun: 0,
        outcome: Outcome::default(),
    };
    load.drive(watch)?;
    load.outcome.elapsed = load.clock.elapsed();
    Ok(load.outcome)
}

/// The request, where it can be sent from cheapest.
enum Payload<'a> {
    Bytes(&'a [u8]),
    Memory { file: File, length: usize },
}

impl<'a> Payload<'a> {
    fn of(request: &'a [u8]) -> io::Result<Self> {
        if request.len() < SENDFILE_FROM {
            return Ok(Self::Bytes(request));
        }
        let mut file = File::from(fs::memfd_create("request", fs::MemfdFlags::CLOEXEC)?);
        file.write_all(request)?;
        Ok(Self::Memory {
            file,
            length: request.len(),
        })
    }

    fn length(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Memory { length, .. } => *length,
        }
    }

    fn send(&self, mut socket: &TcpStream, from: usize) -> io::Result<usize> {
        match self {
            Self::Bytes(bytes) => socket.write(bytes.get(from..).unwrap_or_default()),
            Self::Memory { file, length } => {
                let mut offset = u64::try_from(from).unwrap_or(u64::MAX);
                Ok(fs::sendfile(
                    socket,
                    file,
                    Some(&mut offset),
                    length - from,
                )?)
            }
        }
    }
}

/// One client with a request on its way.
struct Client {
    socket: TcpStream,
    begun_at: Duration,
    sent: usize,
    answer: AnswerReader,
}

enum Step {
    Wait,
    Answered(Answer),
}

struct Load<'a> {
    order: Order<'a>,
    payload: Payload<'a>,
    epoll: &'a std::os::fd::OwnedFd,
    clock: Stopwatch,
    begun: usize,
    outcome: Outcome,
}

impl Load<'_> {
    fn drive(&mut self, watch: &mut dyn FnMut(Duration)) -> io::Result<()> {
        let mut clients: Vec<Option<Client>> = Vec::new();
        for slot in 0..self.order.clients.min(self.order.jobs) {
            clients.push(self.connect(slot)?);
        }
        let mut events = Vec::with_capacity(clients.len().max(1));
        let tick = Timespec::try_from(TICK).map_err(io::Error::other)?;
        let mut ticked = Duration::ZERO;
        while clients.iter().any(Option::is_some) {
            events.clear();
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(self.epoll, spare, Some(&tick)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in events.drain(..) {
                let slot = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
                self.serve(&mut clients, slot)?;
            }
            let now = self.clock.elapsed();
            if now.saturating_sub(ticked) >= TICK {
                ticked = now;
                watch(now);
                self.give_up_late(&mut clients, now)?;
            }
        }
        Ok(())
    }

    /// Begins the next request of a client on a new connection, if one is left to begin.
    fn connect(&mut self, slot: usize) -> io::Result<Option<Client>> {
        let begun_at = self.clock.elapsed();
        if self.begun >= self.order.jobs || begun_at >= self.order.time_limit {
            return Ok(None);
        }
        self.begun += 1;
        let family = match self.order.address {
            SocketAddr::V4(_) => net::AddressFamily::INET,
            SocketAddr::V6(_) => net::AddressFamily::INET6,
        };
        let flags = net::SocketFlags::NONBLOCK | net::SocketFlags::CLOEXEC;
        let socket = net::socket_with(family, net::SocketType::STREAM, flags, None)?;
        match net::connect(&socket, &self.order.address) {
            // A refused connection shows again at the first write, where it is counted.
            Ok(()) | Err(rustix::io::Errno::INPROGRESS | rustix::io::Errno::CONNREFUSED) => {}
            Err(error) => return Err(error.into()),
        }
        let interest = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP;
        let data = epoll::EventData::new_u64(u64::try_from(slot).unwrap_or(u64::MAX));
        epoll::add(self.epoll, &socket, data, interest | epoll::EventFlags::ET)?;
        let socket = TcpStream::from(socket);
        Ok(Some(Client {
            socket,
            begun_at,
            sent: 0,
            answer: AnswerReader::default(),
        }))
    }

    /// Goes on with the client of an event until it would block.
    fn serve(&mut self, clients: &mut [Option<Client>], slot: usize) -> io::Result<()> {
        let Some(place) = clients.get_mut(slot) else {
            return Ok(());
        };
        while let Some(mut client) = place.take() {
            match client.advance(&self.payload) {
                Ok(Step::Wait) => {
                    *place = Some(client);
                    return Ok(());
                }
                Ok(Step::Answered(answer)) => {
                    let latency = self.clock.elapsed().saturating_sub(client.begun_at);
                    self.outcome.take(&answer, latency);
                    *place = self.next(slot, client, &answer)?;
                }
                Err(error) => {
                    let kind = error.kind().to_string();
                    *self.outcome.failed.entry(kind).or_default() += 1;
                    *place = self.connect(slot)?;
                }
            }
        }
        Ok(())
    }

    fn next(&mut self, slot: usize, old: Client, answer: &Answer) -> io::Result<Option<Client>> {
        let now = self.clock.elapsed();
        let whole = old.sent == self.payload.length();
        if !(self.order.keep_alive && answer.reusable && whole) {
            drop(old); // closed before the next one connects, as one client would
            return self.connect(slot);
        }
        if self.begun >= self.order.jobs || now >= self.order.time_limit {
            return Ok(None);
        }
        self.begun += 1;
        let mut client = Client {
            begun_at: now,
            sent: 0,
            ..old
        };
        client.answer.clear();
        Ok(Some(client))
    }

    fn give_up_late(&mut self, clients: &mut [Option<Client>], now: Duration) -> io::Result<()> {
        for (slot, place) in clients.iter_mut().enumerate() {
            let begun = place.as_ref().map(|client| client.begun_at);
            if begun.is_some_and(|at| now.saturating_sub(at) > self.order.answer_limit) {
                *self
                    .outcome
                    .failed
                    .entry("no answer in time".to_owned())
                    .or_default() += 1;
                *place = None;
                *place = self.connect(slot)?;
            }
        }
        Ok(())
    }
}

impl Client {
    /// Sends what fits and reads what is there. A server may answer before it has read all.
    fn advance(&mut self, payload: &Payload<'_>) -> io::Result<Step> {
        let sending = self.send(payload);
        let mut piece = [0; 4096];
        loop {
            match (&self.socket).read(&mut piece) {
                Ok(0) => return sending.and(self.answer.finish()).map(Step::Answered),
                Ok(length) => {
                    let piece = piece.get(..length).unwrap_or_default();
                    if let Some(answer) = self.answer.push(piece)? {
                        return Ok(Step::Answered(answer));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return sending.map(|()| Step::Wait);
                }
                Err(error) => return Err(sending.err().unwrap_or(error)),
            }
        }
    }

    fn send(&mut self, payload: &Payload<'_>) -> io::Result<()> {
        while self.sent < payload.length() {
            match payload.send(&self.socket, self.sent) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x02\0\0\0\0\0\0\x01\x03";
    const BUSY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x02\0\x05\x07\0\0\0\x01\x03";
    const FULL: &[u8] = b"HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n";

    /// Reads requests of `length` bytes and gives one answer after the other, each on a
    /// connection of its own unless `keep`. An empty answer is a connection that closes.
    fn served(
        length: usize,
        keep: bool,
        answers: &'static [&'static [u8]],
        order: impl FnOnce(SocketAddr) -> Outcome,
    ) -> Outcome {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("a port");
        let server = thread::spawn(move || {
            let mut open: Option<TcpStream> = None;
            for answer in answers {
                let kept = open.take().filter(|_| keep);
                let mut peer = kept.unwrap_or_else(|| listener.accept().expect("a client").0);
                let mut request = vec![0; length];
                peer.read_exact(&mut request).expect("a whole request");
                assert!(request.iter().all(|&byte| byte == b'x'));
                peer.write_all(answer).expect("sent");
                open = Some(peer);
            }
        });
        let outcome = order(address);
        server.join().expect("all served");
        outcome
    }

    fn order(address: SocketAddr, request: &[u8], jobs: usize, keep_alive: bool) -> Outcome {
        let limit = Duration::from_secs(20);
        let order = Order {
            address,
            request,
            jobs,
            clients: 1,
            keep_alive,
            time_limit: limit,
            answer_limit: limit,
        };
        run(order, &mut |_| {}).expect("an epoll")
    }

    #[test]
    fn each_kind_of_answer_is_counted_as_what_it_is() {
        let request = vec![b'x'; 20_000];
        let answers: &[&[u8]] = &[OK, BUSY, FULL, b"", OK];
        let outcome = served(request.len(), false, answers, |at| {
            order(at, &request, 5, false)
        });
        assert_eq!((outcome.accepted, outcome.latencies.len()), (2, 2));
        assert_eq!(outcome.refused, BTreeMap::from([(Status::BUSY, 1)]));
        assert_eq!(outcome.http_refused, BTreeMap::from([(503, 1)]));
        assert_eq!(outcome.failed.values().sum::<usize>(), 1);
        assert_eq!(outcome.not_accepted(), 3);
    }

    #[test]
    fn large_requests_arrive_whole_over_one_kept_connection() {
        let request = vec![b'x'; 3 * SENDFILE_FROM];
        let outcome = served(request.len(), true, &[OK, OK], |at| {
            order(at, &request, 2, true)
        });
        assert_eq!((outcome.accepted, outcome.not_accepted()), (2, 0));
    }

    #[test]
    fn a_server_that_is_not_there_fails_every_job_and_ends() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("a port");
        drop(listener);
        let outcome = order(address, b"x", 3, false);
        assert_eq!((outcome.accepted, outcome.not_accepted()), (0, 3));
    }
}
