// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Jobs, charges, logins and journals, for those who look.

use std::fmt;

use platen_model::journal::Outcome;
use platen_model::{
    Denied, Evidence, JobId, JobNumber, JobState, JobStateReason, LeaseId, Method, NodeId,
    PageCount, PricesId, PrinterName, QuotaId, Stamp, UserId,
};
use platen_sync::message::Link;
use serde::{Deserialize, Serialize};

use super::vault::Kept;
use super::{Centre, CentreError, Listed, Page};
use crate::db::{self, jobs::SealedJob};

/// How a job stands at its box.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct CentralJob {
    /// The key of its charge.
    pub job: JobId,
    /// Where it is.
    pub node: NodeId,
    /// IPP `job-id` there.
    pub number: JobNumber,
    /// Counts up with every word of the box.
    pub turn: u64,
    /// Whose it is, where that is known.
    pub user: Option<UserId>,
    /// `job-originating-user-name`, as claimed.
    pub owner: String,
    /// `job-name`
    pub name: String,
    /// MIME media type.
    pub format: String,
    /// Bytes of the body.
    pub octets: u64,
    /// `job-state`
    pub state: JobState,
    /// `job-state-reasons`
    pub reason: JobStateReason,
    /// Where it goes or went.
    pub printer: Option<PrinterName>,
    /// Page count, once known.
    pub count: Option<PageCount>,
    /// Wall milliseconds since 1970.
    pub created_unix_ms: u64,
}

// Names are for no log.
impl fmt::Debug for CentralJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CentralJob({}, {:?})", self.job, self.state)
    }
}

/// Which jobs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobFilter {
    /// Of this person.
    pub user: Option<UserId>,
    /// At this box.
    pub node: Option<NodeId>,
    /// In this state.
    pub state: Option<JobState>,
    /// Made at this time or later, wall milliseconds since 1970.
    pub from_unix_ms: Option<u64>,
    /// Made at this time or before.
    pub to_unix_ms: Option<u64>,
}

/// A part of a charge.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ChargedShare {
    /// The quota it counts against.
    pub quota: QuotaId,
    /// The lease it was taken from.
    pub lease: Option<LeaseId>,
    /// How much, in the quota's unit.
    pub amount: u64,
    /// Whether no lease covers it.
    pub above: bool,
}

/// A job's one charge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    /// The job.
    pub job: JobId,
    /// Where it was printed.
    pub node: NodeId,
    /// Branch of the box's journal.
    pub branch: u32,
    /// Entry there.
    pub sequence: u64,
    /// Who is charged.
    pub user: Option<UserId>,
    /// Where it went.
    pub printer: PrinterName,
    /// When it ended by the box's clock, wall milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Whether the box trusted its clock.
    pub at_trusted: bool,
    /// Which try this was.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// What was counted.
    pub count: Option<PageCount>,
    /// Bytes handed to the printer.
    pub octets: u64,
    /// Impressions that the printer confirmed.
    pub impressions: Option<u32>,
    /// What that is worth.
    pub confirmed_by: Option<Evidence>,
    /// Thousandths of the price list's currency.
    pub cost: Option<u64>,
    /// The price list.
    pub prices: Option<PricesId>,
    /// What it takes of quotas.
    pub shares: Vec<ChargedShare>,
}

/// Which charges.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChargeFilter {
    /// Of this person.
    pub user: Option<UserId>,
    /// At this box.
    pub node: Option<NodeId>,
    /// Of this job.
    pub job: Option<JobId>,
    /// At this time or later, wall milliseconds since 1970.
    pub from_unix_ms: Option<u64>,
    /// At this time or before.
    pub to_unix_ms: Option<u64>,
}

/// An entry of a box's journal, as it was sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JournalEntry {
    /// Whose.
    pub node: NodeId,
    /// Which branch.
    pub branch: u32,
    /// Where it stands.
    pub link: Link,
    /// When it was written, by the box's clock.
    pub at: Stamp,
    /// When it came, wall milliseconds since 1970.
    pub received_unix_ms: u64,
    /// Name of the entry; `lost` for a record that was damaged on the box.
    pub kind: String,
    /// CBOR of a [`platen_model::Entry`]; empty for a lost one.
    pub raw: Vec<u8>,
}

/// Somebody who was recognised at a box, or was not.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Login {
    /// Where.
    pub node: NodeId,
    /// When, by the box's clock, wall milliseconds since 1970.
    pub at_unix_ms: u64,
    /// Who, where that is known.
    pub user: Option<UserId>,
    /// By what.
    pub method: Option<Method>,
    /// Which part of the box.
    pub place: String,
    /// `local`, `online` or `cached`.
    pub source: Option<String>,
    /// Why not.
    pub refused: Option<Denied>,
}

/// Which logins.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginFilter {
    /// Of this person.
    pub user: Option<UserId>,
    /// At this box.
    pub node: Option<NodeId>,
    /// Only those that came to nothing.
    pub refused_only: bool,
}

impl Centre {
    /// Jobs, the newest first.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn jobs(
        &self,
        filter: &JobFilter,
        page: Page,
    ) -> Result<Listed<CentralJob>, CentreError> {
        let mut tx = self.read().await?;
        let (sealed, total, next) = db::jobs::page(&mut tx, filter, page.newest()).await?;
        let rows: Result<Vec<_>, _> = sealed.into_iter().map(|job| self.open_job(job)).collect();
        Ok(Listed {
            rows: rows?,
            total,
            next,
        })
    }

    /// One job.
    ///
    /// # Errors
    /// [`CentreError::Missing`].
    pub async fn job(&self, id: JobId) -> Result<CentralJob, CentreError> {
        let job = db::jobs::by_id(&mut *self.read().await?, id).await?;
        self.open_job(job.ok_or(CentreError::missing("job"))?)
    }

    fn open_job(&self, sealed: SealedJob) -> Result<CentralJob, CentreError> {
        let text = |sealed: &[u8]| {
            let plain = self.inner.vault.open(Kept::JobName, sealed);
            let plain = plain.ok_or(CentreError::WrongKey)?;
            let text = String::from_utf8(plain.to_vec());
            text.map_err(|_| CentreError::corrupt("job name"))
        };
        Ok(CentralJob {
            owner: text(&sealed.owner)?,
            name: text(&sealed.name)?,
            ..sealed.job
        })
    }

    pub(super) fn seal_job(&self, job: CentralJob) -> Result<SealedJob, CentreError> {
        let vault = &self.inner.vault;
        Ok(SealedJob {
            owner: vault.seal(Kept::JobName, job.owner.as_bytes())?,
            name: vault.seal(Kept::JobName, job.name.as_bytes())?,
            job,
        })
    }

    /// Charges, the newest first.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn charges(
        &self,
        filter: &ChargeFilter,
        page: Page,
    ) -> Result<Listed<Charge>, CentreError> {
        let mut tx = self.read().await?;
        db::charges::page(&mut tx, filter, page.newest()).await
    }

    /// Releases of jobs that were charged already, the newest first: not charged, for a person to
    /// look at.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn double_releases(&self, page: Page) -> Result<Listed<Charge>, CentreError> {
        let mut tx = self.read().await?;
        db::charges::doubles(&mut tx, page.newest()).await
    }

    /// Entries of one branch of a box's journal behind a sequence number, in order, at most 1000.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn journal(
        &self,
        node: NodeId,
        branch: u32,
        after: u64,
        limit: u64,
    ) -> Result<Vec<JournalEntry>, CentreError> {
        let mut tx = self.read().await?;
        let page = Page {
            limit,
            ..Page::default()
        };
        let (_, limit) = page.bounds();
        db::journal::after(&mut tx, node, branch, after, limit).await
    }

    /// Logins, the newest first.
    ///
    /// # Errors
    /// [`CentreError`], of the database.
    pub async fn logins(
        &self,
        filter: &LoginFilter,
        page: Page,
    ) -> Result<Listed<Login>, CentreError> {
        let mut tx = self.read().await?;
        db::logins::page(&mut tx, filter, page.newest()).await
    }
}
