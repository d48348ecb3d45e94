// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The card reader's table of the board file: which chip, on which link, in which form its numbers
//! come.

use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

use platen_drivers::NumberFormat;
use platen_drivers::number::ReadingKind;
use serde::Deserialize;
use toml::Spanned;

use super::{Backend, BoardError, LinePart, line_of};

/// Fastest SPI clock of any chip, the MFRC522's (data sheet §8.1.2).
pub const SPEED_MAX_HZ: u32 = 10_000_000;
const PN532_SPEED_MAX_HZ: u32 = 5_000_000;
const SPEED_DEFAULT_HZ: u32 = 1_000_000;
const POLL_MS: RangeInclusive<u64> = 20..=1_000;
const POLL_DEFAULT_MS: u64 = 80;

/// Card reader chips that have a driver.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ReaderChip {
    /// NXP MFRC522 on SPI.
    Mfrc522,
    /// NXP PN532 on SPI, I2C or its UART.
    Pn532,
}

/// How a chip is connected.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ReaderLink {
    /// SPI.
    Spi,
    /// I2C.
    I2c,
    /// Serial port.
    Uart,
}

/// A card reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReaderPart {
    /// Its name in events and on the status page.
    pub name: String,
    /// The chip.
    pub part: ReaderChip,
    /// How it is connected.
    pub link: ReaderLink,
    /// Where it is.
    pub backend: Backend,
    /// Device file of the link; set when the backend is `linux`.
    pub bus: PathBuf,
    /// SPI clock in hertz, at most what the chip takes.
    pub speed_hz: u32,
    /// Line of the chip's reset pin.
    pub reset: Option<LinePart>,
    /// Time between two looks into the field, 20 ms to 1 s.
    pub interval: Duration,
    /// How its numbers become those of the cards.
    pub number: NumberFormat,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawReader {
    #[serde(default = "usual_name")]
    name: String,
    part: Spanned<ReaderChip>,
    link: Option<Spanned<ReaderLink>>,
    backend: Backend,
    bus: Option<PathBuf>,
    speed_hz: Option<Spanned<u32>>,
    reset: Option<LinePart>,
    poll_ms: Option<Spanned<u64>>,
    number: Option<Spanned<String>>,
}

fn usual_name() -> String {
    "reader".to_owned()
}

/// Where and why a value can't be.
type Problem = (Range<usize>, &'static str, &'static str);

/// Takes a table whose keys are right, when its values are.
pub(super) fn checked(text: &str, raw: Spanned<RawReader>) -> Result<ReaderPart, BoardError> {
    let whole = raw.span();
    let raw = raw.into_inner();
    let at = |(span, key, problem): Problem| BoardError::Value {
        line: line_of(text, span.start),
        key,
        problem,
    };
    let link = link(&raw).map_err(at)?;
    backend(&raw, &whole).map_err(at)?;
    speed(&raw, link).map_err(at)?;
    if let Some(poll) = &raw.poll_ms
        && !POLL_MS.contains(poll.get_ref())
    {
        return Err(at((poll.span(), "reader.poll_ms", "is not 20 to 1000")));
    }
    let poll_ms = raw.poll_ms.map_or(POLL_DEFAULT_MS, Spanned::into_inner);
    Ok(ReaderPart {
        name: raw.name,
        part: raw.part.into_inner(),
        link,
        backend: raw.backend,
        bus: raw.bus.unwrap_or_default(),
        speed_hz: raw.speed_hz.map_or(SPEED_DEFAULT_HZ, Spanned::into_inner),
        reset: raw.reset,
        interval: Duration::from_millis(poll_ms),
        number: number(text, raw.number)?,
    })
}

fn link(raw: &RawReader) -> Result<ReaderLink, Problem> {
    let named = raw.link.as_ref().map(|link| (*link.get_ref(), link.span()));
    match (raw.part.get_ref(), named) {
        (ReaderChip::Mfrc522, None | Some((ReaderLink::Spi, _))) => Ok(ReaderLink::Spi),
        (ReaderChip::Mfrc522, Some((_, span))) => Err((
            span,
            "reader.link",
            "is not `spi`, the only one of an mfrc522 here",
        )),
        (ReaderChip::Pn532, Some((link, _))) => Ok(link),
        (ReaderChip::Pn532, None) => Err((
            raw.part.span(),
            "reader.link",
            "is missing: a pn532 is on `spi`, `i2c` or `uart`",
        )),
    }
}

fn backend(raw: &RawReader, whole: &Range<usize>) -> Result<(), Problem> {
    let wired = raw.bus.is_some() || raw.reset.is_some() || raw.speed_hz.is_some();
    match raw.backend {
        Backend::Sim if *raw.part.get_ref() != ReaderChip::Mfrc522 => Err((
            raw.part.span(),
            "reader.part",
            "is not `mfrc522`, the one that `sim` simulates",
        )),
        Backend::Sim if wired => Err((
            whole.clone(),
            "reader.backend",
            "is `sim`: it has no bus and lines",
        )),
        Backend::Sim if raw.number.is_some() => {
            let problem = "is `sim`: its numbers are the cards' own";
            Err((whole.clone(), "reader.backend", problem))
        }
        Backend::Linux if raw.bus.is_none() => Err((
            whole.clone(),
            "reader.bus",
            "is missing: `linux` needs a device file",
        )),
        _ => Ok(()),
    }
}

fn speed(raw: &RawReader, link: ReaderLink) -> Result<(), Problem> {
    let Some(speed) = &raw.speed_hz else {
        return Ok(());
    };
    let (most, problem) = match (link, raw.part.get_ref()) {
        (ReaderLink::Spi, ReaderChip::Mfrc522) => (SPEED_MAX_HZ, "is not 1 to 10000000"),
        (ReaderLink::Spi, ReaderChip::Pn532) => (PN532_SPEED_MAX_HZ, "is not 1 to 5000000"),
        _ => (
            0,
            "is for `spi`: the kernel sets the speed of I2C, and the chip that of its UART",
        ),
    };
    if (1..=most).contains(speed.get_ref()) {
        Ok(())
    } else {
        Err((speed.span(), "reader.speed_hz", problem))
    }
}

fn number(text: &str, raw: Option<Spanned<String>>) -> Result<NumberFormat, BoardError> {
    let Some(raw) = raw else {
        return Ok(NumberFormat::default());
    };
    let line = line_of(text, raw.span().start);
    let format: NumberFormat = raw
        .get_ref()
        .parse()
        .map_err(|source| BoardError::Number { line, source })?;
    if format.kind() == ReadingKind::Uid {
        return Ok(format);
    }
    Err(BoardError::Value {
        line,
        key: "reader.number",
        problem: "does not begin with `uid`, which is what this part gives",
    })
}

#[cfg(test)]
mod tests {
    use super::super::Board;
    use super::*;

    fn problem(reader: &str) -> String {
        let text = format!("name = \"x\"\n[reader]\n{reader}");
        let error = Board::parse(&text).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    }

    fn part(reader: &str) -> ReaderPart {
        let text = format!("name = \"x\"\n[reader]\n{reader}");
        Board::parse(&text).unwrap().reader.unwrap()
    }

    const MFRC522: &str = "part = \"mfrc522\"\nbackend = \"linux\"\n";
    const PN532: &str = "part = \"pn532\"\nbackend = \"linux\"\n";

    #[test]
    fn a_value_out_of_range_is_named_with_its_line() {
        let fast = problem(&format!(
            "{MFRC522}bus = \"/dev/spidev0.0\"\nspeed_hz = 20000000"
        ));
        assert!(fast.contains("line 6: `reader.speed_hz`"), "{fast}");
        let missing = problem(&format!("{MFRC522}speed_hz = 1"));
        assert!(missing.contains("`reader.bus` is missing"), "{missing}");
        let often = problem("part = \"mfrc522\"\npoll_ms = 1\nbackend = \"sim\"");
        assert!(often.contains("line 4: `reader.poll_ms`"), "{often}");
    }

    #[test]
    fn a_pn532_names_its_link() {
        for (name, link) in [
            ("spi", ReaderLink::Spi),
            ("i2c", ReaderLink::I2c),
            ("uart", ReaderLink::Uart),
        ] {
            let part = part(&format!("{PN532}link = \"{name}\"\nbus = \"/dev/x\""));
            assert_eq!((part.part, part.link), (ReaderChip::Pn532, link));
        }
        let missing = problem(&format!("{PN532}bus = \"/dev/i2c-1\""));
        assert!(
            missing.contains("line 3: `reader.link` is missing"),
            "{missing}"
        );
        let unknown = problem(&format!("{PN532}link = \"usb\"\nbus = \"/dev/x\""));
        assert!(unknown.contains("line 5, at `link`"), "{unknown}");
        let wrong = problem(&format!("{MFRC522}link = \"uart\"\nbus = \"/dev/x\""));
        assert!(
            wrong.contains("line 5: `reader.link` is not `spi`"),
            "{wrong}"
        );
    }

    #[test]
    fn a_speed_is_one_that_the_link_can_have() {
        let bus = "bus = \"/dev/x\"\nspeed_hz = 6000000";
        let spi = problem(&format!("{PN532}link = \"spi\"\n{bus}"));
        assert!(
            spi.contains("line 7: `reader.speed_hz` is not 1 to 5000000"),
            "{spi}"
        );
        let i2c = problem(&format!("{PN532}link = \"i2c\"\n{bus}"));
        assert!(
            i2c.contains("line 7: `reader.speed_hz` is for `spi`"),
            "{i2c}"
        );
    }

    #[test]
    fn a_number_s_format_is_checked_before_a_card_comes() {
        let bus = format!("{MFRC522}bus = \"/dev/spidev0.0\"\n");
        let good = part(&format!("{bus}number = \"uid first=4\""));
        assert_eq!(Ok(good.number), "uid first=4".parse());
        assert_eq!(part(&bus).number, NumberFormat::default());
        let word = problem(&format!("{bus}number = \"uid turn\""));
        assert!(
            word.contains("line 6: `reader.number`") && word.contains("`turn`"),
            "{word}"
        );
        let kind = problem(&format!("{bus}number = \"wiegand=26\""));
        assert!(
            kind.contains("line 6") && kind.contains("does not begin with `uid`"),
            "{kind}"
        );
        let sim = problem("part = \"mfrc522\"\nbackend = \"sim\"\nnumber = \"uid\"");
        assert!(sim.contains("`reader.backend`"), "{sim}");
    }

    #[test]
    fn a_part_that_is_not_simulated_is_said_to_be_so() {
        let text = problem("part = \"pn532\"\nlink = \"i2c\"\nbackend = \"sim\"");
        assert!(
            text.contains("line 3: `reader.part` is not `mfrc522`"),
            "{text}"
        );
    }
}
