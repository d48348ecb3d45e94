// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Digits that a reader types, and the bytes that they mean.

use super::{Bytes, NumberError, cut};

/// Pairs of hexadecimal digits, with or without colons, dashes or spaces between them.
pub(super) fn hex(text: &str) -> Result<Bytes, NumberError> {
    let mut bytes = Bytes::new();
    let mut high = None;
    for c in text.chars().filter(|c| !matches!(c, ':' | '-' | ' ')) {
        let digit = c.to_digit(16).ok_or(NumberError::Text)?;
        match high.take() {
            None => high = Some(digit),
            Some(high) => {
                let byte = u8::try_from(high * 16 + digit).map_err(|_| NumberError::Text)?;
                bytes.push(byte).map_err(|_| NumberError::TooLarge)?;
            }
        }
    }
    if high.is_some() || bytes.is_empty() {
        return Err(NumberError::Text);
    }
    Ok(bytes)
}

pub(super) fn decimal(text: &str) -> Result<u128, NumberError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NumberError::Text);
    }
    text.parse().map_err(|_| NumberError::TooLarge)
}

/// `number` in so many bytes.
pub(super) fn big_endian(number: u128, length: usize) -> Result<Bytes, NumberError> {
    let all = number.to_be_bytes();
    let from = all.len().saturating_sub(length);
    let (rest, bytes) = all.split_at_checked(from).ok_or(NumberError::TooLarge)?;
    if rest.iter().any(|byte| *byte != 0) {
        return Err(NumberError::TooLarge);
    }
    cut(Some(bytes))
}
