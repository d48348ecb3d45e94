// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The surface of a fingerprint sensor, the wires behind it and what its memory holds. The handle
//! works from any thread while a driver talks to the sensor.
//!
//! A finger is a number. Its features are 64 bytes made of that number; each touch changes some of
//! them, as skin does, and two touches are one finger when most are equal. It is a model of what the
//! driver can see, not of skin: how often real sensors err is not in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::field::{Fault, Field};

/// Features of a finger.
pub(crate) const FEATURES: usize = 64;
/// Features that one touch changes.
const NOISE: u64 = 6;
/// Equal features that make one finger.
const SAME_MIN: u16 = 44;
/// Commands that are remembered, see [`FingerField::heard`].
const HEARD_MAX: usize = 65_536;

/// What a sensor sees of a finger, and keeps as a template.
pub(crate) type Features = [u8; FEATURES];

/// What lies on the surface.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Surface {
    #[default]
    Bare,
    /// A finger that can be read.
    Finger(u32),
    /// A finger that is too wet, too dry, or only a part.
    Poor,
}

/// Handle of a sensor's surface, wires and memory. Clones mean the same sensor.
#[derive(Clone, Debug, Default)]
pub struct FingerField {
    wires: Field,
    state: Arc<Mutex<FingerState>>,
}

#[derive(Debug, Default)]
pub(crate) struct FingerState {
    pub(crate) surface: Surface,
    /// Survives a reset, as flash does.
    pub(crate) templates: BTreeMap<u16, Features>,
    pub(crate) ready_dropped: bool,
    pub(crate) slow: u32,
    touches: u64,
    heard: Vec<u16>,
    light: Vec<u8>,
}

impl FingerField {
    /// A bare surface, an empty memory, nothing broken.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lays the finger with this number down, in place of what lay there.
    pub fn lay(&self, finger: u32) {
        self.lock().surface = Surface::Finger(finger);
    }

    /// Lays a finger down that can't be read.
    pub fn lay_poor(&self) {
        self.lock().surface = Surface::Poor;
    }

    /// Lifts what lies there.
    pub fn lift(&self) {
        self.lock().surface = Surface::Bare;
    }

    /// Breaks something on the wires, or mends it with [`Fault::None`].
    pub fn set_fault(&self, fault: Fault) {
        self.wires.set_fault(fault);
    }

    /// Resets the sensor behind the driver's back, as a dip of the supply does.
    pub fn brown_out(&self) {
        self.wires.brown_out();
    }

    /// Holds the READY line low, whatever the sensor does; or lets it go.
    pub fn drop_ready(&self, dropped: bool) {
        self.lock().ready_dropped = dropped;
    }

    /// Lets each answer come this many looks later.
    pub fn slow(&self, looks: u32) {
        self.lock().slow = looks;
    }

    /// Bus accesses made so far.
    #[must_use]
    pub fn accesses(&self) -> u64 {
        self.wires.transactions()
    }

    /// Slots that hold a template, in rising order.
    #[must_use]
    pub fn slots(&self) -> Vec<u16> {
        self.lock().templates.keys().copied().collect()
    }

    /// Puts the template of `finger` into `slot`, as if it had been enrolled.
    pub fn teach(&self, slot: u16, finger: u32) {
        self.lock().templates.insert(slot, features(finger));
    }

    /// Whether `slot` holds a template of `finger`.
    #[must_use]
    pub fn knows(&self, slot: u16, finger: u32) -> bool {
        let state = self.lock();
        let stored = state.templates.get(&slot);
        stored.is_some_and(|stored| score(stored, &features(finger)) >= SAME_MIN)
    }

    /// The first 65,536 commands that the sensor has understood, by their codes.
    #[must_use]
    pub fn heard(&self) -> Vec<u16> {
        self.lock().heard.clone()
    }

    /// What the sensor's light was told last; empty when it was told nothing.
    #[must_use]
    pub fn light(&self) -> Vec<u8> {
        self.lock().light.clone()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, FingerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an access; returns the fault in force, and whether the sensor was reset.
    pub(crate) fn begin(&self) -> (Fault, bool) {
        let mut wires = self.wires.lock();
        let fault = wires.begin_transaction();
        (fault, wires.reset_wanted || fault == Fault::Gone)
    }

    /// The sensor starts; returns whether it never will, until the next reset.
    pub(crate) fn start(&self) -> bool {
        let mut wires = self.wires.lock();
        wires.reset_wanted = false;
        wires.fault == Fault::OscillatorDead
    }

    pub(crate) fn fault(&self) -> Fault {
        self.wires.lock().fault
    }

    pub(crate) fn garbled(&self, bytes: &[u8]) -> Vec<u8> {
        let mut wires = self.wires.lock();
        bytes.iter().map(|byte| wires.garble(*byte)).collect()
    }
}

impl FingerState {
    /// What the sensor sees now; another look at the same finger is not quite the same.
    pub(crate) fn capture(&mut self) -> Option<Features> {
        let Surface::Finger(finger) = self.surface else {
            return None;
        };
        self.touches += 1;
        let mut seen = features(finger);
        let mut random = Random(self.touches.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..NOISE {
            let at = usize::try_from(random.next() % 64).unwrap_or(0);
            if let Some(feature) = seen.get_mut(at) {
                *feature = random.octet();
            }
        }
        Some(seen)
    }

    /// The best of `slots` for what was seen, and its score.
    pub(crate) fn best(&self, seen: &Features, slots: impl Fn(u16) -> bool) -> Option<(u16, u16)> {
        self.templates
            .iter()
            .filter(|(slot, _)| slots(**slot))
            .map(|(slot, stored)| (*slot, score(stored, seen)))
            .filter(|(_, score)| *score >= SAME_MIN)
            .max_by_key(|(_, score)| *score)
    }

    pub(crate) fn remember(&mut self, command: u16) {
        if self.heard.len() < HEARD_MAX {
            self.heard.push(command);
        }
    }

    pub(crate) fn set_light(&mut self, light: &[u8]) {
        self.light = light.to_vec();
    }
}

/// Whether two touches are of one finger.
pub(crate) fn same(one: &Features, other: &Features) -> bool {
    score(one, other) >= SAME_MIN
}

fn score(one: &Features, other: &Features) -> u16 {
    let equal = one.iter().zip(other).filter(|(a, b)| a == b).count();
    u16::try_from(equal).unwrap_or(0)
}

fn features(finger: u32) -> Features {
    let mut random = Random(u64::from(finger).wrapping_mul(0xd129_0dc3_5f8a_5b17) ^ 0x5eed | 1);
    [0; FEATURES].map(|_: u8| random.octet())
}

/// xorshift64, Marsaglia 2003.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 16
    }

    fn octet(&mut self) -> u8 {
        let [.., octet] = self.next().to_be_bytes();
        octet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touches_of_one_finger_match_and_those_of_two_do_not() {
        let field = FingerField::new();
        let touch = |finger| {
            field.lay(finger);
            field.lock().capture().unwrap()
        };
        for finger in 0..500 {
            let (one, again) = (touch(finger), touch(finger));
            assert_ne!(one, again);
            assert!(same(&one, &again), "{finger}");
            assert!(!same(&one, &touch(finger + 1)), "{finger}");
        }
        field.lift();
        assert_eq!(field.lock().capture(), None);
    }
}
