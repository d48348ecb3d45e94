// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Parts that are not as they should be: readers that don't answer, covers and doors that are open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use platen_hal::PanelSignal;
use platen_hal_linux::Board;
use platen_hal_linux::board::SwitchKind;

/// What is wrong with the box's parts now.
pub(crate) struct Faults {
    sensors: BTreeSet<String>,
    switches: BTreeMap<String, SwitchKind>,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    gone: BTreeSet<String>,
    open: BTreeMap<String, SwitchKind>,
}

impl Faults {
    pub(crate) fn of(board: &Board) -> Self {
        let sensors = board.fingerprints.iter();
        let switches = board.switches.iter();
        Self {
            sensors: sensors.map(|part| part.name.clone()).collect(),
            switches: switches
                .map(|part| (part.name.clone(), part.kind))
                .collect(),
            now: Mutex::default(),
        }
    }

    /// A reader or sensor stopped answering; whether people at the box must know.
    pub(super) fn gone(&self, name: String) -> bool {
        let matters = !self.sensors.contains(&name);
        self.now().gone.insert(name);
        matters
    }

    /// It answers (again).
    pub(super) fn back(&self, name: &str) -> bool {
        self.now().gone.remove(name);
        !self.sensors.contains(name)
    }

    /// A switch changed; its kind's keyword. A switch that the board file does not name is the case
    /// of the reader of that name.
    pub(super) fn switched(&self, name: &str, open: bool) -> &'static str {
        let kind = self.switches.get(name).copied();
        let kind = kind.unwrap_or(SwitchKind::Tamper);
        let mut now = self.now();
        if open {
            now.open.insert(name.to_owned(), kind);
        } else {
            now.open.remove(name);
        }
        kind.keyword()
    }

    /// What the panel shows when nobody is there.
    pub(crate) fn resting(&self) -> PanelSignal {
        let now = self.now();
        if now.gone.iter().any(|name| !self.sensors.contains(name)) {
            PanelSignal::ReaderGone
        } else {
            PanelSignal::Idle
        }
    }

    /// One keyword for each kind of fault.
    pub(crate) fn modes(&self) -> Vec<&'static str> {
        let now = self.now();
        let (sensors, readers): (Vec<_>, Vec<_>) = now
            .gone
            .iter()
            .partition(|name| self.sensors.contains(*name));
        let open = |kind| now.open.values().any(|open| *open == kind);
        let modes = [
            (!readers.is_empty(), "no-reader"),
            (!sensors.is_empty(), "no-finger-sensor"),
            (open(SwitchKind::Tamper), "tampered"),
            (open(SwitchKind::Door), "door-open"),
        ];
        let modes = modes.into_iter().filter(|(there, _)| *there);
        modes.map(|(_, mode)| mode).collect()
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_one_keyword_and_ends_with_it() {
        let board = "name = \"x\"\n[[fingerprint]]\npart = \"ef01\"\nbackend = \"sim\"\n\
                     [[switch]]\nname = \"flap\"\nkind = \"door\"\nbackend = \"sim\"";
        let faults = Faults::of(&Board::parse(board).unwrap());
        assert!(faults.modes().is_empty());
        assert!(!faults.gone("finger".to_owned()), "a card still does");
        assert_eq!(faults.resting(), PanelSignal::Idle);
        assert!(faults.gone("door".to_owned()));
        assert_eq!(faults.resting(), PanelSignal::ReaderGone);
        assert_eq!(faults.switched("flap", true), "door");
        assert_eq!(faults.switched("door", true), "tamper");
        let all = ["no-reader", "no-finger-sensor", "tampered", "door-open"];
        assert_eq!(faults.modes(), all);
        assert!(faults.back("door"));
        assert!(!faults.back("finger"));
        faults.switched("flap", false);
        faults.switched("door", false);
        assert!(faults.modes().is_empty());
    }
}
