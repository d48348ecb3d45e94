// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each condition, from a printer that is down and from one that goes on.

use super::*;
use crate::printer_mib::{ErrorState, Input, Supply};

fn facts(device: DeviceState, printer: PrinterState) -> PrinterFacts {
    PrinterFacts {
        device: Some(device),
        printer: Some(printer),
        ..PrinterFacts::default()
    }
}

fn down() -> PrinterFacts {
    facts(DeviceState::Down, PrinterState::Other)
}

fn running() -> PrinterFacts {
    facts(DeviceState::Running, PrinterState::Idle)
}

fn bits(base: PrinterFacts, bits: &[u8]) -> PrinterFacts {
    let mask = bits.iter().fold(0, |mask, bit| mask | 0x8000 >> bit);
    PrinterFacts {
        errors: Some(ErrorState(mask)),
        ..base
    }
}

fn alert(base: PrinterFacts, severity: i32, group: i32, code: i32) -> PrinterFacts {
    PrinterFacts {
        alerts: vec![Alert {
            severity,
            group,
            code,
        }],
        ..base
    }
}

fn supply(base: PrinterFacts, kind: i32, level: i32) -> PrinterFacts {
    PrinterFacts {
        supplies: vec![Supply {
            class: 3,
            kind,
            unit: 19,
            capacity: 100,
            level,
        }],
        ..base
    }
}

#[test]
fn a_healthy_printer_has_no_reasons_and_is_ready() {
    for printer in [
        PrinterState::Idle,
        PrinterState::Printing,
        PrinterState::Other,
    ] {
        let facts = facts(DeviceState::Running, printer);
        assert!(facts.reasons().is_empty() && facts.is_ready());
    }
    assert!(PrinterFacts::default().is_ready());
}

#[test]
fn each_bit_has_its_reason_and_stops_only_a_printer_that_is_down() {
    let rows = [
        (0, "media-low-report", "media-low-report"),
        (1, "media-empty-error", "media-empty-warning"),
        (2, "toner-low-warning", "toner-low-warning"),
        (3, "toner-empty-error", "toner-empty-warning"),
        (4, "door-open-error", "door-open-warning"),
        (5, "media-jam-error", "media-jam-warning"),
        (
            8,
            "input-tray-missing-warning",
            "input-tray-missing-warning",
        ),
        (
            9,
            "output-tray-missing-warning",
            "output-tray-missing-warning",
        ),
        (
            10,
            "marker-supply-missing-error",
            "marker-supply-missing-warning",
        ),
        (12, "output-area-full-error", "output-area-full-warning"),
    ];
    for (bit, stopped, going) in rows {
        let stops = stopped.ends_with("-error");
        let facts = bits(down(), &[bit]);
        assert!(
            facts.reasons().contains(&stopped.to_owned()),
            "{bit}: {:?}",
            facts.reasons()
        );
        assert_eq!(facts.is_ready(), !stops, "{bit}");
        let facts = bits(running(), &[bit]);
        assert_eq!(facts.reasons(), [going], "{bit}");
        assert!(facts.is_ready(), "{bit}");
    }
    assert_eq!(
        bits(running(), &[11]).reasons(),
        ["output-area-almost-full-report"]
    );
    assert_eq!(bits(running(), &[13]).reasons(), ["media-empty-report"]);
}

#[test]
fn a_bit_stops_a_printer_that_does_not_say_how_it_is() {
    let facts = bits(PrinterFacts::default(), &[5]);
    assert_eq!(facts.reasons(), ["media-jam-error"]);
    let printing = PrinterFacts {
        printer: Some(PrinterState::Printing),
        ..facts
    };
    assert_eq!(printing.reasons(), ["media-jam-warning"]);
}

#[test]
fn off_line_and_service_bits_alone_stop_nothing() {
    for bit in [6, 7, 14] {
        let facts = bits(running(), &[bit]);
        assert!(facts.reasons().is_empty() && facts.is_ready(), "{bit}");
        assert!(bits(down(), &[bit]).is_ready(), "{bit}");
    }
    assert_eq!(bits(down(), &[6]).reasons(), ["offline-report"]);
    assert_eq!(bits(down(), &[7]).reasons(), ["other-report"]);
    assert_eq!(bits(down(), &[6, 5]).reasons(), ["media-jam-error"]);
}

#[test]
fn errors_come_first_and_the_heavier_of_two_stays() {
    let mut facts = bits(down(), &[0, 1, 2, 13]);
    facts.alerts = alert(down(), 4, 8, 808).alerts;
    assert_eq!(
        facts.reasons(),
        ["media-empty-error", "toner-low-warning", "media-low-report"]
    );
}

#[test]
fn an_open_cover_is_told_by_its_table_rather_than_by_the_bit() {
    let mut facts = bits(down(), &[4]);
    facts.covers = vec![CoverState::Closed, CoverState::Open];
    assert_eq!(facts.reasons(), ["cover-open-error"]);
    facts.covers = vec![CoverState::InterlockOpen];
    assert_eq!(facts.reasons(), ["interlock-open-error"]);
    facts.covers = vec![CoverState::Unknown, CoverState::InterlockClosed];
    assert_eq!(facts.reasons(), ["door-open-error"]);
}

#[test]
fn alerts_have_their_reasons_by_group_and_code() {
    let rows = [
        (6, 3, "cover-open-error"),
        (13, 8, "media-jam-error"),
        (8, 801, "input-tray-missing-error"),
        (8, 13, "media-empty-error"),
        (9, 15, "output-area-full-error"),
        (11, 9, "marker-supply-missing-error"),
        (8, 809, "media-needed-error"),
        (9, 903, "output-area-full-error"),
        (11, 1101, "toner-empty-error"),
        (11, 1109, "marker-waste-full-error"),
    ];
    for (group, code, word) in rows {
        assert_eq!(alert(down(), 3, group, code).reasons(), [word]);
    }
    assert_eq!(
        alert(running(), 4, 11, 1104).reasons(),
        ["toner-low-warning"]
    );
    assert_eq!(
        alert(running(), 1, 11, 1104).reasons(),
        ["toner-low-report"]
    );
    assert_eq!(alert(running(), 3, 13, 8).reasons(), ["media-jam-warning"]);
    // A code that another group uses differently, and one that is no fault.
    assert!(alert(running(), 4, 5, 13).reasons().is_empty());
    assert!(alert(running(), 4, 5, 507).reasons().is_empty());
}

#[test]
fn supplies_warn_and_never_stop() {
    let rows = [
        (3, 5, "toner-low-report"),
        (21, 1, "toner-empty-warning"),
        (6, 0, "marker-supply-empty-warning"),
        (10, 3, "developer-low-report"),
        (9, 0, "opc-life-over-warning"),
    ];
    for (kind, level, word) in rows {
        let facts = supply(running(), kind, level);
        assert_eq!(facts.reasons(), [word]);
        assert!(facts.is_ready());
    }
    assert!(supply(running(), 3, 6).reasons().is_empty());
    assert!(supply(running(), 4, 0).reasons().is_empty(), "a waste box");
}

#[test]
fn the_toner_bits_of_an_ink_printer_are_about_ink() {
    let ink = supply(bits(running(), &[2, 3]), 6, 50);
    assert_eq!(
        ink.reasons(),
        ["marker-supply-empty-warning", "marker-supply-low-warning"]
    );
}

#[test]
fn one_empty_tray_of_two_is_a_report_and_a_slot_fed_by_hand_is_none() {
    let tray = |kind, level| Input {
        kind,
        capacity: 250,
        level,
    };
    let with = |base, inputs: &[Input]| PrinterFacts {
        inputs: inputs.to_vec(),
        ..base
    };
    assert_eq!(
        with(running(), &[tray(3, 0), tray(4, -3)]).reasons(),
        ["media-empty-report"]
    );
    assert_eq!(
        with(down(), &[tray(3, 0), tray(4, 0)]).reasons(),
        ["media-empty-error"]
    );
    assert!(
        with(running(), &[tray(5, 0), tray(3, 100)])
            .reasons()
            .is_empty()
    );
    assert_eq!(
        with(running(), &[tray(3, 0), tray(4, -2)]).reasons(),
        ["media-empty-warning"]
    );
}
