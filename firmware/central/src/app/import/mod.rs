// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Takes people from a CSV file. The file has the last word on everybody it names: cards, aliases and
//! groups become what it lists, so that a lost card ends by leaving it out; people it does not name,
//! and columns it does not have, stay as they are. A person with a refused row keeps what was known,
//! but for what another row was given.
//!
//! Good rows are taken some hundred people at a time, each part in a transaction of its own: other
//! work goes on in between, and a file that was stopped half way can be taken again. Each part has its
//! own entry in the audit log, and the whole file one at its end.

mod merge;
mod rows;

use std::collections::HashMap;
use std::io::Read;

use platen_model::GroupId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::groups;
use super::{Actor, Centre, CentreError};
use crate::db;
use crate::db::users::name_key;

use merge::Part;
use rows::{Person, Rows};

pub use rows::IMPORT_BYTES_MAX;

/// People that are taken in one transaction.
const AT_ONCE: usize = 500;

/// What became of an import.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct ImportReport {
    /// People that are new.
    pub users_added: u64,
    /// People that were known and are another way now.
    pub users_changed: u64,
    /// Cards that were bound.
    pub cards_bound: u64,
    /// PINs and passwords that were set.
    pub secrets_set: u64,
    /// Groups that are new.
    pub groups_added: u64,
    /// Rows that were not taken.
    pub refused: u64,
    /// Those of them that were found first, at most 1,000, by line of the file, with what is wrong.
    pub errors: Vec<(usize, String)>,
}

impl Centre {
    /// Takes people from a CSV file with the columns `user`, `name`, `card`, `aliases`, `active`,
    /// `number`, `groups`, `pin` and `password`, of which `user` is needed (docs/manual). Cards and
    /// aliases and groups of one person are separated by `;`. Groups that there are not are made.
    /// Reads `file` on a thread for blocking work, at most 64 MiB and 100,000 rows.
    ///
    /// # Errors
    /// [`CentreError::File`] when the whole file can't be taken. When the database fails half way, what
    /// was taken before stays.
    pub async fn import_users(
        &self,
        actor: &Actor,
        file: impl Read + Send + 'static,
    ) -> Result<ImportReport, CentreError> {
        let rows = smol::unblock(move || rows::read(file)).await?;
        let Rows {
            columns,
            mut people,
            mut refusals,
            in_file,
        } = rows;
        let mut report = ImportReport::default();
        let groups = self.groups_for(actor, &people, &mut report).await?;
        let mut hashes = self.hash_all(&mut people).await?;
        let mut rest = people;
        while !rest.is_empty() {
            let later = rest.split_off(rest.len().min(AT_ONCE));
            let part = Part {
                columns,
                people: std::mem::replace(&mut rest, later),
                groups: &groups,
                in_file: &in_file,
                hashes: &mut hashes,
            };
            self.take_part(actor, part, &mut refusals, &mut report)
                .await?;
        }
        report.refused = refusals.count();
        report.errors = refusals.finish();
        let mut tx = self.write().await?;
        let detail = json!({
            "added": report.users_added,
            "changed": report.users_changed,
            "cards": report.cards_bound,
            "secrets": report.secrets_set,
            "refused": report.refused,
        });
        self.record(&mut tx, actor, "users-imported", "users", detail)
            .await?;
        tx.commit().await?;
        Ok(report)
    }

    /// Groups by the normal form of their names; those that there are not are made.
    async fn groups_for(
        &self,
        actor: &Actor,
        people: &[Person],
        report: &mut ImportReport,
    ) -> Result<HashMap<String, GroupId>, CentreError> {
        let mut wanted: HashMap<String, &str> = HashMap::new();
        let rows = people.iter().flat_map(|person| &person.rows);
        for group in rows.flat_map(|row| &row.groups) {
            wanted.entry(name_key(group)).or_insert(group);
        }
        let keys: Vec<String> = wanted.keys().cloned().collect();
        let (mut tx, _) = self.change().await?;
        let mut known = db::groups::by_names(&mut tx, &keys).await?;
        wanted.retain(|key, _| !known.contains_key(key));
        for (key, name) in wanted {
            let id = groups::make(&mut tx, name).await?;
            known.insert(key, id);
            report.groups_added += 1;
            let object = format!("group:{id}");
            self.record(&mut tx, actor, "group-created", object, json!({}))
                .await?;
        }
        tx.commit().await?;
        Ok(known)
    }

    /// Hashes all PINs and passwords, before any transaction, as it takes its time.
    async fn hash_all(
        &self,
        people: &mut [Person],
    ) -> Result<HashMap<(String, &'static str), String>, CentreError> {
        let mut hashes = HashMap::new();
        for person in people {
            for row in &mut person.rows {
                for (kind, secret) in [("pin", row.pin.take()), ("password", row.password.take())] {
                    if let Some(secret) = secret {
                        let hash = self.hash_secret(secret).await?;
                        hashes.insert((person.key.clone(), kind), hash);
                    }
                }
            }
        }
        Ok(hashes)
    }
}
