// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What an entry means for accounts, credentials and the log. The centre keeps the bytes of every
//! entry, also of those it does not know yet.

use std::collections::BTreeMap;

use platen_model::journal::Cost;
use platen_model::{
    CredentialId, CredentialRecord, Entry, JobId, JobNumber, LeaseId, Method, NodeId, Outcome,
    PageCount, PrinterName, Share, UserId,
};
use serde::de::IgnoredAny;

use crate::codec::from_cbor;

/// What an entry's bytes hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// The record was damaged on the box.
    Lost,
    /// This program does not know the entry: keep its bytes, and read them anew after an upgrade.
    /// Holds its name, where it has one.
    Unknown(String),
    /// An entry.
    Known(Box<Entry>),
}

/// What an entry does besides standing in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing.
    None,
    /// Every lease of the box that is open counts as spent from now on ([`super::lease::Slice`]).
    Lost,
    /// The job's one charge.
    Charge(Box<Charge>),
    /// The job ended, or is as it was, without a charge.
    JobEnded(JobId),
    /// Bytes of the job may be on their way.
    JobReleased(JobId),
    /// The rest of the lease comes back.
    LeaseClosed(LeaseId),
    /// Somebody was recognised.
    LoggedIn(UserId),
    /// Somebody was not.
    Refused,
    /// A credential is locked until then, wall milliseconds since 1970.
    Locked(CredentialId, u64),
    /// Somebody bound a card to themselves; the centre confirms or undoes it.
    Bound {
        /// The credential, provisional.
        credential: Box<CredentialRecord>,
        /// How the person proved who they are.
        method: Method,
        /// How many site keys the card's hash has: where there are more by now, put them on top
        /// ([`crate::card::rekey`]).
        keys: u32,
    },
    /// A one-time code is used up.
    CodeUsed(CredentialId),
}

/// A job's charge.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Charge {
    /// The job.
    pub job: JobId,
    /// IPP `job-id` on its box.
    pub number: JobNumber,
    /// Who is charged.
    pub user: Option<UserId>,
    /// Where it went.
    pub printer: PrinterName,
    /// How it ended.
    pub outcome: Outcome,
    /// What was counted.
    pub count: Option<PageCount>,
    /// Impressions that the printer confirmed.
    pub impressions: Option<u32>,
    /// What it takes of quotas.
    pub shares: Vec<Share>,
    /// What it costs.
    pub cost: Option<Cost>,
}

/// Where a charge came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Origin {
    /// Which box.
    pub node: NodeId,
    /// Which branch of its journal.
    pub branch: u32,
    /// Which entry there.
    pub sequence: u64,
}

/// What to do with a charge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// Charge it: the job has no charge yet.
    Charge,
    /// It is charged by this very entry.
    Same,
    /// The job was printed twice: record it, flag it for a person, charge nothing and take nothing
    /// of its leases.
    Double,
}

/// Reads an entry.
#[must_use]
pub fn read(entry: &[u8]) -> Reading {
    if entry.is_empty() {
        return Reading::Lost;
    }
    match from_cbor("entry", entry) {
        Ok(entry) => Reading::Known(Box::new(entry)),
        Err(_) => Reading::Unknown(name(entry)),
    }
}

/// What an entry does. A settlement that is not understood has spent of leases nobody knows what: it
/// counts as lost. No other entry ever spends, so an unknown one only stands in the log.
#[must_use]
pub fn judge(reading: Reading) -> Effect {
    match reading {
        Reading::Lost => Effect::Lost,
        Reading::Unknown(name) if name == "settled" || name.is_empty() => Effect::Lost,
        Reading::Unknown(_) => Effect::None,
        Reading::Known(entry) => judge_known(*entry),
    }
}

/// One charge a job: the first that comes is it.
#[must_use]
pub fn charge_rule(charged: Option<Origin>, this: Origin) -> Rule {
    match charged {
        None => Rule::Charge,
        Some(origin) if origin == this => Rule::Same,
        Some(_) => Rule::Double,
    }
}

/// The name of an entry: the one key of its map.
fn name(entry: &[u8]) -> String {
    let named = from_cbor::<BTreeMap<String, IgnoredAny>>("entry", entry).unwrap_or_default();
    named.into_keys().next().unwrap_or_default()
}

fn judge_known(entry: Entry) -> Effect {
    match entry {
        Entry::Settled {
            job,
            number,
            user,
            printer,
            outcome,
            count,
            impressions,
            charged: true,
            shares,
            cost,
            ..
        } => Effect::Charge(Box::new(Charge {
            job,
            number,
            user,
            printer,
            outcome,
            count,
            impressions,
            shares,
            cost,
        })),
        Entry::Settled { job, .. }
        | Entry::Interrupted { job, .. }
        | Entry::Stopped { job, .. }
        | Entry::Canceled { job, .. }
        | Entry::Expired { job, .. } => Effect::JobEnded(job),
        Entry::Released { job, .. } => Effect::JobReleased(job),
        Entry::LeaseClosed { lease } => Effect::LeaseClosed(lease),
        Entry::LoginAccepted { user, .. } => Effect::LoggedIn(user),
        Entry::LoginDenied { .. } | Entry::FingerDenied { .. } | Entry::LoginRefused { .. } => {
            Effect::Refused
        }
        Entry::LockedOut {
            credential,
            until_unix_ms,
            ..
        } => Effect::Locked(credential, until_unix_ms),
        Entry::CredentialBound {
            credential,
            method,
            keys,
        } => Effect::Bound {
            credential: Box::new(credential),
            method,
            keys,
        },
        Entry::CodeUsed { credential } => Effect::CodeUsed(credential),
        _ => Effect::None,
    }
}
