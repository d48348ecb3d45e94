// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a recognised person to bytes at the printer.
//!
//! `tap` decides what a tap releases; one `worker` thread per printer carries it out, in order;
//! `target` is what both know about a printer. The ledger's `Released` record is the release
//! ticket: it is synced before the first byte leaves.

mod delivery;
mod envelope;
#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod races;
mod recover;
mod tap;
mod target;
mod worker;

pub(crate) use recover::{RecoverError, recover, resume_push_jobs};
pub(crate) use tap::{Queued, Releases, Tapped};
pub(crate) use target::Target;
pub(crate) use worker::{Workshop, spawn};
