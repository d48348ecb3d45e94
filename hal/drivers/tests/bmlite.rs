// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The BM-Lite driver against the module's model, on SPI and on UART.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics has failed"
)]

use platen_drivers::BmLite;
use platen_drivers::bmlite::wire::{SpiWire, UartWire};
use platen_hal::{
    EnrolStep, FingerLight, FingerLook, FingerprintSensor, ReaderError, SensorFacts, TraceEvent,
};
use platen_hal_sim::{BmLiteSetup, BmLiteSpi, BmLiteUart, Fault, FingerField, SimDelay, SimPin};

/// Limits of the trait, in time asked from the delay.
const START_MS: u64 = 2_000;
const EMPTY_MS: u64 = 1_000;
const FINGER_MS: u64 = 5_000;

#[derive(Clone, Copy, Debug)]
enum Link {
    Spi,
    Uart,
}

const LINKS: [Link; 2] = [Link::Spi, Link::Uart];

struct Rig {
    field: FingerField,
    delay: SimDelay,
    sensor: Box<dyn FingerprintSensor>,
}

fn rig_of(link: Link, setup: BmLiteSetup) -> Rig {
    let field = FingerField::new();
    let delay = SimDelay::default();
    let sensor: Box<dyn FingerprintSensor> = match link {
        Link::Spi => {
            let (spi, ready, reset) = BmLiteSpi::new(&field, setup);
            let wire = SpiWire::new(spi, ready);
            Box::new(BmLite::with_reset(wire, delay.clone(), reset))
        }
        Link::Uart => {
            let (port, reset) = BmLiteUart::new(&field, setup);
            let wire = UartWire::new(port);
            Box::new(BmLite::with_reset(wire, delay.clone(), reset))
        }
    };
    Rig {
        field,
        delay,
        sensor,
    }
}

fn rig(link: Link) -> Rig {
    rig_of(link, BmLiteSetup::default())
}

fn started(link: Link) -> Rig {
    let mut rig = rig(link);
    rig.sensor.start().unwrap();
    rig
}

impl Rig {
    /// A look that must keep the trait's limit.
    fn identify(&mut self) -> Result<FingerLook, ReaderError> {
        let before = self.delay.total_ms();
        let result = self.sensor.identify();
        let spent = self.delay.total_ms() - before;
        let limit = match result {
            Ok(FingerLook::Nothing) => EMPTY_MS,
            _ => FINGER_MS,
        };
        assert!(spent <= limit, "identify took {spent} ms: {result:?}");
        result
    }

    fn start(&mut self) -> Result<SensorFacts, ReaderError> {
        let before = self.delay.total_ms();
        let result = self.sensor.start();
        let spent = self.delay.total_ms() - before;
        assert!(spent <= START_MS, "start took {spent} ms: {result:?}");
        result
    }

    /// Steps an enrolment of `finger` to its end, lifting and laying as it says.
    fn enrol(&mut self, slot: u16, finger: u32) -> Result<u32, ReaderError> {
        let mut step = self.sensor.enrol(slot)?;
        let mut touches = 0;
        for _ in 0..64 {
            match step {
                EnrolStep::Touch { .. } => {
                    self.field.lay(finger);
                    touches += 1;
                }
                EnrolStep::Lift | EnrolStep::Again => self.field.lift(),
                EnrolStep::Stored => {
                    self.field.lift();
                    return Ok(touches);
                }
            }
            step = self.sensor.enrol_on()?;
        }
        panic!("enrolment has no end: {step:?}");
    }
}

fn is_lost<T>(result: &Result<T, ReaderError>) -> bool {
    matches!(result, Err(ReaderError::Gone { .. } | ReaderError::Bus))
}

fn is_refused<T>(result: &Result<T, ReaderError>) -> bool {
    matches!(result, Err(ReaderError::Refused { .. }))
}

fn known(result: Result<FingerLook, ReaderError>) -> Option<u16> {
    match result.unwrap() {
        FingerLook::Known { slot, .. } => Some(slot),
        _ => None,
    }
}

#[test]
fn a_finger_is_enrolled_identified_verified_moved_to_another_sensor_and_deleted() {
    for link in LINKS {
        let mut rig = started(link);
        assert_eq!(rig.enrol(7, 1).unwrap(), 3);
        assert_eq!(rig.enrol(24, 2).unwrap(), 3);
        assert!(rig.field.knows(7, 1) && rig.field.knows(24, 2));
        assert_eq!(rig.sensor.slots().unwrap(), [7, 24]);

        assert_eq!(rig.identify(), Ok(FingerLook::Nothing));
        rig.field.lay(2);
        assert_eq!(known(rig.identify()), Some(24));
        assert_eq!(known(rig.sensor.verify(24)), Some(24));
        assert_eq!(rig.sensor.verify(7), Ok(FingerLook::Unknown));
        rig.field.lay(3);
        assert_eq!(rig.identify(), Ok(FingerLook::Unknown));

        let template = rig.sensor.template(24).unwrap();
        assert_eq!(template.len(), 1000);
        let mut other = started(link);
        other.field.teach(3, 9);
        other.sensor.put_template(3, &template).unwrap();
        other.sensor.put_template(0, &template).unwrap();
        assert_eq!(other.sensor.slots().unwrap(), [0, 3]);
        other.field.lay(2);
        assert!(known(other.sensor.identify()).is_some());
        other.field.lay(9);
        assert_eq!(other.identify(), Ok(FingerLook::Unknown));

        rig.sensor.delete(7).unwrap();
        rig.sensor.delete(7).unwrap();
        rig.field.lay(1);
        assert_eq!(rig.identify(), Ok(FingerLook::Unknown));
        rig.sensor.delete_all().unwrap();
        assert!(rig.field.slots().is_empty());
        let (capacity, used) = (25, 0);
        assert_eq!(rig.start(), Ok(SensorFacts { capacity, used }));
    }
}

#[test]
fn templates_of_each_length_pass_in_their_packets() {
    // Template, and message that carries it, on both sides of a full last packet.
    for length in [64, 224, 225, 226, 227, 466, 467, 468, 469, 16 * 1024] {
        for link in LINKS {
            let setup = BmLiteSetup {
                template_bytes: length,
                ..BmLiteSetup::default()
            };
            let mut rig = rig_of(link, setup);
            rig.start().unwrap();
            rig.field.teach(1, 5);
            let before = rig.delay.total_ms();
            let template = rig.sensor.template(1).unwrap();
            assert_eq!(template.len(), length, "{link:?}");
            rig.sensor.put_template(2, &template).unwrap();
            assert!(rig.field.knows(2, 5), "{link:?} {length}");
            let spent = rig.delay.total_ms() - before;
            assert!(spent < 10_000, "{link:?} {length}: {spent} ms");
        }
    }
    let setup = BmLiteSetup {
        template_bytes: 16 * 1024 + 100,
        ..BmLiteSetup::default()
    };
    let mut rig = rig_of(Link::Spi, setup);
    rig.start().unwrap();
    rig.field.teach(1, 5);
    assert!(rig.sensor.template(1).is_err(), "longer than is moved");
}

#[test]
fn a_poor_finger_is_told_and_does_not_count_as_a_touch() {
    for link in LINKS {
        let mut rig = started(link);
        rig.field.lay_poor();
        assert_eq!(rig.identify(), Ok(FingerLook::Poor));
        assert_eq!(rig.sensor.enrol(0), Ok(EnrolStep::Touch { left: 3 }));
        assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Again));
        assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Lift));
        rig.field.lift();
        assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Touch { left: 3 }));
        assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Touch { left: 3 }));
        rig.field.lay(1);
        assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Lift));
        rig.field.lift();
        assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Touch { left: 2 }));
        // Another finger does not count either.
        rig.field.lay(2);
        assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Again));
        rig.field.lift();
        assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Touch { left: 2 }));
        assert_eq!(rig.sensor.trace().unwrap().counters.fingers_poor, 3);
    }
}

#[test]
fn an_enrolment_that_comes_to_no_end_is_refused() {
    let mut rig = started(Link::Spi);
    let mut step = rig.sensor.enrol(0);
    for _ in 0..200 {
        match step {
            Ok(EnrolStep::Touch { .. }) => rig.field.lay_poor(),
            Ok(EnrolStep::Stored) => panic!("a poor finger was stored"),
            Ok(_) => rig.field.lift(),
            Err(_) => break,
        }
        step = rig.sensor.enrol_on();
    }
    assert!(is_refused(&step), "{step:?}");
}

#[test]
fn an_enrolment_that_the_module_does_not_begin_is_an_error_at_once() {
    // -20: its storage; -9: its sensor is broken.
    for (result, lost) in [(-20, false), (-9, true)] {
        let setup = BmLiteSetup {
            enrolment_refused: Some(result),
            ..BmLiteSetup::default()
        };
        let mut rig = rig_of(Link::Spi, setup);
        rig.start().unwrap();
        let begun = rig.sensor.enrol(4);
        assert_eq!((is_lost(&begun), is_refused(&begun)), (lost, !lost));
        assert!(is_refused(&rig.sensor.enrol_on()), "none is under way");
    }
}

#[test]
fn the_module_s_own_number_of_touches_counts() {
    for touches in [1, 2, 8] {
        let setup = BmLiteSetup {
            touches,
            ..BmLiteSetup::default()
        };
        let mut rig = rig_of(Link::Uart, setup);
        rig.start().unwrap();
        assert_eq!(rig.enrol(0, 1), Ok(touches));
        rig.field.lay(1);
        assert_eq!(known(rig.identify()), Some(0));
    }
}

#[test]
fn slots_that_are_used_empty_or_not_there_are_refused() {
    for link in LINKS {
        let mut rig = started(link);
        rig.field.teach(5, 1);
        rig.field.lay(1);
        assert!(is_refused(&rig.sensor.enrol(5)));
        assert!(is_refused(&rig.sensor.enrol(25)));
        assert!(is_refused(&rig.sensor.verify(6)));
        assert!(is_refused(&rig.sensor.verify(u16::MAX)));
        assert!(is_refused(&rig.sensor.template(6)));
        assert!(is_refused(&rig.sensor.delete(25)));
        assert!(is_refused(&rig.sensor.put_template(25, &[0; 1000])));
        assert!(is_refused(&rig.sensor.enrol_on()));
        let long = vec![0; 16 * 1024 + 1];
        for wrong in [&[][..], &[1], &[0; 999], &long] {
            assert!(is_refused(&rig.sensor.put_template(5, wrong)));
        }
        assert!(rig.field.knows(5, 1));
    }
}

#[test]
fn a_template_that_somebody_else_put_beyond_our_slots_is_no_finger_of_ours() {
    let mut rig = started(Link::Spi);
    rig.field.teach(900, 1);
    rig.field.lay(1);
    assert_eq!(rig.identify(), Ok(FingerLook::Unknown));
    assert_eq!(rig.sensor.slots(), Ok(vec![]));
}

#[test]
fn more_than_256_templates_are_listed() {
    let field = FingerField::new();
    let setup = BmLiteSetup {
        capacity: 500,
        ..BmLiteSetup::default()
    };
    let (spi, ready, _reset) = BmLiteSpi::new(&field, setup);
    let wire = SpiWire::new(spi, ready);
    let mut sensor = BmLite::new(wire, SimDelay::default()).with_capacity(500);
    let slots: Vec<u16> = (0..500).filter(|slot| slot % 3 > 0).collect();
    slots.iter().for_each(|slot| field.teach(*slot, 1));
    let (capacity, used) = (500, 333);
    assert_eq!(sensor.start(), Ok(SensorFacts { capacity, used }));
    assert_eq!(sensor.slots().unwrap(), slots);
}

#[test]
fn no_request_that_moves_a_picture_is_ever_sent() {
    let mut rig = started(Link::Spi);
    rig.enrol(0, 1).unwrap();
    rig.field.lay(1);
    rig.identify().unwrap();
    rig.sensor.verify(0).unwrap();
    let template = rig.sensor.template(0).unwrap();
    rig.sensor.put_template(1, &template).unwrap();
    rig.sensor.light(FingerLight::Good).unwrap();
    rig.sensor.delete(0).unwrap();
    rig.sensor.delete_all().unwrap();
    // The model knows IMAGE with EXTRACT alone, and would have refused all else.
    let heard = rig.field.heard();
    let images = heard.iter().filter(|command| **command == 0x0005);
    assert_eq!(images.count(), 2);
}

#[test]
fn a_module_that_goes_at_any_access_is_noticed_and_comes_back() {
    for link in LINKS {
        let whole = {
            let mut rig = started(link);
            rig.field.teach(3, 1);
            rig.field.lay(1);
            let before = rig.field.accesses();
            rig.identify().unwrap();
            rig.field.accesses() - before
        };
        for at in 0..whole {
            let mut rig = started(link);
            rig.field.teach(3, 1);
            rig.field.lay(1);
            rig.field.set_fault(Fault::GoneAfter(at));
            match rig.identify() {
                Ok(FingerLook::Known { slot, .. }) => assert_eq!(slot, 3),
                Ok(look) => panic!("{link:?}, gone at {at}: {look:?}"),
                Err(_) => {}
            }
            assert!(is_lost(&rig.identify()), "{link:?}, gone at {at}");
            rig.field.set_fault(Fault::None);
            rig.start().unwrap();
            assert_eq!(known(rig.identify()), Some(3), "{link:?}, gone at {at}");
        }
    }
}

#[test]
fn a_module_that_goes_at_any_access_of_an_enrolment_stores_nothing_by_half() {
    let whole = {
        let mut rig = started(Link::Spi);
        let before = rig.field.accesses();
        rig.enrol(3, 1).unwrap();
        rig.field.accesses() - before
    };
    for at in 0..whole {
        let mut rig = started(Link::Spi);
        rig.field.set_fault(Fault::GoneAfter(at));
        let result = rig.enrol(3, 1);
        let garbled = matches!(result, Err(ReaderError::Garbled { .. }));
        assert!(
            is_lost(&result) || garbled || result.is_ok(),
            "gone at {at}: {result:?}"
        );
        rig.field.set_fault(Fault::None);
        rig.start().unwrap();
        let slots = rig.sensor.slots().unwrap();
        assert!(slots.is_empty() || slots == [3] && rig.field.knows(3, 1));
    }
}

#[test]
fn a_module_that_goes_at_any_access_of_its_start_is_an_error() {
    for link in LINKS {
        let whole = started(link).field.accesses();
        for at in 0..whole {
            let mut rig = rig(link);
            rig.field.set_fault(Fault::GoneAfter(at));
            // The last access tells that all has come; the module may go with it.
            let result = rig.start();
            assert!(
                result.is_err() || at + 1 == whole,
                "{link:?}, gone at {at}: {result:?}"
            );
            rig.field.set_fault(Fault::None);
            assert!(rig.start().is_ok(), "{link:?}, gone at {at}");
        }
    }
}

#[test]
fn a_stuck_or_failing_wire_is_a_module_that_is_gone() {
    let faults = [
        Fault::StuckLow,
        Fault::StuckHigh,
        Fault::Gone,
        Fault::BusFailed,
    ];
    for (link, fault) in LINKS.into_iter().flat_map(|l| faults.map(|f| (l, f))) {
        let mut rig = started(link);
        rig.field.teach(3, 1);
        rig.field.lay(1);
        rig.field.set_fault(fault);
        assert!(is_lost(&rig.identify()), "{link:?} {fault:?}");
        assert!(is_lost(&rig.start()), "{link:?} {fault:?}");
        assert!(is_lost(&rig.identify()), "{link:?} {fault:?}");
        assert!(is_lost(&rig.sensor.slots()), "{link:?} {fault:?}");
        rig.field.set_fault(Fault::None);
        rig.start().unwrap();
        assert_eq!(known(rig.identify()), Some(3), "{link:?} {fault:?}");
    }
}

#[test]
fn a_ready_line_that_has_come_off_is_a_module_that_is_gone() {
    let mut rig = started(Link::Spi);
    rig.field.drop_ready(true);
    assert!(is_lost(&rig.identify()));
    assert!(is_lost(&rig.start()));
    rig.field.drop_ready(false);
    rig.start().unwrap();
    assert_eq!(rig.identify(), Ok(FingerLook::Nothing));
}

#[test]
fn a_module_that_was_reset_behind_our_back_loses_its_enrolment_and_nothing_else() {
    for link in LINKS {
        let mut rig = started(link);
        rig.field.teach(3, 1);
        rig.sensor.enrol(4).unwrap();
        rig.field.lay(1);
        rig.field.brown_out();
        assert!(is_lost(&rig.sensor.enrol_on()), "{link:?}");
        assert!(is_refused(&rig.sensor.enrol_on()), "{link:?}");
        rig.field.brown_out();
        assert_eq!(known(rig.identify()), Some(3), "{link:?}");
    }
}

#[test]
fn the_reset_line_is_pulsed_low_at_each_start() {
    let (pin, probe) = SimPin::new();
    let (spi, ready, _reset) = BmLiteSpi::new(&FingerField::new(), BmLiteSetup::default());
    let wire = SpiWire::new(spi, ready);
    let mut sensor = BmLite::with_reset(wire, SimDelay::default(), pin);
    sensor.start().unwrap();
    sensor.start().unwrap();
    assert_eq!(probe.levels(), [true, false, true]);
}

#[test]
fn a_module_that_was_not_started_says_so_without_touching_the_bus() {
    for link in LINKS {
        let mut rig = rig(link);
        assert!(is_lost(&rig.identify()));
        assert!(is_lost(&rig.sensor.enrol(0)));
        assert!(is_lost(&rig.sensor.slots()));
        assert_eq!(rig.field.accesses(), 0);
    }
}

#[test]
fn a_slow_module_is_waited_for_and_one_that_is_too_slow_is_gone_within_the_limit() {
    for link in LINKS {
        let mut rig = started(link);
        rig.field.teach(3, 1);
        rig.field.lay(1);
        rig.field.slow(30);
        assert_eq!(known(rig.identify()), Some(3));
        rig.field.slow(5_000);
        assert!(is_lost(&rig.identify()));
        assert!(is_lost(&rig.start()));
        assert!(is_lost(&rig.sensor.delete_all()));
    }
}

#[test]
fn garbled_runs_on_each_link_never_give_a_finger_that_was_not_there() {
    let (mut right, mut damaged) = (0, 0);
    for seed in 1..=3_000_u64 {
        let mut rig = started(LINKS[seed as usize % 2]);
        (0..20).for_each(|slot| rig.field.teach(slot, u32::from(slot)));
        let finger = seed as u32 % 30;
        rig.field.lay(finger);
        let per_mille = [1, 3, 10, 50][seed as usize / 2 % 4];
        rig.field.set_fault(Fault::Garbled { seed, per_mille });
        for round in 0..4 {
            if round == 3 {
                rig.field.lift();
            }
            match rig.identify() {
                Ok(FingerLook::Known { slot, .. }) => {
                    assert_eq!(u32::from(slot), finger, "seed {seed}");
                    assert!(round < 3, "seed {seed}: nobody was there");
                    right += 1;
                }
                Ok(_) => {}
                Err(ReaderError::Garbled { .. }) => damaged += 1,
                Err(_) => {
                    let _ = rig.start();
                }
            }
        }
    }
    assert!(
        right > 1_000,
        "only {right} fingers: the test shows nothing"
    );
    assert!(damaged > 200, "only {damaged} garbled answers");
}

#[test]
fn the_trace_tells_what_was_seen_without_the_finger() {
    let mut rig = started(Link::Spi);
    rig.field.teach(3, 1);
    rig.field.lay(1);
    rig.identify().unwrap();
    rig.field.lay(2);
    rig.identify().unwrap();
    let _ = rig.sensor.put_template(3, &[1, 2, 3]);
    let trace = rig.sensor.trace().unwrap();
    let events: Vec<TraceEvent> = trace.entries().map(|entry| entry.event).collect();
    let seen = [
        TraceEvent::Started { version: 0 },
        TraceEvent::Finger { matched: true },
        TraceEvent::Finger { matched: false },
        TraceEvent::Refused { code: -14 },
    ];
    assert_eq!(events, seen);
}

#[test]
fn an_idle_look_takes_one_request_and_little_time() {
    for link in LINKS {
        let mut rig = started(link);
        let (accesses, ms) = (rig.field.accesses(), rig.delay.total_ms());
        for _ in 0..100 {
            assert_eq!(rig.identify(), Ok(FingerLook::Nothing));
        }
        let each = (rig.field.accesses() - accesses) / 100;
        let ms_each = (rig.delay.total_ms() - ms) / 100;
        println!("idle look on {link:?}: {each} accesses, {ms_each} ms waited");
        assert!(
            each <= 20 && ms_each <= 50,
            "{link:?}: {each}, {ms_each} ms"
        );
    }
}
