// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Data of earlier versions, as they left it: today's daemon goes on with it, and writes nothing that
//! they could not read after a step back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use platen_bed::BedError;
use platen_bed::daemon::{Daemon, NodeConfig, source_folder};
use platen_bed::printer::VirtualPrinter;
use platen_bed::process::{output, own_program};
use platen_bed::wait;

use crate::box_under_test::{SOON, ctl, files_below, tap};

/// Magic and version, at the beginning of every file that has them in clear.
const FRONT_BYTES: usize = 10;

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in files_below(from) {
        let place = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, bytes).unwrap();
    }
}

/// The first bytes of the files with this ending, sorted and each once.
fn fronts(data: &Path, folder: &str, ending: &str) -> Vec<Vec<u8>> {
    let files = files_below(&data.join(folder)).into_iter();
    let named = files.filter(|(path, _)| path.extension().is_some_and(|found| found == ending));
    let mut fronts: Vec<_> = named
        .map(|(_, bytes)| bytes[..FRONT_BYTES].to_vec())
        .collect();
    fronts.sort();
    fronts.dedup();
    fronts
}

#[test]
fn what_version_0_1_wrote_is_read() {
    let given: PathBuf = source_folder().join("tests/data/formats/0.1");
    let folder = tempfile::tempdir().unwrap();
    let printer = VirtualPrinter::start(&folder.path().join("printer")).unwrap();
    let node = folder.path().join("node");
    let mut config = NodeConfig::new(&node, &printer.uri()).unwrap();
    // Its jobs are as old as it is.
    config.further = "[spool]\nkeep_hours = 10000000\n".to_owned();
    let data = node.join("data");
    copy(&given, &data);
    let daemon = Daemon::start(config).unwrap();
    let status = ctl(&daemon, &["status"]).remove(0);
    assert_eq!(
        (&status["users"], &status["cards"], &status["held_jobs"]),
        (&2.into(), &2.into(), &2.into()),
        "{status}"
    );
    assert!(
        ctl(&daemon, &["device-keys", "show"])[0]["desfire"]
            .to_string()
            .contains("f48120")
    );
    let jobs = ctl(&daemon, &["jobs"]);
    let named = |number: u64, name: &str| {
        let mut jobs = jobs.iter();
        jobs.any(|job| job["number"] == number && job["name"] == name)
    };
    assert!(named(2, "second") && named(3, "third"), "{jobs:?}");
    assert_eq!(tap(&daemon, "04A1B2C3"), "accepted");
    printer.wait_for_jobs(1, SOON).unwrap();
    let report = ctl(&daemon, &["verify"]).remove(0);
    assert_eq!(report["faults"].as_array().unwrap().len(), 0, "{report}");
    let entries = ctl(&daemon, &["journal"]);
    let kinds: Vec<_> = entries
        .iter()
        .map(|line| line["entry"].as_object().unwrap().keys().next().unwrap())
        .collect();
    assert_eq!(kinds[0], "started");
    assert!(kinds.len() > 6 && kinds.iter().any(|kind| *kind == "settled"));
    let csv = folder.path().join("more.csv");
    fs::write(&csv, "user,name,card\neve,Eve,04AAAAAA\n").unwrap();
    daemon
        .ctl(&["users", "import", &csv.to_string_lossy()])
        .unwrap();
    daemon.stop().unwrap();
    for (below, ending) in [
        ("ledger", "plj"),
        ("users", "sealed"),
        ("device-keys", "sealed"),
    ] {
        assert_eq!(
            fronts(&data, below, ending),
            fronts(&given, below, ending),
            "{below} has a new form: see docs/formats/versions.md for what that takes"
        );
    }
}

/// After a step back the older release may meet a form that it does not know.
#[test]
fn a_box_with_newer_data_stands_aside_untouched_and_takes_the_release_that_mends_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = NodeConfig::new(folder.path(), "socket://127.0.0.1:9").unwrap();
    let (data, update) = (folder.path().join("data"), folder.path().join("update"));
    let orders = folder.path().join("orders");
    fs::create_dir(&update).unwrap();
    config.further = format!("[update]\nfolder = {update:?}\norders = {orders:?}\n");
    copy(&source_folder().join("tests/data/formats/0.1"), &data);
    let keys = data.join("device-keys/keys.sealed");
    let mut newer = fs::read(&keys).unwrap();
    newer[8..10].copy_from_slice(&7_u16.to_le_bytes());
    fs::write(&keys, &newer).unwrap();
    let mut daemon = Daemon::launch(config.clone(), None).unwrap();
    let ctl = |args: &[&str]| {
        let program = own_program("platenctl").unwrap();
        let mut command = Command::new(program);
        let asked = output(command.arg("--socket").arg(config.socket()).args(args)).unwrap();
        let text = [asked.stdout, asked.stderr].concat();
        (
            asked.status.code(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    let told = wait::until("the box to say what is wrong", SOON, || {
        let (code, told) = ctl(&["health"]);
        Ok::<_, BedError>((code == Some(1)).then_some(told))
    })
    .unwrap();
    for words in ["not well: daemon", "newer release", "version 7"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let (code, told) = ctl(&["jobs"]);
    assert!(code == Some(1) && told.contains("newer release"), "{told}");
    let bundle = folder.path().join("new.raucb");
    fs::write(&bundle, b"the newer release").unwrap();
    let far = update.clone();
    let order = orders.join("install");
    let served = std::thread::spawn(move || {
        wait::until("the order to install", SOON, || {
            Ok::<_, BedError>(fs::read_to_string(&order).ok())
        })
        .inspect(|_| {
            let state = r#"{"phase":"installed","version":"9.0.0","slot":"B","at_unix_ms":1}"#;
            fs::write(far.join("state.json"), state).unwrap();
        })
    });
    let (code, told) = ctl(&["update", &bundle.to_string_lossy()]);
    assert_eq!(code, Some(0), "{told}");
    assert!(served.join().unwrap().unwrap().contains("\"daemon\""));
    wait::until("the restart to be ordered", SOON, || {
        Ok::<_, BedError>(orders.join("reboot").exists().then_some(()))
    })
    .unwrap();
    daemon.program().stop().unwrap();
    assert_eq!(fs::read(&keys).unwrap(), newer, "nothing was touched");
}
