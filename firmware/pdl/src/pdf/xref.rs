// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cross-reference tables and streams (ISO 32000-1 §7.5.4, §7.5.8), newest section first: what a
//! newer section says about an object holds.

use std::collections::HashSet;

use super::PdfError;
use super::objects::{Indirect, Objects};
use super::table::Entry;
use super::value::{Value, is_blank};
use crate::source::Forward;

/// How far from the end `startxref` is looked for: some spoolers add bytes after a document.
const TAIL_BYTES: usize = 16 * 1024;
/// Longest token of a table: ten digits, with room for bad writers.
const TOKEN_BYTES: usize = 24;

/// Fills the table and the trailer of `objects` by the file's own cross-reference.
pub(super) fn read(objects: &mut Objects<'_, '_>) -> Result<(), PdfError> {
    let mut next = Some(start(objects)?);
    let mut seen = HashSet::new();
    while let Some(offset) = next.take() {
        if !seen.insert(offset) {
            return Err(PdfError::Damaged); // a chain that bites its tail
        }
        if seen.len() > objects.limits.xref_sections {
            return Err(PdfError::Limit);
        }
        let trailer = section(objects, offset)?;
        next = match trailer.get(b"Prev") {
            Value::Null => None,
            previous => Some(previous.number().ok_or(PdfError::Damaged)?),
        };
        if objects.trailer == Value::Null {
            objects.trailer = trailer;
        }
    }
    Ok(())
}

/// The offset after the last `startxref`.
fn start(objects: &mut Objects<'_, '_>) -> Result<u64, PdfError> {
    let length = objects.source.length();
    let tail_at = length.saturating_sub(TAIL_BYTES as u64);
    let tail = objects.source.read_at(tail_at, TAIL_BYTES)?;
    let word = tail.windows(9).rposition(|window| window == b"startxref");
    let word_at = tail_at.saturating_add(word.ok_or(PdfError::Damaged)? as u64);
    Ok(objects
        .parse_at(word_at.saturating_add(9), |lexer| lexer.unsigned())?
        .0)
}

/// Reads the section at an offset, with both readings of what offsets count from.
fn section(objects: &mut Objects<'_, '_>, offset: u64) -> Result<Value, PdfError> {
    match section_at(objects, offset.saturating_add(objects.base)) {
        Err(PdfError::Damaged) if objects.base > 0 => section_at(objects, offset),
        read => read,
    }
}

fn section_at(objects: &mut Objects<'_, '_>, offset: u64) -> Result<Value, PdfError> {
    let (is_table, after) = objects.parse_at(offset, |lexer| lexer.accept(b"xref"))?;
    if is_table {
        return table(objects, after);
    }
    let object = objects.indirect_at(offset, None)?;
    if !object.value.get(b"Type").is_name(b"XRef") {
        return Err(PdfError::Damaged);
    }
    stream(objects, &object)?;
    Ok(object.value)
}

/// Reads a classic table after its first word, and the stream that a hybrid file adds to it.
fn table(objects: &mut Objects<'_, '_>, offset: u64) -> Result<Value, PdfError> {
    let (freed, trailer_at) = subsections(objects, offset)?;
    let (trailer, _) = objects.parse_at(trailer_at, |lexer| lexer.value())?;
    if let Some(hidden) = trailer.get(b"XRefStm").number::<u64>() {
        // Readers without streams take its objects for free: it comes before those entries. A
        // broken one is left out, as such readers do.
        let _ = section_stream(objects, hidden);
    }
    for number in freed {
        objects.table.set_older(number, Entry::Free);
    }
    Ok(trailer)
}

fn section_stream(objects: &mut Objects<'_, '_>, offset: u64) -> Result<(), PdfError> {
    let object = objects.indirect_at(offset.saturating_add(objects.base), None)?;
    stream(objects, &object)
}

/// Reads `first count` and the entries, until the word `trailer`. Gives back which numbers are
/// free and the offset after that word. Entries are read as words: their 20 bytes are often 19.
fn subsections(objects: &mut Objects<'_, '_>, offset: u64) -> Result<(Vec<u32>, u64), PdfError> {
    let mut freed = Vec::new();
    let limit = objects.limits.objects;
    let mut forward = objects.source.forward(offset);
    loop {
        let (word, word_at) = token(&mut forward)?;
        if word == b"trailer" {
            return Ok((freed, word_at.saturating_add(7)));
        }
        let mut first: u32 = decimal(&word)?;
        let count: u32 = decimal(&token(&mut forward)?.0)?;
        for index in 0..count {
            let place: u64 = decimal(&token(&mut forward)?.0)?;
            let generation: u32 = decimal(&token(&mut forward)?.0)?;
            let (kind, _) = token(&mut forward)?;
            if index == 0 && first == 1 && kind == b"f" && generation == 65535 {
                first = 0; // a common slip: only object 0 heads the free list
            }
            let number = first.checked_add(index).ok_or(PdfError::Damaged)?;
            match kind.as_slice() {
                b"n" => objects.table.set_older(number, Entry::InFile(place)),
                b"f" if number < limit => freed.push(number),
                b"f" => {}
                _ => return Err(PdfError::Damaged),
            }
        }
    }
}

/// The next word and where it begins. The byte after it is gone over, too.
fn token(forward: &mut Forward<'_, '_>) -> Result<(Vec<u8>, u64), PdfError> {
    let mut word = Vec::new();
    let mut word_at = forward.offset();
    while let Some(byte) = forward.byte()? {
        match byte {
            _ if is_blank(byte) && word.is_empty() => word_at = forward.offset(),
            _ if is_blank(byte) || byte == b'<' => break,
            _ if word.len() >= TOKEN_BYTES => return Err(PdfError::Damaged),
            _ => word.push(byte),
        }
    }
    if word.is_empty() {
        Err(PdfError::Damaged)
    } else {
        Ok((word, word_at))
    }
}

fn decimal<T: std::str::FromStr>(word: &[u8]) -> Result<T, PdfError> {
    let text = std::str::from_utf8(word).map_err(|_| PdfError::Damaged)?;
    text.parse().map_err(|_| PdfError::Damaged)
}

/// Reads a cross-reference stream. It is never encrypted.
fn stream(objects: &mut Objects<'_, '_>, object: &Indirect) -> Result<(), PdfError> {
    let data = objects.stream_data(object, false)?;
    let widths = object.value.get(b"W").items();
    let widths: Vec<usize> = widths.iter().filter_map(Value::number).collect();
    let [kind, second, third] = *widths.as_slice() else {
        return Err(PdfError::Damaged);
    };
    if [kind, second, third].iter().any(|width| *width > 8) {
        return Err(PdfError::Damaged);
    }
    let size = object.value.get(b"Size").clone();
    let whole = [Value::Integer(0), size];
    let ranges = match object.value.get(b"Index").items() {
        [] => whole.as_slice(),
        ranges => ranges,
    };
    let mut rows = data.chunks_exact((kind + second + third).max(1));
    for range in ranges.chunks_exact(2) {
        let (Some(first), Some(count)) = (number(range.first()), number(range.last())) else {
            return Err(PdfError::Damaged);
        };
        // The rows that are there bound a count that lies.
        let entries = (0..count).zip(rows.by_ref().take(usize::try_from(count).unwrap_or(0)));
        for (index, row) in entries {
            let (kind_field, fields) = row.split_at(kind);
            let (second_field, third_field) = fields.split_at(second);
            // Without a type field every entry is in the file.
            let kind = if kind == 0 { 1 } else { big_endian(kind_field) };
            let entry = entry(kind, big_endian(second_field), big_endian(third_field));
            objects.table.set_older(first.saturating_add(index), entry);
        }
    }
    Ok(())
}

fn number(value: Option<&Value>) -> Option<u32> {
    value.and_then(Value::number)
}

fn entry(kind: u64, second: u64, third: u64) -> Entry {
    match (kind, u32::try_from(second), u32::try_from(third)) {
        (0, ..) => Entry::Free,
        (1, ..) => Entry::InFile(second),
        (2, Ok(container), Ok(index)) => Entry::InStream { container, index },
        _ => Entry::Missing, // unknown types are null (table 18)
    }
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
