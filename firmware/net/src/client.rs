// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A client of one HTTPS server: a few connections that stay open, each request within a limit of
//! time and size. Needs no executor, only smol's reactor: `smol::block_on(client.send(…))` will do.
//! Redirections are not followed, and nothing is decoded.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Method, Request, Response, Uri};
use rustix::net::sockopt;
use rustls::{CertificateError, Error as TlsError};
use smol::lock::Semaphore;
use smol::net::TcpStream;
use thiserror::Error;

use crate::body::within;
use crate::exchange::Exchange;
use crate::tls::{CertificateTime, ClientIdentity, Tls, TlsFault, TlsTrust, TrustError, shown};

/// Addresses of a name that are tried.
const ADDRESSES_MAX: usize = 4;
/// A connection that says nothing for this long is asked whether it is still there, …
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// … this often …
const KEEP_ALIVE_AGAIN: Duration = Duration::from_secs(3);
/// … and this many times before it counts as gone.
const KEEP_ALIVE_TRIES: u32 = 3;
const HTTPS_PORT: u16 = 443;

/// Settings of an [`HttpsClient`].
#[derive(Debug)]
pub struct HttpsOptions {
    /// Which server is believed.
    pub trust: TlsTrust,
    /// What the client shows when the server asks for a certificate.
    pub identity: Option<ClientIdentity>,
    /// The clock by which the server's certificate is judged; `None`: the system's, strictly.
    pub time: Option<CertificateTime>,
    /// Name look-up, connection and TLS handshake, together.
    pub connect: Duration,
    /// Connections at once; more requests than that wait for each other, within their limits.
    pub connections: usize,
    /// Bytes of an answer's body.
    pub answer_bytes_max: usize,
    /// Whether a request may reach the server twice although its method is not idempotent (RFC 9110
    /// §9.2.2): then a connection that has gone stale while it was idle is no error.
    pub may_repeat: bool,
}

impl Default for HttpsOptions {
    fn default() -> Self {
        Self {
            trust: TlsTrust::Nobody,
            identity: None,
            time: None,
            connect: Duration::from_secs(4),
            connections: 4,
            answer_bytes_max: 16 << 20,
            may_repeat: false,
        }
    }
}

/// A client of one server. Share it; dropping it closes its connections.
pub struct HttpsClient {
    place: Place,
    tls: Tls,
    options: Limits,
    turns: Semaphore,
    idle: Mutex<Vec<Exchange<Full<Bytes>>>>,
}

/// Where the server is.
struct Place {
    /// For connecting and for the certificate: without brackets.
    host: String,
    port: u16,
    /// `Host`
    authority: HeaderValue,
    /// Path before every target, without a slash at its end.
    base: String,
}

/// What is left of [`HttpsOptions`] once there is a client.
struct Limits {
    connect: Duration,
    answer_bytes_max: usize,
    may_repeat: bool,
}

/// Why a server gave no answer. Each sentence says where to look.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpsError {
    /// Not `https://host[:port][/path]`.
    #[error("'{0}' is no address of the form https://host:port")]
    Url(String),
    /// No TLS can be had with these certificates.
    #[error("TLS can't be set up")]
    Trust(#[from] TrustError),
    /// No connection.
    #[error("can't connect to {host} port {port}: is it running, and is the network there?")]
    Unreachable {
        /// Host of the URL.
        host: String,
        /// Port of the URL.
        port: u16,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// No whole answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    TooSlow(Duration),
    /// Nobody is trusted.
    #[error("the server's certificate is not known yet: {}", shown(.fingerprint))]
    NotPinned {
        /// SHA-256 of the certificate that was shown.
        fingerprint: [u8; 32],
    },
    /// Another certificate than the pinned one.
    #[error(
        "the server shows another certificate than expected: {}; is it still the same server, and is \
         nobody between?",
        shown(.fingerprint)
    )]
    OtherCertificate {
        /// SHA-256 of the certificate that was shown.
        fingerprint: [u8; 32],
    },
    /// The certificate's time is over, or has not come.
    #[error("the server's certificate is not valid now: look at its dates and at this clock")]
    OutOfTime(#[source] TlsError),
    /// The certificate is for another name.
    #[error("the server's certificate does not name {host}: make one that does, or use its name")]
    OtherName {
        /// Host of the URL.
        host: String,
    },
    /// The certificate is from no authority that is trusted here.
    #[error("the server's certificate is from no authority that is trusted: is somebody between?")]
    Stranger(#[source] TlsError),
    /// Anything else of TLS, also what the server has against the client's certificate.
    #[error("TLS connection failed")]
    Tls(#[source] io::Error),
    /// The HTTP talk on the connection.
    #[error("connection broke")]
    Broken(#[from] hyper::Error),
    /// The answer is longer than is taken.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The connection ended inside the answer.
    #[error("the answer is cut short")]
    Cut(#[source] hyper::Error),
    /// A target that is no path.
    #[error("request can't be written")]
    Request(#[from] hyper::http::Error),
}

impl HttpsClient {
    /// A client of the server at `url`, `https://host[:port][/path]`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`HttpsError::Url`], [`HttpsError::Trust`].
    pub fn new(url: &str, options: HttpsOptions) -> Result<Self, HttpsError> {
        let place = Place::parse(url).ok_or_else(|| HttpsError::Url(url.to_owned()))?;
        let tls = Tls::new(&options.trust, options.identity, options.time.as_ref())?;
        Ok(Self {
            place,
            tls,
            turns: Semaphore::new(options.connections.max(1)),
            idle: Mutex::default(),
            options: Limits {
                connect: options.connect,
                answer_bytes_max: options.answer_bytes_max,
                may_repeat: options.may_repeat,
            },
        })
    }

    /// `POST target` with a body of the media type `kind`; the whole answer within `limit`.
    ///
    /// # Errors
    /// As [`HttpsClient::send`].
    pub async fn post(
        &self,
        target: &str,
        kind: &str,
        body: impl Into<Bytes>,
        limit: Duration,
    ) -> Result<Response<Bytes>, HttpsError> {
        let request = Request::post(target).header(CONTENT_TYPE, kind);
        self.send(request.body(body.into())?, limit).await
    }

    /// Sends `request`, whose URI is a path (and query) below the client's URL, and takes the whole
    /// answer within `limit`, whatever its status. `Host` is set here.
    ///
    /// # Errors
    /// [`HttpsError`]; unless it is [`HttpsError::Unreachable`] or about the server's certificate,
    /// the server may have acted on the request.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        limit: Duration,
    ) -> Result<Response<Bytes>, HttpsError> {
        let work = async {
            let _turn = self.turns.acquire().await;
            self.send_now(request).await
        };
        let sent = within(limit, work).await;
        sent.unwrap_or(Err(HttpsError::TooSlow(limit)))
    }

    async fn send_now(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpsError> {
        let request = self.place.address(request)?;
        let repeatable = self.options.may_repeat || is_idempotent(request.method());
        if let Some(exchange) = self.take_idle().await {
            match self.ask(exchange, request.clone()).await {
                Err(HttpsError::Broken(_)) if repeatable => {}
                answer => return answer,
            }
        }
        let exchange = within(self.options.connect, self.connect()).await;
        let exchange = exchange.unwrap_or(Err(HttpsError::TooSlow(self.options.connect)))?;
        self.ask(exchange, request).await
    }

    /// SHA-256 of the certificate that the server at `url` shows, whoever has signed it. Nothing is
    /// sent but the greeting, and the answer proves nothing until something else does.
    ///
    /// # Errors
    /// As [`HttpsClient::new`] and [`HttpsClient::send`].
    pub async fn shown_certificate(url: &str, limit: Duration) -> Result<[u8; 32], HttpsError> {
        let client = Self::new(url, HttpsOptions::default())?;
        let asked = within(limit, client.connect()).await;
        match asked.unwrap_or(Err(HttpsError::TooSlow(limit))) {
            Err(HttpsError::NotPinned { fingerprint }) => Ok(fingerprint),
            Err(error) => Err(error),
            Ok(_) => unreachable!("nobody is trusted, so there is no connection"),
        }
    }

    /// Lets go of connections that have nothing to do, such as after the link was down.
    pub fn close_idle(&self) {
        self.lock().clear();
    }

    async fn ask(
        &self,
        mut exchange: Exchange<Full<Bytes>>,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, HttpsError> {
        let limit = self.options.answer_bytes_max;
        let Exchange { sender, drive } = &mut exchange;
        let answer = drive.beside(async {
            sender.ready().await?;
            let answer = sender.send_request(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, limit).collect().await;
            let body = body.map_err(|error| cause(error, limit))?.to_bytes();
            Ok::<_, HttpsError>(Response::from_parts(head, body))
        });
        let answer = answer.await?;
        // Whoever had a turn had a connection, so there are never more of them than turns.
        self.lock().push(exchange);
        Ok(answer)
    }

    /// The connection used last that is still open.
    async fn take_idle(&self) -> Option<Exchange<Full<Bytes>>> {
        loop {
            let mut exchange = self.lock().pop()?;
            if !exchange.is_closed().await {
                return Some(exchange);
            }
        }
    }

    async fn connect(&self) -> Result<Exchange<Full<Bytes>>, HttpsError> {
        let Place { host, port, .. } = &self.place;
        let dialed = dial(host, *port, self.options.connect).await;
        let stream = dialed.map_err(|source| HttpsError::Unreachable {
            host: host.clone(),
            port: *port,
            source,
        })?;
        let stream = self.tls.wrap(host, stream).await;
        let stream = stream.map_err(|fault| self.place.fault(fault))?;
        Ok(Exchange::open(Box::new(stream)).await?)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Exchange<Full<Bytes>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority: &Authority = uri.authority()?;
        let plain = uri.scheme() == Some(&Scheme::HTTPS)
            && uri.query().is_none()
            && !authority.as_str().contains('@');
        if !plain || authority.host().is_empty() {
            return None;
        }
        let host = authority.host();
        let host = host
            .strip_prefix('[')
            .map_or(host, |rest| rest.strip_suffix(']').unwrap_or(rest));
        Some(Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(HTTPS_PORT),
            authority: HeaderValue::from_str(authority.as_str()).ok()?,
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    fn address(&self, mut request: Request<Bytes>) -> Result<Request<Bytes>, HttpsError> {
        let target = request
            .uri()
            .path_and_query()
            .map_or("/", PathAndQuery::as_str);
        let uri = format!("{}{target}", self.base);
        *request.uri_mut() = uri.parse().map_err(hyper::http::Error::from)?;
        request.headers_mut().insert(HOST, self.authority.clone());
        Ok(request)
    }

    fn fault(&self, fault: TlsFault) -> HttpsError {
        let error = match fault {
            TlsFault::HostName => return HttpsError::Url(self.host.clone()),
            TlsFault::NotPinned { fingerprint } => return HttpsError::NotPinned { fingerprint },
            TlsFault::OtherCertificate { fingerprint } => {
                return HttpsError::OtherCertificate { fingerprint };
            }
            TlsFault::Handshake(error) => error,
        };
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        let Some(TlsError::InvalidCertificate(reason)) = inner else {
            return HttpsError::Tls(error);
        };
        let told = TlsError::InvalidCertificate(reason.clone());
        match reason {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => HttpsError::OutOfTime(told),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                HttpsError::OtherName {
                    host: self.host.clone(),
                }
            }
            _ => HttpsError::Stranger(told),
        }
    }
}

/// Tries the host's addresses in order; none of them may use up the time of the others.
async fn dial(host: &str, port: u16, limit: Duration) -> io::Result<TcpStream> {
    let addresses = smol::net::resolve((host, port)).await?;
    let addresses: Vec<SocketAddr> = addresses.into_iter().take(ADDRESSES_MAX).collect();
    let count = u32::try_from(addresses.len()).unwrap_or(1).max(1);
    let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in addresses {
        match within(limit / count, TcpStream::connect(address)).await {
            Some(Ok(stream)) => {
                settle(&stream)?;
                return Ok(stream);
            }
            Some(Err(error)) => last = error,
            None => last = ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

/// Small requests go at once, and a peer that has vanished is missed while it is waited for.
fn settle(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEP_ALIVE)?;
    sockopt::set_tcp_keepintvl(stream, KEEP_ALIVE_AGAIN)?;
    sockopt::set_tcp_keepcnt(stream, KEEP_ALIVE_TRIES)?;
    Ok(())
}

fn cause(error: Box<dyn std::error::Error + Send + Sync>, limit: usize) -> HttpsError {
    match error.downcast::<hyper::Error>() {
        Ok(error) => HttpsError::Cut(*error),
        // `Limited` has no other error of its own.
        Err(_) => HttpsError::TooLarge { limit },
    }
}

/// RFC 9110 §9.2.2.
fn is_idempotent(method: &Method) -> bool {
    [
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
    ]
    .contains(method)
}
