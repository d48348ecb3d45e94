// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What every test here begins with: a guest, the daemon in it with one user, and a real IPP client
//! outside.

use std::path::Path;
use std::time::Duration;

use platen_bed::daemon::NodeConfig;
use platen_bed::ipptool::IppTool;
use platen_bed::qemu::{Guest, GuestOptions, Ran};
use platen_bed::wait;
use serde_json::Value;
use tempfile::TempDir;

/// The card of the user that the tests print as.
pub(crate) const CARD: &str = "04A1B2C3D4E5F6";
/// A generous time for anything that a person would wait for, on an emulated processor.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Looks into an empty field after which a card counts as taken away, and one more: 300 ms at one
/// look every 80 ms.
const ABSENCE_LOOKS: u64 = 6;

const CONFIG: &str = "/run/platen/node.toml";
const SOCKET: &str = "/run/platen/node.sock";
/// In the status: the state of the only device.
pub(crate) const READER_ANSWERS: &str = "\"state\":\"ok\"";

/// A guest with a running daemon.
pub(crate) struct GuestBox {
    pub(crate) guest: Guest,
    tool: IppTool,
    folder: TempDir,
}

impl GuestBox {
    /// Boots the guest and starts the daemon, with the login name of whoever runs the tests as its
    /// only user.
    pub(crate) fn open(options: &GuestOptions) -> Self {
        let folder = TempDir::new().unwrap();
        let guest = Guest::boot(&folder.path().join("guest"), options).unwrap();
        let tool = IppTool::prepare(&folder.path().join("ipptool")).unwrap();
        let mut office = Self {
            guest,
            tool,
            folder,
        };
        office.configure();
        office.start();
        office.import_users();
        office
    }

    fn configure(&mut self) {
        let mut config = NodeConfig::new(Path::new("/run/platen"), "usb:/dev/usb/lp0").unwrap();
        config.ipp = ([0, 0, 0, 0], 631).into();
        config.board = "/etc/platen/board.toml".into();
        config.pjl_status = false;
        self.guest
            .output(&["/bin/mkdir", "-p", "/run/platen"])
            .unwrap();
        self.guest.write(CONFIG, config.text().as_bytes()).unwrap();
    }

    /// Starts the daemon and waits until it answers and its reader does.
    pub(crate) fn start(&mut self) {
        let start = ["/bin/platend", "--config", CONFIG];
        self.guest.start("platend", &start).unwrap();
        self.wait_for(&["status"], READER_ANSWERS);
    }

    fn import_users(&mut self) {
        let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
        let csv = format!("user,name,card\n{user},A Person,{CARD}\n");
        self.guest.write("/run/users.csv", csv.as_bytes()).unwrap();
        self.ctl(&["users", "import", "/run/users.csv"]);
    }

    /// The answer of `platenctl --json`, its lines as objects.
    pub(crate) fn ctl(&mut self, args: &[&str]) -> Vec<Value> {
        let argv = [&["/bin/platenctl", "--socket", SOCKET, "--json"], args].concat();
        let text = self.guest.output(&argv).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Waits until `platenctl --json` says `text`.
    pub(crate) fn wait_for(&mut self, args: &[&str], text: &str) -> Ran {
        let argv = [&["/bin/platenctl", "--socket", SOCKET, "--json"], args].concat();
        let waited = self.guest.wait_for(&argv, text, SOON);
        waited.unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
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
        self.guest.tell("chip", "clear").unwrap();
        self.await_looks(ABSENCE_LOOKS);
        told.elapsed + seen.elapsed
    }

    /// Waits until the reader has looked this many times more.
    fn await_looks(&mut self, looks: u64) {
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
        self.guest
            .wait_for(&["/bin/cat", &value], level, SOON)
            .unwrap();
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
