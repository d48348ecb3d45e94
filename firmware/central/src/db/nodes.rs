// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Boxes and their certificates.

use platen_model::{NodeId, Running, Stamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Columns, keyword, signed};
use crate::app::{CentreError, Node, NodeCertificate, NodeState};

const COLUMNS: &str = "id, name, state, enrolled_unix_ms, seen_unix_ms, skew_ms, clock_trusted, \
     version, generation, revision, branch, sequence, head, lease_serial, leases_taken, awaited, \
     running";

fn node(row: &AnyRow) -> Result<Node, CentreError> {
    Ok(Node {
        id: NodeId(row.uuid("id")?),
        name: row.text("name")?,
        state: row.keyword("state")?,
        enrolled_unix_ms: row.number("enrolled_unix_ms")?,
        seen_unix_ms: row.number("seen_unix_ms")?,
        skew_ms: row.integer("skew_ms")?,
        clock_trusted: row.yes("clock_trusted")?,
        version: row.number_as("version")?,
        generation: row.number("generation")?,
        revision: row.number("revision")?,
        branch: row.number_as("branch")?,
        kept: row.number("sequence")?,
        head: row.number("head")?,
        lease_serial: row.number("lease_serial")?,
        leases_taken: row.number("leases_taken")?,
        awaited: row.yes("awaited")?,
        running: running(row)?,
    })
}

fn running(row: &AnyRow) -> Result<Option<Running>, CentreError> {
    let text = Some(row.text("running")?).filter(|text| !text.is_empty());
    let running = text.map(|text| serde_json::from_str(&text)).transpose();
    running.map_err(|_| CentreError::corrupt("what a box runs"))
}

/// All boxes in order of their names.
pub(crate) async fn all(connection: &mut AnyConnection) -> Result<Vec<Node>, CentreError> {
    let statement = format!("SELECT {COLUMNS} FROM nodes ORDER BY name, id");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement));
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(node).collect()
}

/// One box.
pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    id: NodeId,
) -> Result<Option<Node>, CentreError> {
    let statement = format!("SELECT {COLUMNS} FROM nodes WHERE id = $1");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id.to_string());
    let row = query.fetch_optional(connection).await?;
    row.as_ref().map(node).transpose()
}

/// One box, for whoever is going to change something of it: others wait from here on.
pub(crate) async fn lock(
    connection: &mut AnyConnection,
    id: NodeId,
) -> Result<Option<Node>, CentreError> {
    let statement = format!("UPDATE nodes SET name = name WHERE id = $1 RETURNING {COLUMNS}");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id.to_string());
    let row = query.fetch_optional(connection).await?;
    row.as_ref().map(node).transpose()
}

/// Makes a box a member, or one that was a member before again: its journal goes on where it was.
pub(crate) async fn enrol(
    connection: &mut AnyConnection,
    id: NodeId,
    name: &str,
    now_unix_ms: u64,
) -> Result<(), CentreError> {
    let statement = "INSERT INTO nodes (id, name, state, enrolled_unix_ms, seen_unix_ms, skew_ms, \
         clock_trusted, version, generation, revision, branch, sequence, head, lease_serial, \
         leases_taken, awaited) VALUES ($1, $2, $3, $4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, state = excluded.state, \
         enrolled_unix_ms = excluded.enrolled_unix_ms";
    sqlx::query(statement)
        .bind(id.to_string())
        .bind(name.to_owned())
        .bind(keyword(&NodeState::Member))
        .bind(signed(now_unix_ms))
        .execute(connection)
        .await?;
    Ok(())
}

/// Gives a box another name.
pub(crate) async fn rename(
    connection: &mut AnyConnection,
    id: NodeId,
    name: &str,
) -> Result<bool, CentreError> {
    let done = sqlx::query("UPDATE nodes SET name = $1 WHERE id = $2")
        .bind(name.to_owned())
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Keeps how a box stands.
pub(crate) async fn set_state(
    connection: &mut AnyConnection,
    id: NodeId,
    state: NodeState,
) -> Result<(), CentreError> {
    sqlx::query("UPDATE nodes SET state = $1 WHERE id = $2")
        .bind(keyword(&state))
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// What a push says of its box and its journal.
pub(crate) struct Heard {
    pub(crate) at_unix_ms: u64,
    pub(crate) clock: Stamp,
    pub(crate) version: u16,
    pub(crate) branch: u32,
    pub(crate) kept: u64,
    pub(crate) head: u64,
    /// Whether the centre, put back from a backup, still waits for the box's leases.
    pub(crate) awaited: bool,
}

/// Keeps what a push said.
pub(crate) async fn heard(
    connection: &mut AnyConnection,
    id: NodeId,
    heard: &Heard,
) -> Result<(), CentreError> {
    let skew = signed(heard.clock.unix_ms).saturating_sub(signed(heard.at_unix_ms));
    let statement = "UPDATE nodes SET seen_unix_ms = $1, skew_ms = $2, clock_trusted = $3, \
         version = $4, branch = $5, sequence = $6, head = $7, awaited = $8 WHERE id = $9";
    sqlx::query(statement)
        .bind(signed(heard.at_unix_ms))
        .bind(skew)
        .bind(i64::from(heard.clock.trusted))
        .bind(i64::from(heard.version))
        .bind(i64::from(heard.branch))
        .bind(signed(heard.kept))
        .bind(signed(heard.head))
        .bind(i64::from(heard.awaited))
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps what a box says that it runs.
pub(crate) async fn runs(
    connection: &mut AnyConnection,
    id: NodeId,
    running: &Running,
) -> Result<(), CentreError> {
    let text = serde_json::to_string(running);
    let text = text.map_err(|_| CentreError::corrupt("what a box runs"))?;
    sqlx::query("UPDATE nodes SET running = $1 WHERE id = $2")
        .bind(text)
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps how far a box has the directory.
pub(crate) async fn pulled(
    connection: &mut AnyConnection,
    id: NodeId,
    (generation, revision): (u64, u64),
    at_unix_ms: u64,
) -> Result<(), CentreError> {
    let statement =
        "UPDATE nodes SET generation = $1, revision = $2, seen_unix_ms = $3 WHERE id = $4";
    sqlx::query(statement)
        .bind(signed(generation))
        .bind(signed(revision))
        .bind(signed(at_unix_ms))
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps the highest serial of a lease that was given to a box. The caller holds the box's row.
pub(crate) async fn set_lease_serial(
    connection: &mut AnyConnection,
    id: NodeId,
    serial: u64,
) -> Result<(), CentreError> {
    sqlx::query("UPDATE nodes SET lease_serial = $1 WHERE id = $2")
        .bind(signed(serial))
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps which leases a box says it took.
pub(crate) async fn took_leases(
    connection: &mut AnyConnection,
    id: NodeId,
    upto: u64,
) -> Result<(), CentreError> {
    sqlx::query("UPDATE nodes SET leases_taken = $1 WHERE id = $2 AND leases_taken < $1")
        .bind(signed(upto))
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Waits for the leases of all boxes but those that were taken out of the site: the database was put
/// back from a backup. One that was lost then may be back since.
pub(crate) async fn await_all(connection: &mut AnyConnection) -> Result<(), CentreError> {
    sqlx::query("UPDATE nodes SET awaited = 1 WHERE state <> 'revoked'")
        .execute(connection)
        .await?;
    Ok(())
}

/// Boxes that are waited for since the database was put back from a backup.
pub(crate) async fn awaited(connection: &mut AnyConnection) -> Result<Vec<NodeId>, CentreError> {
    let query = sqlx::query("SELECT id FROM nodes WHERE awaited = 1");
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(|row| Ok(NodeId(row.uuid("id")?))).collect()
}

/// Members that were heard of since a time.
pub(crate) async fn seen_since(
    connection: &mut AnyConnection,
    since_unix_ms: u64,
) -> Result<Vec<NodeId>, CentreError> {
    let query = sqlx::query("SELECT id FROM nodes WHERE state = 'member' AND seen_unix_ms >= $1");
    let rows = query
        .bind(signed(since_unix_ms))
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok(NodeId(row.uuid("id")?))).collect()
}

/// Keeps a certificate by its SHA-256.
pub(crate) async fn add_certificate(
    connection: &mut AnyConnection,
    fingerprint: &[u8; 32],
    node: NodeId,
    issued_unix_ms: u64,
    until_unix_ms: u64,
) -> Result<(), CentreError> {
    let statement = "INSERT INTO certificates (fingerprint, node, issued_unix_ms, until_unix_ms, \
         revoked) VALUES ($1, $2, $3, $4, 0) ON CONFLICT (fingerprint) DO NOTHING";
    sqlx::query(statement)
        .bind(hex(fingerprint))
        .bind(node.to_string())
        .bind(signed(issued_unix_ms))
        .bind(signed(until_unix_ms))
        .execute(connection)
        .await?;
    Ok(())
}

/// A certificate by its SHA-256.
pub(crate) async fn certificate(
    connection: &mut AnyConnection,
    fingerprint: &[u8; 32],
) -> Result<Option<NodeCertificate>, CentreError> {
    let statement = "SELECT c.node, c.until_unix_ms, c.revoked, n.state FROM certificates c \
         JOIN nodes n ON n.id = c.node WHERE c.fingerprint = $1";
    let query = sqlx::query(statement).bind(hex(fingerprint));
    let row = query.fetch_optional(connection).await?;
    let certificate = |row: AnyRow| {
        let state: NodeState = row.keyword("state")?;
        Ok(NodeCertificate {
            node: NodeId(row.uuid("node")?),
            until_unix_ms: row.number("until_unix_ms")?,
            revoked: row.yes("revoked")? || state == NodeState::Revoked,
        })
    };
    row.map(certificate).transpose()
}

/// Makes all certificates of a box worthless.
pub(crate) async fn revoke_certificates(
    connection: &mut AnyConnection,
    node: NodeId,
) -> Result<(), CentreError> {
    sqlx::query("UPDATE certificates SET revoked = 1 WHERE node = $1")
        .bind(node.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Waits no longer for a box's leases.
pub(crate) async fn stop_awaiting(
    connection: &mut AnyConnection,
    id: NodeId,
) -> Result<(), CentreError> {
    sqlx::query("UPDATE nodes SET awaited = 0 WHERE id = $1")
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}
