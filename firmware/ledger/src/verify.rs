// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads the whole ledger and says what is wrong with it. Changes nothing; memory is bounded by one
//! record and the books, however long the ledger is. Reads only what is acknowledged, so that it
//! may run beside the writer.

use std::fmt;
use std::path::PathBuf;

use platen_store::{Disk, Sealer};

use crate::books::Books;
use crate::error::LedgerError;
use crate::frame::{ChainHash, FrameFault, Header, Tip};
use crate::segment::{self, SegmentId};
use crate::walk::{Event, Start, Walk};

/// Faults named one by one; more are only counted.
pub const FAULTS_MAX: usize = 1000;

/// What reading everything showed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verification {
    /// Entries that are whole and in their place.
    pub entries: u64,
    /// Sequence number of the last one.
    pub sequence: u64,
    /// Hash of the chain up to and with it.
    pub head: ChainHash,
    /// What is wrong, [`FAULTS_MAX`] at most.
    pub faults: Vec<Fault>,
    /// Faults beyond that.
    pub faults_left_out: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// The segment, relative to the data directory.
    pub path: PathBuf,
    /// Which part of it.
    pub kind: FaultKind,
    /// What is wrong with it, such as `its checksum does not fit`.
    pub what: &'static str,
}

/// The part of a segment that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// Its header or checkpoint.
    Header,
    /// A record.
    Record {
        /// The sequence number it has or must have had.
        sequence: u64,
        /// Where it begins, bytes from the file's start.
        offset: u64,
    },
    /// Records are missing before it.
    Gap {
        /// The sequence number that should come first in it.
        expected: u64,
    },
    /// Acknowledged records are missing at its end.
    Missing {
        /// The last sequence number that was acknowledged.
        last: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.kind {
            FaultKind::Header => write!(f, "{path}: header: {}", self.what),
            FaultKind::Record { sequence, offset } => {
                write!(
                    f,
                    "{path}: record {sequence} at byte {offset}: {}",
                    self.what
                )
            }
            FaultKind::Gap { expected } => {
                write!(
                    f,
                    "{path}: should begin with record {expected}: {}",
                    self.what
                )
            }
            FaultKind::Missing { last } => {
                write!(f, "{path}: should end with record {last}: {}", self.what)
            }
        }
    }
}

/// What is acknowledged: the tip, and how much of the active segment belongs to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) tip: Tip,
    pub(crate) active: Option<(SegmentId, u64)>,
}

impl Acknowledged {
    /// The segments that may be read, oldest first.
    pub(crate) fn segments(&self, disk: &dyn Disk) -> Result<Vec<SegmentId>, LedgerError> {
        let last = self.active.map_or(self.tip.sequence, |(id, _)| id.0);
        let mut ids = segment::list(disk)?;
        ids.retain(|id| id.0 <= last);
        Ok(ids)
    }

    /// Bytes of a segment that may be read.
    pub(crate) fn until(&self, id: SegmentId) -> u64 {
        match self.active {
            Some((active, length)) if active == id => length,
            _ => u64::MAX,
        }
    }
}

struct Check {
    result: Verification,
    books: Books,
    /// Whether the books hold everything so far, so that checkpoints can be compared with them.
    books_whole: bool,
}

pub(crate) fn verify(
    disk: &dyn Disk,
    sealer: &Sealer,
    acknowledged: &Acknowledged,
) -> Result<Verification, LedgerError> {
    let mut check = Check {
        result: Verification {
            entries: 0,
            sequence: 0,
            head: ChainHash::GENESIS,
            faults: Vec::new(),
            faults_left_out: 0,
        },
        books: Books::default(),
        books_whole: true,
    };
    for path in segment::list_set_aside(disk)? {
        let kind = FaultKind::Header;
        let what = "it was set aside at a start, since nothing in it could be read";
        check.push(Fault { path, kind, what });
    }
    // Nothing but the chain's beginning has been read: the books are whole still.
    check.books_whole = true;
    let mut tip = Tip::GENESIS;
    for id in acknowledged.segments(disk)? {
        tip = check.segment(disk, sealer, id, tip, acknowledged.until(id))?;
    }
    if tip != acknowledged.tip {
        let last = acknowledged.tip.sequence;
        let active = acknowledged.active.map_or(SegmentId(1), |(id, _)| id);
        let what = "the last acknowledged record is not there";
        check.fault(active, FaultKind::Missing { last }, what);
    }
    check.result.sequence = tip.sequence;
    check.result.head = tip.hash;
    Ok(check.result)
}

impl Check {
    fn segment(
        &mut self,
        disk: &dyn Disk,
        sealer: &Sealer,
        id: SegmentId,
        tip: Tip,
        until: u64,
    ) -> Result<Tip, LedgerError> {
        let expected = tip.next();
        let follows = id.0 == expected;
        if !follows {
            let what = "records are missing or doubled";
            self.fault(id, FaultKind::Gap { expected }, what);
        }
        let tip = follows.then_some(tip);
        let Start {
            mut walk,
            checkpoint,
        } = Walk::start(disk, sealer, id, tip, until)?;
        self.checkpoint(id, tip, checkpoint);
        while let Some(event) = walk.next_event()? {
            match event {
                Event::Entry(record) => {
                    self.result.entries += 1;
                    drop(self.books.apply(&record.entry));
                }
                Event::Fault(fault) | Event::Torn(fault) => self.push(fault),
            }
        }
        Ok(walk.tip)
    }

    fn checkpoint(
        &mut self,
        id: SegmentId,
        tip: Option<Tip>,
        found: Result<(Header, Books), FrameFault>,
    ) {
        match found {
            Err(fault) => self.fault(id, FaultKind::Header, fault.sentence()),
            Ok((header, _)) if tip.is_some_and(|tip| tip.hash != header.before) => {
                self.fault(id, FaultKind::Header, FrameFault::Chain.sentence());
            }
            Ok((_, books)) if self.books_whole && books != self.books => {
                let what = "its checkpoint differs from what the records before it say";
                self.fault(id, FaultKind::Header, what);
            }
            Ok((_, books)) => {
                self.books = books;
                self.books_whole = true;
            }
        }
    }

    fn fault(&mut self, id: SegmentId, kind: FaultKind, what: &'static str) {
        let path = id.path();
        self.push(Fault { path, kind, what });
    }

    fn push(&mut self, fault: Fault) {
        self.books_whole = false;
        if self.result.faults.len() < FAULTS_MAX {
            self.result.faults.push(fault);
        } else {
            self.result.faults_left_out += 1;
        }
    }
}
