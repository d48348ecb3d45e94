// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Looks at the tree itself: licence lines, sizes, line lengths, words that don't belong, and links
//! in documents that lead nowhere.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A file longer than this needs a seam.
const LINES_MAX: usize = 600;
/// Columns, wider for strings that can't be broken.
const COLUMNS_MAX: usize = 130;
/// Bytes of one file in the tree.
const BLOB_MAX: u64 = 2 << 20;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(ending: &str) -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached"])
        .current_dir(root())
        .output()
        .expect("git lists a checkout");
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = names
        .split('\0')
        .filter(|name| name.ends_with(ending) && !name.is_empty());
    names
        .map(|name| root().join(name))
        .filter(|path| path.is_file())
        .collect()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_tree_is_listed() {
    assert!(files(".rs").len() > 100, "{} files", files(".rs").len());
}

#[test]
fn every_source_file_begins_with_its_licence_and_what_it_is() {
    let licence = "// SPDX-License-Identifier: Apache-2.0 OR MIT\n";
    let bad: Vec<_> = files(".rs")
        .into_iter()
        .filter(|path| {
            let text = read(path);
            let rest = text.strip_prefix(licence);
            !rest.is_some_and(|rest| rest.trim_start().starts_with("//!"))
        })
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn no_source_file_is_too_long_or_too_wide() {
    let mut bad = Vec::new();
    for path in files(".rs") {
        let text = read(&path);
        let lines = text.lines().count();
        let wide = text
            .lines()
            .filter(|line| line.chars().count() > COLUMNS_MAX)
            .count();
        if lines > LINES_MAX || wide > 0 {
            bad.push((path, lines, wide));
        }
    }
    assert!(bad.is_empty(), "file, lines, lines too wide: {bad:#?}");
}

#[test]
fn no_file_in_the_tree_is_a_blob() {
    let size = |path: &PathBuf| path.metadata().map(|meta| meta.len()).unwrap_or(0);
    let bad: Vec<_> = files("")
        .into_iter()
        .filter(|path| size(path) > BLOB_MAX)
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn nothing_is_left_unfinished_or_switched_off() {
    // Put together, so that this file does not name them itself.
    let marks = [
        ["FIX", "ME"],
        ["to", "do!("],
        ["unimpl", "emented!("],
        ["#[ig", "nore"],
    ];
    let marks = marks.map(|parts| parts.concat());
    let mut bad = Vec::new();
    for path in files(".rs") {
        let text = read(&path);
        bad.extend(
            marks
                .iter()
                .filter(|m| text.contains(*m))
                .map(|m| (path.clone(), m.clone())),
        );
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn unsafe_code_lives_in_one_crate() {
    let word = ["unsa", "fe "].concat();
    let uses = |text: &str| {
        text.lines().any(|line| {
            let code = line.split("//").next().unwrap_or_default();
            code.contains(&format!("{word}{{")) || code.contains(&format!("{word}fn"))
        })
    };
    let bad: Vec<_> = files(".rs")
        .into_iter()
        .filter(|path| !path.to_string_lossy().contains("/hal/linux/") && uses(&read(path)))
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut bad = Vec::new();
    for path in files(".md") {
        for link in read(&path)
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap_or_default();
            let outside = target.is_empty() || target.contains("://") || target.contains(' ');
            let folder = path.parent().unwrap_or(Path::new("."));
            if !outside && !folder.join(target).exists() {
                bad.push((path.clone(), link.to_owned()));
            }
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[test]
fn tests_that_documents_name_exist() {
    let sources: String = files(".rs").iter().map(|path| read(path)).collect();
    let (mut named, mut missing) = (0, Vec::new());
    for path in files(".md") {
        let text = read(&path);
        for word in text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|word| is_test_name(word))
        {
            named += 1;
            let figure = format!("pub {word}:"); // a field of a bench's record
            if !sources.contains(&format!("fn {word}(")) && !sources.contains(&figure) {
                missing.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(named > 10, "{named} tests are named");
}

/// Names of tests are sentences: nothing else in the documents has so many underscores.
fn is_test_name(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    word.chars().all(plain) && word.matches('_').count() >= 3
}

#[test]
fn the_changelog_speaks_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(read(&root().join("CHANGELOG.md")).contains(&format!("[{version}]")));
}
