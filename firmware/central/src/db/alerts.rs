// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a person should look at.

use platen_model::NodeId;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::{Columns, list, signed};
use crate::app::{Alert, CentreError, Listed, Mark};

fn alert(row: &AnyRow) -> Result<Alert, CentreError> {
    Ok(Alert {
        id: row.uuid("id")?,
        at_unix_ms: row.number("at_unix_ms")?,
        kind: row.text("kind")?,
        node: row.uuid_if("node")?.map(NodeId),
        object: row.text_if("object")?,
        detail: row.text("detail")?,
        settled_unix_ms: row.number_if("settled_unix_ms")?,
        settled_by: row.text_if("settled_by")?,
    })
}

/// Keeps a new alert.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    alert: &Alert,
) -> Result<(), CentreError> {
    let statement = "INSERT INTO alerts (id, at_unix_ms, kind, node, object, detail) \
         VALUES ($1, $2, $3, $4, $5, $6)";
    sqlx::query(statement)
        .bind(alert.id.hyphenated().to_string())
        .bind(signed(alert.at_unix_ms))
        .bind(alert.kind.clone())
        .bind(alert.node.map(|node| node.to_string()))
        .bind(alert.object.clone())
        .bind(alert.detail.clone())
        .execute(connection)
        .await?;
    Ok(())
}

/// Alerts, the newest first, and how many there are.
pub(crate) async fn page(
    connection: &mut AnyConnection,
    open_only: bool,
    (behind, limit): (Option<Mark>, u64),
) -> Result<Listed<Alert>, CentreError> {
    let statement = "SELECT COUNT(*) AS many FROM alerts WHERE $1 = 0 OR settled_unix_ms IS NULL";
    let query = sqlx::query(statement).bind(i64::from(open_only));
    let total = query.fetch_one(&mut *connection).await?.number("many")?;
    let statement = "SELECT id, at_unix_ms, kind, node, object, detail, settled_unix_ms, settled_by \
         FROM alerts WHERE ($1 = 0 OR settled_unix_ms IS NULL) \
         AND ($2 = 0 OR (at_unix_ms, id) < ($3, $4)) \
         ORDER BY at_unix_ms DESC, id DESC LIMIT $5";
    let last = behind.unwrap_or_default();
    let mut rows = sqlx::query(statement)
        .bind(i64::from(open_only))
        .bind(i64::from(behind.is_some()))
        .bind(signed(last.at_unix_ms))
        .bind(last.id.hyphenated().to_string())
        .bind(list::one_more(limit))
        .fetch_all(connection)
        .await?;
    let next = list::mark_of_next(&mut rows, limit, |row| {
        Ok(Mark {
            at_unix_ms: row.number("at_unix_ms")?,
            id: row.uuid("id")?,
            ..Mark::default()
        })
    })?;
    let alerts: Result<Vec<_>, _> = rows.iter().map(alert).collect();
    let rows = alerts?;
    Ok(Listed { rows, total, next })
}

/// Notes who has seen to an alert, and says whether there was such an open one.
pub(crate) async fn settle(
    connection: &mut AnyConnection,
    id: Uuid,
    at_unix_ms: u64,
    by: &str,
) -> Result<bool, CentreError> {
    let statement = "UPDATE alerts SET settled_unix_ms = $1, settled_by = $2 \
         WHERE id = $3 AND settled_unix_ms IS NULL";
    let done = sqlx::query(statement)
        .bind(signed(at_unix_ms))
        .bind(by.to_owned())
        .bind(id.hyphenated().to_string())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}
