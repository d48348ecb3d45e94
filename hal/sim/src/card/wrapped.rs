// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What DESFire and NTAG 424 DNA have in common: native commands in ISO wrapping, and drawing
//! numbers.

/// A command APDU.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Wrapped<'a> {
    /// 90, code, 00 00, length and data where there is some, 00.
    Native(u8, &'a [u8]),
    /// Of class 00.
    Iso,
    Nonsense,
}

pub(crate) fn parse(apdu: &[u8]) -> Wrapped<'_> {
    match apdu {
        [0x90, code, 0, 0, 0] => Wrapped::Native(*code, &[]),
        [0x90, code, 0, 0, length, data @ .., 0] if usize::from(*length) == data.len() => {
            Wrapped::Native(*code, data)
        }
        [0x00, _, _, _, ..] => Wrapped::Iso,
        _ => Wrapped::Nonsense,
    }
}

/// Numbers that look random and are the same in each run.
#[derive(Clone, Debug)]
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: &[u8]) -> Self {
        let mixed = seed.iter().fold(0x9e37_79b9_7f4a_7c15_u64, |sum, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(mixed | 1)
    }

    fn eight(&mut self) -> [u8; 8] {
        // xorshift64*, Vigna 2014.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes()
    }

    pub(crate) fn four(&mut self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.eight();
        [a, b, c, d]
    }

    pub(crate) fn block(&mut self) -> [u8; 16] {
        let halves = [self.eight(), self.eight()];
        let mut block = [0; 16];
        let into = block.iter_mut().zip(halves.as_flattened());
        into.for_each(|(into, byte)| *into = *byte);
        block
    }
}
