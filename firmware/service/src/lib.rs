// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What each of our long-running programs needs of the system that it runs on, and nothing of what it
//! does there.
//!
//! - [`clock`]: the system's clocks as a [`platen_model::Clock`].
//! - [`liveness`]: whether each part of a program still comes round.
//! - [`logger`]: log lines on standard error.
//! - [`notify`]: what the init system is told (`sd_notify(3)`), and its watchdog.
//! - [`watchdog`]: what tells it that the program lives.
//! - [`signals`]: the wish to end.

pub mod clock;
pub mod liveness;
pub mod logger;
pub mod notify;
pub mod signals;
pub mod watchdog;

pub use clock::{PLAUSIBLE_UNIX_MS, SystemClock};
pub use liveness::{Beat, Liveness, Pulse, Stuck};
pub use notify::{Notifier, Patience};
pub use signals::StopSignal;
pub use watchdog::{EXECUTOR_LIMIT, Watchdog, beats};
