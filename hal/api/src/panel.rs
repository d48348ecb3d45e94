// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box's lights, buzzer and PIN pad.

use std::fmt;

/// What the panel tells the person in front of it. State is never by colour alone: each signal has
/// its own blink and tone pattern as well.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PanelSignal {
    /// Ready: "Tap your badge".
    Idle,
    /// Card taken, jobs are being released.
    Accepted,
    /// Known card, nothing to print.
    NoJobs,
    /// Card not known here.
    UnknownCard,
    /// The card can't stand for a person (random number), or its user may not log in.
    Refused,
    /// The printer can't print now; jobs stay held.
    PrinterError,
    /// The card reader does not answer.
    ReaderGone,
    /// Something was printed only in part; tap again to print it once more.
    Interrupted,
    /// Somebody asked which box this is (IPP Identify-Printer).
    Identify,
}

impl PanelSignal {
    /// Fixed keyword, as in the local API.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Accepted => "accepted",
            Self::NoJobs => "no-jobs",
            Self::UnknownCard => "unknown-card",
            Self::Refused => "refused",
            Self::PrinterError => "printer-error",
            Self::ReaderGone => "reader-gone",
            Self::Interrupted => "interrupted",
            Self::Identify => "identify",
        }
    }
}

/// Shows signals with lights and sounds. Calls return at once; the pattern plays on its own.
pub trait Indicator: Send {
    /// Shows `signal` from now on.
    fn show(&mut self, signal: PanelSignal);
}

/// A key of a PIN pad. `Debug` hides which digit: what is typed never reaches a log.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Key {
    /// 0 to 9.
    Digit(u8),
    /// Ends the entry (`#`, green key).
    Enter,
    /// Takes the entry back (`*`, red key).
    Clear,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digit(_) => "Digit",
            Self::Enter => "Enter",
            Self::Clear => "Clear",
        })
    }
}
