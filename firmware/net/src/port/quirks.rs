// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is known of single models, from the data files in `firmware/net/quirks`: each entry there
//! names its public source.

use std::sync::OnceLock;

use serde::Deserialize;

/// Most entries of a file.
const ENTRIES_MAX: usize = 1000;
/// Longest pattern, in characters, and most stars in it.
const PATTERN_CHARS_MAX: usize = 128;
const STARS_MAX: usize = 4;

/// What an SNMP agent does differently.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct SnmpQuirks {
    /// The life count is no count of sides marked.
    pub(super) no_life_count: bool,
}

impl SnmpQuirks {
    /// Those of the printer with this `hrDeviceDescr`.
    pub(super) fn of(description: &str) -> Self {
        let fits = |entry: &&Entry| matches(&entry.description, description);
        let entries = known().iter().filter(fits);
        let flags = entries.flat_map(|entry| entry.flags.iter());
        let mut quirks = Self::default();
        for flag in flags {
            match flag {
                Flag::NoLifeCount => quirks.no_life_count = true,
            }
        }
        quirks
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    printer: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    description: String,
    flags: Vec<Flag>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Flag {
    NoLifeCount,
}

fn known() -> &'static [Entry] {
    static KNOWN: OnceLock<Vec<Entry>> = OnceLock::new();
    // The file is part of the program, and a test reads it.
    KNOWN.get_or_init(|| read(include_str!("../../quirks/snmp.toml")).unwrap_or_default())
}

/// The entries of a file; `None` when it is not well formed or past a limit.
fn read(text: &str) -> Option<Vec<Entry>> {
    let file: File = toml::from_str(text).ok()?;
    let fits = |entry: &Entry| {
        let pattern = &entry.description;
        let stars = pattern.matches('*').count();
        pattern.chars().count() <= PATTERN_CHARS_MAX && stars <= STARS_MAX && stars < pattern.len()
    };
    let good = file.printer.len() <= ENTRIES_MAX && file.printer.iter().all(fits);
    good.then_some(file.printer)
}

/// Whether `text` is as the pattern says, whatever the case of its letters.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_data_file_is_read_whole_and_each_entry_has_a_source() {
        let text = include_str!("../../quirks/snmp.toml");
        let entries = read(text).unwrap();
        assert_eq!(entries.len(), text.matches("[[printer]]").count());
        assert!(entries.iter().all(|entry| !entry.flags.is_empty()));
        let first = text.find("[[printer]]").unwrap();
        assert!(text[..first].contains("https://"));
    }

    #[test]
    fn printers_are_found_by_their_description() {
        assert!(SnmpQuirks::of("Lexmark C4150 version CSTZJ").no_life_count);
        assert!(SnmpQuirks::of("KYOCERA ecosys p3155DN").no_life_count);
        for other in ["", "Lexmark C4152", "Platen Virtual Printer"] {
            assert_eq!(SnmpQuirks::of(other), SnmpQuirks::default());
        }
    }

    #[test]
    fn patterns_match_from_end_to_end() {
        for (pattern, text, fits) in [
            ("a*", "abc", true),
            ("a*", "ba", false),
            ("*c", "abc", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("abc", "ABC", true),
            ("abc", "abcd", false),
            ("ab*ba", "aba", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_file_past_its_limits_or_with_unknown_words_is_none() {
        let entry = |description: &str, flag: &str| {
            format!("[[printer]]\ndescription = \"{description}\"\nflags = [\"{flag}\"]\n")
        };
        assert!(read(&entry("x", "no-life-count")).is_some());
        assert!(read(&entry("x", "no-such-flag")).is_none());
        assert!(read(&entry("*", "no-life-count")).is_none());
        assert!(read(&entry("*a*a*a*a*", "no-life-count")).is_none());
        assert!(read(&entry(&"x".repeat(129), "no-life-count")).is_none());
        assert!(read(&entry("x", "no-life-count").repeat(ENTRIES_MAX + 1)).is_none());
        assert!(read("printer = 7").is_none());
    }
}
