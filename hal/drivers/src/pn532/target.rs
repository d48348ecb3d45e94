// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a PN532 says of a card that it found (UM0701-02 §7.3.5), by the kind that was looked for.

use platen_hal::{CardUid, ReaderError};

use crate::iso14443a::{Selected, garbled};

/// Kinds of card that the chip can look for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    A,
    B,
    FeliCa,
}

impl Kind {
    /// What follows `InListPassiveTarget`: one card; bit rate and kind; then for B any family of
    /// application, for `FeliCa` a poll of all systems that asks for the system code too.
    pub(super) fn request(self) -> &'static [u8] {
        match self {
            Self::A => &[0x4a, 0x01, 0x00],
            Self::B => &[0x4a, 0x01, 0x03, 0x00],
            Self::FeliCa => &[0x4a, 0x01, 0x01, 0x00, 0xff, 0xff, 0x01, 0x00],
        }
    }
}

const SAK_INCOMPLETE: u8 = 0x04;
const CASCADE_TAG: u8 = 0x88;
const ATQB: u8 = 0x50;
const POLLED: u8 = 0x01; // code of a FeliCa card's answer
/// Starts a FeliCa number that was drawn for one activation (NFC Forum, NFC-DEP).
const DRAWN: [u8; 2] = [0x01, 0xfe];

/// The one card in an answer, `None` when there is none. `rats` tells whether the chip activates
/// cards of ISO/IEC 14443-4 by itself.
pub(super) fn parse(kind: Kind, data: &[u8], rats: bool) -> Result<Option<Selected>, ReaderError> {
    let content = match data {
        [0] => return Ok(None),
        [1, 1, content @ ..] => content,
        _ => return Err(garbled("chip lists no card and not none")),
    };
    match kind {
        Kind::A => type_a(content, rats),
        Kind::B => type_b(content),
        Kind::FeliCa => felica(content),
    }
    .map(Some)
}

/// `SENS_RES` 2, `SEL_RES`, length, UID; then the ATS, which begins with its length.
fn type_a(content: &[u8], rats: bool) -> Result<Selected, ReaderError> {
    let [_, _, sak, length, rest @ ..] = content else {
        return Err(garbled("chip lists no card and not none"));
    };
    let incomplete = garbled("card's number is not complete");
    let Some((uid, ats)) = rest.split_at_checked(usize::from(*length)) else {
        return Err(incomplete);
    };
    let tagged = uid.len() == 4 && uid.first() == Some(&CASCADE_TAG);
    if sak & SAK_INCOMPLETE != 0 || tagged {
        return Err(incomplete);
    }
    let uid = CardUid::new(uid).filter(|_| uid.len() != 8);
    let uid = uid.ok_or(garbled("UID is not 4, 7 or 10 bytes long"))?;
    let card = Selected { uid, sak: *sak };
    match ats.first() {
        Some(_) if !rats || !card.speaks_iso_dep() => Err(ReaderError::Gone {
            cause: "chip has lost its settings",
        }),
        Some(length) if usize::from(*length) != ats.len() => Err(garbled("ATS breaks the rules")),
        None if rats && card.speaks_iso_dep() => Err(garbled("card does not answer to RATS")),
        _ => Ok(card),
    }
}

/// ATQB 12 (its code, PUPI 4, application 4, protocol 3), length of the answer to ATTRIB, answer.
fn type_b(content: &[u8]) -> Result<Selected, ReaderError> {
    let whole = content.split_first_chunk::<12>();
    let Some(([ATQB, a, b, c, d, ..], [length, attrib @ ..])) = whole else {
        return Err(garbled("type B card's answer is cut"));
    };
    if usize::from(*length) != attrib.len() {
        return Err(garbled("type B card's answer is cut"));
    }
    let uid = CardUid::new(&[*a, *b, *c, *d]).ok_or(garbled("PUPI is not 4 bytes long"))?;
    Ok(Selected { uid, sak: 0 })
}

/// Length of all that follows and itself, code 01, NFCID2 8, PAD 8, system code 2.
fn felica(content: &[u8]) -> Result<Selected, ReaderError> {
    let [length, POLLED, rest @ ..] = content else {
        return Err(garbled("FeliCa card's answer is cut"));
    };
    let number = rest.first_chunk::<8>();
    let number = number.filter(|_| usize::from(*length) == content.len() && rest.len() >= 16);
    let number = number.ok_or(garbled("FeliCa card's answer is cut"))?;
    if number.starts_with(&DRAWN) {
        return Err(garbled("FeliCa number is drawn anew each time"));
    }
    let uid = CardUid::new(number).ok_or(garbled("FeliCa number is not 8 bytes long"))?;
    Ok(Selected { uid, sak: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(bytes: &[u8]) -> CardUid {
        CardUid::new(bytes).unwrap()
    }

    #[test]
    fn a_listed_card_gives_its_number_and_sak() {
        let data = [1, 1, 0x00, 0x44, 0x00, 7, 4, 1, 2, 3, 4, 5, 6];
        let card = Selected {
            uid: uid(&[4, 1, 2, 3, 4, 5, 6]),
            sak: 0,
        };
        assert_eq!(parse(Kind::A, &data, false), Ok(Some(card)));
        assert_eq!(parse(Kind::A, &[0], false), Ok(None));
    }

    #[test]
    fn lists_that_can_not_be_are_refused() {
        let lists: [&[u8]; 10] = [
            &[],
            &[2, 1, 0, 4, 8, 4, 1, 2, 3, 4],
            &[1, 2, 0, 4, 8, 4, 1, 2, 3, 4],
            &[1, 1, 0, 4, 8],
            &[1, 1, 0, 4, 8, 4, 1, 2, 3],
            &[1, 1, 0, 4, 8, 5, 1, 2, 3, 4, 5],
            &[1, 1, 0, 4, 8, 8, 1, 2, 3, 4, 5, 6, 7, 8], // a FeliCa card's length
            &[1, 1, 0, 4, 0x0c, 4, 1, 2, 3, 4],          // number not complete
            &[1, 1, 0, 4, 8, 4, 0x88, 2, 3, 4],          // a cascade tag
            &[0, 1],
        ];
        for list in lists {
            assert!(
                matches!(
                    parse(Kind::A, list, false),
                    Err(ReaderError::Garbled { .. })
                ),
                "{list:02x?}"
            );
        }
    }

    #[test]
    fn an_ats_comes_where_it_was_asked_for_and_nowhere_else() {
        let activated = [1, 1, 0x03, 0x44, 0x20, 4, 1, 2, 3, 4, 2, 0x00];
        let lost = ReaderError::Gone {
            cause: "chip has lost its settings",
        };
        assert_eq!(parse(Kind::A, &activated, false), Err(lost.clone()));
        assert!(parse(Kind::A, &activated, true).is_ok());
        let silent = parse(Kind::A, &activated[..10], true);
        assert!(matches!(silent, Err(ReaderError::Garbled { .. })));
        assert!(parse(Kind::A, &activated[..10], false).is_ok());
        let mut plain = activated;
        plain[4] = 0x08;
        assert_eq!(parse(Kind::A, &plain, true), Err(lost));
    }

    #[test]
    fn the_published_felica_card_has_its_number() {
        let data = [
            0x01, 0x01, 0x14, 0x01, 0x01, 0x01, 0x05, 0x01, 0x86, 0x04, 0x02, 0x02, 0x03, 0x00,
            0x4b, 0x02, 0x4f, 0x49, 0x8a, 0x8a, 0x80, 0x08,
        ];
        let card = parse(Kind::FeliCa, &data, false).unwrap().unwrap();
        let number = [0x01, 0x01, 0x05, 0x01, 0x86, 0x04, 0x02, 0x02];
        assert_eq!(card.uid, uid(&number));
        for length in 1..data.len() {
            assert!(parse(Kind::FeliCa, &data[..length], false).is_err());
        }
        let mut drawn = data;
        drawn[5] = 0xfe;
        assert!(parse(Kind::FeliCa, &drawn, false).is_err());
    }

    #[test]
    fn a_type_b_card_gives_its_pupi() {
        let data = [
            1, 1, 0x50, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 0, 0, 0x81, 0x81, 1, 0,
        ];
        let card = parse(Kind::B, &data, false).unwrap().unwrap();
        assert_eq!(card.uid, uid(&[0xde, 0xad, 0xbe, 0xef]));
        for length in 1..data.len() {
            assert!(parse(Kind::B, &data[..length], false).is_err());
        }
    }
}
