// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What changes after the centre was put back from a backup.
//!
//! It has forgotten entries (boxes send them again), revisions (a new generation makes boxes fetch
//! all anew) and leases that it gave after the backup. These it can't know: so it gives nothing of a
//! period that had begun by then until every box has closed the leases it took before and has sent its
//! whole journal, was declared lost, or the period is over.

use std::collections::BTreeSet;

use platen_model::{NodeId, Period};

use super::period;
use crate::message::{Pull, Push, Verdict};

/// Boxes that the centre has not heard from since it was put back.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Recovery {
    /// The generation that began then.
    pub generation: u64,
    /// When it was put back, wall milliseconds since 1970.
    pub since_unix_ms: u64,
    /// Boxes that may have leases that the centre doesn't know.
    pub waiting: BTreeSet<NodeId>,
}

impl Recovery {
    /// Takes a push that was received with this verdict; answers whether the box was waited for.
    pub fn received(&mut self, node: NodeId, push: &Push, verdict: &Verdict) -> bool {
        let whole = matches!(verdict, Verdict::Kept(link) if link.sequence >= push.head);
        let last = push.entries.last().map_or(push.after, |entry| entry.link);
        let heard = whole && last.sequence >= push.head && push.generation >= self.generation;
        heard && self.waiting.remove(&node)
    }

    /// An administrator declared the box lost.
    pub fn declared_lost(&mut self, node: NodeId) {
        self.waiting.remove(&node);
    }

    /// Whether leases of a quota may be given in the period that runs now.
    #[must_use]
    pub fn may_grant(&self, period: Period, now_unix_ms: u64) -> bool {
        self.waiting.is_empty()
            || period::number(period, now_unix_ms) > period::number(period, self.since_unix_ms)
    }
}

/// The generation of a directory that boxes are to fetch anew. Wall seconds keep it above those that
/// were given after a backup that is put back, as long as the clock is about right.
#[must_use]
pub fn next_generation(current: u64, now_unix_ms: u64) -> u64 {
    current.saturating_add(1).max(now_unix_ms / 1_000)
}

/// After which revision the page begins that answers a pull. A box of another generation begins anew;
/// one that claims to be ahead gets a page that it refuses and shows as a roll-back, which it is.
#[must_use]
pub fn page_from(generation: u64, latest: u64, pull: &Pull) -> u64 {
    match pull.generation == generation {
        true => pull.after.min(latest),
        false => 0,
    }
}
