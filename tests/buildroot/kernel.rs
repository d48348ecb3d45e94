// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Kernel and BusyBox fragments: what stands in them, and the check that nothing of them was lost.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{boards, external, read, root, symbol, symbols};

/// Without these in the kernel itself, the root is not found: there is no initramfs.
const BUILT_IN: [&str; 12] = [
    "BLK_DEV_DM",
    "DM_INIT",
    "DM_VERITY",
    "DM_CRYPT",
    "SQUASHFS",
    "SQUASHFS_ZSTD",
    "EXT4_FS",
    "VFAT_FS",
    "NLS_CODEPAGE_437",
    "CRYPTO_ADIANTUM",
    "DEVTMPFS_MOUNT",
    "BLK_DEV_LOOP",
];

/// What systemd's sandboxes of our units rest on.
const FOR_SYSTEMD: [&str; 8] = [
    "CGROUPS",
    "CGROUP_BPF",
    "MEMCG",
    "SECCOMP_FILTER",
    "NET_NS",
    "PID_NS",
    "FHANDLE",
    "TMPFS_XATTR",
];

/// Devices made by programs: for tests, never in a box.
const FOR_TESTS: [&str; 4] = ["GPIO_SIM", "CUSE", "USB_DUMMY_HCD", "UHID"];

fn appliance() -> PathBuf {
    root().join("board/kernel.fragment")
}

fn of_board(board: &str) -> PathBuf {
    root().join(format!("board/{board}/linux.fragment"))
}

fn for_tests() -> PathBuf {
    root().join("board/kernel-test.fragment")
}

fn fragments() -> Vec<PathBuf> {
    let mut all: Vec<_> = boards().iter().map(|board| of_board(board)).collect();
    all.extend([
        appliance(),
        for_tests(),
        external().join("busybox.fragment"),
    ]);
    all
}

fn value<'a>(from: &'a BTreeMap<String, String>, name: &str) -> &'a str {
    from.get(&format!("CONFIG_{name}"))
        .map_or("unsaid", String::as_str)
}

#[test]
fn a_fragment_has_symbols_and_comments_only_and_none_twice() {
    for path in fragments() {
        let text = read(&path);
        let mut seen = BTreeMap::new();
        for line in text.lines() {
            match symbol(line) {
                Some((name, value)) => {
                    assert!(name.starts_with("CONFIG_"), "{}: {line}", path.display());
                    let before = seen.insert(name.to_owned(), value.to_owned());
                    assert_eq!(before, None, "{}: {name}", path.display());
                }
                None => assert!(
                    line.is_empty() || line.starts_with("# "),
                    "{}: {line}",
                    path.display()
                ),
            }
        }
        assert!(seen.len() > 5, "{}", path.display());
    }
}

#[test]
fn no_board_contradicts_the_appliance() {
    let appliance = symbols(&read(&appliance()));
    for board in boards() {
        let mut of_board = symbols(&read(&of_board(&board)));
        of_board.extend(symbols(&read(&for_tests())));
        for (name, value) in of_board {
            let said = appliance.get(&name).unwrap_or(&value);
            assert_eq!(said, &value, "{board}: {name}");
        }
    }
}

#[test]
fn what_the_start_needs_is_in_the_kernel_itself() {
    let appliance = symbols(&read(&appliance()));
    for name in BUILT_IN.iter().chain(&FOR_SYSTEMD) {
        assert_eq!(value(&appliance, name), "y", "{name}");
    }
    assert_eq!(value(&appliance, "BLK_DEV_INITRD"), "n");
    assert_eq!(value(&appliance, "PANIC_TIMEOUT"), "5");
    assert_eq!(value(&appliance, "SWAP"), "n");
    assert_eq!(value(&appliance, "MODULE_SIG"), "n");
}

#[test]
fn devices_for_tests_are_in_no_box() {
    let tests = symbols(&read(&for_tests()));
    for name in FOR_TESTS {
        assert_eq!(value(&tests, name), "m", "{name}");
    }
    for path in boards()
        .iter()
        .map(|board| of_board(board))
        .chain([appliance()])
    {
        let said = symbols(&read(&path));
        for name in FOR_TESTS {
            assert_eq!(value(&said, name), "unsaid", "{}: {name}", path.display());
        }
    }
}

#[test]
fn every_board_has_a_watchdog_and_a_disk_in_its_kernel() {
    for board in boards() {
        let said = symbols(&read(&of_board(&board)));
        let any = |names: &[&str]| names.iter().any(|name| value(&said, name) == "y");
        assert!(
            any(&["BCM2835_WDT", "ITCO_WDT", "I6300ESB_WDT"]),
            "{board}: watchdog"
        );
        assert!(
            any(&["MMC_BLOCK", "BLK_DEV_NVME", "VIRTIO_BLK"]),
            "{board}: disk"
        );
    }
}

fn check(result: &str, asked: &[&str]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let mut command = Command::new(external().join("scripts/check-kconfig.sh"));
    command.arg(put("result", result));
    for (number, text) in asked.iter().enumerate() {
        command.arg(put(&format!("fragment{number}"), text));
    }
    finished(command)
}

fn finished(mut command: Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

#[test]
fn a_symbol_that_was_lost_ends_the_build() {
    let result = "CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D=\"x y\"\nCONFIG_E=5\n";
    let fine = "# a comment\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_D=\"x y\"\nCONFIG_E=5\n";
    assert_eq!(check(result, &[fine]), (true, String::new()));
    for lost in [
        "CONFIG_B=y\n",
        "CONFIG_C=m\n",
        "CONFIG_F=y\n",
        "# CONFIG_A is not set\n",
        "CONFIG_D=\"x\"\n",
        "CONFIG_E=6\n",
    ] {
        let (well, said) = check(result, &[fine, lost]);
        let name = symbol(lost.trim_end()).unwrap().0;
        assert!(
            !well && said.contains(name) && said.contains("1 of"),
            "{lost}{said}"
        );
    }
}

#[test]
fn what_is_more_than_was_asked_for_is_not_lost() {
    let result = "CONFIG_A=y\n";
    assert!(
        check(result, &["CONFIG_A=m\n"]).0,
        "built in instead of a module"
    );
    assert!(
        check(result, &["# CONFIG_UNKNOWN is not set\n"]).0,
        "off, and unknown"
    );
    let later = check(result, &["# CONFIG_A is not set\n", "CONFIG_A=y\n"]);
    assert!(later.0, "the last file counts: {}", later.1);
}

#[test]
fn a_check_of_nothing_is_no_check() {
    let mut command = Command::new(external().join("scripts/check-kconfig.sh"));
    command.arg(Path::new("/nowhere")).arg(appliance());
    let (well, said) = finished(command);
    assert!(!well && said.contains("/nowhere"), "{said}");
    let bare = Command::new(external().join("scripts/check-kconfig.sh"));
    assert!(!finished(bare).0);
    assert!(
        !check("", &["CONFIG_A=y\n"]).0,
        "an empty result has lost it"
    );
}
