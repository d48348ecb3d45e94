// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each board loaded by the real Buildroot: no symbol is lost, and its packages are known to it.
//! Only where `BUILDROOT_DIR` names a copy; nothing is downloaded and nothing is built.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::{boards, defconfig_path, external, read, symbol};

fn buildroot() -> Option<PathBuf> {
    let named = std::env::var_os("BUILDROOT_DIR").filter(|name| !name.is_empty());
    let path = named.map(PathBuf::from);
    if path.is_none() {
        eprintln!("BUILDROOT_DIR is not set: the boards were not loaded by Buildroot");
    }
    path
}

fn make(buildroot: &Path, out: &Path, goals: &[&str]) -> String {
    let mut command = Command::new("make");
    command
        .args(["--no-print-directory", "-s", "-C"])
        .arg(buildroot);
    command.arg(format!("O={}", out.display()));
    command.arg(format!("BR2_EXTERNAL={}", external().display()));
    command.args(goals);
    for name in ["MAKEFLAGS", "MAKELEVEL", "MFLAGS", "BOARD"] {
        command.env_remove(name);
    }
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{goals:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn lines(text: &str) -> BTreeSet<String> {
    let pairs = text.lines().filter_map(symbol);
    pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

#[test]
fn the_real_buildroot_takes_every_board_whole() {
    let Some(buildroot) = buildroot() else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    for board in boards() {
        make(&buildroot, out, &[&format!("platen_{board}_defconfig")]);
        let saved = out.join("saved");
        make(
            &buildroot,
            out,
            &[
                "savedefconfig",
                &format!("BR2_DEFCONFIG={}", saved.display()),
            ],
        );
        assert_eq!(
            lines(&read(&saved)),
            lines(&read(&defconfig_path(&board))),
            "{board}"
        );
        let known: Value = serde_json::from_str(&make(&buildroot, out, &["show-info"])).unwrap();
        for package in [
            "platen",
            "linux",
            "rauc",
            "systemd",
            "cryptsetup",
            "nftables",
            "host-rauc",
            "host-genimage",
        ] {
            assert!(known.get(package).is_some(), "{board}: {package}");
        }
        assert_eq!(
            known["platen"]["license_files"].as_array().map(Vec::len),
            Some(2)
        );
    }
}
