// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The centre's half: decisions over plain state, made by the same code whether the state comes from
//! a database or from a simulation's memory. Each is to be made and saved in one transaction.
//!
//! - [`journal`]: what becomes of a push's entries.
//! - [`effect`]: what an entry means for accounts, credentials and the log.
//! - [`lease`]: how much of a quota a box gets, and what comes back.
//! - [`period`]: the numbers of a quota's periods.
//! - [`recovery`]: what changes after the centre was put back from a backup.

pub mod effect;
pub mod journal;
pub mod lease;
pub mod period;
pub mod recovery;
