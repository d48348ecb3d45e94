// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The board file: which part sits on which bus and line. TOML; an unknown key, a missing one and
//! a bad value are errors that name the key and the line. Opening the parts is `device`'s work.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

/// Largest board file that is read.
pub const FILE_MAX_BYTES: u64 = 64 * 1024;
/// The MFRC522's limit (data sheet §8.1.2).
pub const SPEED_MAX_HZ: u32 = 10_000_000;
const POLL_MS: std::ops::RangeInclusive<u64> = 20..=1_000;

/// Where a part really is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The register model inside the daemon.
    Sim,
    /// Device files of the kernel.
    Linux,
}

/// Card reader chips that have a driver.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ReaderChip {
    /// NXP MFRC522 on SPI.
    Mfrc522,
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

/// A card reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReaderPart {
    /// Its name in events and on the status page.
    pub name: String,
    /// The chip.
    pub part: ReaderChip,
    /// Where it is.
    pub backend: Backend,
    /// SPI device file; set when the backend is `linux`.
    pub bus: PathBuf,
    /// SPI clock in hertz, at most [`SPEED_MAX_HZ`].
    pub speed_hz: u32,
    /// Line of the chip's reset pin.
    pub reset: Option<LinePart>,
    /// Time between two looks into the field, 20 ms to 1 s.
    pub interval: Duration,
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
    reader: Option<Spanned<RawReader>>,
    panel: Option<Spanned<RawPanel>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawReader {
    #[serde(default = "reader_name")]
    name: String,
    part: ReaderChip,
    backend: Backend,
    bus: Option<PathBuf>,
    speed_hz: Option<Spanned<u32>>,
    reset: Option<LinePart>,
    poll_ms: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPanel {
    backend: Backend,
    red: Option<LinePart>,
    green: Option<LinePart>,
    buzzer: Option<LinePart>,
}

fn reader_name() -> String {
    "reader".to_owned()
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
            reader: raw.reader.map(|raw| reader(text, raw)).transpose()?,
            panel: raw.panel.map(|raw| panel(text, raw)).transpose()?,
        })
    }
}

fn reader(text: &str, raw: Spanned<RawReader>) -> Result<ReaderPart, BoardError> {
    let whole = raw.span();
    let raw = raw.into_inner();
    let at = |span: Range<usize>, key, problem| BoardError::Value {
        line: line_of(text, span.start),
        key,
        problem,
    };
    let wired = raw.bus.is_some() || raw.reset.is_some() || raw.speed_hz.is_some();
    if raw.backend == Backend::Sim && wired {
        return Err(at(
            whole,
            "reader.backend",
            "is `sim`: it has no bus and lines",
        ));
    }
    if raw.backend == Backend::Linux && raw.bus.is_none() {
        return Err(at(
            whole,
            "reader.bus",
            "is missing: `linux` needs a device file",
        ));
    }
    if let Some(speed) = &raw.speed_hz
        && !(1..=SPEED_MAX_HZ).contains(speed.get_ref())
    {
        return Err(at(speed.span(), "reader.speed_hz", "is not 1 to 10000000"));
    }
    if let Some(poll) = &raw.poll_ms
        && !POLL_MS.contains(poll.get_ref())
    {
        return Err(at(poll.span(), "reader.poll_ms", "is not 20 to 1000"));
    }
    Ok(ReaderPart {
        name: raw.name,
        part: raw.part,
        backend: raw.backend,
        bus: raw.bus.unwrap_or_default(),
        speed_hz: raw.speed_hz.map_or(1_000_000, Spanned::into_inner),
        reset: raw.reset,
        interval: Duration::from_millis(raw.poll_ms.map_or(80, Spanned::into_inner)),
    })
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

    #[test]
    fn a_value_out_of_range_is_named_with_its_line() {
        let start = "name = \"x\"\n[reader]\npart = \"mfrc522\"\nbackend = \"linux\"\n";
        let text = problem(&format!(
            "{start}bus = \"/dev/spidev0.0\"\nspeed_hz = 20000000"
        ));
        assert!(text.contains("line 6: `reader.speed_hz`"), "{text}");
        let text = problem(&format!("{start}speed_hz = 1"));
        assert!(text.contains("`reader.bus` is missing"), "{text}");
        let text = problem(
            &start
                .replace("linux", "sim")
                .replace("mfrc522\"", "mfrc522\"\npoll_ms = 1"),
        );
        assert!(text.contains("line 4: `reader.poll_ms`"), "{text}");
    }
}
