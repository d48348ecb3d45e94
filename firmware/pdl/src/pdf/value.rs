// SPDX-License-Identifier: Apache-2.0 OR MIT
//! PDF objects and their tokens (ISO 32000-1 §7.2, §7.3). Small, because a hostile file decides
//! how many there are; nesting and number are limited, so neither stack nor memory can be blown.

use crate::limits::CountLimits;

/// A direct object, or a reference to an indirect one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Real(f64),
    Name(Vec<u8>),
    String(Vec<u8>),
    Array(Vec<Value>),
    Dictionary(Vec<(Vec<u8>, Value)>),
    Reference(u32, u16),
}

impl Value {
    /// The value of a dictionary's key; null when there is none, as the format wants it.
    pub(super) fn get(&self, key: &[u8]) -> &Value {
        let Self::Dictionary(entries) = self else {
            return &Self::Null;
        };
        let found = entries.iter().find(|(name, _)| name == key);
        found.map_or(&Self::Null, |(_, value)| value)
    }

    /// Whether this is the name `name`.
    pub(super) fn is_name(&self, name: &[u8]) -> bool {
        matches!(self, Self::Name(found) if found == name)
    }

    /// A whole number that fits.
    pub(super) fn number<T: TryFrom<i64>>(&self) -> Option<T> {
        match self {
            Self::Integer(number) => T::try_from(*number).ok(),
            _ => None,
        }
    }

    /// An array's items; none for anything else.
    pub(super) fn items(&self) -> &[Value] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    /// The same object in the words of the library that decrypts and decompresses.
    pub(super) fn to_lopdf(&self) -> lopdf::Object {
        use lopdf::{Object, StringFormat};
        match self {
            Self::Null => Object::Null,
            Self::Boolean(value) => Object::Boolean(*value),
            Self::Integer(number) => Object::Integer(*number),
            #[expect(clippy::cast_possible_truncation, reason = "the library keeps f32")]
            Self::Real(number) => Object::Real(*number as f32),
            Self::Name(name) => Object::Name(name.clone()),
            Self::String(text) => Object::String(text.clone(), StringFormat::Literal),
            Self::Array(items) => Object::Array(items.iter().map(Self::to_lopdf).collect()),
            Self::Dictionary(_) => Object::Dictionary(self.to_lopdf_dictionary()),
            Self::Reference(number, generation) => Object::Reference((*number, *generation)),
        }
    }

    /// As [`Value::to_lopdf`]; empty for anything but a dictionary.
    pub(super) fn to_lopdf_dictionary(&self) -> lopdf::Dictionary {
        let mut dictionary = lopdf::Dictionary::new();
        if let Self::Dictionary(entries) = self {
            for (key, value) in entries {
                dictionary.set(key.clone(), value.to_lopdf());
            }
        }
        dictionary
    }
}

/// Why bytes are not an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LexError {
    /// The bytes end first; more of them may help.
    Incomplete,
    /// They are not PDF.
    Malformed,
    /// Too deep or too many for [`CountLimits`].
    Limit,
}

/// Reads objects from bytes. A token that touches the end is incomplete; put a blank after bytes
/// that are known to be the last.
pub(super) struct Lexer<'b> {
    bytes: &'b [u8],
    at: usize,
    nesting: usize,
    items: usize,
}

impl<'b> Lexer<'b> {
    pub(super) fn new(bytes: &'b [u8], limits: &CountLimits) -> Self {
        Self {
            bytes,
            at: 0,
            nesting: limits.nesting,
            items: limits.object_items,
        }
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn peek(&self) -> Result<u8, LexError> {
        self.bytes.get(self.at).copied().ok_or(LexError::Incomplete)
    }

    fn next(&mut self) -> Result<u8, LexError> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    /// Goes over blanks and comments.
    pub(super) fn skip_blanks(&mut self) -> Result<(), LexError> {
        loop {
            match self.peek()? {
                byte if is_blank(byte) => self.at += 1,
                b'%' => while !matches!(self.next()?, b'\r' | b'\n') {},
                _ => return Ok(()),
            }
        }
    }

    /// A run of regular characters, such as `obj` or `12`; maybe empty.
    pub(super) fn word(&mut self) -> Result<&'b [u8], LexError> {
        self.skip_blanks()?;
        let start = self.at;
        while is_regular(self.peek()?) {
            self.at += 1;
        }
        Ok(self.bytes.get(start..self.at).unwrap_or_default())
    }

    /// The next word if it is `word`; else stays where it is.
    pub(super) fn accept(&mut self, word: &[u8]) -> Result<bool, LexError> {
        let start = self.at;
        if self.word()? == word {
            return Ok(true);
        }
        self.at = start;
        Ok(false)
    }

    /// A whole number without sign, as in `12 0 obj`.
    pub(super) fn unsigned<T: std::str::FromStr>(&mut self) -> Result<T, LexError> {
        parse(self.word()?).ok_or(LexError::Malformed)
    }

    /// An object.
    pub(super) fn value(&mut self) -> Result<Value, LexError> {
        self.items = self.items.checked_sub(1).ok_or(LexError::Limit)?;
        self.skip_blanks()?;
        match self.peek()? {
            b'/' => self.name().map(Value::Name),
            b'(' => self.literal_string(),
            b'[' => self.nested(Self::array),
            b'<' => {
                self.at += 1;
                if self.peek()? == b'<' {
                    self.at += 1;
                    return self.nested(Self::dictionary);
                }
                self.hex_string()
            }
            b'0'..=b'9' | b'+' | b'-' | b'.' => self.number_or_reference(),
            _ => match self.word()? {
                b"true" => Ok(Value::Boolean(true)),
                b"false" => Ok(Value::Boolean(false)),
                b"null" => Ok(Value::Null),
                _ => Err(LexError::Malformed),
            },
        }
    }

    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<Value, LexError>,
    ) -> Result<Value, LexError> {
        self.nesting = self.nesting.checked_sub(1).ok_or(LexError::Limit)?;
        let value = read(self);
        self.nesting += 1;
        value
    }

    fn array(&mut self) -> Result<Value, LexError> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_blanks()?;
            if self.peek()? == b']' {
                self.at += 1;
                return Ok(Value::Array(items));
            }
            items.push(self.value()?);
        }
    }

    fn dictionary(&mut self) -> Result<Value, LexError> {
        let mut entries = Vec::new();
        loop {
            self.skip_blanks()?;
            match self.peek()? {
                b'/' => {
                    let key = self.name()?;
                    entries.push((key, self.value()?));
                }
                b'>' => {
                    self.at += 1;
                    return match self.next()? {
                        b'>' => Ok(Value::Dictionary(entries)),
                        _ => Err(LexError::Malformed),
                    };
                }
                _ => return Err(LexError::Malformed),
            }
        }
    }

    fn name(&mut self) -> Result<Vec<u8>, LexError> {
        self.at += 1;
        let mut name = Vec::new();
        while is_regular(self.peek()?) {
            let byte = self.next()?;
            let escaped = self
                .bytes
                .get(self.at..self.at + 2)
                .filter(|_| byte == b'#');
            match escaped
                .and_then(|hex| Some(hex_digit(*hex.first()?)? << 4 | hex_digit(*hex.last()?)?))
            {
                Some(value) => {
                    name.push(value);
                    self.at += 2;
                }
                None => name.push(byte),
            }
        }
        Ok(name)
    }

    fn literal_string(&mut self) -> Result<Value, LexError> {
        self.at += 1;
        let mut open = 1_usize; // balanced parentheses need no escape
        let mut text = Vec::new();
        loop {
            let byte = self.next()?;
            match byte {
                b'(' => open += 1,
                b')' => open -= 1,
                b'\\' => {
                    self.escape(&mut text)?;
                    continue;
                }
                _ => {}
            }
            if open == 0 {
                return Ok(Value::String(text));
            }
            text.push(byte);
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), LexError> {
        let byte = self.next()?;
        text.push(match byte {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            b'\n' => return Ok(()),
            b'\r' => {
                if self.peek()? == b'\n' {
                    self.at += 1;
                }
                return Ok(());
            }
            b'0'..=b'7' => self.octal(byte)?,
            other => other,
        });
        Ok(())
    }

    /// Up to three octal digits; a high overflow is dropped.
    fn octal(&mut self, first: u8) -> Result<u8, LexError> {
        let mut code = first - b'0';
        for _ in 0..2 {
            match self.peek()? {
                digit @ b'0'..=b'7' => code = code.wrapping_mul(8).wrapping_add(digit - b'0'),
                _ => break,
            }
            self.at += 1;
        }
        Ok(code)
    }

    fn hex_string(&mut self) -> Result<Value, LexError> {
        let mut text = Vec::new();
        let mut high = None;
        loop {
            let byte = self.next()?;
            match (byte, hex_digit(byte), high) {
                (b'>', _, _) => {
                    text.extend(high.map(|high| high << 4));
                    return Ok(Value::String(text));
                }
                (_, Some(low), Some(value)) => {
                    text.push(value << 4 | low);
                    high = None;
                }
                (_, Some(digit), None) => high = Some(digit),
                (blank, None, _) if is_blank(blank) => {}
                _ => return Err(LexError::Malformed),
            }
        }
    }

    fn number_or_reference(&mut self) -> Result<Value, LexError> {
        let word = self.word()?;
        let Some(number) = parse::<i64>(word) else {
            // Writers with broken reals (`--5`, `1.2.3`) exist; pages never hang on them.
            return Ok(Value::Real(parse(word).unwrap_or(0.0)));
        };
        if !word.first().is_some_and(u8::is_ascii_digit) {
            return Ok(Value::Integer(number));
        }
        let after = self.at;
        if let Ok(object) = u32::try_from(number)
            && let Some(generation) = self.reference_tail()?
        {
            return Ok(Value::Reference(object, generation));
        }
        self.at = after;
        Ok(Value::Integer(number))
    }

    /// `G R` after an object number.
    fn reference_tail(&mut self) -> Result<Option<u16>, LexError> {
        self.skip_blanks()?;
        if !self.peek()?.is_ascii_digit() {
            return Ok(None);
        }
        let generation = parse(self.word()?);
        Ok(if self.accept(b"R")? { generation } else { None })
    }
}

/// ISO 32000-1 table 1.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, 0 | 9 | 10 | 12 | 13 | 32)
}

fn is_regular(byte: u8) -> bool {
    !is_blank(byte)
        && !matches!(
            byte,
            b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'/' | b'%' | b'{' | b'}'
        )
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

fn parse<T: std::str::FromStr>(word: &[u8]) -> Option<T> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Value, LexError> {
        Lexer::new(text, &CountLimits::default()).value()
    }

    #[test]
    fn every_kind_of_object_is_read() {
        let text =
            b"<< /A [1 -2 +3 4.5 .5 6 0 R true null]%c\n/B#20C (a(b)\\)\\101\\\n) /D <4 1 5> >> ";
        let value = read(text).unwrap();
        let items = value.get(b"A").items();
        assert_eq!(items.len(), 8);
        assert_eq!(items[2], Value::Integer(3));
        assert_eq!(items[5], Value::Reference(6, 0));
        assert_eq!(*value.get(b"B C"), Value::String(b"a(b))A".to_vec()));
        assert_eq!(*value.get(b"D"), Value::String(vec![0x41, 0x50]));
        assert_eq!(*value.get(b"none"), Value::Null);
    }

    #[test]
    fn numbers_that_are_no_reference_stay_numbers() {
        assert_eq!(read(b"[1 2 3 0 R 4 5]").unwrap().items().len(), 5);
    }

    #[test]
    fn deep_or_long_objects_stop_at_the_limit() {
        assert_eq!(read(&b"[".repeat(1_000_000)), Err(LexError::Limit));
        assert_eq!(read(&b"<</A".repeat(1_000_000)), Err(LexError::Limit));
        let many = [b"[".to_vec(), b"0 ".repeat(600_000), b"] ".to_vec()].concat();
        assert_eq!(read(&many), Err(LexError::Limit));
    }

    #[test]
    fn a_cut_object_is_incomplete_and_a_wrong_one_malformed() {
        for cut in [
            &b"[1 2"[..],
            b"(abc",
            b"<41",
            b"<< /A",
            b"/Name",
            b"12",
            b"12 0 ",
            b"",
        ] {
            assert_eq!(read(cut), Err(LexError::Incomplete), "{cut:?}");
        }
        for wrong in [&b"] "[..], b"<< 1 2 >> ", b"<4x> ", b"frue ", b"<< /A 1 >x"] {
            assert_eq!(read(wrong), Err(LexError::Malformed), "{wrong:?}");
        }
    }
}
