// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Starts that are not the usual one: a damaged index, a lost key, a damaged body, a second daemon,
//! a taken port, a mistake in a file. What can be saved is saved; else the first line says what to do.

use std::fs;
use std::path::{Path, PathBuf};

use platen_bed::daemon::{Daemon, NodeConfig};
use platen_bed::documents::{self, Noise, Paper};

use crate::box_under_test::{Office, SOON, files_below};

/// The office after its box was off; `meanwhile` is done to its data.
fn restarted(office: Office, meanwhile: impl FnOnce(&Path)) -> Office {
    let data = office.data();
    let Office {
        daemon,
        printer,
        folder,
    } = office;
    let config = daemon.kill().unwrap();
    meanwhile(&data);
    Office {
        daemon: Daemon::start(config).unwrap(),
        printer,
        folder,
    }
}

fn office_with_jobs(jobs: usize) -> Office {
    let office = Office::open();
    let file = office.file("job.pdf", &documents::pdf(1, Paper::A4));
    (0..jobs).for_each(|_| office.print(&file));
    office
}

/// Files of the spool with this ending.
fn spooled(data: &Path, ending: &str) -> Vec<PathBuf> {
    let files = files_below(&data.join("jobs")).into_iter();
    let mut paths: Vec<_> = files.map(|(path, _)| path).collect();
    paths.retain(|path| path.extension().is_some_and(|found| found == ending));
    paths
}

fn refusal(config: NodeConfig) -> String {
    Daemon::start(config).unwrap_err().to_string()
}

#[test]
fn a_damaged_index_is_made_again_from_the_files() {
    let office = office_with_jobs(2);
    let office = restarted(office, |data| {
        let database = data.join("database");
        let mut noise = Noise::new(5);
        for (path, bytes) in files_below(&database) {
            fs::write(path, noise.bytes(bytes.len().clamp(64, 1 << 20))).unwrap();
        }
    });
    let status = &office.ctl(&["status"])[0];
    let modes = status["modes"].as_array().unwrap();
    assert!(modes.iter().any(|mode| mode == "index-rebuilt"), "{status}");
    assert_eq!(
        (&status["users"], &status["held_jobs"]),
        (&1.into(), &2.into())
    );
    assert_eq!(office.tap(), "accepted");
    office.printer.wait_for_jobs(2, SOON).unwrap();
}

#[test]
fn without_its_key_the_box_refuses_and_with_it_everything_is_back() {
    let office = office_with_jobs(1);
    let data = office.data();
    let (key, kept) = (
        data.join("keys/box.key"),
        office.folder.path().join("kept.key"),
    );
    let Office { daemon, folder, .. } = office;
    let config = daemon.kill().unwrap();
    fs::rename(&key, &kept).unwrap();
    let said = refusal(config.clone());
    assert!(said.contains("box.key is missing"), "{said}");
    assert!(
        !key.exists(),
        "a new key would hide that the old one is lost"
    );
    fs::write(&key, b"not a key").unwrap();
    let said = refusal(config.clone());
    assert!(said.contains("box.key is damaged"), "{said}");
    fs::rename(&kept, &key).unwrap();
    let daemon = Daemon::start(config).unwrap();
    assert_eq!(crate::box_under_test::ctl(&daemon, &["jobs"]).len(), 1);
    drop(folder);
}

#[test]
fn a_second_daemon_on_the_same_data_or_port_says_what_is_in_its_way() {
    let office = Office::open();
    let config = office.daemon.config().clone();
    let other_port = NodeConfig::new(&config.folder, &config.printer_uri).unwrap();
    let said = refusal(other_port);
    assert!(
        said.contains("another platend uses this data directory"),
        "{said}"
    );
    let elsewhere = NodeConfig {
        folder: office.folder.path().join("elsewhere"),
        ..config.clone()
    };
    let said = refusal(elsewhere);
    assert!(
        said.contains(&config.ipp.to_string()) && said.contains("in use"),
        "{said}"
    );
    assert_eq!(office.tap(), "no-jobs", "the first one goes on");
}

#[test]
fn mistakes_in_the_files_are_named_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let sound = NodeConfig::new(folder.path(), "socket://127.0.0.1:9").unwrap();
    let with = |further: &str| NodeConfig {
        further: further.to_owned(),
        ..sound.clone()
    };
    let line = sound.text().lines().count() + 1;
    let said = refusal(with("dupplex = true\n"));
    assert!(
        said.contains(&format!("line {line}")) && said.contains("dupplex"),
        "{said}"
    );
    let said = refusal(with("stall_s = \"a minute\"\n"));
    assert!(
        said.contains(&format!("line {line}")) && said.contains("stall_s"),
        "{said}"
    );
    let uri = NodeConfig {
        printer_uri: "lpd://printer".to_owned(),
        ..sound.clone()
    };
    let said = refusal(uri);
    assert!(said.contains("printer printer: write its uri as"), "{said}");

    let board = folder.path().join("board.toml");
    fs::write(
        &board,
        "name = \"b\"\n[reader]\npart = \"mfrc523\"\nbackend = \"sim\"\n",
    )
    .unwrap();
    let said = refusal(NodeConfig { board, ..sound });
    assert!(said.contains("line 3") && said.contains("part"), "{said}");
    assert!(!folder.path().join("data").exists(), "nothing was touched");
}

#[test]
fn a_damaged_body_is_named_before_its_release_and_ends_its_job_alone() {
    let office = Office::open();
    let document = documents::heavy_pdf(3, 2 << 20);
    let file = office.file("heavy.pdf", &document);
    office.print(&file);
    let office = restarted(office, |data| {
        let body = spooled(data, "body").remove(0);
        let mut bytes = fs::read(&body).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&body, bytes).unwrap();
    });
    let small = office.file("small.pdf", &documents::pdf(1, Paper::A4));
    office.print(&small);

    let faults = verify_faults(&office);
    assert!(
        faults.len() == 1 && faults[0].contains("job 1"),
        "{faults:?}"
    );
    assert_eq!(office.tap(), "accepted");
    office.wait_for_jobs("both ends", |jobs| {
        jobs.iter()
            .all(|job| job["state"] == "aborted" || job["state"] == "completed")
    });
    let jobs = office.ctl(&["jobs", "--all"]);
    let state = |number: u64| &jobs.iter().find(|job| job["number"] == number).unwrap()["state"];
    assert_eq!(
        (state(1), state(2)),
        (&"aborted".into(), &"completed".into())
    );
    let settled: Vec<_> = office
        .ctl(&["journal"])
        .into_iter()
        .map(|line| line["entry"]["settled"].clone())
        .filter(|settled| settled["number"] == 1)
        .collect();
    assert_eq!(settled.len(), 1, "{settled:?}");
    assert_eq!(
        (&settled[0]["outcome"], &settled[0]["charged"]),
        (&"aborted".into(), &false.into())
    );
    assert!(
        verify_faults(&office).is_empty(),
        "the damaged job is gone, the chain holds"
    );
    for (path, bytes) in files_below(office.printer.folder()) {
        let cut = path.extension().is_some_and(|ending| ending == "bin") && bytes.len() > 20_000;
        assert!(
            !cut || document.starts_with(&bytes),
            "garbage in {}",
            path.display()
        );
    }
}

/// `platenctl verify` names faults and ends with status 1.
fn verify_faults(office: &Office) -> Vec<String> {
    let said = match office.daemon.ctl(&["--json", "verify"]) {
        Ok(said) => said,
        Err(error) => error.to_string(),
    };
    let from = said.find('{').unwrap_or_else(|| panic!("{said}"));
    let mut values = serde_json::Deserializer::from_str(&said[from..]).into_iter();
    let report: serde_json::Value = values.next().unwrap().unwrap();
    let faults = report["faults"].as_array().unwrap().iter();
    faults
        .map(|fault| fault.as_str().unwrap().to_owned())
        .collect()
}
