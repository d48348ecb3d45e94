// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How jobs stand at their boxes. Names are sealed: the caller seals and opens them.

use platen_model::{JobId, JobNumber, NodeId, PrinterName, UserId};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Columns, keyword, list, signed};
use crate::app::{CentralJob, CentreError, JobFilter, Mark};

/// A job whose owner's and document's names are sealed.
pub(crate) struct SealedJob {
    pub(crate) job: CentralJob,
    pub(crate) owner: Vec<u8>,
    pub(crate) name: Vec<u8>,
}

const COLUMNS: &str = "job, node, number, turn, user_id, owner, name, format, octets, state, \
     reason, printer, count_json, created_unix_ms";
/// The same to be read: a job may have been counted only when it was settled, after the box's last word
/// about it.
const READ: &str = "job, node, number, turn, user_id, owner, name, format, octets, state, \
     reason, printer, COALESCE(count_json, (SELECT c.count_json FROM charges c \
     WHERE c.job = jobs.job)) AS count_json, created_unix_ms";

fn job(row: &AnyRow) -> Result<SealedJob, CentreError> {
    let job = CentralJob {
        job: JobId(row.uuid("job")?),
        node: NodeId(row.uuid("node")?),
        number: JobNumber(row.number_as("number")?),
        turn: row.number("turn")?,
        user: row.uuid_if("user_id")?.map(UserId),
        owner: String::new(),
        name: String::new(),
        format: row.text("format")?,
        octets: row.number("octets")?,
        state: row.keyword("state")?,
        reason: row.keyword("reason")?,
        printer: row.text_if("printer")?.map(PrinterName),
        count: row.json_if("count_json")?,
        created_unix_ms: row.number("created_unix_ms")?,
    };
    Ok(SealedJob {
        job,
        owner: row.bytes("owner")?,
        name: row.bytes("name")?,
    })
}

/// Keeps how jobs stand; a word that is older than the one that is known changes nothing. No job may
/// be there twice.
pub(crate) async fn put(
    connection: &mut AnyConnection,
    jobs: &[SealedJob],
) -> Result<(), CentreError> {
    for chunk in jobs.chunks(list::rows_at_once(14)) {
        let values = list::rows_of(14, chunk.len());
        let mut query = list::statement(format!(
            "INSERT INTO jobs ({COLUMNS}) VALUES {values} ON CONFLICT (job) DO UPDATE SET \
             node = excluded.node, number = excluded.number, turn = excluded.turn, \
             user_id = excluded.user_id, owner = excluded.owner, name = excluded.name, \
             format = excluded.format, octets = excluded.octets, state = excluded.state, \
             reason = excluded.reason, printer = excluded.printer, \
             count_json = excluded.count_json, created_unix_ms = excluded.created_unix_ms \
             WHERE jobs.turn < excluded.turn"
        ));
        for SealedJob { job, owner, name } in chunk {
            let count = job.count.as_ref().map(serde_json::to_string);
            let count = count.transpose().map_err(|_| CentreError::System)?;
            query = query
                .bind(job.job.to_string())
                .bind(job.node.to_string())
                .bind(i64::from(job.number.0))
                .bind(signed(job.turn))
                .bind(job.user.map(|user| user.to_string()))
                .bind(owner.clone())
                .bind(name.clone())
                .bind(job.format.clone())
                .bind(signed(job.octets))
                .bind(keyword(&job.state))
                .bind(keyword(&job.reason))
                .bind(job.printer.as_ref().map(|printer| printer.0.clone()))
                .bind(count)
                .bind(signed(job.created_unix_ms));
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

/// One job.
pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    id: JobId,
) -> Result<Option<SealedJob>, CentreError> {
    let statement = format!("SELECT {READ} FROM jobs WHERE job = $1");
    let query = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id.to_string());
    let row = query.fetch_optional(connection).await?;
    row.as_ref().map(job).transpose()
}

/// Jobs, the newest first, and how many there are.
pub(crate) async fn page(
    connection: &mut AnyConnection,
    filter: &JobFilter,
    (behind, limit): (Option<Mark>, u64),
) -> Result<(Vec<SealedJob>, u64, Option<Mark>), CentreError> {
    const WHERE: &str = "WHERE ($1 = '' OR user_id = $1) AND ($2 = '' OR node = $2) \
         AND ($3 = '' OR state = $3) AND created_unix_ms >= $4 AND created_unix_ms <= $5";
    let user = filter.user.map(|user| user.to_string()).unwrap_or_default();
    let node = filter.node.map(|node| node.to_string()).unwrap_or_default();
    let state = filter.state.as_ref().map(keyword).unwrap_or_default();
    let from = signed(filter.from_unix_ms.unwrap_or(0));
    let to = signed(filter.to_unix_ms.unwrap_or(u64::MAX));
    let count = format!("SELECT COUNT(*) AS many FROM jobs {WHERE}");
    let many = sqlx::query(sqlx::AssertSqlSafe(count))
        .bind(user.clone())
        .bind(node.clone())
        .bind(state.clone())
        .bind(from)
        .bind(to)
        .fetch_one(&mut *connection)
        .await?
        .number("many")?;
    let select = format!(
        "SELECT {READ} FROM jobs {WHERE} \
         AND ($6 = 0 OR (created_unix_ms, job) < ($7, $8)) \
         ORDER BY created_unix_ms DESC, job DESC LIMIT $9"
    );
    let last = behind.unwrap_or_default();
    let mut rows = sqlx::query(sqlx::AssertSqlSafe(select))
        .bind(user)
        .bind(node)
        .bind(state)
        .bind(from)
        .bind(to)
        .bind(i64::from(behind.is_some()))
        .bind(signed(last.at_unix_ms))
        .bind(last.id.hyphenated().to_string())
        .bind(list::one_more(limit))
        .fetch_all(connection)
        .await?;
    let next = list::mark_of_next(&mut rows, limit, |row| {
        Ok(Mark {
            at_unix_ms: row.number("created_unix_ms")?,
            id: row.uuid("job")?,
            ..Mark::default()
        })
    })?;
    let jobs: Result<Vec<_>, _> = rows.iter().map(job).collect();
    Ok((jobs?, many, next))
}
