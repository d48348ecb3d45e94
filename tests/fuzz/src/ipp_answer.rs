// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers of IPP printers, with their HTTP: `platen_net::IppPort` and `platen_wire::ipp::client`.

use std::io;
use std::task::{Context, Poll};

use platen_hal::{BytePipe, PipeSource, PrinterPort};
use platen_net::{IppOptions, IppPort};
use platen_wire::ipp::client::{JobAnswer, KEYWORDS_MAX, PrinterAnswer, REASONS_MAX};
use platen_wire::ipp::{Limits, decode};

/// Asks a printer that answers with the input how it is, and reads the input as a message of its
/// own.
///
/// # Panics
/// When lists pass their limits, a printer that is not ready has no reason, or one is ready that did
/// not answer in HTTP.
pub fn ipp_answer(data: &[u8]) {
    if let Ok((message, _)) = decode(data, Limits::RESPONSE) {
        let printer = PrinterAnswer::read(&message);
        assert!(printer.reasons.len() <= REASONS_MAX && printer.media.len() <= KEYWORDS_MAX);
        assert!(printer.copies_max >= 1);
        let job = JobAnswer::read(&message);
        assert!(job.reasons.len() <= REASONS_MAX && job.id.is_none_or(|id| id > 0));
    }
    let source = Source(data.to_vec());
    let mut port = IppPort::on_pipe("ippusb:auto", Box::new(source), IppOptions::default());
    let status = port.status();
    assert!(status.ready || !status.reasons.is_empty());
    assert!(status.reasons.len() <= REASONS_MAX);
    assert!(!status.ready || data.starts_with(b"HTTP/1."));
}

/// Gives pipes in which the answer waits already.
struct Source(Vec<u8>);

impl PipeSource for Source {
    fn open(&mut self) -> io::Result<Box<dyn BytePipe>> {
        let piece = self.0.first().map_or(1, |first| usize::from(*first) + 1);
        Ok(Box::new(Pipe {
            left: self.0.clone(),
            piece,
        }))
    }
}

struct Pipe {
    left: Vec<u8>,
    piece: usize,
}

impl BytePipe for Pipe {
    fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let length = self.left.len().min(buffer.len()).min(self.piece);
        for (place, octet) in buffer.iter_mut().zip(self.left.drain(..length)) {
            *place = octet;
        }
        Poll::Ready(Ok(length))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
