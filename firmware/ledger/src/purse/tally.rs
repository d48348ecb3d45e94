// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the ledger says about leases from one place on: spent, set aside, closed, and what can't be
//! known because entries are missing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

use platen_model::{JobId, LeaseId, Share};

use super::file::Filed;
use crate::entry::{Entry, Recorded};
use crate::error::LedgerError;
use crate::frame::ChainHash;
use crate::ledger::Ledger;

/// The sum of the entries behind a place.
pub(super) struct Tally {
    /// What settlements took.
    pub(super) spent: HashMap<LeaseId, u64>,
    /// What releases without an end have set aside, those before the place included.
    pub(super) reserved: BTreeMap<JobId, Vec<Share>>,
    pub(super) closed: HashSet<LeaseId>,
    /// The last sequence number that is missing: leases taken before it count as spent.
    pub(super) missing: Option<u64>,
    /// Where the box last joined or left a site: leases taken before it count no more.
    pub(super) site_since: Option<u64>,
    /// How far it goes.
    pub(super) upto: (u64, ChainHash),
}

impl Tally {
    /// Reads the ledger behind the file's place. Blocks.
    pub(super) fn of(ledger: &Ledger, filed: &Filed) -> Result<Self, LedgerError> {
        let head = ledger.head();
        let mut tally = Self {
            spent: HashMap::new(),
            reserved: filed.open_releases().cloned().collect(),
            closed: HashSet::new(),
            missing: None,
            site_since: None,
            upto: (head.sequence, head.hash),
        };
        let mut last = filed.base.saturating_sub(1);
        let mut known = filed.seen == 0;
        ledger.replay(filed.base.max(1), |record| {
            if record.sequence > head.sequence {
                return ControlFlow::Break(());
            }
            if record.sequence > last.saturating_add(1) {
                tally.missing = Some(record.sequence - 1);
            }
            last = record.sequence;
            if record.sequence == filed.seen {
                known = record.hash == filed.hash;
            }
            if record.sequence > filed.base {
                tally.count(record);
            }
            ControlFlow::Continue(())
        })?;
        if last < head.sequence || !known {
            // The end is missing, or it is not the ledger that the file was written beside.
            tally.missing = Some(u64::MAX);
        }
        Ok(tally)
    }

    fn count(&mut self, record: Recorded) {
        match record.entry {
            Entry::Released { job, shares, .. } if !shares.is_empty() => {
                self.reserved.insert(job, shares);
            }
            Entry::Settled { job, shares, .. } => {
                self.reserved.remove(&job);
                for share in shares {
                    if let Some(lease) = share.lease {
                        let spent = self.spent.entry(lease).or_default();
                        *spent = spent.saturating_add(share.amount);
                    }
                }
            }
            Entry::Released { job, .. }
            | Entry::Interrupted { job, .. }
            | Entry::Stopped { job, .. }
            | Entry::Canceled { job, .. }
            | Entry::Expired { job, .. } => {
                self.reserved.remove(&job);
            }
            Entry::LeaseClosed { lease } => {
                self.closed.insert(lease);
            }
            Entry::Enrolled { .. } => self.site_since = Some(record.sequence),
            _ => {}
        }
    }
}
