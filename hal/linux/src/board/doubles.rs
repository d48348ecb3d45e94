// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What two parts of one board can't share: a name, a chip select, an address, a port, a line.

use std::collections::BTreeMap;
use std::path::Path;

use super::wiring::{Backend, InputPart, LinePart};
use super::{BmLiteLink, Board, BoardError, FingerprintKind, Pn532Link, ReaderKind};

/// Everything that is taken already, with the line of the table that took it.
#[derive(Default)]
struct Taken(BTreeMap<String, usize>);

impl Taken {
    fn claim(&mut self, what: String, line: usize) -> Result<(), BoardError> {
        match self.0.get(&what) {
            Some(first) => Err(BoardError::Double {
                what,
                first: *first,
                second: line,
            }),
            None => {
                self.0.insert(what, line);
                Ok(())
            }
        }
    }

    fn name(&mut self, name: &str, line: usize) -> Result<(), BoardError> {
        self.claim(format!("the name `{name}`"), line)
    }

    fn file(&mut self, path: &Path, line: usize) -> Result<(), BoardError> {
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        self.claim(path.display().to_string(), line)
    }

    fn line(&mut self, part: &LinePart, at: usize) -> Result<(), BoardError> {
        let chip = if part.chip.as_os_str().is_empty() {
            "the Pi".into()
        } else {
            part.chip.display().to_string()
        };
        self.claim(format!("line {} of {chip}", part.line), at)
    }

    fn outputs<'a>(
        &mut self,
        parts: impl IntoIterator<Item = &'a Option<LinePart>>,
        at: usize,
    ) -> Result<(), BoardError> {
        parts
            .into_iter()
            .flatten()
            .try_for_each(|part| self.line(part, at))
    }

    fn inputs<'a>(
        &mut self,
        parts: impl IntoIterator<Item = &'a InputPart>,
        at: usize,
    ) -> Result<(), BoardError> {
        parts
            .into_iter()
            .try_for_each(|part| self.line(&part.line, at))
    }
}

/// Refuses a board on which two parts are in each other's way.
pub(super) fn refuse(board: &Board) -> Result<(), BoardError> {
    let mut taken = Taken::default();
    readers(board, &mut taken)?;
    fingerprints(board, &mut taken)?;
    if let Some(panel) = &board.panel {
        let lines = [&panel.red, &panel.green, &panel.blue, &panel.buzzer];
        taken.outputs(lines, panel.line)?;
    }
    for switch in &board.switches {
        taken.name(&switch.name, switch.line)?;
        taken.inputs(&switch.input, switch.line)?;
    }
    if let Some(pad) = &board.keypad {
        taken.name(&pad.name, pad.line)?;
        taken.inputs(&pad.columns, pad.line)?;
        pad.rows
            .iter()
            .try_for_each(|row| taken.line(row, pad.line))?;
    }
    Ok(())
}

fn readers(board: &Board, taken: &mut Taken) -> Result<(), BoardError> {
    for part in &board.readers {
        taken.name(&part.name, part.line)?;
        let at = part.line;
        match &part.kind {
            ReaderKind::Mfrc522 { spi, reset } => {
                taken.file(&spi.bus, at)?;
                taken.outputs([reset], at)?;
            }
            ReaderKind::Pn532(chip) => {
                match &chip.link {
                    Pn532Link::Spi(spi) => taken.file(&spi.bus, at)?,
                    Pn532Link::Uart(uart) => taken.file(&uart.bus, at)?,
                    // The bus is for many chips, but this one has no choice of address.
                    Pn532Link::I2c(bus) if part.backend != Backend::Sim => {
                        taken.claim(format!("address 24h on {}", bus.display()), at)?;
                    }
                    Pn532Link::I2c(_) => (),
                }
                taken.outputs([&chip.reset], at)?;
            }
            ReaderKind::Wiegand(Some(wires)) => {
                taken.inputs([&wires.d0, &wires.d1], at)?;
                taken.outputs([&wires.led, &wires.beep], at)?;
            }
            ReaderKind::Osdp(osdp) => taken.file(&osdp.uart.bus, at)?,
            ReaderKind::Wedge { keyboard, .. } if part.backend != Backend::Sim => {
                let id = (keyboard.vendor, keyboard.product, &keyboard.device_name);
                taken.claim(format!("the keyboard {id:x?}"), at)?;
            }
            ReaderKind::Wiegand(None) | ReaderKind::Wedge { .. } => (),
        }
    }
    Ok(())
}

fn fingerprints(board: &Board, taken: &mut Taken) -> Result<(), BoardError> {
    for part in &board.fingerprints {
        let at = part.line;
        taken.name(&part.name, at)?;
        match &part.kind {
            FingerprintKind::BmLite { link, reset, .. } => {
                match link {
                    BmLiteLink::Spi { spi, irq } => {
                        taken.file(&spi.bus, at)?;
                        taken.inputs(irq, at)?;
                    }
                    BmLiteLink::Uart(uart) => taken.file(&uart.bus, at)?,
                }
                taken.outputs([reset], at)?;
            }
            FingerprintKind::Ef01 { uart, .. } => taken.file(&uart.bus, at)?,
        }
    }
    Ok(())
}
