// SPDX-License-Identifier: Apache-2.0 OR MIT
//! People, groups, and what people prove themselves with.

use std::collections::HashMap;

use platen_auth::secret::Secret;
use platen_central::app::{
    Centre, CentreError, Group, IMPORT_BYTES_MAX, NewCard, NewUser, UserChange, UserFilter,
};
use platen_model::{CredentialId, GroupId, UserId, UserRecord};
use serde::Deserialize;
use serde_json::{Value, json};
use smol::future;
use uuid::Uuid;

use super::answer::{Answer, Refused, created, done, json as answer};
use super::ask::{Ask, check_media};
use super::upload;

/// Rows of an import that are named one by one.
const ERRORS_TOLD_MAX: usize = 1000;
/// How long a one-time code is good unless asked otherwise.
const CODE_HOURS: u64 = 24;
const CODE_HOURS_MAX: u64 = 30 * 24;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserBody {
    login: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    number: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    login: Option<String>,
    name: Option<String>,
    /// Empty takes it away.
    number: Option<String>,
    aliases: Option<Vec<String>>,
    groups: Option<Vec<String>>,
    active: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CardBody {
    number: String,
    #[serde(default)]
    with_pin: bool,
    #[serde(default)]
    proved: bool,
    #[serde(default)]
    until_unix_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PinBody {
    pin: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PasswordBody {
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeBody {
    hours: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupBody {
    name: String,
}

/// The person that a path, a query or a body names, by id or by name.
pub(super) async fn find_user(centre: &Centre, word: &str) -> Result<UserRecord, Refused> {
    Ok(match word.parse::<Uuid>() {
        Ok(id) => centre.user(UserId(id)).await?,
        Err(_) => centre.user_by_name(word).await?,
    })
}

/// The login name of somebody, where there still is such a person.
pub(super) async fn login_of(centre: &Centre, id: UserId) -> Result<Option<String>, Refused> {
    match centre.user(id).await {
        Ok(user) => Ok(Some(user.login)),
        Err(CentreError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Names of groups by id.
async fn group_names(centre: &Centre) -> Result<HashMap<GroupId, String>, Refused> {
    let groups = centre.groups().await?.into_iter();
    Ok(groups.map(|group| (group.id, group.name)).collect())
}

/// The group that a word names, by id or by name.
pub(super) async fn find_group(centre: &Centre, word: &str) -> Result<GroupId, Refused> {
    let groups = centre.groups().await?;
    let found = groups
        .iter()
        .find(|group| group.id.to_string() == word)
        .or_else(|| groups.iter().find(|group| group.name == word));
    let found = found.map(|group| group.id);
    found.ok_or_else(|| Refused::not_found(format!("there is no group '{word}'")))
}

async fn find_groups(centre: &Centre, words: &[String]) -> Result<Vec<GroupId>, Refused> {
    let mut found = Vec::new();
    for word in words {
        let group = find_group(centre, word).await;
        found.push(group.map_err(|_| Refused::field("groups", format!("no group '{word}'")))?);
    }
    Ok(found)
}

fn view(user: &UserRecord, groups: &HashMap<GroupId, String>) -> Value {
    let names = user.groups.iter().map(|id| groups.get(id).cloned());
    json!({
        "id": user.id,
        "login": user.login,
        "name": user.name,
        "aliases": user.aliases,
        "number": user.number,
        "groups": names.flatten().collect::<Vec<_>>(),
        "active": user.active,
    })
}

pub(super) async fn users(ask: Ask) -> Answer {
    let centre = &ask.central.centre;
    let group = match ask.wish("group") {
        Some(word) => Some(find_group(centre, word).await?),
        None => None,
    };
    let filter = UserFilter {
        text: ask.wish("search").map(str::to_owned),
        group,
    };
    let page = ask.page()?;
    let listed = centre.users(&filter, page).await?;
    let names = group_names(centre).await?;
    let rows = listed.rows.iter().map(|user| view(user, &names));
    ask.listed(&page, listed.total, rows.collect())
}

pub(super) async fn create(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let body: UserBody = ask.json().await?;
    let centre = &central.centre;
    let new = NewUser {
        login: body.login,
        name: body.name,
        aliases: body.aliases,
        number: body.number,
        groups: find_groups(centre, &body.groups).await?,
    };
    let id = centre.create_user(&actor, new).await?;
    let user = find_user(centre, &id.to_string()).await?;
    created(&view(&user, &group_names(centre).await?))
}

pub(super) async fn user(ask: Ask) -> Answer {
    let centre = &ask.central.centre;
    let user = find_user(centre, ask.parameter()).await?;
    answer(&view(&user, &group_names(centre).await?))
}

pub(super) async fn change(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let centre = &central.centre;
    let id = find_user(centre, ask.parameter()).await?.id;
    let body: ChangeBody = ask.json().await?;
    let groups = match &body.groups {
        Some(words) => Some(find_groups(centre, words).await?),
        None => None,
    };
    let change = UserChange {
        login: body.login,
        name: body.name,
        aliases: body.aliases,
        number: body.number,
        groups,
        active: body.active,
    };
    centre.change_user(&actor, id, change).await?;
    let user = find_user(centre, &id.to_string()).await?;
    answer(&view(&user, &group_names(centre).await?))
}

pub(super) async fn delete(ask: Ask) -> Answer {
    let (centre, actor) = (&ask.central.centre, ask.actor()?);
    let id = find_user(centre, ask.parameter()).await?.id;
    centre.delete_user(&actor, id).await?;
    done()
}

pub(super) async fn import(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    check_media(&ask.request, "text/csv")?;
    let (feed, upload) = upload::pipe();
    let work = central.centre.import_users(&actor, upload);
    let feeding = feed.pass(ask.request, IMPORT_BYTES_MAX, &central.clock);
    let (report, ()) = future::zip(work, feeding).await;
    let report = report?;
    let errors = report.errors.iter().take(ERRORS_TOLD_MAX);
    let errors = errors.map(|(line, message)| json!({ "line": line, "message": message }));
    answer(&json!({
        "users_added": report.users_added,
        "users_changed": report.users_changed,
        "cards_bound": report.cards_bound,
        "secrets_set": report.secrets_set,
        "groups_added": report.groups_added,
        "rows_refused": report.refused,
        "errors": errors.collect::<Vec<_>>(),
    }))
}

pub(super) async fn credentials(ask: Ask) -> Answer {
    let centre = &ask.central.centre;
    let user = find_user(centre, ask.parameter()).await?;
    let all = centre.credentials(user.id).await?;
    ask.whole(all.iter().map(|credential| json!(credential)))
}

pub(super) async fn bind_card(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let centre = &central.centre;
    let user = find_user(centre, ask.parameter()).await?.id;
    let body: CardBody = ask.json().await?;
    let new = NewCard {
        number: body.number,
        with_pin: body.with_pin,
        proved: body.proved,
        until_unix_ms: body.until_unix_ms,
    };
    let id = centre.bind_card(&actor, user, new).await?;
    created(&json!({ "id": id }))
}

pub(super) async fn set_pin(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let user = find_user(&central.centre, ask.parameter()).await?.id;
    let body: PinBody = ask.json().await?;
    central
        .centre
        .set_pin(&actor, user, Secret::new(body.pin))
        .await?;
    done()
}

pub(super) async fn set_password(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let user = find_user(&central.centre, ask.parameter()).await?.id;
    let body: PasswordBody = ask.json().await?;
    central
        .centre
        .set_password(&actor, user, Secret::new(body.password))
        .await?;
    done()
}

pub(super) async fn issue_code(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let user = find_user(&central.centre, ask.parameter()).await?.id;
    let body: CodeBody = ask.json().await?;
    let hours = body.hours.unwrap_or(CODE_HOURS);
    if !(1..=CODE_HOURS_MAX).contains(&hours) {
        let message = format!("a code is good for 1 to {CODE_HOURS_MAX} hours");
        return Err(Refused::field("hours", message));
    }
    let code = central.centre.issue_code(&actor, user, hours * 60).await?;
    created(&json!({
        "id": code.id,
        "code": code.code,
        "until_unix_ms": code.until_unix_ms,
    }))
}

pub(super) async fn remove_credential(ask: Ask) -> Answer {
    let (centre, actor) = (&ask.central.centre, ask.actor()?);
    let id = CredentialId(ask.id()?);
    centre.remove_credential(&actor, id).await?;
    done()
}

pub(super) async fn unlock(ask: Ask) -> Answer {
    let (centre, actor) = (&ask.central.centre, ask.actor()?);
    centre.unlock(&actor, CredentialId(ask.id()?)).await?;
    done()
}

pub(super) async fn groups(ask: Ask) -> Answer {
    let groups = ask.central.centre.groups().await?;
    ask.whole(groups.iter().map(|group: &Group| json!(group)))
}

pub(super) async fn create_group(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let body: GroupBody = ask.json().await?;
    let id = central.centre.create_group(&actor, &body.name).await?;
    created(&json!({ "id": id }))
}

pub(super) async fn rename_group(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let group = find_group(&central.centre, ask.parameter()).await?;
    let body: GroupBody = ask.json().await?;
    central
        .centre
        .rename_group(&actor, group, &body.name)
        .await?;
    done()
}

pub(super) async fn delete_group(ask: Ask) -> Answer {
    let (centre, actor) = (&ask.central.centre, ask.actor()?);
    let group = find_group(centre, ask.parameter()).await?;
    centre.delete_group(&actor, group).await?;
    done()
}
