// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Inputs as lists of changes to a sound file: sealed files can't be made by chance, and one that is
//! nearly right gets further than noise.

/// `sound` with the changes that `script` lists, four octets each: place (16 bits of the way), kind,
/// value. Without any it is unchanged.
pub(crate) fn damaged(sound: &[u8], script: &[u8]) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    for change in script.chunks_exact(4).take(64) {
        if let [high, low, kind, value] = *change {
            let place = usize::from(u16::from_be_bytes([high, low]));
            let at = place * bytes.len() / 0x1_0000;
            alter(&mut bytes, at, kind, value);
        }
    }
    bytes
}

fn alter(bytes: &mut Vec<u8>, at: usize, kind: u8, value: u8) {
    let part = at..(at + usize::from(value)).min(bytes.len());
    match kind % 6 {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(part)),
        2 => bytes.insert(at, value),
        3 => {
            let copy = bytes.get(part).unwrap_or_default().to_vec();
            bytes.extend(copy);
        }
        4 => bytes
            .iter_mut()
            .skip(at)
            .take(1)
            .for_each(|byte| *byte ^= value),
        _ => bytes
            .iter_mut()
            .skip(at)
            .take(1)
            .for_each(|byte| *byte = value),
    }
}
