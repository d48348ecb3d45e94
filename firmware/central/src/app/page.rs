// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parts of long lists.

use serde::{Deserialize, Serialize};

/// Rows of a page, at most.
const ROWS_MAX: u64 = 1000;

/// Which part of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Page {
    /// Rows before it.
    pub offset: u64,
    /// Rows in it, at most; more than 1000 are taken for 1000.
    pub limit: u64,
}

impl Default for Page {
    fn default() -> Self {
        Self {
            offset: 0,
            limit: 100,
        }
    }
}

impl Page {
    pub(crate) fn bounds(self) -> (u64, u64) {
        (self.offset, self.limit.min(ROWS_MAX))
    }
}

/// Part of a list.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Listed<T> {
    /// The rows of this part.
    pub rows: Vec<T>,
    /// Rows of the whole list.
    pub total: u64,
}
