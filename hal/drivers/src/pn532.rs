// SPDX-License-Identifier: Apache-2.0 OR MIT
//! NXP PN532 as a card reader, over any of its links. Sources: NXP user manual UM0701-02 rev. 02
//! (commands), data sheet 115430 rev. 3.2, application note AN10609_3.
//!
//! The chip does ISO/IEC 14443-3 by itself and its frames have a check of 8 bits only; a number is
//! returned when the chip found the same card twice in a row. Nothing waits without a limit: every
//! call has a budget of bus accesses and of time asked from the delay. A chip that was reset behind
//! our back looks for a card for ever and is noticed because its answer is missing.
//!
//! Not read: FeliCa, whose numbers (NFCID2) are 8 bytes long, which no [`CardUid`] is, and ISO/IEC
//! 14443 type B, whose number (PUPI) may be another one at each activation.

pub mod frame;
pub mod link;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use platen_hal::{CardReader, CardUid, ReaderError, ReaderTrace, TraceEvent};

use self::frame::{ACK, Body, Incoming, NACK};
use self::link::Link;
use crate::iso14443a::garbled;
use crate::pin::NoPin;

// Commands, UM0701-02 §7; an answer's code is one more.
const GET_FIRMWARE_VERSION: u8 = 0x02;
const SET_PARAMETERS: u8 = 0x12;
const SAM_CONFIGURATION: u8 = 0x14;
const RF_CONFIGURATION: u8 = 0x32;
const IN_LIST_PASSIVE_TARGET: u8 = 0x4a;

const IC_PN532: u8 = 0x32;
const SUPPORTS_TYPE_A: u8 = 0x01;
/// What the chip is told at each start. It leaves its low-power state by the first.
const SETTINGS: [&[u8]; 3] = [
    &[SAM_CONFIGURATION, 0x01, 0x14, 0x01], // normal mode: no security module
    &[SET_PARAMETERS, 0x04], // no RATS by itself: a card's number needs none, and answers stay short
    &[RF_CONFIGURATION, 0x05, 0xff, 0x01, PASSIVE_RETRIES],
];
const PASSIVE_RETRIES: u8 = 0x01;
/// Without power a card forgets that it was selected. Else it would hear the next request without
/// answering, and of two cards another one would be found each time.
const FIELD_OFF: [u8; 3] = [RF_CONFIGURATION, 0x01, 0x00];
const FIELD_OFF_US: u32 = 5_000;
const LOOK: [u8; 3] = [IN_LIST_PASSIVE_TARGET, 0x01, 0x00]; // one card, 106 kbit/s type A
const SAK_INCOMPLETE: u8 = 0x04;
const CASCADE_TAG: u8 = 0x88;

const RESET_LOW_US: u32 = 1_000;
const RESET_RISE_US: u32 = 10_000; // before the first access (data sheet §12.23)
const ABORT_US: u32 = 5_000;
/// The chip says ACK within 15 ms as it is told; twice that is a chip that does not.
const ACK_LIMIT_US: u32 = 30_000;
/// Three tries to find a card take some 20 ms.
const ANSWER_LIMIT_US: u32 = 80_000;
/// Damaged answers that are asked for again, per command.
const RESENDS_MAX: u32 = 2;
const START_TRIES: u32 = 3;
/// Longest answer that is read; one with a UID of 10 bytes takes 26.
const ANSWER_MAX: usize = 32;

/// What one call may cost. One access takes 0.4 ms on SPI at 1 MHz and 3 ms at the other links.
#[derive(Debug)]
struct Budget {
    accesses: u32,
    wait_us: u32,
}

const START_BUDGET: Budget = Budget {
    accesses: 256,
    wait_us: 350_000,
};
const POLL_BUDGET: Budget = Budget {
    accesses: 192,
    wait_us: 200_000,
};

/// The chip on its link `L`, with the delay `D` and the reset line `R` (RSTPD_N, low resets).
#[derive(Debug)]
pub struct Pn532<L, D, R = NoPin> {
    link: L,
    delay: D,
    reset: R,
    started: bool,
    budget: Budget,
    /// A card may be selected.
    selected: bool,
    /// The card that was read last, while it lies there.
    last: Option<CardUid>,
    trace: ReaderTrace,
}

impl<L: Link, D: DelayNs> Pn532<L, D> {
    /// A chip without a reset line. Nothing is sent before [`CardReader::start`].
    #[must_use]
    pub fn new(link: L, delay: D) -> Self {
        Self::with_reset(link, delay, NoPin)
    }
}

impl<L: Link, D: DelayNs, R: OutputPin> Pn532<L, D, R> {
    /// A chip whose RSTPD_N pin is on `reset`.
    #[must_use]
    pub fn with_reset(link: L, delay: D, reset: R) -> Self {
        Self {
            link,
            delay,
            reset,
            started: false,
            budget: POLL_BUDGET,
            selected: false,
            last: None,
            trace: ReaderTrace::default(),
        }
    }

    fn wait(&mut self, us: u32) -> Result<(), ReaderError> {
        self.budget.wait_us = self
            .budget
            .wait_us
            .checked_sub(us)
            .ok_or(gone("chip came to no end within its time"))?;
        self.delay.delay_us(us);
        Ok(())
    }

    /// Pays for one access to the link, and keeps the pause before it.
    fn access(&mut self) -> Result<&mut L, ReaderError> {
        self.budget.accesses = self
            .budget
            .accesses
            .checked_sub(1)
            .ok_or(gone("chip came to no end within its accesses"))?;
        self.trace.counters.transactions += 1;
        self.wait(L::PAUSE_US)?;
        Ok(&mut self.link)
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), ReaderError> {
        self.access()?.send(frame)
    }

    /// The next frame, `length` bytes at most; `None` when there is none within the limit.
    fn next(&mut self, limit_us: u32, length: usize) -> Result<Option<Incoming>, ReaderError> {
        for _ in 0..=limit_us / L::PAUSE_US.max(1) {
            if self.access()?.ready()? {
                return self.access()?.receive(length).map(Some);
            }
        }
        Ok(None)
    }

    /// Sends a command; returns the data of its answer.
    fn command(&mut self, body: &[u8]) -> Result<Body, ReaderError> {
        let frame = frame::command(body).ok_or(gone("command is too long"))?;
        self.send(&frame)?;
        match self.next(ACK_LIMIT_US, ACK.len())? {
            Some(Incoming::Ack) => {}
            Some(_) => return Err(gone("chip says something else than ACK")),
            None => return Err(gone("chip does not acknowledge")),
        }
        for _ in 0..=RESENDS_MAX {
            match self.next(ANSWER_LIMIT_US, ANSWER_MAX)? {
                Some(Incoming::Answer(answer)) => return answer_to(body, &answer),
                Some(Incoming::Damaged(_)) => self.send(&NACK)?,
                Some(Incoming::SyntaxError) => return Err(gone("chip reports a syntax error")),
                Some(_) => return Err(gone("chip acknowledges where it must answer")),
                None => return Err(gone("chip does not answer")),
            }
        }
        Err(gone("chip's answers are damaged"))
    }

    fn restart(&mut self) -> Result<(), ReaderError> {
        self.budget = START_BUDGET;
        self.started = false;
        self.selected = true;
        self.last = None;
        self.reset.set_low().map_err(|_| ReaderError::Bus)?;
        self.wait(RESET_LOW_US)?;
        self.reset.set_high().map_err(|_| ReaderError::Bus)?;
        self.wait(RESET_RISE_US)?;
        let mut tried = self.wake_up();
        for _ in 1..START_TRIES {
            if tried.is_ok() {
                break;
            }
            tried = self.wake_up();
        }
        let version = tried?;
        for settings in SETTINGS.into_iter().skip(1) {
            self.set(settings)?;
        }
        self.started = true;
        self.trace.record(TraceEvent::Started { version });
        Ok(())
    }

    /// Ends whatever the chip does, wakes it and asks who it is; returns its IC.
    fn wake_up(&mut self) -> Result<u8, ReaderError> {
        self.access()?.wake()?;
        self.send(&ACK)?;
        self.wait(ABORT_US)?;
        let [first, ..] = SETTINGS;
        self.set(first)?;
        match self.command(&[GET_FIRMWARE_VERSION])?.as_slice() {
            [IC_PN532, _, _, support] if support & SUPPORTS_TYPE_A != 0 => Ok(IC_PN532),
            _ => Err(gone("firmware version is another chip's")),
        }
    }

    /// Gives a command that is answered with nothing.
    fn set(&mut self, body: &[u8]) -> Result<(), ReaderError> {
        if self.command(body)?.is_empty() {
            Ok(())
        } else {
            Err(gone("chip answers a setting with data"))
        }
    }

    fn look(&mut self) -> Result<Option<CardUid>, ReaderError> {
        if !self.started {
            return Err(gone("reader is not started"));
        }
        self.budget = POLL_BUDGET;
        let Some((uid, sak)) = self.find()? else {
            return Ok(None);
        };
        if self.last.as_ref() != Some(&uid) && self.find()? != Some((uid.clone(), sak)) {
            return Err(garbled("card is another one at the second look"));
        }
        let uid_len = u8::try_from(uid.as_bytes().len()).unwrap_or(u8::MAX);
        self.trace.record(TraceEvent::Selected { uid_len, sak });
        Ok(Some(uid))
    }

    /// One card's number and SAK; the field comes on by itself (§7.3.5).
    fn find(&mut self) -> Result<Option<(CardUid, u8)>, ReaderError> {
        if self.selected {
            self.set(&FIELD_OFF)?;
            self.wait(FIELD_OFF_US)?;
        }
        self.selected = true;
        let found = target(&self.command(&LOOK)?)?;
        self.selected = found.is_some();
        Ok(found)
    }

    fn record_error(&mut self, error: &ReaderError) {
        self.trace.record(match *error {
            ReaderError::Gone { cause } => TraceEvent::Gone { cause },
            ReaderError::Garbled { cause } => TraceEvent::Garbled { cause },
            _ => TraceEvent::BusFailed,
        });
    }
}

impl<L, D, R> CardReader for Pn532<L, D, R>
where
    L: Link + Send,
    D: DelayNs + Send,
    R: OutputPin + Send,
{
    fn start(&mut self) -> Result<(), ReaderError> {
        let result = self.restart();
        if let Err(error) = &result {
            self.record_error(error);
        }
        result
    }

    fn poll(&mut self) -> Result<Option<CardUid>, ReaderError> {
        self.trace.counters.polls += 1;
        let result = self.look();
        self.last = match &result {
            Ok(seen) => seen.clone(),
            Err(error) => {
                self.record_error(error);
                None
            }
        };
        result
    }

    fn part(&self) -> &'static str {
        "pn532"
    }

    fn trace(&self) -> Option<&ReaderTrace> {
        Some(&self.trace)
    }
}

/// The data in an answer, where it is one to this command.
fn answer_to(command: &[u8], answer: &[u8]) -> Result<Body, ReaderError> {
    let wanted = command.first().map(|code| code.wrapping_add(1));
    let (code, data) = answer.split_first().ok_or(gone("answer is empty"))?;
    if wanted != Some(*code) {
        return Err(gone("chip answers another command"));
    }
    Body::from_slice(data).map_err(|_| gone("answer is too long"))
}

/// Number and SAK of the one card in an answer (UM0701-02 §7.3.5): count, target, `SENS_RES` 2,
/// `SEL_RES`, length, UID.
fn target(data: &[u8]) -> Result<Option<(CardUid, u8)>, ReaderError> {
    let (sak, length, uid) = match data {
        [0] => return Ok(None),
        [1, 1, _, _, sak, length, uid @ ..] => (*sak, *length, uid),
        _ => return Err(garbled("chip lists no card and not none")),
    };
    if uid.len() > usize::from(length) {
        // Only the answer to a RATS can follow, and the chip was told to send none.
        return Err(gone("chip has lost its settings"));
    }
    let complete = uid.len() == usize::from(length) && sak & SAK_INCOMPLETE == 0;
    let tagged = uid.len() == 4 && uid.first() == Some(&CASCADE_TAG);
    if !complete || tagged {
        return Err(garbled("card's number is not complete"));
    }
    let uid = CardUid::new(uid).ok_or(garbled("UID is not 4, 7 or 10 bytes long"))?;
    Ok(Some((uid, sak)))
}

fn gone(cause: &'static str) -> ReaderError {
    ReaderError::Gone { cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_card_gives_its_number_and_sak() {
        let data = [1, 1, 0x00, 0x44, 0x00, 7, 4, 1, 2, 3, 4, 5, 6];
        let uid = CardUid::new(&[4, 1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(target(&data), Ok(Some((uid, 0x00))));
        assert_eq!(target(&[0]), Ok(None));
    }

    #[test]
    fn lists_that_can_not_be_are_refused() {
        let lists: [&[u8]; 9] = [
            &[],
            &[2, 1, 0, 4, 8, 4, 1, 2, 3, 4],
            &[1, 2, 0, 4, 8, 4, 1, 2, 3, 4],
            &[1, 1, 0, 4, 8],
            &[1, 1, 0, 4, 8, 4, 1, 2, 3],
            &[1, 1, 0, 4, 8, 5, 1, 2, 3, 4, 5],
            &[1, 1, 0, 4, 0x0c, 4, 1, 2, 3, 4], // number not complete
            &[1, 1, 0, 4, 8, 4, 0x88, 2, 3, 4], // a cascade tag
            &[0, 1],
        ];
        for list in lists {
            assert!(
                matches!(target(list), Err(ReaderError::Garbled { .. })),
                "{list:02x?}"
            );
        }
        let rats = [1, 1, 0x03, 0x44, 0x20, 4, 1, 2, 3, 4, 2, 0x00];
        let cause = "chip has lost its settings";
        assert_eq!(target(&rats), Err(ReaderError::Gone { cause }));
    }
}
