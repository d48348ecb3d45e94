// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the tables of all parts have in common: where a part is, its bus and its lines.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::BoardError;
use super::table::{Item, Table};

const SPEED_DEFAULT_HZ: u32 = 1_000_000;
/// Lines of one GPIO chip; the kernel's own chips have fewer.
const LINE_MAX: u32 = 1_023;

/// Where a part really is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Backend {
    /// The model inside the daemon.
    Sim,
    /// Device files of the kernel.
    Linux,
    /// A Raspberry Pi's own peripherals, through rppal.
    Rpi,
}

/// A part on SPI.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SpiPart {
    /// Device file with bus and chip select, such as `/dev/spidev0.0`; empty for a simulated part.
    pub bus: PathBuf,
    /// Clock in hertz, at most what the chip takes.
    pub speed_hz: u32,
}

/// A part at a serial port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UartPart {
    /// Device file; empty for a simulated part.
    pub bus: PathBuf,
    /// Bits per second.
    pub baud: u32,
}

/// One line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LinePart {
    /// GPIO chip's device file; empty with the backend `rpi`, which has one chip.
    pub chip: PathBuf,
    /// Offset on that chip; with `rpi` the BCM number.
    pub line: u32,
    /// Whether the part is on when the line is low.
    pub active_low: bool,
}

/// What holds an input that nothing drives.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Bias {
    /// Left as it is.
    #[default]
    AsIs,
    /// To the supply.
    PullUp,
    /// To ground.
    PullDown,
    /// Switched off.
    Off,
}

/// One line that is read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InputPart {
    /// The line.
    pub line: LinePart,
    /// What holds it.
    pub bias: Bias,
}

const BACKENDS: [(&str, Backend); 3] = [
    ("sim", Backend::Sim),
    ("linux", Backend::Linux),
    ("rpi", Backend::Rpi),
];
const BIASES: [(&str, Bias); 4] = [
    ("as-is", Bias::AsIs),
    ("pull-up", Bias::PullUp),
    ("pull-down", Bias::PullDown),
    ("off", Bias::Off),
];

/// The table's backend. `no_rpi` says why a part can't be on `rpi`, where it can't.
pub(super) fn backend(table: &mut Table<'_>, no_rpi: Option<&str>) -> Result<Backend, BoardError> {
    let item = table.need("backend", "where the part is: `sim`, `linux` or `rpi`")?;
    let backend = item.word(&BACKENDS)?;
    match no_rpi {
        Some(why) if backend == Backend::Rpi => Err(item.wrong(format!("can't be `rpi`: {why}"))),
        _ => Ok(backend),
    }
}

/// Refuses a wire of a part that has none.
fn no_wire(item: &Item<'_>) -> BoardError {
    item.wrong("is for a real part: with `backend = \"sim\"` there are no wires")
}

/// A device file that a real part needs and a simulated one can't have.
pub(super) fn bus(
    table: &mut Table<'_>,
    backend: Backend,
    example: &str,
) -> Result<PathBuf, BoardError> {
    match (backend, table.take("bus")) {
        (Backend::Sim, Some(item)) => Err(no_wire(&item)),
        (Backend::Sim, None) => Ok(PathBuf::new()),
        (_, Some(item)) => item.path(),
        (_, None) => {
            let problem = format!("is missing: a real part needs a device file, such as {example}");
            Err(table.wrong("bus", problem))
        }
    }
}

/// `bus` and `speed_hz`, at most `most_hz`.
pub(super) fn spi(
    table: &mut Table<'_>,
    backend: Backend,
    most_hz: u32,
) -> Result<SpiPart, BoardError> {
    let item = table.take("bus");
    let bus = match (backend, &item) {
        (Backend::Sim, Some(item)) => return Err(no_wire(item)),
        (Backend::Sim, None) => PathBuf::new(),
        (Backend::Rpi, Some(item)) if chip_select(&item.path()?).is_none() => {
            return Err(item.wrong("is not /dev/spidevB.C, which `rpi` needs"));
        }
        (_, Some(item)) => item.path()?,
        (_, None) => {
            let problem = "is missing: a part on SPI needs a device file, such as /dev/spidev0.0";
            return Err(table.wrong("bus", problem));
        }
    };
    let speed_hz = match table.take("speed_hz") {
        Some(item) if backend == Backend::Sim => return Err(no_wire(&item)),
        Some(item) => item.number(&(1..=most_hz))?,
        None => SPEED_DEFAULT_HZ,
    };
    Ok(SpiPart { bus, speed_hz })
}

/// `bus` and `baud`, one of `rates`, the first of which is the usual one.
pub(super) fn uart(
    table: &mut Table<'_>,
    backend: Backend,
    rates: &[u32],
) -> Result<UartPart, BoardError> {
    let bus = bus(table, backend, "/dev/serial0 or /dev/ttyUSB0")?;
    let baud = match table.take("baud") {
        Some(item) if backend == Backend::Sim => return Err(no_wire(&item)),
        Some(item) => {
            let baud = item.number(&(1..=u32::MAX))?;
            if !rates.contains(&baud) {
                let known: Vec<_> = rates.iter().map(u32::to_string).collect();
                return Err(item.wrong(format!("is not {}", known.join(", "))));
            }
            baud
        }
        None => rates.first().copied().unwrap_or_default(),
    };
    Ok(UartPart { bus, baud })
}

/// Bus and chip select of `/dev/spidevB.C`.
#[must_use]
pub fn chip_select(path: &Path) -> Option<(u8, u8)> {
    let name = path.file_name()?.to_str()?.strip_prefix("spidev")?;
    let (bus, select) = name.split_once('.')?;
    Some((bus.parse().ok()?, select.parse().ok()?))
}

/// An output line, if the table has it.
pub(super) fn output(
    table: &mut Table<'_>,
    key: &'static str,
    backend: Backend,
) -> Result<Option<LinePart>, BoardError> {
    table
        .take(key)
        .map(|item| output_of(&item, backend))
        .transpose()
}

/// The output line that an item is.
pub(super) fn output_of(item: &Item<'_>, backend: Backend) -> Result<LinePart, BoardError> {
    let mut inner = item.table()?;
    let line = line(item, &mut inner, backend)?;
    inner.finish("an output line")?;
    Ok(line)
}

/// An input line, if the table has it.
pub(super) fn input(
    table: &mut Table<'_>,
    key: &'static str,
    backend: Backend,
) -> Result<Option<InputPart>, BoardError> {
    table
        .take(key)
        .map(|item| input_of(&item, backend))
        .transpose()
}

/// The input line that an item is.
pub(super) fn input_of(item: &Item<'_>, backend: Backend) -> Result<InputPart, BoardError> {
    let mut inner = item.table()?;
    let line = line(item, &mut inner, backend)?;
    let bias = inner.take("bias");
    let bias = bias.map(|bias| bias.word(&BIASES)).transpose()?;
    inner.finish("an input line")?;
    Ok(InputPart {
        line,
        bias: bias.unwrap_or_default(),
    })
}

fn line(item: &Item<'_>, inner: &mut Table<'_>, backend: Backend) -> Result<LinePart, BoardError> {
    let chip = match (backend, inner.take("chip")) {
        (Backend::Sim, _) => return Err(no_wire(item)),
        (Backend::Rpi, Some(chip)) => {
            let problem = "is for `linux`: `rpi` has one chip, and counts its lines as BCM does";
            return Err(chip.wrong(problem));
        }
        (Backend::Rpi, None) => PathBuf::new(),
        (Backend::Linux, Some(chip)) => chip.path()?,
        (Backend::Linux, None) => {
            let problem = "is missing: the GPIO chip's device file, such as /dev/gpiochip0";
            return Err(inner.wrong("chip", problem));
        }
    };
    let number = inner.need("line", "the line's number on its chip")?;
    let active_low = inner
        .take("active_low")
        .map(|item| item.bool())
        .transpose()?;
    Ok(LinePart {
        chip,
        line: number.number(&RangeInclusive::new(0, LINE_MAX))?,
        active_low: active_low.unwrap_or(false),
    })
}
