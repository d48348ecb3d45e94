// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the lines of an import file to rows: columns by name, each cell checked by itself.

use std::collections::HashSet;
use std::io::Read;

use platen_model::{CardKey, OwnerKey};
use platen_store::Keys;

use crate::csv::{CsvFault, Lines, ROWS_MAX};
use crate::error::DirectoryError;
use crate::user::NAME_BYTES_MAX;

/// Refused rows that are named one by one; the last entry of a report counts the rest.
pub(crate) const REFUSALS_MAX: usize = 1000;

/// Which optional columns the file has: what it has no column for stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Columns {
    pub(crate) card: bool,
    pub(crate) aliases: bool,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Column {
    User,
    Name,
    Card,
    Aliases,
    Active,
}

impl Column {
    const ALL: [(Self, &'static str); 5] = [
        (Self::User, "user"),
        (Self::Name, "name"),
        (Self::Card, "card"),
        (Self::Aliases, "aliases"),
        (Self::Active, "active"),
    ];
}

/// One row that is right by itself.
pub(crate) struct Row {
    pub(crate) line: usize,
    pub(crate) key: OwnerKey,
    pub(crate) login: String,
    pub(crate) name: Option<String>,
    pub(crate) active: Option<bool>,
    pub(crate) cards: Vec<CardKey>,
    pub(crate) aliases: Vec<(OwnerKey, String)>,
}

/// The whole file.
pub(crate) struct Rows {
    pub(crate) columns: Columns,
    pub(crate) rows: Vec<Row>,
    pub(crate) refusals: Refusals,
}

/// Rows not taken, and whose they were where that could be read.
#[derive(Default)]
pub(crate) struct Refusals {
    errors: Vec<(usize, String)>,
    left_out: usize,
    users: HashSet<OwnerKey>,
}

impl Refusals {
    pub(crate) fn push(&mut self, line: usize, why: String) {
        if self.errors.len() < REFUSALS_MAX {
            self.errors.push((line, why));
        } else {
            self.left_out += 1;
        }
    }

    pub(crate) fn users(&self) -> impl Iterator<Item = OwnerKey> {
        self.users.iter().copied()
    }

    /// In order of lines; the last one counts what was left out.
    pub(crate) fn finish(mut self) -> Vec<(usize, String)> {
        self.errors.sort();
        if let (1.., Some((line, _))) = (self.left_out, self.errors.last()) {
            let more = format!("and {} more rows were not taken", self.left_out);
            self.errors.push((*line, more));
        }
        self.errors
    }
}

/// Reads the file to its end.
pub(crate) fn read(
    file: impl Read,
    keys: &Keys,
    card: &dyn Fn(&str) -> Result<CardKey, &'static str>,
) -> Result<Rows, DirectoryError> {
    let mut lines = Lines::new(file);
    let next = |lines: &mut Lines<_>| lines.next_line().map_err(DirectoryError::Unreadable);
    let header = next(&mut lines)?.map_or(Err(CsvFault::Empty), |line| line.fields);
    let order = columns(&header.map_err(DirectoryError::Header)?)?;
    let has = |column| order.contains(&column);
    let mut found = Rows {
        columns: Columns {
            card: has(Column::Card),
            aliases: has(Column::Aliases),
        },
        rows: Vec::new(),
        refusals: Refusals::default(),
    };
    let header_lines = lines.number();
    while let Some(line) = next(&mut lines)? {
        if line.number - header_lines > ROWS_MAX {
            return Err(DirectoryError::TooManyRows);
        }
        let reader = Cells { keys, card };
        let row = line
            .fields
            .map_err(|fault| fault.to_string())
            .and_then(|cells| match cells.len() == order.len() {
                true => reader.row(line.number, &order, cells, &mut found.refusals.users),
                false => Err(format!(
                    "the row has {} fields, the header {}",
                    cells.len(),
                    order.len()
                )),
            });
        match row {
            Ok(row) => found.rows.push(row),
            Err(why) => found.refusals.push(line.number, why),
        }
    }
    Ok(found)
}

fn columns(header: &[String]) -> Result<Vec<Column>, DirectoryError> {
    let mut order = Vec::new();
    let mut unknown = Vec::new();
    for cell in header {
        let wanted = cell.to_ascii_lowercase();
        match Column::ALL.into_iter().find(|(_, name)| *name == wanted) {
            Some((column, name)) if order.contains(&column) => {
                return Err(DirectoryError::DoubledColumn { column: name });
            }
            Some((column, _)) => order.push(column),
            None => unknown.push(cell.clone()),
        }
    }
    if !unknown.is_empty() {
        return Err(DirectoryError::UnknownColumns { columns: unknown });
    }
    if order.contains(&Column::User) {
        Ok(order)
    } else {
        Err(DirectoryError::NoUserColumn)
    }
}

struct Cells<'a> {
    keys: &'a Keys,
    card: &'a dyn Fn(&str) -> Result<CardKey, &'static str>,
}

impl Cells<'_> {
    /// `refused` gets the user of a row that is not right.
    fn row(
        &self,
        line: usize,
        order: &[Column],
        cells: Vec<String>,
        refused: &mut HashSet<OwnerKey>,
    ) -> Result<Row, String> {
        let user = order.iter().zip(&cells).find(|(c, _)| **c == Column::User);
        let login = user.map(|(_, cell)| cell.clone()).unwrap_or_default();
        check_name("user", &login)?;
        if login.is_empty() {
            return Err("the user name is empty".into());
        }
        let mut row = Row {
            line,
            key: self.keys.owner_key(&login),
            login,
            name: None,
            active: None,
            cards: Vec::new(),
            aliases: Vec::new(),
        };
        for (column, cell) in order.iter().zip(cells) {
            if let Err(why) = self.cell(&mut row, *column, cell) {
                refused.insert(row.key);
                return Err(why);
            }
        }
        Ok(row)
    }

    fn cell(&self, row: &mut Row, column: Column, cell: String) -> Result<(), String> {
        match column {
            Column::User => {}
            Column::Name => {
                check_name("name", &cell)?;
                row.name = (!cell.is_empty()).then_some(cell);
            }
            Column::Card => {
                for text in parts(&cell) {
                    let key = (self.card)(text).map_err(|why| format!("card: {why}"))?;
                    row.cards.push(key);
                }
                row.cards.sort_unstable_by_key(|card| card.0);
                row.cards.dedup();
            }
            Column::Aliases => {
                for alias in parts(&cell) {
                    check_name("alias", alias)?;
                    row.aliases.push((self.keys.owner_key(alias), alias.into()));
                }
                // The login name is one of a person's names anyway, also with a domain before it.
                row.aliases.retain(|(key, _)| *key != row.key);
            }
            Column::Active => row.active = active(&cell)?,
        }
        Ok(())
    }
}

fn parts(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
    if name.len() > NAME_BYTES_MAX {
        return Err(format!("{what}: longer than {NAME_BYTES_MAX} bytes"));
    }
    if name.chars().any(char::is_control) {
        return Err(format!("{what}: holds a control character"));
    }
    Ok(())
}

/// Nothing said is `None`.
fn active(cell: &str) -> Result<Option<bool>, String> {
    match cell.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "true" | "yes" | "1" => Ok(Some(true)),
        "false" | "no" | "0" => Ok(Some(false)),
        _ => Err("active: say true or false".into()),
    }
}
