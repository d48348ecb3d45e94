// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages of the box's local API: HTTP with JSON over a Unix socket, spoken by `platenctl` and
//! the kiosk. Every answer is one of these types; a refusal is a [`Problem`].

use serde::{Deserialize, Serialize};

use crate::count::PageCount;
use crate::ids::{JobId, JobNumber};
use crate::job::{JobState, JobStateReason};

/// `GET /v1/status`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// `ready`, or what is degraded, one keyword each.
    pub modes: Vec<String>,
    /// What the panel shows now, such as `idle` or `unknown-card`.
    pub panel: String,
    /// The sentence beside it.
    pub panel_text: String,
    /// Jobs that wait for their owners.
    pub held_jobs: u64,
    /// Users and cards known to this box.
    pub users: u64,
    /// Cards known to this box.
    pub cards: u64,
    /// Last ledger sequence number.
    pub ledger_sequence: u64,
    /// Target printers.
    pub printers: Vec<PrinterStatus>,
    /// Card readers and other parts.
    pub devices: Vec<DeviceStatus>,
    /// Where IPP clients reach the proxy queue.
    pub queue_uri: String,
}

/// One target printer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PrinterStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Its port's URI.
    pub uri: String,
    /// `idle`, `processing` or `stopped`.
    pub state: String,
    /// IPP `printer-state-reasons` keywords.
    pub reasons: Vec<String>,
    /// Jobs released and not yet ended.
    pub queued: usize,
}

/// One part of the box.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeviceStatus {
    /// Its name in the board file.
    pub name: String,
    /// What it is, such as `mfrc522`.
    pub part: String,
    /// Where it is, such as `/dev/spidev0.0`.
    #[serde(default)]
    pub place: String,
    /// `ok` or `gone`; of a switch `open`, `closed`, `unknown` or `gone`.
    pub state: String,
    /// Why it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Counters, by name.
    pub counters: Vec<(String, u64)>,
}

/// What `platend --check-board` found of one part; one a line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartFinding {
    /// Its name in the board file; `panel` for lamps and buzzer.
    pub name: String,
    /// What it is, such as `mfrc522`.
    pub part: String,
    /// Where it is.
    pub place: String,
    /// Whether it answered, as far as its kind can.
    pub answers: bool,
    /// What it answered, or what is wrong and what to do.
    pub text: String,
}

/// `GET /v1/device-keys`, and the answer of `POST /v1/device-keys/import` (a key file): which keys
/// of cards and readers there are, never a key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DeviceKeyFacts {
    /// What there is for DESFire cards.
    pub desfire: Option<String>,
    /// What there is for NTAG 424 DNA cards.
    pub ntag424: Option<String>,
    /// OSDP readers that have a key.
    pub osdp: Vec<String>,
    /// Those of them that the board does not have.
    #[serde(default)]
    pub without_reader: Vec<String>,
}

/// One job, in `GET /v1/jobs`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JobEntry {
    /// The key of its charge.
    pub id: JobId,
    /// IPP `job-id`.
    pub number: JobNumber,
    /// `job-name`
    pub name: String,
    /// Who sent it, as claimed.
    pub owner: String,
    /// `job-state`
    pub state: JobState,
    /// `job-state-reasons`
    pub reason: JobStateReason,
    /// MIME media type.
    pub format: String,
    /// Bytes of the body.
    pub octets: u64,
    /// Page count, once known.
    pub count: Option<PageCount>,
    /// Wall milliseconds since 1970.
    pub created_unix_ms: u64,
}

/// `POST /v1/tap`: hold a simulated card to the simulated reader.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tap {
    /// UID of 4, 7 or 10 bytes in hexadecimal.
    pub uid: String,
}

/// Answer of `POST /v1/sim`, whose body is one line for the simulated parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Simulated {
    /// `done`, or what was asked for.
    pub text: String,
}

/// What became of a tap, once the box has decided.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TapResult {
    /// Panel signal: `accepted`, `no-jobs`, `unknown-card`, `printer-error`, …
    pub signal: String,
    /// The sentence the panel shows.
    pub text: String,
    /// Jobs released by it, in order.
    pub released: Vec<JobNumber>,
}

/// `POST /v1/users/import`: body is CSV (UTF-8), answer is this.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ImportReport {
    /// Rows taken as new users.
    pub users_added: usize,
    /// Rows that changed a known user.
    pub users_changed: usize,
    /// Cards bound.
    pub cards_bound: usize,
    /// Rows not taken: line number (from 1) and why.
    pub errors: Vec<(usize, String)>,
}

/// `GET /v1/verify`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct VerifyReport {
    /// Ledger entries read.
    pub entries: u64,
    /// Last hash of the chain, hexadecimal.
    pub head: String,
    /// Sealed bodies read to their end.
    pub bodies: u64,
    /// What is wrong; empty when all is well.
    pub faults: Vec<String>,
}

/// A refusal: what happened and what the caller can do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// A fixed keyword, such as `not-found`.
    pub code: String,
    /// A sentence for a person.
    pub message: String,
}
