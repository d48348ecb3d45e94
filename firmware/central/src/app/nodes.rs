// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boxes of the site.

use platen_model::{NodeId, Running};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::leases::hold_quotas;
use super::records::check_name;
use super::{Actor, Centre, CentreError, LeaseState};
use crate::db;

/// How a box stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum NodeState {
    /// It belongs to the site.
    Member,
    /// An administrator took it out of the site.
    Revoked,
    /// An administrator declared it lost: its leases were taken back.
    Lost,
}

/// A box.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// How it stands.
    pub state: NodeState,
    /// When it became a member, wall milliseconds since 1970.
    pub enrolled_unix_ms: u64,
    /// When it was last heard of; 0 for never.
    pub seen_unix_ms: u64,
    /// By how much its clock was ahead then, milliseconds.
    pub skew_ms: i64,
    /// Whether it trusted its clock then.
    pub clock_trusted: bool,
    /// Version of the messages that it speaks.
    pub version: u16,
    /// Generation of the directory that it has.
    pub generation: u64,
    /// Revision up to which it has it.
    pub revision: u64,
    /// Branch of its journal that it writes.
    pub branch: u32,
    /// Last sequence number that is kept of it.
    pub kept: u64,
    /// Last sequence number of its journal, as it says.
    pub head: u64,
    /// Highest serial of a lease that it was given.
    pub lease_serial: u64,
    /// Highest serial of a lease that it says it took.
    pub leases_taken: u64,
    /// Whether the centre, put back from a backup, still waits for its leases.
    pub awaited: bool,
    /// What it runs, and how far its update is; none before it said so.
    pub running: Option<Running>,
}

/// A box's certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NodeCertificate {
    /// Whose it is.
    pub node: NodeId,
    /// When it runs out, wall milliseconds since 1970.
    pub until_unix_ms: u64,
    /// Whether it, or the box, was taken out of the site.
    pub revoked: bool,
}

impl Centre {
    /// All boxes in order of their names.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn nodes(&self) -> Result<Vec<Node>, CentreError> {
        db::nodes::all(&mut *self.read().await?).await
    }

    /// One box.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn node(&self, id: NodeId) -> Result<Node, CentreError> {
        let node = db::nodes::by_id(&mut *self.read().await?, id).await?;
        node.ok_or(CentreError::missing("box"))
    }

    /// A certificate by the SHA-256 of its DER.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn certificate(
        &self,
        fingerprint: &[u8; 32],
    ) -> Result<Option<NodeCertificate>, CentreError> {
        db::nodes::certificate(&mut *self.questions().await?, fingerprint).await
    }

    /// Keeps a certificate that a box was given in place of one that runs out.
    ///
    /// # Errors
    /// [`CentreError::Missing`] for a box that is no member.
    pub async fn add_certificate(
        &self,
        node: NodeId,
        fingerprint: &[u8; 32],
        until_unix_ms: u64,
    ) -> Result<(), CentreError> {
        let mut tx = self.write().await?;
        let known = db::nodes::lock(&mut tx, node).await?;
        if known.is_none_or(|node| node.state == NodeState::Revoked) {
            return Err(CentreError::missing("box"));
        }
        let now = self.now_ms();
        db::nodes::add_certificate(&mut tx, fingerprint, node, now, until_unix_ms).await?;
        let object = format!("node:{node}");
        let detail = json!({ "until_unix_ms": until_unix_ms });
        self.record(
            &mut tx,
            &Actor::Node(node),
            "certificate-renewed",
            object,
            detail,
        )
        .await?;
        tx.commit().await
    }

    /// Gives a box another name.
    ///
    /// # Errors
    /// [`CentreError::Invalid`], [`CentreError::Missing`].
    pub async fn rename_node(
        &self,
        actor: &Actor,
        id: NodeId,
        name: &str,
    ) -> Result<(), CentreError> {
        let name = check_name("name", name)?;
        let mut tx = self.write().await?;
        if !db::nodes::rename(&mut tx, id, &name).await? {
            return Err(CentreError::missing("box"));
        }
        let object = format!("node:{id}");
        self.record(
            &mut tx,
            actor,
            "node-renamed",
            object,
            json!({ "name": name }),
        )
        .await?;
        tx.commit().await
    }

    /// Takes a box out of the site: no certificate of it is worth anything any more. What it still
    /// holds of quotas stays counted until it is declared lost.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn revoke_node(&self, actor: &Actor, id: NodeId) -> Result<(), CentreError> {
        let mut tx = self.write().await?;
        if db::nodes::lock(&mut tx, id).await?.is_none() {
            return Err(CentreError::missing("box"));
        }
        db::nodes::revoke_certificates(&mut tx, id).await?;
        db::nodes::set_state(&mut tx, id, NodeState::Revoked).await?;
        let object = format!("node:{id}");
        self.record(&mut tx, actor, "node-revoked", object, json!({}))
            .await?;
        tx.commit().await
    }

    /// Declares a box lost: what it was given of quotas and has not spent as far as is known comes
    /// back at once, at the risk that it spends it if it is only away. Returns how many leases ended.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn declare_lost(&self, actor: &Actor, id: NodeId) -> Result<u64, CentreError> {
        let mut tx = self.write().await?;
        let node = db::nodes::lock(&mut tx, id).await?;
        let node = node.ok_or(CentreError::missing("box"))?;
        let open = db::leases::open_of(&mut tx, id).await?;
        hold_quotas(&mut tx, open.iter().map(|held| held.lease.quota).collect()).await?;
        let mut leases = db::leases::open_of(&mut tx, id).await?;
        let now = self.now_ms();
        let count = u64::try_from(leases.len()).unwrap_or(u64::MAX);
        for held in &mut leases {
            let mut slice = held.slice();
            slice.declare_lost();
            held.follow(&slice);
            held.state = LeaseState::Lost;
            held.ended_unix_ms = Some(now);
            db::leases::update(&mut tx, held).await?;
        }
        // One that was taken out of the site stays so.
        if node.state == NodeState::Member {
            db::nodes::set_state(&mut tx, id, NodeState::Lost).await?;
        }
        db::nodes::stop_awaiting(&mut tx, id).await?;
        let object = format!("node:{id}");
        self.record(
            &mut tx,
            actor,
            "node-declared-lost",
            object,
            json!({ "leases": count }),
        )
        .await?;
        tx.commit().await?;
        Ok(count)
    }
}
