// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An NTAG 424 DNA as far as its number and its proof go: version, NDEF application, authentication
//! (71), `GetCardUID`, and the NDEF file with a SUN message that is written anew at each reading.
//! Source: NXP AN12196 rev. 1.5, §3, §4, tables 2–5. Not modelled: writing, LRP, encrypted file data.

use std::collections::BTreeMap;

use super::crypto::{Block, cmac, cut_mac, encrypt};
use super::ev2::Ev2;
use super::wrapped::{Draw, Wrapped, parse};

const MORE: u8 = 0xaf;
const ILLEGAL: u8 = 0x1c;
const NO_SUCH_KEY: u8 = 0x40;
const WRONG_LENGTH: u8 = 0x7e;
const ABORTED: u8 = 0xca;
const ISO_OK: [u8; 2] = [0x90, 0x00];
const ISO_REFUSED: [u8; 2] = [0x69, 0x82];
const ISO_NOT_FOUND: [u8; 2] = [0x6a, 0x82];
const ISO_OUTSIDE: [u8; 2] = [0x6b, 0x00];
const ISO_UNKNOWN: [u8; 2] = [0x6d, 0x00];
const NDEF_NAME: [u8; 7] = [0xd2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x01];
const FILE_BYTES: usize = 256;

/// What is on the card, to be given to [`crate::Card::ntag424`].
#[derive(Clone, Debug, Default)]
pub struct Ntag424 {
    keys: BTreeMap<u8, Block>,
    sun: Option<Sun>,
    counter: u32,
}

#[derive(Clone, Debug)]
struct Sun {
    meta_read: Block,
    file_read: Block,
    text: String,
    mac_input: usize,
}

impl Ntag424 {
    /// A card as it leaves the factory: five keys of zeros, an empty file.
    #[must_use]
    pub fn new() -> Self {
        Self {
            keys: (0..5).map(|number| (number, [0; 16])).collect(),
            ..Self::default()
        }
    }

    /// With this application key.
    #[must_use]
    pub fn with_key(mut self, number: u8, key: [u8; 16]) -> Self {
        self.keys.insert(number, key);
        self
    }

    /// With a SUN message. In `text`, which stands in the file behind its two length bytes, 32 `P`
    /// in a row are replaced by number and counter, and 16 `M` by the MAC over all from
    /// `mac_input` (counted as the card does, length bytes included) to the MAC.
    #[must_use]
    pub fn with_sun(
        mut self,
        meta_read: [u8; 16],
        file_read: [u8; 16],
        text: &str,
        mac_input: usize,
    ) -> Self {
        self.sun = Some(Sun {
            meta_read,
            file_read,
            text: text.to_owned(),
            mac_input,
        });
        self
    }

    /// That was read this often before.
    #[must_use]
    pub fn read_before(mut self, times: u32) -> Self {
        self.counter = times;
        self
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum File {
    None,
    Capability,
    Ndef { read: bool },
}

/// The card at work.
#[derive(Clone, Debug)]
pub(crate) struct NtagChip {
    setup: Ntag424,
    uid: Vec<u8>,
    draw: Draw,
    open: bool,
    file: File,
    version_part: usize,
    ev2: Ev2,
    content: Vec<u8>,
}

impl NtagChip {
    pub(crate) fn new(setup: Ntag424, uid: &[u8]) -> Self {
        Self {
            setup,
            uid: uid.to_vec(),
            draw: Draw::new(uid),
            open: false,
            file: File::None,
            version_part: 0,
            ev2: Ev2::None,
            content: Vec::new(),
        }
    }

    /// The counter stays, as all memory does.
    pub(crate) fn reset(&mut self) {
        self.open = false;
        self.file = File::None;
        self.version_part = 0;
        self.ev2 = Ev2::None;
    }

    pub(crate) fn hear(&mut self, apdu: &[u8]) -> Vec<u8> {
        let answer = match parse(apdu) {
            Wrapped::Native(code, data) => self.native(code, data),
            Wrapped::Iso => return self.iso(apdu),
            Wrapped::Nonsense => Err(WRONG_LENGTH),
        };
        let (status, mut said) = answer.unwrap_or_else(|status| {
            self.ev2 = Ev2::None;
            (status, Vec::new())
        });
        said.extend([0x91, status]);
        said
    }

    fn native(&mut self, code: u8, data: &[u8]) -> Result<(u8, Vec<u8>), u8> {
        if (self.version_part > 0 || self.ev2.is_challenged()) && code != MORE {
            self.version_part = 0;
            return Err(ABORTED);
        }
        match (code, data) {
            (0x60, []) => Ok(self.version()),
            (MORE, []) if self.version_part > 0 => Ok(self.version()),
            (0x71, [number, _, ..]) => {
                let key = self.setup.keys.get(number).filter(|_| self.open);
                let key = *key.ok_or(NO_SUCH_KEY)?;
                let challenge = self.draw.block();
                Ok((MORE, self.ev2.challenge(key, challenge)))
            }
            (MORE, data) => {
                let transaction = self.draw.four();
                Ok((0x00, self.ev2.answer(data, transaction)?))
            }
            (0x51, data) => Ok((0x00, self.ev2.card_uid(data, &self.uid)?)),
            _ => Err(ILLEGAL),
        }
    }

    fn version(&mut self) -> (u8, Vec<u8>) {
        self.version_part += 1;
        match self.version_part {
            1 => (MORE, vec![0x04, 0x04, 0x02, 0x30, 0x00, 0x11, 0x05]),
            2 => (MORE, vec![0x04, 0x04, 0x02, 0x01, 0x02, 0x11, 0x05]),
            _ => {
                self.version_part = 0;
                let made = [0xcf, 0x39, 0xd4, 0x49, 0x80, 0x34, 0x20];
                (0x00, [&self.uid[..], &made].concat())
            }
        }
    }

    fn iso(&mut self, apdu: &[u8]) -> Vec<u8> {
        match apdu {
            [0x00, 0xa4, 0x04, 0x0c, 7, name @ .., 0] => {
                self.reset();
                self.open = *name == NDEF_NAME;
                if self.open { ISO_OK } else { ISO_NOT_FOUND }.to_vec()
            }
            [0x00, 0xa4, 0x00, 0x0c, 2, 0xe1, file @ (0x03 | 0x04)] if self.open => {
                self.file = match file {
                    0x03 => File::Capability,
                    _ => File::Ndef { read: false },
                };
                ISO_OK.to_vec()
            }
            [0x00, 0xa4, ..] => ISO_NOT_FOUND.to_vec(),
            [0x00, 0xb0, high, low, length] => {
                let from = usize::from(u16::from_be_bytes([*high, *low]));
                let length = match length {
                    0 => FILE_BYTES,
                    length => usize::from(*length),
                };
                self.read(from, length)
            }
            _ => ISO_UNKNOWN.to_vec(),
        }
    }

    fn read(&mut self, from: usize, length: usize) -> Vec<u8> {
        match &mut self.file {
            File::None => return ISO_REFUSED.to_vec(),
            File::Capability => self.content = vec![0x00, 0x17, 0x20, 0x01, 0x00],
            File::Ndef { read: true } => {}
            File::Ndef { read } => {
                *read = true;
                self.setup.counter += 1;
                self.content = self.ndef();
            }
        }
        match self.content.get(from..) {
            None | Some([]) => ISO_OUTSIDE.to_vec(),
            Some(rest) => {
                let part = rest.get(..length).unwrap_or(rest);
                [part, &ISO_OK].concat()
            }
        }
    }

    /// The file at this reading.
    fn ndef(&mut self) -> Vec<u8> {
        let mut file = match self.setup.sun.clone() {
            None => vec![0, 0],
            Some(sun) => {
                let picc_data = self.picc_data(sun.meta_read);
                let text = sun.text.replacen(&"P".repeat(32), &picc_data, 1);
                let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
                let mut file = [&length.to_be_bytes()[..], text.as_bytes()].concat();
                if let Some(at) = file.windows(16).position(|part| part == [b'M'; 16]) {
                    let input = file.get(sun.mac_input..at).unwrap_or_default();
                    let mac = digits(&cut_mac(&self.mac_key(sun.file_read), input));
                    file.splice(at..at + 16, mac.bytes());
                }
                file
            }
        };
        file.resize(FILE_BYTES, 0);
        file
    }

    fn counter(&self) -> [u8; 3] {
        let [low, middle, high, _] = self.setup.counter.to_le_bytes();
        [low, middle, high]
    }

    fn picc_data(&mut self, key: Block) -> String {
        let filling = self.draw.block();
        let mut plain = [&[0xc7][..], &self.uid, &self.counter()].concat();
        plain.extend(filling.iter().take(5));
        digits(&encrypt(&key, &mut [0; 16], &plain))
    }

    fn mac_key(&self, key: Block) -> Block {
        let label = [0x3c, 0xc3, 0x00, 0x01, 0x00, 0x80];
        cmac(
            &key,
            [0; 16],
            &[&label[..], &self.uid, &self.counter()].concat(),
        )
    }
}

/// Hexadecimal digits as the card writes them.
fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mac_key_and_a_message_are_the_published_ones() {
        let uid = [0x04, 0xc7, 0x67, 0xf2, 0x06, 0x61, 0x80];
        let card = NtagChip::new(Ntag424::new().read_before(1), &uid);
        let key = 0x5ace_7e50_ab65_d5d5_1fd5_bf5a_16b8_205b_u128.to_be_bytes();
        let published = 0x3a3e_8110_e053_11f7_a3fc_f0d9_69bf_2b48_u128.to_be_bytes();
        assert_eq!(card.mac_key(key), published);

        let uid = [0x04, 0xde, 0x5f, 0x1e, 0xac, 0xc0, 0x40];
        let card = NtagChip::new(Ntag424::new().read_before(61), &uid);
        let mac = digits(&cut_mac(&card.mac_key([0; 16]), &[]));
        assert_eq!(mac, "94EED9EE65337086");
        let plain = [
            &[0xc7][..],
            &uid,
            &card.counter(),
            &[0xda, 0x5c, 0xf6, 0x09, 0x41],
        ];
        let sealed = digits(&encrypt(&[0; 16], &mut [0; 16], &plain.concat()));
        assert_eq!(sealed, "EF963FF7828658A599F3041510671E88");
    }

    #[test]
    fn each_reading_counts_once_however_many_parts_are_read() {
        let setup = Ntag424::new().with_sun([1; 16], [2; 16], &"P".repeat(32), 0);
        let mut card = NtagChip::new(setup, &[4, 1, 2, 3, 4, 5, 6]);
        let mut name = vec![0x00, 0xa4, 0x04, 0x0c, 7];
        name.extend(NDEF_NAME);
        name.push(0);
        for reading in 1..4 {
            assert_eq!(card.hear(&name), ISO_OK);
            assert_eq!(card.hear(&[0, 0xb0, 0, 0, 0]), ISO_REFUSED);
            assert_eq!(card.hear(&[0, 0xa4, 0, 0x0c, 2, 0xe1, 0x04]), ISO_OK);
            assert_eq!(card.hear(&[0, 0xb0, 0, 0, 16]).len(), 18);
            assert_eq!(card.hear(&[0, 0xb0, 0, 16, 0]).len(), 242);
            assert_eq!(card.setup.counter, reading);
        }
    }
}
