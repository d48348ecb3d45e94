// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages to bytes and back: CBOR, compressed where it pays (`Content-Encoding: deflate`, which is
//! the zlib format of RFC 1950, as RFC 9110 §8.4.1.2 has it). Every length has a limit, which holds for
//! the writer too. Not here: what a message means.
//!
//! An error never quotes the message: a login carries a PIN.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::limits;
use crate::message::VERSION;

/// Value of `Content-Encoding` of a compressed body.
pub const CONTENT_ENCODING: &str = "deflate";

/// Shorter messages are not compressed.
const DEFLATE_FROM_BYTES: usize = 512;
/// Bytes by which the room for an uncompressed message grows.
const INFLATE_STEP: usize = 64 * 1024;

/// A message that goes over the link alone.
pub trait Message: Serialize + DeserializeOwned {
    /// Its name, for errors.
    const NAME: &'static str;
    /// Most bytes of its CBOR, and of a compressed body too.
    const BYTES_MAX: usize = limits::MESSAGE_BYTES_MAX;

    /// Its version, where it has one.
    fn version(&self) -> Option<u16>;

    /// Whether its lists and strings keep their limits.
    ///
    /// # Errors
    /// [`CodecError::Limit`] names the first that does not.
    fn check(&self) -> Result<(), CodecError>;
}

/// Why bytes are no message, or a message does not become bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Longer than this kind of message may be.
    #[error("a {message} is longer than {max} bytes")]
    TooLong {
        /// Which message.
        message: &'static str,
        /// Its limit.
        max: usize,
    },
    /// No CBOR, or not of this shape.
    #[error("these bytes are no {message} (at byte {at:?})")]
    Malformed {
        /// Which message was expected.
        message: &'static str,
        /// Where reading ended, if that is known.
        at: Option<usize>,
    },
    /// More bytes behind the message.
    #[error("{bytes} bytes follow a {message}")]
    Trailing {
        /// Which message.
        message: &'static str,
        /// How many.
        bytes: usize,
    },
    /// A list or string passes its limit, or numbers don't fit together.
    #[error("{what} of a {message} does not keep its limit")]
    Limit {
        /// Which message.
        message: &'static str,
        /// The part of it.
        what: &'static str,
    },
    /// The message is of a version that is not spoken here.
    #[error("version {0} of the messages is not spoken here")]
    Version(u16),
    /// The compressed bytes are damaged or cut.
    #[error("the compressed bytes are damaged")]
    Compression,
}

/// A message as it goes over the link.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Body {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether they are compressed: goes into [`CONTENT_ENCODING`]'s header.
    pub deflated: bool,
}

/// Whether messages of this version are read here: the own one, one before, one after.
#[must_use]
pub fn is_version_spoken(version: u16) -> bool {
    version > 0 && version.abs_diff(VERSION) <= 1
}

/// A message's CBOR.
///
/// # Errors
/// [`CodecError::Limit`] and [`CodecError::TooLong`].
pub fn encode<M: Message>(message: &M) -> Result<Vec<u8>, CodecError> {
    message.check()?;
    let bytes = to_cbor(M::NAME, message)?;
    within::<M>(bytes.len())?;
    Ok(bytes)
}

/// Reads a message's CBOR.
///
/// # Errors
/// Every variant but [`CodecError::Compression`].
pub fn decode<M: Message>(bytes: &[u8]) -> Result<M, CodecError> {
    within::<M>(bytes.len())?;
    let message: M = match from_cbor(M::NAME, bytes) {
        Ok(message) => message,
        // A version further away may have another shape; its number is the better answer.
        Err(error) => return Err(foreign_version(bytes).unwrap_or(error)),
    };
    match message.version() {
        Some(version) if !is_version_spoken(version) => Err(CodecError::Version(version)),
        _ => message.check().map(|()| message),
    }
}

/// A message's bytes for the link, compressed where that makes them fewer.
///
/// # Errors
/// Those of [`encode`].
pub fn pack<M: Message>(message: &M) -> Result<Body, CodecError> {
    let bytes = encode(message)?;
    if bytes.len() >= DEFLATE_FROM_BYTES {
        let deflated = deflate(&bytes)?;
        if deflated.len() < bytes.len() {
            let bytes = deflated;
            return Ok(Body {
                bytes,
                deflated: true,
            });
        }
    }
    Ok(Body {
        bytes,
        deflated: false,
    })
}

/// Reads a message from the link's bytes.
///
/// # Errors
/// Those of [`decode`], and [`CodecError::Compression`].
pub fn unpack<M: Message>(bytes: &[u8], deflated: bool) -> Result<M, CodecError> {
    within::<M>(bytes.len())?;
    if !deflated {
        return decode(bytes);
    }
    let plain = inflate(bytes, M::BYTES_MAX)?.ok_or(CodecError::TooLong {
        message: M::NAME,
        max: M::BYTES_MAX,
    })?;
    decode(&plain)
}

/// Compresses to the zlib format.
///
/// # Errors
/// [`CodecError::Compression`] when the compressor gives up, which it has no reason to.
pub fn deflate(bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut deflater = Compress::new(Compression::new(6), true);
    let mut packed = Vec::with_capacity(bytes.len() / 4 + 64);
    loop {
        let rest = unread(bytes, deflater.total_in());
        match deflater.compress_vec(rest, &mut packed, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => return Ok(packed),
            Ok(Status::Ok | Status::BufError) => packed.reserve(bytes.len() / 4 + 64),
            Err(_) => return Err(CodecError::Compression),
        }
    }
}

/// Expands the zlib format; `None` when more than `max` bytes come out, of which no more than
/// [`INFLATE_STEP`] and what a vector grows by are ever held.
///
/// # Errors
/// [`CodecError::Compression`]: damaged, cut, or something follows.
pub fn inflate(bytes: &[u8], max: usize) -> Result<Option<Vec<u8>>, CodecError> {
    let mut inflater = Decompress::new(true);
    let mut plain = Vec::new();
    loop {
        plain.reserve(INFLATE_STEP.min(max.saturating_sub(plain.len()) + 1));
        let before = (inflater.total_in(), inflater.total_out());
        let rest = unread(bytes, before.0);
        let status = inflater.decompress_vec(rest, &mut plain, FlushDecompress::None);
        if plain.len() > max {
            return Ok(None);
        }
        match status {
            Ok(Status::StreamEnd) if unread(bytes, inflater.total_in()).is_empty() => {
                return Ok(Some(plain));
            }
            Ok(Status::Ok | Status::BufError)
                if (inflater.total_in(), inflater.total_out()) != before => {}
            _ => return Err(CodecError::Compression),
        }
    }
}

/// Writes CBOR of anything that serializes.
pub(crate) fn to_cbor<T: Serialize>(name: &'static str, value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|_| CodecError::Malformed {
        message: name,
        at: None,
    })?;
    Ok(bytes)
}

/// Reads CBOR to its last byte.
pub(crate) fn from_cbor<T: DeserializeOwned>(
    name: &'static str,
    bytes: &[u8],
) -> Result<T, CodecError> {
    let mut rest = bytes;
    let value = ciborium::from_reader(&mut rest).map_err(|error| CodecError::Malformed {
        message: name,
        at: place(&error),
    })?;
    match rest.len() {
        0 => Ok(value),
        bytes => Err(CodecError::Trailing {
            message: name,
            bytes,
        }),
    }
}

/// Where reading ended. The error's own text may quote the message and is dropped.
fn place<E>(error: &ciborium::de::Error<E>) -> Option<usize> {
    match error {
        ciborium::de::Error::Syntax(at) => Some(*at),
        ciborium::de::Error::Semantic(at, _) => *at,
        _ => None,
    }
}

fn foreign_version(bytes: &[u8]) -> Option<CodecError> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u16,
    }
    let Versioned { version } = from_cbor("message", bytes).ok()?;
    (!is_version_spoken(version)).then_some(CodecError::Version(version))
}

fn within<M: Message>(bytes: usize) -> Result<(), CodecError> {
    if bytes <= M::BYTES_MAX {
        return Ok(());
    }
    Err(CodecError::TooLong {
        message: M::NAME,
        max: M::BYTES_MAX,
    })
}

fn unread(bytes: &[u8], read: u64) -> &[u8] {
    let read = usize::try_from(read).unwrap_or(usize::MAX);
    bytes.get(read..).unwrap_or_default()
}
