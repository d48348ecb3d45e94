// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An FPC BM-Lite behind its SPI or UART, in front of a [`FingerField`]. Source: public host code
//! `andpp/BM-Lite` 27c95ab, read from the module's side; the maker's manual could not be read.
//!
//! Not modelled: time (an answer is ready some looks after its request), pictures that leave the
//! module (IMAGE is only known with EXTRACT), calibration, settings. Assumed: a packet with a wrong
//! CRC is met with silence; an answer that is not acknowledged is dropped.

mod commands;
mod ports;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use ports::{BmLiteFailed, BmLiteReady, BmLiteReset, BmLiteSpi, BmLiteUart};

use crate::field::Fault;
use crate::finger::{FEATURES, Features, FingerField};

const ACK: [u8; 4] = [0x7f, 0xff, 0x01, 0x7f];
const PART: usize = 242;
/// Looks from a packet to its ACK, and from a request to its answer.
const QUICK: u32 = 1;
const LONG: u32 = 6;
const HEARD_MAX: usize = 1024;
const MESSAGE_MAX: usize = 32 * 1024;

/// How a module is.
#[derive(Clone, Copy, Debug)]
pub struct BmLiteSetup {
    /// Templates it can hold.
    pub capacity: u16,
    /// Bytes of a template, at least 64.
    pub template_bytes: usize,
    /// Touches of an enrolment.
    pub touches: u32,
    /// The result with which it refuses to begin an enrolment, if it does.
    pub enrolment_refused: Option<i8>,
}

impl Default for BmLiteSetup {
    fn default() -> Self {
        Self {
            capacity: 25,
            template_bytes: 1000,
            touches: 3,
            enrolment_refused: None,
        }
    }
}

/// The module without its bus. Clones of the handle are one module.
#[derive(Clone, Debug)]
struct Module(Arc<Mutex<Chip>>);

impl Module {
    fn new(field: &FingerField, setup: BmLiteSetup) -> Self {
        let mut chip = Chip {
            field: field.clone(),
            setup,
            in_reset: false,
            dead: false,
            heard: Vec::new(),
            message: Vec::new(),
            parts_heard: 0,
            sending: VecDeque::new(),
            out: VecDeque::new(),
            answer: VecDeque::new(),
            ack_wanted: false,
            picture: None,
            features: None,
            template: None,
            enrolment: None,
        };
        chip.reset();
        Self(Arc::new(Mutex::new(chip)))
    }

    fn lock(&self) -> MutexGuard<'_, Chip> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Chip {
    field: FingerField,
    setup: BmLiteSetup,
    in_reset: bool,
    dead: bool,
    heard: Vec<u8>,
    message: Vec<u8>,
    /// Parts of the message that came.
    parts_heard: u16,
    /// What the host can read now; READY is high while there is something.
    sending: VecDeque<u8>,
    /// What comes then, each with the looks until it does.
    out: VecDeque<(u32, Vec<u8>)>,
    /// Packets of the answer that wait for the host's ACK.
    answer: VecDeque<Vec<u8>>,
    ack_wanted: bool,
    picture: Option<Features>,
    /// Of the picture.
    features: Option<Features>,
    /// In memory.
    template: Option<Features>,
    enrolment: Option<Enrolment>,
}

#[derive(Debug)]
struct Enrolment {
    first: Option<Features>,
    left: u32,
}

impl Chip {
    fn reset(&mut self) {
        self.dead = self.field.start();
        self.heard.clear();
        self.message.clear();
        self.parts_heard = 0;
        self.sending.clear();
        self.out.clear();
        self.answer.clear();
        self.ack_wanted = false;
        self.picture = None;
        self.features = None;
        self.template = None;
        self.enrolment = None;
    }

    /// Counts an access; returns the fault in force.
    fn begin(&mut self) -> Fault {
        let (fault, reset) = self.field.begin();
        if reset {
            self.reset();
        }
        fault
    }

    /// A look whether there is something to read.
    fn look(&mut self) {
        if !self.sending.is_empty() {
            return;
        }
        if let Some((looks, _)) = self.out.front_mut() {
            *looks = looks.saturating_sub(1);
        }
        if let Some((0, _)) = self.out.front() {
            let bytes = self.out.pop_front().map(|(_, bytes)| bytes);
            let sent = self.field.garbled(&bytes.unwrap_or_default());
            self.sending.extend(sent);
        }
    }

    /// The next byte for the host; zero when there is none.
    fn send(&mut self) -> u8 {
        self.sending.pop_front().unwrap_or(0)
    }

    fn say(&mut self, bytes: Vec<u8>, looks: u32) {
        let looks = looks + self.field.lock().slow;
        self.out.push_back((looks, bytes));
    }

    /// Hears bytes, in pieces or whole.
    fn hear(&mut self, bytes: &[u8]) {
        if self.dead || self.in_reset {
            return;
        }
        self.heard.extend_from_slice(bytes);
        loop {
            if self.ack_wanted && self.heard.starts_with(&ACK) {
                self.heard.drain(..ACK.len());
                self.acknowledged();
                continue;
            }
            let [c0, c1, s0, s1, rest @ ..] = self.heard.as_slice() else {
                break;
            };
            let size = usize::from(*s1) << 8 | usize::from(*s0);
            if (*c0, *c1) != (0, 0) || !(6..=248).contains(&size) {
                self.heard.remove(0);
                continue;
            }
            let Some(packet) = rest.get(..size + 4).map(<[u8]>::to_vec) else {
                break;
            };
            self.heard.drain(..size + 8);
            self.packet(&packet);
        }
        let surplus = self.heard.len().saturating_sub(HEARD_MAX);
        self.heard.drain(..surplus);
    }

    /// What was heard in one access is over; half a packet is lost.
    fn end_of_access(&mut self) {
        self.heard.clear();
    }

    fn acknowledged(&mut self) {
        self.ack_wanted = false;
        self.answer_on(QUICK);
    }

    /// The next packet of the answer.
    fn answer_on(&mut self, looks: u32) {
        if let Some(packet) = self.answer.pop_front() {
            self.ack_wanted = true;
            self.say(packet, looks);
        }
    }

    fn packet(&mut self, packet: &[u8]) {
        self.ack_wanted = false;
        self.answer.clear();
        let (part, check) = packet.split_at(packet.len().saturating_sub(4));
        if checksum(part).to_le_bytes() != check {
            return;
        }
        let [s0, s1, n0, n1, c0, c1, bytes @ ..] = part else {
            return;
        };
        let number = u16::from_le_bytes([*n0, *n1]);
        if number == 1 {
            self.message.clear();
            self.parts_heard = 0;
        }
        let size = usize::from(u16::from_le_bytes([*s0, *s1]));
        let fits = self.message.len() + bytes.len() <= MESSAGE_MAX;
        if size != bytes.len() || number != self.parts_heard + 1 || !fits {
            return;
        }
        self.parts_heard = number;
        self.message.extend_from_slice(bytes);
        self.say(ACK.to_vec(), QUICK);
        if number == u16::from_le_bytes([*c0, *c1]) {
            let message = std::mem::take(&mut self.message);
            self.execute(&message);
            self.answer_on(LONG);
        }
    }

    /// Cuts an answer into packets.
    fn answer(&mut self, message: &[u8]) {
        let count = u16::try_from(message.len().div_ceil(PART).max(1)).unwrap_or(u16::MAX);
        let parts = message.chunks(PART).zip(1_u16..);
        self.answer = parts.map(|(part, n)| packed(n, count, part)).collect();
    }

    /// A template as the module sends it.
    fn template_bytes(&self, features: &Features) -> Vec<u8> {
        let length = self.setup.template_bytes.max(FEATURES);
        features.iter().copied().cycle().take(length).collect()
    }
}

fn packed(number: u16, count: u16, part: &[u8]) -> Vec<u8> {
    let size = u16::try_from(part.len()).unwrap_or(0);
    let mut body = Vec::new();
    for word in [size, number, count] {
        body.extend(word.to_le_bytes());
    }
    body.extend(part);
    let mut packet = vec![0, 0];
    packet.extend((size + 6).to_le_bytes());
    packet.extend(&body);
    packet.extend(checksum(&body).to_le_bytes());
    packet
}

/// CRC-32 as in zlib, a table's row made when it is wanted.
fn checksum(bytes: &[u8]) -> u32 {
    let row = |index: u32| {
        let mut value = index;
        for _ in 0..8 {
            let odd = value % 2 == 1;
            value /= 2;
            if odd {
                value ^= 0xedb8_8320;
            }
        }
        value
    };
    let mut crc = 0xffff_ffff_u32;
    for byte in bytes {
        let [low, ..] = crc.to_le_bytes();
        crc = row(u32::from(low ^ byte)) ^ (crc / 256);
    }
    crc ^ 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_zlib() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn published_requests_are_heard_and_acknowledged() {
        let module = Module::new(&FingerField::new(), BmLiteSetup::default());
        let mut chip = module.lock();
        chip.hear(&[
            0x00, 0x00, 0x12, 0x00, 0x0c, 0x00, 0x01, 0x00, 0x01, 0x00, 0x04, 0x30, 0x02, 0x00,
            0x04, 0x10, 0x00, 0x00, 0x03, 0x60, 0x00, 0x00, 0x04, 0x90, 0xea, 0xde,
        ]);
        chip.look();
        let ack: Vec<u8> = chip.sending.drain(..).collect();
        assert_eq!(ack, ACK);
        (0..LONG).for_each(|_| chip.look());
        let answer: Vec<u8> = chip.sending.drain(..).collect();
        assert_eq!(answer.get(10..14), Some(&[0x04, 0x30, 0x01, 0x00][..]));
        chip.hear(&[
            0x00, 0x00, 0x10, 0x00, 0x0a, 0x00, 0x01, 0x00, 0x01, 0x00, 0x01, 0x00, 0x01, 0x00,
            0x01, 0x50, 0x02, 0x00, 0xb8, 0x0b, 0x1d, 0x1e, 0x42, 0xdf,
        ]);
        chip.look();
        assert_eq!(chip.sending, ACK);
    }

    #[test]
    fn a_damaged_packet_is_met_with_silence() {
        let module = Module::new(&FingerField::new(), BmLiteSetup::default());
        let mut chip = module.lock();
        let mut packet = packed(1, 1, &[1, 0, 0, 0]);
        packet[11] ^= 1;
        chip.hear(&packet);
        (0..20).for_each(|_| chip.look());
        assert!(chip.sending.is_empty());
    }
}
