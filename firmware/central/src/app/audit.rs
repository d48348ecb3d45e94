// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The audit log: every administrative change, written in the change's own transaction. Each entry's
//! hash covers the one before it, so that none can be changed or taken out unseen; the last hash is
//! worth writing down elsewhere. Byte map: docs/formats/central-database.md.

use std::fmt::Display;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Actor, Centre, CentreError, Listed, Page};
use crate::db::{self, Tx};

/// Entries that are checked at a time.
const CHECKED_AT_ONCE: u64 = 1000;

/// An entry.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// From 1, without a gap.
    pub sequence: u64,
    /// When, wall milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Who, such as `administrator:` and an id.
    pub actor: String,
    /// What was done, such as `user-created`.
    pub action: String,
    /// To what, such as `user:` and an id.
    pub object: String,
    /// More about it, a JSON object. Holds no secret and nobody's name.
    pub detail: String,
    /// SHA-256 over the hash before and all of this.
    #[serde(skip)]
    pub hash: [u8; 32],
}

/// What a check of the log found.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct AuditVerdict {
    /// Entries that are right, from the first on.
    pub right: u64,
    /// The first one that is wrong or missing.
    pub broken_at: Option<u64>,
    /// SHA-256 of the log up to the last right entry, hexadecimal.
    pub hash: String,
}

impl AuditEntry {
    fn hash_after(&self, before: &[u8; 32]) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        context.update(before);
        context.update(&self.sequence.to_be_bytes());
        context.update(&self.at_unix_ms.to_be_bytes());
        for text in [&self.actor, &self.action, &self.object, &self.detail] {
            let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
            context.update(&length.to_be_bytes());
            context.update(text.as_bytes());
        }
        let digest = context.finish();
        *digest
            .as_ref()
            .first_chunk()
            .expect("SHA-256 gives 32 bytes")
    }
}

impl Centre {
    /// Writes an entry: the last thing a transaction does before it is committed.
    pub(super) async fn record(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        action: &'static str,
        object: impl Display,
        detail: Value,
    ) -> Result<(), CentreError> {
        let end = db::audit::lock_end(tx).await?;
        let mut entry = AuditEntry {
            sequence: end.sequence + 1,
            at_unix_ms: self.now_ms(),
            actor: actor.to_string(),
            action: action.to_owned(),
            object: object.to_string(),
            detail: detail.to_string(),
            hash: [0; 32],
        };
        entry.hash = entry.hash_after(&end.hash);
        db::audit::append(tx, &entry).await
    }

    /// The log, the newest entries first.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn audit(&self, page: Page) -> Result<Listed<AuditEntry>, CentreError> {
        let mut tx = self.read().await?;
        let total = db::audit::read_end(&mut tx).await?.sequence;
        let (rows, next) = db::audit::newest(&mut tx, page.newest()).await?;
        Ok(Listed { rows, total, next })
    }

    /// Checks the whole log.
    ///
    /// # Errors
    /// [`CentreError`], of the database; a broken log is no error but a verdict.
    pub async fn verify_audit(&self) -> Result<AuditVerdict, CentreError> {
        let mut tx = self.read().await?;
        let end = db::audit::read_end(&mut tx).await?;
        let (mut right, mut hash) = (0, [0; 32]);
        let broken_at = 'log: loop {
            let entries = db::audit::after(&mut tx, right, CHECKED_AT_ONCE).await?;
            if entries.is_empty() {
                let whole = right == end.sequence && hash == end.hash;
                break (!whole).then_some(right + 1);
            }
            for entry in entries {
                let expected = entry.hash_after(&hash);
                if entry.sequence != right + 1 || entry.hash != expected {
                    break 'log Some(right + 1);
                }
                (right, hash) = (entry.sequence, expected);
            }
        };
        let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(AuditVerdict {
            right,
            broken_at,
            hash,
        })
    }
}
