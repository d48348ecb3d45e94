// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Opens lamps and buzzer.

use platen_drivers::Lights;

use super::wire::{At, OutputWire};
use crate::board::{BoardError, PanelPart};

/// Lamps and buzzer on a board's lines.
pub type BoardLights = Lights<OutputWire, OutputWire, OutputWire, OutputWire>;

/// Opens the panel's lines, all off.
///
/// # Errors
/// [`BoardError::Device`] with the key; [`BoardError::Unusable`] for a panel of a backend that this
/// build does not have.
pub fn open_lights(part: &PanelPart) -> Result<BoardLights, BoardError> {
    let at = At {
        backend: part.backend,
        line: part.line,
        key: "panel.red",
    };
    Ok(Lights::with_blue(
        OutputWire::open(at, part.red.as_ref(), false)?,
        OutputWire::open(at.key("panel.green"), part.green.as_ref(), false)?,
        OutputWire::open(at.key("panel.blue"), part.blue.as_ref(), false)?,
        OutputWire::open(at.key("panel.buzzer"), part.buzzer.as_ref(), false)?,
    ))
}
