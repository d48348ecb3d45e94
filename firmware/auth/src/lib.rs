// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Users and cards of this box, and who a presented card is.
//!
//! The truth is one sealed file, `directory.sealed` (byte map: `docs/formats/directory.md`),
//! because there is no centre yet that could send it again; the tables in the database are its
//! index and are made again from it. Card numbers are not kept, only their keyed hashes are.
//!
//! - [`directory`]: opening, importing, identifying.
//! - [`user`]: what is kept of a user.
//! - [`csv`]: the lines of an import file.
//! - [`error`]: why the directory did not do what it was asked to.

pub mod csv;
pub mod directory;
pub mod error;
mod import;
mod index;
mod snapshot;
pub mod user;

pub use directory::{Counts, Directory};
pub use error::DirectoryError;
pub use user::User;
