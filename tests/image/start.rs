// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The first start, what a person does with a new box, and the later starts.

use std::process::Command;

use platen_bed::documents;
use platen_bed::process;
use platen_bed::qemu::{Clock, Guest, ImageOptions, Partition, Start};

use crate::box_in_guest::{CARD, GuestBox, READER_ANSWERS};
use crate::image_under_test::{BoxDisk, LONG, journal_of};

/// As [`Start::Kept`], by the clock of a small board: what is printed is what the box needs.
fn options() -> ImageOptions {
    let mut options = ImageOptions::new(Start::Kept);
    options.clock = Clock::Board;
    options
}

#[test]
fn a_new_box_starts_whole_prints_for_a_badge_and_stays_itself() {
    let mut machine = BoxDisk::new();
    let wrong = "[[printer]]\nname = \"hall\"\nuri = \"usb:auto\"\ncolour = \"red\"\n";
    let settings = "platen/node.toml";
    let disk = machine.disk.clone();
    disk.write(Partition::Firmware, settings, wrong).unwrap();

    let mut seat = machine.open_with(&options());
    is_whole(&mut seat.guest, "first start");
    import_user(&mut seat);
    badge_to_paper(&mut seat);
    let waiting = documents::heavy_pdf(1, 20_011);
    seat.print(&waiting);
    seat.wait_for(&["jobs"], "\"pending-held\"");
    let id = seat.guest.read("/etc/machine-id").unwrap();
    seat.guest.power_off().unwrap();

    // What was wrong is said beside it; what is right is taken at the next start.
    let why = disk
        .read(Partition::Firmware, "platen/node.toml.why")
        .unwrap();
    assert!(why.contains("colour"), "{why}");
    assert!(
        disk.read(Partition::Firmware, settings).is_err(),
        "it was put aside"
    );
    let right =
        "[web]\n\n[[printer]]\nname = \"corridor\"\nuri = \"usb:auto\"\npjl_status = false\n";
    disk.write(Partition::Firmware, settings, right).unwrap();

    let mut seat = machine.open_with(&options());
    is_whole(&mut seat.guest, "later start");
    udev_may_come_late(&mut seat.guest);
    assert_eq!(seat.guest.read("/etc/machine-id").unwrap(), id);
    let taken = seat.guest.read("/etc/platen/node.toml").unwrap();
    assert_eq!(String::from_utf8_lossy(&taken), right);
    seat.wait_for(&["jobs"], "\"pending-held\"");
    seat.tap("accepted");
    seat.wait_for(&["jobs", "--all"], "\"completed\"");
    assert!(seat.paper() == waiting, "the bytes differ");
    seat.guest.power_off().unwrap();
    let taken = disk
        .read(Partition::Firmware, "platen/node.toml.taken")
        .unwrap();
    assert_eq!(taken, right);
}

/// Nothing failed, nothing waits for itself, and the root can't be written. Prints what the start took.
fn is_whole(guest: &mut Guest, which: &str) {
    let state = guest
        .run(&["/bin/systemctl", "is-system-running", "--wait"], LONG)
        .unwrap();
    let failed = guest.output(&[
        "/bin/systemctl",
        "list-units",
        "--failed",
        "--plain",
        "--no-legend",
    ]);
    let journal = journal_of(guest, &["-o", "short-monotonic"]).unwrap();
    assert_eq!(
        (state.out.trim(), failed.unwrap().trim()),
        ("running", ""),
        "{journal}"
    );
    for complaint in [
        "ordering cycle",
        "tainted",
        "Read-only file system",
        "Failed to",
    ] {
        let lines: Vec<&str> = journal
            .lines()
            .filter(|line| line.contains(complaint))
            .collect();
        assert!(lines.is_empty(), "{lines:#?}");
    }
    let mounts = guest.output(&["/bin/cat", "/proc/mounts"]).unwrap();
    let root = mounts
        .lines()
        .find(|line| line.split(' ').nth(1) == Some("/"))
        .unwrap();
    assert!(root.starts_with("/dev/dm-0 / squashfs ro"), "{root}");
    println!("{which}: {}", guest.start_times().unwrap());
    if std::env::var("PLATEN_IMAGE_BLAME").is_ok() {
        blame(guest);
    }
}

/// `data` makes the mapped device without udev, which meets it sooner or later than what is mounted from it.
fn udev_may_come_late(guest: &mut Guest) {
    let daemon = ["/bin/systemctl", "show", "--property=MainPID", "platend"];
    let before = guest.output(&daemon).unwrap();
    let met = [
        "/bin/udevadm",
        "trigger",
        "--settle",
        "--action=add",
        "/dev/mapper/platen-data",
    ];
    guest.output(&met).unwrap();
    assert_eq!(guest.output(&daemon).unwrap(), before);
}

/// What a start spent its time on, for whoever wants it shorter.
fn blame(guest: &mut Guest) {
    let ask = ["/bin/systemd-analyze", "--no-pager"];
    for words in [&["blame"][..], &["critical-chain", "platend.service"]] {
        println!("{}", guest.output(&[&ask[..], words].concat()).unwrap());
    }
}

/// Whoever runs the tests is the box's one user.
fn import_user(seat: &mut GuestBox) {
    let user = process::run(Command::new("id").arg("-un")).unwrap();
    let line = format!("{},A Person,{CARD}\n", user.trim());
    seat.guest.import_users(&line).unwrap();
    seat.wait_for(&["status"], READER_ANSWERS);
}

fn badge_to_paper(seat: &mut GuestBox) {
    let document = documents::heavy_pdf(2, 300_001);
    seat.print(&document);
    seat.wait_for(&["jobs"], "\"pending-held\"");
    assert!(seat.paper().is_empty(), "nothing prints before the tap");
    let tapped = seat.tap("accepted");
    seat.wait_for(&["jobs", "--all"], "\"completed\"");
    assert!(seat.paper() == document, "the bytes differ");
    println!(
        "card to panel: {} ms by the guest's clock",
        tapped.as_millis()
    );
}
