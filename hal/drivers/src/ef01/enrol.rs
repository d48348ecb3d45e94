// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Enrolment: touches, one template of them, and its place in the library. Source: *R503 user manual*
//! V1.2.2, pp. 21–23 (`GenImg`, `Img2Tz`, `RegModel`, `Store`).
//!
//! A machine that is stepped: it never waits for a person.

use embedded_hal::delay::DelayNs;
use embedded_io::{Read, ReadReady, Write};
use platen_hal::{EnrolStep, ReaderError, TraceEvent};

use super::command::{Command, NO_FINGER};
use super::look::Picture;
use super::{ENROL_BUDGET_US, Ef01, FIRST_BUFFER, TOUCHES_MIN, garbled};

/// An enrolment that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Enrolment {
    slot: u16,
    /// Touches taken.
    taken: u8,
    wanted: u8,
    /// The finger must lift before it counts again.
    lifting: bool,
}

impl Enrolment {
    fn touch(self) -> EnrolStep {
        EnrolStep::Touch {
            left: self.wanted.saturating_sub(self.taken),
        }
    }
}

impl<P: Read + ReadReady + Write, D: DelayNs> Ef01<P, D> {
    pub(super) fn enrol_now(&mut self, slot: u16) -> Result<EnrolStep, ReaderError> {
        let started = self.begin(ENROL_BUDGET_US)?;
        if self.is_used(slot)? {
            let cause = "slot is used";
            return Err(ReaderError::Refused { cause });
        }
        let enrolment = Enrolment {
            slot,
            taken: 0,
            wanted: if started.has_buffers {
                self.touches
            } else {
                TOUCHES_MIN
            },
            lifting: false,
        };
        self.enrolment = Some(enrolment);
        Ok(enrolment.touch())
    }

    pub(super) fn enrol_step(&mut self) -> Result<EnrolStep, ReaderError> {
        self.begin(ENROL_BUDGET_US)?;
        let Some(enrolment) = self.enrolment.take() else {
            let cause = "no enrolment is under way";
            return Err(ReaderError::Refused { cause });
        };
        let result = match enrolment.lifting {
            true => self.lift(enrolment),
            false => self.touch(enrolment),
        };
        let (next, result) = match result {
            Ok((next, step)) => (next, Ok(step)),
            Err(error @ ReaderError::Garbled { .. }) => (Some(enrolment), Err(error)),
            Err(error) => (None, Err(error)),
        };
        self.enrolment = next;
        result
    }

    fn lift(
        &mut self,
        enrolment: Enrolment,
    ) -> Result<(Option<Enrolment>, EnrolStep), ReaderError> {
        if self.ask(Command::GenImg, &[])?.0 == NO_FINGER {
            let next = Enrolment {
                lifting: false,
                ..enrolment
            };
            Ok((Some(next), next.touch()))
        } else {
            Ok((Some(enrolment), EnrolStep::Lift))
        }
    }

    fn touch(
        &mut self,
        enrolment: Enrolment,
    ) -> Result<(Option<Enrolment>, EnrolStep), ReaderError> {
        let buffer = FIRST_BUFFER + enrolment.taken;
        let lifting = Enrolment {
            lifting: true,
            ..enrolment
        };
        match self.picture(buffer)? {
            Picture::Nothing => Ok((Some(enrolment), enrolment.touch())),
            Picture::Poor => Ok((Some(lifting), EnrolStep::Again)),
            Picture::Features if enrolment.taken + 1 < enrolment.wanted => {
                let taken = enrolment.taken + 1;
                Ok((Some(Enrolment { taken, ..lifting }), EnrolStep::Lift))
            }
            Picture::Features => {
                self.keep(enrolment.slot)?;
                Ok((None, EnrolStep::Stored))
            }
        }
    }

    /// Makes a template of all touches and writes it to `slot`. The sensor's word for it is not
    /// enough: the table of used pages must show it.
    fn keep(&mut self, slot: u16) -> Result<(), ReaderError> {
        self.must(Command::RegModel, &[], 0)?;
        self.store(slot)?;
        if self.is_used(slot)? {
            self.trace.record(TraceEvent::Enrolled);
            Ok(())
        } else {
            Err(garbled("template was stored, but is not there"))
        }
    }
}
