// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Opens lamps and buzzer.

use platen_drivers::Lights;

use super::line::BoardLine;
use crate::board::{Backend, BoardError, PanelPart};

/// Opens the panel's lines, all off.
///
/// # Errors
/// [`BoardError::Device`] with the key; [`BoardError::Unusable`] for a simulated panel.
pub fn open_lights(
    part: &PanelPart,
) -> Result<Lights<BoardLine, BoardLine, BoardLine>, BoardError> {
    let at = part.line;
    if part.backend == Backend::Sim {
        return Err(BoardError::Unusable {
            line: at,
            key: "panel.backend",
            problem: "is `sim`: there is nothing to open",
        });
    }
    Ok(Lights::new(
        BoardLine::open(at, "panel.red", part.red.as_ref(), false)?,
        BoardLine::open(at, "panel.green", part.green.as_ref(), false)?,
        BoardLine::open(at, "panel.buzzer", part.buzzer.as_ref(), false)?,
    ))
}
