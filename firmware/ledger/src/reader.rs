// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads frames from a segment one after the other, and finds the next whole one behind damage.
//! Memory is bounded by one frame and a window, however long the file is. Judges frames by
//! themselves only; whether they form a chain is [`crate::walk`]'s question.

use std::io::{self, Read};

use platen_store::DiskRead;

use crate::frame::{FrameFault, HEAD_BYTES, HEADER_BYTES, Head, Header, MARKER};

const WINDOW_BYTES: usize = 64 * 1024;

/// What stands at one place of a segment.
#[derive(Debug)]
pub(crate) enum Piece {
    /// A whole record whose hash fits its bytes.
    Record { head: Head, payload: Vec<u8> },
    /// Bytes that are none; reading goes on behind them.
    Broken(FrameFault),
}

/// A window that moves over a segment.
pub(crate) struct FrameReader {
    source: io::Take<Box<dyn DiskRead>>,
    window: Vec<u8>,
    start: usize,
    offset: u64,
    lost: bool,
}

impl FrameReader {
    /// Reads the first `until` bytes of `source` at most.
    pub(crate) fn new(source: Box<dyn DiskRead>, until: u64) -> Self {
        Self {
            source: source.take(until),
            window: Vec::new(),
            start: 0,
            offset: 0,
            lost: false,
        }
    }

    /// Where the next piece begins, bytes from the file's start.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The header and its sealed checkpoint. After a fault, records are looked for from the start.
    pub(crate) fn header(&mut self) -> io::Result<Result<(Header, Vec<u8>), FrameFault>> {
        let parsed = self.try_header()?;
        match &parsed {
            Ok((_, checkpoint)) => self.advance(HEADER_BYTES + checkpoint.len()),
            Err(_) => self.lost = true,
        }
        Ok(parsed)
    }

    /// The next piece; `None` at the end.
    pub(crate) fn next_piece(&mut self) -> io::Result<Option<Piece>> {
        if self.lost {
            return self.find_record();
        }
        if self.fill(1)?.is_empty() {
            return Ok(None);
        }
        Ok(Some(match self.try_record()? {
            Ok(record) => record,
            Err(fault) => {
                self.lost = true;
                self.advance(1);
                Piece::Broken(fault)
            }
        }))
    }

    fn find_record(&mut self) -> io::Result<Option<Piece>> {
        loop {
            let window = self.fill(WINDOW_BYTES)?;
            if window.len() < HEAD_BYTES {
                return Ok(None);
            }
            let found = window.windows(MARKER.len()).position(|at| at == MARKER);
            let Some(distance) = found else {
                // The last bytes may be the beginning of a marker.
                let searched = window.len() - (MARKER.len() - 1);
                self.advance(searched);
                continue;
            };
            self.advance(distance);
            if let Ok(record) = self.try_record()? {
                self.lost = false;
                return Ok(Some(record));
            }
            self.advance(1);
        }
    }

    fn try_header(&mut self) -> io::Result<Result<(Header, Vec<u8>), FrameFault>> {
        let Some(bytes) = self.fill(HEADER_BYTES)?.first_chunk() else {
            return Ok(Err(FrameFault::Cut));
        };
        let header = match Header::parse(bytes) {
            Ok(header) => header,
            Err(fault) => return Ok(Err(fault)),
        };
        let length = usize::try_from(header.checkpoint_bytes).unwrap_or(usize::MAX);
        let whole = self.fill(HEADER_BYTES.saturating_add(length))?;
        let checkpoint = whole.get(HEADER_BYTES..HEADER_BYTES.saturating_add(length));
        Ok(match checkpoint {
            None => Err(FrameFault::Cut),
            Some(bytes) if crc32fast::hash(bytes) != header.checkpoint_sum => {
                Err(FrameFault::Checksum)
            }
            Some(bytes) => Ok((header, bytes.to_vec())),
        })
    }

    /// A whole record at the window's start, which then moves behind it.
    fn try_record(&mut self) -> io::Result<Result<Piece, FrameFault>> {
        let Some(bytes) = self.fill(HEAD_BYTES)?.first_chunk() else {
            return Ok(Err(FrameFault::Cut));
        };
        let head = match Head::parse(bytes) {
            Ok(head) => head,
            Err(fault) => return Ok(Err(fault)),
        };
        let end =
            HEAD_BYTES.saturating_add(usize::try_from(head.payload_bytes).unwrap_or(usize::MAX));
        let Some(payload) = self.fill(end)?.get(HEAD_BYTES..end) else {
            return Ok(Err(FrameFault::Cut));
        };
        if head.hash_with(payload) != head.hash {
            return Ok(Err(FrameFault::Hash));
        }
        let payload = payload.to_vec();
        self.advance(end);
        Ok(Ok(Piece::Record { head, payload }))
    }

    /// The window, with at least `wanted` bytes unless the file ends before.
    fn fill(&mut self, wanted: usize) -> io::Result<&[u8]> {
        let have = self.window.len() - self.start;
        if have < wanted {
            self.window.drain(..self.start);
            self.start = 0;
            let missing = wanted.max(WINDOW_BYTES) - have;
            let limit = u64::try_from(missing).unwrap_or(u64::MAX);
            self.source
                .by_ref()
                .take(limit)
                .read_to_end(&mut self.window)?;
        }
        Ok(self.window.get(self.start..).unwrap_or_default())
    }

    fn advance(&mut self, by: usize) {
        self.start = (self.start + by).min(self.window.len());
        self.offset += u64::try_from(by).unwrap_or(u64::MAX);
    }
}
