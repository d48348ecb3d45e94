// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The database: one set of queries for SQLite and PostgreSQL, one file a noun. Functions here take
//! a connection that is in a transaction; who may change what is decided in `app`.
//!
//! Order of locks, the same everywhere so that nobody waits in a ring: the box's row, the site's row,
//! quotas' rows by id, the end of the audit log.

mod database;
mod list;
mod row;
pub(crate) mod schema;

pub(crate) use database::{Database, Tx};
pub(crate) use row::{Columns, keyword, signed, stamp};

pub(crate) mod administrators;
pub(crate) mod alerts;
pub(crate) mod audit;
pub(crate) mod charges;
pub(crate) mod codes;
pub(crate) mod credentials;
pub(crate) mod enrolments;
pub(crate) mod groups;
pub(crate) mod jobs;
pub(crate) mod journal;
pub(crate) mod leases;
pub(crate) mod logins;
pub(crate) mod nodes;
pub(crate) mod objects;
pub(crate) mod prices;
pub(crate) mod quotas;
pub(crate) mod releases;
pub(crate) mod rules;
pub(crate) mod secrets;
pub(crate) mod site;
pub(crate) mod tries;
pub(crate) mod users;
