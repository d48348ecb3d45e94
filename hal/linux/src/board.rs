// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The board file: which part sits on which bus and line. TOML; an unknown key, a missing one and
//! a bad value are errors that name the key and the line. Opening the parts is `device`'s work.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

mod reader;

use platen_drivers::number::NumberFormatError;
pub use reader::{ReaderChip, ReaderLink, ReaderPart, SPEED_MAX_HZ};

/// Largest board file that is read.
pub const FILE_MAX_BYTES: u64 = 64 * 1024;

/// Where a part really is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The register model inside the daemon.
    Sim,
    /// Device files of the kernel.
    Linux,
}

/// A board.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Board {
    /// The board's name, as of its folder.
    pub name: String,
    /// The card reader, if there is one.
    pub reader: Option<ReaderPart>,
    /// Lamps and buzzer, if there are any.
    pub panel: Option<PanelPart>,
}

/// Lamps and buzzer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PanelPart {
    /// Where they are.
    pub backend: Backend,
    /// Red lamp.
    pub red: Option<LinePart>,
    /// Green lamp.
    pub green: Option<LinePart>,
    /// Buzzer.
    pub buzzer: Option<LinePart>,
}

/// One output line.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct LinePart {
    /// GPIO chip's device file.
    pub chip: PathBuf,
    /// Offset on that chip.
    pub line: u32,
    /// Whether the part is on when the line is low.
    #[serde(default)]
    pub active_low: bool,
}

/// Why a board can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BoardError {
    /// The file can't be read.
    #[error("board file {} can't be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not TOML, an unknown or missing key, or a value of the wrong kind.
    #[error("board file, line {line}, at `{key}`")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// The key, or the table, at that line.
        key: String,
        /// What is wrong there.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value that can't be.
    #[error("board file, line {line}: `{key}` {problem}")]
    Value {
        /// Line, from 1.
        line: usize,
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The format of a reader's numbers is none.
    #[error("board file, line {line}: `reader.number` is no format")]
    Number {
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: NumberFormatError,
    },
    /// A device that the file names can't be opened.
    #[error("`{key}`: {} can't be opened", path.display())]
    Device {
        /// The key that names it.
        key: &'static str,
        /// The device file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The part is simulated: there is nothing to open.
    #[error("`{key}` is simulated")]
    Simulated {
        /// The key of the part.
        key: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBoard {
    name: String,
    reader: Option<Spanned<reader::RawReader>>,
    panel: Option<Spanned<RawPanel>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPanel {
    backend: Backend,
    red: Option<LinePart>,
    green: Option<LinePart>,
    buzzer: Option<LinePart>,
}

impl Board {
    /// Reads a board file.
    ///
    /// # Errors
    /// [`BoardError::Unreadable`] (also when larger than [`FILE_MAX_BYTES`]), and those of
    /// [`Board::parse`].
    pub fn read(path: &Path) -> Result<Self, BoardError> {
        let unreadable = |source| BoardError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let length = fs::metadata(path).map_err(unreadable)?.len();
        if length > FILE_MAX_BYTES {
            return Err(unreadable(io::ErrorKind::FileTooLarge.into()));
        }
        Self::parse(&fs::read_to_string(path).map_err(unreadable)?)
    }

    /// Reads the text of a board file.
    ///
    /// # Errors
    /// [`BoardError::Syntax`] and [`BoardError::Value`].
    pub fn parse(text: &str) -> Result<Self, BoardError> {
        let raw: RawBoard = toml::from_str(text).map_err(|source| syntax(text, source))?;
        Ok(Self {
            name: raw.name,
            reader: raw
                .reader
                .map(|raw| reader::checked(text, raw))
                .transpose()?,
            panel: raw.panel.map(|raw| panel(text, raw)).transpose()?,
        })
    }
}

fn panel(text: &str, raw: Spanned<RawPanel>) -> Result<PanelPart, BoardError> {
    let line = line_of(text, raw.span().start);
    let raw = raw.into_inner();
    let wired = raw.red.is_some() || raw.green.is_some() || raw.buzzer.is_some();
    let problem = match (raw.backend, wired) {
        (Backend::Sim, true) => Some("is `sim`: it has no lines"),
        (Backend::Linux, false) => Some("is `linux`: name at least one of red, green, buzzer"),
        _ => None,
    };
    if let Some(problem) = problem {
        let key = "panel.backend";
        return Err(BoardError::Value { line, key, problem });
    }
    Ok(PanelPart {
        backend: raw.backend,
        red: raw.red,
        green: raw.green,
        buzzer: raw.buzzer,
    })
}

fn syntax(text: &str, source: toml::de::Error) -> BoardError {
    let line = line_of(text, source.span().map_or(0, |span| span.start));
    let content = text.lines().nth(line - 1).unwrap_or_default();
    let key = content.split('=').next().unwrap_or_default();
    BoardError::Syntax {
        line,
        key: key.trim().trim_matches(['[', ']']).to_owned(),
        source: Box::new(source),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    1 + before.filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PI: &str = include_str!("../../../board/raspberrypi4_64/board.toml");
    const SIM: &str = include_str!("../../../board/sim/board.toml");

    #[test]
    fn the_boards_in_the_tree_are_understood() {
        let sim = Board::parse(SIM).unwrap();
        assert_eq!(sim.reader.unwrap().backend, Backend::Sim);
        let pi = Board::parse(PI).unwrap();
        let reader = pi.reader.unwrap();
        assert_eq!(reader.bus, Path::new("/dev/spidev0.0"));
        assert_eq!(reader.reset.unwrap().line, 25);
        assert!(pi.panel.unwrap().buzzer.is_some());
    }

    fn problem(text: &str) -> String {
        let error = Board::parse(text).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let text =
            problem("name = \"x\"\n[reader]\npart = \"mfrc522\"\nbackend = \"sim\"\nbos = 1");
        assert!(text.contains("line 5") && text.contains("`bos`"), "{text}");
    }

    #[test]
    fn an_unknown_part_is_named_with_its_line() {
        let text = problem("name = \"x\"\n[reader]\npart = \"rc531\"\nbackend = \"sim\"");
        assert!(text.contains("line 3, at `part`"), "{text}");
        assert!(text.contains("rc531"), "{text}");
    }

    #[test]
    fn a_missing_key_is_named() {
        let text = problem("name = \"x\"\n[reader]\nbackend = \"sim\"");
        assert!(
            text.contains("line 2, at `reader`") && text.contains("part"),
            "{text}"
        );
    }
}
