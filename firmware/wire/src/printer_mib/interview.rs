// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What to ask a printer, and what its answers are: columns of tables, row by row by `GetNext`, or
//! several rows at once by `GetBulk` in version 2c.
//!
//! Ends within [`REQUESTS_MAX`] questions whatever is answered: a column goes on only while its
//! names grow and stay within the printer's own rows.

use std::collections::BTreeMap;

use super::{Alert, CoverState, DeviceState, ErrorState, Input, LifeCount, PrinterFacts};
use super::{PrinterState, Supply};
use crate::snmp::{Oid, Pdu, PduKind, Value, Version};

/// Most rows of a table that are read; CUPS takes as many supplies.
pub const ROWS_MAX: usize = 32;
/// Most questions of one interview.
pub const REQUESTS_MAX: usize = 128;
/// Rows asked for at once by `GetBulk`: five columns of eight rows fit one datagram.
const REPETITIONS: i32 = 8;
/// Longest index of a row that is kept.
const INDEX_MAX: usize = 4;
/// Characters of a description that are kept.
const DESCRIPTION_CHARS_MAX: usize = 128;

/// How much to ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Depth {
    /// State and life count: three questions.
    Counter,
    /// Everything.
    Status,
}

/// One table: its entry's name, the columns wanted and the rows read.
struct Table {
    entry: &'static [u32],
    columns: &'static [u32],
    rows_max: usize,
    keep: fn(&mut PrinterFacts, &Row),
}

/// One row, by column.
type Row = BTreeMap<u32, Value>;

/// What matters most comes first: time may run out.
const TABLES: [Table; 7] = [
    // hrPrinterTable; its index is the printer's among the host's devices.
    Table {
        entry: &[1, 3, 6, 1, 2, 1, 25, 3, 5, 1],
        columns: &[1, 2],
        rows_max: 1,
        keep: keep_printer,
    },
    // prtMarkerTable
    Table {
        entry: &[1, 3, 6, 1, 2, 1, 43, 10, 2, 1],
        columns: &[3, 4],
        rows_max: 1,
        keep: keep_marker,
    },
    // hrDeviceTable
    Table {
        entry: &[1, 3, 6, 1, 2, 1, 25, 3, 2, 1],
        columns: &[3, 5],
        rows_max: 1,
        keep: keep_device,
    },
    // prtAlertTable
    Table {
        entry: &[1, 3, 6, 1, 2, 1, 43, 18, 1, 1],
        columns: &[2, 4, 7],
        rows_max: ROWS_MAX,
        keep: keep_alert,
    },
    // prtMarkerSuppliesTable
    Table {
        entry: &[1, 3, 6, 1, 2, 1, 43, 11, 1, 1],
        columns: &[4, 5, 7, 8, 9],
        rows_max: ROWS_MAX,
        keep: keep_supply,
    },
    // prtCoverTable
    Table {
        entry: &[1, 3, 6, 1, 2, 1, 43, 6, 1, 1],
        columns: &[3],
        rows_max: ROWS_MAX,
        keep: keep_cover,
    },
    // prtInputTable
    Table {
        entry: &[1, 3, 6, 1, 2, 1, 43, 8, 2, 1],
        columns: &[2, 9, 10],
        rows_max: ROWS_MAX,
        keep: keep_input,
    },
];

const PRINTER_TABLE: usize = 0;
const DEVICE_TABLE: usize = 2;

/// A column on its way.
#[derive(Debug)]
struct Cursor {
    column: u32,
    last: Oid,
    ended: bool,
}

/// The questions to one printer and what came of them.
#[derive(Debug)]
pub struct Interview {
    version: Version,
    tables: usize,
    table: usize,
    device: u32,
    cursors: Vec<Cursor>,
    rows: BTreeMap<Vec<u32>, Row>,
    repetitions: i32,
    asked: usize,
    facts: PrinterFacts,
}

impl Interview {
    /// An interview in `version`; nothing is asked yet.
    #[must_use]
    pub fn new(version: Version, depth: Depth) -> Self {
        let tables = match depth {
            Depth::Counter => DEVICE_TABLE + 1,
            Depth::Status => TABLES.len(),
        };
        let mut interview = Self {
            version,
            tables,
            table: 0,
            // The first device, unless the printer says otherwise.
            device: 1,
            cursors: Vec::new(),
            rows: BTreeMap::new(),
            repetitions: REPETITIONS,
            asked: 0,
            facts: PrinterFacts::default(),
        };
        interview.enter();
        interview
    }

    /// Goes on in the version that the printer was found to understand.
    pub fn speak(&mut self, version: Version) {
        self.version = version;
    }

    /// The next question; `None` when there is none left. The same until it is answered, but for
    /// [`REQUESTS_MAX`].
    pub fn request(&mut self, request_id: i32) -> Option<Pdu> {
        if self.cursors.is_empty() || self.asked == REQUESTS_MAX {
            return None;
        }
        self.asked += 1;
        let one_row = self.current().is_none_or(|table| table.rows_max == 1);
        let bulk = self.version == Version::V2c && !one_row;
        let names = self.cursors.iter();
        Some(Pdu {
            kind: if bulk {
                PduKind::GetBulk
            } else {
                PduKind::GetNext
            },
            request_id,
            error_status: 0,
            error_index: if bulk { self.repetitions } else { 0 },
            bindings: names
                .map(|cursor| (cursor.last.clone(), Value::Null))
                .collect(),
        })
    }

    /// Takes the answer to the last question.
    pub fn answer(&mut self, answer: &Pdu) {
        match (answer.error_status, usize::try_from(answer.error_index)) {
            (0, _) => self.take(&answer.bindings),
            // tooBig: fewer rows may fit.
            (1, _) if self.repetitions > 1 => self.repetitions /= 2,
            // Version 1 says noSuchName where nothing follows, and names the column.
            (_, Ok(index @ 1..)) if index <= self.cursors.len() => {
                self.cursors.remove(index - 1);
            }
            _ => self.cursors.clear(),
        }
        if self.cursors.is_empty() {
            self.leave();
        }
    }

    /// What has been told so far.
    #[must_use]
    pub fn into_facts(mut self) -> PrinterFacts {
        self.keep_rows();
        self.facts
    }

    fn current(&self) -> Option<&'static Table> {
        TABLES.get(self.table)
    }

    fn enter(&mut self) {
        self.rows.clear();
        let Some(table) = self.current().filter(|_| self.table < self.tables) else {
            return;
        };
        // Each column begins just before the printer's first row.
        let before: &[u32] = match self.table {
            PRINTER_TABLE => &[],
            DEVICE_TABLE => &[self.device.saturating_sub(1)],
            _ => &[self.device],
        };
        let start = |column: &u32| {
            let last = Oid::below(table.entry, &[&[*column], before].concat())?;
            Some(Cursor {
                column: *column,
                last,
                ended: false,
            })
        };
        self.cursors = table.columns.iter().filter_map(start).collect();
    }

    fn leave(&mut self) {
        self.keep_rows();
        self.table += 1;
        self.enter();
    }

    fn keep_rows(&mut self) {
        let Some(table) = self.current() else { return };
        if self.table == PRINTER_TABLE {
            let first = self.rows.keys().next().and_then(|index| index.first());
            self.device = first.copied().unwrap_or(self.device);
        }
        let rows = std::mem::take(&mut self.rows);
        rows.values()
            .for_each(|row| (table.keep)(&mut self.facts, row));
    }

    fn take(&mut self, bindings: &[(Oid, Value)]) {
        let columns = self.cursors.len();
        // An answer shorter than the question ends what it leaves out.
        for cursor in self.cursors.iter_mut().skip(bindings.len()) {
            cursor.ended = true;
        }
        for (place, (name, value)) in bindings.iter().enumerate() {
            // Rows follow each other, in each the columns in the order asked.
            let Some(at) = place.checked_rem(columns) else {
                break;
            };
            self.take_one(at, name, value);
        }
        self.cursors.retain(|cursor| !cursor.ended);
    }

    fn take_one(&mut self, at: usize, name: &Oid, value: &Value) {
        let (Some(table), Some(cursor)) = (TABLES.get(self.table), self.cursors.get_mut(at)) else {
            return;
        };
        if cursor.ended {
            return;
        }
        let column = [table.entry, &[cursor.column]].concat();
        let index = name.index_below(&column).filter(|index| {
            let own = self.table == PRINTER_TABLE || index.first() == Some(&self.device);
            own && (1..=INDEX_MAX).contains(&index.len()) && *name > cursor.last
        });
        let told = !matches!(
            value,
            Value::NoSuchObject | Value::NoSuchInstance | Value::EndOfMibView
        );
        let room =
            |index: &[u32]| self.rows.len() < table.rows_max || self.rows.contains_key(index);
        let Some(index) = index.filter(|index| told && room(index)) else {
            cursor.ended = true;
            return;
        };
        cursor.last = name.clone();
        cursor.ended = table.rows_max == 1;
        let row = self.rows.entry(index.to_vec()).or_default();
        row.insert(cursor.column, value.clone());
    }
}

fn integer(row: &Row, column: u32) -> Option<i32> {
    match row.get(&column)? {
        Value::Integer(number) => Some(*number),
        // Some agents write enumerations as gauges.
        Value::Gauge32(number) => i32::try_from(*number).ok(),
        _ => None,
    }
}

fn keep_printer(facts: &mut PrinterFacts, row: &Row) {
    facts.printer = integer(row, 1).and_then(PrinterState::of);
    if let Some(Value::Octets(octets)) = row.get(&2) {
        facts.errors = Some(ErrorState::of(octets));
    }
}

fn keep_marker(facts: &mut PrinterFacts, row: &Row) {
    let count = match row.get(&4) {
        Some(Value::Counter32(count) | Value::Gauge32(count)) => Some(*count),
        Some(Value::Integer(count)) => u32::try_from(*count).ok(),
        _ => None,
    };
    let told = integer(row, 3).zip(count);
    facts.life_count = told.map(|(unit, count)| LifeCount { count, unit });
}

fn keep_device(facts: &mut PrinterFacts, row: &Row) {
    if let Some(Value::Octets(octets)) = row.get(&3) {
        let text = String::from_utf8_lossy(octets);
        facts.description = Some(text.chars().take(DESCRIPTION_CHARS_MAX).collect());
    }
    facts.device = integer(row, 5).and_then(DeviceState::of);
}

fn keep_alert(facts: &mut PrinterFacts, row: &Row) {
    if let (Some(severity), Some(code)) = (integer(row, 2), integer(row, 7)) {
        facts.alerts.push(Alert {
            severity,
            group: integer(row, 4).unwrap_or(1),
            code,
        });
    }
}

fn keep_supply(facts: &mut PrinterFacts, row: &Row) {
    if let (Some(kind), Some(level)) = (integer(row, 5), integer(row, 9)) {
        facts.supplies.push(Supply {
            class: integer(row, 4).unwrap_or(1),
            kind,
            unit: integer(row, 7).unwrap_or(1),
            capacity: integer(row, 8).unwrap_or(-2),
            level,
        });
    }
}

fn keep_cover(facts: &mut PrinterFacts, row: &Row) {
    facts.covers.extend(integer(row, 3).map(CoverState::of));
}

fn keep_input(facts: &mut PrinterFacts, row: &Row) {
    if let Some(level) = integer(row, 10) {
        facts.inputs.push(Input {
            kind: integer(row, 2).unwrap_or(1),
            capacity: integer(row, 9).unwrap_or(-2),
            level,
        });
    }
}

#[cfg(test)]
mod tests;
