// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The card's side of `AuthenticateEV2First` and of the one command after it that is modelled,
//! `GetCardUID` in full mode. Source: NXP AN12196 rev. 1.5, §6.6 and table 14; AN12343.

use super::crypto::{Block, cmac, cut_mac, decrypt, encrypt};

const OK: u8 = 0x00;
const INTEGRITY: u8 = 0x1e;
const WRONG_LENGTH: u8 = 0x7e;
const NOT_AUTHENTICATED: u8 = 0xae;

/// What a card remembers of an authentication.
#[derive(Clone, Debug, Default)]
pub(crate) enum Ev2 {
    #[default]
    None,
    Challenged {
        key: Block,
        challenge: Block,
    },
    Open {
        enc: Block,
        mac: Block,
        transaction: [u8; 4],
        counter: u16,
    },
}

impl Ev2 {
    pub(crate) fn is_challenged(&self) -> bool {
        matches!(self, Self::Challenged { .. })
    }

    /// First part: the sealed challenge.
    pub(crate) fn challenge(&mut self, key: Block, challenge: Block) -> Vec<u8> {
        *self = Self::Challenged { key, challenge };
        encrypt(&key, &mut [0; 16], &challenge)
    }

    /// Second part: checks the reader's answer and gives the card's own.
    pub(crate) fn answer(&mut self, data: &[u8], transaction: [u8; 4]) -> Result<Vec<u8>, u8> {
        let Self::Challenged { key, challenge } = std::mem::take(self) else {
            return Err(NOT_AUTHENTICATED);
        };
        let plain = decrypt(&key, &mut [0; 16], data);
        let Some((theirs, echo)) = plain.split_first_chunk::<16>() else {
            return Err(WRONG_LENGTH);
        };
        let mut wanted = challenge;
        wanted.rotate_left(1);
        if echo != wanted {
            return Err(NOT_AUTHENTICATED);
        }
        let mut back = *theirs;
        back.rotate_left(1);
        let said = [&transaction[..], &back, &[0; 12]].concat();
        let (enc, mac) = session_keys(&key, theirs, &challenge);
        *self = Self::Open {
            enc,
            mac,
            transaction,
            counter: 0,
        };
        Ok(encrypt(&key, &mut [0; 16], &said))
    }

    /// The true number, encrypted, with its MAC.
    pub(crate) fn card_uid(&mut self, data: &[u8], uid: &[u8]) -> Result<Vec<u8>, u8> {
        let Self::Open {
            enc,
            mac,
            transaction,
            counter,
        } = self
        else {
            return Err(NOT_AUTHENTICATED);
        };
        let said = [&[0x51][..], &counter.to_le_bytes(), transaction].concat();
        if data != cut_mac(mac, &said) {
            *self = Self::None;
            return Err(INTEGRITY);
        }
        *counter += 1;
        let counter = counter.to_le_bytes();
        let start = [&[0x5a, 0xa5][..], transaction, &counter, &[0; 8]].concat();
        let mut iv: Block = encrypt(enc, &mut [0; 16], &start)
            .try_into()
            .map_err(|_| WRONG_LENGTH)?;
        let mut plain = uid.to_vec();
        plain.push(0x80);
        plain.resize(16, 0);
        let sealed = encrypt(enc, &mut iv, &plain);
        let said = [&[OK][..], &counter, transaction, &sealed].concat();
        Ok([sealed, cut_mac(mac, &said)].concat())
    }
}

/// Keys for encryption and MAC, from the reader's challenge `a` and the card's `b`.
fn session_keys(key: &Block, a: &Block, b: &Block) -> (Block, Block) {
    let mixed = a.iter().skip(2).zip(b).take(6).map(|(a, b)| a ^ b);
    let tail: Vec<u8> = (a.iter().take(2).copied())
        .chain(mixed)
        .chain(b.iter().skip(6).copied())
        .chain(a.iter().skip(8).copied())
        .collect();
    let made = |label: [u8; 2]| {
        let vector = [&label[..], &[0x00, 0x01, 0x00, 0x80], &tail].concat();
        cmac(key, [0; 16], &vector)
    };
    (made([0xa5, 0x5a]), made([0x5a, 0xa5]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(value: u128) -> Block {
        value.to_be_bytes()
    }

    #[test]
    fn the_published_dialogue_is_answered_as_published() {
        let mut card = Ev2::None;
        let challenge = block(0xb9e2_fc78_9b64_bf23_7ccc_aa20_ec7e_6e48);
        let sealed = card.challenge([0; 16], challenge);
        assert_eq!(sealed, block(0xa04c_1242_13c1_86f2_2399_d33a_c2a3_0215));
        let reader = [
            block(0x35c3_e05a_752e_0144_bac0_de51_c1f2_2c56),
            block(0xb344_08a2_3d8a_ea26_6cab_947e_a8e0_118d),
        ];
        let transaction = [0x9d, 0x00, 0xc4, 0xdf];
        let answer = card.answer(reader.as_flattened(), transaction).unwrap();
        let published = [
            block(0x3fa6_4db5_446d_1f34_cd6e_a311_167f_5e49),
            block(0x85b8_9690_c04a_05f1_7fa7_ab2f_0812_0663),
        ];
        assert_eq!(answer, published.as_flattened());
        let Ev2::Open { enc, mac, .. } = card else {
            panic!("not open");
        };
        assert_eq!(enc, block(0x1309_c877_509e_5a21_5007_ff0e_d19c_a564));
        assert_eq!(mac, block(0x4c66_26f5_e72e_a694_2021_3929_5c7a_7fc7));
    }

    #[test]
    fn session_keys_are_the_published_ones() {
        let a = block(0xb04d_0787_c93e_e0cc_8cac_c8e8_6f16_c6fe);
        let b = block(0xfa65_9ad0_dca7_38dd_65dc_7dc3_8612_ad81);
        let (enc, mac) = session_keys(&[0; 16], &a, &b);
        assert_eq!(enc, block(0x63dc_0728_6289_a7a6_c033_4ca3_1c31_4a04));
        assert_eq!(mac, block(0x774f_2674_3ece_6af5_033b_6ae8_5229_46f6));
    }
}
