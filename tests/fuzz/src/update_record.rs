// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The state of an update, as the side that installs leaves it in a file: whole, half or anything.

use platen_policy::update::{RECORD_BYTES_MAX, read_record};

/// Reads a state.
///
/// # Panics
/// When a text in it is long or moves a cursor, or more than all of it is done.
pub fn update_record(data: &[u8]) {
    let Ok(record) = read_record(data) else {
        return;
    };
    assert!(data.len() <= RECORD_BYTES_MAX && record.percent <= 100);
    let words = [&record.version, &record.from, &record.slot, &record.source];
    assert!(words.iter().all(|word| word.len() <= 64));
    assert!(record.reason.len() <= 1024);
    let texts = words.into_iter().chain([&record.reason]);
    assert!(texts.flat_map(|text| text.chars()).all(|c| !c.is_control()));
}
