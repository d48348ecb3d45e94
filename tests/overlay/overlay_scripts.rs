// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The scripts as texts.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::bench::{overlay, program, project, ran};

/// Every script of the overlay, and the one that makes the tree.
fn scripts() -> Vec<PathBuf> {
    let listed = ran(Command::new(program("find"))
        .arg(overlay())
        .args(["-type", "f"]));
    let mut found: Vec<_> = listed.out.lines().map(PathBuf::from).collect();
    found.push(project().join("buildroot/scripts/post-build.sh"));
    found.retain(|path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.starts_with("#!/bin/sh")
            || text.starts_with("#!/usr/bin/env bash")
            || text.contains("shellcheck shell=")
    });
    assert!(found.len() > 15, "{found:?}");
    found
}

#[test]
fn overlay_scripts_are_clean_to_shellcheck() {
    let checked = ran(Command::new(program("shellcheck"))
        .arg("-x")
        .args(scripts())
        .current_dir(project()));
    assert!(checked.ok, "{}{}", checked.out, checked.err);
}

#[test]
fn overlay_scripts_say_when_they_run_and_what_a_cut_does() {
    let missing: Vec<_> = scripts()
        .into_iter()
        .filter(|path| path.starts_with(overlay()))
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap();
            let head: String = text
                .lines()
                .take_while(|line| line.starts_with('#'))
                .collect();
            let when = head.contains("When:")
                || head.contains("Sourced by")
                || head.contains("as RAUC finds it");
            let cut = ["If the power goes", "A cut leaves", "It writes nothing"];
            !(head.contains("SPDX-License-Identifier")
                && when
                && cut.iter().any(|words| head.contains(words)))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn overlay_scripts_can_be_run_and_what_is_sourced_can_not() {
    for path in scripts()
        .into_iter()
        .filter(|path| path.starts_with(overlay()))
    {
        let runs = fs::metadata(&path).unwrap().permissions().mode() & 0o111 != 0;
        let sourced = path.extension().is_some();
        assert_ne!(runs, sourced, "{}", path.display());
    }
}

/// The shell of the image reads every line of them.
#[test]
fn overlay_scripts_are_understood_by_busybox() {
    for path in scripts()
        .into_iter()
        .filter(|path| path.starts_with(overlay()))
    {
        let read = ran(Command::new(program("busybox"))
            .args(["ash", "-n"])
            .arg(&path));
        assert!(
            read.ok && read.err.is_empty(),
            "{}: {}",
            path.display(),
            read.err
        );
    }
}
