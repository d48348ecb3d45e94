// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Where the key of the data partition is: in the TPM of a board that has one; and that a factory reset
//! leaves neither the key nor what it opened.

use platen_bed::qemu::{ImageOptions, Partition, Start, Tpm};
use platen_bed::wait;

use crate::box_in_guest::GuestBox;
use crate::image_under_test::{BoxDisk, LONG, await_end, header_of_data, luks_dump};

fn remember_somebody(seat: &mut GuestBox) {
    let line = "somebody,,04DEADBEA7F00D\n";
    seat.guest.import_users(line).unwrap();
}

/// Users, held jobs.
fn keeps(seat: &mut GuestBox) -> [u64; 2] {
    let status = &seat.ctl(&["status"])[0];
    ["users", "held_jobs"].map(|count| status[count].as_u64().unwrap())
}

#[test]
fn a_box_with_a_tpm_has_its_key_there_and_opens_with_no_other() {
    let mut machine = BoxDisk::new();
    let [mut own, mut foreign] =
        ["own", "foreign"].map(|name| Tpm::new(&machine.folder.path().join(name)).unwrap());
    let mut options = ImageOptions::new(Start::Kernel);

    options.further = own.switch_on().unwrap();
    let mut seat = machine.open_with(&options);
    remember_somebody(&mut seat);
    seat.guest.power_off().unwrap();
    let header = luks_dump(&header_of_data(&machine.disk));
    assert!(header.contains("systemd-tpm2"), "{header}");
    let slots = header.lines().filter(|line| line.ends_with(": luks2"));
    assert_eq!(slots.count(), 1, "the key of the making is gone: {header}");
    let seed = machine.disk.read(Partition::Firmware, "platen/data.seed");
    assert!(seed.is_err(), "nothing on the disk helps to open it");

    options.further = foreign.switch_on().unwrap();
    let guest = machine.start_with(&options);
    let said = wait::until("the box to say why", LONG, || {
        let console = guest.console();
        Ok(console
            .contains("belongs to another board")
            .then_some(console))
    });
    assert!(said.unwrap().contains("factory-reset"), "and what to do");
    guest.cut_power().unwrap();

    options.further = own.switch_on().unwrap();
    let mut seat = machine.open_with(&options);
    assert_eq!(keeps(&mut seat), [1, 0]);
    seat.guest.cut_power().unwrap();
}

#[test]
fn a_factory_reset_leaves_nothing_by_order_and_by_a_file() {
    let (mut machine, mut seat) = BoxDisk::in_use();
    assert_eq!(keeps(&mut seat), [1, 1], "what a reset can take away");
    let mut uuids = vec![uuid(&machine)];
    // The answer may not get through any more.
    let _ends = seat.guest.ctl(&["reset", "--factory", "--yes"]);
    await_end(&mut seat.guest);
    drop(seat);

    let mut seat = machine.open(Start::Kept);
    is_blank(&mut seat);
    uuids.push(uuid(&machine));
    remember_somebody(&mut seat);
    assert_eq!(keeps(&mut seat), [1, 0]);
    seat.guest.power_off().unwrap();

    let wish = "platen/factory-reset";
    machine.disk.write(Partition::Firmware, wish, "").unwrap();
    let mut seat = machine.open(Start::Kept);
    is_blank(&mut seat);
    seat.guest.power_off().unwrap();
    let left = machine.disk.read(Partition::Firmware, wish);
    assert!(left.is_err(), "it was carried out, once");
    uuids.push(uuid(&machine));
    uuids.dedup();
    assert_eq!(uuids.len(), 3, "another key each time: {uuids:?}");
}

/// A box as out of its parcel: no people, no jobs, the image's settings.
fn is_blank(seat: &mut GuestBox) {
    assert_eq!(keeps(seat), [0, 0]);
    let settings = seat.guest.read("/etc/platen/node.toml").unwrap();
    let as_delivered = seat.guest.read("/usr/share/platen/node.toml").unwrap();
    assert!(settings == as_delivered, "the settings are the image's");
}

fn uuid(machine: &BoxDisk) -> String {
    let dump = luks_dump(&header_of_data(&machine.disk));
    let line = dump.lines().find_map(|line| line.strip_prefix("UUID:"));
    line.unwrap().trim().to_owned()
}
