// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Holds the boards of the image together: what board.env, board.toml, the boot files and the wiring
//! pictures of one board say must be the same, and each must be what its reader takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use platen_hal_linux::board::Board;

mod grub;
mod pictures;
mod xml;

/// Boards that an image is made for.
const BOARDS: [&str; 5] = [
    "qemu_aarch64",
    "qemu_x86_64",
    "raspberrypi4_64",
    "raspberrypizero2w_64",
    "x86_64",
];
/// What the scripts may rely on in every board.env.
const KEYS: [&str; 22] = [
    "BOARD",
    "NAME",
    "COMPATIBLE",
    "ARCH",
    "RUST_TARGET",
    "TABLE",
    "BOOTLOADER",
    "CONSOLE",
    "KERNEL_WORDS",
    "DATA_CIPHER",
    "KERNEL_FILE",
    "DTBS",
    "PART_FIRMWARE_UUID",
    "PART_BOOT_A_UUID",
    "PART_BOOT_B_UUID",
    "PART_ROOT_A_UUID",
    "PART_ROOT_B_UUID",
    "PART_DATA_UUID",
    "FIRMWARE_MIB",
    "BOOT_MIB",
    "ROOT_MIB",
    "DATA_MIB",
];
/// Words of each slot that the image script and the installation fill in.
const SLOT_WORDS: [&str; 5] = ["SECTORS", "BLOCKS", "HASH_START", "ROOT_HASH", "SALT"];

type Env = BTreeMap<String, String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(board: &str, file: &str) -> String {
    let path = root().join("board").join(board).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// board.env as its readers know it: `KEY="value"`, comments and empty lines.
fn env(board: &str) -> Env {
    let mut env = Env::new();
    for line in read(board, "board.env").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once("=\"").expect("a line is KEY=\"value\"");
        let value = value
            .strip_suffix('"')
            .expect("a value ends with its quote");
        assert!(
            !value.contains(['"', '$', '`', '\\']),
            "{board}: a shell would read {key} otherwise"
        );
        let old = env.insert(key.to_owned(), value.to_owned());
        assert!(old.is_none(), "{board}: {key} stands twice");
    }
    env
}

fn get<'a>(env: &'a Env, key: &str) -> &'a str {
    env.get(key)
        .unwrap_or_else(|| panic!("{} lacks {key}", env["BOARD"]))
}

fn boards_with(key: &str, value: &str) -> Vec<(&'static str, Env)> {
    let all = BOARDS.into_iter().map(|board| (board, env(board)));
    all.filter(|(_, env)| get(env, key) == value).collect()
}

#[test]
fn every_board_says_all_that_the_scripts_read() {
    for board in BOARDS {
        let env = env(board);
        for key in KEYS {
            get(&env, key);
        }
        assert_eq!(get(&env, "BOARD"), board);
        assert_eq!(get(&env, "COMPATIBLE"), format!("platen-{board}"));
        assert!(get(&env, "RUST_TARGET").starts_with(get(&env, "ARCH")));
        for size in ["FIRMWARE_MIB", "BOOT_MIB", "ROOT_MIB", "DATA_MIB"] {
            let mib: u32 = get(&env, size).parse().expect("a size is a number of MiB");
            assert!((48..=1024).contains(&mib), "{board}: {size}");
        }
    }
}

#[test]
fn a_shell_reads_board_env_as_the_tests_do() {
    for board in BOARDS {
        let script = ". ./board.env && for key; do eval \"printf '%s\\n' \\\"\\$$key\\\"\"; done";
        let mut shell = Command::new("sh");
        shell
            .current_dir(root().join("board").join(board))
            .args(["-euc", script, "sh"])
            .args(KEYS);
        let output = shell.output().expect("a shell starts");
        assert!(output.status.success(), "{board}: {output:?}");
        let values = String::from_utf8(output.stdout).expect("values are text");
        let env = env(board);
        let expected: Vec<_> = KEYS.iter().map(|key| get(&env, key)).collect();
        assert_eq!(values.lines().collect::<Vec<_>>(), expected, "{board}");
    }
}

#[test]
fn partitions_have_each_an_id_of_the_table_s_kind() {
    for board in BOARDS {
        let env = env(board);
        let ids = KEYS.iter().filter(|key| key.ends_with("_UUID"));
        let ids: Vec<_> = ids.map(|key| get(&env, key)).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 6, "{board}");
        if get(&env, "TABLE") == "mbr" {
            let disk = get(&env, "DISK_SIGNATURE");
            let expected =
                ["01", "02", "03", "05", "06", "07"].map(|part| format!("{disk}-{part}"));
            assert_eq!(ids, expected, "{board}");
        } else {
            let is_uuid = |id: &str| {
                let groups: Vec<_> = id.split('-').map(str::len).collect();
                let plain = |c: char| c == '-' || c.is_ascii_digit() || ('a'..='f').contains(&c);
                groups == [8, 4, 4, 4, 12] && id.chars().all(plain)
            };
            assert!(is_uuid(get(&env, "DISK_UUID")), "{board}");
            assert!(ids.into_iter().all(is_uuid), "{board}");
        }
    }
}

#[test]
fn every_board_file_is_taken_by_the_daemon_s_own_reader() {
    for board in BOARDS {
        let parsed = Board::parse(&read(board, "board.toml"));
        let parsed = parsed.unwrap_or_else(|error| panic!("{board}: {error}"));
        assert_eq!(parsed.name, board);
        assert!(!parsed.readers.is_empty(), "{board} has no card reader");
    }
}

#[test]
fn grub_knows_the_partitions_and_asks_for_what_a_slot_s_words_set() {
    let boards = boards_with("BOOTLOADER", "grub");
    assert_eq!(boards.len(), 3);
    for (board, env) in boards {
        let grub = read(board, "grub.cfg");
        let slot = read(board, "slot.cfg.in");
        for key in ["PART_ROOT_A_UUID", "PART_ROOT_B_UUID"] {
            assert!(
                grub.contains(&format!("rootpart=\"{}\"", get(&env, key))),
                "{board}: {key}"
            );
        }
        for word in SLOT_WORDS {
            let name = word.to_lowercase();
            assert!(
                slot.contains(&format!("set {name}=\"@{word}@\"")),
                "{board}: {word}"
            );
            assert!(grub.contains(&format!("${name}")), "{board}: {word}");
        }
        assert!(slot.contains("set words=\"@KERNEL_WORDS@\""));
        for module in [
            "part_gpt",
            "fat",
            "loadenv",
            "regexp",
            "configfile",
            "datehook",
            "linux",
        ] {
            let modules = get(&env, "GRUB_MODULES");
            assert!(
                modules.split(' ').any(|word| word == module),
                "{board}: {module}"
            );
        }
    }
}

#[test]
fn grub_s_own_checker_takes_both_of_its_files() {
    for file in ["grub.cfg", "slot.cfg.in"] {
        let path = root().join("board/x86_64").join(file);
        let checked = Command::new("grub-script-check").arg(&path).output();
        let checked = checked.expect("grub-script-check comes with `make deps`");
        assert!(checked.status.success(), "{file}: {checked:?}");
    }
}

#[test]
fn kernels_of_all_boards_are_started_with_the_same_root() {
    let [grub, pi] = [
        read("x86_64", "grub.cfg"),
        read("raspberrypi4_64", "cmdline.txt.in"),
    ];
    let words = [
        "root=/dev/dm-0 ro rootfstype=squashfs rootwait=20 panic=5",
        "1 restart_on_corruption\"",
    ];
    for word in words {
        assert!(grub.contains(word) && pi.contains(word), "{word}");
    }
    for (grub_word, pi_word) in [
        (
            "dm-mod.waitfor=PARTUUID=$rootpart",
            "dm-mod.waitfor=PARTUUID=@ROOTPART@",
        ),
        (
            "platen.slot=$slot rauc.slot=$slot",
            "platen.slot=@SLOT@ rauc.slot=@SLOT@",
        ),
        (
            "platen-root,,,ro,0 $sectors verity 1",
            "platen-root,,,ro,0 @SECTORS@ verity 1",
        ),
    ] {
        assert!(
            grub.contains(grub_word) && pi.contains(pi_word),
            "{grub_word}"
        );
    }
}

#[test]
fn a_pi_s_firmware_finds_both_slots_and_their_files() {
    let boards = boards_with("BOOTLOADER", "tryboot");
    assert_eq!(boards.len(), 2);
    for (board, env) in boards {
        let autoboot = read(board, "autoboot.txt");
        assert!(
            autoboot.len() <= 512,
            "the firmware reads no more of autoboot.txt"
        );
        let lines: Vec<_> = autoboot.lines().skip(1).collect();
        let expected = [
            "[all]",
            "tryboot_a_b=1",
            "boot_partition=2",
            "[tryboot]",
            "boot_partition=3",
        ];
        assert_eq!(lines, expected, "{board}");

        let config = read(board, "config.txt");
        let kernel = format!("kernel={}", get(&env, "KERNEL_FILE"));
        for line in [
            "arm_64bit=1",
            "dtparam=spi=on",
            "dtparam=watchdog=on",
            kernel.as_str(),
        ] {
            assert!(config.lines().any(|l| l == line), "{board}: {line}");
        }
        assert!(
            config.lines().all(|line| line.len() <= 98),
            "the firmware cuts longer lines"
        );

        let cmdline = read(board, "cmdline.txt.in");
        assert_eq!(cmdline.lines().count(), 1, "the firmware reads one line");
        let words: BTreeSet<_> = cmdline.split('@').skip(1).step_by(2).collect();
        let mut expected: BTreeSet<_> = SLOT_WORDS.into_iter().collect();
        expected.extend(["ROOTPART", "SLOT", "MACHINE_ID", "KERNEL_WORDS"]);
        assert_eq!(words, expected, "{board}");
    }
}
