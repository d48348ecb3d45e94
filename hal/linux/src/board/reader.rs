// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A card reader's table of the board file: which part, on which wires, in which form its numbers
//! come.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use platen_drivers::NumberFormat;
use platen_drivers::number::ReadingKind;
use platen_drivers::osdp::frame::Check;
use platen_drivers::pn532::Kinds;
use platen_drivers::wedge::Ending;

use super::BoardError;
use super::table::{Item, Table};
use super::wiring::{
    Backend, InputPart, LinePart, SpiPart, UartPart, backend, bus, input, output, spi, uart,
};

/// Fastest SPI clock of any reader, the MFRC522's (data sheet §8.1.2).
pub const SPEED_MAX_HZ: u32 = 10_000_000;
const PN532_SPEED_MAX_HZ: u32 = 5_000_000;
const PN532_BAUD: [u32; 1] = [115_200];
/// The usual one first.
const OSDP_BAUD: [u32; 6] = [9_600, 19_200, 38_400, 57_600, 115_200, 230_400];
/// Addresses of one reader; 7fh speaks to all.
const OSDP_ADDRESS: RangeInclusive<u32> = 0..=0x7e;
const USB_ID: RangeInclusive<u32> = 0..=0xffff;
/// Longest name of a device that the kernel's input layer has a use for.
const DEVICE_NAME_MAX: usize = 80;
const POLL_MS: RangeInclusive<u32> = 20..=1_000;
/// Five answers that don't come make a reader that is gone, each awaited for 200 ms: 2 s in all.
const OSDP_POLL_MS: RangeInclusive<u32> = 20..=150;
const POLL_DEFAULT_MS: u32 = 80;
const KERNEL_ONLY: &str = "only the kernel drives this part";

/// A card reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReaderPart {
    /// Its name in events and on the status page.
    pub name: String,
    /// Line of its table in the board file.
    pub line: usize,
    /// Where it is.
    pub backend: Backend,
    /// Which part it is, and its wires.
    pub kind: ReaderKind,
    /// Time between two looks, 20 ms to 1 s, of a reader that is asked.
    pub interval: Duration,
    /// How its numbers become those of the cards.
    pub number: NumberFormat,
}

/// Card readers that have a driver.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ReaderKind {
    /// NXP MFRC522.
    Mfrc522 {
        /// Its bus.
        spi: SpiPart,
        /// Line of its reset pin.
        reset: Option<LinePart>,
    },
    /// NXP PN532.
    Pn532(Pn532Part),
    /// A reader with D0 and D1; without wires where it is simulated.
    Wiegand(Option<WiegandPart>),
    /// A reader on RS-485 that speaks OSDP.
    Osdp(OsdpPart),
    /// A USB reader that types.
    Wedge {
        /// Which keyboard it is.
        keyboard: WedgePart,
        /// How it ends what it types.
        ending: Ending,
    },
}

/// A PN532.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pn532Part {
    /// How it is connected.
    pub link: Pn532Link,
    /// Line of its reset pin.
    pub reset: Option<LinePart>,
    /// Kinds of card it looks for beside type A.
    pub kinds: Kinds,
}

/// A reader that speaks OSDP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OsdpPart {
    /// Its line.
    pub uart: UartPart,
    /// Its address, 00 to 7eh.
    pub address: u8,
    /// How packets are checked.
    pub check: Check,
    /// What is asked of its secure channel.
    pub secure: OsdpSecurity,
    /// Whether a card in clear is asked for a second time.
    pub ask_twice: bool,
    /// Whether it has keys to type a PIN on.
    pub keypad: bool,
}

/// A USB reader that types.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WedgePart {
    /// USB vendor.
    pub vendor: Option<u16>,
    /// USB product.
    pub product: Option<u16>,
    /// The name that the kernel shows.
    pub device_name: Option<String>,
}

/// How a PN532 is connected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Pn532Link {
    /// SPI.
    Spi(SpiPart),
    /// I2C: the bus's device file.
    I2c(PathBuf),
    /// Its UART.
    Uart(UartPart),
}

/// The lines of a Wiegand reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WiegandPart {
    /// Pulses low for a 0.
    pub d0: InputPart,
    /// Pulses low for a 1; on the same chip.
    pub d1: InputPart,
    /// Line that lights the reader's lamp.
    pub led: Option<LinePart>,
    /// Line that sounds the reader's buzzer.
    pub beep: Option<LinePart>,
}

/// What is asked of an OSDP reader's secure channel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OsdpSecurity {
    /// The reader must have the key; else it is not listened to.
    #[default]
    Required,
    /// No secure channel: numbers cross the wire in clear.
    Off,
    /// The reader gets the key, by the well-known default one, and is asked for it from then on.
    Install,
}

#[derive(Clone, Copy)]
enum Chip {
    Mfrc522,
    Pn532,
    Wiegand,
    Osdp,
    Wedge,
}

const CHIPS: [(&str, Chip); 5] = [
    ("mfrc522", Chip::Mfrc522),
    ("pn532", Chip::Pn532),
    ("wiegand", Chip::Wiegand),
    ("osdp", Chip::Osdp),
    ("wedge", Chip::Wedge),
];
const SECURITY: [(&str, OsdpSecurity); 3] = [
    ("required", OsdpSecurity::Required),
    ("off", OsdpSecurity::Off),
    ("install", OsdpSecurity::Install),
];

const CHECKS: [(&str, Check); 2] = [("crc", Check::Crc), ("sum", Check::Sum)];

const ENDINGS: [(&str, Ending); 2] = [("key", Ending::Key), ("silence", Ending::Silence)];

#[derive(Clone, Copy)]
enum Link {
    Spi,
    I2c,
    Uart,
}

const LINKS: [(&str, Link); 3] = [("spi", Link::Spi), ("i2c", Link::I2c), ("uart", Link::Uart)];

#[derive(Clone, Copy, Eq, PartialEq)]
enum Card {
    A,
    B,
    Felica,
}

const CARDS: [(&str, Card); 3] = [("a", Card::A), ("b", Card::B), ("felica", Card::Felica)];

impl ReaderKind {
    /// The part's word in the board file.
    #[must_use]
    pub fn part(&self) -> &'static str {
        match self {
            Self::Mfrc522 { .. } => "mfrc522",
            Self::Pn532(_) => "pn532",
            Self::Wiegand(_) => "wiegand",
            Self::Osdp(_) => "osdp",
            Self::Wedge { .. } => "wedge",
        }
    }
}

/// Takes a table, when its keys and values are right.
pub(super) fn read(mut table: Table<'_>) -> Result<ReaderPart, BoardError> {
    let name = table.take("name").map(|item| item.name()).transpose()?;
    let item = table.need("part", "which reader it is")?;
    let chip = item.word(&CHIPS)?;
    let no_rpi = matches!(chip, Chip::Wiegand | Chip::Osdp | Chip::Wedge).then_some(KERNEL_ONLY);
    let backend = backend(&mut table, no_rpi)?;
    let kind = match chip {
        Chip::Mfrc522 => ReaderKind::Mfrc522 {
            spi: spi(&mut table, backend, SPEED_MAX_HZ)?,
            reset: output(&mut table, "reset", backend)?,
        },
        Chip::Pn532 => pn532(&mut table, backend)?,
        Chip::Wiegand => wiegand(&mut table, backend)?,
        Chip::Osdp => osdp(&mut table, backend)?,
        Chip::Wedge => wedge(&mut table, backend)?,
    };
    let part = ReaderPart {
        name: name.unwrap_or_else(|| "reader".to_owned()),
        line: table.line(),
        backend,
        number: number(&mut table, &kind)?,
        interval: interval(&mut table, &kind)?,
        kind,
    };
    table.finish(&format!("a reader with part `{}`", part.kind.part()))?;
    Ok(part)
}

fn pn532(table: &mut Table<'_>, backend: Backend) -> Result<ReaderKind, BoardError> {
    let item = table.need("link", "a pn532 is on `spi`, `i2c` or `uart`")?;
    let link = match item.word(&LINKS)? {
        Link::Spi => Pn532Link::Spi(spi(table, backend, PN532_SPEED_MAX_HZ)?),
        Link::I2c => Pn532Link::I2c(bus(table, backend, "/dev/i2c-1")?),
        Link::Uart => Pn532Link::Uart(uart(table, backend, &PN532_BAUD)?),
    };
    let kinds = table.take("cards").map(|item| kinds(&item)).transpose()?;
    let reset = output(table, "reset", backend)?;
    Ok(ReaderKind::Pn532(Pn532Part {
        link,
        reset,
        kinds: kinds.unwrap_or_default(),
    }))
}

fn kinds(item: &Item<'_>) -> Result<Kinds, BoardError> {
    let words = item.list(CARDS.len())?;
    let cards: Vec<_> = words
        .iter()
        .map(|word| word.word(&CARDS))
        .collect::<Result<_, _>>()?;
    if !cards.contains(&Card::A) {
        return Err(item.wrong("is without `a`, which the part always looks for"));
    }
    Ok(Kinds {
        type_b: cards.contains(&Card::B),
        felica: cards.contains(&Card::Felica),
    })
}

fn wiegand(table: &mut Table<'_>, backend: Backend) -> Result<ReaderKind, BoardError> {
    let (d0, d1) = (input(table, "d0", backend)?, input(table, "d1", backend)?);
    let led = output(table, "led", backend)?;
    let beep = output(table, "beep", backend)?;
    match (backend, d0, d1) {
        (Backend::Sim, ..) => Ok(ReaderKind::Wiegand(None)),
        (_, Some(d0), Some(d1)) if d0.line.chip != d1.line.chip => Err(table.wrong(
            "d1",
            "is on another chip than d0: their order would be lost",
        )),
        (_, Some(d0), Some(d1)) => Ok(ReaderKind::Wiegand(Some(WiegandPart { d0, d1, led, beep }))),
        (_, None, _) => Err(table.wrong("d0", "is missing: the line that pulses for a 0")),
        (_, _, None) => Err(table.wrong("d1", "is missing: the line that pulses for a 1")),
    }
}

fn osdp(table: &mut Table<'_>, backend: Backend) -> Result<ReaderKind, BoardError> {
    let address = table.take("address");
    let address = address.map(|item| item.number(&OSDP_ADDRESS)).transpose()?;
    let check = table.take("check").map(|item| item.word(&CHECKS));
    let secure = table.take("secure").map(|item| item.word(&SECURITY));
    let ask_twice = table.take("ask_twice").map(|item| item.bool());
    let keypad = table.take("keypad").map(|item| item.bool());
    Ok(ReaderKind::Osdp(OsdpPart {
        uart: uart(table, backend, &OSDP_BAUD)?,
        address: u8::try_from(address.unwrap_or(0)).unwrap_or(0),
        check: check.transpose()?.unwrap_or_default(),
        secure: secure.transpose()?.unwrap_or_default(),
        ask_twice: ask_twice.transpose()?.unwrap_or(true),
        keypad: keypad.transpose()?.unwrap_or(false),
    }))
}

fn wedge(table: &mut Table<'_>, backend: Backend) -> Result<ReaderKind, BoardError> {
    let mut id = |key| {
        let item = table.take(key);
        let id = item.map(|item| item.number(&USB_ID)).transpose()?;
        Ok(id.and_then(|id| u16::try_from(id).ok()))
    };
    let (vendor, product) = (id("vendor")?, id("product")?);
    let device_name = table.take("device_name").map(|item| device_name(&item));
    let device_name = device_name.transpose()?;
    if backend != Backend::Sim && vendor.is_none() && device_name.is_none() {
        let problem = "is missing: say by `vendor` and `product`, or by `device_name`, which \
                       keyboard is the reader; any other must stay one";
        return Err(table.wrong("vendor", problem));
    }
    let ending = table.take("ending").map(|item| item.word(&ENDINGS));
    Ok(ReaderKind::Wedge {
        keyboard: WedgePart {
            vendor,
            product,
            device_name,
        },
        ending: ending.transpose()?.unwrap_or_default(),
    })
}

fn device_name(item: &Item<'_>) -> Result<String, BoardError> {
    let name = item.text()?;
    if (1..=DEVICE_NAME_MAX).contains(&name.len()) {
        Ok(name.to_owned())
    } else {
        Err(item.wrong(format!("is not 1 to {DEVICE_NAME_MAX} bytes")))
    }
}

fn interval(table: &mut Table<'_>, kind: &ReaderKind) -> Result<Duration, BoardError> {
    // The others report by themselves.
    let asked = !matches!(kind, ReaderKind::Wiegand(_) | ReaderKind::Wedge { .. });
    let item = if asked { table.take("poll_ms") } else { None };
    let allowed = match kind {
        ReaderKind::Osdp(_) => OSDP_POLL_MS,
        _ => POLL_MS,
    };
    let poll_ms = item.map(|item| item.number(&allowed)).transpose()?;
    let poll_ms = poll_ms.unwrap_or(POLL_DEFAULT_MS);
    Ok(Duration::from_millis(poll_ms.into()))
}

fn number(table: &mut Table<'_>, kind: &ReaderKind) -> Result<NumberFormat, BoardError> {
    let (wanted, words): (&[ReadingKind], _) = match kind {
        ReaderKind::Mfrc522 { .. } | ReaderKind::Pn532(_) => (&[ReadingKind::Uid], "`uid`"),
        ReaderKind::Wiegand(_) => (&[ReadingKind::Wiegand], "`wiegand=…` or `wiegand-raw=…`"),
        ReaderKind::Osdp(_) => (
            &[ReadingKind::Wiegand, ReadingKind::Uid, ReadingKind::Text],
            "`wiegand=…`, `wiegand-raw=…`, `uid`, or what a reader that types gives",
        ),
        ReaderKind::Wedge { .. } => (
            &[ReadingKind::Text],
            "`hex`, `decimal=…` or `facility-card`",
        ),
    };
    let Some(item) = table.take("number") else {
        return if wanted == [ReadingKind::Uid] {
            Ok(NumberFormat::default())
        } else {
            Err(table.wrong("number", format!("is missing: it begins with {words}")))
        };
    };
    let format = item.text()?.parse::<NumberFormat>();
    let format = format.map_err(|source| BoardError::Number {
        line: item.line(),
        source,
    })?;
    if wanted.contains(&format.kind()) {
        Ok(format)
    } else {
        let part = kind.part();
        let problem = format!("does not begin with {words}, which is what a {part} gives");
        Err(item.wrong(problem))
    }
}
