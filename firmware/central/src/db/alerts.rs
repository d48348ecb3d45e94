// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a person should look at.

use platen_model::NodeId;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::{Columns, signed};
use crate::app::{Alert, CentreError};

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
    (offset, limit): (u64, u64),
) -> Result<(Vec<Alert>, u64), CentreError> {
    let statement = "SELECT COUNT(*) AS many FROM alerts WHERE $1 = 0 OR settled_unix_ms IS NULL";
    let query = sqlx::query(statement).bind(i64::from(open_only));
    let many = query.fetch_one(&mut *connection).await?.number("many")?;
    let statement = "SELECT id, at_unix_ms, kind, node, object, detail, settled_unix_ms, settled_by \
         FROM alerts WHERE $1 = 0 OR settled_unix_ms IS NULL \
         ORDER BY at_unix_ms DESC, id DESC LIMIT $2 OFFSET $3";
    let rows = sqlx::query(statement)
        .bind(i64::from(open_only))
        .bind(signed(limit))
        .bind(signed(offset))
        .fetch_all(connection)
        .await?;
    let alerts: Result<Vec<_>, _> = rows.iter().map(alert).collect();
    Ok((alerts?, many))
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
