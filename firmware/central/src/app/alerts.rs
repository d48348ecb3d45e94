// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a person should look at: boxes put back from a backup, jobs released twice, quotas overspent.

use platen_model::NodeId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::vault::random;
use super::{Actor, Centre, CentreError, Listed, Page};
use crate::db::{self, Tx};

/// What a person should look at.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Its id.
    pub id: Uuid,
    /// When, wall milliseconds since 1970.
    pub at_unix_ms: u64,
    /// What: `journal-forked`, `entries-lost`, `double-release`, `overspent`, `binding-refused`,
    /// `code-used-twice`, `lost-box-is-back`, `update-fell-back`, `update-refused`, `update-failed`.
    pub kind: String,
    /// At which box.
    pub node: Option<NodeId>,
    /// What it is about, such as `job:` and an id.
    pub object: Option<String>,
    /// More about it, a JSON object.
    pub detail: String,
    /// When somebody saw to it.
    pub settled_unix_ms: Option<u64>,
    /// Who.
    pub settled_by: Option<String>,
}

impl Centre {
    pub(super) async fn raise(
        &self,
        tx: &mut Tx,
        kind: &'static str,
        node: Option<NodeId>,
        object: Option<String>,
        detail: Value,
    ) -> Result<(), CentreError> {
        let at_unix_ms = self.now_ms();
        let id = uuid::Builder::from_unix_timestamp_millis(at_unix_ms, &random()?).into_uuid();
        log::warn!(alert = kind, node:? = node; "somebody should look at this");
        let alert = Alert {
            id,
            at_unix_ms,
            kind: kind.to_owned(),
            node,
            object,
            detail: detail.to_string(),
            settled_unix_ms: None,
            settled_by: None,
        };
        db::alerts::insert(tx, &alert).await
    }

    /// Alerts, the newest first; only those that nobody has seen to when `open_only`.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn alerts(&self, open_only: bool, page: Page) -> Result<Listed<Alert>, CentreError> {
        let mut tx = self.read().await?;
        db::alerts::page(&mut tx, open_only, page.newest()).await
    }

    /// Notes that somebody has seen to an alert.
    ///
    /// # Errors
    /// [`CentreError::Missing`] when there is no such open alert.
    pub async fn settle_alert(&self, actor: &Actor, id: Uuid) -> Result<(), CentreError> {
        let mut tx = self.write().await?;
        let now = self.now_ms();
        if !db::alerts::settle(&mut tx, id, now, &actor.to_string()).await? {
            return Err(CentreError::missing("open alert"));
        }
        self.record(
            &mut tx,
            actor,
            "alert-settled",
            format!("alert:{id}"),
            json!({}),
        )
        .await?;
        tx.commit().await
    }
}
