// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boxes that ask to become members.

use platen_model::NodeId;
use platen_sync::message::{EnrolAsk, Hash};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Columns, signed};
use crate::app::{CentreError, PendingEnrolment};

/// A sealed enrolment with the proof that the centre was told the code.
pub(crate) struct Answer {
    pub(crate) sealed: Vec<u8>,
    pub(crate) proof: Hash,
}

/// Keeps what a box asks; the same question again changes nothing, another one takes its place.
/// Returns the answer, if somebody gave one.
pub(crate) async fn ask(
    connection: &mut AnyConnection,
    ask: &EnrolAsk,
    now_unix_ms: u64,
) -> Result<Option<Answer>, CentreError> {
    let statement = "INSERT INTO enrolments (node, name, asked_unix_ms, csr, nonce, proof) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (node) DO UPDATE SET name = excluded.name, \
         asked_unix_ms = excluded.asked_unix_ms, csr = excluded.csr, nonce = excluded.nonce, \
         proof = excluded.proof, \
         answer = CASE WHEN enrolments.nonce = excluded.nonce AND enrolments.csr = excluded.csr \
         AND enrolments.proof = excluded.proof THEN enrolments.answer ELSE NULL END \
         RETURNING answer, answer_proof";
    let row = sqlx::query(statement)
        .bind(ask.node.to_string())
        .bind(ask.name.clone())
        .bind(signed(now_unix_ms))
        .bind(ask.csr.clone())
        .bind(ask.nonce.0.to_vec())
        .bind(ask.proof.0.to_vec())
        .fetch_one(connection)
        .await?;
    let Some(sealed) = row.bytes_if("answer")? else {
        return Ok(None);
    };
    let proof = Hash(row.array("answer_proof")?);
    Ok(Some(Answer { sealed, proof }))
}

/// Takes away questions that were last asked before a time.
pub(crate) async fn forget(
    connection: &mut AnyConnection,
    before_unix_ms: u64,
) -> Result<(), CentreError> {
    sqlx::query("DELETE FROM enrolments WHERE asked_unix_ms < $1")
        .bind(signed(before_unix_ms))
        .execute(connection)
        .await?;
    Ok(())
}

/// How many boxes other than this one wait for an answer.
pub(crate) async fn waiting(
    connection: &mut AnyConnection,
    besides: NodeId,
) -> Result<u64, CentreError> {
    let statement = "SELECT COUNT(*) AS many FROM enrolments WHERE node <> $1 AND answer IS NULL";
    let query = sqlx::query(statement).bind(besides.to_string());
    query.fetch_one(connection).await?.number("many")
}

/// Boxes that wait for an answer, the longest first.
pub(crate) async fn pending(
    connection: &mut AnyConnection,
) -> Result<Vec<PendingEnrolment>, CentreError> {
    let statement = "SELECT node, name, asked_unix_ms, csr, nonce, proof FROM enrolments \
         WHERE answer IS NULL ORDER BY asked_unix_ms, node";
    let rows = sqlx::query(statement).fetch_all(connection).await?;
    let pending = |row: &AnyRow| {
        Ok(PendingEnrolment {
            node: NodeId(row.uuid("node")?),
            name: row.text("name")?,
            asked_unix_ms: row.number("asked_unix_ms")?,
            csr: row.bytes("csr")?,
            nonce: Hash(row.array("nonce")?),
            proof: Hash(row.array("proof")?),
        })
    };
    rows.iter().map(pending).collect()
}

/// Keeps the answer to a question that still is the one with this nonce; says whether it is.
pub(crate) async fn answer(
    connection: &mut AnyConnection,
    node: NodeId,
    nonce: &Hash,
    answer: Answer,
) -> Result<bool, CentreError> {
    let statement = "UPDATE enrolments SET answer = $1, answer_proof = $2 \
         WHERE node = $3 AND nonce = $4 AND answer IS NULL";
    let done = sqlx::query(statement)
        .bind(answer.sealed)
        .bind(answer.proof.0.to_vec())
        .bind(node.to_string())
        .bind(nonce.0.to_vec())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes a box's question away and says whether there was one.
pub(crate) async fn delete(
    connection: &mut AnyConnection,
    node: NodeId,
) -> Result<bool, CentreError> {
    let query = sqlx::query("DELETE FROM enrolments WHERE node = $1");
    let done = query.bind(node.to_string()).execute(connection).await?;
    Ok(done.rows_affected() == 1)
}
