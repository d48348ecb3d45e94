// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a box asks a printer, and what it reads in the answers: RFC 8011 §4.2 and §4.3. No sockets
//! and no HTTP. Requests name nobody: user and job are both "platen".

use super::attribute::{Attribute, Group};
use super::message::Message;
use super::operation::Operation;
use super::tag::GroupTag;

/// Stands for the user and for the job's name.
const NOBODY: &str = "platen";
/// Keywords of one kind kept of an answer.
pub const KEYWORDS_MAX: usize = 512;
/// Of them, reasons: they go on to logs and screens.
pub const REASONS_MAX: usize = 16;

/// What [`PrinterAnswer`] reads.
const PRINTER_ATTRIBUTES: [&str; 9] = [
    "printer-state",
    "printer-state-reasons",
    "printer-is-accepting-jobs",
    "operations-supported",
    "document-format-supported",
    "copies-supported",
    "sides-supported",
    "print-color-mode-supported",
    "media-supported",
];

/// What [`JobAnswer`] reads.
const JOB_ATTRIBUTES: [&str; 6] = [
    "job-id",
    "job-state",
    "job-state-reasons",
    "job-impressions-completed",
    "job-media-sheets-completed",
    "job-k-octets-processed",
];

/// `printer-state` (RFC 8011 §5.4.11).
pub const PRINTER_PROCESSING: i32 = 4;
/// `printer-state` (RFC 8011 §5.4.11).
pub const PRINTER_STOPPED: i32 = 5;

/// `job-state` (RFC 8011 §5.3.7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum JobPhase {
    /// `pending`: its turn comes by itself.
    Pending,
    /// `processing`
    Going,
    /// `pending-held`, `processing-stopped`: it waits for somebody.
    Waiting,
    /// `canceled`
    Canceled,
    /// `aborted`
    Aborted,
    /// `completed`
    Completed,
}

/// How a printer is and what it takes. Hostile answers make it empty, never large.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PrinterAnswer {
    /// `printer-state` is `stopped`.
    pub stopped: bool,
    /// `printer-state` is `processing`: it is at some job.
    pub processing: bool,
    /// `printer-is-accepting-jobs`; a printer that does not say it accepts.
    pub refuses: bool,
    /// `printer-state-reasons` without `none`; at most [`REASONS_MAX`].
    pub reasons: Vec<String>,
    /// `operations-supported`; empty when it does not say.
    pub operations: Vec<Operation>,
    /// `document-format-supported`
    pub formats: Vec<String>,
    /// Upper end of `copies-supported`, from 1.
    pub copies_max: u32,
    /// `sides-supported`
    pub sides: Vec<String>,
    /// `print-color-mode-supported`
    pub color_modes: Vec<String>,
    /// `media-supported`
    pub media: Vec<String>,
}

impl PrinterAnswer {
    /// Reads the printer group of an answer.
    #[must_use]
    pub fn read(message: &Message) -> Self {
        let nothing = Group::new(GroupTag::PRINTER);
        let group = message.group(GroupTag::PRINTER).unwrap_or(&nothing);
        let state = group.get("printer-state").and_then(Attribute::as_enum);
        let accepting = group.get("printer-is-accepting-jobs");
        Self {
            stopped: state == Some(PRINTER_STOPPED),
            processing: state == Some(PRINTER_PROCESSING),
            refuses: accepting.and_then(Attribute::as_boolean) == Some(false),
            reasons: reasons(group, "printer-state-reasons"),
            operations: operations(group),
            formats: formats(group),
            copies_max: copies_max(group),
            sides: keywords(group, "sides-supported"),
            color_modes: keywords(group, "print-color-mode-supported"),
            media: keywords(group, "media-supported"),
        }
    }

    /// Whether a job may be sent now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.stopped && !self.refuses
    }

    /// Whether a job can be made first and its document sent after.
    #[must_use]
    pub fn creates_jobs(&self) -> bool {
        [Operation::CREATE_JOB, Operation::SEND_DOCUMENT]
            .iter()
            .all(|operation| self.operations.contains(operation))
    }

    /// The name to send a document of `format` by: its own, or "find out yourself". `None` when the
    /// printer says that it takes neither.
    #[must_use]
    pub fn format_for<'a>(&self, format: &'a str) -> Option<&'a str> {
        let takes = |name: &str| {
            let mut all = self.formats.iter();
            all.any(|known| known.eq_ignore_ascii_case(name))
        };
        if self.formats.is_empty() || takes(format) {
            Some(format)
        } else if takes(ANY_FORMAT) {
            Some(ANY_FORMAT)
        } else {
            None
        }
    }
}

/// The printer finds the format out by itself (RFC 8011 §5.1.10).
const ANY_FORMAT: &str = "application/octet-stream";

/// How a job is at the printer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct JobAnswer {
    /// `job-id`, from 1.
    pub id: Option<i32>,
    /// `job-state`
    pub phase: Option<JobPhase>,
    /// `job-state-reasons` without `none`; at most [`REASONS_MAX`].
    pub reasons: Vec<String>,
    /// `job-impressions-completed`
    pub impressions: Option<u32>,
    /// `job-media-sheets-completed`
    pub sheets: Option<u32>,
    /// `job-k-octets-processed`
    pub k_octets: Option<u32>,
    /// Names of attributes that the printer did not take as they were asked.
    pub unsupported: Vec<String>,
}

impl JobAnswer {
    /// Reads the first job group of an answer, and what stands in its unsupported group.
    #[must_use]
    pub fn read(message: &Message) -> Self {
        let unsupported = message.group(GroupTag::UNSUPPORTED);
        let unsupported = unsupported
            .into_iter()
            .flat_map(|group| &group.attributes)
            .take(KEYWORDS_MAX)
            .map(|attribute| attribute.name.clone())
            .collect();
        let Some(group) = message.group(GroupTag::JOB) else {
            return Self {
                unsupported,
                ..Self::default()
            };
        };
        let number = |name| {
            let number = group.get(name).and_then(Attribute::as_integer);
            number.and_then(|number| u32::try_from(number).ok())
        };
        let id = group.get("job-id").and_then(Attribute::as_integer);
        Self {
            id: id.filter(|id| *id > 0),
            phase: group
                .get("job-state")
                .and_then(Attribute::as_enum)
                .and_then(phase),
            reasons: reasons(group, "job-state-reasons"),
            impressions: number("job-impressions-completed"),
            sheets: number("job-media-sheets-completed"),
            k_octets: number("job-k-octets-processed"),
            unsupported,
        }
    }
}

fn phase(state: i32) -> Option<JobPhase> {
    match state {
        3 => Some(JobPhase::Pending),
        5 => Some(JobPhase::Going),
        4 | 6 => Some(JobPhase::Waiting),
        7 => Some(JobPhase::Canceled),
        8 => Some(JobPhase::Aborted),
        9 => Some(JobPhase::Completed),
        _ => None,
    }
}

fn keywords(group: &Group, name: &str) -> Vec<String> {
    let words = group.get(name).into_iter();
    words
        .flat_map(Attribute::iter_keywords)
        .take(KEYWORDS_MAX)
        .map(str::to_owned)
        .collect()
}

fn reasons(group: &Group, name: &str) -> Vec<String> {
    let mut reasons = keywords(group, name);
    reasons.retain(|reason| reason != "none");
    reasons.truncate(REASONS_MAX);
    reasons
}

fn operations(group: &Group) -> Vec<Operation> {
    let values = group.get("operations-supported").into_iter();
    values
        .flat_map(Attribute::iter_enums)
        .take(KEYWORDS_MAX)
        .filter_map(|number| u16::try_from(number).ok().map(Operation))
        .collect()
}

fn formats(group: &Group) -> Vec<String> {
    let values = group.get("document-format-supported").into_iter();
    values
        .flat_map(Attribute::iter_mime_media_types)
        .take(KEYWORDS_MAX)
        .map(str::to_owned)
        .collect()
}

fn copies_max(group: &Group) -> u32 {
    let ranges = group.get("copies-supported").into_iter();
    let upper = ranges
        .flat_map(Attribute::iter_ranges)
        .filter(|(lower, _)| *lower <= 1)
        .map(|(_, upper)| upper)
        .max();
    upper
        .and_then(|upper| u32::try_from(upper).ok())
        .unwrap_or(1)
        .max(1)
}

/// What a job asks of the printer. Only what [`PrinterAnswer`] says it takes belongs in here.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wishes {
    /// `copies`
    pub copies: Option<u32>,
    /// `sides`
    pub sides: Option<String>,
    /// `print-color-mode`
    pub color_mode: Option<String>,
    /// `media`
    pub media: Option<String>,
}

/// Makes the requests of one printer, with ids that count up.
#[derive(Clone, Debug)]
pub struct Requests {
    printer_uri: String,
    /// IPP/1.1 instead of 2.0, for printers that know nothing newer.
    pub old: bool,
    next: u32,
}

impl Requests {
    /// Requests to the printer that calls itself `printer_uri`.
    #[must_use]
    pub fn new(printer_uri: &str) -> Self {
        Self {
            printer_uri: printer_uri.to_owned(),
            old: false,
            next: 0,
        }
    }

    fn begin(&mut self, operation: Operation) -> Message {
        self.next = (self.next % 0x7fff_ffff) + 1;
        let mut message = Message::request(operation, self.next);
        if self.old {
            message.header.version = super::Version::V1_1;
        }
        let group = message.group_mut(GroupTag::OPERATION);
        group.push(Attribute::uri("printer-uri", self.printer_uri.as_str()));
        message
    }

    fn of_job(&mut self, operation: Operation, job: i32) -> Message {
        let mut message = self.begin(operation);
        message
            .group_mut(GroupTag::OPERATION)
            .push(Attribute::integer("job-id", job))
            .push(Attribute::name("requesting-user-name", NOBODY));
        message
    }

    /// Get-Printer-Attributes (RFC 8011 §4.2.5).
    pub fn printer(&mut self) -> Message {
        let mut message = self.begin(Operation::GET_PRINTER_ATTRIBUTES);
        message
            .group_mut(GroupTag::OPERATION)
            .push(Attribute::name("requesting-user-name", NOBODY))
            .push(Attribute::keywords(
                "requested-attributes",
                PRINTER_ATTRIBUTES,
            ));
        message
    }

    /// Create-Job (§4.2.4).
    pub fn create_job(&mut self, wishes: &Wishes) -> Message {
        let mut message = self.begin(Operation::CREATE_JOB);
        name_job(&mut message);
        wish(&mut message, wishes);
        message
    }

    /// Print-Job (§4.2.1); the document follows it.
    pub fn print_job(&mut self, format: &str, wishes: &Wishes) -> Message {
        let mut message = self.begin(Operation::PRINT_JOB);
        name_job(&mut message);
        message
            .group_mut(GroupTag::OPERATION)
            .push(Attribute::mime_media_type("document-format", format));
        wish(&mut message, wishes);
        message
    }

    /// Send-Document (§4.3.1) with the job's only document, which follows it.
    pub fn send_document(&mut self, job: i32, format: &str) -> Message {
        let mut message = self.of_job(Operation::SEND_DOCUMENT, job);
        message
            .group_mut(GroupTag::OPERATION)
            .push(Attribute::mime_media_type("document-format", format))
            .push(Attribute::boolean("last-document", true));
        message
    }

    /// Get-Job-Attributes (§4.3.4).
    pub fn job(&mut self, job: i32) -> Message {
        let mut message = self.of_job(Operation::GET_JOB_ATTRIBUTES, job);
        message
            .group_mut(GroupTag::OPERATION)
            .push(Attribute::keywords("requested-attributes", JOB_ATTRIBUTES));
        message
    }

    /// Cancel-Job (§4.3.3).
    pub fn cancel_job(&mut self, job: i32) -> Message {
        self.of_job(Operation::CANCEL_JOB, job)
    }
}

fn name_job(message: &mut Message) {
    message
        .group_mut(GroupTag::OPERATION)
        .push(Attribute::name("requesting-user-name", NOBODY))
        .push(Attribute::name("job-name", NOBODY))
        // What the printer can't do it must leave, not refuse: the answer names it (§4.1.7).
        .push(Attribute::boolean("ipp-attribute-fidelity", false));
}

fn wish(message: &mut Message, wishes: &Wishes) {
    let mut wanted = Vec::new();
    if let Some(copies) = wishes.copies.and_then(|copies| i32::try_from(copies).ok()) {
        wanted.push(Attribute::integer("copies", copies));
    }
    let keywords = [
        ("sides", &wishes.sides),
        ("print-color-mode", &wishes.color_mode),
        ("media", &wishes.media),
    ];
    for (name, word) in keywords {
        wanted.extend(word.as_ref().map(|word| Attribute::keyword(name, word)));
    }
    if !wanted.is_empty() {
        message.group_mut(GroupTag::JOB).attributes = wanted;
    }
}
