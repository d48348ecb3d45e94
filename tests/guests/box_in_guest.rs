// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What every test here begins with: a guest, the daemon in it with one user, and a real IPP client
//! outside.

use std::process::Command;
use std::time::Duration;

use platen_bed::ipptool::IppTool;
use platen_bed::process;
use platen_bed::qemu::{Guest, GuestOptions, Ran};
use platen_bed::wait;
use serde_json::Value;
use tempfile::TempDir;

/// The card of the user that the tests print as.
pub(crate) const CARD: &str = "04A1B2C3D4E5F6";
/// A generous time for anything that a person would wait for, on an emulated processor.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// In the status: a device's state.
pub(crate) const READER_ANSWERS: &str = "\"state\":\"ok\"";
/// Looks into an empty field after which a card counts as taken away, and one more: 300 ms at one
/// look every 80 ms.
pub(crate) const ABSENCE_LOOKS: u64 = 6;

/// A guest with a running daemon.
pub(crate) struct GuestBox {
    pub(crate) guest: Guest,
    tool: IppTool,
    folder: TempDir,
}

impl GuestBox {
    /// A guest in which the daemon runs, with the login name of whoever runs the tests as its only
    /// user. The first test boots it, the others go on from there.
    pub(crate) fn open(options: &GuestOptions) -> Self {
        let folder = TempDir::new().unwrap();
        let user = process::run(Command::new("id").arg("-un")).unwrap();
        let guest = Guest::prepared(&folder.path().join("guest"), options, |guest| {
            guest.configure("")?;
            guest.start_daemon()?;
            guest.import_users(&format!("{},A Person,{CARD}\n", user.trim()))?;
            let status = guest.wait_for_ctl(&["status"], READER_ANSWERS, SOON);
            status.map(drop)
        });
        Self::around(guest.unwrap(), folder)
    }

    /// A guest in which the daemon runs already.
    pub(crate) fn around(guest: Guest, folder: TempDir) -> Self {
        let tool = IppTool::prepare(&folder.path().join("ipptool")).unwrap();
        Self {
            guest,
            tool,
            folder,
        }
    }

    /// Starts the daemon again, on another board file.
    pub(crate) fn restart_on(&mut self, board: &str) {
        self.guest.stop("platend", false).unwrap();
        let file = "/etc/platen/board.toml";
        self.guest.write(file, board.as_bytes()).unwrap();
        self.guest.write("/run/log/platend", b"").unwrap();
        self.guest.start_daemon().unwrap();
    }

    /// The answer of `platenctl --json`, its lines as objects.
    pub(crate) fn ctl(&mut self, args: &[&str]) -> Vec<Value> {
        let text = self.guest.ctl(args).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits until `platenctl --json` says `text`.
    pub(crate) fn wait_for(&mut self, args: &[&str], text: &str) -> Ran {
        let waited = self.guest.wait_for_ctl(args, text, SOON);
        waited.unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    /// Whether the status says `text` within `limit`.
    pub(crate) fn hears(&mut self, text: &str, limit: Duration) -> bool {
        self.guest.wait_for_ctl(&["status"], text, limit).is_ok()
    }

    /// What the daemon has logged.
    pub(crate) fn log(&mut self) -> String {
        let log = self.guest.read("/run/log/platend").unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Prints a document by `ipptool` from outside the guest.
    pub(crate) fn print(&self, document: &[u8]) {
        let file = self.folder.path().join("document");
        std::fs::write(&file, document).unwrap();
        let uri = format!("ipp://{}/ipp/print", self.guest.ipp());
        let file = file.to_string_lossy();
        let score = self
            .tool
            .run_with(&uri, "print-job.test", &["-f", &file], None)
            .unwrap();
        assert_eq!(
            (score.passed.len(), score.failed.len()),
            (1, 0),
            "{score:?}"
        );
    }

    /// Holds the card to the reader until it is told and the panel shows `signal`; returns how long
    /// that took.
    pub(crate) fn tap(&mut self, signal: &str) -> Duration {
        let taps = self.counter("taps") + 1;
        self.guest.tell("chip", &format!("place {CARD}")).unwrap();
        let told = self.wait_for(&["status"], &format!("[\"taps\",{taps}]"));
        let seen = self.wait_for(&["status"], &format!("\"panel\":\"{signal}\""));
        self.guest.tell("chip", "remove").unwrap();
        self.await_looks(ABSENCE_LOOKS);
        told.elapsed + seen.elapsed
    }

    /// Waits until the reader has looked this many times more.
    pub(crate) fn await_looks(&mut self, looks: u64) {
        let from = self.counter("polls");
        wait::until("the reader's looks", SOON, || {
            Ok((self.counter("polls") >= from + looks).then_some(()))
        })
        .unwrap();
    }

    /// A counter of the first reader.
    fn counter(&mut self, name: &str) -> u64 {
        let status = &self.ctl(&["status"])[0];
        let counters = status["devices"][0]["counters"].as_array().unwrap();
        let counter = counters.iter().find(|counter| counter[0] == name);
        counter.and_then(|counter| counter[1].as_u64()).unwrap()
    }

    /// Waits until the printer has taken at least this many bytes since the paper was taken away.
    pub(crate) fn await_octets(&mut self, octets: usize) {
        let what = format!("{octets} bytes at the printer");
        let guest = &mut self.guest;
        let taken = wait::until(&what, SOON, || {
            let taken: usize = guest.tell("printer", "octets")?.parse().unwrap_or(0);
            Ok((taken >= octets).then_some(()))
        });
        taken.unwrap();
    }

    /// Waits until a simulated line is driven to `level`, as seen from outside the box.
    pub(crate) fn light(&mut self, line: u32, level: &str) {
        let value = format!("/run/lines/sim_gpio{line}/value");
        let argv = ["/bin/cat", &value];
        self.guest.wait_for(&argv, level, SOON).unwrap();
    }

    /// What has come to the printer since the last time.
    pub(crate) fn paper(&mut self) -> Vec<u8> {
        self.guest.tell("printer", "take /run/paper").unwrap();
        self.guest.read("/run/paper").unwrap()
    }

    /// Ends the guest in order.
    pub(crate) fn close(mut self) {
        let status = self.guest.stop("platend", false).unwrap();
        assert_eq!(status, 0, "{}", self.log());
        self.guest.power_off().unwrap();
    }
}
