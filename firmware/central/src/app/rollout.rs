// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a release spreads: what boxes say they run, who has it and who is still to get it, and the stop
//! when a box can't take it or falls back from it.

use platen_model::{NodeId, ReleaseId, ReleaseVersion, Running, UpdatePhase};
use platen_sync::release::is_in_share;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Actor, Centre, CentreError, KeptRelease, Node, NodeState, ReleaseState};
use crate::db::{self, Tx};

/// How a box stands to a release.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Progress {
    /// It runs it.
    Has,
    /// It fetches it, installs it, or runs it for the first time.
    UnderWay,
    /// It can't take it, or fell back from it.
    Failed,
    /// It is in the share and has not begun.
    Waiting,
    /// It is not in the share, or runs a newer version.
    Outside,
}

/// How many boxes stand how to a release; boxes it does not fit are in none of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// They run it.
    pub have: u64,
    /// They are at it.
    pub under_way: u64,
    /// It failed on them.
    pub failed: u64,
    /// They are to take it.
    pub waiting: u64,
    /// They are not meant.
    pub outside: u64,
}

impl KeptRelease {
    /// How a box stands to it; `None` for one that it does not fit, or that never said what it runs.
    #[must_use]
    pub fn progress(&self, node: &Node) -> Option<Progress> {
        let running = node.running.as_ref()?;
        let release = &self.release;
        if running.compatible.as_ref() != Some(&release.compatible)
            || node.state != NodeState::Member
        {
            return None;
        }
        let is_this = running.release == Some(release.id);
        let version: Option<ReleaseVersion> = running.version.parse().ok();
        let is_meant = is_in_share(release.id, node.id, self.share_percent);
        let is_new = version
            .as_ref()
            .is_none_or(|version| match self.allow_older {
                true => *version != release.version,
                false => *version < release.version,
            });
        Some(match running.phase {
            phase if is_this && phase.is_under_way() => Progress::UnderWay,
            _ if version.as_ref() == Some(&release.version) => Progress::Has,
            phase if is_this && phase.is_failure() && running.turn >= self.turn => Progress::Failed,
            _ if is_meant && is_new && self.state != ReleaseState::Kept => Progress::Waiting,
            _ => Progress::Outside,
        })
    }

    /// How all boxes stand to it.
    #[must_use]
    pub fn rollout(&self, nodes: &[Node]) -> Rollout {
        let mut rollout = Rollout::default();
        for progress in nodes.iter().filter_map(|node| self.progress(node)) {
            let count = match progress {
                Progress::Has => &mut rollout.have,
                Progress::UnderWay => &mut rollout.under_way,
                Progress::Failed => &mut rollout.failed,
                Progress::Waiting => &mut rollout.waiting,
                Progress::Outside => &mut rollout.outside,
            };
            *count += 1;
        }
        rollout
    }
}

/// A failure that the centre was not told of before.
pub(super) struct Failure {
    alert: &'static str,
    node: NodeId,
    running: Running,
}

/// What is new and bad in what a box says that it runs.
pub(super) fn failure(known: &Node, running: Option<&Running>) -> Option<Failure> {
    let running = running?;
    let alert = match (running.phase, running.release) {
        (UpdatePhase::FellBack, _) => "update-fell-back",
        (UpdatePhase::Refused, Some(_)) => "update-refused",
        (UpdatePhase::Failed, Some(_)) => "update-failed",
        _ => return None,
    };
    let told = |before: &Running| {
        let same = (before.phase, before.release, before.turn);
        same == (running.phase, running.release, running.turn) && before.reason == running.reason
    };
    if known.running.as_ref().is_some_and(told) {
        return None;
    }
    Some(Failure {
        alert,
        node: known.id,
        running: running.clone(),
    })
}

impl Centre {
    /// Keeps what a box says that it runs, and stops a release that failed on it. The site's row is
    /// locked when there is a failure.
    pub(super) async fn hear_running(
        &self,
        tx: &mut Tx,
        known: &Node,
        running: Option<&Running>,
        failure: Option<Failure>,
    ) -> Result<(), CentreError> {
        if let Some(running) = running.filter(|running| known.running.as_ref() != Some(*running)) {
            db::nodes::runs(tx, known.id, running).await?;
        }
        let Some(failure) = failure else {
            return Ok(());
        };
        let release = match failure.running.release {
            Some(id) => db::releases::by_id(tx, id).await?,
            None => None,
        };
        let object = release.as_ref().map(|kept| object(kept.release.id));
        let detail = json!({
            "version": release.as_ref().map(|kept| &kept.release.version),
            "runs": failure.running.version,
            "reason": failure.running.reason,
        });
        self.raise(tx, failure.alert, Some(failure.node), object, detail)
            .await?;
        match release {
            Some(kept) => self.stop(tx, kept, &failure).await,
            None => Ok(()),
        }
    }

    /// Pauses a release, unless it goes on whatever happens or was offered anew since. An installation
    /// that was cut off says nothing of the release: the box tries again.
    async fn stop(
        &self,
        tx: &mut Tx,
        mut kept: KeptRelease,
        failure: &Failure,
    ) -> Result<(), CentreError> {
        let is_this = failure.running.turn >= kept.turn;
        let blames = failure.running.phase != UpdatePhase::Failed;
        let offered = kept.state == ReleaseState::Offered;
        if !(offered && kept.pause_on_failure && is_this && blames) {
            return Ok(());
        }
        kept.state = ReleaseState::Paused;
        kept.paused_for.clone_from(&failure.running.reason);
        log::warn!(release:% = kept.release.id; "a release is paused: it failed on a box");
        let detail = json!({ "alert": failure.alert });
        let actor = Actor::Node(failure.node);
        self.keep_offer(tx, &actor, "release-paused", &kept, detail)
            .await
    }
}

fn object(id: ReleaseId) -> String {
    format!("release:{id}")
}
