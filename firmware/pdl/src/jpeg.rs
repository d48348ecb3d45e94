// SPDX-License-Identifier: Apache-2.0 OR MIT
//! JPEG (ITU-T T.81 annex B): one page. The markers are walked to the first scan, so that a file
//! cut off before it is not called a page for sure.

use crate::count::Tally;
use crate::source::{Forward, Source, SourceError};

/// Markers before the first scan; real files have a few dozen.
const MARKERS: usize = 4096;

/// Counts a JPEG file.
pub(crate) fn tally(source: &mut Source<'_>, offset: u64) -> Result<Tally, SourceError> {
    let mut forward = source.forward(offset.saturating_add(2));
    for _ in 0..MARKERS {
        match marker(&mut forward)? {
            Some(0xda) => return Ok(Tally::exact(1)), // start of scan
            Some(0x01 | 0xd0..=0xd8) => {}            // stands alone
            Some(0xd9) | None => break,
            Some(_) => {
                let length = forward.array()?.map_or(0, u16::from_be_bytes);
                if length < 2 || !forward.skip(u64::from(length) - 2)? {
                    break;
                }
            }
        }
    }
    Ok(Tally::estimated(
        1,
        "The JPEG file is damaged or cut off; it is taken as one page.",
    ))
}

/// The next marker's code; any number of 0xFF may stand before it.
fn marker(forward: &mut Forward<'_, '_>) -> Result<Option<u8>, SourceError> {
    if forward.byte()? != Some(0xff) {
        return Ok(None);
    }
    loop {
        match forward.byte()? {
            Some(0xff) => {}
            code => return Ok(code),
        }
    }
}
