// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Buildroot's rules of form, as its own check-package has them, for the files of this tree; and
//! shellcheck over the image's scripts.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{external, read};

/// Columns of a help text, its indentation of a tab and two spaces counted as ten.
const HELP_COLUMNS_MAX: usize = 72;

/// Every text of the tree that Buildroot reads.
fn recipe() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["", "configs", "package/platen", "patches/linux"] {
        let entries = external().join(folder).read_dir().unwrap();
        files.extend(
            entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.is_file()),
        );
    }
    assert!(files.len() > 10, "{files:?}");
    files
}

fn named(path: &Path, ending: &str) -> bool {
    path.to_string_lossy().ends_with(ending)
}

#[test]
fn lines_end_well() {
    for path in recipe() {
        let text = read(&path);
        let at = path.display();
        assert!(
            text.ends_with('\n') && !text.ends_with("\n\n"),
            "{at}: the end"
        );
        assert!(!text.contains("\n\n\n"), "{at}: two empty lines");
        for line in text.lines() {
            assert!(
                !line.ends_with([' ', '\t', '\r']),
                "{at}: blanks at the end of {line:?}"
            );
        }
    }
}

#[test]
fn makefiles_have_their_head_and_tabs() {
    let files: Vec<_> = recipe()
        .into_iter()
        .filter(|path| named(path, ".mk"))
        .collect();
    assert_eq!(files.len(), 2);
    for path in files {
        let text = read(&path);
        let at = path.display();
        let bar = "#".repeat(80);
        assert!(text.starts_with(&format!("{bar}\n#\n# ")), "{at}: head");
        assert_eq!(
            text.lines().filter(|line| **line == *bar).count(),
            2,
            "{at}: head"
        );
        let (mut inside, mut continued) = (false, false);
        for line in text.lines() {
            assert!(!line.starts_with(' '), "{at}: spaces before {line}");
            if line.starts_with("endef") {
                inside = false;
            }
            let indented = line.is_empty() || line.starts_with('\t');
            assert!(
                !(inside || continued) || indented,
                "{at}: no tab before {line}"
            );
            inside |= line.starts_with("define ");
            continued = line.ends_with('\\');
        }
        assert!(!inside && !continued, "{at}: something is open at the end");
    }
}

#[test]
fn menus_are_indented_and_their_help_is_narrow() {
    let path = external().join("package/platen/Config.in");
    let mut in_help = false;
    let mut helps = 0;
    for line in read(&path).lines() {
        let attribute = line
            .strip_prefix('\t')
            .filter(|rest| !rest.starts_with([' ', '\t']));
        match (attribute, in_help) {
            (Some("help"), _) => (in_help, helps) = (true, helps + 1),
            (Some(word), _) => {
                in_help = false;
                let known = ["bool", "depends on", "select", "default", "string"];
                assert!(known.iter().any(|known| word.starts_with(known)), "{word}");
            }
            (None, true) if line.starts_with('\t') => {
                let text = line
                    .strip_prefix("\t  ")
                    .unwrap_or_else(|| panic!("help: {line:?}"));
                assert!(10 + text.chars().count() <= HELP_COLUMNS_MAX, "{line}");
            }
            (None, _) if line.is_empty() => {}
            (None, _) => {
                in_help = false;
                let known = ["config ", "if ", "endif"];
                assert!(known.iter().any(|known| line.starts_with(known)), "{line}");
            }
        }
    }
    assert_eq!(helps, 2);
}

#[test]
fn hashes_are_written_as_buildroot_reads_them() {
    let files: Vec<_> = recipe()
        .into_iter()
        .filter(|path| named(path, ".hash"))
        .collect();
    assert_eq!(files.len(), 1);
    for line in files
        .iter()
        .flat_map(|path| read(path).lines().map(str::to_owned).collect::<Vec<_>>())
    {
        if line.starts_with("# ") {
            continue;
        }
        let fields: Vec<_> = line.split("  ").collect();
        let [kind, sum, file] = fields[..] else {
            panic!("two spaces between fields: {line}")
        };
        assert_eq!(kind, "sha256");
        assert!(
            sum.len() == 64 && sum.chars().all(|c| c.is_ascii_hexdigit()),
            "{line}"
        );
        assert!(!file.is_empty() && !file.contains([' ', '/']), "{line}");
    }
}

#[test]
fn the_tree_has_its_name() {
    let text = read(&external().join("external.desc"));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.first(), Some(&"name: PLATEN"));
    assert!(
        lines.get(1).is_some_and(|line| line.starts_with("desc: ")),
        "{text}"
    );
    assert_eq!(lines.len(), 2);
}

/// Scripts of the tree, by their first line; those of the box are BusyBox's to run.
fn scripts() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![
        external().join("scripts"),
        external().join("rootfs-overlay"),
    ];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if shebang(&path).is_some_and(|line| line.ends_with("sh")) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn shebang(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let first = text.lines().next()?;
    first.starts_with("#!").then(|| first.to_owned())
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let scripts = scripts();
    assert!(scripts.len() >= 6, "{scripts:?}");
    let mut command = Command::new("shellcheck");
    command
        .arg("--external-sources")
        .args(&scripts)
        .current_dir(external().join(".."));
    let output = command
        .output()
        .expect("shellcheck is installed by make deps");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

#[test]
fn scripts_can_be_run_and_say_what_they_are() {
    use std::os::unix::fs::PermissionsExt;
    for path in scripts() {
        let text = read(&path);
        let at = path.display();
        let second = text.lines().nth(1).unwrap_or_default();
        assert_eq!(
            second, "# SPDX-License-Identifier: Apache-2.0 OR MIT",
            "{at}"
        );
        let third = text.lines().nth(2).unwrap_or_default();
        assert!(third.starts_with("# "), "{at}: what is it?");
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{at} can't be run");
    }
}
