// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What it means that the daemon lives: its executor turns, the thread of every part of the box and of
//! every printer comes round. A printer that is slow is no reason to end anything, nor is a part that
//! does not answer: its thread comes round and says so.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use platen_service::{EXECUTOR_LIMIT, Liveness, Notifier, Pulse, Stuck, Watchdog, beats};

use crate::node::Node;

/// Calls into a driver are over in a second and a half, or the kernel does not return from them; then
/// the part is told as gone, and past this the daemon is no good any more.
const PART_LIMIT: Duration = Duration::from_secs(60);
/// The longest that a printer's thread works without its printer: counting the pages of the largest
/// document on the smallest box, reading it from a slow disk.
const PRINTER_LIMIT: Duration = Duration::from_secs(600);
/// How often the line for the init system is looked at.
const STATUS: Duration = Duration::from_secs(10);

/// Parts of the daemon that don't come round now.
#[derive(Default)]
pub(crate) struct Alive(Mutex<Vec<Stuck>>);

impl Alive {
    pub(crate) fn stuck(&self) -> Vec<Stuck> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, stuck: &[Stuck]) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stuck.to_vec();
    }
}

/// Looks after the daemon's parts from now on.
pub(crate) fn watch(node: &Arc<Node>, notifier: &Arc<Notifier>) -> io::Result<Watchdog> {
    let mut liveness = Liveness::default();
    let beat = liveness.beat("executor", EXECUTOR_LIMIT);
    node.executor.spawn(beats(beat)).detach();
    for (at, (name, _)) in node.devices.beats().into_iter().enumerate() {
        let node = Arc::downgrade(node);
        liveness.watch(format!("device {name}"), PART_LIMIT, move || {
            part_pulse(&node, at)
        });
    }
    for target in node.releases.targets() {
        let pace = Arc::clone(&target.pace);
        let name = format!("printer {}", target.config.name);
        liveness.watch(name, PRINTER_LIMIT, move || pace.pulse());
    }
    let shared = Arc::clone(node);
    let telling = tell(Arc::downgrade(node), Arc::clone(notifier));
    node.executor.spawn(telling).detach();
    let clock = Arc::clone(&node.clock);
    Watchdog::start(Arc::clone(notifier), clock, liveness, move |stuck| {
        shared.alive.set(stuck);
    })
}

fn part_pulse(node: &Weak<Node>, at: usize) -> Pulse {
    let beats = node.upgrade().map(|node| node.devices.beats());
    let beat = beats.and_then(|beats| beats.get(at).map(|(_, beat)| *beat));
    beat.map_or(Pulse::Waits, Pulse::At)
}

/// Keeps the init system's line about the box true.
async fn tell(node: Weak<Node>, notifier: Arc<Notifier>) {
    let mut told = String::new();
    while let Some(node) = node.upgrade() {
        let line = line(&node);
        if line != told {
            notifier.status(&line);
            told = line;
        }
        drop(node);
        smol::Timer::after(STATUS).await;
    }
}

/// One line about the box.
pub(crate) fn line(node: &Node) -> String {
    let jobs = node.spool.held_count();
    let modes = node.modes().join(", ");
    format!("{modes}; {jobs} jobs wait; {}", node.queue_uri())
}
