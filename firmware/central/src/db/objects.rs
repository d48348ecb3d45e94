// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One row for every object that the directory ever had, with the revision of its last change:
//! what boxes are told, and what they are told is gone. The caller holds the site's row.

use platen_model::{CredentialId, GroupId, PricesId, QuotaId, RecordId, RuleId, Tombstone, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Columns, list, signed, site};
use crate::app::CentreError;

/// What a change made of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// There is a record of it.
    Kept = 0,
    /// It is gone.
    Gone = 1,
    /// There is a record of it, but nobody gets in by it any more: told first, as if it were gone.
    Worthless = 2,
}

impl Standing {
    /// A tombstone with a record behind it takes two revisions: the record is not to be beaten by it.
    fn revisions(self) -> u64 {
        match self {
            Self::Kept | Self::Gone => 1,
            Self::Worthless => 2,
        }
    }
}

/// The two columns that name an object.
pub(crate) fn key(id: RecordId) -> Option<(&'static str, String)> {
    Some(match id {
        RecordId::User(id) => ("user", id.to_string()),
        RecordId::Group(id) => ("group", id.to_string()),
        RecordId::Credential(id) => ("credential", id.to_string()),
        RecordId::Quota(id) => ("quota", id.to_string()),
        RecordId::Prices(id) => ("prices", id.to_string()),
        RecordId::Rule(id) => ("rule", id.to_string()),
        RecordId::Settings => ("settings", String::new()),
        _ => return None,
    })
}

fn record_id(row: &AnyRow) -> Result<RecordId, CentreError> {
    Ok(match row.text("kind")?.as_str() {
        "user" => RecordId::User(UserId(row.uuid("id")?)),
        "group" => RecordId::Group(GroupId(row.uuid("id")?)),
        "credential" => RecordId::Credential(CredentialId(row.uuid("id")?)),
        "quota" => RecordId::Quota(QuotaId(row.uuid("id")?)),
        "prices" => RecordId::Prices(PricesId(row.uuid("id")?)),
        "rule" => RecordId::Rule(RuleId(row.uuid("id")?)),
        "settings" => RecordId::Settings,
        _ => return Err(CentreError::corrupt("kind of object")),
    })
}

/// Notes that the objects changed, each with a revision of its own, in this order.
pub(crate) async fn change(
    connection: &mut AnyConnection,
    changes: &[(RecordId, Standing)],
) -> Result<(), CentreError> {
    let keyed: Vec<_> = changes
        .iter()
        .filter_map(|(id, standing)| key(*id).map(|key| (key, *standing)))
        .collect();
    if keyed.is_empty() {
        return Ok(());
    }
    let many = keyed.iter().map(|(_, standing)| standing.revisions()).sum();
    let mut revision = site::advance(connection, many).await?.saturating_sub(many);
    for chunk in keyed.chunks(list::rows_at_once(4)) {
        let values = list::rows_of(4, chunk.len());
        let mut query = list::statement(format!(
            "INSERT INTO objects (kind, id, revision, gone) VALUES {values} ON CONFLICT (kind, id) \
             DO UPDATE SET revision = excluded.revision, gone = excluded.gone"
        ));
        for ((kind, id), standing) in chunk {
            revision += standing.revisions();
            query = query
                .bind(*kind)
                .bind(id.clone())
                .bind(signed(revision))
                .bind(*standing as i64);
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// What lost its worth after a revision, at most `limit`.
pub(crate) async fn tombstones(
    connection: &mut AnyConnection,
    after: u64,
    limit: u64,
) -> Result<Vec<Tombstone>, CentreError> {
    let statement = "SELECT kind, id, revision, gone FROM objects \
         WHERE gone IN (1, 2) AND revision > $1 AND revision + 1 - gone > $1 \
         ORDER BY revision LIMIT $2";
    let rows = sqlx::query(statement)
        .bind(signed(after))
        .bind(signed(limit))
        .fetch_all(connection)
        .await?;
    let tombstone = |row: &AnyRow| {
        Ok(Tombstone {
            // That of a worthless object stands before its record.
            revision: row.number("revision")? + 1 - row.number("gone")?,
            id: record_id(row)?,
        })
    };
    rows.iter().map(tombstone).collect()
}

/// The revision of the last of the first `limit` records after a revision; `None` when there are
/// fewer.
pub(crate) async fn bound(
    connection: &mut AnyConnection,
    after: u64,
    limit: u64,
) -> Result<Option<u64>, CentreError> {
    let statement = "SELECT revision FROM objects WHERE revision > $1 AND gone <> 1 \
         ORDER BY revision LIMIT 1 OFFSET $2";
    let row = sqlx::query(statement)
        .bind(signed(after))
        .bind(signed(limit.saturating_sub(1)))
        .fetch_optional(connection)
        .await?;
    row.map(|row| row.number("revision")).transpose()
}

/// The revision of the settings' last change, when it lies in a range.
pub(crate) async fn settings_between(
    connection: &mut AnyConnection,
    after: u64,
    to: u64,
) -> Result<Option<u64>, CentreError> {
    let statement = "SELECT revision FROM objects \
         WHERE kind = 'settings' AND revision > $1 AND revision <= $2";
    let row = sqlx::query(statement)
        .bind(signed(after))
        .bind(signed(to))
        .fetch_optional(connection)
        .await?;
    row.map(|row| row.number("revision")).transpose()
}

#[cfg(test)]
mod tests {
    use platen_model::SiteId;
    use uuid::Uuid;

    use super::*;
    use crate::db::{Database, schema};

    /// Users that are worthless and gone in turn, told in pages of so few tombstones: each comes once,
    /// and behind where its page begins, or the box would refuse the page.
    #[test]
    fn full_pages_of_tombstones_tell_each_one_once_and_none_that_the_box_has() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/site.db", folder.path().display());
        smol::block_on(async {
            let database = Database::open(&url).await.unwrap();
            schema::current(&database, 1).await.unwrap();
            let mut tx = database.write().await.unwrap();
            let key = site::make(&mut tx, SiteId(Uuid::nil()), "site", vec![1]).await;
            assert!(key.unwrap());
            let id = |number| RecordId::User(UserId(Uuid::from_bytes([number; 16])));
            let standing = |number: u8| match number % 3 {
                0 => Standing::Gone,
                _ => Standing::Worthless,
            };
            let changes: Vec<_> = (0..20)
                .map(|number| (id(number), standing(number)))
                .collect();
            change(&mut tx, &changes).await.unwrap();
            for limit in 1..=7 {
                let (mut from, mut told) = (0, Vec::new());
                loop {
                    let page = tombstones(&mut tx, from, limit).await.unwrap();
                    assert!(page.iter().all(|one| one.revision > from), "{page:?}");
                    told.extend(page.iter().map(|one| one.id));
                    match page.last() {
                        Some(last) => from = last.revision,
                        None => break,
                    }
                }
                let all: Vec<_> = changes.iter().map(|(id, _)| *id).collect();
                assert_eq!(told, all, "pages of {limit}");
            }
        });
    }
}
