// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a central server does with its database. The program around it (`main.rs`) brings HTTP, TLS
//! and the configuration.
//!
//! - [`app`]: everything that can be asked of a site, as methods of [`app::Centre`].
//! - `db`: the queries, one file a noun, the same for SQLite and PostgreSQL.
//! - `sql`: the schema, as numbered steps.

pub mod app;
mod db;
