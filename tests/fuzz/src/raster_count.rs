// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Raster streams: `platen_pdl::count` behind each magic number in turn.

use std::io::Cursor;

use platen_model::JobOptions;
use platen_pdl::{CountLimits, count};

use crate::pdf_count::assert_sound;

/// Counts the bytes as they are, as PWG and as Apple raster.
///
/// # Panics
/// When there are more pages than headers fit into the bytes.
pub fn raster_count(data: &[u8]) {
    for magic in [&b""[..], b"RaS2PwgRaster\0", b"UNIRAST\0"] {
        let document = [magic, data].concat();
        let limits = CountLimits::default();
        let found = count(&mut Cursor::new(&document), &JobOptions::default(), &limits);
        assert_sound(&found);
        let most = document.len() / 32 + 1;
        let pages = found.pages.map_or(0, |pages| usize::try_from(pages).unwrap_or(usize::MAX));
        assert!(magic.is_empty() || pages <= most, "{found:?}");
    }
}
