// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The application layer on both databases: every case runs over SQLite and over a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod site;

mod accounts;
mod bindings;
mod directory;
mod failures;
mod import;
mod journal;
mod leases;
mod login;
mod members;
mod releases;
