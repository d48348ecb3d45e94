// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Device id strings: `platen_wire::ieee1284`.

use platen_wire::ieee1284::{DeviceId, ID_BYTES_MAX, PAIRS_MAX};

/// Reads an id with and without its length.
///
/// # Panics
/// When more is kept than the limits allow.
pub fn ieee1284(data: &[u8]) {
    for id in [DeviceId::from_counted(data), DeviceId::from_text(data)] {
        assert!(id.pairs().count() <= PAIRS_MAX);
        // A wrong octet becomes a replacement character of three.
        let kept: usize = id.pairs().map(|(key, value)| key.len() + value.len()).sum();
        assert!(kept <= 3 * ID_BYTES_MAX);
        assert!(id.languages().all(|language| id.speaks(language)));
        let _ = (id.manufacturer(), id.model(), id.serial());
    }
}
