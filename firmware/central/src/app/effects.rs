// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What entries of a box's journal do: charges, leases, logins, bound cards. They come in the order in
//! which they were written, each once.

use std::collections::{HashMap, HashSet};

use platen_model::{
    Covers, CredentialId, CredentialKind, CredentialRecord, Entry, LeaseId, NodeId, Quota, QuotaId,
    RecordId, Share, Source, UserId,
};
use platen_sync::card::rekey;
use platen_sync::centre::effect::{Effect, Reading, judge, read};
use platen_sync::centre::lease::Spent;
use platen_sync::centre::period;
use platen_sync::message::SentEntry;
use serde_json::json;

use super::credentials::{check_card_free, remove_all};
use super::records::AMOUNT_MAX;
use super::{Actor, Centre, CentreError, Charge, ChargedShare, HeldLease, JournalEntry, Login};
use crate::db::leases::Pot;
use crate::db::objects::Standing;
use crate::db::{self, Tx};

/// How long a box's word can lock a credential: longer is no lock but a mistake of its clock.
const LOCK_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1000;
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
    /// Keeps entries and does what they say. The caller holds the box's row.
    pub(super) async fn apply(
        &self,
        tx: &mut Tx,
        node: NodeId,
        branch: u32,
        entries: &[SentEntry],
    ) -> Result<(), CentreError> {
        let now = self.now_ms();
        let read: Vec<(&SentEntry, Reading)> = entries
            .iter()
            .map(|sent| (sent, read(&sent.entry)))
            .collect();
        let kept: Vec<JournalEntry> = entries
            .iter()
            .map(|sent| journal_entry(node, branch, sent))
            .collect();
        db::journal::insert(tx, &kept, now).await?;
        let mut batch = Batch {
            node,
            branch,
            leases: leases_of(tx, node, &read).await?,
            changed: HashSet::new(),
            quotas: HashMap::new(),
            logins: Vec::new(),
            lost: 0,
        };
        for (sent, reading) in read {
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
            Effect::Locked(credential, until) => self.lock(tx, credential, until).await,
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

    async fn lock(
        &self,
        tx: &mut Tx,
        credential: CredentialId,
        until_unix_ms: u64,
    ) -> Result<(), CentreError> {
        if db::credentials::by_id(tx, credential).await?.is_none() {
            return Ok(());
        }
        let until = until_unix_ms.min(self.now_ms() + LOCK_MS_MAX);
        db::tries::lock(tx, &credential.to_string(), until).await
    }

    /// A card that somebody bound to themselves at a box: it is confirmed, or the box is told that
    /// it is worth nothing.
    async fn confirm(
        &self,
        tx: &mut Tx,
        node: NodeId,
        mut credential: CredentialRecord,
        keys: u32,
    ) -> Result<(), CentreError> {
        let site = db::site::lock(tx).await?;
        let object = RecordId::Credential(credential.id);
        if db::credentials::by_id(tx, credential.id).await?.is_some() {
            // Known already: a box that was put back from a backup says it again.
            return Ok(());
        }
        let refused = match &mut credential.kind {
            CredentialKind::Card { key, .. } => {
                let site_keys = self.keys_of(&site)?.keys;
                let behind = usize::try_from(keys).unwrap_or(usize::MAX);
                match site_keys.get(behind..) {
                    Some(newer) if keys > 0 => {
                        *key = newer.iter().fold(*key, rekey);
                        let key = *key;
                        self.refusal(tx, &site.settings, credential.user, key)
                            .await?
                    }
                    _ => Some("its hash is under keys that the site does not have".to_owned()),
                }
            }
            // Taken by an operator of the box: people's own wish is not needed.
            CredentialKind::Finger { .. } => inactive(tx, credential.user).await?,
            _ => Some("only cards and fingers are bound at a box".to_owned()),
        };
        let name = format!("credential:{}", credential.id);
        if let Some(why) = refused {
            db::objects::change(tx, &[(object, Standing::Gone)]).await?;
            let detail = json!({ "user": credential.user.to_string(), "why": why });
            return self
                .raise(tx, "binding-refused", Some(node), Some(name), detail)
                .await;
        }
        credential.provisional = false;
        db::credentials::put(tx, std::slice::from_ref(&credential)).await?;
        db::objects::change(tx, &[(object, Standing::Kept)]).await?;
        let kind = match credential.kind {
            CredentialKind::Finger { .. } => "finger",
            _ => "card",
        };
        let detail = json!({ "kind": kind, "user": credential.user.to_string() });
        self.record(tx, &Actor::Node(node), "credential-confirmed", name, detail)
            .await
    }

    async fn refusal(
        &self,
        tx: &mut Tx,
        settings: &platen_model::Settings,
        user: UserId,
        key: platen_model::CardKey,
    ) -> Result<Option<String>, CentreError> {
        if !settings.self_enrolment {
            return Ok(Some("people do not bind cards themselves here".to_owned()));
        }
        if let Some(why) = inactive(tx, user).await? {
            return Ok(Some(why));
        }
        match check_card_free(tx, user, key).await {
            Ok(()) => Ok(None),
            Err(CentreError::Conflict { why }) => Ok(Some(why)),
            Err(error) => Err(error),
        }
    }

    async fn used_code(
        &self,
        tx: &mut Tx,
        node: NodeId,
        code: CredentialId,
    ) -> Result<(), CentreError> {
        db::site::lock(tx).await?;
        match db::credentials::by_id(tx, code).await? {
            Some(known) => remove_all(tx, &[known]).await,
            // Used elsewhere before, or taken away: this box did not know that yet.
            None => {
                let object = Some(format!("credential:{code}"));
                self.raise(tx, "code-used-twice", Some(node), object, json!({}))
                    .await
            }
        }
    }
}

/// Why nothing is bound to this person, if so.
async fn inactive(tx: &mut Tx, user: UserId) -> Result<Option<String>, CentreError> {
    let known = db::users::by_id(tx, user).await?;
    let is_active = known.is_some_and(|user| user.active);
    Ok((!is_active).then(|| "the person may not log in".to_owned()))
}

/// The leases that entries name, as far as they are the box's own.
async fn leases_of(
    tx: &mut Tx,
    node: NodeId,
    read: &[(&SentEntry, Reading)],
) -> Result<HashMap<LeaseId, HeldLease>, CentreError> {
    let mut named = HashSet::new();
    for (_, reading) in read {
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
    JournalEntry {
        node,
        branch,
        link: sent.link,
        at: sent.at,
        received_unix_ms: 0,
        kind: kind(&sent.entry),
        raw: sent.entry.clone(),
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
