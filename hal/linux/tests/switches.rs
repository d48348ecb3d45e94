// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread that owns door and tamper switches, on lines that a test holds.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use platen_hal::DeviceEvent;
use platen_hal_linux::SwitchesHandle;
use platen_hal_linux::lines::{EdgeSource, LineEdge, LineError, now_ns};
use platen_hal_linux::switches::spawn_on;

const DEADLINE: Duration = Duration::from_secs(10);
const DOOR: usize = 0;
const COVER: usize = 1;

/// Two lines, high while a switch is open.
#[derive(Clone, Default)]
struct Lines(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    open: [bool; 2],
    edges: Vec<LineEdge>,
    number: u32,
    gone: bool,
}

impl Lines {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let (state, wake) = &*self.0;
        change(&mut state.lock().unwrap());
        wake.notify_all();
    }

    /// Sets a switch, with this many bounces first.
    fn set(&self, line: usize, open: bool, bounces: u64) {
        self.change(|state| {
            let now_ns = now_ns();
            for bounce in 0..=2 * bounces {
                state.number += 1;
                state.edges.push(LineEdge {
                    line,
                    high: open == (bounce % 2 == 0),
                    at_ns: now_ns.saturating_sub((2 * bounces - bounce) * 100_000),
                    number: state.number,
                });
            }
            state.open[line] = open;
        });
    }
}

impl EdgeSource for Lines {
    fn wait(&mut self, limit: Duration) -> Result<bool, LineError> {
        let (state, wake) = &*self.0;
        let quiet = |state: &mut State| state.edges.is_empty() && !state.gone;
        let waited = wake.wait_timeout_while(state.lock().unwrap(), limit, quiet);
        let (state, _) = waited.unwrap();
        match state.gone {
            true => Err(LineError::Gone),
            false => Ok(!state.edges.is_empty()),
        }
    }

    fn take(&mut self) -> Result<Vec<LineEdge>, LineError> {
        Ok(std::mem::take(&mut self.0.0.lock().unwrap().edges))
    }

    fn is_high(&self, line: usize) -> Result<bool, LineError> {
        Ok(self.0.0.lock().unwrap().open[line])
    }

    fn now_ns(&self) -> u64 {
        now_ns()
    }
}

fn watch(lines: &Lines, places: usize) -> (SwitchesHandle, Receiver<DeviceEvent>) {
    let (sender, events) = sync_channel(places);
    let names = vec!["door".to_owned(), "cover".to_owned()];
    let source = lines.clone();
    let open = move || match source.0.0.lock().unwrap().gone {
        true => Err(LineError::Gone),
        false => Ok(source.clone()),
    };
    let handle = spawn_on(names, open, sink(sender)).unwrap();
    (handle, events)
}

fn sink(events: SyncSender<DeviceEvent>) -> impl FnMut(DeviceEvent) -> bool + Send {
    move |event| events.try_send(event).is_ok()
}

fn next(events: &Receiver<DeviceEvent>) -> (String, bool) {
    match events.recv_timeout(DEADLINE) {
        Ok(DeviceEvent::SwitchChanged { switch, open }) => (switch, open),
        other => panic!("{other:?}"),
    }
}

fn told(switch: &str, open: bool) -> (String, bool) {
    (switch.to_owned(), open)
}

fn await_state(handle: &SwitchesHandle, line: usize, open: bool) {
    let (_sender, pause) = sync_channel::<()>(0);
    for _ in 0..1_000 {
        let state = handle.state();
        if state[line].open == Some(open) && state[line].cause.is_none() {
            return;
        }
        let _ = pause.recv_timeout(Duration::from_millis(10));
    }
    panic!("state not reached: {:?}", handle.state());
}

#[test]
fn a_switch_that_is_open_at_the_start_is_told_and_a_closed_one_is_not() {
    let lines = Lines::default();
    lines.0.0.lock().unwrap().open[COVER] = true;
    let (handle, events) = watch(&lines, 8);
    assert_eq!(next(&events), told("cover", true));
    // The state follows the event.
    await_state(&handle, COVER, true);
    await_state(&handle, DOOR, false);
    assert!(events.try_recv().is_err());
    assert_eq!(handle.state()[COVER].changes, 1);
}

#[test]
fn a_change_is_told_once_however_it_bounces() {
    let lines = Lines::default();
    let (handle, events) = watch(&lines, 8);
    await_state(&handle, DOOR, false);
    for open in [true, false, true] {
        lines.set(DOOR, open, 50);
        assert_eq!(next(&events), told("door", open));
        await_state(&handle, DOOR, open);
    }
    assert!(events.try_recv().is_err());
}

#[test]
fn lines_that_go_count_as_open_and_are_read_again_when_they_are_back() {
    let lines = Lines::default();
    let (handle, events) = watch(&lines, 8);
    await_state(&handle, DOOR, false);
    await_state(&handle, COVER, false);
    lines.change(|state| state.gone = true);
    assert_eq!(next(&events), told("door", true));
    assert_eq!(next(&events), told("cover", true));
    assert_eq!(
        handle.state()[DOOR].cause.as_deref(),
        Some("GPIO chip is gone")
    );
    lines.change(|state| state.gone = false);
    assert_eq!(next(&events), told("door", false));
    assert_eq!(next(&events), told("cover", false));
    await_state(&handle, DOOR, false);
}

#[test]
fn lines_that_are_missing_from_the_start_count_as_open() {
    let lines = Lines::default();
    lines.change(|state| state.gone = true);
    let (_handle, events) = watch(&lines, 8);
    assert_eq!(next(&events), told("door", true));
    assert_eq!(next(&events), told("cover", true));
}

#[test]
fn a_change_that_nobody_takes_is_offered_again() {
    let lines = Lines::default();
    let (handle, events) = watch(&lines, 1);
    await_state(&handle, DOOR, false);
    lines.set(DOOR, true, 0);
    await_state(&handle, DOOR, true);
    lines.set(COVER, true, 0);
    await_state(&handle, COVER, true);
    assert_eq!(next(&events), told("door", true));
    assert_eq!(next(&events), told("cover", true));
}

#[test]
fn dropping_the_handle_ends_the_thread() {
    let lines = Lines::default();
    let (handle, events) = watch(&lines, 1);
    await_state(&handle, DOOR, false);
    drop(handle);
    assert_eq!(events.try_recv(), Err(TryRecvError::Disconnected));
}
