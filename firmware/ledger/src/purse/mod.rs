// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the box may spend of quotas by itself: slices of them (leases) that the centre gave it.
//!
//! Which leases there are is in one sealed file (`docs/formats/leases.md`); what was spent on them is
//! in the ledger alone, and read from there at a start. So a power cut can't give anything back that
//! a release took: its ticket, with its shares, is on the disk before its first byte leaves.
//!
//! The promise: what is reserved and spent on a lease never passes its amount, over any number of
//! power cuts; and a lease whose [`Entry::LeaseClosed`] is recorded is never spent on again. What
//! goes above a quota has no lease and says so.
//!
//! Not here: which quotas cover a job, and whether it may go above them: policy's.

mod file;
mod recent;
mod slices;
mod tally;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use platen_model::{Chain, Clock, JobId, Lease, LeaseId, QuotaId, Share, UserId};
use platen_store::{Disk, Keys};

use crate::entry::Entry;
use crate::error::LedgerError;
use crate::frame::ChainHash;
use crate::ledger::Ledger;

pub use file::PurseError;
use file::{Filed, PurseFile};
use recent::Recent;
pub use slices::ReserveError;
use slices::{LEASES_MAX, Slices, leased};
use tally::Tally;

/// The file's place in the ledger is moved on when this many entries are behind it, so that a start
/// reads no more: about a second's work on a small board.
const REBASE_ENTRIES: u64 = 20_000;

/// A start that found more entries than this behind the place moves it on by itself.
const START_ENTRIES: u64 = 1_000;

/// A slice that the box would like.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Want {
    /// The quota.
    pub quota: QuotaId,
    /// Whose own, where each member of a group has one.
    pub user: Option<UserId>,
    /// How much more than there is, in the quota's unit.
    pub amount: u64,
}

/// The box's leases. Share it in an [`Arc`].
pub struct Purse {
    file: PurseFile,
    ledger: Arc<Ledger>,
    clock: Arc<dyn Clock>,
    /// What is in the file; held over every change of it, and over closing.
    filed: Mutex<Filed>,
    /// Held for moments only.
    slices: Mutex<Slices>,
    recent: Mutex<Recent>,
}

impl Purse {
    /// Reads the file, and from the ledger what became of its leases. Open it after the releases
    /// without an end are journaled as interrupted: what they had set aside is free again then.
    /// Blocks; reads the ledger from the place that the file names, or all of it without a file.
    ///
    /// # Errors
    /// [`PurseError`]. A damaged file is none: the ledger is read from its beginning then.
    pub fn open(
        disk: Arc<dyn Disk>,
        keys: Arc<Keys>,
        ledger: Arc<Ledger>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PurseError> {
        let file = PurseFile::new(disk, keys);
        let found = file.read()?;
        let mut filed = found.unwrap_or_else(|| Filed::at(0, ChainHash::GENESIS));
        let behind = ledger.head().sequence.saturating_sub(filed.base);
        let tally = Tally::of(&ledger, &filed)?;
        let mut slices = Slices::default();
        filed.move_on(&tally);
        slices.restore(&filed, &tally);
        if behind >= START_ENTRIES
            && let Err(error) = file.write(&filed)
        {
            log::warn!(err:% = Chain(&error); "the file of leases is not written");
        }
        let now = clock.now().elapsed;
        let mut recent = Recent::default();
        for (place, amount) in slices.spent_by_place() {
            recent.note(place, amount, now);
        }
        Ok(Self {
            file,
            ledger,
            clock,
            filed: Mutex::new(filed),
            slices: Mutex::new(slices),
            recent: Mutex::new(recent),
        })
    }

    /// Highest serial of a lease that was taken.
    #[must_use]
    pub fn taken_upto(&self) -> u64 {
        lock(&self.filed).upto
    }

    /// Takes leases from the centre, durably, in order of serial; those that were taken before are
    /// passed over. Where there are too many, the rest is left: [`Purse::taken_upto`] tells. Blocks.
    ///
    /// # Errors
    /// [`PurseError`]; none of them is taken then.
    pub fn take(&self, leases: &[Lease]) -> Result<(), PurseError> {
        let mut filed = lock(&self.filed);
        let mut fresh: Vec<&Lease> = leases
            .iter()
            .filter(|lease| lease.serial > filed.upto)
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        fresh.sort_unstable_by_key(|lease| lease.serial);
        self.move_base(&mut filed)?;
        let mut next = filed.clone();
        let head = self.ledger.head();
        next.see(head);
        let taken: Vec<_> = fresh
            .into_iter()
            .map_while(|lease| next.take(lease, head.sequence, self.slices().has_ended(lease.id)))
            .flatten()
            .collect();
        next.blind = false;
        self.file.write(&next)?;
        let mut slices = self.slices();
        for slice in taken {
            slices.add(slice);
        }
        *filed = next;
        Ok(())
    }

    /// Leases of a quota with what is left of each, the oldest first; of those that are `user`'s own
    /// where each member of a group has one.
    #[must_use]
    pub fn rooms(&self, quota: QuotaId, user: Option<UserId>) -> Vec<(LeaseId, u64)> {
        self.slices().rooms(quota, user)
    }

    /// How much there is on all of them.
    #[must_use]
    pub fn room(&self, quota: QuotaId, user: Option<UserId>) -> u64 {
        self.slices().room(quota, user)
    }

    /// Sets aside what a job may take, all of it or nothing, for its release ticket; once for a job
    /// until it is given back or settled. Without shares too, the job is taken by whoever releases it.
    ///
    /// # Errors
    /// [`ReserveError`].
    pub fn reserve(&self, job: JobId, shares: &[Share]) -> Result<(), ReserveError> {
        let mut slices = self.slices();
        slices.reserve(job, shares)?;
        let now = self.clock.now().elapsed;
        let mut recent = lock(&self.recent);
        for (lease, amount) in leased(shares) {
            if let Some(place) = slices.place(lease) {
                recent.note(place, amount, now);
            }
        }
        Ok(())
    }

    /// Tells that a job would have needed `amount` more than there is, so that it is asked for.
    pub fn miss(&self, quota: QuotaId, user: Option<UserId>, amount: u64) {
        let now = self.clock.now().elapsed;
        let needed = self.room(quota, user).saturating_add(amount);
        lock(&self.recent).miss((quota, user), needed, now);
    }

    /// Whether somebody is releasing the job: a reservation of it, also one of no shares, stands.
    #[must_use]
    pub fn is_reserved(&self, job: JobId) -> bool {
        self.slices().is_reserved(job)
    }

    /// What is set aside for a job.
    #[must_use]
    pub fn reserved(&self, job: JobId) -> Vec<Share> {
        self.slices().reserved(job)
    }

    /// The job's settlement with these shares is on the disk: they are spent, and the rest of what
    /// was set aside is free. Blocks when a lease can be closed by it.
    pub fn settle(&self, job: JobId, shares: &[Share]) {
        self.slices().settle(job, shares);
        self.close_what_can_be();
    }

    /// The job takes nothing of what was set aside for it. Blocks when a lease can be closed by it.
    pub fn give_back(&self, job: JobId) {
        self.slices().give_back(job);
        self.close_what_can_be();
    }

    /// Gives leases back: nothing more is reserved on them, and their end is journaled as soon as
    /// nothing is set aside on them. The end of a lease that is not here is journaled, too, once a
    /// start: the box's books of it are lost, or the record of its end is, and at the centre it would
    /// count whole for ever. What is recalled must never be offered to [`Purse::take`] again. Blocks.
    pub fn close(&self, recalled: &[LeaseId]) {
        let mut filed = lock(&self.filed);
        let ending = {
            let mut slices = self.slices();
            slices.recall(recalled);
            let mut ending = slices.start_closing();
            ending.extend(slices.strangers(recalled));
            ending
        };
        self.journal_ends(&mut filed, ending);
    }

    /// Gives every lease back, as [`Purse::close`] does: the centre gives them anew, by another order of
    /// its directory. Blocks.
    pub fn close_all(&self) {
        self.slices().recall_all();
        self.close_what_can_be();
    }

    /// Whether there is no lease, not even one that is being closed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slices().is_empty()
    }

    /// Counts every lease as spent whole and closes it: what was spent on them is not known, as on
    /// a box whose journal was put back from a backup. On the disk when this returns, so that it holds
    /// over a restart also for leases that can't be closed yet. Blocks.
    pub fn distrust(&self) {
        {
            let mut filed = lock(&self.filed);
            self.slices().spend_all();
            filed.spend_all();
            filed.see(self.ledger.head());
            // In memory they are spent all the same; the next write has it too.
            if let Err(error) = self.file.write(&filed) {
                log::error!(err:% = Chain(&error); "leases that count as spent are not written");
            }
        }
        self.close_what_can_be();
    }

    /// Forgets everything: the box has left its site. Blocks.
    ///
    /// # Errors
    /// [`PurseError`]; nothing is forgotten then.
    pub fn leave(&self) -> Result<(), PurseError> {
        let mut filed = lock(&self.filed);
        let head = self.ledger.head();
        let empty = Filed::at(head.sequence, head.hash);
        self.file.write(&empty)?;
        *self.slices() = Slices::default();
        *lock(&self.recent) = Recent::default();
        *filed = empty;
        Ok(())
    }

    /// What the box would like to have more, by what was used and missed within the last day.
    #[must_use]
    pub fn wants(&self) -> Vec<Want> {
        let now = self.clock.now().elapsed;
        let expected = lock(&self.recent).expected(now);
        let slices = self.slices();
        let want = |((quota, user), amount): ((QuotaId, Option<UserId>), u64)| {
            let room = slices.room(quota, user);
            // Half of it is enough for now: the centre is not asked at every job.
            let amount = (room < amount.div_ceil(2)).then(|| amount.saturating_sub(room))?;
            Some(Want {
                quota,
                user,
                amount,
            })
        };
        expected.into_iter().filter_map(want).collect()
    }

    /// Leases that are neither closed nor being closed.
    #[must_use]
    pub fn open_leases(&self) -> usize {
        self.slices().open_leases()
    }

    /// Journals the end of every lease that is given back or spent and has nothing set aside.
    fn close_what_can_be(&self) {
        if self.slices().closable().is_empty() {
            return;
        }
        let mut filed = lock(&self.filed);
        // From here on nothing is reserved on them, whatever becomes of the entry.
        let closable = self.slices().start_closing();
        self.journal_ends(&mut filed, closable);
    }

    fn journal_ends(&self, filed: &mut Filed, ending: Vec<LeaseId>) {
        let mut closed = Vec::new();
        for lease in ending {
            match self.ledger.append_blocking(Entry::LeaseClosed { lease }) {
                Ok(_) => closed.push(lease),
                Err(error) => {
                    log::warn!(err:% = Chain(&error); "a lease's end is not journaled yet");
                    break;
                }
            }
        }
        if closed.is_empty() {
            return;
        }
        self.slices().remove(&closed);
        filed.remove(&closed);
        filed.see(self.ledger.head());
        // The next start finds its end in the ledger all the same.
        if let Err(error) = self.file.write(filed) {
            log::warn!(err:% = Chain(&error); "the file of leases is not written");
        }
    }

    /// Moves the file's place in the ledger on, where much is behind it. Written with what comes.
    fn move_base(&self, filed: &mut Filed) -> Result<(), LedgerError> {
        let head = self.ledger.head().sequence;
        if head.saturating_sub(filed.base) >= REBASE_ENTRIES {
            let tally = Tally::of(&self.ledger, filed)?;
            filed.move_on(&tally);
        }
        Ok(())
    }

    fn slices(&self) -> MutexGuard<'_, Slices> {
        lock(&self.slices)
    }
}

impl std::fmt::Debug for Purse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Purse({} of {LEASES_MAX} leases)", self.open_leases())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
