// SPDX-License-Identifier: Apache-2.0 OR MIT
//! People, their names and their groups.

use std::collections::HashMap;

use platen_model::{GroupId, UserId, UserRecord};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Columns, list, signed};
use crate::app::CentreError;

/// A name in the form in which each means one person.
pub(crate) fn name_key(name: &str) -> String {
    name.trim().to_lowercase()
}

fn user(row: &AnyRow) -> Result<UserRecord, CentreError> {
    Ok(UserRecord {
        id: UserId(row.uuid("id")?),
        login: row.text("login")?,
        name: row.text("name")?,
        aliases: Vec::new(),
        number: row.text_if("number")?,
        groups: Vec::new(),
        active: row.yes("active")?,
    })
}

/// Fills in aliases and groups: rows of (user_id, name) and of (user_id, group_id).
fn complete(
    mut users: Vec<UserRecord>,
    names: &[AnyRow],
    groups: &[AnyRow],
) -> Result<Vec<UserRecord>, CentreError> {
    let places = users
        .iter()
        .enumerate()
        .map(|(place, user)| (user.id, place));
    let places: HashMap<UserId, usize> = places.collect();
    let find = |row: &AnyRow| -> Result<Option<usize>, CentreError> {
        Ok(places.get(&UserId(row.uuid("user_id")?)).copied())
    };
    for row in names {
        if let Some(user) = find(row)?.and_then(|place| users.get_mut(place)) {
            user.aliases.push(row.text("name")?);
        }
    }
    for row in groups {
        if let Some(user) = find(row)?.and_then(|place| users.get_mut(place)) {
            user.groups.push(GroupId(row.uuid("group_id")?));
        }
    }
    Ok(users)
}

/// Users by id; those that there are not are left out.
pub(crate) async fn by_ids(
    connection: &mut AnyConnection,
    ids: &[UserId],
) -> Result<Vec<UserRecord>, CentreError> {
    let ids: Vec<String> = ids.iter().map(UserId::to_string).collect();
    let select = "SELECT id, login, name, number, active FROM users WHERE id IN {}";
    let rows = list::select_in(connection, select, &ids).await?;
    let users: Result<Vec<_>, _> = rows.iter().map(user).collect();
    let select = "SELECT user_id, name FROM names WHERE is_login = 0 AND user_id IN {} \
         ORDER BY name_key";
    let names = list::select_in(connection, select, &ids).await?;
    let select = "SELECT user_id, group_id FROM memberships WHERE user_id IN {} ORDER BY group_id";
    let groups = list::select_in(connection, select, &ids).await?;
    complete(users?, &names, &groups)
}

/// One user.
pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    id: UserId,
) -> Result<Option<UserRecord>, CentreError> {
    Ok(by_ids(connection, &[id]).await?.pop())
}

/// What a login has to know of somebody.
#[derive(Clone, Debug)]
pub(crate) struct Claimant {
    pub(crate) id: UserId,
    pub(crate) active: bool,
    pub(crate) groups: Vec<GroupId>,
}

/// Who logs in, by one question.
pub(crate) async fn claimant(
    connection: &mut AnyConnection,
    id: UserId,
) -> Result<Option<Claimant>, CentreError> {
    let statement = "SELECT u.active, m.group_id FROM users u \
         LEFT JOIN memberships m ON m.user_id = u.id WHERE u.id = $1 ORDER BY m.group_id";
    let query = sqlx::query(statement).bind(id.to_string());
    let rows = query.fetch_all(connection).await?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let mut groups = Vec::new();
    for row in &rows {
        groups.extend(row.uuid_if("group_id")?.map(GroupId));
    }
    let active = first.yes("active")?;
    Ok(Some(Claimant { id, active, groups }))
}

/// Users whose last change lies in a range, with its revision.
pub(crate) async fn changed(
    connection: &mut AnyConnection,
    after: u64,
    to: u64,
) -> Result<Vec<(u64, UserRecord)>, CentreError> {
    let statement = "SELECT o.revision, u.id, u.login, u.name, u.number, u.active \
         FROM objects o JOIN users u ON u.id = o.id \
         WHERE o.kind = 'user' AND o.revision > $1 AND o.revision <= $2 ORDER BY o.revision";
    let query = sqlx::query(statement).bind(signed(after)).bind(signed(to));
    let rows = query.fetch_all(&mut *connection).await?;
    let users: Result<Vec<_>, _> = rows.iter().map(user).collect();
    let statement = "SELECT n.user_id, n.name FROM objects o JOIN names n ON n.user_id = o.id \
         WHERE o.kind = 'user' AND o.revision > $1 AND o.revision <= $2 AND n.is_login = 0 \
         ORDER BY n.name_key";
    let query = sqlx::query(statement).bind(signed(after)).bind(signed(to));
    let names = query.fetch_all(&mut *connection).await?;
    let statement = "SELECT m.user_id, m.group_id \
         FROM objects o JOIN memberships m ON m.user_id = o.id \
         WHERE o.kind = 'user' AND o.revision > $1 AND o.revision <= $2 ORDER BY m.group_id";
    let query = sqlx::query(statement).bind(signed(after)).bind(signed(to));
    let groups = query.fetch_all(&mut *connection).await?;
    let users = complete(users?, &names, &groups)?;
    let revisions: Result<Vec<u64>, _> = rows.iter().map(|row| row.number("revision")).collect();
    Ok(revisions?.into_iter().zip(users).collect())
}

/// Who has a name, as login name or alias; names in their normal form.
pub(crate) async fn owners_of_names(
    connection: &mut AnyConnection,
    keys: &[String],
) -> Result<HashMap<String, (UserId, bool)>, CentreError> {
    let select = "SELECT name_key, user_id, is_login FROM names WHERE name_key IN {}";
    let rows = list::select_in(connection, select, keys).await?;
    let entry = |row: &AnyRow| {
        let owner = (UserId(row.uuid("user_id")?), row.yes("is_login")?);
        Ok((row.text("name_key")?, owner))
    };
    rows.iter().map(entry).collect()
}

/// Who has a number.
pub(crate) async fn owners_of_numbers(
    connection: &mut AnyConnection,
    numbers: &[String],
) -> Result<HashMap<String, UserId>, CentreError> {
    let select = "SELECT number, id FROM users WHERE number IN {}";
    let rows = list::select_in(connection, select, numbers).await?;
    let entry = |row: &AnyRow| Ok((row.text("number")?, UserId(row.uuid("id")?)));
    rows.iter().map(entry).collect()
}

/// Who is in a group.
pub(crate) async fn members(
    connection: &mut AnyConnection,
    group: GroupId,
) -> Result<Vec<UserId>, CentreError> {
    let query = sqlx::query("SELECT user_id FROM memberships WHERE group_id = $1");
    let rows = query.bind(group.to_string()).fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok(UserId(row.uuid("user_id")?)))
        .collect()
}

/// How many users there are.
pub(crate) async fn total(connection: &mut AnyConnection) -> Result<u64, CentreError> {
    let query = sqlx::query("SELECT COUNT(*) AS many FROM users");
    query.fetch_one(connection).await?.number("many")
}

/// Users in order of login names: those whose login name, name or number holds `part`, and those of
/// one group. Returns how many there are as well.
pub(crate) async fn page(
    connection: &mut AnyConnection,
    part: Option<&str>,
    group: Option<GroupId>,
    (offset, limit): (u64, u64),
) -> Result<(Vec<UserRecord>, u64), CentreError> {
    const WHERE: &str = "WHERE ($1 = '' OR folded LIKE $2 ESCAPE '~' OR number = $1) \
         AND ($3 = '' OR id IN (SELECT user_id FROM memberships WHERE group_id = $3))";
    let part = part.unwrap_or_default().trim().to_lowercase();
    let like = format!("%{}%", escape(&part));
    let group = group.map(|group| group.to_string()).unwrap_or_default();
    let count = format!("SELECT COUNT(*) AS many FROM users {WHERE}");
    let row = sqlx::query(sqlx::AssertSqlSafe(count))
        .bind(part.clone())
        .bind(like.clone())
        .bind(group.clone())
        .fetch_one(&mut *connection)
        .await?;
    let select = format!("SELECT id FROM users {WHERE} ORDER BY login, id LIMIT $4 OFFSET $5");
    let rows = sqlx::query(sqlx::AssertSqlSafe(select))
        .bind(part)
        .bind(like)
        .bind(group)
        .bind(signed(limit))
        .bind(signed(offset))
        .fetch_all(&mut *connection)
        .await?;
    let ids: Result<Vec<UserId>, _> = rows
        .iter()
        .map(|row| Ok::<_, CentreError>(UserId(row.uuid("id")?)))
        .collect();
    let mut users = by_ids(connection, &ids?).await?;
    users.sort_by(|a, b| (&a.login, a.id).cmp(&(&b.login, b.id)));
    Ok((users, row.number("many")?))
}

/// What people are searched by: both names in lower case, a line each.
fn folded(login: &str, name: &str) -> String {
    format!("{}\n{}", login.to_lowercase(), name.to_lowercase())
}

/// Fills the column in that people are searched by.
pub(crate) async fn fold_all(connection: &mut AnyConnection) -> Result<(), CentreError> {
    let rows = sqlx::query("SELECT id, login, name FROM users")
        .fetch_all(&mut *connection)
        .await?;
    for row in rows {
        sqlx::query("UPDATE users SET folded = $1 WHERE id = $2")
            .bind(folded(&row.text("login")?, &row.text("name")?))
            .bind(row.text("id")?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// For LIKE: what stands for itself.
fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut escaped, c| {
        if matches!(c, '%' | '_' | '~') {
            escaped.push('~');
        }
        escaped.push(c);
        escaped
    })
}

/// Keeps users as they are given, with names and groups in place of what was known. No name or number
/// may belong to somebody else: the caller has seen to that.
pub(crate) async fn put(
    connection: &mut AnyConnection,
    users: &[UserRecord],
) -> Result<(), CentreError> {
    let ids: Vec<String> = users.iter().map(|user| user.id.to_string()).collect();
    let delete = "DELETE FROM names WHERE user_id IN {}";
    list::execute_in(connection, delete, &ids).await?;
    let delete = "DELETE FROM memberships WHERE user_id IN {}";
    list::execute_in(connection, delete, &ids).await?;
    // A number may go from one of these users to another.
    let clear = "UPDATE users SET number = NULL WHERE id IN {}";
    list::execute_in(connection, clear, &ids).await?;
    for chunk in users.chunks(list::rows_at_once(6)) {
        let values = list::rows_of(6, chunk.len());
        let mut query = list::statement(format!(
            "INSERT INTO users (id, login, name, number, active, folded) VALUES {values} \
             ON CONFLICT (id) DO UPDATE SET login = excluded.login, name = excluded.name, \
             number = excluded.number, active = excluded.active, folded = excluded.folded"
        ));
        for user in chunk {
            query = query
                .bind(user.id.to_string())
                .bind(user.login.clone())
                .bind(user.name.clone())
                .bind(user.number.clone())
                .bind(i64::from(user.active))
                .bind(folded(&user.login, &user.name));
        }
        query.execute(&mut *connection).await?;
    }
    put_names(connection, users).await?;
    put_memberships(connection, users).await
}

async fn put_names(
    connection: &mut AnyConnection,
    users: &[UserRecord],
) -> Result<(), CentreError> {
    let names: Vec<(&UserRecord, &String, bool)> = users
        .iter()
        .flat_map(|user| {
            let aliases = user.aliases.iter().map(move |alias| (user, alias, false));
            std::iter::once((user, &user.login, true)).chain(aliases)
        })
        .collect();
    for chunk in names.chunks(list::rows_at_once(4)) {
        let values = list::rows_of(4, chunk.len());
        let mut query = list::statement(format!(
            "INSERT INTO names (name_key, user_id, is_login, name) VALUES {values}"
        ));
        for (user, name, is_login) in chunk {
            query = query
                .bind(name_key(name))
                .bind(user.id.to_string())
                .bind(i64::from(*is_login))
                .bind((*name).clone());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn put_memberships(
    connection: &mut AnyConnection,
    users: &[UserRecord],
) -> Result<(), CentreError> {
    let pairs: Vec<(UserId, GroupId)> = users
        .iter()
        .flat_map(|user| user.groups.iter().map(|group| (user.id, *group)))
        .collect();
    for chunk in pairs.chunks(list::rows_at_once(2)) {
        let values = list::rows_of(2, chunk.len());
        let mut query = list::statement(format!(
            "INSERT INTO memberships (user_id, group_id) VALUES {values}"
        ));
        for (user, group) in chunk {
            query = query.bind(user.to_string()).bind(group.to_string());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Takes a user away, with names and groups.
pub(crate) async fn delete(connection: &mut AnyConnection, id: UserId) -> Result<(), CentreError> {
    for statement in [
        "DELETE FROM names WHERE user_id = $1",
        "DELETE FROM memberships WHERE user_id = $1",
        "DELETE FROM users WHERE id = $1",
    ] {
        let query = sqlx::query(statement).bind(id.to_string());
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
