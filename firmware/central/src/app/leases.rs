// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Slices of quotas for boxes: what `platen_sync::centre::lease` decides, over the database. Whoever
//! changes leases, to give, to ask back or to end them, holds the rows of their quotas: so nobody
//! waits for a lease's row while others wait for his quota.

use std::collections::HashSet;

use platen_model::{Covers, Lease, LeaseId, NodeId, Quota, QuotaId};
use platen_sync::centre::lease::{BoxUse, Slice, SliceState, Standing, news, next_serial};
use platen_sync::centre::period;
use platen_sync::centre::recovery::Recovery;
use platen_sync::limits::WANTS_MAX;
use platen_sync::message::{LeaseNews, LeaseWant};
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;

use super::attempts::Attempts;
use super::centre::new_uuid;
use super::records::AMOUNT_MAX;
use super::{Centre, CentreError, Listed, Node, NodeState, Page};
use crate::db::leases::Pot;
use crate::db::users::Claimant;
use crate::db::{self, Tx, site::Site};

/// How far back the use of a quota counts for a box's part of it, and how lately a box must have been
/// heard of to get one.
const RECENT_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// At a login the box is filled up to its part, if that is low.
const WANT_AT_LOGIN: u64 = 1;

/// Whether a lease still runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LeaseState {
    /// The box may spend from it.
    Open,
    /// The box gave the rest back.
    Closed,
    /// The box was declared lost.
    Lost,
}

/// A lease, with what became of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct HeldLease {
    /// The lease.
    pub lease: Lease,
    /// Whose it is.
    pub node: NodeId,
    /// Charges on it so far.
    pub spent: u64,
    /// What it takes of its quota now.
    pub counts: u64,
    /// Whether it still runs.
    pub state: LeaseState,
    /// What was spent of it is not known: all of it counts.
    pub doubtful: bool,
    /// Whether the box was asked to give it back.
    pub recalled: bool,
    /// When it was given, wall milliseconds since 1970.
    pub granted_unix_ms: u64,
    /// When it ended.
    pub ended_unix_ms: Option<u64>,
}

impl HeldLease {
    pub(crate) fn slice(&self) -> Slice {
        Slice {
            amount: self.lease.amount,
            spent: self.spent,
            state: match self.state {
                LeaseState::Open => SliceState::Open,
                LeaseState::Closed => SliceState::Closed,
                LeaseState::Lost => SliceState::Lost,
            },
            doubtful: self.doubtful,
        }
    }

    pub(crate) fn follow(&mut self, slice: &Slice) {
        self.spent = slice.spent;
        self.counts = slice.held();
        self.doubtful = slice.doubtful;
        self.state = match slice.state {
            SliceState::Open => LeaseState::Open,
            SliceState::Closed => LeaseState::Closed,
            SliceState::Lost => LeaseState::Lost,
        };
    }
}

/// Which leases.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeaseFilter {
    /// Of this box.
    pub node: Option<NodeId>,
    /// Of this quota.
    pub quota: Option<QuotaId>,
    /// In this state.
    pub state: Option<LeaseState>,
}

impl Centre {
    /// Leases, the newest first.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn leases(
        &self,
        filter: &LeaseFilter,
        page: Page,
    ) -> Result<Listed<HeldLease>, CentreError> {
        let mut tx = self.read().await?;
        let LeaseFilter { node, quota, state } = *filter;
        db::leases::page(&mut tx, (node, quota, state), page.newest()).await
    }

    /// How a pot stands now; `asking` counts as one of its boxes.
    pub(super) async fn standing(
        &self,
        connection: &mut AnyConnection,
        quota: &Quota,
        pot: Pot,
        asking: Option<NodeId>,
    ) -> Result<Standing, CentreError> {
        let since = self.now_ms().saturating_sub(RECENT_MS);
        let mut boxes = db::leases::uses(connection, pot, since).await?;
        // Members of a group print anywhere, one person where there are leases or one is asked for.
        let mut more: Vec<NodeId> = asking.into_iter().collect();
        if matches!(quota.covers, Covers::Group(_)) {
            more.extend(db::nodes::seen_since(connection, since).await?);
        }
        let mut known: HashSet<NodeId> = boxes.iter().map(|one| one.node).collect();
        let more = more.into_iter().filter(|node| known.insert(*node));
        boxes.extend(more.map(|node| BoxUse {
            node,
            recent: 0,
            unspent: 0,
        }));
        let (leased, above) = db::leases::used(connection, pot).await?;
        let unspent: u64 = boxes.iter().map(|one| one.unspent).sum();
        Ok(Standing {
            limit: quota.limit,
            used: leased.saturating_sub(unspent).saturating_add(above),
            boxes,
        })
    }

    /// Gives a box what it wants, as far as there is something, and asks others for the rest. The caller
    /// holds the box's row and those of the quotas; returns it with the serial numbers that were given.
    pub(super) async fn grant(
        &self,
        tx: &mut Tx,
        site: &Site,
        mut node: Node,
        wants: &[LeaseWant],
    ) -> Result<Node, CentreError> {
        if node.state != NodeState::Member {
            return Ok(node);
        }
        let mut wants: Vec<&LeaseWant> = wants.iter().take(WANTS_MAX).collect();
        wants.sort_by_key(|want| (want.quota, want.user));
        wants.dedup_by_key(|want| (want.quota, want.user));
        let recovery = recovery(tx, site).await?;
        let serial = node.lease_serial;
        for want in wants {
            let Some(quota) = db::quotas::by_id(tx, want.quota).await? else {
                continue;
            };
            if !recovery.may_grant(quota.period, self.now_ms()) {
                continue;
            }
            if let Some(pot) = self.pot(tx, &quota, want).await? {
                let want = want.amount.min(AMOUNT_MAX);
                self.grant_one(tx, &mut node, &quota, pot, want).await?;
            }
        }
        if node.lease_serial > serial {
            db::nodes::set_lease_serial(tx, node.id, node.lease_serial).await?;
        }
        Ok(node)
    }

    /// Whose part of a quota is wanted, if there is such a one.
    async fn pot(
        &self,
        connection: &mut AnyConnection,
        quota: &Quota,
        want: &LeaseWant,
    ) -> Result<Option<Pot>, CentreError> {
        let there = match (quota.covers, want.user) {
            (Covers::EachOf(group), Some(user)) => {
                let user = db::users::by_id(connection, user).await?;
                user.is_some_and(|user| user.active && user.groups.contains(&group))
            }
            (Covers::User(_) | Covers::Group(_), None) => true,
            _ => false,
        };
        Ok(there.then(|| Pot {
            quota: quota.id,
            user: want.user,
            period: period::number(quota.period, self.now_ms()),
        }))
    }

    async fn grant_one(
        &self,
        tx: &mut Tx,
        node: &mut Node,
        quota: &Quota,
        pot: Pot,
        want: u64,
    ) -> Result<(), CentreError> {
        let standing = self.standing(tx, quota, pot, Some(node.id)).await?;
        let amount = standing.grant(node.id, want);
        if amount > 0 {
            node.lease_serial = next_serial(node.lease_serial, node.leases_taken);
            let lease = Lease {
                id: LeaseId(new_uuid()?),
                serial: node.lease_serial,
                quota: pot.quota,
                user: pot.user,
                period: pot.period,
                amount,
            };
            db::leases::insert(tx, node.id, &lease, self.now_ms()).await?;
        }
        let of_this = standing.boxes.iter().find(|one| one.node == node.id);
        let has = of_this.map_or(0, |one| one.unspent).saturating_add(amount);
        if has < want {
            let running = db::leases::running(tx, pot).await?;
            let recalled = standing.to_recall(node.id, want - has, &running);
            db::leases::recall_these(tx, &recalled).await?;
        }
        Ok(())
    }

    /// Quotas of which a box has leases of another period than the one that runs, with that one;
    /// `None` for quotas that there are no more.
    pub(super) async fn ended_periods(
        &self,
        tx: &mut Tx,
        node: NodeId,
    ) -> Result<Vec<(QuotaId, Option<u32>)>, CentreError> {
        let now = self.now_ms();
        let mut ended = Vec::new();
        for (id, kept) in db::leases::kept_periods(tx, node).await? {
            let quota = db::quotas::by_id(tx, id).await?;
            let current = quota.map(|quota| period::number(quota.period, now));
            if current != Some(kept) && !ended.contains(&(id, current)) {
                ended.push((id, current));
            }
        }
        Ok(ended)
    }

    /// Asks a box for its leases of periods that are over. The caller holds the quotas' rows.
    pub(super) async fn recall_periods(
        &self,
        tx: &mut Tx,
        node: NodeId,
        ended: &[(QuotaId, Option<u32>)],
    ) -> Result<(), CentreError> {
        for (id, current) in ended {
            db::leases::recall_other_periods(tx, node, *id, *current).await?;
        }
        Ok(())
    }

    /// What a box is told of its leases, in the site's present generation.
    pub(super) async fn lease_news(
        &self,
        connection: &mut AnyConnection,
        generation: u64,
        node: NodeId,
        taken: u64,
    ) -> Result<LeaseNews, CentreError> {
        let held = db::leases::news(connection, node, taken).await?;
        let told = held
            .iter()
            .map(|held| (&held.lease, held.slice().state, held.recalled));
        Ok(news(told, taken, generation))
    }

    /// Slices of the quotas that cover who has just logged in, if the box has too little of them.
    pub(super) async fn leases_at_login(
        &self,
        node: NodeId,
        user: Option<&Claimant>,
        upto: u64,
    ) -> Result<LeaseNews, CentreError> {
        let mut attempts = Attempts::new();
        loop {
            let news = self.leases_at_login_once(node, user, upto).await;
            if attempts.stands(&news) {
                return news;
            }
        }
    }

    async fn leases_at_login_once(
        &self,
        node: NodeId,
        user: Option<&Claimant>,
        upto: u64,
    ) -> Result<LeaseNews, CentreError> {
        let mut tx = self.read().await?;
        let known = db::nodes::by_id(&mut tx, node).await?;
        let known = known.ok_or(CentreError::missing("box"))?;
        let taken = known.leases_taken.max(upto);
        let wants = self.wants_at_login(&mut tx, node, user).await?;
        if wants.is_empty() {
            let (generation, _) = db::site::latest(&mut tx).await?;
            return self.lease_news(&mut tx, generation, node, taken).await;
        }
        drop(tx);
        let mut tx = self.write().await?;
        let known = db::nodes::lock(&mut tx, node).await?;
        let mut known = known.ok_or(CentreError::missing("box"))?;
        known.leases_taken = known.leases_taken.max(upto);
        hold_quotas(&mut tx, wants.iter().map(|want| want.quota).collect()).await?;
        let site = db::site::read(&mut tx).await?;
        self.grant(&mut tx, &site, known, &wants).await?;
        let generation = site.generation;
        let news = self.lease_news(&mut tx, generation, node, taken).await?;
        tx.commit().await?;
        Ok(news)
    }

    /// What there is of leases at a login, where none is to be given.
    pub(super) async fn leases_as_they_are(
        &self,
        connection: &mut AnyConnection,
        generation: u64,
        node: &Node,
        user: Option<&Claimant>,
        upto: u64,
    ) -> Result<Option<LeaseNews>, CentreError> {
        let wants = self.wants_at_login(connection, node.id, user).await?;
        if !wants.is_empty() {
            return Ok(None);
        }
        let taken = node.leases_taken.max(upto);
        let news = self
            .lease_news(connection, generation, node.id, taken)
            .await;
        news.map(Some)
    }

    async fn wants_at_login(
        &self,
        connection: &mut AnyConnection,
        node: NodeId,
        user: Option<&Claimant>,
    ) -> Result<Vec<LeaseWant>, CentreError> {
        let Some(user) = user else {
            return Ok(Vec::new());
        };
        let groups = user.groups.iter().map(|group| group.0);
        let covered: Vec<_> = std::iter::once(user.id.0).chain(groups).collect();
        let mut wants = Vec::new();
        for quota in db::quotas::covering(connection, &covered).await? {
            let want = LeaseWant {
                quota: quota.id,
                user: matches!(quota.covers, Covers::EachOf(_)).then_some(user.id),
                amount: WANT_AT_LOGIN,
            };
            let Some(pot) = self.pot(connection, &quota, &want).await? else {
                continue;
            };
            let standing = self.standing(connection, &quota, pot, Some(node)).await?;
            if standing.grant(node, WANT_AT_LOGIN) > 0 {
                wants.push(want);
            }
        }
        Ok(wants)
    }
}

/// Locks the rows of quotas, in the order in which all do.
pub(super) async fn hold_quotas(tx: &mut Tx, mut quotas: Vec<QuotaId>) -> Result<(), CentreError> {
    quotas.sort();
    quotas.dedup();
    for id in quotas {
        db::quotas::hold(tx, id).await?;
    }
    Ok(())
}

/// Boxes whose leases are not known since the database was put back from a backup.
pub(super) async fn recovery(tx: &mut Tx, site: &Site) -> Result<Recovery, CentreError> {
    if site.restored_unix_ms == 0 {
        return Ok(Recovery::default());
    }
    let waiting = db::nodes::awaited(tx).await?.into_iter().collect();
    Ok(Recovery {
        generation: site.generation,
        since_unix_ms: site.restored_unix_ms,
        waiting,
    })
}
