// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How far the centre has the box's journal, and what goes next.
//!
//! The journal itself is the queue: entries go strictly in order, from behind the last one that the
//! centre has for good. The cursor may be lost or old: entries that the centre has already are
//! no-ops there. Where the centre names an entry that is not in this journal, the box was put back
//! from a backup: it looks for the last entry that both have, by halving, and goes on from there with
//! its own chain; the centre keeps both.

use platen_model::Stamp;

use crate::limits::{ENTRIES_MAX, ENTRY_BYTES_MAX, JOBS_MAX, PUSH_ENTRIES_BYTES_MAX, WANTS_MAX};
use crate::message::{Hash, JobNotice, LeaseWant, Link, Push, SentEntry, VERSION, Verdict};

/// The cursor and, at times, the search for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outbox {
    acked: Link,
    search: Option<Search>,
    told: Option<Link>,
}

/// The last entry that both have lies at or behind `known` and before `unknown`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Search {
    known: Link,
    unknown: u64,
}

/// What goes into a push besides its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Cargo {
    /// The box's clock.
    pub at: Stamp,
    /// Entries from behind [`Outbox::after`] on, without a gap.
    pub entries: Vec<SentEntry>,
    /// Last sequence number of the journal.
    pub head: u64,
    /// Changed jobs.
    pub jobs: Vec<JobNotice>,
    /// Wanted leases.
    pub wants: Vec<LeaseWant>,
    /// Highest serial of a lease that was taken.
    pub leases_upto: u64,
    /// [`Push::running`]
    pub running: Option<platen_model::Running>,
    /// [`Push::generation`]
    pub generation: u64,
}

/// What was sent: the answer is compared with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sent {
    /// Behind which entry it began.
    pub after: Link,
    /// Its last entry, or `after` without any.
    pub last: Link,
}

/// What an answer told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Heard {
    /// The centre has everything up to here; save the cursor.
    Kept(Link),
    /// Send from behind this one on; the centre has less than it had (put back from a backup), or
    /// more than the cursor said. Save the cursor.
    Moved(Link),
    /// The centre has entries of this box that this box does not have: it was put back from a backup.
    /// Alert, close all leases (they may have been spent), and go on.
    Restored {
        /// Such an entry.
        centre_has: Link,
    },
    /// Looking for the last entry that both have; push again at once.
    Searching,
    /// The answer makes no sense; try again later.
    Nonsense,
}

impl Outbox {
    /// Goes on from a saved cursor; from the journal's begin without one.
    #[must_use]
    pub fn resume(acked: Link) -> Self {
        Self {
            acked,
            search: None,
            told: None,
        }
    }

    /// How far the centre has the journal.
    #[must_use]
    pub fn acked(&self) -> Link {
        self.acked
    }

    /// Whether it looks for the last entry that both have: pushes carry no entries then.
    #[must_use]
    pub fn is_searching(&self) -> bool {
        self.search.is_some()
    }

    /// Behind which entry the next push begins. `own` gives the hash of an entry of the journal.
    #[must_use]
    pub fn after(&self, own: impl Fn(u64) -> Option<Hash>) -> Link {
        let Some(search) = self.search else {
            return self.acked;
        };
        let sequence = search.known.sequence.midpoint(search.unknown);
        let hash = own(sequence).filter(|_| sequence > search.known.sequence);
        hash.map_or(search.known, |hash| Link { sequence, hash })
    }

    /// Makes the next push, of as much of `cargo` as fits. `after` is [`Self::after`]'s answer.
    #[must_use]
    pub fn push(&self, after: Link, mut cargo: Cargo) -> (Push, Sent) {
        let fitting = if self.is_searching() {
            0
        } else {
            fitting(after, &cargo.entries)
        };
        cargo.entries.truncate(fitting);
        cargo.jobs.truncate(JOBS_MAX);
        cargo.wants.truncate(WANTS_MAX);
        let last = cargo.entries.last().map_or(after, |entry| entry.link);
        let push = Push {
            version: VERSION,
            at: cargo.at,
            after,
            entries: cargo.entries,
            head: cargo.head.max(last.sequence),
            jobs: cargo.jobs,
            wants: cargo.wants,
            leases_upto: cargo.leases_upto,
            generation: cargo.generation,
            running: cargo.running,
        };
        (push, Sent { after, last })
    }

    /// Takes the centre's word on a push. `own` gives the hash of an entry of the journal.
    pub fn answered(
        &mut self,
        sent: Sent,
        verdict: &Verdict,
        own: impl Fn(u64) -> Option<Hash>,
    ) -> Heard {
        let is_own = |link: Link| match link.sequence {
            0 => link == Link::default(),
            sequence => own(sequence) == Some(link.hash),
        };
        match *verdict {
            Verdict::Kept(link) if is_own(link) => self.kept(sent, link),
            Verdict::Kept(link) if link.sequence > 0 && link.sequence >= sent.last.sequence => {
                // What was sent is kept, and more that is not from this journal.
                self.known(sent.last);
                self.restored(link).unwrap_or(self.settled(Heard::Kept))
            }
            Verdict::SendAfter(link) if is_own(link) => self.moved(sent, link),
            Verdict::SendAfter(link) if sent.after.sequence > 0 => {
                self.unknown(sent.after.sequence);
                self.restored(link).unwrap_or(self.settled(Heard::Moved))
            }
            Verdict::Kept(_) | Verdict::SendAfter(_) => Heard::Nonsense,
        }
    }

    fn kept(&mut self, sent: Sent, link: Link) -> Heard {
        if link.sequence < sent.after.sequence {
            return Heard::Nonsense;
        }
        self.known(link);
        self.settled(Heard::Kept)
    }

    fn moved(&mut self, sent: Sent, link: Link) -> Heard {
        if link == sent.after {
            return Heard::Nonsense;
        }
        self.search = None;
        self.acked = link;
        Heard::Moved(link)
    }

    fn known(&mut self, link: Link) {
        match &mut self.search {
            Some(search) if link.sequence >= search.unknown => self.search = None,
            Some(search) => search.known = link,
            None => {}
        }
        self.acked = link;
        self.end_search();
    }

    fn unknown(&mut self, sequence: u64) {
        let known = self.search.map_or(Link::default(), |search| search.known);
        let unknown = sequence;
        self.search = Some(Search { known, unknown });
        self.end_search();
    }

    /// The search is over when nothing lies between what is known and what is not.
    fn end_search(&mut self) {
        let over = |search: &Search| search.unknown <= search.known.sequence.saturating_add(1);
        if let Some(search) = self.search.filter(over) {
            self.acked = search.known;
            self.search = None;
        }
    }

    fn settled(&self, heard: impl Fn(Link) -> Heard) -> Heard {
        match self.search {
            Some(_) => Heard::Searching,
            None => heard(self.acked),
        }
    }

    /// The alert, once for each head of a foreign chain.
    fn restored(&mut self, centre_has: Link) -> Option<Heard> {
        let news = self.told != Some(centre_has);
        self.told = Some(centre_has);
        news.then_some(Heard::Restored { centre_has })
    }
}

/// How many entries from the first on go into one push.
fn fitting(after: Link, entries: &[SentEntry]) -> usize {
    let mut bytes = 0_usize;
    let mut next = after.sequence;
    let fits = |entry: &&SentEntry| {
        next = next.saturating_add(1);
        bytes = bytes.saturating_add(entry.entry.len());
        entry.link.sequence == next
            && entry.entry.len() <= ENTRY_BYTES_MAX
            && bytes <= PUSH_ENTRIES_BYTES_MAX
    };
    let fitting = entries.iter().take(ENTRIES_MAX).take_while(fits);
    fitting.count()
}
