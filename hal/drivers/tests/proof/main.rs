// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cards that prove their numbers, at each reader and each of its links, against cards that are
//! genuine, foreign, cloned, replayed, in between, or taken away.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test that panics has failed"
)]

mod cards;
mod faults;
mod rig;
