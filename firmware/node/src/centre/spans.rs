// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which entries of the journal are the site's business: those from the times in which the box was part
//! of it. What stands in the journal from before, of no site or of another one, is withheld: its place
//! goes up, its content does not. Where the journal does not say when the box joined, because that
//! record is damaged or the journal was lost, rather too much goes up than charges too few.

use std::ops::ControlFlow;

use platen_ledger::{Entry, Ledger, LedgerError};
use platen_model::SiteId;
use serde::{Deserialize, Serialize};

/// Times of membership that are remembered; older ones are withheld like times of none.
const SPANS_MAX: usize = 64;

/// Sequence numbers from one entry to another, both with them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(super) struct Span {
    from: u64,
    /// `None`: up to now.
    to: Option<u64>,
}

/// When the box, which is part of `site`, was so, by the journal: the last span is open. Reads all of
/// it: blocks.
pub(super) fn of_site(ledger: &Ledger, site: SiteId) -> Result<Vec<Span>, LedgerError> {
    let mut reading = Reading::of(site);
    ledger.replay(1, |record| {
        let moved = match record.entry {
            Entry::Enrolled { site } => Some(site),
            _ => None,
        };
        reading.note(record.sequence, moved);
        ControlFlow::Continue(())
    })?;
    Ok(reading.end(ledger.head().sequence))
}

/// Whether `spans` can be this journal's: the present membership begins with its entry, or with one
/// that is damaged.
pub(super) fn fit(spans: &[Span], ledger: &Ledger, site: SiteId) -> Result<bool, LedgerError> {
    let Some(open) = spans.last().filter(|span| span.to.is_none()) else {
        return Ok(false);
    };
    if open.from > ledger.head().sequence {
        return Ok(false);
    }
    let found = ledger.entries(open.from, 1)?;
    let begin = found.first().filter(|entry| entry.sequence == open.from);
    let joined = Entry::Enrolled { site: Some(site) };
    Ok(begin.is_none_or(|begin| begin.entry == joined))
}

/// Whether an entry is the site's business.
pub(super) fn covers(spans: &[Span], sequence: u64) -> bool {
    spans
        .iter()
        .any(|span| span.from <= sequence && span.to.is_none_or(|to| sequence <= to))
}

/// The journal read up to some record.
struct Reading {
    site: SiteId,
    spans: Vec<Span>,
    /// The record that was read last.
    last: u64,
    /// The last one that told of joining or leaving.
    told: u64,
    /// The first one behind it that is missing.
    lost: Option<u64>,
}

impl Reading {
    fn of(site: SiteId) -> Self {
        Self {
            site,
            spans: Vec::new(),
            last: 0,
            told: 0,
            lost: None,
        }
    }

    /// The next record; `moved` is where the box belongs from it on, if it tells that.
    fn note(&mut self, sequence: u64, moved: Option<Option<SiteId>>) {
        self.skip_to(sequence);
        self.last = sequence;
        let Some(now) = moved else {
            return;
        };
        (self.told, self.lost) = (sequence, None);
        let open = self.spans.last_mut().filter(|span| span.to.is_none());
        match (now == Some(self.site), open) {
            (true, None) => self.open(sequence),
            // The entry that ends the membership is the site's to know.
            (false, Some(span)) => span.to = Some(sequence),
            _ => {}
        }
    }

    fn skip_to(&mut self, sequence: u64) {
        let next = self.last.saturating_add(1);
        if sequence > next {
            self.lost.get_or_insert(next);
        }
    }

    fn open(&mut self, from: u64) {
        self.spans.push(Span { from, to: None });
    }

    fn end(mut self, head: u64) -> Vec<Span> {
        self.skip_to(head.saturating_add(1));
        if self.spans.last().is_none_or(|span| span.to.is_some()) {
            // It joined all the same: with a record that is missing, or in a journal that is lost.
            self.open(self.lost.unwrap_or(self.told.saturating_add(1)));
        }
        let first = self.spans.len().saturating_sub(SPANS_MAX);
        self.spans.split_off(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Option<SiteId> = Some(SiteId(uuid::Uuid::from_u128(1)));
    const B: Option<SiteId> = Some(SiteId(uuid::Uuid::from_u128(2)));

    /// What of a journal with these records (`None`: not of a site) site A is told, for a box of A.
    fn told(head: u64, records: &[(u64, Option<Option<SiteId>>)]) -> Vec<u64> {
        let mut reading = Reading::of(A.unwrap());
        for &(sequence, moved) in records {
            reading.note(sequence, moved);
        }
        let spans = reading.end(head);
        (1..=head).filter(|n| covers(&spans, *n)).collect()
    }

    #[test]
    fn only_what_came_in_the_site_is_told_up_to_its_leaving() {
        let mut records: Vec<_> = (1..=12).map(|n| (n, None)).collect();
        records[2].1 = Some(A);
        records[5].1 = Some(None);
        records[6].1 = Some(B);
        records[8].1 = Some(None);
        records[9].1 = Some(A);
        assert_eq!(told(12, &records), [3, 4, 5, 6, 10, 11, 12]);
    }

    #[test]
    fn a_joining_that_is_damaged_withholds_nothing_of_what_came_after_it() {
        let rest = |from: u64| (from..=9).map(|n| (n, None));
        let damaged: Vec<_> = [(1, None), (2, None)].into_iter().chain(rest(4)).collect();
        assert_eq!(told(9, &damaged), [3, 4, 5, 6, 7, 8, 9]);
        let twice = [(1, Some(A)), (2, None), (3, Some(None)), (4, None)];
        let twice: Vec<_> = twice.into_iter().chain(rest(6)).collect();
        assert_eq!(told(9, &twice), [1, 2, 3, 5, 6, 7, 8, 9]);
        assert_eq!(told(4, &[(1, None), (2, None)]), [3, 4], "at the end");
    }

    #[test]
    fn a_journal_that_knows_no_joining_is_told_whole() {
        let records: Vec<_> = (1..=4).map(|n| (n, None)).collect();
        assert_eq!(told(4, &records), [1, 2, 3, 4]);
        assert_eq!(told(0, &[]), [0_u64; 0]);
    }
}
