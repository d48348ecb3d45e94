// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Releases of the boxes' image, and their bundles in parts.

use platen_model::{Release, ReleaseId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Columns, keyword, signed};
use crate::app::{CentreError, KeptRelease, ReleaseState};

/// Bytes of a part of a bundle: all but the last one have as many.
pub(crate) const CHUNK_BYTES: usize = 1 << 20;

const COLUMNS: &str = "id, version, compatible, size_bytes, sha256, notes, state, touched_unix_ms, \
     turn, share_percent, times, allow_older, pause_on_failure, paused_for";

fn release(row: &AnyRow) -> Result<KeptRelease, CentreError> {
    let version = row.text("version")?.parse();
    let times = row.text("times")?;
    let window = Some(times).filter(|times| !times.is_empty());
    let window = window.map(|times| serde_json::from_str(&times)).transpose();
    Ok(KeptRelease {
        release: Release {
            id: ReleaseId(row.uuid("id")?),
            version: version.map_err(|_| CentreError::corrupt("release's version"))?,
            compatible: row.text("compatible")?,
            size_bytes: row.number("size_bytes")?,
            sha256: row.array("sha256")?,
            notes: row.text("notes")?,
        },
        state: row.keyword("state")?,
        touched_unix_ms: row.number("touched_unix_ms")?,
        turn: row.number_as("turn")?,
        share_percent: row.number_as("share_percent")?,
        window: window.map_err(|_| CentreError::corrupt("release's times"))?,
        allow_older: row.yes("allow_older")?,
        pause_on_failure: row.yes("pause_on_failure")?,
        paused_for: row.text("paused_for")?,
    })
}

/// All releases but those that are still being sent, the newest version of each kind of board first.
pub(crate) async fn all(connection: &mut AnyConnection) -> Result<Vec<KeptRelease>, CentreError> {
    let statement = format!("SELECT {COLUMNS} FROM releases WHERE state <> 'uploading'");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement));
    let rows = query.fetch_all(connection).await?;
    let mut all = rows.iter().map(release).collect::<Result<Vec<_>, _>>()?;
    // Versions have an order that a database does not know.
    all.sort_by(|a, b| {
        let (a, b) = (&a.release, &b.release);
        let newest = b.version.cmp(&a.version);
        a.compatible.cmp(&b.compatible).then(newest)
    });
    Ok(all)
}

/// One release, also one that is still being sent.
pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    id: ReleaseId,
) -> Result<Option<KeptRelease>, CentreError> {
    let statement = format!("SELECT {COLUMNS} FROM releases WHERE id = $1");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id.to_string());
    let row = query.fetch_optional(connection).await?;
    row.as_ref().map(release).transpose()
}

/// Keeps a new release, or what has changed about one; never its bundle.
pub(crate) async fn put(
    connection: &mut AnyConnection,
    kept: &KeptRelease,
) -> Result<(), CentreError> {
    let statement = "INSERT INTO releases (id, version, compatible, size_bytes, sha256, notes, state, \
         touched_unix_ms, turn, share_percent, times, allow_older, pause_on_failure, paused_for) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (id) DO UPDATE SET size_bytes = excluded.size_bytes, sha256 = excluded.sha256, \
         notes = excluded.notes, state = excluded.state, touched_unix_ms = excluded.touched_unix_ms, \
         turn = excluded.turn, share_percent = excluded.share_percent, times = excluded.times, \
         allow_older = excluded.allow_older, pause_on_failure = excluded.pause_on_failure, \
         paused_for = excluded.paused_for";
    let release = &kept.release;
    let times = kept.window.as_ref().map(serde_json::to_string).transpose();
    let times = times.map_err(|_| CentreError::corrupt("release's times"))?;
    sqlx::query(statement)
        .bind(release.id.to_string())
        .bind(release.version.to_string())
        .bind(release.compatible.clone())
        .bind(signed(release.size_bytes))
        .bind(release.sha256.to_vec())
        .bind(release.notes.clone())
        .bind(keyword(&kept.state))
        .bind(signed(kept.touched_unix_ms))
        .bind(i64::from(kept.turn))
        .bind(i64::from(kept.share_percent))
        .bind(times.unwrap_or_default())
        .bind(i64::from(kept.allow_older))
        .bind(i64::from(kept.pause_on_failure))
        .bind(kept.paused_for.clone())
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes a release with its bundle.
pub(crate) async fn remove(
    connection: &mut AnyConnection,
    id: ReleaseId,
) -> Result<bool, CentreError> {
    sqlx::query("DELETE FROM release_chunks WHERE release = $1")
        .bind(id.to_string())
        .execute(&mut *connection)
        .await?;
    let done = sqlx::query("DELETE FROM releases WHERE id = $1")
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Releases that were being sent and have not grown since a time.
pub(crate) async fn stale(
    connection: &mut AnyConnection,
    since_unix_ms: u64,
) -> Result<Vec<ReleaseId>, CentreError> {
    let statement = "SELECT id FROM releases WHERE state = $1 AND touched_unix_ms < $2";
    let rows = sqlx::query(statement)
        .bind(keyword(&ReleaseState::Uploading))
        .bind(signed(since_unix_ms))
        .fetch_all(connection)
        .await?;
    let ids = rows.iter().map(|row| Ok(ReleaseId(row.uuid("id")?)));
    ids.collect()
}

/// Keeps a part of a bundle that is being sent, and says whether the release is still there.
pub(crate) async fn put_chunk(
    connection: &mut AnyConnection,
    id: ReleaseId,
    place: u64,
    bytes: Vec<u8>,
    now_unix_ms: u64,
) -> Result<bool, CentreError> {
    let statement =
        "UPDATE releases SET touched_unix_ms = $1 WHERE id = $2 AND state = 'uploading'";
    let done = sqlx::query(statement)
        .bind(signed(now_unix_ms))
        .bind(id.to_string())
        .execute(&mut *connection)
        .await?;
    if done.rows_affected() != 1 {
        return Ok(false);
    }
    sqlx::query("INSERT INTO release_chunks (release, place, bytes) VALUES ($1, $2, $3)")
        .bind(id.to_string())
        .bind(signed(place))
        .bind(bytes)
        .execute(connection)
        .await?;
    Ok(true)
}

/// At most `length` bytes of a bundle from `offset` on, of one part; none behind its end.
pub(crate) async fn piece(
    connection: &mut AnyConnection,
    id: ReleaseId,
    offset: u64,
    length: u64,
) -> Result<Vec<u8>, CentreError> {
    let chunk = u64::try_from(CHUNK_BYTES).unwrap_or(u64::MAX);
    // Counted from 1. PostgreSQL has `substr` of bytes with numbers of 32 bits.
    let statement = "SELECT substr(bytes, CAST($3 AS INTEGER), CAST($4 AS INTEGER)) AS piece \
         FROM release_chunks WHERE release = $1 AND place = $2";
    let row = sqlx::query(statement)
        .bind(id.to_string())
        .bind(signed(offset / chunk))
        .bind(signed(offset % chunk + 1))
        .bind(signed(length.min(chunk)))
        .fetch_optional(connection)
        .await?;
    row.map_or_else(|| Ok(Vec::new()), |row| row.bytes("piece"))
}
