// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boxes of the site, and those that would like to be.

use std::net::IpAddr;

use platen_central::app::{Centre, Node};
use platen_model::NodeId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Refused, created, done, json as answer};
use super::ask::{Ask, one_of};
use crate::central::Central;
use crate::sync::enrol::{self, EnrolError};

/// A box that was not heard of for longer counts as offline: it pulls at least once a minute.
const OFFLINE_AFTER_MS: u64 = 150_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnrolBody {
    code: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameBody {
    name: String,
}

/// The box that a word names, by id or by name.
pub(super) async fn find_node(centre: &Centre, word: &str) -> Result<Node, Refused> {
    let nodes = centre.nodes().await?;
    let found = one_of(nodes, word, |node| (node.id.0, &node.name))?;
    found.ok_or_else(|| Refused::not_found(format!("there is no box '{word}'")))
}

pub(super) fn is_online(central: &Central, node: &Node) -> bool {
    let since = central.now_unix_ms().saturating_sub(node.seen_unix_ms);
    since < OFFLINE_AFTER_MS
}

/// Entries of its journal that a box has still to send.
pub(super) fn backlog(node: &Node) -> u64 {
    node.head.saturating_sub(node.kept)
}

fn view(central: &Central, node: &Node) -> Value {
    let mut view = json!(node);
    if let Value::Object(fields) = &mut view {
        fields.insert("online".to_owned(), json!(is_online(central, node)));
        fields.insert("backlog".to_owned(), json!(backlog(node)));
    }
    view
}

pub(super) async fn list(ask: Ask) -> Answer {
    let nodes = ask.central.centre.nodes().await?;
    ask.whole(nodes.iter().map(|node| view(&ask.central, node)))
}

pub(super) async fn show(ask: Ask) -> Answer {
    let node = find_node(&ask.central.centre, ask.parameter()).await?;
    answer(&view(&ask.central, &node))
}

pub(super) async fn pending(ask: Ask) -> Answer {
    let pending = ask.central.centre.pending_enrolments().await?;
    let rows = pending.iter().map(|pending| {
        json!({
            "node": pending.node,
            "name": pending.name,
            "asked_unix_ms": pending.asked_unix_ms,
        })
    });
    ask.whole(rows)
}

pub(super) async fn enrol(ask: Ask, address: Option<IpAddr>) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let body: EnrolBody = ask.json().await?;
    let now = central.clock.now().elapsed;
    if address.is_some_and(|address| !central.codes.allows(address, now)) {
        return Err(Refused::too_often(central.codes.retry_after_s()));
    }
    match enrol::accept(&central, &actor, &body.code).await {
        Ok(id) => created(&view(&central, &of_id(&central.centre, id).await?)),
        Err(error) => {
            if let (EnrolError::NoBox, Some(address)) = (&error, address) {
                central.codes.take(address, now);
            }
            Err(refused(error))
        }
    }
}

async fn of_id(centre: &Centre, id: NodeId) -> Result<Node, Refused> {
    find_node(centre, &id.to_string()).await
}

fn refused(error: EnrolError) -> Refused {
    error.log();
    match error {
        EnrolError::Code(_) | EnrolError::NoBox => Refused::field("code", error.to_string()),
        EnrolError::Busy => Refused::busy(error.to_string()),
        EnrolError::Centre(error) => error.into(),
        EnrolError::Authority(_) | EnrolError::Codec(_) => Refused::failed(),
    }
}

pub(super) async fn rename(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let id = find_node(&central.centre, ask.parameter()).await?.id;
    let body: NameBody = ask.json().await?;
    central.centre.rename_node(&actor, id, &body.name).await?;
    answer(&view(&central, &of_id(&central.centre, id).await?))
}

pub(super) async fn revoke(ask: Ask) -> Answer {
    let (centre, actor) = (&ask.central.centre, ask.actor()?);
    let id = find_node(centre, ask.parameter()).await?.id;
    centre.revoke_node(&actor, id).await?;
    done()
}

pub(super) async fn lose(ask: Ask) -> Answer {
    let (centre, actor) = (&ask.central.centre, ask.actor()?);
    let id = find_node(centre, ask.parameter()).await?.id;
    centre.declare_lost(&actor, id).await?;
    done()
}
