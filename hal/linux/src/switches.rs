// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The threads that own door and tamper switches: one for each GPIO chip that has some, which sleeps
//! until a line has an edge.
//!
//! A switch that is found open at the start is told, one that is found closed is not. When the
//! lines can't be read, all their switches count as open: nobody is watching.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platen_drivers::switch::Switch;
use platen_hal::DeviceEvent;

use crate::board::{InputPart, SwitchPart};
use crate::lines::{EdgeLines, EdgeSource, LineError};
use crate::owner::{EDGE_WAIT, OwnerThread, Retry, Stop, lock};

/// Batches of edges taken before the levels are read: lines that pick up noise must not keep the
/// thread from ending.
const BATCHES_MAX: u32 = 16;
/// Waits that must work before a fault that comes again is worth a new log line, and a short pause.
const GOOD_ROUNDS: u32 = 20;

/// What is known about a switch.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SwitchState {
    /// Its name in the board file.
    pub name: String,
    /// Whether it is open; `None` before it came to its first rest.
    pub open: Option<bool>,
    /// Why its line can't be read, if so.
    pub cause: Option<String>,
    /// Changes reported.
    pub changes: u64,
}

/// Owns the threads; dropping it stops them within a quarter of a second.
#[derive(Debug)]
pub struct SwitchesHandle {
    groups: Vec<(Arc<Mutex<Vec<SwitchState>>>, OwnerThread)>,
}

/// Starts the threads on the switches of the board file; one without a line is left out. `events`
/// takes an event or refuses it (false) at once; what is refused is offered again, newest only.
///
/// # Errors
/// The system's own when it makes no thread.
pub fn spawn<E>(parts: &[SwitchPart], events: E) -> io::Result<SwitchesHandle>
where
    E: FnMut(DeviceEvent) -> bool + Clone + Send + 'static,
{
    let mut chips: Vec<(Vec<String>, Vec<InputPart>)> = Vec::new();
    for part in parts {
        let Some(input) = &part.input else {
            continue;
        };
        let same = |lines: &InputPart| lines.line.chip == input.line.chip;
        let at = chips.iter().position(|(_, lines)| lines.iter().any(same));
        match at.and_then(|at| chips.get_mut(at)) {
            Some((names, lines)) => {
                names.push(part.name.clone());
                lines.push(input.clone());
            }
            None => chips.push((vec![part.name.clone()], vec![input.clone()])),
        }
    }
    let mut groups = Vec::new();
    for (names, lines) in chips {
        let open = move || EdgeLines::open(&lines);
        groups.extend(spawn_on(names, open, events.clone())?.groups);
    }
    Ok(SwitchesHandle { groups })
}

/// The same on other lines, high while a switch is open: `open` is called at the start, and again
/// when they failed. Line 0 is the first switch.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_on<S, E>(
    names: Vec<String>,
    open: impl FnMut() -> Result<S, LineError> + Send + 'static,
    events: E,
) -> io::Result<SwitchesHandle>
where
    S: EdgeSource,
    E: FnMut(DeviceEvent) -> bool + Send + 'static,
{
    let blank = |name: &String| SwitchState {
        name: name.clone(),
        ..SwitchState::default()
    };
    let state = Arc::new(Mutex::new(names.iter().map(blank).collect()));
    let watched = |name| Watched {
        name,
        switch: None,
        wish: None,
    };
    let mut owner = Owner {
        switches: names.into_iter().map(watched).collect(),
        events,
        state: Arc::clone(&state),
        told_fault: false,
    };
    let thread = OwnerThread::spawn("switches".to_owned(), move |stop| owner.run(open, stop))?;
    Ok(SwitchesHandle {
        groups: vec![(state, thread)],
    })
}

impl SwitchesHandle {
    /// How the switches are. Waits for nothing but short locks.
    #[must_use]
    pub fn state(&self) -> Vec<SwitchState> {
        let groups = self.groups.iter();
        groups.flat_map(|(state, _)| lock(state).clone()).collect()
    }

    /// For each thread a number that grows as long as it comes round.
    #[must_use]
    pub fn beats(&self) -> Vec<u64> {
        let threads = self.groups.iter().map(|(_, thread)| thread);
        threads.map(OwnerThread::beats).collect()
    }
}

struct Watched {
    name: String,
    switch: Option<Switch>,
    /// A change that nobody has taken yet.
    wish: Option<bool>,
}

struct Owner<E> {
    switches: Vec<Watched>,
    events: E,
    state: Arc<Mutex<Vec<SwitchState>>>,
    told_fault: bool,
}

impl<E: FnMut(DeviceEvent) -> bool> Owner<E> {
    fn run<S: EdgeSource>(&mut self, mut open: impl FnMut() -> Result<S, LineError>, stop: &Stop) {
        let mut retry = Retry::default();
        let mut pause = Duration::ZERO;
        while !stop.within(pause) {
            let ended = open().and_then(|mut lines| self.own(&mut lines, &mut retry, stop));
            if let Err(error) = ended {
                self.lose(&error);
            }
            pause = retry.pause();
        }
    }

    /// Works until the lines fail or the thread shall stop.
    fn own<S: EdgeSource>(
        &mut self,
        lines: &mut S,
        retry: &mut Retry,
        stop: &Stop,
    ) -> Result<(), LineError> {
        self.levels(lines)?;
        lock(&self.state)
            .iter_mut()
            .for_each(|state| state.cause = None);
        let mut rounds = 0_u32;
        while !stop.within(Duration::ZERO) {
            rounds = rounds.saturating_add(1);
            if rounds == GOOD_ROUNDS {
                retry.reset();
                self.told_fault = false;
            }
            let wait = self.wait(lines.now_ns());
            if lines.wait(wait)? {
                self.edges(lines)?;
            }
            self.levels(lines)?;
            self.offer();
        }
        Ok(())
    }

    /// How long nothing happens without an edge.
    fn wait(&self, now_ns: u64) -> Duration {
        let switches = self.switches.iter();
        let due = switches.filter_map(|watched| watched.switch.as_ref()?.due_ns());
        let wait = due
            .min()
            .map(|due| Duration::from_nanos(due.saturating_sub(now_ns)));
        wait.unwrap_or(EDGE_WAIT).min(EDGE_WAIT)
    }

    fn edges<S: EdgeSource>(&mut self, lines: &mut S) -> Result<(), LineError> {
        for _ in 0..BATCHES_MAX {
            let edges = lines.take()?;
            if edges.is_empty() {
                break;
            }
            for edge in edges {
                if let Some(watched) = self.switches.get_mut(edge.line) {
                    watched.level(edge.high, edge.at_ns);
                }
            }
        }
        Ok(())
    }

    /// The levels as they are: edges may have been lost.
    fn levels<S: EdgeSource>(&mut self, lines: &S) -> Result<(), LineError> {
        for (line, watched) in self.switches.iter_mut().enumerate() {
            let high = lines.is_high(line)?;
            // Read behind the level, so that it is not younger than it seems.
            watched.level(high, lines.now_ns());
        }
        Ok(())
    }

    fn lose(&mut self, error: &LineError) {
        if !std::mem::replace(&mut self.told_fault, true) {
            log::warn!(err = error.to_string().as_str(); "switches can't be read, and count as open");
        }
        for watched in &mut self.switches {
            let switch = watched.switch.get_or_insert_with(|| Switch::new(true, 0));
            watched.wish = switch.lose().or(watched.wish);
        }
        let cause = error.to_string();
        for state in lock(&self.state).iter_mut() {
            state.cause = Some(cause.clone());
        }
        self.offer();
    }

    /// Offers changes until they are taken.
    fn offer(&mut self) {
        for (at, watched) in self.switches.iter_mut().enumerate() {
            let taken = watched.wish.is_some_and(|open| {
                let switch = watched.name.clone();
                (self.events)(DeviceEvent::SwitchChanged { switch, open })
            });
            if taken {
                watched.wish = None;
            }
            if let Some(state) = lock(&self.state).get_mut(at) {
                state.open = watched.switch.as_ref().and_then(Switch::is_open);
                state.changes += u64::from(taken);
            }
        }
    }
}

impl Watched {
    fn level(&mut self, high: bool, at_ns: u64) {
        let switch = self.switch.get_or_insert_with(|| Switch::new(high, at_ns));
        let change = switch.level(high, at_ns);
        self.wish = change.or_else(|| switch.pass(at_ns)).or(self.wish);
    }
}
