// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a page count is and what it is worth (DESIGN: every count carries its evidence).

use serde::{Deserialize, Serialize};

/// IPP `sides` (RFC 8011 §5.2.8).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sides {
    /// `one-sided`
    #[default]
    OneSided,
    /// `two-sided-long-edge`
    TwoSidedLongEdge,
    /// `two-sided-short-edge`
    TwoSidedShortEdge,
}

impl Sides {
    /// The IPP keyword.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::OneSided => "one-sided",
            Self::TwoSidedLongEdge => "two-sided-long-edge",
            Self::TwoSidedShortEdge => "two-sided-short-edge",
        }
    }

    /// Reads an IPP keyword.
    #[must_use]
    pub fn from_keyword(keyword: &str) -> Option<Self> {
        [
            Self::OneSided,
            Self::TwoSidedLongEdge,
            Self::TwoSidedShortEdge,
        ]
        .into_iter()
        .find(|sides| sides.keyword() == keyword)
    }
}

/// Where a count comes from, weakest first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// Read from the page description before printing (offline page count, 3.16).
    Parsed,
    /// Difference of the printer's own counter (online page count, 3.17).
    Counter,
    /// The printer's job attribute or job log.
    PrinterJob,
    /// A person said so.
    Operator,
}

/// How sure a parsed figure is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// Walked to the end; nothing was guessed.
    Exact,
    /// The file is damaged or says less than it should: the figure is the best reading.
    Estimated,
    /// The document itself states the figure and it could not be checked.
    Stated,
    /// Nothing is known.
    Unknown,
}

/// Pages, impressions and sheets of one document. `None` means not known, never zero.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PageCount {
    /// Page images in the stream.
    pub pages: Option<u32>,
    /// Sides marked: pages × copies.
    pub impressions: Option<u32>,
    /// Sheets of media: copies × ⌈pages ÷ 2⌉ when two-sided, else impressions.
    pub media_sheets: Option<u32>,
    /// Copies the printer is asked to make, 1 or more.
    pub copies: u32,
    /// Sides, from the job's options or the document.
    pub sides: Sides,
    /// Where the figures come from.
    pub evidence: Evidence,
    /// How sure they are.
    pub certainty: Certainty,
    /// Why a figure is missing or not exact, as a sentence for the administrator.
    pub note: Option<String>,
}

impl PageCount {
    /// A count of `pages`, with impressions and sheets worked out.
    #[must_use]
    pub fn parsed(pages: u32, copies: u32, sides: Sides, certainty: Certainty) -> Self {
        let copies = copies.max(1);
        let impressions = pages.checked_mul(copies);
        let sheets_each = if sides == Sides::OneSided {
            pages
        } else {
            pages.div_ceil(2)
        };
        Self {
            pages: Some(pages),
            impressions,
            media_sheets: sheets_each.checked_mul(copies),
            copies,
            sides,
            evidence: Evidence::Parsed,
            certainty,
            note: None,
        }
    }

    /// Nothing is known but what the job's options say; `note` tells why.
    #[must_use]
    pub fn unknown(copies: u32, sides: Sides, note: impl Into<String>) -> Self {
        Self {
            pages: None,
            impressions: None,
            media_sheets: None,
            copies: copies.max(1),
            sides,
            evidence: Evidence::Parsed,
            certainty: Certainty::Unknown,
            note: Some(note.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_two_sided_pages_twice_take_four_sheets() {
        let count = PageCount::parsed(3, 2, Sides::TwoSidedLongEdge, Certainty::Exact);
        assert_eq!((count.impressions, count.media_sheets), (Some(6), Some(4)));
    }

    #[test]
    fn a_product_too_large_is_not_known_rather_than_wrong() {
        let count = PageCount::parsed(u32::MAX, 2, Sides::OneSided, Certainty::Stated);
        assert_eq!(count.impressions, None);
    }
}
