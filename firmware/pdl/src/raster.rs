// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PWG raster (PWG 5102.4) and Apple raster (URF). A page has no length field, so its lines are
//! walked by their run lengths; no pixel is kept. The page totals in the headers are hints: they
//! are usually 0 and sometimes wrong.

use platen_model::Sides;

use crate::count::{Tally, unread};
use crate::limits::CountLimits;
use crate::source::{Forward, Source, SourceError};

/// Bytes of a PWG page header, after the synchronisation word of the stream.
const PWG_HEADER: usize = 1796;
/// PWG header offsets of 32-bit big-endian fields.
const PWG_DUPLEX: usize = 272;
const PWG_COPIES: usize = 340;
const PWG_TUMBLE: usize = 368;
const PWG_HEIGHT: usize = 376;
const PWG_BITS_PER_PIXEL: usize = 388;
const PWG_BYTES_PER_LINE: usize = 392;
/// Bytes of the URF file header: `UNIRAST\0` and the page total.
const URF_FILE_HEADER: u64 = 12;
/// Bytes of a URF page header.
const URF_HEADER: usize = 32;

/// What a page header says that counting needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Page {
    height: u32,
    line_bytes: u64,
    /// Bytes of what one run repeats.
    unit: u64,
    copies: Option<u32>,
    sides: Sides,
}

/// How a page's lines ended.
enum Lines {
    Whole,
    /// The document ended first.
    Cut,
    /// A line's runs are longer than the line.
    Overrun,
}

/// Counts a PWG raster stream.
pub(crate) fn pwg(
    source: &mut Source<'_>,
    offset: u64,
    limits: &CountLimits,
) -> Result<Tally, SourceError> {
    walk(source, offset.saturating_add(4), limits, pwg_page)
}

/// Counts an Apple raster stream.
pub(crate) fn urf(
    source: &mut Source<'_>,
    offset: u64,
    limits: &CountLimits,
) -> Result<Tally, SourceError> {
    walk(
        source,
        offset.saturating_add(URF_FILE_HEADER),
        limits,
        urf_page,
    )
}

/// Reads the page header at the bytes; `None` when they are none.
fn pwg_page(header: &[u8; PWG_HEADER]) -> Option<Page> {
    if !header.starts_with(b"PwgRaster\0") {
        return None;
    }
    let field = |at: usize| {
        let bytes = header.get(at..at + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let sides = match (field(PWG_DUPLEX)?, field(PWG_TUMBLE)?) {
        (0, _) => Sides::OneSided,
        (_, 0) => Sides::TwoSidedLongEdge,
        _ => Sides::TwoSidedShortEdge,
    };
    Some(Page {
        height: field(PWG_HEIGHT)?,
        line_bytes: u64::from(field(PWG_BYTES_PER_LINE)?),
        unit: u64::from(field(PWG_BITS_PER_PIXEL)?.div_ceil(8).max(1)),
        copies: Some(field(PWG_COPIES)?.max(1)), // 0: not said
        sides,
    })
}

/// Reads the page header; `None` when the bytes cannot be one.
fn urf_page(header: &[u8; URF_HEADER]) -> Option<Page> {
    let [
        bits,
        space,
        duplex,
        _quality,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        rest @ ..,
    ] = header;
    let [w0, w1, w2, w3, h0, h1, h2, h3, ..] = rest;
    if !matches!(bits, 1 | 8 | 16 | 24 | 32 | 48 | 64) || *space > 6 {
        return None;
    }
    let unit = u64::from(bits.div_ceil(8));
    let width = u64::from(u32::from_be_bytes([*w0, *w1, *w2, *w3]));
    Some(Page {
        height: u32::from_be_bytes([*h0, *h1, *h2, *h3]),
        line_bytes: if *bits == 1 {
            width.div_ceil(8)
        } else {
            width.saturating_mul(unit)
        },
        unit,
        copies: None,
        sides: match duplex {
            2 => Sides::TwoSidedShortEdge,
            3 => Sides::TwoSidedLongEdge,
            _ => Sides::OneSided,
        },
    })
}

/// What was found on the way through a stream.
#[derive(Default)]
struct Walked {
    pages: u32,
    first: Option<Page>,
    /// A later page asks for other copies or sides than the first.
    mixed: bool,
}

fn walk<const N: usize>(
    source: &mut Source<'_>,
    offset: u64,
    limits: &CountLimits,
    read: fn(&[u8; N]) -> Option<Page>,
) -> Result<Tally, SourceError> {
    let length = source.length();
    let mut forward = source.forward(offset);
    let mut walked = Walked::default();
    let mut trouble = None;
    while trouble.is_none() && forward.offset() < length {
        trouble = if walked.pages >= limits.pages {
            Some("Counting stopped at the page limit; the document has more pages.")
        } else {
            step(&mut forward, &mut walked, read).unwrap_or_else(|error| Some(unread(&error)))
        };
    }
    if walked.mixed {
        let mixed = "The pages ask for different copies or sides; the first page's were taken.";
        trouble = trouble.or(Some(mixed));
    }
    let tally = match trouble {
        None => Tally::exact(walked.pages),
        Some(note) if walked.pages == 0 => Tally::unknown(note),
        Some(note) => Tally::estimated(walked.pages, note),
    };
    Ok(Tally {
        copies: walked.first.and_then(|page| page.copies),
        sides: walked.first.map(|page| page.sides),
        ..tally
    })
}

/// Goes over one page; says what is wrong, if anything.
fn step<const N: usize>(
    forward: &mut Forward<'_, '_>,
    walked: &mut Walked,
    read: fn(&[u8; N]) -> Option<Page>,
) -> Result<Option<&'static str>, SourceError> {
    let Some(header) = forward.array::<N>()? else {
        return Ok(Some("The raster document ends within a page header."));
    };
    let Some(page) = read(&header) else {
        return Ok(Some(
            "The raster document holds something that is not a page.",
        ));
    };
    walked.pages += 1; // also a page cut off: printers print what they have
    let first = *walked.first.get_or_insert(page);
    walked.mixed |= (first.copies, first.sides) != (page.copies, page.sides);
    Ok(match lines(forward, page)? {
        Lines::Whole => None,
        Lines::Cut => Some("The raster document is cut off within its last page."),
        Lines::Overrun => Some("The raster document is damaged; pages after that are not counted."),
    })
}

/// Goes over a page's lines: each a repeat count, then runs until the line is full.
fn lines(forward: &mut Forward<'_, '_>, page: Page) -> Result<Lines, SourceError> {
    let mut left = u64::from(page.height);
    while left > 0 && page.line_bytes > 0 {
        let Some(repeats) = forward.byte()? else {
            return Ok(Lines::Cut);
        };
        left = left.saturating_sub(u64::from(repeats) + 1);
        let mut filled = 0;
        while filled < page.line_bytes {
            let Some(code) = forward.byte()? else {
                return Ok(Lines::Cut);
            };
            let (stored, run) = match code {
                0..=127 => (1, u64::from(code) + 1),
                // Not in PWG 5102.4; Apple's and CUPS's writers: the rest of the line is white.
                128 => (0, page.line_bytes),
                129.. => (257 - u64::from(code), 257 - u64::from(code)),
            };
            if !forward.skip(stored * page.unit)? {
                return Ok(Lines::Cut);
            }
            filled = filled.saturating_add(run * page.unit);
            if filled > page.line_bytes && code != 128 {
                return Ok(Lines::Overrun);
            }
        }
    }
    Ok(Lines::Whole)
}
