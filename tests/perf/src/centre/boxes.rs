// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boxes that are nothing but their key, their certificate and their questions: enrolled by code like
//! any other, many connections each.

use std::error::Error;
use std::time::Duration;

use hyper::StatusCode;
use platen_model::{CardKey, Method, NodeId};
use platen_net::{ClientIdentity, HttpsClient, HttpsError, HttpsOptions, TlsTrust};
use platen_sync::codec::{self, Message};
use platen_sync::enrol::{Code, CodeKey};
use platen_sync::message::{
    EnrolAnswer, EnrolAsk, Enrolment, Hash, LoginAsk, MEDIA_TYPE, SiteKeys, VERSION, Who, path,
};
use ring::rand::{SecureRandom, SystemRandom};

/// Longest wait for one answer.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(60);

type Failure = Box<dyn Error>;

/// A box of the site.
pub(super) struct ThinBox {
    pub(super) node: NodeId,
    pub(super) enrolment: Enrolment,
    client: HttpsClient,
}

impl ThinBox {
    /// Makes `node` part of the site at `url`, where `typed` stands for the administrator who types
    /// the code. Up to `connections` are kept open.
    pub(super) async fn enrol(
        url: &str,
        node: NodeId,
        connections: usize,
        typed: impl Fn(&str) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let key = rcgen::KeyPair::generate()?;
        let csr = rcgen::CertificateParams::default().serialize_request(&key)?;
        let (code, nonce) = (Code::from_random(random()?), Hash(random()?));
        let shown = HttpsClient::shown_certificate(url, ANSWER_LIMIT).await?;
        let code_key = CodeKey::derive(&code, node, &nonce)?;
        let csr = csr.der().to_vec();
        let ask = EnrolAsk {
            version: VERSION,
            node,
            name: "bench".to_owned(),
            proof: code_key.box_proof(&csr, &Hash(shown)),
            csr,
            nonce,
        };
        let stranger = options(TlsTrust::Pin(shown), None, 1);
        let stranger = HttpsClient::new(url, stranger)?;
        ask_of::<_, EnrolAnswer>(&stranger, path::ENROL, &ask).await?;
        typed(&code.to_string())?;
        let answer = ask_of(&stranger, path::ENROL, &ask).await?;
        let EnrolAnswer::Enrolled { enrolment, proof } = answer else {
            return Err("the code was typed and the box is not enrolled".into());
        };
        if !code_key.is_centre_proof(&enrolment, &proof) {
            return Err("the centre's proof is wrong".into());
        }
        let enrolment: Enrolment = codec::decode(&enrolment)?;
        let certificate = enrolment.certificate.certificate.clone();
        let identity = ClientIdentity::from_der(certificate, key.serialize_der());
        let trust = TlsTrust::from_pem(&enrolment.certificate.authorities)?;
        let client = HttpsClient::new(url, options(trust, Some(identity), connections))?;
        Ok(Self {
            node,
            enrolment,
            client,
        })
    }

    /// Asks for `question` at `target`.
    pub(super) async fn ask<Q: Message, A: Message>(
        &self,
        target: &str,
        question: &Q,
    ) -> Result<A, Failure> {
        ask_of(&self.client, target, question).await
    }

    /// The keyed hash of a card of the site.
    pub(super) fn card(&self, number: &[u8]) -> Option<CardKey> {
        let SiteKeys { keys } = &self.enrolment.keys;
        let count = u32::try_from(keys.len()).ok()?;
        platen_sync::card::card_key(&self.enrolment.keys, count, number)
    }
}

/// A login by card.
pub(super) fn card_login(key: CardKey) -> LoginAsk {
    LoginAsk {
        version: VERSION,
        method: Method::Card,
        who: Who::Card { key, proved: false },
        secret: None,
        leases_upto: 0,
    }
}

/// A login by name and password.
pub(super) fn password_login(login: String, password: &str) -> LoginAsk {
    LoginAsk {
        version: VERSION,
        method: Method::Password,
        who: Who::Login(login),
        secret: Some(password.to_owned()),
        leases_upto: 0,
    }
}

fn options(trust: TlsTrust, identity: Option<ClientIdentity>, connections: usize) -> HttpsOptions {
    HttpsOptions {
        trust,
        identity,
        connections,
        connect: ANSWER_LIMIT,
        may_repeat: true,
        ..HttpsOptions::default()
    }
}

async fn ask_of<Q: Message, A: Message>(
    client: &HttpsClient,
    target: &str,
    question: &Q,
) -> Result<A, Failure> {
    let body = codec::pack(question)?;
    let mut request = hyper::Request::post(target).header("content-type", MEDIA_TYPE);
    if body.deflated {
        request = request.header("content-encoding", codec::CONTENT_ENCODING);
    }
    let answer: Result<_, HttpsError> = client
        .send(request.body(body.bytes.into())?, ANSWER_LIMIT)
        .await;
    let answer = answer?;
    let deflated = answer.headers().contains_key("content-encoding");
    if answer.status() != StatusCode::OK {
        return Err(format!("{target} was answered by {}", answer.status()).into());
    }
    Ok(codec::unpack(answer.body(), deflated)?)
}

/// A box that nobody has met.
pub(super) fn new_node() -> Result<NodeId, Failure> {
    Ok(NodeId(
        uuid::Builder::from_random_bytes(random()?).into_uuid(),
    ))
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| "no random bytes")?;
    Ok(bytes)
}
