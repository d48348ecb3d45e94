// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The wish to end: SIGTERM, and SIGINT at a terminal.

use std::io;

use async_signal::{Signal, Signals};
use smol::stream::StreamExt as _;

/// Waits for the wish to end. From its making on the signals don't end the program by themselves.
#[derive(Debug)]
pub struct StopSignal(Signals);

impl StopSignal {
    /// Catches the signals from now on.
    ///
    /// # Errors
    /// The system's own.
    pub fn catch() -> io::Result<Self> {
        Signals::new([Signal::Term, Signal::Int]).map(Self)
    }

    /// Returns when the program shall end.
    pub async fn wait(&mut self) {
        // The stream ends only when signals can't come any more: the same as one.
        let _ = self.0.next().await;
    }
}
