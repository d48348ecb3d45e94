// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Groups of people.

use std::collections::HashMap;

use platen_model::{GroupId, GroupRecord};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::users::name_key;
use super::{Columns, list, signed};
use crate::app::CentreError;

fn group(row: &AnyRow) -> Result<GroupRecord, CentreError> {
    Ok(GroupRecord {
        id: GroupId(row.uuid("id")?),
        name: row.text("name")?,
    })
}

/// One group.
pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    id: GroupId,
) -> Result<Option<GroupRecord>, CentreError> {
    let query = sqlx::query("SELECT id, name FROM groups_of_people WHERE id = $1");
    let row = query
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(group).transpose()
}

/// Groups by the normal form of their names.
pub(crate) async fn by_names(
    connection: &mut AnyConnection,
    keys: &[String],
) -> Result<HashMap<String, GroupId>, CentreError> {
    let select = "SELECT name_key, id FROM groups_of_people WHERE name_key IN {}";
    let rows = list::select_in(connection, select, keys).await?;
    let entry = |row: &AnyRow| Ok((row.text("name_key")?, GroupId(row.uuid("id")?)));
    rows.iter().map(entry).collect()
}

/// All groups in order of their names, with how many people are in each.
pub(crate) async fn all(
    connection: &mut AnyConnection,
) -> Result<Vec<(GroupRecord, u64)>, CentreError> {
    let statement = "SELECT g.id, g.name, COUNT(m.user_id) AS members FROM groups_of_people g \
         LEFT JOIN memberships m ON m.group_id = g.id GROUP BY g.id, g.name ORDER BY g.name, g.id";
    let rows = sqlx::query(statement).fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok((group(row)?, row.number("members")?)))
        .collect()
}

/// How many groups there are.
pub(crate) async fn total(connection: &mut AnyConnection) -> Result<u64, CentreError> {
    let query = sqlx::query("SELECT COUNT(*) AS many FROM groups_of_people");
    query.fetch_one(connection).await?.number("many")
}

/// Groups whose last change lies in a range, with its revision.
pub(crate) async fn changed(
    connection: &mut AnyConnection,
    after: u64,
    to: u64,
) -> Result<Vec<(u64, GroupRecord)>, CentreError> {
    let statement = "SELECT o.revision, g.id, g.name \
         FROM objects o JOIN groups_of_people g ON g.id = o.id \
         WHERE o.kind = 'group' AND o.revision > $1 AND o.revision <= $2";
    let query = sqlx::query(statement).bind(signed(after)).bind(signed(to));
    let rows = query.fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok((row.number("revision")?, group(row)?)))
        .collect()
}

/// Keeps a group as it is given.
pub(crate) async fn put(
    connection: &mut AnyConnection,
    group: &GroupRecord,
) -> Result<(), CentreError> {
    let statement = "INSERT INTO groups_of_people (id, name, name_key) VALUES ($1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_key = excluded.name_key";
    sqlx::query(statement)
        .bind(group.id.to_string())
        .bind(group.name.clone())
        .bind(name_key(&group.name))
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes a group away, and everybody out of it.
pub(crate) async fn delete(connection: &mut AnyConnection, id: GroupId) -> Result<(), CentreError> {
    for statement in [
        "DELETE FROM memberships WHERE group_id = $1",
        "DELETE FROM groups_of_people WHERE id = $1",
    ] {
        let query = sqlx::query(statement).bind(id.to_string());
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
