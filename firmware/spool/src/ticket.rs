// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ticket file: what must be known of a job after a power cut. Byte map and what is left out
//! on purpose: `docs/formats/ticket.md`.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use platen_model::{
    Job, JobId, JobNumber, JobOptions, JobState, JobStateReason, Owner, PrinterName,
};
use platen_store::{Disk, Keys, SealError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::SpoolError;

/// Where tickets and bodies are.
pub(crate) const DIR: &str = "jobs";
/// Bytes of a ticket before sealing, at most.
pub(crate) const TICKET_BYTES_MAX: usize = 16 * 1024;

const VERSION: u8 = 1;
const SEALED_BYTES_MAX: u64 = 17 * 1024;
const CONTEXT_LABEL: &[u8] = b"ticket\0";
const RECURSION_MAX: usize = 16;

/// The contents of a ticket file.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    version: u8,
    pub(crate) id: JobId,
    pub(crate) number: JobNumber,
    pub(crate) name: String,
    pub(crate) owner: Owner,
    pub(crate) format: String,
    pub(crate) octets: u64,
    pub(crate) options: JobOptions,
    pub(crate) target: Option<PrinterName>,
    pub(crate) created_unix_ms: u64,
    /// Whether its submitter asked for a hold (`job-hold-until`, Hold-Job).
    pub(crate) hold: bool,
    /// The body's key, wrapped; none while the document has not come.
    pub(crate) body_key: Option<Vec<u8>>,
}

/// What becomes a ticket once it has a number.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) id: JobId,
    pub(crate) name: String,
    pub(crate) owner: Owner,
    pub(crate) format: String,
    pub(crate) options: JobOptions,
    pub(crate) target: Option<PrinterName>,
    pub(crate) created_unix_ms: u64,
    pub(crate) hold: bool,
}

impl Draft {
    /// The ticket of a job whose document has not come.
    pub(crate) fn into_ticket(self, number: JobNumber) -> Ticket {
        Ticket {
            version: VERSION,
            id: self.id,
            number,
            name: self.name,
            owner: self.owner,
            format: self.format,
            octets: 0,
            options: self.options,
            target: self.target,
            created_unix_ms: self.created_unix_ms,
            hold: self.hold,
            body_key: None,
        }
    }
}

impl Ticket {
    /// State and reason that follow from the ticket alone: those at start.
    pub(crate) fn state(&self) -> (JobState, JobStateReason) {
        resting_state(self.body_key.is_some(), self.hold, self.target.is_none())
    }

    /// The job as it is at start.
    pub(crate) fn to_job(&self) -> Job {
        let (state, reason) = self.state();
        Job {
            id: self.id,
            number: self.number,
            name: self.name.clone(),
            owner: self.owner.clone(),
            format: self.format.clone(),
            octets: self.octets,
            options: self.options.clone(),
            state,
            reason,
            target: self.target.clone(),
            created_unix_ms: self.created_unix_ms,
            processing_unix_ms: None,
            ended_unix_ms: None,
            count: None,
            impressions_completed: 0,
        }
    }

    pub(crate) fn seal(&self, keys: &Keys) -> Result<Vec<u8>, SpoolError> {
        let mut plain = Zeroizing::new(Vec::with_capacity(512));
        let written = ciborium::into_writer(self, &mut *plain);
        if written.is_err() || plain.len() > TICKET_BYTES_MAX {
            let limit_bytes = TICKET_BYTES_MAX;
            return Err(SpoolError::TicketTooLarge { limit_bytes });
        }
        Ok(keys.values().seal(&context(self.id), &plain)?)
    }

    /// Reads the ticket of `id`; `InvalidData` when it does not open or is not understood.
    pub(crate) fn read(disk: &dyn Disk, keys: &Keys, id: JobId) -> io::Result<Self> {
        let mut sealed = Vec::with_capacity(1024);
        let file = disk.open(&ticket_path(id))?;
        file.take(SEALED_BYTES_MAX).read_to_end(&mut sealed)?;
        let damaged = |error: SealError| io::Error::new(io::ErrorKind::InvalidData, error);
        let plain = keys.values().open(&context(id), &sealed).map_err(damaged)?;
        let ticket: Self =
            ciborium::de::from_reader_with_recursion_limit(plain.as_slice(), RECURSION_MAX)
                .map_err(|_| damaged(SealError::Damaged))?;
        if ticket.version != VERSION {
            return Err(damaged(SealError::UnknownVersion(ticket.version)));
        }
        if ticket.id != id {
            return Err(damaged(SealError::Damaged));
        }
        Ok(ticket)
    }
}

/// Where a job stands that nobody has touched since it came: on the proxy queue (`pull`) it waits
/// for its owner, on a push queue for the printer, unless its submitter asked for a hold.
pub(crate) fn resting_state(has_body: bool, hold: bool, pull: bool) -> (JobState, JobStateReason) {
    match (has_body, hold, pull) {
        (false, ..) => (JobState::PendingHeld, JobStateReason::JobIncoming),
        (true, true, _) => (JobState::PendingHeld, JobStateReason::JobHoldUntilSpecified),
        (true, false, true) => (JobState::PendingHeld, JobStateReason::JobReleaseWait),
        (true, false, false) => (JobState::Pending, JobStateReason::JobQueued),
    }
}

fn context(id: JobId) -> Vec<u8> {
    [CONTEXT_LABEL, id.0.as_bytes()].concat()
}

/// What a name in the directory is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Entry {
    Ticket(JobId),
    Body(JobId),
    /// Set aside as damaged; left alone.
    Damaged,
    /// Half-written, or nothing of ours: removed at start.
    Leftover,
}

impl Entry {
    pub(crate) fn parse(name: &str) -> Self {
        let Some((stem, kind)) = name.split_once('.') else {
            return Self::Leftover;
        };
        match (Uuid::try_parse(stem), kind) {
            (Ok(id), "ticket") => Self::Ticket(JobId(id)),
            (Ok(id), "body") => Self::Body(JobId(id)),
            (Ok(_), "ticket.damaged" | "body.damaged") => Self::Damaged,
            _ => Self::Leftover,
        }
    }
}

pub(crate) fn ticket_path(id: JobId) -> PathBuf {
    path(id, "ticket")
}

pub(crate) fn new_ticket_path(id: JobId) -> PathBuf {
    path(id, "ticket.new")
}

pub(crate) fn body_path(id: JobId) -> PathBuf {
    path(id, "body")
}

/// Where a damaged file goes.
pub(crate) fn damaged_path(of: &Path) -> PathBuf {
    let mut name = of.as_os_str().to_owned();
    name.push(".damaged");
    name.into()
}

fn path(id: JobId, kind: &str) -> PathBuf {
    Path::new(DIR).join(format!("{id}.{kind}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ciborium::Value;
    use platen_model::OwnerKey;
    use platen_store::SimDisk;

    use super::*;

    /// A later program may say more of a job; after a step back the job is still there.
    #[test]
    fn a_ticket_with_a_field_of_a_later_program_is_read() {
        let disk = SimDisk::new(3);
        let keys = Keys::open(&disk).unwrap();
        let id = JobId::from_parts(1, &[1; 10]);
        let owner = Owner {
            name: "ada".to_owned(),
            key: OwnerKey([7; 16]),
        };
        let draft = Draft {
            id,
            name: "report".to_owned(),
            owner,
            format: "application/pdf".to_owned(),
            options: JobOptions::default(),
            target: None,
            created_unix_ms: 5,
            hold: false,
        };
        let ticket = draft.into_ticket(JobNumber(9));
        let mut fields = Value::serialized(&ticket).unwrap().into_map().unwrap();
        fields.push((Value::from("urgency"), Value::from(3)));
        let mut plain = Vec::new();
        ciborium::into_writer(&Value::Map(fields), &mut plain).unwrap();
        let sealed = keys.values().seal(&context(id), &plain).unwrap();
        disk.create_dir(Path::new("jobs")).unwrap();
        let mut file = disk.create(&ticket_path(id)).unwrap();
        io::Write::write_all(&mut file, &sealed).unwrap();
        drop(file);
        assert_eq!(Ticket::read(&disk, &keys, id).unwrap(), ticket);
    }
}
