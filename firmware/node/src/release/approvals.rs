// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Jobs that wait until somebody agrees to them. Kept over a restart; where the database was lost a
//! job is asked for once more.

use platen_model::{Chain, JobId, RuleId};
use platen_store::{Database, DatabaseError, Table};
use serde::{Deserialize, Serialize};

const TABLE: &str = "approvals";

/// How a job stands that a rule holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) struct Approval {
    /// The rule.
    pub(crate) rule: RuleId,
    /// When its owner wanted it first, wall milliseconds since 1970.
    pub(crate) since_unix_ms: u64,
    /// Whether somebody agreed.
    pub(crate) given: bool,
}

/// All of them.
pub(crate) struct Approvals {
    database: Database,
    table: Table<Approval>,
}

impl Approvals {
    pub(crate) fn open(database: &Database) -> Result<Self, DatabaseError> {
        Ok(Self {
            table: database.table(TABLE)?,
            database: database.clone(),
        })
    }

    pub(crate) fn of(&self, job: JobId) -> Option<Approval> {
        self.table.get(job.0.as_bytes()).unwrap_or_else(|error| {
            log::error!(err:% = Chain(&error); "an approval can't be read");
            None
        })
    }

    pub(crate) fn is_given(&self, job: JobId) -> bool {
        self.of(job).is_some_and(|approval| approval.given)
    }

    /// The job waits from now on, if it does not already.
    pub(crate) fn ask(&self, job: JobId, rule: RuleId, now_unix_ms: u64) {
        if self.of(job).is_some() {
            return;
        }
        let approval = Approval {
            rule,
            since_unix_ms: now_unix_ms,
            given: false,
        };
        self.keep(self.put(job, &approval));
    }

    /// Somebody agrees. Durable when it answers; blocks.
    pub(crate) fn give(&self, job: JobId, approval: Approval) -> Result<(), DatabaseError> {
        let given = Approval {
            given: true,
            ..approval
        };
        self.put(job, &given)?;
        self.database.commit()
    }

    /// The job has ended.
    pub(crate) fn forget(&self, job: JobId) {
        self.keep(self.table.remove(job.0.as_bytes()));
    }

    fn put(&self, job: JobId, approval: &Approval) -> Result<(), DatabaseError> {
        self.table.insert(job.0.as_bytes(), approval)
    }

    fn keep(&self, done: Result<(), DatabaseError>) {
        if let Err(error) = done {
            log::error!(err:% = Chain(&error); "an approval can't be written");
        }
    }
}
