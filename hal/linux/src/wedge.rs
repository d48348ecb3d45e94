// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A USB reader that types, as a card reader: its keyboard is found by vendor, product and name,
//! taken for the daemon alone, and listened to. What the keys mean is decided in
//! `platen_drivers::wedge`.
//!
//! Nothing that was typed reaches a log, an error or a `Debug`.

mod keyboard;

use std::time::Duration;
use std::vec;

use platen_drivers::number::{NumberError, NumberFormat};
use platen_drivers::wedge::{Decoder, Ending, Outcome, TypedError};
use platen_hal::{CardReader, CardUid, ReaderError, ReaderTrace, TraceEvent};
use thiserror::Error;

pub use self::keyboard::{DEVICES_MAX, Keyboard};
use crate::board::WedgePart;

/// Longest look, of the 300 ms that a look may take.
pub const POLL_LIMIT: Duration = Duration::from_millis(250);
/// Keys in one look above which a keyboard does not type but makes noise: some hundred times as
/// many as a reader types in that time.
pub const KEYS_MAX: usize = 2_048;

/// A key that went down, up or repeats itself; or keys that nobody will know any more.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum KeyEvent {
    /// A key of this code changed.
    Key {
        /// The kernel's code.
        code: u16,
        /// 1 down, 0 up, 2 again.
        value: i32,
        /// When, on the clock of [`KeySource::now_ns`].
        at_ns: u64,
    },
    /// The kernel dropped events.
    Lost {
        /// When it says so.
        at_ns: u64,
    },
}

/// Where keys come from: the kernel's keyboard, or a test.
pub trait KeySource: Send {
    /// Waits until there are events, or `limit` has passed; whether there are.
    ///
    /// # Errors
    /// [`WedgeError::Gone`] when the keyboard is not there any more.
    fn wait(&mut self, limit: Duration) -> Result<bool, WedgeError>;

    /// Takes what has come, without waiting.
    ///
    /// # Errors
    /// As [`KeySource::wait`].
    fn take(&mut self) -> Result<Vec<KeyEvent>, WedgeError>;

    /// The time, on a clock that never goes back.
    fn now_ns(&self) -> u64;
}

/// Why a keyboard can't be listened to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WedgeError {
    /// No keyboard is the one that was named.
    #[error("no keyboard has this vendor, product and name")]
    NotFound,
    /// None is, as far as the ones that may be opened tell.
    #[error("keyboards can't be opened")]
    NoPermission,
    /// The keyboard is taken by another program.
    #[error("keyboard is taken by another program")]
    Taken(#[source] std::io::Error),
    /// It was unplugged.
    #[error("keyboard was unplugged")]
    Gone,
    /// The system's own.
    #[error("keyboard failed")]
    Failed(#[from] std::io::Error),
}

type Open<S> = Box<dyn FnMut() -> Result<S, WedgeError> + Send>;

/// A reader that types, made from the source of its keys.
pub struct WedgeReader<S = Keyboard> {
    open: Open<S>,
    keys: Option<S>,
    /// Keys that came in one moment with the end of a text, behind it.
    waiting: vec::IntoIter<KeyEvent>,
    decoder: Decoder,
    ending: Ending,
    format: NumberFormat,
    trace: ReaderTrace,
}

impl WedgeReader {
    /// A reader by its part of the board file, whose format is for text. Its keyboard is looked for
    /// when it is started, so that one that is not plugged in yet is a reader that is gone.
    #[must_use]
    pub fn open(part: &WedgePart, format: NumberFormat, ending: Ending) -> Self {
        let part = part.clone();
        Self::on(move || Keyboard::find(&part), format, ending)
    }
}

impl<S: KeySource> WedgeReader<S> {
    /// A reader on another source of keys, which is opened at each start.
    pub fn on(
        open: impl FnMut() -> Result<S, WedgeError> + Send + 'static,
        format: NumberFormat,
        ending: Ending,
    ) -> Self {
        Self {
            open: Box::new(open),
            keys: None,
            waiting: Vec::new().into_iter(),
            decoder: Decoder::new(ending),
            ending,
            format,
            trace: ReaderTrace::default(),
        }
    }

    /// Keys until a text has ended, or the look has lasted long enough.
    fn look(&mut self) -> Result<Option<Outcome>, ReaderError> {
        let Some(keys) = &mut self.keys else {
            return Err(ReaderError::Gone {
                cause: "keyboard is not open",
            });
        };
        if let Some(outcome) = decoded(&mut self.decoder, &mut self.waiting) {
            return Ok(Some(outcome));
        }
        let limit_ns = u64::try_from(POLL_LIMIT.as_nanos()).unwrap_or(u64::MAX);
        let end_ns = keys.now_ns().saturating_add(limit_ns);
        let mut count = 0;
        loop {
            let now_ns = keys.now_ns();
            let until = self.decoder.due_ns().unwrap_or(u64::MAX).min(end_ns);
            let wait = Duration::from_nanos(until.saturating_sub(now_ns));
            if keys.wait(wait).map_err(gone)? {
                let events = keys.take().map_err(gone)?;
                count += events.len();
                self.waiting = events.into_iter();
                if let Some(outcome) = decoded(&mut self.decoder, &mut self.waiting) {
                    return Ok(Some(outcome));
                }
            } else if let Some(outcome) = self.decoder.pass(keys.now_ns()) {
                // Only when no key waits to be taken: this thread may be late, not the reader.
                return Ok(Some(outcome));
            }
            if count > KEYS_MAX {
                return Err(ReaderError::Gone {
                    cause: "keyboard types without end",
                });
            }
            if keys.now_ns() >= end_ns {
                return Ok(None);
            }
        }
    }

    fn card(&self, outcome: Outcome) -> Result<CardUid, ReaderError> {
        let garbled = |cause| ReaderError::Garbled { cause };
        let typed = outcome.map_err(|error| garbled(spoiled(error)))?;
        let number = typed.number(&self.format);
        number.map_err(|error| garbled(refused(error)))
    }

    fn failed(&mut self, error: ReaderError) -> ReaderError {
        match error {
            ReaderError::Garbled { cause } => self.trace.record(TraceEvent::Garbled { cause }),
            ReaderError::Gone { cause } => {
                self.keys = None;
                self.trace.record(TraceEvent::Gone { cause });
            }
            _ => {}
        }
        error
    }
}

impl<S: KeySource> CardReader for WedgeReader<S> {
    fn start(&mut self) -> Result<(), ReaderError> {
        self.keys = None; // lets the keyboard go: the kernel gives it to one at a time
        self.waiting = Vec::new().into_iter();
        self.decoder = Decoder::new(self.ending);
        match (self.open)() {
            Ok(keys) => self.keys = Some(keys),
            Err(error) => return Err(self.failed(gone(error))),
        }
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

    fn part(&self) -> &'static str {
        "wedge"
    }

    fn trace(&self) -> Option<&ReaderTrace> {
        Some(&self.trace)
    }
}

/// The first text that ends by these events; the ones behind it stay.
fn decoded(decoder: &mut Decoder, events: &mut vec::IntoIter<KeyEvent>) -> Option<Outcome> {
    events.find_map(|event| match event {
        KeyEvent::Key { code, value, at_ns } => decoder.key(code, value, at_ns),
        KeyEvent::Lost { at_ns } => decoder.lost(at_ns),
    })
}

fn gone(error: WedgeError) -> ReaderError {
    let cause = match error {
        WedgeError::NotFound => "no keyboard has this vendor, product and name",
        WedgeError::NoPermission => "keyboards can't be opened",
        WedgeError::Taken(_) => "keyboard is taken by another program",
        WedgeError::Gone => "keyboard was unplugged",
        WedgeError::Failed(_) => "keyboard failed",
    };
    ReaderError::Gone { cause }
}

fn spoiled(error: TypedError) -> &'static str {
    match error {
        TypedError::Key => "a key was pressed that no reader types",
        TypedError::TooLong => "more was typed than a number has",
        TypedError::Unfinished => "typing stopped without an end",
        _ => "keys were lost",
    }
}

fn refused(error: NumberError) -> &'static str {
    match error {
        NumberError::Text => "text is not of the reader's format",
        NumberError::Facility => "card of another facility",
        _ => "text gives no number",
    }
}
