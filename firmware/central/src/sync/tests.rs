// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The boxes' door over real TLS: who gets in, who does not, how a pull waits, how a box becomes a
//! member.

mod releases;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use platen_model::{Changes, NodeId, Record};
use platen_net::HttpsClient;
use platen_sync::codec;
use platen_sync::enrol::{Code, CodeKey};
use platen_sync::message::{
    EnrolAnswer, EnrolAsk, Enrolment, Hash, KeysAsk, MEDIA_TYPE, PullAnswer, PushAnswer, Refusal,
    RefusalCode, Renew, Renewed, SiteKeys, VERSION, Verdict, path,
};
use platen_sync::signed;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SignatureScheme};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::test_site::{TestBox, TestSite, pull, push, request, say};

fn code_of<A: std::fmt::Debug>(answer: Result<A, (u16, Refusal)>) -> (u16, RefusalCode) {
    let (status, refusal) = answer.expect_err("a refusal");
    (status, refusal.code)
}

fn page(site: &TestSite, node: NodeId, answer: &PullAnswer) -> Changes {
    let facts = smol::block_on(site.central.centre.site()).unwrap();
    let key = site.central.centre.directory_key();
    signed::verify(&answer.changes, &key, facts.id, node).unwrap()
}

#[test]
fn a_member_pushes_pulls_and_gets_the_sites_keys() {
    let site = TestSite::sqlite();
    site.served("POST", "/v1/users", json!({ "login": "ann" }));
    let own = site.member(1);
    let answer: PushAnswer = own.say(path::PUSH, &push()).unwrap();
    assert!(matches!(answer.verdict, Verdict::Kept(link) if link.sequence == 0));
    let answer: PullAnswer = own.say(path::PULL, &pull()).unwrap();
    let page = page(&site, own.node, &answer);
    assert!(
        page.records
            .iter()
            .any(|revised| matches!(&revised.record, Record::User(user) if user.login == "ann"))
    );
    let keys: SiteKeys = own.say(path::KEYS, &KeysAsk { version: VERSION }).unwrap();
    assert_eq!(keys.keys.len(), 1);
}

#[test]
fn without_a_certificate_of_a_member_nothing_is_served() {
    let site = TestSite::sqlite();
    let refused = |client: &HttpsClient| {
        let answer = smol::block_on(say::<_, PushAnswer>(client, path::PUSH, &push()));
        code_of(answer.unwrap())
    };
    assert_eq!(refused(&site.stranger()), (403, RefusalCode::NotEnrolled));
    // A certificate that the authority itself has signed, and that nobody has taken down.
    let node = NodeId(Uuid::from_u128(9));
    let (csr, key) = request();
    let now = site.central.clock.now().unix_ms;
    let issued = site
        .central
        .authority
        .issue_for_box(node, &csr, now)
        .unwrap();
    let unknown = TestBox::new(&site, node, issued.der, key);
    let answer = unknown.say::<_, PushAnswer>(path::PUSH, &push());
    assert_eq!(code_of(answer), (403, RefusalCode::NotEnrolled));
    let member = site.member(1);
    assert!(!is_let_in_without_the_key(&site, &member));
}

/// Shows a member's certificate and signs the handshake with another key; whether an answer comes.
fn is_let_in_without_the_key(site: &TestSite, member: &TestBox) -> bool {
    #[derive(Debug)]
    struct Thief(Arc<CertifiedKey>);

    impl ResolvesClientCert for Thief {
        fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }

        fn has_certs(&self) -> bool {
            true
        }
    }

    let provider = platen_net::crypto_provider();
    let key = PrivateKeyDer::try_from(request().1).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let shown = CertifiedKey::new(vec![member.certificate.clone().into()], key);
    let mut roots = RootCertStore::empty();
    let authority = site.central.authority.chain().first().unwrap().clone();
    roots.add(authority).unwrap();
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver(Arc::new(Thief(Arc::new(shown))));
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(site.boxes()).unwrap();
    let mut stream = rustls::Stream::new(&mut connection, &mut socket);
    let asked = stream.write_all(b"POST /sync/v1/keys HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut answer = [0; 16];
    asked.is_ok() && matches!(stream.read(&mut answer), Ok(read) if read > 0)
}

#[test]
fn a_box_that_was_taken_out_is_refused_at_its_next_request() {
    let site = TestSite::sqlite();
    let own = site.member(1);
    let _: PushAnswer = own.say(path::PUSH, &push()).unwrap();
    site.served("POST", "/v1/nodes/box%201/revoke", Value::Null);
    for answer in [
        code_of(own.say::<_, PushAnswer>(path::PUSH, &push())),
        code_of(own.say::<_, PullAnswer>(path::PULL, &pull())),
        code_of(own.say::<_, SiteKeys>(path::KEYS, &KeysAsk { version: VERSION })),
        code_of(own.say::<_, Renewed>(path::RENEW, &renewal().0)),
    ] {
        assert_eq!(answer, (403, RefusalCode::Revoked));
    }
}

fn renewal() -> (Renew, Vec<u8>) {
    let (csr, key) = request();
    let version = VERSION;
    (Renew { version, csr }, key)
}

#[test]
fn a_certificate_that_has_run_out_gets_a_new_one_and_nothing_else() {
    let site = TestSite::sqlite();
    let member = site.member(1);
    let node = member.node;
    // Another certificate of the same box, whose time is over.
    let (csr, key) = request();
    let old = site.central.authority.issue_for_box(node, &csr, 0).unwrap();
    let centre = &site.central.centre;
    smol::block_on(centre.add_certificate(node, &old.fingerprint, old.until_unix_ms)).unwrap();
    let late = TestBox::new(&site, node, old.der, key);
    for answer in [
        code_of(late.say::<_, PushAnswer>(path::PUSH, &push())),
        code_of(late.say::<_, PullAnswer>(path::PULL, &pull())),
    ] {
        assert_eq!(answer, (403, RefusalCode::CertificateExpired));
    }
    let (ask, key) = renewal();
    let renewed: Renewed = late.say(path::RENEW, &ask).unwrap();
    assert!(renewed.until_unix_ms > site.central.clock.now().unix_ms);
    assert!(renewed.authorities.contains("BEGIN CERTIFICATE"));
    let again = TestBox::new(&site, node, renewed.certificate, key);
    let _: PushAnswer = again.say(path::PUSH, &push()).unwrap();
    let garbage = Renew {
        version: VERSION,
        csr: vec![0x30; 100],
    };
    let answer = again.say::<_, Renewed>(path::RENEW, &garbage);
    assert_eq!(code_of(answer), (400, RefusalCode::BadMessage));
}

#[test]
fn damaged_foreign_and_oversized_bodies_are_refused() {
    let site = TestSite::sqlite();
    let own = site.member(1);
    let send = |body: Vec<u8>, encoding: Option<&str>| {
        let mut request = Request::post(path::PUSH).header("content-type", MEDIA_TYPE);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        let request = request.body(Bytes::from(body)).unwrap();
        own.send(request).status().as_u16()
    };
    let whole = codec::encode(&push()).unwrap();
    assert_eq!(send(whole.clone(), None), 200);
    assert_eq!(send(whole.clone(), Some("gzip")), 415);
    assert_eq!(send(whole.clone(), Some("deflate")), 400);
    for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
        assert_eq!(send(whole[..cut].to_vec(), None), 400, "{cut}");
    }
    assert_eq!(send(vec![0xff; 100], None), 400);
    assert_eq!(send(vec![0; (4 << 20) + 1], None), 413);
    // 40 MiB of zeros that come as some kilobytes.
    let bomb = codec::deflate(&vec![0; 40 << 20]).unwrap();
    assert_eq!(send(bomb, Some("deflate")), 413);
    let mut later = push();
    later.version = VERSION + 2;
    let answer = own.say::<_, PushAnswer>(path::PUSH, &later);
    assert_eq!(code_of(answer), (400, RefusalCode::Version));
    assert_eq!(
        own.send(Request::get(path::PUSH).body(Bytes::new()).unwrap())
            .status(),
        404
    );
}

#[test]
fn a_waiting_pull_hears_of_a_change_at_once_and_ends_with_its_time() {
    let site = TestSite::sqlite();
    let own = site.member(1);
    let answer: PullAnswer = own.say(path::PULL, &pull()).unwrap();
    let first = page(&site, own.node, &answer);
    let mut waiting = pull();
    (waiting.generation, waiting.after) = (first.generation, first.to);
    waiting.wait_ms = 300;
    let answer: PullAnswer = own.say(path::PULL, &waiting).unwrap();
    assert_eq!(page(&site, own.node, &answer).records, []);
    waiting.wait_ms = 55_000;
    let clock = site.central.clock.clone();
    let begun = clock.now().elapsed;
    let answer = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| own.say::<_, PullAnswer>(path::PULL, &waiting));
        // The change may come before or after the pull: it is heard of in both cases.
        site.served("POST", "/v1/users", json!({ "login": "eve" }));
        waiter.join().unwrap().unwrap()
    });
    assert!(clock.now().elapsed - begun < Duration::from_secs(20));
    assert_eq!(page(&site, own.node, &answer).records.len(), 1);
}

#[test]
fn a_waiting_pull_ends_when_the_server_stops() {
    let site = TestSite::sqlite();
    let own = site.member(1);
    let answer: PullAnswer = own.say(path::PULL, &pull()).unwrap();
    let first = page(&site, own.node, &answer);
    let mut waiting = pull();
    (waiting.generation, waiting.after) = (first.generation, first.to);
    waiting.wait_ms = 55_000;
    let clock = site.central.clock.clone();
    let begun = clock.now().elapsed;
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| own.say::<_, PullAnswer>(path::PULL, &waiting));
        site.central.stop_waiting();
        waiter.join().unwrap().unwrap();
    });
    assert!(clock.now().elapsed - begun < Duration::from_secs(20));
}

struct Asking {
    code: Code,
    key: Vec<u8>,
    ask: EnrolAsk,
}

fn asking(site: &TestSite, number: u8, seen: Option<Hash>) -> Asking {
    let code = Code::from_random([number; 16]);
    let node = NodeId(Uuid::from_u128(u128::from(number)));
    let nonce = Hash([number; 32]);
    let (csr, key) = request();
    let seen = seen.unwrap_or(Hash(site.central.certificate.fingerprint()));
    let derived = CodeKey::derive(&code, node, &nonce).unwrap();
    let ask = EnrolAsk {
        version: VERSION,
        node,
        name: format!("asking {number}"),
        proof: derived.box_proof(&csr, &seen),
        csr,
        nonce,
    };
    Asking { code, key, ask }
}

fn enrol(site: &TestSite, ask: &EnrolAsk) -> EnrolAnswer {
    let stranger = site.stranger();
    let asked = say(&stranger, path::ENROL, ask);
    smol::block_on(asked).unwrap().unwrap()
}

#[test]
fn a_box_whose_code_is_typed_becomes_a_member() {
    let site = TestSite::sqlite();
    let other = asking(&site, 2, None);
    let Asking { code, key, ask } = asking(&site, 3, None);
    for waiting in [&other.ask, &ask] {
        assert!(matches!(enrol(&site, waiting), EnrolAnswer::Waiting { .. }));
    }
    let pending = site.served("GET", "/v1/nodes/pending", Value::Null);
    assert_eq!(pending["total"], 2);
    let typed = json!({ "code": code.to_string().to_lowercase() });
    let node = site.served("POST", "/v1/nodes/enrol", typed);
    assert_eq!(node["name"], "asking 3");
    assert!(matches!(
        enrol(&site, &other.ask),
        EnrolAnswer::Waiting { .. }
    ));
    let EnrolAnswer::Enrolled { enrolment, proof } = enrol(&site, &ask) else {
        panic!("it is a member now");
    };
    let derived = CodeKey::derive(&code, ask.node, &ask.nonce).unwrap();
    assert!(derived.is_centre_proof(&enrolment, &proof));
    let enrolment: Enrolment = codec::decode(&enrolment).unwrap();
    assert_eq!(enrolment.site_name, "Office");
    assert_eq!(enrolment.directory_key, site.central.centre.directory_key());
    let own = TestBox::new(&site, ask.node, enrolment.certificate.certificate, key);
    let _: PushAnswer = own.say(path::PUSH, &push()).unwrap();
}

#[test]
fn a_wrong_code_and_somebody_in_the_middle_bring_no_box_in() {
    let site = TestSite::sqlite();
    // The box has seen another certificate than this server's.
    let between = asking(&site, 4, Some(Hash([7; 32])));
    enrol(&site, &between.ask);
    for code in [between.code.to_string(), "BCDF-GHJK".to_owned()] {
        let (status, answer) = site.ask("POST", "/v1/nodes/enrol", json!({ "code": code }));
        assert_eq!(
            (status, answer["field"].as_str()),
            (400, Some("code")),
            "{answer}"
        );
    }
    let (status, _) = site.ask("POST", "/v1/nodes/enrol", json!({ "code": "ABC" }));
    assert_eq!(status, 400);
    assert_eq!(site.served("GET", "/v1/nodes", Value::Null)["total"], 0);
}

#[test]
fn requests_to_become_a_member_are_bounded_by_address() {
    let site = TestSite::sqlite();
    let asking = asking(&site, 5, None);
    let client = site.stranger();
    let mut statuses = Vec::new();
    for _ in 0..200 {
        let asked = say::<_, EnrolAnswer>(&client, path::ENROL, &asking.ask);
        match smol::block_on(asked).unwrap() {
            Ok(_) => statuses.push(200),
            Err((status, _)) => statuses.push(status),
        }
    }
    assert!(
        statuses.contains(&200) && statuses.contains(&503),
        "{statuses:?}"
    );
    // Members are not held up by that.
    let own = site.member(1);
    let _: PushAnswer = own.say(path::PUSH, &push()).unwrap();
}

#[test]
fn two_servers_on_one_postgresql_are_one_centre() {
    let postgres = platen_bed::postgres::Postgres::shared().unwrap();
    let database = postgres.database().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("a"), folder.path().join("b"));
    std::fs::create_dir_all(&first).unwrap();
    let key = folder.path().join("secret.key");
    let further = format!(
        "database = {database:?}\nsecret_file = {:?}",
        key.display().to_string()
    );
    let one = TestSite::in_folder(&first, &further);
    std::fs::create_dir_all(&second).unwrap();
    let mut two = TestSite::in_folder(&second, &further);
    assert_eq!(two.token, "", "one of both made the first token");
    two.token.clone_from(&one.token);
    assert_eq!(
        one.central.certificate.fingerprint(),
        two.central.certificate.fingerprint()
    );
    // A box that asks one of them is let in by the other.
    let asked = asking(&one, 6, None);
    enrol(&one, &asked.ask);
    let typed = json!({ "code": asked.code.to_string() });
    two.served("POST", "/v1/nodes/enrol", typed);
    assert!(matches!(
        enrol(&one, &asked.ask),
        EnrolAnswer::Enrolled { .. }
    ));
    // A pull at one of them hears of what the other changed.
    let own = one.member(1);
    let answer: PullAnswer = own.say(path::PULL, &pull()).unwrap();
    let seen = page(&one, own.node, &answer);
    let mut waiting = pull();
    (waiting.generation, waiting.after) = (seen.generation, seen.to);
    waiting.wait_ms = 55_000;
    let clock = one.central.clock.clone();
    let begun = clock.now().elapsed;
    let answer = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| own.say::<_, PullAnswer>(path::PULL, &waiting));
        two.served("POST", "/v1/users", json!({ "login": "eve" }));
        waiter.join().unwrap().unwrap()
    });
    assert!(clock.now().elapsed - begun < Duration::from_secs(30));
    assert_eq!(page(&two, own.node, &answer).records.len(), 1);
    two.served("POST", "/v1/nodes/box%201/revoke", Value::Null);
    let refused = own.say::<_, PushAnswer>(path::PUSH, &push());
    assert_eq!(code_of(refused), (403, RefusalCode::Revoked));
}
