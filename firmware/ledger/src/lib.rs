// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The append-only, hash-chained journal of releases, charges and logins.
//!
//! A [`Ledger`] answers an append only when the record is on the disk: the release ticket is an
//! [`Entry::Released`] that was acknowledged before the first byte leaves the box. Byte map, rules
//! of repair and the version's history: `docs/formats/ledger.md`.
//!
//! - [`entry`]: what is recorded.
//! - [`error`]: why an append or a look back failed.
//! - [`ledger`]: opening, appending, reading.
//! - [`purse`]: what the box may spend of quotas.
//! - [`verify`]: reading everything and saying what is wrong.

mod books;
pub mod entry;
pub mod error;
mod frame;
pub mod ledger;
pub mod purse;
mod reader;
mod recover;
mod segment;
pub mod verify;
mod walk;
mod writer;

pub use entry::{Cost, Entry, OpenRelease, Outcome, Recorded, SettledRelease, Stamp};
pub use error::LedgerError;
pub use frame::ChainHash;
pub use ledger::{Ledger, LedgerReport, Limits, Receipt};
pub use purse::{Purse, PurseError, ReserveError, Want};
pub use verify::{Fault, Verification};
