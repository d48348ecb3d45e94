// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A DESFire EV1 or EV2 as far as its number and its proof go: version, one application with AES
//! keys, authentication (AA; 71 from EV2 on), `GetCardUID`. Commands come in ISO wrapping. Sources:
//! NXP AN12343, AN12196; "DESFire EV1 communication examples"; status codes as public readers have
//! them. Not modelled: files, DES keys, changing anything.

use std::collections::BTreeMap;

use super::crypto::{Block, cmac, crc32, decrypt, encrypt};
use super::ev2::Ev2;
use super::wrapped::{Draw, Wrapped, parse};

const MORE: u8 = 0xaf;
const ILLEGAL: u8 = 0x1c;
const NO_SUCH_KEY: u8 = 0x40;
const WRONG_LENGTH: u8 = 0x7e;
const NO_APPLICATION: u8 = 0xa0;
const NOT_AUTHENTICATED: u8 = 0xae;
const ABORTED: u8 = 0xca;

/// What is on the card, to be given to [`crate::Card::desfire`].
#[derive(Clone, Debug)]
pub struct Desfire {
    /// 1, 2 or 3.
    generation: u8,
    application: u32,
    keys: BTreeMap<u8, Block>,
    fault: Option<(usize, u8)>,
}

impl Desfire {
    /// An EV1 with this application.
    #[must_use]
    pub fn ev1(application: u32) -> Self {
        Self {
            generation: 1,
            application,
            keys: BTreeMap::new(),
            fault: None,
        }
    }

    /// An EV2 with this application.
    #[must_use]
    pub fn ev2(application: u32) -> Self {
        Self {
            generation: 2,
            ..Self::ev1(application)
        }
    }

    /// With this AES key in its application.
    #[must_use]
    pub fn with_key(mut self, number: u8, key: [u8; 16]) -> Self {
        self.keys.insert(number, key);
        self
    }

    /// Answers its `command`-th command, counted from 0 at each activation, with this status.
    #[must_use]
    pub fn failing_at(mut self, command: usize, status: u8) -> Self {
        self.fault = Some((command, status));
        self
    }
}

/// What an EV1 remembers of an authentication.
#[derive(Clone, Debug, Default)]
enum Ev1 {
    #[default]
    None,
    Challenged {
        key: Block,
        challenge: Block,
        iv: Block,
    },
    Open {
        key: Block,
        iv: Block,
    },
}

/// The card at work.
#[derive(Clone, Debug)]
pub(crate) struct DesfireChip {
    setup: Desfire,
    uid: Vec<u8>,
    draw: Draw,
    commands: usize,
    open: bool,
    version_part: usize,
    ev1: Ev1,
    ev2: Ev2,
}

impl DesfireChip {
    pub(crate) fn new(setup: Desfire, uid: &[u8]) -> Self {
        Self {
            setup,
            uid: uid.to_vec(),
            draw: Draw::new(uid),
            commands: 0,
            open: false,
            version_part: 0,
            ev1: Ev1::None,
            ev2: Ev2::None,
        }
    }

    pub(crate) fn reset(&mut self) {
        self.commands = 0;
        self.open = false;
        self.version_part = 0;
        self.close();
    }

    fn close(&mut self) {
        self.ev1 = Ev1::None;
        self.ev2 = Ev2::None;
    }

    pub(crate) fn hear(&mut self, apdu: &[u8]) -> Vec<u8> {
        let answer = match parse(apdu) {
            Wrapped::Native(code, data) => self.native(code, data),
            Wrapped::Iso => return vec![0x6a, 0x82],
            Wrapped::Nonsense => Err(WRONG_LENGTH),
        };
        let status = match &answer {
            Ok((status, _)) => *status,
            Err(status) => {
                self.close();
                *status
            }
        };
        let mut said = answer.map(|(_, data)| data).unwrap_or_default();
        said.extend([0x91, status]);
        said
    }

    fn native(&mut self, code: u8, data: &[u8]) -> Result<(u8, Vec<u8>), u8> {
        let at = self.commands;
        self.commands += 1;
        if let Some((command, status)) = self.setup.fault
            && command == at
        {
            return Err(status);
        }
        let waiting = self.version_part > 0
            || self.ev2.is_challenged()
            || matches!(self.ev1, Ev1::Challenged { .. });
        if waiting && code != MORE {
            self.version_part = 0;
            return Err(ABORTED);
        }
        match (code, data) {
            (0x60, []) => Ok(self.version()),
            (MORE, []) if self.version_part > 0 => Ok(self.version()),
            (0x5a, [low, middle, high]) => {
                self.close();
                let wanted = u32::from_le_bytes([*low, *middle, *high, 0]);
                self.open = wanted == self.setup.application;
                if self.open {
                    Ok((0x00, Vec::new()))
                } else {
                    Err(NO_APPLICATION)
                }
            }
            (0xaa, [number]) => {
                let (key, challenge) = (self.key(*number)?, self.draw.block());
                self.close();
                let mut iv = [0; 16];
                let sealed = encrypt(&key, &mut iv, &challenge);
                self.ev1 = Ev1::Challenged { key, challenge, iv };
                Ok((MORE, sealed))
            }
            (0x71, [number, _, ..]) if self.setup.generation > 1 => {
                let (key, challenge) = (self.key(*number)?, self.draw.block());
                self.close();
                Ok((MORE, self.ev2.challenge(key, challenge)))
            }
            (MORE, data) if self.ev2.is_challenged() => {
                let transaction = self.draw.four();
                Ok((0x00, self.ev2.answer(data, transaction)?))
            }
            (MORE, data) => Ok((0x00, self.answer_ev1(data)?)),
            (0x51, []) if matches!(self.ev1, Ev1::Open { .. }) => Ok((0x00, self.uid_ev1()?)),
            (0x51, data) => Ok((0x00, self.ev2.card_uid(data, &self.uid)?)),
            (0xaa | 0x71 | 0x60 | 0x5a, _) if self.knows(code) => Err(WRONG_LENGTH),
            _ => Err(ILLEGAL),
        }
    }

    fn knows(&self, code: u8) -> bool {
        code != 0x71 || self.setup.generation > 1
    }

    fn key(&self, number: u8) -> Result<Block, u8> {
        let key = self.setup.keys.get(&number).filter(|_| self.open);
        key.copied().ok_or(NO_SUCH_KEY)
    }

    fn version(&mut self) -> (u8, Vec<u8>) {
        self.version_part += 1;
        let major = match self.setup.generation {
            1 => 0x01,
            2 => 0x12,
            _ => 0x33,
        };
        if self.version_part < 3 {
            return (MORE, vec![0x04, 0x01, 0x01, major, 0x00, 0x18, 0x05]);
        }
        self.version_part = 0;
        let made = [0xba, 0x54, 0x0c, 0x61, 0x20, 0x26, 0x17];
        (0x00, [&self.uid[..], &made].concat())
    }

    /// Second part of AA: the reader's token, and the card's.
    fn answer_ev1(&mut self, data: &[u8]) -> Result<Vec<u8>, u8> {
        let Ev1::Challenged {
            key,
            challenge,
            mut iv,
        } = std::mem::take(&mut self.ev1)
        else {
            return Err(ILLEGAL);
        };
        let plain = decrypt(&key, &mut iv, data);
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
        let answer = encrypt(&key, &mut iv, &back);
        let quarters = [(theirs, 0), (&challenge, 0), (theirs, 12), (&challenge, 12)];
        let session = quarters.map(|(block, at)| block.iter().skip(at).take(4).copied());
        let session: Vec<u8> = session.into_iter().flatten().collect();
        let key = session.try_into().map_err(|_| WRONG_LENGTH)?;
        self.ev1 = Ev1::Open { key, iv: [0; 16] };
        Ok(answer)
    }

    /// Number, CRC over number and status, zeros, encrypted; the chain goes on from the command.
    fn uid_ev1(&mut self) -> Result<Vec<u8>, u8> {
        let Ev1::Open { key, iv } = &mut self.ev1 else {
            return Err(NOT_AUTHENTICATED);
        };
        *iv = cmac(key, *iv, &[0x51]);
        let mut checked = self.uid.clone();
        checked.push(0x00);
        let mut plain = self.uid.clone();
        plain.extend(crc32(&checked).to_le_bytes());
        plain.resize(16, 0);
        Ok(encrypt(key, iv, &plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: [u8; 7] = [4, 1, 2, 3, 4, 5, 6];

    #[test]
    fn the_published_ev1_dialogue_is_answered_as_published() {
        let setup = Desfire::ev1(1).with_key(0, [0; 16]);
        let mut card = DesfireChip::new(setup, &UID);
        let challenge = 0xc05d_dd71_4fd7_88a6_b7b7_54f3_c4d0_66e8_u128.to_be_bytes();
        let mut iv = [0; 16];
        let sealed = encrypt(&[0; 16], &mut iv, &challenge);
        let published = 0xb969_fdfe_56fd_91fc_9de6_f6f2_13b8_fd1e_u128.to_be_bytes();
        assert_eq!(sealed, published);
        card.ev1 = Ev1::Challenged {
            key: [0; 16],
            challenge,
            iv,
        };
        let token = [
            0x36aa_d7df_6e43_6ba0_8d18_6138_30a7_0d5a_u128.to_be_bytes(),
            0xd43e_3d3f_4a8d_4754_1eee_623a_934e_4774_u128.to_be_bytes(),
        ];
        let answer = card.answer_ev1(token.as_flattened()).unwrap();
        let published = 0x800d_b680_bc14_6bd1_21d6_578f_2d2e_2059_u128.to_be_bytes();
        assert_eq!(answer, published);
        let Ev1::Open { key, .. } = card.ev1 else {
            panic!("not open");
        };
        let session = 0xf44b_26f5_c05d_dd71_1077_2281_c4d0_66e8_u128.to_be_bytes();
        assert_eq!(key, session);
    }

    #[test]
    fn commands_out_of_order_are_refused() {
        let setup = Desfire::ev1(0x0012_3456).with_key(1, [7; 16]);
        let mut card = DesfireChip::new(setup, &UID);
        assert_eq!(card.hear(&[0x90, 0x51, 0, 0, 0]), [0x91, NOT_AUTHENTICATED]);
        let authenticate = [0x90, 0xaa, 0, 0, 1, 1, 0];
        assert_eq!(card.hear(&authenticate), [0x91, NO_SUCH_KEY], "not open");
        let other = [0x90, 0x5a, 0, 0, 3, 1, 2, 3, 0];
        assert_eq!(card.hear(&other), [0x91, NO_APPLICATION]);
        let select = [0x90, 0x5a, 0, 0, 3, 0x56, 0x34, 0x12, 0];
        assert_eq!(card.hear(&select), [0x91, 0x00]);
        assert_eq!(card.hear(&[0x90, 0x71, 0, 0, 2, 1, 0, 0]), [0x91, ILLEGAL]);
        assert_eq!(card.hear(&authenticate).len(), 18);
        assert_eq!(card.hear(&select), [0x91, ABORTED]);
    }
}
