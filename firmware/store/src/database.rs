// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Typed, sealed tables over sled: indexes, caches and cursors, all of which can be rebuilt.
//!
//! sled 0.34's own `flush` does not survive a power cut (it never syncs the file), it can refuse to
//! open after one, and it can panic on a damaged file. So: [`Database::commit`] is flush **and**
//! fsync and the only way to flush; every call runs under a guard that turns a panic into an
//! error; a database that does not open, or was found damaged while in use, is moved aside and an
//! empty one takes its place. A file whose end was cut off opens as an older state of itself: who
//! must know keeps a record that is written last (the spool's clean mark). Values are sealed; table
//! names and keys are not, so keys are ids or keyed hashes.

mod table;

use std::fs::{self, File};
use std::io;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use platen_model::Chain;

pub use self::table::{Batch, Row, Table};
use crate::keys::Keys;
use crate::seal::SealError;

/// Bytes of a key, at most.
pub const KEY_BYTES_MAX: usize = 128;
/// Bytes of a value before sealing, at most: far below what sled would put into files of its own,
/// which no power-cut test has covered.
pub const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a table's name, at most.
pub const TABLE_NAME_BYTES_MAX: usize = 32;

// A hint: about four times as much is resident (measured with 50,000 jobs).
const CACHE_BYTES: u64 = 4 * 1024 * 1024;
/// Changes are refused when less is free. sled refuses every later write once one of its own met a
/// full disk, so it must never meet one; it writes at most a few segments of 512 KiB at a time.
pub const WRITE_RESERVE_BYTES: u64 = 4 * 1024 * 1024;
const RECURSION_MAX: usize = 32;
const DAMAGED_KEPT_MAX: usize = 2;
/// In the directory: found damaged while in use, to be moved aside at the next start.
const DAMAGED_MARK: &str = "platen-damaged";
const CANARY_TABLE: &str = "platen";

/// Why the database did not answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// The directory could not be made, moved or synced.
    #[error("the database at {path} cannot be used")]
    Disk {
        /// The database's directory.
        path: PathBuf,
        /// The disk's own error.
        #[source]
        source: io::Error,
    },
    /// sled reports an error; damage is marked and the database replaced at the next start.
    #[error("the database failed")]
    Sled(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The disk has less room than [`WRITE_RESERVE_BYTES`]: nothing was changed.
    #[error("there is no room for the database to write")]
    Full,
    /// A database that was made once has lost its first record.
    #[error("the database has lost its records")]
    Emptied,
    /// sled panicked; marked and replaced at the next start.
    #[error("the database panicked")]
    Panicked,
    /// A value does not open with this box's key.
    #[error("a value in table {table} does not open")]
    Sealed {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        #[source]
        source: SealError,
    },
    /// A value is not of the table's type: written by another version.
    #[error("a value in table {table} is not understood")]
    Value {
        /// The table.
        table: &'static str,
    },
    /// A key, name or value above its limit.
    #[error("a key or value for table {table} is too large")]
    TooLarge {
        /// The table.
        table: &'static str,
    },
}

impl DatabaseError {
    /// Whether the disk was full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let inner = match self {
            Self::Full => return true,
            Self::Disk { source, .. } => Some(source),
            Self::Sled(source) => match source.downcast_ref::<sled::Error>() {
                Some(sled::Error::Io(source)) => Some(source),
                _ => None,
            },
            _ => None,
        };
        inner.is_some_and(|error| error.kind() == io::ErrorKind::StorageFull)
    }
}

/// What [`Database::open`] found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum OpenOutcome {
    /// A database that opened.
    Opened,
    /// Nothing: an empty one was made.
    Created,
    /// A damaged one, moved aside; an empty one took its place.
    Replaced {
        /// Where the damaged one is now.
        moved_to: PathBuf,
    },
}

impl OpenOutcome {
    /// Whether the database started empty, so that indexes must be rebuilt.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self != Self::Opened
    }
}

/// The database. Cheap to clone; all clones are one. Calls block, short ones (get, insert) on
/// memory mostly, [`Database::commit`] on the disk.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    sled: sled::Db,
    file: File,
    keys: Arc<Keys>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Database({})", self.inner.path.display())
    }
}

impl Database {
    /// Opens the database in directory `path`, or makes it. Blocks.
    ///
    /// # Errors
    /// [`DatabaseError`] only if there is no way to have even an empty one.
    pub fn open(path: &Path, keys: &Arc<Keys>) -> Result<(Self, OpenOutcome), DatabaseError> {
        let existed = path.exists();
        if !path.join(DAMAGED_MARK).exists() {
            match Self::try_open(path, keys, existed) {
                Ok(database) => {
                    let outcome = if existed {
                        OpenOutcome::Opened
                    } else {
                        OpenOutcome::Created
                    };
                    return Ok((database, outcome));
                }
                Err(error) if !existed || error.is_full() => return Err(error),
                Err(error) => log::warn!(err:% = Chain(&error); "database does not open"),
            }
        }
        let moved_to = move_aside(path).map_err(|source| disk_error(path, source))?;
        log::error!(
            path:% = path.display(), moved_to:% = moved_to.display();
            "database is damaged: moved aside, starting with an empty one"
        );
        let database = Self::try_open(path, keys, false)?;
        Ok((database, OpenOutcome::Replaced { moved_to }))
    }

    fn try_open(path: &Path, keys: &Arc<Keys>, existed: bool) -> Result<Self, DatabaseError> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None);
        let sled = guarded(|| config.open())?;
        let file = File::open(path.join("db")).map_err(|source| disk_error(path, source))?;
        let inner = Inner {
            path: path.to_owned(),
            sled,
            file,
            keys: Arc::clone(keys),
        };
        let database = Self {
            inner: Arc::new(inner),
        };
        database.check_canary(existed)?;
        Ok(database)
    }

    /// One value that must be there and open: sled opens an emptied file without a word, and a
    /// database sealed with another key is as good as damaged.
    fn check_canary(&self, existed: bool) -> Result<(), DatabaseError> {
        let table = self.table::<u32>(CANARY_TABLE)?;
        if table.get(b"canary")?.is_some() {
            return Ok(());
        }
        if existed {
            return Err(DatabaseError::Emptied);
        }
        table.insert(b"canary", &1)?;
        self.commit()?;
        let sync = |dir: &Path| File::open(dir)?.sync_all();
        let parent = self.inner.path.parent().unwrap_or(Path::new("."));
        sync(&self.inner.path)
            .and_then(|()| sync(parent))
            .map_err(|source| disk_error(&self.inner.path, source))
    }

    /// The table called `name`: a fixed identifier, at most [`TABLE_NAME_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`DatabaseError::TooLarge`].
    pub fn table<V>(&self, name: &'static str) -> Result<Table<V>, DatabaseError> {
        if name.is_empty() || name.len() > TABLE_NAME_BYTES_MAX || name.contains('\0') {
            return Err(DatabaseError::TooLarge { table: name });
        }
        Ok(Table {
            database: self.clone(),
            name,
            value: PhantomData,
        })
    }

    /// Applies a batch: all of it or nothing, also over a power cut (which may still undo the
    /// whole batch until [`Database::commit`]).
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn apply(&self, batch: Batch) -> Result<(), DatabaseError> {
        self.inner.write(|sled| sled.apply_batch(batch.writes))
    }

    /// Makes every change so far survive a power cut. Blocks on the disk.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn commit(&self) -> Result<(), DatabaseError> {
        self.inner.write(|sled| sled.flush())?;
        self.inner
            .file
            .sync_all()
            .map_err(|source| disk_error(&self.inner.path, source))
    }
}

impl Inner {
    fn run<T>(&self, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, DatabaseError> {
        let result = guarded(|| call(&self.sled));
        if let Err(error) = &result {
            self.mark_if_damaged(error);
        }
        result
    }

    fn write<T>(
        &self,
        call: impl FnOnce(&sled::Db) -> sled::Result<T>,
    ) -> Result<T, DatabaseError> {
        let figures = rustix::fs::fstatvfs(&self.file)
            .map_err(|error| disk_error(&self.path, error.into()))?;
        if figures.f_bavail.saturating_mul(figures.f_frsize) < WRITE_RESERVE_BYTES {
            return Err(DatabaseError::Full);
        }
        self.run(call)
    }

    fn mark_if_damaged(&self, error: &DatabaseError) {
        let damaged = match error {
            DatabaseError::Panicked => true,
            DatabaseError::Sled(source) => !matches!(
                source.downcast_ref::<sled::Error>(),
                Some(sled::Error::Io(_))
            ),
            _ => false,
        };
        if damaged {
            log::error!(path:% = self.path.display(); "database is damaged: replaced at next start");
            let mark = File::create(self.path.join(DAMAGED_MARK)).and_then(|file| file.sync_all());
            if let Err(error) = mark {
                log::error!(err:% = Chain(&error); "the damage could not be marked");
            }
        }
    }
}

fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, DatabaseError> {
    // Whatever state a panic leaves behind is only used to be moved aside.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| DatabaseError::Sled(Box::new(error))),
        Err(_) => Err(DatabaseError::Panicked),
    }
}

fn disk_error(path: &Path, source: io::Error) -> DatabaseError {
    DatabaseError::Disk {
        path: path.to_owned(),
        source,
    }
}

/// Renames `path` to the next free `<name>.damaged-<n>` and removes the oldest beyond
/// [`DAMAGED_KEPT_MAX`].
fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let mut old = damaged_copies(path)?;
    let next = old.last().map_or(1, |(number, _)| number + 1);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".damaged-{next}"));
    let moved_to = path.with_file_name(name);
    fs::rename(path, &moved_to)?;
    old.push((next, moved_to.clone()));
    let surplus = old.len().saturating_sub(DAMAGED_KEPT_MAX);
    for (_, copy) in old.iter().take(surplus) {
        fs::remove_dir_all(copy)?;
    }
    Ok(moved_to)
}

fn damaged_copies(path: &Path) -> io::Result<Vec<(u32, PathBuf)>> {
    let prefix = format!(
        "{}.damaged-",
        path.file_name().unwrap_or_default().to_string_lossy()
    );
    let mut copies = Vec::new();
    for entry in fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(&prefix));
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            copies.push((number, entry.path()));
        }
    }
    copies.sort();
    Ok(copies)
}
