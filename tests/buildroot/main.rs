// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Looks at the firmware's recipe without building it: that every file it names exists, that the
//! boards agree, that Kconfig fragments don't contradict each other, that Buildroot's own rules of
//! form are kept, and that its scripts do what they say. With `BUILDROOT_DIR` set, each board is
//! loaded by the real Buildroot as well. docs/image.md.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod boards;
mod bundle;
mod form;
mod kernel;
mod parts;
mod real;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The top of the checkout.
fn root() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    top.canonicalize().unwrap()
}

fn external() -> PathBuf {
    root().join("buildroot")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The boards, by the names of their configurations.
fn boards() -> Vec<String> {
    let configs = external().join("configs").read_dir().unwrap();
    let names = configs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut boards: Vec<_> = names
        .map(|name| {
            let board = name.strip_prefix("platen_");
            let board = board.and_then(|rest| rest.strip_suffix("_defconfig"));
            board
                .unwrap_or_else(|| panic!("{name} is no board's"))
                .to_owned()
        })
        .collect();
    boards.sort();
    assert_eq!(boards.len(), 5, "{boards:?}");
    boards
}

fn defconfig_path(board: &str) -> PathBuf {
    external().join(format!("configs/platen_{board}_defconfig"))
}

fn defconfig(board: &str) -> BTreeMap<String, String> {
    symbols(&read(&defconfig_path(board)))
}

/// One line of Kconfig: the symbol, and its value as it is written; "n" for one that is not set.
fn symbol(line: &str) -> Option<(&str, &str)> {
    let off = line.strip_prefix("# ").map(|rest| rest.split_once(' '));
    match off {
        Some(Some((name, "is not set"))) => Some((name, "n")),
        Some(_) => None,
        None => line.split_once('=').filter(|(name, _)| is_symbol(name)),
    }
}

fn is_symbol(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(plain)
}

/// The symbols of a file, the last line counting.
fn symbols(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(symbol);
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// A board's facts: KEY="value" lines.
fn board_env(board: &str) -> BTreeMap<String, String> {
    let facts = symbols(&read(&root().join(format!("board/{board}/board.env"))));
    facts
        .into_iter()
        .map(|(key, value)| (key, value.trim_matches('"').to_owned()))
        .collect()
}
