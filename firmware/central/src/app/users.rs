// SPDX-License-Identifier: Apache-2.0 OR MIT
//! People.

use std::collections::HashSet;

use platen_model::{GroupId, RecordId, UserId, UserRecord};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::centre::new_uuid;
use super::records::{ALIASES_MAX, GROUPS_MAX, USERS_MAX, check_name, check_number, check_text};
use super::{Actor, Centre, CentreError, Listed, Page};
use crate::db::objects::Standing;
use crate::db::users::name_key;
use crate::db::{self, Tx};

/// Which people.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserFilter {
    /// Part of the login name or the name, or the number.
    pub text: Option<String>,
    /// Members of this group.
    pub group: Option<GroupId>,
}

/// A new person.
#[derive(Clone, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NewUser {
    /// The login name.
    pub login: String,
    /// The name for people.
    pub name: String,
    /// Other names this person prints under.
    pub aliases: Vec<String>,
    /// What is typed before the PIN, 1 to 12 digits.
    pub number: Option<String>,
    /// Groups the person is in.
    pub groups: Vec<GroupId>,
}

/// What is to be another way; what is left out stays.
#[derive(Clone, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserChange {
    /// The login name.
    pub login: Option<String>,
    /// The name for people.
    pub name: Option<String>,
    /// Other names this person prints under.
    pub aliases: Option<Vec<String>>,
    /// What is typed before the PIN; empty for none.
    pub number: Option<String>,
    /// Groups the person is in.
    pub groups: Option<Vec<GroupId>>,
    /// Whether the person may log in.
    pub active: Option<bool>,
}

impl UserChange {
    fn fields(&self) -> Vec<&'static str> {
        let all = [
            ("login", self.login.is_some()),
            ("name", self.name.is_some()),
            ("aliases", self.aliases.is_some()),
            ("number", self.number.is_some()),
            ("groups", self.groups.is_some()),
            ("active", self.active.is_some()),
        ];
        all.iter()
            .filter(|(_, set)| *set)
            .map(|(f, _)| *f)
            .collect()
    }
}

impl Centre {
    /// People in order of their login names.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn users(
        &self,
        filter: &UserFilter,
        page: Page,
    ) -> Result<Listed<UserRecord>, CentreError> {
        let mut tx = self.read().await?;
        let text = filter.text.as_deref();
        let found = db::users::page(&mut tx, text, filter.group, page.bounds()).await?;
        let (rows, total) = found;
        Ok(Listed {
            rows,
            total,
            next: None,
        })
    }

    /// One person.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn user(&self, id: UserId) -> Result<UserRecord, CentreError> {
        let user = db::users::by_id(&mut *self.read().await?, id).await?;
        user.ok_or(CentreError::missing("user"))
    }

    /// The person with this login name or alias.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn user_by_name(&self, name: &str) -> Result<UserRecord, CentreError> {
        let mut tx = self.read().await?;
        let key = name_key(name);
        let owners = db::users::owners_of_names(&mut tx, std::slice::from_ref(&key)).await?;
        let (id, _) = owners.get(&key).ok_or(CentreError::missing("user"))?;
        let user = db::users::by_id(&mut tx, *id).await?;
        user.ok_or(CentreError::missing("user"))
    }

    /// Makes a person known.
    ///
    /// # Errors
    /// [`CentreError::Invalid`], [`CentreError::Conflict`] when a name or number is somebody else's,
    /// [`CentreError::Missing`] for a group that there is not.
    pub async fn create_user(&self, actor: &Actor, new: NewUser) -> Result<UserId, CentreError> {
        let id = UserId(new_uuid()?);
        let user = checked(UserRecord {
            id,
            login: new.login,
            name: new.name,
            aliases: new.aliases,
            number: new.number,
            groups: new.groups,
            active: true,
        })?;
        let (mut tx, _) = self.change().await?;
        if db::users::total(&mut tx).await? >= USERS_MAX {
            let why = format!("there are {USERS_MAX} users already");
            return Err(CentreError::conflict(why));
        }
        put(&mut tx, &user).await?;
        db::objects::change(&mut tx, &[(RecordId::User(id), Standing::Kept)]).await?;
        let object = format!("user:{id}");
        self.record(&mut tx, actor, "user-created", object, json!({}))
            .await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Changes a person.
    ///
    /// # Errors
    /// As [`Self::create_user`]; [`CentreError::Missing`].
    pub async fn change_user(
        &self,
        actor: &Actor,
        id: UserId,
        change: UserChange,
    ) -> Result<(), CentreError> {
        let (mut tx, _) = self.change().await?;
        let before = db::users::by_id(&mut tx, id).await?;
        let before = before.ok_or(CentreError::missing("user"))?;
        let detail = json!({ "fields": change.fields() });
        let was_active = before.active;
        let user = checked(UserRecord {
            id,
            login: change.login.unwrap_or(before.login),
            name: change.name.unwrap_or(before.name),
            aliases: change.aliases.unwrap_or(before.aliases),
            number: change.number.or(before.number),
            groups: change.groups.unwrap_or(before.groups),
            active: change.active.unwrap_or(before.active),
        })?;
        put(&mut tx, &user).await?;
        tell_of(&mut tx, &[(user, was_active)]).await?;
        let object = format!("user:{id}");
        self.record(&mut tx, actor, "user-changed", object, detail)
            .await?;
        tx.commit().await
    }

    /// Takes a person away, with everything by which they log in. What they printed stays charged to
    /// their id.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn delete_user(&self, actor: &Actor, id: UserId) -> Result<(), CentreError> {
        let (mut tx, _) = self.change().await?;
        if db::users::by_id(&mut tx, id).await?.is_none() {
            return Err(CentreError::missing("user"));
        }
        let credentials = db::credentials::of_users(&mut tx, &[id]).await?;
        let credentials: Vec<_> = credentials.into_iter().map(|one| one.id).collect();
        db::credentials::delete(&mut tx, &credentials).await?;
        db::users::delete(&mut tx, id).await?;
        let gone = credentials.iter().map(|id| RecordId::Credential(*id));
        let gone = std::iter::once(RecordId::User(id)).chain(gone);
        let gone: Vec<_> = gone.map(|id| (id, Standing::Gone)).collect();
        db::objects::change(&mut tx, &gone).await?;
        let detail = json!({ "credentials": credentials.len() });
        let object = format!("user:{id}");
        self.record(&mut tx, actor, "user-deleted", object, detail)
            .await?;
        tx.commit().await
    }
}

/// Notes that people changed; each with whether they were active before. Who may log in again is told
/// with all credentials, as boxes may have dropped them.
pub(super) async fn tell_of(tx: &mut Tx, users: &[(UserRecord, bool)]) -> Result<(), CentreError> {
    let mut changes: Vec<_> = users
        .iter()
        .map(|(user, _)| (RecordId::User(user.id), standing(user)))
        .collect();
    let back: Vec<UserId> = users
        .iter()
        .filter(|(user, was_active)| user.active && !was_active)
        .map(|(user, _)| user.id)
        .collect();
    for credential in db::credentials::of_users(tx, &back).await? {
        changes.push((RecordId::Credential(credential.id), Standing::Kept));
    }
    db::objects::change(tx, &changes).await
}

fn standing(user: &UserRecord) -> Standing {
    match user.active {
        true => Standing::Kept,
        false => Standing::Worthless,
    }
}

/// The record with names in order, or what is wrong with it.
pub(super) fn checked(mut user: UserRecord) -> Result<UserRecord, CentreError> {
    user.login = check_name("login", &user.login)?;
    user.name = check_text("name", &user.name)?;
    user.number = check_number(user.number.as_deref().unwrap_or_default())?;
    let mut seen = HashSet::from([name_key(&user.login)]);
    let mut aliases = Vec::new();
    for alias in &user.aliases {
        let alias = check_name("aliases", alias)?;
        if seen.insert(name_key(&alias)) {
            aliases.push(alias);
        }
    }
    aliases.sort_by_key(|alias| name_key(alias));
    user.aliases = aliases;
    user.groups.sort();
    user.groups.dedup();
    if user.aliases.len() > ALIASES_MAX {
        let why = format!("more than {ALIASES_MAX}");
        return Err(CentreError::invalid("aliases", why));
    }
    if user.groups.len() > GROUPS_MAX {
        let why = format!("more than {GROUPS_MAX}");
        return Err(CentreError::invalid("groups", why));
    }
    Ok(user)
}

/// Keeps one person after names, number and groups were looked at.
async fn put(tx: &mut Tx, user: &UserRecord) -> Result<(), CentreError> {
    let names = std::iter::once(&user.login).chain(&user.aliases);
    let keys: Vec<String> = names.map(|name| name_key(name)).collect();
    let owners = db::users::owners_of_names(tx, &keys).await?;
    if let Some((key, _)) = owners.iter().find(|(_, (owner, _))| *owner != user.id) {
        let why = format!("the name \"{key}\" belongs to somebody else");
        return Err(CentreError::conflict(why));
    }
    let numbers: Vec<String> = user.number.iter().cloned().collect();
    let owners = db::users::owners_of_numbers(tx, &numbers).await?;
    if owners.values().any(|owner| *owner != user.id) {
        return Err(CentreError::conflict("the number belongs to somebody else"));
    }
    for group in &user.groups {
        if db::groups::by_id(tx, *group).await?.is_none() {
            return Err(CentreError::missing("group"));
        }
    }
    db::users::put(tx, std::slice::from_ref(user)).await
}
