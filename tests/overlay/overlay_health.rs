// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is decided after a start: the good slot, the trial that is passed, the one that is not, the one
//! that never came up; and that a cut between two steps only asks once more.

use std::fs;

use crate::bench::{Bench, CUT};

const TRIAL_OF_B: &str = r#"{"slot":"B","version":"1.3.0","source":"centre","from":"1.2.3","expect":["daemon","printer hall"]}"#;
const INSTALLED: &str = r#"{"phase":"installed","percent":100,"version":"1.3.0","from":"1.2.3",
    "slot":"B","source":"centre","reason":"","at_unix_ms":1}"#;

/// What is asked first at every examination.
const NETWORK: &str = "systemctl --quiet is-active platen-firewall.service\n\
                       systemctl --quiet is-active systemd-networkd.service\n";

/// A box that answers the question for its health with that status and these words about faults.
fn bench(slot: &str, well: bool, faults: &str) -> Bench {
    let bench = Bench::new("qemu_x86_64");
    bench.running(slot);
    bench.stub("rauc", "");
    bench.stub("systemctl", "");
    bench.stub(
        "platenctl",
        &format!(
            "echo 'ok daemon'; echo '{faults}' >&2; exit {}",
            u8::from(!well)
        ),
    );
    bench
}

fn with_trial(bench: &Bench) {
    bench.write("data/update/trial.json", TRIAL_OF_B);
    bench.write("data/update/state.json", INSTALLED);
}

#[test]
fn overlay_marks_a_slot_good_when_daemon_and_disk_answer() {
    let bench = bench("A", true, "");
    let ran = bench.run("health", &[]);
    assert!(ran.ok, "{ran:?}");
    assert_eq!(
        bench.calls(),
        format!("{NETWORK}platenctl health --wait 120\nrauc status mark-good booted\n")
    );
    assert!(
        !bench.has("data/update/state.json"),
        "a usual start is no news"
    );
}

#[test]
fn overlay_marks_nothing_when_the_box_is_ill_outside_a_trial() {
    let bench = bench("A", false, "not well: disk: read-only");
    let ran = bench.run("health", &[]);
    assert!(
        ran.ok && ran.err.contains("not well: disk: read-only"),
        "{ran:?}"
    );
    assert_eq!(
        bench.calls(),
        format!("{NETWORK}platenctl health --wait 120\n")
    );
}

#[test]
fn overlay_gives_up_a_new_version_without_a_network() {
    let bench = bench("B", true, "");
    with_trial(&bench);
    bench.stub(
        "systemctl",
        "case $* in *is-active*firewall*) exit 3 ;; esac",
    );
    assert!(bench.run("health", &[]).ok);
    assert_eq!(bench.state("phase"), "fell-back");
    assert!(
        bench
            .state("reason")
            .contains("platen-firewall.service does not run"),
        "{}",
        bench.state("reason")
    );
}

#[test]
fn overlay_keeps_a_new_version_that_does_all_the_old_one_did() {
    let bench = bench("B", true, "");
    with_trial(&bench);
    assert!(bench.run("health", &[]).ok);
    assert_eq!(
        bench.calls(),
        format!(
            "{NETWORK}platenctl health --wait 120 --expect daemon --expect printer hall\nrauc status mark-good booted\n"
        )
    );
    assert_eq!(
        (
            bench.state("phase"),
            bench.state("slot"),
            bench.state("from")
        ),
        ("good".into(), "B".into(), "1.2.3".into())
    );
    assert!(!bench.has("data/update/trial.json"));
}

#[test]
fn overlay_falls_back_when_the_new_version_lost_something() {
    let bench = bench("B", false, "not well: printer hall: is not there");
    with_trial(&bench);
    assert!(bench.run("health", &[]).ok);
    assert_eq!(bench.state("phase"), "fell-back");
    assert_eq!(
        bench.state("reason"),
        "Version 1.3.0 was started and did not pass its examination: not well: printer hall: is not there."
    );
    let calls = bench.calls();
    assert!(
        calls.ends_with("rauc status mark-bad booted\nsystemctl --no-block reboot\n"),
        "{calls}"
    );
    assert!(!bench.has("data/update/trial.json"));
}

#[test]
fn overlay_tells_of_a_new_version_that_did_not_start() {
    let bench = bench("A", true, "");
    with_trial(&bench);
    assert!(bench.run("health", &[]).ok);
    assert_eq!(bench.state("phase"), "fell-back");
    assert_eq!(
        bench.state("reason"),
        "Version 1.3.0 did not start. Version 1.2.3 runs again."
    );
    assert_eq!(
        bench.calls(),
        format!(
            "rauc status mark-bad other\n{NETWORK}platenctl health --wait 120\nrauc status mark-good booted\n"
        )
    );
    assert!(!bench.has("data/update/trial.json"));
    // The next start has nothing left to say, and the news stay what they were.
    assert!(bench.run("health", &[]).ok);
    assert_eq!(bench.state("phase"), "fell-back");
}

#[test]
fn overlay_falls_back_when_the_new_daemon_does_not_stay_up() {
    for word in ["over", "deadline"] {
        let bench = bench("B", false, "");
        with_trial(&bench);
        assert!(bench.run("health", &[word]).ok);
        assert_eq!(bench.state("phase"), "fell-back", "{word}");
        assert!(
            bench.calls().contains("mark-bad booted"),
            "{word}: {}",
            bench.calls()
        );
    }
}

#[test]
fn overlay_starts_a_daemon_again_that_gave_up_outside_a_trial() {
    let ill = bench("A", false, "");
    assert!(ill.run("health", &["over"]).ok);
    assert_eq!(
        ill.calls(),
        "systemctl reset-failed platend.service\nsystemctl --no-block start platend.service\n"
    );
    let late = bench("A", false, "");
    assert!(late.run("health", &["deadline"]).ok);
    assert_eq!(late.calls(), "", "no trial, no deadline");
}

#[test]
fn overlay_calls_an_installation_that_was_cut_off_by_its_name() {
    for (trial, phase) in [
        (false, "checking"),
        (false, "installing"),
        (true, "installing"),
    ] {
        let bench = bench("A", true, "");
        bench.write(
            "data/update/state.json",
            &INSTALLED.replace("installed", phase),
        );
        for leftover in [
            "data/update/bundle.raucb",
            "data/rauc/bundle.raucb",
            "data/rauc/staging",
        ] {
            bench.write(leftover, "half of it");
        }
        if trial {
            bench.write("data/update/trial.json", TRIAL_OF_B);
        }
        assert!(bench.run("health", &[]).ok);
        assert_eq!(bench.state("phase"), "failed", "{phase}");
        assert!(
            bench
                .state("reason")
                .contains("cut off before it was complete"),
            "{phase}"
        );
        assert!(!bench.has("data/update/trial.json"));
        assert!(
            !bench.has("data/rauc/bundle.raucb") && !bench.has("data/update/bundle.raucb"),
            "{phase}, {trial}"
        );
    }
}

/// Each step is a program that stands in for the power: it ends the script there, as a cut would.
#[test]
fn overlay_decides_again_after_a_cut_at_any_step() {
    for (well, last) in [(true, "good"), (false, "fell-back")] {
        for cut_in in ["platenctl", "rauc", "sync", "rm", "mv", "date", "systemctl"] {
            let bench = bench("B", well, "not well: disk: gone");
            with_trial(&bench);
            let real = fs::read_link(bench.at("bin").join(cut_in)).ok();
            let before = fs::read_to_string(bench.at("bin").join(cut_in)).ok();
            bench.stub(cut_in, CUT);
            bench.run("health", &[]);
            match (&real, &before) {
                (Some(real), _) => {
                    fs::remove_file(bench.at("bin").join(cut_in)).unwrap();
                    std::os::unix::fs::symlink(real, bench.at("bin").join(cut_in)).unwrap();
                }
                (None, Some(text)) => fs::write(bench.at("bin").join(cut_in), text).unwrap(),
                (None, None) => panic!("{cut_in} was never there"),
            }
            let decided = !bench.has("data/update/trial.json");
            assert!(bench.run("health", &[]).ok);
            assert_eq!(bench.state("phase"), last, "cut in {cut_in}");
            assert!(!bench.has("data/update/trial.json"));
            assert!(
                decided || bench.calls().contains("mark-"),
                "cut in {cut_in}"
            );
        }
    }
}
