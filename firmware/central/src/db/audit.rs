// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The audit log: rows that only grow, each with the hash of everything before it.

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Columns, list, signed};
use crate::app::{AuditEntry, CentreError, Mark};

/// Where the log ends.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct End {
    pub(crate) sequence: u64,
    pub(crate) hash: [u8; 32],
}

fn end(row: &AnyRow) -> Result<End, CentreError> {
    Ok(End {
        sequence: row.number("sequence")?,
        hash: row.array("hash")?,
    })
}

/// Makes the row that stands for the end, unless there is one.
pub(crate) async fn make_end(connection: &mut AnyConnection) -> Result<(), CentreError> {
    let statement = "INSERT INTO audit_end (one, sequence, hash) VALUES (1, 0, $1) \
         ON CONFLICT (one) DO NOTHING";
    let query = sqlx::query(statement).bind(vec![0_u8; 32]);
    query.execute(connection).await?;
    Ok(())
}

/// The end, for whoever is going to write behind it: others wait from here on.
pub(crate) async fn lock_end(connection: &mut AnyConnection) -> Result<End, CentreError> {
    let statement = "UPDATE audit_end SET one = 1 WHERE one = 1 RETURNING sequence, hash";
    end(&sqlx::query(statement).fetch_one(connection).await?)
}

/// The end as it is.
pub(crate) async fn read_end(connection: &mut AnyConnection) -> Result<End, CentreError> {
    let query = sqlx::query("SELECT sequence, hash FROM audit_end WHERE one = 1");
    end(&query.fetch_one(connection).await?)
}

/// Writes an entry behind the end and moves the end.
pub(crate) async fn append(
    connection: &mut AnyConnection,
    entry: &AuditEntry,
) -> Result<(), CentreError> {
    let statement = "INSERT INTO audit (sequence, at_unix_ms, actor, action, object, detail, hash) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)";
    sqlx::query(statement)
        .bind(signed(entry.sequence))
        .bind(signed(entry.at_unix_ms))
        .bind(entry.actor.clone())
        .bind(entry.action.clone())
        .bind(entry.object.clone())
        .bind(entry.detail.clone())
        .bind(entry.hash.to_vec())
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE audit_end SET sequence = $1, hash = $2 WHERE one = 1")
        .bind(signed(entry.sequence))
        .bind(entry.hash.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}

fn entry(row: &AnyRow) -> Result<AuditEntry, CentreError> {
    Ok(AuditEntry {
        sequence: row.number("sequence")?,
        at_unix_ms: row.number("at_unix_ms")?,
        actor: row.text("actor")?,
        action: row.text("action")?,
        object: row.text("object")?,
        detail: row.text("detail")?,
        hash: row.array("hash")?,
    })
}

/// Entries behind a sequence number, in order, at most `limit`.
pub(crate) async fn after(
    connection: &mut AnyConnection,
    sequence: u64,
    limit: u64,
) -> Result<Vec<AuditEntry>, CentreError> {
    let statement = "SELECT sequence, at_unix_ms, actor, action, object, detail, hash FROM audit \
         WHERE sequence > $1 ORDER BY sequence LIMIT $2";
    let query = sqlx::query(statement)
        .bind(signed(sequence))
        .bind(signed(limit));
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(entry).collect()
}

/// The newest entries first.
pub(crate) async fn newest(
    connection: &mut AnyConnection,
    (behind, limit): (Option<Mark>, u64),
) -> Result<(Vec<AuditEntry>, Option<Mark>), CentreError> {
    let statement = "SELECT sequence, at_unix_ms, actor, action, object, detail, hash FROM audit \
         WHERE sequence < $1 ORDER BY sequence DESC LIMIT $2";
    let query = sqlx::query(statement)
        .bind(signed(behind.map_or(u64::MAX, |last| last.sequence)))
        .bind(list::one_more(limit));
    let mut rows = query.fetch_all(connection).await?;
    let next = list::mark_of_next(&mut rows, limit, |row| {
        Ok(Mark {
            sequence: row.number("sequence")?,
            ..Mark::default()
        })
    })?;
    let entries: Result<Vec<_>, _> = rows.iter().map(entry).collect();
    Ok((entries?, next))
}
