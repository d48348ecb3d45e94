// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Installing an update: what is refused and in which words, with RAUC's own look at bundles and keys made
//! on the spot. Only the writing of slots, which needs a box, is done by a program in its place.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::bench::{Bench, program, project, ran};

const BOARD: &str = "qemu_x86_64";
const ORDER: &str =
    r#"{"source":"centre","allow_older":false,"expect":["daemon","disk","device reader"]}"#;

/// Keys, and bundles signed with them.
struct Workshop {
    folder: TempDir,
}

impl Workshop {
    fn new() -> Self {
        let workshop = Self {
            folder: TempDir::new().unwrap(),
        };
        let made = ran(
            Command::new(project().join("buildroot/scripts/dev-keys.sh")).arg(workshop.at("keys")),
        );
        assert!(made.ok, "{}", made.err);
        workshop
    }

    fn at(&self, place: &str) -> PathBuf {
        self.folder.path().join(place)
    }

    fn content(&self, compatible: &str, version: &str, format: &str) -> PathBuf {
        let folder = self.at("content");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        // Bytes that squashfs can't make smaller: RAUC takes no bundle below a block.
        let noise: Vec<u8> = (0..8192_u32)
            .flat_map(|n| (n.wrapping_mul(0x9e37_79b9)).to_le_bytes())
            .collect();
        fs::write(folder.join("root.img"), noise).unwrap();
        let manifest = format!(
            "[update]\ncompatible={compatible}\nversion={version}\n\n[bundle]\nformat={format}\n\n\
             [image.rootfs]\nfilename=root.img\n"
        );
        fs::write(folder.join("manifest.raucm"), manifest).unwrap();
        folder
    }

    fn bundle_of(&self, compatible: &str, version: &str, format: &str) -> Vec<u8> {
        let (content, file) = (
            self.content(compatible, version, format),
            self.at("new.raucb"),
        );
        let _ = fs::remove_file(&file);
        let keys = self.at("keys");
        let made = ran(Command::new(program("rauc"))
            .args(["bundle", "--cert"])
            .arg(keys.join("sign.pem"))
            .arg("--key")
            .arg(keys.join("sign.key"))
            .args([&content, &file]));
        assert!(made.ok, "{}", made.err);
        fs::read(file).unwrap()
    }

    fn bundle(&self, version: &str) -> Vec<u8> {
        self.bundle_of(&format!("platen-{BOARD}"), version, "verity")
    }
}

/// How the installation ends that stands in for RAUC's.
const WELL: &str = "echo installing; echo '  0% Installing'; echo ' 20% Checking bundle'; echo ' 80% Updating slots'; \
                    echo '100% Installing done.'; echo 'Installing succeeded'";
const BROKEN: &str = "echo '  0% Installing'; echo ' 40% Copying image to rootfs.1'; echo 'LastError: no \"space\" left'; \
                      echo 'Installing failed'; exit 1";

/// A box with RAUC: looking at bundles is the real one's, with the box's configuration and these keys.
fn bench(workshop: &Workshop, install: &str) -> Bench {
    let bench = Bench::new(BOARD);
    let text =
        fs::read_to_string(project().join("buildroot/rootfs-overlay/etc/rauc/system.conf.in"))
            .unwrap();
    let text = text
        .replace("@COMPATIBLE@", &format!("platen-{BOARD}"))
        .replace("@BOOTLOADER_LINES@", "bootloader=noop")
        .replace("@HANDLER_LINES@", "")
        .replace(
            "/etc/rauc/keyring.pem",
            &workshop.at("keys/ca.pem").to_string_lossy(),
        );
    bench.write("etc/rauc/system.conf", &text);
    let real = format!(
        "exec {} --conf={} \"$@\"",
        program("rauc").display(),
        bench.at("etc/rauc/system.conf").display()
    );
    let seen = bench.at("seen").display().to_string();
    bench.stub(
        "rauc",
        &format!(
            "case $1 in info) {real} ;; install) cp {}/data/update/*.json {seen} 2>/dev/null; \
             {install} ;; esac",
            bench.at("").display()
        ),
    );
    fs::create_dir(bench.at("seen")).unwrap();
    bench
}

fn order(bench: &Bench, bundle: &[u8], order: &str) {
    fs::write(bench.at("data/update/bundle.raucb"), bundle).unwrap();
    bench.write("run/platen/orders/install", order);
    let ran = bench.run("install", &[]);
    assert!(ran.ok, "{ran:?}");
    for gone in [
        "data/update/bundle.raucb",
        "data/rauc/bundle.raucb",
        "run/platen/orders/install",
        "run/platen-install",
    ] {
        assert!(!bench.has(gone), "{gone} is left behind: {ran:?}");
    }
}

fn refused(bench: &Bench, bundle: &[u8], words: &str) {
    order(bench, bundle, ORDER);
    let reason = bench.state("reason");
    assert_eq!(bench.state("phase"), "refused", "{reason}");
    assert!(reason.contains(words), "{reason}");
    assert!(!bench.calls().contains("rauc install"), "{}", bench.calls());
    assert!(!bench.has("data/update/trial.json"));
}

#[test]
fn overlay_installs_a_newer_bundle_and_leaves_a_trial() {
    let workshop = Workshop::new();
    let bench = bench(&workshop, WELL);
    order(&bench, &workshop.bundle("1.3.0"), ORDER);
    let told = [
        "phase", "percent", "version", "from", "slot", "source", "reason",
    ]
    .map(|key| bench.state(key));
    assert_eq!(
        told,
        ["installed", "100", "1.3.0", "1.2.3", "B", "centre", ""]
    );
    let trial: serde_json::Value =
        serde_json::from_str(&bench.read("data/update/trial.json")).unwrap();
    assert_eq!(
        (&trial["slot"], &trial["version"]),
        (&"B".into(), &"1.3.0".into())
    );
    assert_eq!(
        trial["expect"],
        serde_json::json!(["daemon", "disk", "device reader"])
    );
    // The trial was there before RAUC was called: a cut right after the installation finds it.
    assert!(bench.has("seen/trial.json"));
    let during: serde_json::Value = serde_json::from_str(&bench.read("seen/state.json")).unwrap();
    assert_eq!(during["phase"], "installing");
}

#[test]
fn overlay_refuses_bundles_that_are_not_signed_for_this_box() {
    let (workshop, other) = (Workshop::new(), Workshop::new());
    let bench = bench(&workshop, WELL);
    refused(
        &bench,
        &other.bundle("1.3.0"),
        "not signed by a key that this box trusts",
    );
    let unsigned = workshop.at("unsigned.raucb");
    let content = workshop.content(&format!("platen-{BOARD}"), "1.3.0", "verity");
    let made = ran(Command::new(program("mksquashfs"))
        .arg(&content)
        .arg(&unsigned)
        .args(["-quiet", "-no-progress"]));
    assert!(made.ok, "{}", made.err);
    refused(&bench, &fs::read(unsigned).unwrap(), "It is not signed.");
    refused(
        &bench,
        &workshop.bundle_of(&format!("platen-{BOARD}"), "1.3.0", "plain"),
        "of a kind that this box does not take",
    );
    refused(
        &bench,
        &workshop.bundle_of("platen-raspberrypi4_64", "1.3.0", "verity"),
        "It is for platen-raspberrypi4_64",
    );
}

#[test]
fn overlay_refuses_what_is_no_whole_bundle() {
    let workshop = Workshop::new();
    let bench = bench(&workshop, WELL);
    let good = workshop.bundle("1.3.0");
    let words = "no bundle, or not the whole of one";
    for length in [0, 3, 4096, good.len() / 2, good.len() - 1] {
        refused(&bench, &good[..length], words);
    }
    refused(&bench, &vec![0xa5; 20_000], words);
}

#[test]
fn overlay_refuses_an_older_version_unless_it_is_meant() {
    let workshop = Workshop::new();
    let bench = bench(&workshop, WELL);
    refused(
        &bench,
        &workshop.bundle("1.2.2"),
        "It is version 1.2.2, older than 1.2.3, which runs.",
    );
    refused(&bench, &workshop.bundle("1.2.3-rc.1"), "older than 1.2.3");
    refused(
        &bench,
        &workshop.bundle("next"),
        "no version that could be compared",
    );
    order(
        &bench,
        &workshop.bundle("1.2.2"),
        r#"{ "source": "ctl", "allow_older": true, "expect": [] }"#,
    );
    assert_eq!(
        (bench.state("phase"), bench.state("version")),
        ("installed".into(), "1.2.2".into())
    );
    // The same version again is no older one.
    order(&bench, &workshop.bundle("1.2.3"), ORDER);
    assert_eq!(bench.state("phase"), "installed");
}

#[test]
fn overlay_tells_why_an_installation_broke_off_and_leaves_no_trial() {
    let workshop = Workshop::new();
    let bench = bench(&workshop, BROKEN);
    order(&bench, &workshop.bundle("1.3.0"), ORDER);
    assert_eq!(bench.state("phase"), "failed");
    assert!(
        bench.state("reason").contains("no 'space' left"),
        "{}",
        bench.state("reason")
    );
    assert!(!bench.has("data/update/trial.json"));
}

#[test]
fn overlay_takes_no_order_that_it_does_not_understand() {
    let workshop = Workshop::new();
    let bench = bench(&workshop, WELL);
    let good = workshop.bundle("1.3.0");
    let long = format!(r#"{{"source":"ctl","expect":["{}"]}}"#, "x".repeat(5000));
    let many = format!(
        r#"{{"source":"ctl","expect":[{}"x"]}}"#,
        r#""x","#.repeat(32)
    );
    for (bad, words) in [
        ("", "where it comes from"),
        ("not json", "where it comes from"),
        (r#"{"source":"moon","expect":[]}"#, "where it comes from"),
        (
            r#"{"source":"ctl","expect":["a;reboot"]}"#,
            "list of what has to work",
        ),
        (
            r#"{"source":"ctl","expect":["$(id)"]}"#,
            "list of what has to work",
        ),
        (
            r#"{"source":"ctl","expect":[daemon]}"#,
            "list of what has to work",
        ),
        (long.as_str(), "not a file of an order's size"),
        (many.as_str(), "list of what has to work"),
    ] {
        order(&bench, &good, bad);
        assert_eq!(bench.state("phase"), "refused", "{bad}");
        assert!(
            bench.state("reason").contains(words),
            "{bad}: {}",
            bench.state("reason")
        );
    }
    assert!(!bench.calls().contains("rauc install"));
}

/// The folder of updates belongs to the daemon: a daemon that has been taken over must not lead root astray.
#[test]
fn overlay_follows_no_link_out_of_the_daemons_folders() {
    let workshop = Workshop::new();
    let bench = bench(&workshop, WELL);
    let secret = bench.at("etc/secret");
    fs::write(&secret, "root's own").unwrap();
    for place in [
        "data/update/state.json",
        "data/update/trial.json",
        "data/update/bundle.raucb",
    ] {
        symlink(&secret, bench.at(place)).unwrap();
    }
    bench.write("run/platen/orders/install", ORDER);
    assert!(bench.run("install", &[]).ok);
    assert_eq!(bench.state("reason"), "The bundle is not a file.");
    symlink(&secret, bench.at("run/platen/orders/install")).unwrap();
    assert!(bench.run("install", &[]).ok);
    assert_eq!(
        bench.state("reason"),
        "The order is not a file of an order's size."
    );
    assert_eq!(fs::read_to_string(&secret).unwrap(), "root's own");
    // Nor does a folder in the place of a file take anything in.
    fs::remove_file(bench.at("data/update/state.json")).unwrap();
    fs::create_dir(bench.at("data/update/state.json")).unwrap();
    bench.write("run/platen/orders/install", "");
    bench.run("install", &[]);
    assert_eq!(
        fs::read_dir(bench.at("data/update/state.json")).map_or(0, Iterator::count),
        0
    );
}

#[test]
fn overlay_takes_no_update_while_one_is_on_trial() {
    let workshop = Workshop::new();
    let bench = bench(&workshop, WELL);
    bench.write(
        "data/update/trial.json",
        r#"{"slot":"A","version":"1.2.3","expect":[]}"#,
    );
    order(&bench, &workshop.bundle("1.3.0"), ORDER);
    assert!(
        bench.state("reason").contains("on trial"),
        "{}",
        bench.state("reason")
    );
    // A version that was installed and never started may be replaced by a newer one.
    bench.write(
        "data/update/trial.json",
        r#"{"slot":"B","version":"1.2.9","expect":[]}"#,
    );
    order(&bench, &workshop.bundle("1.3.0"), ORDER);
    assert_eq!(bench.state("phase"), "installed");
}

/// RAUC's own step before an installation: the file may have changed since it was looked at.
#[test]
fn overlay_looks_at_the_version_again_when_the_bundle_is_mounted() {
    let bench = Bench::new(BOARD);
    let guard = |bench: &mut Bench, version: &str| {
        bench.write(
            "bundle/manifest.raucm",
            &format!("[update]\ncompatible=x\nversion={version}\n"),
        );
        bench.run("version-guard", &[])
    };
    let mut bench = bench;
    let mounted = bench.at("bundle").display().to_string();
    bench.set("RAUC_BUNDLE_MOUNT_POINT", &mounted);
    assert!(guard(&mut bench, "1.2.3").ok);
    let older = guard(&mut bench, "1.2.2");
    assert!(
        !older.ok && older.err.contains("older than 1.2.3"),
        "{older:?}"
    );
    assert!(!guard(&mut bench, "").ok);
    bench.write("run/platen-install/older-is-allowed", "");
    assert!(guard(&mut bench, "1.2.2").ok);
}

#[test]
fn overlay_compares_versions_as_their_makers_do() {
    let bench = Bench::new(BOARD);
    let in_order = [
        "0.9.10",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1",
        "1.0.10",
        "1.2.0",
        "1.10.0",
        "2.0.0",
        "10.0.0",
    ];
    let mut words = String::new();
    for (index, left) in in_order.iter().enumerate() {
        for (other, right) in in_order.iter().enumerate() {
            let wanted = if index < other { "" } else { "! " };
            words += &format!("{wanted}older {left} {right} || echo '{left} {right}'\n");
        }
    }
    words += "! older 1.0.0+a 1.0.0+b || echo build\n";
    let ran = bench.shell(&words);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    for bad in [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "v1.2.3",
        "1.2.x",
        "1.2.3 ",
        "1234567890.0.0",
        "1.2.3-",
        "1.2.3;id",
    ] {
        assert!(!bench.shell(&format!("is_version '{bad}'")).ok, "{bad}");
    }
}

/// The folder of a USB stick, and the box it is plugged into.
fn stick(workshop: &Workshop, bundles: &[(&str, Vec<u8>)]) -> Bench {
    let bench = bench(workshop, WELL);
    let health = r#"{"version":"1.2.3","slot":"A","items":[{"name":"daemon","ok":true,"text":"x"},"#
        .to_owned()
        + r#"{"name":"printer hall","ok":false,"text":"off"},{"name":"device reader","ok":true,"text":""}]}"#;
    bench.stub("platenctl", &format!("echo '{health}'"));
    for (name, bundle) in bundles {
        let path = bench.at("run/platen-usb/platen").join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, bundle).unwrap();
    }
    let ran = bench.run("usb-update", &["sda1"]);
    assert!(ran.ok, "{ran:?}");
    bench
}

#[test]
fn overlay_takes_the_newest_fitting_update_from_a_stick() {
    let workshop = Workshop::new();
    let newest = workshop.bundle("1.10.0");
    let foreign = workshop.bundle_of("platen-raspberrypi4_64", "9.0.0", "verity");
    let bundles = [
        ("a.raucb", workshop.bundle("1.9.0")),
        ("b c.raucb", newest.clone()),
        ("d.raucb", workshop.bundle("1.0.0")),
        ("e.raucb", foreign),
        ("f.raucb", vec![0; 5000]),
    ];
    let bench = stick(&workshop, &bundles);
    assert_eq!(
        fs::read(bench.at("data/update/bundle.raucb")).unwrap(),
        newest
    );
    assert_eq!(
        bench.read("run/platen/orders/install").trim(),
        r#"{"source":"usb","allow_older":false,"expect":["daemon","device reader"]}"#
    );
    assert!(bench.run("install", &[]).ok);
    assert_eq!(
        (
            bench.state("phase"),
            bench.state("version"),
            bench.state("source")
        ),
        ("installed".into(), "1.10.0".into(), "usb".into())
    );
}

#[test]
fn overlay_leaves_a_stick_alone_that_has_nothing_new() {
    let (workshop, other) = (Workshop::new(), Workshop::new());
    let bench = stick(
        &workshop,
        &[
            ("a.raucb", workshop.bundle("1.2.3")),
            ("b.raucb", workshop.bundle("1.2.2")),
        ],
    );
    assert!(!bench.has("run/platen/orders/install") && !bench.has("data/update/state.json"));
    // One that can't be trusted is told of: whoever plugged it in waits for something.
    let bench = stick(&workshop, &[("new.raucb", other.bundle("2.0.0"))]);
    assert_eq!(bench.state("phase"), "refused");
    assert!(
        bench
            .state("reason")
            .starts_with("new.raucb: It is not signed by a key"),
        "{}",
        bench.state("reason")
    );
    assert!(!bench.has("run/platen/orders/install"));
}
