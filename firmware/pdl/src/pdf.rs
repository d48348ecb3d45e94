// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PDF (ISO 32000): pages by walking the page tree, with objects fetched one by one. The library
//! `lopdf` decrypts and decompresses what has to be; it never gets a whole document, because it
//! would hold every object of it in memory, whatever its size.

mod cipher;
mod objects;
mod rebuild;
mod table;
mod tree;
mod value;
mod xref;

use objects::Objects;
use platen_model::Certainty;
use tree::{Walk, walk};
use value::Value;

use crate::count::{Tally, unread};
use crate::limits::CountLimits;
use crate::source::{Source, SourceError};

/// Why something in a PDF could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PdfError {
    /// The bytes could not be had.
    #[error("the document's bytes are not to be had")]
    Source(#[from] SourceError),
    /// They do not say what they should.
    #[error("the PDF is damaged")]
    Damaged,
    /// More of something than [`CountLimits`] allows.
    #[error("the PDF exceeds a limit")]
    Limit,
    /// It is encrypted, and not with the empty user password.
    #[error("the PDF is locked")]
    Locked,
}

/// Counts a PDF that begins at `base`.
pub(crate) fn tally(source: &mut Source<'_>, base: u64, limits: &CountLimits) -> Tally {
    let mut objects = Objects::new(source, base, limits);
    let first = attempt(&mut objects, xref::read);
    match first {
        Ok(first) if !needs_rebuild(&first) => first.judge(),
        Ok(first) => match attempt(&mut objects, rebuild::rebuild) {
            Ok(second) if second.walk.pages >= first.walk.pages => second.rebuilt(),
            _ => first.judge(), // the search found less
        },
        Err(PdfError::Damaged | PdfError::Limit) => match attempt(&mut objects, rebuild::rebuild) {
            Ok(second) => second.rebuilt(),
            Err(PdfError::Damaged) => loose_pages(&mut objects),
            Err(error) => Tally::unknown(reason(&error)),
        },
        Err(error) => Tally::unknown(reason(&error)),
    }
}

/// Only a table that points to wrong places is worth a search of the whole file.
fn needs_rebuild(first: &Reading) -> bool {
    first.walk.unreadable > 0 || matches!(first.walk.stopped, Some(PdfError::Damaged))
}

/// One way of reading the document.
struct Reading {
    walk: Walk,
    /// `/Count` of the tree's root.
    stated: Option<u32>,
    /// What a person sees on paper is not what the document is about.
    placeholder: bool,
}

/// Reads the table in one way and walks the tree. Damaged means that there is no tree.
fn attempt(
    objects: &mut Objects<'_, '_>,
    read: fn(&mut Objects<'_, '_>) -> Result<(), PdfError>,
) -> Result<Reading, PdfError> {
    read(objects)?;
    let catalog = objects.resolve(&objects.trailer.get(b"Root").clone())?;
    let root = catalog.get(b"Pages");
    let node = objects.resolve(root)?;
    if !matches!(node, Value::Dictionary(_)) {
        return Err(PdfError::Damaged);
    }
    let portfolio = *catalog.get(b"Collection") != Value::Null;
    let dynamic_form = *catalog.get(b"NeedsRendering") == Value::Boolean(true);
    Ok(Reading {
        stated: node.get(b"Count").number(),
        walk: walk(objects, root),
        placeholder: portfolio || dynamic_form,
    })
}

impl Reading {
    /// The count by the document's own table.
    fn judge(self) -> Tally {
        let pages = self.walk.pages;
        match (&self.walk.stopped, self.stated) {
            (Some(PdfError::Locked), _) => Tally::unknown(reason(&PdfError::Locked)),
            (Some(error), Some(stated)) if stated >= pages => stated_only(stated, reason(error)),
            (Some(error), _) => Tally::estimated(pages, reason(error)),
            _ if !self.walk.is_clean() && pages == 0 => match self.stated {
                Some(stated @ 1..) => stated_only(stated, "None of the PDF's pages can be found."),
                _ => Tally::unknown("None of the PDF's pages can be found."),
            },
            _ if !self.walk.is_clean() => Tally::estimated(pages, self.walk.complaint()),
            _ if pages == 0 => Tally::estimated(0, "The PDF has no pages."),
            _ if self.placeholder => Tally {
                note: Some(
                    "The PDF is a portfolio or a dynamic form; its placeholder pages are counted."
                        .to_owned(),
                ),
                ..Tally::exact(pages)
            },
            _ => Tally::exact(pages),
        }
    }

    /// The count by a table that was made by searching the file: never better than an estimate.
    fn rebuilt(self) -> Tally {
        match self.judge() {
            Tally {
                certainty: Certainty::Exact,
                pages: Some(pages),
                ..
            } => Tally::estimated(
                pages,
                "The PDF's cross-reference is damaged; its pages were found by searching the file.",
            ),
            tally => tally,
        }
    }
}

/// The document's own word for how many pages it has.
fn stated_only(pages: u32, note: &str) -> Tally {
    Tally {
        certainty: Certainty::Stated,
        ..Tally::estimated(pages, note)
    }
}

impl Walk {
    /// The sentence for a tree with bad kids.
    fn complaint(&self) -> String {
        let bad = self.wrong.saturating_add(self.unreadable);
        format!("The PDF's page tree is damaged in {bad} places; the pages that are there count.")
    }
}

/// The count of a file whose tree is gone, such as one cut off before it.
fn loose_pages(objects: &mut Objects<'_, '_>) -> Tally {
    match tree::orphans(objects) {
        Ok(0) => Tally::unknown("The PDF is damaged or cut off, and no page of it can be found."),
        Ok(pages) => Tally::estimated(
            pages,
            "The PDF is damaged or cut off; the pages found in what is there are counted.",
        ),
        Err(error) => Tally::unknown(reason(&error)),
    }
}

fn reason(error: &PdfError) -> &'static str {
    match error {
        PdfError::Source(error) => unread(error),
        PdfError::Damaged => "The PDF is damaged.",
        PdfError::Limit => "The PDF exceeds a limit of the counter.",
        PdfError::Locked => {
            "The PDF is encrypted, and reading its pages needs a password or a method that the box \
             does not have."
        }
    }
}
