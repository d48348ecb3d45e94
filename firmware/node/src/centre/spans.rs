// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which entries of the journal are the site's business: those from the times in which the box was part
//! of it. What stands in the journal from before, of no site or of another one, is withheld: its place
//! goes up, its content does not.

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

/// When the box was part of `site`, by the journal. Reads all of it: blocks.
pub(super) fn of_site(ledger: &Ledger, site: SiteId) -> Result<Vec<Span>, LedgerError> {
    let mut spans: Vec<Span> = Vec::new();
    ledger.replay(1, |record| {
        let Entry::Enrolled { site: now } = record.entry else {
            return ControlFlow::Continue(());
        };
        let open = spans.last_mut().filter(|span| span.to.is_none());
        match (now == Some(site), open) {
            (true, None) => spans.push(Span {
                from: record.sequence,
                to: None,
            }),
            // The entry that ends the membership is the site's to know.
            (false, Some(span)) => span.to = Some(record.sequence),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    let first = spans.len().saturating_sub(SPANS_MAX);
    Ok(spans.split_off(first))
}

/// Whether an entry is the site's business.
pub(super) fn covers(spans: &[Span], sequence: u64) -> bool {
    spans
        .iter()
        .any(|span| span.from <= sequence && span.to.is_none_or(|to| sequence <= to))
}
