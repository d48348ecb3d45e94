// SPDX-License-Identifier: Apache-2.0 OR MIT
//! AES authentication of DESFire EV1 (AA) and the one command that follows it here. Sources: the
//! published dialogue of "DESFire EV1 communication examples"; layout of the `GetCardUID` answer
//! as public readers use it.

use zeroize::Zeroizing;

use super::{GET_CARD_UID, MORE, OK, exactly, native, turned};
use crate::aes128::{AesKey, Block, same};
use crate::isodep::CardChannel;
use crate::proof::{Challenges, Stop};

const AUTHENTICATE: u8 = 0xaa;
const CONTINUE: u8 = 0xaf;

/// A session in which nothing was said yet: its running IV is zero.
pub(crate) struct Session {
    key: AesKey,
}

/// Both sides show that they have the key.
pub(crate) fn authenticate(
    card: &mut dyn CardChannel,
    number: u8,
    key: &AesKey,
    challenges: &mut Challenges,
) -> Result<Session, Stop> {
    let answer = native(card, AUTHENTICATE, &[number])?;
    let sealed: Block = exactly(answer, MORE, "card refuses to authenticate with this key")?;
    let mut theirs = Zeroizing::new([sealed]);
    key.decrypt(&[0; 16], &mut *theirs);
    let [theirs] = *theirs;
    let ours = challenges.next()?;

    let mut token = [*ours, turned(&theirs)];
    key.encrypt(&sealed, &mut token);
    let answer = native(card, CONTINUE, token.as_flattened())?;
    let mut proof: [Block; 1] = [exactly(answer, OK, "card does not know our key")?];
    let [_, last_sent] = token;
    key.decrypt(&last_sent, &mut proof);
    let [proof] = proof;
    if !same(&proof, &turned(&ours)) {
        return Err(Stop::Failed("card does not have the key"));
    }
    Ok(Session {
        key: AesKey::new(session_key(&ours, &theirs)),
    })
}

/// First and last quarter of both challenges.
fn session_key(ours: &Block, theirs: &Block) -> Block {
    let [a, b, c, d, .., i, j, k, l] = *ours;
    let [e, f, g, h, .., m, n, o, p] = *theirs;
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

impl Session {
    /// The true number: 7 bytes, CRC-32 over it and the status, five zeros, in one block whose IV
    /// is the CMAC of the command.
    pub(crate) fn card_uid(self, card: &mut dyn CardChannel) -> Result<[u8; 7], Stop> {
        let iv = self.key.cmac(&[&[GET_CARD_UID]]);
        let answer = native(card, GET_CARD_UID, &[])?;
        let mut plain: [Block; 1] = [exactly(answer, OK, "card does not tell its number")?];
        self.key.decrypt(&iv, &mut plain);
        let [[a, b, c, d, e, f, g, crc @ .., 0, 0, 0, 0, 0]] = plain else {
            return Err(Stop::Failed("card's true number is not sealed by the key"));
        };
        let uid = [a, b, c, d, e, f, g];
        if crc != crc32(&uid).to_le_bytes() {
            return Err(Stop::Failed("card's true number is not sealed by the key"));
        }
        Ok(uid)
    }
}

/// CRC-32 without the last inversion, over the number and the status.
fn crc32(uid: &[u8; 7]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(uid);
    crc.update(&[OK]);
    !crc.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desfire::ev2::tests::{Dialogue, hex};

    #[test]
    fn the_published_dialogue_is_spoken_to_its_session_key() {
        let ours = hex("F44B26F5686F3A391CD38EBD10772281");
        let theirs = hex("C05DDD714FD788A6B7B754F3C4D066E8");
        let mut card = Dialogue::new(&[
            ("90AA0000010000", "B969FDFE56FD91FC9DE6F6F213B8FD1E91AF"),
            (
                "90AF000020\
                 36AAD7DF6E436BA08D18613830A70D5AD43E3D3F4A8D47541EEE623A934E477400",
                "800DB680BC146BD121D6578F2D2E20599100",
            ),
        ]);
        let mut challenges = Challenges::new(Box::new(move |bytes| bytes.copy_from_slice(&ours)));
        let key = AesKey::new([0; 16]);
        let session = authenticate(&mut card, 0, &key, &mut challenges);
        assert!(session.is_ok() && card.is_over());
        let ours = hex("F44B26F5686F3A391CD38EBD10772281");
        let key = session_key(&ours.try_into().unwrap(), &theirs.try_into().unwrap());
        assert_eq!(key.to_vec(), hex("F44B26F5C05DDD7110772281C4D066E8"));
    }

    #[test]
    fn a_number_is_taken_with_its_right_check_and_padding_only() {
        let right = [4, 1, 2, 3, 4, 5, 6, 0x39, 0x0c, 0x7b, 0x6d, 0, 0, 0, 0, 0];
        let told = |plain: Block| {
            let key = AesKey::new([9; 16]);
            let iv = key.cmac(&[&[GET_CARD_UID]]);
            let mut sealed = [plain];
            key.encrypt(&iv, &mut sealed);
            let mut card = Dialogue::new(&[]);
            card.then(sealed.as_flattened());
            Session { key }.card_uid(&mut card)
        };
        assert_eq!(told(right).unwrap(), [4, 1, 2, 3, 4, 5, 6]);
        for bit in 0..128_usize {
            let mut wrong = right;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(told(wrong), Err(Stop::Failed(_))), "bit {bit}");
        }
    }

    #[test]
    fn an_answer_with_one_flipped_bit_is_no_proof() {
        for bit in 0..128_usize {
            let ours = hex("F44B26F5686F3A391CD38EBD10772281");
            let mut last = hex("800DB680BC146BD121D6578F2D2E2059");
            last[bit / 8] ^= 1 << (bit % 8);
            let mut card = Dialogue::new(&[("", "B969FDFE56FD91FC9DE6F6F213B8FD1E91AF")]);
            card.then(&last);
            let mut challenges =
                Challenges::new(Box::new(move |bytes| bytes.copy_from_slice(&ours)));
            let session = authenticate(&mut card, 0, &AesKey::new([0; 16]), &mut challenges);
            assert!(matches!(session, Err(Stop::Failed(_))), "bit {bit}");
        }
    }
}
