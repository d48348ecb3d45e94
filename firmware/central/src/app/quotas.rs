// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Quotas, and how much of them is used.

use platen_model::{Covers, Quota, QuotaId, RecordId, UserId};
use platen_sync::centre::period;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::records::{check_amount, check_name};
use super::{Actor, Centre, CentreError};
use crate::db::leases::Pot;
use crate::db::objects::Standing;
use crate::db::{self, Tx};

/// How much of a quota is used in the present period.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct QuotaUse {
    /// Number of the period.
    pub period: u32,
    /// How much there is.
    pub limit: u64,
    /// How much was charged.
    pub charged: u64,
    /// How much boxes may still spend of what they were given.
    pub out: u64,
    /// How much nobody has yet.
    pub free: u64,
}

impl Centre {
    /// All quotas in order of their names.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn quotas(&self) -> Result<Vec<Quota>, CentreError> {
        db::quotas::all(&mut *self.read().await?).await
    }

    /// How much of a quota is used; `user`: whose, where each member of a group has one.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn quota_use(
        &self,
        id: QuotaId,
        user: Option<UserId>,
    ) -> Result<QuotaUse, CentreError> {
        let mut tx = self.read().await?;
        let quota = db::quotas::by_id(&mut tx, id).await?;
        let quota = quota.ok_or(CentreError::missing("quota"))?;
        let pot = Pot {
            quota: id,
            user: matches!(quota.covers, Covers::EachOf(_))
                .then_some(user)
                .flatten(),
            period: period::number(quota.period, self.now_ms()),
        };
        let (charged, out) = db::leases::charged(&mut tx, pot).await?;
        let (leased, above) = db::leases::used(&mut tx, pot).await?;
        Ok(QuotaUse {
            period: pot.period,
            limit: quota.limit,
            charged,
            out,
            free: quota.limit.saturating_sub(leased.saturating_add(above)),
        })
    }

    /// Keeps a quota, new or in place of the one with this id. What boxes were given of one that is
    /// less now, or counts something else, is asked back.
    ///
    /// # Errors
    /// [`CentreError::Invalid`]; [`CentreError::Missing`] when it covers nobody.
    pub async fn put_quota(&self, actor: &Actor, mut quota: Quota) -> Result<(), CentreError> {
        quota.name = check_name("name", &quota.name)?;
        check_amount("limit", quota.limit)?;
        let id = quota.id;
        let (mut tx, _) = self.change().await?;
        check_covered(&mut tx, quota.covers).await?;
        let before = db::quotas::lock(&mut tx, id).await?;
        db::quotas::put(&mut tx, &quota).await?;
        if let Some(before) = before {
            self.ask_back(&mut tx, &before, &quota).await?;
        }
        db::objects::change(&mut tx, &[(RecordId::Quota(id), Standing::Kept)]).await?;
        let detail = serde_json::to_value(&quota).unwrap_or_default();
        let object = format!("quota:{id}");
        self.record(&mut tx, actor, "quota-set", object, detail)
            .await?;
        tx.commit().await
    }

    async fn ask_back(
        &self,
        tx: &mut Tx,
        before: &Quota,
        after: &Quota,
    ) -> Result<(), CentreError> {
        let as_before =
            (before.covers, before.unit, before.period) == (after.covers, after.unit, after.period);
        if !as_before {
            return db::leases::recall(tx, after.id).await;
        }
        if after.limit >= before.limit {
            return Ok(());
        }
        let now = period::number(after.period, self.now_ms());
        for pot in db::leases::open_pots(tx, after.id).await? {
            if pot.period == now {
                let standing = self.standing(tx, after, pot, None).await?;
                let running = db::leases::running(tx, pot).await?;
                let recalled = standing.to_recall_excess(&running);
                db::leases::recall_these(tx, &recalled).await?;
            }
        }
        Ok(())
    }

    /// Takes a quota away and asks back what boxes were given of it.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn delete_quota(&self, actor: &Actor, id: QuotaId) -> Result<(), CentreError> {
        let (mut tx, _) = self.change().await?;
        if db::quotas::lock(&mut tx, id).await?.is_none() {
            return Err(CentreError::missing("quota"));
        }
        db::leases::recall(&mut tx, id).await?;
        db::quotas::delete(&mut tx, id).await?;
        db::objects::change(&mut tx, &[(RecordId::Quota(id), Standing::Gone)]).await?;
        let object = format!("quota:{id}");
        self.record(&mut tx, actor, "quota-deleted", object, json!({}))
            .await?;
        tx.commit().await
    }
}

async fn check_covered(tx: &mut Tx, covers: Covers) -> Result<(), CentreError> {
    let there = match covers {
        Covers::User(user) => db::users::by_id(tx, user).await?.is_some(),
        Covers::Group(group) | Covers::EachOf(group) => {
            db::groups::by_id(tx, group).await?.is_some()
        }
    };
    let what = match covers {
        Covers::User(_) => "user",
        _ => "group",
    };
    there.then_some(()).ok_or(CentreError::missing(what))
}
