// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A site for the tests of synchronisation: a real central server, real boxes with printers of their
//! own, and between each box and the centre a line that can go bad.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use platen_bed::BedError;
use platen_bed::central::{Central, CentralConfig};
use platen_bed::daemon::{Daemon, NodeConfig};
use platen_bed::documents::{self, Paper};
use platen_bed::ipptool::IppTool;
use platen_bed::postgres::Postgres;
use platen_bed::printer::VirtualPrinter;
use platen_bed::proxy::Proxy;
use platen_bed::wait;
use serde_json::Value;
use tempfile::TempDir;

use crate::box_under_test::{CARD, ctl, tap, user, wait_for_jobs};

/// A generous time for what passes between a box and its centre.
pub(crate) const SYNCED: Duration = Duration::from_secs(60);

/// The group that the person is in.
pub(crate) const GROUP: &str = "everybody";

/// Where the centre keeps everything.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Store {
    Sqlite,
    Postgres,
}

/// A site with one person, who has a card.
pub(crate) struct Site {
    pub(crate) boxes: Vec<SiteBox>,
    central: Option<Central>,
    asleep: Option<CentralConfig>,
    document: PathBuf,
    tool: IppTool,
    pub(crate) folder: TempDir,
}

/// A box of it.
pub(crate) struct SiteBox {
    daemon: Option<Daemon>,
    pub(crate) printer: VirtualPrinter,
    pub(crate) line: Proxy,
}

impl Site {
    /// A site with so many boxes, all enrolled and in step.
    pub(crate) fn open(store: Store, boxes: usize) -> Self {
        Self::open_with(store, boxes, |_| ())
    }

    /// The same with changed configurations of the boxes.
    pub(crate) fn open_with(store: Store, boxes: usize, change: impl Fn(&mut NodeConfig)) -> Self {
        let folder = TempDir::new().unwrap();
        let mut config = CentralConfig::new(&folder.path().join("central")).unwrap();
        if store == Store::Postgres {
            config.database = Some(Postgres::shared().unwrap().database().unwrap());
        }
        let central = Central::start(config).unwrap();
        let person = user();
        central.ctl(&["groups", "add", GROUP]).unwrap();
        central
            .ctl(&["users", "add", &person, "--group", GROUP])
            .unwrap();
        central
            .import_users(&format!("{person},A Person,{CARD}\n"))
            .unwrap();
        let document = folder.path().join("page.pdf");
        fs::write(&document, documents::pdf(1, Paper::A4)).unwrap();
        let boxes = (0..boxes)
            .map(|n| SiteBox::open(&folder.path().join(format!("box{n}")), n, &central, &change))
            .collect();
        let tool = IppTool::prepare(&folder.path().join("ipptool")).unwrap();
        let site = Self {
            boxes,
            central: Some(central),
            asleep: None,
            document,
            tool,
            folder,
        };
        site.wait_synced();
        site
    }

    pub(crate) fn central(&self) -> &Central {
        self.central.as_ref().expect("the centre runs")
    }

    pub(crate) fn stop_central(&mut self) {
        let central = self.central.take().expect("the centre runs");
        self.asleep = Some(central.stop().unwrap());
    }

    pub(crate) fn kill_central(&mut self) {
        let central = self.central.take().expect("the centre runs");
        self.asleep = Some(central.kill().unwrap());
    }

    pub(crate) fn start_central(&mut self) {
        let config = self.asleep.take().expect("the centre has stopped");
        self.central = Some(Central::start(config).unwrap());
    }

    /// Waits until every box has the directory as it is now, and the centre every journal.
    pub(crate) fn wait_synced(&self) {
        let status = self.central().list(&["status"]).unwrap().remove(0);
        let latest = status["revision"].as_u64().unwrap();
        for site_box in &self.boxes {
            let synced = wait::until("the box and its centre to know the same", SYNCED, || {
                let centre = site_box.daemon().centre()?;
                let has_all = centre["revision"].as_u64() >= Some(latest);
                let sent_all = centre["state"] == "online" && centre["backlog"] == 0;
                Ok((has_all && sent_all).then_some(()))
            });
            synced.unwrap_or_else(|error| {
                let centre = site_box.daemon().centre().unwrap_or_default();
                panic!("{error}, directory {latest}: {centre:#}")
            });
        }
    }

    /// Sends a document of one page to a box, as the site's one person.
    pub(crate) fn print(&self, place: usize) {
        let file = self.document.to_string_lossy();
        let uri = self.boxes[place].daemon().uri();
        let score = self
            .tool
            .run_with(&uri, "print-job.test", &["-f", &file], None);
        let score = score.unwrap();
        assert_eq!(
            (score.passed.len(), score.failed.len()),
            (1, 0),
            "{score:?}"
        );
    }

    /// The same, taps, and waits until it is printed and charged. Returns the panel's signal.
    pub(crate) fn print_and_tap(&self, place: usize) -> String {
        self.print(place);
        let one = &self.boxes[place];
        one.await_counted();
        let signal = one.tap();
        if signal == "accepted" {
            one.await_printed();
        }
        signal
    }

    /// Every charge at the centre, by the job's id.
    pub(crate) fn charges(&self) -> BTreeMap<String, Vec<Value>> {
        let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for charge in self.central().list(&["charges"]).unwrap() {
            let job = charge["job"].as_str().unwrap().to_owned();
            all.entry(job).or_default().push(charge);
        }
        all
    }

    /// Holds what the boxes' journals say against what the centre charged: every job that a box
    /// charged is charged once, and no other is. Returns how many there are.
    pub(crate) fn assert_every_charge_once(&self) -> usize {
        let mut charged = BTreeMap::new();
        for site_box in &self.boxes {
            for settled in site_box.journal("settled") {
                if settled["charged"] == true {
                    let job = settled["job"].as_str().unwrap().to_owned();
                    *charged.entry(job).or_insert(0_usize) += 1;
                }
            }
        }
        let twice: Vec<_> = charged.iter().filter(|(_, times)| **times != 1).collect();
        assert!(
            twice.is_empty(),
            "charged more than once by its box: {twice:?}"
        );
        let at_centre = self.charges();
        let times: BTreeMap<_, _> = at_centre
            .iter()
            .map(|(job, charges)| (job.clone(), charges.len()))
            .collect();
        assert_eq!(
            times, charged,
            "job, charges: at the centre, in the journals"
        );
        charged.len()
    }

    /// Holds the boxes' sequence numbers against those that the centre has.
    pub(crate) fn assert_journals_whole(&self) {
        let nodes = self.central().list(&["nodes", "list"]).unwrap();
        for (n, site_box) in self.boxes.iter().enumerate() {
            let name = box_name(n);
            let node = nodes.iter().find(|node| node["name"] == name.as_str());
            let node = node.unwrap_or_else(|| panic!("no {name} in {nodes:?}"));
            let own = site_box.status()["ledger_sequence"].clone();
            assert_eq!(node["kept"], own, "{node}");
        }
    }
}

fn box_name(n: usize) -> String {
    format!("Box {n}")
}

impl SiteBox {
    fn open(folder: &Path, n: usize, central: &Central, change: &impl Fn(&mut NodeConfig)) -> Self {
        let printer = VirtualPrinter::start(&folder.join("printer")).unwrap();
        let line = Proxy::start(central.config().sync).unwrap();
        let node = folder.join("node");
        fs::create_dir_all(&node).unwrap();
        let mut config = NodeConfig::new(&node, &printer.uri()).unwrap();
        config.name = box_name(n);
        config.centre = Some(format!("https://{}", line.address()));
        change(&mut config);
        let daemon = Daemon::start(config).unwrap();
        central.enrol(&daemon).unwrap();
        Self {
            daemon: Some(daemon),
            printer,
            line,
        }
    }

    pub(crate) fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("the box runs")
    }

    /// Ends the box as a power cut does, and starts it again.
    pub(crate) fn cut_power(&mut self) {
        let daemon = self.daemon.take().expect("the box runs");
        self.daemon = Some(Daemon::start(daemon.kill().unwrap()).unwrap());
    }

    /// Ends the box, does something to its folder of data, and starts it again.
    pub(crate) fn while_off(&mut self, change: impl FnOnce(&Path)) {
        let daemon = self.daemon.take().expect("the box runs");
        let config = daemon.stop().unwrap();
        change(&config.folder.join("data"));
        self.daemon = Some(Daemon::start(config).unwrap());
    }

    pub(crate) fn ctl(&self, words: &[&str]) -> Vec<Value> {
        ctl(self.daemon(), words)
    }

    pub(crate) fn status(&self) -> Value {
        self.ctl(&["status"]).remove(0)
    }

    /// Taps the person's card.
    pub(crate) fn tap(&self) -> String {
        tap(self.daemon(), CARD)
    }

    /// Entries of the journal with this name, each without its frame.
    pub(crate) fn journal(&self, name: &str) -> Vec<Value> {
        let entries = self.ctl(&["journal"]).into_iter();
        entries
            .filter_map(|line| line["entry"].get(name).cloned())
            .collect()
    }

    /// Waits until the pages of every job are counted.
    pub(crate) fn await_counted(&self) {
        wait_for_jobs(self.daemon(), "counted jobs", |jobs| {
            jobs.iter().all(|job| !job["count"].is_null())
        });
    }

    /// Waits until nothing is on its way to the printer, and returns all jobs.
    pub(crate) fn await_printed(&self) -> Vec<Value> {
        wait_for_jobs(self.daemon(), "jobs at rest", |jobs| {
            let moves = ["pending", "processing"];
            jobs.iter()
                .all(|job| !moves.iter().any(|state| job["state"] == *state))
        })
    }

    /// Waits until the panel says so to the person's card.
    pub(crate) fn await_tap(&self, signal: &str) {
        let what = format!("the card to be {signal}");
        let found = wait::until(&what, SYNCED, || {
            let said = self.tap();
            if said != signal {
                // The reader lets through so many taps a second.
                wait::pause(Duration::from_millis(300));
            }
            Ok::<_, BedError>((said == signal).then_some(()))
        });
        found.unwrap();
    }
}

/// Copies a folder with everything in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let there = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &there);
        } else {
            fs::copy(&path, &there).unwrap();
        }
    }
}
