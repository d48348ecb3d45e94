// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fetches a PDF's objects one by one, from the file or from object streams (ISO 32000-1 §7.3.10,
//! §7.5.7), reading only what is asked for.

use std::collections::HashMap;
use std::rc::Rc;

use super::PdfError;
use super::cipher::{Cipher, decompress};
use super::table::{Entry, Table};
use super::value::{LexError, Lexer, Value};
use crate::limits::CountLimits;
use crate::source::Source;

/// First try at an object's bytes; most page dictionaries fit.
const FIRST_WINDOW: usize = 1024;
/// References to references that are followed.
const REFERENCE_CHAIN: usize = 16;
/// Unpacked object streams kept, in bytes.
const KEPT_STREAM_BYTES: usize = 16 << 20;
/// Put after the last bytes, so that a token at the end is whole and nothing after it matches.
const END_MARK: &[u8] = b" endobj ";

/// An object as it stands in the file.
#[derive(Debug)]
pub(super) struct Indirect {
    pub(super) number: u32,
    pub(super) generation: u16,
    pub(super) value: Value,
    /// Where its stream data begins, from the document's first byte, when it is a stream.
    pub(super) data_at: Option<u64>,
}

/// An unpacked object stream.
#[derive(Debug)]
pub(super) struct ObjectStream {
    bytes: Vec<u8>,
    /// Object numbers and where they begin in `bytes`.
    pub(super) index: Vec<(u32, usize)>,
}

/// A PDF's objects.
pub(super) struct Objects<'o, 'a> {
    pub(super) source: &'o mut Source<'a>,
    pub(super) limits: &'o CountLimits,
    /// What offsets count from.
    pub(super) base: u64,
    pub(super) table: Table,
    /// The newest trailer.
    pub(super) trailer: Value,
    cipher: Cipher,
    /// Unpacked object streams; `None` for those that cannot be.
    streams: HashMap<u32, Option<Rc<ObjectStream>>>,
    kept_bytes: usize,
}

impl<'o, 'a> Objects<'o, 'a> {
    pub(super) fn new(source: &'o mut Source<'a>, base: u64, limits: &'o CountLimits) -> Self {
        Self {
            source,
            limits,
            base,
            table: Table::new(limits.objects),
            trailer: Value::Null,
            cipher: Cipher::Untried,
            streams: HashMap::new(),
            kept_bytes: 0,
        }
    }

    /// Forgets what was found, for a new beginning with offsets from `base`.
    pub(super) fn reset(&mut self, base: u64) {
        self.base = base;
        self.table = Table::new(self.limits.objects);
        self.cipher = Cipher::Untried;
        self.streams.clear();
        self.kept_bytes = 0;
    }

    /// Reads with `read` at an offset from the document's first byte, with as many bytes as it
    /// takes. Gives back the value and the offset after it.
    pub(super) fn parse_at<T>(
        &mut self,
        offset: u64,
        read: impl Fn(&mut Lexer<'_>) -> Result<T, LexError>,
    ) -> Result<(T, u64), PdfError> {
        let mut window = FIRST_WINDOW;
        loop {
            let mut bytes = self.source.read_at(offset, window)?;
            let whole = bytes.len() < window;
            if whole {
                bytes.extend_from_slice(END_MARK);
            }
            let mut lexer = Lexer::new(&bytes, self.limits);
            match read(&mut lexer) {
                Ok(value) => return Ok((value, offset.saturating_add(lexer.at() as u64))),
                Err(LexError::Limit) => return Err(PdfError::Limit),
                Err(LexError::Malformed) => return Err(PdfError::Damaged),
                Err(LexError::Incomplete) if whole => return Err(PdfError::Damaged),
                Err(LexError::Incomplete) if window >= self.limits.object_bytes => {
                    return Err(PdfError::Limit);
                }
                Err(LexError::Incomplete) => window = window.saturating_mul(4),
            }
        }
    }

    /// The object whose `N G obj` stands at an offset from the document's first byte. With an
    /// `expected` number, others are damage and not read further.
    pub(super) fn indirect_at(
        &mut self,
        offset: u64,
        expected: Option<u32>,
    ) -> Result<Indirect, PdfError> {
        let read = |lexer: &mut Lexer<'_>| {
            let (number, generation) = (lexer.unsigned()?, lexer.unsigned()?);
            let wanted = expected.is_none_or(|expected| expected == number);
            if !wanted || !lexer.accept(b"obj")? {
                return Err(LexError::Malformed);
            }
            let value = lexer.value()?;
            let stream = matches!(value, Value::Dictionary(_)) && lexer.accept(b"stream")?;
            Ok((number, generation, value, stream))
        };
        let ((number, generation, value, stream), end) = self.parse_at(offset, read)?;
        let data_at = stream.then(|| self.after_line_end(end)).transpose()?;
        Ok(Indirect {
            number,
            generation,
            value,
            data_at,
        })
    }

    /// The offset after the line end that follows the word `stream`.
    fn after_line_end(&mut self, offset: u64) -> Result<u64, PdfError> {
        let skipped = match self.source.read_at(offset, 2)?.as_slice() {
            b"\r\n" => 2,
            [b'\n' | b'\r', ..] => 1,
            _ => 0,
        };
        Ok(offset.saturating_add(skipped))
    }

    /// The object of a table entry in the file. Offsets count from the header, but some writers
    /// count from the first byte of junk before it.
    fn in_file(&mut self, number: u32, offset: u64) -> Result<Indirect, PdfError> {
        match self.indirect_at(offset.saturating_add(self.base), Some(number)) {
            Err(PdfError::Damaged) if self.base > 0 => self.indirect_at(offset, Some(number)),
            read => read,
        }
    }

    /// An object by its number; null when it is deleted or was never there.
    pub(super) fn load(&mut self, number: u32) -> Result<Value, PdfError> {
        match self.table.get(number) {
            Entry::Missing | Entry::Free => Ok(Value::Null),
            Entry::InFile(offset) => Ok(self.in_file(number, offset)?.value),
            Entry::InStream { container, index } => self.packed(container, index, number),
        }
    }

    /// What a value refers to, or the value itself.
    pub(super) fn resolve(&mut self, value: &Value) -> Result<Value, PdfError> {
        let mut value = value.clone();
        for _ in 0..REFERENCE_CHAIN {
            match value {
                Value::Reference(number, _) => value = self.load(number)?,
                found => return Ok(found),
            }
        }
        Err(PdfError::Damaged)
    }

    fn packed(&mut self, container: u32, index: u32, number: u32) -> Result<Value, PdfError> {
        let stream = self.object_stream(container)?;
        let hinted = usize::try_from(index)
            .ok()
            .and_then(|index| stream.index.get(index));
        let found = hinted.filter(|(found, _)| *found == number);
        let listed = || stream.index.iter().find(|(found, _)| *found == number);
        let (_, start) = found.or_else(listed).ok_or(PdfError::Damaged)?;
        let bytes = stream.bytes.get(*start..).ok_or(PdfError::Damaged)?;
        let mut lexer = Lexer::new(bytes, self.limits);
        let value = lexer.value();
        self.source.spend(lexer.at())?;
        value.map_err(|error| match error {
            LexError::Limit => PdfError::Limit,
            LexError::Incomplete | LexError::Malformed => PdfError::Damaged,
        })
    }

    /// An object stream, unpacked; the last few are kept, and which ones are broken.
    pub(super) fn object_stream(&mut self, container: u32) -> Result<Rc<ObjectStream>, PdfError> {
        if let Some(stream) = self.streams.get(&container) {
            return stream.clone().ok_or(PdfError::Damaged);
        }
        let read = self.read_object_stream(container);
        let kept = match &read {
            Ok(stream) => Some(Rc::clone(stream)),
            Err(PdfError::Damaged | PdfError::Limit) => None,
            Err(PdfError::Source(_) | PdfError::Locked) => return read,
        };
        let bytes = kept.as_ref().map_or(0, |stream| stream.bytes.len());
        if self.kept_bytes.saturating_add(bytes) > KEPT_STREAM_BYTES {
            self.streams.clear();
            self.kept_bytes = 0;
        }
        self.kept_bytes = self.kept_bytes.saturating_add(bytes);
        self.streams.insert(container, kept);
        read
    }

    fn read_object_stream(&mut self, container: u32) -> Result<Rc<ObjectStream>, PdfError> {
        let Entry::InFile(offset) = self.table.get(container) else {
            return Err(PdfError::Damaged);
        };
        let object = self.in_file(container, offset)?;
        let bytes = self.stream_data(&object, true)?;
        Ok(Rc::new(self.index(&object.value, bytes)?))
    }

    /// Reads the pairs of object number and offset at the beginning of an object stream.
    fn index(&self, dictionary: &Value, mut bytes: Vec<u8>) -> Result<ObjectStream, PdfError> {
        let first: usize = dictionary.get(b"First").number().ok_or(PdfError::Damaged)?;
        let count: usize = dictionary.get(b"N").number().ok_or(PdfError::Damaged)?;
        bytes.extend_from_slice(END_MARK);
        let mut lexer = Lexer::new(&bytes, self.limits);
        let mut index = Vec::new();
        for _ in 0..count.min(self.limits.object_items) {
            let (Ok(number), Ok(offset)) = (lexer.unsigned(), lexer.unsigned::<usize>()) else {
                break; // N says more than there is
            };
            index.push((number, first.saturating_add(offset)));
        }
        Ok(ObjectStream { bytes, index })
    }

    /// The data of a stream object, unpacked, and decrypted where `sealed` and the document is.
    pub(super) fn stream_data(
        &mut self,
        object: &Indirect,
        sealed: bool,
    ) -> Result<Vec<u8>, PdfError> {
        let mut data = self.raw_data(object)?;
        if sealed && *self.trailer.get(b"Encrypt") != Value::Null {
            self.unlock()?;
            let id = (object.number, object.generation);
            data = self.cipher.decrypt(id, &object.value, data)?;
        }
        let filter = self.resolve_in_file(object.value.get(b"Filter"))?;
        let parameters = self.resolve_in_file(object.value.get(b"DecodeParms"))?;
        let unpacked = decompress(&filter, &parameters, data, self.limits.stream_bytes);
        // What was unpacked in vain was work, too.
        self.source
            .spend(unpacked.as_ref().map_or(self.limits.stream_bytes, Vec::len))?;
        unpacked
    }

    fn unlock(&mut self) -> Result<(), PdfError> {
        if matches!(self.cipher, Cipher::Untried) {
            let encrypt = self.resolve_in_file(&self.trailer.get(b"Encrypt").clone())?;
            let id = self.resolve_in_file(&self.trailer.get(b"ID").clone())?;
            self.cipher = Cipher::unlock(&encrypt, &id);
        }
        Ok(())
    }

    /// As [`Objects::resolve`], but not through object streams: reading one must never need
    /// another, or itself.
    fn resolve_in_file(&mut self, value: &Value) -> Result<Value, PdfError> {
        let Value::Reference(number, _) = *value else {
            return Ok(value.clone());
        };
        match self.table.get(number) {
            Entry::InFile(offset) => Ok(self.in_file(number, offset)?.value),
            _ => Err(PdfError::Damaged),
        }
    }

    /// The bytes between `stream` and `endstream`; `/Length` is believed when they agree.
    fn raw_data(&mut self, object: &Indirect) -> Result<Vec<u8>, PdfError> {
        let start = object.data_at.ok_or(PdfError::Damaged)?;
        let length = self
            .resolve_in_file(object.value.get(b"Length"))
            .unwrap_or(Value::Null);
        if let Some(length) = length.number::<usize>() {
            let end = start.saturating_add(length as u64);
            let fits = length <= self.limits.stream_bytes;
            if fits
                && self
                    .parse_at(end, |lexer| lexer.accept(b"endstream"))
                    .is_ok_and(|(at, _)| at)
            {
                return Ok(self.source.read_at(start, length)?);
            }
        }
        let mut data = self.source.read_at(start, self.limits.stream_bytes)?;
        let end = data.windows(9).position(|window| window == b"endstream");
        data.truncate(end.ok_or(PdfError::Damaged)?);
        Ok(data)
    }
}
