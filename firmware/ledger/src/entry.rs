// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is recorded. Field and variant names are the CBOR keys on disk: a change of one is a new
//! version of the format (`docs/formats/ledger.md`), and so is a new variant.

use serde::{Deserialize, Serialize};

use platen_model::{
    CardKey, Denied, Evidence, JobId, JobNumber, Moment, PageCount, PrinterName, Source, UserId,
};

use crate::frame::ChainHash;

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
            | Self::Expired { number, .. } => Some(*number),
            Self::LoginAccepted { .. }
            | Self::LoginDenied { .. }
            | Self::FingerDenied { .. }
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

/// An entry as it stands in the ledger.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recorded {
    /// Its place, from 1, without gaps.
    pub sequence: u64,
    /// Hash of the chain up to and with it.
    pub hash: ChainHash,
    /// When it was written.
    pub at: Stamp,
    /// What happened.
    pub entry: Entry,
}

/// A release without an end: bytes may have left the box.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct OpenRelease {
    /// The key of its charge.
    pub job: JobId,
    /// IPP `job-id`.
    pub number: JobNumber,
    /// Who released it.
    pub user: Option<UserId>,
    /// Where it was going.
    pub printer: PrinterName,
    /// Which try this was.
    pub attempt: u32,
}

/// A release that has ended, as a start needs to know it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SettledRelease {
    /// The job.
    pub job: JobId,
    /// How it ended.
    pub outcome: Outcome,
    /// Impressions that the printer confirmed.
    pub impressions: Option<u32>,
    /// Whether the job was charged by it.
    pub charged: bool,
}

#[cfg(test)]
mod tests {
    use platen_model::{Certainty, Sides};

    use super::*;

    /// An entry as it was written before it told how the impressions were confirmed.
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    enum Older {
        Settled {
            job: JobId,
            number: JobNumber,
            user: Option<UserId>,
            printer: PrinterName,
            attempt: u32,
            outcome: Outcome,
            count: Option<PageCount>,
            octets: u64,
            impressions: Option<u32>,
            charged: bool,
        },
    }

    fn cbor<T: Serialize>(value: &T) -> Vec<u8> {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn an_older_settlement_is_read_and_one_without_confirmation_is_written_like_it() {
        let (job, number) = (JobId::from_parts(0, &[7; 10]), JobNumber(1));
        let printer = PrinterName("office".to_owned());
        let count = Some(PageCount::parsed(3, 1, Sides::OneSided, Certainty::Exact));
        let older = cbor(&Older::Settled {
            job,
            number,
            user: None,
            printer: printer.clone(),
            attempt: 1,
            outcome: Outcome::Completed,
            count: count.clone(),
            octets: 9,
            impressions: None,
            charged: true,
        });
        let settled = |confirmed_by| Entry::Settled {
            job,
            number,
            user: None,
            printer: printer.clone(),
            attempt: 1,
            outcome: Outcome::Completed,
            count: count.clone(),
            octets: 9,
            impressions: None,
            confirmed_by,
            charged: true,
        };
        let read: Entry = ciborium::from_reader(older.as_slice()).unwrap();
        assert_eq!(read, settled(None));
        assert_eq!(cbor(&settled(None)), older);
        let confirmed = settled(Some(Evidence::PrinterJob));
        let read: Entry = ciborium::from_reader(cbor(&confirmed).as_slice()).unwrap();
        assert_eq!(read, confirmed);
    }
}
