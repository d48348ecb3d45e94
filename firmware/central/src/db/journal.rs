// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What boxes recorded, as they sent it. The caller holds the box's row.

use std::collections::BTreeMap;

use platen_model::NodeId;
use platen_sync::centre::journal::{Branch, NodeBooks};
use platen_sync::message::{Hash, Link};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Columns, list, signed, stamp};
use crate::app::{CentreError, JournalEntry};

/// What is kept of a box's journal, as far as a push from one sequence number to another touches it.
pub(crate) async fn books(
    connection: &mut AnyConnection,
    node: NodeId,
    from: u64,
    to: u64,
) -> Result<NodeBooks, CentreError> {
    let statement = "SELECT branch, base_sequence, base_hash, head_sequence, head_hash \
         FROM branches WHERE node = $1 ORDER BY branch";
    let query = sqlx::query(statement).bind(node.to_string());
    let rows = query.fetch_all(&mut *connection).await?;
    let branch = |row: &AnyRow| {
        Ok(Branch {
            number: row.number_as("branch")?,
            base: Link {
                sequence: row.number("base_sequence")?,
                hash: Hash(row.array("base_hash")?),
            },
            head: Link {
                sequence: row.number("head_sequence")?,
                hash: Hash(row.array("head_hash")?),
            },
        })
    };
    let branches: Result<Vec<_>, CentreError> = rows.iter().map(branch).collect();
    let statement = "SELECT sequence, hash, branch FROM journal \
         WHERE node = $1 AND sequence >= $2 AND sequence <= $3";
    let rows = sqlx::query(statement)
        .bind(node.to_string())
        .bind(signed(from))
        .bind(signed(to))
        .fetch_all(connection)
        .await?;
    let known = |row: &AnyRow| {
        let place = (row.number("sequence")?, row.array("hash")?);
        Ok((place, row.number_as("branch")?))
    };
    let known: Result<BTreeMap<_, _>, CentreError> = rows.iter().map(known).collect();
    Ok(NodeBooks {
        branches: branches?,
        known: known?,
    })
}

/// Keeps a branch, or how far it goes now.
pub(crate) async fn put_branch(
    connection: &mut AnyConnection,
    node: NodeId,
    branch: &Branch,
) -> Result<(), CentreError> {
    let statement = "INSERT INTO branches (node, branch, base_sequence, base_hash, head_sequence, \
         head_hash) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (node, branch) DO UPDATE SET \
         head_sequence = excluded.head_sequence, head_hash = excluded.head_hash";
    sqlx::query(statement)
        .bind(node.to_string())
        .bind(i64::from(branch.number))
        .bind(signed(branch.base.sequence))
        .bind(branch.base.hash.0.to_vec())
        .bind(signed(branch.head.sequence))
        .bind(branch.head.hash.0.to_vec())
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps entries of one branch.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    entries: &[JournalEntry],
    received_unix_ms: u64,
) -> Result<(), CentreError> {
    for chunk in entries.chunks(list::rows_at_once(10)) {
        let values = list::rows_of(10, chunk.len());
        let mut query = list::statement(format!(
            "INSERT INTO journal (node, branch, sequence, hash, at_unix_ms, at_elapsed_ms, \
             at_trusted, received_unix_ms, kind, raw) VALUES {values}"
        ));
        for entry in chunk {
            query = query
                .bind(entry.node.to_string())
                .bind(i64::from(entry.branch))
                .bind(signed(entry.link.sequence))
                .bind(entry.link.hash.0.to_vec())
                .bind(signed(entry.at.unix_ms))
                .bind(signed(entry.at.elapsed_ms))
                .bind(i64::from(entry.at.trusted))
                .bind(signed(received_unix_ms))
                .bind(entry.kind.clone())
                .bind(entry.raw.clone());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Entries of one branch behind a sequence number, in order, at most `limit`.
pub(crate) async fn after(
    connection: &mut AnyConnection,
    node: NodeId,
    branch: u32,
    sequence: u64,
    limit: u64,
) -> Result<Vec<JournalEntry>, CentreError> {
    let statement = "SELECT node, branch, sequence, hash, at_unix_ms, at_elapsed_ms, at_trusted, \
         received_unix_ms, kind, raw FROM journal \
         WHERE node = $1 AND branch = $2 AND sequence > $3 ORDER BY sequence LIMIT $4";
    let rows = sqlx::query(statement)
        .bind(node.to_string())
        .bind(i64::from(branch))
        .bind(signed(sequence))
        .bind(signed(limit))
        .fetch_all(connection)
        .await?;
    let entry = |row: &AnyRow| {
        Ok(JournalEntry {
            node: NodeId(row.uuid("node")?),
            branch: row.number_as("branch")?,
            link: Link {
                sequence: row.number("sequence")?,
                hash: Hash(row.array("hash")?),
            },
            at: stamp(row)?,
            received_unix_ms: row.number("received_unix_ms")?,
            kind: row.text("kind")?,
            raw: row.bytes("raw")?,
        })
    };
    rows.iter().map(entry).collect()
}
