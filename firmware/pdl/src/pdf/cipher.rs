// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Encrypted and packed streams of a PDF, through `lopdf`. Only object streams ever need it: a
//! page tree outside them is readable without any key, because encryption covers strings and
//! streams alone (ISO 32000-1 §7.6.1).
//!
//! The library is given one small object at a time, with bounds on what comes out, and its panics
//! on values that it does not expect are caught.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lopdf::encryption::{EncryptionState, decrypt_object};
use lopdf::{Document, Object, Stream};

use super::PdfError;
use super::value::Value;

/// The key of an encrypted document.
#[derive(Default)]
pub(super) enum Cipher {
    /// Not needed yet.
    #[default]
    Untried,
    /// Opened with the empty user password.
    Open(Box<EncryptionState>),
    /// The empty user password does not open it.
    Locked,
}

impl Cipher {
    /// Derives the key from the encryption dictionary and the file's first identifier.
    pub(super) fn unlock(encrypt: &Value, id: &Value) -> Self {
        let mut document = Document::new();
        document.objects.insert((1, 0), encrypt.to_lopdf());
        document.trailer.set("Encrypt", Object::Reference((1, 0)));
        document.trailer.set("ID", id.to_lopdf());
        let opened = catch_unwind(AssertUnwindSafe(|| {
            document.authenticate_user_password("").ok()?;
            EncryptionState::decode(&document, "").ok()
        }));
        opened
            .ok()
            .flatten()
            .map_or(Self::Locked, |state| Self::Open(Box::new(state)))
    }

    /// Decrypts the data of the stream object (`number`, `generation`).
    pub(super) fn decrypt(
        &self,
        id: (u32, u16),
        dictionary: &Value,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, PdfError> {
        let Self::Open(state) = self else {
            return Err(PdfError::Locked);
        };
        let stream = Stream::new(dictionary.to_lopdf_dictionary(), data);
        let mut object = Object::Stream(stream);
        let done = catch_unwind(AssertUnwindSafe(|| decrypt_object(state, id, &mut object)));
        match (done, object) {
            (Ok(Ok(())), Object::Stream(stream)) => Ok(stream.content),
            _ => Err(PdfError::Damaged),
        }
    }
}

/// Undoes a stream's filters; `filter` and `parameters` are its `/Filter` and `/DecodeParms`,
/// resolved. At most `limit` bytes come out.
pub(super) fn decompress(
    filter: &Value,
    parameters: &Value,
    data: Vec<u8>,
    limit: usize,
) -> Result<Vec<u8>, PdfError> {
    let mut dictionary = lopdf::Dictionary::new();
    if *filter != Value::Null {
        dictionary.set("Filter", filter.to_lopdf());
    }
    if *parameters != Value::Null {
        dictionary.set("DecodeParms", parameters.to_lopdf());
    }
    let stream = Stream::new(dictionary, data);
    let unpacked = catch_unwind(AssertUnwindSafe(|| {
        stream.decompressed_content_with_limit(limit)
    }));
    match unpacked {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(lopdf::Error::Decompress(lopdf::DecompressError::MemoryLimitExceeded {
            ..
        }))) => Err(PdfError::Limit),
        _ => Err(PdfError::Damaged),
    }
}
