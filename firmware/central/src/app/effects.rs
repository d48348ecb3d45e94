// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What entries of a box's journal do: charges, leases, logins, bound cards. They come in the order in
//! which they were written, each once.

use std::collections::{HashMap, HashSet};

use platen_model::{Covers, Entry, LeaseId, NodeId, Quota, QuotaId, Share, Source, UserId};
use platen_sync::centre::effect::{Effect, Reading, judge};
use platen_sync::centre::lease::Spent;
use platen_sync::centre::period;
use platen_sync::message::SentEntry;
use serde_json::json;

use super::bindings::without_template;
use super::leases::hold_quotas;
use super::records::AMOUNT_MAX;
use super::{Centre, CentreError, Charge, ChargedShare, HeldLease, JournalEntry, Login};
use crate::db::leases::Pot;
use crate::db::{self, Tx};

/// Letters of an entry's name that are kept.
const KIND_CHARS_MAX: usize = 40;

/// Entries of one push on their way into the database.
struct Batch {
    node: NodeId,
    branch: u32,
    /// Leases that the entries name.
    leases: HashMap<LeaseId, HeldLease>,
    changed: HashSet<LeaseId>,
    quotas: HashMap<QuotaId, Option<Quota>>,
    logins: Vec<(u32, u64, Login)>,
    lost: u64,
}

impl Centre {
    /// Locks whatever entries are going to change beside the box's row, and `quotas` as well, in the
    /// order in which all do. `fork`: the journal goes another way with them.
    pub(super) async fn hold_for(
        &self,
        tx: &mut Tx,
        node: NodeId,
        readings: &[Reading],
        fork: bool,
        mut quotas: Vec<QuotaId>,
    ) -> Result<(), CentreError> {
        if readings.iter().any(changes_directory) {
            db::site::lock(tx).await?;
        }
        let named = own_leases(tx, node, readings).await?;
        quotas.extend(named.values().map(|held| held.lease.quota));
        let lost = |reading: &Reading| {
            !matches!(reading, Reading::Known(_)) && judge(reading.clone()) == Effect::Lost
        };
        if fork || readings.iter().any(lost) {
            let open = db::leases::open_of(tx, node).await?;
            quotas.extend(open.iter().map(|held| held.lease.quota));
        }
        hold_quotas(tx, quotas).await
    }

    /// Keeps entries and does what they say. The caller holds the box's row and what [`Self::hold_for`]
    /// locks.
    pub(super) async fn apply(
        &self,
        tx: &mut Tx,
        node: NodeId,
        branch: u32,
        entries: &[SentEntry],
        readings: Vec<Reading>,
    ) -> Result<(), CentreError> {
        let now = self.now_ms();
        let kept: Vec<JournalEntry> = entries
            .iter()
            .map(|sent| journal_entry(node, branch, sent))
            .collect();
        db::journal::insert(tx, &kept, now).await?;
        let mut batch = Batch {
            node,
            branch,
            leases: own_leases(tx, node, &readings).await?,
            changed: HashSet::new(),
            quotas: HashMap::new(),
            logins: Vec::new(),
            lost: 0,
        };
        for (sent, reading) in entries.iter().zip(readings) {
            self.apply_one(tx, &mut batch, sent, reading).await?;
        }
        for id in &batch.changed {
            if let Some(held) = batch.leases.get(id) {
                db::leases::update(tx, held).await?;
            }
        }
        db::logins::insert(tx, &batch.logins).await?;
        if batch.lost > 0 {
            let detail = json!({ "entries": batch.lost });
            self.raise(tx, "entries-lost", Some(node), None, detail)
                .await?;
        }
        Ok(())
    }

    async fn apply_one(
        &self,
        tx: &mut Tx,
        batch: &mut Batch,
        sent: &SentEntry,
        reading: Reading,
    ) -> Result<(), CentreError> {
        if let Reading::Known(entry) = &reading {
            let login = login(batch.node, sent, entry);
            let (branch, sequence) = (batch.branch, sent.link.sequence);
            batch
                .logins
                .extend(login.map(|login| (branch, sequence, login)));
            if let Some(charge) = charge(batch, sent, entry) {
                return self.settle(tx, batch, charge, entry).await;
            }
        }
        match judge(reading) {
            Effect::Lost => {
                batch.lost += 1;
                for held in batch.leases.values_mut() {
                    let mut slice = held.slice();
                    slice.doubt();
                    held.follow(&slice);
                }
                db::leases::doubt(tx, batch.node).await
            }
            Effect::LeaseClosed(id) => {
                self.close_lease(batch, id);
                Ok(())
            }
            Effect::Locked(credential, until) => self.lock(tx, credential, until, sent.at).await,
            Effect::Bound {
                credential, keys, ..
            } => self.confirm(tx, batch.node, *credential, keys).await,
            Effect::CodeUsed(code) => self.used_code(tx, batch.node, code).await,
            _ => Ok(()),
        }
    }

    fn close_lease(&self, batch: &mut Batch, id: LeaseId) {
        let Some(held) = batch.leases.get_mut(&id) else {
            return;
        };
        let mut slice = held.slice();
        slice.close();
        held.follow(&slice);
        held.ended_unix_ms = held.ended_unix_ms.or(Some(self.now_ms()));
        batch.changed.insert(id);
    }

    /// A job's end: its charge, or the word that it was released twice.
    async fn settle(
        &self,
        tx: &mut Tx,
        batch: &mut Batch,
        charge: Charge,
        entry: &Entry,
    ) -> Result<(), CentreError> {
        let Entry::Settled { shares, .. } = entry else {
            return Ok(());
        };
        if !db::charges::insert(tx, &charge).await? {
            db::charges::insert_double(tx, &charge).await?;
            let object = Some(format!("job:{}", charge.job));
            let detail = json!({ "sequence": charge.sequence });
            let node = Some(batch.node);
            return self.raise(tx, "double-release", node, object, detail).await;
        }
        for (place, share) in (0_u64..).zip(shares) {
            self.take(tx, batch, &charge, place, share).await?;
        }
        Ok(())
    }

    async fn take(
        &self,
        tx: &mut Tx,
        batch: &mut Batch,
        charge: &Charge,
        place: u64,
        share: &Share,
    ) -> Result<(), CentreError> {
        let amount = share.amount.min(AMOUNT_MAX);
        let held = share.lease.and_then(|id| batch.leases.get_mut(&id));
        let held = held.filter(|held| held.lease.quota == share.quota);
        let mut over = 0;
        let pot = match held {
            Some(held) => {
                let mut slice = held.slice();
                if let Spent::Over(by) = slice.spend(amount) {
                    over = by;
                }
                held.follow(&slice);
                batch.changed.insert(held.lease.id);
                Pot {
                    quota: held.lease.quota,
                    user: held.lease.user,
                    period: held.lease.period,
                }
            }
            None => self.pot_above(tx, batch, charge.user, share.quota).await?,
        };
        let leased = share.lease.filter(|id| batch.changed.contains(id));
        let kept = ChargedShare {
            quota: share.quota,
            lease: leased,
            amount,
            above: leased.is_none(),
        };
        db::charges::insert_share(tx, charge.job, place, pot, &kept).await?;
        if over == 0 {
            return Ok(());
        }
        let object = Some(format!("quota:{}", share.quota));
        let detail = json!({ "over": over, "job": charge.job.to_string() });
        self.raise(tx, "overspent", Some(batch.node), object, detail)
            .await
    }

    /// What was let through without a lease counts in the period in which the centre hears of it.
    async fn pot_above(
        &self,
        tx: &mut Tx,
        batch: &mut Batch,
        user: Option<UserId>,
        id: QuotaId,
    ) -> Result<Pot, CentreError> {
        let quota = match batch.quotas.get(&id) {
            Some(quota) => quota.clone(),
            None => {
                let quota = db::quotas::by_id(tx, id).await?;
                batch.quotas.insert(id, quota.clone());
                quota
            }
        };
        let now = self.now_ms();
        let each = quota
            .as_ref()
            .is_some_and(|quota| matches!(quota.covers, Covers::EachOf(_)));
        Ok(Pot {
            quota: id,
            user: user.filter(|_| each),
            period: quota.map_or(0, |quota| period::number(quota.period, now)),
        })
    }
}

fn changes_directory(reading: &Reading) -> bool {
    let Reading::Known(entry) = reading else {
        return false;
    };
    matches!(
        **entry,
        Entry::CredentialBound { .. } | Entry::CodeUsed { .. }
    )
}

/// The leases that entries name, as far as they are the box's own.
async fn own_leases(
    tx: &mut Tx,
    node: NodeId,
    readings: &[Reading],
) -> Result<HashMap<LeaseId, HeldLease>, CentreError> {
    let mut named = HashSet::new();
    for reading in readings {
        let Reading::Known(entry) = reading else {
            continue;
        };
        match &**entry {
            Entry::Settled { shares, .. } => {
                named.extend(shares.iter().filter_map(|share| share.lease));
            }
            Entry::LeaseClosed { lease } => {
                named.insert(*lease);
            }
            _ => {}
        }
    }
    let named: Vec<LeaseId> = named.into_iter().collect();
    let held = db::leases::by_ids(tx, &named).await?;
    let own = held.into_iter().filter(|held| held.node == node);
    Ok(own.map(|held| (held.lease.id, held)).collect())
}

fn journal_entry(node: NodeId, branch: u32, sent: &SentEntry) -> JournalEntry {
    let kind = kind(&sent.entry);
    let raw = match kind.as_str() {
        "credential-bound" => without_template(&sent.entry),
        _ => sent.entry.clone(),
    };
    JournalEntry {
        node,
        branch,
        link: sent.link,
        at: sent.at,
        received_unix_ms: 0,
        kind,
        raw,
    }
}

/// The name of an entry, also of one that this program does not know.
fn kind(entry: &[u8]) -> String {
    if entry.is_empty() {
        return "lost".to_owned();
    }
    let value = ciborium::from_reader::<ciborium::Value, _>(entry);
    let name = match value {
        Ok(ciborium::Value::Text(name)) => Some(name),
        Ok(ciborium::Value::Map(pairs)) => pairs
            .into_iter()
            .next()
            .and_then(|(key, _)| key.into_text().ok()),
        _ => None,
    };
    let name = name.unwrap_or_else(|| "unknown".to_owned());
    let printable = name.chars().filter(|c| c.is_ascii_graphic());
    printable.take(KIND_CHARS_MAX).collect()
}

fn charge(batch: &Batch, sent: &SentEntry, entry: &Entry) -> Option<Charge> {
    let Entry::Settled {
        job,
        user,
        printer,
        attempt,
        outcome,
        count,
        octets,
        impressions,
        confirmed_by,
        charged: true,
        cost,
        ..
    } = entry
    else {
        return None;
    };
    Some(Charge {
        job: *job,
        node: batch.node,
        branch: batch.branch,
        sequence: sent.link.sequence,
        user: *user,
        printer: printer.clone(),
        at_unix_ms: sent.at.unix_ms,
        at_trusted: sent.at.trusted,
        attempt: *attempt,
        outcome: *outcome,
        count: count.clone(),
        octets: *octets,
        impressions: *impressions,
        confirmed_by: *confirmed_by,
        cost: cost.map(|cost| cost.amount),
        prices: cost.map(|cost| cost.prices),
        shares: Vec::new(),
    })
}

fn login(node: NodeId, sent: &SentEntry, entry: &Entry) -> Option<Login> {
    let mut login = Login {
        node,
        at_unix_ms: sent.at.unix_ms,
        user: None,
        method: None,
        place: String::new(),
        source: None,
        refused: None,
    };
    match entry {
        Entry::LoginAccepted {
            user,
            reader,
            source,
            method,
            ..
        } => {
            login.user = Some(*user);
            login.method = *method;
            login.place.clone_from(reader);
            login.source = Some(
                match source {
                    Source::Local => "local",
                    Source::Online => "online",
                    Source::Cached { .. } => "cached",
                }
                .to_owned(),
            );
        }
        Entry::LoginDenied { reader, reason, .. } => {
            login.method = Some(platen_model::Method::Card);
            login.place.clone_from(reader);
            login.refused = Some(*reason);
        }
        Entry::FingerDenied { sensor, reason } => {
            login.method = Some(platen_model::Method::Finger);
            login.place.clone_from(sensor);
            login.refused = Some(*reason);
        }
        Entry::LoginRefused {
            method,
            user,
            reader,
            reason,
        } => {
            login.method = Some(*method);
            login.user = *user;
            login.place.clone_from(reader);
            login.refused = Some(*reason);
        }
        _ => return None,
    }
    Some(login)
}
