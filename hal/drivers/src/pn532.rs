// SPDX-License-Identifier: Apache-2.0 OR MIT
//! NXP PN532 as a card reader, over any of its links. Sources: NXP user manual UM0701-02 rev. 02
//! (commands), data sheet 115430 rev. 3.2, application note AN10609_3.
//!
//! The chip does ISO/IEC 14443-3 and -4 by itself and its frames have a check of 8 bits only; a
//! number is returned when the chip found the same card twice in a row, or the card proved it with
//! a key ([`crate::proof`]). Nothing waits without a limit: every
//! call has a budget of bus accesses and of time asked from the delay. A chip that was reset behind
//! our back looks for a card for ever and is noticed because its answer is missing.
//!
//! ISO/IEC 14443 type B and FeliCa are looked for when asked to ([`Kinds`]), and are never proved.
//! The number of many type B cards (PUPI) is another one at each activation: such a card differs
//! between the two looks, before each of which it was without power, and is refused.

pub mod frame;
pub mod link;
mod target;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use platen_hal::{CardReader, CardUid, Proof, ReaderError, ReaderTrace, TraceEvent};

use self::frame::{ACK, Body, FRAME_MAX, Incoming, NACK};
use self::link::Link;
use self::target::Kind;
use crate::iso14443a::{Selected, garbled};
use crate::isodep::{Answer, CardChannel};
use crate::pin::NoPin;
use crate::proof::{CardKeys, Proofs, Prover, Random, Verdict};

// Commands, UM0701-02 §7; an answer's code is one more.
const GET_FIRMWARE_VERSION: u8 = 0x02;
const SET_PARAMETERS: u8 = 0x12;
const SAM_CONFIGURATION: u8 = 0x14;
const RF_CONFIGURATION: u8 = 0x32;
const IN_DATA_EXCHANGE: u8 = 0x40;

const IC_PN532: u8 = 0x32;
const SUPPORTS_TYPE_A: u8 = 0x01;
/// Normal mode, no security module. The chip leaves its low-power state by this.
const NORMAL_MODE: [u8; 4] = [SAM_CONFIGURATION, 0x01, 0x14, 0x01];
const RETRIES: [u8; 5] = [RF_CONFIGURATION, 0x05, 0xff, 0x01, PASSIVE_RETRIES];
/// `SetParameters`: as after a reset; and RATS by itself, which only a proof needs.
const PLAIN: u8 = 0x04;
const WITH_RATS: u8 = 0x14;
const PASSIVE_RETRIES: u8 = 0x01;
/// Without power a card forgets that it was selected. Else it would hear the next request without
/// answering, and of two cards another one would be found each time.
const FIELD_OFF: [u8; 3] = [RF_CONFIGURATION, 0x01, 0x00];
const FIELD_OFF_US: u32 = 5_000;
const THE_CARD: u8 = 0x01; // number of the only target
const DONE: u8 = 0x00; // status without an error
const DONE_WITH_MORE: u8 = 0x40; // the answer does not fit into one frame

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
/// Longest frame with a card's description that is read; a UID of 10 bytes takes 26, an ATS up to
/// 20 more, a FeliCa card 31.
const LIST_MAX: usize = 64;
/// Longest frame around the data of another answer: codes, lengths, status.
const FRAME_OVERHEAD: usize = FRAME_MAX - frame::BODY_MAX + 2;
/// Longest that a card may take for one answer, waiting time extensions included: the chip does
/// those by itself, without end.
const EXCHANGE_LIMIT_US: u32 = 150_000;
/// And for all answers of one proof together.
const SESSION_LIMIT_US: u32 = 250_000;

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
/// On top of that, for a card that is asked for a proof.
const PROOF_BUDGET: Budget = Budget {
    accesses: 512,
    wait_us: 400_000,
};

/// Kinds of card that are looked for beside ISO/IEC 14443 type A. Each costs time at each look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Kinds {
    /// ISO/IEC 14443 type B, where its number stays the same.
    pub type_b: bool,
    /// `FeliCa` at 212 kbit/s.
    pub felica: bool,
}

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
    /// What the card that was found last said, while it lies there.
    last: Option<Selected>,
    kinds: Kinds,
    proofs: Proofs,
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
            kinds: Kinds::default(),
            proofs: Proofs::default(),
            trace: ReaderTrace::default(),
        }
    }

    /// Looks for these kinds of card too.
    #[must_use]
    pub fn with_kinds(mut self, kinds: Kinds) -> Self {
        self.kinds = kinds;
        self
    }

    /// Has cards prove their numbers with these keys; `random` makes the challenges.
    #[must_use]
    pub fn with_keys(mut self, keys: CardKeys, random: Random) -> Self {
        self.proofs = Proofs::new(Prover::new(keys, random));
        self
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
        self.begin(body)?;
        self.answer(body, ANSWER_LIMIT_US, LIST_MAX)?
            .ok_or(gone("chip does not answer"))
    }

    /// Sends a command that the chip must take.
    fn begin(&mut self, body: &[u8]) -> Result<(), ReaderError> {
        let frame = frame::command(body).ok_or(gone("command is too long"))?;
        self.send(&frame)?;
        match self.next(ACK_LIMIT_US, ACK.len())? {
            Some(Incoming::Ack) => Ok(()),
            Some(_) => Err(gone("chip says something else than ACK")),
            None => Err(gone("chip does not acknowledge")),
        }
    }

    /// The data of the answer to a command, in a frame of usually `length` bytes at most; `None`
    /// when it did not come within the limit. A longer frame looks damaged, as it was cut, and is
    /// read to its end at the second try.
    fn answer(
        &mut self,
        body: &[u8],
        limit_us: u32,
        mut length: usize,
    ) -> Result<Option<Body>, ReaderError> {
        for _ in 0..=RESENDS_MAX {
            match self.next(limit_us, length)? {
                Some(Incoming::Answer(answer)) => return answer_to(body, &answer).map(Some),
                Some(Incoming::Damaged(_)) => {
                    self.send(&NACK)?;
                    length = FRAME_MAX;
                }
                Some(Incoming::SyntaxError) => return Err(gone("chip reports a syntax error")),
                Some(_) => return Err(gone("chip acknowledges where it must answer")),
                None => return Ok(None),
            }
        }
        Err(gone("chip's answers are damaged"))
    }

    fn restart(&mut self) -> Result<(), ReaderError> {
        self.budget = START_BUDGET;
        self.started = false;
        self.selected = true;
        self.last = None;
        self.proofs.forget();
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
        let parameters = if self.proofs.armed() {
            WITH_RATS
        } else {
            PLAIN
        };
        self.set(&[SET_PARAMETERS, parameters])?;
        self.set(&RETRIES)?;
        self.started = true;
        self.trace.record(TraceEvent::Started { version });
        Ok(())
    }

    /// Ends whatever the chip does, wakes it and asks who it is; returns its IC.
    fn wake_up(&mut self) -> Result<u8, ReaderError> {
        self.access()?.wake()?;
        self.abort()?;
        self.set(&NORMAL_MODE)?;
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
        let kinds = [
            (Kind::A, true),
            (Kind::B, self.kinds.type_b),
            (Kind::FeliCa, self.kinds.felica),
        ];
        for (kind, _) in kinds.into_iter().filter(|(_, wanted)| *wanted) {
            if let Some(card) = self.find(kind)? {
                return self.read(kind, card).map(Some);
            }
        }
        self.proofs.forget();
        self.last = None;
        Ok(None)
    }

    /// The number of the card that was found.
    fn read(&mut self, kind: Kind, card: Selected) -> Result<CardUid, ReaderError> {
        let uid_len = u8::try_from(card.uid.as_bytes().len()).unwrap_or(u8::MAX);
        let sak = card.sak;
        let selected = TraceEvent::Selected { uid_len, sak };
        let before = self.last.replace(card.clone());
        if let Some(verdict) = self.proofs.known(&card.uid) {
            self.trace.record(selected);
            return verdict.number(card.uid);
        }
        let verdict = if self.proofs.armed() && kind == Kind::A && card.speaks_iso_dep() {
            self.prove(&card)?
        } else {
            self.proofs.weak(&card.uid);
            Verdict::Weak
        };
        if verdict == Verdict::Weak && before.as_ref() != Some(&card) {
            self.confirm(kind, &card)?;
        }
        self.trace.record(selected);
        if matches!(verdict, Verdict::Proved { .. }) {
            self.trace.record(TraceEvent::Proved);
        }
        verdict.number(card.uid)
    }

    /// Looks a second time, after the card was without power.
    fn confirm(&mut self, kind: Kind, card: &Selected) -> Result<(), ReaderError> {
        let again = self.find(kind)?;
        let same = again
            .is_some_and(|again| again == *card || (again.uid.is_random() && card.uid.is_random()));
        match kind {
            _ if same => Ok(()),
            Kind::B => Err(garbled("type B card's number is another one each time")),
            _ => Err(garbled("card is another one at the second look")),
        }
    }

    /// Asks the card, which the chip has activated, for a proof.
    fn prove(&mut self, card: &Selected) -> Result<Verdict, ReaderError> {
        self.budget.accesses += PROOF_BUDGET.accesses;
        self.budget.wait_us += PROOF_BUDGET.wait_us;
        let mut proofs = core::mem::take(&mut self.proofs);
        let mut channel = Activated {
            chip: self,
            left_us: SESSION_LIMIT_US,
        };
        let verdict = proofs.ask(&mut channel, &card.uid);
        self.proofs = proofs;
        verdict
    }

    /// One card; the field comes on by itself (§7.3.5).
    fn find(&mut self, kind: Kind) -> Result<Option<Selected>, ReaderError> {
        if self.selected {
            self.set(&FIELD_OFF)?;
            self.wait(FIELD_OFF_US)?;
        }
        self.selected = true;
        let rats = self.proofs.armed();
        let found = target::parse(kind, &self.command(kind.request())?, rats)?;
        self.selected = found.is_some();
        Ok(found)
    }

    /// Ends a command that takes too long, and gives the chip time to notice.
    fn abort(&mut self) -> Result<(), ReaderError> {
        self.send(&ACK)?;
        self.wait(ABORT_US)
    }

    fn record_error(&mut self, error: &ReaderError) {
        self.trace.record(match *error {
            ReaderError::Gone { cause } => TraceEvent::Gone { cause },
            ReaderError::Garbled { cause } => TraceEvent::Garbled { cause },
            _ => TraceEvent::BusFailed,
        });
    }
}

/// The card that the chip has activated.
struct Activated<'a, L, D, R> {
    chip: &'a mut Pn532<L, D, R>,
    left_us: u32,
}

impl<L: Link, D: DelayNs, R: OutputPin> CardChannel for Activated<'_, L, D, R> {
    fn transmit(&mut self, apdu: &[u8], answer_max: usize) -> Result<Answer, ReaderError> {
        let mut body = Body::new();
        let fits = body
            .extend_from_slice(&[IN_DATA_EXCHANGE, THE_CARD])
            .is_ok();
        if !fits || body.extend_from_slice(apdu).is_err() {
            return Err(garbled("command is too long"));
        }
        self.chip.begin(&body)?;
        let length = (answer_max + FRAME_OVERHEAD).min(FRAME_MAX);
        let limit_us = EXCHANGE_LIMIT_US.min(self.left_us);
        let before_us = self.chip.budget.wait_us;
        let answer = self.chip.answer(&body, limit_us, length)?;
        let waited_us = before_us.saturating_sub(self.chip.budget.wait_us);
        self.left_us = self.left_us.saturating_sub(waited_us);
        let Some(answer) = answer else {
            self.chip.abort()?;
            return Err(garbled("card takes too long"));
        };
        match answer.as_slice() {
            [DONE, data @ ..] if data.len() <= answer_max => {
                Answer::from_slice(data).map_err(|_| garbled("card's answer is too long"))
            }
            [DONE | DONE_WITH_MORE, ..] => Err(garbled("card's answer is too long")),
            [_, ..] => Err(garbled("card left, or lost the thread")),
            [] => Err(gone("answer is empty")),
        }
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
        if let Err(error) = &result {
            self.last = None;
            self.proofs.doubt();
            self.record_error(error);
        }
        result
    }

    fn proof(&self) -> Proof {
        self.proofs.proof()
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

fn gone(cause: &'static str) -> ReaderError {
    ReaderError::Gone { cause }
}
