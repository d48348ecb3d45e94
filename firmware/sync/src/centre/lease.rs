// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How much of a quota a box may spend by itself, and what comes back.
//!
//! What holds at all times: what is spent and what is out on boxes never pass the limit together. A
//! box that is cut off can ask for nothing, so while all are there nearly everything is out, shared by
//! recent use; what an idle box has is recalled when another one needs it.

use platen_model::{Lease, LeaseId, NodeId};

use crate::limits::LEASES_MAX;
use crate::message::LeaseNews;

/// A lease, as the centre accounts for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Slice {
    /// How much the box may spend.
    pub amount: u64,
    /// Charges on it so far. More than `amount` only when a box was put back from a backup.
    pub spent: u64,
    /// Whether it still runs.
    pub state: SliceState,
    /// Entries of the box were lost, or its journal went two ways, while it ran: what they spent of it
    /// nobody knows, so all of it counts as spent.
    pub doubtful: bool,
}

/// Whether a lease still runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SliceState {
    /// The box may spend from it.
    Open,
    /// The box gave the rest back.
    Closed,
    /// An administrator declared the box lost.
    Lost,
}

/// What a charge on a lease was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Spent {
    /// Within what the box was given.
    Within,
    /// This much was not the box's to spend: it was put back from a backup, or declared lost and is
    /// not. Charged, and flagged for a person.
    Over(u64),
}

impl Slice {
    /// A new lease.
    #[must_use]
    pub fn new(amount: u64) -> Self {
        Self {
            amount,
            spent: 0,
            state: SliceState::Open,
            doubtful: false,
        }
    }

    /// What it takes of its quota now.
    #[must_use]
    pub fn held(&self) -> u64 {
        match (self.state, self.doubtful) {
            (SliceState::Open, _) | (SliceState::Closed, true) => self.amount.max(self.spent),
            (SliceState::Closed, false) | (SliceState::Lost, _) => self.spent,
        }
    }

    /// What the box may still spend of it.
    #[must_use]
    pub fn unspent(&self) -> u64 {
        match self.state {
            SliceState::Open => self.amount.saturating_sub(self.spent),
            SliceState::Closed | SliceState::Lost => 0,
        }
    }

    /// A charge on it.
    #[must_use]
    pub fn spend(&mut self, amount: u64) -> Spent {
        let before = self.held();
        self.spent = self.spent.saturating_add(amount);
        match self.held().saturating_sub(before) {
            0 => Spent::Within,
            over => Spent::Over(over),
        }
    }

    /// The box's [`platen_model::Entry::LeaseClosed`].
    pub fn close(&mut self) {
        self.state = SliceState::Closed;
    }

    /// An administrator declares the box lost: the rest comes back at once, at the risk that the box
    /// was only away.
    pub fn declare_lost(&mut self) {
        if self.state == SliceState::Open {
            self.state = SliceState::Lost;
        }
    }

    /// Entries are lost, or the journal forked, while it ran.
    pub fn doubt(&mut self) {
        self.doubtful |= self.state == SliceState::Open;
    }
}

/// How one box uses a quota.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BoxUse {
    /// Which box.
    pub node: NodeId,
    /// What was charged there lately (the last days, of this quota).
    pub recent: u64,
    /// What the box may still spend: the sum of [`Slice::unspent`] of its leases.
    pub unspent: u64,
}

/// How a quota stands in its present period.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    /// The quota's limit.
    pub limit: u64,
    /// What it has lost for good: charges without a lease, and of all leases what they hold less what
    /// boxes may still spend.
    pub used: u64,
    /// Every box that may come to use it, each once: those that have leases, and those that are to be
    /// thought of (for a group every box that talked lately; for a person those where they log in).
    pub boxes: Vec<BoxUse>,
}

/// A lease that runs, for [`Standing::to_recall`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Running {
    /// Which one.
    pub lease: LeaseId,
    /// Whose.
    pub node: NodeId,
    /// [`Slice::unspent`]
    pub unspent: u64,
    /// Whether it is recalled already.
    pub recalled: bool,
}

impl Standing {
    /// What nobody has yet.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.pool().saturating_sub(self.out())
    }

    /// By how much the limit is passed: after it was lowered below what is out.
    #[must_use]
    pub fn excess(&self) -> u64 {
        let taken = self.used.saturating_add(self.out());
        taken.saturating_sub(self.limit)
    }

    /// What a box's part is: of everything that is not used but a fourth of a box's part, by recent
    /// use, where each box counts at least as a fourth of an average one.
    #[must_use]
    pub fn share(&self, node: NodeId) -> u64 {
        let boxes = u64::try_from(self.boxes.len()).unwrap_or(u64::MAX).max(1);
        let sum = self
            .boxes
            .iter()
            .fold(0_u64, |sum, one| sum.saturating_add(one.recent));
        let least = (sum / boxes.saturating_mul(4)).max(1);
        let weights = u128::from(sum) + u128::from(least) * u128::from(boxes);
        let pool = self.pool() - self.pool() / boxes.saturating_mul(4);
        let part = |one: &BoxUse| {
            let weight = u128::from(one.recent) + u128::from(least);
            u64::try_from(u128::from(pool) * weight / weights).unwrap_or(0)
        };
        let mut boxes = self.boxes.iter();
        boxes.find(|one| one.node == node).map_or(0, part)
    }

    /// How much a box gets that wants `want` more. 0: nothing now. Never more than [`Self::free`].
    ///
    /// It is filled up to its share, because it may be cut off before it asks again; more only if it
    /// wants more, of what is left when all others have theirs.
    #[must_use]
    pub fn grant(&self, node: NodeId, want: u64) -> u64 {
        let unspent = self.of(node);
        let share = self.share(node);
        let missing = share.saturating_sub(unspent);
        let has_enough = unspent >= want && missing <= share / 32;
        if want == 0 || has_enough {
            return 0;
        }
        let others = self.boxes.iter().filter(|one| one.node != node);
        let theirs = others.map(|one| self.share(one.node).saturating_sub(one.unspent));
        let theirs = theirs.fold(0_u64, u64::saturating_add);
        let above = want.min(self.free().saturating_sub(theirs));
        missing.max(above).min(self.free())
    }

    /// Which leases of other boxes to recall so that a box gets the `missing` rest of what it wants:
    /// from those that have more than their share and a quarter, the one with most first; until what is
    /// recalled suffices.
    #[must_use]
    pub fn to_recall(&self, node: NodeId, missing: u64, running: &[Running]) -> Vec<LeaseId> {
        let coming = running.iter().filter(|lease| lease.recalled);
        let coming = coming.map(|lease| lease.unspent);
        let mut missing = missing.saturating_sub(coming.fold(0, u64::saturating_add));
        let mut recalled = Vec::new();
        let mut rich: Vec<_> = self.boxes.iter().filter(|one| one.node != node).collect();
        rich.sort_by_key(|one| std::cmp::Reverse(self.above_share(one)));
        for one in rich {
            let above = self.above_share(one);
            if missing == 0 || above == 0 || above < self.share(one.node) / 4 {
                break;
            }
            let leases = running.iter().filter(|lease| lease.node == one.node);
            take_back(leases, above.min(missing), &mut missing, &mut recalled);
        }
        recalled
    }

    /// Which leases to recall because the limit was lowered below what is out, largest first.
    #[must_use]
    pub fn to_recall_excess(&self, running: &[Running]) -> Vec<LeaseId> {
        let coming = running.iter().filter(|lease| lease.recalled);
        let coming = coming.map(|lease| lease.unspent);
        let mut missing = self
            .excess()
            .saturating_sub(coming.fold(0, u64::saturating_add));
        let mut recalled = Vec::new();
        let enough = missing;
        take_back(running.iter(), enough, &mut missing, &mut recalled);
        recalled
    }

    fn pool(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    fn out(&self) -> u64 {
        let unspent = self.boxes.iter().map(|one| one.unspent);
        unspent.fold(0, u64::saturating_add)
    }

    fn of(&self, node: NodeId) -> u64 {
        let mut boxes = self.boxes.iter();
        boxes
            .find(|one| one.node == node)
            .map_or(0, |one| one.unspent)
    }

    fn above_share(&self, one: &BoxUse) -> u64 {
        one.unspent.saturating_sub(self.share(one.node))
    }
}

/// Recalls leases, largest first, until `enough` is on its way.
fn take_back<'a>(
    leases: impl Iterator<Item = &'a Running>,
    mut enough: u64,
    missing: &mut u64,
    recalled: &mut Vec<LeaseId>,
) {
    let mut leases: Vec<_> = leases
        .filter(|lease| !lease.recalled && lease.unspent > 0)
        .collect();
    leases.sort_by_key(|lease| std::cmp::Reverse(lease.unspent));
    for lease in leases {
        if enough == 0 {
            return;
        }
        recalled.push(lease.lease);
        enough = enough.saturating_sub(lease.unspent);
        *missing = missing.saturating_sub(lease.unspent);
    }
}

/// The next serial of a box's leases. `said` is the highest that the box says it took: after the
/// centre was put back from a backup that may be above what it knows.
#[must_use]
pub fn next_serial(highest: u64, said: u64) -> u64 {
    highest.max(said).saturating_add(1)
}

/// What a box is told of its leases, lowest serial first. `leases` are those that are not closed, each
/// with its state and whether it is recalled; `taken` is the highest serial that the box ever said it
/// took, this message's included; to be saved. `generation` is the directory's.
///
/// A lease that the box took is never offered again, also when it seems to have forgotten it: it may
/// have spent it before it was put back from a backup. One that it may not have yet is not recalled:
/// it could take it after it closed it. A box that was declared lost and is back closes all it has.
#[must_use]
pub fn news<'a>(
    leases: impl Iterator<Item = (&'a Lease, SliceState, bool)>,
    taken: u64,
    generation: u64,
) -> LeaseNews {
    let mut news = LeaseNews {
        generation,
        ..LeaseNews::default()
    };
    let mut leases: Vec<_> = leases.collect();
    leases.sort_by_key(|(lease, ..)| lease.serial);
    for (lease, state, recalled) in leases {
        let (new, open) = (lease.serial > taken, state == SliceState::Open);
        let back = state == SliceState::Lost || recalled;
        if new && open && news.fresh.len() < LEASES_MAX {
            news.fresh.push(lease.clone());
        } else if !new && back && news.recalled.len() < LEASES_MAX {
            news.recalled.push(lease.id);
        }
    }
    news
}
