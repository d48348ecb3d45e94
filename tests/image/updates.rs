// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Updates of the image: by `platenctl`, from a USB stick; good ones, broken ones, ones that the box must
//! refuse, and ones that the power is cut from under. The box always starts, in one version or the other,
//! and what was held is held.
//!
//! Where GRUB's choice of the slot is in question, the box is started by its firmware.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use platen_bed::documents::Noise;
use platen_bed::process::{installed_program, run};
use platen_bed::qemu::{Guest, ImageOptions, Partition, Start};
use platen_bed::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::box_in_guest::GuestBox;
use crate::image_under_test::{
    BoxDisk, LONG, VERSION, await_end, await_examined, built, ends_within, journal, sit_down, tries,
};

/// Builds that tests/image/make.sh makes bundles of: a good release, and one whose daemon ends at once.
const NEWER: &str = "9.1.0";
const BROKEN: &str = "9.2.0";
const COMPATIBLE: &str = "platen-qemu_x86_64";
/// Where a bundle is put in a guest.
const BUNDLE: &str = "/run/bundle.raucb";
const STATE: &str = "/data/update/state.json";
/// Updates that are cut off in each half.
const CUTS: usize = 10;
const CUTS_PART: usize = 1;
/// After each so many cuts the update is tried once more.
const UPDATED_AGAIN: usize = 5;
/// About so long an update takes on an emulated processor, until the new version has been found good.
const UPDATE_MS: u64 = 90_000;
/// Starts until GRUB gives a slot up that does not start.
const STARTS_MAX: usize = 5;

#[test]
fn an_update_is_taken_and_when_its_slot_rots_the_other_one_starts() {
    let (mut machine, mut seat) = BoxDisk::in_use();
    begin(&mut seat.guest, NEWER);
    await_end(&mut seat.guest);
    drop(seat);

    let mut seat = machine.open(Start::Firmware);
    let state = await_phase(&mut seat.guest, "good");
    assert_eq!(
        (text(&state, "version"), text(&state, "slot")),
        (NEWER, "B")
    );
    await_examined(&mut seat.guest);
    look_over(&mut seat, NEWER, "B");
    assert_eq!(boot_state(&machine), ["B A", "1", "0", "1", "0"]);
    seat.guest.power_off().unwrap();

    // Its root's first block is the one that is read first.
    machine
        .disk
        .overwrite(Partition::RootB, &[0xA5; 4096])
        .unwrap();
    let mut starts = 1;
    let options = ImageOptions::new(Start::Firmware);
    let guest = loop {
        match machine.try_start(&options) {
            Ok(guest) => break guest,
            Err(_) if starts < STARTS_MAX => starts += 1,
            Err(error) => panic!("no start out of {starts}: {error}"),
        }
    };
    println!("the other slot runs after {starts} starts");
    let mut seat = sit_down(guest);
    look_over(&mut seat, VERSION.trim(), "A");
    seat.guest.cut_power().unwrap();
}

#[test]
fn a_release_with_a_broken_daemon_is_left_again_by_itself() {
    let (mut machine, mut seat) = BoxDisk::in_use();
    plug_in_stick(&mut seat.guest, BROKEN);
    let state = await_phase(&mut seat.guest, "installed");
    assert_eq!(
        (text(&state, "version"), text(&state, "source")),
        (BROKEN, "usb")
    );
    let _ends = seat.guest.ctl(&["reboot", "--now"]);
    await_end(&mut seat.guest);
    drop(seat);

    let mut guest = machine.start(Start::Kept);
    await_end(&mut guest);
    drop(guest);

    let mut seat = machine.open(Start::Firmware);
    let state = await_phase(&mut seat.guest, "fell-back");
    let reason = text(&state, "reason");
    assert!(reason.contains("did not stay up"), "{state}");
    await_examined(&mut seat.guest);
    look_over(&mut seat, VERSION.trim(), "A");
    let [_, a_ok, a_try, b_ok, _] = boot_state(&machine);
    assert_eq!([a_ok.as_str(), &a_try, &b_ok], ["1", "0", "0"]);
    seat.guest.cut_power().unwrap();
}

#[test]
fn bundles_that_are_not_for_this_box_are_refused_with_a_reason_and_change_nothing() {
    let (machine, mut seat) = BoxDisk::in_use();
    let small = SmallBundles::new();
    let before = everything_but_data(&machine);
    for (bundle, reason) in small.refused() {
        let state = offer(&mut seat.guest, &bundle, &[]);
        println!("{}: {state}", bundle.display());
        assert_eq!(text(&state, "phase"), "refused", "{state}");
        assert!(text(&state, "reason").contains(reason), "{reason}: {state}");
        assert!(seat.guest.read("/data/update/bundle.raucb").is_err());
        assert!(seat.guest.read("/data/rauc/bundle.raucb").is_err());
    }
    assert!(
        before == everything_but_data(&machine),
        "a refused bundle changed the disk"
    );

    // Taken when it is allowed expressly; and since its root fits into no slot, it goes no further.
    let state = offer(&mut seat.guest, &small.older(), &["--allow-older"]);
    assert_eq!(
        (text(&state, "phase"), text(&state, "version")),
        ("failed", "0.0.1"),
        "{state}"
    );
    look_over(&mut seat, VERSION.trim(), "A");
    let [_, a_ok, _, b_ok, _] = boot_state(&machine);
    assert_eq!((a_ok.as_str(), b_ok.as_str()), ("1", "0"));
    seat.guest.cut_power().unwrap();
}

#[test]
fn an_update_that_is_cut_in_its_first_half_leaves_a_box_that_starts_and_can_be_updated() {
    cut_updates(0x0c0d_e5ee, 0..UPDATE_MS / 2);
}

#[test]
fn an_update_that_is_cut_in_its_second_half_leaves_a_box_that_starts_and_can_be_updated() {
    cut_updates(0x0dec_0ded, UPDATE_MS / 2..UPDATE_MS);
}

fn cut_updates(seed: u64, within_ms: Range<u64>) {
    println!("seed {seed:#x}");
    let mut noise = Noise::new(seed);
    for number in 0..tries(CUTS, CUTS_PART) {
        let (mut machine, mut seat) = BoxDisk::in_use();
        let span = within_ms.end - within_ms.start;
        let moment = Duration::from_millis(within_ms.start + noise.number() % span);
        println!("cut {number}: after {moment:?}");
        begin(&mut seat.guest, NEWER);
        cut_after(&mut machine, seat.guest, moment);

        let start = if number % 2 == 0 {
            Start::Firmware
        } else {
            Start::Kept
        };
        let mut seat = machine.open(start);
        await_examined(&mut seat.guest);
        let version = running_version(&mut seat.guest);
        println!("cut {number}: {version} runs, {}", state(&mut seat.guest));
        let slot = if version == NEWER { "B" } else { "A" };
        look_over(&mut seat, &version, slot);
        if number % UPDATED_AGAIN == 0 {
            begin(&mut seat.guest, NEWER);
            await_end(&mut seat.guest);
            drop(seat);
            seat = machine.open(Start::Kept);
            await_phase(&mut seat.guest, "good");
            let slot = if slot == "A" { "B" } else { "A" };
            look_over(&mut seat, NEWER, slot);
        }
        seat.guest.cut_power().unwrap();
    }
}

/// Lets the update go on for that time, over its restart if it gets there, and cuts the power.
fn cut_after(machine: &mut BoxDisk, mut guest: Guest, moment: Duration) {
    let watch = wait::Stopwatch::start();
    let left = || moment.saturating_sub(watch.elapsed());
    let restarted = ends_within(&mut guest, left());
    guest.cut_power().unwrap();
    if restarted {
        let mut guest = machine.start(Start::Kept);
        ends_within(&mut guest, left());
        guest.cut_power().unwrap();
    }
}

/// Brings the bundle of a build into the guest and has it installed; the box restarts by itself.
fn begin(guest: &mut Guest, version: &str) {
    guest
        .write(BUNDLE, &fs::read(bundle_of(version)).unwrap())
        .unwrap();
    let argv = ["/bin/platenctl", "update", "--now", BUNDLE];
    guest.start("update", &argv).unwrap();
}

fn bundle_of(version: &str) -> PathBuf {
    built(version, &format!("{version}.raucb"))
}

/// Gives the running box a USB stick with the bundle of a build.
fn plug_in_stick(guest: &mut Guest, version: &str) {
    let image = guest.folder().join("stick.img");
    fs::File::create(&image)
        .unwrap()
        .set_len(128 << 20)
        .unwrap();
    let inside = image.to_string_lossy().into_owned();
    let tool = |name: &str| Command::new(installed_program(name).unwrap());
    run(tool("mkfs.vfat").arg(&image)).unwrap();
    run(tool("mmd").args(["-i", &inside, "::platen"])).unwrap();
    run(tool("mcopy")
        .args(["-i", &inside])
        .arg(bundle_of(version))
        .arg("::platen/"))
    .unwrap();
    let file = json!({ "driver": "file", "filename": inside });
    let drive = json!({ "driver": "raw", "node-name": "stick", "file": file });
    guest.qmp().ask("blockdev-add", drive).unwrap();
    let device = json!({ "driver": "usb-storage", "drive": "stick" });
    guest.qmp().ask("device_add", device).unwrap();
}

/// Orders the installation of a bundle and returns the state that it ends in.
fn offer(guest: &mut Guest, bundle: &Path, further: &[&str]) -> Value {
    guest.write(BUNDLE, &fs::read(bundle).unwrap()).unwrap();
    let argv = [&["/bin/platenctl", "update", BUNDLE], further].concat();
    let ran = guest.run(&argv, LONG).unwrap();
    let state = state(guest);
    let reason = text(&state, "reason");
    assert!(
        ran.messages.contains(reason),
        "platenctl tells the reason: {ran:?}"
    );
    state
}

fn state(guest: &mut Guest) -> Value {
    let state = guest.read(STATE).unwrap_or_default();
    serde_json::from_slice(&state).unwrap_or_default()
}

fn await_phase(guest: &mut Guest, phase: &str) -> Value {
    let words = format!("\"phase\":\"{phase}\"");
    let waited = guest.wait_for(&["/bin/cat", STATE], &words, LONG);
    waited.unwrap_or_else(|error| panic!("{error}\n{}", journal(guest)));
    state(guest)
}

fn text<'a>(state: &'a Value, key: &str) -> &'a str {
    state[key].as_str().unwrap()
}

fn running_version(guest: &mut Guest) -> String {
    let release = guest.read("/etc/platen-release").unwrap();
    let release = String::from_utf8(release).unwrap();
    let version = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION="));
    version.unwrap().to_owned()
}

/// That version runs in that slot, all that is sealed is whole, and the job waits.
fn look_over(seat: &mut GuestBox, version: &str, slot: &str) {
    assert_eq!(running_version(&mut seat.guest), version);
    let words = seat.guest.read("/proc/cmdline").unwrap();
    let words = String::from_utf8(words).unwrap();
    assert!(words.contains(&format!("platen.slot={slot}")), "{words}");
    let verified = seat.guest.run(&["/bin/platenctl", "verify"], LONG).unwrap();
    assert_eq!(verified.status, 0, "{verified:?}");
    let jobs = seat.ctl(&["jobs", "--all"]);
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(text(&jobs[0], "state"), "pending-held");
}

/// ORDER, then OK and TRY of A and of B.
fn boot_state(machine: &BoxDisk) -> [String; 5] {
    let value = |name: &str| machine.disk.boot_state(name).unwrap().unwrap_or_default();
    ["ORDER", "A_OK", "A_TRY", "B_OK", "B_TRY"].map(value)
}

/// All that a box starts from.
fn everything_but_data(machine: &BoxDisk) -> Vec<Vec<u8>> {
    let parts = [
        Partition::Firmware,
        Partition::BootA,
        Partition::BootB,
        Partition::RootA,
        Partition::RootB,
    ];
    parts.map(|part| machine.disk.bytes(part).unwrap()).to_vec()
}

/// Bundles as RAUC makes them, with next to nothing in them.
struct SmallBundles {
    folder: TempDir,
}

impl SmallBundles {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let small = Self { folder };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let keys = source.join("buildroot/scripts/dev-keys.sh");
        run(Command::new(keys).arg(small.at("stranger"))).unwrap();
        small
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Bundles that this box has to refuse, and words of the reason.
    fn refused(&self) -> Vec<(PathBuf, &'static str)> {
        let own = bundle_of(NEWER).parent().unwrap().join("../keys");
        let good = self.bundle("good", COMPATIBLE, NEWER, &own);
        let bytes = fs::read(&good).unwrap();
        let cut = self.at("truncated.raucb");
        fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).unwrap();
        vec![
            (self.unsigned(), "not signed"),
            (
                self.bundle("stranger's", COMPATIBLE, NEWER, &self.at("stranger")),
                "not signed by a key that this box trusts",
            ),
            (cut, "not the whole of one"),
            (
                self.bundle("other", "platen-raspberrypi4_64", NEWER, &own),
                "It is for platen-raspberrypi4_64",
            ),
            (self.bundle("old", COMPATIBLE, "0.0.1", &own), "older than"),
        ]
    }

    /// An older one, whose root is larger than any slot.
    fn older(&self) -> PathBuf {
        self.at("old.raucb")
    }

    fn unsigned(&self) -> PathBuf {
        let file = self.at("unsigned.raucb");
        let tool = installed_program("mksquashfs").unwrap();
        let content = self.content("unsigned", COMPATIBLE, NEWER);
        run(Command::new(tool)
            .arg(content)
            .arg(&file)
            .args(["-noappend", "-quiet"]))
        .unwrap();
        file
    }

    fn content(&self, name: &str, compatible: &str, version: &str) -> PathBuf {
        let content = self.at(name);
        fs::create_dir(&content).unwrap();
        let manifest = format!(
            "[update]\ncompatible={compatible}\nversion={version}\n\n[bundle]\nformat=verity\n\n\
             [image.rootfs]\nfilename=root.img\n\n[image.boot]\nfilename=boot.vfat\n"
        );
        fs::write(content.join("manifest.raucm"), manifest).unwrap();
        // A bundle has to be more than a block long, packed.
        let mut noise = Noise::new(1);
        let some: Vec<u8> = (0..8192)
            .flat_map(|_| noise.number().to_le_bytes())
            .collect();
        fs::write(content.join("boot.vfat"), some).unwrap();
        let root = fs::File::create(content.join("root.img")).unwrap();
        root.set_len(200 << 20).unwrap();
        content
    }

    fn bundle(&self, name: &str, compatible: &str, version: &str, keys: &Path) -> PathBuf {
        let file = self.at(&format!("{name}.raucb"));
        let mut command = Command::new(installed_program("rauc").unwrap());
        command
            .arg("bundle")
            .arg(format!("--cert={}", keys.join("sign.pem").display()))
            .arg(format!("--key={}", keys.join("sign.key").display()))
            .arg(self.content(name, compatible, version))
            .arg(&file);
        run(&mut command).unwrap();
        file
    }
}
