// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the ledger keeps in mind beside the chain: open and stopped releases, the highest job
//! number, and the releases settled last. Every segment begins with a checkpoint of it, so that a start reads one
//! segment only. A change can be taken back, for a write that fails after it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use platen_model::JobId;
use serde::{Deserialize, Serialize};

use crate::entry::{Entry, OpenRelease, SettledRelease};
use crate::error::LedgerError;

/// Releases without an end, on their way or stopped. A box has a few printers, each with one job
/// on its way; stopped jobs expire with the others.
pub(crate) const OPEN_RELEASES_MAX: usize = 1024;
/// Settled releases kept in mind: a start ends their jobs where a power cut came before the spool
/// did. A second charge of one job is a bug that shows within a few jobs (a settlement sent twice,
/// an attempt counted wrong); older ones have no open release anyway.
pub(crate) const SETTLED_MAX: usize = 4096;

/// The running state.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Books {
    open: BTreeMap<JobId, OpenRelease>,
    /// Stopped or interrupted jobs and their last attempt.
    stopped: BTreeMap<JobId, u32>,
    highest_number: u32,
    settled: HashMap<JobId, SettledRelease>,
    settled_order: VecDeque<JobId>,
}

/// Takes one [`Books::apply`] back.
pub(crate) struct Undo {
    open: Option<(JobId, Option<OpenRelease>)>,
    stopped: Option<(JobId, Option<u32>)>,
    highest_number: u32,
    settled: Option<JobId>,
    forgotten: Option<SettledRelease>,
}

/// The books as they stand in a segment's header.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    open: Vec<OpenRelease>,
    stopped: Vec<(JobId, u32)>,
    highest_number: u32,
    settled: Vec<SettledRelease>,
}

impl Books {
    pub(crate) fn open_releases(&self) -> Vec<OpenRelease> {
        self.open.values().cloned().collect()
    }

    pub(crate) fn stopped_releases(&self) -> Vec<(JobId, u32)> {
        self.stopped
            .iter()
            .map(|(job, attempt)| (*job, *attempt))
            .collect()
    }

    /// Oldest first.
    pub(crate) fn settled_releases(&self) -> Vec<SettledRelease> {
        let in_order = self.settled_order.iter();
        in_order
            .filter_map(|job| self.settled.get(job))
            .copied()
            .collect()
    }

    pub(crate) fn highest_number(&self) -> u32 {
        self.highest_number
    }

    /// Whether `entry` may be recorded next.
    pub(crate) fn check(&self, entry: &Entry) -> Result<(), LedgerError> {
        match entry {
            Entry::Released { job, .. } if self.open.contains_key(job) => {
                Err(LedgerError::AlreadyReleased { job: *job })
            }
            Entry::Released { .. } if self.open.len() + self.stopped.len() >= OPEN_RELEASES_MAX => {
                Err(LedgerError::TooManyOpen {
                    limit: OPEN_RELEASES_MAX,
                })
            }
            Entry::Settled {
                job, charged: true, ..
            } if self.settled.get(job).is_some_and(|settled| settled.charged) => {
                Err(LedgerError::ChargedTwice { job: *job })
            }
            Entry::Settled { job, attempt, .. } if !self.is_open(*job, *attempt) => {
                Err(LedgerError::NotReleased {
                    job: *job,
                    attempt: *attempt,
                })
            }
            _ => Ok(()),
        }
    }

    /// Takes an entry in. Also what [`Books::check`] would refuse, when it is read from the disk.
    pub(crate) fn apply(&mut self, entry: &Entry) -> Undo {
        let mut undo = Undo {
            open: None,
            stopped: None,
            highest_number: self.highest_number,
            settled: None,
            forgotten: None,
        };
        if let Some(number) = entry.job_number() {
            self.highest_number = self.highest_number.max(number.0);
        }
        match entry {
            Entry::Released { job, .. } => {
                let release = open_release(entry);
                undo.open = release.map(|release| (*job, self.open.insert(*job, release)));
                undo.stopped = Some((*job, self.stopped.remove(job)));
            }
            Entry::Settled { job, .. } => {
                undo.open = Some((*job, self.open.remove(job)));
                undo.stopped = Some((*job, self.stopped.remove(job)));
                if let Some(settled) = settled_release(entry) {
                    self.settle(settled, &mut undo);
                }
            }
            Entry::Interrupted { job, attempt, .. } | Entry::Stopped { job, attempt, .. } => {
                undo.open = Some((*job, self.open.remove(job)));
                undo.stopped = Some((*job, self.stopped.insert(*job, *attempt)));
            }
            Entry::Canceled { job, .. } | Entry::Expired { job, .. } => {
                undo.stopped = Some((*job, self.stopped.remove(job)));
            }
            _ => {}
        }
        undo
    }

    /// Takes the last change back.
    pub(crate) fn undo(&mut self, undo: Undo) {
        if let Some((job, before)) = undo.open {
            put_back(&mut self.open, job, before);
        }
        if let Some((job, before)) = undo.stopped {
            put_back(&mut self.stopped, job, before);
        }
        self.highest_number = undo.highest_number;
        if let Some(job) = undo.settled {
            self.settled.remove(&job);
            self.settled_order.pop_back();
        }
        if let Some(settled) = undo.forgotten {
            self.settled_order.push_front(settled.job);
            self.settled.insert(settled.job, settled);
        }
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            open: self.open_releases(),
            stopped: self.stopped_releases(),
            highest_number: self.highest_number,
            settled: self.settled_releases(),
        }
    }

    fn is_open(&self, job: JobId, attempt: u32) -> bool {
        self.open
            .get(&job)
            .is_some_and(|release| release.attempt == attempt)
    }

    fn settle(&mut self, settled: SettledRelease, undo: &mut Undo) {
        if self.settled.contains_key(&settled.job) {
            return;
        }
        undo.settled = Some(settled.job);
        self.settled_order.push_back(settled.job);
        self.settled.insert(settled.job, settled);
        if self.settled_order.len() > SETTLED_MAX {
            let oldest = self.settled_order.pop_front();
            undo.forgotten = oldest.and_then(|oldest| self.settled.remove(&oldest));
        }
    }
}

fn put_back<V>(map: &mut BTreeMap<JobId, V>, job: JobId, before: Option<V>) {
    match before {
        Some(value) => map.insert(job, value),
        None => map.remove(&job),
    };
}

impl From<Checkpoint> for Books {
    fn from(checkpoint: Checkpoint) -> Self {
        let Checkpoint {
            open,
            stopped,
            highest_number,
            settled,
        } = checkpoint;
        let open = open.into_iter().map(|release| (release.job, release));
        Self {
            open: open.collect(),
            stopped: stopped.into_iter().collect(),
            highest_number,
            settled_order: settled.iter().map(|settled| settled.job).collect(),
            settled: settled
                .iter()
                .map(|settled| (settled.job, *settled))
                .collect(),
        }
    }
}

fn settled_release(entry: &Entry) -> Option<SettledRelease> {
    let Entry::Settled {
        job,
        outcome,
        impressions,
        charged,
        ..
    } = entry
    else {
        return None;
    };
    Some(SettledRelease {
        job: *job,
        outcome: *outcome,
        impressions: *impressions,
        charged: *charged,
    })
}

fn open_release(entry: &Entry) -> Option<OpenRelease> {
    let Entry::Released {
        job,
        number,
        user,
        printer,
        attempt,
        ..
    } = entry
    else {
        return None;
    };
    Some(OpenRelease {
        job: *job,
        number: *number,
        user: *user,
        printer: printer.clone(),
        attempt: *attempt,
    })
}

#[cfg(test)]
mod tests {
    use platen_model::{JobNumber, PrinterName};
    use proptest::prelude::*;

    use super::*;
    use crate::entry::Outcome;

    fn job(number: u32) -> JobId {
        JobId::from_parts(u64::from(number), &[0; 10])
    }

    fn entry(kind: u8, number: u32, attempt: u32, charged: bool) -> Entry {
        let (job, number) = (job(number), JobNumber(number));
        match kind {
            0 => Entry::Released {
                job,
                number,
                user: None,
                printer: PrinterName("p".into()),
                attempt,
                octets: 0,
                format: String::new(),
                shares: Vec::new(),
            },
            1 => Entry::Settled {
                job,
                number,
                user: None,
                printer: PrinterName("p".into()),
                attempt,
                outcome: Outcome::Completed,
                count: None,
                octets: 0,
                impressions: None,
                confirmed_by: None,
                charged,
                shares: Vec::new(),
                cost: None,
            },
            _ => Entry::Interrupted {
                job,
                number,
                attempt,
            },
        }
    }

    proptest! {
        #[test]
        fn changes_taken_back_in_reverse_leave_no_trace(
            before in prop::collection::vec((0..3_u8, 0..9_u32, 1..3_u32, any::<bool>()), 0..20),
            after in prop::collection::vec((0..3_u8, 0..9_u32, 1..3_u32, any::<bool>()), 0..20),
        ) {
            let mut books = Books::default();
            for (kind, number, attempt, charged) in before {
                books.apply(&entry(kind, number, attempt, charged));
            }
            let kept = books.clone();
            let undos: Vec<Undo> = after
                .into_iter()
                .map(|(kind, number, attempt, charged)| {
                    books.apply(&entry(kind, number, attempt, charged))
                })
                .collect();
            for undo in undos.into_iter().rev() {
                books.undo(undo);
            }
            prop_assert_eq!(books, kept);
        }
    }

    #[test]
    fn the_oldest_charge_is_forgotten_at_the_limit_and_comes_back_by_undo() {
        let mut books = Books::default();
        let limit = u32::try_from(SETTLED_MAX).unwrap();
        for number in 0..limit {
            books.apply(&entry(1, number, 1, true));
        }
        let kept = books.clone();
        let undo = books.apply(&entry(1, limit, 1, true));
        assert_eq!(books.settled.len(), SETTLED_MAX);
        assert!(!books.settled.contains_key(&job(0)));
        books.undo(undo);
        assert_eq!(books, kept);
    }
}
