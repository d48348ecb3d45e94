// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The tables of lamps and buzzer, switches and the PIN pad.

use super::BoardError;
use super::table::{Item, Table};
use super::wiring::{Backend, InputPart, LinePart, backend, input, input_of, output, output_of};

/// Rows, and columns, of a pad.
pub const KEYPAD_SIDE_MAX: usize = 8;
/// The telephone's keys, by row.
const LAYOUT: [&str; 4] = ["123", "456", "789", "*0#"];

/// Lamps and buzzer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PanelPart {
    /// Line of its table in the board file.
    pub line: usize,
    /// Where they are.
    pub backend: Backend,
    /// Red lamp.
    pub red: Option<LinePart>,
    /// Green lamp.
    pub green: Option<LinePart>,
    /// Blue lamp.
    pub blue: Option<LinePart>,
    /// Buzzer.
    pub buzzer: Option<LinePart>,
}

/// A switch that is watched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SwitchPart {
    /// Its name in events and on the status page.
    pub name: String,
    /// Line of its table in the board file.
    pub line: usize,
    /// Where it is.
    pub backend: Backend,
    /// What it says when it opens.
    pub kind: SwitchKind,
    /// The line, on while the switch is open; `None` for a simulated one.
    pub input: Option<InputPart>,
}

/// What a switch watches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SwitchKind {
    /// The box's own cover.
    Tamper,
    /// A door of the printer or of the cabinet.
    Door,
}

/// A PIN pad: a matrix of keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeypadPart {
    /// Its name in events and on the status page.
    pub name: String,
    /// Line of its table in the board file.
    pub line: usize,
    /// Where it is.
    pub backend: Backend,
    /// Lines that are driven, from the top; none of a simulated pad.
    pub rows: Vec<LinePart>,
    /// Lines that are read, from the left.
    pub columns: Vec<InputPart>,
    /// The keys, row by row: `0` to `9`, `*` clears, `#` ends, blank is no key.
    pub layout: Vec<String>,
}

/// Why switches and pads are the kernel's.
const NO_EDGES: &str = "it does not tell the edges of several lines in one order";

const SWITCHES: [(&str, SwitchKind); 2] =
    [("tamper", SwitchKind::Tamper), ("door", SwitchKind::Door)];

impl SwitchKind {
    /// Its word in the board file.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Tamper => "tamper",
            Self::Door => "door",
        }
    }
}

pub(super) fn read(mut table: Table<'_>) -> Result<PanelPart, BoardError> {
    let backend = backend(&mut table, None)?;
    let part = PanelPart {
        line: table.line(),
        backend,
        red: output(&mut table, "red", backend)?,
        green: output(&mut table, "green", backend)?,
        blue: output(&mut table, "blue", backend)?,
        buzzer: output(&mut table, "buzzer", backend)?,
    };
    let lines = [&part.red, &part.green, &part.blue, &part.buzzer];
    if backend != Backend::Sim && lines.iter().all(|line| line.is_none()) {
        return Err(table.wrong("red", "is missing: name one of red, green, blue, buzzer"));
    }
    table.finish("a panel")?;
    Ok(part)
}

pub(super) fn read_switch(mut table: Table<'_>) -> Result<SwitchPart, BoardError> {
    let name = table.need("name", "what the switch is called")?.name()?;
    let kind = table.need("kind", "`tamper` or `door`")?.word(&SWITCHES)?;
    let backend = backend(&mut table, Some(NO_EDGES))?;
    let input = input(&mut table, "line", backend)?;
    if input.is_none() && backend != Backend::Sim {
        return Err(table.wrong("line", "is missing: the line that the switch is on"));
    }
    let line = table.line();
    table.finish("a switch")?;
    Ok(SwitchPart {
        name,
        line,
        backend,
        kind,
        input,
    })
}

pub(super) fn read_keypad(mut table: Table<'_>) -> Result<KeypadPart, BoardError> {
    let name = table.take("name").map(|item| item.name()).transpose()?;
    let backend = backend(&mut table, Some(NO_EDGES))?;
    let item = table.take("layout");
    let layout = match &item {
        Some(item) => layout(item)?,
        None => LAYOUT.map(str::to_owned).to_vec(),
    };
    let rows = lines(&mut table, "rows", |item| output_of(item, backend))?;
    let columns = lines(&mut table, "columns", |item| input_of(item, backend))?;
    wired(&table, &rows, &columns)?;
    if backend != Backend::Sim {
        let wide = layout.iter().map(|row| row.chars().count()).max();
        let size = format!("{} by {}", layout.len(), wide.unwrap_or(0));
        if (rows.len(), Some(columns.len())) != (layout.len(), wide) {
            let problem = format!("are not as many as the layout has, which is {size}");
            return Err(table.wrong("rows and columns", problem));
        }
    }
    let line = table.line();
    table.finish("a keypad")?;
    Ok(KeypadPart {
        name: name.unwrap_or_else(|| "keypad".to_owned()),
        line,
        backend,
        rows,
        columns,
        layout,
    })
}

fn layout(item: &Item<'_>) -> Result<Vec<String>, BoardError> {
    let rows = item.list(KEYPAD_SIDE_MAX)?;
    let row = |item: &Item<'_>| {
        let row = item.text()?;
        let wide = row.chars().count();
        let keys = row.chars().all(|key| "0123456789*# ".contains(key));
        if keys && (1..=KEYPAD_SIDE_MAX).contains(&wide) {
            Ok(row.to_owned())
        } else {
            let problem = format!("is not 1 to {KEYPAD_SIDE_MAX} of 0 to 9, `*`, `#` and blank");
            Err(item.wrong(problem))
        }
    };
    rows.iter().map(row).collect()
}

/// Refuses lines that can be had, but on which no key would ever come.
fn wired(table: &Table<'_>, rows: &[LinePart], columns: &[InputPart]) -> Result<(), BoardError> {
    let first = columns.first().map(|column| &column.line.chip);
    if columns
        .iter()
        .any(|column| Some(&column.line.chip) != first)
    {
        let problem = "are not all on one chip: their edges can't be waited for together";
        return Err(table.wrong("columns", problem));
    }
    for (key, turned) in [
        ("rows", rows.iter().any(|row| row.active_low)),
        (
            "columns",
            columns.iter().any(|column| column.line.active_low),
        ),
    ] {
        if turned {
            let problem = "can't be `active_low`: a key pulls its column down to its row, which \
                           is driven low";
            return Err(table.wrong(key, problem));
        }
    }
    Ok(())
}

fn lines<T>(
    table: &mut Table<'_>,
    key: &'static str,
    line: impl Fn(&Item<'_>) -> Result<T, BoardError>,
) -> Result<Vec<T>, BoardError> {
    let Some(item) = table.take(key) else {
        return Ok(Vec::new());
    };
    item.list(KEYPAD_SIDE_MAX)?.iter().map(line).collect()
}
