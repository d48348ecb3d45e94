// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Slices of quotas. What counts against a quota is one sum over this table and what was let through
//! above it: an open lease counts whole, one that ended counts what was spent of it.

use platen_model::{Lease, LeaseId, NodeId, QuotaId, UserId};
use platen_sync::centre::lease::{BoxUse, Running};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Columns, keyword, list, signed};
use crate::app::{CentreError, HeldLease, LeaseState, Listed, Mark};

const COLUMNS: &str = "id, node, serial, quota, user_id, period, amount, spent, counts, state, \
     doubtful, recalled, granted_unix_ms, ended_unix_ms";

/// Whose part of a quota, in which period.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Pot {
    pub(crate) quota: QuotaId,
    /// Where each member of a group has one.
    pub(crate) user: Option<UserId>,
    pub(crate) period: u32,
}

impl Pot {
    fn user_text(&self) -> String {
        user_text(self.user)
    }
}

fn user_text(user: Option<UserId>) -> String {
    user.map(|user| user.to_string()).unwrap_or_default()
}

fn lease(row: &AnyRow) -> Result<HeldLease, CentreError> {
    Ok(HeldLease {
        lease: Lease {
            id: LeaseId(row.uuid("id")?),
            serial: row.number("serial")?,
            quota: QuotaId(row.uuid("quota")?),
            user: row.uuid_if("user_id")?.map(UserId),
            period: row.number_as("period")?,
            amount: row.number("amount")?,
        },
        node: NodeId(row.uuid("node")?),
        spent: row.number("spent")?,
        counts: row.number("counts")?,
        state: row.keyword("state")?,
        doubtful: row.yes("doubtful")?,
        recalled: row.yes("recalled")?,
        granted_unix_ms: row.number("granted_unix_ms")?,
        ended_unix_ms: row.number_if("ended_unix_ms")?,
    })
}

/// How much of a pot is spoken for: by leases, and by what was let through above the quota.
pub(crate) async fn used(
    connection: &mut AnyConnection,
    pot: Pot,
) -> Result<(u64, u64), CentreError> {
    let statement = "SELECT COALESCE(CAST(SUM(counts) AS BIGINT), 0) AS many FROM leases \
         WHERE quota = $1 AND user_id = $2 AND period = $3";
    let leased = sqlx::query(statement)
        .bind(pot.quota.to_string())
        .bind(pot.user_text())
        .bind(i64::from(pot.period))
        .fetch_one(&mut *connection)
        .await?
        .number("many")?;
    let statement = "SELECT COALESCE(CAST(SUM(amount) AS BIGINT), 0) AS many FROM shares \
         WHERE quota = $1 AND user_id = $2 AND period = $3 AND above = 1";
    let above = sqlx::query(statement)
        .bind(pot.quota.to_string())
        .bind(pot.user_text())
        .bind(i64::from(pot.period))
        .fetch_one(connection)
        .await?
        .number("many")?;
    Ok((leased, above))
}

/// How much was charged to a pot, and how much is out on open leases.
pub(crate) async fn charged(
    connection: &mut AnyConnection,
    pot: Pot,
) -> Result<(u64, u64), CentreError> {
    let statement = "SELECT COALESCE(CAST(SUM(amount) AS BIGINT), 0) AS many FROM shares \
         WHERE quota = $1 AND user_id = $2 AND period = $3";
    let charged = sqlx::query(statement)
        .bind(pot.quota.to_string())
        .bind(pot.user_text())
        .bind(i64::from(pot.period))
        .fetch_one(&mut *connection)
        .await?
        .number("many")?;
    let statement = "SELECT COALESCE(CAST(SUM(amount - spent) AS BIGINT), 0) AS many FROM leases \
         WHERE quota = $1 AND user_id = $2 AND period = $3 AND state = 'open'";
    let out = sqlx::query(statement)
        .bind(pot.quota.to_string())
        .bind(pot.user_text())
        .bind(i64::from(pot.period))
        .fetch_one(connection)
        .await?
        .integer("many")?;
    Ok((charged, u64::try_from(out).unwrap_or(0)))
}

/// Keeps a new lease.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    node: NodeId,
    lease: &Lease,
    now_unix_ms: u64,
) -> Result<(), CentreError> {
    let statement = "INSERT INTO leases (id, node, serial, quota, user_id, period, amount, spent, \
         counts, state, doubtful, recalled, granted_unix_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $7, 'open', 0, 0, $8)";
    sqlx::query(statement)
        .bind(lease.id.to_string())
        .bind(node.to_string())
        .bind(signed(lease.serial))
        .bind(lease.quota.to_string())
        .bind(user_text(lease.user))
        .bind(i64::from(lease.period))
        .bind(signed(lease.amount))
        .bind(signed(now_unix_ms))
        .execute(connection)
        .await?;
    Ok(())
}

/// Leases of a box by id, whatever their state.
pub(crate) async fn by_ids(
    connection: &mut AnyConnection,
    ids: &[LeaseId],
) -> Result<Vec<HeldLease>, CentreError> {
    let ids: Vec<String> = ids.iter().map(LeaseId::to_string).collect();
    let select = "SELECT id, node, serial, quota, user_id, period, amount, spent, counts, state, \
         doubtful, recalled, granted_unix_ms, ended_unix_ms FROM leases WHERE id IN {}";
    let rows = list::select_in(connection, select, &ids).await?;
    rows.iter().map(lease).collect()
}

/// Open leases of a box, by serial number.
pub(crate) async fn open_of(
    connection: &mut AnyConnection,
    node: NodeId,
) -> Result<Vec<HeldLease>, CentreError> {
    let statement =
        format!("SELECT {COLUMNS} FROM leases WHERE node = $1 AND state = 'open' ORDER BY serial");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(node.to_string());
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(lease).collect()
}

/// Which of a box's leases are to be told: new ones with a higher serial than it has taken, and those
/// to give back.
pub(crate) async fn news(
    connection: &mut AnyConnection,
    node: NodeId,
    taken: u64,
) -> Result<Vec<HeldLease>, CentreError> {
    let statement = format!(
        "SELECT {COLUMNS} FROM leases WHERE node = $1 AND (state = 'lost' \
         OR state = 'open' AND (serial > $2 OR recalled = 1)) ORDER BY serial"
    );
    let query = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(node.to_string())
        .bind(signed(taken));
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(lease).collect()
}

/// Quotas and periods of which a box has open leases that are not asked back.
pub(crate) async fn kept_periods(
    connection: &mut AnyConnection,
    node: NodeId,
) -> Result<Vec<(QuotaId, u32)>, CentreError> {
    let statement = "SELECT DISTINCT quota, period FROM leases \
         WHERE node = $1 AND state = 'open' AND recalled = 0";
    let query = sqlx::query(statement).bind(node.to_string());
    let rows = query.fetch_all(connection).await?;
    rows.iter()
        .map(|row| Ok((QuotaId(row.uuid("quota")?), row.number_as("period")?)))
        .collect()
}

/// Nobody knows any more what was spent of a box's open leases.
pub(crate) async fn doubt(connection: &mut AnyConnection, node: NodeId) -> Result<(), CentreError> {
    sqlx::query("UPDATE leases SET doubtful = 1 WHERE node = $1 AND state = 'open'")
        .bind(node.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// How each box uses a pot: the node, what was spent there on leases given since a time, and what may
/// still be spent there.
pub(crate) async fn uses(
    connection: &mut AnyConnection,
    pot: Pot,
    since_unix_ms: u64,
) -> Result<Vec<BoxUse>, CentreError> {
    let statement = "SELECT node, \
         CAST(SUM(CASE WHEN granted_unix_ms >= $3 THEN spent ELSE 0 END) AS BIGINT) AS recent, \
         CAST(SUM(CASE WHEN period = $4 AND state = 'open' AND amount > spent \
         THEN amount - spent ELSE 0 END) AS BIGINT) AS unspent \
         FROM leases WHERE quota = $1 AND user_id = $2 AND (granted_unix_ms >= $3 OR state = 'open') \
         GROUP BY node ORDER BY node";
    let rows = sqlx::query(statement)
        .bind(pot.quota.to_string())
        .bind(pot.user_text())
        .bind(signed(since_unix_ms))
        .bind(i64::from(pot.period))
        .fetch_all(connection)
        .await?;
    let one = |row: &AnyRow| {
        Ok(BoxUse {
            node: NodeId(row.uuid("node")?),
            recent: row.number("recent")?,
            unspent: row.number("unspent")?,
        })
    };
    rows.iter().map(one).collect()
}

/// Open leases of a pot.
pub(crate) async fn running(
    connection: &mut AnyConnection,
    pot: Pot,
) -> Result<Vec<Running>, CentreError> {
    let statement = format!(
        "SELECT {COLUMNS} FROM leases \
         WHERE quota = $1 AND user_id = $2 AND period = $3 AND state = 'open' ORDER BY id"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement))
        .bind(pot.quota.to_string())
        .bind(pot.user_text())
        .bind(i64::from(pot.period))
        .fetch_all(connection)
        .await?;
    let one = |row: &AnyRow| {
        let held = lease(row)?;
        Ok(Running {
            lease: held.lease.id,
            node: held.node,
            unspent: held.slice().unspent(),
            recalled: held.recalled,
        })
    };
    rows.iter().map(one).collect()
}

/// The pots of a quota that have open leases.
pub(crate) async fn open_pots(
    connection: &mut AnyConnection,
    quota: QuotaId,
) -> Result<Vec<Pot>, CentreError> {
    let statement =
        "SELECT DISTINCT user_id, period FROM leases WHERE quota = $1 AND state = 'open'";
    let query = sqlx::query(statement).bind(quota.to_string());
    let rows = query.fetch_all(connection).await?;
    let pot = |row: &AnyRow| {
        Ok(Pot {
            quota,
            user: row.uuid_if("user_id")?.map(UserId),
            period: row.number_as("period")?,
        })
    };
    rows.iter().map(pot).collect()
}

/// Keeps what became of a lease.
pub(crate) async fn update(
    connection: &mut AnyConnection,
    held: &HeldLease,
) -> Result<(), CentreError> {
    let statement = "UPDATE leases SET spent = $1, counts = $2, state = $3, doubtful = $4, \
         ended_unix_ms = $5 WHERE id = $6";
    sqlx::query(statement)
        .bind(signed(held.spent))
        .bind(signed(held.counts))
        .bind(keyword(&held.state))
        .bind(i64::from(held.doubtful))
        .bind(held.ended_unix_ms.map(signed))
        .bind(held.lease.id.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Asks for all open leases of a quota back.
pub(crate) async fn recall(
    connection: &mut AnyConnection,
    quota: QuotaId,
) -> Result<(), CentreError> {
    sqlx::query("UPDATE leases SET recalled = 1 WHERE quota = $1 AND state = 'open'")
        .bind(quota.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Asks a box for its open leases of a quota, but those of the period `current`, if there is one.
pub(crate) async fn recall_other_periods(
    connection: &mut AnyConnection,
    node: NodeId,
    quota: QuotaId,
    current: Option<u32>,
) -> Result<(), CentreError> {
    let statement = "UPDATE leases SET recalled = 1 \
         WHERE node = $1 AND quota = $2 AND state = 'open' AND recalled = 0 AND period <> $3";
    sqlx::query(statement)
        .bind(node.to_string())
        .bind(quota.to_string())
        .bind(current.map_or(-1, i64::from))
        .execute(connection)
        .await?;
    Ok(())
}

/// Asks for these leases back.
pub(crate) async fn recall_these(
    connection: &mut AnyConnection,
    leases: &[LeaseId],
) -> Result<(), CentreError> {
    let ids: Vec<String> = leases.iter().map(LeaseId::to_string).collect();
    list::execute_in(
        connection,
        "UPDATE leases SET recalled = 1 WHERE id IN {}",
        &ids,
    )
    .await?;
    Ok(())
}

/// Leases, the newest first, and how many there are.
pub(crate) async fn page(
    connection: &mut AnyConnection,
    (node, quota, state): (Option<NodeId>, Option<QuotaId>, Option<LeaseState>),
    (behind, limit): (Option<Mark>, u64),
) -> Result<Listed<HeldLease>, CentreError> {
    const WHERE: &str = "WHERE ($1 = '' OR node = $1) AND ($2 = '' OR quota = $2) \
         AND ($3 = '' OR state = $3)";
    let node = node.map(|node| node.to_string()).unwrap_or_default();
    let quota = quota.map(|quota| quota.to_string()).unwrap_or_default();
    let state = state.as_ref().map(keyword).unwrap_or_default();
    let count = format!("SELECT COUNT(*) AS many FROM leases {WHERE}");
    let total = sqlx::query(sqlx::AssertSqlSafe(count))
        .bind(node.clone())
        .bind(quota.clone())
        .bind(state.clone())
        .fetch_one(&mut *connection)
        .await?
        .number("many")?;
    let select = format!(
        "SELECT {COLUMNS} FROM leases {WHERE} \
         AND ($4 = 0 OR (granted_unix_ms, node, serial) < ($5, $6, $7)) \
         ORDER BY granted_unix_ms DESC, node DESC, serial DESC LIMIT $8"
    );
    let last = behind.unwrap_or_default();
    let mut rows = sqlx::query(sqlx::AssertSqlSafe(select))
        .bind(node)
        .bind(quota)
        .bind(state)
        .bind(i64::from(behind.is_some()))
        .bind(signed(last.at_unix_ms))
        .bind(last.id.hyphenated().to_string())
        .bind(signed(last.sequence))
        .bind(list::one_more(limit))
        .fetch_all(connection)
        .await?;
    let next = list::mark_of_next(&mut rows, limit, |row| {
        Ok(Mark {
            at_unix_ms: row.number("granted_unix_ms")?,
            id: row.uuid("node")?,
            sequence: row.number("serial")?,
            ..Mark::default()
        })
    })?;
    let leases: Result<Vec<_>, _> = rows.iter().map(lease).collect();
    let rows = leases?;
    Ok(Listed { rows, total, next })
}
