// SPDX-License-Identifier: Apache-2.0 OR MIT
//! GPIO lines of the kernel's character device, uAPI v2 (Linux 5.10 and later; `linux/gpio.h`):
//! outputs, inputs, and several inputs in one request with their edges.
//!
//! Levels are logical everywhere: `active_low` of the board file turns a line round here, and
//! nothing above knows how it is wired.
//!
//! About edges (`drivers/gpio/gpiolib-cdev.c`): the kernel numbers and times an edge in its interrupt
//! handler, and reads the level and queues the edge a little later in a thread, one per line. So
//! edges of several lines can come out of order, which their numbers put right, and two edges
//! nearer to each other than the thread is late come as one, with a number missing.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use embedded_hal::digital::{Error, ErrorKind, ErrorType, InputPin, OutputPin};
use gpiocdev::Request;
use gpiocdev::line::{self, Drive, EdgeDetection, EdgeKind, EventClock, Value};
use gpiocdev::request::{Builder, Config};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;

use crate::board::{Bias, InputPart, LinePart};

/// The name under which the kernel lists the lines.
const CONSUMER: &str = "platen";
/// Lines of one request (`GPIO_V2_LINES_MAX`).
pub const LINES_MAX: usize = 64;
/// Edges that the kernel keeps for one request; it drops the oldest of more. It takes 1024 at most.
pub const KERNEL_EDGES: u32 = 512;
/// Edges taken from the kernel at once.
pub const EDGES_AT_ONCE: usize = 64;

/// Why a line can't be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LineError {
    /// The chip is none, has no such line or can't do what is asked, or the line is in use.
    #[error("line {line} of {} can't be had", chip.display())]
    Request {
        /// The chip's device file.
        chip: PathBuf,
        /// The first of the lines.
        line: u32,
        /// The kernel's answer.
        #[source]
        source: gpiocdev::Error,
    },
    /// None, more than [`LINES_MAX`], one of them twice, or of more than one chip.
    #[error("these lines can't be in one request")]
    Together,
    /// A line could not be driven or read.
    #[error("GPIO line failed")]
    Failed(#[from] gpiocdev::Error),
    /// The chip is gone, such as one on USB that was unplugged.
    #[error("GPIO chip is gone")]
    Gone,
    /// The system can't wait.
    #[error("GPIO lines can't be waited for")]
    Wait(#[source] io::Error),
}

impl Error for LineError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// Nanoseconds of the clock that edges are timed with (`CLOCK_MONOTONIC`).
#[must_use]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let rest = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

/// An output line, or none where the board has no such line.
pub struct OutputLine(Option<Request>);

impl OutputLine {
    /// Requests a line and drives it: on or off.
    ///
    /// # Errors
    /// [`LineError::Request`].
    pub fn open(part: &LinePart, on: bool) -> Result<Self, LineError> {
        Self::request(part, on, Drive::PushPull)
    }

    /// The same for a line that is only pulled low and let go (open drain); it begins let go. The
    /// kernel switches lines to input for this where the chip has no open drain.
    ///
    /// # Errors
    /// [`LineError::Request`].
    pub fn open_drain(part: &LinePart) -> Result<Self, LineError> {
        Self::request(part, true, Drive::OpenDrain)
    }

    /// A line that the board does not have: driving it does nothing.
    #[must_use]
    pub fn missing() -> Self {
        Self(None)
    }

    fn request(part: &LinePart, on: bool, drive: Drive) -> Result<Self, LineError> {
        let line = line::Config {
            direction: Some(line::Direction::Output),
            drive: Some(drive),
            value: Some(value(on)),
            active_low: part.active_low,
            ..line::Config::default()
        };
        let mut config = Config::default();
        config
            .on_chip(&part.chip)
            .with_line(part.line)
            .from_line_config(&line);
        let request = Request::from_config(config)
            .with_consumer(CONSUMER)
            .request()
            .map_err(|source| refused(part, source))?;
        Ok(Self(Some(request)))
    }

    fn drive(&self, high: bool) -> Result<(), LineError> {
        match &self.0 {
            Some(request) => Ok(request.set_lone_value(value(high))?),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for OutputLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutputLine({})", self.0.is_some())
    }
}

impl ErrorType for OutputLine {
    type Error = LineError;
}

impl OutputPin for OutputLine {
    fn set_low(&mut self) -> Result<(), LineError> {
        self.drive(false)
    }

    fn set_high(&mut self) -> Result<(), LineError> {
        self.drive(true)
    }
}

/// An input line, read when asked.
#[derive(Debug)]
pub struct InputLine {
    request: Arc<Request>,
    offset: u32,
}

impl InputLine {
    /// Requests a line.
    ///
    /// # Errors
    /// [`LineError::Request`].
    pub fn open(part: &InputPart) -> Result<Self, LineError> {
        let request = inputs(std::slice::from_ref(part), None)?;
        Ok(Self {
            request: Arc::new(request),
            offset: part.line.line,
        })
    }

    fn high(&self) -> Result<bool, LineError> {
        Ok(self.request.value(self.offset)? == Value::Active)
    }
}

impl ErrorType for InputLine {
    type Error = LineError;
}

impl InputPin for InputLine {
    fn is_high(&mut self) -> Result<bool, LineError> {
        self.high()
    }

    fn is_low(&mut self) -> Result<bool, LineError> {
        Ok(!self.high()?)
    }
}

/// A change of level.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LineEdge {
    /// Which of the lines, in the order in which they were given, from 0.
    pub line: usize,
    /// Whether the line is high now, as the kernel read it a little later.
    pub high: bool,
    /// When, as [`now_ns`].
    pub at_ns: u64,
    /// Counts the edges of all lines of a request, from 1. A number that is missing is an edge that
    /// was lost.
    pub number: u32,
}

/// Several input lines of one chip in one request, with their edges.
#[derive(Debug)]
pub struct EdgeLines {
    request: Arc<Request>,
    offsets: Vec<u32>,
    buffer: Vec<u64>,
}

impl EdgeLines {
    /// Requests the lines. Nothing debounces their edges: a time from the kernel is the edge's own.
    ///
    /// # Errors
    /// [`LineError::Together`] and [`LineError::Request`].
    pub fn open(parts: &[InputPart]) -> Result<Self, LineError> {
        let request = inputs(parts, Some(EdgeDetection::BothEdges))?;
        let buffer = vec![0; request.edge_event_u64_size() * EDGES_AT_ONCE];
        Ok(Self {
            request: Arc::new(request),
            offsets: parts.iter().map(|part| part.line.line).collect(),
            buffer,
        })
    }

    fn edge(&self, event: &[u64]) -> Result<LineEdge, LineError> {
        let event = self.request.edge_event_from_slice(event)?;
        let mut offsets = self.offsets.iter();
        let line = offsets.position(|offset| *offset == event.offset);
        Ok(LineEdge {
            line: line.ok_or(LineError::Together)?,
            high: event.kind == EdgeKind::Rising,
            at_ns: event.timestamp_ns,
            number: event.seqno,
        })
    }

    /// The lines one by one, for a driver that reads them, in the order given.
    pub fn inputs(&self) -> impl Iterator<Item = InputLine> + '_ {
        self.offsets.iter().map(|offset| InputLine {
            request: Arc::clone(&self.request),
            offset: *offset,
        })
    }
}

/// Where edges come from: [`EdgeLines`], and what stands in for them where there are no lines.
pub trait EdgeSource: Send {
    /// Waits for an edge, `limit` at most; true when there may be one to take.
    ///
    /// # Errors
    /// [`LineError`] when the lines can't be used any more.
    fn wait(&mut self, limit: Duration) -> Result<bool, LineError>;

    /// Takes edges that have come, without waiting; a limited number of them.
    ///
    /// # Errors
    /// As [`EdgeSource::wait`].
    fn take(&mut self) -> Result<Vec<LineEdge>, LineError>;

    /// Whether a line is high now.
    ///
    /// # Errors
    /// As [`EdgeSource::wait`].
    fn is_high(&self, line: usize) -> Result<bool, LineError>;

    /// The clock of the edges' times.
    fn now_ns(&self) -> u64;
}

impl EdgeSource for EdgeLines {
    fn wait(&mut self, limit: Duration) -> Result<bool, LineError> {
        wait_for(self.request.as_fd(), limit)
    }

    fn take(&mut self) -> Result<Vec<LineEdge>, LineError> {
        if !self.wait(Duration::ZERO)? {
            return Ok(Vec::new());
        }
        let words = self.request.read_edge_events_into_slice(&mut self.buffer)?;
        let events = self.buffer.get(..words).unwrap_or_default();
        events
            .chunks_exact(self.request.edge_event_u64_size())
            .map(|event| self.edge(event))
            .collect()
    }

    fn is_high(&self, line: usize) -> Result<bool, LineError> {
        match self.offsets.get(line) {
            Some(offset) => Ok(self.request.value(*offset)? == Value::Active),
            None => Err(LineError::Together),
        }
    }

    fn now_ns(&self) -> u64 {
        now_ns()
    }
}

/// Whether there is an edge within `limit`; false also when a signal came.
fn wait_for(request: BorrowedFd<'_>, limit: Duration) -> Result<bool, LineError> {
    let limit = Timespec::try_from(limit).map_err(|_| {
        let kind = io::ErrorKind::InvalidInput;
        LineError::Wait(kind.into())
    })?;
    let mut fds = [PollFd::from_borrowed_fd(request, PollFlags::IN)];
    match poll(&mut fds, Some(&limit)) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(false),
        Err(error) => return Err(LineError::Wait(error.into())),
    }
    let [fd] = fds;
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    if fd.revents().intersects(gone) {
        return Err(LineError::Gone);
    }
    Ok(fd.revents().contains(PollFlags::IN))
}

fn inputs(parts: &[InputPart], edges: Option<EdgeDetection>) -> Result<Request, LineError> {
    let first = parts.first().ok_or(LineError::Together)?;
    let other = |part: &InputPart| part.line.chip != first.line.chip;
    let twice = parts.iter().enumerate().any(|(at, part)| {
        let mut before = parts.iter().take(at);
        before.any(|earlier| earlier.line.line == part.line.line)
    });
    if parts.len() > LINES_MAX || twice || parts.iter().any(other) {
        return Err(LineError::Together);
    }
    let mut config = Config::default();
    config.on_chip(&first.line.chip);
    for part in parts {
        let line = line::Config {
            direction: Some(line::Direction::Input),
            bias: bias(part.bias),
            active_low: part.line.active_low,
            edge_detection: edges,
            event_clock: edges.map(|_| EventClock::Monotonic),
            ..line::Config::default()
        };
        config.with_line(part.line.line).from_line_config(&line);
    }
    let mut builder: Builder = Request::from_config(config);
    if edges.is_some() {
        builder.with_kernel_event_buffer_size(KERNEL_EDGES);
    }
    builder
        .with_consumer(CONSUMER)
        .request()
        .map_err(|source| refused(&first.line, source))
}

fn bias(bias: Bias) -> Option<line::Bias> {
    match bias {
        Bias::AsIs => None,
        Bias::PullUp => Some(line::Bias::PullUp),
        Bias::PullDown => Some(line::Bias::PullDown),
        Bias::Off => Some(line::Bias::Disabled),
    }
}

fn value(high: bool) -> Value {
    if high { Value::Active } else { Value::Inactive }
}

fn refused(part: &LinePart, source: gpiocdev::Error) -> LineError {
    LineError::Request {
        chip: part.chip.clone(),
        line: part.line,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(chip: &str, line: u32) -> InputPart {
        InputPart {
            line: LinePart {
                chip: chip.into(),
                line,
                active_low: false,
            },
            bias: Bias::PullUp,
        }
    }

    #[test]
    fn a_file_that_is_no_gpio_chip_is_refused_by_its_name() {
        for chip in ["/dev/null", "/dev/no-such-chip"] {
            let part = input(chip, 3);
            for error in [
                OutputLine::open(&part.line, true).unwrap_err(),
                OutputLine::open_drain(&part.line).unwrap_err(),
                InputLine::open(&part).unwrap_err(),
                EdgeLines::open(&[part]).unwrap_err(),
            ] {
                let text = error.to_string();
                assert_eq!(text, format!("line 3 of {chip} can't be had"));
            }
        }
    }

    #[test]
    fn lines_that_can_t_be_in_one_request_are_not_asked_for() {
        let many: Vec<_> = (0..65).map(|line| input("/dev/null", line)).collect();
        let twice = [input("/dev/null", 1), input("/dev/null", 1)];
        let chips = [input("/dev/null", 1), input("/dev/zero", 2)];
        for parts in [&many[..], &twice, &chips, &[]] {
            let error = EdgeLines::open(parts).unwrap_err();
            assert!(matches!(error, LineError::Together), "{error:?}");
        }
    }

    #[test]
    fn a_line_that_the_board_does_not_have_takes_everything() {
        let mut line = OutputLine::missing();
        assert!(line.set_high().is_ok() && line.set_low().is_ok());
    }

    #[test]
    fn waiting_ends_with_its_limit_and_with_a_chip_that_goes() {
        let (reader, writer) = io::pipe().unwrap();
        let short = Duration::from_millis(1);
        assert!(!wait_for(reader.as_fd(), short).unwrap());
        io::Write::write_all(&mut &writer, b"x").unwrap();
        assert!(wait_for(reader.as_fd(), short).unwrap());
        drop(writer);
        let gone = wait_for(reader.as_fd(), short).unwrap_err();
        assert!(matches!(gone, LineError::Gone));
    }

    #[test]
    fn the_clock_goes_forward() {
        let before = now_ns();
        assert!(before > 0 && now_ns() >= before);
    }
}
