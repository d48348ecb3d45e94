// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Charges, each once: the job's id is the key.

use platen_model::{JobId, LeaseId, NodeId, PricesId, PrinterName, QuotaId, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::leases::Pot;
use super::{Columns, keyword, list, signed};
use crate::app::{CentreError, Charge, ChargeFilter, ChargedShare, Listed, Mark};

/// Keeps a charge, unless its job has one; says whether it was kept.
pub(crate) async fn insert(
    connection: &mut AnyConnection,
    charge: &Charge,
) -> Result<bool, CentreError> {
    let statement = "INSERT INTO charges (job, node, branch, sequence, user_id, printer, at_unix_ms, \
         at_trusted, attempt, outcome, count_json, octets, impressions, confirmed_by, cost, prices) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
         ON CONFLICT (job) DO NOTHING";
    let done = sqlx::query(statement)
        .bind(charge.job.to_string())
        .bind(charge.node.to_string())
        .bind(i64::from(charge.branch))
        .bind(signed(charge.sequence))
        .bind(charge.user.map(|user| user.to_string()))
        .bind(charge.printer.0.clone())
        .bind(signed(charge.at_unix_ms))
        .bind(i64::from(charge.at_trusted))
        .bind(i64::from(charge.attempt))
        .bind(keyword(&charge.outcome))
        .bind(json(charge.count.as_ref()))
        .bind(signed(charge.octets))
        .bind(charge.impressions.map(i64::from))
        .bind(charge.confirmed_by.as_ref().map(keyword))
        .bind(charge.cost.map(signed))
        .bind(charge.prices.map(|prices| prices.to_string()))
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

fn json(value: Option<&impl serde::Serialize>) -> Option<String> {
    value.and_then(|value| serde_json::to_string(value).ok())
}

/// Keeps one part of a charge.
pub(crate) async fn insert_share(
    connection: &mut AnyConnection,
    job: JobId,
    place: u64,
    pot: Pot,
    share: &ChargedShare,
) -> Result<(), CentreError> {
    let statement = "INSERT INTO shares (job, place, quota, user_id, period, lease, amount, above) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    sqlx::query(statement)
        .bind(job.to_string())
        .bind(signed(place))
        .bind(pot.quota.to_string())
        .bind(pot.user.map(|user| user.to_string()).unwrap_or_default())
        .bind(i64::from(pot.period))
        .bind(share.lease.map(|lease| lease.to_string()))
        .bind(signed(share.amount))
        .bind(i64::from(share.above))
        .execute(connection)
        .await?;
    Ok(())
}

/// Keeps a release of a job that was charged already.
pub(crate) async fn insert_double(
    connection: &mut AnyConnection,
    charge: &Charge,
) -> Result<(), CentreError> {
    let statement = "INSERT INTO double_releases (node, branch, sequence, job, user_id, printer, \
         at_unix_ms, outcome, count_json) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (node, branch, sequence) DO NOTHING";
    sqlx::query(statement)
        .bind(charge.node.to_string())
        .bind(i64::from(charge.branch))
        .bind(signed(charge.sequence))
        .bind(charge.job.to_string())
        .bind(charge.user.map(|user| user.to_string()))
        .bind(charge.printer.0.clone())
        .bind(signed(charge.at_unix_ms))
        .bind(keyword(&charge.outcome))
        .bind(json(charge.count.as_ref()))
        .execute(connection)
        .await?;
    Ok(())
}

fn charge(row: &AnyRow) -> Result<Charge, CentreError> {
    Ok(Charge {
        job: JobId(row.uuid("job")?),
        node: NodeId(row.uuid("node")?),
        branch: row.number_as("branch")?,
        sequence: row.number("sequence")?,
        user: row.uuid_if("user_id")?.map(UserId),
        printer: PrinterName(row.text("printer")?),
        at_unix_ms: row.number("at_unix_ms")?,
        at_trusted: row.yes("at_trusted")?,
        attempt: row.number_as("attempt")?,
        outcome: row.keyword("outcome")?,
        count: row.json_if("count_json")?,
        octets: row.number("octets")?,
        impressions: row
            .number_if("impressions")?
            .and_then(|number| u32::try_from(number).ok()),
        confirmed_by: row.keyword_if("confirmed_by")?,
        cost: row.number_if("cost")?,
        prices: row.uuid_if("prices")?.map(PricesId),
        shares: Vec::new(),
    })
}

/// Charges, the newest first, with their shares, and how many there are.
pub(crate) async fn page(
    connection: &mut AnyConnection,
    filter: &ChargeFilter,
    (behind, limit): (Option<Mark>, u64),
) -> Result<Listed<Charge>, CentreError> {
    const WHERE: &str = "WHERE ($1 = '' OR user_id = $1) AND ($2 = '' OR node = $2) \
         AND at_unix_ms >= $3 AND at_unix_ms <= $4 AND ($5 = '' OR job = $5)";
    let user = filter.user.map(|user| user.to_string()).unwrap_or_default();
    let node = filter.node.map(|node| node.to_string()).unwrap_or_default();
    let job = filter.job.map(|job| job.to_string()).unwrap_or_default();
    let from = signed(filter.from_unix_ms.unwrap_or(0));
    let to = signed(filter.to_unix_ms.unwrap_or(u64::MAX));
    let count = format!("SELECT COUNT(*) AS many FROM charges {WHERE}");
    let total = sqlx::query(sqlx::AssertSqlSafe(count))
        .bind(user.clone())
        .bind(node.clone())
        .bind(from)
        .bind(to)
        .bind(job.clone())
        .fetch_one(&mut *connection)
        .await?
        .number("many")?;
    let select = format!(
        "SELECT job, node, branch, sequence, user_id, printer, at_unix_ms, at_trusted, attempt, \
         outcome, count_json, octets, impressions, confirmed_by, cost, prices FROM charges {WHERE} \
         AND ($6 = 0 OR (at_unix_ms, job) < ($7, $8)) \
         ORDER BY at_unix_ms DESC, job DESC LIMIT $9"
    );
    let last = behind.unwrap_or_default();
    let mut rows = sqlx::query(sqlx::AssertSqlSafe(select))
        .bind(user)
        .bind(node)
        .bind(from)
        .bind(to)
        .bind(job)
        .bind(i64::from(behind.is_some()))
        .bind(signed(last.at_unix_ms))
        .bind(last.id.hyphenated().to_string())
        .bind(list::one_more(limit))
        .fetch_all(&mut *connection)
        .await?;
    let next = list::mark_of_next(&mut rows, limit, |row| {
        Ok(Mark {
            at_unix_ms: row.number("at_unix_ms")?,
            id: row.uuid("job")?,
            ..Mark::default()
        })
    })?;
    let charges: Result<Vec<_>, _> = rows.iter().map(charge).collect();
    let rows = with_shares(connection, charges?).await?;
    Ok(Listed { rows, total, next })
}

async fn with_shares(
    connection: &mut AnyConnection,
    mut charges: Vec<Charge>,
) -> Result<Vec<Charge>, CentreError> {
    let jobs: Vec<String> = charges
        .iter()
        .map(|charge| charge.job.to_string())
        .collect();
    let select = "SELECT job, quota, lease, amount, above FROM shares WHERE job IN {} \
         ORDER BY job, place";
    for row in list::select_in(connection, select, &jobs).await? {
        let job = JobId(row.uuid("job")?);
        let share = ChargedShare {
            quota: QuotaId(row.uuid("quota")?),
            lease: row.uuid_if("lease")?.map(LeaseId),
            amount: row.number("amount")?,
            above: row.yes("above")?,
        };
        if let Some(charge) = charges.iter_mut().find(|charge| charge.job == job) {
            charge.shares.push(share);
        }
    }
    Ok(charges)
}

/// Releases of jobs that were charged already, the newest first, and how many there are.
pub(crate) async fn doubles(
    connection: &mut AnyConnection,
    (behind, limit): (Option<Mark>, u64),
) -> Result<Listed<Charge>, CentreError> {
    let query = sqlx::query("SELECT COUNT(*) AS many FROM double_releases");
    let total = query.fetch_one(&mut *connection).await?.number("many")?;
    let statement = "SELECT job, node, branch, sequence, user_id, printer, at_unix_ms, \
         1 AS at_trusted, 1 AS attempt, outcome, count_json, 0 AS octets, NULL AS impressions, \
         NULL AS confirmed_by, NULL AS cost, NULL AS prices FROM double_releases \
         WHERE $1 = 0 OR (at_unix_ms, node, branch, sequence) < ($2, $3, $4, $5) \
         ORDER BY at_unix_ms DESC, node DESC, branch DESC, sequence DESC LIMIT $6";
    let last = behind.unwrap_or_default();
    let mut rows = sqlx::query(statement)
        .bind(i64::from(behind.is_some()))
        .bind(signed(last.at_unix_ms))
        .bind(last.id.hyphenated().to_string())
        .bind(i64::from(last.branch))
        .bind(signed(last.sequence))
        .bind(list::one_more(limit))
        .fetch_all(connection)
        .await?;
    let next = list::mark_of_next(&mut rows, limit, list::mark_in_journal)?;
    let doubles: Result<Vec<_>, _> = rows.iter().map(charge).collect();
    let rows = doubles?;
    Ok(Listed { rows, total, next })
}
