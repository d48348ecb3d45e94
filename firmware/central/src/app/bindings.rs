// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What boxes say of credentials: cards and fingers that they bound, codes that were used, locks.

use ciborium::Value;
use platen_model::{
    CardKey, CredentialId, CredentialKind, CredentialRecord, NodeId, RecordId, Settings, Stamp,
    UserId,
};
use platen_sync::card::rekey;
use serde_json::json;

use super::credentials::{check_card_free, check_finger, kind_name, remove_all, sealed_template};
use super::{Actor, Centre, CentreError};
use crate::db::objects::Standing;
use crate::db::{self, Tx, site::Site};

/// How long a box's word can lock a credential.
const LOCK_MS_MAX: u64 = 24 * 60 * 60 * 1000;

impl Centre {
    /// A card or finger that a box bound: it is confirmed, or the box is told that it is worth
    /// nothing.
    pub(super) async fn confirm(
        &self,
        tx: &mut Tx,
        node: NodeId,
        mut credential: CredentialRecord,
        keys: u32,
    ) -> Result<(), CentreError> {
        let site = db::site::lock(tx).await?;
        let object = RecordId::Credential(credential.id);
        if db::credentials::by_id(tx, credential.id).await?.is_some() {
            // Known already: a box that was put back from a backup says it again.
            return Ok(());
        }
        let name = format!("credential:{}", credential.id);
        if let Some(why) = self.made_ours(tx, &site, &mut credential, keys).await? {
            db::objects::change(tx, &[(object, Standing::Gone)]).await?;
            let detail = json!({ "user": credential.user.to_string(), "why": why });
            return self
                .raise(tx, "binding-refused", Some(node), Some(name), detail)
                .await;
        }
        credential.provisional = false;
        db::credentials::put(tx, std::slice::from_ref(&credential)).await?;
        db::objects::change(tx, &[(object, Standing::Kept)]).await?;
        let kind = kind_name(&credential.kind);
        let detail = json!({ "kind": kind, "user": credential.user.to_string() });
        self.record(tx, &Actor::Node(node), "credential-confirmed", name, detail)
            .await
    }

    /// Puts a credential into the form in which it is kept here, or says why it is not taken.
    async fn made_ours(
        &self,
        tx: &mut Tx,
        site: &Site,
        credential: &mut CredentialRecord,
        keys: u32,
    ) -> Result<Option<String>, CentreError> {
        let user = credential.user;
        match &mut credential.kind {
            CredentialKind::Card { key, .. } => {
                let site_keys = self.keys_of(site)?.keys;
                let behind = usize::try_from(keys).unwrap_or(usize::MAX);
                match site_keys.get(behind..) {
                    Some(newer) if keys > 0 => {
                        *key = newer.iter().fold(*key, rekey);
                        self.refusal(tx, &site.settings, user, *key).await
                    }
                    _ => Ok(Some(
                        "its hash is under keys that the site does not have".to_owned(),
                    )),
                }
            }
            // Taken by an operator of the box: people's own wish is not needed.
            CredentialKind::Finger { part, template } => {
                if let Some(why) = inactive(tx, user).await? {
                    return Ok(Some(why));
                }
                if let Err(why) = refused(check_finger(tx, user).await)? {
                    return Ok(Some(why));
                }
                match refused(sealed_template(&self.inner.vault, part, template))? {
                    Ok(sealed) => {
                        (*part, *template) = sealed;
                        Ok(None)
                    }
                    Err(why) => Ok(Some(why)),
                }
            }
            _ => Ok(Some("only cards and fingers are bound at a box".to_owned())),
        }
    }

    async fn refusal(
        &self,
        tx: &mut Tx,
        settings: &Settings,
        user: UserId,
        key: CardKey,
    ) -> Result<Option<String>, CentreError> {
        if !settings.self_enrolment {
            return Ok(Some("people do not bind cards themselves here".to_owned()));
        }
        if let Some(why) = inactive(tx, user).await? {
            return Ok(Some(why));
        }
        Ok(refused(check_card_free(tx, user, key).await)?.err())
    }

    /// A box says that a code was used there. Of one that it asked the centre about this is known.
    pub(super) async fn used_code(
        &self,
        tx: &mut Tx,
        node: NodeId,
        code: CredentialId,
    ) -> Result<(), CentreError> {
        db::site::lock(tx).await?;
        match db::credentials::by_id(tx, code).await? {
            Some(known) if matches!(known.kind, CredentialKind::Code { .. }) => {
                self.spend_code(tx, node, &known).await
            }
            // No word of a box takes another credential away.
            Some(_) => Ok(()),
            None => {
                let used = db::codes::used(tx, code).await?;
                if used.is_some_and(|(by, _)| by == node) {
                    return Ok(());
                }
                // Used elsewhere before, or taken away: this box did not know that yet.
                let object = Some(format!("credential:{code}"));
                self.raise(tx, "code-used-twice", Some(node), object, json!({}))
                    .await
            }
        }
    }

    /// Takes a code away and remembers where it was used. The caller holds the site's row.
    pub(super) async fn spend_code(
        &self,
        tx: &mut Tx,
        node: NodeId,
        code: &CredentialRecord,
    ) -> Result<(), CentreError> {
        db::codes::remember(tx, code, node, self.now_ms()).await?;
        remove_all(tx, std::slice::from_ref(code)).await
    }

    /// A box locked a credential. Its clock may be wrong, so what counts is how long it says so for.
    pub(super) async fn lock(
        &self,
        tx: &mut Tx,
        credential: CredentialId,
        until_unix_ms: u64,
        at: Stamp,
    ) -> Result<(), CentreError> {
        let left = until_unix_ms.saturating_sub(at.unix_ms).min(LOCK_MS_MAX);
        if left == 0 || db::credentials::by_id(tx, credential).await?.is_none() {
            return Ok(());
        }
        let until = self.now_ms().saturating_add(left);
        db::tries::lock(tx, &credential.to_string(), until).await
    }
}

/// Why nothing is bound to this person, if so.
async fn inactive(tx: &mut Tx, user: UserId) -> Result<Option<String>, CentreError> {
    let known = db::users::by_id(tx, user).await?;
    let is_active = known.is_some_and(|user| user.active);
    Ok((!is_active).then(|| "the person may not log in".to_owned()))
}

/// Tells what stands against a credential from what went wrong while looking.
fn refused<T>(checked: Result<T, CentreError>) -> Result<Result<T, String>, CentreError> {
    match checked {
        Ok(fine) => Ok(Ok(fine)),
        Err(CentreError::Conflict { why }) => Ok(Err(why)),
        Err(error @ CentreError::Invalid { .. }) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

/// An entry as it is kept: without a finger's template, which rests sealed and nowhere else. What this
/// program does not know of it stays.
pub(super) fn without_template(entry: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let Ok(mut value) = ciborium::from_reader::<Value, _>(entry) else {
        return entry.to_vec();
    };
    match blank(&mut value) && ciborium::into_writer(&value, &mut kept).is_ok() {
        true => kept,
        false => entry.to_vec(),
    }
}

/// Empties everything that is called a template; says whether there was one. As deep as the reader of
/// CBOR goes, which has a limit.
fn blank(value: &mut Value) -> bool {
    let mut found = false;
    match value {
        Value::Map(pairs) => {
            for (key, value) in pairs {
                if key.as_text() == Some("template") {
                    *value = Value::Bytes(Vec::new());
                    found = true;
                } else {
                    found |= blank(value);
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                found |= blank(value);
            }
        }
        Value::Tag(_, value) => found = blank(value),
        _ => {}
    }
    found
}
