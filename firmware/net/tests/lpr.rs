// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The LPR port against print servers that keep RFC 1179, break it, or are slow about it: real
//! loopback sockets. A real server is in the bed's tests.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use platen_hal::{PortError, PortSession, PrinterPort, Sending};
use platen_net::{LprOptions, LprPort};

/// What a server read of one job.
#[derive(Debug, Default, PartialEq)]
struct Job {
    commands: Vec<String>,
    control: String,
    data: Vec<u8>,
}

fn options() -> LprOptions {
    let limit = Duration::from_millis(400);
    LprOptions {
        stall: limit,
        end: limit,
    }
}

/// A server that does `act` with its first connection; what `act` returns can be waited for.
fn server<T: Send + 'static>(
    act: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (LprPort, Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let port = LprPort::new(format!("lpd://{address}/lp").parse().unwrap(), options());
    let (done, result) = sync_channel(1);
    thread::spawn(move || {
        let stream = listener.accept().unwrap().0;
        done.send(act(stream))
    });
    (port, result)
}

/// Reads a job as the RFC says, and answers with `answers` one after another.
fn read_job(stream: TcpStream, answers: [u8; 5]) -> Job {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut job = Job::default();
    let mut answers = answers.into_iter();
    let mut answer = || {
        let answer = answers.next().unwrap();
        (&stream).write_all(&[answer]).unwrap();
        answer == 0
    };
    let line = |job: &mut Job, reader: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let length = line
            .split_once(' ')
            .and_then(|(head, _)| head.get(1..)?.parse().ok());
        job.commands.push(line);
        length.unwrap_or(0)
    };
    line(&mut job, &mut reader);
    if !answer() {
        return job;
    }
    for control in [true, false] {
        let length = line(&mut job, &mut reader);
        if !answer() {
            return job;
        }
        let mut file = vec![0; length + 1];
        reader.read_exact(&mut file).unwrap();
        assert_eq!(file.pop(), Some(0));
        match control {
            true => job.control = String::from_utf8(file).unwrap(),
            false => job.data = file,
        }
        if !answer() {
            return job;
        }
    }
    job
}

fn of_octets(octets: u64) -> Sending {
    Sending {
        octets: Some(octets),
        ..Sending::default()
    }
}

fn open(port: &mut LprPort, octets: u64) -> Result<Box<dyn PortSession>, PortError> {
    port.open(&of_octets(octets))
}

fn failure<T>(result: Result<T, PortError>) -> PortError {
    result.map(|_| ()).unwrap_err()
}

#[test]
fn a_job_arrives_whole_and_names_nobody() {
    let (mut port, job) = server(|stream| read_job(stream, [0; 5]));
    let mut session = open(&mut port, 300_000).unwrap();
    for _ in 0..3 {
        session.send(&vec![7; 100_000]).unwrap();
    }
    assert_eq!(session.finish().unwrap().octets, 300_000);
    let job = job.recv().unwrap();
    assert_eq!(
        job.commands,
        [
            "\u{2}lp\n",
            "\u{2}60 cfA000platen\n",
            "\u{3}300000 dfA000platen\n"
        ]
    );
    assert_eq!(
        job.control,
        "Hplaten\nPplaten\nJplaten\nldfA000platen\nUdfA000platen\nNplaten\n"
    );
    assert!(job.data == vec![7; 300_000]);
}

#[test]
fn a_server_that_refuses_before_the_data_leaves_the_job_untouched() {
    for (answers, reason) in [
        ([1, 0, 0, 0, 0], "other-error"),
        ([0, 2, 0, 0, 0], "spool-area-full-error"),
        ([0, 0, 3, 0, 0], "other-error"),
        ([0, 0, 0, 2, 0], "spool-area-full-error"),
    ] {
        let (mut port, job) = server(move |stream| read_job(stream, answers));
        let error = failure(open(&mut port, 4));
        let PortError::Stopped { reasons } = &error else {
            panic!("{error}")
        };
        assert_eq!(reasons, &[reason]);
        assert!(job.recv().unwrap().data.is_empty());
    }
}

#[test]
fn a_server_that_refuses_at_the_end_has_not_taken_the_job() {
    let (mut port, _) = server(|stream| read_job(stream, [0, 0, 0, 0, 1]));
    let mut session = open(&mut port, 4).unwrap();
    session.send(b"page").unwrap();
    let error = failure(session.finish());
    assert!(matches!(error, PortError::Stopped { .. }), "{error}");
}

#[test]
fn a_server_that_does_not_answer_is_given_up_within_the_limit() {
    let (mut port, _) = server(|stream| {
        thread::park_timeout(Duration::from_secs(5));
        drop(stream);
    });
    let error = failure(open(&mut port, 4));
    assert!(matches!(error, PortError::Stalled { .. }), "{error}");
}

#[test]
fn a_server_that_never_acknowledges_the_job_stalls_its_end() {
    let (mut port, _) = server(|stream| {
        (&stream).write_all(&[0; 4]).unwrap();
        thread::park_timeout(Duration::from_secs(5));
        drop(stream);
    });
    let mut session = open(&mut port, 4).unwrap();
    session.send(b"page").unwrap();
    let error = failure(session.finish());
    assert!(matches!(error, PortError::Stalled { .. }), "{error}");
}

#[test]
fn a_server_that_closes_instead_of_answering_is_off_line_before_the_job_and_broken_in_it() {
    let (mut port, _) = server(drop);
    let error = failure(open(&mut port, 4));
    assert!(matches!(error, PortError::Offline(_)), "{error}");

    let (mut port, _) = server(|mut stream| {
        stream.write_all(&[0; 4]).unwrap();
        let (mut taken, mut piece) = (Vec::new(), [0; 512]);
        while !taken.ends_with(b"page\0") {
            let length = stream.read(&mut piece).unwrap();
            taken.extend_from_slice(&piece[..length]);
        }
    });
    let mut session = open(&mut port, 4).unwrap();
    session.send(b"page").unwrap();
    let error = failure(session.finish());
    assert!(matches!(error, PortError::Broken(_)), "{error}");
}

/// A server that takes a job of four octets and keeps its last answer back; what it read, up to the
/// connection's end.
fn silent_server() -> (LprPort, Receiver<Vec<u8>>) {
    let (port, read) = server(|mut stream| {
        stream.write_all(&[0; 4]).unwrap();
        let (mut taken, mut piece) = (Vec::new(), [0; 512]);
        // A reset is an end too.
        while let Ok(length @ 1..) = stream.read(&mut piece) {
            taken.extend_from_slice(&piece[..length]);
        }
        taken
    });
    let options = LprOptions {
        end: Duration::from_secs(50),
        ..options()
    };
    (LprPort::new(port.uri().parse().unwrap(), options), read)
}

#[test]
fn a_job_deleted_once_the_server_has_it_all_only_ends_the_wait() {
    let (mut port, read) = silent_server();
    let sending = of_octets(4);
    let mut session = port.open(&sending).unwrap();
    session.send(b"page").unwrap();
    let report = thread::scope(|scope| {
        let end = scope.spawn(|| session.finish());
        thread::park_timeout(Duration::from_millis(500));
        sending.canceled.store(true, Ordering::Release);
        end.join().unwrap().unwrap()
    });
    assert_eq!(report.octets, 4);
    assert!(read.recv().unwrap().ends_with(b"page\0"));
}

#[test]
fn a_job_deleted_before_its_end_is_said_is_not_the_server_s() {
    let (mut port, read) = silent_server();
    let sending = of_octets(4);
    let mut session = port.open(&sending).unwrap();
    session.send(b"page").unwrap();
    sending.canceled.store(true, Ordering::Release);
    let error = failure(session.finish());
    assert!(matches!(error, PortError::Canceled), "{error}");
    assert!(!read.recv().unwrap().ends_with(b"\0"));
}

#[test]
fn more_or_less_than_was_announced_is_never_sent_as_a_job() {
    let (mut port, _) = server(|stream| {
        (&stream).write_all(&[0; 5]).unwrap();
        thread::park_timeout(Duration::from_secs(5));
        drop(stream);
    });
    let mut session = open(&mut port, 4).unwrap();
    let error = failure(session.send(b"pages"));
    assert!(matches!(error, PortError::Broken(_)), "{error}");
    session.send(b"pag").unwrap();
    let error = failure(session.finish());
    assert!(matches!(error, PortError::Broken(_)), "{error}");
}

#[test]
fn a_job_of_unknown_length_is_refused_before_anybody_is_asked() {
    let (mut port, _) = server(|_stream| ());
    let error = failure(port.open(&Sending::default()));
    assert!(matches!(error, PortError::Offline(_)), "{error}");
}

#[test]
fn a_server_that_is_there_counts_as_ready_and_one_that_is_not_as_off_line() {
    let (mut port, _) = server(|_stream| ());
    assert!(port.status().ready);
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let uri = format!("lpd://{address}/lp").parse().unwrap();
    let mut port = LprPort::new(uri, options());
    assert_eq!(port.status().reasons, ["offline-report"]);
    let error = failure(open(&mut port, 1));
    assert!(matches!(error, PortError::Offline(_)), "{error}");
}
