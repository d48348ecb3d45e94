// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Looks at the surface: is a finger there, and whose. Source: *ZFM-20 series user manual* Ver 2.0
//! (`GenImg`, `Img2Tz`, `Search`).

use embedded_hal::delay::DelayNs;
use embedded_io::{Read, ReadReady, Write};
use platen_hal::{FingerLook, ReaderError, TraceEvent};

use super::command::Command;
use super::command::{FEW_FEATURES, MESSY, NO_FINGER, NO_PICTURE, NOT_FOUND, OK, PICTURE_FAILED};
use super::{Ef01, FIRST_BUFFER, garbled};

const IDENTIFY_BUDGET_US: u32 = 4_800_000;

/// What a look at the surface gave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Picture {
    Nothing,
    Poor,
    /// The buffer holds its features.
    Features,
}

impl<P: Read + ReadReady + Write, D: DelayNs> Ef01<P, D> {
    /// Takes a picture, and makes its features into `buffer`. Twice: one damaged "no finger" that
    /// reads as "taken" would bring the last person's picture back.
    pub(super) fn picture(&mut self, buffer: u8) -> Result<Picture, ReaderError> {
        for _ in 0..2 {
            match self.ask(Command::GenImg, &[])?.0 {
                OK => {}
                NO_FINGER => return Ok(Picture::Nothing),
                PICTURE_FAILED => return Ok(self.poor()),
                code => return Err(self.refused(code)),
            }
        }
        match self.ask(Command::Img2Tz, &[buffer])?.0 {
            OK => Ok(Picture::Features),
            MESSY | FEW_FEATURES | NO_PICTURE => Ok(self.poor()),
            code => Err(self.refused(code)),
        }
    }

    fn poor(&mut self) -> Picture {
        self.trace.record(TraceEvent::FingerPoor);
        Picture::Poor
    }

    /// Looks for the features of [`FIRST_BUFFER`] in `count` pages from `start`.
    fn search(&mut self, start: u16, count: u16) -> Result<Option<(u16, u16)>, ReaderError> {
        let [s1, s0] = start.to_be_bytes();
        let [c1, c0] = count.to_be_bytes();
        let (code, data) = self.ask(Command::Search, &[FIRST_BUFFER, s1, s0, c1, c0])?;
        match (code, data.as_slice()) {
            (NOT_FOUND, _) => Ok(None),
            (OK, [p1, p0, s1, s0]) => {
                let page = u16::from_be_bytes([*p1, *p0]);
                let inside = page.checked_sub(start).is_some_and(|at| at < count);
                if inside {
                    Ok(Some((page, u16::from_be_bytes([*s1, *s0]))))
                } else {
                    Err(garbled("sensor finds a finger where it was not to look"))
                }
            }
            (OK, _) => Err(garbled("answer has another command's length")),
            (code, _) => Err(self.refused(code)),
        }
    }

    /// Looks for the features in pages; what is found is looked for again in its page alone.
    fn found(&mut self, start: u16, count: u16) -> Result<FingerLook, ReaderError> {
        let Some((slot, score)) = self.search(start, count)? else {
            self.trace.record(TraceEvent::Finger { matched: false });
            return Ok(FingerLook::Unknown);
        };
        match self.search(slot, 1)? {
            Some((again, _)) if again == slot => {
                self.trace.record(TraceEvent::Finger { matched: true });
                Ok(FingerLook::Known { slot, score })
            }
            _ => Err(garbled("finger is another one at the second asking")),
        }
    }

    fn look(&mut self, start: u16, count: u16) -> Result<FingerLook, ReaderError> {
        match self.picture(FIRST_BUFFER)? {
            Picture::Nothing => Ok(FingerLook::Nothing),
            Picture::Poor => Ok(FingerLook::Poor),
            Picture::Features => self.found(start, count),
        }
    }

    pub(super) fn identify_now(&mut self) -> Result<FingerLook, ReaderError> {
        let started = self.begin(IDENTIFY_BUDGET_US)?;
        self.look(0, started.para.capacity)
    }

    pub(super) fn verify_now(&mut self, slot: u16) -> Result<FingerLook, ReaderError> {
        self.begin(IDENTIFY_BUDGET_US)?;
        self.wants_used(slot)?;
        self.look(slot, 1)
    }
}
