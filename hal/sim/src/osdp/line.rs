// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The serial line to the modelled OSDP reader, as a port of embedded-io, with its faults. Time is
//! counted in looks at the port.

use embedded_io::{ErrorKind, Read, ReadReady, Write};

use super::{OsdpFault, OsdpModel, State};

/// Looks at the port until an answer is there.
const ANSWER_AFTER: u32 = 2;
/// Looks after which a reader forgets half a packet.
const HALF_FOR: u32 = 10;

/// The port is broken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("simulated serial port failed")]
pub struct OsdpLineFailed;

impl embedded_io::Error for OsdpLineFailed {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// The box's end of the line.
#[derive(Clone, Debug)]
pub struct OsdpPort(OsdpModel);

impl OsdpPort {
    pub(super) fn new(model: OsdpModel) -> Self {
        Self(model)
    }
}

impl State {
    /// Puts a reply on the line, behind a byte that idles it.
    pub(super) fn send(&mut self, packet: Vec<u8>) {
        let looks = match self.fault {
            OsdpFault::Late(looks) => ANSWER_AFTER + looks,
            _ => ANSWER_AFTER,
        };
        let bytes = [&[0xff], packet.as_slice()].concat();
        self.out.push_back((looks, bytes));
    }

    /// What is left of octets on their way.
    fn carried(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().filter_map(|byte| self.carry(*byte)).collect()
    }

    fn carry(&mut self, byte: u8) -> Option<u8> {
        self.octets += 1;
        match self.fault {
            OsdpFault::Gone | OsdpFault::StuckLow => None,
            OsdpFault::GoneAfter(0) => {
                self.forget();
                self.fault = OsdpFault::Gone;
                None
            }
            OsdpFault::GoneAfter(left) => {
                self.fault = OsdpFault::GoneAfter(left - 1);
                Some(byte)
            }
            OsdpFault::Garbled { per_mille, .. } => {
                let random = self.next_random();
                let hit = random % 1000 < u64::from(per_mille);
                Some(byte ^ if hit { 1 << (random >> 32 & 7) } else { 0 })
            }
            OsdpFault::Dropping { per_mille, .. } => {
                let lost = self.next_random() % 1000 < u64::from(per_mille);
                (!lost).then_some(byte)
            }
            _ => Some(byte),
        }
    }

    /// One look at the port: answers come nearer.
    fn look(&mut self) -> bool {
        self.silent += 1;
        if self.silent > HALF_FOR {
            self.heard.clear();
        }
        if let Some((looks, _)) = self.out.front_mut() {
            *looks = looks.saturating_sub(1);
        }
        while let Some((_, bytes)) = self.out.pop_front_if(|(looks, _)| *looks == 0) {
            let carried = self.carried(&bytes);
            self.said.extend(&carried);
            self.arrived.extend(carried);
        }
        self.fault == OsdpFault::StuckLow || !self.arrived.is_empty()
    }
}

impl embedded_io::ErrorType for OsdpPort {
    type Error = OsdpLineFailed;
}

impl Write for OsdpPort {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, OsdpLineFailed> {
        let mut state = self.0.lock();
        if state.fault == OsdpFault::PortFailed {
            return Err(OsdpLineFailed);
        }
        if state.fault == OsdpFault::Echo {
            state.arrived.extend(bytes);
        }
        state.silent = 0;
        let carried = state.carried(bytes);
        if state.fault != OsdpFault::Gone {
            state.hear(&carried);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), OsdpLineFailed> {
        Ok(())
    }
}

impl ReadReady for OsdpPort {
    fn read_ready(&mut self) -> Result<bool, OsdpLineFailed> {
        let mut state = self.0.lock();
        match state.fault {
            OsdpFault::PortFailed => Err(OsdpLineFailed),
            _ => Ok(state.look()),
        }
    }
}

impl Read for OsdpPort {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, OsdpLineFailed> {
        let mut state = self.0.lock();
        if state.fault == OsdpFault::StuckLow {
            into.fill(0);
            return Ok(into.len());
        }
        let count = into.len().min(state.arrived.len());
        let taken = state.arrived.drain(..count);
        into.iter_mut().zip(taken).for_each(|(to, byte)| *to = byte);
        Ok(count)
    }
}
