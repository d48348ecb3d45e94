// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One-time codes that were used, with the box where: a code is gone from the credentials by then.

use platen_model::{CardKey, CredentialId, CredentialKind, CredentialRecord, NodeId, UserId};
use sqlx::AnyConnection;

use super::{Columns, list, signed};
use crate::app::CentreError;

/// How long a used code is remembered: longer than one lives and a box is cut off.
const KEPT_MS: u64 = 400 * 24 * 60 * 60 * 1000;

/// Remembers that a code was used at a box, and forgets those of long ago.
pub(crate) async fn remember(
    connection: &mut AnyConnection,
    code: &CredentialRecord,
    node: NodeId,
    now_unix_ms: u64,
) -> Result<(), CentreError> {
    let CredentialKind::Code { key } = &code.kind else {
        return Ok(());
    };
    sqlx::query("DELETE FROM used_codes WHERE used_unix_ms < $1")
        .bind(signed(now_unix_ms.saturating_sub(KEPT_MS)))
        .execute(&mut *connection)
        .await?;
    let statement = "INSERT INTO used_codes (id, user_id, node, lookup, used_unix_ms) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING";
    sqlx::query(statement)
        .bind(code.id.to_string())
        .bind(code.user.to_string())
        .bind(node.to_string())
        .bind(key.0.to_vec())
        .bind(signed(now_unix_ms))
        .execute(connection)
        .await?;
    Ok(())
}

/// Where and when a code was used.
pub(crate) async fn used(
    connection: &mut AnyConnection,
    id: CredentialId,
) -> Result<Option<(NodeId, u64)>, CentreError> {
    let query = sqlx::query("SELECT node, used_unix_ms FROM used_codes WHERE id = $1");
    let row = query
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok((NodeId(row.uuid("node")?), row.number("used_unix_ms")?)))
        .transpose()
}

/// A code that was used at this box at or after a time, by its keyed hash.
pub(crate) async fn just_used(
    connection: &mut AnyConnection,
    node: NodeId,
    keys: &[CardKey],
    since_unix_ms: u64,
) -> Result<Option<CredentialRecord>, CentreError> {
    let keys: Vec<Vec<u8>> = keys.iter().map(|key| key.0.to_vec()).collect();
    let select = "SELECT id, user_id, node, lookup, used_unix_ms FROM used_codes \
         WHERE lookup IN {}";
    for row in list::select_in(connection, select, &keys).await? {
        if row.uuid("node")? == node.0 && row.number("used_unix_ms")? >= since_unix_ms {
            return Ok(Some(CredentialRecord {
                id: CredentialId(row.uuid("id")?),
                user: UserId(row.uuid("user_id")?),
                kind: CredentialKind::Code {
                    key: CardKey(row.array("lookup")?),
                },
                until_unix_ms: None,
                provisional: false,
            }));
        }
    }
    Ok(None)
}
