// SPDX-License-Identifier: Apache-2.0 OR MIT
//! When a printer's counter is a job's count, and when it is nobody's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use platen_hal::{Confirmation, PortError, PrinterPort, Sending};
use platen_net::{SnmpOptions, SnmpPort};
use platen_wire::snmp::{Oid, Value};

use crate::agents::{idle, listening, next, oid, port_by, print};

const REPORT: Duration = Duration::from_secs(2);
/// `hrPrinterStatus`
const IDLE: i32 = 3;
const PRINTING: i32 = 4;
/// Out of paper, and the device is down.
const EMPTY: i32 = 1;

/// The objects of a printer with this counter, in this state.
fn printer(count: u32, state: i32) -> BTreeMap<Oid, Value> {
    let mut mib = idle(count);
    mib.insert(oid(&[25, 3, 5, 1, 1, 1]), Value::Integer(state));
    if state == EMPTY {
        mib.insert(oid(&[25, 3, 2, 1, 5, 1]), Value::Integer(5));
        mib.insert(oid(&[25, 3, 5, 1, 2, 1]), Value::Octets(vec![0x40]));
    }
    mib
}

/// An honest agent that shows one reading after the other, the last for good. Three questions make
/// one reading.
fn showing(readings: &'static [(u32, i32)]) -> SocketAddr {
    let mut asked = 0;
    listening(move |socket, question, from| {
        let (count, state) = readings[(asked / 3).min(readings.len() - 1)];
        asked += 1;
        let answer = next(question, &printer(count, state)).encode();
        socket.send_to(&answer, from).unwrap();
    })
}

fn port(scheme: &str, readings: &'static [(u32, i32)]) -> SnmpPort {
    port_by(scheme, showing(readings), REPORT, || {})
}

#[test]
fn a_job_that_took_the_last_sheet_has_printed_and_is_not_confirmed() {
    let readings = &[(100, IDLE), (101, PRINTING), (103, EMPTY)];
    let report = print(&mut port("socket", readings)).unwrap();
    assert_eq!((report.impressions, report.confirmed_by), (None, None));
}

#[test]
fn a_printer_that_stopped_before_its_first_page_stops_the_job() {
    let readings = &[(100, IDLE), (100, EMPTY)];
    let error = print(&mut port("socket", readings)).unwrap_err();
    assert!(matches!(error, PortError::Stopped { .. }), "{error}");
}

#[test]
fn a_job_that_ipp_has_heard_the_end_of_is_stopped_by_no_counter() {
    for scheme in ["ipp", "ipps"] {
        let readings = &[(100, IDLE), (100, EMPTY)];
        let report = print(&mut port(scheme, readings)).unwrap();
        assert_eq!((report.impressions, report.confirmed_by), (None, None));
    }
}

#[test]
fn a_counter_that_stands_while_the_printer_is_busy_confirms_no_part_of_a_job() {
    let readings = &[(100, IDLE), (102, PRINTING)];
    let report = print(&mut port("socket", readings)).unwrap();
    assert_eq!((report.impressions, report.confirmed_by), (None, None));
}

#[test]
fn a_counter_that_moves_again_after_a_short_rest_is_read_to_its_end() {
    let readings = &[(100, IDLE), (102, IDLE), (102, IDLE), (105, IDLE)];
    let report = print(&mut port("socket", readings)).unwrap();
    assert_eq!(report.impressions, Some(5));
}

#[test]
fn a_printer_at_work_before_the_job_confirms_nothing() {
    let readings = &[(100, PRINTING), (104, IDLE)];
    let report = print(&mut port("socket", readings)).unwrap();
    assert_eq!((report.impressions, report.confirmed_by), (None, None));
}

#[test]
fn pages_of_others_that_the_port_waited_for_are_not_the_job_s() {
    let counter = Arc::new(AtomicU32::new(100));
    let (shown, others) = (Arc::clone(&counter), Arc::clone(&counter));
    let agent = listening(move |socket, question, from| {
        let mib = printer(shown.load(Ordering::SeqCst), IDLE);
        let answer = next(question, &mib).encode();
        socket.send_to(&answer, from).unwrap();
    });
    let mut port = port_by("socket", agent, REPORT, move || {
        others.fetch_add(20, Ordering::SeqCst);
    });
    let session = port.open(&Sending::default()).unwrap();
    counter.fetch_add(3, Ordering::SeqCst);
    let report = session.finish().unwrap();
    assert_eq!(report.impressions, Some(3));
    assert_eq!(report.confirmed_by, Some(Confirmation::LifeCount));
}

#[test]
fn an_agent_that_does_not_name_its_model_confirms_nothing() {
    for model in [None, Some(" ")] {
        let mut asked = 0;
        let agent = listening(move |socket, question, from| {
            asked += 1;
            let mut mib = printer(100 + asked / 3, IDLE);
            let name = oid(&[25, 3, 2, 1, 3, 1]);
            match model {
                None => mib.remove(&name),
                Some(model) => mib.insert(name, Value::Octets(model.into())),
            };
            let answer = next(question, &mib).encode();
            socket.send_to(&answer, from).unwrap();
        });
        let report = print(&mut port_by("socket", agent, REPORT, || {})).unwrap();
        assert_eq!((report.impressions, report.confirmed_by), (None, None));
    }
}

#[test]
fn without_time_for_a_report_the_counter_is_not_asked() {
    let asked = Arc::new(AtomicUsize::new(0));
    let questions = Arc::clone(&asked);
    let agent = listening(move |_, _, _| {
        questions.fetch_add(1, Ordering::SeqCst);
    });
    print(&mut port_by("socket", agent, Duration::ZERO, || {})).unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn a_job_deleted_while_its_count_is_awaited_has_printed() {
    let agent = showing(&[(100, IDLE), (101, IDLE)]);
    let sending = Sending::default();
    let session = port_by("socket", agent, REPORT, || {}).open(&sending);
    let session = session.unwrap();
    sending.canceled.store(true, Ordering::Release);
    let report = session.finish().unwrap();
    assert_eq!((report.impressions, report.confirmed_by), (None, None));
}

#[test]
fn the_community_is_not_in_what_is_shown_of_the_options() {
    let options = SnmpOptions {
        community: "a secret of the house".to_owned(),
        ..SnmpOptions::default()
    };
    let shown = format!("{options:?}");
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.contains("report"), "{shown}");
}
