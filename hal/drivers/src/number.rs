// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reader number formats: the same card must be the same number whatever reader it is held to.
//!
//! Each reader gets a format in the board file, a few words: what the reader gives, then what is
//! done to it. The result is the card's UID in the order in which the card sends it, as far as the
//! reader tells it. A reader that tells less (26 bits hold three bytes) makes the rule for the whole
//! site: the other readers are shortened to the same bytes.
//!
//! ```text
//! uid                       the bytes of the card (readers on SPI, I2C, UART)
//! hex reverse               text "C3B2A104" for the card 04 A1 B2 C3
//! decimal=4 reverse         text "3283263748" for the same
//! wiegand=26 facility=188   24 bits; cards of another facility are refused
//! uid first=3               three bytes of the card, to match the above
//! ```
//!
//! A number that is no UID by its length gets zero bytes in front up to the next length that one
//! has: 4, 7 or 10.

mod digits;

use core::str::FromStr;

use heapless::Vec;
use platen_hal::{CardReader, CardUid, Key, PanelSignal, Proof, ReaderError, ReaderTrace};
use thiserror::Error;

use self::digits::{big_endian, decimal, hex};
use crate::wiegand::Frame;
use crate::wiegand::format::Format;

/// Words of a format, the source included.
pub const WORDS_MAX: usize = 5;
/// Longest text of a number that is read.
pub const TEXT_MAX: usize = 64;
const BYTES_MAX: usize = 10;

type Bytes = Vec<u8, BYTES_MAX>;

/// What a reader gave.
#[derive(Clone, Copy, Debug)]
pub enum Reading<'a> {
    /// Bytes from the card.
    Uid(&'a CardUid),
    /// Text, as a keyboard-like reader types it.
    Text(&'a str),
    /// A Wiegand frame.
    Wiegand(Frame),
}

/// What a reader gives, and how it becomes a number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NumberFormat {
    source: Source,
    steps: Vec<Step, { WORDS_MAX - 1 }>,
}

/// The kinds of reading a format can be for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ReadingKind {
    /// [`Reading::Uid`].
    Uid,
    /// [`Reading::Text`].
    Text,
    /// [`Reading::Wiegand`].
    Wiegand,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Source {
    Uid,
    Hex,
    /// One decimal number of so many bytes.
    Decimal(u8),
    /// Facility and card of 26 bits in decimal: `188,24910` or `18824910`.
    FacilityCard,
    Wiegand(Format),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    Reverse,
    First(u8),
    Last(u8),
    /// The facility must be this one.
    Facility(u16),
    /// The card number alone.
    DropFacility,
}

/// How a word's number is used: none, or within these limits.
type Value = Option<(u16, u16)>;
type MakeSource = fn(u16) -> Option<Source>;
type MakeStep = fn(u8, u16) -> Step;

const SOURCES: [(&str, Value, MakeSource); 6] = [
    ("uid", None, |_| Some(Source::Uid)),
    ("hex", None, |_| Some(Source::Hex)),
    ("decimal", Some((1, 10)), |n| {
        u8::try_from(n).ok().map(Source::Decimal)
    }),
    ("facility-card", None, |_| Some(Source::FacilityCard)),
    ("wiegand", Some((26, 37)), |n| {
        let formats = [Format::H10301, Format::H10306, Format::H10304];
        let mut fitting = formats
            .into_iter()
            .filter(|format| u16::from(format.length()) == n);
        fitting.next().map(Source::Wiegand)
    }),
    ("wiegand-raw", Some((1, 64)), |n| {
        u8::try_from(n)
            .ok()
            .map(|n| Source::Wiegand(Format::Raw(n)))
    }),
];
/// The format of 37 bits without a facility shares its length with another one.
const H10302: &str = "wiegand=h10302";

const STEPS: [(&str, Value, MakeStep); 5] = [
    ("reverse", None, |_, _| Step::Reverse),
    ("first", Some((1, 10)), |n, _| Step::First(n)),
    ("last", Some((1, 10)), |n, _| Step::Last(n)),
    ("facility", Some((0, u16::MAX)), |_, n| Step::Facility(n)),
    ("drop-facility", None, |_, _| Step::DropFacility),
];

/// Why a text is no format.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum NumberFormatError {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// More than [`WORDS_MAX`] words.
    #[error("has more than {WORDS_MAX} words")]
    TooLong,
    /// The first word is none of those that name what the reader gives.
    #[error(
        "begins with `{word}`, not with uid, hex, decimal=N, facility-card, wiegand=26|34|37|h10302 or wiegand-raw=N"
    )]
    Source {
        /// The word.
        word: String,
    },
    /// A later word is none of those that name what is done.
    #[error("has `{word}`, which is not reverse, first=N, last=N, facility=N or drop-facility")]
    Step {
        /// The word.
        word: String,
    },
    /// A word's number is missing, too much, or out of its range.
    #[error("has a wrong number in `{word}`")]
    Value {
        /// The word.
        word: String,
    },
    /// A step about facilities on a source that has none.
    #[error("has `{word}`, but its reader tells no facility, or it comes behind another step")]
    NoFacility {
        /// The word.
        word: String,
    },
}

/// Why a reading gives no number.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum NumberError {
    /// The format is for another kind of reader.
    #[error("reading is of another kind")]
    Kind,
    /// Text with other characters than the format's digits, or too long.
    #[error("text is not of the format")]
    Text,
    /// The number does not fit.
    #[error("number is too large")]
    TooLarge,
    /// Fewer bytes than the format takes.
    #[error("number is too short")]
    TooShort,
    /// The Wiegand frame has another length.
    #[error("frame has another length")]
    Length,
    /// The Wiegand frame's parity is wrong.
    #[error("parity is wrong")]
    Parity,
    /// A card of another facility.
    #[error("facility is another one")]
    Facility,
}

/// A number on its way, with the facility that its first bytes hold.
struct Pending {
    bytes: Bytes,
    facility: Option<u16>,
    /// Card number alone.
    card: u128,
}

impl Default for NumberFormat {
    /// The card's bytes as they are.
    fn default() -> Self {
        Self {
            source: Source::Uid,
            steps: Vec::new(),
        }
    }
}

impl FromStr for NumberFormat {
    type Err = NumberFormatError;

    fn from_str(text: &str) -> Result<Self, NumberFormatError> {
        let mut words = text.split_ascii_whitespace();
        let source = source(words.next().ok_or(NumberFormatError::Empty)?)?;
        let facility = matches!(
            source,
            Source::FacilityCard
                | Source::Wiegand(Format::H10301 | Format::H10304 | Format::H10306)
        );
        let mut steps = Vec::new();
        for word in words {
            let step = step(word)?;
            let about_facility = matches!(step, Step::Facility(_) | Step::DropFacility);
            let moved = steps.iter().any(|step| !matches!(step, Step::Facility(_)));
            if about_facility && (!facility || moved) {
                return Err(NumberFormatError::NoFacility { word: word.into() });
            }
            steps.push(step).map_err(|_| NumberFormatError::TooLong)?;
        }
        Ok(Self { source, steps })
    }
}

impl NumberFormat {
    /// The kind of reading it is for.
    #[must_use]
    pub fn kind(&self) -> ReadingKind {
        match self.source {
            Source::Uid => ReadingKind::Uid,
            Source::Hex | Source::Decimal(_) | Source::FacilityCard => ReadingKind::Text,
            Source::Wiegand(_) => ReadingKind::Wiegand,
        }
    }

    /// The card's number. A random one ([`CardUid::is_random`]) is passed as it is, so that nobody
    /// takes it for a person's.
    ///
    /// # Errors
    /// [`NumberError`] as told there.
    pub fn apply(&self, reading: Reading<'_>) -> Result<CardUid, NumberError> {
        if let Reading::Uid(uid) = reading
            && uid.is_random()
        {
            return Ok(uid.clone());
        }
        let mut number = self.source.take(reading)?;
        for step in &self.steps {
            step.apply(&mut number)?;
        }
        padded(&number.bytes)
    }
}

fn source(word: &str) -> Result<Source, NumberFormatError> {
    if word == H10302 {
        return Ok(Source::Wiegand(Format::H10302));
    }
    let (name, value) = split(word);
    let Some((_, limits, make)) = SOURCES.iter().find(|(known, ..)| *known == name) else {
        return Err(NumberFormatError::Source { word: word.into() });
    };
    let wrong = || NumberFormatError::Value { word: word.into() };
    let value = checked(value, *limits).ok_or_else(wrong)?;
    make(value).ok_or_else(wrong)
}

fn step(word: &str) -> Result<Step, NumberFormatError> {
    let (name, value) = split(word);
    let Some((_, limits, make)) = STEPS.iter().find(|(known, ..)| *known == name) else {
        return Err(NumberFormatError::Step { word: word.into() });
    };
    let value =
        checked(value, *limits).ok_or_else(|| NumberFormatError::Value { word: word.into() })?;
    Ok(make(u8::try_from(value).unwrap_or(u8::MAX), value))
}

fn split(word: &str) -> (&str, Option<&str>) {
    word.split_once('=')
        .map_or((word, None), |(name, value)| (name, Some(value)))
}

/// The number of a word, 0 where it has and needs none.
fn checked(value: Option<&str>, limits: Value) -> Option<u16> {
    match (value, limits) {
        (None, None) => Some(0),
        (Some(text), Some((least, most))) => {
            let value = text.parse().ok()?;
            (least..=most).contains(&value).then_some(value)
        }
        _ => None,
    }
}

impl Source {
    fn take(self, reading: Reading<'_>) -> Result<Pending, NumberError> {
        match (self, reading) {
            (Self::Uid, Reading::Uid(uid)) => plain(uid.as_bytes()),
            (_, Reading::Text(text)) if text.len() > TEXT_MAX => Err(NumberError::Text),
            (Self::Hex, Reading::Text(text)) => plain(&hex(text.trim())?),
            (Self::Decimal(length), Reading::Text(text)) => {
                plain(&big_endian(decimal(text.trim())?, length.into())?)
            }
            (Self::FacilityCard, Reading::Text(text)) => facility_card(text.trim()),
            (Self::Wiegand(format), Reading::Wiegand(frame)) => wiegand(format, frame),
            _ => Err(NumberError::Kind),
        }
    }
}

impl Step {
    fn apply(self, number: &mut Pending) -> Result<(), NumberError> {
        let bytes = &mut number.bytes;
        match self {
            Self::Reverse => bytes.reverse(),
            Self::First(length) => *bytes = cut(bytes.get(..length.into()))?,
            Self::Last(length) => {
                let from = bytes.len().checked_sub(length.into());
                *bytes = cut(from.and_then(|from| bytes.get(from..)))?;
            }
            Self::Facility(wanted) if number.facility == Some(wanted) => {}
            Self::Facility(_) => return Err(NumberError::Facility),
            Self::DropFacility => *bytes = big_endian(number.card, 4)?,
        }
        Ok(())
    }
}

fn cut(part: Option<&[u8]>) -> Result<Bytes, NumberError> {
    let part = part.ok_or(NumberError::TooShort)?;
    Bytes::from_slice(part).map_err(|_| NumberError::TooLarge)
}

fn plain(bytes: &[u8]) -> Result<Pending, NumberError> {
    Ok(Pending {
        bytes: cut(Some(bytes))?,
        facility: None,
        card: 0,
    })
}

fn facility_card(text: &str) -> Result<Pending, NumberError> {
    let (facility, card) = match text.split_once(',') {
        Some(parts) => parts,
        None if text.len() == 8 => text.split_at_checked(3).ok_or(NumberError::Text)?,
        None => return Err(NumberError::Text),
    };
    let facility = u8::try_from(decimal(facility.trim())?).map_err(|_| NumberError::TooLarge)?;
    let card = u16::try_from(decimal(card.trim())?).map_err(|_| NumberError::TooLarge)?;
    let [high, low] = card.to_be_bytes();
    Ok(Pending {
        bytes: cut(Some(&[facility, high, low]))?,
        facility: Some(facility.into()),
        card: card.into(),
    })
}

fn wiegand(format: Format, frame: Frame) -> Result<Pending, NumberError> {
    use crate::wiegand::format::FormatError;
    let number = format.decode(frame).map_err(|error| match error {
        FormatError::Length { .. } => NumberError::Length,
        FormatError::Parity => NumberError::Parity,
    })?;
    Ok(Pending {
        bytes: big_endian(number.data.into(), number.data_bits.div_ceil(8).into())?,
        facility: number.facility,
        card: number.card.into(),
    })
}

/// A UID, with zero bytes in front up to the next length that one has.
fn padded(bytes: &[u8]) -> Result<CardUid, NumberError> {
    let wanted = [4, 7, 10].into_iter().find(|length| *length >= bytes.len());
    let zeros = wanted.ok_or(NumberError::TooLarge)? - bytes.len();
    let mut uid = Bytes::new();
    uid.extend(core::iter::repeat_n(0, zeros).chain(bytes.iter().copied()));
    CardUid::new(&uid).ok_or(NumberError::TooLarge)
}

/// A reader whose numbers are brought into a format.
#[derive(Debug)]
pub struct Renumbered<R> {
    reader: R,
    format: NumberFormat,
}

impl<R> Renumbered<R> {
    /// `reader`, with a format for UIDs; one for another kind makes each card an error.
    #[must_use]
    pub fn new(reader: R, format: NumberFormat) -> Self {
        Self { reader, format }
    }
}

impl<R: CardReader> CardReader for Renumbered<R> {
    fn start(&mut self) -> Result<(), ReaderError> {
        self.reader.start()
    }

    fn poll(&mut self) -> Result<Option<CardUid>, ReaderError> {
        let Some(uid) = self.reader.poll()? else {
            return Ok(None);
        };
        let cause = "card's number is not of the reader's format";
        let number = self.format.apply(Reading::Uid(&uid));
        number.map(Some).map_err(|_| ReaderError::Garbled { cause })
    }

    fn proof(&self) -> Proof {
        self.reader.proof()
    }

    fn waits(&self) -> bool {
        self.reader.waits()
    }

    fn take_key(&mut self) -> Option<Key> {
        self.reader.take_key()
    }

    fn tampered(&self) -> Option<bool> {
        self.reader.tampered()
    }

    fn show(&mut self, signal: PanelSignal) {
        self.reader.show(signal);
    }

    fn part(&self) -> &'static str {
        self.reader.part()
    }

    fn trace(&self) -> Option<&ReaderTrace> {
        self.reader.trace()
    }
}
