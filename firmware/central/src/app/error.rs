// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Why the centre did not do what it was asked to, and whose fault that is.

use std::fmt;

use thiserror::Error;

/// Why the centre did not do what it was asked to. Nothing was changed then, but for the parts of
/// an import that were taken before.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CentreError {
    /// The database cannot be reached or did not answer in time.
    #[error("the database cannot be reached now; nothing was changed, try again")]
    Unavailable(#[source] sqlx::Error),
    /// The database has no room left.
    #[error("the database has no room on its disk; nothing was changed, make room and try again")]
    Full(#[source] sqlx::Error),
    /// Others changed the same at the same time, and the database let them go first.
    #[error("others changed the same at once; nothing was changed, try again")]
    Crossed(#[source] sqlx::Error),
    /// The database refused a statement that it should take.
    #[error("the database failed; nothing was changed")]
    Database(#[source] sqlx::Error),
    /// A newer program made the schema.
    #[error(
        "the database has schema {found}, this program knows up to {known}: start the newer \
         program, or put back the copy that was made before it"
    )]
    Newer {
        /// The schema's version.
        found: u64,
        /// The newest version known here.
        known: u64,
    },
    /// The database's URL is none.
    #[error("the database's address must begin with sqlite: or postgres: and be a URL")]
    Address(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is in the database was sealed with another key.
    #[error("the key file is not the one this database was made with: put the right one back")]
    WrongKey,
    /// What stands in the database is not what was written.
    #[error("the database holds a {what} that cannot be read")]
    Corrupt {
        /// What it is.
        what: &'static str,
    },
    /// There is no such thing.
    #[error("there is no such {what}")]
    Missing {
        /// What was looked for.
        what: &'static str,
    },
    /// It would stand against something that is there.
    #[error("{why}")]
    Conflict {
        /// What stands against it, and what to do.
        why: String,
    },
    /// What was given is not right.
    #[error("{field}: {why}")]
    Invalid {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Name or secret is wrong: which of them is not told.
    #[error("the name or the password is wrong")]
    WrongSecret,
    /// Too many wrong tries.
    #[error("too many wrong tries; wait {minutes} minutes and try again")]
    LockedOut {
        /// How long.
        minutes: u64,
    },
    /// An import file could not be read.
    #[error("the file cannot be taken: {why}")]
    File {
        /// Why not.
        why: String,
    },
    /// Too much to do at once.
    #[error("too many people log in at once; try again in a moment")]
    Busy,
    /// A box sent what no honest box sends.
    #[error("the box's journal is not taken: {why}")]
    Journal {
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The system gave no random bytes, or Argon2id no memory.
    #[error("the system gave no random bytes or no memory; try again")]
    System,
}

/// Whose fault an error is: what an HTTP answer needs to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Asked wrongly (400).
    Asked,
    /// Not proved who is asking (401).
    Unproved,
    /// Not there (404).
    Missing,
    /// Against something that is there (409).
    Conflict,
    /// Too many tries (429).
    TooMany,
    /// For the time being (503).
    Busy,
    /// An administrator of the machine must do something (500).
    Broken,
}

impl CentreError {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Unavailable(_) | Self::Full(_) | Self::Crossed(_) | Self::Busy | Self::System => {
                Fault::Busy
            }
            Self::Missing { .. } => Fault::Missing,
            Self::Conflict { .. } => Fault::Conflict,
            Self::Invalid { .. } | Self::File { .. } | Self::Journal { .. } => Fault::Asked,
            Self::WrongSecret => Fault::Unproved,
            Self::LockedOut { .. } => Fault::TooMany,
            Self::Database(_)
            | Self::Newer { .. }
            | Self::Address(_)
            | Self::WrongKey
            | Self::Corrupt { .. } => Fault::Broken,
        }
    }

    pub(crate) fn invalid(field: &'static str, why: impl fmt::Display) -> Self {
        let why = why.to_string();
        Self::Invalid { field, why }
    }

    pub(crate) fn conflict(why: impl Into<String>) -> Self {
        Self::Conflict { why: why.into() }
    }

    pub(crate) fn missing(what: &'static str) -> Self {
        Self::Missing { what }
    }

    pub(crate) fn corrupt(what: &'static str) -> Self {
        Self::Corrupt { what }
    }
}

// SQLSTATE classes of PostgreSQL (its manual, appendix A) and SQLite's primary result codes.
const POSTGRES_FULL: [&str; 2] = ["53100", "53200"]; // disk_full, out_of_memory
const POSTGRES_AWAY: [&str; 5] = [
    "57P01", "57P02", "57P03", // shutting down, crashed, starting
    "53300", "53400", // too many connections, a configured limit
];
const POSTGRES_CROSSED: [&str; 2] = ["40001", "40P01"]; // serialization_failure, deadlock_detected
const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_FULL: i32 = 13;

impl From<sqlx::Error> for CentreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => return Self::Unavailable(error),
            sqlx::Error::Database(inner) => {
                let code = inner.code().unwrap_or_default();
                let number = code.parse::<i32>().map_or(0, |code| code & 0xff);
                let of_sqlite = code.len() < 5;
                if POSTGRES_FULL.contains(&&*code) || (of_sqlite && number == SQLITE_FULL) {
                    return Self::Full(error);
                }
                if POSTGRES_CROSSED.contains(&&*code) {
                    return Self::Crossed(error);
                }
                let busy = [SQLITE_BUSY, SQLITE_LOCKED].contains(&number);
                let away = POSTGRES_AWAY.contains(&&*code) || code.starts_with("08");
                if away || (of_sqlite && busy) {
                    return Self::Unavailable(error);
                }
            }
            _ => {}
        }
        Self::Database(error)
    }
}
