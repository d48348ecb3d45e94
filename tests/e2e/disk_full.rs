// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A full disk: the client is told, nothing accepted is lost, and it works again when there is room.

use platen_bed::daemon::{Daemon, NodeConfig};
use platen_bed::documents;
use platen_bed::ipptool::IppTool;
use platen_bed::netns::PrivateNetwork;
use platen_bed::printer::VirtualPrinter;
use platen_bed::process::run;
use tempfile::TempDir;

use crate::box_under_test::{CARD, ctl, tap, user};

#[test]
fn a_full_disk_refuses_new_jobs_keeps_the_old_and_recovers() {
    let folder = TempDir::new().unwrap();
    let network = PrivateNetwork::start(&folder.path().join("network")).unwrap();
    let node = folder.path().join("node");
    let data = node.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let mut mount = network.command("mount");
    run(mount
        .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"])
        .arg(&data))
    .unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir_all(&out).unwrap();
    let mut config = NodeConfig::new(&node, &format!("file:{}", out.display())).unwrap();
    config.further = "\n[spool]\nreserve_mib = 4\n".to_owned();
    let daemon = Daemon::start_in(&network, config).unwrap();
    daemon
        .import_users(&format!("{},,{CARD}\n", user()))
        .unwrap();

    let tool = IppTool::prepare(&folder.path().join("ipptool")).unwrap();
    let file = folder.path().join("job.pdf");
    std::fs::write(&file, documents::heavy_pdf(2, 5 << 20)).unwrap();
    let print = || {
        let further = ["-f", &file.to_string_lossy()].map(str::to_owned);
        let further: Vec<&str> = further.iter().map(String::as_str).collect();
        tool.run_with(&daemon.uri(), "print-job.test", &further, Some(&network))
            .unwrap()
    };
    let mut accepted = 0;
    let refused = loop {
        let score = print();
        if score.failed.is_empty() {
            accepted += 1;
            assert!(accepted < 10, "24 MiB took {accepted} jobs of 5 MiB");
        } else {
            break score;
        }
    };
    assert!(accepted >= 2, "{refused:?}");
    let reason = format!("{:?}", refused.failed);
    assert!(reason.contains("server-error-temporary-error"), "{reason}");
    assert_eq!(
        ctl(&daemon, &["jobs"]).len(),
        accepted,
        "nothing accepted is lost"
    );

    assert_eq!(
        tap(&daemon, CARD),
        "accepted",
        "release works on a full disk"
    );
    crate::box_under_test::wait_for_jobs(&daemon, "the jobs' end", |jobs| {
        jobs.iter().all(|job| job["state"] == "completed")
    });
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), accepted);
    assert!(print().failed.is_empty(), "there is room again");
}

/// The printer's side of a full disk is its own matter; here the whole office runs on one.
#[test]
fn a_box_whose_disk_is_full_from_the_start_says_so() {
    let folder = TempDir::new().unwrap();
    let printer = VirtualPrinter::start(&folder.path().join("printer")).unwrap();
    let network = PrivateNetwork::start(&folder.path().join("network")).unwrap();
    let node = folder.path().join("node");
    let data = node.join("data");
    std::fs::create_dir_all(&data).unwrap();
    run(network
        .command("mount")
        .args(["-t", "tmpfs", "-o", "size=4k", "tmpfs"])
        .arg(&data))
    .unwrap();
    let config = NodeConfig::new(&node, &printer.uri()).unwrap();
    let failed = Daemon::start_in(&network, config).unwrap_err().to_string();
    assert!(
        failed.contains("No space left") || failed.contains("full"),
        "{failed}"
    );
}
