// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers of a central server as text for people, or as JSON, one object a line.

use std::io::Write as _;

use platen_model::utc;
use serde_json::Value;

use crate::show::{json, printable};

/// How an answer that is no list is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum View {
    /// A line for each field.
    Facts,
    /// The field `text` alone.
    Text,
    /// What an import did, and each row that was not taken.
    Import,
    /// Whether rules can be used, and what is wrong with them.
    Rules,
}

/// A column of a table: heading, field (a JSON pointer), least width, what it holds.
pub(crate) type Column = (&'static str, &'static str, usize, Cell);

/// What a column holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cell {
    /// Text or a number, or several of them.
    Plain,
    /// Wall milliseconds since 1970.
    Time,
}

/// The tables.
pub(crate) mod columns {
    use super::Cell::{Plain, Time};
    use super::Column;

    pub(crate) const USERS: &[Column] = &[
        ("login", "/login", 20, Plain),
        ("active", "/active", 6, Plain),
        ("number", "/number", 8, Plain),
        ("name", "/name", 24, Plain),
        ("groups", "/groups", 0, Plain),
    ];
    pub(crate) const GROUPS: &[Column] = &[("name", "/name", 24, Plain), ("id", "/id", 36, Plain)];
    pub(crate) const CREDENTIALS: &[Column] = &[
        ("id", "/id", 36, Plain),
        ("kind", "/kind", 8, Plain),
        ("with PIN", "/with_pin", 8, Plain),
        ("until", "/until_unix_ms", 20, Time),
        ("locked until", "/locked_until_unix_ms", 20, Time),
    ];
    pub(crate) const NODES: &[Column] = &[
        ("name", "/name", 20, Plain),
        ("state", "/state", 8, Plain),
        ("online", "/online", 6, Plain),
        ("seen", "/seen_unix_ms", 20, Time),
        ("owes", "/backlog", 6, Plain),
        ("directory", "/revision", 9, Plain),
        ("runs", "/running/version", 10, Plain),
        ("slot", "/running/slot", 4, Plain),
        ("update", "/running/phase", 10, Plain),
        ("id", "/id", 36, Plain),
    ];
    pub(crate) const QUOTAS: &[Column] = &[
        ("name", "/name", 20, Plain),
        ("covers", "/covers", 24, Plain),
        ("unit", "/unit", 6, Plain),
        ("limit", "/limit", 10, Plain),
        ("period", "/period", 6, Plain),
        ("spent", "/spent", 10, Plain),
        ("leased", "/leased", 10, Plain),
        ("when spent", "/when_spent", 0, Plain),
    ];
    pub(crate) const LEASES: &[Column] = &[
        ("quota", "/quota_name", 20, Plain),
        ("box", "/node_name", 20, Plain),
        ("amount", "/amount", 8, Plain),
        ("spent", "/spent", 8, Plain),
        ("state", "/state", 8, Plain),
        ("granted", "/granted_unix_ms", 20, Time),
    ];
    pub(crate) const PRICES: &[Column] = &[
        ("name", "/name", 20, Plain),
        ("printer", "/printer", 16, Plain),
        ("currency", "/currency", 8, Plain),
        ("mono", "/side_monochrome", 8, Plain),
        ("color", "/side_color", 8, Plain),
        ("sheet", "/sheet", 8, Plain),
    ];
    pub(crate) const JOBS: &[Column] = &[
        ("created", "/created_unix_ms", 20, Time),
        ("state", "/state", 18, Plain),
        ("owner", "/owner", 16, Plain),
        ("pages", "/count/pages", 5, Plain),
        ("box", "/node_name", 16, Plain),
        ("name", "/name", 24, Plain),
        ("id", "/job", 36, Plain),
    ];
    pub(crate) const CHARGES: &[Column] = &[
        ("at", "/at_unix_ms", 20, Time),
        ("user", "/login", 16, Plain),
        ("printer", "/printer", 12, Plain),
        ("sides", "/count/impressions", 5, Plain),
        ("cost", "/cost", 8, Plain),
        ("outcome", "/outcome", 10, Plain),
        ("job", "/job", 36, Plain),
    ];
    pub(crate) const LOGINS: &[Column] = &[
        ("at", "/at_unix_ms", 20, Time),
        ("user", "/login", 16, Plain),
        ("by", "/method", 8, Plain),
        ("at box", "/node_name", 16, Plain),
        ("place", "/place", 10, Plain),
        ("refused", "/refused", 0, Plain),
    ];
    pub(crate) const RELEASES: &[Column] = &[
        ("version", "/version", 10, Plain),
        ("for", "/compatible", 24, Plain),
        ("state", "/state", 8, Plain),
        ("share %", "/share_percent", 7, Plain),
        ("have it", "/have", 7, Plain),
        ("at it", "/under_way", 5, Plain),
        ("failed", "/failed", 6, Plain),
        ("to come", "/waiting", 7, Plain),
        ("others", "/outside", 6, Plain),
        ("added", "/added_unix_ms", 20, Time),
        ("id", "/id", 36, Plain),
    ];
    pub(crate) const RELEASE_NODES: &[Column] = &[
        ("box", "/node_name", 20, Plain),
        ("online", "/online", 6, Plain),
        ("progress", "/progress", 9, Plain),
        ("runs", "/runs", 10, Plain),
        ("slot", "/slot", 4, Plain),
        ("update", "/phase", 10, Plain),
        ("%", "/percent", 3, Plain),
        ("reason", "/reason", 0, Plain),
    ];
    pub(crate) const ADMINISTRATORS: &[Column] = &[
        ("name", "/name", 24, Plain),
        ("active", "/active", 6, Plain),
        ("since", "/created_unix_ms", 20, Time),
        ("id", "/id", 36, Plain),
    ];
    pub(crate) const AUDIT: &[Column] = &[
        ("no.", "/sequence", 6, Plain),
        ("at", "/at_unix_ms", 20, Time),
        ("who", "/actor", 16, Plain),
        ("what", "/action", 20, Plain),
        ("object", "/object", 24, Plain),
        ("detail", "/detail", 0, Plain),
    ];
    pub(crate) const ALERTS: &[Column] = &[
        ("at", "/at_unix_ms", 20, Time),
        ("what", "/kind", 20, Plain),
        ("box", "/node_name", 16, Plain),
        ("detail", "/detail", 30, Plain),
        ("id", "/id", 36, Plain),
    ];
}

/// A list on its way to standard output.
pub(crate) struct Table<'a> {
    json: bool,
    columns: &'a [Column],
    rows: usize,
}

impl<'a> Table<'a> {
    pub(crate) fn begin(json: bool, columns: &'a [Column]) -> Self {
        Self {
            json,
            columns,
            rows: 0,
        }
    }

    pub(crate) fn row(&mut self, item: &Value) {
        if self.json {
            json(item);
            return;
        }
        if self.rows == 0 {
            self.line(|column| column.0.to_owned());
        }
        self.rows += 1;
        self.line(|column| cell(item, column));
    }

    pub(crate) fn end(self) {
        if self.rows == 0 && !self.json {
            say("none");
        }
    }

    fn line(&self, text: impl Fn(&Column) -> String) {
        let cells = self
            .columns
            .iter()
            .map(|column| format!("{:<width$}", text(column), width = column.2));
        say(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// An answer that is no list.
pub(crate) fn answer(as_json: bool, view: View, answer: &Value) {
    match view {
        _ if as_json => {
            if !answer.is_null() {
                json(answer);
            }
        }
        View::Text => text(answer),
        View::Import => import(answer),
        View::Rules => rules(answer),
        View::Facts => facts("", answer),
    }
}

/// A line on standard output; whoever read it may have gone, as `head` does.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn text(answer: &Value) {
    let text = answer.get("text").and_then(Value::as_str);
    for line in text.unwrap_or_default().lines() {
        say(&plain(&Value::String(line.to_owned())));
    }
}

fn facts(prefix: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let name = key.trim_end_matches("_unix_ms");
                let label = if prefix.is_empty() {
                    name.to_owned()
                } else {
                    format!("{prefix}.{name}")
                };
                match value.as_u64().filter(|_| key.ends_with("_unix_ms")) {
                    Some(0) => {}
                    Some(unix_ms) => say(&format!("{label}: {}", utc(unix_ms))),
                    None => facts(&label, value),
                }
            }
        }
        Value::Null if prefix.is_empty() => say("done"),
        other => say(&format!("{prefix}: {}", plain(other))),
    }
}

fn import(answer: &Value) {
    say(&format!(
        "{} people added, {} changed, {} cards bound, {} rows refused",
        field(answer, "users_added"),
        field(answer, "users_changed"),
        field(answer, "cards_bound"),
        field(answer, "rows_refused"),
    ));
    let errors = answer.get("errors").and_then(Value::as_array);
    for error in errors.into_iter().flatten() {
        eprintln!("line {}: {}", field(error, "line"), field(error, "message"));
    }
}

fn rules(answer: &Value) {
    let errors = answer.get("errors").and_then(Value::as_array);
    let errors = errors.map_or(&[][..], Vec::as_slice);
    for error in errors {
        eprintln!("line {}: {}", field(error, "line"), field(error, "message"));
    }
    if errors.is_empty() {
        say(&format!("{} rules, all is well", field(answer, "rules")));
    }
}

fn field(value: &Value, name: &str) -> String {
    value.get(name).map(plain).unwrap_or_default()
}

fn cell(item: &Value, column: &Column) -> String {
    let Some(value) = item.pointer(column.1) else {
        return String::new();
    };
    match (column.3, value.as_u64()) {
        (Cell::Time, Some(0)) | (Cell::Time, None) => String::new(),
        (Cell::Time, Some(unix_ms)) => utc(unix_ms),
        (Cell::Plain, _) => plain(value),
    }
}

/// A value as a word, [`printable`].
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => printable(text),
        Value::Bool(yes) => (if *yes { "yes" } else { "no" }).to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| format!("{key} {}", plain(value)));
            fields.collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_found_deep_inside_and_shown_as_a_word() {
        let item = json!({
            "count": { "pages": 7 },
            "seen_unix_ms": 1_709_251_199_900_u64,
            "name": "a\u{1b}[2Jb",
            "groups": ["x", "y"],
        });
        let of = |pointer, kind| cell(&item, &("", pointer, 0, kind));
        assert_eq!(of("/count/pages", Cell::Plain), "7");
        assert_eq!(of("/count/sheets", Cell::Plain), "");
        assert_eq!(of("/seen_unix_ms", Cell::Time), "2024-02-29 23:59:59Z");
        assert_eq!(of("/name", Cell::Plain), "a[2Jb");
        assert_eq!(of("/groups", Cell::Plain), "x, y");
    }
}
