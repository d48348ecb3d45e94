// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Brings the schema to the version of this program, in one transaction. A schema that is newer is
//! left alone: its program knows things that this one would break.

use sqlx::AnyConnection;

use super::database::Kind;
use super::{Columns, Database, signed};
use crate::app::CentreError;

/// The steps, in order; step `n` leads to version `n`. A step that was published is never edited.
const STEPS: [&str; 6] = [
    include_str!("../sql/0001_directory.sql"),
    include_str!("../sql/0002_boxes.sql"),
    include_str!("../sql/0003_accounts.sql"),
    include_str!("../sql/0004_people_in_charge.sql"),
    include_str!("../sql/0005_used_codes.sql"),
    include_str!("../sql/0006_releases.sql"),
];

/// The step that makes the column of folded names.
const FOLDED: u64 = 5;

/// Tries to make the first table: two servers that start at once on an empty PostgreSQL can both
/// find it missing, and one of them fails.
const ATTEMPTS: u32 = 3;

/// Brings the schema up to date and returns its version.
pub(crate) async fn update(
    database: &Database,
    now_unix_ms: u64,
    steps: &[&str],
) -> Result<u64, CentreError> {
    for _ in 1..ATTEMPTS {
        if make_first_table(database).await.is_ok() {
            break;
        }
    }
    make_first_table(database).await?;
    let mut tx = database.write().await?;
    // Locks the row: the second of two servers waits here and finds the work done.
    let statement = "UPDATE schema_version SET version = version WHERE one = 1 RETURNING version";
    let row = sqlx::query(statement).fetch_one(&mut *tx).await?;
    let found = row.number("version")?;
    let known = u64::try_from(steps.len()).unwrap_or(u64::MAX);
    if found > known {
        return Err(CentreError::Newer { found, known });
    }
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    for step in steps.iter().skip(done) {
        apply(&mut tx, database.kind(), step).await?;
    }
    if (found..known).contains(&(FOLDED - 1)) {
        super::users::fold_all(&mut tx).await?;
    }
    if found < known {
        sqlx::query("UPDATE schema_version SET version = $1, changed_unix_ms = $2 WHERE one = 1")
            .bind(signed(known))
            .bind(signed(now_unix_ms))
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(known)
}

/// [`update`] with this program's steps.
pub(crate) async fn current(database: &Database, now_unix_ms: u64) -> Result<u64, CentreError> {
    update(database, now_unix_ms, &STEPS).await
}

async fn make_first_table(database: &Database) -> Result<(), CentreError> {
    let mut tx = database.write().await?;
    let table = "CREATE TABLE IF NOT EXISTS schema_version (one BIGINT PRIMARY KEY, \
         version BIGINT NOT NULL, changed_unix_ms BIGINT NOT NULL)";
    sqlx::query(table).execute(&mut *tx).await?;
    let row = "INSERT INTO schema_version (one, version, changed_unix_ms) VALUES (1, 0, 0) \
         ON CONFLICT (one) DO NOTHING";
    sqlx::query(row).execute(&mut *tx).await?;
    tx.commit().await
}

async fn apply(connection: &mut AnyConnection, kind: Kind, step: &str) -> Result<(), CentreError> {
    let text = match kind {
        Kind::Sqlite => step.to_owned(),
        Kind::Postgres => step.replace(" BLOB", " BYTEA"),
    };
    // The text is part of this program.
    sqlx::raw_sql(sqlx::AssertSqlSafe(text))
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use platen_bed::postgres::Postgres;

    use super::*;

    async fn an_older_schema_is_brought_up_with_its_data(url: String) {
        let database = Database::open(&url).await.unwrap();
        assert_eq!(update(&database, 1, &STEPS[..2]).await.unwrap(), 2);
        let mut tx = database.write().await.unwrap();
        let rule = "INSERT INTO rules (id, place, text) VALUES ('x', 1, 'deny all')";
        sqlx::query(rule).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        // A step that fails half way leaves nothing behind.
        let broken = [
            STEPS[0],
            STEPS[1],
            "CREATE TABLE half (a BIGINT); SELECT nonsense;",
        ];
        update(&database, 2, &broken).await.unwrap_err();
        assert_eq!(update(&database, 3, &STEPS[..2]).await.unwrap(), 2);
        assert_eq!(current(&database, 4).await.unwrap(), 6);
        assert_eq!(current(&database, 5).await.unwrap(), 6);
        let mut tx = database.read().await.unwrap();
        let row = sqlx::query("SELECT version, changed_unix_ms AS at FROM schema_version")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
        assert_eq!(
            (row.number("version").unwrap(), row.number("at").unwrap()),
            (6, 4)
        );
        let row = sqlx::query("SELECT text FROM rules")
            .fetch_one(&mut *tx)
            .await;
        assert_eq!(row.unwrap().text("text").unwrap(), "deny all");
        let half = sqlx::query("SELECT a FROM half").fetch_all(&mut *tx).await;
        assert!(half.is_err());
    }

    #[test]
    fn an_older_sqlite_file_is_brought_up_with_its_data() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/old.db", folder.path().display());
        smol::block_on(an_older_schema_is_brought_up_with_its_data(url));
    }

    #[test]
    fn an_older_postgres_database_is_brought_up_with_its_data() {
        let url = Postgres::shared().unwrap().database().unwrap();
        smol::block_on(an_older_schema_is_brought_up_with_its_data(url));
    }
}
