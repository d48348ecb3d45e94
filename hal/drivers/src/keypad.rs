// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A PIN pad: keys between rows that are driven and columns that are read, without diodes. Rows are
//! open drain (pulled low or let go), columns have pull-ups; a pressed key brings its column low
//! while its row is.
//!
//! A key that was not pressed must never arrive, so what is not clear gives nothing. Three keys of a
//! rectangle bring the fourth, and with a cut wire two of the three are not even seen: so a key
//! counts only while it is the one that is down, a second one when the first comes up, and a third
//! never. Keys that go down together have no order. A column that is low while no row is driven is a
//! fault of the wires.
//!
//! That holds for any one fault of the wires but these two: a row that touches a column is a key,
//! and wires that begin to touch while a key is held may be one.
//!
//! Pure: no clock, the owner scans every [`SCAN_MS`] while [`Keypad::pace`] says so. Nothing here
//! shows which key it was, also not in `Debug`.

use core::fmt;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{InputPin, OutputPin};
use platen_hal::Key;
use thiserror::Error;

/// Most rows, and most columns.
pub const SIDE_MAX: usize = 8;
/// Time from one scan to the next while a key is down.
pub const SCAN_MS: u32 = 10;
/// Scans that must see the same before it counts: contacts bounce for 5 to 20 ms.
pub const STABLE_SCANS: u8 = 3;
/// Keys that may be down at once, of which the second waits for the first to come up. With a third
/// one nothing counts until all keys are up.
pub const ROLLOVER_MAX: u32 = 2;
/// Scans after which a key is stuck rather than held: half a minute.
pub const HELD_SCANS_MAX: u32 = 3_000;
/// Time for a column to get where its row or its pull-up brings it: ten times that of 50 kΩ and
/// 100 pF.
pub const SETTLE_US: u32 = 50;

/// Which key is where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layout {
    rows: usize,
    columns: usize,
    keys: [[Option<Key>; SIDE_MAX]; SIDE_MAX],
}

impl Layout {
    /// Reads rows of keys from the top: `0` to `9`, `*` clears, `#` ends, blank is no key. `None`
    /// when there are none or more than [`SIDE_MAX`] rows or columns, or another character. A row
    /// that is shorter has no keys at its end.
    #[must_use]
    pub fn new<T: AsRef<str>>(rows: &[T]) -> Option<Self> {
        let mut keys = [[None; SIDE_MAX]; SIDE_MAX];
        let mut columns = 0;
        for (at, row) in rows.iter().enumerate() {
            let places = keys.get_mut(at)?;
            let mut wide = 0;
            for c in row.as_ref().chars() {
                *places.get_mut(wide)? = key_of(c)?;
                wide += 1;
            }
            columns = columns.max(wide);
        }
        (columns > 0).then_some(Self {
            rows: rows.len(),
            columns,
            keys,
        })
    }

    /// Rows, 1 to [`SIDE_MAX`].
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns, 1 to [`SIDE_MAX`].
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    fn key(&self, place: Place) -> Option<Key> {
        *self.keys.get(place.row)?.get(place.column)?
    }
}

/// The key of a layout's character; `Some(None)` is none.
fn key_of(c: char) -> Option<Option<Key>> {
    match c {
        ' ' => Some(None),
        '*' => Some(Some(Key::Clear)),
        '#' => Some(Some(Key::Enter)),
        _ => {
            let digit = u8::try_from(c.to_digit(10)?).ok()?;
            Some(Some(Key::Digit(digit)))
        }
    }
}

/// A place in the matrix.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Place {
    /// Row, from 0.
    pub row: usize,
    /// Column, from 0.
    pub column: usize,
}

/// Hides the place: it says what was typed.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

/// Which keys look down: one column mask for each row.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Down([u8; SIDE_MAX]);

impl Down {
    /// Marks a key; a place outside the matrix is none.
    pub fn mark(&mut self, place: Place) {
        if let Some(row) = self.0.get_mut(place.row)
            && place.column < SIDE_MAX
        {
            *row |= 1 << place.column;
        }
    }

    fn is_none(self) -> bool {
        self == Self::default()
    }

    fn count(self) -> u32 {
        self.0.iter().map(|row| row.count_ones()).sum()
    }

    /// Whether two rows share two columns: then one of the four keys may be a ghost.
    fn has_rectangle(self) -> bool {
        let pairs = self.0.iter().enumerate();
        pairs
            .flat_map(|(at, row)| self.0.iter().skip(at + 1).map(move |other| row & other))
            .any(|shared| shared.count_ones() > 1)
    }

    /// Those that are not in `before`.
    fn beyond(self, before: Self) -> Self {
        let mut new = self;
        for (row, old) in new.0.iter_mut().zip(before.0) {
            *row &= !old;
        }
        new
    }

    /// Those that are in `other` as well.
    fn within(self, other: Self) -> Self {
        self.beyond(self.beyond(other))
    }

    /// The one that is down, when it is exactly one.
    fn only(self) -> Option<Place> {
        if self.count() != 1 {
            return None;
        }
        let row = self.0.iter().position(|row| *row != 0)?;
        let column = usize::try_from(self.0.get(row)?.trailing_zeros()).ok()?;
        Some(Place { row, column })
    }
}

/// Hides the keys.
impl fmt::Debug for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Down({})", self.count())
    }
}

/// How soon the pad wants to be looked at again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pace {
    /// No key is down: wait for an edge on a column.
    Idle,
    /// A key is down, or was a moment ago: scan every [`SCAN_MS`].
    Busy,
    /// A key or a wire is stuck: look now and then.
    Stuck,
}

/// Counts over the pad's life.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct KeypadCounters {
    /// Scans.
    pub scans: u64,
    /// Keys reported.
    pub keys: u64,
    /// Times that keys were refused: too many, or together.
    pub refused: u64,
    /// Of these, times that one of them may have been a ghost.
    pub ghosts: u64,
    /// Times that the wires were found at fault.
    pub faults: u64,
}

/// Turns scans into keys.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    candidate: Down,
    same: u8,
    settled: Down,
    /// Of the settled keys, those that were reported.
    reported: Down,
    /// Nothing counts until all keys are up.
    blocked: bool,
    /// Scans since the last change, while the pad is not at rest.
    held: u32,
    counters: KeypadCounters,
}

impl Scanner {
    /// Takes what a scan saw; returns the key that went down.
    pub fn scan(&mut self, down: Down) -> Option<Place> {
        self.counters.scans += 1;
        if down == self.candidate {
            self.same = self.same.saturating_add(1);
        } else {
            (self.candidate, self.same) = (down, 1);
        }
        self.held = self.held.saturating_add(1);
        if self.same < STABLE_SCANS {
            return None;
        }
        if down == self.settled && !down.is_none() {
            return None;
        }
        self.held = 0;
        let new = down.beyond(self.settled);
        self.settled = down;
        self.reported = self.reported.within(down);
        self.settle(new)
    }

    /// The wires were at fault in a scan: what it saw is void, and so is what is held.
    pub fn fault(&mut self) {
        self.counters.faults += 1;
        (self.candidate, self.same) = (Down::default(), 0);
        // Something is down as far as is known, until a scan sees nothing.
        self.blocked = true;
        self.held = self.held.saturating_add(1);
    }

    /// How soon it wants the next scan.
    #[must_use]
    pub fn pace(&self) -> Pace {
        let quiet = self.settled.is_none() && self.candidate.is_none();
        if self.held > HELD_SCANS_MAX {
            Pace::Stuck
        } else if quiet && !self.blocked && self.same >= STABLE_SCANS {
            Pace::Idle
        } else {
            Pace::Busy
        }
    }

    /// The counts so far.
    #[must_use]
    pub fn counters(&self) -> KeypadCounters {
        self.counters
    }

    fn settle(&mut self, new: Down) -> Option<Place> {
        match self.settled.count() {
            0 => {
                self.blocked = false;
                None
            }
            _ if self.blocked => None,
            1 => self.report(),
            _ => {
                let together = new.count() > 1;
                if together || self.settled.count() > ROLLOVER_MAX {
                    self.counters.refused += 1;
                    self.counters.ghosts += u64::from(self.settled.has_rectangle());
                    self.blocked = true;
                }
                None
            }
        }
    }

    /// The one key that is down, the first time that it is.
    fn report(&mut self) -> Option<Place> {
        if !self.reported.is_none() {
            return None;
        }
        self.reported = self.settled;
        self.counters.keys += 1;
        self.settled.only()
    }
}

/// Why a pad could not be scanned.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum KeypadError {
    /// A row could not be driven.
    #[error("a row of the keypad can't be driven")]
    Row,
    /// A column could not be read.
    #[error("a column of the keypad can't be read")]
    Column,
    /// A column is low while no row is driven: a short to ground.
    #[error("a line of the keypad is held low")]
    HeldLow,
}

/// The pad's lines with its scanner.
#[derive(Debug)]
pub struct Keypad<R, C, D> {
    layout: Layout,
    rows: Vec<R>,
    columns: Vec<C>,
    delay: D,
    scanner: Scanner,
}

impl<R: OutputPin, C: InputPin, D: DelayNs> Keypad<R, C, D> {
    /// Takes the lines, in the layout's order: rows that are open drain, columns with pull-ups.
    /// `None` when they are not as many as the layout has.
    #[must_use]
    pub fn new(layout: Layout, rows: Vec<R>, columns: Vec<C>, delay: D) -> Option<Self> {
        let fits = rows.len() == layout.rows && columns.len() == layout.columns;
        fits.then(|| Self {
            layout,
            rows,
            columns,
            delay,
            scanner: Scanner::default(),
        })
    }

    /// Scans once and returns the key that went down, if one did. Takes twice [`SETTLE_US`] for
    /// each row.
    ///
    /// # Errors
    /// [`KeypadError`]; nothing that was down counts then until all keys were up.
    pub fn scan(&mut self) -> Result<Option<Key>, KeypadError> {
        let down = match self.look() {
            Ok(down) => down,
            Err(error) => {
                self.scanner.fault();
                return Err(error);
            }
        };
        let place = self.scanner.scan(down);
        Ok(place.and_then(|place| self.layout.key(place)))
    }

    /// Drives all rows low, so that any key brings its column low, and tells whether one is low
    /// already. For the wait while the pace is [`Pace::Idle`].
    ///
    /// # Errors
    /// [`KeypadError::Row`] and [`KeypadError::Column`].
    pub fn listen(&mut self) -> Result<bool, KeypadError> {
        for row in &mut self.rows {
            row.set_low().map_err(|_| KeypadError::Row)?;
        }
        self.delay.delay_us(SETTLE_US);
        Ok(self.low_columns()? != 0)
    }

    /// How soon it wants the next scan.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.scanner.pace()
    }

    /// The scanner's counts.
    #[must_use]
    pub fn counters(&self) -> KeypadCounters {
        self.scanner.counters()
    }

    fn look(&mut self) -> Result<Down, KeypadError> {
        let mut down = Down::default();
        for row in &mut self.rows {
            row.set_high().map_err(|_| KeypadError::Row)?;
        }
        self.all_high()?;
        for at in 0..self.rows.len() {
            self.drive(at, false)?;
            self.delay.delay_us(SETTLE_US);
            let low = self.low_columns()?;
            self.drive(at, true)?;
            // A column that is slow to rise would be a key of the next row.
            self.all_high()?;
            for column in (0..SIDE_MAX).filter(|column| low >> column & 1 == 1) {
                down.mark(Place { row: at, column });
            }
        }
        Ok(down)
    }

    fn drive(&mut self, row: usize, high: bool) -> Result<(), KeypadError> {
        let row = self.rows.get_mut(row).ok_or(KeypadError::Row)?;
        row.set_state(high.into()).map_err(|_| KeypadError::Row)
    }

    fn all_high(&mut self) -> Result<(), KeypadError> {
        self.delay.delay_us(SETTLE_US);
        match self.low_columns()? {
            0 => Ok(()),
            _ => Err(KeypadError::HeldLow),
        }
    }

    /// A mask of the columns that are low.
    fn low_columns(&mut self) -> Result<u8, KeypadError> {
        let mut mask = 0;
        for (at, column) in self.columns.iter_mut().enumerate() {
            let low = column.is_low().map_err(|_| KeypadError::Column)?;
            mask |= u8::from(low) << at;
        }
        Ok(mask)
    }
}
