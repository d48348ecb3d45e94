// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the bytes of ISO/IEC 14443-4 mean: blocks, and the terms on which a card speaks (ATS). Pure.

use crate::iso14443a::FRAME_MAX;

/// Longest frame that a card takes, by its index; higher ones are longer still.
const FSC: [usize; 9] = [16, 24, 32, 40, 48, 64, 96, 128, 256];
const FSCI_DEFAULT: u8 = 2;
const FWI_DEFAULT: u8 = 4;
const FWT_UNIT_US: u32 = 302; // 4,096 periods, doubled FWI times
const FWT_MARGIN_US: u32 = 3_700; // 49,152 periods, as readers allow
const GUARD_INDEX_MAX: u8 = 8; // SFGI: 77 ms
const FRAME_OVERHEAD: usize = 3; // block's head and CRC
/// Content of one block that every card takes.
pub(super) const ROOM_MIN: usize = 16 - FRAME_OVERHEAD;

pub(super) const I_BLOCK: u8 = 0x02;
pub(super) const MORE: u8 = 0x10;
pub(super) const ACK: u8 = 0xa2;
pub(super) const NAK: u8 = 0xb2;
pub(super) const WTX: u8 = 0xf2;
pub(super) const DESELECT: u8 = 0xc2;
const WTXM_MAX: u8 = 59;

/// A block by the rules.
pub(super) enum Block {
    Data { number: u8, more: bool },
    Ack { number: u8 },
    Wait { multiplier: u8 },
}

/// What an ATS says.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Terms {
    pub(super) info_max: usize,
    pub(super) fwt_us: u32,
    pub(super) guard_us: u32,
}

/// What a block is, and its content.
pub(super) fn parse(frame: &[u8]) -> Option<(Block, &[u8])> {
    let (head, info) = frame.split_first()?;
    let number = head & 1;
    let block = match (head & !1, info) {
        (I_BLOCK, _) => Block::Data {
            number,
            more: false,
        },
        (0x12, _) => Block::Data { number, more: true },
        (ACK, []) => Block::Ack { number },
        (WTX, [time]) if number == 0 => {
            // The upper two bits tell how strong the field is.
            let multiplier = time & 0x3f;
            if !(1..=WTXM_MAX).contains(&multiplier) {
                return None;
            }
            Block::Wait { multiplier }
        }
        _ => return None,
    };
    Some((block, info))
}

/// Reads an ATS: length of itself, format, then as the format says TA (bit rates), TB (times), TC
/// (options), and historical bytes.
pub(super) fn terms(ats: &[u8]) -> Option<Terms> {
    let (length, rest) = ats.split_first()?;
    if usize::from(*length) != ats.len() {
        return None;
    }
    let (format, mut rest) = match rest.split_first() {
        Some((format, rest)) => (*format, rest.iter()),
        None => (FSCI_DEFAULT, [].iter()),
    };
    let mut interface = |present: u8| match format & present {
        0 => Some(None),
        _ => rest.next().map(Some),
    };
    let (_, times, _) = (interface(0x10)?, interface(0x20)?, interface(0x40)?);
    let times = times.copied().unwrap_or(FWI_DEFAULT << 4);
    let (fwi, sfgi) = match (times >> 4, times & 0x0f) {
        (15, sfgi) => (FWI_DEFAULT, sfgi),
        known => known,
    };
    let sfgi = if sfgi == 15 { 0 } else { sfgi };
    if sfgi > GUARD_INDEX_MAX {
        return None;
    }
    // What is above 64 bytes does not fit into the reader.
    let fsc = FSC.get(usize::from(format & 0x0f)).unwrap_or(&FRAME_MAX);
    Some(Terms {
        info_max: fsc.min(&FRAME_MAX) - FRAME_OVERHEAD,
        fwt_us: (FWT_UNIT_US << fwi) + FWT_MARGIN_US,
        guard_us: if sfgi == 0 { 0 } else { FWT_UNIT_US << sfgi },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ats_gives_frame_size_and_times_or_is_refused() {
        let ats = |ats: &[u8]| terms(ats).map(|terms| (terms.info_max, terms.fwt_us));
        assert_eq!(
            ats(&[0x06, 0x75, 0x77, 0x81, 0x02, 0x80]),
            Some((61, 81_012))
        );
        assert_eq!(ats(&[0x01]), Some((29, 8_532)));
        assert_eq!(ats(&[0x02, 0x00]), Some((13, 8_532)));
        assert_eq!(ats(&[0x03, 0x28, 0xf0]), Some((61, 8_532)));
        for wrong in [
            &[][..],
            &[0x00],
            &[0x02],
            &[0x02, 0x75],
            &[0x03, 0x75, 0x77],
            &[0x03, 0x25, 0x49], // wants a pause of 155 ms
        ] {
            assert_eq!(terms(wrong), None, "{wrong:02x?}");
        }
    }
}
