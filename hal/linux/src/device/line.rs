// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Output lines by the board file.

use embedded_hal::digital::{Error, ErrorKind, ErrorType, OutputPin};
use linux_embedded_hal::gpio_cdev::{Chip, LineHandle, LineRequestFlags};

use super::advice::{Wire, not_opened};
use crate::board::{BoardError, LinePart};

/// The name under which the kernel lists the lines.
const CONSUMER: &str = "platen";

/// An output line by the board file: on and off instead of high and low, or nothing at all.
#[derive(Debug)]
pub struct BoardLine(Option<(LineHandle, bool)>);

/// A line could not be driven; the kernel's answer.
#[derive(Debug, thiserror::Error)]
#[error("GPIO line can't be driven")]
pub struct LineFailed(#[source] linux_embedded_hal::gpio_cdev::Error);

impl Error for LineFailed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl BoardLine {
    /// The line `key` of the table at `at`, or nothing.
    pub(super) fn open(
        at: usize,
        key: &'static str,
        part: Option<&LinePart>,
        on: bool,
    ) -> Result<Self, BoardError> {
        let Some(part) = part else {
            return Ok(Self(None));
        };
        let level = u8::from(on != part.active_low);
        let handle = Chip::new(&part.chip)
            .and_then(|mut chip| chip.get_line(part.line))
            .and_then(|line| line.request(LineRequestFlags::OUTPUT, level, CONSUMER));
        match handle {
            Ok(handle) => Ok(Self(Some((handle, part.active_low)))),
            Err(source) => Err(not_opened(Wire::Gpio, at, key, &part.chip, source)),
        }
    }

    fn drive(&mut self, on: bool) -> Result<(), LineFailed> {
        match &self.0 {
            Some((handle, active_low)) => handle
                .set_value(u8::from(on != *active_low))
                .map_err(LineFailed),
            None => Ok(()),
        }
    }
}

impl ErrorType for BoardLine {
    type Error = LineFailed;
}

impl OutputPin for BoardLine {
    fn set_low(&mut self) -> Result<(), LineFailed> {
        self.drive(false)
    }

    fn set_high(&mut self) -> Result<(), LineFailed> {
        self.drive(true)
    }
}
