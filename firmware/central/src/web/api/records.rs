// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What was recorded: jobs, charges, logins, alerts, and the audit log.

use std::collections::HashMap;

use platen_central::app::{Centre, ChargeFilter, JobFilter, LoginFilter};
use platen_model::{NodeId, UserId};
use serde_json::{Value, json};

use super::answer::{Answer, Refused, done, json as answer};
use super::ask::Ask;
use super::boxes::find_node;
use super::people::{find_user, login_of};

/// Whose records are asked for.
struct Whose {
    user: Option<UserId>,
    node: Option<NodeId>,
    from_unix_ms: Option<u64>,
    to_unix_ms: Option<u64>,
}

async fn whose(ask: &Ask) -> Result<Whose, Refused> {
    let centre = &ask.central.centre;
    Ok(Whose {
        user: match ask.wish("user") {
            Some(word) => Some(find_user(centre, word).await?.id),
            None => None,
        },
        node: match ask.wish("node") {
            Some(word) => Some(find_node(centre, word).await?.id),
            None => None,
        },
        from_unix_ms: ask.since()?,
        to_unix_ms: ask.until()?,
    })
}

/// Names of boxes, and of people as they come up.
struct Names<'a> {
    centre: &'a Centre,
    nodes: HashMap<NodeId, String>,
    users: HashMap<UserId, Option<String>>,
}

impl<'a> Names<'a> {
    async fn of(centre: &'a Centre) -> Result<Self, Refused> {
        let nodes = centre.nodes().await?.into_iter();
        Ok(Self {
            centre,
            nodes: nodes.map(|node| (node.id, node.name)).collect(),
            users: HashMap::new(),
        })
    }

    fn node(&self, id: NodeId) -> Option<&str> {
        self.nodes.get(&id).map(String::as_str)
    }

    /// The login name of somebody who is still there.
    async fn login(&mut self, user: Option<UserId>) -> Result<Option<String>, Refused> {
        let Some(user) = user else {
            return Ok(None);
        };
        if let Some(known) = self.users.get(&user) {
            return Ok(known.clone());
        }
        let login = login_of(self.centre, user).await?;
        self.users.insert(user, login.clone());
        Ok(login)
    }
}

/// `value` with the names beside the ids.
async fn named(
    names: &mut Names<'_>,
    mut value: Value,
    node: Option<NodeId>,
    user: Option<UserId>,
) -> Result<Value, Refused> {
    let login = names.login(user).await?;
    if let Value::Object(fields) = &mut value {
        let node = node.and_then(|node| names.node(node));
        fields.insert("node_name".to_owned(), json!(node));
        fields.insert("login".to_owned(), json!(login));
    }
    Ok(value)
}

pub(super) async fn jobs(ask: Ask) -> Answer {
    let whose = whose(&ask).await?;
    let filter = JobFilter {
        user: whose.user,
        node: whose.node,
        state: None,
        from_unix_ms: whose.from_unix_ms,
        to_unix_ms: whose.to_unix_ms,
    };
    let (page, centre) = (ask.newest()?, &ask.central.centre);
    let listed = centre.jobs(&filter, page).await?;
    let mut names = Names::of(centre).await?;
    let mut rows = Vec::new();
    for job in &listed.rows {
        rows.push(named(&mut names, json!(job), Some(job.node), job.user).await?);
    }
    ask.marked(listed.total, listed.next, rows)
}

pub(super) async fn charges(ask: Ask) -> Answer {
    let whose = whose(&ask).await?;
    let filter = ChargeFilter {
        user: whose.user,
        node: whose.node,
        job: None,
        from_unix_ms: whose.from_unix_ms,
        to_unix_ms: whose.to_unix_ms,
    };
    let (page, centre) = (ask.newest()?, &ask.central.centre);
    let listed = centre.charges(&filter, page).await?;
    let mut names = Names::of(centre).await?;
    let mut rows = Vec::new();
    for charge in &listed.rows {
        rows.push(named(&mut names, json!(charge), Some(charge.node), charge.user).await?);
    }
    ask.marked(listed.total, listed.next, rows)
}

pub(super) async fn double_releases(ask: Ask) -> Answer {
    let (page, centre) = (ask.newest()?, &ask.central.centre);
    let listed = centre.double_releases(page).await?;
    let mut names = Names::of(centre).await?;
    let mut rows = Vec::new();
    for double in &listed.rows {
        rows.push(named(&mut names, json!(double), Some(double.node), double.user).await?);
    }
    ask.marked(listed.total, listed.next, rows)
}

pub(super) async fn logins(ask: Ask) -> Answer {
    let whose = whose(&ask).await?;
    let filter = LoginFilter {
        user: whose.user,
        node: whose.node,
        refused_only: ask.is_wished("refused"),
    };
    let (page, centre) = (ask.newest()?, &ask.central.centre);
    let listed = centre.logins(&filter, page).await?;
    let mut names = Names::of(centre).await?;
    let mut rows = Vec::new();
    for login in &listed.rows {
        rows.push(named(&mut names, json!(login), Some(login.node), login.user).await?);
    }
    ask.marked(listed.total, listed.next, rows)
}

pub(super) async fn alerts(ask: Ask) -> Answer {
    let (page, centre) = (ask.newest()?, &ask.central.centre);
    let listed = centre.alerts(!ask.is_wished("all"), page).await?;
    let names = Names::of(centre).await?;
    let mut rows = Vec::new();
    for alert in &listed.rows {
        let mut row = json!(alert);
        if let Value::Object(fields) = &mut row {
            let node = alert.node.and_then(|node| names.node(node));
            fields.insert("node_name".to_owned(), json!(node));
        }
        rows.push(row);
    }
    ask.marked(listed.total, listed.next, rows)
}

pub(super) async fn acknowledge(ask: Ask) -> Answer {
    let (centre, actor) = (&ask.central.centre, ask.actor()?);
    centre.settle_alert(&actor, ask.id()?).await?;
    done()
}

pub(super) async fn audit(ask: Ask) -> Answer {
    let page = ask.newest()?;
    let listed = ask.central.centre.audit(page).await?;
    let rows = listed.rows.iter().map(|entry| json!(entry));
    ask.marked(listed.total, listed.next, rows.collect())
}

pub(super) async fn verify_audit(ask: Ask) -> Answer {
    answer(&json!(ask.central.centre.verify_audit().await?))
}
