// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Input lines whose edges a program reads one by one: what is done to the wires goes in at one
//! end, and comes out at the other with the time at which it happened.
//!
//! Not modelled: edges lost by a full queue, and a kernel that is late (that is `gpiolib`).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::wiegand::{WiegandTiming, wiegand_edges};

/// Edges that wait to be read; the kernel keeps no more either.
pub const QUEUE_MAX: usize = 1024;

/// An edge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SimEdge {
    /// Which line, from 0.
    pub line: usize,
    /// Whether the line went high.
    pub high: bool,
    /// When, nanoseconds of the lines' clock.
    pub at_ns: u64,
    /// Counts the edges of all lines, from 1.
    pub number: u32,
}

#[derive(Debug)]
struct State {
    levels: Vec<bool>,
    queue: VecDeque<SimEdge>,
    number: u32,
}

/// Some lines. Clones are the same lines.
#[derive(Clone, Debug)]
pub struct SimLines {
    state: Arc<Mutex<State>>,
    clock: fn() -> u64,
}

impl SimLines {
    /// `count` lines that rest at `high`; `clock` gives the nanoseconds of now.
    #[must_use]
    pub fn new(count: usize, high: bool, clock: fn() -> u64) -> Self {
        let state = State {
            levels: vec![high; count],
            queue: VecDeque::new(),
            number: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            clock,
        }
    }

    /// Drives a line. Nothing happens when it is there already, or there is no such line.
    pub fn drive(&self, line: usize, high: bool) {
        let at_ns = (self.clock)();
        self.lock().change(line, high, at_ns);
    }

    /// Sends bits as a Wiegand reader does, over line 0 for zeros and line 1 for ones: all at once,
    /// with the times that they would have had. False when not all of them fit the queue.
    #[must_use = "a full queue takes no number"]
    pub fn send(&self, bits: &[bool]) -> bool {
        let timing = WiegandTiming::default();
        let frame_ns = timing.interval_ns * u64::try_from(bits.len()).unwrap_or(0);
        let start_ns = (self.clock)().saturating_sub(frame_ns);
        let mut state = self.lock();
        if state.queue.len() + 2 * bits.len() > QUEUE_MAX {
            return false;
        }
        for edge in wiegand_edges(bits, timing, start_ns) {
            state.change(usize::from(edge.one), !edge.low, edge.at_ns);
        }
        true
    }

    /// Takes the edges that have come, in their order.
    #[must_use]
    pub fn take(&self) -> Vec<SimEdge> {
        self.lock().queue.drain(..).collect()
    }

    /// Whether there are edges to take.
    #[must_use]
    pub fn has_edges(&self) -> bool {
        !self.lock().queue.is_empty()
    }

    /// Whether a line is high now; one that there is not is low.
    #[must_use]
    pub fn is_high(&self, line: usize) -> bool {
        self.lock().levels.get(line).copied().unwrap_or(false)
    }

    /// Now, on the lines' clock.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        (self.clock)()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn change(&mut self, line: usize, high: bool, at_ns: u64) {
        let Some(level) = self.levels.get_mut(line) else {
            return;
        };
        if *level == high || self.queue.len() >= QUEUE_MAX {
            return;
        }
        *level = high;
        self.number += 1;
        self.queue.push_back(SimEdge {
            line,
            high,
            at_ns,
            number: self.number,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> SimLines {
        SimLines::new(2, true, || 1_000_000_000)
    }

    #[test]
    fn an_edge_is_a_change_and_nothing_else() {
        let lines = lines();
        lines.drive(0, true);
        assert!(!lines.has_edges());
        lines.drive(0, false);
        lines.drive(7, false);
        let edges = lines.take();
        assert_eq!(edges.len(), 1);
        assert_eq!(
            (edges[0].line, edges[0].high, edges[0].number),
            (0, false, 1)
        );
        assert!(!lines.is_high(0) && lines.is_high(1));
    }

    #[test]
    fn bits_are_pulses_that_end_before_now() {
        let lines = lines();
        assert!(lines.send(&[true, false, true]));
        let edges = lines.take();
        assert_eq!(edges.len(), 6);
        assert!(edges.iter().all(|edge| edge.at_ns < lines.now_ns()));
        assert!(lines.is_high(0) && lines.is_high(1));
        assert!(!lines.send(&[true; QUEUE_MAX]));
    }
}
