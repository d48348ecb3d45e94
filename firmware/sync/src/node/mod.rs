// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box's half: state machines that are told what came and say what to do. They hold no journal,
//! no directory and no clock; whoever drives them keeps those.
//!
//! - [`outbox`]: how far the centre has the journal, and what goes next.
//! - [`feed`]: what a page of the directory does to the box's copy.
//! - [`pace`]: when to try again.
//! - [`breaker`]: whether a login asks the centre.
//! - [`leases`]: which slices of quotas to take, want and close.
//! - [`token`]: which box may release a job.

pub mod breaker;
pub mod feed;
pub mod leases;
pub mod outbox;
pub mod pace;
pub mod token;
