// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The site as a whole: how it is, and what it decides for its boxes.

use hyper::StatusCode;
use platen_central::app::{Page, UserFilter};
use platen_model::Settings;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Refused, done, json as answer, with};
use super::ask::Ask;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameBody {
    name: String,
}

/// One row is enough to learn how many there are.
const ONE: Page = Page {
    offset: 0,
    behind: None,
    limit: 1,
};

pub(super) async fn health(ask: Ask) -> Answer {
    // Whoever watches the server hears no more than yes or no.
    match ask.central.centre.site().await {
        Ok(_) => answer(&json!({ "status": "ok" })),
        Err(_) => Ok(with(
            StatusCode::SERVICE_UNAVAILABLE,
            &json!({ "status": "busy" }),
        )),
    }
}

pub(super) async fn status(ask: Ask) -> Answer {
    let central = &ask.central;
    let centre = &central.centre;
    let site = centre.site().await?;
    let users = centre.users(&UserFilter::default(), ONE).await?.total;
    let alerts = centre.alerts(true, ONE).await?.total;
    let nodes = centre.nodes().await?;
    let online = nodes
        .iter()
        .filter(|node| super::boxes::is_online(central, node));
    let backlog = nodes.iter().map(super::boxes::backlog);
    answer(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "site": site.name,
        "site_id": site.id,
        "generation": site.generation,
        "revision": site.revision,
        "card_keys": site.keys,
        "restored_unix_ms": site.restored_unix_ms,
        "at_unix_ms": central.now_unix_ms(),
        "up_s": central.clock.now().elapsed.as_secs(),
        "users": users,
        "nodes": nodes.len(),
        "nodes_online": online.count(),
        "backlog": backlog.fold(0_u64, u64::saturating_add),
        "alerts": alerts,
    }))
}

pub(super) async fn settings(ask: Ask) -> Answer {
    answer(&ask.central.centre.site().await?.settings)
}

pub(super) async fn change_settings(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let change: Map<String, Value> = ask.json().await?;
    let old = central.centre.site().await?.settings;
    let settings = merged(&old, change)?;
    central
        .centre
        .set_settings(&actor, settings.clone())
        .await?;
    answer(&settings)
}

/// The settings with those that are named changed.
fn merged(old: &Settings, change: Map<String, Value>) -> Result<Settings, Refused> {
    let Value::Object(mut fields) = json!(old) else {
        return Err(Refused::failed());
    };
    for (name, value) in change {
        let Some(field) = fields.get_mut(&name) else {
            let known = fields.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(Refused::bad(format!(
                "there is no such setting; there are {known}"
            )));
        };
        *field = value;
    }
    serde_json::from_value(Value::Object(fields))
        .map_err(|error| Refused::bad(format!("a setting is not of the right kind: {error}")))
}

pub(super) async fn rename(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let body: NameBody = ask.json().await?;
    central.centre.rename_site(&actor, &body.name).await?;
    done()
}

pub(super) async fn restored(ask: Ask) -> Answer {
    let actor = ask.actor()?;
    let generation = ask.central.centre.after_restore(&actor).await?;
    answer(&json!({ "generation": generation }))
}

pub(super) async fn rotate_keys(ask: Ask) -> Answer {
    let actor = ask.actor()?;
    let generation = ask.central.centre.rotate_card_key(&actor).await?;
    answer(&json!({ "generation": generation }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_named_changes_and_only_what_there_is() {
        let old = Settings::default();
        let change = |value: Value| {
            let Value::Object(fields) = value else {
                panic!("an object");
            };
            merged(&old, fields)
        };
        let new = change(json!({ "cache_days": 7 })).unwrap();
        assert_eq!(
            new,
            Settings {
                cache_days: 7,
                ..old.clone()
            }
        );
        assert!(change(json!({ "cash_days": 7 })).is_err());
        assert!(change(json!({ "cache_days": "seven" })).is_err());
        assert!(change(json!({ "cache_days": -1 })).is_err());
    }
}
