// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AES-128 in the modes that cards use, put together here from single blocks: CBC, CMAC with a
//! running IV (NIST SP 800-38B), key diversification (NXP AN10922), and DESFire's CRC-32.

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

pub(crate) type Block = [u8; 16];

pub(crate) fn encrypt_block(key: &Block, block: Block) -> Block {
    let mut block = block.into();
    Aes128::new(key.into()).encrypt_block(&mut block);
    block.into()
}

fn decrypt_block(key: &Block, block: Block) -> Block {
    let mut block = block.into();
    Aes128::new(key.into()).decrypt_block(&mut block);
    block.into()
}

pub(crate) fn xor(a: Block, b: Block) -> Block {
    (u128::from_be_bytes(a) ^ u128::from_be_bytes(b)).to_be_bytes()
}

/// CBC; what is not a whole block at the end is left out. `iv` becomes the last block sent.
pub(crate) fn encrypt(key: &Block, iv: &mut Block, plain: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    for block in plain.as_chunks::<16>().0 {
        *iv = encrypt_block(key, xor(*block, *iv));
        sealed.extend(*iv);
    }
    sealed
}

/// CBC backwards; `iv` becomes the last block received.
pub(crate) fn decrypt(key: &Block, iv: &mut Block, sealed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    for block in sealed.as_chunks::<16>().0 {
        plain.extend(xor(decrypt_block(key, *block), *iv));
        *iv = *block;
    }
    plain
}

/// Twice the number, in the field of 2¹²⁸ elements.
fn doubled(value: u128) -> u128 {
    value << 1 ^ if value >> 127 == 1 { 0x87 } else { 0 }
}

/// CMAC whose chain begins with `iv`; `blocks_min` fills shorter messages up (AN10922 wants two).
fn cmac_from(key: &Block, iv: Block, message: &[u8], blocks_min: usize) -> Block {
    let first = doubled(u128::from_be_bytes(encrypt_block(key, [0; 16])));
    let mut padded = message.to_vec();
    let whole =
        !message.is_empty() && message.len().is_multiple_of(16) && message.len() / 16 >= blocks_min;
    if !whole {
        padded.push(0x80);
        padded.resize(padded.len().next_multiple_of(16).max(blocks_min * 16), 0);
    }
    let subkey = if whole { first } else { doubled(first) };
    let (blocks, _) = padded.as_chunks::<16>();
    let Some((last, others)) = blocks.split_last() else {
        return [0; 16];
    };
    let chained = others
        .iter()
        .fold(iv, |chain, block| encrypt_block(key, xor(chain, *block)));
    encrypt_block(key, xor(xor(chained, *last), subkey.to_be_bytes()))
}

pub(crate) fn cmac(key: &Block, iv: Block, message: &[u8]) -> Block {
    cmac_from(key, iv, message, 1)
}

/// Every second byte of a CMAC, beginning with the second.
pub(crate) fn cut_mac(key: &Block, message: &[u8]) -> Vec<u8> {
    let mac = cmac(key, [0; 16], message);
    mac.iter().skip(1).step_by(2).copied().collect()
}

/// The AES-128 key that NXP AN10922 derives from `master` for the card with this number; `tail`
/// is what follows the number in the input.
#[must_use]
pub fn diversified_key(master: [u8; 16], uid: &[u8], tail: &[u8]) -> [u8; 16] {
    cmac_from(&master, [0; 16], &[&[0x01], uid, tail].concat(), 2)
}

/// CRC-32 as DESFire has it: reflected 04C11DB7, preset all ones, not inverted at the end.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(value: u128) -> Block {
        value.to_be_bytes()
    }

    #[test]
    fn cmac_and_cbc_give_the_vectors_of_nist() {
        let key = block(0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c);
        let plain = block(0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a);
        let mac = |message: &[u8]| u128::from_be_bytes(cmac(&key, [0; 16], message));
        assert_eq!(mac(&[]), 0xbb1d_6929_e959_3728_7fa3_7d12_9b75_6746);
        assert_eq!(mac(&plain), 0x070a_16b4_6b4d_4144_f79b_dd9d_d04a_287c);
        let mut long = plain.to_vec();
        long.extend(block(0xae2d_8a57_1e03_ac9c_9eb7_6fac_45af_8e51));
        long.extend(block(0x30c8_1c46_a35c_e411_e5fb_c119_1a0a_52ef));
        assert_eq!(mac(&long[..40]), 0xdfa6_6747_de9a_e630_30ca_3261_1497_c827);
        let iv = block(0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f);
        let sealed = encrypt(&key, &mut iv.clone(), &plain);
        let published = block(0x7649_abac_8119_b246_cee9_8e9b_12e9_197d);
        assert_eq!(sealed, published);
        assert_eq!(decrypt(&key, &mut iv.clone(), &sealed), plain);
    }

    #[test]
    fn diversified_keys_are_the_published_ones() {
        let master = block(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
        let uid = [0x04, 0x78, 0x2e, 0x21, 0x80, 0x1d, 0x80];
        let tail = [&[0x30, 0x42, 0xf5][..], b"NXP Abu"].concat();
        let key = block(0xa8dd_63a3_b89d_54b3_7ca8_0247_3fda_9175);
        assert_eq!(diversified_key(master, &uid, &tail), key);
    }

    #[test]
    fn crc32_gives_its_check_value() {
        assert_eq!(crc32(b"123456789"), 0x340b_c6d9);
    }
}
