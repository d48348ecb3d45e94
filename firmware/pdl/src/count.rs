// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How many pages a document makes: the one entrance, over all counted languages.
//!
//! Copies and sides: [`JobOptions`] cannot tell "1" from "not said", so options other than one
//! copy and one-sided win, and else the document's own page headers count where a language has
//! them (PWG raster: both; Apple raster: sides). A PDF's viewer preferences are hints for a
//! dialogue, not orders to a printer, and are not read.

use std::io::{Read, Seek};

use platen_model::{Certainty, JobOptions, PageCount, Sides};

use crate::language::{HEAD_BYTES, Language, locate};
use crate::limits::CountLimits;
use crate::source::{Source, SourceError};
use crate::{jpeg, pdf, raster};

/// What a language's counter found; joined with the job's options by [`Tally::into_count`].
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Tally {
    /// `None` when nothing is known.
    pub(crate) pages: Option<u32>,
    pub(crate) certainty: Certainty,
    pub(crate) note: Option<String>,
    /// As the document's page headers say.
    pub(crate) copies: Option<u32>,
    /// As the document's page headers say.
    pub(crate) sides: Option<Sides>,
}

impl Tally {
    /// Counted to the end.
    pub(crate) fn exact(pages: u32) -> Self {
        Self {
            pages: Some(pages),
            certainty: Certainty::Exact,
            note: None,
            copies: None,
            sides: None,
        }
    }

    /// The best reading of a damaged document.
    pub(crate) fn estimated(pages: u32, note: impl Into<String>) -> Self {
        let certainty = Certainty::Estimated;
        Self {
            certainty,
            note: Some(note.into()),
            ..Self::exact(pages)
        }
    }

    /// Nothing is known.
    pub(crate) fn unknown(note: impl Into<String>) -> Self {
        let certainty = Certainty::Unknown;
        Self {
            pages: None,
            certainty,
            note: Some(note.into()),
            ..Self::exact(0)
        }
    }

    fn into_count(self, options: &JobOptions) -> PageCount {
        let copies = match (options.copies, self.copies) {
            (0 | 1, Some(copies)) => copies,
            (copies, _) => copies,
        };
        let sides = match (options.sides, self.sides) {
            (Sides::OneSided, Some(sides)) => sides,
            (sides, _) => sides,
        };
        match self.pages {
            Some(pages) => PageCount {
                note: self.note,
                ..PageCount::parsed(pages, copies, sides, self.certainty)
            },
            None => PageCount::unknown(copies, sides, self.note.unwrap_or_default()),
        }
    }
}

/// Counts a document from its first byte, wherever the reader stands. Never fails: what is not
/// known is said in the count's certainty, and why in its note. Blocks on the reader.
pub fn count(
    reader: &mut (impl Read + Seek),
    options: &JobOptions,
    limits: &CountLimits,
) -> PageCount {
    let tally = Source::open(reader, limits.scan_bytes, limits.parse_bytes)
        .and_then(|mut source| tally(&mut source, limits))
        .unwrap_or_else(|error| Tally::unknown(unread(&error)));
    tally.into_count(options)
}

fn tally(source: &mut Source<'_>, limits: &CountLimits) -> Result<Tally, SourceError> {
    let head = source.read_at(0, HEAD_BYTES)?;
    if head.is_empty() {
        return Ok(Tally::unknown("The document is empty."));
    }
    let (language, offset) = locate(&head);
    let offset = offset as u64;
    match language {
        Language::Pdf | Language::Pclm => Ok(pdf::tally(source, offset, limits)),
        Language::PwgRaster => raster::pwg(source, offset, limits),
        Language::AppleRaster => raster::urf(source, offset, limits),
        Language::Jpeg => jpeg::tally(source, offset),
        Language::Unknown => Ok(Tally::unknown(
            "The document is in a language that the box does not know, so its pages cannot be \
             counted.",
        )),
        other => Ok(Tally::unknown(format!(
            "Pages of {} documents are not counted yet.",
            other.name()
        ))),
    }
}

/// The sentence for a document whose bytes could not be had.
pub(crate) fn unread(error: &SourceError) -> &'static str {
    match error {
        SourceError::Read(_) => "The document could not be read from the box's storage.",
        SourceError::Budget => "Counting was given up because the document is too large.",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn options_win_over_the_document_where_they_say_something() {
        let tally = || Tally {
            copies: Some(3),
            sides: Some(Sides::TwoSidedShortEdge),
            ..Tally::exact(5)
        };
        let silent = tally().into_count(&JobOptions::default());
        assert_eq!((silent.copies, silent.media_sheets), (3, Some(9)));
        let two = JobOptions {
            copies: 2,
            sides: Sides::TwoSidedLongEdge,
            ..JobOptions::default()
        };
        let said = tally().into_count(&two);
        assert_eq!((said.copies, said.sides), (2, Sides::TwoSidedLongEdge));
    }

    #[test]
    fn an_empty_document_and_a_failing_reader_are_unknown_not_zero() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::InvalidData.into())
            }
        }
        impl Seek for Broken {
            fn seek(&mut self, _: std::io::SeekFrom) -> std::io::Result<u64> {
                Ok(100)
            }
        }
        let (options, limits) = (JobOptions::default(), CountLimits::default());
        for found in [
            count(&mut Cursor::new(b""), &options, &limits),
            count(&mut Broken, &options, &limits),
            count(&mut Cursor::new(b"\x1bE\x1b&l1X"), &options, &limits),
        ] {
            assert_eq!((found.pages, found.certainty), (None, Certainty::Unknown));
            assert!(found.note.is_some_and(|note| note.ends_with('.')));
        }
    }
}
