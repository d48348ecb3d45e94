// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Jobs that wait until somebody agrees to them. Kept over a restart; where the database was lost a
//! job is asked for once more. What somebody agreed to is the job as it was then, for the rule that held
//! it: with other options, or before another rule, it waits once more.

use platen_model::{Chain, Job, JobId, JobOptions, RuleId};
use platen_store::{Database, DatabaseError, Table};
use serde::{Deserialize, Serialize};

const TABLE: &str = "approvals";
/// Rules for which one job is agreed to; the oldest is asked for once more past this.
const RULES_MAX: usize = 64;

/// How a job stands that a rule holds.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) struct Approval {
    /// The rule.
    pub(crate) rule: RuleId,
    /// When its owner wanted it first, wall milliseconds since 1970.
    pub(crate) since_unix_ms: u64,
    /// Whether somebody agreed.
    pub(crate) given: bool,
    /// How the job was to be printed then. Without it the approval counts for nothing.
    #[serde(default)]
    options: Option<JobOptions>,
    /// Other rules for which somebody agreed before, to the same options.
    #[serde(default)]
    before: Vec<RuleId>,
}

impl Approval {
    fn is_about(&self, job: &Job) -> bool {
        self.options.as_ref() == Some(&job.options)
    }

    fn rules(&self) -> Vec<RuleId> {
        let this = self.given.then_some(self.rule);
        self.before.iter().copied().chain(this).collect()
    }
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

    /// Rules for which somebody agreed to the job as it is.
    pub(crate) fn given(&self, job: &Job) -> Vec<RuleId> {
        let known = self.of(job.id).filter(|known| known.is_about(job));
        known.map(|known| known.rules()).unwrap_or_default()
    }

    /// The job waits from now on because of this rule, if it does not already.
    pub(crate) fn ask(&self, job: &Job, rule: RuleId, now_unix_ms: u64) {
        let known = self.of(job.id).filter(|known| known.is_about(job));
        if known.as_ref().is_some_and(|known| known.rule == rule) {
            return;
        }
        let mut before = known.map(|known| known.rules()).unwrap_or_default();
        before.retain(|agreed| *agreed != rule);
        before.drain(..before.len().saturating_sub(RULES_MAX));
        let approval = Approval {
            rule,
            since_unix_ms: now_unix_ms,
            given: false,
            options: Some(job.options.clone()),
            before,
        };
        self.keep(self.put(job.id, &approval));
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

    /// The job has ended, or is to be printed otherwise.
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
