// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A request's body as something to read from, for work that blocks: the body comes in piece by
//! piece and is held back while the work is busy, so memory does not grow with it.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use platen_model::Clock;
use platen_net::{BodyError, BodyLimits, BodyReader};
use smol::channel::{Receiver, Sender, bounded};

/// Pieces that wait between the socket and the work.
const PIECES: usize = 4;

/// The reading end.
pub(super) struct Upload {
    pieces: Receiver<Result<Bytes, BodyError>>,
    current: Bytes,
    ended: bool,
}

/// The end that the socket feeds.
pub(super) struct Feed {
    pieces: Sender<Result<Bytes, BodyError>>,
}

/// Both ends.
pub(super) fn pipe() -> (Feed, Upload) {
    let (sender, receiver) = bounded(PIECES);
    let upload = Upload {
        pieces: receiver,
        current: Bytes::new(),
        ended: false,
    };
    (Feed { pieces: sender }, upload)
}

impl Feed {
    /// Passes the body on, at most `octets_max` bytes; ends early when nobody reads any more.
    pub(super) async fn pass(
        self,
        request: Request<Incoming>,
        octets_max: u64,
        clock: &Arc<dyn Clock>,
    ) {
        let (head, body) = request.into_parts();
        let limits = BodyLimits {
            bytes: octets_max,
            ..BodyLimits::default()
        };
        let mut body = BodyReader::new(body, limits, Arc::clone(clock)).with_headers(&head.headers);
        loop {
            let piece = body.next().await.transpose();
            let Some(piece) = piece else {
                // An empty piece is the end: without it the body broke off.
                let _ = self.pieces.send(Ok(Bytes::new())).await;
                return;
            };
            let is_last = piece.is_err();
            if self.pieces.send(piece).await.is_err() || is_last {
                return;
            }
        }
    }
}

impl Read for Upload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.pieces.recv_blocking() {
                Ok(Ok(piece)) if piece.is_empty() => self.ended = true,
                Ok(Ok(piece)) => self.current = piece,
                Ok(Err(error)) => return Err(io::Error::other(error)),
                Err(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        let taken = self.current.len().min(buffer.len());
        let piece = self.current.split_to(taken);
        for (to, from) in buffer.iter_mut().zip(piece.iter()) {
            *to = *from;
        }
        Ok(taken)
    }
}
