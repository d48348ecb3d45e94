// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The RAW port against printers that behave in all the ways seen: real loopback sockets, one
//! connection each.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use platen_hal::{PortError, PrinterPort, Sending};
use platen_net::{SocketOptions, SocketPort};

fn options() -> SocketOptions {
    SocketOptions {
        stall: Duration::from_millis(400),
        drain: Duration::from_millis(400),
        pjl: false,
        ..SocketOptions::default()
    }
}

fn port_to(address: SocketAddr) -> SocketPort {
    SocketPort::new(format!("socket://{address}").parse().unwrap(), options())
}

/// A printer that does `act` with its first connection; what `act` returns can be waited for.
fn printer<T: Send + 'static>(
    act: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketPort, Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = port_to(listener.local_addr().unwrap());
    let (done, result) = sync_channel(1);
    thread::spawn(move || {
        let stream = listener.accept().unwrap().0;
        done.send(act(stream))
    });
    (port, result)
}

fn read_all(mut stream: TcpStream) -> usize {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes.len()
}

const MUCH: usize = 32 * 1024 * 1024;

#[test]
fn a_good_printer_takes_everything() {
    let (mut port, read) = printer(read_all);
    let mut session = port.open(&Sending::default()).unwrap();
    for _ in 0..3 {
        session.send(&vec![7; 1_000_000]).unwrap();
    }
    let report = session.finish().unwrap();
    assert_eq!((report.octets, report.impressions), (3_000_000, None));
    assert_eq!(read.recv().unwrap(), 3_000_000);
}

#[test]
fn a_printer_that_talks_back_is_listened_to_and_not_understood() {
    let (mut port, _) = printer(|mut stream| {
        stream.write_all(&vec![b'?'; 100_000]).unwrap();
        read_all(stream)
    });
    let mut session = port.open(&Sending::default()).unwrap();
    session.send(b"page").unwrap();
    assert_eq!(session.finish().unwrap().octets, 4);
}

#[test]
fn a_printer_that_keeps_the_connection_open_has_taken_the_job_when_it_acknowledged_it() {
    let (mut port, _) = printer(|mut stream| {
        let mut page = [0; 4];
        stream.read_exact(&mut page).unwrap();
        thread::park_timeout(Duration::from_secs(5));
    });
    let mut session = port.open(&Sending::default()).unwrap();
    session.send(b"page").unwrap();
    assert_eq!(session.finish().unwrap().octets, 4);
}

#[test]
fn a_printer_that_reads_nothing_stalls_the_job() {
    let (mut port, _) = printer(|stream| {
        thread::park_timeout(Duration::from_secs(5));
        drop(stream);
    });
    let mut session = port.open(&Sending::default()).unwrap();
    let error = session.send(&vec![7; MUCH]).unwrap_err();
    assert!(matches!(error, PortError::Stalled { .. }), "{error}");
}

#[test]
fn a_printer_that_stops_reading_near_the_end_stalls_the_finish() {
    let (mut port, _) = printer(|mut stream| {
        rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 4096).unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
        thread::park_timeout(Duration::from_secs(5));
    });
    let mut session = port.open(&Sending::default()).unwrap();
    // More than the printer's buffer takes, less than ours holds.
    let mut sent = Ok(());
    for _ in 0..16 {
        sent = sent.and_then(|()| session.send(&vec![7; 64 * 1024]));
    }
    let error = sent
        .and_then(|()| session.finish().map(|_| ()))
        .unwrap_err();
    assert!(matches!(error, PortError::Stalled { .. }), "{error}");
}

#[test]
fn a_printer_that_closes_early_breaks_the_job() {
    let (mut port, closed) = printer(|mut stream| {
        stream.read_exact(&mut [0; 100]).unwrap();
    });
    let mut session = port.open(&Sending::default()).unwrap();
    session.send(&[7; 200]).unwrap();
    closed.recv().unwrap();
    // The unread bytes turned the close into a reset.
    let error = session.send(&vec![7; MUCH]).unwrap_err();
    assert!(matches!(error, PortError::Broken(_)), "{error}");
}

#[test]
fn a_reset_at_the_end_is_no_success() {
    let (mut port, closed) = printer(|mut stream| {
        stream.read_exact(&mut [0; 100]).unwrap();
    });
    let mut session = port.open(&Sending::default()).unwrap();
    session.send(&[7; 200]).unwrap();
    closed.recv().unwrap();
    let error = session.finish().unwrap_err();
    assert!(matches!(error, PortError::Broken(_)), "{error}");
}

#[test]
fn nobody_there_is_offline() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut port = port_to(address);
    let status = port.status();
    assert!(!status.ready);
    assert_eq!(status.reasons, ["offline-report"]);
    assert!(matches!(
        port.open(&Sending::default()).map(|_| ()),
        Err(PortError::Offline(_))
    ));
}

#[test]
fn a_name_is_looked_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let uri = format!("socket://localhost:{port}").parse().unwrap();
    assert!(SocketPort::new(uri, options()).status().ready);
}

#[test]
fn a_port_with_a_job_on_its_way_is_not_asked() {
    let (mut port, read) = printer(read_all);
    let session = port.open(&Sending::default()).unwrap();
    assert!(!port.status().ready);
    drop(session);
    // The listener still takes connections into its backlog.
    assert_eq!(read.recv().unwrap(), 0);
}

/// Answers one PJL question with `says`.
fn pjl_printer(says: &'static [u8]) -> SocketPort {
    let (port, _) = printer(move |mut stream| {
        let mut question = [0; 64];
        let asked = stream.read(&mut question).unwrap();
        assert!(question[..asked].starts_with(b"\x1b%-12345X@PJL INFO STATUS"));
        // In two pieces, as the answer may come.
        let (first, second) = says.split_at(says.len() / 2);
        stream.write_all(first).unwrap();
        thread::park_timeout(Duration::from_millis(20));
        stream.write_all(second).unwrap();
        thread::park_timeout(Duration::from_secs(5));
    });
    let uri = port.uri().parse().unwrap();
    SocketPort::new(
        uri,
        SocketOptions {
            pjl: true,
            ..options()
        },
    )
}

#[test]
fn a_printer_asked_by_pjl_says_how_it_is() {
    let ready = b"@PJL INFO STATUS\r\nCODE=10001\r\nDISPLAY=\"Ready\"\r\nONLINE=TRUE\r\n\x0c";
    let status = pjl_printer(ready).status();
    assert!(status.ready && status.reasons.is_empty(), "{status:?}");
    let empty = b"@PJL INFO STATUS\r\nCODE=41234\r\nDISPLAY=\"\"\r\nONLINE=FALSE\r\n\x0c";
    let status = pjl_printer(empty).status();
    assert!(!status.ready);
    assert_eq!(status.reasons, ["media-empty-error"]);
}

#[test]
fn a_printer_that_does_not_answer_pjl_counts_as_ready() {
    assert!(pjl_printer(b"").status().ready);
}
