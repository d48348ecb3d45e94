// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Turns looks at a sensor's surface into touches: one for each time that a finger is laid down.

use platen_hal::FingerLook;

/// Looks in a row that must not know a finger before it is told as unknown: the first one often
/// meets a finger that is still coming down.
const UNKNOWN_LOOKS: u8 = 2;

/// What a touch turned out to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Told {
    /// Nothing new.
    Nothing,
    /// A finger: its slot, or none of them.
    Finger(Option<u16>),
    /// A finger that can't be read; the next look may read it.
    Poor,
    /// It was lifted.
    Lifted,
}

/// One surface.
#[derive(Clone, Debug)]
pub(super) struct Touches {
    /// Looks without a finger after which one counts again.
    absence: u16,
    absent: u16,
    unknown: u8,
    /// A finger lies there.
    lying: bool,
    /// It was told.
    told: bool,
}

impl Touches {
    pub(super) fn new(absence: u16) -> Self {
        Self {
            absence,
            absent: 0,
            unknown: 0,
            lying: false,
            told: false,
        }
    }

    pub(super) fn look(&mut self, look: FingerLook) -> Told {
        if look == FingerLook::Nothing {
            return self.skip(1);
        }
        self.absent = 0;
        self.lying = true;
        match look {
            _ if self.told => Told::Nothing,
            FingerLook::Known { slot, .. } => self.tell(Some(slot)),
            FingerLook::Unknown => {
                self.unknown += 1;
                match self.unknown {
                    UNKNOWN_LOOKS.. => self.tell(None),
                    _ => Told::Nothing,
                }
            }
            _ => Told::Poor,
        }
    }

    fn tell(&mut self, slot: Option<u16>) -> Told {
        self.told = true;
        Told::Finger(slot)
    }

    /// Passes the time of some looks, at which no finger was seen.
    pub(super) fn skip(&mut self, looks: u16) -> Told {
        self.absent = self.absent.saturating_add(looks);
        self.unknown = 0;
        if !self.lying || self.absent < self.absence {
            return Told::Nothing;
        }
        self.lying = false;
        self.told = false;
        Told::Lifted
    }

    /// A finger that lies there now has had its turn: it must lift before it counts.
    pub(super) fn spend(&mut self) {
        self.absent = 0;
        self.lying = true;
        self.told = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: FingerLook = FingerLook::Known { slot: 3, score: 9 };

    fn told(looks: &[FingerLook]) -> Vec<Told> {
        let mut touches = Touches::new(2);
        let told = looks.iter().map(|look| touches.look(*look));
        told.filter(|told| *told != Told::Nothing).collect()
    }

    #[test]
    fn a_finger_counts_once_until_it_is_lifted_for_a_while() {
        use FingerLook::Nothing;
        let (finger, lifted) = (Told::Finger(Some(3)), Told::Lifted);
        assert_eq!(told(&[KNOWN, KNOWN, Nothing, KNOWN]), [finger]);
        let looks = [KNOWN, Nothing, Nothing, Nothing, KNOWN];
        assert_eq!(told(&looks), [finger, lifted, finger]);
    }

    #[test]
    fn an_unknown_finger_gets_a_second_look() {
        use FingerLook::{Nothing, Poor, Unknown};
        assert_eq!(told(&[Unknown, KNOWN]), [Told::Finger(Some(3))]);
        assert_eq!(told(&[Unknown, Unknown, KNOWN]), [Told::Finger(None)]);
        assert_eq!(told(&[Unknown, Nothing, Unknown]), []);
        let looks = [Poor, Unknown, Unknown];
        assert_eq!(told(&looks), [Told::Poor, Told::Finger(None)]);
    }

    #[test]
    fn a_finger_that_has_had_its_turn_must_lift_first() {
        let mut touches = Touches::new(2);
        touches.spend();
        assert_eq!(touches.look(KNOWN), Told::Nothing);
        assert_eq!(touches.skip(2), Told::Lifted);
        assert_eq!(touches.look(KNOWN), Told::Finger(Some(3)));
    }
}
