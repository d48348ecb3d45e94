// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Typed tables and batches: what of the database its users hold.

use std::marker::PhantomData;
use std::ops::Bound;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Database, DatabaseError, KEY_BYTES_MAX, RECURSION_MAX, VALUE_BYTES_MAX};

/// A typed table. Cheap to clone.
pub struct Table<V> {
    pub(super) database: Database,
    pub(super) name: &'static str,
    pub(super) value: PhantomData<fn() -> V>,
}

impl<V> Clone for Table<V> {
    fn clone(&self) -> Self {
        Self {
            database: self.database.clone(),
            name: self.name,
            value: PhantomData,
        }
    }
}

impl<V> std::fmt::Debug for Table<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Table({})", self.name)
    }
}

/// One row: the key within its table, and the value.
pub type Row<V> = (Vec<u8>, V);

impl<V: Serialize + DeserializeOwned> Table<V> {
    /// Puts a value. Durable after [`Database::commit`].
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn insert(&self, key: &[u8], value: &V) -> Result<(), DatabaseError> {
        let (place, sealed) = self.seal(key, value)?;
        self.database
            .inner
            .write(|sled| sled.insert(place, sealed))
            .map(drop)
    }

    /// Removes a value; one that is not there is no error.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn remove(&self, key: &[u8]) -> Result<(), DatabaseError> {
        let place = self.place(key)?;
        self.database
            .inner
            .write(|sled| sled.remove(place))
            .map(drop)
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn get(&self, key: &[u8]) -> Result<Option<V>, DatabaseError> {
        let place = self.place(key)?;
        let found = self.run(|sled| sled.get(&place))?;
        found.map(|sealed| self.open(&place, &sealed)).transpose()
    }

    /// Whether a key is there.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn contains(&self, key: &[u8]) -> Result<bool, DatabaseError> {
        let place = self.place(key)?;
        self.run(|sled| sled.contains_key(place))
    }

    /// Rows whose key begins with `prefix`, in order of keys, from either end.
    pub fn scan(
        &self,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<Row<V>, DatabaseError>> + use<V> {
        let place = [self.front().as_slice(), prefix].concat();
        self.rows(self.database.inner.sled.scan_prefix(place))
    }

    /// Rows between two keys, in order of keys, from either end.
    pub fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = Result<Row<V>, DatabaseError>> + use<V> {
        let front = self.front();
        let place = |key: &[u8]| [front.as_slice(), key].concat();
        let start = match from {
            Bound::Unbounded => Bound::Included(front.clone()),
            bound => bound.map(place),
        };
        let end = match to {
            Bound::Unbounded => Bound::Excluded(self.behind()),
            bound => bound.map(place),
        };
        self.rows(self.database.inner.sled.range((start, end)))
    }

    /// Number of rows. Walks them all: not for hot paths.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn len(&self) -> Result<usize, DatabaseError> {
        self.run(|sled| {
            sled.scan_prefix(self.front())
                .try_fold(0, |count, row| row.map(|_| count + 1))
        })
    }

    /// Whether there is no row.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn is_empty(&self) -> Result<bool, DatabaseError> {
        let first = self.run(|sled| sled.scan_prefix(self.front()).next().transpose())?;
        Ok(first.is_none())
    }

    /// Removes every row.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub fn clear(&self) -> Result<(), DatabaseError> {
        self.database.inner.write(|sled| {
            sled.scan_prefix(self.front()).try_for_each(|row| {
                let (place, _) = row?;
                sled.remove(place).map(drop)
            })
        })
    }

    fn run<T>(&self, call: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, DatabaseError> {
        self.database.inner.run(call)
    }

    fn rows(
        &self,
        iter: sled::Iter,
    ) -> impl DoubleEndedIterator<Item = Result<Row<V>, DatabaseError>> + use<V> {
        let table = self.clone();
        let skip = self.front().len();
        iter.map(move |row| {
            let (place, sealed) = table.run(|_| row)?;
            let value = table.open(&place, &sealed)?;
            Ok((place.get(skip..).unwrap_or_default().to_vec(), value))
        })
    }

    /// Name and a zero byte: where the table's keys begin.
    fn front(&self) -> Vec<u8> {
        [self.name.as_bytes(), &[0]].concat()
    }

    /// Name and a one byte: behind the table's last key.
    fn behind(&self) -> Vec<u8> {
        [self.name.as_bytes(), &[1]].concat()
    }

    fn place(&self, key: &[u8]) -> Result<Vec<u8>, DatabaseError> {
        if key.len() > KEY_BYTES_MAX {
            return Err(DatabaseError::TooLarge { table: self.name });
        }
        Ok([self.name.as_bytes(), &[0], key].concat())
    }

    /// The full key, which is also the context of the seal, and the sealed value.
    fn seal(&self, key: &[u8], value: &V) -> Result<(Vec<u8>, Vec<u8>), DatabaseError> {
        let table = self.name;
        let place = self.place(key)?;
        let mut plain = Vec::with_capacity(256);
        ciborium::into_writer(value, &mut plain).map_err(|_| DatabaseError::Value { table })?;
        if plain.len() > VALUE_BYTES_MAX {
            return Err(DatabaseError::TooLarge { table });
        }
        let sealer = self.database.inner.keys.values();
        let sealed = sealer
            .seal(&place, &plain)
            .map_err(|source| DatabaseError::Sealed { table, source })?;
        Ok((place, sealed))
    }

    fn open(&self, place: &[u8], sealed: &[u8]) -> Result<V, DatabaseError> {
        let table = self.name;
        let sealer = self.database.inner.keys.values();
        let plain = sealer
            .open(place, sealed)
            .map_err(|source| DatabaseError::Sealed { table, source })?;
        ciborium::de::from_reader_with_recursion_limit(plain.as_slice(), RECURSION_MAX)
            .map_err(|_| DatabaseError::Value { table })
    }
}

/// Changes to one or more tables that are applied together by [`Database::apply`].
#[derive(Default)]
pub struct Batch {
    pub(super) writes: sled::Batch,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Batch")
    }
}

impl Batch {
    /// Puts a value.
    ///
    /// # Errors
    /// [`DatabaseError::TooLarge`], [`DatabaseError::Value`], [`DatabaseError::Sealed`].
    pub fn insert<V: Serialize + DeserializeOwned>(
        &mut self,
        table: &Table<V>,
        key: &[u8],
        value: &V,
    ) -> Result<(), DatabaseError> {
        let (place, sealed) = table.seal(key, value)?;
        self.writes.insert(place, sealed);
        Ok(())
    }

    /// Removes a value.
    ///
    /// # Errors
    /// [`DatabaseError::TooLarge`].
    pub fn remove<V: Serialize + DeserializeOwned>(
        &mut self,
        table: &Table<V>,
        key: &[u8],
    ) -> Result<(), DatabaseError> {
        self.writes.remove(table.place(key)?);
        Ok(())
    }
}
