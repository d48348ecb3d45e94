// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The local socket, both sides: its file, its client, and what the client says when something is
//! wrong.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use platen_model::local::{Problem, Tap};
use platen_net::{
    ListenError, Listener, LocalClient, LocalError, NetLimits, PeerAddr, PeerInfo, ReplyBody,
    Running, Server, reply,
};
use smol::{Executor, Timer};

async fn answer(request: Request<Incoming>, peer: PeerInfo) -> Response<ReplyBody> {
    let json = |status, body: Vec<u8>| reply(status, "application/json", body);
    match request.uri().path() {
        "/v1/tap" => {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            json(StatusCode::OK, body.to_vec())
        }
        "/v1/peer" => {
            let PeerAddr::Local { uid } = peer.addr else {
                panic!("not local")
            };
            json(StatusCode::OK, serde_json::to_vec(&uid).unwrap())
        }
        "/v1/garbled" => json(StatusCode::OK, b"{".to_vec()),
        "/v1/large" => json(StatusCode::OK, vec![b' '; 17 * 1024 * 1024]),
        "/v1/late" => {
            Timer::after(Duration::from_secs(20)).await;
            json(StatusCode::OK, Vec::new())
        }
        _ => {
            let problem = Problem {
                code: "not-found".to_owned(),
                message: "Not here.".to_owned(),
            };
            json(StatusCode::NOT_FOUND, serde_json::to_vec(&problem).unwrap())
        }
    }
}

fn start(path: &Path) -> Running {
    let executor = Arc::new(Executor::new());
    let runner = Arc::clone(&executor);
    std::thread::spawn(move || smol::block_on(runner.run(std::future::pending::<()>())));
    let listener = Listener::unix(path).unwrap();
    Server::new(answer, NetLimits::default()).start(&executor, vec![listener])
}

#[test]
fn messages_go_there_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.sock");
    let _running = start(&path);
    let client = LocalClient::new(&path);
    let tap = Tap {
        uid: "04a1b2c3".to_owned(),
    };
    let back: Tap = smol::block_on(client.post("/v1/tap", &tap)).unwrap();
    assert_eq!(back.uid, tap.uid);
    let back: Tap =
        smol::block_on(client.post_bytes("/v1/tap", "text/csv", &br#"{"uid":"00"}"#[..])).unwrap();
    assert_eq!(back.uid, "00");
}

#[test]
fn the_kernel_vouches_for_the_user() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.sock");
    let _running = start(&path);
    let uid: Option<u32> = smol::block_on(LocalClient::new(&path).get("/v1/peer")).unwrap();
    assert_eq!(uid, Some(std::fs::metadata("/proc/self").unwrap().uid()));
}

#[test]
fn each_fault_has_its_own_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.sock");
    let _running = start(&path);
    let client = LocalClient::new(&path).with_limit(Duration::from_millis(300));
    let get = |target| smol::block_on(client.get::<Tap>(target)).unwrap_err();
    assert!(matches!(get("/v1/garbled"), LocalError::Message(_)));
    assert!(matches!(get("/v1/late"), LocalError::TooSlow { .. }));
    assert!(matches!(get("no target"), LocalError::Target { .. }));
    let missing = get("/v1/missing");
    assert!(
        matches!(&missing, LocalError::Refused { status: 404, problem } if problem.code == "not-found")
    );
    assert_eq!(missing.to_string(), "Not here.");
    let patient = LocalClient::new(&path);
    let large = smol::block_on(patient.get::<Tap>("/v1/large")).unwrap_err();
    assert!(matches!(large, LocalError::TooLarge { .. }));
    let nobody = LocalClient::new(dir.path().join("other.sock"));
    let nobody = smol::block_on(nobody.get::<Tap>("/v1/status")).unwrap_err();
    assert!(matches!(nobody, LocalError::Unreachable { .. }));
}

#[test]
fn the_file_has_its_mode_and_goes_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.sock");
    let running = start(&path);
    let metadata = std::fs::metadata(&path).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    assert!(smol::block_on(running.shutdown(Duration::from_secs(5))));
    assert!(!path.exists());
}

#[test]
fn a_stale_file_is_replaced_and_a_live_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let running = start(&path);
    assert!(matches!(
        Listener::unix(&path),
        Err(ListenError::InUse { .. })
    ));
    drop(running);
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.sock");
    std::fs::write(&path, "mine").unwrap();
    assert!(matches!(
        Listener::unix(&path),
        Err(ListenError::NotASocket { .. })
    ));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[test]
fn the_successors_file_outlives_its_predecessor() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.sock");
    let first = Listener::unix(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let second = Listener::unix(&path).unwrap();
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(!path.exists());
}
