// SPDX-License-Identifier: Apache-2.0 OR MIT
//! For tests: a central server with both doors open on loopback, and clients of it as real as any:
//! TLS, certificates, CBOR and JSON.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, Request, Response};
use platen_model::{NodeId, Stamp};
use platen_net::{ClientIdentity, HttpsClient, HttpsError, HttpsOptions, TlsTrust};
use platen_sync::codec::{self, Message};
use platen_sync::message::{MEDIA_TYPE, Pull, Push, Refusal, VERSION};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::Value;
use smol::Executor;
use uuid::Uuid;

use crate::central::Central;
use crate::config::Config;
use crate::start::{self, Doors};
use crate::sync;

/// Longest wait for an answer.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A server at work.
pub(crate) struct TestSite {
    pub(crate) central: Arc<Central>,
    pub(crate) token: String,
    urls: [String; 2],
    doors: Option<Doors>,
    _ending: smol::channel::Sender<()>,
    _folder: Option<tempfile::TempDir>,
}

impl TestSite {
    /// A server with SQLite in a folder of its own.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut site = Self::in_folder(folder.path(), "");
        site._folder = Some(folder);
        site
    }

    /// A server with its data in `folder` and further lines of configuration.
    pub(crate) fn in_folder(folder: &Path, further: &str) -> Self {
        let file = folder.join("central.toml");
        let data = folder.join("data");
        std::fs::create_dir_all(&data).unwrap();
        let text = format!(
            "{further}\ndata = {:?}\nsite = \"Office\"\n[api]\nlisten = [\"127.0.0.1:0\"]\n\
             [sync]\nlisten = [\"127.0.0.1:0\"]\n",
            data.display().to_string()
        );
        std::fs::write(&file, text).unwrap();
        let config = Config::read(&file).unwrap();
        let executor: Arc<Executor<'static>> = Arc::default();
        let (end, ending) = smol::channel::bounded::<()>(1);
        for _ in 0..2 {
            let (executor, ending) = (Arc::clone(&executor), ending.clone());
            std::thread::spawn(move || {
                let _ = smol::block_on(executor.run(ending.recv()));
            });
        }
        let central = Arc::new(smol::block_on(start::open(&config)).unwrap());
        let doors = Doors::open(&config, &central, &executor).unwrap();
        executor.spawn(sync::watch(Arc::clone(&central))).detach();
        let token = std::fs::read_to_string(data.join("admin.token")).unwrap_or_default();
        let urls = doors
            .addresses
            .map(|address| format!("https://{}", address.unwrap()));
        Self {
            central,
            token: token.trim().to_owned(),
            urls,
            doors: Some(doors),
            _ending: end,
            _folder: None,
        }
    }

    fn client(&self, url: &str, identity: Option<ClientIdentity>) -> HttpsClient {
        let options = HttpsOptions {
            trust: TlsTrust::from_pem(self.central.authority.authorities()).unwrap(),
            identity,
            ..HttpsOptions::default()
        };
        HttpsClient::new(url, options).unwrap()
    }

    /// Where boxes are listened to.
    pub(crate) fn boxes(&self) -> std::net::SocketAddr {
        self.urls[1].trim_start_matches("https://").parse().unwrap()
    }

    /// A client of the API.
    pub(crate) fn api(&self) -> HttpsClient {
        self.client(&self.urls[0], None)
    }

    /// A client of the boxes' door without a certificate.
    pub(crate) fn stranger(&self) -> HttpsClient {
        self.client(&self.urls[1], None)
    }

    /// Asks the API with this site's token; the status and the answer.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.ask_with(&self.token, method, path, "application/json", body)
    }

    /// Asks the API with any token and body.
    pub(crate) fn ask_with(
        &self,
        token: &str,
        method: &str,
        path: &str,
        kind: &str,
        body: impl Into<Bytes>,
    ) -> (u16, Value) {
        self.try_ask(token, method, path, kind, body).unwrap()
    }

    /// The same, where the connection itself may fail.
    pub(crate) fn try_ask(
        &self,
        token: &str,
        method: &str,
        path: &str,
        kind: &str,
        body: impl Into<Bytes>,
    ) -> Result<(u16, Value), HttpsError> {
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", kind)
            .body(body.into())
            .unwrap();
        let answer = smol::block_on(self.api().send(request, LIMIT))?;
        let status = answer.status().as_u16();
        let value = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
        Ok((status, value))
    }

    /// The same, which must be served.
    pub(crate) fn served(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        answer
    }

    /// A box that is a member of the site, as if it had been enrolled.
    pub(crate) fn member(&self, number: u128) -> TestBox {
        let node = NodeId(Uuid::from_u128(number));
        let (csr, key) = request();
        smol::block_on(async {
            let now = self.central.clock.now().unix_ms;
            let issued = self
                .central
                .authority
                .issue_for_box(node, &csr, now)
                .unwrap();
            let new = platen_central::app::NewNode {
                node,
                name: format!("box {number}"),
                nonce: Default::default(),
                fingerprint: issued.fingerprint,
                until_unix_ms: issued.until_unix_ms,
                enrolment: Vec::new(),
                proof: Default::default(),
            };
            let centre = &self.central.centre;
            let ask = platen_sync::message::EnrolAsk {
                version: VERSION,
                node,
                name: new.name.clone(),
                csr,
                nonce: new.nonce,
                proof: new.proof,
            };
            centre.enrol_ask(&ask).await.unwrap();
            let actor = platen_central::app::Actor::Program;
            centre.accept_enrolment(&actor, new).await.unwrap();
            TestBox::new(self, node, issued.der, key)
        })
    }
}

impl Drop for TestSite {
    fn drop(&mut self) {
        self.central.stop_waiting();
        if let Some(doors) = self.doors.take() {
            smol::block_on(doors.close());
        }
        smol::block_on(self.central.centre.close());
    }
}

/// A request for a certificate and the key behind it.
pub(crate) fn request() -> (Vec<u8>, Vec<u8>) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let params = CertificateParams::new(Vec::new()).unwrap();
    let csr = params.serialize_request(&key).unwrap();
    (csr.der().to_vec(), key.serialize_der())
}

/// A box with a certificate.
pub(crate) struct TestBox {
    pub(crate) node: NodeId,
    pub(crate) certificate: Vec<u8>,
    client: HttpsClient,
}

impl TestBox {
    pub(crate) fn new(site: &TestSite, node: NodeId, certificate: Vec<u8>, key: Vec<u8>) -> Self {
        let identity = ClientIdentity::from_der(certificate.clone(), key);
        let client = site.client(&site.urls[1], Some(identity));
        Self {
            node,
            certificate,
            client,
        }
    }

    /// Sends a message and reads the answer, or why there was none.
    pub(crate) fn say<M: Message, A: Message>(
        &self,
        path: &str,
        message: &M,
    ) -> Result<A, (u16, Refusal)> {
        self.try_say(path, message).unwrap()
    }

    /// The same, where the connection itself may fail.
    pub(crate) fn try_say<M: Message, A: Message>(
        &self,
        path: &str,
        message: &M,
    ) -> Result<Result<A, (u16, Refusal)>, HttpsError> {
        smol::block_on(say(&self.client, path, message))
    }

    /// Sends any request.
    pub(crate) fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        smol::block_on(self.client.send(request, LIMIT)).unwrap()
    }
}

/// Sends a message over any connection.
pub(crate) async fn say<M: Message, A: Message>(
    client: &HttpsClient,
    path: &str,
    message: &M,
) -> Result<Result<A, (u16, Refusal)>, HttpsError> {
    let body = codec::pack(message).unwrap();
    let mut request = Request::post(path).header("content-type", MEDIA_TYPE);
    if body.deflated {
        request = request.header("content-encoding", codec::CONTENT_ENCODING);
    }
    let request = request.body(Bytes::from(body.bytes)).unwrap();
    let answer = client.send(request, LIMIT).await?;
    Ok(read(&answer))
}

/// An answer of the boxes' door.
pub(crate) fn read<A: Message>(answer: &Response<Bytes>) -> Result<A, (u16, Refusal)> {
    let deflated = answer.headers().contains_key("content-encoding");
    let status = answer.status().as_u16();
    if status == 200 {
        return Ok(codec::unpack(answer.body(), deflated).unwrap());
    }
    Err((status, codec::unpack(answer.body(), deflated).unwrap()))
}

/// A question for everything from the beginning.
pub(crate) fn pull() -> Pull {
    Pull {
        version: VERSION,
        at: Stamp {
            unix_ms: 1_795_000_000_000,
            elapsed_ms: 1000,
            trusted: true,
        },
        generation: 0,
        after: 0,
        wait_ms: 0,
        leases_upto: 0,
        offers: 0,
    }
}

/// A push of nothing.
pub(crate) fn push() -> Push {
    Push {
        version: VERSION,
        at: pull().at,
        after: Default::default(),
        entries: Vec::new(),
        head: 0,
        jobs: Vec::new(),
        wants: Vec::new(),
        leases_upto: 0,
        generation: 0,
        running: None,
    }
}
