// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The thread that owns a PIN pad. While no key is down it drives all rows low and sleeps until a
//! column has an edge, so that a pad that nobody uses costs nothing; then it scans until all keys
//! are up.
//!
//! No log line and no state here says which key it was.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{InputPin, OutputPin};
use linux_embedded_hal::Delay;
use platen_drivers::keypad::{KeypadCounters, Layout, Pace, SCAN_MS};
use platen_drivers::{Keypad, KeypadError};
use platen_hal::{DeviceEvent, Key};

use crate::board::KeypadPart;
use crate::lines::{EdgeLines, EdgeSource, InputLine, LineError, OutputLine};
use crate::owner::{EDGE_WAIT, OwnerThread, Retry, Stop, lock};

const SCAN: Duration = Duration::from_millis(SCAN_MS as u64);
/// Pause between two scans of a pad with a stuck key or wire.
const STUCK_SCAN: Duration = Duration::from_millis(250);
/// Scans that must work before a fault that comes again is worth a new log line.
const GOOD_SCANS: u32 = 100;
/// Reads of edges that are thrown away before a wait; more come from a wire that picks up noise.
const STALE_READS: u32 = 16;

/// What is known about a pad.
#[derive(Clone, Debug, Default)]
pub struct KeypadState {
    /// Whether its lines are there and its wires are sound.
    pub running: bool,
    /// Why not, from the last error.
    pub cause: Option<String>,
    /// Keys dropped because nobody took them.
    pub dropped: u64,
    /// What the scanner counted since the lines were opened.
    pub counters: KeypadCounters,
}

/// Owns the thread; dropping it stops the thread within a quarter of a second.
#[derive(Debug)]
pub struct KeypadHandle {
    name: String,
    state: Arc<Mutex<KeypadState>>,
    thread: OwnerThread,
}

/// A pad whose lines are open, and what wakes its owner.
#[derive(Debug)]
pub struct OpenKeypad<R, C, D, W> {
    /// The pad.
    pub keypad: Keypad<R, C, D>,
    /// Edges of its columns. Only that there are some matters.
    pub wake: W,
}

/// Why a pad does not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeypadFailed {
    /// Its lines can't be had, or failed.
    #[error("keypad lines failed")]
    Lines(#[from] LineError),
    /// It could not be scanned.
    #[error("keypad can't be scanned")]
    Scan(#[from] KeypadError),
    /// Its lines are not as many as the layout has, or the layout is none.
    #[error("keypad lines don't fit the layout")]
    Layout,
}

/// Starts the thread on a pad of the board file. `events` takes an event or refuses it (false) at
/// once; a key that is refused is dropped and counted. Lines that can't be had are asked for again,
/// at most 2 s later.
///
/// # Errors
/// The system's own when it makes no thread.
pub fn spawn<E>(part: &KeypadPart, events: E) -> io::Result<KeypadHandle>
where
    E: FnMut(DeviceEvent) -> bool + Send + 'static,
{
    let part = part.clone();
    spawn_on(&part.name.clone(), move || open(&part), events)
}

type Lines = OpenKeypad<OutputLine, InputLine, Delay, EdgeLines>;

fn open(part: &KeypadPart) -> Result<Lines, KeypadFailed> {
    let layout = Layout::new(&part.layout).ok_or(KeypadFailed::Layout)?;
    let wake = EdgeLines::open(&part.columns)?;
    let rows: Result<Vec<_>, _> = part.rows.iter().map(OutputLine::open_drain).collect();
    let columns = wake.inputs().collect();
    let keypad = Keypad::new(layout, rows?, columns, Delay).ok_or(KeypadFailed::Layout)?;
    Ok(OpenKeypad { keypad, wake })
}

/// The same on other lines: `open` is called at the start, and again when they failed.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_on<R, C, D, W, E>(
    name: &str,
    open: impl FnMut() -> Result<OpenKeypad<R, C, D, W>, KeypadFailed> + Send + 'static,
    events: E,
) -> io::Result<KeypadHandle>
where
    R: OutputPin,
    C: InputPin,
    D: DelayNs,
    W: EdgeSource,
    E: FnMut(DeviceEvent) -> bool + Send + 'static,
{
    let state = Arc::<Mutex<KeypadState>>::default();
    let mut owner = Owner {
        name: name.to_owned(),
        events,
        state: Arc::clone(&state),
        good_scans: GOOD_SCANS,
    };
    let thread = OwnerThread::spawn(format!("keypad {name}"), move |stop| {
        owner.run(open, stop);
    })?;
    Ok(KeypadHandle {
        name: name.to_owned(),
        state,
        thread,
    })
}

impl KeypadHandle {
    /// The pad's name in the board file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How the pad is. Waits for nothing but a short lock.
    #[must_use]
    pub fn state(&self) -> KeypadState {
        lock(&self.state).clone()
    }

    /// Grows as long as the thread comes round.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.thread.beats()
    }
}

struct Owner<E> {
    name: String,
    events: E,
    state: Arc<Mutex<KeypadState>>,
    good_scans: u32,
}

impl<E: FnMut(DeviceEvent) -> bool> Owner<E> {
    fn run<R, C, D, W>(
        &mut self,
        mut open: impl FnMut() -> Result<OpenKeypad<R, C, D, W>, KeypadFailed>,
        stop: &Stop,
    ) where
        R: OutputPin,
        C: InputPin,
        D: DelayNs,
        W: EdgeSource,
    {
        let mut retry = Retry::default();
        let mut pause = Duration::ZERO;
        while !stop.within(pause) {
            let ended = open().and_then(|mut lines| self.own(&mut lines, &mut retry, stop));
            if let Err(error) = ended {
                self.fault(&error);
            }
            pause = retry.pause();
        }
    }

    /// Works until the lines fail or the thread shall stop.
    fn own<R, C, D, W>(
        &mut self,
        lines: &mut OpenKeypad<R, C, D, W>,
        retry: &mut Retry,
        stop: &Stop,
    ) -> Result<(), KeypadFailed>
    where
        R: OutputPin,
        C: InputPin,
        D: DelayNs,
        W: EdgeSource,
    {
        let mut pause = Duration::ZERO;
        while !stop.within(pause) {
            if self.good_scans >= GOOD_SCANS {
                retry.reset();
            }
            match lines.keypad.scan() {
                Ok(key) => self.scanned(key),
                // The wires may come right again, and the lines are good.
                Err(error @ KeypadError::HeldLow) => self.fault(&error.into()),
                Err(error) => return Err(error.into()),
            }
            lock(&self.state).counters = lines.keypad.counters();
            pause = match lines.keypad.pace() {
                Pace::Idle => {
                    wait_for_key(lines, stop)?;
                    Duration::ZERO
                }
                Pace::Busy => SCAN,
                Pace::Stuck => STUCK_SCAN,
            };
        }
        Ok(())
    }

    fn scanned(&mut self, key: Option<Key>) {
        self.good_scans = self.good_scans.saturating_add(1);
        let mut state = lock(&self.state);
        (state.running, state.cause) = (true, None);
        drop(state);
        let Some(key) = key else {
            return;
        };
        let pad = self.name.clone();
        if !(self.events)(DeviceEvent::KeyPressed { pad, key }) {
            lock(&self.state).dropped += 1;
            log::warn!(device = self.name.as_str(); "key dropped, nobody takes device events");
        }
    }

    fn fault(&mut self, error: &KeypadFailed) {
        if self.good_scans >= GOOD_SCANS {
            let source = std::error::Error::source(error).map(ToString::to_string);
            let (device, cause) = (self.name.as_str(), source.unwrap_or_default());
            log::warn!(device, err = error.to_string().as_str(), cause = cause.as_str(); "keypad fails");
        }
        self.good_scans = 0;
        let mut state = lock(&self.state);
        state.running = false;
        state.cause = Some(error.to_string());
    }
}

/// Sleeps until a key may be down, or the thread shall stop.
fn wait_for_key<R, C, D, W>(
    lines: &mut OpenKeypad<R, C, D, W>,
    stop: &Stop,
) -> Result<(), KeypadFailed>
where
    R: OutputPin,
    C: InputPin,
    D: DelayNs,
    W: EdgeSource,
{
    // The scans' own edges are no key. A key from now on has its edge behind them, or is seen low.
    for _ in 0..STALE_READS {
        if lines.wake.take()?.is_empty() {
            break;
        }
    }
    if lines.keypad.listen()? {
        return Ok(());
    }
    while !stop.within(Duration::ZERO) {
        if lines.wake.wait(EDGE_WAIT)? {
            return Ok(());
        }
    }
    Ok(())
}
