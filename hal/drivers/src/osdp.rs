// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A card reader on OSDP 2.2: the box is the control panel at one end of an RS-485 line, one reader
//! is at the other. Sources: SIA OSDP 2.2 as public implementations state it (the document is not
//! public); the frames and the Secure Channel are held to its annex E.
//!
//! [`CardReader::start`] says sequence 0, asks who the reader is and, where it is configured, makes
//! a Secure Channel; [`CardReader::poll`] is one question and its answer. A question that was not
//! answered is asked again with the same bytes at the next poll, so that nothing is lost and the
//! chain of MACs stays whole. A reader that must be secure never says a card in clear: without a
//! channel it is asked nothing but who it is, and what it says is only taken signed and encrypted.
//!
//! In clear a card is asked for twice: a reader repeats its answer to the same sequence bit for bit,
//! and a damaged packet passes a CRC of 16 bits once in a while, a checksum more often.

pub mod command;
pub mod frame;
mod line;
pub mod reply;
mod rounds;
pub mod secure;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use embedded_hal::delay::DelayNs;
use embedded_io::{Read, ReadReady, Write};
use heapless::Deque;
use platen_hal::{CardReader, CardUid, Key, PanelSignal, ReaderError, ReaderTrace, TraceEvent};
use thiserror::Error;

use self::command::{Command, shown};
use self::frame::{Bytes, Check, Decoder};
use self::line::Line;
use self::reply::Capabilities;
use self::secure::{Handshake, Nonce, Session};
use crate::aes128::AesKey;
use crate::number::NumberFormat;

/// Highest address of a reader; 7F speaks to all.
pub const ADDRESS_MAX: u8 = 0x7e;
/// Rounds without an answer after which a reader is gone. The standard waits 8 s; at 200 ms for an
/// answer and 80 ms between two rounds these are less than 2 s.
pub const MISSED_MAX: u8 = 5;
/// Rounds in a row in which a reader has no time.
pub const BUSY_MAX: u8 = 25;
/// Sessions lost in a row, without a poll answered between, after which a reader is gone.
pub const LOST_MAX: u8 = 3;
/// Keys kept until somebody takes them; further ones are dropped.
pub const KEYS_KEPT: usize = 32;

/// Time one call may ask from the delay; the port's own time comes on top.
const START_BUDGET_US: u32 = 450_000;
const POLL_BUDGET_US: u32 = 250_000;

/// How a reader and the box protect what they say.
#[derive(Clone, Debug)]
pub enum Protection {
    /// Not at all: whoever is at the wires reads cards and makes them up.
    Clear,
    /// By a Secure Channel with this key, or not at all.
    Secure(AesKey),
    /// By a Secure Channel with this key; a reader that does not know it yet is given it through
    /// the channel that every reader's default key makes. Who listens then, knows the key: for the
    /// minutes in which a reader is installed. Once the reader has shown that it knows its key, the
    /// default one is not taken again.
    Install(ReaderKey),
}

/// A reader's own key (SCBK), and whether the reader has shown that it knows it. Clones share that:
/// a driver that is made anew for the same reader is given a clone, so that nobody who breaks off a
/// session at the wires brings the default key back.
#[derive(Clone, Debug)]
pub struct ReaderKey {
    key: AesKey,
    known: Arc<AtomicBool>,
}

impl ReaderKey {
    /// The key itself.
    #[must_use]
    pub fn key(&self) -> &AesKey {
        &self.key
    }

    /// Whether a session was agreed upon with this key.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    /// Whether both are the same key; what is known of them may differ.
    #[must_use]
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.key.is_same(&other.key)
    }

    fn set_known(&self) {
        self.known.store(true, Ordering::Relaxed);
    }
}

impl From<AesKey> for ReaderKey {
    /// A key that no reader has shown to know.
    fn from(key: AesKey) -> Self {
        Self {
            key,
            known: Arc::default(),
        }
    }
}

/// How a reader is spoken to.
#[derive(Clone, Debug)]
pub struct OsdpConfig {
    /// The reader's address, 0 to [`ADDRESS_MAX`].
    pub address: u8,
    /// How packets are checked. Many readers want a CRC for the Secure Channel.
    pub check: Check,
    /// How what is said is protected.
    pub protection: Protection,
    /// How the bits or digits of a card become its number.
    pub number: NumberFormat,
    /// Ask for a card a second time in clear. Off only for a reader that, against the standard,
    /// does not repeat its answer.
    pub ask_twice: bool,
}

/// Why a configuration can't be.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum OsdpConfigError {
    /// No reader has this address.
    #[error("address {address} is above {ADDRESS_MAX}")]
    Address {
        /// The address.
        address: u8,
    },
}

/// How far the reader is brought up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Stopped,
    Identify,
    Challenge,
    Prove,
    HandOver,
    Running,
}

/// A question on its way. The same bytes until it is answered.
struct Pending {
    command: Command,
    bytes: Bytes,
    sequence: u8,
}

/// What the reader's case and supply are like.
#[derive(Clone, Copy, Debug, Default)]
struct Condition {
    /// The reader has said so at least once.
    known: bool,
    tamper: bool,
    power: bool,
    trouble: bool,
}

/// A reader on the port `P` (8N1, at the reader's speed), with the delay `D` and a source of random
/// bytes `R` good enough for keys.
pub struct Osdp<P, D, R> {
    line: Line<P, D>,
    random: R,
    config: OsdpConfig,
    phase: Phase,
    sequence: u8,
    pending: Option<Pending>,
    /// A card or keys that were said once, in clear.
    said: Option<Bytes>,
    handshake: Option<Handshake>,
    /// Our random number of the handshake before.
    nonce: Nonce,
    /// A session that the reader has not agreed to yet.
    candidate: Option<Session>,
    session: Option<Session>,
    /// The channel is made with the key that every reader knows.
    by_default_key: bool,
    /// The reader has taken its own key.
    handed_over: bool,
    firmware: u8,
    missed: u8,
    busy: u8,
    lost: u8,
    /// What is asked instead of the next polls.
    questions: Deque<Command, 8>,
    capabilities: Option<Capabilities>,
    signal: Option<PanelSignal>,
    condition: Condition,
    keys: Deque<Key, KEYS_KEPT>,
    trace: ReaderTrace,
}

impl<P, D, R> Osdp<P, D, R>
where
    P: Read + ReadReady + Write,
    D: DelayNs,
    R: FnMut(&mut [u8]),
{
    /// A reader behind this port. `random` fills what it is given. Nothing is sent before
    /// [`CardReader::start`].
    ///
    /// # Errors
    /// [`OsdpConfigError`] as told there.
    pub fn new(port: P, delay: D, random: R, config: OsdpConfig) -> Result<Self, OsdpConfigError> {
        let address = config.address;
        if address > ADDRESS_MAX {
            return Err(OsdpConfigError::Address { address });
        }
        Ok(Self {
            line: Line::new(port, delay, Decoder::new(config.check)),
            random,
            config,
            phase: Phase::Stopped,
            sequence: 0,
            pending: None,
            said: None,
            handshake: None,
            nonce: Nonce::default(),
            candidate: None,
            session: None,
            by_default_key: false,
            handed_over: false,
            firmware: 0,
            missed: 0,
            busy: 0,
            lost: 0,
            questions: Deque::new(),
            capabilities: None,
            signal: None,
            condition: Condition::default(),
            keys: Deque::new(),
            trace: ReaderTrace::default(),
        })
    }

    /// Shows a signal with the reader's lamp and buzzer. It is sent in place of the next polls, and
    /// again whenever the reader was started.
    pub fn signal(&mut self, signal: PanelSignal) {
        self.signal = Some(signal);
        self.ask_to_show();
    }

    /// Whether what is said is protected now.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.session.is_some() && self.phase == Phase::Running
    }

    /// The key that was pressed first. What is pressed before anybody takes it is kept, up to
    /// [`KEYS_KEPT`], until the reader is started again.
    pub fn take_key(&mut self) -> Option<Key> {
        self.keys.pop_front()
    }

    /// Whether the case is open, the supply fails, or a reader behind this one is not as it should
    /// be; `None` before the reader has said it.
    #[must_use]
    pub fn tampered(&self) -> Option<bool> {
        let Condition {
            known,
            tamper,
            power,
            trouble,
        } = self.condition;
        known.then_some(tamper || power || trouble)
    }

    fn ask_to_show(&mut self) {
        let Some(signal) = self.signal else {
            return;
        };
        // Only the newest signal counts.
        let shows = |command: &Command| matches!(command, Command::Lamp(_) | Command::Buzzer(_));
        for _ in 0..self.questions.len() {
            if let Some(question) = self.questions.pop_front()
                && !shows(&question)
            {
                let _ = self.questions.push_back(question);
            }
        }
        let (lamp, tone) = shown(signal);
        let can = self.capabilities;
        if can.is_none_or(|can| can.lamp) {
            self.question(Command::Lamp(lamp));
        }
        if can.is_none_or(|can| can.buzzer) {
            self.question(Command::Buzzer(tone));
        }
    }

    fn question(&mut self, command: Command) {
        // Never full: at most three about the reader itself, and two for one signal.
        let _ = self.questions.push_back(command);
    }

    fn record_error(&mut self, error: &ReaderError) {
        self.trace.record(match *error {
            ReaderError::Gone { cause } => TraceEvent::Gone { cause },
            ReaderError::Garbled { cause } => TraceEvent::Garbled { cause },
            _ => TraceEvent::BusFailed,
        });
    }

    /// Counts accesses and errors, and stops a reader that is gone.
    fn closed<T>(&mut self, result: Result<T, ReaderError>) -> Result<T, ReaderError> {
        self.trace.counters.transactions = self.line.accesses;
        if let Err(error) = &result {
            self.record_error(error);
            if !matches!(error, ReaderError::Garbled { .. }) {
                self.stop();
            }
        }
        result
    }
}

impl<P, D, R> CardReader for Osdp<P, D, R>
where
    P: Read + ReadReady + Write + Send,
    D: DelayNs + Send,
    R: FnMut(&mut [u8]) + Send,
{
    fn start(&mut self) -> Result<(), ReaderError> {
        self.line.set_budget(START_BUDGET_US);
        let result = self.bring_up();
        self.closed(result)
    }

    fn poll(&mut self) -> Result<Option<CardUid>, ReaderError> {
        self.trace.counters.polls += 1;
        self.line.set_budget(POLL_BUDGET_US);
        let result = match self.phase {
            Phase::Stopped => Err(gone("reader is not started")),
            _ => self.round(),
        };
        if let Ok(Some(uid)) = &result {
            let uid_len = u8::try_from(uid.as_bytes().len()).unwrap_or(u8::MAX);
            self.trace.record(TraceEvent::Selected { uid_len, sak: 0 });
        }
        self.closed(result)
    }

    fn take_key(&mut self) -> Option<Key> {
        Self::take_key(self)
    }

    fn tampered(&self) -> Option<bool> {
        Self::tampered(self)
    }

    fn show(&mut self, signal: PanelSignal) {
        self.signal(signal);
    }

    fn part(&self) -> &'static str {
        "osdp"
    }

    fn trace(&self) -> Option<&ReaderTrace> {
        Some(&self.trace)
    }
}

fn gone(cause: &'static str) -> ReaderError {
    ReaderError::Gone { cause }
}
