// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boxes that ask to become members. Codes and proofs are the protocol's; here is what waits and what
//! was answered.

use platen_model::NodeId;
use platen_sync::message::{EnrolAnswer, EnrolAsk, Hash};
use serde_json::json;

use super::records::check_name;
use super::vault::Kept;
use super::{Actor, Centre, CentreError};
use crate::db::{self, enrolments::Answer};

/// Boxes that may wait at once: each costs an Argon2id when a code is typed.
const WAITING_MAX: u64 = 32;
/// How long a question is kept after it was last asked: a box asks every few seconds.
const KEPT_MS: u64 = 15 * 60_000;
/// When a box is to ask again.
const AGAIN_MS: u64 = 2_000;

/// A box that waits for an administrator to type its code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PendingEnrolment {
    /// The box.
    pub node: NodeId,
    /// Its name, as it says.
    pub name: String,
    /// When it last asked, wall milliseconds since 1970.
    pub asked_unix_ms: u64,
    /// PKCS #10, DER.
    pub csr: Vec<u8>,
    /// What its proof is made with.
    pub nonce: Hash,
    /// That it knows the code it shows.
    pub proof: Hash,
}

/// A box whose code was typed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewNode {
    /// The box.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// The nonce of the question that is answered.
    pub nonce: Hash,
    /// SHA-256 of its certificate.
    pub fingerprint: [u8; 32],
    /// When the certificate runs out, wall milliseconds since 1970.
    pub until_unix_ms: u64,
    /// CBOR of the [`platen_sync::message::Enrolment`].
    pub enrolment: Vec<u8>,
    /// The proof over it.
    pub proof: Hash,
}

impl Centre {
    /// Takes a box's question, or answers it when somebody typed its code.
    ///
    /// # Errors
    /// [`CentreError::Busy`] when 32 others wait, [`CentreError::Invalid`] for a name that is none.
    pub async fn enrol_ask(&self, ask: &EnrolAsk) -> Result<EnrolAnswer, CentreError> {
        check_name("name", &ask.name)?;
        let now = self.now_ms();
        let mut tx = self.write().await?;
        db::enrolments::forget(&mut tx, now.saturating_sub(KEPT_MS)).await?;
        if db::enrolments::waiting(&mut tx, ask.node).await? >= WAITING_MAX {
            return Err(CentreError::Busy);
        }
        let answer = db::enrolments::ask(&mut tx, ask, now).await?;
        tx.commit().await?;
        let Some(Answer { sealed, proof }) = answer else {
            return Ok(EnrolAnswer::Waiting { again_ms: AGAIN_MS });
        };
        let enrolment = self.inner.vault.open(Kept::Enrolment, &sealed);
        let enrolment = enrolment.ok_or(CentreError::WrongKey)?.to_vec();
        Ok(EnrolAnswer::Enrolled { enrolment, proof })
    }

    /// Boxes whose code was not typed yet, the longest waiting first.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn pending_enrolments(&self) -> Result<Vec<PendingEnrolment>, CentreError> {
        let pending = db::enrolments::pending(&mut *self.read().await?).await?;
        let alive = self.now_ms().saturating_sub(KEPT_MS);
        let alive = pending.into_iter().filter(|ask| ask.asked_unix_ms >= alive);
        Ok(alive.collect())
    }

    /// Makes a box a member. Of a box that was one before, older certificates are worth nothing any
    /// more; its journal goes on where it was.
    ///
    /// # Errors
    /// [`CentreError::Missing`] when the box does not ask this any more: it shows a new code.
    pub async fn accept_enrolment(&self, actor: &Actor, new: NewNode) -> Result<(), CentreError> {
        let name = check_name("name", &new.name)?;
        let now = self.now_ms();
        let answer = Answer {
            sealed: self.inner.vault.seal(Kept::Enrolment, &new.enrolment)?,
            proof: new.proof,
        };
        let mut tx = self.write().await?;
        if !db::enrolments::answer(&mut tx, new.node, &new.nonce, answer).await? {
            return Err(CentreError::missing("box that asks for this"));
        }
        db::nodes::enrol(&mut tx, new.node, &name, now).await?;
        db::nodes::revoke_certificates(&mut tx, new.node).await?;
        let until = new.until_unix_ms;
        db::nodes::add_certificate(&mut tx, &new.fingerprint, new.node, now, until).await?;
        let object = format!("node:{}", new.node);
        self.record(
            &mut tx,
            actor,
            "node-enrolled",
            object,
            json!({ "name": name }),
        )
        .await?;
        tx.commit().await
    }

    /// Takes a box's question away; it may ask again.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn refuse_enrolment(&self, actor: &Actor, node: NodeId) -> Result<(), CentreError> {
        let mut tx = self.write().await?;
        if !db::enrolments::delete(&mut tx, node).await? {
            return Err(CentreError::missing("box that asks"));
        }
        let object = format!("node:{node}");
        self.record(&mut tx, actor, "enrolment-refused", object, json!({}))
            .await?;
        tx.commit().await
    }
}
