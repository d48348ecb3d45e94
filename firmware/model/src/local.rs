// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages of the box's local API: HTTP with JSON over a Unix socket, spoken by `platenctl` and
//! the kiosk. Every answer is one of these types; a refusal is a [`Problem`].

use serde::{Deserialize, Serialize};

use crate::count::PageCount;
use crate::ids::{JobId, JobNumber, SiteId};
use crate::job::{JobState, JobStateReason};
use crate::release::UpdatePhase;

/// `GET /v1/status`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// The box's name, as it announces itself.
    #[serde(default)]
    pub name: String,
    /// `ready`, or what is degraded, one keyword each.
    pub modes: Vec<String>,
    /// What the panel shows now, such as `idle` or `unknown-card`.
    pub panel: String,
    /// The sentence beside it.
    pub panel_text: String,
    /// Jobs that wait for their owners.
    pub held_jobs: u64,
    /// Users known to this box.
    pub users: u64,
    /// What they prove themselves with: cards, and PINs, codes and fingers of a site.
    pub cards: u64,
    /// Last ledger sequence number.
    pub ledger_sequence: u64,
    /// Target printers.
    pub printers: Vec<PrinterStatus>,
    /// Card readers and other parts.
    pub devices: Vec<DeviceStatus>,
    /// Where IPP clients reach the proxy queue.
    pub queue_uri: String,
    /// How the box stands with its centre.
    #[serde(default)]
    pub centre: CentreStatus,
}

/// `GET /v1/health`: whether the box does what it is for, item by item.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Health {
    /// Version of the image; of the daemon, where there is no image.
    pub version: String,
    /// The slot it runs from, where there are slots.
    pub slot: Option<String>,
    /// `daemon`, `disk`, `device NAME` for each part of the board, `printer NAME` for each printer.
    pub items: Vec<HealthItem>,
}

/// One thing that is well, or not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HealthItem {
    /// Its name.
    pub name: String,
    /// Whether it is well.
    pub ok: bool,
    /// What it said, or what is wrong.
    pub text: String,
}

/// `GET /v1/update`: how far the box has come with an update of its image.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UpdateStatus {
    /// Whether this box takes updates: it runs from an image.
    pub on: bool,
    /// Version that runs.
    pub running: String,
    /// The slot it runs from, where there are slots.
    pub slot: Option<String>,
    /// How far the last update has come.
    pub phase: UpdatePhase,
    /// How much of the phase is done.
    pub percent: u8,
    /// Version that the update brings, once it is known.
    pub version: String,
    /// Version that it was begun from.
    pub from: String,
    /// Where the bundle came from: `centre`, `ctl`, `usb`; empty while that is not known.
    pub source: String,
    /// Why, for people; empty for nothing to say.
    pub reason: String,
    /// What the restart waits for, while it waits.
    pub waits: Option<String>,
    /// When the installing side said so, wall milliseconds since 1970; 0 for never.
    pub at_unix_ms: u64,
}

/// `POST /v1/update`: a bundle will be sent, piece by piece.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct UpdateBegin {
    /// Bytes of the bundle.
    pub size: u64,
    /// Whether the box starts anew at once when it is installed.
    #[serde(default)]
    pub now: bool,
    /// Whether an older version than the running one is taken.
    #[serde(default)]
    pub allow_older: bool,
}

/// Answer of `POST /v1/update`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UpdateBegun {
    /// Names the upload: pieces go to `POST /v1/update/UPLOAD/at/OFFSET`.
    pub upload: u64,
    /// Longest piece that is taken, bytes.
    pub piece: u64,
}

/// `POST /v1/update/UPLOAD/end`: all pieces are there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UpdateEnd {
    /// SHA-256 of the bundle, hexadecimal.
    pub sha256: String,
}

/// `POST /v1/reboot`
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Reboot {
    /// Also while a job is at a printer.
    #[serde(default)]
    pub now: bool,
}

/// `POST /v1/factory-reset`: everything on the box is erased.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FactoryReset {
    /// The box's name: nobody erases another box by mistake.
    pub name: String,
}

/// How the box stands with its centre: part of [`Status`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CentreStatus {
    /// Where the centre is, as configured.
    pub url: Option<String>,
    /// The site that the box is part of.
    pub site: Option<SiteId>,
    /// The site's name.
    pub site_name: Option<String>,
    /// How the link stands.
    pub state: CentreState,
    /// Seconds for which it has stood so.
    pub since_s: u64,
    /// The code to be typed at the centre, while it waits for one.
    pub code: Option<String>,
    /// Seconds since the centre last confirmed the copy of its directory.
    pub cache_age_s: Option<u64>,
    /// Revision up to which the box has the directory.
    pub revision: u64,
    /// The directory's highest revision, as last heard.
    pub latest: u64,
    /// Journal entries that the centre does not have yet.
    pub backlog: u64,
    /// How far the centre's clock was ahead of the box's when it last spoke, milliseconds.
    pub clock_skew_ms: Option<i64>,
    /// When the box's certificate runs out, wall milliseconds since 1970.
    pub certificate_until_unix_ms: Option<u64>,
    /// What somebody should look at, one keyword each, such as `backup-restored`.
    pub alerts: Vec<String>,
    /// Why it last did not work; empty again once it does.
    pub last_error: Option<String>,
}

/// How the link to the centre stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CentreState {
    /// No centre in the configuration.
    #[default]
    NotConfigured,
    /// Shows a code that nobody has typed at the centre yet.
    WaitingForCode,
    /// The centre answers.
    Online,
    /// The centre does not answer.
    Offline,
    /// The centre has taken the box out of its site: nobody gets in by the box's copy any more.
    Revoked,
    /// The centre does not serve this box, and a person has to see to it.
    Refused,
}

impl CentreState {
    /// Fixed keyword, as in the local API.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::NotConfigured => "not-configured",
            Self::WaitingForCode => "waiting-for-code",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Revoked => "revoked",
            Self::Refused => "refused",
        }
    }
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

/// `GET /v1/phone-code`: what a display at the box shows for phones.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PhoneCodeShown {
    /// The address behind the code.
    pub url: String,
    /// Seconds that it is good for.
    pub left_s: u64,
    /// The QR code without its white border, row by row: `#` is dark, `.` light.
    pub rows: Vec<String>,
}

/// `GET /v1/jobs/N/explain`: why a job is or is not released, question by question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Explained {
    /// The job.
    pub job: JobNumber,
    /// For whom it was worked out; `None` for a person whom nobody knows.
    pub user: Option<String>,
    /// At which printer.
    pub printer: String,
    /// Every question in the order asked; the last one is the decision.
    pub verdicts: Vec<ExplainedVerdict>,
    /// What rules want the person to be told.
    pub says: Vec<String>,
}

/// What one question came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExplainedVerdict {
    /// `owner`, `state`, `printer`, `format`, `rule`, `price`, `quota` or `decision`.
    pub check: String,
    /// `yes`, `no`, `changed` or `passed`.
    pub answer: String,
    /// Why.
    pub sentence: String,
}

/// `POST /v1/fingers/enrol`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FingerEnrol {
    /// Login name of the person whose finger it is.
    pub user: String,
    /// The sensor's name in the board file.
    pub sensor: String,
}

/// `GET /v1/fingers/enrolment`, and the answer of `POST /v1/fingers/enrol`: how it goes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FingerProgress {
    /// The sensor.
    pub sensor: String,
    /// What the person is to do now, or how it ended.
    pub text: String,
    /// Whether it has ended.
    pub ended: bool,
    /// Whether the finger is stored.
    pub stored: bool,
}

/// A refusal: what happened and what the caller can do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// A fixed keyword, such as `not-found`.
    pub code: String,
    /// A sentence for a person.
    pub message: String,
}
