// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The EF01 driver against the model of a ZFM-20 and of an R503.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics has failed"
)]

mod damage;

use platen_drivers::Ef01;
use platen_hal::{
    EnrolStep, FingerLight, FingerLook, FingerprintSensor, ReaderError, SensorFacts, TraceEvent,
};
use platen_hal_sim::{Ef01Setup, Ef01Uart, Fault, FingerField, SimDelay};

/// Limits of the trait, in time asked from the delay.
const START_MS: u64 = 2_000;
const EMPTY_MS: u64 = 1_000;
const FINGER_MS: u64 = 5_000;

struct Rig {
    field: FingerField,
    delay: SimDelay,
    sensor: Ef01<Ef01Uart, SimDelay>,
}

fn rig(setup: Ef01Setup) -> Rig {
    let field = FingerField::new();
    let delay = SimDelay::default();
    let sensor = Ef01::new(Ef01Uart::new(&field, setup), delay.clone());
    Rig {
        field,
        delay,
        sensor,
    }
}

fn started(setup: Ef01Setup) -> Rig {
    let mut rig = rig(setup);
    rig.sensor.start().unwrap();
    rig
}

const SETUPS: [fn() -> Ef01Setup; 2] = [Ef01Setup::zfm20, Ef01Setup::r503];

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
    for setup in SETUPS {
        let mut rig = started(setup());
        assert_eq!(rig.enrol(7, 1).unwrap(), 2);
        assert_eq!(rig.enrol(150, 2).unwrap(), 2);
        assert!(rig.field.knows(7, 1) && rig.field.knows(150, 2));
        assert_eq!(rig.sensor.slots().unwrap(), [7, 150]);

        assert_eq!(rig.identify(), Ok(FingerLook::Nothing));
        rig.field.lay(2);
        assert_eq!(known(rig.identify()), Some(150));
        assert_eq!(known(rig.sensor.verify(150)), Some(150));
        assert_eq!(rig.sensor.verify(7), Ok(FingerLook::Unknown));
        rig.field.lay(3);
        assert_eq!(rig.identify(), Ok(FingerLook::Unknown));

        let template = rig.sensor.template(150).unwrap();
        assert_eq!(template.len(), setup().template_bytes);
        let mut other = started(setup());
        other.field.teach(3, 9);
        other.sensor.put_template(3, &template).unwrap();
        other.sensor.put_template(0, &template).unwrap();
        assert_eq!(other.sensor.slots().unwrap(), [0, 3]);
        other.field.lay(2);
        assert_eq!(known(other.sensor.verify(3)), Some(3));
        other.field.lay(9);
        assert_eq!(other.identify(), Ok(FingerLook::Unknown));

        rig.sensor.delete(7).unwrap();
        rig.sensor.delete(7).unwrap();
        rig.field.lay(1);
        assert_eq!(rig.identify(), Ok(FingerLook::Unknown));
        rig.sensor.delete_all().unwrap();
        assert!(rig.field.slots().is_empty());
        assert_eq!(rig.start().unwrap().used, 0);
    }
}

#[test]
fn capacity_packet_size_and_used_slots_are_read_from_the_sensor() {
    for packet in 0..4 {
        let setup = Ef01Setup {
            capacity: 1000,
            packet,
            ..Ef01Setup::zfm20()
        };
        let mut rig = rig(setup);
        let slots = [0, 7, 8, 255, 256, 300, 511, 512, 999];
        slots.iter().for_each(|slot| rig.field.teach(*slot, 5));
        let (capacity, used) = (1000, 9);
        assert_eq!(rig.start(), Ok(SensorFacts { capacity, used }));
        assert_eq!(rig.sensor.slots().unwrap(), slots);
        let template = rig.sensor.template(999).unwrap();
        rig.sensor.put_template(998, &template).unwrap();
        assert!(rig.field.knows(998, 5));
    }
    let mut larger = rig(Ef01Setup {
        capacity: 3000,
        ..Ef01Setup::zfm20()
    });
    // The table of used slots tells of 1024.
    assert_eq!(larger.start().unwrap().capacity, 1024);
    let mut none = rig(Ef01Setup {
        capacity: 0,
        ..Ef01Setup::zfm20()
    });
    assert!(is_lost(&none.start()));
}

#[test]
fn an_r503_takes_as_many_touches_as_it_is_told_and_a_zfm_20_two() {
    for (setup, wanted, touches) in [
        (Ef01Setup::r503(), 6, 6),
        (Ef01Setup::r503(), 9, 6),
        (Ef01Setup::r503(), 0, 2),
        (Ef01Setup::zfm20(), 6, 2),
    ] {
        let mut rig = rig(setup);
        let port = Ef01Uart::new(&rig.field, setup);
        rig.sensor = Ef01::new(port, rig.delay.clone()).with_touches(wanted);
        rig.start().unwrap();
        assert_eq!(rig.enrol(1, 4).unwrap(), touches);
        rig.field.lay(4);
        assert_eq!(known(rig.identify()), Some(1));
    }
}

#[test]
fn a_poor_finger_is_told_and_does_not_count_as_a_touch() {
    let mut rig = started(Ef01Setup::r503());
    rig.field.lay_poor();
    assert_eq!(rig.identify(), Ok(FingerLook::Poor));
    assert_eq!(rig.sensor.enrol(0), Ok(EnrolStep::Touch { left: 2 }));
    assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Again));
    assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Lift));
    rig.field.lift();
    assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Touch { left: 2 }));
    assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Touch { left: 2 }));
    rig.field.lay(1);
    assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Lift));
    assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Lift));
    rig.field.lift();
    assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Touch { left: 1 }));
    assert_eq!(rig.sensor.trace().unwrap().counters.fingers_poor, 2);
}

#[test]
fn another_finger_in_the_middle_of_an_enrolment_ends_it() {
    let mut rig = started(Ef01Setup::zfm20());
    rig.sensor.enrol(0).unwrap();
    rig.field.lay(1);
    assert_eq!(rig.sensor.enrol_on(), Ok(EnrolStep::Lift));
    rig.field.lift();
    rig.sensor.enrol_on().unwrap();
    rig.field.lay(2);
    assert!(is_refused(&rig.sensor.enrol_on()));
    assert!(is_refused(&rig.sensor.enrol_on()), "it has ended");
    assert!(rig.field.slots().is_empty());
}

#[test]
fn slots_that_are_used_empty_or_not_there_are_refused() {
    let mut rig = started(Ef01Setup::r503());
    rig.field.teach(5, 1);
    rig.field.lay(1);
    assert!(is_refused(&rig.sensor.enrol(5)));
    assert!(is_refused(&rig.sensor.enrol(200)));
    assert!(is_refused(&rig.sensor.verify(6)));
    assert!(is_refused(&rig.sensor.verify(u16::MAX)));
    assert!(is_refused(&rig.sensor.template(6)));
    assert!(is_refused(&rig.sensor.delete(200)));
    assert!(is_refused(&rig.sensor.put_template(200, &[0; 1536])));
    assert!(is_refused(&rig.sensor.enrol_on()));
    assert_eq!(rig.field.slots(), [5]);
}

#[test]
fn a_template_that_the_sensor_does_not_take_changes_nothing() {
    let mut rig = started(Ef01Setup::zfm20());
    rig.field.teach(5, 1);
    let good = rig.sensor.template(5).unwrap();
    let long = vec![0; 16 * 1024 + 1];
    for wrong in [&[][..], &[1], &good[..511], &long] {
        assert!(
            rig.sensor.put_template(5, wrong).is_err(),
            "{}",
            wrong.len()
        );
        assert!(rig.field.knows(5, 1));
    }
    rig.sensor.put_template(5, &good).unwrap();
}

#[test]
fn an_enrolment_that_was_left_for_an_identification_has_ended() {
    let mut rig = started(Ef01Setup::r503());
    rig.sensor.enrol(3).unwrap();
    rig.identify().unwrap();
    assert!(is_refused(&rig.sensor.enrol_on()));
}

#[test]
fn no_command_that_moves_a_picture_is_ever_sent() {
    for setup in SETUPS {
        let mut rig = started(setup());
        rig.enrol(0, 1).unwrap();
        rig.field.lay(1);
        rig.identify().unwrap();
        rig.sensor.verify(0).unwrap();
        let template = rig.sensor.template(0).unwrap();
        rig.sensor.put_template(1, &template).unwrap();
        for light in [FingerLight::Waiting, FingerLight::Good, FingerLight::Bad] {
            rig.sensor.light(light).unwrap();
        }
        rig.sensor.delete(0).unwrap();
        rig.sensor.delete_all().unwrap();
        let heard = rig.field.heard();
        assert!(heard.len() > 30);
        // UpImage, DownImage, ReadInfPage.
        let moves = |code: &u16| matches!(code, 0x0a | 0x0b | 0x16);
        assert!(!heard.iter().any(moves), "{heard:02x?}");
    }
}

#[test]
fn the_light_is_the_ring_or_the_lamp_that_the_part_has() {
    let mut r503 = started(Ef01Setup::r503());
    let lights = [
        (FingerLight::Waiting, vec![1, 0x64, 2, 0]),
        (FingerLight::Good, vec![3, 0, 3, 0]),
        (FingerLight::Bad, vec![2, 0x19, 1, 3]),
        (FingerLight::Off, vec![4, 0, 2, 0]),
    ];
    for (light, told) in lights {
        r503.sensor.light(light).unwrap();
        assert_eq!(r503.field.light(), told, "{light:?}");
    }
    let mut zfm20 = started(Ef01Setup::zfm20());
    zfm20.sensor.light(FingerLight::Good).unwrap();
    assert_eq!(zfm20.field.light(), [0x50]);
    zfm20.sensor.light(FingerLight::Waiting).unwrap();
    assert_eq!(zfm20.field.light(), [0x51]);
}

#[test]
fn a_sensor_with_its_own_address_and_password_wants_them() {
    let setup = Ef01Setup {
        address: 0x0102_0304,
        password: 0xcafe,
        ..Ef01Setup::r503()
    };
    let field = FingerField::new();
    let sensor = || Ef01::new(Ef01Uart::new(&field, setup), SimDelay::default());
    assert!(is_lost(&sensor().start()));
    let mut stranger = sensor().with_address(0x0102_0304);
    assert!(is_refused(&stranger.start()));
    let mut friend = sensor().with_address(0x0102_0304).with_password(0xcafe);
    friend.start().unwrap();
    assert_eq!(friend.identify(), Ok(FingerLook::Nothing));
    let told = format!("{friend:?}").to_lowercase();
    assert!(!told.contains("cafe") && !told.contains("51966"), "{told}");
}

#[test]
fn a_sensor_that_goes_at_any_access_is_noticed_and_comes_back() {
    for setup in SETUPS {
        let whole = {
            let mut rig = started(setup());
            rig.field.teach(3, 1);
            rig.field.lay(1);
            let before = rig.field.accesses();
            rig.identify().unwrap();
            rig.field.accesses() - before
        };
        for at in 0..whole {
            let mut rig = started(setup());
            rig.field.teach(3, 1);
            rig.field.lay(1);
            rig.field.set_fault(Fault::GoneAfter(at));
            match rig.identify() {
                Ok(FingerLook::Known { slot, .. }) => assert_eq!(slot, 3),
                Ok(look) => panic!("gone at {at}: {look:?}"),
                Err(_) => {}
            }
            assert!(is_lost(&rig.identify()), "gone at {at}");
            rig.field.set_fault(Fault::None);
            rig.start().unwrap();
            assert_eq!(known(rig.identify()), Some(3), "gone at {at}");
        }
    }
}

#[test]
fn a_sensor_that_goes_at_any_access_of_an_enrolment_stores_nothing_by_half() {
    let whole = {
        let mut rig = started(Ef01Setup::zfm20());
        let before = rig.field.accesses();
        rig.enrol(3, 1).unwrap();
        rig.field.accesses() - before
    };
    for at in 0..whole {
        let mut rig = started(Ef01Setup::zfm20());
        rig.field.set_fault(Fault::GoneAfter(at));
        let result = rig.enrol(3, 1);
        assert!(
            is_lost(&result) || result.is_ok(),
            "gone at {at}: {result:?}"
        );
        rig.field.set_fault(Fault::None);
        rig.start().unwrap();
        let slots = rig.sensor.slots().unwrap();
        assert!(slots.is_empty() || slots == [3] && rig.field.knows(3, 1));
    }
}

#[test]
fn a_sensor_that_goes_at_any_access_of_its_start_is_an_error() {
    for setup in SETUPS {
        let whole = started(setup()).field.accesses();
        for at in 0..whole {
            let mut rig = rig(setup());
            rig.field.set_fault(Fault::GoneAfter(at));
            let result = rig.start();
            assert!(is_lost(&result), "gone at {at}: {result:?}");
            rig.field.set_fault(Fault::None);
            assert!(rig.start().is_ok(), "gone at {at}");
        }
    }
}

#[test]
fn a_stuck_or_failing_line_is_a_sensor_that_is_gone() {
    for fault in [
        Fault::StuckLow,
        Fault::StuckHigh,
        Fault::Gone,
        Fault::BusFailed,
    ] {
        let mut rig = started(Ef01Setup::r503());
        rig.field.teach(3, 1);
        rig.field.lay(1);
        rig.field.set_fault(fault);
        assert!(is_lost(&rig.identify()), "{fault:?}");
        assert!(is_lost(&rig.start()), "{fault:?}");
        assert!(is_lost(&rig.identify()), "{fault:?}");
        assert!(is_lost(&rig.sensor.slots()), "{fault:?}");
        rig.field.set_fault(Fault::None);
        rig.start().unwrap();
        assert_eq!(known(rig.identify()), Some(3), "{fault:?}");
    }
}

#[test]
fn a_sensor_that_was_reset_behind_our_back_is_noticed() {
    for setup in SETUPS {
        let mut rig = started(setup());
        rig.field.brown_out();
        assert!(is_lost(&rig.identify()));
        rig.start().unwrap();
        assert_eq!(rig.identify(), Ok(FingerLook::Nothing));
        rig.sensor.enrol(3).unwrap();
        rig.field.brown_out();
        rig.field.lay(1);
        assert!(is_lost(&rig.sensor.enrol_on()));
    }
}

#[test]
fn a_sensor_that_was_not_started_says_so_without_touching_the_line() {
    let mut rig = rig(Ef01Setup::r503());
    assert!(is_lost(&rig.identify()));
    assert!(is_lost(&rig.sensor.enrol(0)));
    assert!(is_lost(&rig.sensor.light(FingerLight::Good)));
    assert_eq!(rig.field.accesses(), 0);
}

#[test]
fn a_slow_sensor_is_waited_for_and_one_that_is_too_slow_is_gone_within_the_limit() {
    let mut rig = started(Ef01Setup::r503());
    rig.field.teach(3, 1);
    rig.field.lay(1);
    rig.field.slow(40);
    assert_eq!(known(rig.identify()), Some(3));
    rig.field.slow(5_000);
    assert!(is_lost(&rig.identify()));
    assert!(is_lost(&rig.start()));
    for result in [rig.sensor.delete_all(), rig.sensor.delete(3)] {
        assert!(is_lost(&result));
    }
}

#[test]
fn the_trace_tells_what_was_seen_without_the_finger() {
    let mut rig = started(Ef01Setup::r503());
    rig.field.teach(3, 1);
    rig.field.lay(1);
    rig.identify().unwrap();
    rig.field.lay(2);
    rig.identify().unwrap();
    let _ = rig.sensor.put_template(3, &[1, 2, 3]);
    let trace = rig.sensor.trace().unwrap();
    let events: Vec<TraceEvent> = trace.entries().map(|entry| entry.event).collect();
    let seen = [
        TraceEvent::Started { version: 1 },
        TraceEvent::Finger { matched: true },
        TraceEvent::Finger { matched: false },
    ];
    assert_eq!(events[..3], seen);
    assert_eq!((trace.counters.starts, trace.counters.fingers), (1, 2));
}

#[test]
fn an_idle_look_takes_one_command_and_little_time() {
    let mut rig = started(Ef01Setup::r503());
    let (accesses, ms) = (rig.field.accesses(), rig.delay.total_ms());
    for _ in 0..100 {
        assert_eq!(rig.identify(), Ok(FingerLook::Nothing));
    }
    let each = (rig.field.accesses() - accesses) / 100;
    let ms_each = (rig.delay.total_ms() - ms) / 100;
    println!("idle look: {each} accesses, {ms_each} ms waited");
    assert!(each <= 14 && ms_each <= 40);
}
