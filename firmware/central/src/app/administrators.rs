// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Administrators, their sessions and their tokens for programs.

use std::fmt;

use platen_auth::secret::{self, Secret};
use platen_model::Settings;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::centre::new_uuid;
use super::records::check_name;
use super::secret::Looked;
use super::vault::random;
use super::{Actor, AdministratorId, Centre, CentreError};
use crate::db;

/// How long a session lasts: a working day.
const SESSION_MS: u64 = 12 * 60 * 60 * 1000;
/// Days that a token for a program lasts, at most.
const TOKEN_DAYS_MAX: u64 = 3650;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const MINUTE_MS: u64 = 60_000;

/// An administrator.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Administrator {
    /// The stable id.
    pub id: AdministratorId,
    /// The login name.
    pub name: String,
    /// Whether the administrator may log in.
    pub active: bool,
    /// Wall milliseconds since 1970.
    pub created_unix_ms: u64,
}

/// A token that is worth something, without its text.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub administrator: AdministratorId,
    /// What it is for; empty for a session.
    pub label: String,
    /// Whether it came by a login.
    pub session: bool,
    /// When it was made, wall milliseconds since 1970.
    pub created_unix_ms: u64,
    /// When it runs out, wall milliseconds since 1970.
    pub until_unix_ms: u64,
}

/// A token, told once.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// 64 hexadecimal digits.
    pub token: String,
    /// Whose it is.
    pub administrator: AdministratorId,
    /// When it runs out, wall milliseconds since 1970.
    pub until_unix_ms: u64,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.administrator)
    }
}

impl Centre {
    /// Whether there is anybody who may log in.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn has_administrator(&self) -> Result<bool, CentreError> {
        let many = db::administrators::active(&mut *self.read().await?).await?;
        Ok(many > 0)
    }

    /// Makes an administrator.
    ///
    /// # Errors
    /// [`CentreError::Invalid`]; [`CentreError::Conflict`] when there is one of that name.
    pub async fn create_administrator(
        &self,
        actor: &Actor,
        name: &str,
        password: Secret,
    ) -> Result<AdministratorId, CentreError> {
        let name = check_name("name", name)?;
        secret::check_password(&password)?;
        let hash = self.hash_secret(password).await?;
        let administrator = Administrator {
            id: AdministratorId(new_uuid()?),
            name,
            active: true,
            created_unix_ms: self.now_ms(),
        };
        let id = administrator.id;
        let mut tx = self.write().await?;
        if !db::administrators::insert(&mut tx, &administrator, hash).await? {
            return Err(CentreError::conflict(
                "there is an administrator of that name",
            ));
        }
        let object = format!("administrator:{id}");
        self.record(&mut tx, actor, "administrator-created", object, json!({}))
            .await?;
        tx.commit().await?;
        Ok(id)
    }

    /// All administrators in order of their names.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn administrators(&self) -> Result<Vec<Administrator>, CentreError> {
        db::administrators::all(&mut *self.read().await?).await
    }

    /// Gives an administrator another password. All tokens and sessions end, and the lock as well.
    ///
    /// # Errors
    /// [`CentreError::Invalid`], [`CentreError::Missing`].
    pub async fn set_administrator_password(
        &self,
        actor: &Actor,
        id: AdministratorId,
        password: Secret,
    ) -> Result<(), CentreError> {
        secret::check_password(&password)?;
        let hash = self.hash_secret(password).await?;
        let mut tx = self.write().await?;
        if !db::administrators::set_secret(&mut tx, id, hash).await? {
            return Err(CentreError::missing("administrator"));
        }
        db::administrators::delete_tokens(&mut tx, id).await?;
        db::tries::clear(&mut tx, &id.to_string()).await?;
        let object = format!("administrator:{id}");
        self.record(
            &mut tx,
            actor,
            "administrator-password-set",
            object,
            json!({}),
        )
        .await?;
        tx.commit().await
    }

    /// Lets an administrator in, or not: then all tokens and sessions end.
    ///
    /// # Errors
    /// [`CentreError::Missing`]; [`CentreError::Conflict`] for the last one.
    pub async fn set_administrator_active(
        &self,
        actor: &Actor,
        id: AdministratorId,
        active: bool,
    ) -> Result<(), CentreError> {
        // The site's row keeps two from shutting each other out.
        let (mut tx, _) = self.change().await?;
        if !db::administrators::set_active(&mut tx, id, active).await? {
            return Err(CentreError::missing("administrator"));
        }
        if db::administrators::active(&mut tx).await? == 0 {
            return Err(CentreError::conflict("nobody could log in any more"));
        }
        if !active {
            db::administrators::delete_tokens(&mut tx, id).await?;
        }
        let object = format!("administrator:{id}");
        let detail = json!({ "active": active });
        self.record(&mut tx, actor, "administrator-changed", object, detail)
            .await?;
        tx.commit().await
    }

    /// Logs an administrator in.
    ///
    /// # Errors
    /// [`CentreError::WrongSecret`], [`CentreError::LockedOut`], [`CentreError::Busy`].
    pub async fn login_administrator(
        &self,
        name: &str,
        password: Secret,
    ) -> Result<Session, CentreError> {
        let found = db::administrators::by_name(&mut *self.read().await?, name).await?;
        let subject = found.as_ref().map(|(administrator, hash)| {
            let subject = administrator.id.to_string();
            (subject, hash.clone())
        });
        // Administrators have the limits that a site begins with, whatever it sets for its people.
        let looked = self.look(subject, password, &Settings::default()).await?;
        let administrator = found.map(|(administrator, _)| administrator);
        match (looked, administrator) {
            (Looked::Right, Some(administrator)) if administrator.active => {
                self.begin_session(administrator.id).await
            }
            (Looked::LockedUntil(until), _) => Err(CentreError::LockedOut {
                minutes: until.saturating_sub(self.now_ms()).div_ceil(MINUTE_MS),
            }),
            _ => Err(CentreError::WrongSecret),
        }
    }

    async fn begin_session(&self, id: AdministratorId) -> Result<Session, CentreError> {
        let now = self.now_ms();
        let mut tx = self.write().await?;
        db::administrators::delete_ended_tokens(&mut tx, now).await?;
        let until = now + SESSION_MS;
        let (token, session) = self.new_token(id, String::new(), true, until)?;
        let lookup = self.inner.vault.token_key(&session.token);
        db::administrators::insert_token(&mut tx, &token, lookup).await?;
        let actor = Actor::Administrator(id);
        let object = format!("administrator:{id}");
        self.record(
            &mut tx,
            &actor,
            "administrator-logged-in",
            object,
            json!({}),
        )
        .await?;
        tx.commit().await?;
        Ok(session)
    }

    fn new_token(
        &self,
        administrator: AdministratorId,
        label: String,
        session: bool,
        until_unix_ms: u64,
    ) -> Result<(Token, Session), CentreError> {
        let secret = random::<32>()?;
        let text = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let token = Token {
            id: new_uuid()?,
            administrator,
            label,
            session,
            created_unix_ms: self.now_ms(),
            until_unix_ms,
        };
        let told = Session {
            token: text,
            administrator,
            until_unix_ms,
        };
        Ok((token, told))
    }

    /// Whose token it is, while it is worth something.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn administrator_of(
        &self,
        token: &str,
    ) -> Result<Option<Administrator>, CentreError> {
        let lookup = self.inner.vault.token_key(token);
        let now = self.now_ms();
        db::administrators::by_token(&mut *self.read().await?, lookup, now).await
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn log_out(&self, token: &str) -> Result<(), CentreError> {
        let lookup = self.inner.vault.token_key(token);
        let mut tx = self.write().await?;
        db::administrators::delete_token_by_key(&mut tx, lookup).await?;
        tx.commit().await
    }

    /// Makes a token for a program.
    ///
    /// # Errors
    /// [`CentreError::Invalid`], [`CentreError::Missing`].
    pub async fn issue_token(
        &self,
        actor: &Actor,
        id: AdministratorId,
        label: &str,
        days: u64,
    ) -> Result<Session, CentreError> {
        let label = check_name("label", label)?;
        if !(1..=TOKEN_DAYS_MAX).contains(&days) {
            let why = format!("must be 1 to {TOKEN_DAYS_MAX}");
            return Err(CentreError::invalid("days", why));
        }
        let mut tx = self.write().await?;
        let known = db::administrators::by_id(&mut tx, id).await?;
        if known.is_none_or(|administrator| !administrator.active) {
            return Err(CentreError::missing("administrator"));
        }
        let until = self.now_ms() + days * DAY_MS;
        let (token, session) = self.new_token(id, label, false, until)?;
        let lookup = self.inner.vault.token_key(&session.token);
        db::administrators::insert_token(&mut tx, &token, lookup).await?;
        let object = format!("token:{}", token.id);
        let detail = json!({ "administrator": id.to_string(), "until_unix_ms": until });
        self.record(&mut tx, actor, "token-issued", object, detail)
            .await?;
        tx.commit().await?;
        Ok(session)
    }

    /// An administrator's tokens, the newest first.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn tokens(&self, id: AdministratorId) -> Result<Vec<Token>, CentreError> {
        db::administrators::tokens(&mut *self.read().await?, id).await
    }

    /// Ends a token.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn revoke_token(&self, actor: &Actor, id: Uuid) -> Result<(), CentreError> {
        let mut tx = self.write().await?;
        if !db::administrators::delete_token(&mut tx, id).await? {
            return Err(CentreError::missing("token"));
        }
        let object = format!("token:{}", id.hyphenated());
        self.record(&mut tx, actor, "token-revoked", object, json!({}))
            .await?;
        tx.commit().await
    }
}
