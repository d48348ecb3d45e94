// SPDX-License-Identifier: Apache-2.0 OR MIT
//! NTAG 424 DNA: authentication with an application key, and the SUN message (secure dynamic
//! messaging) that the card writes into its NDEF file at each reading. Source: NXP AN12196
//! rev. 1.5. Not read: messages of the LRP mode, encrypted file data.

use core::fmt;

use crate::aes128::{AesKey, Block, same};
use crate::desfire::ev2;
use crate::isodep::{ANSWER_MAX, Answer, CardChannel};
use crate::proof::{Challenges, Stop, SunKeys};

/// ISO SELECT of the NDEF application by its name, answered without data.
const SELECT_APPLICATION: [u8; 13] = [
    0x00, 0xa4, 0x04, 0x0c, 0x07, 0xd2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01, 0x00,
];
/// ISO SELECT of the NDEF file, E104.
const SELECT_FILE: [u8; 7] = [0x00, 0xa4, 0x00, 0x0c, 0x02, 0xe1, 0x04];
/// ISO READ BINARY of all its 256 bytes: one reading is one step of the counter.
const READ_FILE: [u8; 5] = [0x00, 0xb0, 0x00, 0x00, 0x00];
const ISO_OK: [u8; 2] = [0x90, 0x00];

/// First byte of decrypted PICC data: number and counter are there, the number has 7 bytes.
const PICC_DATA_TAG: u8 = 0xc7;
/// Starts what the session's MAC key is made of (AN12196 §3.3): counter 1, key length 128 bits.
const MAC_KEY_LABEL: [u8; 6] = [0x3c, 0xc3, 0x00, 0x01, 0x00, 0x80];

/// A message that the card's key confirms. `Debug` hides it.
#[derive(Eq, PartialEq)]
pub(crate) struct Sun {
    pub(crate) uid: [u8; 7],
    pub(crate) counter: u32,
}

impl fmt::Debug for Sun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sun")
    }
}

/// Opens the NDEF application.
pub(crate) fn select(card: &mut dyn CardChannel) -> Result<(), Stop> {
    iso(card, &SELECT_APPLICATION)?.map(drop).ok_or(Stop::Weak)
}

/// Authenticates the card and asks for its true number.
pub(crate) fn prove(
    card: &mut dyn CardChannel,
    number: u8,
    key: &AesKey,
    challenges: &mut Challenges,
) -> Result<[u8; 7], Stop> {
    ev2::authenticate(card, number, key, challenges)?.card_uid(card)
}

/// Reads the NDEF file of the open application and checks the message in it.
pub(crate) fn read_sun(card: &mut dyn CardChannel, keys: &SunKeys) -> Result<Sun, Stop> {
    iso(card, &SELECT_FILE)?.ok_or(Stop::Weak)?;
    let file = iso(card, &READ_FILE)?.ok_or(Stop::Failed("card does not let its file be read"))?;
    check(&file, keys)
}

/// Checks the message in a file.
fn check(file: &[u8], keys: &SunKeys) -> Result<Sun, Stop> {
    let layout = keys.layout;
    let (picc_data, mac_input, mac) = (
        usize::from(layout.picc_data),
        usize::from(layout.mac_input),
        usize::from(layout.mac),
    );
    // A card that was never personalised has no digits there.
    let sealed: Block = digits(file, picc_data).ok_or(Stop::Weak)?;
    let said: [u8; 8] = digits(file, mac).ok_or(Stop::Weak)?;
    let input = file.get(mac_input..mac).ok_or(Stop::Weak)?;

    let mut plain = [sealed];
    keys.meta_read.decrypt(&[0; 16], &mut plain);
    let [[PICC_DATA_TAG, a, b, c, d, e, f, g, low, middle, high, ..]] = plain else {
        return Err(Stop::Failed("message is not sealed by our key"));
    };
    let uid = [a, b, c, d, e, f, g];
    let key = keys.file_read.of_bytes(&uid).ok_or(Stop::Weak)?;
    let key = key.derived(&[&MAC_KEY_LABEL, &uid, &[low, middle, high]]);
    if !same(&said, &key.short_mac(&[input])) {
        return Err(Stop::Failed("message's MAC is wrong"));
    }
    let counter = u32::from_le_bytes([low, middle, high, 0]);
    Ok(Sun { uid, counter })
}

/// Sends an ISO command; returns the data of its answer, or `None` when the card says no.
fn iso(card: &mut dyn CardChannel, apdu: &[u8]) -> Result<Option<Answer>, Stop> {
    let mut answer = card.transmit(apdu, ANSWER_MAX)?;
    let good = answer.ends_with(&ISO_OK);
    answer.truncate(answer.len().saturating_sub(ISO_OK.len()));
    Ok(good.then_some(answer))
}

/// `N` bytes, written as hexadecimal digits at this place.
fn digits<const N: usize>(file: &[u8], at: usize) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let pairs = file.get(at..)?.chunks_exact(2);
    if pairs.len() < N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = <[u8; 2]>::try_from(pair).ok()?.map(|digit| {
            let value = char::from(digit).to_digit(16);
            value.and_then(|value| u8::try_from(value).ok())
        });
        *byte = high? << 4 | low?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proof::counters::SunCounters;
    use crate::proof::{MasterKey, SunLayout};

    fn keys(picc_data: u16, mac_input: u16, mac: u16) -> SunKeys {
        SunKeys {
            meta_read: AesKey::new([0; 16]),
            file_read: MasterKey::shared(AesKey::new([0; 16])),
            layout: SunLayout {
                picc_data,
                mac_input,
                mac,
            },
            counters: SunCounters::new(),
        }
    }

    fn offset(file: &str, of: &str) -> u16 {
        u16::try_from(file.find(of).unwrap()).unwrap()
    }

    #[test]
    fn the_mac_key_is_the_published_one() {
        let key = AesKey::new(0x5ace_7e50_ab65_d5d5_1fd5_bf5a_16b8_205b_u128.to_be_bytes());
        let uid = [0x04, 0xc7, 0x67, 0xf2, 0x06, 0x61, 0x80];
        let derived = key.derived(&[&MAC_KEY_LABEL, &uid, &[1, 0, 0]]);
        let published = AesKey::new(0x3a3e_8110_e053_11f7_a3fc_f0d9_69bf_2b48_u128.to_be_bytes());
        assert_eq!(derived.cmac(&[]), published.cmac(&[]));
    }

    #[test]
    fn published_messages_give_number_and_counter() {
        let file = "choose.url.com/ntag424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
        let (picc, mac) = (offset(file, "EF96"), offset(file, "94EE"));
        let uid = [0x04, 0xde, 0x5f, 0x1e, 0xac, 0xc0, 0x40];
        let sun = Sun { uid, counter: 61 };
        assert_eq!(check(file.as_bytes(), &keys(picc, mac, mac)).unwrap(), sun);

        let uid = [0x04, 0x95, 0x8c, 0xaa, 0x5c, 0x5e, 0x80];
        for (counter, file) in [
            (
                1,
                "u?picc_data=FDE4AFA99B5C820A2C1BB0F1C792D0EB\
                 &enc=94592FDE69FA06E8E3B6CA686A22842B&cmac=C48B89C17A233B2C",
            ),
            (
                8,
                "u?picc_data=FD91EC264309878BE6345CBE53BADF40\
                 &enc=CEE9A53E3E463EF1F459635736738962&cmac=ECC1E7F6C6C73BF6",
            ),
        ] {
            let picc = offset(file, "FD");
            let (input, mac) = (offset(file, "enc=") + 4, offset(file, "cmac=") + 5);
            let sun = Sun { uid, counter };
            assert_eq!(
                check(file.as_bytes(), &keys(picc, input, mac)).unwrap(),
                sun
            );
        }
    }

    #[test]
    fn a_message_with_one_changed_digit_is_none() {
        let file = "u?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
        let (picc, mac) = (offset(file, "EF96"), offset(file, "94EE"));
        let keys = keys(picc, mac, mac);
        assert!(check(file.as_bytes(), &keys).is_ok());
        for at in (4..36).chain(39..55) {
            let mut changed = file.as_bytes().to_vec();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            let checked = check(&changed, &keys);
            assert!(matches!(checked, Err(Stop::Failed(_))), "digit {at}");
            changed[at] = b'x';
            assert!(
                matches!(check(&changed, &keys), Err(Stop::Weak)),
                "digit {at}"
            );
        }
        for length in 0..55 {
            let cut = check(&file.as_bytes()[..length], &keys);
            assert!(matches!(cut, Err(Stop::Weak)), "{length} bytes");
        }
    }
}
