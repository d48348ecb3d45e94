// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A card reader on OSDP (peripheral device) at the far end of a serial line: packets, commands and
//! Secure Channel, and what a person, a thief or a bad cable does to it. Source: SIA OSDP 2.2 as
//! public implementations state it; apart from the driver.
//!
//! Not modelled: time (an answer comes some looks at the port after its question), bits on the
//! line, several readers on one line, file transfer, biometry.

mod channel;
mod line;
mod reader;
mod wire;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use line::{OsdpLineFailed, OsdpPort};

use self::channel::Channel;

const EVENTS_MAX: usize = 16;

/// What is wrong with the reader, its line, or whoever is at it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum OsdpFault {
    /// Nothing.
    #[default]
    None,
    /// The cable is cut: nothing is heard on either side, and the reader has no power.
    Gone,
    /// As [`OsdpFault::Gone`] once this many more octets were carried in either direction.
    GoneAfter(u64),
    /// The line is held low: zeros without end.
    StuckLow,
    /// The port itself fails.
    PortFailed,
    /// Bits are flipped, each with this chance in a thousand.
    Garbled {
        /// Seed of the chance.
        seed: u64,
        /// Chance of each octet to have one bit flipped.
        per_mille: u16,
    },
    /// Octets are lost.
    Dropping {
        /// Seed of the chance.
        seed: u64,
        /// Chance of each octet to be lost.
        per_mille: u16,
    },
    /// Every answer comes this many looks later.
    Late(u32),
    /// The reader has no time, whatever it is asked.
    Busy,
    /// The adapter hears what it sends.
    Echo,
    /// Somebody flips this bit of every signed reply, counted from 53, and puts a right check.
    Tampering {
        /// The bit.
        bit: usize,
    },
    /// Somebody answers every poll with the reader's last card, as it was said, but with the
    /// sequence of the poll and a right check.
    Replay,
    /// Somebody answers every poll in clear with this card, right in everything but security.
    Forgery {
        /// RAW's data: reader, format, count of bits 2, bits.
        card: Vec<u8>,
    },
    /// The reader loses the session after each handshake.
    Forgetful,
    /// The reader signs what it says in its channel but encrypts nothing.
    Unsealed,
}

/// The reader, and everything that a test does to it. Clones are one reader.
#[derive(Clone, Debug)]
pub struct OsdpModel(Arc<Mutex<State>>);

#[derive(Debug)]
pub(crate) struct State {
    address: u8,
    key: Option<[u8; 16]>,
    /// Its installation mode: takes the default key.
    takes_default: bool,
    /// Says nothing of persons without a channel.
    insists: bool,
    /// Says NAK to a damaged packet instead of nothing.
    complains: bool,
    tamper: bool,
    power: bool,
    events: VecDeque<(u8, Vec<u8>)>,
    lamp: Option<Vec<u8>>,
    tone: Option<Vec<u8>>,
    random: u64,
    fault: OsdpFault,
    // What a reader forgets without power.
    last: Option<(Vec<u8>, Vec<u8>)>,
    sequence: Option<u8>,
    channel: Option<Channel>,
    // The line.
    heard: Vec<u8>,
    /// Looks since the box said something.
    silent: u32,
    out: VecDeque<(u32, Vec<u8>)>,
    arrived: VecDeque<u8>,
    // What was seen.
    commands: Vec<(u8, bool)>,
    last_card: Vec<u8>,
    octets: u64,
    said: Vec<u8>,
}

impl OsdpModel {
    /// A reader with this address that was never given a key and takes the default one.
    #[must_use]
    pub fn new(address: u8) -> Self {
        Self(Arc::new(Mutex::new(State {
            address,
            key: None,
            takes_default: true,
            insists: false,
            complains: false,
            tamper: false,
            power: false,
            events: VecDeque::new(),
            lamp: None,
            tone: None,
            random: 0x0123_4567_89ab_cdef,
            fault: OsdpFault::None,
            last: None,
            sequence: None,
            channel: None,
            heard: Vec::new(),
            silent: 0,
            out: VecDeque::new(),
            arrived: VecDeque::new(),
            commands: Vec::new(),
            last_card: Vec::new(),
            octets: 0,
            said: Vec::new(),
        })))
    }

    /// A reader with a key, which takes no other one but through its channel.
    #[must_use]
    pub fn with_key(address: u8, key: [u8; 16]) -> Self {
        let model = Self::new(address);
        {
            let mut state = model.lock();
            state.key = Some(key);
            state.takes_default = false;
        }
        model
    }

    /// The serial port at the box's end of the line.
    #[must_use]
    pub fn port(&self) -> OsdpPort {
        OsdpPort::new(self.clone())
    }

    /// Holds a card to the reader, of so many bits, the first one highest in the first byte.
    /// Returns false when it can't keep any more.
    #[must_use = "a full reader takes no card"]
    pub fn present(&self, bytes: &[u8], bits: u16) -> bool {
        let [low, high] = bits.to_le_bytes();
        self.happens(0x50, [&[0, 0, low, high], bytes].concat())
    }

    /// Holds a card to the reader that is told as digits.
    #[must_use = "a full reader takes no card"]
    pub fn present_digits(&self, digits: &str) -> bool {
        let count = u8::try_from(digits.len()).unwrap_or(u8::MAX);
        self.happens(0x51, [&[0, 0, count], digits.as_bytes()].concat())
    }

    /// Presses keys: digits, `*` and `#`.
    #[must_use = "a full reader takes no key"]
    pub fn press(&self, keys: &str) -> bool {
        let count = u8::try_from(keys.len()).unwrap_or(u8::MAX);
        let mut data = vec![0, count];
        data.extend(keys.bytes().map(|key| match key {
            b'*' => 0x7f,
            b'#' => 0x0d,
            digit => digit,
        }));
        self.happens(0x53, data)
    }

    /// Opens or closes the reader's case.
    pub fn set_tamper(&self, open: bool) {
        let power = {
            let mut state = self.lock();
            state.tamper = open;
            state.power
        };
        let _ = self.happens(0x48, vec![u8::from(open), u8::from(power)]);
    }

    /// Lets the reader's supply fail, or mends it.
    pub fn set_power_failing(&self, failing: bool) {
        let tamper = {
            let mut state = self.lock();
            state.power = failing;
            state.tamper
        };
        let _ = self.happens(0x48, vec![u8::from(tamper), u8::from(failing)]);
    }

    /// Makes the next answer to a poll this one, whatever it is.
    #[must_use = "a full reader takes nothing"]
    pub fn happens(&self, code: u8, data: Vec<u8>) -> bool {
        let mut state = self.lock();
        let room = state.events.len() < EVENTS_MAX;
        if room {
            state.events.push_back((code, data));
        }
        room
    }

    /// Takes the reader's power away for a moment.
    pub fn reboot(&self) {
        self.lock().forget();
    }

    /// Gives the reader another key behind the box's back; it ends no session. Without one it takes
    /// the default key, as when it was new.
    pub fn set_key(&self, key: Option<[u8; 16]>) {
        let mut state = self.lock();
        state.key = key;
        state.takes_default = key.is_none();
    }

    /// Whether the reader tells of cards and keys within a channel only.
    pub fn set_insists(&self, insists: bool) {
        self.lock().insists = insists;
    }

    /// Whether the reader says that it heard a damaged packet.
    pub fn set_complains(&self, complains: bool) {
        self.lock().complains = complains;
    }

    /// Breaks something, or mends it with [`OsdpFault::None`].
    pub fn set_fault(&self, fault: OsdpFault) {
        let mut state = self.lock();
        if let OsdpFault::Garbled { seed, .. } | OsdpFault::Dropping { seed, .. } = fault {
            state.random = seed | 1; // the generator stands still at zero
        }
        if fault == OsdpFault::Gone {
            state.forget();
        }
        state.fault = fault;
    }

    /// The reader's key.
    #[must_use]
    pub fn key(&self) -> Option<[u8; 16]> {
        self.lock().key
    }

    /// Data of the last LED command.
    #[must_use]
    pub fn lamp(&self) -> Option<Vec<u8>> {
        self.lock().lamp.clone()
    }

    /// Data of the last BUZ command.
    #[must_use]
    pub fn tone(&self) -> Option<Vec<u8>> {
        self.lock().tone.clone()
    }

    /// Codes of the commands that were carried out, and whether each came through the channel.
    #[must_use]
    pub fn commands(&self) -> Vec<(u8, bool)> {
        self.lock().commands.clone()
    }

    /// Octets carried so far, in both directions.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.lock().octets
    }

    /// All that the reader has said so far, as it was on the line.
    #[must_use]
    pub fn said(&self) -> Vec<u8> {
        self.lock().said.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
