// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Credentials. Cards and codes are keyed hashes, PINs and passwords Argon2id hashes, templates of
//! fingers are sealed: the caller opens and seals them.

use platen_model::{CardKey, CredentialId, CredentialKind, CredentialRecord, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Columns, list, signed};
use crate::app::CentreError;

const COLUMNS: &str = "c.id, c.user_id, c.kind, c.lookup, c.secret, c.part, c.template, \
     c.with_pin, c.proved, c.until_unix_ms, c.provisional";

/// A finger's template is still sealed in it.
pub(crate) fn credential(row: &AnyRow) -> Result<CredentialRecord, CentreError> {
    let corrupt = || CentreError::corrupt("credential");
    let lookup = || row.array("lookup").map(CardKey);
    let secret = || row.text_if("secret")?.ok_or_else(corrupt);
    let kind = match row.text("kind")?.as_str() {
        "card" => CredentialKind::Card {
            key: lookup()?,
            with_pin: row.yes("with_pin")?,
            proved: row.yes("proved")?,
        },
        "pin" => CredentialKind::Pin { hash: secret()? },
        "password" => CredentialKind::Password { hash: secret()? },
        "finger" => CredentialKind::Finger {
            part: row.text_if("part")?.ok_or_else(corrupt)?,
            template: row.bytes("template")?,
        },
        "code" => CredentialKind::Code { key: lookup()? },
        _ => return Err(corrupt()),
    };
    Ok(CredentialRecord {
        id: CredentialId(row.uuid("id")?),
        user: UserId(row.uuid("user_id")?),
        kind,
        until_unix_ms: row.number_if("until_unix_ms")?,
        provisional: row.yes("provisional")?,
    })
}

fn all(rows: &[AnyRow]) -> Result<Vec<CredentialRecord>, CentreError> {
    rows.iter().map(credential).collect()
}

/// One credential.
pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    id: CredentialId,
) -> Result<Option<CredentialRecord>, CentreError> {
    let statement = format!("SELECT {COLUMNS} FROM credentials c WHERE c.id = $1");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id.to_string());
    let row = query.fetch_optional(connection).await?;
    row.as_ref().map(credential).transpose()
}

/// What these people have.
pub(crate) async fn of_users(
    connection: &mut AnyConnection,
    users: &[UserId],
) -> Result<Vec<CredentialRecord>, CentreError> {
    let ids: Vec<String> = users.iter().map(UserId::to_string).collect();
    let select = "SELECT c.id, c.user_id, c.kind, c.lookup, c.secret, c.part, c.template, \
         c.with_pin, c.proved, c.until_unix_ms, c.provisional FROM credentials c \
         WHERE c.user_id IN {} ORDER BY c.user_id, c.kind, c.id";
    all(&list::select_in(connection, select, &ids).await?)
}

/// Cards and codes by their keyed hashes.
pub(crate) async fn by_keys(
    connection: &mut AnyConnection,
    keys: &[CardKey],
) -> Result<Vec<CredentialRecord>, CentreError> {
    let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.0.to_vec()).collect();
    let select = "SELECT c.id, c.user_id, c.kind, c.lookup, c.secret, c.part, c.template, \
         c.with_pin, c.proved, c.until_unix_ms, c.provisional FROM credentials c \
         WHERE c.lookup IN {}";
    all(&list::select_in(connection, select, &keys).await?)
}

/// Those that ran out before a time, at most `limit`.
pub(crate) async fn ended(
    connection: &mut AnyConnection,
    before_unix_ms: u64,
    limit: u64,
) -> Result<Vec<CredentialRecord>, CentreError> {
    let statement = format!(
        "SELECT {COLUMNS} FROM credentials c WHERE c.until_unix_ms < $1 ORDER BY c.id LIMIT $2"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(signed(before_unix_ms))
        .bind(signed(limit));
    all(&query.fetch_all(connection).await?)
}

/// Credentials whose last change lies in a range, with its revision.
pub(crate) async fn changed(
    connection: &mut AnyConnection,
    after: u64,
    to: u64,
) -> Result<Vec<(u64, CredentialRecord)>, CentreError> {
    let statement = format!(
        "SELECT o.revision, {COLUMNS} FROM objects o JOIN credentials c ON c.id = o.id \
         WHERE o.kind = 'credential' AND o.revision > $1 AND o.revision <= $2"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(signed(after))
        .bind(signed(to));
    let rows = query.fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok((row.number("revision")?, credential(row)?)))
        .collect()
}

struct Cells<'a> {
    kind: &'static str,
    lookup: Option<Vec<u8>>,
    secret: Option<&'a str>,
    part: Option<&'a str>,
    template: Option<&'a [u8]>,
    with_pin: bool,
    proved: bool,
}

fn cells(kind: &CredentialKind) -> Result<Cells<'_>, CentreError> {
    let mut cells = Cells {
        kind: "",
        lookup: None,
        secret: None,
        part: None,
        template: None,
        with_pin: false,
        proved: false,
    };
    match kind {
        CredentialKind::Card {
            key,
            with_pin,
            proved,
        } => {
            cells.kind = "card";
            cells.lookup = Some(key.0.to_vec());
            (cells.with_pin, cells.proved) = (*with_pin, *proved);
        }
        CredentialKind::Pin { hash } => (cells.kind, cells.secret) = ("pin", Some(hash.as_str())),
        CredentialKind::Password { hash } => {
            (cells.kind, cells.secret) = ("password", Some(hash.as_str()))
        }
        CredentialKind::Finger { part, template } => {
            cells.kind = "finger";
            (cells.part, cells.template) = (Some(part.as_str()), Some(template.as_slice()));
        }
        CredentialKind::Code { key } => {
            (cells.kind, cells.lookup) = ("code", Some(key.0.to_vec()));
        }
        _ => return Err(CentreError::invalid("kind", "not known here")),
    }
    Ok(cells)
}

/// Keeps credentials as they are given; templates must be sealed.
pub(crate) async fn put(
    connection: &mut AnyConnection,
    credentials: &[CredentialRecord],
) -> Result<(), CentreError> {
    for chunk in credentials.chunks(list::rows_at_once(11)) {
        let values = list::rows_of(11, chunk.len());
        let mut query = list::statement(format!(
            "INSERT INTO credentials (id, user_id, kind, lookup, secret, part, template, with_pin, \
             proved, until_unix_ms, provisional) VALUES {values} ON CONFLICT (id) DO UPDATE SET \
             user_id = excluded.user_id, kind = excluded.kind, lookup = excluded.lookup, \
             secret = excluded.secret, part = excluded.part, template = excluded.template, \
             with_pin = excluded.with_pin, proved = excluded.proved, \
             until_unix_ms = excluded.until_unix_ms, provisional = excluded.provisional"
        ));
        for credential in chunk {
            let cells = cells(&credential.kind)?;
            query = query
                .bind(credential.id.to_string())
                .bind(credential.user.to_string())
                .bind(cells.kind)
                .bind(cells.lookup)
                .bind(cells.secret.map(str::to_owned))
                .bind(cells.part.map(str::to_owned))
                .bind(cells.template.map(<[u8]>::to_vec))
                .bind(i64::from(cells.with_pin))
                .bind(i64::from(cells.proved))
                .bind(credential.until_unix_ms.map(signed))
                .bind(i64::from(credential.provisional));
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Takes credentials away, with their counts of wrong tries.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    ids: &[CredentialId],
) -> Result<(), CentreError> {
    let ids: Vec<String> = ids.iter().map(CredentialId::to_string).collect();
    list::execute_in(connection, "DELETE FROM tries WHERE subject IN {}", &ids).await?;
    list::execute_in(connection, "DELETE FROM credentials WHERE id IN {}", &ids).await?;
    Ok(())
}

/// Keyed hashes of all cards and codes after an id, in order of ids, at most `limit`.
pub(crate) async fn keys_after(
    connection: &mut AnyConnection,
    after: &str,
    limit: u64,
) -> Result<Vec<(String, CardKey)>, CentreError> {
    let statement = "SELECT id, lookup FROM credentials \
         WHERE id > $1 AND lookup IS NOT NULL ORDER BY id LIMIT $2";
    let rows = sqlx::query(statement)
        .bind(after.to_owned())
        .bind(signed(limit))
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| Ok((row.text("id")?, CardKey(row.array("lookup")?))))
        .collect()
}

/// Puts other hashes in place of known ones.
pub(crate) async fn set_keys(
    connection: &mut AnyConnection,
    keys: &[(String, CardKey)],
) -> Result<(), CentreError> {
    for chunk in keys.chunks(list::rows_at_once(2)) {
        let values = list::rows_of(2, chunk.len());
        let mut query = list::statement(format!(
            "UPDATE credentials SET lookup = v.column2 FROM (VALUES {values}) AS v \
             WHERE id = v.column1"
        ));
        for (id, key) in chunk {
            query = query.bind(id.clone()).bind(key.0.to_vec());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
