// SPDX-License-Identifier: Apache-2.0 OR MIT
//! MIFARE DESFire EV1 and later: native commands in ISO wrapping, the kind of a card, its
//! applications. Sources: NXP AN12343, AN12196 (the commands that both families share), and the
//! commands' layout as public readers use it (the data sheets are not public).

pub(crate) mod ev1;
pub(crate) mod ev2;

use crate::aes128::AesKey;
use crate::isodep::{Answer, CardChannel};
use crate::proof::{Challenges, Stop};

const GET_VERSION: u8 = 0x60;
const SELECT_APPLICATION: u8 = 0x5a;
const GET_CARD_UID: u8 = 0x51;
const CONTINUE: u8 = 0xaf;
/// Longest answer to any of these commands, status included: the second one of EV2.
const ANSWER_MAX: usize = 34;

pub(crate) const OK: u8 = 0x00;
pub(crate) const MORE: u8 = 0xaf;
const NATIVE: u8 = 0x91; // first status byte of a wrapped answer

// Second byte of the version's first part: what the chip is; and the fourth, its generation.
const TYPE_MASK: u8 = 0x0f; // the upper half tells chips from applets
const TYPE_DESFIRE: u8 = 0x01;
const TYPE_NTAG: u8 = 0x04;
const MAJOR_NO_AES: u8 = 0x00;
const MAJOR_EV1: u8 = 0x01; // 12 is EV2, 33 EV3
const MAJOR_NTAG_424: u8 = 0x30;

/// What a card is, as it says itself; a wrong answer costs it the proof.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Desfire { generation: Generation },
    Ntag424,
    Other,
}

/// Which authentication the card knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Generation {
    Ev1,
    /// EV2 and later.
    Ev2,
}

/// An answer to a native command: status and data; `None` when the card does not know of any.
pub(crate) type Native = Option<(u8, Answer)>;

/// Sends a native command.
pub(crate) fn native(card: &mut dyn CardChannel, code: u8, data: &[u8]) -> Result<Native, Stop> {
    let mut apdu = heapless::Vec::<u8, 64>::new();
    let _ = apdu.extend_from_slice(&[0x90, code, 0x00, 0x00]);
    if !data.is_empty() {
        let length = u8::try_from(data.len()).map_err(|_| Stop::Failed("command is too long"))?;
        let _ = apdu.push(length);
        let fits = apdu.extend_from_slice(data);
        fits.map_err(|_| Stop::Failed("command is too long"))?;
    }
    let _ = apdu.push(0x00);
    let mut answer = card.transmit(&apdu, ANSWER_MAX)?;
    let (status, first) = (answer.pop(), answer.pop());
    Ok(match (first, status) {
        (Some(NATIVE), Some(status)) => Some((status, answer)),
        _ => None,
    })
}

/// Asks the card what it is (`GetVersion`, three parts; later ones tell where it was made).
pub(crate) fn kind(card: &mut dyn CardChannel) -> Result<Kind, Stop> {
    let mut parts = [const { Answer::new() }; 3];
    for (at, part) in parts.iter_mut().enumerate() {
        let code = if at == 0 { GET_VERSION } else { CONTINUE };
        let wanted = if at == 2 { OK } else { MORE };
        match native(card, code, &[])? {
            Some((status, data)) if status == wanted => *part = data,
            _ => return Ok(Kind::Other),
        }
    }
    let [hardware, ..] = parts;
    Ok(match hardware.as_slice() {
        [_, chip, _, major, ..] if chip & TYPE_MASK == TYPE_DESFIRE => match *major {
            MAJOR_NO_AES => Kind::Other,
            MAJOR_EV1 => Kind::Desfire {
                generation: Generation::Ev1,
            },
            _ => Kind::Desfire {
                generation: Generation::Ev2,
            },
        },
        [_, TYPE_NTAG, _, MAJOR_NTAG_424, ..] => Kind::Ntag424,
        _ => Kind::Other,
    })
}

/// Opens an application; a card that does not have it is another organisation's.
pub(crate) fn select(card: &mut dyn CardChannel, application: u32) -> Result<(), Stop> {
    let [low, middle, high, _] = application.to_le_bytes();
    match native(card, SELECT_APPLICATION, &[low, middle, high])? {
        Some((OK, _)) => Ok(()),
        _ => Err(Stop::Weak),
    }
}

/// Authenticates the card in its open application and asks for its true number.
pub(crate) fn prove(
    card: &mut dyn CardChannel,
    generation: Generation,
    number: u8,
    key: &AesKey,
    challenges: &mut Challenges,
) -> Result<[u8; 7], Stop> {
    match generation {
        Generation::Ev1 => ev1::authenticate(card, number, key, challenges)?.card_uid(card),
        Generation::Ev2 => ev2::authenticate(card, number, key, challenges)?.card_uid(card),
    }
}

/// The data of an answer that must have this status and length.
fn exactly<const N: usize>(
    answer: Native,
    status: u8,
    cause: &'static str,
) -> Result<[u8; N], Stop> {
    answer
        .filter(|(said, _)| *said == status)
        .and_then(|(_, data)| data.as_slice().try_into().ok())
        .ok_or(Stop::Failed(cause))
}

/// Turns a challenge by one byte to the left.
fn turned(challenge: &[u8; 16]) -> [u8; 16] {
    let mut turned = *challenge;
    turned.rotate_left(1);
    turned
}
