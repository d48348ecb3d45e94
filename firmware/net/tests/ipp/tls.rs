// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whom an `ipps:` port trusts: a pinned certificate, one of an authority, and nobody else.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use crate::scripted::{Asked, Log, Reply, serve};
use platen_hal::{PortError, PrinterPort, Sending};
use platen_net::{IppOptions, IppPort, ServerIdentity, TlsTrust, crypto_provider};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// One TLS stream for a reader and a writer that take turns.
#[derive(Clone)]
struct Turns(Rc<RefCell<StreamOwned<ServerConnection, TcpStream>>>);

impl Read for Turns {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

impl Write for Turns {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

fn ready(asked: &Asked) -> Reply {
    asked.printer([])
}

/// A printer with TLS that says it is ready, and how many requests it got.
fn tls_printer(config: Arc<ServerConfig>) -> (SocketAddr, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let log = Log::default();
    let kept = log.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (config, log) = (Arc::clone(&config), kept.clone());
            thread::spawn(move || {
                let connection = ServerConnection::new(config).unwrap();
                let both = StreamOwned::new(connection, stream.unwrap());
                let turns = Turns(Rc::new(RefCell::new(both)));
                serve(turns.clone(), turns, &log, &mut ready);
            });
        }
    });
    (address, log)
}

fn self_signed(folder: &Path) -> (SocketAddr, Log) {
    let identity = ServerIdentity::load_or_create(folder, "printer", &[]).unwrap();
    tls_printer(identity.server_config())
}

fn port_to(host: &str, address: SocketAddr, trust: &TlsTrust) -> IppPort {
    let uri = format!("ipps://{host}:{}/ipp/print", address.port());
    IppPort::new(uri.parse().unwrap(), trust, IppOptions::default()).unwrap()
}

/// Why no job can be sent, in an administrator's words.
fn refusal(port: &mut IppPort) -> String {
    let error: PortError = port.open(&Sending::default()).map(|_| ()).unwrap_err();
    platen_model::Chain(&error).to_string()
}

/// The setting that the refusal tells to make.
fn told_pin(refusal: &str) -> String {
    let (_, rest) = refusal.split_once("tls_pin = \"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

#[test]
fn a_stranger_is_refused_with_the_pin_that_would_let_it_in() {
    let folder = tempfile::tempdir().unwrap();
    let (address, log) = self_signed(folder.path());
    let mut port = port_to("127.0.0.1", address, &TlsTrust::Nobody);
    assert!(!port.status().ready);
    let refusal = refusal(&mut port);
    assert!(log.all().is_empty(), "nothing is said to a stranger");

    let trust = TlsTrust::from_pin(&told_pin(&refusal)).unwrap();
    let mut port = port_to("127.0.0.1", address, &trust);
    assert!(port.status().ready);
    assert_eq!(log.all().len(), 1);
}

#[test]
fn a_printer_whose_handshake_is_slower_than_an_answer_may_be_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let identity = ServerIdentity::load_or_create(folder.path(), "printer", &[]).unwrap();
    let (address, _) = tls_printer(identity.server_config());
    let pin = told_pin(&refusal(&mut port_to(
        "127.0.0.1",
        address,
        &TlsTrust::Nobody,
    )));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = listener.local_addr().unwrap();
    thread::spawn(move || {
        let stream = listener.accept().unwrap().0;
        thread::park_timeout(std::time::Duration::from_millis(2500));
        let connection = ServerConnection::new(identity.server_config()).unwrap();
        let turns = Turns(Rc::new(RefCell::new(StreamOwned::new(connection, stream))));
        serve(turns.clone(), turns, &Log::default(), &mut ready);
    });
    let mut port = port_to("127.0.0.1", slow, &TlsTrust::from_pin(&pin).unwrap());
    assert!(port.status().ready);
}

/// `openssl x509 -noout -fingerprint -sha256` gives the same digits.
#[test]
fn the_told_pin_is_the_fingerprint_that_openssl_shows() {
    let folder = tempfile::tempdir().unwrap();
    let (address, _) = self_signed(folder.path());
    let mut port = port_to("127.0.0.1", address, &TlsTrust::Nobody);
    let pin = told_pin(&refusal(&mut port));
    let output = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(folder.path().join("cert.pem"))
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let digits = shown.split_once('=').unwrap().1.trim();
    let shown = format!("sha256:{}", digits.replace(':', "").to_lowercase());
    assert_eq!(pin, shown);
}

#[test]
fn another_certificate_than_the_pinned_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (address, log) = self_signed(folder.path());
    let trust = TlsTrust::from_pin(&format!("sha256:{}", "00".repeat(32))).unwrap();
    let mut port = port_to("127.0.0.1", address, &trust);
    let refusal = refusal(&mut port);
    assert!(refusal.contains("another certificate"), "{refusal}");
    assert!(log.all().is_empty());
}

/// A certificate for `127.0.0.1` by an authority whose own is written to `file`.
fn with_authority(file: &Path) -> Arc<ServerConfig> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    std::fs::write(file, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let chain = vec![CertificateDer::from(leaf)];
    let config = ServerConfig::builder_with_provider(crypto_provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Arc::new(config)
}

#[test]
fn an_authority_vouches_for_a_printer_by_its_name_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let (address, log) = tls_printer(with_authority(&file));
    let trust = TlsTrust::from_file(&file).unwrap();
    let mut port = port_to("127.0.0.1", address, &trust);
    assert!(port.status().ready);
    assert_eq!(log.all().len(), 1);

    let mut port = port_to("localhost", address, &trust);
    let refused = refusal(&mut port);
    assert!(refused.contains("TLS connection failed"), "{refused}");

    let folder = tempfile::tempdir().unwrap();
    let (stranger, log) = self_signed(folder.path());
    let mut port = port_to("127.0.0.1", stranger, &trust);
    refusal(&mut port);
    assert!(log.all().is_empty());
}

#[test]
fn a_printer_without_tls_is_told_apart_from_one_that_is_off() {
    let (address, _) = crate::scripted::printer(ready);
    let trust = TlsTrust::from_pin(&format!("sha256:{}", "00".repeat(32))).unwrap();
    let mut port = port_to("127.0.0.1", address, &trust);
    let refusal = refusal(&mut port);
    assert!(!refusal.contains("certificate"), "{refusal}");
}
