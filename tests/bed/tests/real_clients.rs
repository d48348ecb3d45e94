// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The bed's clients against `ippeveprinter`, the printer that CUPS itself ships: what fails here
//! is the bed or the machine, not the box.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use platen_bed::cups::{Cups, CupsOptions, QueueState, free_address};
use platen_bed::documents::{self, Paper};
use platen_bed::ipptool::{IPP_1_1_TESTS, IPP_2_0_TESTS, IppTool};
use platen_bed::netns::PrivateNetwork;
use platen_bed::process::{Program, installed_program};
use platen_bed::wait;

const LIMIT: Duration = Duration::from_secs(20);

/// A reference printer inside the network; keeps what it gets in `spool`.
struct Reference {
    _program: Program,
    address: SocketAddr,
    spool: PathBuf,
}

impl Reference {
    fn start(network: &PrivateNetwork, folder: &Path) -> Self {
        let address = free_address().unwrap();
        let spool = folder.join("spool");
        fs::create_dir_all(&spool).unwrap();
        let mut command = network.command(installed_program("ippeveprinter").unwrap());
        command
            .args(["-p", &address.port().to_string(), "-k", "-d"])
            .arg(&spool)
            .args([
                "-f",
                "application/pdf,image/jpeg,image/pwg-raster,image/urf",
            ])
            .args(["-c", "/bin/true", "Reference"]);
        let program = Program::start("ippeveprinter", command, folder).unwrap();
        let reference = Self {
            _program: program,
            address,
            spool,
        };
        // Only programs inside the network can reach it.
        wait::until("the reference printer", LIMIT, || {
            let mut ask = network.command(installed_program("ipptool")?);
            ask.args(["-q", &reference.uri(), "get-printer-attributes.test"]);
            Ok(platen_bed::process::run(&mut ask).ok())
        })
        .unwrap();
        reference
    }

    fn uri(&self) -> String {
        format!("ipp://127.0.0.1:{}/ipp/print", self.address.port())
    }

    /// The documents it has been sent.
    fn documents(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.spool).unwrap();
        files
            .map(|file| file.unwrap().path())
            .filter(|path| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"%PDF-")))
            .collect()
    }
}

fn sample(folder: &Path) -> PathBuf {
    let file = folder.join("sample.pdf");
    fs::write(&file, documents::pdf(2, Paper::A4)).unwrap();
    file
}

#[test]
fn a_private_cups_prints_to_a_driverless_queue_and_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let network = PrivateNetwork::start(&folder.path().join("net")).unwrap();
    let reference = Reference::start(&network, folder.path());
    let options = CupsOptions {
        network: Some(&network),
        ..CupsOptions::default()
    };
    let cups = Cups::start(&folder.path().join("cups"), options).unwrap();
    let file = sample(folder.path());

    cups.add_everywhere_queue("office", &reference.uri())
        .unwrap();
    assert_eq!(cups.queue_state("office").unwrap(), QueueState::Idle);
    assert_eq!(
        cups.lp("office", &file, &["sides=one-sided"]).unwrap(),
        "office-1"
    );
    cups.wait_idle("office", LIMIT).unwrap();
    let arrived = reference.documents();
    assert_eq!(arrived.len(), 1, "{}", cups.error_log());

    // No queue was made for this name: CUPS finds it by DNS-SD and makes one for the job.
    cups.lp("Reference", &file, &[]).unwrap();
    wait::until("the job by name", LIMIT, || {
        Ok((reference.documents().len() == 2).then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", cups.error_log()));
    cups.stop().unwrap();
}

#[test]
fn the_ipp_suites_run_to_their_last_test() {
    let folder = tempfile::tempdir().unwrap();
    let network = PrivateNetwork::start(&folder.path().join("net")).unwrap();
    let reference = Reference::start(&network, folder.path());
    let tool = IppTool::prepare(&folder.path().join("ipptool")).unwrap();
    let quick = ["-d", "NOPRINT=1"];
    for (suite, tests) in [
        ("ipp-1.1.test", IPP_1_1_TESTS),
        ("ipp-2.0.test", IPP_2_0_TESTS),
    ] {
        let score = tool
            .run_with(&reference.uri(), suite, &quick, Some(&network))
            .unwrap();
        assert_eq!(
            score.tests(),
            tests,
            "{} {:?}",
            score.summary(),
            score.stopped
        );
        assert!(
            score.passed.len() > 20,
            "{} {:?}",
            score.summary(),
            score.failed
        );
    }
}

#[test]
fn a_missing_document_is_seen_in_the_number_of_tests() {
    let folder = tempfile::tempdir().unwrap();
    let network = PrivateNetwork::start(&folder.path().join("net")).unwrap();
    let reference = Reference::start(&network, folder.path());
    let tool = IppTool::prepare(&folder.path().join("ipptool")).unwrap();
    fs::remove_file(tool.folder().join("color.jpg")).unwrap();
    let score = tool
        .run_with(&reference.uri(), "ipp-1.1.test", &[], Some(&network))
        .unwrap();
    assert!(score.tests() < IPP_1_1_TESTS, "{}", score.summary());
    assert!(score.stopped.is_some());
}
