// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a start finds: reads the last segment, cuts a torn tail, never cuts damage.

use std::path::PathBuf;

use platen_model::Chain;
use platen_store::{Disk, Sealer};

use crate::books::Books;
use crate::error::LedgerError;
use crate::frame::{FrameFault, Tip, VERSION};
use crate::segment::{self, SegmentId};
use crate::verify::{Fault, FaultKind};
use crate::walk::{Event, Start, Walk};

/// The ledger as it was found.
pub(crate) struct Recovered {
    pub(crate) tip: Tip,
    pub(crate) books: Books,
    /// The segment to go on in and its length; `None` when a new one must be begun.
    pub(crate) active: Option<(SegmentId, u64)>,
    pub(crate) repair: Option<Repair>,
    pub(crate) faults: Vec<Fault>,
}

/// A torn tail that was cut.
pub(crate) struct Repair {
    pub(crate) segment: SegmentId,
    pub(crate) bytes: u64,
    /// Where the cut bytes are now; `None` when there was no room for them.
    pub(crate) kept: Option<PathBuf>,
}

pub(crate) fn recover(disk: &dyn Disk, sealer: &Sealer) -> Result<Recovered, LedgerError> {
    let ids = segment::list(disk)?;
    let mut found = Recovered {
        tip: Tip::GENESIS,
        books: Books::default(),
        active: None,
        repair: None,
        faults: Vec::new(),
    };
    let from = last_checkpoint(disk, sealer, &ids)?;
    let mut tip = None;
    let mut rest = ids.iter().skip(from).peekable();
    while let Some(&id) = rest.next() {
        let last = rest.peek().is_none();
        found.replay(disk, sealer, id, tip, last)?;
        tip = Some(found.tip);
    }
    Ok(found)
}

/// Index of the last segment whose checkpoint opens; 0 when all of them are damaged.
fn last_checkpoint(
    disk: &dyn Disk,
    sealer: &Sealer,
    ids: &[SegmentId],
) -> Result<usize, LedgerError> {
    let mut sealed = None;
    for (index, &id) in ids.iter().enumerate().rev() {
        match Walk::start(disk, sealer, id, None, u64::MAX)?.checkpoint {
            Ok(_) => return Ok(index),
            Err(FrameFault::Sealed) => sealed = Some(id.path()),
            Err(_) => {}
        }
    }
    sealed.map_or(Ok(0), |path| Err(LedgerError::WrongKey { path }))
}

impl Recovered {
    fn replay(
        &mut self,
        disk: &dyn Disk,
        sealer: &Sealer,
        id: SegmentId,
        tip: Option<Tip>,
        last: bool,
    ) -> Result<(), LedgerError> {
        let faults_before = self.faults.len();
        let Start {
            mut walk,
            checkpoint,
        } = Walk::start(disk, sealer, id, tip, u64::MAX)?;
        // What an older program may read must stay so: a new version begins with a new segment.
        let current = matches!(&checkpoint, Ok((header, _)) if header.version == VERSION);
        match checkpoint {
            Ok((_, books)) => self.books = books,
            Err(fault) => self.faults.push(Fault {
                path: id.path(),
                kind: FaultKind::Header,
                what: fault.sentence(),
            }),
        }
        let mut torn = None;
        while let Some(event) = walk.next_event()? {
            match event {
                Event::Entry(record) => drop(self.books.apply(&record.entry)),
                Event::Fault(fault) => self.faults.push(fault),
                Event::Torn(fault) => torn = Some(fault),
            }
        }
        let (tip, end) = (walk.tip, walk.end);
        self.tip = tip;
        let whole = self.faults.len() == faults_before;
        if whole && last {
            if torn.is_some() {
                self.repair = Some(cut(disk, id, end)?);
            }
            self.active = current.then_some((id, end));
            return Ok(());
        }
        self.faults.extend(torn);
        if last && tip.sequence < id.0 {
            // Nothing in it can be read, and the next segment needs its name.
            let path = id.path();
            segment::set_aside(disk, &path).map_err(|error| LedgerError::disk(&path, error))?;
        }
        Ok(())
    }
}

fn cut(disk: &dyn Disk, id: SegmentId, end: u64) -> Result<Repair, LedgerError> {
    let path = id.path();
    let bytes = segment::length(disk, &path)?.saturating_sub(end);
    let kept = match segment::keep_tail(disk, &path, end) {
        Ok(kept) => Some(kept),
        Err(error) => {
            // Nobody had an acknowledgement for these bytes, and the box must start.
            log::warn!(err:% = Chain(&error), bytes; "a torn ledger tail could not be kept aside");
            None
        }
    };
    disk.truncate(&path, end)
        .map_err(|error| LedgerError::disk(&path, error))?;
    log::warn!(segment = id.0, bytes; "a torn ledger tail was cut");
    Ok(Repair {
        segment: id,
        bytes,
        kept,
    })
}
