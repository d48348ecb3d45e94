// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Administrators and their tokens.

use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::users::name_key;
use super::{Columns, signed};
use crate::app::{Administrator, AdministratorId, CentreError, Token};

fn administrator(row: &AnyRow) -> Result<Administrator, CentreError> {
    Ok(Administrator {
        id: AdministratorId(row.uuid("id")?),
        name: row.text("name")?,
        active: row.yes("active")?,
        created_unix_ms: row.number("created_unix_ms")?,
    })
}

/// All administrators in order of their names.
pub(crate) async fn all(connection: &mut AnyConnection) -> Result<Vec<Administrator>, CentreError> {
    let statement =
        "SELECT id, name, active, created_unix_ms FROM administrators ORDER BY name, id";
    let rows = sqlx::query(statement).fetch_all(connection).await?;
    rows.iter().map(administrator).collect()
}

/// How many administrators may log in.
pub(crate) async fn active(connection: &mut AnyConnection) -> Result<u64, CentreError> {
    let query = sqlx::query("SELECT COUNT(*) AS many FROM administrators WHERE active = 1");
    query.fetch_one(connection).await?.number("many")
}

/// One administrator.
pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    id: AdministratorId,
) -> Result<Option<Administrator>, CentreError> {
    let statement = "SELECT id, name, active, created_unix_ms FROM administrators WHERE id = $1";
    let query = sqlx::query(statement).bind(id.to_string());
    let row = query.fetch_optional(connection).await?;
    row.as_ref().map(administrator).transpose()
}

/// An administrator with the Argon2id hash of the password, by name.
pub(crate) async fn by_name(
    connection: &mut AnyConnection,
    name: &str,
) -> Result<Option<(Administrator, String)>, CentreError> {
    let statement = "SELECT id, name, active, created_unix_ms, secret FROM administrators \
         WHERE name_key = $1";
    let query = sqlx::query(statement).bind(name_key(name));
    let row = query.fetch_optional(connection).await?;
    row.map(|row| Ok((administrator(&row)?, row.text("secret")?)))
        .transpose()
}

/// Keeps a new administrator, unless there is one of that name; says whether it was kept.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    administrator: &Administrator,
    secret: String,
) -> Result<bool, CentreError> {
    let statement = "INSERT INTO administrators (id, name, name_key, secret, active, \
         created_unix_ms) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name_key) DO NOTHING";
    let done = sqlx::query(statement)
        .bind(administrator.id.to_string())
        .bind(administrator.name.clone())
        .bind(name_key(&administrator.name))
        .bind(secret)
        .bind(i64::from(administrator.active))
        .bind(signed(administrator.created_unix_ms))
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives an administrator another password and says whether there is such a one.
pub(crate) async fn set_secret(
    connection: &mut AnyConnection,
    id: AdministratorId,
    secret: String,
) -> Result<bool, CentreError> {
    let done = sqlx::query("UPDATE administrators SET secret = $1 WHERE id = $2")
        .bind(secret)
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Lets an administrator in or not and says whether there is such a one.
pub(crate) async fn set_active(
    connection: &mut AnyConnection,
    id: AdministratorId,
    active: bool,
) -> Result<bool, CentreError> {
    let done = sqlx::query("UPDATE administrators SET active = $1 WHERE id = $2")
        .bind(i64::from(active))
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps a token by its keyed hash.
pub(crate) async fn insert_token(
    connection: &mut AnyConnection,
    token: &Token,
    lookup: Vec<u8>,
) -> Result<(), CentreError> {
    let statement = "INSERT INTO tokens (id, lookup, administrator, label, session, \
         created_unix_ms, until_unix_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    sqlx::query(statement)
        .bind(token.id.hyphenated().to_string())
        .bind(lookup)
        .bind(token.administrator.to_string())
        .bind(token.label.clone())
        .bind(i64::from(token.session))
        .bind(signed(token.created_unix_ms))
        .bind(signed(token.until_unix_ms))
        .execute(connection)
        .await?;
    Ok(())
}

fn token(row: &AnyRow) -> Result<Token, CentreError> {
    Ok(Token {
        id: row.uuid("id")?,
        administrator: AdministratorId(row.uuid("administrator")?),
        label: row.text("label")?,
        session: row.yes("session")?,
        created_unix_ms: row.number("created_unix_ms")?,
        until_unix_ms: row.number("until_unix_ms")?,
    })
}

/// Whose token it is, by its keyed hash, if it still is worth something.
pub(crate) async fn by_token(
    connection: &mut AnyConnection,
    lookup: Vec<u8>,
    now_unix_ms: u64,
) -> Result<Option<Administrator>, CentreError> {
    let statement = "SELECT a.id, a.name, a.active, a.created_unix_ms FROM tokens t \
         JOIN administrators a ON a.id = t.administrator \
         WHERE t.lookup = $1 AND t.until_unix_ms > $2 AND a.active = 1";
    let row = sqlx::query(statement)
        .bind(lookup)
        .bind(signed(now_unix_ms))
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(administrator).transpose()
}

/// An administrator's tokens, the newest first.
pub(crate) async fn tokens(
    connection: &mut AnyConnection,
    id: AdministratorId,
) -> Result<Vec<Token>, CentreError> {
    let statement = "SELECT id, administrator, label, session, created_unix_ms, until_unix_ms \
         FROM tokens WHERE administrator = $1 ORDER BY created_unix_ms DESC, id";
    let query = sqlx::query(statement).bind(id.to_string());
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(token).collect()
}

/// Takes a token away and says whether there was one.
pub(crate) async fn delete_token(
    connection: &mut AnyConnection,
    id: Uuid,
) -> Result<bool, CentreError> {
    let query = sqlx::query("DELETE FROM tokens WHERE id = $1");
    let done = query
        .bind(id.hyphenated().to_string())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a token away by its keyed hash.
pub(crate) async fn delete_token_by_key(
    connection: &mut AnyConnection,
    lookup: Vec<u8>,
) -> Result<(), CentreError> {
    let query = sqlx::query("DELETE FROM tokens WHERE lookup = $1");
    query.bind(lookup).execute(connection).await?;
    Ok(())
}

/// Takes away all tokens of an administrator.
pub(crate) async fn delete_tokens(
    connection: &mut AnyConnection,
    id: AdministratorId,
) -> Result<(), CentreError> {
    let query = sqlx::query("DELETE FROM tokens WHERE administrator = $1");
    query.bind(id.to_string()).execute(connection).await?;
    Ok(())
}

/// Takes away what ran out.
pub(crate) async fn delete_ended_tokens(
    connection: &mut AnyConnection,
    now_unix_ms: u64,
) -> Result<(), CentreError> {
    let query = sqlx::query("DELETE FROM tokens WHERE until_unix_ms <= $1");
    query.bind(signed(now_unix_ms)).execute(connection).await?;
    Ok(())
}
