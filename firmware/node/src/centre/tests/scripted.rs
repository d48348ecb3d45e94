// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A centre on loopback with real TLS and the real codec, that does what a test tells it: also what no
//! honest centre does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use platen_model::{CredentialId, Denied, NodeId, Record, Revised, SiteId, Tombstone, UserId};
use platen_net::{
    Listener, NetLimits, PeerInfo, ReplyBody, Running, Server, crypto_provider, reply,
};
use platen_sync::centre::journal::{NodeBooks, receive};
use platen_sync::codec;
use platen_sync::enrol::{Code, CodeKey, certificate_hash};
use platen_sync::message::{
    EnrolAnswer, EnrolAsk, Enrolment, Hash, JobNotice, KeysAsk, LeaseNews, LockNotice, LoggedIn,
    LoginAnswer, LoginAsk, Pull, PullAnswer, Push, PushAnswer, Refusal, RefusalCode, Renew,
    Renewed, SentEntry, Signed, SiteKeys, VERSION, path,
};
use platen_sync::signed::SigningKey;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateSigningRequestDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use smol::{Executor, Timer};
use uuid::Uuid;

/// 2030-01-01
pub(super) const NOW_MS: u64 = 1_893_456_000_000;
const YEAR_MS: u64 = 365 * 24 * 3_600_000;
const PAGE: usize = 2;

pub(super) fn executor() -> Arc<Executor<'static>> {
    static EXECUTOR: OnceLock<Arc<Executor<'static>>> = OnceLock::new();
    let executor = EXECUTOR.get_or_init(|| {
        let executor = Arc::new(Executor::new());
        for _ in 0..2 {
            let runner = Arc::clone(&executor);
            std::thread::spawn(move || smol::block_on(runner.run(std::future::pending::<()>())));
        }
        executor
    });
    Arc::clone(executor)
}

/// What a test sees of the centre, and what it makes it do.
pub(super) struct Book {
    pub(super) site: SiteId,
    /// What the administrator typed.
    pub(super) typed: Option<Code>,
    /// Answers an enrolment without knowing the code, as somebody in the middle would.
    pub(super) forge: bool,
    pub(super) enrolled: Option<NodeId>,
    /// Refuses everything but enrolment so.
    pub(super) refuse: Option<RefusalCode>,
    /// Refuses everything but a renewal until there was one.
    pub(super) expired: bool,
    pub(super) renewed: u32,
    /// How long the certificates that it signs are good.
    pub(super) life_ms: u64,
    /// Takes this long over each answer.
    pub(super) delay: Duration,
    /// Breaks connections in the middle of so many answers.
    pub(super) cuts: u32,
    pub(super) clock_ms: u64,
    pub(super) keys: SiteKeys,
    pub(super) generation: u64,
    pub(super) records: Vec<Revised>,
    pub(super) tombstones: Vec<Tombstone>,
    /// Changes each page's bytes behind the signature.
    pub(super) tamper: bool,
    /// Given out instead of what the directory says, again and again.
    pub(super) replay: Option<Signed>,
    /// Every page given out.
    pub(super) pages: Vec<Signed>,
    pub(super) books: NodeBooks,
    pub(super) entries: Vec<SentEntry>,
    pub(super) jobs: BTreeMap<u32, JobNotice>,
    pub(super) fresh: LeaseNews,
    pub(super) leases_upto: u64,
    pub(super) pushes: u32,
    pub(super) forks: u32,
    pub(super) login: Result<LoggedIn, Denied>,
    pub(super) asked: Vec<LoginAsk>,
    pub(super) locks: Vec<LockNotice>,
}

impl Book {
    pub(super) fn latest(&self) -> u64 {
        let records = self.records.iter().map(|record| record.revision);
        let gone = self.tombstones.iter().map(|gone| gone.revision);
        records.chain(gone).max().unwrap_or(0)
    }

    pub(super) fn put(&mut self, record: Record) -> u64 {
        let revision = self.latest() + 1;
        self.records.push(Revised { revision, record });
        revision
    }

    pub(super) fn put_groups(&mut self, count: u128) {
        for n in 1..=count {
            self.put(super::group(n));
        }
    }

    fn page(&self, node: NodeId, pull: &Pull) -> platen_model::Changes {
        let same = pull.generation == self.generation;
        let from = if same { pull.after } else { 0 };
        let news = self.records.iter().filter(|record| record.revision > from);
        let records: Vec<_> = news.clone().take(PAGE).cloned().collect();
        let whole = news.count() <= PAGE;
        let to = match whole {
            true => self.latest().max(from),
            false => records.last().map_or(from, |last| last.revision),
        };
        let gone = self.tombstones.iter().filter(|gone| gone.revision > from);
        platen_model::Changes {
            site: self.site,
            node,
            generation: self.generation,
            keys: u32::try_from(self.keys.keys.len()).unwrap(),
            at_unix_ms: self.clock_ms,
            from,
            to,
            latest: self.latest().max(from),
            tombstones: gone.copied().collect(),
            records,
        }
    }
}

/// See the module.
pub(super) struct Scripted {
    pub(super) url: String,
    pub(super) book: Arc<Mutex<Book>>,
    address: std::net::SocketAddr,
    config: Arc<ServerConfig>,
    shared: Arc<Shared>,
    running: Mutex<Option<Running>>,
}

struct Shared {
    book: Arc<Mutex<Book>>,
    issuer: Issuer<'static, KeyPair>,
    authority: String,
    own: Hash,
    signing: SigningKey,
}

impl Scripted {
    pub(super) fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = date_time_ymd(2029, 1, 1);
        params.not_after = date_time_ymd(2031, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto_provider());
        let config = ServerConfig::builder_with_provider(crypto_provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.allow_unauthenticated().build().unwrap())
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        let book = Arc::new(Mutex::new(fresh_book()));
        let shared = Arc::new(Shared {
            book: Arc::clone(&book),
            issuer,
            authority: authority.pem(),
            own: certificate_hash(certificate.der()),
            signing: SigningKey::from_seed(&[7; 32]).unwrap(),
        });
        let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let scripted = Self {
            url: format!("https://{address}"),
            book,
            address,
            config: Arc::new(config),
            shared,
            running: Mutex::default(),
        };
        scripted.serve(listener);
        scripted
    }

    fn serve(&self, listener: Listener) {
        let shared = Arc::clone(&self.shared);
        let handler = move |request, peer| answer(Arc::clone(&shared), request, peer);
        let server = Server::new(handler, NetLimits::default()).with_tls(Arc::clone(&self.config));
        let running = server.start(&executor(), vec![listener]);
        *self.running.lock().unwrap() = Some(running);
    }

    /// Nobody listens any more, and all connections are cut.
    pub(super) fn stop(&self) {
        *self.running.lock().unwrap() = None;
    }

    pub(super) fn start_again(&self) {
        self.serve(Listener::tcp(self.address).unwrap());
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fresh_book() -> Book {
    Book {
        site: SiteId(Uuid::from_u128(0x51)),
        typed: None,
        forge: false,
        enrolled: None,
        refuse: None,
        expired: false,
        renewed: 0,
        life_ms: YEAR_MS,
        delay: Duration::ZERO,
        cuts: 0,
        clock_ms: NOW_MS,
        keys: SiteKeys {
            keys: vec![Hash([1; 32])],
        },
        generation: 1,
        records: Vec::new(),
        tombstones: Vec::new(),
        tamper: false,
        replay: None,
        pages: Vec::new(),
        books: NodeBooks::default(),
        entries: Vec::new(),
        jobs: BTreeMap::new(),
        fresh: LeaseNews::default(),
        leases_upto: 0,
        pushes: 0,
        forks: 0,
        login: Ok(LoggedIn {
            user: UserId(Uuid::from_u128(1)),
            credential: CredentialId(Uuid::from_u128(2)),
            pin_needed: false,
        }),
        asked: Vec::new(),
        locks: Vec::new(),
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    peer: PeerInfo,
) -> Response<ReplyBody> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let deflated = head.headers.contains_key("content-encoding");
    let (delay, cut) = {
        let mut book = shared.book();
        let cut = book.cuts > 0;
        book.cuts = book.cuts.saturating_sub(u32::from(cut));
        (book.delay, cut)
    };
    Timer::after(delay).await;
    let place = head.uri.path().to_owned();
    if place == path::PULL {
        shared
            .wait_for_news(&codec::unpack(&body, deflated).unwrap())
            .await;
    }
    let told = shared.tell(&place, &body, deflated, peer);
    match (told, cut) {
        (Ok(body), false) | (Err((_, body)), true) => ok(&body, false),
        (Ok(body), true) => ok(&body, true),
        (Err((status, body)), false) => reply(status, "application/cbor", body.bytes),
    }
}

fn ok(body: &codec::Body, cut: bool) -> Response<ReplyBody> {
    let bytes = match cut {
        // Whole for HTTP, half for CBOR or zlib.
        true => body.bytes[..body.bytes.len() / 2].to_vec(),
        false => body.bytes.clone(),
    };
    let mut response = reply(StatusCode::OK, "application/cbor", bytes);
    if body.deflated {
        let value = hyper::header::HeaderValue::from_static(codec::CONTENT_ENCODING);
        response.headers_mut().insert("content-encoding", value);
    }
    response
}

type Told = Result<codec::Body, (StatusCode, codec::Body)>;

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A short long poll: the tests' patience is shorter than a box's.
    async fn wait_for_news(&self, pull: &Pull) {
        for _ in 0..pull.wait_ms.min(1000) / 10 {
            if self.has_news(pull) {
                return;
            }
            Timer::after(Duration::from_millis(10)).await;
        }
    }

    fn has_news(&self, pull: &Pull) -> bool {
        let book = self.book();
        let leases = book.fresh.fresh.iter();
        book.latest() > pull.after
            || book.generation != pull.generation
            || book.refuse.is_some()
            || book.replay.is_some()
            || leases.clone().any(|lease| lease.serial > pull.leases_upto)
    }

    fn tell(&self, place: &str, body: &[u8], deflated: bool, peer: PeerInfo) -> Told {
        let mut book = self.book();
        if place == path::ENROL {
            let ask = codec::unpack(body, deflated).unwrap();
            return pack(&self.enrol(&mut book, &ask));
        }
        let refusal = match (book.enrolled, peer.certificate) {
            _ if book.refuse.is_some() => book.refuse,
            (Some(_), Some(_)) if book.expired && place != path::RENEW => {
                Some(RefusalCode::CertificateExpired)
            }
            (Some(_), Some(_)) => None,
            _ => Some(RefusalCode::NotEnrolled),
        };
        if let Some(code) = refusal {
            let message = "no".to_owned();
            let refusal = pack(&Refusal { code, message })?;
            return Err((StatusCode::FORBIDDEN, refusal));
        }
        let node = book.enrolled.unwrap();
        match place {
            path::PULL => {
                pack(&self.pull(&mut book, node, &codec::unpack(body, deflated).unwrap()))
            }
            path::PUSH => pack(&push(&mut book, codec::unpack(body, deflated).unwrap())),
            path::KEYS => {
                let _: KeysAsk = codec::unpack(body, deflated).unwrap();
                pack(&book.keys)
            }
            path::RENEW => {
                let renew: Renew = codec::unpack(body, deflated).unwrap();
                (book.expired, book.renewed) = (false, book.renewed + 1);
                pack(&self.certify(&book, &renew.csr))
            }
            path::LOGIN => {
                let ask: LoginAsk = codec::unpack(body, deflated).unwrap();
                let leases = news(&mut book, ask.leases_upto);
                book.asked.push(ask);
                pack(&LoginAnswer {
                    version: VERSION,
                    result: book.login,
                    leases,
                    latest: book.latest(),
                })
            }
            other => panic!("nobody asks {other}"),
        }
    }

    fn enrol(&self, book: &mut Book, ask: &EnrolAsk) -> EnrolAnswer {
        let waiting = EnrolAnswer::Waiting { again_ms: 1000 };
        let code = match (&book.typed, book.forge) {
            (_, true) => Code::from_random([3; 16]),
            (Some(code), false) => code.clone(),
            (None, false) => return waiting,
        };
        let known = CodeKey::derive(&code, ask.node, &ask.nonce).unwrap();
        if !known.is_box_proof(&ask.csr, &self.own, &ask.proof) && !book.forge {
            return waiting;
        }
        let enrolment = Enrolment {
            site: book.site,
            site_name: "the office".to_owned(),
            certificate: self.certify(book, &ask.csr),
            directory_key: self.signing.public(),
            keys: book.keys.clone(),
        };
        let enrolment = codec::encode(&enrolment).unwrap();
        book.enrolled = Some(ask.node);
        EnrolAnswer::Enrolled {
            proof: known.centre_proof(&enrolment),
            enrolment,
        }
    }

    fn certify(&self, book: &Book, csr: &[u8]) -> Renewed {
        let csr = CertificateSigningRequestDer::from(csr);
        let asked = CertificateSigningRequestParams::from_der(&csr).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&asked.public_key, &self.issuer).unwrap();
        Renewed {
            version: VERSION,
            certificate: certificate.der().to_vec(),
            authorities: self.authority.clone(),
            until_unix_ms: book.clock_ms + book.life_ms,
        }
    }

    fn pull(&self, book: &mut Book, node: NodeId, pull: &Pull) -> PullAnswer {
        let mut changes = match book.replay.clone() {
            Some(page) => page,
            None => self.signing.sign(&book.page(node, pull)).unwrap(),
        };
        book.pages.push(changes.clone());
        if book.tamper {
            let last = changes.payload.len() - 1;
            changes.payload[last] ^= 1;
        }
        book.leases_upto = pull.leases_upto;
        PullAnswer {
            version: VERSION,
            changes,
            leases: news(book, pull.leases_upto),
            hurry: false,
            locks: book.locks.clone(),
            offers: None,
        }
    }
}

fn push(book: &mut Book, push: Push) -> PushAnswer {
    book.pushes += 1;
    let mut books = std::mem::take(&mut book.books);
    let receipt = receive(&books, &push).unwrap();
    let (branch, verdict) = (receipt.branch, receipt.verdict.clone());
    book.forks += u32::from(receipt.fork.is_some());
    let kept: Vec<_> = receipt.to_keep.to_vec();
    for entry in &kept {
        let key = (entry.link.sequence, entry.link.hash.0);
        books.known.insert(key, branch.number);
    }
    if !kept.is_empty() {
        books.branches.retain(|known| known.number != branch.number);
        books.branches.push(branch);
        books.branches.sort_by_key(|known| known.number);
    }
    book.books = books;
    book.entries.extend(kept);
    for job in push.jobs {
        let known = book.jobs.get(&job.number.0).map_or(0, |known| known.turn);
        if job.turn > known {
            book.jobs.insert(job.number.0, job);
        }
    }
    book.leases_upto = push.leases_upto;
    PushAnswer {
        version: VERSION,
        at_unix_ms: book.clock_ms,
        verdict,
        leases: news(book, push.leases_upto),
        latest: book.latest(),
    }
}

fn news(book: &mut Book, upto: u64) -> LeaseNews {
    book.fresh.generation = book.generation;
    book.fresh.fresh.retain(|lease| lease.serial > upto);
    book.fresh.clone()
}

fn pack<M: codec::Message>(message: &M) -> Told {
    Ok(codec::pack(message).unwrap())
}
