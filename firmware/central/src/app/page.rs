// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parts of long lists.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Rows of a page, at most.
const ROWS_MAX: u64 = 1000;

/// Which part of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// Rows before it, in a list in order of names.
    pub offset: u64,
    /// The last row before it, in a list that has the newest first: rows that come while somebody
    /// pages shift nothing. `None` for the first page.
    pub behind: Option<Mark>,
    /// Rows in it, at most; more than 1000 are taken for 1000.
    pub limit: u64,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            offset: 0,
            behind: None,
            limit: 100,
        }
    }
}

impl Page {
    pub(crate) fn bounds(self) -> (u64, u64) {
        (self.offset, self.limit.min(ROWS_MAX))
    }

    pub(crate) fn newest(self) -> (Option<Mark>, u64) {
        (self.behind, self.limit.min(ROWS_MAX))
    }
}

/// A row of a list that has the newest first. What a list has no use for is 0.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mark {
    /// When, wall milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Of the row, or of the box whose journal it is from.
    pub id: Uuid,
    /// Branch of that journal.
    pub branch: u32,
    /// Place in it, or in a list of its own.
    pub sequence: u64,
}

/// One word, which [`FromStr`] reads.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (at, id) = (self.at_unix_ms, self.id.simple());
        write!(f, "{at}.{id}.{}.{}", self.branch, self.sequence)
    }
}

/// A word that is no [`Mark`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this is no place in a list")]
pub struct NoMark;

impl FromStr for Mark {
    type Err = NoMark;

    fn from_str(text: &str) -> Result<Self, NoMark> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(NoMark);
        let mark = Self {
            at_unix_ms: part()?.parse().map_err(|_| NoMark)?,
            id: part()?.parse().map_err(|_| NoMark)?,
            branch: part()?.parse().map_err(|_| NoMark)?,
            sequence: part()?.parse().map_err(|_| NoMark)?,
        };
        parts.next().is_none().then_some(mark).ok_or(NoMark)
    }
}

/// Part of a list.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Listed<T> {
    /// The rows of this part.
    pub rows: Vec<T>,
    /// Rows of the whole list.
    pub total: u64,
    /// The last of `rows`, where more follow in a list that has the newest first.
    pub next: Option<Mark>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_from_its_word_and_from_no_other() {
        let mark = Mark {
            at_unix_ms: u64::MAX,
            id: Uuid::from_u128(7),
            branch: u32::MAX,
            sequence: 9,
        };
        let word = mark.to_string();
        assert_eq!(word.parse(), Ok(mark));
        for wrong in [
            "",
            "5",
            "1.2.3.4",
            &word[1..word.len() - 2],
            &format!("{word}.1"),
        ] {
            assert_eq!(wrong.parse::<Mark>(), Err(NoMark), "{wrong}");
        }
    }
}
