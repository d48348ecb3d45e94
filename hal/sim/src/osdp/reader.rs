// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the modelled OSDP reader does with what it hears: sequence, handshake, commands and
//! replies, and whoever answers in its place. Source: SIA OSDP 2.2 §5.7, §6, §7 and annex D as
//! public implementations state them.

use super::channel::{Channel, DEFAULT_KEY};
use super::wire::{self, Found, Heard, find};
use super::{OsdpFault, State};

const HEARD_MAX: usize = 1024;
const NAK_CHECK: u8 = 1;
const NAK_UNKNOWN: u8 = 3;
const NAK_SEQUENCE: u8 = 4;
const NAK_NO_SECURITY: u8 = 5;
const NAK_SECURITY_WANTED: u8 = 6;

impl State {
    /// What a reader without power does not keep.
    pub(super) fn forget(&mut self) {
        self.last = None;
        self.sequence = None;
        self.channel = None;
        self.lamp = None;
        self.tone = None;
        self.heard.clear();
        self.out.clear();
        self.arrived.clear();
        self.events.clear();
    }

    /// Marsaglia's xorshift with 64 bits.
    pub(super) fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }

    /// Hears octets, in pieces or whole.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        self.heard.extend_from_slice(bytes);
        loop {
            match find(&self.heard) {
                Found::More => break,
                Found::Skip(count) => drop(self.heard.drain(..count)),
                Found::Wrong(length) => {
                    self.heard.drain(..length);
                    if self.complains {
                        let sequence = self.sequence.unwrap_or(0);
                        self.say_clear(sequence, true, 0x41, &[NAK_CHECK]);
                    }
                }
                Found::Packet(heard, length) => {
                    self.heard.drain(..length);
                    if heard.address == self.address || heard.address == 0x7f {
                        self.take(&heard);
                    }
                }
            }
        }
        let surplus = self.heard.len().saturating_sub(HEARD_MAX);
        self.heard.drain(..surplus);
    }

    fn take(&mut self, heard: &Heard) {
        let (sequence, with_crc) = (heard.sequence, heard.with_crc);
        if self.attacked(heard) {
            return;
        }
        if self.fault == OsdpFault::Busy {
            return self.say_clear(0, with_crc, 0x79, &[]);
        }
        if sequence == 0 {
            self.channel = None;
        } else if let Some((command, reply)) = &self.last
            && *command == heard.whole
        {
            // The same again: the answer was lost on its way.
            let reply = reply.clone();
            return self.send(reply);
        } else if self.sequence.map(|last| last % 3 + 1) != Some(sequence) {
            return self.say_clear(sequence, with_crc, 0x41, &[NAK_SEQUENCE]);
        }
        self.sequence = Some(sequence);
        let reply = self.answer(heard);
        self.last = Some((heard.whole.clone(), reply.clone()));
        self.send(reply);
    }

    /// Somebody on the line answers in the reader's place.
    fn attacked(&mut self, heard: &Heard) -> bool {
        if heard.code != 0x60 {
            return false;
        }
        let mut packet = match &self.fault {
            OsdpFault::Replay if !self.last_card.is_empty() => self.last_card.clone(),
            OsdpFault::Forgery { card } => {
                wire::begin(self.address, 0, heard.with_crc, &[], 0x50, card)
            }
            _ => return false,
        };
        if matches!(self.fault, OsdpFault::Forgery { .. }) {
            packet = wire::close(packet, heard.with_crc);
        }
        packet[4] = packet[4] & !3 | heard.sequence;
        wire::check_again(&mut packet);
        self.send(packet);
        true
    }

    /// Carries a command out; the whole reply.
    fn answer(&mut self, heard: &Heard) -> Vec<u8> {
        match heard.security.as_slice() {
            [] => {
                self.channel = None; // whoever speaks in clear has no channel
                let reply = self.command(heard.code, &heard.data, false);
                self.clear_reply(heard, &reply)
            }
            [0x11, which] if heard.code == 0x76 => self.challenged(heard, *which),
            [0x13, which] if heard.code == 0x77 => self.proved(heard, *which),
            [kind @ (0x15 | 0x17)] => self.in_channel(heard, *kind == 0x17),
            _ => self.clear_reply(heard, &(0x41, vec![NAK_NO_SECURITY])),
        }
    }

    fn challenged(&mut self, heard: &Heard, which: u8) -> Vec<u8> {
        let key = match which {
            0 if self.takes_default => Some(DEFAULT_KEY),
            1 => self.key,
            _ => None,
        };
        let rnd_a = <[u8; 8]>::try_from(heard.data.as_slice());
        let (Some(key), Ok(rnd_a)) = (key, rnd_a) else {
            return self.clear_reply(heard, &(0x41, vec![NAK_NO_SECURITY]));
        };
        let rnd_b = self.next_random().to_be_bytes();
        let channel = Channel::new(&key, rnd_a, rnd_b);
        let mut data = vec![0x5c, 0x26, 0x01, 0x01, 0x78, 0x56, 0x34, 0x12];
        data.extend(rnd_b);
        data.extend(channel.client_cryptogram());
        self.channel = Some(channel);
        self.reply(heard, &[0x12, which], 0x76, &data)
    }

    fn proved(&mut self, heard: &Heard, _which: u8) -> Vec<u8> {
        let first = self
            .channel
            .as_mut()
            .and_then(|channel| channel.prove(&heard.data));
        if first.is_none() {
            self.channel = None;
        }
        let reply = self.reply(
            heard,
            &[0x14, u8::from(first.is_some())],
            0x78,
            &first.unwrap_or([0; 16]),
        );
        if self.fault == OsdpFault::Forgetful {
            self.channel = None;
        }
        reply
    }

    fn in_channel(&mut self, heard: &Heard, sealed: bool) -> Vec<u8> {
        let check = if heard.with_crc { 2 } else { 1 };
        let signed = heard.whole.len().saturating_sub(check + 4);
        let (data, mac) = heard.data.split_at(heard.data.len().saturating_sub(4));
        let channel = self.channel.as_mut().filter(|channel| channel.open);
        let plain = channel.and_then(|channel| {
            let right = channel.hear(heard.whole.get(..signed)?, mac);
            match (right, sealed) {
                (false, _) => None,
                (true, false) => Some(data.to_vec()),
                (true, true) => channel.decrypt(data),
            }
        });
        let Some(plain) = plain else {
            self.channel = None;
            return self.clear_reply(heard, &(0x41, vec![NAK_SECURITY_WANTED]));
        };
        let (code, data) = self.command(heard.code, &plain, true);
        let reply = self.reply_in_channel(heard, code, &data);
        if code == 0x50 {
            self.last_card.clone_from(&reply);
        }
        if heard.code == 0x75 && code == 0x40 {
            self.channel = None; // the new key counts from the next handshake
        }
        reply
    }

    fn reply_in_channel(&mut self, heard: &Heard, code: u8, data: &[u8]) -> Vec<u8> {
        let seals = !data.is_empty() && self.fault != OsdpFault::Unsealed;
        match &self.channel {
            Some(channel) if seals => {
                let data = channel.encrypt(data);
                self.reply(heard, &[0x18], code, &data)
            }
            _ => self.reply(heard, &[0x16], code, data),
        }
    }

    /// A reply of code and data for a command.
    fn command(&mut self, code: u8, data: &[u8], secure: bool) -> (u8, Vec<u8>) {
        if self.insists && !secure && !matches!(code, 0x61 | 0x62) {
            return (0x41, vec![NAK_SECURITY_WANTED]);
        }
        self.commands.push((code, secure));
        let done = (0x40, vec![]);
        match (code, data) {
            (0x60, []) => self.events.pop_front().unwrap_or(done),
            (0x61, [0]) => (
                0x45,
                vec![0x5c, 0x26, 0x23, 1, 1, 0x78, 0x56, 0x34, 0x12, 3, 1, 4],
            ),
            (0x62, [0]) => {
                let lines = [
                    [3, 1, 1],
                    [4, 4, 1],
                    [5, 2, 1],
                    [8, 1, 0],
                    [9, 1, 1],
                    [16, 2, 0],
                ];
                (0x46, lines.concat())
            }
            (0x64, []) => (0x48, vec![u8::from(self.tamper), u8::from(self.power)]),
            (0x67, []) => (0x4b, vec![0]),
            (0x69, data) if data.len() == 14 => {
                self.lamp = Some(data.to_vec());
                done
            }
            (0x6a, data) if data.len() == 5 => {
                self.tone = Some(data.to_vec());
                done
            }
            (0x75, [1, 16, key @ ..]) if secure && key.len() == 16 => {
                self.key = <[u8; 16]>::try_from(key).ok();
                self.takes_default = false;
                done
            }
            _ => (0x41, vec![NAK_UNKNOWN]),
        }
    }

    fn clear_reply(&mut self, heard: &Heard, (code, data): &(u8, Vec<u8>)) -> Vec<u8> {
        self.reply(heard, &[], *code, data)
    }

    fn reply(&mut self, heard: &Heard, security: &[u8], code: u8, data: &[u8]) -> Vec<u8> {
        let with_crc = heard.with_crc;
        let mut packet = wire::begin(self.address, heard.sequence, with_crc, security, code, data);
        if let ([0x16 | 0x18], Some(channel)) = (security, &mut self.channel) {
            let mac = channel.sign(&packet);
            packet.extend(mac);
        }
        let mut packet = wire::close(packet, with_crc);
        if let (OsdpFault::Tampering { bit }, [0x16 | 0x18]) = (&self.fault, security) {
            let check = if with_crc { 2 } else { 1 };
            let bit = bit % ((packet.len() - check) * 8);
            packet[bit / 8] ^= 1 << (bit % 8);
            wire::check_again(&mut packet);
        }
        packet
    }

    /// Says something that is no answer to remember.
    fn say_clear(&mut self, sequence: u8, with_crc: bool, code: u8, data: &[u8]) {
        let packet = wire::begin(self.address, sequence, with_crc, &[], code, data);
        self.send(wire::close(packet, with_crc));
    }
}
