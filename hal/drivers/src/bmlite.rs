// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FPC BM-Lite, a fingerprint module that matches by itself, on SPI or UART. Source: public host code
//! `andpp/BM-Lite` 27c95ab (2021), derived from FPC's SDK. The maker's own integration manual could
//! not be read: this is what working host code does.
//!
//! Assumed, until the manual or a part shows it: that an answer carries its command's number; that
//! slots are the module's template numbers and 0 is one; that CAPTURE and WAIT answer time-out (−11)
//! when their TIMEOUT passes; how many templates it holds, which it does not tell
//! ([`BmLite::with_capacity`]); SPI mode 0 and READY high; the rate of its UART ([`BAUD`]).
//!
//! Nothing waits without a limit: every call has a budget of time asked from the delay. Packets carry
//! a CRC of 32 bits and a message its command, so that what comes late or damaged is no finger. A
//! packet that is not acknowledged is not sent again: the next start resets the module.

mod enrol;
mod library;
mod look;
pub mod message;
pub mod wire;

use core::fmt;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use platen_hal::finger::TEMPLATE_MAX;
use platen_hal::{
    EnrolStep, FingerLight, FingerLook, FingerprintSensor, ReaderError, ReaderTrace, SensorFacts,
    TraceEvent,
};
use zeroize::{Zeroize as _, Zeroizing};

use self::enrol::Enrolment;
use self::message::{ACK, Arguments, HEADER_LEN, PACKET_MAX, PART_MAX, Request};
use self::message::{RESULT, VERSION};
use self::wire::Wire;
use crate::pin::NoPin;

/// Rate of the module's UART, in bits per second (assumed).
pub const BAUD: u32 = 115_200;
/// Templates that it is taken to hold, unless it is told otherwise (assumed).
pub const CAPACITY: u16 = 25;

const RESET_LOW_US: u32 = 100_000;
const RESET_RISE_US: u32 = 100_000;
/// Until a packet is acknowledged, as in host code.
const ACK_LIMIT_US: u32 = 500_000;
/// Between a packet's header and the rest of it, as in host code.
const REST_LIMIT_US: u32 = 100_000;
/// Time that the module looks for a finger, or for none, in milliseconds. Never 0: for ever.
const LOOK_MS: u16 = 100;
const START_TRIES: u32 = 3;
const START_BUDGET_US: u32 = 1_950_000;
const LOOK_BUDGET_US: u32 = 4_800_000;
const LIBRARY_BUDGET_US: u32 = 1_950_000;
const EMPTY_BUDGET_US: u32 = 4_900_000;
const TEMPLATE_BUDGET_US: u32 = 9_800_000;
/// Longest answer: a template, and what stands around it.
const ANSWER_MAX: usize = TEMPLATE_MAX + 64;
const VERSION_MAX: usize = 256;

// Results.
const GENERAL: i8 = -1;
const BROKEN_SENSOR: i8 = -9;
const STATE: i8 = -10;
const TIMED_OUT: i8 = -11;
const ID_EXISTS: i8 = -12;
const ID_NOT_FOUND: i8 = -13;
const FORMAT: i8 = -14;
const CAPTURE_FAILED: i8 = -15;
const NO_TEMPLATE: i8 = -18;
const CALIBRATION: i8 = -19;
const STORAGE: i8 = -20;
const SENSOR_INIT: i8 = -21;
const BAD_IMAGES: i8 = -22;
const NOT_STABLE: i8 = -25;
const NOT_INITIALISED: i8 = -26;

/// The module on its wire `W`, with the delay `D` and the reset line `R` (low resets).
pub struct BmLite<W, D, R = NoPin> {
    wire: W,
    delay: D,
    reset: R,
    capacity: u16,
    started: bool,
    enrolment: Option<Enrolment>,
    budget_us: u32,
    /// The last answer; its memory is taken once, and wiped.
    answer: Zeroizing<Vec<u8>>,
    /// The command that it answers.
    asked: u16,
    trace: ReaderTrace,
}

/// Without the answer, which may be a template.
impl<W, D, R> fmt::Debug for BmLite<W, D, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BmLite")
            .field("started", &self.started)
            .field("answer", &self.answer.len())
            .finish_non_exhaustive()
    }
}

impl<W: Wire, D: DelayNs> BmLite<W, D> {
    /// A module without a reset line. Nothing is sent before [`FingerprintSensor::start`].
    #[must_use]
    pub fn new(wire: W, delay: D) -> Self {
        Self::with_reset(wire, delay, NoPin)
    }
}

impl<W: Wire, D: DelayNs, R: OutputPin> BmLite<W, D, R> {
    /// A module whose reset line is on `reset`.
    #[must_use]
    pub fn with_reset(wire: W, delay: D, reset: R) -> Self {
        Self {
            wire,
            delay,
            reset,
            capacity: CAPACITY,
            started: false,
            enrolment: None,
            budget_us: 0,
            answer: Zeroizing::new(Vec::with_capacity(ANSWER_MAX)),
            asked: 0,
            trace: ReaderTrace::default(),
        }
    }

    /// Sets how many templates it holds; slots are the numbers below.
    #[must_use]
    pub fn with_capacity(mut self, capacity: u16) -> Self {
        self.capacity = capacity;
        self
    }

    fn wait(&mut self, us: u32) -> Result<(), ReaderError> {
        self.budget_us = self
            .budget_us
            .checked_sub(us)
            .ok_or(gone("module came to no end within its time"))?;
        self.delay.delay_us(us);
        Ok(())
    }

    /// Reads `into` full within the limit; false when it does not come.
    fn read(&mut self, into: &mut [u8], limit_us: u32) -> Result<bool, ReaderError> {
        for _ in 0..=limit_us / W::PAUSE_US {
            self.wait(W::PAUSE_US)?;
            self.trace.counters.transactions += 1;
            if self.wire.ready(into.len())? {
                self.wire.read(into)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sends a request; its answer is then in `self.answer`. Returns the module's result.
    fn ask(&mut self, request: Request<'_>) -> Result<i8, ReaderError> {
        let (head, data) = request.message().ok_or(refused("request is too long"))?;
        self.asked = request.command();
        self.wire.clear()?;
        let count = message::parts(head.len() + data.len());
        let count = u16::try_from(count).map_err(|_| refused("request is too long"))?;
        let mut bytes = head.iter().chain(data).copied();
        for number in 1..=count {
            let part: heapless::Vec<u8, PART_MAX> = bytes.by_ref().take(PART_MAX).collect();
            self.send(number, count, &part)?;
        }
        self.receive(limit_us(request))?;
        match self.arguments()?.get(RESULT) {
            None => Ok(0),
            Some([result]) => Ok(result.cast_signed()),
            Some(_) => Err(garbled("result is no result")),
        }
    }

    /// Sends a packet and waits for its acknowledgement.
    fn send(&mut self, number: u16, count: u16, part: &[u8]) -> Result<(), ReaderError> {
        let packet = message::packet(number, count, part).ok_or(refused("request is too long"))?;
        self.trace.counters.transactions += 1;
        self.wire.send(&packet)?;
        let mut ack = [0; ACK.len()];
        match self.read(&mut ack, ACK_LIMIT_US)? {
            true if ack == ACK => Ok(()),
            true => Err(stuck(&ack).unwrap_or(garbled("module says something else than ACK"))),
            false => Err(gone("module does not acknowledge")),
        }
    }

    /// Takes the packets of an answer, and acknowledges each.
    fn receive(&mut self, limit_us: u32) -> Result<(), ReaderError> {
        self.answer.zeroize();
        let mut expected = 1;
        loop {
            let limit_us = if expected == 1 {
                limit_us
            } else {
                ACK_LIMIT_US
            };
            let mut packet = Zeroizing::new([0; PACKET_MAX]);
            let length = self.receive_packet(&mut packet, limit_us)?;
            let followed = packet.get(..length).unwrap_or_default();
            let (number, count, bytes) =
                message::part(followed).ok_or(garbled("packet is damaged"))?;
            let fits = self.answer.len() + bytes.len() <= ANSWER_MAX;
            if number != expected || count < number || !fits {
                return Err(garbled("packets don't make one answer"));
            }
            self.answer.extend_from_slice(bytes);
            self.trace.counters.transactions += 1;
            self.wire.send(&ACK)?;
            if number == count {
                return Ok(());
            }
            expected += 1;
        }
    }

    /// Reads what follows a packet's header to the beginning of `into`; returns its length.
    fn receive_packet(
        &mut self,
        into: &mut [u8; PACKET_MAX],
        limit_us: u32,
    ) -> Result<usize, ReaderError> {
        let mut header = [0; HEADER_LEN];
        if !self.read(&mut header, limit_us)? {
            return Err(gone("module does not answer"));
        }
        let Some(length) = message::following(header) else {
            return Err(stuck(&header).unwrap_or(garbled("packet has no header")));
        };
        let rest = into
            .get_mut(..length)
            .ok_or(garbled("packet is too long"))?;
        if self.read(rest, REST_LIMIT_US)? {
            Ok(length)
        } else {
            Err(garbled("packet was cut"))
        }
    }

    /// The arguments of the last answer.
    fn arguments(&self) -> Result<Arguments<'_>, ReaderError> {
        message::arguments(self.asked, &self.answer)
            .ok_or(garbled("answer is none to this request"))
    }

    /// Sends a request that must succeed.
    fn must(&mut self, request: Request<'_>) -> Result<Arguments<'_>, ReaderError> {
        match self.ask(request)? {
            0 => self.arguments(),
            result => Err(self.refused(result)),
        }
    }

    /// The error for a result that is not 0.
    fn refused(&mut self, result: i8) -> ReaderError {
        match result {
            BROKEN_SENSOR | SENSOR_INIT | CALIBRATION => {
                return gone("module reports that its sensor is broken");
            }
            STATE | NOT_INITIALISED => return gone("module was reset in between"),
            _ => {}
        }
        let code = i16::from(result);
        self.trace.record(TraceEvent::Refused { code });
        refused(match result {
            ID_EXISTS => "slot is used",
            ID_NOT_FOUND | NO_TEMPLATE => "slot is empty",
            FORMAT => "module does not take this template",
            STORAGE => "module can't write its storage",
            BAD_IMAGES => "touches don't make one finger",
            _ => "module says no, by a code that the trace tells",
        })
    }

    fn begin(&mut self, budget_us: u32) -> Result<(), ReaderError> {
        self.budget_us = budget_us;
        if self.started {
            Ok(())
        } else {
            Err(gone("module is not started"))
        }
    }

    fn restart(&mut self) -> Result<SensorFacts, ReaderError> {
        self.budget_us = START_BUDGET_US;
        self.started = false;
        self.enrolment = None;
        self.reset.set_low().map_err(|_| ReaderError::Bus)?;
        self.wait(RESET_LOW_US)?;
        self.reset.set_high().map_err(|_| ReaderError::Bus)?;
        self.wait(RESET_RISE_US)?;
        let mut tried = self.version();
        for _ in 1..START_TRIES {
            if tried.is_ok() {
                break;
            }
            tried = self.version();
        }
        tried?;
        let used = self.count()?;
        self.started = true;
        self.trace.record(TraceEvent::Started { version: 0 });
        Ok(SensorFacts {
            capacity: self.capacity,
            used,
        })
    }

    fn version(&mut self) -> Result<(), ReaderError> {
        match self.must(Request::Version)?.get(VERSION) {
            Some(version) if (1..=VERSION_MAX).contains(&version.len()) => Ok(()),
            _ => Err(gone("version is another part's")),
        }
    }

    /// Writes an error down, and passes the result on.
    fn noted<T>(&mut self, result: Result<T, ReaderError>) -> Result<T, ReaderError> {
        match &result {
            Err(ReaderError::Gone { cause }) => self.trace.record(TraceEvent::Gone { cause }),
            Err(ReaderError::Garbled { cause }) => self.trace.record(TraceEvent::Garbled { cause }),
            Err(ReaderError::Bus) => self.trace.record(TraceEvent::BusFailed),
            _ => {}
        }
        result
    }
}

impl<W, D, R> FingerprintSensor for BmLite<W, D, R>
where
    W: Wire + Send,
    D: DelayNs + Send,
    R: OutputPin + Send,
{
    fn start(&mut self) -> Result<SensorFacts, ReaderError> {
        let result = self.restart();
        self.noted(result)
    }

    fn identify(&mut self) -> Result<FingerLook, ReaderError> {
        self.trace.counters.polls += 1;
        self.enrolment = None;
        let result = self.identify_now();
        self.noted(result)
    }

    fn verify(&mut self, slot: u16) -> Result<FingerLook, ReaderError> {
        self.trace.counters.polls += 1;
        self.enrolment = None;
        let result = self.verify_now(slot);
        self.noted(result)
    }

    fn enrol(&mut self, slot: u16) -> Result<EnrolStep, ReaderError> {
        self.enrolment = None;
        let result = self.enrol_now(slot);
        self.noted(result)
    }

    fn enrol_on(&mut self) -> Result<EnrolStep, ReaderError> {
        self.trace.counters.polls += 1;
        let result = self.enrol_step();
        self.noted(result)
    }

    fn template(&mut self, slot: u16) -> Result<Vec<u8>, ReaderError> {
        self.enrolment = None;
        let result = self.read_template(slot);
        self.noted(result)
    }

    fn put_template(&mut self, slot: u16, template: &[u8]) -> Result<(), ReaderError> {
        self.enrolment = None;
        let result = self.write_template(slot, template);
        self.noted(result)
    }

    fn delete(&mut self, slot: u16) -> Result<(), ReaderError> {
        let result = self.delete_now(slot);
        self.noted(result)
    }

    fn delete_all(&mut self) -> Result<(), ReaderError> {
        let result = self.empty();
        self.noted(result)
    }

    fn slots(&mut self) -> Result<Vec<u16>, ReaderError> {
        let result = self.used_slots();
        self.noted(result)
    }

    /// The module has no light.
    fn light(&mut self, _light: FingerLight) -> Result<(), ReaderError> {
        Ok(())
    }

    fn part(&self) -> &'static str {
        "bm-lite"
    }

    fn trace(&self) -> Option<&ReaderTrace> {
        Some(&self.trace)
    }
}

/// Longest time until an answer begins, in microseconds.
fn limit_us(request: Request<'_>) -> u32 {
    match request {
        Request::Capture(ms) | Request::WaitUp(ms) => u32::from(ms) * 1_000 + 600_000,
        Request::DeleteAll => 4_000_000,
        Request::Extract | Request::Identify | Request::EnrolAdd => 1_500_000,
        Request::EnrolFinish | Request::Save(_) | Request::Delete(_) => 1_000_000,
        _ => 500_000,
    }
}

/// The error for what only a line without a module says.
fn stuck(bytes: &[u8]) -> Option<ReaderError> {
    if bytes.iter().all(|byte| *byte == 0xff) {
        Some(gone("wire reads 0xff"))
    } else if bytes.iter().all(|byte| *byte == 0x00) {
        Some(gone("wire reads 0x00"))
    } else {
        None
    }
}

fn gone(cause: &'static str) -> ReaderError {
    ReaderError::Gone { cause }
}

fn garbled(cause: &'static str) -> ReaderError {
    ReaderError::Garbled { cause }
}

fn refused(cause: &'static str) -> ReaderError {
    ReaderError::Refused { cause }
}
