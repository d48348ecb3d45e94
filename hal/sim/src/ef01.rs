// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A fingerprint sensor of the EF01 family behind its serial port, in front of a [`FingerField`].
//! Sources: *ZFM-20 series user manual* Ver 2.0 (2010); *R503 user manual* V1.2.2 (2022).
//!
//! It keeps its last picture until a new one succeeds, as the worst of the family may. Not modelled:
//! time (an answer is ready some looks after its command), pictures that leave the sensor (their
//! commands are refused), notepad, rates and addresses that change.

mod commands;
mod wire;

use std::collections::VecDeque;

use embedded_io::{ErrorKind, Read, ReadReady, Write};

use crate::field::Fault;
use crate::finger::{FEATURES, Features, FingerField};

/// Looks from a command to its answer, and to that of a command that takes a picture or searches.
const QUICK: u32 = 1;
const LONG: u32 = 8;
const HEARD_MAX: usize = 1024;
const STARTED: u8 = 0x55;

/// What kind of sensor it is, and how it was set up.
#[derive(Clone, Copy, Debug)]
pub struct Ef01Setup {
    /// Whether it is an R503: light ring, six buffers, says what it is.
    pub r503: bool,
    /// Templates it can hold.
    pub capacity: u16,
    /// Packet size as `SetSysPara` has it: 0 to 3 are 32, 64, 128, 256 bytes.
    pub packet: u8,
    /// Bytes of a template, at least 64.
    pub template_bytes: usize,
    /// Address.
    pub address: u32,
    /// Password.
    pub password: u32,
}

impl Ef01Setup {
    /// A ZFM-20 as it is sold.
    #[must_use]
    pub fn zfm20() -> Self {
        Self {
            r503: false,
            capacity: 162,
            packet: 2,
            template_bytes: 512,
            address: 0xffff_ffff,
            password: 0,
        }
    }

    /// An R503 as it is sold.
    #[must_use]
    pub fn r503() -> Self {
        Self {
            r503: true,
            capacity: 200,
            template_bytes: 1536,
            ..Self::zfm20()
        }
    }

    fn packet_bytes(&self) -> usize {
        32 << self.packet.min(3)
    }
}

/// The sensor, and the port in front of it.
#[derive(Debug)]
pub struct Ef01Uart {
    setup: Ef01Setup,
    field: FingerField,
    heard: Vec<u8>,
    /// The right password was said since the last reset.
    open: bool,
    /// Stays after a `GenImg` that found no finger.
    picture: Option<Option<Features>>,
    buffers: [Option<Features>; 6],
    /// Buffer that data packets go to, and what has come.
    taking: Option<(usize, Vec<u8>)>,
    /// Packets to send, each with the looks until it comes.
    out: VecDeque<(u32, Vec<u8>)>,
    arrived: VecDeque<u8>,
    dead: bool,
}

impl Ef01Uart {
    /// A sensor that was just powered.
    #[must_use]
    pub fn new(field: &FingerField, setup: Ef01Setup) -> Self {
        let mut sensor = Self {
            setup,
            field: field.clone(),
            heard: Vec::new(),
            open: false,
            picture: None,
            buffers: [None; 6],
            taking: None,
            out: VecDeque::new(),
            arrived: VecDeque::new(),
            dead: false,
        };
        sensor.reset();
        sensor
    }

    fn reset(&mut self) {
        self.heard.clear();
        self.open = false;
        self.picture = None;
        self.buffers = [None; 6];
        self.taking = None;
        self.out.clear();
        self.arrived.clear();
        self.dead = self.field.start();
        if self.setup.r503 && !self.dead {
            self.out.push_back((QUICK, vec![STARTED]));
        }
    }

    fn begin(&mut self) -> Result<Fault, PortFailed> {
        let (fault, reset) = self.field.begin();
        if reset {
            self.reset();
        }
        match fault {
            Fault::BusFailed => Err(PortFailed),
            _ => Ok(fault),
        }
    }

    /// Hears bytes, in pieces or whole.
    fn hear(&mut self, bytes: &[u8]) {
        if self.dead {
            return;
        }
        self.heard.extend_from_slice(bytes);
        while let Some((packet, length)) = wire::parse(&self.heard) {
            self.heard.drain(..length);
            match packet {
                wire::Heard::Command(address, _) | wire::Heard::Data(address, _, _)
                    if address != self.setup.address => {}
                wire::Heard::Command(_, content) => self.command(&content),
                wire::Heard::Data(_, last, content) => self.take(last, &content),
                wire::Heard::Damaged => self.answer(&[0x01], QUICK),
            }
        }
        let surplus = self.heard.len().saturating_sub(HEARD_MAX);
        self.heard.drain(..surplus);
    }

    fn answer(&mut self, content: &[u8], looks: u32) {
        self.say(0x07, content, looks);
    }

    fn say(&mut self, kind: u8, content: &[u8], looks: u32) {
        let looks = looks + self.field.lock().slow;
        let packet = wire::packet(self.setup.address, kind, content);
        self.out.push_back((looks, packet));
    }

    /// What is ready comes to the port.
    fn send_on(&mut self) {
        if let Some((looks, _)) = self.out.front_mut() {
            *looks = looks.saturating_sub(1);
        }
        while let Some((0, _)) = self.out.front() {
            let packet = self.out.pop_front().map(|(_, packet)| packet);
            let sent = self.field.garbled(&packet.unwrap_or_default());
            self.arrived.extend(sent);
        }
    }

    /// A template as this sensor sends it: features first, then what fills it up.
    fn template(&self, features: &Features) -> Vec<u8> {
        let length = self.setup.template_bytes.max(FEATURES);
        features.iter().copied().cycle().take(length).collect()
    }
}

/// The serial port reported an error ([`Fault::BusFailed`]).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("simulated port failed")]
pub struct PortFailed;

impl embedded_io::Error for PortFailed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl embedded_io::ErrorType for Ef01Uart {
    type Error = PortFailed;
}

impl Write for Ef01Uart {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, PortFailed> {
        let fault = self.begin()?;
        if !matches!(fault, Fault::StuckLow | Fault::StuckHigh | Fault::Gone) {
            let heard = self.field.garbled(bytes);
            self.hear(&heard);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), PortFailed> {
        Ok(())
    }
}

impl ReadReady for Ef01Uart {
    fn read_ready(&mut self) -> Result<bool, PortFailed> {
        let fault = self.begin()?;
        if matches!(fault, Fault::StuckHigh | Fault::Gone) {
            return Ok(false);
        }
        self.send_on();
        Ok(fault == Fault::StuckLow || !self.arrived.is_empty())
    }
}

impl Read for Ef01Uart {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, PortFailed> {
        if self.field.fault() == Fault::StuckLow {
            into.fill(0);
            return Ok(into.len());
        }
        let count = into.len().min(self.arrived.len());
        let taken = self.arrived.drain(..count);
        into.iter_mut().zip(taken).for_each(|(to, byte)| *to = byte);
        Ok(count)
    }
}
