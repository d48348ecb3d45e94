// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The box at printers that other people wrote: `ippeveprinter` by IPP and IPPS, CUPS's own LPR
//! server, and another box.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use platen_bed::BedError;
use platen_bed::cups::{Cups, CupsOptions, free_address};
use platen_bed::daemon::{Daemon, NodeConfig};
use platen_bed::documents::{self, Paper};
use platen_bed::ipptool::IppTool;
use platen_bed::netns::PrivateNetwork;
use platen_bed::printer::VirtualPrinter;
use platen_bed::process::{Program, installed_program, run};
use platen_bed::wait;
use serde_json::Value;
use tempfile::TempDir;

use crate::box_under_test::{CARD, SOON, files_below, tap, user, wait_for_jobs};

/// Counts seven sides for every job, so that its count is told from the box's own.
const COUNTS_SEVEN: &str =
    "#!/bin/sh\necho 'ATTR: job-impressions=7 job-impressions-completed=7' >&2\n";

/// CUPS's reference printer. It announces itself by Avahi, so it lives in a network of its own.
struct Reference {
    folder: TempDir,
    network: PrivateNetwork,
    address: SocketAddr,
    _program: Program,
}

impl Reference {
    fn start(command: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let network = PrivateNetwork::start(&folder.path().join("network")).unwrap();
        let address = free_address().unwrap();
        let script = folder.path().join("print");
        fs::write(&script, command).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let spool = folder.path().join("spool");
        fs::create_dir_all(&spool).unwrap();
        let keys = folder.path().join("keys");
        fs::create_dir_all(&keys).unwrap();
        let mut printer = network.command(installed_program("ippeveprinter").unwrap());
        printer
            .args([
                "-p",
                &address.port().to_string(),
                "-k",
                "-2",
                "-n",
                "localhost",
                "-d",
            ])
            .arg(&spool)
            .arg("-K")
            .arg(&keys)
            .args(["-f", "application/pdf,image/jpeg", "-c"])
            .arg(&script)
            .arg("Reference");
        let program = Program::start("ippeveprinter", printer, folder.path()).unwrap();
        let reference = Self {
            folder,
            network,
            address,
            _program: program,
        };
        wait::until("the reference printer", SOON, || {
            let uri = reference.uri("ipp");
            let mut ask = reference.network.command(installed_program("ipptool")?);
            ask.args(["-q", &uri, "get-printer-attributes.test"]);
            Ok::<_, BedError>(run(&mut ask).ok())
        })
        .unwrap();
        reference
    }

    fn uri(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/ipp/print", self.address.port())
    }

    /// A box in the same network that prints there.
    fn office(&self, scheme: &str, further: &str) -> Daemon {
        let node = self.folder.path().join("node");
        fs::create_dir_all(&node).unwrap();
        let mut config = NodeConfig::new(&node, &self.uri(scheme)).unwrap();
        config.pjl_status = false;
        further.clone_into(&mut config.further);
        let daemon = Daemon::start_in(&self.network, config).unwrap();
        with_user(daemon)
    }

    fn print(&self, daemon: &Daemon, document: &[u8]) {
        print(self.folder.path(), daemon, document, Some(&self.network));
    }

    /// Documents that the printer has kept.
    fn printed(&self) -> Vec<Vec<u8>> {
        let kept = files_below(&self.folder.path().join("spool"));
        kept.into_iter().map(|(_, bytes)| bytes).collect()
    }
}

fn with_user(daemon: Daemon) -> Daemon {
    let line = format!("{},A Person,{CARD}\n", user());
    daemon.import_users(&line).unwrap();
    daemon
}

/// Sends a document to the box as it is.
fn print(folder: &Path, daemon: &Daemon, document: &[u8], network: Option<&PrivateNetwork>) {
    let file = folder.join("document");
    fs::write(&file, document).unwrap();
    let tool = IppTool::prepare(&folder.join("ipptool")).unwrap();
    let file = file.to_string_lossy();
    let score = tool
        .run_with(&daemon.uri(), "print-job.test", &["-f", &file], network)
        .unwrap();
    assert_eq!(score.passed.len(), 1, "{score:?}");
}

fn wait_until_printed(daemon: &Daemon) {
    wait_for_jobs(daemon, "the job's end", |jobs| {
        jobs.len() == 1 && jobs[0]["state"] == "completed"
    });
}

/// All that the box's own queue says of its ended jobs.
const ENDED_JOBS: &str = "{ OPERATION Get-Jobs GROUP operation-attributes-tag
  ATTR charset attributes-charset utf-8 ATTR naturalLanguage attributes-natural-language en
  ATTR uri printer-uri $uri ATTR keyword which-jobs completed
  ATTR keyword requested-attributes all STATUS successful-ok }";

fn ended_jobs(reference: &Reference, daemon: &Daemon) -> String {
    let file = reference.folder.path().join("ended-jobs.test");
    fs::write(&file, ENDED_JOBS).unwrap();
    let mut tool = reference
        .network
        .command(installed_program("ipptool").unwrap());
    run(tool.args(["-tv", &daemon.uri()]).arg(file)).unwrap()
}

#[test]
fn a_job_prints_at_a_foreign_ipp_printer_and_is_counted_by_it() {
    let reference = Reference::start(COUNTS_SEVEN);
    let daemon = reference.office("ipp", "");
    let document = documents::heavy_pdf(3, 2 << 20);
    reference.print(&daemon, &document);
    assert_eq!(tap(&daemon, CARD), "accepted");
    wait_until_printed(&daemon);
    let printed = reference.printed();
    assert!(printed.contains(&document), "{} files", printed.len());
    let said = ended_jobs(&reference, &daemon);
    assert!(
        said.contains("job-impressions-completed (integer) = 7"),
        "{said}"
    );
}

#[test]
fn a_job_that_fails_at_a_foreign_ipp_printer_stops_and_is_asked_about() {
    let reference = Reference::start("#!/bin/sh\nexit 1\n");
    let daemon = reference.office("ipp", "");
    reference.print(&daemon, &documents::pdf(1, Paper::A4));
    assert_eq!(tap(&daemon, CARD), "accepted");
    wait_for_jobs(&daemon, "the job's stop", |jobs| {
        jobs.len() == 1 && jobs[0]["state"] == "processing-stopped"
    });
    assert_eq!(tap(&daemon, CARD), "interrupted");
}

#[test]
fn an_ipps_printer_prints_only_with_the_pin_that_its_refusal_told() {
    let reference = Reference::start(COUNTS_SEVEN);
    let mut daemon = reference.office("ipps", "");
    let document = documents::pdf(2, Paper::A4);
    reference.print(&daemon, &document);
    assert_eq!(tap(&daemon, CARD), "printer-error");
    assert!(reference.printed().is_empty());
    let log = daemon.program().log_end();
    let (_, rest) = log
        .split_once("tls_pin = ")
        .expect("the refusal tells the pin");
    let digits: String = rest
        .chars()
        .skip_while(|c| !c.is_ascii_alphanumeric())
        .take_while(|c| c.is_ascii_alphanumeric() || *c == ':')
        .collect();
    daemon.stop().unwrap();

    let daemon = reference.office("ipps", &format!("tls_pin = {digits:?}\n"));
    assert_eq!(tap(&daemon, CARD), "accepted");
    wait_until_printed(&daemon);
    assert!(reference.printed().contains(&document));
}

#[test]
fn a_job_goes_through_another_box_to_its_printer_and_is_counted_at_both() {
    let folder = TempDir::new().unwrap();
    let printer = VirtualPrinter::start(&folder.path().join("printer")).unwrap();
    let far = folder.path().join("far");
    fs::create_dir_all(&far).unwrap();
    let mut config = NodeConfig::new(&far, &printer.uri()).unwrap();
    config.further = "push = true\n".to_owned();
    let far = Daemon::start(config).unwrap();
    let near = folder.path().join("near");
    fs::create_dir_all(&near).unwrap();
    let uri = far.uri().replace("/ipp/print", "/ipp/push/printer");
    let near = with_user(Daemon::start(NodeConfig::new(&near, &uri).unwrap()).unwrap());
    let document = documents::heavy_pdf(4, 3 << 20);
    print(folder.path(), &near, &document, None);
    assert_eq!(tap(&near, CARD), "accepted");
    let printed = printer.wait_for_job(1, SOON).unwrap();
    assert!(
        printer.document(&printed).unwrap() == document,
        "bytes differ"
    );
    for daemon in [&near, &far] {
        wait_until_printed(daemon);
    }
    // The far box knows nobody's name.
    let jobs = far.ctl(&["--json", "jobs", "--all"]).unwrap();
    let job: Value = serde_json::from_str(jobs.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&job["owner"], &job["name"]),
        (&"platen".into(), &"platen".into())
    );
}

/// Answers connections as inetd would: `cups-lpd` with the socket as its standard input and output.
fn lpd_in_front_of(cups: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let output = stream.unwrap();
            let input = output.try_clone().unwrap();
            let mut server = Command::new("/usr/lib/cups/daemon/cups-lpd");
            server
                .args(["-n", "-h", &cups.to_string()])
                .stdin(Stdio::from(std::os::fd::OwnedFd::from(input)))
                .stdout(Stdio::from(std::os::fd::OwnedFd::from(output)));
            let mut server = server.spawn().unwrap();
            drop(server.wait());
        }
    });
    address
}

#[test]
fn a_job_prints_at_the_lpr_server_of_cups() {
    let folder = TempDir::new().unwrap();
    let cups = Cups::start(&folder.path().join("cups"), CupsOptions::default()).unwrap();
    let printer = VirtualPrinter::start(&folder.path().join("printer")).unwrap();
    cups.add_raw_queue("raw", &printer.uri()).unwrap();
    // Its LPR server offers shared queues alone.
    let mut share = cups.client("lpadmin").unwrap();
    run(share.args(["-p", "raw", "-o", "printer-is-shared=true"])).unwrap();
    let lpd = lpd_in_front_of(cups.address());
    let node = folder.path().join("node");
    fs::create_dir_all(&node).unwrap();
    let config = NodeConfig::new(&node, &format!("lpd://{lpd}/raw")).unwrap();
    let daemon = with_user(Daemon::start(config).unwrap());
    let document = documents::heavy_pdf(3, 2 << 20);
    print(folder.path(), &daemon, &document, None);
    assert_eq!(tap(&daemon, CARD), "accepted");
    wait_until_printed(&daemon);
    let printed = printer.wait_for_job(1, SOON).unwrap();
    assert!(
        printer.document(&printed).unwrap() == document,
        "bytes differ"
    );
    let jobs = cups.lpstat(&["-W", "completed", "-l", "-o"]).unwrap();
    assert!(
        jobs.contains("platen") && !jobs.contains(&user()),
        "the server was told a name: {jobs}"
    );

    // A queue that is not there refuses the job before its bytes, and the job waits on.
    let config = daemon.stop().unwrap();
    let uri = format!("lpd://{lpd}/none");
    let config = NodeConfig {
        printer_uri: uri,
        ..config
    };
    let daemon = Daemon::start(config).unwrap();
    print(folder.path(), &daemon, &document, None);
    tap(&daemon, CARD);
    wait_for_jobs(&daemon, "the job to wait again", |jobs| {
        jobs.iter().any(|job| job["state"] == "pending-held")
    });
}
