// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reads one table of the board file, key by key, so that every mistake names its line and its key.
//! What no part asked for is unknown. Not a general reader: only what the board file needs.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::BoardError;

/// Longest name of a part, in bytes. It is also the name of a thread and part of a path.
pub const NAME_MAX: usize = 32;

/// A table whose keys are taken one after the other.
pub(crate) struct Table<'a> {
    text: &'a str,
    name: String,
    line: usize,
    entries: BTreeMap<&'a str, (usize, &'a DeValue<'a>)>,
    asked: Vec<&'static str>,
}

/// A key with its value.
pub(crate) struct Item<'a> {
    text: &'a str,
    key: String,
    line: usize,
    value: &'a DeValue<'a>,
}

impl<'a> Table<'a> {
    /// The file's top.
    pub(crate) fn top(text: &'a str, entries: &'a DeTable<'a>) -> Self {
        Self::new(text, String::new(), 1, entries)
    }

    fn new(text: &'a str, name: String, line: usize, entries: &'a DeTable<'a>) -> Self {
        let entry = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let key: &'a Spanned<std::borrow::Cow<'a, str>> = key;
            let line = line_of(text, key.span().start);
            (key.get_ref().as_ref(), (line, value.get_ref()))
        };
        Self {
            text,
            name,
            line,
            entries: entries.iter().map(entry).collect(),
            asked: Vec::new(),
        }
    }

    /// Where the table begins, from 1.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// The key and its value, if it is there.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Item<'a>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let (line, value) = self.entries.remove(key)?;
        Some(Item {
            text: self.text,
            key: self.path(key),
            line,
            value,
        })
    }

    /// The key and its value, which `why` says the need of when they are missing.
    pub(crate) fn need(&mut self, key: &'static str, why: &str) -> Result<Item<'a>, BoardError> {
        self.take(key)
            .ok_or_else(|| self.wrong(key, format!("is missing: {why}")))
    }

    /// The tables of `[key]` or `[[key]]`, at most `most`.
    pub(crate) fn tables(
        &mut self,
        key: &'static str,
        most: usize,
    ) -> Result<Vec<Table<'a>>, BoardError> {
        let Some(item) = self.take(key) else {
            return Ok(Vec::new());
        };
        let DeValue::Array(array) = item.value else {
            return Ok(vec![item.table()?]);
        };
        if array.len() > most {
            return Err(item.wrong(format!("are more than {most}")));
        }
        let part = |value: &'a Spanned<DeValue<'a>>| {
            Item {
                text: self.text,
                key: item.key.clone(),
                line: line_of(self.text, value.span().start),
                value: value.get_ref(),
            }
            .table()
        };
        array.iter().map(part).collect()
    }

    /// The tables that all keys are the names of, at most `most`.
    pub(crate) fn named(self, most: usize) -> Result<Vec<(String, Table<'a>)>, BoardError> {
        if self.entries.len() > most {
            return Err(self.wrong("*", format!("are more than {most}")));
        }
        let part = |(name, (line, value)): (&'a str, (usize, &'a DeValue<'a>))| {
            let item = Item {
                text: self.text,
                key: self.path(name),
                line,
                value,
            };
            if !is_name(name) {
                return Err(item.wrong(NOT_A_NAME));
            }
            Ok((name.to_owned(), item.table()?))
        };
        let entries = self.entries.iter();
        entries.map(|(name, entry)| part((name, *entry))).collect()
    }

    /// The value of `key` is wrong, or missing.
    pub(crate) fn wrong(&self, key: &str, problem: impl Into<String>) -> BoardError {
        BoardError::Value {
            line: self.line,
            key: self.path(key),
            problem: problem.into(),
        }
    }

    /// Refuses what no part asked for.
    pub(crate) fn finish(self, what: &str) -> Result<(), BoardError> {
        let first = self.entries.iter().min_by_key(|(_, (line, _))| *line);
        let Some((key, (line, _))) = first else {
            return Ok(());
        };
        Err(BoardError::Value {
            line: *line,
            key: self.path(key),
            problem: format!("is not known here; {what} has {}", self.asked.join(", ")),
        })
    }

    fn path(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }
}

impl<'a> Item<'a> {
    /// Its line, from 1.
    pub(crate) fn line(&self) -> usize {
        self.line
    }

    /// The value can't be.
    pub(crate) fn wrong(&self, problem: impl Into<String>) -> BoardError {
        BoardError::Value {
            line: self.line,
            key: self.key.clone(),
            problem: problem.into(),
        }
    }

    fn not(&self, wanted: &str) -> BoardError {
        let found = self.value.type_str();
        self.wrong(format!("is {} {found}, not {wanted}", article(found)))
    }

    pub(crate) fn text(&self) -> Result<&'a str, BoardError> {
        self.value.as_str().ok_or_else(|| self.not("a text"))
    }

    /// Letters, digits, `-` and `_`, at most [`NAME_MAX`].
    pub(crate) fn name(&self) -> Result<String, BoardError> {
        let name = self.text()?;
        if is_name(name) {
            Ok(name.to_owned())
        } else {
            Err(self.wrong(NOT_A_NAME))
        }
    }

    /// A device file, by its whole path.
    pub(crate) fn path(&self) -> Result<PathBuf, BoardError> {
        let path = PathBuf::from(self.text()?);
        if path.is_absolute() {
            Ok(path.components().collect())
        } else {
            Err(self.wrong("is no device file: write its whole path, such as /dev/spidev0.0"))
        }
    }

    pub(crate) fn bool(&self) -> Result<bool, BoardError> {
        self.value
            .as_bool()
            .ok_or_else(|| self.not("true or false"))
    }

    /// A whole number within `limits`.
    pub(crate) fn number(&self, limits: &RangeInclusive<u32>) -> Result<u32, BoardError> {
        let number = self.value.as_integer();
        let number = number.ok_or_else(|| self.not("a whole number"))?;
        u32::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| limits.contains(number))
            .ok_or_else(|| self.wrong(format!("is not {} to {}", limits.start(), limits.end())))
    }

    /// One of the words.
    pub(crate) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, BoardError> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            let shown: String = text.chars().take(NAME_MAX).collect();
            self.wrong(format!("is `{shown}`, not {}", known.join(", ")))
        })
    }

    /// The values of a list, 1 to `most`.
    pub(crate) fn list(&self, most: usize) -> Result<Vec<Item<'a>>, BoardError> {
        let array = self.value.as_array().ok_or_else(|| self.not("a list"))?;
        if !(1..=most).contains(&array.len()) {
            return Err(self.wrong(format!("does not have 1 to {most} values")));
        }
        let item = |value: &'a Spanned<DeValue<'a>>| Item {
            text: self.text,
            key: self.key.clone(),
            line: line_of(self.text, value.span().start),
            value: value.get_ref(),
        };
        Ok(array.iter().map(item).collect())
    }

    pub(crate) fn table(&self) -> Result<Table<'a>, BoardError> {
        let table = self.value.as_table().ok_or_else(|| self.not("a table"))?;
        Ok(Table::new(self.text, self.key.clone(), self.line, table))
    }
}

const NOT_A_NAME: &str = "is not 1 to 32 letters, digits, `-` and `_`";

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(plain)
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'i']) {
        "an"
    } else {
        "a"
    }
}

/// The line of a byte, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}
