// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a box sends, taken in one transaction: its journal, how its jobs stand, what it wants of
//! quotas. A push that comes again changes nothing.

use std::collections::HashMap;

use platen_model::{JobId, NodeId};
use platen_sync::centre::effect::{Reading, read};
use platen_sync::centre::journal::{JournalFault, Receipt, receive};
use platen_sync::limits::WANTS_MAX;
use platen_sync::message::{JobNotice, Push, PushAnswer, VERSION, Verdict};
use serde_json::json;

use super::attempts::Attempts;
use super::leases::recovery;
use super::rollout::failure;
use super::{CentralJob, Centre, CentreError, Node, NodeState};
use crate::db::{self, Tx, nodes::Heard, site::Site};

impl From<JournalFault> for CentreError {
    fn from(fault: JournalFault) -> Self {
        let why = fault.to_string();
        Self::Journal { why }
    }
}

impl Centre {
    /// Takes a push. What it holds is kept for good when this returns.
    ///
    /// # Errors
    /// [`CentreError::Missing`] for a box that is no member, [`CentreError::Journal`] for a journal
    /// that no honest box has.
    pub async fn receive(&self, node: NodeId, push: &Push) -> Result<PushAnswer, CentreError> {
        let mut attempts = Attempts::new();
        loop {
            let answer = self.receive_once(node, push).await;
            if attempts.stands(&answer) {
                return answer;
            }
        }
    }

    async fn receive_once(&self, node: NodeId, push: &Push) -> Result<PushAnswer, CentreError> {
        let mut tx = self.write().await?;
        let known = db::nodes::lock(&mut tx, node).await?;
        let known = known.filter(|node| node.state != NodeState::Revoked);
        let mut known = known.ok_or(CentreError::missing("box"))?;
        let failure = failure(&known, push.running.as_ref());
        if failure.is_some() {
            // A release may stop for it: the site's row comes before the quotas'.
            db::site::lock(&mut tx).await?;
        }
        let last = push.entries.last().map_or(push.after, |entry| entry.link);
        let (from, to) = (push.after.sequence, last.sequence);
        let books = db::journal::books(&mut tx, node, from, to).await?;
        let receipt = receive(&books, push)?;
        let kept = receipt.to_keep.iter();
        let readings: Vec<Reading> = kept.map(|sent| read(&sent.entry)).collect();
        let ended = self.ended_periods(&mut tx, node).await?;
        let wants = match receipt.verdict {
            Verdict::Kept(_) => push.wants.as_slice(),
            _ => &[],
        };
        let wanted = wants.iter().take(WANTS_MAX).map(|want| want.quota);
        let quotas = wanted.chain(ended.iter().map(|(quota, _)| *quota));
        let (fork, quotas) = (receipt.fork.is_some(), quotas.collect());
        self.hold_for(&mut tx, node, &readings, fork, quotas)
            .await?;
        self.keep(&mut tx, &known, &receipt, readings).await?;
        self.welcome_back(&mut tx, &mut known).await?;
        self.take_jobs(&mut tx, node, &push.jobs).await?;
        let site = db::site::read(&mut tx).await?;
        let verdict = receipt.verdict.clone();
        self.hear(&mut tx, &known, &site, push, &receipt).await?;
        self.hear_running(&mut tx, &known, push.running.as_ref(), failure)
            .await?;
        known.leases_taken = known.leases_taken.max(push.leases_upto);
        let taken = known.leases_taken;
        db::nodes::took_leases(&mut tx, node, taken).await?;
        self.recall_periods(&mut tx, node, &ended).await?;
        self.grant(&mut tx, &site, known, wants).await?;
        let (generation, latest) = db::site::latest(&mut tx).await?;
        let leases = self.lease_news(&mut tx, generation, node, taken).await?;
        tx.commit().await?;
        Ok(PushAnswer {
            version: VERSION,
            at_unix_ms: self.now_ms(),
            verdict,
            leases,
            latest,
        })
    }

    async fn keep(
        &self,
        tx: &mut Tx,
        node: &Node,
        receipt: &Receipt<'_>,
        readings: Vec<Reading>,
    ) -> Result<(), CentreError> {
        if receipt.to_keep.is_empty() {
            return Ok(());
        }
        if let Some(fork) = receipt.fork {
            // What the box spends on its new way it may have spent on the old one.
            db::leases::doubt(tx, node.id).await?;
            let detail = json!({
                "branch": receipt.branch.number,
                "behind": fork.base.sequence,
                "had": node.kept,
            });
            let kind = "journal-forked";
            self.raise(tx, kind, Some(node.id), None, detail).await?;
        }
        db::journal::put_branch(tx, node.id, &receipt.branch).await?;
        let branch = receipt.branch.number;
        self.apply(tx, node.id, branch, receipt.to_keep, readings)
            .await
    }

    async fn welcome_back(&self, tx: &mut Tx, node: &mut Node) -> Result<(), CentreError> {
        if node.state != NodeState::Lost {
            return Ok(());
        }
        node.state = NodeState::Member;
        db::nodes::set_state(tx, node.id, NodeState::Member).await?;
        self.raise(tx, "lost-box-is-back", Some(node.id), None, json!({}))
            .await
    }

    async fn take_jobs(
        &self,
        tx: &mut Tx,
        node: NodeId,
        notices: &[JobNotice],
    ) -> Result<(), CentreError> {
        let mut latest: HashMap<JobId, &JobNotice> = HashMap::new();
        for notice in notices {
            let known = latest.entry(notice.job).or_insert(notice);
            if known.turn < notice.turn {
                *known = notice;
            }
        }
        let mut latest: Vec<&JobNotice> = latest.into_values().collect();
        // In one order, so that no two servers wait for each other.
        latest.sort_by_key(|notice| notice.job);
        let sealed: Result<Vec<_>, _> = latest
            .into_iter()
            .map(|notice| self.seal_job(job(node, notice)))
            .collect();
        db::jobs::put(tx, &sealed?).await
    }

    async fn hear(
        &self,
        tx: &mut Tx,
        node: &Node,
        site: &Site,
        push: &Push,
        receipt: &Receipt<'_>,
    ) -> Result<(), CentreError> {
        let mut awaited = node.awaited;
        if awaited {
            let mut recovery = recovery(tx, site).await?;
            awaited = !recovery.received(node.id, push, &receipt.verdict);
        }
        let heard = Heard {
            at_unix_ms: self.now_ms(),
            clock: push.at,
            version: push.version,
            branch: receipt.branch.number,
            kept: receipt.branch.head.sequence,
            head: push.head,
            awaited,
        };
        db::nodes::heard(tx, node.id, &heard).await
    }
}

fn job(node: NodeId, notice: &JobNotice) -> CentralJob {
    CentralJob {
        job: notice.job,
        node,
        number: notice.number,
        turn: notice.turn,
        user: notice.user,
        owner: notice.owner.clone(),
        name: notice.name.clone(),
        format: notice.format.clone(),
        octets: notice.octets,
        state: notice.state,
        reason: notice.reason,
        printer: notice.printer.clone(),
        count: notice.count.clone(),
        created_unix_ms: notice.created_unix_ms,
    }
}
