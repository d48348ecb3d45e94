// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Authentication and secure messaging of DESFire EV2 and later and of NTAG 424 DNA
//! (`AuthenticateEV2First`, 71). Sources: NXP AN12196 rev. 1.5 (tables 14, 19, 27), AN12343
//! (p. 35, 54).

use zeroize::Zeroizing;

use super::{GET_CARD_UID, MORE, OK, exactly, native, turned};
use crate::aes128::{AesKey, Block, same};
use crate::isodep::CardChannel;
use crate::proof::{Challenges, Stop};

const AUTHENTICATE: u8 = 0x71;
const CONTINUE: u8 = 0xaf;
const NO_CAPABILITIES: u8 = 0x00;
/// First bytes of what the session keys are made of, and of the IVs of commands and answers.
const TO_CARD: [u8; 2] = [0xa5, 0x5a];
const FROM_CARD: [u8; 2] = [0x5a, 0xa5];
/// Counter 1, key length 128 bits.
const KEY_LABEL: [u8; 4] = [0x00, 0x01, 0x00, 0x80];

/// A session; its command counter stands at zero.
pub(crate) struct Session {
    enc: AesKey,
    mac: AesKey,
    transaction: [u8; 4],
}

/// Both sides show that they have the key.
pub(crate) fn authenticate(
    card: &mut dyn CardChannel,
    number: u8,
    key: &AesKey,
    challenges: &mut Challenges,
) -> Result<Session, Stop> {
    let answer = native(card, AUTHENTICATE, &[number, NO_CAPABILITIES])?;
    let sealed: Block = exactly(answer, MORE, "card refuses to authenticate with this key")?;
    let mut theirs = Zeroizing::new([sealed]);
    key.decrypt(&[0; 16], &mut *theirs);
    let [theirs] = *theirs;
    let ours = challenges.next()?;

    let mut token = [*ours, turned(&theirs)];
    key.encrypt(&[0; 16], &mut token);
    let answer = native(card, CONTINUE, token.as_flattened())?;
    let sealed: [u8; 32] = exactly(answer, OK, "card does not know our key")?;
    let mut proof = [[0; 16]; 2];
    proof.as_flattened_mut().copy_from_slice(&sealed);
    key.decrypt(&[0; 16], &mut proof);
    // Transaction identifier, our challenge turned, capabilities of both sides.
    let opened = proof.as_flattened().split_first_chunk::<4>();
    let refused = Stop::Failed("card does not have the key");
    match opened.and_then(|(transaction, rest)| Some((transaction, rest.first_chunk()?))) {
        Some((transaction, echo)) if same(echo, &turned(&ours)) => {
            Ok(Session::new(key, &ours, &theirs, *transaction))
        }
        _ => Err(refused),
    }
}

impl Session {
    fn new(key: &AesKey, ours: &Block, theirs: &Block, transaction: [u8; 4]) -> Self {
        let (first, rest) = ours.split_at(2);
        let (middle, last) = rest.split_at(6);
        let (theirs_first, theirs_rest) = theirs.split_at(6);
        let mut mixed = [0; 6];
        for (into, (a, b)) in mixed.iter_mut().zip(middle.iter().zip(theirs_first)) {
            *into = a ^ b;
        }
        let derived =
            |label: [u8; 2]| key.derived(&[&label, &KEY_LABEL, first, &mixed, theirs_rest, last]);
        Self {
            enc: derived(TO_CARD),
            mac: derived(FROM_CARD),
            transaction,
        }
    }

    /// The true number: 7 bytes and padding in one encrypted block, then the MAC over status,
    /// counter, transaction and that block.
    pub(crate) fn card_uid(self, card: &mut dyn CardChannel) -> Result<[u8; 7], Stop> {
        let mac = self.mac_of(GET_CARD_UID, 0, &[]);
        let answer = native(card, GET_CARD_UID, &mac)?;
        let sealed: [u8; 24] = exactly(answer, OK, "card does not tell its number")?;
        let [block @ .., a, b, c, d, e, f, g, h] = sealed;
        let right = same(&[a, b, c, d, e, f, g, h], &self.mac_of(OK, 1, &block));
        let mut plain = [block];
        self.enc.decrypt(&self.iv(FROM_CARD, 1), &mut plain);
        match plain {
            [[a, b, c, d, e, f, g, 0x80, 0, 0, 0, 0, 0, 0, 0, 0]] if right => {
                Ok([a, b, c, d, e, f, g])
            }
            _ => Err(Stop::Failed("card's true number is not sealed by the key")),
        }
    }

    /// The MAC over a command's code, or an answer's status, and what goes with it.
    fn mac_of(&self, code: u8, counter: u16, data: &[u8]) -> [u8; 8] {
        let counter = counter.to_le_bytes();
        self.mac
            .short_mac(&[&[code], &counter, &self.transaction, data])
    }

    fn iv(&self, label: [u8; 2], counter: u16) -> Block {
        let ([l0, l1], [a, b, c, d]) = (label, self.transaction);
        let [low, high] = counter.to_le_bytes();
        let mut iv = [[l0, l1, a, b, c, d, low, high, 0, 0, 0, 0, 0, 0, 0, 0]];
        self.enc.encrypt(&[0; 16], &mut iv);
        let [iv] = iv;
        iv
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::VecDeque;

    use platen_hal::ReaderError;

    use super::*;
    use crate::isodep::Answer;

    pub(crate) fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .chars()
            .map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap())
            .collect();
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    }

    fn block(text: &str) -> Block {
        hex(text).try_into().unwrap()
    }

    fn key(text: &str) -> AesKey {
        AesKey::new(block(text))
    }

    /// A card whose part of a dialogue is written down; an empty command is not looked at.
    pub(crate) struct Dialogue(VecDeque<(Vec<u8>, Vec<u8>)>);

    impl Dialogue {
        pub(crate) fn new(turns: &[(&str, &str)]) -> Self {
            let turns = turns.iter().map(|(said, answer)| (hex(said), hex(answer)));
            Self(turns.collect())
        }

        pub(crate) fn then(&mut self, data: &[u8]) {
            let answer = [data, &[0x91, 0x00]].concat();
            self.0.push_back((vec![], answer));
        }

        pub(crate) fn is_over(&self) -> bool {
            self.0.is_empty()
        }
    }

    impl CardChannel for Dialogue {
        fn transmit(&mut self, apdu: &[u8], _: usize) -> Result<Answer, ReaderError> {
            let (wanted, answer) = self.0.pop_front().unwrap();
            if !wanted.is_empty() {
                assert_eq!(apdu, wanted);
            }
            Ok(Answer::from_slice(&answer).unwrap())
        }
    }

    #[test]
    fn the_published_dialogue_is_spoken_to_its_session_keys() {
        let mut card = Dialogue::new(&[
            ("9071000002000000", "A04C124213C186F22399D33AC2A3021591AF"),
            (
                "90AF00002035C3E05A752E0144BAC0DE51C1F22C56\
                 B34408A23D8AEA266CAB947EA8E0118D00",
                "3FA64DB5446D1F34CD6EA311167F5E4985B89690C04A05F17FA7AB2F081206639100",
            ),
        ]);
        let ours = hex("13C5DB8A5930439FC3DEF9A4C675360F");
        let mut challenges = Challenges::new(Box::new(move |bytes| bytes.copy_from_slice(&ours)));
        let zero = AesKey::new([0; 16]);
        let session = authenticate(&mut card, 0, &zero, &mut challenges).unwrap();
        assert!(card.is_over());
        assert_eq!(session.transaction.to_vec(), hex("9D00C4DF"));
        // The keys themselves: what they make of a known block and message.
        let (enc, mac) = (
            key("1309C877509E5A215007FF0ED19CA564"),
            key("4C6626F5E72EA694202139295C7A7FC7"),
        );
        assert_eq!(session.enc.cmac(&[]), enc.cmac(&[]));
        assert_eq!(session.mac.cmac(&[]), mac.cmac(&[]));
    }

    #[test]
    fn session_keys_macs_and_ivs_are_the_published_ones() {
        let ours = block("B04D0787C93EE0CC8CACC8E86F16C6FE");
        let theirs = block("FA659AD0DCA738DD65DC7DC38612AD81");
        let session = Session::new(&AesKey::new([0; 16]), &ours, &theirs, [0; 4]);
        let (enc, mac) = (
            key("63DC07286289A7A6C0334CA31C314A04"),
            key("774F26743ECE6AF5033B6AE8522946F6"),
        );
        assert_eq!(session.enc.cmac(&[]), enc.cmac(&[]));
        assert_eq!(session.mac.cmac(&[]), mac.cmac(&[]));

        let written = Session {
            enc: AesKey::new([0; 16]),
            mac: key("9366FA195EB566F5BD2BAD4020B83002"),
            transaction: [0xe2, 0xd3, 0xaf, 0x69],
        };
        let data = [&hex("00000000190000")[..], &[0x22; 25]].concat();
        let sent = written.mac_of(0x8d, 0, &data);
        assert_eq!(sent.to_vec(), hex("68F2C28C575A1628"));
        let received = written.mac_of(OK, 1, &[]);
        assert_eq!(received.to_vec(), hex("0820F68898C2A7F1"));

        for (enc, transaction, counter, iv) in [
            (
                "66A8CB93269DC9BC2885B7A91B9C697B",
                "ED56F6E6",
                0,
                "DA0F644A4986275957CF1EC3AF4CCE53",
            ),
            (
                "4CF3CB41A22583A61E89B158D252FC53",
                "7614281A",
                3,
                "01602D579423B2797BE8B478B0B4D27B",
            ),
        ] {
            let session = Session {
                enc: key(enc),
                mac: AesKey::new([0; 16]),
                transaction: hex(transaction).try_into().unwrap(),
            };
            assert_eq!(session.iv(TO_CARD, counter), block(iv));
        }
    }

    #[test]
    fn an_answer_with_one_flipped_bit_is_no_proof() {
        let right = hex("3FA64DB5446D1F34CD6EA311167F5E4985B89690C04A05F17FA7AB2F08120663");
        for bit in 0..256_usize {
            let mut last = right.clone();
            last[bit / 8] ^= 1 << (bit % 8);
            let mut card = Dialogue::new(&[("", "A04C124213C186F22399D33AC2A3021591AF")]);
            card.then(&last);
            let ours = hex("13C5DB8A5930439FC3DEF9A4C675360F");
            let mut challenges =
                Challenges::new(Box::new(move |bytes| bytes.copy_from_slice(&ours)));
            let session = authenticate(&mut card, 0, &AesKey::new([0; 16]), &mut challenges);
            assert!(matches!(session, Err(Stop::Failed(_))), "bit {bit}");
        }
    }
}
