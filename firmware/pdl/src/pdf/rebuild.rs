// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A table for a PDF whose own cross-reference cannot be used: one pass over the file for
//! `N G obj`, `trailer`, and the names that mark catalogs, object and cross-reference streams.
//! Names can stand in binary data by chance; whatever is found is parsed before it is believed.

use std::collections::VecDeque;

use super::PdfError;
use super::objects::Objects;
use super::table::Entry;
use super::value::{Value, is_blank};

/// How many of the last trailers, cross-reference streams and catalogs are tried.
const CANDIDATES: usize = 16;
/// Bytes before `obj` that may hold its numbers.
const LOOK_BEHIND: usize = 64;
/// Bytes after a place that its word may take.
const LOOK_AHEAD: usize = 16;

/// What the pass found, in the order of the file.
#[derive(Default)]
struct Found {
    /// The last `N G obj`.
    current: Option<(u32, u64)>,
    trailers: VecDeque<u64>,
    xref_streams: VecDeque<u64>,
    catalogs: VecDeque<u32>,
    object_streams: Vec<(u32, u64)>,
}

/// Fills the table and the trailer of `objects` from what stands in the file.
pub(super) fn rebuild(objects: &mut Objects<'_, '_>) -> Result<(), PdfError> {
    objects.reset(0);
    let found = scan(objects)?;
    let trailers = trailers(objects, &found)?;
    objects.trailer = trailers.first().cloned().unwrap_or(Value::Null);
    unpack(objects, &found.object_streams)?;
    for trailer in trailers {
        if leads_to_pages(objects, &trailer)? {
            objects.trailer = trailer;
            return Ok(());
        }
    }
    for catalog in found.catalogs.into_iter().rev() {
        let mut trailer = vec![(b"Root".to_vec(), Value::Reference(catalog, 0))];
        for key in [b"Encrypt".as_slice(), b"ID"] {
            trailer.push((key.to_vec(), objects.trailer.get(key).clone()));
        }
        let trailer = Value::Dictionary(trailer);
        if leads_to_pages(objects, &trailer)? {
            objects.trailer = trailer;
            return Ok(());
        }
    }
    Ok(())
}

/// Passes over the file once, in pieces that overlap.
fn scan(objects: &mut Objects<'_, '_>) -> Result<Found, PdfError> {
    let mut found = Found::default();
    let mut window: Vec<u8> = Vec::new();
    let (mut window_at, mut from) = (0, 0);
    let mut forward = objects.source.forward(0);
    loop {
        let piece = forward.rest()?;
        let last = piece.is_empty();
        window.extend_from_slice(&piece);
        let to = if last {
            window.len()
        } else {
            window.len().saturating_sub(LOOK_AHEAD)
        };
        let places = window.get(from..to).unwrap_or_default().iter().enumerate();
        for (index, _) in places.filter(|(_, byte)| matches!(byte, b'o' | b't' | b'/')) {
            if let Some(header) = found.look(&window, from + index, window_at) {
                objects.table.set(header.0, Entry::InFile(header.1));
            }
        }
        if last {
            return Ok(found);
        }
        let gone = to.saturating_sub(LOOK_BEHIND);
        window.drain(..gone);
        window_at += gone as u64;
        from = to - gone;
    }
}

impl Found {
    /// Looks at one place of the window; gives back an object's number and offset.
    fn look(&mut self, window: &[u8], at: usize, window_at: u64) -> Option<(u32, u64)> {
        let here = window.get(at..)?;
        let offset = window_at + at as u64;
        if here.starts_with(b"obj") {
            let (number, start) = header_before(window.get(..at)?)?;
            self.current = Some((number, window_at + start as u64));
            return self.current;
        }
        if here.starts_with(b"trailer") {
            keep_last(&mut self.trailers, offset);
        }
        let (number, start) = self.current?;
        if here.starts_with(b"/ObjStm") {
            self.object_streams.push((number, start));
        } else if here.starts_with(b"/XRef") && !here.starts_with(b"/XRefStm") {
            keep_last(&mut self.xref_streams, start);
        } else if here.starts_with(b"/Catalog") {
            keep_last(&mut self.catalogs, number);
        }
        None
    }
}

fn keep_last<T>(places: &mut VecDeque<T>, place: T) {
    if places.len() >= CANDIDATES {
        places.pop_front();
    }
    places.push_back(place);
}

/// Reads `N G ` backwards from the end of the bytes: the number and where it begins.
fn header_before(bytes: &[u8]) -> Option<(u32, usize)> {
    let (_, rest) = split_word_back(bytes)?;
    let (number, rest) = split_word_back(rest)?;
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some((number, rest.len()))
}

/// Splits off blanks, then digits before them, from the end.
fn split_word_back(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let window = bytes.get(bytes.len().saturating_sub(LOOK_BEHIND)..)?;
    let blanks = window
        .iter()
        .rev()
        .take_while(|byte| is_blank(**byte))
        .count();
    let digits = window
        .iter()
        .rev()
        .skip(blanks)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let end = bytes.len().checked_sub(blanks)?;
    let start = end.checked_sub(digits)?;
    let none = blanks == 0 || digits == 0;
    if none {
        None
    } else {
        Some((bytes.get(start..end)?, bytes.get(..start)?))
    }
}

/// The dictionaries with a root that were found, last in the file first.
fn trailers(objects: &mut Objects<'_, '_>, found: &Found) -> Result<Vec<Value>, PdfError> {
    let mut read = Vec::new();
    for offset in &found.trailers {
        let trailer = usable(objects.parse_at(offset.saturating_add(7), |lexer| lexer.value()))?;
        read.extend(trailer.map(|(value, _)| (*offset, value)));
    }
    for offset in &found.xref_streams {
        let object = usable(objects.indirect_at(*offset, None))?;
        read.extend(object.map(|object| (*offset, object.value)));
    }
    read.retain(|(_, trailer)| matches!(trailer.get(b"Root"), Value::Reference(..)));
    read.sort_by_key(|(offset, _)| std::cmp::Reverse(*offset));
    Ok(read.into_iter().map(|(_, trailer)| trailer).collect())
}

/// Enters what object streams hold, unless the file has a later version of it.
fn unpack(objects: &mut Objects<'_, '_>, streams: &[(u32, u64)]) -> Result<(), PdfError> {
    for (container, offset) in streams {
        if objects.table.get(*container) != Entry::InFile(*offset) {
            continue; // written again later, or no object at all
        }
        let Some(stream) = usable(objects.object_stream(*container))? else {
            continue;
        };
        for (index, (number, _)) in (0_u32..).zip(&stream.index) {
            let newer = matches!(objects.table.get(*number), Entry::InFile(at) if at > *offset);
            if !newer && number != container {
                objects.table.set(
                    *number,
                    Entry::InStream {
                        container: *container,
                        index,
                    },
                );
            }
        }
    }
    Ok(())
}

fn leads_to_pages(objects: &mut Objects<'_, '_>, trailer: &Value) -> Result<bool, PdfError> {
    let Some(catalog) = usable(objects.resolve(trailer.get(b"Root")))? else {
        return Ok(false);
    };
    let pages = usable(objects.resolve(catalog.get(b"Pages")))?;
    Ok(matches!(pages, Some(Value::Dictionary(_))))
}

/// Leaves out what is only damaged in itself; what ends the count stays an error.
pub(super) fn usable<T>(read: Result<T, PdfError>) -> Result<Option<T>, PdfError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(PdfError::Damaged | PdfError::Limit) => Ok(None),
        Err(error) => Err(error),
    }
}
