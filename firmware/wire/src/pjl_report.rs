// SPDX-License-Identifier: Apache-2.0 OR MIT
//! One job's report by PJL: what to say around the job so that the printer tells of it unasked
//! (`USTATUS`), and what its talk comes to. No I/O and no clock: the port reads, waits and gives up.
//!
//! Source: HP *PJL Technical Reference Manual*, 5-13 to 5-16 (start, end and cancellation of a job),
//! 7-31 to 7-45 (`USTATUS`). The printer tells of a START when it meets the JOB command and of an END
//! when the last page is out; the END of one job may come after the START of the next.
//!
//! The job's name here is `Platen` and a number: what it would tell about a person stays in the box.

use crate::pjl::{Answer, AnswerReader, Canceler, DeviceStatus, JobFacts, JobName, UEL};

/// Impressions of one job that a printer is believed: see
/// [`JOB_IMPRESSIONS_MAX`](crate::printer_mib::JOB_IMPRESSIONS_MAX).
const IMPRESSIONS_MAX: u32 = crate::printer_mib::JOB_IMPRESSIONS_MAX;
/// Octets at a job's start that are searched for its own PJL.
const HEAD_OCTETS_MAX: usize = 4096;

/// What a printer has said of the job so far; it only rises.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Heard {
    /// Nothing: it may not speak PJL, or not on this channel.
    Nothing,
    /// It repeats what it is told to: it reads PJL and answers.
    Echo,
    /// It has begun the job.
    Start,
    /// The job's last page is out.
    End,
    /// The printer has given the job up, for want of something or by another host's word.
    Dropped,
    /// Somebody canceled the job at the printer.
    Canceled,
}

/// Impressions that the printer counted, and what it said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Counted {
    /// In the report of this job's end.
    Job(u32),
    /// Page by page while the job was printing; its end was told without a number.
    Pages(u32),
}

/// Whose JOB and EOJ commands stand around the job.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Frame {
    /// Ours.
    Own,
    /// The job's own. It may have several jobs inside, each with an end: none is this job's.
    Foreign,
}

/// Looks for PJL behind the job's head, where a second job could begin.
#[derive(Debug, Default)]
struct Inner {
    /// Octets of [`UEL`] that have been met.
    met: usize,
    /// The job has begun: a UEL as its very first octets is its head.
    begun: bool,
    found: bool,
}

impl Inner {
    fn pass(&mut self, mut octets: &[u8]) {
        if !self.begun && !octets.is_empty() {
            self.begun = true;
            octets = octets.strip_prefix(UEL).unwrap_or(octets);
        }
        while !self.found {
            if self.met == 0 {
                let escape = octets.iter().position(|octet| UEL.first() == Some(octet));
                octets = escape.map_or(&[], |at| octets.get(at..).unwrap_or_default());
            }
            let Some((octet, rest)) = octets.split_first() else {
                return;
            };
            octets = rest;
            self.step(*octet);
        }
    }

    fn step(&mut self, octet: u8) {
        match UEL.get(self.met) {
            Some(wanted) if *wanted == octet => self.met += 1,
            None if octet.is_ascii_whitespace() || octet == 0 => {}
            None if octet == b'@' => self.found = true,
            // The escape is nowhere else in a UEL.
            _ => self.met = usize::from(UEL.first() == Some(&octet)),
        }
    }
}

/// One job as its printer tells of it.
#[derive(Debug)]
pub struct JobReport {
    reader: AnswerReader,
    text: String,
    frame: Frame,
    inner: Inner,
    language: Option<&'static str>,
    heard: Heard,
    /// The number of the last page told.
    page: u32,
    /// Pages told; `None` when the same one was told again: that may be a copy, or not.
    pages: Option<u32>,
    end: Option<u32>,
    device: DeviceStatus,
}

impl JobReport {
    /// A report of job `number` of this port, whose first octets are `head`, in the MIME media type
    /// `format`. `None` when PJL must not be put around it: it neither begins with PJL nor is in a
    /// language that PJL has a name for.
    #[must_use]
    pub fn new(number: u32, head: &[u8], format: &str) -> Option<Self> {
        let language = if head.starts_with(UEL) {
            None
        } else {
            Some(language_of(format)?)
        };
        let frame = if has_own_job(head) {
            Frame::Foreign
        } else {
            Frame::Own
        };
        Some(Self {
            reader: AnswerReader::new(),
            text: format!("Platen {number}"),
            frame,
            inner: Inner::default(),
            language,
            heard: Heard::Nothing,
            page: 0,
            pages: Some(0),
            end: None,
            device: DeviceStatus::default(),
        })
    }

    /// What goes before the job's first octet.
    #[must_use]
    pub fn opening(&self) -> Vec<u8> {
        let text = &self.text;
        let mut lines = vec![
            // The printer may still have somebody else's reports on, and talk of them.
            format!("ECHO {text}"),
            "USTATUSOFF".to_owned(),
            "USTATUS DEVICE=ON".to_owned(),
            "USTATUS JOB=ON".to_owned(),
            "USTATUS PAGE=ON".to_owned(),
        ];
        if self.frame == Frame::Own {
            lines.push(format!("JOB NAME=\"{text}\""));
        }
        let language = self.language.map(|name| format!("ENTER LANGUAGE={name}"));
        lines.extend(language);
        let mut opening = UEL.to_vec();
        for line in lines {
            opening.extend_from_slice(format!("@PJL {line}\r\n").as_bytes());
        }
        opening
    }

    /// What goes behind the job's last octet, also when the job is given up: the printer then does
    /// not wait for more of it.
    #[must_use]
    pub fn closing(&self) -> Vec<u8> {
        let mut closing = UEL.to_vec();
        if self.frame == Frame::Own {
            let line = format!("@PJL EOJ NAME=\"{}\"\r\n", self.text);
            closing.extend_from_slice(line.as_bytes());
            closing.extend_from_slice(UEL);
        }
        closing
    }

    /// Takes note of the job's own octets, in order from the first, as they go out.
    pub fn pass(&mut self, octets: &[u8]) {
        self.inner.pass(octets);
    }

    /// Whether the printer's word on the job's end is one: not when the job has its own JOB and EOJ
    /// commands, or PJL in its middle. Which of the ends told would be the job's can't be known, and
    /// whoever wrote the job could choose it.
    #[must_use]
    pub fn settles(&self) -> bool {
        self.frame == Frame::Own && !self.inner.found
    }

    /// Takes what the printer said. `true` when the job has come further by it.
    pub fn hear(&mut self, piece: &[u8]) -> bool {
        let mut moved = false;
        for answer in self.reader.push(piece) {
            moved |= self.weigh(answer);
        }
        moved
    }

    /// What has been heard; of a job whose end can't be told no more than an echo.
    #[must_use]
    pub fn heard(&self) -> Heard {
        match self.settles() {
            true => self.heard,
            false => self.heard.min(Heard::Echo),
        }
    }

    /// Impressions, once the printer has told of the end: before, more pages may come, and a printer
    /// that falls silent has not counted. An end with no pages at all tells nothing: printers send
    /// that for languages whose pages they do not count.
    #[must_use]
    pub fn counted(&self) -> Option<Counted> {
        if self.heard() != Heard::End {
            return None;
        }
        let counted = match self.end {
            Some(pages @ 1..) => Counted::Job(pages),
            _ => Counted::Pages(self.pages?),
        };
        let (Counted::Job(sides) | Counted::Pages(sides)) = counted;
        (1..=IMPRESSIONS_MAX).contains(&sides).then_some(counted)
    }

    /// How the printer last said that it is; nothing when it was not asked or is well.
    #[must_use]
    pub fn device(&self) -> &DeviceStatus {
        &self.device
    }

    fn weigh(&mut self, answer: Answer) -> bool {
        match answer {
            Answer::Status(status) => {
                // A change of state is no page: a printer that only talks of itself stands still.
                self.device = status;
                false
            }
            Answer::Echo(words) if words == self.text => self.rise(Heard::Echo),
            Answer::JobStart(facts) => self.is_this(&facts) && self.rise(Heard::Start),
            Answer::JobEnd(facts) => self.finish(&facts),
            Answer::JobCanceled(facts) => {
                let canceler = facts.canceled.unwrap_or(Canceler::Device);
                self.is_running(&facts) && self.rise(ended_by(canceler))
            }
            Answer::Page(number) if self.heard == Heard::Start => self.turn(number),
            _ => false,
        }
    }

    fn finish(&mut self, facts: &JobFacts) -> bool {
        if !self.is_running(facts) {
            return false;
        }
        self.end = facts.pages;
        self.rise(facts.canceled.map_or(Heard::End, ended_by))
    }

    fn is_this(&self, facts: &JobFacts) -> bool {
        self.frame == Frame::Own && facts.name == Some(JobName::new(&self.text))
    }

    /// Whether a report of an end is about this job, and it has begun.
    fn is_running(&self, facts: &JobFacts) -> bool {
        self.is_this(facts) && self.heard == Heard::Start
    }

    /// Pages count up, by two for a sheet with two sides, and begin anew with each copy or part.
    fn turn(&mut self, number: u32) -> bool {
        let step = if number > self.page {
            number - self.page
        } else if number < self.page {
            number
        } else {
            0
        };
        self.page = number;
        self.pages = match (self.pages, step) {
            (None, _) | (_, 0) => None,
            (Some(pages), step) => Some(pages.saturating_add(step)),
        };
        step > 0
    }

    fn rise(&mut self, heard: Heard) -> bool {
        let moved = heard > self.heard;
        self.heard = self.heard.max(heard);
        moved
    }
}

fn ended_by(canceler: Canceler) -> Heard {
    match canceler {
        Canceler::User => Heard::Canceled,
        Canceler::Device => Heard::Dropped,
    }
}

/// PJL's name of a language. Raster formats have none that printers share.
fn language_of(format: &str) -> Option<&'static str> {
    let rows = [
        ("application/pdf", "PDF"),
        ("application/postscript", "POSTSCRIPT"),
        ("application/vnd.hp-pcl", "PCL"),
        ("application/vnd.hp-pclxl", "PCLXL"),
    ];
    let row = rows.iter().find(|row| row.0.eq_ignore_ascii_case(format));
    row.map(|row| row.1)
}

/// Whether the job's own PJL at its start has a JOB command, or is too long to tell.
fn has_own_job(head: &[u8]) -> bool {
    let head = head.get(..HEAD_OCTETS_MAX).unwrap_or(head);
    let Some(mut rest) = head.strip_prefix(UEL) else {
        return false;
    };
    loop {
        rest = rest.strip_prefix(UEL).unwrap_or(rest);
        let Some(end) = rest.iter().position(|octet| *octet == b'\n') else {
            return rest.first().is_none_or(|octet| *octet == b'@');
        };
        let (line, after) = rest.split_at(end);
        let line = String::from_utf8_lossy(line).to_ascii_uppercase();
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("@PJL") {
            return false;
        }
        match words.next() {
            Some("JOB") => return true,
            Some("ENTER") => return false,
            _ => {}
        }
        rest = after.get(1..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> JobReport {
        JobReport::new(7, b"%PDF-1.7", "application/pdf").unwrap()
    }

    fn job(event: &str, name: &str, further: &str) -> Vec<u8> {
        format!("@PJL USTATUS JOB\r\n{event}\r\nNAME=\"{name}\"\r\n{further}\x0c").into_bytes()
    }

    fn page(number: u32) -> Vec<u8> {
        format!("@PJL USTATUS PAGE\r\n{number}\r\n\x0c").into_bytes()
    }

    #[test]
    fn a_job_is_framed_by_lines_that_name_nobody() {
        let report = report();
        let opening = String::from_utf8(report.opening()).unwrap();
        let lines: Vec<_> = opening.split("\r\n").collect();
        assert_eq!(
            lines,
            [
                "\x1b%-12345X@PJL ECHO Platen 7",
                "@PJL USTATUSOFF",
                "@PJL USTATUS DEVICE=ON",
                "@PJL USTATUS JOB=ON",
                "@PJL USTATUS PAGE=ON",
                "@PJL JOB NAME=\"Platen 7\"",
                "@PJL ENTER LANGUAGE=PDF",
                ""
            ]
        );
        let closing = "\x1b%-12345X@PJL EOJ NAME=\"Platen 7\"\r\n\x1b%-12345X";
        assert_eq!(report.closing(), closing.as_bytes());
    }

    #[test]
    fn a_job_with_pjl_of_its_own_keeps_its_language_and_its_frame() {
        let head = b"\x1b%-12345X@PJL SET QTY=3\r\n@PJL ENTER LANGUAGE=PDF\r\n%PDF";
        let report = JobReport::new(1, head, "application/pdf").unwrap();
        let opening = String::from_utf8(report.opening()).unwrap();
        assert!(
            opening.ends_with("@PJL JOB NAME=\"Platen 1\"\r\n"),
            "{opening}"
        );
        let head = b"\x1b%-12345X@PJL COMMENT x\r\n@PJL job NAME=\"secret\"\r\n";
        let report = JobReport::new(1, head, "application/octet-stream").unwrap();
        let opening = String::from_utf8(report.opening()).unwrap();
        assert!(opening.ends_with("@PJL USTATUS PAGE=ON\r\n"), "{opening}");
        assert_eq!(report.closing(), UEL);
    }

    #[test]
    fn formats_that_pjl_has_no_name_for_are_left_alone() {
        for format in ["image/jpeg", "image/pwg-raster", "image/urf", "text/plain"] {
            assert!(
                JobReport::new(1, b"\xff\xd8\xff", format).is_none(),
                "{format}"
            );
        }
    }

    #[test]
    fn the_end_of_this_job_tells_its_pages() {
        let mut report = report();
        assert!(report.hear(b"@PJL ECHO Platen 7\r\n\x0c"));
        assert_eq!(report.heard(), Heard::Echo);
        assert!(report.hear(&job("START", "Platen 7", "")));
        assert!(report.hear(&page(1)));
        assert!(report.hear(&job("END", "Platen 7", "PAGES=12\r\n")));
        assert_eq!(report.heard(), Heard::End);
        assert_eq!(report.counted(), Some(Counted::Job(12)));
    }

    #[test]
    fn reports_of_other_jobs_are_not_this_one_s() {
        let mut report = report();
        report.hear(&job("START", "Platen 6", ""));
        report.hear(&page(40));
        report.hear(&job("END", "Platen 7", "PAGES=40\r\n"));
        assert_eq!((report.heard(), report.counted()), (Heard::Nothing, None));
        report.hear(&job("START", "Platen 7", ""));
        for other in ["Platen 6", "Platen 70", "", "platen 7"] {
            assert!(!report.hear(&job("END", other, "PAGES=99\r\n")));
            assert!(!report.hear(&job("CANCELED", other, "")));
        }
        assert_eq!((report.heard(), report.counted()), (Heard::Start, None));
        report.hear(&job("END", "Platen 7", "PAGES=2\r\n"));
        assert_eq!(report.counted(), Some(Counted::Job(2)));
        report.hear(&job("END", "Platen 7", "PAGES=99\r\n"));
        assert_eq!(report.counted(), Some(Counted::Job(2)));
    }

    #[test]
    fn pages_count_up_by_sheet_and_anew_for_each_copy_and_once_the_end_is_told() {
        let mut report = report();
        report.hear(&job("START", "Platen 7", ""));
        for number in [2, 4, 1, 2] {
            assert!(report.hear(&page(number)));
            assert_eq!(report.counted(), None, "more may come");
        }
        report.hear(&job("END", "Platen 7", ""));
        assert_eq!(report.counted(), Some(Counted::Pages(6)));
    }

    #[test]
    fn a_page_told_twice_leaves_only_the_number_of_the_end() {
        for (told, counted) in [("", None), ("PAGES=3\r\n", Some(Counted::Job(3)))] {
            let mut report = report();
            report.hear(&job("START", "Platen 7", ""));
            assert!(report.hear(&page(1)));
            assert!(!report.hear(&page(1)));
            assert!(report.hear(&page(2)));
            report.hear(&job("END", "Platen 7", told));
            assert_eq!(report.counted(), counted);
        }
    }

    #[test]
    fn counts_beyond_belief_and_of_nothing_are_none() {
        for pages in ["0", "1000001", "4294967295", "-1", "many", "99999999999"] {
            let mut report = report();
            report.hear(&job("START", "Platen 7", ""));
            report.hear(&job("END", "Platen 7", &format!("PAGES={pages}\r\n")));
            assert_eq!(report.counted(), None, "{pages}");
        }
        let mut report = report();
        report.hear(&job("START", "Platen 7", ""));
        for _ in 0..4 {
            report.hear(&page(u32::MAX));
            report.hear(&page(1));
        }
        report.hear(&job("END", "Platen 7", ""));
        assert_eq!(report.counted(), None);
    }

    #[test]
    fn a_canceled_job_is_told_in_both_ways_and_by_whom() {
        for (result, heard) in [
            ("RESULT=USER_CANCELED\n", Heard::Canceled),
            ("PAGES=2\r\nRESULT=HOST_CANCELED\n", Heard::Dropped),
            ("RESULT=RESOURCE_CANCELED\n", Heard::Dropped),
        ] {
            for event in ["CANCELED", "END"] {
                let mut report = report();
                report.hear(&job("START", "Platen 7", ""));
                assert!(report.hear(&job(event, "Platen 7", result)));
                assert_eq!(report.heard(), heard, "{event} {result}");
            }
        }
        let mut report = report();
        report.hear(&job("START", "Platen 7", ""));
        report.hear(&job("CANCELED", "Platen 7", ""));
        assert_eq!(report.heard(), Heard::Dropped, "nobody is named");
    }

    #[test]
    fn a_job_with_its_own_frame_is_told_of_and_settled_by_none_of_its_ends() {
        let padding = "@PJL COMMENT x\r\n".repeat(HEAD_OCTETS_MAX / 16);
        for head in ["@PJL JOB\r\n", "@PJL SET QTY=2\r\n", &padding] {
            let head = format!("\x1b%-12345X{head}");
            let mut report = JobReport::new(1, head.as_bytes(), "application/pdf").unwrap();
            for name in ["own", "Platen 1"] {
                for event in ["START", "END", "CANCELED"] {
                    let told = job(event, name, "PAGES=1\r\nRESULT=USER_CANCELED\r\n");
                    assert!(!report.hear(&told), "{event}");
                }
                assert!(!report.hear(b"@PJL USTATUS JOB\r\nEND\r\nPAGES=3\r\n\x0c"));
            }
            assert!(!report.settles());
            assert_eq!((report.heard(), report.counted()), (Heard::Nothing, None));
        }
    }

    #[test]
    fn an_end_that_the_job_itself_brings_about_settles_nothing() {
        let bodies: [(&[u8], bool); 6] = [
            (b"%PDF \x1b%-12345X", true),
            (
                b"\x1b%-12345X@PJL ENTER LANGUAGE=PDF\r\n%PDF\x1b%-12345X\r\n",
                true,
            ),
            (b"%PDF @PJL \x1b%-12345Y@ \x1b\x1b%-1234@", true),
            (b"%PDF \x1b%-12345X@PJL EOJ NAME=\"Platen 7\"\r\n", false),
            (b"%PDF \x1b\x1b%-12345X\r\n\x1b%-12345X @PJL JOB\r\n", false),
            (
                b"\x1b%-12345X@PJL SET X=1\r\n\x1b%-12345X@PJL EOJ\r\n",
                false,
            ),
        ];
        for (body, settles) in bodies {
            for size in [1, 3, 4096] {
                let mut report = report();
                // A head is not cut: it is in the first piece.
                let head = usize::from(body.starts_with(UEL)) * UEL.len();
                report.pass(&body[..head]);
                body[head..]
                    .chunks(size)
                    .for_each(|piece| report.pass(piece));
                report.hear(&job("START", "Platen 7", ""));
                report.hear(&job("END", "Platen 7", "PAGES=1\r\n"));
                let text = String::from_utf8_lossy(body);
                assert_eq!(report.settles(), settles, "{text:?} by {size}");
                assert_eq!(report.counted().is_some(), settles, "{text:?} by {size}");
                assert_eq!(report.heard() == Heard::End, settles, "{text:?} by {size}");
            }
        }
    }

    #[test]
    fn the_device_s_state_is_kept_and_is_no_progress() {
        let mut report = report();
        report.hear(&job("START", "Platen 7", ""));
        let jam = b"@PJL USTATUS DEVICE\r\nCODE=42202\r\nONLINE=FALSE\r\n\x0c";
        assert!(!report.hear(jam));
        assert_eq!(report.device().reasons(), ["media-jam-error"]);
    }
}
