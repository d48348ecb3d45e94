// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Groups of people.

use platen_model::{Covers, GroupId, GroupRecord, RecordId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::centre::new_uuid;
use super::records::{GROUPS_OF_SITE_MAX, check_name};
use super::users::tell_of;
use super::{Actor, Centre, CentreError};
use crate::db::objects::Standing;
use crate::db::users::name_key;
use crate::db::{self, Tx};

/// A group.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// How many people are in it.
    pub members: u64,
}

impl Centre {
    /// All groups in order of their names.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn groups(&self) -> Result<Vec<Group>, CentreError> {
        let groups = db::groups::all(&mut *self.read().await?).await?;
        let group = |(group, members): (GroupRecord, u64)| Group {
            id: group.id,
            name: group.name,
            members,
        };
        Ok(groups.into_iter().map(group).collect())
    }

    /// Makes a group.
    ///
    /// # Errors
    /// [`CentreError::Invalid`], [`CentreError::Conflict`] when there is one of that name.
    pub async fn create_group(&self, actor: &Actor, name: &str) -> Result<GroupId, CentreError> {
        let (mut tx, _) = self.change().await?;
        let id = make(&mut tx, name).await?;
        let object = format!("group:{id}");
        self.record(&mut tx, actor, "group-created", object, json!({}))
            .await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Gives a group another name.
    ///
    /// # Errors
    /// As [`Self::create_group`]; [`CentreError::Missing`].
    pub async fn rename_group(
        &self,
        actor: &Actor,
        id: GroupId,
        name: &str,
    ) -> Result<(), CentreError> {
        let (mut tx, _) = self.change().await?;
        if db::groups::by_id(&mut tx, id).await?.is_none() {
            return Err(CentreError::missing("group"));
        }
        let name = check_free(&mut tx, name, Some(id)).await?;
        db::groups::put(&mut tx, &GroupRecord { id, name }).await?;
        db::objects::change(&mut tx, &[(RecordId::Group(id), Standing::Kept)]).await?;
        let object = format!("group:{id}");
        self.record(&mut tx, actor, "group-renamed", object, json!({}))
            .await?;
        tx.commit().await
    }

    /// Takes a group away and everybody out of it.
    ///
    /// # Errors
    /// [`CentreError::Missing`]; [`CentreError::Conflict`] while a quota covers it.
    pub async fn delete_group(&self, actor: &Actor, id: GroupId) -> Result<(), CentreError> {
        let (mut tx, _) = self.change().await?;
        if db::groups::by_id(&mut tx, id).await?.is_none() {
            return Err(CentreError::missing("group"));
        }
        let quotas = db::quotas::covering(&mut tx, &[id.0]).await?;
        let covering = quotas.iter().find(|quota| {
            matches!(quota.covers, Covers::Group(group) | Covers::EachOf(group) if group == id)
        });
        if let Some(quota) = covering {
            let why = format!("the quota \"{}\" covers it: delete that first", quota.name);
            return Err(CentreError::conflict(why));
        }
        let members = db::users::members(&mut tx, id).await?;
        db::groups::delete(&mut tx, id).await?;
        let users = db::users::by_ids(&mut tx, &members).await?;
        let users: Vec<_> = users
            .into_iter()
            .map(|user| {
                let active = user.active;
                (user, active)
            })
            .collect();
        tell_of(&mut tx, &users).await?;
        db::objects::change(&mut tx, &[(RecordId::Group(id), Standing::Gone)]).await?;
        let detail = json!({ "members": members.len() });
        let object = format!("group:{id}");
        self.record(&mut tx, actor, "group-deleted", object, detail)
            .await?;
        tx.commit().await
    }
}

/// Makes a group of a name that is free.
pub(super) async fn make(tx: &mut Tx, name: &str) -> Result<GroupId, CentreError> {
    let id = GroupId(new_uuid()?);
    let name = check_free(tx, name, None).await?;
    if db::groups::total(tx).await? >= GROUPS_OF_SITE_MAX {
        let why = format!("there are {GROUPS_OF_SITE_MAX} groups already");
        return Err(CentreError::conflict(why));
    }
    db::groups::put(tx, &GroupRecord { id, name }).await?;
    db::objects::change(tx, &[(RecordId::Group(id), Standing::Kept)]).await?;
    Ok(id)
}

async fn check_free(tx: &mut Tx, name: &str, own: Option<GroupId>) -> Result<String, CentreError> {
    let name = check_name("name", name)?;
    let groups = db::groups::by_names(tx, &[name_key(&name)]).await?;
    match groups.values().any(|group| Some(*group) != own) {
        true => Err(CentreError::conflict("there is a group of that name")),
        false => Ok(name),
    }
}
