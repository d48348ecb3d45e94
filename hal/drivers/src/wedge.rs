// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Readers that type a card's number as a keyboard does: from pressed keys to text, and from text to
//! the number. Sources: Linux `input-event-codes.h` for the codes, the US layout for what they
//! mean; readers are delivered with it.
//!
//! Pure: keys come with the time at which they were read; nothing here waits. A text in which
//! anything was wrong is told as such and never guessed at. What is typed shows in no `Debug` and is
//! wiped.

mod layout;

use core::fmt;

use platen_hal::CardUid;
use thiserror::Error;

use self::layout::{Meaning, meaning};
use crate::number::{NumberError, NumberFormat, Reading, TEXT_MAX};

/// Silence behind which no key belongs to the same text. Readers type a key in 5 to 50 ms.
pub const SILENCE_NS: u64 = 200_000_000;

/// How a reader ends what it types.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Ending {
    /// With Enter or Tab; a text without is thrown away.
    #[default]
    Key,
    /// With [`SILENCE_NS`] of silence, or with Enter or Tab.
    Silence,
}

/// One text. Wiped when dropped; `Debug` hides it.
#[derive(Clone, Eq, PartialEq)]
pub struct Typed {
    bytes: [u8; TEXT_MAX],
    length: usize,
}

/// Why a text was given up.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum TypedError {
    /// A key that stands for no character, such as F1, or a modifier other than shift.
    #[error("a key was pressed that no reader types")]
    Key,
    /// More characters than [`TEXT_MAX`].
    #[error("more was typed than a number has")]
    TooLong,
    /// No Enter and no Tab came within [`SILENCE_NS`].
    #[error("typing stopped without an end")]
    Unfinished,
    /// The kernel dropped keys, because nobody took them.
    #[error("keys were lost")]
    Lost,
}

/// What a text came to.
pub type Outcome = Result<Typed, TypedError>;

/// Puts texts together.
#[derive(Debug)]
pub struct Decoder {
    ending: Ending,
    text: Typed,
    left_shift: bool,
    right_shift: bool,
    /// When the last key was pressed, while a text goes on.
    last_ns: Option<u64>,
    spoiled: Option<TypedError>,
}

impl Decoder {
    /// For a reader that ends its texts like this.
    #[must_use]
    pub fn new(ending: Ending) -> Self {
        Self {
            ending,
            text: Typed::empty(),
            left_shift: false,
            right_shift: false,
            last_ns: None,
            spoiled: None,
        }
    }

    /// Takes a key: its code, and whether it went down (1), up (0) or repeats itself (2, which no
    /// reader means). Returns the text that has ended by it, or before it.
    pub fn key(&mut self, code: u16, value: i32, at_ns: u64) -> Option<Outcome> {
        let ended = self.pass(at_ns);
        let pressed = value == 1;
        let now = match meaning(code) {
            Meaning::LeftShift => self.shift(true, value),
            Meaning::RightShift => self.shift(false, value),
            Meaning::Nothing => None,
            _ if !pressed => None,
            Meaning::End => self.end(),
            Meaning::Character(plain, shifted) => {
                let shift = self.left_shift || self.right_shift;
                self.last_ns = Some(at_ns);
                self.take(if shift { shifted } else { plain });
                None
            }
            Meaning::Unknown => {
                self.last_ns = Some(at_ns);
                self.spoil(TypedError::Key);
                None
            }
        };
        // Both only when a key that ends a text comes behind one that the silence has ended; the
        // text before such a key is empty then, and ends in nothing.
        ended.or(now)
    }

    /// Lets time pass without a key. Returns the text that has ended.
    pub fn pass(&mut self, now_ns: u64) -> Option<Outcome> {
        if now_ns < self.due_ns()? {
            return None;
        }
        if self.ending == Ending::Key {
            self.spoil(TypedError::Unfinished);
        }
        self.end()
    }

    /// When [`Decoder::pass`] has something to say, if no key comes before.
    #[must_use]
    pub fn due_ns(&self) -> Option<u64> {
        self.last_ns.map(|last| last.saturating_add(SILENCE_NS))
    }

    /// The kernel dropped keys. Which ones are held is not known any more.
    pub fn lost(&mut self, now_ns: u64) -> Option<Outcome> {
        let ended = self.pass(now_ns);
        (self.left_shift, self.right_shift) = (false, false);
        self.last_ns = Some(now_ns);
        self.spoil(TypedError::Lost);
        ended
    }

    fn shift(&mut self, left: bool, value: i32) -> Option<Outcome> {
        let held = value != 0;
        if left {
            self.left_shift = held;
        } else {
            self.right_shift = held;
        }
        None
    }

    fn take(&mut self, character: u8) {
        if self.text.push(character).is_none() {
            self.spoil(TypedError::TooLong);
        }
    }

    /// The first fault is the one that is told.
    fn spoil(&mut self, error: TypedError) {
        self.spoiled.get_or_insert(error);
    }

    fn end(&mut self) -> Option<Outcome> {
        self.last_ns = None;
        let text = core::mem::replace(&mut self.text, Typed::empty());
        match self.spoiled.take() {
            Some(error) => Some(Err(error)),
            None if text.length == 0 => None,
            None => Some(Ok(text)),
        }
    }
}

impl Typed {
    fn empty() -> Self {
        Self {
            bytes: [0; TEXT_MAX],
            length: 0,
        }
    }

    fn push(&mut self, character: u8) -> Option<()> {
        *self.bytes.get_mut(self.length)? = character;
        self.length += 1;
        Some(())
    }

    /// The characters, all of ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = self.bytes.get(..self.length).unwrap_or_default();
        core::str::from_utf8(text).unwrap_or_default()
    }

    /// The card's number.
    ///
    /// # Errors
    /// [`NumberError`] when the text is not of the format.
    pub fn number(&self, format: &NumberFormat) -> Result<CardUid, NumberError> {
        format.apply(Reading::Text(self.as_str()))
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.bytes);
    }
}

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Typed({} characters)", self.length)
    }
}
