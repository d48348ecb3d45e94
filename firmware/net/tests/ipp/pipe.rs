// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The IPP port on a pipe, as IPP over USB has it: one talk at a time, no close, and nothing left
//! unread. The pipe here is a loopback connection to a printer by script.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use platen_hal::{BytePipe, Confirmation, PipeSource, PortError, PrinterPort, Sending};
use platen_net::{IppOptions, IppPort};
use platen_wire::ipp::{Attribute, Operation};
use smol::Async;
use smol::io::{AsyncRead, AsyncWrite};

use crate::scripted::{Asked, Log, Reply, printer};

struct Pipe(Async<TcpStream>);

impl BytePipe for Pipe {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
}

/// Counts how often it was opened.
struct Source {
    to: SocketAddr,
    opened: Arc<AtomicUsize>,
}

impl PipeSource for Source {
    fn open(&mut self) -> io::Result<Box<dyn BytePipe>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Pipe(Async::new(TcpStream::connect(self.to)?)?)))
    }
}

fn port_to(
    script: impl FnMut(&Asked) -> Reply + Send + 'static,
) -> (IppPort, Log, Arc<AtomicUsize>) {
    let (to, log) = printer(script);
    let opened = Arc::<AtomicUsize>::default();
    let source = Source {
        to,
        opened: Arc::clone(&opened),
    };
    let port = IppPort::on_pipe("ippusb:auto", Box::new(source), IppOptions::default());
    (port, log, opened)
}

fn good(asked: &Asked) -> Reply {
    let done = [
        Attribute::integer("job-id", 5),
        Attribute::enumeration("job-state", 9),
        Attribute::integer("job-impressions-completed", 2),
    ];
    match asked.operation() {
        Operation::GET_PRINTER_ATTRIBUTES => asked.printer([]),
        _ => asked.job(done),
    }
}

fn pdf() -> Sending {
    Sending {
        format: "application/pdf".to_owned(),
        ..Sending::default()
    }
}

#[test]
fn everything_goes_through_one_pipe() {
    let (mut port, log, opened) = port_to(good);
    assert!(port.status().ready);
    for _ in 0..2 {
        let mut session = port.open(&pdf()).unwrap();
        session.send(&vec![7; 300_000]).unwrap();
        let report = session.finish().unwrap();
        assert_eq!(report.confirmed_by, Some(Confirmation::IppJob));
    }
    assert!(port.status().ready);
    assert_eq!(opened.load(Ordering::Relaxed), 1);
    assert_eq!(log.of(Operation::SEND_DOCUMENT).document.len(), 300_000);
}

#[test]
fn a_job_given_up_half_way_leaves_the_pipe_usable_and_is_canceled_in_it() {
    let (mut port, log, opened) = port_to(good);
    let mut session = port.open(&pdf()).unwrap();
    session.send(b"half").unwrap();
    drop(session);
    assert_eq!(log.operations().last(), Some(&Operation::CANCEL_JOB));
    let mut session = port.open(&pdf()).unwrap();
    session.send(b"whole").unwrap();
    session.finish().unwrap();
    assert_eq!(opened.load(Ordering::Relaxed), 1);
}

#[test]
fn a_pipe_that_ends_is_opened_anew_for_the_next_question() {
    let mut asked_before = false;
    let (mut port, _, opened) = port_to(move |asked| {
        let first = !std::mem::replace(&mut asked_before, true);
        if first { Reply::Hangup } else { good(asked) }
    });
    assert_eq!(port.status().reasons, ["offline-report"]);
    assert!(port.status().ready);
    assert_eq!(opened.load(Ordering::Relaxed), 2);
}

struct Gone;

impl PipeSource for Gone {
    fn open(&mut self) -> io::Result<Box<dyn BytePipe>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

#[test]
fn a_printer_that_is_pulled_out_is_off_line() {
    let mut port = IppPort::on_pipe("ippusb:auto", Box::new(Gone), IppOptions::default());
    assert_eq!(port.uri(), "ippusb:auto");
    assert_eq!(port.status().reasons, ["offline-report"]);
    let error = port.open(&pdf()).map(|_| ()).unwrap_err();
    assert!(matches!(error, PortError::Offline(_)), "{error}");
}
