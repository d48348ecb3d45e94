// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Walks over one segment and says which records count. The one place that tells a torn tail from
//! damage: a record that was on the disk when a later one was written (`Head::durable`) is damage
//! when it is broken; what nobody had an acknowledgement for is a torn tail. See
//! `docs/formats/ledger.md`.

use std::path::PathBuf;

use platen_store::{Disk, Sealer};
use serde::{Deserialize, Serialize};

use crate::books::Books;
use crate::entry::{Entry, Recorded, Stamp};
use crate::error::LedgerError;
use crate::frame::{FrameFault, Head, Header, Tip, VERSION};
use crate::reader::{FrameReader, Piece};
use crate::segment::{self, SegmentId};
use crate::verify::{Fault, FaultKind};

/// What is sealed in a record.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) at: Stamp,
    pub(crate) entry: Entry,
}

/// What a walk comes by.
#[derive(Debug)]
pub(crate) enum Event {
    /// A record that counts.
    Entry(Recorded),
    /// Damage; the walk goes on behind it.
    Fault(Fault),
    /// The end of what counts, and bytes behind it that nobody had an acknowledgement for.
    Torn(Fault),
}

struct Break {
    sequence: u64,
    offset: u64,
    fault: FrameFault,
}

/// A walk over one segment.
pub(crate) struct Walk<'a> {
    disk: &'a dyn Disk,
    sealer: &'a Sealer,
    path: PathBuf,
    until: u64,
    reader: FrameReader,
    /// The last record that counts.
    pub(crate) tip: Tip,
    /// Where the next record must begin.
    pub(crate) end: u64,
    /// Whether the tip's hash is known: not so behind a damaged header with nothing before it.
    anchored: bool,
    broken: Option<Break>,
    durable: Option<u64>,
    waiting: Option<Event>,
    done: bool,
}

/// How a segment begins.
pub(crate) struct Start<'a> {
    pub(crate) walk: Walk<'a>,
    /// Header and books, or what is wrong with them.
    pub(crate) checkpoint: Result<(Header, Books), FrameFault>,
}

impl<'a> Walk<'a> {
    /// Opens a segment that follows `tip`, or, without one, takes the segment's own word for what
    /// came before. Only the first `until` bytes count.
    pub(crate) fn start(
        disk: &'a dyn Disk,
        sealer: &'a Sealer,
        id: SegmentId,
        tip: Option<Tip>,
        until: u64,
    ) -> Result<Start<'a>, LedgerError> {
        let path = id.path();
        let failed = |error| LedgerError::disk(&path, error);
        let mut reader = FrameReader::new(disk.open(&path).map_err(failed)?, until);
        let header = reader.header().map_err(failed)?;
        if let Ok((Header { version, .. }, _)) = header
            && version > VERSION
        {
            let found = version;
            return Err(LedgerError::Version { path, found });
        }
        let checkpoint = header.and_then(|(header, sealed)| {
            if header.first != id.0 {
                return Err(FrameFault::Name);
            }
            let books = segment::open_checkpoint(sealer, &header, &sealed)?;
            Ok((header, books))
        });
        let own = checkpoint.as_ref().ok().map(|(header, _)| Tip {
            sequence: id.before(),
            hash: header.before,
        });
        let nothing = Tip {
            sequence: id.before(),
            ..Tip::GENESIS
        };
        let end = reader.offset();
        let known = tip.or(own);
        let walk = Self {
            disk,
            sealer,
            path,
            until,
            reader,
            tip: known.unwrap_or(nothing),
            end,
            anchored: known.is_some(),
            broken: None,
            durable: None,
            waiting: None,
            done: false,
        };
        Ok(Start { walk, checkpoint })
    }

    pub(crate) fn next_event(&mut self) -> Result<Option<Event>, LedgerError> {
        if let Some(event) = self.waiting.take() {
            return Ok(Some(event));
        }
        while !self.done {
            let offset = self.reader.offset();
            let piece = self
                .reader
                .next_piece()
                .map_err(|error| LedgerError::disk(&self.path, error))?;
            let event = match piece {
                None => self.finish(),
                Some(Piece::Broken(fault)) => {
                    self.note(offset, fault);
                    None
                }
                Some(Piece::Record { head, payload }) => self.record(offset, head, &payload)?,
            };
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    fn finish(&mut self) -> Option<Event> {
        self.done = true;
        let broken = self.broken.take()?;
        Some(Event::Torn(self.fault(&broken)))
    }

    fn note(&mut self, offset: u64, fault: FrameFault) {
        let sequence = self.tip.next();
        self.broken.get_or_insert(Break {
            sequence,
            offset,
            fault,
        });
    }

    fn record(
        &mut self,
        offset: u64,
        head: Head,
        payload: &[u8],
    ) -> Result<Option<Event>, LedgerError> {
        let content = self.open(&head, payload);
        let entry = match content {
            Ok(content) => Recorded {
                sequence: head.sequence,
                hash: head.hash,
                at: content.at,
                entry: content.entry,
            },
            Err(fault) => {
                self.note(offset, fault);
                return Ok(None);
            }
        };
        let hash_follows = head.previous == self.tip.hash || !self.anchored;
        let follows = head.sequence == self.tip.next() && hash_follows;
        if follows && self.broken.is_none() {
            self.accept(&head);
            return Ok(Some(Event::Entry(entry)));
        }
        self.note(offset, FrameFault::Chain);
        if !self.was_acknowledged(&head)? {
            return Ok(None);
        }
        let fault = self.broken.take().map(|broken| self.fault(&broken));
        self.accept(&head);
        self.waiting = Some(Event::Entry(entry));
        Ok(fault.map(Event::Fault))
    }

    /// Whether a record behind a break counts: it, or the broken one before it, was on the disk
    /// when a later record was written.
    fn was_acknowledged(&mut self, head: &Head) -> Result<bool, LedgerError> {
        let expected = self.tip.next();
        if head.sequence < expected {
            return Ok(false);
        }
        Ok(head.durable >= expected || head.sequence <= self.durable()?)
    }

    /// The highest `durable` in the whole segment; read once, and only when something is broken.
    fn durable(&mut self) -> Result<u64, LedgerError> {
        if let Some(known) = self.durable {
            return Ok(known);
        }
        let failed = |error| LedgerError::disk(&self.path, error);
        let source = self.disk.open(&self.path).map_err(failed)?;
        let mut reader = FrameReader::new(source, self.until);
        let _ = reader.header().map_err(failed)?;
        let mut highest = 0;
        while let Some(piece) = reader.next_piece().map_err(failed)? {
            if let Piece::Record { head, payload } = piece
                && self.open(&head, &payload).is_ok()
            {
                highest = highest.max(head.durable);
            }
        }
        self.durable = Some(highest);
        Ok(highest)
    }

    fn open(&self, head: &Head, payload: &[u8]) -> Result<Content, FrameFault> {
        let context = Head::context(head.sequence, head.previous);
        let plain = self
            .sealer
            .open(&context, payload)
            .map_err(|_| FrameFault::Sealed)?;
        ciborium::from_reader(plain.as_slice()).map_err(|_| FrameFault::Content)
    }

    fn accept(&mut self, head: &Head) {
        self.tip = head.tip();
        self.anchored = true;
        self.end = self.reader.offset();
    }

    fn fault(&self, broken: &Break) -> Fault {
        Fault {
            path: self.path.clone(),
            kind: FaultKind::Record {
                sequence: broken.sequence,
                offset: broken.offset,
            },
            what: broken.fault.sentence(),
        }
    }
}
