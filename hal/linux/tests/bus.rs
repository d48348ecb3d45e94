// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bus and panel threads on the simulated parts.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use embedded_hal::digital::{ErrorType, OutputPin};
use platen_drivers::{Lights, Mfrc522};
use platen_hal::{CardUid, DeviceEvent, Indicator, PanelSignal, Proof};
use platen_hal_linux::{BusHandle, bus, panel};
use platen_hal_sim::{Fault, Field, Mfrc522Model, PinProbe, SimDelay, SimPin};

const INTERVAL: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_secs(10);

fn sink(events: SyncSender<DeviceEvent>) -> impl FnMut(DeviceEvent) -> bool + Send {
    move |event| events.try_send(event).is_ok()
}

fn bus_on(field: &Field) -> (BusHandle, Receiver<DeviceEvent>) {
    let (sender, receiver) = sync_channel(16);
    let reader = Mfrc522::new(Mfrc522Model::new(field), SimDelay::default());
    let handle = bus::spawn(Box::new(reader), "door", sink(sender), INTERVAL).unwrap();
    (handle, receiver)
}

fn next(events: &Receiver<DeviceEvent>) -> DeviceEvent {
    events.recv_timeout(DEADLINE).expect("an event in time")
}

fn back() -> DeviceEvent {
    DeviceEvent::ReaderBack {
        reader: "door".to_owned(),
    }
}

fn tap(uid: &CardUid) -> DeviceEvent {
    DeviceEvent::CardPresented {
        reader: "door".to_owned(),
        uid: uid.clone(),
        proof: Proof::Weak,
    }
}

fn uid(bytes: &[u8]) -> CardUid {
    CardUid::new(bytes).unwrap()
}

/// Waits for a state of the bus, with a deadline.
fn await_state(bus: &BusHandle, what: impl Fn(&platen_hal_linux::BusState) -> bool) {
    let pause = sync_channel::<()>(0);
    for _ in 0..1_000 {
        if what(&bus.state()) {
            return;
        }
        let _ = pause.1.recv_timeout(Duration::from_millis(10));
    }
    panic!("state not reached: {:?}", bus.state());
}

#[test]
fn a_tap_is_one_event_however_long_the_card_lies_there() {
    let field = Field::new();
    let (bus, events) = bus_on(&field);
    assert_eq!(next(&events), back());
    let card = uid(&[4, 1, 2, 3, 4, 5, 6]);
    assert!(field.place(&card));
    assert_eq!(next(&events), tap(&card));
    let polls = bus.state().trace.counters.polls;
    await_state(&bus, |state| state.trace.counters.polls > polls + 30);
    assert!(events.try_recv().is_err());
    field.remove(&card);
    let polls = bus.state().trace.counters.polls;
    await_state(&bus, |state| state.trace.counters.polls > polls + 16);
    assert!(field.place(&card));
    assert_eq!(next(&events), tap(&card));
    await_state(&bus, |state| state.taps == 2);
}

#[test]
fn a_reader_that_is_gone_is_told_and_found_again_within_two_seconds() {
    let field = Field::new();
    let (bus, events) = bus_on(&field);
    assert_eq!(next(&events), back());
    field.set_fault(Fault::Gone);
    assert!(matches!(next(&events), DeviceEvent::ReaderGone { reader, .. } if reader == "door"));
    await_state(&bus, |state| state.trace.counters.gone > 2);
    await_state(&bus, |state| !state.running && state.cause.is_some());
    field.set_fault(Fault::None);
    let event = events.recv_timeout(Duration::from_millis(2_500));
    assert_eq!(event.as_ref(), Ok(&back()));
    let card = uid(&[1, 2, 3, 4]);
    assert!(field.place(&card));
    assert_eq!(next(&events), tap(&card));
}

#[test]
fn a_reader_that_is_missing_from_the_start_is_told_as_gone() {
    let field = Field::new();
    field.set_fault(Fault::StuckLow);
    let (_bus, events) = bus_on(&field);
    assert!(matches!(next(&events), DeviceEvent::ReaderGone { .. }));
}

#[test]
fn a_card_that_lies_there_while_the_reader_is_reset_counts_once() {
    let field = Field::new();
    let (bus, events) = bus_on(&field);
    assert_eq!(next(&events), back());
    let card = uid(&[1, 2, 3, 4]);
    assert!(field.place(&card));
    assert_eq!(next(&events), tap(&card));
    field.brown_out();
    assert!(matches!(next(&events), DeviceEvent::ReaderGone { .. }));
    assert_eq!(next(&events), back());
    let polls = bus.state().trace.counters.polls;
    await_state(&bus, |state| state.trace.counters.polls > polls + 5);
    assert!(events.try_recv().is_err());
}

#[test]
fn with_a_full_channel_taps_are_dropped_and_counted_and_the_state_is_told_later() {
    let field = Field::new();
    let (sender, events) = sync_channel(1);
    let reader = Mfrc522::new(Mfrc522Model::new(&field), SimDelay::default());
    let bus = bus::spawn(Box::new(reader), "door", sink(sender), INTERVAL).unwrap();
    await_state(&bus, |state| state.trace.counters.polls > 2);
    assert!(field.place(&uid(&[1, 2, 3, 4]))); // the channel holds ReaderBack
    await_state(&bus, |state| state.taps_dropped == 1);
    field.set_fault(Fault::Gone);
    await_state(&bus, |state| !state.running);
    assert_eq!(next(&events), back());
    assert!(matches!(next(&events), DeviceEvent::ReaderGone { .. }));
}

#[test]
fn dropping_the_handle_ends_the_thread() {
    let field = Field::new();
    let (bus, events) = bus_on(&field);
    assert_eq!(next(&events), back());
    drop(bus);
    // The sink went with the thread: the channel is closed, not just quiet.
    assert_eq!(events.try_recv(), Err(TryRecvError::Disconnected));
}

/// A panel whose lines are there.
fn panel_of<R, G, Z, B>(lights: Lights<R, G, Z, B>) -> panel::PanelHandle
where
    R: OutputPin + Send + 'static,
    G: OutputPin + Send + 'static,
    Z: OutputPin + Send + 'static,
    B: OutputPin + Send + 'static,
{
    let mut lights = Some(lights);
    let open = move || lights.take().ok_or(io::Error::other("opened before"));
    panel::spawn(open).unwrap()
}

fn panel_on_pins() -> (panel::PanelHandle, [PinProbe; 3]) {
    let (red, red_probe) = SimPin::new();
    let (green, green_probe) = SimPin::new();
    let (buzzer, buzzer_probe) = SimPin::new();
    let handle = panel_of(Lights::new(red, green, buzzer));
    (handle, [red_probe, green_probe, buzzer_probe])
}

/// Waits for a state of the lines, with a deadline.
fn await_lines(what: impl Fn() -> bool) {
    let pause = sync_channel::<()>(0);
    for _ in 0..2_000 {
        if what() {
            return;
        }
        let _ = pause.1.recv_timeout(Duration::from_millis(5));
    }
    panic!("lines did not get there");
}

#[test]
fn the_panel_plays_a_signal_and_goes_dark_when_dropped() {
    let (mut panel, [red, green, buzzer]) = panel_on_pins();
    await_lines(|| green.is_high());
    panel.show(PanelSignal::UnknownCard);
    await_lines(|| red.changes() >= 4);
    assert!(!green.is_high());
    await_lines(|| buzzer.changes() == 6); // three short tones
    panel.show(PanelSignal::Idle);
    await_lines(|| green.is_high() && !red.is_high());
    drop(panel);
    assert!(!green.is_high());
}

/// At a start the system may give a line to the daemon's user later than the daemon asks for it.
#[test]
fn a_panel_whose_lines_come_late_shows_what_is_to_be_shown_then() {
    let (red, red_probe) = SimPin::new();
    let (green, green_probe) = SimPin::new();
    let (buzzer, _) = SimPin::new();
    let mut lights = Some(Lights::new(red, green, buzzer));
    let mut tries = 0;
    let open = move || {
        tries += 1;
        let there = lights.take_if(|_| tries == 3);
        there.ok_or(io::Error::from(io::ErrorKind::PermissionDenied))
    };
    let mut panel = panel::spawn(open).unwrap();
    panel.show(PanelSignal::UnknownCard);
    await_lines(|| red_probe.changes() >= 4);
    panel.show(PanelSignal::Idle);
    await_lines(|| green_probe.is_high());
}

#[test]
fn a_panel_whose_lines_never_come_ends_all_the_same() {
    let (sender, asked) = sync_channel(16);
    let open = move || {
        let _ = sender.try_send(());
        Err::<Lights<SimPin, SimPin, SimPin>, _>(io::Error::other("no such line"))
    };
    let panel = panel::spawn(open).unwrap();
    assert_eq!(asked.recv_timeout(DEADLINE), Ok(()));
    drop(panel);
    while asked.recv_timeout(DEADLINE).is_ok() {}
    assert_eq!(asked.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn the_same_signal_given_again_sounds_again() {
    let (mut panel, [_, _, buzzer]) = panel_on_pins();
    panel.show(PanelSignal::Accepted);
    await_lines(|| buzzer.changes() == 2);
    panel.show(PanelSignal::Accepted);
    await_lines(|| buzzer.changes() == 4);
}

/// A line that the kernel does not return from until it is released.
struct HungPin {
    called: SyncSender<()>,
    released: Receiver<()>,
}

impl ErrorType for HungPin {
    type Error = Infallible;
}

impl OutputPin for HungPin {
    fn set_low(&mut self) -> Result<(), Infallible> {
        let _ = self.called.try_send(());
        let _ = self.released.recv();
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.set_low()
    }
}

#[test]
fn a_panel_whose_line_hangs_does_not_hold_up_the_end() {
    let (sender, called) = sync_channel(1);
    let (release, released) = sync_channel::<()>(0);
    let (green, green_probe) = SimPin::new();
    let (buzzer, _) = SimPin::new();
    let hung = HungPin {
        called: sender,
        released,
    };
    let panel = panel_of(Lights::new(hung, green, buzzer));
    assert_eq!(called.recv_timeout(DEADLINE), Ok(()));
    drop(panel); // would wait for ever
    drop(release);
    // The thread that was left behind turns everything off and ends.
    while called.recv_timeout(DEADLINE).is_ok() {}
    assert_eq!(called.try_recv(), Err(TryRecvError::Disconnected));
    assert!(!green_probe.is_high());
}
