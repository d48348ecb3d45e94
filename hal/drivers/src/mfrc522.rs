// SPDX-License-Identifier: Apache-2.0 OR MIT
//! NXP MFRC522 and its clones on SPI, as a card reader. Source: NXP data sheet MFRC522 rev. 3.9
//! (112139), section numbers below.
//!
//! Nothing here waits without a limit: every call has a budget of bus transactions and of time
//! asked from the delay. Each status read carries the version register, so a chip that is gone, a
//! bus stuck at 0x00 or 0xff, and a chip that was reset behind our back are noticed at once.

mod register;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;
use embedded_hal::spi::SpiDevice;
use heapless::Vec;
use platen_hal::{CardReader, CardUid, Proof, ReaderError, ReaderTrace, TraceEvent};

use self::register::{
    ANTENNA_OFF, ANTENNA_ON, BIT_FRAMING, COLL, COLL_POS_INVALID, COM_IRQ, COMMAND, CONTROL, ERROR,
    ERROR_COLLISION, ERROR_FRAME, ERROR_HOT, FIFO_DATA, FIFO_LEVEL, FLUSH, IDLE, IRQ_ALL, IRQ_DONE,
    IRQ_TIMER, MODE, POWER_DOWN, SETTINGS, SOFT_RESET, START_SEND, T_MODE, T_RELOAD_HIGH,
    T_RELOAD_LOW, TICK_US, TIMER_AUTO, TRANSCEIVE, TX_CONTROL, VERSION, VERSIONS,
};
use crate::iso14443a::{
    self, ANSWER_US, Clash, FRAME_MAX, Frame, Reply, Selected, Transceiver, garbled,
};
use crate::isodep::IsoDep;
use crate::pin::NoPin;
use crate::proof::{CardKeys, Proofs, Prover, Random, Verdict};

const RESET_STEP_US: u32 = 5_000;
const RESET_STEPS: u32 = 30; // 150 ms: the data sheet names no time for a soft reset
const FIELD_RISE_US: u32 = 5_000; // ISO/IEC 14443-3 §5: unmodulated field before the first request
const FIELD_OFF_US: u32 = 5_000; // without power a card forgets what it was in the midst of
const WAIT_STEP_US: u32 = 500;
const LONG_WAIT_US: u32 = 10_000; // from then on steps are longer: most cards have answered
const LONG_WAIT_STEP_US: u32 = 2_000;
/// The chip's timer ends a frame. Beyond its time this is left for the frames themselves, two of 64
/// bytes at 106 kbit/s, and then the chip is not what it was.
const FRAMES_US: u32 = 15_000;

/// What one call may cost. At 1 MHz a transaction takes about 60 µs.
#[derive(Debug)]
struct Budget {
    transactions: u32,
    wait_us: u32,
}

const START_BUDGET: Budget = Budget {
    transactions: 128,
    wait_us: 300_000,
};
const POLL_BUDGET: Budget = Budget {
    transactions: 512,
    wait_us: 200_000,
};
/// On top of that, for a card that is asked for a proof.
const PROOF_BUDGET: Budget = Budget {
    transactions: 1_536,
    wait_us: 350_000,
};

/// The chip on its bus `S`, with the delay `D` and the reset line `R` (NRSTPD, low resets).
#[derive(Debug)]
pub struct Mfrc522<S, D, R = NoPin> {
    spi: S,
    delay: D,
    reset: R,
    version: u8,
    /// What the timer is set to.
    reload: u16,
    budget: Budget,
    proofs: Proofs,
    trace: ReaderTrace,
}

/// The registers that tell how an exchange goes, read in one transaction.
struct Status {
    irq: u8,
    error: u8,
    level: usize,
    control: u8,
    coll: u8,
}

impl<S: SpiDevice, D: DelayNs> Mfrc522<S, D> {
    /// A chip without a reset line. Nothing is sent before [`CardReader::start`].
    #[must_use]
    pub fn new(spi: S, delay: D) -> Self {
        Self::with_reset(spi, delay, NoPin)
    }
}

impl<S: SpiDevice, D: DelayNs, R: OutputPin> Mfrc522<S, D, R> {
    /// A chip whose NRSTPD pin is on `reset`.
    #[must_use]
    pub fn with_reset(spi: S, delay: D, reset: R) -> Self {
        Self {
            spi,
            delay,
            reset,
            version: 0,
            reload: 0,
            budget: POLL_BUDGET,
            proofs: Proofs::default(),
            trace: ReaderTrace::default(),
        }
    }

    /// Has cards prove their numbers with these keys; `random` makes the challenges.
    #[must_use]
    pub fn with_keys(mut self, keys: CardKeys, random: Random) -> Self {
        self.proofs = Proofs::new(Prover::new(keys, random));
        self
    }

    fn spend(&mut self) -> Result<(), ReaderError> {
        self.budget.transactions = self
            .budget
            .transactions
            .checked_sub(1)
            .ok_or(gone("chip came to no end within its transactions"))?;
        self.trace.counters.transactions += 1;
        Ok(())
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

    /// §8.1.2.2: address once, then data bytes for the same register.
    fn write(&mut self, register: u8, value: u8) -> Result<(), ReaderError> {
        self.spend()?;
        let bytes = [register << 1, value];
        self.spi.write(&bytes).map_err(|_| ReaderError::Bus)
    }

    /// §8.1.2.1: each byte out is the next address, each byte in answers the one before.
    fn read<const N: usize>(&mut self, registers: [u8; N]) -> Result<[u8; N], ReaderError> {
        self.spend()?;
        let mut bytes = Vec::<u8, { FRAME_MAX + 1 }>::new();
        bytes.extend(registers.iter().map(|register| register << 1 | 0x80));
        let _ = bytes.push(0);
        self.spi
            .transfer_in_place(&mut bytes)
            .map_err(|_| ReaderError::Bus)?;
        let mut values = [0; N];
        for (value, byte) in values.iter_mut().zip(bytes.iter().skip(1)) {
            *value = *byte;
        }
        Ok(values)
    }

    fn fill_fifo(&mut self, bytes: &[u8]) -> Result<(), ReaderError> {
        self.spend()?;
        let mut out = Vec::<u8, { FRAME_MAX + 1 }>::new();
        let fits = out.push(FIFO_DATA << 1).is_ok() && out.extend_from_slice(bytes).is_ok();
        if !fits {
            return Err(garbled("frame is too long"));
        }
        self.spi.write(&out).map_err(|_| ReaderError::Bus)
    }

    fn drain_fifo(&mut self, level: usize) -> Result<Vec<u8, FRAME_MAX>, ReaderError> {
        if level == 0 {
            return Ok(Vec::new());
        }
        self.spend()?;
        let mut bytes = Vec::<u8, { FRAME_MAX + 1 }>::new();
        bytes.extend(core::iter::repeat_n(
            FIFO_DATA << 1 | 0x80,
            level.min(FRAME_MAX),
        ));
        let _ = bytes.push(0);
        self.spi
            .transfer_in_place(&mut bytes)
            .map_err(|_| ReaderError::Bus)?;
        Ok(bytes.into_iter().skip(1).collect())
    }

    fn check_version(&self, read: u8) -> Result<(), ReaderError> {
        if read == self.version {
            Ok(())
        } else {
            Err(foreign(read))
        }
    }

    fn status(&mut self) -> Result<Status, ReaderError> {
        let registers = [VERSION, COM_IRQ, ERROR, FIFO_LEVEL, CONTROL, COLL];
        let [version, irq, error, level, control, coll] = self.read(registers)?;
        self.check_version(version)?;
        Ok(Status {
            irq,
            error,
            level: usize::from(level & 0x7f),
            control,
            coll,
        })
    }

    /// Is it still the chip that was started, with its settings?
    fn check_settings(&mut self) -> Result<(), ReaderError> {
        let registers = [VERSION, TX_CONTROL, T_MODE, T_RELOAD_LOW, MODE];
        let [version, settings @ ..] = self.read(registers)?;
        self.check_version(version)?;
        let [_, reload] = self.reload.to_be_bytes();
        if settings == [ANTENNA_ON, TIMER_AUTO, reload, 0x3d] {
            Ok(())
        } else {
            Err(gone("chip has lost its settings"))
        }
    }

    fn restart(&mut self) -> Result<(), ReaderError> {
        self.budget = START_BUDGET;
        self.version = 0;
        self.reset.set_low().map_err(|_| ReaderError::Bus)?;
        self.wait(1_000)?; // §8.8.1 asks for 100 ns
        self.reset.set_high().map_err(|_| ReaderError::Bus)?;
        self.await_oscillator()?;
        self.write(COMMAND, SOFT_RESET)?;
        self.await_oscillator()?;
        for (register, value) in SETTINGS {
            self.write(register, value)?;
        }
        self.reload = 0;
        self.set_timer(ANSWER_US)?;
        self.check_settings()?;
        self.wait(FIELD_RISE_US)?;
        let version = self.version;
        self.trace.record(TraceEvent::Started { version });
        Ok(())
    }

    /// Waits until the chip runs, and takes its version.
    fn await_oscillator(&mut self) -> Result<(), ReaderError> {
        let mut version = 0;
        for _ in 0..RESET_STEPS {
            let [seen, command] = self.read([VERSION, COMMAND])?;
            if command & POWER_DOWN == 0 && VERSIONS.contains(&seen) {
                self.version = seen;
                return Ok(());
            }
            version = seen;
            self.wait(RESET_STEP_US)?;
        }
        if VERSIONS.contains(&version) {
            Err(gone("oscillator does not start"))
        } else {
            Err(foreign(version))
        }
    }

    /// Sets how long the chip listens for the beginning of an answer.
    fn set_timer(&mut self, limit_us: u32) -> Result<(), ReaderError> {
        let reload = u16::try_from(limit_us / TICK_US).unwrap_or(u16::MAX);
        if reload != self.reload {
            let [high, low] = reload.to_be_bytes();
            self.write(T_RELOAD_HIGH, high)?;
            self.write(T_RELOAD_LOW, low)?;
            self.reload = reload;
        }
        Ok(())
    }

    /// What the chip says when the answer is there, and how long that took; `None` when its timer
    /// ended.
    fn await_answer(&mut self, limit_us: u32) -> Result<Option<(Status, u32)>, ReaderError> {
        let mut waited_us = 0;
        while waited_us < limit_us.saturating_add(FRAMES_US) {
            let step_us = if waited_us < LONG_WAIT_US {
                WAIT_STEP_US
            } else {
                LONG_WAIT_STEP_US
            };
            self.wait(step_us)?;
            waited_us += step_us;
            let status = self.status()?;
            if status.irq & IRQ_DONE != 0 {
                return Ok(Some((status, waited_us)));
            }
            if status.irq & IRQ_TIMER != 0 {
                return Ok(None);
            }
        }
        Err(gone("neither answer nor timer came"))
    }

    fn receive(&mut self, status: &Status, took_us: u32) -> Result<Reply, ReaderError> {
        let clash = match (status.error & ERROR_COLLISION, status.coll & 0x3f) {
            (0, _) => Clash::None,
            (_, position) if position & COLL_POS_INVALID != 0 => Clash::Unknown,
            (_, 0) => Clash::At(32), // five bits only (§9.3.1.15)
            (_, position) => Clash::At(position),
        };
        if status.error & ERROR_HOT != 0 {
            return Err(gone("chip is too hot, antenna is off"));
        }
        // Bits lying over each other break parity as well: a collision says more.
        if clash == Clash::None && status.error & ERROR_FRAME != 0 {
            return Err(garbled("parity or framing is wrong"));
        }
        if status.level > FRAME_MAX {
            return Err(garbled("answer is too long"));
        }
        Ok(Reply {
            bytes: self.drain_fifo(status.level)?,
            last_bits: status.control & 0x07,
            clash,
            took_us,
        })
    }

    fn look(&mut self) -> Result<Option<CardUid>, ReaderError> {
        if self.version == 0 {
            return Err(gone("reader is not started"));
        }
        self.budget = POLL_BUDGET;
        self.check_settings()?;
        let Some(card) = iso14443a::select_one(self)? else {
            self.proofs.forget();
            return Ok(None);
        };
        if let Some(verdict) = self.proofs.known(&card.uid) {
            iso14443a::halt(self);
            return verdict.number(card.uid).map(Some);
        }
        if !self.proofs.armed() || !card.speaks_iso_dep() {
            iso14443a::halt(self);
            self.proofs.weak(&card.uid);
            return Ok(Some(card.uid));
        }
        self.prove(card).map(Some)
    }

    /// Asks the selected card for a proof, and leaves it at rest.
    fn prove(&mut self, card: Selected) -> Result<CardUid, ReaderError> {
        self.budget.transactions += PROOF_BUDGET.transactions;
        self.budget.wait_us += PROOF_BUDGET.wait_us;
        let mut proofs = core::mem::take(&mut self.proofs);
        let asked = self.ask(&mut proofs, &card);
        self.proofs = proofs;
        let (verdict, rests) = match asked {
            Ok((verdict, rests)) => (Ok(verdict), rests),
            Err(error @ ReaderError::Garbled { .. }) => (Err(error), false),
            Err(error) => return Err(error),
        };
        self.set_timer(ANSWER_US)?;
        if !rests {
            self.write(TX_CONTROL, ANTENNA_OFF)?;
            self.wait(FIELD_OFF_US)?;
            self.write(TX_CONTROL, ANTENNA_ON)?;
            self.wait(FIELD_RISE_US)?;
        }
        let uid = verdict?.number(card.uid)?;
        if self.proofs.proof() == Proof::Proved {
            self.trace.record(TraceEvent::Proved);
        }
        Ok(uid)
    }

    /// The card's answer, and whether it rests.
    fn ask(
        &mut self,
        proofs: &mut Proofs,
        card: &Selected,
    ) -> Result<(Verdict, bool), ReaderError> {
        let mut channel = IsoDep::activate(self)?;
        let verdict = proofs.ask(&mut channel, &card.uid)?;
        Ok((verdict, channel.deselect()?))
    }

    fn record_error(&mut self, error: &ReaderError) {
        self.trace.record(match *error {
            ReaderError::Gone { cause } => TraceEvent::Gone { cause },
            ReaderError::Garbled { cause } => TraceEvent::Garbled { cause },
            _ => TraceEvent::BusFailed,
        });
    }
}

impl<S: SpiDevice, D: DelayNs, R: OutputPin> Transceiver for Mfrc522<S, D, R> {
    fn exchange(&mut self, frame: Frame<'_>) -> Result<Option<Reply>, ReaderError> {
        self.write(COMMAND, IDLE)?;
        self.write(COM_IRQ, IRQ_ALL)?;
        self.write(FIFO_LEVEL, FLUSH)?;
        self.set_timer(frame.limit_us)?;
        self.fill_fifo(frame.bytes)?;
        self.write(COMMAND, TRANSCEIVE)?;
        let framing = (frame.align & 0x07) << 4 | frame.last_bits & 0x07;
        self.write(BIT_FRAMING, START_SEND | framing)?;
        match self.await_answer(frame.limit_us)? {
            Some((status, took_us)) => self.receive(&status, took_us).map(Some),
            None => Ok(None),
        }
    }

    fn pause(&mut self, us: u32) -> Result<(), ReaderError> {
        self.wait(us)
    }

    fn note(&mut self, event: TraceEvent) {
        self.trace.record(event);
    }
}

impl<S, D, R> CardReader for Mfrc522<S, D, R>
where
    S: SpiDevice + Send,
    D: DelayNs + Send,
    R: OutputPin + Send,
{
    fn start(&mut self) -> Result<(), ReaderError> {
        let result = self.restart();
        self.proofs.forget();
        if let Err(error) = &result {
            self.version = 0;
            self.record_error(error);
        }
        result
    }

    fn poll(&mut self) -> Result<Option<CardUid>, ReaderError> {
        self.trace.counters.polls += 1;
        let result = self.look();
        if let Err(error) = &result {
            self.proofs.doubt();
            self.record_error(error);
        }
        result
    }

    fn proof(&self) -> Proof {
        self.proofs.proof()
    }

    fn part(&self) -> &'static str {
        "mfrc522"
    }

    fn trace(&self) -> Option<&ReaderTrace> {
        Some(&self.trace)
    }
}

/// Why `version` is not the one that was expected.
fn foreign(version: u8) -> ReaderError {
    gone(match version {
        0x00 => "version register reads 0x00",
        0xff => "version register reads 0xff",
        _ => "version register reads another chip's",
    })
}

fn gone(cause: &'static str) -> ReaderError {
    ReaderError::Gone { cause }
}
