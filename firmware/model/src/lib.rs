// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The nouns of Platen, without I/O: what a job, an identity, a decision and a page count are.
//!
//! Everything here is plain data that the other crates pass to each other. Names follow RFC 8011
//! for jobs and T/ACCEM 475-2024 §3 for the rest.

pub mod account;
pub mod bytes;
pub mod chain;
pub mod clock;
pub mod count;
pub mod date;
pub mod decision;
pub mod directory;
pub mod identity;
pub mod ids;
pub mod job;
pub mod journal;
pub mod local;
pub mod release;

pub use account::{Covers, Lease, Period, Prices, Quota, Share, Unit, WhenSpent};
pub use chain::Chain;
pub use clock::{Clock, ManualClock, Moment};
pub use count::{Certainty, Evidence, PageCount, Sides};
pub use date::{NoDate, UtcDate, utc};
pub use decision::{Decision, Reason, Step};
pub use directory::{
    Changes, CredentialKind, CredentialRecord, GroupRecord, Record, RecordId, Revised, RuleRecord,
    Settings, Tombstone, UserRecord,
};
pub use identity::{Denied, Identity, Method, Source};
pub use ids::{
    CardKey, CredentialId, GroupId, JobId, JobNumber, LeaseId, NodeId, OwnerKey, PricesId,
    PrinterName, QuotaId, ReleaseId, RuleId, SiteId, UserId,
};
pub use job::{ColorMode, Job, JobOptions, JobState, JobStateReason, Owner, PrintQuality};
pub use journal::{Entry, Outcome, Stamp};
pub use release::{
    NoVersion, Offer, Offers, Release, ReleaseVersion, Running, UpdatePhase, Window,
};
