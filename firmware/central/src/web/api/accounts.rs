// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Quotas, slices of them, and prices.

use platen_central::app::{Centre, LeaseFilter, LeaseState};
use platen_model::{
    Covers, Period, Prices, PricesId, PrinterName, Quota, QuotaId, Unit, WhenSpent,
};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::{Answer, Refused, done, json as answer};
use super::ask::{Ask, one_of};
use super::boxes::find_node;
use super::people::{find_group, find_user, login_of};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuotaBody {
    name: Option<String>,
    covers: CoversBody,
    unit: Unit,
    limit: u64,
    period: Period,
    #[serde(default)]
    when_spent: WhenSpent,
}

/// By id or by name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum CoversBody {
    User(String),
    Group(String),
    EachOf(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PricesBody {
    name: Option<String>,
    currency: String,
    #[serde(default)]
    printer: Option<String>,
    side_monochrome: u64,
    side_color: u64,
    #[serde(default)]
    sheet: u64,
}

async fn find_quota(centre: &Centre, word: &str) -> Result<Option<Quota>, Refused> {
    let quotas = centre.quotas().await?;
    one_of(quotas, word, |quota| (quota.id.0, &quota.name))
}

fn no_such_quota() -> Refused {
    Refused::not_found("there is no such quota")
}

async fn quota_view(centre: &Centre, quota: &Quota) -> Result<Value, Refused> {
    let groups = centre.groups().await?;
    let group = |id| {
        let group = groups.iter().find(|group| group.id == id);
        group.map_or_else(|| json!(id), |group| json!(group.name))
    };
    let covers = match quota.covers {
        Covers::User(id) => {
            let login = login_of(centre, id).await?;
            json!({ "user": login.map_or_else(|| json!(id), |login| json!(login)) })
        }
        Covers::Group(id) => json!({ "group": group(id) }),
        Covers::EachOf(id) => json!({ "each-of": group(id) }),
    };
    // What each member of a group has spent is asked for one by one.
    let spent = match quota.covers {
        Covers::EachOf(_) => None,
        _ => Some(centre.quota_use(quota.id, None).await?),
    };
    Ok(json!({
        "id": quota.id,
        "name": quota.name,
        "covers": covers,
        "unit": quota.unit,
        "limit": quota.limit,
        "period": quota.period,
        "when_spent": quota.when_spent,
        "spent": spent.map(|spent| spent.charged),
        "leased": spent.map(|spent| spent.out),
        "free": spent.map(|spent| spent.free),
    }))
}

pub(super) async fn quotas(ask: Ask) -> Answer {
    let centre = &ask.central.centre;
    let page = ask.page()?;
    let all = centre.quotas().await?;
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let mut rows = Vec::new();
    let shown = all.iter().skip(number(page.offset));
    for quota in shown.take(number(page.limit)) {
        rows.push(quota_view(centre, quota).await?);
    }
    let total = all.len().try_into().unwrap_or(u64::MAX);
    ask.listed(&page, total, rows)
}

pub(super) async fn put_quota(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let centre = &central.centre;
    let word = ask.parameter().to_owned();
    let old = find_quota(centre, &word).await?;
    let body: QuotaBody = ask.json().await?;
    let covers = match &body.covers {
        CoversBody::User(word) => Covers::User(find_user(centre, word).await?.id),
        CoversBody::Group(word) => Covers::Group(find_group(centre, word).await?),
        CoversBody::EachOf(word) => Covers::EachOf(find_group(centre, word).await?),
    };
    let (id, name) = match &old {
        Some(old) => (old.id, old.name.clone()),
        None => (QuotaId(new_id(&word)?), word),
    };
    let quota = Quota {
        id,
        name: body.name.unwrap_or(name),
        covers,
        unit: body.unit,
        limit: body.limit,
        period: body.period,
        when_spent: body.when_spent,
    };
    centre.put_quota(&actor, quota.clone()).await?;
    answer(&quota_view(centre, &quota).await?)
}

pub(super) async fn delete_quota(ask: Ask) -> Answer {
    let (centre, actor) = (&ask.central.centre, ask.actor()?);
    let quota = find_quota(centre, ask.parameter()).await?;
    let quota = quota.ok_or_else(no_such_quota)?;
    centre.delete_quota(&actor, quota.id).await?;
    done()
}

pub(super) async fn leases(ask: Ask) -> Answer {
    let centre = &ask.central.centre;
    let node = match ask.wish("node") {
        Some(word) => Some(find_node(centre, word).await?.id),
        None => None,
    };
    let quota = match ask.wish("quota") {
        Some(word) => {
            let quota = find_quota(centre, word).await?;
            Some(quota.ok_or_else(no_such_quota)?.id)
        }
        None => None,
    };
    let filter = LeaseFilter {
        node,
        quota,
        state: (!ask.is_wished("all")).then_some(LeaseState::Open),
    };
    let page = ask.newest()?;
    let listed = centre.leases(&filter, page).await?;
    let (nodes, quotas) = (centre.nodes().await?, centre.quotas().await?);
    let rows = listed.rows.iter().map(|held| {
        let of = &held.lease;
        let node = nodes.iter().find(|node| node.id == held.node);
        let quota = quotas.iter().find(|quota| quota.id == of.quota);
        json!({
            "id": of.id,
            "node": held.node,
            "node_name": node.map(|node| &node.name),
            "quota": of.quota,
            "quota_name": quota.map(|quota| &quota.name),
            "user": of.user,
            "serial": of.serial,
            "period": of.period,
            "amount": of.amount,
            "spent": held.spent,
            "counts": held.counts,
            "state": held.state,
            "doubtful": held.doubtful,
            "recalled": held.recalled,
            "granted_unix_ms": held.granted_unix_ms,
            "ended_unix_ms": held.ended_unix_ms,
        })
    });
    ask.marked(listed.total, listed.next, rows.collect())
}

async fn find_prices(centre: &Centre, word: &str) -> Result<Option<Prices>, Refused> {
    let lists = centre.prices().await?;
    one_of(lists, word, |prices| (prices.id.0, &prices.name))
}

pub(super) async fn price_lists(ask: Ask) -> Answer {
    let lists = ask.central.centre.prices().await?;
    ask.whole(lists.iter().map(|prices| json!(prices)))
}

pub(super) async fn put_prices(ask: Ask) -> Answer {
    let (central, actor) = (ask.central.clone(), ask.actor()?);
    let centre = &central.centre;
    let word = ask.parameter().to_owned();
    let old = find_prices(centre, &word).await?;
    let body: PricesBody = ask.json().await?;
    let (id, name) = match &old {
        Some(old) => (old.id, old.name.clone()),
        None => (PricesId(new_id(&word)?), word),
    };
    let prices = Prices {
        id,
        name: body.name.unwrap_or(name),
        currency: body.currency,
        printer: body.printer.map(PrinterName),
        side_monochrome: body.side_monochrome,
        side_color: body.side_color,
        sheet: body.sheet,
    };
    centre.put_prices(&actor, prices.clone()).await?;
    answer(&prices)
}

pub(super) async fn delete_prices(ask: Ask) -> Answer {
    let (centre, actor) = (&ask.central.centre, ask.actor()?);
    let prices = find_prices(centre, ask.parameter()).await?;
    let prices = prices.ok_or_else(|| Refused::not_found("there is no such price list"))?;
    centre.delete_prices(&actor, prices.id).await?;
    done()
}

/// An id for something new that `word` names; a word that looks like an id names something there
/// should have been.
pub(super) fn new_id(word: &str) -> Result<Uuid, Refused> {
    if word.parse::<Uuid>().is_ok() {
        return Err(Refused::not_found("nothing has this id; name what is new"));
    }
    random_id()
}

/// A random id (version 4).
pub(super) fn random_id() -> Result<Uuid, Refused> {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0_u8; 16];
    let random = ring::rand::SystemRandom::new();
    random
        .fill(&mut bytes)
        .map_err(|_| Refused::busy("the system gives no random bytes"))?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}
