// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Durable state: sealed files, the sled tables, and the disk behind them.
//!
//! - [`disk`]: files as a trait; [`RealDisk`] below one root, [`SimDisk`] that loses power on
//!   command, for the crash tests of every crate that writes.
//! - [`keys`]: the box key and what is derived from it; keyed hashes of cards and owners.
//! - [`seal`]: authenticated encryption of small values and of key files' contents.
//! - [`SealedFile`]: a small file that is sealed and replaced whole.
//! - [`body`]: job bodies, sealed chunk by chunk (byte map: `docs/formats/sealed-body.md`).
//! - [`database`]: typed, sealed tables over sled, opened under guard.

pub mod body;
pub mod database;
pub mod disk;
pub mod keys;
pub mod seal;
mod sealed_file;

pub use body::{BodyKey, BodyReader, BodySealer, BodyWriter};
pub use database::{Batch, Database, DatabaseError, OpenOutcome, Table};
pub use disk::{Disk, DiskFile, DiskRead, RealDisk, SimDisk};
pub use keys::{KeyError, Keys, normalise_owner};
pub use seal::{SealError, Sealer};
pub use sealed_file::{SealedFile, SealedFileError};
