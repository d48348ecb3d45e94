// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Connections and transactions. What both databases do differently is here and in `schema.rs`.

use std::fs::OpenOptions;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use smol::lock::{Mutex, MutexGuardArc};
use sqlx::any::{Any, AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{AnyConnection, AnyPool, Connection, Transaction};

use crate::app::CentreError;

/// Connections at once. Statements are short; PostgreSQL allows 100 unless set.
const CONNECTIONS_MAX: u32 = 16;
/// How long somebody waits for a connection before the database counts as away: a box tries again
/// by itself, a person should be told soon.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(3);
/// A connection that lay idle for longer is asked whether it still leads somewhere before it is used: no
/// database comes back within that time.
const IDLE_UNASKED: Duration = Duration::from_millis(100);
/// Beyond this a statement is given up, so that none holds a row for ever.
const STATEMENT_LIMIT_MS: u64 = 60_000;

static DRIVERS: Once = Once::new();

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// The database, shared by everybody in this process.
pub(crate) struct Database {
    pool: AnyPool,
    kind: Kind,
    /// SQLite has one writer: who waits here waits in order instead of polling the file's lock.
    writer: Arc<Mutex<()>>,
}

/// A transaction. Dropping it takes back what was done in it.
pub(crate) struct Tx {
    inner: Transaction<'static, Any>,
    _writer: Option<MutexGuardArc<()>>,
}

impl Database {
    /// Connects. A SQLite file that is not there is made, for its owner alone.
    pub(crate) async fn open(url: &str) -> Result<Self, CentreError> {
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let kind = match url.split_once(':') {
            Some(("sqlite", _)) => Kind::Sqlite,
            Some(("postgres" | "postgresql", _)) => Kind::Postgres,
            _ => return Err(CentreError::Address("neither of both schemes".into())),
        };
        let options: AnyConnectOptions = url
            .parse()
            .map_err(|error: sqlx::Error| CentreError::Address(error.into()))?;
        if let Kind::Sqlite = kind {
            make_file(url)?;
        }
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_LIMIT)
            .idle_timeout(Some(Duration::from_secs(600)))
            .test_before_acquire(false)
            .before_acquire(|connection, standing| {
                Box::pin(still_there(connection, standing.idle_for))
            })
            .after_connect(move |connection, _| Box::pin(prepare(connection, kind)))
            .after_release(move |connection, _| Box::pin(is_clean(connection, kind)))
            .connect_lazy_with(options);
        let writer = Arc::default();
        Ok(Self { pool, kind, writer })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Begins a transaction that changes something.
    pub(crate) async fn write(&self) -> Result<Tx, CentreError> {
        let (writer, statement) = match self.kind {
            // Takes the write lock at once: a transaction that reads first would fail to upgrade.
            Kind::Sqlite => (Some(self.writer.lock_arc().await), "BEGIN IMMEDIATE"),
            Kind::Postgres => (None, "BEGIN"),
        };
        let inner = self.pool.begin_with(statement).await?;
        Ok(Tx {
            inner,
            _writer: writer,
        })
    }

    /// Begins a transaction that reads one state of everything.
    pub(crate) async fn read(&self) -> Result<Tx, CentreError> {
        let statement = match self.kind {
            Kind::Sqlite => "BEGIN",
            Kind::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        let inner = self.pool.begin_with(statement).await?;
        Ok(Tx {
            inner,
            _writer: None,
        })
    }

    /// A connection for questions of which each stands by itself: they need no transaction.
    pub(crate) async fn questions(&self) -> Result<PoolConnection<Any>, CentreError> {
        Ok(self.pool.acquire().await?)
    }

    /// Closes all connections.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

impl Tx {
    /// Makes it last. Survives power loss when this returns.
    pub(crate) async fn commit(self) -> Result<(), CentreError> {
        Ok(self.inner.commit().await?)
    }
}

impl Deref for Tx {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}

async fn prepare(connection: &mut AnyConnection, kind: Kind) -> Result<(), sqlx::Error> {
    match kind {
        Kind::Sqlite => {
            // FULL: in WAL mode only that syncs at every commit, and accepted means durable.
            let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                 PRAGMA busy_timeout = 10000; PRAGMA cache_size = -16000;";
            sqlx::raw_sql(settings).execute(&mut *connection).await?;
        }
        Kind::Postgres => {
            let limits = format!(
                "SET statement_timeout = {STATEMENT_LIMIT_MS}; \
                 SET idle_in_transaction_session_timeout = {STATEMENT_LIMIT_MS}; \
                 SET synchronous_commit = on"
            );
            // The text is made of a constant.
            sqlx::raw_sql(sqlx::AssertSqlSafe(limits))
                .execute(&mut *connection)
                .await?;
        }
    }
    connection.ping().await
}

/// Whether a connection still leads somewhere. One that was used a moment ago is not asked: that would
/// double the trips of a short question.
async fn still_there(connection: &mut AnyConnection, idle: Duration) -> Result<bool, sqlx::Error> {
    if idle >= IDLE_UNASKED {
        connection.ping().await?;
    }
    Ok(true)
}

/// Whether a connection that comes back may be used again. SQLite takes a transaction back by itself
/// when the disk is full, and then sqlx counts it as open for ever.
async fn is_clean(connection: &mut AnyConnection, kind: Kind) -> Result<bool, sqlx::Error> {
    if kind == Kind::Postgres {
        return Ok(true);
    }
    // Goes behind the rollback that is on its way.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// SQLite makes its other files with the mode of the first one.
fn make_file(url: &str) -> Result<(), CentreError> {
    let rest = url.trim_start_matches("sqlite:");
    let path = rest.trim_start_matches("//");
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    if path.is_empty() || path == ":memory:" {
        return Err(CentreError::Address("a SQLite database is a file".into()));
    }
    let made = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(Path::new(path));
    made.map(drop)
        .map_err(|error| CentreError::Unavailable(sqlx::Error::Io(error)))
}
