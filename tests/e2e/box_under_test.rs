// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What every test here begins with: a folder, a printer, a box with one user.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use platen_bed::BedError;
use platen_bed::daemon::{Daemon, NodeConfig};
use platen_bed::ipptool::IppTool;
use platen_bed::printer::VirtualPrinter;
use platen_bed::wait;
use serde_json::Value;
use tempfile::TempDir;

/// The card of the user that the tests print as.
pub(crate) const CARD: &str = "04A1B2C3";
/// A generous time for anything that a person would wait for.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A box and its printer.
pub(crate) struct Office {
    pub(crate) daemon: Daemon,
    pub(crate) printer: VirtualPrinter,
    pub(crate) folder: TempDir,
}

impl Office {
    /// A box with one user, the one who runs the tests.
    pub(crate) fn open() -> Self {
        Self::open_with(|_| ())
    }

    /// The same with a changed configuration.
    pub(crate) fn open_with(change: impl FnOnce(&mut NodeConfig)) -> Self {
        let folder = TempDir::new().unwrap();
        let printer = VirtualPrinter::start(&folder.path().join("printer")).unwrap();
        Self::open_in(folder, printer, change)
    }

    fn open_in(
        folder: TempDir,
        printer: VirtualPrinter,
        change: impl FnOnce(&mut NodeConfig),
    ) -> Self {
        let node = folder.path().join("node");
        std::fs::create_dir_all(&node).unwrap();
        let mut config = NodeConfig::new(&node, &printer.uri()).unwrap();
        change(&mut config);
        let daemon = Daemon::start(config).unwrap();
        daemon
            .import_users(&format!("{},A Person,{CARD}\n", user()))
            .unwrap();
        Self {
            daemon,
            printer,
            folder,
        }
    }

    /// A box whose printer has an SNMP agent, at the address given to `change`.
    pub(crate) fn open_with_agent(change: impl FnOnce(&mut NodeConfig, SocketAddr)) -> Self {
        let folder = TempDir::new().unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let further = ["--snmp", "127.0.0.1:0"];
        let printer = VirtualPrinter::start_with(&folder.path().join("printer"), any, &further);
        let printer = printer.unwrap();
        let agent = printer.agent().unwrap();
        Self::open_in(folder, printer, |config| change(config, agent))
    }

    /// A file of the folder.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Prints a file to the proxy queue by `ipptool`, which sends it as it is.
    pub(crate) fn print(&self, file: &Path) {
        self.print_to(&self.daemon.uri(), file);
    }

    /// The same to another queue.
    pub(crate) fn print_to(&self, uri: &str, file: &Path) {
        self.ipptool(uri, "print-job.test", file, 1);
    }

    /// Runs one of ipptool's files with `file` as its document; all of its tests must pass.
    pub(crate) fn ipptool(&self, uri: &str, suite: &str, file: &Path, tests: usize) {
        let folder = self.folder.path().join("ipptool");
        let tool = IppTool::prepare(&folder).unwrap();
        let file = file.to_string_lossy();
        let score = tool.run_with(uri, suite, &["-f", &file], None).unwrap();
        assert_eq!(
            (score.passed.len(), score.failed.len()),
            (tests, 0),
            "{score:?}"
        );
    }

    /// Where the box keeps everything.
    pub(crate) fn data(&self) -> PathBuf {
        self.daemon.config().folder.join("data")
    }

    /// The answer of `platenctl --json`, its lines as objects.
    pub(crate) fn ctl(&self, args: &[&str]) -> Vec<Value> {
        ctl(&self.daemon, args)
    }

    /// Waits until the box's jobs (ended ones too) are as `fits` wants them.
    pub(crate) fn wait_for_jobs(&self, what: &str, fits: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        wait_for_jobs(&self.daemon, what, fits)
    }

    /// Taps the user's card and returns the panel's signal.
    pub(crate) fn tap(&self) -> String {
        tap(&self.daemon, CARD)
    }
}

/// The answer of `platenctl --json`, its lines as objects.
pub(crate) fn ctl(daemon: &Daemon, args: &[&str]) -> Vec<Value> {
    let text = daemon.ctl(&[&["--json"], args].concat()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Taps a card and returns the panel's signal.
pub(crate) fn tap(daemon: &Daemon, card: &str) -> String {
    ctl(daemon, &["tap", card])[0]["signal"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Waits until the box's jobs (ended ones too) are as `fits` wants them.
pub(crate) fn wait_for_jobs(
    daemon: &Daemon,
    what: &str,
    fits: impl Fn(&[Value]) -> bool,
) -> Vec<Value> {
    wait::until(what, SOON, || {
        let jobs = ctl(daemon, &["jobs", "--all"]);
        Ok::<_, BedError>(fits(&jobs).then_some(jobs))
    })
    .unwrap()
}

/// The login name that CUPS sends for the tests.
pub(crate) fn user() -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let me = std::fs::metadata("/proc/self").map(|meta| std::os::unix::fs::MetadataExt::uid(&meta));
    let me = me.unwrap().to_string();
    let line = passwd
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&me))
        .unwrap();
    line.split(':').next().unwrap().to_owned()
}

/// Every file below `folder`, with its bytes.
pub(crate) fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                found.push((path, bytes));
            }
        }
    }
    found
}
