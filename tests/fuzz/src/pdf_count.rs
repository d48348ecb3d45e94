// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Documents as they come: `platen_pdl::count`, mostly PDF.

use std::io::Cursor;

use platen_model::{Certainty, JobOptions, PageCount};
use platen_pdl::{CountLimits, count};

/// Counts a document.
///
/// # Panics
/// When a count without pages claims to know them, or one that is not exact does not say why.
pub fn pdf_count(data: &[u8]) {
    let limits = CountLimits::default();
    let found = count(&mut Cursor::new(data), &JobOptions::default(), &limits);
    assert_sound(&found);
}

/// What holds of every count.
pub(crate) fn assert_sound(found: &PageCount) {
    let unknown = found.certainty == Certainty::Unknown;
    assert_eq!(found.pages.is_none(), unknown, "{found:?}");
    let silent = found.note.is_none();
    assert!(!silent || found.certainty == Certainty::Exact, "{found:?}");
    assert!(found.copies >= 1, "{found:?}");
}
