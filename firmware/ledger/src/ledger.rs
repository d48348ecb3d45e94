// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ledger as the daemon sees it: opening, appending, reading.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use platen_model::{Chain, Clock, JobId, JobNumber};
use platen_store::{Disk, Keys};
use smol::channel::{Receiver, Sender, bounded};

use crate::entry::{Entry, OpenRelease, Recorded, SettledRelease};
use crate::error::LedgerError;
use crate::frame::ChainHash;
use crate::recover;
use crate::verify::{self, Acknowledged, Fault, Verification};
use crate::walk::{Event, Walk};
use crate::writer::{Listeners, Request, Writer};

/// Appends that may wait for the writer. More of them wait in their callers.
pub const WAITING_MAX: usize = 1024;
/// Entries that [`Ledger::entries`] returns at most.
pub const ENTRIES_MAX: usize = 1000;

/// Sizes that tests make small.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A segment of this many bytes is not appended to any more.
    pub segment_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segment_bytes: 8 * 1024 * 1024,
        }
    }
}

/// Proof that an entry is on the disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Receipt {
    /// The entry's place, from 1, without gaps.
    pub sequence: u64,
    /// Hash of the chain up to and with it.
    pub hash: ChainHash,
}

/// What opening found.
#[derive(Clone, Debug)]
pub struct LedgerReport {
    /// Releases without an end: these jobs were interrupted.
    pub open_releases: Vec<OpenRelease>,
    /// Jobs that were stopped or interrupted before and not released again, with their last
    /// attempt: their owners are still to be asked.
    pub stopped: Vec<(JobId, u32)>,
    /// Releases settled last, oldest first. Their jobs have ended, whatever the spool says.
    pub settled: Vec<SettledRelease>,
    /// The highest job number ever recorded, if there is one.
    pub highest_job_number: Option<JobNumber>,
    /// The last entry before this start; sequence 0 in a new ledger.
    pub head: Receipt,
    /// Bytes of a torn tail that were cut. Nobody had an acknowledgement for them.
    pub repaired_bytes: u64,
    /// Where those bytes are kept.
    pub torn_tail: Option<PathBuf>,
    /// Damage to acknowledged records in what a start reads (the last segment). It stays as it is
    /// and appending goes on in a new segment; [`Ledger::verify`] goes on showing it.
    pub faults: Vec<Fault>,
}

/// The journal of this box. Share it in an [`Arc`]; dropping it ends the writer thread after
/// everything that waits is written.
pub struct Ledger {
    disk: Arc<dyn Disk>,
    keys: Arc<Keys>,
    requests: Sender<Request>,
    acknowledged: Arc<Mutex<Acknowledged>>,
    listeners: Listeners,
    thread: Option<JoinHandle<()>>,
}

impl Ledger {
    /// Opens the ledger in directory `ledger` of `disk`, repairs a torn tail and starts the writer.
    /// Blocks; reads one segment. Two processes must not open one ledger: the caller holds the lock
    /// on the data directory.
    ///
    /// # Errors
    /// [`LedgerError::Version`], [`LedgerError::WrongKey`], [`LedgerError::Disk`]. Damage is no
    /// error: it is in the report.
    pub fn open(
        disk: Arc<dyn Disk>,
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, LedgerReport), LedgerError> {
        Self::open_with(disk, keys, clock, Limits::default())
    }

    /// [`Ledger::open`] with other limits.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_with(
        disk: Arc<dyn Disk>,
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Result<(Self, LedgerReport), LedgerError> {
        let found = recover::recover(&*disk, keys.values())?;
        let highest = found.books.highest_number();
        let repair = found.repair.as_ref();
        let report = LedgerReport {
            open_releases: found.books.open_releases(),
            stopped: found.books.stopped_releases(),
            settled: found.books.settled_releases(),
            highest_job_number: (highest > 0).then_some(JobNumber(highest)),
            head: Receipt {
                sequence: found.tip.sequence,
                hash: found.tip.hash,
            },
            repaired_bytes: repair.map_or(0, |repair| repair.bytes),
            torn_tail: repair.and_then(|repair| repair.kept.clone()),
            faults: found.faults.clone(),
        };
        for fault in &report.faults {
            log::error!(fault:% = fault; "the ledger is damaged");
        }
        let repaired = repair.map(|repair| Entry::Repaired {
            segment: repair.segment.0,
            bytes: repair.bytes,
        });
        let mut writer = Writer::new(Arc::clone(&disk), Arc::clone(&keys), clock, limits, found);
        if let Some(entry) = repaired {
            record_repair(&mut writer, entry);
        }
        let acknowledged = writer.acknowledged();
        let listeners = writer.listeners();
        let (requests, receiver) = bounded(WAITING_MAX);
        let thread = thread::Builder::new()
            .name("ledger".into())
            .spawn(move || writer.run(&receiver))
            .map_err(|_| LedgerError::Closed)?;
        let ledger = Self {
            disk,
            keys,
            requests,
            acknowledged,
            listeners,
            thread: Some(thread),
        };
        Ok((ledger, report))
    }

    /// Records `entry` and returns when it survives a power cut. A dropped future takes nothing
    /// back: the entry may be recorded all the same.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing is recorded then. After a failed sync the entry may still turn up
    /// after a power cut: a release that was refused so shows as interrupted, with no byte sent.
    pub async fn append(&self, entry: Entry) -> Result<Receipt, LedgerError> {
        let (request, answer) = ask(entry);
        let sent = self.requests.send(request).await;
        sent.map_err(|_| LedgerError::Closed)?;
        answer.recv().await.map_err(|_| LedgerError::Closed)?
    }

    /// [`Ledger::append`] for threads.
    ///
    /// # Errors
    /// As [`Ledger::append`].
    pub fn append_blocking(&self, entry: Entry) -> Result<Receipt, LedgerError> {
        let (request, answer) = ask(entry);
        let sent = self.requests.send_blocking(request);
        sent.map_err(|_| LedgerError::Closed)?;
        answer.recv_blocking().map_err(|_| LedgerError::Closed)?
    }

    /// The last acknowledged entry; sequence 0 in an empty ledger.
    #[must_use]
    pub fn head(&self) -> Receipt {
        let tip = self.acknowledged().tip;
        Receipt {
            sequence: tip.sequence,
            hash: tip.hash,
        }
    }

    /// Reads everything and says what is wrong. Blocks for as long as the ledger is; appending goes
    /// on meanwhile.
    ///
    /// # Errors
    /// [`LedgerError::Disk`] when something can't be read at all; [`LedgerError::Version`].
    pub fn verify(&self) -> Result<Verification, LedgerError> {
        verify::verify(&*self.disk, self.keys.values(), &self.acknowledged())
    }

    /// Entries from sequence number `from` on, `limit` (and [`ENTRIES_MAX`]) at most. Damaged
    /// records are left out, so a hole in the sequence numbers is damage. Blocks; reads from the
    /// beginning of `from`'s segment.
    ///
    /// # Errors
    /// As [`Ledger::verify`].
    pub fn entries(&self, from: u64, limit: usize) -> Result<Vec<Recorded>, LedgerError> {
        let limit = limit.min(ENTRIES_MAX);
        let mut entries = Vec::new();
        if limit == 0 {
            return Ok(entries);
        }
        self.replay(from, |record| {
            entries.push(record);
            match entries.len() < limit {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        })?;
        Ok(entries)
    }

    /// Gives `each` every entry from sequence number `from` on, as far as they are acknowledged
    /// now, until it has enough. Damaged records are left out, so a hole in the sequence numbers is
    /// damage. Blocks; memory is bounded by one record.
    ///
    /// # Errors
    /// As [`Ledger::verify`].
    pub fn replay(
        &self,
        from: u64,
        mut each: impl FnMut(Recorded) -> ControlFlow<()>,
    ) -> Result<(), LedgerError> {
        let acknowledged = self.acknowledged();
        let ids = acknowledged.segments(&*self.disk)?;
        let behind = ids.partition_point(|id| id.0 <= from);
        for &id in ids.iter().skip(behind.saturating_sub(1)) {
            let until = acknowledged.until(id);
            let mut walk = Walk::start(&*self.disk, self.keys.values(), id, None, until)?.walk;
            while let Some(event) = walk.next_event()? {
                if let Event::Entry(record) = event
                    && record.sequence >= from
                    && each(record).is_break()
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Tells of new entries: something is received after each group of them is on the disk, once
    /// for many where nobody looks in between. What is new is behind the last look's [`Self::head`].
    #[must_use]
    pub fn appended(&self) -> Receiver<()> {
        let (sender, receiver) = bounded(1);
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.push(sender);
        receiver
    }

    fn acknowledged(&self) -> Acknowledged {
        *self
            .acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.requests.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("the ledger's writer panicked");
        }
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({})", self.head().sequence)
    }
}

type Answer = Receiver<Result<Receipt, LedgerError>>;

fn ask(entry: Entry) -> (Request, Answer) {
    let (reply, answer) = bounded(1);
    (Request { entry, reply }, answer)
}

/// A full disk must not keep the box from starting; the report tells of the repair anyway.
fn record_repair(writer: &mut Writer, entry: Entry) {
    let (request, answer) = ask(entry);
    writer.commit(vec![request]);
    if let Ok(Err(error)) = answer.try_recv() {
        log::warn!(err:% = Chain(&error); "the repair of the ledger could not be recorded");
    }
}
