// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who was recognised at a box, and who was not.

use platen_model::{NodeId, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Columns, keyword, list, signed};
use crate::app::{CentreError, Listed, Login, LoginFilter, Mark};

/// Keeps logins; those of one entry are kept once.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    logins: &[(u32, u64, Login)],
) -> Result<(), CentreError> {
    for chunk in logins.chunks(list::rows_at_once(9)) {
        let values = list::rows_of(9, chunk.len());
        let mut query = list::statement(format!(
            "INSERT INTO logins (node, branch, sequence, at_unix_ms, user_id, method, place, source, \
             refused) VALUES {values} ON CONFLICT (node, branch, sequence) DO NOTHING"
        ));
        for (branch, sequence, login) in chunk {
            query = query
                .bind(login.node.to_string())
                .bind(i64::from(*branch))
                .bind(signed(*sequence))
                .bind(signed(login.at_unix_ms))
                .bind(login.user.map(|user| user.to_string()))
                .bind(login.method.as_ref().map(keyword))
                .bind(login.place.clone())
                .bind(login.source.clone())
                .bind(login.refused.as_ref().map(keyword));
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Logins, the newest first, and how many there are.
pub(crate) async fn page(
    connection: &mut AnyConnection,
    filter: &LoginFilter,
    (behind, limit): (Option<Mark>, u64),
) -> Result<Listed<Login>, CentreError> {
    const WHERE: &str = "WHERE ($1 = '' OR user_id = $1) AND ($2 = '' OR node = $2) \
         AND ($3 = 0 OR refused IS NOT NULL)";
    let user = filter.user.map(|user| user.to_string()).unwrap_or_default();
    let node = filter.node.map(|node| node.to_string()).unwrap_or_default();
    let refused = i64::from(filter.refused_only);
    let count = format!("SELECT COUNT(*) AS many FROM logins {WHERE}");
    let total = sqlx::query(sqlx::AssertSqlSafe(count))
        .bind(user.clone())
        .bind(node.clone())
        .bind(refused)
        .fetch_one(&mut *connection)
        .await?
        .number("many")?;
    let select = format!(
        "SELECT node, branch, sequence, at_unix_ms, user_id, method, place, source, refused \
         FROM logins {WHERE} \
         AND ($4 = 0 OR (at_unix_ms, node, branch, sequence) < ($5, $6, $7, $8)) \
         ORDER BY at_unix_ms DESC, node DESC, branch DESC, sequence DESC LIMIT $9"
    );
    let last = behind.unwrap_or_default();
    let mut rows = sqlx::query(sqlx::AssertSqlSafe(select))
        .bind(user)
        .bind(node)
        .bind(refused)
        .bind(i64::from(behind.is_some()))
        .bind(signed(last.at_unix_ms))
        .bind(last.id.hyphenated().to_string())
        .bind(i64::from(last.branch))
        .bind(signed(last.sequence))
        .bind(list::one_more(limit))
        .fetch_all(connection)
        .await?;
    let next = list::mark_of_next(&mut rows, limit, list::mark_in_journal)?;
    let login = |row: &AnyRow| {
        Ok(Login {
            node: NodeId(row.uuid("node")?),
            at_unix_ms: row.number("at_unix_ms")?,
            user: row.uuid_if("user_id")?.map(UserId),
            method: row.keyword_if("method")?,
            place: row.text("place")?,
            source: row.text_if("source")?,
            refused: row.keyword_if("refused")?,
        })
    };
    let logins: Result<Vec<_>, CentreError> = rows.iter().map(login).collect();
    let rows = logins?;
    Ok(Listed { rows, total, next })
}
