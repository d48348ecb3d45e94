// SPDX-License-Identifier: Apache-2.0 OR MIT
//! How a job's wishes (copies, sides, colour) reach a printer. A job without wishes passes unchanged.
//! A PDF for a printer that speaks PJL is framed by it. A port with words of its own (IPP) is told the
//! wishes before the first byte; else copies are sent one after another.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use platen_hal::Sending;
use platen_model::{ColorMode, Job, Sides};
use platen_wire::pjl_job::{Binding, JobFrame};

use crate::config::PrinterConfig;

/// What goes around a document, and how often it is sent.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Envelope {
    pub(super) opening: Vec<u8>,
    pub(super) closing: Vec<u8>,
    pub(super) sendings: u32,
}

impl Envelope {
    pub(super) fn of(job: &Job, printer: &PrinterConfig) -> Self {
        let frame = frame(job, printer);
        if printer.pjl && !printer.is_ipp() && job.format == "application/pdf" && frame.is_needed()
        {
            let (opening, closing) = (frame.opening("PDF"), frame.closing());
            return Self {
                opening,
                closing,
                sendings: 1,
            };
        }
        let (opening, closing) = (Vec::new(), Vec::new());
        Self {
            opening,
            closing,
            sendings: job.options.copies.max(1),
        }
    }

    /// What the port is told. What the frame says already is not asked for twice.
    pub(super) fn sending(&self, job: &Job, canceled: Arc<AtomicBool>) -> Sending {
        let frame = (self.opening.len() + self.closing.len()) as u64;
        Sending {
            octets: job.octets.checked_add(frame),
            format: job.format.clone(),
            copies: self.sendings,
            sides: Some(job.options.sides.keyword()),
            color_mode: match job.options.color {
                ColorMode::Auto => None,
                ColorMode::Color => Some("color"),
                ColorMode::Monochrome => Some("monochrome"),
            },
            media: job.options.media.clone(),
            canceled,
        }
    }
}

fn frame(job: &Job, printer: &PrinterConfig) -> JobFrame {
    let options = &job.options;
    JobFrame {
        copies: options.copies.max(1),
        duplex: match options.sides {
            Sides::OneSided => None,
            Sides::TwoSidedLongEdge => Some(Binding::LongEdge),
            Sides::TwoSidedShortEdge => Some(Binding::ShortEdge),
        },
        grayscale: options.color == ColorMode::Monochrome && printer.color,
        inner: printer.reports_jobs(),
    }
}

#[cfg(test)]
mod tests {
    use platen_model::{JobId, JobNumber, JobOptions, JobState, JobStateReason, Owner, OwnerKey};

    use super::*;

    fn job(format: &str, copies: u32) -> Job {
        Job {
            id: JobId::from_parts(0, &[0; 10]),
            number: JobNumber(1),
            name: String::new(),
            owner: Owner {
                name: String::new(),
                key: OwnerKey([0; 16]),
            },
            format: format.to_owned(),
            octets: 1,
            options: JobOptions {
                copies,
                ..JobOptions::default()
            },
            state: JobState::Pending,
            reason: JobStateReason::JobQueued,
            target: None,
            created_unix_ms: 0,
            processing_unix_ms: None,
            ended_unix_ms: None,
            count: None,
            impressions_completed: 0,
        }
    }

    fn envelope(format: &str, copies: u32, printer: &str) -> Envelope {
        Envelope::of(&job(format, copies), &toml::from_str(printer).unwrap())
    }

    const PLAIN: &str = "name = \"p\"\nuri = \"file:/x\"";
    const PJL: &str = "name = \"p\"\nuri = \"file:/x\"\npjl = true";

    #[test]
    fn a_job_without_wishes_passes_unchanged() {
        let bare = Envelope {
            opening: Vec::new(),
            closing: Vec::new(),
            sendings: 1,
        };
        assert_eq!(envelope("application/pdf", 1, PJL), bare);
    }

    #[test]
    fn copies_go_by_pjl_where_the_printer_speaks_it_and_else_one_by_one() {
        assert!(!envelope("application/pdf", 3, PJL).opening.is_empty());
        assert_eq!(envelope("application/pdf", 3, PLAIN).sendings, 3);
        assert_eq!(envelope("image/urf", 2, PJL).sendings, 2);
    }

    #[test]
    fn a_printer_with_words_of_its_own_is_told_the_wishes_and_gets_the_bytes_alone() {
        let ipp = PJL.replace("file:/x", "ipps://p/ipp/print");
        let (job, envelope) = (
            job("application/pdf", 3),
            envelope("application/pdf", 3, &ipp),
        );
        assert!(envelope.opening.is_empty());
        let sending = envelope.sending(&job, Arc::default());
        assert_eq!((sending.copies, sending.octets), (3, Some(1)));
        assert_eq!(sending.sides, Some("one-sided"));
    }

    #[test]
    fn the_count_of_a_framed_job_has_its_frame_in_it() {
        let (job, envelope) = (
            job("application/pdf", 3),
            envelope("application/pdf", 3, PJL),
        );
        let frame = (envelope.opening.len() + envelope.closing.len()) as u64;
        let sending = envelope.sending(&job, Arc::default());
        assert_eq!((sending.copies, sending.octets), (1, Some(1 + frame)));
    }
}
