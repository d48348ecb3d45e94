// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Serde for bytes that travel and rest in bulk: one byte string and not a list of numbers, which
//! would take twice the room. For `#[serde(with = "platen_model::bytes")]`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserializer, Serializer};

/// Longest byte string taken; longer ones are refused before they are kept.
/// A page of the directory is the longest there is.
const BYTES_MAX: usize = 8 << 20;

/// Writes `value` as one byte string.
///
/// # Errors
/// The serializer's own.
pub fn serialize<T: AsRef<[u8]>, S: Serializer>(
    value: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(value.as_ref())
}

/// Reads a byte string, or a list of numbers (which JSON has instead).
///
/// # Errors
/// The deserializer's own; also when the length does not fit the type.
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: for<'a> TryFrom<&'a [u8]>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_byte_buf(Bytes(PhantomData))
}

struct Bytes<T>(PhantomData<T>);

impl<'de, T: for<'a> TryFrom<&'a [u8]>> Visitor<'de> for Bytes<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes of the right length")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<T, E> {
        if bytes.len() > BYTES_MAX {
            return Err(E::invalid_length(bytes.len(), &self));
        }
        T::try_from(bytes).map_err(|_| E::invalid_length(bytes.len(), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<T, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = numbers.next_element::<u8>()? {
            if bytes.len() == BYTES_MAX {
                return Err(A::Error::invalid_length(bytes.len(), &self));
            }
            bytes.push(byte);
        }
        self.visit_bytes(&bytes)
    }
}
