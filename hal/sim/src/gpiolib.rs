// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How Linux hands over the edges of several lines in one request: the interrupt handler and the
//! thread of `drivers/gpio/gpiolib-cdev.c` (6.1, `edge_irq_handler` and `edge_irq_thread`), step by
//! step, with the times that a busy machine puts between the steps.
//!
//! Both edges are asked for, the clock is monotonic. Not modelled: the queue's limit, and hardware
//! that loses an edge.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::wiegand::WireEdge;

/// An edge as a program reads it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KernelEdge {
    /// Whether it is the second line.
    pub one: bool,
    /// Whether the line was low when the thread looked.
    pub low: bool,
    /// The kernel's time of it.
    pub at_ns: u64,
    /// The kernel's number of it, over both lines.
    pub number: u32,
}

/// What a line's thread and the interrupts share.
#[derive(Clone, Copy, Debug, Default)]
struct LineState {
    /// `line->timestamp_ns`.
    timestamp_ns: u64,
    /// `line->req_seqno`.
    number: u32,
    /// The thread is between its first and last step.
    running: bool,
    /// An interrupt has woken the thread since it began.
    woken: bool,
    /// What the thread has put together.
    event_ns: u64,
    event_low: bool,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Step {
    Interrupt,
    TakeTime,
    ClearTime,
    ReadLevel,
    Queue,
}

struct Kernel<'a, L> {
    edges: &'a [WireEdge],
    latency: L,
    lines: [LineState; 2],
    /// `lr->seqno`.
    number: u32,
    steps: BinaryHeap<Reverse<(u64, Step, bool)>>,
    queue: Vec<KernelEdge>,
}

/// The edges of `wire`, which must be in order, as a program reads them. `latency` gives the
/// nanoseconds from an edge to its interrupt, and from each step of a thread to its next one.
pub fn handed_over(wire: &[WireEdge], latency: impl FnMut() -> u64) -> Vec<KernelEdge> {
    let mut kernel = Kernel {
        edges: wire,
        latency,
        lines: [LineState::default(); 2],
        number: 0,
        steps: BinaryHeap::new(),
        queue: Vec::new(),
    };
    let mut last = [0_u64; 2];
    for edge in wire {
        // A line's interrupts come in its edges' order.
        let place = &mut last[usize::from(edge.one)];
        let at_ns = (edge.at_ns + (kernel.latency)() % 2_000).max(*place + 1);
        *place = at_ns;
        kernel
            .steps
            .push(Reverse((at_ns, Step::Interrupt, edge.one)));
    }
    while let Some(Reverse((now_ns, step, one))) = kernel.steps.pop() {
        kernel.step(now_ns, step, one);
    }
    kernel.queue
}

impl<L: FnMut() -> u64> Kernel<'_, L> {
    fn step(&mut self, now_ns: u64, step: Step, one: bool) {
        let mut line = self.lines[usize::from(one)];
        match step {
            Step::Interrupt => {
                line.timestamp_ns = now_ns;
                line.number = self.next_number();
                line.woken = true;
                if !line.running {
                    line.running = true;
                    self.later(now_ns, Step::TakeTime, one);
                }
            }
            Step::TakeTime => {
                line.woken = false;
                line.event_ns = line.timestamp_ns;
                if line.timestamp_ns == 0 {
                    line.event_ns = now_ns;
                    line.number = self.next_number();
                }
                self.later(now_ns, Step::ClearTime, one);
            }
            Step::ClearTime => {
                line.timestamp_ns = 0;
                self.later(now_ns, Step::ReadLevel, one);
            }
            Step::ReadLevel => {
                line.event_low = self.is_low(one, now_ns);
                self.later(now_ns, Step::Queue, one);
            }
            Step::Queue => {
                self.queue.push(KernelEdge {
                    one,
                    low: line.event_low,
                    at_ns: line.event_ns,
                    number: line.number,
                });
                line.running = line.woken;
                if line.woken {
                    self.later(now_ns, Step::TakeTime, one);
                }
            }
        }
        self.lines[usize::from(one)] = line;
    }

    fn later(&mut self, now_ns: u64, step: Step, one: bool) {
        let wait = match step {
            // Only the wake-up of the thread takes long.
            Step::TakeTime => (self.latency)(),
            _ => (self.latency)() % 3_000,
        };
        self.steps.push(Reverse((now_ns + wait, step, one)));
    }

    fn next_number(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    fn is_low(&self, one: bool, now_ns: u64) -> bool {
        let until = self.edges.partition_point(|edge| edge.at_ns <= now_ns);
        let before = self.edges.iter().take(until);
        let last = before.rev().find(|edge| edge.one == one);
        last.is_some_and(|edge| edge.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse() -> [WireEdge; 2] {
        let edge = |low, at_ns| WireEdge {
            one: true,
            low,
            at_ns,
        };
        [edge(true, 1_000_000), edge(false, 1_050_000)]
    }

    #[test]
    fn a_quick_machine_hands_over_what_was_on_the_wire() {
        let edges = handed_over(&pulse(), || 0);
        let edge = |low, at_ns, number| KernelEdge {
            one: true,
            low,
            at_ns,
            number,
        };
        assert_eq!(edges, [edge(true, 1_000_000, 1), edge(false, 1_050_000, 2)]);
    }

    #[test]
    fn a_thread_that_is_later_than_the_pulse_is_long_hands_over_one_rise() {
        let edges = handed_over(&pulse(), || 80_000);
        let [edge] = edges[..] else {
            panic!("{edges:?}");
        };
        assert_eq!((edge.low, edge.number), (false, 2));
    }
}
