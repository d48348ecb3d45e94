// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The board file: which part sits on which bus and line. TOML; an unknown key, a missing one and
//! a bad value are errors that name the key and the line. Opening the parts is `device`'s work.
//!
//! Secrets are no part of it: keys of cards and readers come from the daemon's sealed store.

mod doubles;
mod fingerprint;
mod panel;
mod place;
mod reader;
pub(crate) mod table;
mod wiring;

use std::path::{Path, PathBuf};
use std::{fs, io};

use platen_drivers::number::NumberFormatError;
use thiserror::Error;
use toml::de::DeTable;

use self::table::{Table, line_of};

pub use self::fingerprint::{BmLiteLink, FingerprintKind, FingerprintPart};
pub use self::panel::{KEYPAD_SIDE_MAX, KeypadPart, PanelPart, SwitchKind, SwitchPart};
pub use self::reader::{
    OsdpPart, OsdpSecurity, Pn532Link, Pn532Part, ReaderKind, ReaderPart, SPEED_MAX_HZ, WedgePart,
    WiegandPart,
};
pub use self::table::NAME_MAX;
pub use self::wiring::{Backend, Bias, InputPart, LinePart, SpiPart, UartPart, chip_select};

/// Largest board file that is read.
pub const FILE_MAX_BYTES: u64 = 64 * 1024;
/// Most card readers of a box; each has a thread.
pub const READERS_MAX: usize = 8;
/// Most fingerprint sensors of a box; each has a thread.
pub const FINGERPRINTS_MAX: usize = 4;
/// Most switches of a box.
pub const SWITCHES_MAX: usize = 16;

/// A board.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Board {
    /// The board's name, as of its folder.
    pub name: String,
    /// The card readers, at most [`READERS_MAX`].
    pub readers: Vec<ReaderPart>,
    /// The fingerprint sensors, at most [`FINGERPRINTS_MAX`].
    pub fingerprints: Vec<FingerprintPart>,
    /// Lamps and buzzer, if there are any.
    pub panel: Option<PanelPart>,
    /// The switches, at most [`SWITCHES_MAX`].
    pub switches: Vec<SwitchPart>,
    /// The PIN pad, if there is one.
    pub keypad: Option<KeypadPart>,
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
    /// Not TOML.
    #[error("board file, line {line}, is not TOML")]
    Syntax {
        /// Line, from 1.
        line: usize,
        /// What is wrong there.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// An unknown or missing key, or a value that can't be.
    #[error("board file, line {line}: `{key}` {problem}")]
    Value {
        /// Line of the key, or of the table that lacks it, from 1.
        line: usize,
        /// The key.
        key: String,
        /// What is wrong with it, and what is allowed.
        problem: String,
    },
    /// Two parts want the same.
    #[error("board file, line {second}: {what} is taken by line {first}")]
    Double {
        /// What both want.
        what: String,
        /// Line of the table that has it.
        first: usize,
        /// Line of the table that wants it too.
        second: usize,
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
    #[error("board file, line {line}: `{key}`: {} can't be opened: {advice}", path.display())]
    Device {
        /// Line of the part's table, from 1.
        line: usize,
        /// The key that names it.
        key: &'static str,
        /// The device file.
        path: PathBuf,
        /// What to look at.
        advice: &'static str,
        /// The system's own reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The part can't be opened with this build, or without something it needs.
    #[error("board file, line {line}: `{key}` {problem}")]
    Unusable {
        /// Line of the part's table, from 1.
        line: usize,
        /// The key.
        key: &'static str,
        /// What is missing.
        problem: &'static str,
    },
}

impl Board {
    /// Whether a PIN can be typed: at the box's own pad, or at a reader that has keys.
    #[must_use]
    pub fn has_pad(&self) -> bool {
        let has_keys = |part: &ReaderPart| match &part.kind {
            ReaderKind::Osdp(osdp) => osdp.keypad,
            _ => false,
        };
        self.keypad.is_some() || self.readers.iter().any(has_keys)
    }

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
    /// [`BoardError::Syntax`], [`BoardError::Value`], [`BoardError::Number`] and
    /// [`BoardError::Double`].
    pub fn parse(text: &str) -> Result<Self, BoardError> {
        let raw = DeTable::parse(text).map_err(|source| BoardError::Syntax {
            line: line_of(text, source.span().map_or(0, |span| span.start)),
            source: Box::new(source),
        })?;
        let mut top = Table::top(text, raw.get_ref());
        let name = top.need("name", "the board's name")?.name()?;
        let board = Self {
            name,
            readers: all(top.tables("reader", READERS_MAX)?, reader::read)?,
            fingerprints: all(
                top.tables("fingerprint", FINGERPRINTS_MAX)?,
                fingerprint::read,
            )?,
            panel: all(top.tables("panel", 1)?, panel::read)?.pop(),
            switches: all(top.tables("switch", SWITCHES_MAX)?, panel::read_switch)?,
            keypad: all(top.tables("keypad", 1)?, panel::read_keypad)?.pop(),
        };
        top.finish("a board")?;
        doubles::refuse(&board)?;
        Ok(board)
    }
}

fn all<'a, T>(
    tables: Vec<Table<'a>>,
    read: fn(Table<'a>) -> Result<T, BoardError>,
) -> Result<Vec<T>, BoardError> {
    tables.into_iter().map(read).collect()
}
