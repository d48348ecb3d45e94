// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Fingerprint sensors of the EF01 family (ZFM-20, R30x, R503, AS608) on a serial port, 8N1. Sources:
//! *ZFM-20 series user manual* Ver 2.0 (2010), *R503 user manual* V1.2.2 (2022) and V1.1 (2019), *R307
//! manual* V1.20 (2011). No manual of the AS608 was found: it is taken for a ZFM-20.
//!
//! The sensor matches by itself; capacity, packet size and rate are read from it, never assumed.
//! Nothing waits without a limit: every call has a budget of time asked from the delay. The wire's
//! check is a sum of 16 bits, and a sensor may keep its last picture: so a picture is taken twice, a
//! match is asked for again in its one page, and the table of used pages is read twice.
//!
//! Assumed, where no manual tells: that the R503 combines more than two touches (up to six) by
//! `RegModel`; that `UpChar` after `DownChar` gives the bytes that were sent.

pub mod command;
mod enrol;
mod library;
mod look;
pub mod packet;
mod start;

use std::fmt;

use embedded_hal::delay::DelayNs;
use embedded_io::{Read, ReadReady, Write};
use heapless::Vec;
use platen_hal::{
    EnrolStep, FingerLight, FingerLook, FingerprintSensor, ReaderError, ReaderTrace, SensorFacts,
    TraceEvent,
};

use self::command::{Command, OK, SysPara, refusal};
use self::enrol::Enrolment;
use self::packet::{ANY_ADDRESS, Content, Decoder, Incoming, Kind, packet};

/// Rate of a sensor that was given no other, in bits per second.
pub const BAUD: u32 = 57_600;
/// Slots that the driver uses: as many as the table of used pages tells of (four quarters of 256).
pub const CAPACITY_MAX: u16 = 1024;
/// Touches that one enrolment takes, at least and at most.
pub const TOUCHES_MIN: u8 = 2;
/// As [`TOUCHES_MIN`].
pub const TOUCHES_MAX: u8 = 6;

/// Bytes that one look at the port takes.
const CHUNK: usize = 64;
/// Looks at the port that drop what came before a command.
const DRAIN_LOOKS: u32 = 8;
/// Pause between two looks at the port: 17 bytes at [`BAUD`].
const PAUSE_US: u32 = 3_000;
const ENROL_BUDGET_US: u32 = 4_800_000;
const LIBRARY_BUDGET_US: u32 = 1_900_000;
const EMPTY_BUDGET_US: u32 = 4_800_000;
const TEMPLATE_BUDGET_US: u32 = 9_800_000;
/// Buffer that an identification uses.
const FIRST_BUFFER: u8 = 1;

/// The light that a sensor has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Lamp {
    None,
    /// The R503's ring.
    Ring,
    /// One colour, on and off.
    Plain,
}

/// What a started sensor is.
#[derive(Clone, Copy, Debug)]
struct Started {
    para: SysPara,
    /// It is an R503: it has more buffers.
    has_buffers: bool,
    lamp: Lamp,
}

/// A sensor on the port `P`, with the delay `D`.
pub struct Ef01<P, D> {
    port: P,
    delay: D,
    address: u32,
    password: u32,
    touches: u8,
    decoder: Decoder,
    /// Came behind a packet.
    rest: Vec<u8, CHUNK>,
    started: Option<Started>,
    enrolment: Option<Enrolment>,
    budget_us: u32,
    trace: ReaderTrace,
}

impl<P, D> fmt::Debug for Ef01<P, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ef01")
            .field("started", &self.started)
            .finish_non_exhaustive()
    }
}

impl<P: Read + ReadReady + Write, D: DelayNs> Ef01<P, D> {
    /// The sensor on this port, with the address and password that it has from its maker. Nothing is
    /// sent before [`FingerprintSensor::start`]. `port` must not wait longer for writing than the
    /// driver's caller can bear; it is only read when it says that there is something.
    #[must_use]
    pub fn new(port: P, delay: D) -> Self {
        Self {
            port,
            delay,
            address: ANY_ADDRESS,
            password: 0,
            touches: TOUCHES_MIN,
            decoder: Decoder::new(ANY_ADDRESS),
            rest: Vec::new(),
            started: None,
            enrolment: None,
            budget_us: 0,
            trace: ReaderTrace::default(),
        }
    }

    /// Sets the address, where the sensor was given another one.
    #[must_use]
    pub fn with_address(mut self, address: u32) -> Self {
        self.address = address;
        self.decoder = Decoder::new(address);
        self
    }

    /// Sets the password, where the sensor was given one.
    #[must_use]
    pub fn with_password(mut self, password: u32) -> Self {
        self.password = password;
        self
    }

    /// Sets the touches of an enrolment, [`TOUCHES_MIN`] to [`TOUCHES_MAX`]. Only an R503 can take
    /// more than [`TOUCHES_MIN`]; other parts keep to these.
    #[must_use]
    pub fn with_touches(mut self, touches: u8) -> Self {
        self.touches = touches.clamp(TOUCHES_MIN, TOUCHES_MAX);
        self
    }

    fn wait(&mut self, us: u32) -> Result<(), ReaderError> {
        self.budget_us = self
            .budget_us
            .checked_sub(us)
            .ok_or(gone("sensor came to no end within its time"))?;
        self.delay.delay_us(us);
        Ok(())
    }

    /// What has come, [`CHUNK`] bytes at most.
    fn come(&mut self) -> Result<Vec<u8, CHUNK>, ReaderError> {
        self.trace.counters.transactions += 1;
        let mut bytes = [0; CHUNK];
        if !self.port.read_ready().map_err(|_| ReaderError::Bus)? {
            return Ok(Vec::new());
        }
        let count = self.port.read(&mut bytes).map_err(|_| ReaderError::Bus)?;
        Ok(bytes.into_iter().take(count).collect())
    }

    fn send(&mut self, kind: Kind, content: &[u8]) -> Result<(), ReaderError> {
        let packet = packet(self.address, kind, content).ok_or(gone("packet is too long"))?;
        self.trace.counters.transactions += 1;
        self.port.write_all(&packet).map_err(|_| ReaderError::Bus)?;
        self.port.flush().map_err(|_| ReaderError::Bus)
    }

    /// The next packet, and its kind.
    fn next(&mut self, limit_us: u32) -> Result<(Kind, Content), ReaderError> {
        let (mut heard, mut waited_us) = (false, 0);
        loop {
            if self.rest.is_empty() {
                self.rest = self.come()?;
            }
            // A line that is stuck says one of these, over and over.
            heard |= self.rest.iter().any(|byte| !matches!(byte, 0x00 | 0xff));
            let mut bytes = core::mem::take(&mut self.rest).into_iter();
            let incoming = bytes.find_map(|byte| self.decoder.push(byte));
            self.rest = bytes.collect();
            match incoming {
                Some(Incoming::Packet(kind, content)) => return Ok((kind, content)),
                Some(Incoming::Damaged(cause)) => return Err(garbled(cause)),
                None if waited_us >= limit_us && heard => {
                    return Err(garbled("no whole packet came"));
                }
                None if waited_us >= limit_us => return Err(gone("sensor does not answer")),
                None => {
                    self.wait(PAUSE_US)?;
                    waited_us += PAUSE_US;
                }
            }
        }
    }

    /// Gives a command; returns its confirmation code and the data of its answer.
    fn ask(&mut self, command: Command, arguments: &[u8]) -> Result<(u8, Content), ReaderError> {
        // What came before belongs to nothing that is still asked.
        for _ in 0..DRAIN_LOOKS {
            if self.come()?.is_empty() {
                break;
            }
        }
        self.rest.clear();
        self.decoder.clear();
        let mut content = Content::new();
        let fits =
            content.push(command.code()).is_ok() && content.extend_from_slice(arguments).is_ok();
        if !fits {
            return Err(gone("command is too long"));
        }
        self.send(Kind::Command, &content)?;
        let (kind, answer) = self.next(command.limit_us())?;
        match answer.split_first() {
            Some((code, data)) if kind == Kind::Answer => {
                Ok((*code, data.iter().copied().collect()))
            }
            _ => Err(garbled("sensor sends data where it must answer")),
        }
    }

    /// Gives a command that must be confirmed with `length` bytes of data.
    fn must(
        &mut self,
        command: Command,
        arguments: &[u8],
        length: usize,
    ) -> Result<Content, ReaderError> {
        let (code, data) = self.ask(command, arguments)?;
        if code != OK {
            return Err(self.refused(code));
        }
        if data.len() == length {
            Ok(data)
        } else {
            Err(garbled("answer has another command's length"))
        }
    }

    fn refused(&mut self, code: u8) -> ReaderError {
        let error = refusal(code);
        if matches!(error, ReaderError::Refused { .. }) {
            let code = i16::from(code);
            self.trace.record(TraceEvent::Refused { code });
        }
        error
    }

    /// The sensor's facts, with `budget_us` for the call that begins.
    fn begin(&mut self, budget_us: u32) -> Result<Started, ReaderError> {
        self.budget_us = budget_us;
        self.started.ok_or(gone("sensor is not started"))
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

impl<P, D> FingerprintSensor for Ef01<P, D>
where
    P: Read + ReadReady + Write + Send,
    D: DelayNs + Send,
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

    fn template(&mut self, slot: u16) -> Result<std::vec::Vec<u8>, ReaderError> {
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

    fn slots(&mut self) -> Result<std::vec::Vec<u16>, ReaderError> {
        let result = self.used_slots();
        self.noted(result)
    }

    fn light(&mut self, light: FingerLight) -> Result<(), ReaderError> {
        let result = self.light_now(light);
        self.noted(result)
    }

    fn part(&self) -> &'static str {
        "ef01"
    }

    fn trace(&self) -> Option<&ReaderTrace> {
        Some(&self.trace)
    }
}

fn gone(cause: &'static str) -> ReaderError {
    ReaderError::Gone { cause }
}

fn garbled(cause: &'static str) -> ReaderError {
    ReaderError::Garbled { cause }
}
