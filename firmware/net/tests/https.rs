// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The HTTPS client against real servers on loopback: whom it believes, with which clock, and what
//! it says of a server that is slow, cut, too long or gone.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response, StatusCode};
use platen_model::ManualClock;
use platen_net::{
    CertificateTime, ClientIdentity, HttpsClient, HttpsError, HttpsOptions, Listener, NetLimits,
    PeerInfo, ReplyBody, Running, Server, TlsTrust, crypto_provider, reply, stream,
};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use ring::digest::{SHA256, digest};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use smol::{Executor, Timer};

/// Longer than any limit under test.
const PATIENCE: Duration = Duration::from_secs(20);
const YEAR_MS: u64 = 365 * 24 * 3_600_000;
/// 2030-01-01
const IN_2030_MS: u64 = 1_893_456_000_000;

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

/// An authority and what it signs.
struct Site {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Site {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            certificate,
        }
    }

    fn trust(&self) -> TlsTrust {
        TlsTrust::from_pem(&self.certificate.pem()).unwrap()
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut store = RootCertStore::empty();
        store.add(self.certificate.der().clone()).unwrap();
        Arc::new(store)
    }

    /// A certificate for `name` that is good in 2029 and 2030, and its key.
    fn sign(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> (Vec<u8>, Vec<u8>) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2029, 1, 1);
        params.not_after = date_time_ymd(2031, 1, 1);
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().to_vec(), key.serialize_der())
    }

    fn server(&self) -> At {
        self.server_named("127.0.0.1")
    }

    fn server_named(&self, name: &str) -> At {
        let (certificate, key) = self.sign(name, ExtendedKeyUsagePurpose::ServerAuth);
        let clients = WebPkiClientVerifier::builder_with_provider(self.roots(), crypto_provider());
        let clients = clients.allow_unauthenticated().build().unwrap();
        let time = Arc::new(at(IN_2030_MS, 0));
        let config = ServerConfig::builder_with_details(crypto_provider(), time)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(
                vec![certificate.clone().into()],
                PrivateKeyDer::Pkcs8(key.into()),
            )
            .unwrap();
        let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let limits = NetLimits {
            keep_alive: Duration::from_millis(500),
            ..NetLimits::default()
        };
        let server = Server::new(answer, limits).with_tls(Arc::new(config));
        At {
            running: server.start(&executor(), vec![listener]),
            address,
            certificate,
        }
    }
}

/// A server at work.
struct At {
    running: Running,
    address: SocketAddr,
    certificate: Vec<u8>,
}

impl At {
    fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    fn fingerprint(&self) -> [u8; 32] {
        digest(&SHA256, &self.certificate)
            .as_ref()
            .try_into()
            .unwrap()
    }

    fn connections(&self) -> u64 {
        self.running.counters().accepted.load(Ordering::Relaxed)
    }

    fn client(&self, options: HttpsOptions) -> HttpsClient {
        HttpsClient::new(&self.url(), options).unwrap()
    }
}

fn at(clock_unix_ms: u64, floor_unix_ms: u64) -> CertificateTime {
    CertificateTime {
        clock: Arc::new(ManualClock::at(clock_unix_ms)),
        floor_unix_ms,
    }
}

fn trusting(trust: TlsTrust) -> HttpsOptions {
    HttpsOptions {
        trust,
        time: Some(at(IN_2030_MS, 0)),
        ..HttpsOptions::default()
    }
}

async fn answer(request: Request<Incoming>, peer: PeerInfo) -> Response<ReplyBody> {
    match request.uri().path() {
        "/slow" => Timer::after(PATIENCE).await,
        "/pause" => Timer::after(Duration::from_millis(100)).await,
        "/long" => return reply(StatusCode::OK, "text/plain", vec![b'x'; 5000]),
        "/cut" => {
            // The first half has left before the connection breaks.
            let pieces = smol::stream::unfold(0, |turn| async move {
                Timer::after(Duration::from_millis(100 * turn)).await;
                let piece = match turn {
                    0 => Ok(Frame::data(Bytes::from_static(b"half"))),
                    _ => Err(io::Error::other("cut")),
                };
                Some((piece, turn + 1))
            });
            let body = StreamBody::new(Box::pin(pieces));
            return stream(StatusCode::OK, "text/plain", body);
        }
        _ => return echo(request, peer).await,
    };
    reply(StatusCode::OK, "text/plain", "at last")
}

/// Method, target, host, whether a certificate was shown, and the body.
async fn echo(request: Request<Incoming>, peer: PeerInfo) -> Response<ReplyBody> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let host = head.headers.get("host").map(|host| host.to_str().unwrap());
    let text = format!(
        "{} {} {} {} {}",
        head.method,
        head.uri,
        host.unwrap_or("-"),
        peer.certificate.is_some(),
        String::from_utf8_lossy(&body)
    );
    reply(StatusCode::OK, "text/plain", text)
}

fn get(client: &HttpsClient, target: &str) -> Result<String, HttpsError> {
    let request = Request::get(target).body(Bytes::new()).unwrap();
    let answer = smol::block_on(client.send(request, PATIENCE))?;
    Ok(String::from_utf8(answer.into_body().to_vec()).unwrap())
}

fn post(client: &HttpsClient, target: &str, limit: Duration) -> Result<String, HttpsError> {
    let answer = smol::block_on(client.post(target, "text/plain", "body", limit))?;
    Ok(String::from_utf8(answer.into_body().to_vec()).unwrap())
}

#[test]
fn requests_in_a_row_share_one_connection() {
    let site = Site::new();
    let server = site.server();
    let client = server.client(trusting(site.trust()));
    for _ in 0..5 {
        let told = post(&client, "/a?b=c", PATIENCE).unwrap();
        assert_eq!(
            told,
            format!("POST /a?b=c {} false body", server.address),
            "as it was sent"
        );
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn no_more_connections_are_made_than_allowed() {
    let site = Site::new();
    let server = site.server();
    let client = server.client(HttpsOptions {
        connections: 2,
        ..trusting(site.trust())
    });
    let all = (0..8).map(|_| client.post("/pause", "text/plain", "", PATIENCE));
    let all: Vec<_> = all.collect();
    smol::block_on(async {
        let all: Vec<_> = all.into_iter().map(Box::pin).collect();
        let mut running: Vec<_> = Vec::new();
        let local = smol::LocalExecutor::new();
        for one in all {
            running.push(local.spawn(one));
        }
        local
            .run(async {
                for one in running {
                    assert_eq!(one.await.unwrap().status(), StatusCode::OK);
                }
            })
            .await;
    });
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_connection_that_the_server_has_closed_is_replaced() {
    let site = Site::new();
    let server = site.server();
    let client = server.client(trusting(site.trust()));
    post(&client, "/", PATIENCE).unwrap();
    // The server's keep-alive time passes.
    smol::block_on(Timer::after(Duration::from_millis(1200)));
    post(&client, "/", PATIENCE).unwrap();
    assert_eq!(server.connections(), 2);
}

#[test]
fn the_url_may_have_a_path_and_a_name() {
    let site = Site::new();
    let server = site.server_named("localhost");
    let url = format!("https://localhost:{}/below/", server.address.port());
    let client = HttpsClient::new(&url, trusting(site.trust())).unwrap();
    let told = get(&client, "/a").unwrap();
    let host = format!("localhost:{}", server.address.port());
    assert_eq!(told, format!("GET /below/a {host} false "));
    for wrong in [
        "",
        "http://a",
        "https://",
        "a:1",
        "https://u@a",
        "https://a?b",
    ] {
        let made = HttpsClient::new(wrong, HttpsOptions::default());
        assert!(matches!(made, Err(HttpsError::Url(_))), "{wrong}");
    }
}

#[test]
fn the_clients_certificate_is_shown() {
    let site = Site::new();
    let server = site.server();
    let (certificate, key) = site.sign("box", ExtendedKeyUsagePurpose::ClientAuth);
    let client = server.client(HttpsOptions {
        identity: Some(ClientIdentity::from_der(certificate, key)),
        ..trusting(site.trust())
    });
    assert!(get(&client, "/").unwrap().contains(" true "));
}

#[test]
fn a_server_of_another_authority_or_name_is_refused() {
    let (site, other) = (Site::new(), Site::new());
    let server = other.server();
    let refused = get(&server.client(trusting(site.trust())), "/");
    assert!(
        matches!(refused, Err(HttpsError::Stranger(_))),
        "{refused:?}"
    );
    let server = site.server_named("another.example");
    let refused = get(&server.client(trusting(site.trust())), "/");
    assert!(
        matches!(&refused, Err(HttpsError::OtherName { host }) if host == "127.0.0.1"),
        "{refused:?}"
    );
}

/// A box that is taken over by a box: its certificate is good for asking, not for answering.
#[test]
fn the_certificate_of_a_client_does_not_make_a_server() {
    let site = Site::new();
    let (certificate, key) = site.sign("127.0.0.1", ExtendedKeyUsagePurpose::ClientAuth);
    let config = ServerConfig::builder_with_provider(crypto_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.into()], PrivateKeyDer::Pkcs8(key.into()))
        .unwrap();
    let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let server = Server::new(answer, NetLimits::default()).with_tls(Arc::new(config));
    let _running = server.start(&executor(), vec![listener]);
    let client = HttpsClient::new(&url, trusting(site.trust())).unwrap();
    let refused = get(&client, "/");
    assert!(
        matches!(refused, Err(HttpsError::Stranger(_))),
        "{refused:?}"
    );
}

#[test]
fn a_certificate_is_learned_and_then_pinned() {
    let site = Site::new();
    let (server, other) = (site.server(), site.server());
    let shown = smol::block_on(HttpsClient::shown_certificate(&server.url(), PATIENCE)).unwrap();
    assert_eq!(shown, server.fingerprint());
    let pinned = || trusting(TlsTrust::Pin(shown));
    get(&server.client(pinned()), "/").unwrap();
    let refused = get(&other.client(pinned()), "/");
    assert!(
        matches!(&refused, Err(HttpsError::OtherCertificate { fingerprint })
            if *fingerprint == other.fingerprint()),
        "{refused:?}"
    );
    let refused = get(&server.client(trusting(TlsTrust::Nobody)), "/");
    assert!(matches!(refused, Err(HttpsError::NotPinned { .. })));
}

#[test]
fn a_certificate_is_judged_between_the_time_that_is_certain_and_now() {
    let site = Site::new();
    let server = site.server();
    let asked = |clock, floor| {
        let options = HttpsOptions {
            time: Some(at(clock, floor)),
            ..trusting(site.trust())
        };
        get(&server.client(options), "/")
    };
    // Good in 2029 and 2030.
    asked(IN_2030_MS, 0).unwrap();
    // A clock that has never been set, or that is far ahead.
    asked(0, 0).unwrap();
    asked(0, IN_2030_MS).unwrap();
    asked(IN_2030_MS + 20 * YEAR_MS, IN_2030_MS).unwrap();
    // The certificate ran out before the time that is certain.
    for clock in [0, IN_2030_MS, IN_2030_MS + 20 * YEAR_MS] {
        let refused = asked(clock, IN_2030_MS + 2 * YEAR_MS);
        assert!(
            matches!(refused, Err(HttpsError::OutOfTime(_))),
            "{refused:?}"
        );
    }
}

#[test]
fn without_a_time_that_is_certain_the_systems_clock_counts() {
    let site = Site::new();
    let options = HttpsOptions {
        time: None,
        ..trusting(site.trust())
    };
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.not_after = date_time_ymd(1999, 1, 1);
    let key = KeyPair::generate().unwrap();
    let over = params.signed_by(&key, &site.issuer).unwrap();
    let config = ServerConfig::builder_with_provider(crypto_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![over.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let server = Server::new(answer, NetLimits::default()).with_tls(Arc::new(config));
    let _running = server.start(&executor(), vec![listener]);
    let refused = get(&HttpsClient::new(&url, options).unwrap(), "/");
    assert!(
        matches!(refused, Err(HttpsError::OutOfTime(_))),
        "{refused:?}"
    );
}

#[test]
fn an_answer_that_is_slow_long_or_cut_is_named_so() {
    let site = Site::new();
    let server = site.server();
    let client = server.client(HttpsOptions {
        answer_bytes_max: 4999,
        ..trusting(site.trust())
    });
    let limit = Duration::from_millis(300);
    let slow = post(&client, "/slow", limit);
    assert!(matches!(slow, Err(HttpsError::TooSlow(told)) if told == limit));
    let long = post(&client, "/long", PATIENCE);
    assert!(
        matches!(long, Err(HttpsError::TooLarge { limit: 4999 })),
        "{long:?}"
    );
    let cut = post(&client, "/cut", PATIENCE);
    assert!(matches!(cut, Err(HttpsError::Cut(_))), "{cut:?}");
    // None of these connections is used again.
    post(&client, "/", PATIENCE).unwrap();
    assert_eq!(server.connections(), 4);
}

#[test]
fn a_server_that_is_not_there_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = HttpsClient::new(&url, HttpsOptions::default()).unwrap();
    let gone = get(&client, "/");
    assert!(
        matches!(gone, Err(HttpsError::Unreachable { .. })),
        "{gone:?}"
    );
}

#[test]
fn a_server_that_says_nothing_is_too_slow() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let connect = Duration::from_millis(300);
    let options = HttpsOptions {
        connect,
        ..HttpsOptions::default()
    };
    let client = HttpsClient::new(&url, options).unwrap();
    let silent = get(&client, "/");
    assert!(
        matches!(silent, Err(HttpsError::TooSlow(limit)) if limit == connect),
        "{silent:?}"
    );
}
