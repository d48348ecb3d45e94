// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A pair of byte streams to a printer that is no network connection, such as the bulk endpoints of
//! an IPP-over-USB interface. What is said in it is the business of whoever holds it; it has no end
//! mark of its own, so the talk in it must have (HTTP/1.1 message lengths).

use std::io;
use std::task::{Context, Poll};

/// Bytes there and back. Both directions are independent of each other.
pub trait BytePipe: Send {
    /// Reads into `buffer`, as soon as there is anything. `Ok(0)` means that the pipe is gone.
    ///
    /// # Errors
    /// The system's reason when the way broke; the pipe is then of no more use.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Takes some of `bytes`, as soon as there is room.
    ///
    /// # Errors
    /// As [`BytePipe::poll_read`].
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Waits until everything taken has been handed over.
    ///
    /// # Errors
    /// As [`BytePipe::poll_read`].
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Opens pipes to one printer.
pub trait PipeSource: Send {
    /// A fresh pipe: nothing of an earlier talk is in it. Blocks, for 2 s at most.
    ///
    /// # Errors
    /// The system's reason; [`io::ErrorKind::NotFound`] when the printer is not there.
    fn open(&mut self) -> io::Result<Box<dyn BytePipe>>;
}
