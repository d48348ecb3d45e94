// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Statements about many rows at once. (`sqlx::QueryBuilder` writes `?` for `Any`, which PostgreSQL
//! does not take.)

use std::fmt::Write;

use sqlx::any::{Any, AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{AnyConnection, Encode, Type};

use super::Columns;
use crate::app::{CentreError, Mark};

/// Values of one statement: SQLite looks each `$n` up among all before it, so that the time of a long
/// statement grows with the square of them.
const VALUES: usize = 400;

/// Statements about no more values than this are prepared once and kept: a card's login asks with one
/// or two, and would wait longer for the plan than for the rows.
const KEPT_VALUES: usize = 4;

/// How many rows of so many columns go into one statement.
pub(crate) const fn rows_at_once(columns: usize) -> usize {
    VALUES / columns
}

/// `($1, $2), ($3, $4)`: `rows` of `columns` each.
pub(crate) fn rows_of(columns: usize, rows: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 6);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let comma = if column == 0 { "" } else { ", " };
            // Writing to a string does not fail.
            let _ = write!(text, "{comma}${}", row * columns + column + 1);
        }
        text.push(')');
    }
    text
}

/// A statement made of fixed parts of this program and [`rows_of`]; its values are bound.
pub(crate) fn statement(text: String) -> Query<'static, Any, AnyArguments> {
    sqlx::query(sqlx::AssertSqlSafe(text)).persistent(false)
}

/// All rows of `SELECT … WHERE … IN` over the values, some hundred at a time. `select` has `{}`
/// where the list goes.
pub(crate) async fn select_in<T>(
    connection: &mut AnyConnection,
    select: &'static str,
    values: &[T],
) -> Result<Vec<AnyRow>, CentreError>
where
    T: Clone + Type<Any> + for<'q> Encode<'q, Any> + Send + 'static,
{
    let mut found = Vec::new();
    for chunk in values.chunks(VALUES) {
        let text = select.replace("{}", &rows_of(chunk.len(), 1));
        let mut query = statement(text).persistent(chunk.len() <= KEPT_VALUES);
        for value in chunk {
            query = query.bind(value.clone());
        }
        found.extend(query.fetch_all(&mut *connection).await?);
    }
    Ok(found)
}

/// Runs `DELETE … WHERE … IN` over the values, as [`select_in`] selects.
pub(crate) async fn execute_in<T>(
    connection: &mut AnyConnection,
    delete: &'static str,
    values: &[T],
) -> Result<u64, CentreError>
where
    T: Clone + Type<Any> + for<'q> Encode<'q, Any> + Send + 'static,
{
    let mut gone = 0;
    for chunk in values.chunks(VALUES) {
        let mut query = statement(delete.replace("{}", &rows_of(chunk.len(), 1)));
        for value in chunk {
            query = query.bind(value.clone());
        }
        gone += query.execute(&mut *connection).await?.rows_affected();
    }
    Ok(gone)
}

/// Rows to ask for, so that [`mark_of_next`] knows whether more follow a page.
pub(crate) fn one_more(limit: u64) -> i64 {
    super::signed(limit.saturating_add(1))
}

/// Drops the row that was asked for beyond a page, and says behind which one the next page begins.
pub(crate) fn mark_of_next(
    rows: &mut Vec<AnyRow>,
    limit: u64,
    mark: impl Fn(&AnyRow) -> Result<Mark, CentreError>,
) -> Result<Option<Mark>, CentreError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() <= limit {
        return Ok(None);
    }
    rows.truncate(limit);
    rows.last().map(mark).transpose()
}

/// The mark of a row that is an entry of a box's journal.
pub(crate) fn mark_in_journal(row: &AnyRow) -> Result<Mark, CentreError> {
    Ok(Mark {
        at_unix_ms: row.number("at_unix_ms")?,
        id: row.uuid("node")?,
        branch: row.number_as("branch")?,
        sequence: row.number("sequence")?,
    })
}
