// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Key files of cards and readers: `platen_hal_linux::device::KeyFile::parse`.

use platen_hal_linux::board::READERS_MAX;
use platen_hal_linux::device::{KEY_FILE_MAX_BYTES, KeyFile, KeyFileError};

/// Parses a key file.
///
/// # Panics
/// When a file breaks its limits, an error does not name a line of the file, or the keys of a file
/// that was taken are told.
pub fn device_keys(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match KeyFile::parse(&text) {
        Ok(file) => {
            assert!(text.len() <= KEY_FILE_MAX_BYTES);
            assert!(file.secrets.osdp.len() <= READERS_MAX);
            let cards = file.desfire.is_some() || file.ntag424.is_some();
            assert_eq!(file.secrets.cards.is_some(), cards);
            let told = format!("{file:?}").to_lowercase();
            for value in text.split('"').filter(|value| value.len() == 32) {
                let shown = told.contains(&value.to_lowercase());
                // A reader may have a name of 32 letters.
                assert!(!shown || file.secrets.osdp.contains_key(value));
            }
        }
        Err(KeyFileError::Syntax { line } | KeyFileError::Value { line, .. }) => {
            let lines = text.split('\n').count();
            assert!((1..=lines).contains(&line), "line {line}");
        }
        Err(_) => assert!(text.len() > KEY_FILE_MAX_BYTES),
    }
}
