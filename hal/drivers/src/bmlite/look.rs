// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Looks at the surface: is a finger there, and whose. Source: public host code `andpp/BM-Lite`
//! 27c95ab (`bmlite_if.c`: capture, extract, identify).

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use platen_hal::{FingerLook, ReaderError, TraceEvent};

use super::message::{ID, MATCH, Request};
use super::wire::Wire;
use super::{BAD_IMAGES, BmLite, CAPTURE_FAILED, GENERAL, ID_NOT_FOUND, LOOK_BUDGET_US, LOOK_MS};
use super::{NO_TEMPLATE, NOT_STABLE, TIMED_OUT, garbled};

/// After a match the module may change its template (host code waits as long).
const AFTER_MATCH_US: u32 = 50_000;

/// What a look at the surface gave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Picture {
    Nothing,
    Poor,
    Taken,
}

impl<W: Wire, D: DelayNs, R: OutputPin> BmLite<W, D, R> {
    /// Takes a picture, which stays in the module.
    pub(super) fn picture(&mut self) -> Result<Picture, ReaderError> {
        match self.ask(Request::Capture(LOOK_MS))? {
            0 => Ok(Picture::Taken),
            TIMED_OUT => Ok(Picture::Nothing),
            GENERAL | CAPTURE_FAILED | BAD_IMAGES | NOT_STABLE => Ok(self.poor()),
            result => Err(self.refused(result)),
        }
    }

    pub(super) fn poor(&mut self) -> Picture {
        self.trace.record(TraceEvent::FingerPoor);
        Picture::Poor
    }

    fn look(&mut self) -> Result<FingerLook, ReaderError> {
        match self.picture()? {
            Picture::Nothing => return Ok(FingerLook::Nothing),
            Picture::Poor => return Ok(FingerLook::Poor),
            Picture::Taken => {}
        }
        match self.ask(Request::Extract)? {
            0 => {}
            GENERAL | CAPTURE_FAILED | BAD_IMAGES => {
                self.poor();
                return Ok(FingerLook::Poor);
            }
            result => return Err(self.refused(result)),
        }
        let look = match self.ask(Request::Identify)? {
            0 => self.identified()?,
            ID_NOT_FOUND | NO_TEMPLATE => FingerLook::Unknown,
            result => return Err(self.refused(result)),
        };
        let matched = look != FingerLook::Unknown;
        if matched {
            self.wait(AFTER_MATCH_US)?;
        }
        self.trace.record(TraceEvent::Finger { matched });
        Ok(look)
    }

    /// Whose features they are, by the last answer.
    fn identified(&self) -> Result<FingerLook, ReaderError> {
        let arguments = self.arguments()?;
        match (arguments.get(MATCH), arguments.get(ID)) {
            (Some([0]), _) => Ok(FingerLook::Unknown),
            (Some([1]), Some([low, high])) => {
                let slot = u16::from_le_bytes([*low, *high]);
                // A number that is no slot of ours was enrolled by somebody else.
                Ok(match slot < self.capacity {
                    true => FingerLook::Known { slot, score: 0 },
                    false => FingerLook::Unknown,
                })
            }
            _ => Err(garbled("module does not say whether it is a match")),
        }
    }

    pub(super) fn identify_now(&mut self) -> Result<FingerLook, ReaderError> {
        self.begin(LOOK_BUDGET_US)?;
        self.look()
    }

    pub(super) fn verify_now(&mut self, wanted: u16) -> Result<FingerLook, ReaderError> {
        self.begin(LOOK_BUDGET_US)?;
        self.wants_used(wanted)?;
        Ok(match self.look()? {
            FingerLook::Known { slot, .. } if slot != wanted => FingerLook::Unknown,
            look => look,
        })
    }
}
