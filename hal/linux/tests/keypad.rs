// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread that owns a PIN pad, on a simulated matrix.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use platen_drivers::Keypad;
use platen_drivers::keypad::Layout;
use platen_hal::{DeviceEvent, Key};
use platen_hal_linux::board::KeypadPart;
use platen_hal_linux::keypad::{KeypadFailed, OpenKeypad, spawn, spawn_on};
use platen_hal_linux::lines::{EdgeSource, LineEdge, LineError, now_ns};
use platen_hal_linux::{Backend, KeypadHandle};
use platen_hal_sim::keypad::{Contact, MatrixColumn, MatrixRow};
use platen_hal_sim::{KeyMatrix, SimDelay};

const LAYOUT: [&str; 4] = ["123", "456", "789", "*0#"];
const DEADLINE: Duration = Duration::from_secs(10);

/// A pad's columns as the kernel watches them: says that there was an edge.
#[derive(Clone, Default)]
struct Edges(Arc<(Mutex<Seen>, Condvar)>);

#[derive(Default)]
struct Seen {
    edges: u32,
    gone: bool,
    opened: u32,
}

impl Edges {
    fn change(&self, change: impl FnOnce(&mut Seen)) {
        let (seen, wake) = &*self.0;
        change(&mut seen.lock().unwrap());
        wake.notify_all();
    }
}

impl EdgeSource for Edges {
    fn wait(&mut self, limit: Duration) -> Result<bool, LineError> {
        let (seen, wake) = &*self.0;
        let quiet = |seen: &mut Seen| seen.edges == 0 && !seen.gone;
        let waited = wake.wait_timeout_while(seen.lock().unwrap(), limit, quiet);
        let (seen, _) = waited.unwrap();
        match seen.gone {
            true => Err(LineError::Gone),
            false => Ok(seen.edges > 0),
        }
    }

    fn take(&mut self) -> Result<Vec<LineEdge>, LineError> {
        let count = std::mem::take(&mut self.0.0.lock().unwrap().edges);
        let edge = |number| LineEdge {
            line: 0,
            high: false,
            at_ns: now_ns(),
            number,
        };
        Ok((1..=count).map(edge).collect())
    }

    fn is_high(&self, _: usize) -> Result<bool, LineError> {
        Ok(true)
    }

    fn now_ns(&self) -> u64 {
        now_ns()
    }
}

struct Desk {
    matrix: KeyMatrix,
    edges: Edges,
    handle: KeypadHandle,
    events: Receiver<DeviceEvent>,
}

type SimKeypad = OpenKeypad<MatrixRow, MatrixColumn, SimDelay, Edges>;

fn open(matrix: &KeyMatrix, edges: &Edges) -> Result<SimKeypad, KeypadFailed> {
    let mut gone = false;
    edges.change(|seen| {
        seen.opened += 1;
        gone = seen.gone;
    });
    if gone {
        return Err(LineError::Gone.into());
    }
    let rows = (0..4).map(|row| matrix.row(row)).collect();
    let columns = (0..3).map(|column| matrix.column(column)).collect();
    let layout = Layout::new(&LAYOUT).unwrap();
    let keypad = Keypad::new(layout, rows, columns, SimDelay::default()).unwrap();
    let wake = edges.clone();
    Ok(OpenKeypad { keypad, wake })
}

fn sink(events: SyncSender<DeviceEvent>) -> impl FnMut(DeviceEvent) -> bool + Send {
    move |event| events.try_send(event).is_ok()
}

impl Desk {
    fn new(places: usize) -> Self {
        let (matrix, edges) = (KeyMatrix::new(1), Edges::default());
        let (sender, events) = sync_channel(places);
        let (pad, source) = (matrix.clone(), edges.clone());
        let handle = spawn_on("pad", move || open(&pad, &source), sink(sender)).unwrap();
        let desk = Self {
            matrix,
            edges,
            handle,
            events,
        };
        desk.rest();
        desk
    }

    fn press(&self, contact: Contact) {
        self.matrix.press(contact, 20);
        self.edges.change(|seen| seen.edges += 1);
    }

    fn release(&self, contact: Contact) {
        self.matrix.release(contact, 20);
        self.edges.change(|seen| seen.edges += 1);
    }

    /// Waits until the pad is not scanned any more.
    fn rest(&self) {
        let mut before = u64::MAX;
        for _ in 0..100 {
            let reads = self.matrix.reads();
            if reads == before && reads > 0 {
                return;
            }
            before = reads;
            pause(100);
        }
        panic!("the pad does not come to rest");
    }

    fn next(&self) -> Key {
        match self.events.recv_timeout(DEADLINE) {
            Ok(DeviceEvent::KeyPressed { pad, key }) if pad == "pad" => key,
            other => panic!("{other:?}"),
        }
    }

    fn await_state(&self, what: impl Fn(&platen_hal_linux::keypad::KeypadState) -> bool) {
        for _ in 0..1_000 {
            if what(&self.handle.state()) {
                return;
            }
            pause(10);
        }
        panic!("state not reached: {:?}", self.handle.state());
    }
}

/// Lets others run; nothing is decided by its length.
fn pause(ms: u64) {
    let (_sender, receiver) = sync_channel::<()>(0);
    let _ = receiver.recv_timeout(Duration::from_millis(ms));
}

#[test]
fn keys_arrive_once_each_in_the_order_in_which_they_were_pressed() {
    let desk = Desk::new(16);
    let typed = [(1, 1), (0, 0), (3, 1), (3, 0), (3, 2)];
    let keys = [
        Key::Digit(5),
        Key::Digit(1),
        Key::Digit(0),
        Key::Clear,
        Key::Enter,
    ];
    for (contact, key) in typed.into_iter().zip(keys) {
        desk.press(contact);
        assert_eq!(desk.next(), key);
        desk.release(contact);
        desk.rest();
    }
    assert!(desk.events.try_recv().is_err());
    let state = desk.handle.state();
    assert!(state.running && state.counters.keys == 5);
}

#[test]
fn a_pad_that_nobody_touches_is_not_scanned() {
    let desk = Desk::new(1);
    let scans = desk.handle.state().counters.scans;
    pause(1_000);
    assert_eq!(desk.handle.state().counters.scans, scans);
    assert_eq!(desk.handle.name(), "pad");
}

#[test]
fn keys_that_nobody_takes_are_dropped_and_counted() {
    let desk = Desk::new(1);
    for contact in [(0, 0), (0, 1), (0, 2)] {
        desk.press(contact);
        desk.await_state(|state| state.counters.keys > contact.1 as u64);
        desk.release(contact);
        desk.rest();
    }
    desk.await_state(|state| state.dropped == 2);
    assert_eq!(desk.next(), Key::Digit(1));
}

#[test]
fn lines_that_go_are_told_in_the_state_and_asked_for_until_they_are_back() {
    let desk = Desk::new(4);
    desk.edges.change(|seen| seen.gone = true);
    desk.await_state(|state| !state.running && state.cause.is_some());
    let opened = || desk.edges.0.0.lock().unwrap().opened;
    let before = opened();
    while opened() < before + 2 {
        pause(10);
    }
    desk.edges.change(|seen| seen.gone = false);
    desk.await_state(|state| state.running && state.cause.is_none());
    desk.rest();
    desk.press((2, 2));
    assert_eq!(desk.next(), Key::Digit(9));
}

#[test]
fn a_pad_whose_lines_are_missing_is_no_reason_not_to_start() {
    let part = KeypadPart {
        name: "pad".to_owned(),
        line: 1,
        backend: Backend::Linux,
        rows: Vec::new(),
        columns: Vec::new(),
        layout: LAYOUT.map(str::to_owned).to_vec(),
    };
    let (sender, _events) = sync_channel(1);
    let handle = spawn(&part, sink(sender)).unwrap();
    for _ in 0..1_000 {
        if handle.state().cause.is_some() {
            break;
        }
        pause(10);
    }
    assert_eq!(handle.state().cause.as_deref(), Some("keypad lines failed"));
}

#[test]
fn dropping_the_handle_ends_the_thread() {
    let desk = Desk::new(1);
    drop(desk.handle);
    assert_eq!(desk.events.try_recv(), Err(TryRecvError::Disconnected));
}
