// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From the lines of an import file to people: columns by name, each cell checked by itself, each row
//! against the rest of the file.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use platen_auth::csv::{CsvFault, Lines, ROWS_MAX};
use platen_auth::secret::{Secret, check_password, check_pin};

use crate::app::CentreError;
use crate::app::records::{card_number, check_name, check_number, check_text};
use crate::db::users::name_key;

/// Bytes of a file, at most.
pub const IMPORT_BYTES_MAX: u64 = 64 << 20;
/// PINs and passwords of a file, at most: each takes tens of milliseconds.
const SECRETS_MAX: usize = 2000;
/// Refused rows that are named one by one; the others are counted.
const REFUSALS_MAX: usize = 1000;

/// Which lists the file has a column for: what it has none for stays as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Columns {
    pub(super) card: bool,
    pub(super) aliases: bool,
    pub(super) groups: bool,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Column {
    User,
    Name,
    Card,
    Aliases,
    Active,
    Number,
    Groups,
    Pin,
    Password,
}

impl Column {
    const ALL: [(Self, &'static str); 9] = [
        (Self::User, "user"),
        (Self::Name, "name"),
        (Self::Card, "card"),
        (Self::Aliases, "aliases"),
        (Self::Active, "active"),
        (Self::Number, "number"),
        (Self::Groups, "groups"),
        (Self::Pin, "pin"),
        (Self::Password, "password"),
    ];
}

/// One row that is right by itself. What is `None` was not said.
#[derive(Default)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) name: Option<String>,
    pub(super) active: Option<bool>,
    pub(super) number: Option<String>,
    pub(super) cards: Vec<Vec<u8>>,
    pub(super) aliases: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) pin: Option<Secret>,
    pub(super) password: Option<Secret>,
}

/// All rows of one person.
pub(super) struct Person {
    /// The login name's normal form.
    pub(super) key: String,
    pub(super) login: String,
    pub(super) rows: Vec<Row>,
    /// A row of this person was refused: lists only grow.
    pub(super) keep: bool,
}

/// The whole file.
pub(super) struct Rows {
    pub(super) columns: Columns,
    pub(super) people: Vec<Person>,
    pub(super) refusals: Refusals,
    /// The keys of everybody in it.
    pub(super) in_file: HashSet<String>,
}

/// Rows not taken.
#[derive(Default)]
pub(super) struct Refusals {
    errors: Vec<(usize, String)>,
    count: u64,
}

impl Refusals {
    pub(super) fn push(&mut self, line: usize, why: impl Into<String>) {
        self.count += 1;
        if self.errors.len() < REFUSALS_MAX {
            self.errors.push((line, why.into()));
        }
    }

    /// How many there are, named or not.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Those that are named, in order of lines.
    pub(super) fn finish(mut self) -> Vec<(usize, String)> {
        self.errors.sort();
        self.errors
    }
}

fn file(why: impl std::fmt::Display) -> CentreError {
    let why = why.to_string();
    CentreError::File { why }
}

/// Reads the file to its end. Blocks.
pub(super) fn read(source: impl Read) -> Result<Rows, CentreError> {
    let mut lines = Lines::new(Limited {
        source,
        left: IMPORT_BYTES_MAX,
    });
    let header = lines.next_line().map_err(file)?;
    let header = header.map_or(Err(CsvFault::Empty), |line| line.fields);
    let order = columns(&header.map_err(file)?)?;
    let has = |column| order.contains(&column);
    let mut reader = Reader {
        columns: Columns {
            card: has(Column::Card),
            aliases: has(Column::Aliases),
            groups: has(Column::Groups),
        },
        order,
        people: Vec::new(),
        places: HashMap::new(),
        claims: HashMap::new(),
        secrets: 0,
        refusals: Refusals::default(),
    };
    let header_lines = lines.number();
    while let Some(line) = lines.next_line().map_err(file)? {
        if line.number - header_lines > ROWS_MAX {
            return Err(file(format!("it has more than {ROWS_MAX} rows")));
        }
        let cells = line.fields.map_err(|fault| fault.to_string());
        if let Err(why) = cells.and_then(|cells| reader.take(line.number, cells)) {
            reader.refusals.push(line.number, why);
        }
    }
    Ok(Rows {
        columns: reader.columns,
        people: reader.people,
        refusals: reader.refusals,
        in_file: reader.places.into_keys().collect(),
    })
}

/// Fails instead of ending when there is too much.
struct Limited<R> {
    source: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        let taken = u64::try_from(read).unwrap_or(u64::MAX);
        let too_much = || std::io::Error::other("it is larger than 64 MiB: take it in parts");
        self.left = self.left.checked_sub(taken).ok_or_else(too_much)?;
        Ok(read)
    }
}

fn columns(header: &[String]) -> Result<Vec<Column>, CentreError> {
    let mut order = Vec::new();
    for cell in header {
        let wanted = cell.to_ascii_lowercase();
        match Column::ALL.into_iter().find(|(_, name)| *name == wanted) {
            Some((column, name)) if order.contains(&column) => {
                return Err(file(format!("the column \"{name}\" is there twice")));
            }
            Some((column, _)) => order.push(column),
            None => {
                let known: Vec<&str> = Column::ALL.iter().map(|(_, name)| *name).collect();
                let known = known.join(", ");
                let why = format!("the column \"{cell}\" is not known; there are {known}");
                return Err(file(why));
            }
        }
    }
    match order.contains(&Column::User) {
        true => Ok(order),
        false => Err(file("it has no column \"user\"")),
    }
}

struct Reader {
    columns: Columns,
    order: Vec<Column>,
    people: Vec<Person>,
    places: HashMap<String, usize>,
    /// Whose a card, alias or number is, by the file, with the line.
    claims: HashMap<(Column, Vec<u8>), (String, usize)>,
    secrets: usize,
    refusals: Refusals,
}

impl Reader {
    fn take(&mut self, line: usize, cells: Vec<String>) -> Result<(), String> {
        if cells.len() != self.order.len() {
            let (has, wanted) = (cells.len(), self.order.len());
            return Err(format!("the row has {has} fields, the header {wanted}"));
        }
        let pairs = || self.order.iter().copied().zip(&cells);
        let login = pairs().find(|(column, _)| *column == Column::User);
        let login = login.map(|(_, cell)| cell.as_str()).unwrap_or_default();
        let login = check_name("user", login).map_err(|error| error.to_string())?;
        let key = name_key(&login);
        let mut row = Row {
            line,
            ..Row::default()
        };
        let mut read = pairs().try_for_each(|(column, cell)| {
            let read = put(&mut row, column, cell);
            read.map_err(|error| error.to_string())
        });
        if read.is_ok() {
            read = self.claim(&key, &row);
        }
        let people = &mut self.people;
        let place = *self.places.entry(key.clone()).or_insert(people.len());
        if place == people.len() {
            people.push(Person {
                key,
                login,
                rows: Vec::new(),
                keep: false,
            });
        }
        if let Some(person) = people.get_mut(place) {
            match &read {
                Ok(()) => person.rows.push(row),
                Err(_) => person.keep = true,
            }
        }
        read
    }

    /// Whether nothing of the row is somebody else's by another row.
    fn claim(&mut self, key: &str, row: &Row) -> Result<(), String> {
        let cards = row.cards.iter().map(|card| (Column::Card, card.clone()));
        let aliases = row.aliases.iter().map(|alias| name_key_bytes(alias));
        let number = row.number.iter().map(|number| {
            let number = number.as_bytes().to_vec();
            (Column::Number, number)
        });
        let claims: Vec<_> = cards.chain(aliases).chain(number).collect();
        for claim in &claims {
            if let Some((owner, line)) = self.claims.get(claim)
                && owner != key
            {
                let what = match claim.0 {
                    Column::Card => "a card",
                    Column::Number => "the number",
                    _ => "an alias",
                };
                return Err(format!("{what} belongs to the user on line {line}"));
            }
        }
        let secrets = usize::from(row.pin.is_some()) + usize::from(row.password.is_some());
        if self.secrets + secrets > SECRETS_MAX {
            let why = format!("more than {SECRETS_MAX} PINs and passwords: take the file in parts");
            return Err(why);
        }
        self.secrets += secrets;
        for claim in claims {
            self.claims
                .entry(claim)
                .or_insert_with(|| (key.to_owned(), row.line));
        }
        Ok(())
    }
}

fn name_key_bytes(name: &str) -> (Column, Vec<u8>) {
    (Column::Aliases, name_key(name).into_bytes())
}

fn put(row: &mut Row, column: Column, cell: &str) -> Result<(), CentreError> {
    let secret = || (!cell.is_empty()).then(|| Secret::from(cell));
    match column {
        Column::User => {}
        Column::Name => row.name = Some(check_text("name", cell)?).filter(|name| !name.is_empty()),
        Column::Number => row.number = check_number(cell)?,
        Column::Active => row.active = active(cell)?,
        Column::Card => {
            let cards: Result<_, _> = parts(cell).map(card_number).collect();
            row.cards = cards?;
        }
        Column::Aliases => {
            let aliases: Result<_, _> = parts(cell).map(|it| check_name("aliases", it)).collect();
            row.aliases = aliases?;
        }
        Column::Groups => {
            let groups: Result<_, _> = parts(cell).map(|it| check_name("groups", it)).collect();
            row.groups = groups?;
        }
        Column::Pin => {
            row.pin = secret();
            let checked = row.pin.as_ref().map_or(Ok(()), check_pin);
            checked.map_err(|fault| CentreError::invalid("pin", fault))?;
        }
        Column::Password => {
            row.password = secret();
            let checked = row.password.as_ref().map_or(Ok(()), check_password);
            checked.map_err(|fault| CentreError::invalid("password", fault))?;
        }
    }
    Ok(())
}

fn parts(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
}

/// Nothing said is `None`.
fn active(cell: &str) -> Result<Option<bool>, CentreError> {
    match cell.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "true" | "yes" | "1" => Ok(Some(true)),
        "false" | "no" | "0" => Ok(Some(false)),
        _ => Err(CentreError::invalid("active", "say true or false")),
    }
}
