// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Output lines that write down what was driven.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_hal::digital::{ErrorType, OutputPin};

/// Level changes a probe keeps; later ones are only counted.
pub const RECORD_MAX: usize = 4096;

/// An output line without a box around it.
#[derive(Debug, Default)]
pub struct SimPin {
    probe: PinProbe,
}

impl SimPin {
    /// A low line, and the probe on it.
    #[must_use]
    pub fn new() -> (Self, PinProbe) {
        let pin = Self::default();
        let probe = pin.probe.clone();
        (pin, probe)
    }
}

/// Looks at a [`SimPin`] from elsewhere.
#[derive(Clone, Debug, Default)]
pub struct PinProbe {
    record: Arc<Mutex<Record>>,
}

#[derive(Debug, Default)]
struct Record {
    high: bool,
    changes: u64,
    levels: Vec<bool>,
}

impl PinProbe {
    /// Whether the line is high now.
    #[must_use]
    pub fn is_high(&self) -> bool {
        self.lock().high
    }

    /// How often the level has changed.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// The first [`RECORD_MAX`] levels after each change, in order.
    #[must_use]
    pub fn levels(&self) -> Vec<bool> {
        self.lock().levels.clone()
    }

    fn drive(&self, high: bool) {
        let mut record = self.lock();
        if record.high == high {
            return;
        }
        record.high = high;
        record.changes += 1;
        if record.levels.len() < RECORD_MAX {
            record.levels.push(high);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ErrorType for SimPin {
    type Error = Infallible;
}

impl OutputPin for SimPin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.probe.drive(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.probe.drive(true);
        Ok(())
    }
}
