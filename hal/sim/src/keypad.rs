// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A PIN pad's matrix without diodes, at the level of its wires: rows and columns are nodes, a
//! closed contact or a short joins two of them. A node is low when something that is joined to it is
//! pulled low; a column that nothing pulls is high by its pull-up.
//!
//! Not modelled: resistance (a contact conducts or does not), and time: contacts bounce and slow
//! columns lag by the number of times they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_hal::digital::{ErrorType, InputPin, OutputPin};

/// A wire of the pad; rows and columns are 64 at most.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Wire {
    /// A row, from 0.
    Row(usize),
    /// A column, from 0.
    Column(usize),
    /// The ground.
    Ground,
}

/// A contact, by row and column from 0.
pub type Contact = (usize, usize);

#[derive(Debug, Default)]
struct State {
    /// Rows that the host pulls low.
    pulled: BTreeSet<usize>,
    closed: BTreeSet<Contact>,
    /// Contacts that bounce, with the reads that are left.
    bouncing: BTreeMap<Contact, u32>,
    joined: Vec<(Wire, Wire)>,
    cut: BTreeSet<Wire>,
    /// Reads for which a column stays low after it was let go.
    lag: u32,
    lagging: BTreeMap<usize, u32>,
    noise: u64,
    reads: u64,
}

/// The pad, as the finger and the screwdriver see it. Clones are the same pad.
#[derive(Clone, Debug, Default)]
pub struct KeyMatrix {
    state: Arc<Mutex<State>>,
}

impl KeyMatrix {
    /// A pad with nothing pressed. `noise` makes the bounces; the same gives the same.
    #[must_use]
    pub fn new(noise: u64) -> Self {
        let matrix = Self::default();
        matrix.lock().noise = noise | 1;
        matrix
    }

    /// The host's end of a row, open drain: low pulls it low, high lets it go.
    #[must_use]
    pub fn row(&self, row: usize) -> MatrixRow {
        MatrixRow {
            matrix: self.clone(),
            row,
        }
    }

    /// The host's end of a column, with its pull-up.
    #[must_use]
    pub fn column(&self, column: usize) -> MatrixColumn {
        MatrixColumn {
            matrix: self.clone(),
            column,
        }
    }

    /// Closes a contact; it bounces for the next `reads` reads of any column.
    pub fn press(&self, contact: Contact, reads: u32) {
        let mut state = self.lock();
        state.closed.insert(contact);
        state.bouncing.insert(contact, reads);
    }

    /// Opens a contact; it bounces for the next `reads` reads of any column.
    pub fn release(&self, contact: Contact, reads: u32) {
        let mut state = self.lock();
        state.closed.remove(&contact);
        state.bouncing.insert(contact, reads);
    }

    /// Joins two wires for good.
    pub fn short(&self, one: Wire, other: Wire) {
        self.lock().joined.push((one, other));
    }

    /// Cuts a wire between the host and the pad.
    pub fn cut(&self, wire: Wire) {
        self.lock().cut.insert(wire);
    }

    /// Makes columns stay low for this many reads after they were let go.
    pub fn set_lag(&self, reads: u32) {
        self.lock().lag = reads;
    }

    /// Reads of columns so far.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wires that are low, a bit for each.
#[derive(Clone, Copy, Debug, Default)]
struct Low {
    rows: u64,
    columns: u64,
}

impl Low {
    fn holds(self, wire: Wire) -> bool {
        match wire {
            Wire::Row(row) => self.rows >> row & 1 == 1,
            Wire::Column(column) => self.columns >> column & 1 == 1,
            Wire::Ground => true,
        }
    }

    fn pull(&mut self, wire: Wire, low: bool) {
        match wire {
            Wire::Row(row) => self.rows |= u64::from(low) << row,
            Wire::Column(column) => self.columns |= u64::from(low) << column,
            Wire::Ground => {}
        }
    }

    /// Makes both low when one is; tells whether that changed something.
    fn join(&mut self, one: Wire, other: Wire) -> bool {
        let (first, second) = (self.holds(one), self.holds(other));
        self.pull(one, second);
        self.pull(other, first);
        first != second
    }
}

impl State {
    /// Marsaglia's xorshift: which way a bouncing contact stands.
    fn toss(&mut self) -> bool {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 7;
        self.noise ^= self.noise << 17;
        self.noise & 0x100 != 0
    }

    /// The contacts that conduct at this moment.
    fn conducting(&mut self) -> BTreeSet<Contact> {
        let mut conducting = self.closed.clone();
        let bouncing: Vec<Contact> = self.bouncing.keys().copied().collect();
        for contact in bouncing {
            let left = self.bouncing.get_mut(&contact).map_or(0, |left| {
                *left = left.saturating_sub(1);
                *left
            });
            if left == 0 {
                self.bouncing.remove(&contact);
            } else if self.toss() {
                conducting.insert(contact);
            } else {
                conducting.remove(&contact);
            }
        }
        conducting
    }

    fn read_low(&mut self, column: usize) -> bool {
        self.reads += 1;
        let contacts = self.conducting();
        let mut low = Low::default();
        for row in &self.pulled {
            low.pull(Wire::Row(*row), !self.cut.contains(&Wire::Row(*row)));
        }
        while contacts
            .iter()
            .map(|(row, column)| (Wire::Row(*row), Wire::Column(*column)))
            .chain(self.joined.iter().copied())
            .any(|(one, other)| low.join(one, other))
        {}
        let wire = Wire::Column(column);
        let now = low.holds(wire) && !self.cut.contains(&wire);
        self.lagged(column, now)
    }

    fn lagged(&mut self, column: usize, low: bool) -> bool {
        let left = self.lagging.entry(column).or_default();
        if low {
            *left = self.lag;
            return true;
        }
        let still = *left > 0;
        *left = left.saturating_sub(1);
        still
    }
}

/// The host's end of a row.
#[derive(Debug)]
pub struct MatrixRow {
    matrix: KeyMatrix,
    row: usize,
}

impl ErrorType for MatrixRow {
    type Error = Infallible;
}

impl OutputPin for MatrixRow {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.matrix.lock().pulled.insert(self.row);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.matrix.lock().pulled.remove(&self.row);
        Ok(())
    }
}

/// The host's end of a column.
#[derive(Debug)]
pub struct MatrixColumn {
    matrix: KeyMatrix,
    column: usize,
}

impl ErrorType for MatrixColumn {
    type Error = Infallible;
}

impl InputPin for MatrixColumn {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(!self.is_low()?)
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(self.matrix.lock().read_low(self.column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn low(matrix: &KeyMatrix, column: usize) -> bool {
        matrix.column(column).is_low().unwrap()
    }

    #[test]
    fn three_keys_of_a_rectangle_bring_the_fourth() {
        let matrix = KeyMatrix::new(1);
        for contact in [(0, 0), (0, 1), (1, 0)] {
            matrix.press(contact, 0);
        }
        matrix.row(1).set_low().unwrap();
        assert!(low(&matrix, 0) && low(&matrix, 1));
        assert!(!low(&matrix, 2));
    }

    #[test]
    fn a_cut_wire_carries_nothing_and_a_grounded_one_is_low() {
        let matrix = KeyMatrix::new(1);
        matrix.press((0, 0), 0);
        matrix.row(0).set_low().unwrap();
        assert!(low(&matrix, 0));
        matrix.cut(Wire::Row(0));
        assert!(!low(&matrix, 0));
        matrix.short(Wire::Column(2), Wire::Ground);
        assert!(low(&matrix, 2));
        matrix.cut(Wire::Column(2));
        assert!(!low(&matrix, 2));
    }

    #[test]
    fn a_contact_bounces_for_its_reads_and_then_stands() {
        let matrix = KeyMatrix::new(7);
        matrix.row(0).set_low().unwrap();
        matrix.press((0, 0), 40);
        let reads: Vec<bool> = (0..80).map(|_| low(&matrix, 0)).collect();
        assert!(reads[..39].contains(&true) && reads[..39].contains(&false));
        assert!(reads[40..].iter().all(|low| *low));
    }

    #[test]
    fn a_slow_column_stays_low_for_its_reads() {
        let matrix = KeyMatrix::new(1);
        matrix.set_lag(2);
        matrix.press((0, 0), 0);
        matrix.row(0).set_low().unwrap();
        assert!(low(&matrix, 0));
        matrix.row(0).set_high().unwrap();
        let reads = [0; 4].map(|_| low(&matrix, 0));
        assert_eq!(reads, [true, true, false, false]);
    }
}
