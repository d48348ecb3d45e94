// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From what a printer tells to IPP `printer-state-reasons` with severity (RFC 8011 §5.4.12, PWG
//! 5100.9). The tables here are those of `docs/protocols/printer-status.md`.
//!
//! Only a condition that the printer's own state confirms stops jobs: bits and alerts alone have
//! been seen to stand while a printer prints, off-line and service bits above all.

use std::collections::BTreeMap;

use super::{Alert, CoverState, DeviceState, PrinterFacts, PrinterState};

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Severity {
    Report,
    Warning,
    Error,
}

impl Severity {
    fn suffix(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// How much a condition can weigh.
#[derive(Clone, Copy)]
enum Weight {
    /// An error while the printer says that it is down, else a warning.
    Stops,
    /// Always the same.
    Always(Severity),
}

const REPORT: Weight = Weight::Always(Severity::Report);
const WARNING: Weight = Weight::Always(Severity::Warning);

/// Bits of `hrPrinterDetectedErrorState`. Those that RFC 2790 pairs with `down(5)` stop. Left out:
/// 6 offline, 7 serviceRequested, 14 overduePreventMaint, which mean too many things; 2 and 3
/// (toner), whose word depends on the supplies.
const BITS: [(u8, &str, Weight); 10] = [
    (0, "media-low", REPORT),
    (1, "media-empty", Weight::Stops),
    (4, "door-open", Weight::Stops),
    (5, "media-jam", Weight::Stops),
    (8, "input-tray-missing", WARNING),
    (9, "output-tray-missing", WARNING),
    (10, "marker-supply-missing", Weight::Stops),
    (11, "output-area-almost-full", REPORT),
    (12, "output-area-full", Weight::Stops),
    (13, "media-empty", REPORT), // one tray, while another may have paper
];
const LOW_TONER: u8 = 2;
const NO_TONER: u8 = 3;
const OFFLINE: u8 = 6;

/// `prtAlertCode` (PrtAlertCodeTC) with the group it must be in, 0 for any.
const ALERTS: [(i32, i32, &str); 34] = [
    (0, 3, "cover-open"),
    (0, 5, "interlock-open"),
    (0, 8, "media-jam"),
    (8, 9, "input-tray-missing"), // subunitMissing and the like, by group
    (8, 12, "media-low"),
    (8, 13, "media-empty"),
    (9, 9, "output-tray-missing"),
    (9, 14, "output-area-almost-full"),
    (9, 15, "output-area-full"),
    (11, 9, "marker-supply-missing"),
    (11, 12, "marker-supply-low"),
    (11, 13, "marker-supply-empty"),
    (0, 501, "door-open"),
    (0, 801, "input-tray-missing"),
    (0, 807, "media-low"),
    (0, 808, "media-empty"),
    (0, 809, "media-needed"),
    (0, 810, "media-needed"),
    (0, 901, "output-tray-missing"),
    (0, 902, "output-area-almost-full"),
    (0, 903, "output-area-full"),
    (0, 1001, "fuser-under-temp"),
    (0, 1002, "fuser-over-temp"),
    (0, 1101, "toner-empty"),
    (0, 1102, "marker-supply-empty"),
    (0, 1104, "toner-low"),
    (0, 1105, "marker-supply-low"),
    (0, 1107, "marker-waste-almost-full"),
    (0, 1109, "marker-waste-full"),
    (0, 1111, "opc-near-eol"),
    (0, 1112, "opc-life-over"),
    (0, 1113, "developer-low"),
    (0, 1114, "developer-empty"),
    (0, 1115, "marker-supply-missing"),
];

/// `prtMarkerSuppliesType` with its words for low and empty. Waste boxes are left to the alerts: no
/// two makers count them the same way.
const SUPPLIES: [(&[i32], &str, &str); 4] = [
    (TONER, "toner-low", "toner-empty"),
    // Ink, its cartridge and ribbon, solid wax, ribbon wax.
    (
        &[5, 6, 7, 12, 13],
        "marker-supply-low",
        "marker-supply-empty",
    ),
    (&[10], "developer-low", "developer-empty"),
    // Drum, fuser, corona wire, transfer unit.
    (&[9, 15, 16, 20], "opc-near-eol", "opc-life-over"),
];
const TONER: &[i32] = &[3, 21];
/// Percent left at which a supply is low, and at which it counts as empty: as CUPS has them.
const LOW_PERCENT: u32 = 5;
const EMPTY_PERCENT: u32 = 1;

impl PrinterFacts {
    /// IPP `printer-state-reasons` with severity, errors first; empty when nothing is wrong.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let mut found = Found {
            stopped: self.is_stopped(),
            words: BTreeMap::new(),
        };
        self.look_at_bits(&mut found);
        self.look_at_covers(&mut found);
        self.look_at_inputs(&mut found);
        self.look_at_supplies(&mut found);
        self.alerts.iter().for_each(|alert| found.alert(alert));
        let serious = |severity: &Severity| *severity > Severity::Report;
        if self.device == Some(DeviceState::Down) && !found.words.values().any(serious) {
            let offline = self.errors.is_some_and(|bits| bits.has(OFFLINE));
            found.add(if offline { "offline" } else { "other" }, REPORT);
        }
        found.into_words()
    }

    /// Whether a job may be sent: nothing that the printer's own state confirms stands in the way.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.reasons().iter().any(|word| word.ends_with("-error"))
    }

    /// Whether the printer says that it can't print, or does not say how it is.
    fn is_stopped(&self) -> bool {
        match self.device {
            Some(DeviceState::Down) => true,
            Some(DeviceState::Running | DeviceState::Warning) => false,
            _ => !matches!(
                self.printer,
                Some(PrinterState::Idle | PrinterState::Printing)
            ),
        }
    }

    fn look_at_bits(&self, found: &mut Found) {
        let bits = self.errors.unwrap_or_default();
        for (bit, word, weight) in BITS {
            if bits.has(bit) {
                found.add(word, weight);
            }
        }
        // The bits were named for toner; an ink printer sets them too.
        let toner = |kind| TONER.contains(&kind);
        let ink = !self.supplies.is_empty() && !self.supplies.iter().any(|one| toner(one.kind));
        if bits.has(LOW_TONER) {
            found.add(
                if ink {
                    "marker-supply-low"
                } else {
                    "toner-low"
                },
                WARNING,
            );
        }
        if bits.has(NO_TONER) {
            let word = if ink {
                "marker-supply-empty"
            } else {
                "toner-empty"
            };
            found.add(word, Weight::Stops);
        }
    }

    fn look_at_covers(&self, found: &mut Found) {
        for cover in &self.covers {
            match cover {
                CoverState::Open => found.add("cover-open", Weight::Stops),
                CoverState::InterlockOpen => found.add("interlock-open", Weight::Stops),
                _ => {}
            }
        }
        // The old bit says less than the table.
        if found.words.contains_key("cover-open") || found.words.contains_key("interlock-open") {
            found.words.remove("door-open");
        }
    }

    fn look_at_inputs(&self, found: &mut Found) {
        // A slot that is fed by hand is empty most of the time.
        let trays = self.inputs.iter().filter(|one| matches!(one.kind, 3 | 4));
        let known: Vec<_> = trays
            .filter(|one| one.level != -1 && one.level != -2)
            .collect();
        let empty = known.iter().filter(|one| one.level == 0).count();
        if empty > 0 && empty == known.len() {
            found.add("media-empty", Weight::Stops);
        } else if empty > 0 {
            found.add("media-empty", REPORT);
        }
    }

    fn look_at_supplies(&self, found: &mut Found) {
        for supply in &self.supplies {
            let row = SUPPLIES.iter().find(|row| row.0.contains(&supply.kind));
            match (row, supply.percent_left()) {
                (Some((_, _, empty)), Some(..=EMPTY_PERCENT)) => found.add(empty, WARNING),
                (Some((_, low, _)), Some(..=LOW_PERCENT)) => found.add(low, REPORT),
                _ => {}
            }
        }
    }
}

struct Found {
    stopped: bool,
    words: BTreeMap<&'static str, Severity>,
}

impl Found {
    /// The heavier of two of the same word stays.
    fn add(&mut self, word: &'static str, weight: Weight) {
        let severity = match weight {
            Weight::Always(severity) => severity,
            Weight::Stops if self.stopped => Severity::Error,
            Weight::Stops => Severity::Warning,
        };
        let known = self.words.entry(word).or_insert(severity);
        *known = severity.max(*known);
    }

    fn alert(&mut self, alert: &Alert) {
        let mut rows = ALERTS.iter();
        let row = rows
            .find(|(group, code, _)| *code == alert.code && (*group == 0 || *group == alert.group));
        let weight = match alert.severity {
            3 => Weight::Stops,
            4 | 5 => WARNING,
            _ => REPORT,
        };
        if let Some((_, _, word)) = row {
            self.add(word, weight);
        }
    }

    fn into_words(self) -> Vec<String> {
        let mut words: Vec<_> = self.words.into_iter().collect();
        words.sort_by_key(|(word, severity)| (std::cmp::Reverse(*severity), *word));
        let full = |(word, severity): (&str, Severity)| format!("{word}-{}", severity.suffix());
        words.into_iter().map(full).collect()
    }
}

#[cfg(test)]
mod tests;
