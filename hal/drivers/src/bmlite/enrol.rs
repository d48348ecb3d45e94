// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Enrolment on a BM-Lite: the module itself says how many touches it still wants. Source: public
//! host code `andpp/BM-Lite` 27c95ab (`bmlite_if.c`: start, add, finish, save).
//!
//! A machine that is stepped: it never waits for a person.

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use platen_hal::{EnrolStep, ReaderError, TraceEvent};

use super::look::Picture;
use super::message::{COUNT, Request};
use super::wire::Wire;
use super::{BAD_IMAGES, BmLite, CAPTURE_FAILED, GENERAL, LIBRARY_BUDGET_US, LOOK_MS};
use super::{LOOK_BUDGET_US, STATE, TIMED_OUT, garbled, refused};

/// Touches that the module is taken to want before it says so.
const FIRST_GUESS: u8 = 3;
/// Touches after which an enrolment has failed, as in host code.
const TOUCHES_MAX: u8 = 15;

/// An enrolment that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Enrolment {
    slot: u16,
    /// Touches that the module still wants.
    left: u8,
    /// Touches made.
    made: u8,
    /// The finger must lift before it counts again.
    lifting: bool,
}

impl Enrolment {
    fn touch(self) -> EnrolStep {
        EnrolStep::Touch { left: self.left }
    }
}

impl<W: Wire, D: DelayNs, R: OutputPin> BmLite<W, D, R> {
    pub(super) fn enrol_now(&mut self, slot: u16) -> Result<EnrolStep, ReaderError> {
        self.begin(LIBRARY_BUDGET_US)?;
        if self.is_used(slot)? {
            return Err(refused("slot is used"));
        }
        match self.ask(Request::EnrolStart)? {
            0 => {}
            STATE => {
                // One that was given up is still open.
                self.ask(Request::EnrolFinish)?;
                self.must(Request::EnrolStart)?;
            }
            result => return Err(self.refused(result)),
        }
        let enrolment = Enrolment {
            slot,
            left: FIRST_GUESS,
            made: 0,
            lifting: false,
        };
        self.enrolment = Some(enrolment);
        Ok(enrolment.touch())
    }

    pub(super) fn enrol_step(&mut self) -> Result<EnrolStep, ReaderError> {
        self.begin(LOOK_BUDGET_US)?;
        let Some(enrolment) = self.enrolment.take() else {
            return Err(refused("no enrolment is under way"));
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
        match self.ask(Request::WaitUp(LOOK_MS))? {
            0 => {
                let next = Enrolment {
                    lifting: false,
                    ..enrolment
                };
                Ok((Some(next), next.touch()))
            }
            TIMED_OUT => Ok((Some(enrolment), EnrolStep::Lift)),
            result => Err(self.refused(result)),
        }
    }

    fn touch(
        &mut self,
        enrolment: Enrolment,
    ) -> Result<(Option<Enrolment>, EnrolStep), ReaderError> {
        let picture = self.picture()?;
        if picture == Picture::Nothing {
            return Ok((Some(enrolment), enrolment.touch()));
        }
        let made = enrolment.made + 1;
        if made > TOUCHES_MAX {
            return Err(refused("touches don't make one finger"));
        }
        let next = Enrolment {
            made,
            lifting: true,
            ..enrolment
        };
        if picture == Picture::Poor {
            return Ok((Some(next), EnrolStep::Again));
        }
        match self.ask(Request::EnrolAdd)? {
            0 => {}
            GENERAL | CAPTURE_FAILED | BAD_IMAGES => {
                self.poor();
                return Ok((Some(next), EnrolStep::Again));
            }
            result => return Err(self.refused(result)),
        }
        match self.left()? {
            0 => {
                self.keep(enrolment.slot)?;
                Ok((None, EnrolStep::Stored))
            }
            left if left < enrolment.left || enrolment.made == 0 => {
                Ok((Some(Enrolment { left, ..next }), EnrolStep::Lift))
            }
            left => Ok((Some(Enrolment { left, ..next }), EnrolStep::Again)),
        }
    }

    /// Touches that the module still wants, by its last answer.
    fn left(&self) -> Result<u8, ReaderError> {
        let count = self.arguments()?.get(COUNT);
        let count = count.and_then(|count| count.try_into().ok());
        let count = count.ok_or(garbled("module does not say what is left to do"))?;
        Ok(u8::try_from(u32::from_le_bytes(count)).unwrap_or(u8::MAX))
    }

    /// Writes the template to `slot`; the list of templates must show it.
    fn keep(&mut self, slot: u16) -> Result<(), ReaderError> {
        self.must(Request::EnrolFinish)?;
        self.must(Request::Save(slot))?;
        if self.is_used(slot)? {
            self.trace.record(TraceEvent::Enrolled);
            Ok(())
        } else {
            Err(refused("template was stored, but is not there"))
        }
    }
}
