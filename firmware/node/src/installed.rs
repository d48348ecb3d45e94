// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which release of the image this is, where there is an image: the file that it carries, and the
//! slot that the boot loader chose.

use std::fs;
use std::path::Path;

const COMMAND_LINE: &str = "/proc/cmdline";
/// Longest value that is taken, bytes.
const VALUE_BYTES_MAX: usize = 64;

/// What runs here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Installed {
    /// Version of the image; of the program, where there is no image.
    pub(crate) version: String,
    /// What bundles fit, such as `platen-x86_64`; none without an image.
    pub(crate) compatible: Option<String>,
    /// The slot, `A` or `B`.
    pub(crate) slot: Option<String>,
}

impl Installed {
    /// As the running system says; `release` is the image's file of `NAME=value` lines.
    pub(crate) fn read(release: &Path) -> Self {
        let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        Self::of(&text(release), &text(Path::new(COMMAND_LINE)))
    }

    fn of(release: &str, command_line: &str) -> Self {
        let value = |name: &str| {
            let lines = release.lines().filter_map(|line| line.split_once('='));
            let mut found = lines
                .filter(|(found, _)| *found == name)
                .map(|(_, value)| value);
            plain(found.next_back()?.trim_matches('"'))
        };
        let words = command_line.split_ascii_whitespace();
        let mut slot = words.filter_map(|word| word.strip_prefix("platen.slot="));
        Self {
            version: value("VERSION").unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
            compatible: value("COMPATIBLE"),
            slot: slot.next_back().and_then(plain),
        }
    }
}

/// A word that may stand in a line for people.
fn plain(value: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._+".contains(c);
    let fits = !value.is_empty() && value.len() <= VALUE_BYTES_MAX && value.chars().all(is_plain);
    fits.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_its_version_its_board_and_its_slot() {
        let release = "VERSION=1.2.3\nBOARD=x86_64\nCOMPATIBLE=\"platen-x86_64\"\n";
        let line = "root=/dev/dm-0 ro platen.slot=B rauc.slot=B panic=5\n";
        let installed = Installed::of(release, line);
        assert_eq!(installed.version, "1.2.3");
        assert_eq!(installed.compatible.as_deref(), Some("platen-x86_64"));
        assert_eq!(installed.slot.as_deref(), Some("B"));
    }

    #[test]
    fn without_an_image_the_program_is_all_there_is() {
        for (release, line) in [
            ("", ""),
            ("VERSION=", "platen.slot="),
            ("VERSION=1 2\nVERSION=\u{1b}[2J", "platen.slot=\u{7}"),
            (&"VERSION=".repeat(40), "quiet"),
        ] {
            let installed = Installed::of(release, line);
            assert_eq!(installed.version, env!("CARGO_PKG_VERSION"), "{release}");
            assert_eq!((installed.compatible, installed.slot), (None, None));
        }
    }
}
