// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Wiegand readers: from the edges of the lines D0 and D1 to frames of bits. What the bits mean is
//! [`format`]'s matter. Sources: pulse and interval of SIA AC-01 as readers' manuals quote it (20 to
//! 100 µs, 200 µs to 20 ms).
//!
//! Pure: edges come with the time at which the kernel saw them; nothing here waits. A frame in
//! which anything was wrong is told as such and never guessed at: a bit too many or too few is
//! another card.

pub mod format;
pub mod record;

use core::fmt;

use thiserror::Error;

/// Most bits of a frame.
pub const BITS_MAX: u8 = 64;
/// Shorter pulses are noise of the wire and no bits.
pub const PULSE_MIN_NS: u64 = 10_000;
/// Longer ones are a line that is held low: ten times what the standard allows.
pub const PULSE_MAX_NS: u64 = 1_000_000;
/// Two pulses nearer to each other are one that bounced, or two of which one is noise.
pub const INTERVAL_MIN_NS: u64 = 120_000;
/// Silence that ends a frame: more than the longest interval.
pub const GAP_NS: u64 = 25_000_000;

/// One of the two lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Line {
    /// A pulse is a bit 0.
    D0,
    /// A pulse is a bit 1.
    D1,
}

/// A change of level.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Edge {
    /// Where.
    pub line: Line,
    /// Whether the line went low: a pulse begins.
    pub low: bool,
    /// When, on a clock that never goes back.
    pub at_ns: u64,
}

/// The bits of a frame, as sent.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Frame {
    bits: u64,
    length: u8,
}

impl Frame {
    /// A frame of the `length` lowest bits, the highest of them sent first; `None` when it has no
    /// bit, more than [`BITS_MAX`], or `bits` has more.
    #[must_use]
    pub fn new(bits: u64, length: u8) -> Option<Self> {
        let fits = (1..=BITS_MAX).contains(&length)
            && bits.checked_shr(length.into()).is_none_or(|rest| rest == 0);
        fits.then_some(Self { bits, length })
    }

    /// The bits, the first one highest.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.bits
    }

    /// How many they are, 1 to [`BITS_MAX`].
    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }
}

/// Hides the bits: they are a card's number.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bits)", self.length)
    }
}

/// Why a frame was given up.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum FrameError {
    /// Both lines were low at once: a short, a cut ground, or somebody at the wires.
    #[error("both lines were low at once")]
    BothLow,
    /// A line was low for longer than [`PULSE_MAX_NS`].
    #[error("a line is held low")]
    HeldLow,
    /// Two pulses came within [`INTERVAL_MIN_NS`].
    #[error("pulses came too fast")]
    TooFast,
    /// More than [`BITS_MAX`] bits.
    #[error("more bits than a frame has")]
    TooLong,
    /// Edges were lost, or came in an order that can't be.
    #[error("edges were lost")]
    Lost,
}

/// What a frame came to.
pub type Outcome = Result<Frame, FrameError>;

/// Counts over the decoder's life.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct WiegandCounters {
    /// Whole frames.
    pub frames: u64,
    /// Frames given up.
    pub spoiled: u64,
    /// Pulses that were too short.
    pub glitches: u64,
}

/// Puts frames together. `Debug` hides their bits.
#[derive(Clone, Default)]
pub struct Decoder {
    /// The line that is low, and since when.
    low: Option<(Line, u64)>,
    /// When the last bit began.
    bit_ns: Option<u64>,
    /// When the last edge came, while a frame goes on.
    edge_ns: Option<u64>,
    bits: u64,
    length: u8,
    spoiled: Option<FrameError>,
    counters: WiegandCounters,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("length", &self.length)
            .field("spoiled", &self.spoiled)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// Takes an edge. Returns the frame that had ended before it.
    pub fn edge(&mut self, edge: Edge) -> Option<Outcome> {
        let ended = self.pass(edge.at_ns);
        if self.edge_ns.is_some_and(|last| edge.at_ns < last) {
            self.spoil(FrameError::Lost);
        }
        self.edge_ns = Some(edge.at_ns);
        if edge.low {
            self.fall(edge);
        } else {
            self.rise(edge);
        }
        ended
    }

    /// Takes a whole pulse of which only the end was timed. Returns the frame that had ended before
    /// it.
    pub fn pulse(&mut self, line: Line, end_ns: u64) -> Option<Outcome> {
        let ended = self.pass(end_ns);
        if self.edge_ns.is_some_and(|last| end_ns < last) {
            self.spoil(FrameError::Lost);
        }
        self.edge_ns = Some(end_ns);
        if self.low.is_some() {
            self.spoil(FrameError::BothLow);
        }
        // How far it is from its neighbours is not known.
        self.bit_ns = None;
        self.bit(line, end_ns);
        self.bit_ns = None;
        ended
    }

    /// Lets time pass without an edge. Returns the frame that has ended.
    pub fn pass(&mut self, now_ns: u64) -> Option<Outcome> {
        let last = self.edge_ns?;
        if now_ns < last.saturating_add(GAP_NS) {
            return None;
        }
        if self.low.is_some() {
            self.spoil(FrameError::HeldLow);
        }
        self.end()
    }

    /// When [`Decoder::pass`] has something to say, if no edge comes before.
    #[must_use]
    pub fn due_ns(&self) -> Option<u64> {
        self.edge_ns.map(|last| last.saturating_add(GAP_NS))
    }

    /// Edges were lost, as the kernel tells by a gap in its numbers.
    pub fn lost(&mut self, now_ns: u64) -> Option<Outcome> {
        let ended = self.pass(now_ns);
        self.low = None;
        self.edge_ns = Some(now_ns);
        self.spoil(FrameError::Lost);
        ended
    }

    /// The counts so far.
    #[must_use]
    pub fn counters(&self) -> WiegandCounters {
        self.counters
    }

    fn fall(&mut self, edge: Edge) {
        match self.low {
            Some((line, _)) if line == edge.line => self.spoil(FrameError::Lost),
            Some(_) => self.spoil(FrameError::BothLow),
            None => {}
        }
        self.low = Some((edge.line, edge.at_ns));
    }

    fn rise(&mut self, edge: Edge) {
        let Some((line, since)) = self.low else {
            // The end of a pulse whose begin was not seen, or the other line of a double fault.
            return self.spoil(FrameError::Lost);
        };
        if line != edge.line {
            return self.spoil(FrameError::BothLow);
        }
        self.low = None;
        match edge.at_ns.saturating_sub(since) {
            0..PULSE_MIN_NS => self.glitch(),
            PULSE_MIN_NS..=PULSE_MAX_NS => self.bit(line, since),
            _ => self.spoil(FrameError::HeldLow),
        }
    }

    /// Noise alone makes no frame, not even one that failed.
    fn glitch(&mut self) {
        self.counters.glitches += 1;
        if self.length == 0 && self.spoiled.is_none() {
            self.edge_ns = None;
        }
    }

    fn bit(&mut self, line: Line, at_ns: u64) {
        let near = |last: u64| at_ns.saturating_sub(last) < INTERVAL_MIN_NS;
        if self.bit_ns.is_some_and(near) {
            self.spoil(FrameError::TooFast);
        }
        self.bit_ns = Some(at_ns);
        if self.length >= BITS_MAX {
            return self.spoil(FrameError::TooLong);
        }
        self.bits = self.bits << 1 | u64::from(line == Line::D1);
        self.length += 1;
    }

    /// The first fault is the one that is told.
    fn spoil(&mut self, error: FrameError) {
        self.spoiled.get_or_insert(error);
    }

    fn end(&mut self) -> Option<Outcome> {
        let outcome = match self.spoiled.take() {
            Some(error) => Some(Err(error)),
            None => Frame::new(self.bits, self.length).map(Ok),
        };
        match outcome {
            Some(Ok(_)) => self.counters.frames += 1,
            Some(Err(_)) => self.counters.spoiled += 1,
            None => {}
        }
        (self.bits, self.length) = (0, 0);
        (self.bit_ns, self.edge_ns) = (None, None);
        outcome
    }
}
