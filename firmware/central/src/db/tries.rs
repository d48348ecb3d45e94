// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Wrong tries, counted before the secret is looked at: however many guesses come at once, and
//! through however many servers, no more than allowed are looked at.

use platen_model::CredentialId;
use sqlx::AnyConnection;

use super::{Columns, signed};
use crate::app::CentreError;

/// Counts one try of a subject. Returns how many there were since the last right one, this one
/// included, or until when the subject is locked.
pub(crate) async fn begin(
    connection: &mut AnyConnection,
    subject: &str,
    now_unix_ms: u64,
) -> Result<Result<u64, u64>, CentreError> {
    let statement = "INSERT INTO tries (subject, failed, locked_until_unix_ms) VALUES ($1, 1, 0) \
         ON CONFLICT (subject) DO UPDATE SET failed = tries.failed + 1 \
         WHERE tries.locked_until_unix_ms <= $2 RETURNING failed";
    let row = sqlx::query(statement)
        .bind(subject.to_owned())
        .bind(signed(now_unix_ms))
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(row) = row {
        return Ok(Ok(row.number("failed")?));
    }
    let query = sqlx::query("SELECT locked_until_unix_ms AS until FROM tries WHERE subject = $1");
    let row = query.bind(subject.to_owned()).fetch_one(connection).await?;
    Ok(Err(row.number("until")?))
}

/// Locks a subject until a time, or for longer if it is already, and counts anew after that.
pub(crate) async fn lock(
    connection: &mut AnyConnection,
    subject: &str,
    until_unix_ms: u64,
) -> Result<(), CentreError> {
    let statement = "INSERT INTO tries (subject, failed, locked_until_unix_ms) VALUES ($1, 0, $2) \
         ON CONFLICT (subject) DO UPDATE SET failed = 0, locked_until_unix_ms = \
         CASE WHEN tries.locked_until_unix_ms > excluded.locked_until_unix_ms \
         THEN tries.locked_until_unix_ms ELSE excluded.locked_until_unix_ms END";
    sqlx::query(statement)
        .bind(subject.to_owned())
        .bind(signed(until_unix_ms))
        .execute(connection)
        .await?;
    Ok(())
}

/// Until when a subject is locked; 0 for not.
pub(crate) async fn locked_until(
    connection: &mut AnyConnection,
    subject: &str,
) -> Result<u64, CentreError> {
    let query = sqlx::query("SELECT locked_until_unix_ms AS until FROM tries WHERE subject = $1");
    let row = query
        .bind(subject.to_owned())
        .fetch_optional(connection)
        .await?;
    row.map_or(Ok(0), |row| row.number("until"))
}

/// Credentials that are locked, with until when, those that stay so the longest first.
pub(crate) async fn locked(
    connection: &mut AnyConnection,
    now_unix_ms: u64,
    limit: u64,
) -> Result<Vec<(CredentialId, u64)>, CentreError> {
    let statement = "SELECT c.id, t.locked_until_unix_ms AS until FROM tries t \
         JOIN credentials c ON c.id = t.subject WHERE t.locked_until_unix_ms > $1 \
         ORDER BY t.locked_until_unix_ms DESC, c.id LIMIT $2";
    let rows = sqlx::query(statement)
        .bind(signed(now_unix_ms))
        .bind(signed(limit))
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| Ok((CredentialId(row.uuid("id")?), row.number("until")?)))
        .collect()
}

/// Forgets a subject's wrong tries and opens it again.
pub(crate) async fn clear(
    connection: &mut AnyConnection,
    subject: &str,
) -> Result<(), CentreError> {
    let query = sqlx::query("DELETE FROM tries WHERE subject = $1");
    query.bind(subject.to_owned()).execute(connection).await?;
    Ok(())
}

/// Takes one try back that was begun and came to nothing.
pub(crate) async fn take_back(
    connection: &mut AnyConnection,
    subject: &str,
) -> Result<(), CentreError> {
    sqlx::query("UPDATE tries SET failed = failed - 1 WHERE subject = $1 AND failed > 0")
        .bind(subject.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}
