// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Cards and readers (ISO/IEC 14443-3).

use std::fmt;

use thiserror::Error;

use crate::panel::{Key, PanelSignal};
use crate::trace::ReaderTrace;

/// Number of a card, in the order the card sends its bytes: the UID of ISO/IEC 14443-3 type A (4, 7
/// or 10 bytes, cascade tags removed), or the IDm of FeliCa (8 bytes).
///
/// `Debug` hides the number: card numbers never reach a log.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct CardUid(heapless::Vec<u8, 10>);

impl CardUid {
    /// Takes 4, 7, 8 or 10 bytes; any other length is no card's number.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        matches!(bytes.len(), 4 | 7 | 8 | 10)
            .then(|| heapless::Vec::from_slice(bytes).ok().map(Self))
            .flatten()
    }

    /// Reads hexadecimal, with or without colons, dashes or spaces between the bytes.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = heapless::Vec::<u8, 10>::new();
        let mut high: Option<u32> = None;
        for c in text.chars().filter(|c| !matches!(c, ':' | '-' | ' ')) {
            let digit = c.to_digit(16)?;
            match high.take() {
                None => high = Some(digit),
                Some(h) => bytes.push(u8::try_from(h * 16 + digit).ok()?).ok()?,
            }
        }
        if high.is_some() {
            None
        } else {
            Self::new(&bytes)
        }
    }

    /// The bytes, in the order the card sends them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether the card invents a new number at each activation (first byte 08 of a 4-byte UID),
    /// so that it can't stand for a person.
    #[must_use]
    pub fn is_random(&self) -> bool {
        self.0.len() == 4 && self.0.first() == Some(&0x08)
    }
}

impl fmt::Debug for CardUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardUid({} bytes)", self.0.len())
    }
}

/// How well a card's number stands for the card.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Proof {
    /// The number was only read: whoever knows it can make a card that says it.
    #[default]
    Weak,
    /// The card proved with a secret key that it is the one of this number.
    Proved,
}

/// What a bus thread reports.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DeviceEvent {
    /// A card came into the field. Sent once per tap: the card must leave before it counts again.
    CardPresented {
        /// The reader's name in the board file.
        reader: String,
        /// The card's number.
        uid: CardUid,
        /// How well the number stands for the card.
        proof: Proof,
    },
    /// A finger was laid on a sensor. Sent once per touch: it must lift before it counts again.
    FingerPresented {
        /// The sensor's name in the board file.
        sensor: String,
        /// The slot whose template it matches; `None` when it matches none.
        slot: Option<u16>,
    },
    /// A key of a PIN pad was pressed.
    KeyPressed {
        /// The pad's name in the board file.
        pad: String,
        /// The key.
        key: Key,
    },
    /// A door or tamper switch changed, or was found open at the start.
    SwitchChanged {
        /// The switch's name in the board file.
        switch: String,
        /// Whether it is open now.
        open: bool,
    },
    /// The reader stopped answering.
    ReaderGone {
        /// The reader's name in the board file.
        reader: String,
        /// What was seen, as a sentence.
        cause: String,
    },
    /// The reader answers (again).
    ReaderBack {
        /// The reader's name in the board file.
        reader: String,
    },
}

/// Reads card numbers. One call is one look into the field.
pub trait CardReader: Send {
    /// Resets and configures the chip. Returns within 500 ms.
    ///
    /// # Errors
    /// [`ReaderError::Gone`] when the chip does not answer as its kind must.
    fn start(&mut self) -> Result<(), ReaderError>;

    /// Looks for one card and reads its number. Returns within 300 ms, or 700 ms when the reader
    /// has keys and asks the card for a proof, which it does once while a card lies there.
    ///
    /// # Errors
    /// [`ReaderError::Gone`] when the chip is not there any more; [`ReaderError::Garbled`] when a
    /// card answered nonsense (left the field, two cards that can't be told apart), or failed a
    /// proof that a card of its kind must give.
    fn poll(&mut self) -> Result<Option<CardUid>, ReaderError>;

    /// How well the number that the last [`CardReader::poll`] returned stands for its card.
    fn proof(&self) -> Proof {
        Proof::Weak
    }

    /// Whether [`CardReader::poll`] itself waits for a card, up to its limit, and reports each
    /// reading once. Its owner then neither pauses between two looks nor waits for the card to
    /// leave.
    fn waits(&self) -> bool {
        false
    }

    /// Takes the key that was pressed first at the reader's own pad, where it has one. Ask after
    /// each look until there is none.
    fn take_key(&mut self) -> Option<Key> {
        None
    }

    /// Whether the reader's case is open or its supply fails, as of the last look; `None` where it
    /// can't tell.
    fn tampered(&self) -> Option<bool> {
        None
    }

    /// Shows `signal` with the reader's own lamp and buzzer from one of the next looks on; a reader
    /// without them does nothing. Returns at once.
    fn show(&mut self, _signal: PanelSignal) {}

    /// The part's name, such as `mfrc522`.
    fn part(&self) -> &'static str;

    /// What the driver saw last, where it keeps a trace.
    fn trace(&self) -> Option<&ReaderTrace> {
        None
    }
}

/// Why a look into the field failed.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum ReaderError {
    /// The chip does not answer, or answers what no chip of its kind can.
    #[error("reader gone: {cause}")]
    Gone {
        /// What was seen, such as `version register reads 0xff`.
        cause: &'static str,
    },
    /// The bus itself failed.
    #[error("bus error")]
    Bus,
    /// The part answered, and its answer is no.
    #[error("refused: {cause}")]
    Refused {
        /// Why, by the part's own code.
        cause: &'static str,
    },
    /// A card answered, but not by the rules.
    #[error("card answered nonsense: {cause}")]
    Garbled {
        /// What was wrong.
        cause: &'static str,
    },
}
