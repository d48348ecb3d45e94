// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What becomes of a push's entries.
//!
//! The centre keeps each box's journal as a tree: (sequence, hash) names an entry for ever, because
//! the hash covers everything before it. A branch is a run of entries without a gap. A box that was put
//! back from a backup writes another entry behind one that already has a successor: a new branch
//! begins there, and the old one stays. Entries that the centre has are no-ops wherever they come from.

use std::collections::BTreeMap;

use crate::message::{Link, Push, SentEntry, Verdict};

/// Branches of one box: as often it may be put back from a backup before a person looks at it.
pub const BRANCHES_MAX: usize = 256;

/// A run of entries of one box, without a gap.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Branch {
    /// Counts from 1 as branches appear.
    pub number: u32,
    /// The entry behind which it begins, on another branch; the journal's begin for the first.
    pub base: Link,
    /// Its last entry; the same as `base` while it has none.
    pub head: Link,
}

/// What the centre has of a box's journal, as far as a push touches it.
#[derive(Clone, Debug, Default)]
pub struct NodeBooks {
    /// All branches, by number.
    pub branches: Vec<Branch>,
    /// Entries that are kept, with their branch: all whose sequence numbers go from
    /// `push.after.sequence` up to the push's last one.
    pub known: BTreeMap<(u64, [u8; 32]), u32>,
}

/// What to do with a push, in one transaction.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Receipt<'a> {
    /// Entries to keep, in order; those before them are kept already.
    pub to_keep: &'a [SentEntry],
    /// How many were kept already.
    pub replayed: usize,
    /// The branch that they go to, with its head after them; to be written where `to_keep` is not
    /// empty, and new where there is none of its number.
    pub branch: Branch,
    /// They begin a branch beside another: an alert.
    pub fork: Option<Fork>,
    /// What the box is told.
    pub verdict: Verdict,
}

/// A box's journal goes on from one place in two ways.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fork {
    /// The last entry that both have.
    pub base: Link,
    /// The first entry of the new branch.
    pub first: Link,
}

/// A push that no honest box sends.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalFault {
    /// The entries do not stand one after another.
    #[error("the entries of the push leave a gap behind {0}")]
    Gap(u64),
    /// An entry that is kept follows one that is not, though its hash covers all before it.
    #[error("entry {0} is known in another place")]
    NotAChain(u64),
    /// The box began its journal anew too often.
    #[error(
        "the box's journal has too many branches: end what puts its disk back, start it with an \
         empty data directory and enrol it as a new box"
    )]
    TooManyBranches,
}

/// Decides what becomes of a push's entries.
///
/// # Errors
/// [`JournalFault`]: nothing is to be kept, the box is refused.
pub fn receive<'a>(books: &NodeBooks, push: &'a Push) -> Result<Receipt<'a>, JournalFault> {
    check_run(push)?;
    let newest = books.branches.last().copied().unwrap_or(FIRST);
    let Some(after) = books.place(push.after) else {
        return Ok(Receipt {
            to_keep: &[],
            replayed: 0,
            branch: newest,
            fork: None,
            verdict: Verdict::SendAfter(newest.head),
        });
    };
    let (tip, here, to_keep) = books.split(push, after)?;
    let replayed = push.entries.len().saturating_sub(to_keep.len());
    let Some(last) = to_keep.last() else {
        return Ok(Receipt {
            to_keep,
            replayed,
            branch: here,
            fork: None,
            verdict: Verdict::Kept(books.way_on(tip, here)),
        });
    };
    let (mut branch, fork) = match here.head == tip {
        true => (here, None),
        false => books.fork(tip, to_keep)?,
    };
    branch.head = last.link;
    Ok(Receipt {
        to_keep,
        replayed,
        branch,
        fork,
        verdict: Verdict::Kept(last.link),
    })
}

/// The branch that a box's journal begins with.
const FIRST: Branch = Branch {
    number: 1,
    base: GENESIS,
    head: GENESIS,
};

const GENESIS: Link = Link {
    sequence: 0,
    hash: crate::message::Hash([0; 32]),
};

impl NodeBooks {
    /// The branch on which an entry stands.
    fn place(&self, link: Link) -> Option<Branch> {
        if link == GENESIS {
            return Some(self.branches.first().copied().unwrap_or(FIRST));
        }
        let number = self.known.get(&key(link))?;
        let mut branches = self.branches.iter();
        branches.find(|branch| branch.number == *number).copied()
    }

    /// The last entry of a push that is kept already, its branch, and the entries to keep.
    fn split<'a>(
        &self,
        push: &'a Push,
        after: Branch,
    ) -> Result<(Link, Branch, &'a [SentEntry]), JournalFault> {
        let is_known = |entry: &SentEntry| self.known.contains_key(&key(entry.link));
        let mut entries = push.entries.iter();
        // One that is damaged on the box by now may be here as it was: what comes behind it tells.
        let replayed = entries.rposition(is_known).map_or(0, |last| last + 1);
        let (known, to_keep) = push.entries.split_at(replayed);
        let mut strange = known
            .iter()
            .filter(|entry| !is_known(entry) && !is_lost(entry));
        if strange.next().is_some() {
            let sequence = known.last().map_or(0, |entry| entry.link.sequence);
            return Err(JournalFault::NotAChain(sequence));
        }
        let Some(last) = known.last() else {
            return Ok((push.after, after, self.news_of(after, push.after, to_keep)));
        };
        // Genesis stands on the first branch, which there may be none of yet.
        let here = self.place(last.link).unwrap_or(FIRST);
        Ok((last.link, here, self.news_of(here, last.link, to_keep)))
    }

    /// Where all entries behind `tip` are damaged on the box, and the branch goes on there, they are no
    /// news: nothing behind them tells yet that the box went another way.
    fn news_of<'a>(&self, here: Branch, tip: Link, entries: &'a [SentEntry]) -> &'a [SentEntry] {
        let last = entries.last().map_or(0, |entry| entry.link.sequence);
        let goes_on = here.head.sequence >= last && here.head != tip;
        match goes_on && entries.iter().all(is_lost) {
            true => &[],
            false => entries,
        }
    }

    /// How far the centre has what follows `tip` on its branch `here`: to the end of the newest branch
    /// that may come after it, for a box that was put back goes on there and not where it was.
    fn way_on(&self, tip: Link, here: Branch) -> Link {
        if here.head == tip {
            return tip;
        }
        let later = self
            .branches
            .iter()
            .filter(|branch| branch.number > here.number && branch.base.sequence >= tip.sequence);
        let newest = later.max_by_key(|branch| branch.number);
        newest.map_or(here.head, |branch| branch.head)
    }

    fn fork(
        &self,
        base: Link,
        entries: &[SentEntry],
    ) -> Result<(Branch, Option<Fork>), JournalFault> {
        if self.branches.len() >= BRANCHES_MAX {
            return Err(JournalFault::TooManyBranches);
        }
        let highest = self.branches.iter().map(|branch| branch.number).max();
        let number = highest.unwrap_or(0).saturating_add(1);
        let first = entries.first().map_or(base, |entry| entry.link);
        let head = base;
        let fork = Fork { base, first };
        Ok((Branch { number, base, head }, Some(fork)))
    }
}

/// A damaged record of the box.
fn is_lost(entry: &SentEntry) -> bool {
    entry.entry.is_empty() && entry.link.hash.0 == [0; 32]
}

fn key(link: Link) -> (u64, [u8; 32]) {
    (link.sequence, link.hash.0)
}

fn check_run(push: &Push) -> Result<(), JournalFault> {
    let mut last = push.after.sequence;
    for entry in &push.entries {
        if last.checked_add(1) != Some(entry.link.sequence) {
            return Err(JournalFault::Gap(last));
        }
        last = entry.link.sequence;
    }
    Ok(())
}
