// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The site's one row. Everybody who changes the directory locks it first: that makes the one order
//! of revisions.

use platen_model::{Settings, SiteId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Columns, signed};
use crate::app::CentreError;

/// The site.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) id: SiteId,
    pub(crate) name: String,
    pub(crate) generation: u64,
    pub(crate) revision: u64,
    /// How many keys are behind the card hashes.
    pub(crate) keys: u32,
    /// They, sealed.
    pub(crate) card_keys: Vec<u8>,
    pub(crate) settings: Settings,
    /// When the database was last put back from a backup; 0 for never.
    pub(crate) restored_unix_ms: u64,
    /// Revision at which the offers of releases changed last; 0 for never.
    pub(crate) offers_revision: u64,
}

const COLUMNS: &str = "id, name, generation, revision, keys, card_keys, settings, restored_unix_ms, \
     offers_revision";

fn site(row: &AnyRow) -> Result<Site, CentreError> {
    let settings = row.text("settings")?;
    Ok(Site {
        id: SiteId(row.uuid("id")?),
        name: row.text("name")?,
        generation: row.number("generation")?,
        revision: row.number("revision")?,
        keys: row.number_as("keys")?,
        card_keys: row.bytes("card_keys")?,
        settings: serde_json::from_str(&settings).map_err(|_| CentreError::corrupt("settings"))?,
        restored_unix_ms: row.number("restored_unix_ms")?,
        offers_revision: row.number("offers_revision")?,
    })
}

/// Makes the row, unless there is one.
pub(crate) async fn make(
    connection: &mut AnyConnection,
    id: SiteId,
    name: &str,
    card_keys: Vec<u8>,
) -> Result<bool, CentreError> {
    let statement = "INSERT INTO site (one, id, name, generation, revision, keys, card_keys, settings, \
         restored_unix_ms) VALUES (1, $1, $2, 1, 0, 1, $3, $4, 0) ON CONFLICT (one) DO NOTHING";
    let done = sqlx::query(statement)
        .bind(id.to_string())
        .bind(name.to_owned())
        .bind(card_keys)
        .bind(json(&Settings::default()))
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

fn json(settings: &Settings) -> String {
    serde_json::to_string(settings).unwrap_or_default()
}

/// The site as it is.
pub(crate) async fn read(connection: &mut AnyConnection) -> Result<Site, CentreError> {
    let statement = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM site WHERE one = 1"));
    site(&sqlx::query(statement).fetch_one(connection).await?)
}

/// The site, for whoever is going to change the directory: others wait from here on.
pub(crate) async fn lock(connection: &mut AnyConnection) -> Result<Site, CentreError> {
    let statement = format!("UPDATE site SET one = 1 WHERE one = 1 RETURNING {COLUMNS}");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement));
    site(&query.fetch_one(connection).await?)
}

/// Takes the next `many` revisions and returns the last one.
pub(crate) async fn advance(connection: &mut AnyConnection, many: u64) -> Result<u64, CentreError> {
    let statement = "UPDATE site SET revision = revision + $1 WHERE one = 1 RETURNING revision";
    let query = sqlx::query(statement).bind(signed(many));
    query.fetch_one(connection).await?.number("revision")
}

/// Takes a revision for a change of the offers of releases, which are no object of the directory:
/// boxes that wait hear of it all the same.
pub(crate) async fn offers_changed(connection: &mut AnyConnection) -> Result<(), CentreError> {
    let statement = "UPDATE site SET revision = revision + 1, offers_revision = revision + 1 \
         WHERE one = 1";
    sqlx::query(statement).execute(connection).await?;
    Ok(())
}

/// Highest revision and generation.
pub(crate) async fn latest(connection: &mut AnyConnection) -> Result<(u64, u64), CentreError> {
    let query = sqlx::query("SELECT generation, revision FROM site WHERE one = 1");
    let row = query.fetch_one(connection).await?;
    Ok((row.number("generation")?, row.number("revision")?))
}

/// Gives the site another name.
pub(crate) async fn rename(connection: &mut AnyConnection, name: &str) -> Result<(), CentreError> {
    sqlx::query("UPDATE site SET name = $1 WHERE one = 1")
        .bind(name.to_owned())
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps new settings.
pub(crate) async fn set_settings(
    connection: &mut AnyConnection,
    settings: &Settings,
) -> Result<(), CentreError> {
    sqlx::query("UPDATE site SET settings = $1 WHERE one = 1")
        .bind(json(settings))
        .execute(connection)
        .await?;
    Ok(())
}

/// Begins a new generation.
pub(crate) async fn set_generation(
    connection: &mut AnyConnection,
    generation: u64,
) -> Result<(), CentreError> {
    sqlx::query("UPDATE site SET generation = $1 WHERE one = 1")
        .bind(signed(generation))
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps the keys that are behind the card hashes from now on.
pub(crate) async fn set_card_keys(
    connection: &mut AnyConnection,
    keys: u32,
    card_keys: Vec<u8>,
) -> Result<(), CentreError> {
    sqlx::query("UPDATE site SET keys = $1, card_keys = $2 WHERE one = 1")
        .bind(i64::from(keys))
        .bind(card_keys)
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes that the database was put back from a backup.
pub(crate) async fn set_restored(
    connection: &mut AnyConnection,
    at_unix_ms: u64,
) -> Result<(), CentreError> {
    sqlx::query("UPDATE site SET restored_unix_ms = $1 WHERE one = 1")
        .bind(signed(at_unix_ms))
        .execute(connection)
        .await?;
    Ok(())
}
