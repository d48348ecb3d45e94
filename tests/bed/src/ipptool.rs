// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs the `ipptool` suites and counts what really ran. Debian ships the test files without
//! their sample documents; with one missing the suite stops in the middle and may still exit 0.
//! So the documents are made here, and the number of tests is part of the result.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::documents::{self, Paper};
use crate::netns::PrivateNetwork;
use crate::process::{BedError, installed_program, output};

/// Tests in one run of `ipp-1.1.test` (CUPS 2.4.2).
pub const IPP_1_1_TESTS: usize = 66;
/// Tests in one run of `ipp-2.0.test`, which includes the former.
pub const IPP_2_0_TESTS: usize = 67;

const DEBIAN_TESTS: &str = "/usr/share/cups/ipptool";

/// What a run brought.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Score {
    /// Names of the tests that passed.
    pub passed: Vec<String>,
    /// Names of the tests that failed, each with what was wrong.
    pub failed: Vec<(String, Vec<String>)>,
    /// Names of the tests that did not apply.
    pub skipped: Vec<String>,
    /// Why the run ended before its end, if ipptool says so.
    pub stopped: Option<String>,
}

impl Score {
    /// Tests that ran, passed or not, or were skipped on purpose.
    #[must_use]
    pub fn tests(&self) -> usize {
        self.passed.len() + self.failed.len() + self.skipped.len()
    }

    /// One line for a report.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} tests: {} passed, {} failed, {} skipped",
            self.tests(),
            self.passed.len(),
            self.failed.len(),
            self.skipped.len()
        )
    }
}

/// The test files with the documents they name, in one folder.
#[derive(Clone, Debug)]
pub struct IppTool {
    folder: PathBuf,
    program: PathBuf,
}

impl IppTool {
    /// Copies the installed test files into `folder` and makes the documents beside them.
    ///
    /// # Errors
    /// [`BedError::Missing`] without the package cups-ipp-utils, [`BedError::Io`] for the files.
    pub fn prepare(folder: &Path) -> Result<Self, BedError> {
        let program = installed_program("ipptool")?;
        let reading = || BedError::io(format!("copy the tests of {DEBIAN_TESTS}"));
        fs::create_dir_all(folder).map_err(reading())?;
        for entry in fs::read_dir(DEBIAN_TESTS).map_err(reading())? {
            let entry = entry.map_err(reading())?;
            fs::copy(entry.path(), folder.join(entry.file_name())).map_err(reading())?;
        }
        for (name, bytes) in sample_documents() {
            let path = folder.join(name);
            fs::write(&path, bytes).map_err(BedError::io(format!("write {}", path.display())))?;
        }
        let folder = folder.to_owned();
        Ok(Self { folder, program })
    }

    /// Where the test files and documents are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs one suite, such as `ipp-1.1.test`, to its end, with the document
    /// `document-a4.pdf` where the suite asks for any file.
    ///
    /// # Errors
    /// [`BedError::Answer`] when ipptool writes no report at all.
    pub fn run(&self, uri: &str, suite: &str) -> Result<Score, BedError> {
        self.run_with(uri, suite, &[], None)
    }

    /// The same with further arguments (`-V 2.0`, `-d NAME=VALUE`) and in a private network.
    ///
    /// # Errors
    /// As [`IppTool::run`].
    pub fn run_with(
        &self,
        uri: &str,
        suite: &str,
        further: &[&str],
        network: Option<&PrivateNetwork>,
    ) -> Result<Score, BedError> {
        let report = self.folder.join(format!("{suite}.plist"));
        let _ = fs::remove_file(&report);
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.folder)
            .args(["-tI", "-T", "60", "-f", "document-a4.pdf", "-P"])
            .arg(&report)
            .args(further)
            .arg(uri)
            // By its full path: a bare name is looked up in the installed folder first.
            .arg(self.folder.join(suite));
        let inside = network.map(|network| network.inside(&command));
        let ended = output(&mut inside.unwrap_or(command))?;
        let text = fs::read_to_string(&report).map_err(BedError::io("read ipptool's report"))?;
        let mut score = read_report(&text);
        if score.tests() == 0 {
            return Err(BedError::Answer {
                from: "ipptool".to_owned(),
                answer: String::from_utf8_lossy(&ended.stderr).into_owned(),
            });
        }
        let messages = String::from_utf8_lossy(&ended.stderr);
        let lost = messages
            .lines()
            .find(|line| line.contains("cannot be read"));
        score.stopped = score.stopped.or(lost.map(str::to_owned));
        Ok(score)
    }
}

/// What the `FILE` lines of the suites name.
fn sample_documents() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("document-a4.pdf", documents::pdf(4, Paper::A4)),
        ("document-letter.pdf", documents::pdf(4, Paper::Letter)),
        ("document-a4.ps", documents::postscript(4, Paper::A4)),
        (
            "document-letter.ps",
            documents::postscript(4, Paper::Letter),
        ),
        ("color.jpg", documents::jpeg(1200, 800, true)),
        ("gray.jpg", documents::jpeg(1200, 800, false)),
        ("testfile.txt", b"The quick brown fox.\r\n".to_vec()),
        ("testfile.pdf", documents::pdf(1, Paper::A4)),
        ("testfile.ps", documents::postscript(1, Paper::A4)),
        ("testfile.jpg", documents::jpeg(640, 480, true)),
        ("testfile.pwg", documents::pwg(1, false, 150)),
        ("testfile.urf", documents::urf(1, false, 150)),
    ]
}

/// A test of the report that is being read.
#[derive(Default)]
struct Reading {
    name: String,
    skipped: bool,
    /// Its own `Successful` has been read; the next one is the whole run's.
    decided: bool,
    errors: Vec<String>,
}

/// Reads the property list that ipptool writes: an array of dictionaries under `Tests`, each with
/// `Name`, `Successful`, perhaps `Skipped` and, further down, `Errors`. ipptool writes one element
/// a line, so a reader of lines is enough.
fn read_report(text: &str) -> Score {
    let mut score = Score::default();
    let mut lines = text.lines().peekable();
    let mut test: Option<Reading> = None;
    while let Some(line) = lines.next() {
        let value = lines.peek().copied().unwrap_or_default();
        match (line.trim(), &mut test) {
            ("<key>Name</key>", _) => {
                finish(test.take(), &mut score);
                let name = string(value);
                test = Some(Reading {
                    name,
                    ..Reading::default()
                });
            }
            ("<key>Skipped</key>", Some(test)) => test.skipped = value.contains("true"),
            ("<key>Successful</key>", Some(test)) if !test.decided => {
                test.decided = true;
                if value.contains("false") {
                    // The reasons, where there are any, take this one's place.
                    test.errors.push("no reason given".to_owned());
                }
            }
            ("<key>Errors</key>", Some(test)) => {
                let errors = lines
                    .by_ref()
                    .skip(1)
                    .take_while(|line| !line.contains("</array>"));
                test.errors = errors.map(string).collect();
            }
            ("<key>ErrorMessage</key>", _) => score.stopped = Some(string(value)),
            _ => {}
        }
    }
    finish(test, &mut score);
    score
}

fn finish(test: Option<Reading>, score: &mut Score) {
    match test {
        Some(test) if test.skipped => score.skipped.push(test.name),
        Some(test) if test.errors.is_empty() => score.passed.push(test.name),
        Some(test) => score.failed.push((test.name, test.errors)),
        None => {}
    }
}

fn string(line: &str) -> String {
    line.trim()
        .trim_start_matches("<string>")
        .trim_end_matches("</string>")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "<dict>\n<key>Tests</key>\n<array>\n<dict>\n<key>Name</key>\n\
        <string>first</string>\n<key>RequestAttributes</key>\n<array>\n</array>\n\
        <key>Successful</key>\n<false />\n<key>Errors</key>\n<array>\n\
        <string>EXPECTED: job-id</string>\n</array>\n</dict>\n<dict>\n<key>Name</key>\n\
        <string>second</string>\n<key>Successful</key>\n<true />\n</dict>\n</array>\n\
        <key>Successful</key>\n<false />\n</dict>\n";

    #[test]
    fn a_failure_keeps_its_reason_and_the_run_s_verdict_is_nobody_s() {
        let score = read_report(REPORT);
        let reason = vec!["EXPECTED: job-id".to_owned()];
        assert_eq!(score.failed, [("first".to_owned(), reason)]);
        assert_eq!(score.passed, ["second"]);
    }
}
