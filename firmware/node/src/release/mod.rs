// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From a recognised person to bytes at the printer.
//!
//! `judge` decides on a job by the site's rules and quotas and sets aside what it may take; `tap`
//! releases what a person wants; one `worker` thread per printer carries it out, in order;
//! `target` is what both know about a printer,
//! `pace` whether its thread comes round. The ledger's `Released` record is the release
//! ticket: it is synced before the first byte leaves.

mod approvals;
#[cfg(test)]
pub(crate) mod bench;
mod delivery;
mod envelope;
mod judge;
mod pace;
#[cfg(test)]
mod power_cut;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod races;
mod recover;
#[cfg(test)]
mod rules;
mod site;
mod tap;
mod target;
mod worker;

pub(crate) use approvals::Approvals;
pub(crate) use judge::{Case, Judge, nobody};
pub(crate) use recover::{RecoverError, recover, resume_push_jobs};
pub(crate) use site::{Site, SiteTerms};
pub(crate) use tap::{Queued, Releases, Tapped, Wish};
pub(crate) use target::Target;
pub(crate) use worker::{Workshop, spawn};
