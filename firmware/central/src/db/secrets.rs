// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sealed secrets of the site, such as the authority's key: what all servers of a site share.

use sqlx::AnyConnection;

use super::Columns;
use crate::app::CentreError;

/// The sealed secret of that name.
pub(crate) async fn read(
    connection: &mut AnyConnection,
    name: &str,
) -> Result<Option<Vec<u8>>, CentreError> {
    let query = sqlx::query("SELECT sealed FROM secrets WHERE name = $1").bind(name.to_owned());
    let row = query.fetch_optional(connection).await?;
    row.map(|row| row.bytes("sealed")).transpose()
}

/// Keeps it, unless there is one of that name.
pub(crate) async fn make(
    connection: &mut AnyConnection,
    name: &str,
    sealed: Vec<u8>,
) -> Result<(), CentreError> {
    let statement =
        "INSERT INTO secrets (name, sealed) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    sqlx::query(statement)
        .bind(name.to_owned())
        .bind(sealed)
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps it, in place of the one of that name.
pub(crate) async fn replace(
    connection: &mut AnyConnection,
    name: &str,
    sealed: Vec<u8>,
) -> Result<(), CentreError> {
    let statement = "INSERT INTO secrets (name, sealed) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed";
    sqlx::query(statement)
        .bind(name.to_owned())
        .bind(sealed)
        .execute(connection)
        .await?;
    Ok(())
}
