// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A server that runs out of file descriptors goes on as soon as some are free. Alone in its file,
//! because the limit is the process's.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::StatusCode;
use platen_net::{Listener, NetLimits, Server, reply};
use rustix::net::{AddressFamily, SocketType, connect, socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use smol::Executor;

#[test]
fn want_of_descriptors_pauses_the_listener_and_no_more() {
    let executor = Arc::new(Executor::new());
    let runner = Arc::clone(&executor);
    std::thread::spawn(move || smol::block_on(runner.run(std::future::pending::<()>())));
    let listener = Listener::tcp(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(
        |_, _| async { reply(StatusCode::OK, "text/plain", "hello") },
        NetLimits::default(),
    );
    let running = server.start(&executor, vec![listener]);
    // Made before the limit comes down, so that only the server's side wants a descriptor.
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    let before = getrlimit(Resource::Nofile);
    // The kernel gives the lowest free number; what comes next would be this one.
    let next = File::open("/dev/null").unwrap().as_raw_fd();
    let few = Rlimit {
        current: u64::try_from(next).ok(),
        maximum: before.maximum,
    };
    setrlimit(Resource::Nofile, few).unwrap();
    connect(&socket, &address).unwrap();
    let counters = running.counters();
    let failed_twice = (0..10_000).any(|_| {
        std::thread::park_timeout(Duration::from_millis(1));
        counters.accept_failed.load(Ordering::Relaxed) >= 2
    });
    setrlimit(Resource::Nofile, before).unwrap();
    assert!(failed_twice);
    let mut stream = TcpStream::from(socket);
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
}
