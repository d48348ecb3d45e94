// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Raster streams: `platen_pdl::count` of bytes with a magic number, or behind each in turn.

use std::io::Cursor;

use platen_model::JobOptions;
use platen_pdl::{CountLimits, count};

use crate::pdf_count::assert_sound;

/// What raster streams begin with.
const MAGICS: [&[u8]; 2] = [b"RaS2PwgRaster\0", b"UNIRAST\0"];

/// Counts the bytes, as PWG and as Apple raster where they do not say which they are.
///
/// # Panics
/// When there are more pages than headers fit into the bytes.
pub fn raster_count(data: &[u8]) {
    if MAGICS.iter().any(|magic| data.starts_with(magic)) {
        counts_soundly(data);
    } else {
        MAGICS
            .iter()
            .for_each(|magic| counts_soundly(&[magic, data].concat()));
    }
}

fn counts_soundly(document: &[u8]) {
    let limits = CountLimits::default();
    let found = count(&mut Cursor::new(document), &JobOptions::default(), &limits);
    assert_sound(&found);
    let most = u32::try_from(document.len() / 32 + 1).unwrap_or(u32::MAX);
    assert!(found.pages.is_none_or(|pages| pages <= most), "{found:?}");
}
