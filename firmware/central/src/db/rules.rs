// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Rules.

use platen_model::{RuleId, RuleRecord};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Columns, signed};
use crate::app::CentreError;

fn rule(row: &AnyRow) -> Result<RuleRecord, CentreError> {
    Ok(RuleRecord {
        id: RuleId(row.uuid("id")?),
        order: row.number_as("place")?,
        text: row.text("text")?,
    })
}

/// All rules in the order in which they are asked.
pub(crate) async fn all(connection: &mut AnyConnection) -> Result<Vec<RuleRecord>, CentreError> {
    let query = sqlx::query("SELECT id, place, text FROM rules ORDER BY place, id");
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(rule).collect()
}

/// Rules whose last change lies in a range, with its revision.
pub(crate) async fn changed(
    connection: &mut AnyConnection,
    after: u64,
    to: u64,
) -> Result<Vec<(u64, RuleRecord)>, CentreError> {
    let statement = "SELECT o.revision, r.id, r.place, r.text \
         FROM objects o JOIN rules r ON r.id = o.id \
         WHERE o.kind = 'rule' AND o.revision > $1 AND o.revision <= $2";
    let query = sqlx::query(statement).bind(signed(after)).bind(signed(to));
    let rows = query.fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok((row.number("revision")?, rule(row)?)))
        .collect()
}

/// Keeps a rule as it is given.
pub(crate) async fn put(
    connection: &mut AnyConnection,
    rule: &RuleRecord,
) -> Result<(), CentreError> {
    let statement = "INSERT INTO rules (id, place, text) VALUES ($1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET place = excluded.place, text = excluded.text";
    sqlx::query(statement)
        .bind(rule.id.to_string())
        .bind(i64::from(rule.order))
        .bind(rule.text.clone())
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes a rule away and says whether there was one.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    id: RuleId,
) -> Result<bool, CentreError> {
    let query = sqlx::query("DELETE FROM rules WHERE id = $1");
    let done = query.bind(id.to_string()).execute(connection).await?;
    Ok(done.rows_affected() == 1)
}
