// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is recorded of what happens at a box. Field and variant names are the CBOR keys on disk and
//! on the way to the centre: a change of one is a new version of both formats
//! (`docs/formats/ledger.md`, `docs/formats/sync.md`), and so is a new variant.

use serde::{Deserialize, Serialize};

use crate::account::Share;
use crate::clock::Moment;
use crate::count::{Evidence, PageCount};
use crate::directory::CredentialRecord;
use crate::identity::{Denied, Method, Source};
use crate::ids::{
    CardKey, CredentialId, JobId, JobNumber, LeaseId, PricesId, PrinterName, RuleId, UserId,
};

/// One thing that happened.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Entry {
    /// The release ticket: acknowledged before the first byte of the job leaves the box.
    Released {
        /// The key of its charge.
        job: JobId,
        /// IPP `job-id`.
        number: JobNumber,
        /// Who released it; `None` for a push queue without a known user.
        user: Option<UserId>,
        /// Where it goes.
        printer: PrinterName,
        /// 1 for the first try of this job, then counting up.
        attempt: u32,
        /// Bytes of the body.
        octets: u64,
        /// MIME media type of the body.
        format: String,
        /// What is set aside of quotas until the job ends; since version 3.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shares: Vec<Share>,
    },
    /// A release ended and the job with it.
    Settled {
        /// The key of its charge.
        job: JobId,
        /// IPP `job-id`.
        number: JobNumber,
        /// Who is charged; stable over renames.
        user: Option<UserId>,
        /// Where it went.
        printer: PrinterName,
        /// Which try this was.
        attempt: u32,
        /// How it ended.
        outcome: Outcome,
        /// Pages, impressions and sheets with their evidence; `None` when nothing was counted.
        count: Option<PageCount>,
        /// Bytes handed to the printer.
        octets: u64,
        /// Impressions that the printer confirmed; `None` when it says nothing.
        impressions: Option<u32>,
        /// What that confirmation is worth; together with `impressions`. Missing in entries that were
        /// written before there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirmed_by: Option<Evidence>,
        /// Whether this is the job's one charge.
        charged: bool,
        /// What it takes of quotas, at most what was set aside by the lease; since version 3.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shares: Vec<Share>,
        /// What it costs, by which prices; since version 3.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost: Option<Cost>,
    },
    /// Power or the daemon ended while the job's bytes were on their way.
    Interrupted {
        /// The key of its charge.
        job: JobId,
        /// IPP `job-id`.
        number: JobNumber,
        /// Which try this was.
        attempt: u32,
    },
    /// The printer stopped while the job's bytes were on their way.
    Stopped {
        /// The key of its charge.
        job: JobId,
        /// IPP `job-id`.
        number: JobNumber,
        /// Which try this was.
        attempt: u32,
        /// IPP `printer-state-reasons` keywords.
        reasons: Vec<String>,
    },
    /// A job was deleted before it was printed.
    Canceled {
        /// The key of its charge.
        job: JobId,
        /// IPP `job-id`.
        number: JobNumber,
        /// Who deleted it, where that is known.
        user: Option<UserId>,
    },
    /// Nobody collected a job in time; it was erased.
    Expired {
        /// The key of its charge.
        job: JobId,
        /// IPP `job-id`.
        number: JobNumber,
    },
    /// Somebody agreed to a job that a rule holds; since version 3.
    Approved {
        /// The key of its charge.
        job: JobId,
        /// IPP `job-id`.
        number: JobNumber,
        /// The rule.
        rule: RuleId,
        /// Who agreed; `None` for an administrator at the box.
        user: Option<UserId>,
    },
    /// Somebody was recognised at the box.
    LoginAccepted {
        /// Who.
        user: UserId,
        /// The reader's name in the board file.
        reader: String,
        /// Where the identity was decided.
        source: Source,
        /// Whether the card proved its number with a key. False in entries of version 1.
        #[serde(default)]
        proved: bool,
        /// How the person proved who they are; since version 3.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Option<Method>,
    },
    /// Nobody was recognised at the box.
    LoginDenied {
        /// Keyed hash of the card.
        card: CardKey,
        /// The reader's name in the board file.
        reader: String,
        /// Why not.
        reason: Denied,
    },
    /// A finger was recognised by no user; since version 2.
    FingerDenied {
        /// The sensor's name in the board file.
        sensor: String,
        /// Why not.
        reason: Denied,
    },
    /// A login by something else than a card or a finger came to nothing; since version 3.
    LoginRefused {
        /// How it was tried.
        method: Method,
        /// Whose credential it was, where that is known.
        user: Option<UserId>,
        /// The part of the box, or `web`.
        reader: String,
        /// Why not.
        reason: Denied,
    },
    /// A credential had too many wrong tries and is locked; since version 3.
    LockedOut {
        /// Whose it is.
        user: UserId,
        /// Which one.
        credential: CredentialId,
        /// Until when, wall milliseconds since 1970.
        until_unix_ms: u64,
    },
    /// Somebody bound a card to themselves at the box; the centre confirms it; since version 3.
    CredentialBound {
        /// The credential, provisional.
        credential: CredentialRecord,
        /// How the person proved who they are.
        method: Method,
        /// How many of the site's keys are behind the card's hash: a box that was cut off may not
        /// have the newest one yet.
        keys: u32,
    },
    /// A one-time code was used; since version 3.
    CodeUsed {
        /// Which one.
        credential: CredentialId,
    },
    /// The box gives the rest of a lease back; every charge on it stands before this entry; since
    /// version 3.
    LeaseClosed {
        /// Which one.
        lease: LeaseId,
    },
    /// The box became part of a site, or of none; since version 3.
    Enrolled {
        /// The site.
        site: Option<crate::ids::SiteId>,
    },
    /// The centre's clock and the box's are far apart; since version 3.
    ClockSkewed {
        /// How far the centre's is ahead, seconds.
        seconds: i64,
    },
    /// Stands for an entry that is none of the site's business, from before the box was part of it: only
    /// on the way to the centre, never in a ledger; since version 3.
    Withheld {},
    /// A door or tamper switch changed; since version 2.
    SwitchChanged {
        /// The switch's name in the board file, or the name of the reader whose case it is.
        switch: String,
        /// `tamper` or `door`.
        kind: String,
        /// Whether it is open now.
        open: bool,
    },
    /// Keys of cards and readers were imported; since version 2.
    DeviceKeysImported {
        /// Whether there are keys of DESFire cards now.
        desfire: bool,
        /// Whether there are keys of NTAG 424 cards now.
        ntag424: bool,
        /// OSDP readers that have a key now.
        osdp: Vec<String>,
    },
    /// Users and cards were imported.
    UsersImported {
        /// Generation of the directory after it.
        generation: u64,
        /// Rows taken as new users.
        users_added: u64,
        /// Rows that changed a known user.
        users_changed: u64,
        /// Cards bound.
        cards_bound: u64,
        /// Rows not taken.
        rows_refused: u64,
    },
    /// The daemon started.
    Started {
        /// Its version.
        version: String,
    },
    /// A torn tail was cut from a segment at start.
    Repaired {
        /// First sequence number of the segment.
        segment: u64,
        /// Bytes cut and kept aside.
        bytes: u64,
    },
}

impl Entry {
    /// The number of the job it is about, if it is about one.
    #[must_use]
    pub fn job_number(&self) -> Option<JobNumber> {
        match self {
            Self::Released { number, .. }
            | Self::Settled { number, .. }
            | Self::Interrupted { number, .. }
            | Self::Stopped { number, .. }
            | Self::Canceled { number, .. }
            | Self::Approved { number, .. }
            | Self::Expired { number, .. } => Some(*number),
            Self::LoginAccepted { .. }
            | Self::LoginDenied { .. }
            | Self::FingerDenied { .. }
            | Self::LoginRefused { .. }
            | Self::LockedOut { .. }
            | Self::CredentialBound { .. }
            | Self::CodeUsed { .. }
            | Self::LeaseClosed { .. }
            | Self::Enrolled { .. }
            | Self::ClockSkewed { .. }
            | Self::Withheld {}
            | Self::SwitchChanged { .. }
            | Self::DeviceKeysImported { .. }
            | Self::UsersImported { .. }
            | Self::Started { .. }
            | Self::Repaired { .. } => None,
        }
    }
}

/// How a released job ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// Every byte was handed over.
    Completed,
    /// Given up by the box.
    Aborted,
    /// Deleted while its bytes were on their way.
    Canceled,
}

/// What a job costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Thousandths of the price list's currency.
    pub amount: u64,
    /// The price list.
    pub prices: PricesId,
}

/// Both kinds of time of a record; they are never mixed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Stamp {
    /// Wall time, milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
    /// Monotonic time since the daemon's start, milliseconds.
    pub elapsed_ms: u64,
    /// Whether the wall time was set from a trusted source since the box started.
    pub trusted: bool,
}

impl From<Moment> for Stamp {
    fn from(moment: Moment) -> Self {
        Self {
            unix_ms: moment.unix_ms,
            elapsed_ms: u64::try_from(moment.elapsed.as_millis()).unwrap_or(u64::MAX),
            trusted: moment.trusted,
        }
    }
}
