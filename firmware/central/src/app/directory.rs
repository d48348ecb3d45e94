// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The directory, page by page, as boxes ask for it.

use platen_model::{Changes, CredentialKind, NodeId, Record, Revised, Tombstone};
use platen_sync::centre::recovery::page_from;
use platen_sync::limits::{LOCKS_MAX, RECORDS_MAX, TOMBSTONES_MAX};
use platen_sync::message::{LeaseNews, LockNotice, Pull, PullAnswer, VERSION};

use super::attempts::Attempts;
use super::leases::hold_quotas;
use super::vault::Kept;
use super::{Centre, CentreError, NodeState};
use crate::db::{self, Tx, site::Site};

/// Bytes of records in a page, about: beside a full load of tombstones within what a page may have.
const RECORD_BYTES_MAX: usize = 2 << 20;
/// Bytes that a record takes besides its texts, at most about.
const RECORD_BYTES: usize = 400;

impl Centre {
    /// Answers a box at once: the next page, signed for it, and news of its leases.
    ///
    /// # Errors
    /// [`CentreError::Missing`] for a box that is no member.
    pub async fn pull(&self, node: NodeId, pull: &Pull) -> Result<PullAnswer, CentreError> {
        let mut attempts = Attempts::new();
        let taken = loop {
            let taken = self.hear_pull(node, pull).await;
            if attempts.stands(&taken) {
                break taken?;
            }
        };
        let _turn = self.inner.pages.acquire().await;
        let mut tx = self.read().await?;
        let site = db::site::read(&mut tx).await?;
        let changes = self.page(&mut tx, &site, node, pull).await?;
        let offers = self.offers(&mut tx, &site, node, pull).await?;
        let generation = changes.generation;
        let leases = self.lease_news(&mut tx, generation, node, taken).await?;
        let locks = self.locks(&mut tx).await?;
        drop(tx);
        let signed = self.inner.signer.sign(&changes);
        Ok(PullAnswer {
            version: VERSION,
            changes: signed.map_err(|_| CentreError::corrupt("record that no box takes"))?,
            leases,
            hurry: false,
            locks,
            offers,
        })
    }

    /// Notes how far a box has come; returns the highest serial of a lease that it took.
    async fn hear_pull(&self, node: NodeId, pull: &Pull) -> Result<u64, CentreError> {
        let mut tx = self.write().await?;
        let known = db::nodes::lock(&mut tx, node).await?;
        let known = known.filter(|node| node.state != NodeState::Revoked);
        let known = known.ok_or(CentreError::missing("box"))?;
        let ended = self.ended_periods(&mut tx, node).await?;
        let quotas = ended.iter().map(|(quota, _)| *quota);
        hold_quotas(&mut tx, quotas.collect()).await?;
        let reach = (pull.generation, pull.after);
        db::nodes::pulled(&mut tx, node, reach, self.now_ms()).await?;
        db::nodes::took_leases(&mut tx, node, pull.leases_upto).await?;
        self.recall_periods(&mut tx, node, &ended).await?;
        tx.commit().await?;
        Ok(known.leases_taken.max(pull.leases_upto))
    }

    /// Credentials that are locked now, those that stay so the longest first.
    async fn locks(&self, tx: &mut Tx) -> Result<Vec<LockNotice>, CentreError> {
        let now = self.now_ms();
        let limit = u64::try_from(LOCKS_MAX).unwrap_or(u64::MAX);
        let locked = db::tries::locked(tx, now, limit).await?.into_iter();
        let notices = locked.map(|(credential, until)| LockNotice {
            credential,
            left_ms: until.saturating_sub(now),
        });
        Ok(notices.collect())
    }

    /// Whether there is anything to tell a box, for whoever waits with an answer: `None` when the
    /// directory is not as the box has it, else what it would be told of its leases.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn news(&self, node: NodeId, pull: &Pull) -> Result<Option<LeaseNews>, CentreError> {
        let mut tx = self.read().await?;
        let (generation, revision) = db::site::latest(&mut tx).await?;
        if (pull.generation, pull.after) != (generation, revision) {
            return Ok(None);
        }
        let known = db::nodes::by_id(&mut tx, node).await?;
        let taken = known.map_or(0, |node| node.leases_taken);
        let taken = taken.max(pull.leases_upto);
        let news = self.lease_news(&mut tx, generation, node, taken).await;
        news.map(Some)
    }

    /// The page of the directory that follows what a box has, not signed.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn changes(&self, node: NodeId, pull: &Pull) -> Result<Changes, CentreError> {
        let mut tx = self.read().await?;
        let site = db::site::read(&mut tx).await?;
        self.page(&mut tx, &site, node, pull).await
    }

    async fn page(
        &self,
        tx: &mut Tx,
        site: &Site,
        node: NodeId,
        pull: &Pull,
    ) -> Result<Changes, CentreError> {
        let latest = site.revision;
        let from = page_from(site.generation, latest, pull);
        let tombstones = tombstones(tx, pull, from).await?;
        let full = u64::try_from(RECORDS_MAX).unwrap_or(u64::MAX);
        let bound = db::objects::bound(tx, from, full).await?.unwrap_or(latest);
        // A page full of tombstones ends with the last of them: the rest comes with the next one.
        let bound = match tombstones.last() {
            Some(last) if tombstones.len() >= TOMBSTONES_MAX => bound.min(last.revision),
            _ => bound,
        };
        let mut records = self.records(tx, site, from, bound).await?;
        let taken = fitting(&records);
        let mut to = bound;
        if taken < records.len() {
            records.truncate(taken);
            to = records.last().map_or(from, |last| last.revision);
        }
        Ok(Changes {
            site: site.id,
            node,
            generation: site.generation,
            keys: site.keys,
            at_unix_ms: self.now_ms(),
            from,
            to,
            latest,
            tombstones,
            records,
        })
    }

    async fn records(
        &self,
        tx: &mut Tx,
        site: &Site,
        after: u64,
        to: u64,
    ) -> Result<Vec<Revised>, CentreError> {
        let mut all = Vec::new();
        fn add<T>(all: &mut Vec<Revised>, rows: Vec<(u64, T)>, record: fn(T) -> Record) {
            all.extend(rows.into_iter().map(|(revision, row)| Revised {
                revision,
                record: record(row),
            }));
        }
        add(
            &mut all,
            db::users::changed(tx, after, to).await?,
            Record::User,
        );
        add(
            &mut all,
            db::groups::changed(tx, after, to).await?,
            Record::Group,
        );
        let mut credentials = db::credentials::changed(tx, after, to).await?;
        for (_, credential) in &mut credentials {
            if let CredentialKind::Finger { template, .. } = &mut credential.kind {
                let plain = self.inner.vault.open(Kept::Template, template);
                *template = plain.ok_or(CentreError::WrongKey)?.to_vec();
            }
        }
        add(&mut all, credentials, Record::Credential);
        add(
            &mut all,
            db::quotas::changed(tx, after, to).await?,
            Record::Quota,
        );
        add(
            &mut all,
            db::prices::changed(tx, after, to).await?,
            Record::Prices,
        );
        add(
            &mut all,
            db::rules::changed(tx, after, to).await?,
            Record::Rule,
        );
        let settings = db::objects::settings_between(tx, after, to).await?;
        all.extend(settings.map(|revision| Revised {
            revision,
            record: Record::Settings(site.settings.clone()),
        }));
        all.sort_by_key(|revised| revised.revision);
        Ok(all)
    }
}

/// A box that has nothing yet has nothing to drop; one that begins anew still serves its old copy.
async fn tombstones(tx: &mut Tx, pull: &Pull, from: u64) -> Result<Vec<Tombstone>, CentreError> {
    if from == 0 && pull.generation == 0 {
        return Ok(Vec::new());
    }
    let limit = u64::try_from(TOMBSTONES_MAX).unwrap_or(u64::MAX);
    db::objects::tombstones(tx, from, limit).await
}

/// How many of the records go into one page; at least one.
fn fitting(records: &[Revised]) -> usize {
    let mut bytes = 0_usize;
    let within = records.iter().take_while(|revised| {
        bytes = bytes.saturating_add(weight(&revised.record));
        bytes <= RECORD_BYTES_MAX
    });
    within.count().max(1)
}

fn weight(record: &Record) -> usize {
    let texts = match record {
        Record::User(user) => {
            let aliases: usize = user.aliases.iter().map(|alias| alias.len() + 4).sum();
            user.login.len() + user.name.len() + aliases + user.groups.len() * 20
        }
        Record::Group(group) => group.name.len(),
        Record::Credential(credential) => match &credential.kind {
            CredentialKind::Pin { hash } | CredentialKind::Password { hash } => hash.len(),
            CredentialKind::Finger { part, template } => part.len() + template.len(),
            _ => 0,
        },
        Record::Quota(quota) => quota.name.len(),
        Record::Prices(prices) => prices.name.len(),
        Record::Rule(rule) => rule.text.len(),
        _ => 0,
    };
    RECORD_BYTES + texts
}
