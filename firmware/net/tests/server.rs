// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The server's limits and deadlines, over real loopback sockets, with limits short enough to
//! reach.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use platen_model::ManualClock;
use platen_net::{
    BodyError, BodyLimits, BodyReader, Listener, NetLimits, PeerAddr, PeerInfo, ReplyBody, Running,
    Server, ServerIdentity, reply,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use smol::{Executor, Timer};

/// Longer than any limit under test; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

fn executor() -> Arc<Executor<'static>> {
    static EXECUTOR: OnceLock<Arc<Executor<'static>>> = OnceLock::new();
    let executor = EXECUTOR.get_or_init(|| {
        let executor = Arc::new(Executor::new());
        let runner = Arc::clone(&executor);
        std::thread::spawn(move || smol::block_on(runner.run(std::future::pending::<()>())));
        executor
    });
    Arc::clone(executor)
}

fn short_limits() -> NetLimits {
    NetLimits {
        header: Duration::from_millis(300),
        keep_alive: Duration::from_millis(700),
        tls_handshake: Duration::from_millis(300),
        write_stall: Duration::from_millis(500),
        ..NetLimits::default()
    }
}

/// `/hello` says how the request came, `/slow` answers after 500 ms, `/refuse` does not look at
/// the body, `/big` answers more than socket buffers hold, the rest counts the body's bytes.
async fn answer(request: Request<Incoming>, peer: PeerInfo) -> Response<ReplyBody> {
    let text = |status, text: String| reply(status, "text/plain", text);
    match request.uri().path() {
        "/hello" => text(StatusCode::OK, format!("tls={}", peer.tls)),
        "/slow" => {
            Timer::after(Duration::from_millis(500)).await;
            text(StatusCode::OK, "at last".to_owned())
        }
        "/refuse" => text(StatusCode::FORBIDDEN, "no".to_owned()),
        "/big" => reply(StatusCode::OK, "text/plain", vec![b'x'; 32 * 1024 * 1024]),
        _ => {
            let limits = BodyLimits {
                bytes: 1024 * 1024,
                idle: Duration::from_millis(300),
                ..BodyLimits::default()
            };
            let clock = Arc::new(ManualClock::at(0));
            let (head, body) = request.into_parts();
            let mut body = BodyReader::new(body, limits, clock).with_headers(&head.headers);
            loop {
                match body.next().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return text(StatusCode::OK, body.received().to_string()),
                    Err(BodyError::TooLarge { .. }) => {
                        body.discard(8 * 1024 * 1024, PATIENCE).await;
                        return text(StatusCode::PAYLOAD_TOO_LARGE, "too large".to_owned());
                    }
                    Err(BodyError::TooSlow { .. }) => {
                        return text(StatusCode::REQUEST_TIMEOUT, "too slow".to_owned());
                    }
                    Err(_) => return text(StatusCode::BAD_REQUEST, "broken".to_owned()),
                }
            }
        }
    }
}

fn start(limits: NetLimits) -> (Running, SocketAddr) {
    let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    (
        Server::new(answer, limits).start(&executor(), vec![listener]),
        address,
    )
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads one answer by its Content-Length: head and body.
fn read_answer(stream: &mut impl Read) -> (String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        assert_eq!(
            stream.read(&mut byte).unwrap(),
            1,
            "connection ended in a head"
        );
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

fn get(stream: &mut (impl Read + Write), target: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nHost: box\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    read_answer(stream).1
}

/// Whether the server closed: end or reset, but not silence.
fn is_closed(stream: &mut impl Read) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => rest.is_empty(),
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

fn wait_until(holds: impl Fn() -> bool) {
    let in_time = (0..10_000).any(|_| {
        std::thread::park_timeout(Duration::from_millis(1));
        holds()
    });
    assert!(in_time);
}

fn tls_client(
    identity: &ServerIdentity,
    stream: TcpStream,
    name: &'static str,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(identity.certificate().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(platen_net::crypto_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name).unwrap();
    StreamOwned::new(
        ClientConnection::new(Arc::new(config), name).unwrap(),
        stream,
    )
}

fn start_with_tls() -> (Running, SocketAddr, ServerIdentity) {
    let dir = tempfile::tempdir().unwrap();
    let identity = ServerIdentity::load_or_create(dir.path(), "platen", &[]).unwrap();
    let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(answer, short_limits()).with_tls(identity.server_config());
    (server.start(&executor(), vec![listener]), address, identity)
}

#[test]
fn plain_and_tls_share_a_port() {
    let (_running, address, identity) = start_with_tls();
    assert_eq!(get(&mut connect(address), "/hello"), "tls=false");
    for name in ["localhost", "platen", "platen.local", "127.0.0.1", "::1"] {
        let mut tls = tls_client(&identity, connect(address), name);
        assert_eq!(get(&mut tls, "/hello"), "tls=true", "{name}");
    }
}

#[test]
fn half_a_tls_handshake_is_closed() {
    let (running, address, _identity) = start_with_tls();
    let mut stream = connect(address);
    stream.write_all(&[0x16, 0x03, 0x01]).unwrap();
    assert!(is_closed(&mut stream));
    // The count follows the close.
    wait_until(|| running.counters().tls_failed.load(Ordering::Relaxed) == 1);
}

#[test]
fn tls_to_a_server_without_it_gets_an_error_not_silence() {
    let (_running, address) = start(short_limits());
    let mut stream = connect(address);
    stream
        .write_all(&[0x16, 0x03, 0x01, 0x00, 0x05, 1, 2, 3, 4, 5])
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(
        answer.starts_with(b"HTTP/1.1 400"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let (running, address) = start(short_limits());
    assert!(is_closed(&mut connect(address)));
    assert_eq!(running.counters().timed_out.load(Ordering::Relaxed), 1);
}

#[test]
fn a_header_that_drips_is_closed_though_the_keep_alive_limit_is_longer() {
    let limits = NetLimits {
        keep_alive: PATIENCE * 10,
        ..short_limits()
    };
    let (_running, address) = start(limits);
    let mut stream = connect(address);
    stream
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let mut closed = false;
    for byte in b"GET /hello HTTP/1.1\r\nHost: a-very-long-name"
        .iter()
        .cycle()
        .take(200)
    {
        if stream.write_all(&[*byte]).is_err() {
            closed = true;
            break;
        }
        match stream.read(&mut [0; 16]) {
            Ok(0) => closed = true,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => closed = true,
            _ => continue,
        }
        break;
    }
    assert!(closed);
}

#[test]
fn a_second_header_has_its_own_time() {
    let (_running, address) = start(short_limits());
    let mut stream = connect(address);
    // Three times the header limit in all, each request within the keep-alive limit.
    for _ in 0..3 {
        assert_eq!(get(&mut stream, "/slow"), "at last");
    }
    stream.write_all(b"GET /hello HTTP/1.1\r\n").unwrap();
    assert!(is_closed(&mut stream));
}

#[test]
fn an_idle_connection_is_closed_after_the_keep_alive_limit() {
    let (_running, address) = start(short_limits());
    let mut stream = connect(address);
    get(&mut stream, "/hello");
    assert!(is_closed(&mut stream));
}

#[test]
fn a_connection_carries_many_requests() {
    let (running, address) = start(short_limits());
    let mut stream = connect(address);
    for _ in 0..500 {
        assert_eq!(get(&mut stream, "/hello"), "tls=false");
    }
    write!(
        stream,
        "POST /count HTTP/1.1\r\nHost: box\r\nContent-Length: 5\r\n\r\nabcde"
    )
    .unwrap();
    assert_eq!(read_answer(&mut stream).1, "5");
    let counters = running.counters();
    assert_eq!(counters.accepted.load(Ordering::Relaxed), 1);
    assert_eq!(counters.requests.load(Ordering::Relaxed), 501);
}

#[test]
fn continue_is_sent_only_when_the_body_is_wanted() {
    let (_running, address) = start(short_limits());
    let head = |target| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: box\r\nExpect: 100-continue\r\n\
             Content-Length: 3\r\n\r\n"
        )
    };
    let mut stream = connect(address);
    stream.write_all(head("/count").as_bytes()).unwrap();
    assert!(read_answer(&mut stream).0.starts_with("http/1.1 100"));
    stream.write_all(b"abc").unwrap();
    assert_eq!(read_answer(&mut stream).1, "3");
    let mut stream = connect(address);
    stream.write_all(head("/refuse").as_bytes()).unwrap();
    assert!(read_answer(&mut stream).0.starts_with("http/1.1 403"));
}

#[test]
fn a_client_that_shuts_its_side_after_the_request_is_answered() {
    let (_running, address) = start(short_limits());
    let mut stream = connect(address);
    stream
        .write_all(b"GET /slow HTTP/1.1\r\nHost: box\r\n\r\n")
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_answer(&mut stream).1, "at last");
}

#[test]
fn a_body_that_stops_is_too_slow() {
    let (_running, address) = start(short_limits());
    let mut stream = connect(address);
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: box\r\nContent-Length: 100\r\n\r\nabc"
    )
    .unwrap();
    assert!(read_answer(&mut stream).0.starts_with("http/1.1 408"));
}

#[test]
fn a_body_that_breaks_off_is_broken() {
    let (_running, address) = start(short_limits());
    let mut stream = connect(address);
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: box\r\nContent-Length: 100\r\n\r\nabc"
    )
    .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(read_answer(&mut stream).0.starts_with("http/1.1 400"));
}

#[test]
fn a_body_too_large_is_refused_before_it_is_sent_when_its_length_is_stated() {
    let (_running, address) = start(short_limits());
    let mut stream = connect(address);
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: box\r\nExpect: 100-continue\r\nContent-Length: 9999999999\r\n\r\n"
    )
    .unwrap();
    assert!(read_answer(&mut stream).0.starts_with("http/1.1 413"));
}

#[test]
fn a_chunked_body_too_large_is_refused_and_the_client_can_read_why() {
    let (_running, address) = start(short_limits());
    let mut stream = connect(address);
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: box\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .unwrap();
    let chunk = vec![b'x'; 64 * 1024];
    for _ in 0..32 {
        write!(stream, "{:x}\r\n", chunk.len()).unwrap();
        stream.write_all(&chunk).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    assert!(read_answer(&mut stream).0.starts_with("http/1.1 413"));
}

#[test]
fn a_client_that_does_not_take_its_answer_is_cut() {
    let (running, address) = start(short_limits());
    let mut stream = connect(address);
    stream
        .write_all(b"GET /big HTTP/1.1\r\nHost: box\r\n\r\n")
        .unwrap();
    // Nothing is read until the server has given up; shutdown then finds no connection left.
    std::thread::park_timeout(Duration::from_millis(1500));
    assert!(smol::block_on(running.shutdown(Duration::from_millis(200))));
}

#[test]
fn one_peer_over_its_limit_gets_503_and_the_server_goes_on() {
    let limits = NetLimits {
        connections_per_peer: 8,
        ..short_limits()
    };
    let (running, address) = start(limits);
    let mut first: Vec<_> = (0..8).map(|_| connect(address)).collect();
    for stream in &mut first {
        get(stream, "/hello");
    }
    let mut ninth = connect(address);
    assert!(read_answer(&mut ninth).0.starts_with("http/1.1 503"));
    assert_eq!(running.counters().refused.load(Ordering::Relaxed), 1);
    assert_eq!(get(&mut first[0], "/hello"), "tls=false");
    drop(first);
    // The seats are free again once the server has seen the ends.
    let again = (0..100).any(|_| {
        std::thread::park_timeout(Duration::from_millis(20));
        let mut stream = connect(address);
        write!(stream, "GET /hello HTTP/1.1\r\nHost: box\r\n\r\n").unwrap();
        read_answer(&mut stream).0.starts_with("http/1.1 200")
    });
    assert!(again);
}

#[test]
fn connections_beyond_the_total_wait_and_are_served_in_their_turn() {
    let limits = NetLimits {
        connections: 4,
        ..short_limits()
    };
    let (running, address) = start(limits);
    let mut all: Vec<_> = (0..40).map(|_| connect(address)).collect();
    for stream in &mut all {
        write!(
            stream,
            "GET /hello HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
    }
    for stream in &mut all {
        assert_eq!(read_answer(stream).1, "tls=false");
    }
    assert_eq!(running.counters().accepted.load(Ordering::Relaxed), 40);
}

#[test]
fn shutdown_lets_requests_finish_and_takes_no_more() {
    let (running, address) = start(short_limits());
    let mut idle = connect(address);
    get(&mut idle, "/hello");
    let mut busy = connect(address);
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: box\r\n\r\n")
        .unwrap();
    let counters = running.counters();
    wait_until(|| counters.requests.load(Ordering::Relaxed) >= 2);
    let ended = std::thread::spawn(move || smol::block_on(running.shutdown(PATIENCE)));
    assert!(is_closed(&mut idle));
    let (head, body) = read_answer(&mut busy);
    assert_eq!(body, "at last");
    assert!(head.contains("connection: close"), "{head}");
    assert!(ended.join().unwrap());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn shutdown_cuts_what_takes_longer_than_its_grace() {
    let (running, address) = start(short_limits());
    let mut busy = connect(address);
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: box\r\n\r\n")
        .unwrap();
    let counters = running.counters();
    wait_until(|| counters.requests.load(Ordering::Relaxed) >= 1);
    assert!(!smol::block_on(running.shutdown(Duration::from_millis(50))));
    assert!(is_closed(&mut busy));
}

#[test]
fn a_peer_is_known_by_its_address() {
    let mapped: SocketAddr = "[::ffff:10.0.0.7]:4000".parse().unwrap();
    assert_eq!(PeerAddr::Network(mapped).ip(), Some([10, 0, 0, 7].into()));
    assert_eq!(PeerAddr::Local { uid: None }.ip(), None);
}
