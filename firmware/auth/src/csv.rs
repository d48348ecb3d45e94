// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads comma-separated values line by line (RFC 4180), stricter in one thing: a quoted field ends
//! on its own line, so that one forgotten quote costs one row and not the rest of the file. UTF-8,
//! with or without byte order mark, lines ended by LF or CR LF.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

/// Bytes of a line, at most.
pub const LINE_BYTES_MAX: usize = 4096;
/// Lines after the header, at most.
pub const ROWS_MAX: usize = 100_000;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Why a line has no fields.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CsvFault {
    /// Longer than [`LINE_BYTES_MAX`].
    TooLong,
    /// Not UTF-8.
    NotUtf8,
    /// A quoted field does not end on this line.
    OpenQuote,
    /// Something stands between a closing quote and the next comma.
    AfterQuote,
    /// A quote stands inside a field that does not begin with one.
    StrayQuote,
    /// There is no line at all.
    Empty,
}

impl fmt::Display for CsvFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the line is longer than 4096 bytes",
            Self::NotUtf8 => "the line is not UTF-8; save the file as \"CSV UTF-8\"",
            Self::OpenQuote => "a quoted field does not end on its line",
            Self::AfterQuote => "there is text between a closing quote and the next comma",
            Self::StrayQuote => "there is a quote inside a field without quotes",
            Self::Empty => "the file is empty",
        })
    }
}

/// One line: its number from 1, and its fields or what is wrong with it.
#[derive(Debug, Eq, PartialEq)]
pub struct Line {
    /// From 1, counted in the file.
    pub number: usize,
    /// The fields without quotes and outer white space.
    pub fields: Result<Vec<String>, CsvFault>,
}

/// Reads lines; empty ones are left out.
pub struct Lines<R: Read> {
    source: BufReader<R>,
    number: usize,
}

impl<R: Read> Lines<R> {
    /// Reads from the beginning of a file.
    pub fn new(source: R) -> Self {
        Self {
            source: BufReader::new(source),
            number: 0,
        }
    }

    /// The next line with something on it.
    ///
    /// # Errors
    /// The reader's own.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        while let Some(bytes) = self.next_bytes()? {
            self.number += 1;
            let fields = match bytes {
                None => Err(CsvFault::TooLong),
                Some(bytes) => match self.text(&bytes) {
                    Ok("") => continue,
                    Ok(text) => split(text),
                    Err(fault) => Err(fault),
                },
            };
            let number = self.number;
            return Ok(Some(Line { number, fields }));
        }
        Ok(None)
    }

    /// Lines read so far, also empty ones.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    fn text<'a>(&self, bytes: &'a [u8]) -> Result<&'a str, CsvFault> {
        let text = std::str::from_utf8(bytes).map_err(|_| CsvFault::NotUtf8)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        Ok(match self.number {
            1 => text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text),
            _ => text,
        })
    }

    /// One line with its end; `Some(None)` when it is too long, which skips it.
    fn next_bytes(&mut self) -> io::Result<Option<Option<Vec<u8>>>> {
        let limit = u64::try_from(LINE_BYTES_MAX + 1).unwrap_or(u64::MAX);
        let mut bytes = Vec::new();
        self.source
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.len() <= LINE_BYTES_MAX || bytes.ends_with(b"\n") {
            return Ok(Some(Some(bytes)));
        }
        self.source.skip_until(b'\n')?;
        Ok(Some(None))
    }
}

fn split(line: &str) -> Result<Vec<String>, CsvFault> {
    let mut fields = Vec::new();
    let mut rest = Some(line);
    while let Some(text) = rest {
        let (field, after) = match text.trim_start().strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => plain_field(text)?,
        };
        fields.push(field.trim().to_owned());
        rest = after;
    }
    Ok(fields)
}

type Field<'a> = (String, Option<&'a str>);

fn plain_field(text: &str) -> Result<Field<'_>, CsvFault> {
    let (field, rest) = match text.split_once(',') {
        Some((field, rest)) => (field, Some(rest)),
        None => (text, None),
    };
    if field.contains('"') {
        return Err(CsvFault::StrayQuote);
    }
    Ok((field.to_owned(), rest))
}

/// `text` begins behind the opening quote.
fn quoted_field(mut text: &str) -> Result<Field<'_>, CsvFault> {
    let mut field = String::new();
    loop {
        let (before, after) = text.split_once('"').ok_or(CsvFault::OpenQuote)?;
        field.push_str(before);
        if let Some(rest) = after.strip_prefix('"') {
            field.push('"');
            text = rest;
            continue;
        }
        let after = after.trim_start();
        return match after.strip_prefix(',') {
            Some(rest) => Ok((field, Some(rest))),
            None if after.is_empty() => Ok((field, None)),
            None => Err(CsvFault::AfterQuote),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Vec<Line> {
        let mut lines = Lines::new(bytes);
        std::iter::from_fn(|| lines.next_line().unwrap()).collect()
    }

    fn fields(line: &str) -> Result<Vec<String>, CsvFault> {
        read(line.as_bytes()).remove(0).fields
    }

    #[test]
    fn fields_come_out_by_the_rules_of_rfc_4180() {
        let table: [(&str, &[&str]); 9] = [
            ("a,b,c", &["a", "b", "c"]),
            ("a,,", &["a", "", ""]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"say \"\"hi\"\"\",x", &["say \"hi\"", "x"]),
            ("\"\",\"\"\"\"", &["", "\""]),
            (" a , \"b\" , c ", &["a", "b", "c"]),
            ("王伟,\"李,娜\"", &["王伟", "李,娜"]),
            ("a,b\r\n", &["a", "b"]),
            ("\u{feff}user,card", &["user", "card"]),
        ];
        for (line, expected) in table {
            assert_eq!(fields(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn broken_lines_say_what_is_wrong_and_cost_one_row() {
        let table: [(&[u8], CsvFault); 4] = [
            (b"\"a,b", CsvFault::OpenQuote),
            (b"\"a\"b,c", CsvFault::AfterQuote),
            (b"a\"b,c", CsvFault::StrayQuote),
            (b"\xcd\xf5\xce\xb0,x", CsvFault::NotUtf8),
        ];
        for (line, expected) in table {
            let file = [b"one\n\n", line, b"\nlast"].concat();
            let lines = read(&file);
            assert_eq!(lines[1].fields, Err(expected));
            assert_eq!((lines[1].number, lines[2].number), (3, 4));
            assert_eq!(lines[2].fields, Ok(vec!["last".into()]));
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_skipped_without_being_kept() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        let lines = read(format!("a\n{long}\nb").as_bytes());
        assert_eq!(lines[1].fields, Err(CsvFault::TooLong));
        assert_eq!(lines[2].fields, Ok(vec!["b".into()]));
        let longest = "x".repeat(LINE_BYTES_MAX);
        for end in ["", "\n"] {
            let lines = read(format!("{longest}{end}").as_bytes());
            assert_eq!(lines[0].fields, Ok(vec![longest.clone()]));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let lines = read(&bytes);
            prop_assert!(lines.len() <= bytes.len());
        }

        #[test]
        fn what_is_quoted_comes_back(cells in prop::collection::vec("[^\r\n]{0,20}", 1..6)) {
            let quoted: Vec<String> = cells
                .iter()
                .map(|cell| format!("\"{}\"", cell.replace('"', "\"\"")))
                .collect();
            let trimmed: Vec<&str> = cells.iter().map(|cell| cell.trim()).collect();
            prop_assert_eq!(fields(&quoted.join(",")).unwrap(), trimmed);
        }
    }
}
