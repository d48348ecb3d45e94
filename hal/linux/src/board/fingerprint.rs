// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A fingerprint sensor's table of the board file.

use std::ops::RangeInclusive;
use std::time::Duration;

use platen_drivers::bmlite;

use super::BoardError;
use super::table::Table;
use super::wiring::{
    Backend, InputPart, LinePart, SpiPart, UartPart, backend, input, output, spi, uart,
};

/// Working host code runs the BM-Lite at 8 MHz at most.
const BM_LITE_SPEED_MAX_HZ: u32 = 8_000_000;
/// The usual one first.
const BM_LITE_BAUD: [u32; 4] = [115_200, 230_400, 460_800, 921_600];
/// Multiples of 9600 up to the twelfth that a serial port can have, the usual one first.
const EF01_BAUD: [u32; 5] = [57_600, 9_600, 19_200, 38_400, 115_200];
const EF01_ADDRESS: RangeInclusive<u32> = 0..=u32::MAX;
const CAPACITY: RangeInclusive<u32> = 1..=1_024;
const POLL_MS: RangeInclusive<u32> = 50..=1_000;
const POLL_DEFAULT_MS: u32 = 100;

/// A fingerprint sensor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FingerprintPart {
    /// Its name in events and on the status page.
    pub name: String,
    /// Line of its table in the board file.
    pub line: usize,
    /// Where it is.
    pub backend: Backend,
    /// Which part it is, and its wires.
    pub kind: FingerprintKind,
    /// Time between two looks, 50 ms to 1 s.
    pub interval: Duration,
}

/// Fingerprint sensors that have a driver.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FingerprintKind {
    /// FPC BM-Lite.
    BmLite {
        /// How it is connected.
        link: BmLiteLink,
        /// Line of its reset pin.
        reset: Option<LinePart>,
        /// Templates that it holds, which it does not tell by itself.
        capacity: u16,
    },
    /// ZFM-20, R30x, R503 and AS608, which speak one protocol.
    Ef01 {
        /// Its port.
        uart: UartPart,
        /// Its address; ffffffffh unless it was set.
        address: u32,
    },
}

/// How a BM-Lite is connected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BmLiteLink {
    /// SPI.
    Spi {
        /// The bus.
        spi: SpiPart,
        /// Line of its IRQ pin, high when it has something to say; `None` for a simulated part.
        irq: Option<InputPart>,
    },
    /// Its UART.
    Uart(UartPart),
}

#[derive(Clone, Copy)]
enum Chip {
    BmLite,
    Ef01,
}

const CHIPS: [(&str, Chip); 2] = [("bm-lite", Chip::BmLite), ("ef01", Chip::Ef01)];

#[derive(Clone, Copy)]
enum Link {
    Spi,
    Uart,
}

const LINKS: [(&str, Link); 2] = [("spi", Link::Spi), ("uart", Link::Uart)];

impl FingerprintKind {
    /// The part's word in the board file.
    #[must_use]
    pub fn part(&self) -> &'static str {
        match self {
            Self::BmLite { .. } => "bm-lite",
            Self::Ef01 { .. } => "ef01",
        }
    }
}

/// Takes a table, when its keys and values are right.
pub(super) fn read(mut table: Table<'_>) -> Result<FingerprintPart, BoardError> {
    let name = table.take("name").map(|item| item.name()).transpose()?;
    let chip = table.need("part", "which sensor it is")?.word(&CHIPS)?;
    let no_rpi = matches!(chip, Chip::Ef01).then_some("only the kernel drives its serial port");
    let backend = backend(&mut table, no_rpi)?;
    let kind = match chip {
        Chip::BmLite => bm_lite(&mut table, backend)?,
        Chip::Ef01 => {
            let address = table.take("address");
            let address = address.map(|item| item.number(&EF01_ADDRESS)).transpose()?;
            FingerprintKind::Ef01 {
                uart: uart(&mut table, backend, &EF01_BAUD)?,
                address: address.unwrap_or(u32::MAX),
            }
        }
    };
    let poll_ms = table.take("poll_ms");
    let poll_ms = poll_ms.map(|item| item.number(&POLL_MS)).transpose()?;
    let part = FingerprintPart {
        name: name.unwrap_or_else(|| "finger".to_owned()),
        line: table.line(),
        backend,
        interval: Duration::from_millis(poll_ms.unwrap_or(POLL_DEFAULT_MS).into()),
        kind,
    };
    table.finish(&format!(
        "a fingerprint sensor with part `{}`",
        part.kind.part()
    ))?;
    Ok(part)
}

fn bm_lite(table: &mut Table<'_>, backend: Backend) -> Result<FingerprintKind, BoardError> {
    let item = table.need("link", "a bm-lite is on `spi` or `uart`")?;
    let link = match item.word(&LINKS)? {
        Link::Spi => {
            let spi = spi(table, backend, BM_LITE_SPEED_MAX_HZ)?;
            let irq = input(table, "irq", backend)?;
            if irq.is_none() && backend != Backend::Sim {
                let problem = "is missing: on SPI the sensor says by it when it can be read";
                return Err(table.wrong("irq", problem));
            }
            BmLiteLink::Spi { spi, irq }
        }
        Link::Uart => BmLiteLink::Uart(uart(table, backend, &BM_LITE_BAUD)?),
    };
    let reset = output(table, "reset", backend)?;
    let capacity = table.take("capacity");
    let capacity = capacity.map(|item| item.number(&CAPACITY)).transpose()?;
    let capacity = capacity.and_then(|capacity| u16::try_from(capacity).ok());
    Ok(FingerprintKind::BmLite {
        link,
        reset,
        capacity: capacity.unwrap_or(bmlite::CAPACITY),
    })
}
