// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A RAW printer that only keeps time: accepts connections, reads each to its end, and tells when
//! the document's first byte and its last came. Bytes before the document (a PJL preamble, a
//! status question) are not taken for it, and a connection that carries none is not told of.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use platen_bed::wait::Stopwatch;

const DOCUMENT: &[u8] = b"%PDF-";
const MAX_PREAMBLE: usize = 64 * 1024; // no preamble is longer; a document without mark is not told
const WAITING_DELIVERIES: usize = 64; // one job at a time is measured

/// One document that arrived, in the sink's own time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// The read that brought the first byte of the document had returned.
    pub first_byte: Duration,
    /// The connection had ended.
    pub last_byte: Duration,
    /// Bytes of the whole connection.
    pub octets: usize,
}

/// A listening sink; ends when it is dropped.
#[derive(Debug)]
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    deliveries: Receiver<Delivery>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Listens at `address` (port 0: any free one) and keeps time by `clock`.
    ///
    /// # Errors
    /// When the port is taken or there is no thread.
    pub fn start(address: SocketAddr, clock: Stopwatch) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let (told, deliveries) = sync_channel(WAITING_DELIVERIES);
        let ending = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&ending);
        let name = thread::Builder::new().name("sink".to_owned());
        let thread = name.spawn(move || listen(&listener, clock, &told, &end))?;
        Ok(Self {
            address,
            deliveries,
            ending,
            thread: Some(thread),
        })
    }

    /// Waits for the next document.
    ///
    /// # Errors
    /// `TimedOut` when none has come within `limit`.
    pub fn delivery(&self, limit: Duration) -> io::Result<Delivery> {
        self.deliveries
            .recv_timeout(limit)
            .map_err(|error| match error {
                RecvTimeoutError::Timeout => io::ErrorKind::TimedOut.into(),
                RecvTimeoutError::Disconnected => io::ErrorKind::BrokenPipe.into(),
            })
    }

    /// Forgets documents that came and were not asked for, such as those of a run given up.
    pub fn forget(&self) {
        while self.deliveries.try_recv().is_ok() {}
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        // Wakes the thread from its accept; it also ends when this fails with the listener gone.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(listener: &TcpListener, clock: Stopwatch, told: &SyncSender<Delivery>, end: &AtomicBool) {
    for connection in listener.incoming() {
        if end.load(Ordering::Acquire) {
            return;
        }
        let delivery = connection.and_then(|mut connection| receive(&mut connection, clock));
        if let Ok(Some(delivery)) = delivery
            && told.try_send(delivery).is_err()
        {
            return; // nobody asks any more
        }
    }
}

fn receive(connection: &mut impl Read, clock: Stopwatch) -> io::Result<Option<Delivery>> {
    let mut piece = vec![0; 256 * 1024];
    let (mut head, mut octets, mut first_byte) = (Vec::new(), 0, None);
    loop {
        let length = connection.read(&mut piece)?;
        let now = clock.elapsed();
        if length == 0 {
            let told = |first_byte| Delivery {
                first_byte,
                last_byte: now,
                octets,
            };
            return Ok(first_byte.map(told));
        }
        octets += length;
        if first_byte.is_none() && head.len() < MAX_PREAMBLE {
            head.extend_from_slice(piece.get(..length).unwrap_or_default());
            let found = head
                .windows(DOCUMENT.len())
                .any(|window| window == DOCUMENT);
            first_byte = found.then_some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn sink(clock: Stopwatch) -> Sink {
        Sink::start(SocketAddr::from(([127, 0, 0, 1], 0)), clock).expect("a sink")
    }

    #[test]
    fn a_document_is_told_with_its_times() {
        let clock = Stopwatch::start();
        let sink = sink(clock);
        let before = clock.elapsed();
        let mut printer = TcpStream::connect(sink.address).expect("a connection");
        printer.write_all(b"\x1b%-12345X@PJL\r\n%PD").expect("sent");
        printer.write_all(b"F-1.4 and so on").expect("sent");
        drop(printer);
        let delivery = sink.delivery(SOON).expect("a delivery");
        assert_eq!(delivery.octets, 33);
        assert!(before <= delivery.first_byte && delivery.first_byte <= delivery.last_byte);
    }

    #[test]
    fn a_connection_without_document_is_not_told() {
        let sink = sink(Stopwatch::start());
        drop(TcpStream::connect(sink.address).expect("a probe"));
        let mut printer = TcpStream::connect(sink.address).expect("a connection");
        printer.write_all(b"%PDF-").expect("sent");
        drop(printer);
        assert_eq!(sink.delivery(SOON).expect("a delivery").octets, 5);
        let late = sink
            .delivery(Duration::from_millis(1))
            .expect_err("nothing more");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }
}
