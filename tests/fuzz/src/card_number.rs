// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Reader number formats, and what readers type and send: `platen_drivers::number`.

use platen_drivers::NumberFormat;
use platen_drivers::number::{Reading, TEXT_MAX};
use platen_drivers::wiegand::Frame;
use platen_hal::CardUid;

/// Up to the first line feed it is a format, behind it a reading: taken as text, as a UID and as a
/// Wiegand frame.
///
/// # Panics
/// When a number comes from a text that is too long, a random UID is hidden, or the same reading
/// gives two numbers.
pub fn card_number(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (words, typed) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(format) = words.parse::<NumberFormat>() else {
        return;
    };
    let number = format.apply(Reading::Text(typed));
    assert!(number.is_err() || typed.len() <= TEXT_MAX);
    assert_eq!(number, format.apply(Reading::Text(typed)));
    if let Some(uid) = CardUid::from_hex(typed) {
        let number = format.apply(Reading::Uid(&uid));
        assert!(!uid.is_random() || number.is_err() || number.as_ref() == Ok(&uid));
    }
    let bits = u64::from_str_radix(typed.trim(), 16).unwrap_or_default();
    for length in [26, 34, 37, 64] {
        if let Some(frame) = Frame::new(bits, length) {
            let _ = format.apply(Reading::Wiegand(frame));
        }
    }
}
