// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The one thread that appends: takes everything that waits, writes it at once, syncs once, answers
//! all. What happens when that fails: `docs/formats/ledger.md`, "When writing fails".

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use platen_model::{Chain, Clock};
use platen_store::{Disk, DiskFile, Keys};
use smol::channel::{Receiver, Sender, TrySendError};

use crate::books::{Books, Undo};
use crate::entry::Entry;
use crate::error::LedgerError;
use crate::frame::{Head, PAYLOAD_BYTES_MAX, Tip};
use crate::ledger::{Limits, Receipt};
use crate::recover::Recovered;
use crate::segment::{self, SegmentId};
use crate::verify::Acknowledged;
use crate::walk::{Content, Event, Walk};

/// Entries written and synced together, at most: bounds the memory of a group to 12 MiB at the
/// records' limit, some 50 KiB in practice.
pub(crate) const GROUP_MAX: usize = 128;

/// Who wants to hear of new entries.
pub(crate) type Listeners = Arc<Mutex<Vec<Sender<()>>>>;

/// One entry that somebody waits for.
pub(crate) struct Request {
    pub(crate) entry: Entry,
    pub(crate) reply: Sender<Result<Receipt, LedgerError>>,
}

/// The segment that is appended to.
struct Active {
    id: SegmentId,
    /// Acknowledged bytes.
    length: u64,
    file: Option<Box<dyn DiskFile>>,
    doubt: Option<Doubt>,
}

/// Why there may be bytes behind the acknowledged ones.
#[derive(Clone, Copy, PartialEq)]
enum Doubt {
    /// A write failed; nothing was synced, everything before it was.
    Written,
    /// A sync failed: what the disk holds of the last group is not known.
    Synced,
}

/// What a group becomes while it is built.
#[derive(Default)]
struct Group {
    bytes: Vec<u8>,
    undo: Vec<Undo>,
    waiting: Vec<(Sender<Result<Receipt, LedgerError>>, Receipt)>,
}

pub(crate) struct Writer {
    disk: Arc<dyn Disk>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    books: Books,
    tip: Tip,
    active: Option<Active>,
    acknowledged: Arc<Mutex<Acknowledged>>,
    listeners: Listeners,
}

impl Writer {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        keys: Arc<Keys>,
        clock: Arc<dyn Clock>,
        limits: Limits,
        found: Recovered,
    ) -> Self {
        let acknowledged = Acknowledged {
            tip: found.tip,
            active: found.active,
        };
        let active = found.active.map(|(id, length)| Active {
            id,
            length,
            file: None,
            doubt: None,
        });
        Self {
            disk,
            keys,
            clock,
            limits,
            books: found.books,
            tip: found.tip,
            active,
            acknowledged: Arc::new(Mutex::new(acknowledged)),
            listeners: Listeners::default(),
        }
    }

    /// Who is told of new entries; kept by the [`crate::Ledger`].
    pub(crate) fn listeners(&self) -> Listeners {
        Arc::clone(&self.listeners)
    }

    /// What readers may look at; kept true by this writer.
    pub(crate) fn acknowledged(&self) -> Arc<Mutex<Acknowledged>> {
        Arc::clone(&self.acknowledged)
    }

    /// Works until nobody can ask any more.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) {
        while let Ok(first) = requests.recv_blocking() {
            let more = std::iter::from_fn(|| requests.try_recv().ok());
            let group = std::iter::once(first).chain(more).take(GROUP_MAX).collect();
            self.commit(group);
        }
    }

    /// Records a group and answers everybody in it.
    pub(crate) fn commit(&mut self, requests: Vec<Request>) {
        if let Err(error) = self.prepare() {
            for request in requests {
                answer(&request.reply, Err(error.clone()));
            }
            return;
        }
        let before = self.tip;
        let mut group = Group::default();
        for Request { entry, reply } in requests {
            match self.stage(&mut group, entry, before.sequence) {
                Ok(receipt) => group.waiting.push((reply, receipt)),
                Err(error) => answer(&reply, Err(error)),
            }
        }
        if group.waiting.is_empty() {
            return;
        }
        match self.write(&group.bytes) {
            Ok(()) => {
                self.publish();
                self.tell_listeners();
                for (reply, receipt) in group.waiting {
                    answer(&reply, Ok(receipt));
                }
            }
            Err(error) => {
                self.tip = before;
                for undo in group.undo.into_iter().rev() {
                    self.books.undo(undo);
                }
                // Now, so that a full disk gets its bytes back; tried again before the next group.
                if let Err(error) = self.heal() {
                    log::warn!(err:% = Chain(&error); "the ledger's tail could not be cut yet");
                }
                for (reply, _) in group.waiting {
                    answer(&reply, Err(error.clone()));
                }
            }
        }
    }

    /// A segment with a trusted end and room in it.
    fn prepare(&mut self) -> Result<(), LedgerError> {
        self.heal()?;
        let limit = self.limits.segment_bytes;
        if self
            .active
            .as_ref()
            .is_none_or(|active| active.length >= limit)
        {
            let (id, length) =
                segment::create(&*self.disk, self.keys.values(), self.tip, &self.books)?;
            self.active = Some(Active {
                id,
                length,
                file: None,
                doubt: None,
            });
            self.publish();
        }
        Ok(())
    }

    /// Brings the segment back to its acknowledged bytes after a failure. After a failed sync its
    /// records are read again and the ledger goes on in a new segment: the kernel may have marked
    /// pages clean that never reached the disk, and a new file has none of those.
    fn heal(&mut self) -> Result<(), LedgerError> {
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        let Some(doubt) = active.doubt else {
            return Ok(());
        };
        active.file = None;
        let path = active.id.path();
        self.disk
            .truncate(&path, active.length)
            .map_err(|error| LedgerError::disk(&path, error))?;
        active.doubt = None;
        if doubt == Doubt::Synced {
            let (id, length) = (active.id, active.length);
            self.reread(id, length)?;
            self.active = None;
        }
        Ok(())
    }

    fn reread(&self, id: SegmentId, length: u64) -> Result<(), LedgerError> {
        let mut walk = Walk::start(&*self.disk, self.keys.values(), id, None, length)?.walk;
        while let Some(event) = walk.next_event()? {
            if let Event::Fault(fault) | Event::Torn(fault) = event {
                log::error!(fault:% = fault; "the ledger is damaged");
            }
        }
        if walk.tip != self.tip {
            // Acknowledged records are gone. The chain in memory goes on, so that the gap shows.
            log::error!(segment = id.0; "the disk lost acknowledged ledger records");
        }
        Ok(())
    }

    fn stage(
        &mut self,
        group: &mut Group,
        entry: Entry,
        durable: u64,
    ) -> Result<Receipt, LedgerError> {
        self.books.check(&entry)?;
        let at = self.clock.now().into();
        let content = Content { at, entry };
        let mut plain = Vec::new();
        ciborium::into_writer(&content, &mut plain)
            .expect("entries are plain data and memory takes all bytes");
        let context = Head::context(self.tip.next(), self.tip.hash);
        let sealer = self.keys.values();
        let sealed = sealer.seal(&context, &plain).map_err(LedgerError::Seal)?;
        if sealed.len() > PAYLOAD_BYTES_MAX {
            return Err(LedgerError::TooLarge {
                size_bytes: sealed.len(),
                limit_bytes: PAYLOAD_BYTES_MAX,
            });
        }
        let head = Head::of(self.tip, durable, &sealed);
        group.bytes.extend_from_slice(&head.encode());
        group.bytes.extend_from_slice(&sealed);
        group.undo.push(self.books.apply(&content.entry));
        self.tip = head.tip();
        Ok(Receipt {
            sequence: head.sequence,
            hash: head.hash,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LedgerError> {
        let active = self.active.as_mut().ok_or(LedgerError::Closed)?;
        let path = active.id.path();
        let failed = |error| LedgerError::disk(&path, error);
        let file = match &mut active.file {
            Some(file) => file,
            none => none.insert(self.disk.append(&path).map_err(failed)?),
        };
        let written = write_all(&mut **file, bytes);
        if let Err((doubt, error)) = written {
            active.doubt = Some(doubt);
            return Err(failed(error));
        }
        active.length += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// A listener that has not looked yet is told once for many.
    fn tell_listeners(&self) {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| match listener.try_send(()) {
            Ok(()) | Err(TrySendError::Full(())) => true,
            Err(TrySendError::Closed(())) => false,
        });
    }

    fn publish(&self) {
        let mut acknowledged = self
            .acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        acknowledged.tip = self.tip;
        acknowledged.active = self
            .active
            .as_ref()
            .map(|active| (active.id, active.length));
    }
}

fn write_all(file: &mut dyn DiskFile, bytes: &[u8]) -> Result<(), (Doubt, io::Error)> {
    file.write_all(bytes)
        .map_err(|error| (Doubt::Written, error))?;
    file.sync().map_err(|error| (Doubt::Synced, error))
}

/// Whoever asked may have gone meanwhile; the record stays.
fn answer(reply: &Sender<Result<Receipt, LedgerError>>, result: Result<Receipt, LedgerError>) {
    let _ = reply.try_send(result);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use platen_model::ManualClock;
    use platen_store::SimDisk;
    use smol::channel::bounded;

    use super::*;
    use crate::frame::HEAD_BYTES;
    use crate::recover::recover;

    fn started() -> Entry {
        Entry::Started {
            version: "0.1.0".into(),
        }
    }

    fn commit(writer: &mut Writer, entries: usize) -> Vec<Receipt> {
        let (reply, answers) = bounded(entries);
        let request = |_| Request {
            entry: started(),
            reply: reply.clone(),
        };
        writer.commit((0..entries).map(request).collect());
        let answer = || answers.try_recv().unwrap().unwrap();
        (0..entries).map(|_| answer()).collect()
    }

    fn writer(disk: &SimDisk, keys: &Arc<Keys>) -> Writer {
        let found = recover(disk, keys.values()).unwrap();
        let disk = Arc::new(disk.clone());
        let clock = Arc::new(ManualClock::at(1));
        Writer::new(disk, Arc::clone(keys), clock, Limits::default(), found)
    }

    #[test]
    fn a_group_is_synced_once() {
        let disk = SimDisk::new(1);
        let keys = Arc::new(Keys::open(&disk).unwrap());
        let mut writer = writer(&disk, &keys);
        commit(&mut writer, 1);
        let before = disk.syncs();
        commit(&mut writer, GROUP_MAX);
        assert_eq!(disk.syncs() - before, 1);
    }

    /// The kernel writes pages in any order: of one group, a later record may be whole and an
    /// earlier one not. That is a torn tail. The same hole with a group behind it is damage.
    #[test]
    fn a_hole_in_the_last_group_is_torn_and_in_an_earlier_one_damage() {
        let disk = SimDisk::new(2);
        let keys = Arc::new(Keys::open(&disk).unwrap());
        let mut first = writer(&disk, &keys);
        commit(&mut first, 2);
        let from = first.active.as_ref().unwrap().length;
        commit(&mut first, 5);
        let path = first.active.as_ref().unwrap().id.path();
        let punch = |disk: &SimDisk| {
            let mut bytes = bytes_of(disk, &path);
            let hole = usize::try_from(from).unwrap() + 10;
            bytes[hole..hole + HEAD_BYTES].fill(0);
            disk.truncate(&path, 0).unwrap();
            disk.append(&path).unwrap().write_all(&bytes).unwrap();
        };
        punch(&disk);
        let found = recover(&disk, keys.values()).unwrap();
        assert_eq!((found.tip.sequence, found.faults.len()), (2, 0));
        assert!(found.repair.is_some());

        let mut again = writer(&disk, &keys);
        commit(&mut again, 5);
        commit(&mut again, 1);
        let length = bytes_of(&disk, &path).len();
        punch(&disk);
        let found = recover(&disk, keys.values()).unwrap();
        assert_eq!((found.tip.sequence, found.faults.len()), (8, 1));
        assert!(found.repair.is_none() && found.active.is_none());
        assert_eq!(bytes_of(&disk, &path).len(), length);
    }

    fn bytes_of(disk: &SimDisk, path: &Path) -> Vec<u8> {
        let mut files = disk.files().into_iter();
        files.find(|(name, _)| name == path).unwrap().1
    }
}
