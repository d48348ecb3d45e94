// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Simulated lines where a driver's thread waits for edges.

use std::time::Duration;

use platen_hal_linux::lines::{EdgeSource, LineEdge, LineError};
use platen_hal_sim::SimLines;

/// How long a thread sleeps before it looks again: what a hand does may be told that much later.
const LOOK: Duration = Duration::from_millis(10);

/// Edges of simulated lines.
pub(super) struct SimEdges(Option<SimLines>);

impl SimEdges {
    /// Of these lines.
    pub(super) fn new(lines: &SimLines) -> Self {
        Self(Some(lines.clone()))
    }

    /// Of lines whose edges nobody counts: each wait ends as if there had been one.
    pub(super) fn always() -> Self {
        Self(None)
    }

    fn has_edges(&self) -> bool {
        self.0.as_ref().is_none_or(SimLines::has_edges)
    }
}

impl EdgeSource for SimEdges {
    fn wait(&mut self, limit: Duration) -> Result<bool, LineError> {
        let mut waited = Duration::ZERO;
        while waited < limit && (self.0.is_none() || !self.has_edges()) {
            let step = LOOK.min(limit - waited);
            smol::block_on(smol::Timer::after(step));
            waited += step;
            if self.0.is_none() {
                break;
            }
        }
        Ok(self.has_edges())
    }

    fn take(&mut self) -> Result<Vec<LineEdge>, LineError> {
        let edges = self.0.as_ref().map(SimLines::take).unwrap_or_default();
        let edge = |edge: platen_hal_sim::SimEdge| LineEdge {
            line: edge.line,
            high: edge.high,
            at_ns: edge.at_ns,
            number: edge.number,
        };
        Ok(edges.into_iter().map(edge).collect())
    }

    fn is_high(&self, line: usize) -> Result<bool, LineError> {
        Ok(self.0.as_ref().is_some_and(|lines| lines.is_high(line)))
    }

    fn now_ns(&self) -> u64 {
        platen_hal_linux::lines::now_ns()
    }
}
