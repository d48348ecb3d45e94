// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Clients that find the box by its name, and clients that talk TLS.

use std::process::Command;

use platen_bed::BedError;
use platen_bed::cups::{Cups, CupsOptions};
use platen_bed::daemon::{Daemon, NodeConfig};
use platen_bed::documents::{self, Paper};
use platen_bed::netns::PrivateNetwork;
use platen_bed::process::{installed_program, output, run};
use platen_bed::wait;
use serde_json::Value;
use tempfile::TempDir;

use crate::box_under_test::{CARD, Office, SOON, files_below, tap, user, wait_for_jobs};

#[test]
fn a_temporary_queue_made_from_the_dns_sd_name_prints() {
    let folder = TempDir::new().unwrap();
    let network = PrivateNetwork::start(&folder.path().join("network")).unwrap();
    let node = folder.path().join("node");
    std::fs::create_dir_all(&node).unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir_all(&out).unwrap();
    let mut config = NodeConfig::new(&node, &format!("file:{}", out.display())).unwrap();
    config.announce = "loopback".to_owned();
    config.name = "Platen in the hall".to_owned();
    let daemon = Daemon::start_in(&network, config).unwrap();
    let options = CupsOptions {
        network: Some(&network),
        ..CupsOptions::default()
    };
    let cups = Cups::start(&folder.path().join("cups"), options).unwrap();
    let document = folder.path().join("page.pdf");
    std::fs::write(&document, documents::pdf(2, Paper::A4)).unwrap();

    // The client learns the name some time after the box has announced it.
    wait::until("the name at the client", SOON, || {
        let mut lpstat = cups.client("lpstat")?;
        let found = String::from_utf8_lossy(&output(lpstat.arg("-e"))?.stdout).into_owned();
        Ok::<_, BedError>(
            found
                .lines()
                .any(|name| name == "Platen_in_the_hall")
                .then_some(()),
        )
    })
    .unwrap();
    cups.lp("Platen_in_the_hall", &document, &[]).unwrap();
    let job = wait::until("the job at the box", SOON, || {
        let jobs = daemon.ctl(&["--json", "jobs"])?;
        let job = jobs
            .lines()
            .next()
            .and_then(|line| serde_json::from_str::<Value>(line).ok());
        Ok::<_, BedError>(job.filter(|job| job["count"]["pages"] == 2))
    })
    .unwrap();
    daemon
        .import_users(&format!("{},,{CARD}\n", user()))
        .unwrap();
    assert_eq!(tap(&daemon, CARD), "accepted");
    wait_for_jobs(&daemon, "the job's end", |jobs| {
        jobs[0]["state"] == "completed"
    });
    let printed = files_below(&out);
    let octets = printed.iter().map(|(_, bytes)| bytes.len() as u64);
    assert_eq!(
        octets.collect::<Vec<_>>(),
        [job["octets"].as_u64().unwrap()]
    );
    assert!(printed[0].1.starts_with(b"%PDF-"));
}

#[test]
fn ipps_on_the_same_port_answers_and_keeps_its_certificate() {
    let office = Office::open();
    let uri = office.daemon.uri().replace("ipp://", "ipps://");
    let print = |uri: &str| {
        let mut tool = Command::new(installed_program("ipptool").unwrap());
        run(tool.args(["-t", uri, "get-printer-attributes.test"])).unwrap()
    };
    assert!(print(&uri).contains("PASS"));
    let certificate = office.data().join("tls/cert.pem");
    let before = std::fs::read(&certificate).unwrap();
    let Office {
        daemon,
        printer: _printer,
        folder: _folder,
    } = office;
    let daemon = Daemon::start(daemon.stop().unwrap()).unwrap();
    assert!(print(&uri).contains("PASS"));
    assert_eq!(std::fs::read(&certificate).unwrap(), before);
    drop(daemon);
}

#[test]
fn every_attribute_that_windows_asks_for_is_there() {
    let office = Office::open();
    let mut tool = Command::new(installed_program("ipptool").unwrap());
    let text =
        run(tool.args(["-tv", &office.daemon.uri(), "get-printer-attributes.test"])).unwrap();
    for name in [
        "uri-authentication-supported",
        "document-format-default",
        "document-format-preferred",
        "document-format-supported",
        "ipp-versions-supported",
        "media-supported",
        "media-type-supported",
        "mopria-certified",
        "printer-dns-sd-name",
        "printer-firmware-name",
        "printer-firmware-string-version",
        "printer-device-id",
        "printer-info",
        "printer-uuid",
        "urf-supported",
        "pwg-raster-document-type-supported",
    ] {
        assert!(text.contains(&format!("{name} (")), "{name} is missing");
    }
}
