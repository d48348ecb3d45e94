// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The sensor's start: its password, what it is, and the light that it has. Sources: *ZFM-20 series
//! user manual* Ver 2.0 (`VfyPwd`, `ReadSysPara`); *R503 user manual* V1.2.2 (`ProdInfo`,
//! `CheckSensor`, `AuraLed`).

use embedded_hal::delay::DelayNs;
use embedded_io::{Read, ReadReady, Write};
use platen_hal::{FingerLight, ReaderError, SensorFacts, TraceEvent};

use super::command::{Command, OK, SysPara};
use super::{CAPACITY_MAX, Ef01, LIBRARY_BUDGET_US, Lamp, Started, garbled, gone};

const START_TRIES: u32 = 3; // the first one may come before a ZFM-20 has started (500 ms)
const START_BUDGET_US: u32 = 1_900_000;
const PROD_INFO_LEN: usize = 46;

// Control, speed, colour, count (R503 V1.1 p. 19 knows red 1, blue 2, purple 3; so no other colour).
const RING_OFF: [u8; 4] = [4, 0, 2, 0];
const RING_WAITING: [u8; 4] = [1, 0x64, 2, 0]; // breathes blue
const RING_GOOD: [u8; 4] = [3, 0, 3, 0]; // purple, steady
const RING_BAD: [u8; 4] = [2, 0x19, 1, 3]; // flashes red three times

impl<P: Read + ReadReady + Write, D: DelayNs> Ef01<P, D> {
    pub(super) fn restart(&mut self) -> Result<SensorFacts, ReaderError> {
        self.budget_us = START_BUDGET_US;
        self.started = None;
        self.enrolment = None;
        self.open()?;
        let para = self.para()?;
        let has_buffers = self.is_r503()?;
        let lamp = self.lamp(has_buffers)?;
        let used = self.must(Command::TempleteNum, &[], 2)?;
        let used = two(&used).ok_or(garbled("number of templates is no number"))?;
        self.started = Some(Started {
            para,
            has_buffers,
            lamp,
        });
        let version = u8::from(has_buffers);
        self.trace.record(TraceEvent::Started { version });
        Ok(SensorFacts {
            capacity: para.capacity,
            used: used.min(para.capacity),
        })
    }

    fn open(&mut self) -> Result<(), ReaderError> {
        let password = self.password.to_be_bytes();
        let mut tried = self.must(Command::VfyPwd, &password, 0);
        for _ in 1..START_TRIES {
            if matches!(tried, Ok(_) | Err(ReaderError::Refused { .. })) {
                break;
            }
            tried = self.must(Command::VfyPwd, &password, 0);
        }
        tried.map(drop)
    }

    /// Capacity, packet size and rate; asked for twice, since all else hangs on them.
    fn para(&mut self) -> Result<SysPara, ReaderError> {
        let first = SysPara::read(&self.must(Command::ReadSysPara, &[], 16)?);
        let second = SysPara::read(&self.must(Command::ReadSysPara, &[], 16)?);
        match (first, second) {
            (Some(first), Some(second)) if first == second => match first.capacity {
                0 => Err(gone("sensor has room for no template")),
                capacity => Ok(SysPara {
                    capacity: capacity.min(CAPACITY_MAX),
                    ..first
                }),
            },
            _ => Err(garbled("parameters are no sensor's")),
        }
    }

    /// Whether it answers as an R503. One that is, is asked whether its surface works.
    fn is_r503(&mut self) -> Result<bool, ReaderError> {
        match self.ask(Command::ProdInfo, &[]) {
            Ok((OK, data)) if data.len() == PROD_INFO_LEN => {
                self.must(Command::CheckSensor, &[], 0)?;
                Ok(true)
            }
            Err(error) if !is_silence(&error) => Err(error),
            // Older parts don't know the command, and say so or nothing.
            _ => Ok(false),
        }
    }

    /// The light it has, now off.
    fn lamp(&mut self, has_ring: bool) -> Result<Lamp, ReaderError> {
        let (command, arguments, lamp) = match has_ring {
            true => (Command::AuraLed, &RING_OFF[..], Lamp::Ring),
            false => (Command::LedOff, &[][..], Lamp::Plain),
        };
        match self.ask(command, arguments) {
            Ok((OK, _)) => Ok(lamp),
            Err(error) if !is_silence(&error) => Err(error),
            _ => Ok(Lamp::None),
        }
    }

    pub(super) fn light_now(&mut self, light: FingerLight) -> Result<(), ReaderError> {
        let started = self.begin(LIBRARY_BUDGET_US)?;
        let (command, arguments) = match (started.lamp, light) {
            (Lamp::None, _) => return Ok(()),
            (Lamp::Plain, FingerLight::Good) => (Command::LedOn, &[][..]),
            (Lamp::Plain, _) => (Command::LedOff, &[][..]),
            (Lamp::Ring, FingerLight::Off) => (Command::AuraLed, &RING_OFF[..]),
            (Lamp::Ring, FingerLight::Waiting) => (Command::AuraLed, &RING_WAITING[..]),
            (Lamp::Ring, FingerLight::Good) => (Command::AuraLed, &RING_GOOD[..]),
            (Lamp::Ring, FingerLight::Bad) => (Command::AuraLed, &RING_BAD[..]),
        };
        self.must(command, arguments, 0).map(drop)
    }
}

fn two(data: &[u8]) -> Option<u16> {
    data.try_into().ok().map(u16::from_be_bytes)
}

/// Whether a command that the part may not know was not answered.
fn is_silence(error: &ReaderError) -> bool {
    matches!(error, ReaderError::Gone { .. })
}
