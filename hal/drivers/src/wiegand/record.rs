// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Edges as Linux hands them over, put right before they are decoded: sorted by their numbers,
//! with what was lost. Source: `drivers/gpio/gpiolib-cdev.c` of Linux 6.1, `edge_irq_handler` and
//! `edge_irq_thread`.
//!
//! The kernel numbers an edge in its interrupt handler, but reads the level and queues the edge in a
//! thread of that line. Three things follow, and all happen on a busy box:
//!
//! - edges of the two lines come in the wrong order: their numbers say the right one;
//! - the thread reads the level of the next edge already: a pulse's begin is said to be a rise. A
//!   line that is high can't rise, so it is known to be a begin;
//! - the thread is later than the pulse is long: begin and end come as one rise, and the number
//!   before it is missing. A line that is high can't rise without falling first, and one edge is
//!   missing, so it is that one: a whole pulse, whose length is not known.
//!
//! - the handler runs for a pulse's end between two steps of the thread: the begin comes as a rise
//!   with the end's number, then the end with the same. That is a whole pulse, too.
//!
//! Everything else that is missing or comes twice makes the frame one that lost edges, and so does a
//! second rise behind a whole pulse.

use core::fmt;

use heapless::Vec;

use super::{Decoder, Edge, FrameError, GAP_NS, Line, Outcome, WiegandCounters};

/// Edges kept of a frame: twice those of the longest one. What more comes is a wire that picks up
/// noise, and spoils the frame.
pub const EDGES_MAX: usize = 256;

/// An edge with its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NumberedEdge {
    /// The edge; `low` may be wrong, as told above.
    pub edge: Edge,
    /// Counts the edges of both lines, from 1.
    pub number: u32,
}

/// Collects edges until the lines are silent, then decodes them. `Debug` hides them: they are a card's
/// number.
#[derive(Clone)]
pub struct Recorder {
    decoder: Decoder,
    edges: Vec<NumberedEdge, EDGES_MAX>,
    /// Edges of `edges` that were decoded already.
    replayed: usize,
    /// Number of the edge that comes next.
    next: u32,
    /// When the last edge came.
    last_ns: Option<u64>,
    /// Number of the last edge that came when no more are kept.
    over: Option<u32>,
    d0_low: bool,
    d1_low: bool,
    /// Pulses whose begin and end came as one.
    merged: u64,
    /// The line whose last edge was such a pulse.
    merged_last: Option<Line>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("edges", &self.edges.len())
            .field("merged", &self.merged)
            .finish_non_exhaustive()
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            decoder: Decoder::default(),
            edges: Vec::new(),
            replayed: 0,
            next: 1,
            last_ns: None,
            over: None,
            d0_low: false,
            d1_low: false,
            merged: 0,
            merged_last: None,
        }
    }
}

impl Recorder {
    /// Takes an edge, in whatever order.
    pub fn edge(&mut self, edge: NumberedEdge) {
        let last = self.last_ns.unwrap_or(0);
        self.last_ns = Some(last.max(edge.edge.at_ns));
        if self.replayed == 0 && self.edges.push(edge).is_ok() {
            return;
        }
        self.over = Some(edge.number);
    }

    /// When [`Recorder::pass`] has something to say, if no edge comes before; 0 for at once.
    #[must_use]
    pub fn due_ns(&self) -> Option<u64> {
        if self.replayed > 0 {
            return Some(0);
        }
        self.last_ns.map(|last| last.saturating_add(GAP_NS))
    }

    /// Decodes when the lines were silent for long enough. Returns the first frame that ended; ask
    /// again while there is one.
    pub fn pass(&mut self, now_ns: u64) -> Option<Outcome> {
        if self.due_ns().is_none_or(|due| now_ns < due) {
            return None;
        }
        if let Some(newest) = self.over {
            return self.overflowed(newest);
        }
        self.sort();
        while let Some(edge) = self.edges.get(self.replayed).copied() {
            if let Some(outcome) = self.decoder.pass(edge.edge.at_ns) {
                self.rest();
                return Some(outcome);
            }
            self.replayed += 1;
            if let Some(outcome) = self.step(edge) {
                return Some(outcome);
            }
        }
        let ended = self.decoder.pass(u64::MAX);
        self.silence();
        ended
    }

    /// Both lines were read between two frames, and are high: what is known of them from a spoiled
    /// frame is void.
    pub fn resume(&mut self) {
        self.decoder.low = None;
        self.rest();
    }

    /// The decoder's counts.
    #[must_use]
    pub fn counters(&self) -> WiegandCounters {
        self.decoder.counters()
    }

    /// Pulses whose begin and end the kernel gave as one edge.
    #[must_use]
    pub fn merged(&self) -> u64 {
        self.merged
    }

    /// Forgets what came: nobody knows which edges of it are missing.
    fn overflowed(&mut self, newest: u32) -> Option<Outcome> {
        self.next = newest.wrapping_add(1);
        let last = self.last_ns.unwrap_or(0);
        // What the decoder still held ends with this frame.
        let _ = self.decoder.lost(last);
        let _ = self.decoder.pass(u64::MAX);
        self.silence();
        Some(Err(FrameError::TooLong))
    }

    fn silence(&mut self) {
        self.edges.clear();
        self.replayed = 0;
        self.last_ns = None;
        self.over = None;
        // A line that is held low is told by the decoder; the next frame begins with both high.
        self.rest();
    }

    /// The lines are as between two frames.
    fn rest(&mut self) {
        (self.d0_low, self.d1_low) = (false, false);
        self.merged_last = None;
    }

    fn sort(&mut self) {
        if self.replayed == 0 {
            let next = self.next;
            self.edges
                .sort_unstable_by_key(|edge| edge.number.wrapping_sub(next));
        }
    }

    fn step(&mut self, numbered: NumberedEdge) -> Option<Outcome> {
        let NumberedEdge { edge, number } = numbered;
        let missing = number.wrapping_sub(self.next);
        let again = number.wrapping_add(1) == self.next;
        self.next = number.wrapping_add(1);
        let was_low = self.is_low(edge.line);
        let after_merged = self.merged_last == Some(edge.line);
        if after_merged {
            self.merged_last = None;
        }
        match (missing, was_low, edge.low) {
            (_, false, false) if again && after_merged => None,
            (0, false, false) if after_merged => self.lost(edge),
            (0, ..) => {
                let low = !was_low;
                self.set_low(edge.line, low);
                self.decoder.edge(Edge { low, ..edge })
            }
            (1, false, false) => {
                self.merged += 1;
                self.merged_last = Some(edge.line);
                self.decoder.pulse(edge.line, edge.at_ns)
            }
            _ => self.lost(edge),
        }
    }

    fn lost(&mut self, edge: Edge) -> Option<Outcome> {
        self.set_low(edge.line, edge.low);
        self.decoder.lost(edge.at_ns)
    }

    fn is_low(&self, line: Line) -> bool {
        match line {
            Line::D0 => self.d0_low,
            Line::D1 => self.d1_low,
        }
    }

    fn set_low(&mut self, line: Line, low: bool) {
        match line {
            Line::D0 => self.d0_low = low,
            Line::D1 => self.d1_low = low,
        }
    }
}
