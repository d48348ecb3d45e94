// SPDX-License-Identifier: Apache-2.0 OR MIT
//! OSDP Secure Channel: from a shared key to session keys, and the chain of MACs through everything
//! that is said. Source: SIA OSDP 2.2 annex D and the example of annex E, as public implementations
//! state them.
//!
//! Each MAC begins from the last one of the other side, so that a packet that was left out, sent
//! twice, turned round or changed breaks the chain; the session is over then.

use heapless::Vec;

use super::frame::{MAC_LEN, PACKET_MAX};
use crate::aes128::{AesKey, Block, same};

/// A random number of a handshake.
pub type Nonce = [u8; 8];

const PAD: u8 = 0x80;
/// The key that every reader knows before it is given its own (SCBK-D): no secret.
const DEFAULT_KEY: Block = *b"0123456789:;<=>?";
/// Blocks of the longest packet, and one more for what fills the last.
const BLOCKS_MAX: usize = PACKET_MAX / 16 + 1;

type Blocks = Vec<Block, BLOCKS_MAX>;

/// The key that every reader knows.
#[must_use]
pub fn default_key() -> AesKey {
    AesKey::new(DEFAULT_KEY)
}

/// A handshake that has begun: the box has said its random number.
pub struct Handshake {
    ours: Nonce,
    enc: AesKey,
    mac1: AesKey,
    mac2: AesKey,
}

impl Handshake {
    /// Begins with this key and our random number, which must be a new one each time.
    #[must_use]
    pub fn new(key: &AesKey, ours: Nonce) -> Self {
        let [a, b, c, d, e, f, _, _] = ours;
        let session = |kind: u8| {
            let label = [0x01, kind, a, b, c, d, e, f, 0, 0, 0, 0, 0, 0, 0, 0];
            AesKey::new(encrypted(key, label))
        };
        Self {
            ours,
            enc: session(0x82),
            mac1: session(0x01),
            mac2: session(0x02),
        }
    }

    /// Takes what the reader says about itself: its random number and its cryptogram. Returns ours
    /// and the session, or `None` when the reader does not know the key.
    #[must_use]
    pub fn prove(self, theirs: Nonce, cryptogram: &Block) -> Option<(Block, Session)> {
        let expected = encrypted(&self.enc, joined(self.ours, theirs));
        if !same(&expected, cryptogram) {
            return None;
        }
        let ours = encrypted(&self.enc, joined(theirs, self.ours));
        let reply_mac = encrypted(&self.mac2, encrypted(&self.mac1, ours));
        let session = Session {
            enc: self.enc,
            mac1: self.mac1,
            mac2: self.mac2,
            command_mac: [0; 16],
            reply_mac,
        };
        Some((ours, session))
    }
}

/// A session, in which everything is signed.
pub struct Session {
    enc: AesKey,
    mac1: AesKey,
    mac2: AesKey,
    /// MAC of the last command.
    command_mac: Block,
    /// MAC of the last reply.
    reply_mac: Block,
}

impl Session {
    /// Whether the reader's first MAC is the one that we begin from.
    #[must_use]
    pub fn begins_with(&self, reply_mac: &Block) -> bool {
        same(&self.reply_mac, reply_mac)
    }

    /// Encrypts a command's data. `None` when the result is longer than a packet.
    #[must_use]
    pub fn seal(&self, data: &[u8]) -> Option<Vec<u8, PACKET_MAX>> {
        // Always filled: whole blocks get one more.
        let mut blocks = filled(data, true)?;
        self.enc.encrypt(&turned(self.reply_mac), &mut blocks);
        Vec::from_slice(blocks.as_flattened()).ok()
    }

    /// Signs a command: all bytes before its MAC. The chain goes on from here, so that a command
    /// that is sent once more must be the same bytes. `None` when they are longer than a packet.
    #[must_use]
    pub fn sign(&mut self, bytes: &[u8]) -> Option<[u8; MAC_LEN]> {
        self.command_mac = self.mac(self.reply_mac, bytes)?;
        Some(short(self.command_mac))
    }

    /// Whether a reply is the reader's answer to the last command. The chain goes on only then.
    #[must_use]
    pub fn verify(&mut self, bytes: &[u8], mac: [u8; MAC_LEN]) -> bool {
        let whole = self.mac(self.command_mac, bytes);
        let right = whole.filter(|whole| same(&short(*whole), &mac));
        if let Some(whole) = right {
            self.reply_mac = whole;
        }
        right.is_some()
    }

    /// Decrypts the data of a reply that was found right. `None` when it is not whole blocks, or
    /// what is inside does not end as it must.
    #[must_use]
    pub fn open(&self, sealed: &[u8]) -> Option<Vec<u8, PACKET_MAX>> {
        let (blocks, rest) = sealed.as_chunks::<16>();
        let mut blocks = Blocks::from_slice(blocks).ok()?;
        self.enc.decrypt(&turned(self.command_mac), &mut blocks);
        let data = blocks.as_flattened();
        let end = data.iter().rposition(|byte| *byte != 0)?;
        let whole = rest.is_empty() && data.get(end) == Some(&PAD);
        whole.then(|| Vec::from_slice(data.get(..end)?).ok())?
    }

    /// The chain over `bytes`, begun at `from`: the last block with another key.
    fn mac(&self, from: Block, bytes: &[u8]) -> Option<Block> {
        let mut blocks = filled(bytes, false)?;
        let (last, before) = blocks.split_last_mut()?;
        self.mac1.encrypt(&from, before);
        let chain = before.last().copied().unwrap_or(from);
        self.mac2.encrypt(&chain, core::slice::from_mut(last));
        Some(*last)
    }
}

/// `bytes` in blocks, the last one filled with 80 00...; one that is full only when `always`.
fn filled(bytes: &[u8], always: bool) -> Option<Blocks> {
    let (whole, rest) = bytes.as_chunks::<16>();
    let mut blocks = Blocks::from_slice(whole).ok()?;
    if always || !rest.is_empty() {
        let mut last = [0; 16];
        let marked = rest.iter().chain([&PAD]);
        last.iter_mut()
            .zip(marked)
            .for_each(|(to, byte)| *to = *byte);
        blocks.push(last).ok()?;
    }
    Some(blocks)
}

fn joined(first: Nonce, second: Nonce) -> Block {
    let mut bytes = first.into_iter().chain(second);
    [(); 16].map(|()| bytes.next().unwrap_or(0))
}

/// One block alone.
fn encrypted(key: &AesKey, mut block: Block) -> Block {
    key.encrypt(&[0; 16], core::slice::from_mut(&mut block));
    block
}

/// Each bit turned round.
fn turned(block: Block) -> Block {
    block.map(|byte| !byte)
}

fn short(mac: Block) -> [u8; MAC_LEN] {
    let [a, b, c, d, ..] = mac;
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Nonce = [0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7];
    const THEIRS: Nonce = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7];
    const CLIENT: u128 = 0xfde5_d2f4_28ec_1631_2471_ea3c_02bd_7796;
    const SERVER: u128 = 0x26d3_356e_0776_2d26_2801_fc8e_6665_a891;
    const REPLY_MAC: u128 = 0xb2a3_0057_eb98_ba22_29ec_1f87_5662_b524;

    fn session() -> Session {
        let handshake = Handshake::new(&default_key(), OURS);
        let (_, session) = handshake.prove(THEIRS, &CLIENT.to_be_bytes()).unwrap();
        session
    }

    /// The example of annex E.
    #[test]
    fn the_published_handshake_is_reproduced() {
        let handshake = Handshake::new(&default_key(), OURS);
        let keys: [(&AesKey, u128); 3] = [
            (&handshake.mac1, 0x5e86_c676_603b_dee2_d8be_afe1_7863_7332),
            (&handshake.mac2, 0x6fda_86e8_5777_7e81_1320_3575_8239_172e),
            (&handshake.enc, 0xbf8d_c2a8_329a_cb8c_67c6_d0cd_9a45_1682),
        ];
        for (key, published) in keys {
            assert_eq!(*key.bytes(), published.to_be_bytes());
        }
        let (server, session) = handshake.prove(THEIRS, &CLIENT.to_be_bytes()).unwrap();
        assert_eq!(server, SERVER.to_be_bytes());
        assert!(session.begins_with(&REPLY_MAC.to_be_bytes()));
        assert!(!session.begins_with(&(REPLY_MAC ^ 1).to_be_bytes()));
    }

    #[test]
    fn a_reader_without_the_key_is_refused_whichever_bit_is_wrong() {
        for bit in 0..128 {
            let handshake = Handshake::new(&default_key(), OURS);
            let cryptogram = (CLIENT ^ 1 << bit).to_be_bytes();
            assert!(handshake.prove(THEIRS, &cryptogram).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_reply_is_right_only_in_its_place_in_the_chain() {
        let mut session = session();
        session.sign(b"command").unwrap();
        let mac = short(session.mac(session.command_mac, b"reply").unwrap());
        assert!(!session.verify(b"reply", [mac[0] ^ 1, mac[1], mac[2], mac[3]]));
        assert!(!session.verify(b"reply?", mac));
        assert!(session.verify(b"reply", mac));
        session.sign(b"command").unwrap();
        assert!(!session.verify(b"reply", mac), "a replay was accepted");
    }

    #[test]
    fn sealed_data_must_be_whole_blocks_that_end_as_they_must() {
        let mut session = session();
        for length in [0, 1, 15, 16, 17, 200] {
            let data = std::vec![0; length];
            let sealed = session.seal(&data).unwrap();
            assert_eq!(sealed.len(), length / 16 * 16 + 16);
            // What we seal, the other side opens from the same MAC.
            session.command_mac = session.reply_mac;
            assert_eq!(session.open(&sealed).unwrap().as_slice(), data);
            assert!(session.open(&sealed[1..]).is_none());
        }
        assert!(session.open(&[]).is_none());
        assert!(session.seal(&[0; PACKET_MAX]).is_none());
        let mut nothing = [[0; 16]];
        session
            .enc
            .encrypt(&turned(session.command_mac), &mut nothing);
        let unmarked = session.open(nothing.as_flattened());
        assert!(unmarked.is_none(), "no mark before the filling");
    }
}
