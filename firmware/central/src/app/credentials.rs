// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What people prove who they are by. Hashes go in and never come out again, but to boxes.

use std::fmt;

use platen_auth::Code;
use platen_auth::secret::{self, Secret, SecretFault};
use platen_model::{CardKey, CredentialId, CredentialKind, CredentialRecord, RecordId, UserId};
use platen_sync::card::{card_key, code_key};
use platen_sync::limits::TEMPLATE_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::centre::new_uuid;
use super::records::{CARDS_MAX, card_number, check_name};
use super::vault::Kept;
use super::{Actor, Centre, CentreError, Vault};
use crate::db::objects::Standing;
use crate::db::{self, Tx, site::Site};

/// Minutes that a code is good for, at most.
const CODE_MINUTES_MAX: u64 = 30 * 24 * 60;
/// Fingers of a person, at most.
const FINGERS_MAX: usize = 10;
const MINUTE_MS: u64 = 60_000;
/// Credentials that ran out and are taken away at a time.
const ENDED_AT_ONCE: u64 = 500;

/// A credential without what it is checked by.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub user: UserId,
    /// `card`, `pin`, `password`, `finger` or `code`.
    pub kind: String,
    /// Whether a card asks for the PIN as well.
    pub with_pin: bool,
    /// Wall milliseconds since 1970 after which it is worth nothing.
    pub until_unix_ms: Option<u64>,
    /// Too many wrong tries: until when, wall milliseconds since 1970; 0 for not.
    pub locked_until_unix_ms: u64,
}

/// A card to be bound.
#[derive(Clone, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewCard {
    /// 4, 7, 8 or 10 bytes in hexadecimal.
    pub number: String,
    /// Whether the PIN is asked as well.
    pub with_pin: bool,
    /// Whether a card of this number that can't prove it is refused.
    pub proved: bool,
    /// Wall milliseconds since 1970 after which it is worth nothing.
    pub until_unix_ms: Option<u64>,
}

/// A one-time code, told once.
#[derive(Clone, Serialize, Deserialize)]
pub struct IssuedCode {
    /// Its id.
    pub id: CredentialId,
    /// Eight letters and digits, in two parts.
    pub code: String,
    /// Wall milliseconds since 1970 after which it is worth nothing.
    pub until_unix_ms: u64,
}

impl fmt::Debug for IssuedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IssuedCode({})", self.id)
    }
}

impl From<SecretFault> for CentreError {
    fn from(fault: SecretFault) -> Self {
        Self::invalid("secret", fault)
    }
}

pub(super) fn kind_name(kind: &CredentialKind) -> &'static str {
    match kind {
        CredentialKind::Card { .. } => "card",
        CredentialKind::Pin { .. } => "pin",
        CredentialKind::Password { .. } => "password",
        CredentialKind::Finger { .. } => "finger",
        CredentialKind::Code { .. } => "code",
        _ => "other",
    }
}

impl Centre {
    /// What a person has.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn credentials(&self, user: UserId) -> Result<Vec<Credential>, CentreError> {
        let mut tx = self.read().await?;
        let mut listed = Vec::new();
        for credential in db::credentials::of_users(&mut tx, &[user]).await? {
            let subject = credential.id.to_string();
            listed.push(Credential {
                id: credential.id,
                user,
                kind: kind_name(&credential.kind).to_owned(),
                with_pin: matches!(credential.kind, CredentialKind::Card { with_pin: true, .. }),
                until_unix_ms: credential.until_unix_ms,
                locked_until_unix_ms: db::tries::locked_until(&mut tx, &subject).await?,
            });
        }
        Ok(listed)
    }

    /// Binds a card to a person.
    ///
    /// # Errors
    /// [`CentreError::Invalid`], [`CentreError::Missing`]; [`CentreError::Conflict`] when it is
    /// somebody's already or the person has 16.
    pub async fn bind_card(
        &self,
        actor: &Actor,
        user: UserId,
        card: NewCard,
    ) -> Result<CredentialId, CentreError> {
        let number = card_number(&card.number)?;
        let (mut tx, site) = self.change().await?;
        let key = card_key(&self.keys_of(&site)?, site.keys, &number);
        let key = key.ok_or(CentreError::corrupt("list of card keys"))?;
        check_card_free(&mut tx, user, key).await?;
        let kind = CredentialKind::Card {
            key,
            with_pin: card.with_pin,
            proved: card.proved,
        };
        self.add(tx, actor, user, kind, card.until_unix_ms).await
    }

    /// Gives a person a PIN, in place of the one there was.
    ///
    /// # Errors
    /// [`CentreError::Invalid`] for one that is too easy, [`CentreError::Missing`].
    pub async fn set_pin(
        &self,
        actor: &Actor,
        user: UserId,
        pin: Secret,
    ) -> Result<CredentialId, CentreError> {
        secret::check_pin(&pin)?;
        let hash = self.hash_secret(pin).await?;
        let kind = CredentialKind::Pin { hash };
        self.set(actor, user, kind).await
    }

    /// Gives a person a password, in place of the one there was.
    ///
    /// # Errors
    /// [`CentreError::Invalid`] for one that is too short, [`CentreError::Missing`].
    pub async fn set_password(
        &self,
        actor: &Actor,
        user: UserId,
        password: Secret,
    ) -> Result<CredentialId, CentreError> {
        secret::check_password(&password)?;
        let hash = self.hash_secret(password).await?;
        let kind = CredentialKind::Password { hash };
        self.set(actor, user, kind).await
    }

    /// Keeps the template of a finger. `part`: the family of sensors it is for, such as `bmlite`.
    ///
    /// # Errors
    /// [`CentreError::Invalid`], [`CentreError::Missing`]; [`CentreError::Conflict`] when the person
    /// has ten.
    pub async fn enrol_finger(
        &self,
        actor: &Actor,
        user: UserId,
        part: &str,
        template: &[u8],
    ) -> Result<CredentialId, CentreError> {
        let (part, template) = sealed_template(&self.inner.vault, part, template)?;
        let (mut tx, _) = self.change().await?;
        check_finger(&mut tx, user).await?;
        let kind = CredentialKind::Finger { part, template };
        self.add(tx, actor, user, kind, None).await
    }

    /// Gives a person a code that is good for one login or for binding one card.
    ///
    /// # Errors
    /// [`CentreError::Invalid`] for more than 30 days, [`CentreError::Missing`].
    pub async fn issue_code(
        &self,
        actor: &Actor,
        user: UserId,
        minutes: u64,
    ) -> Result<IssuedCode, CentreError> {
        if !(1..=CODE_MINUTES_MAX).contains(&minutes) {
            let why = format!("must be 1 to {CODE_MINUTES_MAX}");
            return Err(CentreError::invalid("minutes", why));
        }
        let code = Code::generate().map_err(|_| CentreError::System)?;
        let code = code.shown().to_string();
        let until_unix_ms = self.now_ms() + minutes * MINUTE_MS;
        let (mut tx, site) = self.change().await?;
        let ended = db::credentials::ended(&mut tx, self.now_ms(), ENDED_AT_ONCE).await?;
        remove_all(&mut tx, &ended).await?;
        let key = code_key(&self.keys_of(&site)?, site.keys, &code);
        let key = key.ok_or(CentreError::corrupt("list of card keys"))?;
        let kind = CredentialKind::Code { key };
        let id = self.add(tx, actor, user, kind, Some(until_unix_ms)).await?;
        Ok(IssuedCode {
            id,
            code,
            until_unix_ms,
        })
    }

    /// Takes a credential away.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn remove_credential(
        &self,
        actor: &Actor,
        id: CredentialId,
    ) -> Result<(), CentreError> {
        let (mut tx, _) = self.change().await?;
        let credential = db::credentials::by_id(&mut tx, id).await?;
        let credential = credential.ok_or(CentreError::missing("credential"))?;
        let detail = detail(&credential);
        remove_all(&mut tx, &[credential]).await?;
        let object = format!("credential:{id}");
        self.record(&mut tx, actor, "credential-removed", object, detail)
            .await?;
        tx.commit().await
    }

    /// Forgets the wrong tries of a credential, here; a box that locked it opens it after its time.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn unlock(&self, actor: &Actor, id: CredentialId) -> Result<(), CentreError> {
        let mut tx = self.write().await?;
        let credential = db::credentials::by_id(&mut tx, id).await?;
        let credential = credential.ok_or(CentreError::missing("credential"))?;
        db::tries::clear(&mut tx, &id.to_string()).await?;
        let object = format!("credential:{id}");
        self.record(
            &mut tx,
            actor,
            "credential-unlocked",
            object,
            detail(&credential),
        )
        .await?;
        tx.commit().await
    }

    /// In place of what the person has of that kind, with its id: a box keeps one count of wrong tries.
    async fn set(
        &self,
        actor: &Actor,
        user: UserId,
        kind: CredentialKind,
    ) -> Result<CredentialId, CentreError> {
        let (mut tx, _) = self.change().await?;
        let has = db::credentials::of_users(&mut tx, &[user]).await?;
        let same = has
            .iter()
            .find(|one| kind_name(&one.kind) == kind_name(&kind));
        let id = same.map(|one| one.id);
        if let Some(id) = id {
            db::tries::clear(&mut tx, &id.to_string()).await?;
        }
        self.put(tx, actor, user, id, kind, None).await
    }

    async fn add(
        &self,
        tx: Tx,
        actor: &Actor,
        user: UserId,
        kind: CredentialKind,
        until_unix_ms: Option<u64>,
    ) -> Result<CredentialId, CentreError> {
        self.put(tx, actor, user, None, kind, until_unix_ms).await
    }

    async fn put(
        &self,
        mut tx: Tx,
        actor: &Actor,
        user: UserId,
        id: Option<CredentialId>,
        kind: CredentialKind,
        until_unix_ms: Option<u64>,
    ) -> Result<CredentialId, CentreError> {
        if db::users::by_id(&mut tx, user).await?.is_none() {
            return Err(CentreError::missing("user"));
        }
        let action = match id {
            Some(_) => "credential-changed",
            None => "credential-added",
        };
        let id = id.map_or_else(|| new_uuid().map(CredentialId), Ok)?;
        let credential = CredentialRecord {
            id,
            user,
            kind,
            until_unix_ms,
            provisional: false,
        };
        db::credentials::put(&mut tx, std::slice::from_ref(&credential)).await?;
        let changed = [(RecordId::Credential(id), Standing::Kept)];
        db::objects::change(&mut tx, &changed).await?;
        let object = format!("credential:{id}");
        self.record(&mut tx, actor, action, object, detail(&credential))
            .await?;
        tx.commit().await?;
        Ok(id)
    }

    /// The keyed hash of a card or code as it is kept, for one that may lack the newest keys: one of
    /// the answers. The others are hashes that nothing has.
    pub(super) fn keys_from(&self, site: &Site, key: CardKey) -> Result<Vec<CardKey>, CentreError> {
        let keys = self.keys_of(site)?.keys;
        let tails = (1..=keys.len()).filter_map(|from| keys.get(from..));
        let with =
            |tail: &[platen_sync::message::Hash]| tail.iter().fold(key, platen_sync::card::rekey);
        Ok(tails.map(with).collect())
    }
}

/// Takes credentials away and says so to boxes. The caller holds the site's row.
pub(super) async fn remove_all(
    tx: &mut Tx,
    credentials: &[CredentialRecord],
) -> Result<(), CentreError> {
    let ids: Vec<CredentialId> = credentials.iter().map(|one| one.id).collect();
    db::credentials::delete(tx, &ids).await?;
    let gone = ids
        .iter()
        .map(|id| (RecordId::Credential(*id), Standing::Gone));
    let gone: Vec<_> = gone.collect();
    db::objects::change(tx, &gone).await
}

/// Whether a person may have one more finger.
pub(super) async fn check_finger(tx: &mut Tx, user: UserId) -> Result<(), CentreError> {
    let has = db::credentials::of_users(tx, &[user]).await?;
    let fingers = has.iter().filter(|one| kind_name(&one.kind) == "finger");
    match fingers.count() < FINGERS_MAX {
        true => Ok(()),
        false => Err(CentreError::conflict(
            "the person has ten fingers here: remove one first",
        )),
    }
}

/// A finger as it is kept: the family of sensors it is for, and its template, sealed.
pub(super) fn sealed_template(
    vault: &Vault,
    part: &str,
    template: &[u8],
) -> Result<(String, Vec<u8>), CentreError> {
    if template.is_empty() || template.len() > TEMPLATE_BYTES_MAX {
        let why = format!("must be 1 to {TEMPLATE_BYTES_MAX} bytes");
        return Err(CentreError::invalid("template", why));
    }
    let part = check_name("part", part)?;
    Ok((part, vault.seal(Kept::Template, template)?))
}

/// Whether a card may be bound to a person.
pub(super) async fn check_card_free(
    tx: &mut Tx,
    user: UserId,
    key: CardKey,
) -> Result<(), CentreError> {
    if let Some(other) = db::credentials::by_keys(tx, &[key]).await?.first() {
        let why = match other.user == user {
            true => "the person has this card already",
            false => "the card belongs to somebody else: take it away there first",
        };
        return Err(CentreError::conflict(why));
    }
    let has = db::credentials::of_users(tx, &[user]).await?;
    let cards = has.iter().filter(|one| kind_name(&one.kind) == "card");
    if cards.count() >= CARDS_MAX {
        let why = format!("the person has {CARDS_MAX} cards: take one away first");
        return Err(CentreError::conflict(why));
    }
    Ok(())
}

fn detail(credential: &CredentialRecord) -> Value {
    json!({ "kind": kind_name(&credential.kind), "user": credential.user.to_string() })
}
