// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread of a fingerprint sensor, on the simulated parts; and an EF01 sensor at the kernel's
//! serial port, a pseudo-terminal with the sensor's model at its other end.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod far_end;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use embedded_io::{ErrorType, Read, ReadReady, Write};
use linux_embedded_hal::Delay;
use platen_drivers::bmlite::wire::SpiWire;
use platen_drivers::{BmLite, Ef01};
use platen_hal::{DeviceEvent, EnrolStep, FingerLook, FingerprintSensor, ReaderError, SensorFacts};
use platen_hal_linux::finger::{self, FingerRefusal, REQUESTS_MAX};
use platen_hal_linux::{FingerHandle, FingerReply, FingerRequest, FingerState, SerialPort};
use platen_hal_sim::ef01::PortFailed;
use platen_hal_sim::{BmLiteSetup, BmLiteSpi, Ef01Setup, Ef01Uart, Fault, FingerField, SimDelay};

use self::far_end::FarEnd;

const INTERVAL: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_secs(10);

fn sink(events: SyncSender<DeviceEvent>) -> impl FnMut(DeviceEvent) -> bool + Send {
    move |event| events.try_send(event).is_ok()
}

fn ef01(field: &FingerField) -> Box<dyn FingerprintSensor> {
    let port = Ef01Uart::new(field, Ef01Setup::r503());
    Box::new(Ef01::new(port, SimDelay::default()))
}

fn bmlite(field: &FingerField) -> Box<dyn FingerprintSensor> {
    let (spi, ready, reset) = BmLiteSpi::new(field, BmLiteSetup::default());
    let wire = SpiWire::new(spi, ready);
    Box::new(BmLite::with_reset(wire, SimDelay::default(), reset))
}

type Part = fn(&FingerField) -> Box<dyn FingerprintSensor>;
const PARTS: [Part; 2] = [ef01, bmlite];

struct Rig {
    field: FingerField,
    finger: FingerHandle,
    events: Receiver<DeviceEvent>,
}

/// A sensor that runs.
fn rig(part: Part) -> Rig {
    let field = FingerField::new();
    let (sender, events) = sync_channel(16);
    let finger = finger::spawn(part(&field), "door", sink(sender), INTERVAL).unwrap();
    let rig = Rig {
        field,
        finger,
        events,
    };
    assert_eq!(rig.event(), back());
    rig
}

fn back() -> DeviceEvent {
    DeviceEvent::ReaderBack {
        reader: "door".to_owned(),
    }
}

fn touch(slot: Option<u16>) -> DeviceEvent {
    DeviceEvent::FingerPresented {
        sensor: "door".to_owned(),
        slot,
    }
}

fn next<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(DEADLINE).expect("something in time")
}

fn await_that(what: impl Fn() -> bool) {
    let pause = sync_channel::<()>(0);
    for _ in 0..2_000 {
        if what() {
            return;
        }
        let _ = pause.1.recv_timeout(Duration::from_millis(5));
    }
    panic!("state not reached");
}

impl Rig {
    fn event(&self) -> DeviceEvent {
        next(&self.events)
    }

    fn await_state(&self, what: impl Fn(&FingerState) -> bool) {
        await_that(|| what(&self.finger.state()));
    }

    /// Waits for some more looks.
    fn await_looks(&self, looks: u64) {
        let seen = self.finger.state().trace.counters.polls;
        self.await_state(|state| state.trace.counters.polls >= seen + looks);
    }

    fn ask(&self, request: FingerRequest) -> Receiver<FingerReply> {
        self.finger.ask(request).unwrap()
    }

    fn answer(&self, request: FingerRequest) -> FingerReply {
        next(&self.ask(request))
    }

    /// Enrols as a person would: lays and lifts as it is told.
    fn enrol(&self, slot: u16, finger: u32) -> Vec<EnrolStep> {
        let replies = self.ask(FingerRequest::Enrol { slot });
        let mut steps = Vec::new();
        loop {
            let FingerReply::Step(step) = next(&replies) else {
                panic!("enrolment failed after {steps:?}");
            };
            steps.push(step);
            match step {
                EnrolStep::Touch { .. } => self.field.lay(finger),
                EnrolStep::Stored => return steps,
                _ => self.field.lift(),
            }
        }
    }
}

#[test]
fn a_touch_is_one_event_however_long_the_finger_lies_there() {
    for part in PARTS {
        let rig = rig(part);
        rig.field.teach(3, 1);
        rig.field.lay(1);
        assert_eq!(rig.event(), touch(Some(3)));
        rig.await_looks(20);
        assert_eq!(rig.events.try_recv(), Err(TryRecvError::Empty));
        rig.field.lift();
        rig.await_looks(20);
        rig.field.lay(2);
        assert_eq!(rig.event(), touch(None));
        rig.field.lift();
        rig.await_looks(20);
        rig.field.lay(1);
        assert_eq!(rig.event(), touch(Some(3)));
        rig.await_state(|state| state.touches == 3);
    }
}

#[test]
fn a_poor_finger_is_no_event_until_it_can_be_read() {
    for part in PARTS {
        let rig = rig(part);
        rig.field.teach(3, 1);
        rig.field.lay_poor();
        rig.await_state(|state| state.trace.counters.fingers_poor > 3);
        assert_eq!(rig.events.try_recv(), Err(TryRecvError::Empty));
        rig.field.lay(1);
        assert_eq!(rig.event(), touch(Some(3)));
    }
}

#[test]
fn a_finger_is_enrolled_verified_moved_and_deleted_while_the_thread_looks() {
    for part in PARTS {
        let rig = rig(part);
        let steps = rig.enrol(4, 1);
        let touches = steps
            .iter()
            .filter(|step| matches!(step, EnrolStep::Touch { .. }));
        let left = u8::try_from(touches.count()).unwrap();
        assert_eq!(steps.first(), Some(&EnrolStep::Touch { left }));
        assert_eq!(
            rig.answer(FingerRequest::Slots),
            FingerReply::Slots(vec![4])
        );
        // The finger that was enrolled still lies there: that is no touch.
        rig.await_looks(20);
        assert_eq!(rig.events.try_recv(), Err(TryRecvError::Empty));
        rig.field.lift();
        rig.await_looks(20);

        let verified = rig.ask(FingerRequest::Verify { slot: 4 });
        rig.await_looks(5);
        assert_eq!(verified.try_recv(), Err(TryRecvError::Empty));
        rig.field.lay(1);
        let reply = next(&verified);
        assert!(
            matches!(reply, FingerReply::Look(FingerLook::Known { slot: 4, .. })),
            "{reply:?}"
        );
        rig.field.lay(2);
        let reply = rig.answer(FingerRequest::Verify { slot: 4 });
        assert_eq!(reply, FingerReply::Look(FingerLook::Unknown));

        let FingerReply::Template(template) = rig.answer(FingerRequest::Template { slot: 4 })
        else {
            panic!("no template");
        };
        let slot = 9;
        let put = FingerRequest::PutTemplate { slot, template };
        assert_eq!(rig.answer(put), FingerReply::Done);
        assert!(rig.field.knows(9, 1));
        let delete = FingerRequest::Delete { slot: 4 };
        assert_eq!(rig.answer(delete), FingerReply::Done);
        rig.field.lift();
        rig.await_looks(20);
        rig.field.lay(1);
        assert_eq!(rig.event(), touch(Some(9)));
        assert_eq!(rig.answer(FingerRequest::DeleteAll), FingerReply::Done);
        assert!(rig.field.slots().is_empty());
    }
}

#[test]
fn requests_that_the_sensor_refuses_leave_it_running() {
    for part in PARTS {
        let rig = rig(part);
        rig.field.teach(4, 1);
        for request in [
            FingerRequest::Enrol { slot: 4 },
            FingerRequest::Enrol { slot: 9_000 },
            FingerRequest::Verify { slot: 5 },
            FingerRequest::Template { slot: 5 },
            FingerRequest::PutTemplate {
                slot: 5,
                template: vec![1, 2, 3],
            },
        ] {
            let told = format!("{request:?}");
            let reply = rig.answer(request);
            let refused = matches!(reply, FingerReply::Failed(ReaderError::Refused { .. }));
            assert!(refused, "{told}: {reply:?}");
        }
        rig.await_state(|state| state.requests_failed == 5 && state.running);
        rig.await_looks(20);
        rig.field.lay(1);
        assert_eq!(rig.event(), touch(Some(4)));
    }
}

#[test]
fn an_enrolment_that_nobody_waits_for_is_given_up() {
    let rig = rig(ef01);
    let replies = rig.ask(FingerRequest::Enrol { slot: 4 });
    assert_eq!(
        next(&replies),
        FingerReply::Step(EnrolStep::Touch { left: 2 })
    );
    drop(replies);
    rig.field.lay(1);
    rig.await_state(|state| state.requests_failed == 1);
    rig.field.lift();
    rig.await_looks(20);
    rig.field.lay(1);
    assert_eq!(rig.event(), touch(None));
    assert!(rig.field.slots().is_empty());
}

#[test]
fn more_requests_than_are_kept_are_refused_at_once() {
    let rig = rig(ef01);
    let _enrolment = rig.ask(FingerRequest::Enrol { slot: 4 });
    rig.await_state(|state| state.trace.counters.polls > 2);
    let mut waiting = Vec::new();
    let refusal = loop {
        match rig.finger.ask(FingerRequest::Slots) {
            Ok(replies) => waiting.push(replies),
            Err(refusal) => break refusal,
        }
        assert!(waiting.len() <= REQUESTS_MAX);
    };
    assert_eq!(refusal, FingerRefusal::Busy);
    drop(rig);
    // Whoever waits hears that there is no answer.
    for replies in waiting {
        assert_eq!(
            replies.recv_timeout(DEADLINE),
            Err(RecvTimeoutError::Disconnected)
        );
    }
}

#[test]
fn a_sensor_that_is_gone_is_told_and_found_again_within_two_seconds() {
    for part in PARTS {
        let rig = rig(part);
        rig.field.teach(3, 1);
        let replies = rig.ask(FingerRequest::Enrol { slot: 4 });
        next(&replies);
        rig.field.set_fault(Fault::Gone);
        let reply = next(&replies);
        assert!(
            matches!(reply, FingerReply::Failed(ReaderError::Gone { .. })),
            "{reply:?}"
        );
        assert!(matches!(rig.event(), DeviceEvent::ReaderGone { reader, .. } if reader == "door"));
        rig.await_state(|state| !state.running && state.cause.is_some());
        let reply = rig.answer(FingerRequest::Slots);
        assert!(matches!(
            reply,
            FingerReply::Failed(ReaderError::Gone { .. })
        ));
        rig.field.set_fault(Fault::None);
        let event = rig.events.recv_timeout(Duration::from_millis(2_500));
        assert_eq!(event, Ok(back()));
        rig.field.lay(1);
        assert_eq!(rig.event(), touch(Some(3)));
    }
}

#[test]
fn a_sensor_that_is_missing_from_the_start_is_told_as_gone() {
    for part in PARTS {
        let field = FingerField::new();
        field.set_fault(Fault::StuckLow);
        let (sender, events) = sync_channel(16);
        let finger = finger::spawn(part(&field), "door", sink(sender), INTERVAL).unwrap();
        assert!(matches!(next(&events), DeviceEvent::ReaderGone { .. }));
        assert_eq!(finger.state().facts, None);
        field.set_fault(Fault::None);
        assert_eq!(next(&events), back());
        let capacity = finger.state().facts.unwrap().capacity;
        assert!(matches!(capacity, 25 | 200));
    }
}

#[test]
fn with_a_full_channel_touches_are_dropped_and_counted_and_the_state_is_told_later() {
    let field = FingerField::new();
    field.teach(3, 1);
    let (sender, events) = sync_channel(1);
    let finger = finger::spawn(ef01(&field), "door", sink(sender), INTERVAL).unwrap();
    await_that(|| finger.state().running);
    field.lay(1); // the channel holds ReaderBack
    await_that(|| finger.state().touches_dropped == 1);
    field.set_fault(Fault::Gone);
    await_that(|| !finger.state().running);
    assert_eq!(next(&events), back());
    assert!(matches!(next(&events), DeviceEvent::ReaderGone { .. }));
}

#[test]
fn dropping_the_handle_ends_the_thread() {
    let rig = rig(bmlite);
    drop(rig.finger);
    // The sink went with the thread: the channel is closed, not just quiet.
    assert_eq!(rig.events.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn nothing_of_a_template_is_shown() {
    let template = vec![0xde, 0xad];
    let shown = format!("{:?}", FingerReply::Template(template.clone()));
    assert_eq!(shown, "Template(2 bytes)");
    let slot = 1;
    let shown = format!("{:?}", FingerRequest::PutTemplate { slot, template });
    assert_eq!(shown, "PutTemplate(1, 2 bytes)");
}

/// A port under which the driver meets a bug, or a system that does not return, when it is told to.
struct Buggy {
    port: Ef01Uart,
    bug: Arc<AtomicBool>,
    hold: Arc<Hold>,
}

/// Holds calls up while it is set, and counts those that it held.
#[derive(Default)]
struct Hold(Mutex<bool>, Condvar, AtomicU32);

impl Hold {
    fn set(&self, held: bool) {
        *self.0.lock().unwrap() = held;
        self.1.notify_all();
    }

    fn pass(&self) {
        let held = self.0.lock().unwrap();
        self.2.fetch_add(u32::from(*held), Ordering::Relaxed);
        drop(self.1.wait_while(held, |held| *held).unwrap());
    }
}

impl ErrorType for Buggy {
    type Error = PortFailed;
}

impl Write for Buggy {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, PortFailed> {
        assert!(!self.bug.swap(false, Ordering::Relaxed), "a bug");
        self.hold.pass();
        self.port.write(bytes)
    }

    fn flush(&mut self) -> Result<(), PortFailed> {
        self.port.flush()
    }
}

impl ReadReady for Buggy {
    fn read_ready(&mut self) -> Result<bool, PortFailed> {
        self.port.read_ready()
    }
}

impl Read for Buggy {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, PortFailed> {
        self.port.read(into)
    }
}

#[test]
fn a_bug_of_the_driver_costs_no_more_than_a_start() {
    let field = FingerField::new();
    field.teach(3, 1);
    let bug = Arc::<AtomicBool>::default();
    let port = Buggy {
        port: Ef01Uart::new(&field, Ef01Setup::r503()),
        bug: Arc::clone(&bug),
        hold: Arc::default(),
    };
    let sensor = Box::new(Ef01::new(port, SimDelay::default()));
    let (sender, events) = sync_channel(16);
    let _finger = finger::spawn(sensor, "door", sink(sender), INTERVAL).unwrap();
    assert_eq!(next(&events), back());
    bug.store(true, Ordering::Relaxed);
    assert!(matches!(next(&events), DeviceEvent::ReaderGone { .. }));
    assert_eq!(next(&events), back());
    field.lay(1);
    assert_eq!(next(&events), touch(Some(3)));
}

/// A sensor that runs, and what holds its calls up.
fn held_rig() -> (Rig, Arc<Hold>) {
    let field = FingerField::new();
    let hold = Arc::<Hold>::default();
    let port = Buggy {
        port: Ef01Uart::new(&field, Ef01Setup::r503()),
        bug: Arc::default(),
        hold: Arc::clone(&hold),
    };
    let sensor = Box::new(Ef01::new(port, SimDelay::default()));
    let (sender, events) = sync_channel(16);
    let finger = finger::spawn(sensor, "door", sink(sender), INTERVAL).unwrap();
    let rig = Rig {
        field,
        finger,
        events,
    };
    assert_eq!(rig.event(), back());
    (rig, hold)
}

#[test]
fn a_call_that_hangs_is_told_and_refuses_what_waits_until_it_returns() {
    let (rig, hold) = held_rig();
    rig.field.teach(3, 1);
    hold.set(true);
    let event = rig.event();
    assert!(
        matches!(&event, DeviceEvent::ReaderGone { cause, .. } if cause.contains("call")),
        "{event:?}"
    );
    rig.await_state(|state| !state.running && state.hangs == 1 && state.cause.is_some());
    let reply = rig.answer(FingerRequest::Slots);
    assert!(
        matches!(reply, FingerReply::Failed(ReaderError::Gone { .. })),
        "{reply:?}"
    );
    rig.field.lay(1);
    hold.set(false);
    assert_eq!(rig.event(), back());
    assert_eq!(rig.event(), touch(Some(3)));
    rig.await_state(|state| state.running && state.cause.is_none());
}

#[test]
fn a_sensor_that_hangs_does_not_hold_up_the_end() {
    let (rig, hold) = held_rig();
    hold.set(true);
    await_that(|| hold.2.load(Ordering::Relaxed) > 0);
    drop(rig.finger); // would wait for ever
    hold.set(false);
    // The thread that was left behind ends now, and its sink with it.
    while rig.events.recv_timeout(DEADLINE).is_ok() {}
    assert_eq!(rig.events.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_sensor_that_answers_nothing_but_nonsense_is_gone() {
    for part in PARTS {
        let rig = rig(part);
        let (seed, per_mille) = (7, 400);
        rig.field.set_fault(Fault::Garbled { seed, per_mille });
        let event = rig.event();
        assert!(matches!(event, DeviceEvent::ReaderGone { .. }), "{event:?}");
        rig.field.set_fault(Fault::None);
        assert_eq!(rig.event(), back());
    }
}

fn far_sensor(path: &Path) -> Ef01<SerialPort, Delay> {
    let port = SerialPort::open(path, platen_drivers::ef01::BAUD).unwrap();
    Ef01::new(port, Delay)
}

#[test]
fn a_finger_is_enrolled_and_known_through_the_kernel_s_serial_port() {
    let field = FingerField::new();
    let far = FarEnd::new(Ef01Uart::new(&field, Ef01Setup::r503()));
    let mut sensor = far_sensor(far.path());
    let facts = SensorFacts {
        capacity: 200,
        used: 0,
    };
    assert_eq!(sensor.start(), Ok(facts));
    assert_eq!(sensor.identify(), Ok(FingerLook::Nothing));
    let mut step = sensor.enrol(19).unwrap(); // 13h, which a terminal that is not raw would swallow
    for _ in 0..20 {
        match step {
            EnrolStep::Touch { .. } => field.lay(7),
            EnrolStep::Stored => break,
            _ => field.lift(),
        }
        step = sensor.enrol_on().unwrap();
    }
    assert_eq!(step, EnrolStep::Stored);
    let look = sensor.identify();
    assert!(
        matches!(look, Ok(FingerLook::Known { slot: 19, .. })),
        "{look:?}"
    );
    let template = sensor.template(19).unwrap();
    assert_eq!(template.len(), 1536);
    sensor.put_template(17, &template).unwrap();
    assert!(field.knows(17, 7));
}

#[test]
fn an_unplugged_port_is_opened_again() {
    let field = FingerField::new();
    field.teach(3, 1);
    let first = FarEnd::new(Ef01Uart::new(&field, Ef01Setup::r503()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("serial0");
    std::os::unix::fs::symlink(first.path(), &path).unwrap();
    let (sender, events) = sync_channel(16);
    let open: finger::OpenSensor = {
        let path = path.clone();
        Box::new(move || {
            let port = SerialPort::open(&path, platen_drivers::ef01::BAUD)?;
            Ok(Box::new(Ef01::new(port, Delay)))
        })
    };
    let finger = finger::spawn_opening("ef01", open, "door", sink(sender), INTERVAL).unwrap();
    assert_eq!(next(&events), back());
    assert_eq!(finger.part(), "ef01");
    drop(first);
    assert!(matches!(next(&events), DeviceEvent::ReaderGone { .. }));
    let second = FarEnd::new(Ef01Uart::new(&field, Ef01Setup::r503()));
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(second.path(), &path).unwrap();
    assert_eq!(next(&events), back());
    field.lay(1);
    assert_eq!(next(&events), touch(Some(3)));
}
