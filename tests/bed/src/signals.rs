// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SIGINT and SIGTERM as an event, for the bed's own programs.

use std::io;

use async_signal::{Signal, Signals};
use smol::stream::StreamExt;

/// Calls `stop` once, on a thread of its own, when the program is told to end.
///
/// # Errors
/// The system's own, when the handlers cannot be set or no thread can be started.
pub fn on_stop(stop: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([Signal::Int, Signal::Term])?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            if smol::block_on(signals.next()).is_some() {
                stop();
            }
        })?;
    Ok(())
}
