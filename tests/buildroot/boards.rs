// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The configurations of the boards: what they name, where they agree, and what each must say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::{board_env, boards, defconfig, defconfig_path, external, read, root, symbol};

/// What the image is without which it would not be this one.
const EVERYWHERE: [(&str, &str); 22] = [
    ("BR2_DOWNLOAD_FORCE_CHECK_HASHES", "y"),
    ("BR2_REPRODUCIBLE", "y"),
    ("BR2_INIT_SYSTEMD", "y"),
    ("BR2_TARGET_ENABLE_ROOT_LOGIN", "n"),
    ("BR2_TARGET_GENERIC_GETTY", "n"),
    ("BR2_TARGET_GENERIC_REMOUNT_ROOTFS_RW", "n"),
    ("BR2_TARGET_ROOTFS_SQUASHFS", "y"),
    ("BR2_TARGET_ROOTFS_SQUASHFS4_ZSTD", "y"),
    ("BR2_PACKAGE_PLATEN", "y"),
    ("BR2_PACKAGE_RAUC", "y"),
    ("BR2_PACKAGE_RAUC_DBUS", "y"),
    ("BR2_PACKAGE_CRYPTSETUP", "y"),
    ("BR2_PACKAGE_TPM2_TSS", "y"),
    ("BR2_PACKAGE_LIBSECCOMP", "y"),
    ("BR2_PACKAGE_E2FSPROGS_RESIZE2FS", "y"),
    ("BR2_PACKAGE_NFTABLES", "y"),
    ("BR2_PACKAGE_UTIL_LINUX_BINARIES", "y"),
    ("BR2_PACKAGE_HOST_CRYPTSETUP", "y"),
    ("BR2_PACKAGE_HOST_DOSFSTOOLS", "y"),
    ("BR2_PACKAGE_HOST_GENIMAGE", "y"),
    ("BR2_PACKAGE_HOST_MTOOLS", "y"),
    ("BR2_PACKAGE_HOST_RAUC", "y"),
];

/// Where boards may differ; in all else they are the same.
const MAY_DIFFER: [&str; 11] = [
    "BR2_aarch64",
    "BR2_x86_64",
    "BR2_cortex_",
    "BR2_TOOLCHAIN_EXTERNAL_BOOTLIN",
    "BR2_ROOTFS_POST_SCRIPT_ARGS",
    "BR2_LINUX_KERNEL_",
    "BR2_TARGET_GRUB2",
    "BR2_PACKAGE_RPI_FIRMWARE",
    "BR2_PACKAGE_LINUX_FIRMWARE",
    "BR2_PACKAGE_XZ",
    "BR2_PACKAGE_HOST_KMOD_XZ",
];

#[test]
fn every_file_that_the_recipe_names_is_there() {
    let mut files: Vec<PathBuf> = boards().iter().map(|board| defconfig_path(board)).collect();
    files.extend(
        ["Config.in", "external.mk", "package/platen/platen.mk"].map(|f| external().join(f)),
    );
    let (mut named, mut missing) = (0, Vec::new());
    for file in files {
        for path in paths_in(&read(&file)) {
            named += 1;
            if !external().join(&path).exists() {
                missing.push(format!("{}: {path}", file.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(named > 30, "{named} files are named");
}

/// What follows the variable of the external tree's place; of a pattern, the folder.
fn paths_in(text: &str) -> Vec<String> {
    let text = text.replace("$(BR2_EXTERNAL_PLATEN_PATH)", "$BR2_EXTERNAL_PLATEN_PATH");
    let rests = text.split("$BR2_EXTERNAL_PLATEN_PATH/").skip(1);
    let words = rests.filter_map(|rest| rest.split([' ', '"', ')', '\n']).next());
    words
        .map(|word| word.split('*').next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn no_configuration_says_a_thing_twice() {
    for board in boards() {
        let text = read(&defconfig_path(&board));
        let mut seen = BTreeSet::new();
        for (name, _) in text.lines().filter_map(symbol) {
            assert!(seen.insert(name), "{board}: {name}");
        }
    }
}

#[test]
fn the_appliance_is_the_same_on_every_board() {
    let common = |board: &String| -> BTreeSet<(String, String)> {
        let differs = |name: &str| MAY_DIFFER.iter().any(|prefix| name.starts_with(prefix));
        let all = defconfig(board).into_iter();
        all.filter(|(name, _)| !differs(name)).collect()
    };
    let boards = boards();
    let first = common(&boards[0]);
    assert!(first.len() > 40, "{} symbols", first.len());
    for board in &boards {
        let of_board = common(board);
        let differing: Vec<_> = of_board.symmetric_difference(&first).collect();
        assert!(
            differing.is_empty(),
            "{board} and {}: {differing:?}",
            boards[0]
        );
    }
    for (name, value) in EVERYWHERE {
        let said = (name.to_owned(), value.to_owned());
        assert!(first.contains(&said), "{name}={value}");
    }
}

#[test]
fn a_configuration_fits_its_board() {
    for board in boards() {
        let (config, facts) = (defconfig(&board), board_env(&board));
        let has = |name: &str| config.get(name).map(String::as_str) == Some("y");
        assert_eq!(facts["BOARD"], board);
        assert_eq!(facts["COMPATIBLE"], format!("platen-{board}"));
        assert!(has(&format!("BR2_{}", facts["ARCH"])), "{board}: processor");
        assert_eq!(
            config["BR2_ROOTFS_POST_SCRIPT_ARGS"].trim_matches('"'),
            board
        );
        let fragments = &config["BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES"];
        assert!(
            fragments.contains(&format!("board/{board}/linux.fragment")),
            "{board}"
        );
        assert!(
            !fragments.contains("kernel-test"),
            "{board} has devices for tests"
        );
        match facts["BOOTLOADER"].as_str() {
            "grub" => {
                let target = facts["GRUB_TARGET"].to_uppercase().replace('-', "_");
                // For aarch64 there is one way, and Buildroot selects it.
                let chosen = target == "ARM64_EFI" || has(&format!("BR2_TARGET_GRUB2_{target}"));
                assert!(has("BR2_TARGET_GRUB2") && chosen, "{board}: {target}");
                assert!(
                    has("BR2_TARGET_GRUB2_INSTALL_TOOLS"),
                    "{board}: grub-editenv"
                );
                assert_eq!(facts["TABLE"], "gpt");
            }
            "tryboot" => {
                assert!(has("BR2_PACKAGE_RPI_FIRMWARE"), "{board}");
                assert_eq!(device_trees(&config), words(&facts["DTBS"]), "{board}");
                assert_eq!(facts["TABLE"], "mbr");
            }
            other => panic!("{board}: boot loader {other}"),
        }
    }
}

fn device_trees(config: &BTreeMap<String, String>) -> BTreeSet<String> {
    let names = config["BR2_LINUX_KERNEL_INTREE_DTS_NAME"].trim_matches('"');
    let file = |name: &str| format!("{}.dtb", name.rsplit('/').next().unwrap_or(name));
    names.split_whitespace().map(file).collect()
}

fn words(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn every_board_of_the_image_has_a_configuration() {
    let named: BTreeSet<_> = boards().into_iter().collect();
    let folders = root().join("board").read_dir().unwrap();
    let with_facts: BTreeSet<_> = folders
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("board.env").is_file())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(with_facts, named);
}

#[test]
fn every_kernel_has_its_hash() {
    let hashes = read(&external().join("patches/linux/linux.hash"));
    for board in boards() {
        let config = defconfig(&board);
        assert!(config["BR2_GLOBAL_PATCH_DIR"].contains("$(BR2_EXTERNAL_PLATEN_PATH)/patches"));
        let version = config.get("BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE");
        let location = config.get("BR2_LINUX_KERNEL_CUSTOM_TARBALL_LOCATION");
        let archive = match (version, location) {
            (Some(version), None) => format!("linux-{}.tar.xz", version.trim_matches('"')),
            (None, Some(location)) => {
                let location = location.trim_matches('"');
                location.rsplit('/').next().unwrap_or_default().to_owned()
            }
            _ => panic!("{board}: which kernel?"),
        };
        let lines = hashes
            .lines()
            .filter(|line| line.ends_with(&format!("  {archive}")));
        assert_eq!(lines.count(), 1, "{board}: {archive}");
    }
}

#[test]
fn our_symbols_are_declared() {
    let declared = read(&external().join("package/platen/Config.in"));
    let declared: BTreeSet<_> = declared
        .lines()
        .filter_map(|line| line.strip_prefix("config "))
        .collect();
    let mut texts: Vec<_> = boards()
        .iter()
        .map(|board| read(&defconfig_path(board)))
        .collect();
    texts.extend(
        [
            "external.mk",
            "package/platen/platen.mk",
            "package/platen/Config.in",
        ]
        .map(|f| read(&external().join(f))),
    );
    for text in texts {
        let inner = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        for word in text
            .split(inner)
            .filter(|word| word.starts_with("BR2_PACKAGE_PLATEN"))
        {
            assert!(declared.contains(word), "{word} is declared nowhere");
        }
    }
    assert!(declared.contains("BR2_PACKAGE_PLATEN"));
}

#[test]
fn there_is_one_version_and_one_buildroot() {
    let version = read(&external().join("VERSION"));
    assert_eq!(version, format!("{}\n", env!("CARGO_PKG_VERSION")));
    let facts = crate::symbols(&read(&external().join("buildroot.version")));
    let release = facts["BUILDROOT_VERSION"].trim_matches('"');
    let url = facts["BUILDROOT_URL"].trim_matches('"');
    assert!(
        url.starts_with("https://") && url.contains(&format!("buildroot-{release}.tar")),
        "{url}"
    );
    let sum = facts["BUILDROOT_SHA256"].trim_matches('"');
    assert!(
        sum.len() == 64 && sum.chars().all(|c| c.is_ascii_hexdigit()),
        "{sum}"
    );
    for line in read(&root().join("Makefile")).lines() {
        assert!(
            !line.contains(url),
            "the Makefile names Buildroot's place a second time"
        );
    }
}
