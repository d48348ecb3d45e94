// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Held jobs: sealed bodies, tickets, the job index.
//!
//! Files are the truth: a job is `jobs/<uuid>.ticket` and `jobs/<uuid>.body`
//! (`docs/formats/ticket.md`). The index in the database answers questions quickly and is rebuilt
//! from the tickets whenever it was not closed cleanly. A job that [`Spool::commit`] answered with
//! `Ok` survives a power cut, sealed and whole.
//!
//! - [`spool`]: the interface.
//! - [`upload`]: a body on its way in.
//! - `changed`: who is told of changes.
//! - `commit`: the one thread that makes changes durable, many at the price of one.
//! - `index`: numbers, owners, states, history.
//! - `rebuild`: what is found at start.
//! - `ticket`: the file format.

mod changed;
mod commit;
pub mod error;
mod index;
mod rebuild;
pub mod spool;
mod ticket;
pub mod upload;

pub use changed::{Changed, Changes};
pub use error::SpoolError;
pub use rebuild::OpenReport;
pub use spool::{NewJob, Spool, SpoolLimits, Which};
pub use upload::Upload;
