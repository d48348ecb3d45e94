// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A Wiegand reader on two GPIO lines: D0 and D1 in one request, so that their edges have one order,
//! timed by the kernel. What the edges mean is decided in `platen_drivers::wiegand`.
//!
//! The two wires go one way only. A reader that has lost its supply, or was taken off the wall, looks
//! like one that nobody uses: both lines are high. What can be seen, and is told as a reader that is
//! gone: a line that is held low, lines that pick up noise without end, and a GPIO chip that is
//! gone. A board that must know more wires the reader's tamper contact as a switch.

use std::time::Duration;

use embedded_hal::digital::OutputPin;
use platen_drivers::number::{NumberError, NumberFormat, Reading};
use platen_drivers::wiegand::record::{NumberedEdge, Recorder};
use platen_drivers::wiegand::{Edge, FrameError, Line, Outcome};
use platen_drivers::{NoPin, Patterns};
use platen_hal::{CardReader, CardUid, PanelSignal, ReaderError, ReaderTrace, TraceEvent};

use crate::board::WiegandPart;
use crate::lines::{EdgeLines, EdgeSource, LineEdge, LineError, OutputLine};

/// Longest look, of the 300 ms that a look may take.
const POLL_LIMIT: Duration = Duration::from_millis(200);
/// Edges in one look above which the lines only pick up noise: those of four of the longest frames
/// in the shortest time that the standard allows are 512 in 51 ms.
const NOISE_EDGES: usize = 2_048;

/// Where the reader's lines come from.
type Open<S> = Box<dyn FnMut() -> Result<S, LineError> + Send>;

/// The lamp and buzzer inside a reader, which show the panel's patterns: the lamp is lit while the
/// panel's green one is.
#[derive(Debug)]
struct Lamp<P> {
    led: P,
    beep: P,
    signal: PanelSignal,
    /// When the signal was given.
    since_ns: Option<u64>,
}

/// A reader, made from the source of its edges.
pub struct WiegandReader<S = EdgeLines, P = OutputLine> {
    open: Open<S>,
    lines: Option<S>,
    recorder: Recorder,
    format: NumberFormat,
    lamp: Lamp<P>,
    trace: ReaderTrace,
}

impl WiegandReader {
    /// A reader by its part of the board file. Its data lines are requested when it is started, so
    /// that a chip that is missing is a reader that is gone.
    ///
    /// # Errors
    /// [`LineError::Request`] for the lines of its lamp and buzzer.
    pub fn open(part: &WiegandPart, format: NumberFormat) -> Result<Self, LineError> {
        let output = |line: &Option<_>| match line {
            Some(line) => OutputLine::open(line, false),
            None => Ok(OutputLine::missing()),
        };
        let (led, beep) = (output(&part.led)?, output(&part.beep)?);
        let inputs = [part.d0.clone(), part.d1.clone()];
        let open = move || EdgeLines::open(&inputs);
        Ok(Self::on(open, format, led, beep))
    }
}

impl<S: EdgeSource> WiegandReader<S, NoPin> {
    /// A reader without lamp and buzzer on other lines: D0 is line 0 of the source, D1 line 1.
    pub fn on_source(
        open: impl FnMut() -> Result<S, LineError> + Send + 'static,
        format: NumberFormat,
    ) -> Self {
        Self::on(open, format, NoPin, NoPin)
    }
}

impl<S: EdgeSource, P: OutputPin> WiegandReader<S, P> {
    /// A reader on other lines, with lamp and buzzer.
    pub fn on(
        open: impl FnMut() -> Result<S, LineError> + Send + 'static,
        format: NumberFormat,
        led: P,
        beep: P,
    ) -> Self {
        Self {
            open: Box::new(open),
            lines: None,
            recorder: Recorder::default(),
            format,
            lamp: Lamp {
                led,
                beep,
                signal: PanelSignal::Idle,
                since_ns: None,
            },
            trace: ReaderTrace::default(),
        }
    }

    /// Edges in the order they came, until the lines are silent or the look has lasted long enough.
    fn look(&mut self) -> Result<Option<Outcome>, ReaderError> {
        let Some(lines) = &mut self.lines else {
            return Err(ReaderError::Gone {
                cause: "data lines are not open",
            });
        };
        let end_ns = after(lines.now_ns(), POLL_LIMIT);
        let mut edges = 0;
        loop {
            let now_ns = lines.now_ns();
            let lamp_ns = self.lamp.play(now_ns);
            if let Some(outcome) = self.recorder.pass(now_ns) {
                return Ok(Some(outcome));
            }
            if now_ns >= end_ns {
                return Ok(None);
            }
            let due = self.recorder.due_ns().unwrap_or(u64::MAX);
            let until = due.min(lamp_ns).min(end_ns);
            let wait = Duration::from_nanos(until.saturating_sub(now_ns));
            if !lines.wait(wait).map_err(gone)? {
                continue;
            }
            for edge in lines.take().map_err(gone)? {
                edges += 1;
                self.recorder.edge(numbered(edge));
            }
            if edges > NOISE_EDGES {
                return Err(ReaderError::Gone {
                    cause: "data lines pick up noise without end",
                });
            }
        }
    }

    /// The lines are as a reader leaves them between two cards.
    fn idle(&self) -> Result<(), ReaderError> {
        let Some(lines) = &self.lines else {
            return Ok(());
        };
        let high = |line| lines.is_high(line).map_err(gone);
        if high(0)? && high(1)? {
            return Ok(());
        }
        Err(ReaderError::Gone {
            cause: "a data line is held low",
        })
    }

    fn card(&mut self, outcome: Outcome) -> Result<CardUid, ReaderError> {
        let frame = match outcome {
            Ok(frame) => frame,
            Err(error) => {
                // Between two frames of a reader that works, both lines are high again.
                self.idle()?;
                self.recorder.resume();
                let cause = spoiled(error);
                return Err(ReaderError::Garbled { cause });
            }
        };
        let number = self.format.apply(Reading::Wiegand(frame));
        number.map_err(|error| ReaderError::Garbled {
            cause: refused(error),
        })
    }

    /// Writes down an error, and lets the lines go when they can't be trusted: an interrupt for each
    /// edge of a noisy wire would keep a core busy.
    fn failed(&mut self, error: ReaderError) -> ReaderError {
        match error {
            ReaderError::Garbled { cause } => self.trace.record(TraceEvent::Garbled { cause }),
            ReaderError::Gone { cause } => {
                self.lines = None;
                self.trace.record(TraceEvent::Gone { cause });
            }
            _ => {}
        }
        error
    }
}

impl<S: EdgeSource, P: OutputPin + Send> CardReader for WiegandReader<S, P> {
    fn start(&mut self) -> Result<(), ReaderError> {
        self.lines = None; // the kernel gives a line once
        self.recorder = Recorder::default();
        let opened = (self.open)().map_err(gone).and_then(|lines| {
            self.lines = Some(lines);
            self.idle()
        });
        opened.map_err(|error| self.failed(error))?;
        self.trace.record(TraceEvent::Started { version: 0 });
        Ok(())
    }

    fn poll(&mut self) -> Result<Option<CardUid>, ReaderError> {
        self.trace.counters.polls += 1;
        let card = match self.look() {
            Ok(None) => return Ok(None),
            Ok(Some(outcome)) => self.card(outcome),
            Err(error) => Err(error),
        };
        let uid = card.map_err(|error| self.failed(error))?;
        let uid_len = u8::try_from(uid.as_bytes().len()).unwrap_or(0);
        self.trace.record(TraceEvent::Selected { uid_len, sak: 0 });
        Ok(Some(uid))
    }

    fn waits(&self) -> bool {
        true
    }

    fn show(&mut self, signal: PanelSignal) {
        self.lamp.signal = signal;
        self.lamp.since_ns = None;
    }

    fn part(&self) -> &'static str {
        "wiegand"
    }

    fn trace(&self) -> Option<&ReaderTrace> {
        Some(&self.trace)
    }
}

impl<P: OutputPin> Lamp<P> {
    /// Drives lamp and buzzer, and tells when they change next.
    fn play(&mut self, now_ns: u64) -> u64 {
        let since_ns = *self.since_ns.get_or_insert(now_ns);
        let elapsed_ms = now_ns.saturating_sub(since_ns) / 1_000_000;
        let elapsed_ms = u32::try_from(elapsed_ms).unwrap_or(u32::MAX);
        let lamps = Patterns::at(self.signal, elapsed_ms);
        // A lamp that can't be driven is no reason to refuse cards.
        let _ = self.led.set_state(lamps.green.into());
        let _ = self.beep.set_state(lamps.buzzer.into());
        match Patterns::next_change_ms(self.signal, elapsed_ms) {
            Some(ahead_ms) => after(now_ns, Duration::from_millis(ahead_ms.into())),
            None => u64::MAX,
        }
    }
}

impl<S, P> std::fmt::Debug for WiegandReader<S, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counters = self.recorder.counters();
        write!(f, "WiegandReader({counters:?})")
    }
}

fn after(now_ns: u64, wait: Duration) -> u64 {
    now_ns.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX))
}

fn numbered(edge: LineEdge) -> NumberedEdge {
    let line = match edge.line {
        0 => Line::D0,
        _ => Line::D1,
    };
    NumberedEdge {
        edge: Edge {
            line,
            low: !edge.high,
            at_ns: edge.at_ns,
        },
        number: edge.number,
    }
}

fn gone(error: LineError) -> ReaderError {
    let cause = match error {
        LineError::Request { .. } | LineError::Together => "data lines can't be had",
        LineError::Gone => "GPIO chip is gone",
        _ => "GPIO lines failed",
    };
    ReaderError::Gone { cause }
}

fn spoiled(error: FrameError) -> &'static str {
    match error {
        FrameError::BothLow => "both data lines were low at once",
        FrameError::HeldLow => "a data line was low for too long",
        FrameError::TooFast => "pulses came too fast",
        FrameError::TooLong => "more bits than a frame has",
        _ => "edges were lost",
    }
}

fn refused(error: NumberError) -> &'static str {
    match error {
        NumberError::Length => "frame has another length than the format",
        NumberError::Parity => "parity is wrong",
        NumberError::Facility => "card of another facility",
        _ => "frame gives no number",
    }
}
