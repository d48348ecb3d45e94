// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Printer Job Language, the part that a port needs: asking a printer how it is and reading its
//! answers. What they say of one job is [`crate::pjl_report`]'s business; what a job's own PJL says is
//! the page counter's.
//!
//! Source: HP *PJL Technical Reference Manual*, chapters 5 and 7 and appendix D; a Lexmark technical
//! reference (table 3-14) for the four codes of class 40 that the groups don't tell apart.

/// Universal Exit Language: ends whatever language is spoken, PJL follows at once.
pub const UEL: &[u8] = b"\x1b%-12345X";
/// Asks for one report of the device's status.
pub const INFO_STATUS: &[u8] = b"\x1b%-12345X@PJL INFO STATUS\r\n\x1b%-12345X";
/// Asks for the number of pages printed in the device's life.
pub const INFO_PAGECOUNT: &[u8] = b"\x1b%-12345X@PJL INFO PAGECOUNT\r\n\x1b%-12345X";
/// Longest answer that is looked at; a longer one is dropped up to its form feed.
pub const ANSWER_BYTES_MAX: usize = 4096;
/// Ends every answer.
const FORM_FEED: u8 = 0x0c;

/// One answer of a printer.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// `INFO STATUS` or `USTATUS DEVICE`.
    Status(DeviceStatus),
    /// `INFO PAGECOUNT`: pages in the device's life.
    PageCount(u32),
    /// `USTATUS JOB`: a job begins.
    JobStart(JobFacts),
    /// `USTATUS JOB`: the last page of a job is out, or the job was canceled.
    JobEnd(JobFacts),
    /// `USTATUS JOB`: a job was canceled.
    JobCanceled(JobFacts),
    /// `USTATUS PAGE`: the page that has been printed.
    Page(u32),
    /// `ECHO`, with its words.
    Echo(String),
    /// Something else.
    Other,
}

/// What a printer says of a job.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct JobFacts {
    /// `NAME`: of the JOB command at a start, of the EOJ command at an end.
    pub name: Option<JobName>,
    /// `PAGES`, at an end: what was printed.
    pub pages: Option<u32>,
    /// `RESULT`, at an end or a cancellation, when it names a cancellation.
    pub canceled: Option<Canceler>,
}

/// Who ended a job before its last page (manual, 5-14).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Canceler {
    /// `USER_CANCELED`: somebody who stood at the printer.
    User,
    /// `HOST_CANCELED`, `RESOURCE_CANCELED` and others: not by anybody's wish, as far as is known.
    Device,
}

/// A job's name as a printer repeats it. It may be somebody's document: it is compared, never shown.
#[derive(Clone, Eq, PartialEq)]
pub struct JobName(String);

impl JobName {
    /// A name to compare with.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl std::fmt::Debug for JobName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JobName(..)")
    }
}

/// How a printer says it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DeviceStatus {
    /// `CODE`
    pub code: Option<u32>,
    /// `DISPLAY`: what the printer's own screen shows, in its language; wrong UTF-8 is replaced.
    pub display: Option<String>,
    /// `ONLINE`
    pub online: Option<bool>,
}

impl DeviceStatus {
    /// Whether a job may be sent: on-line, or not said to be off-line, and nothing in the way.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.online != Some(false) && !self.reasons().iter().any(|word| word.ends_with("-error"))
    }

    /// IPP `printer-state-reasons` with severity for the code; empty when nothing is wrong.
    #[must_use]
    pub fn reasons(&self) -> Vec<&'static str> {
        let by_code = self.code.and_then(reason);
        let offline = (self.online == Some(false) && by_code.is_none()).then_some("offline-report");
        by_code.into_iter().chain(offline).collect()
    }
}

/// Codes and their reasons, single codes before the groups they are in (manual page D-1 and 7-34).
/// A group whose members differ gets the reason that is true of all of them.
const REASONS: [(u32, u32, &str); 18] = [
    (10_006, 10_006, "toner-low-warning"), // manual, D-1
    // Another tray has paper: the printer goes on.
    (11_000, 11_999, "media-low-report"),
    (12_000, 12_999, "input-tray-missing-report"), // tray open or lifting: nearest keyword
    (15_000, 15_999, "output-area-full-error"),    // the printer goes off-line
    (30_000, 30_999, "other-warning"),             // goes on by itself, if it is set so
    (32_000, 32_999, "other-report"),              // its own file system, not paper
    (35_000, 35_999, "other-warning"),             // goes on, perhaps with less
    (40_010, 40_010, "marker-supply-missing-error"), // Lexmark
    (40_021, 40_021, "cover-open-error"),          // manual, 7-35
    (40_022, 40_022, "media-jam-error"),
    (40_038, 40_038, "toner-low-error"), // Lexmark: waits for somebody
    (40_039, 40_039, "marker-supply-empty-error"), // Lexmark
    (40_000, 40_999, "other-error"),     // printing halts
    // Paper is out and no other tray has it.
    (41_000, 41_999, "media-empty-error"),
    (42_000, 42_999, "media-jam-error"),
    (44_000, 44_999, "media-jam-error"),
    (43_000, 43_999, "other-error"), // external paper handling
    (50_000, 50_999, "other-error"), // hardware
];

fn reason(code: u32) -> Option<&'static str> {
    // Not in the manual's pages at hand: Brother and HP printers say it when they sleep, and wake
    // for a job. Unproven on a device here.
    if code == 40_000 {
        return None;
    }
    let row = REASONS
        .iter()
        .find(|(first, last, _)| (*first..=*last).contains(&code));
    row.map(|(_, _, reason)| *reason)
}

/// Puts a printer's answers together from the pieces that its port reads.
#[derive(Debug, Default)]
pub struct AnswerReader {
    answer: Vec<u8>,
    /// The answer is too long and its rest is dropped.
    dropping: bool,
}

impl AnswerReader {
    /// A reader at the start of an answer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what the printer has sent, gives the answers that are whole.
    pub fn push(&mut self, piece: &[u8]) -> Vec<Answer> {
        let mut answers = Vec::new();
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|octet| *octet == FORM_FEED) {
            let (part, later) = rest.split_at(end);
            self.take(part);
            rest = later.get(1..).unwrap_or_default();
            if !self.dropping {
                answers.push(read_answer(&self.answer));
            }
            self.answer.clear();
            self.dropping = false;
        }
        self.take(rest);
        answers
    }

    fn take(&mut self, part: &[u8]) {
        if self.answer.len() + part.len() > ANSWER_BYTES_MAX {
            self.dropping = true;
            self.answer.clear();
        }
        if !self.dropping {
            self.answer.extend_from_slice(part);
        }
    }
}

/// Asks a printer to say `words` back: what comes before them is left over from an earlier talk.
/// `None` for words that would break out of the line.
#[must_use]
pub fn echo_request(words: &str) -> Option<Vec<u8>> {
    let plain = !words.is_empty() && words.bytes().all(|octet| (0x20..0x7f).contains(&octet));
    plain.then(|| [UEL, b"@PJL ECHO ", words.as_bytes(), b"\r\n", UEL].concat())
}

/// Reads one answer without its form feed. What stands before `@PJL` is left over from something
/// else and dropped; unknown lines are skipped, as the manual wants (7-4).
#[must_use]
pub fn read_answer(octets: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(octets);
    let Some((_, text)) = text.split_once("@PJL") else {
        return Answer::Other;
    };
    let mut lines = text
        .split(['\r', '\n'])
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let head = lines.next().unwrap_or_default();
    let mut words = head.split_ascii_whitespace();
    let (command, kind) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    match (
        command.to_ascii_uppercase().as_str(),
        kind.to_ascii_uppercase().as_str(),
    ) {
        ("ECHO", _) => Answer::Echo(head.get(4..).unwrap_or_default().trim().to_owned()),
        ("INFO", "STATUS") | ("USTATUS", "DEVICE" | "TIMED") => Answer::Status(status(lines)),
        ("INFO", "PAGECOUNT") => number(lines).map_or(Answer::Other, Answer::PageCount),
        ("USTATUS", "PAGE") => number(lines).map_or(Answer::Other, Answer::Page),
        ("USTATUS", "JOB") => job(lines),
        _ => Answer::Other,
    }
}

fn status<'a>(lines: impl Iterator<Item = &'a str>) -> DeviceStatus {
    let mut status = DeviceStatus::default();
    for (key, value) in lines.filter_map(assignment) {
        match key.to_ascii_uppercase().as_str() {
            "CODE" => status.code = value.parse().ok(),
            "DISPLAY" => status.display = Some(value.trim_matches('"').to_owned()),
            "ONLINE" => status.online = Some(value.eq_ignore_ascii_case("TRUE")),
            _ => {}
        }
    }
    status
}

/// The first line that is a number, bare or as `NAME=n`: models differ.
fn number<'a>(mut lines: impl Iterator<Item = &'a str>) -> Option<u32> {
    lines.find_map(|line| {
        assignment(line)
            .map_or(line, |(_, value)| value)
            .parse()
            .ok()
    })
}

fn job<'a>(mut lines: impl Iterator<Item = &'a str>) -> Answer {
    let event = lines.next().unwrap_or_default().to_ascii_uppercase();
    let mut facts = JobFacts::default();
    for (key, value) in lines.filter_map(assignment) {
        match key.to_ascii_uppercase().as_str() {
            "NAME" => facts.name = Some(JobName::new(value.trim_matches('"'))),
            "PAGES" => facts.pages = value.parse().ok(),
            // OK, USER_CANCELED, HOST_CANCELED, RESOURCE_CANCELED
            "RESULT" => facts.canceled = canceler(value),
            _ => {}
        }
    }
    match event.as_str() {
        "START" => Answer::JobStart(facts),
        "END" => Answer::JobEnd(facts),
        "CANCELED" | "CANCELLED" => Answer::JobCanceled(facts),
        _ => Answer::Other,
    }
}

fn canceler(result: &str) -> Option<Canceler> {
    match result.to_ascii_uppercase().as_str() {
        "USER_CANCELED" | "USER_CANCELLED" => Some(Canceler::User),
        result => result.contains("CANCEL").then_some(Canceler::Device),
    }
}

fn assignment(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    Some((key.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &[u8] =
        b"@PJL USTATUS DEVICE\r\nCODE=40021\r\nDISPLAY=\"12 PRINTER OPEN\"\r\nONLINE=FALSE\r\n\x0c";

    #[test]
    fn an_open_cover_is_read_from_the_manuals_own_example() {
        let answers = AnswerReader::new().push(OPEN);
        let [Answer::Status(status)] = answers.as_slice() else {
            panic!("{answers:?}")
        };
        assert_eq!(status.code, Some(40021));
        assert_eq!(status.display.as_deref(), Some("12 PRINTER OPEN"));
        assert_eq!(status.reasons(), ["cover-open-error"]);
        assert!(!status.is_ready());
    }

    #[test]
    fn answers_are_the_same_however_they_are_cut() {
        let all = [b"noise@PJL ECHO box 7\r\n\x0c".as_slice(), OPEN, OPEN].concat();
        let whole = AnswerReader::new().push(&all);
        assert_eq!(whole.len(), 3);
        assert_eq!(whole[0], Answer::Echo("box 7".to_owned()));
        let mut reader = AnswerReader::new();
        let bytewise: Vec<_> = all
            .iter()
            .flat_map(|octet| reader.push(&[*octet]))
            .collect();
        assert_eq!(bytewise, whole);
    }

    #[test]
    fn codes_map_to_reasons_and_readiness() {
        let rows: [(u32, &[&str], bool); 15] = [
            (10_000, &[], true),
            (10_001, &[], true),
            (10_006, &["toner-low-warning"], true),
            (11_304, &["media-low-report"], true),
            (15_100, &["output-area-full-error"], false),
            (35_078, &["other-warning"], true),
            (40_000, &[], true),
            (40_022, &["media-jam-error"], false),
            (40_079, &["other-error"], false),
            (41_213, &["media-empty-error"], false),
            (42_002, &["media-jam-error"], false),
            (43_101, &["other-error"], false),
            (44_012, &["media-jam-error"], false),
            (45_000, &[], true),
            (50_000, &["other-error"], false),
        ];
        for (code, reasons, ready) in rows {
            let status = DeviceStatus {
                code: Some(code),
                display: None,
                online: Some(true),
            };
            assert_eq!(status.reasons(), reasons, "{code}");
            assert_eq!(status.is_ready(), ready, "{code}");
        }
    }

    #[test]
    fn off_line_without_a_reason_is_a_reason() {
        let status = DeviceStatus {
            code: Some(10_002),
            display: None,
            online: Some(false),
        };
        assert_eq!(status.reasons(), ["offline-report"]);
        assert!(!status.is_ready());
    }

    #[test]
    fn counts_are_read_bare_and_named() {
        assert_eq!(
            read_answer(b"@PJL INFO PAGECOUNT\r\n1234\r\n"),
            Answer::PageCount(1234)
        );
        let named = read_answer(b"@PJL INFO PAGECOUNT\r\nPAGECOUNT=1234\r\n");
        assert_eq!(named, Answer::PageCount(1234));
        assert_eq!(read_answer(b"@PJL USTATUS PAGE\r\n3\r\n"), Answer::Page(3));
        assert_eq!(
            read_answer(b"@PJL INFO PAGECOUNT\r\n99999999999\r\n"),
            Answer::Other
        );
    }

    #[test]
    fn a_jobs_end_tells_its_name_its_pages_and_whether_it_was_canceled() {
        // Manual, 5-14.
        let end =
            b"@PJL USTATUS JOB\r\nEND\r\nNAME=\"START\"\r\nPAGES=123\r\nID=346\r\nRESULT=OK\n";
        let mut facts = JobFacts {
            name: Some(JobName::new("START")),
            pages: Some(123),
            canceled: None,
        };
        assert_eq!(read_answer(end), Answer::JobEnd(facts.clone()));
        let end = b"@PJL USTATUS JOB\r\nEND\r\nNAME=\"START\"\r\nPAGES=123\r\nRESULT=USER_CANCELED";
        facts.canceled = Some(Canceler::User);
        assert_eq!(read_answer(end), Answer::JobEnd(facts));
        let start = b"@PJL USTATUS JOB\r\nSTART\r\nNAME=\"x\"\r\n";
        assert!(matches!(read_answer(start), Answer::JobStart(_)));
        let gone = b"@PJL USTATUS JOB\r\nCANCELED\r\nNAME=\"x\"\r\nRESULT=USER_CANCELED\n";
        assert!(matches!(read_answer(gone), Answer::JobCanceled(_)));
        assert_eq!(read_answer(b"@PJL USTATUS JOB\r\n\r\n"), Answer::Other);
    }

    #[test]
    fn only_a_user_s_cancellation_is_a_user_s() {
        for (result, canceled) in [
            ("USER_CANCELED", Some(Canceler::User)),
            ("HOST_CANCELED", Some(Canceler::Device)),
            ("RESOURCE_CANCELED", Some(Canceler::Device)),
            ("NOT_USER_CANCELED", Some(Canceler::Device)),
            ("OK", None),
        ] {
            let end = format!("@PJL USTATUS JOB\r\nEND\r\nRESULT={result}\n");
            let facts = JobFacts {
                canceled,
                ..JobFacts::default()
            };
            assert_eq!(read_answer(end.as_bytes()), Answer::JobEnd(facts));
        }
    }

    #[test]
    fn a_job_s_name_is_not_shown() {
        let start = read_answer(b"@PJL USTATUS JOB\r\nSTART\r\nNAME=\"Notice of termination\"\r\n");
        assert!(!format!("{start:?}").contains("termination"));
    }

    #[test]
    fn an_answer_without_end_is_dropped_and_the_next_one_read() {
        let mut reader = AnswerReader::new();
        for _ in 0..1000 {
            assert!(reader.push(&[b'x'; 4096]).is_empty());
            assert!(reader.answer.capacity() <= 2 * ANSWER_BYTES_MAX);
        }
        assert!(reader.push(b"\x0c").is_empty());
        assert_eq!(reader.push(OPEN).len(), 1);
    }

    #[test]
    fn echo_words_cannot_break_out_of_their_line() {
        assert!(
            echo_request("box 7")
                .is_some_and(|request| request.ends_with(b"box 7\r\n\x1b%-12345X"))
        );
        for wrong in ["", "a\r\n@PJL RESET", "\x1b%-12345X", "打"] {
            assert_eq!(echo_request(wrong), None);
        }
    }
}
