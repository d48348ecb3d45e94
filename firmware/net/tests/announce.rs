// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The announcements as Avahi sees them, in a network namespace of their own.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Examples are built beside the tests.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples").join(name)
}

#[test]
fn avahi_finds_both_services_by_both_subtypes_until_goodbye() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/announce_avahi.sh");
    let output = Command::new("unshare")
        .args(["-nmpf", "--mount-proc", "sh"])
        .arg(script)
        .arg(example("announce"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.lines().last(), Some("all found"), "{text}");
}
