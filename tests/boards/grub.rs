// SPDX-License-Identifier: Apache-2.0 OR MIT
//! grub.cfg at work: GRUB itself, in a PC of QEMU's without UEFI, on a disk with two slots whose kernel
//! prints its words and restarts the machine, as a version would that always crashes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use platen_bed::Program;
use platen_bed::process::{installed_program, run};
use platen_bed::qemu::{Disk, Partition};
use platen_bed::wait;

use super::{env, get, read, root};

/// A start takes two seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// MiB of each partition of the disk here.
const PART_MIB: u64 = 4;
const ID: &str = "0123456789abcdef0123456789abcdef";
const GOOD: [&str; 5] = ["ORDER=A B", "A_OK=1", "A_TRY=0", "B_OK=1", "B_TRY=0"];

/// A disk with GRUB's files and both slots.
struct Bench {
    folder: tempfile::TempDir,
    disk: Disk,
}

impl Bench {
    /// `state`: the variables in grubenv.
    fn new(state: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the disk");
        let path = folder.path().join("made.img");
        let disk = Disk::copy(&partitioned(&path), &folder.path().join("disk.img"), 16);
        let disk = disk.expect("a copy of the disk");
        let bench = Self { folder, disk };
        bench.make_firmware(state);
        for part in [Partition::BootA, Partition::BootB] {
            bench.make_slot(part);
        }
        bench
    }

    fn make_firmware(&self, state: &[&str]) {
        let grub = self.inside(Partition::Firmware);
        tool("mmd", &["-i", &grub, "::grub"]);
        let cfg = read("qemu_x86_64", "grub.cfg");
        let written = self.disk.write(Partition::Firmware, "grub/grub.cfg", &cfg);
        written.expect("grub.cfg is written");
        let file = self.folder.path().join("grubenv");
        let file = file.to_string_lossy();
        tool("grub-editenv", &[&file, "create"]);
        tool("grub-editenv", &[&[&file, "set"], state].concat());
        tool("mcopy", &["-i", &grub, &file, "::grub/grubenv"]);
    }

    fn make_slot(&self, part: Partition) {
        let mut cfg = read("qemu_x86_64", "slot.cfg.in");
        for (word, value) in [
            ("SECTORS", "80"),
            ("BLOCKS", "10"),
            ("HASH_START", "11"),
            ("ROOT_HASH", "beef"),
            ("SALT", "cafe"),
            ("KERNEL_WORDS", get(&env("qemu_x86_64"), "KERNEL_WORDS")),
        ] {
            cfg = cfg.replace(&format!("@{word}@"), value);
        }
        let written = self.disk.write(part, "slot.cfg", &cfg);
        written.expect("slot.cfg is written");
        let kernel = self.folder.path().join("kernel");
        fs::write(&kernel, talking_kernel()).expect("the kernel is written");
        let kernel = kernel.to_string_lossy();
        tool("mcopy", &["-i", &self.inside(part), &kernel, "::vmlinuz"]);
    }

    /// The partition as mtools names it.
    fn inside(&self, part: Partition) -> String {
        let (start, _) = self.disk.place(part).expect("the partition is there");
        format!("{}@@{start}", self.disk.path().display())
    }

    fn remove(&self, part: Partition, file: &str) {
        let file = format!("::{file}");
        tool("mdel", &["-i", &self.inside(part), &file]);
    }

    fn state(&self, name: &str) -> Option<String> {
        self.disk.boot_state(name).expect("grubenv can be read")
    }

    fn told(&self) -> PathBuf {
        self.folder.path().join("told")
    }

    fn machine(&self, more: &[&str]) -> Program {
        let mut qemu = Command::new(installed_program("qemu-system-x86_64").expect("QEMU"));
        qemu.args([
            "-accel",
            "tcg",
            "-m",
            "64",
            "-nodefaults",
            "-display",
            "none",
        ])
        .arg("-kernel")
        .arg(grub_program(self.folder.path()))
        .arg("-drive")
        .arg(format!(
            "file={},format=raw,if=ide",
            self.disk.path().display()
        ))
        .arg("-debugcon")
        .arg(format!("file:{}", self.told().display()))
        .args(more);
        Program::start("grub", qemu, self.folder.path()).expect("QEMU starts")
    }

    /// The words of the first `count` kernels that are started.
    fn words(&self, count: usize, more: &[&str]) -> Vec<String> {
        let mut machine = self.machine(more);
        let told = wait::until("kernels are started", PATIENCE, || {
            machine.check_running()?;
            let text = fs::read_to_string(self.told()).unwrap_or_default();
            let lines = text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            let lines: Vec<_> = lines.map(|line| line.trim().to_owned()).collect();
            Ok((lines.len() >= count).then_some(lines))
        });
        let mut told = told.expect("kernels are started");
        machine.kill().expect("QEMU ends");
        told.truncate(count);
        told
    }

    /// The slots of the first `count` starts, such as `AAB`.
    fn slots(&self, count: usize, more: &[&str]) -> String {
        let slot = |words: &String| {
            let slot = words
                .split(' ')
                .find_map(|word| word.strip_prefix("rauc.slot="));
            slot.expect("a kernel is told its slot").to_owned()
        };
        self.words(count, more).iter().map(slot).collect()
    }
}

fn tool(name: &str, words: &[&str]) -> String {
    let program = installed_program(name).expect("`make deps` installs what is missing");
    run(Command::new(program).args(words))
        .unwrap_or_else(|error| panic!("{name} {words:?}: {error}"))
}

/// A disk with the first three partitions, each an empty FAT.
fn partitioned(path: &Path) -> PathBuf {
    let file = fs::File::create(path).expect("a file for the disk");
    file.set_len(16 << 20).expect("room for the disk");
    let name = path.to_string_lossy();
    let table = path.with_extension("table");
    let sectors = PART_MIB << 11;
    let lines = (0..3).map(|n| format!("start={},size={sectors}\n", 2048 + n * sectors));
    fs::write(
        &table,
        "label: gpt\n".to_owned() + &lines.collect::<String>(),
    )
    .expect("a table");
    let sfdisk = installed_program("sfdisk").expect("sfdisk");
    let script = format!("{} -q \"$0\" < \"$1\"", sfdisk.display());
    tool("sh", &["-c", &script, &name, &table.to_string_lossy()]);
    for number in 0..3 {
        let offset = (2048 + number * sectors).to_string();
        let kib = (PART_MIB << 10).to_string();
        tool("mkfs.vfat", &["--offset", &offset, &name, &kib]);
    }
    path.to_owned()
}

/// GRUB with the modules of the boards, in a form that QEMU starts as it starts a kernel.
fn grub_program(folder: &Path) -> PathBuf {
    let env = env("qemu_x86_64");
    let core = folder.join("core.img");
    let name = core.to_string_lossy();
    let prefix = format!("(hd0,gpt1){}", get(&env, "GRUB_PREFIX"));
    let mut words = vec!["-O", "i386-pc", "-p", &prefix, "-o", &name, "biosdisk"];
    words.extend(get(&env, "GRUB_MODULES").split(' '));
    tool("grub-mkimage", &words);
    let head = fs::read("/usr/lib/grub/i386-pc/lnxboot.img").expect("GRUB's files for PCs");
    let whole = [head, fs::read(&core).expect("GRUB's program")].concat();
    let path = folder.join("grub.img");
    fs::write(&path, whole).expect("GRUB is written");
    path
}

/// A kernel of Linux's boot protocol 2.06 that writes its command line and a newline to QEMU's debug
/// port, then restarts the machine by the keyboard controller.
fn talking_kernel() -> Vec<u8> {
    const CODE: &[u8] = &[
        0x8b, 0x9e, 0x28, 0x02, 0x00, 0x00, // mov ebx, [esi + 228h]: the command line
        0x8a, 0x03, 0x43, // next: mov al, [ebx]; inc ebx
        0x84, 0xc0, 0x74, 0x04, // test al, al; jz done
        0xe6, 0xe9, 0xeb, 0xf5, // out e9h, al; jmp next
        0xb0, 0x0a, 0xe6, 0xe9, // done: mov al, newline; out e9h, al
        0xb0, 0xfe, 0xe6, 0x64, // mov al, feh; out 64h, al
        0xf4, 0xeb, 0xfd, // hlt; jmp back to it
    ];
    let mut kernel = vec![0; 1024];
    let fields: [(usize, &[u8]); 7] = [
        (0x1f1, &[1]),                    // sectors of set-up
        (0x1fe, &[0x55, 0xaa]),           // boot flag
        (0x202, b"HdrS"),                 // magic
        (0x206, &[0x06, 0x02]),           // protocol
        (0x211, &[1]),                    // loaded high
        (0x214, &[0, 0, 0x10, 0]),        // entry
        (0x238, &2047_u32.to_le_bytes()), // longest command line
    ];
    for (place, bytes) in fields {
        kernel[place..place + bytes.len()].copy_from_slice(bytes);
    }
    kernel.extend_from_slice(CODE);
    kernel.resize(8192, 0);
    kernel
}

#[test]
fn a_version_that_always_crashes_has_three_tries_and_then_the_other_one() {
    let bench = Bench::new(&GOOD);
    assert_eq!(bench.slots(7, &[]), "AAABBBA");
    assert_eq!(bench.state("ORDER").as_deref(), Some("A B"));
}

#[test]
fn the_kernel_gets_the_words_of_its_slot_and_the_machine_s_id() {
    let bench = Bench::new(&[&GOOD[..], &[&format!("machine_id={ID}")]].concat());
    let env = env("qemu_x86_64");
    let root = get(&env, "PART_ROOT_A_UUID");
    let expected = format!(
        "BOOT_IMAGE=(hd0,gpt2)/vmlinuz \"dm-mod.create=platen-root,,,ro,0 80 verity 1 PARTUUID={root} \
         PARTUUID={root} 4096 4096 10 11 sha256 beef cafe 1 restart_on_corruption\" \
         dm-mod.waitfor=PARTUUID={root} root=/dev/dm-0 ro rootfstype=squashfs rootwait=20 panic=5 \
         platen.slot=A rauc.slot=A systemd.machine_id={ID} {}",
        get(&env, "KERNEL_WORDS")
    );
    assert_eq!(bench.words(1, &[]), [expected]);
}

#[test]
fn a_machine_id_that_is_none_does_not_reach_the_kernel() {
    let bench = Bench::new(&[&GOOD[..], &["machine_id=0 init=/bin/sh"]].concat());
    let words = bench.words(1, &[]).concat();
    assert!(
        !words.contains("init=") && !words.contains("machine_id"),
        "{words}"
    );
}

#[test]
fn a_slot_that_is_bad_is_never_started_while_the_other_is_good() {
    let bench = Bench::new(&["ORDER=A B", "A_OK=0", "A_TRY=0", "B_OK=1", "B_TRY=0"]);
    assert_eq!(bench.slots(5, &[]), "BBBBB");
}

#[test]
fn a_slot_whose_kernel_is_none_is_passed_over_at_once() {
    for file in ["vmlinuz", "slot.cfg"] {
        let bench = Bench::new(&GOOD);
        bench.remove(Partition::BootA, file);
        assert_eq!(bench.slots(2, &[]), "BB", "without {file}");
        assert_eq!(bench.state("A_TRY").as_deref(), Some("3"), "without {file}");
    }
}

#[test]
fn a_damaged_state_starts_one_slot_in_even_minutes_and_the_other_in_odd_ones() {
    for (minute, slot) in [("10:06:01", "A"), ("10:07:01", "B")] {
        let bench = Bench::new(&GOOD);
        let zeros = "\0".repeat(1024);
        let written = bench
            .disk
            .write(Partition::Firmware, "grub/grubenv", &zeros);
        written.expect("grubenv is damaged");
        let clock = format!("base=2026-11-23T{minute}");
        assert_eq!(bench.slots(1, &["-rtc", &clock]), slot, "{minute}");
    }
}

#[test]
fn a_machine_without_any_kernel_restarts_and_never_asks() {
    let bench = Bench::new(&GOOD);
    for part in [Partition::BootA, Partition::BootB] {
        bench.remove(part, "vmlinuz");
    }
    let mut machine = bench.machine(&["-no-reboot"]);
    let ended = wait::until("the machine restarts", PATIENCE, || machine.exit_status());
    assert!(ended.expect("the machine restarts").success());
    assert!(!bench.told().exists() || fs::read(bench.told()).expect("what was told").is_empty());
    assert!(
        root().join("docs/manual/recovery.md").exists(),
        "where the last line sends people"
    );
}
