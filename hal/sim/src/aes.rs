// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AES-128 for the models of parts with secrets, written from FIPS 197, so that they share no line
//! with the drivers' cryptography. Slow, and with time that depends on the key: for simulated keys
//! only.

/// Bytes of a block and of a key.
pub type Block = [u8; 16];

const ROUNDS: usize = 10;
/// Column mixing of FIPS 197 §5.1.3 and §5.3.3: how often the byte itself and the three below it
/// in its column count.
const MIX: [u8; 4] = [2, 3, 1, 1];
const UNMIX: [u8; 4] = [14, 11, 13, 9];

/// A key, spread over the rounds.
#[derive(Clone)]
pub struct Aes128([Block; ROUNDS + 1]);

/// Hides the key.
impl std::fmt::Debug for Aes128 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Aes128")
    }
}

impl Aes128 {
    /// Key expansion (§5.2).
    #[must_use]
    pub fn new(key: &Block) -> Self {
        let mut keys = [*key; ROUNDS + 1];
        let mut constant = 1;
        for round in 1..=ROUNDS {
            let before = keys[round - 1];
            for at in 0..16 {
                keys[round][at] = before[at]
                    ^ match at {
                        // The last column, turned by one byte and substituted.
                        0..4 => substitute(before[12 + (at + 1) % 4]),
                        _ => keys[round][at - 4],
                    };
            }
            // Only the first byte of a round key takes the constant; the columns behind follow.
            for column in 0..4 {
                keys[round][column * 4] ^= constant;
            }
            constant = times(constant, 2);
        }
        Self(keys)
    }

    /// Encrypts one block (§5.1).
    #[must_use]
    pub fn encrypt(&self, block: Block) -> Block {
        let mut state = xor(block, self.0[0]);
        for round in 1..=ROUNDS {
            state = std::array::from_fn(|at| substitute(state[shifted(at, 1)]));
            if round < ROUNDS {
                state = mixed(state, MIX);
            }
            state = xor(state, self.0[round]);
        }
        state
    }

    /// Decrypts one block (§5.3).
    #[must_use]
    pub fn decrypt(&self, block: Block) -> Block {
        let mut state = block;
        for round in (1..=ROUNDS).rev() {
            state = xor(state, self.0[round]);
            if round < ROUNDS {
                state = mixed(state, UNMIX);
            }
            state = std::array::from_fn(|at| restore(state[shifted(at, 3)]));
        }
        xor(state, self.0[0])
    }
}

/// Bytewise exclusive or.
#[must_use]
pub fn xor(a: Block, b: Block) -> Block {
    std::array::from_fn(|at| a[at] ^ b[at])
}

/// Where the byte at `at` comes from when row r moves by `step` times r columns (§5.1.2).
fn shifted(at: usize, step: usize) -> usize {
    let (column, row) = (at / 4, at % 4);
    (column + step * row) % 4 * 4 + row
}

fn mixed(state: Block, factors: [u8; 4]) -> Block {
    std::array::from_fn(|at| {
        let (column, row) = (at / 4 * 4, at % 4);
        (0..4).fold(0, |sum, n| {
            sum ^ times(state[column + (row + n) % 4], factors[n])
        })
    })
}

/// Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (§4.2).
const fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        a = (a << 1) ^ if a & 0x80 != 0 { 0x1b } else { 0 };
        b >>= 1;
    }
    product
}

static TABLES: ([u8; 256], [u8; 256]) = tables();

/// The substitution of §5.1.1 and its inverse: the inverse in the field, then an affine map.
const fn tables() -> ([u8; 256], [u8; 256]) {
    let (mut forth, mut back) = ([0_u8; 256], [0_u8; 256]);
    let mut a: u8 = 0;
    loop {
        let mut inverse: u8 = 0;
        let mut b: u8 = 1;
        while a != 0 && times(a, b) != 1 {
            b += 1;
        }
        if a != 0 {
            inverse = b;
        }
        let s = inverse
            ^ inverse.rotate_left(1)
            ^ inverse.rotate_left(2)
            ^ inverse.rotate_left(3)
            ^ inverse.rotate_left(4)
            ^ 0x63;
        forth[a as usize] = s;
        back[s as usize] = a;
        if a == 255 {
            return (forth, back);
        }
        a += 1;
    }
}

fn substitute(byte: u8) -> u8 {
    TABLES.0[usize::from(byte)]
}

fn restore(byte: u8) -> u8 {
    TABLES.1[usize::from(byte)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 197, appendices B and C.1.
    #[test]
    fn the_standard_s_blocks_are_encrypted_and_decrypted() {
        let examples: [(u128, u128, u128); 2] = [
            (
                0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c,
                0x3243_f6a8_885a_308d_3131_98a2_e037_0734,
                0x3925_841d_02dc_09fb_dc11_8597_196a_0b32,
            ),
            (
                0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f,
                0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
                0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a,
            ),
        ];
        for (key, plain, sealed) in examples {
            let aes = Aes128::new(&key.to_be_bytes());
            assert_eq!(aes.encrypt(plain.to_be_bytes()), sealed.to_be_bytes());
            assert_eq!(aes.decrypt(sealed.to_be_bytes()), plain.to_be_bytes());
        }
    }

    /// FIPS 197, appendix A.1: the last word of the expanded key.
    #[test]
    fn the_key_is_expanded_as_in_the_standard() {
        let key: u128 = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c;
        let Aes128(keys) = Aes128::new(&key.to_be_bytes());
        assert_eq!(keys[ROUNDS][12..], [0xb6, 0x63, 0x0c, 0xa6]);
    }
}
