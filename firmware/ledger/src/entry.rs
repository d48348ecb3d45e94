// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An entry's place in the ledger, and what a start needs to know of releases.

use serde::{Deserialize, Serialize};

pub use platen_model::journal::{Cost, Entry, Outcome, Stamp};
use platen_model::{JobId, JobNumber, PrinterName, UserId};

use crate::frame::ChainHash;

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
    use platen_model::{Certainty, Evidence, PageCount, Sides};

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
            shares: Vec::new(),
            cost: None,
        };
        let read: Entry = ciborium::from_reader(older.as_slice()).unwrap();
        assert_eq!(read, settled(None));
        assert_eq!(cbor(&settled(None)), older);
        let confirmed = settled(Some(Evidence::PrinterJob));
        let read: Entry = ciborium::from_reader(cbor(&confirmed).as_slice()).unwrap();
        assert_eq!(read, confirmed);
    }

    /// A later program of the same version may say more of an entry.
    #[test]
    fn an_entry_with_a_field_of_a_later_program_is_read() {
        let entry = Entry::Started {
            version: "1.2.3".to_owned(),
        };
        let mut entries = ciborium::Value::serialized(&entry)
            .unwrap()
            .into_map()
            .unwrap();
        let (_, ciborium::Value::Map(fields)) = &mut entries[0] else {
            panic!("an entry is a name and its fields");
        };
        fields.push(("slot".into(), "B".into()));
        let mut bytes = Vec::new();
        ciborium::into_writer(&ciborium::Value::Map(entries), &mut bytes).unwrap();
        let read: Entry = ciborium::from_reader(bytes.as_slice()).unwrap();
        assert_eq!(read, entry);
    }
}
