// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What chooses the slot: GRUB's block by `boot-state`, a Pi's two files by `boot-pi`, its command line by
//! `slot-hook`; and what a cut between two writes leaves.

use std::fs;
use std::process::Command;

use crate::bench::{Bench, CUT, Ran, overlay, program, project, ran};

const NO_ID: &str = "platen.no_machine_=00000000000000000000000000000000";
const ID: &str = "0123456789abcdef0123456789abcdef";

fn grub() -> Bench {
    let bench = Bench::new("x86_64");
    let file = bench.at("boot/firmware/grub/grubenv");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    for words in [
        &["create"][..],
        &["set", "ORDER=A B", "A_OK=1", "A_TRY=0", "B_OK=0", "B_TRY=0"],
    ] {
        assert!(ran(Command::new(program("grub-editenv")).arg(&file).args(words)).ok);
    }
    bench
}

fn pi() -> Bench {
    let bench = Bench::new("raspberrypi4_64");
    let autoboot =
        fs::read_to_string(project().join("board/raspberrypi4_64/autoboot.txt")).unwrap();
    bench.write("boot/firmware/autoboot.txt", &autoboot);
    bench
}

/// The slot that a Pi's firmware starts: by itself, and after a restart with "0 tryboot".
fn starts(bench: &Bench) -> (char, char) {
    let text = bench.read("boot/firmware/autoboot.txt");
    let (all, tryboot) = text.split_once("[tryboot]").unwrap();
    let slot = |part: &str| match part.split_once("boot_partition=").unwrap().1.trim() {
        "2" => 'A',
        "3" => 'B',
        other => panic!("partition {other}"),
    };
    assert!(all.contains("[all]\ntryboot_a_b=1\n"), "{text}");
    (slot(all), slot(tryboot))
}

fn ask(bench: &Bench, words: &str) -> String {
    let ran = bench.run("boot-pi", &words.split(' ').collect::<Vec<_>>());
    assert!(ran.ok, "{words}: {ran:?}");
    ran.out.trim().to_owned()
}

fn noted(bench: &Bench) -> [String; 3] {
    ["get-primary", "get-state A", "get-state B"].map(|words| ask(bench, words))
}

#[test]
fn overlay_keeps_a_pis_new_slot_only_when_it_was_found_good() {
    let bench = pi();
    assert_eq!(
        (starts(&bench), ask(&bench, "get-current")),
        (('A', 'B'), "A".into())
    );
    assert_eq!(
        noted(&bench),
        ["A", "good", "bad"],
        "a box from the factory has one slot"
    );
    // RAUC installs into B.
    ask(&bench, "set-state B bad");
    ask(&bench, "set-primary B");
    assert_eq!(noted(&bench), ["B", "good", "good"]);
    assert_eq!(
        starts(&bench),
        ('A', 'B'),
        "what is only wanted does not start by itself"
    );
    assert!(!bench.run("boot-pi", &["was-tried", "B"]).ok);
    assert_eq!(ask(&bench, "restart"), "0 tryboot");
    assert!(bench.run("boot-pi", &["was-tried", "B"]).ok);
    assert_eq!(ask(&bench, "restart"), "", "it is tried once");
    bench.running("B");
    ask(&bench, "set-state B good");
    assert_eq!(
        (starts(&bench), noted(&bench)),
        (('B', 'A'), ["B", "good", "good"].map(str::to_owned))
    );
    // And back, by the same way.
    ask(&bench, "set-state A bad");
    ask(&bench, "set-primary A");
    assert_eq!(
        (starts(&bench).0, ask(&bench, "restart")),
        ('B', "0 tryboot".into())
    );
    bench.running("A");
    ask(&bench, "set-state A good");
    assert_eq!(
        (starts(&bench), noted(&bench)),
        (('A', 'B'), ["A", "good", "good"].map(str::to_owned))
    );
}

#[test]
fn overlay_leaves_a_pis_bad_slot_for_the_other() {
    let bench = pi();
    ask(&bench, "set-primary B");
    ask(&bench, "restart");
    bench.running("B");
    ask(&bench, "set-state B bad");
    assert_eq!(noted(&bench), ["A", "good", "bad"]);
    assert_eq!(
        (starts(&bench).0, ask(&bench, "restart")),
        ('A', String::new())
    );
    // A slot that starts by itself and goes bad gives its place to a good one, and to no bad one.
    bench.running("A");
    ask(&bench, "set-state A bad");
    assert_eq!(
        starts(&bench).0,
        'A',
        "no slot is good: the one that ran stays"
    );
    ask(&bench, "set-state B good");
    ask(&bench, "set-state A bad");
    assert_eq!(starts(&bench).0, 'B');
}

/// `dd` stands in for the power: the n-th write is the last one that happens.
#[test]
fn overlay_lets_a_pi_start_a_whole_slot_after_a_cut_between_any_two_writes() {
    let steps = [
        "set-state B bad",
        "set-primary B",
        "restart",
        "set-state B good",
    ];
    for writes in 0..6 {
        let bench = pi();
        bench.write("left", &"x".repeat(writes));
        bench.stub(
            "dd",
            &format!(
                "cd '{}'; [ -s left ] || {CUT}; busybox sed 's/x//' left > l2; \
                 busybox mv l2 left; exec busybox dd \"$@\"",
                bench.at("").display()
            ),
        );
        for (number, step) in steps.into_iter().enumerate() {
            if number == 3 {
                bench.running("B");
            }
            if !bench
                .run("boot-pi", &step.split(' ').collect::<Vec<_>>())
                .ok
            {
                break;
            }
        }
        let (usual, other) = starts(&bench);
        assert_ne!(usual, other, "after {writes} writes");
        let good = ask(&bench, &format!("get-state {usual}"));
        assert_eq!(good, "good", "after {writes} writes slot {usual} starts");
        if bench.has("boot/firmware/platen/slots") {
            assert_eq!(
                fs::metadata(bench.at("boot/firmware/platen/slots"))
                    .unwrap()
                    .len(),
                512
            );
        }
    }
}

#[test]
fn overlay_reads_damaged_notes_of_a_pi_as_none() {
    let bench = pi();
    for text in [
        "",
        "A=perhaps\nWANTED=C\nTRIED=maybe\n",
        "\u{0}\u{0}\u{0}",
        "A=bad\nA=good\nWANTED=\n",
    ] {
        bench.write("boot/firmware/platen/slots", text);
        let [wanted, ..] = noted(&bench);
        assert_eq!(wanted, "A", "{text:?}");
        ask(&bench, "set-primary B");
        assert_eq!(noted(&bench)[0], "B", "{text:?}");
        assert_eq!(bench.read("boot/firmware/platen/slots").len(), 512);
    }
    for bad in [
        "set-primary C",
        "set-state A maybe",
        "get-state",
        "format",
        "",
    ] {
        assert!(
            !bench.run("boot-pi", &bad.split(' ').collect::<Vec<_>>()).ok,
            "{bad}"
        );
    }
}

#[test]
fn overlay_restarts_a_pi_into_the_slot_on_trial() {
    let bench = pi();
    bench.stub("systemctl", "");
    assert!(bench.run("reboot", &[]).ok);
    ask(&bench, "set-primary B");
    bench.write("run/platen/orders/reboot", "");
    assert!(bench.run("reboot", &[]).ok);
    assert_eq!(
        bench.calls(),
        "systemctl --no-block reboot\nsystemctl --no-block reboot --reboot-argument=0 tryboot\n"
    );
    assert!(!bench.has("run/platen/orders/reboot"));
}

/// On a Pi an installed version waits for its trial, however often the power goes before.
#[test]
fn overlay_does_not_call_a_pis_version_fallen_back_that_was_never_started() {
    let bench = pi();
    for name in ["rauc", "platenctl", "systemctl"] {
        bench.stub(name, "");
    }
    ask(&bench, "set-primary B");
    let trial = r#"{"slot":"B","version":"1.3.0","source":"ctl","from":"1.2.3","expect":[]}"#;
    bench.write("data/update/trial.json", trial);
    bench.write(
        "data/update/state.json",
        &trial.replace("{", r#"{"phase":"installed","#),
    );
    assert!(bench.run("health", &[]).ok);
    assert_eq!(bench.state("phase"), "installed");
    assert!(bench.has("data/update/trial.json"));
    ask(&bench, "restart");
    assert!(bench.run("health", &[]).ok);
    assert_eq!(bench.state("phase"), "fell-back");
}

fn grub_list(bench: &Bench) -> String {
    let file = bench.at("boot/firmware/grub/grubenv");
    ran(Command::new(program("grub-editenv")).arg(file).arg("list")).out
}

/// As RAUC calls it.
fn as_rauc(bench: &Bench, words: &[&str]) -> Ran {
    let file = bench.at("boot/firmware/grub/grubenv").display().to_string();
    let arguments: Vec<_> = [file.as_str()]
        .into_iter()
        .chain(words.iter().copied())
        .collect();
    bench.run("rauc-path/grub-editenv", &arguments)
}

#[test]
fn overlay_writes_grubs_block_in_its_place() {
    use std::os::unix::fs::MetadataExt as _;
    let bench = grub();
    let file = bench.at("boot/firmware/grub/grubenv");
    let before = fs::metadata(&file).unwrap();
    assert!(as_rauc(&bench, &["set", "ORDER=B A", "B_OK=1", "B_TRY=0"]).ok);
    assert!(as_rauc(&bench, &["list"]).out.contains("ORDER=B A\n"));
    assert!(bench.run("boot-state", &["set", "machine_id", ID]).ok);
    assert_eq!(
        bench.run("boot-state", &["get", "machine_id"]).out.trim(),
        ID
    );
    assert!(
        grub_list(&bench).contains("B_OK=1\n"),
        "{}",
        grub_list(&bench)
    );
    let after = fs::metadata(&file).unwrap();
    assert_eq!(
        (before.ino(), before.len()),
        (after.ino(), 1024),
        "the file is the same one, overwritten"
    );
    // What stands in it fits into one sector.
    let used = fs::read(&file)
        .unwrap()
        .iter()
        .rposition(|byte| *byte != b'#')
        .unwrap();
    assert!(used < 512, "{used}");
}

#[test]
fn overlay_refuses_to_write_a_damaged_block_or_a_wrong_id() {
    let bench = grub();
    for bad in [
        "",
        "xyz",
        "0123456789ABCDEF0123456789abcdef",
        "0123456789abcdef0123456789abcde; id",
    ] {
        assert!(
            !bench.run("boot-state", &["set", "machine_id", bad]).ok,
            "{bad}"
        );
    }
    let file = bench.at("boot/firmware/grub/grubenv");
    fs::write(&file, [0; 100]).unwrap();
    assert!(!as_rauc(&bench, &["set", "A_OK=1"]).ok);
    assert_eq!(fs::read(&file).unwrap(), [0; 100]);
    assert!(!as_rauc(&bench, &["create"]).ok);
    assert!(!bench.has("run/platen-boot.lock"), "no lock is left behind");
}

#[test]
fn overlay_waits_for_another_writer_and_not_for_a_dead_one() {
    let bench = grub();
    bench.write("run/platen-boot.lock/owner", "999999999");
    assert!(
        as_rauc(&bench, &["set", "A_TRY=1"]).ok,
        "whoever had it is dead"
    );
    let writers: Vec<_> = (0..6).map(|number| format!("name{number}=1")).collect();
    std::thread::scope(|scope| {
        for words in &writers {
            let bench = &bench;
            scope.spawn(move || assert!(as_rauc(bench, &["set", words]).ok));
        }
    });
    for words in &writers {
        assert!(grub_list(&bench).contains(words), "{}", grub_list(&bench));
    }
}

#[test]
fn overlay_gives_the_box_its_name_and_keeps_its_id() {
    let bench = grub();
    bench.write("etc/machine-id", &format!("{ID}\n"));
    assert!(bench.run("machine-id", &[]).ok);
    assert!(grub_list(&bench).contains(&format!("machine_id={ID}\n")));
    let name = bench.read("proc/sys/kernel/hostname");
    assert!(
        name.starts_with("platen-") && name.trim().len() == 13,
        "{name}"
    );
    let kept = fs::metadata(bench.at("boot/firmware/grub/grubenv"))
        .unwrap()
        .modified()
        .unwrap();
    assert!(bench.run("machine-id", &[]).ok);
    let again = fs::metadata(bench.at("boot/firmware/grub/grubenv"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(
        kept, again,
        "what stands there already is not written again"
    );
}

#[test]
fn overlay_keeps_a_pis_id_in_the_command_line_of_both_slots() {
    let bench = pi();
    bench.write("etc/machine-id", ID);
    let line = format!("dm-mod.create=\"x\" platen.slot=A {NO_ID} quiet\n");
    for slot in ["a", "b"] {
        bench.write(&format!("boot/slot-{slot}/cmdline.txt"), &line);
    }
    assert!(bench.run("machine-id", &[]).ok);
    for slot in ["a", "b"] {
        let now = bench.read(&format!("boot/slot-{slot}/cmdline.txt"));
        assert_eq!(
            now,
            line.replace(NO_ID, &format!("systemd.machine_id={ID}"))
        );
        assert_eq!(now.len(), line.len());
    }
    // A slot that has none yet, as on a box from the factory, is no fault.
    let fresh = pi();
    fresh.write("etc/machine-id", ID);
    assert!(fresh.run("machine-id", &[]).ok);
}

fn hook(bench: &Bench, name: &str) -> Ran {
    let template =
        fs::read_to_string(project().join("board/raspberrypi4_64/cmdline.txt.in")).unwrap();
    let mut filled = template;
    for (word, value) in [
        ("SECTORS", "8"),
        ("BLOCKS", "1"),
        ("HASH_START", "1"),
        ("ROOT_HASH", "ab"),
        ("SALT", "cd"),
        ("KERNEL_WORDS", "quiet"),
    ] {
        filled = filled.replace(&format!("@{word}@"), value);
    }
    bench.write("slot/cmdline.txt.in", &filled);
    let mut command = Command::new(program("busybox"));
    command
        .arg("ash")
        .arg(overlay().join("usr/lib/platen/slot-hook"))
        .arg("slot-post-install")
        .env_clear()
        .env("PATH", bench.at("bin"))
        .env("PLATEN_ROOT", bench.at(""))
        .env("RAUC_SLOT_CLASS", "boot")
        .env("RAUC_SLOT_NAME", name)
        .env("RAUC_SLOT_MOUNT_POINT", bench.at("slot"));
    ran(&mut command)
}

#[test]
fn overlay_writes_a_pis_command_line_for_the_slot_it_is_installed_in() {
    let bench = pi();
    let started = "dm-mod.create=\"x verity 1 PARTUUID=a56e7c10-05 PARTUUID=a56e7c10-05 4096\"";
    bench.write("proc/cmdline", &format!("{started} quiet\n"));
    assert!(hook(&bench, "boot.1").ok);
    let line = bench.read("slot/cmdline.txt");
    for words in [
        "platen.slot=B rauc.slot=B",
        "PARTUUID=a56e7c10-06 PARTUUID=a56e7c10-06 4096",
        NO_ID,
    ] {
        assert!(line.contains(words), "{line}");
    }
    assert_eq!(line.lines().count(), 1);
    bench.write(
        "proc/cmdline",
        &format!("{started} systemd.machine_id={ID} b\n"),
    );
    assert!(hook(&bench, "boot.0").ok);
    let line = bench.read("slot/cmdline.txt");
    assert!(
        line.contains("platen.slot=A")
            && line.contains("a56e7c10-05")
            && line.contains(&format!("systemd.machine_id={ID}")),
        "{line}"
    );
    bench.write("proc/cmdline", "root=/dev/sda1\n");
    assert!(!hook(&bench, "boot.0").ok);
    assert!(!hook(&bench, "rootfs.0").ok);
}
