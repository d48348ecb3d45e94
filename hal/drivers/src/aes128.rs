// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AES-128 as cards use it: CBC over whole blocks, CMAC (NIST SP 800-38B), CMAC cut to its bytes
//! of odd number (NXP AN12196), and keys derived for one card (NXP AN10922). No key is kept longer
//! than its owner, and none is shown.

use core::fmt;

use aes::Aes128;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit};
use cbc::{Decryptor, Encryptor};
use cmac::{Cmac, Mac};
use zeroize::Zeroizing;

/// A block of the cipher, a key, or a challenge.
pub type Block = [u8; 16];

/// Starts a diversified AES-128 key (AN10922).
const DIVERSIFIED: u8 = 0x01;

/// A key. It is wiped when dropped, and `Debug` hides it.
#[derive(Clone)]
pub struct AesKey(Zeroizing<Block>);

impl AesKey {
    /// Takes the 16 bytes of a key. The caller's own copy is the caller's to wipe.
    #[must_use]
    pub fn new(bytes: Block) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Its bytes, for a part that is given the key.
    pub(crate) fn bytes(&self) -> &Block {
        &self.0
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }

    /// CBC, in place.
    pub(crate) fn encrypt(&self, iv: &Block, blocks: &mut [Block]) {
        let mut mode = Encryptor::<Aes128>::new((&*self.0).into(), iv.into());
        for block in blocks {
            mode.encrypt_block(block.into());
        }
    }

    /// CBC, in place.
    pub(crate) fn decrypt(&self, iv: &Block, blocks: &mut [Block]) {
        let mut mode = Decryptor::<Aes128>::new((&*self.0).into(), iv.into());
        for block in blocks {
            mode.decrypt_block(block.into());
        }
    }

    /// CMAC over the parts behind each other.
    pub(crate) fn cmac(&self, parts: &[&[u8]]) -> Block {
        let mut mac = <Cmac<Aes128> as KeyInit>::new((&*self.0).into());
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    /// Bytes 1, 3, …, 15 of that CMAC.
    pub(crate) fn short_mac(&self, parts: &[&[u8]]) -> [u8; 8] {
        let [_, a, _, b, _, c, _, d, _, e, _, f, _, g, _, h] = self.cmac(parts);
        [a, b, c, d, e, f, g, h]
    }

    /// A key that belongs to what the parts say, by CMAC.
    pub(crate) fn derived(&self, parts: &[&[u8]]) -> Self {
        Self::new(self.cmac(parts))
    }

    /// The key of one card (AN10922 §2.2). With the constant 17 to 32 bytes: the note fills shorter
    /// inputs up to two blocks, which plain CMAC does not.
    pub(crate) fn diversified(&self, uid: &[u8], tail: &[u8]) -> Self {
        self.derived(&[&[DIVERSIFIED], uid, tail])
    }
}

impl fmt::Debug for AesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AesKey")
    }
}

/// Whether two MACs or challenges are the same, in a time that does not tell where they differ.
pub(crate) fn same<const N: usize>(a: &[u8; N], b: &[u8; N]) -> bool {
    a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(hex: u128) -> Block {
        hex.to_be_bytes()
    }

    #[test]
    fn cmac_gives_the_vectors_of_nist() {
        let key = AesKey::new(block(0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c));
        let message = [
            block(0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a),
            block(0xae2d_8a57_1e03_ac9c_9eb7_6fac_45af_8e51),
        ]
        .concat();
        assert_eq!(
            key.cmac(&[]),
            block(0xbb1d_6929_e959_3728_7fa3_7d12_9b75_6746)
        );
        let one = block(0x070a_16b4_6b4d_4144_f79b_dd9d_d04a_287c);
        assert_eq!(key.cmac(&[&message[..16]]), one);
        assert_eq!(key.cmac(&[&message[..3], &message[3..16]]), one);
    }

    #[test]
    fn cbc_gives_the_vectors_of_nist() {
        let key = AesKey::new(block(0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c));
        let iv = block(0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f);
        let plain = [
            block(0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a),
            block(0xae2d_8a57_1e03_ac9c_9eb7_6fac_45af_8e51),
        ];
        let mut blocks = plain;
        key.encrypt(&iv, &mut blocks);
        assert_eq!(blocks[0], block(0x7649_abac_8119_b246_cee9_8e9b_12e9_197d));
        assert_eq!(blocks[1], block(0x5086_cb9b_5072_19ee_95db_113a_9176_78b2));
        key.decrypt(&iv, &mut blocks);
        assert_eq!(blocks, plain);
    }

    #[test]
    fn the_key_of_one_card_is_the_published_one() {
        let master = AesKey::new(block(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff));
        let uid = [0x04, 0x78, 0x2e, 0x21, 0x80, 0x1d, 0x80];
        let tail = [&[0x30, 0x42, 0xf5][..], b"NXP Abu"].concat();
        let key = master.diversified(&uid, &tail);
        assert_eq!(*key.0, block(0xa8dd_63a3_b89d_54b3_7ca8_0247_3fda_9175));
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", AesKey::new([7; 16])), "AesKey");
    }
}
