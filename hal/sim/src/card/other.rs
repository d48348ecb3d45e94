// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cards that are not ISO/IEC 14443 type A, up to their numbers: type B (request and ATTRIB) and
//! FeliCa (poll). Frames are whole bytes here, with their CRC. Not modelled: slots, several cards
//! of a kind at once.

/// `CRC_B` of ISO/IEC 14443-3 annex B: as `CRC_A`, preset and inverted ones, low byte first.
pub(crate) fn crc_b(bytes: &[u8]) -> [u8; 2] {
    (!crate::card::crc16(0xffff, bytes)).to_le_bytes()
}

/// FeliCa's CRC: x¹⁶ + x¹² + x⁵ + 1 from the high bit, preset zero, high byte first.
pub(crate) fn crc_f(bytes: &[u8]) -> [u8; 2] {
    let crc = bytes.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    });
    crc.to_be_bytes()
}

/// A type B card: answers REQB and WUPB with ATQB, ATTRIB with its own PUPI with one byte.
pub(crate) fn hear_b(pupi: [u8; 4], selected: &mut bool, frame: &[u8]) -> Option<Vec<u8>> {
    let (said, check) = frame.split_last_chunk::<2>()?;
    if *check != crc_b(said) {
        return None;
    }
    let mut answer = match said {
        [0x05, 0x00, _] if !*selected => {
            let mut answer = vec![0x50];
            answer.extend(pupi);
            answer.extend([0x00, 0x00, 0x00, 0x00, 0x00, 0x71, 0x81]);
            answer
        }
        [0x1d, wanted @ .., _, _, _, _] if *wanted == pupi => {
            *selected = true;
            vec![0x00]
        }
        _ => return None,
    };
    answer.extend(crc_b(&answer));
    Some(answer)
}

/// A FeliCa card: answers a poll for its system or for any.
pub(crate) fn hear_f(idm: [u8; 8], system: u16, frame: &[u8]) -> Option<Vec<u8>> {
    let (said, check) = frame.split_last_chunk::<2>()?;
    let [0x06, 0x00, high, low, request, _] = said else {
        return None;
    };
    let wanted = u16::from_be_bytes([*high, *low]);
    if *check != crc_f(said) || !(wanted == system || wanted == 0xffff) {
        return None;
    }
    let mut answer = vec![0x00, 0x01];
    answer.extend(idm);
    answer.extend([0x03, 0x00, 0x4b, 0x02, 0x4f, 0x49, 0x8a, 0x8a]);
    if *request == 1 {
        answer.extend(system.to_be_bytes());
    }
    let length = u8::try_from(answer.len()).ok()?;
    if let Some(first) = answer.first_mut() {
        *first = length;
    }
    answer.extend(crc_f(&answer));
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_give_their_published_values() {
        assert_eq!(crc_b(&[0x00, 0x00, 0x00]), [0xcc, 0xc6]);
        assert_eq!(crc_b(&[0x0f, 0xaa, 0xff]), [0xfc, 0xd1]);
        assert_eq!(crc_b(&[0x05, 0x00, 0x00]), [0x71, 0xff]);
        assert_eq!(crc_f(b"123456789"), [0x31, 0xc3]);
    }
}
