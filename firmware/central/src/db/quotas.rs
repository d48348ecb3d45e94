// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Quotas.

use platen_model::{Covers, GroupId, Quota, QuotaId, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::{Columns, keyword, list, signed};
use crate::app::CentreError;

const COLUMNS: &str = "q.id, q.name, q.covers, q.covered, q.unit, q.amount, q.period, q.when_spent";

fn quota(row: &AnyRow) -> Result<Quota, CentreError> {
    let covered = row.uuid("covered")?;
    let covers = match row.text("covers")?.as_str() {
        "user" => Covers::User(UserId(covered)),
        "group" => Covers::Group(GroupId(covered)),
        "each-of" => Covers::EachOf(GroupId(covered)),
        _ => return Err(CentreError::corrupt("quota")),
    };
    Ok(Quota {
        id: QuotaId(row.uuid("id")?),
        name: row.text("name")?,
        covers,
        unit: row.keyword("unit")?,
        limit: row.number("amount")?,
        period: row.keyword("period")?,
        when_spent: row.keyword("when_spent")?,
    })
}

/// All quotas in order of their names.
pub(crate) async fn all(connection: &mut AnyConnection) -> Result<Vec<Quota>, CentreError> {
    let statement = format!("SELECT {COLUMNS} FROM quotas q ORDER BY q.name, q.id");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement));
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(quota).collect()
}

/// One quota.
pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    id: QuotaId,
) -> Result<Option<Quota>, CentreError> {
    let statement = format!("SELECT {COLUMNS} FROM quotas q WHERE q.id = $1");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id.to_string());
    let row = query.fetch_optional(connection).await?;
    row.as_ref().map(quota).transpose()
}

/// One quota, for whoever is going to change it: others wait from here on.
pub(crate) async fn lock(
    connection: &mut AnyConnection,
    id: QuotaId,
) -> Result<Option<Quota>, CentreError> {
    match hold(connection, id).await? {
        true => by_id(connection, id).await,
        false => Ok(None),
    }
}

/// Lets others wait for a quota's row from here on; says whether there is one.
pub(crate) async fn hold(connection: &mut AnyConnection, id: QuotaId) -> Result<bool, CentreError> {
    let query = sqlx::query("UPDATE quotas SET amount = amount WHERE id = $1").bind(id.to_string());
    Ok(query.execute(connection).await?.rows_affected() == 1)
}

/// Quotas that cover one of these people or groups.
pub(crate) async fn covering(
    connection: &mut AnyConnection,
    covered: &[Uuid],
) -> Result<Vec<Quota>, CentreError> {
    let covered: Vec<String> = covered
        .iter()
        .map(|id| id.hyphenated().to_string())
        .collect();
    let select = "SELECT q.id, q.name, q.covers, q.covered, q.unit, q.amount, q.period, \
         q.when_spent FROM quotas q WHERE q.covered IN {} ORDER BY q.id";
    let rows = list::select_in(connection, select, &covered).await?;
    rows.iter().map(quota).collect()
}

/// Quotas whose last change lies in a range, with its revision.
pub(crate) async fn changed(
    connection: &mut AnyConnection,
    after: u64,
    to: u64,
) -> Result<Vec<(u64, Quota)>, CentreError> {
    let statement = format!(
        "SELECT o.revision, {COLUMNS} FROM objects o JOIN quotas q ON q.id = o.id \
         WHERE o.kind = 'quota' AND o.revision > $1 AND o.revision <= $2"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(signed(after))
        .bind(signed(to));
    let rows = query.fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok((row.number("revision")?, quota(row)?)))
        .collect()
}

/// Keeps a quota as it is given.
pub(crate) async fn put(connection: &mut AnyConnection, quota: &Quota) -> Result<(), CentreError> {
    let (covers, covered) = match quota.covers {
        Covers::User(user) => ("user", user.to_string()),
        Covers::Group(group) => ("group", group.to_string()),
        Covers::EachOf(group) => ("each-of", group.to_string()),
    };
    let statement = "INSERT INTO quotas (id, name, covers, covered, unit, amount, period, \
         when_spent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET \
         name = excluded.name, covers = excluded.covers, covered = excluded.covered, \
         unit = excluded.unit, amount = excluded.amount, period = excluded.period, \
         when_spent = excluded.when_spent";
    sqlx::query(statement)
        .bind(quota.id.to_string())
        .bind(quota.name.clone())
        .bind(covers)
        .bind(covered)
        .bind(keyword(&quota.unit))
        .bind(signed(quota.limit))
        .bind(keyword(&quota.period))
        .bind(keyword(&quota.when_spent))
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes a quota away. What was spent of it stays recorded.
pub(crate) async fn delete(connection: &mut AnyConnection, id: QuotaId) -> Result<(), CentreError> {
    let query = sqlx::query("DELETE FROM quotas WHERE id = $1");
    query.bind(id.to_string()).execute(connection).await?;
    Ok(())
}
