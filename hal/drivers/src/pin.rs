// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The line that a board does not have.

use core::convert::Infallible;

use embedded_hal::digital::{ErrorType, OutputPin};

/// An output that leads nowhere, for boards without that line.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPin;

impl ErrorType for NoPin {
    type Error = Infallible;
}

impl OutputPin for NoPin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
