// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The reader's side of the OSDP Secure Channel. Source: SIA OSDP 2.2 annex D as public
//! implementations state it; with the models' own AES, apart from the driver.

use crate::aes::{Aes128, Block, xor};

/// The key that every reader knows.
pub(super) const DEFAULT_KEY: Block = [
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f,
];

/// A channel from the challenge on.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    s_enc: Aes128,
    s_mac1: Aes128,
    s_mac2: Aes128,
    rnd_a: [u8; 8],
    rnd_b: [u8; 8],
    c_mac: Block,
    r_mac: Block,
    /// The box has proved that it knows the key.
    pub(super) open: bool,
}

impl Channel {
    pub(super) fn new(key: &Block, rnd_a: [u8; 8], rnd_b: [u8; 8]) -> Self {
        let scbk = Aes128::new(key);
        let derived = |label: u8| {
            let mut input = [0; 16];
            input[0] = 0x01;
            input[1] = label;
            input[2..8].copy_from_slice(&rnd_a[..6]);
            Aes128::new(&scbk.encrypt(input))
        };
        Self {
            s_enc: derived(0x82),
            s_mac1: derived(0x01),
            s_mac2: derived(0x02),
            rnd_a,
            rnd_b,
            c_mac: [0; 16],
            r_mac: [0; 16],
            open: false,
        }
    }

    /// The reader's proof.
    pub(super) fn client_cryptogram(&self) -> Block {
        let mut both = [0; 16];
        both[..8].copy_from_slice(&self.rnd_a);
        both[8..].copy_from_slice(&self.rnd_b);
        self.s_enc.encrypt(both)
    }

    /// Takes the box's proof; the first R-MAC when it is right.
    pub(super) fn prove(&mut self, server_cryptogram: &[u8]) -> Option<Block> {
        let mut both = [0; 16];
        both[..8].copy_from_slice(&self.rnd_b);
        both[8..].copy_from_slice(&self.rnd_a);
        let wanted = self.s_enc.encrypt(both);
        if server_cryptogram != wanted {
            return None;
        }
        self.r_mac = self.s_mac2.encrypt(self.s_mac1.encrypt(wanted));
        self.open = true;
        Some(self.r_mac)
    }

    fn mac(&self, iv: Block, bytes: &[u8]) -> Block {
        let mut text = bytes.to_vec();
        if !text.len().is_multiple_of(16) {
            text.push(0x80);
            while !text.len().is_multiple_of(16) {
                text.push(0);
            }
        }
        let blocks = text.len() / 16;
        let mut value = iv;
        for (n, block) in text.chunks(16).enumerate() {
            let mut input = [0; 16];
            input.copy_from_slice(block);
            let key = if n + 1 == blocks {
                &self.s_mac2
            } else {
                &self.s_mac1
            };
            value = key.encrypt(xor(value, input));
        }
        value
    }

    /// Whether a command's MAC is right.
    pub(super) fn hear(&mut self, signed: &[u8], mac: &[u8]) -> bool {
        self.c_mac = self.mac(self.r_mac, signed);
        self.c_mac[..4] == *mac
    }

    /// Signs a reply.
    pub(super) fn sign(&mut self, signed: &[u8]) -> [u8; 4] {
        self.r_mac = self.mac(self.c_mac, signed);
        [self.r_mac[0], self.r_mac[1], self.r_mac[2], self.r_mac[3]]
    }

    /// Decrypts a command's data. The command's own MAC is known already, the reply's before it
    /// is what the box began from.
    pub(super) fn decrypt(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        if sealed.is_empty() || !sealed.len().is_multiple_of(16) {
            return None;
        }
        let mut iv = self.r_mac.map(|byte| !byte);
        let mut text = Vec::new();
        for chunk in sealed.chunks(16) {
            let mut block = [0; 16];
            block.copy_from_slice(chunk);
            text.extend(xor(self.s_enc.decrypt(block), iv));
            iv = block;
        }
        while text.last() == Some(&0) {
            text.pop();
        }
        (text.pop() == Some(0x80)).then_some(text)
    }

    /// Encrypts a reply's data.
    pub(super) fn encrypt(&self, data: &[u8]) -> Vec<u8> {
        let mut text = data.to_vec();
        text.push(0x80);
        while !text.len().is_multiple_of(16) {
            text.push(0);
        }
        let mut iv = self.c_mac.map(|byte| !byte);
        let mut sealed = Vec::new();
        for chunk in text.chunks(16) {
            let mut block = [0; 16];
            block.copy_from_slice(chunk);
            iv = self.s_enc.encrypt(xor(block, iv));
            sealed.extend(iv);
        }
        sealed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of annex E.
    #[test]
    fn the_published_handshake_is_reproduced() {
        let rnd_a = [0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7];
        let rnd_b = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7];
        let mut channel = Channel::new(&DEFAULT_KEY, rnd_a, rnd_b);
        let client = 0xfde5_d2f4_28ec_1631_2471_ea3c_02bd_7796_u128;
        assert_eq!(channel.client_cryptogram(), client.to_be_bytes());
        let server = 0x26d3_356e_0776_2d26_2801_fc8e_6665_a891_u128;
        let first = 0xb2a3_0057_eb98_ba22_29ec_1f87_5662_b524_u128;
        assert_eq!(channel.prove(&(server ^ 1).to_be_bytes()), None);
        assert!(!channel.open);
        assert_eq!(
            channel.prove(&server.to_be_bytes()),
            Some(first.to_be_bytes())
        );
        assert!(channel.open);
    }
}
