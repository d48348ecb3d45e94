// SPDX-License-Identifier: Apache-2.0 OR MIT
//! ISO/IEC 14443-3 type A as a reader chip does it that needs no help from its host: request,
//! anticollision and selection of one card. Not modelled: chips that give up at a collision.

use crate::card::{Bits, bits_of, bytes_of, crc_a};
use crate::field::Field;

/// A card that was selected.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Activated {
    pub(crate) uid: Vec<u8>,
    /// First byte sent first.
    pub(crate) atqa: [u8; 2],
    pub(crate) sak: u8,
}

/// One try. It uses the request that halted cards don't hear, the weaker of the two.
pub(crate) fn activate(field: &Field) -> Option<Activated> {
    let request: Bits = bits_of(&[0x26]).into_iter().take(7).collect();
    let answers = field.lock().answers(&request);
    let atqa = *bytes_of(answers.first()?).first_chunk::<2>()?;
    let mut uid = Vec::new();
    for code in [0x93, 0x95, 0x97] {
        let part = resolve(field, code)?;
        let mut select = vec![code, 0x70];
        select.extend(&part);
        select.extend(crc_a(&select));
        let answers = field.lock().answers(&bits_of(&select));
        let sak = *bytes_of(answers.first()?).first()?;
        let complete = sak & 0x04 == 0;
        uid.extend(part.get(usize::from(!complete)..4)?);
        if complete {
            return Some(Activated { uid, atqa, sak });
        }
    }
    None
}

/// The five bytes of one card at this level; at each clash it goes on with the cards that send 1.
fn resolve(field: &Field, code: u8) -> Option<Vec<u8>> {
    let mut known = Bits::new();
    while known.len() < 40 {
        let valid = 0x20 + u8::try_from(known.len() / 8 * 16 + known.len() % 8).ok()?;
        let mut frame = bits_of(&[code, valid]);
        frame.extend(&known);
        let answers = field.lock().answers(&frame);
        let first = answers.first()?;
        let clash = (0..first.len()).find(|at| {
            let mut bits = answers.iter().map(|answer| answer.get(*at));
            bits.any(|bit| bit != first.get(*at))
        });
        known.extend(first.iter().take(clash.unwrap_or(first.len())));
        if clash.is_some() {
            known.push(true);
        }
    }
    Some(bytes_of(&known))
}
