// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Administrators and their tokens.

use std::net::IpAddr;

use platen_auth::secret::Secret;
use platen_central::app::{AdministratorId, CentreError, Session};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Refused, created, done, json as answer};
use super::ask::Ask;
use super::{blame, guard};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginBody {
    name: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeBody {
    password: Option<String>,
    active: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    label: String,
    #[serde(default = "longest")]
    days: u64,
}

/// Ten years: until somebody revokes it.
fn longest() -> u64 {
    crate::tokens::DAYS_MAX
}

fn session_view(session: &Session) -> Value {
    json!({
        "token": session.token,
        "administrator": session.administrator,
        "until_unix_ms": session.until_unix_ms,
    })
}

pub(super) async fn login(ask: Ask, address: Option<IpAddr>) -> Answer {
    let central = ask.central.clone();
    guard(&central, address)?;
    let body: LoginBody = ask.json().await?;
    let secret = Secret::new(body.password);
    match central.centre.login_administrator(&body.name, secret).await {
        Ok(session) => answer(&session_view(&session)),
        Err(error) => {
            if matches!(error, CentreError::WrongSecret) {
                blame(&central, address);
            }
            Err(error.into())
        }
    }
}

pub(super) async fn logout(ask: Ask) -> Answer {
    let token = ask.token.as_deref().unwrap_or_default();
    ask.central.centre.log_out(token).await?;
    done()
}

pub(super) fn me(ask: Ask) -> Answer {
    answer(&json!(ask.administrator))
}

pub(super) async fn administrators(ask: Ask) -> Answer {
    let all = ask.central.centre.administrators().await?;
    ask.whole(all.iter().map(|administrator| json!(administrator)))
}

pub(super) async fn create(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let body: LoginBody = ask.json().await?;
    let secret = Secret::new(body.password);
    let id = central
        .centre
        .create_administrator(&actor, &body.name, secret)
        .await?;
    created(&json!({ "id": id }))
}

/// The administrator that a path names, by id or by name.
async fn find(ask: &Ask) -> Result<AdministratorId, Refused> {
    let word = ask.parameter();
    let all = ask.central.centre.administrators().await?;
    let mut found = all.iter().find(|one| one.id.to_string() == word);
    if found.is_none() {
        found = all.iter().find(|one| one.name == word);
    }
    let found = found.map(|administrator| administrator.id);
    found.ok_or_else(|| Refused::not_found("there is no such administrator"))
}

pub(super) async fn change(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let id = find(&ask).await?;
    let own = ask.administrator.as_ref().map(|own| own.id);
    let body: ChangeBody = ask.json().await?;
    if body.active == Some(false) && own == Some(id) {
        return Err(Refused::field("active", "you would lock yourself out"));
    }
    if let Some(password) = body.password {
        let secret = Secret::new(password);
        central
            .centre
            .set_administrator_password(&actor, id, secret)
            .await?;
    }
    if let Some(active) = body.active {
        central
            .centre
            .set_administrator_active(&actor, id, active)
            .await?;
    }
    done()
}

pub(super) async fn tokens(ask: Ask) -> Answer {
    let own = own(&ask)?;
    let tokens = ask.central.centre.tokens(own).await?;
    ask.whole(tokens.iter().map(|token| json!(token)))
}

pub(super) async fn issue_token(ask: Ask) -> Answer {
    let (central, actor, own) = (ask.central.clone(), ask.actor()?, own(&ask)?);
    let body: TokenBody = ask.json().await?;
    let session = central
        .centre
        .issue_token(&actor, own, &body.label, body.days)
        .await?;
    created(&session_view(&session))
}

pub(super) async fn revoke_token(ask: Ask) -> Answer {
    let (centre, actor) = (&ask.central.centre, ask.actor()?);
    centre.revoke_token(&actor, ask.id()?).await?;
    done()
}

fn own(ask: &Ask) -> Result<AdministratorId, Refused> {
    let own = ask.administrator.as_ref().map(|own| own.id);
    own.ok_or_else(Refused::unauthorized)
}
