// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the owner of a bus does with readers of all manners, played here by a script: ones that must
//! be opened again, that have a pad and a case, that wait by themselves, that hang and that panic.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use platen_hal::{CardReader, CardUid, DeviceEvent, Key, PanelSignal, Proof, ReaderError};
use platen_hal_linux::bus::{self, OpenReader};
use platen_hal_linux::{BusHandle, BusState};

const INTERVAL: Duration = Duration::from_millis(5);
const DEADLINE: Duration = Duration::from_secs(20);

/// What one look gives.
type Look = Result<Option<CardUid>, ReaderError>;

#[derive(Default)]
struct Script {
    looks: Mutex<VecDeque<Look>>,
    keys: Mutex<VecDeque<Key>>,
    tampered: Mutex<Option<bool>>,
    shown: Mutex<Vec<PanelSignal>>,
    opened: AtomicU64,
    polls: AtomicU64,
    hang: Mutex<bool>,
    released: Condvar,
    panics: Mutex<bool>,
    waits: bool,
    /// Gives a new card at each look.
    floods: bool,
}

struct Scripted(Arc<Script>);

impl CardReader for Scripted {
    fn start(&mut self) -> Result<(), ReaderError> {
        Ok(())
    }

    fn poll(&mut self) -> Look {
        let script = &self.0;
        let poll = script.polls.fetch_add(1, Ordering::Relaxed);
        let hang = script.hang.lock().unwrap();
        drop(script.released.wait_while(hang, |hang| *hang).unwrap());
        if std::mem::take(&mut *script.panics.lock().unwrap()) {
            panic!("a bug");
        }
        if script.floods {
            return Ok(CardUid::new(&u32::try_from(poll).unwrap().to_be_bytes()));
        }
        script.looks.lock().unwrap().pop_front().unwrap_or(Ok(None))
    }

    fn proof(&self) -> Proof {
        Proof::Proved
    }

    fn waits(&self) -> bool {
        self.0.waits
    }

    fn take_key(&mut self) -> Option<Key> {
        self.0.keys.lock().unwrap().pop_front()
    }

    fn tampered(&self) -> Option<bool> {
        *self.0.tampered.lock().unwrap()
    }

    fn show(&mut self, signal: PanelSignal) {
        self.0.shown.lock().unwrap().push(signal);
    }

    fn part(&self) -> &'static str {
        "scripted"
    }
}

fn owned(script: &Arc<Script>, room: usize) -> (BusHandle, Receiver<DeviceEvent>) {
    let (sender, events) = sync_channel(room);
    let script = Arc::clone(script);
    let open: OpenReader = Box::new(move || {
        script.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Box::new(Scripted(Arc::clone(&script))))
    });
    let sink = move |event| sender.try_send(event).is_ok();
    let bus = bus::spawn_opening("scripted", open, "door", sink, INTERVAL).unwrap();
    (bus, events)
}

fn next(events: &Receiver<DeviceEvent>) -> DeviceEvent {
    events.recv_timeout(DEADLINE).expect("an event in time")
}

fn is_back(event: &DeviceEvent) -> bool {
    matches!(event, DeviceEvent::ReaderBack { reader } if reader == "door")
}

/// Waits for a state of the bus, with a deadline.
fn await_state(bus: &BusHandle, what: impl Fn(&BusState) -> bool) {
    let pause = sync_channel::<()>(0);
    for _ in 0..2_000 {
        if what(&bus.state()) {
            return;
        }
        let _ = pause.1.recv_timeout(Duration::from_millis(10));
    }
    panic!("state not reached: {:?}", bus.state());
}

fn uid(byte: u8) -> CardUid {
    CardUid::new(&[byte, 2, 3, 4]).unwrap()
}

#[test]
fn a_reader_whose_bus_failed_is_opened_anew() {
    let script = Arc::<Script>::default();
    let (_bus, events) = owned(&script, 16);
    assert!(is_back(&next(&events)));
    script
        .looks
        .lock()
        .unwrap()
        .push_back(Err(ReaderError::Bus));
    assert!(matches!(next(&events), DeviceEvent::ReaderGone { cause, .. } if cause == "bus error"));
    assert!(is_back(&next(&events)));
    assert_eq!(script.opened.load(Ordering::Relaxed), 2);
    // One that is only gone keeps its driver, and what that has seen.
    let gone = ReaderError::Gone { cause: "no answer" };
    script.looks.lock().unwrap().push_back(Err(gone));
    assert!(matches!(next(&events), DeviceEvent::ReaderGone { .. }));
    assert!(is_back(&next(&events)));
    assert_eq!(script.opened.load(Ordering::Relaxed), 2);
}

#[test]
fn a_reader_is_opened_anew_when_its_keys_have_changed() {
    let script = Arc::<Script>::default();
    let (bus, events) = owned(&script, 16);
    assert!(is_back(&next(&events)));
    bus.reopen();
    let pause = sync_channel::<()>(0);
    while script.opened.load(Ordering::Relaxed) < 2 {
        let _ = pause.1.recv_timeout(Duration::from_millis(5));
    }
    script.looks.lock().unwrap().push_back(Ok(Some(uid(1))));
    // It was never gone, so nothing was told of it.
    assert!(matches!(next(&events), DeviceEvent::CardPresented { .. }));
}

#[test]
fn a_reader_that_can_t_be_opened_is_gone_with_its_reason_until_it_can() {
    let (sender, events) = sync_channel(16);
    let script = Arc::<Script>::default();
    let there = Arc::new(Mutex::new(false));
    let seen = Arc::clone(&there);
    let open: OpenReader = Box::new(move || {
        if *seen.lock().unwrap() {
            Ok(Box::new(Scripted(Arc::clone(&script))))
        } else {
            Err("nobody plugged it in".into())
        }
    });
    let sink = move |event| sender.try_send(event).is_ok();
    let bus = bus::spawn_opening("scripted", open, "door", sink, INTERVAL).unwrap();
    let event = next(&events);
    assert!(
        matches!(&event, DeviceEvent::ReaderGone { cause, .. } if cause == "nobody plugged it in"),
        "{event:?}"
    );
    assert_eq!(bus.part(), "scripted");
    assert!(bus.state().cause.is_some());
    *there.lock().unwrap() = true;
    assert!(is_back(&next(&events)));
    await_state(&bus, |state| state.running && state.cause.is_none());
}

#[test]
fn a_driver_that_panics_costs_a_restart_and_not_the_reader() {
    let script = Arc::<Script>::default();
    let (_bus, events) = owned(&script, 16);
    assert!(is_back(&next(&events)));
    *script.panics.lock().unwrap() = true;
    assert!(
        matches!(next(&events), DeviceEvent::ReaderGone { cause, .. } if cause.contains("bug"))
    );
    assert!(is_back(&next(&events)));
}

#[test]
fn a_call_that_hangs_is_told_and_its_card_is_told_behind_the_return() {
    let script = Arc::<Script>::default();
    let (bus, events) = owned(&script, 16);
    assert!(is_back(&next(&events)));
    *script.hang.lock().unwrap() = true;
    assert!(
        matches!(next(&events), DeviceEvent::ReaderGone { cause, .. } if cause.contains("call"))
    );
    await_state(&bus, |state| !state.running && state.hangs == 1);
    let beats = bus.beats();
    script.looks.lock().unwrap().push_back(Ok(Some(uid(1))));
    *script.hang.lock().unwrap() = false;
    script.released.notify_all();
    assert!(is_back(&next(&events)));
    assert!(matches!(next(&events), DeviceEvent::CardPresented { .. }));
    await_state(&bus, |state| state.running && state.cause.is_none());
    assert!(bus.beats() > beats, "the owner comes round again");
}

#[test]
fn a_driver_that_hangs_does_not_hold_up_the_end() {
    let script = Arc::<Script>::default();
    let (bus, events) = owned(&script, 16);
    assert!(is_back(&next(&events)));
    *script.hang.lock().unwrap() = true;
    assert!(matches!(next(&events), DeviceEvent::ReaderGone { .. }));
    drop(bus); // would wait for ever
    assert_eq!(events.try_recv(), Err(TryRecvError::Empty));
    *script.hang.lock().unwrap() = false;
    script.released.notify_all();
    // The thread that was left behind ends now, and its sink with it.
    while events.recv_timeout(DEADLINE).is_ok() {}
    assert_eq!(events.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_reader_that_waits_by_itself_tells_the_same_card_each_time_it_says_it() {
    let script = Arc::new(Script {
        waits: true,
        ..Script::default()
    });
    script.looks.lock().unwrap().extend([
        Ok(Some(uid(1))),
        Ok(Some(uid(1))),
        Err(ReaderError::Garbled { cause: "parity" }),
        Ok(Some(uid(2))),
    ]);
    let (_bus, events) = owned(&script, 16);
    assert!(is_back(&next(&events)));
    for card in [uid(1), uid(1), uid(2)] {
        let told = next(&events);
        let proof = Proof::Proved;
        let reader = "door".to_owned();
        assert_eq!(
            told,
            DeviceEvent::CardPresented {
                reader,
                uid: card,
                proof
            }
        );
    }
}

#[test]
fn a_flood_of_cards_is_dropped_and_counted_and_ends_with_the_handle() {
    let script = Arc::new(Script {
        waits: true,
        floods: true,
        ..Script::default()
    });
    let (bus, events) = owned(&script, 8);
    await_state(&bus, |state| state.taps_dropped > 1_000);
    let state = bus.state();
    assert_eq!(state.taps, 7, "the channel holds these and ReaderBack");
    drop(bus);
    assert_eq!(events.iter().count(), 8);
}

#[test]
fn keys_and_case_of_a_reader_are_told_under_its_name() {
    let script = Arc::<Script>::default();
    script
        .keys
        .lock()
        .unwrap()
        .extend([Key::Digit(4), Key::Enter]);
    let (bus, events) = owned(&script, 16);
    assert!(is_back(&next(&events)));
    for key in [Key::Digit(4), Key::Enter] {
        let pad = "door".to_owned();
        assert_eq!(next(&events), DeviceEvent::KeyPressed { pad, key });
    }
    // A case that is closed from the start is no news.
    *script.tampered.lock().unwrap() = Some(false);
    await_state(&bus, |state| state.tampered == Some(false));
    for open in [true, false] {
        *script.tampered.lock().unwrap() = Some(open);
        let switch = "door".to_owned();
        assert_eq!(next(&events), DeviceEvent::SwitchChanged { switch, open });
    }
}

#[test]
fn a_signal_reaches_the_reader_s_own_lamp() {
    let script = Arc::<Script>::default();
    let (bus, events) = owned(&script, 16);
    assert!(is_back(&next(&events)));
    bus.show(PanelSignal::Refused);
    script.looks.lock().unwrap().push_back(Ok(Some(uid(1))));
    script.looks.lock().unwrap().push_back(Ok(Some(uid(2))));
    assert!(matches!(next(&events), DeviceEvent::CardPresented { .. }));
    assert!(matches!(next(&events), DeviceEvent::CardPresented { .. }));
    assert_eq!(*script.shown.lock().unwrap(), [PanelSignal::Refused]);
}
