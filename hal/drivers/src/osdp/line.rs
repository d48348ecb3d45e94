// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The serial line to an OSDP reader: one packet out, one packet back, within a budget of time
//! asked from the delay. RS-485 is half duplex; what turns the direction round is the adapter's
//! matter, and an adapter that hears itself is put up with.

use embedded_hal::delay::DelayNs;
use embedded_io::{Read, ReadReady, Write};
use platen_hal::ReaderError;

use super::frame::{Bytes, Decoder, FROM_READER, Incoming, MARK, PACKET_MAX, Packet, parse};

/// Pause before each look whether something came.
const PAUSE_US: u32 = 2_000;
/// A reader answers within this time, or not at all (§5.7).
const REPLY_LIMIT_US: u32 = 200_000;
/// Silence before a packet is sent once more: whoever still speaks shall have ended.
const QUIET_US: u32 = 10_000;
/// How often a command whose answer was damaged is sent within one round.
const SENDS_MAX: u32 = 3;
/// Below this there is no time for one more answer at 9600 baud.
const SEND_MIN_US: u32 = 60_000;
/// Bytes that one look takes: more than come in a pause at any speed.
const CHUNK: usize = 64;

/// The port, the delay, and what has come in.
pub(super) struct Line<P, D> {
    port: P,
    delay: D,
    decoder: Decoder,
    left_us: u32,
    /// Looks at the port and packets sent.
    pub(super) accesses: u64,
}

/// What came within the limit.
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time, on the stack; nothing here allocates"
)]
enum Heard {
    Packet(Bytes),
    Damaged,
    Nothing,
}

impl<P: Read + ReadReady + Write, D: DelayNs> Line<P, D> {
    pub(super) fn new(port: P, delay: D, decoder: Decoder) -> Self {
        Self {
            port,
            delay,
            decoder,
            left_us: 0,
            accesses: 0,
        }
    }

    /// Time that may be asked from now on.
    pub(super) fn set_budget(&mut self, us: u32) {
        self.left_us = us;
    }

    /// Waits, when there is as much time left.
    pub(super) fn wait(&mut self, us: u32) -> bool {
        let Some(left) = self.left_us.checked_sub(us) else {
            return false;
        };
        self.left_us = left;
        self.delay.delay_us(us);
        true
    }

    /// Sends a command until it is answered, or there is no time left; `None` then. Each time the
    /// same bytes: the reader knows them again by their sequence and repeats its answer.
    pub(super) fn ask(&mut self, command: &[u8]) -> Result<Option<Bytes>, ReaderError> {
        let mut quiet_us = 0;
        for _ in 0..SENDS_MAX {
            if self.left_us < SEND_MIN_US || !self.quiet(quiet_us)? {
                break;
            }
            self.send(command)?;
            match self.hear(command)? {
                Heard::Packet(reply) => return Ok(Some(reply)),
                Heard::Damaged => quiet_us = QUIET_US,
                Heard::Nothing => quiet_us = 0,
            }
        }
        Ok(None)
    }

    fn send(&mut self, command: &[u8]) -> Result<(), ReaderError> {
        let mut bytes = heapless::Vec::<u8, { PACKET_MAX + 1 }>::new();
        bytes.extend([MARK]);
        bytes.extend(command.iter().copied().take(PACKET_MAX));
        self.accesses += 1;
        self.port.write_all(&bytes).map_err(|_| ReaderError::Bus)?;
        self.port.flush().map_err(|_| ReaderError::Bus)
    }

    fn hear(&mut self, command: &[u8]) -> Result<Heard, ReaderError> {
        let mut limit_us = REPLY_LIMIT_US;
        while limit_us >= PAUSE_US && self.wait(PAUSE_US) {
            limit_us -= PAUSE_US;
            let (bytes, count) = self.come()?;
            for byte in bytes.into_iter().take(count) {
                match self.decoder.push(byte) {
                    Some(Incoming::Whole(reply)) if answers(&reply, command) => {
                        return Ok(Heard::Packet(reply));
                    }
                    Some(Incoming::Damaged) => return Ok(Heard::Damaged),
                    // Our own echo, another reader, an answer that came too late.
                    Some(Incoming::Whole(_)) | None => {}
                }
            }
        }
        Ok(Heard::Nothing)
    }

    /// Drops what comes until nothing did for `quiet_us`, or longer where something does. Tells
    /// whether it became quiet: a line that never rests is no line.
    fn quiet(&mut self, mut quiet_us: u32) -> Result<bool, ReaderError> {
        self.decoder.clear();
        loop {
            let (_, count) = self.come()?;
            if count > 0 {
                quiet_us = QUIET_US;
            } else if quiet_us == 0 {
                return Ok(true);
            }
            if !self.wait(PAUSE_US) {
                return Ok(false);
            }
            quiet_us = quiet_us.saturating_sub(PAUSE_US);
        }
    }

    fn come(&mut self) -> Result<([u8; CHUNK], usize), ReaderError> {
        let mut bytes = [0; CHUNK];
        self.accesses += 1;
        if !self.port.read_ready().map_err(|_| ReaderError::Bus)? {
            return Ok((bytes, 0));
        }
        let count = self.port.read(&mut bytes).map_err(|_| ReaderError::Bus)?;
        Ok((bytes, count))
    }
}

/// Whether a packet is the answer to a command: from the reader that was asked, with the sequence
/// of the command, or BUSY, which has none.
fn answers(reply: &[u8], command: &[u8]) -> bool {
    let (Some(reply), Some(command)) = (parse(reply), parse(command)) else {
        return false;
    };
    let busy = is_busy(&reply) && reply.head.sequence == 0;
    reply.head.address == command.head.address | FROM_READER
        && (busy || reply.head.sequence == command.head.sequence)
}

/// Whether the reader says that it has no time: the one reply that has neither sequence nor
/// security.
pub(super) fn is_busy(reply: &Packet<'_>) -> bool {
    const BUSY: u8 = 0x79;
    reply.code == BUSY && reply.head.security.is_none()
}
