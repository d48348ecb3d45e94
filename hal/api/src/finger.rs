// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fingerprint sensors that match on the chip. What crosses this interface is a slot number or a
//! sealed-by-the-caller template, never an image: no driver here asks a sensor for one.

use crate::card::ReaderError;
use crate::trace::ReaderTrace;

/// Longest template that is moved, in bytes.
pub const TEMPLATE_MAX: usize = 16 * 1024;

/// What a started sensor says of itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SensorFacts {
    /// Templates it can hold; slots are 0 to `capacity - 1`.
    pub capacity: u16,
    /// Templates it holds.
    pub used: u16,
}

/// One look at the sensor's surface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FingerLook {
    /// No finger.
    Nothing,
    /// A finger whose template is in `slot`.
    Known {
        /// Slot of the template.
        slot: u16,
        /// How well it matches, in the sensor's own measure; 0 where it says none.
        score: u16,
    },
    /// A finger that matches no template.
    Unknown,
    /// A finger, but too wet, too dry, moved, or only a part of it.
    Poor,
}

/// How far an enrolment is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EnrolStep {
    /// Lay the finger down (again); this many touches are left, as far as the sensor knows.
    Touch {
        /// Touches that are left.
        left: u8,
    },
    /// Lift the finger.
    Lift,
    /// That touch was too poor to use, and does not count.
    Again,
    /// Done: the template is stored.
    Stored,
}

/// Light of a sensor that has one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FingerLight {
    /// Dark.
    Off,
    /// Waiting for a finger.
    Waiting,
    /// Accepted.
    Good,
    /// Refused.
    Bad,
}

/// A fingerprint sensor. Every call returns within 2 s unless it states another limit. An error of
/// kind [`ReaderError::Gone`] or [`ReaderError::Bus`] asks for [`FingerprintSensor::start`].
pub trait FingerprintSensor: Send {
    /// Wakes or resets the sensor and reads what it is.
    ///
    /// # Errors
    /// [`ReaderError::Gone`] when it does not answer as its kind must.
    fn start(&mut self) -> Result<SensorFacts, ReaderError>;

    /// Looks once whether a finger is there, and whose. Ends an enrolment that is under way. Returns
    /// within 1 s when there is no finger, within 5 s when there is one.
    ///
    /// # Errors
    /// [`ReaderError::Gone`] when the sensor is not there any more, [`ReaderError::Garbled`] when
    /// its answer was damaged on the way.
    fn identify(&mut self) -> Result<FingerLook, ReaderError>;

    /// Looks once whether the finger that is there is the one of `slot`. [`FingerLook::Known`]
    /// carries that slot and no other. Ends an enrolment, and takes the time, as
    /// [`FingerprintSensor::identify`] does.
    ///
    /// # Errors
    /// As [`FingerprintSensor::identify`]; [`ReaderError::Refused`] when the slot is empty.
    fn verify(&mut self, slot: u16) -> Result<FingerLook, ReaderError>;

    /// Begins to enrol a finger into `slot`, whatever enrolment ran before.
    ///
    /// # Errors
    /// As [`FingerprintSensor::identify`]; [`ReaderError::Refused`] when the slot is used or there is
    /// no such slot.
    fn enrol(&mut self, slot: u16) -> Result<EnrolStep, ReaderError>;

    /// Goes on with the enrolment: call it again and again until [`EnrolStep::Stored`]. Returns
    /// within 5 s. After [`ReaderError::Garbled`] the enrolment can go on, after any other error it
    /// has ended.
    ///
    /// # Errors
    /// As [`FingerprintSensor::identify`]; [`ReaderError::Refused`] when no enrolment is under way, or
    /// the touches don't make one finger.
    fn enrol_on(&mut self) -> Result<EnrolStep, ReaderError>;

    /// Reads the template of `slot`, at most [`TEMPLATE_MAX`] bytes. Ends an
    /// enrolment. Returns within 10 s.
    ///
    /// # Errors
    /// As [`FingerprintSensor::verify`].
    fn template(&mut self, slot: u16) -> Result<Vec<u8>, ReaderError>;

    /// Writes a template into `slot`, over what is there. Ends an enrolment. Returns within 10 s.
    ///
    /// # Errors
    /// As [`FingerprintSensor::identify`]; [`ReaderError::Refused`] when the sensor does not take it.
    fn put_template(&mut self, slot: u16, template: &[u8]) -> Result<(), ReaderError>;

    /// Empties `slot`; one that is empty already is no error.
    ///
    /// # Errors
    /// As [`FingerprintSensor::identify`].
    fn delete(&mut self, slot: u16) -> Result<(), ReaderError>;

    /// Empties all slots. Returns within 5 s.
    ///
    /// # Errors
    /// As [`FingerprintSensor::identify`].
    fn delete_all(&mut self) -> Result<(), ReaderError>;

    /// The slots that hold a template, in rising order.
    ///
    /// # Errors
    /// As [`FingerprintSensor::identify`].
    fn slots(&mut self) -> Result<Vec<u16>, ReaderError>;

    /// Sets the light; a sensor without one does nothing.
    ///
    /// # Errors
    /// As [`FingerprintSensor::identify`].
    fn light(&mut self, light: FingerLight) -> Result<(), ReaderError>;

    /// The part's name, such as `bm-lite`.
    fn part(&self) -> &'static str;

    /// What the driver saw last, where it keeps a trace.
    fn trace(&self) -> Option<&ReaderTrace> {
        None
    }
}
